//! Where the life of every domain is kept: one generic item, ten methods.
//!
//! A store knows nothing of domains. It keeps [`Item`]s: a key, a revision, a [`Header`] that can be
//! queried and a body that it does not look into. Everything else (leases, unique keys, the log)
//! exists so that many workers can share the items without losing or repeating anything.

mod check;
mod item;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod switch;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{OperationId, TenantId},
};

pub use item::{Body, Header, Item, Key, Kind, Revision, UniqueKey};
pub use memory::InMemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::{Postgres, PostgresBuilder};
#[cfg(feature = "sqlite")]
pub use sqlite::{Durability, Sqlite, SqliteBuilder};
pub use switch::{Copied, Relocated, Relocation, Switch};

/// What a write expects to find.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Expect {
    /// No item of this key.
    Absent,
    /// The item in exactly this state.
    Revision(Revision),
}

/// One change in a [`Batch`].
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Write {
    /// Creates or replaces an item.
    Put {
        /// Which item.
        key: Key,
        /// What must be there before.
        expect: Expect,
        /// The new header.
        header: Header,
        /// The new body.
        body: Body,
    },
    /// Deletes an item with its unique keys and its log.
    Delete {
        /// Which item.
        key: Key,
        /// What must be there before.
        expect: Expect,
    },
    /// Makes a root due now, or, if it is leased, due as soon as its holder commits a release.
    ///
    /// Lasts until the next lease: no put undoes it, neither of the same batch nor of a later one.
    /// A root that has been due for longer keeps its place: of several wakes the earliest counts, so
    /// that one from before the time was set back holds up none that comes after it. Changes neither
    /// the revision nor the header. Of an item that is not there: nothing happens.
    Wake {
        /// Which root.
        key: Key,
    },
}

/// The right to work on a root until an instant, and the token that fences out earlier holders.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Lease {
    /// The root.
    pub key: Key,
    /// Rises with every lease of this root.
    pub token: u64,
    /// When the lease ends, by the store's time.
    pub until: Timestamp,
    /// Since when the root had been due as it was handed out: by its header, or by a wake if that came
    /// first, or since the lease before it ran out. `None` in a lease that was prolonged.
    pub due_since: Option<Timestamp>,
}

impl Lease {
    /// Creates a lease, as a store hands it out.
    pub const fn new(key: Key, token: u64, until: Timestamp) -> Self {
        Self { key, token, until, due_since: None }
    }

    /// Tells since when the root had been due.
    #[must_use]
    pub const fn with_due_since(mut self, since: Timestamp) -> Self {
        self.due_since = Some(since);
        self
    }
}

/// What happens to the lease when its batch is accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Then {
    /// The holder goes on working under it.
    Keep,
    /// It ends; the root is due at its header's `due`, or now if it was woken in between.
    Release,
}

/// A log entry to append. Numbered by the store.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct NewEntry {
    /// The item it belongs to, which the same batch must put.
    pub of: Key,
    /// Versioned JSON text, of at most [`Body::MAX`] bytes.
    pub body: String,
}

impl NewEntry {
    /// Creates an entry for the item `of`.
    pub const fn new(of: Key, body: String) -> Self {
        Self { of, body }
    }
}

/// A log entry.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Entry {
    /// Its number: rises within an item, with gaps.
    pub number: u64,
    /// When it was accepted, by the store's time.
    pub at: Timestamp,
    /// Versioned JSON text.
    pub body: String,
}

impl Entry {
    /// Most entries of one item in one batch.
    pub const PER_BATCH: usize = 1 << 16;

    /// Creates an entry, as a store reads it back.
    pub const fn new(number: u64, at: Timestamp, body: String) -> Self {
        Self { number, at, body }
    }

    /// Returns the number of the entry at `index` among those that the batch which made revision
    /// `counter` appends.
    pub const fn number(counter: u64, index: u16) -> u64 {
        // u16 to u64 widens.
        (counter << 16) | index as u64
    }
}

/// Changes that are accepted together or not at all.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Batch {
    /// Which attempt this is; becomes part of the revisions.
    pub operation: OperationId,
    /// The lease under which it is made, and what becomes of it.
    pub lease: Option<(Lease, Then)>,
    /// The changes; at most one put or delete per key.
    pub writes: Vec<Write>,
    /// The entries to append.
    pub log: Vec<NewEntry>,
}

impl Batch {
    /// Creates an empty batch.
    pub const fn new(operation: OperationId) -> Self {
        Self { operation, lease: None, writes: Vec::new(), log: Vec::new() }
    }

    /// Makes the batch under a lease.
    #[must_use]
    pub fn with_lease(mut self, lease: Lease, then: Then) -> Self {
        self.lease = Some((lease, then));
        self
    }

