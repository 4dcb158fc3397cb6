//! Handing a name over from one tenant to another, with the consent of both.

use std::fmt;

use super::{
    backends::Backends,
    caps::turn,
    codec,
    feed::announce,
    held::commit,
    incumbent::{Beside, Found, Incumbent},
    method::prolong,
    notice::Notice,
    onboarding::{ATTEMPTS, Onboarding, lost_race},
    pauses::tenant_key,
    policy::Policy,
    refusal::{Refusal, Rule},
    root::{DomainRoot, Root},
    telemetry,
};
use crate::{
    challenge::Challenge,
    clock::{Timestamp, after, between},
    domain::{Domain, Event, NewDomain, Offer, PauseScope, ResetCause, Status},
    error::{Error, ErrorKind, Result},
    evidence::{Topic, Verdict},
    id::{DomainId, OperationId, TenantId},
    name::DomainName,
    store::{Batch, Commit, Expect, Item, Write},
};

/// The code by which a tenant accepts a name that another one offers. Shown once.
///
/// `Debug` shows nothing of it.
#[derive(Clone, Eq, PartialEq)]
pub struct TransferCode(String);

impl TransferCode {
    /// Returns the text to hand to the other tenant: 64 hexadecimal characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TransferCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransferCode(redacted)")
    }
}

impl Onboarding {
    /// Offers a name that a tenant holds to another one, who accepts it with the code.
    ///
    /// Nothing changes until then. Offered again, only the latest offer stands; it can be
    /// [canceled](Self::cancel_transfer), and ends after
    /// [`Policy::transfer_ttl`](crate::engine::Policy::transfer_ttl). What comes back is a secret: it
    /// is not stored, and cannot be shown again.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such domain, also if it is another tenant's; `Invalid` if `to` is the
    /// same tenant; `Precondition` if the tenant does not hold the name, its proof was not there at
    /// the last look or nobody has looked for long, somebody of the platform's has paused it, or it came over less than
    /// [`Policy::transfer_cool_down`](crate::engine::Policy::transfer_cool_down) ago (code
    /// `cool_down`, with the time to wait); `Conflict` if others keep changing it; those of the store.
    pub async fn offer_transfer(
        &self,
        tenant: &TenantId,
        id: DomainId,
        to: TenantId,
    ) -> Result<TransferCode> {
        const OPERATION: &str = "offer_transfer";
        if *tenant == to {
            let message = "a name is offered to another tenant";
            let error = Error::new(ErrorKind::Invalid, "onboarding", OPERATION, message);
            let refusal = Refusal::new(Rule::Unfit, OPERATION, *tenant).with_domain(id);
            return Err(self.backends().deny(&refusal, error));
        }
        let backends = self.backends();
        let policy = &backends.settings.policy;
        let not_now = |error: Error| {
            backends.deny(&Refusal::new(Rule::NotNow, OPERATION, *tenant).with_domain(id), error)
        };
        if is_paused(backends, *tenant).await? {
            return Err(not_now(precondition(OPERATION, "the tenant is paused".to_owned(), id)));
        }
        let code = Challenge::draw_token(&*backends.random)?;
        self.change_telling(tenant, id, OPERATION, |domain, now| {
            may_be_handed_over(domain, policy, OPERATION, now).map_err(not_now)?;
            let cooled = domain.title.acquired_at.map(|at| after(at, policy.transfer_cool_down));
            if let Some(until) = cooled.filter(|until| *until > now) {
                let refusal = Refusal::new(Rule::CoolDown, OPERATION, *tenant)
                    .with_name(domain.name().clone())
                    .with_domain(id);
                backends.refuse(&refusal);
                let message = format!("{} came over not long ago", domain.name());
                return Err(refusal
                    .error(ErrorKind::Precondition, message)
                    .with_retry_after(between(now, until))
                    .with_subject(id));
            }
            let expires_at = after(now, policy.transfer_ttl);
            domain.title.offer = Some(Offer::new(to, expires_at, &code));
            Ok(Notice::TransferOffered { expires_at })
        })
        .await?;
        Ok(TransferCode(code))
    }

    /// Takes an offer back that was not accepted yet.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such domain, also if it is another tenant's; `Precondition` if it is
    /// not offered; `Conflict` if others keep changing it; those of the store.
    pub async fn cancel_transfer(&self, tenant: &TenantId, id: DomainId) -> Result<Domain> {
        const OPERATION: &str = "cancel_transfer";
        let backends = self.backends();
        self.change_telling(tenant, id, OPERATION, |domain, _| {
            if domain.title.offer.take().is_none() {
                let message = format!("{} is not offered to anybody", domain.name());
                let refusal = Refusal::new(Rule::NoOffer, OPERATION, *tenant)
                    .with_name(domain.name().clone())
                    .with_domain(id);
                return Err(backends.deny(&refusal, precondition(OPERATION, message, id)));
            }
            Ok(Notice::TransferCanceled)
        })
        .await
    }

