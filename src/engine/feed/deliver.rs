//! A worker's visit to a feed: reads what is to be told, tells it, and stores how far it came.

use std::collections::{BTreeMap, btree_map::Entry as Slot};

use super::{
    cursor::{End, Feed, Report, Tried, Work},
    is_of_domain,
    subscriber::{Envelope, Seat},
};
use crate::{
    clock::{Timestamp, between},
    engine::{
        backends::Backends,
        codec,
        crew::Tenure,
        held::commit,
        root::{Moment, Trouble},
        telemetry,
    },
    error::{ErrorKind, Result},
    id::OperationId,
    store::{Batch, Commit, Entry, Expect, Item, Key, Kind, Then, Write},
    together::{all, caught, within},
};

/// Most notices that a subscriber is given in one visit: as many may come twice after a crash.
const PAGE: u32 = 32;

/// How often what came of the deliveries is stored again because commands came in between.
const ATTEMPTS: usize = 8;

/// Delivers what a domain's subscribers are to be told now; says whether the lease was given back.
pub(in crate::engine) async fn visit(
    backends: &Backends,
    tenure: &Tenure,
    item: Item,
    leased_at: Timestamp,
) -> Result<bool> {
    let key = item.key.clone();
    if !is_of_domain(&key) {
        // Woken by mistake.
        let operation = OperationId::random(&*backends.random)?;
        let batch = Batch::new(operation).with_lease(tenure.lease(), Then::Release);
        return Ok(commit(backends, batch, &key).await? == Commit::Done);
    }
    let mut feed: Feed = codec::read_item(&item)?;
    let mut revision = item.revision;
    let subscribers = &backends.subscribers;
    let plugged: Vec<&str> = subscribers.iter().map(Seat::id).collect();
    feed.admit(&plugged);
    let work = feed.work(&plugged, leased_at);
    let domain = codec::domain_key(feed.domain());
    let pages = read(backends, &domain, &work).await?;
    let mut running = Vec::with_capacity(pages.len());
    for (work, (entries, more)) in work.into_iter().zip(pages) {
        if let Some(seat) = subscribers.iter().find(|it| it.id() == work.subscriber) {
            running.push(Box::pin(tell(backends, seat, &feed, work, entries, more, tenure)) as _);
        }
    }
    let reports: Vec<Report> = all(running).await;
    let nothing = reports.iter().all(|report| report.tried.is_empty() && !report.more);
    // A feed outlives its domain by one visit, to say that it is gone.
    let orphaned = nothing && {
        let found = backends.store.get(std::slice::from_ref(&domain)).await?;
        found.into_iter().flatten().next().is_none()
    };
    for _ in 0..ATTEMPTS {
        let mut seed = [0; 32];
        backends.random.fill(&mut seed)?;
        let now = backends.store.now().await?;
        feed.admit(&plugged);
        let policy = &backends.settings.policy;
        let buried = feed.buried();
        let due = feed.settle(&reports, &plugged, policy, Moment::new(now, seed));
        let expect = Expect::Revision(revision);
        let write = if orphaned {
            Write::Delete { key: key.clone(), expect }
        } else {
            let (key, header, body) = codec::write_feed(&feed, due)?;
            Write::Put { key, expect, header, body }
        };
        let operation = OperationId::random(&*backends.random)?;
        let batch = Batch::new(operation).with_lease(tenure.lease(), Then::Release).with(write);
        match commit(backends, batch, &key).await? {
            Commit::Done => {
                telemetry::released(Kind::Feed, between(leased_at, now));
                count(&feed, &reports, &buried);
                return Ok(true);
            }
            Commit::Fenced => {
                tenure.answered(None);
                return Ok(false);
            }
            Commit::Taken(_) => return Ok(false),
            Commit::Stale(_) => {
                let found = backends.store.get(std::slice::from_ref(&key)).await?;
                let Some(item) = found.into_iter().flatten().next() else { return Ok(false) };
                feed = codec::read_item(&item)?;
                revision = item.revision;
            }
        }
    }
    Ok(false)
}

/// Takes note of what came of the deliveries that were stored; `buried` is how many were given up before.
fn count(feed: &Feed, reports: &[Report], buried: &BTreeMap<String, u64>) {
    for Report { subscriber, tried, .. } in reports {
        let number = |is: fn(&End) -> bool| tried.iter().filter(|tried| is(&tried.end)).count();
        telemetry::delivered(subscriber, "delivered", number(|end| *end == End::Delivered));
        telemetry::delivered(subscriber, "failed", number(|end| matches!(end, End::Failed(_))));
        telemetry::delivered(
            subscriber,
            "postponed",
            number(|end| matches!(end, End::Postponed(_))),
        );
    }
    for (subscriber, now) in feed.buried() {
        let before = buried.get(&subscriber).copied().unwrap_or_default();
        let more = usize::try_from(now.saturating_sub(before)).unwrap_or(usize::MAX);
        telemetry::buried(&subscriber, feed.domain(), more);
    }
}

