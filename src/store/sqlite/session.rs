//! What the thread of the database does: every statement but those of a commit.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rusqlite::{Connection, ErrorCode, Rows, Statement, params, params_from_iter};

use super::{
    failure::Failure,
    row::{self, Id, after_id, columns, count, digest, instant, kind_number, micros, number},
};
use crate::{
    clock::{Clock, Timestamp, after},
    store::{Entry, Filter, Item, Key, Kind, Lease, LeaseRequest, Leased, Page, Query, UniqueKey},
};

/// The status of most domains, which no index holds.
const USUAL_STATUS: &str = "active";

/// A connection with its statements, prepared once.
pub(super) struct Session<'c> {
    pub(super) connection: &'c Connection,
    clock: Arc<dyn Clock>,
    /// A commit failed after its changes may have reached the disk, and none has succeeded since.
    pub(super) unsettled: bool,
    begin: Statement<'c>,
    begin_reading: Statement<'c>,
    commit: Statement<'c>,
    rollback: Statement<'c>,
    settle: Statement<'c>,
    get: Statement<'c>,
    find: Statement<'c>,
    all: Statement<'c>,
    by_tenant: Statement<'c>,
    by_name: Statement<'c>,
    by_status: Statement<'c>,
    by_usual_status: Statement<'c>,
    by_expires: Statement<'c>,
    /// By the number of kinds.
    lease: BTreeMap<usize, Statement<'c>>,
    lease_one: Statement<'c>,
    extend: Statement<'c>,
    entries: Statement<'c>,
    trim: Statement<'c>,
    pub(super) writes: super::commit::Writes<'c>,
}

/// What the closure of a transaction asks for at its end.
pub(super) enum End<T> {
    Commit(T),
    Rollback(T),
}

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

