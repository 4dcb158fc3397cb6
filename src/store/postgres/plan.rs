//! What a batch changes, decided from what is locked: no statement decides anything.

use std::collections::{HashMap, HashSet};

use super::{
    columns::{Items, Keys, Log, NewSlots, Slots, Unique},
    place::BACKDATED,
    row::{micros, number},
};
use crate::{
    id::OperationId,
    store::{Batch, Commit, Entry, Expect, Key, Lease, Revision, Then, UniqueKey, Write},
};

/// From how many new items on a batch is written without a look.
const BULK: usize = 50;

/// An item as a batch finds it.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) revision: Revision,
    pub(super) carries: Vec<UniqueKey>,
}

/// The schedule of an item: when it wants attention, and who gives it.
///
/// There is one if the item ever had a due time or was woken. Instants are in microseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Slot {
    /// The counter of the item's revision.
    pub(super) counter: i64,
    /// The last token given out. Each is the time at least, so that tokens rise also when an item is
    /// deleted and created again, though nothing is kept of it, and when leases are forgotten.
    pub(super) token: i64,
    pub(super) due: Option<i64>,
    /// The earliest wake since the last lease.
    pub(super) woken: Option<i64>,
    /// The end of the last lease, unless it was released.
    pub(super) leased_until: Option<i64>,
    /// When it was due for that lease.
    pub(super) due_since: Option<i64>,
    /// Its place among those that wait: the longest due first.
    pub(super) wanted: Option<i64>,
}

impl Slot {
    const fn new(token: i64) -> Self {
        Self {
            counter: 0,
            token,
            due: None,
            woken: None,
            leased_until: None,
            due_since: None,
            wanted: None,
        }
    }

    /// Gives it a new place if it is due at another time than `before`: behind all that was looked at
    /// when it was not due yet, for a poll does not look there again. So too if its place is of a time
    /// before the clock was set back, which would keep it waiting.
    fn placed(self, before: Option<&Self>, now: i64) -> Self {
        let due = self.due_at();
        let waits_for_nothing = due <= Some(now) && self.wanted > Some(now);
        if before.is_some_and(|before| before.due_at() == due) && !waits_for_nothing {
            return self;
        }
        Self { wanted: due.map(|at| at.max(now.saturating_sub(BACKDATED))), ..self }
    }

    /// Returns when the next lease may be given.
    fn due_at(&self) -> Option<i64> {
        self.leased_until.or_else(|| self.due.into_iter().chain(self.woken).min())
    }
}

/// What a batch has found, all of it locked but the unique keys.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) now: i64,
    pub(super) items: HashMap<Key, Found>,
    pub(super) schedule: HashMap<Key, Slot>,
    /// Who carries the unique keys that were looked up.
    pub(super) holders: HashMap<String, Key>,
}

/// A batch, or an item as another store had it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<'a> {
    pub(super) batch: &'a Batch,
    /// The revision's counter and the log of the one item that is put.
    pub(super) restored: Option<(u64, &'a [Entry])>,
}

/// What is written: a fixed number of statements, whatever the number of writes.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) given_up: Vec<&'a str>,
    pub(super) deleted: Keys<'a>,
    pub(super) new_items: Items<'a>,
    pub(super) items: Items<'a>,
    pub(super) new_slots: NewSlots<'a>,
    pub(super) slots: Slots<'a>,
    pub(super) taken: Unique<'a>,
    pub(super) log: Log<'a>,
}

impl<'a> Change<'a> {
    /// Returns about how many bytes it takes to write it.
    pub(super) fn size(&self) -> usize {
        // Of a row beside its texts.
        const ROW: usize = 256;
        let mut size = 0_usize;
        let mut add = |bytes: usize| size = size.saturating_add(bytes);
        for write in &self.batch.writes {
            add(ROW);
            if let Write::Put { key, header, body, .. } = write {
                add(header.name.as_deref().map_or(0, str::len));
                add(header.status.as_deref().map_or(0, str::len));
                add(body.as_str().len());
                // Beside the item and of their own, with the key of the item.
                let of = key.id.len().saturating_add(32);
                let unique = header.unique.iter().map(|it| it.as_str().len().saturating_mul(2));
                unique.for_each(|bytes| add(bytes.saturating_add(of)));
            }
        }
        self.batch.log.iter().for_each(|entry| add(entry.body.len().saturating_add(ROW)));
        for entry in self.restored.iter().flat_map(|(_, entries)| *entries) {
            add(entry.body.len().saturating_add(ROW));
        }
        size
    }

    /// Whether it is nothing but many new items. They are written without a look, unless `carefully`:
    /// the database refuses what is there, and that is rare where so many are added.
    fn is_bulk(&self, carefully: bool) -> bool {
        let writes = &self.batch.writes;
        let is_new = |write| matches!(write, &Write::Put { expect: Expect::Absent, .. });
        !carefully && writes.len() >= BULK && writes.iter().all(is_new)
    }

