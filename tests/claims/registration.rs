//! A domain that was registered anew, perhaps by somebody else.

use nameplate::{
    clock::Clock as _,
    domain::{ResetCause, Status},
    engine::Notice,
    error::ErrorKind,
};

use crate::{
    claim,
    common::{DAY, HOUR, OTHER, TENANT, World},
    get, name, notices, served, status,
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
    assert_eq!(call().await.unwrap().len(), 2);

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
    assert_eq!(call().await.unwrap(), []);
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