    /// Adds a change.
    #[must_use]
    pub fn with(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    /// Adds a log entry.
    #[must_use]
    pub fn with_entry(mut self, entry: NewEntry) -> Self {
        self.log.push(entry);
        self
    }
}

/// What became of a batch. Only [`Commit::Done`] changed anything.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Commit {
    /// All of it was accepted.
    Done,
    /// The lease has expired or another one was given: the holder has to stop.
    Fenced,
    /// These items were not as expected.
    Stale(Vec<Key>),
    /// Another item carries these unique keys.
    Taken(Vec<UniqueKey>),
}

/// What to look for; every form is read in a stated order and paged by key.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Filter {
    /// All items of the kind.
    All,
    /// The items of a tenant.
    Tenant(TenantId),
    /// The items about a name.
    Name(String),
    /// The items in a state.
    Status(String),
    /// The items that expire at or before an instant.
    ExpiresBy(Timestamp),
}

/// A question for [`Store::list`].
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Query {
    /// The kind of items.
    pub kind: Kind,
    /// Which of them.
    pub filter: Filter,
    /// The id after which to continue: [`Page::next`] of the page before.
    pub after: Option<String>,
    /// Most items on the page: 1 to 1000; other values are clamped.
    pub limit: u32,
}

impl Query {
    /// Largest page.
    pub const MAX_LIMIT: u32 = 1000;

    /// Creates a query for the first page of 100.
    pub const fn new(kind: Kind, filter: Filter) -> Self {
        Self { kind, filter, after: None, limit: 100 }
    }

    /// Continues after an id.
    #[must_use]
    pub fn with_after(mut self, id: impl Into<String>) -> Self {
        self.after = Some(id.into());
        self
    }

    /// Sets the size of the page.
    #[must_use]
    pub const fn with_limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }
}

/// An answer of [`Store::list`].
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Page {
    /// The items, by rising id.
    pub items: Vec<Item>,
    /// Where to continue; `None` on the last page.
    pub next: Option<String>,
    /// The ids of the items that belong on the page and that the store itself cannot read, rising.
    /// They are left as they are.
    pub unreadable: Vec<String>,
}

impl Page {
    /// Creates a page.
    pub const fn new(items: Vec<Item>, next: Option<String>) -> Self {
        Self { items, next, unreadable: Vec::new() }
    }

    /// Names items that could not be read, by rising id.
    #[must_use]
    pub fn with_unreadable(mut self, ids: Vec<String>) -> Self {
        self.unreadable = ids;
        self
    }

    /// Creates a page of up to `limit` rows of which one more was asked for: items, or the ids of those
    /// that cannot be read.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    fn of_rows(mut rows: Vec<std::result::Result<Item, String>>, limit: usize) -> Self {
        let id = |row: &std::result::Result<Item, String>| match row {
            Ok(item) => item.key.id.clone(),
            Err(id) => id.clone(),
        };
        rows.sort_by_cached_key(id);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let mut page = Self::new(Vec::new(), rows.last().filter(|_| more).map(id));
        for row in rows {
            match row {
                Ok(item) => page.items.push(item),
                Err(id) => page.unreadable.push(id),
            }
        }
        page
    }
}

/// A wish for work.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct LeaseRequest {
    /// The kinds of roots.
    pub kinds: Vec<Kind>,
    /// This one root only, if it is due.
    pub only: Option<Key>,
    /// Most leases: 1 to 1000; other values are clamped.
    pub limit: u32,
    /// How long each lasts.
    pub duration: Duration,
}

impl LeaseRequest {
    /// Largest number of leases in one request.
    pub const MAX_LIMIT: u32 = 1000;

    /// Creates a request for due roots of `kinds`.
    pub fn new(kinds: impl Into<Vec<Kind>>, limit: u32, duration: Duration) -> Self {
        Self { kinds: kinds.into(), only: None, limit, duration }
    }

    /// Creates a request for one root, if it is due.
    pub fn of(key: Key, duration: Duration) -> Self {
        Self { kinds: vec![key.kind], only: Some(key), limit: 1, duration }
    }
}

/// An answer of [`Store::lease`].
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Leased {
    /// The store's time when the leases were given.
    pub now: Timestamp,
    /// The leases, with the items as they were then; the longest due first.
    pub leases: Vec<(Lease, Item)>,
    /// How many more roots were due whose items the store itself cannot read. They are left as they
    /// are, and in nobody's way for as long as their leases would have lasted.
    pub unreadable: usize,
}

impl Leased {
    /// Creates an answer.
    pub const fn new(now: Timestamp, leases: Vec<(Lease, Item)>) -> Self {
        Self { now, leases, unreadable: 0 }
    }

    /// Counts roots that could not be read.
    #[must_use]
    pub const fn with_unreadable(mut self, count: usize) -> Self {
        self.unreadable = count;
        self
    }
}

