//! A root under a lease: what is read of it, and how a decision about it is stored.

use std::time::Duration;

use super::{
    backends::Backends,
    budget::{costs, pay},
    codec::{self, domain_key},
    decide::{decide, set_back},
    feed::announce,
    incumbent::{Found, Incumbent},
    policy::Policy,
    root::{Decision, Fact, Intent, Moment, Root, Satellite, Trouble},
    telemetry,
    trace::Trace,
};
use crate::{
    clock::{Timestamp, after},
    domain::{Domain, Throttled},
    error::{Error, ErrorKind, Result},
    id::{OperationId, TenantId},
    store::{
        Batch, Body, Commit, Expect, Header, Item, Key, Kind, Lease, Revision, Then, UniqueKey,
        Write,
    },
};

/// How often a commit whose outcome is unknown is looked into before the lease is left to expire.
pub(super) const COMMIT_ATTEMPTS: usize = 3;

/// How often a decision is made again right away because others spend from the same budget.
const LEDGER_ATTEMPTS: u32 = 6;

/// A root under a lease.
pub(super) struct Held {
    pub(super) lease: Lease,
    revision: Revision,
    pub(super) root: Root,
    /// The revision of the order that belongs to a domain.
    order: Option<Revision>,
    /// Whether an effect was carried out under this lease.
    pub(super) has_acted: bool,
}

impl Held {
    /// Reads a root and what belongs to it; `None` if this release does not know its form, so that
    /// it is left alone.
    pub(super) async fn load(
        backends: &Backends,
        lease: Lease,
        item: Item,
    ) -> Result<Option<Self>> {
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
        Ok(Some(Self { lease, revision: item.revision, root, order, has_acted: false }))
    }

    pub(super) fn domain(&self) -> Option<&Domain> {
        match &self.root {
            Root::Account(_) => None,
            Root::Domain(root) => Some(&root.domain),
        }
    }

    /// Decides on the facts and stores the decision, again if something came in between; returns
    /// what is to be done then, or `None` if the lease is lost.
    pub(super) async fn settle(
        &mut self,
        backends: &Backends,
        mut facts: Vec<Fact>,
        now: Timestamp,
        last: bool,
    ) -> Result<Option<(Option<Intent>, Then)>> {
        let mut contended = 0;
        // Whoever has the name that this one proved.
        let mut incumbent: Option<Box<Incumbent>> = None;
        // Commands are few, and each of them makes at most one more turn necessary.
        for _ in 0..16 {
            let mut seed = [0; 32];
            backends.random.fill(&mut seed)?;
            let moment = Moment::new(now, seed);
            let mut decision = decide(&self.root, &facts, &backends.settings, moment);
            let trace = Trace::of(&self.root, &facts, &backends.settings, moment, &decision);
            if last {
                self.give_up(&mut decision, &backends.settings.policy, moment);
            }
            let costs = costs(&self.root, &decision, &backends.settings);
            let spending = match pay(backends, &costs, now).await? {
                Ok(spending) => spending,
                Err(throttled) => {
                    facts.push(Fact::Spent(throttled));
                    continue;
                }
            };
            let goes_on = decision.effect.is_some() || decision.due.is_some_and(|due| due <= now);
            let then = if goes_on && !last { Then::Keep } else { Then::Release };
            if then == Then::Keep {
                // Whoever finds it without this lease, in a copy as well, has something to do now.
                decision.due = Some(now);
            }
            if then == Then::Release && !last && !decision.root.is_parked() {
                *decision.root.setback_mut() = None;
            }
            let mut told = None;
            if let (Root::Domain(root), false) = (&mut decision.root, decision.notices.is_empty()) {
                told = announce(backends, &mut root.domain, Some(self.revision), now).await?;
            }
            let operation = OperationId::random(&*backends.random)?;
            let batch = self.batch(backends, &decision, operation, then, now).await?;
            let mut batch = told.into_iter().fold(batch, Batch::with);
            batch.writes.extend(spending);
            let mut told_beside = Vec::new();
            if let Some(toward) = decision.toward
                && let Some(incumbent) = &incumbent
            {
                let beside = incumbent.turned(backends, toward, now).await?;
                told_beside = beside.join(&mut batch)?;
            }
            if let Some(entry) = trace.map(|it| codec::write_trace(&self.lease.key, &it)) {
                batch.log.extend(entry?);
            }
            let result = commit(backends, batch, &self.lease.key).await?;
            telemetry::committed(self.lease.key.kind, &result, &decision.notices);
            match result {
                Commit::Done => {
                    told_beside.iter().for_each(telemetry::told);
                    if let Root::Domain(root) = &decision.root {
                        backends.refuse_told(&root.domain, &decision.notices);
                    }
                    self.revision = Revision::new(self.revision.counter + 1, operation);
                    self.order = self.order_after(&decision.root, operation);
                    self.root = decision.root;
                    return Ok(Some((decision.effect, then)));
                }
                Commit::Fenced => return Ok(None),
                Commit::Taken(keys) => {
                    facts.retain(|fact| !is_of_holder(fact));
                    incumbent = match self.find_holder(backends, &keys).await? {
                        // Given up meanwhile: it may be there for the taking.
                        Found::Nobody => None,
                        Found::Unreadable => {
                            facts.push(Fact::Taken(keys));
                            None
                        }
                        Found::Somebody(found) => {
                            facts.push(Fact::Taken(keys));
                            facts.push(Fact::Holder(found.holder(backends, now).await));
                            Some(found)
                        }
                    };
                }
                Commit::Stale(keys) if keys.iter().all(|key| key.kind == Kind::Ledger) => {
                    contended += 1;
                    // Many want something of the same budget: they come back one after another.
                    if contended >= LEDGER_ATTEMPTS
                        && let Some(cost) = costs.first()
                    {
                        let until = after(now, Duration::from_secs(1));
                        facts.push(Fact::Spent(Throttled::new(cost.kind(), until)));
                    }
                }
                Commit::Stale(_) => {
                    // What was known of whoever has the name may be the stale part.
                    facts.retain(|fact| !is_of_holder(fact));
                    incumbent = None;
                    let key = self.lease.key.clone();
                    let found = backends.store.get(&[key]).await?;
                    let Some(item) = found.into_iter().flatten().next() else {
                        return Ok(None);
                    };
                    match Self::load(backends, self.lease.clone(), item).await? {
                        Some(fresh) => *self = Self { has_acted: self.has_acted, ..fresh },
                        None => return Ok(None),
                    }
                }
            }
        }
        Ok(None)
    }

