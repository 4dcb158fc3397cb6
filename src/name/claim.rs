//! Which names may be claimed.

use std::fmt;

use super::{
    DnsName, DomainName,
    suffix::{self, Section},
};

/// Names that are never delegated to a customer.
///
/// The IANA registry of special-use domain names (RFC 6761): `alt` RFC 9476, `arpa` RFC 3172 with
/// all that is registered below it (`home.arpa` RFC 8375, `resolver.arpa` RFC 9462, the reverse
/// zones of RFC 6761 section 6.1), `example*`, `invalid`, `localhost` and `test` RFC 6761 section
/// 6, `local` RFC 6762, `onion` RFC 7686. `internal` is reserved by ICANN (resolution 2024.07.29.06).
const SPECIAL_USE: [&str; 12] = [
    "alt",
    "arpa",
    "example",
    "example.com",
    "example.net",
    "example.org",
    "internal",
    "invalid",
    "local",
    "localhost",
    "onion",
    "test",
];

/// The rules of a [`ClaimPolicy`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum ClaimRule {
    /// A company gives names below it to its customers; it is in the list's private section.
    PrivateSuffix,
    /// A registry gives names below it to everybody; it is in the list's ICANN section.
    PublicSuffix,
    /// The platform keeps it, or a name that it covers, for itself.
    Reserved,
    /// It is set aside by RFC 6761 or its like and means nothing in public DNS.
    SpecialUse,
    /// It has more labels than a certificate can be had for.
    TooManyLabels,
    /// It covers names of many owners.
    WildcardTooBroad,
}

impl ClaimRule {
    /// Every rule.
    pub const ALL: [Self; 6] = [
        Self::PrivateSuffix,
        Self::PublicSuffix,
        Self::Reserved,
        Self::SpecialUse,
        Self::TooManyLabels,
        Self::WildcardTooBroad,
    ];

    /// Returns the stable code, for APIs and metrics labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PrivateSuffix => "private_suffix",
            Self::PublicSuffix => "public_suffix",
            Self::Reserved => "reserved",
            Self::SpecialUse => "special_use",
            Self::TooManyLabels => "too_many_labels",
            Self::WildcardTooBroad => "wildcard_too_broad",
        }
    }
}

/// Why a name cannot be claimed here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AdmitError {
    rule: ClaimRule,
    name: DomainName,
    /// What the rule is about: the reserved or special-use name, or the limit.
    because: Box<str>,
}

impl AdmitError {
    fn new(rule: ClaimRule, name: &DomainName, because: impl Into<Box<str>>) -> Self {
        Self { rule, name: name.clone(), because: because.into() }
    }

    /// Returns the rule that refuses the name.
    pub fn rule(&self) -> ClaimRule {
        self.rule
    }

    /// Returns the name that is refused.
    pub fn name(&self) -> &DomainName {
        &self.name
    }
}

impl fmt::Display for AdmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, name, because } = self;
        match rule {
            ClaimRule::PrivateSuffix => write!(
                f,
                "`{name}` is shared by the customers of one company (public suffix list, private \
                 section): claim a name below it"
            ),
            ClaimRule::PublicSuffix => {
                write!(
                    f,
                    "`{name}` is a public suffix, shared by many owners: claim a name below it"
                )
            }
            // Not the reserved name itself: a stranger need not learn what the platform keeps.
            ClaimRule::Reserved => write!(f, "`{name}` is reserved by the platform"),
            ClaimRule::SpecialUse => {
                write!(f, "`{name}` is in `{because}`, which is set aside and not in public DNS")
            }
            ClaimRule::TooManyLabels => {
                write!(f, "`{name}` has more than {because} labels, so no certificate can be had")
            }
            ClaimRule::WildcardTooBroad => write!(
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
    max_labels: usize,
}

impl ClaimPolicy {
    /// Most labels of a name in a certificate of Let's Encrypt.
    pub const MAX_LABELS: usize = 10;

    /// Creates the strict policy: nothing reserved, nothing relaxed, at most 10 labels.
    #[expect(clippy::new_without_default, reason = "a policy is chosen, never a default")]
    pub fn new() -> Self {
        Self { reserved: Vec::new(), allowed: Vec::new(), max_labels: Self::MAX_LABELS }
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

    /// Says whether `name` may be claimed.
    ///
    /// # Errors
    ///
    /// [`AdmitError`] with the first rule that refuses it.
    pub fn admit(&self, name: &DomainName) -> Result<(), AdmitError> {
        if name.labels().count() > self.max_labels {
            let limit = self.max_labels.to_string();
            return Err(AdmitError::new(ClaimRule::TooManyLabels, name, limit));
        }
        let base = DnsName::from(name.base());
        let refuses = |reserved: &&DnsName| {
            base.is_within(reserved) || (name.is_wildcard() && reserved.is_within(&base))
        };
        if let Some(reserved) = self.reserved.iter().find(refuses) {
            return Err(AdmitError::new(ClaimRule::Reserved, name, reserved.as_str()));
        }
        if covers_many_owners(name) {
            return Err(AdmitError::new(ClaimRule::WildcardTooBroad, name, ""));
        }
        let allowed = || self.allowed.iter();
        if let Some(special) = special_use(name.base_str())
            && !allowed()
                .any(|allowed| is_or_is_below(allowed.as_str(), special) && base.is_within(allowed))
        {
            return Err(AdmitError::new(ClaimRule::SpecialUse, name, special));
        }
        match suffix::section(name.base_str()) {
            Some(Section::Private) if allowed().any(|allowed| *allowed == base) => Ok(()),
            Some(Section::Private) => Err(AdmitError::new(ClaimRule::PrivateSuffix, name, "")),
            Some(Section::Icann | Section::Unlisted) => {
                Err(AdmitError::new(ClaimRule::PublicSuffix, name, ""))
            }
            None => Ok(()),
        }
    }
}

/// Returns whether a wildcard is at or above the boundary below which names are registered.
fn covers_many_owners(name: &DomainName) -> bool {
    // With a rule such as `*.kawasaki.jp` the base is registrable and all that it covers is not.
    name.is_wildcard()
        && (suffix::section(name.base_str()).is_some() || suffix::section(name.as_str()).is_some())
}

/// Returns the special-use name that `name` is or is below.
fn special_use(name: &str) -> Option<&'static str> {
    SPECIAL_USE.into_iter().find(|special| is_or_is_below(name, special))
}

fn is_or_is_below(name: &str, zone: &str) -> bool {
    name.strip_suffix(zone).is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

#[cfg(test)]
mod tests;
