//! Any sequence of calls, and a map that says what a store has to answer.
//!
//! The map is the contract once more, written without any index and without a thought of speed.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use nameplate::{
    clock::{Timestamp, after},
    error::ErrorKind,
    id::{OperationId, OsRandom, TenantId},
    store::{
        Batch, Body, Commit, Entry, Expect, Filter, Header, Item, Key, Kind, Lease, LeaseRequest,
        NewEntry, Query, Revision, Store, Then, UniqueKey, Write,
    },
};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select, subsequence},
    test_runner::TestCaseResult,
};

/// The time of a store.
pub trait Time {
    /// A second of a call is so long.
    const SECOND: Duration;
    /// Whether what is the longest due is leased first whatever came in between.
    const IS_STRICT: bool;

    /// Returns the time of the map.
    fn now(&self) -> Timestamp;

    fn advance(&self, by: Duration);

    /// Sets the time back, if the store can be asked for that and still be as the map.
    fn set_back(&self, by: Duration);

    /// Returns the instant of the map that an instant of the store stands for.
    fn of_map(&self, at: Timestamp) -> Timestamp;
}

fn length<T: Time>(seconds: u64) -> Duration {
    T::SECOND.saturating_mul(u32::try_from(seconds).unwrap())
}

const KINDS: [Kind; 2] = [Kind::Account, Kind::Domain];
const STATES: [&str; 2] = ["active", "failed"];
const UNIQUE: [&str; 3] = ["a", "b", "c"];
/// How long a lease lasts, in seconds: two or three steps of the clock.
const LEASE: u64 = 20;

/// What a write says that it expects.
#[derive(Clone, Copy, Debug)]
pub enum Seen {
    /// What is there.
    Now,
    /// Nothing.
    Nothing,
    /// A state of some item that was there once, perhaps of this one.
    Once(Index),
}

