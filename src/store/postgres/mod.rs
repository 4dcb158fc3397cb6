//! A store on PostgreSQL, or on an engine that speaks its protocol.

mod builder;
mod columns;
mod commit;
mod failure;
mod lease;
mod link;
mod place;
mod plan;
mod read;
mod row;
mod schema;
mod sql;
mod subset;

#[cfg(all(test, feature = "__servers"))]
mod tests;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use deadpool_postgres::Pool;

pub use self::builder::PostgresBuilder;
use self::{
    place::Places,
    schema::{Schema, Step},
    sql::{Limits, Sql},
};
use super::{
    Batch, Commit, Entry, Item, Key, Lease, LeaseRequest, Leased, Page, Query, Store, UniqueKey,
};
use crate::{
    clock::{Timer, Timestamp},
    error::{Error, ErrorKind, Result},
    id::Random,
};

const COMPONENT: &str = "postgres";

/// Most bytes of a batch. The server takes a message of up to 1 GiB, which holds all texts of one column,
/// and needs a multiple of it to work that off.
const LARGEST: usize = 512 * 1024 * 1024;

/// A store in a schema of a PostgreSQL database, which any number of processes share.
///
/// ```no_run
/// # async fn example() -> nameplate::Result<()> {
/// use nameplate::store::Postgres;
///
/// let store = Postgres::connect("postgres://platform:secret@db.example.net/platform").await?;
/// # drop(store);
/// # Ok(())
/// # }
/// ```
///
/// Needs a tokio runtime: each connection has a task there that reads and writes it, which the driver
/// starts. Clones share the pool of connections.
///
/// # Time
///
/// All times are those of the database, so that replicas whose clocks differ agree on what is due and
/// which lease has ended. No decision is made by the clock of a worker.
///
/// # Durability
///
/// What a commit has answered is as safe as the server makes it: `synchronous_commit` is left as it is
/// set there. A commit whose answer was lost, since the connection broke, is looked for by its operation
/// and tried again if it did not happen; it is `Unknown` only when neither can be told.
///
/// # Poolers
///
/// Nothing is kept on a connection between two transactions: no prepared statements, no settings of a
/// session, no locks. PgBouncer in transaction mode may stand in between.
///
/// # The tables
///
/// `items`, `schedule`, `unique_keys`, `log` and `schema_version`, to be read with any shell: kinds, ids
/// and bodies are text, instants are microseconds since 1970. `docs/postgres.md` says more.
#[derive(Clone)]
pub struct Postgres(Arc<Shared>);

/// What all clones have in common.
struct Shared {
    pool: Pool,
    /// Who is asked for what, in words for people.
    place: String,
    schema: Schema,
    sql: Sql,
    distributed: bool,
    /// Microseconds by which the time is ahead of that of the database.
    ahead: AtomicI64,
    /// Where polls begin.
    places: Places,
    /// How long one attempt of a call may take.
    patience: Duration,
    /// Most bytes of a batch.
    largest: usize,
    timer: Arc<dyn Timer>,
    random: Arc<dyn Random>,
}

/// What [`Shared`] is made of.
struct Settings {
    pool: Pool,
    place: String,
    schema: Schema,
    distributed: bool,
    statement: Duration,
    lock: Duration,
    timer: Arc<dyn Timer>,
    random: Arc<dyn Random>,
}

impl Shared {
    fn new(settings: Settings) -> Result<Self> {
        // 0 would be no limit at all, and PostgreSQL counts in an i32.
        let millis = |limit: Duration| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let millis = |limit| millis(limit).clamp(1, 2_000_000_000);
        let Settings { pool, place, schema, distributed, statement, lock, timer, random } =
            settings;
        let step = millis(schema::CHANGING.max(statement));
        let limits = Limits { statement: millis(statement), lock: millis(lock), step };
        Ok(Self {
            pool,
            place,
            sql: Sql::new(&schema, limits, distributed)?,
            schema,
            distributed,
            ahead: AtomicI64::new(0),
            places: Places::default(),
            patience: statement.saturating_mul(3),
            largest: LARGEST,
            timer,
            random,
        })
    }

    fn error(&self, kind: ErrorKind, operation: &'static str, message: impl Into<String>) -> Error {
        Error::new(kind, COMPONENT, operation, message)
    }

    /// Returns the first parameter of every statement that asks for the time.
    fn ahead(&self) -> i64 {
        self.ahead.load(Ordering::Relaxed)
    }
}

