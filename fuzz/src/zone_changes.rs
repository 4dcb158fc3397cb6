//! Plans from one zone to another.

use std::{collections::BTreeMap, sync::LazyLock};

use nameplate::{
    name::DnsName,
    record::*,
    zone::{Change, ChangePolicy, ConflictReason, Markers, Ownership, Plan, Zone, changes},
};

use super::input::{check_message, name};

const OWNERS: [&str; 16] = [
    "@",
    "a",
    "b",
    "*",
    "*.b",
    "c.b",
    "d.c.b",
    "_x.c.b",
    r"d\.e",
    "_nameplate.a",
    "_nameplate.b",
    "_nameplate-wildcard.b",
    "_nameplate.c.b",
    "_nameplate._nameplate.a",
    "*.*.b",
    "a.*.b",
];

const DATA: [(RecordType, &str); 30] = [
    (RecordType::A, "192.0.2.1"),
    (RecordType::A, "192.0.2.2"),
    (RecordType::A, "192.0.2.3"),
    (RecordType::Aaaa, "2001:db8::1"),
    (RecordType::Txt, "one"),
    (RecordType::Txt, "o ne"),
    (RecordType::Txt, "two"),
    (
        RecordType::Txt,
        "heritage=nameplate,owner=other,type=A,data=4b8feb9364512928546debfc76c9ecc0",
    ),
    (RecordType::Txt, "heritage=nameplate,owner=acme,type=A,data=4b8feb9364512928546debfc76c9ecc0"),
    (
        RecordType::Txt,
        "heritage=nameplate,owner=acme,type=TXT,data=2d711642b726b04401627ca9fbac32f5",
    ),
    (RecordType::Txt, "heritage=nameplate,owner=acme,type=CNAME,data=00"),
    (RecordType::Cname, "x.example."),
    (RecordType::Cname, "X.example"),
    (RecordType::Cname, "y.example."),
    (RecordType::Mx, "1 mail.example."),
    (RecordType::Mx, "2 mail.example."),
    (RecordType::Srv, "1 2 3 host.example."),
    (RecordType::Caa, "0 issue ca.example"),
    (RecordType::Caa, "0 iodef mailto:x@example.com"),
    (RecordType::Svcb, "1 . port=1 alpn=h2"),
    (RecordType::Svcb, "1 . alpn=h2 port=1"),
    (RecordType::Ns, "ns1.example."),
    (RecordType::Ns, "ns2.example."),
    (RecordType::Dname, "x.example."),
    (RecordType::Dname, "y.example."),
    (RecordType::Ds, "1 8 99 00"),
    (RecordType::Soa, "ns1. hostmaster. 1 2 3 4 5"),
    (RecordType::Soa, "ns1. hostmaster. 2 2 3 4 5"),
    (RecordType::Alias, "x.example."),
    (RecordType::Redirect, "https://example.com/"),
];

/// What is above, read once.
static WORLD: LazyLock<(DnsName, Vec<DnsName>, Vec<RecordData>)> = LazyLock::new(|| {
    let origin = name("example.com");
    let owners = OWNERS.map(|owner| DnsName::parse_in(owner, &origin).unwrap()).into();
    let data = DATA.map(|(record_type, text)| RecordData::parse(record_type, text).unwrap()).into();
    (origin, owners, data)
});

/// A policy, and records: owner and TTL, data, and which zones have it.
pub fn zone_changes(input: &[u8]) {
    let Some((policy, rest)) = input.split_first() else { return };
    let mut zones = [Records::default(), Records::default(), Records::default()];
    for [owner, data, places] in rest.as_chunks::<3>().0.iter().take(20) {
        for (bit, zone) in zones.iter_mut().enumerate() {
            if places >> bit & 1 == 1 {
                zone.add(*owner, *data, places >> 3 & 1 == 1);
            }
        }
    }
    let [current, desired, next] = zones.map(Records::zone);
    match policy % 4 {
        0 => everything(&current, &desired),
        1 => listed(&current, &desired, rest),
        2 => marked(&current, [&desired, &next], &markers_policy(*policy)),
        _ => adopted(&current, &desired, &markers_policy(*policy).with_adoption()),
    }
}

/// Record sets in the making.
#[derive(Default)]
struct Records(BTreeMap<(DnsName, RecordType), (Ttl, Vec<RecordData>)>);

impl Records {
    fn add(&mut self, owner: u8, data: u8, short: bool) {
        let (_, owners, datas) = &*WORLD;
        let owner = owners[usize::from(owner) % owners.len()].clone();
        let data = datas[usize::from(data) % datas.len()].clone();
        let record_type = data.record_type();
        let ttl = if short { Ttl::MINUTE } else { Ttl::HOUR };
        let set = self.0.entry((owner, record_type)).or_insert_with(|| (ttl, Vec::new()));
        let single = matches!(record_type, RecordType::Cname | RecordType::Dname | RecordType::Soa);
        if !single || set.1.is_empty() {
            set.1.push(data);
        }
    }

    fn zone(self) -> Zone {
        let sets = self
            .0
            .into_iter()
            .map(|((name, _), (ttl, data))| RecordSet::new(name, ttl, data).unwrap());
        Zone::new(WORLD.0.clone(), sets).unwrap()
    }
}

fn markers_policy(byte: u8) -> ChangePolicy {
    let mut markers = Markers::new("acme").unwrap();
    if byte & 4 == 4 {
        markers = markers.joining(RecordType::Mx).joining(RecordType::A);
    }
    ChangePolicy::new(Ownership::markers(markers)).without_guard()
}

