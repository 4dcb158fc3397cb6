//! Zones on any server that takes dynamic updates.

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
compile_error!("feature `rfc2136` signs messages: it needs feature `ring` or `aws-lc-rs`");

mod key;
mod message;

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use hickory_proto::{
    ProtoError,
    op::{Message, ResponseCode},
    rr::{RData, TSigVerifier, TSigner},
};

use super::{Applied, Capabilities, DnsProvider};
use crate::{
    clock::{Clock, SystemClock, TokioTimer},
    error::{Error, ErrorKind, Result},
    name::DnsName,
    record::{RecordData, RecordSet, RecordType, Ttl},
    transport::dns::{Code, Entry, Reply, TcpError, decode, tcp, to_name},
    zone::{ChangeSet, SetChange},
};

pub use key::{TsigAlgorithm, TsigAlgorithmError, TsigKey};

/// Zones on a server that takes dynamic updates (RFC 2136) signed by a shared key (RFC 8945).
///
/// Made for the primary server of the zones: Knot DNS, BIND and PowerDNS are such servers.
///
/// * A set of changes is one UPDATE message. What each change expects is a prerequisite that
///   depends on the value (RFC 2136 section 2.4.2), so the server compares and changes in one step.
/// * A server drops a CNAME that would meet other data without an error (section 3.4.2.2), so that
///   is one more prerequisite and gives [`Applied::Refused`]. Dropped in the same way, and so
///   refused here, would be a change of the SOA record, and taking away the last NS record of a
///   zone.
/// * What is stored is told from what a wildcard synthesizes (RFC 4592) by a prerequisite in an
///   update that changes nothing.
/// * Everything goes over TCP, both ways signed. Over UDP a lost answer would be asked for by
///   sending the update again, which then fails on its own effect; a refused connection says for
///   sure that nothing was sent.
///
/// The key therefore has to be allowed to update and to ask.
///
/// Needs a tokio runtime with I/O and time enabled. It spawns no task and holds no connection
/// between calls.
#[derive(Clone)]
pub struct Rfc2136 {
    server: SocketAddr,
    key: TsigKey,
    zones: Vec<DnsName>,
    clock: Arc<dyn Clock>,
    timeout: Duration,
}

/// What an [`Rfc2136`] is made of.
#[derive(Clone, Debug)]
pub struct Rfc2136Builder(Rfc2136);

impl Rfc2136 {
    /// Begins a provider on the primary server at this address, with a key that it accepts.
    pub fn builder(server: SocketAddr, key: TsigKey) -> Rfc2136Builder {
        Rfc2136Builder(Self {
            server,
            key,
            zones: Vec::new(),
            clock: Arc::new(SystemClock),
            timeout: Duration::from_secs(10),
        })
    }
}

impl Rfc2136Builder {
    /// Names the zones that the server holds and that may be changed. The server cannot be asked.
    #[must_use]
    pub fn with_zones(mut self, zones: impl IntoIterator<Item = DnsName>) -> Self {
        self.0.zones.extend(zones);
        self
    }

    /// Sets the clock that signatures are dated by; the system's unless told.
    ///
    /// A server refuses what is dated more than five minutes off its own time.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.0.clock = Arc::new(clock);
        self
    }

    /// Sets how long the server may take to accept a connection, and to answer; 10 seconds each
    /// unless told.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout = timeout;
        self
    }

    /// Returns the provider.
    pub fn build(self) -> Rfc2136 {
        self.0
    }
}

impl fmt::Debug for Rfc2136 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, key, zones, clock: _, timeout } = self;
        f.debug_struct("Rfc2136")
            .field("server", server)
            .field("key", key)
            .field("zones", zones)
            .field("timeout", timeout)
            .finish_non_exhaustive()
    }
}

/// What a server holds of one owner and type.
#[derive(Debug)]
struct Stored {
    set: Option<RecordSet>,
    /// The data as the server spells them: it compares octets, and text may be split anywhere.
    data: Vec<RData>,
}

