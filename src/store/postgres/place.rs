//! Where a poll begins to look.
//!
//! What was leased leaves its old place in the index until the next vacuum, and a poll that began at the
//! longest due would walk over all of it. So a store remembers the instant below which it has leased
//! everything, and looks above. Nothing is placed below that later: what becomes due is placed at the
//! time of the write at the earliest, less [`BACKDATED`], and [`SLACK`] is what a transaction may take to
//! commit.
//!
//! What escapes all the same is found when polls look again:
//!
//! * after [`LOOK_AGAIN`], from where polls have begun since the last time, and from [`LATE`] before that
//!   time at the latest: a row that was locked just then, a transaction that stood still;
//! * after [`LOOK_AT_ALL`], and when the clock was set back, at everything: what a failover has undone, a
//!   transaction that took even longer.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::store::Kind;

/// How far back a place may be, in microseconds: those that are due for no longer keep their order.
pub(super) const BACKDATED: i64 = 1_000_000;

/// How far below the time a poll that found nothing more begins the next time.
const SLACK: i64 = 2_000_000;

/// After how long a poll looks again for what has escaped.
pub(super) const LOOK_AGAIN: i64 = 5_000_000;

/// How late a transaction commits at most that is found then: its client has given it up after half of
/// that, by the limits as they come.
const LATE: i64 = 60_000_000;

/// After how long everything is looked at again. While something keeps vacuum from its work, that takes
/// the longer the more has been leased.
pub(super) const LOOK_AT_ALL: i64 = 60_000_000;

/// Below every place.
pub(super) const NEVER: i64 = -i64::MAX;

/// Where the next poll for a kind begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Place {
    above: i64,
    /// When it was last looked at again.
    looked_at: i64,
    /// Where to begin when it is again.
    again: i64,
    /// When all of it was looked at.
    all_at: i64,
}

/// How far down a poll looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Look {
    Since,
    Again,
    All,
}

impl Place {
    const NOWHERE: Self = Self { above: NEVER, looked_at: 0, again: NEVER, all_at: 0 };

    /// How far the next poll looks, as the statement decides it.
    fn look(&self, now: i64) -> Look {
        let passed = now.saturating_sub(self.looked_at);
        if (0..=LOOK_AGAIN).contains(&passed) {
            Look::Since
        } else if passed > 0 && (0..=LOOK_AT_ALL).contains(&now.saturating_sub(self.all_at)) {
            Look::Again
        } else {
            Look::All
        }
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
    pub(super) again: Vec<i64>,
    pub(super) all_at: Vec<i64>,
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
            again: kinds.iter().map(|kind| of(kind).again).collect(),
            all_at: kinds.iter().map(|kind| of(kind).all_at).collect(),
        }
    }

    /// Takes note of what a poll has found: its lowest place, and whether there was no more.
    pub(super) fn note(&self, poll: &Poll, now: i64, lowest: Option<i64>, is_all: bool) {
        let mut places = self.all();
        let asked = poll.above.iter().zip(&poll.looked_at).zip(poll.again.iter().zip(&poll.all_at));
        let asked = asked.map(|((above, looked_at), (again, all_at))| Place {
            above: *above,
            looked_at: *looked_at,
            again: *again,
            all_at: *all_at,
        });
        for (kind, asked) in poll.kinds.iter().zip(asked) {
            let look = asked.look(now);
            let begun = match look {
                Look::Since => asked.above,
                Look::Again => asked.again,
                Look::All => NEVER,
            };
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
            *place = match look {
                Look::Since => {
                    Place { above: above.max(place.above), again: place.again.min(begun), ..*place }
                }
                Look::Again | Look::All => Place {
                    above,
                    looked_at: now,
                    // What this one had no room for is below that, if there is a backlog.
                    again: above.min(now.saturating_sub(LATE)),
                    all_at: if look == Look::All { now } else { place.all_at },
                },
            };
        }
    }
}

#[cfg(test)]
mod tests;
