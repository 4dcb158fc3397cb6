//! Work on one root under its lease: look, decide, store, act, again.

use std::{mem, sync::Arc, time::Duration};

use super::{
    backends::Backends,
    codec,
    crew::Tenure,
    decide::questions,
    feed,
    held::{COMMIT_ATTEMPTS, Held, commit},
    pauses::Pauses,
    root::{Effect, Fact, Intent, Outcome, Question, Root, Trouble},
    setback::give_back,
    telemetry,
    upkeep::{is_turn, trim},
};
use crate::{
    challenge::Method,
    clock::{Timestamp, between},
    domain::{Domain, PauseScope},
    error::{ErrorKind, Result},
    evidence::Topic,
    id::OperationId,
    store::{Batch, Commit, Expect, Item, Kind, Then, Write},
    together::{Boxed, all, caught, within},
};

/// How long what only another release can read is left alone: long enough for it not to take the
/// place of others, short enough for a worker of that release to come by.
const NEXT_RELEASE: Duration = Duration::from_secs(600);

/// How work on a root ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// It was given back.
    Released,
    /// It was lost, or is left until the lease ends.
    Left,
    /// The work on it panicked.
    Panicked,
    /// It came to nothing, and is tried again.
    SetBack,
    /// It came to nothing too often, and is not tried any more.
    Parked,
}

impl End {
    /// Returns the stable name.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Left => "left",
            Self::Panicked => "panicked",
            Self::SetBack => "set_back",
            Self::Parked => "parked",
        }
    }
}

/// Works on a root for as long as there is something to do now.
pub(super) async fn work(
    backends: &Backends,
    tenure: Arc<Tenure>,
    pauses: Arc<Pauses>,
    item: Item,
    now: Timestamp,
) -> End {
    let paused = pauses.facts(item.header.tenant);
    let driver = Driver { backends, tenure, paused };
    let mut panicked = false;
    let trouble = match caught(Box::pin(driver.drive(item, now))).await {
        Some(Ok(end)) => return end,
        // Of another release, which knows what to do with it.
        Some(Err(error)) if error.kind() == ErrorKind::Unsupported => {
            return driver.put_off().await;
        }
        Some(Err(error)) => {
            let is_its_own = matches!(
                error.kind(),
                ErrorKind::Internal | ErrorKind::Invalid | ErrorKind::Malformed
            );
            if !is_its_own {
                // The store is away; so is everything that could be done.
                telemetry::store_failed("work", &error);
                return End::Left;
            }
            Trouble::from(&error)
        }
        // The message is not kept: nobody knows what is in it.
        None => {
            panicked = true;
            Trouble::new(ErrorKind::Internal, "engine: step: something panicked")
        }
    };
    // What panics may do so again: it reads the same row.
    match caught(Box::pin(driver.give_back(&trouble))).await {
        Some(End::SetBack) if panicked => End::Panicked,
        Some(end) => end,
        None => End::Left,
    }
}

/// One root, and what is needed to work on it.
struct Driver<'a> {
    backends: &'a Backends,
    tenure: Arc<Tenure>,
    /// What was paused when it was leased.
    paused: Vec<Fact>,
}

