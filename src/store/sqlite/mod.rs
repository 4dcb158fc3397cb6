//! A store in one file on disk.

mod builder;
mod commit;
mod failure;
mod open;
mod reply;
mod restore;
mod row;
mod schema;
mod session;
mod thread;
mod upkeep;
mod words;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;

pub use self::builder::{Durability, SqliteBuilder};
use self::thread::Thread;
use super::{
    Batch, Commit, Entry, Item, Key, Lease, LeaseRequest, Leased, Page, Query, Store, UniqueKey,
};
use crate::{
    clock::Timestamp,
    error::{ErrorKind, Result},
};

const COMPONENT: &str = "sqlite";

/// A store in one SQLite file.
///
/// ```
/// # async fn example(path: std::path::PathBuf) -> nameplate::Result<()> {
/// use nameplate::store::Sqlite;
///
/// let store = Sqlite::open(path.join("domains.db")).await?;
/// # drop(store);
/// # Ok(())
/// # }
/// ```
///
/// Needs no runtime: it starts a thread that owns the connection, and the answers come back to
/// whatever task waits for them. Clones share the thread. It works off what it was asked for and
/// ends, closing the file, when the last clone is dropped.
///
/// # Durability
///
/// What a commit has answered survives a crash or a kill of the process, and with
/// [`Durability::Full`], which is the default, a power failure too, if the disk keeps what it has
/// been told to flush: write-ahead log, `synchronous=FULL`, and on macOS `fullfsync`. With
/// [`Durability::Normal`] a power failure may take the last commits, and never a part of one.
///
/// A commit whose answer cannot come, since the disk failed while it was written, is `Unknown`.
/// No later call is answered until another commit has been written over what may be left of it, so
/// that what is read after it stays true.
///
/// # Sharing
///
/// Several processes of one machine may open the same file. One writes at a time; another waits for
/// it up to the busy timeout and is then `Unavailable`. They must agree on the time, and a network
/// file system does not do, since the processes share memory.
///
/// # The file
///
/// Beside the file are two more while it is open, of the same name with `-wal` and `-shm`: they
/// belong to it. A copy made while it is open is not a backup: that is what
/// [`backup`](Self::backup) is for. The file and its backups are created for their owner alone.
///
/// Three tables, to be read with any SQLite shell while the store is in use: `items`,
/// `unique_keys` and `log`. The view `readable` shows the items with their kinds, ids and instants
/// as text.
///
/// `PRAGMA application_id` is 1852665964 (`nmpl`) and `PRAGMA user_version` the version of the
/// tables. Tables of an earlier version are brought up to date when the file is opened, in one
/// transaction; those of a later one, and the file of another application, are left as they are.
#[derive(Clone)]
pub struct Sqlite {
    thread: Thread,
    settings: Arc<SqliteBuilder>,
}

