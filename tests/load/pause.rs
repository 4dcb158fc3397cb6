//! What an operator stops stands still, but for what is served, and goes on when told to.

use nameplate::{
    challenge::Method,
    clock::Clock,
    domain::{Domain, NewDomain, Party, PauseScope, Reason, Status},
    engine::{Notice, Pausable},
    error::ErrorKind,
    id::DomainId,
    record::RecordType,
    resolver::Outcome,
    store::{Kind, LeaseRequest, Store},
    testkit::{Moment, Tap, Tape},
};

use crate::common::{DAY, HOUR, MINUTE, OTHER, TENANT, World, dns, page};

/// Returns what was paused, and why, by what the domain says of itself.
fn paused(domain: &Domain) -> Option<(PauseScope, String)> {
    let waiting = domain.waiting_on();
    assert_eq!(waiting.party, Party::Platform, "{waiting}");
    match waiting.reason {
        Reason::Paused { scope, reason } => Some((scope, reason)),
        _ => None,
    }
}

async fn serves(world: &World, name: &str) -> bool {
    world.onboarding.edge().serves(&name.parse().unwrap()).await.unwrap().is_some()
}

#[tokio::test]
async fn a_paused_domain_does_nothing_but_serve() {
    let world = World::new();
    let id = world.active("shop.example.com").await.id();
    let operator = world.onboarding.operator();
    let what = Pausable::Domain(id);
    operator.pause(what, "abuse report 7").await.unwrap();
    let lookups = world.resolver.lookups();
    let orders = world.ca.orders();
    world.onboarding.renew(&TENANT, id).await.unwrap();
    world.run_for(DAY * 40).await;
    assert_eq!((world.resolver.lookups(), world.ca.orders()), (lookups, orders));
    assert!(serves(&world, "shop.example.com").await);
    let expected = (PauseScope::Domain, "abuse report 7".to_owned());
    assert_eq!(paused(&world.get(id).await), Some(expected));
    let since = operator.paused(what).await.unwrap().unwrap().since;
    assert_eq!(since, world.clock.now() - DAY * 40);

    operator.resume(what).await.unwrap();
    operator.resume(what).await.unwrap();
    world.run_for(HOUR).await;
    assert_eq!(world.ca.orders(), orders + 1);
    assert!(world.get(id).await.paused().is_none());
    let notices = world.onboarding.notices(&TENANT, id, 0).await.unwrap();
    let count =
        |wanted: fn(&Notice) -> bool| notices.iter().filter(|it| wanted(&it.notice)).count();
    assert_eq!(count(|it| matches!(it, Notice::Paused { .. })), 1);
    assert_eq!(count(|it| matches!(it, Notice::Resumed)), 1);
}

#[tokio::test]
async fn a_tenant_is_paused_as_a_whole_and_nobody_else() {
    let world = World::new();
    let operator = world.onboarding.operator();
    operator.pause(Pausable::Tenant(TENANT), "unpaid").await.unwrap();
    let id = world.add("shop.example.com").await.id();
    world.publish(id).await;
    let other = world.add_with(&OTHER, "www.example.net".parse().unwrap()).await.id();
    for instruction in world.onboarding.instructions(&OTHER, other).await.unwrap() {
        world.publish_one(&instruction);
    }
    world.run_for(HOUR).await;
    let theirs = world.onboarding.get(&OTHER, other).await.unwrap();
    assert_eq!(theirs.status(), Status::Active);
    let expected = (PauseScope::Tenant, "unpaid".to_owned());
    assert_eq!(paused(&world.get(id).await), Some(expected));
    assert_eq!(world.get(id).await.status(), Status::Pending);

    operator.resume(Pausable::Tenant(TENANT)).await.unwrap();
    world.run_for(MINUTE * 15).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
}

#[tokio::test]
async fn what_goes_on_after_a_pause_is_spread() {
    let world = World::new();
    let operator = world.onboarding.operator();
    operator.pause(Pausable::Tenant(TENANT), "unpaid").await.unwrap();
    for number in 0..40 {
        world.add(&format!("shop{number}.example.com")).await;
    }
    world.settle().await;
    operator.resume(Pausable::Tenant(TENANT)).await.unwrap();
    let start = world.clock.now();
    let mut leased = Vec::new();
    for minute in 1..=13 {
        world.clock.set(start + MINUTE * minute);
        let wanted = LeaseRequest::new([Kind::Domain], 1000, DAY);
        leased.push(world.store.lease(&wanted).await.unwrap().leases.len());
    }
    assert_eq!(leased.iter().sum::<usize>(), 40, "{leased:?}");
    assert!(leased.iter().all(|count| *count <= 20), "{leased:?}");
    assert!(leased.iter().filter(|count| **count > 0).count() >= 4, "{leased:?}");
}

