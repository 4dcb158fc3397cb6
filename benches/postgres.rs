//! What it costs to keep domains in PostgreSQL, beside the same SQL straight through the driver.
//!
//! ```sh
//! scripts/servers cargo bench --features __servers --bench postgres              # 10,000 and 100,000
//! scripts/servers cargo bench --features __servers --bench postgres -- million   # and a million
//! scripts/servers cargo bench --features __servers --bench postgres -- three     # and three
//! ```
//!
//! One process; the store and the driver take turns on schemas of their own, each with one connection;
//! CPU time of this process, which is the client's; the median of the ratios of each turn. The domains
//! are active ones, as the engine writes them. Autovacuum is off.

#![expect(clippy::unwrap_used, reason = "a benchmark that fails must panic")]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "store/cost.rs"]
mod cost;
#[path = "postgres/driver.rs"]
mod driver;
#[path = "../tests/common/held.rs"]
mod held;
#[path = "postgres/server.rs"]
mod server;

use std::{env, time::Duration};

use cost::{Cost, header, instant, quantile, show};
use driver::{Driver, Leased, Row};
use held::{NAME, held, operation, put};
use nameplate::{
    clock::Timestamp,
    store::{
        Batch, Body, Commit, Expect, Item, Kind, Lease, LeaseRequest, NewEntry, Postgres, Store,
        Then, UniqueKey, Write,
    },
};
use server::{connect, execute, url};
use tokio::runtime::Runtime;

/// Domains in one commit, when they are added.
const BULK: u32 = 1000;
/// Domains in one lease.
const TOGETHER: u32 = 100;
/// How long a lease lasts: longer than this takes.
const LEASE: Duration = Duration::from_secs(36_000);
/// Most pages that an idle poll may look at.
const MOST_PAGES: u64 = 10;
/// How many times as much as one worker eight have to do.
const LEAST_WORTH: f64 = 1.8;
/// Domains that are due; the others are not for a year.
const DUE: u32 = 10_000;

/// The roots of a platform that has subscribers.
const KINDS: [Kind; 4] = [Kind::Account, Kind::Domain, Kind::Feed, Kind::Registration];
const NAMES: [&str; 4] = ["account", "domain", "feed", "registration"];

/// Opens a store in a schema that is empty, and without vacuum.
async fn open(schema: &str, connections: usize) -> Postgres {
    let admin = connect().await;
    let fresh = format!("DROP SCHEMA IF EXISTS {schema} CASCADE");
    admin.batch_execute(&fresh).await.unwrap();
    let builder = Postgres::builder(&url()).with_schema(schema).with_connections(connections);
    let store = builder.with_statement_timeout(Duration::from_secs(600)).open().await.unwrap();
    for table in ["items", "schedule", "unique_keys", "log"] {
        let off = format!("ALTER TABLE {schema}.{table} SET (autovacuum_enabled = off)");
        admin.batch_execute(&off).await.unwrap();
    }
    store
}

/// Returns the changes that add the domains from `first` on; every one below `due` is due.
fn writes(item: &Item, first: u32, due: u32, now: Timestamp) -> Vec<Write> {
    let add = |number: u32| {
        let mut write = put(item, number);
        if let Write::Put { header, .. } = &mut write {
            let later = if number < due { -1 } else { 365 };
            header.due = Some(now + chrono::TimeDelta::days(later));
        }
        write
    };
    (first..first + BULK).map(add).collect()
}

fn batch(writes: &[Write]) -> Batch {
    writes.iter().cloned().fold(Batch::new(operation()), Batch::with)
}

/// Returns how many pages a poll looks at, by the first line that says so.
fn pages(plan: &[String]) -> u64 {
    let line = plan.iter().find(|line| line.trim_start().starts_with("Buffers:")).unwrap();
    let numbers = line.split([' ', '=']).filter_map(|word| word.parse::<u64>().ok());
    numbers.sum()
}

/// Returns how many pages the poll after one that found nothing looks at.
fn idle_pages(runtime: &Runtime, store: &Postgres, wanted: &LeaseRequest) -> u64 {
    let looked = || {
        let leased = runtime.block_on(store.lease(wanted)).unwrap().leases;
        assert_eq!(leased.len(), 0);
        pages(&runtime.block_on(store.explain_lease(wanted)).unwrap())
    };
    // One in five seconds looks further down, which is not the one after it.
    let looked = looked().min(looked());
    assert!(looked <= MOST_PAGES, "an idle poll looks at {looked} pages");
    looked
}

