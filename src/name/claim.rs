//! Which names may be claimed.

use std::{fmt, sync::Arc};

use serde::Serialize;

use super::{
    DnsName, DomainName, NameProfile, PublicSuffixes, SharedSuffixes,
    suffix::{Section, count_labels},
};

/// Names that are never delegated to a customer, and what sets them aside.
///
/// The IANA registry of special-use domain names, and `internal`, which is not in it. The names
/// that the registry has below `arpa` are for the message alone: RFC 3172 sets all of `arpa` aside,
/// and with it the reverse zones of RFC 6761 section 6.1. Those below a name stand before it.
const SPECIAL_USE: [(&str, &str); 21] = [
    ("6tisch.arpa", "RFC 9031"),
    ("alt", "RFC 9476"),
    ("eap-noob.arpa", "RFC 9140"),
    ("eap.arpa", "RFC 9965"),
    ("home.arpa", "RFC 8375"),
    ("in-addr.arpa", "RFC 1035 section 3.5"),
    ("ip6.arpa", "RFC 3596 section 2.5"),
    ("ipv4only.arpa", "RFC 8880"),
    ("resolver.arpa", "RFC 9462"),
    ("service.arpa", "RFC 9665"),
    ("arpa", "RFC 3172"),
    ("example", "RFC 6761 section 6.5"),
    ("example.com", "RFC 6761 section 6.5"),
    ("example.net", "RFC 6761 section 6.5"),
    ("example.org", "RFC 6761 section 6.5"),
    ("internal", "ICANN resolution 2024.07.29.06"),
    ("invalid", "RFC 6761 section 6.4"),
    ("local", "RFC 6762"),
    ("localhost", "RFC 6761 section 6.3"),
    ("onion", "RFC 7686"),
    ("test", "RFC 6761 section 6.2"),
];

/// The rules of a [`ClaimPolicy`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClaimRule {
    /// A company gives names below it to its customers; it is in the list's private section.
    PrivateSuffix,
    /// The published API that the platform follows does not take it.
    Profile,
    /// A registry gives names below it to everybody; it is in the list's ICANN section.
    PublicSuffix,
    /// The platform keeps it, or a name that it covers, for itself.
    Reserved,
    /// It is set aside by RFC 6761 or its like and means nothing in public DNS.
    SpecialUse,
    /// It has more labels in front of the registrable domain than the platform takes.
    TooDeep,
    /// It has more labels than a certificate can be had for.
    TooManyLabels,
    /// It covers names of many owners.
    WildcardTooBroad,
}

impl ClaimRule {
    /// Every rule.
    pub const ALL: [Self; 8] = [
        Self::PrivateSuffix,
        Self::Profile,
        Self::PublicSuffix,
        Self::Reserved,
        Self::SpecialUse,
        Self::TooDeep,
        Self::TooManyLabels,
        Self::WildcardTooBroad,
    ];

    /// Returns the stable code, for APIs and metrics labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PrivateSuffix => "private_suffix",
            Self::Profile => "profile",
            Self::PublicSuffix => "public_suffix",
            Self::Reserved => "reserved",
            Self::SpecialUse => "special_use",
            Self::TooDeep => "too_deep",
            Self::TooManyLabels => "too_many_labels",
            Self::WildcardTooBroad => "wildcard_too_broad",
        }
    }
}

/// Why a name cannot be claimed here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AdmitError {
    refusal: Refusal,
    name: DomainName,
}

/// A rule, with what its message needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Refusal {
    PrivateSuffix,
    Profile(NameProfile),
    PublicSuffix,
    Reserved,
    SpecialUse { name: &'static str, source: &'static str },
    TooDeep { max: usize },
    TooManyLabels { max: usize },
    WildcardTooBroad,
}

impl AdmitError {
    /// Returns the rule that refuses the name.
    pub fn rule(&self) -> ClaimRule {
        match self.refusal {
            Refusal::PrivateSuffix => ClaimRule::PrivateSuffix,
            Refusal::Profile(_) => ClaimRule::Profile,
            Refusal::PublicSuffix => ClaimRule::PublicSuffix,
            Refusal::Reserved => ClaimRule::Reserved,
            Refusal::SpecialUse { .. } => ClaimRule::SpecialUse,
            Refusal::TooDeep { .. } => ClaimRule::TooDeep,
            Refusal::TooManyLabels { .. } => ClaimRule::TooManyLabels,
            Refusal::WildcardTooBroad => ClaimRule::WildcardTooBroad,
        }
    }

    /// Returns the name that is refused.
    pub fn name(&self) -> &DomainName {
        &self.name
    }
}

