//! What people do: customers in their zones, tenants through the platform, and others.

use super::{
    core::{Boxed, Order},
    deal::{answer, deal, resume},
    fault::FaultKind,
    hearing::{exhume, hear},
    invariant::{Breach, Invariant},
    link::Link,
    model::Content,
    pages::Place,
    plan::{Deed, HALTED, Part},
    truth::Claim,
    watch::finish,
    world::World,
};
use crate::{
    challenge::Method,
    clock::Timestamp,
    domain::{Domain, Event, Purpose, Status, instructions},
    engine::Onboarding,
    error::{ErrorKind, Result},
    id::{CertificateId, DomainId, OperationId, TenantId},
    name::{DnsName, DomainName},
    record::{RecordData, RecordFields, RecordType},
    store::{Batch, Body, Commit, Expect, Key, Kind, NewEntry, Store, Write},
};

/// Names below a claim at which tenants manage records.
const NAMES: [&str; 4] = ["api", "mail", "www.api", "_dmarc"];

/// Types of managed records, and what their values start with.
const TYPES: [(RecordType, &str); 4] = [
    (RecordType::A, "192.0.2."),
    (RecordType::Txt, "text-"),
    (RecordType::Cname, "target-"),
    (RecordType::Mx, "mail-"),
];

/// Names at which others have records.
const FOREIGN: [&str; 4] = [
    "api.shop.example.com",
    "www.api.shop.example.com",
    "api.www.example.net",
    "other.example.com",
];

/// Returns a claim with its domain, if it was added.
pub(super) fn claim(world: &World, number: usize) -> Option<(TenantId, Domain)> {
    let claim = world.core.with(|state| state.truth.claims.get(number).cloned())?;
    Some((claim.tenant, claim.domain?))
}

/// Lets a person do something: at once, or as a call to a process that takes its time.
pub(super) fn act(world: &World, process: usize, deed: Deed) -> Option<Boxed> {
    match deed {
        Deed::Publish(number, part) => write(world, number, part, true),
        Deed::Withdraw(number, part) => write(world, number, part, false),
        Deed::Forbid(there) => forbid(world, there),
        Deed::Foreign(name, of, value, there) => foreign(world, name, of, value, there),
        Deed::Host(number, there) => host(world, number, there),
        Deed::BackUp => world.store.back_up(&world.zones),
        Deed::Halt => halt(world),
        Deed::HandOver(number, away) => hand_over(world, number, away),
        Deed::Restore => restore(world),
        Deed::Foretell(number) => foretell(world, number),
        Deed::Hear(number, what) => return hear(world, process, number, what),
        Deed::Retire(process, back) => {
            world.core.with(|state| state.orders.push(Order::Retire(process, back)));
        }
        Deed::Visit(number) => visit(world, number),
        Deed::Deal(number, what) => return deal(world, process, number, what),
        _ => return command(world, process, deed),
    }
    None
}

/// Lets a tenant call the platform.
fn command(world: &World, process: usize, deed: Deed) -> Option<Boxed> {
    let onboarding = world.process(process)?;
    let link = Link::new(world.core.clone(), process);
    if let Deed::Add(number) = deed {
        let claim = world.core.with(|state| state.truth.claims.get(number).cloned())?;
        let observer = world.observer.clone();
        return Some(Box::pin(add(onboarding, observer, link, number, claim)));
    }
    let (Deed::Check(number)
    | Deed::Create(number, ..)
    | Deed::Drop(number, _)
    | Deed::Remove(number)
    | Deed::Renew(number)
    | Deed::Retry(number)
    | Deed::Update(number, ..)) = deed
    else {
        return None;
    };
    let (tenant, domain) = claim(world, number)?;
    let id = domain.id();
    let was = world
        .store
        .model()
        .rows
        .get(&Key::new(Kind::Domain, id))
        .and_then(|row| row.content.domain())
        .map(Domain::status);
    Some(Box::pin(async move {
        let done: Result<()> = match deed {
            Deed::Check(_) => onboarding.check(&tenant, id).await.map(drop),
            Deed::Renew(_) => onboarding.renew(&tenant, id).await.map(drop),
            Deed::Retry(_) => onboarding.retry(&tenant, id).await.map(drop),
            Deed::Remove(_) => onboarding.remove(&tenant, id).await.map(drop),
            Deed::Create(_, name, of, value) => {
                create(&onboarding, tenant, id, (name, of, value)).await
            }
            Deed::Update(_, nth, value) => change(&onboarding, tenant, id, nth, Some(value)).await,
            Deed::Drop(_, nth) => change(&onboarding, tenant, id, nth, None).await,
            _ => Ok(()),
        };
        link.no_secret(&done);
        link.core.note(|| match &done {
            Ok(()) => format!("{deed:?}: done"),
            Err(error) => format!("{deed:?}: {error}"),
        });
        if done.is_ok() && matches!(deed, Deed::Remove(_)) && was == Some(Status::Removing) {
            let event = Event::RemovalRequested;
            link.core.with(|state| state.coverage.cell(Status::Removing, event));
        }
    }))
}

