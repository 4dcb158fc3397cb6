//! How a database is opened.

use std::{
    path::{self, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{Sqlite, open};
use crate::{
    clock::{Clock, SystemClock},
    error::Result,
};

/// What a power failure may take.
///
/// A crash of the process, or a kill, takes nothing in either mode.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Durability {
    /// Nothing: every commit waits for the disk (`PRAGMA synchronous=FULL`).
    #[default]
    Full,
    /// The last commits, back to the last checkpoint, but never a part of one
    /// (`PRAGMA synchronous=NORMAL`).
    ///
    /// Faster by the flush of each commit. What was done outside in between, such as an order at a
    /// certificate authority, is then not remembered.
    Normal,
}

impl Durability {
    /// Returns the value of `PRAGMA synchronous`.
    pub(super) const fn pragma(self) -> i64 {
        match self {
            Self::Full => 2,
            Self::Normal => 1,
        }
    }
}

/// Most connections that read where they are asked.
const MOST_READERS: usize = 64;

/// What a [`Sqlite`] is opened with.
#[derive(Clone, Debug)]
#[must_use]
pub struct SqliteBuilder {
    pub(super) path: PathBuf,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) durability: Durability,
    pub(super) busy_timeout: Duration,
    pub(super) readers: usize,
}

impl SqliteBuilder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            clock: Arc::new(SystemClock),
            durability: Durability::Full,
            busy_timeout: Duration::from_secs(5),
            readers: 2,
        }
    }

    /// Lives by another clock than the system's.
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Says what a power failure may take; nothing by default.
    pub const fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Waits up to `wait` for another process that writes; 5 s by default.
    ///
    /// Calls of this process wait behind the one that waits. At most about 24 days.
    pub const fn with_busy_timeout(mut self, wait: Duration) -> Self {
        self.busy_timeout = wait;
        self
    }

    /// Sets how many connections read where they are asked; 2 by default, at most 64.
    ///
    /// What is short is then read by the task that asks, in the time of a few system calls, and only
    /// what is long goes to the thread of the store and back, or what finds none of them free. A page
    /// that the system does not have in memory is waited for. With 0 everything goes to the thread, so
    /// that no task ever waits for the disk. Each has up to 16 MiB of cached pages.
    pub const fn with_readers(mut self, count: usize) -> Self {
        self.readers = if count > MOST_READERS { MOST_READERS } else { count };
        self
    }

    /// Opens the file, or creates it, and brings its tables up to date.
    ///
    /// # Errors
    ///
    /// As [`Sqlite::open`].
    pub async fn open(self) -> Result<Sqlite> {
        Sqlite::start(self.settled()).await
    }

    /// Makes the path absolute: backups and checks open the file once more, wherever the process has
    /// gone by then. One that names no file stays as it is, to be refused as it was written.
    fn settled(mut self) -> Self {
        if open::refusal(&self.path).is_none()
            && let Ok(path) = path::absolute(&self.path)
        {
            self.path = path;
        }
        self
    }

    /// Returns the path for messages.
    pub(super) fn shown(&self) -> String {
        self.path.display().to_string()
    }
}
