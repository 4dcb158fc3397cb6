//! How long to wait before trying again, as data.

use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// A schedule of waits; the last one repeats.
///
/// Retries are due times in the store, so a schedule is a pure function of the number of attempts
/// and of a seed for the jitter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Backoff {
    steps: &'static [Duration],
}

impl Backoff {
    /// After a failed certificate order.
    ///
    /// Let's Encrypt's integration guide: 1, 10, 100 minutes, then daily. Three failures in the
    /// first hour stay below its limit of five failed authorizations an hour.
    pub const ORDER: Self =
        Self::new(&[MINUTE, Duration::from_secs(600), Duration::from_secs(6000), DAY]);

    /// While a record is awaited that the customer has to add.
    ///
    /// Quick at first, since somebody may be watching; later ever more rarely, without end.
    pub const PROOF: Self = Self::new(&[
        Duration::from_secs(15),
        Duration::from_secs(30),
        MINUTE,
        Duration::from_secs(120),
        Duration::from_secs(300),
        Duration::from_secs(900),
        HOUR,
        Duration::from_secs(4 * 3600),
        DAY,
    ]);

    /// After a service could not be reached or answered with a passing failure.
    pub const SERVICE: Self = Self::new(&[
        Duration::from_secs(2),
        Duration::from_secs(10),
        Duration::from_secs(30),
        Duration::from_secs(120),
        Duration::from_secs(600),
        HOUR,
    ]);

    /// Between two looks at something that a service works on; RFC 8555 section 7.5.1 leaves the
    /// interval to the client where the server gives no `Retry-After`.
    pub const POLL: Self = Self::new(&[
        Duration::from_millis(250),
        Duration::from_millis(500),
        Duration::from_secs(1),
        Duration::from_secs(2),
        Duration::from_secs(5),
        Duration::from_secs(15),
        Duration::from_secs(30),
    ]);

    /// After a notice could not be delivered to somebody who wants to hear of it.
    ///
    /// Seconds at first, for a restart; then up to eight hours, for an outage.
    pub const DELIVERY: Self = Self::new(&[
        Duration::from_secs(5),
        Duration::from_secs(30),
        Duration::from_secs(120),
        Duration::from_secs(600),
        Duration::from_secs(1800),
        HOUR,
        Duration::from_secs(2 * 3600),
        Duration::from_secs(4 * 3600),
        Duration::from_secs(8 * 3600),
    ]);

    /// Creates a schedule. An empty one waits not at all.
    pub const fn new(steps: &'static [Duration]) -> Self {
        Self { steps }
    }

    /// Returns the wait after the attempt number `attempt`, counted from 0, without jitter.
    pub fn base(&self, attempt: u32) -> Duration {
        let last = self.steps.len().saturating_sub(1);
        let step = usize::try_from(attempt).unwrap_or(last).min(last);
        self.steps.get(step).copied().unwrap_or_default()
    }

    /// Returns the wait after attempt `attempt`, between 75 % and 125 % of the schedule by `seed`.
    ///
    /// The spread keeps what failed together from coming back together.
    pub fn delay(&self, attempt: u32, seed: u64) -> Duration {
        spread(self.base(attempt), seed)
    }
}

/// Returns a duration between 75 % and 125 % of `base`, chosen by `seed`.
pub fn spread(base: Duration, seed: u64) -> Duration {
    let share = u32::try_from(seed % 1001).unwrap_or_default();
    base.saturating_mul(750 + share / 2) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_step_repeats() {
        assert_eq!(Backoff::ORDER.base(0), MINUTE);
        assert_eq!(Backoff::ORDER.base(3), DAY);
        assert_eq!(Backoff::ORDER.base(u32::MAX), DAY);
        assert_eq!(Backoff::new(&[]).delay(3, 9), Duration::ZERO);
    }

    #[test]
    fn jitter_stays_within_a_quarter() {
        for seed in 0..2000 {
            let wait = Backoff::ORDER.delay(1, seed);
            assert!(
                wait >= Duration::from_secs(450) && wait <= Duration::from_secs(750),
                "{wait:?}"
            );
        }
    }
}