async fn add(
    onboarding: Onboarding,
    observer: Onboarding,
    link: Link,
    number: usize,
    claim: Claim,
) {
    let done = onboarding.add(&claim.tenant, claim.wanted).await;
    link.no_secret(&done);
    link.core.note(|| match &done {
        Ok(domain) => format!("added {} {}", domain.name(), domain.id()),
        Err(error) => format!("add: {error}"),
    });
    let known = match done {
        Ok(domain) => Some(domain),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let id: Option<DomainId> = error.subject().and_then(|id| id.parse().ok());
            id.and_then(|id| finish(observer.get(&claim.tenant, id)).ok())
        }
        Err(_) => None,
    };
    link.core.with(|state| {
        if let (Some(claim), Some(domain)) = (state.truth.claims.get_mut(number), known) {
            claim.domain = Some(domain);
        }
    });
}

async fn create(
    onboarding: &Onboarding,
    tenant: TenantId,
    id: DomainId,
    (name, of, value): (usize, usize, u8),
) -> Result<()> {
    let (Some(name), Some((record_type, front))) = (NAMES.get(name), TYPES.get(of)) else {
        return Ok(());
    };
    let mut fields = RecordFields::new(*record_type, *name, format!("{front}{value}"));
    fields = fields.with_ttl(3600);
    if *record_type == RecordType::Mx {
        fields = fields.with_priority(10);
    }
    let records = onboarding.records(&tenant, id);
    records.create(&fields).await?.apply().await.map(drop)
}

async fn change(
    onboarding: &Onboarding,
    tenant: TenantId,
    id: DomainId,
    nth: usize,
    value: Option<u8>,
) -> Result<()> {
    let records = onboarding.records(&tenant, id);
    let Some(old) = records.list().await?.into_iter().nth(nth) else { return Ok(()) };
    let Some(value) = value else {
        return records.remove(old.id()).await?.apply().await.map(drop);
    };
    let of = old.record().record_type();
    let front = TYPES.iter().find(|(one, _)| *one == of).map_or("text-", |(_, front)| *front);
    let name = format!("{}.", old.record().name());
    let mut fields = RecordFields::new(of, name, format!("{front}{value}")).with_ttl(600);
    if of == RecordType::Mx {
        fields = fields.with_priority(10);
    }
    records.update(old.id(), &fields).await?.apply().await.map(drop)
}

/// Returns a claim as the platform shows it to its tenant now.
fn shown(world: &World, number: usize) -> Option<Domain> {
    let (_, domain) = claim(world, number)?;
    let key = Key::new(Kind::Domain, domain.id());
    let shown = world.store.model().rows.get(&key).and_then(|row| row.content.domain()).cloned();
    Some(shown.unwrap_or(domain))
}

/// Lets a customer add what they are asked for, or take it away: records, and a page.
///
/// Who takes out all takes out as well what was asked for before.
pub(super) fn write(world: &World, number: usize, part: Part, there: bool) {
    let Some(domain) = shown(world, number) else { return };
    let mut records = Vec::new();
    for instruction in instructions(&domain, &world.targets) {
        let wanted = match part {
            Part::All => true,
            Part::Certificate => instruction.purpose == Purpose::Certificate,
            Part::Ownership => instruction.purpose == Purpose::Ownership,
            Part::Routing => instruction.purpose == Purpose::Routing,
        };
        let text = match instruction.record_type {
            RecordType::Txt => format!("\"{}\"", instruction.value),
            _ => instruction.value.clone(),
        };
        if let (true, Ok(data)) = (wanted, RecordData::parse(instruction.record_type, &text)) {
            records.push((instruction.name, data));
        }
    }
    if matches!(part, Part::All | Part::Ownership) {
        put_page(world, number, there.then_some(Place::There));
    }
    world.core.with(|state| {
        let now = state.now;
        if let Some(claim) = state.truth.claims.get_mut(number) {
            if there {
                let news = records.iter().filter(|record| !claim.written.contains(record));
                let news: Vec<_> = news.cloned().collect();
                claim.written.extend(news);
            } else if part == Part::All {
                records.extend(claim.written.iter().cloned());
            }
        }
        for (name, data) in &records {
            state.truth.edit(name, data, there, now);
        }
    });
}

