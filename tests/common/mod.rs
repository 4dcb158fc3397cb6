//! A whole platform in memory, with a customer's zone beside it.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use nameplate::{
    ca::{CertificateAuthority, InMemoryCa, Signer, UnsignedSigner},
    challenge::email::Link,
    clock::{Clock, ManualClock, Timer, Timestamp},
    dns::{DnsProvider, InMemoryDns},
    domain::{Domain, Instruction, NewDomain, Step, Targets},
    engine::{Auditor, Builder, Edge, Onboarding, Policy, Subscriber},
    error::Result,
    id::{DomainId, TenantId},
    keys::InMemoryKeys,
    mail::{InMemoryMailer, Mailer},
    name::{ClaimPolicy, DnsName},
    probe::{Fetch, Fetched, InMemoryProbe, Probe},
    record::{RecordData, RecordSet, RecordType, Ttl},
    resolver::{InMemoryResolver, Resolver},
    seal::InMemorySealer,
    store::{InMemoryStore, Store},
    testkit::{EndlessTimer, SeededRandom},
};

pub const DAY: Duration = Duration::from_secs(86_400);
pub const HOUR: Duration = Duration::from_secs(3600);
pub const MINUTE: Duration = Duration::from_secs(60);

pub const TENANT: TenantId = TenantId::from_bytes([1; 16]);
pub const OTHER: TenantId = TenantId::from_bytes([2; 16]);

/// The zone in which the platform places answers to DNS challenges.
pub const DELEGATION: &str = "acme.platform.test";
/// The platform's edge.
pub const EDGE: &str = "edge.platform.test";
/// The page behind the links in mails.
pub const CONFIRM: &str = "https://platform.test/confirm";
/// Where CNAME records that are proofs lead.
pub const PROOF: &str = "proof.platform.test";

pub fn dns(name: &str) -> DnsName {
    name.parse().unwrap()
}

/// Returns the question for a page by its address.
pub fn page(url: &str) -> Fetch {
    let place = url.strip_prefix("http://").unwrap();
    let (host, path) = place.split_at(place.find('/').unwrap());
    Fetch::new(host.parse().unwrap(), path)
}

/// What a validation server sees over HTTP: the platform's edge, wherever a name leads.
#[derive(Clone, Default)]
pub struct EdgeProbe(Arc<OnceLock<Edge>>);

impl fmt::Debug for EdgeProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EdgeProbe")
    }
}

#[async_trait]
impl Probe for EdgeProbe {
    async fn fetch(&self, fetch: &Fetch) -> Result<Fetched> {
        let token = fetch.path.strip_prefix("/.well-known/acme-challenge/");
        let (Some(edge), Some(token)) = (self.0.get(), token) else {
            return Ok(Fetched::Unreachable);
        };
        Ok(match edge.answer(&fetch.host, token).await? {
            Some(body) => Fetched::response(200, body),
            None => Fetched::response(404, ""),
        })
    }
}

/// A platform in memory, its customers' zones, and the clock that all live by.
pub struct World {
    pub clock: ManualClock,
    pub store: InMemoryStore,
    pub dns: InMemoryDns,
    pub ca: InMemoryCa,
    pub resolver: InMemoryResolver,
    pub keys: InMemoryKeys,
    pub sealer: InMemorySealer,
    pub random: SeededRandom,
    pub policy: Policy,
    pub onboarding: Onboarding,
    /// What customers' hosts show, as far as proofs go.
    pub pages: InMemoryProbe,
    /// What was mailed.
    pub mailer: InMemoryMailer,
    probe: EdgeProbe,
}

impl World {
    pub fn new() -> Self {
        Self::with_policy(Policy::new())
    }

    pub fn with_policy(policy: Policy) -> Self {
        let clock = ManualClock::new(Timestamp::from_timestamp(1_800_000_000, 0).unwrap());
        let random = SeededRandom::new(7);
        let zones =
            InMemoryDns::new(["example.com", "example.net", "platform.test", DELEGATION].map(dns));
        let edge: RecordData = RecordData::A([203, 0, 113, 10].into());
        zones.set(RecordSet::new(dns(EDGE), Ttl::HOUR, [edge]).unwrap()).unwrap();
        let probe = EdgeProbe::default();
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let store = InMemoryStore::new(shared.clone());
        let keys = InMemoryKeys::new().with_random(Arc::new(random.clone()));
        let sealer = InMemorySealer::new().with_random(Arc::new(random.clone()));
        let ca = InMemoryCa::new(shared, Arc::new(UnsignedSigner))
            .with_random(Arc::new(random.clone()))
            .with_resolver(Arc::new(InMemoryResolver::over(Arc::new(zones.clone()))))
            .with_probe(Arc::new(probe.clone()));
        let resolver = InMemoryResolver::over(Arc::new(zones.clone()));
        let pages = InMemoryProbe::new();
        let mailer = InMemoryMailer::new();
        let onboarding = Self::parts(
            store.clone(),
            resolver.clone(),
            zones.clone(),
            ca.clone(),
            &pages,
            mailer.clone(),
            &keys,
            &sealer,
            &random,
            &policy,
            EndlessTimer,
            Self::claims(),
        )
        .build()
        .unwrap();
        let _ = probe.0.set(onboarding.edge());
        Self {
            clock,
            store,
            dns: zones,
            ca,
            resolver,
            keys,
            sealer,
            random,
            policy,
            onboarding,
            pages,
            mailer,
            probe,
        }
    }

