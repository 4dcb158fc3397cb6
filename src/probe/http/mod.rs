//! A probe that looks at real hosts, whatever they do.
//!
//! The host is a customer's and may be anybody's: its DNS may lead into the network that we are in,
//! and its server may say anything, for as long as it likes. So a name is resolved once, and the
//! addresses that were checked are those that are connected to; and everything that is read has an
//! end.

mod builder;
mod connect;
mod gate;
mod limits;
mod reply;
mod resolve;
mod tls;

use std::{
    net::IpAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use rustls::ClientConfig;

use super::{
    Fetch, Fetched, Probe, Response,
    redirect::{Place, Trail},
};
use crate::{
    address::is_public,
    clock::Timer,
    error::{Error, ErrorKind, Result},
    name::{DnsName, DomainName},
    record::RecordType,
    resolver::{Answer, Lookup, Mode, Resolver},
    transport::CryptoProvider,
};
use gate::Gate;

pub use builder::{HttpProbeBuilder, Lab};
pub use limits::ProbeLimits;
pub use resolve::MixedAddresses;

const COMPONENT: &str = "http probe";

/// What every request says that it is from.
const USER_AGENT: &str = concat!("nameplate/", env!("CARGO_PKG_VERSION"));

/// A probe that fetches pages over the network, with HTTP/1.1 of its own.
///
/// # What it sends
///
/// `GET`, with the fields `Host`, `User-Agent`, `Accept`, `Accept-Encoding: identity` and `Connection:
/// close`. No cookie, no credentials, no referrer, no client certificate; no proxy, and no variable
/// of the environment is read. Each request has a connection of its own.
///
/// # Where it connects
///
/// The name is looked up once, A and AAAA. If any address is not [public](crate::address::is_public)
/// no connection is made (see [`MixedAddresses`]). Otherwise it connects to the first IPv6 address,
/// and if that accepts no connection to the first IPv4 one; port 80, or 443 where a redirection on the
/// same host says `https`. There the TLS names the host and takes any certificate. Redirections stay on
/// the host, and so on the same addresses: nothing is looked up again.
///
/// # What comes back
///
/// What is no response within the [limits](ProbeLimits) is a [`Fetched::Refused`] that says which kind
/// of nonsense it was. [`Fetched::Unreachable`] comes back when all the time has passed and not before,
/// so that how long it took does not say whether a port is closed, filtered or silent.
///
/// # Caveats
///
/// The numbers of connections at the same time are those of this probe and its clones; several
/// processes each have their own.
///
/// ```no_run
/// # #[cfg(feature = "ring")]
/// # fn example(resolver: nameplate::resolver::InMemoryResolver) -> nameplate::Result<()> {
/// use nameplate::{probe::HttpProbe, transport::CryptoProvider};
///
/// let probe = HttpProbe::builder(resolver, CryptoProvider::Ring).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HttpProbe(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    resolver: Box<dyn Resolver>,
    timer: Box<dyn Timer>,
    limits: ProbeLimits,
    mixed: MixedAddresses,
    denied: Vec<IpAddr>,
    lab: Option<Lab>,
    tls: Arc<ClientConfig>,
    addresses: Gate<IpAddr>,
    domains: Gate<String>,
}

/// How far a fetch has come, which is what running out of time means.
#[derive(Debug)]
struct Stage(AtomicU8);

impl Stage {
    const WAITING: u8 = 0;
    const RESOLVING: u8 = 1;
    const CONNECTING: u8 = 2;

    const fn new() -> Self {
        Self(AtomicU8::new(Self::WAITING))
    }

    fn set(&self, stage: u8) {
        self.0.store(stage, Ordering::Relaxed);
    }

    /// Returns what came of it if it is still under way.
    fn timed_out(&self) -> Result<Fetched> {
        match self.0.load(Ordering::Relaxed) {
            Self::WAITING => {
                let message = "too many pages of the domain are being fetched";
                Err(Error::new(ErrorKind::Unavailable, COMPONENT, "fetch", message))
            }
            Self::RESOLVING => Ok(Fetched::Unresolved),
            _ => Ok(Fetched::Unreachable),
        }
    }
}

