//! One batch, in one transaction.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension, Statement, params};

use super::{
    failure::Failure,
    row::{Id, carried, carries, count, digest, kind_number, micros, number},
    session::{End, Session},
    words,
};
use crate::{
    clock::Timestamp,
    id::{OperationId, TenantId},
    store::{
        Batch, Body, Commit, Entry, Expect, Header, Key, Lease, Revision, Then, UniqueKey, Write,
    },
};

/// The statements of a commit.
pub(super) struct Writes<'c> {
    holds: Statement<'c>,
    look: Statement<'c>,
    holder: Statement<'c>,
    insert: Statement<'c>,
    update: Statement<'c>,
    delete: Statement<'c>,
    remember_token: Statement<'c>,
    give_up: Statement<'c>,
    take: Statement<'c>,
    append: Statement<'c>,
    drop_log: Statement<'c>,
    wake: Statement<'c>,
    release: Statement<'c>,
}

/// An item as a batch finds it.
struct Found {
    item: i64,
    revision: Revision,
    token: i64,
    carries: Vec<UniqueKey>,
}

fn carried_by(found: Option<&Found>) -> &[UniqueKey] {
    found.map(|found| found.carries.as_slice()).unwrap_or_default()
}

impl<'c> Writes<'c> {
    pub(super) fn new(connection: &'c Connection) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            holds: connection.prepare(
                "SELECT 1 FROM items \
                 WHERE kind = ?1 AND id = ?2 AND token = ?3 AND leased_until > ?4",
            )?,
            look: connection.prepare(
                "SELECT item, counter, operation, token, carries, tenant, name FROM items \
                 WHERE kind = ?1 AND id = ?2",
            )?,
            holder: connection.prepare("SELECT item FROM unique_keys WHERE digest = ?1")?,
            insert: connection.prepare(
                "INSERT INTO items (kind, id, counter, operation, tenant, name, status, expires, \
                 due, carries, body, token) \
                 VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, \
                 (SELECT token FROM items WHERE item = 0))",
            )?,
            update: connection.prepare(
                "UPDATE items SET counter = ?2, operation = ?3, tenant = ?4, name = ?5, \
                 status = ?6, expires = ?7, due = ?8, carries = ?9, body = ?10, \
                 leased_until = CASE WHEN ?11 THEN NULL ELSE leased_until END, \
                 due_since = CASE WHEN ?11 THEN NULL ELSE due_since END WHERE item = ?1",
            )?,
            delete: connection.prepare("DELETE FROM items WHERE item = ?1")?,
            remember_token: connection
                .prepare("UPDATE items SET token = ?1 WHERE item = 0 AND token < ?1")?,
            give_up: connection.prepare("DELETE FROM unique_keys WHERE digest = ?1")?,
            take: connection.prepare("INSERT INTO unique_keys (digest, item) VALUES (?1, ?2)")?,
            append: connection
                .prepare("INSERT INTO log (item, number, at, body) VALUES (?1, ?2, ?3, ?4)")?,
            drop_log: connection.prepare("DELETE FROM log WHERE item = ?1")?,
            wake: connection.prepare(
                "UPDATE items SET woken = ?3 \
                 WHERE kind = ?1 AND id = ?2 AND (woken IS NULL OR woken > ?3)",
            )?,
            release: connection.prepare(
                "UPDATE items SET leased_until = NULL, due_since = NULL \
                 WHERE kind = ?1 AND id = ?2 AND token = ?3",
            )?,
        })
    }

    fn holds(&mut self, lease: &Lease, now: Timestamp) -> Result<bool, Failure> {
        let Lease { key, token, .. } = lease;
        Ok(self.holds.exists(params![
            kind_number(key.kind),
            Id::of(&key.id),
            number(*token),
            micros(now)
        ])?)
    }

    fn look(&mut self, key: &Key) -> Result<Option<Found>, Failure> {
        let row = self.look.query_row(params![kind_number(key.kind), Id::of(&key.id)], |row| {
            let counter: i64 = row.get(1)?;
            let operation: [u8; 16] = row.get(2)?;
            let (carries, tenant): (Option<String>, Option<[u8; 16]>) = (row.get(4)?, row.get(5)?);
            let name: Option<String> = row.get(6)?;
            let tenant = tenant.map(TenantId::from_bytes);
            let carries = carried(carries.as_deref(), tenant, name.as_deref());
            Ok((row.get(0)?, counter, operation, row.get(3)?, carries))
        });
        let Some((item, counter, operation, token, carries)) = row.optional()? else {
            return Ok(None);
        };
        let revision = Revision::new(count(counter)?, OperationId::from_bytes(operation));
        Ok(Some(Found { item, revision, token, carries }))
    }

    /// Returns the unique keys that cannot be taken, and the digests of those that are new to their
    /// items, in the order of the writes.
    fn taken(
        &mut self,
        writes: &[Write],
        found: &HashMap<&Key, Found>,
    ) -> Result<(Vec<UniqueKey>, Vec<[u8; 16]>), Failure> {
        let written: HashSet<i64> = found.values().map(|found| found.item).collect();
        let mut wanted = HashSet::new();
        let (mut taken, mut digests) = (Vec::new(), Vec::new());
        for write in writes {
            let Write::Put { key, header, .. } = write else { continue };
            let mine = carried_by(found.get(key));
            for unique in &header.unique {
                let mut elsewhere = false;
                if !mine.contains(unique) {
                    let digest = digest(unique);
                    digests.push(digest);
                    let holder = self.holder.query_row([digest], |row| row.get(0)).optional()?;
                    elsewhere = holder.is_some_and(|holder: i64| !written.contains(&holder));
                }
                // One header has none twice.
                let twice = writes.len() > 1 && !wanted.insert(unique);
                if elsewhere || twice {
                    taken.push(unique.clone());
                }
            }
        }
        Ok((taken, digests))
    }

    /// Frees the unique keys that an item carried and, with `header`, no longer does.
    fn give_up(&mut self, found: &Found, header: Option<&Header>) -> Result<(), Failure> {
        let kept = header.map(|header| header.unique.as_slice()).unwrap_or_default();
        for unique in &found.carries {
            if !kept.contains(unique) {
                self.give_up.execute(params![digest(unique)])?;
            }
        }
        Ok(())
    }

    /// Stores an item; `digests` are what is left of those that [`taken`](Self::taken) has returned.
    fn put(
        &mut self,
        (key, header, body): (&Key, &Header, &Body),
        found: Option<&Found>,
        digests: &mut impl Iterator<Item = [u8; 16]>,
        operation: OperationId,
        release: bool,
    ) -> Result<(i64, u64), Failure> {
        let tenant = header.tenant.as_ref().map(|tenant| tenant.as_bytes().as_slice());
        let (expires, due) = (header.expires.map(micros), header.due.map(micros));
        let carries = carries(header);
        let body = words::shortened(body.as_str());
        let (item, counter) = match found {
            Some(found) => {
                let counter = found.revision.counter.saturating_add(1);
                self.update.execute(params![
                    found.item,
                    number(counter),
                    operation.as_bytes(),
                    tenant,
                    header.name,
                    header.status,
                    expires,
                    due,
                    carries,
                    body,
                    release,
                ])?;
                (found.item, counter)
            }
            None => {
                let item = self.insert.insert(params![
                    kind_number(key.kind),
                    Id::of(&key.id),
                    operation.as_bytes(),
                    tenant,
                    header.name,
                    header.status,
                    expires,
                    due,
                    carries,
                    body,
                ])?;
                (item, 1)
            }
        };
        let mine = carried_by(found);
        let new = header.unique.iter().filter(|unique| !mine.contains(unique));
        for (_, digest) in new.zip(digests) {
            self.take.execute(params![digest, item])?;
        }
        Ok((item, counter))
    }

    fn delete(&mut self, found: &Found) -> Result<(), Failure> {
        self.drop_log.execute(params![found.item])?;
        self.remember_token.execute(params![found.token])?;
        self.delete.execute(params![found.item])?;
        Ok(())
    }
}

