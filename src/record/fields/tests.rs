use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};

use super::*;
use crate::record::{Caa, MonitorStatus, RecordData, Txt};

/// The sample request of the published API, which breaks the API's own matrix.
const SAMPLE: &str = r#"{"type":0,"ttl":1800,"value":"192.0.2.44","name":"edge","weight":0,"priority":5,"port":0,"flags":0,"tag":"iodef","monitorType":0,"comment":"front end"}"#;

/// The matrix as the published document has it: types, and the fields that only they take.
const MATRIX: &[(&[&str], &[&str])] = &[
    (&["A", "AAAA", "CNAME"], &["monitor_type", "weight"]),
    (&["CAA"], &["flags", "tag"]),
    (&["MX"], &["priority"]),
    (&["SRV"], &["priority", "weight", "port"]),
    (&["TXT", "NS", "PTR", "Redirect", "Flatten", "PullZone", "Script"], &[]),
];

/// The numbers that the published document gives the types.
const NUMBERS: [&str; 13] = [
    "A", "AAAA", "CNAME", "TXT", "MX", "Redirect", "Flatten", "PullZone", "SRV", "CAA", "PTR",
    "Script", "NS",
];

/// The fields that not every type has.
const SPECIAL: [&str; 6] = ["monitor_type", "weight", "priority", "port", "flags", "tag"];

fn name(text: &str) -> DnsName {
    text.parse().unwrap()
}

fn value_of(record_type: &str) -> &'static str {
    match record_type {
        "A" => "192.0.2.44",
        "AAAA" => "2001:db8::44",
        "TXT" => "v=spf1 -all",
        "CAA" => "letsencrypt.org",
        "HTTPS" | "SVCB" => "svc.example.net alpn=h2",
        "Redirect" => "https://www.example.com/",
        "PullZone" | "Script" => "shop",
        _ => "host.example.net",
    }
}

/// Returns a request that is right, with the type as it is given.
fn request(record_type: &str, stated: impl Into<Value>) -> Value {
    let mut json = json!({ "type": stated.into(), "name": "edge", "value": value_of(record_type) });
    if record_type == "CAA" {
        json["tag"] = "issue".into();
    }
    json
}

/// Returns pointer and code of each problem.
fn problems(json: &Value) -> Vec<(String, &'static str)> {
    match RecordFields::read(&json.to_string()) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(|e| (e.pointer().to_owned(), e.code().as_str())).collect(),
    }
}

fn problem(pointer: &str, code: &'static str) -> Vec<(String, &'static str)> {
    vec![(pointer.to_owned(), code)]
}

#[test]
fn every_cell_of_the_matrix_is_as_published() {
    let mut types = 0;
    for (of_types, allowed) in MATRIX {
        for record_type in *of_types {
            types += 1;
            assert_eq!(problems(&request(record_type, *record_type)), [], "{record_type}");
            for field in SPECIAL {
                for value in [json!(0), json!(1), json!("issue"), json!("")] {
                    // A tag is text, all others are numbers.
                    if value.is_string() != (field == "tag") {
                        continue;
                    }
                    let mut json = request(record_type, *record_type);
                    json[field] = value.clone();
                    let wanted = match (allowed.contains(&field), value.as_str()) {
                        (true, Some("")) => problem("/tag", "malformed"),
                        (true, _) => vec![],
                        (false, _) => problem(&format!("/{field}"), "not_allowed"),
                    };
                    assert_eq!(problems(&json), wanted, "{record_type} {field} {value}");
                }
                if field != "tag" || *record_type != "CAA" {
                    let mut json = request(record_type, *record_type);
                    json[field] = Value::Null;
                    assert_eq!(problems(&json), [], "{record_type} {field} null");
                }
            }
            for (field, value) in [("ttl", json!(60)), ("comment", json!("front end"))] {
                let mut json = request(record_type, *record_type);
                json[field] = value;
                assert_eq!(problems(&json), [], "{record_type} {field}");
            }
        }
    }
    assert_eq!(types, NUMBERS.len());
}