impl HttpProbe {
    /// Starts with what finds addresses and what encrypts.
    ///
    /// The resolver is asked in [`Mode::Recursive`].
    pub fn builder(resolver: impl Resolver, crypto: impl Into<CryptoProvider>) -> HttpProbeBuilder {
        HttpProbeBuilder::new(Box::new(resolver), crypto.into())
    }
}

impl Inner {
    async fn look(&self, fetch: &Fetch, stage: &Stage) -> Result<Fetched> {
        let host = &fetch.host;
        let domain = host.registrable().unwrap_or(host.as_str()).to_owned();
        let _place = self.domains.enter(domain).await;
        stage.set(Stage::RESOLVING);
        let addresses = match self.resolve(host).await? {
            Ok(addresses) => addresses,
            Err(fetched) => return Ok(fetched),
        };
        stage.set(Stage::CONNECTING);
        let mut trail = Trail::new(fetch, self.limits.redirects);
        let mut place = trail.start();
        loop {
            let response = match self.ask(host, &addresses, &place).await? {
                Ok(response) => response,
                Err(fetched) => return Ok(fetched),
            };
            match trail.next(&place, &response) {
                Some(next) => place = next,
                None => return Ok(Fetched::Response(response)),
            }
        }
    }

    /// Looks the addresses up: the only time that the DNS is asked.
    async fn resolve(&self, host: &DomainName) -> Result<Result<Vec<IpAddr>, Fetched>> {
        let name = DnsName::from(host.clone());
        let lookup = |record_type| Lookup::new(name.clone(), record_type, Mode::Recursive);
        let (six, four) = (lookup(RecordType::Aaaa), lookup(RecordType::A));
        let (six, four) = tokio::join!(self.resolver.lookup(&six), self.resolver.lookup(&four));
        let ours = |answer: Result<Answer>| {
            answer.map_err(|error| {
                let message = format!("the addresses of {host} could not be asked for");
                Error::new(ErrorKind::Unavailable, COMPONENT, "fetch", message).with_source(error)
            })
        };
        let (six, four) = (ours(six)?, ours(four)?);
        Ok(resolve::choose([&six, &four], self.limits.chain, self.mixed, |address| {
            self.is_permitted(address)
        }))
    }

    /// Asks for one page. The error inside is what to say of the host.
    async fn ask(
        &self,
        host: &DomainName,
        addresses: &[IpAddr],
        place: &Place,
    ) -> Result<Result<Response, Fetched>> {
        let connection = match self.connect(addresses, place.scheme).await? {
            Ok(connection) => connection,
            Err(fetched) => return Ok(Err(fetched)),
        };
        Ok(self.exchange(connection, host, place).await)
    }

    /// Returns whether an address may be connected to.
    fn is_permitted(&self, address: IpAddr) -> bool {
        let is_of_lab = self.lab.as_ref().is_some_and(|lab| lab.addresses.contains(&address));
        is_of_lab || (is_public(address) && !self.denied.contains(&address))
    }

    /// Waits for something, unless it takes too long.
    async fn within<T>(&self, limit: Duration, wanted: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = wanted => Some(done),
            () = self.timer.sleep(limit) => None,
        }
    }
}

#[async_trait]
impl Probe for HttpProbe {
    async fn fetch(&self, fetch: &Fetch) -> Result<Fetched> {
        fetch.check(COMPONENT)?;
        let probe = &*self.0;
        let stage = Stage::new();
        let mut end = pin!(probe.timer.sleep(probe.limits.total));
        let looked = tokio::select! {
            biased;
            looked = probe.look(fetch, &stage) => looked,
            () = &mut end => return stage.timed_out(),
        };
        if let Ok(Fetched::Unreachable) = looked {
            end.await;
        }
        looked
    }
}
