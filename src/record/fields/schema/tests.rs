use serde_json::{Value, json};

use super::*;
use crate::record::fields::tests::{NUMBERS, SPECIAL, problems, request};

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
