//! Plans, applied at a service that lists its zones.

#![expect(clippy::unwrap_used, reason = "a setup that fails must panic")]

use nameplate::{
    dns::{Applied, Capabilities, DnsProvider, InMemoryDns},
    name::DnsName,
    record::{DnsRecord, RecordData, RecordType, Ttl},
    zone::{ChangePolicy, Conflict, Markers, Ownership, Zone, changes},
};
use proptest::{collection::vec, prelude::*, sample::select};

fn name(text: &str) -> DnsName {
    text.parse().unwrap()
}

fn any_record() -> impl Strategy<Value = DnsRecord> {
    let owner = select(vec!["example.com", "a.example.com", "*.a.example.com", "b.a.example.com"]);
    let data = select(vec![
        (RecordType::A, "192.0.2.1"),
        (RecordType::A, "192.0.2.2"),
        (RecordType::Txt, "one"),
        (RecordType::Txt, "two words"),
        (RecordType::Mx, "10 mail.example."),
        (RecordType::Cname, "edge.example."),
    ]);
    let ttl = select(vec![Ttl::FIVE_MINUTES, Ttl::HOUR]);
    (owner, ttl, data).prop_map(|(owner, ttl, (record_type, text))| {
        DnsRecord::new(name(owner), ttl, RecordData::parse(record_type, text).unwrap())
    })
}

/// Zones that the service takes: a CNAME stands alone, and not at the top.
fn any_zone() -> impl Strategy<Value = Zone> {
    vec(any_record(), 0..16).prop_map(|records| {
        let mut kept: Vec<DnsRecord> = Vec::new();
        for record in records {
            let is_cname = |record: &DnsRecord| record.record_type() == RecordType::Cname;
            let top = is_cname(&record) && record.name() == &name("example.com");
            let clash = |other: &DnsRecord| {
                other.name() == record.name() && (is_cname(other) || is_cname(&record))
            };
            if !top && !kept.iter().any(clash) {
                kept.push(record);
            }
        }
        Zone::from_records(name("example.com"), kept).unwrap()
    })
}

fn listed(dns: &InMemoryDns) -> Zone {
    let zone = name("example.com");
    let sets = dns.records(&zone);
    Zone::new(zone, sets).unwrap()
}

/// Applies a plan as it is, and returns what is there then.
fn applied(dns: &InMemoryDns, desired: &Zone, policy: &ChangePolicy) -> Zone {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let plan = changes(&listed(dns), desired, policy).unwrap();
    let answers = runtime.block_on(dns.apply(desired.origin(), plan.changes())).unwrap();
    assert!(answers.iter().all(|one| matches!(one, Applied::Done)), "{answers:?}:\n{plan}");
    let after = listed(dns);
    let again = changes(&after, desired, policy).unwrap();
    assert!(again.is_empty(), "still to do:\n{again}");
    // What they are about has changed perhaps, but not which they are.
    let what = |conflict: &Conflict| (conflict.name().clone(), conflict.reason());
    assert!(again.conflicts().iter().map(what).eq(plan.conflicts().iter().map(what)), "{again}");
    after
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_service_takes_every_plan_and_nothing_is_left(
        atomic in any::<bool>(),
        wanted in vec(any_zone(), 1..4),
    ) {
        let dns = InMemoryDns::new([name("example.com")])
            .with_capabilities(Capabilities::new(atomic, Ttl::MINUTE));
        let policy = ChangePolicy::new(Ownership::everything()).without_guard();
        for desired in &wanted {
            prop_assert_eq!(&applied(&dns, desired, &policy), desired);
        }
    }

    #[test]
    fn a_service_keeps_the_records_of_others(
        atomic in any::<bool>(),
        theirs in any_zone(),
        wanted in vec(any_zone(), 1..4),
    ) {
        let dns = InMemoryDns::new([name("example.com")])
            .with_capabilities(Capabilities::new(atomic, Ttl::MINUTE));
        theirs.sets().iter().for_each(|set| dns.set(set.clone()).unwrap());
        let markers = Markers::new("tests").unwrap();
        let policy = ChangePolicy::new(Ownership::markers(markers)).without_guard();
        for desired in &wanted {
            let after = applied(&dns, desired, &policy);
            for set in theirs.sets() {
                let there = after.get(set.name(), set.record_type()).unwrap();
                prop_assert_eq!(there.ttl(), set.ttl());
                prop_assert!(set.data().iter().all(|data| there.contains(data)));
            }
        }
        let nothing = Zone::new(name("example.com"), []).unwrap();
        prop_assert_eq!(applied(&dns, &nothing, &policy), theirs);
    }
}