/// Reads what each subscriber is to be given, and whether there is more. Subscribers that are equally
/// far share one read.
async fn read(backends: &Backends, domain: &Key, work: &[Work]) -> Result<Vec<(Vec<Entry>, bool)>> {
    let page = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let mut known: BTreeMap<u64, Vec<Entry>> = BTreeMap::new();
    let mut pages = Vec::with_capacity(work.len());
    for work in work {
        let mut entries = Vec::new();
        for number in work.again.iter().take(page) {
            let found = backends.store.entries(domain, number.saturating_sub(1), 1).await?;
            let found = found.into_iter().find(|entry| entry.number == *number);
            // What is no longer kept is passed over: an entry without a body.
            entries.push(
                found.unwrap_or_else(|| Entry::new(*number, Timestamp::UNIX_EPOCH, String::new())),
            );
        }
        if !entries.is_empty() {
            pages.push((entries, true));
            continue;
        }
        let entries = match known.entry(work.after) {
            Slot::Occupied(read) => read.get().clone(),
            Slot::Vacant(unread) => {
                let entries = backends.store.entries(domain, work.after, PAGE).await?;
                unread.insert(entries).clone()
            }
        };
        let more = entries.len() >= page;
        pages.push((entries, more));
    }
    Ok(pages)
}

/// Gives one subscriber its notices, one after the other, up to the first failure.
async fn tell(
    backends: &Backends,
    seat: &Seat,
    feed: &Feed,
    work: Work,
    entries: Vec<Entry>,
    mut more: bool,
    tenure: &Tenure,
) -> Report {
    let Work { subscriber: id, epoch, is_gone, .. } = work;
    let mut tried = Vec::with_capacity(entries.len());
    // The time after a delivery is that before the next one.
    let mut time = None;
    for entry in entries {
        let (number, at) = (entry.number, entry.at);
        let end = match codec::read_entry(&entry) {
            Ok(None) => End::Skipped,
            _ if is_gone => End::Untried,
            // A notice that a later release logged, perhaps: that one may be there soon.
            Err(error) => End::Failed(Trouble::from(&error)),
            Ok(Some(notice)) => {
                let Some(now) = held_at(backends, tenure, time.take()).await else {
                    more = true;
                    break;
                };
                if seat.silence.may_try(now) {
                    let envelope =
                        Envelope::new(feed.tenant, feed.domain(), feed.name.clone(), notice);
                    match deliver(backends, seat, &envelope, tenure).await {
                        Some((end, now)) => {
                            time = now;
                            end
                        }
                        None => {
                            more = true;
                            break;
                        }
                    }
                } else {
                    End::Postponed(Trouble::new(
                        ErrorKind::Unavailable,
                        format!("feed: deliver: {id} did not answer others just before"),
                    ))
                }
            }
        };
        let failed = matches!(end, End::Failed(_) | End::Postponed(_));
        tried.push(Tried { number, at, end });
        if failed {
            break;
        }
    }
    Report { subscriber: id, epoch, tried, more }
}

/// Delivers one notice, and returns the time after it if that is known; `None` if the lease was lost
/// meanwhile.
async fn deliver(
    backends: &Backends,
    seat: &Seat,
    envelope: &Envelope,
    tenure: &Tenure,
) -> Option<(End, Option<Timestamp>)> {
    let timeout = backends.settings.policy.delivery_timeout;
    let delivery = caught(seat.subscriber.deliver(envelope));
    let delivery = within(&*backends.timer, timeout, delivery);
    let delivered = tenure.unless_lost(delivery).await?;
    let now = backends.store.now().await.ok();
    // Without the time there is no harm in taking a minute for another.
    if let Some(now) = now {
        seat.silence.note(delivered.is_some(), now);
    }
    let id = seat.id();
    let end = match delivered {
        Some(Some(Ok(()))) => End::Delivered,
        Some(Some(Err(error))) => End::Failed(Trouble::from(&error)),
        Some(None) => {
            End::Failed(Trouble::new(ErrorKind::Internal, format!("feed: deliver: {id} panicked")))
        }
        None => End::Failed(Trouble::new(
            ErrorKind::Unknown,
            format!("feed: deliver: no answer of {id} in time"),
        )),
    };
    Some((end, now))
}

/// Returns the time if there is enough of it for a delivery under the lease: who lost it while waiting
/// must not go on, since others have. `known` is the time if it was just asked for.
async fn held_at(
    backends: &Backends,
    tenure: &Tenure,
    known: Option<Timestamp>,
) -> Option<Timestamp> {
    let policy = &backends.settings.policy;
    let now = match known {
        Some(now) => now,
        None => backends.store.now().await.ok()?,
    };
    let left = between(now, tenure.until());
    let is_held = !tenure.is_lost() && left >= policy.delivery_timeout.min(policy.lease / 2);
    is_held.then_some(now)
}
