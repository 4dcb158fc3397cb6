//! A store under watch: what it accepts and gives back is held against the promises at once.

use std::{
    collections::BTreeMap,
    fmt,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    check,
    core::Core,
    coverage::Occurrence,
    invariant::{Breach, Invariant},
    model::{Log, Model, Row, Wrong},
    truth::Then,
    vault::Vault,
};
use crate::{
    clock::{Clock, Timestamp},
    error::{ErrorKind, Result},
    id::OperationId,
    name::{DnsName, DomainName},
    store::{
        Batch, Commit, Entry, Item, Key, Lease, LeaseRequest, Leased, Page, Query, Store,
        UniqueKey, Write,
    },
};

/// A store under watch. Clones watch together.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    make: Make,
    inner: Arc<Mutex<Arc<dyn Store>>>,
    core: Core,
    vault: Vault,
    model: Arc<Mutex<Model>>,
    backup: Arc<Mutex<Option<Backup>>>,
}

/// Makes an empty store.
#[derive(Clone)]
pub(super) struct Make(pub(super) Arc<dyn Fn() -> Arc<dyn Store> + Send + Sync>);

impl fmt::Debug for Make {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Make")
    }
}

/// Everything as it was at some time.
#[derive(Debug)]
struct Backup {
    rows: BTreeMap<Key, Row>,
    /// The logs as they were read.
    logs: BTreeMap<Key, Vec<Entry>>,
    /// The logs as they must be.
    known: BTreeMap<Key, Log>,
    then: Then,
}

impl Watched {
    pub(super) fn new(make: Make, core: Core, vault: Vault) -> Self {
        let inner = Arc::new(Mutex::new((make.0)()));
        Self { make, inner, core, vault, model: Arc::default(), backup: Arc::default() }
    }

    fn inner(&self) -> Arc<dyn Store> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes down everything.
    pub(super) fn back_up(&self, zones: &[DnsName]) {
        let (rows, known) = {
            let model = self.model();
            (model.rows.clone(), model.logs.clone())
        };
        let logs = rows
            .keys()
            .map(|key| Ok((key.clone(), finish(self.inner().entries(key, 0, u32::MAX))?)));
        let logs: Result<_> = logs.collect();
        let then = self.core.with(|state| state.truth.then(zones, state.now));
        let backup = logs.ok().map(|logs| Backup { rows, logs, known, then });
        *self.backup.lock().unwrap_or_else(PoisonError::into_inner) = backup;
    }

    /// Puts another store with what was written down in the place of this one. Says whether it did.
    pub(super) fn put_back(&self, zones: &[DnsName]) -> bool {
        let backup = self.backup.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Backup { rows, logs, known, then }) = backup else { return false };
        let store = (self.make.0)();
        for (key, row) in &rows {
            let log = logs.get(key).map(Vec::as_slice).unwrap_or_default();
            match finish(store.restore(&row.item, log)) {
                Ok(Commit::Done) => {}
                // It cannot do it.
                Err(error) if error.kind() == ErrorKind::Unsupported => return false,
                other => {
                    self.broken(format!("{key} cannot be restored: {other:?}"));
                    return false;
                }
            }
        }
        let woken = self.model().put_back(rows, known, self.core.clock().now());
        let wakes = woken.into_iter().map(|key| Write::Wake { key });
        let batch = wakes.fold(Batch::new(OperationId::from_bytes([0; 16])), Batch::with);
        if let Err(error) = finish(store.commit(batch)) {
            self.broken(format!("what was restored cannot be woken: {error}"));
        }
        *self.inner.lock().unwrap_or_else(PoisonError::into_inner) = store;
        self.core.with(|state| state.truth.put_back(&then, zones));
        true
    }

    /// Returns what the store must hold. Must not be kept over a call to it.
    pub(super) fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn broken(&self, message: String) {
        self.core.breach(Breach::new(Invariant::StoreContract, message));
    }

    /// Tells exports that are under way what is there now.
    fn archive(&self, changed: &[(Key, Option<Row>)]) {
        let model = self.model();
        self.core.with(|state| {
            for archive in state.truth.titles.exports.values_mut() {
                for (key, _) in changed {
                    match model.rows.get(key) {
                        Some(row) => {
                            let operation = row.item.revision.operation;
                            let entries = model.entries(key);
                            archive.may.insert((key.clone(), operation), (entries, entries));
                        }
                        None => drop(archive.must.remove(key)),
                    }
                }
            }
        });
    }

    /// Checks that an item is as it was committed.
    fn compare(&self, found: &Item) {
        let is_same = self.model().rows.get(&found.key).is_some_and(|row| row.item == *found);
        if !is_same {
            self.broken(format!("{} is not as it was committed", found.key));
        }
    }
}

