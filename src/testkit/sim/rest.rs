//! What has to hold when everything has come to rest.

use std::time::Duration;

use super::{
    check::is_foretold,
    hearing::read_on,
    invariant::{Breach, Invariant},
    model::Content,
    people::served,
    title::Report,
    watch::finish,
    world::World,
};
use crate::{
    challenge::Method,
    clock::{Clock, after},
    domain::{Domain, ManagedRecord, Reason, RecordState, Status},
    engine::Notice,
    store::{Key, Kind, Store},
};

/// How long ago a proof may have been there that is there.
const STEADY: Duration = Duration::from_secs(60);

const MINUTE: Duration = Duration::from_secs(60);

/// Checks the platform some days after the last fault, while tenants are there.
pub(super) fn at_rest(world: &World) -> Option<Breach> {
    let rest = |message| Some(Breach::new(Invariant::ComesToRest, message));
    let domains: Vec<Domain> =
        world.store.model().domains().map(|(_, domain)| domain.clone()).collect();
    let claims = world.core.with(|state| state.truth.claims.clone());
    for domain in domains.iter().filter(|domain| !domain.is_removed()) {
        let (name, status) = (domain.name(), domain.status());
        if status == Status::Removing {
            return rest(format!("{name} is being removed for days: {:?}", domain.placed()));
        }
        let waiting = domain.waiting_on();
        if (status == Status::Active) != waiting.is_nothing()
            || matches!(waiting.reason, Reason::FirstLook)
        {
            return rest(format!("{name} is {status} and waits for nobody: {waiting}"));
        }
        let claim = claims
            .iter()
            .find(|claim| claim.domain.as_ref().is_some_and(|it| it.id() == domain.id()));
        let is_held = domains.iter().any(|other| {
            other.id() != domain.id() && other.name() == name && other.status().holds()
        });
        match claim {
            Some(claim) if claim.is_kept && !is_held && status != Status::Active => {
                return rest(format!("{name} is {status} although all is well: {waiting}"));
            }
            Some(claim)
                if !claim.is_kept
                    && status.holds()
                    && domain.challenge().method != Method::Email =>
            {
                let message = format!("{name} is {status} days after its proof is gone");
                return Some(Breach::new(Invariant::NothingWithoutClaim, message));
            }
            _ => {}
        }
        if let Some(breach) = title(world, domain) {
            return Some(breach);
        }
        if let Some(breach) = served(world, &visited(domain)) {
            return Some(breach);
        }
        if let Some(message) = records(world, domain) {
            return rest(message);
        }
    }
    told(world).or_else(|| story(world))
}

/// Returns what somebody was not told who wants to know.
fn told(world: &World) -> Option<Breach> {
    read_on(world).or_else(|| {
        let model = world.store.model();
        world.core.with(|state| state.truth.outbox.lacks(&model))
    })
}

/// Returns what is wrong with what a tenant has of a name.
fn title(world: &World, domain: &Domain) -> Option<Breach> {
    let (id, name) = (domain.id(), domain.name());
    world.core.with(|state| {
        if domain.status().holds() {
            let since = state.now.saturating_sub(STEADY);
            if !state.truth.was_proved(domain, since) {
                let message = format!("{name} is held by {id}, who does not prove it");
                return Some(Breach::new(Invariant::NothingWithoutClaim, message));
            }
        } else {
            let is_bare = domain.certificate().is_none()
                && domain.issuance().is_none()
                && domain.records().is_empty()
                && domain.placed().is_empty()
                && domain.answers.is_empty();
            // What is gone may come back with the same proof; what was given up does not.
            if !is_bare && state.truth.titles.reset.contains(&id) && !domain.gives_up() {
                let message = format!("{id} has something left of {name}, which it lost");
                return Some(Breach::new(Invariant::NothingComesBack, message));
            }
        }
        if domain.gives_up() {
            let message = format!("{id} has yet to give up what it had of {name}");
            return Some(Breach::new(Invariant::NothingComesBack, message));
        }
        let added_at = state.truth.titles.added.get(&id).copied();
        let added_at = added_at.unwrap_or_else(|| domain.created_at());
        let is_stale = |report: &&Report| {
            report.is_noted
                && report.tenant == domain.tenant()
                && name.registrable() == Some(report.below.as_str())
                && domain.challenge().issued_at < report.changed_at
                && after(added_at, MINUTE) < report.changed_at
        };
        let stale = state.truth.titles.reports.iter().find(is_stale);
        if let Some(report) = stale.filter(|_| domain.status().holds() && !state.truth.jumped) {
            let message = format!("{name} is held by a proof from before {}", report.changed_at);
            return Some(Breach::new(Invariant::NothingComesBack, message));
        }
        None
    })
}

