//! What has been seen of the outside world, and how long it may be relied on.
//!
//! A verdict has three values. `Unknown` (no answer, a broken answer, answers that disagree) is
//! never a proof and never a reason to take something away: it neither extends nor breaks a run.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    clock::{Timestamp, after, between, whole_second},
    name::DnsName,
};

/// What one look says about what it looked for.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// It is there.
    Confirmed,
    /// It is certainly not there.
    Refuted,
    /// Nothing can be said.
    #[default]
    Unknown,
}

impl Verdict {
    /// Returns the stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Refuted => "refuted",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What evidence is about.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Topic {
    /// The `_acme-challenge` name is delegated to us.
    Delegation,
    /// The tenant has published the ownership token.
    Ownership,
    /// The name leads to the platform.
    Routing,
}

impl Topic {
    /// Returns the stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delegation => "delegation",
            Self::Ownership => "ownership",
            Self::Routing => "routing",
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Exactly what was looked for: evidence of one subject is none for another.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Subject {
    /// What it is about.
    pub topic: Topic,
    /// The generation of the claim, so that an old proof cannot match.
    pub generation: u32,
    /// Where it was looked for.
    pub name: DnsName,
}

impl Subject {
    /// Creates a subject.
    pub const fn new(topic: Topic, generation: u32, name: DnsName) -> Self {
        Self { topic, generation, name }
    }
}

/// What was found, in bounded form, for explaining a verdict.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Seen {
    /// What kind of answer came.
    pub found: Found,
    /// The values that were there: at most [`Seen::MAX_VALUES`] of [`Seen::MAX_VALUE`] bytes.
    pub values: Vec<String>,
}

/// What kind of answer came.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Found {
    /// DNSSEC validation failed.
    Bogus,
    /// The server could not answer.
    Failed,
    /// There is nothing of that type.
    NoData,
    /// There is no such name.
    NxDomain,
    /// Nobody has looked yet.
    #[default]
    Nothing,
    /// A DNAME record renames everything there: what is found is another name's.
    Renamed,
    /// No answer came in time.
    Timeout,
    /// Values.
    Values,
    /// A wildcard record that answers for any name, and so proves nothing about one.
    Wildcard,
}

impl Seen {
    /// Most values that are kept.
    pub const MAX_VALUES: usize = 8;

    /// Longest value that is kept, in bytes.
    pub const MAX_VALUE: usize = 300;

    /// Creates a note that holds no values.
    pub const fn of(found: Found) -> Self {
        Self { found, values: Vec::new() }
    }

    /// Creates a note of values, in their order, within the bounds.
    pub fn values(values: impl IntoIterator<Item = String>) -> Self {
        let bounded = |value: String| {
            let mut value: String =
                value.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
            value.truncate(value.floor_char_boundary(Self::MAX_VALUE));
            value
        };
        Self {
            found: Found::Values,
            values: values.into_iter().take(Self::MAX_VALUES).map(bounded).collect(),
        }
    }
}

impl Default for Seen {
    fn default() -> Self {
        Self::of(Found::Nothing)
    }
}

/// One look at something.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Observation {
    /// What was looked for.
    pub subject: Subject,
    /// What it says.
    pub verdict: Verdict,
    /// When.
    pub at: Timestamp,
    /// What was there.
    pub seen: Seen,
}

impl Observation {
    /// Creates an observation.
    pub const fn new(subject: Subject, verdict: Verdict, at: Timestamp, seen: Seen) -> Self {
        Self { subject, verdict, at, seen }
    }
}

/// What all looks at one thing amount to.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Evidence {
    /// The latest verdict.
    pub last: Verdict,
    /// When that was.
    pub at: Option<Timestamp>,
    /// When it was last confirmed.
    pub confirmed_at: Option<Timestamp>,
    /// The definite verdict that the latest run of looks agrees on.
    pub run: Verdict,
    /// When the run began.
    pub run_since: Option<Timestamp>,
    /// How many looks of the run count.
    pub run_count: u16,
    /// When a look last counted.
    pub counted_at: Option<Timestamp>,
    /// When a verdict was last definite.
    pub definite_at: Option<Timestamp>,
    /// What was there at the latest look.
    pub seen: Seen,
}

impl Evidence {
    /// Returns the evidence after one more look.
    ///
    /// A look within `spacing` of the last one that counted changes no count, so that clicks,
    /// replays and clock jumps cannot add up. A definite verdict that differs starts a new run.
    ///
    /// Kept to the second: it is stored with every domain.
    #[must_use]
    pub fn fold(&self, look: &Observation, spacing: Duration) -> Self {
        let at = whole_second(look.at);
        let mut next = self.clone();
        next.last = look.verdict;
        next.at = Some(at);
        next.seen = look.seen.clone();
        match look.verdict {
            Verdict::Unknown => return next,
            Verdict::Confirmed => next.confirmed_at = Some(at),
            Verdict::Refuted => {}
        }
        next.definite_at = Some(at);
        if look.verdict != self.run {
            next.run = look.verdict;
            next.run_since = Some(at);
            next.run_count = 1;
            next.counted_at = Some(at);
        } else if self.counted_at.is_none_or(|counted| at >= after(counted, spacing)) {
            next.run_count = self.run_count.saturating_add(1);
            next.counted_at = Some(at);
        }
        next
    }

    /// Returns what may be relied on at `now`: a definite verdict that is older than `max_age`
    /// reads as unknown, and so does one from further than that in the future: a clock was wrong.
    pub fn as_of(&self, now: Timestamp, max_age: Duration) -> Verdict {
        match self.definite_at {
            Some(at) if now <= after(at, max_age) && at <= after(now, max_age) => self.run,
            _ => Verdict::Unknown,
        }
    }

