//! A resolver on the `hickory` crates.

mod authoritative;
mod builder;
mod failures;
mod lanes;
mod limits;
mod rate;
mod read;
mod recursive;

use std::{
    collections::HashMap,
    mem,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;

use self::{
    failures::Failures,
    lanes::{Entrance, Lanes, Room},
    rate::{Asked, Rate},
    read::renamed,
};
use super::{Answer, Failure, Lookup, Mode, Outcome, Resolver, ServerReport, ServerStatus};
use crate::{
    clock::{Clock, Timer},
    error::{Error, ErrorKind, Result},
    name::{DnsName, DomainName},
    record::RecordType,
    transport::dns::{Gate, NoReply, Question, Reply, Terms, ask, within},
};

pub use builder::{Agreement, HickoryBuilder};
pub use limits::Limits;

const COMPONENT: &str = "hickory";

/// A resolver that asks over the network.
///
/// * [`Mode::Recursive`] asks the recursive servers that it is given, in their order, and never
///   caches an answer. [`Failure::Bogus`] is recognized by the extended error of the server
///   (RFC 8914), or by an answer that comes only when validation is switched off (RFC 4035 section
///   3.2.2).
/// * [`Mode::Authoritative`] starts at the servers of the top-level domain, which it knows from
///   the recursive servers, or at those of a [zone that it is given](HickoryBuilder::with_zone),
///   and follows the delegations of the parents down: nothing of what it answers was in a cache,
///   and name servers that only the zone itself names do not count. It asks all servers of the
///   zone, at most 16, and of each zone above it that is no public suffix. Those that answer must
///   agree, and be [enough](HickoryBuilder::with_agreement);
///   [`Answer::servers`] tells what became of each. It is a fast view; [`Mode::Recursive`] is for
///   decisions.
///
/// An answer counts only if it repeats id, type, name (in the random case in which it was asked) and
/// cookie, and comes to the fresh port that the question was sent from. What does not fit into 1,232
/// octets, or looks forged, is fetched over TCP. No more messages are under way to one server than
/// it can keep until it reads them. What a lookup takes of time and traffic is in its [`Limits`];
/// over them it is [`Outcome::Timeout`] or [`Failure::ServFail`].
///
/// A failure is remembered for a while (RFC 9520), and the same question is then not asked again.
/// Clones share that memory, and the count of what they send to whom and what is under way.
///
/// Needs a tokio runtime with I/O and time enabled. It spawns no task and holds no socket between
/// lookups.
#[derive(Clone, Debug)]
pub struct Hickory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The recursive servers.
    servers: Vec<SocketAddr>,
    /// The zones that are not looked for, with their servers.
    zones: Vec<(DnsName, Vec<SocketAddr>)>,
    /// Whether name servers may be at addresses that are not public.
    private: bool,
    /// The port of name servers.
    port: u16,
    /// The recursive servers whose AD bit counts, besides those on loopback if they do.
    trusted: Vec<IpAddr>,
    trusts_loopback: bool,
    agreement: Agreement,
    limits: Limits,
    clock: Arc<dyn Clock>,
    timer: Arc<dyn Timer>,
    rate: Rate,
    lanes: Lanes,
    failures: Failures,
    /// How many searches have begun at a registry.
    registries: AtomicUsize,
}

impl Hickory {
    /// Creates a resolver on the recursive servers of the system, with nothing else told.
    ///
    /// Before going live most want [`system_builder`](Self::system_builder), to name the zone of their
    /// own edge at least.
    ///
    /// # Errors
    ///
    /// As [`system_builder`](Self::system_builder).
    pub fn system() -> Result<Self> {
        Self::system_builder()?.build()
    }

    /// Begins a resolver on the recursive servers of the system, as `/etc/resolv.conf` lists them.
    ///
    /// Without any in there it is the one of this machine, as resolv.conf(5) has it. The file is read
    /// once. Search lists and options are ignored.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the file cannot be read, `Unsupported` on systems without it; then use
    /// [`Hickory::builder`].
    pub fn system_builder() -> Result<HickoryBuilder> {
        let failure = |kind, message| Error::new(kind, COMPONENT, "system", message);
        if !cfg!(unix) {
            let message = "this system has no resolv.conf: name the servers";
            return Err(failure(ErrorKind::Unsupported, message));
        }
        let text = std::fs::read_to_string("/etc/resolv.conf").map_err(|error| {
            failure(ErrorKind::Unavailable, "resolv.conf cannot be read").with_source(error)
        })?;
        Ok(Self::builder(recursive::name_servers(&text)))
    }

