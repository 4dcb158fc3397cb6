//! What an answer says. Pure.

use std::{net::IpAddr, time::Duration};

use super::{Trouble, authoritative::Zone};
use crate::{
    name::DnsName,
    record::{DnsRecord, RecordData, RecordType, Ttl},
    resolver::{Failure, Lookup, Outcome, is_looked_at},
    transport::dns::{Code, Entry, Reply},
};

/// What an answer says of one name.
#[derive(Clone, Debug)]
pub(super) enum Said {
    /// The name is an alias of this one.
    Alias(DnsName),
    /// The name does not exist.
    NxDomain(Option<Duration>),
    /// The name has no records of the type.
    NoData(Option<Duration>),
    /// These are its records; none twice.
    Records(Vec<DnsRecord>),
}

impl Said {
    /// Whether two servers say the same. Times and the order of records do not count.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Alias(a), Self::Alias(b)) => a == b,
            (Self::NxDomain(_), Self::NxDomain(_)) | (Self::NoData(_), Self::NoData(_)) => true,
            (Self::Records(a), Self::Records(b)) => {
                a.len() == b.len() && a.iter().all(|a| b.iter().any(|b| a.data() == b.data()))
            }
            _ => false,
        }
    }
}

/// Reads what `reply` says of `owner`; other owners do not count.
pub(super) fn said(
    reply: &Reply,
    owner: &DnsName,
    record_type: RecordType,
) -> Result<Said, Trouble> {
    let of_owner = |wanted: RecordType| {
        let is_wanted = move |entry: &&Entry| entry.record_type == wanted && entry.owner == *owner;
        reply.answers.iter().filter(is_wanted)
    };
    if record_type != RecordType::Cname {
        let mut aliases = of_owner(RecordType::Cname);
        if let Some(first) = aliases.next() {
            // RFC 2181 section 10.1: there is one.
            return match &first.data {
                Some(RecordData::Cname(target))
                    if aliases.all(|other| other.data == first.data) =>
                {
                    let is_made_up = renamed(reply, owner)
                        .is_some_and(|above| lead(owner, above).as_ref() != Some(target));
                    if is_made_up { Err(Trouble::Dname) } else { Ok(Said::Alias(target.clone())) }
                }
                _ => Err(Trouble::Malformed),
            };
        }
    }
    let mut records: Vec<DnsRecord> = Vec::new();
    for entry in of_owner(record_type) {
        // Data that make no sense would leave the set incomplete.
        let data = entry.data.clone().ok_or(Trouble::Malformed)?;
        if records.iter().any(|record| *record.data() == data) {
            continue;
        }
        if records.len() == Lookup::MAX_RECORDS {
            return Err(Trouble::Oversize);
        }
        let ttl = Ttl::from_secs(entry.ttl).unwrap_or(Ttl::MAX);
        records.push(DnsRecord::new(owner.clone(), ttl, data));
    }
    if !is_looked_at(records.iter().map(DnsRecord::data)) {
        return Err(Trouble::Oversize);
    }
    match reply.code {
        Code::Success if !records.is_empty() => Ok(Said::Records(records)),
        // RFC 6672 section 2.3: a DNAME comes with the CNAME that it makes.
        Code::Success | Code::NxDomain if renamed(reply, owner).is_some() => Err(Trouble::Dname),
        Code::Success => Ok(Said::NoData(negative_ttl(reply, owner))),
        Code::NxDomain if records.is_empty() => Ok(Said::NxDomain(negative_ttl(reply, owner))),
        Code::NotAuth => Err(Trouble::NotAuth),
        Code::Refused => Err(Trouble::Refused),
        Code::Failed | Code::Format | Code::NxDomain => Err(Trouble::ServFail),
    }
}

/// Returns the record by which a name above `owner` was replaced as a whole (RFC 6672).
pub(super) fn renamed<'r>(reply: &'r Reply, owner: &DnsName) -> Option<&'r Entry> {
    let is_above = |entry: &&Entry| entry.owner != *owner && owner.is_within(&entry.owner);
    reply.answers.iter().filter(|entry| entry.record_type == RecordType::Dname).find(is_above)
}

