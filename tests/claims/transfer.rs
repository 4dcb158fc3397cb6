//! A name that one tenant hands over to another one.

use nameplate::{
    challenge::Method,
    clock::Clock,
    domain::{NewDomain, ResetCause, Status},
    engine::{Notice, Pausable},
    error::ErrorKind,
    evidence::Topic,
    record::RecordType,
    resolver::Outcome,
};

use crate::{
    THIRD, claim,
    common::{DAY, HOUR, OTHER, TENANT, World},
    get, notices, prove, served, status, unprove,
};

fn wanted() -> NewDomain {
    "shop.example.com".parse().unwrap()
}

#[tokio::test]
async fn with_the_consent_of_both_a_name_goes_over_and_nothing_comes_with_it() {
    let world = World::new();
    let holder = world.active("shop.example.com").await;
    let code = world.onboarding.offer_transfer(&TENANT, holder.id(), OTHER).await.unwrap();
    assert_eq!(code.as_str().len(), 64);
    assert!(!format!("{code:?}").contains(code.as_str()));
    assert_eq!(status(&world, &holder).await, Status::Active, "an offer changes nothing");

    let taken = world.onboarding.accept_transfer(&OTHER, wanted(), code.as_str()).await.unwrap();
    assert_eq!(taken.status(), Status::Verified);
    assert_ne!(taken.challenge().token, holder.challenge().token);
    assert_eq!(taken.certificate(), None);
    assert_eq!(served(&world, "shop.example.com").await, None);
    let given = get(&world, &holder).await;
    assert_eq!(given.status(), Status::Pending);
    assert_eq!(given.challenge().generation, 2);
    assert_ne!(given.challenge().token, holder.challenge().token);

    // No certificate before the proof, and no other way back than a proof.
    world.run_for(DAY).await;
    assert_eq!(status(&world, &taken).await, Status::Verified);
    assert_eq!(world.ca.orders(), 1);
    prove(&world, &[&taken]);
    world.onboarding.check(&OTHER, taken.id()).await.unwrap();
    world.run_for(HOUR).await;
    assert_eq!(status(&world, &taken).await, Status::Active);
    assert_eq!(served(&world, "shop.example.com").await, Some(OTHER));
    assert_eq!(get(&world, &holder).await.certificate(), None);

    let of_holder = notices(&world, TENANT, holder.id()).await;
    let reset = Notice::OwnershipReset { cause: ResetCause::Transfer, generation: 2 };
    assert!(of_holder.iter().any(|told| matches!(told, Notice::TransferOffered { .. })));
    assert!(of_holder.contains(&reset));
    let of_taker = notices(&world, OTHER, taken.id()).await;
    assert!(of_taker.iter().any(|told| matches!(told, Notice::TransferAccepted { .. })));
    let log = format!("{of_holder:?} {of_taker:?}");
    assert!(!log.contains(code.as_str()) && !log.contains(&holder.id().to_string()));
}

