//! Cases for a [`DnsProvider`].

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::{
    dns::{Applied, DnsProvider},
    error::{ErrorKind, Result},
    name::DnsName,
    record::{RecordData, RecordSet, RecordType, Ttl, Txt},
    zone::{self, ChangePolicy, ChangeSet, Markers, Ownership, SetChange, Zone},
};

/// Makes one test of every case in [`conformance::dns`](crate::conformance::dns).
///
/// `$setup` is a future that gives a provider and the name of a zone that it hosts. The cases use
/// names of their own below it, so they may share a zone; they delete what they find there.
#[macro_export]
macro_rules! dns_conformance {
    ($name:ident, $setup:expr) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $crate::__conformance_cases!(
                [$crate::conformance::dns] $setup => (dns, zone);
                zone_of_a_name_is_the_deepest_hosted_one,
                unknown_zone_is_not_found,
                name_outside_the_zone_is_refused,
                missing_set_is_none,
                created_set_is_read_back,
                every_type_is_read_back,
                long_text_is_kept,
                replaced_set_is_replaced_as_a_whole,
                deleted_set_is_gone,
                other_types_of_the_name_stay,
                other_names_stay,
                names_are_compared_without_case_and_final_dot,
                expectation_of_nothing_conflicts_with_what_is_there,
                expectation_of_something_conflicts_with_nothing,
                expectation_of_other_data_conflicts,
                expectation_ignores_order_case_and_ttl,
                applying_again_conflicts_and_changes_nothing,
                expectation_alone_changes_nothing,
                no_changes_are_fine,
                each_change_has_its_answer,
                conflict_among_changes_keeps_the_promise,
                cname_beside_other_data_is_refused,
                cname_gives_way_and_comes_back,
                wildcards_are_stored_and_not_synthesized,
                ttl_below_the_floor_is_not_kept,
                two_writers_of_one_set_have_one_winner,
                added_values_join_those_of_others,
                names_change_at_the_same_time,
                a_plan_applied_leaves_nothing_to_plan,
            );
        }
    };
}

/// Returns a name for one case alone, with nothing there.
async fn fresh(dns: &impl DnsProvider, zone: &DnsName, case: &str) -> DnsName {
    let name = zone.child(&format!("nameplate-{case}")).unwrap();
    for owner in [name.child("*").unwrap(), name.child("other").unwrap(), name.clone()] {
        clear(dns, zone, &owner).await;
    }
    name
}

async fn clear(dns: &impl DnsProvider, zone: &DnsName, name: &DnsName) {
    for record_type in RecordType::ALL {
        if let Some(set) = dns.record_set(zone, name, *record_type).await.unwrap() {
            done(dns, zone, [(Some(set), None)]).await;
        }
    }
}

fn ttl(dns: &impl DnsProvider) -> Ttl {
    Ttl::FIVE_MINUTES.max(dns.capabilities().min_ttl)
}

fn txt(dns: &impl DnsProvider, name: &DnsName, texts: &[&str]) -> RecordSet {
    let data = texts.iter().map(|text| RecordData::Txt(Txt::from_text(text)));
    RecordSet::new(name.clone(), ttl(dns), data).unwrap()
}

fn one(dns: &impl DnsProvider, name: &DnsName, record_type: RecordType, text: &str) -> RecordSet {
    let data = RecordData::parse(record_type, text).unwrap();
    RecordSet::new(name.clone(), ttl(dns), [data]).unwrap()
}

type Change = (Option<RecordSet>, Option<RecordSet>);

fn changes(list: impl IntoIterator<Item = Change>) -> ChangeSet {
    let list = list.into_iter().map(|(before, after)| SetChange::new(before, after).unwrap());
    ChangeSet::new(list).unwrap()
}

async fn apply(
    dns: &impl DnsProvider,
    zone: &DnsName,
    list: impl IntoIterator<Item = Change>,
) -> Vec<Applied> {
    let changes = changes(list);
    let applied = dns.apply(zone, &changes).await.unwrap();
    assert_eq!(applied.len(), changes.len(), "one answer for each change: {applied:?}");
    applied
}

async fn done(dns: &impl DnsProvider, zone: &DnsName, list: impl IntoIterator<Item = Change>) {
    let applied = apply(dns, zone, list).await;
    assert!(applied.iter().all(|one| matches!(one, Applied::Done)), "{applied:?}");
}

