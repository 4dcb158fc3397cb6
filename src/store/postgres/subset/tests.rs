use super::check;
use crate::store::postgres::{
    schema::{STEPS, Schema},
    sql::{Limits, Sql},
};

fn refused(sql: &str, distributed: bool) -> bool {
    check(sql, distributed).is_err()
}

#[test]
fn what_other_engines_do_not_have_is_refused() {
    for sql in [
        "SELECT nextval('a')",
        "CREATE SEQUENCE a",
        "CREATE TABLE a (b bigserial)",
        "CREATE TABLE a (b bigint GENERATED ALWAYS AS IDENTITY)",
        "LISTEN a",
        "SELECT pg_notify('a', 'b')",
        "NOTIFY a",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_try_advisory_xact_lock(1)",
        "SAVEPOINT a",
        "ROLLBACK TO SAVEPOINT a",
        "TRUNCATE a",
        "CREATE INDEX a ON b (c) INCLUDE (d)",
        "CREATE TRIGGER a BEFORE INSERT ON b",
        "CREATE FUNCTION a() RETURNS int LANGUAGE plpgsql",
        "DO 'begin end'",
        "SET statement_timeout = 1",
        "BEGIN; SET search_path = a",
        "PREPARE a AS SELECT 1",
        "LOCK TABLE a",
        "CREATE TEMP TABLE a (b int)",
        "ALTER TABLE a ADD CONSTRAINT b UNIQUE (c) DEFERRABLE",
        "select ctid from a",
        "COPY a FROM STDIN",
        "MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE",
        "SELECT 1 FROM a, LATERAL (SELECT a.b) AS c",
        "CREATE TABLE a (b int, EXCLUDE USING gist (b WITH =))",
        "CREATE TABLE a (b int) TABLESPACE c",
        "SELECT a.xmax, a.tableoid FROM a",
        "CREATE TABLE a (b int, c int GENERATED ALWAYS AS (b + 1) STORED)",
        "CREATE MATERIALIZED VIEW a AS SELECT 1",
        "SELECT pg_sleep(1)",
    ] {
        assert!(refused(sql, false), "{sql}");
    }
}

#[test]
fn two_changes_in_one_statement_are_refused() {
    for sql in [
        "WITH a AS (INSERT INTO b VALUES (1) RETURNING c) DELETE FROM d",
        "WITH a AS (UPDATE b SET c = 1 RETURNING c) UPDATE b SET c = 2",
        "with a as (delete from b returning c) insert into d select c from a",
    ] {
        assert!(refused(sql, false), "{sql}");
    }
    for sql in [
        "INSERT INTO a VALUES (1) ON CONFLICT (b) DO UPDATE SET b = 1",
        "WITH a AS (SELECT 1 FROM b FOR UPDATE) UPDATE b SET c = 1",
        "SELECT 'DELETE FROM a; DELETE FROM b', \"truncate\" FROM c FOR NO KEY UPDATE",
        "BEGIN; SET LOCAL lock_timeout = 1",
        "WITH a AS MATERIALIZED (SELECT 1) INSERT INTO b SELECT 1 ON CONFLICT (c) DO UPDATE \
             SET c = excluded.c",
    ] {
        check(sql, true).unwrap();
    }
}

#[test]
fn distributed_mode_skips_no_locks_and_sets_no_storage_parameters() {
    for sql in [
        "SELECT 1 FROM a FOR UPDATE SKIP LOCKED",
        "ALTER TABLE a SET (fillfactor = 80)",
        "ALTER TABLE a SET (autovacuum_vacuum_threshold = 1)",
    ] {
        check(sql, false).unwrap();
        assert!(refused(sql, true), "{sql}");
    }
}

#[test]
fn every_statement_of_the_store_is_inside() {
    let schema = Schema::new("nameplate").unwrap();
    let limits = Limits { statement: 1, lock: 1, step: 1 };
    Sql::new(&schema, limits, false).unwrap();
    let sql = Sql::new(&schema, limits, true).unwrap();
    assert!(refused(sql.lease.as_str(), true), "the lease is for PostgreSQL itself");
    for step in STEPS {
        assert!(!Sql::file(&schema, step.tables, true).unwrap().is_empty());
        Sql::file(&schema, step.tuning, false).unwrap();
    }
    let error = Sql::file(&schema, "SELECT 1; CREATE SEQUENCE {s}.a", false).unwrap_err();
    assert!(error.message().contains("sequences"), "{error}");
}
