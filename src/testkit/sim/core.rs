//! What everybody in a history shares: virtual time, what is asked of the scheduler, and notes.

use std::{
    collections::BTreeMap,
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    coverage::Coverage, dice::Dice, invariant::Breach, outbox::Instant, shift::Shift, truth::Truth,
    weather::Weather,
};
use crate::clock::{Clock, ManualClock, Timer, Timestamp, after};

/// A future in a box.
pub(super) type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a call asks the scheduler to do to the process that makes it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Order {
    /// It is killed, and comes back after this time; `None` is when the storm is over.
    Kill(usize, Option<Duration>),
    /// Its worker is told to stop, and comes back after this time.
    Retire(usize, Duration),
    /// It is stopped for this time.
    Stop(usize, Duration),
    /// All are stopped for this time.
    Suspend(Duration),
}

/// What everybody in a history shares. Clones are handles.
#[derive(Clone)]
pub(super) struct Core {
    clock: ManualClock,
    state: Arc<Mutex<State>>,
}

/// The state behind a [`Core`].
pub(super) struct State {
    /// Time since the start, which never jumps.
    pub(super) now: Duration,
    timers: BTreeMap<(Duration, u64), Waker>,
    next_timer: u64,
    /// Futures to run beside those that wait: what the network still carries.
    pub(super) spawned: Vec<Boxed>,
    pub(super) orders: Vec<Order>,
    /// The workers that run, by their process.
    pub(super) shifts: BTreeMap<usize, Shift>,
    pub(super) dice: Dice,
    pub(super) weather: Weather,
    pub(super) coverage: Coverage,
    pub(super) truth: Truth,
    pub(super) breach: Option<Breach>,
    digest: u64,
    pub(super) trace: Option<Vec<String>>,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Core")
    }
}

impl Core {
    pub(super) fn new(start: Timestamp, dice: Dice, weather: Weather, truth: Truth) -> Self {
        let state = State {
            now: Duration::ZERO,
            timers: BTreeMap::new(),
            next_timer: 0,
            spawned: Vec::new(),
            orders: Vec::new(),
            shifts: BTreeMap::new(),
            dice,
            weather,
            coverage: Coverage::default(),
            truth,
            breach: None,
            // The offset basis of FNV-1a.
            digest: 0xcbf2_9ce4_8422_2325,
            trace: None,
        };
        Self { clock: ManualClock::new(start), state: Arc::new(Mutex::new(state)) }
    }

    pub(super) const fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// Looks at the shared state. Must not be used inside itself.
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes something that happened.
    pub(super) fn note(&self, what: impl FnOnce() -> String) {
        let clock = self.clock.now();
        self.with(|state| state.note(clock, what));
    }

    /// Notes that a promise was broken; the first one counts.
    pub(super) fn breach(&self, breach: Breach) {
        self.note(|| format!("BREACH {breach}"));
        self.with(|state| {
            state.breach.get_or_insert(breach);
        });
    }

    /// Waits for virtual time to pass.
    pub(super) fn sleep(&self, time: Duration) -> Sleep {
        let at = self.with(|state| state.now.saturating_add(time));
        Sleep { core: self.clone(), at, registered: None }
    }

    /// Lets others go first, if the dice say so.
    pub(super) async fn give_way(&self) {
        let mut given = false;
        poll_fn(|context| {
            if given {
                return Poll::Ready(());
            }
            given = true;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Moves time forward, and rings the timers that are due.
    pub(super) fn advance_to(&self, to: Duration) {
        let due = self.with(|state| {
            let passed = to.saturating_sub(state.now);
            state.now = state.now.max(to);
            self.clock.advance(passed);
            let later = state.timers.split_off(&(state.now, u64::MAX));
            std::mem::replace(&mut state.timers, later)
        });
        for waker in due.into_values() {
            waker.wake();
        }
    }

    /// Lets the clock of the store jump, while no time passes.
    pub(super) fn jump(&self, by: Duration, forward: bool) {
        let now = self.clock.now();
        if forward {
            self.clock.advance(by);
        } else if let Ok(by) = chrono::TimeDelta::from_std(by)
            && let Some(to) = now.checked_sub_signed(by)
        {
            self.clock.set(to);
        }
    }

    /// Returns when the next timer rings.
    pub(super) fn next_timer(&self) -> Option<Duration> {
        self.with(|state| state.timers.keys().next().map(|(at, _)| *at))
    }

    /// Returns the digest of everything that was noted.
    pub(super) fn digest(&self) -> u64 {
        self.with(|state| state.digest)
    }
}

impl State {
    /// Returns when it is, if this is what the clock of the store says.
    pub(super) const fn instant(&self, clock: Timestamp) -> Instant {
        Instant { now: self.now, clock, jumped: self.truth.jumped }
    }

    pub(super) fn note(&mut self, clock: Timestamp, what: impl FnOnce() -> String) {
        let line = what();
        for byte in line.bytes().chain(clock.timestamp_micros().to_le_bytes()) {
            // FNV-1a.
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        if let Some(trace) = &mut self.trace {
            let since = self.now.as_secs_f64();
            trace.push(format!("{since:>14.3} {} {line}", clock.format("%m-%d %H:%M:%S")));
        }
    }
}

/// A wait in virtual time.
#[must_use = "nobody waits unless it is polled"]
pub(super) struct Sleep {
    core: Core,
    at: Duration,
    registered: Option<(Duration, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let at = self.at;
        let known = self.registered;
        let registered = self.core.with(|state| {
            if state.now >= at {
                return None;
            }
            let key = known.unwrap_or_else(|| {
                state.next_timer += 1;
                (at, state.next_timer)
            });
            state.timers.insert(key, context.waker().clone());
            Some(key)
        });
        self.registered = registered.or(known);
        if registered.is_some() { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.registered.take() {
            self.core.with(|state| state.timers.remove(&key));
        }
    }
}

#[async_trait]
impl Timer for Core {
    async fn sleep(&self, duration: Duration) {
        Self::sleep(self, duration).await;
    }
}

/// A clock that is wrong by a fixed time.
#[derive(Clone, Debug)]
pub(super) struct Skewed {
    pub(super) clock: ManualClock,
    pub(super) ahead: Duration,
}

impl Clock for Skewed {
    fn now(&self) -> Timestamp {
        after(self.clock.now(), self.ahead)
    }
}
