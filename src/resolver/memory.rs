//! A DNS world in memory.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;

use super::{Answer, Failure, Lookup, Outcome, Resolver, is_looked_at};
use crate::{
    dns::DnsProvider,
    error::{ErrorKind, Result},
    fault::Faults,
    name::DnsName,
    record::{DnsRecord, RecordData, RecordSet, RecordType},
};

/// A resolver that knows the record sets it was given, and those of a [`DnsProvider`] if it is
/// [`over`](Self::over) one.
///
/// Clones share the records. Both modes see a change at once: nothing is cached. Its own records form
/// one tree without zone cuts; wildcards in it work as RFC 4592 says, and a name that only has names
/// below it exists. An outcome that was set with [`answer_with`](Self::answer_with) comes before
/// everything else. Nothing is signed.
///
/// Over a provider it asks for single sets, which cannot show a name that only has names below it:
/// in the provider's zones such a name is [`Outcome::NxDomain`] rather than [`Outcome::NoData`], and
/// a wildcard above it reaches below it.
#[derive(Clone, Debug)]
pub struct InMemoryResolver {
    provider: Option<Arc<dyn DnsProvider>>,
    state: Arc<Mutex<State>>,
    lookups: Arc<AtomicUsize>,
    faults: Arc<Faults>,
}

#[derive(Debug, Default)]
struct State {
    /// By owner in the order of DNS, so that what is below a name follows it.
    sets: BTreeMap<(DnsName, RecordType), RecordSet>,
    scripts: HashMap<(DnsName, RecordType), Outcome>,
}

/// What one name has, before any CNAME is followed.
enum Found {
    Set(RecordSet),
    Alias(DnsName),
    NoData,
    Nothing,
}

impl InMemoryResolver {
    /// Creates a resolver in an empty world.
    pub fn new() -> Self {
        Self {
            provider: None,
            state: Arc::default(),
            lookups: Arc::default(),
            faults: Arc::new(Faults::new("in-memory resolver")),
        }
    }

    /// Creates a resolver that sees the zones of a provider; of other names it knows its own records.
    pub fn over(provider: impl DnsProvider) -> Self {
        Self { provider: Some(Arc::new(provider)), ..Self::new() }
    }

    /// Puts a record set, in place of the one that is there.
    pub fn set(&self, set: RecordSet) {
        self.state().sets.insert((set.name().clone(), set.record_type()), set);
    }

    /// Takes a record set away. Returns what was there.
    pub fn remove(&self, name: &DnsName, record_type: RecordType) -> Option<RecordSet> {
        self.state().sets.remove(&(name.clone(), record_type))
    }

    /// Answers with `outcome` whenever this name and type are asked for, also at the end of a chain.
    pub fn answer_with(&self, name: DnsName, record_type: RecordType, outcome: Outcome) {
        self.state().scripts.insert((name, record_type), outcome);
    }

    /// Answers from the records again.
    pub fn answer_normally(&self, name: &DnsName, record_type: RecordType) {
        self.state().scripts.remove(&(name.clone(), record_type));
    }

    /// Returns how many times something was looked up.
    pub fn lookups(&self) -> usize {
        self.lookups.load(Ordering::Relaxed)
    }

    /// Makes the next call fail with `kind`.
    pub fn fail_next(&self, kind: ErrorKind) {
        self.faults.before(kind);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn follow(&self, lookup: &Lookup) -> Answer {
        let mut name = lookup.name.clone();
        let mut chain = Vec::new();
        loop {
            let scripted = self.state().scripts.get(&(name.clone(), lookup.record_type)).cloned();
            if let Some(outcome) = scripted {
                return Answer::new(outcome).with_chain(chain);
            }
            let outcome = match self.find(&name, lookup.record_type).await {
                // A provider that fails is a server that does not answer.
                Err(_) => Outcome::Failed(Failure::ServFail),
                Ok((Found::Alias(target), _)) => {
                    let seen = target == lookup.name || chain.contains(&target);
                    if seen || chain.len() >= Lookup::MAX_CHAIN {
                        Outcome::Failed(Failure::Chain)
                    } else {
                        chain.push(target.clone());
                        name = target;
                        continue;
                    }
                }
                Ok((Found::Set(set), _)) if !is_looked_at(set.data().iter()) => {
                    Outcome::Failed(Failure::Oversize)
                }
                Ok((Found::Set(set), _)) => Outcome::Answer(
                    set.data()
                        .iter()
                        // The name asked for, also if a wildcard gave the data.
                        .map(|data| DnsRecord::new(name.clone(), set.ttl(), data.clone()))
                        .collect(),
                ),
                Ok((Found::NoData, negative_ttl)) => Outcome::NoData { negative_ttl },
                Ok((Found::Nothing, negative_ttl)) => Outcome::NxDomain { negative_ttl },
            };
            return Answer::new(outcome).with_chain(chain);
        }
    }

    async fn find(
        &self,
        name: &DnsName,
        record_type: RecordType,
    ) -> Result<(Found, Option<Duration>)> {
        if let Some(provider) = &self.provider
            && let Some(zone) = provider.zone_of(name).await?
        {
            let zone = Hosted { provider: &**provider, zone };
            let found = zone.find(name, record_type).await?;
            let is_there = matches!(found, Found::Set(_) | Found::Alias(_));
            let negative_ttl = if is_there { None } else { zone.negative_ttl().await? };
            return Ok((found, negative_ttl));
        }
        let state = self.state();
        Ok((state.find(name, record_type), state.negative_ttl(name)))
    }
}

impl Default for InMemoryResolver {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Resolver for InMemoryResolver {
    async fn lookup(&self, lookup: &Lookup) -> Result<Answer> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        self.faults.run("lookup", async { Ok(self.follow(lookup).await) }).await
    }
}

impl State {
    fn get(&self, name: &DnsName, record_type: RecordType) -> Option<Found> {
        let set = |record_type| self.sets.get(&(name.clone(), record_type));
        set(record_type).cloned().map(Found::Set).or_else(|| alias(set(RecordType::Cname)))
    }

