//! A store in one file on disk.

mod builder;
mod commit;
mod failure;
mod open;
mod read;
mod readers;
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
    borrow::Borrow,
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use rusqlite::Connection;

pub use self::builder::{Durability, SqliteBuilder};
use self::{failure::Failure, session::Session, thread::Thread};
use super::{
    Batch, Commit, Entry, Item, Key, Lease, LeaseRequest, Leased, Page, Query, Store, UniqueKey,
};
use crate::{
    clock::Timestamp,
    error::{ErrorKind, Result},
};

const COMPONENT: &str = "sqlite";

/// Most items or entries that are read where they are asked for.
const SHORT: u32 = 32;

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
/// Needs no runtime: it starts a thread that does all that writes, and the answers come back to
/// whatever task waits for them. Clones share the thread. It works off what it was asked for and
/// ends, closing the file, when the last clone is dropped.
///
/// What is short is read at once by the task that asks, over connections that only read
/// ([`SqliteBuilder::with_readers`]): the time, up to 32 items or entries, and whether anything is due.
/// That waits for no lock, but may wait for the disk.
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
    /// Whether the last lease found nothing.
    idle: Arc<AtomicBool>,
}

impl Sqlite {
    /// Opens a file, or creates it, with the system's clock, full durability and a busy timeout of
    /// 5 s.
    ///
    /// The folder has to exist.
    ///
    /// # Errors
    ///
    /// * `NotFound`: there is no such folder, or the path is a link to a file that is not there.
    /// * `Denied`: the file or its folder cannot be written to.
    /// * `Invalid`: the path names something else than a file.
    /// * `Malformed`: the file is no database, is damaged, or has other tables.
    /// * `Precondition`: the file is of another application, or of a later version.
    /// * `Unavailable`: another process holds it locked, the disk is full or fails, or too many files
    ///   are open.
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
        Ok(Self { thread, settings: Arc::new(settings), idle: Arc::default() })
    }

    /// Reads here and now, if it is short and a connection is free, and else on the thread.
    async fn read<A, T>(
        &self,
        operation: &'static str,
        is_short: bool,
        asked: &A,
        look: impl Fn(&Connection, &A) -> std::result::Result<T, Failure> + Send + 'static,
    ) -> Result<T>
    where
        A: ToOwned<Owned: Send + 'static> + Sync + ?Sized,
        T: Send + 'static,
    {
        if is_short && let Some(seen) = self.thread.look(|connection| look(connection, asked)) {
            return Ok(seen);
        }
        let asked = asked.to_owned();
        let call = move |session: &mut Session<'_>| {
            session.read(|connection| look(connection, asked.borrow()))
        };
        self.thread.call(operation, ErrorKind::Unavailable, call).await
    }

    /// Looks whether there is anything to lease, where nothing was the last time: that takes no lock.
    /// `None` leaves it to the lease itself.
    fn look_for_work(&self, wanted: &LeaseRequest) -> Option<Leased> {
        // Who is busy would pay for a look that says what the lease is about to say.
        if wanted.only.is_some() || !self.idle.load(Relaxed) {
            return None;
        }
        let now = session::now(&*self.settings.clock);
        let is_due = self.thread.look(|reader| read::is_due(reader, &wanted.kinds, now))?;
        (is_due == Some(false)).then(|| Leased::new(now, Vec::new()))
    }

    /// Returns the path of the file, from the root on.
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
    /// where it cannot be written, `Invalid` for a path that is not UTF-8, `Precondition` if another
    /// application's file has come into the place of this one, `Unavailable` when the disk is full or
    /// fails. `to` is then not there.
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

/// Returns whether so many keys are read where they are asked for.
fn is_short<K>(keys: &[K]) -> bool {
    u32::try_from(keys.len()).is_ok_and(|count| count <= SHORT)
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sqlite").field(&self.settings.path).finish()
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn now(&self) -> Result<Timestamp> {
        self.read("now", true, &(), |connection, ()| read::probe(connection)).await?;
        Ok(session::now(&*self.settings.clock))
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>> {
        self.read("get", is_short(keys), keys, read::get).await
    }

    async fn find(&self, unique: &[UniqueKey]) -> Result<Vec<Option<Item>>> {
        self.read("find", is_short(unique), unique, read::find).await
    }

    async fn list(&self, query: &Query) -> Result<Page> {
        let is_short = query.limit <= SHORT && read::is_plain(query);
        self.read("list", is_short, query, read::list).await
    }

    async fn commit(&self, batch: Batch) -> Result<Commit> {
        batch.check(COMPONENT)?;
        self.thread.call("commit", ErrorKind::Unknown, move |session| session.commit(&batch)).await
    }

    async fn lease(&self, wanted: &LeaseRequest) -> Result<Leased> {
        if let Some(nothing) = self.look_for_work(wanted) {
            return Ok(nothing);
        }
        let asked = wanted.clone();
        let call = move |session: &mut Session<'_>| session.lease(&asked);
        let leased = self.thread.call("lease", ErrorKind::Unknown, call).await?;
        if wanted.only.is_none() {
            self.idle.store(leased.leases.is_empty() && leased.unreadable == 0, Relaxed);
        }
        Ok(leased)
    }

    async fn extend(&self, leases: &[Lease], by: Duration) -> Result<Vec<Option<Lease>>> {
        let leases = leases.to_vec();
        self.thread
            .call("extend", ErrorKind::Unknown, move |session| session.extend(&leases, by))
            .await
    }

    async fn entries(&self, of: &Key, after: u64, limit: u32) -> Result<Vec<Entry>> {
        let look =
            move |connection: &Connection, of: &Key| read::entries(connection, of, after, limit);
        self.read("entries", limit <= SHORT, of, look).await
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
