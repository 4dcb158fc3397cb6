//! The background half: it leases what is due, and takes it step by step further.

use std::{future::Future, sync::Arc, time::Duration};

use super::{
    backends::Backends,
    codec,
    decide::questions,
    held::{COMMIT_ATTEMPTS, Held, commit},
    root::{Effect, Fact, Intent, Outcome, Root, Trouble},
    together::{First, all, first, within},
};
use crate::{
    clock::{Timestamp, between},
    error::{ErrorKind, Result},
    id::OperationId,
    store::{Batch, Commit, Expect, Item, Key, Kind, Lease, LeaseRequest, Then, Write},
};

/// The kinds of roots that a worker works on.
const ROOTS: [Kind; 2] = [Kind::Account, Kind::Domain];

/// The background half of nameplate.
///
/// Any number of workers may run on one store, in one process or in many.
///
/// # Guarantees
///
/// * Between two commits there is at most one effect, and its intent is stored before it starts.
/// * What a worker that was stopped does later is not accepted, and what it leaves outside is
///   cleaned up.
/// * Nothing is spawned: all work happens in the caller's task.
///
/// # Caveats
///
/// A step is over when all roots that it leased are, so that one slow service holds up the next step:
/// for at most the call timeout at each of the calls that the slowest root has to make.
#[derive(Clone, Debug)]
pub struct Worker {
    backends: Arc<Backends>,
}

/// What one step did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// How many roots were due and leased.
    pub leased: usize,
    /// How many of them could not be taken to the end of what is possible now: their lease was
    /// lost, or the store failed. They are due again when the lease ends.
    pub left: usize,
}

impl Worker {
    pub(super) const fn new(backends: Arc<Backends>) -> Self {
        Self { backends }
    }

    /// Works once on everything that is due, up to the batch size. Never sleeps.
    ///
    /// # Errors
    ///
    /// Those of [`Store::lease`](crate::store::Store::lease). What goes wrong with one root is not
    /// an error of the step: it is stored with the root.
    pub async fn step(&self) -> Result<Step> {
        let policy = &self.backends.settings.policy;
        self.lease(&LeaseRequest::new(ROOTS, policy.batch, policy.lease)).await
    }

    /// Works on one domain, if it is due and nobody else does.
    pub(super) async fn step_one(&self, key: Key) -> Result<Step> {
        self.lease(&LeaseRequest::of(key, self.backends.settings.policy.lease)).await
    }

    async fn lease(&self, wanted: &LeaseRequest) -> Result<Step> {
        let leased = self.backends.store.lease(wanted).await?;
        let now = leased.now;
        let roots = leased
            .leases
            .into_iter()
            .map(|(lease, item)| Box::pin(self.drive(lease, item, now)) as _)
            .collect();
        let ends = all::<Result<End>>(roots).await;
        let left = ends.iter().filter(|end| !matches!(end, Ok(End::Released))).count();
        Ok(Step { leased: ends.len(), left })
    }

