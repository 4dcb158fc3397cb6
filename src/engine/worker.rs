//! The background half: it leases what is due, and takes it step by step further.

use std::{future::Future, sync::Arc, time::Duration};

use super::{
    backends::Backends,
    codec::{self, domain_key},
    decide::{decide, questions},
    root::{Decision, Effect, Fact, Intent, Moment, Outcome, Root, Satellite, Trouble},
    together::{First, all, first, within},
};
use crate::{
    clock::{Timestamp, between},
    domain::Domain,
    error::{Error, ErrorKind, Result},
    id::{OperationId, TenantId},
    store::{
        Batch, Body, Commit, Expect, Header, Item, Key, Kind, Lease, LeaseRequest, Revision, Then,
        Write,
    },
};

/// The kinds of roots that a worker works on.
const ROOTS: [Kind; 2] = [Kind::Account, Kind::Domain];

/// How often a commit whose outcome is unknown is looked into before the lease is left to expire.
const COMMIT_ATTEMPTS: usize = 3;

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

/// A root under a lease.
struct Held {
    lease: Lease,
    revision: Revision,
    root: Root,
    /// The revision of the order that belongs to a domain.
    order: Option<Revision>,
}

impl Held {
    /// Reads a root and what belongs to it; `None` if this release does not know its form, so that
    /// it is left alone.
    async fn load(backends: &Backends, lease: Lease, item: Item) -> Result<Option<Self>> {
        let mut root = match codec::read_root(&item) {
            Ok(root) => root,
            Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut order = None;
        if let Root::Domain(root) = &mut root
            && let Some(issuance) = &root.domain.issuance
        {
            let found = backends.store.get(&[codec::order_key(issuance.order)]).await?;
            if let Some(item) = found.into_iter().flatten().next() {
                root.order = Some(codec::read_item(&item)?);
                order = Some(item.revision);
            }
        }
        Ok(Some(Self { lease, revision: item.revision, root, order }))
    }

    fn domain(&self) -> Option<&Domain> {
        match &self.root {
            Root::Account(_) => None,
            Root::Domain(root) => Some(&root.domain),
        }
    }

    /// Decides on the facts and stores the decision, again if something came in between; `None` if
    /// the lease is lost.
    async fn settle(
        &mut self,
        backends: &Backends,
        mut facts: Vec<Fact>,
        now: Timestamp,
        last: bool,
    ) -> Result<Option<(Decision, Then)>> {
        // Commands are few, and each of them makes at most one more turn necessary.
        for _ in 0..16 {
            let mut seed = [0; 32];
            backends.random.fill(&mut seed)?;
            let mut decision =
                decide(&self.root, &facts, &backends.settings, Moment::new(now, seed));
            if last {
                // Something goes in circles: give others their turn.
                let pause = crate::clock::after(now, backends.settings.policy.lease);
                decision.due = decision.due.map(|due| due.max(pause));
            }
            let goes_on = decision.effect.is_some() || decision.due.is_some_and(|due| due <= now);
            let then = if goes_on && !last { Then::Keep } else { Then::Release };
            let operation = OperationId::random(&*backends.random)?;
            let batch = self.batch(backends, &decision, operation, then, now).await?;
            match commit(backends, batch, &self.lease.key).await? {
                Commit::Done => {
                    self.revision = Revision::new(self.revision.counter + 1, operation);
                    self.order = self.order_after(&decision.root, operation);
                    self.root = decision.root.clone();
                    return Ok(Some((decision, then)));
                }
                Commit::Fenced => return Ok(None),
                Commit::Taken(keys) => facts.push(Fact::Taken(keys)),
                Commit::Stale(_) => {
                    let key = self.lease.key.clone();
                    let found = backends.store.get(&[key]).await?;
                    let Some(item) = found.into_iter().flatten().next() else {
                        return Ok(None);
                    };
                    match Self::load(backends, self.lease.clone(), item).await? {
                        Some(fresh) => *self = fresh,
                        None => return Ok(None),
                    }
                }
            }
        }
        Ok(None)
    }

    /// Returns the revision that the order has once `next` is stored by `operation`.
    fn order_after(&self, next: &Root, operation: OperationId) -> Option<Revision> {
        let (Root::Domain(old), Root::Domain(new)) = (&self.root, next) else { return None };
        let order = new.order.as_ref()?;
        match (&old.order, self.order) {
            (Some(old), revision) if old == order => revision,
            (Some(old), Some(Revision { counter, .. })) if old.id == order.id => {
                Some(Revision::new(counter + 1, operation))
            }
            _ => Some(Revision::new(1, operation)),
        }
    }

    async fn batch(
        &self,
        backends: &Backends,
        decision: &Decision,
        operation: OperationId,
        then: Then,
        now: Timestamp,
    ) -> Result<Batch> {
        let (key, header, body) = codec::write_root(&decision.root, decision.due)?;
        let mut batch = Batch::new(operation).with_lease(self.lease.clone(), then);
        for notice in &decision.notices {
            batch = batch.with_entry(codec::write_notice(&key, notice)?);
        }
        let expect = Expect::Revision(self.revision);
        batch = batch.with(Write::Put { key, expect, header, body });
        if let (Root::Domain(old), Root::Domain(new)) = (&self.root, &decision.root) {
            let tenant = new.domain.tenant;
            let same = match (&old.order, &new.order) {
                (Some(old), Some(new)) => old.id == new.id,
                _ => false,
            };
            if let (Some(order), Some(revision), false) = (&old.order, self.order, same) {
                let key = codec::order_key(order.id);
                batch = batch.with(Write::Delete { key, expect: Expect::Revision(revision) });
            }
            if let Some(order) = &new.order
                && old.order != new.order
            {
                let (key, header, body) = codec::write_order(order, tenant)?;
                let known = self.order.filter(|_| same);
                let expect = known.map_or(Expect::Absent, Expect::Revision);
                batch = batch.with(Write::Put { key, expect, header, body });
            }
            for write in satellites(backends, &decision.satellites, tenant, now).await? {
                batch = batch.with(write);
            }
        }
        Ok(batch)
    }
}

/// Commits, and finds out what happened when the store cannot say.
///
/// `root` is an item that the batch puts: its revision names the batch that wrote it last.
pub(super) async fn commit(backends: &Backends, batch: Batch, root: &Key) -> Result<Commit> {
    let operation = batch.operation;
    for _ in 0..COMMIT_ATTEMPTS {
        match backends.store.commit(batch.clone()).await {
            Err(error) if error.kind() == ErrorKind::Unknown => {
                let found = backends.store.get(std::slice::from_ref(root)).await?;
                let item = found.into_iter().flatten().next();
                if item.is_some_and(|item| item.revision.operation == operation) {
                    return Ok(Commit::Done);
                }
            }
            other => return other,
        }
    }
    Err(Error::new(
        ErrorKind::Unknown,
        "engine",
        "commit",
        format!("the store cannot say whether {root} was written"),
    ))
}

/// Turns changes of satellites into writes that expect what is there now.
///
/// Only the holder of the root's lease writes them, and the root's revision is part of the same
/// batch, so that nothing can change in between.
async fn satellites(
    backends: &Backends,
    changes: &[Satellite],
    tenant: TenantId,
    now: Timestamp,
) -> Result<Vec<Write>> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let mut puts: Vec<(Key, Option<(Header, Body)>)> = Vec::with_capacity(changes.len());
    for change in changes {
        let put = |(key, header, body)| (key, Some((header, body)));
        puts.push(match change {
            Satellite::WantAccount(account) => put(codec::write_account(account, now)?),
            Satellite::PutAnswer(answer) => put(codec::write_answer(answer, tenant)?),
            Satellite::PutCertificate(it) => put(codec::write_certificate(it, tenant)?),
            Satellite::PutKey(key) => put(codec::write_key(key, tenant)?),
            Satellite::DeleteAnswer(id) => (codec::answer_key(id), None),
            Satellite::DeleteCertificate(id) => (codec::certificate_key(*id), None),
            Satellite::DeleteKey(id) => (codec::key_key(*id), None),
        });
    }
    let keys: Vec<Key> = puts.iter().map(|(key, _)| key.clone()).collect();
    let found = backends.store.get(&keys).await?;
    let writes = puts.into_iter().zip(found).filter_map(|((key, put), item)| {
        let expect = item.map_or(Expect::Absent, |item| Expect::Revision(item.revision));
        match put {
            // Somebody else was quicker; theirs is as good.
            Some(_) if key.kind == Kind::Account && expect != Expect::Absent => None,
            Some((header, body)) => Some(Write::Put { key, expect, header, body }),
            // Already gone is gone.
            None if expect == Expect::Absent => None,
            None => Some(Write::Delete { key, expect }),
        }
    });
    Ok(writes.collect())
}

/// Reads a domain that a tenant has, as stored; `None` if there is none, or it is another's.
pub(super) async fn find(
    backends: &Backends,
    tenant: TenantId,
    id: crate::id::DomainId,
) -> Result<Option<(Item, Box<super::root::DomainRoot>)>> {
    let found = backends.store.get(&[domain_key(id)]).await?;
    // Whose it is says the header as well: what cannot be read is nobody else's business.
    let is_theirs = |item: &Item| item.header.tenant == Some(tenant);
    let Some(item) = found.into_iter().flatten().next().filter(is_theirs) else {
        return Ok(None);
    };
    match codec::read_root(&item)? {
        Root::Domain(root) if root.domain.tenant == tenant && !root.domain.is_removed() => {
            Ok(Some((item, root)))
        }
        _ => Ok(None),
    }
}
