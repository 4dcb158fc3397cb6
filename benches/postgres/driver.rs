//! What somebody would write who uses the driver alone: the same tables, the same statements in the same
//! transactions, sent together where the store sends them together.

use futures_util::future::{join, join4};
use nameplate::{
    clock::Timestamp,
    store::{UniqueKey, Write},
};
use tokio_postgres::{
    Client, Row as Found,
    types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked},
};

use crate::{LEASE, held::operation};

const COLUMNS: &str = "i.kind, i.id, i.counter, i.operation, i.tenant, i.name, i.status, \
     i.expires, i.due, i.carries, i.body";

const NOW: &str = "((extract(epoch FROM statement_timestamp()) * 1000000)::bigint + $1::bigint)";

const BEGIN: &str = "BEGIN; SET LOCAL statement_timeout = 600000; SET LOCAL lock_timeout = 5000; \
     SET LOCAL idle_in_transaction_session_timeout = 600000";

/// Items as they are written, and the names of their columns.
const WRITTEN: &str = "unnest($1::text[], $2::text[], $3::bigint[], $5::uuid[], $6::text[], \
     $7::text[], $8::bigint[], $9::bigint[], $10::text[], $11::text[]) AS w (kind, id, counter, \
     tenant, name, status, expires, due, carries, body)";

const KEYS: &str = "unnest($1::text[], $2::text[]) AS w (kind, id)";

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

/// A lease, and what it is of.
#[derive(Debug)]
#[expect(dead_code, reason = "what is read is dropped")]
pub(crate) struct Leased {
    id: String,
    counter: i64,
    due_since: i64,
    token: i64,
    until: i64,
    pub(crate) place: i64,
    item: Read,
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

/// A connection, and the statements for the schema with the tables of a store.
pub(crate) struct Driver {
    client: Client,
    find: String,
    lease: String,
    look_items: String,
    look_schedule: String,
    insert_items: String,
    insert_schedule: String,
    insert_unique: String,
    update_items: String,
    update_schedule: String,
    insert_log: String,
}

impl Driver {
    pub(crate) fn new(client: Client, schema: &str) -> Self {
        let find = format!(
            "SELECT {COLUMNS}, u.key FROM {schema}.unique_keys AS u \
             JOIN {schema}.items AS i ON i.kind = u.kind AND i.id = u.id WHERE u.key = $1"
        );
        let lease = format!(
            "WITH picked AS MATERIALIZED (SELECT s.kind, s.id, s.wanted FROM {schema}.schedule AS s \
             WHERE s.kind || '' = ANY($2::text[]) AND s.wanted <= {NOW} AND s.wanted > $4 \
             ORDER BY s.wanted LIMIT $3 FOR UPDATE SKIP LOCKED), \
             leased AS (UPDATE {schema}.schedule AS s SET \
             due_since = coalesce(s.leased_until, least(s.due, s.woken)), \
             token = greatest(s.token + 1, {NOW}), leased_until = {NOW} + $5, \
             wanted = {NOW} + $5, woken = NULL \
             FROM picked AS p WHERE s.kind = p.kind AND s.id = p.id \
             RETURNING s.kind, s.id, s.counter, s.due_since, s.token, s.leased_until, \
             p.wanted AS place) \
             SELECT n.now, l.kind, l.id, l.counter, l.due_since, l.token, l.leased_until, l.place, \
             {COLUMNS} FROM (SELECT {NOW} AS now) AS n LEFT JOIN leased AS l ON true \
             LEFT JOIN {schema}.items AS i ON i.kind = l.kind AND i.id = l.id"
        );
        let look_items = format!(
            "SELECT i.kind, i.id, i.counter, i.operation, i.carries FROM {KEYS} \
             JOIN {schema}.items AS i ON i.kind = w.kind AND i.id = w.id \
             ORDER BY i.kind, i.id FOR UPDATE OF i"
        );
        let look_schedule = format!(
            "SELECT s.kind, s.id, s.counter, s.token, s.due, s.woken, s.leased_until, \
             s.due_since, s.wanted FROM {KEYS} \
             JOIN {schema}.schedule AS s ON s.kind = w.kind AND s.id = w.id \
             ORDER BY s.kind, s.id FOR UPDATE OF s"
        );
        let insert_items = format!(
            "INSERT INTO {schema}.items (kind, id, counter, operation, tenant, name, status, \
             expires, due, carries, body) SELECT w.kind, w.id, w.counter, $4::uuid, w.tenant, \
             w.name, w.status, w.expires, w.due, w.carries, w.body FROM {WRITTEN}"
        );
        let insert_schedule = format!(
            "INSERT INTO {schema}.schedule (kind, id, counter, token, due, woken, wanted) \
             SELECT w.kind, w.id, w.counter, $4::bigint, w.due, w.woken, w.wanted \
             FROM unnest($1::text[], $2::text[], $3::bigint[], $5::bigint[], $6::bigint[], \
             $7::bigint[]) AS w (kind, id, counter, due, woken, wanted)"
        );
        let insert_unique = format!(
            "INSERT INTO {schema}.unique_keys (key, kind, id) \
             SELECT w.* FROM unnest($1::text[], $2::text[], $3::text[]) AS w"
        );
        let update_items = format!(
            "UPDATE {schema}.items AS i SET counter = w.counter, operation = $4::uuid, \
             tenant = w.tenant, name = w.name, status = w.status, expires = w.expires, \
             due = w.due, carries = w.carries, body = w.body FROM {WRITTEN} \
             WHERE i.kind = w.kind AND i.id = w.id"
        );
        let update_schedule = format!(
            "UPDATE {schema}.schedule AS s SET counter = w.counter, token = w.token, \
             due = w.due, woken = w.woken, leased_until = w.leased_until, \
             due_since = w.due_since, wanted = w.wanted \
             FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], \
             $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[]) AS w (kind, id, counter, \
             token, due, woken, leased_until, due_since, wanted) \
             WHERE s.kind = w.kind AND s.id = w.id"
        );
        let insert_log = format!(
            "INSERT INTO {schema}.log (kind, id, number, at, body) \
             SELECT w.* FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], \
             $5::text[]) AS w"
        );
        Self {
            client,
            find,
            lease,
            look_items,
            look_schedule,
            insert_items,
            insert_schedule,
            insert_unique,
            update_items,
            update_schedule,
            insert_log,
        }
    }

