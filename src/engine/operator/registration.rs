//! What the platform knows of the registration of a domain, and what follows from it.

use serde::Serialize;

use super::{ATTEMPTS, Operator, lost_race};
use crate::{
    clock::Timestamp,
    domain::{ResetCause, Status},
    engine::{
        codec::{self, REMOVED},
        incumbent::{Beside, Incumbent},
        root::Root,
        telemetry,
    },
    error::{Error, ErrorKind, Result},
    id::{DomainId, TenantId},
    name::DomainName,
    store::{Commit, Filter, Item, Kind, Query},
};

/// Longest evidence that is kept, in characters.
const MAX_EVIDENCE: usize = 300;

/// What [`Operator::registration_changed`] did.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RegistrationChange {
    /// The claims that start anew.
    pub reset: Vec<DomainId>,
    /// The claims that cannot be read, and stay as they are; among them all those of the tenant that
    /// the store itself cannot read, whatever their names are.
    pub unreadable: Vec<DomainId>,
}

impl Operator {
    /// Makes a tenant prove all its names below a registrable domain anew, since the registration has
    /// changed: another registrar, another date of creation, a gap. The domain may have another owner.
    ///
    /// Each claim gets a new generation with a new token, and is not served until that is published;
    /// nothing that was made for it before comes back. A name that rests is not taken up again with
    /// its old token either. `evidence` is what the platform knows, in one line: it is told in
    /// [`Notice::OwnershipReset`](crate::engine::Notice::OwnershipReset).
    ///
    /// `changed_at` is when the registration changed. Claims whose challenge is younger are left
    /// alone, so that it may be called again: after a crash, or whenever the same news comes in.
    ///
    /// A claim that cannot be read is left as it is, and is in
    /// [`unreadable`](RegistrationChange::unreadable): it holds on to what it has until it can be
    /// read, and it is called again.
    ///
    /// # Errors
    ///
    /// `Invalid` if `domain` is not registrable, `changed_at` is in the future, or `evidence` is
    /// empty, longer than 300 characters or not one line; `Conflict` if others keep changing a claim;
    /// those of the store. What was reset by then stays so: call it again.
    pub async fn registration_changed(
        &self,
        tenant: &TenantId,
        domain: &DomainName,
        changed_at: Timestamp,
        evidence: &str,
    ) -> Result<RegistrationChange> {
        let invalid = |message: String| {
            Err(Error::new(ErrorKind::Invalid, "operator", "registration_changed", message))
        };
        if !domain.is_apex() {
            return invalid(format!("{domain} is not what somebody registers"));
        }
        let is_line = !evidence.trim().is_empty()
            && evidence.chars().count() <= MAX_EVIDENCE
            && !evidence.contains(char::is_control);
        if !is_line {
            return invalid("the evidence is one line of 1 to 300 characters".to_owned());
        }
        if changed_at > self.backends.store.now().await? {
            return invalid("the registration cannot have changed in the future".to_owned());
        }
        let mut change = RegistrationChange { reset: Vec::new(), unreadable: Vec::new() };
        let mut query =
            Query::new(Kind::Domain, Filter::Tenant(*tenant)).with_limit(Query::MAX_LIMIT);
        loop {
            let page = self.backends.store.list(&query).await?;
            for item in page.items {
                let name = item.header.name.as_deref().and_then(|name| name.parse().ok());
                let is_below =
                    name.is_some_and(|it: DomainName| it.registrable() == Some(domain.as_str()));
                let Some(id) = item.key.id.parse::<DomainId>().ok().filter(|_| is_below) else {
                    continue;
                };
                match self.start_anew(item, changed_at, evidence).await {
                    Ok(true) => change.reset.push(id),
                    Ok(false) => {}
                    Err(error)
                        if matches!(
                            error.kind(),
                            ErrorKind::Malformed | ErrorKind::Unsupported
                        ) =>
                    {
                        change.unreadable.push(id);
                    }
                    Err(error) => return Err(error),
                }
            }
            // Their names are not known: they may be below the domain.
            let unreadable = page.unreadable.iter().filter_map(|id| id.parse::<DomainId>().ok());
            change.unreadable.extend(unreadable);
            let Some(next) = page.next else { return Ok(change) };
            query = query.with_after(next);
        }
    }

    /// Starts one claim anew, if it is from before the change. Says whether it did.
    async fn start_anew(&self, item: Item, changed_at: Timestamp, evidence: &str) -> Result<bool> {
        let key = item.key.clone();
        let mut item = Some(item);
        for _ in 0..ATTEMPTS {
            let found = match item.take() {
                Some(item) => Some(item),
                None => self.read(&key).await?,
            };
            let Some(found) = found else { return Ok(false) };
            let Root::Domain(root) = codec::read_root(&found)? else { return Ok(false) };
            if root.domain.challenge().issued_at >= changed_at {
                return Ok(false);
            }
            let now = self.backends.store.now().await?;
            let is_over = found.header.status.as_deref() == Some(REMOVED)
                || root.domain.status() == Status::Removing;
            let incumbent = Incumbent { item: found, root };
            let beside = if !is_over {
                let cause = ResetCause::Registration { evidence: evidence.to_owned() };
                incumbent.reset(&self.backends, cause, now).await?
            } else if incumbent.domain().rests_until().is_some() {
                self.forget_token(incumbent, now).await?
            } else {
                return Ok(false);
            };
            let mut batch = self.batch()?;
            let told = beside.join(&mut batch)?;
            match self.commit(batch, &key).await? {
                Commit::Done => {
                    told.iter().for_each(telemetry::told);
                    return Ok(!is_over);
                }
                Commit::Stale(_) => {}
                Commit::Fenced | Commit::Taken(_) => break,
            }
        }
        Err(lost_race("registration_changed"))
    }

    /// Gives a name that rests a token that nobody has published.
    async fn forget_token(&self, incumbent: Incumbent, now: Timestamp) -> Result<Beside> {
        let Incumbent { item, mut root } = incumbent;
        let fresh = self.backends.fresh(&root.domain, now)?;
        root.domain.challenge = fresh.challenge;
        root.domain.delegation = fresh.delegation;
        let due = if root.domain.is_removed() { item.header.due } else { Some(now) };
        Beside::of(&self.backends, item, root, Vec::new(), due, now).await
    }
}
