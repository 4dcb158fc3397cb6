use super::*;
use crate::record::{RecordData, Ttl};

fn set(name: &str, record_type: RecordType, value: &str) -> RecordSet {
    let data = RecordData::parse(record_type, value).unwrap();
    RecordSet::new(name.parse().unwrap(), Ttl::HOUR, [data]).unwrap()
}

fn a(name: &str) -> RecordSet {
    set(name, RecordType::A, "192.0.2.1")
}

#[test]
fn a_change_keeps_owner_and_type() {
    let change = SetChange::new(None, Some(a("example.com"))).unwrap();
    assert_eq!(change.name().as_str(), "example.com");
    assert_eq!(change.record_type(), RecordType::A);
    assert_eq!((change.before(), change.after()), (None, Some(&a("example.com"))));

    for (before, after, shown) in [
        (None, None, "a change has a set before or after it"),
        (
            Some(a("a.example")),
            Some(a("b.example")),
            "a change keeps owner and type, not a.example A and b.example A",
        ),
        (
            Some(set("a.example", RecordType::Txt, "x")),
            Some(a("a.example")),
            "a change keeps owner and type, not a.example TXT and a.example A",
        ),
    ] {
        assert_eq!(SetChange::new(before, after).unwrap_err().to_string(), shown);
    }
}

#[test]
fn what_is_in_the_way_is_deleted_first() {
    let cname = set("www.example.com", RecordType::Cname, "edge.acme.app");
    let changes = [
        SetChange::new(None, Some(a("www.example.com"))).unwrap(),
        SetChange::new(None, Some(a("example.com"))).unwrap(),
        SetChange::new(Some(a("b.example.com")), Some(a("b.example.com"))).unwrap(),
        SetChange::new(Some(cname), None).unwrap(),
    ];
    let set = ChangeSet::new(changes.clone()).unwrap();
    let order: Vec<_> = set.iter().map(|c| (c.name().as_str(), c.record_type())).collect();
    assert_eq!(
        order,
        [
            ("www.example.com", RecordType::Cname),
            ("b.example.com", RecordType::A),
            ("www.example.com", RecordType::A),
            ("example.com", RecordType::A),
        ]
    );
    let mut reversed = changes;
    reversed.reverse();
    assert_eq!(ChangeSet::new(reversed).unwrap(), set);
    assert_eq!(set.clone().inverse().inverse(), set);
}

#[test]
fn one_owner_and_type_is_changed_once() {
    let add = SetChange::new(None, Some(a("example.com"))).unwrap();
    let remove = SetChange::new(Some(a("EXAMPLE.com")), None).unwrap();
    let error = ChangeSet::new([add.clone(), remove]).unwrap_err();
    assert_eq!(error.to_string(), "example.com A is changed twice");
    let text = SetChange::new(None, Some(set("example.com", RecordType::Txt, "x"))).unwrap();
    assert_eq!(ChangeSet::new([add, text]).unwrap().len(), 2);
    assert!(ChangeSet::new([]).unwrap().is_empty());
}

#[test]
fn stored_changes_are_validated_when_they_are_read() {
    let changes = ChangeSet::from(SetChange::new(None, Some(a("example.com"))).unwrap());
    let json = serde_json::to_string(&changes).unwrap();
    assert_eq!(serde_json::from_str::<ChangeSet>(&json).unwrap(), changes);
    assert!(serde_json::from_str::<SetChange>(r#"{"before":null,"after":null}"#).is_err());
}