    /// Has the authority sign with something else.
    pub fn sign_with(&mut self, signer: impl Signer) {
        self.ca = InMemoryCa::new(Arc::new(self.clock.clone()), Arc::new(signer))
            .with_random(Arc::new(self.random.clone()))
            .with_resolver(Arc::new(InMemoryResolver::over(Arc::new(self.dns.clone()))))
            .with_probe(Arc::new(self.probe.clone()));
        self.onboarding = self.process_with_timer(EndlessTimer);
    }

    fn claims() -> ClaimPolicy {
        ClaimPolicy::new()
            .with_allowed(["example.com", "example.net"].map(dns))
            .with_reserved([dns("platform.test")])
    }

    #[expect(clippy::too_many_arguments, reason = "one for each thing that is plugged in")]
    fn parts(
        store: impl Store,
        resolver: impl Resolver,
        provider: impl DnsProvider,
        ca: impl CertificateAuthority,
        pages: &InMemoryProbe,
        mailer: impl Mailer,
        keys: &InMemoryKeys,
        sealer: &InMemorySealer,
        random: &SeededRandom,
        policy: &Policy,
        timer: impl Timer,
        claims: ClaimPolicy,
    ) -> Builder {
        Onboarding::builder(store)
            .with_brand("plat")
            .with_targets(Targets::cname(EDGE).with_addresses([[203, 0, 113, 10].into()], []))
            .with_resolver(resolver)
            .with_dns(provider)
            .with_authority(ca)
            .with_keys(keys.clone())
            .with_sealer(sealer.clone())
            .with_timer(timer)
            .with_random(random.clone())
            .with_claims(claims)
            .with_delegation_zone(dns(DELEGATION))
            .with_proof_target(dns(PROOF))
            .with_probe(pages.clone())
            .with_mailer(mailer, Link::new(CONFIRM).unwrap())
            .with_policy(policy.clone())
    }

    /// Another process on the same world, with wrapped backends.
    pub fn process<S: Store, R: Resolver, D: DnsProvider, C: CertificateAuthority>(
        &self,
        wrap: (
            impl FnOnce(InMemoryStore) -> S,
            impl FnOnce(InMemoryResolver) -> R,
            impl FnOnce(InMemoryDns) -> D,
            impl FnOnce(InMemoryCa) -> C,
        ),
    ) -> Onboarding {
        let resolver = InMemoryResolver::over(Arc::new(self.dns.clone()));
        Self::parts(
            wrap.0(self.store.clone()),
            wrap.1(resolver),
            wrap.2(self.dns.clone()),
            wrap.3(self.ca.clone()),
            &self.pages,
            self.mailer.clone(),
            &self.keys,
            &self.sealer,
            &self.random,
            &self.policy,
            EndlessTimer,
            Self::claims(),
        )
        .build()
        .unwrap()
    }

    /// Another process on the same world, with a wrapped store, resolver and mailer.
    pub fn process_with_mailer<S: Store, R: Resolver, M: Mailer>(
        &self,
        wrap: (
            impl FnOnce(InMemoryStore) -> S,
            impl FnOnce(InMemoryResolver) -> R,
            impl FnOnce(InMemoryMailer) -> M,
        ),
    ) -> Onboarding {
        Self::parts(
            wrap.0(self.store.clone()),
            wrap.1(InMemoryResolver::over(Arc::new(self.dns.clone()))),
            self.dns.clone(),
            self.ca.clone(),
            &self.pages,
            wrap.2(self.mailer.clone()),
            &self.keys,
            &self.sealer,
            &self.random,
            &self.policy,
            EndlessTimer,
            Self::claims(),
        )
        .build()
        .unwrap()
    }

    /// Returns the codes that were mailed to an address, in order.
    pub fn codes(&self, to: &str) -> Vec<String> {
        let code = |body: String| body.split_once("&code=").unwrap().1[..64].to_owned();
        let sent = self.mailer.sent().into_iter().filter(|message| message.to == to);
        sent.map(|message| code(message.body)).collect()
    }

    /// Another process on the same world, in which other names may be claimed.
    pub fn process_with_claims(&self, claims: ClaimPolicy) -> Onboarding {
        self.process_of(EndlessTimer, claims)
    }

