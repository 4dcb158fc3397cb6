//! A certificate authority in memory, in the shape of RFC 8555.

mod state;
mod validation;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use x509_parser::{
    asn1_rs::{FromDer, Integer, Sequence},
    certification_request::X509CertificationRequest,
    extensions::{GeneralName, ParsedExtension},
};

use self::{
    state::{State, Terms},
    validation::Validator,
};
use super::{
    Account, CertificateAuthority, ChallengeType, Handle, Progress, Signer, SigningRequest,
};
use crate::{
    clock::{Clock, after},
    encoding::pem,
    error::{Error, ErrorKind, Result},
    fault::Faults,
    id::{OsRandom, Random},
    name::DomainName,
    probe::Probe,
    resolver::Resolver,
    secret::Secret,
};

/// A certificate authority that validates names by what it is shown and signs with what it is given.
///
/// It behaves as Let's Encrypt does, where that matters to a client: an account per key; an order
/// that is still open is returned again for the same names; 100 names at most, none of them under a
/// wildcard of the same order, none a public suffix; wildcards by dns-01 alone; CAA records are
/// obeyed; an order lives seven days; the request must hold exactly the names of the order; a
/// certificate starts an hour before it is made. There are no rate limits.
///
/// It validates through a [resolver](Self::with_resolver) (dns-01, CAA) and a
/// [probe](Self::with_probe) (http-01). Without the one that a challenge needs, every answer to such
/// a challenge is found wrong; without a resolver CAA records are not looked at. Looking happens
/// inside the first `progress` after the answer and the [processing time](Self::with_processing_time).
///
/// Clones share accounts, orders and certificates, all of which are kept until the last clone goes.
#[derive(Clone)]
pub struct InMemoryCa {
    id: Arc<str>,
    clock: Arc<dyn Clock>,
    signer: Arc<dyn Signer>,
    random: Arc<dyn Random>,
    resolver: Option<Arc<dyn Resolver>>,
    probe: Option<Arc<dyn Probe>>,
    validity: Duration,
    terms: Terms,
    caa_identities: Vec<String>,
    state: Arc<Mutex<State>>,
    faults: Arc<Faults>,
}

impl InMemoryCa {
    /// The [`id`](CertificateAuthority::id) unless [`with_id`](Self::with_id) says otherwise.
    pub const ID: &str = "memory.test/directory";

    /// How long before now a certificate starts, for clocks that are late.
    const BACKDATED: Duration = Duration::from_secs(3600);

    /// Creates an authority that lives by `clock` and signs with `signer`.
    pub fn new(clock: impl Clock, signer: impl Signer) -> Self {
        Self {
            id: Self::ID.into(),
            clock: Arc::new(clock),
            signer: Arc::new(signer),
            random: Arc::new(OsRandom),
            resolver: None,
            probe: None,
            validity: Duration::from_secs(90 * 86_400),
            terms: Terms { processing: Duration::ZERO, reuse: Duration::ZERO },
            caa_identities: Vec::new(),
            state: Arc::default(),
            faults: Arc::new(Faults::new("in-memory ca")),
        }
    }

    /// Looks for TXT and CAA records through `resolver`.
    #[must_use]
    pub fn with_resolver(mut self, resolver: impl Resolver) -> Self {
        self.resolver = Some(Arc::new(resolver));
        self
    }

    /// Looks for pages through `probe`.
    #[must_use]
    pub fn with_probe(mut self, probe: impl Probe) -> Self {
        self.probe = Some(Arc::new(probe));
        self
    }

