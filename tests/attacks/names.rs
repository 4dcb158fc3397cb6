//! Against what may be claimed at all.

use nameplate::{
    challenge::{Method, email::MailWish},
    clock::{Clock, after, between},
    domain::{NewDomain, Status},
    error::ErrorKind,
    name::{ClaimPolicy, ClaimRule, DomainName, PublicSuffixes, SharedSuffixes},
    record::RecordType,
    store::{Filter, Kind, Query, Store},
};

use crate::{
    common::{DAY, HOUR, MINUTE, OTHER, TENANT, World, dns, run_until},
    platform::{Before, look, proof, publish_texts, refused, refused_by, served_for},
    scene::name,
};

#[tokio::test]
async fn a01_a_suffix_of_a_registry_is_nobodys() {
    let world = World::new();
    world.active("shop.example.com").await;
    for suffix in ["co.uk", "com.au", "CO.UK.", "any.kawasaki.jp", "xn--55qx5d.cn", "公司.cn"] {
        assert_eq!(refused(&world, suffix).await, ClaimRule::PublicSuffix, "{suffix}");
    }
    for wildcard in ["*.com", "*.co.uk", "*.kawasaki.jp"] {
        assert_eq!(refused(&world, wildcard).await, ClaimRule::WildcardTooBroad, "{wildcard}");
    }
    for label in ["com", "uk."] {
        assert!(label.parse::<NewDomain>().is_err(), "{label}");
    }
}

#[tokio::test]
async fn a02_a_suffix_of_a_company_takes_an_opt_in_and_its_own_proof() {
    let world = World::new();
    world.dns.host(dns("github.io"));
    for suffix in ["github.io", "herokuapp.com"] {
        assert_eq!(refused(&world, suffix).await, ClaimRule::PrivateSuffix, "{suffix}");
    }
    let lenient = world.process_with_claims(ClaimPolicy::new().with_allowed([dns("github.io")]));
    assert_eq!(refused_by(&world, &lenient, "herokuapp.com").await, ClaimRule::PrivateSuffix);

    // A customer of that company, with a proof of a name below it.
    let below = lenient.add(&OTHER, "evil.github.io".parse().unwrap()).await.unwrap().id();
    let suffix = lenient.add(&OTHER, "github.io".parse().unwrap()).await.unwrap().id();
    let below_proof = proof(&world, &OTHER, below).await;
    let suffix_proof = proof(&world, &OTHER, suffix).await;
    publish_texts(&world, &below_proof, &[&below_proof.value, &suffix_proof.value]);
    assert!(lenient.check(&OTHER, below).await.unwrap().status().holds());
    assert_eq!(lenient.check(&OTHER, suffix).await.unwrap().status(), Status::Pending);

    // The company itself.
    let owner = lenient.add(&TENANT, "github.io".parse().unwrap()).await.unwrap().id();
    world.publish_one(&proof(&world, &TENANT, owner).await);
    assert!(lenient.check(&TENANT, owner).await.unwrap().status().holds());
}

#[tokio::test]
async fn a03_a_wildcard_stands_below_what_somebody_registered() {
    let world = World::new();
    world.active("*.example.com").await;
    let opted_in = ["co.uk", "github.io", "s3.amazonaws.com"].map(dns);
    let lenient = world.process_with_claims(ClaimPolicy::new().with_allowed(opted_in));
    for wildcard in ["*.co.uk", "*.github.io", "*.s3.amazonaws.com", "*.kawasaki.jp", "*.com"] {
        assert_eq!(refused(&world, wildcard).await, ClaimRule::WildcardTooBroad, "{wildcard}");
        let rule = refused_by(&world, &lenient, wildcard).await;
        assert_eq!(rule, ClaimRule::WildcardTooBroad, "{wildcard}");
    }
}

