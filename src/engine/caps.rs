//! How many names a tenant may have, and how quickly it may add them: kept in ledgers that the commit
//! which adds a name writes too.
//!
//! A ledger counts up with every name and never down: its count is at least the true one. Only when a
//! limit seems to be reached are the names themselves counted. So nothing but adding pays for it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    backends::Backends,
    budget::Budget,
    codec::{self, PARKED, REMOVED},
    policy::Policy,
    refusal::{Refusal, Rule},
    setback::Unreadable,
};
use crate::{
    clock::{Timestamp, after, between},
    domain::Status,
    error::{Error, ErrorKind, Result},
    id::{OperationId, TenantId},
    name::DomainName,
    store::{Batch, Expect, Filter, Header, Item, Key, Kind, Query, Write},
};

/// How long after names were counted they are not counted again because a limit is reached.
const RECOUNT: Duration = Duration::from_secs(60);

/// How long a ledger is kept that nothing but a count is in.
const KEEP: Duration = Duration::from_secs(86_400);

/// How many names there are at most.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Tally {
    total: u32,
    pending: u32,
    /// When they were counted.
    at: Timestamp,
}

/// What is stored of a tenant's pace.
#[derive(Debug, Deserialize, Serialize)]
struct Pace {
    full_at: Timestamp,
    /// When the bucket of names to add is full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    adds_full_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tally: Option<Tally>,
}

/// How many names a tenant has below a registrable domain.
#[derive(Debug, Deserialize, Serialize)]
struct Below {
    /// Of what, for whoever looks into the store.
    of: String,
    tally: Tally,
}

/// When a new name has its turn, and what is to be written down about it.
pub(super) struct Turn {
    pub(super) due: Timestamp,
    pub(super) writes: Vec<Write>,
    /// Whether the name must not be added without that: it is counted.
    pub(super) is_counted: bool,
}

/// Returns when the next new name of a tenant has its turn, if it may have one.
///
/// # Errors
///
/// `Quota` if it has too many, `RateLimited` if it adds them too quickly, with the name of the
/// [`Rule`] as code; those of the store.
pub(super) async fn turn(
    backends: &Backends,
    tenant: TenantId,
    name: &DomainName,
    now: Timestamp,
) -> Result<Turn> {
    let policy = &backends.settings.policy;
    let refuse = |rule: Rule, error: &dyn Fn(&Refusal) -> Error| {
        let refusal = Refusal::new(rule, "add", tenant).with_name(name.clone());
        backends.refuse(&refusal);
        error(&refusal)
    };
    let key = Key::new(Kind::Ledger, format_args!("pace/{tenant}"));
    let found = backends.store.get(std::slice::from_ref(&key)).await?;
    let item = found.into_iter().flatten().next();
    let known = item.as_ref().map(codec::read_item::<Pace>);
    // Of another release, or broken: it is left as it is, and nobody has to wait for it. How many names
    // there are is counted all the same.
    let is_readable = !matches!(known, Some(Err(_)));
    let known = known.and_then(Result::ok);
    let adds_full_at = match policy.adds.filter(|_| is_readable) {
        None => None,
        Some(adds) => Some(take(adds, known.as_ref(), now).map_err(|until| {
            refuse(Rule::TooFast, &|refusal| {
                let message = format!("{} names were added just now", adds.limit);
                refusal.error(ErrorKind::RateLimited, message).with_retry_after(between(now, until))
            })
        })?),
    };
    let limits = Limits { total: policy.max_claims, pending: policy.max_pending };
    let before = known.as_ref().and_then(|pace| pace.tally);
    let tally = limits.count(backends, tenant, None, before, now).await?;
    let full_at = known.map(|pace| pace.full_at);
    let (due, full_at) = match is_readable {
        true => policy.pace.queue(full_at, now),
        false => (now, now),
    };
    let put = |tally: Option<Tally>| -> Result<Write> {
        let expires = if tally.is_some() { full_at.max(after(now, KEEP)) } else { full_at };
        let header = Header { tenant: Some(tenant), expires: Some(expires), ..Header::default() };
        let body = codec::write_item(&Pace { full_at, adds_full_at, tally })?;
        Ok(Write::Put { key: key.clone(), expect: expect(item.as_ref()), header, body })
    };
    let tally = match tally {
        Ok(tally) => tally,
        Err((rule, counted)) => {
            // Else everybody who is refused would have all names counted again.
            if is_readable {
                remember(backends, before, counted, put(Some(counted))?).await;
            }
            return Err(refuse(rule, &|refusal| too_many(refusal, policy, name)));
        }
    };
    let mut writes = Vec::new();
    let mut is_counted = false;
    if is_readable {
        writes.push(put(tally)?);
        is_counted = tally.is_some() || adds_full_at.is_some();
    }
    if let Some(max) = policy.max_below {
        is_counted = true;
        match below(backends, tenant, name, max, now).await? {
            Ok(write) => writes.push(write),
            Err(rule) => return Err(refuse(rule, &|refusal| too_many(refusal, policy, name))),
        }
    }
    Ok(Turn { due, writes, is_counted })
}

