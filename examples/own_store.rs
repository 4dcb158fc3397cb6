//! A store of one's own in one file: all ten methods on the embedded key-value store redb.
//!
//! ```sh
//! cargo run --example own_store                         # leads a domain through its whole life on it
//! cargo test --test own_store                           # holds it to the contract of `Store`
//! ```
//!
//! What it takes to write one is told in `src/conformance/README.md`; the numbers in the comments here
//! are those of its list.
//!
//! redb gives what the contract is made of: one writer at a time, transactions that are there as a
//! whole or not at all, and a commit that returns when the data is on the disk. One process may have
//! the file open; another one is refused. A row that was damaged on the disk is `Malformed` for whoever
//! comes by it, a lease or a list included: a store for production passes over it and says so, as
//! point 12 of the list asks.

#[path = "common/life.rs"]
pub mod life;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Bound,
    path::Path,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use nameplate::{
    clock::{Clock, Timestamp, after},
    error::{Error, ErrorKind, Result},
    store::{
        Batch, Commit, Entry, Expect, Filter, Item, Key, Kind, Lease, LeaseRequest, Leased, Page,
        Query, Revision, Store, Then, UniqueKey, Write,
    },
};
use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition,
    WriteTransaction,
};
use serde::{Deserialize, Serialize};

/// By kind and id: the item, and who works on it, as JSON.
const ITEMS: TableDefinition<'_, (&str, &str), &str> = TableDefinition::new("items");
/// By unique key: kind and id of the item that carries it.
const UNIQUE: TableDefinition<'_, &str, (&str, &str)> = TableDefinition::new("unique");
/// Kind, microseconds at which a lease may be given, id.
const DUE: TableDefinition<'_, (&str, i64, &str), ()> = TableDefinition::new("due");
/// Kind, what can be asked for, id: in the order in which pages are read.
const FACETS: TableDefinition<'_, (&str, &str, &str), ()> = TableDefinition::new("facets");
/// By kind, id and number: microseconds and text.
const LOG: TableDefinition<'_, (&str, &str, u64), (i64, &str)> = TableDefinition::new("log");
/// The last fencing token. One count for all roots: their tokens rise over a deletion too (5).
const TOKEN: TableDefinition<'_, (), u64> = TableDefinition::new("token");

/// A store in a file.
#[derive(Clone)]
pub struct OwnStore {
    database: Arc<Database>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for OwnStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnStore").field("clock", &self.clock).finish_non_exhaustive()
    }
}

/// An item as it is stored. Instants are microseconds, which is what the contract asks for (9).
#[derive(Clone, Deserialize, Serialize)]
struct Row {
    item: Item,
    token: u64,
    leased_until: Option<i64>,
    /// The earliest wake since the last lease. Beside the header, so that no put undoes it (7).
    woken: Option<i64>,
}

impl Row {
    /// Returns when the next lease may be given. An expired lease is simply due: there is no job
    /// that collects them (4).
    fn wanted_at(&self) -> Option<i64> {
        let due = self.item.header.due.map(|due| due.timestamp_micros());
        self.leased_until.or_else(|| due.into_iter().chain(self.woken).min())
    }

    fn holds(&self, lease: &Lease, now: Timestamp) -> bool {
        // The token as well: who was superseded is fenced though somebody holds the root (5).
        self.token == lease.token && self.leased_until > Some(now.timestamp_micros())
    }

    fn facets(&self) -> impl Iterator<Item = String> {
        let header = &self.item.header;
        let tenant = header.tenant.map(|tenant| format!("tenant {tenant}"));
        let name = header.name.as_ref().map(|name| format!("name {name}"));
        let status = header.status.as_ref().map(|status| format!("status {status}"));
        tenant.into_iter().chain(name).chain(status)
    }
}

/// What becomes of the rows that a call touches: as they are, and as they are to be.
type Changes = BTreeMap<Key, (Option<Row>, Option<Row>)>;

/// Everything that can go wrong inside a transaction is redb's error.
type Inner<T> = Result<T, redb::Error>;

