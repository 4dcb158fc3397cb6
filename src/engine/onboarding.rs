//! Commands and queries: the half of nameplate that a platform's own API calls.

use std::{future::Future, sync::Arc};

use super::{
    backends::Backends,
    builder::Builder,
    caps::turn,
    codec::{self, REMOVED},
    decide::Settings,
    edge::Edge,
    feed::announce,
    held::find,
    incumbent::{Found, Incumbent},
    method::prolong,
    notice::{Notice, Numbered},
    refusal::{Refusal, Rule},
    root::{DomainRoot, Root},
    telemetry,
    worker::Worker,
};
use crate::{
    certificate::Validation,
    challenge::{Challenge, Method, MethodError, email::Contacts},
    clock::{Timestamp, after, whole_second},
    domain::{
        Delegation, Domain, Event, Founding, Instruction, NewDomain, Status, Step, instructions,
        steps,
    },
    error::{Error, ErrorKind, Result},
    id::{DomainId, OperationId, TenantId},
    name::{DnsName, DomainName},
    store::{Batch, Commit, Expect, Filter, Item, Query, Store, Write},
};

/// How often a command is tried again when a worker changes the same domain at the same time.
pub(super) const ATTEMPTS: usize = 8;

/// How often a name is added again when the same tenant adds others at the same time, and each counts.
const ADD_ATTEMPTS: usize = 32;

/// The commands and queries of nameplate. Tenant first: what is another tenant's is not there.
///
/// # Assumptions
///
/// The caller has authenticated the tenant. At least one [`Worker`] runs somewhere on the same
/// store, or nothing but [`Onboarding::check`] moves anything.
#[derive(Clone, Debug)]
pub struct Onboarding {
    backends: Arc<Backends>,
}

/// A page of domains.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Domains {
    /// The domains, by rising id.
    pub domains: Vec<Domain>,
    /// Those whose stored form cannot be read, by us or by the store itself, or is of a release that
    /// this one does not know. They are left alone.
    pub unreadable: Vec<DomainId>,
    /// Where to continue; `None` on the last page.
    pub next: Option<String>,
}

impl Onboarding {
    /// Starts to put an onboarding together, on a store.
    pub fn builder(store: impl Store) -> Builder {
        Builder::new(Arc::new(store))
    }

    /// Puts the commands on what is plugged in.
    pub(super) const fn new(backends: Arc<Backends>) -> Self {
        Self { backends }
    }

    pub(super) fn backends(&self) -> &Backends {
        &self.backends
    }

    pub(super) fn shared(&self) -> Arc<Backends> {
        self.backends.clone()
    }

    /// Returns what decisions depend on besides the domain.
    pub fn settings(&self) -> &Settings {
        &self.backends.settings
    }

    /// Returns a worker on the same backends. The caller owns its task.
    pub fn worker(&self) -> Worker {
        Worker::new(self.backends.clone())
    }

    /// Returns the view that the platform's edge serves from.
    pub fn edge(&self) -> Edge {
        Edge::new(self.backends.clone())
    }

