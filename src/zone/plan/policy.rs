//! What a plan may change.

use super::marker::Markers;
use crate::{
    name::DnsName,
    record::{RecordType, Ttl},
};

/// Which records of a zone are ours. All others are never changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ownership(pub(super) Kind);

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Everything,
    /// Sorted.
    Listed(Vec<(DnsName, RecordType)>),
    Markers(Markers),
}

impl Ownership {
    /// Everything in the zone is ours: what is not desired is deleted.
    ///
    /// What stays all the same: the SOA record and the name servers at the top, unless the policy names
    /// them ([`ChangePolicy::with_soa`], [`ChangePolicy::with_apex_ns`]), and what the signer of the
    /// zone makes (RRSIG, NSEC, DNSKEY, NSEC3, NSEC3PARAM, CDS, CDNSKEY, ZONEMD).
    pub fn everything() -> Self {
        Self(Kind::Everything)
    }

    /// The sets of these owners and types are ours, whoever wrote what is in them.
    pub fn listed(sets: impl IntoIterator<Item = (DnsName, RecordType)>) -> Self {
        let mut sets: Vec<_> = sets.into_iter().collect();
        sets.sort();
        Self(Kind::Listed(sets))
    }

    /// The records that a marker in the zone stands for are ours; see [`Markers`].
    pub fn markers(markers: Markers) -> Self {
        Self(Kind::Markers(markers))
    }
}

/// What a plan may change, and how much of a zone.
///
/// ```
/// use nameplate::zone::{ChangePolicy, Markers, Ownership};
///
/// let policy = ChangePolicy::new(Ownership::markers(Markers::new("acme-production")?))
///     .with_max_share(50);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChangePolicy {
    pub(super) ownership: Ownership,
    pub(super) soa: bool,
    pub(super) apex_ns: bool,
    pub(super) adopts: bool,
    pub(super) max_share: Option<u8>,
    pub(super) min_ttl: Option<Ttl>,
}

impl ChangePolicy {
    /// The share of our sets, in percent, that a plan may update, and that it may delete.
    pub const MAX_SHARE: u8 = 30;

    /// The number of our sets from which on the share is looked at.
    pub const GUARDED_SETS: usize = 10;

    /// Creates the policy that changes what is ours, and not more than [`MAX_SHARE`](Self::MAX_SHARE)
    /// of it at once.
    pub fn new(ownership: Ownership) -> Self {
        Self {
            ownership,
            soa: false,
            apex_ns: false,
            adopts: false,
            max_share: Some(Self::MAX_SHARE),
            min_ttl: None,
        }
    }

    /// Lets the SOA record be changed.
    #[must_use]
    pub fn with_soa(mut self) -> Self {
        self.soa = true;
        self
    }

    /// Lets the NS records at the top of the zone be changed.
    #[must_use]
    pub fn with_apex_ns(mut self) -> Self {
        self.apex_ns = true;
        self
    }

    /// Takes over desired records that are in the zone without a marker: they become ours, and will
    /// be deleted when they are not desired any more.
    ///
    /// Without this each of them is a [`Conflict`](super::Conflict).
    #[must_use]
    pub fn with_adoption(mut self) -> Self {
        self.adopts = true;
        self
    }

    /// Changes the share of our sets, in percent, that a plan may update, and that it may delete.
    ///
    /// The two are judged one by one, in zones with at least [`GUARDED_SETS`](Self::GUARDED_SETS) sets
    /// of ours. An update of the TTL alone counts as an update. Markers do not count.
    #[must_use]
    pub fn with_max_share(mut self, percent: u8) -> Self {
        self.max_share = Some(percent);
        self
    }

    /// Lets a plan update and delete everything that is ours, as it does when the desired records
    /// could not be read and are taken for none.
    #[must_use]
    pub fn without_guard(mut self) -> Self {
        self.max_share = None;
        self
    }

    /// Plans no TTL below the one that a provider keeps, as in
    /// [`Capabilities::min_ttl`](crate::dns::Capabilities::min_ttl): a provider that raises it would
    /// be asked to lower it by every plan.
    #[must_use]
    pub fn with_min_ttl(mut self, ttl: Ttl) -> Self {
        self.min_ttl = Some(ttl);
        self
    }
}