impl fmt::Display for AdmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match self.refusal {
            Refusal::PrivateSuffix => write!(
                f,
                "`{name}` is shared by the customers of one company (public suffix list, private \
                 section): claim a name below it"
            ),
            Refusal::Profile(profile) => write!(
                f,
                "`{name}` is not what the profile `{profile}` takes: {}",
                profile.domain_in_words()
            ),
            Refusal::PublicSuffix => {
                write!(
                    f,
                    "`{name}` is a public suffix, shared by many owners: claim a name below it"
                )
            }
            // Not the reserved name itself: a stranger need not learn what the platform keeps.
            Refusal::Reserved => write!(f, "`{name}` is reserved by the platform"),
            Refusal::SpecialUse { name: special, source } => {
                write!(
                    f,
                    "`{name}` is in `{special}`, which is set aside ({source}): nobody owns it"
                )
            }
            Refusal::TooDeep { max } => write!(
                f,
                "`{name}` has more than {max} labels in front of its registrable domain, too many"
            ),
            Refusal::TooManyLabels { max } => {
                write!(f, "`{name}` has more than {max} labels, so no certificate can be had")
            }
            Refusal::WildcardTooBroad => write!(
                f,
                "`{name}` covers names of many owners: a wildcard stands below a registered domain"
            ),
        }
    }
}

impl std::error::Error for AdmitError {}

/// Which names may be claimed here, whoever claims them.
///
/// Strict until told otherwise: every relaxation names what it relaxes. Proof of ownership comes
/// after this and is never replaced by it.
///
/// ```
/// use nameplate::name::{ClaimPolicy, ClaimRule, DomainName};
///
/// let policy = ClaimPolicy::new().with_reserved(["acme.app".parse()?]);
/// assert!(policy.admit(&"shop.customer.com".parse()?).is_ok());
/// for (name, rule) in [
///     ("co.uk", ClaimRule::PublicSuffix),
///     ("*.com", ClaimRule::WildcardTooBroad),
///     ("api.acme.app", ClaimRule::Reserved),
/// ] {
///     let name: DomainName = name.parse()?;
///     assert_eq!(policy.admit(&name).unwrap_err().rule(), rule);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClaimPolicy {
    reserved: Vec<DnsName>,
    allowed: Vec<DnsName>,
    profiles: Vec<NameProfile>,
    suffixes: SharedSuffixes,
    max_labels: usize,
    max_depth: usize,
}

impl ClaimPolicy {
    /// Most labels of a name in a certificate of Let's Encrypt.
    pub const MAX_LABELS: usize = 10;

    /// Most labels in front of the registrable domain, of which none has fewer than two.
    pub const MAX_DEPTH: usize = Self::MAX_LABELS - 2;

    /// Creates the strict policy: nothing reserved, nothing relaxed, at most 10 labels.
    ///
    /// It goes by the list of public suffixes that is [compiled in](PublicSuffixes::compiled).
    #[expect(clippy::new_without_default, reason = "a policy is chosen, never a default")]
    pub fn new() -> Self {
        Self {
            reserved: Vec::new(),
            allowed: Vec::new(),
            profiles: Vec::new(),
            suffixes: SharedSuffixes::from(PublicSuffixes::compiled()),
            max_labels: Self::MAX_LABELS,
            max_depth: Self::MAX_DEPTH,
        }
    }

    /// Reserves names of the platform: its apex, API host, CNAME targets, name servers.
    ///
    /// Refused are the name, everything below it, and every wildcard above it, since a wildcard in
    /// DNS covers all depths (RFC 4592 section 2.1). No opt-in overrides this.
    #[must_use]
    pub fn with_reserved(mut self, names: impl IntoIterator<Item = DnsName>) -> Self {
        self.reserved.extend(names);
        self
    }

    /// Opts in to names that are refused for being special-use or a private suffix.
    ///
    /// For special use an opt-in covers the name and everything below it: `test` covers
    /// `shop.example.test`, and `shop.example.com` leaves the rest of `example.com` refused. It has
    /// to be special-use itself: `com` opts in to nothing. A private suffix is covered by its own
    /// name alone. ICANN suffixes, broad wildcards and
    /// reserved names cannot be opted in to.
    #[must_use]
    pub fn with_allowed(mut self, names: impl IntoIterator<Item = DnsName>) -> Self {
        self.allowed.extend(names);
        self
    }

    /// Sets the most labels of a name, `*` included.
    #[must_use]
    pub fn with_max_labels(mut self, max_labels: usize) -> Self {
        self.max_labels = max_labels;
        self
    }

    /// Sets the most labels in front of the registrable domain, `*` included.
    ///
    /// 0 is for the registrable domain alone, 1 for `www` before it.
    #[must_use]
    pub fn with_max_depth(mut self, max_depth: usize) -> Self {
        self.max_depth = max_depth;
        self
    }