/// Returns where a DNAME record leads a name below it (RFC 6672 section 2.2).
fn lead(owner: &DnsName, dname: &Entry) -> Option<DnsName> {
    let Some(RecordData::Dname(target)) = &dname.data else { return None };
    let below = owner.labels().count().checked_sub(dname.owner.labels().count())?;
    DnsName::from_labels(owner.labels().take(below).chain(target.labels())).ok()
}

/// Returns how long it may be remembered that something is absent (RFC 2308 section 5).
fn negative_ttl(reply: &Reply, owner: &DnsName) -> Option<Duration> {
    reply.authorities.iter().filter(|entry| owner.is_within(&entry.owner)).find_map(|entry| {
        let Some(RecordData::Soa(soa)) = &entry.data else { return None };
        Some(Duration::from_secs(entry.ttl.min(soa.minimum()).into()))
    })
}

/// Whether the answer names servers to ask instead, and says nothing itself.
pub(super) fn is_referral(reply: &Reply) -> bool {
    let has = |entries: &[Entry], wanted: RecordType| {
        entries.iter().any(|entry| entry.record_type == wanted)
    };
    reply.code == Code::Success
        && reply.answers.is_empty()
        && has(&reply.authorities, RecordType::Ns)
        && !has(&reply.authorities, RecordType::Soa)
}

/// Returns the zone that the servers of `parent` refer to for `owner`, if they do.
///
/// It is below `parent`, so that following referrals comes to an end. The addresses of its servers
/// count only where the servers of `parent` have a say in them (RFC 5452 section 6).
pub(super) fn referral(reply: &Reply, parent: &DnsName, owner: &DnsName) -> Option<Zone> {
    if !is_referral(reply) {
        return None;
    }
    let is_child =
        |name: &DnsName| name != parent && name.is_within(parent) && owner.is_within(name);
    let name = reply
        .authorities
        .iter()
        .find(|entry| entry.record_type == RecordType::Ns && is_child(&entry.owner))
        .map(|entry| entry.owner.clone())?;
    let mut zone = Zone::new(name);
    for entry in &reply.authorities {
        if let Some(RecordData::Ns(server)) = &entry.data
            && entry.owner == zone.name
        {
            let glue = reply
                .additionals
                .iter()
                .filter(|entry| entry.owner == *server && server.is_within(parent));
            zone.add(server, glue.filter_map(|entry| address(entry.data.as_ref())));
        }
    }
    Some(zone)
}

/// Returns the address that is in the data of a record.
pub(super) fn address(data: Option<&RecordData>) -> Option<IpAddr> {
    match data? {
        RecordData::A(address) => Some((*address).into()),
        RecordData::Aaaa(address) => Some((*address).into()),
        _ => None,
    }
}

/// The aliases that were followed from a name.
#[derive(Debug)]
pub(super) struct Chain {
    start: DnsName,
    targets: Vec<DnsName>,
}

impl Chain {
    /// Begins at `start`.
    pub(super) fn new(start: DnsName) -> Self {
        Self { start, targets: Vec::new() }
    }

    /// Returns the name at the end.
    pub(super) fn end(&self) -> &DnsName {
        self.targets.last().unwrap_or(&self.start)
    }

    /// Returns the name that it starts at, and the aliases.
    pub(super) fn names(&self) -> impl Iterator<Item = &DnsName> {
        std::iter::once(&self.start).chain(&self.targets)
    }

    /// Follows an alias, unless that is a loop or makes the chain too long.
    pub(super) fn follow(&mut self, target: DnsName) -> Result<(), Outcome> {
        let is_loop = target == self.start || self.targets.contains(&target);
        if is_loop || self.targets.len() == Lookup::MAX_CHAIN {
            return Err(Outcome::Failed(Failure::Chain));
        }
        self.targets.push(target);
        Ok(())
    }

    /// Returns the aliases.
    pub(super) fn into_targets(self) -> Vec<DnsName> {
        self.targets
    }
}
