//! Cases for a [`Resolver`].

use std::sync::Arc;

use async_trait::async_trait;
use tokio::task::JoinSet;

use crate::{
    error::ErrorKind,
    name::DnsName,
    record::{DnsRecord, RecordData, RecordSet, RecordType, Ttl, Txt},
    resolver::{Answer, Failure, Lookup, Mode, Outcome, Resolver},
};

/// Somebody who can change what a resolver sees.
#[async_trait]
pub trait Publish: Send + Sync + 'static {
    /// Puts a record set in the place of the one of its name and type. Returns when every server of
    /// the zone answers with it.
    async fn publish(&self, set: RecordSet);

    /// Takes a record set away, if there is one. Returns when no server answers with it.
    async fn withdraw(&self, name: &DnsName, record_type: RecordType);
}

/// Makes one test of every case in [`conformance::resolver`](crate::conformance::resolver).
///
/// `$setup` is a future that gives a resolver, a [`Publish`] and the name of a zone that both know.
/// The cases use names of their own below it, so they may share a zone.
#[macro_export]
macro_rules! resolver_conformance {
    ($name:ident, $setup:expr) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $crate::__conformance_cases!(
                [$crate::conformance::resolver] $setup => (resolver, world, zone);
                answer_holds_the_records,
                answer_holds_no_other_types,
                names_are_compared_without_case,
                missing_name_does_not_exist,
                name_without_the_type_has_no_data,
                name_above_others_has_no_data,
                alias_is_followed_and_recorded,
                chain_is_followed_to_its_limit,
                loop_of_aliases_fails,
                alias_itself_can_be_asked_for,
                alias_to_nothing_is_told_from_alias_without_data,
                wildcard_answers_under_the_name_asked_for,
                change_is_seen_at_once,
                long_text_is_joined,
                large_answer_is_complete,
                more_records_than_are_looked_at_are_no_partial_answer,
                many_lookups_at_once,
            );
        }
    };
}

fn name(zone: &DnsName, label: &str) -> DnsName {
    zone.child(&format!("resolver-{label}")).unwrap()
}

fn set(name: &DnsName, data: impl IntoIterator<Item = RecordData>) -> RecordSet {
    RecordSet::new(name.clone(), Ttl::MINUTE, data).unwrap()
}

fn txt(text: &str) -> RecordData {
    RecordData::Txt(Txt::from_text(text))
}

fn data(record_type: RecordType, text: &str) -> RecordData {
    RecordData::parse(record_type, text).unwrap()
}

/// Asks in the mode that sees changes at once, or in the other one if the backend has no such mode.
async fn ask(resolver: &impl Resolver, name: &DnsName, record_type: RecordType) -> Answer {
    let mut lookup = Lookup::new(name.clone(), record_type, Mode::Authoritative);
    match resolver.lookup(&lookup).await {
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            lookup.mode = Mode::Recursive;
            resolver.lookup(&lookup).await.unwrap()
        }
        answer => answer.unwrap(),
    }
}

fn records(answer: &Answer) -> &[DnsRecord] {
    match &answer.outcome {
        Outcome::Answer(records) => records,
        other => panic!("not an answer: {other:?}"),
    }
}

fn texts(answer: &Answer) -> Vec<String> {
    let text = |record: &DnsRecord| match record.data() {
        RecordData::Txt(txt) => txt.to_text(),
        other => panic!("not a TXT record: {other}"),
    };
    let mut texts: Vec<String> = records(answer).iter().map(text).collect();
    texts.sort();
    texts
}

/// All values of the set, with its name and its TTL at most.
pub async fn answer_holds_the_records(resolver: impl Resolver, world: impl Publish, zone: DnsName) {
    let name = name(&zone, "records");
    world.publish(set(&name, [txt("one"), txt("two"), txt("Three")])).await;
    let answer = ask(&resolver, &name, RecordType::Txt).await;
    assert_eq!(texts(&answer), ["Three", "one", "two"]);
    assert_eq!(answer.chain, []);
    for record in records(&answer) {
        assert_eq!(record.name(), &name);
        assert!(record.ttl() <= Ttl::MINUTE, "{record}");
    }
}