impl Sqlite {
    /// Opens a file, or creates it, with the system's clock, full durability and a busy timeout of
    /// 5 s.
    ///
    /// The folder has to exist.
    ///
    /// # Errors
    ///
    /// * `NotFound`: there is no such folder.
    /// * `Denied`: the file or its folder cannot be written to.
    /// * `Invalid`: the path names something else than a file.
    /// * `Malformed`: the file is no database, is damaged, or has other tables.
    /// * `Precondition`: the file is of another application, or of a later version.
    /// * `Unavailable`: another process holds it locked, or the disk is full or fails.
    /// * `Unsupported`: the system's SQLite is older than 3.37.
    ///
    /// The file is then as it was before; one that did not exist may be there, and empty.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self> {
        Self::builder(path).open().await
    }

    /// Prepares to open a file in another way.
    pub fn builder(path: impl Into<PathBuf>) -> SqliteBuilder {
        SqliteBuilder::new(path.into())
    }

    async fn start(settings: SqliteBuilder) -> Result<Self> {
        let thread = Thread::start(settings.clone()).await?;
        Ok(Self { thread, settings: Arc::new(settings) })
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.settings.path
    }

    /// Writes a copy of everything, as it is at one moment, to a new file, and flushes it to disk.
    ///
    /// The store goes on meanwhile: the copy is made by a thread and a connection of its own. It
    /// holds nothing that was deleted. Until it is whole it has the name `to` and `.partial`. It is
    /// opened like any other file of this store. No file that somebody else makes is replaced. The
    /// folder is flushed too where the system allows it: if not, the name may be lost in a power failure.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if `to` or its partial is there, or was made meanwhile, `NotFound` without its folder, `Denied`
    /// where it cannot be written, `Invalid` for a path that is not UTF-8, `Unavailable` when the
    /// disk is full or fails. `to` is then not there.
    pub async fn backup(&self, to: impl Into<PathBuf>) -> Result<()> {
        let (settings, to) = (Arc::clone(&self.settings), to.into());
        thread::aside("backup", move || upkeep::backup(&settings, &to)).await
    }

    /// Reads the whole file and checks that it is sound: each page, each index, and that items and
    /// their unique keys and log belong together.
    ///
    /// The store goes on meanwhile. Takes about as long as reading the file.
    ///
    /// # Errors
    ///
    /// `Malformed` with the first findings; `Unavailable` when the file cannot be read.
    pub async fn integrity_check(&self) -> Result<()> {
        let settings = Arc::clone(&self.settings);
        thread::aside("integrity_check", move || upkeep::check(&settings)).await
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sqlite").field(&self.settings.path).finish()
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn now(&self) -> Result<Timestamp> {
        self.thread.call("now", ErrorKind::Unavailable, |session| session.time()).await
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>> {
        let keys = keys.to_vec();
        self.thread.call("get", ErrorKind::Unavailable, move |session| session.get(&keys)).await
    }

    async fn find(&self, unique: &[UniqueKey]) -> Result<Vec<Option<Item>>> {
        let unique = unique.to_vec();
        self.thread.call("find", ErrorKind::Unavailable, move |session| session.find(&unique)).await
    }

    async fn list(&self, query: &Query) -> Result<Page> {
        let query = query.clone();
        self.thread.call("list", ErrorKind::Unavailable, move |session| session.list(&query)).await
    }

    async fn commit(&self, batch: Batch) -> Result<Commit> {
        batch.check(COMPONENT)?;
        self.thread.call("commit", ErrorKind::Unknown, move |session| session.commit(&batch)).await
    }

    async fn lease(&self, wanted: &LeaseRequest) -> Result<Leased> {
        let wanted = wanted.clone();
        self.thread.call("lease", ErrorKind::Unknown, move |session| session.lease(&wanted)).await
    }

    async fn extend(&self, leases: &[Lease], by: Duration) -> Result<Vec<Option<Lease>>> {
        let leases = leases.to_vec();
        self.thread
            .call("extend", ErrorKind::Unknown, move |session| session.extend(&leases, by))
            .await
    }

    async fn entries(&self, of: &Key, after: u64, limit: u32) -> Result<Vec<Entry>> {
        let of = of.clone();
        self.thread
            .call("entries", ErrorKind::Unavailable, move |session| {
                session.entries(&of, after, limit)
            })
            .await
    }

    async fn trim(&self, of: &Key, through: u64) -> Result<()> {
        let of = of.clone();
        self.thread
            .call("trim", ErrorKind::Unknown, move |session| session.trim(&of, through))
            .await
    }

    async fn restore(&self, item: &Item, log: &[Entry]) -> Result<Commit> {
        item.check_log(log, COMPONENT)?;
        item.restoring().check(COMPONENT)?;
        let (item, log) = (item.clone(), log.to_vec());
        self.thread
            .call("restore", ErrorKind::Unknown, move |session| session.restore(&item, &log))
            .await
    }
}
