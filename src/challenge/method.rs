//! The ways in which a name can be proved.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::name::DomainName;

/// How a proof is published.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Method {
    /// A TXT record (draft-ietf-dnsop-domain-verification-techniques) that says the token.
    DnsTxt,
    /// A CNAME record whose first label is the token, and which leads to a fixed name of the
    /// platform's.
    DnsCname,
    /// A page on the host that says the token and nothing else. Proves no wildcard.
    Http,
    /// A code that was mailed to those who answer for the name.
    Email,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 4] = [Self::DnsTxt, Self::DnsCname, Self::Http, Self::Email];

    /// Returns the stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DnsTxt => "dns-txt",
            Self::DnsCname => "dns-cname",
            Self::Http => "http",
            Self::Email => "email",
        }
    }

    /// Returns whether the proof is a record, which is there for as long as the claim is.
    ///
    /// The token of any other method is good for a short time only.
    pub const fn is_record(self) -> bool {
        match self {
            Self::DnsTxt | Self::DnsCname => true,
            Self::Http | Self::Email => false,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Method {
    type Err = MethodError;

    fn from_str(text: &str) -> Result<Self, MethodError> {
        Self::ALL.into_iter().find(|method| method.as_str() == text).ok_or(MethodError::Unknown)
    }
}

/// Why a name cannot be proved by a method.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MethodError {
    /// The platform's label does not say what is proved, so it is hosts only.
    #[error("records at the platform's label prove hosts and no wildcard: use dns-cname")]
    Label,
    /// Nothing sends mail.
    #[error("nothing that sends mail is plugged in, so nothing is proved by email")]
    NoMailer,
    /// Nothing fetches pages.
    #[error("nothing that fetches pages is plugged in, so nothing is proved by http")]
    NoProbe,
    /// The platform has no name that records could lead to.
    #[error("the platform has no proof target, so nothing is proved by dns-cname")]
    NoTarget,
    /// There is no such method.
    #[error("a method is dns-txt, dns-cname, http or email")]
    Unknown,
    /// A page is on one host.
    #[error("a page proves the name that it is on and no wildcard: use a DNS record")]
    Wildcard,
}

/// What a proof is a proof of. The place where it is published states it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Scope {
    /// The name itself, and nothing above or below it.
    Host,
    /// The names one label below it, and not the name itself.
    Wildcard,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 2] = [Self::Host, Self::Wildcard];

    /// Returns the scope that a claim on `name` has.
    pub fn of(name: &DomainName) -> Self {
        if name.is_wildcard() { Self::Wildcard } else { Self::Host }
    }

    /// Returns what a challenge of which nothing is said is taken to be for.
    pub(super) const fn first() -> Self {
        Self::Host
    }

    /// Returns the stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Wildcard => "wildcard",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
