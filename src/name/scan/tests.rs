use proptest::prelude::*;

use super::*;

/// Looks at one octet after the other.
fn slowly(text: &str, others: &[u8]) -> Option<Marks> {
    let wrong = |octet: u8| !octet.is_ascii_alphanumeric() && !others.contains(&octet);
    if text.is_empty() || text.len() > LIMIT || text.bytes().any(wrong) {
        return None;
    }
    let places = |wanted: u8| {
        let found = text.bytes().enumerate().filter(|(_, octet)| *octet == wanted);
        found.map(|(index, _)| 1_u64 << index).sum::<u64>()
    };
    let dots = places(b'.');
    Some(Marks {
        dots,
        hyphens: places(b'-'),
        starts: 1 | (dots << 1),
        ends: (dots >> 1) | (1 << (text.len() - 1)),
        has_upper: text.bytes().any(|octet| octet.is_ascii_uppercase()),
    })
}

#[test]
fn every_octet_is_told_from_every_other() {
    for c in '\0'..='\u{ff}' {
        for text in
            [c.to_string(), format!("abc{c}"), format!("abcdefg{c}"), format!("{c}abcdefgh")]
        {
            assert_eq!(Marks::of_host(&text), slowly(&text, b"-."), "{text:?}");
            assert_eq!(Marks::of_any(&text), slowly(&text, b"-._*/+"), "{text:?}");
        }
    }
}

#[test]
fn labels_are_found_by_their_dots() {
    for (text, empty, last) in [
        ("com", false, 0),
        ("a.com", false, 2),
        ("a.b.com", false, 4),
        ("a..com", true, 3),
        (".com", true, 1),
        ("com.", true, 4),
        (".", true, 1),
    ] {
        let marks = Marks::of_host(text).unwrap();
        assert_eq!((marks.has_empty_label(), marks.last_label()), (empty, last), "{text}");
    }
    assert!(Marks::of_host(&"a".repeat(63)).is_some());
    assert_eq!(Marks::of_host(&"a".repeat(64)), None);
    assert_eq!(Marks::of_host(&format!("{}.", "a".repeat(62))).unwrap().last_label(), 63);
}

proptest! {
    #[test]
    fn eight_at_a_time_is_as_good_as_one(text in "[a-cX-Z0-9.-]{0,70}", any in "[a-zA-Z@\\[`{/:0-9._*+,-]{0,70}") {
        prop_assert_eq!(Marks::of_host(&text), slowly(&text, b"-."));
        prop_assert_eq!(Marks::of_host(&any), slowly(&any, b"-."));
        prop_assert_eq!(Marks::of_any(&any), slowly(&any, b"-._*/+"));
    }
}