    /// Returns the items that have to be looked at, and locked.
    pub(super) fn items(&self, carefully: bool) -> Vec<&'a Key> {
        if self.is_bulk(carefully) {
            return Vec::new();
        }
        let key = |write: &'a Write| match write {
            Write::Put { key, .. } | Write::Delete { key, .. } | Write::Wake { key } => key,
        };
        self.batch.writes.iter().map(key).collect()
    }

    /// Returns the items whose schedules have to be looked at, and locked: one that is not there has
    /// none.
    pub(super) fn slots(&self) -> Vec<&'a Key> {
        let key = |write: &'a Write| match write {
            Write::Put { expect: Expect::Absent, .. } => None,
            Write::Put { key, .. } | Write::Delete { key, .. } | Write::Wake { key } => Some(key),
        };
        let lease = self.batch.lease.iter().map(|(lease, _)| &lease.key);
        self.batch.writes.iter().filter_map(key).chain(lease).collect()
    }

    /// Returns the unique keys whose holders have to be looked up.
    ///
    /// An item that is there mostly keeps those that it has; if it does not, and loses a race for a new
    /// one, the batch is looked at once more with `carefully`.
    pub(super) fn unique(&self, carefully: bool) -> Vec<&'a str> {
        if self.is_bulk(carefully) {
            return Vec::new();
        }
        let of = |write: &'a Write| match write {
            Write::Put { expect, header, .. } if carefully || *expect == Expect::Absent => {
                header.unique.as_slice()
            }
            _ => &[],
        };
        self.batch.writes.iter().flat_map(of).map(UniqueKey::as_str).collect()
    }

    /// Returns why nothing is changed, if something stands against it that was looked at.
    pub(super) fn refusal(&self, seen: &Seen, carefully: bool) -> Option<Commit> {
        if let Some((lease, _)) = &self.batch.lease
            && !is_held(lease, seen)
        {
            return Some(Commit::Fenced);
        }
        if self.is_bulk(carefully) {
            return None;
        }
        let mut stale = Vec::new();
        for write in &self.batch.writes {
            let (Write::Put { key, expect, .. } | Write::Delete { key, expect }) = write else {
                continue;
            };
            let wanted = match expect {
                Expect::Absent => None,
                Expect::Revision(revision) => Some(*revision),
            };
            if seen.items.get(key).map(|found| found.revision) != wanted {
                stale.push(key.clone());
            }
        }
        if !stale.is_empty() {
            return Some(Commit::Stale(stale));
        }
        let taken = self.taken(seen);
        (!taken.is_empty()).then_some(Commit::Taken(taken))
    }

    /// Returns the unique keys that cannot be taken.
    fn taken(&self, seen: &Seen) -> Vec<UniqueKey> {
        let mut written = HashSet::new();
        for write in &self.batch.writes {
            if seen.holders.is_empty() {
                break;
            }
            if let Write::Put { key, .. } | Write::Delete { key, .. } = write {
                written.insert(key);
            }
        }
        let mut wanted = HashSet::new();
        let mut taken = Vec::new();
        for write in &self.batch.writes {
            let Write::Put { key, header, .. } = write else { continue };
            for unique in &header.unique {
                let holder = seen.holders.get(unique.as_str());
                let elsewhere =
                    holder.is_some_and(|holder| holder != key && !written.contains(holder));
                if elsewhere || !wanted.insert(unique) {
                    taken.push(unique.clone());
                }
            }
        }
        taken
    }

    /// Returns what is written if nothing stands against it.
    pub(super) fn plan(&self, seen: &'a Seen) -> Plan<'a> {
        let batch = self.batch;
        let mut plan = Plan::new(batch.operation, seen.now);
        if seen.items.is_empty() {
            plan.reserve(&batch.writes);
        }
        let mut slots: Vec<(&'a Key, Slot)> = Vec::with_capacity(batch.writes.len());
        let mut deleted: HashSet<&Key> = HashSet::new();
        let mut counters: HashMap<&'a Key, u64> = HashMap::new();
        let has_wakes = batch.writes.iter().any(is_wake);
        let are_counted = has_wakes || !batch.log.is_empty();
        let slot_of = |key: &Key, counter: u64| {
            let slot = seen.schedule.get(key).copied().unwrap_or_else(|| Slot::new(seen.now));
            Slot { counter: number(counter), ..slot }
        };
        for write in &batch.writes {
            match write {
                Write::Put { key, header, body, .. } => {
                    let found = seen.items.get(key);
                    let mine = found.map(|found| found.carries.as_slice()).unwrap_or_default();
                    plan.give_up(mine, &header.unique);
                    plan.take(key, mine, &header.unique);
                    let counter = match (found, self.restored) {
                        (Some(found), _) => found.revision.counter.saturating_add(1),
                        (None, Some((counter, _))) => counter,
                        (None, None) => 1,
                    };
                    let rows = if found.is_some() { &mut plan.items } else { &mut plan.new_items };
                    rows.push(key, counter, header, body.as_str());
                    if are_counted {
                        counters.insert(key, counter);
                    }
                    let slot = Slot { due: header.due.map(micros), ..slot_of(key, counter) };
                    slots.push((key, slot));
                }
                Write::Delete { key, .. } => {
                    if let Some(found) = seen.items.get(key) {
                        plan.give_up(&found.carries, &[]);
                        plan.deleted.push(key);
                        deleted.insert(key);
                    }
                }
                Write::Wake { .. } => {}
            }
        }
        let released = batch.lease.iter().find(|(_, then)| *then == Then::Release);
        // Where in `slots` each is, if that is asked at all.
        let mut places: HashMap<&Key, usize> = HashMap::new();
        if has_wakes || released.is_some() {
            places.extend(slots.iter().enumerate().map(|(at, (key, _))| (*key, at)));
        }
        // After the puts, so that a batch can wake what it creates.
        for write in &batch.writes {
            let Write::Wake { key } = write else { continue };
            let there = seen.items.get(key).map(|found| found.revision.counter);
            let Some(counter) = counters.get(key).copied().or(there) else { continue };
            if deleted.contains(key) {
                continue;
            }
            let at = *places.entry(key).or_insert(slots.len());
            if at == slots.len() {
                slots.push((key, slot_of(key, counter)));
            }
            if let Some((_, slot)) = slots.get_mut(at) {
                slot.woken = Some(slot.woken.map_or(seen.now, |before| before.min(seen.now)));
            }
        }
        if let Some((lease, _)) = released
            && let Some(held) = seen.schedule.get(&lease.key)
            && !deleted.contains(&lease.key)
        {
            let at = *places.entry(&lease.key).or_insert(slots.len());
            if at == slots.len() {
                slots.push((&lease.key, *held));
            }
            if let Some((_, slot)) = slots.get_mut(at) {
                (slot.leased_until, slot.due_since) = (None, None);
            }
        }
        for (key, slot) in slots {
            let before = seen.schedule.get(key);
            let slot = slot.placed(before, seen.now);
            match before {
                Some(before) if *before == slot => {}
                Some(_) => plan.slots.push(key, &slot),
                // What never wanted attention needs no schedule.
                None if slot.wanted.is_none() => {}
                None => plan.new_slots.push(key, &slot),
            }
        }
        self.log(&counters, seen.now, &mut plan.log);
        plan
    }

    fn log(&self, counters: &HashMap<&'a Key, u64>, now: i64, log: &mut Log<'a>) {
        if let (Some((_, entries)), Some(Write::Put { key, .. })) =
            (self.restored, self.batch.writes.first())
        {
            for entry in entries {
                log.push(key, entry.number, micros(entry.at), &entry.body);
            }
        }
        let mut indexes: HashMap<&Key, u16> = HashMap::new();
        for entry in &self.batch.log {
            let Some(counter) = counters.get(&entry.of) else { continue };
            let index = indexes.entry(&entry.of).or_default();
            log.push(&entry.of, Entry::number(*counter, *index), now, &entry.body);
            *index = index.saturating_add(1);
        }
    }
}

impl<'a> Plan<'a> {
    fn new(operation: OperationId, now: i64) -> Self {
        Self {
            given_up: Vec::new(),
            deleted: Keys::default(),
            new_items: Items::new(operation),
            items: Items::new(operation),
            new_slots: NewSlots::new(now),
            slots: Slots::default(),
            taken: Unique::default(),
            log: Log::default(),
        }
    }

    /// Makes room for new items.
    fn reserve(&mut self, writes: &[Write]) {
        self.new_items.reserve(writes.len());
        self.new_slots.reserve(writes.len());
        let unique = writes.iter().map(|write| match write {
            Write::Put { header, .. } => header.unique.len(),
            Write::Delete { .. } | Write::Wake { .. } => 0,
        });
        self.taken.reserve(unique.sum());
    }

    /// Frees the unique keys that an item carried and no longer does.
    fn give_up(&mut self, mine: &'a [UniqueKey], kept: &[UniqueKey]) {
        let freed = mine.iter().filter(|unique| !kept.contains(unique));
        self.given_up.extend(freed.map(UniqueKey::as_str));
    }

    /// Takes the unique keys that an item carries and did not before.
    fn take(&mut self, key: &'a Key, mine: &[UniqueKey], wanted: &'a [UniqueKey]) {
        for unique in wanted.iter().filter(|unique| !mine.contains(unique)) {
            self.taken.push(unique, key);
        }
    }
}

const fn is_wake(write: &Write) -> bool {
    matches!(write, Write::Wake { .. })
}

/// Whether a lease is the latest of its root and has not ended.
fn is_held(lease: &Lease, seen: &Seen) -> bool {
    seen.schedule.get(&lease.key).is_some_and(|slot| {
        slot.token == number(lease.token) && slot.leased_until.is_some_and(|until| seen.now < until)
    })
}

#[cfg(test)]
mod tests;
