//! Names and certificates that a platform served before.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

mod common;

use common::{DAY, HOUR, MINUTE, OTHER, TENANT, World};
use nameplate::{
    domain::{NewDomain, Status},
    engine::{Adoption, Notice},
    error::ErrorKind,
    keys::{InMemoryKeys, Keys},
    name::DomainName,
    record::{RecordFields, RecordType},
    secret::Secret,
    store::{Filter, Item, Kind, Query, Store},
};

const BASIS: &str = "customer database of 2026-11-22";

async fn items(world: &World) -> Vec<Item> {
    let mut items = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Sealing) {
        items.extend(world.store.list(&Query::new(kind, Filter::All)).await.unwrap().items);
    }
    items
}

/// A certificate for a name with its key, from a platform that served it before.
async fn served_before(name: &str) -> (String, Secret) {
    let before = World::new();
    before.active(name).await;
    let host: DomainName = name.parse().unwrap();
    let identity = before.onboarding.edge().identity(&host).await.unwrap().unwrap();
    let found = before.store.list(&Query::new(Kind::Certificate, Filter::All)).await.unwrap();
    let [certificate] = found.items.as_slice() else { panic!("{found:?}") };
    let body: serde_json::Value = serde_json::from_str(certificate.body.as_str()).unwrap();
    (body["chain"].as_str().unwrap().to_owned(), identity.key)
}

async fn adoption(name: &str) -> Adoption {
    let (chain, key) = served_before(name).await;
    let wanted: NewDomain = name.parse().unwrap();
    Adoption::new(wanted, chain, key, BASIS)
}

#[tokio::test]
async fn an_adopted_name_serves_at_once_and_the_log_says_on_whose_word() {
    let world = World::new();
    let (chain, key) = served_before("shop.example.com").await;
    let name: DomainName = "shop.example.com".parse().unwrap();
    let adopting = Adoption::new(name.clone(), chain, key.clone(), BASIS);
    let operator = world.onboarding.operator();
    let domain = operator.adopt(&TENANT, adopting).await.unwrap();
    assert_eq!(world.get(domain.id()).await, domain);
    assert_eq!(domain.status(), Status::Active);
    let identity = world.onboarding.edge().identity(&name).await.unwrap().unwrap();
    assert_eq!(identity.domain, domain.id());
    assert_eq!(identity.key, key);
    let told = world.onboarding.notices(&TENANT, domain.id(), 0).await.unwrap();
    let [told] = told.as_slice() else { panic!("{told:?}") };
    let Notice::Adopted { basis, certificate, .. } = &told.notice else { panic!("{told:?}") };
    assert_eq!((basis.as_str(), *certificate), (BASIS, identity.certificate));
    // Nobody has seen a proof.
    assert_eq!(domain.evidence(nameplate::evidence::Topic::Ownership).confirmed_at, None);
}

#[tokio::test]
async fn records_at_an_adopted_name_go_when_somebody_else_holds_the_name_above() {
    let world = World::new();
    let above = world.active("shop.example.com").await;
    let records = world.onboarding.records(&TENANT, above.id());
    for name in ["www", "api"] {
        let fields = RecordFields::new(RecordType::Txt, name, "ours").with_ttl(3600);
        records.create(&fields).await.unwrap().apply().await.unwrap();
    }
    world.run_for(MINUTE).await;
    let adopting = adoption("api.shop.example.com").await.with_grace(DAY);
    world.onboarding.operator().adopt(&OTHER, adopting).await.unwrap();
    world.run_for(MINUTE).await;
    let left = records.list().await.unwrap();
    let names: Vec<_> = left.iter().map(|it| it.record().name().to_string()).collect();
    assert_eq!(names, ["www.shop.example.com"]);
}

