//! A wrapper of any backend that passes a point before and after each call.

use std::time::Duration;

use async_trait::async_trait;

use super::tape::{Moment, Tape};
use crate::{
    ca::{Account, CertificateAuthority, ChallengeType, Progress},
    certificate::Handle,
    clock::Timestamp,
    dns::{Applied, Capabilities, DnsProvider},
    engine::{Envelope, Subscriber},
    error::Result,
    mail::{Mailer, Message},
    name::{DnsName, DomainName},
    probe::{Fetch, Fetched, Probe},
    record::{RecordSet, RecordType},
    registrar::{Availability, Registrar, Wait, Workflow},
    registration::Purchase,
    resolver::{Answer, Lookup, Resolver},
    seal::{Context, Sealed, Sealer, SealingKeyId},
    secret::Secret,
    store::{
        Batch, Commit, Entry, Item, Key, Lease, LeaseRequest, Leased, Page, Query, Store, UniqueKey,
    },
    zone::{ChangeSet, SetChange},
};

/// A backend, and a [`Tape`] that is passed before and after each call to it.
///
/// For every trait that waits for somebody: not for [`Keys`](crate::keys::Keys), which compute and
/// return. With it a platform sees that its own backends lose nothing, wherever a process is killed:
///
/// ```
/// use std::{future::Future, pin::pin, sync::Arc, task::{Context, Poll, Waker}, time::Duration};
///
/// use nameplate::{
///     Onboarding, Targets,
///     ca::{InMemoryCa, UnsignedSigner},
///     certificate::Validation,
///     clock::{ManualClock, Timestamp},
///     dns::InMemoryDns,
///     domain::{NewDomain, Status},
///     error::{ErrorKind, Result},
///     id::TenantId,
///     keys::InMemoryKeys,
///     record::{RecordData, RecordSet, Ttl},
///     resolver::InMemoryResolver,
///     seal::InMemorySealer,
///     store::InMemoryStore,
///     testkit::{EndlessTimer, Tap, Tape},
/// };
///
/// const TENANT: TenantId = TenantId::from_bytes([1; 16]);
///
/// /// What outlives a process. Put your own backends in the place of these.
/// #[derive(Clone)]
/// struct World { clock: ManualClock, store: InMemoryStore, dns: InMemoryDns, ca: InMemoryCa, sealer: InMemorySealer }
///
/// impl World {
///     fn new() -> Self {
///         let clock = ManualClock::new(Timestamp::from_timestamp(1_800_000_000, 0).unwrap());
///         let dns = InMemoryDns::new(["acme.app", "customer.net"].map(|it| it.parse().unwrap()));
///         let edge = RecordData::A([192, 0, 2, 10].into());
///         dns.set(RecordSet::new("edge.acme.app".parse().unwrap(), Ttl::HOUR, [edge]).unwrap()).unwrap();
///         let resolver = InMemoryResolver::over(Arc::new(dns.clone()));
///         Self {
///             store: InMemoryStore::new(Arc::new(clock.clone())),
///             ca: InMemoryCa::new(Arc::new(clock.clone()), Arc::new(UnsignedSigner))
///                 .with_resolver(Arc::new(resolver)),
///             sealer: InMemorySealer::new(),
///             clock,
///             dns,
///         }
///     }
///
///     /// A process, all of whose calls pass the tape.
///     fn process(&self, tape: &Tape) -> Onboarding {
///         let resolver = InMemoryResolver::over(Arc::new(self.dns.clone()));
///         Onboarding::builder(Tap::new(self.store.clone(), tape.clone()))
///             .with_brand("acme-hosting")
///             .with_targets(Targets::cname("edge.acme.app").with_addresses([[192, 0, 2, 10].into()], []))
///             .with_resolver(Tap::new(resolver, tape.clone()))
///             .with_dns(Tap::new(self.dns.clone(), tape.clone()))
///             .with_authority(Tap::new(self.ca.clone(), tape.clone()))
///             .with_keys(InMemoryKeys::new())
///             .with_sealer(Tap::new(self.sealer.clone(), tape.clone()))
///             .with_timer(EndlessTimer)
///             .build()
///             .unwrap()
///     }
///
///     /// One life, which another process can go on with: claimed, proved, and served.
///     async fn live(&self, process: Onboarding) -> Result<()> {
///         let wanted: NewDomain = "shop.customer.net".parse().unwrap();
///         let wanted = wanted.with_validation(Validation::Dns01);
///         match process.add(&TENANT, wanted).await {
///             Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
///             _ => {}
///         }
///         let domain = process.list(&TENANT, None).await?.domains.remove(0);
///         for record in process.instructions(&TENANT, domain.id()).await? {
///             let data = RecordData::parse(record.record_type, &record.value).unwrap();
///             self.dns.set(RecordSet::new(record.name, Ttl::HOUR, [data]).unwrap()).unwrap();
///         }
///         while process.get(&TENANT, domain.id()).await?.status() != Status::Active {
///             process.worker().step().await?;
///             self.clock.advance(Duration::from_secs(60));
///         }
///         Ok(())
///     }
/// }
///
/// /// Goes on until it is done, or stopped: nothing else here waits.
/// fn drive<T>(future: impl Future<Output = T>) -> Option<T> {
///     match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
///         Poll::Ready(value) => Some(value),
///         Poll::Pending => None,
///     }
/// }
///
/// for point in 0.. {
///     let world = World::new();
///     let tape = Tape::stopping_at(point);
///     let is_over = drive(world.live(world.process(&tape))).is_some();
///     if is_over {
///         assert!(point > 100, "{point}");
///         break;
///     }
///     // It was killed there. The next process goes on when its leases have ended.
///     world.clock.advance(Duration::from_secs(120));
///     drive(world.live(world.process(&Tape::new()))).expect("nothing stops it").unwrap();
///     assert_eq!(world.ca.certificates(), 1, "killed {}", tape.passed().last().unwrap());
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Tap<T> {
    inner: T,
    tape: Tape,
}

