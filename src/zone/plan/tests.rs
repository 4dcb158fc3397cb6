use proptest::{collection::vec, prelude::*, sample::select};

use super::*;
use crate::{
    name::DnsName,
    record::{RecordData, RecordType, Ttl, Txt},
};

mod guard;
mod markers;
mod properties;

fn name(text: &str) -> DnsName {
    text.parse().unwrap()
}

/// Reads the lines of a zone: owner relative to `example.com`, TTL, type, data.
fn zone(lines: &[&str]) -> Zone {
    let record = |line: &&str| {
        let fields: Vec<_> = line.splitn(4, ' ').collect();
        let [owner, ttl, record_type, value] = fields[..] else { panic!("{line}") };
        let owner = match owner {
            "@" => name("example.com"),
            below => name(&format!("{below}.example.com")),
        };
        let data = RecordData::parse(record_type.parse().unwrap(), value).unwrap();
        DnsRecord::new(owner, ttl.parse().unwrap(), data)
    };
    Zone::from_records(name("example.com"), lines.iter().map(record)).unwrap()
}

fn everything() -> ChangePolicy {
    ChangePolicy::new(Ownership::everything())
}

/// Plans, and checks what holds of every plan: applied, nothing is left to plan.
fn plan(current: &Zone, desired: &Zone, policy: &ChangePolicy) -> Plan {
    let plan = changes(current, desired, policy).unwrap();
    let after = current.apply(plan.changes()).unwrap();
    let again = changes(&after, desired, &policy.clone().without_guard()).unwrap();
    assert_eq!(again.to_string().lines().find(|line| !line.starts_with('!')), None);
    let reasons = |plan: &Plan| plan.conflicts().iter().map(Conflict::reason).collect::<Vec<_>>();
    assert_eq!(reasons(&again), reasons(&plan));
    plan
}

/// The lines of a plan with names relative to the zone.
fn shown(current: &[&str], desired: &[&str], policy: &ChangePolicy) -> Vec<String> {
    let text = plan(&zone(current), &zone(desired), policy).to_string();
    text.lines().map(|line| line.replace(".example.com", "").replace(" IN ", " ")).collect()
}

#[test]
fn what_means_the_same_is_no_change() {
    let current = ["www 60 CNAME Target.Example.NET.", "@ 60 A 192.0.2.1", "@ 60 A 192.0.2.2"];
    let desired = ["WWW 60 CNAME target.example.net.", "@ 60 A 192.0.2.2", "@ 60 A 192.0.2.1"];
    assert_eq!(shown(&current, &desired, &everything()), [""; 0]);
    let split = ["@ 60 TXT ab c", "x 60 AAAA 2001:db8::1"];
    let joined = ["@ 60 TXT abc", "x 60 AAAA 2001:DB8:0::1"];
    assert_eq!(shown(&split, &joined, &everything()), [""; 0]);
}

#[test]
fn records_are_paired_to_updates() {
    let current = ["@ 60 A 192.0.2.1", "@ 60 A 192.0.2.2", "@ 60 A 192.0.2.3", "a 60 TXT x"];
    let desired = ["@ 60 A 192.0.2.2", "@ 60 A 192.0.2.4", "b 60 TXT x"];
    let plan = plan(&zone(&current), &zone(&desired), &everything());
    assert_eq!(
        plan.to_string(),
        "- a.example.com. 60 IN TXT \"x\"\n\
         - example.com. 60 IN A 192.0.2.3\n\
         ~ example.com. 60 IN A 192.0.2.1 -> example.com. 60 IN A 192.0.2.4\n\
         + b.example.com. 60 IN TXT \"x\"\n"
    );
    let kinds: Vec<_> = plan.sets().map(|change| change.as_str()).collect();
    assert_eq!(kinds, ["delete", "update", "create"]);
    let ttl_only = |change: &Change<_>| matches!(change, Change::Update { ttl_only: true, .. });
    assert!(!plan.records().iter().any(ttl_only));
}

#[test]
fn a_ttl_alone_is_an_update_that_says_so() {
    let current = zone(&["@ 60 A 192.0.2.1", "@ 60 A 192.0.2.2"]);
    let desired = zone(&["@ 300 A 192.0.2.1", "@ 300 A 192.0.2.2"]);
    let plan = plan(&current, &desired, &everything());
    let [Change::Update { before, after, ttl_only: true }] = plan.sets().collect::<Vec<_>>()[..]
    else {
        panic!("{plan}")
    };
    assert_eq!((before.ttl(), after.ttl()), (Ttl::MINUTE, Ttl::FIVE_MINUTES));
    let records = plan.records();
    assert_eq!(records.len(), 2);
    for record in records {
        assert!(matches!(&record, Change::Update { ttl_only: true, .. }), "{record:?}");
        assert_eq!(record.before().unwrap().data(), record.after().unwrap().data());
    }
    // With other data it is both: the data that stay get their TTL too.
    let other = zone(&["@ 300 A 192.0.2.1", "@ 300 A 192.0.2.3"]);
    let plan = changes(&current, &other, &everything()).unwrap();
    let only: Vec<_> = plan
        .records()
        .iter()
        .map(|change| matches!(change, Change::Update { ttl_only: true, .. }))
        .collect();
    assert_eq!(only, [true, false]);
}

