//! Looking things up in the DNS.

#[cfg(feature = "hickory")]
mod hickory;
mod memory;
mod vantages;

use std::{fmt, future::poll_fn, net::SocketAddr, sync::Arc, task::Poll, time::Duration};

use async_trait::async_trait;

use crate::{
    error::Result,
    name::DnsName,
    record::{DnsRecord, RecordData, RecordType},
};

#[cfg(feature = "hickory")]
pub use hickory::{Agreement, Hickory, HickoryBuilder, Limits};
pub use memory::InMemoryResolver;
pub use vantages::Vantages;

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

    /// Most bytes of data of an answer that are looked at.
    pub const MAX_BYTES: usize = 16 * 1024;

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
    /// Servers of one zone, or several [`Vantages`], gave different answers.
    Disagreement,
    /// A DNAME record (RFC 6672) leads the names below it elsewhere, and this one not where it says.
    Dname,
    /// No server of the zone answers for it.
    Lame,
    /// The answer is larger than what is looked at.
    Oversize,
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
            Self::Dname => "dname",
            Self::Lame => "lame",
            Self::Oversize => "oversize",
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

/// What became of asking one server.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ServerStatus {
    /// It answered; where several were asked, what the first one of them said.
    Agrees,
    /// Validation failed there (RFC 4035 section 4.3).
    Bogus,
    /// It answered something else than the first one.
    Differs,
    /// It is no authority for the name.
    Lame,
    /// What it sent is no answer to the question.
    Malformed,
    /// It answered NOTAUTH.
    NotAuth,
    /// It answered REFUSED.
    Refused,
    /// It answered SERVFAIL or something unexpected.
    ServFail,
    /// It did not answer in time.
    Timeout,
    /// It has no address that may be asked.
    Unresolved,
}

impl ServerStatus {
    /// Returns the stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::Bogus => "bogus",
            Self::Differs => "differs",
            Self::Lame => "lame",
            Self::Malformed => "malformed",
            Self::NotAuth => "not_auth",
            Self::Refused => "refused",
            Self::ServFail => "servfail",
            Self::Timeout => "timeout",
            Self::Unresolved => "unresolved",
        }
    }
}

impl fmt::Display for ServerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A server that was asked, and what became of it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ServerReport {
    /// The name, if the server is known by one.
    pub name: Option<DnsName>,
    /// The address that was asked last, if there is one.
    pub address: Option<SocketAddr>,
    /// What became of it.
    pub status: ServerStatus,
}

impl ServerReport {
    /// Creates a report of a server that is known by neither name nor address.
    pub const fn new(status: ServerStatus) -> Self {
        Self { name: None, address: None, status }
    }

    /// Sets the name.
    #[must_use]
    pub fn with_name(mut self, name: Option<DnsName>) -> Self {
        self.name = name;
        self
    }

    /// Sets the address.
    #[must_use]
    pub const fn with_address(mut self, address: Option<SocketAddr>) -> Self {
        self.address = address;
        self
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
    /// The name above one of the chain or of the question where a DNAME record (RFC 6672) leads
    /// everything below elsewhere; the chain shows where to.
    pub renamed: Option<DnsName>,
    /// The servers that were asked for the name at the end of the chain, at most
    /// [`Answer::MAX_SERVERS`]; empty where the backend does not tell.
    pub servers: Vec<ServerReport>,
}

impl Answer {
    /// Most servers that are reported of.
    pub const MAX_SERVERS: usize = 16;

    /// Creates an unsigned answer without a chain.
    pub const fn new(outcome: Outcome) -> Self {
        Self {
            outcome,
            chain: Vec::new(),
            authenticated: false,
            renamed: None,
            servers: Vec::new(),
        }
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

    /// Says which name above has a DNAME record.
    #[must_use]
    pub fn with_renamed(mut self, renamed: Option<DnsName>) -> Self {
        self.renamed = renamed;
        self
    }

    /// Adds what became of the servers; reports beyond [`Answer::MAX_SERVERS`] are left out.
    #[must_use]
    pub fn with_servers(mut self, mut servers: Vec<ServerReport>) -> Self {
        servers.truncate(Self::MAX_SERVERS);
        self.servers = servers;
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

/// Whether an answer of these data is not larger than what is looked at.
fn is_looked_at<'a>(data: impl Iterator<Item = &'a RecordData>) -> bool {
    let size = |data: &RecordData| data.to_wire().map_or(0, |octets| octets.len());
    let add = |(count, octets): (usize, usize), data: &RecordData| {
        (count.saturating_add(1), octets.saturating_add(size(data)))
    };
    let (count, octets) = data.fold((0, 0), add);
    count <= Lookup::MAX_RECORDS && octets <= Lookup::MAX_BYTES
}

/// Runs all futures at the same time, in this task, and returns what they return, in their order.
async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut done = true;
        for (future, output) in running.iter_mut().zip(&mut outputs) {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(ready) => *output = Some(ready),
                    Poll::Pending => done = false,
                }
            }
        }
        if done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outputs.into_iter().flatten().collect()
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
