//! What a probe is built from.

use std::{net::IpAddr, sync::Arc};

use super::{Gate, HttpProbe, Inner, MixedAddresses, ProbeLimits, tls};
use crate::{
    clock::{Timer, TokioTimer},
    error::Result,
    resolver::Resolver,
    transport::CryptoProvider,
};

/// Puts an [`HttpProbe`] together.
#[derive(Debug)]
#[must_use]
pub struct HttpProbeBuilder {
    resolver: Box<dyn Resolver>,
    crypto: CryptoProvider,
    timer: Box<dyn Timer>,
    limits: ProbeLimits,
    mixed: MixedAddresses,
    denied: Vec<IpAddr>,
    lab: Option<Lab>,
}

/// Where the web is in a lab: addresses that are connected to although they are not public, and the
/// ports there in place of 80 and 443.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lab {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) http: u16,
    pub(super) https: u16,
}

impl Lab {
    /// Describes a lab.
    pub fn new(addresses: impl IntoIterator<Item = IpAddr>, http: u16, https: u16) -> Self {
        Self { addresses: addresses.into_iter().collect(), http, https }
    }
}

impl HttpProbeBuilder {
    pub(super) fn new(resolver: Box<dyn Resolver>, crypto: CryptoProvider) -> Self {
        Self {
            resolver,
            crypto,
            timer: Box::new(TokioTimer),
            limits: ProbeLimits::default(),
            mixed: MixedAddresses::default(),
            denied: Vec::new(),
            lab: None,
        }
    }

    /// Sets how much of a host's time and words is taken.
    pub fn with_limits(mut self, limits: ProbeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets what all limits of time are measured with; tokio's timer otherwise.
    pub fn with_timer(mut self, timer: impl Timer) -> Self {
        self.timer = Box::new(timer);
        self
    }

    /// Sets what to do about a name that has public addresses and others.
    pub fn with_mixed_addresses(mut self, mixed: MixedAddresses) -> Self {
        self.mixed = mixed;
        self
    }

    /// Adds addresses that are public and yet not to be connected to, such as those of the platform's
    /// own machines and of services that only its data center reaches.
    pub fn with_denied(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.denied.extend(addresses);
        self
    }

    /// Connects to addresses that are not public, and to other ports. **For tests and labs only**:
    /// whoever controls the DNS of a name decides what is asked there.
    pub fn with_lab(mut self, lab: Lab) -> Self {
        self.lab = Some(lab);
        self
    }

    /// Builds the probe. Sends nothing.
    ///
    /// # Errors
    ///
    /// `Invalid` if a limit is outside of its range, or the crypto provider cannot do TLS 1.2 and 1.3.
    pub fn build(self) -> Result<HttpProbe> {
        self.limits.check()?;
        Ok(HttpProbe(Arc::new(Inner {
            tls: tls::config(self.crypto.provider())?,
            addresses: Gate::new(self.limits.per_address),
            domains: Gate::new(self.limits.per_domain),
            resolver: self.resolver,
            timer: self.timer,
            limits: self.limits,
            mixed: self.mixed,
            denied: self.denied,
            lab: self.lab,
        })))
    }
}
