//! The reference store, in memory.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    Batch, Body, Commit, Entry, Expect, Filter, Header, Item, Key, Lease, LeaseRequest, Leased,
    Page, Query, Revision, Store, Then, UniqueKey, Write,
};
use crate::{
    clock::{Clock, Timestamp, after},
    error::{ErrorKind, Result},
    fault::Faults,
    id::OperationId,
};

/// A store that forgets everything when its last clone is dropped.
///
/// Clones share the items. Reading by tenant, name, state or expiry walks all items of the kind:
/// right for tests and small tools, not for a hundred thousand domains.
#[derive(Clone, Debug)]
pub struct InMemoryStore {
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
    faults: Arc<Faults>,
}

#[derive(Debug, Default)]
struct State {
    items: BTreeMap<Key, Row>,
    unique: HashMap<UniqueKey, Key>,
    /// Roots by when they are due or their lease ends.
    due: BTreeSet<(Timestamp, Key)>,
    /// The highest token of a root that was deleted. New ones count on from there, so that tokens rise
    /// also when a root is deleted and created again.
    token: u64,
}

#[derive(Debug)]
struct Row {
    revision: Revision,
    header: Header,
    body: Body,
    /// The last token given out.
    token: u64,
    /// The end of the last lease, unless it was released.
    leased_until: Option<Timestamp>,
    /// The first wake since the last lease.
    woken: Option<Timestamp>,
    log: Vec<Entry>,
}

impl Row {
    /// Returns when the next lease may be given.
    fn wanted_at(&self) -> Option<Timestamp> {
        self.leased_until.or_else(|| self.header.due.into_iter().chain(self.woken).min())
    }

    fn item(&self, key: &Key) -> Item {
        Item::new(key.clone(), self.revision, self.header.clone(), self.body.clone())
    }
}

impl InMemoryStore {
    /// Creates an empty store that lives by `clock`.
    pub fn new(clock: impl Clock) -> Self {
        let faults = Arc::new(Faults::new("in-memory store"));
        Self { clock: Arc::new(clock), state: Arc::default(), faults }
    }

    /// Returns when the next root is due or the next lease ends.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.state().due.first().map(|(at, _)| *at)
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
        // A panic elsewhere cannot leave the state half written: writes are checked, then applied.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one call under the lock, with the failure that was asked for, if any.
    fn call<T>(
        &self,
        operation: &'static str,
        call: impl FnOnce(&mut State, Timestamp) -> Result<T>,
    ) -> Result<T> {
        self.faults.call(operation, || call(&mut self.state(), self.clock.now()))
    }
}

#[async_trait]
impl Store for InMemoryStore {
    async fn now(&self) -> Result<Timestamp> {
        self.call("now", |_, now| Ok(now))
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>> {
        self.call("get", |state, _| {
            Ok(keys.iter().map(|key| state.items.get(key).map(|row| row.item(key))).collect())
        })
    }

    async fn find(&self, unique: &[UniqueKey]) -> Result<Vec<Option<Item>>> {
        self.call("find", |state, _| {
            let item = |unique| {
                let key = state.unique.get(unique)?;
                state.items.get(key).map(|row| row.item(key))
            };
            Ok(unique.iter().map(item).collect())
        })
    }

    async fn list(&self, query: &Query) -> Result<Page> {
        self.call("list", |state, _| Ok(state.list(query)))
    }

    async fn commit(&self, batch: Batch) -> Result<Commit> {
        self.call("commit", |state, now| state.commit(batch, now))
    }

    async fn lease(&self, wanted: &LeaseRequest) -> Result<Leased> {
        self.call("lease", |state, now| Ok(state.lease(wanted, now)))
    }

    async fn extend(&self, leases: &[Lease], by: Duration) -> Result<Vec<Option<Lease>>> {
        self.call("extend", |state, now| {
            let until = after(now, by);
            Ok(leases.iter().map(|lease| state.extend(lease, until, now)).collect())
        })
    }

    async fn entries(&self, of: &Key, after: u64, limit: u32) -> Result<Vec<Entry>> {
        self.call("entries", |state, _| {
            let log = state.items.get(of).map(|row| row.log.as_slice()).unwrap_or_default();
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            Ok(log.iter().filter(|entry| entry.number > after).take(limit).cloned().collect())
        })
    }

    async fn trim(&self, of: &Key, through: u64) -> Result<()> {
        self.call("trim", |state, _| {
            if let Some(row) = state.items.get_mut(of) {
                row.log.retain(|entry| entry.number > through);
            }
            Ok(())
        })
    }

    async fn restore(&self, item: &Item, log: &[Entry]) -> Result<Commit> {
        item.check_log(log, "in-memory store")?;
        self.call("restore", |state, now| {
            let done = state.commit(item.restoring(), now)?;
            if done == Commit::Done
                && let Some(row) = state.items.get_mut(&item.key)
            {
                row.revision = item.revision;
                row.log = log.to_vec();
            }
            Ok(done)
        })
    }
}

impl State {
    fn list(&self, query: &Query) -> Page {
        let start = Key { kind: query.kind, id: query.after.clone().unwrap_or_default() };
        let limit = query.limit.clamp(1, Query::MAX_LIMIT);
        let mut matching = self
            .items
            .range(start..)
            .take_while(|(key, _)| key.kind == query.kind)
            .filter(|(key, _)| query.after.as_ref().is_none_or(|after| key.id > *after))
            .filter(|(_, row)| match &query.filter {
                Filter::All => true,
                Filter::Tenant(tenant) => row.header.tenant == Some(*tenant),
                Filter::Name(name) => row.header.name.as_ref() == Some(name),
                Filter::Status(status) => row.header.status.as_ref() == Some(status),
                Filter::ExpiresBy(at) => row.header.expires.is_some_and(|expires| expires <= *at),
            });
        let mut items = Vec::new();
        for (key, row) in matching.by_ref() {
            items.push(row.item(key));
            if items.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
                break;
            }
        }
        let more = matching.next().is_some();
        let next = if more { items.last().map(|item| item.key.id.clone()) } else { None };
        Page::new(items, next)
    }

