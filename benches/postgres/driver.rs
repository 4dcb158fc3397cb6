//! What somebody would write who uses the driver alone: the same tables, the same statements.

use futures_util::future::join_all;
use nameplate::{
    clock::Timestamp,
    store::{Key, UniqueKey, Write},
};
use tokio_postgres::{
    Client, Row as Found,
    types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked},
};

use crate::{LEASE, held::operation};

const COLUMNS: &str = "i.kind, i.id, i.counter, i.operation, i.tenant, i.name, i.status, \
     i.expires, i.due, i.carries, i.body";

const NOW: &str = "((extract(epoch FROM statement_timestamp()) * 1000000)::bigint)";

type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// 16 bytes, as the database has them.
#[derive(Clone, Copy, Debug)]
struct Uuid([u8; 16]);

impl ToSql for Uuid {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut bytes::BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    accepts!(UUID);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Uuid {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw.try_into()?))
    }

    accepts!(UUID);
}

/// A domain, ready to be sent.
#[derive(Debug)]
pub(crate) struct Row {
    id: String,
    tenant: Uuid,
    name: String,
    status: String,
    expires: Option<i64>,
    due: Option<i64>,
    unique: Vec<String>,
    body: String,
}

impl Row {
    pub(crate) fn of(write: &Write) -> Self {
        let Write::Put { key, header, body, .. } = write else { panic!("{write:?}") };
        Self {
            id: key.id.clone(),
            tenant: Uuid(*header.tenant.unwrap().as_bytes()),
            name: header.name.clone().unwrap(),
            status: header.status.clone().unwrap(),
            expires: header.expires.map(|at| at.timestamp_micros()),
            due: header.due.map(|at| at.timestamp_micros()),
            unique: header.unique.iter().map(|key| key.as_str().to_owned()).collect(),
            body: body.as_str().to_owned(),
        }
    }
}

/// An item as it is read.
#[derive(Debug)]
#[expect(dead_code, reason = "what is read is dropped")]
pub(crate) struct Read {
    kind: String,
    id: String,
    counter: i64,
    operation: Uuid,
    tenant: Option<Uuid>,
    name: Option<String>,
    status: Option<String>,
    expires: Option<i64>,
    due: Option<i64>,
    unique: Vec<String>,
    body: String,
}

fn read(row: &Found, first: usize) -> Read {
    let carries: Option<&str> = row.get(first + 9);
    Read {
        kind: row.get(first),
        id: row.get(first + 1),
        counter: row.get(first + 2),
        operation: row.get(first + 3),
        tenant: row.get(first + 4),
        name: row.get(first + 5),
        status: row.get(first + 6),
        expires: row.get(first + 7),
        due: row.get(first + 8),
        unique: carries.into_iter().flat_map(|text| text.split('\n')).map(str::to_owned).collect(),
        body: row.get(first + 10),
    }
}

/// A connection, and the schema with the tables of a store.
pub(crate) struct Driver {
    client: Client,
    schema: String,
    find: String,
    lease: String,
}

impl Driver {
    pub(crate) fn new(client: Client, schema: &str) -> Self {
        let find = format!(
            "SELECT {COLUMNS}, u.key FROM {schema}.unique_keys AS u \
             JOIN {schema}.items AS i ON i.kind = u.kind AND i.id = u.id WHERE u.key = $1"
        );
        let lease = format!(
            "WITH picked AS MATERIALIZED (SELECT p.kind, p.id FROM unnest($1::text[]) AS k (kind) \
             CROSS JOIN LATERAL (SELECT s.kind, s.id, s.wanted FROM {schema}.schedule AS s \
             WHERE s.kind = k.kind AND s.wanted <= {NOW} AND s.wanted > $4 \
             ORDER BY s.wanted LIMIT $2 FOR UPDATE SKIP LOCKED) AS p ORDER BY p.wanted LIMIT $2), \
             leased AS (UPDATE {schema}.schedule AS s SET due_since = s.wanted, \
             token = s.token + 1, leased_until = {NOW} + $3, wanted = {NOW} + $3, woken = NULL \
             FROM picked AS p WHERE s.kind = p.kind AND s.id = p.id \
             RETURNING s.kind, s.id, s.due_since, s.token, s.leased_until) \
             SELECT l.due_since, l.token, l.leased_until, {COLUMNS} FROM leased AS l \
             JOIN {schema}.items AS i ON i.kind = l.kind AND i.id = l.id"
        );
        Self { client, schema: schema.to_owned(), find, lease }
    }