/// Returns a host that a domain covers.
fn visited(domain: &Domain) -> crate::name::DomainName {
    let name = domain.name();
    match format!("a.{}", name.base()).parse() {
        Ok(below) if name.is_wildcard() => below,
        _ => name.clone(),
    }
}

/// Returns which managed record is not as it should be.
fn records(world: &World, domain: &Domain) -> Option<String> {
    if !domain.status().holds() {
        return None;
    }
    let unfinished = |record: &&ManagedRecord| record.state() != RecordState::Present;
    if let Some(record) = domain.records().iter().find(unfinished) {
        return Some(format!("{record:?} is {} for days", record.state()));
    }
    world.core.with(|state| {
        if state.truth.is_amiss {
            return None;
        }
        let zones = &state.truth.zones;
        let missing = domain.records().iter().find(|record| {
            let record = record.record();
            let sets = world.zones.iter().flat_map(|zone| zones.records(zone));
            let has = |set: crate::record::RecordSet| {
                set.name() == record.name() && set.contains(record.data())
            };
            !sets.into_iter().any(has)
        });
        missing.map(|record| format!("{record:?} is not in the zone"))
    })
}

/// Checks the platform some days after everybody left.
pub(super) fn all_gone(world: &World) -> Option<Breach> {
    if let Some(breach) = told(world).or_else(|| story(world)) {
        return Some(breach);
    }
    let orphan = |message| Some(Breach::new(Invariant::NoOrphans, message));
    {
        let model = world.store.model();
        for (key, row) in &model.rows {
            let is_trace = row.content.domain().is_some_and(Domain::is_removed);
            // The account, and by which keys secrets are sealed, are the platform's own, and ledgers
            // are tidied away when they have expired.
            let is_ours = match key.kind {
                Kind::Account | Kind::Sealing => true,
                // How far everybody was told goes with the trace of the domain.
                Kind::Feed => world.core.with(|state| !state.truth.outbox.listeners.is_empty()),
                // How many names below a domain were ever added is counted for good.
                Kind::Ledger => row.item.header.expires.is_some() || key.id.starts_with("below/"),
                _ => false,
            };
            if !is_ours && !is_trace {
                return orphan(format!("{key} is left"));
            }
        }
        if let Some(due) = model.next_due() {
            let now = world.core.clock().now();
            let message = format!("something is due at {due}, and it is {now}");
            return Some(Breach::new(Invariant::NothingStuck, message));
        }
    }
    let (left, damage) =
        world.core.with(|state| (state.truth.leftovers(&world.zones), state.truth.damage()));
    if let Some(left) = left.first() {
        return orphan(format!("a record is left: {left}"));
    }
    if let Some(damage) = damage.first() {
        return orphan(format!("a record of others is gone: {damage}"));
    }
    let shown = format!("{:?} {:?}", world.vault, world.observer);
    if super::vault::shows_secret(&shown) {
        return Some(Breach::new(Invariant::NoSecrets, "a private key is in what Debug shows"));
    }
    None
}

/// Checks that what was told of each domain leads to where it is.
fn story(world: &World) -> Option<Breach> {
    let told = |message| Some(Breach::new(Invariant::EventsComplete, message));
    let domains: Vec<(Key, Status, u64)> = {
        let model = world.store.model();
        let rows = model.rows.iter().filter_map(|(key, row)| match &row.content {
            Content::Domain(domain, _) => Some((key.clone(), domain.status(), model.entries(key))),
            _ => None,
        });
        rows.collect()
    };
    for (key, status, count) in domains {
        let Ok(there) = finish(world.store.entries(&key, 0, 100_000)) else {
            return told(format!("what happened to {key} cannot be read"));
        };
        if u64::try_from(there.len()) != Ok(count) {
            return told(format!("{key} has {} notices of {count}", there.len()));
        }
        // With what was dropped since.
        let log = world.store.model().logs.get(&key).cloned().unwrap_or_default();
        let entries = log.entries;
        let mut at = Status::Pending;
        let mut last = None;
        for entry in &entries {
            if last.is_some_and(|last| last >= entry.number) {
                return told(format!("the notices of {key} are out of order"));
            }
            last = Some(entry.number);
            if is_foretold(&entry.body) {
                continue;
            }
            match serde_json::from_str(&entry.body) {
                Ok(Notice::StatusChanged { from, to, .. }) if from == at => at = to,
                Ok(Notice::StatusChanged { from, .. }) => {
                    return told(format!("{key} was {at} and not {from}"));
                }
                Ok(_) => {}
                Err(error) => return told(format!("a notice of {key}: {error}")),
            }
        }
        if at != status {
            return told(format!("{key} is {status} and was told to be {at}"));
        }
    }
    None
}