    async fn time(&self) -> i64 {
        let now = format!("SELECT {NOW}");
        let rows = self.client.query_typed(&now, &[(&0_i64, Type::INT8)]).await.unwrap();
        rows[0].get(0)
    }

    /// Adds domains in one transaction by `UNNEST`, and drops them as the store does.
    pub(crate) async fn add(&self, rows: Vec<Row>) {
        let kinds = vec!["domain"; rows.len()];
        let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        let ones = vec![1_i64; rows.len()];
        let operation = Uuid(*operation().as_bytes());
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
        let (begun, now) = join(self.client.batch_execute(BEGIN), self.time()).await;
        begun.unwrap();
        let woken = vec![None::<i64>; rows.len()];
        let wanted = |due: &Option<i64>| due.map(|due| due.max(now - 1_000_000));
        let wanted: Vec<Option<i64>> = dues.iter().map(wanted).collect();
        let items: [Parameter<'_>; 11] = [
            (&kinds, Type::TEXT_ARRAY),
            (&ids, Type::TEXT_ARRAY),
            (&ones, Type::INT8_ARRAY),
            (&operation, Type::UUID),
            (&tenants, Type::UUID_ARRAY),
            (&names, Type::TEXT_ARRAY),
            (&statuses, Type::TEXT_ARRAY),
            (&expires, Type::INT8_ARRAY),
            (&dues, Type::INT8_ARRAY),
            (&carries, Type::TEXT_ARRAY),
            (&bodies, Type::TEXT_ARRAY),
        ];
        let schedule: [Parameter<'_>; 7] = [
            (&kinds, Type::TEXT_ARRAY),
            (&ids, Type::TEXT_ARRAY),
            (&ones, Type::INT8_ARRAY),
            (&now, Type::INT8),
            (&dues, Type::INT8_ARRAY),
            (&woken, Type::INT8_ARRAY),
            (&wanted, Type::INT8_ARRAY),
        ];
        let unique: [Parameter<'_>; 3] =
            [(&keys, Type::TEXT_ARRAY), (&of_kinds, Type::TEXT_ARRAY), (&of, Type::TEXT_ARRAY)];
        let (items, schedule, unique, done) = join4(
            self.client.execute_typed(&self.insert_items, &items),
            self.client.execute_typed(&self.insert_schedule, &schedule),
            self.client.execute_typed(&self.insert_unique, &unique),
            self.client.batch_execute("COMMIT"),
        )
        .await;
        assert!(items.unwrap() > 0 && schedule.unwrap() > 0 && unique.unwrap() > 0);
        done.unwrap();
    }

    /// Reads what carries a unique key.
    pub(crate) async fn find(&self, key: &UniqueKey) -> Option<Read> {
        let key = key.as_str();
        let rows = self.client.query_typed(&self.find, &[(&key, Type::TEXT)]).await.unwrap();
        rows.first().map(|row| read(row, 0))
    }

    /// Leases what is due since `above`, and returns the leases with what they are of.
    pub(crate) async fn lease(&self, kinds: &[&str], above: i64, limit: u32) -> Vec<Leased> {
        let (limit, by) = (i64::from(limit), i64::try_from(LEASE.as_micros()).unwrap());
        let parameters: [Parameter<'_>; 5] = [
            (&0_i64, Type::INT8),
            (&kinds, Type::TEXT_ARRAY),
            (&limit, Type::INT8),
            (&above, Type::INT8),
            (&by, Type::INT8),
        ];
        let rows = self.client.query_typed(&self.lease, &parameters).await.unwrap();
        let leased = |row: &Found| {
            let id: Option<String> = row.get(2);
            Some(Leased {
                id: id?,
                counter: row.get(3),
                due_since: row.get(4),
                token: row.get(5),
                until: row.get(6),
                place: row.get(7),
                item: read(row, 8),
            })
        };
        rows.iter().filter_map(leased).collect()
    }

    /// Changes one domain if it has the revision, releases its lease and adds an entry to its log.
    pub(crate) async fn commit(&self, leased: &Leased, due: Timestamp) {
        let (kinds, ids) = (vec!["domain"], vec![leased.id.as_str()]);
        let of: [Parameter<'_>; 2] = [(&kinds, Type::TEXT_ARRAY), (&ids, Type::TEXT_ARRAY)];
        let (begun, items, slots, now) = join4(
            self.client.batch_execute(BEGIN),
            self.client.query_typed(&self.look_items, &of),
            self.client.query_typed(&self.look_schedule, &of),
            self.time(),
        )
        .await;
        begun.unwrap();
        let (items, slots) = (items.unwrap(), slots.unwrap());
        let (found, slot) = (&items[0], &slots[0]);
        let (counter, token): (i64, i64) = (found.get(2), slot.get(3));
        let until: Option<i64> = slot.get(6);
        assert!(counter == leased.item.counter && token == leased.token && until > Some(now));
        let item = &leased.item;
        let (next, none) = (vec![counter + 1], vec![None::<i64>]);
        let (operation, dues) = (Uuid(*operation().as_bytes()), vec![due.timestamp_micros()]);
        let carries = vec![item.unique.join("\n")];
        let (tokens, numbers, at) = (vec![token], vec![(counter + 1) << 16], vec![now]);
        let (tenants, names) = (vec![item.tenant], vec![item.name.as_deref()]);
        let (statuses, expires) = (vec![item.status.as_deref()], vec![item.expires]);
        let (bodies, entries) = (vec![item.body.as_str()], vec!["{\"v\":1}"]);
        let written: [Parameter<'_>; 11] = [
            of[0].clone(),
            of[1].clone(),
            (&next, Type::INT8_ARRAY),
            (&operation, Type::UUID),
            (&tenants, Type::UUID_ARRAY),
            (&names, Type::TEXT_ARRAY),
            (&statuses, Type::TEXT_ARRAY),
            (&expires, Type::INT8_ARRAY),
            (&dues, Type::INT8_ARRAY),
            (&carries, Type::TEXT_ARRAY),
            (&bodies, Type::TEXT_ARRAY),
        ];
        let released: [Parameter<'_>; 9] = [
            of[0].clone(),
            of[1].clone(),
            (&next, Type::INT8_ARRAY),
            (&tokens, Type::INT8_ARRAY),
            (&dues, Type::INT8_ARRAY),
            (&none, Type::INT8_ARRAY),
            (&none, Type::INT8_ARRAY),
            (&none, Type::INT8_ARRAY),
            (&dues, Type::INT8_ARRAY),
        ];
        let log: [Parameter<'_>; 5] = [
            of[0].clone(),
            of[1].clone(),
            (&numbers, Type::INT8_ARRAY),
            (&at, Type::INT8_ARRAY),
            (&entries, Type::TEXT_ARRAY),
        ];
        let (items, slots, log, done) = join4(
            self.client.execute_typed(&self.update_items, &written),
            self.client.execute_typed(&self.update_schedule, &released),
            self.client.execute_typed(&self.insert_log, &log),
            self.client.batch_execute("COMMIT"),
        )
        .await;
        assert!([items, slots, log].into_iter().all(|rows| rows.unwrap() == 1));
        done.unwrap();
    }
}
