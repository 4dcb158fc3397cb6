//! Thousands of histories with faults, checked after every commit; and that the checks catch what is
//! broken.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

use std::{sync::Arc, thread};

use nameplate::{
    store::Sqlite,
    testkit::sim::{Coverage, FaultKind, History, Less, Mutant, Scenario},
};

/// Histories in every run of the tests. `SIMULATE_COUNT` asks for more.
const HISTORIES: u64 = 2000;

/// In how many histories a mutant has to be caught.
const ENOUGH: u64 = 10_000;

/// Returns how many histories are asked for.
fn count() -> Option<u64> {
    std::env::var("SIMULATE_COUNT").ok()?.parse().ok()
}

/// Runs the histories of seeds on all processors, and says what occurred.
fn hunt(scenario: &Scenario, seeds: std::ops::Range<u64>) -> Coverage {
    let threads = thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let mut seen = Coverage::default();
    thread::scope(|scope| {
        let part = |offset: u64| {
            let seeds = seeds.clone().skip(offset as usize).step_by(threads as usize);
            move || {
                let mut seen = Coverage::default();
                for seed in seeds {
                    let history = scenario.run(seed);
                    assert!(history.breach().is_none(), "{}", scenario.shrink(seed));
                    seen.add(history.coverage());
                }
                seen
            }
        };
        let parts: Vec<_> = (0..threads).map(|offset| scope.spawn(part(offset))).collect();
        for part in parts {
            seen.add(&part.join().unwrap());
        }
    });
    seen
}

#[test]
fn two_thousand_histories_keep_every_promise_and_leave_nothing_untried() {
    let seen = hunt(&Scenario::new(), 1..count().unwrap_or(HISTORIES) + 1);
    println!("{seen}");
    assert_eq!(seen.missing(), Vec::<String>::new(), "never occurred");
}

/// Among thousands of histories with all faults there are too few of them.
#[test]
fn platforms_that_go_on_from_a_backup_keep_every_promise_from_then_on() {
    let others = [FaultKind::KillAfter, FaultKind::DnsReplyLost, FaultKind::Latency];
    let faults = [FaultKind::Restored; 4].into_iter().chain(others);
    let seen = hunt(&Scenario::new().with_faults(faults, 3), 1..count().unwrap_or(100) + 1);
    println!("{seen}");
    assert!(seen.faults[&FaultKind::Restored] > seen.histories / 4);
}

/// They go on for hours, and strike among other things that keep an account from being made again.
#[test]
fn authorities_that_lose_their_accounts_make_nobody_break_a_promise() {
    let others = [FaultKind::KillAfter, FaultKind::Latency, FaultKind::AccountGone];
    let faults = [FaultKind::AccountLost; 4].into_iter().chain(others);
    let seen = hunt(&Scenario::new().with_faults(faults, 3), 1..count().unwrap_or(100) + 1);
    println!("{seen}");
    assert!(seen.faults[&FaultKind::AccountLost] > seen.histories / 4);
}

#[test]
fn a_seed_gives_one_history_to_the_last_detail() {
    let scenario = Scenario::new();
    for seed in 1..30 {
        let (one, two) = (scenario.run(seed), scenario.trace(seed, &Less::default()));
        assert_eq!(one.digest(), two.digest(), "{seed}");
        assert_eq!(one.coverage().commits, two.coverage().commits, "{seed}");
    }
    assert_ne!(scenario.run(1).digest(), scenario.run(2).digest());
}

/// Returns the first history in which a mutant is caught.
fn caught(mutant: Mutant) -> Option<History> {
    let scenario = Scenario::hunting(mutant);
    (1..=ENOUGH).map(|seed| scenario.run(seed)).find(|history| history.breach().is_some())
}

#[test]
fn every_mutant_is_caught() {
    let mut survivors = Vec::new();
    for mutant in Mutant::ALL {
        match caught(mutant) {
            Some(history) => {
                println!("{mutant:<22} {:>6}  {}", history.seed(), history.breach().unwrap());
            }
            None => survivors.push(mutant),
        }
    }
    assert_eq!(survivors, [], "nobody noticed");
}

#[test]
fn what_is_left_of_a_shrunk_history_breaks_the_same_promise_again() {
    let scenario = Scenario::hunting(Mutant::LoseDeletes);
    let found = caught(Mutant::LoseDeletes).unwrap();
    let shrunk = scenario.shrink(found.seed());
    let invariant = found.breach().unwrap().invariant;
    assert_eq!(shrunk.breach().unwrap().invariant, invariant);
    let less: Less = shrunk.less().to_string().parse().unwrap();
    assert_eq!(less, *shrunk.less());
    let replayed = scenario.run_less(found.seed(), &less);
    assert_eq!(replayed.digest(), shrunk.digest());
    assert_eq!(replayed.breach(), shrunk.breach());
}

#[test]
fn histories_are_the_same_on_a_store_on_disk() {
    let directory = std::env::temp_dir().join(format!("nameplate-simulate-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let number = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let place = directory.clone();
    let on_disk = Scenario::new().with_store(move |clock| {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = place.join(format!("{number}.sqlite"));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Arc::new(runtime.block_on(Sqlite::builder(path).with_clock(clock).open()).unwrap())
    });
    let in_memory = Scenario::new();
    let same = (1..6).filter(|seed| {
        let (one, two) = (in_memory.run(*seed), on_disk.run(*seed));
        assert!(two.breach().is_none(), "{two}");
        one.digest() == two.digest()
    });
    // Which of two roots goes first that are due at the same instant is for the store to say.
    assert!(same.count() > 1);
    std::fs::remove_dir_all(directory).unwrap();
}