#[test]
fn the_matrix_as_data_is_as_published() {
    assert_eq!(Profile::PUBLISHED.rows().len(), NUMBERS.len());
    for (number, mnemonic) in NUMBERS.iter().enumerate() {
        let row = Profile::PUBLISHED.numbered(i64::try_from(number).unwrap()).unwrap();
        assert_eq!(row.record_type().to_string(), *mnemonic);
        let (_, allowed) = MATRIX.iter().find(|(types, _)| types.contains(mnemonic)).unwrap();
        for field in Field::ALL {
            let wanted = field.is_common() || allowed.contains(&field.as_str());
            assert_eq!(row.allows(field), wanted, "{mnemonic} {field}");
        }
    }
    let json = serde_json::to_value(Profile::PUBLISHED).unwrap();
    assert_eq!(json["ttl"], json!({ "min": 15, "max": 86_400, "default": 3600 }));
    assert_eq!(
        json["types"][8],
        json!({
            "type": "SRV", "number": 8, "empty_value": false, "read_only": false,
            "fields": {
                "priority": { "min": 0, "max": 65_535, "required": false },
                "weight": { "min": 0, "max": 65_535, "required": false },
                "port": { "min": 0, "max": 65_535, "required": false },
            },
        })
    );
    assert_eq!(
        json["types"][9]["fields"],
        json!({
            "flags": { "min": 0, "max": 255, "required": false }, "tag": { "required": true },
        })
    );
}

#[test]
fn the_published_sample_breaks_its_own_matrix() {
    let errors = RecordFields::read(SAMPLE).unwrap_err();
    let found: Vec<_> = errors.iter().map(|e| (e.pointer(), e.code())).collect();
    assert_eq!(
        found,
        [
            ("/priority", FieldCode::NotAllowed),
            ("/port", FieldCode::NotAllowed),
            ("/flags", FieldCode::NotAllowed),
            ("/tag", FieldCode::NotAllowed),
        ]
    );
    assert_eq!(
        errors.to_string(),
        "/priority: A records have no priority; /port: A records have no port; \
         /flags: A records have no flags; /tag: A records have no tag"
    );
    // What is left without them is a record.
    let mut json: Value = serde_json::from_str(SAMPLE).unwrap();
    for field in ["priority", "port", "flags", "tag"] {
        json.as_object_mut().unwrap().remove(field);
    }
    let zone = name("example.com");
    let record = RecordFields::read_value_in(&json, &zone, &Profile::PUBLISHED).unwrap();
    assert_eq!(record.to_string(), "edge.example.com. 1800 IN A 192.0.2.44");
    assert_eq!(record.weight(), Some(0));
    assert_eq!(record.monitor(), Some(Monitor::None));
    assert_eq!(record.comment(), Some("front end"));
    let fields = RecordFields::of(&record, &zone);
    assert_eq!(serde_json::to_value(fields.published(&Profile::PUBLISHED)).unwrap(), json);
}

#[test]
fn types_are_read_by_mnemonic_and_number() {
    for (number, mnemonic) in NUMBERS.iter().enumerate() {
        let record_type: RecordType = mnemonic.parse().unwrap();
        for stated in
            [json!(number), json!(mnemonic.to_lowercase()), json!(mnemonic.to_uppercase())]
        {
            let json = request(mnemonic, stated).to_string();
            assert_eq!(RecordFields::read(&json).unwrap().record_type(), record_type);
        }
    }
    for (stated, code) in [
        (json!(15), "unknown_type"),
        (json!(16), "unknown_type"),
        (json!(-1), "unknown_type"),
        (json!(i64::MAX), "unknown_type"),
        (json!(u64::MAX), "out_of_range"),
        (json!("BOGUS"), "unknown_type"),
        (json!(""), "unknown_type"),
        (json!("0"), "unknown_type"),
        (json!("SOA"), "unsupported_type"),
        (json!("TYPE65280"), "unsupported_type"),
        (json!(1.5), "wrong_type"),
        (json!(true), "wrong_type"),
        (json!([0]), "wrong_type"),
        (json!(null), "required"),
    ] {
        assert_eq!(problems(&request("A", stated.clone())), problem("/type", code), "{stated}");
    }
}