    /// Adds a tenant's claim on a name.
    ///
    /// Any number of tenants may have a claim on the same name; the first that proves it holds it.
    ///
    /// # Errors
    ///
    /// `Invalid` if the name may not be claimed here (the source is an
    /// [`AdmitError`](crate::name::AdmitError)), cannot be proved as asked (the source is a
    /// [`MethodError`]) or cannot be validated as asked; `AlreadyExists`
    /// if the tenant has a claim on it, with its id as
    /// [`subject`](crate::error::Error::subject); `Quota` if the tenant has as many names as it may
    /// have, and `RateLimited` if it adds them too quickly; and those of the store. Nothing is stored
    /// then. What a rule of claims refuses has the name of the [`Rule`] as code.
    pub async fn add(&self, tenant: &TenantId, wanted: NewDomain) -> Result<Domain> {
        let backends = &self.backends;
        let (domain, mut trace) = self.found(tenant, wanted.clone()).await?;
        let mut root = DomainRoot::new(domain);
        let mut now = root.domain.created_at();
        let mut told = announce(backends, &mut root.domain, None, now).await?;
        for attempt in 0..ADD_ATTEMPTS {
            let turn = turn(backends, *tenant, root.domain.name(), now).await?;
            root.domain.next_check_at = Some(turn.due);
            let operation = OperationId::random(&*backends.random)?;
            let (key, header, body) =
                codec::write_root(&Root::Domain(Box::new(root.clone())), Some(turn.due))?;
            let mut batch = Batch::new(operation)
                .with_entry(codec::write_notice(&key, &Notice::Added)?)
                .with(Write::Put { key: key.clone(), expect: Expect::Absent, header, body });
            batch.writes.extend(told.clone());
            // What is taken up is good for as long as the name rests, and for one claim.
            if let Some(trace) = &trace {
                batch.writes.push(trace.taken_up()?);
            }
            // A tenant that adds many at the same time is not kept from it: these keep about the pace.
            if turn.is_counted || attempt < ATTEMPTS / 2 {
                batch.writes.extend(turn.writes);
            }
            match self.commit(batch, &key).await? {
                Commit::Done => {
                    telemetry::told(&Notice::Added);
                    return Ok(root.domain);
                }
                Commit::Taken(_) => return Err(self.existing(tenant, &root.domain).await?),
                Commit::Stale(keys)
                    if trace.as_ref().is_some_and(|trace| keys.contains(&trace.item.key)) =>
                {
                    (root.domain, trace) = self.found(tenant, wanted.clone()).await?;
                    now = root.domain.created_at();
                    told = announce(backends, &mut root.domain, None, now).await?;
                }
                // The tenant adds others at the same time.
                Commit::Stale(_) => {}
                Commit::Fenced => return Err(lost_race("add")),
            }
        }
        Err(lost_race("add"))
    }

    /// Returns a claim as it is added, which nobody has stored, and the trace that it takes up: to be
    /// stored only while that has not changed.
    pub(super) async fn found(
        &self,
        tenant: &TenantId,
        wanted: NewDomain,
    ) -> Result<(Domain, Option<Box<Incumbent>>)> {
        let backends = &self.backends;
        let name = wanted.name().clone();
        backends.claims.admit(&name).map_err(|error| {
            let refusal =
                Refusal::new(Rule::from(error.rule()), "add", *tenant).with_name(name.clone());
            backends.refuse(&refusal);
            refusal.error(ErrorKind::Invalid, error.to_string()).with_source(error)
        })?;
        let deny = |rule: Rule, error: Error| {
            backends.deny(&Refusal::new(rule, "add", *tenant).with_name(name.clone()), error)
        };
        let invalid = |message: String| {
            deny(Rule::Unfit, Error::new(ErrorKind::Invalid, "onboarding", "add", message))
        };
        if name.is_apex() && !backends.targets.has_addresses() {
            return Err(invalid(format!(
                "{name} is the top of its zone, which needs addresses to point at; claim a name \
                 below it, such as www.{name}"
            )));
        }
        let validation = match wanted.validation {
            Some(validation) => validation,
            None if name.is_wildcard() => Validation::Dns01Delegated,
            None => backends.settings.policy.validation,
        };
        if name.is_wildcard() && validation == Validation::Http01 {
            return Err(invalid(format!(
                "{name} is a wildcard, which certificate authorities validate by DNS only"
            )));
        }
        if validation == Validation::Dns01 && backends.dns.is_none() {
            return Err(invalid("there is no DNS provider to validate by dns-01 with".to_owned()));
        }
        let id = DomainId::random(&*backends.random)?;
        let delegation = match (validation, &backends.delegation_zone) {
            (Validation::Dns01Delegated, Some(zone)) => Some(self.delegation(&wanted, zone)?),
            (Validation::Dns01Delegated, None) => {
                return Err(invalid(
                    "there is no zone to delegate certificate challenges to".to_owned(),
                ));
            }
            _ => None,
        };
        let now = whole_second(backends.store.now().await?);
        let method = wanted.method.unwrap_or(backends.settings.policy.method);
        let challenge =
            backends.challenge(&name, method, 1, now).map_err(|error| {
                match unprovable(&error) {
                    Some(rule) => deny(rule, error),
                    None => error,
                }
            })?;
        if method == Method::Email {
            Contacts::by(&backends.claims.suffixes(), &name, wanted.mail.scope.as_ref())
                .map_err(|error| deny(Rule::ScopeTooNarrow, error))?;
        }
        let mut founding = Founding::new(id, *tenant, challenge, validation, delegation);
        let former = self.former(tenant, &name, now).await?;
        if let Some(former) = &former {
            founding.take_up(&former.root.domain);
        }
        Ok((Domain::new(wanted, founding, now), former))
    }

