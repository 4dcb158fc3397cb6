//! Two tenants that prove the same name.

use nameplate::{
    certificate::Chain,
    challenge::{Challenge, Method},
    domain::{Domain, Event, NewDomain, Party, ResetCause, Status},
    engine::{Adoption, Notice},
    error::ErrorKind,
    record::{RecordFields, RecordType},
    resolver::Outcome,
    secret::Secret,
};

use crate::{
    THIRD, claim,
    common::{DAY, HOUR, MINUTE, OTHER, TENANT, World, dns},
    count, get, held_and_claimed, notices, prove, served, status, told, unprove,
};

#[tokio::test]
async fn a_holder_whose_proof_is_there_keeps_the_name() {
    let world = World::new();
    let (holder, challenger) = held_and_claimed(&world).await;
    prove(&world, &[&holder, &challenger]);
    for _ in 0..40 {
        world.onboarding.check(&OTHER, challenger.id()).await.unwrap();
        world.run_for(DAY).await;
    }
    assert_eq!(status(&world, &holder).await, Status::Active);
    assert_eq!(served(&world, "shop.example.com").await, Some(TENANT));
    let contested = get(&world, &challenger).await;
    assert_eq!(contested.status(), Status::Pending);
    assert_eq!(contested.contest().unwrap().cool_off_until, None);
    assert_eq!(contested.waiting_on().party, Party::Platform);
    assert_eq!(count(&world, &challenger, "contested").await, 1);
    assert_eq!(count(&world, &holder, "challenged").await, 1);
}

#[tokio::test]
async fn who_proves_the_name_takes_it_over_when_the_holder_has_had_time() {
    let world = World::new();
    let (holder, challenger) = held_and_claimed(&world).await;
    prove(&world, &[&challenger]);
    world.onboarding.check(&OTHER, challenger.id()).await.unwrap();
    world.run_for(HOUR * 23).await;
    assert_eq!(status(&world, &holder).await, Status::Active);
    assert_eq!(served(&world, "shop.example.com").await, Some(TENANT));
    let waiting = get(&world, &challenger).await;
    assert_eq!(waiting.status(), Status::Pending);
    assert!(waiting.contest().unwrap().cool_off_until.is_some());

    world.run_for(HOUR * 2).await;
    let lost = get(&world, &holder).await;
    assert_eq!(lost.status(), Status::Pending);
    assert_eq!(lost.challenge().generation, 2);
    assert_ne!(lost.challenge().token, holder.challenge().token);
    assert_eq!(lost.certificate(), None);
    assert_eq!(status(&world, &challenger).await, Status::Active);
    assert_eq!(served(&world, "shop.example.com").await, Some(OTHER));

    // Both are told, and neither who the other is.
    let of_holder = notices(&world, TENANT, holder.id()).await;
    let reset = Notice::OwnershipReset { cause: ResetCause::Contest, generation: 2 };
    assert!(of_holder.contains(&Notice::Challenged) && of_holder.contains(&reset));
    assert!(of_holder.contains(&Notice::StatusChanged {
        from: Status::Active,
        to: Status::Pending,
        event: Event::OwnershipReset,
    }));
    let of_challenger = told(&world, &challenger).await;
    assert!(of_challenger.contains(&"contested") && of_challenger.contains(&"cooling_off"));
    let told = format!("{of_holder:?}");
    for secret in [OTHER.to_string(), challenger.id().to_string()] {
        assert!(!told.contains(&secret), "{told}");
    }
    let seen = serde_json::to_string(&get(&world, &challenger).await).unwrap();
    let told = format!("{:?} {seen}", notices(&world, OTHER, challenger.id()).await);
    for secret in [TENANT.to_string(), holder.id().to_string()] {
        assert!(!told.contains(&secret), "{told}");
    }
}

