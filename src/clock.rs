//! Time: where it is read, and the one place where anything waits for it.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// An instant, in UTC.
///
/// The one alias of the crate beside [`Result`](crate::error::Result): public instants are chrono's.
pub type Timestamp = DateTime<Utc>;

/// A source of wall-clock time.
///
/// Every deadline, lease and renewal window is computed from this, never from
/// [`SystemTime::now`](std::time::SystemTime::now), so that a test can move time without sleeping.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Returns the current time. Not required to be monotonic.
    fn now(&self) -> Timestamp;
}

/// Something that can wait.
///
/// Used by `Worker::run` between two steps and for the deadline of each call to a backend. The
/// caller injects it, so that the crate needs no runtime of its own.
#[async_trait]
pub trait Timer: fmt::Debug + Send + Sync + 'static {
    /// Returns after `duration` has passed.
    ///
    /// # Cancellation
    ///
    /// Dropping the future has no effect on later calls.
    async fn sleep(&self, duration: Duration);
}

macro_rules! forward {
    ($($pointer:ident),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        impl<C: Clock + ?Sized> Clock for $pointer<C> {
            fn now(&self) -> Timestamp {
                (**self).now()
            }
        }

        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<T: Timer + ?Sized> Timer for $pointer<T> {
            async fn sleep(&self, duration: Duration) {
                (**self).sleep(duration).await;
            }
        }
    )*};
}

forward!(Arc, Box);

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has no state to grow")]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // The one permitted call; `clippy.toml` forbids the rest.
        #[expect(clippy::disallowed_methods)]
        DateTime::from(std::time::SystemTime::now())
    }
}

/// A clock that stands still until it is told to move. Clones share the time.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<Timestamp>>);

impl ManualClock {
    /// Creates a clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(now)))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = after(*now, by);
    }

    /// Sets the clock, also backwards.
    pub fn set(&self, to: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A timer on tokio. Must be used inside a tokio runtime with time enabled.
#[cfg(feature = "tokio")]
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has no state to grow")]
pub struct TokioTimer;

#[cfg(feature = "tokio")]
#[async_trait]
impl Timer for TokioTimer {
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Returns the instant `wait` after `at`, or the last one that can be expressed.
///
/// To the microsecond, which every store keeps: a decision is the same whatever it is stored in.
pub fn after(at: Timestamp, wait: Duration) -> Timestamp {
    TimeDelta::from_std(wait)
        .ok()
        .and_then(|wait| at.checked_add_signed(wait))
        .map_or(Timestamp::MAX_UTC, |then| then.trunc_subsecs(6).max(at))
}

/// Returns the time from `start` to `end`, zero if `end` is not later.
pub fn between(start: Timestamp, end: Timestamp) -> Duration {
    (end - start).to_std().unwrap_or_default()
}

/// Returns the start of the second in which `at` is.
pub fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_timestamp(at.timestamp(), 0).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_the_ends_of_time() {
        assert_eq!(after(Timestamp::MAX_UTC, Duration::from_secs(1)), Timestamp::MAX_UTC);
        assert_eq!(after(Timestamp::UNIX_EPOCH, Duration::MAX), Timestamp::MAX_UTC);
        assert_eq!(between(Timestamp::MAX_UTC, Timestamp::UNIX_EPOCH), Duration::ZERO);
    }

    #[tokio::test]
    async fn what_is_shared_or_boxed_is_a_clock_and_a_timer_too() {
        /// Moves a clock on instead of waiting.
        #[derive(Debug)]
        struct Skips(ManualClock);

        #[async_trait]
        impl Timer for Skips {
            async fn sleep(&self, duration: Duration) {
                self.0.advance(duration);
            }
        }

        let manual = ManualClock::new(Timestamp::UNIX_EPOCH);
        let timer: Box<dyn Timer> = Box::new(Arc::new(Skips(manual.clone())));
        timer.sleep(Duration::from_secs(7)).await;
        let clock: Arc<dyn Clock> = Arc::new(Box::new(manual));
        assert_eq!(clock.now().timestamp(), 7);
    }

    #[test]
    fn clones_of_a_manual_clock_share_the_time() {
        let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
        clock.clone().advance(Duration::from_secs(7));
        assert_eq!(clock.now().timestamp(), 7);
    }
}
