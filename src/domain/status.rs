//! The life of a domain, as one table.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a domain is in its life.
///
/// Short on purpose: ownership, routing, the certificate and its order, and the registration are
/// data of their own beside it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// The tenant has not proved that the name is theirs.
    Pending,
    /// The tenant holds the name.
    Verified,
    /// A certificate is on its way.
    CertificatePending,
    /// A valid certificate serves.
    Active,
    /// The certificate was refused for good; somebody has to change something and ask again.
    Failed,
    /// What we made is being cleaned up.
    Removing,
}

/// What can happen to a domain. Reasons are data of the domain, not of the event.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The tenant proved ownership afresh, and holds the name.
    OwnershipProven,
    /// A certificate is ordered.
    CertificateRequested,
    /// A valid certificate serves.
    CertificateActivated,
    /// The certificate that served is valid no more.
    CertificateLost,
    /// The proof is gone. It may come back: the same record restores.
    OwnershipLost,
    /// The name was sold, transferred or proved by somebody else: a new proof is needed.
    OwnershipReset,
    /// A definitive refusal, never a timeout, and never while a valid certificate serves.
    Failed,
    /// Somebody asked to try again.
    Retried,
    /// The tenant or the platform wants it gone.
    RemovalRequested,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Verified,
        Self::CertificatePending,
        Self::Active,
        Self::Failed,
        Self::Removing,
    ];

    /// Returns the stored name, which never changes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Verified => "verified",
            Self::CertificatePending => "certificate_pending",
            Self::Active => "active",
            Self::Failed => "failed",
            Self::Removing => "removing",
        }
    }

    /// Returns the status that `event` leads to, or `None` if it does not apply here.
    ///
    /// This table is the whole of the lifecycle: nothing else in the crate names a next status.
    pub const fn on(self, event: Event) -> Option<Self> {
        use Event as E;

        Some(match (self, event) {
            (Self::Pending, E::OwnershipProven) => Self::Verified,
            // A fresh proof of what is proved changes nothing.
            (
                Self::Verified | Self::CertificatePending | Self::Active | Self::Failed,
                E::OwnershipProven,
            ) => self,

            (Self::Verified, E::CertificateRequested) => Self::CertificatePending,

            (
                Self::Verified | Self::CertificatePending | Self::Active | Self::Failed,
                E::CertificateActivated,
            ) => Self::Active,

            (Self::Active, E::CertificateLost) => Self::CertificatePending,

            (
                Self::Pending
                | Self::Verified
                | Self::CertificatePending
                | Self::Active
                | Self::Failed,
                E::OwnershipLost | E::OwnershipReset,
            ) => Self::Pending,

            (Self::Verified | Self::CertificatePending, E::Failed) => Self::Failed,

            (Self::Failed, E::Retried) => Self::Pending,

            (
                Self::Pending
                | Self::Verified
                | Self::CertificatePending
                | Self::Active
                | Self::Failed
                | Self::Removing,
                E::RemovalRequested,
            ) => Self::Removing,

            _ => return None,
        })
    }

    /// Returns whether the tenant holds the name in this status.
    pub const fn holds(self) -> bool {
        match self {
            Self::Verified | Self::CertificatePending | Self::Active | Self::Failed => true,
            Self::Pending | Self::Removing => false,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Event {
    /// Every event.
    pub const ALL: [Self; 9] = [
        Self::OwnershipProven,
        Self::CertificateRequested,
        Self::CertificateActivated,
        Self::CertificateLost,
        Self::OwnershipLost,
        Self::OwnershipReset,
        Self::Failed,
        Self::Retried,
        Self::RemovalRequested,
    ];

    /// Returns the stored name, which never changes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OwnershipProven => "ownership_proven",
            Self::CertificateRequested => "certificate_requested",
            Self::CertificateActivated => "certificate_activated",
            Self::CertificateLost => "certificate_lost",
            Self::OwnershipLost => "ownership_lost",
            Self::OwnershipReset => "ownership_reset",
            Self::Failed => "failed",
            Self::Retried => "retried",
            Self::RemovalRequested => "removal_requested",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