    /// Begins a resolver on recursive servers, at most 8, which are asked in this order.
    ///
    /// Without any, only zones can be asked that are [given](HickoryBuilder::with_zone).
    pub fn builder(servers: impl IntoIterator<Item = SocketAddr>) -> HickoryBuilder {
        HickoryBuilder::new(servers)
    }
}

/// Refuses what is no question for one set of records: types of queries, of transfers and of
/// messages (RFC 6895 section 3.1) are more than that, and some make a small question a large answer.
fn check(record_type: RecordType) -> Result<()> {
    let refused = |message| Err(Error::new(ErrorKind::Unsupported, COMPONENT, "lookup", message));
    match record_type.code() {
        None => refused(format!("{record_type} is no type of DNS")),
        Some(0 | 41 | 128..=255) => refused(format!("{record_type} is no type of data")),
        Some(_) => Ok(()),
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Resolver for Hickory {
    async fn lookup(&self, lookup: &Lookup) -> Result<Answer> {
        check(lookup.record_type)?;
        let hickory = &*self.0;
        if let Some(answer) = hickory.failures.recall(lookup, hickory.clock.now()) {
            return Ok(answer);
        }
        let search = Search::new(hickory, lookup.mode);
        let found = pin!(async {
            match lookup.mode {
                Mode::Authoritative => search.authoritative(lookup).await,
                Mode::Recursive => search.recursive(lookup).await,
            }
        });
        let found = within(&*hickory.timer, hickory.limits.deadline, found).await;
        let answer = found.unwrap_or_else(|| Ok(Answer::new(Outcome::Timeout)))?;
        let answer = search.complete(answer);
        // What we kept ourselves from asking says nothing about the servers.
        let is_queueing = search.queueing.load(Ordering::Relaxed) > 0;
        if !search.is_held.load(Ordering::Relaxed) && !is_queueing {
            hickory.failures.note(lookup, &answer, hickory.clock.now());
        }
        Ok(answer)
    }
}

/// One lookup under way.
#[derive(Debug)]
struct Search<'a> {
    hickory: &'a Inner,
    mode: Mode,
    /// How many messages were sent.
    questions: AtomicU32,
    /// At which server of a registry this one begins: the same at all that it asks.
    begun: OnceLock<usize>,
    /// Whether a server or a zone had to be left alone.
    is_held: AtomicBool,
    /// How many messages wait for room on the way to a server.
    queueing: AtomicU32,
    /// The addresses of name servers that were looked up.
    known: Mutex<HashMap<DnsName, Vec<IpAddr>>>,
    notes: Mutex<Notes>,
}

/// What an answer tells besides its outcome.
#[derive(Debug, Default)]
struct Notes {
    servers: Vec<ServerReport>,
    renamed: Option<DnsName>,
}

/// Why a server or a zone says nothing.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Trouble {
    /// Nobody answered. Comes first: whatever was heard instead says more.
    Timeout,
    /// There is no address that may be asked.
    Unresolved,
    /// The server is no authority for the name, or knows nobody who is.
    Lame,
    /// What the server sends is no answer.
    Malformed,
    /// SERVFAIL, nonsense, or too much to ask.
    ServFail,
    /// NOTAUTH
    NotAuth,
    /// REFUSED
    Refused,
    /// The answer is too large.
    Oversize,
    /// The name is below a DNAME record and does not lead to where that says.
    Dname,
    /// Validation failed.
    Bogus,
}

impl From<Trouble> for Outcome {
    fn from(trouble: Trouble) -> Self {
        Self::Failed(match trouble {
            Trouble::Timeout => return Self::Timeout,
            Trouble::Lame | Trouble::Unresolved => Failure::Lame,
            Trouble::ServFail | Trouble::Malformed => Failure::ServFail,
            Trouble::Refused | Trouble::NotAuth => Failure::Refused,
            Trouble::Oversize => Failure::Oversize,
            Trouble::Dname => Failure::Dname,
            Trouble::Bogus => Failure::Bogus,
        })
    }
}

impl From<Trouble> for ServerStatus {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Timeout => Self::Timeout,
            Trouble::Unresolved => Self::Unresolved,
            Trouble::Lame => Self::Lame,
            Trouble::Malformed | Trouble::Oversize | Trouble::Dname => Self::Malformed,
            Trouble::ServFail => Self::ServFail,
            Trouble::NotAuth => Self::NotAuth,
            Trouble::Refused => Self::Refused,
            Trouble::Bogus => Self::Bogus,
        }
    }
}

