//! What it costs to read the names that people type, beside what one would glue together.
//!
//! ```sh
//! cargo bench --bench names
//! ```
//!
//! One process and one thread; contestants take turns over the same list; CPU time; the median of
//! the ratios of each round. A speed is worth only as much as the accept and refuse counts beside
//! it: no two contestants agree on what a name is. Allocations are counted by the allocator, which
//! makes each some 20 ns dearer, for all alike.

#[path = "names/list.rs"]
mod list;

use std::{
    alloc::System, hint::black_box, net::IpAddr, str::FromStr, sync::LazyLock, time::Duration,
};

use cpu_time::ProcessTime;
use list::{Class, hostile};
use nameplate::name::{ClaimPolicy, DnsName, DomainName};
use regex::Regex;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Names in the list.
const NAMES: usize = 100_000;
/// Rounds; the median is what counts.
const ROUNDS: usize = 11;
/// Longest hostile text, in bytes, and the shorter ones that may get further.
const HOSTILE: [usize; 7] = [4096, 2048, 1012, 756, 506, 250, 120];

/// Reads a text and says whether it is taken.
type Read = fn(&str) -> bool;

/// The published pattern of one API, which some would use instead of all else.
static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[A-Za-z0-9-]{2,}(?:\.[A-Za-z0-9-]{2,})+$")
        .unwrap_or_else(|error| panic!("{error}"))
});

/// The strict policy, made once, as a platform would.
static POLICY: LazyLock<ClaimPolicy> = LazyLock::new(ClaimPolicy::new);

/// The first is what the others are held against.
const CONTESTANTS: [(&str, Read); 8] = [
    ("idna + psl, glued", |text| glued(text).is_some()),
    ("idna + psl + regex, glued", |text| {
        glued(text).is_some_and(|(name, ..)| PATTERN.is_match(&name))
    }),
    ("nameplate DomainName, registrable", |text| match text.parse::<DomainName>() {
        Ok(name) => {
            black_box(name.registrable());
            true
        }
        Err(error) => {
            black_box(&error);
            false
        }
    }),
    ("nameplate DomainName, registrable, admit", |text| match text.parse::<DomainName>() {
        Ok(name) => {
            black_box(name.registrable());
            black_box(POLICY.admit(&name)).is_ok()
        }
        Err(error) => {
            black_box(&error);
            false
        }
    }),
    ("nameplate DnsName", |text| black_box(text.parse::<DnsName>()).is_ok()),
    ("hickory-proto Name", |text| black_box(hickory_proto::rr::Name::from_str(text)).is_ok()),
    ("domain Name", |text| black_box(domain::base::Name::<Vec<u8>>::from_str(text)).is_ok()),
    ("copy in lower case (limit)", |text| !black_box(text.to_ascii_lowercase()).is_empty()),
];

/// The contestants whose names the goals of the first two are about.
const OURS: usize = 2;

/// What a platform would write without this crate: the name, its registrable domain, its suffix.
fn glued(text: &str) -> Option<(String, usize, usize)> {
    let text = text.trim();
    let text = text.strip_suffix('.').unwrap_or(text);
    let wildcard = text.strip_prefix("*.");
    let ascii = idna::domain_to_ascii_strict(wildcard.unwrap_or(text)).ok()?;
    if ascii.parse::<IpAddr>().is_ok() {
        return None;
    }
    let registrable = black_box(psl::domain_str(&ascii)).map_or(0, str::len);
    let suffix = black_box(psl::suffix_str(&ascii)).map_or(0, str::len);
    Some((if wildcard.is_some() { format!("*.{ascii}") } else { ascii }, registrable, suffix))
}

