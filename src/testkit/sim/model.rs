//! What a store must hold, by its contract: kept beside the real one.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use super::outbox::Feed;
use crate::{
    certificate::Certificate,
    clock::{Timestamp, after},
    domain::Domain,
    engine::{AccountRoot, Intent, Root, SealedKey, read_root},
    error::ErrorKind,
    id::DomainId,
    store::{
        Batch, Entry, Expect, Item, Key, Kind, Lease, LeaseRequest, Revision, Then, UniqueKey,
        Write,
    },
};

/// What an item says, as far as the checks want to know.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Account(Box<AccountRoot>),
    Certificate(Box<Certificate>),
    Domain(Box<Domain>, Option<Intent>),
    Feed(Box<Feed>),
    Key(Box<SealedKey>),
    /// Of a later version of the engine.
    Newer,
    Other,
    /// Of this version, and cannot be read.
    Unreadable(String),
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

impl Content {
    fn read(item: &Item) -> Self {
        let body = item.body.as_str();
        if matches!(item.key.kind, Kind::Account | Kind::Domain) {
            return match read_root(item) {
                Ok(Root::Account(root)) => Self::Account(root),
                Ok(Root::Domain(root)) => Self::Domain(Box::new(root.domain), root.intent),
                Err(error) if error.kind() == ErrorKind::Unsupported => Self::Newer,
                Err(error) => Self::Unreadable(error.to_string()),
            };
        }
        match serde_json::from_str::<Version>(body) {
            Ok(Version { v: 1 }) => {}
            Ok(_) => return Self::Newer,
            Err(error) => return Self::Unreadable(error.to_string()),
        }
        let read = match item.key.kind {
            Kind::Certificate => serde_json::from_str(body).map(Self::Certificate),
            Kind::Key => serde_json::from_str(body).map(Self::Key),
            Kind::Feed if item.key.id.parse::<DomainId>().is_ok() => {
                serde_json::from_str(body).map(Self::Feed)
            }
            _ => return Self::Other,
        };
        read.unwrap_or_else(|error| Self::Unreadable(error.to_string()))
    }

    pub(super) const fn domain(&self) -> Option<&Domain> {
        match self {
            Self::Domain(domain, _) => Some(domain),
            _ => None,
        }
    }

    pub(super) const fn intent(&self) -> Option<&Intent> {
        match self {
            Self::Domain(_, intent) => intent.as_ref(),
            Self::Account(root) => root.intent.as_ref(),
            _ => None,
        }
    }
}

/// An item as it must be.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) item: Item,
    pub(super) content: Content,
    token: u64,
    leased_until: Option<Timestamp>,
    woken: Option<Timestamp>,
}

impl Row {
    /// Returns when the next lease may be given.
    pub(super) fn wanted_at(&self) -> Option<Timestamp> {
        self.leased_until.or_else(|| self.item.header.due.into_iter().chain(self.woken).min())
    }

    /// Returns whether it is leased under a token.
    pub(super) fn is_leased(&self, token: u64, now: Timestamp) -> bool {
        self.token == token && self.leased_until.is_some_and(|until| now < until)
    }
}

/// The log of an item as it must be.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    /// All entries, those that were dropped since included.
    pub(super) entries: Vec<Entry>,
    /// Up to which number they were dropped.
    pub(super) trimmed: u64,
}

impl Log {
    /// Returns the entries after a number that are still there.
    pub(super) fn after(&self, number: u64) -> &[Entry] {
        let from = number.max(self.trimmed);
        let start = self.entries.partition_point(|entry| entry.number <= from);
        self.entries.get(start..).unwrap_or_default()
    }

    /// Returns an entry, which may have been dropped.
    pub(super) fn entry(&self, number: u64) -> Option<&Entry> {
        let found = self.entries.binary_search_by_key(&number, |entry| entry.number);
        found.ok().and_then(|index| self.entries.get(index))
    }
}

/// All items as they must be.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) rows: BTreeMap<Key, Row>,
    /// The logs of items that have one.
    pub(super) logs: BTreeMap<Key, Log>,
    /// The highest token that was given out for each root, also of those that are gone.
    tokens: BTreeMap<Key, u64>,
}