fn expect(before: Option<&Item>) -> Expect {
    before.map_or(Expect::Absent, |item| Expect::Revision(item.revision))
}

fn take(adds: Budget, known: Option<&Pace>, now: Timestamp) -> Result<Timestamp, Timestamp> {
    adds.take(known.and_then(|pace| pace.adds_full_at), now)
}

/// Counts one more name below a registrable domain.
async fn below(
    backends: &Backends,
    tenant: TenantId,
    name: &DomainName,
    max: u32,
    now: Timestamp,
) -> Result<Result<Write, Rule>> {
    let registrable = registrable(name);
    let of = format!("{tenant} {registrable}");
    let digest = hex::encode(Sha256::digest(&of));
    let key = Key::new(Kind::Ledger, format_args!("below/{digest}"));
    let found = backends.store.get(std::slice::from_ref(&key)).await?;
    let item = found.into_iter().flatten().next();
    let before = item.as_ref().and_then(|item| codec::read_item::<Below>(item).ok());
    let before = before.map(|below| below.tally);
    let limits = Limits { total: Some(max), pending: None };
    let put = |tally: Tally| -> Result<Write> {
        // What is forgotten is counted anew.
        let expires = Some(after(now, KEEP));
        let header = Header { tenant: Some(tenant), expires, ..Header::default() };
        let body = codec::write_item(&Below { of: of.clone(), tally })?;
        Ok(Write::Put { key: key.clone(), expect: expect(item.as_ref()), header, body })
    };
    match limits.count(backends, tenant, Some(registrable), before, now).await? {
        Ok(Some(tally)) => Ok(Ok(put(tally)?)),
        // There is a limit, so there is a count.
        Ok(None) => Ok(Err(Rule::TooManyBelow)),
        Err((_, counted)) => {
            remember(backends, before, counted, put(counted)?).await;
            Ok(Err(Rule::TooManyBelow))
        }
    }
}

/// Keeps a fresh count although nothing is added; if not now, then at the next refusal.
async fn remember(backends: &Backends, before: Option<Tally>, counted: Tally, write: Write) {
    if before == Some(counted) {
        return;
    }
    if let Ok(operation) = OperationId::random(&*backends.random) {
        let _ = backends.store.commit(Batch::new(operation).with(write)).await;
    }
}

/// How many names there may be.
#[derive(Clone, Copy)]
struct Limits {
    total: Option<u32>,
    pending: Option<u32>,
}

