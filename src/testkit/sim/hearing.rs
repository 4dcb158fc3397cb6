//! What those do who want to know what happens: they follow, ask again, and cut what they have had.

use std::time::Duration;

use super::{
    core::{Boxed, Core},
    coverage::Occurrence,
    dice::Dice,
    invariant::{Breach, Invariant},
    listener::LISTENERS,
    model::Content,
    outbox::{Outbox, TENANT_LOG},
    people::claim,
    plan::{Deed, Plan, dice_u32},
    watch::{Watched, finish},
    world::World,
};
use crate::{
    engine::{Followed, Onboarding, Operator, Policy, Since},
    error::{ErrorKind, Result},
    id::{DomainId, TenantId},
    store::{Key, Kind},
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Something that those do who want to know what happens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Hearing {
    /// A page is read from where the reader was: of a tenant or a domain. It may be slow, or be gone
    /// before it has kept its place.
    Follow { tenant: bool, slow: bool, gone: bool },
    /// What every reader of a tenant's log has had is dropped.
    Forget,
    /// A domain is to be told again: from the beginning, or from somewhere.
    Replay(usize, bool),
    /// What was given up is to be tried again.
    Revive(usize),
}

/// Who is told in a history, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Audience {
    /// How many subscribers there are.
    pub(super) listeners: usize,
    /// Whether what happens to a tenant's domains is written into one log.
    pub(super) log: bool,
    /// How old an entry has to be before it is dropped.
    pub(super) keep: Duration,
    /// How old a notice has to be before it is given up.
    pub(super) patience: Duration,
}

impl Audience {
    pub(super) fn draw(dice: &mut Dice) -> Self {
        Self {
            listeners: 1 + dice.index(LISTENERS.len()),
            log: dice.chance(500),
            keep: HOUR * if dice.chance(700) { 1 } else { 48 },
            patience: HOUR * if dice.chance(500) { 2 } else { 12 },
        }
    }

    /// Returns the ids of the subscribers.
    pub(super) fn ids(&self) -> impl Iterator<Item = &'static str> {
        LISTENERS.into_iter().take(self.listeners)
    }
}

impl Plan {
    /// Returns what everybody was told before the beginning: nothing.
    pub(super) fn outbox(&self) -> Outbox {
        let Some(audience) = self.audience else {
            return Outbox::new(Vec::new(), Duration::MAX, Policy::new().keep_log);
        };
        let log = audience.log.then_some(TENANT_LOG);
        let listeners = audience.ids().chain(log).collect();
        Outbox::new(listeners, audience.patience, audience.keep)
    }

    /// Draws what those do who want to know what happens.
    pub(super) fn draw_hearings(&mut self, dice: &mut Dice, audience: &Audience) {
        for _ in 0..4 + dice.below(8) {
            let latest = if dice.chance(500) { 3600 } else { self.storm.as_secs() };
            let mut at = SECOND * dice_u32(dice, latest);
            let claim = dice.index(self.claims.len());
            let tenant = audience.log && dice.chance(500);
            let follow = |dice: &mut Dice| Hearing::Follow {
                tenant,
                slow: dice.chance(400),
                gone: dice.chance(250),
            };
            let hearing = match dice.below(8) {
                0..=4 => follow(dice),
                5 => Hearing::Forget,
                6 => Hearing::Replay(dice.index(audience.listeners), dice.chance(500)),
                _ => Hearing::Revive(dice.index(audience.listeners)),
            };
            self.plan(dice, at, Deed::Hear(claim, hearing));
            if matches!(hearing, Hearing::Follow { .. }) && dice.chance(400) {
                // Another one has the same place, and reads at about the same time.
                at += SECOND * dice_u32(dice, 2);
                let other = follow(dice);
                self.plan(dice, at, Deed::Hear(claim, other));
            }
        }
        self.deeds.sort_by_key(|planned| planned.at);
    }
}

/// Lets somebody follow, ask again, or cut a log.
pub(super) fn hear(
    world: &World,
    process: usize,
    number: usize,
    hearing: Hearing,
) -> Option<Boxed> {
    let onboarding = world.process(process)?;
    let (tenant, domain) = claim(world, number)?;
    let id = domain.id();
    let core = world.core.clone();
    let store = world.store.clone();
    let listener = |of: usize| LISTENERS.get(of).copied().unwrap_or_default();
    let done: Call = match hearing {
        Hearing::Follow { tenant: of_tenant, slow, gone } => {
            let log = if of_tenant { tenant_log(tenant) } else { Key::new(Kind::Domain, id) };
            let reader = Follower { core: core.clone(), store, onboarding, tenant, log };
            Box::pin(async move { reader.follow(slow, gone).await.map(drop) })
        }
        Hearing::Forget => {
            let log = tenant_log(tenant);
            let place =
                core.with(|state| state.truth.outbox.readers.get(&log).map(|it| it.place))?;
            core.with(|state| state.coverage.occurred(Occurrence::Forgotten));
            Box::pin(async move { onboarding.forget(&tenant, Since::Tenant(place)).await })
        }
        Hearing::Replay(of, is_all) => {
            let model = world.store.model();
            let log = model.logs.get(&Key::new(Kind::Domain, id))?;
            let place = log.entries.get(log.entries.len() / 2).map_or(0, |entry| entry.number);
            let place = if is_all { 0 } else { place };
            replay(core.clone(), onboarding.operator(), id, listener(of), place)
        }
        Hearing::Revive(of) => revive(core.clone(), onboarding.operator(), id, listener(of)),
    };
    Some(Box::pin(async move {
        let done = done.await;
        core.note(|| match &done {
            Ok(()) => format!("{hearing:?}: done"),
            Err(error) => format!("{hearing:?}: {error}"),
        });
    }))
}

