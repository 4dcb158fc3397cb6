//! A platform under a clock of its own that looks at the tree.

use std::{net::Ipv4Addr, process, sync::Arc, time::Duration};

use nameplate::{
    DomainName, Onboarding, RecordType,
    ca::{InMemoryCa, UnsignedSigner},
    challenge::Method,
    clock::{Clock as _, ManualClock, SystemClock},
    domain::{Domain, NewDomain, Purpose, Step, Targets},
    engine::Worker,
    evidence::{Found, Topic, Verdict},
    id::{DomainId, TenantId},
    keys::InMemoryKeys,
    name::{ClaimPolicy, DnsName},
    probe::{HttpProbe, Lab},
    record::{RecordData, RecordSet, Ttl, Txt},
    resolver::Resolver,
    seal::InMemorySealer,
    store::Sqlite,
    testkit::EndlessTimer,
};

use super::tree;
use crate::scratch::Scratch;

const TENANT: TenantId = TenantId::from_bytes([5; 16]);
const DAY: Duration = Duration::from_hours(24);
const HOUR: Duration = Duration::from_hours(1);

/// Where the CNAME records that prove something lead.
const TARGET: &str = "proof.platform.test";

/// A platform.
#[derive(Debug)]
pub(super) struct Platform {
    clock: ManualClock,
    onboarding: Onboarding,
    worker: Worker,
    _folder: Scratch,
}

impl Platform {
    /// Creates a platform that takes names below `test`.
    pub(super) async fn new() -> Self {
        Self::with(0, tree::resolver).await
    }

    /// Creates a platform in a world where the web is at one port.
    pub(super) async fn beside(web: u16) -> Self {
        Self::with(web, tree::resolver).await
    }

    /// Creates a platform that looks from two points of the world.
    pub(super) async fn with_vantages() -> Self {
        Self::with(0, tree::vantages).await
    }

    async fn with<R: Resolver + Clone>(web: u16, resolver: impl FnOnce(ManualClock) -> R) -> Self {
        let folder = Scratch::new();
        let clock = ManualClock::new(SystemClock.now());
        let shared = Arc::new(clock.clone());
        let store = Sqlite::builder(folder.file("domains.db")).with_clock(shared.clone());
        let resolver = resolver(clock.clone());
        let crypto = Arc::new(rustls::crypto::ring::default_provider());
        let lab = Lab::new([Ipv4Addr::LOCALHOST.into()], web, web);
        let probe = HttpProbe::builder(resolver.clone(), crypto).with_lab(lab).build().unwrap();
        let onboarding = Onboarding::builder(store.open().await.unwrap())
            .with_brand("wire")
            .with_targets(Targets::cname("edge.test"))
            .with_resolver(resolver)
            .with_probe(probe)
            .with_proof_target(TARGET.parse().unwrap())
            .with_authority(InMemoryCa::new(shared, Arc::new(UnsignedSigner)))
            .with_keys(InMemoryKeys::new())
            .with_sealer(InMemorySealer::new())
            .with_timer(EndlessTimer)
            .with_claims(ClaimPolicy::new().with_allowed(["test".parse().unwrap()]))
            .build()
            .unwrap();
        Self { clock, worker: onboarding.worker(), onboarding, _folder: folder }
    }

    /// Claims a name below `zone` that nobody has claimed before, to be proved by a TXT record.
    pub(super) async fn claim(&self, label: &str, zone: &str) -> Claim<'_> {
        self.claim_by(Method::DnsTxt, label, zone).await
    }

    /// Claims a name below `zone` that nobody has claimed before, to be proved by a record.
    pub(super) async fn claim_by(&self, method: Method, label: &str, zone: &str) -> Claim<'_> {
        let (id, step) = self.add(method, label, zone).await;
        let Step::Record(asked) = step else { panic!("{step}") };
        assert_eq!(asked.purpose, Purpose::Ownership);
        let data = match asked.record_type {
            RecordType::Txt => RecordData::Txt(Txt::from_text(&asked.value)),
            other => RecordData::parse(other, &asked.value).unwrap(),
        };
        let proof = RecordSet::new(asked.name, Ttl::MINUTE, [data]).unwrap();
        Claim { platform: self, id, proof }
    }

    /// Claims a name below `zone` that nobody has claimed before, to be proved by a page.
    pub(super) async fn claim_page(&self, label: &str, zone: &str) -> Claim<'_, Page> {
        let (id, step) = self.add(Method::Http, label, zone).await;
        let Step::Page { url, body, .. } = step else { panic!("{step}") };
        let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let proof = Page { host: host.parse().unwrap(), path: format!("/{path}"), body };
        Claim { platform: self, id, proof }
    }

    /// Adds a name, and returns the first thing that is asked for.
    async fn add(&self, method: Method, label: &str, zone: &str) -> (DomainId, Step) {
        // The servers may outlive this process.
        let name: DomainName = format!("{label}-{}.{zone}", process::id()).parse().unwrap();
        let wanted = NewDomain::from(name).with_method(method);
        let id = self.onboarding.add(&TENANT, wanted).await.unwrap().id();
        let steps = self.onboarding.steps(&TENANT, id).await.unwrap();
        (id, steps.into_iter().next().unwrap())
    }

    /// Lets time pass, in which the worker does what is due twice a day.
    pub(super) async fn pass(&self, days: u32) {
        for _ in 0..days * 2 {
            self.clock.advance(DAY / 2);
            while self.worker.step().await.unwrap().leased > 0 {}
        }
    }
}

/// A name that a tenant claims.
#[derive(Debug)]
pub(super) struct Claim<'a, P = RecordSet> {
    platform: &'a Platform,
    id: DomainId,
    /// What proves it.
    pub(super) proof: P,
}

/// A page that proves something.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) host: DnsName,
    pub(super) path: String,
    pub(super) body: String,
}

impl<P> Claim<'_, P> {
    /// Looks at once, but not so soon that failures of the last time are remembered.
    pub(super) async fn check(&self) -> View {
        self.platform.clock.advance(HOUR);
        View::of(&self.platform.onboarding.check(&TENANT, self.id).await.unwrap())
    }

    /// Returns what came of the latest look.
    pub(super) async fn latest(&self) -> View {
        View::of(&self.platform.onboarding.get(&TENANT, self.id).await.unwrap())
    }
}

/// What a tenant has, and what the latest look at the proof says.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct View {
    holds: bool,
    verdict: Verdict,
    found: Found,
}

impl View {
    pub(super) const fn holds(&self) -> bool {
        self.holds
    }

    fn of(domain: &Domain) -> Self {
        let evidence = domain.evidence(Topic::Ownership);
        let (verdict, found) = (evidence.last, evidence.seen.found);
        Self { holds: domain.status().holds(), verdict, found }
    }
}

/// The name is held, after such a look.
pub(super) const fn held(verdict: Verdict, found: Found) -> View {
    View { holds: true, verdict, found }
}

/// The name is not held, after such a look.
pub(super) const fn pending(verdict: Verdict, found: Found) -> View {
    View { holds: false, verdict, found }
}
