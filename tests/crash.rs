//! One whole life, with the process killed, canceled or stopped at every call that it makes.
//!
//! The first process runs until the point where it is told to stop. Then it is dropped (a kill or a
//! cancellation), or it stays stopped while a second process goes on, and is resumed afterwards.
//! Whatever happened: the life ends as it should, no order is opened twice once one was stored, and
//! nothing is left behind.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

mod common;
#[path = "crash/lost.rs"]
mod lost;

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use common::{DAY, MINUTE, OTHER, TENANT, World, dns, run_until};
use nameplate::{
    RecordSet,
    clock::{Clock, after},
    domain::{Domain, RecordState, Status},
    engine::{Effect, EffectKind, Onboarding, Policy},
    error::{ErrorKind, Result},
    id::DomainId,
    record::RecordFields,
    store::{Batch, Commit, InMemoryStore, Key, Kind, LeaseRequest, Leased, Query, Store, Write},
    testkit::{Layered, Moment, Point, StoreLayer, Tap, Tape},
};

/// How the first process goes away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    /// It is killed, or its future is dropped.
    Dropped,
    /// It is stopped, and goes on after the second process has done everything.
    Resumed,
    /// A command comes in between, and it goes on at once.
    Raced(Command),
    /// It is killed, in a life in which the authority loses its accounts between two certificates.
    Bereft,
}

/// What a tenant does in between.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Command {
    Check,
    Remove,
}

/// A store that watches the promises that end states cannot show.
#[derive(Clone, Debug)]
struct Watched {
    inner: InMemoryStore,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The highest token given out for each root.
    tokens: BTreeMap<Key, u64>,
    /// Orders that were stored with a handle, for each domain and round of issuance.
    opened: BTreeSet<String>,
    /// Accepted commits below the highest token.
    stale: Vec<Key>,
}

#[async_trait::async_trait]
impl StoreLayer for Watched {
    type Inner = InMemoryStore;

    fn inner(&self) -> &InMemoryStore {
        &self.inner
    }
    async fn commit(&self, batch: Batch) -> Result<Commit> {
        let opened: Vec<String> = batch
            .writes
            .iter()
            .filter_map(|write| match write {
                Write::Put { key, body, .. } if key.kind == Kind::Order => {
                    body.as_str().contains("\"handle\":\"text:").then(|| key.id.clone())
                }
                _ => None,
            })
            .collect();
        let lease = batch.lease.clone();
        let commit = self.inner.commit(batch).await?;
        if commit == Commit::Done {
            let mut seen = self.seen.lock().unwrap();
            seen.opened.extend(opened);
            if let Some((lease, _)) = lease
                && seen.tokens.get(&lease.key).is_some_and(|token| lease.token < *token)
            {
                seen.stale.push(lease.key);
            }
        }
        Ok(commit)
    }

    async fn lease(&self, wanted: &LeaseRequest) -> Result<Leased> {
        let leased = self.inner.lease(wanted).await?;
        let mut seen = self.seen.lock().unwrap();
        for (lease, _) in &leased.leases {
            seen.tokens.insert(lease.key.clone(), lease.token);
        }
        Ok(leased)
    }
}

/// A world whose life is short, so that every point of it can be tried.
fn world() -> World {
    let mut policy = Policy::new();
    policy.recheck = DAY * 80;
    World::with_policy(policy)
}

/// A process of its own, with a tape.
fn process(world: &World, tape: &Tape, seen: &Arc<Mutex<Seen>>) -> Onboarding {
    let (s, r, d, c) = (tape.clone(), tape.clone(), tape.clone(), tape.clone());
    let seen = seen.clone();
    world.process((
        move |inner| Tap::new(Layered::new(Watched { inner, seen }), s),
        move |resolver| Tap::new(resolver, r),
        move |dns| Tap::new(dns, d),
        move |ca| Tap::new(ca, c),
    ))
}

