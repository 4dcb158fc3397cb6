//! What to look at, and what to do about what was seen: pure functions.
//!
//! Nothing here waits, reads a clock, draws chance or fails. The same root, facts, policy and moment
//! give the same decision, so that the life of a domain can be replayed and simulated.

mod account;
mod caa;
mod contest;
mod issuance;
mod loss;
mod mail;
mod ownership;
mod pause;
mod records;
mod removal;
mod setback;

use std::time::Duration;

use super::{
    notice::Notice,
    policy::Policy,
    root::{
        Decision, DomainRoot, Effect, EffectKind, Fact, Intent, Moment, Outcome, Question, Receipt,
        Redo, Root, Satellite, Toward, Trouble,
    },
};
use crate::{
    certificate::{Handle, OrderEvent},
    clock::{Timestamp, after, between},
    domain::{Event, Failure, Paused, Placement, Served, Status, Throttled},
    evidence::Topic,
    id::EffectId,
    name::DnsName,
    retry::{Backoff, spread},
};

/// Returns what to look at before the next decision about `root`.
pub fn questions(root: &Root, now: Timestamp) -> Vec<Question> {
    if root.is_parked() {
        return Vec::new();
    }
    match root {
        Root::Account(root) => account::questions(root),
        Root::Domain(root) => {
            let mut questions = ownership::questions(&root.domain, now);
            questions.extend(mail::questions(root, now));
            questions.extend(records::questions(root));
            questions.extend(issuance::questions(root, now));
            questions
        }
    }
}

/// Returns what is to happen next.
pub fn decide(root: &Root, facts: &[Fact], settings: &Settings, moment: Moment) -> Decision {
    if root.is_parked() {
        return Decision::idle(root.clone(), None);
    }
    match root {
        Root::Account(root) => account::decide(root, facts, &settings.policy, moment),
        Root::Domain(root) => Draft::new(root.clone(), facts, settings, moment).decide(),
    }
}

pub(super) use setback::set_back;

/// What decisions depend on besides the root: the policy, and the names of what is plugged in.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// The numbers.
    pub policy: Policy,
    /// The authority that certificates come from.
    pub authority: String,
}

impl Settings {
    /// Creates settings.
    pub const fn new(policy: Policy, authority: String) -> Self {
        Self { policy, authority }
    }
}

/// A decision in the making.
struct Draft<'a> {
    /// In a box, for it is large, and is handed on.
    root: Box<DomainRoot>,
    facts: &'a [Fact],
    settings: &'a Settings,
    moment: Moment,
    satellites: Vec<Satellite>,
    notices: Vec<Notice>,
    /// What becomes of whoever has the name.
    toward: Option<Toward>,
    effect: Option<Intent>,
    /// When what is under way is to be looked at again.
    wait: Option<Timestamp>,
    /// Whether there is more to decide right away.
    again: bool,
    /// What was left undone since what it needs is paused.
    held_up: Option<Paused>,
    /// What was left undone since a budget is spent.
    throttled: Option<Throttled>,
}

impl<'a> Draft<'a> {
    fn new(
        root: Box<DomainRoot>,
        facts: &'a [Fact],
        settings: &'a Settings,
        moment: Moment,
    ) -> Self {
        Self {
            root,
            facts,
            settings,
            moment,
            satellites: Vec::new(),
            notices: Vec::new(),
            toward: None,
            effect: None,
            wait: None,
            again: false,
            held_up: None,
            throttled: None,
        }
    }

    fn decide(mut self) -> Decision {
        self.settle();
        if let Some(paused) = self.is_paused() {
            return self.rest(paused);
        }
        self.trouble();
        if self.root.domain.status == Status::Removing {
            self.end_mail();
            self.remove();
        } else {
            self.give_up_former();
            self.ownership();
            self.mail();
            self.certificate_in_use();
            self.issue();
        }
        self.yield_records();
        self.arrange();
        self.clean_up();
        self.finish()
    }