    /// Another process on the same world, which waits by a timer of its own.
    pub fn process_with_timer(&self, timer: impl Timer) -> Onboarding {
        self.process_of(timer, Self::claims())
    }

    /// Another process on the same world, in which somebody writes down what is refused.
    pub fn process_with_auditor(&self, auditor: impl Auditor) -> Onboarding {
        self.builder_of(EndlessTimer, Self::claims()).with_auditor(auditor).build().unwrap()
    }

    /// Another process on the same world, in which somebody is told what happens.
    pub fn process_with_subscriber(&self, subscriber: impl Subscriber) -> Onboarding {
        self.builder_of(EndlessTimer, Self::claims()).with_subscriber(subscriber).build().unwrap()
    }

    fn process_of(&self, timer: impl Timer, claims: ClaimPolicy) -> Onboarding {
        self.builder_of(timer, claims).build().unwrap()
    }

    fn builder_of(&self, timer: impl Timer, claims: ClaimPolicy) -> Builder {
        Self::parts(
            self.store.clone(),
            InMemoryResolver::over(Arc::new(self.dns.clone())),
            self.dns.clone(),
            self.ca.clone(),
            &self.pages,
            self.mailer.clone(),
            &self.keys,
            &self.sealer,
            &self.random,
            &self.policy,
            timer,
            claims,
        )
    }

    /// Another process on the same world but for its store, which looks names up in a way of its own.
    pub fn replica(
        &self,
        store: impl Store,
        resolver: impl Resolver,
        timer: impl Timer,
    ) -> Onboarding {
        let parts = Self::parts(
            store,
            resolver,
            self.dns.clone(),
            self.ca.clone(),
            &self.pages,
            self.mailer.clone(),
            &self.keys,
            &self.sealer,
            &self.random,
            &self.policy,
            timer,
            Self::claims(),
        );
        parts.build().unwrap()
    }

    /// Adds a name for the usual tenant.
    pub async fn add(&self, name: &str) -> Domain {
        self.onboarding.add(&TENANT, name.parse().unwrap()).await.unwrap()
    }

    pub async fn add_with(&self, tenant: &TenantId, wanted: NewDomain) -> Domain {
        self.onboarding.add(tenant, wanted).await.unwrap()
    }

    pub async fn get(&self, id: DomainId) -> Domain {
        self.onboarding.get(&TENANT, id).await.unwrap()
    }

    /// Does what a customer is asked to do.
    pub async fn publish(&self, id: DomainId) {
        for step in self.onboarding.steps(&TENANT, id).await.unwrap() {
            match step {
                Step::Record(instruction) => self.publish_one(&instruction),
                Step::Page { url, body, .. } => self.pages.serve(page(&url), body),
                other => panic!("{other}"),
            }
        }
    }

    pub fn publish_one(&self, instruction: &Instruction) {
        let Instruction { name, record_type, value, ttl, .. } = instruction;
        let text = match record_type {
            RecordType::Txt => format!("\"{value}\""),
            _ => value.clone(),
        };
        let data = RecordData::parse(*record_type, &text).unwrap();
        self.dns.set(RecordSet::new(name.clone(), *ttl, [data]).unwrap()).unwrap();
    }

    /// Lets the worker work, and the clock run, until nothing is due before `until` has passed.
    pub async fn run_for(&self, time: Duration) {
        let end = nameplate::clock::after(self.clock.now(), time);
        run_until(&self.onboarding, &self.store, &self.clock, end).await;
        self.clock.set(end);
    }

    /// Lets the worker do what is due now.
    pub async fn settle(&self) {
        self.run_for(Duration::ZERO).await;
    }

    /// A name that is active.
    pub async fn active(&self, name: &str) -> Domain {
        let id = self.add(name).await.id();
        self.publish(id).await;
        self.run_for(MINUTE).await;
        let domain = self.get(id).await;
        assert_eq!(domain.status().as_str(), "active", "{}", domain.waiting_on());
        domain
    }

    /// The TXT values that the platform has left in its own zone.
    pub fn leftovers(&self) -> Vec<RecordSet> {
        let mut sets = self.dns.records(&dns(DELEGATION));
        sets.retain(|set| set.record_type() == RecordType::Txt);
        sets
    }
}

/// Steps through everything that is due up to `end`, moving the clock from one due time to the next.
pub async fn run_until(
    onboarding: &Onboarding,
    store: &InMemoryStore,
    clock: &ManualClock,
    end: Timestamp,
) {
    let worker = onboarding.worker();
    for _ in 0..100_000 {
        match store.next_due() {
            Some(due) if due <= end => {
                clock.set(clock.now().max(due));
                worker.step().await.unwrap();
            }
            _ => return,
        }
    }
    panic!("it never comes to rest");
}