#[tokio::test]
async fn a04_a_suffix_that_was_added_after_the_build_counts_from_then_on() {
    let world = World::new();
    let suffixes = SharedSuffixes::from(PublicSuffixes::compiled());
    let claims =
        ClaimPolicy::new().with_allowed([dns("example.com")]).with_suffixes(suffixes.clone());
    let process = world.process_with_claims(claims.clone());
    process.add(&TENANT, "shop.example.com".parse().unwrap()).await.unwrap();
    for text in ["hosting.example.com", "*.hosting.example.com"] {
        assert!(claims.admit(&name(text)).is_ok(), "{text}");
    }

    let text = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n\
                // ===BEGIN PRIVATE DOMAINS===\nhosting.example.com\n// ===END PRIVATE DOMAINS===\n";
    let read_at = world.clock.now();
    suffixes.replace(PublicSuffixes::parse_at_least(2, text, read_at).unwrap());
    let private = refused_by(&world, &process, "hosting.example.com").await;
    assert_eq!(private, ClaimRule::PrivateSuffix);
    let wildcard = refused_by(&world, &process, "*.hosting.example.com").await;
    assert_eq!(wildcard, ClaimRule::WildcardTooBroad);
    process.add(&TENANT, "mine.hosting.example.com".parse().unwrap()).await.unwrap();

    // How old the list is can be read, so that a platform can warn.
    world.run_for(DAY * 31).await;
    assert_eq!(claims.suffixes().as_of(), read_at);
    assert_eq!(claims.suffixes().age(world.clock.now()), between(read_at, world.clock.now()));
    assert!(claims.suffixes().age(world.clock.now()) > DAY * 30);
}

#[tokio::test]
async fn a04_about_a_name_below_a_new_suffix_nobody_above_it_is_written_to() {
    let world = World::new();
    let suffixes = SharedSuffixes::from(PublicSuffixes::compiled());
    let claims =
        ClaimPolicy::new().with_allowed([dns("example.com")]).with_suffixes(suffixes.clone());
    let process = world.process_with_claims(claims);
    let by_mail = |text: &str, wish: MailWish| {
        NewDomain::from(name(text)).with_method(Method::Email).with_mail(wish)
    };
    let above = || MailWish::new().with_scope(name("example.com"));
    let early = by_mail("early.hosting.example.com", above());
    let early = process.add(&TENANT, early).await.unwrap().id();

    let text = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n\
                // ===BEGIN PRIVATE DOMAINS===\nhosting.example.com\n// ===END PRIVATE DOMAINS===\n";
    suffixes.replace(PublicSuffixes::parse_at_least(2, text, world.clock.now()).unwrap());
    let late = by_mail("late.hosting.example.com", above());
    assert_eq!(process.add(&TENANT, late).await.unwrap_err().kind(), ErrorKind::Invalid);
    process.add(&OTHER, by_mail("mine.hosting.example.com", MailWish::new())).await.unwrap();
    let end = after(world.clock.now(), HOUR);
    run_until(&process, &world.store, &world.clock, end).await;
    let sent = world.mailer.sent();
    assert_eq!(sent.len(), 5, "{sent:?}");
    assert!(sent.iter().all(|it| it.to.ends_with("@mine.hosting.example.com")), "{sent:?}");
    let early = process.get(&TENANT, early).await.unwrap();
    assert!(early.last_failure().unwrap().message.contains("nobody answers"), "{early:?}");
}

#[tokio::test]
async fn a05_names_of_the_platform_are_not_claimed() {
    let world = World::new();
    world.active("shop.example.com").await;
    for text in [
        "platform.test",
        "PLATFORM.test.",
        "api.platform.test",
        "edge.platform.test",
        "ns1.platform.test",
        "acme.platform.test",
        "0123456789abcdef.acme.platform.test",
        "*.platform.test",
        "*.edge.platform.test",
    ] {
        assert_eq!(refused(&world, text).await, ClaimRule::Reserved, "{text}");
    }
    for text in ["_acme-challenge.platform.test", "_plat-challenge.shop.example.com"] {
        assert!(text.parse::<NewDomain>().is_err(), "{text}");
    }
}

