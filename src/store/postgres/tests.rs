//! Upgrades, by versions of the tables that are for these tests alone, on a real server.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

use std::env;

use tokio_postgres::NoTls;

use super::{
    Postgres, PostgresBuilder,
    schema::{STEPS, Step},
};
use crate::{
    clock::Timestamp,
    error::ErrorKind,
    id::{OperationId, OsRandom},
    store::{
        Batch, Body, Commit, Expect, Header, Key, Kind, LeaseRequest, NewEntry, Store, Then,
        UniqueKey, Write,
    },
};

const FIRST: Step = match STEPS {
    [first, ..] => *first,
    [] => panic!("there are no tables"),
};

/// The version after the first one: it adds and takes nothing away.
const NEXT: &[Step] = &[
    FIRST,
    Step {
        oldest: 1,
        tables: "ALTER TABLE {s}.items ADD COLUMN IF NOT EXISTS color text; \
             CREATE INDEX IF NOT EXISTS items_by_color ON {s}.items (color) WHERE color IS NOT NULL; \
             CREATE TABLE IF NOT EXISTS {s}.colors (color text PRIMARY KEY)",
        tuning: "ALTER TABLE {s}.colors SET (fillfactor = 90)",
    },
];

/// One that stores of the first version cannot work with.
const OTHER: &[Step] = &[
    FIRST,
    Step {
        oldest: 2,
        tables: "ALTER TABLE {s}.items ADD COLUMN IF NOT EXISTS color text NOT NULL DEFAULT ''; \
             ALTER TABLE {s}.items ALTER COLUMN color DROP DEFAULT",
        tuning: "",
    },
];

/// One that tells within which limits it was made.
const TELLING: &[Step] = &[
    FIRST,
    Step {
        oldest: 1,
        tables: "CREATE TABLE IF NOT EXISTS {s}.limits AS \
             SELECT current_setting('statement_timeout') AS statement, \
             current_setting('lock_timeout') AS lock",
        tuning: "",
    },
];

/// One that fails half way.
const BROKEN: &[Step] = &[
    FIRST,
    Step {
        oldest: 1,
        tables: "ALTER TABLE {s}.items ADD COLUMN IF NOT EXISTS color text; \
             ALTER TABLE {s}.nowhere ADD COLUMN color text",
        tuning: "",
    },
];

struct Database {
    url: String,
    schema: String,
}

impl Database {
    fn new() -> Self {
        let url = env::var("NAMEPLATE_TEST_POSTGRES");
        let url = url.expect("NAMEPLATE_TEST_POSTGRES is not set: run scripts/test");
        Self { url, schema: format!("test_{}", OperationId::random(&OsRandom).unwrap()) }
    }

    fn builder(&self, distributed: bool) -> PostgresBuilder {
        let builder = Postgres::builder(&self.url).with_schema(&self.schema);
        builder.with_distributed(distributed).with_connections(2)
    }

    async fn execute(&self, sql: &str) {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&sql.replace("{s}", &self.schema)).await.unwrap();
    }

    /// Removes everything. A test that fails leaves it for whoever looks into it.
    async fn drop(self) {
        self.execute("DROP SCHEMA {s} CASCADE").await;
    }
}

/// Does with a store all that changes rows.
async fn works(store: &Postgres, id: &str) {
    let operation = || OperationId::random(&OsRandom).unwrap();
    let key = Key::new(Kind::Domain, id);
    let header = Header {
        due: Some(Timestamp::UNIX_EPOCH),
        unique: vec![UniqueKey::new("test", &[id])],
        ..Header::default()
    };
    let put = |expect, header| Write::Put {
        key: key.clone(),
        expect,
        header,
        body: Body::new("{}".to_owned()),
    };
    let entry = || NewEntry::new(key.clone(), "{}".to_owned());
    let create = Batch::new(operation()).with(put(Expect::Absent, header)).with_entry(entry());
    assert_eq!(store.commit(create).await.unwrap(), Commit::Done);
    let wanted = LeaseRequest::of(key.clone(), std::time::Duration::from_secs(600));
    let (lease, item) = store.lease(&wanted).await.unwrap().leases.remove(0);
    let rest = put(Expect::Revision(item.revision), Header::default());
    let change = Batch::new(operation()).with(rest).with_lease(lease, Then::Release);
    assert_eq!(store.commit(change.with_entry(entry())).await.unwrap(), Commit::Done);
    let wake = Batch::new(operation()).with(Write::Wake { key: key.clone() });
    assert_eq!(store.commit(wake).await.unwrap(), Commit::Done);
    assert_eq!(store.entries(&key, 0, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_upgrade_happens_while_both_versions_work() {
    for distributed in [false, true] {
        let database = Database::new();
        let first = database.builder(distributed).open_with(STEPS).await.unwrap();
        works(&first, "before").await;

        // Replicas of the next version start at once while one of this version goes on.
        let (one, two, ()) = tokio::join!(
            database.builder(distributed).open_with(NEXT),
            database.builder(distributed).open_with(NEXT),
            async {
                for round in 0..20 {
                    works(&first, &format!("meanwhile {round}")).await;
                }
            },
        );
        let second = one.unwrap();
        two.unwrap();
        database.execute("INSERT INTO {s}.colors VALUES ('red')").await;
        for (number, store) in [&first, &second, &first, &second].into_iter().enumerate() {
            works(store, &format!("beside {number}")).await;
        }
        let keys: Vec<Key> =
            ["before", "beside 0"].iter().map(|id| Key::new(Kind::Domain, id)).collect();
        assert_eq!(second.get(&keys).await.unwrap(), first.get(&keys).await.unwrap());

        // One of this version is started again, as when the upgrade is taken back.
        let again = database.builder(distributed).open_with(STEPS).await.unwrap();
        works(&again, "again").await;
        database.builder(distributed).open_with(NEXT).await.unwrap();
        database.drop().await;
    }
}

#[tokio::test]
async fn what_an_older_store_cannot_work_with_is_left_alone_by_it() {
    let database = Database::new();
    let next = database.builder(false).open_with(OTHER).await.unwrap();
    let error = database.builder(false).open_with(STEPS).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition, "{error}");
    assert!(error.message().contains("version 2"), "{error}");
    assert!(next.now().await.is_ok());
    database.drop().await;
}

#[tokio::test]
async fn an_upgrade_that_fails_leaves_all_as_it_was() {
    let database = Database::new();
    let first = database.builder(false).open_with(STEPS).await.unwrap();
    let error = database.builder(false).open_with(BROKEN).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
    // The column is not there, or this would fail.
    database.execute("ALTER TABLE {s}.items ADD COLUMN color text").await;
    works(&first, "after").await;
    database.builder(false).open_with(NEXT).await.unwrap();
    database.drop().await;
}

#[tokio::test]
async fn a_step_may_take_longer_than_a_statement_and_waits_no_longer_for_a_lock() {
    let database = Database::new();
    database.builder(false).open_with(TELLING).await.unwrap();
    // Divided by nothing, and so refused, unless they are as expected.
    database
        .execute(
            "SELECT 1 / (SELECT count(*) FROM {s}.limits \
             WHERE statement = '1h' AND lock = '5s')",
        )
        .await;
    database.drop().await;
}
