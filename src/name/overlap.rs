//! How two names that can be claimed relate to each other.

use serde::Serialize;

use super::DomainName;

/// How a name relates to another one that it is not.
///
/// The relation decides nothing about ownership: whoever claims a name proves exactly that name,
/// whatever they hold above or below it. It decides who is served, and who is told.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Overlap {
    /// It is above the other one, at any depth, and does not cover it.
    Above,
    /// It is below the other one, at any depth, and is not covered by it.
    Below,
    /// The other one is a wildcard that covers it.
    CoveredBy,
    /// It is a wildcard that covers the other one.
    Covers,
    /// It is the wildcard at the other one: it covers names below that, and not the name itself.
    WildcardOf,
    /// The other one is the wildcard at this name.
    WithWildcard,
}

impl Overlap {
    /// Every relation.
    pub const ALL: [Self; 6] = [
        Self::Above,
        Self::Below,
        Self::CoveredBy,
        Self::Covers,
        Self::WildcardOf,
        Self::WithWildcard,
    ];

    /// Returns the stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::Below => "below",
            Self::CoveredBy => "covered_by",
            Self::Covers => "covers",
            Self::WildcardOf => "wildcard_of",
            Self::WithWildcard => "with_wildcard",
        }
    }

    /// Returns how `own` relates to `other`; `None` if they are the same, or have nothing to do with
    /// each other.
    ///
    /// A wildcard covers what has exactly one label in its place, as in certificates (RFC 9525
    /// section 6.3).
    ///
    /// ```
    /// use nameplate::name::{DomainName, Overlap};
    ///
    /// let [wildcard, host]: [DomainName; 2] = ["*.example.com".parse()?, "a.example.com".parse()?];
    /// assert_eq!(Overlap::between(&wildcard, &host), Some(Overlap::Covers));
    /// assert_eq!(Overlap::between(&host, &wildcard), Some(Overlap::CoveredBy));
    /// # Ok::<(), nameplate::name::DomainNameError>(())
    /// ```
    pub fn between(own: &DomainName, other: &DomainName) -> Option<Self> {
        if own == other {
            return None;
        }
        let (own_base, other_base) = (own.base_str(), other.base_str());
        match (own.is_wildcard(), other.is_wildcard()) {
            (true, false) if own_base == other_base => Some(Self::WildcardOf),
            (false, true) if own_base == other_base => Some(Self::WithWildcard),
            (true, false) if parent(other_base) == Some(own_base) => Some(Self::Covers),
            (false, true) if parent(own_base) == Some(other_base) => Some(Self::CoveredBy),
            _ if is_below(other_base, own_base) => Some(Self::Above),
            _ if is_below(own_base, other_base) => Some(Self::Below),
            _ => None,
        }
    }

    /// Returns the same relation, as seen from the other name.
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self {
            Self::Above => Self::Below,
            Self::Below => Self::Above,
            Self::CoveredBy => Self::Covers,
            Self::Covers => Self::CoveredBy,
            Self::WildcardOf => Self::WithWildcard,
            Self::WithWildcard => Self::WildcardOf,
        }
    }
}

impl DomainName {
    /// Returns the wildcard that covers this name, if there can be one.
    pub fn covering_wildcard(&self) -> Option<Self> {
        if self.is_wildcard() {
            return None;
        }
        parent(self.as_str()).and_then(|parent| format!("*.{parent}").parse().ok())
    }

    /// Returns the names whose holders serve this host: the name itself, then the wildcard that
    /// covers it.
    ///
    /// The first that anybody holds decides, whoever holds the other: the most specific name wins,
    /// in whichever order they were claimed.
    pub fn serving_names(&self) -> Vec<Self> {
        std::iter::once(self.clone()).chain(self.covering_wildcard()).collect()
    }

    /// Returns the names above this one down to the registrable domain, and the wildcards at them:
    /// whoever holds one of them holds something that this name overlaps with.
    pub fn names_above(&self) -> Vec<Self> {
        let Some(top) = self.registrable() else { return Vec::new() };
        let base = self.base_str();
        let own_base = self.is_wildcard().then_some(base);
        let above = std::iter::successors(parent(base), |name| parent(name));
        let mut names = Vec::new();
        for name in own_base.into_iter().chain(above) {
            if name.len() < top.len() {
                break;
            }
            let wildcard = (name != base).then(|| format!("*.{name}"));
            names.extend([Some(name.to_owned()), wildcard].into_iter().flatten());
        }
        names.iter().filter_map(|name| name.parse().ok()).collect()
    }
}

/// Returns the name without its first label.
fn parent(name: &str) -> Option<&str> {
    name.split_once('.').map(|(_, parent)| parent)
}

/// Returns whether `name` is below `zone`, by whole labels.
fn is_below(name: &str, zone: &str) -> bool {
    name.strip_suffix(zone).is_some_and(|front| front.ends_with('.'))
}

#[cfg(test)]
mod tests;