    /// Returns whether it has been refuted at least `count` times over at least `time`.
    pub fn is_refuted_for(&self, count: u16, time: Duration, now: Timestamp) -> bool {
        self.runs(Verdict::Refuted, count, time, now)
    }

    /// Returns whether it has been confirmed at least `count` times over at least `time`.
    pub fn is_confirmed_for(&self, count: u16, time: Duration, now: Timestamp) -> bool {
        self.runs(Verdict::Confirmed, count, time, now)
    }

    fn runs(&self, verdict: Verdict, count: u16, time: Duration, now: Timestamp) -> bool {
        self.run == verdict
            && self.run_count >= count
            && self.run_since.is_some_and(|since| between(since, now) >= time)
    }
}

/// Returns what several looks at the same thing, at the same time, say together.
///
/// A definite verdict needs `quorum` looks that agree and none that says the opposite.
pub fn merge(sightings: &[Verdict], quorum: usize) -> Verdict {
    let count = |verdict| sightings.iter().filter(|seen| **seen == verdict).count();
    match (count(Verdict::Confirmed), count(Verdict::Refuted)) {
        (confirmed, 0) if confirmed >= quorum.max(1) => Verdict::Confirmed,
        (0, refuted) if refuted >= quorum.max(1) => Verdict::Refuted,
        _ => Verdict::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACING: Duration = Duration::from_secs(60);

    fn look(verdict: Verdict, second: i64) -> Observation {
        let subject =
            Subject::new(Topic::Ownership, 1, "_acme-challenge.example.com".parse().unwrap());
        let at = Timestamp::from_timestamp(second, 0).unwrap();
        Observation::new(subject, verdict, at, Seen::default())
    }

    fn after_looks(looks: &[(Verdict, i64)]) -> Evidence {
        looks.iter().fold(Evidence::default(), |evidence, (verdict, second)| {
            evidence.fold(&look(*verdict, *second), SPACING)
        })
    }

    #[test]
    fn unknown_neither_extends_nor_breaks_a_run() {
        use Verdict::{Refuted, Unknown};
        let evidence = after_looks(&[(Refuted, 0), (Unknown, 60), (Unknown, 120), (Refuted, 180)]);
        assert_eq!(evidence.run, Refuted);
        assert_eq!(evidence.run_count, 2);
        assert_eq!(evidence.run_since, Timestamp::from_timestamp(0, 0));
    }

    #[test]
    fn looks_within_the_spacing_and_from_the_past_do_not_count() {
        use Verdict::Refuted;
        let clicks: Vec<_> = (0..50).map(|second| (Refuted, second)).collect();
        assert_eq!(after_looks(&clicks).run_count, 1);
        assert_eq!(after_looks(&[(Refuted, 1000), (Refuted, 10), (Refuted, 20)]).run_count, 1);
    }

    #[test]
    fn looks_are_kept_to_the_second() {
        let half = |second| {
            let mut look = look(Verdict::Confirmed, second);
            look.at += chrono::TimeDelta::milliseconds(500);
            look
        };
        let once = Evidence::default().fold(&half(0), SPACING);
        assert_eq!(once.at, Timestamp::from_timestamp(0, 0));
        assert_eq!(once.fold(&half(59), SPACING).run_count, 1);
        assert_eq!(once.fold(&half(60), SPACING).run_count, 2);
    }

    #[test]
    fn a_confirmation_ends_a_run_of_refutations() {
        use Verdict::{Confirmed, Refuted};
        let evidence = after_looks(&[(Refuted, 0), (Refuted, 60), (Confirmed, 61), (Refuted, 62)]);
        assert_eq!((evidence.run, evidence.run_count), (Refuted, 1));
    }

    #[test]
    fn what_is_stale_reads_as_unknown() {
        let evidence = after_looks(&[(Verdict::Confirmed, 0), (Verdict::Unknown, 500)]);
        let at = |second| Timestamp::from_timestamp(second, 0).unwrap();
        assert_eq!(evidence.as_of(at(100), Duration::from_secs(100)), Verdict::Confirmed);
        assert_eq!(evidence.as_of(at(101), Duration::from_secs(100)), Verdict::Unknown);
        assert_eq!(Evidence::default().as_of(at(0), Duration::MAX), Verdict::Unknown);
        // The clock was ahead when it was confirmed.
        let evidence = after_looks(&[(Verdict::Confirmed, 500)]);
        assert_eq!(evidence.as_of(at(399), Duration::from_secs(100)), Verdict::Unknown);
        assert_eq!(evidence.as_of(at(400), Duration::from_secs(100)), Verdict::Confirmed);
    }

    #[test]
    fn sightings_that_disagree_are_unknown() {
        use Verdict::{Confirmed, Refuted, Unknown};
        assert_eq!(merge(&[Confirmed, Confirmed], 2), Confirmed);
        assert_eq!(merge(&[Confirmed, Unknown], 2), Unknown);
        assert_eq!(merge(&[Confirmed, Refuted], 1), Unknown);
        assert_eq!(merge(&[Refuted, Refuted], 2), Refuted);
        assert_eq!(merge(&[], 0), Unknown);
    }

    #[test]
    fn what_was_seen_is_bounded() {
        let seen = Seen::values((0..100).map(|_| "ü\n".repeat(1000)));
        assert_eq!(seen.values.len(), Seen::MAX_VALUES);
        assert!(seen.values.iter().all(|value| value.len() <= Seen::MAX_VALUE));
        assert!(!seen.values.concat().contains('\n'));
    }
}
