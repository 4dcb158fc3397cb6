use super::{Found, Schema, Server, Step};
use crate::error::ErrorKind;

const TWO: &[Step] =
    &[Step { oldest: 1, tables: "", tuning: "" }, Step { oldest: 1, tables: "", tuning: "" }];

#[test]
fn a_schema_is_a_plain_identifier() {
    for name in ["nameplate", "a", "_b2", &"x".repeat(63)] {
        assert_eq!(Schema::new(name).unwrap().quoted(), format!("\"{name}\""));
    }
    for name in ["", "2a", "A", "a b", "a\"; DROP TABLE b", "pg_a", "caf\u{e9}", &"x".repeat(64)] {
        assert_eq!(Schema::new(name).unwrap_err().kind(), ErrorKind::Invalid, "{name}");
    }
}

#[test]
fn missing_steps_are_those_after_the_version_that_is_there() {
    let missing = |found: Found| found.missing("here", TWO).map(<[Step]>::len);
    assert_eq!(missing(Found::Nothing).unwrap(), 2);
    assert_eq!(missing(Found::Schema).unwrap(), 2);
    assert_eq!(missing(Found::Version { version: 1, oldest: 1 }).unwrap(), 1);
    assert_eq!(missing(Found::Version { version: 2, oldest: 1 }).unwrap(), 0);
    assert_eq!(missing(Found::Version { version: 3, oldest: 2 }).unwrap(), 0);
    let error = missing(Found::Version { version: 4, oldest: 3 }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition);
    assert!(error.message().contains("version 4"), "{error}");
}

#[test]
fn servers_that_do_not_do_are_refused() {
    let server = Server { version: 150_018, encoding: "UTF8".to_owned(), read_only: false };
    server.check("here").unwrap();
    let refused = |server: Server| server.check("here").unwrap_err();
    let error = refused(Server { version: 120_022, ..server.clone() });
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("version 12.22, and 13 is the oldest"), "{error}");
    let error = refused(Server { encoding: "LATIN1".to_owned(), ..server.clone() });
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let error = refused(Server { read_only: true, ..server });
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}
