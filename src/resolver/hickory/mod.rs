//! A resolver on the `hickory` crates.

mod authoritative;
mod read;
mod recursive;

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;

use super::{Answer, Failure, Lookup, Mode, Outcome, Resolver};
use crate::{
    error::{Error, ErrorKind, Result},
    name::DnsName,
    transport::dns::{NoReply, Question, Reply, ask},
};

/// A resolver that asks over the network.
///
/// * [`Mode::Recursive`] asks the recursive servers that it is given, in their order, and never
///   caches. [`Failure::Bogus`] is recognized by the extended error of the server (RFC 8914), or
///   by an answer that comes only when validation is switched off (RFC 4035 section 3.2.2).
/// * [`Mode::Authoritative`] starts at the servers of the top-level domain, which it knows from
///   the recursive servers, or at those of a [zone that it is given](HickoryBuilder::with_zone),
///   and follows the delegations of the parents down: nothing of what it answers was in a cache,
///   and name servers that only the zone itself names do not count. It asks all servers of the
///   zone, at most 16. Those that answer must agree; which of them answer is not held against
///   them, so it is a fast view and [`Mode::Recursive`] is for decisions.
///
/// An answer counts only if it repeats id, type and name (in the random case in which it was
/// asked) and comes to the fresh port that the question was sent from. What does not fit into 1,232
/// octets is fetched over TCP. One lookup sends at most 64 questions and ends after its
/// [deadline](HickoryBuilder::with_deadline) with [`Outcome::Timeout`].
///
/// Needs a tokio runtime with I/O and time enabled. It spawns no task and holds no socket between
/// lookups.
#[derive(Clone, Debug)]
pub struct Hickory {
    /// The recursive servers.
    servers: Vec<SocketAddr>,
    /// The zones that are not looked for, with their servers.
    zones: Vec<(DnsName, Vec<SocketAddr>)>,
    /// Whether name servers may be at addresses that are not public.
    private: bool,
    /// The port of name servers.
    port: u16,
    trusted_ad: bool,
    query_timeout: Duration,
    tries: u32,
    deadline: Duration,
}

/// What a [`Hickory`] is made of.
#[derive(Clone, Debug)]
pub struct HickoryBuilder(Hickory);

impl Hickory {
    /// Creates a resolver on the recursive servers of the system, as `/etc/resolv.conf` lists them.
    ///
    /// Without any in there it is the one of this machine, as resolv.conf(5) has it. The file is read
    /// once. Search lists and options are ignored.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the file cannot be read, `Unsupported` on systems without it; then use
    /// [`Hickory::builder`].
    pub fn system() -> Result<Self> {
        let failure = |kind, message| Error::new(kind, "hickory", "system", message);
        if !cfg!(unix) {
            let message = "this system has no resolv.conf: name the servers";
            return Err(failure(ErrorKind::Unsupported, message));
        }
        let text = std::fs::read_to_string("/etc/resolv.conf").map_err(|error| {
            failure(ErrorKind::Unavailable, "resolv.conf cannot be read").with_source(error)
        })?;
        Ok(Self::builder(recursive::name_servers(&text)).build())
    }

    /// Begins a resolver on recursive servers, which are asked in this order.
    ///
    /// Without any, only zones can be asked that are [given](HickoryBuilder::with_zone).
    pub fn builder(servers: impl IntoIterator<Item = SocketAddr>) -> HickoryBuilder {
        HickoryBuilder(Self {
            servers: servers.into_iter().collect(),
            zones: Vec::new(),
            private: false,
            port: 53,
            trusted_ad: false,
            query_timeout: Duration::from_secs(2),
            tries: 3,
            deadline: Duration::from_secs(15),
        })
    }
}

impl HickoryBuilder {
    /// Sets how long one answer is waited for; 2 seconds unless told.
    #[must_use]
    pub fn with_query_timeout(mut self, timeout: Duration) -> Self {
        self.0.query_timeout = timeout;
        self
    }

    /// Sets how often a question is asked before a server counts as silent; 3 unless told.
    #[must_use]
    pub fn with_tries(mut self, tries: u32) -> Self {
        self.0.tries = tries.max(1);
        self
    }

