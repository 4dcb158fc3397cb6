//! The connections that read where they are asked, without the way to the thread and back.

use std::sync::{
    Arc, Mutex, MutexGuard, TryLockError,
    atomic::{AtomicBool, Ordering},
};

use rusqlite::Connection;

use super::{builder::SqliteBuilder, failure::Failure, open, read};
use crate::error::Result;

/// Whether what is on disk is the truth.
///
/// Not so while the outcome of a commit is unknown, and no longer when the thread has ended that
/// would settle it.
#[derive(Clone, Debug)]
pub(super) struct Settled(Arc<AtomicBool>);

impl Settled {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    pub(super) fn is(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn set(&self, settled: bool) {
        self.0.store(settled, Ordering::Release);
    }
}

/// Connections that only read. With a write-ahead log none waits for who writes.
#[derive(Debug)]
pub(super) struct Readers {
    connections: Vec<Mutex<Connection>>,
    settled: Settled,
}

impl Readers {
    /// Opens them beside the connection that writes.
    pub(super) fn open(settings: &SqliteBuilder, settled: Settled) -> Result<Self> {
        let connections = (0..settings.readers).map(|_| open::reader(settings).map(Mutex::new));
        Ok(Self { connections: connections.collect::<Result<_>>()?, settled })
    }

    /// Looks here and now, if one is free and the truth is on disk.
    ///
    /// Waits for nobody. `None` leaves it to the thread, also what has failed: that one may wait, and
    /// says what is wrong.
    pub(super) fn look<T>(
        &self,
        look: impl FnOnce(&Connection) -> Result<T, Failure>,
    ) -> Option<T> {
        if !self.settled.is() {
            return None;
        }
        let connection = self.free()?;
        // What a caller that panicked has left.
        read::undo(&connection);
        look(&connection).ok()
    }

    fn free(&self) -> Option<MutexGuard<'_, Connection>> {
        self.connections.iter().find_map(|connection| match connection.try_lock() {
            Ok(free) => Some(free),
            // It reads only, and `look` ends what was begun.
            Err(TryLockError::Poisoned(left)) => Some(left.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        })
    }
}
