//! The checklist of draft-ietf-dnsop-domain-verification-techniques, where no attack has the same test.

use std::sync::Arc;

use nameplate::{
    challenge::{AccountLabel, LabelPolicy, Method},
    domain::{NewDomain, Reason, Status, Targets},
    engine::{BuildError, Onboarding},
    name::{ClaimPolicy, DnsName},
    record::{RecordData, RecordSet, RecordType, Ttl, Txt},
    resolver::{InMemoryResolver, Lookup},
    testkit::EndlessTimer,
};

use crate::{
    common::{DELEGATION, EDGE, TENANT, World, dns},
    platform::{look, proof, publish_texts},
};

/// A claim that is waiting for its proof, and the token.
async fn waiting(
    world: &World,
) -> (nameplate::id::DomainId, nameplate::domain::Instruction, String) {
    let domain = world.add("shop.example.com").await;
    let at = proof(world, &TENANT, domain.id()).await;
    let token = at.value.strip_prefix("token=").unwrap().to_owned();
    (domain.id(), at, token)
}

#[tokio::test]
async fn dv01_a_token_in_a_record_of_another_type_proves_nothing() {
    let world = World::new();
    let (id, at, token) = waiting(&world).await;
    for (record_type, value) in [
        (RecordType::Cname, format!("{}.example.net", &token[..32])),
        (RecordType::Caa, format!("0 issue \"{}\"", at.value)),
        (RecordType::Mx, format!("10 {}.example.net", &token[..32])),
    ] {
        let data = RecordData::parse(record_type, &value).unwrap();
        world.dns.set(RecordSet::new(at.name.clone(), Ttl::MINUTE, [data]).unwrap()).unwrap();
        assert_eq!(look(&world, &TENANT, id).await, Status::Pending, "{record_type}");
        world.dns.remove(&at.name, record_type);
    }
    publish_texts(&world, &at, &[&at.value]);
    assert!(look(&world, &TENANT, id).await.holds());
}

#[tokio::test]
async fn dv02_metadata_without_the_token_proves_nothing_and_is_shown() {
    let world = World::new();
    let (id, at, _) = waiting(&world).await;
    for metadata in ["expiry=never", "expiry=2030-01-01 note=x", "token="] {
        publish_texts(&world, &at, &[metadata]);
        let domain = world.onboarding.check(&TENANT, id).await.unwrap();
        assert_eq!(domain.status(), Status::Pending, "{metadata}");
        let Reason::RecordDiffers { seen, .. } = domain.waiting_on().reason else {
            panic!("{}", domain.waiting_on());
        };
        assert_eq!(seen.values, [metadata]);
    }
    publish_texts(&world, &at, &[&at.value]);
    assert!(look(&world, &TENANT, id).await.holds());
}

#[tokio::test]
async fn dv03_strings_are_joined_wherever_they_are_cut() {
    let world = World::new();
    let domain = world.add("shop.example.com").await;
    let value = domain.challenge().value();
    let long = format!("{value} note={}", "x".repeat(600));
    for whole in [&value, &long] {
        for at in 0..=value.len() {
            let (front, behind) = whole.split_at(at);
            let strings =
                [b"", front.as_bytes(), b""].into_iter().chain(behind.as_bytes().chunks(255));
            let txt = Txt::from_strings(strings).unwrap();
            assert!(domain.challenge().is_proved_by(&txt.to_bytes()), "cut at {at}");
        }
    }
    let cut = Txt::from_strings([&value[..20], "", &value[20..]]).unwrap();
    let at = proof(&world, &TENANT, domain.id()).await;
    let set = RecordSet::new(at.name.clone(), Ttl::MINUTE, [RecordData::Txt(cut)]).unwrap();
    world.dns.set(set).unwrap();
    assert!(look(&world, &TENANT, domain.id()).await.holds());
}

#[tokio::test]
async fn dv05_other_records_at_the_name_change_nothing_in_any_order() {
    let others: Vec<_> =
        (0..Lookup::MAX_RECORDS - 1).map(|number| format!("v=x{number}")).collect();
    for place in [0, 1, others.len() / 2, others.len()] {
        let world = World::new();
        let (id, at, _) = waiting(&world).await;
        let mut values: Vec<&str> = others.iter().map(String::as_str).collect();
        publish_texts(&world, &at, &values);
        assert_eq!(look(&world, &TENANT, id).await, Status::Pending);
        values.insert(place, &at.value);
        publish_texts(&world, &at, &values);
        assert!(look(&world, &TENANT, id).await.holds(), "at place {place}");
    }
}

#[tokio::test]
async fn dv11_dv14_records_are_read_by_the_grammar_of_the_draft() {
    let world = World::new();
    let (id, at, token) = waiting(&world).await;
    assert_eq!(at.value, format!("token={token}"));
    for (value, is_proof) in [
        (format!("token={token}"), true),
        (format!("TOKEN={token}"), true),
        (format!("token={token} expiry=2030-02-08T02:03:19+00:00"), true),
        (format!("token={token} expiry=2030-02-08"), true),
        (format!("token={token} expiry=never"), true),
        // Malformed, and unknown: for information alone.
        (format!("token={token} expiry=tomorrow scope=everything"), true),
        (format!("expiry=never token={token}"), false),
        (format!("token={token},expiry=never"), false),
        (format!("token={token} token={token}"), false),
    ] {
        publish_texts(&world, &at, &["nothing"]);
        let fresh = world.get(id).await;
        assert_eq!(fresh.challenge().is_proved_by(value.as_bytes()), is_proof, "{value}");
    }
    publish_texts(&world, &at, &[&format!("Token={token} expiry=never x=y")]);
    assert!(look(&world, &TENANT, id).await.holds());
}

