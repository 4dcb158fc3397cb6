//! Commands about the challenge of a domain.

use super::{
    backends::Backends,
    onboarding::{Onboarding, unprovable},
    refusal::{Refusal, Rule},
};
use crate::{
    challenge::Method,
    clock::{Timestamp, after, whole_second},
    domain::{Domain, Status},
    error::{Error, ErrorKind, Result},
    id::{DomainId, TenantId},
};

impl Onboarding {
    /// Has a name proved by another method: the challenge there is proves nothing from then on, and
    /// the new one has a generation and a token of its own.
    ///
    /// With the method that it has already, nothing changes.
    ///
    /// # Errors
    ///
    /// As for [`check`](Self::check); `Invalid` if the name cannot be proved so (the source is a
    /// [`MethodError`](crate::challenge::MethodError)); and `Precondition` while the tenant holds the
    /// name or it is being removed: whoever holds a name keeps the proof that it is held by.
    pub async fn change_method(
        &self,
        tenant: &TenantId,
        id: DomainId,
        method: Method,
    ) -> Result<Domain> {
        let backends = self.backends();
        self.change(tenant, id, "change_method", |domain, now| {
            if domain.challenge.method == method {
                return Ok(());
            }
            reissue(backends, domain, method, now)
        })
        .await
    }

    /// Issues a new token for a name that is not held: the one there is proves nothing from then on.
    ///
    /// # Errors
    ///
    /// As for [`change_method`](Self::change_method).
    pub async fn renew_token(&self, tenant: &TenantId, id: DomainId) -> Result<Domain> {
        let backends = self.backends();
        self.change(tenant, id, "renew_token", |domain, now| {
            let method = domain.challenge.method;
            reissue(backends, domain, method, now)
        })
        .await
    }
}

/// Puts another challenge in the place of the one there is.
fn reissue(backends: &Backends, domain: &mut Domain, method: Method, now: Timestamp) -> Result<()> {
    let refusal = |rule: Rule| {
        Refusal::new(rule, "issue", domain.tenant)
            .with_name(domain.name.clone())
            .with_domain(domain.id)
    };
    let refused = |message: String| {
        let error = Error::new(ErrorKind::Precondition, "onboarding", "issue", message);
        backends.deny(&refusal(Rule::NotNow), error).with_subject(domain.id)
    };
    if domain.status != Status::Pending {
        return Err(refused(format!(
            "{} is {}, and its challenge stays as it is",
            domain.name, domain.status
        )));
    }
    let generation = domain.challenge.generation.checked_add(1).ok_or_else(|| {
        refused(format!("{} has had as many challenges as there can be", domain.name))
    })?;
    let now = whole_second(now);
    let issued = backends.challenge(&domain.name, method, generation, now);
    let challenge = issued.map_err(|error| match unprovable(&error) {
        Some(rule) => backends.deny(&refusal(rule), error),
        None => error,
    })?;
    domain.supersede(challenge, now);
    Ok(())
}

/// Lets a claim that is not proved be proved from now on: a record for longer by the token there is,
/// and anything else by a new one if the one there is has expired.
pub(super) fn prolong(backends: &Backends, domain: &mut Domain, now: Timestamp) -> Result<()> {
    let method = domain.challenge.method;
    if method.is_record() {
        let until = after(now, backends.terms.ttl(method));
        domain.challenge.expires_at = domain.challenge.expires_at.max(until);
        Ok(())
    } else if now > domain.challenge.expires_at {
        reissue(backends, domain, method, now)
    } else {
        Ok(())
    }
}
