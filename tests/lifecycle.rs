//! Whole lives under a manual clock.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

#[path = "lifecycle/authority.rs"]
mod authority;
mod common;
#[path = "lifecycle/methods.rs"]
mod methods;
#[path = "lifecycle/page.rs"]
mod page;
#[path = "lifecycle/patience.rs"]
mod patience;
#[path = "lifecycle/properties.rs"]
mod properties;
#[path = "lifecycle/running.rs"]
mod running;
#[path = "lifecycle/search.rs"]
mod search;
#[path = "lifecycle/services.rs"]
mod services;
#[path = "lifecycle/table.rs"]
mod table;

use common::{DAY, DELEGATION, HOUR, MINUTE, OTHER, TENANT, World, dns};
use nameplate::{
    certificate::Validation,
    domain::{NewDomain, Party, Reason, Status},
    engine::Notice,
    error::ErrorKind,
    evidence::Topic,
    name::DomainName,
    record::{RecordData, RecordSet, RecordType, Ttl, Txt},
};

#[tokio::test]
async fn a_name_goes_from_typed_to_active() {
    let world = World::new();
    let domain = world.add("Shop.Example.COM.").await;
    assert_eq!(domain.status(), Status::Pending);
    assert_eq!(domain.submitted(), "Shop.Example.COM.");
    assert_eq!(domain.name().as_str(), "shop.example.com");
    assert_eq!(domain.id().to_string().len(), 32);

    world.settle().await;
    let waiting = world.get(domain.id()).await.waiting_on();
    assert_eq!(waiting.party, Party::Customer);
    assert!(matches!(waiting.reason, Reason::RecordMissing { topic: Topic::Ownership, .. }));

    world.publish(domain.id()).await;
    world.run_for(HOUR).await;
    let domain = world.get(domain.id()).await;
    assert_eq!(domain.status(), Status::Active, "{}", domain.waiting_on());
    assert!(domain.waiting_on().is_nothing());
    assert_eq!(world.ca.orders(), 1);

    let name: DomainName = "shop.example.com".parse().unwrap();
    let identity = world.onboarding.edge().identity(&name).await.unwrap().unwrap();
    assert_eq!(identity.domain, domain.id());
}

#[tokio::test]
async fn a_wildcard_is_issued_through_its_delegation_and_leaves_nothing_behind() {
    let world = World::new();
    let domain = world.active("*.example.com").await;
    assert_eq!(domain.validation(), Validation::Dns01Delegated);
    let delegation = domain.delegation().unwrap();
    assert_eq!(delegation.owner, dns("_acme-challenge.example.com"));
    assert!(delegation.target.is_within(&dns(DELEGATION)));
    assert_eq!(domain.challenge().owner, dns("_plat-wildcard-challenge.example.com"));
    world.run_for(HOUR).await;
    assert_eq!(world.leftovers(), []);

    let below: DomainName = "any.example.com".parse().unwrap();
    let deeper: DomainName = "any.other.example.com".parse().unwrap();
    let edge = world.onboarding.edge();
    assert!(edge.identity(&below).await.unwrap().is_some());
    assert!(edge.identity(&deeper).await.unwrap().is_none());
}

#[tokio::test]
async fn delegated_targets_belong_to_one_claim_alone() {
    let world = World::new();
    let mut targets = Vec::new();
    for tenant in [TENANT, OTHER] {
        let domain = world.add_with(&tenant, "*.example.com".parse().unwrap()).await;
        targets.push(domain.delegation().unwrap().target.clone());
    }
    assert_ne!(targets[0], targets[1]);
}

#[tokio::test]
async fn a_name_in_a_zone_at_our_provider_is_validated_there() {
    let world = World::new();
    let wanted: NewDomain = "www.example.com".parse().unwrap();
    let id = world.add_with(&TENANT, wanted.with_validation(Validation::Dns01)).await.id();
    world.publish(id).await;
    world.run_for(HOUR).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
    let challenge = dns("_acme-challenge.www.example.com");
    assert!(world.dns.records(&dns("example.com")).iter().all(|set| set.name() != &challenge));
}

