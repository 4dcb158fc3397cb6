//! Tenants that ask for what is not theirs, and races.

use nameplate::{
    DnsProvider as _, Domain, RecordData, RecordType,
    domain::{NewDomain, RecordState},
    engine::{Notice, Policy},
    error::{Error, ErrorKind},
    record::FieldErrors,
};

use super::{create, fields, held, set, there, zone};
use crate::common::{MINUTE, OTHER, TENANT, World, dns};

/// A name that another tenant holds.
async fn theirs(world: &World, name: &str) -> Domain {
    let wanted: NewDomain = name.parse().unwrap();
    let domain = world.add_with(&OTHER, wanted).await;
    let proof = world.onboarding.instructions(&OTHER, domain.id()).await.unwrap().remove(0);
    world.publish_one(&proof);
    world.run_for(MINUTE).await;
    let domain = world.onboarding.get(&OTHER, domain.id()).await.unwrap();
    assert!(domain.status().holds(), "{}", domain.waiting_on());
    domain
}

#[tokio::test]
async fn proofs_are_not_written_for_whom_they_are_to_convince() {
    let (world, domain) = held().await;
    let before = zone(&world);
    let token = "0123456789abcdef".repeat(4);
    for (name, text) in [
        ("_plat-challenge", "text".to_owned()),
        // Of the wildcard of the same name, and of names below, whoever claims them.
        ("_plat-wildcard-challenge", "text".to_owned()),
        ("_plat-challenge.pay", "text".to_owned()),
        ("\\095PLAT-challenge.pay", "text".to_owned()),
        ("*._plat-challenge.pay", "text".to_owned()),
        // A wildcard answers for names that do not exist.
        ("*", token.clone()),
        ("*", format!("token={token}")),
        ("*.pay", format!("\"TOKEN={}\" \"{} expiry=never\"", &token[..32], &token[32..])),
    ] {
        let error = create(&world, &domain, &fields("TXT", name, &text)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{name}: {error}");
        assert!(error.message().contains("kept for proofs"), "{name}: {error}");
    }
    assert_eq!(zone(&world), before);
    // The same text says nothing elsewhere.
    create(&world, &domain, &fields("TXT", "note", &token)).await.unwrap();
    create(&world, &domain, &fields("TXT", "*", "text")).await.unwrap();
}

#[tokio::test]
async fn markers_are_not_written_for_tenants() {
    let (world, domain) = held().await;
    let before = zone(&world);
    let marker = "heritage=nameplate,owner=0,type=A,data=4b8feb9364512928546debfc76c9ecc0";
    for name in
        ["_plat-records", "\\095plat-records.api", "_PLAT-Records", "_plat-records-wildcard"]
    {
        for (record_type, value) in [("TXT", marker), ("A", "192.0.2.7"), ("CNAME", "example.net")]
        {
            let error = create(&world, &domain, &fields(record_type, name, value)).await;
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{name} {record_type}: {error}");
        }
    }
    assert_eq!(zone(&world), before);
}

#[tokio::test]
async fn a_wildcard_says_nothing_about_the_name_that_it_is_below() {
    let world = World::new();
    let domain = world.active("*.example.com").await;
    // A key by which mail of `example.com` is signed, and others of that kind.
    for name in ["mail._domainkey", "*._domainkey", "_443._tcp", "a.b._dmarc"] {
        let error = create(&world, &domain, &fields("TXT", name, "text")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{name}: {error}");
    }
    create(&world, &domain, &fields("TXT", "mail._domainkey.www", "text")).await.unwrap();
}

#[tokio::test]
async fn a_name_and_the_wildcard_below_it_are_two_names() {
    let world = World::new();
    let domain = world.active("shop.example.com").await;
    let wildcard = theirs(&world, "*.shop.example.com").await;
    create(&world, &domain, &fields("TXT", "_dmarc", "text")).await.unwrap();
    for name in ["www", "*", "_dmarc.www"] {
        let error = create(&world, &domain, &fields("TXT", name, "text")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{name}: {error}");
    }
    let records = world.onboarding.records(&OTHER, wildcard.id());
    let change = records.create(&fields("TXT", "www", "text")).await.unwrap();
    assert_eq!(change.apply().await.unwrap().state(), RecordState::Present);
}

#[tokio::test]
async fn a_zone_below_is_somebody_elses_until_it_is_claimed() {
    let (world, domain) = held().await;
    world.dns.host(dns("pay.shop.example.com"));
    for name in ["pay", "www.pay"] {
        let error = create(&world, &domain, &fields("A", name, "192.0.2.7")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{name}: {error}");
        assert!(error.message().contains("another zone"), "{error}");
    }
    assert_eq!(world.dns.records(&dns("pay.shop.example.com")), []);
    create(&world, &domain, &fields("A", "paying", "192.0.2.7")).await.unwrap();
}

#[tokio::test]
async fn names_of_the_platform_are_not_the_tenants_whose_zone_they_are_in() {
    let world = World::new();
    let allowed = ["test"].map(dns);
    let claims = nameplate::name::ClaimPolicy::new().with_allowed(allowed);
    let claims = claims.with_reserved([dns("app.platform.test")]);
    let onboarding = world.process_with_claims(claims);
    let domain = onboarding.add(&TENANT, "platform.test".parse().unwrap()).await.unwrap();
    world.publish_one(&onboarding.instructions(&TENANT, domain.id()).await.unwrap()[0]);
    onboarding.check(&TENANT, domain.id()).await.unwrap();
    let records = onboarding.records(&TENANT, domain.id());
    for name in ["app", "www.app", "_dmarc.app", "0.acme"] {
        let error = records.create(&fields("TXT", name, "text")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{name}: {error}");
    }
    let change = records.create(&fields("TXT", "apps", "text")).await.unwrap();
    assert_eq!(change.plan().changes().len(), 2);
}

#[tokio::test]
async fn two_records_that_break_each_other_are_not_both_taken() {
    let (world, domain) = held().await;
    let other = world.process((|s| s, |r| r, |d| d, |c| c));
    let here = world.onboarding.records(&TENANT, domain.id());
    let there_too = other.records(&TENANT, domain.id());
    let first = here.create(&fields("CNAME", "api", "edge.example.net")).await.unwrap();
    let second = there_too.create(&fields("CNAME", "api", "other.example.net")).await.unwrap();
    let third = there_too.create(&fields("A", "api", "192.0.2.7")).await.unwrap();
    // It waits for the provider, and is not given up because of those that come later.
    world.dns.fail_next(ErrorKind::Unavailable);
    assert_eq!(first.apply().await.unwrap().state(), RecordState::Creating);
    for (late, code) in [(second, "cname_multiple"), (third, "cname_with_other_data")] {
        let error = late.apply().await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Refused, Some(code)), "{error}");
    }
    let error = here.create(&fields("CNAME", "api", "third.example.net")).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Refused, Some("cname_multiple")));
    world.run_for(MINUTE).await;
    let list = here.list().await.unwrap();
    assert_eq!((list.len(), list[0].state()), (1, RecordState::Present));
}

#[tokio::test]
async fn what_the_provider_cannot_find_is_not_taken_for_gone() {
    let (world, domain) = held().await;
    let before = zone(&world);
    create(&world, &domain, &fields("A", "api", "192.0.2.7")).await.unwrap();
    world.onboarding.remove(&TENANT, domain.id()).await.unwrap();
    for _ in 0..6 {
        world.dns.fail_next(ErrorKind::NotFound);
        world.run_for(MINUTE * 12).await;
    }
    world.run_for(MINUTE * 60).await;
    assert_eq!(zone(&world), before);
    assert_eq!(world.store.next_due(), None);
}

#[tokio::test]
async fn a_zone_that_is_gone_keeps_nobody_waiting() {
    let (world, domain) = held().await;
    let records = world.onboarding.records(&TENANT, domain.id());
    let one = create(&world, &domain, &fields("A", "api", "192.0.2.7")).await.unwrap();
    create(&world, &domain, &fields("A", "api", "192.0.2.8")).await.unwrap();
    let change = records.remove(one.id()).await.unwrap();
    world.dns.unhost(&dns("example.com"));
    change.apply().await.unwrap();
    // What stays is listed; nothing is looked after for it.
    let list = records.list().await.unwrap();
    assert_eq!((list.len(), list[0].state()), (1, RecordState::Present));
    let error = records.create(&fields("A", "www", "192.0.2.7")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition, "{error}");
    world.onboarding.remove(&TENANT, domain.id()).await.unwrap();
    world.run_for(MINUTE * 60).await;
    assert_eq!(world.store.next_due(), None);
}

#[tokio::test]
async fn what_is_stored_with_a_domain_has_a_limit() {
    let mut policy = Policy::new();
    (policy.max_records, policy.max_record_bytes) = (4, 1000);
    let world = World::with_policy(policy);
    let domain = world.active("shop.example.com").await;
    let long = "x".repeat(400);
    create(&world, &domain, &fields("TXT", "one", &long)).await.unwrap();
    let two = create(&world, &domain, &fields("TXT", "two", &long)).await.unwrap();
    let error = create(&world, &domain, &fields("TXT", "three", &long)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Quota, "{error}");
    // What takes the place of a record counts, and what it takes the place of does not.
    let records = world.onboarding.records(&TENANT, domain.id());
    let change = records.update(two.id(), &fields("TXT", "two", &"y".repeat(400))).await;
    change.unwrap().apply().await.unwrap();
    records.remove(two.id()).await.unwrap().apply().await.unwrap();

    // Names are looked after once more when records there were removed.
    for number in 0..3 {
        let name = format!("n{number}");
        let record = create(&world, &domain, &fields("TXT", &name, "text")).await.unwrap();
        records.remove(record.id()).await.unwrap().apply().await.unwrap();
    }
    let error = create(&world, &domain, &fields("TXT", "more", "text")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited, "{error}");
    assert!(error.retry_after().is_some());
    world.run_for(MINUTE * 11).await;
    create(&world, &domain, &fields("TXT", "more", "text")).await.unwrap();
}

#[tokio::test]
async fn a_record_without_its_marker_is_nobodys_to_remove() {
    let (world, domain) = held().await;
    let record = create(&world, &domain, &fields("A", "api", "192.0.2.7")).await.unwrap();
    world.dns.remove(&dns("_plat-records.api.shop.example.com"), RecordType::Txt).unwrap();
    let records = world.onboarding.records(&TENANT, domain.id());
    records.remove(record.id()).await.unwrap().apply().await.unwrap();
    world.run_for(MINUTE * 30).await;
    assert_eq!(records.list().await.unwrap(), []);
    let left = there(&world, "api.shop.example.com", RecordType::A).await;
    assert_eq!(left, Some(set("api.shop.example.com", RecordType::A, &["192.0.2.7"])));
}

#[tokio::test]
async fn a_request_hears_of_all_its_problems_at_once() {
    let (world, domain) = held().await;
    let records = world.onboarding.records(&TENANT, domain.id());
    let json =
        r#"{"type":"A","name":"www.example.net.","value":7,"ttl":1,"priority":1,"proxied":true}"#;
    let error: Error = records.read_json(json).await.unwrap_err();
    let problems: &FieldErrors = std::error::Error::source(&error).unwrap().downcast_ref().unwrap();
    let told: Vec<_> = problems.iter().map(|it| (it.pointer(), it.code().as_str())).collect();
    assert_eq!(
        told,
        [
            ("/name", "outside_zone"),
            ("/value", "wrong_type"),
            ("/ttl", "out_of_range"),
            ("/priority", "not_allowed"),
            ("/proxied", "unknown_field"),
        ]
    );
    let json =
        r#"{"type":4,"name":"post","value":"mx.example.net","priority":10,"comment":"mail"}"#;
    let fields = records.read_json(json).await.unwrap();
    let change = records.create(&fields).await.unwrap();
    let data = RecordData::parse(RecordType::Mx, "10 mx.example.net.").unwrap();
    assert!(change.records().iter().any(|record| *record.data() == data));
    drop(change);
    let error = world.onboarding.records(&OTHER, domain.id()).read_json(json).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(world.dns.zone_of(&dns("example.com")).await.is_ok());
}

#[tokio::test]
async fn records_go_when_somebody_else_comes_to_hold_the_name_that_they_are_at() {
    let (world, domain) = held().await;
    let kept = create(&world, &domain, &fields("A", "www", "192.0.2.7")).await.unwrap();
    let before = zone(&world);
    for name in ["api", "v1.api", "_dmarc.api"] {
        create(&world, &domain, &fields("TXT", name, "ours")).await.unwrap();
    }
    // What others have there stays.
    let foreign = set("api.shop.example.com", RecordType::A, &["198.51.100.1"]);
    world.dns.set(foreign.clone()).unwrap();
    let theirs = theirs(&world, "api.shop.example.com").await;

    world.run_for(MINUTE).await;
    let records = world.onboarding.records(&TENANT, domain.id());
    let left: Vec<_> = records.list().await.unwrap().iter().map(|record| record.id()).collect();
    assert_eq!(left, [kept.id()]);
    world.dns.remove(foreign.name(), RecordType::A);
    world.dns.remove(&theirs.challenge().owner, RecordType::Txt);
    assert_eq!(zone(&world), before);
    let told = world.onboarding.notices(&TENANT, domain.id(), 0).await.unwrap();
    let refused = told.iter().filter(|it| matches!(it.notice, Notice::RecordRefused { .. }));
    assert_eq!(refused.count(), 3);
    assert!(!format!("{told:?}").contains(&theirs.id().to_string()));
}

#[tokio::test]
async fn what_waited_for_the_provider_is_not_written_at_a_name_that_is_somebody_elses_by_then() {
    let (world, domain) = held().await;
    let records = world.onboarding.records(&TENANT, domain.id());
    let change = records.create(&fields("TXT", "api", "ours")).await.unwrap();
    world.dns.fail_next(ErrorKind::Unavailable);
    let record = change.apply().await.unwrap();
    assert_eq!(record.state(), RecordState::Creating);
    let theirs = theirs(&world, "api.shop.example.com").await;
    world.run_for(MINUTE * 30).await;
    assert_eq!(there(&world, "api.shop.example.com", RecordType::Txt).await, None);
    assert_eq!(records.list().await.unwrap(), []);
    assert!(world.onboarding.get(&OTHER, theirs.id()).await.unwrap().status().holds());
}