impl Stored {
    const NOTHING: Self = Self { set: None, data: Vec::new() };
}

/// What a server said to an update.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    /// It is done.
    Done,
    /// A prerequisite does not hold, and nothing is changed (RFC 2136 section 3.2).
    Unmet,
}

/// How far an update may be repeated because the server spells the same data in another way, or
/// because others are changing them.
const ATTEMPTS: usize = 3;

/// Furthest that the clocks of a server and ours may be apart (RFC 8945 section 10).
const FUDGE: u16 = 300;

/// Creates an error of this backend.
fn failure(kind: ErrorKind, operation: &'static str, message: impl Into<String>) -> Error {
    Error::new(kind, "rfc2136", operation, message)
}

/// Creates the error for a message that cannot be put together.
fn too_much(operation: &'static str) -> impl Fn(ProtoError) -> Error {
    move |error| {
        failure(ErrorKind::Invalid, operation, "this does not fit into a DNS message")
            .with_source(error)
    }
}

impl Rfc2136 {
    /// Returns the deepest zone that `name` is in.
    fn zone(&self, name: &DnsName) -> Option<&DnsName> {
        let zones = self.zones.iter().filter(|zone| name.is_within(zone));
        zones.max_by_key(|zone| zone.labels().count())
    }

    /// Checks that `zone` is one of ours, and that the names belong to it.
    fn check<'a>(
        &self,
        operation: &'static str,
        zone: &DnsName,
        names: impl IntoIterator<Item = &'a DnsName>,
    ) -> Result<()> {
        if !self.zones.contains(zone) {
            let message = format!("zone {zone} is not hosted here");
            return Err(failure(ErrorKind::NotFound, operation, message));
        }
        for name in names {
            if self.zone(name) != Some(zone) {
                let message = format!("{name} does not belong to zone {zone}");
                return Err(failure(ErrorKind::Invalid, operation, message));
            }
        }
        Ok(())
    }

    /// Sends a message and returns the answer, both signed. Only answers that report that the
    /// server does not do it may be unsigned.
    ///
    /// `lost` is what it means that no answer can be read.
    async fn exchange(
        &self,
        operation: &'static str,
        mut message: Message,
        lost: ErrorKind,
    ) -> Result<Message> {
        let (mut verifier, octets) = self.sign(&mut message).map_err(too_much(operation))?;
        let server = self.server;
        let octets =
            tcp(server, &octets, &TokioTimer, self.timeout).await.map_err(|error| match error {
                TcpError::Unsent(error) => {
                    let message = format!("{server} cannot be reached");
                    failure(ErrorKind::Unavailable, operation, message).with_source(error)
                }
                TcpError::Lost(error) => {
                    failure(lost, operation, format!("{server} gave no answer")).with_source(error)
                }
            })?;
        let op_code = message.metadata.op_code;
        let answer = decode(&octets, message.metadata.id, op_code).map_err(|_| {
            let message = format!("{server} answered what is no answer to the question");
            failure(lost, operation, message)
        })?;
        refusal(operation, &answer, lost)?;
        verify(&mut verifier, &octets, &answer).map_err(|error| {
            let message = format!("the answer of {server} is not signed by the key");
            failure(lost, operation, message).with_source(error)
        })?;
        Ok(answer)
    }

    /// Signs and encodes a message.
    fn sign(&self, message: &mut Message) -> Result<(TSigVerifier, Vec<u8>), ProtoError> {
        let TsigKey { name, algorithm, secret } = &self.key;
        let key = secret.expose().to_vec();
        let signer = TSigner::new(key, algorithm.to_wire(), to_name(name)?, FUDGE)
            .map_err(|error| ProtoError::from(error.to_string()))?;
        // Before 1970 the answer is BADTIME like anywhere else far from now.
        let now = u64::try_from(self.clock.now().timestamp()).unwrap_or_default();
        let verifier = message.finalize(&signer, now)?.ok_or("the message was not signed")?;
        let octets = message.to_vec()?;
        // What does not fit is left out by the encoder, which then sets TC.
        if octets.get(2).is_none_or(|flags| flags & 0x02 != 0) {
            return Err("the message is longer than 65,535 octets".into());
        }
        Ok((verifier, octets))
    }

    /// Sends an update.
    async fn send(
        &self,
        operation: &'static str,
        update: Message,
        lost: ErrorKind,
    ) -> Result<Verdict> {
        let answer = self.exchange(operation, update, lost).await?;
        // `exchange` lets no other code pass.
        match answer.metadata.response_code {
            ResponseCode::NoError => Ok(Verdict::Done),
            _ => Ok(Verdict::Unmet),
        }
    }

    /// Returns whether prerequisites hold, by an update that changes nothing.
    async fn holds(
        &self,
        operation: &'static str,
        zone: &DnsName,
        presume: impl FnOnce(&mut Message) -> Result<(), ProtoError>,
    ) -> Result<bool> {
        let mut update = message::no_change(zone).map_err(too_much(operation))?;
        presume(&mut update).map_err(too_much(operation))?;
        Ok(self.send(operation, update, ErrorKind::Unavailable).await? == Verdict::Done)
    }

    /// Returns what is stored of one owner and type.
    async fn stored(
        &self,
        operation: &'static str,
        zone: &DnsName,
        name: &DnsName,
        record_type: RecordType,
    ) -> Result<Stored> {
        for _ in 0..ATTEMPTS {
            let question = message::question(name, record_type).map_err(too_much(operation))?;
            let answer = self.exchange(operation, question, ErrorKind::Unavailable).await?;
            let reply = Reply::from(answer);
            let (found, is_referral) = find(&reply, zone, name, record_type);
            if found.is_empty() && !is_referral {
                if reply.authoritative {
                    return Ok(Stored::NOTHING);
                }
                let message = format!("{} is no authority for zone {zone}", self.server);
                return Err(failure(ErrorKind::NotFound, operation, message));
            }
            // A wildcard may have made what was found, and a delegation hides what is there.
            let data: Vec<RData> = found.iter().map(|entry| entry.wire.clone()).collect();
            let is_stored = !data.is_empty()
                && self
                    .holds(operation, zone, |update| {
                        message::presume(update, name, record_type, &data)
                    })
                    .await?;
            if is_stored {
                let set = Some(to_set(operation, name, &found)?);
                return Ok(Stored { set, data });
            }
            let exists = self
                .holds(operation, zone, |update| message::presume_exists(update, name, record_type))
                .await?;
            if !exists {
                return Ok(Stored::NOTHING);
            }
            if is_referral {
                let message = format!("{name} {record_type} is hidden by a delegation");
                return Err(failure(ErrorKind::Unsupported, operation, message));
            }
        }
        let message = format!("{name} {record_type} is being changed by others");
        Err(failure(ErrorKind::Unavailable, operation, message))
    }

    /// Returns what became of changes that were not made because a prerequisite does not hold.
    ///
    /// `Err` has the data as the server spells them, if all is as expected: then the server may take
    /// the changes with those.
    async fn explain(
        &self,
        zone: &DnsName,
        changes: &ChangeSet,
    ) -> Result<Result<Vec<Applied>, Vec<Vec<RData>>>> {
        let mut current = Vec::with_capacity(changes.len());
        for change in changes {
            let stored = self.stored("apply", zone, change.name(), change.record_type()).await?;
            current.push(stored);
        }
        let is_expected = |(change, stored): (&SetChange, &Stored)| {
            change.before().map(RecordSet::data) == stored.set.as_ref().map(RecordSet::data)
        };
        if !changes.iter().zip(&current).all(is_expected) {
            let applied = changes.iter().zip(current).map(|(change, stored)| {
                if is_expected((change, &stored)) {
                    Applied::Skipped
                } else {
                    Applied::Conflict(stored.set)
                }
            });
            return Ok(Ok(applied.collect()));
        }
        let mut refused = false;
        let mut applied = Vec::with_capacity(changes.len());
        for change in changes {
            let apart = self
                .holds("apply", zone, |update| message::presume_apart(update, change, changes))
                .await?;
            refused |= !apart;
            applied.push(if apart { Applied::Skipped } else { Applied::Refused(meeting(change)) });
        }
        if refused {
            return Ok(Ok(applied));
        }
        Ok(Err(current.into_iter().map(|stored| stored.data).collect()))
    }
}

