use serde_json::json;

use super::*;
use crate::{
    name::DnsName,
    record::{
        FieldCode, RecordFields,
        fields::tests::{MATRIX, NUMBERS},
    },
};

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
    assert!(text.validate_with(&Profile::FULL).is_ok());
    assert_eq!(text.validate().unwrap_err().iter().next().unwrap().code(), FieldCode::Required);
    assert_eq!(validate(text), Err("/value: value must not be empty".into()));
    // Said in quotes it is meant.
    assert_eq!(validate(RecordFields::new("TXT", "@", r#""""#)), Ok(300));
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