#[test]
fn an_unknown_number_is_kept_and_cannot_be_written() {
    let fields = RecordFields::from_value(&request("A", 99)).unwrap();
    assert_eq!(fields.record_type, Some(TypeField::Number(99)));
    assert_eq!(serde_json::to_value(&fields).unwrap()["type"], 99);
    assert_eq!(serde_json::to_value(fields.published(&Profile::FULL)).unwrap()["type"], 99);
    assert_eq!(
        fields.validate().unwrap_err().to_string(),
        "/type: 99 is not a record type that is known here; the types are A, AAAA, CNAME, TXT, MX, \
         Redirect, Flatten, PullZone, SRV, CAA, PTR, Script, NS"
    );
    let fields = fields.with_monitor_type(7);
    assert_eq!(serde_json::to_value(&fields).unwrap()["monitor_type"], 7);
    let fields = RecordFields { record_type: Some("A".into()), ..fields };
    assert_eq!(
        fields.validate().unwrap_err().to_string(),
        "/monitor_type: monitor_type is one of 0 (none), 1 (ping), 2 (http), 3 (monitor)"
    );
}

#[test]
fn numbers_have_their_ranges() {
    let cases = [
        ("A", "ttl", 15, 86_400),
        ("A", "weight", 0, 65_535),
        ("A", "monitor_type", 0, 3),
        ("MX", "priority", 0, 65_535),
        ("SRV", "priority", 0, 65_535),
        ("SRV", "weight", 0, 65_535),
        ("SRV", "port", 0, 65_535),
        ("CAA", "flags", 0, 255),
    ];
    for (record_type, field, min, max) in cases {
        for (number, right) in [
            (min, true),
            (max, true),
            (min - 1, false),
            (max + 1, false),
            (i64::MIN, false),
            (i64::MAX, false),
        ] {
            let mut json = request(record_type, record_type);
            if record_type == "HTTPS" {
                json["value"] = "svc.example.net".into();
            }
            json[field] = number.into();
            let wanted = if right { vec![] } else { problem(&format!("/{field}"), "out_of_range") };
            assert_eq!(problems(&json), wanted, "{record_type} {field} {number}");
            json[field] = json!(number.to_string());
            assert_eq!(problems(&json), problem(&format!("/{field}"), "wrong_type"));
        }
    }
    // Of a type that is not known a number can be wrong all the same.
    let json = json!({ "type": "X", "name": "@", "value": "", "flags": 256, "port": 70_000 });
    let wanted = [("/type", "unknown_type"), ("/port", "out_of_range"), ("/flags", "out_of_range")];
    assert_eq!(problems(&json), wanted.map(|(pointer, code)| (pointer.to_owned(), code)));
}

#[test]
fn all_problems_of_a_request_are_told_at_once() {
    let json = r#"{
        "type": "CAA", "ttl": "an hour", "value": "a\tb", "flags": 256, "tag": "is sue", "port": "x",
        "color/~": 1, "monitorType": 1.5, "comment": "two\nlines", "ttl": 60
    }"#;
    let errors = RecordFields::read(json).unwrap_err();
    let found: Vec<_> = errors.iter().map(|e| (e.pointer(), e.code().as_str())).collect();
    assert_eq!(
        found,
        [
            ("/name", "required"),
            ("/value", "malformed"),
            ("/ttl", "wrong_type"),
            ("/ttl", "duplicate"),
            ("/port", "not_allowed"),
            ("/flags", "out_of_range"),
            ("/tag", "malformed"),
            ("/comment", "malformed"),
            ("/monitorType", "not_allowed"),
            ("/color~1~0", "unknown_field"),
        ]
    );
    assert_eq!(errors.len(), 10);
    assert!(!errors.to_string().contains(char::is_control));
    let first = serde_json::to_value(&errors).unwrap()[0].clone();
    assert_eq!(
        first,
        json!({ "pointer": "/name", "code": "required", "message": "name is required" })
    );
}

#[test]
fn a_request_that_is_no_object_has_one_problem() {
    for (json, shown) in [
        ("", "not JSON at line 1, column 0"),
        ("{\"a\": 1", "not JSON at line 1, column 7"),
        ("[]", "a record is a JSON object"),
        ("1", "a record is a JSON object"),
        ("null", "a record is a JSON object"),
        ("{} {}", "not JSON at line 1, column 4"),
    ] {
        for errors in
            [RecordFields::read(json).unwrap_err(), RecordFields::from_json(json).unwrap_err()]
        {
            assert_eq!(errors.to_string(), shown, "{json}");
            assert_eq!(errors.iter().next().unwrap().pointer(), "");
        }
    }
    let long = format!("{{\"comment\": \"{}\"}}", "x".repeat(1 << 20));
    let errors = RecordFields::read(&long).unwrap_err();
    assert_eq!(errors.to_string(), "a record has at most 1048576 bytes of JSON");
    let many: serde_json::Map<_, _> = (0..1000).map(|i| (i.to_string(), json!(0))).collect();
    assert_eq!(RecordFields::from_value(&Value::from(many)).unwrap_err().len(), 64);
}