impl OwnStore {
    /// Opens or creates the file.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the file cannot be opened or written.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        let failed = |error: redb::Error| {
            let message = format!("{} cannot be opened", path.display());
            Error::new(ErrorKind::Unavailable, "own store", "open", message).with_source(error)
        };
        let database = Database::create(path).map_err(|error| failed(error.into()))?;
        let store = Self { database: Arc::new(database), clock };
        // Reading a table that was never written is an error, so that all are made here.
        store.create().map_err(failed)?;
        Ok(store)
    }

    fn create(&self) -> Inner<()> {
        let transaction = self.database.begin_write()?;
        Tables::open(&transaction)?;
        Ok(transaction.commit()?)
    }

    /// Reads from one snapshot, whatever is written meanwhile (13).
    async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&ReadTransaction) -> Inner<T> + Send + 'static,
    ) -> Result<T> {
        let database = self.database.clone();
        let read = move || work(&database.begin_read()?);
        blocking(operation, move || read().map_err(|error| failed(operation, error))).await
    }

    /// Writes in one transaction. All that is written goes through here. redb has one writer at a
    /// time, so that what a call has read is still so when it writes: checks and changes are one step
    /// (13). A call that writes nothing waits for no disk: workers ask each second, though nothing is due.
    async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut Tables<'_>, Timestamp) -> Inner<(T, Changes)> + Send + 'static,
    ) -> Result<T> {
        let Self { database, clock } = self.clone();
        let change = move |transaction: &WriteTransaction| {
            // The time is taken when it is our turn: a lease that ran out while we waited is over.
            let now = cut(clock.now());
            let mut tables = Tables::open(transaction)?;
            let (value, changes) = work(&mut tables, now)?;
            tables.apply(&changes)?;
            Ok((value, tables.is_written))
        };
        blocking(operation, move || {
            // Up to here nothing has happened: a transaction that is dropped is undone (1).
            let transaction =
                database.begin_write().map_err(|error| failed(operation, error.into()))?;
            let (value, is_written) =
                change(&transaction).map_err(|error| failed(operation, error))?;
            if !is_written {
                return Ok(value);
            }
            // From here on it may have. The engine reads the revision to find out (3).
            transaction.commit().map_err(|error| {
                let message = "the disk did not confirm the transaction";
                Error::new(ErrorKind::Unknown, "own store", operation, message).with_source(error)
            })?;
            Ok(value)
        })
        .await
    }
}

/// Runs what blocks on a thread of its own. Who drops the future does not stop it half-way (14).
async fn blocking<T: Send + 'static>(
    operation: &'static str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|lost| {
        let message = "the thread that did it is gone";
        Err(Error::new(ErrorKind::Unknown, "own store", operation, message).with_source(lost))
    })
}

fn failed(operation: &'static str, error: redb::Error) -> Error {
    let (kind, message) = match error {
        redb::Error::Corrupted(_) => (ErrorKind::Malformed, "stored data cannot be read"),
        _ => (ErrorKind::Unavailable, "the database failed, and nothing was changed"),
    };
    Error::new(kind, "own store", operation, message).with_source(error)
}

/// Cuts an instant to what is stored, so that it compares alike before and after.
fn cut(at: Timestamp) -> Timestamp {
    Timestamp::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at)
}

fn instant(micros: i64) -> Inner<Timestamp> {
    Timestamp::from_timestamp_micros(micros)
        .ok_or_else(|| redb::Error::Corrupted(format!("{micros} is no instant")))
}

fn load(
    items: &impl ReadableTable<(&'static str, &'static str), &'static str>,
    key: &Key,
) -> Inner<Option<Row>> {
    let Some(text) = items.get((key.kind.as_str(), key.id.as_str()))? else { return Ok(None) };
    // The body is text within this text: whatever it says, it is not looked into (10).
    serde_json::from_str(text.value())
        .map(Some)
        .map_err(|error| redb::Error::Corrupted(format!("{key}: {error}")))
}

fn stored_key((kind, id): (&str, &str)) -> Inner<Key> {
    let kind: Kind =
        kind.parse().map_err(|error: Error| redb::Error::Corrupted(error.to_string()))?;
    Ok(Key::new(kind, id))
}

