//! Moving everything from one store to another.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde::Serialize;

use super::{Phase, Switch};
use crate::{
    clock::between,
    error::{Error, ErrorKind, Result},
    id::OperationId,
    store::{
        Batch, Commit, Entry, Expect, Filter, Item, Key, Kind, LeaseRequest, Query, Store, Write,
    },
    together::{Boxed, all},
};

/// How many items are read at a time.
const ITEMS: u32 = 100;

/// How many entries are read at a time.
const ENTRIES: u32 = 1000;

/// How many items are stored side by side.
const SIDE_BY_SIDE: usize = 16;

/// How often an item is stored whose outcome the store cannot tell.
const ATTEMPTS: usize = 5;

/// How long what is due in the old store is set aside, so that all of it is seen.
const ASIDE: Duration = Duration::from_secs(60);

/// What was copied while the platform went on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Copied {
    /// How many items the other store has now.
    pub items: u64,
    /// How many of them were there already: an earlier attempt had copied them.
    pub present: u64,
}

/// What a move has brought to the other store, every item compared with its counterpart.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Relocated {
    /// How many items were the same in both stores before the pause.
    pub items: u64,
    /// How many entries of their logs were.
    pub entries: u64,
    /// How many items were written or removed since they were copied, and looked at again: those that
    /// are left are the same in both stores since then.
    pub again: u64,
    /// How many of them were so during the pause, since they were written after all was compared.
    pub during_pause: u64,
    /// How long nothing was written, by the old store's time.
    pub pause: Duration,
}

/// A move to another store that is under way. See [`Switch::relocate`].
///
/// # Cancellation
///
/// Dropped before [`complete`](Self::complete) has returned, it changes nothing: the old store stays,
/// and writes go on. What was copied stays in the other store, for the next attempt.
#[derive(Debug)]
pub struct Relocation {
    switch: Switch,
    from: Arc<dyn Store>,
    to: Arc<dyn Store>,
    /// What the other store holds was put there by this, or left by an attempt before.
    is_ours: bool,
    copied: bool,
    over: bool,
}

impl Relocation {
    pub(super) fn new(switch: Switch, to: Arc<dyn Store>) -> Self {
        let from = switch.store();
        Self { switch, from, to, is_ours: false, copied: false, over: false }
    }

    /// Copies everything, while the platform goes on.
    ///
    /// Items keep their revisions and their log its numbers, so that what refers to them stays right.
    /// May be called again after an error: what was copied is not copied again.
    ///
    /// # Errors
    ///
    /// `Conflict`, before anything is copied or removed, if the other store is not empty and holds
    /// nothing of this one as it is here, or holds a domain, an account or a registration that this one
    /// does not have, or anything in a later revision: it is another platform's, or in use. `Invalid` if
    /// the move is over. Those of both stores, `Unsupported` from one that cannot list or take over
    /// items.
    pub async fn copy(&mut self) -> Result<Copied> {
        self.not_over("copy")?;
        self.clear().await?;
        self.is_ours = true;
        let mut copied = Copied::default();
        let mut pages = Pages::of(&*self.from);
        while let Some((kind, items)) = pages.next().await? {
            let keys: Vec<Key> = items.iter().map(|item| item.key.clone()).collect();
            let there = self.to.get(&keys).await?;
            let (mut missing, mut present) = (Vec::new(), 0_u64);
            for (item, there) in items.into_iter().zip(there) {
                if there.is_some_and(|there| there.revision == item.revision) {
                    present = present.saturating_add(1);
                } else {
                    missing.push(item);
                }
            }
            let count = u64::try_from(missing.len()).unwrap_or(u64::MAX);
            self.restore_all(missing).await?;
            // Only a wake may have said that there is more to tell.
            if kind == Kind::Feed {
                self.wake(keys).await?;
            }
            copied.present = copied.present.saturating_add(present);
            copied.items = copied.items.saturating_add(present).saturating_add(count);
        }
        self.copied = true;
        Ok(copied)
    }