impl Driver<'_> {
    /// Gives the root back, on which work came to nothing. If that cannot be stored either, it is
    /// tried again when the lease has ended.
    async fn give_back(&self, trouble: &Trouble) -> End {
        give_back(self.backends, self.tenure.lease(), trouble).await.unwrap_or(End::Left)
    }

    /// Leaves the root alone for a while, without a change to what is stored.
    async fn put_off(&self) -> End {
        let lease = self.tenure.lease();
        let _ = self.backends.store.extend(&[lease], NEXT_RELEASE).await;
        End::Left
    }

    async fn drive(&self, item: Item, now: Timestamp) -> Result<End> {
        if item.key.kind == Kind::Feed {
            let released = Box::pin(feed::visit(self.backends, &self.tenure, item, now)).await?;
            return Ok(if released { End::Released } else { End::Left });
        }
        let Some(mut held) = Held::load(self.backends, self.tenure.lease(), item).await? else {
            return Ok(self.put_off().await);
        };
        let kind = held.lease.key.kind;
        let since = now;
        let mut now = now;
        let mut outcome = None;
        let mut published = None;
        let max_rounds = self.backends.settings.policy.max_rounds;
        for round in 1..=max_rounds {
            let mut facts = match outcome.take() {
                // What came of the effect is stored before anything else is looked at.
                Some(outcome) => vec![outcome],
                None => match self.observe(&held, now).await? {
                    Some(facts) => facts,
                    None => return Ok(End::Left),
                },
            };
            let asked_at = mem::replace(&mut now, self.backends.store.now().await?);
            telemetry::looked(kind, &facts, between(asked_at, now));
            facts.extend(self.paused.iter().cloned());
            let last = round == max_rounds;
            let settled = held.settle(self.backends, facts, now, last).await?;
            let Some((effect, then)) = settled else {
                self.tenure.answered(None);
                if let Some(effect) = published {
                    self.disown(effect).await?;
                }
                return Ok(End::Left);
            };
            if then == Then::Release {
                telemetry::released(kind, between(since, now));
                let lease = self.tenure.lease();
                if let Some(domain) = held.domain()
                    && is_turn(lease.token)
                {
                    // If not now, then later.
                    let _ = trim(self.backends, domain.id(), now).await;
                }
                return Ok(match held.root.setback() {
                    Some(_) if last && held.root.is_parked() => End::Parked,
                    Some(_) if last && !held.has_acted => End::SetBack,
                    _ => End::Released,
                });
            }
            if let Some(intent) = effect {
                let Some(result) = self.act(&held, &intent, now).await? else {
                    return Ok(End::Left);
                };
                held.has_acted |= matches!(result, Outcome::Done(_));
                let effect = intent.effect.kind();
                let may_be_there = matches!(result, Outcome::Done(_) | Outcome::Unknown(_));
                published =
                    Some(intent.effect).filter(|effect| may_be_there && is_publication(effect));
                outcome = Some(Fact::Outcome { id: intent.id, outcome: result });
                let acted_at = mem::replace(&mut now, self.backends.store.now().await?);
                telemetry::effect_took(effect, between(acted_at, now));
            }
        }
        Ok(End::Left)
    }

    /// Writes down that a record was published too late: the lease was lost, others have gone on, and
    /// may have cleaned up before it was there.
    ///
    /// Done without a lease, as a command is. The next holder removes the record if it is of no use.
    async fn disown(&self, effect: Effect) -> Result<()> {
        let key = self.tenure.key();
        for _ in 0..COMMIT_ATTEMPTS {
            let found = self.backends.store.get(std::slice::from_ref(&key)).await?;
            let Some(item) = found.into_iter().flatten().next() else { return Ok(()) };
            let Root::Domain(mut root) = codec::read_root(&item)? else { return Ok(()) };
            let now = self.backends.store.now().await?;
            let is_news = match &effect {
                Effect::Arrange { owner, .. } => {
                    root.domain.sweep_now(owner, now);
                    true
                }
                Effect::Publish { owner, value } => root.domain.note_stray(owner, value, now),
                _ => false,
            };
            if !is_news {
                return Ok(());
            }
            let (key, header, body) = codec::write_root(&Root::Domain(root), Some(now))?;
            let operation = OperationId::random(&*self.backends.random)?;
            let expect = Expect::Revision(item.revision);
            let batch = Batch::new(operation)
                .with(Write::Put { key: key.clone(), expect, header, body })
                .with(Write::Wake { key: key.clone() });
            match commit(self.backends, batch, &key).await? {
                Commit::Stale(_) => {}
                Commit::Done | Commit::Fenced | Commit::Taken(_) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Makes sure that the lease is held before a call; says whether it is.
    ///
    /// The heartbeat prolongs it in time, unless the process was stopped or starved.
    async fn keep(&self, now: Timestamp) -> Result<bool> {
        if self.tenure.is_lost() {
            return Ok(false);
        }
        let policy = &self.backends.settings.policy;
        let left = between(now, self.tenure.until());
        if left >= policy.call_timeout.min(policy.lease / 2) {
            return Ok(true);
        }
        let lease = self.tenure.lease();
        let extended = self.backends.store.extend(&[lease], policy.lease).await?;
        self.tenure.answered(extended.into_iter().flatten().next());
        Ok(!self.tenure.is_lost())
    }

    /// Answers the questions that are to be asked now; `None` if the lease is lost.
    async fn observe(&self, held: &Held, now: Timestamp) -> Result<Option<Vec<Fact>>> {
        if !self.keep(now).await? {
            return Ok(None);
        }
        let Backends { settings, timer, .. } = self.backends;
        let domain = held.domain();
        let asked: Vec<Boxed<'_, Fact>> = questions(&held.root, now)
            .into_iter()
            .filter(|question| !self.is_paused(held, question))
            .map(|question| {
                let answer = async move {
                    let answer = Box::pin(self.backends.answer(&question, domain, now));
                    let answer = within(&**timer, settings.policy.call_timeout, answer).await;
                    answer.unwrap_or_else(|| question.unanswered(now))
                };
                Box::pin(answer) as _
            })
            .collect();
        let look = telemetry::looking(asked.len(), all(asked));
        Ok(self.tenure.unless_lost(look).await)
    }

    /// Returns whether a question is not to be asked now.
    fn is_paused(&self, held: &Held, question: &Question) -> bool {
        let whole = [PauseScope::Domain, PauseScope::Tenant];
        let own = held.domain().and_then(Domain::paused);
        // Whether a proof is on a page is known of the domain, not of the question.
        let is_page = matches!(question, Question::Look(it) if it.topic == Topic::Ownership)
            && held.domain().is_some_and(|domain| domain.challenge().method == Method::Http);
        let needs = |scope| {
            whole.contains(&scope)
                || question.service() == Some(scope)
                || (is_page && scope == PauseScope::Probe)
                // The authority may be asked what it is called, and nothing is ordered meanwhile.
                || (matches!(question, Question::Caa) && scope == PauseScope::Authority)
        };
        let ordered = self.paused.iter().filter_map(|fact| match fact {
            Fact::Paused(paused) => Some(paused),
            _ => None,
        });
        own.filter(|paused| paused.scope == PauseScope::Domain)
            .into_iter()
            .chain(ordered)
            .any(|paused| needs(paused.scope))
    }

    /// Carries out an effect; `None` if the lease is lost.
    async fn act(&self, held: &Held, intent: &Intent, now: Timestamp) -> Result<Option<Outcome>> {
        if !self.keep(now).await? {
            return Ok(None);
        }
        let Backends { settings, timer, .. } = self.backends;
        // In a box, for it is large, and is handed on several times.
        let act = Box::pin(self.backends.act(&held.root, &intent.effect));
        let act = async {
            within(&**timer, settings.policy.call_timeout, act).await.unwrap_or_else(|| {
                Outcome::Unknown(Trouble::new(
                    ErrorKind::Unknown,
                    format!("engine: {}: no answer in time", intent.effect.kind().as_str()),
                ))
            })
        };
        let act = telemetry::acted(&held.root, intent, act);
        let Some(outcome) = self.tenure.unless_lost(act).await else {
            // It was begun, and may come to its end.
            if is_publication(&intent.effect) {
                self.disown(intent.effect.clone()).await?;
            }
            return Ok(None);
        };
        Ok(Some(outcome))
    }
}

/// Returns whether an effect may leave a record in a zone that nobody looks for.
const fn is_publication(effect: &Effect) -> bool {
    matches!(effect, Effect::Arrange { .. } | Effect::Publish { .. })
}