#[tokio::test]
async fn an_offer_is_for_one_tenant_one_name_one_time_and_a_while() {
    let world = World::new();
    let holder = world.active("shop.example.com").await;
    world.active("www.example.com").await;
    let onboarding = &world.onboarding;
    let refused = async |tenant, name: &str, code: &str| {
        let wanted = name.parse().unwrap();
        let error = onboarding.accept_transfer(&tenant, wanted, code).await.unwrap_err();
        (error.kind(), error.code().unwrap_or_default().to_owned(), error.to_string())
    };
    let none = (ErrorKind::NotFound, "no_offer".to_owned());
    let kind = |(kind, code, _): (ErrorKind, String, String)| (kind, code);

    let code = onboarding.offer_transfer(&TENANT, holder.id(), OTHER).await.unwrap();
    let code = code.as_str();
    assert_eq!(kind(refused(THIRD, "shop.example.com", code).await), none);
    assert_eq!(kind(refused(OTHER, "www.example.com", code).await), none);
    assert_eq!(kind(refused(OTHER, "*.example.com", code).await), none);
    assert_eq!(kind(refused(OTHER, "shop.example.com", &"0".repeat(64)).await), none);
    assert_eq!(kind(refused(OTHER, "shop.example.com", "").await), none);
    // Whether anybody holds a name is not told either.
    let unknown = refused(OTHER, "free.example.com", code).await.2;
    let held = refused(OTHER, "www.example.com", code).await.2;
    assert_eq!(unknown.replace("free", ""), held.replace("www", ""));

    // The latest offer alone stands.
    let second = onboarding.offer_transfer(&TENANT, holder.id(), OTHER).await.unwrap();
    assert_eq!(kind(refused(OTHER, "shop.example.com", code).await), none);
    let code = second.as_str();
    onboarding.cancel_transfer(&TENANT, holder.id()).await.unwrap();
    assert_eq!(kind(refused(OTHER, "shop.example.com", code).await), none);
    let error = onboarding.cancel_transfer(&TENANT, holder.id()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition);

    let third = onboarding.offer_transfer(&TENANT, holder.id(), OTHER).await.unwrap();
    world.run_for(DAY * 8).await;
    let late = refused(OTHER, "shop.example.com", third.as_str()).await;
    assert_eq!(kind(late), (ErrorKind::Precondition, "expired".to_owned()));
    assert_eq!(status(&world, &holder).await, Status::Active);

    let fourth = onboarding.offer_transfer(&TENANT, holder.id(), OTHER).await.unwrap();
    onboarding.accept_transfer(&OTHER, wanted(), fourth.as_str()).await.unwrap();
    assert_eq!(kind(refused(OTHER, "shop.example.com", fourth.as_str()).await), none);
    assert!(onboarding.list(&THIRD, None).await.unwrap().domains.is_empty());
}

#[tokio::test]
async fn only_who_holds_a_name_and_is_seen_to_can_offer_it() {
    let world = World::new();
    let pending = claim(&world, TENANT, "shop.example.com").await;
    let onboarding = &world.onboarding;
    let offer = async |tenant, id, to| {
        onboarding.offer_transfer(&tenant, id, to).await.map_err(|error| error.kind())
    };
    assert_eq!(offer(TENANT, pending.id(), OTHER).await.unwrap_err(), ErrorKind::Precondition);
    let holder = world.active("www.example.com").await;
    assert_eq!(offer(OTHER, holder.id(), THIRD).await.unwrap_err(), ErrorKind::NotFound);
    assert_eq!(offer(TENANT, holder.id(), TENANT).await.unwrap_err(), ErrorKind::Invalid);
    let paused = Pausable::Domain(holder.id());
    onboarding.operator().pause(paused, "a dispute").await.unwrap();
    assert_eq!(offer(TENANT, holder.id(), OTHER).await.unwrap_err(), ErrorKind::Precondition);
    onboarding.operator().resume(paused).await.unwrap();
    let code = offer(TENANT, holder.id(), OTHER).await.unwrap();
    // What was offered is not handed over once its proof is gone.
    unprove(&world, &holder);
    onboarding.check(&TENANT, holder.id()).await.unwrap();
    assert_eq!(offer(TENANT, holder.id(), OTHER).await.unwrap_err(), ErrorKind::Precondition);
    let wanted = "www.example.com".parse().unwrap();
    let error = onboarding.accept_transfer(&OTHER, wanted, code.as_str()).await.unwrap_err();
    assert_eq!((error.kind(), error.subject()), (ErrorKind::Precondition, None));
    let told = error.to_string();
    assert!(!told.contains(&holder.id().to_string()) && !told.contains("proof"), "{told}");
    assert_eq!(status(&world, &holder).await, Status::Active);
}

#[tokio::test]
async fn nothing_is_offered_while_nobody_can_say_whose_it_is() {
    let world = World::new();
    let holder = world.active("shop.example.com").await;
    let owner = holder.challenge().owner.clone();
    world.resolver.answer_with(owner, RecordType::Txt, Outcome::Timeout);
    world.onboarding.check(&TENANT, holder.id()).await.unwrap();
    assert_eq!(status(&world, &holder).await, Status::Active);
    let error = world.onboarding.offer_transfer(&TENANT, holder.id(), OTHER).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition);
}

