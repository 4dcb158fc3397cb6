//! The worker as a task: the injected timer is the only thing it waits for.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use nameplate::{
    clock::{ManualClock, Timer},
    domain::Status,
    error::ErrorKind,
};
use tokio::sync::oneshot;

use crate::common::{MINUTE, World};

/// Moves the clock instead of waiting, and counts.
#[derive(Clone, Debug)]
struct Skipping {
    clock: ManualClock,
    slept: Arc<AtomicUsize>,
    /// What it is asked to sleep when the worker has nothing to do.
    pause: Duration,
}

#[async_trait::async_trait]
impl Timer for Skipping {
    async fn sleep(&self, duration: Duration) {
        if duration > self.pause {
            // The deadline of a call, which never comes here.
            pending::<()>().await;
        }
        self.slept.fetch_add(1, Ordering::Relaxed);
        self.clock.advance(duration);
        tokio::task::yield_now().await;
    }
}

fn timer(world: &World) -> Skipping {
    Skipping {
        clock: world.clock.clone(),
        slept: Arc::default(),
        pause: world.policy.poll_interval,
    }
}

#[tokio::test]
async fn a_running_worker_takes_a_name_to_active_and_stops_when_told() {
    let world = World::new();
    let timer = timer(&world);
    let running = world.process_with_timer(timer.clone());
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = tokio::spawn(running.worker().run(async {
        let _ = stopped.await;
    }));
    let id = world.add("shop.example.com").await.id();
    world.publish(id).await;
    while world.get(id).await.status() != Status::Active {
        tokio::task::yield_now().await;
    }
    assert!(timer.slept.load(Ordering::Relaxed) > 0);
    stop.send(()).unwrap();
    worker.await.unwrap();
    let slept = timer.slept.load(Ordering::Relaxed);
    tokio::task::yield_now().await;
    assert_eq!(timer.slept.load(Ordering::Relaxed), slept);
}

#[tokio::test]
async fn a_store_that_is_away_does_not_end_a_running_worker() {
    let world = World::new();
    let id = world.add("shop.example.com").await.id();
    world.publish(id).await;
    for _ in 0..5 {
        world.store.fail_next(ErrorKind::Unavailable);
    }
    let timer = timer(&world);
    let running = world.process_with_timer(timer.clone());
    let slept = timer.slept.clone();
    // Ten minutes of pauses.
    let enough = 10 * usize::try_from(MINUTE.as_secs()).unwrap();
    running
        .worker()
        .run(async move {
            while slept.load(Ordering::Relaxed) < enough {
                tokio::task::yield_now().await;
            }
        })
        .await;
    assert_eq!(world.get(id).await.status(), Status::Active);
}