type Call = std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send>>;

fn revive(core: Core, operator: Operator, id: DomainId, who: &'static str) -> Call {
    Box::pin(async move {
        operator.deliveries(id).revive(who).await?;
        core.with(|state| state.coverage.occurred(Occurrence::Revived));
        Ok(())
    })
}

fn replay(core: Core, operator: Operator, id: DomainId, who: &'static str, place: u64) -> Call {
    Box::pin(async move {
        operator.deliveries(id).replay(who, place).await?;
        core.with(|state| state.coverage.occurred(Occurrence::Replayed));
        Ok(())
    })
}

/// Returns the item whose log tells of all domains of a tenant.
fn tenant_log(tenant: TenantId) -> Key {
    Key::new(Kind::Feed, format_args!("tenant-{tenant}"))
}

/// Somebody who reads a log page by page, and keeps the place outside.
struct Follower {
    core: Core,
    store: Watched,
    onboarding: Onboarding,
    tenant: TenantId,
    log: Key,
}

impl Follower {
    /// Reads a page from where it was, and keeps the place unless it is gone before. Says whether there
    /// was anything.
    async fn follow(&self, slow: bool, gone: bool) -> Result<bool> {
        let log = &self.log;
        let place = self
            .core
            .with(|state| state.truth.outbox.readers.get(log).map_or(0, |reader| reader.place));
        let since = match self.log.kind {
            Kind::Domain => log.id.parse().map(|id| Since::Domain(id, place)).ok(),
            _ => Some(Since::Tenant(place)),
        };
        let Some(since) = since else { return Ok(false) };
        // As it would be kept outside.
        let since: Since = since.to_string().parse()?;
        let page = self.onboarding.follow(&self.tenant, since).await?;
        let what = match self.log.kind {
            Kind::Domain => Occurrence::ReadDomain,
            _ => Occurrence::ReadTenant,
        };
        let wrong = self.handle(place, &page, what);
        if let Some(breach) = wrong {
            self.core.breach(breach);
        }
        if slow {
            self.core.sleep(SECOND * 30).await;
        }
        if gone {
            self.core.with(|state| state.coverage.occurred(Occurrence::ReaderGone));
            return Ok(false);
        }
        let (Since::Domain(_, next) | Since::Tenant(next)) = page.next;
        self.core.with(|state| {
            state.truth.outbox.readers.entry(log.clone()).or_default().place = next;
        });
        Ok(!page.envelopes.is_empty() || !page.unreadable.is_empty())
    }

    fn handle(&self, place: u64, page: &Followed, what: Occurrence) -> Option<Breach> {
        let model = self.store.model();
        self.core.with(|state| {
            if !page.envelopes.is_empty() {
                state.coverage.occurred(what);
            }
            state.truth.outbox.reads(&model, &self.log, place, page)
        })
    }
}

/// Lets all readers read to the end. Returns what is wrong with what they read.
pub(super) fn read_on(world: &World) -> Option<Breach> {
    let logs: Vec<Key> =
        world.core.with(|state| state.truth.outbox.readers.keys().cloned().collect());
    for log in logs {
        let tenant = match log.kind {
            Kind::Domain => {
                let model = world.store.model();
                model.rows.get(&log).and_then(|row| row.content.domain()).map(|it| it.tenant())
            }
            _ => log.id.strip_prefix("tenant-").and_then(|tenant| tenant.parse().ok()),
        };
        // Put back to before it was there.
        let Some(tenant) = tenant else { continue };
        let (core, store) = (world.core.clone(), world.store.clone());
        let onboarding = world.observer.clone();
        let reader = Follower { core, store, onboarding, tenant, log: log.clone() };
        loop {
            match finish(reader.follow(false, false)) {
                Ok(true) => {}
                Ok(false) => break,
                // Of a later release: nobody here gets past it.
                Err(error)
                    if matches!(error.kind(), ErrorKind::Malformed | ErrorKind::Unsupported) =>
                {
                    break;
                }
                Err(error) => {
                    let message = format!("{log} cannot be read: {error}");
                    return Some(Breach::new(Invariant::Told, message));
                }
            }
        }
    }
    None
}

/// Lets the platform's staff have everything tried again that was given up.
pub(super) fn exhume(world: &World) -> Vec<Boxed> {
    let buried: Vec<(DomainId, &'static str, bool)> = {
        let model = world.store.model();
        let feeds = model.rows.iter().filter_map(|(key, row)| match &row.content {
            Content::Feed(feed) => Some((key.id.parse().ok()?, feed)),
            _ => None,
        });
        let known = |who: &str| LISTENERS.into_iter().find(|listener| *listener == who);
        feeds
            .flat_map(|(id, feed)| feed.buried().into_iter().map(move |buried| (id, buried)))
            .map(|(id, (who, is_more))| (id, known(who).unwrap_or(TENANT_LOG), is_more))
            .collect()
    };
    let mut calls: Vec<Boxed> = Vec::new();
    for (id, who, is_more) in buried {
        let Some(onboarding) = world.process(0) else { continue };
        let (core, operator) = (world.core.clone(), onboarding.operator());
        let call = match is_more {
            true => replay(core.clone(), operator, id, who, 0),
            false => revive(core.clone(), operator, id, who),
        };
        calls.push(Box::pin(async move {
            let done = call.await;
            core.note(|| format!("{who} is told again of {id}: {:?}", done.is_ok()));
        }));
    }
    calls
}
