//! What it costs to plan the changes of a zone, beside what one would write by hand.
//!
//! ```sh
//! cargo bench --bench plan            # 10k, 100k and 1M records
//! cargo bench --bench plan -- --quick # without 1M
//! ```
//!
//! One process and one thread; contestants take turns over the same records; CPU time; the median
//! of the ratios of each round. Both sides are loaded and sorted before: what is measured is the
//! comparison alone. 1 % of the records differ: 0.5 % another value, 0.25 % gone, 0.25 % new. All
//! contestants must find the same records. Allocations are counted by the allocator, which makes
//! each some 20 ns dearer, for all alike.

use std::{
    alloc::System, collections::HashMap, fs, hint::black_box, process::Command, time::Duration,
};

use cpu_time::ProcessTime;
use nameplate::{
    record::{DnsRecord, RecordData, RecordSet, RecordType, Ttl},
    zone::{Change, ChangePolicy, Markers, Ownership, Plan, Zone, changes},
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Rounds; the median is what counts.
const ROUNDS: usize = 11;
/// Asks this program to load both sides and say how much memory that takes.
const HOLD: &str = "--hold";
/// Bytes of a page of memory, as `/proc/self/statm` counts.
const PAGE: usize = 4096;

/// What a record is apart from its TTL, as text: owner, number of the type, value.
type Key = (String, u16, String);
/// A record as a script would have it.
type Row = (Key, u32);

/// How many records go, are new, and have another TTL alone.
type Found = [usize; 3];

/// The records of one size, as everybody wants them: sorted.
struct Sides {
    current: Zone,
    desired: Zone,
    current_rows: Vec<Row>,
    desired_rows: Vec<Row>,
}

/// Looks for changes once, and says how many there are and how long it took.
type Contestant = (&'static str, fn(&Sides) -> (Found, Duration));

/// The first is the limit, the second the library.
const CONTESTANTS: [Contestant; 4] = [
    ("sorted merge, borrowed (limit)", |sides| timed(|| merge(sides), count)),
    ("nameplate", |sides| timed(|| plan(sides), found)),
    ("hash diff, borrowed keys", |sides| timed(|| hash_borrowed(sides), count)),
    ("hash diff, owned keys", |sides| timed(|| hash_owned(sides), count)),
];

/// Runs a contestant, and counts what it found when the clock has stopped.
fn timed<T>(run: impl FnOnce() -> T, count: impl FnOnce(&T) -> Found) -> (Found, Duration) {
    let start = ProcessTime::now();
    let made = black_box(run());
    let time = start.elapsed();
    (count(&made), time)
}

/// Returns the record of an index: addresses, mail, text and aliases, as zones have them.
fn record(index: usize, version: usize) -> DnsRecord {
    let parse = |record_type, text: &str| {
        RecordData::parse(record_type, text).unwrap_or_else(|error| panic!("{error}"))
    };
    let (name, data) = match index % 20 {
        // Two addresses of one name.
        kind @ 0..12 => {
            let [_, _, b, c] = u32::try_from(index).unwrap_or_default().to_be_bytes();
            let last = u8::try_from(version).unwrap_or_default();
            let address = RecordData::A([10 + last, u8::from(kind > 9), b, c].into());
            (if kind > 9 { index - 1 } else { index }, address)
        }
        12..15 => {
            let text = format!("2001:db8:{version}::{:x}:{:x}", index >> 16, index & 0xffff);
            (index, parse(RecordType::Aaaa, &text))
        }
        15 | 16 => {
            let target = format!("edge-{version}-{}.acme-hosting.example.", index % 97);
            (index, parse(RecordType::Cname, &target))
        }
        17 | 18 => {
            let text = format!("\"v=spf1 include:spf-{version}-{index}.example.net -all\"");
            (index, parse(RecordType::Txt, &text))
        }
        _ => (index, parse(RecordType::Mx, &format!("1{version} mail-{index}.example.net."))),
    };
    let name = format!("shop-{name:07}.customers.example.com");
    let name = name.parse().unwrap_or_else(|error| panic!("{error}"));
    DnsRecord::new(name, Ttl::HOUR, data)
}

/// Returns the records as they are: of about 400, one is not there yet.
fn current(size: usize) -> impl Iterator<Item = DnsRecord> {
    (0..size + size / 400).filter(|index| index % 401 != 400).map(|index| record(index, 0))
}

/// Returns the records as they are wanted: of about 400, two have another value and one is gone.
fn desired(size: usize) -> impl Iterator<Item = DnsRecord> {
    let version = |index: usize| usize::from(matches!(index % 401, 100 | 300));
    (0..size + size / 400)
        .filter(|index| index % 401 != 200)
        .map(move |index| record(index, version(index)))
}

fn zone(records: impl IntoIterator<Item = DnsRecord>) -> Zone {
    let origin = "customers.example.com".parse().unwrap_or_else(|error| panic!("{error}"));
    Zone::from_records(origin, records).unwrap_or_else(|error| panic!("{error}"))
}

fn rows(records: &[DnsRecord]) -> Vec<Row> {
    let row = |record: &DnsRecord| {
        let number = record.record_type().code().unwrap_or_default();
        ((record.name().to_string(), number, record.data().to_string()), record.ttl().as_secs())
    };
    let mut rows: Vec<Row> = records.iter().map(row).collect();
    rows.sort();
    rows
}

fn plan(sides: &Sides) -> Plan {
    let policy = ChangePolicy::new(Ownership::everything());
    changes(&sides.current, &sides.desired, &policy).unwrap_or_else(|error| panic!("{error}"))
}

/// Counts the records of a plan.
fn found(plan: &Plan) -> Found {
    let mut found = [0; 3];
    for change in plan.sets() {
        let data =
            |set: Option<&&RecordSet>| set.map(|set| set.data()).unwrap_or_default().to_vec();
        let (before, after) = (data(change.before()), data(change.after()));
        match change {
            Change::Update { ttl_only: true, .. } => found[2] += after.len(),
            _ => {
                found[0] += before.iter().filter(|data| !after.contains(data)).count();
                found[1] += after.iter().filter(|data| !before.contains(data)).count();
            }
        }
    }
    found
}

/// What goes, what is new, and what has another TTL.
type Diff<'a> = [Vec<&'a Row>; 3];

fn count(diff: &Diff<'_>) -> Found {
    diff.each_ref().map(Vec::len)
}

fn merge(sides: &Sides) -> Diff<'_> {
    let [mut gone, mut new, mut ttl] = Diff::default();
    let (mut current, mut desired) = (sides.current_rows.iter(), sides.desired_rows.iter());
    let (mut a, mut b) = (current.next(), desired.next());
    loop {
        let order = match (a, b) {
            (Some(a), Some(b)) => a.0.cmp(&b.0),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => return [gone, new, ttl],
        };
        if order.is_eq() && a.map(|a| a.1) != b.map(|b| b.1) {
            ttl.extend(b);
        }
        if order.is_lt() {
            gone.extend(a);
        }
        if order.is_gt() {
            new.extend(b);
        }
        if order.is_le() {
            a = current.next();
        }
        if order.is_ge() {
            b = desired.next();
        }
    }
}

