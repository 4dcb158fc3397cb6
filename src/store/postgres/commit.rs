//! One batch, in one transaction of two round trips: look and lock, then write and commit.

use std::{
    future::Future,
    pin::{Pin, pin},
};

use futures_util::future::join_all;
use tokio_postgres::types::Type;

use super::{
    Shared,
    failure::Failure,
    link::{Link, Parameter},
    plan::{Change, Found, Plan, Seen, Slot},
    read::columns,
    row::{self, carried, column},
    sql::Statement,
};
use crate::{
    error::{ErrorKind, Result},
    store::{Batch, Commit, Entry, Expect, Item, Key, Revision, Write},
};

type Attempt<T> = std::result::Result<T, Failure>;

/// A statement under way.
type Step<'a> = Pin<Box<dyn Future<Output = Attempt<()>> + Send + 'a>>;

/// What became of the first attempt when a later one was refused.
enum Earlier {
    Done,
    Nothing,
    Unknown,
}

impl Shared {
    pub(super) async fn commit(&self, batch: &Batch) -> Result<Commit> {
        self.change_items("commit", Change { batch, restored: None }).await
    }

    pub(super) async fn restore(
        &self,
        item: &Item,
        batch: &Batch,
        log: &[Entry],
    ) -> Result<Commit> {
        let restored = Some((item.revision.counter, log));
        self.change_items("restore", Change { batch, restored }).await
    }

    async fn change_items(&self, operation: &'static str, change: Change<'_>) -> Result<Commit> {
        let size = change.size();
        if size > self.largest {
            let message = format!(
                "{size} bytes in one batch: the database takes no message of more than {}",
                self.largest
            );
            return Err(self.error(ErrorKind::Invalid, operation, message));
        }
        let mut tries = self.tries(operation);
        let mut carefully = false;
        loop {
            match self.limited_change(change, carefully).await {
                Ok(Commit::Done) => return Ok(Commit::Done),
                Ok(refused) if !tries.in_doubt => return Ok(refused),
                Ok(refused) => {
                    // Apart, since it is rare and would be part of every commit.
                    let what = match Box::pin(self.earlier(change.batch)).await {
                        Ok(Earlier::Done) => return Ok(Commit::Done),
                        Ok(Earlier::Nothing) => return Ok(refused),
                        Ok(Earlier::Unknown) => "it may have been there".to_owned(),
                        // That it cannot be looked for says nothing of whether it happened.
                        Err(error) => format!("it may be there: {}", error.message()),
                    };
                    let message = format!(
                        "{}: the connection broke while the change was made; {what}",
                        self.place
                    );
                    return Err(self.error(ErrorKind::Unknown, operation, message));
                }
                Err(failure) => {
                    carefully |= failure.is_taken();
                    tries.again(failure).await?;
                }
            }
        }
    }

    /// Finds out whether an attempt whose answer was lost has happened.
    ///
    /// It is over by now: the attempt after it has waited for its locks.
    async fn earlier(&self, batch: &Batch) -> Result<Earlier> {
        let mut expected = Vec::new();
        for write in &batch.writes {
            if let Write::Put { key, expect, .. } | Write::Delete { key, expect } = write {
                expected.push((key.clone(), *expect, matches!(write, Write::Put { .. })));
            }
        }
        let keys: Vec<Key> = expected.iter().map(|(key, ..)| key.clone()).collect();
        let found = self.get(&keys).await?.into_iter().map(|item| item.map(|item| item.revision));
        let found: Vec<_> = expected.iter().zip(found).collect();
        // A batch is there as a whole or not at all: one write tells of all.
        let is_ours = |is_put: bool, revision: Option<Revision>| {
            is_put && revision.is_some_and(|revision| revision.operation == batch.operation)
        };
        if found.iter().any(|((_, _, is_put), revision)| is_ours(*is_put, *revision)) {
            return Ok(Earlier::Done);
        }
        let mut absent = false;
        for ((_, expect, _), revision) in found {
            match expect {
                Expect::Revision(before) if revision == Some(*before) => {
                    return Ok(Earlier::Nothing);
                }
                Expect::Revision(_) => return Ok(Earlier::Unknown),
                Expect::Absent => absent |= revision.is_none(),
            }
        }
        // What is not there may have been created and deleted since; a few seconds make that unlikely.
        Ok(if absent { Earlier::Nothing } else { Earlier::Unknown })
    }

    async fn limited_change(&self, change: Change<'_>, carefully: bool) -> Attempt<Commit> {
        let mut asked = false;
        let done = self.limited(pin!(self.attempt(change, carefully, &mut asked))).await;
        done.map_err(|failure| if asked { failure.after_change() } else { failure })
    }

    async fn attempt(
        &self,
        change: Change<'_>,
        carefully: bool,
        asked: &mut bool,
    ) -> Attempt<Commit> {
        if change.batch.writes.is_empty() && change.batch.lease.is_none() {
            return Ok(Commit::Done);
        }
        let link = self.link().await?;
        let seen = match self.look(&link, change, carefully).await {
            Ok(seen) => seen,
            Err(failure) => {
                self.end(link, &failure).await;
                return Err(failure);
            }
        };
        if let Some(refused) = change.refusal(&seen, carefully) {
            link.simple(&self.sql.rollback).await?;
            link.keep();
            return Ok(refused);
        }
        *asked = true;
        let written = self.write(&link, &change.plan(&seen)).await;
        link.settle(&written);
        written.map(|()| Commit::Done)
    }