#[tokio::test]
async fn nothing_of_the_former_holder_is_left_or_comes_back() {
    let world = World::new();
    let holder = world.active("*.example.com").await;
    let record = RecordFields::new("A", "www", "192.0.2.1");
    let records = world.onboarding.records(&TENANT, holder.id());
    records.create(&record).await.unwrap().apply().await.unwrap();
    let there = || {
        let sets = world.dns.records(&dns("example.com"));
        sets.iter().any(|set| set.name() == &dns("www.example.com"))
    };
    assert!(there());
    let challenger = claim(&world, OTHER, "*.example.com").await;
    let old = holder.delegation().unwrap().target.clone();
    assert_ne!(challenger.delegation().unwrap().target, old);
    prove(&world, &[&challenger]);
    world.onboarding.check(&OTHER, challenger.id()).await.unwrap();
    world.run_for(DAY + HOUR * 2).await;
    assert_eq!(status(&world, &challenger).await, Status::Verified);
    assert_eq!(served(&world, "any.example.com").await, None);
    assert!(!there(), "a managed record is left");
    assert_eq!(world.leftovers(), []);
    let lost = get(&world, &holder).await;
    assert!(lost.records().is_empty());
    assert_ne!(lost.delegation().unwrap().target, old);

    // The old token, published again, proves nothing any more.
    prove(&world, &[&holder]);
    world.onboarding.check(&TENANT, holder.id()).await.unwrap();
    world.run_for(DAY * 2).await;
    assert_eq!(status(&world, &holder).await, Status::Pending);
}

#[tokio::test]
async fn a_proof_that_comes_back_in_time_ends_the_cool_off() {
    let world = World::new();
    let (holder, challenger) = held_and_claimed(&world).await;
    prove(&world, &[&challenger]);
    world.onboarding.check(&OTHER, challenger.id()).await.unwrap();
    world.run_for(HOUR * 20).await;
    assert!(get(&world, &challenger).await.contest().unwrap().cool_off_until.is_some());
    prove(&world, &[&holder, &challenger]);
    world.run_for(DAY * 5).await;
    assert_eq!(status(&world, &holder).await, Status::Active);
    let stands = get(&world, &challenger).await;
    assert_eq!(
        (stands.status(), stands.contest().unwrap().cool_off_until),
        (Status::Pending, None)
    );

    // Gone once more, it takes the whole time once more.
    prove(&world, &[&challenger]);
    world.onboarding.check(&TENANT, holder.id()).await.unwrap();
    world.onboarding.check(&OTHER, challenger.id()).await.unwrap();
    world.run_for(HOUR * 23).await;
    assert_eq!(status(&world, &holder).await, Status::Active);
    world.run_for(HOUR * 3).await;
    assert_eq!(status(&world, &challenger).await, Status::Active);
}

#[tokio::test]
async fn a_challenger_whose_proof_goes_contests_nothing() {
    let world = World::new();
    let (holder, challenger) = held_and_claimed(&world).await;
    prove(&world, &[&challenger]);
    world.onboarding.check(&OTHER, challenger.id()).await.unwrap();
    world.run_for(HOUR * 2).await;
    unprove(&world, &holder);
    world.onboarding.check(&OTHER, challenger.id()).await.unwrap();
    assert_eq!(get(&world, &challenger).await.contest(), None);
    assert_eq!(count(&world, &challenger, "contest_ended").await, 1);
    world.run_for(DAY).await;
    assert_eq!(status(&world, &holder).await, Status::Active);
    // Proved again, the time begins anew.
    prove(&world, &[&challenger]);
    world.onboarding.check(&OTHER, challenger.id()).await.unwrap();
    world.run_for(HOUR * 20).await;
    assert_eq!(status(&world, &holder).await, Status::Active);
}

#[tokio::test]
async fn silent_servers_move_nothing() {
    let world = World::new();
    let (holder, challenger) = held_and_claimed(&world).await;
    prove(&world, &[&challenger]);
    world.onboarding.check(&OTHER, challenger.id()).await.unwrap();
    world.run_for(HOUR).await;
    let owner = holder.challenge().owner.clone();
    world.resolver.answer_with(owner.clone(), RecordType::Txt, Outcome::Timeout);
    world.run_for(DAY * 10).await;
    assert_eq!(status(&world, &holder).await, Status::Active);
    assert_eq!(status(&world, &challenger).await, Status::Pending);
    world.resolver.answer_normally(&owner, RecordType::Txt);
    world.run_for(DAY * 2).await;
    assert_eq!(status(&world, &challenger).await, Status::Active);
    assert_eq!(status(&world, &holder).await, Status::Pending);
}

