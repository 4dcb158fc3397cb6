//! Whoever has a name that somebody else proved, was given, or lost: read, and changed in a batch
//! that changes the other one too.

use std::iter;

use super::{
    backends::Backends,
    codec,
    decide::Settings,
    feed::announce,
    notice::Notice,
    pauses::Pauses,
    root::{DomainRoot, Fact, Holder, Root, Toward},
};
use crate::{
    challenge::Method,
    clock::{Timestamp, whole_second},
    domain::{Delegation, Domain, Event, Fresh, PauseScope, ResetCause},
    error::{Error, ErrorKind, Result},
    evidence::{Found as Sight, Observation, Seen, Topic, Verdict},
    id::TenantId,
    name::{DnsName, DomainName},
    store::{Batch, Expect, Item, NewEntry, Write},
    together::within,
};

/// A claim that has a name: it holds it, or held it last.
pub(super) struct Incumbent {
    pub(super) item: Item,
    pub(super) root: Box<DomainRoot>,
}

/// Who has a name.
pub(super) enum Found {
    Nobody,
    Somebody(Box<Incumbent>),
    /// Somebody, in a form that this release cannot read.
    Unreadable,
}

/// Changes of a claim that are made together with those of another one.
pub(super) struct Beside {
    writes: Vec<Write>,
    pub(super) notices: Vec<Notice>,
    item: Item,
}

impl Incumbent {
    /// Finds who has a name.
    pub(super) async fn find(backends: &Backends, name: &DomainName) -> Result<Found> {
        let found = backends.store.find(&[codec::hold(name)]).await?;
        let Some(item) = found.into_iter().flatten().next() else { return Ok(Found::Nobody) };
        Ok(match codec::read_root(&item) {
            Ok(Root::Domain(root)) => Found::Somebody(Box::new(Self { item, root })),
            _ => Found::Unreadable,
        })
    }

    pub(super) const fn domain(&self) -> &Domain {
        &self.root.domain
    }

    /// Describes the claim to who has proved the name.
    ///
    /// Nobody looks for the proof of one that is parked, so it is looked for here.
    pub(super) async fn holder(&self, backends: &Backends, now: Timestamp) -> Holder {
        let domain = &self.root.domain;
        if domain.parked().is_none() || !domain.status().holds() {
            return Holder::of(domain, now);
        }
        let Settings { policy, .. } = &backends.settings;
        let looked = if self.is_paused(backends).await {
            None
        } else {
            let look = Box::pin(backends.proof(domain, now));
            within(&*backends.timer, policy.call_timeout, look).await
        };
        let (verdict, seen) = looked.unwrap_or((Verdict::Unknown, Seen::of(Sight::Timeout)));
        let subject = domain.subject(Topic::Ownership);
        let mut seen_now = domain.clone();
        seen_now.observe(&Observation::new(subject, verdict, now, seen), policy.spacing);
        seen_now.next_check_at = None;
        Holder::of(&seen_now, now)
    }

    /// Whether an operator has stopped looks for the proof, or it cannot be told.
    async fn is_paused(&self, backends: &Backends) -> bool {
        let domain = &self.root.domain;
        let pauses = Pauses::read(backends, iter::once(&self.item)).await;
        domain.paused().is_some()
            || pauses.map_or(true, |pauses| {
                pauses.facts(Some(domain.tenant())).iter().any(|fact| {
                    let Fact::Paused(paused) = fact else { return false };
                    let stops = [PauseScope::Tenant, PauseScope::Resolver, PauseScope::Probe];
                    stops.contains(&paused.scope)
                })
            })
    }

    /// Returns the changes that a decision of somebody else's makes to it.
    pub(super) async fn turned(
        &self,
        backends: &Backends,
        toward: Toward,
        now: Timestamp,
    ) -> Result<Beside> {
        match toward {
            Toward::Look { tell } => {
                let mut root = self.root.clone();
                root.domain.next_check_at = Some(now);
                let mut notices = Vec::new();
                if tell {
                    root.domain.title.challenged_at = Some(now);
                    notices.push(Notice::Challenged);
                }
                Beside::of(backends, self.item.clone(), root, notices, Some(now), now).await
            }
            Toward::Reset => self.reset(backends, ResetCause::Contest, now).await,
            Toward::Release => self.released(backends, now).await,
        }
    }

    /// Returns the changes by which the claim starts anew.
    pub(super) async fn reset(
        &self,
        backends: &Backends,
        cause: ResetCause,
        now: Timestamp,
    ) -> Result<Beside> {
        let mut root = self.root.clone();
        let from = root.domain.status();
        let fresh = backends.fresh(&root.domain, now)?;
        root.domain.reset(fresh, now)?;
        let to = root.domain.status();
        let event = Event::OwnershipReset;
        let changed = (from != to).then_some(Notice::StatusChanged { from, to, event });
        let generation = root.domain.challenge.generation;
        let told = Notice::OwnershipReset { cause, generation };
        let notices = changed.into_iter().chain([told]).collect();
        Beside::of(backends, self.item.clone(), root, notices, Some(now), now).await
    }

