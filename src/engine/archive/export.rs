//! Reading everything that a store holds, a page at a time.

use std::{collections::VecDeque, sync::Arc};

use super::line::Tally;
use crate::{
    engine::each::each,
    error::{ErrorKind, Result},
    store::{Entry, Filter, Item, Key, Kind, Query, Store},
};

/// How many items are read at a time, domains with their feeds: the largest bodies of so many are all
/// that is held.
const ITEMS: u32 = 64;

/// How many entries are read at a time.
const ENTRIES: u32 = 256;

/// An export that is under way. See [`Operator::export`](crate::engine::Operator::export).
///
/// Holds no more than a page of items or of entries at a time, however much the store holds.
#[derive(Debug)]
pub struct Export {
    store: Arc<dyn Store>,
    tally: Tally,
    stage: Stage,
    /// The kinds that are left, the present one first.
    kinds: VecDeque<Kind>,
    after: Option<String>,
    /// What was read and is not written yet.
    page: VecDeque<Item>,
    /// What the store could not read, and is not written yet.
    unreadable: VecDeque<Key>,
    /// The item whose entries are being read, the highest number it has, and where to go on.
    log: Option<(Key, u64, u64)>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Opening,
    Items,
    Ended,
}

impl Export {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            tally: Tally::default(),
            stage: Stage::Opening,
            kinds: Kind::roots_last().collect(),
            after: None,
            page: VecDeque::new(),
            unreadable: VecDeque::new(),
            log: None,
        }
    }

    /// Returns the next lines, each with its line break; `None` after the last.
    ///
    /// What the store itself cannot read is left out, and [counted](Self::left_out).
    ///
    /// # Errors
    ///
    /// Those of the store, among them `Unsupported` from one that cannot list all items. The same
    /// lines can be asked for again then.
    pub async fn chunk(&mut self) -> Result<Option<String>> {
        let mut lines = String::new();
        loop {
            match self.stage {
                Stage::Ended => return Ok(None),
                Stage::Opening => {
                    self.tally.open(self.store.now().await?, &mut lines)?;
                    self.stage = Stage::Items;
                }
                Stage::Items => self.go_on(&mut lines).await?,
            }
            if !lines.is_empty() {
                return Ok(Some(lines));
            }
        }
    }

    /// Returns how many items, or rests of their logs, were left out so far because the store cannot
    /// read them. Each is named by a line that begins with `{"left_out"`.
    pub const fn left_out(&self) -> u64 {
        self.tally.left_out
    }

    /// Writes an item or a page of entries, or reads the next page of items.
    async fn go_on(&mut self, lines: &mut String) -> Result<()> {
        if let Some((key, highest, after)) = &mut self.log {
            let entries = match self.store.entries(key, *after, ENTRIES).await {
                Err(error) if error.kind() == ErrorKind::Malformed => {
                    let key = key.clone();
                    self.log = None;
                    return self.tally.left_out(key, lines);
                }
                entries => entries?,
            };
            let more = u32::try_from(entries.len()).is_ok_and(|found| found >= ENTRIES);
            let highest = *highest;
            let mut goes_on = more;
            for entry in entries {
                // Later than the item as it was read.
                if entry.number > highest {
                    goes_on = false;
                    break;
                }
                *after = entry.number;
                self.tally.entry(entry, lines)?;
            }
            if !goes_on {
                self.log = None;
            }
        } else if let Some(key) = self.unreadable.pop_front() {
            self.tally.left_out(key, lines)?;
        } else if let Some(item) = self.page.pop_front() {
            self.tally.item(&item, lines)?;
            let highest = Entry::number(item.revision.counter, u16::MAX);
            self.log = Some((item.key, highest, 0));
        } else if let Some(kind) = self.kinds.front().copied() {
            let mut query = Query::new(kind, Filter::All).with_limit(ITEMS);
            query.after.clone_from(&self.after);
            let page = self.store.list(&query).await?;
            let mut unreadable: VecDeque<Key> =
                page.unreadable.into_iter().map(|id| Key::new(kind, id)).collect();
            self.page = match kind {
                Kind::Domain => self.with_feeds(page.items, &mut unreadable).await?,
                Kind::Feed => self.without_domains(page.items).await?,
                _ => page.items.into(),
            };
            self.unreadable = unreadable;
            self.after = page.next;
            if self.after.is_none() {
                self.kinds.pop_front();
            }
        } else {
            self.tally.close(lines)?;
            self.stage = Stage::Ended;
        }
        Ok(())
    }

    /// Reads domains once more, each at the same moment as its feed: a feed that is ahead of its domain
    /// would take what happens next in the other store for told.
    async fn with_feeds(
        &self,
        domains: Vec<Item>,
        unreadable: &mut VecDeque<Key>,
    ) -> Result<VecDeque<Item>> {
        // Where each is read for itself, the feed comes first and is not ahead.
        let pair = |item: Item| [Key::new(Kind::Feed, &item.key.id), item.key];
        let keys: Vec<Key> = domains.into_iter().flat_map(pair).collect();
        let found = each(&*self.store, &keys).await?;
        let mut items = VecDeque::with_capacity(found.len());
        for (key, found) in keys.into_iter().zip(found) {
            match found {
                Ok(found) => items.extend(found),
                // Feeds are named when their turn comes.
                Err(_) if key.kind == Kind::Feed => {}
                Err(_) => unreadable.push_back(key),
            }
        }
        Ok(items)
    }

    /// Leaves out the feeds that come with their domains.
    async fn without_domains(&self, feeds: Vec<Item>) -> Result<VecDeque<Item>> {
        let domain = |item: &Item| Key::new(Kind::Domain, &item.key.id);
        let keys: Vec<Key> = feeds.iter().map(domain).collect();
        let domains = each(&*self.store, &keys).await?;
        // One whose domain cannot be read did not come with it.
        let is_alone = |domain: &Result<Option<Item>>| !matches!(domain, Ok(Some(_)));
        let alone = feeds.into_iter().zip(domains).filter(|(_, domain)| is_alone(domain));
        Ok(alone.map(|(feed, _)| feed).collect())
    }
}
