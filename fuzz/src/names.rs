//! Names: of hosts, and of DNS.

use std::sync::LazyLock;

use nameplate::name::{ClaimPolicy, ClaimRule, DnsName, DomainName, NameProfile, NameRule};

use super::input::{check_message, name, text};

/// A policy with something of everything.
static STRICT: LazyLock<ClaimPolicy> = LazyLock::new(|| {
    ClaimPolicy::new()
        .with_reserved([name("acme.app"), name("mail.example.co.uk")])
        .with_allowed([name("test"), name("github.io"), name("x.internal")])
        .with_max_depth(3)
        .with_profile(NameProfile::NORTHFLANK)
});

static DEFAULT: LazyLock<ClaimPolicy> = LazyLock::new(ClaimPolicy::new);

/// Lines are names: each by itself, and the first two beside each other.
pub fn names(input: &[u8]) {
    let text = text(input);
    let mut lines = text.splitn(3, '\n');
    let first = lines.next().unwrap_or_default();
    check_domain_name(first);
    let parsed = check_dns_name(first);
    let Some(second) = lines.next() else { return };
    if let Some(origin) = check_dns_name(second) {
        check_relative(first, &origin);
        if let Some(parsed) = parsed {
            check_pair(&parsed, &origin);
        }
    }
}

fn check_domain_name(text: &str) {
    let name = match text.parse::<DomainName>() {
        Ok(name) => name,
        Err(error) => {
            check_message(&error);
            assert!(NameRule::ALL.contains(&error.rule()));
            assert!(error.offset().is_none_or(|offset| offset <= text.chars().count()), "{error}");
            assert!(error.label() != Some(0), "{error}");
            return;
        }
    };
    let canonical = name.as_str();
    assert!(canonical.len() <= 253 && canonical.contains('.'), "{name}");
    assert!(name.labels().all(|label| (1..=63).contains(&label.len())), "{name}");
    let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'*');
    assert!(canonical.bytes().all(plain), "{name}");
    for spelling in
        [canonical, &format!("{canonical}."), &canonical.to_ascii_uppercase(), &name.to_unicode()]
    {
        assert_eq!(spelling.parse().as_ref(), Ok(&name), "{spelling:?}");
    }
    let dns = DnsName::from(&name);
    assert_eq!(canonical.parse().as_ref(), Ok(&dns));
    assert_eq!(dns.is_wildcard(), name.is_wildcard());

    match name.registrable() {
        Some(registrable) => {
            let zone: DnsName = registrable.parse().unwrap();
            assert!(dns.is_within(&zone), "{name} {registrable}");
            assert_eq!(name.is_apex(), registrable == canonical);
            let registrable: DomainName = registrable.parse().unwrap();
            assert!(registrable.is_apex(), "{registrable}");
        }
        None => assert!(DEFAULT.admit(&name).is_err(), "{name}"),
    }
    for policy in [&DEFAULT, &STRICT] {
        match policy.admit(&name) {
            // Who may have all names below a name may have that name too.
            Ok(()) => assert_eq!(policy.admit(&name.base()), Ok(())),
            Err(error) => {
                check_message(&error);
                assert!(ClaimRule::ALL.contains(&error.rule()));
                assert_eq!(error.name(), &name);
            }
        }
    }
}

fn check_dns_name(text: &str) -> Option<DnsName> {
    let name = match text.parse::<DnsName>() {
        Ok(name) => name,
        Err(error) => {
            check_message(&error);
            return None;
        }
    };
    let shown = name.to_string();
    assert!(shown.bytes().all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase()), "{shown}");
    assert_eq!(shown.parse().as_ref(), Ok(&name));
    assert_eq!(text.to_ascii_uppercase().parse().as_ref(), Ok(&name));

    let wire = name.to_wire();
    assert!(wire.len() <= 255);
    assert_eq!(wire.len(), name.wire_len());
    assert_eq!(DnsName::from_labels(labels_of(&wire)).as_ref(), Ok(&name));
    assert_eq!(DnsName::from_labels(name.labels()).as_ref(), Ok(&name));

    assert_eq!(name.is_root(), name.parent().is_none());
    if let Some(parent) = name.parent() {
        assert!(name.is_within(&parent) && !parent.is_within(&name), "{name}");
        assert!(parent < name, "{name}");
        let label = name.relative_to(&parent).unwrap();
        assert_eq!(parent.child(&label).as_ref(), Ok(&name));
        assert_eq!(DnsName::parse_in(&label, &parent).as_ref(), Ok(&name));
        assert_eq!(DnsName::parse_in(&format!("{shown}."), &parent).as_ref(), Ok(&name));
    }
    Some(name)
}

/// Cuts a name on the wire into its labels.
fn labels_of(mut wire: &[u8]) -> Vec<&[u8]> {
    let mut labels = Vec::new();
    loop {
        let (length, rest) = wire.split_first().unwrap();
        if *length == 0 {
            assert!(rest.is_empty());
            return labels;
        }
        let (label, rest) = rest.split_at(usize::from(*length));
        labels.push(label);
        wire = rest;
    }
}

/// Reads a text as master files have it.
fn check_relative(text: &str, origin: &DnsName) {
    let read = DnsName::parse_in(text, origin);
    if let Err(error) = &read {
        check_message(error);
    }
    if text == "@" {
        assert_eq!(read.as_ref(), Ok(origin));
        return;
    }
    let front = text.strip_suffix('.');
    let backslashes = |front: &str| front.bytes().rev().take_while(|b| *b == b'\\').count();
    let whole = text.parse::<DnsName>();
    if front.is_some_and(|front| backslashes(front) % 2 == 0) {
        assert_eq!(read, whole);
    } else {
        assert_eq!(read.ok(), whole.ok().and_then(|name| name.join(origin).ok()));
    }
}

fn check_pair(one: &DnsName, other: &DnsName) {
    // RFC 4034 section 6.1.
    let key = |name: &DnsName| name.labels().rev().map(|label| label.to_vec()).collect::<Vec<_>>();
    let (labels, zone) = (key(one), key(other));
    assert_eq!(one.cmp(other), labels.cmp(&zone), "{one} {other}");
    assert_eq!(other.cmp(one), zone.cmp(&labels), "{one} {other}");
    assert_eq!(one == other, one.to_wire() == other.to_wire(), "{one} {other}");
    assert_eq!(one.is_within(other), labels.starts_with(&zone), "{one} {other}");
    match one.relative_to(other) {
        Some(part) => assert_eq!(DnsName::parse_in(&part, other).as_ref(), Ok(one)),
        None => assert!(!one.is_within(other)),
    }
    match one.join(other) {
        Ok(joined) => {
            assert_eq!(joined.wire_len(), one.wire_len() + other.wire_len() - 1);
            assert_eq!(key(&joined), [zone, labels].concat());
            assert!(joined.is_within(other));
        }
        Err(_) => assert!(one.wire_len() + other.wire_len() - 1 > 255),
    }
}
