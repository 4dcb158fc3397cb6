use std::{
    collections::BTreeSet,
    hash::{BuildHasher, RandomState},
};

use proptest::prelude::*;

use super::*;

fn name(text: &str) -> DnsName {
    text.parse().unwrap()
}

#[test]
fn every_octet_has_one_spelling() {
    for (text, canonical) in [
        (".", "."),
        ("Example.COM.", "example.com"),
        ("_acme-challenge.example.com", "_acme-challenge.example.com"),
        ("*.example.com", "*.example.com"),
        (r"a\.b.example", r"a\.b.example"),
        (r"a\046b.example", r"a\.b.example"),
        (r"\065.example", "a.example"),
        (r"\a\-b.example", "a-b.example"),
        (r"a\032b.example", r"a\032b.example"),
        (r"a\ b.example", r"a\032b.example"),
        (r"a\255.example", r"a\255.example"),
        (r"a\\.example", r"a\\.example"),
        ("a(b;c\"@$.example", r#"a\(b\;c\"\@\$.example"#),
    ] {
        assert_eq!(name(text).as_str(), canonical, "{text}");
    }
}

#[test]
fn the_corners_of_rfc_1035_section_5_1_are_read_as_name_servers_read_them() {
    let octet255 = [&*r"\255".repeat(63), &*r"\255".repeat(63), &*r"\255".repeat(63)].join(".");
    let longest = format!("{octet255}.{}", r"\255".repeat(61));
    for (text, labels) in [
        ("@.", vec![&b"@"[..]]),
        (r"\@", vec![b"@"]),
        (r"\.", vec![b"."]),
        (r"\..", vec![b"."]),
        (r"\\.", vec![br"\"]),
        (r"\\\..a", vec![br"\.", b"a"]),
        (r"\000.a", vec![b"\0", b"a"]),
        (r"\0000", vec![b"\x000"]),
        (r"mi\k.NL.", vec![b"mik", b"nl"]),
        (r"\#.\$.\(\)", vec![b"#", b"$", b"()"]),
        (r"a\032b.\ c", vec![b"a b", b" c"]),
        (r"\097\066.c", vec![b"ab", b"c"]),
        (r"\195\156.de", vec!["Ü".as_bytes(), b"de"]),
        ("www.e%ample.com", vec![b"www", b"e%ample", b"com"]),
        ("0/25.2.0.192.in-addr.arpa", vec![b"0/25", b"2", b"0", b"192", b"in-addr", b"arpa"]),
        ("a*.*.*b", vec![b"a*", b"*", b"*b"]),
        ("_443._tcp", vec![b"_443", b"_tcp"]),
        ("-", vec![b"-"]),
    ] {
        assert_eq!(name(text).labels().collect::<Vec<_>>(), labels, "{text}");
        let wire: Vec<u8> = labels
            .iter()
            .flat_map(|label| [&[u8::try_from(label.len()).unwrap()], *label].concat())
            .chain([0])
            .collect();
        assert_eq!(name(text).to_wire(), wire, "{text}");
    }
    assert_eq!(name(&longest).wire_len(), 255);
    for text in [
        r"\25", r"\2x5", r"\300.a", r"\999", r"a.\", r"a\.\", "\\\u{e9}", "\\\t", "a.\u{0}",
        "a\tb", r"..\.", r"\...", ". .", " a", "a ", "a. b",
    ] {
        assert!(text.parse::<DnsName>().is_err(), "{text}");
    }
    assert!(format!(r"{longest}\255").parse::<DnsName>().is_err());
    assert!(r"\255".repeat(64).parse::<DnsName>().is_err());
}

#[test]
fn what_is_no_name_is_refused_with_its_place() {
    let octets64 = "a".repeat(64);
    let wire256 = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(62));
    for (text, shown) in [
        ("", "the name is empty; the root is `.`"),
        ("..", "label 1 is empty"),
        ("a..b", "label 2 is empty"),
        (".a", "label 1 is empty"),
        ("a b", "character ` ` at offset 1 is not allowed in a DNS name"),
        ("bü.de", r"character `ü` at offset 1 is not allowed in a DNS name"),
        ("a\n.de", r"character `\n` at offset 1 is not allowed in a DNS name"),
        (r"a\256", r"the escape at offset 1 is not `\DDD` up to 255 or `\` and a character"),
        (r"a\12", r"the escape at offset 1 is not `\DDD` up to 255 or `\` and a character"),
        ("a\\", r"the escape at offset 1 is not `\DDD` up to 255 or `\` and a character"),
        ("@", "`@` stands for an origin, which is not known here"),
        (&octets64, "label 1 is longer than 63 octets"),
        (&wire256, "the name is longer than 255 octets"),
        (&"a.".repeat(5000), "the name is longer than 255 octets"),
    ] {
        assert_eq!(text.parse::<DnsName>().unwrap_err().to_string(), shown, "{text}");
    }
}

#[test]
fn the_longest_name_has_255_octets_on_the_wire() {
    let longest = name(&format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61)));
    assert_eq!(longest.wire_len(), 255);
    assert_eq!(longest.to_wire().len(), 255);
    assert!(longest.child("a").is_err());
    assert_eq!(DnsName::root().to_wire(), [0]);
    assert_eq!(name(r"a\.b.c").to_wire(), b"\x03a.b\x01c\x00");
}

