//! A platform in memory whose certificates are real, and clients that verify them.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use nameplate::{
    ca::{InMemoryCa, RcgenSigner},
    clock::{Clock, ManualClock, Timestamp},
    dns::InMemoryDns,
    domain::{Domain, Targets},
    engine::{Edge, Onboarding},
    error::{Error, ErrorKind, Result},
    id::TenantId,
    keys::RcgenKeys,
    name::{ClaimPolicy, DnsName, DomainName},
    probe::{Fetch, Fetched, Probe},
    record::{RecordData, RecordSet, RecordType, Ttl},
    resolver::InMemoryResolver,
    seal::InMemorySealer,
    serve::{Accepted, Acceptor, AcceptorBuilder, Responder},
    store::{
        Batch, Commit, Entry, InMemoryStore, Item, Key, Lease, LeaseRequest, Leased, Page, Query,
        Store, UniqueKey,
    },
    testkit::EndlessTimer,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime},
    time_provider::TimeProvider,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::Semaphore,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

pub(crate) const DAY: Duration = Duration::from_secs(86_400);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) const TENANT: TenantId = TenantId::from_bytes([1; 16]);
pub(crate) const OTHER: TenantId = TenantId::from_bytes([2; 16]);

/// The edge's way to the store: counted, and cut on request.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    inner: InMemoryStore,
    pub(crate) line: Arc<Line>,
}

#[derive(Debug)]
pub(crate) struct Line {
    calls: AtomicUsize,
    is_down: AtomicBool,
    /// Open unless a test takes the permits away.
    gate: Semaphore,
}

impl Line {
    /// Returns how many calls there were since the last time.
    pub(crate) fn calls(&self) -> usize {
        self.calls.swap(0, Ordering::SeqCst)
    }

    pub(crate) fn cut(&self) {
        self.is_down.store(true, Ordering::SeqCst);
    }

    pub(crate) fn mend(&self) {
        self.is_down.store(false, Ordering::SeqCst);
    }

    /// Makes calls hang until [`open`](Self::open).
    pub(crate) fn close(&self) {
        self.gate.forget_permits(usize::MAX);
    }

    pub(crate) fn open(&self) {
        self.gate.add_permits(1 << 20);
    }

    async fn pass(&self) -> Result<()> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let _permit = self.gate.acquire().await.unwrap();
        if self.is_down.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, "watched store", "call", "cut"));
        }
        Ok(())
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Store for Watched {
    async fn now(&self) -> Result<Timestamp> {
        self.line.pass().await?;
        self.inner.now().await
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>> {
        self.line.pass().await?;
        self.inner.get(keys).await
    }

    async fn find(&self, unique: &[UniqueKey]) -> Result<Vec<Option<Item>>> {
        self.line.pass().await?;
        self.inner.find(unique).await
    }

    async fn list(&self, query: &Query) -> Result<Page> {
        self.line.pass().await?;
        self.inner.list(query).await
    }

    async fn commit(&self, _: Batch) -> Result<Commit> {
        panic!("the edge writes nothing");
    }

    async fn lease(&self, _: &LeaseRequest) -> Result<Leased> {
        panic!("the edge writes nothing");
    }

    async fn extend(&self, _: &[Lease], _: Duration) -> Result<Vec<Option<Lease>>> {
        panic!("the edge writes nothing");
    }

    async fn entries(&self, of: &Key, after: u64, limit: u32) -> Result<Vec<Entry>> {
        self.line.pass().await?;
        self.inner.entries(of, after, limit).await
    }

    async fn trim(&self, _: &Key, _: u64) -> Result<()> {
        panic!("the edge writes nothing");
    }

    async fn restore(&self, _: &Item, _: &[Entry]) -> Result<Commit> {
        panic!("the edge writes nothing");
    }
}

/// What the certificate authority sees: the platform's responder, over HTTP.
#[derive(Clone, Default)]
struct Visitor(Arc<OnceLock<Responder>>);

impl fmt::Debug for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Visitor")
    }
}

