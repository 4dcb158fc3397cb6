//! Services that register names.

mod memory;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    error::Result,
    name::DomainName,
    registration::{Money, Purchase, RegistrationStatus},
};

pub use memory::InMemoryRegistrar;

/// Whether a name can be registered.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Availability {
    /// It can, for this price.
    Available {
        /// The price of the first term of one year.
        price: Money,
        /// Whether the registry asks for more than its usual price.
        premium: bool,
    },
    /// Somebody has it.
    Taken,
    /// This registrar does not sell it.
    NotSupported,
}

/// How long a call may wait for a workflow to end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Wait {
    /// Answer as soon as the request is taken.
    No,
    /// Wait up to this long.
    UpTo(Duration),
}

/// How far a registration is, as the registrar tells it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Workflow {
    /// What the registrar calls it.
    pub reference: String,
    /// Where it is.
    pub status: RegistrationStatus,
    /// What it cost, once it is charged.
    pub charged: Option<Money>,
    /// Why it waits or failed, in the registrar's words.
    pub detail: Option<String>,
}

impl Workflow {
    /// Creates a report.
    pub fn new(reference: impl Into<String>, status: RegistrationStatus) -> Self {
        Self { reference: reference.into(), status, charged: None, detail: None }
    }

    /// Adds what it cost.
    #[must_use]
    pub const fn with_charged(mut self, charged: Option<Money>) -> Self {
        self.charged = charged;
        self
    }

    /// Adds why it waits or failed.
    #[must_use]
    pub fn with_detail(mut self, detail: Option<String>) -> Self {
        self.detail = detail;
        self
    }
}

/// A service that registers names for money.
///
/// # Contract
///
/// Each point is a case of `conformance::registrar`.
///
/// * `check` buys nothing.
/// * `register` charges at most the expected price, else `Precondition` and nothing is bought.
/// * One purchase id buys at most once: a repeated call answers with the workflow of the first.
/// * A name that is taken is `Refused`, and nothing is charged.
/// * `workflow` finds a purchase by its id, also when the answer to `register` was lost.
/// * A workflow ends as `succeeded` or `failed`; a failed one charges nothing.
///
/// # Cancellation
///
/// A dropped `register` may have bought the name: ask `workflow`, never `register` with a new id.
///
/// # Errors
///
/// `Refused`, `Precondition` (price, balance), `Denied`, `RateLimited`, `Unsupported`, `NotFound`
/// (no such purchase), `Unavailable` when nothing happened, `Unknown` when it may have.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Registrar`",
    note = "implement `nameplate::registrar::Registrar` and run `nameplate::registrar_conformance!` over it"
)]
pub trait Registrar: fmt::Debug + Send + Sync + 'static {
    /// Says whether a name can be registered, and for how much.
    async fn check(&self, name: &DomainName) -> Result<Availability>;

    /// Registers a name, or starts to.
    async fn register(&self, purchase: &Purchase, wait: Wait) -> Result<Workflow>;

    /// Returns how far a purchase is; `None` if the registrar knows of none.
    async fn workflow(&self, purchase: &Purchase) -> Result<Option<Workflow>>;
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<R: Registrar + ?Sized> Registrar for $pointer {
            async fn check(&self, name: &DomainName) -> Result<Availability> {
                (**self).check(name).await
            }

            async fn register(&self, purchase: &Purchase, wait: Wait) -> Result<Workflow> {
                (**self).register(purchase, wait).await
            }

            async fn workflow(&self, purchase: &Purchase) -> Result<Option<Workflow>> {
                (**self).workflow(purchase).await
            }
        }
    )*};
}

forward!(Arc<R>, Box<R>);