#[test]
fn a_name_without_final_dot_is_relative_to_the_origin() {
    let origin = name("Example.com");
    for (text, absolute) in [
        ("@", "example.com"),
        ("www", "www.example.com"),
        ("WWW.Eu", "www.eu.example.com"),
        ("*", "*.example.com"),
        ("example.com", "example.com.example.com"),
        ("example.net.", "example.net"),
        (".", "."),
        (r"a\.", r"a\..example.com"),
        (r"a\\", r"a\\.example.com"),
        (r"a\\.", r"a\\"),
        (r"a\.b", r"a\.b.example.com"),
        (r"\@", r"\@.example.com"),
        (r"\064", r"\@.example.com"),
    ] {
        assert_eq!(DnsName::parse_in(text, &origin).unwrap(), name(absolute), "{text}");
    }
    assert_eq!(DnsName::parse_in("com", &DnsName::root()).unwrap(), name("com"));
    assert_eq!(DnsName::parse_in(r"a\.b", &DnsName::root()).unwrap(), name(r"a\.b"));
    assert_eq!(DnsName::parse_in("@", &DnsName::root()).unwrap(), DnsName::root());
    for text in ["", "..", "a..", "a..b", ".a", "a b", "ü", r"a\"] {
        assert!(DnsName::parse_in(text, &origin).is_err(), "{text}");
    }
}

#[test]
fn a_relative_name_and_its_origin_are_at_most_255_octets_together() {
    let origin = name(&format!("{0}.{0}.{0}", "a".repeat(63)));
    let fits = "b".repeat(61);
    assert_eq!(DnsName::parse_in(&fits, &origin).unwrap().wire_len(), 255);
    assert_eq!(
        DnsName::parse_in(&format!(r"\098{}", "b".repeat(60)), &origin).unwrap().wire_len(),
        255
    );
    for text in ["b".repeat(62), format!(r"\098{fits}"), format!("b.{}", "b".repeat(60))] {
        let error = DnsName::parse_in(&text, &origin).unwrap_err();
        assert_eq!(error.to_string(), "the name is longer than 255 octets", "{text}");
    }
    assert_eq!(DnsName::parse_in("c.", &origin).unwrap(), name("c"));
    assert!(name(&fits).join(&origin).is_ok() && name(&"b".repeat(62)).join(&origin).is_err());
}

#[test]
fn labels_are_compared_whole() {
    let zone = name("example.com");
    for (owner, relative) in [
        ("example.com", Some("@")),
        ("www.example.com", Some("www")),
        ("a.b.example.com", Some("a.b")),
        (r"a\.b.example.com", Some(r"a\.b")),
        ("notexample.com", None),
        (r"not\.example.com", None),
        (r"not\\.example.com", Some(r"not\\")),
        ("com", None),
        (".", None),
    ] {
        assert_eq!(name(owner).relative_to(&zone).as_deref(), relative, "{owner}");
        assert_eq!(name(owner).is_within(&zone), relative.is_some(), "{owner}");
    }
    assert_eq!(zone.relative_to(&DnsName::root()).as_deref(), Some("example.com"));
    assert!(DnsName::root().is_within(&DnsName::root()));
}

#[test]
fn parents_end_at_the_root() {
    let mut names = vec![name(r"a\.b.example.com")];
    while let Some(parent) = names.last().and_then(DnsName::parent) {
        names.push(parent);
    }
    assert_eq!(names, [r"a\.b.example.com", "example.com", "com", "."].map(name));
}

#[test]
fn a_child_has_one_label_more() {
    let zone = name("example.com");
    assert_eq!(zone.child("_Acme-Challenge").unwrap(), name("_acme-challenge.example.com"));
    assert_eq!(DnsName::root().child("com").unwrap(), name("com"));
    assert_eq!(zone.child(r"a\.b").unwrap(), name(r"a\.b.example.com"));
    for label in ["", ".", "a.b", "@", "a b"] {
        assert!(zone.child(label).is_err(), "{label}");
    }
}

#[test]
fn the_order_is_that_of_rfc_4034_section_6_1() {
    let sorted = [
        ".",
        "example",
        "a.example",
        "yljkjljk.a.example",
        "Z.a.example",
        "zABC.a.EXAMPLE",
        "z.example",
        r"\001.z.example",
        "*.z.example",
        r"\200.z.example",
    ]
    .map(name);
    assert!(sorted.is_sorted());
    assert_eq!(sorted.iter().cloned().collect::<BTreeSet<_>>().len(), sorted.len());
}

