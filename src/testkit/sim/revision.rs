//! A store whose items keep the revision that they had, whatever is written.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    error::Result,
    store::{Batch, Commit, Expect, Item, Key, Revision, Store, Write},
};

/// Which revision is shown of an item, and which one it has.
#[derive(Debug, Default)]
pub(super) struct Reused(Mutex<BTreeMap<Key, (Revision, Revision)>>);

impl Reused {
    fn known(&self) -> MutexGuard<'_, BTreeMap<Key, (Revision, Revision)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows an item with the revision that it had first.
    pub(super) fn show(&self, item: &mut Item) {
        if let Some((shown, has)) = self.known().get(&item.key)
            && item.revision == *has
        {
            item.revision = *shown;
        }
    }

    /// Commits a batch; what it changes keeps the revision that was expected.
    pub(super) async fn commit<S: Store + ?Sized>(
        &self,
        store: &S,
        mut batch: Batch,
    ) -> Result<Commit> {
        let mut changed = Vec::new();
        for write in &mut batch.writes {
            let (Write::Put { key, expect, .. } | Write::Delete { key, expect }) = write else {
                continue;
            };
            let Expect::Revision(revision) = expect else { continue };
            changed.push((key.clone(), *revision));
            if let Some((shown, has)) = self.known().get(key)
                && revision == shown
            {
                *revision = *has;
            }
        }
        let done = store.commit(batch).await?;
        if done == Commit::Done {
            for (key, shown) in changed {
                let found = store.get(std::slice::from_ref(&key)).await?;
                if let Some(item) = found.into_iter().flatten().next() {
                    self.known().insert(key, (shown, item.revision));
                }
            }
        }
        Ok(done)
    }
}