#[tokio::test]
async fn a10_other_spellings_are_the_same_claim() {
    let world = World::new();
    let first = world.active("shop.example.com").await;
    for spelling in ["shop.example.com.", "SHOP.EXAMPLE.COM", "Shop.Example.Com."] {
        let before = Before::of(&world).await;
        let error = world.onboarding.add(&TENANT, spelling.parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{spelling}");
        assert_eq!(error.subject(), Some(first.id().to_string().as_str()));
        before.holds(&world).await;
    }
    // Another tenant that proves another spelling does not hold it beside the first.
    let other = world.add_with(&OTHER, "SHOP.EXAMPLE.COM.".parse().unwrap()).await.id();
    let (ours, theirs) =
        (proof(&world, &TENANT, first.id()).await, proof(&world, &OTHER, other).await);
    assert_eq!(ours.name, theirs.name);
    publish_texts(&world, &ours, &[&ours.value, &theirs.value]);
    assert_eq!(look(&world, &OTHER, other).await, Status::Pending);
    assert_eq!(look(&world, &TENANT, first.id()).await, Status::Active);
    assert_eq!(served_for(&world, "SHOP.example.com").await, Some(TENANT));
}

#[tokio::test]
async fn a11_all_spellings_of_an_international_name_are_one_claim() {
    let world = World::new();
    let first = world.active("bücher.example.com").await;
    assert_eq!(first.name().as_str(), "xn--bcher-kva.example.com");
    for spelling in [
        "xn--bcher-kva.example.com",
        "XN--BCHER-KVA.example.com",
        "BÜCHER.example.com",
        "bu\u{308}cher.example.com",
        "BU\u{308}CHER。example．com",
        "ｂücher.example.com",
        "bü\u{ad}cher.example.com",
    ] {
        let error =
            world.onboarding.add(&TENANT, spelling.parse().unwrap()).await.expect_err(spelling);
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{spelling}");
        assert_eq!(error.subject(), Some(first.id().to_string().as_str()), "{spelling}");
    }
    for wrong in [
        "bü\u{200d}cher.example.com",
        "bü\u{200c}cher.example.com",
        "\u{202e}bücher.example.com",
        "bücher\u{200f}.example.com",
        "b\u{5d0}cher.example.com",
        "\u{308}bucher.example.com",
        "bücher\u{e0061}.example.com",
        "bü\u{fffd}cher.example.com",
    ] {
        assert!(wrong.parse::<NewDomain>().is_err(), "{wrong:?}");
    }
    // A mark of the byte order is mapped to nothing, wherever it stands: the same name, or none.
    for marked in ["\u{feff}bücher.example.com", "bü\u{feff}cher.example.com"] {
        assert!(
            marked.parse::<NewDomain>().is_ok_and(|it| it.name() == first.name()),
            "{marked:?}"
        );
    }
}

#[tokio::test]
async fn a12_punycode_of_what_needs_none_is_no_name() {
    let world = World::new();
    world.active("xn--bcher-kva.example.com").await;
    for wrong in [
        "xn--example-.org",
        "xn--example-.example.com",
        "xn--.example.com",
        "xn---.example.com",
        "xn--a.example.com",
        "xn--abc-.example.com",
        // An A-label within an A-label, and one whose U-label is not in its mapped form.
        "xn--xn--bcher-kva-.example.com",
        "xn--BCHER-kvb.example.com",
        "xn--0.example.com",
        "xn--aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa9999999999.example.com",
        "xn--99999999.example.com",
    ] {
        assert!(wrong.parse::<NewDomain>().is_err(), "{wrong}");
    }
    // RUSTSEC-2024-0421.
    let lock = include_str!("../../Cargo.lock");
    let version = lock.split("name = \"idna\"\nversion = \"").nth(1).unwrap();
    let numbers: Vec<u32> =
        version.split('"').next().unwrap().split('.').map(|it| it.parse().unwrap()).collect();
    assert!(numbers >= vec![1, 0, 3], "{numbers:?}");
}

#[tokio::test]
async fn a13_a_name_that_looks_like_another_is_shown_as_what_it_is() {
    let world = World::new();
    let shop = world.active("shop.example.com").await;
    // The third letter is Cyrillic.
    let alike = world.add_with(&OTHER, "sh\u{43e}p.example.com".parse().unwrap()).await;
    assert_eq!(alike.name().as_str(), "xn--shp-ted.example.com");
    assert_ne!(alike.name(), shop.name());
    let steps = world.onboarding.instructions(&OTHER, alike.id()).await.unwrap();
    let notices = world.onboarding.notices(&OTHER, alike.id(), 0).await.unwrap();
    let shown = [
        alike.name().to_string(),
        format!("{steps:?} {}", steps[0]),
        alike.waiting_on().to_string(),
        format!("{notices:?}"),
        world.onboarding.add(&OTHER, alike.name().clone().into()).await.unwrap_err().to_string(),
    ];
    for text in shown {
        assert!(text.is_ascii(), "{text}");
    }
    for step in &steps {
        world.publish_one(step);
    }
    world.run_for(MINUTE).await;
    assert_eq!(served_for(&world, "shop.example.com").await, Some(TENANT));
    assert_eq!(served_for(&world, "xn--shp-ted.example.com").await, Some(OTHER));
    // What a host wants to keep for itself can be reserved, whoever asks.
    let reserved = ClaimPolicy::new()
        .with_allowed([dns("example.com")])
        .with_reserved([dns("xn--shp-ted.example.com")]);
    let careful = world.process_with_claims(reserved);
    let rule = refused_by(&world, &careful, "sh\u{43e}p.example.com").await;
    assert_eq!(rule, ClaimRule::Reserved);
}

/// Texts that some program takes for an address, an address of a service or a name that it is not.
const NO_NAMES: &str = "\
127.0.0.1 127.1 127.0.1 0x7f.1 0x7f.0.0.1 0x7f000001 0177.0.0.1 017700000001 2130706433 1.2.3.4. \
0.0.0.0 255.255.255.255 256.256.256.256 1.2.3.4.5 10.0.0.0/8 192.168.0.1:80 169.254.169.254 \
[::1] ::1 [::ffff:127.0.0.1] ::ffff:127.0.0.1 fe80::1%eth0 [fe80::1%25eth0] 2001:db8::/32 \
[2001:db8::1]:443 2001:db8::1 0:0:0:0:0:0:0:1 \
shop.example.com:443 shop.example.com:80 :443 shop.example.com: user@shop.example.com \
user:word@shop.example.com @shop.example.com https://shop.example.com http://shop.example.com/ \
//shop.example.com shop.example.com/ shop.example.com/a shop.example.com?a shop.example.com#a \
shop.example.com\\a mailto:a@example.com file:///etc/passwd \
com localhost . .. ... .com com. .example.com example..com shop..example.com shop.example.com.. \
-shop.example.com shop-.example.com shop.-example.com sh--op.example.com ab--cd.example.com \
_shop.example.com shop_1.example.com _dmarc.example.com _acme-challenge.example.com \
*.*.example.com shop.*.example.com shop*.example.com *shop.example.com sh*p.example.com * *. *.. **.example.com \
shop.example.* example.* *.*.com a.*.b.example.com \
sh,op.example.com sh;op.example.com sh'op.example.com sh\"op.example.com sh`op.example.com \
sh$op.example.com sh%6fp.example.com sh&op.example.com sh|op.example.com sh(op).example.com \
sh<op>.example.com sh{op}.example.com sh=op.example.com sh+op.example.com sh~op.example.com \
sh!op.example.com sh^op.example.com shop.example.1 shop.example.123 shop.0x1 shop.example.0x7f \
1.0.0.127.in-addr.arpa 10.in-addr.arpa in-addr.arpa 0.8.b.d.0.1.0.0.2.ip6.arpa ip6.arpa \
0/25.2.0.192.in-addr.arpa \
xn--example-.com xn--.com";

#[tokio::test]
async fn a14_addresses_and_other_texts_are_no_names() {
    let world = World::new();
    world.active("shop.example.com").await;
    let strict = world.process_with_claims(ClaimPolicy::new());
    let texts: Vec<_> = NO_NAMES.split_whitespace().collect();
    assert!(texts.len() > 88, "{}", texts.len());
    let before = Before::of(&world).await;
    for text in texts {
        let Ok(wanted) = text.parse::<NewDomain>() else { continue };
        let error = strict.add(&OTHER, wanted).await.expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
    }
    for text in ["", " ", "\t", "shop example.com", " shop.example.com", "shop.example.com\n"] {
        assert!(text.parse::<NewDomain>().is_err(), "{text:?}");
    }
    before.holds(&world).await;
}

#[tokio::test]
async fn a15_names_for_special_uses_are_nobodys() {
    let world = World::new();
    world.active("shop.example.com").await;
    let strict = world.process_with_claims(ClaimPolicy::new());
    for text in [
        "shop.localhost",
        "printer.local",
        "db.internal",
        "shop.test",
        "shop.example",
        "shop.example.com",
        "shop.example.net",
        "shop.example.org",
        "shop.invalid",
        "duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion",
        "home.arpa",
        "shop.home.arpa",
        "4.3.2.1.in-addr.arpa",
        "8.b.d.0.1.0.0.2.ip6.arpa",
        "shop.alt",
        "*.test",
        "*.shop.local",
    ] {
        let rule = refused_by(&world, &strict, text).await;
        let is_wildcard = rule == ClaimRule::WildcardTooBroad && text.starts_with("*.");
        assert!(rule == ClaimRule::SpecialUse || is_wildcard, "{text}: {}", rule.as_str());
    }
}

#[tokio::test]
async fn a16_what_fits_into_no_message_or_certificate_is_no_name() {
    let world = World::new();
    world.active("shop.example.com").await;
    let policy = ClaimPolicy::new().with_allowed([dns("example.com")]);
    let admitted =
        |text: &str| text.parse::<DomainName>().is_ok_and(|name| policy.admit(&name).is_ok());
    let long = |last: usize| {
        let [a, b, c, d] = [63, 63, 63, last].map(|length| "a".repeat(length));
        format!("{a}.{b}.{c}.{d}.example.com")
    };
    let labels = |count: usize| format!("{}example.com", "a.".repeat(count - 2));
    assert_eq!(long(49).len(), 253);
    assert!(admitted(&long(49)));
    assert!(admitted(&format!("{}.", long(49))));
    assert!(!admitted(&long(50)), "254 octets");
    assert!(admitted(&format!("{}.example.com", "a".repeat(63))));
    assert!(!admitted(&format!("{}.example.com", "a".repeat(64))));
    assert!(admitted(&labels(10)));
    assert!(!admitted(&labels(11)));
    assert_eq!(refused(&world, &labels(11)).await, ClaimRule::TooManyLabels);
    for text in ["shop..example.com", ".example.com", "ab--c.example.com", "??--.example.com"] {
        assert!(text.parse::<NewDomain>().is_err(), "{text}");
    }
    // In its A-label form it is longer than it looks.
    assert!(!admitted(&format!("{}.example.com", "ü".repeat(60))));
}

#[tokio::test]
async fn a17_no_name_is_more_than_letters_digits_and_hyphens() {
    let world = World::new();
    for wrong in [
        "shop\0.example.com",
        "shop.example.com\0.evil.test",
        "shop\n.example.com",
        "shop\r\nHost: evil.example.com",
        "shop;drop table items.example.com",
        "shop'--.example.com",
        "shop\".example.com",
        "shop\\.example.com",
        "shop\\046example.com",
        "sh*op.example.com",
        "../../etc/passwd",
        "..%2f..%2fetc.example.com",
        "shop/../../x.example.com",
        "{shop}.example.com",
        "%s%n.example.com",
        "${jndi:ldap://x}.example.com",
        "shop.example.com IN TXT x",
        "shop\u{1b}[31m.example.com",
        "shop\u{7f}.example.com",
        "shop\u{85}.example.com",
        "shop\u{2028}.example.com",
    ] {
        assert!(wrong.parse::<NewDomain>().is_err(), "{wrong:?}");
    }
    // What UTS #46 maps is kept as it was typed, and used nowhere.
    let typed = "ＳＨＯＰ。example．com";
    let id = world.add(typed).await.id();
    world.publish(id).await;
    world.run_for(MINUTE).await;
    let domain = world.get(id).await;
    assert_eq!((domain.status(), domain.submitted()), (Status::Active, typed));
    for kind in Kind::ALL {
        let page = world.store.list(&Query::new(kind, Filter::All)).await.unwrap();
        for item in page.items {
            let keys = item.header.unique.iter().map(|key| key.as_str().to_owned());
            for text in keys.chain(item.header.name).chain([item.key.id]) {
                assert!(text.is_ascii(), "{text}");
                assert!(!text.contains(['\0', '\n', ';', '\'', '"', '\\', '%']), "{text}");
            }
        }
    }
    for step in world.onboarding.instructions(&TENANT, id).await.unwrap() {
        assert!(step.to_string().is_ascii(), "{step}");
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._=".contains(&byte);
        assert!(step.value.bytes().all(is_plain), "{}", step.value);
    }
    assert!(world.dns.records(&dns("example.com")).iter().any(|set| {
        set.record_type() == RecordType::Cname && set.name() == &dns("shop.example.com")
    }));
}

#[tokio::test]
async fn a18_names_that_scanners_make_up_stop_at_the_cap() {
    let world = World::new();
    world.active("*.example.com").await;
    let shallow = ClaimPolicy::new().with_allowed([dns("example.com")]).with_max_depth(2);
    let process = world.process_with_claims(shallow);
    process.add(&OTHER, "www.www.example.com".parse().unwrap()).await.unwrap();
    let mut scanned = "www.www.example.com".to_owned();
    while scanned.len() < 200 {
        scanned.insert_str(0, "www.");
        let rule = refused_by(&world, &process, &scanned).await;
        assert!(matches!(rule, ClaimRule::TooDeep | ClaimRule::TooManyLabels), "{scanned}");
    }
    // Nobody has to claim anything for a name to be asked for: that orders nothing.
    let before = Before::of(&world).await;
    let edge = world.onboarding.edge();
    for host in ["www.www.example.com", "www.www.www.example.com"] {
        assert!(edge.identity(&name(host)).await.unwrap().is_none(), "{host}");
    }
    before.holds(&world).await;
}