async fn read(
    dns: &impl DnsProvider,
    zone: &DnsName,
    name: &DnsName,
    record_type: RecordType,
) -> Option<RecordSet> {
    dns.record_set(zone, name, record_type).await.unwrap()
}

async fn assert_there(dns: &impl DnsProvider, zone: &DnsName, set: &RecordSet) {
    let found = read(dns, zone, set.name(), set.record_type()).await;
    assert_eq!(found.as_ref(), Some(set));
}

async fn assert_not_there(
    dns: &impl DnsProvider,
    zone: &DnsName,
    name: &DnsName,
    record_type: RecordType,
) {
    assert_eq!(read(dns, zone, name, record_type).await, None);
}

fn conflict(applied: &[Applied]) -> Option<&RecordSet> {
    match applied {
        [Applied::Conflict(found)] => found.as_ref(),
        other => panic!("not a conflict: {other:?}"),
    }
}

/// The zone itself and everything below it is in the zone, and what only looks like it is not.
pub async fn zone_of_a_name_is_the_deepest_hosted_one(dns: impl DnsProvider, zone: DnsName) {
    let below = zone.child("a").unwrap().child("_b").unwrap();
    for name in [&zone, &below] {
        assert_eq!(dns.zone_of(name).await.unwrap().as_ref(), Some(&zone), "{name}");
    }
    let lookalike: DnsName = format!("not{zone}").parse().unwrap();
    let unknown: DnsName = "nameplate-conformance.invalid".parse().unwrap();
    for name in [&lookalike, &unknown] {
        assert_eq!(dns.zone_of(name).await.unwrap(), None, "{name}");
    }
}

