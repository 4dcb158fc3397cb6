use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};

use super::*;
use crate::record::{Caa, RecordData, Txt, arbitrary};

/// The sample request of the published API, which breaks the API's own matrix.
pub(super) const SAMPLE: &str = r#"{"type":0,"ttl":1800,"value":"192.0.2.44","name":"edge","weight":0,"priority":5,"port":0,"flags":0,"tag":"iodef","monitorType":0,"comment":"front end"}"#;

/// The matrix as the published document has it: types, and the fields that only they take.
pub(super) const MATRIX: &[(&[&str], &[&str])] = &[
    (&["A", "AAAA", "CNAME"], &["monitor_type", "weight"]),
    (&["CAA"], &["flags", "tag"]),
    (&["MX", "HTTPS", "SVCB"], &["priority"]),
    (&["SRV"], &["priority", "weight", "port"]),
    (&["TXT", "NS", "PTR", "Redirect", "Flatten", "PullZone", "Script"], &[]),
];

/// The numbers that the published document gives the types.
pub(super) const NUMBERS: [&str; 15] = [
    "A", "AAAA", "CNAME", "TXT", "MX", "Redirect", "Flatten", "PullZone", "SRV", "CAA", "PTR",
    "Script", "NS", "SVCB", "HTTPS",
];

/// The fields that not every type has.
pub(super) const SPECIAL: [&str; 6] =
    ["monitor_type", "weight", "priority", "port", "flags", "tag"];

pub(super) fn name(text: &str) -> DnsName {
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
pub(super) fn request(record_type: &str, stated: impl Into<Value>) -> Value {
    let mut json = json!({ "type": stated.into(), "name": "edge", "value": value_of(record_type) });
    if record_type == "CAA" {
        json["tag"] = "issue".into();
    }
    json
}

/// Returns pointer and code of each problem.
pub(super) fn problems(json: &Value) -> Vec<(String, &'static str)> {
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
        (json!(u64::MAX), "unknown_type"),
        (json!(1e30), "unknown_type"),
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
fn numbers_beyond_64_bits_are_out_of_range_and_no_other_kind_of_value() {
    for number in ["18446744073709551615", "99999999999999999999", "-9223372036854775809", "1e300"]
    {
        let json = format!(r#"{{"type":"A","name":"@","value":"192.0.2.1","ttl":{number}}}"#);
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(problems(&json), problem("/ttl", "out_of_range"), "{number}");
    }
    for other in ["300.0", "300.5", "\"300\"", "[300]", "{}", "true"] {
        let json = format!(r#"{{"type":"A","name":"@","value":"192.0.2.1","ttl":{other}}}"#);
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(problems(&json), problem("/ttl", "wrong_type"), "{other}");
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
         Redirect, Flatten, PullZone, SRV, CAA, PTR, Script, NS, SVCB, HTTPS"
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
        ("HTTPS", "priority", 0, 65_535),
        ("SVCB", "priority", 0, 65_535),
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
fn no_profile_allows_what_a_field_cannot_hold() {
    const ROWS: &[Row] = &[Row::new(RecordType::Caa, &[FieldRule::number(Field::Flags, u16::MAX)])];
    let profile = Profile::new("wide", ROWS);
    let fields = RecordFields::new("CAA", "@", ";").with_flags(256);
    assert_eq!(
        fields.validate_with(&profile).unwrap_err().to_string(),
        "/flags: flags is a number from 0 to 255; /tag: tag is required"
    );
}

fn any_text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..300),
        any::<String>().prop_map(String::into_bytes),
        "\"?[a-z \"\\\\;]{0,12}\"?".prop_map(String::into_bytes),
    ]
}

/// Data of any type, and text that looks like something else.
fn any_data() -> impl Strategy<Value = RecordData> {
    prop_oneof![
        4 => arbitrary::data(),
        1 => any_text().prop_map(|text| RecordData::Txt(Txt::from_bytes(&text))),
        1 => (any::<u8>(), "[a-zA-Z0-9]{1,15}", any_text())
            .prop_map(|(flags, tag, value)| RecordData::Caa(Caa::new(flags, &tag, value).unwrap())),
    ]
}

fn any_record() -> impl Strategy<Value = DnsRecord> {
    let attached = (
        option::of(any::<u16>()),
        option::of(select(&Monitor::ALL[..])),
        option::of("[^\\p{C}]{0,9}"),
    );
    (arbitrary::name(), 15..=86_400_u32, any_data(), attached).prop_map(
        |(name, ttl, data, (weight, monitor, comment))| {
            let row = Profile::FULL.row(data.record_type()).unwrap();
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

/// Moves a record below a zone, if its name does not become too long.
fn below(record: DnsRecord, zone: &DnsName) -> Option<DnsRecord> {
    let name = DnsName::from_labels(record.name().labels().chain(zone.labels())).ok()?;
    Some(DnsRecord { name, ..record })
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
    fn a_record_is_its_fields(record in any_record(), zone in arbitrary::name()) {
        let root = DnsName::root();
        let fields = RecordFields::from(&record);
        for profile in Profile::ALL {
            let row = profile.row(record.record_type());
            let is_read_only = row.is_none_or(|row| row.is_read_only());
            match fields.validate_with(&profile) {
                Ok(read) => prop_assert_eq!(read, record.clone()),
                // What is stricter may refuse, and what is not known to it.
                Err(_) => prop_assert!(is_read_only || profile == Profile::BUNNY, "{fields:?}"),
            }
            let json = serde_json::to_string(&fields.published(&profile)).unwrap();
            prop_assert_eq!(
                RecordFields::read_in(&json, &root, &profile),
                fields.validate_with(&profile)
            );
        }
        let json = serde_json::to_string(&fields).unwrap();
        prop_assert_eq!(RecordFields::from_json(&json).unwrap(), fields.clone());
        prop_assert_eq!(serde_json::from_str::<RecordFields>(&json).unwrap(), fields);
        let Some(record) = below(record, &zone) else { return Ok(()) };
        let fields = RecordFields::of(&record, &zone);
        prop_assert_eq!(fields.validate_in(&zone, &Profile::FULL), Ok(record));
    }

    #[test]
    fn a_record_is_its_reply(record in any_record(), zone in arbitrary::name()) {
        let Some(record) = below(record, &zone) else { return Ok(()) };
        let id = ReplyId::new("a", 1).unwrap();
        let Ok(reply) = RecordReply::new(id, &record, &zone, &Profile::FULL) else {
            let row = Profile::FULL.row(record.record_type()).unwrap();
            prop_assert_eq!(row.number(), None);
            return Ok(());
        };
        let json = serde_json::to_string(&reply).unwrap();
        let read: RecordReply = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(serde_json::to_string(&read).unwrap(), json);
        let read = read.record(&zone, &Profile::FULL).unwrap();
        // A reply states what is attached as 0 if it is absent.
        prop_assert_eq!(read.weight().unwrap_or_default(), record.weight().unwrap_or_default());
        prop_assert_eq!(read.comment(), record.comment());
        prop_assert_eq!(read.into_parts(), record.into_parts());
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
        let _ = text.parse::<ReplyId>();
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
