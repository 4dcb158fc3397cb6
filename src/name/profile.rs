//! Which names a published API takes.

use std::{fmt, sync::LazyLock};

use regex::Regex;

use super::DomainName;

/// What a published API says of the names it takes, for a platform that offers the same API.
///
/// A profile is a name and patterns: it says nothing of ownership, public suffixes or punycode, and
/// takes names that are none. So it stands beside the rules of this crate and never instead of
/// them, see [`ClaimPolicy::with_profile`](super::ClaimPolicy::with_profile).
///
/// ```
/// use nameplate::name::{ClaimPolicy, ClaimRule, NameProfile};
///
/// let policy = ClaimPolicy::new().with_profile(NameProfile::NORTHFLANK);
/// assert!(policy.admit(&"shop.customer.com".parse()?).is_ok());
/// let error = policy.admit(&"x.customer.com".parse()?).unwrap_err();
/// assert_eq!(error.rule(), ClaimRule::Profile);
/// # Ok::<(), nameplate::name::DomainNameError>(())
/// ```
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct NameProfile(Published);

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Published {
    Northflank,
}

/// A profile as data.
struct Data {
    name: &'static str,
    source: &'static str,
    /// What a domain is.
    words: &'static str,
    domain: Pattern,
    subdomain: Pattern,
}

/// A regular expression, compiled when it is first asked.
struct Pattern {
    text: &'static str,
    compiled: LazyLock<Regex>,
}

static NORTHFLANK: Data = Data {
    name: "northflank",
    source: "Northflank API v1, POST /domains and POST /domains/{domain}/subdomains",
    words: "two or more labels of two or more letters, digits and hyphens",
    domain: Pattern { text: DOMAIN, compiled: LazyLock::new(|| compile(DOMAIN)) },
    subdomain: Pattern { text: SUBDOMAIN, compiled: LazyLock::new(|| compile(SUBDOMAIN)) },
};

const DOMAIN: &str = r"^[A-Za-z0-9-]{2,}(?:\.[A-Za-z0-9-]{2,})+$";

// The first branch is open at its end, as published.
const SUBDOMAIN: &str =
    r"^\*|^@$|^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$";

fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns are literals, and a test compiles them")
}

impl NameProfile {
    /// Northflank's rules for the domain and the subdomain of its API.
    ///
    /// A domain has two or more labels of two or more letters, digits and hyphens: names with a
    /// label of one character are refused, and so are wildcards, which are a mode of a domain there.
    pub const NORTHFLANK: Self = Self(Published::Northflank);

    /// Every profile.
    pub const ALL: [Self; 1] = [Self::NORTHFLANK];

    /// Returns the stable name, for settings and messages.
    pub fn as_str(self) -> &'static str {
        self.data().name
    }

    /// Returns where the rules are published.
    pub fn source(self) -> &'static str {
        self.data().source
    }

    /// Returns the regular expression that a domain matches.
    pub fn domain_pattern(self) -> &'static str {
        self.data().domain.text
    }

    /// Returns the regular expression that a subdomain matches, relative to its domain.
    pub fn subdomain_pattern(self) -> &'static str {
        self.data().subdomain.text
    }

    /// Returns whether the API takes `name` as a domain.
    pub fn takes_domain(self, name: &DomainName) -> bool {
        self.data().domain.compiled.is_match(name.as_str())
    }

    /// Returns whether the API takes `text` as the part of a name in front of its domain.
    ///
    /// It may be no name at all: `*` and anything behind it is taken.
    pub fn takes_subdomain(self, text: &str) -> bool {
        self.data().subdomain.compiled.is_match(text)
    }

    /// Returns in words what a domain is.
    pub(super) fn domain_in_words(self) -> &'static str {
        self.data().words
    }

    fn data(self) -> &'static Data {
        match self.0 {
            Published::Northflank => &NORTHFLANK,
        }
    }
}

impl fmt::Display for NameProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for NameProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NameProfile({self})")
    }
}

#[cfg(test)]
mod tests;