#[tokio::test]
async fn the_top_of_a_zone_gets_addresses_and_never_a_cname() {
    let world = World::new();
    let id = world.add("example.net").await.id();
    let instructions = world.onboarding.instructions(&TENANT, id).await.unwrap();
    let types: Vec<_> = instructions.iter().map(|step| step.record_type).collect();
    assert_eq!(types, [RecordType::Txt, RecordType::A]);
    assert_eq!(instructions[0].host, "_plat-challenge");
    assert_eq!(instructions[1].host, "@");
    let sentences: Vec<_> = instructions.iter().map(ToString::to_string).collect();
    assert!(sentences[0].starts_with("Add a TXT record at _plat-challenge.example.net "));
    assert!(sentences[1].starts_with("Add an A record at example.net (host @ "));
    world.publish(id).await;
    world.run_for(HOUR).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
}

#[tokio::test]
async fn instructions_say_what_where_why_and_how_long() {
    let world = World::new();
    let domain = world.add("shop.example.com").await;
    let instructions = world.onboarding.instructions(&TENANT, domain.id()).await.unwrap();
    let [proof, route] = instructions.as_slice() else { panic!("{instructions:?}") };
    assert_eq!(proof.name, dns("_plat-challenge.shop.example.com"));
    assert_eq!(proof.host, "_plat-challenge.shop");
    assert_eq!(proof.zone, dns("example.com"));
    assert_eq!(proof.value, domain.challenge().value());
    assert_eq!(route.record_type, RecordType::Cname);
    assert_eq!(route.value, "edge.platform.test");
    for step in &instructions {
        let sentence = step.to_string();
        assert!(sentence.contains(&step.value) && sentence.ends_with('.'), "{sentence}");
        assert!(sentence.contains("keep it"), "{sentence}");
    }
}

#[tokio::test]
async fn a_wrong_token_is_named_and_proves_nothing() {
    let world = World::new();
    let id = world.add("shop.example.com").await.id();
    let mut instructions = world.onboarding.instructions(&TENANT, id).await.unwrap();
    instructions[0].value = format!("token={}", "0".repeat(64));
    for instruction in &instructions {
        world.publish_one(instruction);
    }
    world.run_for(DAY).await;
    let domain = world.get(id).await;
    assert_eq!(domain.status(), Status::Pending);
    let waiting = domain.waiting_on();
    assert_eq!(waiting.party, Party::Customer);
    let Reason::RecordDiffers { seen, value, .. } = &waiting.reason else {
        panic!("{waiting}");
    };
    assert_eq!(seen.values, [instructions[0].value.clone()]);
    assert_eq!(value.as_deref(), Some(domain.challenge().value().as_str()));
    assert_eq!(world.ca.orders(), 0);
    assert_eq!(world.ca.accounts(), 0);
}

#[tokio::test]
async fn a_proof_behind_a_cname_is_none() {
    let world = World::new();
    let id = world.add("shop.example.com").await.id();
    let instructions = world.onboarding.instructions(&TENANT, id).await.unwrap();
    // What a wildcard CNAME in the customer's zone would do, too.
    let mut elsewhere = instructions[0].clone();
    elsewhere.name = dns("proof.example.net");
    world.publish_one(&elsewhere);
    let mut alias = instructions[0].clone();
    alias.record_type = RecordType::Cname;
    alias.value = "proof.example.net".into();
    world.publish_one(&alias);
    world.publish_one(&instructions[1]);
    world.run_for(DAY).await;
    assert_eq!(world.get(id).await.status(), Status::Pending);
}