/// Each type has its own answer.
pub async fn answer_holds_no_other_types(
    resolver: impl Resolver,
    world: impl Publish,
    zone: DnsName,
) {
    let name = name(&zone, "types");
    let all = [
        data(RecordType::A, "192.0.2.1"),
        data(RecordType::Aaaa, "2001:db8::1"),
        data(RecordType::Caa, "0 issue \"ca.example\""),
        txt("text"),
    ];
    for one in &all {
        world.publish(set(&name, [one.clone()])).await;
    }
    for one in &all {
        let answer = ask(&resolver, &name, one.record_type()).await;
        let found: Vec<&RecordData> = records(&answer).iter().map(DnsRecord::data).collect();
        assert_eq!(found, [one]);
    }
}

/// Upper case in the question or in the zone makes no difference.
pub async fn names_are_compared_without_case(
    resolver: impl Resolver,
    world: impl Publish,
    zone: DnsName,
) {
    let name = name(&zone, "case");
    let shouted: DnsName = name.to_string().to_ascii_uppercase().parse().unwrap();
    world.publish(set(&shouted, [txt("Text")])).await;
    let answer = ask(&resolver, &name, RecordType::Txt).await;
    assert_eq!(texts(&answer), ["Text"]);
    assert_eq!(texts(&ask(&resolver, &shouted, RecordType::Txt).await), ["Text"]);
}

/// A name that is not there is NXDOMAIN.
pub async fn missing_name_does_not_exist(
    resolver: impl Resolver,
    world: impl Publish,
    zone: DnsName,
) {
    let name = name(&zone, "missing");
    world.withdraw(&name, RecordType::Txt).await;
    let answer = ask(&resolver, &name, RecordType::Txt).await;
    assert!(matches!(answer.outcome, Outcome::NxDomain { .. }), "{answer:?}");
}

/// A name that is there without the type is NODATA.
pub async fn name_without_the_type_has_no_data(
    resolver: impl Resolver,
    world: impl Publish,
    zone: DnsName,
) {
    let name = name(&zone, "nodata");
    world.publish(set(&name, [data(RecordType::A, "192.0.2.1")])).await;
    let answer = ask(&resolver, &name, RecordType::Txt).await;
    assert!(matches!(answer.outcome, Outcome::NoData { .. }), "{answer:?}");
}

/// A name that only has names below it exists (RFC 8020).
pub async fn name_above_others_has_no_data(
    resolver: impl Resolver,
    world: impl Publish,
    zone: DnsName,
) {
    let name = name(&zone, "above");
    let below = name.child("b").unwrap().child("a").unwrap();
    world.publish(set(&below, [txt("below")])).await;
    for above in [&name, &name.child("b").unwrap()] {
        let answer = ask(&resolver, above, RecordType::Txt).await;
        assert!(matches!(answer.outcome, Outcome::NoData { .. }), "{above}: {answer:?}");
    }
}

/// The answer to an alias is that of its target, under the name of the target.
pub async fn alias_is_followed_and_recorded(
    resolver: impl Resolver,
    world: impl Publish,
    zone: DnsName,
) {
    let [first, second, third] = ["alias-1", "alias-2", "alias-3"].map(|label| name(&zone, label));
    world.publish(set(&first, [RecordData::Cname(second.clone())])).await;
    world.publish(set(&second, [RecordData::Cname(third.clone())])).await;
    world.publish(set(&third, [txt("end")])).await;
    let answer = ask(&resolver, &first, RecordType::Txt).await;
    assert_eq!(answer.chain, [second, third.clone()]);
    assert_eq!(texts(&answer), ["end"]);
    assert!(records(&answer).iter().all(|record| *record.name() == third), "{answer:?}");
}

