//! Records that tenants manage through us, at a DNS provider in memory.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

mod common;
#[path = "managed/histories.rs"]
mod histories;
#[path = "managed/hostile.rs"]
mod hostile;
#[path = "managed/late.rs"]
mod late;

use std::error::Error as _;

use common::{MINUTE, OTHER, TENANT, World, dns};
use nameplate::{
    DnsProvider, RecordData, RecordSet, RecordType,
    dns::Capabilities,
    domain::{Domain, ManagedRecord, RecordState},
    engine::Notice,
    error::{Error, ErrorKind},
    record::{FieldErrors, RecordFields, Ttl},
};

const ZONE: &str = "example.com";

fn fields(record_type: &str, name: &str, value: &str) -> RecordFields {
    RecordFields::new(record_type, name, value)
}

fn set(name: &str, record_type: RecordType, values: &[&str]) -> RecordSet {
    let data = values.iter().map(|value| RecordData::parse(record_type, value).unwrap());
    RecordSet::new(dns(name), Ttl::HOUR, data).unwrap()
}

/// A world with a domain that its tenant holds, in a zone at the provider.
async fn held() -> (World, Domain) {
    let world = World::new();
    let domain = world.active("shop.example.com").await;
    (world, domain)
}

async fn create(
    world: &World,
    domain: &Domain,
    fields: &RecordFields,
) -> Result<ManagedRecord, Error> {
    world.onboarding.records(&TENANT, domain.id()).create(fields).await?.apply().await
}

async fn there(world: &World, name: &str, record_type: RecordType) -> Option<RecordSet> {
    world.dns.record_set(&dns(ZONE), &dns(name), record_type).await.unwrap()
}

/// What the zone has, line by line.
fn zone(world: &World) -> Vec<String> {
    let sets = world.dns.records(&dns(ZONE));
    sets.iter().flat_map(RecordSet::records).map(|record| record.to_string()).collect()
}

#[tokio::test]
async fn a_created_record_is_at_the_provider_and_returned() {
    let (world, domain) = held().await;
    let wanted = fields("A", "api", "192.0.2.7").with_ttl(600).with_weight(3).with_comment("front");
    let record = create(&world, &domain, &wanted).await.unwrap();

    assert_eq!(record.state(), RecordState::Present);
    assert_eq!(record.record().name(), &dns("api.shop.example.com"));
    assert_eq!((record.record().weight(), record.record().comment()), (Some(3), Some("front")));
    let set = there(&world, "api.shop.example.com", RecordType::A).await.unwrap();
    assert_eq!(
        (set.data(), set.ttl().as_secs()),
        ([record.record().data().clone()].as_slice(), 600)
    );
    let listed = world.onboarding.records(&TENANT, domain.id()).list().await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&record));
    let notices = world.onboarding.notices(&TENANT, domain.id(), 0).await.unwrap();
    let told = Notice::RecordWritten { record: record.id() };
    assert_eq!(notices.iter().filter(|numbered| numbered.notice == told).count(), 1);
}

#[tokio::test]
async fn a_plan_is_shown_before_anything_changes() {
    let (world, domain) = held().await;
    let before = zone(&world);
    let records = world.onboarding.records(&TENANT, domain.id());
    let change = records.create(&fields("TXT", "note", "hello")).await.unwrap();
    let shown = change.to_string();
    assert!(shown.contains("+ note.shop.example.com. 3600 IN TXT \"hello\""), "{shown}");
    assert!(shown.contains("+ _plat-records.note.shop.example.com. "), "{shown}");
    assert_eq!(change.plan().changes().len(), 2);
    drop(change);
    assert_eq!(zone(&world), before);
    assert_eq!(records.list().await.unwrap(), []);
}

