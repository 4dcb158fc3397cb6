//! A schema of one's own in the database of `scripts/test`, gone afterwards.

use std::{thread, time::Duration};

use async_trait::async_trait;
use nameplate::{
    conformance::store::MoveTime,
    id::{OperationId, OsRandom},
    store::{Postgres, PostgresBuilder},
};
use tokio_postgres::{Client, NoTls};

/// Connects without the store.
pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A schema that no other test uses.
pub(crate) struct Database {
    url: String,
    schema: String,
}

impl Database {
    pub(crate) fn new(url: String) -> Self {
        let schema = format!("test_{}", OperationId::random(&OsRandom).unwrap());
        Self { url, schema }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Connects with one more setting.
    #[cfg(feature = "postgres-tls")]
    pub(crate) fn ask_for(&mut self, setting: &str, value: &str) {
        self.url = format!("{}?{setting}={value}", self.url);
    }

    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }

    pub(crate) fn builder(&self) -> PostgresBuilder {
        Postgres::builder(&self.url).with_schema(&self.schema)
    }

    /// Opens a store, and what moves its time.
    pub(crate) async fn open(
        self,
        with: impl FnOnce(PostgresBuilder) -> PostgresBuilder,
    ) -> (Postgres, Time) {
        let store = with(self.builder()).open().await.unwrap();
        (store.clone(), Time { store, _database: self })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        execute(self.url.clone(), format!("DROP SCHEMA IF EXISTS {} CASCADE", self.schema));
    }
}

/// Runs statements within a drop.
fn execute(url: String, statements: String) {
    // Of its own, since this may run within a runtime.
    let done = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            connect(&url).await.batch_execute(&statements).await.unwrap();
        });
    });
    // Of a test that has failed already, that is what counts.
    let _ = done.join();
}

/// What moves the time of a store, and keeps its schema until the test is over.
pub(crate) struct Time {
    store: Postgres,
    _database: Database,
}

#[async_trait]
impl MoveTime for Time {
    async fn advance(&self, by: Duration) {
        self.store.advance(by);
    }

    async fn set_back(&self, by: Duration) -> bool {
        self.store.set_back(by);
        true
    }
}

/// A user who may do nothing but log in, gone afterwards.
pub(super) struct Role {
    admin: String,
    name: String,
}

impl Role {
    pub(super) async fn new(url: &str, password: &str) -> Self {
        let name = format!("test_{}", OperationId::random(&OsRandom).unwrap());
        let create = format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'");
        connect(url).await.batch_execute(&create).await.unwrap();
        Self { admin: url.to_owned(), name }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the URL with which the user logs in by a password.
    pub(super) fn url(&self, password: &str) -> String {
        let mut url: url::Url = self.admin.parse().unwrap();
        url.set_username(&self.name).unwrap();
        url.set_password(Some(password)).unwrap();
        url.into()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let drop = format!("DROP OWNED BY {} CASCADE; DROP ROLE {}", self.name, self.name);
        execute(self.admin.clone(), drop);
    }
}
