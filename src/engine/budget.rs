//! Limits on what many roots do together, kept in ledgers.
//!
//! A ledger is spent from in the very commit that stores the intent: what was decided is paid for,
//! once, and what is not stored is not. A repetition of an effect costs nothing more.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    backends::Backends,
    codec,
    decide::Settings,
    each::each,
    root::{Decision, DomainRoot, Effect, Root},
};
use crate::{
    certificate::{Order, OrderStatus},
    clock::{Timestamp, after, between},
    domain::{BudgetKind, Throttled},
    error::{ErrorKind, Result},
    store::{Expect, Header, Item, Key, Kind, Write},
};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// How long to wait for a ledger that only another release can read.
const NEXT_RELEASE: Duration = Duration::from_secs(600);

/// How much of something may be done: a bucket of `limit` tokens, which refills evenly in `per`.
///
/// After a pause all of it may be spent at once; then one at a time, as they come back. So do the
/// limits of certificate authorities count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Budget {
    /// How many tokens the bucket holds. None is at least one.
    pub limit: u32,
    /// In what time an empty bucket is full again.
    pub per: Duration,
}

impl Budget {
    /// Creates a budget.
    pub const fn new(limit: u32, per: Duration) -> Self {
        Self { limit, per }
    }

    /// Returns how long it takes for one token to come back.
    pub fn interval(self) -> Duration {
        self.per / self.limit.max(1)
    }

    /// Takes a token out of a bucket that is full at `full_at`; returns when it is full again then.
    ///
    /// # Errors
    ///
    /// If there is none: when there is one.
    pub(super) fn take(
        self,
        full_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Timestamp, Timestamp> {
        // No bucket is emptier than empty, whatever a clock said when it was written.
        let empty = after(now, self.per);
        let full_at = full_at.unwrap_or(now).clamp(now, empty);
        let then = after(full_at, self.interval());
        if then <= empty {
            return Ok(then);
        }
        Err(after(now, between(empty, then)))
    }

    /// Takes a token out of a bucket that is full at `full_at`, on credit if there is none; returns
    /// when there is one, and when the bucket is full again.
    pub(super) fn queue(
        self,
        full_at: Option<Timestamp>,
        now: Timestamp,
    ) -> (Timestamp, Timestamp) {
        let empty = after(now, self.per);
        // Nobody queues for longer than a day, whatever a clock said when it was written.
        let full_at = full_at.unwrap_or(now).clamp(now, after(empty, DAY));
        let then = after(full_at, self.interval());
        (after(now, between(empty, then)), then)
    }
}

/// The budgets that all domains share; `None` is without limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Budgets {
    /// New certificates below one registered domain, spent when a certificate is asked for.
    /// Renewals are free.
    pub certificates: Option<Budget>,
    /// Certificates for exactly the same names, spent when a certificate is asked for.
    pub duplicates: Option<Budget>,
    /// Orders of our account, spent when one is opened.
    pub orders: Option<Budget>,
}

impl Budgets {
    /// The limits of Let's Encrypt, as published in August 2026.
    pub const LETS_ENCRYPT: Self = Self {
        certificates: Some(Budget::new(50, DAY.saturating_mul(7))),
        duplicates: Some(Budget::new(5, DAY.saturating_mul(7))),
        orders: Some(Budget::new(300, HOUR.saturating_mul(3))),
    };

    /// No limits: for an authority of one's own.
    pub const UNLIMITED: Self = Self { certificates: None, duplicates: None, orders: None };

    const fn of(&self, kind: BudgetKind) -> Option<Budget> {
        match kind {
            BudgetKind::Certificates => self.certificates,
            BudgetKind::Duplicates => self.duplicates,
            BudgetKind::Orders => self.orders,
        }
    }
}

/// What a decision costs of one budget.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Cost {
    kind: BudgetKind,
    budget: Budget,
    /// Whose bucket it is.
    of: String,
    /// Whether a token is taken, or only has to be there.
    is_taken: bool,
}

impl Cost {
    pub(super) const fn kind(&self) -> BudgetKind {
        self.kind
    }

    fn key(&self) -> Key {
        let digest = Sha256::digest(&self.of);
        Key::new(Kind::Ledger, format_args!("{}/{}", self.kind.as_str(), hex::encode(digest)))
    }
}

