use proptest::prelude::*;

use super::*;
use crate::name::NameRule;

fn parse(text: &str) -> Result<DomainName, DomainNameError> {
    text.parse()
}

fn rule(text: &str) -> Option<NameRule> {
    parse(text).err().map(|error| error.rule())
}

#[test]
fn a_name_is_kept_in_its_canonical_form() {
    let long = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61));
    for (typed, canonical) in [
        ("example.com", "example.com"),
        ("example.com.", "example.com"),
        ("WWW.Example.COM", "www.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("Bu\u{308}cher.example\u{3002}", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("faß.de", "xn--fa-hia.de"),
        ("ｅｘａｍｐｌｅ．com", "example.com"),
        ("*.Bücher.example", "*.xn--bcher-kva.example"),
        ("*\u{3002}example.com", "*.example.com"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("אבג.com", "xn--4dbcd.com"),
        ("1.2.3.com", "1.2.3.com"),
        ("a.0x1g", "a.0x1g"),
        ("*.com", "*.com"),
        ("co.uk", "co.uk"),
        (&long, &long),
    ] {
        assert_eq!(parse(typed).unwrap().as_str(), canonical, "{typed}");
    }
}

#[test]
fn an_error_names_the_label_the_offset_and_the_rule() {
    let octets64 = format!("{}.com", "a".repeat(64));
    let long_idn = format!("{}.com", "ü".repeat(200));
    let too_long = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(62));
    for (text, rule, label, offset) in [
        ("", NameRule::Empty, None, None),
        (".", NameRule::Empty, None, None),
        ("exa mple.com", NameRule::Character, Some(1), Some(3)),
        ("www.exa_mple.com", NameRule::Character, Some(2), Some(7)),
        ("bücher.exa_mple.com", NameRule::Character, Some(2), Some(10)),
        ("bü_cher.com", NameRule::Character, Some(1), Some(2)),
        ("www.a\u{202e}b.com", NameRule::Character, Some(2), Some(5)),
        ("www.\u{301}b.com", NameRule::Character, Some(2), Some(4)),
        ("a..com", NameRule::EmptyLabel, Some(2), Some(2)),
        (".com", NameRule::EmptyLabel, Some(1), Some(0)),
        ("example.com..", NameRule::EmptyLabel, Some(3), Some(12)),
        ("bücher.\u{ad}.com", NameRule::EmptyLabel, Some(2), Some(7)),
        ("-a.com", NameRule::Hyphen, Some(1), Some(0)),
        ("a.b-.com", NameRule::Hyphen, Some(2), Some(3)),
        ("ab--c.com", NameRule::Hyphen, Some(1), Some(2)),
        ("ü-.com", NameRule::Hyphen, Some(1), Some(0)),
        (&octets64, NameRule::LabelTooLong, Some(1), Some(0)),
        (&long_idn, NameRule::LabelTooLong, Some(1), Some(0)),
        (&too_long, NameRule::TooLong, None, None),
        ("xn--a.com", NameRule::Punycode, Some(1), Some(0)),
        ("xn--a", NameRule::Punycode, Some(1), Some(0)),
        ("xn--.com", NameRule::Punycode, Some(1), Some(0)),
        ("xn--example-.org", NameRule::Punycode, Some(1), Some(0)),
        ("www.xn--example-.org", NameRule::Punycode, Some(2), Some(4)),
        ("ａ.xn--a.com", NameRule::Punycode, Some(2), Some(2)),
        ("a\u{200d}b.com", NameRule::Joiner, Some(1), Some(1)),
        ("aא.com", NameRule::Bidi, Some(1), Some(0)),
        ("אבג.1a.com", NameRule::Bidi, Some(2), Some(4)),
        ("com", NameRule::SingleLabel, None, None),
        ("localhost.", NameRule::SingleLabel, None, None),
        ("*", NameRule::Wildcard, Some(1), Some(0)),
        ("a.*.com", NameRule::Wildcard, Some(2), Some(2)),
        ("*a.com", NameRule::Wildcard, Some(1), Some(0)),
        ("*.*.com", NameRule::Wildcard, Some(2), Some(2)),
        ("https://example.com", NameRule::Url, Some(1), Some(5)),
        ("example.com/shop", NameRule::Url, Some(2), Some(11)),
        ("example.com:443", NameRule::Url, Some(2), Some(11)),
        ("joe@example.com", NameRule::Url, Some(1), Some(3)),
        ("a.123", NameRule::NumericTld, Some(2), Some(2)),
        ("a.0x1f", NameRule::NumericTld, Some(2), Some(2)),
        ("192.0.2.1", NameRule::Address, None, None),
        ("192.0.2.1.", NameRule::Address, None, None),
        ("１９２.0.2.1", NameRule::Address, None, None),
        ("192.0.2.1:80", NameRule::Address, None, None),
        ("192.0.2.0/24", NameRule::Address, None, None),
        ("0x7f.1", NameRule::Address, None, None),
        ("2130706433", NameRule::Address, None, None),
        ("2001:db8::1", NameRule::Address, None, None),
        ("[2001:db8::1]", NameRule::Address, None, None),
        ("[2001:db8::1]:443", NameRule::Address, None, None),
        ("fe80::1%eth0", NameRule::Address, None, None),
        ("::ffff:192.0.2.1", NameRule::Address, None, None),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!((error.rule(), error.label(), error.offset()), (rule, label, offset), "{text}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

#[test]
fn an_error_is_one_clear_sentence() {
    for (text, shown) in [
        ("exa mple.com", "label 1 `exa mple`: character ` ` at offset 3 is not allowed"),
        (
            "https://example.com",
            "label 1 `https://example`: character `:` at offset 5 belongs to a URL or an address: \
             give the host name only",
        ),
        (
            "-a.com",
            "label 1 `-a`: character `-` at offset 0 may not be first, last, or third and fourth",
        ),
        ("a..com", "label 2 is empty, at offset 2"),
        ("xn--a", "label 1 `xn--a`: not the punycode of a valid label"),
        ("192.0.2.1", "`192.0.2.1` is an address: give a domain name"),
        ("a\n.com", "label 1 `a\\n`: character `\\n` at offset 1 is not allowed"),
        ("a\u{202e}.com", "label 1 `a\\u{202e}`: character `\\u{202e}` at offset 1 is not allowed"),
        (
            "_dmarc.a.com",
            "label 1 `_dmarc`: character `_` at offset 0 is not allowed in a host name",
        ),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), shown);
    }
}

#[test]
fn long_input_is_refused_at_once_and_not_repeated() {
    for text in ["a.".repeat(10_000), "ü".repeat(2000), "é.".repeat(1300), "\u{1b}".repeat(4096)]
    {
        let error = parse(&text).unwrap_err();
        assert!(error.to_string().len() < 600, "{error}");
        assert!(!error.to_string().chars().any(char::is_control));
    }
    assert_eq!(rule(&"a".repeat(1025)), Some(NameRule::TooLong));
}

#[test]
fn codes_of_rules_are_distinct() {
    let codes: std::collections::BTreeSet<_> = NameRule::ALL.map(NameRule::as_str).into();
    assert_eq!(codes.len(), NameRule::ALL.len());
    for rule in NameRule::ALL {
        assert_eq!(serde_json::to_value(rule).unwrap(), rule.as_str());
    }
}

#[test]
fn the_registrable_domain_is_one_label_below_the_public_suffix() {
    for (name, registrable) in [
        ("example.com", Some("example.com")),
        ("a.b.example.co.uk", Some("example.co.uk")),
        ("*.example.com", Some("example.com")),
        ("co.uk", None),
        ("*.co.uk", None),
        ("github.io", None),
        ("me.github.io", Some("me.github.io")),
        ("www.city.kawasaki.jp", Some("city.kawasaki.jp")),
        ("a.b.c.kawasaki.jp", Some("b.c.kawasaki.jp")),
        ("shop.example.test", Some("example.test")),
        ("пример.рф", Some("xn--e1afmkfd.xn--p1ai")),
        ("公司.cn", None),
    ] {
        assert_eq!(parse(name).unwrap().registrable(), registrable, "{name}");
    }
    assert!(parse("example.com").unwrap().is_apex());
    assert!(!parse("www.example.com").unwrap().is_apex());
    assert!(!parse("*.example.com").unwrap().is_apex());
}

#[test]
fn the_base_of_a_wildcard_is_what_it_covers_names_below() {
    let wildcard = parse("*.example.com").unwrap();
    assert!(wildcard.is_wildcard());
    assert_eq!(wildcard.base(), parse("example.com").unwrap());
    assert_eq!(parse("example.com").unwrap().base(), parse("example.com").unwrap());
    assert_eq!(wildcard.labels().collect::<Vec<_>>(), ["*", "example", "com"]);
}

#[test]
fn people_are_shown_u_labels() {
    assert_eq!(parse("*.xn--bcher-kva.example").unwrap().to_unicode(), "*.bücher.example");
    assert_eq!(parse("example.com").unwrap().to_unicode(), "example.com");
}

#[test]
fn stored_text_is_validated_when_it_is_read() {
    let name = parse("bücher.example").unwrap();
    let json = serde_json::to_string(&name).unwrap();
    assert_eq!(json, "\"xn--bcher-kva.example\"");
    assert_eq!(serde_json::from_str::<DomainName>(&json).unwrap(), name);
    assert!(serde_json::from_str::<DomainName>("\"exa mple.com\"").is_err());
}

proptest! {
    #[test]
    fn no_input_panics(text in any::<String>()) {
        let shown = parse(&text).map_or_else(|error| error.to_string(), |name| name.to_unicode());
        prop_assert!(!shown.contains('\n'));
    }

    #[test]
    fn what_looks_like_a_name_does_not_panic(text in "[a-cA-C0x*.\\-n_ü例אا٠\u{200d}\u{ad}\u{3002}:/\\[\\]]{0,24}") {
        let _ = parse(&text).map_err(|error| error.to_string());
    }

    #[test]
    fn the_canonical_form_is_its_own(text in "(\\*\\.)?([a-zA-Z0-9üßé例אا]{1,8}\\.){1,3}[a-z]{2,5}\\.?") {
        if let Ok(name) = parse(&text) {
            prop_assert!(name.as_str().is_ascii() && name.as_str().len() <= 253);
            prop_assert_eq!(parse(name.as_str()).unwrap(), name.clone());
            prop_assert_eq!(parse(&name.to_unicode()).unwrap(), name);
        }
    }

    #[test]
    fn case_and_one_final_dot_mean_nothing(text in "([a-z0-9]{1,8}\\.){1,3}[a-z]{2,5}") {
        let name = parse(&text).unwrap();
        prop_assert_eq!(&parse(&text.to_uppercase()).unwrap(), &name);
        prop_assert_eq!(&parse(&format!("{text}.")).unwrap(), &name);
    }

    #[test]
    fn offsets_are_within_the_input(text in "[a-z0-9.\\-_ü例א *]{0,40}") {
        if let Err(error) = parse(&text) {
            prop_assert!(error.offset().is_none_or(|offset| offset <= text.chars().count()));
        }
    }
}
