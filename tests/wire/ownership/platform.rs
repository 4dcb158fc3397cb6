//! A platform under a clock of its own that looks at the tree.

use std::{sync::Arc, time::Duration};

use nameplate::{
    Onboarding,
    ca::{InMemoryCa, UnsignedSigner},
    clock::{Clock as _, ManualClock, SystemClock},
    domain::{Domain, Purpose, Targets},
    engine::Worker,
    evidence::{Found, Topic, Verdict},
    id::{DomainId, TenantId},
    keys::InMemoryKeys,
    name::ClaimPolicy,
    record::{RecordData, RecordSet, Ttl, Txt},
    seal::InMemorySealer,
    store::Sqlite,
    testkit::EndlessTimer,
};

use super::tree;
use crate::scratch::Scratch;

const TENANT: TenantId = TenantId::from_bytes([5; 16]);
const DAY: Duration = Duration::from_secs(86_400);

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
        let folder = Scratch::new();
        let clock = ManualClock::new(SystemClock.now());
        let shared = Arc::new(clock.clone());
        let store = Sqlite::builder(folder.file("domains.db")).with_clock(shared.clone());
        let onboarding = Onboarding::builder(store.open().await.unwrap())
            .with_brand("wire")
            .with_targets(Targets::cname("edge.test"))
            .with_resolver(tree::resolver())
            .with_authority(InMemoryCa::new(shared, Arc::new(UnsignedSigner)))
            .with_keys(InMemoryKeys::new())
            .with_sealer(InMemorySealer::new())
            .with_timer(EndlessTimer)
            .with_claims(ClaimPolicy::new().with_allowed(["test".parse().unwrap()]))
            .build()
            .unwrap();
        Self { clock, worker: onboarding.worker(), onboarding, _folder: folder }
    }

    /// Claims a name below `zone` that nobody has claimed before.
    pub(super) async fn claim(&self, label: &str, zone: &str) -> Claim<'_> {
        // The servers may outlive this process.
        let name = format!("{label}-{}.{zone}", std::process::id());
        let domain = self.onboarding.add(&TENANT, name.parse().unwrap()).await.unwrap();
        let asked = self.onboarding.instructions(&TENANT, domain.id()).await.unwrap();
        let proof = asked.iter().find(|step| step.purpose == Purpose::Ownership).unwrap();
        let data = RecordData::Txt(Txt::from_text(&proof.value));
        let record = RecordSet::new(proof.name.clone(), Ttl::MINUTE, [data]).unwrap();
        Claim { platform: self, id: domain.id(), record }
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
pub(super) struct Claim<'a> {
    platform: &'a Platform,
    id: DomainId,
    /// What proves it.
    pub(super) record: RecordSet,
}

impl Claim<'_> {
    /// Looks at once.
    pub(super) async fn check(&self) -> View {
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
