//! Looking things up in the DNS.

#[cfg(feature = "hickory")]
mod hickory;
mod memory;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    error::Result,
    name::DnsName,
    record::{DnsRecord, RecordType},
};

#[cfg(feature = "hickory")]
pub use hickory::{Hickory, HickoryBuilder};
pub use memory::InMemoryResolver;

/// Whom to ask.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Mode {
    /// The servers that the zone is delegated to, without any cache: what is published now.
    Authoritative,
    /// A recursive resolver: what the world sees, caches included.
    Recursive,
}

/// A question for a [`Resolver`].
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Lookup {
    /// The name.
    pub name: DnsName,
    /// The type.
    pub record_type: RecordType,
    /// Whom to ask.
    pub mode: Mode,
}

impl Lookup {
    /// Longest chain of CNAME records that is followed.
    pub const MAX_CHAIN: usize = 8;

    /// Most records of an answer that are looked at.
    pub const MAX_RECORDS: usize = 64;

    /// Creates a question.
    pub const fn new(name: DnsName, record_type: RecordType, mode: Mode) -> Self {
        Self { name, record_type, mode }
    }
}

/// What came of a question: five outcomes that are never mixed up.
///
/// Only [`Outcome::NxDomain`] and [`Outcome::NoData`] say that a record is absent.
/// [`Outcome::Failed`] and [`Outcome::Timeout`] say nothing about it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// Records of the type asked for, at the end of the chain.
    Answer(Vec<DnsRecord>),
    /// The name does not exist (RFC 2308 section 2.1).
    NxDomain {
        /// How long that may be remembered, if a SOA record said so.
        negative_ttl: Option<Duration>,
    },
    /// The name exists without records of that type (RFC 2308 section 2.2).
    NoData {
        /// How long that may be remembered, if a SOA record said so.
        negative_ttl: Option<Duration>,
    },
    /// A server answered that it cannot answer.
    Failed(Failure),
    /// Nothing came in time.
    Timeout,
}

/// Why a server gave no answer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Failure {
    /// DNSSEC validation failed (RFC 4035 section 4.3).
    Bogus,
    /// The chain of CNAME records is a loop or too long.
    Chain,
    /// Servers of one zone gave different answers.
    Disagreement,
    /// No server of the zone answers for it.
    Lame,
    /// The server answered REFUSED or NOTAUTH.
    Refused,
    /// The server answered SERVFAIL or something unexpected.
    ServFail,
}

impl Failure {
    /// Returns the stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bogus => "bogus",
            Self::Chain => "chain",
            Self::Disagreement => "disagreement",
            Self::Lame => "lame",
            Self::Refused => "refused",
            Self::ServFail => "servfail",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The answer to a [`Lookup`].
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// What came of it.
    pub outcome: Outcome,
    /// The CNAME targets that were followed, in order; the last one is where the outcome is from.
    pub chain: Vec<DnsName>,
    /// Whether a validating resolver that we trust says that the answer is signed and valid.
    pub authenticated: bool,
}

impl Answer {
    /// Creates an unsigned answer without a chain.
    pub const fn new(outcome: Outcome) -> Self {
        Self { outcome, chain: Vec::new(), authenticated: false }
    }

    /// Adds the CNAME targets that were followed.
    #[must_use]
    pub fn with_chain(mut self, chain: Vec<DnsName>) -> Self {
        self.chain = chain;
        self
    }

    /// Says whether the answer is authenticated.
    #[must_use]
    pub const fn with_authenticated(mut self, authenticated: bool) -> Self {
        self.authenticated = authenticated;
        self
    }
}

/// Something that looks names up.
///
/// # Contract
///
/// Each point is a case of `conformance::resolver`.
///
/// * Names are compared without case.
/// * CNAME records are followed, up to [`Lookup::MAX_CHAIN`] of them, and recorded; a loop is
///   [`Failure::Chain`]. A question for CNAME itself is not followed.
/// * A name that exists without the type is [`Outcome::NoData`], not [`Outcome::NxDomain`]; so is
///   a name that only has names below it (RFC 8020).
/// * The answer holds only records of the type asked for, of the name at the end of the chain.
/// * An answer is either complete or not an [`Outcome::Answer`].
/// * [`Mode::Authoritative`] sees a change at once.
/// * Methods may be called at the same time.
///
/// # Cancellation
///
/// Free: asking changes nothing.
///
/// # Errors
///
/// What a server did or did not do is an [`Outcome`]. An error is about ourselves: `Unsupported`
/// for a mode or type that the backend cannot ask for, `Unavailable` if no socket could be had.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Resolver`",
    note = "implement `nameplate::resolver::Resolver` and run `nameplate::resolver_conformance!` over it"
)]
pub trait Resolver: fmt::Debug + Send + Sync + 'static {
    /// Looks a name up.
    async fn lookup(&self, lookup: &Lookup) -> Result<Answer>;
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<R: Resolver + ?Sized> Resolver for $pointer {
            async fn lookup(&self, lookup: &Lookup) -> Result<Answer> {
                (**self).lookup(lookup).await
            }
        }
    )*};
}

forward!(Arc<R>, Box<R>);
