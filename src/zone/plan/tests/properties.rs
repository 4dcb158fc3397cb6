//! What holds of all plans.

use super::*;

/// Sets of a small world, so that two zones have much in common.
fn any_record() -> impl Strategy<Value = DnsRecord> {
    let owner = select(vec![
        "example.com",
        "a.example.com",
        "b.example.com",
        "*.b.example.com",
        "c.b.example.com",
        "_x.c.b.example.com",
        r"d\.e.example.com",
    ]);
    let data = prop_oneof![
        (0..4_u8).prop_map(|last| RecordData::A([192, 0, 2, last].into())),
        "[ab]{0,2}".prop_map(|text| RecordData::Txt(Txt::from_text(&text))),
        select(vec!["x.example", "y.example"]).prop_map(|target| RecordData::Cname(name(target))),
        (0..3_u8).prop_map(|last| {
            RecordData::parse(RecordType::Mx, &format!("{last} mail.example.")).unwrap()
        }),
    ];
    let ttl = select(vec![Ttl::MINUTE, Ttl::HOUR]);
    (owner, ttl, data).prop_map(|(owner, ttl, data)| DnsRecord::new(name(owner), ttl, data))
}

/// Zones that a server would take: a CNAME stands alone.
fn any_zone() -> impl Strategy<Value = Zone> {
    vec(any_record(), 0..24).prop_map(|records| {
        let mut kept: Vec<DnsRecord> = Vec::new();
        for record in records {
            let is_cname = |record: &DnsRecord| record.record_type() == RecordType::Cname;
            let clash = |other: &DnsRecord| {
                other.name() == record.name() && (is_cname(other) || is_cname(&record))
            };
            if !kept.iter().any(clash) {
                kept.push(record);
            }
        }
        Zone::from_records(name("example.com"), kept).unwrap()
    })
}

/// Zones with, at times, a DNAME or a delegation in the midst.
fn any_zone_with_ends() -> impl Strategy<Value = Zone> {
    let end = select(vec![None, Some(RecordType::Dname), Some(RecordType::Ns)]);
    (any_zone(), end).prop_map(|(zone, end)| {
        let end = end.map(|record_type| {
            let data = RecordData::parse(record_type, "x.example.").unwrap();
            DnsRecord::new(name("b.example.com"), Ttl::HOUR, data)
        });
        Zone::from_records(zone.origin().clone(), zone.records().chain(end)).unwrap()
    })
}

fn unguarded() -> ChangePolicy {
    everything().without_guard()
}

fn marked() -> ChangePolicy {
    let markers = Markers::new("acme").unwrap().joining(RecordType::Mx);
    ChangePolicy::new(Ownership::markers(markers)).without_guard()
}

/// Applies the changes of records one by one, and checks that each is about what is there.
fn apply_records(zone: &Zone, changes: &[Change<DnsRecord>]) -> Zone {
    let mut records: Vec<_> = zone.records().collect();
    for change in changes {
        if let Some(before) = change.before() {
            let at = records.iter().position(|record| record == before).unwrap();
            records.remove(at);
        }
        if let Some(after) = change.after() {
            let twice =
                |record: &DnsRecord| record.name() == after.name() && record.data() == after.data();
            assert!(!records.iter().any(twice), "{after}");
            records.push(after.clone());
        }
        let clash = |a: &DnsRecord, b: &DnsRecord| {
            a.name() == b.name()
                && a.record_type() == RecordType::Cname
                && b.record_type() != RecordType::Cname
        };
        assert!(!records.iter().any(|a| records.iter().any(|b| clash(a, b))), "{change:?}");
    }
    Zone::from_records(zone.origin().clone(), records).unwrap()
}