    /// Takes another name; CAA records have to name the part before the first `/`.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.id = id.into();
        self
    }

    /// Says by which names CAA records allow it to issue, which it does not otherwise.
    #[must_use]
    pub fn with_caa_identities(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.caa_identities = names.into_iter().collect();
        self
    }

    /// Takes randomness from elsewhere, so that a simulation can repeat a history.
    #[must_use]
    pub fn with_random(mut self, random: impl Random) -> Self {
        self.random = Arc::new(random);
        self
    }

    /// Sets how long a certificate is good; 90 days otherwise.
    #[must_use]
    pub fn with_validity(mut self, validity: Duration) -> Self {
        self.validity = validity;
        self
    }

    /// Sets how long a validation takes, and the making of a certificate; otherwise both happen at
    /// once.
    #[must_use]
    pub fn with_processing_time(mut self, time: Duration) -> Self {
        self.terms.processing = time;
        self
    }

    /// Sets how long a valid authorization also counts for later orders of its account, which may
    /// then start as ready; otherwise it does not.
    #[must_use]
    pub fn with_authorization_reuse(mut self, time: Duration) -> Self {
        self.terms.reuse = time;
        self
    }

    /// Refuses orders for a name from now on, as `rejectedIdentifier`.
    pub fn refuse(&self, name: DomainName) {
        self.state().refused.insert(name);
    }

    /// Finds the answers to the challenges of an order wrong, whatever was seen: it is invalid, unless
    /// its certificate is being made already.
    pub fn invalidate(&self, order: &Handle) {
        self.state().invalidate(order);
    }

    /// Forgets all accounts, as an authority that was restored from nothing does: a call under one of them
    /// is refused as `accountDoesNotExist`, and the orders of it are lost with it. A key that is enrolled
    /// again gets another account.
    pub fn lose_accounts(&self) {
        self.state().lose_accounts();
    }

    /// Returns how many accounts there are.
    pub fn accounts(&self) -> usize {
        self.state().accounts.len()
    }

    /// Returns how many orders were opened.
    pub fn orders(&self) -> usize {
        self.state().orders.len()
    }

    /// Returns how many certificates were signed.
    pub fn certificates(&self) -> usize {
        self.state().certificates
    }

    /// Makes the next call fail with `kind` and change nothing.
    pub fn fail_next(&self, kind: ErrorKind) {
        self.faults.before(kind);
    }

    /// Makes the next call take effect and then fail with `kind`, as when an answer is lost.
    pub fn fail_next_after(&self, kind: ErrorKind) {
        self.faults.after(kind);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, space: &str, number: usize) -> Handle {
        Handle::new(format!("{}/{space}/{number}", self.id))
    }

    fn random<const N: usize>(&self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads how far an order is, and validates what is due.
    async fn look(&self, account: &Account, order: &Handle) -> Result<Progress> {
        let due = {
            let state = self.state();
            state.authenticate("progress", account)?;
            state.validations(account, order, self.terms, self.clock.now())?
        };
        for validation in due {
            let identity = self.id.split('/').next().unwrap_or_default();
            let (resolver, probe) = (self.resolver.as_deref(), self.probe.as_deref());
            let found = Validator { resolver, probe, identity }.validate(&validation).await;
            self.state().settle(&validation.authorization, found, self.terms, self.clock.now());
        }
        self.state().progress(account, order, self.terms, self.clock.now())
    }

    /// Signs for a request that was checked.
    fn sign(&self, csr: &[u8], public_key: Vec<u8>, names: &[DomainName]) -> Result<String> {
        let now = self.clock.now();
        let not_before = now.checked_sub_signed(chrono_delta(Self::BACKDATED)).unwrap_or(now);
        let mut serial = self.random::<16>()?;
        // Positive, and of the full length.
        serial[0] = (serial[0] & 0x7f) | 0x40;
        let chain = self.signer.sign(&SigningRequest {
            csr: csr.to_vec(),
            public_key,
            names: names.to_vec(),
            not_before,
            not_after: after(not_before, self.validity),
            serial,
        })?;
        Ok(chain.iter().map(|der| pem("CERTIFICATE", der)).collect())
    }
}

impl fmt::Debug for InMemoryCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryCa").field("id", &self.id).finish_non_exhaustive()
    }
}

#[async_trait]
impl CertificateAuthority for InMemoryCa {
    fn id(&self) -> &str {
        &self.id
    }

    async fn caa_identities(&self) -> Result<Vec<String>> {
        // Nobody is asked for what it was told, so that nothing can fail.
        Ok(self.caa_identities.clone())
    }

    async fn enroll(&self, key: &Secret) -> Result<Handle> {
        self.faults.call("enroll", || {
            if !is_pkcs8(key.expose()) {
                let message = "the account key is not PKCS #8";
                return Err(error(ErrorKind::Invalid, "enroll", message));
            }
            let mut state = self.state();
            let handle = self.handle("account", state.enrolled + 1);
            Ok(state.enroll(key, handle))
        })
    }

