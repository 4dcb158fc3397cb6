//! Putting an [`Onboarding`] together from what a platform plugs in.

use std::sync::{Arc, Mutex};

use super::{
    backends::Backends,
    decide::Settings,
    feed::{self, Subscriber, TenantLog},
    health::Pulse,
    mail::Post,
    onboarding::Onboarding,
    policy::Policy,
    refusal::Auditor,
    timely::Timely,
};
use crate::{
    ca::CertificateAuthority,
    challenge::{Brand, CompatLabel, LabelPolicy, Terms, email::Link},
    clock::Timer,
    dns::DnsProvider,
    domain::Targets,
    id::{OsRandom, Random},
    keys::Keys,
    mail::Mailer,
    name::{ClaimPolicy, DnsName},
    probe::Probe,
    record::Profile,
    resolver::Resolver,
    seal::Sealer,
    store::Store,
};

/// What is missing or wrong in what was plugged in.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Something that everything depends on was not plugged in.
    #[error("onboarding needs {0}")]
    Missing(&'static str),
    /// Something that was given cannot be used.
    #[error("onboarding: {0}")]
    Invalid(String),
    /// A count of the [`Policy`] is too low to make sense.
    #[error("the policy's {field} must be at least {least}")]
    TooFew {
        /// The field.
        field: &'static str,
        /// The lowest count that makes sense.
        least: u32,
    },
    /// A duration of the [`Policy`] is too short to make sense.
    #[error("the policy's {field} must be longer than {than}")]
    TooShort {
        /// The field.
        field: &'static str,
        /// What it must be longer than: another field, or `zero`.
        than: &'static str,
    },
}

/// Puts an [`Onboarding`] together. There are no hidden defaults but the numbers of [`Policy`].
#[derive(Debug)]
pub struct Builder {
    store: Arc<dyn Store>,
    resolver: Option<Arc<dyn Resolver>>,
    dns: Option<Arc<dyn DnsProvider>>,
    probe: Option<Arc<dyn Probe>>,
    post: Option<Post>,
    authority: Option<Arc<dyn CertificateAuthority>>,
    keys: Option<Arc<dyn Keys>>,
    sealer: Option<Arc<dyn Sealer>>,
    timer: Option<Arc<dyn Timer>>,
    random: Arc<dyn Random>,
    brand: Option<String>,
    proof_target: Option<DnsName>,
    proof_service: Option<String>,
    proof_labels: LabelPolicy,
    targets: Option<Targets>,
    claims: ClaimPolicy,
    delegation_zone: Option<DnsName>,
    policy: Policy,
    record_profile: Profile,
    subscribers: Vec<Arc<dyn Subscriber>>,
    tenant_log: bool,
    auditor: Option<Arc<dyn Auditor>>,
}

