//! Leases: one statement and one commit for all that are asked for.

use std::{collections::HashMap, pin::pin, time::Duration};

use tokio_postgres::{Row, types::Type};

use super::{
    Shared,
    failure::Failure,
    link::Parameter,
    place::Poll,
    read::{columns, is_text},
    row::{self, column, count, instant, length, number},
};
use crate::{
    clock::Timestamp,
    error::{ErrorKind, Result},
    store::{Item, Key, Kind, Lease, LeaseRequest, Leased},
};

type Attempt<T> = std::result::Result<T, Failure>;

/// Where the columns of the item begin, in the rows of a lease.
const ITEM: usize = 8;

/// How often what is due is looked for again when others took all that was found.
const LOOKS: usize = 4;

/// What one statement has leased.
#[derive(Default)]
struct Taken {
    now: Option<Timestamp>,
    leases: Vec<(Lease, Item)>,
    /// Leases whose items were changed since the statement began, in the place of those.
    outdated: Vec<Lease>,
    unreadable: usize,
}

/// What one poll is asked for.
struct Asked {
    poll: Poll,
    ahead: i64,
    limit: i64,
    by: i64,
}

impl Asked {
    /// Returns the parameters of the statement that looks and leases in one.
    fn parameters(&self) -> [Parameter<'_>; 8] {
        [
            (&self.ahead, Type::INT8),
            (&self.poll.names, Type::TEXT_ARRAY),
            (&self.limit, Type::INT8),
            (&self.poll.above, Type::INT8_ARRAY),
            (&self.poll.looked_at, Type::INT8_ARRAY),
            (&self.poll.again, Type::INT8_ARRAY),
            (&self.poll.all_at, Type::INT8_ARRAY),
            (&self.by, Type::INT8),
        ]
    }
}

impl Shared {
    fn asked(&self, kinds: &[Kind], wanted: &LeaseRequest) -> Asked {
        Asked {
            poll: self.places.poll(kinds),
            ahead: self.ahead(),
            limit: wanted.limit.clamp(1, LeaseRequest::MAX_LIMIT).into(),
            by: length(wanted.duration),
        }
    }

    pub(super) async fn lease(&self, wanted: &LeaseRequest) -> Result<Leased> {
        let mut kinds: Vec<Kind> = wanted.kinds.clone();
        kinds.sort_unstable();
        kinds.dedup();
        if let Some(key) = &wanted.only {
            kinds.retain(|kind| *kind == key.kind && is_text(&key.id));
        }
        if kinds.is_empty() {
            return Ok(Leased::new(self.now().await?, Vec::new()));
        }
        let rows = match &wanted.only {
            Some(key) => self.lease_these(std::slice::from_ref(key), wanted.duration).await?,
            None if self.distributed => self.lease_in_two(&kinds, wanted).await?,
            None => self.lease_in_one(&kinds, wanted).await?,
        };
        let taken = self.readable("lease", taken(&rows))?;
        self.leased(taken).await
    }

    /// Leases what is due and nobody has locked.
    async fn lease_in_one(&self, kinds: &[Kind], wanted: &LeaseRequest) -> Result<Vec<Row>> {
        let asked = self.asked(kinds, wanted);
        // It waits for nobody, and is a transaction of its own.
        let rows = self.change("lease", &self.sql.lease, &asked.parameters()).await?;
        self.readable("lease", self.note(&asked, &rows, 7))?;
        Ok(rows)
    }

    /// Finds what is due, and leases what is still due when the lock is had.
    async fn lease_in_two(&self, kinds: &[Kind], wanted: &LeaseRequest) -> Result<Vec<Row>> {
        let mut looks = 0;
        loop {
            looks += 1;
            let asked = self.asked(kinds, wanted);
            // How long the leases last is asked by the statement that gives them.
            let [looking @ .., _] = &asked.parameters();
            let found = self.read("lease", &self.sql.due, looking).await?;
            let due: Attempt<Vec<Key>> =
                found.iter().filter(|row| is_lease(row)).map(|row| row::key(row, 1)).collect();
            let due = self.readable("lease", due)?;
            if due.is_empty() {
                self.readable("lease", self.note(&asked, &found, 3))?;
                return Ok(found);
            }
            let rows = self.lease_these(&due, wanted.duration).await?;
            self.readable("lease", self.note(&asked, &found, 3))?;
            if looks == LOOKS || rows.iter().any(is_lease) {
                return Ok(rows);
            }
        }
    }

    /// Remembers where the next poll begins. Column `place` of each row is its place.
    fn note(&self, asked: &Asked, rows: &[Row], place: usize) -> Attempt<()> {
        let Some(first) = rows.first() else { return Ok(()) };
        let mut lowest: Option<i64> = None;
        let mut count = 0_i64;
        for row in rows.iter().filter(|row| is_lease(row)) {
            count = count.saturating_add(1);
            let place: i64 = column(row, place)?;
            lowest = Some(lowest.map_or(place, |lowest| lowest.min(place)));
        }
        self.places.note(&asked.poll, column(first, 0)?, lowest, count < asked.limit);
        Ok(())
    }