proptest! {
    #[test]
    fn a_plan_leads_to_what_is_desired(current in any_zone(), desired in any_zone()) {
        let plan = changes(&current, &desired, &unguarded()).unwrap();
        prop_assert!(plan.conflicts().is_empty());
        prop_assert_eq!(&current.apply(plan.changes()).unwrap(), &desired);
        prop_assert!(changes(&desired, &desired, &everything()).unwrap().is_empty());
        prop_assert_eq!(&apply_records(&current, &plan.records()), &desired);
    }

    #[test]
    fn a_plan_leads_back(current in any_zone(), desired in any_zone()) {
        let there = changes(&current, &desired, &unguarded()).unwrap().into_changes();
        let back = changes(&desired, &current, &unguarded()).unwrap().into_changes();
        prop_assert_eq!(&there.clone().inverse(), &back);
        prop_assert_eq!(&desired.apply(&there.inverse()).unwrap(), &current);
    }

    #[test]
    fn every_step_of_a_plan_is_a_zone(current in any_zone(), desired in any_zone()) {
        let changes = changes(&current, &desired, &unguarded()).unwrap().into_changes();
        let mut zone = current;
        for change in changes {
            zone = zone.apply(&change.into()).unwrap();
            for set in zone.sets() {
                let alone = set.record_type() != RecordType::Cname || zone.at(set.name()).len() == 1;
                prop_assert!(alone, "{:?}", set);
            }
        }
        prop_assert_eq!(zone, desired);
    }

    #[test]
    fn a_plan_is_the_smallest(current in any_zone(), desired in any_zone()) {
        let plan = changes(&current, &desired, &unguarded()).unwrap();
        let only = |a: &Zone, b: &Zone| {
            a.sets().iter().filter(|set| b.get(set.name(), set.record_type()) != Some(set)).count()
        };
        let both = current
            .sets()
            .iter()
            .filter(|set| {
                let other = desired.get(set.name(), set.record_type());
                other.is_some_and(|other| other != *set)
            })
            .count();
        prop_assert_eq!(plan.changes().len(), only(&current, &desired) + only(&desired, &current) - both);
    }

    #[test]
    fn the_order_of_records_means_nothing(
        (records, shuffled) in vec(any_record(), 0..12)
            .prop_flat_map(|records| (Just(records.clone()), Just(records).prop_shuffle())),
        desired in any_zone(),
    ) {
        let make = |records| Zone::from_records(name("example.com"), records);
        // Two CNAME records at one name are no set.
        if let (Ok(one), Ok(other)) = (make(records), make(shuffled)) {
            prop_assert_eq!(&one, &other);
            prop_assert_eq!(
                changes(&one, &desired, &marked()).unwrap(),
                changes(&other, &desired, &marked()).unwrap()
            );
        }
    }

    #[test]
    fn records_of_others_stay(
        foreign in any_zone_with_ends(),
        first in any_zone(),
        second in any_zone(),
    ) {
        let theirs = |zone: &Zone| {
            let ours = |record: &DnsRecord| record.to_string().contains("heritage=");
            let mut texts: Vec<_> = zone
                .records()
                .filter(|record| !ours(record))
                .map(|record| record.to_string())
                .collect();
            texts.sort();
            texts
        };
        let mut zone = foreign.clone();
        let ends = |set: &&RecordSet| {
            matches!(set.record_type(), RecordType::Dname | RecordType::Ns)
        };
        let same = foreign.sets().iter().filter(|set| !ends(set)).cloned();
        let same = Zone::new(foreign.origin().clone(), same).unwrap();
        for desired in [first, second, same] {
            let next = plan(&zone, &desired, &marked());
            zone = zone.apply(next.changes()).unwrap();
            let there = theirs(&zone);
            for record in theirs(&foreign) {
                prop_assert!(there.contains(&record), "{} is gone: {}", record, next);
            }
        }
        // Without a wish nothing of ours is left, and everything of theirs.
        let empty = Zone::new(foreign.origin().clone(), []).unwrap();
        let last = plan(&zone, &empty, &marked());
        prop_assert_eq!(zone.apply(last.changes()).unwrap(), foreign);
    }

    #[test]
    fn sets_that_are_not_listed_stay(
        current in any_zone_with_ends(),
        desired in any_zone_with_ends(),
        chance in vec(any::<bool>(), 64),
    ) {
        let key = |set: &RecordSet| (set.name().clone(), set.record_type());
        let all = current.sets().iter().chain(desired.sets()).map(key);
        let listed: Vec<_> =
            all.zip(chance).filter(|(_, chosen)| *chosen).map(|(key, _)| key).collect();
        let policy = ChangePolicy::new(Ownership::listed(listed.clone())).without_guard();
        let after = current.apply(plan(&current, &desired, &policy).changes()).unwrap();
        for set in current.sets().iter().chain(after.sets()) {
            if !listed.contains(&key(set)) {
                let both = [&current, &after].map(|zone| zone.get(set.name(), set.record_type()));
                prop_assert_eq!(both[0], both[1]);
            }
        }
    }

    #[test]
    fn what_nobody_else_has_is_made(desired in any_zone(), next in any_zone()) {
        let empty = Zone::new(desired.origin().clone(), []).unwrap();
        let made = empty.apply(plan(&empty, &desired, &marked()).changes()).unwrap();
        let plan = plan(&made, &next, &marked());
        prop_assert!(plan.conflicts().is_empty(), "{}", plan);
        let made = made.apply(plan.changes()).unwrap();
        for set in next.sets() {
            prop_assert_eq!(made.get(set.name(), set.record_type()), Some(set));
        }
        let markers = made.sets().len() - next.sets().len();
        let owners = next.sets().chunk_by(|a, b| a.name() == b.name()).count();
        prop_assert_eq!(markers, owners);
    }
}
