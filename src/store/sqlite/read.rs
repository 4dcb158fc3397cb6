//! What is read, on the thread of the database and where it is asked.

use rusqlite::{Connection, Rows, Statement, params};

use super::{
    failure::Failure,
    row::{self, Id, after_id, columns, count, digest, instant, kind_number, micros, number},
};
use crate::{
    clock::Timestamp,
    store::{Entry, Filter, Item, Key, Kind, Page, Query, UniqueKey},
};

/// The status of most domains, which no index holds.
const USUAL_STATUS: &str = "active";

/// How items of a list are chosen, in the order of an index.
macro_rules! list {
    ($index:literal, $filter:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM items INDEXED BY ",
            $index,
            " WHERE ",
            $filter,
            " AND id >= ?3 AND id < ?4 ORDER BY id LIMIT ?5"
        )
    };
}

/// How items of a list are chosen whose index has another order: they are sorted without bodies.
macro_rules! sorted {
    ($index:literal, $filter:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM items WHERE item IN (SELECT item FROM items INDEXED BY ",
            $index,
            " WHERE ",
            $filter,
            " AND id >= ?3 AND id < ?4 ORDER BY id LIMIT ?5) ORDER BY id"
        )
    };
}

const BEGIN: &str = "BEGIN";
const ROLLBACK: &str = "ROLLBACK";
const VERSION: &str = "PRAGMA user_version";
const GET: &str = concat!("SELECT ", columns!(), " FROM items WHERE kind = ?1 AND id = ?2");
const FIND: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM items WHERE item = (SELECT item FROM unique_keys WHERE digest = ?1)"
);
const ALL: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM items WHERE kind = ?1 AND id >= ?2 AND id < ?3 ORDER BY id LIMIT ?4"
);
const BY_TENANT: &str = list!("items_by_tenant", "kind = ?1 AND tenant = ?2");
const BY_NAME: &str = sorted!("items_by_name", "kind = ?1 AND name = ?2");
// As in the index, which is taken only then.
const BY_STATUS: &str =
    list!("items_by_status", "kind = ?1 AND status = ?2 AND NOT (kind = 4 AND status = 'active')");
const BY_USUAL_STATUS: &str = list!("items_by_key", "kind = ?1 AND status = ?2");
const BY_EXPIRES: &str = sorted!("items_by_expires", "kind = ?1 AND expires <= ?2");
const ENTRIES: &str = "SELECT number, at, body FROM log \
    WHERE item = (SELECT item FROM items WHERE kind = ?1 AND id = ?2) \
    AND number > ?3 ORDER BY number LIMIT ?4";
/// Of up to as many kinds as there are roots; those that are NULL find nothing.
const DUE: &str = "SELECT EXISTS (SELECT 1 FROM items WHERE kind = ?2 AND wanted <= ?1) \
    OR EXISTS (SELECT 1 FROM items WHERE kind = ?3 AND wanted <= ?1) \
    OR EXISTS (SELECT 1 FROM items WHERE kind = ?4 AND wanted <= ?1) \
    OR EXISTS (SELECT 1 FROM items WHERE kind = ?5 AND wanted <= ?1)";

/// Every statement of this file, with the index that it should use.
const STATEMENTS: [(&str, &str); 13] = [
    ("", BEGIN),
    ("", ROLLBACK),
    ("", VERSION),
    ("items_by_key", GET),
    ("INTEGER PRIMARY KEY", FIND),
    ("items_by_key", ALL),
    ("items_by_tenant", BY_TENANT),
    ("items_by_name", BY_NAME),
    ("items_by_status", BY_STATUS),
    ("items_by_key", BY_USUAL_STATUS),
    ("items_by_expires", BY_EXPIRES),
    ("items_by_key", ENTRIES),
    ("items_by_wanted", DUE),
];

/// Prepares everything, which also finds tables that are not as they should be.
pub(super) fn prepare(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS.len());
    STATEMENTS.iter().try_for_each(|(_, sql)| connection.prepare_cached(sql).map(drop))
}

/// Returns once it is certain that the file can be read.
pub(super) fn probe(connection: &Connection) -> Result<(), Failure> {
    let _: i64 = connection.prepare_cached(VERSION)?.query_row([], |row| row.get(0))?;
    Ok(())
}

pub(super) fn get(connection: &Connection, keys: &[Key]) -> Result<Vec<Option<Item>>, Failure> {
    each(connection, GET, keys, |statement, key| {
        one(statement.query(params![kind_number(key.kind), Id::of(&key.id)])?)
    })
}

pub(super) fn find(
    connection: &Connection,
    unique: &[UniqueKey],
) -> Result<Vec<Option<Item>>, Failure> {
    each(connection, FIND, unique, |statement, key| one(statement.query([digest(key)])?))
}

