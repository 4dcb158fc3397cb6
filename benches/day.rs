//! A day of a fleet on PostgreSQL: every domain that is held is looked at once, by workers of one
//! process, in a day that passes minute by minute. What counts is the memory of that process.
//!
//! ```sh
//! scripts/servers cargo bench --features __servers --bench day               # 10,000 and 100,000
//! scripts/servers cargo bench --features __servers --bench day -- million    # 100,000 and a million
//! ```
//!
//! Each size has a process and a schema of its own. The domains are active ones, as the engine writes
//! them, alike but for their names; their day is due spread over 24 hours. Looking them up is without a
//! network. A day passes by moving the time of the store, so that it takes as long as the work does.

#![expect(clippy::unwrap_used, reason = "a benchmark that fails must panic")]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/held.rs"]
mod held;
#[path = "postgres/server.rs"]
mod server;

use std::{
    env, fs,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use common::{DAY, MINUTE, World};
use cpu_time::ProcessTime;
use held::{NAME, operation, put};
use nameplate::{
    clock::{Clock, Timestamp, after},
    engine::{Onboarding, Step},
    error::Result,
    record::DnsRecord,
    resolver::{Answer, InMemoryResolver, Lookup, Outcome, Resolver},
    store::{Batch, Commit, Item, Key, Kind, Postgres, Store, Write},
    testkit::EndlessTimer,
};
use server::{execute, url};

/// Domains in one commit, when they are added.
const BULK: u32 = 1000;
/// Workers of the process, each with a connection.
const WORKERS: usize = 4;
/// Most megabytes that ten times as many domains may take more.
const MOST_GROWTH: f64 = 64.0;
/// Minutes of the day; after each what is due is done.
const MINUTES: u32 = 24 * 60;

/// Answers for every name of the fleet as for the first one, and counts questions.
#[derive(Clone, Debug)]
struct Alike {
    first: InMemoryResolver,
    asked: Arc<AtomicU64>,
}

#[async_trait]
impl Resolver for Alike {
    async fn lookup(&self, lookup: &Lookup) -> Result<Answer> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let asked = lookup.name.to_string();
        let digits =
            |at: usize| Some(at..at + 7).filter(|range| asked.get(range.clone()).is_some());
        let number = asked.find("shop").and_then(|at| digits(at + 4));
        let Some(number) = number else { return self.first.lookup(lookup).await };
        let mut known = asked.clone();
        known.replace_range(number, "0000000");
        let known = known.parse().unwrap();
        let same = Lookup::new(known, lookup.record_type, lookup.mode);
        let mut answer = self.first.lookup(&same).await?;
        if let Outcome::Answer(records) = &mut answer.outcome {
            for record in records {
                let (name, ttl, data) = record.clone().into_parts();
                let name = if name == same.name { lookup.name.clone() } else { name };
                *record = DnsRecord::new(name, ttl, data);
            }
        }
        Ok(answer)
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn instant() -> Instant {
    Instant::now()
}

/// Returns the most memory that this process ever had, and what it has now, in kilobytes.
fn memory() -> (u64, u64) {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap()
    };
    (field("VmHWM:"), field("VmRSS:"))
}

/// Returns the changes that add the domains from `first` on, each due at its own moment of the day.
fn writes(item: &Item, first: u32, size: u32, start: Timestamp) -> Vec<Write> {
    let add = |number: u32| {
        let mut write = put(item, number);
        if let Write::Put { header, .. } = &mut write {
            let part = f64::from(number) / f64::from(size);
            header.due = Some(after(start, DAY.mul_f64(part)));
        }
        write
    };
    (first..first + BULK).map(add).collect()
}

/// Lets the workers do what is due, until nothing is.
async fn settle(onboarding: &Onboarding) -> Step {
    let mut total = Step::default();
    loop {
        let mut crew = tokio::task::JoinSet::new();
        for _ in 0..WORKERS {
            let worker = onboarding.worker();
            crew.spawn(async move { worker.step().await.unwrap() });
        }
        let steps = crew.join_all().await;
        for step in &steps {
            total.leased += step.leased;
            total.left += step.left + step.unreadable;
            total.set_back += step.set_back + step.panicked + step.parked;
        }
        if steps.iter().all(|step| step.leased == 0) {
            return total;
        }
    }
}

async fn day(size: u32) {
    let schema = format!("bench_day_{size}");
    execute(&format!("DROP SCHEMA IF EXISTS {schema} CASCADE")).await;
    let builder = Postgres::builder(&url()).with_schema(&schema).with_connections(WORKERS);
    let store = builder.with_statement_timeout(Duration::from_secs(60)).open().await.unwrap();

    let world = World::new();
    let domain = world.active(NAME).await;
    world.run_for(DAY * 2).await;
    let key = Key::new(Kind::Domain, domain.id());
    let item = world.store.get(&[key]).await.unwrap().remove(0).unwrap();
    let until = |then: Timestamp, now: Timestamp| (then - now).to_std().unwrap_or_default();
    store.advance(until(world.clock.now(), store.now().await.unwrap()));

    let asked = Arc::new(AtomicU64::new(0));
    let resolver = Alike { first: world.resolver.clone(), asked: asked.clone() };
    let onboarding = world.replica(store.clone(), resolver, EndlessTimer);

    let start = after(store.now().await.unwrap(), Duration::from_secs(3600));
    for first in (0..size).step_by(BULK as usize) {
        let writes = writes(&item, first, size, start);
        let batch = writes.into_iter().fold(Batch::new(operation()), Batch::with);
        assert_eq!(store.commit(batch).await.unwrap(), Commit::Done);
    }
    execute(&format!("ANALYZE {schema}.items, {schema}.schedule, {schema}.unique_keys")).await;
    let (_, before) = memory();

    let (cpu, wall) = (ProcessTime::now(), instant());
    let mut total = Step::default();
    for minute in 0..=MINUTES {
        let then = after(start, MINUTE * minute);
        store.advance(until(then, store.now().await.unwrap()));
        let step = settle(&onboarding).await;
        total.leased += step.leased;
        total.left += step.left;
        total.set_back += step.set_back;
    }
    let (cpu, wall) = (cpu.elapsed().as_secs_f64(), wall.elapsed().as_secs_f64());
    let (peak, now) = memory();
    assert_eq!((total.left, total.set_back), (0, 0), "every look led somewhere");
    assert!(total.leased >= size as usize, "every domain had its turn: {}", total.leased);
    println!(
        "{size:>9} {:>9} {:>9} {:>10.0} {:>10.0} {:>9.1} {:>9.1} {:>9.1}",
        total.leased,
        asked.load(Ordering::Relaxed),
        cpu * 1e6 / total.leased as f64,
        total.leased as f64 / wall,
        before as f64 / 1024.0,
        now as f64 / 1024.0,
        peak as f64 / 1024.0,
    );
    println!("peak {peak}");
    execute(&format!("DROP SCHEMA {schema} CASCADE")).await;
}

/// Runs a day in a process of its own, and returns the most memory that it had, in kilobytes.
fn apart(size: u32) -> u64 {
    let child = Command::new(env::current_exe().unwrap())
        .arg(format!("--of={size}"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(child.status.success(), "the day of {size} domains failed");
    let text = String::from_utf8(child.stdout).unwrap();
    let (shown, peak) = text.trim_end().rsplit_once("peak ").unwrap();
    print!("{shown}");
    peak.parse().unwrap()
}

fn main() {
    let of = env::args().find_map(|argument| argument.strip_prefix("--of=")?.parse().ok());
    if let Some(size) = of {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(day(size));
    }
    let asked = |what: &str| env::args().any(|argument| argument == what);
    // `cargo test --benches` runs it as a test: little is enough then.
    let (few, many) = match (asked("--bench"), asked("million")) {
        (false, _) => (1_000, 2_000),
        (true, false) => (10_000, 100_000),
        (true, true) => (100_000, 1_000_000),
    };
    println!(
        "{:>9} {:>9} {:>9} {:>10} {:>10} {:>9} {:>9} {:>9}",
        "domains", "looks", "questions", "us of CPU", "a second", "MB begin", "MB end", "MB peak"
    );
    let (less, more) = (apart(few), apart(many));
    let grown = more.saturating_sub(less) as f64 / 1024.0;
    println!("{many} domains take {grown:.1} MB more than {few}");
    assert!(grown <= MOST_GROWTH, "memory goes by the number of domains");
}
