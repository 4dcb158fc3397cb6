//! What takes long, comes back late, or never comes.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use nameplate::{
    clock::{Clock, Timer},
    domain::{Party, Reason, Status, Targets},
    engine::{Notice, Onboarding, Policy},
    error::{ErrorKind, Result},
    evidence::{Found, Topic},
    id::OperationId,
    name::ClaimPolicy,
    record::RecordType,
    resolver::{Answer, InMemoryResolver, Lookup, Outcome, Resolver},
    store::{Batch, Commit, Expect, Filter, Kind, Query, Store, Write},
};

use crate::common::{DAY, HOUR, MINUTE, TENANT, World, dns, run_until};

#[tokio::test]
async fn a_proof_that_comes_back_after_the_claim_has_expired_restores() {
    let world = World::new();
    let domain = world.active("shop.example.com").await;
    let id = domain.id();
    world.run_for(DAY * 200).await;
    let proof = world.dns.remove(&domain.challenge().owner, RecordType::Txt).unwrap();
    world.run_for(DAY * 6).await;
    let lost = world.get(id).await;
    assert_eq!(lost.status(), Status::Pending);
    assert!(matches!(lost.waiting_on().reason, Reason::RecordMissing { .. }));
    world.dns.set(proof).unwrap();
    // Nobody asks.
    world.run_for(DAY * 3).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
}

#[tokio::test]
async fn a_retry_after_the_claim_has_expired_finds_the_proof() {
    let world = World::new();
    let id = world.active("shop.example.com").await.id();
    world.run_for(DAY * 170).await;
    world.ca.refuse("shop.example.com".parse().unwrap());
    world.run_for(DAY * 150).await;
    assert_eq!(world.get(id).await.status(), Status::Failed);
    world.onboarding.retry(&TENANT, id).await.unwrap();
    world.run_for(MINUTE).await;
    // Refused again, but by the authority.
    assert_eq!(world.get(id).await.status(), Status::Failed);
}

#[tokio::test]
async fn a_domain_that_is_being_removed_cannot_be_retried() {
    let world = World::new();
    let id = world.add("*.example.com").await.id();
    world.publish(id).await;
    hide_challenge(&world);
    world.run_for(HOUR).await;
    let domain = world.get(id).await;
    assert!(domain.next_order_at().is_some(), "{}", domain.waiting_on());
    world.onboarding.remove(&TENANT, id).await.unwrap();
    let error = world.onboarding.retry(&TENANT, id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition);
}

/// Makes the name at which the authority looks invisible to us.
fn hide_challenge(world: &World) {
    let owner = dns("_acme-challenge.example.com");
    world.resolver.answer_with(owner, RecordType::Txt, Outcome::Timeout);
}

#[tokio::test]
async fn what_takes_too_long_is_tried_again_for_ever_and_fails_nothing() {
    let world = World::new();
    let id = world.add("*.example.com").await.id();
    world.publish(id).await;
    hide_challenge(&world);
    world.run_for(DAY * 30).await;
    let domain = world.get(id).await;
    assert_eq!(domain.status(), Status::CertificatePending);
    assert_eq!(domain.waiting_on().party, Party::Clock, "{}", domain.waiting_on());
    world.resolver.answer_normally(&dns("_acme-challenge.example.com"), RecordType::Txt);
    world.run_for(DAY * 2).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
    assert_eq!(world.leftovers(), []);
}

#[tokio::test]
async fn a_record_that_is_in_use_again_is_not_swept() {
    let world = World::new();
    let id = world.add("*.example.com").await.id();
    world.publish(id).await;
    hide_challenge(&world);
    let failed = async || {
        let notices = world.onboarding.notices(&TENANT, id, 0).await.unwrap();
        notices.iter().filter(|it| matches!(it.notice, Notice::OrderFailed { .. })).count()
    };
    while failed().await == 0 {
        world.run_for(MINUTE / 2).await;
    }
    // The authority gives the same order again, with the same value. The first one's is swept
    // after ten minutes, when the second one's has not been seen yet.
    world.run_for(MINUTE * 10 + MINUTE / 4).await;
    assert_eq!(failed().await, 1);
    assert_eq!(world.leftovers().len(), 1, "the record is in use");
    world.resolver.answer_normally(&dns("_acme-challenge.example.com"), RecordType::Txt);
    world.run_for(MINUTE).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
    world.run_for(HOUR).await;
    assert_eq!(world.leftovers(), []);
}

