//! Whether the tenant holds the name, by what was seen just now.

use super::Draft;
use crate::{
    challenge::Method,
    clock::{Timestamp, after},
    domain::{Domain, Event, PauseScope, Status},
    engine::{
        notice::Notice,
        policy::Policy,
        refusal::Rule,
        root::{Fact, Question},
    },
    evidence::{Topic, Verdict},
    retry::Backoff,
};

pub(super) fn questions(domain: &Domain, now: Timestamp) -> Vec<Question> {
    if domain.status == Status::Removing || domain.next_check_at.is_none_or(|at| at > now) {
        return Vec::new();
    }
    let delegation = domain.delegation.is_some().then_some(Topic::Delegation);
    [Topic::Ownership, Topic::Routing]
        .into_iter()
        .chain(delegation)
        .map(|topic| Question::Look(domain.subject(topic)))
        .collect()
}

impl Draft<'_> {
    /// Weighs what was seen, and decides whether the tenant holds the name.
    pub(super) fn ownership(&mut self) {
        let facts = self.facts;
        let spacing = self.policy().spacing;
        let mut seen_now = Verdict::Unknown;
        for fact in facts {
            let Fact::Observed(look) = fact else { continue };
            let topic = look.subject.topic;
            if look.subject != self.root.domain.subject(topic) {
                continue;
            }
            let before = self.root.domain.evidence(topic);
            let news =
                before.at.is_none() || before.last != look.verdict || before.seen != look.seen;
            self.root.domain.observe(look, spacing);
            if news {
                self.notices.push(Notice::Observed {
                    topic,
                    verdict: look.verdict,
                    seen: look.seen.clone(),
                });
            }
            if topic == Topic::Ownership {
                seen_now = look.verdict;
            }
        }
        if !self.looked_at(Topic::Ownership) {
            if self.root.domain.next_check_at.is_some_and(|at| at <= self.now()) {
                let is_page = self.root.domain.challenge.method == Method::Http;
                let _ = (is_page && self.holds_up(PauseScope::Probe))
                    || self.holds_up(PauseScope::Resolver);
            }
            return;
        }
        if self.root.domain.status.holds() {
            self.held(seen_now);
        } else {
            self.unproved(seen_now);
        }
        self.schedule();
    }

    /// A tenant that does not hold the name holds it after a fresh proof, if nobody else does.
    fn unproved(&mut self, seen_now: Verdict) {
        let taken = self.facts.iter().any(|fact| matches!(fact, Fact::Taken(_)));
        let now = self.now();
        let is_late = now > self.root.domain.challenge.expires_at;
        if seen_now != Verdict::Confirmed || is_late {
            self.root.domain.checks = self.root.domain.checks.saturating_add(1);
            // Whoever is not seen to have proved the name contests nothing; a silent server proves
            // neither.
            if seen_now != Verdict::Unknown && self.root.domain.end_contest() {
                self.notices.push(Notice::ContestEnded);
            }
            if seen_now == Verdict::Confirmed {
                self.notices.push(Notice::Refused { rule: Rule::Expired });
            }
        } else if !self.has_stayed() {
            // It was there this time; whether it stays is seen when it is looked for again.
            self.root.domain.checks = 0;
        } else if taken {
            self.contest();
        } else {
            self.hold();
        }
    }

    /// Returns whether the proof that is there has been there for as long as the policy asks.
    fn has_stayed(&self) -> bool {
        let Policy { prove_after, prove_over, .. } = *self.policy();
        let once = prove_after <= 1 && prove_over.is_zero();
        once || self.root.domain.ownership.is_confirmed_for(prove_after, prove_over, self.now())
    }

    /// Holds the name, by a proof that was seen in this step.
    pub(super) fn hold(&mut self) {
        self.root.domain.checks = 0;
        self.root.domain.end_contest();
        self.event(Event::OwnershipProven);
    }

    /// A tenant that holds the name loses it when the proof is gone for long enough, and at this
    /// very look.
    fn held(&mut self, seen_now: Verdict) {
        let policy = self.policy();
        let now = self.now();
        let grace_until = self.root.domain.grace_until;
        match seen_now {
            Verdict::Confirmed => {
                self.root.domain.grace_until = None;
                self.event(Event::OwnershipProven);
            }
            // Whoever looked before the grace was over has not begun to count.
            Verdict::Refuted
                if grace_until.is_none_or(|until| now >= after(until, policy.demote_over))
                    && self.root.domain.ownership.is_refuted_for(
                        policy.demote_after,
                        policy.demote_over,
                        now,
                    ) =>
            {
                let domain = &mut self.root.domain;
                domain.checks = 0;
                domain.grace_until = None;
                // Who proves the name again has to offer it again.
                domain.title.offer = None;
                // The record may come back long after the claim was made.
                if domain.challenge.method.is_record() {
                    let expires_at = after(now, policy.claim_ttl);
                    domain.challenge.expires_at = domain.challenge.expires_at.max(expires_at);
                }
                self.event(Event::OwnershipLost);
            }
            Verdict::Refuted | Verdict::Unknown => {}
        }
    }

    /// Decides when to look again.
    fn schedule(&mut self) {
        let policy = self.policy();
        let now = self.now();
        let domain = &self.root.domain;
        // What is there is looked for as often as it counts.
        let quick = if domain.ownership.run == Verdict::Confirmed && !self.has_stayed() {
            policy.spacing.max(Backoff::PROOF.base(0))
        } else {
            Backoff::PROOF.delay(domain.checks, self.moment.number("check"))
        };
        let next = if !domain.status.holds() {
            // Dormant until somebody asks; the values stay as they are.
            let cooled = domain.contest().and_then(|contest| contest.cool_off_until);
            let next = cooled.filter(|until| *until > now).unwrap_or(Timestamp::MAX_UTC);
            (now <= domain.challenge.expires_at).then(|| after(now, quick).min(next))
        } else if domain.ownership.run == Verdict::Refuted {
            Some(self.about(policy.recheck_refuted, "check"))
        } else if self.is_waiting_for_evidence() {
            self.root.domain.checks = self.root.domain.checks.saturating_add(1);
            Some(after(now, quick))
        } else {
            self.root.domain.checks = 0;
            Some(self.about(policy.recheck, "check"))
        };
        self.root.domain.next_check_at = next;
    }
}