fn hash_borrowed(sides: &Sides) -> Diff<'_> {
    let mut left: HashMap<(&str, u16, &str), &Row> = sides
        .current_rows
        .iter()
        .map(|row| ((row.0.0.as_str(), row.0.1, row.0.2.as_str()), row))
        .collect();
    let [_, mut new, mut ttl] = Diff::default();
    for row in &sides.desired_rows {
        match left.remove(&(row.0.0.as_str(), row.0.1, row.0.2.as_str())) {
            None => new.push(row),
            Some(before) if before.1 != row.1 => ttl.push(row),
            Some(_) => {}
        }
    }
    [left.into_values().collect(), new, ttl]
}

fn hash_owned(sides: &Sides) -> Diff<'_> {
    let mut left: HashMap<Key, &Row> =
        sides.current_rows.iter().map(|row| (row.0.clone(), row)).collect();
    let [_, mut new, mut ttl] = Diff::default();
    for row in &sides.desired_rows {
        match left.remove(&row.0) {
            None => new.push(row),
            Some(before) if before.1 != row.1 => ttl.push(row),
            Some(_) => {}
        }
    }
    [left.into_values().collect(), new, ttl]
}

/// Runs a contestant a number of times, and returns the nanoseconds of CPU time of one run.
fn time(sides: &Sides, contestant: &Contestant, runs: u32) -> f64 {
    let total: Duration = (0..runs).map(|_| (contestant.1)(black_box(sides)).1).sum();
    total.as_secs_f64() * 1e9 / f64::from(runs)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Returns the bytes of memory that this process has, as the system counts.
fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or_default() * PAGE
}

/// Loads both sides and prints how many bytes of memory the process has grown by.
fn hold(size: usize) {
    let start = resident();
    let (current, desired) = (zone(current(size)), zone(desired(size)));
    println!("{}", resident().saturating_sub(start));
    black_box((current, desired));
}