    fn holds(&self, lease: &Lease, now: Timestamp) -> bool {
        self.items.get(&lease.key).is_some_and(|row| {
            row.token == lease.token && row.leased_until.is_some_and(|until| now < until)
        })
    }

    fn commit(&mut self, batch: Batch, now: Timestamp) -> Result<Commit> {
        batch.check("in-memory store")?;
        if let Some((lease, _)) = &batch.lease
            && !self.holds(lease, now)
        {
            return Ok(Commit::Fenced);
        }
        let stale = self.stale(&batch.writes);
        if !stale.is_empty() {
            return Ok(Commit::Stale(stale));
        }
        let taken = self.taken(&batch.writes);
        if !taken.is_empty() {
            return Ok(Commit::Taken(taken));
        }

        // Nothing below can fail. Old unique keys go first, so that a batch can move one.
        for write in &batch.writes {
            match write {
                Write::Put { key, header, .. } => self.forget_unique(key, &header.unique),
                Write::Delete { key, .. } => self.forget_unique(key, &[]),
                Write::Wake { .. } => {}
            }
        }
        let mut woken = Vec::new();
        for write in batch.writes {
            match write {
                Write::Put { key, header, body, .. } => {
                    self.put(key, header, body, batch.operation)
                }
                Write::Delete { key, .. } => {
                    if let Some(row) = self.items.remove(&key) {
                        self.token = self.token.max(row.token);
                        if let Some(at) = row.wanted_at() {
                            self.due.remove(&(at, key));
                        }
                    }
                }
                Write::Wake { key } => woken.push(key),
            }
        }
        // After the puts, so that a batch can wake what it creates. The earliest wake counts: who is
        // woken again and again must not lose its place in the queue, nor wait for an instant from
        // before the clock was set back.
        for key in woken {
            self.reschedule(&key, |row| {
                row.woken = Some(row.woken.map_or(now, |before| before.min(now)));
            });
        }
        let mut indexes: BTreeMap<Key, u16> = BTreeMap::new();
        for entry in batch.log {
            if let Some(row) = self.items.get_mut(&entry.of) {
                let index = indexes.entry(entry.of).or_default();
                row.log.push(Entry::new(
                    Entry::number(row.revision.counter, *index),
                    now,
                    entry.body,
                ));
                *index = index.saturating_add(1);
            }
        }
        if let Some((lease, Then::Release)) = batch.lease {
            self.reschedule(&lease.key, |row| row.leased_until = None);
        }
        Ok(Commit::Done)
    }

    fn stale(&self, writes: &[Write]) -> Vec<Key> {
        writes
            .iter()
            .filter_map(|write| match write {
                Write::Put { key, expect, .. } | Write::Delete { key, expect } => {
                    let found = self.items.get(key).map(|row| row.revision);
                    let wanted = match expect {
                        Expect::Absent => None,
                        Expect::Revision(revision) => Some(*revision),
                    };
                    (found != wanted).then(|| key.clone())
                }
                Write::Wake { .. } => None,
            })
            .collect()
    }