#[async_trait]
impl Probe for Visitor {
    async fn fetch(&self, fetch: &Fetch) -> Result<Fetched> {
        let request = format!("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", fetch.path, fetch.host);
        let (served, response) = ask(self.0.get().unwrap(), request.as_bytes()).await;
        served?;
        Ok(Fetched::response(response.status(), response.body()))
    }
}

/// What came back over HTTP.
#[derive(Debug)]
pub(crate) struct Reply(pub(crate) String);

impl Reply {
    pub(crate) fn status(&self) -> u16 {
        self.0.get(9..12).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (head, _) = self.0.split_once("\r\n\r\n")?;
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(crate) fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }
}

/// Sends bytes to a responder and reads all that comes back.
pub(crate) async fn ask(responder: &Responder, request: &[u8]) -> (Result<()>, Reply) {
    let (mut near, far) = duplex(1 << 20);
    let client = async {
        near.write_all(request).await.unwrap();
        let mut response = Vec::new();
        // The connection may end in any way.
        let _ = near.read_to_end(&mut response).await;
        Reply(String::from_utf8_lossy(&response).into_owned())
    };
    tokio::join!(responder.serve_connection(far), client)
}

pub(crate) struct World {
    pub(crate) clock: ManualClock,
    pub(crate) line: Arc<Line>,
    pub(crate) onboarding: Onboarding,
    pub(crate) responder: Responder,
    store: InMemoryStore,
    edge: Edge,
    dns: InMemoryDns,
    root: CertificateDer<'static>,
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::new(Timestamp::from_timestamp(1_800_000_000, 0).unwrap());
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let store = InMemoryStore::new(shared.clone());
        let line = Arc::new(Line {
            calls: AtomicUsize::new(0),
            is_down: AtomicBool::new(false),
            gate: Semaphore::new(1 << 20),
        });
        let zones = ["example.com", "example.net", "acme.platform.test"];
        let dns = InMemoryDns::new(zones.map(|zone| zone.parse().unwrap()));
        let signer = RcgenSigner::new().unwrap();
        let root = CertificateDer::from(signer.root_der().to_vec());
        let visitor = Visitor::default();
        let resolver = InMemoryResolver::over(Arc::new(dns.clone()));
        let ca = InMemoryCa::new(shared, Arc::new(signer))
            .with_resolver(Arc::new(resolver.clone()))
            .with_probe(Arc::new(visitor.clone()));
        let sealer = InMemorySealer::new();
        let assemble = |store: Arc<dyn Store>| {
            Onboarding::builder(store)
                .with_brand("plat")
                .with_targets(Targets::cname("edge.example.net"))
                .with_resolver(resolver.clone())
                .with_dns(dns.clone())
                .with_authority(ca.clone())
                .with_keys(RcgenKeys)
                .with_sealer(sealer.clone())
                .with_timer(EndlessTimer)
                .with_claims(ClaimPolicy::new().with_allowed(
                    ["example.com", "example.net"].map(|name| name.parse::<DnsName>().unwrap()),
                ))
                .with_delegation_zone("acme.platform.test".parse().unwrap())
                .build()
                .unwrap()
        };
        let onboarding = assemble(Arc::new(store.clone()));
        let watched = Watched { inner: store.clone(), line: line.clone() };
        let edge = assemble(Arc::new(watched)).edge();
        let responder = Responder::new(edge.clone()).with_clock(clock.clone());
        assert!(visitor.0.set(responder.clone()).is_ok());
        let address: RecordData = RecordData::A([203, 0, 113, 10].into());
        let name = "edge.example.net".parse().unwrap();
        dns.set(RecordSet::new(name, Ttl::HOUR, [address]).unwrap()).unwrap();
        Self { clock, line, onboarding, responder, store, edge, dns, root }
    }

    /// Lets the worker work, and the clock run.
    pub(crate) async fn run_for(&self, time: Duration) {
        let end = nameplate::clock::after(self.clock.now(), time);
        let worker = self.onboarding.worker();
        while let Some(due) = self.store.next_due().filter(|due| *due <= end) {
            self.clock.set(self.clock.now().max(due));
            worker.step().await.unwrap();
        }
        self.clock.set(end);
    }

    /// A name that is active, and nothing of it is kept at the edge.
    pub(crate) async fn active(&self, name: &str) -> Domain {
        self.active_for(&TENANT, name).await
    }

    pub(crate) async fn active_for(&self, tenant: &TenantId, name: &str) -> Domain {
        let id = self.onboarding.add(tenant, name.parse().unwrap()).await.unwrap().id();
        for step in self.onboarding.instructions(tenant, id).await.unwrap() {
            let text = match step.record_type {
                RecordType::Txt => format!("\"{}\"", step.value),
                _ => step.value.clone(),
            };
            let data = RecordData::parse(step.record_type, &text).unwrap();
            self.dns.set(RecordSet::new(step.name.clone(), step.ttl, [data]).unwrap()).unwrap();
        }
        self.run_for(MINUTE).await;
        let domain = self.onboarding.get(tenant, id).await.unwrap();
        assert_eq!(domain.status().as_str(), "active", "{}", domain.waiting_on());
        self.line.calls();
        domain
    }

    pub(crate) async fn remove(&self, domain: &Domain) {
        self.onboarding.remove(&domain.tenant(), domain.id()).await.unwrap();
        self.run_for(Duration::ZERO).await;
    }

    pub(crate) fn builder(&self) -> AcceptorBuilder {
        Acceptor::builder(self.edge.clone(), ring()).with_clock(self.clock.clone())
    }

    pub(crate) fn acceptor(&self) -> Acceptor {
        self.builder().build().unwrap()
    }

    pub(crate) fn acceptor_on(&self, provider: Arc<CryptoProvider>) -> Acceptor {
        let builder = Acceptor::builder(self.edge.clone(), provider);
        builder.with_clock(self.clock.clone()).build().unwrap()
    }

    /// A client that verifies certificates, by the world's clock, and would resume sessions.
    pub(crate) fn client(&self) -> ClientConfig {
        self.client_of(rustls::DEFAULT_VERSIONS)
    }

    pub(crate) fn client_of(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let time = Arc::new(ClientTime(self.clock.clone()));
        ClientConfig::builder_with_details(ring(), time)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }
}

