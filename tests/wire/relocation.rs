//! Moving a platform from SQLite to PostgreSQL while it runs.

use std::sync::Arc;

use nameplate::{
    certificate::Validation,
    clock::{Clock, between},
    domain::{NewDomain, Status},
    store::{Entry, Filter, Item, Kind, Query, Sqlite, Store, Switch},
};

use crate::{
    common::{MINUTE, TENANT, World},
    postgres::database::Database,
    scratch::Scratch,
    servers,
};

/// Everything that a store holds.
async fn content(store: &dyn Store) -> Vec<(Item, Vec<Entry>)> {
    let mut content = Vec::new();
    for kind in Kind::ALL {
        let mut query = Query::new(kind, Filter::All).with_limit(100);
        loop {
            let page = store.list(&query).await.unwrap();
            for item in page.items {
                let log = store.entries(&item.key, 0, 1000).await.unwrap();
                content.push((item, log));
            }
            let Some(next) = page.next else { break };
            query.after = Some(next);
        }
    }
    content
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_on_sqlite_moves_to_postgresql_while_it_runs() {
    let folder = Scratch::new();
    let mut world = World::new();
    let clock = Arc::new(world.clock.clone());
    let old = Sqlite::builder(folder.file("old.db")).with_clock(clock).open().await.unwrap();
    let (new, _time) = Database::new(servers::postgres()).open(|builder| builder).await;
    // Both live by the same time.
    new.advance(between(new.now().await.unwrap(), world.clock.now()));
    let switch = Switch::new(Arc::new(old.clone()));
    let behind = switch.clone();
    world.onboarding = world.process((|_| behind, |resolver| resolver, |dns| dns, |ca| ca));
    let worker = world.onboarding.worker();

    let mut domains = Vec::new();
    for number in 0..40 {
        let wanted: NewDomain = format!("shop{number}.example.com").parse().unwrap();
        let wanted = wanted.with_validation(Validation::Dns01);
        domains.push(world.add_with(&TENANT, wanted).await);
    }
    let (early, late) = domains.split_at(20);
    for domain in early {
        world.publish(domain.id()).await;
    }
    for _ in 0..30 {
        world.clock.advance(MINUTE);
        worker.step().await.unwrap();
    }

    let mut relocation = switch.relocate(Arc::new(new.clone())).unwrap();
    relocation.copy().await.unwrap();
    for domain in late {
        world.publish(domain.id()).await;
    }
    for _ in 0..5 {
        world.clock.advance(MINUTE);
        worker.step().await.unwrap();
    }
    while relocation.drain().await.unwrap() > 0 {
        world.clock.advance(MINUTE);
    }
    let report = relocation.complete().await.unwrap();
    assert!(report.items > 40 && report.again > 0, "{report:?}");
    let moved = content(&new).await;
    assert_eq!(moved, content(&old).await);

    new.advance(between(new.now().await.unwrap(), world.clock.now()));
    for _ in 0..120 {
        world.clock.advance(MINUTE * 2);
        new.advance(MINUTE * 2);
        worker.step().await.unwrap();
    }
    for domain in &domains {
        let domain = world.onboarding.get(&TENANT, domain.id()).await.unwrap();
        assert_eq!(domain.status(), Status::Active, "{}: {}", domain.name(), domain.waiting_on());
    }
    assert_eq!((world.ca.orders(), world.ca.certificates()), (40, 40));
    assert_eq!(content(&old).await, moved);
}