    /// Stops giving out leases, so that workers come to an end of what they do; returns how many they
    /// still hold: none, with nothing stopped, if the move is over.
    ///
    /// Call it until there are none, or until you do not want to wait any longer, before
    /// [`complete`](Self::complete): work that is cut off is done again as after a crash. It is not
    /// required.
    ///
    /// # Errors
    ///
    /// Those of the old store.
    pub async fn drain(&self) -> Result<usize> {
        if self.over {
            return Ok(0);
        }
        self.switch.state().phase = Phase::Draining;
        let now = self.from.now().await?;
        let state = self.switch.state();
        let holds = |until: &[_]| until.iter().any(|until| *until > now);
        Ok(state.given.values().filter(|given| holds(&given.until)).count())
    }

    /// Compares all that was copied, copies again what has changed meanwhile, and puts the other store
    /// in the place of the old one.
    ///
    /// Writes wait only for the last of it: they are refused as `Unavailable` with a wait of a
    /// second, and no work is leased. How long that takes goes by how much is written while the rest is
    /// compared and copied again, and how much is due. What the old store holds is left as it is;
    /// what is due there is leased for a minute at the end of the pause, and woken in the other store
    /// if only a wake made it due.
    ///
    /// # Errors
    ///
    /// `Invalid` if not everything was copied yet, or the move is over, `Malformed` if the other store
    /// does not hold what it was given, `Unavailable` if so much is due in the old store that a minute
    /// is not enough to set it aside, and those of both stores. The old store stays then, writes go on,
    /// and it can be called again.
    pub async fn complete(&mut self) -> Result<Relocated> {
        self.not_over("complete")?;
        if !self.copied {
            let message = "not everything was copied yet";
            return Err(Error::new(ErrorKind::Invalid, "switch", "complete", message));
        }
        // What is written from here on is noted, and what was begun before is over when all is compared.
        self.turn().await;
        let (mut report, mut early) = self.compare().await?;
        let (keys, woken) = self.turn().await;
        early.extend(keys);
        let early: Vec<Key> = early.into_iter().collect();
        let mut late = self.catch_up(&early).await?;
        self.wake(woken.iter().cloned().collect()).await?;

        let paused = Paused::begin(self);
        self.switch.settled().await;
        // A store that writes in the order in which it was asked to has written all of it after this,
        // that which nobody waits for any more included.
        self.from.trim(&Key::new(Kind::Ledger, "relocation"), 0).await?;
        let began = self.from.now().await?;
        let mut wakes = BTreeSet::new();
        if let Some(written) = &self.switch.state().written {
            late.extend(written.keys.iter().chain(&written.doubtful).cloned());
            // What is stored again is woken again.
            let is_new = |key: &&Key| !woken.contains(*key) || late.contains(*key);
            wakes.extend(written.woken.iter().filter(is_new).cloned());
        }
        let late: Vec<Key> = late.into_iter().collect();
        if let Some(key) = self.catch_up(&late).await?.first() {
            let message = format!("the other store does not hold {key} as it was given");
            return Err(Error::new(ErrorKind::Malformed, "switch", "complete", message)
                .with_subject(&key.id));
        }
        wakes.extend(self.unfinished().await?);
        self.wake(wakes.into_iter().collect()).await?;
        let new = late.iter().filter(|key| early.binary_search(key).is_err()).count();
        report.again = u64::try_from(early.len().saturating_add(new)).unwrap_or(u64::MAX);
        report.during_pause = u64::try_from(late.len()).unwrap_or(u64::MAX);
        let ended = self.from.now().await?;
        report.pause = between(began, ended);
        paused.end();
        self.over = true;
        Ok(report)
    }

    /// Refuses to touch the stores when the other one has taken its place, and is worked on.
    fn not_over(&self, operation: &'static str) -> Result<()> {
        if self.over {
            let message = "this move is over";
            return Err(Error::new(ErrorKind::Invalid, "switch", operation, message));
        }
        Ok(())
    }