impl Postgres {
    /// Connects to the database that a URL names, with a pool of at most 16 connections, and makes the
    /// tables in the schema `nameplate` or brings them up to date.
    ///
    /// A URL like `postgres://user:password@host:5432/database`, or settings like `host=.. user=..`. The
    /// connections are not encrypted unless the builder is told so.
    ///
    /// # Errors
    ///
    /// * `Invalid`: the URL cannot be read, or the name of the schema is none.
    /// * `Denied`: the user cannot log in, or may not make the tables or write to them.
    /// * `NotFound`: there is no such database.
    /// * `Malformed`: the tables are not those that nameplate makes.
    /// * `Precondition`: the tables are of a later version.
    /// * `Unavailable`: the server is not there, starts or stops, or can only be read.
    /// * `Unsupported`: the server is older than version 13, or its text is not UTF-8.
    ///
    /// The database is then as it was before.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::builder(url).open().await
    }

    /// Prepares to connect in another way.
    pub fn builder(url: &str) -> PostgresBuilder {
        PostgresBuilder::of_url(url)
    }

    /// Prepares to use the connections of a pool that the platform has already.
    ///
    /// Its size, timeouts and encryption are the platform's.
    pub fn builder_with_pool(pool: Pool) -> PostgresBuilder {
        PostgresBuilder::of_pool(pool)
    }

    async fn start(shared: Shared, steps: &'static [Step]) -> Result<Self> {
        shared.prepare(steps).await?;
        Ok(Self(Arc::new(shared)))
    }

    /// Says how the database finds what is due, what that takes and how many pages it looks at: the answer
    /// of `EXPLAIN (ANALYZE, BUFFERS)`, line by line. Nothing is leased.
    ///
    /// For whoever wonders why leasing is slow; `docs/postgres.md` says what to look for.
    ///
    /// # Errors
    ///
    /// `Unsupported` in distributed mode, whose engines explain in other ways; else as
    /// [`lease`](Store::lease).
    pub async fn explain_lease(&self, wanted: &LeaseRequest) -> Result<Vec<String>> {
        self.0.explain_lease(wanted).await
    }

    /// Makes time pass for this store and its clones: the database goes by its own clock.
    ///
    /// **For tests only**, and so only there with the features that tests need: every lease that others
    /// hold ends early for this process.
    #[cfg(any(test, feature = "conformance", feature = "testkit"))]
    pub fn advance(&self, by: Duration) {
        self.0.ahead.fetch_add(row::length(by), Ordering::Relaxed);
    }

    /// Sets the time back for this store and its clones.
    ///
    /// **For tests only**, as [`advance`](Self::advance): every lease that others hold lasts longer for
    /// this process.
    #[cfg(any(test, feature = "conformance", feature = "testkit"))]
    pub fn set_back(&self, by: Duration) {
        self.0.ahead.fetch_sub(row::length(by), Ordering::Relaxed);
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the pool, whose settings hold a password.
        f.debug_tuple("Postgres").field(&self.0.place).finish()
    }
}

#[async_trait]
impl Store for Postgres {
    async fn now(&self) -> Result<Timestamp> {
        self.0.now().await
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>> {
        self.0.get(keys).await
    }

    async fn find(&self, unique: &[UniqueKey]) -> Result<Vec<Option<Item>>> {
        self.0.find(unique).await
    }

    async fn list(&self, query: &Query) -> Result<Page> {
        self.0.list(query).await
    }

    async fn commit(&self, batch: Batch) -> Result<Commit> {
        batch.check(COMPONENT)?;
        self.0.commit(&batch).await
    }

    async fn lease(&self, wanted: &LeaseRequest) -> Result<Leased> {
        self.0.lease(wanted).await
    }

    async fn extend(&self, leases: &[Lease], by: Duration) -> Result<Vec<Option<Lease>>> {
        self.0.extend(leases, by).await
    }

    async fn entries(&self, of: &Key, after: u64, limit: u32) -> Result<Vec<Entry>> {
        self.0.entries(of, after, limit).await
    }

    async fn trim(&self, of: &Key, through: u64) -> Result<()> {
        self.0.trim(of, through).await
    }

    async fn restore(&self, item: &Item, log: &[Entry]) -> Result<Commit> {
        item.check_log(log, COMPONENT)?;
        let batch = item.restoring();
        batch.check(COMPONENT)?;
        self.0.restore(item, &batch, log).await
    }
}
