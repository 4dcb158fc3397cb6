//! Which faults strike in a history, where and how often.

use std::{collections::BTreeSet, time::Duration};

use super::{
    dice::Dice,
    fault::{FaultKind, Site},
};

/// A kind of fault that is about in a history.
#[derive(Clone, Copy, Debug)]
pub(super) struct Active {
    pub(super) kind: FaultKind,
    /// In how many of a thousand calls it strikes.
    pub(super) rate: u64,
    /// From when to when; `None` is always.
    pub(super) window: Option<(Duration, Duration)>,
}

/// The faults of a history.
#[derive(Clone, Debug)]
pub(super) struct Weather {
    seed: u64,
    active: Vec<Active>,
    /// Faults, by their number, that do not strike after all.
    muted: BTreeSet<u64>,
    calls: u64,
    struck: u64,
    calm: bool,
}

impl Weather {
    pub(super) const fn new(seed: u64, active: Vec<Active>, muted: BTreeSet<u64>) -> Self {
        Self { seed, active, muted, calls: 0, struck: 0, calm: false }
    }

    /// Ends all faults.
    pub(super) fn calm(&mut self) {
        self.calm = true;
    }

    pub(super) const fn is_calm(&self) -> bool {
        self.calm
    }

    /// Returns how many faults struck, those that were muted included.
    pub(super) const fn struck(&self) -> u64 {
        self.struck
    }

    /// Says what happens to a call, with chance for the details.
    pub(super) fn strike(&mut self, site: Site, now: Duration) -> Option<(FaultKind, Dice)> {
        self.calls += 1;
        if self.calm {
            return None;
        }
        // By the number of the call: what is taken away does not change the chance of the rest.
        let mut dice = Dice::new(self.seed, self.calls);
        for active in &self.active {
            let is_about = active.window.is_none_or(|(from, to)| from <= now && now < to);
            if !is_about || !active.kind.strikes(site) || !dice.chance(active.rate) {
                continue;
            }
            let number = self.struck;
            self.struck += 1;
            if !self.muted.contains(&number) {
                return Some((active.kind, dice));
            }
        }
        None
    }
}
