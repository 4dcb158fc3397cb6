//! What is refused is written down, once.

use std::sync::{Arc, Mutex};

use nameplate::{
    domain::Status,
    engine::{Auditor, Notice, Onboarding, Refusal, Rule},
    error::ErrorKind,
};

use crate::{
    common::{DAY, OTHER, TENANT, World},
    held_and_claimed, notices, prove, unprove,
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
