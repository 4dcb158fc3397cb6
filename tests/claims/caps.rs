//! How many names a tenant may have, and how quickly it may add them.

use nameplate::{
    engine::{Budget, Policy},
    error::{Error, ErrorKind},
    id::OperationId,
    store::{Batch, Body, Expect, Filter, Item, Key, Kind, Query, Store as _, Write},
};

use crate::{
    common::{DAY, HOUR, MINUTE, OTHER, TENANT, World},
    prove, spoil,
};

async fn add(world: &World, text: &str) -> Result<nameplate::domain::Domain, Error> {
    world.onboarding.add(&TENANT, text.parse().unwrap()).await
}

fn refused(result: Result<nameplate::domain::Domain, Error>) -> (ErrorKind, String) {
    let error = result.unwrap_err();
    (error.kind(), error.code().unwrap_or_default().to_owned())
}

fn quota(rule: &str) -> (ErrorKind, String) {
    (ErrorKind::Quota, rule.to_owned())
}

#[tokio::test]
async fn a_tenant_has_so_many_names_and_a_removed_one_makes_room() {
    let mut policy = Policy::new();
    policy.max_claims = Some(3);
    let world = World::with_policy(policy);
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(add(&world, &format!("n{number}.example.com")).await.unwrap().id());
    }
    let before = world.onboarding.list(&TENANT, None).await.unwrap().domains.len();
    assert_eq!(refused(add(&world, "n3.example.com").await), quota("too_many"));
    assert_eq!(world.onboarding.list(&TENANT, None).await.unwrap().domains.len(), before);
    // Another tenant is not concerned.
    world.onboarding.add(&OTHER, "n3.example.com".parse().unwrap()).await.unwrap();

    world.onboarding.remove(&TENANT, ids[0]).await.unwrap();
    world.run_for(MINUTE * 2).await;
    add(&world, "n3.example.com").await.unwrap();
    assert_eq!(refused(add(&world, "n4.example.com").await), quota("too_many"));
    // However long it waits, and whatever became of the ledger.
    world.run_for(DAY * 3).await;
    world.onboarding.worker().tidy().await.unwrap();
    assert_eq!(refused(add(&world, "n4.example.com").await), quota("too_many"));
}

#[tokio::test]
async fn names_that_are_not_proved_are_few_and_proved_ones_many() {
    let mut policy = Policy::new();
    policy.max_pending = Some(2);
    let world = World::with_policy(policy);
    let one = add(&world, "n1.example.com").await.unwrap();
    add(&world, "n2.example.com").await.unwrap();
    assert_eq!(refused(add(&world, "n3.example.com").await), quota("too_many_pending"));
    prove(&world, &[&one]);
    world.onboarding.check(&TENANT, one.id()).await.unwrap();
    world.run_for(MINUTE * 2).await;
    add(&world, "n3.example.com").await.unwrap();
    assert_eq!(refused(add(&world, "n4.example.com").await), quota("too_many_pending"));
}

#[tokio::test]
async fn names_below_one_registrable_domain_are_counted_apart() {
    let mut policy = Policy::new();
    policy.max_below = Some(2);
    let world = World::with_policy(policy);
    add(&world, "example.com").await.unwrap();
    let shop = add(&world, "*.example.com").await.unwrap();
    assert_eq!(refused(add(&world, "www.www.example.com").await), quota("too_many_below"));
    add(&world, "shop.example.net").await.unwrap();
    world.onboarding.remove(&TENANT, shop.id()).await.unwrap();
    world.run_for(MINUTE * 2).await;
    add(&world, "www.example.com").await.unwrap();
    assert_eq!(refused(add(&world, "www.www.example.com").await), quota("too_many_below"));
    assert_eq!(world.ca.orders(), 0);
}

