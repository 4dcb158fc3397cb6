//! What it costs to look for the proof of a domain, beside a bare loop over hickory-resolver.
//!
//! ```sh
//! scripts/servers --only crowd cargo bench --bench ownership
//! ```
//!
//! One process and one thread, which take turns at one Knot on loopback as it comes, with 100,000
//! names. CPU time of that thread, the server's not; the median of the ratios of each turn, to what
//! a single lookup in the bare loop takes: no cache, names that are parsed already, a new socket
//! for each question on both sides.
//!
//! How many questions a look takes is the engine's rule, which this repeats: one to the servers of
//! the zone; only if that shows the proof, one to a recursive server and one more for a name beside
//! it, where a wildcard would answer. Knot is the recursive server too: what it knows it says.
//!
//! Every limit is as it comes. Those of messages a second are for servers that a delegation led to,
//! and this server is named: it is asked as often as need be.
//!
//! Datagrams are those that Knot counts, and those that the kernel drops at its sockets.

#![expect(clippy::unwrap_used, reason = "a benchmark that fails must panic")]

#[path = "ownership/crowd.rs"]
mod crowd;
#[path = "ownership/sides.rs"]
mod sides;

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use cpu_time::ThreadTime;
use crowd::Crowd;
use sides::{Bare, Ours, Work, each};
use tokio::runtime::Runtime;

/// Turns of each side; the first one, which warms up, is not counted.
const ROUNDS: usize = 11;
/// Names in a turn.
const NAMES: usize = 10_000;
/// Names that are asked for at the end, none of which may be lost.
const MANY: usize = 50_000;
/// Names that are asked for at the same time.
const TOGETHER: [usize; 2] = [100, 1000];

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn instant() -> Instant {
    Instant::now()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// What one turn took.
#[derive(Clone, Copy, Debug)]
struct Turn {
    cpu: Duration,
    wall: Duration,
    /// Names of which nothing is known now.
    lost: usize,
    datagrams: u64,
}

/// Lets one side look for `count` names from `first` on, so many `together`.
fn turn<W: Work>(
    runtime: &Runtime,
    crowd: &Crowd,
    work: &W,
    names: std::ops::Range<usize>,
    together: usize,
) -> Turn {
    let before = crowd.datagrams();
    let (cpu, wall) = (ThreadTime::now(), instant());
    let count = names.len();
    let known = runtime.block_on(each(work, names, together));
    let (cpu, wall) = (cpu.elapsed(), wall.elapsed());
    Turn { cpu, wall, lost: count - known, datagrams: crowd.datagrams() - before }
}

/// A side of the race, with what its turns took.
struct Side<'a> {
    what: &'static str,
    /// Questions for a name.
    questions: usize,
    run: Box<dyn Fn(std::ops::Range<usize>, usize) -> Turn + 'a>,
    turns: RefCell<Vec<Turn>>,
}

impl<'a> Side<'a> {
    fn new<W: Work + 'a>(
        what: &'static str,
        questions: usize,
        runtime: &'a Runtime,
        crowd: &'a Crowd,
        work: W,
    ) -> Self {
        let run = move |names, together| turn(runtime, crowd, &work, names, together);
        Self { what, questions, run: Box::new(run), turns: RefCell::default() }
    }

    fn take_turn(&self, round: usize, names: usize, together: usize) {
        let first = round * names % Crowd::NAMES;
        self.turns.borrow_mut().push((self.run)(first..first + names, together));
    }

    /// Prints what a name took, and the ratio to `first`.
    fn show(&self, names: usize, first: &Self) {
        let (turns, firsts) = (self.turns.take(), first.turns.borrow().clone());
        let counted = turns.iter().skip(turns.len().min(2) - 1);
        let micros = |time: Duration| time.as_secs_f64() * 1e6 / names as f64;
        let cpu = median(counted.clone().map(|turn| micros(turn.cpu)));
        let wall = median(counted.clone().map(|turn| micros(turn.wall)));
        let theirs = if firsts.is_empty() { &turns } else { &firsts };
        let ratios = counted.clone().zip(theirs.iter().skip(turns.len().min(2) - 1));
        let ratio =
            median(ratios.map(|(ours, theirs)| ours.cpu.as_secs_f64() / theirs.cpu.as_secs_f64()));
        let lost: usize = turns.iter().map(|turn| turn.lost).sum();
        let sent: u64 = turns.iter().map(|turn| turn.datagrams).sum();
        let needed = (turns.len() * names * self.questions) as f64;
        println!(
            "{:<50} {cpu:>8.1} {ratio:>7.2} {:>9.2} {wall:>8.1} {lost:>6} {:>10.4}",
            self.what,
            ratio / self.questions as f64,
            sent as f64 / needed
        );
        // Whoever is compared with the first comes later.
        if firsts.is_empty() {
            self.turns.replace(turns);
        }
    }
}

fn main() {
    let Some(crowd) = Crowd::of_environment() else {
        println!("no server: scripts/servers --only crowd cargo bench --bench ownership");
        return;
    };
    // `cargo test --benches` runs it as a test: little is enough then.
    let whole = std::env::args().any(|argument| argument == "--bench");
    let (rounds, names, many) = if whole { (ROUNDS, NAMES, MANY) } else { (1, 100, 500) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (bare, ours) = runtime.block_on(async { (Bare::new(&crowd), Ours::new(&crowd)) });
    for together in TOGETHER {
        println!("\n{names} names in a turn, {together} at the same time; microseconds for a name");
        println!(
            "{:<50} {:>8} {:>7} {:>9} {:>8} {:>6} {:>10}",
            "", "CPU", "ratio", "a query", "wall", "lost", "datagrams"
        );
        let sides = [
            Side::new("hickory-resolver, one lookup", 1, &runtime, &crowd, bare.there()),
            Side::new("nameplate, the servers of the zone", 1, &runtime, &crowd, ours.there()),
            Side::new("nameplate, a recursive server", 1, &runtime, &crowd, ours.recursive()),
            Side::new("hickory-resolver, nothing there", 1, &runtime, &crowd, bare.absent()),
            Side::new("nameplate, a check: no proof yet", 1, &runtime, &crowd, ours.absent()),
            Side::new("nameplate, a check: the proof is there", 3, &runtime, &crowd, ours.check()),
        ];
        for round in 0..=rounds {
            for side in &sides {
                side.take_turn(round, names, together);
            }
        }
        for side in &sides {
            side.show(names, &sides[0]);
        }
    }
    println!("\n{many} names, {} at the same time", TOGETHER[1]);
    for (what, questions, side) in [
        ("the servers of the zone", 1, turn(&runtime, &crowd, &ours.there(), 0..many, TOGETHER[1])),
        (
            "a check: the proof is there",
            3,
            turn(&runtime, &crowd, &ours.check(), 0..many, TOGETHER[1]),
        ),
    ] {
        let needed = (many * questions) as f64;
        println!(
            "{what:<50} lost: {}, datagrams: {} ({:.4} of what is needed), {:.1} s",
            side.lost,
            side.datagrams,
            side.datagrams as f64 / needed,
            side.wall.as_secs_f64()
        );
    }
}
