//! Reaching the server that a benchmark is run with.

use std::env;

use tokio_postgres::NoTls;

/// Returns the URL of the server.
pub(crate) fn url() -> String {
    env::var("NAMEPLATE_TEST_POSTGRES").expect("run it by scripts/servers")
}

pub(crate) async fn connect() -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(&url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

pub(crate) async fn execute(sql: &str) {
    connect().await.batch_execute(sql).await.unwrap();
}
