use super::*;
use crate::record::{RecordData, Ttl};

fn name(text: &str) -> DnsName {
    text.parse().unwrap()
}

fn set(owner: &str, record_type: RecordType, value: &str) -> RecordSet {
    let data = RecordData::parse(record_type, value).unwrap();
    RecordSet::new(name(owner), Ttl::HOUR, [data]).unwrap()
}

fn record(owner: &str, ttl: Ttl, record_type: RecordType, value: &str) -> DnsRecord {
    DnsRecord::new(name(owner), ttl, RecordData::parse(record_type, value).unwrap())
}

fn zone() -> Zone {
    let sets = [
        set("www.example.com", RecordType::Txt, "x"),
        set("example.com", RecordType::A, "192.0.2.1"),
        set("a.www.example.com", RecordType::A, "192.0.2.3"),
        set("www.example.com", RecordType::A, "192.0.2.2"),
        set("b.example.com", RecordType::Cname, "www.example.com."),
    ];
    Zone::new(name("Example.com"), sets).unwrap()
}

fn change(before: Option<RecordSet>, after: Option<RecordSet>) -> ChangeSet {
    SetChange::new(before, after).unwrap().into()
}

#[test]
fn sets_are_sorted_by_owner_and_type() {
    let zone = zone();
    let order: Vec<_> = zone.sets().iter().map(|s| (s.name().as_str(), s.record_type())).collect();
    assert_eq!(
        order,
        [
            ("example.com", RecordType::A),
            ("b.example.com", RecordType::Cname),
            ("www.example.com", RecordType::A),
            ("www.example.com", RecordType::Txt),
            ("a.www.example.com", RecordType::A),
        ]
    );
    assert_eq!(zone.origin(), &name("example.com"));
    assert_eq!(zone.clone().into_parts(), (name("example.com"), zone.sets().to_vec()));
}

#[test]
fn a_set_is_found_by_owner_and_type() {
    let zone = zone();
    for set in zone.sets() {
        assert_eq!(zone.get(set.name(), set.record_type()), Some(set));
    }
    assert_eq!(zone.get(&name("www.example.com"), RecordType::Cname), None);
    assert_eq!(zone.get(&name("x.example.com"), RecordType::A), None);
    assert_eq!(zone.at(&name("WWW.example.com")).len(), 2);
    assert!(zone.at(&name("z.example.com")).is_empty());
    assert!(zone.at(&name("org")).is_empty());
}

#[test]
fn what_is_no_zone_is_refused() {
    let a = set("www.example.com", RecordType::A, "192.0.2.1");
    let other = set("WWW.example.com", RecordType::A, "192.0.2.2");
    let outside = set("notexample.com", RecordType::A, "192.0.2.1");
    let new = |sets: [&RecordSet; 2]| {
        Zone::new(name("example.com"), sets.map(Clone::clone)).unwrap_err().to_string()
    };
    assert_eq!(new([&a, &other]), "there are two sets of www.example.com A");
    assert_eq!(new([&a, &outside]), "notexample.com is not in zone example.com");
    let cname = |target| record("www.example.com", Ttl::HOUR, RecordType::Cname, target);
    let error = Zone::from_records(name("example.com"), [cname("a."), cname("b.")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the records of www.example.com CNAME are no set: an owner has at most one CNAME record"
    );
    assert!(Zone::new(DnsName::root(), [outside]).is_ok());
    assert!(Zone::new(name("example.com"), []).unwrap().sets().is_empty());
}

#[test]
fn records_join_to_sets_with_the_smallest_ttl() {
    let records = [
        record("example.com", Ttl::DAY, RecordType::A, "192.0.2.1"),
        record("example.com", Ttl::HOUR, RecordType::Txt, "x"),
        record("Example.com", Ttl::MINUTE, RecordType::A, "192.0.2.2"),
        record("example.com", Ttl::HOUR, RecordType::A, "192.0.2.1"),
    ];
    let zone = Zone::from_records(name("example.com"), records).unwrap();
    let set = zone.get(&name("example.com"), RecordType::A).unwrap();
    assert_eq!((set.ttl(), set.data().len()), (Ttl::MINUTE, 2));
    assert_eq!(zone.records().count(), 3);
    assert_eq!(Zone::from_records(name("example.com"), zone.records()).unwrap(), zone);
}

#[test]
fn changes_apply_to_what_they_expect() {
    let zone = zone();
    let owner = name("www.example.com");
    let before = zone.get(&owner, RecordType::A).unwrap().clone();
    let after = set("www.example.com", RecordType::A, "192.0.2.9");

    let replaced = zone.apply(&change(Some(before.clone()), Some(after.clone()))).unwrap();
    assert_eq!(replaced.get(&owner, RecordType::A), Some(&after));
    assert_eq!(replaced.sets().len(), zone.sets().len());

    let expected = before.clone().with_ttl(Ttl::DAY);
    let deleted = zone.apply(&change(Some(expected), None)).unwrap();
    assert_eq!(deleted.get(&owner, RecordType::A), None);
    assert_eq!(deleted.apply(&change(None, Some(before.clone()))).unwrap(), zone);

    for wrong in [change(None, Some(after.clone())), change(Some(after), None)] {
        let error = zone.apply(&wrong).unwrap_err();
        assert_eq!(error.to_string(), "www.example.com A is not as the change expects it");
    }
    let outside = set("example.org", RecordType::A, "192.0.2.1");
    assert!(zone.apply(&change(None, Some(outside))).is_err());
}