pub(super) fn list(connection: &Connection, query: &Query) -> Result<Page, Failure> {
    let limit = query.limit.clamp(1, Query::MAX_LIMIT);
    // One more than asked for tells whether there is another page.
    let most = i64::from(limit).saturating_add(1);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let kind = kind_number(query.kind);
    let mut found = Vec::new();
    let mut statement = connection.prepare_cached(match &query.filter {
        Filter::All => ALL,
        Filter::Tenant(_) => BY_TENANT,
        Filter::Name(_) => BY_NAME,
        Filter::Status(_) if is_walked(query) => BY_USUAL_STATUS,
        Filter::Status(_) => BY_STATUS,
        Filter::ExpiresBy(_) => BY_EXPIRES,
    })?;
    together(connection, || {
        for (from, to) in after_id(query.after.as_deref()) {
            let mut rows = match &query.filter {
                Filter::All => statement.query(params![kind, from, to, most]),
                Filter::Tenant(tenant) => {
                    statement.query(params![kind, tenant.as_bytes(), from, to, most])
                }
                Filter::Name(text) | Filter::Status(text) => {
                    statement.query(params![kind, text, from, to, most])
                }
                Filter::ExpiresBy(at) => {
                    statement.query(params![kind, micros(*at), from, to, most])
                }
            }?;
            while let Some(row) = rows.next()? {
                found.push(match row::item(row, 0) {
                    // One row must not hide all others.
                    Err(Failure::Stored(_)) => Err(row::item_id(row)?),
                    item => Ok(item?),
                });
            }
        }
        Ok(())
    })?;
    Ok(Page::of_rows(found, limit))
}

/// Returns whether a list walks past items that are not on it, since no index holds them alone.
fn is_walked(query: &Query) -> bool {
    let Filter::Status(status) = &query.filter else { return false };
    query.kind == Kind::Domain && status == USUAL_STATUS
}

/// Returns whether what a list costs is told by its length.
pub(super) fn is_plain(query: &Query) -> bool {
    match query.filter {
        Filter::All | Filter::Tenant(_) => true,
        Filter::Status(_) => !is_walked(query),
        // All that there are are sorted first.
        Filter::Name(_) | Filter::ExpiresBy(_) => false,
    }
}

pub(super) fn entries(
    connection: &Connection,
    of: &Key,
    after: u64,
    limit: u32,
) -> Result<Vec<Entry>, Failure> {
    let mut statement = connection.prepare_cached(ENTRIES)?;
    let mut rows =
        statement.query(params![kind_number(of.kind), Id::of(&of.id), number(after), limit])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let (number, at): (i64, i64) = (row.get(0)?, row.get(1)?);
        entries.push(Entry::new(count(number)?, instant(at)?, row.get(2)?));
    }
    Ok(entries)
}

/// Returns whether a root of one of these kinds is due; `None` for more kinds than there are of roots.
pub(super) fn is_due(
    connection: &Connection,
    kinds: &[Kind],
    now: Timestamp,
) -> Result<Option<bool>, Failure> {
    if kinds.len() > 4 {
        return Ok(None);
    }
    let kind = |index: usize| kinds.get(index).map(|kind| kind_number(*kind));
    let parameters = params![micros(now), kind(0), kind(1), kind(2), kind(3)];
    let mut statement = connection.prepare_cached(DUE)?;
    Ok(Some(statement.query_row(parameters, |row| row.get(0))?))
}

/// Asks a statement for the item of each key, all as they are at one moment.
fn each<K>(
    connection: &Connection,
    sql: &str,
    keys: &[K],
    item: impl Fn(&mut Statement<'_>, &K) -> Result<Option<Item>, Failure>,
) -> Result<Vec<Option<Item>>, Failure> {
    let mut statement = connection.prepare_cached(sql)?;
    match keys {
        // One statement sees one moment anyway.
        [key] => Ok(vec![item(&mut statement, key)?]),
        keys => together(connection, || keys.iter().map(|key| item(&mut statement, key)).collect()),
    }
}

/// Runs several statements that see one moment.
fn together<T>(
    connection: &Connection,
    look: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    connection.prepare_cached(BEGIN)?.execute([])?;
    let seen = look();
    undo(connection);
    seen
}

/// Ends a transaction without an effect, if there is one: some errors have ended it already.
pub(super) fn undo(connection: &Connection) {
    if !connection.is_autocommit() {
        // If it fails the next begin says so.
        let _ = connection.prepare_cached(ROLLBACK).and_then(|mut rollback| rollback.execute([]));
    }
}

fn one(mut rows: Rows<'_>) -> Result<Option<Item>, Failure> {
    rows.next()?.map(|row| row::item(row, 0)).transpose()
}

/// Returns how SQLite finds the rows of its statements, with the index that each should use.
#[cfg(test)]
pub(super) fn plans() -> impl Iterator<Item = (&'static str, &'static str)> {
    STATEMENTS.into_iter().filter(|(index, _)| !index.is_empty())
}
