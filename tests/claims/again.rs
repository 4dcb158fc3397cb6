//! Names that were removed, and are claimed again.

use nameplate::{
    domain::{Event, Status},
    engine::{Notice, Policy},
    error::ErrorKind,
};

use crate::{
    claim,
    common::{DAY, HOUR, OTHER, TENANT, World},
    get, name, notices, prove, served, status,
};

#[tokio::test]
async fn who_removed_a_name_takes_it_up_again_with_what_is_published() {
    for text in ["shop.example.com", "*.example.com"] {
        let world = World::new();
        let first = world.active(text).await;
        world.onboarding.remove(&TENANT, first.id()).await.unwrap();
        world.run_for(HOUR).await;
        let again = claim(&world, TENANT, text).await;
        assert_ne!(again.id(), first.id());
        assert_eq!(again.status(), Status::Pending, "nothing is held before it is seen");
        assert_eq!(again.challenge().value(), first.challenge().value());
        assert_eq!(again.challenge().generation, first.challenge().generation + 1);
        assert_eq!(again.delegation(), first.delegation());
        world.run_for(HOUR).await;
        let again = get(&world, &again).await;
        assert_eq!(again.status(), Status::Active, "{text}: {}", again.waiting_on());
        assert_ne!(again.certificate().unwrap().id, first.certificate().unwrap().id);
    }
}

#[tokio::test]
async fn what_was_taken_up_and_renewed_is_good_no_more_for_the_next_claim() {
    let world = World::new();
    let first = world.active("shop.example.com").await;
    world.onboarding.remove(&TENANT, first.id()).await.unwrap();
    world.run_for(HOUR).await;
    let again = claim(&world, TENANT, "shop.example.com").await;
    assert_eq!(again.challenge().token, first.challenge().token);
    let renewed = world.onboarding.renew_token(&TENANT, again.id()).await.unwrap();
    assert_ne!(renewed.challenge().token, first.challenge().token);
    world.onboarding.remove(&TENANT, again.id()).await.unwrap();
    world.run_for(HOUR).await;
    let third = claim(&world, TENANT, "shop.example.com").await;
    assert_ne!(third.challenge().token, first.challenge().token);
    assert!(third.challenge().generation > first.challenge().generation);
    world.run_for(HOUR).await;
    assert_eq!(status(&world, &third).await, Status::Pending, "the first record is still there");
}

#[tokio::test]
async fn somebody_else_proves_it_anew_and_inherits_nothing() {
    let world = World::new();
    let first = world.active("*.example.com").await;
    world.onboarding.remove(&TENANT, first.id()).await.unwrap();
    world.run_for(HOUR).await;
    // The DNS of the former tenant is still there.
    let other = claim(&world, OTHER, "*.example.com").await;
    assert_ne!(other.challenge().token, first.challenge().token);
    assert_ne!(other.delegation().unwrap().target, first.delegation().unwrap().target);
    world.run_for(DAY).await;
    assert_eq!(status(&world, &other).await, Status::Pending);
    assert_eq!(served(&world, "any.example.com").await, None);
    prove(&world, &[&other]);
    world.onboarding.check(&OTHER, other.id()).await.unwrap();
    assert_eq!(status(&world, &other).await, Status::Verified, "there is nobody to wait for");
    let told = notices(&world, OTHER, other.id()).await;
    assert!(!told.contains(&Notice::Contested), "{told:?}");

    // The former tenant begins from the beginning.
    let again = claim(&world, TENANT, "*.example.com").await;
    assert_ne!(again.challenge().token, first.challenge().token);
    assert_ne!(again.delegation(), first.delegation());
}

#[tokio::test]
async fn a_claim_that_was_never_held_leaves_nothing_that_anybody_could_take_up() {
    let world = World::new();
    let first = claim(&world, TENANT, "shop.example.com").await;
    world.onboarding.remove(&TENANT, first.id()).await.unwrap();
    world.run_for(HOUR).await;
    let again = claim(&world, TENANT, "shop.example.com").await;
    assert_ne!(again.challenge().token, first.challenge().token);
    assert_eq!(again.challenge().generation, 1);
}

