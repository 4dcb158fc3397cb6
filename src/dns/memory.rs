//! A DNS hosting service in memory.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{Applied, Capabilities, DnsProvider};
use crate::{
    error::{Error, ErrorKind, Result},
    fault::Faults,
    name::DnsName,
    record::{RecordSet, RecordType, Ttl},
    zone::{ChangeSet, SetChange},
};

/// A service that hosts the zones it was created with, in memory.
///
/// Clones share the zones. Like a real one it refuses names outside the zone, a CNAME beside other
/// data or at the top of a zone, a TTL below its floor, and to delete the SOA record or the name
/// servers of a zone. Zones start without any record: there is no SOA record unless
/// [`set`](Self::set) puts one. It does not increase serial numbers, and knows no delegation: a name
/// belongs to the deepest zone that is hosted here.
#[derive(Clone, Debug)]
pub struct InMemoryDns {
    state: Arc<Mutex<State>>,
    capabilities: Capabilities,
    faults: Arc<Faults>,
}

/// The sets of a zone by owner and type.
///
/// Hashed: to compare names in the order of DNS takes longer, and is wanted for lists alone.
#[derive(Debug, Default)]
struct Sets(HashMap<DnsName, BTreeMap<RecordType, RecordSet>>);

impl Sets {
    fn get(&self, name: &DnsName, record_type: RecordType) -> Option<&RecordSet> {
        self.0.get(name)?.get(&record_type)
    }

    /// Puts a set in place of the one that is there.
    fn put(&mut self, set: RecordSet) {
        self.0.entry(set.name().clone()).or_default().insert(set.record_type(), set);
    }

    fn remove(&mut self, name: &DnsName, record_type: RecordType) -> Option<RecordSet> {
        let at = self.0.get_mut(name)?;
        let removed = at.remove(&record_type);
        if at.is_empty() {
            self.0.remove(name);
        }
        removed
    }

    /// Returns the types of the sets at a name.
    fn types(&self, name: &DnsName) -> impl Iterator<Item = RecordType> {
        self.0.get(name).into_iter().flat_map(|at| at.keys().copied())
    }

    /// Returns all sets, in the order of DNS.
    fn list(&self) -> Vec<RecordSet> {
        let mut names: Vec<_> = self.0.iter().collect();
        names.sort_unstable_by_key(|(name, _)| *name);
        names.into_iter().flat_map(|(_, at)| at.values().cloned()).collect()
    }
}

#[derive(Debug, Default)]
struct State {
    zones: HashMap<DnsName, Sets>,
    applied: usize,
}

impl InMemoryDns {
    /// Creates a service that hosts empty zones.
    pub fn new(zones: impl IntoIterator<Item = DnsName>) -> Self {
        let zones = zones.into_iter().map(|zone| (zone, Sets::default())).collect();
        Self {
            state: Arc::new(Mutex::new(State { zones, applied: 0 })),
            capabilities: Capabilities::new(true, Ttl::from_secs(0).unwrap_or(Ttl::MINUTE)),
            faults: Arc::new(Faults::new("in-memory dns")),
        }
    }