struct Turns {
    find: usize,
    lease: usize,
    commit: usize,
    idle: usize,
}

fn sized(runtime: &Runtime, item: &Item, size: u32, turns: &Turns) {
    let (store, other) =
        runtime.block_on(async { (open("bench_store", 1).await, open("bench_driver", 1).await) });
    drop(other);
    let driver = Driver::new(runtime.block_on(connect()), "bench_driver");
    let now = runtime.block_on(store.now()).unwrap();
    let (mut mine, mut theirs) = (Cost::default(), Cost::default());
    let mut known: Vec<UniqueKey> = Vec::new();
    for first in (0..size).step_by(BULK as usize) {
        let writes = writes(item, first, DUE, now);
        let rows: Vec<Row> = writes.iter().map(Row::of).collect();
        if let Some(Write::Put { header, .. }) = writes.first() {
            known.extend(header.unique.first().cloned());
        }
        let batch = batch(&writes);
        let added = mine.time(|| runtime.block_on(store.commit(batch)).unwrap());
        assert_eq!(added, Commit::Done);
        theirs.time(|| runtime.block_on(driver.add(rows)));
    }
    show(size, "add, each of 1,000 in a commit", BULK.into(), mine, Some(theirs));
    runtime.block_on(execute(
        "ANALYZE bench_store.items, bench_store.schedule, bench_store.unique_keys, \
         bench_driver.items, bench_driver.schedule, bench_driver.unique_keys",
    ));

    let (mut mine, mut theirs) = (Cost::default(), Cost::default());
    for turn in 0..turns.find {
        let key = &known[turn * 7919 % known.len()];
        let found = mine.time(|| runtime.block_on(store.find(std::slice::from_ref(key))).unwrap());
        assert!(found[0].is_some());
        assert!(theirs.time(|| runtime.block_on(driver.find(key))).is_some());
    }
    show(size, "find one by unique key", 1.0, mine, Some(theirs));

    let wanted = LeaseRequest::new(KINDS, TOGETHER, LEASE);
    let (mut mine, mut theirs) = (Cost::default(), Cost::default());
    let (mut held, mut other): (Vec<(Lease, Item)>, Vec<Leased>) = (Vec::new(), Vec::new());
    // What was leased is not walked over by either side.
    let mut above = i64::MIN + 1;
    for _ in 0..turns.lease {
        let leased = mine.time(|| runtime.block_on(store.lease(&wanted)).unwrap());
        held.extend(leased.leases);
        let leased = theirs.time(|| runtime.block_on(driver.lease(&NAMES, above, TOGETHER)));
        above = leased.iter().map(|lease| lease.place - 1).min().unwrap_or(above);
        other.extend(leased);
    }
    assert!(!held.is_empty() && other.len() == held.len());
    show(size, "lease(100), each", TOGETHER.into(), mine, Some(theirs));

    let (mut mine, mut theirs) = (Cost::default(), Cost::default());
    for _ in 0..turns.idle {
        let leased = mine.time(|| runtime.block_on(store.lease(&wanted)).unwrap());
        assert_eq!(leased.leases.len(), 0);
        let above = leased.now.timestamp_micros() - 2_000_000;
        let theirs = theirs.time(|| runtime.block_on(driver.lease(&NAMES, above, TOGETHER)));
        assert!(theirs.is_empty());
    }
    show(size, "lease, nothing is due", 1.0, mine, Some(theirs));
    let looked = idle_pages(runtime, &store, &wanted);
    println!("{size:>9} pages of an idle poll after {} leases: {looked}", held.len());

    let due = now + chrono::TimeDelta::days(1);
    let (mut mine, mut theirs) = (Cost::default(), Cost::default());
    for ((lease, item), leased) in held.iter().zip(&other).take(turns.commit) {
        let mut header = item.header.clone();
        header.due = Some(due);
        let expect = Expect::Revision(item.revision);
        let body = Body::new(item.body.as_str().to_owned());
        let write = Write::Put { key: item.key.clone(), expect, header, body };
        let entry = NewEntry::new(item.key.clone(), "{\"v\":1}".to_owned());
        let batch = Batch::new(operation()).with(write).with_entry(entry);
        let batch = batch.with_lease(lease.clone(), Then::Release);
        let done = mine.time(|| runtime.block_on(store.commit(batch)).unwrap());
        assert_eq!(done, Commit::Done);
        theirs.time(|| runtime.block_on(driver.commit(leased, due)));
    }
    show(size, "commit of a step: item, lease, log", 1.0, mine, Some(theirs));
    let looked = idle_pages(runtime, &store, &wanted);
    println!("{size:>9} pages of an idle poll after the commits: {looked}");

    // The same domains are due again. What is explained is undone, and leaves as many dead rows as a lease.
    store.advance(2 * LEASE.max(Duration::from_secs(86_400)));
    let mut looked: Vec<f64> = Vec::new();
    for _ in 0..turns.lease {
        looked.push(pages(&runtime.block_on(store.explain_lease(&wanted)).unwrap()) as f64);
        assert!(!runtime.block_on(store.lease(&wanted)).unwrap().leases.is_empty());
    }
    let (median, most) = (quantile(&mut looked, 0.5), quantile(&mut looked, 0.99));
    println!(
        "{size:>9} pages of a lease of 100: {median} in the middle, {most} at the 99th percentile"
    );
    runtime.block_on(execute("DROP SCHEMA bench_store CASCADE; DROP SCHEMA bench_driver CASCADE"));
}

