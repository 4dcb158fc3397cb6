//! Histories: what is drawn, what is run, and what is left of one that failed.

use std::{collections::BTreeSet, fmt, str::FromStr, sync::Arc};

use super::{
    coverage::Coverage,
    fault::FaultKind,
    invariant::{Breach, Invariant},
    mutant::Mutant,
    plan::Plan,
    run::Run,
    world::{MOST_CLAIMS, World},
};
use crate::{clock::Clock, store::Store};

/// Makes an empty store that lives by a clock.
type MakeStore = Arc<dyn Fn(Arc<dyn Clock>) -> Arc<dyn Store> + Send + Sync>;

/// What histories are about.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Profile {
    /// One tenant for a name, as a rule, and its certificates.
    Certificates,
    /// Several tenants who want the same names: contests, sales, transfers, mail, quarantine, and what
    /// the platform's staff does.
    Claims,
    /// Every third history is about claims.
    #[default]
    Mixed,
}

impl Profile {
    /// Returns what the history of a seed is about.
    pub(super) const fn of(self, seed: u64) -> Self {
        match self {
            Self::Mixed if seed.is_multiple_of(3) => Self::Claims,
            Self::Mixed => Self::Certificates,
            told => told,
        }
    }
}

/// What histories are made of.
#[derive(Clone)]
pub struct Scenario {
    pub(super) profile: Profile,
    pub(super) claims: usize,
    pub(super) processes: usize,
    pub(super) deeds: usize,
    pub(super) faults: Vec<FaultKind>,
    pub(super) most_faults: usize,
    pub(super) store: Option<MakeStore>,
    pub(super) mutant: Option<Mutant>,
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario")
            .field("profile", &self.profile)
            .field("claims", &self.claims)
            .field("processes", &self.processes)
            .field("deeds", &self.deeds)
            .field("faults", &self.faults)
            .field("most_faults", &self.most_faults)
            .field("mutant", &self.mutant)
            .finish_non_exhaustive()
    }
}

impl Default for Scenario {
    fn default() -> Self {
        Self::new()
    }
}

impl Scenario {
    /// Creates the scenario that nameplate itself is hunted with.
    pub fn new() -> Self {
        Self {
            profile: Profile::Mixed,
            claims: MOST_CLAIMS,
            processes: 3,
            deeds: 8,
            faults: FaultKind::ALL.to_vec(),
            most_faults: 6,
            store: None,
            mutant: None,
        }
    }

    /// Creates the scenario in which a mutant is looked for.
    pub fn hunting(mutant: Mutant) -> Self {
        let faults = mutant.faults().iter().copied();
        Self::new().with_profile(mutant.profile()).with_faults(faults, 3).with_mutant(mutant)
    }

    /// Sets what histories are about.
    #[must_use]
    pub const fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Sets how many claims a history may have: 1 to 4. Those about claims have at least two, of two
    /// tenants, on one name.
    #[must_use]
    pub fn with_claims(mut self, claims: usize) -> Self {
        self.claims = claims.clamp(1, MOST_CLAIMS);
        self
    }

    /// Sets how many processes there may be: at least 1.
    #[must_use]
    pub fn with_processes(mut self, processes: usize) -> Self {
        self.processes = processes.max(1);
        self
    }

    /// Sets how much people do: between half of this and half as much again.
    #[must_use]
    pub const fn with_deeds(mut self, deeds: usize) -> Self {
        self.deeds = deeds;
        self
    }

    /// Sets which faults there are to draw from, and how many kinds a history has at most. A kind
    /// that is named twice is drawn twice as often.
    #[must_use]
    pub fn with_faults(mut self, faults: impl IntoIterator<Item = FaultKind>, most: usize) -> Self {
        self.faults = faults.into_iter().collect();
        self.most_faults = most;
        self
    }

    /// Runs the histories on another store: `make` gives an empty one that lives by the clock.
    #[must_use]
    pub fn with_store(
        mut self,
        make: impl Fn(Arc<dyn Clock>) -> Arc<dyn Store> + Send + Sync + 'static,
    ) -> Self {
        self.store = Some(Arc::new(make));
        self
    }

    /// Breaks something, to see that it is caught.
    #[must_use]
    pub const fn with_mutant(mut self, mutant: Mutant) -> Self {
        self.mutant = Some(mutant);
        self
    }

    /// Runs the history of a seed.
    pub fn run(&self, seed: u64) -> History {
        self.run_less(seed, &Less::default())
    }

    /// Runs the history of a seed without some of what happens in it.
    pub fn run_less(&self, seed: u64, less: &Less) -> History {
        self.simulate(seed, less, false)
    }

    /// Runs the history of a seed without some of what happens in it, and writes down all of it.
    pub fn trace(&self, seed: u64, less: &Less) -> History {
        self.simulate(seed, less, true)
    }

