//! What stands in the way of a plan.

use std::fmt;

use crate::{
    name::DnsName,
    record::{RecordSet, RecordType},
};

/// Something that is wanted and not planned, since records that are not ours stand in its way.
///
/// What the conflict is about stays as it is: the set, or for
/// [reasons](ConflictReason::is_about_the_name) that are about the owner, all sets of the owner.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Conflict {
    pub(super) name: DnsName,
    pub(super) record_type: RecordType,
    pub(super) reason: ConflictReason,
    pub(super) found: Option<RecordSet>,
}

/// Why something that is wanted is not planned.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum ConflictReason {
    /// A wanted record is there, and not ours. [`ChangePolicy::with_adoption`] takes it over.
    ///
    /// [`ChangePolicy::with_adoption`]: super::ChangePolicy::with_adoption
    Unmanaged,
    /// The set has records of others, and the type is none whose records stand each for itself. See
    /// [`Markers::joining`](super::Markers::joining).
    Foreign,
    /// The set is not among those that are listed as ours.
    Unlisted,
    /// The SOA record or the name servers of the zone, which the policy does not name, or what the
    /// signer of the zone makes.
    Protected,
    /// A CNAME of others is there, and allows nothing beside it (RFC 2181 section 10.1).
    BesideCname,
    /// A CNAME is wanted where others have records (RFC 2181 section 10.1).
    CnameBeside,
    /// A DNAME of others is above the owner, or above its markers (RFC 6672 section 2.4).
    BelowDname,
    /// A delegation of others is at the owner or above it: what is below is in another zone (RFC 1034
    /// section 4.2.1), and so would be the markers.
    BelowDelegation,
    /// A DNAME is wanted above records of others (RFC 6672 section 2.4).
    DnameAbove,
    /// A CNAME of others is where the markers of the owner belong.
    MarkerTaken,
}

impl Conflict {
    /// Returns the owner of what is wanted.
    pub fn name(&self) -> &DnsName {
        &self.name
    }

    /// Returns the type of what is wanted.
    pub fn record_type(&self) -> RecordType {
        self.record_type
    }

    /// Returns why it is not planned.
    pub fn reason(&self) -> ConflictReason {
        self.reason
    }

    /// Returns the set that stands in the way, if there is one.
    pub fn found(&self) -> Option<&RecordSet> {
        self.found.as_ref()
    }
}

impl ConflictReason {
    /// Every reason.
    pub const ALL: &[Self] = &[
        Self::Unmanaged,
        Self::Foreign,
        Self::Unlisted,
        Self::Protected,
        Self::BesideCname,
        Self::CnameBeside,
        Self::BelowDname,
        Self::BelowDelegation,
        Self::DnameAbove,
        Self::MarkerTaken,
    ];

    /// Returns the name of the reason, which does not change.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unmanaged => "unmanaged",
            Self::Foreign => "foreign",
            Self::Unlisted => "unlisted",
            Self::Protected => "protected",
            Self::BesideCname => "beside_cname",
            Self::CnameBeside => "cname_beside",
            Self::BelowDname => "below_dname",
            Self::BelowDelegation => "below_delegation",
            Self::DnameAbove => "dname_above",
            Self::MarkerTaken => "marker_taken",
        }
    }

    /// Returns whether nothing at all is changed at the owner, rather than in the one set.
    pub const fn is_about_the_name(self) -> bool {
        match self {
            Self::Unmanaged | Self::Foreign | Self::Unlisted | Self::Protected => false,
            Self::BesideCname
            | Self::CnameBeside
            | Self::BelowDname
            | Self::BelowDelegation
            | Self::DnameAbove
            | Self::MarkerTaken => true,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Unmanaged => "the record is there and is not ours",
            Self::Foreign => "the set has records that are not ours",
            Self::Unlisted => "the set is not listed as ours",
            Self::Protected => {
                "the set belongs to the zone itself, and the policy does not name it"
            }
            Self::BesideCname => "a CNAME record that is not ours is there",
            Self::CnameBeside => "records that are not ours are there, and a CNAME is wanted",
            Self::BelowDname => "a DNAME record that is not ours allows no names below it",
            Self::BelowDelegation => "a delegation that is not ours makes this another zone",
            Self::DnameAbove => "records that are not ours are below, and a DNAME is wanted",
            Self::MarkerTaken => "a CNAME record that is not ours is where the markers belong",
        }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.name, self.record_type, self.reason.text())
    }
}

impl fmt::Display for ConflictReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