/// Why a batch must not have been accepted.
#[derive(Debug)]
pub(super) enum Wrong {
    /// Its lease is not the latest, or has ended.
    Fenced(String),
    /// Something was not as it expects.
    Stale(Key),
    /// Another item has the unique key.
    Taken(UniqueKey),
}

impl Model {
    /// Returns when the next root that this version of the engine knows is due, or its lease ends.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.rows
            .values()
            .filter(|row| !matches!(row.content, Content::Newer))
            .filter_map(Row::wanted_at)
            .min()
    }

    pub(super) fn domains(&self) -> impl Iterator<Item = (&Row, &Domain)> {
        self.rows.values().filter_map(|row| Some((row, row.content.domain()?)))
    }

    /// Returns why a batch must be refused, if it must.
    pub(super) fn judge(&self, batch: &Batch, now: Timestamp) -> Option<Wrong> {
        if let Some((lease, _)) = &batch.lease {
            let highest = self.tokens.get(&lease.key).copied().unwrap_or_default();
            if lease.token < highest {
                let message = format!(
                    "{} was written with token {}, and {highest} was given out",
                    lease.key, lease.token
                );
                return Some(Wrong::Fenced(message));
            }
            let held = self.rows.get(&lease.key).and_then(|row| row.leased_until);
            if held.is_none_or(|until| until <= now) {
                let message = format!("{} was written under a lease that has ended", lease.key);
                return Some(Wrong::Fenced(message));
            }
        }
        let mut moved = Vec::new();
        for write in &batch.writes {
            let (Write::Put { key, expect, .. } | Write::Delete { key, expect }) = write else {
                continue;
            };
            moved.push(key);
            let found = self.rows.get(key).map(|row| row.item.revision);
            let wanted = match expect {
                Expect::Absent => None,
                Expect::Revision(revision) => Some(*revision),
            };
            if found != wanted {
                return Some(Wrong::Stale(key.clone()));
            }
        }
        for write in &batch.writes {
            let Write::Put { key, header, .. } = write else { continue };
            for unique in &header.unique {
                let other = self.rows.iter().find(|(other, row)| {
                    *other != key
                        && !moved.contains(other)
                        && row.item.header.unique.contains(unique)
                });
                let is_taken_beside = batch.writes.iter().any(|write| match write {
                    Write::Put { key: other, header, .. } => {
                        other != key && header.unique.contains(unique)
                    }
                    _ => false,
                });
                if other.is_some() || is_taken_beside {
                    return Some(Wrong::Taken(unique.clone()));
                }
            }
        }
        None
    }

    /// Takes over what a batch changes, and returns what its items were before.
    pub(super) fn apply(&mut self, batch: &Batch, now: Timestamp) -> Vec<(Key, Option<Row>)> {
        let mut before = Vec::new();
        for write in &batch.writes {
            match write {
                Write::Put { key, header, body, .. } => {
                    let old = self.rows.get(key).cloned();
                    let counter = old.as_ref().map_or(0, |row| row.item.revision.counter);
                    let revision = Revision::new(counter.saturating_add(1), batch.operation);
                    let item = Item::new(key.clone(), revision, header.clone(), body.clone());
                    // What a body says depends on its header.
                    let same = old
                        .as_ref()
                        .filter(|row| row.item.body == *body && row.item.header == *header);
                    let content =
                        same.map_or_else(|| Content::read(&item), |row| row.content.clone());
                    let row = match &old {
                        Some(old) => Row { item, content, ..old.clone() },
                        None => Row { item, content, token: 0, leased_until: None, woken: None },
                    };
                    self.rows.insert(key.clone(), row);
                    before.push((key.clone(), old));
                }
                Write::Delete { key, .. } => {
                    self.logs.remove(key);
                    before.push((key.clone(), self.rows.remove(key)));
                }
                Write::Wake { .. } => {}
            }
        }
        let mut indexes: BTreeMap<&Key, u16> = BTreeMap::new();
        for entry in &batch.log {
            let Some(row) = self.rows.get(&entry.of) else { continue };
            let index = indexes.entry(&entry.of).or_default();
            let number = Entry::number(row.item.revision.counter, *index);
            *index = index.saturating_add(1);
            let entry = Entry::new(number, now, entry.body.clone());
            let log = self.logs.entry(row.item.key.clone()).or_default();
            log.entries.push(entry);
        }
        for write in &batch.writes {
            if let Write::Wake { key } = write
                && let Some(row) = self.rows.get_mut(key)
            {
                row.woken = Some(row.woken.map_or(now, |at| at.min(now)));
            }
        }
        if let Some((lease, Then::Release)) = &batch.lease
            && let Some(row) = self.rows.get_mut(&lease.key)
        {
            row.leased_until = None;
        }
        before
    }

    /// Takes note of leases. Returns what is wrong with them.
    pub(super) fn leased(
        &mut self,
        wanted: &LeaseRequest,
        leases: &[(Lease, Item)],
        now: Timestamp,
    ) -> Option<String> {
        for (lease, item) in leases {
            let Some(row) = self.rows.get_mut(&lease.key) else {
                return Some(format!("{} is leased and not there", lease.key));
            };
            if row.item != *item {
                return Some(format!("{} is not as it was committed", lease.key));
            }
            if row.wanted_at().is_none_or(|at| at > now) {
                return Some(format!("{} is leased and not due", lease.key));
            }
            if lease.token <= row.token {
                return Some(format!("the token of {} does not rise", lease.key));
            }
            if lease.until != after(now, wanted.duration) {
                return Some(format!("the lease of {} does not end when it should", lease.key));
            }
            row.token = lease.token;
            row.leased_until = Some(lease.until);
            row.woken = None;
            self.tokens.insert(lease.key.clone(), lease.token);
        }
        let limit = usize::try_from(wanted.limit).unwrap_or(usize::MAX);
        if leases.len() < limit {
            let forgotten = self.rows.iter().find(|(key, row)| {
                wanted.kinds.contains(&key.kind)
                    && wanted.only.as_ref().is_none_or(|only| only == *key)
                    && row.wanted_at().is_some_and(|at| at <= now)
            });
            if let Some((key, _)) = forgotten {
                return Some(format!("{key} is due, and nobody may lease it"));
            }
        }
        None
    }

    /// Takes note of prolonged leases. Returns what is wrong with them.
    pub(super) fn extended(
        &mut self,
        leases: &[Lease],
        by: Duration,
        extended: &[Option<Lease>],
        now: Timestamp,
    ) -> Option<String> {
        for (lease, extended) in leases.iter().zip(extended) {
            let row = self.rows.get_mut(&lease.key);
            let held = row.filter(|row| {
                row.token == lease.token && row.leased_until.is_some_and(|until| now < until)
            });
            match (held, extended) {
                (Some(row), Some(extended)) if extended.until == after(now, by) => {
                    row.leased_until = Some(extended.until);
                }
                (None, None) => {}
                _ => return Some(format!("the lease of {} is prolonged wrongly", lease.key)),
            }
        }
        None
    }

    /// Puts everything back to how it was: nothing is leased, and whatever was leased or woken is woken.
    pub(super) fn put_back(
        &mut self,
        rows: BTreeMap<Key, Row>,
        logs: BTreeMap<Key, Log>,
        now: Timestamp,
    ) -> Vec<Key> {
        self.rows = rows;
        self.logs = logs;
        // Another store counts for itself.
        self.tokens.clear();
        let mut woken = Vec::new();
        for (key, row) in &mut self.rows {
            row.token = 0;
            row.woken = row.leased_until.take().or(row.woken).map(|_| now);
            if row.woken.is_some() {
                woken.push(key.clone());
            }
        }
        woken
    }

    /// Returns how many log entries an item must have.
    pub(super) fn entries(&self, key: &Key) -> u64 {
        let left = self.logs.get(key).map_or(0, |log| log.after(0).len());
        u64::try_from(left).unwrap_or(u64::MAX)
    }

    /// Takes note of entries that are dropped.
    pub(super) fn trim(&mut self, key: &Key, through: u64) {
        if let Some(log) = self.logs.get_mut(key) {
            log.trimmed = log.trimmed.max(through);
        }
    }
}
