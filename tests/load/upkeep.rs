//! What is not needed any more goes by itself.

use nameplate::{
    clock::{Clock, after},
    engine::{Notice, Policy},
    error::ErrorKind,
    store::{Filter, Key, Kind, Query, Store},
};

use crate::{
    common::{DAY, HOUR, TENANT, World},
    slow::Process,
};

async fn ledgers(world: &World) -> usize {
    let end = after(world.clock.now(), DAY * 1000);
    let query = Query::new(Kind::Ledger, Filter::ExpiresBy(end));
    world.store.list(&query).await.unwrap().items.len()
}

#[tokio::test]
async fn the_trace_of_a_domain_that_is_gone_is_deleted_when_it_was_kept_for_long_enough() {
    let world = World::new();
    let stays = world.active("www.example.com").await.id();
    let id = world.active("shop.example.com").await.id();
    world.onboarding.remove(&TENANT, id).await.unwrap();
    world.run_for(HOUR).await;
    let worker = world.onboarding.worker();
    let key = [Key::new(Kind::Domain, id)];
    world.run_for(DAY * 29).await;
    worker.tidy().await.unwrap();
    assert!(world.store.get(&key).await.unwrap()[0].is_some());
    assert!(world.onboarding.notices(&TENANT, id, 0).await.is_ok());
    world.run_for(DAY * 2).await;
    worker.tidy().await.unwrap();
    assert!(world.store.get(&key).await.unwrap()[0].is_none());
    let error = world.onboarding.notices(&TENANT, id, 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    // Also when its certificate has run out.
    world.clock.advance(DAY * 200);
    worker.tidy().await.unwrap();
    assert_eq!(world.get(stays).await.id(), stays);
}

#[tokio::test(start_paused = true)]
async fn a_running_worker_deletes_ledgers_that_say_nothing_any_more() {
    let world = World::new();
    let process = Process::new(&world);
    world.active("shop.example.com").await;
    assert!(ledgers(&world).await >= 3);
    world.clock.advance(DAY * 8);
    let process = Process { time: crate::slow::Virtual::new(&world), ..process };
    let running = Process::new(&world);
    let time = process.time.clone();
    running.onboarding.worker().run(async { time.wait(HOUR * 2).await }).await;
    assert_eq!(ledgers(&world).await, 0);
}

#[tokio::test]
async fn what_happened_long_ago_is_dropped_from_the_log_and_what_is_new_stays() {
    let mut policy = Policy::new();
    policy.keep_log = DAY * 20;
    let world = World::with_policy(policy);
    let id = world.active("shop.example.com").await.id();
    let all = world.onboarding.notices(&TENANT, id, 0).await.unwrap();
    assert_eq!(all[0].notice, Notice::Added);
    world.run_for(DAY * 10).await;
    let early = world.onboarding.notices(&TENANT, id, 0).await.unwrap();
    assert_eq!(early, all);
    world.run_for(DAY * 70).await;
    let late = world.onboarding.notices(&TENANT, id, 0).await.unwrap();
    assert!(late.iter().all(|it| it.at > world.clock.now() - DAY * 60), "{late:?}");
    // It was renewed meanwhile.
    assert!(late.iter().any(|it| matches!(it.notice, Notice::CertificateActivated { .. })));
}
