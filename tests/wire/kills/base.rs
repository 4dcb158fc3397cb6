//! The store that several processes share: one SQLite file, or a schema of PostgreSQL.

use std::{
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use nameplate::{
    clock::Timestamp,
    error::Result,
    store::{Postgres, Sqlite, Store},
};

/// Where a process finds it.
const FILE: &str = "NAMEPLATE_TEST_FILE";
const DATABASE: &str = "NAMEPLATE_TEST_DATABASE";
const SCHEMA: &str = "NAMEPLATE_TEST_SCHEMA";

#[derive(Clone, Debug)]
pub(super) enum Base {
    /// A file of SQLite.
    Sqlite(PathBuf),
    /// A schema of its own in PostgreSQL.
    Postgres {
        /// The URL of the database.
        url: String,
        /// The name of the schema.
        schema: String,
    },
}

/// A root that is stored, and when it is next worked on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Due {
    /// Whether it is a feed, and not a domain.
    pub(super) is_feed: bool,
    pub(super) id: String,
    pub(super) at: Option<Timestamp>,
}

impl Base {
    /// Returns the base that another process was told of; `None` if it was told of none.
    pub(super) fn told() -> Option<Self> {
        if let Some(file) = env::var_os(FILE) {
            return Some(Self::Sqlite(file.into()));
        }
        Some(Self::Postgres { url: env::var(DATABASE).ok()?, schema: env::var(SCHEMA).ok()? })
    }

    /// Tells another process, which reaches a database at the address `through`.
    pub(super) fn tell(&self, command: &mut Command, through: Option<SocketAddr>) {
        match self {
            Self::Sqlite(file) => command.env(FILE, file),
            Self::Postgres { url, schema } => {
                let url = through.map_or_else(|| url.clone(), |address| at(url, address));
                command.env(DATABASE, url).env(SCHEMA, schema)
            }
        };
    }

    /// Opens the store.
    pub(super) async fn open(&self, wait: Duration) -> Result<Arc<dyn Store>> {
        Ok(match self {
            Self::Sqlite(file) => {
                Arc::new(Sqlite::builder(file).with_busy_timeout(wait).open().await?)
            }
            Self::Postgres { url, schema } => {
                Arc::new(Postgres::builder(url).with_schema(schema).open().await?)
            }
        })
    }

    /// Returns the file of SQLite.
    pub(super) fn file(&self) -> &Path {
        match self {
            Self::Sqlite(file) => file,
            Self::Postgres { .. } => panic!("not a file: {self:?}"),
        }
    }

    /// Returns when each domain and each feed that is stored is next worked on, those of domains that
    /// are gone included.
    ///
    /// Read as an operator would: a root under a lease is wanted when that ends, whenever it is due.
    pub(super) fn dues(&self) -> Vec<Due> {
        let rows = match self {
            Self::Sqlite(file) => rows(file).unwrap(),
            Self::Postgres { url, schema } => {
                let statement = format!(
                    "SELECT kind, id, wanted FROM \"{schema}\".schedule \
                     WHERE kind IN ('domain', 'feed')"
                );
                let lines = psql(url, &statement).unwrap();
                lines.lines().map(read).collect()
            }
        };
        let due = |(kind, id, at): (String, String, Option<i64>)| Due {
            is_feed: kind == "feed",
            id,
            at: at.and_then(Timestamp::from_timestamp_micros),
        };
        rows.into_iter().map(due).collect()
    }

    /// Asserts that nothing is damaged.
    pub(super) async fn is_sound(&self) {
        match self {
            Self::Sqlite(file) => {
                Sqlite::open(file).await.unwrap().integrity_check().await.unwrap();
            }
            Self::Postgres { url, schema } => {
                let statement = format!(
                    "SELECT count(*) FROM (SELECT kind, id FROM \"{schema}\".unique_keys \
                     EXCEPT SELECT kind, id FROM \"{schema}\".items) AS lost"
                );
                assert_eq!(psql(url, &statement).as_deref(), Ok("0"), "keys of nothing");
            }
        }
    }
}

type Row = (String, String, Option<i64>);

fn rows(file: &Path) -> rusqlite::Result<Vec<Row>> {
    let connection = rusqlite::Connection::open(file)?;
    connection.busy_timeout(Duration::from_secs(20))?;
    let mut statement = connection.prepare(
        "SELECT readable.kind, readable.id, wanted FROM readable JOIN items USING (item) \
         WHERE readable.kind IN ('domain', 'feed')",
    )?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
}

/// Reads a line of psql.
fn read(line: &str) -> Row {
    let [kind, id, wanted] = line.split('|').collect::<Vec<_>>()[..] else { panic!("{line}") };
    (kind.to_owned(), id.to_owned(), wanted.parse().ok())
}

/// Runs a statement as the superuser.
pub(super) fn psql(url: &str, statement: &str) -> std::result::Result<String, String> {
    let mut command = Command::new("psql");
    let output = command.args(["--no-psqlrc", "-qAtc", statement, url]).output().unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Returns the port in the URL of a database.
pub(super) fn port(url: &str) -> u16 {
    let host = url.rsplit_once('@').unwrap().1;
    host.split_once('/').unwrap().0.rsplit_once(':').unwrap().1.parse().unwrap()
}

/// Returns the URL of the same database at another address.
fn at(url: &str, other: SocketAddr) -> String {
    let (front, host) = url.rsplit_once('@').unwrap();
    format!("{front}@{other}/{}", host.split_once('/').unwrap().1)
}
