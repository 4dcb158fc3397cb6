//! Not waiting again and again for a subscriber that does not answer.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::clock::{Timestamp, after};

/// How many deliveries in a row may go without an answer before others are not tried for a while.
const LIMIT: u32 = 3;

/// How long others are not tried then; after it, one is.
const PAUSE: Duration = Duration::from_secs(60);

/// What this process knows of whether a subscriber answers.
///
/// Each wait takes the place of other work: without this, a subscriber that hangs would hold up all
/// domains once enough of them have something to tell it. An answer of any kind ends the pause; it is
/// a hint, and forgotten when the process ends.
#[derive(Debug, Default)]
pub(in crate::engine) struct Silence(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    unanswered: u32,
    until: Option<Timestamp>,
}

impl Silence {
    /// Returns whether to try a delivery now. After a pause that is one, until it is answered.
    pub(super) fn may_try(&self, now: Timestamp) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.until {
            // No pause is longer, whatever a clock said when it began.
            Some(until) if now < until && until <= after(now, PAUSE) => false,
            Some(_) => {
                state.until = Some(after(now, PAUSE));
                true
            }
            None => true,
        }
    }

    /// Takes note of whether a delivery was answered in time.
    pub(super) fn note(&self, answered: bool, now: Timestamp) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answered {
            *state = State::default();
            return;
        }
        state.unanswered = state.unanswered.saturating_add(1);
        if state.unanswered >= LIMIT {
            state.until = Some(after(now, PAUSE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_makes_no_pause_longer() {
        let at = |seconds| after(Timestamp::UNIX_EPOCH, Duration::from_secs(seconds));
        let silence = Silence::default();
        for _ in 0..LIMIT {
            silence.note(false, at(90_000));
        }
        assert!(!silence.may_try(at(90_000)));
        assert!(silence.may_try(at(3600)));
        assert!(!silence.may_try(at(3600)));
    }

    #[test]
    fn a_silent_subscriber_is_tried_once_in_a_while_until_it_answers() {
        let at = |seconds| after(Timestamp::UNIX_EPOCH, Duration::from_secs(seconds));
        let silence = Silence::default();
        for _ in 0..LIMIT {
            assert!(silence.may_try(at(0)));
            silence.note(false, at(0));
        }
        assert!(!silence.may_try(at(59)));
        // One, and only one, finds out.
        assert!(silence.may_try(at(60)));
        assert!(!silence.may_try(at(60)));
        silence.note(false, at(70));
        assert!(!silence.may_try(at(129)));
        assert!(silence.may_try(at(130)));
        silence.note(true, at(131));
        assert!(silence.may_try(at(131)) && silence.may_try(at(131)));
        // A few that are not answered are no pattern.
        silence.note(false, at(131));
        assert!(silence.may_try(at(131)));
    }
}