/// Returns the error for a CNAME that would meet other data.
fn meeting(change: &SetChange) -> Error {
    let message = format!("{} would have a CNAME beside other data", change.name());
    failure(ErrorKind::Refused, "apply", message)
}

/// Returns why a change can never be made, whatever is there.
fn impossible(zone: &DnsName, change: &SetChange, changes: &ChangeSet) -> Option<Error> {
    if change.record_type().code().is_none() {
        let message = format!("{} is no type of DNS", change.record_type());
        return Some(failure(ErrorKind::Unsupported, "apply", message));
    }
    let Some(after) = change.after() else {
        let is_vital = matches!(change.record_type(), RecordType::Ns | RecordType::Soa);
        return (is_vital && change.name() == zone).then(|| {
            let message = format!("zone {zone} cannot be without {}", change.record_type());
            failure(ErrorKind::Refused, "apply", message)
        });
    };
    if change.record_type() == RecordType::Soa && change.before() != change.after() {
        let message = format!("the server keeps the SOA record of {zone} itself");
        return Some(failure(ErrorKind::Unsupported, "apply", message));
    }
    let is_cname = |set: &RecordSet| set.record_type() == RecordType::Cname;
    let meets =
        |other: &RecordSet| other.name() == after.name() && is_cname(other) != is_cname(after);
    changes.iter().filter_map(SetChange::after).any(meets).then(|| meeting(change))
}

