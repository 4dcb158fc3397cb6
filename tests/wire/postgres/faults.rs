//! What somebody meets who sets it up: one clear error each, and nothing half done.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use nameplate::{
    error::{Error, ErrorKind},
    store::{Kind, LeaseRequest, Postgres, Store},
};

use super::{
    database::{Database, Role, connect},
    whole,
};
use crate::servers;

/// A part of every password here, which no error may show.
const MARK: &str = "f1ddlest1cks";

/// Opens what cannot be opened, and checks what is said of it.
async fn refused(url: &str, schema: &str, kind: ErrorKind, says: &str) -> Error {
    let error = Postgres::builder(url).with_schema(schema).open().await.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.message().contains(says), "{error}");
    for text in [error.to_string(), format!("{error:?}"), format!("{:?}", source(&error))] {
        assert!(!text.contains(MARK), "{text}");
    }
    error
}

fn source(error: &Error) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}

/// Returns the names of all tables in a schema.
async fn tables(database: &Database) -> Vec<String> {
    let client = connect(database.url()).await;
    let wanted = "SELECT tablename::text FROM pg_tables WHERE schemaname = $1 ORDER BY 1";
    let rows = client.query(wanted, &[&database.schema()]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_url_that_is_none_is_invalid() {
    for url in [
        format!("postgres://user:{MARK}@host:port/database"),
        format!("user=me password={MARK} port=many"),
        "domains.db".to_owned(),
    ] {
        refused(&url, "nameplate", ErrorKind::Invalid, "the URL cannot be read").await;
    }
    let url = format!("user=me password={MARK}");
    refused(&url, "nameplate", ErrorKind::Invalid, "where the server is").await;
    let url = servers::postgres();
    refused(&url, "name plate", ErrorKind::Invalid, "`name plate` is no name").await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://me:{MARK}@127.0.0.1:{port}/platform");
    let place = format!("me@127.0.0.1:{port}/platform, schema nameplate: no connection");
    let error = refused(&url, "nameplate", ErrorKind::Unavailable, &place).await;
    assert!(source(&error).contains("refused"), "{}", source(&error));
}

#[tokio::test]
async fn a_wrong_password_is_denied() {
    let database = Database::new(servers::postgres());
    let role = Role::new(database.url(), "right").await;
    let schema = database.schema();
    for password in [MARK, "%20"] {
        let url = role.url(password);
        refused(&url, schema, ErrorKind::Denied, "the user cannot log in").await;
    }
    let url = role.url("right").replace(":right", "");
    refused(&url, schema, ErrorKind::Denied, "the user cannot log in").await;
}

#[tokio::test]
async fn a_database_that_is_not_there_is_not_found() {
    let mut url: url::Url = servers::postgres().parse().unwrap();
    url.set_path("/nowhere");
    refused(url.as_str(), "a", ErrorKind::NotFound, "there is no such database").await;
}

#[tokio::test]
async fn who_may_not_create_is_told_so_and_nothing_is_left() {
    let database = Database::new(servers::postgres());
    let role = Role::new(database.url(), MARK).await;
    let url = role.url(MARK);
    let says = "the user lacks a permission: permission denied for database";
    refused(&url, database.schema(), ErrorKind::Denied, says).await;
    // The schema is there, and is somebody else's.
    let admin = connect(database.url()).await;
    let schema = database.schema();
    admin.batch_execute(&format!("CREATE SCHEMA {schema}")).await.unwrap();
    let says = format!("permission denied for schema {schema}");
    refused(&url, schema, ErrorKind::Denied, &says).await;
    assert_eq!(tables(&database).await, [""; 0]);
    // Now it may.
    let grant = format!("GRANT CREATE, USAGE ON SCHEMA {schema} TO {}", role.name());
    admin.batch_execute(&grant).await.unwrap();
    let store = Postgres::builder(&url).with_schema(schema).open().await.unwrap();
    store.commit(whole("one")).await.unwrap();
}

#[tokio::test]
async fn who_may_not_write_is_told_what_to_grant() {
    let database = Database::new(servers::postgres());
    database.builder().open().await.unwrap();
    let role = Role::new(database.url(), MARK).await;
    let (url, schema, name) = (role.url(MARK), database.schema(), role.name());
    let admin = connect(database.url()).await;
    let says = format!("permission denied for schema {schema}");
    refused(&url, schema, ErrorKind::Denied, &says).await;
    let some = format!(
        "GRANT USAGE ON SCHEMA {schema} TO {name}; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {name}; \
         GRANT INSERT, UPDATE, DELETE ON {schema}.items, {schema}.schedule TO {name}"
    );
    admin.batch_execute(&some).await.unwrap();
    let says = format!("GRANT SELECT, INSERT, UPDATE, DELETE ON \"{schema}\".log");
    refused(&url, schema, ErrorKind::Denied, &says).await;
    let rest =
        format!("GRANT INSERT, UPDATE, DELETE ON {schema}.log, {schema}.unique_keys TO {name}");
    admin.batch_execute(&rest).await.unwrap();
    let store = Postgres::builder(&url).with_schema(schema).open().await.unwrap();
    store.commit(whole("one")).await.unwrap();
}

#[tokio::test]
async fn tables_of_somebody_else_are_left_alone() {
    for table in ["items", "log", "schedule", "unique_keys"] {
        let database = Database::new(servers::postgres());
        let (admin, schema) = (connect(database.url()).await, database.schema());
        let foreign = format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.{table} (price int)");
        admin.batch_execute(&foreign).await.unwrap();
        let says = "the tables are not those that nameplate makes";
        refused(database.url(), schema, ErrorKind::Malformed, says).await;
        assert_eq!(tables(&database).await, [table]);
        let set = "SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n \
             ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.reloptions IS NOT NULL";
        let rows = admin.query(set, &[&schema]).await.unwrap();
        assert_eq!(rows[0].get::<_, i64>(0), 0, "{table} was tuned");
        // Each statement is on its own then, and what was made before stays; it is refused all the same.
        let error = database.builder().with_distributed(true).open().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
    }
}

#[tokio::test]
async fn tables_of_a_later_version_are_refused_unless_they_are_for_this_one_too() {
    let database = Database::new(servers::postgres());
    let store = database.builder().open().await.unwrap();
    let (admin, schema) = (connect(database.url()).await, database.schema());
    let next = format!(
        "ALTER TABLE {schema}.items ADD COLUMN color text; \
         INSERT INTO {schema}.schema_version VALUES (2, 1, now())"
    );
    admin.batch_execute(&next).await.unwrap();
    let beside = database.builder().open().await.unwrap();
    for (id, store) in [("one", &store), ("two", &beside)] {
        store.commit(whole(id)).await.unwrap();
    }
    let later = format!("INSERT INTO {schema}.schema_version VALUES (3, 2, now())");
    admin.batch_execute(&later).await.unwrap();
    let says = "of version 3, which this nameplate cannot work with: it knows them up to version 1";
    refused(database.url(), schema, ErrorKind::Precondition, says).await;
}

#[tokio::test]
async fn a_server_that_can_only_be_read_is_unavailable() {
    let database = Database::new(servers::postgres());
    database.builder().open().await.unwrap();
    let schema = database.schema();
    let url = format!("{}?options=-c%20default_transaction_read_only%3Don", database.url());
    refused(&url, schema, ErrorKind::Unavailable, "can only be read").await;

    // It becomes so while it is in use, as in a failover.
    let role = Role::new(database.url(), MARK).await;
    let (admin, name) = (connect(database.url()).await, role.name());
    admin.batch_execute(&format!("ALTER ROLE {name} SUPERUSER")).await.unwrap();
    let builder = Postgres::builder(&role.url(MARK)).with_schema(schema);
    let store = builder.with_timer(super::NoWait).open().await.unwrap();
    let off = format!("ALTER ROLE {name} SET default_transaction_read_only = on");
    admin.batch_execute(&off).await.unwrap();
    super::cut(&admin, name).await;
    for error in [
        store.commit(whole("one")).await.unwrap_err(),
        store.lease(&LeaseRequest::new([Kind::Domain], 1, super::LEASE)).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.message().contains("can only be read"), "{error}");
        assert_eq!(error.code(), Some("25006"));
    }
    // The writer is back.
    let on = format!("ALTER ROLE {name} RESET default_transaction_read_only");
    admin.batch_execute(&on).await.unwrap();
    store.commit(whole("one")).await.unwrap();
}

#[tokio::test]
async fn replicas_that_start_at_once_and_twice_make_the_tables_once() {
    for distributed in [false, true] {
        let database = Database::new(servers::postgres());
        for _ in 0..2 {
            let mut replicas = tokio::task::JoinSet::new();
            for _ in 0..6 {
                let builder = database.builder().with_distributed(distributed);
                replicas.spawn(async { builder.with_connections(1).open().await.unwrap() });
            }
            for (id, store) in replicas.join_all().await.iter().enumerate() {
                store.commit(whole(&id.to_string())).await.unwrap();
            }
        }
        let wanted = ["items", "log", "schedule", "schema_version", "unique_keys"];
        assert_eq!(tables(&database).await, wanted);
        let count = format!("SELECT count(*) FROM {}.schema_version", database.schema());
        let rows = connect(database.url()).await.query(&count, &[]).await.unwrap();
        assert_eq!(rows[0].get::<_, i64>(0), 1);
    }
}

#[tokio::test]
async fn tables_that_were_half_made_are_finished() {
    let database = Database::new(servers::postgres());
    let (admin, schema) = (connect(database.url()).await, database.schema());
    // As an engine leaves them that makes each table on its own.
    database.builder().with_distributed(true).open().await.unwrap();
    let half = format!(
        "DELETE FROM {schema}.schema_version; DROP TABLE {schema}.log; DROP INDEX {schema}.items_by_name"
    );
    admin.batch_execute(&half).await.unwrap();
    let store = database.builder().with_distributed(true).open().await.unwrap();
    store.commit(whole("one")).await.unwrap();
    assert_eq!(tables(&database).await.len(), 5);
}

#[tokio::test]
async fn time_is_that_of_the_database_wherever_it_is_asked_from() {
    let database = Database::new(servers::postgres());
    // A worker in another place, whose session goes by another zone.
    let zone = format!("{}?options=-c%20timezone%3DAsia/Kathmandu", database.url());
    let here = database.builder().open().await.unwrap();
    let there = Postgres::builder(&zone).with_schema(database.schema()).open().await.unwrap();
    let clock = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    let admin = connect(database.url()).await;
    let clock = async || admin.query(clock, &[]).await.unwrap()[0].get::<_, i64>(0);
    for store in [here, there] {
        let (before, now, after) = (clock().await, store.now().await.unwrap(), clock().await);
        assert!((before..=after).contains(&now.timestamp_micros()), "{now}");
    }
}

#[cfg(feature = "postgres-tls")]
#[tokio::test]
async fn connections_are_encrypted_if_they_are_to_be() {
    use nameplate::transport::CryptoProvider::Ring;

    let admin = connect(&servers::postgres()).await;
    let sessions = async |name: &str| {
        let encrypted = "SELECT bool_and(s.ssl) FROM pg_stat_ssl AS s JOIN pg_stat_activity AS a \
             ON a.pid = s.pid WHERE a.application_name = $1";
        admin.query(encrypted, &[&name]).await.unwrap()[0].get::<_, Option<bool>>(0)
    };
    let roots = std::fs::read_to_string(servers::postgres_ca()).unwrap();
    let mut database = Database::new(servers::postgres());
    let label = database.schema().to_owned();
    database.ask_for("application_name", &label);
    let store = database.builder().with_tls_roots(Ring, roots.clone()).open().await.unwrap();
    store.commit(whole("one")).await.unwrap();
    assert_eq!(sessions(&label).await, Some(true));

    // Not what the platform trusts, and not a server that does not encrypt.
    let stranger = database.builder().with_tls(Ring).open().await.unwrap_err();
    let pooler = Database::new(servers::pgbouncer());
    let plain = pooler.builder().with_tls_roots(Ring, roots).open().await.unwrap_err();
    let url = format!("{}?sslmode=require", servers::postgres());
    let without = Postgres::builder(&url).open().await.unwrap_err();
    for error in [stranger, plain, without] {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.message().contains("no encrypted connection"), "{error}");
    }
}

