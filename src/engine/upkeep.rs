//! What is not needed any more: old entries of logs, and what is left of domains that are gone.

use chrono::TimeDelta;

use super::{
    backends::Backends,
    codec::{self, REMOVED},
    feed::Feed,
    setback::Unreadable,
};
use crate::{
    clock::{Timestamp, after},
    error::{ErrorKind, Result},
    id::{DomainId, OperationId},
    store::{Batch, Entry, Expect, Filter, Item, Key, Kind, Query, Write},
};

/// Most entries that are looked at in one go; the rest has its turn later.
const ENTRIES: u32 = 1000;

/// Returns whether it is the turn of a root's log, by the token of its lease: now and then.
pub(super) const fn is_turn(token: u64) -> bool {
    token.is_multiple_of(32)
}

/// Drops the entries of a domain's log that are older than they are kept, once they were delivered.
pub(super) async fn trim(backends: &Backends, id: DomainId, now: Timestamp) -> Result<()> {
    let keep = backends.settings.policy.keep_log;
    let key = codec::domain_key(id);
    let entries = backends.store.entries(&key, 0, ENTRIES).await?;
    let old = entries.iter().take_while(|entry| after(entry.at, keep) <= now).last();
    let Some(old) = old else { return Ok(()) };
    let through = if backends.subscribers.is_empty() {
        // Nobody here knows who still listens. Whoever does has heard it by then.
        let patience = backends.settings.policy.delivery_patience;
        let given_up = |entry: &&Entry| after(entry.at, keep.saturating_add(patience)) <= now;
        let given_up = entries.iter().take_while(given_up).last().map_or(0, |it| it.number);
        given_up.max(old.number.min(delivered(backends, id).await?))
    } else {
        old.number.min(delivered(backends, id).await?)
    };
    if through == 0 {
        return Ok(());
    }
    backends.store.trim(&key, through).await
}

/// Returns the number up to which nobody waits any more for what happened to a domain.
async fn delivered(backends: &Backends, id: DomainId) -> Result<u64> {
    let found = backends.store.get(&[codec::feed_key(id)]).await?;
    let Some(item) = found.into_iter().flatten().next() else { return Ok(u64::MAX) };
    let feed: Feed = codec::read_item(&item)?;
    Ok(feed.delivered())
}

/// Deletes what is kept no longer: domains that are gone for long enough, with their logs, and ledgers
/// that say nothing any more. What the store cannot read stays.
pub(super) async fn tidy(backends: &Backends) -> Result<()> {
    let now = backends.store.now().await?;
    // A name rests with the trace of who held it last.
    let policy = &backends.settings.policy;
    let keep = policy.keep_removed.max(policy.quarantine);
    let keep = TimeDelta::from_std(keep).unwrap_or(TimeDelta::MAX);
    if let Some(long_ago) = now.checked_sub_signed(keep) {
        let mut query = Query::new(Kind::Domain, Filter::ExpiresBy(long_ago));
        loop {
            let page = backends.store.list(&query).await?;
            for item in page.items {
                // Others expire with their certificate.
                if item.header.status.as_deref() == Some(REMOVED) {
                    passing_over(bury(backends, item, now).await)?;
                }
            }
            let Some(next) = page.next else { break };
            query = query.with_after(next);
        }
    }
    let mut query = Query::new(Kind::Ledger, Filter::ExpiresBy(now));
    loop {
        let page = backends.store.list(&query).await?;
        for item in page.items {
            passing_over(delete(backends, item).await)?;
        }
        let Some(next) = page.next else { return Ok(()) };
        query = query.with_after(next);
    }
}

/// Leaves alone what the store cannot read, so that it holds up nothing else.
fn passing_over(done: Result<()>) -> Result<()> {
    done.or_else(|error| if error.kind() == ErrorKind::Malformed { Ok(()) } else { Err(error) })
}

/// Deletes a domain that is gone, unless somebody waits to hear of it.
async fn bury(backends: &Backends, gone: Item, now: Timestamp) -> Result<()> {
    if is_awaited(backends, &gone, now).await? {
        return Ok(());
    }
    delete(backends, gone).await
}

/// Returns whether somebody is still to be told what became of a domain that is gone.
async fn is_awaited(backends: &Backends, gone: &Item, now: Timestamp) -> Result<bool> {
    let policy = &backends.settings.policy;
    let patience = policy.keep_removed.saturating_add(policy.delivery_patience);
    if gone.header.expires.is_none_or(|removed_at| after(removed_at, patience) <= now) {
        return Ok(false);
    }
    let found = backends.store.get(&[Key::new(Kind::Feed, &gone.key.id)]).await?;
    let Some(item) = found.into_iter().flatten().next() else { return Ok(false) };
    let Ok(feed) = codec::read_item::<Feed>(&item) else { return Ok(true) };
    Ok(!backends.store.entries(&gone.key, feed.delivered(), 1).await?.is_empty())
}

/// Deletes an item, unless it was changed meanwhile.
async fn delete(backends: &Backends, item: Item) -> Result<()> {
    let operation = OperationId::random(&*backends.random)?;
    let expect = Expect::Revision(item.revision);
    let mut batch = Batch::new(operation);
    if item.key.kind == Kind::Domain {
        let beside = [Key::new(Kind::Feed, &item.key.id), Unreadable::key(&item.key)];
        for item in backends.store.get(&beside).await?.into_iter().flatten() {
            let expect = Expect::Revision(item.revision);
            batch = batch.with(Write::Delete { key: item.key, expect });
        }
    }
    batch = batch.with(Write::Delete { key: item.key, expect });
    backends.store.commit(batch).await?;
    Ok(())
}