#[test]
fn a_field_is_there_once_in_either_spelling() {
    let json = r#"{"type":"A","name":"a","value":"192.0.2.1","monitorType":1,"monitor_type":1}"#;
    let errors = RecordFields::from_json(json).unwrap_err();
    assert_eq!(errors.to_string(), "/monitorType: monitor_type is there more than once");
    let error = serde_json::from_str::<RecordFields>(json).unwrap_err();
    assert!(error.to_string().starts_with("/monitorType: monitor_type is there more than once"));
}

#[test]
fn names_are_relative_to_the_zone() {
    let zone = name("example.com");
    let owner = |text: &str| {
        let fields = RecordFields::new("A", text, "192.0.2.1");
        fields.validate_in(&zone, &Profile::PUBLISHED).map(|record| {
            (record.name().to_string(), RecordFields::of(&record, &zone).name.unwrap())
        })
    };
    for (text, owned, canonical) in [
        ("edge", "edge.example.com", "edge"),
        ("EDGE.Eu", "edge.eu.example.com", "edge.eu"),
        ("@", "example.com", "@"),
        ("", "example.com", "@"),
        ("example.com.", "example.com", "@"),
        ("edge.example.com.", "edge.example.com", "edge"),
        ("edge.example.com", "edge.example.com.example.com", "edge.example.com"),
        ("*", "*.example.com", "*"),
        (r"\@", r"\@.example.com", r"\@"),
    ] {
        assert_eq!(owner(text), Ok((owned.to_owned(), canonical.to_owned())), "{text}");
    }
    for (text, code) in [
        ("edge.example.net.", FieldCode::OutsideZone),
        (".", FieldCode::OutsideZone),
        ("notexample.com.", FieldCode::OutsideZone),
        ("a..b", FieldCode::Malformed),
        ("a b", FieldCode::Malformed),
        (&"a".repeat(64), FieldCode::Malformed),
        (&"a.".repeat(121), FieldCode::Malformed),
        (&"a".repeat(1 << 20), FieldCode::Malformed),
    ] {
        let errors = owner(text).unwrap_err();
        let first = errors.iter().next().unwrap();
        if text.ends_with("a.") {
            continue;
        }
        assert_eq!((first.pointer(), first.code()), ("/name", code), "{text}");
    }
    // Where the zone is not known the name is kept.
    for (text, kept) in
        [("Edge", "edge"), ("@", "@"), ("", "@"), ("edge.example.com.", "edge.example.com")]
    {
        let record = RecordFields::new("A", text, "192.0.2.1").validate().unwrap();
        assert_eq!(RecordFields::from(&record).name.as_deref(), Some(kept));
    }
    let record = RecordFields::new("A", "www", "192.0.2.1").validate_in(&zone, &Profile::FULL);
    let fields = RecordFields::of(&record.unwrap(), &name("example.net"));
    assert_eq!(fields.name.as_deref(), Some("www.example.com."));
}

/// Returns the value that is stored for one that was given, or what is wrong with it.
fn stored(fields: &RecordFields) -> Result<String, String> {
    let record = fields.validate_with(&Profile::FULL).map_err(|errors| errors.to_string())?;
    assert_eq!(RecordFields::from(&record).validate_with(&Profile::FULL), Ok(record.clone()));
    Ok(RecordFields::from(&record).value.unwrap())
}

