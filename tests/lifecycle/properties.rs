//! What stays true whatever happens, by chance.

use std::time::Duration;

use nameplate::{
    clock::{Clock, after},
    domain::{Domain, Event, NewDomain, Status},
    engine::{Identity, Notice},
    error::{ErrorKind, Result},
    id::{DomainId, TenantId},
    name::{DnsName, DomainName},
    record::{RecordData, RecordSet, RecordType, Ttl, Txt},
    store::{Filter, Kind, Query, Store},
};
use proptest::{prelude::*, test_runner::TestCaseResult};

use crate::common::{DAY, EDGE, HOUR, MINUTE, OTHER, TENANT, World, dns};

const TENANTS: [TenantId; 2] = [TENANT, OTHER];

fn config() -> ProptestConfig {
    ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_sequence_of_events_leaves_the_table(
        events in proptest::collection::vec(proptest::sample::select(&Event::ALL), 0..64),
    ) {
        let mut status = Status::Pending;
        let mut proved = false;
        for event in events {
            let Some(next) = status.on(event) else { continue };
            prop_assert!(Status::ALL.contains(&next));
            prop_assert!(status != Status::Removing || next == Status::Removing);
            match event {
                Event::OwnershipProven => proved = true,
                Event::OwnershipLost | Event::OwnershipReset | Event::Retried => proved = false,
                _ => {}
            }
            status = next;
            prop_assert!(proved || !status.holds(), "{status} by {event}, without a proof");
        }
    }

    #[test]
    fn whatever_happens_a_name_has_one_holder_and_leaves_nothing_behind(
        wildcard in any::<bool>(),
        start in 0..=START.len(),
        deeds in proptest::collection::vec(deed(), 1..24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut life = Life::new(wildcard);
            for deed in START.into_iter().take(start).chain(deeds) {
                life.check(deed).await?;
            }
            life.end().await
        })?;
    }
}

/// What may happen to a platform. Tenants by their number.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Add(usize),
    Advance(Duration),
    Ask(usize),
    /// The `_acme-challenge` name leads to the target of this tenant.
    Delegate(usize),
    /// As often as this, before or after the call took effect.
    Fail(Place, ErrorKind, bool, usize),
    Prove(usize),
    Remove(usize),
    Retry(usize),
    Route(bool),
    Withdraw(usize),
}

/// How lives begin, or begin to begin, so that chance need not find the way to a certificate.
const START: [Deed; 6] = [
    Deed::Add(0),
    Deed::Add(1),
    Deed::Delegate(0),
    Deed::Route(true),
    Deed::Prove(0),
    Deed::Advance(MINUTE),
];

/// Where something may fail.
#[derive(Clone, Copy, Debug)]
enum Place {
    Ca,
    Dns,
    Resolver,
    Store,
}

fn deed() -> impl Strategy<Value = Deed> {
    let tenant = || 0..TENANTS.len();
    let times = [MINUTE, MINUTE * 20, HOUR * 5, DAY, DAY * 4, DAY * 31];
    let places = [Place::Ca, Place::Dns, Place::Resolver, Place::Store];
    let kinds = [
        ErrorKind::Conflict,
        ErrorKind::Denied,
        ErrorKind::Malformed,
        ErrorKind::RateLimited,
        ErrorKind::Refused,
        ErrorKind::Unavailable,
        ErrorKind::Unknown,
    ];
    prop_oneof![
        2 => tenant().prop_map(Deed::Add),
        6 => proptest::sample::select(times.to_vec()).prop_map(Deed::Advance),
        2 => tenant().prop_map(Deed::Ask),
        2 => tenant().prop_map(Deed::Delegate),
        6 => (
            proptest::sample::select(places.to_vec()),
            proptest::sample::select(kinds.to_vec()),
            any::<bool>(),
            1_usize..5,
        )
            .prop_map(|(place, kind, after, times)| Deed::Fail(place, kind, after, times)),
        4 => tenant().prop_map(Deed::Prove),
        1 => tenant().prop_map(Deed::Remove),
        1 => tenant().prop_map(Deed::Retry),
        2 => prop_oneof![4 => Just(true), 1 => Just(false)].prop_map(Deed::Route),
        1 => tenant().prop_map(Deed::Withdraw),
    ]
}