impl<T> Tap<T> {
    /// Taps a backend.
    pub const fn new(inner: T, tape: Tape) -> Self {
        Self { inner, tape }
    }

    async fn call<R>(
        &self,
        backend: &'static str,
        call: &'static str,
        future: impl Future<Output = R> + Send,
    ) -> R {
        self.tape.pass(backend, call, Moment::Before).await;
        let result = future.await;
        self.tape.pass(backend, call, Moment::After).await;
        result
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: Store> Store for Tap<S> {
    async fn now(&self) -> Result<Timestamp> {
        self.call("store", "now", self.inner.now()).await
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>> {
        self.call("store", "get", self.inner.get(keys)).await
    }

    async fn find(&self, unique: &[UniqueKey]) -> Result<Vec<Option<Item>>> {
        self.call("store", "find", self.inner.find(unique)).await
    }

    async fn list(&self, query: &Query) -> Result<Page> {
        self.call("store", "list", self.inner.list(query)).await
    }

    async fn commit(&self, batch: Batch) -> Result<Commit> {
        self.call("store", "commit", self.inner.commit(batch)).await
    }

    async fn lease(&self, wanted: &LeaseRequest) -> Result<Leased> {
        self.call("store", "lease", self.inner.lease(wanted)).await
    }

    async fn extend(&self, leases: &[Lease], by: Duration) -> Result<Vec<Option<Lease>>> {
        self.call("store", "extend", self.inner.extend(leases, by)).await
    }

    async fn entries(&self, of: &Key, after: u64, limit: u32) -> Result<Vec<Entry>> {
        self.call("store", "entries", self.inner.entries(of, after, limit)).await
    }

    async fn trim(&self, of: &Key, through: u64) -> Result<()> {
        self.call("store", "trim", self.inner.trim(of, through)).await
    }

    async fn restore(&self, item: &Item, log: &[Entry]) -> Result<Commit> {
        self.call("store", "restore", self.inner.restore(item, log)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<R: Resolver> Resolver for Tap<R> {
    async fn lookup(&self, lookup: &Lookup) -> Result<Answer> {
        self.call("resolver", "lookup", self.inner.lookup(lookup)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<D: DnsProvider> DnsProvider for Tap<D> {
    async fn zone_of(&self, name: &DnsName) -> Result<Option<DnsName>> {
        self.call("dns", "zone_of", self.inner.zone_of(name)).await
    }

    async fn record_set(
        &self,
        zone: &DnsName,
        name: &DnsName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>> {
        self.call("dns", "record_set", self.inner.record_set(zone, name, record_type)).await
    }

    async fn apply(&self, zone: &DnsName, changes: &ChangeSet) -> Result<Vec<Applied>> {
        let publishes = changes.iter().any(|change| {
            let count = |set: Option<&RecordSet>| set.map_or(0, |set| set.data().len());
            count(change.after()) > count(change.before())
        });
        let marks = |set: &RecordSet| {
            set.data().iter().any(|data| data.to_string().starts_with("\"heritage="))
        };
        let sides = |change: &SetChange| {
            change.before().is_some_and(marks) || change.after().is_some_and(marks)
        };
        let call = match publishes {
            // Managed records change together with their markers.
            _ if changes.iter().any(sides) => "arrange",
            true => "publish",
            false => "unpublish",
        };
        self.call("dns", call, self.inner.apply(zone, changes)).await
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<C: CertificateAuthority> CertificateAuthority for Tap<C> {
    fn id(&self) -> &str {
        self.inner.id()
    }

    async fn caa_identities(&self) -> Result<Vec<String>> {
        self.inner.caa_identities().await
    }

    async fn enroll(&self, key: &Secret) -> Result<Handle> {
        self.call("ca", "enroll", self.inner.enroll(key)).await
    }

    async fn open(&self, account: &Account, names: &[DomainName]) -> Result<Handle> {
        self.call("ca", "open_order", self.inner.open(account, names)).await
    }

    async fn progress(&self, account: &Account, order: &Handle) -> Result<Progress> {
        self.call("ca", "progress", self.inner.progress(account, order)).await
    }

    async fn respond(
        &self,
        account: &Account,
        order: &Handle,
        authorization: &Handle,
        challenge: ChallengeType,
    ) -> Result<()> {
        let call = self.inner.respond(account, order, authorization, challenge);
        self.call("ca", "respond", call).await
    }

    async fn finalize(&self, account: &Account, order: &Handle, csr: &[u8]) -> Result<()> {
        self.call("ca", "finalize", self.inner.finalize(account, order, csr)).await
    }

    async fn certificate(&self, account: &Account, order: &Handle) -> Result<String> {
        self.call("ca", "certificate", self.inner.certificate(account, order)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<M: Mailer> Mailer for Tap<M> {
    async fn send(&self, message: &Message) -> Result<()> {
        self.call("mailer", "mail", self.inner.send(message)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: Probe> Probe for Tap<P> {
    async fn fetch(&self, fetch: &Fetch) -> Result<Fetched> {
        self.call("probe", "fetch", self.inner.fetch(fetch)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<R: Registrar> Registrar for Tap<R> {
    async fn check(&self, name: &DomainName) -> Result<Availability> {
        self.call("registrar", "check", self.inner.check(name)).await
    }

    async fn register(&self, purchase: &Purchase, wait: Wait) -> Result<Workflow> {
        self.call("registrar", "register", self.inner.register(purchase, wait)).await
    }

    async fn workflow(&self, purchase: &Purchase) -> Result<Option<Workflow>> {
        self.call("registrar", "workflow", self.inner.workflow(purchase)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: Sealer> Sealer for Tap<S> {
    fn keys(&self) -> Vec<SealingKeyId> {
        self.inner.keys()
    }

    async fn seal(&self, context: &Context, secret: &Secret) -> Result<Sealed> {
        self.call("sealer", "seal", self.inner.seal(context, secret)).await
    }

    async fn open(&self, context: &Context, sealed: &Sealed) -> Result<Secret> {
        self.call("sealer", "open", self.inner.open(context, sealed)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: Subscriber> Subscriber for Tap<S> {
    fn id(&self) -> &str {
        self.inner.id()
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<()> {
        self.call("subscriber", "deliver", self.inner.deliver(envelope)).await
    }
}