/// Returns the bytes of memory for a record that a process grows by when it loads both sides and
/// nothing else; half of it, since a record is on both.
fn resident_per_record(size: usize) -> f64 {
    let load = || {
        let program = std::env::current_exe().ok()?;
        let output = Command::new(program).args([HOLD, &size.to_string()]).output().ok()?;
        str::from_utf8(&output.stdout).ok()?.trim().parse().ok()
    };
    load().map_or(f64::NAN, |bytes| per(bytes, 2 * size))
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn per(total: usize, records: usize) -> f64 {
    total as f64 / records as f64
}

/// Returns what one call allocates: how often, and how many bytes.
fn allocated<T>(call: impl FnOnce() -> T) -> (T, usize, usize) {
    let region = Region::new(ALLOCATOR);
    let made = call();
    let stats = region.change();
    (made, stats.allocations, stats.bytes_allocated)
}

/// Builds a zone, and returns the bytes that it holds for each record, as it asked for them.
fn held(records: Vec<DnsRecord>) -> (Zone, f64) {
    let size = records.len();
    // A copy has the memory that it needs, whatever the first one was made from.
    let first = zone(records);
    let region = Region::new(ALLOCATOR);
    let copy = first.clone();
    let stats = region.change();
    (copy, per(stats.bytes_allocated.saturating_sub(stats.bytes_deallocated), size))
}

/// Measures one size, and returns the median nanoseconds of each contestant for a run.
fn measure(size: usize, rounds: usize) -> Vec<f64> {
    let (current, desired): (Vec<_>, Vec<_>) = (current(size).collect(), desired(size).collect());
    let (current_rows, desired_rows) = (rows(&current), rows(&desired));
    let (current, bytes) = held(current);
    let sides = Sides { current, desired: zone(desired), current_rows, desired_rows };

    println!("\n{size} records, {} sets", sides.current.sets().len());
    let mut times = vec![Vec::new(); CONTESTANTS.len()];
    let runs = |contestant: usize| {
        let runs = if contestant < 2 { 2_000_000 / size } else { 200_000 / size };
        u32::try_from(runs.max(1)).unwrap_or(1)
    };
    for _ in 0..rounds {
        for (index, contestant) in CONTESTANTS.iter().enumerate() {
            let time = time(&sides, contestant, runs(index));
            if let Some(times) = times.get_mut(index) {
                times.push(time);
            }
        }
    }
    println!(
        "  {:<34} {:>10} {:>10} {:>10}   found: gone, new, TTL",
        "", "ms", "ns/record", "x merge"
    );
    let limit = times.first().cloned().unwrap_or_default();
    let ratio = |times: &[f64], to: &[f64]| {
        median(times.iter().zip(to).map(|(time, to)| time / to).collect())
    };
    let mut medians = Vec::new();
    for ((what, contestant), times) in CONTESTANTS.iter().zip(&times) {
        let time = median(times.clone());
        let (found, _) = contestant(&sides);
        println!(
            "  {what:<34} {:>10.3} {:>10.1} {:>10.2}   {found:?}",
            time / 1e6,
            time / per(size, 1),
            ratio(times, &limit)
        );
        assert_eq!(found, CONTESTANTS[0].1(&sides).0, "{what} finds other changes");
        medians.push(time);
    }
    println!(
        "  nameplate takes {:.2} x the sorted merge (goal: 3 at 100k), {:.3} x the owned hash diff \
         (goal: 0.15 at 100k)",
        ratio(&times[1], &times[0]),
        ratio(&times[1], &times[3])
    );
    let (plan, count, allocated) = allocated(|| plan(&sides));
    println!(
        "  bytes held for a record, on each side: {bytes:.0} asked for, {:.0} resident after loading \
         (goal: 200)",
        resident_per_record(size)
    );
    println!(
        "  while planning: {:.1} bytes a record, {:.1} allocations a changed set",
        per(allocated, size),
        per(count, plan.changes().len())
    );
    with_markers(&sides, rounds);
    medians
}

/// Measures the same changes where markers say what is ours.
fn with_markers(sides: &Sides, rounds: usize) {
    let markers = Markers::new("acme").unwrap_or_else(|error| panic!("{error}"));
    let policy = ChangePolicy::new(Ownership::markers(markers));
    let plan = |current: &Zone, desired: &Zone| {
        changes(current, desired, &policy).unwrap_or_else(|error| panic!("{error}"))
    };
    let origin = sides.current.origin().clone();
    let empty = Zone::new(origin, []).unwrap_or_else(|error| panic!("{error}"));
    let first = plan(&empty, &sides.current);
    let marked = empty.apply(first.changes()).unwrap_or_else(|error| panic!("{error}"));
    drop(first);
    let mut times = Vec::new();
    let mut changed = 0;
    for _ in 0..rounds {
        let start = ProcessTime::now();
        let plan = black_box(plan(&marked, &sides.desired));
        times.push(start.elapsed().as_secs_f64() * 1e3);
        changed = plan.changes().len();
    }
    println!(
        "  with markers, {} sets: {:.2} ms for {changed} changed sets",
        marked.sets().len(),
        median(times)
    );
}

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != HOLD).skip(1);
    if let Some(size) = arguments.next() {
        return hold(size.parse().unwrap_or_else(|error| panic!("{size}: {error}")));
    }
    let asked = |what: &str| std::env::args().any(|argument| argument == what);
    // `cargo test --benches` runs it as a test: once, and small, is enough then.
    let (sizes, rounds): (&[usize], _) = match (asked("--bench"), asked("--quick")) {
        (false, _) => (&[1_000], 1),
        (true, true) => (&[10_000, 100_000], ROUNDS),
        (true, false) => (&[10_000, 100_000, 1_000_000], ROUNDS),
    };
    let medians: Vec<_> = sizes.iter().map(|size| measure(*size, rounds)).collect();
    if let [.., smaller, larger] = medians.as_slice() {
        println!("\ntime of the largest against the one before (goal: 15 from 100k to 1M)");
        for (((what, _), smaller), larger) in CONTESTANTS.iter().zip(smaller).zip(larger) {
            println!("  {what:<34} {:>10.1}", larger / smaller);
        }
    }
}
