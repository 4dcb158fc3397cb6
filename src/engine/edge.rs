//! What the platform's edge needs to know: certificates by name, and answers to HTTP challenges.

use std::{slice, sync::Arc};

use super::{
    backends::Backends,
    codec,
    observe::CERTIFICATE_KEY,
    root::{Answer, SealedKey},
};
use crate::{
    certificate::{Certificate, Chain},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{CertificateId, DomainId, TenantId},
    name::DomainName,
    seal::Context,
    secret::Secret,
    store::{Item, UniqueKey},
};

/// A certificate with its key, ready to serve.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Identity {
    /// The certificate: changes with every renewal.
    pub certificate: CertificateId,
    /// The name that is held: the one that was asked for, or a wildcard that covers it.
    pub name: DomainName,
    /// The domain it is for.
    pub domain: DomainId,
    /// Whose it is.
    pub tenant: TenantId,
    /// DER forms, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// The private key, PKCS #8 DER.
    pub key: Secret,
    /// Until when it is valid.
    pub not_after: Timestamp,
}

/// The edge's view of the platform's domains. Clones are cheap.
///
/// It reads the store at every call and caches nothing: an edge that serves many connections keeps
/// what it got for a while, and thereby decides how long a removal takes to reach it.
#[derive(Clone, Debug)]
pub struct Edge {
    backends: Arc<Backends>,
}

impl Edge {
    pub(super) const fn new(backends: Arc<Backends>) -> Self {
        Self { backends }
    }

    /// Returns the store's time.
    ///
    /// # Errors
    ///
    /// Those of [`Store::now`](crate::store::Store::now).
    pub async fn now(&self) -> Result<Timestamp> {
        self.backends.store.now().await
    }

    /// Returns which valid certificate serves `host`, without its key; `None` if nobody holds the
    /// name or there is none.
    ///
    /// The exact name is preferred to a wildcard, and keeps it out while it rests after it was removed,
    /// unless both are of one tenant. A name that the platform keeps is never served.
    ///
    /// # Errors
    ///
    /// Those of the store, and `Malformed` for stored data that cannot be read.
    pub async fn serves(&self, host: &DomainName) -> Result<Option<CertificateId>> {
        Ok(self.domain(host).await?.and_then(|(domain, now)| {
            domain.certificate().filter(|served| served.is_valid(now)).map(|served| served.id)
        }))
    }

    /// Returns the certificate that serves `host`, with its key; `None` as for
    /// [`serves`](Self::serves).
    ///
    /// # Errors
    ///
    /// Those of the store and the sealer, and `Malformed` for stored data that cannot be read.
    pub async fn identity(&self, host: &DomainName) -> Result<Option<Identity>> {
        // A renewal may replace the certificate between two reads; then the domain is read again.
        for _ in 0..3 {
            let Some((domain, now)) = self.domain(host).await? else { return Ok(None) };
            let Some(served) = domain.certificate().filter(|served| served.is_valid(now)) else {
                return Ok(None);
            };
            let keys = [codec::certificate_key(served.id), codec::key_key(served.key)];
            let found = self.backends.store.get(&keys).await?;
            let mut found = found.into_iter();
            let (Some(Some(certificate)), Some(Some(key))) = (found.next(), found.next()) else {
                continue;
            };
            let certificate: Certificate = codec::read_item(&certificate)?;
            let key: SealedKey = codec::read_item(&key)?;
            let context =
                Context::new(Some(domain.tenant()), codec::key_key(key.id), CERTIFICATE_KEY);
            let chain: Chain = certificate.chain.parse().map_err(|error| {
                Error::new(ErrorKind::Malformed, "engine", "identity", "a stored chain is broken")
                    .with_source(error)
            })?;
            return Ok(Some(Identity {
                certificate: certificate.id,
                name: domain.name().clone(),
                domain: domain.id(),
                tenant: domain.tenant(),
                chain: chain.certificates().to_vec(),
                key: self.backends.sealer.open(&context, &key.sealed).await?,
                not_after: certificate.not_after,
            }));
        }
        Ok(None)
    }

    /// Returns the body that a validation server is to be given at
    /// `/.well-known/acme-challenge/{token}` of `host` (RFC 8555 section 8.3).
    ///
    /// There is one only while the tenant whose order it is for holds the name.
    ///
    /// # Errors
    ///
    /// Those of the store, and `Malformed` for stored data that cannot be read.
    pub async fn answer(&self, host: &DomainName, token: &str) -> Result<Option<String>> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if token.is_empty() || token.len() > 256 || !token.bytes().all(is_token) {
            return Ok(None);
        }
        if self.backends.claims.is_reserved(host) {
            return Ok(None);
        }
        let keys = [codec::answer(host.as_str(), token), codec::hold(host)];
        let mut found = self.backends.store.find(&keys).await?.into_iter();
        let Some(item) = found.next().flatten() else { return Ok(None) };
        let answer: Answer = codec::read_item(&item)?;
        // The worker that cleans up after somebody has lost the name may not have run yet.
        let is_current = found.next().flatten().is_some_and(|holder| {
            item.header.tenant == holder.header.tenant
                && codec::read_domain(&holder).map_or(true, |it| it.has_answer(&answer.id))
        });
        if !is_current {
            return Ok(None);
        }
        Ok(Some(answer.body))
    }

    /// Returns what has these names, in their order. What the store cannot read is in the way of nothing
    /// that comes before it.
    async fn found(&self, names: &[UniqueKey]) -> Result<Vec<Result<Option<Item>>>> {
        let store = &self.backends.store;
        match store.find(names).await {
            Err(error) if error.kind() == ErrorKind::Malformed => {}
            found => return Ok(found?.into_iter().map(Ok).collect()),
        }
        let mut items = Vec::with_capacity(names.len());
        for name in names {
            let found = store.find(slice::from_ref(name)).await;
            items.push(found.map(|found| found.into_iter().flatten().next()));
        }
        Ok(items)
    }

    /// Returns the domain that `host` belongs to, while its tenant holds it.
    ///
    /// The most specific name decides: what somebody holds, or held not long ago, is not served by
    /// somebody else's wildcard. What the platform keeps is nobody's, whatever is stored.
    async fn domain(
        &self,
        host: &DomainName,
    ) -> Result<Option<(crate::domain::Domain, Timestamp)>> {
        let claims = &self.backends.claims;
        if claims.is_reserved(host) {
            return Ok(None);
        }
        let names: Vec<_> = host.serving_names().iter().map(codec::hold).collect();
        let mut rests_with = None;
        for item in self.found(&names).await? {
            let Some(item) = item? else { continue };
            let domain = codec::read_domain(&item)?;
            // Not before: whoever asks for names that nobody holds costs one call.
            let now = self.backends.store.now().await?;
            if domain.status().holds() && !claims.is_reserved(domain.name()) {
                let is_free = rests_with.is_none_or(|tenant| tenant == domain.tenant());
                // A certificate of before the name was handed over says nothing of now.
                let is_served = is_free && !domain.is_on_trust();
                return Ok(is_served.then_some((domain, now)));
            }
            if domain.bars(now) {
                rests_with = Some(domain.tenant());
            }
        }
        Ok(None)
    }
}