/// Returns the CPU time for one pass over `texts`, and how many are taken.
fn pass(read: Read, texts: &[&str]) -> (Duration, usize) {
    let start = ProcessTime::now();
    let taken = texts.iter().filter(|text| read(black_box(text))).count();
    (start.elapsed(), taken)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Lets all contestants take turns over `texts`; returns the mean cost of ours, in nanoseconds.
fn race(what: &str, texts: &[&str], rounds: usize) -> f64 {
    let mut times = vec![Vec::new(); CONTESTANTS.len()];
    let mut ratios = vec![Vec::new(); CONTESTANTS.len()];
    let mut taken = [0; CONTESTANTS.len()];
    let mut allocations = [0.0; CONTESTANTS.len()];
    let count = texts.len() as f64;
    for round in 0..=rounds {
        let mut first = 0.0;
        for (index, (_, read)) in CONTESTANTS.iter().enumerate() {
            let region = Region::new(ALLOCATOR);
            let (time, accepted) = pass(*read, texts);
            let change = region.change();
            let nanos = time.as_secs_f64() * 1e9 / count;
            if index == 0 {
                first = nanos;
            }
            // The first round warms up caches and what is built when it is first used.
            if round > 0 {
                times[index].push(nanos);
                ratios[index].push(nanos / first);
            }
            taken[index] = accepted;
            allocations[index] = (change.allocations + change.reallocations) as f64 / count;
        }
    }
    let characters: usize = texts.iter().map(|text| text.chars().count()).sum();
    println!(
        "\n{what}: {} names, {:.1} characters on average",
        texts.len(),
        characters as f64 / count
    );
    println!(
        "{:<44} {:>9} {:>7} {:>12} {:>9} {:>9}",
        "", "ns/name", "ratio", "allocations", "accepted", "refused"
    );
    let mut ours = 0.0;
    for (index, (name, _)) in CONTESTANTS.iter().enumerate() {
        let nanos = median(std::mem::take(&mut times[index]));
        let ratio = median(std::mem::take(&mut ratios[index]));
        println!(
            "{name:<44} {nanos:>9.0} {ratio:>7.2} {:>12.2} {:>9} {:>9}",
            allocations[index],
            taken[index],
            texts.len() - taken[index]
        );
        if index == OURS {
            ours = nanos;
        }
    }
    ours
}

/// Prints the dearest hostile texts of `bytes` bytes, beside the `mean` cost of a name.
fn hunt(bytes: usize, mean: f64, rounds: usize) {
    let [glue, _, ours, ..] = CONTESTANTS;
    let copies = if rounds > 1 { 100 } else { 1 };
    let mut rows = Vec::new();
    for (name, text) in hostile(bytes) {
        let texts = vec![text.as_str(); copies];
        let cost = |read: Read| {
            let times =
                (0..=rounds).map(|_| pass(read, &texts).0.as_secs_f64() * 1e9 / copies as f64);
            median(times.collect())
        };
        rows.push((cost(ours.1), cost(glue.1), (ours.1)(&text), name, text.len()));
    }
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (nanos, glued, taken, name, len) in rows.into_iter().take(4) {
        let taken = if taken { "taken" } else { "refused" };
        println!("{len:>6} {nanos:>10.0} {:>10.1} {glued:>12.0}  {taken}: {name}", nanos / mean);
    }
}

fn main() {
    // `cargo test --benches` runs it as a test: little is enough then.
    let whole = std::env::args().any(|argument| argument == "--bench");
    let (names, rounds) = if whole { (NAMES, ROUNDS) } else { (2_000, 1) };
    let list = list::list(names);
    let of = |classes: &[Class]| -> Vec<&str> {
        let wanted = list.iter().filter(|(class, _)| classes.contains(class));
        wanted.map(|(_, text)| text.as_str()).collect()
    };
    let all: Vec<&str> = list.iter().map(|(_, text)| text.as_str()).collect();
    let mean = race("all", &all, rounds);
    race("ASCII", &of(&[Class::Ascii]), rounds);
    race("IDN", &of(&[Class::Unicode, Class::Encoded]), rounds);
    race("IDN as U-labels", &of(&[Class::Unicode]), rounds);
    race("IDN as A-labels", &of(&[Class::Encoded]), rounds);
    race("wildcards", &of(&[Class::Wildcard]), rounds);
    race("invalid", &of(&[Class::Invalid]), rounds);
    println!("\nhostile texts, the dearest of each size; the mean of all names is {mean:.0} ns");
    println!("{:>6} {:>10} {:>10} {:>12}", "bytes", "ns", "x mean", "glued, ns");
    for bytes in HOSTILE {
        hunt(bytes, mean, rounds);
    }
}
