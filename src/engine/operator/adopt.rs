//! Names and certificates that a platform served before it had us.

use std::{fmt, time::Duration};

use super::{ATTEMPTS, Operator, lost_race};
use crate::{
    certificate::{Certificate, Chain, ChainError, ChainFault, Origin},
    clock::after,
    domain::{Domain, Event, NewDomain, Served},
    engine::{
        codec,
        feed::announce,
        incumbent::{Beside, Found, Incumbent},
        notice::Notice,
        observe::CERTIFICATE_KEY,
        onboarding::Onboarding,
        root::{DomainRoot, Root, SealedKey},
        telemetry,
    },
    error::{Error, ErrorKind, Result},
    id::{CertificateId, KeyId, TenantId},
    seal::Context,
    secret::Secret,
    store::{Commit, Expect, UniqueKey, Write},
};

/// Longest basis that is kept, in characters.
const MAX_BASIS: usize = 300;

/// A name that a tenant has on the platform already, with the certificate that serves it.
pub struct Adoption {
    wanted: NewDomain,
    chain: String,
    key: Secret,
    basis: String,
    grace: Duration,
}

impl Adoption {
    /// Describes what is handed over.
    ///
    /// `chain` is PEM text, leaf first. `key` is the private key, PKCS #8 DER. `basis` says on what the
    /// operator relies, such as `customer database of 2026-11-22`: one line, kept in the log.
    pub fn new(
        wanted: impl Into<NewDomain>,
        chain: impl Into<String>,
        key: Secret,
        basis: impl Into<String>,
    ) -> Self {
        Self {
            wanted: wanted.into(),
            chain: chain.into(),
            key,
            basis: basis.into(),
            grace: Duration::ZERO,
        }
    }

    /// Gives the tenant so long to publish the proof before anybody looks for it; none unless told.
    #[must_use]
    pub const fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }
}

impl fmt::Debug for Adoption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adoption").field("name", self.wanted.name()).finish_non_exhaustive()
    }
}

