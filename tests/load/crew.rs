//! Several roots at the same time, under leases that are kept.

use std::time::Duration;

use nameplate::{
    clock::Clock,
    domain::Status,
    engine::Policy,
    error::ErrorKind,
    store::{Kind, LeaseRequest, Store},
    testkit::Layered,
};
use tokio::sync::oneshot;

use crate::{
    common::{MINUTE, TENANT, World},
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

#[tokio::test(start_paused = true)]
async fn a_slow_service_holds_up_nobody_else() {
    let mut policy = Policy::new();
    policy.batch = 4;
    policy.call_timeout = MINUTE * 5;
    let world = World::with_policy(policy);
    let process = Process::new(&world);
    let slow = world.add("slow.example.com").await.id();
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
    assert_eq!(world.get(slow).await.status(), Status::Pending);
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
