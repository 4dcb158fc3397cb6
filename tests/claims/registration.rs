//! A domain that was registered anew, perhaps by somebody else.

use nameplate::{
    challenge::Method,
    clock::Clock as _,
    domain::{NewDomain, ResetCause, Status},
    engine::Notice,
    error::ErrorKind,
};

use crate::{
    claim,
    common::{DAY, HOUR, MINUTE, OTHER, TENANT, World},
    get, name, notices, served, spoil, status,
};

#[tokio::test]
async fn a_changed_registration_takes_an_old_proof_its_worth() {
    let world = World::new();
    let shop = world.active("shop.example.com").await;
    let pending = claim(&world, TENANT, "www.example.com").await;
    let elsewhere = world.active("shop.example.net").await;
    let theirs = claim(&world, OTHER, "shop.example.com").await;
    let changed = world.clock.now();
    let operator = world.onboarding.operator();
    let apex = name("example.com");
    let call =
        async || operator.registration_changed(&TENANT, &apex, changed, "another registrar").await;
    assert_eq!(call().await.unwrap().reset.len(), 2);

    let reset = get(&world, &shop).await;
    assert_eq!((reset.status(), reset.challenge().generation), (Status::Pending, 2));
    assert_ne!(reset.challenge().token, shop.challenge().token);
    assert_eq!(served(&world, "shop.example.com").await, None);
    assert_eq!(get(&world, &pending).await.challenge().generation, 2);
    // The record is still there, and the certificate is valid: neither is worth anything.
    world.run_for(DAY * 3).await;
    assert_eq!(status(&world, &shop).await, Status::Pending);
    assert_eq!(get(&world, &shop).await.certificate(), None);
    assert_eq!(served(&world, "shop.example.net").await, Some(TENANT));
    assert_eq!(get(&world, &elsewhere).await.challenge().generation, 1);
    assert_eq!(get(&world, &theirs).await.challenge().generation, 1);
    let cause = ResetCause::Registration { evidence: "another registrar".to_owned() };
    let told = notices(&world, TENANT, shop.id()).await;
    assert!(told.contains(&Notice::OwnershipReset { cause, generation: 2 }), "{told:?}");

    // The same news once more is no news.
    assert_eq!(call().await.unwrap().reset, []);
    assert_eq!(get(&world, &shop).await.challenge().generation, 2);
    world.publish(shop.id()).await;
    world.onboarding.check(&TENANT, shop.id()).await.unwrap();
    world.run_for(HOUR).await;
    assert_eq!(status(&world, &shop).await, Status::Active);
}

#[tokio::test]
async fn news_of_a_registration_has_to_make_sense() {
    let world = World::new();
    world.active("shop.example.com").await;
    let now = world.clock.now();
    let operator = world.onboarding.operator();
    for (domain, at, evidence) in [
        ("shop.example.com", now, "another registrar"),
        ("*.example.com", now, "another registrar"),
        ("example.com", now + HOUR, "another registrar"),
        ("example.com", now, " "),
        ("example.com", now, "one line\nand another"),
    ] {
        let error =
            operator.registration_changed(&TENANT, &name(domain), at, evidence).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{domain} {evidence}");
    }
    assert_eq!(served(&world, "shop.example.com").await, Some(TENANT));
}

#[tokio::test]
async fn a_code_that_is_mailed_after_the_change_does_not_save_an_answer_from_before() {
    let world = World::new();
    let wanted: NewDomain = "shop.example.com".parse().unwrap();
    let shop = world.add_with(&TENANT, wanted.with_method(Method::Email)).await;
    world.run_for(MINUTE).await;
    let code = world.codes("admin@example.com").pop().unwrap();
    world.onboarding.confirm(&TENANT, shop.id(), &code).await.unwrap();
    world.run_for(DAY).await;
    let changed = world.clock.now();
    world.run_for(HOUR).await;
    world.onboarding.resend(&TENANT, shop.id()).await.unwrap();
    world.run_for(HOUR).await;
    let operator = world.onboarding.operator();
    let apex = name("example.com");
    let reset = operator.registration_changed(&TENANT, &apex, changed, "a gap").await.unwrap();
    assert_eq!(reset.reset, [shop.id()]);
    assert_eq!(status(&world, &shop).await, Status::Pending);
    let again = operator.registration_changed(&TENANT, &apex, changed, "a gap").await.unwrap();
    assert_eq!(again.reset, []);
}

#[tokio::test]
async fn a_name_that_was_taken_up_again_after_the_change_starts_anew_as_well() {
    let world = World::new();
    let before = world.active("shop.example.com").await;
    world.run_for(DAY).await;
    let changed = world.clock.now();
    world.run_for(HOUR).await;
    world.onboarding.remove(&TENANT, before.id()).await.unwrap();
    world.run_for(HOUR).await;
    let again = claim(&world, TENANT, "shop.example.com").await;
    assert_eq!(again.challenge().token, before.challenge().token);
    world.run_for(HOUR).await;
    let operator = world.onboarding.operator();
    let apex = name("example.com");
    let reset = operator.registration_changed(&TENANT, &apex, changed, "a gap").await.unwrap();
    assert_eq!(reset.reset, [again.id()]);
    world.run_for(DAY).await;
    assert_eq!(status(&world, &again).await, Status::Pending, "by the record of before");
    let again = operator.registration_changed(&TENANT, &apex, changed, "a gap").await.unwrap();
    assert_eq!(again.reset, []);
}

#[tokio::test]
async fn a_claim_that_cannot_be_read_is_reported_and_the_others_start_anew() {
    let world = World::new();
    let mut claims = Vec::new();
    for number in 0..5 {
        claims.push(world.active(&format!("n{number}.example.com")).await);
    }
    let broken = [(claims[1].id(), "{\"v\":1,\"domain\":7}"), (claims[3].id(), "{\"v\":9}")];
    for (id, body) in broken {
        spoil(&world, id, body).await;
    }
    let operator = world.onboarding.operator();
    let changed = world.clock.now();
    let change =
        operator.registration_changed(&TENANT, &name("example.com"), changed, "a gap").await;
    let mut change = change.unwrap();
    change.reset.sort_unstable();
    change.unreadable.sort_unstable();
    let mut reset = [claims[0].id(), claims[2].id(), claims[4].id()];
    reset.sort_unstable();
    let mut unreadable = broken.map(|(id, _)| id);
    unreadable.sort_unstable();
    assert_eq!(change.reset, reset);
    assert_eq!(change.unreadable, unreadable);
}