    async fn open(&self, account: &Account, names: &[DomainName]) -> Result<Handle> {
        self.faults.call("open", || {
            let mut state = self.state();
            state.authenticate("open", account)?;
            let names = state.admit(names)?;
            let now = self.clock.now();
            if let Some(order) = state.still_open(account, &names, self.terms, now) {
                return Ok(order);
            }
            let mut authorizations = Vec::with_capacity(names.len());
            for name in &names {
                let reused = state.still_valid(account, name, now);
                authorizations.push(match reused {
                    Some(authorization) => authorization,
                    None => {
                        let number = state.authorizations.len() + 1;
                        let handle = self.handle("authorization", number);
                        state.authorize(account, name, handle, &self.random::<32>()?, now)
                    }
                });
            }
            let handle = self.handle("order", state.orders.len() + 1);
            Ok(state.open(account, names, authorizations, handle, now))
        })
    }

    async fn progress(&self, account: &Account, order: &Handle) -> Result<Progress> {
        self.faults.run("progress", self.look(account, order)).await
    }

    async fn respond(
        &self,
        account: &Account,
        order: &Handle,
        authorization: &Handle,
        challenge: ChallengeType,
    ) -> Result<()> {
        self.faults.call("respond", || {
            let mut state = self.state();
            state.authenticate("respond", account)?;
            state.respond(account, order, authorization, challenge, self.clock.now())
        })
    }

    async fn finalize(&self, account: &Account, order: &Handle, csr: &[u8]) -> Result<()> {
        self.faults.call("finalize", || {
            let now = self.clock.now();
            let names = {
                let state = self.state();
                state.authenticate("finalize", account)?;
                state.ready(account, order, self.terms, now)?
            };
            let public_key = check_request(csr, &names)?;
            // Not under the lock: a signer is somebody else's code.
            let chain = self.sign(csr, public_key, &names)?;
            self.state().issue(order, chain, self.terms, now)
        })
    }

    async fn certificate(&self, account: &Account, order: &Handle) -> Result<String> {
        self.faults.call("certificate", || {
            let state = self.state();
            state.authenticate("certificate", account)?;
            state.certificate(account, order, self.clock.now())
        })
    }
}

fn chrono_delta(duration: Duration) -> chrono::TimeDelta {
    chrono::TimeDelta::from_std(duration).unwrap_or_default()
}

/// Returns whether the bytes are a sequence that starts with a version, as those of PKCS #8 are.
fn is_pkcs8(key: &[u8]) -> bool {
    let Ok(([], sequence)) = Sequence::from_der(key) else { return false };
    Integer::from_der(&sequence.content)
        .is_ok_and(|(_, version)| version.as_u8().is_ok_and(|version| version <= 1))
}

/// Checks that a request is for exactly these names, and returns its public key.
///
/// The signature is the signer's business.
fn check_request(csr: &[u8], names: &[DomainName]) -> Result<Vec<u8>> {
    let refused =
        |message: &str| error(ErrorKind::Refused, "finalize", message).with_code("badCSR");
    let Ok(([], request)) = X509CertificationRequest::from_der(csr) else {
        return Err(refused("the request is not PKCS #10"));
    };
    let mut wanted: Vec<&str> = Vec::new();
    for extension in request.requested_extensions().into_iter().flatten() {
        if let ParsedExtension::SubjectAlternativeName(found) = extension {
            for name in &found.general_names {
                match name {
                    GeneralName::DNSName(name) => wanted.push(name),
                    _ => return Err(refused("the request holds other things than DNS names")),
                }
            }
        }
    }
    for common_name in request.certification_request_info.subject.iter_common_name() {
        wanted.extend(common_name.as_str().ok());
    }
    let is = |name: &DomainName, text: &&str| name.as_str().eq_ignore_ascii_case(text);
    if !names.iter().all(|name| wanted.iter().any(|text| is(name, text)))
        || !wanted.iter().all(|text| names.iter().any(|name| is(name, text)))
    {
        return Err(refused("the request is for other names than the order"));
    }
    Ok(request.certification_request_info.subject_pki.raw.to_vec())
}

fn error(kind: ErrorKind, operation: &'static str, message: impl Into<String>) -> Error {
    Error::new(kind, "in-memory ca", operation, message)
}

#[cfg(test)]
mod tests;