/// What a tenant and time do to a name: added, published, active, renewed once, removed.
///
/// Written so that a second process can take it up wherever the first one was stopped.
///
/// What has to be true along the way is asserted only while nobody else had a hand in it.
async fn life(
    world: &World,
    onboarding: &Onboarding,
    alone: &AtomicBool,
    loses: bool,
) -> Result<()> {
    let alone = || alone.load(Ordering::Relaxed);
    let birth = world.clock.now();
    let id = adopt(onboarding).await?;
    for instruction in onboarding.instructions(&TENANT, id).await? {
        world.publish_one(&instruction);
    }
    onboarding.check(&TENANT, id).await?;
    run_until(onboarding, &world.store, &world.clock, after(birth, DAY)).await;
    world.clock.set(world.clock.now().max(after(birth, DAY)));

    let domain = onboarding.get(&TENANT, id).await?;
    assert!(!alone() || domain.status() == Status::Active, "{}", domain.waiting_on());
    manage(onboarding, id, &alone).await?;
    let first = domain.certificate().map(|served| served.id);
    if loses {
        world.ca.lose_accounts();
    }
    run_until(onboarding, &world.store, &world.clock, after(birth, DAY * 70)).await;
    world.clock.set(world.clock.now().max(after(birth, DAY * 70)));
    let domain = onboarding.get(&TENANT, id).await?;
    assert!(!alone() || domain.status() == Status::Active, "{}", domain.waiting_on());
    let second = domain.certificate().map(|served| served.id);
    assert!(!alone() || second != first, "it was not renewed");

    onboarding.remove(&TENANT, id).await?;
    run_until(onboarding, &world.store, &world.clock, after(birth, DAY * 75)).await;
    Ok(())
}

/// Makes three records below the name, changes one, removes one, and leaves two.
async fn manage(onboarding: &Onboarding, id: DomainId, alone: &impl Fn() -> bool) -> Result<()> {
    let records = onboarding.records(&TENANT, id);
    let text = |value| RecordFields::new("TXT", "www", value);
    let address = RecordFields::new("A", "www", "192.0.2.1");
    let first = records.create(&text("one")).await?.apply().await?;
    assert!(!alone() || first.state() == RecordState::Present, "{first:?}");
    let second = records.create(&text("two")).await?.apply().await?;
    let third = records.create(&address).await?.apply().await?;
    assert!(!alone() || third.state() == RecordState::Present, "{third:?}");
    let changed = records.update(first.id(), &text("three")).await?.apply().await?;
    assert!(!alone() || changed.state() == RecordState::Present, "{changed:?}");
    records.remove(second.id()).await?.apply().await?;
    let there = records.list().await?.len();
    assert!(!alone() || there == 2, "{there} records");
    Ok(())
}

/// The sets of managed records, and of their markers.
fn managed(world: &World) -> Vec<RecordSet> {
    let mut sets = world.dns.records(&dns("example.com"));
    sets.retain(|set| set.name().is_within(&dns("www.example.com")));
    sets
}

/// Adds the name, unless an earlier attempt got through.
async fn adopt(onboarding: &Onboarding) -> Result<DomainId> {
    match onboarding.add(&TENANT, "*.example.com".parse().unwrap()).await {
        Ok(domain) => Ok(domain.id()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Ok(error.subject().unwrap().parse().unwrap())
        }
        Err(error) => Err(error),
    }
}

/// Ends the life, from wherever it is.
async fn finish(world: &World, onboarding: &Onboarding) {
    let mut there: Vec<Domain> = onboarding.list(&TENANT, None).await.unwrap().domains;
    there.retain(|domain| domain.status() != Status::Removing);
    if there.is_empty() {
        // Nothing was stored, or all is over but the cleaning.
        if world.ca.orders() == 0 {
            life(world, onboarding, &AtomicBool::new(true), false).await.unwrap();
        }
    } else if world.ca.certificates() < 2 {
        life_from(world, onboarding, there[0].id()).await;
    }
    // A renewal that is under way comes to its end first.
    let end = after(world.clock.now(), MINUTE * 60);
    run_until(onboarding, &world.store, &world.clock, end).await;
    world.clock.set(end);
    for domain in onboarding.list(&TENANT, None).await.unwrap().domains {
        // What was asked for is there, and nothing else.
        let mut wanted = 0;
        for record in domain.records() {
            assert_eq!(record.state(), RecordState::Present, "{record:?}");
            let data = record.record().data();
            let has = |set: &RecordSet| set.name() == record.record().name() && set.contains(data);
            assert!(managed(world).iter().any(has), "{record:?} is not in the zone");
            wanted += 1;
        }
        let there: usize = managed(world).iter().map(|set| set.data().len()).sum();
        assert_eq!(there, wanted * 2, "a record and its marker each: {:?}", managed(world));
        onboarding.remove(&TENANT, domain.id()).await.unwrap();
    }
    let end = after(world.clock.now(), DAY * 5);
    run_until(onboarding, &world.store, &world.clock, end).await;
    world.clock.set(end);
}