/// A wildcard whose answer to the authority's challenge is published, and never seen there by us.
async fn ordered(world: &World) -> DomainId {
    let challenge = dns("_acme-challenge.example.com");
    world.resolver.answer_with(challenge, RecordType::Txt, Outcome::Timeout);
    proved(world).await
}

async fn proved(world: &World) -> DomainId {
    let id = world.add("*.example.com").await.id();
    world.publish(id).await;
    id
}

#[tokio::test]
async fn a_paused_authority_is_not_asked_and_everything_else_goes_on() {
    let world = World::new();
    let operator = world.onboarding.operator();
    operator.pause(Pausable::Authority, "incident").await.unwrap();
    let id = proved(&world).await;
    world.run_for(HOUR).await;
    assert_eq!((world.ca.orders(), world.get(id).await.status()), (0, Status::Verified));
    let expected = (PauseScope::Authority, "incident".to_owned());
    assert_eq!(paused(&world.get(id).await), Some(expected));
    operator.resume(Pausable::Authority).await.unwrap();
    world.run_for(HOUR).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
    assert!(world.get(id).await.waiting_on().is_nothing());
}

#[tokio::test]
async fn a_paused_dns_provider_is_not_changed_also_not_to_clean_up() {
    let world = World::new();
    let operator = world.onboarding.operator();
    operator.pause(Pausable::Dns, "migration").await.unwrap();
    let id = ordered(&world).await;
    world.run_for(HOUR).await;
    assert_eq!(world.get(id).await.status(), Status::CertificatePending);
    assert_eq!(world.leftovers(), []);
    operator.resume(Pausable::Dns).await.unwrap();
    for _ in 0..15 {
        if world.leftovers().is_empty() {
            world.run_for(MINUTE).await;
        }
    }
    assert_eq!(world.leftovers().len(), 1);
    operator.pause(Pausable::Dns, "migration").await.unwrap();
    world.onboarding.remove(&TENANT, id).await.unwrap();
    world.run_for(DAY).await;
    assert_eq!(world.leftovers().len(), 1);
    assert_eq!(paused(&world.get(id).await).unwrap().0, PauseScope::Dns);
    operator.resume(Pausable::Dns).await.unwrap();
    world.run_for(HOUR).await;
    assert_eq!(world.leftovers(), []);
}

#[tokio::test]
async fn a_paused_resolver_is_not_asked_and_says_nothing_about_anybody() {
    let world = World::new();
    let operator = world.onboarding.operator();
    let active = world.active("shop.example.com").await.id();
    operator.pause(Pausable::Resolver, "overload").await.unwrap();
    let id = proved(&world).await;
    let lookups = world.resolver.lookups();
    world.run_for(DAY * 2).await;
    assert_eq!(world.resolver.lookups(), lookups);
    assert_eq!(world.get(active).await.status(), Status::Active);
    assert_eq!(world.get(id).await.status(), Status::Pending);
    operator.resume(Pausable::Resolver).await.unwrap();
    world.run_for(HOUR).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
}

