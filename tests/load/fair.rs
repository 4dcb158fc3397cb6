//! Nobody is kept waiting by somebody who has many.

use nameplate::{
    engine::{Budget, Budgets, Policy},
    evidence::Topic,
    store::{Key, Kind, Store},
};

use crate::common::{DAY, HOUR, MINUTE, OTHER, TENANT, World};

#[tokio::test]
async fn a_tenant_that_adds_many_names_at_once_does_not_keep_others_waiting() {
    let mut policy = Policy::new();
    policy.pace = Budget::new(5, MINUTE);
    policy.batch = 4;
    let world = World::with_policy(policy);
    let mut many = Vec::new();
    for number in 0..60 {
        many.push(world.add(&format!("shop{number}.example.com")).await.id());
    }
    let one = world.add_with(&OTHER, "www.example.net".parse().unwrap()).await.id();
    let worker = world.onboarding.worker();
    worker.step().await.unwrap();
    worker.step().await.unwrap();
    let looked = world.onboarding.get(&OTHER, one).await.unwrap();
    assert!(looked.evidence(Topic::Ownership).at.is_some());

    // In turn, and none is forgotten.
    let turns = async |world: &World| {
        let mut count = 0;
        for id in &many {
            count += usize::from(world.get(*id).await.evidence(Topic::Ownership).at.is_some());
        }
        count
    };
    world.run_for(MINUTE * 3).await;
    assert_eq!(turns(&world).await, 20);
    world.run_for(MINUTE * 10).await;
    assert_eq!(turns(&world).await, 60);
}

#[tokio::test]
async fn whoever_asks_does_not_wait_for_its_turn() {
    let mut policy = Policy::new();
    policy.pace = Budget::new(1, HOUR);
    let world = World::with_policy(policy);
    world.add("first.example.com").await;
    let second = world.add("second.example.com").await;
    assert_eq!(second.next_check_at(), Some(second.created_at() + HOUR));
    let looked = world.onboarding.check(&TENANT, second.id()).await.unwrap();
    assert!(looked.evidence(Topic::Ownership).at.is_some());
}

#[tokio::test]
async fn renewals_of_what_was_made_together_are_spread() {
    let mut policy = Policy::new();
    policy.budgets = Budgets::UNLIMITED;
    policy.recheck = DAY * 200;
    let world = World::with_policy(policy);
    let mut due = Vec::new();
    for number in 0..30 {
        let id = world.active(&format!("shop{number}.example.com")).await.id();
        let found = world.store.get(&[Key::new(Kind::Domain, id)]).await.unwrap();
        due.push(found.into_iter().flatten().next().unwrap().header.due.unwrap());
        let served = world.get(id).await.certificate().cloned().unwrap();
        assert!(*due.last().unwrap() >= served.renew_at);
        assert!(*due.last().unwrap() < served.renew_at + HOUR * 3);
    }
    let (first, last) = (due.iter().min().unwrap(), due.iter().max().unwrap());
    // They were made within half an hour.
    assert!(*last - *first > chrono::TimeDelta::minutes(90), "{first} to {last}");
}