/// Lives on: up to a second certificate.
async fn life_from(world: &World, onboarding: &Onboarding, id: DomainId) {
    for instruction in onboarding.instructions(&TENANT, id).await.unwrap() {
        world.publish_one(&instruction);
    }
    onboarding.check(&TENANT, id).await.unwrap();
    let end = after(world.clock.now(), DAY * 75);
    run_until(onboarding, &world.store, &world.clock, end).await;
    world.clock.set(end);
    let domain = onboarding.get(&TENANT, id).await.unwrap();
    assert_eq!(domain.status(), Status::Active, "{}", domain.waiting_on());
}

struct Idle;

impl Wake for Idle {
    fn wake(self: Arc<Self>) {}
}

/// Polls a future until it is done or can go no further.
fn drive<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    // Nothing in this world waits for anything but a tape.
    let waker = Waker::from(Arc::new(Idle));
    match future.poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn now_or_never<F: Future>(future: F) -> F::Output {
    drive(pin!(future)).expect("the untapped process waits for nothing")
}

/// Runs one history. Returns the points that the processes passed, or `None` if the first one came
/// to its end without being stopped.
fn history(first: usize, second: Option<usize>, end: End) -> Option<Vec<Point>> {
    let world = world();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let tape = Tape::stopping_at(first);
    let one = process(&world, &tape, &seen);
    let mut passed;
    let mut untouched = false;
    {
        let alone = AtomicBool::new(true);
        let mut running = Box::pin(life(&world, &one, &alone, end == End::Bereft));
        match drive(running.as_mut()) {
            Some(result) => {
                result.unwrap();
                untouched = true;
            }
            None => assert!(tape.is_stopped()),
        }
        passed = tape.passed();
        if let (End::Raced(command), false) = (end, untouched) {
            let two = process(&world, &Tape::new(), &seen);
            for domain in now_or_never(two.list(&TENANT, None)).unwrap().domains {
                match command {
                    // The look may be what ends its removal.
                    Command::Check => match now_or_never(two.check(&TENANT, domain.id())) {
                        Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound),
                        Ok(checked) => assert_eq!(checked.id(), domain.id()),
                    },
                    Command::Remove => {
                        drop(now_or_never(two.remove(&TENANT, domain.id())).unwrap())
                    }
                }
            }
            alone.store(command == Command::Check, Ordering::Relaxed);
            tape.resume();
            let ended = drive(running.as_mut()).expect("nothing else stops it");
            // Its own domain is gone if a removal came in between.
            assert!(ended.is_ok() || command == Command::Remove, "{first}: {ended:?}");
            drop(running);
            for domain in now_or_never(two.list(&TENANT, None)).unwrap().domains {
                now_or_never(two.remove(&TENANT, domain.id())).unwrap();
            }
            let end = after(world.clock.now(), DAY);
            now_or_never(run_until(&two, &world.store, &world.clock, end));
        } else if !untouched {
            // A second process, which may be killed as well, and a third one. Leases last a minute.
            world.clock.advance(MINUTE * 2);
            if let Some(second) = second {
                let tape = Tape::stopping_at(second);
                let two = process(&world, &tape, &seen);
                let mut running = Box::pin(finish(&world, &two));
                if drive(running.as_mut()).is_none() {
                    drop(running);
                    world.clock.advance(MINUTE * 2);
                }
                passed.extend(tape.passed());
            }
            let three = process(&world, &Tape::new(), &seen);
            now_or_never(finish(&world, &three));
            match end {
                End::Bereft | End::Dropped => drop(running),
                End::Resumed => {
                    alone.store(false, Ordering::Relaxed);
                    tape.resume();
                    // What it did late may be refused: then its own caller is told so.
                    let _ = drive(running.as_mut());
                    drop(running);
                    now_or_never(finish(&world, &three));
                }
                End::Raced(_) => drop(running),
            }
        }
    }
    let removed = end == End::Raced(Command::Remove);
    check(&world, &seen.lock().unwrap(), removed, &format!("{first} {second:?} {end:?}"));
    (!untouched).then_some(passed)
}

