use proptest::prelude::*;

use super::*;

fn refusal(policy: &ClaimPolicy, name: &str) -> Option<ClaimRule> {
    policy.admit(&name.parse().unwrap()).err().map(|error| error.rule())
}

fn names<const N: usize>(names: [&str; N]) -> [DnsName; N] {
    names.map(|name| name.parse().unwrap())
}

#[test]
fn the_strict_policy_admits_what_somebody_can_own() {
    let policy = ClaimPolicy::new();
    for name in [
        "shop.co",
        "www.shop.co",
        "*.shop.co",
        "shop.co.uk",
        "me.github.io",
        "*.me.github.io",
        "www.city.kawasaki.jp",
        "bücher.de",
        "myexample.com",
        "a.b.c.d.e.f.g.h.shop.co",
    ] {
        assert_eq!(refusal(&policy, name), None, "{name}");
    }
}

#[test]
fn the_strict_policy_refuses_what_nobody_can_own() {
    let policy = ClaimPolicy::new();
    for (name, rule) in [
        ("co.uk", ClaimRule::PublicSuffix),
        ("公司.cn", ClaimRule::PublicSuffix),
        ("a.kawasaki.jp", ClaimRule::PublicSuffix),
        ("github.io", ClaimRule::PrivateSuffix),
        ("*.com", ClaimRule::WildcardTooBroad),
        ("*.co.uk", ClaimRule::WildcardTooBroad),
        ("*.github.io", ClaimRule::WildcardTooBroad),
        ("*.kawasaki.jp", ClaimRule::WildcardTooBroad),
        ("*.test", ClaimRule::WildcardTooBroad),
        ("*.unlistedtld", ClaimRule::WildcardTooBroad),
        ("example.com", ClaimRule::SpecialUse),
        ("shop.example.com", ClaimRule::SpecialUse),
        ("shop.example", ClaimRule::SpecialUse),
        ("shop.test", ClaimRule::SpecialUse),
        ("printer.local", ClaimRule::SpecialUse),
        ("db.internal", ClaimRule::SpecialUse),
        ("a.localhost", ClaimRule::SpecialUse),
        ("facebookcorewwwi.onion", ClaimRule::SpecialUse),
        ("1.2.0.192.in-addr.arpa", ClaimRule::SpecialUse),
        ("router.home.arpa", ClaimRule::SpecialUse),
        ("resolver.arpa", ClaimRule::SpecialUse),
        ("ipv4only.arpa", ClaimRule::SpecialUse),
        ("default.service.arpa", ClaimRule::SpecialUse),
        ("a.eap.arpa", ClaimRule::SpecialUse),
        ("a.6tisch.arpa", ClaimRule::SpecialUse),
        ("a.alt", ClaimRule::SpecialUse),
        ("a.invalid", ClaimRule::SpecialUse),
        ("www.example.org", ClaimRule::SpecialUse),
        ("*.example.com", ClaimRule::SpecialUse),
        ("a.b.c.d.e.f.g.h.i.shop.co", ClaimRule::TooManyLabels),
    ] {
        assert_eq!(refusal(&policy, name), Some(rule), "{name}");
    }
}

#[test]
fn special_use_is_opted_in_to_with_everything_below() {
    let policy = ClaimPolicy::new().with_allowed(names(["shop.example.com", "test"]));
    for name in ["shop.example.com", "eu.shop.example.com", "*.shop.example.com", "a.example.test"]
    {
        assert_eq!(refusal(&policy, name), None, "{name}");
    }
    assert_eq!(refusal(&policy, "example.com"), Some(ClaimRule::SpecialUse));
    assert_eq!(refusal(&policy, "bar.example.com"), Some(ClaimRule::SpecialUse));
    assert_eq!(refusal(&policy, "*.test"), Some(ClaimRule::WildcardTooBroad));
}

#[test]
fn a_private_suffix_is_opted_in_to_by_its_own_name() {
    let policy = ClaimPolicy::new().with_allowed(names(["github.io", "co.uk", "com"]));
    assert_eq!(refusal(&policy, "github.io"), None);
    assert_eq!(refusal(&policy, "*.github.io"), Some(ClaimRule::WildcardTooBroad));
    assert_eq!(refusal(&policy, "herokuapp.com"), Some(ClaimRule::PrivateSuffix));
    assert_eq!(refusal(&policy, "co.uk"), Some(ClaimRule::PublicSuffix));
    assert_eq!(refusal(&policy, "example.com"), Some(ClaimRule::SpecialUse));
}

#[test]
fn what_is_set_aside_is_named_with_what_does_it() {
    for (name, shown) in [
        (
            "a.home.arpa",
            "`a.home.arpa` is in `home.arpa`, which is set aside (RFC 8375): nobody owns it",
        ),
        (
            "a.as112.arpa",
            "`a.as112.arpa` is in `arpa`, which is set aside (RFC 3172): nobody owns it",
        ),
    ] {
        let error = ClaimPolicy::new().admit(&name.parse().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), shown);
    }
    for (index, (name, source)) in SPECIAL_USE.into_iter().enumerate() {
        assert_eq!(special_use(name), Some((name, source)));
        assert_eq!(special_use(&format!("a.{name}")), Some((name, source)));
        assert_ne!(special_use(&format!("not{name}")), Some((name, source)));
        let before = SPECIAL_USE.into_iter().take(index);
        assert!(before.into_iter().all(|(above, _)| !is_or_is_below(name, above)), "{name}");
    }
}