/// The tables, open for writing.
struct Tables<'a> {
    items: Table<'a, (&'static str, &'static str), &'static str>,
    unique: Table<'a, &'static str, (&'static str, &'static str)>,
    due: Table<'a, (&'static str, i64, &'static str), ()>,
    facets: Table<'a, (&'static str, &'static str, &'static str), ()>,
    log: Table<'a, (&'static str, &'static str, u64), (i64, &'static str)>,
    token: Table<'a, (), u64>,
    /// Whether anything was written: an idle poll and a refused batch have nothing to flush.
    is_written: bool,
}

impl<'a> Tables<'a> {
    fn open(transaction: &'a WriteTransaction) -> Inner<Self> {
        Ok(Self {
            items: transaction.open_table(ITEMS)?,
            unique: transaction.open_table(UNIQUE)?,
            due: transaction.open_table(DUE)?,
            facets: transaction.open_table(FACETS)?,
            log: transaction.open_table(LOG)?,
            token: transaction.open_table(TOKEN)?,
            is_written: false,
        })
    }

    /// Stores rows, and whatever is derived from them: here and nowhere else, so that no index can
    /// say something else than its row.
    ///
    /// What was derived before goes first, for all of them, so that one batch can move a unique key
    /// from one item to another or swap two (6).
    fn apply(&mut self, changes: &Changes) -> Inner<()> {
        self.is_written |= !changes.is_empty();
        for (key, (before, after)) in changes {
            let (kind, id) = (key.kind.as_str(), key.id.as_str());
            let Some(row) = before else { continue };
            for unique in &row.item.header.unique {
                self.unique.remove(unique.as_str())?;
            }
            for facet in row.facets() {
                self.facets.remove((kind, facet.as_str(), id))?;
            }
            if let Some(at) = row.wanted_at() {
                self.due.remove((kind, at, id))?;
            }
            if after.is_none() {
                self.items.remove((kind, id))?;
                self.log.retain_in((kind, id, 0)..=(kind, id, u64::MAX), |_, _| false)?;
            }
        }
        for (key, (_, after)) in changes {
            let (kind, id) = (key.kind.as_str(), key.id.as_str());
            let Some(row) = after else { continue };
            for unique in &row.item.header.unique {
                self.unique.insert(unique.as_str(), (kind, id))?;
            }
            for facet in row.facets() {
                self.facets.insert((kind, facet.as_str(), id), ())?;
            }
            if let Some(at) = row.wanted_at() {
                self.due.insert((kind, at, id), ())?;
            }
            let text = serde_json::to_string(row)
                .map_err(|error| redb::Error::Corrupted(error.to_string()))?;
            self.items.insert((kind, id), text.as_str())?;
        }
        Ok(())
    }

    fn commit(&mut self, batch: Batch, now: Timestamp) -> Inner<(Commit, Changes)> {
        let refused = |commit| Ok((commit, Changes::new()));
        let mut changes = Changes::new();
        let written = batch.writes.iter().filter_map(|write| match write {
            Write::Put { key, .. } | Write::Delete { key, .. } | Write::Wake { key } => Some(key),
            _ => None,
        });
        for key in written.chain(batch.lease.iter().map(|(lease, _)| &lease.key)) {
            let row = load(&self.items, key)?;
            changes.insert(key.clone(), (row.clone(), row));
        }

        // The fence first: who is too late learns that, and not what else is wrong (5).
        if let Some((lease, _)) = &batch.lease {
            let row = changes.get(&lease.key).and_then(|(row, _)| row.as_ref());
            if !row.is_some_and(|row| row.holds(lease, now)) {
                return refused(Commit::Fenced);
            }
        }
        let (stale, taken) = (Self::stale(&batch, &changes), self.taken(&batch)?);
        if !stale.is_empty() {
            return refused(Commit::Stale(stale));
        }
        if !taken.is_empty() {
            return refused(Commit::Taken(taken));
        }

        for write in &batch.writes {
            match write {
                Write::Put { key, header, body, .. } => {
                    let Some((_, row)) = changes.get_mut(key) else { continue };
                    let counter = row.as_ref().map_or(0, |row| row.item.revision.counter);
                    // The operation is part of the revision: it resolves a commit whose answer was
                    // lost, and tells this item from one that was deleted and made again (2, 3).
                    let revision = Revision::new(counter.saturating_add(1), batch.operation);
                    let item = Item::new(key.clone(), revision, header.clone(), body.clone());
                    // Token, lease and wake are the row's, not the item's: a put by somebody without
                    // the lease leaves them as they are (7).
                    *row = Some(match row.take() {
                        Some(row) => Row { item, ..row },
                        None => Row { item, token: 0, leased_until: None, woken: None },
                    });
                }
                Write::Delete { key, .. } => {
                    if let Some((_, row)) = changes.get_mut(key) {
                        *row = None;
                    }
                }
                _ => {}
            }
        }
        // After the puts, so that a batch can wake what it creates. The earliest wake counts: who is
        // woken again and again keeps its place in the queue, and one from before the clock was set
        // back holds up nobody (7).
        for write in &batch.writes {
            if let Write::Wake { key } = write
                && let Some((_, Some(row))) = changes.get_mut(key)
            {
                let now = now.timestamp_micros();
                row.woken = Some(row.woken.map_or(now, |before| before.min(now)));
            }
        }
        if let Some((lease, Then::Release)) = &batch.lease
            && let Some((_, Some(row))) = changes.get_mut(&lease.key)
        {
            row.leased_until = None;
        }

        let mut indexes: BTreeMap<&Key, u16> = BTreeMap::new();
        for entry in &batch.log {
            let Some((_, Some(row))) = changes.get(&entry.of) else { continue };
            let index = indexes.entry(&entry.of).or_default();
            // By revision and index, so that there is no sequence to contend for (8).
            let number = Entry::number(row.item.revision.counter, *index);
            let key = (entry.of.kind.as_str(), entry.of.id.as_str(), number);
            self.log.insert(key, (now.timestamp_micros(), entry.body.as_str()))?;
            *index = index.saturating_add(1);
        }
        Ok((Commit::Done, changes))
    }

