//! The life of an account at an authority: a key is stored, then the account is made.

use std::time::Duration;

use super::{loss, pause::pause_of};
use crate::{
    clock::after,
    domain::PauseScope,
    engine::{
        policy::Policy,
        root::{
            AccountRoot, Decision, Effect, Fact, Intent, Moment, Outcome, Question, Receipt, Root,
            Trouble,
        },
    },
    id::EffectId,
    retry::{Backoff, spread},
};

/// How long to wait after the authority said no: somebody has to look at it.
const REFUSED: Duration = Duration::from_secs(3600);

pub(super) fn questions(root: &AccountRoot) -> Vec<Question> {
    if root.key.is_none() { vec![Question::AccountKey] } else { Vec::new() }
}

pub(super) fn decide(
    root: &AccountRoot,
    facts: &[Fact],
    policy: &Policy,
    moment: Moment,
) -> Decision {
    let mut root = root.clone();
    let mut notices = Vec::new();
    loss::give_up(&mut root, policy, moment.now, &mut notices);
    let intent = root.intent.take();
    let mut repeat = intent.clone();
    root.next_at = root.not_before.filter(|at| root.handle.is_none() && *at > moment.now);
    for fact in facts {
        match fact {
            Fact::AccountKey(sealed) if root.key.is_none() => root.key = Some(sealed.clone()),
            Fact::Outcome { id, outcome } if intent.as_ref().is_some_and(|i| i.id == *id) => {
                match outcome {
                    Outcome::Done(Receipt::Handle(handle)) => {
                        root.handle = Some(handle.clone());
                        root.enrolled_at = Some(moment.now);
                        root.not_before = None;
                        root.failures = 0;
                        root.trouble = None;
                        repeat = None;
                    }
                    Outcome::Done(Receipt::Done | Receipt::Opened { .. }) => {}
                    Outcome::NotYet(trouble) | Outcome::Unknown(trouble) => {
                        let wait = Backoff::SERVICE.delay(root.failures, moment.number("service"));
                        failed(&mut root, trouble, wait, moment);
                    }
                    Outcome::Refused(trouble) => failed(&mut root, trouble, REFUSED, moment),
                }
            }
            Fact::Unanswered(trouble) => {
                let wait = Backoff::SERVICE.delay(root.failures, moment.number("service"));
                failed(&mut root, trouble, wait, moment);
            }
            _ => {}
        }
    }
    let wanted = root.handle.is_none() && root.key.is_some();
    if !wanted {
        repeat = None;
    }
    let paused = pause_of(facts, PauseScope::Authority).filter(|_| wanted);
    if paused.is_some() && root.next_at.is_none() {
        root.next_at =
            Some(after(moment.now, spread(policy.pause_recheck, moment.number("pause"))));
    }
    let effect = if wanted && root.next_at.is_none() {
        // The key is the account: asking twice with it gives the same one.
        repeat.clone().or_else(|| {
            let id = EffectId::from_bytes(moment.bytes("effect"));
            Some(Intent { id, effect: Effect::Enroll })
        })
    } else {
        None
    };
    root.intent = effect.clone().or(repeat);
    let due = if root.handle.is_some() { None } else { root.next_at.or(Some(moment.now)) };
    let root = Root::Account(Box::new(root));
    Decision { effect, notices, ..Decision::idle(root, due) }
}

fn failed(root: &mut AccountRoot, trouble: &Trouble, wait: Duration, moment: Moment) {
    root.failures = root.failures.saturating_add(1);
    root.next_at = Some(after(moment.now, wait.max(super::clamp(trouble.retry_after))));
    root.trouble = Some(trouble.clone());
}
