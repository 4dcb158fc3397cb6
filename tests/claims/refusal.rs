//! What is refused is written down, once.

use std::sync::{Arc, Mutex};

use nameplate::{
    certificate::Validation,
    challenge::{
        Method,
        email::{MailWish, Tries},
    },
    clock::{Clock, after},
    domain::{NewDomain, Status},
    engine::{Auditor, Notice, Onboarding, Pausable, Refusal, Rule},
    error::ErrorKind,
    record::RecordFields,
};

use crate::{
    claim,
    common::{DAY, MINUTE, OTHER, TENANT, World, run_until},
    held_and_claimed, name, notices, prove, unprove,
};

/// A log of what was refused.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<Refusal>>>);

impl Auditor for Log {
    fn refused(&self, refusal: &Refusal) {
        self.0.lock().unwrap().push(refusal.clone());
    }
}

impl Log {
    fn take(&self) -> Vec<Refusal> {
        self.0.lock().unwrap().drain(..).collect()
    }
}

fn audited(world: &World) -> (Onboarding, Log) {
    let log = Log::default();
    (world.process_with_auditor(log.clone()), log)
}

#[tokio::test]
async fn every_refused_name_is_one_entry_with_its_rule() {
    let world = World::new();
    let (onboarding, log) = audited(&world);
    for (name, rule) in [
        ("co.uk", Rule::PublicSuffix),
        ("github.io", Rule::PrivateSuffix),
        ("*.com", Rule::WildcardTooBroad),
        ("api.platform.test", Rule::Reserved),
        ("a.local", Rule::SpecialUse),
        ("a.b.c.d.e.f.g.h.i.j.example.com", Rule::TooManyLabels),
    ] {
        let error = onboarding.add(&TENANT, name.parse().unwrap()).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, Some(rule.as_str())));
        let [refusal] = log.take().try_into().unwrap();
        assert_eq!((refusal.rule, refusal.operation, refusal.tenant), (rule, "add", TENANT));
        assert_eq!(refusal.name.unwrap().as_str(), name);
    }
    onboarding.add(&TENANT, "shop.example.com".parse().unwrap()).await.unwrap();
    assert_eq!(log.take(), []);
}

#[tokio::test]
async fn another_tenants_id_is_not_there_and_that_it_was_asked_for_is_written_down() {
    let world = World::new();
    let id = world.active("shop.example.com").await.id();
    let (onboarding, log) = audited(&world);
    let errors = [
        onboarding.get(&OTHER, id).await.unwrap_err(),
        onboarding.check(&OTHER, id).await.unwrap_err(),
        onboarding.remove(&OTHER, id).await.unwrap_err(),
        onboarding.notices(&OTHER, id, 0).await.unwrap_err(),
        onboarding.timeline(&OTHER, id, 0).await.unwrap_err(),
        onboarding.offer_transfer(&OTHER, id, TENANT).await.unwrap_err(),
        onboarding.cancel_transfer(&OTHER, id).await.unwrap_err(),
        onboarding.conflicts(&OTHER, id).await.unwrap_err(),
    ];
    let refusals = log.take();
    assert_eq!(refusals.len(), errors.len());
    for refusal in refusals {
        assert_eq!((refusal.rule, refusal.tenant), (Rule::ForeignId, OTHER));
        assert_eq!(refusal.domain, Some(id));
    }
    // The tenant cannot tell it from an id that nobody has.
    let nobody = "0".repeat(32).parse().unwrap();
    let unknown = onboarding.get(&OTHER, nobody).await.unwrap_err();
    assert_eq!(log.take(), []);
    let text = unknown.to_string().replace(&nobody.to_string(), &id.to_string());
    assert!(errors.iter().all(|error| error.kind() == ErrorKind::NotFound));
    assert_eq!(errors[0].to_string(), text);
    assert_eq!(errors[0].code(), unknown.code());
}

/// What was written down of one refusal.
fn rule_of(log: &Log) -> Rule {
    let [refusal] = log.take().try_into().unwrap();
    refusal.rule
}

#[tokio::test]
async fn what_cannot_be_had_as_it_is_asked_for_is_written_down() {
    let world = World::new();
    let (onboarding, log) = audited(&world);
    let wanted = |name: &str| name.parse::<NewDomain>().unwrap();
    let by_mail = |scope: &str| {
        let wish = MailWish::new().with_scope(scope.parse().unwrap());
        wanted("shop.example.com").with_method(Method::Email).with_mail(wish)
    };
    for (wanted, rule) in [
        (wanted("*.example.com").with_validation(Validation::Http01), Rule::Unfit),
        (wanted("*.example.com").with_method(Method::Http), Rule::ScopeTooNarrow),
        (by_mail("example.net"), Rule::ScopeTooNarrow),
    ] {
        let error = onboarding.add(&TENANT, wanted).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, Some(rule.as_str())));
        assert_eq!(rule_of(&log), rule);
    }
    let id = onboarding.add(&TENANT, by_mail("example.com")).await.unwrap().id();
    assert_eq!(log.take(), []);
    let error = onboarding.add(&TENANT, wanted("shop.example.com")).await.unwrap_err();
    assert_eq!(error.code(), Some(Rule::AlreadyThere.as_str()));
    assert_eq!(rule_of(&log), Rule::AlreadyThere);

    world.run_for(MINUTE).await;
    for guess in 0..Tries::MAX {
        let error = onboarding.confirm(&TENANT, id, &guess.to_string()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert_eq!(rule_of(&log), Rule::WrongCode);
    }
    onboarding.confirm(&TENANT, id, "0").await.unwrap_err();
    assert_eq!(rule_of(&log), Rule::TooSoon);
    onboarding.resend(&TENANT, id).await.unwrap_err();
    assert_eq!(rule_of(&log), Rule::TooSoon);
    onboarding.change_method(&TENANT, id, Method::DnsTxt).await.unwrap();
    onboarding.resend(&TENANT, id).await.unwrap_err();
    assert_eq!(rule_of(&log), Rule::NotNow);
}