    /// Finds who has the name that the last decision would have taken.
    async fn find_holder(&self, backends: &Backends, taken: &[UniqueKey]) -> Result<Found> {
        match self.domain() {
            Some(domain) if taken.contains(&codec::hold(domain.name())) => {
                Incumbent::find(backends, domain.name()).await
            }
            _ => Ok(Found::Unreadable),
        }
    }

    /// Gives others their turn: this one goes in circles.
    fn give_up(&self, decision: &mut Decision, policy: &Policy, moment: Moment) {
        let pause = after(moment.now, policy.lease);
        decision.due = decision.due.map(|due| due.max(pause));
        if self.has_acted {
            return;
        }
        let message = format!("{} decisions in a row led to nothing", policy.max_rounds);
        let trouble = Trouble::new(ErrorKind::Internal, message);
        let (setback, due, notice) = set_back(self.root.setback(), &trouble, policy, moment);
        *decision.root.setback_mut() = Some(setback);
        decision.due = due;
        decision.notices.extend(notice);
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
            if !old.domain.status().holds() && new.domain.status().holds() {
                batch.writes.extend(backends.wake_above(&new.domain.name, tenant).await?);
            }
            for write in satellites(backends, &decision.satellites, tenant, now).await? {
                batch = batch.with(write);
            }
        }
        Ok(batch)
    }
}

/// Returns whether a fact is about whoever has the name.
const fn is_of_holder(fact: &Fact) -> bool {
    matches!(fact, Fact::Holder(_) | Fact::Taken(_))
}

/// Commits, and finds out what happened when the store cannot say.
///
/// `root` is an item that the batch puts: its revision names the batch that wrote it last.
pub(super) async fn commit(backends: &Backends, batch: Batch, root: &Key) -> Result<Commit> {
    let operation = batch.operation;
    for attempt in 0..COMMIT_ATTEMPTS {
        let answer = backends.store.commit(batch.clone()).await;
        match &answer {
            Err(error) if attempt == 0 && error.kind() != ErrorKind::Unknown => return answer,
            Ok(commit) if attempt == 0 || *commit == Commit::Done => return answer,
            // An earlier attempt may have been late, and be what is in the way of this one.
            _ => {}
        }
        let Ok(found) = backends.store.get(std::slice::from_ref(root)).await else { break };
        let item = found.into_iter().flatten().next();
        if item.is_some_and(|item| item.revision.operation == operation) {
            return Ok(Commit::Done);
        }
        if answer.is_ok() {
            return answer;
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
    let mut reports = Vec::new();
    let mut puts: Vec<(Key, Option<(Header, Body)>)> = Vec::with_capacity(changes.len());
    for change in changes {
        let put = |(key, header, body)| (key, Some((header, body)));
        puts.push(match change {
            Satellite::MissAccount(missed) => {
                reports.extend(backends.report(missed, now).await?);
                continue;
            }
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
    Ok(writes.chain(reports).collect())
}

/// Reads a domain that a tenant has, as stored; `None` if there is none, or it is another's.
pub(super) async fn find(
    backends: &Backends,
    tenant: TenantId,
    id: crate::id::DomainId,
    operation: &'static str,
) -> Result<Option<(Item, Box<super::root::DomainRoot>)>> {
    let found = backends.store.get(&[domain_key(id)]).await?.into_iter().flatten().next();
    let Some(item) = backends.own(found, tenant, operation, id) else { return Ok(None) };
    match codec::read_root(&item)? {
        Root::Domain(root) if root.domain.tenant == tenant && !root.domain.is_removed() => {
            Ok(Some((item, root)))
        }
        _ => Ok(None),
    }
}