    /// Adds domains in one transaction by `UNNEST`.
    pub(crate) async fn add(&self, rows: &[Row]) {
        let schema = &self.schema;
        let kinds = vec!["domain"; rows.len()];
        let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        let ones = vec![1_i64; rows.len()];
        let operations = vec![Uuid(*operation().as_bytes()); rows.len()];
        let tenants: Vec<Uuid> = rows.iter().map(|row| row.tenant).collect();
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        let statuses: Vec<&str> = rows.iter().map(|row| row.status.as_str()).collect();
        let expires: Vec<Option<i64>> = rows.iter().map(|row| row.expires).collect();
        let dues: Vec<Option<i64>> = rows.iter().map(|row| row.due).collect();
        let carries: Vec<String> = rows.iter().map(|row| row.unique.join("\n")).collect();
        let bodies: Vec<&str> = rows.iter().map(|row| row.body.as_str()).collect();
        let unique = || rows.iter().flat_map(|row| row.unique.iter().map(move |key| (key, row)));
        let keys: Vec<&str> = unique().map(|(key, _)| key.as_str()).collect();
        let of: Vec<&str> = unique().map(|(_, row)| row.id.as_str()).collect();
        let of_kinds = vec!["domain"; of.len()];
        let items = format!(
            "INSERT INTO {schema}.items (kind, id, counter, operation, tenant, name, status, \
             expires, due, carries, body) SELECT * FROM unnest($1::text[], $2::text[], \
             $3::bigint[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::bigint[], \
             $9::bigint[], $10::text[], $11::text[])"
        );
        let schedule = format!(
            "INSERT INTO {schema}.schedule (kind, id, counter, token, due, wanted) \
             SELECT w.*, w.due FROM unnest($1::text[], $2::text[], $3::bigint[], $3::bigint[], \
             $4::bigint[]) AS w (kind, id, counter, token, due)"
        );
        let taken = format!(
            "INSERT INTO {schema}.unique_keys (key, kind, id) \
             SELECT * FROM unnest($1::text[], $2::text[], $3::text[])"
        );
        self.client.batch_execute("BEGIN").await.unwrap();
        let parameters: [Parameter<'_>; 11] = [
            (&kinds, Type::TEXT_ARRAY),
            (&ids, Type::TEXT_ARRAY),
            (&ones, Type::INT8_ARRAY),
            (&operations, Type::UUID_ARRAY),
            (&tenants, Type::UUID_ARRAY),
            (&names, Type::TEXT_ARRAY),
            (&statuses, Type::TEXT_ARRAY),
            (&expires, Type::INT8_ARRAY),
            (&dues, Type::INT8_ARRAY),
            (&carries, Type::TEXT_ARRAY),
            (&bodies, Type::TEXT_ARRAY),
        ];
        self.client.execute_typed(&items, &parameters).await.unwrap();
        let parameters: [Parameter<'_>; 4] = [
            (&kinds, Type::TEXT_ARRAY),
            (&ids, Type::TEXT_ARRAY),
            (&ones, Type::INT8_ARRAY),
            (&dues, Type::INT8_ARRAY),
        ];
        self.client.execute_typed(&schedule, &parameters).await.unwrap();
        let parameters: [Parameter<'_>; 3] =
            [(&keys, Type::TEXT_ARRAY), (&of_kinds, Type::TEXT_ARRAY), (&of, Type::TEXT_ARRAY)];
        self.client.execute_typed(&taken, &parameters).await.unwrap();
        self.client.batch_execute("COMMIT").await.unwrap();
    }

    /// Reads what carries a unique key.
    pub(crate) async fn find(&self, key: &UniqueKey) -> Option<Read> {
        let key = key.as_str();
        let rows = self.client.query_typed(&self.find, &[(&key, Type::TEXT)]).await.unwrap();
        rows.first().map(|row| read(row, 0))
    }

    /// Leases what is due since `above`, and returns how many that were.
    pub(crate) async fn lease(&self, kinds: &[&str], above: i64, limit: u32) -> usize {
        let (limit, by) = (i64::from(limit), i64::try_from(LEASE.as_micros()).unwrap());
        let parameters: [Parameter<'_>; 4] = [
            (&kinds, Type::TEXT_ARRAY),
            (&limit, Type::INT8),
            (&by, Type::INT8),
            (&above, Type::INT8),
        ];
        let rows = self.client.query_typed(&self.lease, &parameters).await.unwrap();
        let leased = rows.iter().map(|row| {
            let times: (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
            (times, read(row, 3))
        });
        std::hint::black_box(leased.collect::<Vec<_>>()).len()
    }

    /// Changes one domain if it has the revision, releases its lease and adds an entry to its log.
    pub(crate) async fn commit(&self, key: &Key, counter: i64, due: Timestamp, body: &str) {
        let (schema, kind, id) = (&self.schema, key.kind.as_str(), key.id.as_str());
        let due = due.timestamp_micros();
        let look = format!(
            "SELECT i.counter, i.operation, i.carries FROM {schema}.items AS i \
             WHERE i.kind = $1 AND i.id = $2 FOR UPDATE"
        );
        let look_schedule = format!(
            "SELECT s.counter, s.token, s.due, s.woken, s.leased_until, s.due_since, s.wanted \
             FROM {schema}.schedule AS s WHERE s.kind = $1 AND s.id = $2 FOR UPDATE"
        );
        let items = format!(
            "UPDATE {schema}.items SET counter = $3, operation = $4, due = $5, body = $6 \
             WHERE kind = $1 AND id = $2"
        );
        let schedule = format!(
            "UPDATE {schema}.schedule SET counter = $3, due = $4, woken = NULL, \
             leased_until = NULL, due_since = NULL, wanted = $4 WHERE kind = $1 AND id = $2"
        );
        let log = format!(
            "INSERT INTO {schema}.log (kind, id, number, at, body) VALUES ($1, $2, $3, {NOW}, $4)"
        );
        let of: [Parameter<'_>; 2] = [(&kind, Type::TEXT), (&id, Type::TEXT)];
        let begin = self.client.batch_execute("BEGIN");
        let item = self.client.query_typed(&look, &of);
        let slot = self.client.query_typed(&look_schedule, &of);
        let (begun, item, slot) = futures_util::future::join3(begin, item, slot).await;
        begun.unwrap();
        let (item, slot) = (item.unwrap(), slot.unwrap());
        let (found, token): (i64, i64) = (item[0].get(0), slot[0].get(1));
        assert!(found == counter && token > 0);
        let (next, operation) = (counter + 1, Uuid(*operation().as_bytes()));
        let number = next << 16;
        let entry = "{\"v\":1}";
        let first: [Parameter<'_>; 6] = [
            of[0].clone(),
            of[1].clone(),
            (&next, Type::INT8),
            (&operation, Type::UUID),
            (&due, Type::INT8),
            (&body, Type::TEXT),
        ];
        let second: [Parameter<'_>; 4] =
            [of[0].clone(), of[1].clone(), (&next, Type::INT8), (&due, Type::INT8)];
        let third: [Parameter<'_>; 4] =
            [of[0].clone(), of[1].clone(), (&number, Type::INT8), (&entry, Type::TEXT)];
        let steps = [
            self.client.execute_typed(&items, &first),
            self.client.execute_typed(&schedule, &second),
            self.client.execute_typed(&log, &third),
        ];
        let (steps, done) =
            futures_util::future::join(join_all(steps), self.client.batch_execute("COMMIT")).await;
        assert!(steps.into_iter().all(|step| step.unwrap() == 1));
        done.unwrap();
    }
}