    pub(super) async fn explain_lease(&self, wanted: &LeaseRequest) -> Result<Vec<String>> {
        if self.distributed {
            let message = "distributed mode is for engines that explain in other ways";
            return Err(self.error(ErrorKind::Unsupported, "explain_lease", message));
        }
        let explained = self.limited(pin!(self.explain_once(wanted))).await;
        self.readable("explain_lease", explained)
    }

    async fn explain_once(&self, wanted: &LeaseRequest) -> Attempt<Vec<String>> {
        let asked = self.asked(&wanted.kinds, wanted);
        let link = self.link().await?;
        link.simple(&self.sql.begin).await?;
        let rows = link.rows(&self.sql.explain, &asked.parameters()).await?;
        link.simple(&self.sql.rollback).await?;
        link.keep();
        rows.iter().map(|row| column(row, 0)).collect()
    }

    async fn lease_these(&self, keys: &[Key], by: Duration) -> Result<Vec<Row>> {
        let ((kinds, ids), ahead, by) = (columns(keys), self.ahead(), length(by));
        let parameters: [Parameter<'_>; 4] = [
            (&ahead, Type::INT8),
            (&kinds, Type::TEXT_ARRAY),
            (&ids, Type::TEXT_ARRAY),
            (&by, Type::INT8),
        ];
        self.change_within("lease", &self.sql.lease_these, &parameters).await
    }

    /// Returns the answer, with the items as they are under their leases.
    async fn leased(&self, taken: Taken) -> Result<Leased> {
        let Taken { now, mut leases, outdated, mut unreadable } = taken;
        let Some(now) = now else {
            return Err(self.error(ErrorKind::Malformed, "lease", "the database tells no time"));
        };
        for lease in outdated {
            match self.get(std::slice::from_ref(&lease.key)).await {
                Ok(mut items) => leases.extend(items.pop().flatten().map(|item| (lease, item))),
                Err(error) if error.kind() == ErrorKind::Malformed => {
                    unreadable = unreadable.saturating_add(1);
                }
                Err(error) => return Err(error),
            }
        }
        // Rows come back in no promised order.
        leases.sort_by_key(|(lease, _)| lease.due_since);
        Ok(Leased::new(now, leases).with_unreadable(unreadable))
    }

    pub(super) async fn extend(
        &self,
        leases: &[Lease],
        by: Duration,
    ) -> Result<Vec<Option<Lease>>> {
        let (kinds, ids) = columns(leases.iter().map(|lease| &lease.key));
        let tokens: Vec<i64> = leases
            .iter()
            .filter(|lease| is_text(&lease.key.id))
            .map(|lease| number(lease.token))
            .collect();
        if tokens.is_empty() {
            return Ok(vec![None; leases.len()]);
        }
        let (ahead, by) = (self.ahead(), length(by));
        let parameters: [Parameter<'_>; 5] = [
            (&ahead, Type::INT8),
            (&kinds, Type::TEXT_ARRAY),
            (&ids, Type::TEXT_ARRAY),
            (&by, Type::INT8),
            (&tokens, Type::INT8_ARRAY),
        ];
        let rows = self.change_within("extend", &self.sql.extend, &parameters).await?;
        let extended: Attempt<HashMap<(Key, u64), Timestamp>> = rows
            .iter()
            .map(|row| {
                let token = count(column(row, 2)?)?;
                Ok(((row::key(row, 0)?, token), instant(column(row, 3)?)?))
            })
            .collect();
        let extended = self.readable("extend", extended)?;
        let answer = |lease: &Lease| {
            let until = extended.get(&(lease.key.clone(), lease.token))?;
            Some(Lease::new(lease.key.clone(), lease.token, *until))
        };
        Ok(leases.iter().map(answer).collect())
    }
}

/// Whether a row is more than the time.
fn is_lease(row: &Row) -> bool {
    !matches!(row.try_get::<_, Option<&str>>(1), Ok(None))
}

/// Reads what a statement has leased.
fn taken(rows: &[Row]) -> Attempt<Taken> {
    let mut taken = Taken::default();
    for row in rows {
        taken.now = Some(instant(column(row, 0)?)?);
        if !is_lease(row) {
            continue;
        }
        // One row must not stop all others; it is out of their way until its lease ends.
        match leased(row) {
            Ok((lease, Some(item))) => taken.leases.push((lease, item)),
            Ok((lease, None)) => taken.outdated.push(lease),
            Err(Failure::Stored(_)) => taken.unreadable = taken.unreadable.saturating_add(1),
            Err(failure) => return Err(failure),
        }
    }
    Ok(taken)
}

/// Reads one lease, and its item unless that has changed since the statement began: a statement sees
/// what it locks as it is, and everything else as it was then.
fn leased(row: &Row) -> Attempt<(Lease, Option<Item>)> {
    let key = row::key(row, 1)?;
    let counter = count(column(row, 3)?)?;
    let (since, token, until) = (column(row, 4)?, column(row, 5)?, column(row, 6)?);
    let lease = Lease::new(key, count(token)?, instant(until)?).with_due_since(instant(since)?);
    if column::<Option<i64>>(row, ITEM.saturating_add(2))? != Some(number(counter)) {
        return Ok((lease, None));
    }
    Ok((lease, Some(row::item(row, ITEM)?)))
}