#[tokio::test]
async fn the_order_in_which_a_name_is_claimed_makes_no_difference() {
    for first in [TENANT, OTHER] {
        let world = World::new();
        let second = if first == TENANT { OTHER } else { TENANT };
        let one = claim(&world, first, "shop.example.com").await;
        let two = claim(&world, second, "shop.example.com").await;
        let (winner, loser) = if first == TENANT { (&one, &two) } else { (&two, &one) };
        prove(&world, &[winner]);
        world.run_for(HOUR).await;
        assert_eq!(status(&world, winner).await, Status::Verified);
        assert_eq!(status(&world, loser).await, Status::Pending);
        assert_eq!(get(&world, loser).await.contest(), None);
        prove(&world, &[winner, loser]);
        world.run_for(DAY * 10).await;
        assert_eq!(status(&world, winner).await, Status::Verified);
        prove(&world, &[loser]);
        world.onboarding.check(&loser.tenant(), loser.id()).await.unwrap();
        world.run_for(DAY * 3).await;
        assert_eq!(status(&world, loser).await, Status::Verified);
        assert_eq!(status(&world, winner).await, Status::Pending);
    }
}

#[tokio::test]
async fn of_two_challengers_one_takes_the_name_over_and_the_other_begins_anew() {
    let world = World::new();
    let (holder, challenger) = held_and_claimed(&world).await;
    let third = claim(&world, THIRD, "shop.example.com").await;
    prove(&world, &[&challenger, &third]);
    world.onboarding.check(&OTHER, challenger.id()).await.unwrap();
    world.run_for(HOUR).await;
    world.onboarding.check(&THIRD, third.id()).await.unwrap();
    world.run_for(DAY * 5).await;
    assert_eq!(status(&world, &holder).await, Status::Pending);
    let holders = [status(&world, &challenger).await, status(&world, &third).await];
    assert_eq!(holders, [Status::Active, Status::Pending]);
    // The cool-off that the first holder had is none of the second one's.
    prove(&world, &[&third]);
    world.onboarding.check(&OTHER, challenger.id()).await.unwrap();
    world.onboarding.check(&THIRD, third.id()).await.unwrap();
    world.run_for(HOUR * 22).await;
    assert_eq!(status(&world, &challenger).await, Status::Active);
    world.run_for(HOUR * 4).await;
    assert_eq!(status(&world, &third).await, Status::Active);
}

#[tokio::test]
async fn a_name_that_an_operator_vouches_for_is_not_taken_within_its_grace() {
    let world = World::new();
    let (chain, key) = served_before("shop.example.com").await;
    let adoption = Adoption::new(crate::name("shop.example.com"), chain, key, "customer database")
        .with_grace(DAY * 10);
    let adopted = world.onboarding.operator().adopt(&TENANT, adoption).await.unwrap();
    let challenger = claim(&world, OTHER, "shop.example.com").await;
    prove(&world, &[&challenger]);
    world.onboarding.check(&OTHER, challenger.id()).await.unwrap();
    world.run_for(DAY * 9).await;
    assert_eq!(status(&world, &adopted).await, Status::Active);
    assert_eq!(status(&world, &challenger).await, Status::Pending);
    world.run_for(DAY * 4).await;
    assert_eq!(status(&world, &challenger).await, Status::Verified);
}

/// A certificate for a name with its key, from a platform that served it before.
async fn served_before(name: &str) -> (String, Secret) {
    let before = World::new();
    before.active(name).await;
    let identity = before.onboarding.edge().identity(&crate::name(name)).await.unwrap().unwrap();
    (Chain::from_der(identity.chain).unwrap().to_pem(), identity.key)
}