    /// Accepts a name that another tenant offers: from then on this tenant holds it.
    ///
    /// The claim is a new one, or the one that the tenant has on the name already, with a challenge
    /// of its own. Nothing of the other tenant's comes with it: neither certificate nor records, which
    /// are given up. The tenant has [`Policy::transfer_grace`](crate::engine::Policy::transfer_grace)
    /// to publish the proof; no certificate is ordered before it was seen, and meanwhile anybody who
    /// proves the name can contest it. The claim of the other tenant starts anew, unproved.
    ///
    /// # Errors
    ///
    /// As for [`add`](Self::add). `NotFound` if there is no such offer to this tenant, whoever holds
    /// the name and whether anybody does (code `no_offer`); `Precondition` if there was one that has
    /// expired (code `expired`), or the name cannot be handed over now; `Conflict` if others keep
    /// changing it. Nothing changes then.
    pub async fn accept_transfer(
        &self,
        to: &TenantId,
        wanted: NewDomain,
        code: &str,
    ) -> Result<Domain> {
        const OPERATION: &str = "accept_transfer";
        let backends = self.backends();
        // Nothing rests that somebody offers.
        let (founded, _) = self.found(to, wanted).await?;
        let name = founded.name().clone();
        for _ in 0..ATTEMPTS {
            let now = backends.store.now().await?;
            let offered = match Incumbent::find(backends, &name).await? {
                Found::Somebody(found) => Some(found),
                Found::Nobody | Found::Unreadable => None,
            };
            let Some(holder) = offered.filter(|it| is_offered(it.domain(), *to, code)) else {
                let refusal = Refusal::new(Rule::NoOffer, OPERATION, *to).with_name(name.clone());
                backends.refuse(&refusal);
                let message = format!("there is no offer of {name} to this tenant with this code");
                return Err(refusal.error(ErrorKind::NotFound, message));
            };
            if !is_in_time(holder.domain(), now) {
                let refusal = Refusal::new(Rule::Expired, OPERATION, *to).with_name(name.clone());
                backends.refuse(&refusal);
                let message = format!("the offer of {name} has expired");
                return Err(refusal.error(ErrorKind::Precondition, message));
            }
            let domain = holder.domain();
            if may_be_handed_over(domain, &backends.settings.policy, OPERATION, now).is_err()
                || is_paused(backends, domain.tenant()).await?
            {
                // Why is the other tenant's business.
                let message = format!("{name} cannot be handed over now");
                let error = Error::new(ErrorKind::Precondition, "onboarding", OPERATION, message);
                let refusal = Refusal::new(Rule::NotNow, OPERATION, *to).with_name(name.clone());
                return Err(backends.deny(&refusal, error));
            }
            let known = self.known(to, &name).await?;
            let (before, mut root) = match known {
                Some((item, root)) => (Some(item), root),
                None => (None, Box::new(DomainRoot::new(founded.clone()))),
            };
            let mut batch = Batch::new(OperationId::random(&*backends.random)?);
            if before.is_none() {
                batch.writes.extend(turn(backends, *to, &name, now).await?.writes);
            }
            // The receiver proves the name later: not by a token that proves nothing any more.
            let asked = root.domain.challenge().generation;
            let given = &mut root.domain;
            if given.status() == Status::Pending && now > given.challenge().expires_at {
                prolong(backends, given, now)?;
            }
            let grace_until = after(now, backends.settings.policy.transfer_grace);
            let mut notices = Vec::from_iter(before.is_none().then_some(Notice::Added));
            notices.extend(take_over(&mut root.domain, grace_until, now)?);
            let &Challenge { method, generation, expires_at, .. } = root.domain.challenge();
            if before.is_some() && generation != asked {
                notices.push(Notice::ChallengeIssued { method, generation, expires_at });
            }
            let revision = before.as_ref().map(|item| item.revision);
            let told = announce(backends, &mut root.domain, revision, now).await?;
            let root = Root::Domain(root);
            let (key, header, body) = codec::write_root(&root, Some(now))?;
            let expect = revision.map_or(Expect::Absent, Expect::Revision);
            batch = batch
                .with(Write::Put { key: key.clone(), expect, header, body })
                .with(Write::Wake { key: key.clone() });
            batch.writes.extend(told);
            batch.writes.extend(backends.wake_above(&name, *to).await?);
            for notice in &notices {
                batch = batch.with_entry(codec::write_notice(&key, notice)?);
            }
            let reset = holder.reset(backends, ResetCause::Transfer, now).await?;
            notices.extend(reset.join(&mut batch)?);
            match commit(backends, batch, &key).await? {
                Commit::Done => {
                    notices.iter().for_each(telemetry::told);
                    let Root::Domain(root) = root else { return Err(lost_race(OPERATION)) };
                    return Ok(root.domain);
                }
                Commit::Stale(_) | Commit::Taken(_) => {}
                Commit::Fenced => return Err(lost_race(OPERATION)),
            }
        }
        Err(lost_race(OPERATION))
    }