#[tokio::test]
async fn an_adopted_certificate_is_renewed_once_the_proof_is_there() {
    let world = World::new();
    let adopting = adoption("shop.example.com").await.with_grace(DAY * 7);
    let id = world.onboarding.operator().adopt(&TENANT, adopting).await.unwrap().id();
    let before = world.get(id).await.certificate().unwrap().id;
    world.run_for(DAY * 5).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
    world.publish(id).await;
    world.run_for(DAY * 50).await;
    assert_eq!(world.get(id).await.certificate().unwrap().id, before);
    world.run_for(DAY * 10).await;
    let domain = world.get(id).await;
    assert_eq!(domain.status(), Status::Active);
    assert_ne!(domain.certificate().unwrap().id, before);
    assert_eq!(world.ca.orders(), 1);
}

#[tokio::test]
async fn without_a_proof_the_name_is_lost_after_the_grace_and_nothing_is_ordered() {
    let world = World::new();
    let name: DomainName = "shop.example.com".parse().unwrap();
    let adopting = adoption("shop.example.com").await.with_grace(DAY * 7);
    let id = world.onboarding.operator().adopt(&TENANT, adopting).await.unwrap().id();
    world.run_for(DAY * 7 + HOUR * 70).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
    assert!(world.onboarding.edge().serves(&name).await.unwrap().is_some());
    world.run_for(DAY).await;
    assert_eq!(world.get(id).await.status(), Status::Pending);
    assert_eq!(world.onboarding.edge().serves(&name).await.unwrap(), None);
    world.run_for(DAY * 60).await;
    assert_eq!(world.ca.orders(), 0);
}

#[tokio::test]
async fn the_grace_holds_although_the_certificate_is_due_for_renewal() {
    let world = World::new();
    let name: DomainName = "shop.example.com".parse().unwrap();
    let adopting = adoption("shop.example.com").await.with_grace(DAY * 14);
    // A third of its time is left, less a few days.
    world.clock.advance(DAY * 65);
    let id = world.onboarding.operator().adopt(&TENANT, adopting).await.unwrap().id();
    world.run_for(DAY * 14 + HOUR * 70).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
    assert!(world.onboarding.edge().serves(&name).await.unwrap().is_some());
    assert_eq!(world.ca.orders(), 0);
    world.run_for(DAY).await;
    assert_eq!(world.get(id).await.status(), Status::Pending);
}

#[tokio::test]
async fn a_tenant_that_looks_too_early_keeps_the_grace() {
    let world = World::new();
    let adopting = adoption("shop.example.com").await.with_grace(DAY * 7);
    let id = world.onboarding.operator().adopt(&TENANT, adopting).await.unwrap().id();
    world.onboarding.check(&TENANT, id).await.unwrap();
    world.run_for(DAY * 6).await;
    world.onboarding.check(&TENANT, id).await.unwrap();
    assert_eq!(world.get(id).await.status(), Status::Active);
    world.publish(id).await;
    world.run_for(DAY * 10).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
}

#[tokio::test]
async fn a_proof_ends_the_grace() {
    let world = World::new();
    let adopting = adoption("shop.example.com").await.with_grace(DAY * 30);
    let id = world.onboarding.operator().adopt(&TENANT, adopting).await.unwrap().id();
    world.publish(id).await;
    world.onboarding.check(&TENANT, id).await.unwrap();
    let owner = world.get(id).await.challenge().owner.clone();
    world.dns.remove(&owner, RecordType::Txt).unwrap();
    world.run_for(DAY * 6).await;
    assert_eq!(world.get(id).await.status(), Status::Pending);
}

#[tokio::test]
async fn what_does_not_belong_together_is_refused_and_nothing_is_stored() {
    let world = World::new();
    let operator = world.onboarding.operator();
    let name: DomainName = "shop.example.com".parse().unwrap();
    let (chain, key) = served_before("shop.example.com").await;
    let (foreign, its_key) = served_before("www.example.com").await;
    let other_key = InMemoryKeys::new().generate().unwrap();
    let broken = chain.replacen("CERTIFICATE", "CERTIFICAT", 1);
    let adopt = |chain: &str, key: &Secret, basis: &str| {
        Adoption::new(name.clone(), chain, key.clone(), basis)
    };
    let before = items(&world).await;
    for (adoption, code) in [
        (adopt(&chain, &other_key, BASIS), Some("wrong_key")),
        (adopt(&foreign, &its_key, BASIS), Some("wrong_names")),
        (adopt(&broken, &key, BASIS), Some("form")),
        (adopt(&chain, &Secret::new(b"no key".to_vec()), BASIS), None),
        (adopt(&chain, &key, " "), None),
        (adopt(&chain, &key, "two\nlines"), None),
    ] {
        let error = operator.adopt(&TENANT, adoption).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, code), "{error}");
    }
    world.clock.advance(DAY * 100);
    let error = operator.adopt(&TENANT, adopt(&chain, &key, BASIS)).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, Some("wrong_time")));
    assert_eq!(items(&world).await, before);
}