#[tokio::test]
async fn the_pool_of_a_platform_is_shared() {
    let (one, two) = (Database::new(servers::postgres()), Database::new(servers::postgres()));
    let manager =
        deadpool_postgres::Manager::new(one.url().parse().unwrap(), tokio_postgres::NoTls);
    let pool = deadpool_postgres::Pool::builder(manager).max_size(1).build().unwrap();
    for database in [&one, &two] {
        let builder = Postgres::builder_with_pool(pool.clone()).with_schema(database.schema());
        let store = builder.open().await.unwrap();
        store.commit(whole("one")).await.unwrap();
        assert_eq!(pool.status().size, 1);
        assert_eq!(format!("{store:?}").matches(database.schema()).count(), 1);
    }
}

#[tokio::test]
async fn to_open_with_a_pool_that_is_used_up_takes_no_longer_than_a_call() {
    // Of a platform that has set no limits of its own.
    let manager = deadpool_postgres::Manager::new(
        servers::postgres().parse().unwrap(),
        tokio_postgres::NoTls,
    );
    let pool = deadpool_postgres::Pool::builder(manager).max_size(1).build().unwrap();
    let _used = pool.get().await.unwrap();
    let builder = Postgres::builder_with_pool(pool).with_timer(super::NoWait);
    let opened = pin!(builder.with_statement_timeout(Duration::from_secs(1)).open());
    // Nothing that it waits for ever comes, but for its own limit.
    let done = opened.poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Err(error)) = done else { panic!("it waits") };
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.message().contains("did not answer in time"), "{error}");
}