    /// Returns the claim that a tenant has on a name, if it has one that can be held.
    async fn known(
        &self,
        tenant: &TenantId,
        name: &DomainName,
    ) -> Result<Option<(Item, Box<DomainRoot>)>> {
        let slot = codec::slot(*tenant, name);
        let found = self.backends().store.find(&[slot]).await?;
        let Some(item) = found.into_iter().flatten().next() else { return Ok(None) };
        match codec::read_root(&item)? {
            Root::Domain(root) if root.domain.status() == Status::Removing => {
                const OPERATION: &str = "accept_transfer";
                let (message, id) = (format!("{name} is still being removed"), root.domain.id());
                let error = Error::new(ErrorKind::AlreadyExists, "onboarding", OPERATION, message);
                let refusal =
                    Refusal::new(Rule::AlreadyThere, OPERATION, *tenant).with_name(name.clone());
                Err(self.backends().deny(&refusal.with_domain(id), error).with_subject(id))
            }
            Root::Domain(root) => Ok(Some((item, root))),
            Root::Account(_) => Ok(None),
        }
    }

    /// Changes a domain on behalf of a tenant, and tells what changed.
    async fn change_telling(
        &self,
        tenant: &TenantId,
        id: DomainId,
        operation: &'static str,
        change: impl Fn(&mut Domain, Timestamp) -> Result<Notice> + Send + Sync,
    ) -> Result<Domain> {
        let backends = self.backends();
        for _ in 0..ATTEMPTS {
            let (item, mut root) = self.find(tenant, id, operation).await?;
            let now = backends.store.now().await?;
            let notice = change(&mut root.domain, now)?;
            let changed = root.domain.clone();
            let key = item.key.clone();
            let mut batch = Batch::new(OperationId::random(&*backends.random)?);
            let changes = Beside::of(backends, item, root, vec![notice], Some(now), now).await?;
            let told = changes.join(&mut batch)?;
            match commit(backends, batch, &key).await? {
                Commit::Done => {
                    told.iter().for_each(telemetry::told);
                    return Ok(changed);
                }
                Commit::Stale(_) => {}
                Commit::Fenced | Commit::Taken(_) => return Err(lost_race(operation)),
            }
        }
        Err(lost_race(operation))
    }
}

/// Makes a tenant the holder by the word of the one before; returns what is told.
fn take_over(domain: &mut Domain, grace_until: Timestamp, now: Timestamp) -> Result<[Notice; 2]> {
    let from = domain.status();
    domain.apply(Event::OwnershipProven)?;
    let to = domain.status();
    domain.end_contest();
    domain.checks = 0;
    domain.next_check_at = Some(now);
    domain.grace_until = Some(grace_until);
    domain.title.acquired_at = Some(now);
    let event = Event::OwnershipProven;
    Ok([Notice::StatusChanged { from, to, event }, Notice::TransferAccepted { grace_until }])
}

fn is_offered(domain: &Domain, to: TenantId, code: &str) -> bool {
    let offer = domain.title.offer.as_ref();
    // Whether it is in time is told to who has the code alone.
    domain.status().holds() && offer.is_some_and(|offer| offer.is_for(to, code, Timestamp::MIN_UTC))
}

fn is_in_time(domain: &Domain, now: Timestamp) -> bool {
    domain.title.offer.as_ref().is_some_and(|offer| now < offer.expires_at)
}

/// Refuses to hand over what the tenant may not have any more, or what somebody has to look into.
fn may_be_handed_over(
    domain: &Domain,
    policy: &Policy,
    operation: &'static str,
    now: Timestamp,
) -> Result<()> {
    let refuse = |message| Err(precondition(operation, message, domain.id()));
    if !domain.status().holds() {
        let message = format!(
            "{} is {}: it can be handed over while it is held",
            domain.name(),
            domain.status()
        );
        return refuse(message);
    }
    if domain.paused().is_some_and(|paused| paused.scope == PauseScope::Domain) {
        return refuse(format!("{} is paused", domain.name()));
    }
    let evidence = domain.evidence(Topic::Ownership);
    // Nobody has looked since if that was missed twice.
    let is_old = evidence.as_of(now, policy.recheck.saturating_mul(2)) != Verdict::Confirmed;
    if domain.grace_until.is_some() || evidence.last != Verdict::Confirmed || is_old {
        return refuse(format!("the proof of {} has to be seen first", domain.name()));
    }
    // Whoever is about to lose the name to somebody who proved it does not get it out of the way.
    let looked_at = evidence.at;
    if domain.title.challenged_at.is_some_and(|challenged| looked_at < Some(challenged)) {
        let name = domain.name();
        return refuse(format!("{name} is contested: its proof has to be seen again first"));
    }
    Ok(())
}

/// Returns whether somebody of the platform's has paused all that a tenant has.
async fn is_paused(backends: &Backends, tenant: TenantId) -> Result<bool> {
    let found = backends.store.get(&[tenant_key(tenant)]).await?;
    Ok(found.into_iter().any(|item| item.is_some()))
}

fn precondition(operation: &'static str, message: String, id: DomainId) -> Error {
    Error::new(ErrorKind::Precondition, "onboarding", operation, message).with_subject(id)
}
