//! Authorities that do not do as they should, and stores that have lost or garbled something.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use common::{DELEGATION, EDGE, HOUR, MINUTE, OTHER, TENANT, World, dns, run_until};
use nameplate::{
    ca::{
        Account, CertificateAuthority, ChallengeType, InMemoryCa, Progress, Publication,
        UnsignedSigner,
    },
    certificate::Handle,
    clock::{Clock, after},
    dns::InMemoryDns,
    domain::{Domain, Status, Targets},
    engine::{BuildError, Notice, Numbered, Onboarding, Policy},
    error::{Error, ErrorKind, Result},
    evidence::Topic,
    id::{DomainId, OperationId},
    keys::InMemoryKeys,
    name::DomainName,
    record::{DnsRecord, RecordData, RecordType, Ttl},
    resolver::{InMemoryResolver, Outcome},
    seal::InMemorySealer,
    secret::Secret,
    store::{Batch, Body, Expect, InMemoryStore, Item, Key, Kind, Store, Write},
    testkit::EndlessTimer,
};

/// How an authority misbehaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Vice {
    /// It opens no orders.
    Closed,
    /// It takes what it is told, and shows nothing of it.
    Deaf,
    /// It asks for another answer whenever it is looked at.
    Fickle,
}

#[derive(Clone, Debug)]
struct OddCa {
    inner: InMemoryCa,
    vice: Vice,
    looks: Arc<AtomicUsize>,
    responses: Arc<AtomicUsize>,
}

#[async_trait]
impl CertificateAuthority for OddCa {
    fn id(&self) -> &str {
        self.inner.id()
    }

    async fn enroll(&self, key: &Secret) -> Result<Handle> {
        self.inner.enroll(key).await
    }

    async fn open(&self, account: &Account, names: &[DomainName]) -> Result<Handle> {
        if self.vice == Vice::Closed {
            return Err(Error::new(ErrorKind::Unavailable, "odd ca", "open", "closed"));
        }
        self.inner.open(account, names).await
    }

    async fn progress(&self, account: &Account, order: &Handle) -> Result<Progress> {
        let look = self.looks.fetch_add(1, Ordering::Relaxed);
        let mut progress = self.inner.progress(account, order).await?;
        let publications =
            progress.authorizations.iter_mut().flat_map(|asked| &mut asked.publications);
        for publication in publications.filter(|_| self.vice == Vice::Fickle) {
            match publication {
                Publication::Dns01 { value } => *value = format!("value{look}"),
                Publication::Http01 { token, .. } => *token = format!("token{look}"),
                _ => {}
            }
        }
        Ok(progress)
    }

