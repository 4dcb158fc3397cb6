//! What is left undone while somebody of the platform's has stopped it, or a budget is spent.

use std::time::Duration;

use super::Draft;
use crate::{
    clock::{Timestamp, after, between},
    domain::{PauseScope, Paused, Throttled},
    engine::root::{Decision, Fact, Root},
};

/// Over how long those are spread at most that wait for one budget.
const HOUR: Duration = Duration::from_secs(3600);

impl Draft<'_> {
    /// Returns the order to leave the domain alone, if there is one.
    pub(super) fn is_paused(&self) -> Option<Paused> {
        let own = self.root.domain.paused.as_ref();
        own.filter(|paused| paused.scope == PauseScope::Domain)
            .or_else(|| pause_of(self.facts, PauseScope::Tenant))
            .cloned()
    }

    /// Does nothing, but for what was noted of an effect that was under way.
    pub(super) fn rest(mut self, paused: Paused) -> Decision {
        if let Some(intent) = self.effect.take() {
            self.root.intent = Some(intent);
        }
        // Who resumes a domain makes it due; what is paused for many is asked about.
        let due = (paused.scope != PauseScope::Domain).then(|| self.pause_ends());
        self.root.domain.paused = Some(paused);
        let root = Root::Domain(self.root);
        Decision { notices: self.notices, satellites: self.satellites, ..Decision::idle(root, due) }
    }

    /// Returns whether a service is paused that is needed now: then the domain looks again later.
    pub(super) fn holds_up(&mut self, service: PauseScope) -> bool {
        let Some(paused) = pause_of(self.facts, service) else { return false };
        self.held_up.get_or_insert_with(|| paused.clone());
        let at = self.pause_ends();
        self.wait_until(at);
        true
    }

    /// Returns whether a budget is spent that is needed now: then the domain tries again later.
    ///
    /// All that wait for one budget wait for the same instant, when there is enough for one of them:
    /// they come back one after another, by chance.
    pub(super) fn is_spent(&mut self) -> bool {
        let spent = self.facts.iter().find_map(|fact| match fact {
            Fact::Spent(throttled) => Some(throttled.clone()),
            _ => None,
        });
        let Some(Throttled { budget, until }) = spent else { return false };
        let share = u32::try_from(self.moment.number("budget") % 1001).unwrap_or_default();
        let wide = between(self.now(), until).saturating_mul(16).min(HOUR);
        let at = after(until, wide / 1000 * share);
        self.throttled = Some(Throttled::new(budget, at));
        self.wait_until(at);
        true
    }

    fn pause_ends(&self) -> Timestamp {
        self.about(self.policy().pause_recheck, "pause")
    }
}

/// Returns the order to stop that, if there is one.
pub(super) fn pause_of(facts: &[Fact], scope: PauseScope) -> Option<&Paused> {
    facts.iter().find_map(|fact| match fact {
        Fact::Paused(paused) if paused.scope == scope => Some(paused),
        _ => None,
    })
}
