//! Where a poll begins to look.
//!
//! What was leased leaves its old place in the index until the next vacuum, and a poll that began at the
//! longest due would walk over all of it. So a store remembers the instant below which it has leased
//! everything, and looks above. Nothing is placed below that later: what becomes due is placed at the
//! time of the write at the earliest, less [`BACKDATED`], and [`SLACK`] is what a transaction may take to
//! commit. What escapes all the same (a row that was locked just then, a transaction that stood still,
//! a clock that was set back) is found when all is looked at again, after [`LOOK_AGAIN`].

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::store::Kind;

/// How far back a place may be, in microseconds: those that are due for no longer keep their order.
pub(super) const BACKDATED: i64 = 1_000_000;

/// How far below the time a poll that found nothing more begins the next time.
const SLACK: i64 = 2_000_000;

/// After how long everything is looked at again.
pub(super) const LOOK_AGAIN: i64 = 5_000_000;

/// Below every place.
pub(super) const NEVER: i64 = -i64::MAX;

/// Where the next poll for a kind begins, and when all of it was looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Place {
    above: i64,
    looked_at: i64,
}

impl Place {
    const NOWHERE: Self = Self { above: NEVER, looked_at: 0 };

    /// Whether the next poll looks at everything, as the statement decides it.
    fn is_over(self, now: i64) -> bool {
        !(0..=LOOK_AGAIN).contains(&now.saturating_sub(self.looked_at))
    }
}

/// The places of all kinds, shared by the clones of a store.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<BTreeMap<Kind, Place>>);

/// What one poll is asked for: the kinds, and where it begins for each.
#[derive(Debug)]
pub(super) struct Poll {
    kinds: Vec<Kind>,
    pub(super) names: Vec<&'static str>,
    pub(super) above: Vec<i64>,
    pub(super) looked_at: Vec<i64>,
}

impl Places {
    fn all(&self) -> MutexGuard<'_, BTreeMap<Kind, Place>> {
        // Each place is written as a whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what to ask for.
    pub(super) fn poll(&self, kinds: &[Kind]) -> Poll {
        let places = self.all();
        let of = |kind| places.get(kind).copied().unwrap_or(Place::NOWHERE);
        Poll {
            kinds: kinds.to_vec(),
            names: kinds.iter().map(|kind| kind.as_str()).collect(),
            above: kinds.iter().map(|kind| of(kind).above).collect(),
            looked_at: kinds.iter().map(|kind| of(kind).looked_at).collect(),
        }
    }

    /// Takes note of what a poll has found: its lowest place, and whether there was no more.
    pub(super) fn note(&self, poll: &Poll, now: i64, lowest: Option<i64>, is_all: bool) {
        let mut places = self.all();
        let asked = poll.above.iter().zip(&poll.looked_at);
        for (kind, (above, looked_at)) in poll.kinds.iter().zip(asked) {
            let asked = Place { above: *above, looked_at: *looked_at };
            let was_all = asked.is_over(now);
            let begun = if was_all { NEVER } else { asked.above };
            // What is written from now on may be placed a little below the time, and so below what a
            // full poll has found.
            let behind = now.saturating_sub(SLACK);
            let above = if is_all {
                behind
            } else {
                // All kinds are looked at in one order; those above the first may have been in
                // somebody's hands.
                lowest.map_or(begun, |lowest| lowest.saturating_sub(1).min(behind))
            };
            let place = places.entry(*kind).or_insert(Place::NOWHERE);
            *place = if was_all {
                Place { above, looked_at: now }
            } else {
                Place { above: above.max(place.above), ..*place }
            };
        }
    }
}

#[cfg(test)]
mod tests;