    fn taken(&self, writes: &[Write]) -> Vec<UniqueKey> {
        let is_written = |holder: &Key| {
            writes.iter().any(|write| match write {
                Write::Put { key, .. } | Write::Delete { key, .. } => key == holder,
                Write::Wake { .. } => false,
            })
        };
        let mut wanted = BTreeSet::new();
        let mut taken = Vec::new();
        for write in writes {
            if let Write::Put { key, header, .. } = write {
                let mine = self.carried(key);
                for unique in &header.unique {
                    let elsewhere = !mine.contains(unique)
                        && self.unique.get(unique).is_some_and(|holder| !is_written(holder));
                    if elsewhere || !wanted.insert(unique) {
                        taken.push(unique.clone());
                    }
                }
            }
        }
        taken
    }

    /// Returns the unique keys that an item carries.
    fn carried(&self, key: &Key) -> &[UniqueKey] {
        self.items.get(key).map(|row| row.header.unique.as_slice()).unwrap_or_default()
    }

    /// Frees the unique keys that an item carries, but for those that it keeps.
    fn forget_unique(&mut self, key: &Key, kept: &[UniqueKey]) {
        if let Some(row) = self.items.get(key) {
            for unique in row.header.unique.iter().filter(|unique| !kept.contains(unique)) {
                self.unique.remove(unique);
            }
        }
    }

    fn put(&mut self, key: Key, header: Header, body: Body, operation: OperationId) {
        let row = self.items.get(&key);
        let mine = row.map(|row| row.header.unique.as_slice()).unwrap_or_default();
        for unique in header.unique.iter().filter(|unique| !mine.contains(unique)) {
            self.unique.insert(unique.clone(), key.clone());
        }
        if row.is_some() {
            self.reschedule(&key, |row| {
                row.revision = Revision::new(row.revision.counter + 1, operation);
                row.header = header;
                row.body = body;
            });
            return;
        }
        let row = Row {
            revision: Revision::new(1, operation),
            header,
            body,
            token: self.token,
            leased_until: None,
            woken: None,
            log: Vec::new(),
        };
        if let Some(at) = row.wanted_at() {
            self.due.insert((at, key.clone()));
        }
        self.items.insert(key, row);
    }

    /// Changes a row and keeps the schedule in step.
    fn reschedule(&mut self, key: &Key, change: impl FnOnce(&mut Row)) {
        let Some(row) = self.items.get_mut(key) else { return };
        let before = row.wanted_at();
        change(row);
        let now = row.wanted_at();
        if before != now {
            if let Some(at) = before {
                self.due.remove(&(at, key.clone()));
            }
            if let Some(at) = now {
                self.due.insert((at, key.clone()));
            }
        }
    }

    fn lease(&mut self, wanted: &LeaseRequest, now: Timestamp) -> Leased {
        let limit = usize::try_from(wanted.limit.clamp(1, LeaseRequest::MAX_LIMIT)).unwrap_or(1);
        let until = after(now, wanted.duration);
        let picked: Vec<Key> = match &wanted.only {
            Some(key) => self
                .items
                .get(key)
                .and_then(Row::wanted_at)
                .filter(|at| *at <= now && wanted.kinds.contains(&key.kind))
                .map(|_| key.clone())
                .into_iter()
                .collect(),
            None => self
                .due
                .iter()
                .take_while(|(at, _)| *at <= now)
                .map(|(_, key)| key)
                .filter(|key| wanted.kinds.contains(&key.kind))
                .take(limit)
                .cloned()
                .collect(),
        };
        let mut leases = Vec::with_capacity(picked.len());
        for key in picked {
            let since = self.items.get(&key).and_then(Row::wanted_at).unwrap_or(now);
            self.reschedule(&key, |row| {
                row.token += 1;
                row.leased_until = Some(until);
                row.woken = None;
            });
            if let Some(row) = self.items.get(&key) {
                let lease = Lease::new(key.clone(), row.token, until).with_due_since(since);
                leases.push((lease, row.item(&key)));
            }
        }
        Leased::new(now, leases)
    }

    fn extend(&mut self, lease: &Lease, until: Timestamp, now: Timestamp) -> Option<Lease> {
        if !self.holds(lease, now) {
            return None;
        }
        self.reschedule(&lease.key, |row| row.leased_until = Some(until));
        Some(Lease::new(lease.key.clone(), lease.token, until))
    }
}

#[cfg(test)]
mod tests;