impl<'c> Session<'c> {
    /// Prepares everything, which also finds tables that are not as they should be.
    pub(super) fn new(
        connection: &'c Connection,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            connection,
            clock,
            unsettled: false,
            begin: connection.prepare("BEGIN IMMEDIATE")?,
            begin_reading: connection.prepare("BEGIN")?,
            commit: connection.prepare("COMMIT")?,
            rollback: connection.prepare("ROLLBACK")?,
            settle: connection.prepare("UPDATE items SET counter = counter + 1 WHERE item = 0")?,
            get: connection.prepare(concat!(
                "SELECT ",
                columns!(),
                " FROM items WHERE kind = ?1 AND id = ?2"
            ))?,
            find: connection.prepare(concat!(
                "SELECT ",
                columns!(),
                " FROM items WHERE item = (SELECT item FROM unique_keys WHERE digest = ?1)"
            ))?,
            all: connection.prepare(concat!(
                "SELECT ",
                columns!(),
                " FROM items WHERE kind = ?1 AND id >= ?2 AND id < ?3 ORDER BY id LIMIT ?4"
            ))?,
            by_tenant: connection.prepare(list!("items_by_tenant", "kind = ?1 AND tenant = ?2"))?,
            by_name: connection.prepare(sorted!("items_by_name", "kind = ?1 AND name = ?2"))?,
            by_status: connection.prepare(list!(
                "items_by_status",
                // As in the index, which is taken only then.
                "kind = ?1 AND status = ?2 AND NOT (kind = 4 AND status = 'active')"
            ))?,
            by_usual_status: connection
                .prepare(list!("items_by_key", "kind = ?1 AND status = ?2"))?,
            by_expires: connection
                .prepare(sorted!("items_by_expires", "kind = ?1 AND expires <= ?2"))?,
            lease: BTreeMap::new(),
            lease_one: connection.prepare(&leasing(
                "SELECT item FROM items WHERE kind = ?4 AND id = ?3 AND wanted <= ?1",
            ))?,
            extend: connection.prepare(
                "UPDATE items SET leased_until = ?1 \
                 WHERE kind = ?2 AND id = ?3 AND token = ?4 AND leased_until > ?5",
            )?,
            entries: connection.prepare(
                "SELECT number, at, body FROM log \
                 WHERE item = (SELECT item FROM items WHERE kind = ?1 AND id = ?2) \
                 AND number > ?3 ORDER BY number LIMIT ?4",
            )?,
            trim: connection.prepare(
                "DELETE FROM log \
                 WHERE item = (SELECT item FROM items WHERE kind = ?1 AND id = ?2) \
                 AND number <= ?3",
            )?,
            writes: super::commit::Writes::new(connection)?,
        })
    }

    /// Returns the time, to the microsecond as everything is kept.
    pub(super) fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
    }

    /// Runs a transaction that may write. The lock for writing is taken before anything is read.
    pub(super) fn write<T>(
        &mut self,
        change: impl FnOnce(&mut Self, Timestamp) -> Result<End<T>, Failure>,
    ) -> Result<T, Failure> {
        self.ready()?;
        self.begin.execute([])?;
        // Not before: the wait for the lock may have been long.
        let now = self.now();
        match change(self, now) {
            Ok(End::Commit(value)) => self.end().map(|()| value),
            Ok(End::Rollback(value)) => {
                self.undo();
                Ok(value)
            }
            Err(failure) => {
                self.undo();
                Err(failure)
            }
        }
    }

    /// Runs a transaction that reads, so that all that it sees is of one moment.
    fn read<T>(
        &mut self,
        look: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.ready()?;
        self.begin_reading.execute([])?;
        let seen = look(self);
        self.undo();
        seen
    }

    /// Makes sure that what an earlier call left behind is over.
    fn ready(&mut self) -> Result<(), Failure> {
        self.undo();
        if self.unsettled {
            // Of the commit that failed, parts or all may wait in the log on disk for the next
            // start. The next commit writes over them; until then its outcome cannot be told.
            self.begin.execute([])?;
            let settled = self.settle.execute([]);
            settled.map_err(Failure::Sqlite).and_then(|_| self.end()).map_err(|failure| {
                // The call itself has done nothing.
                match failure {
                    Failure::Commit(error) => Failure::Sqlite(error),
                    failure => failure,
                }
            })?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Failure> {
        let Err(error) = self.commit.execute([]) else {
            self.unsettled = false;
            return Ok(());
        };
        // A full disk is no doubt: the mark that makes changes valid is written last.
        let nothing = !self.connection.is_autocommit()
            || error.sqlite_error_code() == Some(ErrorCode::DiskFull);
        self.undo();
        if nothing {
            return Err(Failure::Sqlite(error));
        }
        self.unsettled = true;
        Err(Failure::Commit(error))
    }

    /// Ends a transaction without an effect, if there is one: some errors have ended it already.
    fn undo(&mut self) {
        if !self.connection.is_autocommit() {
            // If it fails the next begin says so.
            let _ = self.rollback.execute([]);
        }
    }

    pub(super) fn get(&mut self, keys: &[Key]) -> Result<Vec<Option<Item>>, Failure> {
        self.read(|session| {
            let item =
                |key: &Key| one(session.get.query(params![kind_number(key.kind), Id(&key.id)])?);
            keys.iter().map(item).collect()
        })
    }

    pub(super) fn find(&mut self, unique: &[UniqueKey]) -> Result<Vec<Option<Item>>, Failure> {
        self.read(|session| {
            let item = |unique: &UniqueKey| one(session.find.query(params![digest(unique)])?);
            unique.iter().map(item).collect()
        })
    }

    pub(super) fn list(&mut self, query: &Query) -> Result<Page, Failure> {
        let limit = query.limit.clamp(1, Query::MAX_LIMIT);
        // One more than asked for tells whether there is another page.
        let most = i64::from(limit).saturating_add(1);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.read(|session| {
            let kind = kind_number(query.kind);
            let mut items: Vec<Item> = Vec::new();
            for (from, to) in after_id(query.after.as_deref()) {
                let mut rows = match &query.filter {
                    Filter::All => session.all.query(params![kind, from, to, most]),
                    Filter::Tenant(tenant) => {
                        session.by_tenant.query(params![kind, tenant.as_bytes(), from, to, most])
                    }
                    Filter::Name(name) => {
                        session.by_name.query(params![kind, name, from, to, most])
                    }
                    Filter::Status(status) => {
                        let usual = query.kind == Kind::Domain && status == USUAL_STATUS;
                        let by_status = if usual {
                            &mut session.by_usual_status
                        } else {
                            &mut session.by_status
                        };
                        by_status.query(params![kind, status, from, to, most])
                    }
                    Filter::ExpiresBy(at) => {
                        session.by_expires.query(params![kind, micros(*at), from, to, most])
                    }
                }?;
                while let Some(row) = rows.next()? {
                    items.push(row::item(row, 0)?);
                }
            }
            items.sort_by(|one, other| one.key.id.cmp(&other.key.id));
            let more = items.len() > limit;
            items.truncate(limit);
            let next = items.last().filter(|_| more).map(|item| item.key.id.clone());
            Ok(Page::new(items, next))
        })
    }

    pub(super) fn lease(&mut self, wanted: &LeaseRequest) -> Result<Leased, Failure> {
        let mut kinds: Vec<Kind> = wanted.kinds.clone();
        kinds.sort_unstable();
        kinds.dedup();
        if let Some(key) = &wanted.only {
            kinds.retain(|kind| *kind == key.kind);
        }
        if kinds.is_empty() {
            self.ready()?;
            return Ok(Leased::new(self.now(), Vec::new()));
        }
        self.write(|session, now| {
            let until = after(now, wanted.duration);
            let limit = i64::from(wanted.limit.clamp(1, LeaseRequest::MAX_LIMIT));
            let (statement, third) = match &wanted.only {
                Some(key) => (&mut session.lease_one, Id(&key.id).value()),
                None => (session.leasing(kinds.len())?, limit.into()),
            };
            let fixed = [micros(now).into(), micros(until).into(), third];
            let kinds = kinds.iter().map(|kind| kind_number(*kind).into());
            let mut rows = statement.query(params_from_iter(fixed.into_iter().chain(kinds)))?;
            let until = instant(micros(until))?;
            let mut leases: Vec<(Lease, Item)> = Vec::new();
            let mut unreadable = 0_usize;
            while let Some(row) = rows.next()? {
                let (since, token): (i64, i64) = (row.get(0)?, row.get(1)?);
                let lease = |key: &Key| -> Result<Lease, Failure> {
                    let lease = Lease::new(key.clone(), count(token)?, until);
                    Ok(lease.with_due_since(instant(since)?))
                };
                match row::item(row, 2).and_then(|item| Ok((lease(&item.key)?, item))) {
                    Ok(leased) => leases.push(leased),
                    // One row must not stop all others; it is out of their way until its lease ends.
                    Err(Failure::Stored(_)) => unreadable = unreadable.saturating_add(1),
                    Err(failure) => return Err(failure),
                }
            }
            // Rows come back in no promised order.
            leases.sort_by_key(|(lease, _)| lease.due_since);
            let nothing = leases.is_empty() && unreadable == 0;
            let leased = Leased::new(now, leases).with_unreadable(unreadable);
            Ok(if nothing { End::Rollback(leased) } else { End::Commit(leased) })
        })
    }

    /// Returns the statement that leases roots of so many kinds.
    fn leasing(&mut self, kinds: usize) -> Result<&mut Statement<'c>, Failure> {
        use std::collections::btree_map::Entry;

        Ok(match self.lease.entry(kinds) {
            Entry::Occupied(statement) => statement.into_mut(),
            Entry::Vacant(place) => {
                // Of each kind no more than can be needed, so that a backlog costs nothing.
                let of_each: Vec<String> = (0..kinds)
                    .map(|kind| {
                        format!(
                            "SELECT * FROM (SELECT item, wanted FROM items \
                             WHERE kind = ?{} AND wanted <= ?1 ORDER BY wanted LIMIT ?3)",
                            kind.saturating_add(4)
                        )
                    })
                    .collect();
                place.insert(self.connection.prepare(&leasing(&format!(
                    "SELECT item FROM ({} ORDER BY wanted LIMIT ?3)",
                    of_each.join(" UNION ALL ")
                )))?)
            }
        })
    }

    pub(super) fn extend(
        &mut self,
        leases: &[Lease],
        by: Duration,
    ) -> Result<Vec<Option<Lease>>, Failure> {
        self.write(|session, now| {
            let until = after(now, by);
            let mut extended = Vec::with_capacity(leases.len());
            for Lease { key, token, .. } in leases {
                let changed = session.extend.execute(params![
                    micros(until),
                    kind_number(key.kind),
                    Id(&key.id),
                    number(*token),
                    micros(now)
                ])?;
                let until = instant(micros(until))?;
                extended.push((changed > 0).then(|| Lease::new(key.clone(), *token, until)));
            }
            let nothing = extended.iter().all(Option::is_none);
            Ok(if nothing { End::Rollback(extended) } else { End::Commit(extended) })
        })
    }

    pub(super) fn entries(
        &mut self,
        of: &Key,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Entry>, Failure> {
        self.read(|session| {
            let mut rows = session.entries.query(params![
                kind_number(of.kind),
                Id(&of.id),
                number(after),
                limit
            ])?;
            let mut entries = Vec::new();
            while let Some(row) = rows.next()? {
                let (number, at): (i64, i64) = (row.get(0)?, row.get(1)?);
                entries.push(Entry::new(count(number)?, instant(at)?, row.get(2)?));
            }
            Ok(entries)
        })
    }

    pub(super) fn trim(&mut self, of: &Key, through: u64) -> Result<(), Failure> {
        self.write(|session, _| {
            session.trim.execute(params![kind_number(of.kind), Id(&of.id), number(through)])?;
            Ok(End::Commit(()))
        })
    }

    /// Returns how SQLite finds the rows of its statements, with the index that each should use.
    #[cfg(test)]
    pub(super) fn plans(&mut self) -> Result<Vec<(&'static str, String)>, Failure> {
        let leasing = self.leasing(2)?.expanded_sql();
        let connection = self.connection;
        let statements = [
            ("items_by_wanted", leasing),
            ("items_by_key", self.get.expanded_sql()),
            ("items_by_key", self.lease_one.expanded_sql()),
            ("INTEGER PRIMARY KEY", self.find.expanded_sql()),
            ("items_by_key", self.all.expanded_sql()),
            ("items_by_tenant", self.by_tenant.expanded_sql()),
            ("items_by_name", self.by_name.expanded_sql()),
            ("items_by_status", self.by_status.expanded_sql()),
            ("items_by_key", self.by_usual_status.expanded_sql()),
            ("items_by_expires", self.by_expires.expanded_sql()),
        ];
        let mut plans = Vec::new();
        for (index, sql) in statements {
            let explain = format!("EXPLAIN QUERY PLAN {}", sql.unwrap_or_default());
            let mut statement = connection.prepare(&explain)?;
            let lines = statement.query_map([], |row| row.get::<_, String>(3))?;
            plans.push((index, lines.collect::<Result<Vec<_>, _>>()?.join("; ")));
        }
        Ok(plans)
    }

    /// Returns how often the statements of a lease were run since this was asked last, and how many
    /// steps of SQLite's machine that took, of those that were run at all.
    #[cfg(test)]
    pub(super) fn work(&self) -> Vec<(&'static str, i32, i32)> {
        use rusqlite::StatementStatus::{Run, VmStep};

        let fixed = [
            ("begin", &self.begin),
            ("commit", &self.commit),
            ("rollback", &self.rollback),
            ("lease", &self.lease_one),
        ];
        let others = [&self.get, &self.find, &self.extend, &self.settle].map(|it| ("other", it));
        let leases = self.lease.values().map(|statement| ("lease", statement));
        fixed
            .into_iter()
            .chain(others)
            .chain(leases)
            .map(|(what, it)| (what, it.reset_status(Run), it.reset_status(VmStep)))
            .filter(|(_, runs, _)| *runs > 0)
            .collect()
    }

    /// Returns the time, once it is certain that the file can be read.
    pub(super) fn time(&mut self) -> Result<Timestamp, Failure> {
        self.read(|session| {
            let _: i64 =
                session.connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            Ok(session.now())
        })
    }
}

/// Returns the statement that leases what `picked` selects, at ?1 until ?2.
fn leasing(picked: &str) -> String {
    // What is set sees the row as it was, what is returned sees it as it is now.
    format!(
        "UPDATE items SET due_since = wanted, token = token + 1, leased_until = ?2, woken = NULL \
         WHERE item IN ({picked}) RETURNING due_since, token, {}",
        columns!()
    )
}

fn one(mut rows: Rows<'_>) -> Result<Option<Item>, Failure> {
    rows.next()?.map(|row| row::item(row, 0)).transpose()
}
