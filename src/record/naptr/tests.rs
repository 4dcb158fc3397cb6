use super::Naptr;
use crate::name::DnsName;

fn is_valid(regexp: &str) -> bool {
    Naptr::new(1, 2, *b"u", *b"E2U+sip", regexp.as_bytes(), DnsName::root())
        .unwrap()
        .is_regexp_valid()
}

#[test]
fn a_substitution_can_be_carried_out_or_not() {
    for regexp in [
        "",
        "!^.*$!sip:info@example.com!",
        r"!^(.*)$!sip:\1@example.com!i",
        r"/urn:cid:.+@([^\.]+\.)(.*)$/\2/i",
        r"!^[(]\($!a!",
        "!^[])]$!a!",
        "!a!!",
        r"!a\!b!c\!d!",
        "!)!b!",
        "(a(b(",
    ] {
        assert!(is_valid(regexp), "{regexp}");
    }
    for regexp in [
        "abc",
        "!a!b",
        "!a!b!x",
        "!!x!",
        "!(!b!",
        "![a!b!",
        r"!(a)!\2!",
        r"!(a)!\0!",
        r"!a!\1!",
        r"!a\!b!",
        "1a1b1",
        "iaibi",
        r"\a\b\",
    ] {
        assert!(!is_valid(regexp), "{regexp}");
    }
}
