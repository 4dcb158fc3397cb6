//! A store that gives way to another one while it is used.

mod relocation;

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    Batch, Commit, Entry, Item, Key, Lease, LeaseRequest, Leased, Page, Query, Store, Then,
    UniqueKey, Write,
};
use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
};

pub use relocation::{Copied, Relocated, Relocation};

/// After what time a write that came during the pause is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// A store behind which another one can take its place, while everyone goes on using it.
///
/// Clones share what is behind them. It passes every call on, and is held to the contract of
/// [`Store`] like any other. What it costs is a lock and a note for each lease.
///
/// To move a platform, for example from SQLite to PostgreSQL, give its [`Onboarding`] a switch from
/// the start, or from the restart before the move, and see [`Switch::relocate`].
///
/// [`Onboarding`]: crate::engine::Onboarding
///
/// # Leases
///
/// A lease counts only in the store that gave it: a commit under one from before the change is
/// [`Commit::Fenced`], however the tokens of the new store go on. What the holder had begun is found
/// as it is after a crash.
#[derive(Clone)]
pub struct Switch {
    state: Arc<Mutex<State>>,
}

struct State {
    store: Arc<dyn Store>,
    phase: Phase,
    /// The writes that are under way, by their numbers.
    writing: BTreeSet<u64>,
    /// The number of the next write.
    next: u64,
    /// Who waits until some of them are over.
    waiting: Vec<Waker>,
    /// The leases that the present store gave.
    given: HashMap<Key, Given>,
    /// What was written since a relocation began; `None` if none is under way.
    written: Option<Written>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Open,
    /// No leases are given any more.
    Draining,
    /// Nothing is written any more.
    Paused,
}

/// The latest lease of a root.
struct Given {
    token: u64,
    /// Its ends: the first, and one for each time that it was extended.
    until: Vec<Timestamp>,
}

/// What a relocation has to look at again.
#[derive(Debug, Default)]
struct Written {
    /// What was written since all was compared, or looked at again.
    keys: BTreeSet<Key>,
    /// What was written before that.
    before: BTreeSet<Key>,
    /// What may be written still, by a call that was given up.
    doubtful: BTreeSet<Key>,
    woken: BTreeSet<Key>,
}