#[test]
fn what_is_in_the_way_goes_first() {
    let addresses = ["www 60 A 192.0.2.1", "www 60 TXT x"];
    let alias = ["www 60 CNAME a.example."];
    assert_eq!(
        shown(&addresses, &alias, &everything()),
        ["- www. 60 A 192.0.2.1", "- www. 60 TXT \"x\"", "+ www. 60 CNAME a.example."]
    );
    assert_eq!(
        shown(&alias, &addresses, &everything()),
        ["- www. 60 CNAME a.example.", "+ www. 60 TXT \"x\"", "+ www. 60 A 192.0.2.1"]
    );
    let below = ["a.b 60 A 192.0.2.1", "b 60 TXT x"];
    let dname = ["b 60 TXT x", "b 60 DNAME b.example."];
    assert_eq!(
        shown(&below, &dname, &everything()),
        ["- a.b. 60 A 192.0.2.1", "+ b. 60 DNAME b.example."]
    );
    assert_eq!(
        shown(&dname, &below, &everything()),
        ["- b. 60 DNAME b.example.", "+ a.b. 60 A 192.0.2.1"]
    );
}

#[test]
fn the_zone_itself_is_changed_only_by_name() {
    let soa = "@ 60 SOA ns1. hostmaster. 1 2 3 4 5";
    let current = [soa, "@ 60 NS ns1.", "@ 60 TYPE46 \\# 1 00", "@ 60 A 192.0.2.1"];
    let desired = ["@ 60 NS ns2.", "sub 60 NS ns1."];
    let protected = "! example.com NS: the set belongs to the zone itself, and the policy does not \
                     name it";
    let shown = |desired: &[&str], policy: &ChangePolicy| shown(&current, desired, policy);
    assert_eq!(
        shown(&desired, &everything()),
        ["- example.com. 60 A 192.0.2.1", "+ sub. 60 NS ns1.", protected]
    );
    assert_eq!(
        shown(&desired, &everything().with_apex_ns()),
        [
            "- example.com. 60 A 192.0.2.1",
            "~ example.com. 60 NS ns1. -> example.com. 60 NS ns2.",
            "+ sub. 60 NS ns1.",
        ]
    );
    assert_eq!(
        shown(&[], &everything().with_soa()),
        ["- example.com. 60 A 192.0.2.1", "- example.com. 60 SOA ns1. hostmaster. 1 2 3 4 5"]
    );
    assert_eq!(shown(&current, &everything()), [""; 0]);
    assert_eq!(
        shown(&["@ 60 CNAME a.example."], &everything()),
        ["! example.com CNAME: records that are not ours are there, and a CNAME is wanted"]
    );
}

#[test]
fn what_is_not_listed_stays() {
    let policy = ChangePolicy::new(Ownership::listed([
        (name("www.example.com"), RecordType::A),
        (name("b.example.com"), RecordType::Cname),
        (name("c.example.com"), RecordType::Dname),
    ]));
    let current =
        ["www 60 A 192.0.2.1", "www 60 TXT x", "b 60 TXT x", "a.c 60 TXT x", "d 60 TXT x"];
    assert_eq!(shown(&current, &[], &policy), ["- www. 60 A 192.0.2.1"]);
    let desired = [
        "www 60 A 192.0.2.2",
        "www 60 TXT y",
        "b 60 CNAME a.example.",
        "c 60 DNAME a.example.",
        "d 60 TXT x",
        "e 60 TXT x",
    ];
    assert_eq!(
        shown(&current, &desired, &policy),
        [
            "~ www. 60 A 192.0.2.1 -> www. 60 A 192.0.2.2",
            "! b CNAME: records that are not ours are there, and a CNAME is wanted",
            "! c DNAME: records that are not ours are below, and a DNAME is wanted",
            "! e TXT: the set is not listed as ours",
            "! www TXT: the set is not listed as ours",
        ]
    );
    // Nothing below a DNAME of others, and nothing beside a CNAME of others.
    let current = ["www 60 CNAME a.example."];
    assert_eq!(
        shown(&current, &["www 60 A 192.0.2.1"], &policy),
        ["! www A: a CNAME record that is not ours is there"]
    );
    let current = ["@ 60 DNAME a.example."];
    assert_eq!(
        shown(&current, &["www 60 A 192.0.2.1"], &policy),
        ["! www A: a DNAME record that is not ours allows no names below it"]
    );
    let listed = ["www 60 A 192.0.2.1"];
    assert_eq!(shown(&listed, &listed, &policy), [""; 0]);
}

#[test]
fn no_ttl_is_planned_that_the_service_does_not_keep() {
    let policy = everything().with_min_ttl(Ttl::FIVE_MINUTES);
    assert_eq!(shown(&["@ 300 A 192.0.2.1"], &["@ 60 A 192.0.2.1"], &policy), [""; 0]);
    assert_eq!(shown(&[], &["@ 60 TXT x"], &policy), ["+ example.com. 300 TXT \"x\""]);
}

#[test]
fn two_zones_are_not_compared() {
    let other = Zone::new(name("example.org"), []).unwrap();
    let error = changes(&zone(&[]), &other, &everything()).unwrap_err();
    assert_eq!(error.to_string(), "example.com is planned for, and example.org is wanted");
    assert_eq!(error.as_str(), "different_zones");
}

#[test]
fn reasons_have_names_of_their_own() {
    let mut names: Vec<_> = ConflictReason::ALL.iter().map(|reason| reason.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ConflictReason::ALL.len());
}