/// Returns what a decision about `before` costs. An effect that was decided on before is paid for.
pub(super) fn costs(before: &Root, decision: &Decision, settings: &Settings) -> Vec<Cost> {
    let (Some(intent), Root::Domain(old), Root::Domain(new)) =
        (&decision.effect, before, &decision.root)
    else {
        return Vec::new();
    };
    if before.intent().is_some_and(|known| known.id == intent.id) {
        return Vec::new();
    }
    let Some(order) = &new.order else { return Vec::new() };
    let known = old.order.as_ref().filter(|known| known.id == order.id);
    let was_ready = known.is_some_and(|known| known.status == OrderStatus::Ready);
    let wanted: &[(BudgetKind, bool)] = match intent.effect {
        // An order is not opened that could not be finalized. One that could not be opened yet, since
        // the authority was away, is paid for.
        Effect::OpenOrder { .. } if known.is_none() => &[
            (BudgetKind::Orders, true),
            (BudgetKind::Certificates, false),
            (BudgetKind::Duplicates, false),
        ],
        // Asked for once more, it is still the same certificate.
        Effect::Finalize { .. } if was_ready => {
            &[(BudgetKind::Certificates, true), (BudgetKind::Duplicates, true)]
        }
        _ => &[],
    };
    let cost = |(kind, is_taken): &(BudgetKind, bool)| {
        let budget = settings.policy.budgets.of(*kind)?;
        let of = whose(*kind, new, order)?;
        Some(Cost { kind: *kind, budget, of, is_taken: *is_taken })
    };
    wanted.iter().filter_map(cost).collect()
}

/// Returns whose budget an order is a part of; `None` if it does not count.
fn whose(kind: BudgetKind, root: &DomainRoot, order: &Order) -> Option<String> {
    let authority = &order.authority;
    match kind {
        BudgetKind::Orders => Some(authority.clone()),
        BudgetKind::Certificates if root.domain.certificate.is_some() => None,
        BudgetKind::Certificates => {
            let name = order.names.first()?;
            let registered = name.registrable().map_or_else(|| name.to_string(), str::to_owned);
            Some(format!("{authority} {registered}"))
        }
        BudgetKind::Duplicates => {
            let mut names: Vec<_> = order.names.iter().map(ToString::to_string).collect();
            names.sort_unstable();
            names.dedup();
            Some(format!("{authority} {}", names.join(" ")))
        }
    }
}

/// What is stored of a bucket.
#[derive(Debug, Deserialize, Serialize)]
struct Ledger {
    budget: BudgetKind,
    /// Whose it is, for whoever looks into the store.
    of: String,
    full_at: Timestamp,
}

/// Returns what has to be written in the commit that makes costs; or which budget is spent, and
/// until when.
pub(super) async fn pay(
    backends: &Backends,
    costs: &[Cost],
    now: Timestamp,
) -> Result<Result<Vec<Write>, Throttled>> {
    if costs.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    let keys: Vec<Key> = costs.iter().map(Cost::key).collect();
    let found = each(&*backends.store, &keys).await?;
    let mut writes = Vec::new();
    for ((cost, key), item) in costs.iter().zip(keys).zip(found) {
        // Nobody knows what is left where the store cannot read it, and nothing can be written there.
        let Ok(item) = item else { continue };
        let full_at = match item.as_ref().map(codec::read_item::<Ledger>) {
            None => None,
            Some(Ok(ledger)) => Some(ledger.full_at),
            Some(Err(error)) if error.kind() == ErrorKind::Unsupported => {
                return Ok(Err(Throttled::new(cost.kind, after(now, NEXT_RELEASE))));
            }
            // Nobody knows what is left; the authority does.
            Some(Err(_)) => None,
        };
        match cost.budget.take(full_at, now) {
            Ok(_) if !cost.is_taken => {}
            Ok(full_at) => writes.push(entry(cost, key, item.as_ref(), full_at)?),
            Err(until) => return Ok(Err(Throttled::new(cost.kind, until))),
        }
    }
    Ok(Ok(writes))
}

fn entry(cost: &Cost, key: Key, before: Option<&Item>, full_at: Timestamp) -> Result<Write> {
    let ledger = Ledger { budget: cost.kind, of: cost.of.clone(), full_at };
    let expect = before.map_or(Expect::Absent, |item| Expect::Revision(item.revision));
    // A bucket that is full again need not be kept.
    let header = Header { expires: Some(full_at), ..Header::default() };
    Ok(Write::Put { key, expect, header, body: codec::write_item(&ledger)? })
}

#[cfg(test)]
mod tests;
