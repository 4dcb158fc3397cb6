use super::*;
use crate::{
    dns::InMemoryDns,
    record::{Ttl, Txt},
    resolver::Mode,
};

fn name(text: &str) -> DnsName {
    text.parse().unwrap()
}

fn set(owner: &str, record_type: RecordType, text: &str) -> RecordSet {
    let data = RecordData::parse(record_type, text).unwrap();
    RecordSet::new(name(owner), Ttl::HOUR, [data]).unwrap()
}

async fn ask(resolver: &InMemoryResolver, owner: &str, record_type: RecordType) -> Answer {
    let lookup = Lookup::new(name(owner), record_type, Mode::Recursive);
    resolver.lookup(&lookup).await.unwrap()
}

fn values(answer: &Answer) -> Vec<String> {
    match &answer.outcome {
        Outcome::Answer(records) => records.iter().map(ToString::to_string).collect(),
        other => panic!("not an answer: {other:?}"),
    }
}

fn over() -> (InMemoryDns, InMemoryResolver) {
    let dns = InMemoryDns::new([name("example.com"), name("example.net")]);
    let resolver = InMemoryResolver::over(Arc::new(dns.clone()));
    (dns, resolver)
}

#[tokio::test]
async fn zones_of_a_provider_are_seen_at_once() {
    let (dns, resolver) = over();
    let txt = set("a.example.com", RecordType::Txt, "one");
    dns.set(txt.clone()).unwrap();
    assert_eq!(values(&ask(&resolver, "A.example.com", RecordType::Txt).await).len(), 1);
    dns.remove(txt.name(), RecordType::Txt);
    let answer = ask(&resolver, "a.example.com", RecordType::Txt).await;
    assert_eq!(answer.outcome, Outcome::NxDomain { negative_ttl: None });
}

#[tokio::test]
async fn aliases_lead_from_one_zone_to_another_and_to_own_records() {
    let (dns, resolver) = over();
    dns.set(set("a.example.com", RecordType::Cname, "b.example.net")).unwrap();
    dns.set(set("b.example.net", RecordType::Cname, "c.elsewhere.org")).unwrap();
    resolver.set(set("c.elsewhere.org", RecordType::A, "192.0.2.1"));
    let answer = ask(&resolver, "a.example.com", RecordType::A).await;
    assert_eq!(answer.chain, [name("b.example.net"), name("c.elsewhere.org")]);
    assert_eq!(values(&answer), ["c.elsewhere.org. 3600 IN A 192.0.2.1"]);
}

#[tokio::test]
async fn wildcards_and_types_of_a_provider_are_told_apart() {
    let (dns, resolver) = over();
    dns.set(set("*.w.example.com", RecordType::Txt, "any")).unwrap();
    dns.set(set("own.w.example.com", RecordType::A, "192.0.2.1")).unwrap();
    let answer = ask(&resolver, "x.w.example.com", RecordType::Txt).await;
    assert_eq!(values(&answer), ["x.w.example.com. 3600 IN TXT \"any\""]);
    for (owner, record_type) in [
        ("x.w.example.com", RecordType::A),
        ("own.w.example.com", RecordType::Txt),
        ("example.com", RecordType::Txt),
    ] {
        let answer = ask(&resolver, owner, record_type).await;
        assert!(matches!(answer.outcome, Outcome::NoData { .. }), "{owner}: {answer:?}");
    }
    let answer = ask(&resolver, "x.own.w.example.com", RecordType::Txt).await;
    assert!(matches!(answer.outcome, Outcome::NxDomain { .. }), "{answer:?}");
}

#[tokio::test]
async fn provider_that_fails_says_nothing_about_the_record() {
    let (dns, resolver) = over();
    dns.fail_next(ErrorKind::Unavailable);
    let answer = ask(&resolver, "a.example.com", RecordType::Txt).await;
    assert_eq!(answer.outcome, Outcome::Failed(Failure::ServFail));
}

#[tokio::test]
async fn absence_may_be_remembered_as_long_as_the_soa_record_says() {
    let (dns, resolver) = over();
    let soa = "ns.example.com. host.example.com. 1 7200 3600 1209600 900";
    dns.set(set("example.com", RecordType::Soa, soa)).unwrap();
    resolver.set(set("example.org", RecordType::Soa, soa).with_ttl(Ttl::MINUTE));
    let answer = ask(&resolver, "a.example.com", RecordType::Txt).await;
    let negative_ttl = Some(Duration::from_secs(900));
    assert_eq!(answer.outcome, Outcome::NxDomain { negative_ttl });
    let answer = ask(&resolver, "example.org", RecordType::Txt).await;
    assert_eq!(answer.outcome, Outcome::NoData { negative_ttl: Some(Duration::from_secs(60)) });
}

#[tokio::test]
async fn set_outcome_comes_first_also_at_the_end_of_a_chain() {
    let resolver = InMemoryResolver::new();
    resolver.set(set("a.example.com", RecordType::Cname, "b.example.com"));
    resolver.set(set("b.example.com", RecordType::Txt, "text"));
    resolver.answer_with(name("b.example.com"), RecordType::Txt, Outcome::Timeout);
    let answer = ask(&resolver, "a.example.com", RecordType::Txt).await;
    assert_eq!((answer.outcome, answer.chain), (Outcome::Timeout, vec![name("b.example.com")]));
    resolver.answer_normally(&name("b.example.com"), RecordType::Txt);
    assert_eq!(values(&ask(&resolver, "a.example.com", RecordType::Txt).await).len(), 1);
    assert_eq!(resolver.clone().lookups(), 2);
}

#[tokio::test]
async fn failure_on_request_is_an_error_once() {
    let resolver = InMemoryResolver::new();
    resolver.fail_next(ErrorKind::Unavailable);
    let lookup = Lookup::new(name("example.com"), RecordType::Txt, Mode::Authoritative);
    assert_eq!(resolver.lookup(&lookup).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(resolver.lookup(&lookup).await.is_ok());
}

#[tokio::test]
async fn no_name_and_no_record_makes_it_panic() {
    let resolver = InMemoryResolver::new();
    let text = "x".repeat(63);
    let long = name(&format!("{text}.{text}.{text}.{}", "x".repeat(60)));
    resolver.set(set("*", RecordType::Txt, "root"));
    resolver.set(
        RecordSet::new(long.clone(), Ttl::HOUR, [RecordData::Txt(Txt::from_text("x"))]).unwrap(),
    );
    for owner in [".", "*", "*.*", "\\000.\\.\\032.example", long.as_str()] {
        for record_type in RecordType::ALL {
            ask(&resolver, owner, *record_type).await;
        }
    }
}