#[tokio::test]
async fn the_token_of_one_tenant_proves_nothing_for_another() {
    let world = World::new();
    let (holder, challenger) = held_and_claimed(&world).await;
    assert_ne!(holder.challenge().token, challenger.challenge().token);
    assert!(!challenger.challenge().is_proved_by(holder.challenge().value().as_bytes()));
    world.onboarding.check(&OTHER, challenger.id()).await.unwrap();
    world.run_for(MINUTE).await;
    let waiting = get(&world, &challenger).await;
    assert_eq!((waiting.status(), waiting.contest()), (Status::Pending, None));
    assert!(!told(&world, &holder).await.contains(&"challenged"));
    let token = Challenge::draw_token(&nameplate::id::OsRandom).unwrap();
    assert!(!holder.challenge().is_proved_by(token.as_bytes()));
    let foreign = world.onboarding.get(&OTHER, holder.id()).await.unwrap_err();
    assert_eq!(foreign.kind(), ErrorKind::NotFound);
}

/// A name that a tenant holds by the answer to a mail, and that another one has claimed.
async fn held_by_mail(world: &World) -> (Domain, Domain) {
    let wanted: NewDomain = "shop.example.com".parse().unwrap();
    let holder = world.add_with(&TENANT, wanted.with_method(Method::Email)).await;
    world.run_for(MINUTE).await;
    let code = world.codes("admin@example.com").pop().unwrap();
    world.onboarding.confirm(&TENANT, holder.id(), &code).await.unwrap();
    world.run_for(DAY).await;
    (holder, claim(world, OTHER, "shop.example.com").await)
}

#[tokio::test]
async fn a_code_from_before_the_contest_is_no_answer_in_it() {
    let world = World::new();
    let (holder, challenger) = held_by_mail(&world).await;
    world.onboarding.resend(&TENANT, holder.id()).await.unwrap();
    world.run_for(HOUR).await;
    let kept = world.codes("admin@example.com").pop().unwrap();
    // Nothing more is mailed about any of these names today.
    for number in 0..10 {
        let wanted: NewDomain = format!("a{number}.example.com").parse().unwrap();
        world.add_with(&TENANT, wanted.with_method(Method::Email)).await;
    }
    world.run_for(MINUTE).await;
    prove(&world, &[&challenger]);
    world.onboarding.check(&OTHER, challenger.id()).await.unwrap();
    world.run_for(MINUTE).await;
    let error = world.onboarding.confirm(&TENANT, holder.id(), &kept).await.err();
    assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Refused));
    world.run_for(DAY * 3).await;
    assert_eq!(status(&world, &holder).await, Status::Pending);
    assert!(status(&world, &challenger).await.holds());
}

#[tokio::test]
async fn a_holder_by_mail_is_written_to_once_whatever_the_fraction_of_the_second() {
    let world = World::new();
    let (_, challenger) = held_by_mail(&world).await;
    let before = world.mailer.sent().len();
    world.clock.advance(std::time::Duration::from_millis(500));
    prove(&world, &[&challenger]);
    world.onboarding.check(&OTHER, challenger.id()).await.unwrap();
    world.run_for(HOUR * 5).await;
    assert_eq!(world.mailer.sent().len() - before, 5);
}

#[tokio::test]
async fn an_answer_counts_in_a_contest_for_longer_than_its_code() {
    let world = World::new();
    let holder = world.active("shop.example.com").await;
    let wanted: NewDomain = "shop.example.com".parse().unwrap();
    let challenger = world.add_with(&OTHER, wanted.with_method(Method::Email)).await;
    world.run_for(DAY * 28 + HOUR * 20).await;
    unprove(&world, &holder);
    let code = world.codes("admin@example.com").pop().unwrap();
    world.onboarding.confirm(&OTHER, challenger.id(), &code).await.unwrap();
    world.run_for(DAY * 2).await;
    assert!(status(&world, &challenger).await.holds());
    assert!(!status(&world, &holder).await.holds());
}
