//! Storing what was exported.

use std::{fmt, sync::Arc};

use serde::Serialize;

use super::line::{Inspection, Line, Manifest};
use crate::{
    engine::feed,
    error::{Error, ErrorKind, Result},
    store::{Batch, Commit, Entry, Item, Key, Store, UniqueKey, Write},
};

/// How often an item is stored whose outcome the store cannot tell.
const ATTEMPTS: usize = 3;

/// What an import did.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ImportReport {
    /// How many items were stored.
    pub restored: u64,
    /// How many were there already, in the same revision.
    pub present: u64,
    /// How many were not stored because something was in the way.
    pub refused: u64,
    /// What was in the way: the first [`MAX_CONFLICTS`](Self::MAX_CONFLICTS).
    pub conflicts: Vec<ImportConflict>,
}

impl ImportReport {
    /// Most conflicts that are listed. All of them are counted.
    pub const MAX_CONFLICTS: usize = 1000;
}

/// An item that was not stored.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ImportConflict {
    /// The item.
    pub key: Key,
    /// Why.
    pub obstacle: Obstacle,
}

/// What is in the way of an item.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Obstacle {
    /// The item is there in another revision.
    Changed,
    /// Another item carries these unique keys.
    Taken(Vec<UniqueKey>),
}

impl fmt::Display for ImportConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.obstacle {
            Obstacle::Changed => write!(f, "{} is there in another revision", self.key),
            Obstacle::Taken(keys) => {
                write!(f, "{} carries what another item has:", self.key)?;
                keys.iter().try_for_each(|key| write!(f, " {}", key.as_str()))
            }
        }
    }
}

/// An import that is under way. See [`Operator::import`](crate::engine::Operator::import).
///
/// Holds one item with its log at a time.
///
/// # Cancellation
///
/// What was stored stays. Import the same lines again: they go on where it was interrupted.
#[derive(Debug)]
pub struct Import {
    store: Arc<dyn Store>,
    manifest: Manifest,
    inspection: Inspection,
    /// What is stored when its last entry was read.
    pending: Option<(Item, Vec<Entry>)>,
    report: ImportReport,
}

impl Import {
    pub(super) fn new(store: Arc<dyn Store>, manifest: Manifest) -> Self {
        Self {
            store,
            manifest,
            inspection: Inspection::new(),
            pending: None,
            report: ImportReport::default(),
        }
    }

    /// Takes the next line, with or without its line break.
    ///
    /// # Errors
    ///
    /// Those of [`Inspection::line`], and those of [`Store::restore`]: `Unsupported` from a store that
    /// takes nothing over. Begin again with the first line then.
    pub async fn line(&mut self, line: &str) -> Result<()> {
        match self.inspection.read(line)? {
            None | Some(Line::LeftOut(_)) => {}
            Some(Line::Item(item)) => {
                self.restore().await?;
                self.pending = Some((item, Vec::new()));
            }
            Some(Line::Entry(entry)) => {
                if let Some((_, log)) = &mut self.pending {
                    log.push(entry);
                }
            }
            Some(Line::End(_)) => self.restore().await?,
        }
        Ok(())
    }

    /// Ends the import.
    ///
    /// # Errors
    ///
    /// `Invalid` if these were not the lines that were inspected.
    pub async fn finish(self) -> Result<ImportReport> {
        if self.inspection.finish()? != self.manifest {
            let message = "these are not the lines that were inspected";
            return Err(Error::new(ErrorKind::Invalid, "engine", "import", message));
        }
        Ok(self.report)
    }

    /// Stores the item whose lines are complete.
    async fn restore(&mut self) -> Result<()> {
        let Some((item, log)) = self.pending.take() else { return Ok(()) };
        for _ in 0..ATTEMPTS {
            match self.store.restore(&item, &log).await {
                Ok(Commit::Done) => {
                    self.wake(&item).await?;
                    self.report.restored = self.report.restored.saturating_add(1);
                    return Ok(());
                }
                Ok(Commit::Stale(_)) => {
                    let found = self.store.get(std::slice::from_ref(&item.key)).await?;
                    let there = found.into_iter().flatten().next();
                    if there.is_some_and(|there| there.revision == item.revision) {
                        self.wake(&item).await?;
                        self.report.present = self.report.present.saturating_add(1);
                    } else {
                        self.refuse(item.key, Obstacle::Changed);
                    }
                    return Ok(());
                }
                Ok(Commit::Taken(keys)) => {
                    self.refuse(item.key, Obstacle::Taken(keys));
                    return Ok(());
                }
                Ok(Commit::Fenced) => break,
                // Whether it was stored, the next attempt tells.
                Err(error) if error.kind() == ErrorKind::Unknown => {}
                Err(error) => return Err(error),
            }
        }
        let message = format!("the store cannot say whether {} was written", item.key);
        Err(Error::new(ErrorKind::Unknown, "engine", "import", message))
    }

    /// Makes a feed due, since its wake was no part of it: it alone says that there is more to tell.
    async fn wake(&self, item: &Item) -> Result<()> {
        if !feed::is_of_domain(&item.key) {
            return Ok(());
        }
        let wake = Write::Wake { key: item.key.clone() };
        self.store.commit(Batch::new(item.revision.operation).with(wake)).await.map(|_| ())
    }

    fn refuse(&mut self, key: Key, obstacle: Obstacle) {
        self.report.refused = self.report.refused.saturating_add(1);
        if self.report.conflicts.len() < ImportReport::MAX_CONFLICTS {
            self.report.conflicts.push(ImportConflict { key, obstacle });
        }
    }
}