#[tokio::test]
async fn a_domain_that_is_removed_while_paused_is_not_served_and_cleaned_up_later() {
    let world = World::new();
    let id = ordered(&world).await;
    world.run_for(MINUTE).await;
    let operator = world.onboarding.operator();
    operator.pause(Pausable::Domain(id), "abuse").await.unwrap();
    world.onboarding.remove(&TENANT, id).await.unwrap();
    assert!(!serves(&world, "www.example.com").await);
    world.run_for(DAY).await;
    assert_eq!(world.leftovers().len(), 1);
    assert_eq!(world.get(id).await.status(), Status::Removing);
    operator.resume(Pausable::Domain(id)).await.unwrap();
    world.run_for(HOUR).await;
    assert_eq!(world.leftovers(), []);
    assert_eq!(world.onboarding.get(&TENANT, id).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_pause_needs_a_short_reason_and_a_domain_that_is_there() {
    let world = World::new();
    let operator = world.onboarding.operator();
    for reason in ["x".repeat(501), "two\nlines".to_owned()] {
        let error = operator.pause(Pausable::Dns, &reason).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{reason}");
    }
    let nobody = Pausable::Domain(DomainId::from_bytes([9; 16]));
    let missing = operator.pause(nobody, "").await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert_eq!(operator.paused(Pausable::Dns).await.unwrap(), None);
}

#[tokio::test]
async fn an_effect_that_was_under_way_when_a_domain_is_paused_is_not_done_again() {
    // The outcome is stored although nothing new is begun: the order is opened once.
    let world = World::new();
    let id = world.add("*.example.com").await.id();
    world.publish(id).await;
    for _ in 0..30 {
        let operator = world.onboarding.operator();
        operator.pause(Pausable::Domain(id), "now and then").await.unwrap();
        world.run_for(MINUTE).await;
        operator.resume(Pausable::Domain(id)).await.unwrap();
        world.onboarding.worker().step().await.unwrap();
    }
    world.run_for(HOUR).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
    assert_eq!(world.ca.orders(), 1);
}

#[tokio::test]
async fn a_paused_mailer_writes_to_nobody_and_draws_no_code() {
    let world = World::new();
    let operator = world.onboarding.operator();
    operator.pause(Pausable::Mail, "a complaint").await.unwrap();
    let wanted: NewDomain = "shop.example.com".parse().unwrap();
    let id = world.add_with(&TENANT, wanted.with_method(Method::Email)).await.id();
    let other = world.active("www.example.com").await.id();
    world.run_for(DAY).await;
    assert_eq!(world.mailer.sent(), []);
    let expected = (PauseScope::Mail, "a complaint".to_owned());
    assert_eq!(paused(&world.get(id).await), Some(expected));
    assert_eq!(world.get(other).await.status(), Status::Active);
    operator.resume(Pausable::Mail).await.unwrap();
    world.run_for(HOUR).await;
    assert_eq!(world.mailer.sent().len(), 5);
}

#[tokio::test]
async fn a_paused_probe_looks_at_no_page_and_says_nothing_about_anybody() {
    let world = World::new();
    let operator = world.onboarding.operator();
    let wanted =
        |name: &str| -> NewDomain { name.parse::<NewDomain>().unwrap().with_method(Method::Http) };
    let held = world.add_with(&TENANT, wanted("shop.example.com")).await.id();
    world.publish(held).await;
    world.run_for(HOUR).await;
    assert_eq!(world.get(held).await.status(), Status::Active);
    operator.pause(Pausable::Probe, "overload").await.unwrap();
    let id = world.add_with(&TENANT, wanted("www.example.com")).await.id();
    world.publish(id).await;
    // Nobody looks, so nobody misses it.
    let gone = world.get(held).await.challenge().page().unwrap();
    world.pages.remove(&page(&gone.url()));
    world.run_for(DAY * 6).await;
    assert_eq!(world.get(held).await.status(), Status::Active);
    assert_eq!(world.get(id).await.status(), Status::Pending);
    assert_eq!(paused(&world.get(id).await).unwrap().0, PauseScope::Probe);
    operator.resume(Pausable::Probe).await.unwrap();
    world.run_for(HOUR).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
}

#[tokio::test]
async fn what_was_leased_is_given_back_if_the_pauses_cannot_be_read() {
    let world = World::new();
    let store = world.store.clone();
    let tape = Tape::new().watched_by(move |point| {
        if point.call == "lease" && point.moment == Moment::After {
            store.fail_next(ErrorKind::Unavailable);
        }
    });
    let onboarding =
        world.process((|store| Tap::new(store, tape), |resolver| resolver, |dns| dns, |ca| ca));
    let domain = world.add("shop.example.com").await;
    let error = onboarding.worker().step().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let due = LeaseRequest::new([Kind::Domain], 10, MINUTE);
    let leased = world.store.lease(&due).await.unwrap().leases;
    let ids: Vec<_> = leased.iter().map(|(lease, _)| lease.key.id.clone()).collect();
    assert_eq!(ids, [domain.id().to_string()]);
}
