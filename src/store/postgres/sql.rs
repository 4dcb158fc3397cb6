//! Every statement of the store, in one place.
//!
//! A [`Statement`] is made here and nowhere else, and nothing but a statement is run, so that what
//! [`subset`] says of these texts holds for all that the database is ever asked.

use super::{
    place::{LOOK_AGAIN, LOOK_AT_ALL, NEVER},
    schema::Schema,
    subset,
};
use crate::error::Result;

/// The text of one statement, or of several that take no parameters.
#[derive(Clone, Debug)]
pub(super) struct Statement(String);

impl Statement {
    /// Takes the text, if it is within the subset of this mode.
    fn new(text: String, distributed: bool) -> Result<Self> {
        subset::check(&text, distributed)?;
        Ok(Self(text))
    }

    /// Returns the text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The time of the database in microseconds, moved by the first parameter, as it was when the statement
/// began: an index can be searched by it.
const NOW: &str = "((extract(epoch FROM statement_timestamp()) * 1000000)::bigint + $1::bigint)";

/// The columns of an item, in the order in which `row::item` reads them.
const COLUMNS: &str = "i.kind, i.id, i.counter, i.operation, i.tenant, i.name, i.status, i.expires, \
     i.due, i.carries, i.body";

/// The columns of what was leased, in front of those of the item.
const LEASED: &str =
    "n.now, l.kind, l.id, l.counter, l.due_since, l.token, l.leased_until, l.place";

/// What a lease sets. The token goes by the time, so that a lease which a failover or a restored backup
/// has forgotten is not given again under the same one.
const LEASING: &str = "due_since = coalesce(s.leased_until, least(s.due, s.woken)), \
     token = greatest(s.token + 1, {now}), leased_until = {now} + {by}, wanted = {now} + {by}, woken = NULL";

/// What a lease returns.
const RETURNING: &str =
    "RETURNING s.kind, s.id, s.counter, s.due_since, s.token, s.leased_until, {place} AS place";

/// What is due of some kinds, the longest due first.
///
/// Above an instant below which all has been leased, so that what was leased since the last vacuum is
/// not walked over by every poll; from further down if it is a while since that was looked at, and above
/// nothing if it is a while since all was. The index
/// by place is one for all kinds, which takes one way down it: an expression keeps the planner from
/// collecting a kind by the primary key instead.
const DUE: &str = "SELECT s.kind, s.id, s.wanted FROM {s}.schedule AS s \
     WHERE s.kind || '' = ANY($2::text[]) AND s.wanted <= {now} AND s.wanted > (SELECT min(\
     CASE WHEN {now} - k.looked_at BETWEEN 0 AND {look_again} THEN k.above \
     WHEN {now} > k.looked_at AND {now} - k.all_at BETWEEN 0 AND {look_at_all} THEN k.again \
     ELSE {never} END) FROM unnest($4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]) \
     AS k (above, looked_at, again, all_at)) \
     ORDER BY s.wanted LIMIT $3 {lock}";

/// Joins leases with their items, and has a row with the time if there are none.
const WITH_ITEMS: &str = "SELECT {leased}, {columns} FROM (SELECT {now} AS now) AS n \
     LEFT JOIN leased AS l ON true LEFT JOIN {s}.items AS i ON i.kind = l.kind AND i.id = l.id";

/// Keys that are looked for, as a table.
const KEYS: &str = "unnest($1::text[], $2::text[]) AS w (kind, id)";

/// Items as they are written, all by one operation, as a table of [`FIELDS`].
const WRITTEN: &str = "unnest($1::text[], $2::text[], $3::bigint[], $5::uuid[], $6::text[], \
     $7::text[], $8::bigint[], $9::bigint[], $10::text[], $11::text[])";

const FIELDS: &str = "kind, id, counter, tenant, name, status, expires, due, carries, body";

/// The statements of a store.
#[derive(Debug)]
pub(super) struct Sql {
    pub(super) begin: Statement,
    /// Begins to change tables.
    pub(super) begin_step: Statement,
    pub(super) commit: Statement,
    pub(super) rollback: Statement,
    pub(super) now: Statement,
    pub(super) get: Statement,
    pub(super) get_one: Statement,
    pub(super) find: Statement,
    pub(super) find_one: Statement,
    pub(super) all: Statement,
    pub(super) by_tenant: Statement,
    pub(super) by_name: Statement,
    pub(super) by_status: Statement,
    pub(super) by_expires: Statement,
    pub(super) look_items: Statement,
    pub(super) look_schedule: Statement,
    pub(super) look_unique: Statement,
    pub(super) delete_unique: Statement,
    pub(super) delete_log: Statement,
    pub(super) delete_schedule: Statement,
    pub(super) delete_items: Statement,
    pub(super) insert_items: Statement,
    pub(super) update_items: Statement,
    pub(super) insert_schedule: Statement,
    pub(super) update_schedule: Statement,
    pub(super) insert_unique: Statement,
    pub(super) insert_log: Statement,
    /// Leases what is due in one statement that skips what others have locked.
    pub(super) lease: Statement,
    /// Says how the database goes about that.
    pub(super) explain: Statement,
    /// Finds what is due, without a lock.
    pub(super) due: Statement,
    /// Leases what was found, if it is still due.
    pub(super) lease_these: Statement,
    pub(super) extend: Statement,
    pub(super) entries: Statement,
    pub(super) trim: Statement,
    /// What kind of server it is.
    pub(super) server: Statement,
    /// Which of the schema and its tables there are.
    pub(super) there: Statement,
    pub(super) version: Statement,
    /// Which tables may not be read and written.
    pub(super) forbidden: Statement,
    pub(super) stamp: Statement,
    pub(super) create_schema: Statement,
    pub(super) create_versions: Statement,
    /// Read nothing of each table, by the columns that it has to have.
    pub(super) shape: [Statement; 4],
}

/// How long a transaction may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Most milliseconds for one statement.
    pub(super) statement: u64,
    /// Most milliseconds to wait for a lock.
    pub(super) lock: u64,
    /// Most milliseconds for one statement that changes tables.
    pub(super) step: u64,
}

