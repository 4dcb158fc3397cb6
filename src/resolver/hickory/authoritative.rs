//! Asking the servers that a zone is delegated to.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{PoisonError, atomic::Ordering},
};

use super::{
    Search, Trouble, Unanswered, is_public_suffix,
    read::{Chain, Said, address, referral, said},
};
use crate::{
    address::is_public,
    error::Result,
    name::DnsName,
    record::{RecordData, RecordType},
    resolver::{Answer, Failure, Lookup, Outcome, ServerReport, ServerStatus, all},
    transport::dns::{Code, Question, Recursion, Reply},
};

/// Most addresses of a server that are tried.
const MAX_ADDRESSES: usize = 4;

/// A zone and the servers that it is delegated to.
#[derive(Clone, Debug)]
pub(super) struct Zone {
    /// The name of the zone.
    pub(super) name: DnsName,
    servers: Vec<Server>,
}

/// A server of a zone.
#[derive(Clone, Debug)]
struct Server {
    /// The name, of one that a delegation names.
    name: Option<DnsName>,
    place: Place,
}

/// Where a server of a zone is.
#[derive(Clone, Debug)]
enum Place {
    /// At an address that we were told of, by whoever may tell.
    Told(SocketAddr),
    /// At addresses from the delegation.
    Glued(Vec<IpAddr>),
    /// Where the name leads, which is yet to be looked up.
    Named(DnsName),
}

impl Zone {
    /// Creates a zone without servers.
    pub(super) fn new(name: DnsName) -> Self {
        Self { name, servers: Vec::new() }
    }

    /// Adds a server with the addresses that came with its name.
    pub(super) fn add(&mut self, server: &DnsName, glue: impl Iterator<Item = IpAddr>) {
        if self.servers.len() < Answer::MAX_SERVERS {
            let glue: Vec<_> = glue.take(MAX_ADDRESSES).collect();
            let place = match glue.is_empty() {
                true => Place::Named(server.clone()),
                false => Place::Glued(glue),
            };
            self.servers.push(Server { name: Some(server.clone()), place });
        }
    }

    /// Whether two delegations are to the same servers of the same zone.
    fn is_same(&self, other: &Self) -> bool {
        let has = |zone: &Self, wanted: &Server| {
            zone.servers.iter().any(|server| server.name == wanted.name)
        };
        self.name == other.name
            && self.servers.iter().all(|server| has(other, server))
            && other.servers.iter().all(|server| has(self, server))
    }

    /// Returns the name if a delegation led to the zone: its servers are strangers' ones.
    fn strange(&self) -> Option<&DnsName> {
        let is_told = |server: &Server| matches!(server.place, Place::Told(_));
        (!self.servers.iter().any(is_told)).then_some(&self.name)
    }
}

/// What one server of a zone says.
#[derive(Debug)]
enum Heard {
    /// It is the authority.
    Authority(Said),
    /// Another zone, further down, is.
    Referral(Zone),
}

impl Heard {
    /// Whether two servers say the same.
    fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Authority(one), Self::Authority(other)) => one.agrees(other),
            (Self::Referral(one), Self::Referral(other)) => one.is_same(other),
            _ => false,
        }
    }
}

/// The first server of a zone that says something.
#[derive(Debug)]
struct First<'z> {
    report: ServerReport,
    heard: Heard,
    /// The servers that may say something too.
    others: Vec<&'z Server>,
    /// What kept those before it from an answer.
    worst: Trouble,
}