/// A claim as the test sees it.
struct Claim {
    domain: Domain,
    proof: bool,
    /// The number of the last notice that was read.
    last: u64,
    status: Status,
    orders: usize,
}

struct Life {
    world: World,
    name: DomainName,
    /// A host that the name stands for.
    host: DomainName,
    claims: [Option<Claim>; 2],
    /// All claims that there ever were.
    ids: Vec<(TenantId, DomainId)>,
    orders: usize,
    served: Option<Identity>,
}

impl Life {
    fn new(wildcard: bool) -> Self {
        let name = if wildcard { "*.example.com" } else { "shop.example.com" };
        Self {
            world: World::new(),
            name: name.parse().unwrap(),
            host: "shop.example.com".parse().unwrap(),
            claims: [None, None],
            ids: Vec::new(),
            orders: 0,
            served: None,
        }
    }

    /// Lets something happen, lets the worker work, and looks whether all is as it must be.
    async fn check(&mut self, deed: Deed) -> TestCaseResult {
        let wait = self.happen(deed).await?;
        self.work(wait).await?;
        self.one_holder().await?;
        self.served().await?;
        for tenant in 0..TENANTS.len() {
            self.notices(tenant).await?;
        }
        prop_assert!(self.world.ca.orders() <= self.orders, "an order that nobody was told of");
        Ok(())
    }

    async fn happen(&mut self, deed: Deed) -> Result<Duration, TestCaseError> {
        let onboarding = &self.world.onboarding;
        match deed {
            Deed::Add(tenant) if self.claims[tenant].is_none() => {
                let wanted = NewDomain::from(self.name.clone());
                if let Ok(domain) = onboarding.add(&TENANTS[tenant], wanted).await {
                    self.adopt(tenant, domain);
                } else {
                    // The answer may have been lost; the claim is there all the same.
                    let found = self.read(|| onboarding.list(&TENANTS[tenant], None)).await;
                    let found =
                        found.domains.into_iter().find(|it| it.status() != Status::Removing);
                    if let Some(domain) = found {
                        self.adopt(tenant, domain);
                    }
                }
            }
            Deed::Advance(time) => return Ok(time),
            Deed::Delegate(tenant) => {
                let claim = self.claims[tenant].as_ref();
                if let Some(delegation) = claim.and_then(|claim| claim.domain.delegation()) {
                    let data = RecordData::Cname(delegation.target.clone());
                    self.set(&delegation.owner, [data]);
                }
            }
            Deed::Fail(place, kind, after, times) => {
                for _ in 0..times {
                    self.fail(place, kind, after);
                }
            }
            Deed::Route(there) => {
                let name = if self.name.is_wildcard() {
                    dns("*.example.com")
                } else {
                    dns(self.host.as_str())
                };
                let target = if there { EDGE } else { "elsewhere.example.net" };
                self.set(&name, [RecordData::Cname(dns(target))]);
            }
            Deed::Ask(tenant) | Deed::Remove(tenant) | Deed::Retry(tenant) => {
                let Some(claim) = &self.claims[tenant] else { return Ok(Duration::ZERO) };
                let (tenant, id) = (TENANTS[tenant], claim.domain.id());
                // What cannot be done changes nothing; that is looked at afterwards.
                let _ = match deed {
                    Deed::Ask(_) => onboarding.check(&tenant, id).await,
                    Deed::Remove(_) => onboarding.remove(&tenant, id).await,
                    _ => onboarding.retry(&tenant, id).await,
                };
            }
            Deed::Prove(tenant) | Deed::Withdraw(tenant) => {
                if let Some(claim) = &mut self.claims[tenant] {
                    claim.proof = matches!(deed, Deed::Prove(_));
                }
                self.publish();
            }
            Deed::Add(_) => {}
        }
        Ok(Duration::ZERO)
    }

