//! Whether a process can do its work.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

mod common;
#[path = "common/scratch.rs"]
mod scratch;

use std::{future::pending, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::TimeDelta;
use common::{EDGE, HOUR, MINUTE, TENANT, World};
use futures_util::FutureExt;
use nameplate::{
    clock::{Clock, ManualClock, TokioTimer},
    domain::Targets,
    engine::Onboarding,
    error::{ErrorKind, Result},
    seal::{Context, InMemorySealer, Sealed, Sealer, SealingKeyId},
    secret::Secret,
    store::{Key, Kind, Sqlite, Store},
    testkit::{Moment, Point, Tap, Tape},
};
use scratch::Scratch;

/// A vault that never answers.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl Sealer for Silent {
    fn keys(&self) -> Vec<SealingKeyId> {
        vec![SealingKeyId::new("silent").unwrap()]
    }

    async fn seal(&self, _: &Context, _: &Secret) -> Result<Sealed> {
        pending().await
    }

    async fn open(&self, _: &Context, _: &Sealed) -> Result<Secret> {
        pending().await
    }
}

/// A process on a world with another sealer.
fn with_sealer(world: &World, sealer: impl Sealer) -> Onboarding {
    with_store(world, world.store.clone(), sealer)
}

/// A process on a world with another store.
fn with_store(world: &World, store: impl Store, sealer: impl Sealer) -> Onboarding {
    Onboarding::builder(store)
        .with_brand("plat")
        .with_targets(Targets::cname(EDGE))
        .with_resolver(world.resolver.clone())
        .with_authority(world.ca.clone())
        .with_keys(world.keys.clone())
        .with_sealer(sealer)
        .with_timer(TokioTimer)
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn health_does_not_wait_for_ever_for_a_sealer() {
    let world = World::new();
    let onboarding = with_sealer(&world, Silent);
    let health = onboarding.health(&world.clock).await;
    assert!(!health.is_ready() && health.store.is_ok());
    assert_eq!(health.sealing.unwrap_err().kind, ErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_process_without_the_key_that_is_needed_is_not_ready() {
    let world = World::new();
    world.active("shop.example.com").await;
    assert!(world.onboarding.health(&world.clock).await.is_ready());
    // It seals and opens what it is given, and none of what is stored.
    let health = with_sealer(&world, InMemorySealer::new()).health(&world.clock).await;
    assert!(!health.is_ready() && health.store.is_ok());
}

#[tokio::test]
async fn health_is_json_that_says_what_works_and_what_does_not() {
    let world = World::new();
    world.store.fail_next(ErrorKind::Unavailable);
    let health = serde_json::to_value(world.onboarding.health(&world.clock).await).unwrap();
    assert_eq!(health["store"]["error"]["kind"], "unavailable");
    assert_eq!(health["sealing"], serde_json::json!({ "ok": null }));
    assert_eq!(health["last_step"], serde_json::Value::Null);
    let members: Vec<_> = health.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["account", "last_step", "sealing", "skew", "store", "writing"]);
}

#[tokio::test]
async fn health_tells_store_sealing_and_clock_apart() {
    let world = World::new();
    let health = world.onboarding.health(&world.clock).await;
    assert!(health.is_ready());
    assert_eq!(health.skew, Some(Duration::ZERO));

    world.store.fail_next(ErrorKind::Unavailable);
    let health = world.onboarding.health(&world.clock).await;
    assert!(!health.is_ready() && health.sealing.is_ok());
    assert_eq!(health.store.clone().unwrap_err().kind, ErrorKind::Unavailable);
    assert_eq!(health.skew, None);
    // Starting the process again would not bring the store back.
    assert!(health.is_working(MINUTE));

    world.sealer.fail_next(ErrorKind::Unavailable);
    let health = world.onboarding.health(&world.clock).await;
    assert!(!health.is_ready() && health.store.is_ok());

    for seconds in [-90, 90] {
        let here = world.clock.now() + TimeDelta::seconds(seconds);
        let health = world.onboarding.health(&ManualClock::new(here)).await;
        assert_eq!(health.skew, Some(Duration::from_secs(90)));
    }
}

/// Returns how often health has written.
async fn writes(store: &impl Store) -> u64 {
    let found = store.get(&[Key::new(Kind::Ledger, "health")]).await.unwrap();
    found[0].as_ref().map_or(0, |item| item.revision.counter)
}

#[tokio::test]
async fn a_store_that_only_answers_is_not_ready() {
    let (world, folder) = (World::new(), Scratch::new());
    let path = folder.file("store.db");
    let builder = Sqlite::builder(&path).with_clock(Arc::new(world.clock.clone()));
    let store = builder.with_busy_timeout(Duration::ZERO).open().await.unwrap();
    let onboarding = with_store(&world, store.clone(), world.sealer.clone());
    let worker = onboarding.worker();
    onboarding.add(&TENANT, "shop.customer.dev".parse().unwrap()).await.unwrap();
    assert!(onboarding.health(&world.clock).await.is_ready());
    worker.step().await.unwrap();

    // As on a full disk, what is there can be read.
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    world.clock.advance(HOUR);
    worker.step().await.unwrap_err();
    for _ in 0..2 {
        let health = onboarding.health(&world.clock).await;
        assert!(!health.is_ready() && health.is_ready_to_serve());
        assert_eq!(health.writing.clone().unwrap_err().kind, ErrorKind::Unavailable);
        // Starting the process again would make no room.
        assert!(health.is_working(MINUTE));
        world.clock.advance(MINUTE * 2);
    }

    // That it is over is seen at once, and the worker has time to look again.
    other.execute_batch("ROLLBACK").unwrap();
    let health = onboarding.health(&world.clock).await;
    assert!(health.is_ready() && health.is_working(MINUTE));
    world.clock.advance(MINUTE * 2);
    assert!(!onboarding.health(&world.clock).await.is_working(MINUTE));
}

#[tokio::test]
async fn health_writes_once_a_minute_at_most() {
    let world = World::new();
    assert!(world.onboarding.health(&world.clock).await.is_ready());
    assert_eq!(writes(&world.store).await, 0, "it may be a store that is moved to");
    world.add("shop.example.com").await;
    world.clock.advance(MINUTE);
    for count in 1..=3 {
        for _ in 0..6 {
            assert!(world.onboarding.health(&world.clock).await.is_ready());
            assert_eq!(writes(&world.store).await, count);
            world.clock.advance(Duration::from_secs(10));
        }
    }
    world.clock.set(world.clock.now() - TimeDelta::hours(6));
    assert!(world.onboarding.health(&world.clock).await.is_ready());
    assert_eq!(writes(&world.store).await, 4);
    // What a process has left behind that is gone does not stay.
    world.clock.advance(HOUR * 25);
    world.onboarding.worker().tidy().await.unwrap();
    assert_eq!(writes(&world.store).await, 0);
    assert!(world.onboarding.health(&world.clock).await.is_ready());
}

#[tokio::test]
async fn a_look_that_is_given_up_in_the_middle_of_a_write_shows_nothing() {
    let world = World::new();
    world.add("shop.example.com").await;
    let tape = Tape::new();
    let process = |tape: &Tape| {
        with_store(&world, Tap::new(world.store.clone(), tape.clone()), world.sealer.clone())
    };
    process(&tape).health(&world.clock).await;
    let commit = Point::new("store", "commit", Moment::Before);
    let number = tape.passed().iter().position(|point| *point == commit).unwrap();

    let tape = Tape::stopping_at(number);
    let onboarding = process(&tape);
    assert!(onboarding.health(&world.clock).now_or_never().is_none());
    assert_eq!(tape.passed().last(), Some(&commit));
    // It is tried again, and not taken for done.
    assert!(onboarding.health(&world.clock).await.is_ready());
    assert_eq!(tape.passed().iter().filter(|point| **point == commit).count(), 2);
}

#[tokio::test]
async fn health_tells_how_late_the_last_step_was() {
    let world = World::new();
    let worker = world.onboarding.worker();
    let before = world.onboarding.health(&world.clock).await;
    assert_eq!(before.last_step, None);
    assert!(!before.is_working(HOUR));

    world.add("shop.example.com").await;
    world.clock.advance(Duration::from_secs(90));
    worker.step().await.unwrap();
    let health = world.onboarding.health(&world.clock).await;
    let step = health.last_step.unwrap();
    assert_eq!((step.leased, step.lag), (1, Duration::from_secs(90)));
    assert!(health.is_working(MINUTE));
    world.clock.advance(HOUR);
    let health = world.onboarding.health(&world.clock).await;
    assert!(health.is_ready() && !health.is_working(MINUTE));
}

#[tokio::test]
async fn a_worker_that_the_store_left_without_an_answer_has_time_when_it_is_back() {
    let world = World::new();
    let worker = world.onboarding.worker();
    worker.step().await.unwrap();
    world.clock.advance(HOUR);
    world.store.fail_next(ErrorKind::Unavailable);
    worker.step().await.unwrap_err();
    // It is back, and the worker has not looked again yet.
    let health = world.onboarding.health(&world.clock).await;
    assert!(health.is_ready() && health.is_working(MINUTE));
    // Nor does it ever again.
    world.clock.advance(MINUTE * 2);
    assert!(!world.onboarding.health(&world.clock).await.is_working(MINUTE));
    worker.step().await.unwrap();
    assert!(world.onboarding.health(&world.clock).await.is_working(MINUTE));
}