    /// Returns the write by which what is published for it has been taken up, if it still is as it was.
    pub(super) fn taken_up(&self) -> Result<Write> {
        let mut root = self.root.clone();
        root.domain.title.taken_up = true;
        let (key, header, body) = codec::write_root(&Root::Domain(root), self.item.header.due)?;
        Ok(Write::Put { key, expect: Expect::Revision(self.item.revision), header, body })
    }

    /// Returns the changes by which the name rests no longer: it goes to somebody.
    pub(super) async fn released(&self, backends: &Backends, now: Timestamp) -> Result<Beside> {
        let mut root = self.root.clone();
        root.domain.title.rests_until = None;
        let due = if root.domain.is_removed() { self.item.header.due } else { Some(now) };
        Beside::of(backends, self.item.clone(), root, Vec::new(), due, now).await
    }
}

impl Beside {
    /// Writes a claim down as it is to be, and what it is told.
    pub(super) async fn of(
        backends: &Backends,
        item: Item,
        mut root: Box<DomainRoot>,
        notices: Vec<Notice>,
        due: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Self> {
        let mut writes = Vec::new();
        if !notices.is_empty() {
            writes.extend(announce(backends, &mut root.domain, Some(item.revision), now).await?);
        }
        let (key, header, body) = codec::write_root(&Root::Domain(root), due)?;
        let expect = Expect::Revision(item.revision);
        writes.push(Write::Put { key: key.clone(), expect, header, body });
        if due == Some(now) {
            writes.push(Write::Wake { key });
        }
        Ok(Self { writes, notices, item })
    }

    /// Makes the changes part of a batch; returns what is told once that is stored.
    pub(super) fn join(self, batch: &mut Batch) -> Result<Vec<Notice>> {
        let key = &self.item.key;
        let entries: Result<Vec<NewEntry>> =
            self.notices.iter().map(|notice| codec::write_notice(key, notice)).collect();
        batch.log.extend(entries?);
        batch.writes.extend(self.writes);
        Ok(self.notices)
    }
}

impl Backends {
    /// Returns what wakes those who hold a name above one that a tenant comes to hold, and may have
    /// records at it or below it.
    pub(super) async fn wake_above(
        &self,
        name: &DomainName,
        tenant: TenantId,
    ) -> Result<Vec<Write>> {
        let base = DnsName::from(name.base());
        let registrable = name.registrable().and_then(|it| it.parse::<DnsName>().ok());
        let Some(registrable) = registrable else { return Ok(Vec::new()) };
        let covered = |at: &DnsName| name.is_wildcard() || *at != base;
        let names = iter::successors(Some(base.clone()), DnsName::parent)
            .take_while(|at| at.is_within(&registrable))
            .flat_map(|at| {
                let wildcard = (at != base).then(|| format!("*.{at}"));
                covered(&at).then(|| at.to_string()).into_iter().chain(wildcard)
            });
        let keys: Vec<_> =
            names.filter_map(|name| Some(codec::hold(&name.parse().ok()?))).collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.store.find(&keys).await?.into_iter().flatten();
        let others = found.filter(|item| item.header.tenant != Some(tenant));
        Ok(others.map(|item| Write::Wake { key: item.key }).collect())
    }

    /// Draws what a claim starts anew with.
    pub(super) fn fresh(&self, domain: &Domain, now: Timestamp) -> Result<Fresh> {
        let (name, now) = (domain.name(), whole_second(now));
        let generation = domain.challenge().generation.saturating_add(1);
        let same = self.challenge(name, domain.challenge().method, generation, now);
        // What the method needs may not be plugged in here; a record can be looked for everywhere.
        let challenge = match same {
            Err(error) if error.kind() == ErrorKind::Invalid => {
                self.challenge(name, Method::DnsTxt, generation, now)?
            }
            same => same?,
        };
        let delegation = match domain.delegation() {
            None => None,
            Some(Delegation { owner, target }) => {
                let zone = self.delegation_zone.clone().or_else(|| target.parent());
                let target = match &zone {
                    Some(zone) => self.delegation_target(zone)?,
                    None => target.clone(),
                };
                Some(Delegation::new(owner.clone(), target))
            }
        };
        Ok(Fresh { challenge, delegation })
    }

    /// Draws a name that nothing was delegated to before, and that says nothing about anybody.
    pub(super) fn delegation_target(&self, zone: &DnsName) -> Result<DnsName> {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes)?;
        zone.child(&hex::encode(bytes)).map_err(|error| {
            let message = format!("{zone} is too long to delegate challenges to");
            Error::new(ErrorKind::Invalid, "onboarding", "add", message).with_source(error)
        })
    }
}