#[tokio::test]
async fn an_update_keeps_the_id_and_tells_a_change_of_the_ttl_alone() {
    let (world, domain) = held().await;
    let records = world.onboarding.records(&TENANT, domain.id());
    let created = create(&world, &domain, &fields("A", "api", "192.0.2.7")).await.unwrap();

    let change = records.update(created.id(), &fields("A", "api", "192.0.2.7").with_ttl(60)).await;
    let change = change.unwrap();
    let ttl_only = change.plan().records();
    assert!(
        matches!(&ttl_only[..], [nameplate::zone::Change::Update { ttl_only: true, .. }]),
        "{ttl_only:?}"
    );
    assert_eq!(change.apply().await.unwrap().id(), created.id());

    let change = records.update(created.id(), &fields("A", "api", "192.0.2.8")).await.unwrap();
    let updated = change.apply().await.unwrap();
    assert_eq!((updated.id(), updated.state()), (created.id(), RecordState::Present));
    let set = there(&world, "api.shop.example.com", RecordType::A).await.unwrap();
    assert_eq!(set, self::set("api.shop.example.com", RecordType::A, &["192.0.2.8"]));
    for other in [fields("A", "www", "192.0.2.8"), fields("TXT", "api", "text")] {
        let error = records.update(created.id(), &other).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
}

#[tokio::test]
async fn a_removed_record_takes_its_marker_with_it_and_nothing_else() {
    let (world, domain) = held().await;
    world.dns.set(set("api.shop.example.com", RecordType::Txt, &["theirs"])).unwrap();
    let before = zone(&world);
    let ours = create(&world, &domain, &fields("TXT", "api", "ours")).await.unwrap();
    let mail = fields("MX", "api", "mx.example.net").with_priority(5);
    let also = create(&world, &domain, &mail).await.unwrap();
    assert_eq!(zone(&world).len(), before.len() + 4);

    let records = world.onboarding.records(&TENANT, domain.id());
    let removed = records.remove(also.id()).await.unwrap().apply().await.unwrap();
    assert_eq!(removed.id(), also.id());
    assert_eq!(zone(&world).len(), before.len() + 2);
    records.remove(ours.id()).await.unwrap().apply().await.unwrap();
    assert_eq!(zone(&world), before);
    assert_eq!(records.list().await.unwrap(), []);
    assert_eq!(records.get(ours.id()).await.unwrap_err().kind(), ErrorKind::NotFound);
    let gone = records.remove(ours.id()).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn all_that_is_wrong_with_the_fields_is_said_at_once() {
    let (world, domain) = held().await;
    let before = zone(&world);
    let wrong = fields("A", "api", "300.1.1.1").with_ttl(1).with_priority(5);
    let error = create(&world, &domain, &wrong).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let fields: &FieldErrors = error.source().unwrap().downcast_ref().unwrap();
    let pointers: Vec<_> = fields.iter().map(|field| field.pointer()).collect();
    assert_eq!(pointers.len(), 3, "{pointers:?}");
    assert_eq!(zone(&world), before);
}

#[tokio::test]
async fn records_of_others_are_never_touched() {
    let (world, domain) = held().await;
    world.dns.set(set("api.shop.example.com", RecordType::A, &["192.0.2.99"])).unwrap();
    world.dns.set(set("old.shop.example.com", RecordType::Cname, &["other.example.net."])).unwrap();
    let before = zone(&world);
    for (wanted, code) in [
        (fields("A", "api", "192.0.2.7"), "foreign"),
        (fields("A", "api", "192.0.2.99"), "unmanaged"),
        (fields("CNAME", "api", "edge.example.net"), "cname_beside"),
        (fields("TXT", "old", "text"), "beside_cname"),
    ] {
        let records = world.onboarding.records(&TENANT, domain.id());
        let change = records.create(&wanted).await.unwrap();
        assert_eq!(change.plan().conflicts().len(), 1, "{change}");
        let error = change.apply().await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Refused, Some(code)), "{error}");
        assert_eq!(zone(&world), before);
        assert_eq!(records.list().await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_record_that_somebody_changed_is_theirs() {
    let (world, domain) = held().await;
    let ours = create(&world, &domain, &fields("A", "api", "192.0.2.7")).await.unwrap();
    let theirs = set("api.shop.example.com", RecordType::A, &["192.0.2.99"]);
    world.dns.set(theirs.clone()).unwrap();
    let records = world.onboarding.records(&TENANT, domain.id());
    records.remove(ours.id()).await.unwrap().apply().await.unwrap();
    assert_eq!(there(&world, "api.shop.example.com", RecordType::A).await, Some(theirs));
    let marker = there(&world, "_plat-records.api.shop.example.com", RecordType::Txt).await;
    assert_eq!(marker, None);
}

#[tokio::test]
async fn names_that_are_not_the_tenants_are_refused() {
    let (world, domain) = held().await;
    let before = zone(&world);
    for (name, kind) in [
        ("www.example.com.", ErrorKind::Invalid),
        ("_plat-challenge", ErrorKind::Invalid),
        ("example.net.", ErrorKind::Invalid),
    ] {
        let error = create(&world, &domain, &fields("TXT", name, "text")).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{name}: {error}");
    }
    // A name below it that another tenant has proved.
    let theirs = world.add_with(&OTHER, "pay.shop.example.com".parse().unwrap()).await;
    for instruction in world.onboarding.instructions(&OTHER, theirs.id()).await.unwrap() {
        world.publish_one(&instruction);
    }
    world.run_for(MINUTE).await;
    let before_theirs = zone(&world);
    for name in ["pay", "x.pay", "_dmarc.pay"] {
        let error = create(&world, &domain, &fields("TXT", name, "text")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{name}: {error}");
    }
    assert_eq!(zone(&world), before_theirs);
    assert!(before.len() < before_theirs.len());

    // Another tenant's domain is not there.
    let records = world.onboarding.records(&OTHER, domain.id());
    assert_eq!(records.list().await.unwrap_err().kind(), ErrorKind::NotFound);
    let error = records.create(&fields("TXT", "@", "text")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_name_that_is_not_proved_has_no_records() {
    let world = World::new();
    let domain = world.add("shop.example.com").await;
    let error = create(&world, &domain, &fields("TXT", "@", "text")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition, "{error}");
    assert_eq!(zone(&world), Vec::<String>::new());
}

#[tokio::test]
async fn a_wildcard_covers_what_is_below_it_and_not_the_name_itself() {
    let world = World::new();
    let domain = world.active("*.example.com").await;
    create(&world, &domain, &fields("TXT", "www", "text")).await.unwrap();
    for name in ["@", "_dmarc", "_443._tcp"] {
        let error = create(&world, &domain, &fields("TXT", name, "text")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{name}: {error}");
    }
}

#[tokio::test]
async fn records_that_would_break_each_other_are_refused() {
    let (world, domain) = held().await;
    world.dns.set(set("mail.shop.example.com", RecordType::Txt, &["\"v=spf1 mx -all\""])).unwrap();
    let before = zone(&world);
    let records = world.onboarding.records(&TENANT, domain.id());
    let change = records.create(&fields("TXT", "mail", "v=spf1 -all")).await.unwrap();
    let codes: Vec<_> = change.findings().iter().map(|finding| finding.code().as_str()).collect();
    assert_eq!((codes, change.records().len()), (vec!["spf_multiple"], 2));
    assert!(change.to_string().contains("? "), "{change}");
    let error = change.apply().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Refused, Some("spf_multiple")), "{error}");
    assert_eq!(zone(&world), before);
    // What is unwise and works is said and done.
    let change = records.create(&fields("A", "lan", "10.0.0.1")).await.unwrap();
    assert_eq!(change.findings().len(), 1, "{change}");
    change.apply().await.unwrap();
}

#[tokio::test]
async fn records_can_be_removed_although_somebody_stands_in_the_way() {
    let (world, domain) = held().await;
    let records = world.onboarding.records(&TENANT, domain.id());
    let first = create(&world, &domain, &fields("A", "api", "192.0.2.7")).await.unwrap();
    let second = create(&world, &domain, &fields("TXT", "api", "text")).await.unwrap();
    // By hand: both go, and a CNAME takes their place.
    world.dns.remove(&dns("api.shop.example.com"), RecordType::A).unwrap();
    world.dns.remove(&dns("api.shop.example.com"), RecordType::Txt).unwrap();
    let theirs = set("api.shop.example.com", RecordType::Cname, &["other.example.net."]);
    world.dns.set(theirs.clone()).unwrap();

    let removed = records.remove(first.id()).await.unwrap().apply().await.unwrap();
    assert_eq!(removed.state(), RecordState::Removing);
    assert_eq!(removed.failure().unwrap().code.as_deref(), Some("beside_cname"));
    records.remove(second.id()).await.unwrap().apply().await.unwrap();
    world.run_for(MINUTE * 60).await;
    assert_eq!(records.list().await.unwrap(), []);
    let name = dns("api.shop.example.com");
    let mut left = world.dns.records(&dns(ZONE));
    left.retain(|set| set.name().is_within(&name));
    assert_eq!(left, [theirs]);
}

#[tokio::test]
async fn a_service_that_is_away_is_waited_for() {
    let (world, domain) = held().await;
    let records = world.onboarding.records(&TENANT, domain.id());
    let change = records.create(&fields("A", "api", "192.0.2.7")).await.unwrap();
    world.dns.fail_next(ErrorKind::Unavailable);
    let record = change.apply().await.unwrap();
    assert_eq!(record.state(), RecordState::Creating);
    assert_eq!(record.failure().unwrap().kind, ErrorKind::Unavailable);
    assert_eq!(there(&world, "api.shop.example.com", RecordType::A).await, None);
    world.run_for(MINUTE * 10).await;
    assert_eq!(records.get(record.id()).await.unwrap().state(), RecordState::Present);
    assert!(there(&world, "api.shop.example.com", RecordType::A).await.is_some());
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_record() {
    let (world, domain) = held().await;
    let before = zone(&world).len();
    let tapped = world.onboarding.records(&TENANT, domain.id());
    let change = tapped.create(&fields("TXT", "api", "text")).await.unwrap();
    world.dns.fail_next_after(ErrorKind::Unknown);
    let record = change.apply().await.unwrap();
    world.run_for(MINUTE * 10).await;
    assert_eq!(tapped.get(record.id()).await.unwrap().state(), RecordState::Present);
    assert_eq!(zone(&world).len(), before + 2);
}

#[tokio::test]
async fn a_record_that_the_provider_refuses_is_given_up() {
    let (world, domain) = held().await;
    let before = zone(&world);
    let records = world.onboarding.records(&TENANT, domain.id());
    // A zone has one SOA record and no CNAME at its top; here the service says no for its own reasons.
    let change = records.create(&fields("A", "api", "192.0.2.7")).await.unwrap();
    world.dns.fail_next(ErrorKind::Refused);
    let error = change.apply().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    world.run_for(MINUTE * 30).await;
    assert_eq!(zone(&world), before);
    assert_eq!(records.list().await.unwrap(), []);

    let present = create(&world, &domain, &fields("A", "api", "192.0.2.7")).await.unwrap();
    let change = records.update(present.id(), &fields("A", "api", "192.0.2.8")).await.unwrap();
    world.dns.fail_next(ErrorKind::Denied);
    assert_eq!(change.apply().await.unwrap_err().kind(), ErrorKind::Denied);
    world.run_for(MINUTE * 30).await;
    let kept = records.get(present.id()).await.unwrap();
    assert_eq!((kept.state(), kept.record()), (RecordState::Present, present.record()));
    let there = there(&world, "api.shop.example.com", RecordType::A).await.unwrap();
    assert!(there.contains(present.record().data()));
}

#[tokio::test]
async fn the_same_record_is_not_created_twice_and_not_without_end() {
    let (world, domain) = held().await;
    let first = create(&world, &domain, &fields("A", "api", "192.0.2.7")).await.unwrap();
    let error = create(&world, &domain, &fields("A", "API", "192.0.2.7")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(error.subject(), Some(first.id().to_string().as_str()));
    for number in 1..100 {
        let value = format!("192.0.2.{number}");
        create(&world, &domain, &fields("A", "many", &value)).await.unwrap();
    }
    let error = create(&world, &domain, &fields("A", "many", "192.0.2.200")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Quota, "{error}");
}

#[tokio::test]
async fn a_domain_that_is_removed_takes_its_records_along() {
    let (world, domain) = held().await;
    world.dns.set(set("api.shop.example.com", RecordType::Txt, &["theirs"])).unwrap();
    let before = zone(&world);
    create(&world, &domain, &fields("TXT", "api", "ours")).await.unwrap();
    create(&world, &domain, &fields("A", "www", "192.0.2.7")).await.unwrap();
    world.onboarding.remove(&TENANT, domain.id()).await.unwrap();
    world.run_for(MINUTE * 60).await;
    assert_eq!(zone(&world), before);
    assert_eq!(world.store.next_due(), None);
}

#[tokio::test]
async fn a_service_that_changes_one_set_after_the_other_leaves_no_record_unmarked() {
    let (mut world, _) = held().await;
    world.dns = world.dns.clone().with_capabilities(Capabilities::new(false, Ttl::MINUTE));
    let onboarding = world.process((|s| s, |r| r, |d| d, |c| c));
    let domain = onboarding.list(&TENANT, None).await.unwrap().domains.remove(0);
    let before = zone(&world);
    let records = onboarding.records(&TENANT, domain.id());
    let change = records.create(&fields("A", "api", "192.0.2.7")).await.unwrap();
    let record = change.apply().await.unwrap();
    assert_eq!(zone(&world).len(), before.len() + 2);
    let change = records.update(record.id(), &fields("A", "api", "192.0.2.8")).await.unwrap();
    change.apply().await.unwrap();
    assert_eq!(zone(&world).len(), before.len() + 2);
    records.remove(record.id()).await.unwrap().apply().await.unwrap();
    assert_eq!(zone(&world), before);
}
