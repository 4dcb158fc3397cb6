//! Several roots at the same time, under leases that are kept.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use metrics::{Counter, Gauge, Histogram, KeyName, Metadata, Recorder, SharedString, Unit};
use nameplate::{
    clock::{Clock, ManualClock, after},
    domain::Status,
    engine::{Envelope, Pausable, Policy, Subscriber, telemetry::metric},
    error::{ErrorKind, Result},
    record::RecordFields,
    store::{Batch, Commit, InMemoryStore, Key, Kind, LeaseRequest, Store, Then, Write},
    testkit::{Layered, StoreLayer},
};
use tokio::sync::oneshot;

use crate::{
    common::{DAY, MINUTE, TENANT, World, run_until},
    slow::{Manner, Process, Sluggish, Virtual},
};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_lease_is_prolonged_while_a_call_takes_longer_than_it() {
    let mut policy = Policy::new();
    policy.lease = MINUTE / 2;
    policy.call_timeout = MINUTE * 5;
    policy.sweep_after = MINUTE * 10;
    let world = World::with_policy(policy);
    let process = Process::new(&world);
    let other = Process::new(&world);
    world.add("shop.example.com").await;
    process.resolver.set("shop", Manner::Takes(MINUTE * 2));
    let worker = process.onboarding.worker();
    let (step, others) = tokio::join!(worker.step(), async {
        let mut leased = 0;
        for _ in 0..9 {
            other.time.wait(SECOND * 10).await;
            leased += other.onboarding.worker().step().await.unwrap().leased;
        }
        leased
    });
    let step = step.unwrap();
    assert_eq!((step.leased, step.left, others), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn work_under_a_lost_lease_stops() {
    let world = World::new();
    let process = Process::new(&world);
    let id = world.add("shop.example.com").await.id();
    process.resolver.set("shop", Manner::Takes(SECOND * 19));
    let started = process.time.clone();
    let worker = process.onboarding.worker();
    let (step, ()) = tokio::join!(worker.step(), async {
        started.wait(SECOND).await;
        // As if the process had stood still for longer than its lease.
        world.clock.advance(MINUTE * 2);
        let wanted = LeaseRequest::new([Kind::Domain], 1, MINUTE * 60);
        assert_eq!(world.store.lease(&wanted).await.unwrap().leases.len(), 1);
    });
    let step = step.unwrap();
    assert_eq!((step.leased, step.left), (1, 1));
    assert_eq!(world.get(id).await.status(), Status::Pending);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_stood_still_for_longer_than_its_lease_opens_no_order() {
    let world = World::new();
    // The authority has an account of ours.
    world.active("first.example.com").await;
    let orders = world.ca.orders();
    let time = Virtual::new(&world);
    let authority =
        Layered::new(Sluggish { inner: world.ca.clone(), time: time.clone(), takes: SECOND * 10 });
    let process = Process::with_authority(&world, authority);
    let id = world.add("shop.example.com").await.id();
    world.publish(id).await;
    let worker = process.onboarding.worker();
    let (step, ()) = tokio::join!(worker.step(), async {
        time.wait(SECOND).await;
        assert_eq!(world.get(id).await.status(), Status::CertificatePending);
        // The store does not say yet that the lease has ended.
        process.store.stop("extend");
        world.clock.advance(MINUTE * 2);
        tokio::time::advance(MINUTE * 2).await;
    });
    let step = step.unwrap();
    assert_eq!((step.leased, step.left), (1, 1));
    assert_eq!(world.ca.orders(), orders);
}

/// Counts leases that were lost.
#[derive(Clone, Debug, Default)]
struct Losses(Arc<AtomicU64>);

impl Recorder for Losses {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &metrics::Key, _: &Metadata<'_>) -> Counter {
        if key.name() == metric::LOST { Counter::from_arc(self.0.clone()) } else { Counter::noop() }
    }

    fn register_gauge(&self, _: &metrics::Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &metrics::Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_ends_while_it_is_prolonged_is_not_called_lost() {
    let mut policy = Policy::new();
    policy.lease = SECOND * 15;
    let world = World::with_policy(policy);
    let process = Process::new(&world);
    world.add("shop.example.com").await;
    let losses = Losses::default();
    let _recording = metrics::set_default_local_recorder(&losses);
    // It takes effect at once; its answer comes after the next beat.
    process.store.slow("commit", SECOND * 6);
    let step = process.onboarding.worker().step().await.unwrap();
    assert_eq!((step.leased, step.left), (1, 0));
    assert_eq!(losses.0.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn work_stops_when_no_lease_can_be_prolonged() {
    let mut policy = Policy::new();
    policy.call_timeout = MINUTE * 5;
    policy.sweep_after = MINUTE * 10;
    let world = World::with_policy(policy);
    let process = Process::new(&world);
    world.add("shop.example.com").await;
    process.resolver.set("shop", Manner::Silent);
    process.store.stop("extend");
    process.store.stop("extend");
    let start = world.clock.now();
    let step = process.onboarding.worker().step().await.unwrap();
    assert_eq!((step.leased, step.left), (1, 1));
    let took = world.clock.now() - start;
    assert!(took <= chrono::TimeDelta::minutes(1), "{took}");
}

#[tokio::test(start_paused = true)]
async fn what_panics_takes_nothing_else_down() {
    let world = World::new();
    let process = Process::new(&world);
    let bad = world.add("bad.example.com").await.id();
    let good = world.add("good.example.com").await.id();
    world.publish(good).await;
    process.resolver.set("bad", Manner::Panics);
    let step = process.onboarding.worker().step().await.unwrap();
    assert_eq!((step.leased, step.left, step.panicked), (2, 0, 1));
    assert_eq!(world.get(bad).await.status(), Status::Pending);
    assert_eq!(world.get(good).await.status(), Status::Verified);
}

/// A process that works on four roots at a time, and waits long for a service.
fn with_batches_of_four() -> (World, Process) {
    let mut policy = Policy::new();
    policy.batch = 4;
    policy.call_timeout = MINUTE * 5;
    let world = World::with_policy(policy);
    let process = Process::new(&world);
    (world, process)
}

#[tokio::test(start_paused = true)]
async fn a_slow_service_holds_up_nobody_else() {
    let (world, process) = with_batches_of_four();
    // As many as a worker works on at a time, and some more.
    let mut slow = Vec::new();
    for number in 0..10 {
        slow.push(world.add(&format!("slow{number}.example.com")).await.id());
    }
    process.resolver.set("slow", Manner::Silent);
    let mut others = Vec::new();
    for number in 0..9 {
        let id = world.add(&format!("shop{number}.example.com")).await.id();
        world.publish(id).await;
        others.push(id);
    }
    let time = process.time.clone();
    process.onboarding.worker().run(async { time.wait(MINUTE).await }).await;
    for id in others {
        assert_eq!(world.get(id).await.status(), Status::Active);
    }
    for id in slow {
        assert_eq!(world.get(id).await.status(), Status::Pending);
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_than_four_batches_wait_for_a_service() {
    let (world, process) = with_batches_of_four();
    for number in 0..20 {
        world.add(&format!("slow{number}.example.com")).await;
    }
    process.resolver.set("slow", Manner::Silent);
    let wanted = LeaseRequest::new([Kind::Domain], 100, MINUTE);
    let store = world.store.clone();
    let looks = async {
        process.time.wait(SECOND * 30).await;
        assert_eq!(store.lease(&wanted).await.unwrap().leases.len(), 4);
    };
    process.onboarding.worker().run(looks).await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_told_to_stop_hands_over_what_it_cannot_finish() {
    let mut policy = Policy::new();
    policy.call_timeout = MINUTE * 5;
    policy.lease = MINUTE * 2;
    let world = World::with_policy(policy);
    let process = Process::new(&world);
    let slow = world.add("slow.example.com").await.id();
    world.publish(slow).await;
    process.resolver.set("slow", Manner::Silent);
    let (stop, stopped) = oneshot::channel::<()>();
    let start = world.clock.now();
    let worker = tokio::spawn(process.onboarding.worker().run(async {
        let _ = stopped.await;
    }));
    process.time.wait(SECOND * 5).await;
    stop.send(()).unwrap();
    worker.await.unwrap();
    let took = world.clock.now() - start;
    assert_eq!(took, chrono::TimeDelta::seconds(25));
    // Nobody has to wait for the lease to end.
    assert_eq!(world.onboarding.worker().step().await.unwrap().leased, 1);
    assert_eq!(world.onboarding.get(&TENANT, slow).await.unwrap().status(), Status::Verified);
}

/// Whoever is told something takes it, or never answers.
#[derive(Clone, Debug, Default)]
struct Listener(Arc<AtomicBool>);

#[async_trait]
impl Subscriber for Listener {
    fn id(&self) -> &str {
        "a"
    }

    async fn deliver(&self, _: &Envelope) -> Result<()> {
        if self.0.load(Ordering::Relaxed) { pending().await } else { Ok(()) }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_due_by_a_wake_alone_is_handed_over_as_due() {
    let mut policy = Policy::new();
    policy.delivery_timeout = MINUTE;
    policy.lease = MINUTE * 2;
    let world = World::with_policy(policy);
    let listener = Listener::default();
    let process = Process::with_subscriber(&world, listener.clone());
    let name = "shop.example.com".parse().unwrap();
    let id = process.onboarding.add(&TENANT, name).await.unwrap().id();
    let time = process.time.clone();
    process.onboarding.worker().run(async { time.wait(SECOND).await }).await;
    listener.0.store(true, Ordering::Relaxed);
    process.onboarding.operator().pause(Pausable::Domain(id), "abuse report 7").await.unwrap();
    process.onboarding.worker().run(async { time.wait(SECOND).await }).await;
    // Told by whoever comes next, and not when something else happens to the domain.
    let wanted = LeaseRequest::new([Kind::Feed], 10, MINUTE);
    assert_eq!(world.store.lease(&wanted).await.unwrap().leases.len(), 1);
}

/// A store that takes note of domains that are to go on under their lease, and are not due.
#[derive(Clone, Debug)]
struct Resting {
    inner: InMemoryStore,
    clock: ManualClock,
    kept: Arc<AtomicU64>,
    resting: Arc<AtomicU64>,
}

#[async_trait]
impl StoreLayer for Resting {
    type Inner = InMemoryStore;

    fn inner(&self) -> &InMemoryStore {
        &self.inner
    }

    async fn commit(&self, batch: Batch) -> Result<Commit> {
        if let Some((lease, Then::Keep)) = &batch.lease {
            for write in &batch.writes {
                let Write::Put { key, header, .. } = write else { continue };
                if *key == lease.key {
                    let is_due = header.due.is_some_and(|due| due <= self.clock.now());
                    self.kept.fetch_add(1, Ordering::Relaxed);
                    self.resting.fetch_add(u64::from(!is_due), Ordering::Relaxed);
                }
            }
        }
        self.inner.commit(batch).await
    }
}

#[tokio::test]
async fn work_that_goes_on_is_due_for_whoever_finds_it_without_its_lease() {
    let world = World::new();
    let (kept, resting) = (Arc::default(), Arc::default());
    let layer = |inner| Resting {
        inner,
        clock: world.clock.clone(),
        kept: Arc::clone(&kept),
        resting: Arc::clone(&resting),
    };
    let layered = |store| Layered::new(layer(store));
    let process = world.process((layered, |resolver| resolver, |dns| dns, |ca| ca));
    let id = process.add(&TENANT, "shop.example.com".parse().unwrap()).await.unwrap().id();
    world.publish(id).await;
    let pass = async |time| {
        run_until(&process, &world.store, &world.clock, after(world.clock.now(), time)).await;
    };
    pass(MINUTE).await;
    // Nothing of it is due before the next look.
    let record = RecordFields::new("A", "api", "192.0.2.7");
    let records = process.records(&TENANT, id);
    records.create(&record).await.unwrap().apply().await.unwrap();
    pass(DAY * 70).await;
    process.remove(&TENANT, id).await.unwrap();
    pass(DAY).await;
    assert!(kept.load(Ordering::Relaxed) > 10, "{kept:?}");
    assert_eq!(resting.load(Ordering::Relaxed), 0, "of {kept:?}");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_told_to_stop_finishes_what_it_can() {
    let world = World::new();
    let process = Process::new(&world);
    let id = world.add("shop.example.com").await.id();
    world.publish(id).await;
    process.resolver.set("shop", Manner::Takes(SECOND * 2));
    let time = process.time.clone();
    process.onboarding.worker().run(async { time.wait(SECOND).await }).await;
    assert_eq!(world.get(id).await.status(), Status::Verified);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_is_not_answered_is_looked_into() {
    let world = World::new();
    let process = Process::new(&world);
    process.store.stop("commit");
    let id =
        process.onboarding.add(&TENANT, "shop.example.com".parse().unwrap()).await.unwrap().id();
    assert_eq!(world.get(id).await.id(), id);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_a_lease_does_not_end_a_running_worker() {
    let world = World::new();
    let process = Process::new(&world);
    let id = world.add("shop.example.com").await.id();
    world.publish(id).await;
    process.store.stop("lease");
    let time = process.time.clone();
    process.onboarding.worker().run(async { time.wait(MINUTE * 3).await }).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_takes_effect_late_counts_as_done() {
    let world = World::new();
    let process = Process::new(&world);
    process.store.delay_commit();
    let added = process.onboarding.add(&TENANT, "shop.example.com".parse().unwrap()).await;
    let id = added.unwrap().id();
    assert_eq!(world.get(id).await.id(), id);
    // Also under a lease: nobody thinks that it is lost.
    world.publish(id).await;
    process.store.delay_commit();
    let step = process.onboarding.worker().step().await.unwrap();
    assert_eq!((step.leased, step.left), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_stays_unknown_is_not_called_a_failure() {
    let world = World::new();
    let process = Process::new(&world);
    process.store.stop("commit");
    let name = "shop.example.com".parse().unwrap();
    let (added, ()) = tokio::join!(process.onboarding.add(&TENANT, name), async {
        process.time.wait(SECOND).await;
        process.store.stop("get");
    });
    assert_eq!(added.unwrap_err().kind(), ErrorKind::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_told_to_stop_leases_nothing_more() {
    let world = World::new();
    let process = Process::new(&world);
    world.add("shop.example.com").await;
    process.onboarding.worker().run(std::future::ready(())).await;
    let step = world.onboarding.worker().step().await.unwrap();
    assert_eq!(step.leased, 1);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_told_to_stop_begins_nothing_that_the_store_hands_out_late() {
    let world = World::new();
    let process = Process::new(&world);
    let key = [Key::new(Kind::Domain, world.add("shop.example.com").await.id())];
    let before = world.store.get(&key).await.unwrap();
    process.store.slow("lease", SECOND * 5);
    let time = process.time.clone();
    process.onboarding.worker().run(async { time.wait(SECOND).await }).await;
    // Nothing was decided, and whoever comes next need not wait for the end of a lease.
    assert_eq!(world.store.get(&key).await.unwrap(), before);
    assert_eq!(world.onboarding.worker().step().await.unwrap().leased, 1);
}

#[tokio::test(start_paused = true)]
async fn what_panics_when_it_is_dropped_keeps_nobody_from_being_handed_over() {
    let mut policy = Policy::new();
    policy.call_timeout = MINUTE * 5;
    policy.sweep_after = MINUTE * 10;
    let world = World::with_policy(policy);
    let process = Process::new(&world);
    world.add("bad.example.com").await;
    world.add("slow.example.com").await;
    process.resolver.set("bad", Manner::Clings);
    process.resolver.set("slow", Manner::Silent);
    let time = process.time.clone();
    process.onboarding.worker().run(async { time.wait(SECOND).await }).await;
    assert_eq!(world.onboarding.worker().step().await.unwrap().leased, 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_under_way_before_a_rest_says_nothing_about_later_leases() {
    let mut policy = Policy::new();
    policy.call_timeout = MINUTE * 5;
    policy.sweep_after = MINUTE * 10;
    let world = World::with_policy(policy);
    let first = world.active("first.example.com").await.id();
    world.clock.set(world.store.next_due().unwrap());
    let process = Process::new(&world);
    process.store.slow("extend", SECOND * 5);
    // The first beat begins after 20 seconds, and is not answered before the looks are done.
    process.resolver.set("first", Manner::Takes(SECOND * 22 / 3));
    process.resolver.set("second", Manner::Takes(SECOND * 22 / 3));
    let time = process.time.clone();
    let late = async {
        time.wait(SECOND * 66).await;
        let second = world.add("second.example.com").await.id();
        world.publish(second).await;
        time.wait(SECOND * 26).await;
        assert_ne!(world.get(second).await.status(), Status::Pending);
    };
    process.onboarding.worker().run(late).await;
    assert_eq!(world.get(first).await.status(), Status::Active);
}