#[tokio::test]
async fn an_order_that_the_store_has_lost_is_replaced() {
    let world = World::new();
    let id = world.add("*.example.com").await.id();
    world.publish(id).await;
    hide_challenge(&world);
    world.run_for(MINUTE).await;
    let lost = world.get(id).await.issuance().unwrap().order;
    let orders = Query::new(Kind::Order, Filter::Tenant(TENANT));
    let item = world.store.list(&orders).await.unwrap().items.remove(0);
    let delete = Write::Delete { key: item.key, expect: Expect::Revision(item.revision) };
    let batch = Batch::new(OperationId::from_bytes([5; 16])).with(delete);
    assert_eq!(world.store.commit(batch).await.unwrap(), Commit::Done);
    world.run_for(MINUTE).await;
    assert_ne!(world.get(id).await.issuance().unwrap().order, lost);
    world.resolver.answer_normally(&dns("_acme-challenge.example.com"), RecordType::Txt);
    world.run_for(HOUR).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
    assert_eq!(world.leftovers(), []);
}

#[tokio::test]
async fn a_proof_that_is_missing_is_named_while_a_certificate_waits_for_it() {
    let world = World::new();
    let id = world.add("shop.example.com").await.id();
    let instructions = world.onboarding.instructions(&TENANT, id).await.unwrap();
    world.publish_one(&instructions[0]);
    world.run_for(HOUR).await;
    let domain = world.get(id).await;
    assert_eq!(domain.status(), Status::Verified);
    assert!(matches!(
        domain.waiting_on().reason,
        Reason::RecordMissing { topic: Topic::Routing, .. }
    ));
    world.dns.remove(&domain.challenge().owner, RecordType::Txt).unwrap();
    world.publish_one(&instructions[1]);
    world.run_for(DAY).await;
    let domain = world.get(id).await;
    assert_eq!(domain.status(), Status::Verified);
    assert!(matches!(
        domain.waiting_on().reason,
        Reason::RecordMissing { topic: Topic::Ownership, .. }
    ));
}

/// A resolver that never answers.
#[derive(Debug)]
struct Silent(InMemoryResolver);

#[async_trait]
impl Resolver for Silent {
    async fn lookup(&self, lookup: &Lookup) -> Result<Answer> {
        let _ = self.0.lookup(lookup).await;
        std::future::pending().await
    }
}

/// A timer that rings at once for what is no longer than a call may take, and else never.
#[derive(Debug)]
struct Impatient;

#[async_trait]
impl Timer for Impatient {
    async fn sleep(&self, duration: Duration) {
        if duration > Policy::new().call_timeout {
            std::future::pending().await
        }
    }
}

#[tokio::test]
async fn servers_that_stay_silent_are_asked_ever_more_rarely_and_named() {
    let world = World::new();
    let silent = InMemoryResolver::over(Arc::new(world.dns.clone()));
    let process = Onboarding::builder(world.store.clone())
        .with_brand("plat")
        .with_targets(Targets::cname("edge.platform.test"))
        .with_resolver(Silent(silent.clone()))
        .with_authority(world.ca.clone())
        .with_keys(world.keys.clone())
        .with_sealer(world.sealer.clone())
        .with_timer(Impatient)
        .with_random(world.random.clone())
        .with_claims(ClaimPolicy::new().with_allowed([dns("example.com")]))
        .build()
        .unwrap();
    let id = process.add(&TENANT, "shop.example.com".parse().unwrap()).await.unwrap().id();
    process.worker().step().await.unwrap();
    assert!(silent.lookups() <= 4, "{}", silent.lookups());
    run_until(&process, &world.store, &world.clock, world.clock.now() + DAY).await;
    assert!(silent.lookups() <= 40, "{}", silent.lookups());
    let waiting = world.get(id).await.waiting_on();
    assert_eq!(waiting.party, Party::DnsProvider);
    assert!(matches!(waiting.reason, Reason::NoAnswer { found: Found::Timeout, .. }));
}
