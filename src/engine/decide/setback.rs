//! What follows when work on a root came to nothing, before it could be decided what follows.

use crate::{
    clock::{Timestamp, after},
    domain::{Failure, Setback},
    engine::{
        notice::Notice,
        policy::Policy,
        root::{Moment, Trouble},
    },
    retry::Backoff,
};

/// Counts an attempt that came to nothing, and says when to try again. The one that is too many
/// parks: nothing is tried any more, and that is told.
pub(in crate::engine) fn set_back(
    before: Option<&Setback>,
    trouble: &Trouble,
    policy: &Policy,
    moment: Moment,
) -> (Setback, Option<Timestamp>, Option<Notice>) {
    let now = moment.now;
    let failed = before.map_or(0, |before| before.failure.attempts);
    let attempts = failed.saturating_add(1);
    let failure = Failure {
        kind: trouble.kind,
        code: trouble.code.clone(),
        message: trouble.message.clone(),
        at: now,
        attempts,
    };
    if attempts < policy.park_after {
        let at = after(now, Backoff::SERVICE.delay(failed, moment.number("setback")));
        return (Setback::new(failure, None), Some(at), None);
    }
    let notice = Notice::Parked { failure: failure.clone() };
    (Setback::new(failure, Some(now)), None, Some(notice))
}