impl<'a> Search<'a> {
    fn new(hickory: &'a Inner, mode: Mode) -> Self {
        Self {
            hickory,
            mode,
            questions: AtomicU32::new(0),
            begun: OnceLock::new(),
            is_held: AtomicBool::new(false),
            queueing: AtomicU32::new(0),
            known: Mutex::default(),
            notes: Mutex::default(),
        }
    }

    /// Asks one server once. `zone` is the one that led to it.
    async fn ask(
        &self,
        server: SocketAddr,
        zone: Option<&DnsName>,
        question: &Question,
    ) -> Result<Reply, Unanswered> {
        let gate = Turnstile { search: self, zone };
        let Inner { timer, limits, .. } = self.hickory;
        let terms = Terms { timer: &**timer, wait: limits.query, gate: &gate };
        let failed = |trouble| Unanswered::Trouble(trouble);
        ask(server, question, &terms).await.map_err(|error| match error {
            NoReply::Garbage => failed(Trouble::Malformed),
            NoReply::Silence | NoReply::Held => failed(Trouble::Timeout),
            NoReply::Spent => failed(Trouble::ServFail),
            NoReply::Local(error) => Unanswered::Error(
                Error::new(ErrorKind::Unavailable, COMPONENT, "lookup", "no socket could be had")
                    .with_source(error),
            ),
        })
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what became of a server; an earlier note of it does not count any more.
    fn note(&self, report: ServerReport) {
        let servers = &mut self.notes().servers;
        // By its name, if it has one: its addresses are tried in turn.
        let is_it = |known: &&mut ServerReport| {
            known.name == report.name && (known.name.is_some() || known.address == report.address)
        };
        if let Some(known) = servers.iter_mut().find(is_it) {
            *known = report;
        } else if servers.len() < Answer::MAX_SERVERS {
            servers.push(report);
        }
    }

    /// Notes the name above `name` that was replaced as a whole, if `reply` shows one.
    fn note_renamed(&self, reply: &Reply, name: &DnsName) {
        if let Some(dname) = renamed(reply, name) {
            self.notes().renamed.get_or_insert_with(|| dname.owner.clone());
        }
    }

    /// Adds to an answer what was noted.
    fn complete(&self, answer: Answer) -> Answer {
        let notes = mem::take(&mut *self.notes());
        answer.with_servers(notes.servers).with_renamed(notes.renamed)
    }
}

/// What every message of a lookup passes.
#[derive(Debug)]
struct Turnstile<'a> {
    search: &'a Search<'a>,
    /// The zone that led to the server, if a delegation did.
    zone: Option<&'a DnsName>,
}

impl Gate for Turnstile<'_> {
    type Pass = Room;

    async fn pass(&self, server: SocketAddr) -> Result<Room, NoReply> {
        let Inner { limits, lanes, timer, .. } = self.search.hickory;
        if self.search.questions.fetch_add(1, Ordering::Relaxed) >= limits.questions {
            return Err(NoReply::Spent);
        }
        self.take_turn(server).await?;
        match lanes.enter(server) {
            Entrance::Open(room) => Ok(room),
            Entrance::Full(queue) => {
                self.search.queueing.fetch_add(1, Ordering::Relaxed);
                let room = queue.wait(&**timer).await;
                self.search.queueing.fetch_sub(1, Ordering::Relaxed);
                Ok(room)
            }
        }
    }
}

impl Turnstile<'_> {
    /// Waits until a server and a zone that a delegation led to may be asked again.
    async fn take_turn(&self, server: SocketAddr) -> Result<(), NoReply> {
        let Inner { limits, rate, clock, timer, .. } = self.search.hickory;
        let Some(zone) = self.zone.filter(|_| limits.rate.is_some()) else { return Ok(()) };
        let mut asked = vec![Asked::Server(server)];
        if !is_public_suffix(zone) {
            asked.push(Asked::Zone(zone.clone()));
        }
        match rate.take(&asked, clock.now(), limits.deadline) {
            Some(wait) if wait.is_zero() => Ok(()),
            Some(wait) => {
                self.search.is_held.store(true, Ordering::Relaxed);
                timer.sleep(wait).await;
                Ok(())
            }
            None => {
                self.search.is_held.store(true, Ordering::Relaxed);
                Err(NoReply::Held)
            }
        }
    }
}

/// Whether a zone is one that all names of strangers are in.
fn is_public_suffix(zone: &DnsName) -> bool {
    let name = zone.to_string().parse::<DomainName>();
    zone.labels().count() <= 1 || name.is_ok_and(|name| name.registrable().is_none())
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
