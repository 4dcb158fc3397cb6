//! A platform that looks at two pages of one host: one is a tenant's, the other an attacker's.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use nameplate::{
    challenge::{Brand, HttpProof},
    clock::Timestamp,
    error::Result,
    evidence::Verdict,
    name::{DnsName, DomainName},
    probe::{Fetch, Fetched, HttpProbe, HttpProbeBuilder, Lab, Probe, ProbeLimits},
    record::{RecordData, RecordSet, RecordType, Ttl},
    resolver::{Answer, InMemoryResolver, Lookup, Outcome, Resolver},
};
use rustls::crypto::CryptoProvider;

use crate::web::{HandTimer, Web, page, path};

pub(crate) const HOST: &str = "shop.example.com";

/// Where the host is. Everything else on loopback is none of the probe's business.
pub(crate) const HERE: [u8; 4] = [127, 0, 0, 1];
pub(crate) const ELSEWHERE: [u8; 4] = [127, 0, 0, 2];

/// The limits of time, each of its own length so that a test can tell them apart.
pub(crate) const CONNECT: Duration = Duration::from_secs(3);
pub(crate) const TLS: Duration = Duration::from_secs(4);
pub(crate) const FIRST_BYTE: Duration = Duration::from_secs(5);
pub(crate) const TOTAL: Duration = Duration::from_secs(10);

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

pub(crate) fn limits() -> ProbeLimits {
    let mut limits = ProbeLimits::default();
    limits.tls = TLS;
    limits
}

/// The proof of the tenant, and the one that the attacker wants to be taken for.
pub(crate) fn proofs(host: &str) -> (HttpProof, HttpProof) {
    let brand = Brand::new("plat").unwrap();
    let proof =
        |token: &str| HttpProof::new(&brand, host.parse().unwrap(), 1, &token.repeat(32)).unwrap();
    (proof("0a"), proof("9f"))
}

/// Serves the tenant's page, and lets the attacker answer for the other one.
pub(crate) fn two_pages(
    attack: impl Fn(&HttpProof, &str) -> Vec<u8> + Send + Sync + 'static,
) -> impl Fn(&str) -> Vec<u8> + Send + Sync + 'static {
    let (rightful, wanted) = proofs(HOST);
    move |request| match path(request) {
        asked if asked == rightful.path() => {
            page(200, "Content-Type: text/plain\r\n", rightful.body().as_bytes())
        }
        _ => attack(&wanted, request),
    }
}

/// A resolver that can change its mind.
#[derive(Clone, Debug)]
pub(crate) struct Dns {
    pub(crate) zone: InMemoryResolver,
    asked: Arc<Mutex<Vec<Lookup>>>,
    /// What the name leads to from the second time on that a type is asked for.
    then: Arc<Mutex<Option<IpAddr>>>,
}

impl Dns {
    pub(crate) fn new() -> Self {
        let dns =
            Self { zone: InMemoryResolver::new(), asked: Arc::default(), then: Arc::default() };
        dns.set(HOST, &[IpAddr::from(HERE)]);
        dns
    }

    /// Publishes addresses, in place of those that are there.
    pub(crate) fn set(&self, name: &str, addresses: &[IpAddr]) {
        let name: DnsName = name.parse().unwrap();
        for (record_type, is_it) in [
            (RecordType::A, IpAddr::is_ipv4 as fn(&IpAddr) -> bool),
            (RecordType::Aaaa, IpAddr::is_ipv6),
        ] {
            self.zone.remove(&name, record_type);
            let data: Vec<_> =
                addresses.iter().copied().filter(is_it).map(RecordData::from).collect();
            if !data.is_empty() {
                let ttl = Ttl::from_secs(0).unwrap();
                self.zone.set(RecordSet::new(name.clone(), ttl, data).unwrap());
            }
        }
    }

    /// Leads elsewhere from the second question on.
    pub(crate) fn rebind(&self, to: IpAddr) {
        *self.then.lock().unwrap() = Some(to);
    }

    pub(crate) fn asked(&self) -> Vec<RecordType> {
        self.asked.lock().unwrap().drain(..).map(|lookup| lookup.record_type).collect()
    }
}

#[async_trait]
impl Resolver for Dns {
    async fn lookup(&self, lookup: &Lookup) -> Result<Answer> {
        let is_again = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(lookup.clone());
            asked.iter().filter(|before| *before == lookup).count() > 1
        };
        let then = *self.then.lock().unwrap();
        match then {
            Some(address) if is_again && lookup.record_type == RecordType::A => {
                let data = RecordData::from(address);
                let record = nameplate::DnsRecord::new(
                    lookup.name.clone(),
                    Ttl::from_secs(0).unwrap(),
                    data,
                );
                Ok(Answer::new(Outcome::Answer(vec![record])))
            }
            _ => self.zone.lookup(lookup).await,
        }
    }
}

/// A probe, what it sees, and what is expected of it.
pub(crate) struct Scene {
    pub(crate) probe: HttpProbe,
    pub(crate) dns: Dns,
    pub(crate) timer: HandTimer,
    pub(crate) rightful: HttpProof,
    pub(crate) wanted: HttpProof,
}

impl Scene {
    /// Sets a probe up that sees a server.
    pub(crate) fn new(web: &Web) -> Self {
        Self::with(web, web.port(), |builder| builder)
    }

    /// Sets a probe up that sees a server, and another one for `https`.
    pub(crate) fn with(
        web: &Web,
        https: u16,
        change: impl FnOnce(HttpProbeBuilder) -> HttpProbeBuilder,
    ) -> Self {
        let (dns, timer) = (Dns::new(), HandTimer::default());
        let builder = HttpProbe::builder(dns.clone(), provider())
            .with_limits(limits())
            .with_timer(timer.clone())
            .with_lab(Lab::new([IpAddr::from(HERE)], web.port(), https));
        let (rightful, wanted) = proofs(HOST);
        Self { probe: change(builder).build().unwrap(), dns, timer, rightful, wanted }
    }

    /// Fetches the tenant's page, which has to be the proof.
    pub(crate) async fn rightful_flow(&self) {
        let fetched = self.fetch(&self.rightful).await;
        let look = fetched.observation(&self.rightful, Timestamp::UNIX_EPOCH);
        assert_eq!(look.verdict, Verdict::Confirmed, "{fetched:?}");
    }

    /// Fetches the attacker's page, which must not be the proof.
    pub(crate) async fn attack(&self) -> Fetched {
        let fetched = self.fetch(&self.wanted).await;
        assert_ne!(fetched.verdict(&self.wanted), Verdict::Confirmed, "{fetched:?}");
        fetched
    }

    pub(crate) async fn fetch(&self, proof: &HttpProof) -> Fetched {
        self.probe.fetch(&Fetch::proof(proof)).await.unwrap()
    }

    /// Starts to fetch the attacker's page.
    pub(crate) fn start(&self) -> tokio::task::JoinHandle<Fetched> {
        let (probe, fetch) = (self.probe.clone(), Fetch::proof(&self.wanted));
        tokio::spawn(async move { probe.fetch(&fetch).await.unwrap() })
    }
}

/// Starts the server of [`two_pages`] and a probe that sees it.
pub(crate) async fn scene(
    attack: impl Fn(&HttpProof, &str) -> Vec<u8> + Send + Sync + 'static,
) -> (Scene, Web) {
    let web = Web::new((HERE, 0), two_pages(attack)).await;
    (Scene::new(&web), web)
}

pub(crate) fn name(text: &str) -> DomainName {
    text.parse().unwrap()
}
