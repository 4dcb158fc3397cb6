//! What it costs to keep domains, beside the same SQL straight through the driver.
//!
//! ```sh
//! cargo bench --bench store              # 1,000 to 100,000 domains
//! cargo bench --bench store -- million   # and a million
//! ```
//!
//! One process; the store and the driver take turns on files of their own, with the same tables and
//! settings; CPU time, in which the store's own thread counts; the median of the ratios of each
//! turn. The domains are active ones, as the engine writes them. A lease is asked for while all
//! domains are due, and while none is.

#![expect(clippy::unwrap_used, reason = "a benchmark that fails must panic")]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "store/cost.rs"]
mod cost;
#[path = "store/driver.rs"]
mod driver;
#[path = "../tests/common/held.rs"]
mod held;
#[path = "../tests/common/scratch.rs"]
mod scratch;

use std::{alloc::System, fs, path::Path, sync::Arc, time::Duration};

use common::World;
use cost::{Cost, header, show};
use driver::{Driver, Row};
use held::{NAME, held, operation, put};
use nameplate::{
    clock::{Clock, ManualClock, Timestamp},
    store::{Batch, Commit, InMemoryStore, Item, Kind, LeaseRequest, Sqlite, Store, Write},
};
use scratch::Scratch;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Domains in one commit, when they are added, and in one lease.
const TOGETHER: u32 = 100;
/// How long a lease lasts.
const LEASE: Duration = Duration::from_secs(60);

/// How much is measured.
#[derive(Clone, Copy)]
struct Turns {
    add: usize,
    find: usize,
    lease: usize,
    idle: usize,
}

/// Returns how much memory this process has, in megabytes.
fn resident() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}

/// Returns the changes that add the domains from `first` on.
fn writes(item: &Item, first: u32) -> Vec<Write> {
    (first..first + TOGETHER).map(|number| put(item, number)).collect()
}

fn batch(writes: &[Write]) -> Batch {
    writes.iter().cloned().fold(Batch::new(operation()), Batch::with)
}

/// A domain that many others are made after, due at once.
struct Model {
    item: Item,
    clock: ManualClock,
}

impl Model {
    fn due(&self) -> Timestamp {
        self.item.header.due.unwrap()
    }

    fn wanted(&self) -> LeaseRequest {
        LeaseRequest::new([Kind::Account, Kind::Domain], TOGETHER, LEASE)
    }
}

/// Fills a store and a file of the driver, and lets them take turns.
fn on_disk(runtime: &Runtime, model: &Model, path: &Path, size: u32, turns: Turns) {
    let ours = path.join(format!("{size}.store.db"));
    let theirs = path.join(format!("{size}.driver.db"));
    let clock: Arc<dyn Clock> = Arc::new(model.clock.clone());
    model.clock.set(model.due() - chrono::TimeDelta::days(1));
    let builder = Sqlite::builder(&ours).with_clock(clock);
    let store = runtime.block_on(builder.open()).unwrap();
    let connection = driver::open(&theirs);
    let mut driver = Driver::new(&connection);

    // The last ones are measured, so that the files have their size.
    let (mut mine, mut other) = (Cost::default(), Cost::default());
    let mut known = Vec::new();
    let measured = turns.add.min(size as usize / TOGETHER as usize / 2);
    let from = size.saturating_sub(TOGETHER * u32::try_from(measured).unwrap());
    for first in (0..size).step_by(TOGETHER as usize) {
        let writes = writes(&model.item, first);
        let rows: Vec<Row> = writes.iter().map(Row::of).collect();
        let batch = batch(&writes);
        let commit = || assert_eq!(runtime.block_on(store.commit(batch)).unwrap(), Commit::Done);
        if first < from {
            commit();
            driver.add(&rows);
        } else {
            mine.time(commit);
            other.time(|| driver.add(&rows));
        }
        if let Some(Write::Put { header, .. }) = writes.first() {
            known.extend(header.unique.first().cloned());
        }
    }
    show(size, "add, each of 100 in a commit", TOGETHER.into(), mine, Some(other));

    let (mut mine, mut other) = (Cost::default(), Cost::default());
    for turn in 0..turns.find {
        // Far from each other, as names are.
        let key = &known[turn * 7919 % known.len()];
        let found = mine.time(|| runtime.block_on(store.find(std::slice::from_ref(key))).unwrap());
        assert!(found[0].is_some());
        assert!(other.time(|| driver.find(key)).is_some());
    }
    show(size, "find one by unique key", 1.0, mine, Some(other));

    let (mut mine, mut other) = (Cost::default(), Cost::default());
    for _ in 0..turns.idle {
        let leased = mine.time(|| runtime.block_on(store.lease(&model.wanted())).unwrap());
        assert_eq!(leased.leases.len(), 0);
        assert_eq!(other.time(|| driver.lease(model.clock.now(), TOGETHER)), 0);
    }
    show(size, "lease, nothing is due", 1.0, mine, Some(other));

    idle_engine(runtime, model, &store, size, turns);

    model.clock.set(model.due());
    let (mut mine, mut other) = (Cost::default(), Cost::default());
    for _ in 0..turns.lease {
        // Those of the turns before are due again, behind the others.
        model.clock.advance(LEASE);
        let leased = mine.time(|| runtime.block_on(store.lease(&model.wanted())).unwrap());
        assert_eq!(leased.leases.len(), TOGETHER as usize);
        let given = other.time(|| driver.lease(model.clock.now(), TOGETHER));
        assert_eq!(given, TOGETHER as usize);
    }
    show(size, "lease(100), each", TOGETHER.into(), mine, Some(other));

    let copy = path.join(format!("{size}.copy.db"));
    runtime.block_on(store.backup(&copy)).unwrap();
    let bytes = |path: &Path| fs::metadata(path).map_or(0, |found| found.len()) / u64::from(size);
    println!(
        "{size:>9} bytes for each domain: {} in the file, {} in a copy",
        bytes(&ours),
        bytes(&copy)
    );
    for path in [ours, theirs, copy] {
        let _ = fs::remove_file(path);
    }
}