impl Builder {
    /// Starts with a store.
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            resolver: None,
            dns: None,
            probe: None,
            post: None,
            authority: None,
            keys: None,
            sealer: None,
            timer: None,
            random: Arc::new(OsRandom),
            brand: None,
            proof_target: None,
            proof_service: None,
            proof_labels: LabelPolicy::Branded,
            targets: None,
            claims: ClaimPolicy::new(),
            delegation_zone: None,
            policy: Policy::new(),
            record_profile: Profile::PUBLISHED,
            subscribers: Vec::new(),
            tenant_log: false,
            auditor: None,
        }
    }

    /// Sets the label under which customers publish their proofs: `acme` makes it
    /// `_acme-challenge`, so choose the platform's own name.
    #[must_use]
    pub fn with_brand(mut self, brand: impl Into<String>) -> Self {
        self.brand = Some(brand.into());
        self
    }

    /// Sets the name of the platform's to which the records of
    /// [`Method::DnsCname`](crate::challenge::Method::DnsCname) lead. Nobody asks what is there; it
    /// only has to be a name that nobody else will ever have.
    #[must_use]
    pub fn with_proof_target(mut self, target: DnsName) -> Self {
        self.proof_target = Some(target);
        self
    }

    /// Sets the directory below `/.well-known` in which the pages of
    /// [`Method::Http`](crate::challenge::Method::Http) are, such as `pki-validation`;
    /// `plat-challenge` for the brand `plat` unless told, and so for other brands.
    #[must_use]
    pub fn with_proof_service(mut self, service: impl Into<String>) -> Self {
        self.proof_service = Some(service.into());
        self
    }

    /// Sets under which labels customers publish TXT records as proofs; one that names the platform
    /// unless told. Others are for platforms whose customers have instructions that say so.
    #[must_use]
    pub const fn with_proof_labels(mut self, labels: LabelPolicy) -> Self {
        self.proof_labels = labels;
        self
    }

    /// Sets where customers point their names.
    #[must_use]
    pub fn with_targets(mut self, targets: Targets) -> Self {
        self.targets = Some(targets);
        self
    }

    /// Plugs in what looks names up.
    #[must_use]
    pub fn with_resolver(mut self, resolver: impl Resolver) -> Self {
        self.resolver = Some(Arc::new(resolver));
        self
    }

    /// Plugs in the service that hosts our zones, for DNS challenges.
    #[must_use]
    pub fn with_dns(mut self, dns: impl DnsProvider) -> Self {
        self.dns = Some(Arc::new(dns));
        self
    }

    /// Plugs in what mails the codes of [`Method::Email`](crate::challenge::Method::Email), and the
    /// page of the platform's that the links in those mails lead to. What that page has to do, and
    /// must not, says [`Link`].
    #[must_use]
    pub fn with_mailer(mut self, mailer: impl Mailer, link: Link) -> Self {
        self.post = Some(Post::new(Arc::new(mailer), link));
        self
    }

    /// Plugs in what fetches the pages by which names are proved. It has to give up earlier than
    /// [`Policy::call_timeout`].
    #[must_use]
    pub fn with_probe(mut self, probe: impl Probe) -> Self {
        self.probe = Some(Arc::new(probe));
        self
    }

    /// Plugs in the certificate authority.
    #[must_use]
    pub fn with_authority(mut self, authority: impl CertificateAuthority) -> Self {
        self.authority = Some(Arc::new(authority));
        self
    }

    /// Plugs in what makes private keys.
    #[must_use]
    pub fn with_keys(mut self, keys: impl Keys) -> Self {
        self.keys = Some(Arc::new(keys));
        self
    }

    /// Plugs in what makes secrets storable.
    #[must_use]
    pub fn with_sealer(mut self, sealer: impl Sealer) -> Self {
        self.sealer = Some(Arc::new(sealer));
        self
    }

    /// Plugs in what waits.
    #[must_use]
    pub fn with_timer(mut self, timer: impl Timer) -> Self {
        self.timer = Some(Arc::new(timer));
        self
    }

    /// Takes randomness from somewhere else than the operating system.
    ///
    /// Ownership tokens come from it: for simulations only.
    #[must_use]
    pub fn with_random(mut self, random: impl Random) -> Self {
        self.random = Arc::new(random);
        self
    }

    /// Sets which names may be claimed here.
    #[must_use]
    pub fn with_claims(mut self, claims: ClaimPolicy) -> Self {
        self.claims = claims;
        self
    }

    /// Sets the zone of ours, at the plugged-in DNS provider, to which customers delegate their
    /// `_acme-challenge` names. Each claim gets a name of its own in it.
    #[must_use]
    pub fn with_delegation_zone(mut self, zone: DnsName) -> Self {
        self.delegation_zone = Some(zone);
        self
    }

    /// Sets which records tenants may have, and which fields of them; the published matrix unless told.
    #[must_use]
    pub fn with_record_profile(mut self, profile: Profile) -> Self {
        self.record_profile = profile;
        self
    }

    /// Adds somebody who is told what happens to domains: from the next notice of each on.
    ///
    /// Plug the same subscribers into every process on a store, those without a worker included:
    /// whoever logs the first notice of a domain makes its feed.
    #[must_use]
    pub fn with_subscriber(mut self, subscriber: impl Subscriber) -> Self {
        self.subscribers.push(Arc::new(subscriber));
        self
    }

    /// Keeps a log of what happens to all domains of a tenant, in the store, for
    /// [`Onboarding::follow`].
    ///
    /// A subscriber like others, called `tenant-log`. It costs a write for each notice.
    #[must_use]
    pub const fn with_tenant_log(mut self) -> Self {
        self.tenant_log = true;
        self
    }

    /// Plugs in somebody who keeps a log of what is refused; nobody unless told.
    #[must_use]
    pub fn with_auditor(mut self, auditor: impl Auditor) -> Self {
        self.auditor = Some(Arc::new(auditor));
        self
    }

    /// Sets the numbers.
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Builds.
    ///
    /// # Errors
    ///
    /// What is missing, or cannot be used.
    pub fn build(self) -> Result<Onboarding, BuildError> {
        let missing = |what| BuildError::Missing(what);
        let invalid = |error: &dyn std::fmt::Display| BuildError::Invalid(error.to_string());
        let brand = self.brand.ok_or_else(|| missing("a brand"))?;
        let brand = Brand::new(&brand).map_err(|error| invalid(&error))?;
        let targets = self.targets.ok_or_else(|| missing("targets"))?;
        targets.check().map_err(|error| invalid(&error))?;
        if self.delegation_zone.is_some() && self.dns.is_none() {
            return Err(missing("a DNS provider that hosts the delegation zone"));
        }
        if brand.as_str() == "acme" && self.delegation_zone.is_some() {
            return Err(BuildError::Invalid(
                "the brand acme puts proofs at _acme-challenge, which a delegation zone needs for \
                 its CNAME records"
                    .to_owned(),
            ));
        }
        self.policy.check()?;
        let terms = terms(brand, self.proof_target, self.proof_service, &self.policy)
            .map_err(|error| invalid(&error))?;
        let terms = terms.with_labels(self.proof_labels);
        let is_delegated = self.delegation_zone.is_some();
        if is_delegated && self.proof_labels == LabelPolicy::Compat(CompatLabel::AcmeChallenge) {
            return Err(BuildError::Invalid(
                "proofs cannot be at _acme-challenge, which a delegation zone needs for its CNAME \
                 records"
                    .to_owned(),
            ));
        }
        if self.probe.is_some() && terms.service() == Terms::RESERVED_SERVICE {
            return Err(BuildError::Invalid(
                "the brand acme puts pages where certificate authorities look: set another \
                 directory for proofs"
                    .to_owned(),
            ));
        }
        let authority = self.authority.ok_or_else(|| missing("a certificate authority"))?;
        let timer = self.timer.ok_or_else(|| missing("a timer"))?;
        let store = Timely::new(self.store, timer.clone(), self.policy.store_timeout);
        let store: Arc<dyn Store> = Arc::new(store);
        let mut subscribers = self.subscribers;
        if self.tenant_log {
            subscribers.push(Arc::new(TenantLog::new(store.clone(), self.random.clone())));
        }
        let subscribers = feed::seat(subscribers).map_err(BuildError::Invalid)?;
        let settings = Settings::new(self.policy, authority.id().to_owned());
        Ok(Onboarding::new(Arc::new(Backends {
            store,
            resolver: self.resolver.ok_or_else(|| missing("a resolver"))?,
            dns: self.dns,
            probe: self.probe,
            post: self.post,
            authority,
            keys: self.keys.ok_or_else(|| missing("keys"))?,
            sealer: self.sealer.ok_or_else(|| missing("a sealer"))?,
            canaries_checked: Mutex::default(),
            timer,
            random: self.random,
            terms,
            targets,
            claims: self.claims,
            delegation_zone: self.delegation_zone,
            record_profile: self.record_profile,
            subscribers,
            auditor: self.auditor,
            settings,
            last_account: Mutex::default(),
            pulse: Pulse::default(),
        })))
    }
}

/// Puts together what challenges are made by.
fn terms(
    brand: Brand,
    target: Option<DnsName>,
    service: Option<String>,
    policy: &Policy,
) -> crate::error::Result<Terms> {
    let mut terms = Terms::new(brand, policy.claim_ttl, policy.token_ttl);
    if let Some(target) = target {
        terms = terms.with_target(target);
    }
    match service {
        Some(service) => terms.with_service(service),
        None => Ok(terms),
    }
}