    /// Refuses what a published API refuses too.
    ///
    /// This takes nothing back: whatever else refuses a name still does. Several profiles all have
    /// to take it.
    #[must_use]
    pub fn with_profile(mut self, profile: NameProfile) -> Self {
        self.profiles.push(profile);
        self
    }

    /// Goes by another list of public suffixes.
    ///
    /// A [`PublicSuffixes`], or a [`SharedSuffixes`] whose list can be swapped later on.
    #[must_use]
    pub fn with_suffixes(mut self, suffixes: impl Into<SharedSuffixes>) -> Self {
        self.suffixes = suffixes.into();
        self
    }

    /// Returns the list of public suffixes as it is now, which knows its own age.
    pub fn suffixes(&self) -> Arc<PublicSuffixes> {
        self.suffixes.current()
    }

    /// Says whether `name` may be claimed.
    ///
    /// # Errors
    ///
    /// [`AdmitError`] with the first rule that refuses it.
    pub fn admit(&self, name: &DomainName) -> Result<(), AdmitError> {
        match self.refusal(name) {
            Some(refusal) => Err(AdmitError { refusal, name: name.clone() }),
            None => Ok(()),
        }
    }

    /// Returns the first rule that refuses `name`.
    fn refusal(&self, name: &DomainName) -> Option<Refusal> {
        let labels = count_labels(name.as_str());
        if labels > self.max_labels {
            return Some(Refusal::TooManyLabels { max: self.max_labels });
        }
        if self.is_reserved(name) {
            return Some(Refusal::Reserved);
        }
        let suffixes = self.suffixes.current();
        let base = name.base_str();
        let suffix = suffixes.suffix(base);
        let is_suffix = suffix.start == 0;
        // With a rule such as `*.kawasaki.jp` the base is registrable and all that it covers is not.
        if name.is_wildcard() && (is_suffix || suffixes.section(name.as_str()).is_some()) {
            return Some(Refusal::WildcardTooBroad);
        }
        if let Some((special, source)) = special_use(base)
            && !self.is_allowed_in(name, special)
        {
            return Some(Refusal::SpecialUse { name: special, source });
        }
        if is_suffix {
            match suffix.section {
                Section::Private if self.allowed.iter().any(|name| name.as_str() == base) => {}
                Section::Private => return Some(Refusal::PrivateSuffix),
                Section::Icann | Section::Unlisted => return Some(Refusal::PublicSuffix),
            }
        }
        let registered = base.get(suffix.start..).map_or(0, |suffix| count_labels(suffix) + 1);
        if labels.saturating_sub(registered) > self.max_depth {
            return Some(Refusal::TooDeep { max: self.max_depth });
        }
        let profile = self.profiles.iter().find(|profile| !profile.takes_domain(name))?;
        Some(Refusal::Profile(*profile))
    }

    /// Returns the names that the platform keeps.
    pub(crate) fn reserved(&self) -> &[DnsName] {
        &self.reserved
    }

    /// Returns whether `name` is or covers a name that the platform keeps.
    pub(crate) fn is_reserved(&self, name: &DomainName) -> bool {
        if self.reserved.is_empty() {
            return false;
        }
        let base = DnsName::from(name.base());
        self.reserved.iter().any(|reserved| {
            base.is_within(reserved) || (name.is_wildcard() && reserved.is_within(&base))
        })
    }

    /// Returns whether an opt-in within `special`, which is a special-use name, covers `name`.
    fn is_allowed_in(&self, name: &DomainName, special: &str) -> bool {
        self.allowed.iter().map(DnsName::as_str).any(|allowed| {
            is_or_is_below(allowed, special) && is_or_is_below(name.base_str(), allowed)
        })
    }
}

/// Returns the special-use name that `name` is or is below, and what sets it aside.
fn special_use(name: &str) -> Option<(&'static str, &'static str)> {
    let (front, last) = name.rsplit_once('.').unwrap_or(("", name));
    match last {
        // A quick way out for nearly all.
        "com" | "net" | "org" if !front.ends_with("example") => return None,
        "alt" | "arpa" | "com" | "example" | "internal" | "invalid" | "local" | "localhost"
        | "net" | "onion" | "org" | "test" => {}
        _ => return None,
    }
    SPECIAL_USE.into_iter().find(|(special, _)| is_or_is_below(name, special))
}

/// Returns whether `name`, in which no dot is escaped, is `zone` or below it.
fn is_or_is_below(name: &str, zone: &str) -> bool {
    name.strip_suffix(zone).is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

#[cfg(test)]
mod tests;
