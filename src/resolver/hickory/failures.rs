//! Failures that are remembered (RFC 9520).

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{
    clock::{Timestamp, after},
    resolver::{Answer, Failure, Lookup, Outcome},
};

/// Questions that got no answer lately, and are not asked again at once.
#[derive(Debug)]
pub(super) struct Failures {
    /// How long a first failure is remembered.
    first: Duration,
    /// How long any failure is remembered.
    most: Duration,
    known: Mutex<HashMap<Lookup, Known>>,
}

/// A failure that is remembered.
#[derive(Debug)]
struct Known {
    answer: Answer,
    since: Timestamp,
    until: Timestamp,
    /// How long it is remembered.
    long: Duration,
}

impl Failures {
    /// Most failures that are remembered.
    const MAX: usize = 4096;

    pub(super) fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, known: Mutex::default() }
    }

    /// Returns what came of a question a moment ago, if it is to be left at that.
    pub(super) fn recall(&self, lookup: &Lookup, now: Timestamp) -> Option<Answer> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get(lookup)?;
        // Before it was noted it cannot be: the clock was set back.
        (known.since..known.until).contains(&now).then(|| known.answer.clone())
    }

    /// Notes what came of a question: an answer makes the failures before it forgotten.
    pub(super) fn note(&self, lookup: &Lookup, answer: &Answer, now: Timestamp) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_failure(&answer.outcome) {
            known.remove(lookup);
            return;
        }
        let lately = known.get(lookup).filter(|known| now <= after(known.until, self.most));
        let again = lately.map(|known| known.long.saturating_mul(2));
        let long = again.unwrap_or(self.first).min(self.most);
        if known.len() >= Self::MAX && !known.contains_key(lookup) {
            known.retain(|_, known| (known.since..known.until).contains(&now));
            // RFC 9520 section 3.2: the cache is bounded.
            if known.len() >= Self::MAX {
                return;
            }
        }
        let until = after(now, long);
        let entry = Known { answer: answer.clone(), since: now, until, long };
        known.insert(lookup.clone(), entry);
    }
}

/// Whether a question is not to be asked again at once.
///
/// Servers that disagree have answered, and are about to agree.
fn is_failure(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Timeout => true,
        Outcome::Failed(failure) => *failure != Failure::Disagreement,
        Outcome::Answer(_) | Outcome::NxDomain { .. } | Outcome::NoData { .. } => false,
    }
}

#[cfg(test)]
mod tests;
