use super::*;
use crate::record::RecordData;

fn name(text: &str) -> DnsName {
    text.parse().unwrap()
}

fn set(owner: &str, record_type: RecordType, text: &str) -> RecordSet {
    let data = RecordData::parse(record_type, text).unwrap();
    RecordSet::new(name(owner), Ttl::HOUR, [data]).unwrap()
}

fn add(set: RecordSet) -> ChangeSet {
    SetChange::new(None, Some(set)).unwrap().into()
}

#[tokio::test]
async fn error_that_took_effect_is_seen_by_reading() {
    let (dns, zone) = (InMemoryDns::new([name("example.com")]), name("example.com"));
    let txt = set("a.example.com", RecordType::Txt, "x");
    dns.fail_next_after(ErrorKind::Unknown);
    let error = dns.apply(&zone, &add(txt.clone())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown);
    assert_eq!(dns.records(&zone), [txt]);

    let other = set("b.example.com", RecordType::Txt, "x");
    dns.fail_next(ErrorKind::Unavailable);
    assert!(dns.apply(&zone, &add(other.clone())).await.is_err());
    assert_eq!(dns.record_set(&zone, other.name(), RecordType::Txt).await.unwrap(), None);
    assert_eq!(dns.applied(), 1);
}

#[tokio::test]
async fn deepest_zone_holds_a_name_and_the_one_above_does_not() {
    let dns = InMemoryDns::new([name("example.com"), name("a.example.com")]);
    let zone = dns.zone_of(&name("b.a.example.com")).await.unwrap();
    assert_eq!(zone, Some(name("a.example.com")));
    dns.set(set("b.a.example.com", RecordType::A, "192.0.2.1")).unwrap();
    assert_eq!(dns.records(&name("example.com")), []);
    assert_eq!(dns.records(&name("a.example.com")).len(), 1);
    dns.unhost(&name("a.example.com"));
    let zone = dns.zone_of(&name("b.a.example.com")).await.unwrap();
    assert_eq!(zone, Some(name("example.com")));
}

#[test]
fn top_of_a_zone_keeps_what_makes_it_a_zone() {
    let dns = InMemoryDns::new([name("example.com")]);
    let refused = |result: Result<()>| result.unwrap_err().kind() == ErrorKind::Refused;
    let soa = "ns.example.com. host.example.com. 1 7200 3600 1209600 900";
    dns.set(set("example.com", RecordType::Soa, soa)).unwrap();
    assert!(refused(dns.set(set("a.example.com", RecordType::Soa, soa))));
    assert!(refused(dns.set(set("example.com", RecordType::Cname, "b.example.com"))));
    let elsewhere = dns.set(set("example.org", RecordType::A, "192.0.2.1")).unwrap_err();
    assert_eq!(elsewhere.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn change_that_is_refused_takes_the_others_back() {
    let (dns, zone) = (InMemoryDns::new([name("example.com")]), name("example.com"));
    let old = set("a.example.com", RecordType::Txt, "old");
    dns.set(old.clone()).unwrap();
    let changes = ChangeSet::new([
        SetChange::new(Some(old.clone()), None).unwrap(),
        SetChange::new(None, Some(set("b.example.com", RecordType::A, "192.0.2.1"))).unwrap(),
        SetChange::new(None, Some(set("b.example.com", RecordType::Cname, "c.example"))).unwrap(),
    ]);
    let applied = dns.apply(&zone, &changes.unwrap()).await.unwrap();
    let [Applied::Skipped, Applied::Skipped, Applied::Refused(error)] = applied.as_slice() else {
        panic!("{applied:?}");
    };
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(dns.records(&zone), [old]);
}

#[test]
fn set_by_hand_replaces_what_is_there() {
    let dns = InMemoryDns::new([]);
    dns.host(name("example.com"));
    dns.set(set("a.example.com", RecordType::Txt, "one")).unwrap();
    dns.set(set("a.example.com", RecordType::Txt, "two")).unwrap();
    let there = dns.remove(&name("a.example.com"), RecordType::Txt);
    assert_eq!(there, Some(set("a.example.com", RecordType::Txt, "two")));
    assert_eq!(dns.remove(&name("a.example.com"), RecordType::Txt), None);
    assert_eq!(dns.remove(&name("a.example.org"), RecordType::Txt), None);
}