#[tokio::test]
async fn what_is_not_handed_over_and_no_record_that_is_put_is_written_down() {
    let world = World::new();
    let holder = world.active("example.com").await;
    let pending = claim(&world, TENANT, "new.example.com").await;
    let theirs = claim(&world, OTHER, "shop.example.com").await;
    prove(&world, &[&theirs]);
    world.onboarding.check(&OTHER, theirs.id()).await.unwrap();
    let (onboarding, log) = audited(&world);
    onboarding.offer_transfer(&TENANT, holder.id(), TENANT).await.unwrap_err();
    assert_eq!(rule_of(&log), Rule::Unfit);
    onboarding.offer_transfer(&TENANT, pending.id(), OTHER).await.unwrap_err();
    assert_eq!(rule_of(&log), Rule::NotNow);
    onboarding.renew_token(&TENANT, holder.id()).await.unwrap_err();
    assert_eq!(rule_of(&log), Rule::NotNow);
    onboarding.cancel_transfer(&TENANT, holder.id()).await.unwrap_err();
    assert_eq!(rule_of(&log), Rule::NoOffer);
    let code = onboarding.offer_transfer(&TENANT, holder.id(), OTHER).await.unwrap();
    let paused = Pausable::Domain(holder.id());
    onboarding.operator().pause(paused, "a dispute").await.unwrap();
    let wanted = "example.com".parse().unwrap();
    onboarding.accept_transfer(&OTHER, wanted, code.as_str()).await.unwrap_err();
    assert_eq!(rule_of(&log), Rule::NotNow);
    onboarding.operator().resume(paused).await.unwrap();

    let records = onboarding.records(&TENANT, holder.id());
    let proof = RecordFields::new("TXT", "_plat-challenge", "x");
    records.create(&proof).await.unwrap_err();
    assert_eq!(rule_of(&log), Rule::Reserved);
    let at_theirs = RecordFields::new("A", "shop", "203.0.113.10");
    let error = records.create(&at_theirs).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Refused, None));
    assert_eq!(rule_of(&log), Rule::HeldByOther);
}

#[tokio::test]
async fn who_has_proved_nothing_cannot_tell_by_a_record_whether_others_hold_the_name() {
    let world = World::new();
    let (_, challenger) = held_and_claimed(&world).await;
    let other = claim(&world, OTHER, "free.example.com").await;
    let record = RecordFields::new("A", "@", "203.0.113.10");
    let mut kinds = Vec::new();
    for claim in [challenger, other] {
        let records = world.onboarding.records(&OTHER, claim.id());
        let error = records.create(&record).await.unwrap_err();
        kinds.push((error.kind(), error.code().map(ToOwned::to_owned)));
    }
    assert_eq!(kinds[0], kinds[1]);
    assert_eq!(kinds[0].0, ErrorKind::Precondition);
}

#[tokio::test]
async fn what_a_worker_refuses_is_written_down_too() {
    let world = World::new();
    let (holder, challenger) = held_and_claimed(&world).await;
    let (onboarding, log) = audited(&world);
    prove(&world, &[&holder, &challenger]);
    onboarding.check(&OTHER, challenger.id()).await.unwrap();
    let [refusal] = log.take().try_into().unwrap();
    assert_eq!((refusal.rule, refusal.tenant), (Rule::HeldByOther, OTHER));
    assert_eq!(
        (refusal.name.unwrap(), refusal.domain),
        (name("shop.example.com"), Some(challenger.id()))
    );

    let late = claim(&world, OTHER, "late.example.com").await;
    world.clock.advance(DAY * 181);
    prove(&world, &[&late]);
    let end = after(world.clock.now(), DAY);
    run_until(&onboarding, &world.store, &world.clock, end).await;
    let late: Vec<_> = log.take().into_iter().filter(|it| it.domain == Some(late.id())).collect();
    assert_eq!(late.iter().map(|it| it.rule).collect::<Vec<_>>(), [Rule::Expired]);
}

#[tokio::test]
async fn a_proof_that_comes_too_late_is_refused_once() {
    let world = World::new();
    let claim = world.add("shop.example.com").await;
    // No worker looks while the time runs out; then the proof is there.
    world.clock.advance(DAY * 181);
    prove(&world, &[&claim]);
    world.run_for(DAY * 30).await;
    assert_eq!(world.get(claim.id()).await.status(), Status::Pending);
    let refused = Notice::Refused { rule: Rule::Expired };
    let told = notices(&world, TENANT, claim.id()).await;
    assert_eq!(told.iter().filter(|notice| **notice == refused).count(), 1, "{told:?}");
    unprove(&world, &claim);
}

#[tokio::test]
async fn that_somebody_else_holds_a_name_is_told_to_who_proved_it_alone() {
    let world = World::new();
    let (holder, challenger) = held_and_claimed(&world).await;
    world.run_for(DAY).await;
    assert!(!notices(&world, OTHER, challenger.id()).await.contains(&Notice::Contested));
    prove(&world, &[&holder, &challenger]);
    world.onboarding.check(&OTHER, challenger.id()).await.unwrap();
    assert!(notices(&world, OTHER, challenger.id()).await.contains(&Notice::Contested));
}