#[tokio::test]
async fn an_offer_ends_with_the_hold() {
    let world = World::new();
    let holder = world.active("shop.example.com").await;
    let code = world.onboarding.offer_transfer(&TENANT, holder.id(), OTHER).await.unwrap();
    unprove(&world, &holder);
    world.run_for(DAY * 5).await;
    assert_eq!(status(&world, &holder).await, Status::Pending);
    prove(&world, &[&holder]);
    world.onboarding.check(&TENANT, holder.id()).await.unwrap();
    world.run_for(HOUR).await;
    assert_eq!(status(&world, &holder).await, Status::Active);
    let accepted = world.onboarding.accept_transfer(&OTHER, wanted(), code.as_str()).await;
    assert_eq!(accepted.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_name_that_came_over_cools_down_before_it_is_handed_on() {
    let world = World::new();
    let holder = world.active("shop.example.com").await;
    let onboarding = &world.onboarding;
    let code = onboarding.offer_transfer(&TENANT, holder.id(), OTHER).await.unwrap();
    let taken = onboarding.accept_transfer(&OTHER, wanted(), code.as_str()).await.unwrap();
    prove(&world, &[&taken]);
    onboarding.check(&OTHER, taken.id()).await.unwrap();
    world.run_for(DAY * 29).await;
    let error = onboarding.offer_transfer(&OTHER, taken.id(), THIRD).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Precondition, Some("cool_down")));
    assert!(error.retry_after().is_some_and(|wait| wait <= DAY));
    world.run_for(DAY).await;
    onboarding.offer_transfer(&OTHER, taken.id(), THIRD).await.unwrap();
}

#[tokio::test]
async fn a_claim_that_the_other_tenant_has_already_takes_the_name() {
    let world = World::new();
    let holder = world.active("shop.example.com").await;
    let theirs = claim(&world, OTHER, "shop.example.com").await;
    prove(&world, &[&holder, &theirs]);
    world.run_for(HOUR).await;
    let onboarding = &world.onboarding;
    let code = onboarding.offer_transfer(&TENANT, holder.id(), OTHER).await.unwrap();
    let taken = onboarding.accept_transfer(&OTHER, wanted(), code.as_str()).await.unwrap();
    assert_eq!((taken.id(), taken.status()), (theirs.id(), Status::Verified));
    assert_eq!(taken.challenge(), theirs.challenge());
    assert_eq!(taken.contest(), None);
    world.run_for(HOUR).await;
    assert_eq!(served(&world, "shop.example.com").await, Some(OTHER));
    // The old token is still there, and proves nothing.
    world.run_for(DAY * 3).await;
    assert_eq!(status(&world, &holder).await, Status::Pending);
    assert_eq!(get(&world, &holder).await.contest(), None);
}

#[tokio::test]
async fn who_accepted_a_name_and_does_not_prove_it_loses_it() {
    let world = World::new();
    let holder = world.active("shop.example.com").await;
    let onboarding = &world.onboarding;
    let code = onboarding.offer_transfer(&TENANT, holder.id(), OTHER).await.unwrap();
    let taken = onboarding.accept_transfer(&OTHER, wanted(), code.as_str()).await.unwrap();
    world.run_for(DAY * 6).await;
    assert_eq!(status(&world, &taken).await, Status::Verified);
    world.run_for(DAY * 8).await;
    let lost = get(&world, &taken).await;
    assert_eq!(lost.status(), Status::Pending);
    assert_eq!(lost.evidence(Topic::Ownership).confirmed_at, None);
}

#[tokio::test]
async fn without_consent_a_fresh_proof_is_the_only_way() {
    let world = World::new();
    let holder = world.active("shop.example.com").await;
    let theirs = claim(&world, OTHER, "shop.example.com").await;
    prove(&world, &[&theirs]);
    world.onboarding.check(&OTHER, theirs.id()).await.unwrap();
    // A proof does not take the name at once, and its holder is told.
    assert_eq!(status(&world, &theirs).await, Status::Pending);
    world.run_for(HOUR).await;
    assert_eq!(status(&world, &holder).await, Status::Active);
    assert!(notices(&world, TENANT, holder.id()).await.contains(&Notice::Challenged));
    world.run_for(DAY * 2).await;
    assert_eq!(status(&world, &theirs).await, Status::Active);
}