/// Plans, and checks what holds of every plan: applied, nothing is left to plan.
///
/// `None` if there is no plan, for a reason that can be told.
fn plan(current: &Zone, desired: &Zone, policy: &ChangePolicy) -> Option<(Plan, Zone)> {
    let plan = match changes(current, desired, policy) {
        Ok(plan) => plan,
        Err(error) => {
            check_message(error);
            return None;
        }
    };
    let after = current.apply(plan.changes()).unwrap();
    assert_eq!(after == *current, plan.is_empty(), "{plan}");
    let again = changes(&after, desired, policy).unwrap();
    assert!(again.is_empty(), "{plan}then\n{again}");
    assert_eq!(reasons(&again), reasons(&plan));
    plan.conflicts().iter().for_each(check_message);

    let mut stepped = current.clone();
    for step in plan.steps() {
        stepped = stepped.apply(&step).unwrap();
    }
    assert_eq!(stepped, after, "{plan}");
    let inverse = plan.changes().clone().inverse();
    assert_eq!(&after.apply(&inverse).unwrap(), current, "{plan}");
    assert_eq!(one_by_one(current, &plan.records()), after, "{plan}");
    Some((plan, after))
}

fn reasons(plan: &Plan) -> Vec<(DnsName, RecordType, ConflictReason)> {
    let of = plan.conflicts().iter();
    of.map(|conflict| (conflict.name().clone(), conflict.record_type(), conflict.reason()))
        .collect()
}

/// Applies the changes of records, each of which is about what is there.
fn one_by_one(zone: &Zone, changes: &[Change<DnsRecord>]) -> Zone {
    let mut records: Vec<_> = zone.records().collect();
    for change in changes {
        if let Some(before) = change.before() {
            let at = records.iter().position(|record| record == before);
            records.swap_remove(at.unwrap_or_else(|| panic!("{before}")));
        }
        if let Some(after) = change.after() {
            let twice =
                |record: &DnsRecord| record.name() == after.name() && record.data() == after.data();
            assert!(!records.iter().any(twice), "{after}");
            records.push(after.clone());
        }
    }
    Zone::from_records(zone.origin().clone(), records).unwrap()
}

fn everything(current: &Zone, desired: &Zone) {
    let policy = ChangePolicy::new(Ownership::everything()).with_soa().with_apex_ns();
    let free = policy.clone().without_guard();
    let (plan, after) = plan(current, desired, &free).unwrap();
    assert_eq!(plan.conflicts(), []);
    assert_eq!(&after, desired);
    // The guard refuses a plan, and changes none.
    if let Ok(guarded) = changes(current, desired, &policy) {
        assert_eq!(guarded, plan);
    }
}

fn listed(current: &Zone, desired: &Zone, chance: &[u8]) {
    let key = |set: &RecordSet| (set.name().clone(), set.record_type());
    let all = current.sets().iter().chain(desired.sets()).map(key);
    let chosen = |((_, byte), _): &((usize, &u8), _)| *byte % 3 > 0;
    let listed: Vec<_> =
        chance.iter().enumerate().zip(all).filter(chosen).map(|(_, key)| key).collect();
    let policy = ChangePolicy::new(Ownership::listed(listed.clone())).without_guard();
    let Some((_, after)) = plan(current, desired, &policy) else { return };
    for set in current.sets().iter().chain(after.sets()) {
        if !listed.contains(&key(set)) {
            let [before, after] =
                [current, &after].map(|zone| zone.get(set.name(), set.record_type()));
            assert_eq!(before, after);
        }
    }
}

/// Records of others stay through plans and through what is left of a plan.
fn marked(foreign: &Zone, desired: [&Zone; 2], policy: &ChangePolicy) {
    // What has our marker is ours, so nothing of that to begin with.
    let sets = foreign.sets().iter().filter_map(|set| {
        let data = set.data().iter().filter(|data| !is_marker(data)).cloned();
        RecordSet::new(set.name().clone(), set.ttl(), data).ok()
    });
    let foreign = Zone::new(foreign.origin().clone(), sets).unwrap();
    let mut zone = foreign.clone();
    for desired in desired {
        let Some((_, after)) = plan(&zone, desired, policy) else { continue };
        let kept = records(&after);
        for record in records(&foreign) {
            assert!(kept.contains(&record), "{record} is gone");
        }
        zone = after;
    }
    let empty = Zone::new(foreign.origin().clone(), []).unwrap();
    let (plan, after) = plan(&zone, &empty, policy).unwrap();
    assert_eq!(plan.conflicts(), []);
    assert_eq!(after, foreign, "{plan}");
}

fn records(zone: &Zone) -> Vec<DnsRecord> {
    zone.records().collect()
}

fn is_marker(data: &RecordData) -> bool {
    matches!(data, RecordData::Txt(txt) if txt.to_text().starts_with("heritage=nameplate,owner=acme,"))
}

/// What is wanted and there becomes ours, and goes with the wish.
fn adopted(current: &Zone, desired: &Zone, policy: &ChangePolicy) {
    let Some((plan, after)) = plan(current, desired, policy) else { return };
    if plan.conflicts().is_empty() {
        for set in desired.sets() {
            let there = after.get(set.name(), set.record_type()).unwrap();
            assert!(set.data().iter().all(|data| there.contains(data)), "{plan}");
        }
    }
}
