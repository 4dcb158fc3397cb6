//! What somebody would write who uses the driver alone: the same statements, the same settings.

use std::path::Path;

use nameplate::{
    clock::Timestamp,
    id::DomainId,
    store::{UniqueKey, Write},
};
use rusqlite::{Connection, OptionalExtension, Row as Found, Statement, params};
use sha2::{Digest, Sha256};

use crate::{LEASE, held::operation};

const COLUMNS: &str =
    "kind, id, counter, operation, tenant, name, status, expires, due, carries, body";

/// The number of domains.
const DOMAIN: i64 = 4;
/// That of accounts.
const ACCOUNT: i64 = 1;

/// A domain, ready to be bound.
#[derive(Debug)]
pub(crate) struct Row {
    id: [u8; 16],
    tenant: [u8; 16],
    name: String,
    status: String,
    expires: i64,
    due: i64,
    carries: String,
    digests: Vec<[u8; 16]>,
    body: String,
}

fn digest(key: &UniqueKey) -> [u8; 16] {
    Sha256::digest(key.as_str())[..16].try_into().unwrap()
}

impl Row {
    pub(crate) fn of(write: &Write) -> Self {
        let Write::Put { key, header, body, .. } = write else { panic!("{write:?}") };
        Self {
            id: *key.id.parse::<DomainId>().unwrap().as_bytes(),
            tenant: *header.tenant.unwrap().as_bytes(),
            name: header.name.clone().unwrap(),
            status: header.status.clone().unwrap(),
            expires: header.expires.unwrap().timestamp_micros(),
            due: header.due.unwrap().timestamp_micros(),
            carries: "slot/\u{1}/\u{2}\nhold/\u{2}".to_owned(),
            digests: header.unique.iter().map(digest).collect(),
            body: body.as_str().to_owned(),
        }
    }
}

/// An item as it is read.
#[derive(Debug)]
#[expect(dead_code, reason = "what is read is dropped")]
pub(crate) struct Read {
    kind: i64,
    id: [u8; 16],
    counter: i64,
    operation: [u8; 16],
    tenant: Option<[u8; 16]>,
    name: Option<String>,
    status: Option<String>,
    expires: Option<i64>,
    due: Option<i64>,
    carries: Option<String>,
    body: String,
}

fn read(row: &Found<'_>, first: usize) -> rusqlite::Result<Read> {
    Ok(Read {
        kind: row.get(first)?,
        id: row.get(first + 1)?,
        counter: row.get(first + 2)?,
        operation: row.get(first + 3)?,
        tenant: row.get(first + 4)?,
        name: row.get(first + 5)?,
        status: row.get(first + 6)?,
        expires: row.get(first + 7)?,
        due: row.get(first + 8)?,
        carries: row.get(first + 9)?,
        body: row.get(first + 10)?,
    })
}

/// Opens a file with the settings of the store.
pub(crate) fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(concat!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = 2; PRAGMA temp_store = 2; ",
            "PRAGMA cache_size = -16384; PRAGMA journal_size_limit = 67108864; ",
            "PRAGMA trusted_schema = 0; PRAGMA cell_size_check = 1;",
            include_str!("../../src/store/sqlite/schema/1.sql"),
            include_str!("../../src/store/sqlite/schema/2.sql"),
            include_str!("../../src/store/sqlite/schema/3.sql")
        ))
        .unwrap();
    connection
}

/// A file through the driver, with its statements prepared once.
#[derive(Debug)]
pub(crate) struct Driver<'c> {
    begin: Statement<'c>,
    commit: Statement<'c>,
    rollback: Statement<'c>,
    look: Statement<'c>,
    holder: Statement<'c>,
    insert: Statement<'c>,
    take: Statement<'c>,
    find: Statement<'c>,
    due: Statement<'c>,
    lease: Statement<'c>,
    /// Whether nothing was due the last time.
    idle: bool,
}