/// Works off what is due, by so many workers, and returns steps a second.
fn work(item: &Item, workers: usize, total: u32) -> f64 {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = open("bench_workers", workers).await;
        let now = store.now().await.unwrap();
        for first in (0..total).step_by(BULK as usize) {
            store.commit(batch(&writes(item, first, total, now))).await.unwrap();
        }
        execute("ANALYZE bench_workers.items, bench_workers.schedule").await;
        let started = instant();
        let mut crew = tokio::task::JoinSet::new();
        for _ in 0..workers {
            let store = store.clone();
            crew.spawn(async move {
                let mut done = 0_u32;
                loop {
                    let wanted = LeaseRequest::new(KINDS, 20, LEASE);
                    let leased = store.lease(&wanted).await.unwrap().leases;
                    if leased.is_empty() {
                        return done;
                    }
                    for (lease, item) in leased {
                        let mut header = item.header.clone();
                        header.due = Some(now + chrono::TimeDelta::days(1));
                        let expect = Expect::Revision(item.revision);
                        let write =
                            Write::Put { key: item.key.clone(), expect, header, body: item.body };
                        let batch = Batch::new(operation()).with(write);
                        let batch = batch.with_lease(lease, Then::Release);
                        assert_eq!(store.commit(batch).await.unwrap(), Commit::Done);
                        done += 1;
                    }
                }
            });
        }
        let done: u32 = crew.join_all().await.into_iter().sum();
        let elapsed = started.elapsed().as_secs_f64();
        assert_eq!(done, total);
        execute("DROP SCHEMA bench_workers CASCADE").await;
        f64::from(done) / elapsed
    })
}

fn main() {
    let asked = |what: &str| env::args().any(|argument| argument == what);
    // `cargo test --benches` runs it as a test: little is enough then.
    let (sizes, turns): (&[u32], _) = if asked("--bench") {
        let sizes: &[u32] = &[10_000, 100_000, 1_000_000, 3_000_000];
        let most = if asked("three") {
            4
        } else if asked("million") {
            3
        } else {
            2
        };
        (&sizes[..most], Turns { find: 2000, lease: 100, commit: 1000, idle: 500 })
    } else {
        (&[10_000], Turns { find: 2, lease: 100, commit: 2, idle: 2 })
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let item = runtime.block_on(held(NAME));
    println!("{} bytes of text for each domain", item.body.as_str().len());
    header();
    for size in sizes {
        sized(&runtime, &item, *size, &turns);
    }
    let total = if asked("--bench") { 10_000 } else { 1000 };
    let mut ratios = Vec::new();
    for _ in 0..if asked("--bench") { 3 } else { 1 } {
        let (one, eight) = (work(&item, 1, total), work(&item, 8, total));
        println!("steps a second: {one:.0} by one worker, {eight:.0} by eight");
        ratios.push(eight / one);
    }
    let worth = quantile(&mut ratios, 0.5);
    println!("eight workers are worth {worth:.2} of one");
    assert!(worth >= LEAST_WORTH || !asked("--bench"), "workers are in each other's way");
}