    async fn respond(&self, _: &Account, _: &Handle, _: &Handle, _: ChallengeType) -> Result<()> {
        self.responses.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn finalize(&self, account: &Account, order: &Handle, csr: &[u8]) -> Result<()> {
        self.inner.finalize(account, order, csr).await
    }

    async fn certificate(&self, account: &Account, order: &Handle) -> Result<String> {
        self.inner.certificate(account, order).await
    }
}

/// A name that is proved and ordered at an authority with a vice, a minute later.
async fn ordered(world: &World, vice: Vice, name: &str) -> (Domain, Onboarding, OddCa) {
    let ca =
        OddCa { inner: world.ca.clone(), vice, looks: Arc::default(), responses: Arc::default() };
    let odd = ca.clone();
    let process = world.process((|it| it, |it| it, |it| it, move |_| odd));
    let id = world.add(name).await.id();
    world.publish(id).await;
    let end = after(world.clock.now(), MINUTE);
    run_until(&process, &world.store, &world.clock, end).await;
    world.clock.set(end);
    (world.get(id).await, process, ca)
}

async fn item(world: &World, key: &Key) -> Item {
    let found = world.store.get(std::slice::from_ref(key)).await.unwrap();
    found.into_iter().flatten().next().unwrap()
}

/// Writes another body into an item, or deletes it.
async fn tamper(world: &World, key: Key, body: Option<&str>) {
    let found = world.store.get(std::slice::from_ref(&key)).await.unwrap();
    let item = found.into_iter().flatten().next().unwrap();
    let expect = Expect::Revision(item.revision);
    let write = match body {
        Some(body) => {
            Write::Put { key, expect, header: item.header, body: Body::new(body.to_owned()) }
        }
        None => Write::Delete { key, expect },
    };
    let operation = OperationId::random(&world.random).unwrap();
    world.store.commit(Batch::new(operation).with(write)).await.unwrap();
}

#[tokio::test]
async fn an_authority_that_shows_nothing_is_asked_ever_more_rarely() {
    let world = World::new();
    let (domain, _, ca) = ordered(&world, Vice::Deaf, "shop.example.com").await;
    assert_eq!(domain.status(), Status::CertificatePending);
    // It was told, and said that it had heard.
    assert_eq!(ca.responses.load(Ordering::Relaxed), 1);
    let looks = ca.looks.load(Ordering::Relaxed);
    assert!((2..=12).contains(&looks), "{looks} in a minute");
}

#[tokio::test]
async fn an_authority_that_is_never_content_is_given_up() {
    for (name, kind) in [
        // It has had its answer, and says no more than that it waits.
        ("shop.example.com", ErrorKind::Unavailable),
        // It wants another record before it can have seen the last one.
        ("*.example.com", ErrorKind::Malformed),
    ] {
        let world = World::new();
        let (_, process, _) = ordered(&world, Vice::Fickle, name).await;
        let end = after(world.clock.now(), HOUR * 2);
        run_until(&process, &world.store, &world.clock, end).await;
        let published = world.dns.applied();
        assert!(published <= 100, "{name}: {published} changes of records");
        let domain = world.onboarding.list(&TENANT, None).await.unwrap().domains.remove(0);
        let failure = domain.last_failure().unwrap();
        assert_eq!(failure.kind, kind, "{name}: {}", failure.message);
        world.onboarding.remove(&TENANT, domain.id()).await.unwrap();
        world.run_for(HOUR).await;
        assert_eq!(world.leftovers(), [], "{name}");
    }
}

#[tokio::test]
async fn an_order_that_the_store_has_lost_is_replaced() {
    let world = World::new();
    let (domain, ..) = ordered(&world, Vice::Deaf, "*.example.com").await;
    assert_eq!(world.leftovers().len(), 1);
    let order = domain.issuance().unwrap().order;
    tamper(&world, Key::new(Kind::Order, order), None).await;
    world.run_for(HOUR).await;
    let found = world.get(domain.id()).await;
    assert_eq!(found.status(), Status::Active, "{}", found.waiting_on());
    assert_eq!(world.leftovers(), []);
}

#[tokio::test]
async fn what_cannot_be_read_stops_nothing_else() {
    for body in ["", "{", "[]", r#"{"v":1}"#, r#"{"v":1,"domain":7}"#, r#"{"v":9}"#] {
        let world = World::new();
        let broken = world.active("broken.example.com").await.id();
        tamper(&world, Key::new(Kind::Domain, broken), Some(body)).await;
        let key = Key::new(Kind::Domain, broken);
        let before = item(&world, &key).await;
        let well = world.active("well.example.com").await.id();

        let page = world.onboarding.list(&TENANT, None).await.unwrap();
        let ids: Vec<DomainId> = page.domains.iter().map(Domain::id).collect();
        assert_eq!((ids, page.unreadable), (vec![well], vec![broken]), "{body}");
        // Left alone, and nobody else's business. Of what another release knows not even the header
        // changes.
        world.run_for(HOUR).await;
        let found = item(&world, &key).await;
        assert_eq!(found.body, before.body, "{body}");
        assert_eq!(found.header.unique, before.header.unique, "{body}");
        if body == r#"{"v":9}"# {
            assert_eq!(found, before);
        }
        let error = world.onboarding.get(&OTHER, broken).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{body}");
        let error = world.onboarding.notices(&OTHER, broken, 0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{body}");
        assert_ne!(
            world.onboarding.get(&TENANT, broken).await.unwrap_err().kind(),
            ErrorKind::NotFound,
            "{body}"
        );
    }
}

#[tokio::test]
async fn an_account_that_cannot_be_read_is_no_refusal_of_the_authority() {
    let world = World::new();
    // The next thing to be done is to open the order, which was planned with the account at hand.
    let (domain, ..) = ordered(&world, Vice::Closed, "shop.example.com").await;
    let account = Key::new(Kind::Account, world.ca.id());
    tamper(&world, account, Some(r#"{"v":2}"#)).await;
    world.run_for(HOUR * 12).await;
    let found = world.get(domain.id()).await;
    assert_ne!(found.status(), Status::Failed, "{}", found.waiting_on());
}

#[tokio::test]
async fn an_old_domain_is_not_renewed_on_what_a_clock_saw_that_was_ahead() {
    let world = World::new();
    let domain = world.active("shop.example.com").await;
    let now = world.clock.now();
    world.clock.set(after(now, HOUR * 24 * 20));
    world.onboarding.worker().step().await.unwrap();
    world.clock.set(now);
    world.dns.remove(&domain.challenge().owner, RecordType::Txt).unwrap();
    world.onboarding.renew(&TENANT, domain.id()).await.unwrap();
    world.settle().await;
    assert_eq!(world.ca.orders(), 1);
}

fn build(brand: &str, policy: Policy) -> Result<Onboarding, BuildError> {
    let clock = nameplate::clock::SystemClock;
    Onboarding::builder(InMemoryStore::new(Arc::new(clock)))
        .with_brand(brand)
        .with_targets(Targets::cname(EDGE))
        .with_resolver(InMemoryResolver::new())
        .with_dns(InMemoryDns::new([dns(DELEGATION)]))
        .with_delegation_zone(dns(DELEGATION))
        .with_authority(InMemoryCa::new(Arc::new(clock), Arc::new(UnsignedSigner)))
        .with_keys(InMemoryKeys::new())
        .with_sealer(InMemorySealer::new())
        .with_timer(EndlessTimer)
        .with_policy(policy)
        .build()
}

#[test]
fn what_cannot_work_is_refused_when_it_is_built() {
    assert!(build("plat", Policy::new()).is_ok());
    // Its proofs and the delegations would be at the same name, which a CNAME record cannot share.
    assert!(matches!(build("acme", Policy::new()), Err(BuildError::Invalid(_))));

    let with = |change: fn(&mut Policy)| {
        let mut policy = Policy::new();
        change(&mut policy);
        build("plat", policy).map(|_| ())
    };
    let few = |field, least, change| {
        assert_eq!(with(change).unwrap_err(), BuildError::TooFew { field, least });
    };
    few("batch", 1, |it| it.batch = 0);
    few("demote_after", 1, |it| it.demote_after = 0);
    few("max_failed_orders", 1, |it| it.max_failed_orders = 0);
    few("max_rounds", 2, |it| it.max_rounds = 1);
    few("park_after", 1, |it| it.park_after = 0);

    let short = |field, than, change| {
        assert_eq!(with(change).unwrap_err(), BuildError::TooShort { field, than });
    };
    short("call_timeout", "zero", |it| it.call_timeout = Duration::ZERO);
    short("claim_ttl", "zero", |it| it.claim_ttl = Duration::ZERO);
    short("delivery_timeout", "zero", |it| it.delivery_timeout = Duration::ZERO);
    short("evidence_max_age", "zero", |it| it.evidence_max_age = Duration::ZERO);
    short("lease", "store_timeout", |it| it.lease = it.store_timeout);
    short("order_deadline", "zero", |it| it.order_deadline = Duration::ZERO);
    short("pause_recheck", "zero", |it| it.pause_recheck = Duration::ZERO);
    short("poll_interval", "zero", |it| it.poll_interval = Duration::ZERO);
    short("recheck", "zero", |it| it.recheck = Duration::ZERO);
    short("recheck_refuted", "zero", |it| it.recheck_refuted = Duration::ZERO);
    short("store_timeout", "zero", |it| it.store_timeout = Duration::ZERO);
    short("sweep_after", "call_timeout", |it| it.sweep_after = it.call_timeout);
    short("tidy_interval", "zero", |it| it.tidy_interval = Duration::ZERO);
    short("visible_deadline", "zero", |it| it.visible_deadline = Duration::ZERO);
    let said = with(|it| it.lease = Duration::ZERO).unwrap_err().to_string();
    assert_eq!(said, "the policy's lease must be longer than store_timeout");
}

#[test]
fn what_a_zero_can_mean_is_taken() {
    let mut policy = Policy::new();
    policy.order_spacing = Duration::ZERO;
    policy.spacing = Duration::ZERO;
    policy.demote_over = Duration::ZERO;
    policy.drain = Duration::ZERO;
    policy.delivery_patience = Duration::ZERO;
    policy.keep_log = Duration::ZERO;
    policy.keep_removed = Duration::ZERO;
    policy.max_records = 0;
    policy.max_record_bytes = 0;
    // The heartbeat holds a domain for as long as a call takes.
    policy.lease = policy.call_timeout;
    assert!(build("plat", policy).is_ok());
}

#[tokio::test]
async fn records_in_another_order_are_no_news() {
    let world = World::new();
    let resolver = InMemoryResolver::over(Arc::new(world.dns.clone()));
    let ours = resolver.clone();
    let process = world.process((|it| it, move |_| ours, |it| it, |it| it));
    let id = world.add("shop.example.com").await.id();
    let answer = |last_octets: [u8; 2]| {
        let record = |octet| {
            let data = RecordData::A([203, 0, 113, octet].into());
            DnsRecord::new(dns("shop.example.com"), Ttl::HOUR, data)
        };
        let outcome = Outcome::Answer(last_octets.map(record).to_vec());
        resolver.answer_with(dns("shop.example.com"), RecordType::A, outcome);
    };
    let mut routing = 0;
    for octets in [[10, 11], [11, 10], [10, 11]] {
        answer(octets);
        process.check(&TENANT, id).await.unwrap();
        let notices = process.notices(&TENANT, id, 0).await.unwrap();
        let of_routing =
            |it: &&Numbered| matches!(it.notice, Notice::Observed { topic: Topic::Routing, .. });
        routing = notices.iter().filter(of_routing).count();
    }
    assert_eq!(routing, 1);
}
