//! Where the life of every domain is kept: one generic item, ten methods.
//!
//! A store knows nothing of domains. It keeps [`Item`]s: a key, a revision, a [`Header`] that can be
//! queried and a body that it does not look into. Everything else (leases, unique keys, the log)
//! exists so that many workers can share the items without losing or repeating anything.

mod check;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod switch;

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{OperationId, TenantId},
};

pub use memory::InMemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::{Postgres, PostgresBuilder};
#[cfg(feature = "sqlite")]
pub use sqlite::{Durability, Sqlite, SqliteBuilder};
pub use switch::{Copied, Relocated, Relocation, Switch};

/// The kinds of items.
///
/// *Roots* have a due time and take leases. *Satellites* belong to a root and are written only
/// together with it or under its lease. The engine keeps that rule; a store treats all alike.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// Root: an account at a certificate authority.
    Account,
    /// Satellite: what a validation server is told over HTTP.
    Answer,
    /// Satellite: a certificate.
    Certificate,
    /// Root: a tenant's claim on a name.
    Domain,
    /// Root: how far what happened to a domain was told to those who subscribed.
    Feed,
    /// Satellite: a sealed private key.
    Key,
    /// Neither: what was spent of a budget that many roots share. Compared and set.
    Ledger,
    /// Satellite: a certificate order.
    Order,
    /// Neither: an operator's order to leave a tenant or a service alone.
    Pause,
    /// Root: a purchase at a registrar.
    Registration,
    /// Neither: by which keys secrets are sealed. Compared and set.
    Sealing,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Account,
        Self::Answer,
        Self::Certificate,
        Self::Domain,
        Self::Feed,
        Self::Key,
        Self::Ledger,
        Self::Order,
        Self::Pause,
        Self::Registration,
        Self::Sealing,
    ];

    /// Returns whether it is a root: with a due time, and worked on under a lease.
    pub const fn is_root(self) -> bool {
        matches!(self, Self::Account | Self::Domain | Self::Feed | Self::Registration)
    }

    /// Returns all kinds, roots last: what is copied in this order and interrupted has no root without
    /// what belongs to it.
    pub(crate) fn roots_last() -> impl Iterator<Item = Self> {
        let (roots, satellites): (Vec<_>, Vec<_>) =
            Self::ALL.into_iter().partition(|it| it.is_root());
        satellites.into_iter().chain(roots)
    }

    /// Returns the stored name, which never changes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Answer => "answer",
            Self::Certificate => "certificate",
            Self::Domain => "domain",
            Self::Feed => "feed",
            Self::Key => "key",
            Self::Ledger => "ledger",
            Self::Order => "order",
            Self::Pause => "pause",
            Self::Registration => "registration",
            Self::Sealing => "sealing",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
            Error::new(ErrorKind::Malformed, "store", "read", format!("unknown kind `{text}`"))
        })
    }
}

/// What an item is called: its kind, and an id that is unique within the kind.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[non_exhaustive]
pub struct Key {
    /// The kind.
    pub kind: Kind,
    /// The id: 1 to 200 printable ASCII characters.
    pub id: String,
}

impl Key {
    /// Longest id, in bytes.
    pub const MAX_ID: usize = 200;

    /// Creates a key.
    pub fn new(kind: Kind, id: impl fmt::Display) -> Self {
        Self { kind, id: id.to_string() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.id)
    }
}

/// Which state of an item was seen.
///
/// The counter rises by one with every put. The operation id says which batch wrote it: it
/// resolves a commit whose answer was lost, and tells an item from another one that was deleted
/// and created again under the same key.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Revision {
    /// 1 for a new item.
    pub counter: u64,
    /// The batch that wrote it.
    pub operation: OperationId,
}

impl Revision {
    /// Creates a revision, as a store reads it back.
    pub const fn new(counter: u64, operation: OperationId) -> Self {
        Self { counter, operation }
    }
}

/// A value that at most one item may carry, such as "the holder of this name".
///
/// Compared by bytes. 1 to 600 bytes of printable ASCII.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct UniqueKey(String);

impl UniqueKey {
    /// Longest key, in bytes.
    pub const MAX: usize = 600;

    /// Creates a key of a named space and the parts that identify the thing in it.
    ///
    /// The parts are joined with `/`; a part must not contain one unless it is the last.
    pub fn new(space: &str, parts: &[&str]) -> Self {
        let length: usize = parts.iter().map(|part| part.len() + 1).sum();
        let mut text = String::with_capacity(space.len() + length);
        text.push_str(space);
        for part in parts {
            text.push('/');
            text.push_str(part);
        }
        Self(text)
    }

    /// Returns the text, as a store keeps it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The part of an item that a store can search.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Header {
    /// Whose it is; `None` for what belongs to the platform.
    pub tenant: Option<TenantId>,
    /// The name it is about.
    pub name: Option<String>,
    /// A short state.
    pub status: Option<String>,
    /// When it stops being good.
    pub expires: Option<Timestamp>,
    /// When it wants attention: roots only. `None` is never.
    pub due: Option<Timestamp>,
    /// The unique keys that it carries, each once. A put replaces the whole list.
    pub unique: Vec<UniqueKey>,
}

/// What an item holds: versioned JSON text, opaque to the store, readable to an operator.
///
/// Clones share the text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Body(Arc<str>);

impl Body {
    /// Longest body, in bytes. A store must take this much.
    pub const MAX: usize = 256 * 1024;

    /// Takes the text over.
    pub fn new(text: String) -> Self {
        Self(text.into())
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// A stored item.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Item {
    /// What it is called.
    pub key: Key,
    /// Which state this is.
    pub revision: Revision,
    /// What can be searched.
    pub header: Header,
    /// What it holds.
    pub body: Body,
}

impl Item {
    /// Creates an item, as a store reads it back.
    pub const fn new(key: Key, revision: Revision, header: Header, body: Body) -> Self {
        Self { key, revision, header, body }
    }
}

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
    /// A root that has been due for longer keeps its place. Changes neither the revision nor the
    /// header. Of an item that is not there: nothing happens.
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
}

impl Page {
    /// Creates a page.
    pub const fn new(items: Vec<Item>, next: Option<String>) -> Self {
        Self { items, next }
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

    /// Returns a page of items, by rising id.
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