/// Lets a customer put the page somewhere that is asked for, or take away all that there ever were.
pub(super) fn put_page(world: &World, number: usize, place: Option<Place>) {
    let Some(domain) = shown(world, number) else { return };
    let page = domain.challenge().page();
    let wanted = page
        .map(|it| ((it.name().as_str().to_owned(), it.path().to_owned()), it.body().to_owned()));
    world.core.with(|state| {
        let now = state.now;
        let Some(claim) = state.truth.claims.get_mut(number) else { return };
        claim.pages.extend(wanted.clone());
        let pages = match place {
            Some(_) => wanted.into_iter().collect(),
            None => claim.pages.clone(),
        };
        for (at, text) in &pages {
            state.truth.edit_page(at, text, place, now);
        }
    });
}

/// Lets a customer publish again whatever was asked for, whenever.
pub(super) fn write_again(world: &World, number: usize) {
    world.core.with(|state| {
        let now = state.now;
        let claim = state.truth.claims.get(number);
        let Some(claim) = claim.cloned() else { return };
        for (name, data) in &claim.written {
            state.truth.edit(name, data, true, now);
        }
        for (at, text) in &claim.pages {
            state.truth.edit_page(at, text, Some(Place::There), now);
        }
    });
}

fn forbid(world: &World, there: bool) {
    let names = ["example.com", "example.net"].map(str::parse::<DnsName>);
    let caa = RecordData::parse(RecordType::Caa, "0 issue \"other.test\"");
    for name in names.into_iter().flatten() {
        if let Ok(caa) = &caa {
            world.core.with(|state| {
                let now = state.now;
                state.truth.edit(&name, caa, there, now);
            });
        }
    }
}

fn foreign(world: &World, name: usize, of: usize, value: u8, there: bool) {
    let (Some(name), Some((record_type, _))) = (FOREIGN.get(name), TYPES.get(of)) else { return };
    let text = match record_type {
        RecordType::A => format!("198.51.100.{value}"),
        RecordType::Txt => format!("\"foreign-{value}\""),
        RecordType::Cname => "foreign.example.org.".to_owned(),
        _ => format!("10 foreign-{value}.example.org."),
    };
    if let (Ok(name), Ok(data)) = (name.parse(), RecordData::parse(*record_type, &text)) {
        world.core.with(|state| {
            let now = state.now;
            state.truth.edit(&name, &data, there, now);
        });
    }
}

/// Lets a zone leave the DNS provider, or come back without what was in it.
fn host(world: &World, number: usize, there: bool) {
    let wanted = world.core.with(|state| state.truth.claims.get(number).cloned());
    let zone = wanted.and_then(|claim| {
        let zone = claim.wanted.name().registrable()?;
        zone.parse::<DnsName>().ok()
    });
    let Some(zone) = zone else { return };
    world.core.with(|state| {
        let now = state.now;
        match there {
            true => state.truth.zones.host(zone),
            false => state.truth.unhost(&zone, now),
        }
    });
}

/// Stops all processes, which are started again when the store was put back.
fn halt(world: &World) {
    let orders = (0..world.count()).map(|process| Order::Kill(process, Some(HALTED)));
    world.core.with(|state| state.orders.extend(orders));
}

/// Puts the store back to the time of its backup, and starts anew whatever works on it.
fn restore(world: &World) {
    if world.store.put_back(&world.zones) {
        world.start_anew();
        world.core.with(|state| state.coverage.fault(FaultKind::Restored));
    }
}

/// Lets a later version of the engine take a claim over, or give back what it has.
fn hand_over(world: &World, number: usize, away: bool) {
    if !away {
        return give_back(world);
    }
    if let Some((_, domain)) = claim(world, number) {
        rewrite(world, Key::new(Kind::Domain, domain.id()), OURS, THEIRS);
    }
}

/// How the body of a domain begins that this version of the engine wrote.
const OURS: &str = "{\"v\":3,";

/// The same of a version that is not known yet.
pub(super) const THEIRS: &str = "{\"v\":9,";

/// Lets the later version of the engine give back all that it has.
fn give_back(world: &World) {
    let newer: Vec<Key> = {
        let model = world.store.model();
        let rows = model.rows.iter();
        let newer = rows.filter(|(_, row)| matches!(row.content, Content::Newer));
        newer.map(|(key, _)| key.clone()).collect()
    };
    newer.into_iter().for_each(|key| rewrite(world, key, THEIRS, OURS));
}