/// Returns the records of the set in an answer, and whether the answer is a referral.
///
/// Where a zone is delegated, the servers of the child are in the authority section.
fn find<'a>(
    reply: &'a Reply,
    zone: &DnsName,
    name: &DnsName,
    record_type: RecordType,
) -> (Vec<&'a Entry>, bool) {
    let of_set = |entries: &'a [Entry]| -> Vec<&'a Entry> {
        let is_of_set = |entry: &&Entry| entry.record_type == record_type && entry.owner == *name;
        entries.iter().filter(is_of_set).collect()
    };
    let answers = of_set(&reply.answers);
    if !answers.is_empty() {
        return (answers, false);
    }
    let is_referral = reply.code == Code::Success
        && reply.authorities.iter().any(|entry| {
            entry.record_type == RecordType::Ns
                && entry.owner != *zone
                && name.is_within(&entry.owner)
        });
    let servers = if is_referral { of_set(&reply.authorities) } else { Vec::new() };
    (servers, is_referral)
}

/// Makes a set of records of one owner and type.
fn to_set(operation: &'static str, name: &DnsName, entries: &[&Entry]) -> Result<RecordSet> {
    let ttl = entries.iter().map(|entry| entry.ttl).min().unwrap_or_default();
    let data: Option<Vec<RecordData>> = entries.iter().map(|entry| entry.data.clone()).collect();
    data.and_then(|data| {
        RecordSet::new(name.clone(), Ttl::from_secs(ttl).unwrap_or(Ttl::MAX), data).ok()
    })
    .ok_or_else(|| {
        let message = format!("the server has data at {name} that make no sense");
        failure(ErrorKind::Malformed, operation, message)
    })
}