    /// Ends a transaction that was refused, so that its connection can be used again.
    async fn end(&self, link: Link, failure: &Failure) {
        if failure.spares_the_connection() && link.simple(&self.sql.rollback).await.is_ok() {
            link.keep();
        }
    }

    /// Begins a transaction, and locks and reads all that it depends on, in one round trip.
    async fn look(&self, link: &Link, change: Change<'_>, carefully: bool) -> Attempt<Seen> {
        let (items, slots) = (columns(change.items(carefully)), columns(change.slots()));
        let unique = change.unique(carefully);
        let ahead = self.ahead();
        let has_items = !items.1.is_empty();
        let items: [Parameter<'_>; 2] =
            [(&items.0, Type::TEXT_ARRAY), (&items.1, Type::TEXT_ARRAY)];
        let has_slots = !slots.1.is_empty();
        let slots: [Parameter<'_>; 2] =
            [(&slots.0, Type::TEXT_ARRAY), (&slots.1, Type::TEXT_ARRAY)];
        let wanted: [Parameter<'_>; 1] = [(&unique, Type::TEXT_ARRAY)];
        let time: [Parameter<'_>; 1] = [(&ahead, Type::INT8)];
        let rows = async |needed: bool, statement: &Statement, parameters: &[Parameter<'_>]| {
            if needed { link.rows(statement, parameters).await } else { Ok(Vec::new()) }
        };
        // They are sent in this order, and the server runs them so: the time is that after the locks.
        let (begun, items, slots, holders, now) = futures_util::future::join5(
            link.simple(&self.sql.begin),
            rows(has_items, &self.sql.look_items, &items),
            rows(has_slots, &self.sql.look_schedule, &slots),
            rows(!unique.is_empty(), &self.sql.look_unique, &wanted),
            link.rows(&self.sql.now, &time),
        )
        .await;
        begun?;
        let mut seen = Seen::default();
        for row in items? {
            let carries = carried(column(&row, 4)?);
            let found = Found { revision: row::revision(&row, 2)?, carries };
            seen.items.insert(row::key(&row, 0)?, found);
        }
        for row in slots? {
            let slot = Slot {
                counter: column(&row, 2)?,
                token: column(&row, 3)?,
                due: column(&row, 4)?,
                woken: column(&row, 5)?,
                leased_until: column(&row, 6)?,
                due_since: column(&row, 7)?,
                wanted: column(&row, 8)?,
            };
            seen.schedule.insert(row::key(&row, 0)?, slot);
        }
        for row in holders? {
            seen.holders.insert(column(&row, 0)?, row::key(&row, 1)?);
        }
        let now = now?;
        let row = now.first().ok_or_else(|| Failure::Stored("no time".to_owned()))?;
        seen.now = column(row, 0)?;
        Ok(seen)
    }

    /// Writes and commits, in one round trip.
    async fn write(&self, link: &Link, plan: &Plan<'_>) -> Attempt<()> {
        let sql = &self.sql;
        let given_up: [Parameter<'_>; 1] = [(&plan.given_up, Type::TEXT_ARRAY)];
        let deleted = plan.deleted.parameters();
        let (new_items, items) = (plan.new_items.parameters(), plan.items.parameters());
        let (new_slots, slots) = (plan.new_slots.parameters(), plan.slots.parameters());
        let (taken, log) = (plan.taken.parameters(), plan.log.parameters());
        let mut steps: Vec<Step<'_>> = Vec::new();
        let mut step = |is_empty: bool, statement, parameters| {
            if !is_empty {
                steps.push(Box::pin(link.run(statement, parameters)));
            }
        };
        // What is given up goes first, so that a batch can move a unique key.
        step(plan.given_up.is_empty(), &sql.delete_unique, &given_up[..]);
        step(plan.deleted.is_empty(), &sql.delete_log, &deleted);
        step(plan.deleted.is_empty(), &sql.delete_schedule, &deleted);
        step(plan.deleted.is_empty(), &sql.delete_items, &deleted);
        step(plan.new_items.is_empty(), &sql.insert_items, &new_items);
        step(plan.items.is_empty(), &sql.update_items, &items);
        step(plan.new_slots.is_empty(), &sql.insert_schedule, &new_slots);
        step(plan.slots.is_empty(), &sql.update_schedule, &slots);
        step(plan.taken.is_empty(), &sql.insert_unique, &taken);
        step(plan.log.is_empty(), &sql.insert_log, &log);
        steps.push(Box::pin(link.simple(&sql.commit)));
        // The first failure explains the others: the server refuses all that follows.
        let mut done = Ok(());
        for step in join_all(steps).await {
            done = done.and(step);
        }
        done
    }
}

#[cfg(test)]
mod tests;