    const fn policy(&self) -> &'a Policy {
        &self.settings.policy
    }

    const fn now(&self) -> Timestamp {
        self.moment.now
    }

    /// Changes the status, and tells.
    ///
    /// An event that does not apply changes nothing: the caller asked the table first.
    fn event(&mut self, event: Event) {
        let from = self.root.domain.status;
        if self.root.domain.apply(event).is_ok() {
            let to = self.root.domain.status;
            if from != to {
                self.notices.push(Notice::StatusChanged { from, to, event });
            }
        }
    }

    /// Decides on an effect, unless there is one already or what it needs is paused.
    fn act(&mut self, effect: Effect) {
        if self.effect.is_none() && !self.holds_up_effect(effect.kind()) {
            let id = EffectId::from_bytes(self.moment.bytes("effect"));
            self.effect = Some(Intent { id, effect });
        }
    }

    /// Returns whether what an effect needs is paused, or asked to be left alone: then it comes later.
    fn holds_up_effect(&mut self, kind: EffectKind) -> bool {
        if self.holds_up(kind.service()) {
            return true;
        }
        let Some(until) = self.dns_hushed_until().filter(|_| kind.is_for_challenge()) else {
            return false;
        };
        self.wait_until(until);
        true
    }

    /// Returns until when the DNS provider asked to be left alone.
    fn dns_hushed_until(&self) -> Option<Timestamp> {
        self.root.domain.dns_hushed_until.filter(|until| *until > self.now())
    }

    /// Looks again after a while, at the latest at `at`.
    fn wait_until(&mut self, at: Timestamp) {
        self.wait = Some(self.wait.map_or(at, |before| before.min(at)));
    }

    fn failure_of(&self, trouble: &Trouble, attempts: u32) -> Failure {
        Failure {
            kind: trouble.kind,
            code: trouble.code.clone(),
            message: trouble.message.clone(),
            at: self.now(),
            attempts,
        }
    }

    fn fail(&mut self, trouble: &Trouble, attempts: u32) -> Failure {
        let failure = self.failure_of(trouble, attempts);
        self.root.domain.last_failure = Some(failure.clone());
        failure
    }

    /// Counts a call that failed for now, and waits.
    fn service_failed(&mut self, trouble: &Trouble) {
        let failures = self.root.domain.service_failures;
        self.root.domain.service_failures = failures.saturating_add(1);
        let failure = self.fail(trouble, failures.saturating_add(1));
        if failures == 0 {
            self.notices.push(Notice::ServiceFailed { failure });
        }
        let delay = Backoff::SERVICE.delay(failures, self.moment.number("service"));
        self.wait_until(after(self.now(), delay.max(clamp(trouble.retry_after))));
    }

    /// Keeps the wait that the authority asks for, whoever wakes the domain meanwhile.
    fn hush(&mut self, trouble: &Trouble) {
        if let Some(until) = self.asked_wait(trouble) {
            self.root.domain.authority_hushed_until = Some(until);
        }
    }

    fn asked_wait(&self, trouble: &Trouble) -> Option<Timestamp> {
        trouble.retry_after.map(|_| after(self.now(), clamp(trouble.retry_after)))
    }

    /// Takes note of what came of the effect that was under way.
    fn settle(&mut self) {
        let Some(intent) = self.root.intent.take() else { return };
        let outcome = self.facts.iter().find_map(|fact| match fact {
            Fact::Outcome { id, outcome } if *id == intent.id => Some(outcome),
            _ => None,
        });
        if let Some(Outcome::NotYet(trouble) | Outcome::Unknown(trouble)) = outcome {
            let kind = intent.effect.kind();
            if kind.is_for_authority() {
                self.hush(trouble);
            } else if kind.is_for_challenge() {
                self.root.domain.dns_hushed_until = self.asked_wait(trouble);
            }
        }
        match outcome {
            None => self.redo(intent),
            Some(Outcome::Done(receipt)) => {
                self.root.domain.service_failures = 0;
                self.done(&intent.effect, receipt);
            }
            Some(Outcome::NotYet(trouble) | Outcome::Unknown(trouble))
                if let Effect::Arrange { owner, version } = &intent.effect =>
            {
                self.arrange_failed(owner, *version, trouble);
                if matches!(outcome, Some(Outcome::Unknown(_))) {
                    self.arrange_doubted(owner);
                }
                self.again = true;
            }
            Some(Outcome::NotYet(trouble)) => {
                self.postpone_mail(&intent.effect);
                self.service_failed(trouble);
            }
            Some(Outcome::Unknown(trouble)) => {
                self.doubt_mail(&intent.effect);
                self.service_failed(trouble);
                // A repetition has to carry the same id.
                if intent.effect.kind().redo() == Redo::Repeat && self.is_wanted(&intent.effect) {
                    self.root.intent = Some(intent);
                }
            }
            Some(Outcome::Refused(trouble)) if let Some(account) = &trouble.missed => {
                self.miss_account(account, trouble);
            }
            Some(Outcome::Refused(trouble)) => self.refused(&intent.effect, trouble),
        }
    }

    /// Goes on with an effect that another holder of the lease decided on.
    fn redo(&mut self, intent: Intent) {
        if let Effect::Arrange { owner, .. } = &intent.effect {
            self.arrange_doubted(owner);
        }
        match intent.effect.kind().redo() {
            Redo::Repeat if self.is_wanted(&intent.effect) => {
                if self.holds_up_effect(intent.effect.kind()) {
                    self.root.intent = Some(intent);
                } else {
                    self.effect = Some(intent);
                }
            }
            // What is not repeated is looked at: the order tells, or there is nothing to do.
            Redo::Repeat | Redo::Reread => {}
            // Left for a person; no effect of a domain is of this kind.
            Redo::Never => self.root.intent = Some(intent),
        }
    }

    /// Returns whether an effect is still of use.
    fn is_wanted(&self, effect: &Effect) -> bool {
        let domain = &self.root.domain;
        let placed = |owner: &DnsName, value: &str, wanted: fn(Placement) -> bool| {
            domain.placed.iter().any(|placed| {
                placed.owner == *owner && placed.value == *value && wanted(placed.placement)
            })
        };
        match effect {
            Effect::Arrange { .. } | Effect::Enroll => false,
            Effect::OpenOrder { order } => {
                domain.status.holds()
                    && self.root.order.as_ref().is_some_and(|open| open.id == *order)
            }
            Effect::Finalize { .. } | Effect::Respond { .. } => false,
            Effect::Mail { round, to } => {
                domain.status != Status::Removing
                    && domain.mail.as_ref().is_some_and(|mail| mail.awaits(*round, to))
            }
            Effect::Publish { owner, value } => {
                domain.status.holds()
                    && placed(owner, value, |placement| placement == Placement::Publishing)
            }
            Effect::Unpublish { owner, value } => placed(owner, value, |placement| {
                matches!(placement, Placement::Leaving | Placement::Swept { .. })
            }),
        }
    }

    fn done(&mut self, effect: &Effect, receipt: &Receipt) {
        match (effect, receipt) {
            (Effect::OpenOrder { order }, Receipt::Opened { order: handle, account }) => {
                if let Some(open) = &mut self.root.order
                    && open.id == *order
                {
                    open.handle = Some(handle.clone());
                    open.account = Some(account.clone());
                    self.root.domain.account_polls = 0;
                    self.order_event(OrderEvent::Opened);
                }
            }
            (Effect::Arrange { owner, version }, _) => self.arranged(owner, *version),
            (Effect::Publish { owner, value }, _) => {
                for placed in &mut self.root.domain.placed {
                    if placed.owner == *owner
                        && placed.value == *value
                        && placed.placement == Placement::Publishing
                    {
                        placed.placement = Placement::Present;
                    }
                }
            }
            (Effect::Unpublish { owner, value }, _) => self.unpublished(owner, value),
            (Effect::Mail { to, .. }, _) => self.mailed(to),
            // The order tells how far it is.
            (Effect::Finalize { order }, _) => {
                if let Some(open) = self.root.order.as_mut().filter(|open| open.id == *order) {
                    open.told.extend(open.handle.clone());
                }
            }
            (Effect::Respond { order, authorization, .. }, _) => {
                if let Some(open) = self.root.order.as_mut().filter(|open| open.id == *order) {
                    open.told.push(authorization.clone());
                    // However long the record took to be seen: the authority is quick.
                    open.polls = 0;
                }
            }
            (Effect::Enroll, _)
            | (Effect::OpenOrder { .. }, Receipt::Done | Receipt::Handle(_)) => {}
        }
        self.again = true;
    }

    fn refused(&mut self, effect: &Effect, trouble: &Trouble) {
        match effect.kind() {
            EffectKind::Arrange => {
                if let Effect::Arrange { owner, version } = effect {
                    self.arrange_refused(owner, *version, trouble);
                }
                self.again = true;
            }
            // Already gone is gone.
            EffectKind::Unpublish if trouble.kind == crate::error::ErrorKind::NotFound => {
                if let Effect::Unpublish { owner, value } = effect {
                    self.unpublished(owner, value);
                }
                self.again = true;
            }
            EffectKind::Unpublish => self.service_failed(trouble),
            // The order is not ready, or is finalized already: it tells, after a while.
            EffectKind::Finalize if trouble.kind == crate::error::ErrorKind::Precondition => {
                self.service_failed(trouble);
            }
            EffectKind::Mail => {
                if let Effect::Mail { to, .. } = effect {
                    self.mail_refused(to, trouble);
                }
            }
            EffectKind::Enroll
            | EffectKind::Finalize
            | EffectKind::OpenOrder
            | EffectKind::Publish
            | EffectKind::Respond => self.order_failed(trouble),
        }
    }

    /// Takes note of questions that could not be answered.
    fn trouble(&mut self) {
        let facts = self.facts;
        let unanswered = facts.iter().find_map(|fact| match fact {
            Fact::Unanswered(trouble) => Some(trouble),
            _ => None,
        });
        match unanswered {
            Some(trouble) if let Some(account) = &trouble.missed => {
                self.miss_account(account, trouble);
            }
            Some(trouble) => {
                self.hush(trouble);
                self.service_failed(trouble);
            }
            None if facts.iter().any(|fact| matches!(fact, Fact::Order { .. })) => {
                self.root.domain.service_failures = 0;
            }
            None => {}
        }
    }

    /// Reports an account that the authority does not have, and waits until there is one again.
    fn miss_account(&mut self, account: &Handle, trouble: &Trouble) {
        self.satellites.push(Satellite::MissAccount(account.clone()));
        self.service_failed(trouble);
    }

    /// Closes the decision: when to decide again.
    fn finish(mut self) -> Decision {
        let now = self.now();
        self.root.domain.paused = self.held_up.take();
        self.root.domain.throttled = self.throttled.take();
        let effect = self.effect.take();
        if effect.is_some() {
            self.root.intent.clone_from(&effect);
        }
        let due = if self.again && self.wait.is_none() { Some(now) } else { self.next_due() };
        Decision {
            root: Root::Domain(self.root),
            satellites: self.satellites,
            notices: self.notices,
            toward: self.toward,
            effect,
            due,
        }
    }

    fn next_due(&self) -> Option<Timestamp> {
        let domain = &self.root.domain;
        let now = self.now();
        let mut times: Vec<Timestamp> = self.wait.into_iter().collect();
        if domain.status != Status::Removing {
            times.extend(domain.next_check_at);
            times.extend(mail::next_round_at(domain, now).filter(|at| *at > now));
            if let Some(served) = &domain.certificate
                && domain.status.holds()
            {
                let renewal = self.renewal_due(served);
                times.extend([renewal, served.not_after].into_iter().filter(|at| *at > now));
            }
            if domain.issuance.is_none() {
                times.extend(domain.next_order_at.filter(|at| *at > now));
            }
        }
        if self.wait.is_none() {
            times.extend(domain.placed.iter().filter_map(|placed| match placed.placement {
                Placement::Swept { again_at } => Some(again_at),
                // Being worked on; an effect or a wait stands for it.
                Placement::Leaving => Some(now),
                Placement::Publishing | Placement::Present => None,
            }));
            if domain.issuance.is_some() {
                times.push(now);
            }
        } else {
            times.extend(domain.placed.iter().filter_map(|placed| match placed.placement {
                Placement::Swept { again_at } if again_at > now => Some(again_at),
                _ => None,
            }));
        }
        times.extend(self.records_due());
        // What is due already has to wait as well, or nothing would.
        times.into_iter().filter(|at| *at > now || self.wait.is_none()).min()
    }

    /// Returns when to renew a certificate: those that were made together come one after another, for
    /// 90 days within three hours.
    fn renewal_due(&self, served: &Served) -> Timestamp {
        let [a, b, ..] = *self.root.domain.id.as_bytes();
        let share = u32::from(u16::from_be_bytes([a, b]));
        let left = between(served.renew_at, served.not_after);
        after(served.renew_at, (left / 240 / 65_536).saturating_mul(share))
    }

    /// Returns whether a topic was looked at for this decision.
    fn looked_at(&self, topic: Topic) -> bool {
        let subject = self.root.domain.subject(topic);
        self.facts
            .iter()
            .any(|fact| matches!(fact, Fact::Observed(look) if look.subject == subject))
    }

    /// Returns the instant `wait` from now, more or less, by chance.
    fn about(&self, wait: Duration, label: &str) -> Timestamp {
        after(self.now(), spread(wait, self.moment.number(label)))
    }
}

/// Returns how long a service may make us wait: at most a day, whatever it says.
fn clamp(retry_after: Option<Duration>) -> Duration {
    retry_after.unwrap_or_default().min(Duration::from_secs(86_400))
}