impl Operator {
    /// Takes over a name that a tenant has on the platform already, so that it serves from now on.
    ///
    /// This is the operator's word in the place of a proof, and the log says so
    /// ([`Notice::Adopted`]). The tenant still has to publish the proof: it is looked for when the
    /// grace is over, and a tenant that does not show it loses the name as any other, after
    /// [`Policy::demote_after`](crate::engine::Policy::demote_after) looks over
    /// [`Policy::demote_over`](crate::engine::Policy::demote_over) at the earliest. A look before that
    /// can find it, and takes nothing away. No certificate is ordered before it was seen.
    ///
    /// # Errors
    ///
    /// As for [`Onboarding::add`]. `Invalid` for a chain that is not of this key, not for this name,
    /// or not valid now (the source is a [`ChainError`], its fault the code), for a key that is none,
    /// and for a basis that is empty, longer than 300 characters, or not one line. `Precondition` if
    /// somebody else holds the name, with the claim as
    /// [`subject`](crate::error::Error::subject). Nothing is stored then.
    pub async fn adopt(&self, tenant: &TenantId, adoption: Adoption) -> Result<Domain> {
        let backends = &self.backends;
        let Adoption { wanted, chain, key, basis, grace } = adoption;
        let is_line = !basis.trim().is_empty()
            && basis.chars().count() <= MAX_BASIS
            && !basis.contains(char::is_control);
        if !is_line {
            let message = "the basis of an adoption is one line of 1 to 300 characters";
            return Err(Error::new(ErrorKind::Invalid, "operator", "adopt", message));
        }
        let onboarding = Onboarding::new(backends.clone());
        let (mut domain, _) = onboarding.found(tenant, wanted).await?;
        let now = domain.created_at();
        let public_key = backends.keys.public_key(&key)?;
        let chain: Chain = chain.parse().map_err(|error| unfit(&domain, error))?;
        chain.check(chain.names(), &public_key, now).map_err(|error| unfit(&domain, error))?;
        if !chain.names().contains(domain.name()) {
            let message = format!("the certificate is not for {}", domain.name());
            return Err(Error::new(ErrorKind::Invalid, "operator", "adopt", message)
                .with_code(ChainFault::WrongNames.as_str()));
        }

        backends.ready_to_seal().await?;
        let key_id = KeyId::random(&*backends.random)?;
        let context = Context::new(Some(*tenant), codec::key_key(key_id), CERTIFICATE_KEY);
        let sealed = backends.sealer.seal(&context, &key).await?;
        let id = CertificateId::random(&*backends.random)?;
        let certificate = Certificate::new(id, domain.id(), &chain, Origin::Adopted, key_id);
        domain.certificate = Some(Served {
            id,
            key: key_id,
            not_before: certificate.not_before,
            not_after: certificate.not_after,
            renew_at: certificate.renew_at(),
        });
        // The way that a proof and a certificate of our own take, but told as what it is.
        domain.apply(Event::OwnershipProven)?;
        domain.apply(Event::CertificateActivated)?;
        let grace_until = after(now, grace);
        domain.next_check_at = Some(grace_until);
        domain.grace_until = Some(grace_until);
        let notice = Notice::Adopted { basis, certificate: id, not_after: certificate.not_after };

        let told = announce(backends, &mut domain, None, now).await?;
        let root = Root::Domain(Box::new(DomainRoot::new(domain.clone())));
        let (key, header, body) = codec::write_root(&root, Some(now))?;
        let entry = codec::write_notice(&key, &notice)?;
        let mut writes = Vec::from_iter(told);
        for (key, header, body) in [
            (key.clone(), header, body),
            codec::write_certificate(&certificate, *tenant)?,
            codec::write_key(&SealedKey::new(key_id, sealed), *tenant)?,
        ] {
            writes.push(Write::Put { key, expect: Expect::Absent, header, body });
        }
        let mut beside: Option<Beside> = None;
        for _ in 0..ATTEMPTS {
            let mut batch = self.batch()?.with_entry(entry.clone());
            batch.writes.extend(writes.clone());
            batch.writes.extend(backends.wake_above(domain.name(), *tenant).await?);
            let mut told = vec![notice.clone()];
            if let Some(beside) = beside.take() {
                told.extend(beside.join(&mut batch)?);
            }
            match self.commit(batch, &key).await? {
                Commit::Done => {
                    told.iter().for_each(telemetry::told);
                    return Ok(domain);
                }
                Commit::Taken(taken) => match Incumbent::find(backends, domain.name()).await? {
                    // It only rests with whoever held it last.
                    Found::Somebody(found)
                        if !found.domain().status().holds()
                            && !taken.contains(&codec::slot(*tenant, domain.name())) =>
                    {
                        beside = Some(found.released(backends, now).await?);
                    }
                    _ => return Err(self.taken(tenant, &domain, &taken).await?),
                },
                Commit::Stale(_) => {}
                Commit::Fenced => return Err(lost_race("adopt")),
            }
        }
        Err(lost_race("adopt"))
    }

    async fn taken(
        &self,
        tenant: &TenantId,
        domain: &Domain,
        taken: &[UniqueKey],
    ) -> Result<Error> {
        if taken.contains(&codec::slot(*tenant, domain.name())) {
            return Onboarding::new(self.backends.clone()).existing(tenant, domain).await;
        }
        let found = self.backends.store.find(&[codec::hold(domain.name())]).await?;
        let message = format!("somebody else holds {}", domain.name());
        let error = Error::new(ErrorKind::Precondition, "operator", "adopt", message);
        Ok(match found.into_iter().flatten().next() {
            Some(item) => error.with_subject(item.key.id),
            None => lost_race("adopt"),
        })
    }
}

fn unfit(domain: &Domain, error: ChainError) -> Error {
    let message = format!("{}: {error}", domain.name());
    Error::new(ErrorKind::Invalid, "operator", "adopt", message)
        .with_code(error.fault().as_str())
        .with_source(error)
}