#[tokio::test]
async fn pointing_a_name_at_the_edge_proves_nothing() {
    let world = World::new();
    let id = world.add("shop.example.com").await.id();
    let instructions = world.onboarding.instructions(&TENANT, id).await.unwrap();
    world.publish_one(&instructions[1]);
    world.run_for(DAY).await;
    let domain = world.get(id).await;
    assert_eq!(domain.status(), Status::Pending);
    let name: DomainName = "shop.example.com".parse().unwrap();
    assert!(world.onboarding.edge().identity(&name).await.unwrap().is_none());
    assert_eq!(world.ca.orders(), 0);
}

#[tokio::test]
async fn a_proved_name_that_leads_elsewhere_waits_for_its_address() {
    let world = World::new();
    let id = world.add("shop.example.com").await.id();
    let instructions = world.onboarding.instructions(&TENANT, id).await.unwrap();
    world.publish_one(&instructions[0]);
    world.run_for(HOUR).await;
    let domain = world.get(id).await;
    assert_eq!(domain.status(), Status::Verified);
    let reason = domain.waiting_on().reason;
    assert!(matches!(reason, Reason::RecordMissing { topic: Topic::Routing, .. }), "{reason:?}");
    assert_eq!(world.ca.orders(), 0);

    world.publish_one(&instructions[1]);
    let domain = world.onboarding.check(&TENANT, id).await.unwrap();
    assert_ne!(domain.status(), Status::Pending);
    world.run_for(HOUR).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
}

#[tokio::test]
async fn a_check_does_the_work_when_nobody_else_does() {
    let world = World::new();
    let id = world.add("shop.example.com").await.id();
    world.publish(id).await;
    let domain = world.onboarding.check(&TENANT, id).await.unwrap();
    assert_eq!(domain.status(), Status::Verified);
}