#[tokio::test]
async fn a_certificate_of_before_serves_whoever_accepts_not_before_the_proof() {
    let world = World::new();
    let former = world.active("shop.example.com").await;
    unprove(&world, &former);
    world.run_for(DAY * 6).await;
    assert_eq!(status(&world, &former).await, Status::Pending);
    let holder = claim(&world, OTHER, "shop.example.com").await;
    prove(&world, &[&holder]);
    world.onboarding.check(&OTHER, holder.id()).await.unwrap();
    world.run_for(HOUR).await;
    assert_eq!(status(&world, &holder).await, Status::Active);

    let code = world.onboarding.offer_transfer(&OTHER, holder.id(), TENANT).await.unwrap();
    let taken = world.onboarding.accept_transfer(&TENANT, wanted(), code.as_str()).await.unwrap();
    assert_eq!(taken.id(), former.id());
    assert_eq!(served(&world, "shop.example.com").await, None, "at once");
    world.run_for(DAY).await;
    assert_eq!(served(&world, "shop.example.com").await, None, "nothing was proved");
    assert_eq!(status(&world, &taken).await, Status::Verified);
    prove(&world, &[&taken]);
    world.onboarding.check(&TENANT, taken.id()).await.unwrap();
    world.run_for(HOUR).await;
    assert_eq!(served(&world, "shop.example.com").await, Some(TENANT));
    assert_eq!(status(&world, &taken).await, Status::Active);
}

#[tokio::test]
async fn a_tenant_that_is_paused_hands_nothing_over() {
    let world = World::new();
    let holder = world.active("shop.example.com").await;
    let onboarding = &world.onboarding;
    let code = onboarding.offer_transfer(&TENANT, holder.id(), OTHER).await.unwrap();
    onboarding.operator().pause(Pausable::Tenant(TENANT), "a dispute").await.unwrap();
    for _ in 0..2 {
        let error = onboarding.offer_transfer(&TENANT, holder.id(), OTHER).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Precondition);
        let accepted = onboarding.accept_transfer(&OTHER, wanted(), code.as_str()).await;
        assert_eq!(accepted.unwrap_err().kind(), ErrorKind::Precondition);
        world.run_for(DAY).await;
    }
    onboarding.operator().resume(Pausable::Tenant(TENANT)).await.unwrap();
    // Nobody has looked for the proof meanwhile.
    onboarding.check(&TENANT, holder.id()).await.unwrap();
    onboarding.accept_transfer(&OTHER, wanted(), code.as_str()).await.unwrap();
}

#[tokio::test]
async fn a_claim_whose_token_has_expired_takes_a_name_over_with_another_one() {
    let world = World::new();
    let holder = world.active("shop.example.com").await;
    let known = world.add_with(&OTHER, wanted().with_method(Method::Http)).await;
    world.run_for(DAY * 40).await;
    assert!(get(&world, &known).await.challenge().expires_at < world.clock.now());
    let code = world.onboarding.offer_transfer(&TENANT, holder.id(), OTHER).await.unwrap();
    let taken = world.onboarding.accept_transfer(&OTHER, wanted(), code.as_str()).await.unwrap();
    assert_eq!(taken.id(), known.id());
    assert_ne!(taken.challenge().token, known.challenge().token);
    assert!(taken.challenge().expires_at > world.clock.now());
}

#[tokio::test]
async fn a_name_whose_proof_nobody_has_looked_for_lately_is_not_handed_over() {
    let world = World::new();
    let holder = world.active("shop.example.com").await;
    let onboarding = &world.onboarding;
    let code = onboarding.offer_transfer(&TENANT, holder.id(), OTHER).await.unwrap();
    // No worker runs.
    world.clock.advance(DAY * 5);
    let error = onboarding.offer_transfer(&TENANT, holder.id(), OTHER).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition);
    let error = onboarding.accept_transfer(&OTHER, wanted(), code.as_str()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition);
    onboarding.check(&TENANT, holder.id()).await.unwrap();
    onboarding.accept_transfer(&OTHER, wanted(), code.as_str()).await.unwrap();
}