    fn adopt(&mut self, tenant: usize, domain: Domain) {
        self.ids.push((TENANTS[tenant], domain.id()));
        self.claims[tenant] =
            Some(Claim { domain, proof: false, last: 0, status: Status::Pending, orders: 0 });
        self.publish();
    }

    fn set(&self, name: &DnsName, data: impl IntoIterator<Item = RecordData>) {
        self.world.dns.set(RecordSet::new(name.clone(), Ttl::MINUTE, data).unwrap()).unwrap();
    }

    /// Makes the zone show the proofs that are published, and no others.
    fn publish(&self) {
        let claims = || self.claims.iter().flatten();
        for claim in claims() {
            self.world.dns.remove(&claim.domain.challenge().owner, RecordType::Txt);
        }
        let proofs: Vec<_> = claims()
            .filter(|claim| claim.proof)
            .map(|claim| RecordData::Txt(Txt::from_text(&claim.domain.challenge().value())))
            .collect();
        if let Some(claim) = claims().next().filter(|_| !proofs.is_empty()) {
            self.set(&claim.domain.challenge().owner, proofs);
        }
    }

    fn fail(&self, place: Place, kind: ErrorKind, after: bool) {
        let World { ca, dns, resolver, store, .. } = &self.world;
        match (place, after) {
            (Place::Ca, false) => ca.fail_next(kind),
            (Place::Ca, true) => ca.fail_next_after(kind),
            (Place::Dns, false) => dns.fail_next(kind),
            (Place::Dns, true) => dns.fail_next_after(kind),
            (Place::Resolver, _) => resolver.fail_next(kind),
            // A store says that nothing happened, or that it does not know.
            (Place::Store, false) => store.fail_next(ErrorKind::Unavailable),
            (Place::Store, true) => store.fail_next_after(ErrorKind::Unknown),
        }
    }

    /// Lets the worker do what is due within `time`, whatever fails.
    async fn work(&self, time: Duration) -> TestCaseResult {
        let World { clock, store, onboarding, .. } = &self.world;
        let end = after(clock.now(), time);
        let worker = onboarding.worker();
        for _ in 0..10_000 {
            match store.next_due() {
                Some(due) if due <= end => {
                    clock.set(clock.now().max(due));
                    let _ = worker.step().await;
                    self.serves_on().await?;
                }
                _ => {
                    clock.set(end);
                    return Ok(());
                }
            }
        }
        panic!("it never comes to rest");
    }

    /// A certificate that is valid serves until its name is lost.
    async fn serves_on(&self) -> TestCaseResult {
        let Some(Identity { domain, tenant, not_after, .. }) = self.served else { return Ok(()) };
        let edge = self.world.onboarding.edge();
        let there = self.read(|| edge.serves(&self.host)).await.is_some();
        if !there && self.world.clock.now() < not_after {
            let list = self.read(|| self.world.onboarding.list(&tenant, None)).await;
            let held = list.domains.iter().any(|it| it.id() == domain && it.status().holds());
            prop_assert!(!held, "a valid certificate serves no more");
        }
        Ok(())
    }

    /// Asks until an answer comes: what fails on request fails once.
    async fn read<T, F: Future<Output = Result<T>>>(&self, ask: impl Fn() -> F) -> T {
        for _ in 0..64 {
            match ask().await {
                Ok(answer) => return answer,
                Err(error) => assert_ne!(error.kind(), ErrorKind::NotFound, "{error}"),
            }
        }
        panic!("no answer after all failures");
    }