#[tokio::test]
async fn bad_input_is_refused_and_stores_nothing() {
    let world = World::new();
    for name in ["co.uk", "*.com", "github.io", "platform.test", "api.platform.test", "a.local"] {
        let error = world.onboarding.add(&TENANT, name.parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{name}: {error}");
        assert!(error.to_string().contains(name), "{error}");
        assert!(std::error::Error::source(&error).is_some(), "{name}");
    }
    let wildcard: NewDomain = "*.example.com".parse().unwrap();
    let by_http = wildcard.with_validation(Validation::Http01);
    let error = world.onboarding.add(&TENANT, by_http).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(world.onboarding.list(&TENANT, None).await.unwrap().domains.is_empty());
    assert_eq!(world.store.next_due(), None);
}

#[tokio::test]
async fn a_second_claim_of_the_same_tenant_is_answered_with_the_first() {
    let world = World::new();
    let id = world.add("shop.example.com").await.id();
    for spelling in ["shop.example.com", "SHOP.example.com."] {
        let error = world.onboarding.add(&TENANT, spelling.parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(error.subject(), Some(id.to_string().as_str()));
    }
    assert_eq!(world.onboarding.list(&TENANT, None).await.unwrap().domains.len(), 1);
}

#[tokio::test]
async fn what_is_another_tenants_is_not_there() {
    let world = World::new();
    let id = world.active("shop.example.com").await.id();
    let before = world.get(id).await;
    let onboarding = &world.onboarding;
    let kinds = [
        onboarding.get(&OTHER, id).await.unwrap_err().kind(),
        onboarding.check(&OTHER, id).await.unwrap_err().kind(),
        onboarding.retry(&OTHER, id).await.unwrap_err().kind(),
        onboarding.remove(&OTHER, id).await.unwrap_err().kind(),
        onboarding.instructions(&OTHER, id).await.unwrap_err().kind(),
        onboarding.notices(&OTHER, id, 0).await.unwrap_err().kind(),
    ];
    assert_eq!(kinds, [ErrorKind::NotFound; 6]);
    assert!(onboarding.list(&OTHER, None).await.unwrap().domains.is_empty());
    assert_eq!(world.get(id).await, before);
}

#[tokio::test]
async fn pending_claims_block_nobody_and_the_first_proof_holds() {
    let world = World::new();
    // The squatter is first to ask, the owner first to prove.
    let squatter = world.add_with(&OTHER, "shop.example.com".parse().unwrap()).await.id();
    let owner = world.active("shop.example.com").await.id();
    assert_eq!(world.onboarding.get(&OTHER, squatter).await.unwrap().status(), Status::Pending);

    // Even with both proofs in the zone there is one holder.
    let theirs = world.onboarding.instructions(&OTHER, squatter).await.unwrap();
    let ours = world.onboarding.instructions(&TENANT, owner).await.unwrap();
    let both = [&theirs[0], &ours[0]].map(|step| RecordData::Txt(Txt::from_text(&step.value)));
    world.dns.set(RecordSet::new(ours[0].name.clone(), Ttl::MINUTE, both).unwrap()).unwrap();
    let contested = world.onboarding.check(&OTHER, squatter).await.unwrap();
    assert_eq!(contested.status(), Status::Pending);
    assert_eq!(contested.waiting_on().party, Party::Platform);
    world.run_for(DAY).await;
    assert_eq!(world.get(owner).await.status(), Status::Active);
    let seen = world.onboarding.notices(&OTHER, squatter, 0).await.unwrap();
    assert!(seen.iter().any(|notice| notice.notice == Notice::Contested));
}

#[tokio::test]
async fn a_certificate_is_renewed_with_a_third_of_its_life_left_while_the_old_one_serves() {
    let world = World::new();
    let domain = world.active("shop.example.com").await;
    let first = domain.certificate().unwrap().clone();
    let edge = world.onboarding.edge();
    let name: DomainName = "shop.example.com".parse().unwrap();

    let almost = first.renew_at - nameplate::clock::Clock::now(&world.clock);
    world.run_for(almost.to_std().unwrap() - MINUTE).await;
    assert_eq!(edge.serves(&name).await.unwrap(), Some(first.id));
    assert_eq!(world.ca.orders(), 1);

    // The authority is away when renewal is due: the old certificate serves on.
    world.ca.fail_next(ErrorKind::Unavailable);
    world.run_for(MINUTE + MINUTE).await;
    assert_eq!(world.get(domain.id()).await.status(), Status::Active);
    world.run_for(HOUR * 3).await;
    let domain = world.get(domain.id()).await;
    assert_eq!(domain.status(), Status::Active);
    let second = domain.certificate().unwrap();
    assert_ne!(second.id, first.id);
    assert_eq!(edge.serves(&name).await.unwrap(), Some(second.id));
    assert_eq!(world.ca.orders(), 2);

    // And so on, for two years.
    world.run_for(DAY * 730).await;
    let domain = world.get(domain.id()).await;
    assert_eq!(domain.status(), Status::Active);
    assert!((13..=14).contains(&world.ca.orders()), "{}", world.ca.orders());
}

#[tokio::test]
async fn a_renewal_that_is_asked_for_happens_now_and_once() {
    let world = World::new();
    let pending = world.add("pending.example.com").await.id();
    let error = world.onboarding.renew(&TENANT, pending).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition);
    let domain = world.active("shop.example.com").await;
    let error = world.onboarding.renew(&OTHER, domain.id()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);

    let first = domain.certificate().unwrap().clone();
    let edge = world.onboarding.edge();
    let name: DomainName = "shop.example.com".parse().unwrap();
    // The evidence is old by now, and is looked for again.
    world.run_for(HOUR * 5).await;
    for _ in 0..2 {
        let asked = world.onboarding.renew(&TENANT, domain.id()).await.unwrap();
        assert_eq!(asked.status(), Status::Active);
        assert_eq!(edge.serves(&name).await.unwrap(), Some(first.id));
    }
    world.run_for(MINUTE).await;
    let renewed = world.get(domain.id()).await;
    let second = renewed.certificate().unwrap().clone();
    assert_eq!(renewed.status(), Status::Active);
    assert_ne!(second.id, first.id);
    assert_ne!(second.key, first.key);
    assert_eq!(edge.serves(&name).await.unwrap(), Some(second.id));
    assert_eq!(world.ca.orders(), 2);
    world.run_for(DAY * 7).await;
    assert_eq!(world.ca.orders(), 2);

    // After a failure, it waits for the next attempt and no longer.
    world.ca.fail_next(ErrorKind::Quota);
    world.onboarding.renew(&TENANT, domain.id()).await.unwrap();
    world.run_for(MINUTE / 4).await;
    assert_eq!(world.get(domain.id()).await.certificate().unwrap().id, second.id);
    world.onboarding.renew(&TENANT, domain.id()).await.unwrap();
    world.run_for(MINUTE * 2).await;
    assert_ne!(world.get(domain.id()).await.certificate().unwrap().id, second.id);
}

#[tokio::test]
async fn asking_again_and_again_does_not_use_up_what_the_authority_allows() {
    let world = World::new();
    let domain = world.active("shop.example.com").await;
    for _ in 0..120 {
        let _ = world.onboarding.renew(&TENANT, domain.id()).await.unwrap();
        world.run_for(MINUTE / 2).await;
    }
    // Five an hour, and the first.
    assert!(world.ca.orders() <= 6, "{}", world.ca.orders());

    let world = World::new();
    world.ca.refuse("shop.example.com".parse().unwrap());
    let id = world.add("shop.example.com").await.id();
    world.publish(id).await;
    let failed_orders = async || {
        let notices = world.onboarding.notices(&TENANT, id, 0).await.unwrap();
        notices.iter().filter(|it| matches!(it.notice, Notice::OrderFailed { .. })).count()
    };
    for _ in 0..120 {
        let _ = world.onboarding.retry(&TENANT, id).await;
        let _ = world.onboarding.check(&TENANT, id).await;
        world.run_for(MINUTE / 2).await;
    }
    assert!((2..=6).contains(&failed_orders().await), "{}", failed_orders().await);
}

#[tokio::test]
async fn a_failing_renewal_takes_nothing_down_until_the_certificate_has_run_out() {
    let world = World::new();
    let domain = world.active("shop.example.com").await;
    let served = domain.certificate().unwrap().clone();
    world.ca.refuse("shop.example.com".parse().unwrap());
    let left = served.not_after - nameplate::clock::Clock::now(&world.clock);
    world.run_for(left.to_std().unwrap() - HOUR).await;
    let domain = world.get(domain.id()).await;
    assert_eq!(domain.status(), Status::Active);
    assert!(domain.last_failure().is_some());

    world.run_for(DAY * 2).await;
    let domain = world.get(domain.id()).await;
    assert_eq!(domain.status(), Status::Failed, "{}", domain.waiting_on());
    let name: DomainName = "shop.example.com".parse().unwrap();
    assert!(world.onboarding.edge().identity(&name).await.unwrap().is_none());
}

#[tokio::test]
async fn a_definitive_refusal_fails_and_a_retry_starts_over() {
    let world = World::new();
    world.ca.refuse("shop.example.com".parse().unwrap());
    let id = world.add("shop.example.com").await.id();
    world.publish(id).await;
    world.run_for(HOUR).await;
    let domain = world.get(id).await;
    assert_eq!(domain.status(), Status::Failed);
    assert_eq!(
        domain.last_failure().unwrap().code.as_deref(),
        Some("rejectedIdentifier"),
        "{:?}",
        domain.last_failure()
    );
    let domain = world.onboarding.retry(&TENANT, id).await.unwrap();
    assert_eq!(domain.status(), Status::Pending);
    let error = world.onboarding.retry(&TENANT, id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition);
}

#[tokio::test]
async fn trouble_with_services_is_never_a_refusal() {
    for kind in [
        ErrorKind::Unavailable,
        ErrorKind::Unknown,
        ErrorKind::RateLimited,
        ErrorKind::Malformed,
        ErrorKind::Conflict,
    ] {
        let world = World::new();
        let id = world.add("*.example.com").await.id();
        world.publish(id).await;
        for _ in 0..4 {
            world.ca.fail_next(kind);
            world.ca.fail_next_after(kind);
            world.dns.fail_next(kind);
            world.dns.fail_next_after(kind);
            world.run_for(MINUTE).await;
            assert_ne!(world.get(id).await.status(), Status::Failed, "{kind}");
        }
        world.run_for(DAY * 2).await;
        let domain = world.get(id).await;
        assert_eq!(domain.status(), Status::Active, "{kind}: {}", domain.waiting_on());
        assert_eq!(world.leftovers(), [], "{kind}");
    }
}

#[tokio::test]
async fn ownership_is_lost_only_after_three_looks_and_three_days_and_comes_back_with_the_record() {
    let world = World::new();
    let domain = world.active("shop.example.com").await;
    let id = domain.id();
    let owner = domain.challenge().owner.clone();
    world.run_for(DAY * 2).await;
    let proof = world.dns.remove(&owner, RecordType::Txt).unwrap();

    // Clicks do not add up.
    for _ in 0..20 {
        assert_eq!(world.onboarding.check(&TENANT, id).await.unwrap().status(), Status::Active);
    }
    world.run_for(DAY * 2).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
    world.run_for(DAY * 3).await;
    let domain = world.get(id).await;
    assert_eq!(domain.status(), Status::Pending);
    let name: DomainName = "shop.example.com".parse().unwrap();
    assert!(world.onboarding.edge().identity(&name).await.unwrap().is_none());

    world.dns.set(proof).unwrap();
    let domain = world.onboarding.check(&TENANT, id).await.unwrap();
    assert_eq!(domain.status(), Status::Active);
    assert_eq!(domain.challenge().generation, 1);
    assert_eq!(world.ca.orders(), 1);
}

#[tokio::test]
async fn an_old_domain_comes_back_with_the_record_too() {
    let world = World::new();
    let domain = world.active("shop.example.com").await;
    let id = domain.id();
    // Longer than a token may take to be published for the first time.
    world.run_for(DAY * 200).await;
    let proof = world.dns.remove(&domain.challenge().owner, RecordType::Txt).unwrap();
    world.run_for(DAY * 6).await;
    assert_eq!(world.get(id).await.status(), Status::Pending);
    world.dns.set(proof).unwrap();
    world.run_for(DAY * 2).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
}

#[tokio::test]
async fn an_old_domain_that_failed_can_be_retried() {
    let world = World::new();
    world.ca.refuse("shop.example.com".parse().unwrap());
    let id = world.add("shop.example.com").await.id();
    world.publish(id).await;
    world.run_for(DAY * 200).await;
    assert_eq!(world.get(id).await.status(), Status::Failed);
    world.onboarding.retry(&TENANT, id).await.unwrap();
    world.settle().await;
    let domain = world.get(id).await;
    // Refused once more, for which it had to be proved.
    assert_eq!(domain.status(), Status::Failed, "{}", domain.waiting_on());
}

#[tokio::test]
async fn servers_that_do_not_answer_take_nothing_away() {
    use nameplate::resolver::{Failure, InMemoryResolver, Outcome};
    let world = World::new();
    let domain = world.active("shop.example.com").await;
    for outcome in [
        Outcome::Timeout,
        Outcome::Failed(Failure::ServFail),
        Outcome::Failed(Failure::Bogus),
        Outcome::Failed(Failure::Lame),
    ] {
        let resolver = InMemoryResolver::over(std::sync::Arc::new(world.dns.clone()));
        resolver.answer_with(domain.challenge().owner.clone(), RecordType::Txt, outcome);
        let process = world.process((|s| s, move |_| resolver, |d| d, |c| c));
        let end = nameplate::clock::Clock::now(&world.clock) + DAY * 5;
        common::run_until(&process, &world.store, &world.clock, end).await;
        assert_eq!(world.get(domain.id()).await.status(), Status::Active);
    }
}

#[tokio::test]
async fn removal_stops_serving_at_once_and_cleans_up() {
    let world = World::new();
    let id = world.active("*.example.com").await.id();
    let name: DomainName = "a.example.com".parse().unwrap();
    let edge = world.onboarding.edge();
    assert!(edge.identity(&name).await.unwrap().is_some());
    world.onboarding.remove(&TENANT, id).await.unwrap();
    assert!(edge.identity(&name).await.unwrap().is_none());
    world.run_for(DAY).await;
    assert_eq!(world.onboarding.get(&TENANT, id).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(world.leftovers(), []);
    assert_eq!(world.store.next_due(), None);
    let last = world.onboarding.notices(&TENANT, id, 0).await.unwrap().pop().unwrap();
    assert_eq!(last.notice, Notice::Removed);

    // The name is free again, and for others nothing of before counts.
    let again = world.add_with(&OTHER, "*.example.com".parse().unwrap()).await;
    world.run_for(DAY).await;
    let again = world.onboarding.get(&OTHER, again.id()).await.unwrap();
    assert_eq!(again.status(), Status::Pending);
}

#[tokio::test]
async fn a_removal_in_the_middle_of_an_order_leaves_nothing_behind() {
    for steps in 0..12 {
        let world = World::new();
        let id = world.add("*.example.com").await.id();
        world.publish(id).await;
        let worker = world.onboarding.worker();
        for _ in 0..steps {
            worker.step().await.unwrap();
            world.clock.advance(std::time::Duration::from_millis(400));
        }
        world.onboarding.remove(&TENANT, id).await.unwrap();
        world.run_for(DAY).await;
        assert_eq!(world.leftovers(), [], "{steps}");
        assert_eq!(world.store.next_due(), None, "{steps}");
    }
}

#[tokio::test]
async fn a_claim_that_nobody_proves_goes_dormant_and_wakes_when_asked() {
    let world = World::new();
    let id = world.add("shop.example.com").await.id();
    world.run_for(DAY * 181).await;
    let lookups = world.get(id).await;
    assert_eq!(lookups.next_check_at(), None);
    assert!(matches!(lookups.waiting_on().reason, Reason::Dormant));
    assert_eq!(world.store.next_due(), None);
    world.publish(id).await;
    world.onboarding.check(&TENANT, id).await.unwrap();
    world.run_for(HOUR).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
}

#[tokio::test]
async fn no_private_key_is_stored_or_told_in_clear() {
    let world = World::new();
    let domain = world.active("shop.example.com").await;
    let name: DomainName = "shop.example.com".parse().unwrap();
    let identity = world.onboarding.edge().identity(&name).await.unwrap().unwrap();
    let secret = identity.key.expose();
    // The seed of the key, without what is the same in all keys.
    let seed = hex(&secret[secret.len() - 32..]);
    let told = format!("{identity:?} {:?} {domain:?} {:?}", world.onboarding, world.store);
    assert!(!told.contains(&seed));
    for byte_list in [format!("{secret:?}"), format!("{:?}", &secret[secret.len() - 32..])] {
        assert!(!told.contains(byte_list.trim_matches(['[', ']'])));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn notices_tell_the_whole_story_in_order() {
    let world = World::new();
    let id = world.active("shop.example.com").await.id();
    let notices = world.onboarding.notices(&TENANT, id, 0).await.unwrap();
    assert!(notices.windows(2).all(|pair| pair[0].number < pair[1].number));
    assert_eq!(notices[0].notice, Notice::Added);
    let mut status = Status::Pending;
    for numbered in &notices {
        if let Notice::StatusChanged { from, to, event } = numbered.notice {
            assert_eq!(from, status);
            assert_eq!(from.on(event), Some(to));
            status = to;
        }
    }
    assert_eq!(status, Status::Active);
    let rest = world.onboarding.notices(&TENANT, id, notices[2].number).await.unwrap();
    assert_eq!(rest, notices[3..]);
}
