//! The DNS as Knot DNS serves it, and through a recursive resolver.

use nameplate::{
    dns::DnsProvider,
    name::DnsName,
    record::{RecordData, RecordSet, RecordType},
    resolver::{Answer, Failure, Hickory, Lookup, Mode, Outcome, Resolver},
    zone::ChangeSet,
};

use crate::{
    rfc2136::{change, provider, set, zone},
    servers,
};

const MODES: [Mode; 2] = [Mode::Authoritative, Mode::Recursive];

/// Asks Knot DNS for what is in its zones, and the resolver for everything.
fn hickory() -> Hickory {
    let zones = servers::zones();
    zones
        .iter()
        .fold(Hickory::builder([servers::resolver()]), |builder, zone| {
            builder.with_zone(zone.parse().unwrap(), [servers::knot()])
        })
        .build()
        .unwrap()
}

async fn publish(sets: &[RecordSet]) {
    let changes = sets.iter().map(|set| change(None, Some(set)));
    let changes = ChangeSet::new(changes).unwrap();
    let applied = provider(servers::knot()).apply(&zone(), &changes).await.unwrap();
    assert!(applied.iter().all(|one| matches!(one, nameplate::dns::Applied::Done)), "{applied:?}");
}

async fn lookup(name: &str, record_type: RecordType, mode: Mode) -> Answer {
    let name: DnsName = format!("{name}.{}", zone()).parse().unwrap();
    hickory().lookup(&Lookup::new(name, record_type, mode)).await.unwrap()
}

fn data(answer: &Answer) -> Vec<String> {
    let Outcome::Answer(records) = &answer.outcome else { panic!("{answer:?}") };
    records.iter().map(|record| record.data().to_string()).collect()
}

#[tokio::test]
async fn both_modes_see_what_was_published() {
    publish(&[
        set("seen", RecordType::Txt, &["one"]),
        set("seen", RecordType::Aaaa, &["2001:db8::1"]),
        set("below.seen-not", RecordType::A, &["192.0.2.1"]),
    ])
    .await;
    for mode in MODES {
        assert_eq!(data(&lookup("SEEN", RecordType::Txt, mode).await), ["\"one\""]);
        assert_eq!(data(&lookup("seen", RecordType::Aaaa, mode).await), ["2001:db8::1"]);
        for there in ["seen", "seen-not"] {
            let answer = lookup(there, RecordType::A, mode).await;
            assert!(
                matches!(answer.outcome, Outcome::NoData { negative_ttl: Some(_) }),
                "{answer:?}"
            );
        }
        let answer = lookup("nobody", RecordType::A, mode).await;
        assert!(
            matches!(answer.outcome, Outcome::NxDomain { negative_ttl: Some(_) }),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn answers_that_do_not_fit_into_a_datagram_are_whole() {
    let texts: Vec<String> = (0..60).map(|n| format!("\"{n} {}\"", "x".repeat(200))).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    publish(&[set("large", RecordType::Txt, &texts)]).await;
    for mode in MODES {
        assert_eq!(data(&lookup("large", RecordType::Txt, mode).await).len(), 60);
    }
}

#[tokio::test]
async fn aliases_lead_through_the_zones() {
    let other = servers::zones()[1].clone();
    let target = format!("target.{other}");
    let text = RecordData::parse(RecordType::Txt, "there").unwrap();
    let text = RecordSet::new(target.parse().unwrap(), nameplate::record::Ttl::MINUTE, [text]);
    let changes = change(None, Some(&text.unwrap())).into();
    provider(servers::knot()).apply(&other.parse().unwrap(), &changes).await.unwrap();
    let zone = zone();
    publish(&[
        set("alias", RecordType::Cname, &[&format!("second.{zone}.")]),
        set("second", RecordType::Cname, &[&format!("{target}.")]),
        set("dangling", RecordType::Cname, &[&format!("nobody.{zone}.")]),
        set("loop", RecordType::Cname, &[&format!("pool.{zone}.")]),
        set("pool", RecordType::Cname, &[&format!("loop.{zone}.")]),
    ])
    .await;
    for mode in MODES {
        let answer = lookup("alias", RecordType::Txt, mode).await;
        assert_eq!(data(&answer), ["\"there\""]);
        let chain: Vec<_> = answer.chain.iter().map(ToString::to_string).collect();
        assert_eq!(chain, [format!("second.{zone}"), target.clone()]);
        let alias = lookup("alias", RecordType::Cname, mode).await;
        assert_eq!(data(&alias), [format!("second.{zone}.")]);
        assert!(alias.chain.is_empty());

        let answer = lookup("dangling", RecordType::Txt, mode).await;
        assert!(matches!(answer.outcome, Outcome::NxDomain { .. }), "{answer:?}");
        let answer = lookup("loop", RecordType::Txt, mode).await;
        assert_eq!(answer.outcome, Outcome::Failed(Failure::Chain), "{mode:?}");
    }
}

#[tokio::test]
async fn servers_with_other_data_disagree() {
    publish(&[set("differs", RecordType::Txt, &["only at one"])]).await;
    let zone = zone();
    let hickory = Hickory::builder([]).with_zone(zone.clone(), [servers::knot(), servers::bind()]);
    let name = format!("differs.{zone}").parse().unwrap();
    let question = Lookup::new(name, RecordType::Txt, Mode::Authoritative);
    let answer = hickory.build().unwrap().lookup(&question).await.unwrap();
    assert_eq!(answer.outcome, Outcome::Failed(Failure::Disagreement));
}

#[tokio::test]
async fn a_server_that_is_asked_for_a_foreign_zone_refuses() {
    let hickory = Hickory::builder([servers::bind()])
        .with_zone(DnsName::root(), [servers::knot(), servers::bind()])
        .build()
        .unwrap();
    for mode in MODES {
        let question = Lookup::new("www.example.com".parse().unwrap(), RecordType::A, mode);
        let answer = hickory.lookup(&question).await.unwrap();
        assert_eq!(answer.outcome, Outcome::Failed(Failure::Refused));
    }
}

#[tokio::test]
async fn a_resolver_that_cannot_reach_the_world_fails_and_finds_nothing_absent() {
    let question = Lookup::new("www.example.com".parse().unwrap(), RecordType::A, Mode::Recursive);
    let answer = hickory().lookup(&question).await.unwrap();
    assert!(matches!(answer.outcome, Outcome::Failed(_)), "{answer:?}");
}