    async fn one_holder(&mut self) -> TestCaseResult {
        let mut holders = 0;
        for (tenant, claim) in TENANTS.iter().zip(&self.claims) {
            let Some(claim) = claim else { continue };
            let id = claim.domain.id();
            let list = self.read(|| self.world.onboarding.list(tenant, None)).await;
            prop_assert!(list.domains.len() <= 1);
            let Some(domain) = list.domains.into_iter().find(|domain| domain.id() == id) else {
                continue;
            };
            holders += usize::from(domain.status().holds());
            prop_assert_eq!(domain.waiting_on().is_nothing(), domain.status() == Status::Active);
            prop_assert!(!domain.waiting_on().to_string().is_empty());
        }
        prop_assert!(holders <= 1, "{} tenants hold the same name", holders);
        Ok(())
    }

    /// What is served is served for who holds the name.
    async fn served(&mut self) -> TestCaseResult {
        let edge = self.world.onboarding.edge();
        let identity = self.read(|| edge.identity(&self.host)).await;
        let now = self.world.clock.now();
        let mut holder = None;
        for (tenant, claim) in TENANTS.iter().zip(&self.claims) {
            if claim.is_some() {
                let list = self.read(|| self.world.onboarding.list(tenant, None)).await;
                holder = holder.or_else(|| list.domains.into_iter().find(|it| it.status().holds()));
            }
        }
        if let Some(identity) = &identity {
            prop_assert_eq!(Some(identity.domain), holder.as_ref().map(Domain::id));
            prop_assert!(now < identity.not_after);
        }
        prop_assert_eq!(
            holder.is_some_and(|holder| holder.status() == Status::Active),
            identity.is_some()
        );
        self.served = identity;
        Ok(())
    }

    /// Notices are told in order, never changed, by the table, and nothing without a proof.
    async fn notices(&mut self, tenant: usize) -> TestCaseResult {
        let Some(claim) = &self.claims[tenant] else { return Ok(()) };
        let (owner, id, last) = (TENANTS[tenant], claim.domain.id(), claim.last);
        let notices = self.read(|| self.world.onboarding.notices(&owner, id, last)).await;
        let Some(claim) = &mut self.claims[tenant] else { return Ok(()) };
        let mut removed = false;
        for numbered in notices {
            prop_assert!(claim.last < numbered.number);
            claim.last = numbered.number;
            match numbered.notice {
                Notice::StatusChanged { from, to, event } => {
                    prop_assert_eq!(from, claim.status);
                    prop_assert_eq!(from.on(event), Some(to));
                    prop_assert!(event != Event::OwnershipProven || claim.proof, "without a proof");
                    claim.status = to;
                }
                Notice::OrderOpened { .. } => {
                    prop_assert!(claim.status.holds(), "an order without a holder");
                    claim.orders += 1;
                    self.orders += 1;
                }
                Notice::Removed => removed = true,
                _ => {}
            }
        }
        if removed {
            self.claims[tenant] = None;
            self.publish();
        }
        Ok(())
    }

    /// Removes everything, and looks for what is left.
    async fn end(&mut self) -> TestCaseResult {
        for (tenant, id) in self.ids.clone() {
            for _ in 0..64 {
                match self.world.onboarding.remove(&tenant, id).await {
                    Ok(_) => break,
                    Err(error) if error.kind() == ErrorKind::NotFound => break,
                    Err(_) => {}
                }
            }
        }
        self.work(DAY * 10).await?;
        prop_assert_eq!(self.world.leftovers(), []);
        prop_assert_eq!(self.world.store.next_due(), None);
        for kind in [Kind::Answer, Kind::Certificate, Kind::Key, Kind::Order] {
            for tenant in TENANTS {
                let query = Query::new(kind, Filter::Tenant(tenant));
                let page = self.read(|| self.world.store.list(&query)).await;
                prop_assert!(page.items.is_empty(), "left behind: {:?}", page.items);
            }
        }
        let identity = self.read(|| {
            let edge = self.world.onboarding.edge();
            let host = self.host.clone();
            async move { edge.identity(&host).await }
        });
        prop_assert!(identity.await.is_none());
        Ok(())
    }
}
