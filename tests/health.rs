//! Whether a process can do its work.

mod common;

use std::time::Duration;

use chrono::TimeDelta;
use common::{HOUR, MINUTE, World};
use nameplate::{
    clock::{Clock, ManualClock},
    error::ErrorKind,
};

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