/// Writes an item in the form of another version.
fn rewrite(world: &World, key: Key, from: &str, to: &str) {
    let found = finish(world.store.get(std::slice::from_ref(&key)));
    let Some(item) = found.into_iter().flatten().flatten().next() else { return };
    let Some(rest) = item.body.as_str().strip_prefix(from) else { return };
    let (body, expect) = (Body::new(format!("{to}{rest}")), Expect::Revision(item.revision));
    let put = Write::Put { key, expect, header: item.header, body };
    let batch = Batch::new(operation(world)).with(put);
    let _ = finish(world.store.commit(batch));
}

/// Lets a later version of the engine tell something of a claim.
fn foretell(world: &World, number: usize) {
    let Some((_, domain)) = claim(world, number) else { return };
    let keys = [Key::new(Kind::Domain, domain.id()), Key::new(Kind::Feed, domain.id())];
    let found = finish(world.store.get(&keys)).unwrap_or_default();
    let [Some(item), feed] = found.as_slice() else { return };
    let (key, expect) = (item.key.clone(), Expect::Revision(item.revision));
    let (header, body) = (item.header.clone(), item.body.clone());
    let entry = NewEntry::new(key.clone(), format!("{THEIRS}\"notice\":\"foretold\"}}"));
    let mut batch = Batch::new(operation(world)).with_entry(entry);
    batch = batch.with(Write::Put { key, expect, header, body });
    if let Some(feed) = feed {
        batch = batch.with(Write::Wake { key: feed.key.clone() });
    }
    if matches!(finish(world.store.commit(batch)), Ok(Commit::Done)) {
        world.core.with(|state| state.coverage.fault(FaultKind::NewerNotices));
    }
}

/// Draws the id of what somebody else writes.
fn operation(world: &World) -> OperationId {
    world.core.with(|state| {
        let mut bytes = [0; 16];
        for block in bytes.chunks_mut(8) {
            block.copy_from_slice(&state.dice.number().to_le_bytes());
        }
        OperationId::from_bytes(bytes)
    })
}

/// Brings back what has gone away: zones, and what another version has.
pub(super) fn bring_back(world: &World) {
    let zones = world.zones.clone();
    world.core.with(|state| zones.into_iter().for_each(|zone| state.truth.zones.host(zone)));
    give_back(world);
    resume(world);
}

/// Lets somebody visit a name: what is served has to be right.
fn visit(world: &World, number: usize) {
    let Some((_, domain)) = claim(world, number) else { return };
    let host: Option<DomainName> = match domain.name().is_wildcard() {
        true => format!("a.{}", domain.name().base()).parse().ok(),
        false => Some(domain.name().clone()),
    };
    let Some(host) = host else { return };
    if let Some(breach) = served(world, &host) {
        world.core.breach(breach);
    }
}

/// Returns what is wrong with what is served at a host.
pub(super) fn served(world: &World, host: &DomainName) -> Option<Breach> {
    let now = finish(world.store.now()).ok()?;
    let identity = match finish(world.edge.identity(host)) {
        Ok(identity) => identity,
        // Of a later version: that one serves it.
        Err(error) if error.kind() == ErrorKind::Unsupported => return None,
        Err(error) => {
            let message = format!("{host} cannot be served: {error}");
            return Some(Breach::new(Invariant::OldServes, message));
        }
    };
    let (wanted, is_resting) = expected(world, host, now);
    let found = identity.as_ref().map(|identity| identity.certificate);
    if found == wanted {
        return None;
    }
    let message = format!("{host} is served with {found:?} and not with {wanted:?}");
    let invariant = if is_resting { Invariant::Rests } else { Invariant::NothingWithoutClaim };
    Some(Breach::new(invariant, message))
}

/// Returns what a host has to be served with, and whether it rests.
fn expected(world: &World, host: &DomainName, now: Timestamp) -> (Option<CertificateId>, bool) {
    let resting = world.core.with(|state| {
        let resting = state.truth.titles.resting.get(host).copied();
        // When it was removed is not known to the second if the clock has jumped.
        resting.filter(|(_, until)| now < *until)
    });
    let model = world.store.model();
    for name in host.serving_names() {
        let holder = model
            .domains()
            .map(|(_, domain)| domain)
            .find(|domain| *domain.name() == name && domain.status().holds());
        let Some(holder) = holder else { continue };
        if let Some((tenant, _)) = resting
            && name != *host
            && holder.tenant() != tenant
        {
            return (None, true);
        }
        // Who was given a name is served once they have proved it.
        let is_unproved =
            world.core.with(|state| state.truth.titles.taken.contains_key(&holder.id()));
        let is_given = is_unproved || holder.is_on_trust();
        let served = holder.certificate().filter(|served| served.is_valid(now) && !is_given);
        return (served.map(|served| served.id), false);
    }
    (None, resting.is_some())
}

