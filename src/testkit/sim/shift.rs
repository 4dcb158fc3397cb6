//! Workers that run until they are told to stop, and what they leave behind.

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    sync::{Arc, Mutex, PoisonError},
    task::{Poll, Waker},
    time::Duration,
};

use super::{
    dice::Dice,
    invariant::{Breach, Invariant},
    link::Link,
    model::{Content, Model},
    plan::{Deed, Plan, dice_u32},
};
use crate::{
    clock::Timestamp,
    error::Result,
    store::{Batch, Key, Lease, LeaseRequest, Leased, Then, Write},
};

const SECOND: Duration = Duration::from_secs(1);

/// For how long a call that went wrong may leave a lease behind.
const LEASE: Duration = Duration::from_secs(90);

/// How long a call to the store takes at most, and what is beside it.
const CALL: Duration = Duration::from_secs(12);

/// How workers run in a history.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// How often they look for work.
    pub(super) poll: Duration,
    /// How long they go on when they are told to stop.
    pub(super) drain: Duration,
}

impl Pace {
    pub(super) fn draw(dice: &mut Dice, storm: Duration) -> Self {
        let drain = match dice.below(3) {
            0 => SECOND * 20,
            1 => SECOND,
            _ => SECOND / 20,
        };
        // A long storm is not polled through second by second.
        Self { poll: (storm / 1000).max(SECOND * 2), drain }
    }
}

impl Plan {
    /// Draws when workers are told to stop: when something is done, as a rule.
    pub(super) fn draw_shifts(&mut self, dice: &mut Dice) {
        for _ in 0..4 + dice.below(6) {
            let deed = self.deeds.get(dice.index(self.deeds.len())).map(|planned| planned.at);
            let most = if dice.chance(700) { 20 } else { 80 };
            let late = SECOND / 20 * dice_u32(dice, most);
            let at = deed.unwrap_or_default() + late;
            let process = dice.index(self.processes);
            let back = SECOND * dice_u32(dice, 120);
            self.plan(dice, at, Deed::Retire(process, back));
        }
        self.deeds.sort_by_key(|planned| planned.at);
    }
}

/// Tells a worker to stop. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Bell(Arc<Mutex<(bool, Option<Waker>)>>);

impl Bell {
    pub(super) fn ring(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = true;
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    }

    /// Waits until it rings.
    pub(super) fn heard(self) -> impl Future<Output = ()> + Send {
        poll_fn(move |context| {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if state.0 {
                return Poll::Ready(());
            }
            state.1 = Some(context.waker().clone());
            Poll::Pending
        })
    }
}

/// A worker that runs, as far as is known outside.
#[derive(Clone, Debug, Default)]
pub(super) struct Shift {
    pub(super) bell: Bell,
    /// What it leased, and under which token.
    pub(super) leased: BTreeMap<Key, u64>,
    /// Since when it is to stop, and when it is to be back.
    pub(super) told: Option<(Duration, Duration)>,
    /// When it was last kept from what it wanted to do.
    pub(super) hindered: Option<Duration>,
    /// Whether work was under way when it was told to stop.
    pub(super) was_busy: bool,
    /// Whether it gave something back as it was since then.
    pub(super) gave_back: bool,
}

impl Shift {
    /// Returns whether nothing kept it from its work when it was told to stop, and since.
    fn is_free(&self, told: Duration) -> bool {
        self.hindered.is_none_or(|at| at.saturating_add(LEASE) < told)
    }

    /// Returns what is wrong with asking for work.
    pub(super) fn asks(&self) -> Option<Breach> {
        self.told?;
        Some(Breach::new(Invariant::StopsCleanly, "who is to stop asks for more work"))
    }

    /// Returns what is wrong with going on for so long.
    pub(super) fn lingers(&self, pace: Pace, now: Duration) -> Option<Breach> {
        let (told, _) = self.told?;
        let end = told.saturating_add(pace.drain).saturating_add(CALL);
        (now > end && self.is_free(told)).then(|| {
            let message = format!("a worker was told to stop at {told:?}, and works on");
            Breach::new(Invariant::StopsCleanly, message)
        })
    }

    /// Returns what is wrong with what it has left when it has stopped.
    pub(super) fn leaves(&self, model: &Model, clock: Timestamp) -> Option<Breach> {
        let (told, _) = self.told?;
        if !self.is_free(told) {
            return None;
        }
        let kept = self.leased.iter().find(|(key, token)| {
            model.rows.get(key).is_some_and(|row| {
                row.is_leased(**token, clock) && !matches!(row.content, Content::Newer)
            })
        });
        kept.map(|(key, _)| {
            let message = format!("a worker has stopped, and keeps the lease of {key}");
            Breach::new(Invariant::StopsCleanly, message)
        })
    }
}

/// Returns the root that a batch gives back as it is.
pub(super) fn given_back(batch: &Batch) -> Option<&Key> {
    let (Lease { key, .. }, Then::Release) = batch.lease.as_ref()? else { return None };
    let is_written = batch.writes.iter().any(|write| match write {
        Write::Put { key: written, .. } | Write::Delete { key: written, .. } => written == key,
        Write::Wake { .. } => false,
    });
    (!is_written).then_some(key)
}

impl Link {
    /// Takes note that a worker asks for work.
    pub(super) fn asks_for_work(&self, wanted: &LeaseRequest) {
        if wanted.only.is_some() {
            return;
        }
        let shift = self.core.with(|state| state.shifts.get(&self.process).and_then(Shift::asks));
        if let Some(breach) = shift {
            self.core.breach(breach);
        }
    }

    /// Takes note of the work that a worker got.
    pub(super) fn got_work(&self, wanted: &LeaseRequest, got: &Result<Leased>) {
        let Ok(leased) = got else { return };
        if wanted.only.is_some() {
            return;
        }
        self.core.with(|state| {
            let Some(shift) = state.shifts.get_mut(&self.process) else { return };
            let leases = leased.leases.iter();
            shift.leased.extend(leases.map(|(lease, _)| (lease.key.clone(), lease.token)));
        });
    }

    /// Takes note of roots that are left alone for longer than a lease.
    pub(super) fn puts_off(&self, leases: &[Lease], by: Duration) {
        if by <= LEASE {
            return;
        }
        self.core.with(|state| {
            let Some(shift) = state.shifts.get_mut(&self.process) else { return };
            for lease in leases {
                shift.leased.remove(&lease.key);
            }
        });
    }

    /// Takes note of a root that is given back as it is.
    pub(super) fn gives_back(&self, batch: &Batch) {
        if given_back(batch).is_some() {
            self.core.with(|state| {
                let shift = state.shifts.get_mut(&self.process);
                if let Some(shift) = shift.filter(|shift| shift.told.is_some()) {
                    shift.gave_back = true;
                }
            });
        }
    }
}