/// A worker that has nothing to do.
fn idle_engine(runtime: &Runtime, model: &Model, store: &Sqlite, size: u32, turns: Turns) {
    let world = World::new();
    world.clock.set(model.clock.now());
    let engine = world.process((|_| store.clone(), |resolver| resolver, |dns| dns, |ca| ca));
    let worker = engine.worker();
    let mut mine = Cost::default();
    for _ in 0..turns.idle {
        mine.time(|| runtime.block_on(worker.step()).unwrap());
    }
    show(size, "a step of an idle worker", 1.0, mine, None);
    println!("{size:>9} megabytes of memory in use, all told: {:.0}", resident());
}

fn in_memory(runtime: &Runtime, model: &Model, size: u32, turns: Turns) {
    model.clock.set(model.due() - chrono::TimeDelta::days(1));
    let region = Region::new(ALLOCATOR);
    let store = InMemoryStore::new(Arc::new(model.clock.clone()));
    let mut mine = Cost::default();
    let mut known = Vec::new();
    for first in (0..size).step_by(TOGETHER as usize) {
        let writes = writes(&model.item, first);
        let batch = batch(&writes);
        let done = mine.time(|| runtime.block_on(store.commit(batch)).unwrap());
        assert_eq!(done, Commit::Done);
        if let Some(Write::Put { header, .. }) = writes.first() {
            known.extend(header.unique.first().cloned());
        }
    }
    show(size, "add, each of 100 in a commit", TOGETHER.into(), mine, None);
    let change = region.change();
    let bytes = change.bytes_allocated.saturating_sub(change.bytes_deallocated);

    let mut mine = Cost::default();
    for turn in 0..turns.find {
        let key = &known[turn * 7919 % known.len()];
        let found = mine.time(|| runtime.block_on(store.find(std::slice::from_ref(key))).unwrap());
        assert!(found[0].is_some());
    }
    show(size, "find one by unique key", 1.0, mine, None);

    let mut mine = Cost::default();
    for _ in 0..turns.idle {
        mine.time(|| runtime.block_on(store.lease(&model.wanted())).unwrap());
    }
    show(size, "lease, nothing is due", 1.0, mine, None);

    model.clock.set(model.due());
    let mut mine = Cost::default();
    for _ in 0..turns.lease {
        model.clock.advance(LEASE);
        mine.time(|| runtime.block_on(store.lease(&model.wanted())).unwrap());
    }
    show(size, "lease(100), each", TOGETHER.into(), mine, None);
    println!("{size:>9} bytes for each domain: {}", bytes / size as usize);
}

fn main() {
    let asked = |what: &str| std::env::args().any(|argument| argument == what);
    // `cargo test --benches` runs it as a test: little is enough then.
    let (sizes, turns): (&[u32], _) = if asked("--bench") {
        let sizes: &[u32] = &[1_000, 10_000, 100_000, 1_000_000];
        let most = if asked("million") { 4 } else { 3 };
        (&sizes[..most], Turns { add: 100, find: 2000, lease: 200, idle: 500 })
    } else {
        (&[200], Turns { add: 1, find: 2, lease: 2, idle: 2 })
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let item = runtime.block_on(held(NAME));
    println!("{} bytes of text for each domain", item.body.as_str().len());
    let model = Model { clock: ManualClock::new(item.header.due.unwrap()), item };
    let folder = Scratch::new();
    println!("\non disk, every commit flushed");
    header();
    for size in sizes {
        on_disk(&runtime, &model, folder.path(), *size, turns);
    }
    println!("\nin memory");
    header();
    for size in sizes {
        in_memory(&runtime, &model, *size, turns);
    }
}