impl Search<'_> {
    /// Looks a name up at the servers of its zone.
    pub(super) async fn authoritative(&self, lookup: &Lookup) -> Result<Answer> {
        let mut chain = Chain::new(lookup.name.clone());
        // The zones on the way so far: an alias into one of them starts there.
        let mut zones = Vec::new();
        let outcome = loop {
            match self.ask_zones(&mut zones, chain.end(), lookup.record_type).await {
                Ok(Said::Alias(target)) => {
                    if let Err(outcome) = chain.follow(target) {
                        break outcome;
                    }
                }
                Ok(Said::NxDomain(negative_ttl)) => break Outcome::NxDomain { negative_ttl },
                Ok(Said::NoData(negative_ttl)) => break Outcome::NoData { negative_ttl },
                Ok(Said::Records(records)) => break Outcome::Answer(records),
                Err(Stop::Outcome(outcome)) => break outcome,
                Err(Stop::Unanswered(Unanswered::Trouble(trouble))) => break trouble.into(),
                Err(Stop::Unanswered(Unanswered::Error(error))) => return Err(error),
            }
        };
        Ok(Answer::new(outcome).with_chain(chain.into_targets()))
    }

    /// Follows the delegations down to the zone of `owner`, and asks all of its servers.
    async fn ask_zones(
        &self,
        zones: &mut Vec<Zone>,
        owner: &DnsName,
        record_type: RecordType,
    ) -> Result<Said, Stop> {
        let depth = |zone: &DnsName| zone.labels().count();
        let named = self.hickory.zones.iter().map(|(zone, _)| zone);
        let named = named.filter(|zone| owner.is_within(zone)).map(depth).max();
        let known = zones.iter().filter(|zone| owner.is_within(&zone.name));
        // What was named goes before what led the way to another name.
        let mut zone = match known.max_by_key(|zone| depth(&zone.name)) {
            Some(zone) if named.is_none_or(|named| depth(&zone.name) >= named) => zone.clone(),
            _ => match self.first_zone(owner).await? {
                Ok(zone) => zone,
                Err(said) => return Ok(said),
            },
        };
        let question = Question { name: owner.clone(), record_type, recursion: Recursion::Off };
        loop {
            if !zones.iter().any(|known| known.name == zone.name) {
                zones.push(zone.clone());
            }
            self.notes().servers.clear();
            let First { report, heard, others, worst } = self.first_heard(&zone, &question).await?;
            let is_final = matches!(heard, Heard::Authority(_));
            // One server of many could delegate a name to whom it likes. Those of a registry are of
            // one mind, and too many names are below them for all to be asked.
            if is_final || !is_public_suffix(&zone.name) {
                self.note(ServerReport { status: ServerStatus::Agrees, ..report });
                self.hear_others(&zone, &question, &heard, others, worst).await?;
            }
            match heard {
                // Further down than `zone`, so that this ends.
                Heard::Referral(child) => zone = child,
                Heard::Authority(said) => return Ok(said),
            }
        }
    }

    /// Asks the servers of a zone one after the other until the first that knows, so that not all
    /// servers of the zones above are asked. Returns the others that may know too.
    ///
    /// Those that are silent get their turn again later: they would use up the time.
    async fn first_heard<'z>(
        &self,
        zone: &'z Zone,
        question: &Question,
    ) -> Result<First<'z>, Unanswered> {
        let mut worst = if zone.servers.is_empty() { Trouble::Lame } else { Trouble::Timeout };
        let mut waiting: Vec<&Server> =
            zone.servers.iter().take(self.hickory.limits.servers).collect();
        // Everybody's names are below them: those that can be asked so often take turns.
        if is_public_suffix(&zone.name) {
            let next = || self.hickory.registries.fetch_add(1, Ordering::Relaxed);
            let begun = *self.begun.get_or_init(next);
            let first = begun.checked_rem(waiting.len()).unwrap_or_default();
            waiting.rotate_left(first);
        }
        for _ in 0..self.hickory.limits.tries {
            let mut silent = Vec::new();
            let mut turn = waiting.into_iter();
            while let Some(server) = turn.next() {
                match self.ask_server(zone, server, question, 1).await {
                    (report, Ok(heard)) => {
                        let others = silent.into_iter().chain(turn).collect();
                        return Ok(First { report, heard, others, worst });
                    }
                    (_, Err(Unanswered::Trouble(Trouble::Timeout))) => silent.push(server),
                    (_, Err(Unanswered::Trouble(trouble))) => worst = worst.max(trouble),
                    (_, Err(error)) => return Err(error),
                }
            }
            waiting = silent;
        }
        Err(Unanswered::Trouble(worst))
    }

    /// Asks the other servers of a zone, which must not contradict what the first of them said.
    async fn hear_others(
        &self,
        zone: &Zone,
        question: &Question,
        first: &Heard,
        others: Vec<&Server>,
        mut worst: Trouble,
    ) -> Result<(), Stop> {
        let tries = self.hickory.limits.tries;
        let asked = others.into_iter().map(|one| self.ask_server(zone, one, question, tries));
        let mut agreeing: usize = 1;
        let mut differs = false;
        for (report, heard) in all(asked).await {
            match heard {
                Ok(other) if other.agrees(first) => {
                    agreeing = agreeing.saturating_add(1);
                    self.note(ServerReport { status: ServerStatus::Agrees, ..report });
                }
                Ok(_) => {
                    differs = true;
                    self.note(ServerReport { status: ServerStatus::Differs, ..report });
                }
                Err(Unanswered::Trouble(trouble)) => worst = worst.max(trouble),
                Err(error) => return Err(error.into()),
            }
        }
        if differs {
            return Err(Outcome::Failed(Failure::Disagreement).into());
        }
        let all = zone.servers.len().min(self.hickory.limits.servers);
        if !self.hickory.agreement.is_met(agreeing, all) {
            return Err(worst.into());
        }
        Ok(())
    }

    /// Returns where to start: the deepest zone that was named, else the top-level domain.
    ///
    /// If the recursive servers say that there is no such top-level domain, that is the answer.
    async fn first_zone(&self, owner: &DnsName) -> Result<Result<Zone, Said>, Stop> {
        let named = self.hickory.zones.iter().filter(|(zone, _)| owner.is_within(zone));
        if let Some((name, servers)) = named.max_by_key(|(zone, _)| zone.labels().count()) {
            let servers = servers.iter().take(Answer::MAX_SERVERS);
            let told = |server: &SocketAddr| Server { name: None, place: Place::Told(*server) };
            let servers = servers.map(told).collect();
            return Ok(Ok(Zone { name: name.clone(), servers }));
        }
        // The last label of a name is a name.
        let top = DnsName::from_labels(owner.labels().next_back())
            .map_err(|_| Stop::from(Trouble::ServFail))?;
        match self.ask_recursive(&top, RecordType::Ns).await? {
            Said::Records(records) => {
                let mut zone = Zone::new(top);
                for record in &records {
                    if let RecordData::Ns(server) = record.data() {
                        zone.add(server, std::iter::empty());
                    }
                }
                Ok(Ok(zone))
            }
            said @ Said::NxDomain(_) => Ok(Err(said)),
            Said::Alias(_) | Said::NoData(_) => Err(Trouble::Lame.into()),
        }
    }

    /// Asks one server of a zone, at one of its addresses. Notes what kept it from an answer.
    async fn ask_server(
        &self,
        zone: &Zone,
        server: &Server,
        question: &Question,
        tries: u32,
    ) -> (ServerReport, Result<Heard, Unanswered>) {
        let mut report = ServerReport::new(ServerStatus::Unresolved).with_name(server.name.clone());
        let heard = self.hear(zone, server, question, tries, &mut report).await;
        if let Err(Unanswered::Trouble(trouble)) = &heard {
            report.status = (*trouble).into();
            self.note(report.clone());
        }
        (report, heard)
    }

    async fn hear(
        &self,
        zone: &Zone,
        server: &Server,
        question: &Question,
        tries: u32,
        report: &mut ServerReport,
    ) -> Result<Heard, Unanswered> {
        let addresses = self.addresses(server).await?;
        if addresses.is_empty() {
            return Err(Unanswered::Trouble(Trouble::Unresolved));
        }
        // Each address at least once: IPv6 may be broken here or there.
        let tries = addresses.len().max(tries as usize);
        for address in addresses.iter().cycle().take(tries) {
            report.address = Some(*address);
            match self.ask(*address, zone.strange(), question).await {
                Err(Unanswered::Trouble(Trouble::Timeout)) => {}
                Err(error) => return Err(error),
                Ok(reply) => {
                    self.note_renamed(&reply, &question.name);
                    return heard(&reply, &zone.name, question).map_err(Unanswered::Trouble);
                }
            }
        }
        Err(Unanswered::Trouble(Trouble::Timeout))
    }

    /// Returns the addresses of a server, IPv4 first.
    async fn addresses(&self, server: &Server) -> Result<Vec<SocketAddr>, Unanswered> {
        let mut addresses = match &server.place {
            Place::Told(address) => return Ok(vec![*address]),
            Place::Glued(addresses) => addresses.clone(),
            Place::Named(_) if self.hickory.servers.is_empty() => Vec::new(),
            Place::Named(name) => self.look_up(name).await?,
        };
        addresses.retain(|address| self.hickory.private || is_public(*address));
        addresses.sort_by_key(IpAddr::is_ipv6);
        let port = self.hickory.port;
        Ok(addresses
            .into_iter()
            .take(MAX_ADDRESSES)
            .map(|address| SocketAddr::new(address, port))
            .collect())
    }

    /// Returns the addresses of a name, asked for once in a lookup.
    async fn look_up(&self, name: &DnsName) -> Result<Vec<IpAddr>, Unanswered> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(addresses) = known().get(name) {
            return Ok(addresses.clone());
        }
        let mut addresses = Vec::new();
        for record_type in [RecordType::A, RecordType::Aaaa] {
            match self.ask_recursive(name, record_type).await {
                Ok(Said::Records(records)) => {
                    let found = records.iter().map(|record| record.data());
                    addresses.extend(found.filter_map(|data| address(Some(data))));
                }
                // RFC 2181 section 10.3: the name of a server is no alias.
                Ok(_) | Err(Unanswered::Trouble(_)) => {}
                Err(error) => return Err(error),
            }
        }
        known().insert(name.clone(), addresses.clone());
        Ok(addresses)
    }
}

/// Reads what a server of `zone` says.
fn heard(reply: &Reply, zone: &DnsName, question: &Question) -> Result<Heard, Trouble> {
    match reply.code {
        Code::Success | Code::NxDomain => {}
        Code::NotAuth => return Err(Trouble::NotAuth),
        Code::Refused => return Err(Trouble::Refused),
        Code::Failed | Code::Format => return Err(Trouble::ServFail),
    }
    if let Some(child) = referral(reply, zone, &question.name) {
        return Ok(Heard::Referral(child));
    }
    if !reply.authoritative {
        return Err(Trouble::Lame);
    }
    said(reply, &question.name, question.record_type).map(Heard::Authority)
}

/// Why a zone cannot be asked.
#[derive(Debug)]
enum Stop {
    /// What came of it.
    Outcome(Outcome),
    /// No server answered.
    Unanswered(Unanswered),
}

impl From<Outcome> for Stop {
    fn from(outcome: Outcome) -> Self {
        Self::Outcome(outcome)
    }
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::Unanswered(Unanswered::Trouble(trouble))
    }
}

impl From<Unanswered> for Stop {
    fn from(unanswered: Unanswered) -> Self {
        Self::Unanswered(unanswered)
    }
}
