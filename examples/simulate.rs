//! Hunts for a history that breaks a promise.
//!
//! ```sh
//! scripts/simulate --count 100000 --seed 1      # histories with the seeds 1 to 100000
//! scripts/simulate --seed 4711 --count 1 --trace --less d3,f2
//! scripts/simulate --count 20000 --claims        # all of them about claims of several tenants
//! scripts/simulate --mutants --count 10000      # which broken variant is caught where
//! ```

use std::{
    env,
    process::ExitCode,
    time::{Duration, Instant},
};

use nameplate::testkit::sim::{Coverage, Less, Mutant, Profile, Scenario};

const USAGE: &str = "usage: simulate [--seed S] [--count N] [--less d1,f2] [--trace] [--complete] [--mutants] \
     [--claims]";

/// What was asked for.
#[derive(Default)]
struct Wanted {
    seed: u64,
    count: u64,
    less: Less,
    trace: bool,
    /// Whether everything that can occur has to.
    complete: bool,
    mutants: bool,
    /// Whether all histories are to be about claims.
    claims: bool,
}

fn wanted() -> Result<Wanted, String> {
    let mut wanted = Wanted { seed: 1, count: 1000, ..Wanted::default() };
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        let wrong = |error: std::num::ParseIntError| format!("{argument}: {error}");
        match argument.as_str() {
            "--seed" => wanted.seed = value()?.parse().map_err(wrong)?,
            "--count" => wanted.count = value()?.parse().map_err(wrong)?,
            "--less" => wanted.less = value()?.parse().map_err(wrong)?,
            "--trace" => wanted.trace = true,
            "--complete" => wanted.complete = true,
            "--mutants" => wanted.mutants = true,
            "--claims" => wanted.claims = true,
            _ => return Err(USAGE.to_owned()),
        }
    }
    Ok(wanted)
}

#[expect(clippy::disallowed_methods, reason = "it is said how long it took")]
fn now() -> Instant {
    Instant::now()
}

fn main() -> ExitCode {
    let wanted = match wanted() {
        Ok(wanted) => wanted,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    if wanted.mutants {
        return mutants(&wanted);
    }
    let profile = if wanted.claims { Profile::Claims } else { Profile::Mixed };
    let scenario = Scenario::new().with_profile(profile);
    if wanted.trace {
        let history = scenario.trace(wanted.seed, &wanted.less);
        history.lines().iter().for_each(|line| println!("{line}"));
        print!("{history}");
        return if history.breach().is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    let start = now();
    let mut shown = start;
    let mut seen = Coverage::default();
    for seed in wanted.seed..wanted.seed.saturating_add(wanted.count) {
        let history = scenario.run_less(seed, &wanted.less);
        seen.add(history.coverage());
        if history.breach().is_some() {
            print!("{history}");
            println!("shrunk:");
            print!("{}", scenario.shrink(seed));
            return ExitCode::FAILURE;
        }
        if shown.elapsed() > Duration::from_secs(10) {
            shown = now();
            eprintln!("{} histories", seen.histories);
        }
    }
    print!("{seen}");
    let seconds = start.elapsed().as_secs_f64();
    let last = wanted.seed.saturating_add(wanted.count).saturating_sub(1);
    println!("seeds {} to {last}, all clean, in {seconds:.1} s", wanted.seed);
    let missing = seen.missing();
    missing.iter().for_each(|missing| println!("never occurred: {missing}"));
    if wanted.complete && !missing.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Says in which history each mutant is caught, and by which promise.
fn mutants(wanted: &Wanted) -> ExitCode {
    let mut survivors = 0;
    for mutant in Mutant::ALL {
        let scenario = Scenario::hunting(mutant);
        let seeds = wanted.seed..wanted.seed.saturating_add(wanted.count);
        let histories = seeds.map(|seed| scenario.run(seed));
        match histories.map(|it| (it.seed(), it.breach().cloned())).find(|it| it.1.is_some()) {
            Some((seed, Some(breach))) => println!("{mutant:<20} {seed:>6}  {breach}"),
            _ => {
                println!("{mutant:<20}         not caught");
                survivors += 1;
            }
        }
    }
    if survivors > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