/// [`Lookup::MAX_CHAIN`] aliases are followed, and not one more.
pub async fn chain_is_followed_to_its_limit(
    resolver: impl Resolver,
    world: impl Publish,
    zone: DnsName,
) {
    let link = |number: usize| name(&zone, &format!("chain-{number}"));
    // One link more than is followed.
    for number in 0..=Lookup::MAX_CHAIN {
        world.publish(set(&link(number), [RecordData::Cname(link(number + 1))])).await;
    }
    world.publish(set(&link(Lookup::MAX_CHAIN + 1), [txt("end")])).await;
    let answer = ask(&resolver, &link(1), RecordType::Txt).await;
    assert_eq!(texts(&answer), ["end"]);
    assert_eq!(answer.chain.len(), Lookup::MAX_CHAIN);
    let answer = ask(&resolver, &link(0), RecordType::Txt).await;
    assert_eq!(answer.outcome, Outcome::Failed(Failure::Chain));
}

/// A loop is a failure, not the absence of the record, and not a question without end.
pub async fn loop_of_aliases_fails(resolver: impl Resolver, world: impl Publish, zone: DnsName) {
    let [one, two, own] = ["loop-1", "loop-2", "loop-own"].map(|label| name(&zone, label));
    world.publish(set(&one, [RecordData::Cname(two.clone())])).await;
    world.publish(set(&two, [RecordData::Cname(one.clone())])).await;
    world.publish(set(&own, [RecordData::Cname(own.clone())])).await;
    for name in [&one, &own] {
        let answer = ask(&resolver, name, RecordType::Txt).await;
        assert_eq!(answer.outcome, Outcome::Failed(Failure::Chain), "{name}");
    }
}

/// Who asks for the CNAME gets it, also where it leads nowhere.
pub async fn alias_itself_can_be_asked_for(
    resolver: impl Resolver,
    world: impl Publish,
    zone: DnsName,
) {
    let (alias, target) = (name(&zone, "alias"), name(&zone, "alias-target-missing"));
    world.publish(set(&alias, [RecordData::Cname(target.clone())])).await;
    let answer = ask(&resolver, &alias, RecordType::Cname).await;
    let found: Vec<&RecordData> = records(&answer).iter().map(DnsRecord::data).collect();
    assert_eq!(found, [&RecordData::Cname(target)]);
    assert_eq!(answer.chain, []);
}

/// What is said of the target is said of the alias, and the chain shows of whom.
pub async fn alias_to_nothing_is_told_from_alias_without_data(
    resolver: impl Resolver,
    world: impl Publish,
    zone: DnsName,
) {
    let [to_nothing, nothing] = ["to-nothing", "nothing"].map(|label| name(&zone, label));
    let [to_other, other] = ["to-other", "other"].map(|label| name(&zone, label));
    world.withdraw(&nothing, RecordType::Txt).await;
    world.publish(set(&to_nothing, [RecordData::Cname(nothing.clone())])).await;
    world.publish(set(&to_other, [RecordData::Cname(other.clone())])).await;
    world.publish(set(&other, [data(RecordType::A, "192.0.2.1")])).await;

    let answer = ask(&resolver, &to_nothing, RecordType::Txt).await;
    assert!(matches!(answer.outcome, Outcome::NxDomain { .. }), "{answer:?}");
    assert_eq!(answer.chain, [nothing]);
    let answer = ask(&resolver, &to_other, RecordType::Txt).await;
    assert!(matches!(answer.outcome, Outcome::NoData { .. }), "{answer:?}");
    assert_eq!(answer.chain, [other]);
}

