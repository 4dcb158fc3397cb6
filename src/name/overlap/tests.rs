use super::*;

fn name(text: &str) -> DomainName {
    text.parse().unwrap()
}

#[test]
fn each_relation_is_told_from_both_sides() {
    for (own, other, overlap) in [
        ("example.com", "a.example.com", Some(Overlap::Above)),
        ("example.com", "b.a.example.com", Some(Overlap::Above)),
        ("a.example.com", "*.b.a.example.com", Some(Overlap::Above)),
        ("*.example.com", "b.a.example.com", Some(Overlap::Above)),
        ("*.example.com", "*.a.example.com", Some(Overlap::Above)),
        ("*.example.com", "a.example.com", Some(Overlap::Covers)),
        ("*.example.com", "example.com", Some(Overlap::WildcardOf)),
        ("example.com", "example.com", None),
        ("example.com", "notexample.com", None),
        ("a.example.com", "b.example.com", None),
        ("*.a.example.com", "b.example.com", None),
    ] {
        let (own, other) = (name(own), name(other));
        assert_eq!(Overlap::between(&own, &other), overlap, "{own} {other}");
        assert_eq!(Overlap::between(&other, &own), overlap.map(Overlap::reversed), "{other} {own}");
    }
}

#[test]
fn every_relation_has_a_name_and_is_the_reverse_of_its_reverse() {
    let names: std::collections::BTreeSet<_> = Overlap::ALL.map(Overlap::as_str).into();
    assert_eq!(names.len(), Overlap::ALL.len());
    for overlap in Overlap::ALL {
        assert_eq!(overlap.reversed().reversed(), overlap);
        assert_eq!(serde_json::to_value(overlap).unwrap(), overlap.as_str());
    }
}

#[test]
fn the_exact_name_comes_before_the_one_wildcard_that_covers_it() {
    let serving = |text: &str| name(text).serving_names();
    assert_eq!(serving("a.example.com"), [name("a.example.com"), name("*.example.com")]);
    assert_eq!(serving("b.a.example.com"), [name("b.a.example.com"), name("*.a.example.com")]);
    assert_eq!(serving("*.example.com"), [name("*.example.com")]);
}

#[test]
fn names_above_end_at_the_registrable_domain() {
    let above = |text: &str| -> Vec<String> {
        name(text).names_above().iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        above("b.a.example.co.uk"),
        ["a.example.co.uk", "*.a.example.co.uk", "example.co.uk", "*.example.co.uk"]
    );
    assert_eq!(above("*.a.example.com"), ["a.example.com", "example.com", "*.example.com"]);
    assert_eq!(above("example.com"), [""; 0]);
    // Each of them overlaps, and is seen from its own side too.
    for text in ["b.a.example.co.uk", "*.a.example.com"] {
        for other in name(text).names_above() {
            assert!(Overlap::between(&name(text), &other).is_some(), "{text} {other}");
        }
    }
}