    /// Returns whether a name has records or names below it.
    fn exists(&self, name: &DnsName) -> bool {
        let mut rest = self.sets.range((name.clone(), RecordType::A)..);
        rest.next().is_some_and(|((owner, _), _)| owner.is_within(name))
    }

    fn find(&self, name: &DnsName, record_type: RecordType) -> Found {
        if let Some(found) = self.get(name, record_type) {
            return found;
        }
        if self.exists(name) {
            return Found::NoData;
        }
        // RFC 4592 section 3.3.1: the wildcard below the closest name that exists, and no other.
        let mut encloser = name.parent();
        while let Some(above) = encloser.take_if(|above| !self.exists(above)) {
            encloser = above.parent();
        }
        let Some(wildcard) = encloser.and_then(|encloser| encloser.child("*").ok()) else {
            return Found::Nothing;
        };
        match self.get(&wildcard, record_type) {
            Some(found) => found,
            None if self.exists(&wildcard) => Found::NoData,
            None => Found::Nothing,
        }
    }

    fn negative_ttl(&self, name: &DnsName) -> Option<Duration> {
        let mut name = Some(name.clone());
        while let Some(at) = name {
            if let Some(soa) = self.sets.get(&(at.clone(), RecordType::Soa)) {
                return negative_ttl(soa);
            }
            name = at.parent();
        }
        None
    }
}

/// A zone at a provider.
struct Hosted<'a> {
    provider: &'a dyn DnsProvider,
    zone: DnsName,
}

impl Hosted<'_> {
    async fn set(&self, name: &DnsName, record_type: RecordType) -> Result<Option<RecordSet>> {
        self.provider.record_set(&self.zone, name, record_type).await
    }

    async fn get(&self, name: &DnsName, record_type: RecordType) -> Result<Option<Found>> {
        if let Some(set) = self.set(name, record_type).await? {
            return Ok(Some(Found::Set(set)));
        }
        Ok(alias(self.set(name, RecordType::Cname).await?.as_ref()))
    }

    /// Returns whether a name has records, or is the top of the zone, which is there without any.
    async fn has_records(&self, name: &DnsName) -> Result<bool> {
        if *name == self.zone {
            return Ok(true);
        }
        for record_type in RecordType::ALL {
            if self.set(name, *record_type).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn find(&self, name: &DnsName, record_type: RecordType) -> Result<Found> {
        if let Some(found) = self.get(name, record_type).await? {
            return Ok(found);
        }
        if self.has_records(name).await? {
            return Ok(Found::NoData);
        }
        let mut above = name.parent();
        while let Some(encloser) = above.filter(|above| above.is_within(&self.zone)) {
            if let Ok(wildcard) = encloser.child("*") {
                if let Some(found) = self.get(&wildcard, record_type).await? {
                    return Ok(found);
                }
                if self.has_records(&wildcard).await? {
                    return Ok(Found::NoData);
                }
            }
            if self.has_records(&encloser).await? {
                break;
            }
            above = encloser.parent();
        }
        Ok(Found::Nothing)
    }

    async fn negative_ttl(&self) -> Result<Option<Duration>> {
        Ok(self.set(&self.zone, RecordType::Soa).await?.as_ref().and_then(negative_ttl))
    }
}

/// Returns the target of a CNAME set.
fn alias(set: Option<&RecordSet>) -> Option<Found> {
    match set?.data() {
        [RecordData::Cname(target)] => Some(Found::Alias(target.clone())),
        _ => None,
    }
}

/// Returns how long it may be remembered that something is not there (RFC 2308 section 5).
fn negative_ttl(soa: &RecordSet) -> Option<Duration> {
    match soa.data() {
        [RecordData::Soa(data)] => {
            Some(Duration::from_secs(data.minimum().min(soa.ttl().as_secs()).into()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