/// What has to hold at the end, whatever happened.
fn check(world: &World, seen: &Seen, removed: bool, which: &str) {
    assert_eq!(world.leftovers(), [], "records were left behind: {which}");
    assert_eq!(managed(world), [], "managed records were left behind: {which}");
    assert_eq!(world.store.next_due(), None, "work is left: {which}");
    assert_eq!(seen.stale, [], "a stale commit was accepted: {which}");
    assert!(now_or_never(world.onboarding.list(&TENANT, None)).unwrap().domains.is_empty());
    assert!(now_or_never(world.onboarding.list(&OTHER, None)).unwrap().domains.is_empty());
    if !removed {
        assert_eq!(world.ca.accounts(), 1, "{which}");
        // An order whose handle was stored ends with a certificate: none is opened in its place.
        assert_eq!(seen.opened.len(), world.ca.certificates(), "a second order: {which}");
    }
    for kind in [Kind::Order, Kind::Certificate, Kind::Key, Kind::Answer] {
        let filter = nameplate::store::Filter::Tenant(TENANT);
        let page = now_or_never(world.store.list(&Query::new(kind, filter))).unwrap();
        assert!(page.items.is_empty(), "{kind} items are left: {which}");
    }
    let challenges = world.dns.records(&dns(common::DELEGATION));
    assert!(challenges.is_empty(), "{which}: {challenges:?}");
}

/// The two points around each effect.
fn around_effects() -> BTreeSet<Point> {
    Effect::ALL
        .into_iter()
        // A life in which something is mailed is in `tests/mail.rs`.
        .filter(|effect| *effect != EffectKind::Mail)
        .flat_map(|effect| {
            let backend = match effect.as_str() {
                "arrange" | "publish" | "unpublish" => "dns",
                _ => "ca",
            };
            [Moment::Before, Moment::After].map(|moment| (backend, effect.as_str(), moment))
        })
        .map(|(backend, call, moment)| Point::new(backend, call, moment))
        .collect()
}

fn every_point(end: End) {
    let mut stopped_at = BTreeSet::new();
    let mut number = 0;
    while let Some(passed) = history(number, None, end) {
        stopped_at.insert(passed[number].clone());
        number += 1;
    }
    assert!(number > 200, "a life makes more calls than {number}");
    let missed: Vec<_> =
        around_effects().difference(&stopped_at).map(ToString::to_string).collect();
    assert!(missed.is_empty(), "never stopped {missed:?}");
}

#[test]
fn a_process_may_be_killed_at_every_call() {
    every_point(End::Dropped);
}

#[test]
fn a_process_may_be_killed_at_every_call_while_a_lost_account_is_made_again() {
    every_point(End::Bereft);
}

#[test]
fn a_process_may_be_stopped_at_every_call_and_go_on_later() {
    every_point(End::Resumed);
}

#[test]
fn a_check_may_come_in_at_every_call() {
    every_point(End::Raced(Command::Check));
}

#[test]
fn a_removal_may_come_in_at_every_call() {
    every_point(End::Raced(Command::Remove));
}

#[test]
fn two_processes_may_be_killed_one_after_the_other() {
    // All pairs would take hours; these are spread so that every point is part of some.
    let points = (0..).take_while(|number| history(*number, None, End::Dropped).is_some()).count();
    let mut pairs = 0;
    for first in 0..points {
        for second in [first % 7, 11 + first % 53, 70 + first % 131] {
            let end = if (first + second) % 2 == 0 { End::Dropped } else { End::Resumed };
            history(first, Some(second), end);
            pairs += 1;
        }
    }
    assert!(pairs > 600);
}