impl<'c> Driver<'c> {
    pub(crate) fn new(connection: &'c Connection) -> Self {
        let prepare = |sql: &str| connection.prepare(sql).unwrap();
        Self {
            begin: prepare("BEGIN IMMEDIATE"),
            commit: prepare("COMMIT"),
            rollback: prepare("ROLLBACK"),
            look: prepare(
                "SELECT item, counter, operation, token, carries, tenant, name FROM items \
                 WHERE kind = ?1 AND id = ?2",
            ),
            holder: prepare("SELECT item FROM unique_keys WHERE digest = ?1"),
            insert: prepare(
                "INSERT INTO items (kind, id, counter, operation, tenant, name, status, expires, \
                 due, carries, body, token) \
                 VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, \
                 (SELECT token FROM items WHERE item = 0))",
            ),
            take: prepare("INSERT INTO unique_keys (digest, item) VALUES (?1, ?2)"),
            find: prepare(&format!(
                "SELECT {COLUMNS} FROM items \
                 WHERE item = (SELECT item FROM unique_keys WHERE digest = ?1)"
            )),
            due: prepare(
                "SELECT EXISTS (SELECT 1 FROM items WHERE kind = ?2 AND wanted <= ?1) \
                 OR EXISTS (SELECT 1 FROM items WHERE kind = ?3 AND wanted <= ?1)",
            ),
            lease: prepare(&format!(
                "UPDATE items \
                 SET due_since = wanted, token = token + 1, leased_until = ?2, woken = NULL \
                 WHERE item IN (SELECT item FROM (\
                    SELECT * FROM (SELECT item, wanted FROM items \
                    WHERE kind = ?4 AND wanted <= ?1 ORDER BY wanted LIMIT ?3) \
                    UNION ALL \
                    SELECT * FROM (SELECT item, wanted FROM items \
                    WHERE kind = ?5 AND wanted <= ?1 ORDER BY wanted LIMIT ?3) \
                    ORDER BY wanted LIMIT ?3)) \
                 RETURNING due_since, token, {COLUMNS}"
            )),
            idle: false,
        }
    }

    /// Adds domains in one transaction, each if nothing stands in the way.
    pub(crate) fn add(&mut self, rows: &[Row]) {
        self.begin.execute([]).unwrap();
        for row in rows {
            assert!(!self.look.exists(params![DOMAIN, row.id]).unwrap());
            for digest in &row.digests {
                assert!(!self.holder.exists([digest]).unwrap());
            }
            let item = self
                .insert
                .insert(params![
                    DOMAIN,
                    row.id,
                    operation().as_bytes(),
                    row.tenant,
                    row.name,
                    row.status,
                    row.expires,
                    row.due,
                    row.carries,
                    row.body
                ])
                .unwrap();
            for digest in &row.digests {
                self.take.execute(params![digest, item]).unwrap();
            }
        }
        self.commit.execute([]).unwrap();
    }

    /// Reads what carries a unique key.
    pub(crate) fn find(&mut self, key: &UniqueKey) -> Option<Read> {
        self.find.query_row([digest(key)], |row| read(row, 0)).optional().unwrap()
    }

    /// Leases what is due, and returns how many that were. Where nothing was the last time it looks
    /// before it takes the lock for writing.
    pub(crate) fn lease(&mut self, now: Timestamp, limit: u32) -> usize {
        if self.idle {
            let wanted = params![now.timestamp_micros(), ACCOUNT, DOMAIN];
            let due: bool = self.due.query_row(wanted, |row| row.get(0)).unwrap();
            if !due {
                return 0;
            }
        }
        self.begin.execute([]).unwrap();
        let until = (now + LEASE).timestamp_micros();
        let mut leased: Vec<(i64, i64, Read)> = self
            .lease
            .query_map(params![now.timestamp_micros(), until, limit, ACCOUNT, DOMAIN], |row| {
                Ok((row.get(0)?, row.get(1)?, read(row, 2)?))
            })
            .unwrap()
            .map(Result::unwrap)
            .collect();
        leased.sort_by_key(|(since, ..)| *since);
        self.idle = leased.is_empty();
        let end = if self.idle { &mut self.rollback } else { &mut self.commit };
        end.execute([]).unwrap();
        leased.len()
    }
}