    /// Returns the claim that a tenant removed not long ago, if the name rests since.
    async fn former(
        &self,
        tenant: &TenantId,
        name: &DomainName,
        now: Timestamp,
    ) -> Result<Option<Box<Incumbent>>> {
        if self.backends.settings.policy.quarantine.is_zero() {
            return Ok(None);
        }
        let Found::Somebody(found) = Incumbent::find(&self.backends, name).await? else {
            return Ok(None);
        };
        let former = &found.root.domain;
        let rests = former.is_removed() && former.bars(now) && former.tenant() == *tenant;
        Ok(rests.then_some(found))
    }

    fn delegation(&self, wanted: &NewDomain, zone: &DnsName) -> Result<Delegation> {
        let too_long = |error| {
            Error::new(
                ErrorKind::Invalid,
                "onboarding",
                "add",
                format!("{} is too long to delegate its challenges", wanted.name()),
            )
            .with_source(error)
        };
        // Nothing of the tenant or the name is in it, and no other claim has it.
        let target = self.backends.delegation_target(zone)?;
        let base = DnsName::from(wanted.name().base());
        let owner = base.child("_acme-challenge").map_err(too_long)?;
        Ok(Delegation::new(owner, target))
    }

    pub(super) async fn existing(&self, tenant: &TenantId, domain: &Domain) -> Result<Error> {
        let slot = codec::slot(*tenant, domain.name());
        let found = self.backends.store.find(&[slot]).await?;
        let Some(item) = found.into_iter().flatten().next() else {
            return Ok(lost_race("add"));
        };
        let there = codec::read_domain(&item)?;
        let state = match there.status() {
            Status::Removing => "is still being removed",
            _ => "is there already",
        };
        let message = format!("{} {state}", domain.name());
        let refusal =
            Refusal::new(Rule::AlreadyThere, "add", *tenant).with_name(domain.name().clone());
        let error = Error::new(ErrorKind::AlreadyExists, "onboarding", "add", message);
        Ok(self.backends.deny(&refusal.with_domain(there.id()), error).with_subject(there.id()))
    }

    /// Returns a domain of a tenant.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none, also if it is another tenant's; those of the store.
    pub async fn get(&self, tenant: &TenantId, id: DomainId) -> Result<Domain> {
        Ok(self.find(tenant, id, "get").await?.1.domain)
    }