#[test]
fn every_domain_name_is_a_dns_name() {
    for text in ["example.com", "*.xn--bcher-kva.example"] {
        let domain: DomainName = text.parse().unwrap();
        assert_eq!(DnsName::from(&domain), name(text));
        assert_eq!(DnsName::from(domain).as_str(), text);
    }
}

#[test]
fn stored_text_is_validated_when_it_is_read() {
    let owner = name(r"a\.b.example.com");
    let json = serde_json::to_string(&owner).unwrap();
    assert_eq!(serde_json::from_str::<DnsName>(&json).unwrap(), owner);
    assert!(serde_json::from_str::<DnsName>("\"a..b\"").is_err());
}

fn any_name() -> impl Strategy<Value = DnsName> {
    let label = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..5),
        "[a-zA-Z0-9_*.\\\\-]{1,8}".prop_map(String::into_bytes),
    ];
    proptest::collection::vec(label, 0..5).prop_map(|labels| DnsName::from_labels(labels).unwrap())
}

proptest! {
    #[test]
    fn no_input_panics(text in any::<String>()) {
        let _ = text.parse::<DnsName>().map_err(|error| error.to_string());
    }

    #[test]
    fn text_of_names_does_not_panic(text in "[a-cA-C0-9.\\\\ @*]{0,24}") {
        if let Ok(name) = text.parse::<DnsName>() {
            prop_assert_eq!(name.as_str().parse::<DnsName>().unwrap(), name);
        }
    }

    #[test]
    fn text_and_labels_read_back(name in any_name()) {
        prop_assert_eq!(&name.to_string().parse::<DnsName>().unwrap(), &name);
        prop_assert_eq!(&DnsName::from_labels(name.labels()).unwrap(), &name);
        let mut back: Vec<_> = name.labels().rev().collect();
        back.reverse();
        prop_assert_eq!(back, name.labels().collect::<Vec<_>>());
        prop_assert_eq!(name.to_wire().len(), name.wire_len());
    }

    #[test]
    fn case_means_nothing(text in "[a-zA-Z0-9_.-]{1,20}") {
        let (upper, lower) = (text.to_uppercase().parse::<DnsName>(), text.to_lowercase().parse::<DnsName>());
        if let (Ok(upper), Ok(lower)) = (upper, lower) {
            prop_assert_eq!(&upper, &lower);
            prop_assert_eq!(upper.cmp(&lower), Ordering::Equal);
            let state = RandomState::new();
            prop_assert_eq!(state.hash_one(&upper), state.hash_one(&lower));
        }
    }

    #[test]
    fn order_agrees_with_equality(a in any_name(), b in any_name()) {
        prop_assert_eq!(a.cmp(&b) == Ordering::Equal, a == b);
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
    }

    #[test]
    fn what_is_relative_to_an_origin_reads_back_in_it(front in any_name(), origin in any_name()) {
        let name = front.join(&origin).unwrap();
        prop_assert_eq!(name.wire_len(), front.wire_len() + origin.wire_len() - 1);
        prop_assert_eq!(name.labels().count(), front.labels().count() + origin.labels().count());
        let relative = name.relative_to(&origin).unwrap();
        prop_assert_eq!(&DnsName::parse_in(&relative, &origin).unwrap(), &name);
        let absolute = if name.is_root() { ".".to_owned() } else { format!("{name}.") };
        prop_assert_eq!(&DnsName::parse_in(&absolute, &origin).unwrap(), &name);
    }

    #[test]
    fn the_fast_way_reads_what_the_slow_way_reads(text in "[a-cA-C0-9_*/.\\\\-]{0,12}") {
        if let Some(fast) = plain(&text) {
            prop_assert_eq!(fast.to_ascii_lowercase(), read_slowly(&text).unwrap().to_string());
        }
    }

    #[test]
    fn order_is_by_labels_from_the_right(
        a in any_name(),
        b in any_name(),
        plain in "([ab-]{1,9}\\.){1,4}",
        other in "([ab-]{1,9}\\.){1,4}",
        zone in any_name(),
    ) {
        let below = |text: &str| {
            let labels = name(text);
            DnsName::from_labels(labels.labels().chain(zone.labels())).unwrap()
        };
        for (a, b) in [
            (a, b),
            (name(&plain), name(&other)),
            (below(&plain), below(&other)),
            (below(&plain), zone.clone()),
            (zone, DnsName::root()),
        ] {
            prop_assert_eq!(a.cmp(&b), a.labels().rev().cmp(b.labels().rev()), "{} {}", a, b);
        }
    }

    #[test]
    fn a_child_is_within_its_parent(name in any_name(), label in "[a-z0-9_]{1,20}") {
        let child = name.child(&label).unwrap();
        prop_assert!(child.is_within(&name) && child.is_within(&DnsName::root()));
        prop_assert!(!name.is_within(&child));
        prop_assert_eq!(child.parent(), Some(name.clone()));
        prop_assert_eq!(child.relative_to(&name), Some(label));
    }
}