#[derive(Debug)]
struct ClientTime(ManualClock);

impl TimeProvider for ClientTime {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().timestamp()).unwrap();
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

pub(crate) fn ring() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

pub(crate) fn name(name: &str) -> DomainName {
    name.parse().unwrap()
}

/// How both sides saw a connection.
pub(crate) struct Met {
    pub(crate) server: Result<Accepted<DuplexStream>>,
    pub(crate) client: std::io::Result<TlsStream<DuplexStream>>,
}

impl Met {
    /// Returns what the server accepted, after a byte went each way.
    pub(crate) async fn accepted(self) -> Accepted<DuplexStream> {
        let mut accepted = self.server.unwrap();
        let mut client = self.client.unwrap();
        client.write_all(b"?").await.unwrap();
        client.flush().await.unwrap();
        assert_eq!(accepted.stream.read_u8().await.unwrap(), b'?');
        accepted.stream.write_all(b"!").await.unwrap();
        accepted.stream.flush().await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'!');
        accepted
    }

    /// Returns why the server refused, after checking that the client was told so by an alert.
    pub(crate) fn refused(self) -> Error {
        let error = self.server.unwrap_err();
        let told = self.client.err().unwrap().to_string();
        let alert = match error.code().unwrap() {
            "unrecognized_name" => "UnrecognisedName",
            "missing_extension" => "MissingExtension",
            "internal_error" => "InternalError",
            other => panic!("{other}"),
        };
        assert!(told.contains(alert), "{told}, not {alert}");
        error
    }
}

/// Connects a client to an acceptor.
pub(crate) async fn meet(acceptor: &Acceptor, client: &ClientConfig, to: &str) -> Met {
    let (near, far) = duplex(1 << 16);
    let to = ServerName::try_from(to.to_owned()).unwrap();
    let connector = TlsConnector::from(Arc::new(client.clone()));
    let (server, client) = tokio::join!(acceptor.accept(far), connector.connect(to, near));
    Met { server, client }
}