impl Limits {
    /// Returns the count with one name more; or the rule that refuses it, and the true count.
    async fn count(
        self,
        backends: &Backends,
        tenant: TenantId,
        registrable: Option<&str>,
        known: Option<Tally>,
        now: Timestamp,
    ) -> Result<Result<Option<Tally>, (Rule, Tally)>> {
        if self.total.is_none() && self.pending.is_none() {
            return Ok(Ok(None));
        }
        let is_old = |tally: &Tally| now >= after(tally.at, RECOUNT) || now < tally.at;
        let tally = match known {
            Some(tally) if self.rule(tally).is_none() || !is_old(&tally) => tally,
            _ => self.recount(backends, tenant, registrable, now).await?,
        };
        Ok(match self.rule(tally) {
            Some(rule) => Err((rule, tally)),
            None => Ok(Some(Tally {
                total: tally.total.saturating_add(1),
                pending: tally.pending.saturating_add(1),
                at: tally.at,
            })),
        })
    }

    /// Returns the rule that allows no name more.
    fn rule(self, tally: Tally) -> Option<Rule> {
        if self.total.is_some_and(|max| tally.total >= max) {
            return Some(Rule::TooMany);
        }
        self.pending.is_some_and(|max| tally.pending >= max).then_some(Rule::TooManyPending)
    }

    /// Counts the names themselves.
    async fn recount(
        self,
        backends: &Backends,
        tenant: TenantId,
        within: Option<&str>,
        now: Timestamp,
    ) -> Result<Tally> {
        let mut tally = Tally { total: 0, pending: 0, at: now };
        let mut query =
            Query::new(Kind::Domain, Filter::Tenant(tenant)).with_limit(Query::MAX_LIMIT);
        loop {
            let page = backends.store.list(&query).await?;
            for item in &page.items {
                let header = &item.header;
                let status = status_of(backends, item).await?;
                let is_within = within.is_none_or(|within| {
                    let name = header.name.as_deref().and_then(|name| name.parse().ok());
                    name.is_some_and(|name: DomainName| registrable(&name) == within)
                });
                if status.as_deref() == Some(REMOVED) || !is_within {
                    continue;
                }
                tally.total = tally.total.saturating_add(1);
                if status.is_none_or(|status| status == Status::Pending.as_str()) {
                    tally.pending = tally.pending.saturating_add(1);
                }
            }
            // The name of what the store cannot read is not known, but that it is a claim is.
            if within.is_none() {
                let unreadable = u32::try_from(page.unreadable.len()).unwrap_or(u32::MAX);
                tally.total = tally.total.saturating_add(unreadable);
                tally.pending = tally.pending.saturating_add(unreadable);
            }
            // One too many is enough to know.
            let Some(next) = page.next.filter(|_| self.rule(tally).is_none()) else {
                return Ok(tally);
            };
            query = query.with_after(next);
        }
    }
}

/// Returns the status of a claim, as it was before it was parked if it is; `None` if nobody knows.
async fn status_of(backends: &Backends, item: &Item) -> Result<Option<String>> {
    let status = item.header.status.clone();
    if status.as_deref() != Some(PARKED) {
        return Ok(status);
    }
    if let Ok(domain) = codec::read_domain(item) {
        let status = if domain.is_removed() { REMOVED } else { domain.status().as_str() };
        return Ok(Some(status.to_owned()));
    }
    let found = backends.store.get(&[Unreadable::key(&item.key)]).await?;
    let beside = found.into_iter().flatten().next();
    let known = beside.and_then(|item| codec::read_item::<Unreadable>(&item).ok());
    Ok(known.and_then(|known| known.status))
}

fn registrable(name: &DomainName) -> &str {
    name.registrable().unwrap_or(name.as_str())
}

fn too_many(refusal: &Refusal, policy: &Policy, name: &DomainName) -> Error {
    let limit = |limit: Option<u32>| limit.unwrap_or_default();
    let message = match refusal.rule {
        Rule::TooManyPending => {
            format!("there are {} names that are not proved", limit(policy.max_pending))
        }
        Rule::TooManyBelow => {
            format!("there are {} names below {}", limit(policy.max_below), registrable(name))
        }
        _ => format!("there are {} names already", limit(policy.max_claims)),
    };
    refusal.error(ErrorKind::Quota, message)
}
