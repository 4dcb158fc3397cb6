//! What follows when a tenant has proved a name that somebody else has.

use std::time::Duration;

use super::Draft;
use crate::{
    clock::{Timestamp, after, whole_second},
    domain::Contest,
    engine::{
        notice::Notice,
        policy::Policy,
        root::{Fact, Holder, Toward},
    },
    evidence::Verdict,
};

/// What follows from what is known of both sides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    /// The holder's proof is to be looked at.
    Ask,
    /// The holder, whose proof is gone, gets time to bring it back.
    CoolOff,
    /// The holder's proof is there.
    Stand,
    /// The holder had that time.
    Take,
    /// Nothing is known that changes anything.
    Wait,
}

impl Draft<'_> {
    /// Goes on with a contest: the proof was seen in this very step, and the store says that
    /// somebody else has the name.
    pub(super) fn contest(&mut self) {
        let facts = self.facts;
        let holder = facts.iter().find_map(|fact| match fact {
            Fact::Holder(holder) => Some(holder),
            _ => None,
        });
        let now = self.now();
        let policy = self.policy();
        let Some(holder) = holder else {
            // Nobody can say who has it: a form that this release does not know.
            self.root.domain.checks = self.root.domain.checks.saturating_add(1);
            self.begin(now);
            return;
        };
        if holder.is_resting {
            self.toward = Some(Toward::Release);
            return self.hold();
        }
        let same = self.root.domain.contest().filter(|known| known.against == holder.mark);
        let Some(contest) = same.cloned() else {
            self.begin(now);
            self.root.domain.title.contest = Some(Contest {
                since: whole_second(now),
                cool_off_until: None,
                against: holder.mark.clone(),
            });
            self.root.domain.contested_at = Some(now);
            // Whoever proves the name again and again does not get the holder told again and again.
            let told = holder.challenged_at;
            let tell = told.is_none_or(|told| now >= after(told, policy.contest_cool_off));
            return self.ask(holder, tell);
        };
        match step(&contest, holder, policy, now) {
            Step::Ask => self.ask(holder, false),
            Step::CoolOff => {
                let until = whole_second(after(now, policy.contest_cool_off));
                self.root.domain.checks = 0;
                self.cool_off(Some(until));
                self.notices.push(Notice::CoolingOff { until });
            }
            Step::Stand => {
                self.root.domain.checks = self.root.domain.checks.saturating_add(1);
                self.cool_off(None);
            }
            Step::Take => {
                self.toward = Some(Toward::Reset);
                self.root.domain.title.acquired_at = Some(now);
                self.hold();
            }
            Step::Wait => self.root.domain.checks = self.root.domain.checks.saturating_add(1),
        }
    }

    /// Tells, once, that somebody else has the name.
    fn begin(&mut self, now: Timestamp) {
        if self.root.domain.contested_at.is_none() {
            self.root.domain.contested_at = Some(now);
            self.notices.push(Notice::Contested);
        }
    }

    /// Has the holder's proof looked at. One that is about to be is waited for, ever more patiently.
    const fn ask(&mut self, holder: &Holder, tell: bool) {
        let checks = &mut self.root.domain.checks;
        if holder.is_due && !tell {
            *checks = checks.saturating_add(1);
        } else {
            *checks = 0;
            self.toward = Some(Toward::Look { tell });
        }
    }

    const fn cool_off(&mut self, until: Option<Timestamp>) {
        if let Some(contest) = &mut self.root.domain.title.contest {
            contest.cool_off_until = until;
        }
    }
}

/// Returns what follows: pure, and the whole of the rules of a contest.
///
/// The holder keeps the name while its proof is there, and while nobody can say. It loses it when
/// two looks, one at each end of the cool-off, are sure that it is gone.
fn step(contest: &Contest, holder: &Holder, policy: &Policy, now: Timestamp) -> Step {
    let cooled_off = contest.cool_off_until.filter(|until| *until <= now);
    let needed = cooled_off.unwrap_or(contest.since);
    let since = |from: Timestamp| holder.looked_at.is_some_and(|at| at >= from);
    let is_fresh = since(needed) && is_recent(holder.looked_at, policy.evidence_max_age, now);
    match (holder.verdict, contest.cool_off_until) {
        (Verdict::Confirmed, _) if since(contest.since) => Step::Stand,
        (Verdict::Refuted, Some(until)) if now < until => Step::Wait,
        _ if !is_fresh => Step::Ask,
        (Verdict::Refuted, None) => Step::CoolOff,
        (Verdict::Refuted, Some(_)) => Step::Take,
        (Verdict::Confirmed, _) => Step::Stand,
        (Verdict::Unknown, _) => Step::Wait,
    }
}

/// Returns whether a look is not older than `max_age`; one in the future is not relied on.
fn is_recent(at: Option<Timestamp>, max_age: Duration, now: Timestamp) -> bool {
    at.is_some_and(|at| now <= after(at, max_age) && at <= after(now, max_age))
}

#[cfg(test)]
mod tests;