#[test]
fn labels_in_front_of_the_registrable_domain_are_counted() {
    let policy = ClaimPolicy::new().with_max_depth(1).with_allowed(names(["github.io", "test"]));
    for name in ["shop.co.uk", "www.shop.co.uk", "*.shop.co", "github.io", "a.shop.test"] {
        assert_eq!(refusal(&policy, name), None, "{name}");
    }
    for name in ["a.www.shop.co.uk", "*.www.shop.co", "a.b.me.github.io", "a.b.shop.test"] {
        assert_eq!(refusal(&policy, name), Some(ClaimRule::TooDeep), "{name}");
    }
    let apex = ClaimPolicy::new().with_max_depth(0);
    assert_eq!(refusal(&apex, "shop.co.uk"), None);
    assert_eq!(refusal(&apex, "www.shop.co.uk"), Some(ClaimRule::TooDeep));
    // The default is no cap of its own: the labels run out first.
    let many = ClaimPolicy::new().with_max_labels(127);
    assert_eq!(refusal(&many, "a.b.c.d.e.f.g.h.shop.co"), None);
    assert_eq!(refusal(&many, "a.b.c.d.e.f.g.h.i.shop.co"), Some(ClaimRule::TooDeep));
}

#[test]
fn a_profile_stands_beside_the_other_rules() {
    let policy = ClaimPolicy::new().with_profile(NameProfile::NORTHFLANK);
    for (name, rule) in [
        ("shop.co.uk", None),
        ("xn--bcher-kva.de", None),
        ("x.shop.co.uk", Some(ClaimRule::Profile)),
        ("*.shop.co.uk", Some(ClaimRule::Profile)),
        ("co.uk", Some(ClaimRule::PublicSuffix)),
        ("shop.example.com", Some(ClaimRule::SpecialUse)),
        ("*.co.uk", Some(ClaimRule::WildcardTooBroad)),
    ] {
        assert_eq!(refusal(&policy, name), rule, "{name}");
    }
    let error = policy.admit(&"x.shop.co.uk".parse().unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`x.shop.co.uk` is not what the profile `northflank` takes: two or more labels of two or \
         more letters, digits and hyphens"
    );
}

#[test]
fn a_list_that_is_swapped_decides_from_then_on() {
    let suffixes = SharedSuffixes::from(PublicSuffixes::compiled());
    let policy = ClaimPolicy::new().with_suffixes(suffixes.clone());
    assert_eq!(refusal(&policy, "shop.acme.app"), None);
    let text = "// ===BEGIN ICANN DOMAINS===\n*.dev\n!me.dev\n// ===END ICANN DOMAINS===\n\
        // ===BEGIN PRIVATE DOMAINS===\nacme.app\n*.acme.app\n// ===END PRIVATE DOMAINS===\n";
    let read_at = "2026-11-21T12:00:00Z".parse().unwrap();
    suffixes.replace(PublicSuffixes::parse_at_least(4, text, read_at).unwrap());
    for (name, rule) in [
        ("shop.acme.app", Some(ClaimRule::PrivateSuffix)),
        ("a.shop.acme.app", None),
        ("*.acme.app", Some(ClaimRule::WildcardTooBroad)),
        ("*.shop.acme.app", Some(ClaimRule::WildcardTooBroad)),
        ("*.a.shop.acme.app", None),
        ("a.dev", Some(ClaimRule::PublicSuffix)),
        ("me.dev", None),
        ("*.me.dev", None),
        ("*.a.dev", Some(ClaimRule::WildcardTooBroad)),
    ] {
        assert_eq!(refusal(&policy, name), rule, "{name}");
    }
    assert_eq!(policy.suffixes().as_of(), read_at);
}

#[test]
fn reserved_names_are_refused_above_and_below() {
    let policy = ClaimPolicy::new()
        .with_reserved(names(["edge.acme.app", "acme.dev"]))
        .with_allowed(names(["acme.dev"]));
    for name in ["edge.acme.app", "a.edge.acme.app", "*.edge.acme.app", "*.acme.app", "acme.dev"] {
        assert_eq!(refusal(&policy, name), Some(ClaimRule::Reserved), "{name}");
    }
    for name in ["acme.app", "other.acme.app", "notacme.dev", "*.notacme.dev"] {
        assert_eq!(refusal(&policy, name), None, "{name}");
    }
}

#[test]
fn a_refusal_is_one_sentence_with_the_name() {
    let policy = ClaimPolicy::new()
        .with_reserved(names(["edge.acme.app"]))
        .with_profile(NameProfile::NORTHFLANK)
        .with_max_depth(2);
    for name in [
        "co.uk",
        "github.io",
        "*.com",
        "a.test",
        "*.acme.app",
        "1.1.1.1.1.1.1.1.1.1.co",
        "a.b.c.shop.co",
        "a.shop.co",
    ] {
        let name: DomainName = name.parse().unwrap();
        let error = policy.admit(&name).unwrap_err();
        assert_eq!(error.name(), &name);
        let shown = error.to_string();
        assert!(shown.starts_with(&format!("`{name}` ")) && !shown.contains('\n'), "{shown}");
        assert!(!shown.contains("edge"), "{shown}");
    }
}

#[test]
fn codes_of_rules_are_distinct() {
    let codes: std::collections::BTreeSet<_> = ClaimRule::ALL.map(ClaimRule::as_str).into();
    assert_eq!(codes.len(), ClaimRule::ALL.len());
    for rule in ClaimRule::ALL {
        assert_eq!(serde_json::to_value(rule).unwrap(), rule.as_str());
    }
}

proptest! {
    #[test]
    fn what_is_admitted_has_a_registrable_domain(name in "(\\*\\.)?([a-z]{1,3}\\.){1,3}(com|uk|jp|io|ck|zz)") {
        let name: DomainName = name.parse().unwrap();
        if ClaimPolicy::new().admit(&name).is_ok() {
            prop_assert!(name.registrable().is_some());
        }
    }
}
