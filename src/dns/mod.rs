//! Services that host zones and let us change their records.

mod memory;
#[cfg(feature = "rfc2136")]
mod rfc2136;

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::{
    error::{Error, Result},
    name::DnsName,
    record::{RecordSet, RecordType, Ttl},
    zone::ChangeSet,
};

pub use memory::InMemoryDns;
#[cfg(feature = "rfc2136")]
pub use rfc2136::{Rfc2136, Rfc2136Builder, TsigAlgorithm, TsigAlgorithmError, TsigKey};

/// What became of one change of a [`ChangeSet`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Applied {
    /// The set is now as wanted.
    Done,
    /// The set was not as expected and was not changed; this is what is there.
    Conflict(Option<RecordSet>),
    /// Another change of the same set of changes kept this one from being tried.
    Skipped,
    /// The service did not take it.
    Refused(Error),
}

/// What a provider can do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Whether a set of changes happens as a whole or not at all, expectations included.
    pub atomic: bool,
    /// The smallest TTL that is kept.
    pub min_ttl: Ttl,
}

impl Capabilities {
    /// Creates a description.
    pub const fn new(atomic: bool, min_ttl: Ttl) -> Self {
        Self { atomic, min_ttl }
    }
}

/// A service that hosts zones and lets us change their records.
///
/// # Contract
///
/// Each point is a case of `conformance::dns`.
///
/// * A record set is replaced as a whole or not at all.
/// * A change happens only if the set is what the change expects; otherwise it is
///   [`Applied::Conflict`] with what is there. Two writers that expect the same set cannot both
///   succeed.
/// * An expectation compares names without case and data without order; TTLs do not count.
/// * If [`Capabilities::atomic`] is set, either every change is [`Applied::Done`] or none is.
/// * Deleting a set leaves the other types of the name, and replacing one leaves the others.
/// * A zone that is not hosted here, and a name outside the zone, are errors that change nothing.
/// * A CNAME beside other data is refused (RFC 2181 section 10.1).
/// * A call that returned an error may have taken effect only if its kind is `Unknown`.
/// * Methods may be called at the same time for the same zone.
///
/// # Cancellation
///
/// A dropped `apply` may have taken effect: read before trying again.
///
/// # Errors
///
/// `NotFound` for a zone that is not hosted here, `Invalid` for a change outside the zone,
/// `Denied`, `RateLimited`, `Unavailable` (nothing happened), `Unknown` (it may have), `Malformed`,
/// `Unsupported`.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `DnsProvider`",
    note = "implement `nameplate::dns::DnsProvider` and run `nameplate::dns_conformance!` over it"
)]
pub trait DnsProvider: fmt::Debug + Send + Sync + 'static {
    /// Returns the hosted zone that `name` is in, the deepest one; `None` if there is none.
    async fn zone_of(&self, name: &DnsName) -> Result<Option<DnsName>>;

    /// Returns the set of `name` and `record_type` in `zone`; `None` if there is none.
    ///
    /// What is stored, not what a wildcard would synthesize.
    async fn record_set(
        &self,
        zone: &DnsName,
        name: &DnsName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>>;

    /// Makes changes in `zone`; answers one [`Applied`] per change, in their order.
    async fn apply(&self, zone: &DnsName, changes: &ChangeSet) -> Result<Vec<Applied>>;

    /// Returns what this provider can do.
    fn capabilities(&self) -> Capabilities;
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<D: DnsProvider + ?Sized> DnsProvider for $pointer {
            async fn zone_of(&self, name: &DnsName) -> Result<Option<DnsName>> {
                (**self).zone_of(name).await
            }

            async fn record_set(
                &self,
                zone: &DnsName,
                name: &DnsName,
                record_type: RecordType,
            ) -> Result<Option<RecordSet>> {
                (**self).record_set(zone, name, record_type).await
            }

            async fn apply(&self, zone: &DnsName, changes: &ChangeSet) -> Result<Vec<Applied>> {
                (**self).apply(zone, changes).await
            }

            fn capabilities(&self) -> Capabilities {
                (**self).capabilities()
            }
        }
    )*};
}

forward!(Arc<D>, Box<D>);