#[tokio::test]
async fn a_name_rests_for_as_long_as_the_policy_says() {
    let mut policy = Policy::new();
    policy.quarantine = DAY * 3;
    let world = World::with_policy(policy);
    let first = world.active("shop.example.com").await;
    let removed = world.onboarding.remove(&TENANT, first.id()).await.unwrap();
    assert!(removed.rests_until().is_some());
    world.run_for(DAY * 2).await;
    let again = claim(&world, TENANT, "shop.example.com").await;
    assert_eq!(again.challenge().token, first.challenge().token);
    world.onboarding.remove(&TENANT, again.id()).await.unwrap();
    world.run_for(DAY * 2).await;
    let late = claim(&world, TENANT, "shop.example.com").await;
    assert_ne!(late.challenge().token, first.challenge().token);
    // What rests no longer is in nobody's way.
    prove(&world, &[&late]);
    world.onboarding.check(&TENANT, late.id()).await.unwrap();
    assert!(status(&world, &late).await.holds());

    let mut policy = Policy::new();
    policy.quarantine = std::time::Duration::ZERO;
    let world = World::with_policy(policy);
    let first = world.active("shop.example.com").await;
    let removed = world.onboarding.remove(&TENANT, first.id()).await.unwrap();
    assert_eq!(removed.rests_until(), None);
}

#[tokio::test]
async fn a_name_can_be_removed_and_added_again_many_times() {
    let world = World::new();
    let mut generation = 0;
    for _ in 0..4 {
        let id = match world.onboarding.list(&TENANT, None).await.unwrap().domains.as_slice() {
            [] => world.add("shop.example.com").await.id(),
            other => panic!("{other:?}"),
        };
        world.publish(id).await;
        world.run_for(HOUR).await;
        let domain = world.get(id).await;
        assert_eq!(domain.status(), Status::Active);
        assert!(domain.challenge().generation > generation);
        generation = domain.challenge().generation;
        world.onboarding.remove(&TENANT, id).await.unwrap();
        world.run_for(HOUR).await;
    }
    // Traces go when nobody needs them any more, and take what rests with them.
    world.run_for(DAY * 40).await;
    world.onboarding.worker().tidy().await.unwrap();
    let late = world.add("shop.example.com").await;
    assert_eq!(late.challenge().generation, 1);
}

#[tokio::test]
async fn a_proof_from_before_a_removal_is_none_for_a_claim_that_was_reset() {
    let world = World::new();
    let first = world.active("shop.example.com").await;
    let changed = nameplate::clock::Clock::now(&world.clock);
    let operator = world.onboarding.operator();
    world.run_for(HOUR).await;
    world.onboarding.remove(&TENANT, first.id()).await.unwrap();
    world.run_for(HOUR).await;
    let reset = operator
        .registration_changed(&TENANT, &name("example.com"), changed, "another registrar")
        .await
        .unwrap();
    assert_eq!(reset.reset, []);
    let again = claim(&world, TENANT, "shop.example.com").await;
    assert_ne!(again.challenge().token, first.challenge().token);
    assert!(again.challenge().generation > first.challenge().generation);
    world.run_for(DAY).await;
    assert_eq!(status(&world, &again).await, Status::Pending);
}

#[tokio::test]
async fn removal_is_told_as_before_and_what_is_gone_is_not_there() {
    let world = World::new();
    let first = world.active("shop.example.com").await;
    world.onboarding.remove(&TENANT, first.id()).await.unwrap();
    world.run_for(HOUR).await;
    let error = world.onboarding.get(&TENANT, first.id()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let told = notices(&world, TENANT, first.id()).await;
    assert!(told.contains(&Notice::Removed));
    assert!(told.contains(&Notice::StatusChanged {
        from: Status::Active,
        to: Status::Removing,
        event: Event::RemovalRequested,
    }));
}
