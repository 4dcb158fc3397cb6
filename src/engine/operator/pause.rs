//! Stopping work on purpose, and letting it go on.

use super::{ATTEMPTS, Operator, lost_race, not_found};
use crate::{
    domain::{PauseScope, Paused},
    engine::{
        codec,
        feed::announce,
        notice::Notice,
        pauses::{Pause, service_key, tenant_key},
        root::Root,
        telemetry,
    },
    error::{Error, ErrorKind, Result},
    id::{DomainId, TenantId},
    store::{Commit, Expect, Header, Key, Write},
};

/// Longest reason for a pause, in bytes.
const MAX_REASON: usize = 500;

/// What an operator can stop.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Pausable {
    /// The certificate authority: nothing is ordered, asked or told there.
    Authority,
    /// The DNS provider: no record of ours is added or removed.
    Dns,
    /// One domain.
    Domain(DomainId),
    /// What mails codes: nobody is written to.
    Mail,
    /// What looks at pages: no page that proves a name is fetched.
    Probe,
    /// The resolver: nothing is looked up.
    Resolver,
    /// All domains of a tenant.
    Tenant(TenantId),
}

impl Pausable {
    /// Returns where the order is kept; `None` if with the domain.
    fn key(self) -> Option<(Key, PauseScope)> {
        let service = |scope| Some((service_key(scope), scope));
        match self {
            Self::Authority => service(PauseScope::Authority),
            Self::Dns => service(PauseScope::Dns),
            Self::Domain(_) => None,
            Self::Mail => service(PauseScope::Mail),
            Self::Probe => service(PauseScope::Probe),
            Self::Resolver => service(PauseScope::Resolver),
            Self::Tenant(tenant) => Some((tenant_key(tenant), PauseScope::Tenant)),
        }
    }
}

impl Operator {
    /// Stops work: on a domain, on all domains of a tenant, or on whatever needs a service.
    ///
    /// What is served stays served, and tenants' commands are taken: a domain that its tenant removes
    /// is not served any more at once, and its records and certificates are cleaned up when work goes
    /// on. What a worker has leased already goes on to the end of that lease: seconds, as a rule.
    /// [`Domain::waiting_on`](crate::domain::Domain::waiting_on) tells the reason, for many domains
    /// at once when each of them is next due. Asked again, only the reason changes.
    ///
    /// # Errors
    ///
    /// `Invalid` if `reason` is longer than 500 bytes or not one line, `NotFound` if there is no such domain,
    /// `Conflict` if others keep changing it, and those of the store.
    pub async fn pause(&self, what: Pausable, reason: &str) -> Result<()> {
        if reason.len() > MAX_REASON || reason.contains(char::is_control) {
            let message =
                format!("the reason of a pause is one line of at most {MAX_REASON} bytes");
            return Err(Error::new(ErrorKind::Invalid, "operator", "pause", message));
        }
        self.set_pause(what, Some(reason), "pause").await
    }

    /// Lets work go on. What is not paused stays as it is.
    ///
    /// A domain is due at once. Of what was paused for many domains each goes on within
    /// [`Policy::pause_recheck`](crate::engine::Policy::pause_recheck), a quarter more at most, in no
    /// order: nothing is overrun.
    ///
    /// # Errors
    ///
    /// As for [`pause`](Self::pause).
    pub async fn resume(&self, what: Pausable) -> Result<()> {
        self.set_pause(what, None, "resume").await
    }

    /// Returns since when and why something is paused; `None` if it is not.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such domain, `Malformed` or `Unsupported` if the order cannot be
    /// read, and those of the store.
    pub async fn paused(&self, what: Pausable) -> Result<Option<Paused>> {
        if let Some((key, scope)) = what.key() {
            let Some(item) = self.read(&key).await? else { return Ok(None) };
            let Pause { since, reason, .. } = codec::read_item(&item)?;
            return Ok(Some(Paused::new(scope, since, reason)));
        }
        let Pausable::Domain(id) = what else { return Ok(None) };
        let key = codec::domain_key(id);
        let item = self.read(&key).await?.ok_or_else(|| not_found("paused", &key))?;
        let paused = codec::read_domain(&item)?.paused().cloned();
        Ok(paused.filter(|paused| paused.scope == PauseScope::Domain))
    }

    async fn set_pause(
        &self,
        what: Pausable,
        reason: Option<&str>,
        operation: &'static str,
    ) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let written = match (what, what.key()) {
                (_, Some((key, scope))) => self.order(&key, scope, reason).await?,
                (Pausable::Domain(id), None) => self.order_domain(id, reason, operation).await?,
                (_, None) => return Ok(()),
            };
            if written {
                return Ok(());
            }
        }
        Err(lost_race(operation))
    }

    /// Writes an order down that concerns many, or takes it back; `false` if others were quicker.
    async fn order(&self, key: &Key, scope: PauseScope, reason: Option<&str>) -> Result<bool> {
        let before = self.read(key).await?;
        let expect = before.as_ref().map_or(Expect::Absent, |it| Expect::Revision(it.revision));
        let write = match (reason, before) {
            (None, None) => return Ok(true),
            (None, Some(_)) => Write::Delete { key: key.clone(), expect },
            (Some(reason), before) => {
                let known = before.and_then(|item| codec::read_item::<Pause>(&item).ok());
                let since = match known {
                    Some(known) => known.since,
                    None => self.backends.store.now().await?,
                };
                let pause = Pause { scope, since, reason: reason.to_owned() };
                let body = codec::write_item(&pause)?;
                Write::Put { key: key.clone(), expect, header: Header::default(), body }
            }
        };
        let deleted = matches!(write, Write::Delete { .. });
        match self.commit(self.batch()?.with(write), key).await {
            Ok(commit) => Ok(commit == Commit::Done),
            // What was deleted has no revision to tell by: reading it again does.
            Err(error) if deleted && error.kind() == ErrorKind::Unknown => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes down that a domain is paused or not; `false` if others were quicker.
    async fn order_domain(
        &self,
        id: DomainId,
        reason: Option<&str>,
        operation: &'static str,
    ) -> Result<bool> {
        let key = codec::domain_key(id);
        let item = self.read(&key).await?.ok_or_else(|| not_found(operation, &key))?;
        let Root::Domain(mut root) = codec::read_root(&item)? else { return Ok(true) };
        let now = self.backends.store.now().await?;
        let before = root.domain.paused.take();
        let before = before.filter(|paused| paused.scope == PauseScope::Domain);
        let notice = match (reason, before) {
            (None, None) => return Ok(true),
            (None, Some(_)) => Notice::Resumed,
            (Some(reason), before) => {
                let since = before.map_or(now, |before| before.since);
                let reason = reason.to_owned();
                root.domain.paused = Some(Paused::new(PauseScope::Domain, since, reason.clone()));
                Notice::Paused { reason }
            }
        };
        let told = announce(&self.backends, &mut root.domain, Some(item.revision), now).await?;
        let mut batch = self.batch()?.with_entry(codec::write_notice(&key, &notice)?);
        batch.writes.extend(told);
        batch.writes.extend(Self::put(&Root::Domain(root), &item, now)?);
        let is_done = self.commit(batch, &key).await? == Commit::Done;
        if is_done {
            telemetry::told(&notice);
        }
        Ok(is_done)
    }
}