/// A place that keeps items.
///
/// # Contract
///
/// Each point is a case of `conformance::store`.
///
/// * A batch is accepted as a whole or changes nothing.
/// * A put or delete happens only if the item is in the expected state. Revisions rise by one with
///   each put and carry the operation id of their batch; a wake changes no revision.
/// * A unique key is carried by at most one item; a put replaces those that its item carried.
///   One batch may move a key from one item to another.
/// * A root is handed out to one holder at a time. An expired lease makes its root due again.
/// * Tokens of one root rise, also when it is deleted and created again. A batch under an expired lease, or one that is not the latest, is
///   [`Commit::Fenced`]: this is judged before anything else.
/// * A kept lease stays; a released root is due at its header's `due`; a root that was woken while
///   it was leased is due at once when it is released. A commit without a lease does not end one.
/// * A wake lasts until the next lease of its root: no put undoes it.
/// * A lease tells since when its root had been due, which is what the order of leases goes by.
/// * A deleted root ends its lease, its unique keys and its log.
/// * Entries are numbered by [`Entry::number`], read in order, and trimmed from the front.
/// * An item that is restored has the revision and the log that it is given, takes its unique keys, and
///   goes on from there; nothing is restored over what is there.
/// * All times are the store's: what `now` returns, what leases end by and what is due. Instants in
///   headers are kept to the microsecond, at least.
/// * Bodies are kept to the byte, whatever version they are of.
/// * Methods may be called at the same time.
///
/// One more point is for a test of the store's own, since only that can damage a row: an item that the
/// store itself cannot read holds up nobody else. Leases count it, lists name it and go on behind it, and
/// only who asks for it by its key is told `Malformed`.
///
/// # Cancellation
///
/// A dropped call may have taken effect or not, never in part.
///
/// # Errors
///
/// `Unavailable` when nothing happened, `Unknown` when it may have, `Invalid` for a batch that
/// breaks the rules of its types (two writes of one key, an entry of an item that the batch does
/// not put, a unique key twice in one header, a key or body that is too long), `Malformed` for stored data that cannot be read.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Store`",
    note = "implement the nine methods of `nameplate::store::Store` and run `nameplate::store_conformance!` over it"
)]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Returns the time by which everything is decided; also says that the store is ready.
    async fn now(&self) -> Result<Timestamp>;

    /// Returns the items of these keys, in their order.
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>>;

    /// Returns the items that carry these unique keys, in their order.
    async fn find(&self, unique: &[UniqueKey]) -> Result<Vec<Option<Item>>>;

    /// Returns a page of items, by rising id. What cannot be read is named beside them.
    async fn list(&self, query: &Query) -> Result<Page>;

    /// Makes all changes of a batch, or none.
    async fn commit(&self, batch: Batch) -> Result<Commit>;

    /// Leases roots that are due, the longest due first.
    async fn lease(&self, wanted: &LeaseRequest) -> Result<Leased>;

    /// Prolongs leases to `by` from now; `None` for one that has ended.
    async fn extend(&self, leases: &[Lease], by: Duration) -> Result<Vec<Option<Lease>>>;

    /// Returns up to `limit` entries of an item with a number above `after`, by rising number.
    async fn entries(&self, of: &Key, after: u64, limit: u32) -> Result<Vec<Entry>>;

    /// Drops the entries of an item up to and with the number `through`.
    async fn trim(&self, of: &Key, through: u64) -> Result<()>;

    /// Creates an item as another store had it: with its revision, and its log as it was numbered.
    ///
    /// Else it is a commit of one put that expects no item, in the same words: `Done`, `Stale` with
    /// the item's key, or `Taken`. `log` is by rising number. For moving a platform to another store
    /// without changing what its items refer to.
    ///
    /// # Errors
    ///
    /// As for all methods, `Invalid` also for what [`Item::check_log`] refuses, and `Unsupported`, as
    /// here unless it is implemented, from a store that cannot do it.
    async fn restore(&self, item: &Item, log: &[Entry]) -> Result<Commit> {
        let _ = log;
        let message = format!("this store cannot take over {} from another one", item.key);
        Err(Error::new(ErrorKind::Unsupported, "store", "restore", message))
    }
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<S: Store + ?Sized> Store for $pointer {
            async fn now(&self) -> Result<Timestamp> {
                (**self).now().await
            }

            async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>> {
                (**self).get(keys).await
            }

            async fn find(&self, unique: &[UniqueKey]) -> Result<Vec<Option<Item>>> {
                (**self).find(unique).await
            }

            async fn list(&self, query: &Query) -> Result<Page> {
                (**self).list(query).await
            }

            async fn commit(&self, batch: Batch) -> Result<Commit> {
                (**self).commit(batch).await
            }

            async fn lease(&self, wanted: &LeaseRequest) -> Result<Leased> {
                (**self).lease(wanted).await
            }

            async fn extend(&self, leases: &[Lease], by: Duration) -> Result<Vec<Option<Lease>>> {
                (**self).extend(leases, by).await
            }

            async fn entries(&self, of: &Key, after: u64, limit: u32) -> Result<Vec<Entry>> {
                (**self).entries(of, after, limit).await
            }

            async fn trim(&self, of: &Key, through: u64) -> Result<()> {
                (**self).trim(of, through).await
            }

            async fn restore(&self, item: &Item, log: &[Entry]) -> Result<Commit> {
                (**self).restore(item, log).await
            }
        }
    )*};
}

forward!(Arc<S>, Box<S>);