#[derive(Clone, Debug)]
pub enum Change {
    Put { key: usize, seen: Seen, due: Option<u64>, status: usize, unique: Vec<&'static str> },
    Delete { key: usize, seen: Seen },
    Wake { key: usize },
}

#[derive(Clone, Debug)]
pub enum Call {
    Commit { changes: Vec<Change>, under: Option<(Index, Then)>, log: Vec<usize> },
    Lease { kinds: Vec<Kind>, limit: u32 },
    LeaseOne { key: usize },
    Extend { leases: Vec<Index>, seconds: u64 },
    Trim { key: usize, counter: u64 },
    Wait { seconds: u64 },
    SetBack { seconds: u64 },
}

fn seen() -> impl Strategy<Value = Seen> {
    prop_oneof![
        6 => Just(Seen::Now),
        1 => Just(Seen::Nothing),
        1 => any::<Index>().prop_map(Seen::Once),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let unique = subsequence(UNIQUE.to_vec(), 0..=2);
    let put = (0..3_usize, seen(), proptest::option::of(0..60_u64), 0..3_usize, unique).prop_map(
        |(key, seen, due, status, unique)| Change::Put { key, seen, due, status, unique },
    );
    prop_oneof![
        5 => put,
        1 => (0..3_usize, seen()).prop_map(|(key, seen)| Change::Delete { key, seen }),
        2 => (0..3_usize).prop_map(|key| Change::Wake { key }),
    ]
}

/// Any call.
pub fn call() -> impl Strategy<Value = Call> {
    let then = select(vec![Then::Keep, Then::Release]);
    let under = proptest::option::weighted(0.3, (any::<Index>(), then));
    let commit = (vec(change(), 0..4), under, vec(0..3_usize, 0..4))
        .prop_map(|(changes, under, log)| Call::Commit { changes, under, log });
    let lease = (subsequence(KINDS.to_vec(), 1..=2), 0..5_u32)
        .prop_map(|(kinds, limit)| Call::Lease { kinds, limit });
    let extend = (vec(any::<Index>(), 1..3), 0..40_u64)
        .prop_map(|(leases, seconds)| Call::Extend { leases, seconds });
    prop_oneof![
        8 => commit,
        4 => lease,
        2 => (0..3_usize).prop_map(|key| Call::LeaseOne { key }),
        1 => extend,
        1 => (0..3_usize, 0..4_u64).prop_map(|(key, counter)| Call::Trim { key, counter }),
        3 => (0..30_u64).prop_map(|seconds| Call::Wait { seconds }),
        1 => (0..60_u64).prop_map(|seconds| Call::SetBack { seconds }),
    ]
}

fn key(number: usize) -> Key {
    Key::new(KINDS[number % 2], format!("k{}", number / 2))
}

/// The keys that there are.
fn keys() -> Vec<Key> {
    (0..6).map(key).collect()
}

fn unique(text: &str) -> UniqueKey {
    UniqueKey::new("model", &[text])
}

#[derive(Clone, Debug)]
struct Row {
    item: Item,
    token: u64,
    until: Option<Timestamp>,
    woken: Option<Timestamp>,
    log: Vec<Entry>,
}

impl Row {
    fn wanted_at(&self) -> Option<Timestamp> {
        match self.until {
            Some(until) => Some(until),
            None => [self.item.header.due, self.woken].into_iter().flatten().min(),
        }
    }
}

/// What a store has to be like: a map, and what was ever handed out.
#[derive(Default)]
struct Model {
    rows: BTreeMap<Key, Row>,
    revisions: Vec<Revision>,
    leases: Vec<Lease>,
    tokens: BTreeMap<Key, u64>,
}

impl Model {
    fn holds(&self, lease: &Lease, now: Timestamp) -> bool {
        self.rows.get(&lease.key).is_some_and(|row| {
            row.token == lease.token && row.until.is_some_and(|until| until > now)
        })
    }

    fn expect(&self, key: &Key, seen: Seen) -> Expect {
        let there = self.rows.get(key).map(|row| row.item.revision);
        match seen {
            Seen::Now => there.map_or(Expect::Absent, Expect::Revision),
            Seen::Nothing => Expect::Absent,
            Seen::Once(_) if self.revisions.is_empty() => Expect::Absent,
            Seen::Once(index) => Expect::Revision(*index.get(&self.revisions)),
        }
    }

    fn batch<T: Time>(
        &self,
        changes: &[Change],
        under: Option<(Index, Then)>,
        log: &[usize],
        now: Timestamp,
    ) -> Batch {
        let mut batch = Batch::new(OperationId::random(&OsRandom).unwrap());
        for change in changes {
            batch = batch.with(match change {
                Change::Put { key: number, seen, due, status, unique: carried } => {
                    let mut header = Header::default();
                    header.tenant = Some(TenantId::from_bytes([1; 16]));
                    header.due = due.map(|seconds| after(now, length::<T>(seconds)));
                    header.status = STATES.get(*status).map(|status| (*status).to_owned());
                    header.expires = header.due;
                    header.unique = carried.iter().copied().map(unique).collect();
                    let (key, body) = (key(*number), Body::new(format!("{change:?}")));
                    let expect = self.expect(&key, *seen);
                    Write::Put { key, expect, header, body }
                }
                Change::Delete { key: number, seen } => {
                    let key = key(*number);
                    let expect = self.expect(&key, *seen);
                    Write::Delete { key, expect }
                }
                Change::Wake { key: number } => Write::Wake { key: key(*number) },
            });
        }
        let is_put = |number: usize| {
            changes.iter().any(|it| matches!(it, Change::Put { key, .. } if *key == number))
        };
        // Of the others at most one, which makes the batch invalid: most are to be accepted.
        let log = log.iter().enumerate().filter(|(at, number)| *at == 2 || is_put(**number));
        for (at, number) in log {
            batch = batch.with_entry(NewEntry::new(key(*number), format!("{at}")));
        }
        match under {
            Some((lease, then)) if !self.leases.is_empty() => {
                batch.with_lease(lease.get(&self.leases).clone(), then)
            }
            _ => batch,
        }
    }

    /// Returns what a commit has to answer; `None` if the batch is invalid.
    fn commit(&mut self, batch: &Batch, now: Timestamp) -> Option<Commit> {
        let of = |write: &Write| match write {
            Write::Put { key, expect, .. } | Write::Delete { key, expect } => {
                Some((key.clone(), *expect))
            }
            _ => None,
        };
        let written: Vec<(Key, Expect)> = batch.writes.iter().filter_map(of).collect();
        let puts = |key: &Key| {
            batch
                .writes
                .iter()
                .any(|write| matches!(write, Write::Put { key: put, .. } if put == key))
        };
        let distinct: BTreeSet<&Key> = written.iter().map(|(key, _)| key).collect();
        if distinct.len() < written.len() || !batch.log.iter().all(|entry| puts(&entry.of)) {
            return None;
        }
        if batch.lease.as_ref().is_some_and(|(lease, _)| !self.holds(lease, now)) {
            return Some(Commit::Fenced);
        }
        let is_stale = |(key, expect): &&(Key, Expect)| {
            let there = self.rows.get(key).map(|row| row.item.revision);
            there.map_or(Expect::Absent, Expect::Revision) != *expect
        };
        let stale: Vec<Key> = written.iter().filter(is_stale).map(|(key, _)| key.clone()).collect();
        if !stale.is_empty() {
            return Some(Commit::Stale(stale));
        }

        let mut next = self.rows.clone();
        for write in &batch.writes {
            match write {
                Write::Put { key, header, body, .. } => {
                    let counter = next.get(key).map_or(1, |row| row.item.revision.counter + 1);
                    let revision = Revision::new(counter, batch.operation);
                    let item = Item::new(key.clone(), revision, header.clone(), body.clone());
                    let fresh =
                        Row { item: item.clone(), token: 0, until: None, woken: None, log: vec![] };
                    next.entry(key.clone()).or_insert(fresh).item = item;
                }
                Write::Delete { key, .. } => drop(next.remove(key)),
                _ => {}
            }
        }
        let mut carried: BTreeMap<UniqueKey, usize> = BTreeMap::new();
        for unique in next.values().flat_map(|row| &row.item.header.unique) {
            *carried.entry(unique.clone()).or_default() += 1;
        }
        let taken: Vec<UniqueKey> =
            carried.into_iter().filter(|(_, count)| *count > 1).map(|(unique, _)| unique).collect();
        if !taken.is_empty() {
            return Some(Commit::Taken(taken));
        }
        for write in &batch.writes {
            if let Write::Wake { key } = write
                && let Some(row) = next.get_mut(key)
            {
                row.woken = [row.woken, Some(now)].into_iter().flatten().min();
            }
        }
        for entry in &batch.log {
            let row = next.get_mut(&entry.of).unwrap();
            let counter = row.item.revision.counter;
            let index =
                row.log.iter().filter(|old| old.number >= Entry::number(counter, 0)).count();
            let number = Entry::number(counter, u16::try_from(index).unwrap());
            row.log.push(Entry::new(number, now, entry.body.clone()));
        }
        if let Some((lease, Then::Release)) = &batch.lease
            && let Some(row) = next.get_mut(&lease.key)
        {
            row.until = None;
        }
        self.rows = next;
        self.revisions.extend(
            written.iter().filter_map(|(key, _)| self.rows.get(key)).map(|row| row.item.revision),
        );
        Some(Commit::Done)
    }

    /// Returns when the roots that can be leased became due, the longest due first.
    fn due(&self, kinds: &[Kind], now: Timestamp) -> Vec<Timestamp> {
        let rows = self.rows.iter().filter(|(key, _)| kinds.contains(&key.kind));
        let mut due: Vec<Timestamp> =
            rows.filter_map(|(_, row)| row.wanted_at()).filter(|at| *at <= now).collect();
        due.sort_unstable();
        due
    }

    /// Takes note of leases that were given, and checks that they might have been.
    fn lease<T: Time>(
        &mut self,
        given: &[(Lease, Item)],
        now: Timestamp,
        time: &T,
    ) -> TestCaseResult {
        for (lease, item) in given {
            let until = time.of_map(lease.until);
            let row = self.rows.get_mut(&lease.key).unwrap();
            prop_assert_eq!(item, &row.item);
            prop_assert_eq!(until, after(now, length::<T>(LEASE)));
            let last = self.tokens.insert(lease.key.clone(), lease.token);
            prop_assert!(last < Some(lease.token), "{:?} after {:?}", lease, last);
            (row.token, row.until, row.woken) = (lease.token, Some(until), None);
            self.leases.push(Lease::new(lease.key.clone(), lease.token, until));
        }
        Ok(())
    }
}

/// Brings the lists in an answer into one form: the contract says what is in them, and not in which
/// order, nor that what two items want at once is named once.
fn sorted(commit: Commit) -> Commit {
    match commit {
        Commit::Stale(mut keys) => {
            keys.sort();
            Commit::Stale(keys)
        }
        Commit::Taken(mut keys) => {
            keys.sort();
            keys.dedup();
            Commit::Taken(keys)
        }
        other => other,
    }
}

/// Makes the calls, and compares all that can be read after each.
pub async fn agrees<T: Time>(store: impl Store, clock: T, calls: &[Call]) -> TestCaseResult {
    let mut model = Model::default();
    for call in calls {
        let now = clock.now();
        match call {
            Call::Commit { changes, under, log } => {
                let batch = model.batch::<T>(changes, *under, log, now);
                match (model.commit(&batch, now), store.commit(batch).await) {
                    (Some(wanted), Ok(found)) => prop_assert_eq!(sorted(found), sorted(wanted)),
                    (None, Err(error)) => prop_assert_eq!(error.kind(), ErrorKind::Invalid),
                    (wanted, found) => prop_assert!(false, "{:?} and not {:?}", found, wanted),
                }
            }
            Call::Lease { kinds, limit } => {
                let wanted = LeaseRequest::new(kinds.clone(), *limit, length::<T>(LEASE));
                let leased = store.lease(&wanted).await.unwrap();
                prop_assert_eq!(clock.of_map(leased.now), now);
                let mut due = model.due(kinds, now);
                due.truncate(usize::try_from(*limit).unwrap().max(1));
                let given: Vec<Timestamp> = leased
                    .leases
                    .iter()
                    .filter(|(lease, _)| kinds.contains(&lease.key.kind))
                    .filter_map(|(lease, _)| model.rows.get(&lease.key).and_then(Row::wanted_at))
                    .collect();
                prop_assert_eq!(given.len(), leased.leases.len());
                prop_assert!(given.iter().all(|at| *at <= now), "{:?} at {}", given, now);
                prop_assert_eq!(given.len(), due.len());
                if T::IS_STRICT {
                    prop_assert_eq!(given, due);
                }
                model.lease(&leased.leases, now, &clock)?;
            }
            Call::LeaseOne { key: number } => {
                let key = key(*number);
                let wanted = LeaseRequest::of(key.clone(), length::<T>(LEASE));
                let leased = store.lease(&wanted).await.unwrap();
                let at = model.rows.get(&key).and_then(Row::wanted_at);
                let is_due = at.is_some_and(|at| at <= now);
                prop_assert_eq!(leased.leases.len(), usize::from(is_due));
                model.lease(&leased.leases, now, &clock)?;
            }
            Call::Extend { leases, seconds } => {
                if model.leases.is_empty() {
                    continue;
                }
                let asked: Vec<Lease> =
                    leases.iter().map(|lease| lease.get(&model.leases).clone()).collect();
                let until = after(now, length::<T>(*seconds));
                let mut wanted = Vec::new();
                for lease in &asked {
                    let is_held = model.holds(lease, now);
                    if let Some(row) = model.rows.get_mut(&lease.key).filter(|_| is_held) {
                        row.until = Some(until);
                    }
                    wanted.push(is_held.then(|| Lease::new(lease.key.clone(), lease.token, until)));
                }
                // Whether the second of two that are the same is still held when the first one has
                // ended it is nobody's business.
                let distinct: BTreeSet<&Key> = asked.iter().map(|lease| &lease.key).collect();
                let found = store.extend(&asked, length::<T>(*seconds)).await.unwrap();
                let of_map =
                    |it: Lease| Lease::new(it.key.clone(), it.token, clock.of_map(it.until));
                let found: Vec<_> = found.into_iter().map(|it| it.map(of_map)).collect();
                if distinct.len() == asked.len() || *seconds > 0 {
                    prop_assert_eq!(found, wanted);
                }
            }
            Call::Trim { key: number, counter } => {
                let (key, through) = (key(*number), Entry::number(*counter, 0));
                store.trim(&key, through).await.unwrap();
                if let Some(row) = model.rows.get_mut(&key) {
                    row.log.retain(|entry| entry.number > through);
                }
            }
            Call::Wait { seconds } => clock.advance(length::<T>(*seconds)),
            Call::SetBack { seconds } => clock.set_back(length::<T>(*seconds)),
        }
        reads_the_same(&store, &model, &clock).await?;
    }
    Ok(())
}

/// Everything that can be read is as the map has it.
async fn reads_the_same(store: &impl Store, model: &Model, clock: &impl Time) -> TestCaseResult {
    let now = clock.now();
    let there = |key: &Key| model.rows.get(key).map(|row| row.item.clone());
    let wanted: Vec<Option<Item>> = keys().iter().map(there).collect();
    prop_assert_eq!(store.get(&keys()).await.unwrap(), wanted);
    let carrier = |text: &&str| {
        let carries = |row: &&Row| row.item.header.unique.contains(&unique(text));
        model.rows.values().find(carries).map(|row| row.item.clone())
    };
    let wanted: Vec<Option<Item>> = UNIQUE.iter().map(carrier).collect();
    let asked: Vec<UniqueKey> = UNIQUE.iter().copied().map(unique).collect();
    prop_assert_eq!(store.find(&asked).await.unwrap(), wanted);
    for kind in KINDS {
        for filter in [
            Filter::Tenant(TenantId::from_bytes([1; 16])),
            Filter::Status(STATES[0].to_owned()),
            Filter::ExpiresBy(now),
        ] {
            let is_meant = |header: &Header| match &filter {
                Filter::Tenant(tenant) => header.tenant == Some(*tenant),
                Filter::Status(status) => header.status.as_ref() == Some(status),
                Filter::ExpiresBy(at) => header.expires.is_some_and(|expires| expires <= *at),
                _ => false,
            };
            let of = model.rows.values().map(|row| &row.item);
            let wanted: Vec<Item> = of
                .filter(|item| item.key.kind == kind && is_meant(&item.header))
                .cloned()
                .collect();
            let mut found = Vec::new();
            let mut query = Query::new(kind, filter.clone()).with_limit(2);
            loop {
                let page = store.list(&query).await.unwrap();
                found.extend(page.items);
                let Some(next) = page.next else { break };
                query = query.with_after(next);
            }
            prop_assert_eq!(found, wanted, "{:?} {:?}", kind, filter);
        }
    }
    for key in keys() {
        let wanted = model.rows.get(&key).map(|row| row.log.clone()).unwrap_or_default();
        let found = store.entries(&key, 0, 1000).await.unwrap().into_iter();
        let found = found.map(|it| Entry::new(it.number, clock.of_map(it.at), it.body));
        prop_assert_eq!(found.collect::<Vec<_>>(), wanted);
    }
    Ok(())
}

/// Returns the settings of a test of so many cases.
pub fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 4096, ..default }
}
