//! Whole lives of names that more than one tenant wants.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

#[path = "claims/again.rs"]
mod again;
#[path = "claims/caps.rs"]
mod caps;
mod common;
#[path = "claims/contest.rs"]
mod contest;
#[path = "claims/crash.rs"]
mod crash;
#[path = "claims/overlap.rs"]
mod overlap;
#[path = "claims/refusal.rs"]
mod refusal;
#[path = "claims/registration.rs"]
mod registration;
#[path = "claims/transfer.rs"]
mod transfer;

use common::{OTHER, TENANT, World};
use nameplate::{
    domain::{Domain, Status},
    engine::Notice,
    id::{DomainId, OperationId, TenantId},
    name::DomainName,
    record::{RecordData, RecordSet, RecordType, Ttl, Txt},
    store::{Batch, Body, Expect, Item, Key, Kind, Store as _, Write},
};

/// A tenant that is neither of the usual ones.
const THIRD: TenantId = TenantId::from_bytes([3; 16]);

fn name(text: &str) -> DomainName {
    text.parse().unwrap()
}

/// Publishes the proofs of these claims, all of one name, in the place of what is there.
fn prove(world: &World, claims: &[&Domain]) {
    let data: Vec<_> = claims
        .iter()
        .map(|claim| RecordData::Txt(Txt::from_text(&claim.challenge().value())))
        .collect();
    let owner = claims[0].challenge().owner.clone();
    world.dns.set(RecordSet::new(owner, Ttl::MINUTE, data).unwrap()).unwrap();
}

/// Takes every proof of the name of a claim away.
fn unprove(world: &World, claim: &Domain) {
    world.dns.remove(&claim.challenge().owner, RecordType::Txt);
}

async fn claim(world: &World, tenant: TenantId, text: &str) -> Domain {
    world.add_with(&tenant, text.parse().unwrap()).await
}

async fn get(world: &World, claim: &Domain) -> Domain {
    world.onboarding.get(&claim.tenant(), claim.id()).await.unwrap()
}

async fn status(world: &World, claim: &Domain) -> Status {
    get(world, claim).await.status()
}

/// Returns the names of what was told of a claim.
async fn told(world: &World, claim: &Domain) -> Vec<&'static str> {
    notices(world, claim.tenant(), claim.id()).await.iter().map(Notice::as_str).collect()
}

async fn notices(world: &World, tenant: TenantId, id: DomainId) -> Vec<Notice> {
    let all = world.onboarding.notices(&tenant, id, 0).await.unwrap();
    all.into_iter().map(|numbered| numbered.notice).collect()
}

async fn count(world: &World, claim: &Domain, notice: &str) -> usize {
    told(world, claim).await.iter().filter(|told| **told == notice).count()
}

/// Returns whose certificate a host is served with.
async fn served(world: &World, host: &str) -> Option<TenantId> {
    let identity = world.onboarding.edge().identity(&name(host)).await.unwrap();
    identity.map(|identity| identity.tenant)
}

/// Puts what nobody can read in the place of what is stored of a claim.
async fn spoil(world: &World, id: DomainId, body: &str) {
    let key = Key::new(Kind::Domain, id);
    let found = world.store.get(std::slice::from_ref(&key)).await.unwrap();
    let Item { revision, header, .. } = found.into_iter().flatten().next().unwrap();
    let (expect, body) = (Expect::Revision(revision), Body::new(body.to_owned()));
    let put = Write::Put { key, expect, header, body };
    let operation = OperationId::random(&world.random).unwrap();
    world.store.commit(Batch::new(operation).with(put)).await.unwrap();
}

/// A name that one tenant holds, served, and that another one has claimed.
async fn held_and_claimed(world: &World) -> (Domain, Domain) {
    let holder = world.active("shop.example.com").await;
    let challenger = claim(world, OTHER, "shop.example.com").await;
    assert_eq!(holder.tenant(), TENANT);
    (holder, challenger)
}

#[test]
fn every_test_that_the_page_names_exists() {
    let sources = [
        include_str!("claims/again.rs"),
        include_str!("claims/contest.rs"),
        include_str!("claims/crash.rs"),
        include_str!("claims/overlap.rs"),
        include_str!("claims/refusal.rs"),
        include_str!("claims/registration.rs"),
        include_str!("claims/transfer.rs"),
    ]
    .concat();
    let quoted = include_str!("../docs/claims.md").split('`').skip(1).step_by(2);
    let tests: Vec<_> = quoted.filter(|text| text.matches('_').count() > 3).collect();
    assert!(tests.len() > 10, "{tests:?}");
    for test in tests {
        let is_there = sources.contains(&format!("fn {test}()"));
        assert!(is_there || test.starts_with("nameplate_"), "no test {test}");
    }
}