    /// Changes what it says that it can do, and does: without `atomic` each change of a set of
    /// changes stands for itself.
    #[must_use]
    pub fn with_capabilities(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// Hosts one more zone, empty; one that is hosted already keeps its records.
    pub fn host(&self, zone: DnsName) {
        self.state().zones.entry(zone).or_default();
    }

    /// Stops to host a zone.
    pub fn unhost(&self, zone: &DnsName) {
        self.state().zones.remove(zone);
    }

    /// Puts a set as somebody does who types it into a form: without expectation, in place of the
    /// set that is there.
    ///
    /// # Errors
    ///
    /// `NotFound` if no zone here holds the name, `Refused` for what a zone cannot hold.
    pub fn set(&self, set: RecordSet) -> Result<()> {
        let mut state = self.state();
        let zone = state.zone_of(set.name()).ok_or_else(|| {
            error(ErrorKind::NotFound, "set", format!("no zone for {}", set.name()))
        })?;
        let before = state
            .zones
            .get(&zone)
            .and_then(|sets| sets.get(set.name(), set.record_type()).cloned());
        let change = SetChange::new(before, Some(set))
            .map_err(|problem| error(ErrorKind::Internal, "set", problem.to_string()))?;
        let applied = state.apply(&zone, &change.into(), self.capabilities)?;
        match applied.into_iter().next() {
            Some(Applied::Refused(refused)) => Err(refused),
            _ => Ok(()),
        }
    }

    /// Takes a set away, as somebody does by hand. Returns what was there.
    pub fn remove(&self, name: &DnsName, record_type: RecordType) -> Option<RecordSet> {
        let mut state = self.state();
        let zone = state.zone_of(name)?;
        state.zones.get_mut(&zone)?.remove(name, record_type)
    }

    /// Returns the sets of a zone, in the order of DNS; none for a zone that is not hosted here.
    pub fn records(&self, zone: &DnsName) -> Vec<RecordSet> {
        let state = self.state();
        state.zones.get(zone).map(Sets::list).unwrap_or_default()
    }

    /// Returns how many times changes were applied.
    pub fn applied(&self) -> usize {
        self.state().applied
    }

    /// Makes the next call fail with `kind` and change nothing.
    pub fn fail_next(&self, kind: ErrorKind) {
        self.faults.before(kind);
    }

    /// Makes the next call take effect and then fail with `kind`, as when an answer is lost.
    pub fn fail_next_after(&self, kind: ErrorKind) {
        self.faults.after(kind);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl DnsProvider for InMemoryDns {
    async fn zone_of(&self, name: &DnsName) -> Result<Option<DnsName>> {
        self.faults.call("zone_of", || Ok(self.state().zone_of(name)))
    }

    async fn record_set(
        &self,
        zone: &DnsName,
        name: &DnsName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>> {
        self.faults.call("record_set", || {
            let state = self.state();
            let sets = state.zones.get(zone).ok_or_else(|| unknown_zone("record_set", zone))?;
            inside("record_set", zone, name)?;
            Ok(sets.get(name, record_type).cloned())
        })
    }

    async fn apply(&self, zone: &DnsName, changes: &ChangeSet) -> Result<Vec<Applied>> {
        self.faults.call("apply", || {
            let mut state = self.state();
            state.applied += 1;
            state.apply(zone, changes, self.capabilities)
        })
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }
}

impl State {
    fn zone_of(&self, name: &DnsName) -> Option<DnsName> {
        let mut name = Some(name.clone());
        while let Some(candidate) = name {
            if self.zones.contains_key(&candidate) {
                return Some(candidate);
            }
            name = candidate.parent();
        }
        None
    }

    fn apply(
        &mut self,
        zone: &DnsName,
        changes: &ChangeSet,
        capabilities: Capabilities,
    ) -> Result<Vec<Applied>> {
        for change in changes {
            inside("apply", zone, change.name())?;
        }
        let sets = self.zones.get_mut(zone).ok_or_else(|| unknown_zone("apply", zone))?;
        if !capabilities.atomic {
            let each = |change| apply_one(sets, zone, change, capabilities.min_ttl);
            return Ok(changes.iter().map(each).collect());
        }
        // One after the other, since what one deletes may make room for the next, and back again if
        // one does not go through.
        let mut undo = Vec::with_capacity(changes.len());
        let mut applied = Vec::with_capacity(changes.len());
        for change in changes {
            let before = sets.get(change.name(), change.record_type()).cloned();
            applied.push(apply_one(sets, zone, change, capabilities.min_ttl));
            undo.push((change, before));
        }
        if !applied.iter().all(|applied| matches!(applied, Applied::Done)) {
            for (change, before) in undo.into_iter().rev() {
                match before {
                    Some(set) => sets.put(set),
                    None => drop(sets.remove(change.name(), change.record_type())),
                }
            }
            for one in &mut applied {
                if matches!(one, Applied::Done) {
                    *one = Applied::Skipped;
                }
            }
        }
        Ok(applied)
    }
}

fn apply_one(sets: &mut Sets, zone: &DnsName, change: &SetChange, min_ttl: Ttl) -> Applied {
    let record_type = change.record_type();
    let found = sets.get(change.name(), record_type);
    // TTLs do not count: they may have been raised on the way in.
    if found.map(RecordSet::data) != change.before().map(RecordSet::data) {
        return Applied::Conflict(found.cloned());
    }
    let refused = |message: &str| {
        let message = format!("{} {record_type}: {message}", change.name());
        Applied::Refused(error(ErrorKind::Refused, "apply", message))
    };
    let Some(after) = change.after() else {
        if change.name() == zone && matches!(record_type, RecordType::Soa | RecordType::Ns) {
            return refused("a zone needs it");
        }
        sets.remove(change.name(), record_type);
        return Applied::Done;
    };
    if after.ttl() < min_ttl {
        return refused("the TTL is below the floor of this service");
    }
    match record_type {
        // RFC 1035 section 5.2: a zone has one SOA record, at its top.
        RecordType::Soa if change.name() != zone => return refused("not the top of the zone"),
        // RFC 1034 section 3.6.2 and RFC 1912 section 2.4: the top has SOA and NS records at least.
        RecordType::Cname if change.name() == zone => return refused("the top of the zone"),
        _ => {}
    }
    let clash = |other: RecordType| {
        other != record_type && (other == RecordType::Cname || record_type == RecordType::Cname)
    };
    if sets.types(change.name()).any(clash) {
        return refused("a CNAME record beside other data (RFC 2181 section 10.1)");
    }
    sets.put(after.clone());
    Applied::Done
}

fn inside(operation: &'static str, zone: &DnsName, name: &DnsName) -> Result<()> {
    if name.is_within(zone) {
        return Ok(());
    }
    Err(error(ErrorKind::Invalid, operation, format!("{name} is not in zone {zone}")))
}

fn unknown_zone(operation: &'static str, zone: &DnsName) -> Error {
    error(ErrorKind::NotFound, operation, format!("zone {zone} is not hosted here"))
}

fn error(kind: ErrorKind, operation: &'static str, message: String) -> Error {
    Error::new(kind, "in-memory dns", operation, message)
}

#[cfg(test)]
mod tests;