/// Wakes the thread that waits for a backend which works on a thread of its own.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future to its end, while virtual time stands still.
pub(super) fn finish<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Store for Watched {
    async fn now(&self) -> Result<Timestamp> {
        finish(self.inner().now())
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>> {
        let found = finish(self.inner().get(keys))?;
        for (key, found) in keys.iter().zip(&found) {
            match found {
                Some(item) => self.compare(item),
                None if self.model().rows.contains_key(key) => {
                    self.broken(format!("{key} was committed and is not there"));
                }
                None => {}
            }
        }
        Ok(found)
    }

    async fn find(&self, unique: &[UniqueKey]) -> Result<Vec<Option<Item>>> {
        let found = finish(self.inner().find(unique))?;
        for item in found.iter().flatten() {
            self.compare(item);
        }
        for (unique, found) in unique.iter().zip(&found) {
            let model = self.model();
            let holder = model.rows.iter().find(|(_, row)| row.item.header.unique.contains(unique));
            let holder = holder.map(|(key, _)| key.clone());
            drop(model);
            if holder.as_ref() != found.as_ref().map(|item| &item.key) {
                self.broken(format!("{} leads to another item", unique.as_str()));
            }
        }
        Ok(found)
    }

    async fn list(&self, query: &Query) -> Result<Page> {
        let page = finish(self.inner().list(query))?;
        for item in &page.items {
            self.compare(item);
        }
        Ok(page)
    }

    async fn commit(&self, batch: Batch) -> Result<Commit> {
        let wrong = self.model().judge(&batch, self.core.clock().now());
        let copy = batch.clone();
        let now = finish(self.inner().now())?;
        let done = finish(self.inner().commit(batch))?;
        self.core.note(|| match copy.writes.first() {
            Some(_) => format!("commit {} {done:?}", copy.operation),
            None => "an empty commit".to_owned(),
        });
        match (&done, wrong) {
            (Commit::Done, None) => {
                let before = self.model().apply(&copy, now);
                self.archive(&before);
                let breaches = {
                    let model = self.model();
                    let check = check::Committed {
                        model: &model,
                        vault: &self.vault,
                        core: &self.core,
                        batch: &copy,
                        before: &before,
                        now,
                    };
                    check.breaches()
                };
                if let Some(breach) = breaches.into_iter().next() {
                    self.core.breach(breach);
                }
            }
            (Commit::Done, Some(Wrong::Fenced(message))) => {
                self.core.breach(Breach::new(Invariant::Fenced, message));
            }
            (Commit::Done, Some(Wrong::Stale(key))) => {
                let message = format!("{key} was overwritten although it had changed");
                self.core.breach(Breach::new(Invariant::StoreContract, message));
            }
            (Commit::Done, Some(Wrong::Taken(unique))) => {
                let message = format!("two items have {}", unique.as_str());
                self.core.breach(Breach::new(Invariant::OneOwner, message));
            }
            (refused, None) => self.broken(format!("a good batch was refused: {refused:?}")),
            (_, Some(_)) => {}
        }
        Ok(done)
    }

    async fn lease(&self, wanted: &LeaseRequest) -> Result<Leased> {
        let leased = finish(self.inner().lease(wanted))?;
        self.core.note(|| {
            let keys = leased.leases.iter().map(|(lease, _)| format!(" {}", lease.key));
            format!("lease{}", keys.collect::<String>())
        });
        // What the holder of an earlier lease was told, and did not write down, is lost with it.
        let names: Vec<DomainName> = {
            let model = self.model();
            let rows = leased.leases.iter().filter_map(|(lease, _)| model.rows.get(&lease.key));
            rows.filter_map(|row| Some(row.content.domain()?.name().clone())).collect()
        };
        self.core.with(|state| {
            state.truth.hushed.retain(|(name, _), hush| hush.known || !names.contains(name));
        });
        let wrong = self.model().leased(wanted, &leased.leases, leased.now);
        if let Some(wrong) = wrong {
            self.core.breach(Breach::new(Invariant::NothingStuck, wrong));
        }
        Ok(leased)
    }

    async fn extend(&self, leases: &[Lease], by: Duration) -> Result<Vec<Option<Lease>>> {
        let now = finish(self.inner().now())?;
        let extended = finish(self.inner().extend(leases, by))?;
        let wrong = self.model().extended(leases, by, &extended, now);
        if let Some(wrong) = wrong {
            self.broken(wrong);
        }
        Ok(extended)
    }

    async fn entries(&self, of: &Key, after: u64, limit: u32) -> Result<Vec<Entry>> {
        let found = finish(self.inner().entries(of, after, limit))?;
        let is_same = {
            let model = self.model();
            let wanted = model.logs.get(of).map(|log| log.after(after)).unwrap_or_default();
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            wanted.iter().take(limit).eq(&found)
        };
        if !is_same {
            self.broken(format!("the log of {of} after {after} is not as it was committed"));
        }
        Ok(found)
    }

    async fn trim(&self, of: &Key, through: u64) -> Result<()> {
        let wrong = {
            let mut model = self.model();
            let at = self.core.with(|state| state.instant(self.core.clock().now()));
            let wrong = self.core.with(|state| state.truth.outbox.drops(&model, of, through, at));
            model.trim(of, through);
            let left = model.entries(of);
            self.core.with(|state| {
                state.coverage.occurred(Occurrence::Trimmed);
                state.truth.titles.trimmed(of, left);
            });
            wrong
        };
        if let Some(breach) = wrong {
            self.core.breach(breach);
        }
        finish(self.inner().trim(of, through))
    }

    async fn restore(&self, item: &Item, log: &[Entry]) -> Result<Commit> {
        finish(self.inner().restore(item, log))
    }
}