    /// Returns the roots that want attention for another reason than their headers' due time.
    ///
    /// That is all that the other store has of them: they were woken, or a lease of theirs ends here.
    async fn unfinished(&self) -> Result<BTreeSet<Key>> {
        let mut keys: BTreeSet<Key> = self.switch.state().given.keys().cloned().collect();
        let roots: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| kind.is_root()).collect();
        let due = LeaseRequest::new(roots, LeaseRequest::MAX_LIMIT, ASIDE);
        let mut began = None;
        loop {
            let mut leased = self.from.lease(&due).await?;
            if leased.leases.is_empty() && leased.unreadable == 0 {
                return Ok(keys);
            }
            let now = leased.now;
            leased.leases.retain(|(_, item)| item.header.due.is_none_or(|due| due > now));
            keys.extend(leased.leases.iter().map(|(lease, _)| lease.key.clone()));
            // The next attempt finds them by that, if this one fails.
            self.switch.state().note(&leased);
            // What was set aside first is due again, and would be for ever.
            if between(*began.get_or_insert(now), now) >= ASIDE {
                let message =
                    "more is due than can be set aside in a minute: try again when less is";
                return Err(Error::new(ErrorKind::Unavailable, "switch", "complete", message));
            }
        }
    }

    /// Refuses a store that is not for this; then removes what an earlier attempt left and is no more.
    async fn clear(&self) -> Result<()> {
        // Nothing goes before all was looked at. Only an attempt before can have put an item there in
        // the very revision that it has here. Where there is none, what another platform calls by the
        // same key cannot be told from what an attempt left.
        let (mut is_for_this, mut first) = (self.is_ours, None);
        let mut pages = Pages::of(&*self.to);
        while let Some((kind, items)) = pages.next().await? {
            let count = items.len();
            let old = self.outdated(kind, items).await?;
            is_for_this |= old.len() < count;
            first = first.or_else(|| old.into_iter().next());
        }
        match first {
            None => return Ok(()),
            Some(item) if !is_for_this => return Err(self.foreign(&item.key)),
            Some(_) => {}
        }
        let mut pages = Pages::of(&*self.to);
        while let Some((kind, items)) = pages.next().await? {
            self.remove(self.outdated(kind, items).await?).await?;
        }
        Ok(())
    }

    /// Returns those items of the other store that are not as here: what an earlier attempt left and is
    /// no more, if the store is for this.
    async fn outdated(&self, kind: Kind, items: Vec<Item>) -> Result<Vec<Item>> {
        // Those are never deleted, or, as a domain that was removed, only when nobody asks any more.
        let stays = matches!(kind, Kind::Account | Kind::Domain | Kind::Registration);
        let keys: Vec<Key> = items.iter().map(|item| item.key.clone()).collect();
        let here = self.from.get(&keys).await?;
        let mut old = Vec::new();
        for (there, here) in items.into_iter().zip(here) {
            match here {
                Some(here) if here.revision == there.revision => {}
                Some(here) if here.revision.counter > there.revision.counter => old.push(there),
                None if !stays || self.has_written(&there.key) => old.push(there),
                _ => return Err(self.foreign(&there.key)),
            }
        }
        Ok(old)
    }

    fn foreign(&self, key: &Key) -> Error {
        let message =
            format!("the other store holds {key}, which is not from here: give an empty one");
        Error::new(ErrorKind::Conflict, "switch", "copy", message).with_subject(&key.id)
    }

    fn has_written(&self, key: &Key) -> bool {
        self.switch.state().written.as_ref().is_some_and(|written| written.has(key))
    }

    /// Compares what both stores hold; returns what is not the same.
    async fn compare(&self) -> Result<(Relocated, BTreeSet<Key>)> {
        let (mut report, mut differing) = (Relocated::default(), BTreeSet::new());
        let mut pages = Pages::of(&*self.from);
        while let Some((_, items)) = pages.next().await? {
            for chunk in items.chunks(SIDE_BY_SIDE) {
                for (item, same) in chunk.iter().zip(self.all_same(chunk).await?) {
                    if let Some(entries) = same {
                        report.items = report.items.saturating_add(1);
                        report.entries = report.entries.saturating_add(entries);
                    } else {
                        differing.insert(item.key.clone());
                    }
                }
            }
        }
        let mut pages = Pages::of(&*self.to);
        while let Some((_, items)) = pages.next().await? {
            let keys: Vec<Key> = items.into_iter().map(|item| item.key).collect();
            let here = self.from.get(&keys).await?;
            let gone = keys.into_iter().zip(here).filter(|(_, here)| here.is_none());
            differing.extend(gone.map(|(key, _)| key));
        }
        Ok((report, differing))
    }

    /// Begins to note anew what is written, and returns what was, all of it done, and what was woken.
    async fn turn(&self) -> (BTreeSet<Key>, BTreeSet<Key>) {
        let (keys, woken) = {
            let mut state = self.switch.state();
            let written = state.written.get_or_insert_default();
            (written.turn(), written.woken.clone())
        };
        self.switch.settled().await;
        (keys, woken)
    }

    /// Brings these items to the other store as they are here now; returns those that are not the same
    /// all the same, since they are written meanwhile.
    async fn catch_up(&self, keys: &[Key]) -> Result<BTreeSet<Key>> {
        // All that is old goes first: what is stored then may carry its unique keys.
        let mut missing = Vec::new();
        for chunk in keys.chunks(SIDE_BY_SIDE) {
            let mut old = Vec::new();
            for (key, there) in self.differing(chunk).await? {
                missing.push(key);
                old.extend(there);
            }
            self.remove(old).await?;
        }
        for chunk in missing.chunks(SIDE_BY_SIDE) {
            let items = self.from.get(chunk).await?;
            self.restore_all(items.into_iter().flatten().collect()).await?;
        }
        let mut left = BTreeSet::new();
        for chunk in keys.chunks(SIDE_BY_SIDE) {
            left.extend(self.differing(chunk).await?.into_iter().map(|(key, _)| key));
        }
        Ok(left)
    }

    /// Returns those of some items that are not the same in both stores, with what the other one has.
    async fn differing(&self, keys: &[Key]) -> Result<Vec<(Key, Option<Item>)>> {
        let here = self.from.get(keys).await?;
        let there = self.to.get(keys).await?;
        let items: Vec<Item> = here.iter().flatten().cloned().collect();
        let mut same = self.all_same(&items).await?.into_iter().map(|same| same.is_some());
        let mut differing = Vec::new();
        for ((key, here), there) in keys.iter().zip(here).zip(there) {
            let is_same = match here {
                Some(_) => same.next().unwrap_or(false),
                None => there.is_none(),
            };
            if !is_same {
                differing.push((key.clone(), there));
            }
        }
        Ok(differing)
    }

    async fn all_same(&self, items: &[Item]) -> Result<Vec<Option<u64>>> {
        let same = items.iter().map(|item| {
            let same: Boxed<'_, Result<Option<u64>>> = Box::pin(self.same(item));
            same
        });
        all(same.collect()).await.into_iter().collect()
    }

    /// Returns how many entries the log of an item has, if the other store has it and them the same.
    async fn same(&self, item: &Item) -> Result<Option<u64>> {
        let there = self.to.get(std::slice::from_ref(&item.key)).await?;
        if there.into_iter().flatten().next().as_ref() != Some(item) {
            return Ok(None);
        }
        let (mut after, mut count) = (0, 0_u64);
        loop {
            let here = self.from.entries(&item.key, after, ENTRIES).await?;
            if here != self.to.entries(&item.key, after, ENTRIES).await? {
                return Ok(None);
            }
            let Some(last) = here.last() else { return Ok(Some(count)) };
            after = last.number;
            count = count.saturating_add(u64::try_from(here.len()).unwrap_or(u64::MAX));
        }
    }

    async fn restore_all(&self, items: Vec<Item>) -> Result<()> {
        for chunk in items.chunks(SIDE_BY_SIDE) {
            let stored = chunk.iter().map(|item| {
                let stored: Boxed<'_, Result<()>> = Box::pin(self.restore(item));
                stored
            });
            all(stored.collect()).await.into_iter().collect::<Result<()>>()?;
        }
        Ok(())
    }

    /// Stores an item with its log; leaves it for the pause if something is in the way.
    async fn restore(&self, item: &Item) -> Result<()> {
        let log = self.log(item).await?;
        for _ in 0..ATTEMPTS {
            match self.to.restore(item, &log).await {
                Ok(Commit::Done) => return Ok(()),
                // It was stored by an attempt before, or is old, or another item has its unique keys
                // still.
                Ok(_) => {
                    let mut state = self.switch.state();
                    state.written.get_or_insert_default().keys.insert(item.key.clone());
                    return Ok(());
                }
                // Whether it was stored, the next attempt tells.
                Err(error) if error.kind() == ErrorKind::Unknown => {}
                Err(error) => return Err(error),
            }
        }
        let message = format!("the other store cannot say whether {} was written", item.key);
        Err(Error::new(ErrorKind::Unknown, "switch", "copy", message).with_subject(&item.key.id))
    }

    /// Reads the log of an item, as far as the item goes.
    async fn log(&self, item: &Item) -> Result<Vec<Entry>> {
        let highest = Entry::number(item.revision.counter, u16::MAX);
        let (mut after, mut log) = (0, Vec::new());
        loop {
            let entries = self.from.entries(&item.key, after, ENTRIES).await?;
            let Some(last) = entries.last() else { return Ok(log) };
            after = last.number;
            log.extend(entries.into_iter().filter(|entry| entry.number <= highest));
        }
    }

    /// Removes items from the other store.
    async fn remove(&self, items: Vec<Item>) -> Result<()> {
        let Some(first) = items.first() else { return Ok(()) };
        let mut batch = Batch::new(first.revision.operation);
        for item in &items {
            let expect = Expect::Revision(item.revision);
            batch = batch.with(Write::Delete { key: item.key.clone(), expect });
        }
        match self.to.commit(batch).await? {
            Commit::Done => Ok(()),
            _ => Err(self.foreign(&first.key)),
        }
    }

    /// Makes roots of the other store due.
    async fn wake(&self, keys: Vec<Key>) -> Result<()> {
        for chunk in keys.chunks(SIDE_BY_SIDE) {
            // A wake is no revision: what it is called is stored nowhere.
            let wakes = chunk.iter().map(|key| Write::Wake { key: key.clone() });
            let batch = wakes.fold(Batch::new(OperationId::from_bytes([0; 16])), Batch::with);
            self.to.commit(batch).await?;
        }
        Ok(())
    }
}