    /// Puts an item that is not there, and gives it the revision and the log that it had (15).
    fn restore(&mut self, item: &Item, log: &[Entry], now: Timestamp) -> Inner<(Commit, Changes)> {
        let (done, mut changes) = self.commit(item.restoring(), now)?;
        if let Some((_, Some(row))) = changes.get_mut(&item.key) {
            row.item.revision = item.revision;
            for entry in log {
                let key = (item.key.kind.as_str(), item.key.id.as_str(), entry.number);
                self.log.insert(key, (entry.at.timestamp_micros(), entry.body.as_str()))?;
            }
        }
        Ok((done, changes))
    }

    fn stale(batch: &Batch, changes: &Changes) -> Vec<Key> {
        let mut stale = Vec::new();
        for write in &batch.writes {
            let (Write::Put { key, expect, .. } | Write::Delete { key, expect }) = write else {
                continue;
            };
            let found = changes.get(key).and_then(|(row, _)| row.as_ref());
            let is_as_expected = match expect {
                Expect::Revision(revision) => {
                    found.is_some_and(|row| row.item.revision == *revision)
                }
                _ => found.is_none(),
            };
            if !is_as_expected {
                stale.push(key.clone());
            }
        }
        stale
    }

    fn taken(&self, batch: &Batch) -> Inner<Vec<UniqueKey>> {
        let written = |key: &Key| {
            batch.writes.iter().any(|write| {
                matches!(write, Write::Put { key: own, .. } | Write::Delete { key: own, .. } if own == key)
            })
        };
        let (mut wanted, mut taken) = (BTreeSet::new(), Vec::new());
        for write in &batch.writes {
            let Write::Put { header, .. } = write else { continue };
            for unique in &header.unique {
                let holder = self.unique.get(unique.as_str())?;
                let holder = holder.map(|held| stored_key(held.value())).transpose()?;
                // An item of this batch gives up what it has, or names it among its own again.
                let elsewhere = holder.is_some_and(|holder| !written(&holder));
                if elsewhere || !wanted.insert(unique) {
                    taken.push(unique.clone());
                }
            }
        }
        Ok(taken)
    }