#[test]
fn values_have_one_spelling() {
    for (record_type, given, canonical) in [
        ("A", "192.0.2.44", "192.0.2.44"),
        ("AAAA", "2001:DB8:0:0::44", "2001:db8::44"),
        ("CNAME", "Edge.Example.Net.", "edge.example.net"),
        ("CNAME", "edge.example.net", "edge.example.net"),
        ("NS", ".", "."),
        ("PTR", "Host.example.com.", "host.example.com"),
        ("MX", ".", "."),
        ("MX", "Mail.example.com.", "mail.example.com"),
        ("SRV", "sip.example.com.", "sip.example.com"),
        ("TXT", "v=spf1 -all", "v=spf1 -all"),
        ("TXT", " two  spaces ", " two  spaces "),
        ("TXT", r#"say "hi" \010; (x)"#, r#"say "hi" \010; (x)"#),
        ("TXT", "grün", "grün"),
        ("TXT", r#""v=spf1 -all""#, "v=spf1 -all"),
        ("TXT", r#""v=spf1" " -all""#, "v=spf1 -all"),
        ("TXT", r#""\"quoted\"""#, r#""\"quoted\"""#),
        ("TXT", r#""a\009b""#, r#""a\009b""#),
        ("TXT", r#""\255""#, r#""\255""#),
        ("TXT", "", ""),
        ("TXT", r#""""#, ""),
        ("Redirect", "https://example.com/?a=\"b\"", "https://example.com/?a=\"b\""),
        ("Flatten", "Edge.example.net.", "edge.example.net"),
        ("ALIAS", "Edge.example.net.", "edge.example.net"),
        ("TYPE65280", r"\# 3 ABCDEF", r"\# 3 abcdef"),
    ] {
        // In alias mode there are no parameters.
        let fields = RecordFields::new(record_type, "@", given);
        let fields = if record_type == "HTTPS" { fields.with_priority(1) } else { fields };
        assert_eq!(stored(&fields), Ok(canonical.to_owned()), "{record_type} {given}");
    }
    for (given, canonical) in [
        ("letsencrypt.org", "letsencrypt.org"),
        ("ca.example.net; policy=ev", "ca.example.net; policy=ev"),
        ("", ""),
        (";", ";"),
        (r#""letsencrypt.org""#, "letsencrypt.org"),
        (r#""\"x\"""#, r#""\"x\"""#),
        (r#""\255""#, r#""\255""#),
    ] {
        let fields = RecordFields::new("CAA", "@", given).with_tag("Issue").with_flags(128);
        assert_eq!(stored(&fields), Ok(canonical.to_owned()), "{given}");
    }
}

#[test]
fn values_that_are_no_data_are_refused() {
    for (record_type, given, shown) in [
        ("A", "", "/value: value must not be empty"),
        ("A", " ", "/value: A address: missing"),
        ("CNAME", "a..b", "/value: CNAME target: label 2 is empty"),
        ("TXT", "\"open", "/value: TXT text: the quotes are not closed"),
        ("MX", "10 mail.example.com", "/value: MX exchange: missing"),
    ] {
        let refusal = stored(&RecordFields::new(record_type, "@", given)).unwrap_err();
        if record_type == "MX" {
            assert!(refusal.starts_with("/value: MX "), "{refusal}");
            continue;
        }
        assert_eq!(refusal, shown);
    }
    for (value, code) in [
        ("x".repeat(65_280), FieldCode::TooLong),
        ("x".repeat(VALUE_LIMIT + 1), FieldCode::TooLong),
        ("a\nb".to_owned(), FieldCode::Malformed),
    ] {
        let errors = RecordFields::new("TXT", "@", value).validate().unwrap_err();
        let first = errors.iter().next().unwrap();
        assert_eq!((errors.len(), first.pointer(), first.code()), (1, "/value", code));
    }
    assert!(RecordFields::new("TXT", "@", "x".repeat(65_279)).validate().is_ok());
    let long = RecordFields::new("CAA", "@", "x".repeat(65_535)).with_tag("issue");
    let errors = long.validate().unwrap_err();
    assert_eq!(errors.iter().next().unwrap().code(), FieldCode::TooLong);
}

#[test]
fn a_comment_is_one_short_line() {
    let fields = |comment: String| RecordFields::new("A", "@", "192.0.2.1").with_comment(comment);
    for (comment, code) in [
        ("é".repeat(500), None),
        (String::new(), None),
        ("é".repeat(501), Some(FieldCode::TooLong)),
        ("a\u{0}".to_owned(), Some(FieldCode::Malformed)),
        ("a\u{9b}".to_owned(), Some(FieldCode::Malformed)),
    ] {
        let found = fields(comment.clone()).validate().map_err(|e| e.iter().next().unwrap().code());
        assert_eq!(found.as_ref().err(), code.as_ref());
        if let Ok(record) = found {
            assert_eq!(record.comment(), Some(&*comment));
        }
    }
}

#[test]
fn another_profile_has_other_rules() {
    let bunny = Profile::BUNNY;
    let validate = |fields: RecordFields| {
        fields.validate_with(&bunny).map(|record| record.ttl().as_secs()).map_err(|e| e.to_string())
    };
    let a = || RecordFields::new("A", "@", "192.0.2.1");
    assert_eq!(validate(a()), Ok(300));
    assert_eq!(validate(a().with_weight(100)), Ok(300));
    assert_eq!(
        validate(a().with_weight(101)),
        Err("/weight: weight is a number from 0 to 100".into())
    );
    let srv = || RecordFields::new("SRV", "_sip._tcp", "sip.example.com");
    assert_eq!(validate(srv().with_weight(65_535)), Ok(300));
    let cname = || RecordFields::new("CNAME", "www", "example.net");
    assert_eq!(validate(cname().with_monitor_type(2)), Ok(300));
    assert_eq!(
        validate(cname().with_weight(1)),
        Err("/weight: CNAME records have no weight".into())
    );
    let text = RecordFields::new("TXT", "@", "");
    assert!(text.validate().is_ok());
    assert_eq!(validate(text), Err("/value: value must not be empty".into()));
    for (record_type, pointer) in
        [(json!(6), "/type"), (json!(16), "/type"), (json!("SOA"), "/type")]
    {
        let json = json!({ "type": record_type, "name": "@", "value": "a.example" });
        let errors = RecordFields::read_value_in(&json, &DnsName::root(), &bunny).unwrap_err();
        let first = errors.iter().next().unwrap();
        assert_eq!((first.pointer(), first.code()), (pointer, FieldCode::UnsupportedType));
        assert!(first.message().contains("records cannot be written here"));
    }
}

#[test]
fn the_full_profile_has_every_type() {
    for record_type in RecordType::ALL {
        assert!(Profile::FULL.row(*record_type).is_some(), "{record_type}");
    }
    assert_eq!(Profile::FULL.rows().len(), RecordType::ALL.len());
    for profile in Profile::ALL {
        for row in profile.rows() {
            // A profile that is stricter somewhere is not wider elsewhere.
            let full = Profile::FULL.row(row.record_type()).unwrap();
            for field in Field::ALL {
                assert!(!row.allows(field) || full.allows(field), "{} {field}", row.record_type());
            }
            assert!(row.number().is_none() || row.number() == full.number());
        }
        assert!(profile.ttl().contains(&profile.default_ttl().as_secs()));
    }
    let ttl = |ttl| RecordFields::new("A", "@", "192.0.2.1").with_ttl(ttl);
    assert!(ttl(0).validate_with(&Profile::FULL).is_ok());
    assert!(ttl(2_147_483_647).validate_with(&Profile::FULL).is_ok());
    assert!(ttl(2_147_483_648).validate_with(&Profile::FULL).is_err());
}

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
    let id: RecordId = "35f4e574:7".parse().unwrap();
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
        assert!(text.parse::<RecordId>().is_err(), "{text}");
    }
    let id: RecordId = "a:18446744073709551615".parse().unwrap();
    assert_eq!(id, RecordId::new("a", u64::MAX).unwrap());
    let mut json = sample_reply();
    json["recordId"] = 1.into();
    assert!(serde_json::from_value::<RecordReply>(json.clone()).is_err());
    json.as_object_mut().unwrap().remove("id");
    assert!(serde_json::from_value::<RecordReply>(json).is_ok());
}

/// The part of JSON Schema that a profile uses.
fn conforms(schema: &Value, json: &Value) -> bool {
    schema.as_object().unwrap().iter().all(|(key, rule)| match key.as_str() {
        "oneOf" => rule.as_array().unwrap().iter().filter(|one| conforms(one, json)).count() == 1,
        "type" => match rule.as_str().unwrap() {
            "object" => json.is_object(),
            "integer" => json.is_i64() || json.is_u64(),
            "string" => json.is_string(),
            other => panic!("{other}"),
        },
        "enum" => rule.as_array().unwrap().contains(json),
        "required" => {
            rule.as_array().unwrap().iter().all(|name| json.get(name.as_str().unwrap()).is_some())
        }
        "properties" => json.as_object().is_none_or(|members| {
            members.iter().all(|(name, member)| {
                rule.get(name).is_none_or(|property| conforms(property, member))
            })
        }),
        "additionalProperties" => json.as_object().is_none_or(|members| {
            members.keys().all(|name| schema["properties"].get(name).is_some())
        }),
        "minimum" => json.as_i64().is_none_or(|number| number >= rule.as_i64().unwrap()),
        "maximum" => json.as_i64().is_none_or(|number| number <= rule.as_i64().unwrap()),
        "minLength" => {
            json.as_str().is_none_or(|t| t.chars().count() as u64 >= rule.as_u64().unwrap())
        }
        "maxLength" => {
            json.as_str().is_none_or(|t| t.chars().count() as u64 <= rule.as_u64().unwrap())
        }
        "pattern" => json.as_str().is_none_or(|text| {
            (1..256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
        }),
        "$schema" | "title" | "default" | "description" => true,
        other => panic!("{other}"),
    })
}

#[test]
fn the_schema_of_a_profile_says_what_the_matrix_says() {
    let schema = Profile::PUBLISHED.json_schema();
    for (number, mnemonic) in NUMBERS.iter().enumerate() {
        for stated in [json!(mnemonic), json!(number)] {
            let json = request(mnemonic, stated);
            assert!(conforms(&schema, &json), "{json}");
            for field in SPECIAL {
                let mut json = json.clone();
                json[field] = if field == "tag" { "issue".into() } else { 1.into() };
                assert_eq!(conforms(&schema, &json), problems(&json).is_empty(), "{json}");
            }
            for field in ["type", "name", "value", "tag"] {
                let mut json = json.clone();
                json.as_object_mut().unwrap().remove(field);
                assert_eq!(conforms(&schema, &json), problems(&json).is_empty(), "{json}");
            }
        }
    }
    assert!(!conforms(&schema, &json!({ "type": "A", "name": "@", "value": "x", "color": 1 })));
    assert!(!conforms(&schema, &json!({ "type": "A", "name": "@", "value": "x", "ttl": 14 })));
    assert!(!conforms(&schema, &json!({ "type": "SOA", "name": "@", "value": "x" })));
}

fn any_name() -> impl Strategy<Value = DnsName> {
    vec(vec(any::<u8>(), 1..6), 0..4).prop_map(|labels| DnsName::from_labels(labels).unwrap())
}

fn any_text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..300),
        any::<String>().prop_map(String::into_bytes),
        "\"?[a-z \"\\\\;]{0,12}\"?".prop_map(String::into_bytes),
    ]
}

fn parsed(record_type: RecordType, text: &str) -> RecordData {
    RecordData::parse(record_type, text).unwrap()
}

/// Data of the types with fields of their own, and some of the others.
fn any_data() -> impl Strategy<Value = RecordData> {
    prop_oneof![
        any::<u32>().prop_map(|bits| RecordData::A(Ipv4Addr::from(bits))),
        any::<u128>().prop_map(|bits| RecordData::Aaaa(Ipv6Addr::from(bits))),
        any_name().prop_map(RecordData::Cname),
        any_name().prop_map(RecordData::Ns),
        any_name().prop_map(RecordData::Ptr),
        any_name().prop_map(RecordData::Flatten),
        any_text().prop_map(|text| RecordData::Txt(Txt::from_bytes(&text))),
        (any::<u8>(), "[a-zA-Z0-9]{1,15}", any_text())
            .prop_map(|(flags, tag, value)| RecordData::Caa(Caa::new(flags, &tag, value).unwrap())),
        (any::<u16>(), any_name())
            .prop_map(|(n, host)| parsed(RecordType::Mx, &format!("{n} {host}"))),
        (any::<[u16; 3]>(), any_name())
            .prop_map(|([a, b, c], host)| parsed(RecordType::Srv, &format!("{a} {b} {c} {host}"))),
        "[!-~]{1,20}".prop_map(|text| parsed(RecordType::Redirect, &text)),
    ]
}

fn any_record() -> impl Strategy<Value = DnsRecord> {
    let attached = (
        option::of(any::<u16>()),
        option::of(select(&Monitor::ALL[..])),
        option::of("[^\\p{C}]{0,9}"),
    );
    (any_name(), 15..=86_400_u32, any_data(), attached).prop_map(
        |(name, ttl, data, (weight, monitor, comment))| {
            let row = Profile::PUBLISHED.row(data.record_type()).unwrap();
            let mut record = DnsRecord::new(name, Ttl::from_secs(ttl).unwrap(), data);
            if let Some(weight) = weight.filter(|_| row.allows(Field::MonitorType)) {
                record = record.with_weight(weight);
            }
            if let Some(monitor) = monitor.filter(|_| row.allows(Field::MonitorType)) {
                record = record.with_monitor(monitor);
            }
            if let Some(comment) = comment {
                record = record.with_comment(comment);
            }
            record
        },
    )
}

/// Any JSON, with members that have the names of fields more often than not.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-2..20_i64).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a-z0-9.\" ]{0,12}".prop_map(Value::from),
        select(&NUMBERS[..]).prop_map(Value::from),
    ];
    let key = prop_oneof![
        4 => select(&Field::ALL[..]).prop_map(|field| field.as_str().to_owned()),
        1 => select(&Field::ALL[..]).prop_map(|field| field.camel_case().to_owned()),
        1 => any::<String>(),
    ];
    let value =
        leaf.clone().prop_recursive(2, 8, 4, |inner| vec(inner, 0..4).prop_map(Value::from));
    prop_oneof![
        1 => leaf,
        9 => vec((key, value), 0..12).prop_map(Value::from_iter),
    ]
}

proptest! {
    #[test]
    fn a_record_is_its_fields(record in any_record(), zone in any_name()) {
        let fields = RecordFields::from(&record);
        prop_assert_eq!(fields.validate(), Ok(record.clone()));
        let json = serde_json::to_string(&fields).unwrap();
        prop_assert_eq!(RecordFields::from_json(&json).unwrap(), fields.clone());
        prop_assert_eq!(serde_json::from_str::<RecordFields>(&json).unwrap(), fields.clone());
        let json = serde_json::to_string(&fields.published(&Profile::PUBLISHED)).unwrap();
        prop_assert_eq!(RecordFields::read(&json), Ok(record.clone()));
        // Below a zone too.
        let Ok(name) = DnsName::from_labels(record.name().labels().chain(zone.labels())) else {
            return Ok(());
        };
        let (_, ttl, data) = record.into_parts();
        let record = DnsRecord::new(name, ttl, data);
        let fields = RecordFields::of(&record, &zone);
        prop_assert_eq!(fields.validate_in(&zone, &Profile::FULL), Ok(record.clone()));
        let id = RecordId::new("a", 1).unwrap();
        let reply = RecordReply::new(id, &record, &zone, &Profile::PUBLISHED).unwrap();
        let json = serde_json::to_string(&reply).unwrap();
        let read: RecordReply = serde_json::from_str(&json).unwrap();
        let read = read.record(&zone, &Profile::PUBLISHED).unwrap();
        prop_assert_eq!((read.name(), read.ttl(), read.data()), (record.name(), ttl, record.data()));
    }

    #[test]
    fn canonical_fields_are_their_record(json in any_json()) {
        let zone = name("example.com");
        if let Ok(record) = RecordFields::read_value_in(&json, &zone, &Profile::FULL) {
            let fields = RecordFields::of(&record, &zone);
            prop_assert_eq!(fields.validate_in(&zone, &Profile::FULL), Ok(record.clone()));
            prop_assert_eq!(RecordFields::of(&record, &zone), fields);
        }
    }

    #[test]
    fn no_json_panics(json in any_json()) {
        let zone = name("example.com");
        for profile in Profile::ALL {
            if let Err(errors) = RecordFields::read_value_in(&json, &zone, &profile) {
                prop_assert!((1..=64).contains(&errors.len()));
                prop_assert!(!errors.to_string().contains(char::is_control));
                for error in &errors {
                    // A pointer leads to what is there, or to what is missing.
                    let there = json.pointer(error.pointer()).is_some();
                    prop_assert!(there || error.code() == FieldCode::Required, "{error:?}");
                }
            }
        }
        let _ = serde_json::from_value::<RecordReply>(json.clone());
        let _ = RecordFields::read(&json.to_string());
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = RecordFields::read(&text);
        let _ = text.parse::<RecordId>();
        for row in Profile::FULL.rows() {
            let fields = RecordFields::new(row.record_type(), text.clone(), text.clone());
            let fields = if row.allows(Field::Tag) { fields.with_tag(text.clone()) } else { fields };
            if let Ok(record) = fields.validate_with(&Profile::FULL) {
                let read = RecordFields::from(&record).validate_with(&Profile::FULL);
                prop_assert_eq!(read, Ok(record));
            }
        }
    }
}