/// Returns the error that an answer is, if it is one.
fn refusal(operation: &'static str, answer: &Message, lost: ErrorKind) -> Result<()> {
    let tsig = answer.signature().and_then(|record| record.data.error).map(u16::from);
    let kind = match answer.metadata.response_code {
        // A failed TSIG is told by NOTAUTH (RFC 8945 section 5.2).
        ResponseCode::NotAuth => match tsig {
            Some(code) if code != 0 => {
                let code = match code {
                    16 => "BADSIG".to_owned(),
                    17 => "BADKEY".to_owned(),
                    18 => "BADTIME".to_owned(),
                    22 => "BADTRUNC".to_owned(),
                    other => format!("TSIG error {other}"),
                };
                let message = format!("the server does not accept the key: {code}");
                return Err(failure(ErrorKind::Denied, operation, message).with_code(code));
            }
            _ => ErrorKind::NotFound,
        },
        ResponseCode::NoError
        | ResponseCode::NXDomain
        | ResponseCode::NXRRSet
        | ResponseCode::YXDomain
        | ResponseCode::YXRRSet => return Ok(()),
        ResponseCode::Refused => ErrorKind::Denied,
        ResponseCode::NotZone => ErrorKind::Invalid,
        ResponseCode::NotImp => ErrorKind::Unsupported,
        ResponseCode::FormErr => ErrorKind::Refused,
        // SERVFAIL: RFC 2136 section 3.5 wants everything undone, but that may be what failed.
        _ => lost,
    };
    let code = answer.metadata.response_code;
    Err(failure(kind, operation, format!("the server says: {code}"))
        .with_code(u16::from(code).to_string()))
}

/// Verifies the signature of an answer (RFC 8945 section 5.3).
fn verify(verifier: &mut TSigVerifier, octets: &[u8], answer: &Message) -> Result<(), ProtoError> {
    let record = answer.signature().ok_or("there is no TSIG record")?;
    // The verifier would subtract them.
    if record.data.time < u64::from(record.data.fudge) {
        return Err("the signature is from before 1970".into());
    }
    verifier.verify(octets).map(drop)
}

#[async_trait]
impl DnsProvider for Rfc2136 {
    async fn zone_of(&self, name: &DnsName) -> Result<Option<DnsName>> {
        Ok(self.zone(name).cloned())
    }

    async fn record_set(
        &self,
        zone: &DnsName,
        name: &DnsName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>> {
        self.check("record_set", zone, [name])?;
        if record_type.code().is_none() {
            // Not a type of DNS, so the server has none.
            return Ok(None);
        }
        Ok(self.stored("record_set", zone, name, record_type).await?.set)
    }

    async fn apply(&self, zone: &DnsName, changes: &ChangeSet) -> Result<Vec<Applied>> {
        self.check("apply", zone, changes.iter().map(SetChange::name))?;
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let refused: Vec<_> =
            changes.iter().map(|change| impossible(zone, change, changes)).collect();
        if refused.iter().any(Option::is_some) {
            let applied =
                refused.into_iter().map(|error| error.map_or(Applied::Skipped, Applied::Refused));
            return Ok(applied.collect());
        }
        let before = |change: &SetChange| {
            change.before().map(message::wire_data).transpose().map(Option::unwrap_or_default)
        };
        let mut presumed: Vec<Vec<RData>> =
            changes.iter().map(before).collect::<Result<_, _>>().map_err(too_much("apply"))?;
        for _ in 0..ATTEMPTS {
            let update = message::update(zone, changes, &presumed).map_err(too_much("apply"))?;
            match self.send("apply", update, ErrorKind::Unknown).await? {
                Verdict::Done => return Ok(changes.iter().map(|_| Applied::Done).collect()),
                Verdict::Unmet => match self.explain(zone, changes).await? {
                    Ok(applied) => return Ok(applied),
                    Err(spelled) => presumed = spelled,
                },
            }
        }
        let message = format!("sets of zone {zone} are being changed by others");
        Err(failure(ErrorKind::Conflict, "apply", message))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(true, Ttl::from_secs(0).unwrap_or(Ttl::MINUTE))
    }
}

#[cfg(test)]
mod tests;
