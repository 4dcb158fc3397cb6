use serde_json::{Value, json};

use super::*;
use crate::record::{
    RecordData, Ttl,
    fields::tests::{SAMPLE, name},
};

/// The sample reply of the published API.
fn sample_reply() -> Value {
    let mut json: Value = serde_json::from_str(SAMPLE).unwrap();
    let reply = json!({
        "@context": "c", "@id": "i", "@type": "t", "recordId": 730_915,
        "domainId": "35f4e574-a545-4cd2-b131-76f7c9a64a35", "monitorStatus": 0,
        "id": "35f4e574-a545-4cd2-b131-76f7c9a64a35:730915", "typeString": "A",
    });
    json.as_object_mut().unwrap().extend(reply.as_object().unwrap().clone());
    json
}

#[test]
fn the_published_reply_is_read_and_written() {
    let json = sample_reply();
    let reply: RecordReply = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(serde_json::to_value(&reply).unwrap(), json);
    assert_eq!(reply.id().to_string(), "35f4e574-a545-4cd2-b131-76f7c9a64a35:730915");
    assert_eq!(reply.id().record_id(), 730_915);
    assert_eq!(reply.type_number(), 0);
    assert_eq!(reply.type_string(), "A");
    assert_eq!(reply.record_type(&Profile::PUBLISHED), Some(RecordType::A));
    assert_eq!(reply.monitor_status(), MonitorStatus::Unknown);
    let zone = name("example.com");
    let record = reply.record(&zone, &Profile::PUBLISHED).unwrap();
    assert_eq!(record.to_string(), "edge.example.com. 1800 IN A 192.0.2.44");
    assert_eq!(record.comment(), Some("front end"));
}

#[test]
fn a_reply_states_every_field() {
    let zone = name("example.com");
    let fields = RecordFields::new("MX", "@", ".").with_priority(10);
    let record = fields.validate_in(&zone, &Profile::PUBLISHED).unwrap();
    let id: ReplyId = "35f4e574:7".parse().unwrap();
    let reply = RecordReply::new(id.clone(), &record, &zone, &Profile::PUBLISHED).unwrap();
    let reply = reply.with_monitor_status(MonitorStatus::Offline);
    let json = serde_json::to_value(&reply).unwrap();
    assert_eq!(
        json,
        json!({
            "id": "35f4e574:7", "recordId": 7, "domainId": "35f4e574", "type": 4, "typeString": "MX",
            "name": "@", "value": ".", "ttl": 3600, "priority": 10, "weight": 0, "port": 0,
            "flags": 0, "tag": "", "comment": null, "monitorType": 0, "monitorStatus": 2,
        })
    );
    let read: RecordReply = serde_json::from_value(json).unwrap();
    assert_eq!(read.record(&zone, &Profile::PUBLISHED), Ok(record));
    let soa = RecordData::parse(RecordType::Soa, "a. b. 1 2 3 4 5").unwrap();
    let soa = DnsRecord::new(zone.clone(), Ttl::HOUR, soa);
    let errors = RecordReply::new(id, &soa, &zone, &Profile::PUBLISHED).unwrap_err();
    assert_eq!(errors.to_string(), "/type: SOA has no number in the published profile");
}

#[test]
fn numbers_that_mean_nothing_yet_are_kept_in_a_reply() {
    let mut json = sample_reply();
    json["type"] = 99.into();
    json["typeString"] = "FUTURE".into();
    json["monitorType"] = 9.into();
    json["monitorStatus"] = 8.into();
    let reply: RecordReply = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(serde_json::to_value(&reply).unwrap(), json);
    assert_eq!(reply.record_type(&Profile::FULL), None);
    assert_eq!(reply.monitor_status(), MonitorStatus::Other(8));
    assert_eq!(reply.fields(&Profile::FULL).record_type, Some(TypeField::Number(99)));
    let errors = reply.record(&DnsName::root(), &Profile::FULL).unwrap_err();
    assert_eq!(errors.iter().next().unwrap().code(), FieldCode::UnknownType);
}

#[test]
fn a_service_may_have_what_it_does_not_let_us_write() {
    let mut json = sample_reply();
    json["type"] = 6.into();
    json["value"] = "edge.example.net".into();
    json["ttl"] = 0.into();
    let reply: RecordReply = serde_json::from_value(json).unwrap();
    let record = reply.record(&DnsName::root(), &Profile::BUNNY).unwrap();
    assert_eq!(record.to_string(), "edge. 300 IN Flatten edge.example.net.");
    let errors = reply.fields(&Profile::BUNNY).validate_with(&Profile::BUNNY).unwrap_err();
    assert_eq!(errors.iter().next().unwrap().code(), FieldCode::UnsupportedType);
}

#[test]
fn the_id_of_a_record_has_one_spelling() {
    let long = format!("{}:1", "a".repeat(256));
    for text in [
        "",
        ":",
        "a:",
        ":1",
        "a:b",
        "a:+1",
        "a:01",
        "a:-1",
        "a:1:2",
        "a b:1",
        "a\n:1",
        &long,
        "a:18446744073709551616",
    ] {
        assert!(text.parse::<ReplyId>().is_err(), "{text}");
    }
    let id: ReplyId = "a:18446744073709551615".parse().unwrap();
    assert_eq!(id, ReplyId::new("a", u64::MAX).unwrap());
    let mut json = sample_reply();
    json["recordId"] = 1.into();
    assert!(serde_json::from_value::<RecordReply>(json.clone()).is_err());
    json.as_object_mut().unwrap().remove("id");
    assert!(serde_json::from_value::<RecordReply>(json).is_ok());
}