    /// Sets how long a lookup may take as a whole; 15 seconds unless told.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.0.deadline = deadline;
        self
    }

    /// Trusts the AD bit of the recursive servers (RFC 4035 section 4.9.3).
    ///
    /// Only right if they validate and the way to them cannot be tampered with, as on loopback.
    #[must_use]
    pub fn with_trusted_ad(mut self) -> Self {
        self.0.trusted_ad = true;
        self
    }

    /// Names the servers of a zone: [`Mode::Authoritative`] asks them for what is in it, instead of
    /// looking for its delegation. They may have any address and port.
    #[must_use]
    pub fn with_zone(
        mut self,
        zone: DnsName,
        servers: impl IntoIterator<Item = SocketAddr>,
    ) -> Self {
        self.0.zones.push((zone, servers.into_iter().collect()));
        self
    }

    /// Sets the port of the name servers that are found by delegation, for a lab; 53 unless told.
    #[must_use]
    pub fn with_name_server_port(mut self, port: u16) -> Self {
        self.0.port = port;
        self
    }

    /// Follows delegations also to addresses that are not public, for a lab.
    ///
    /// Otherwise they are not asked: whoever can delegate a name could make us send packets into
    /// our own network.
    #[must_use]
    pub fn with_private_name_servers(mut self) -> Self {
        self.0.private = true;
        self
    }

    /// Returns the resolver.
    pub fn build(self) -> Hickory {
        self.0
    }
}

#[async_trait]
impl Resolver for Hickory {
    async fn lookup(&self, lookup: &Lookup) -> Result<Answer> {
        if lookup.record_type.code().is_none() {
            let message = format!("{} is no type of DNS", lookup.record_type);
            return Err(Error::new(ErrorKind::Unsupported, "hickory", "lookup", message));
        }
        let search =
            Search { hickory: self, questions: AtomicU32::new(0), known: Mutex::default() };
        let found = async {
            match lookup.mode {
                Mode::Authoritative => search.authoritative(lookup).await,
                Mode::Recursive => search.recursive(lookup).await,
            }
        };
        match tokio::time::timeout(self.deadline, found).await {
            Ok(answer) => answer,
            Err(_) => Ok(Answer::new(Outcome::Timeout)),
        }
    }
}

/// One lookup under way.
#[derive(Debug)]
struct Search<'a> {
    hickory: &'a Hickory,
    /// How many questions were sent.
    questions: AtomicU32,
    /// The addresses of name servers that were looked up.
    known: Mutex<HashMap<DnsName, Vec<IpAddr>>>,
}

/// Why a server or a zone says nothing.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Trouble {
    /// Nobody answered. Comes first: whatever was heard instead says more.
    Timeout,
    /// The server is no authority for the name, or knows nobody who is.
    Lame,
    /// SERVFAIL, nonsense, or too much to ask.
    ServFail,
    /// REFUSED or NOTAUTH.
    Refused,
    /// Validation failed.
    Bogus,
}

impl From<Trouble> for Outcome {
    fn from(trouble: Trouble) -> Self {
        Self::Failed(match trouble {
            Trouble::Timeout => return Self::Timeout,
            Trouble::Lame => Failure::Lame,
            Trouble::ServFail => Failure::ServFail,
            Trouble::Refused => Failure::Refused,
            Trouble::Bogus => Failure::Bogus,
        })
    }
}

impl Search<'_> {
    /// Most questions that one lookup sends: bounds what a malicious delegation can make us do.
    const MAX_QUESTIONS: u32 = 64;

    /// Asks one server once.
    async fn ask(&self, server: SocketAddr, question: &Question) -> Result<Reply, Unanswered> {
        if self.questions.fetch_add(1, Ordering::Relaxed) >= Self::MAX_QUESTIONS {
            return Err(Unanswered::Trouble(Trouble::ServFail));
        }
        ask(server, question, self.hickory.query_timeout).await.map_err(|error| match error {
            NoReply::Garbage => Unanswered::Trouble(Trouble::ServFail),
            NoReply::Silence => Unanswered::Trouble(Trouble::Timeout),
            NoReply::Local(error) => Unanswered::Error(
                Error::new(ErrorKind::Unavailable, "hickory", "lookup", "no socket could be had")
                    .with_source(error),
            ),
        })
    }
}

/// Why a question has no answer.
#[derive(Debug)]
enum Unanswered {
    /// Our own fault.
    Error(Error),
    /// The server's.
    Trouble(Trouble),
}

#[cfg(test)]
mod tests;
