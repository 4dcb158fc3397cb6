//! A platform that goes on from a backup of an hour ago.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

mod common;

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use common::{DAY, HOUR, TENANT, World};
use nameplate::{
    certificate::Validation,
    clock::ManualClock,
    domain::{NewDomain, Status},
    id::DomainId,
    store::{Filter, InMemoryStore, Kind, Query, Store},
    testkit::{Moment, Point, Tap, Tape},
};

/// Waits for what the store in memory answers at once.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the store in memory never waits"),
    }
}

/// Copies everything, as a backup does.
fn backup(store: &InMemoryStore, clock: &ManualClock) -> InMemoryStore {
    let copy = InMemoryStore::new(Arc::new(clock.clone()));
    for kind in Kind::ALL {
        for item in at_once(store.list(&Query::new(kind, Filter::All))).unwrap().items {
            let log = at_once(store.entries(&item.key, 0, 1000)).unwrap();
            at_once(copy.restore(&item, &log)).unwrap();
        }
    }
    copy
}

/// Leads a life for an hour, and makes a backup after the commit with this number; `None` if there
/// were fewer.
async fn lived(commit: usize) -> (World, DomainId, Option<InMemoryStore>) {
    let mut world = World::new();
    let taken: Arc<Mutex<(usize, Option<InMemoryStore>)>> = Arc::default();
    let (counter, store, clock) = (taken.clone(), world.store.clone(), world.clock.clone());
    let tape = Tape::new().watched_by(move |point| {
        if *point == Point::new("store", "commit", Moment::After) {
            let (passed, copy) = &mut *counter.lock().unwrap();
            if *passed == commit {
                *copy = Some(backup(&store, &clock));
            }
            *passed += 1;
        }
    });
    world.onboarding =
        world.process((|store| Tap::new(store, tape), |resolver| resolver, |dns| dns, |ca| ca));
    let wanted: NewDomain = "shop.example.com".parse().unwrap();
    let id = world.add_with(&TENANT, wanted.with_validation(Validation::Dns01)).await.id();
    world.publish(id).await;
    world.run_for(HOUR).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
    let copy = taken.lock().unwrap().1.take();
    (world, id, copy)
}

#[tokio::test]
async fn what_a_backup_knows_of_is_not_ordered_twice() {
    let mut seen = [0, 0];
    for commit in 0.. {
        let (mut world, id, copy) = lived(commit).await;
        let Some(copy) = copy else { break };
        assert_eq!((world.ca.orders(), world.ca.certificates()), (1, 1));
        // From the moment on that the key is stored with its order, what comes of it can be used.
        let known =
            !at_once(copy.list(&Query::new(Kind::Key, Filter::All))).unwrap().items.is_empty();
        seen[usize::from(known)] += 1;
        world.store = copy;
        world.onboarding = world.process((|store| store, |resolver| resolver, |dns| dns, |ca| ca));
        world.run_for(DAY).await;

        // A key that is in no backup is lost, and its certificate with it: that takes one more.
        let orders = if known { 1 } else { 2 };
        let made = (world.ca.orders(), world.ca.certificates());
        assert_eq!(made, (orders, orders), "after commit {commit}");
        let domain = world.get(id).await;
        assert_eq!(
            domain.status(),
            Status::Active,
            "after commit {commit}: {}",
            domain.waiting_on()
        );
        let served = world.onboarding.edge().identity(domain.name()).await.unwrap().unwrap();
        assert_eq!(served.certificate, domain.certificate().unwrap().id);
        assert_eq!(world.leftovers(), [], "after commit {commit}");
    }
    assert!(seen.iter().all(|count| *count > 5), "{seen:?}");
}
