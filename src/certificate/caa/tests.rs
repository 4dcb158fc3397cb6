use super::{Asker, Permission};
use crate::{
    certificate::Validation,
    record::{RecordData, RecordType},
};

const ACCOUNT: &str = "https://ca.test/acct/1";

/// Says whether we may have a certificate where these are the properties.
fn permitted(is_wildcard: bool, validation: Validation, properties: &[&str]) -> Option<bool> {
    let issuers = ["ca.test".to_owned(), "also.ca.test".to_owned()];
    let asker = Asker { issuers: &issuers, account: Some(ACCOUNT), validation, is_wildcard };
    let records: Vec<_> =
        properties.iter().map(|text| RecordData::parse(RecordType::Caa, text).unwrap()).collect();
    let permission = asker.judge(&"example.com".parse().unwrap(), &records)?;
    Some(permission == Permission::Allowed)
}

#[test]
fn properties_mean_what_the_rfcs_say() {
    let http = |properties: &[&str]| permitted(false, Validation::Http01, properties);
    let wild = |properties: &[&str]| permitted(true, Validation::Dns01, properties);
    assert_eq!(http(&[]), None, "the name above decides");
    for properties in [
        &["0 issue \"ca.test\""][..],
        &["0 issue \"CA.TEST\""],
        &["0 issue \"also.ca.test\""],
        &["0 issue \"other.test\"", "0 issue \"ca.test\""],
        &["0 issue \"other.test\"", "0 issue \"ca.test; a=b\""],
        // What names nobody who issues forbids nobody.
        &["0 iodef \"mailto:a@example.com\""],
        &["0 issuewild \";\""],
        &["0 future \"x\"", "0 issue \"ca.test\""],
        &["128 issue \"ca.test\""],
        &["0 issue \"ca.test; accounturi=https://ca.test/acct/1\""],
        &["0 issue \"ca.test; validationmethods=dns-01,http-01\""],
        &["0 issue \"ca.test; accounturi=https://ca.test/acct/2\"", "0 issue \"ca.test\""],
    ] {
        assert_eq!(http(properties), Some(true), "{properties:?}");
    }
    for properties in [
        &["0 issue \";\""][..],
        &["0 issue \"\""],
        &["0 issue \"other.test\""],
        &["0 issue \"ca.test.evil.test\""],
        &["0 issue \"www.ca.test\""],
        // Malformed is as if it named nobody.
        &["0 issue \"ca.test nonsense\""],
        &["128 future \"x\"", "0 issue \"ca.test\""],
        &["0 issue \"ca.test; accounturi=https://ca.test/acct/2\""],
        &["0 issue \"ca.test; accounturi=https://ca.test/acct/1; \
             accounturi=https://ca.test/acct/1\""],
        &["0 issue \"ca.test; validationmethods=dns-01\""],
        &["0 issue \"ca.test; validationmethods=\""],
    ] {
        assert_eq!(http(properties), Some(false), "{properties:?}");
    }
    assert_eq!(wild(&["0 issue \"ca.test\""]), Some(true));
    assert_eq!(wild(&["0 issue \"other.test\"", "0 issuewild \"ca.test\""]), Some(true));
    assert_eq!(wild(&["0 issue \"ca.test\"", "0 issuewild \";\""]), Some(false));
    assert_eq!(wild(&["0 issue \"other.test\""]), Some(false));
}

#[test]
fn a_refusal_names_the_record_in_the_way_and_the_one_to_add() {
    let issuers = ["ca.test".to_owned()];
    let asker = Asker {
        issuers: &issuers,
        account: None,
        validation: Validation::Dns01,
        is_wildcard: true,
    };
    let at = "example.com".parse().unwrap();
    let records = ["0 iodef \"mailto:a@example.com\"", "0 issue \"ca.test\"", "0 issuewild \";\""]
        .map(|text| RecordData::parse(RecordType::Caa, text).unwrap());
    let permission = asker.judge(&at, &records);
    let record = "0 issuewild \";\"".to_owned();
    let add = Some("0 issuewild \"ca.test\"".to_owned());
    assert_eq!(permission, Some(Permission::Forbidden { at: at.clone(), record, add }));

    let unknown = [RecordData::parse(RecordType::Caa, "128 future \"x\"").unwrap()];
    let record = "128 future \"x\"".to_owned();
    let expected = Permission::Forbidden { at: at.clone(), record, add: None };
    assert_eq!(asker.judge(&at, &unknown), Some(expected));
}