/// Lets everybody bring things in order when the storm is over.
pub(super) fn mend(world: &World) -> Vec<Boxed> {
    forbid(world, false);
    // What was ordered before the end may have been heard after it.
    resume(world);
    let count = world.core.with(|state| state.truth.claims.len());
    for number in 0..count {
        adopt(world, number);
        let is_kept = world.core.with(|state| {
            let mut is_kept = state.dice.chance(800);
            if is_kept && is_wanted_elsewhere(&state.truth.claims, number) {
                is_kept = false;
            }
            if let Some(claim) = state.truth.claims.get_mut(number) {
                claim.is_kept = is_kept;
            }
            is_kept
        });
        match is_kept {
            true => write(world, number, Part::All, true),
            false => write(world, number, Part::Ownership, false),
        }
    }
    ask_again(world)
}

/// Returns whether somebody else wants to be served at a name whose challenges can lead to one only.
fn is_wanted_elsewhere(claims: &[Claim], number: usize) -> bool {
    let Some(claim) = claims.get(number) else { return false };
    let name = claim.wanted.name();
    let mut others = claims.iter().take(number);
    name.is_wildcard() && others.any(|other| other.is_kept && other.wanted.name() == name)
}

/// Tells a tenant of the claim that is there, which it may not have heard of.
fn adopt(world: &World, number: usize) {
    let Some(claim) = world.core.with(|state| state.truth.claims.get(number).cloned()) else {
        return;
    };
    let there = world.store.model().domains().map(|(_, domain)| domain.clone()).find(|domain| {
        domain.tenant() == claim.tenant
            && domain.name() == claim.wanted.name()
            && domain.status() != Status::Removing
    });
    world.core.with(|state| {
        if let Some(claim) = state.truth.claims.get_mut(number) {
            claim.domain = there;
        }
    });
}

/// Lets tenants ask for everything that is not as it should be yet.
pub(super) fn ask_again(world: &World) -> Vec<Boxed> {
    let mut calls = exhume(world);
    let claims = world.core.with(|state| state.truth.claims.clone());
    for (number, claim) in claims.iter().enumerate() {
        if claim.is_kept {
            // What is asked for may be another record since.
            write(world, number, Part::All, true);
        }
        if claim.is_kept && is_unanswered(world, claim) {
            calls.extend(answer(world, number));
        }
        let status = claim.domain.as_ref().and_then(|domain| {
            let model = world.store.model();
            let row = model.rows.get(&Key::new(Kind::Domain, domain.id()))?;
            row.content.domain().map(Domain::status)
        });
        match status {
            None | Some(Status::Removing) => {}
            // A look starts the time after which a proof that is gone counts.
            Some(_) if !claim.is_kept => calls.extend(act(world, 0, Deed::Check(number))),
            Some(Status::Active) => {}
            Some(Status::Pending) => calls.extend(act(world, 0, Deed::Check(number))),
            Some(_) => calls.extend(act(world, 0, Deed::Retry(number))),
        }
    }
    calls
}

/// Returns whether a mail about a claim waits for an answer.
fn is_unanswered(world: &World, claim: &Claim) -> bool {
    let model = world.store.model();
    let id = claim.domain.as_ref().map(Domain::id);
    let row = id.and_then(|id| model.rows.get(&Key::new(Kind::Domain, id)));
    let domain = row.and_then(|row| row.content.domain());
    domain.is_some_and(|domain| {
        let is_used = domain.mail.as_ref().is_some_and(|mail| mail.is_used);
        domain.challenge().method == Method::Email && !is_used
    })
}

/// Lets all tenants leave.
pub(super) fn leave(world: &World) -> Vec<Boxed> {
    let domains: Vec<(TenantId, DomainId)> = {
        let model = world.store.model();
        let there = model.domains().filter(|(_, domain)| !domain.is_removed());
        there.map(|(_, domain)| (domain.tenant(), domain.id())).collect()
    };
    let mut calls: Vec<Boxed> = Vec::new();
    for (tenant, id) in domains {
        let Some(onboarding) = world.process(0) else { continue };
        let core = world.core.clone();
        calls.push(Box::pin(async move {
            let done = onboarding.remove(&tenant, id).await;
            core.note(|| format!("leave {id}: {:?}", done.map(|domain| domain.status())));
        }));
    }
    calls
}
