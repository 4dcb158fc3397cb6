//! What has to hold when everything has come to rest.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
    time::Duration,
};

use nameplate::{
    Onboarding, RecordSet,
    certificate::{Chain, Validation},
    clock::Timestamp,
    domain::{Domain, Failure, RecordState, Status},
    engine::Notice,
    error::Result,
    id::DomainId,
    keys::{Keys as _, RcgenKeys},
    name::DomainName,
};

use super::{platform::TENANT, siege::Siege};
use crate::{acme, servers};

/// Returns when each domain that is stored is next worked on, those that are gone included.
///
/// Read as an operator would: a domain under a lease is wanted when that ends, whenever it is due.
pub(super) fn dues(file: &Path) -> rusqlite::Result<Vec<(DomainId, Option<Timestamp>)>> {
    let connection = rusqlite::Connection::open(file)?;
    connection.busy_timeout(Duration::from_secs(20))?;
    let mut statement = connection.prepare(
        "SELECT readable.id, wanted FROM readable JOIN items USING (item) \
         WHERE readable.kind = 'domain'",
    )?;
    let due = |row: &rusqlite::Row<'_>| {
        let (id, wanted): (String, Option<i64>) = (row.get(0)?, row.get(1)?);
        Ok((id.parse().unwrap(), wanted.and_then(Timestamp::from_timestamp_micros)))
    };
    statement.query_map([], due)?.collect()
}

/// Returns the domains that are there.
pub(super) async fn domains(nameplate: &Onboarding) -> Result<Vec<Domain>> {
    let (mut domains, mut after) = (Vec::new(), None);
    loop {
        let page = nameplate.list(&TENANT, after.as_deref()).await?;
        assert_eq!(page.unreadable, []);
        domains.extend(page.domains);
        after = page.next;
        if after.is_none() {
            return Ok(domains);
        }
    }
}

/// Asserts everything, removes all domains, and asserts that nothing of ours is left.
pub(super) async fn all_is_well(siege: &mut Siege) {
    siege.settle().await;
    let mut ours = BTreeSet::new();
    let mut statuses = BTreeMap::new();
    for domain in domains(&siege.nameplate).await.unwrap() {
        *statuses.entry(domain.status().as_str()).or_insert(0) += 1;
        is_well(siege, &domain, &mut ours).await;
    }
    println!("  at rest: {statuses:?}, {} records", ours.len());
    let (mut zone, markers) = zone(&siege.place.suffix);
    let wanted: BTreeSet<String> = siege.foreign.union(&ours).cloned().collect();
    differ(siege, &zone, &wanted);
    assert_eq!(markers, ours.len(), "one marker for each record");

    siege.remove_all().await;
    siege.settle().await;
    assert_eq!(domains(&siege.nameplate).await.unwrap(), []);
    (zone, _) = self::zone(&siege.place.suffix);
    differ(siege, &zone, &siege.foreign);
    for (id, domain) in &siege.all {
        let last = history(siege, *id).await;
        assert_eq!(last, Some(Notice::Removed), "{}", domain.name());
    }
    orders(siege);
    siege.store.integrity_check().await.unwrap();
}

/// Asserts that the zone holds what it should, and prints all that happened to what it should not.
fn differ(siege: &Siege, zone: &BTreeSet<String>, wanted: &BTreeSet<String>) {
    let ledger = fs::read_to_string(&siege.place.ledger).unwrap();
    for record in zone.symmetric_difference(wanted) {
        let owner = record.split(' ').next().unwrap();
        let about = |line: &&str| line.starts_with("fault ") || line.contains(owner);
        let lines: Vec<&str> = ledger.lines().filter(about).collect();
        println!("{record}:\n{}", lines.join("\n"));
    }
    assert_eq!(zone - wanted, BTreeSet::new(), "left behind in the zone");
    assert_eq!(wanted - zone, BTreeSet::new(), "missing in the zone");
}

/// Asserts what has to hold for one domain, and notes its records.
async fn is_well(siege: &Siege, domain: &Domain, ours: &mut BTreeSet<String>) {
    let name = domain.name();
    history(siege, domain.id()).await;
    for managed in domain.records() {
        assert_eq!(managed.state(), RecordState::Present, "{name}: {managed:?}");
        let (record, ttl) = (managed.record(), managed.record().ttl());
        let set = RecordSet::new(record.name().clone(), ttl, [record.data().clone()]).unwrap();
        ours.extend(lines(&set));
    }
    if domain.status() != Status::Active {
        let waiting = domain.waiting_on();
        assert!(!waiting.is_nothing() && !waiting.to_string().is_empty(), "{name}");
        println!("  {name} is {}: {waiting}", domain.status());
        return;
    }
    assert_eq!(domain.placed(), [], "{name}");
    let host: DomainName = name.as_str().replace('*', "any").parse().unwrap();
    let identity = siege.nameplate.edge().identity(&host).await.unwrap();
    let identity = identity.unwrap_or_else(|| panic!("{name} is active and is not served"));
    let chain = Chain::from_der(identity.chain).unwrap();
    assert_eq!(chain.names(), std::slice::from_ref(name));
    assert_eq!(chain.public_key(), RcgenKeys.public_key(&identity.key).unwrap(), "{name}");
    acme::verify(&chain.to_pem(), std::slice::from_ref(name)).await;
}