#[tokio::test]
async fn a_name_that_is_held_or_claimed_by_the_tenant_is_not_adopted() {
    let world = World::new();
    let operator = world.onboarding.operator();
    let held = world.active("shop.example.com").await.id();
    let before = items(&world).await;
    let adopting = adoption("shop.example.com").await;
    let error = operator.adopt(&OTHER, adopting).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition);
    assert_eq!(error.subject(), Some(held.to_string().as_str()));
    let adopting = adoption("shop.example.com").await;
    let error = operator.adopt(&TENANT, adopting).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(error.subject(), Some(held.to_string().as_str()));
    assert_eq!(items(&world).await, before);
}

#[tokio::test]
async fn an_adoption_shows_no_key() {
    let (chain, key) = served_before("shop.example.com").await;
    let wanted: NewDomain = "shop.example.com".parse().unwrap();
    let text = format!("{:?}", Adoption::new(wanted, chain, key, BASIS));
    assert_eq!(text, "Adoption { name: DomainName(shop.example.com), .. }");
}

#[tokio::test]
async fn of_two_tenants_that_are_given_a_name_at_once_one_has_it() {
    let world = World::new();
    let operator = world.onboarding.operator();
    let (one, other) = (adoption("shop.example.com").await, adoption("shop.example.com").await);
    let (one, other) = tokio::join!(operator.adopt(&TENANT, one), operator.adopt(&OTHER, other));
    let (Ok(held), Err(refused)) = (&one, &other) else { panic!("{one:?} {other:?}") };
    assert_eq!(refused.kind(), ErrorKind::Precondition);
    assert_eq!(refused.subject(), Some(held.id().to_string().as_str()));
}

#[tokio::test]
async fn what_expires_within_the_grace_is_replaced_once_the_proof_is_there() {
    let world = World::new();
    let name: DomainName = "shop.example.com".parse().unwrap();
    let adopting = adoption("shop.example.com").await.with_grace(DAY * 30);
    world.clock.advance(DAY * 85);
    let id = world.onboarding.operator().adopt(&TENANT, adopting).await.unwrap().id();
    world.run_for(DAY * 20).await;
    assert_eq!(world.get(id).await.status(), Status::CertificatePending);
    assert_eq!(world.onboarding.edge().serves(&name).await.unwrap(), None);
    world.publish(id).await;
    world.run_for(DAY).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
    assert!(world.onboarding.edge().serves(&name).await.unwrap().is_some());
}

#[tokio::test]
async fn removing_what_was_adopted_leaves_no_key_and_touches_no_zone() {
    let world = World::new();
    let adopting = adoption("shop.example.com").await.with_grace(DAY);
    let id = world.onboarding.operator().adopt(&TENANT, adopting).await.unwrap().id();
    world.settle().await;
    world.onboarding.remove(&TENANT, id).await.unwrap();
    world.run_for(DAY * 2).await;
    assert_eq!(world.dns.applied(), 0);
    for kind in [Kind::Certificate, Kind::Key] {
        let found = world.store.list(&Query::new(kind, Filter::All)).await.unwrap();
        assert_eq!(found.items, []);
    }
    let again = adoption("shop.example.com").await;
    assert_eq!(
        world.onboarding.operator().adopt(&OTHER, again).await.unwrap().status(),
        Status::Active
    );
}
