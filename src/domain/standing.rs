//! What holds a domain up although nothing is wrong with it, or before anybody knows what is.

use serde::{Deserialize, Serialize};

use super::Failure;
use crate::clock::Timestamp;

/// That work on a domain came to nothing several times, each time before it could be said why.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Setback {
    /// What happened last, and how often in a row.
    pub failure: Failure,
    /// Since when nothing is tried any more, until somebody of the platform's says so.
    pub parked_at: Option<Timestamp>,
}

impl Setback {
    pub(crate) const fn new(failure: Failure, parked_at: Option<Timestamp>) -> Self {
        Self { failure, parked_at }
    }
}

/// That somebody of the platform's has stopped work on a domain, or on what it needs.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Paused {
    /// What was stopped.
    pub scope: PauseScope,
    /// Since when.
    pub since: Timestamp,
    /// Why, in the operator's words.
    pub reason: String,
}

impl Paused {
    /// Puts the parts together.
    pub const fn new(scope: PauseScope, since: Timestamp, reason: String) -> Self {
        Self { scope, since, reason }
    }
}

/// What can be paused.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PauseScope {
    /// The certificate authority: nothing is ordered, asked or told there.
    Authority,
    /// The DNS provider: no record of ours is added or removed.
    Dns,
    /// One domain.
    Domain,
    /// What mails codes: nobody is written to.
    Mail,
    /// What looks at pages: no page that proves a name is fetched.
    Probe,
    /// The resolver: nothing is looked up.
    Resolver,
    /// All domains of a tenant.
    Tenant,
}

impl PauseScope {
    /// Returns the stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authority => "authority",
            Self::Dns => "dns",
            Self::Domain => "domain",
            Self::Mail => "mail",
            Self::Probe => "probe",
            Self::Resolver => "resolver",
            Self::Tenant => "tenant",
        }
    }
}

/// That a budget which many domains share is spent.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Throttled {
    /// Which budget.
    pub budget: BudgetKind,
    /// When it is tried again.
    pub until: Timestamp,
}

impl Throttled {
    /// Puts the parts together.
    pub const fn new(budget: BudgetKind, until: Timestamp) -> Self {
        Self { budget, until }
    }
}

/// What is limited for many domains together.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BudgetKind {
    /// New certificates below one registered domain.
    Certificates,
    /// Certificates for exactly the same names.
    Duplicates,
    /// New orders of our account.
    Orders,
}

impl BudgetKind {
    /// Returns the stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Certificates => "certificates",
            Self::Duplicates => "duplicates",
            Self::Orders => "orders",
        }
    }
}
