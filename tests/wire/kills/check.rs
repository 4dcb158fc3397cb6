//! What has to hold when everything has come to rest.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

use nameplate::{
    Onboarding, RecordSet,
    certificate::{Chain, Validation},
    domain::{Domain, Failure, RecordState, Status},
    engine::Notice,
    error::Result,
    id::DomainId,
    keys::{Keys as _, RcgenKeys},
    name::DomainName,
};

use super::{platform::TENANT, siege::Siege};
use crate::{acme, servers};

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
    let ledger = fs::read_to_string(&siege.place.ledger).unwrap();
    orders(siege, &ledger);
    fences(&ledger);
    deliveries(siege, &ledger).await;
    siege.place.base.is_sound().await;
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
    let mut roots = siege.place.kept_roots();
    roots.extend(acme::root().await.unwrap());
    acme::verify_by(&roots, &chain.to_pem(), std::slice::from_ref(name));
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
                    if !siege.has_suffered() {
                        may_fail(siege.all.get(&id), failure);
                    }
                }
                _ => {}
            }
            // What is gone is swept once more, and that may fail at first.
            let is_aftermath = matches!(numbered.notice, Notice::ServiceFailed { .. });
            if last != Some(Notice::Removed) || !is_aftermath {
                last = Some(numbered.notice);
            }
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
fn orders(siege: &Siege, ledger: &str) {
    // Those that did not hear of the store for longer than their leases last, or were stopped for as
    // long, do not know that others went on.
    let mut deaf: BTreeSet<u32> = siege.stopped.clone();
    for line in ledger.lines() {
        if let ["fault", process, _, "PartitionHeals" | "PartitionCuts"] =
            line.split(' ').collect::<Vec<_>>()[..]
        {
            deaf.insert(process.parse().unwrap());
        }
    }
    let removed: BTreeSet<&str> = ledger
        .lines()
        .filter_map(|line| line.strip_prefix("removed ")?.rsplit(' ').next())
        .collect();
    let mut opened: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut handles, mut late) = (0, 0);
    for line in ledger.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let (process, order, handle, name) = match fields[..] {
            ["open", process, _, order, handle, name] => (process, order, handle, name),
            ["opened", ..] => {
                handles += 1;
                continue;
            }
            _ => continue,
        };
        let is_deaf = deaf.contains(&process.parse().unwrap());
        if order == "none" {
            // Between the decision and this.
            assert!(is_deaf || removed.contains(name), "an order that is not known: {line}");
            late += 1;
            continue;
        }
        *opened.entry(order).or_default() += 1;
        if handle != "none" {
            assert!(is_deaf, "a second order: {line}");
            late += 1;
        }
    }
    let again = opened.values().filter(|count| **count > 1).count();
    println!(
        "  {} orders, {handles} handles; {again} opened again before a handle was stored, {late} late",
        opened.len()
    );
}

/// Asserts that nothing was committed under a lease that began after somebody else had a later one.
fn fences(ledger: &str) {
    // By root: the tokens of its leases, and the latest moment at which each was given.
    let mut leases: BTreeMap<&str, BTreeMap<u64, i64>> = BTreeMap::new();
    let mut commits = Vec::new();
    for line in ledger.lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["leased", _, at, root, token] => {
                let tokens = leases.entry(root).or_default();
                let known = tokens.insert(token.parse().unwrap(), at.parse().unwrap());
                assert_eq!(known, None, "the same lease twice: {line}");
            }
            ["committed", _, _, root, token, began] => {
                commits.push((line, root, token.parse::<u64>().unwrap(), began.parse().unwrap()));
            }
            _ => {}
        }
    }
    for (line, root, token, began) in &commits {
        let later = leases.get(root).into_iter().flat_map(|tokens| tokens.range(token + 1..));
        let others: Vec<_> = later.filter(|(_, at)| **at < *began).collect();
        assert_eq!(others, [], "a stale write: {line}");
    }
    println!(
        "  {} leases, {} commits under them",
        leases.values().map(BTreeMap::len).sum::<usize>(),
        commits.len()
    );
}

/// Returns the notices that were delivered of each domain, and how often one came again. Asserts that none
/// came before those of its domain that are earlier.
fn in_order(ledger: &str) -> (BTreeMap<DomainId, BTreeSet<u64>>, usize) {
    let mut delivered: BTreeMap<DomainId, BTreeSet<u64>> = BTreeMap::new();
    let mut again = 0;
    for line in ledger.lines() {
        let ["delivered", _, _, domain, number] = line.split(' ').collect::<Vec<_>>()[..] else {
            continue;
        };
        let number = number.parse().unwrap();
        let numbers = delivered.entry(domain.parse().unwrap()).or_default();
        let last = numbers.last().copied();
        if !numbers.insert(number) {
            again += 1;
            continue;
        }
        assert!(last < Some(number), "out of order, after {last:?}: {line}");
    }
    (delivered, again)
}

/// Asserts that every notice was delivered, in order.
async fn deliveries(siege: &Siege, ledger: &str) {
    let (delivered, again) = in_order(ledger);
    for (id, domain) in &siege.all {
        let (mut numbers, mut last) = (BTreeSet::new(), 0);
        loop {
            let notices = siege.nameplate.notices(&TENANT, *id, last).await.unwrap();
            let Some(end) = notices.last() else { break };
            last = end.number;
            numbers.extend(notices.iter().map(|numbered| numbered.number));
        }
        assert_eq!(delivered.get(id), Some(&numbers), "{}", domain.name());
    }
    let count: usize = delivered.values().map(BTreeSet::len).sum();
    println!("  {count} notices delivered, {again} of them again");
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

#[test]
#[should_panic(expected = "a stale write")]
fn a_write_that_began_after_somebody_elses_lease_is_seen() {
    fences("leased 1 10 domain/a 1\nleased 2 20 domain/a 2\ncommitted 1 40 domain/a 1 30\n");
}

#[test]
fn a_write_that_began_before_somebody_elses_lease_is_fine() {
    fences("leased 1 10 domain/a 1\nleased 2 20 domain/a 2\ncommitted 1 40 domain/a 1 15\n");
}

#[test]
#[should_panic(expected = "the same lease twice")]
fn a_lease_that_two_workers_have_is_seen() {
    fences("leased 1 10 domain/a 1\nleased 2 20 domain/a 1\n");
}

#[test]
#[should_panic(expected = "out of order")]
fn a_notice_that_comes_before_an_earlier_one_is_seen() {
    let domain = "0".repeat(32);
    let ledger = |number: u64| format!("delivered 1 10 {domain} {number}\n");
    in_order(&[ledger(0), ledger(2), ledger(0), ledger(1)].concat());
}