/// A zone that is hosted elsewhere can be neither read nor changed.
pub async fn unknown_zone_is_not_found(dns: impl DnsProvider, _zone: DnsName) {
    let unknown: DnsName = "nameplate-conformance.invalid".parse().unwrap();
    let name = unknown.child("a").unwrap();
    let error = dns.record_set(&unknown, &name, RecordType::Txt).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let changes = changes([(None, Some(txt(&dns, &name, &["x"])))]);
    let error = dns.apply(&unknown, &changes).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

/// Names are inside by whole labels; one change outside keeps the others from happening.
pub async fn name_outside_the_zone_is_refused(dns: impl DnsProvider, zone: DnsName) {
    let inside = fresh(&dns, &zone, "inside").await;
    let parent = zone.parent().unwrap_or_else(DnsName::root);
    let outside = [
        format!("not{zone}").parse().unwrap(),
        parent.child("nameplate-sibling").unwrap(),
        "nameplate-conformance.invalid".parse().unwrap(),
    ];
    for name in &outside {
        let both = [&inside, name].map(|name| (None, Some(txt(&dns, name, &["x"]))));
        let error = dns.apply(&zone, &changes(both)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{name}: {error}");
        assert_not_there(&dns, &zone, &inside, RecordType::Txt).await;
        let read = dns.record_set(&zone, name, RecordType::Txt).await;
        assert_eq!(read.unwrap_err().kind(), ErrorKind::Invalid, "{name}");
    }
}

/// That there is no such set is an answer, not an error.
pub async fn missing_set_is_none(dns: impl DnsProvider, zone: DnsName) {
    let name = fresh(&dns, &zone, "missing").await;
    assert_not_there(&dns, &zone, &name, RecordType::Txt).await;
    done(&dns, &zone, [(None, Some(one(&dns, &name, RecordType::A, "192.0.2.1")))]).await;
    assert_not_there(&dns, &zone, &name, RecordType::Txt).await;
}

/// A set is read as it was written, with its TTL.
pub async fn created_set_is_read_back(dns: impl DnsProvider, zone: DnsName) {
    let name = fresh(&dns, &zone, "created").await;
    let set = txt(&dns, &name, &["one", "two", "three"]);
    done(&dns, &zone, [(None, Some(set.clone()))]).await;
    assert_there(&dns, &zone, &set).await;
}

/// The types that onboarding needs are there, and none is confused with another.
pub async fn every_type_is_read_back(dns: impl DnsProvider, zone: DnsName) {
    let name = fresh(&dns, &zone, "types").await;
    let sets = [
        one(&dns, &name, RecordType::A, "192.0.2.1"),
        one(&dns, &name, RecordType::Aaaa, "2001:db8::1"),
        one(&dns, &name, RecordType::Txt, "\"v=1; \\\"quoted\\\" \\\\ back\" \"second\""),
        one(&dns, &name, RecordType::Caa, "0 issue \"ca.example; validationmethods=dns-01\""),
        one(&dns, &name.child("other").unwrap(), RecordType::Cname, "_target.example.net."),
    ];
    done(&dns, &zone, sets.iter().cloned().map(|set| (None, Some(set)))).await;
    for set in &sets {
        assert_there(&dns, &zone, set).await;
    }
}

/// Text of more than 255 octets comes back whole.
pub async fn long_text_is_kept(dns: impl DnsProvider, zone: DnsName) {
    let name = fresh(&dns, &zone, "long").await;
    let set = txt(&dns, &name, &[&"0123456789".repeat(60)]);
    done(&dns, &zone, [(None, Some(set.clone()))]).await;
    assert_there(&dns, &zone, &set).await;
}

/// After a replacement nothing of the former set is left.
pub async fn replaced_set_is_replaced_as_a_whole(dns: impl DnsProvider, zone: DnsName) {
    let name = fresh(&dns, &zone, "replaced").await;
    let mut before = None;
    for texts in [["a", "b"].as_slice(), &["b", "c", "d"], &["e"]] {
        let set = txt(&dns, &name, texts);
        done(&dns, &zone, [(before, Some(set.clone()))]).await;
        assert_there(&dns, &zone, &set).await;
        before = Some(set);
    }
}

/// A deleted set is gone, and can be created again.
pub async fn deleted_set_is_gone(dns: impl DnsProvider, zone: DnsName) {
    let name = fresh(&dns, &zone, "deleted").await;
    let set = txt(&dns, &name, &["a", "b"]);
    for _ in 0..2 {
        done(&dns, &zone, [(None, Some(set.clone()))]).await;
        done(&dns, &zone, [(Some(set.clone()), None)]).await;
        assert_not_there(&dns, &zone, &name, RecordType::Txt).await;
    }
}

/// Neither replacing nor deleting a set touches the other types of its name.
pub async fn other_types_of_the_name_stay(dns: impl DnsProvider, zone: DnsName) {
    let name = fresh(&dns, &zone, "beside").await;
    let address = one(&dns, &name, RecordType::A, "192.0.2.1");
    let caa = one(&dns, &name, RecordType::Caa, "0 issue \"ca.example\"");
    let (first, second) = (txt(&dns, &name, &["1"]), txt(&dns, &name, &["2"]));
    let all = [&address, &caa, &first].map(|set| (None, Some(set.clone())));
    done(&dns, &zone, all).await;
    for change in [(Some(first), Some(second.clone())), (Some(second), None)] {
        done(&dns, &zone, [change]).await;
        assert_there(&dns, &zone, &address).await;
        assert_there(&dns, &zone, &caa).await;
    }
}

/// A change of a name leaves its neighbors, those above and those below it.
pub async fn other_names_stay(dns: impl DnsProvider, zone: DnsName) {
    let name = fresh(&dns, &zone, "neighbors").await;
    let below = name.child("other").unwrap();
    let sets = [txt(&dns, &name, &["above"]), txt(&dns, &below, &["below"])];
    done(&dns, &zone, sets.iter().cloned().map(|set| (None, Some(set)))).await;
    done(&dns, &zone, [(Some(sets[0].clone()), None)]).await;
    assert_there(&dns, &zone, &sets[1]).await;
    done(&dns, &zone, [(None, Some(sets[0].clone()))]).await;
    done(&dns, &zone, [(Some(sets[1].clone()), None)]).await;
    assert_there(&dns, &zone, &sets[0]).await;
}

/// There is one name, however it is written.
pub async fn names_are_compared_without_case_and_final_dot(dns: impl DnsProvider, zone: DnsName) {
    let name = fresh(&dns, &zone, "case").await;
    let shouted: DnsName = format!("{}.", name.to_string().to_ascii_uppercase()).parse().unwrap();
    let zone_shouted: DnsName = zone.to_string().to_ascii_uppercase().parse().unwrap();
    done(&dns, &zone, [(None, Some(txt(&dns, &shouted, &["Value"])))]).await;
    assert_there(&dns, &zone_shouted, &txt(&dns, &name, &["Value"])).await;
    // Values are data: their case counts.
    let other = txt(&dns, &name, &["value"]);
    let applied = apply(&dns, &zone, [(Some(other), None)]).await;
    assert!(conflict(&applied).is_some());
}

/// What somebody else has put there is not overwritten, and is shown.
pub async fn expectation_of_nothing_conflicts_with_what_is_there(
    dns: impl DnsProvider,
    zone: DnsName,
) {
    let name = fresh(&dns, &zone, "occupied").await;
    let theirs = txt(&dns, &name, &["theirs"]);
    done(&dns, &zone, [(None, Some(theirs.clone()))]).await;
    let applied = apply(&dns, &zone, [(None, Some(txt(&dns, &name, &["ours"])))]).await;
    assert_eq!(conflict(&applied), Some(&theirs));
    assert_there(&dns, &zone, &theirs).await;
}

/// What somebody else has deleted is not put back.
pub async fn expectation_of_something_conflicts_with_nothing(dns: impl DnsProvider, zone: DnsName) {
    let name = fresh(&dns, &zone, "vanished").await;
    let (before, after) = (txt(&dns, &name, &["before"]), txt(&dns, &name, &["after"]));
    for after in [Some(after), None] {
        let applied = apply(&dns, &zone, [(Some(before.clone()), after)]).await;
        assert_eq!(conflict(&applied), None);
        assert_not_there(&dns, &zone, &name, RecordType::Txt).await;
    }
}

/// A value more, less or other than expected is a conflict.
pub async fn expectation_of_other_data_conflicts(dns: impl DnsProvider, zone: DnsName) {
    let name = fresh(&dns, &zone, "different").await;
    let theirs = txt(&dns, &name, &["a", "b"]);
    done(&dns, &zone, [(None, Some(theirs.clone()))]).await;
    for texts in [["a"].as_slice(), &["a", "b", "c"], &["a", "c"]] {
        for after in [Some(txt(&dns, &name, &["ours"])), None] {
            let applied = apply(&dns, &zone, [(Some(txt(&dns, &name, texts)), after)]).await;
            assert_eq!(conflict(&applied), Some(&theirs), "{texts:?}");
            assert_there(&dns, &zone, &theirs).await;
        }
    }
}

/// An expectation is about the data: not about how it is written, nor how long it is cached.
pub async fn expectation_ignores_order_case_and_ttl(dns: impl DnsProvider, zone: DnsName) {
    let name = fresh(&dns, &zone, "same").await;
    let set = txt(&dns, &name, &["a", "b"]);
    done(&dns, &zone, [(None, Some(set))]).await;
    let same = txt(&dns, &name, &["b", "a"]).with_ttl(Ttl::DAY);
    done(&dns, &zone, [(Some(same), None)]).await;

    let lower = one(&dns, &name, RecordType::Cname, "target.example.net");
    let upper = one(&dns, &name, RecordType::Cname, "TARGET.Example.NET.");
    done(&dns, &zone, [(None, Some(lower))]).await;
    done(&dns, &zone, [(Some(upper), None)]).await;
    assert_not_there(&dns, &zone, &name, RecordType::Cname).await;
}

/// A change that was made is not made again: the set is no longer as it was expected.
pub async fn applying_again_conflicts_and_changes_nothing(dns: impl DnsProvider, zone: DnsName) {
    let name = fresh(&dns, &zone, "again").await;
    let set = txt(&dns, &name, &["a"]);
    done(&dns, &zone, [(None, Some(set.clone()))]).await;
    let applied = apply(&dns, &zone, [(None, Some(set.clone()))]).await;
    assert_eq!(conflict(&applied), Some(&set));
    done(&dns, &zone, [(Some(set.clone()), None)]).await;
    let applied = apply(&dns, &zone, [(Some(set), None)]).await;
    assert_eq!(conflict(&applied), None);
}

/// A change to the same is a question: is it still so?
pub async fn expectation_alone_changes_nothing(dns: impl DnsProvider, zone: DnsName) {
    let name = fresh(&dns, &zone, "asserted").await;
    let set = txt(&dns, &name, &["a"]);
    done(&dns, &zone, [(None, Some(set.clone()))]).await;
    done(&dns, &zone, [(Some(set.clone()), Some(set.clone()))]).await;
    let other = txt(&dns, &name, &["b"]);
    let applied = apply(&dns, &zone, [(Some(other.clone()), Some(other))]).await;
    assert_eq!(conflict(&applied), Some(&set));
    assert_there(&dns, &zone, &set).await;
}

/// To change nothing succeeds.
pub async fn no_changes_are_fine(dns: impl DnsProvider, zone: DnsName) {
    assert!(dns.apply(&zone, &ChangeSet::default()).await.unwrap().is_empty());
}

/// The answers stand in the order of the changes.
pub async fn each_change_has_its_answer(dns: impl DnsProvider, zone: DnsName) {
    let name = fresh(&dns, &zone, "answers").await;
    let below = name.child("other").unwrap();
    let (gone, kept) = (txt(&dns, &name, &["gone"]), txt(&dns, &below, &["kept"]));
    done(&dns, &zone, [&gone, &kept].map(|set| (None, Some(set.clone())))).await;
    let list = [
        (Some(gone.clone()), None),
        (Some(txt(&dns, &below, &["other"])), Some(txt(&dns, &below, &["new"]))),
        (None, Some(one(&dns, &name, RecordType::A, "192.0.2.1"))),
    ];
    let order = changes(list.clone());
    let applied = apply(&dns, &zone, list).await;
    for (change, one) in order.iter().zip(&applied) {
        let conflicts = matches!(one, Applied::Conflict(Some(found)) if *found == kept);
        assert_eq!(conflicts, *change.name() == below, "{change:?}: {one:?}");
    }
}

/// If changes are atomic, none happens beside a conflict; else those happen that say so.
pub async fn conflict_among_changes_keeps_the_promise(dns: impl DnsProvider, zone: DnsName) {
    let name = fresh(&dns, &zone, "atomic").await;
    let below = name.child("other").unwrap();
    let gone = txt(&dns, &name, &["gone"]);
    done(&dns, &zone, [(None, Some(gone.clone()))]).await;
    let address = one(&dns, &name, RecordType::A, "192.0.2.1");
    let list = [
        (Some(gone.clone()), None),
        (Some(txt(&dns, &below, &["not there"])), Some(txt(&dns, &below, &["new"]))),
        (None, Some(address.clone())),
    ];
    let applied = apply(&dns, &zone, list.clone()).await;
    assert!(applied.iter().any(|one| matches!(one, Applied::Conflict(None))), "{applied:?}");
    let atomic = dns.capabilities().atomic;
    for (change, answer) in changes(list).iter().zip(&applied) {
        let happened = matches!(answer, Applied::Done);
        assert!(!(atomic && happened), "{change:?} happened beside a conflict");
        let found = read(&dns, &zone, change.name(), change.record_type()).await;
        let wanted = if happened {
            change.after()
        } else {
            [&gone].into_iter().find(|set| {
                set.name() == change.name() && set.record_type() == change.record_type()
            })
        };
        assert_eq!(found.as_ref(), wanted, "{change:?}: {answer:?}");
    }
}

/// A CNAME stands alone (RFC 2181 section 10.1), whichever comes first.
pub async fn cname_beside_other_data_is_refused(dns: impl DnsProvider, zone: DnsName) {
    let name = fresh(&dns, &zone, "cname").await;
    let text = txt(&dns, &name, &["text"]);
    let alias = one(&dns, &name, RecordType::Cname, "target.example.net");
    for (first, second) in [(&text, &alias), (&alias, &text)] {
        done(&dns, &zone, [(None, Some(first.clone()))]).await;
        let refused = dns.apply(&zone, &changes([(None, Some(second.clone()))])).await;
        assert!(!is_done(&refused), "{second:?} beside {first:?}: {refused:?}");
        assert_there(&dns, &zone, first).await;
        assert_not_there(&dns, &zone, &name, second.record_type()).await;
        done(&dns, &zone, [(Some(first.clone()), None)]).await;
    }
}

fn is_done(applied: &Result<Vec<Applied>>) -> bool {
    applied.as_ref().is_ok_and(|applied| applied.iter().any(|one| matches!(one, Applied::Done)))
}

/// One set of changes can put other data in the place of a CNAME, and back.
pub async fn cname_gives_way_and_comes_back(dns: impl DnsProvider, zone: DnsName) {
    let name = fresh(&dns, &zone, "alias").await;
    let address = one(&dns, &name, RecordType::A, "192.0.2.1");
    let text = txt(&dns, &name, &["text"]);
    let alias = one(&dns, &name, RecordType::Cname, "target.example.net");
    done(&dns, &zone, [(None, Some(alias.clone()))]).await;
    let away =
        [(Some(alias.clone()), None), (None, Some(address.clone())), (None, Some(text.clone()))];
    done(&dns, &zone, away.clone()).await;
    assert_there(&dns, &zone, &address).await;
    assert_there(&dns, &zone, &text).await;
    done(&dns, &zone, away.map(|(before, after)| (after, before))).await;
    assert_there(&dns, &zone, &alias).await;
    assert_not_there(&dns, &zone, &name, RecordType::Txt).await;
}

/// What is read is what is stored: a wildcard is a name like any other.
pub async fn wildcards_are_stored_and_not_synthesized(dns: impl DnsProvider, zone: DnsName) {
    let name = fresh(&dns, &zone, "wildcard").await;
    let set = txt(&dns, &name.child("*").unwrap(), &["any"]);
    done(&dns, &zone, [(None, Some(set.clone()))]).await;
    assert_there(&dns, &zone, &set).await;
    assert_not_there(&dns, &zone, &name.child("other").unwrap(), RecordType::Txt).await;
    // So the name below is free.
    let below = txt(&dns, &name.child("other").unwrap(), &["own"]);
    done(&dns, &zone, [(None, Some(below.clone()))]).await;
    assert_there(&dns, &zone, &below).await;
    assert_there(&dns, &zone, &set).await;
}

/// A TTL below [`Capabilities::min_ttl`](crate::dns::Capabilities) is refused or raised; the floor
/// itself is kept.
pub async fn ttl_below_the_floor_is_not_kept(dns: impl DnsProvider, zone: DnsName) {
    let name = fresh(&dns, &zone, "ttl").await;
    let floor = dns.capabilities().min_ttl;
    let set = txt(&dns, &name, &["x"]).with_ttl(floor);
    done(&dns, &zone, [(None, Some(set.clone()))]).await;
    assert_there(&dns, &zone, &set).await;
    done(&dns, &zone, [(Some(set.clone()), None)]).await;
    let Some(below) = floor.as_secs().checked_sub(1) else { return };
    let low = set.with_ttl(Ttl::from_secs(below).unwrap());
    let applied = dns.apply(&zone, &changes([(None, Some(low))])).await;
    let found = read(&dns, &zone, &name, RecordType::Txt).await;
    assert_eq!(found.map(|set| set.ttl()), is_done(&applied).then_some(floor));
}

/// Of many that expect the same set one succeeds.
pub async fn two_writers_of_one_set_have_one_winner(dns: impl DnsProvider, zone: DnsName) {
    let dns = Arc::new(dns);
    let name = fresh(&dns, &zone, "winner").await;
    let mut writers = JoinSet::new();
    for writer in 0..6 {
        let (dns, zone) = (Arc::clone(&dns), zone.clone());
        let set = txt(&dns, &name, &[&writer.to_string()]);
        writers.spawn(async move {
            let applied = dns.apply(&zone, &changes([(None, Some(set.clone()))])).await;
            is_done(&applied).then_some(set)
        });
    }
    let winners: Vec<RecordSet> = writers.join_all().await.into_iter().flatten().collect();
    let [winner] = winners.as_slice() else { panic!("winners: {winners:?}") };
    assert_there(&dns, &zone, winner).await;
}

/// Many that each add a value, by reading, expecting and trying again, end with all of them there.
pub async fn added_values_join_those_of_others(dns: impl DnsProvider, zone: DnsName) {
    let dns = Arc::new(dns);
    let name = fresh(&dns, &zone, "joined").await;
    let values: Vec<String> = (0..4).map(|writer| format!("value {writer}")).collect();
    let mut writers = JoinSet::new();
    for value in values.clone() {
        let (dns, zone, name) = (Arc::clone(&dns), zone.clone(), name.clone());
        writers.spawn(async move {
            loop {
                let before = read(&dns, &zone, &name, RecordType::Txt).await;
                let data = RecordData::Txt(Txt::from_text(&value));
                let after = match &before {
                    Some(set) => set.with(data).unwrap(),
                    None => txt(&dns, &name, &[&value]),
                };
                if is_done(&dns.apply(&zone, &changes([(before, Some(after))])).await) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        });
    }
    writers.join_all().await;
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    assert_there(&dns, &zone, &txt(&dns, &name, &values)).await;
}

/// Changes of different names do not get in each other's way.
pub async fn names_change_at_the_same_time(dns: impl DnsProvider, zone: DnsName) {
    let dns = Arc::new(dns);
    let mut writers = JoinSet::new();
    for writer in 0..6 {
        let (dns, zone) = (Arc::clone(&dns), zone.clone());
        writers.spawn(async move {
            let name = fresh(&dns, &zone, &format!("writer-{writer}")).await;
            for round in 0..3 {
                let set = txt(&dns, &name, &[&round.to_string()]);
                done(&dns, &zone, [(None, Some(set.clone()))]).await;
                assert_there(&dns, &zone, &set).await;
                done(&dns, &zone, [(Some(set), None)]).await;
            }
        });
    }
    writers.join_all().await;
}

/// What is planned for the sets that are read is what has to change: applied, nothing is left to
/// plan, and what nobody asked to change has not changed.
pub async fn a_plan_applied_leaves_nothing_to_plan(dns: impl DnsProvider, zone: DnsName) {
    let name = fresh(&dns, &zone, "planned").await;
    let (below, any) = (name.child("other").unwrap(), name.child("*").unwrap());
    let markers = Markers::new("conformance").unwrap();
    let owners =
        [&name, &below, &any].map(|owner| [owner.clone(), markers.name_for(owner).unwrap()]);
    let owners = owners.as_flattened();
    for owner in owners {
        clear(&dns, &zone, owner).await;
    }
    let theirs = txt(&dns, &name, &["theirs"]);
    done(&dns, &zone, [(None, Some(theirs.clone()))]).await;

    let policy = ChangePolicy::new(Ownership::markers(markers))
        .with_min_ttl(dns.capabilities().min_ttl)
        .without_guard();
    let address = one(&dns, &name, RecordType::A, "192.0.2.1");
    let alias = one(&dns, &below, RecordType::Cname, "target.example.net.");
    for desired in [
        vec![address.clone(), txt(&dns, &name, &["one", "two"]), alias.clone()],
        vec![
            address.with(RecordData::parse(RecordType::A, "192.0.2.2").unwrap()).unwrap(),
            txt(&dns, &name, &["two", "three"]),
            txt(&dns, &below, &["in place of an alias"]),
            one(&dns, &any, RecordType::Aaaa, "2001:db8::1"),
        ],
        vec![address.with_ttl(Ttl::DAY), alias],
        vec![],
    ] {
        let desired = Zone::new(zone.clone(), desired).unwrap();
        let current = sets_of(&dns, &zone, owners).await;
        let plan = zone::changes(&current, &desired, &policy).unwrap();
        assert!(!plan.is_empty() && plan.conflicts().is_empty(), "{plan}");
        let applied = dns.apply(&zone, plan.changes()).await.unwrap();
        assert!(applied.iter().all(|one| matches!(one, Applied::Done)), "{applied:?}:\n{plan}");
        let after = sets_of(&dns, &zone, owners).await;
        assert_eq!(after, current.apply(plan.changes()).unwrap());
        let again = zone::changes(&after, &desired, &policy).unwrap();
        assert!(again.is_empty(), "still to do:\n{again}");
        let texts = after.get(&name, RecordType::Txt).unwrap();
        assert!(texts.contains(&theirs.data()[0]) && texts.ttl() == theirs.ttl(), "{texts:?}");
    }
    let left = sets_of(&dns, &zone, owners).await;
    assert_eq!(left.sets(), [theirs], "what is not ours is all that is left");
}

/// Reads all sets of some names.
async fn sets_of(dns: &impl DnsProvider, zone: &DnsName, names: &[DnsName]) -> Zone {
    let mut sets = Vec::new();
    for name in names {
        for record_type in RecordType::ALL {
            sets.extend(read(dns, zone, name, *record_type).await);
        }
    }
    Zone::new(zone.clone(), sets).unwrap()
}