/// A wildcard gives its data to names that are not there (RFC 4592), and to no others.
pub async fn wildcard_answers_under_the_name_asked_for(
    resolver: impl Resolver,
    world: impl Publish,
    zone: DnsName,
) {
    let parent = name(&zone, "wildcard");
    world.publish(set(&parent.child("*").unwrap(), [txt("any")])).await;
    let own = parent.child("own").unwrap();
    world.publish(set(&own, [data(RecordType::A, "192.0.2.1")])).await;

    let asked = parent.child("b").unwrap().child("a").unwrap();
    let answer = ask(&resolver, &asked, RecordType::Txt).await;
    assert_eq!(texts(&answer), ["any"]);
    assert!(records(&answer).iter().all(|record| *record.name() == asked), "{answer:?}");
    let answer = ask(&resolver, &asked, RecordType::A).await;
    assert!(matches!(answer.outcome, Outcome::NoData { .. }), "{answer:?}");
    // A name that is there keeps the wildcard away, from itself and from what is below it.
    let answer = ask(&resolver, &own, RecordType::Txt).await;
    assert!(matches!(answer.outcome, Outcome::NoData { .. }), "{answer:?}");
    let answer = ask(&resolver, &own.child("a").unwrap(), RecordType::Txt).await;
    assert!(matches!(answer.outcome, Outcome::NxDomain { .. }), "{answer:?}");
}

/// [`Mode::Authoritative`] has no cache: neither of what was there nor of what was not.
pub async fn change_is_seen_at_once(resolver: impl Resolver, world: impl Publish, zone: DnsName) {
    let name = name(&zone, "change");
    let lookup = Lookup::new(name.clone(), RecordType::Txt, Mode::Authoritative);
    if let Err(error) = resolver.lookup(&lookup).await {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        return;
    }
    for round in 0..2 {
        world.withdraw(&name, RecordType::Txt).await;
        let answer = resolver.lookup(&lookup).await.unwrap();
        assert!(matches!(answer.outcome, Outcome::NxDomain { .. }), "{answer:?}");
        for text in [format!("first {round}"), format!("second {round}")] {
            world.publish(set(&name, [txt(&text)])).await;
            assert_eq!(texts(&resolver.lookup(&lookup).await.unwrap()), [text]);
        }
    }
}

/// Text of several strings is one text.
pub async fn long_text_is_joined(resolver: impl Resolver, world: impl Publish, zone: DnsName) {
    let name = name(&zone, "long");
    let text = "0123456789".repeat(60);
    world.publish(set(&name, [txt(&text)])).await;
    assert_eq!(texts(&ask(&resolver, &name, RecordType::Txt).await), [text]);
}

/// An answer that does not fit a datagram is still the whole answer.
pub async fn large_answer_is_complete(resolver: impl Resolver, world: impl Publish, zone: DnsName) {
    let name = name(&zone, "large");
    let texts_there: Vec<String> =
        (0..40).map(|number| format!("{number:02} {}", "x".repeat(200))).collect();
    world.publish(set(&name, texts_there.iter().map(|text| txt(text)))).await;
    assert_eq!(texts(&ask(&resolver, &name, RecordType::Txt).await), texts_there);
}

/// Beyond [`Lookup::MAX_RECORDS`] an answer is whole or is none.
pub async fn more_records_than_are_looked_at_are_no_partial_answer(
    resolver: impl Resolver,
    world: impl Publish,
    zone: DnsName,
) {
    let name = name(&zone, "many");
    let count = Lookup::MAX_RECORDS + 20;
    world.publish(set(&name, (0..count).map(|number| txt(&number.to_string())))).await;
    let answer = ask(&resolver, &name, RecordType::Txt).await;
    match &answer.outcome {
        Outcome::Answer(records) => assert_eq!(records.len(), count),
        Outcome::Failed(_) | Outcome::Timeout => {}
        other => panic!("that the records are not there is not true: {other:?}"),
    }
}

/// Answers do not get mixed up.
pub async fn many_lookups_at_once(resolver: impl Resolver, world: impl Publish, zone: DnsName) {
    let resolver = Arc::new(resolver);
    let mut lookups = JoinSet::new();
    for number in 0..20 {
        let name = name(&zone, &format!("at-once-{number}"));
        world.publish(set(&name, [txt(&number.to_string())])).await;
        let resolver = Arc::clone(&resolver);
        lookups.spawn(async move {
            for _ in 0..3 {
                let answer = ask(&resolver, &name, RecordType::Txt).await;
                assert_eq!(texts(&answer), [number.to_string()]);
            }
        });
    }
    lookups.join_all().await;
}
