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
    let policy = ClaimPolicy::new().with_reserved(names(["edge.acme.app"]));
    for name in ["co.uk", "github.io", "*.com", "a.test", "*.acme.app", "1.1.1.1.1.1.1.1.1.1.co"] {
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