impl Sql {
    /// Returns the statements of this mode.
    ///
    /// # Errors
    ///
    /// `Internal` with what is outside of the subset.
    pub(super) fn new(schema: &Schema, limits: Limits, distributed: bool) -> Result<Self> {
        let Limits { statement, lock, step } = limits;
        // What is set lasts for the transaction, whoever uses the connection after it.
        let begin = |most: u64| {
            format!(
                "BEGIN; SET LOCAL statement_timeout = {most}; SET LOCAL lock_timeout = {lock}; \
                 SET LOCAL idle_in_transaction_session_timeout = {statement}"
            )
        };
        let filled = |template: &str| {
            template
                .replace("{keys}", KEYS)
                .replace("{written}", WRITTEN)
                .replace("{fields}", FIELDS)
                .replace("{with_items}", WITH_ITEMS)
                .replace("{leased}", LEASED)
                .replace("{columns}", COLUMNS)
                .replace("{look_again}", &LOOK_AGAIN.to_string())
                .replace("{look_at_all}", &LOOK_AT_ALL.to_string())
                .replace("{never}", &NEVER.to_string())
                .replace("{now}", NOW)
                .replace("{s}", schema.quoted())
        };
        let sql = |template: &str| Statement::new(filled(template), distributed);
        // What is not run in distributed mode.
        let plain = |template: &str| Statement::new(filled(template), false);
        let list = |filter: &str| {
            sql(&format!(
                "SELECT {{columns}} FROM {{s}}.items AS i \
                 WHERE {filter} AND i.id > $1 ORDER BY i.id LIMIT $2"
            ))
        };
        let lease = format!(
            "WITH picked AS MATERIALIZED ({}), \
             leased AS (UPDATE {{s}}.schedule AS s SET {} FROM picked AS p \
             WHERE s.kind = p.kind AND s.id = p.id {}) {{with_items}}",
            DUE.replace("{lock}", "FOR UPDATE SKIP LOCKED"),
            LEASING.replace("{by}", "$8"),
            RETURNING.replace("{place}", "p.wanted")
        );
        Ok(Self {
            begin: sql(&begin(statement))?,
            begin_step: sql(&begin(step))?,
            commit: sql("COMMIT")?,
            rollback: sql("ROLLBACK")?,
            now: sql("SELECT {now}")?,
            get: sql("SELECT {columns} FROM {keys} \
                 JOIN {s}.items AS i ON i.kind = w.kind AND i.id = w.id")?,
            get_one: sql("SELECT {columns} FROM {s}.items AS i WHERE i.kind = $1 AND i.id = $2")?,
            find: sql("SELECT {columns}, u.key FROM {s}.unique_keys AS u \
                 JOIN {s}.items AS i ON i.kind = u.kind AND i.id = u.id \
                 WHERE u.key = ANY($1::text[])")?,
            find_one: sql("SELECT {columns}, u.key FROM {s}.unique_keys AS u \
                 JOIN {s}.items AS i ON i.kind = u.kind AND i.id = u.id WHERE u.key = $1")?,
            all: list("i.kind = $3")?,
            by_tenant: list("i.kind = $3 AND i.tenant = $4")?,
            by_name: list("i.kind = $3 AND i.name = $4")?,
            by_status: list("i.kind = $3 AND i.status = $4")?,
            // Sorted without bodies: the index is in the order of expiry.
            by_expires: sql("WITH found AS MATERIALIZED (SELECT e.id FROM {s}.items AS e \
                 WHERE e.kind = $3 AND e.expires <= $4 AND e.id > $1) \
                 SELECT {columns} FROM {s}.items AS i WHERE i.kind = $3 \
                 AND i.id IN (SELECT f.id FROM found AS f ORDER BY f.id LIMIT $2) ORDER BY i.id")?,
            // All transactions lock items first and then the schedule, each by rising key, so that
            // no two wait for each other.
            look_items: sql("SELECT i.kind, i.id, i.counter, i.operation, i.carries FROM {keys} \
                 JOIN {s}.items AS i ON i.kind = w.kind AND i.id = w.id \
                 ORDER BY i.kind, i.id FOR UPDATE OF i")?,
            look_schedule: sql("SELECT s.kind, s.id, s.counter, s.token, s.due, s.woken, \
                 s.leased_until, s.due_since, s.wanted FROM {keys} \
                 JOIN {s}.schedule AS s ON s.kind = w.kind AND s.id = w.id \
                 ORDER BY s.kind, s.id FOR UPDATE OF s")?,
            look_unique: sql("SELECT u.key, u.kind, u.id FROM {s}.unique_keys AS u \
                 WHERE u.key = ANY($1::text[])")?,
            delete_unique: sql("DELETE FROM {s}.unique_keys AS u WHERE u.key = ANY($1::text[])")?,
            delete_log: sql("DELETE FROM {s}.log AS e USING {keys} \
                 WHERE e.kind = w.kind AND e.id = w.id")?,
            delete_schedule: sql("DELETE FROM {s}.schedule AS s USING {keys} \
                 WHERE s.kind = w.kind AND s.id = w.id")?,
            delete_items: sql("DELETE FROM {s}.items AS i USING {keys} \
                 WHERE i.kind = w.kind AND i.id = w.id")?,
            insert_items: sql(
                "INSERT INTO {s}.items (kind, id, counter, operation, tenant, name, \
                 status, expires, due, carries, body) \
                 SELECT w.kind, w.id, w.counter, $4::uuid, w.tenant, w.name, w.status, \
                 w.expires, w.due, w.carries, w.body FROM {written} AS w ({fields})",
            )?,
            update_items: sql("UPDATE {s}.items AS i SET counter = w.counter, \
                 operation = $4::uuid, tenant = w.tenant, name = w.name, status = w.status, \
                 expires = w.expires, due = w.due, carries = w.carries, body = w.body \
                 FROM {written} AS w ({fields}) WHERE i.kind = w.kind AND i.id = w.id")?,
            insert_schedule: sql(
                "INSERT INTO {s}.schedule (kind, id, counter, token, due, woken, wanted) \
                 SELECT w.kind, w.id, w.counter, $4::bigint, w.due, w.woken, w.wanted \
                 FROM unnest($1::text[], $2::text[], $3::bigint[], $5::bigint[], $6::bigint[], \
                 $7::bigint[]) AS w (kind, id, counter, due, woken, wanted)",
            )?,
            update_schedule: sql("UPDATE {s}.schedule AS s SET counter = w.counter, \
                 token = w.token, due = w.due, woken = w.woken, leased_until = w.leased_until, \
                 due_since = w.due_since, wanted = w.wanted \
                 FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], \
                 $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[]) \
                 AS w (kind, id, counter, token, due, woken, leased_until, due_since, wanted) \
                 WHERE s.kind = w.kind AND s.id = w.id")?,
            insert_unique: sql("INSERT INTO {s}.unique_keys (key, kind, id) \
                 SELECT w.* FROM unnest($1::text[], $2::text[], $3::text[]) AS w")?,
            insert_log: sql("INSERT INTO {s}.log (kind, id, number, at, body) \
                 SELECT w.* FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], \
                 $5::text[]) AS w")?,
            explain: plain(&format!("EXPLAIN (ANALYZE, BUFFERS) {lease}"))?,
            lease: plain(&lease)?,
            due: sql(&format!(
                "SELECT n.now, d.kind, d.id, d.wanted FROM (SELECT {{now}} AS now) AS n \
                 LEFT JOIN ({}) AS d ON true",
                DUE.replace("{lock}", "")
            ))?,
            lease_these: sql(&format!(
                "WITH leased AS (UPDATE {{s}}.schedule AS s SET {} \
                 FROM unnest($2::text[], $3::text[]) AS w (kind, id) \
                 WHERE s.kind = w.kind AND s.id = w.id AND s.wanted <= {{now}} {}) {{with_items}}",
                LEASING.replace("{by}", "$4"),
                RETURNING.replace("{place}", "s.due_since")
            ))?,
            extend: sql("UPDATE {s}.schedule AS s \
                 SET leased_until = {now} + $4, wanted = {now} + $4 \
                 FROM unnest($2::text[], $3::text[], $5::bigint[]) AS w (kind, id, token) \
                 WHERE s.kind = w.kind AND s.id = w.id AND s.token = w.token \
                 AND s.leased_until > {now} RETURNING s.kind, s.id, s.token, s.leased_until")?,
            entries: sql("SELECT e.number, e.at, e.body FROM {s}.log AS e \
                 WHERE e.kind = $1 AND e.id = $2 AND e.number > $3 ORDER BY e.number LIMIT $4")?,
            trim: sql("DELETE FROM {s}.log AS e \
                 WHERE e.kind = $1 AND e.id = $2 AND e.number <= $3")?,
            server: sql("SELECT current_setting('server_version_num')::bigint, \
                 current_setting('server_encoding'), current_setting('transaction_read_only')")?,
            there: sql("SELECT n.nspname = $1, \
                 coalesce((SELECT true FROM pg_catalog.pg_tables AS t \
                 WHERE t.schemaname = n.nspname AND t.tablename = 'schema_version'), false) \
                 FROM pg_catalog.pg_namespace AS n WHERE n.nspname = $1")?,
            version: sql("SELECT v.version, v.oldest FROM {s}.schema_version AS v \
                 ORDER BY v.version DESC LIMIT 1")?,
            forbidden: sql("SELECT t.name FROM unnest($1::text[]) AS t (name) \
                 WHERE NOT (has_table_privilege(t.name, 'SELECT') \
                 AND has_table_privilege(t.name, 'INSERT') \
                 AND has_table_privilege(t.name, 'UPDATE') \
                 AND has_table_privilege(t.name, 'DELETE')) ORDER BY t.name LIMIT 1")?,
            stamp: sql("INSERT INTO {s}.schema_version (version, oldest, made) \
                 VALUES ($1, $2, statement_timestamp()) ON CONFLICT DO NOTHING")?,
            create_schema: sql("CREATE SCHEMA IF NOT EXISTS {s}")?,
            create_versions: sql("CREATE TABLE IF NOT EXISTS {s}.schema_version (\
                 version bigint PRIMARY KEY, oldest bigint NOT NULL, made timestamptz NOT NULL)")?,
            shape: [
                sql("SELECT {columns} FROM {s}.items AS i LIMIT 0")?,
                sql("SELECT s.kind, s.id, s.counter, s.token, s.due, s.woken, s.leased_until, \
                     s.due_since, s.wanted FROM {s}.schedule AS s LIMIT 0")?,
                sql("SELECT u.key, u.kind, u.id FROM {s}.unique_keys AS u LIMIT 0")?,
                sql("SELECT e.kind, e.id, e.number, e.at, e.body FROM {s}.log AS e LIMIT 0")?,
            ],
        })
    }

    /// Returns the statements of a file of the schema, each on its own.
    ///
    /// # Errors
    ///
    /// `Internal` with what is outside of the subset.
    pub(super) fn file(schema: &Schema, text: &str, distributed: bool) -> Result<Vec<Statement>> {
        let statements = text.split(';').map(str::trim).filter(|statement| !statement.is_empty());
        statements
            .map(|text| Statement::new(text.replace("{s}", schema.quoted()), distributed))
            .collect()
    }
}