impl Switch {
    /// Puts a switch before a store.
    pub fn new(store: impl Store) -> Self {
        let state = State {
            store: Arc::new(store),
            phase: Phase::Open,
            writing: BTreeSet::new(),
            next: 0,
            waiting: Vec::new(),
            given: HashMap::new(),
            written: None,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Starts a move to another store, which must be empty, or hold what an interrupted move to it left:
    /// [`Relocation::copy`] refuses any other. Give an empty one too if the interrupted move was so long
    /// ago that what was left of a removed domain has been deleted since.
    ///
    /// Everything that writes to the old store has to do so through this switch: with SQLite, stop
    /// the other processes that have the file open first. Reads are answered throughout. Nothing is
    /// moved yet, see [`Relocation::copy`].
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use nameplate::{Result, store::{Store, Switch}};
    /// # async fn example(old: Arc<dyn Store>, new: Arc<dyn Store>) -> Result<()> {
    /// let switch = Switch::new(old);
    /// // The platform works on `switch.clone()`. Then, one day:
    /// let mut relocation = switch.relocate(new)?;
    /// relocation.copy().await?;
    /// let report = relocation.complete().await?;
    /// println!("moved {} items and {} entries", report.items, report.entries);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `Conflict` if a move is under way already.
    pub fn relocate(&self, to: impl Store) -> Result<Relocation> {
        let mut state = self.state();
        if state.written.is_some() {
            let message = "a move to another store is under way already";
            return Err(Error::new(ErrorKind::Conflict, "switch", "relocate", message));
        }
        state.written = Some(Written::default());
        drop(state);
        Ok(Relocation::new(self.clone(), Arc::new(to)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store(&self) -> Arc<dyn Store> {
        self.state().store.clone()
    }

    /// Announces a write; `Unavailable` during the pause.
    fn writing(
        &self,
        operation: &'static str,
        note: impl FnOnce(&mut Written) -> Vec<Key>,
    ) -> Result<Writing> {
        let mut state = self.state();
        if state.phase == Phase::Paused {
            let message = "the platform is being moved to another store: this takes a moment";
            return Err(Error::new(ErrorKind::Unavailable, "switch", operation, message)
                .with_retry_after(PAUSE));
        }
        let keys = state.written.as_mut().map(note).unwrap_or_default();
        let number = state.next;
        state.next = number.wrapping_add(1);
        state.writing.insert(number);
        let store = state.store.clone();
        drop(state);
        Ok(Writing { switch: self.clone(), store, number, keys })
    }

    /// Waits until no write is under way that began before this.
    async fn settled(&self) {
        let next = self.state().next;
        poll_fn(|context| {
            let mut state = self.state();
            if state.writing.first().is_none_or(|first| *first >= next) {
                return Poll::Ready(());
            }
            state.waiting.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl State {
    /// Notes the leases that were given, and forgets those that have ended.
    fn note(&mut self, leased: &Leased) {
        self.given.retain(|_, given| given.until.iter().any(|until| *until > leased.now));
        for (lease, _) in &leased.leases {
            let given = Given { token: lease.token, until: vec![lease.until] };
            self.given.insert(lease.key.clone(), given);
        }
    }

    /// Whether the present store gave this lease: two stores give no two with the same token and end,
    /// to the microsecond.
    fn gave(&self, lease: &Lease) -> bool {
        self.given
            .get(&lease.key)
            .is_some_and(|given| given.token == lease.token && given.until.contains(&lease.until))
    }
}

/// A write that is under way.
struct Writing {
    switch: Switch,
    store: Arc<dyn Store>,
    number: u64,
    /// What it writes, if that matters and it was not answered yet.
    keys: Vec<Key>,
}

impl Writing {
    /// Takes note of the answer. What has failed may happen later all the same.
    fn answered<T>(&mut self, done: &Result<T>) {
        if done.is_ok() {
            self.keys.clear();
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let mut state = self.switch.state();
        if let Some(written) = &mut state.written {
            written.doubtful.extend(std::mem::take(&mut self.keys));
        }
        state.writing.remove(&self.number);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl fmt::Debug for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Switch")
            .field("store", &state.store)
            .field("phase", &state.phase)
            .finish_non_exhaustive()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Store for Switch {
    async fn now(&self) -> Result<Timestamp> {
        self.store().now().await
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>> {
        self.store().get(keys).await
    }

    async fn find(&self, unique: &[UniqueKey]) -> Result<Vec<Option<Item>>> {
        self.store().find(unique).await
    }

    async fn list(&self, query: &Query) -> Result<Page> {
        self.store().list(query).await
    }

    async fn commit(&self, batch: Batch) -> Result<Commit> {
        let mut writing = self.writing("commit", |written| written.batch(&batch))?;
        let Some((lease, then)) = &batch.lease else {
            let done = writing.store.commit(batch).await;
            writing.answered(&done);
            return done;
        };
        let released = matches!(then, Then::Release).then(|| lease.clone());
        if !self.state().gave(lease) {
            // Its own types are judged before leases are.
            batch.check("switch")?;
            return Ok(Commit::Fenced);
        }
        let done = writing.store.commit(batch).await;
        writing.answered(&done);
        let done = done?;
        if let (Some(lease), Commit::Done) = (released, &done) {
            let mut state = self.state();
            if state.gave(&lease) {
                state.given.remove(&lease.key);
            }
        }
        Ok(done)
    }

    async fn lease(&self, wanted: &LeaseRequest) -> Result<Leased> {
        let phase = self.state().phase;
        if phase != Phase::Open {
            return Ok(Leased::new(self.store().now().await?, Vec::new()));
        }
        let writing = self.writing("lease", |_| Vec::new())?;
        let leased = writing.store.lease(wanted).await?;
        self.state().note(&leased);
        Ok(leased)
    }

    async fn extend(&self, leases: &[Lease], by: Duration) -> Result<Vec<Option<Lease>>> {
        let writing = self.writing("extend", |_| Vec::new())?;
        let given: Vec<bool> = {
            let state = self.state();
            leases.iter().map(|lease| state.gave(lease)).collect()
        };
        let pairs = || leases.iter().zip(&given);
        let ours: Vec<Lease> =
            pairs().filter(|(_, given)| **given).map(|(lease, _)| lease.clone()).collect();
        let mut extended = writing.store.extend(&ours, by).await?.into_iter();
        let mut state = self.state();
        let answers = pairs().map(|(_, given)| {
            let lease = if *given { extended.next().flatten() } else { None }?;
            if let Some(given) = state.given.get_mut(&lease.key)
                && given.token == lease.token
                && !given.until.contains(&lease.until)
            {
                given.until.push(lease.until);
            }
            Some(lease)
        });
        Ok(answers.collect())
    }

    async fn entries(&self, of: &Key, after: u64, limit: u32) -> Result<Vec<Entry>> {
        self.store().entries(of, after, limit).await
    }

    async fn trim(&self, of: &Key, through: u64) -> Result<()> {
        let mut writing = self.writing("trim", |written| written.key(of))?;
        let done = writing.store.trim(of, through).await;
        writing.answered(&done);
        done
    }

    async fn restore(&self, item: &Item, log: &[Entry]) -> Result<Commit> {
        let mut writing = self.writing("restore", |written| written.key(&item.key))?;
        let done = writing.store.restore(item, log).await;
        writing.answered(&done);
        done
    }
}

impl Written {
    /// Notes what a batch writes, and returns it.
    fn batch(&mut self, batch: &Batch) -> Vec<Key> {
        let mut keys = Vec::new();
        for write in &batch.writes {
            match write {
                Write::Put { key, .. } | Write::Delete { key, .. } => keys.extend(self.key(key)),
                Write::Wake { key } => {
                    self.woken.insert(key.clone());
                }
            }
        }
        keys
    }

    /// Notes that an item or its log is written, and returns its key.
    fn key(&mut self, key: &Key) -> Vec<Key> {
        self.keys.insert(key.clone());
        vec![key.clone()]
    }

    /// Begins to note anew what is written, and returns what was.
    fn turn(&mut self) -> BTreeSet<Key> {
        let keys = std::mem::take(&mut self.keys);
        self.before.extend(keys.iter().cloned());
        keys
    }

    /// Whether an item was written since the relocation began.
    fn has(&self, key: &Key) -> bool {
        [&self.keys, &self.before, &self.doubtful].iter().any(|keys| keys.contains(key))
    }
}