    fn simulate(&self, seed: u64, less: &Less, trace: bool) -> History {
        let plan = Plan::draw(self, seed);
        let mut history = History {
            seed,
            less: less.clone(),
            is_of_claims: self.profile == Profile::Claims,
            breach: None,
            coverage: Coverage::default(),
            digest: 0,
            deeds: u64::try_from(plan.deeds.len()).unwrap_or(u64::MAX),
            struck: 0,
            plan: Vec::new(),
            trace: Vec::new(),
        };
        let deeds = (0_u64..).zip(&plan.deeds);
        let deeds = deeds.filter(|(number, _)| !less.deeds.contains(number));
        history.plan.extend(deeds.map(|(number, deed)| format!("deed {number:>3} {deed}")));
        history.plan.extend(plan.faults.iter().map(|active| match active.window {
            Some((from, to)) => {
                format!("fault {} from {} s to {} s", active.kind, from.as_secs(), to.as_secs())
            }
            None => format!("fault {}", active.kind),
        }));
        let world = match World::new(self, &plan, seed, &less.faults) {
            Ok(world) => world,
            Err(error) => {
                let message = format!("the world cannot be made: {error}");
                history.breach = Some(Breach::new(Invariant::ComesToRest, message));
                return history;
            }
        };
        let core = world.core.clone();
        core.with(|state| state.trace = trace.then(Vec::new));
        Run::new(&plan, world, &less.deeds).run();
        history.digest = core.digest();
        core.with(|state| {
            history.breach = state.breach.take();
            history.coverage = std::mem::take(&mut state.coverage);
            history.coverage.histories = 1;
            history.struck = state.weather.struck();
            history.trace = state.trace.take().unwrap_or_default();
        });
        history
    }

    /// Runs a history that breaks a promise again and again, and leaves out what is not needed for
    /// that.
    pub fn shrink(&self, seed: u64) -> History {
        let mut best = self.run(seed);
        let Some(invariant) = best.breach().map(|breach| breach.invariant) else { return best };
        let still = |less: &Less| {
            let history = self.run_less(seed, less);
            history.breach().is_some_and(|breach| breach.invariant == invariant).then_some(history)
        };
        loop {
            let before = best.less.clone();
            // Large parts first: half of all, then a quarter, down to one.
            let mut size = usize::try_from(best.deeds.max(best.struck)).unwrap_or(usize::MAX) / 2;
            while size > 0 {
                let deeds: Vec<u64> =
                    (0..best.deeds).filter(|deed| !best.less.deeds.contains(deed)).collect();
                for part in deeds.chunks(size) {
                    let mut less = best.less.clone();
                    less.deeds.extend(part);
                    best = still(&less).unwrap_or(best);
                }
                let faults: Vec<u64> =
                    (0..best.struck).filter(|fault| !best.less.faults.contains(fault)).collect();
                for part in faults.chunks(size) {
                    let mut less = best.less.clone();
                    less.faults.extend(part);
                    best = still(&less).unwrap_or(best);
                }
                size /= 2;
            }
            if best.less == before {
                return best;
            }
        }
    }
}

/// What is left out of a history: deeds and faults, by their numbers.
///
/// As text: `d3,d17,f2-40`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Less {
    deeds: BTreeSet<u64>,
    faults: BTreeSet<u64>,
}

/// Writes numbers down, those that follow each other as ranges.
fn ranges(front: char, numbers: &BTreeSet<u64>) -> Vec<String> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if last.saturating_add(1) == *number => *last = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    let text = |(first, last)| match first == last {
        true => format!("{front}{first}"),
        false => format!("{front}{first}-{last}"),
    };
    ranges.into_iter().map(text).collect()
}

impl fmt::Display for Less {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = ranges('d', &self.deeds);
        parts.extend(ranges('f', &self.faults));
        f.write_str(&parts.join(","))
    }
}

impl FromStr for Less {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut less = Self::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (numbers, range) = match part.strip_prefix('f') {
                Some(range) => (&mut less.faults, range),
                None => (&mut less.deeds, part.trim_start_matches('d')),
            };
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last): (u64, u64) = (first.parse()?, last.parse()?);
            numbers.extend(first..=last);
        }
        Ok(less)
    }
}

/// A history that was run.
#[derive(Clone, Debug)]
pub struct History {
    seed: u64,
    less: Less,
    is_of_claims: bool,
    breach: Option<Breach>,
    coverage: Coverage,
    digest: u64,
    deeds: u64,
    struck: u64,
    plan: Vec<String>,
    trace: Vec<String>,
}

impl History {
    /// Returns the seed.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns the first promise that was broken, if one was.
    pub const fn breach(&self) -> Option<&Breach> {
        self.breach.as_ref()
    }

    /// Returns what occurred.
    pub const fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// Returns a digest of everything that happened, in its order: the same for the same history.
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// Returns what was left out of it.
    pub const fn less(&self) -> &Less {
        &self.less
    }

    /// Returns everything that happened, in lines, if it was [traced](Scenario::trace).
    pub fn lines(&self) -> &[String] {
        &self.trace
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.breach {
            Some(breach) => writeln!(f, "seed {}: {breach}", self.seed)?,
            None => writeln!(f, "seed {}: all promises were kept", self.seed)?,
        }
        self.plan.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        let struck = self.struck.saturating_sub(u64::try_from(self.less.faults.len()).unwrap_or(0));
        writeln!(f, "  {struck} faults struck")?;
        write!(f, "replay: scripts/simulate --seed {} --count 1 --trace", self.seed)?;
        if self.is_of_claims {
            write!(f, " --claims")?;
        }
        if self.less != Less::default() {
            write!(f, " --less {}", self.less)?;
        }
        writeln!(f)
    }
}