#[tokio::test]
async fn dv12_a_token_alone_is_a_token() {
    let world = World::new();
    let (id, at, token) = waiting(&world).await;
    publish_texts(&world, &at, &[&format!("{token} expiry=never")]);
    assert_eq!(look(&world, &TENANT, id).await, Status::Pending, "without its key it stands alone");
    publish_texts(&world, &at, &[&token]);
    assert!(look(&world, &TENANT, id).await.holds());
}

#[tokio::test]
async fn dv09_a_token_in_a_label_is_lower_case_base32() {
    let world = World::new();
    for text in ["shop.example.com", "*.example.com"] {
        let wanted: NewDomain = text.parse().unwrap();
        let domain = world.add_with(&TENANT, wanted.with_method(Method::DnsCname)).await;
        let at = proof(&world, &TENANT, domain.id()).await;
        let label = at.name.as_str().split('.').next().unwrap();
        let token = label.strip_prefix('_').unwrap();
        // 160 bits.
        assert_eq!((token.len(), label.len() <= 63), (32, true), "{label}");
        assert!(token.bytes().all(|c| matches!(c, b'a'..=b'z' | b'2'..=b'7')), "{label}");
        // Names are compared without case.
        let mut shouted = at.clone();
        shouted.name = dns(&at.name.as_str().to_ascii_uppercase());
        world.publish_one(&shouted);
        assert!(look(&world, &TENANT, domain.id()).await.holds(), "{text}");
    }
}

#[test]
fn dv16_a_registered_label_is_refused_where_it_is_in_use() {
    let world = World::new();
    let build = |brand: &str| {
        Onboarding::builder(world.store.clone())
            .with_brand(brand)
            .with_targets(Targets::cname("edge.platform.test"))
            .with_resolver(world.resolver.clone())
            .with_dns(world.dns.clone())
            .with_authority(world.ca.clone())
            .with_keys(world.keys.clone())
            .with_sealer(world.sealer.clone())
            .with_timer(EndlessTimer)
            .with_delegation_zone(dns(DELEGATION))
            .build()
    };
    assert!(build("plat").is_ok());
    let error = build("acme").unwrap_err();
    assert!(
        matches!(&error, BuildError::Invalid(why) if why.contains("_acme-challenge")),
        "{error}"
    );
}

#[tokio::test]
async fn dv23_a_short_ttl_is_proposed() {
    let world = World::new();
    for text in ["shop.example.com", "*.example.com", "example.net"] {
        let id = world.add(text).await.id();
        for step in world.onboarding.instructions(&TENANT, id).await.unwrap() {
            assert_eq!(step.ttl.as_secs(), 300, "{step}");
        }
    }
}

#[tokio::test]
async fn dv27_dv28_two_accounts_of_one_brand_prove_one_name_side_by_side() {
    let worlds = [World::new(), World::new()];
    let mut owners = Vec::new();
    for (world, account) in worlds.iter().zip(["production, 5c1e", "staging, 90ab"]) {
        let platform = || {
            Onboarding::builder(world.store.clone())
                .with_brand("plat")
                .with_proof_labels(LabelPolicy::Account(AccountLabel::of(account)))
                .with_targets(Targets::cname(EDGE))
                .with_resolver(InMemoryResolver::over(Arc::new(worlds[0].dns.clone())))
                .with_dns(worlds[0].dns.clone())
                .with_delegation_zone(dns(DELEGATION))
                .with_authority(world.ca.clone())
                .with_keys(world.keys.clone())
                .with_sealer(world.sealer.clone())
                .with_timer(EndlessTimer)
                .with_random(world.random.clone())
                .with_claims(ClaimPolicy::new().with_allowed([dns("example.com")]))
                .build()
                .unwrap()
        };
        for name in ["shop.example.com", "*.example.com"] {
            let domain = platform().add(&TENANT, name.parse().unwrap()).await.unwrap();
            let challenge = domain.challenge();
            // The scope is said, and the label is the same after a restart.
            let label = AccountLabel::of(account).to_string();
            let scope = if name.starts_with('*') { "_plat-wildcard" } else { "_plat" };
            let front = format!("{label}.{scope}-challenge.");
            assert!(challenge.owner.as_str().starts_with(&front), "{}", challenge.owner);
            let record = RecordData::Txt(Txt::from_text(&challenge.value()));
            let set =
                |at: &DnsName| RecordSet::new(at.clone(), Ttl::MINUTE, [record.clone()]).unwrap();
            // Where proofs are without the label it is none.
            let above = challenge.owner.parent().unwrap();
            worlds[0].dns.set(set(&above)).unwrap();
            let looked = platform().check(&TENANT, domain.id()).await.unwrap();
            assert_eq!(looked.status(), Status::Pending);
            worlds[0].dns.remove(&above, RecordType::Txt);
            worlds[0].dns.set(set(&challenge.owner)).unwrap();
            let looked = platform().check(&TENANT, domain.id()).await.unwrap();
            assert!(looked.status().holds(), "{}", looked.waiting_on());
            owners.push(challenge.owner.clone());
        }
    }
    owners.sort_unstable();
    owners.dedup();
    assert_eq!(owners.len(), 4);
}

#[test]
fn dv28_the_label_of_an_account_is_made_of_it_alone_and_says_nothing() {
    let label = AccountLabel::of("production, 5c1e").to_string();
    assert_eq!(label, AccountLabel::of("production, 5c1e").to_string());
    assert_ne!(label, AccountLabel::of("production, 5c1f").to_string());
    let rest = label.strip_prefix('_').unwrap();
    assert!(rest.bytes().all(|c| matches!(c, b'a'..=b'z' | b'2'..=b'7')), "{label}");
    assert_eq!(rest.len(), 16);
}
