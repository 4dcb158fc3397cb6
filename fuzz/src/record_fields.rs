//! The flat form of records.

use nameplate::{name::DnsName, record::*};
use serde_json::Value;

use super::input::{check_message, name, text};

/// A request as JSON, or lines that are its fields.
///
/// Without a brace: type, name, value, tag and comment, each on a line, then numbers.
pub fn record_fields(input: &[u8]) {
    let text = text(input);
    let zone = name("example.com");
    if text.trim_start().starts_with('{') {
        check_json(&text, &zone);
    } else {
        let fields = of_lines(&text);
        for profile in Profile::ALL {
            check_request(&fields, fields.validate_in(&zone, &profile), &zone, &profile);
        }
    }
}

fn of_lines(text: &str) -> RecordFields {
    let mut lines = text.split('\n');
    let mut next = || lines.next().filter(|line| *line != "-");
    let mut fields = RecordFields::default();
    fields.record_type = next().map(|line| match line.parse() {
        Ok(number) => TypeField::Number(number),
        Err(_) => TypeField::Name(line.to_owned()),
    });
    fields.name = next().map(ToOwned::to_owned);
    fields.value = next().map(ToOwned::to_owned);
    fields.tag = next().map(ToOwned::to_owned);
    fields.comment = next().map(ToOwned::to_owned);
    let mut number = || next().and_then(|line| line.parse().ok());
    fields.ttl = number();
    fields.priority = number();
    fields.weight = number();
    fields.port = number();
    fields.flags = number();
    fields.monitor_type = number();
    fields
}

fn check_json(text: &str, zone: &DnsName) {
    let json: Option<Value> = serde_json::from_str(text).ok();
    for profile in Profile::ALL {
        if let Err(errors) = RecordFields::read_in(text, zone, &profile) {
            check_errors(&errors, json.as_ref());
        }
    }
    let Some(json) = json else {
        assert!(RecordFields::from_json(text).is_err());
        return;
    };
    if let Ok(fields) = RecordFields::from_json(text) {
        assert_eq!(RecordFields::from_value(&json), Ok(fields.clone()));
        let written = serde_json::to_value(&fields).unwrap();
        assert_eq!(RecordFields::from_value(&written), Ok(fields.clone()));
        for profile in Profile::ALL {
            let record = RecordFields::read_value_in(&json, zone, &profile);
            // Which spelling the errors have is a matter of the request.
            assert_eq!(record.as_ref().ok(), fields.validate_in(zone, &profile).as_ref().ok());
            check_request(&fields, record, zone, &profile);
        }
    }
    if let Ok(reply) = serde_json::from_value::<RecordReply>(json) {
        check_reply(&reply, zone);
    }
}

fn check_errors(errors: &FieldErrors, json: Option<&Value>) {
    assert!((1..=64).contains(&errors.len()));
    check_message(errors);
    for error in errors {
        check_message(error);
        assert!(FieldCode::ALL.contains(&error.code()));
        // A pointer leads to what is there, or to what is missing.
        if let Some(json) = json {
            let there = json.pointer(error.pointer()).is_some();
            assert!(there || error.code() == FieldCode::Required, "{error:?}");
        }
    }
}

/// Checks that a record of a zone is its fields.
fn check_request(
    fields: &RecordFields,
    record: Result<DnsRecord, FieldErrors>,
    zone: &DnsName,
    profile: &Profile,
) {
    let record = match record {
        Ok(record) => record,
        Err(errors) => return check_errors(&errors, None),
    };
    assert!(record.name().is_within(zone), "{record}");
    let of = RecordFields::of(&record, zone);
    assert_eq!(of.validate_in(zone, profile).as_ref(), Ok(&record), "{of:?}");
    assert_eq!(of.comment, fields.comment);
    assert!(fields.ttl.is_none() || of.ttl == fields.ttl);
    let published = serde_json::to_value(of.published(profile)).unwrap();
    let read = RecordFields::read_value_in(&published, zone, profile);
    assert_eq!(read.as_ref(), Ok(&record), "{published}");
    let id = ReplyId::new("a", 1).unwrap();
    if let Ok(reply) = RecordReply::new(id, &record, zone, profile) {
        let read = reply.record(zone, profile).unwrap();
        assert_eq!(read.into_parts(), record.into_parts());
    }
}

fn check_reply(reply: &RecordReply, zone: &DnsName) {
    let written = serde_json::to_value(reply).unwrap();
    let read: RecordReply = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), written);
    let id = reply.id().to_string();
    assert_eq!(id.parse().as_ref(), Ok(reply.id()));
    for profile in Profile::ALL {
        match reply.record(zone, &profile) {
            // What the reply left out is written as 0, which a TTL may be too.
            Ok(record) if record.ttl().as_secs() == 0 || written["ttl"] != 0 => {
                assert_eq!(read.record(zone, &profile), Ok(record));
            }
            Ok(_) => {}
            Err(errors) => check_errors(&errors, None),
        }
    }
}