impl Session<'_> {
    pub(super) fn commit(&mut self, batch: &Batch) -> Result<Commit, Failure> {
        self.write(|session, now| session.writes.commit(batch, now))
    }
}

impl Writes<'_> {
    /// Makes the changes of a batch, within a transaction.
    pub(super) fn commit(&mut self, batch: &Batch, now: Timestamp) -> Result<End<Commit>, Failure> {
        if let Some((lease, _)) = &batch.lease
            && !self.holds(lease, now)?
        {
            return Ok(End::Rollback(Commit::Fenced));
        }
        let mut found = HashMap::new();
        let mut stale = Vec::new();
        for write in &batch.writes {
            let (Write::Put { key, expect, .. } | Write::Delete { key, expect }) = write else {
                continue;
            };
            let there = self.look(key)?;
            let wanted = match expect {
                Expect::Absent => None,
                Expect::Revision(revision) => Some(*revision),
            };
            if there.as_ref().map(|found| found.revision) != wanted {
                stale.push(key.clone());
            }
            if let Some(there) = there {
                found.insert(key, there);
            }
        }
        if !stale.is_empty() {
            return Ok(End::Rollback(Commit::Stale(stale)));
        }
        let (taken, digests) = self.taken(&batch.writes, &found)?;
        if !taken.is_empty() {
            return Ok(End::Rollback(Commit::Taken(taken)));
        }

        // What is given up goes first, so that a batch can move a unique key.
        for write in &batch.writes {
            match write {
                Write::Put { key, header, .. } => {
                    if let Some(found) = found.get(key) {
                        self.give_up(found, Some(header))?;
                    }
                }
                Write::Delete { key, .. } => {
                    if let Some(found) = found.get(key) {
                        self.give_up(found, None)?;
                    }
                }
                Write::Wake { .. } => {}
            }
        }
        let released = match &batch.lease {
            Some((lease, Then::Release)) => Some(lease),
            Some((_, Then::Keep)) | None => None,
        };
        let mut digests = digests.into_iter();
        let mut put = HashMap::new();
        let mut over = false;
        for write in &batch.writes {
            match write {
                Write::Put { key, header, body, .. } => {
                    let release = released.is_some_and(|lease| lease.key == *key);
                    over |= release;
                    let found = found.get(key);
                    let item = (key, header, body);
                    let row = self.put(item, found, &mut digests, batch.operation, release)?;
                    if !batch.log.is_empty() {
                        put.insert(key, (row, 0_u16));
                    }
                }
                Write::Delete { key, .. } => {
                    if let Some(found) = found.get(key) {
                        self.delete(found)?;
                    }
                }
                Write::Wake { .. } => {}
            }
        }
        // After the puts, so that a batch can wake what it creates.
        for write in &batch.writes {
            if let Write::Wake { key } = write {
                self.wake.execute(params![kind_number(key.kind), Id::of(&key.id), micros(now)])?;
            }
        }
        for entry in &batch.log {
            if let Some(((item, counter), index)) = put.get_mut(&entry.of) {
                let entry_number = number(Entry::number(*counter, *index));
                self.append.execute(params![*item, entry_number, micros(now), entry.body])?;
                *index = index.saturating_add(1);
            }
        }
        if let Some(lease) = released
            && !over
        {
            let Lease { key, token, .. } = lease;
            self.release.execute(params![
                kind_number(key.kind),
                Id::of(&key.id),
                number(*token)
            ])?;
        }
        Ok(End::Commit(Commit::Done))
    }
}