    /// Works until `shutdown` is done: what is under way then is finished first.
    ///
    /// The only place in the crate that sleeps.
    ///
    /// # Cancellation
    ///
    /// Dropping the future is as killing the process: nothing is lost, and what was under way goes
    /// on when its lease has ended.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let policy = self.backends.settings.policy.clone();
        let mut shutdown = Box::pin(shutdown);
        loop {
            let full = match self.step().await {
                Ok(step) => step.leased >= usize::try_from(policy.batch).unwrap_or(usize::MAX),
                // The store is away; so is everything that could be done.
                Err(_) => false,
            };
            let pause = if full { Duration::ZERO } else { policy.poll_interval };
            let pause = self.backends.timer.sleep(pause);
            if let First::Left(()) = first(shutdown.as_mut(), pause).await {
                return;
            }
        }
    }

    async fn drive(&self, lease: Lease, item: Item, now: Timestamp) -> Result<End> {
        let Some(mut held) = Held::load(&self.backends, lease, item).await? else {
            return Ok(End::Left);
        };
        let mut now = now;
        let mut outcome = None;
        let mut published = None;
        let max_rounds = self.backends.settings.policy.max_rounds;
        for round in 1..=max_rounds {
            let facts = match outcome.take() {
                // What came of the effect is stored before anything else is looked at.
                Some(outcome) => vec![outcome],
                None if self.keep(&mut held, now).await? => self.observe(&held, now).await,
                None => return Ok(End::Left),
            };
            now = self.backends.store.now().await?;
            let last = round == max_rounds;
            let settled = held.settle(&self.backends, facts, now, last).await?;
            let Some((decision, then)) = settled else {
                if let Some(effect) = published {
                    self.disown(held.lease.key, effect).await?;
                }
                return Ok(End::Left);
            };
            if then == Then::Release {
                return Ok(End::Released);
            }
            if let Some(intent) = decision.effect {
                let Some(result) = self.act(&mut held, &intent, now).await? else {
                    return Ok(End::Left);
                };
                published = match (&result, intent.effect) {
                    (
                        Outcome::Done(_) | Outcome::Unknown(_),
                        effect @ (Effect::Arrange { .. } | Effect::Publish { .. }),
                    ) => Some(effect),
                    _ => None,
                };
                outcome = Some(Fact::Outcome { id: intent.id, outcome: result });
                now = self.backends.store.now().await?;
            }
        }
        Ok(End::Left)
    }

    /// Writes down that a record was published too late: the lease was lost, others have gone on, and
    /// may have cleaned up before it was there.
    ///
    /// Done without a lease, as a command is. The next holder removes the record if it is of no use.
    async fn disown(&self, key: Key, effect: Effect) -> Result<()> {
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
            match commit(&self.backends, batch, &key).await? {
                Commit::Stale(_) => {}
                Commit::Done | Commit::Fenced | Commit::Taken(_) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Returns how long a call may take so that it ends before its lease.
    fn call_limit(&self, lease: &Lease, now: Timestamp) -> Duration {
        let policy = &self.backends.settings.policy;
        policy.call_timeout.min(between(now, lease.until))
    }

    /// Extends the lease if a call might outlive it; says whether it is still held.
    async fn keep(&self, held: &mut Held, now: Timestamp) -> Result<bool> {
        let policy = &self.backends.settings.policy;
        if between(now, held.lease.until) >= policy.call_timeout {
            return Ok(true);
        }
        let extended =
            self.backends.store.extend(std::slice::from_ref(&held.lease), policy.lease).await?;
        let Some(lease) = extended.into_iter().flatten().next() else { return Ok(false) };
        held.lease = lease;
        Ok(true)
    }

    async fn observe(&self, held: &Held, now: Timestamp) -> Vec<Fact> {
        let domain = held.domain();
        let limit = self.call_limit(&held.lease, now);
        let asked = questions(&held.root, now)
            .into_iter()
            .map(|question| {
                let answer = async move {
                    let answer = self.backends.answer(&question, domain, now);
                    let answer = within(&*self.backends.timer, limit, answer).await;
                    answer.unwrap_or_else(|| question.unanswered(now))
                };
                Box::pin(answer) as _
            })
            .collect();
        all(asked).await
    }

    /// Carries out an effect, under a lease that outlives it; `None` if the lease is lost.
    async fn act(
        &self,
        held: &mut Held,
        intent: &Intent,
        now: Timestamp,
    ) -> Result<Option<Outcome>> {
        if !self.keep(held, now).await? {
            return Ok(None);
        }
        let limit = self.call_limit(&held.lease, now);
        let act = self.backends.act(&held.root, &intent.effect);
        Ok(Some(within(&*self.backends.timer, limit, act).await.unwrap_or_else(|| {
            Outcome::Unknown(Trouble::new(
                ErrorKind::Unknown,
                format!("engine: {}: no answer in time", intent.effect.kind().as_str()),
            ))
        })))
    }
}

/// How work on a root ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    /// It was given back.
    Released,
    /// It was lost, or is left until the lease ends.
    Left,
}
