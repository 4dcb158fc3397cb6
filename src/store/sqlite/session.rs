//! What the thread of the database does: every statement that writes, but those of a commit.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rusqlite::{Connection, ErrorCode, Statement, ToSql, params, params_from_iter};

use super::{
    failure::Failure,
    read,
    readers::Settled,
    row::{self, Id, columns, count, instant, kind_number, micros, number},
};
use crate::{
    clock::{Clock, Timestamp, after},
    store::{Item, Key, Kind, Lease, LeaseRequest, Leased},
};

/// A connection with its statements, prepared once.
pub(super) struct Session<'c> {
    pub(super) connection: &'c Connection,
    clock: Arc<dyn Clock>,
    /// Not so from when a commit fails whose changes may have reached the disk until one succeeds.
    pub(super) settled: Settled,
    begin: Statement<'c>,
    commit: Statement<'c>,
    rollback: Statement<'c>,
    settle: Statement<'c>,
    /// By the number of kinds.
    lease: BTreeMap<usize, Statement<'c>>,
    lease_one: Statement<'c>,
    extend: Statement<'c>,
    trim: Statement<'c>,
    pub(super) writes: super::commit::Writes<'c>,
}

/// Returns the time, to the microsecond as everything is kept.
pub(super) fn now(clock: &dyn Clock) -> Timestamp {
    let now = clock.now();
    Timestamp::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
}

/// What the closure of a transaction asks for at its end.
pub(super) enum End<T> {
    Commit(T),
    Rollback(T),
}

impl<'c> Session<'c> {
    /// Prepares everything, which also finds tables that are not as they should be.
    pub(super) fn new(
        connection: &'c Connection,
        clock: Arc<dyn Clock>,
        settled: Settled,
    ) -> Result<Self, rusqlite::Error> {
        read::prepare(connection)?;
        Ok(Self {
            connection,
            clock,
            settled,
            begin: connection.prepare("BEGIN IMMEDIATE")?,
            commit: connection.prepare("COMMIT")?,
            rollback: connection.prepare("ROLLBACK")?,
            settle: connection.prepare("UPDATE items SET counter = counter + 1 WHERE item = 0")?,
            lease: BTreeMap::new(),
            lease_one: connection.prepare(&leasing(
                "SELECT item FROM items WHERE kind = ?4 AND id = ?3 AND wanted <= ?1",
            ))?,
            extend: connection.prepare(
                "UPDATE items SET leased_until = ?1 \
                 WHERE kind = ?2 AND id = ?3 AND token = ?4 AND leased_until > ?5",
            )?,
            trim: connection.prepare(
                "DELETE FROM log \
                 WHERE item = (SELECT item FROM items WHERE kind = ?1 AND id = ?2) \
                 AND number <= ?3",
            )?,
            writes: super::commit::Writes::new(connection)?,
        })
    }

    fn now(&self) -> Timestamp {
        now(&*self.clock)
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

    /// Makes sure that what an earlier call left behind is over.
    fn ready(&mut self) -> Result<(), Failure> {
        self.undo();
        if !self.settled.is() {
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
            self.settled.set(true);
            return Ok(());
        };
        // A full disk is no doubt: the mark that makes changes valid is written last.
        let nothing = !self.connection.is_autocommit()
            || error.sqlite_error_code() == Some(ErrorCode::DiskFull);
        self.undo();
        if nothing {
            return Err(Failure::Sqlite(error));
        }
        self.settled.set(false);
        Err(Failure::Commit(error))
    }

    /// Ends a transaction without an effect, if there is one: some errors have ended it already.
    fn undo(&mut self) {
        if !self.connection.is_autocommit() {
            // If it fails the next begin says so.
            let _ = self.rollback.execute([]);
        }
    }

    /// Reads, once what an earlier call left behind is over.
    pub(super) fn read<T>(
        &mut self,
        look: impl FnOnce(&Connection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.ready()?;
        look(self.connection)
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
            let id = wanted.only.as_ref().map(|key| Id::of(&key.id));
            let (statement, third): (_, &dyn ToSql) = match &id {
                Some(id) => (&mut session.lease_one, id),
                None => (session.leasing(kinds.len())?, &limit),
            };
            let fixed: [&dyn ToSql; 3] = [&micros(now), &micros(until), third];
            let kinds: Vec<i64> = kinds.iter().map(|kind| kind_number(*kind)).collect();
            let kinds = kinds.iter().map(|kind| kind as &dyn ToSql);
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
                    Id::of(&key.id),
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

    pub(super) fn trim(&mut self, of: &Key, through: u64) -> Result<(), Failure> {
        self.write(|session, _| {
            session.trim.execute(params![kind_number(of.kind), Id::of(&of.id), number(through)])?;
            Ok(End::Commit(()))
        })
    }

    /// Returns how SQLite finds the rows of its statements, with the index that each should use.
    #[cfg(test)]
    pub(super) fn plans(&mut self) -> Result<Vec<(&'static str, String)>, Failure> {
        let mut statements: Vec<(&'static str, Option<String>)> = vec![
            ("items_by_wanted", self.leasing(2)?.expanded_sql()),
            ("items_by_key", self.lease_one.expanded_sql()),
        ];
        for (index, sql) in read::plans() {
            statements.push((index, self.connection.prepare_cached(sql)?.expanded_sql()));
        }
        let mut plans = Vec::new();
        for (index, sql) in statements {
            let explain = format!("EXPLAIN QUERY PLAN {}", sql.unwrap_or_default());
            let mut statement = self.connection.prepare(&explain)?;
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
        let others = [&self.extend, &self.settle].map(|it| ("other", it));
        let leases = self.lease.values().map(|statement| ("lease", statement));
        fixed
            .into_iter()
            .chain(others)
            .chain(leases)
            .map(|(what, it)| (what, it.reset_status(Run), it.reset_status(VmStep)))
            .filter(|(_, runs, _)| *runs > 0)
            .collect()
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        // Nobody is left to settle anything.
        self.settled.set(false);
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