/// Asserts that the notices of a domain are complete and in order, and returns the last one.
async fn history(siege: &Siege, id: DomainId) -> Option<Notice> {
    let (mut number, mut status, mut order, mut last) = (0, Status::Pending, None, None);
    loop {
        let notices = siege.nameplate.notices(&TENANT, id, number).await.unwrap();
        if notices.is_empty() {
            break;
        }
        for numbered in notices {
            let told = format!("{id}: {numbered:?}");
            assert!(numbered.number > number, "{told}");
            assert_eq!(number == 0, numbered.notice == Notice::Added, "{told}");
            number = numbered.number;
            match &numbered.notice {
                Notice::StatusChanged { from, to, event } => {
                    assert_eq!((*from, from.on(*event)), (status, Some(*to)), "{told}");
                    status = *to;
                }
                Notice::OrderOpened { order: next } => {
                    assert_eq!(order.replace(*next), None, "{told}");
                }
                Notice::CertificateActivated { .. } => {
                    assert!(order.take().is_some(), "{told}");
                }
                Notice::OrderFailed { order: failed, failure, .. } => {
                    assert_eq!(order.take(), Some(*failed), "{told}");
                    may_fail(siege.all.get(&id), failure);
                }
                _ => {}
            }
            last = Some(numbered.notice);
        }
    }
    match siege.nameplate.get(&TENANT, id).await {
        Ok(domain) => {
            assert_eq!(domain.status(), status, "{id}");
            assert_eq!(domain.issuance().map(|issuance| issuance.order), order, "{id}");
        }
        Err(_) => assert_eq!(status, Status::Removing, "{id}"),
    }
    last
}

/// Asserts that an order failed for the one reason that there is here: Pebble's resolver keeps what it
/// followed a CNAME record to for the rest of that second, and a renewal may come within it.
fn may_fail(domain: Option<&Domain>, failure: &Failure) {
    let Some(domain) = domain else { return };
    println!("  {}: {}", domain.name(), failure.message);
    assert_eq!(domain.validation(), Validation::Dns01Delegated, "{failure:?}");
    assert_eq!(failure.code.as_deref(), Some("unauthorized"), "{failure:?}");
}

/// Asserts that no order was opened again once its handle was stored.
fn orders(siege: &Siege) {
    let ledger = fs::read_to_string(&siege.place.ledger).unwrap();
    let mut opened: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut handles, mut late) = (0, 0);
    for line in ledger.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let (process, order, handle) = match fields[..] {
            ["open", process, _, order, handle] => (process, order, handle),
            ["opened", ..] => {
                handles += 1;
                continue;
            }
            _ => continue,
        };
        assert_ne!(order, "none", "an order that is not known: {line}");
        *opened.entry(order).or_default() += 1;
        if handle != "none" {
            // One that was stopped for longer than its lease does not know that others went on.
            assert!(siege.stopped.contains(&process.parse().unwrap()), "a second order: {line}");
            late += 1;
        }
    }
    let again = opened.values().filter(|count| **count > 1).count();
    println!(
        "  {} orders, {handles} handles; {again} opened again before a handle was stored, {late} late",
        opened.len()
    );
}

/// Returns the records of a set as lines: owner, type, data.
pub(super) fn lines(set: &RecordSet) -> Vec<String> {
    let record_type = set.record_type();
    let line = |data| line(set.name().as_str(), &record_type.to_string(), &format!("{data}"));
    set.data().iter().map(line).collect()
}

fn line(owner: &str, record_type: &str, data: &str) -> String {
    format!("{} {record_type} {}", owner.trim_end_matches('.'), data.trim_end_matches('.'))
}

/// Returns what Knot holds below a name as lines, and the number of our markers.
fn zone(suffix: &str) -> (BTreeSet<String>, usize) {
    let (knot, key) = (servers::knot(), servers::tsig_key());
    let output = Command::new("kdig")
        .arg(format!("@{}", knot.ip()))
        .args(["-p", &knot.port().to_string()])
        .args(["-y", &format!("{}:{}:{}", key.algorithm, key.name, key.secret)])
        .args([&servers::zones()[0], "AXFR", "+noidn"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let (mut records, mut markers) = (BTreeSet::new(), 0);
    for record in text.lines().filter(|line| !line.starts_with(';')) {
        let fields: Vec<&str> = record.split_ascii_whitespace().collect();
        // Owner, TTL, class and type. The signatures of the messages are no records of the zone.
        let [owner, _, _, record_type, data @ ..] = fields.as_slice() else { continue };
        if *record_type == "TSIG" || !owner.trim_end_matches('.').ends_with(suffix) {
            continue;
        }
        if owner.starts_with("_kills-records") {
            markers += 1;
        } else {
            records.insert(line(owner, record_type, &data.join(" ")));
        }
    }
    (records, markers)
}