    /// Returns a page of up to 100 domains of a tenant, after the id at which the last one ended.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn list(&self, tenant: &TenantId, after: Option<&str>) -> Result<Domains> {
        let mut query = Query::new(crate::store::Kind::Domain, Filter::Tenant(*tenant));
        if let Some(after) = after {
            query = query.with_after(after);
        }
        let page = self.backends.store.list(&query).await?;
        let is_there = |item: &&Item| item.header.status.as_deref() != Some(REMOVED);
        let mut domains = Vec::with_capacity(page.items.len());
        let mut unreadable = Vec::new();
        for item in page.items.iter().filter(is_there) {
            match codec::read_domain(item) {
                // Parked before all of it was cleaned up.
                Ok(domain) if domain.is_removed() => {}
                Ok(domain) => domains.push(domain),
                Err(_) => unreadable.extend(item.key.id.parse::<DomainId>().ok()),
            }
        }
        unreadable.extend(page.unreadable.iter().filter_map(|id| id.parse::<DomainId>().ok()));
        unreadable.sort_unstable();
        Ok(Domains { domains, unreadable, next: page.next })
    }

    /// Returns all that the customer has to do, in order: the proof first.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    pub async fn steps(&self, tenant: &TenantId, id: DomainId) -> Result<Vec<Step>> {
        let domain = self.get(tenant, id).await?;
        Ok(steps(&domain, &self.backends.targets))
    }

    /// Returns the records that the customer has to add, in the order in which to add them. Where the
    /// proof is no record, [`steps`](Self::steps) has it.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    pub async fn instructions(&self, tenant: &TenantId, id: DomainId) -> Result<Vec<Instruction>> {
        let domain = self.get(tenant, id).await?;
        Ok(instructions(&domain, &self.backends.targets))
    }

    /// Looks at a domain now, and returns it as it is then.
    ///
    /// Does what a worker would do, in the caller's task, unless a worker is at it: then that one
    /// looks again, and the domain is returned as it is. A claim that had gone dormant wakes up; where
    /// its token was good for a short time only, with another one.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost, but the domain stays leased: for up to [`Policy::lease`](crate::engine::Policy::lease)
    /// (a minute) no worker looks at it, and a `check` returns it as it is. A server that drops its
    /// handlers when a browser goes away spawns this call and waits for the task.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get), and `Conflict` if others keep changing it.
    pub async fn check(&self, tenant: &TenantId, id: DomainId) -> Result<Domain> {
        self.change(tenant, id, "check", |domain, now| {
            if domain.status() != Status::Removing {
                if domain.status() == Status::Pending && now > domain.challenge.expires_at {
                    prolong(&self.backends, domain, now)?;
                }
                domain.next_check_at = Some(now);
                domain.checks = 0;
            }
            Ok(())
        })
        .await?;
        self.worker().step_one(codec::domain_key(id)).await?;
        self.get(tenant, id).await
    }

    /// Tries again what was refused or waits for its next attempt.
    ///
    /// Orders keep [`Policy::order_spacing`](crate::engine::Policy::order_spacing) between them however often this is called.
    ///
    /// # Errors
    ///
    /// As for [`check`](Self::check), and `Precondition` if nothing has failed.
    pub async fn retry(&self, tenant: &TenantId, id: DomainId) -> Result<Domain> {
        let order_spacing = self.backends.settings.policy.order_spacing;
        self.change(tenant, id, "retry", |domain, now| {
            let waits = domain.next_order_at.is_some() && domain.status() != Status::Removing;
            if domain.status() == Status::Failed || !waits {
                domain.apply(Event::Retried)?;
                prolong(&self.backends, domain, now)?;
            }
            domain.failed_orders = 0;
            domain.hasten_order(now, order_spacing);
            domain.next_check_at = Some(now);
            domain.checks = 0;
            Ok(())
        })
        .await
    }

    /// Renews the certificate now instead of when it is due: after its key was exposed, or because
    /// the authority announced that it will revoke it.
    ///
    /// The old one serves until the new one is there. Asked again before that, it is the same
    /// renewal; asked after it, it is another, [`Policy::order_spacing`](crate::engine::Policy::order_spacing) after it at the earliest.
    ///
    /// # Errors
    ///
    /// As for [`check`](Self::check), and `Precondition` if nothing is served.
    pub async fn renew(&self, tenant: &TenantId, id: DomainId) -> Result<Domain> {
        let spacing = self.backends.settings.policy.order_spacing;
        self.change(tenant, id, "renew", |domain, now| {
            let is_active = domain.status() == Status::Active;
            let Some(served) = domain.certificate.as_mut().filter(|_| is_active) else {
                let message = format!("{} has no certificate that is served", domain.name);
                return Err(Error::new(ErrorKind::Precondition, "onboarding", "renew", message)
                    .with_subject(domain.id));
            };
            served.renew_at = served.renew_at.min(now);
            // Whoever asks does not want to wait for the next attempt either.
            domain.hasten_order(now, spacing);
            Ok(())
        })
        .await
    }

    /// Removes a domain: it stops being served at once, and what was made for it is cleaned up.
    ///
    /// A name that was held rests for [`quarantine`](crate::engine::Policy::quarantine) then. Added
    /// again by the same tenant, it
    /// is held again once its proof, which may be still there, is seen; anybody else proves it anew
    /// and inherits nothing.
    ///
    /// One that is parked is tried again for this. Asked once more for one that is parked while it is
    /// being removed, that is too.
    ///
    /// # Errors
    ///
    /// As for [`check`](Self::check).
    pub async fn remove(&self, tenant: &TenantId, id: DomainId) -> Result<Domain> {
        let quarantine = self.backends.settings.policy.quarantine;
        self.change(tenant, id, "remove", |domain, now| {
            // What it was parked for may have nothing to do with cleaning up, and if it has, it is
            // parked again: nobody else could give the name back.
            domain.setback = None;
            let from = domain.status();
            domain.apply(Event::RemovalRequested)?;
            domain.rest_until(from, after(now, quarantine), now);
            Ok(())
        })
        .await
    }

    /// Returns what happened to a domain after the notice of that number, oldest first, at most
    /// 1000 at a time.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    pub async fn notices(
        &self,
        tenant: &TenantId,
        id: DomainId,
        after: u64,
    ) -> Result<Vec<Numbered>> {
        let key = codec::domain_key(id);
        let found = self.backends.store.get(std::slice::from_ref(&key)).await?;
        // What is gone tells its tenant that it is gone.
        let found = found.into_iter().flatten().next();
        match self.backends.own(found, *tenant, "notices", id) {
            Some(item) if codec::read_domain(&item)?.tenant() == *tenant => {}
            _ => return Err(not_found("notices", id)),
        }
        let mut after = after;
        loop {
            let entries = self.backends.store.entries(&key, after, 1000).await?;
            let Some(last) = entries.last() else { return Ok(Vec::new()) };
            after = last.number;
            let told = entries.iter().filter(|entry| !codec::is_trace(entry));
            let told: Vec<_> = told.map(codec::read_notice).collect::<Result<_>>()?;
            // Nothing to tell on this page is not the end.
            if !told.is_empty() {
                return Ok(told);
            }
        }
    }

    pub(super) async fn find(
        &self,
        tenant: &TenantId,
        id: DomainId,
        operation: &'static str,
    ) -> Result<(Item, Box<DomainRoot>)> {
        find(&self.backends, *tenant, id, operation).await?.ok_or_else(|| not_found(operation, id))
    }

    /// Changes a domain on behalf of a tenant, also while a worker has it: that one decides again.
    pub(super) async fn change(
        &self,
        tenant: &TenantId,
        id: DomainId,
        operation: &'static str,
        change: impl Fn(&mut Domain, Timestamp) -> Result<()> + Send + Sync,
    ) -> Result<Domain> {
        let backends = &self.backends;
        for _ in 0..ATTEMPTS {
            let (item, mut root) = self.find(tenant, id, operation).await?;
            let now = backends.store.now().await?;
            let (from, asked) = (root.domain.status(), root.domain.challenge().generation);
            change(&mut root.domain, now)?;
            let notices = news(&root.domain, from, asked);
            let told = match notices.is_empty() {
                true => None,
                false => announce(backends, &mut root.domain, Some(item.revision), now).await?,
            };
            let root = Root::Domain(root);
            let (key, header, body) = codec::write_root(&root, Some(now))?;
            let expect = Expect::Revision(item.revision);
            let mut batch = Batch::new(OperationId::random(&*backends.random)?)
                .with(Write::Put { key: key.clone(), expect, header, body })
                .with(Write::Wake { key: key.clone() });
            for notice in &notices {
                batch = batch.with_entry(codec::write_notice(&key, notice)?);
            }
            batch = told.into_iter().fold(batch, Batch::with);
            match self.commit(batch, &key).await? {
                Commit::Done => {
                    notices.iter().for_each(telemetry::told);
                    let Root::Domain(root) = root else { return Err(lost_race(operation)) };
                    return Ok(root.domain);
                }
                Commit::Stale(_) => {}
                Commit::Fenced | Commit::Taken(_) => return Err(lost_race(operation)),
            }
        }
        Err(lost_race(operation))
    }

    /// Commits, and finds out what happened when the store cannot say.
    pub(super) fn commit<'a>(
        &'a self,
        batch: Batch,
        key: &'a crate::store::Key,
    ) -> impl Future<Output = Result<Commit>> + Send + 'a {
        super::held::commit(&self.backends, batch, key)
    }
}

/// Returns what a command did to a domain that was `from` and asked for a proof of that generation.
fn news(domain: &Domain, from: Status, asked: u32) -> Vec<Notice> {
    let to = domain.status();
    let event = match to {
        Status::Removing => Event::RemovalRequested,
        _ => Event::Retried,
    };
    let &Challenge { method, generation, expires_at, .. } = domain.challenge();
    [
        (from != to).then_some(Notice::StatusChanged { from, to, event }),
        (generation != asked).then_some(Notice::ChallengeIssued { method, generation, expires_at }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Returns the rule by which a challenge was not issued; none for what is no fault of who asks.
pub(super) fn unprovable(error: &Error) -> Option<Rule> {
    let source = std::error::Error::source(error)?;
    source.downcast_ref::<MethodError>().map(Rule::from)
}

fn not_found(operation: &'static str, id: DomainId) -> Error {
    Error::new(ErrorKind::NotFound, "onboarding", operation, format!("there is no domain {id}"))
        .with_subject(id)
}

pub(super) fn lost_race(operation: &'static str) -> Error {
    Error::new(
        ErrorKind::Conflict,
        "onboarding",
        operation,
        "others keep changing it at the same time",
    )
}