#[tokio::test]
async fn who_adds_too_quickly_is_told_when_to_come_back() {
    let mut policy = Policy::new();
    policy.adds = Some(Budget::new(2, HOUR));
    let world = World::with_policy(policy);
    for number in 0..2 {
        add(&world, &format!("n{number}.example.com")).await.unwrap();
    }
    let error = add(&world, "n2.example.com").await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::RateLimited, Some("too_fast")));
    let wait = error.retry_after().unwrap();
    assert!(wait > MINUTE * 29 && wait <= MINUTE * 30, "{wait:?}");
    world.run_for(wait).await;
    add(&world, "n2.example.com").await.unwrap();
    assert_eq!(add(&world, "n3.example.com").await.unwrap_err().kind(), ErrorKind::RateLimited);
}

#[tokio::test]
async fn a_name_that_is_there_already_costs_nothing() {
    let mut policy = Policy::new();
    policy.max_claims = Some(2);
    let world = World::with_policy(policy);
    add(&world, "n1.example.com").await.unwrap();
    for _ in 0..5 {
        let error = add(&world, "n1.example.com").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    }
    add(&world, "n2.example.com").await.unwrap();
}

#[tokio::test]
async fn what_was_counted_below_a_domain_is_not_kept_for_ever() {
    let mut policy = Policy::new();
    policy.max_below = Some(2);
    let world = World::with_policy(policy);
    add(&world, "n1.example.com").await.unwrap();
    add(&world, "n2.example.com").await.unwrap();
    let counted = async || {
        let all = world.store.list(&Query::new(Kind::Ledger, Filter::All)).await.unwrap();
        all.items.iter().filter(|item| item.key.id.starts_with("below/")).count()
    };
    assert_eq!(counted().await, 1);
    world.run_for(DAY * 2).await;
    world.onboarding.worker().tidy().await.unwrap();
    assert_eq!(counted().await, 0);
    assert_eq!(refused(add(&world, "n3.example.com").await), quota("too_many_below"));
}

#[tokio::test]
async fn a_name_that_is_parked_counts_as_what_it_was() {
    let mut policy = Policy::new();
    policy.max_claims = Some(3);
    policy.max_pending = Some(2);
    let world = World::with_policy(policy);
    let gone = add(&world, "gone.example.com").await.unwrap();
    world.onboarding.remove(&TENANT, gone.id()).await.unwrap();
    world.run_for(MINUTE * 2).await;
    let held = world.active("held.example.com").await;
    let pending = add(&world, "n1.example.com").await.unwrap();
    for id in [gone.id(), held.id(), pending.id()] {
        spoil(&world, id, "{\"v\":1,\"domain\":7}").await;
        // Somebody asks, and nobody can read it.
        let _ = world.onboarding.check(&TENANT, id).await;
    }
    world.run_for(DAY * 5).await;
    world.onboarding.worker().tidy().await.unwrap();
    // One is gone, one held, one not proved.
    add(&world, "n2.example.com").await.unwrap();
    assert_eq!(refused(add(&world, "n3.example.com").await), quota("too_many"));
}

#[tokio::test]
async fn names_are_counted_although_nobody_can_read_how_quickly_they_were_added() {
    let mut policy = Policy::new();
    policy.max_pending = Some(2);
    policy.max_below = Some(1);
    let world = World::with_policy(policy);
    add(&world, "a.example.com").await.unwrap();
    let key = Key::new(Kind::Ledger, format_args!("pace/{TENANT}"));
    let found = world.store.get(std::slice::from_ref(&key)).await.unwrap();
    let Item { revision, header, .. } = found.into_iter().flatten().next().unwrap();
    let (expect, body) = (Expect::Revision(revision), Body::new("of another release".to_owned()));
    let put = Write::Put { key: key.clone(), expect, header, body: body.clone() };
    let operation = OperationId::random(&world.random).unwrap();
    world.store.commit(Batch::new(operation).with(put)).await.unwrap();

    assert_eq!(refused(add(&world, "b.example.com").await), quota("too_many_below"));
    add(&world, "b.example.net").await.unwrap();
    assert_eq!(refused(add(&world, "shop.bakery.dev").await), quota("too_many_pending"));
    // It is left to who can read it.
    let found = world.store.get(std::slice::from_ref(&key)).await.unwrap();
    assert_eq!(found.into_iter().flatten().next().unwrap().body, body);
}
