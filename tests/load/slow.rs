//! A platform whose backends take time, or panic.

use std::{
    collections::BTreeMap,
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use nameplate::{
    ca::{Account, CertificateAuthority, InMemoryCa},
    certificate::Handle,
    clock::{Clock, ManualClock, Timer, Timestamp, after},
    engine::{Builder, Onboarding, Subscriber},
    error::Result,
    name::DomainName,
    resolver::{Answer, InMemoryResolver, Lookup, Resolver},
    store::{
        Batch, Commit, Entry, InMemoryStore, Item, Key, Lease, LeaseRequest, Leased, Page, Query,
        Store, UniqueKey,
    },
    testkit::AuthorityLayer,
};
use tokio::time::Instant;

use crate::common::{DELEGATION, EDGE, World, dns};

/// Waits in tokio's stopped time, and takes the clock of the world along.
#[derive(Clone, Debug)]
pub(crate) struct Virtual {
    clock: ManualClock,
    start: (Instant, Timestamp),
}

impl Virtual {
    pub(crate) fn new(world: &World) -> Self {
        Self { clock: world.clock.clone(), start: (Instant::now(), world.clock.now()) }
    }

    pub(crate) async fn wait(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
        let (instant, at) = self.start;
        let now = after(at, instant.elapsed());
        if now > self.clock.now() {
            self.clock.set(now);
        }
    }
}

#[async_trait]
impl Timer for Virtual {
    async fn sleep(&self, duration: Duration) {
        self.wait(duration).await;
    }
}

/// What a backend does when it is asked about a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Manner {
    /// It never answers, and panics when nobody waits for it any more.
    Clings,
    /// It panics.
    Panics,
    /// It never answers.
    Silent,
    /// It takes its time.
    Takes(Duration),
}

/// What panics when it is dropped.
struct Clingy;

impl Drop for Clingy {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "a bug");
    }
}

/// A resolver with manners.
#[derive(Clone, Debug)]
pub(crate) struct Slow {
    inner: InMemoryResolver,
    time: Virtual,
    manners: Arc<Mutex<BTreeMap<String, Manner>>>,
}

impl Slow {
    /// Behaves so about every name in which `part` occurs.
    pub(crate) fn set(&self, part: &str, manner: Manner) {
        self.manners.lock().unwrap().insert(part.to_owned(), manner);
    }

    /// Behaves about every name again.
    pub(crate) fn behave(&self) {
        self.manners.lock().unwrap().clear();
    }
}

#[async_trait]
impl Resolver for Slow {
    async fn lookup(&self, lookup: &Lookup) -> Result<Answer> {
        let manner = {
            let name = lookup.name.to_string();
            let manners = self.manners.lock().unwrap();
            manners.iter().find(|(part, _)| name.contains(*part)).map(|(_, manner)| *manner)
        };
        match manner {
            Some(Manner::Clings) => {
                let _clingy = Clingy;
                pending::<()>().await;
            }
            Some(Manner::Panics) => panic!("a bug"),
            Some(Manner::Silent) => pending::<()>().await,
            Some(Manner::Takes(time)) => self.time.wait(time).await,
            None => {}
        }
        self.inner.lookup(lookup).await
    }
}

/// A store that can stop answering.
#[derive(Clone, Debug)]
pub(crate) struct Stuck {
    inner: InMemoryStore,
    calls: Arc<Mutex<Vec<&'static str>>>,
    /// How long calls take from now on.
    delays: Arc<Mutex<BTreeMap<&'static str, Duration>>>,
    /// Whether the next commit is late, and those that are.
    late: Arc<Mutex<(bool, Vec<Batch>)>>,
}

impl Stuck {
    pub(crate) fn new(inner: InMemoryStore) -> Self {
        Self { inner, calls: Arc::default(), delays: Arc::default(), late: Arc::default() }
    }

    /// Lets calls of that name take effect and then take so long.
    pub(crate) fn slow(&self, call: &'static str, takes: Duration) {
        self.delays.lock().unwrap().insert(call, takes);
    }

    /// Lets the next commit never answer, and take effect just before the one after it.
    pub(crate) fn delay_commit(&self) {
        self.late.lock().unwrap().0 = true;
    }

    /// Lets the next call of that name take effect and never answer.
    pub(crate) fn stop(&self, call: &'static str) {
        self.calls.lock().unwrap().push(call);
    }