impl Drop for Relocation {
    fn drop(&mut self) {
        if !self.over {
            let mut state = self.switch.state();
            state.phase = Phase::Open;
            state.written = None;
        }
    }
}

/// The pause of all writes, which ends when this is dropped.
struct Paused<'a> {
    relocation: &'a Relocation,
}

impl<'a> Paused<'a> {
    fn begin(relocation: &'a Relocation) -> Self {
        relocation.switch.state().phase = Phase::Paused;
        Self { relocation }
    }

    /// Puts the other store in the place of the old one.
    fn end(self) {
        let mut state = self.relocation.switch.state();
        state.store = self.relocation.to.clone();
        state.given.clear();
        state.written = None;
    }
}

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        self.relocation.switch.state().phase = Phase::Open;
    }
}

/// All that a store holds, a page at a time: what belongs to roots before the roots.
struct Pages<'a> {
    store: &'a dyn Store,
    kinds: Box<dyn Iterator<Item = Kind> + Send>,
    /// What to ask for next, if a kind has more.
    next: Option<Query>,
}

impl<'a> Pages<'a> {
    fn of(store: &'a dyn Store) -> Self {
        Self { store, kinds: Box::new(Kind::roots_last()), next: None }
    }

    /// Returns the next page, which may be empty; `None` after the last.
    async fn next(&mut self) -> Result<Option<(Kind, Vec<Item>)>> {
        let first = || Some(Query::new(self.kinds.next()?, Filter::All).with_limit(ITEMS));
        let Some(query) = self.next.take().or_else(first) else { return Ok(None) };
        let page = self.store.list(&query).await?;
        let kind = query.kind;
        if let Some(id) = page.unreadable.first() {
            // Nothing is left behind: what is damaged has to be seen to first.
            let message = format!("the store cannot read {kind}/{id}");
            return Err(
                Error::new(ErrorKind::Malformed, "switch", "copy", message).with_subject(id)
            );
        }
        self.next = page.next.map(|after| Query { after: Some(after), ..query });
        Ok(Some((kind, page.items)))
    }
}