    fn lease(&mut self, wanted: &LeaseRequest, now: Timestamp) -> Inner<(Leased, Changes)> {
        let limit = usize::try_from(wanted.limit.clamp(1, LeaseRequest::MAX_LIMIT)).unwrap_or(1);
        let mut due = Vec::new();
        if let Some(key) = &wanted.only {
            let at = load(&self.items, key)?.and_then(|row| row.wanted_at());
            due.extend(at.map(|at| (at, key.clone())));
            due.retain(|(at, key)| {
                *at <= now.timestamp_micros() && wanted.kinds.contains(&key.kind)
            });
        } else {
            // What is due stands at the front of each kind: nothing else is looked at.
            for kind in wanted.kinds.iter().collect::<BTreeSet<_>>() {
                let end = now.timestamp_micros().saturating_add(1);
                let range = (kind.as_str(), i64::MIN, "")..(kind.as_str(), end, "");
                for entry in self.due.range(range)?.take(limit) {
                    let (entry, _) = entry?;
                    let (_, at, id) = entry.value();
                    due.push((at, Key::new(*kind, id)));
                }
            }
        }
        due.sort();
        due.truncate(limit);

        let until = cut(after(now, wanted.duration));
        let mut token = self.token.get(())?.map_or(0, |last| last.value());
        let (mut leases, mut changes) = (Vec::with_capacity(due.len()), Changes::new());
        for (since, key) in due {
            let Some(row) = load(&self.items, &key)? else { continue };
            // Who gets the lease sees what the wake was about, so it is over with this (7).
            token = token.saturating_add(1);
            let leased_until = Some(until.timestamp_micros());
            let leased = Row { token, leased_until, woken: None, ..row.clone() };
            let since = Timestamp::from_timestamp_micros(since).unwrap_or(now);
            let lease = Lease::new(key.clone(), token, until).with_due_since(since);
            leases.push((lease, row.item.clone()));
            changes.insert(key, (Some(row), Some(leased)));
        }
        if !leases.is_empty() {
            self.token.insert((), token)?;
        }
        Ok((Leased::new(now, leases), changes))
    }

    fn extend(
        &mut self,
        leases: &[Lease],
        by: Duration,
        now: Timestamp,
    ) -> Inner<(Vec<Option<Lease>>, Changes)> {
        let until = cut(after(now, by));
        let (mut extended, mut changes) = (Vec::with_capacity(leases.len()), Changes::new());
        for lease in leases {
            let held = load(&self.items, &lease.key)?.filter(|row| row.holds(lease, now));
            extended.push(held.map(|row| {
                let longer = Row { leased_until: Some(until.timestamp_micros()), ..row.clone() };
                changes.insert(lease.key.clone(), (Some(row), Some(longer)));
                Lease::new(lease.key.clone(), lease.token, until)
            }));
        }
        Ok((extended, changes))
    }
}