    async fn answer<T>(&self, call: &'static str, answer: T) -> T {
        let is_stuck = {
            let mut calls = self.calls.lock().unwrap();
            let found = calls.iter().position(|stuck| *stuck == call);
            found.map(|index| calls.remove(index)).is_some()
        };
        if is_stuck {
            pending::<()>().await;
        }
        // Others come in between.
        tokio::task::yield_now().await;
        let takes = self.delays.lock().unwrap().get(call).copied();
        if let Some(takes) = takes {
            tokio::time::sleep(takes).await;
        }
        answer
    }
}

#[async_trait]
impl Store for Stuck {
    async fn now(&self) -> Result<Timestamp> {
        self.answer("now", self.inner.now().await).await
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>> {
        self.answer("get", self.inner.get(keys).await).await
    }

    async fn find(&self, unique: &[UniqueKey]) -> Result<Vec<Option<Item>>> {
        self.answer("find", self.inner.find(unique).await).await
    }

    async fn list(&self, query: &Query) -> Result<Page> {
        self.answer("list", self.inner.list(query).await).await
    }

    async fn commit(&self, batch: Batch) -> Result<Commit> {
        let (is_late, earlier) = std::mem::take(&mut *self.late.lock().unwrap());
        if is_late {
            self.late.lock().unwrap().1.push(batch);
            return pending().await;
        }
        for batch in earlier {
            self.inner.commit(batch).await?;
        }
        self.answer("commit", self.inner.commit(batch).await).await
    }

    async fn lease(&self, wanted: &LeaseRequest) -> Result<Leased> {
        self.answer("lease", self.inner.lease(wanted).await).await
    }

    async fn extend(&self, leases: &[Lease], by: Duration) -> Result<Vec<Option<Lease>>> {
        self.answer("extend", self.inner.extend(leases, by).await).await
    }

    async fn entries(&self, of: &Key, after: u64, limit: u32) -> Result<Vec<Entry>> {
        self.answer("entries", self.inner.entries(of, after, limit).await).await
    }

    async fn trim(&self, of: &Key, through: u64) -> Result<()> {
        self.answer("trim", self.inner.trim(of, through).await).await
    }
}

/// An authority that takes its time before it opens an order.
#[derive(Clone, Debug)]
pub(crate) struct Sluggish {
    pub(crate) inner: InMemoryCa,
    pub(crate) time: Virtual,
    pub(crate) takes: Duration,
}

#[async_trait]
impl AuthorityLayer for Sluggish {
    type Inner = InMemoryCa;

    fn inner(&self) -> &InMemoryCa {
        &self.inner
    }
    async fn open(&self, account: &Account, names: &[DomainName]) -> Result<Handle> {
        self.time.wait(self.takes).await;
        self.inner.open(account, names).await
    }
}

/// A process on the world, in virtual time.
pub(crate) struct Process {
    pub(crate) onboarding: Onboarding,
    pub(crate) time: Virtual,
    pub(crate) resolver: Slow,
    pub(crate) store: Stuck,
}

impl Process {
    pub(crate) fn new(world: &World) -> Self {
        Self::with_authority(world, world.ca.clone())
    }

    pub(crate) fn with_authority(world: &World, authority: impl CertificateAuthority) -> Self {
        Self::with(world, authority, |builder| builder)
    }

    pub(crate) fn with_subscriber(world: &World, subscriber: impl Subscriber) -> Self {
        Self::with(world, world.ca.clone(), |builder| builder.with_subscriber(subscriber))
    }

    fn with(
        world: &World,
        authority: impl CertificateAuthority,
        more: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let time = Virtual::new(world);
        let resolver = Slow {
            inner: InMemoryResolver::over(Arc::new(world.dns.clone())),
            time: time.clone(),
            manners: Arc::default(),
        };
        let store = Stuck::new(world.store.clone());
        let builder = Onboarding::builder(store.clone())
            .with_brand("plat")
            .with_targets(nameplate::domain::Targets::cname(EDGE))
            .with_resolver(resolver.clone())
            .with_dns(world.dns.clone())
            .with_authority(authority)
            .with_keys(world.keys.clone())
            .with_sealer(world.sealer.clone())
            .with_timer(time.clone())
            .with_random(world.random.clone())
            .with_claims(
                nameplate::name::ClaimPolicy::new()
                    .with_allowed(["example.com", "example.net"].map(dns)),
            )
            .with_delegation_zone(dns(DELEGATION))
            .with_policy(world.policy.clone());
        let onboarding = more(builder).build().unwrap();
        Self { onboarding, time, resolver, store }
    }
}
