//! What a resolver is made of.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, atomic::AtomicUsize},
};

use super::{
    COMPONENT, Hickory, Inner, Limits, failures::Failures, lanes::Lanes, rate::Rate, recursive,
};
use crate::{
    clock::{Clock, SystemClock, Timer, TokioTimer},
    error::{Error, ErrorKind, Result},
    name::DnsName,
};

/// How many servers of a zone have to answer, all of them the same, in
/// [`Mode::Authoritative`](crate::resolver::Mode::Authoritative).
///
/// The servers are those that the parent of the zone names, at most 16. That they contradict each
/// other is never an answer.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Agreement {
    /// All of them: one that is out of order keeps everybody from an answer.
    All,
    /// At least half of them, so that one of two may be out of order.
    #[default]
    Half,
    /// One, whoever comes first: the others may have been kept from answering.
    One,
}

impl Agreement {
    /// Whether it is enough that `answered` of `all` servers say the same.
    pub(super) fn is_met(self, answered: usize, all: usize) -> bool {
        match self {
            Self::All => answered >= all,
            Self::Half => answered >= all.div_ceil(2),
            Self::One => answered >= 1,
        }
    }
}

/// What a [`Hickory`] is made of.
#[derive(Clone, Debug)]
#[must_use]
pub struct HickoryBuilder {
    servers: Vec<SocketAddr>,
    zones: Vec<(DnsName, Vec<SocketAddr>)>,
    private: bool,
    port: u16,
    trusted: Vec<IpAddr>,
    trusts_loopback: bool,
    agreement: Agreement,
    limits: Limits,
    clock: Arc<dyn Clock>,
    timer: Arc<dyn Timer>,
}

impl HickoryBuilder {
    pub(super) fn new(servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self {
            servers: servers.into_iter().take(recursive::MAX_SERVERS).collect(),
            zones: Vec::new(),
            private: false,
            port: 53,
            trusted: Vec::new(),
            trusts_loopback: false,
            agreement: Agreement::default(),
            limits: Limits::default(),
            clock: Arc::new(SystemClock),
            timer: Arc::new(TokioTimer),
        }
    }

    /// Sets how much of everybody's time and traffic is taken.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how many servers of a zone have to answer; [`Agreement::Half`] unless told.
    pub fn with_agreement(mut self, agreement: Agreement) -> Self {
        self.agreement = agreement;
        self
    }

    /// Sets the clock by which failures are forgotten and servers are left alone; the system's unless
    /// told.
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets what is waited with; tokio's timer unless told.
    pub fn with_timer(mut self, timer: impl Timer) -> Self {
        self.timer = Arc::new(timer);
        self
    }

    /// Trusts the AD bit (RFC 4035 section 4.9.3) of those recursive servers that are on loopback.
    ///
    /// Only right if they validate: some forwarders pass on the bit of whomever they ask.
    pub fn with_trusted_ad(mut self) -> Self {
        self.trusts_loopback = true;
        self
    }

    /// Trusts the AD bit of recursive servers at these addresses.
    ///
    /// Only right if they validate and nobody can tamper with the way to them, as in a tunnel.
    pub fn with_trusted_ad_from(mut self, servers: impl IntoIterator<Item = IpAddr>) -> Self {
        self.trusted.extend(servers);
        self
    }

    /// Names the servers of a zone: `Mode::Authoritative` asks them for what is in it, instead of
    /// looking for its delegation. They may have any address and port, and are asked as often as
    /// need be.
    pub fn with_zone(
        mut self,
        zone: DnsName,
        servers: impl IntoIterator<Item = SocketAddr>,
    ) -> Self {
        self.zones.push((zone, servers.into_iter().collect()));
        self
    }

    /// Sets the port of the name servers that are found by delegation, for a lab; 53 unless told.
    pub fn with_name_server_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Follows delegations also to addresses that are not public, for a lab.
    ///
    /// Otherwise they are not asked: whoever can delegate a name could make us send packets into
    /// our own network.
    pub fn with_private_name_servers(mut self) -> Self {
        self.private = true;
        self
    }

    /// Builds the resolver. Sends nothing: servers that cannot be reached are found out by lookups.
    ///
    /// # Errors
    ///
    /// `Invalid` if a limit is outside of its range, or there is nobody to ask: neither a recursive
    /// server nor a zone with a server.
    pub fn build(self) -> Result<Hickory> {
        self.limits.check()?;
        if self.servers.is_empty() && self.zones.iter().all(|(_, servers)| servers.is_empty()) {
            let message = "there is nobody to ask: neither a recursive server nor one of a zone";
            return Err(Error::new(ErrorKind::Invalid, COMPONENT, "build", message));
        }
        Ok(Hickory(Arc::new(Inner {
            rate: Rate::new(self.limits.rate),
            lanes: Lanes::new(self.limits.under_way),
            failures: Failures::new(self.limits.failure, self.limits.failure_most),
            registries: AtomicUsize::new(0),
            servers: self.servers,
            zones: self.zones,
            private: self.private,
            port: self.port,
            trusted: self.trusted,
            trusts_loopback: self.trusts_loopback,
            agreement: self.agreement,
            limits: self.limits,
            clock: self.clock,
            timer: self.timer,
        })))
    }
}