#[async_trait]
impl Store for OwnStore {
    async fn now(&self) -> Result<Timestamp> {
        Ok(cut(self.clock.now()))
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>> {
        let keys = keys.to_vec();
        self.read("get", move |transaction| {
            let items = transaction.open_table(ITEMS)?;
            keys.iter().map(|key| Ok(load(&items, key)?.map(|row| row.item))).collect()
        })
        .await
    }

    async fn find(&self, unique: &[UniqueKey]) -> Result<Vec<Option<Item>>> {
        let unique = unique.to_vec();
        self.read("find", move |transaction| {
            let (items, carried) =
                (transaction.open_table(ITEMS)?, transaction.open_table(UNIQUE)?);
            let find = |unique: &UniqueKey| match carried.get(unique.as_str())? {
                Some(key) => Ok(load(&items, &stored_key(key.value())?)?.map(|row| row.item)),
                None => Ok(None),
            };
            unique.iter().map(find).collect()
        })
        .await
    }

    async fn list(&self, query: &Query) -> Result<Page> {
        let query = query.clone();
        self.read("list", move |transaction| list(transaction, &query)).await
    }

    async fn commit(&self, batch: Batch) -> Result<Commit> {
        // The rules of the types are the crate's; only the component's name is ours (11).
        batch.check("own store")?;
        self.write("commit", move |tables, now| tables.commit(batch, now)).await
    }

    async fn lease(&self, wanted: &LeaseRequest) -> Result<Leased> {
        let wanted = wanted.clone();
        self.write("lease", move |tables, now| tables.lease(&wanted, now)).await
    }

    async fn extend(&self, leases: &[Lease], by: Duration) -> Result<Vec<Option<Lease>>> {
        let leases = leases.to_vec();
        self.write("extend", move |tables, now| tables.extend(&leases, by, now)).await
    }

    async fn entries(&self, of: &Key, after: u64, limit: u32) -> Result<Vec<Entry>> {
        let key = of.clone();
        self.read("entries", move |transaction| {
            let log = transaction.open_table(LOG)?;
            let (kind, id) = (key.kind.as_str(), key.id.as_str());
            let after = Bound::Excluded((kind, id, after));
            let entries = log.range((after, Bound::Included((kind, id, u64::MAX))))?;
            let entry = |entry: Result<_, redb::StorageError>| {
                let (key, value): (redb::AccessGuard<'_, (&str, &str, u64)>, _) = entry?;
                let value: redb::AccessGuard<'_, (i64, &str)> = value;
                let ((_, _, number), (at, body)) = (key.value(), value.value());
                Ok(Entry::new(number, instant(at)?, body.to_owned()))
            };
            entries.take(usize::try_from(limit).unwrap_or(usize::MAX)).map(entry).collect()
        })
        .await
    }

    async fn trim(&self, of: &Key, through: u64) -> Result<()> {
        let key = of.clone();
        self.write("trim", move |tables, _| {
            let (kind, id) = (key.kind.as_str(), key.id.as_str());
            let mut is_trimmed = false;
            tables.log.retain_in((kind, id, 0)..=(kind, id, through), |_, _| {
                is_trimmed = true;
                false
            })?;
            tables.is_written |= is_trimmed;
            Ok(((), Changes::new()))
        })
        .await
    }

    async fn restore(&self, item: &Item, log: &[Entry]) -> Result<Commit> {
        item.check_log(log, "own store")?;
        item.restoring().check("own store")?;
        let (item, log) = (item.clone(), log.to_vec());
        self.write("restore", move |tables, now| tables.restore(&item, &log, now)).await
    }
}

/// Reads a page, by rising id: the order of the keys, so that a page goes on where the one before
/// ended whatever came and went meanwhile (12).
fn list(transaction: &ReadTransaction, query: &Query) -> Inner<Page> {
    let (items, facets) = (transaction.open_table(ITEMS)?, transaction.open_table(FACETS)?);
    let limit = usize::try_from(query.limit.clamp(1, Query::MAX_LIMIT)).unwrap_or(1);
    let kind = query.kind.as_str();
    let after = query.after.as_deref().unwrap_or_default();
    let mut found = Vec::new();
    let facet = match &query.filter {
        Filter::Tenant(tenant) => Some(format!("tenant {tenant}")),
        Filter::Name(name) => Some(format!("name {name}")),
        Filter::Status(status) => Some(format!("status {status}")),
        _ => None,
    };
    // One more than asked for says whether there is another page.
    if let Some(facet) = &facet {
        let start = Bound::Excluded((kind, facet.as_str(), after));
        for entry in facets.range((start, Bound::Unbounded))?.take(limit.saturating_add(1)) {
            let (key, _) = entry?;
            let (of, is, id) = key.value();
            if (of, is) != (kind, facet) {
                break;
            }
            found.extend(load(&items, &Key::new(query.kind, id))?.map(|row| row.item));
        }
    } else {
        // All, or by expiry: a platform that asks this often gives it an index of its own.
        let start = Bound::Excluded((kind, after));
        for entry in items.range((start, Bound::Unbounded))? {
            let (key, _) = entry?;
            let (of, id) = key.value();
            if of != kind || found.len() > limit {
                break;
            }
            let item = load(&items, &Key::new(query.kind, id))?.map(|row| row.item);
            found.extend(item.filter(|item| match &query.filter {
                Filter::All => true,
                Filter::ExpiresBy(at) => item.header.expires.is_some_and(|expires| expires <= *at),
                _ => false,
            }));
        }
    }
    let more = found.len() > limit;
    found.truncate(limit);
    let next = if more { found.last().map(|item| item.key.id.clone()) } else { None };
    Ok(Page::new(found, next))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), life::Failure> {
    let path = std::env::temp_dir().join(format!("own-store-{}.redb", std::process::id()));
    let ended = life::lead(|clock| OwnStore::open(&path, Arc::new(clock))).await;
    let _ = std::fs::remove_file(&path);
    ended
}
