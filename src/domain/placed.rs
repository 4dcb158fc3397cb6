//! Records that we have made in zones, until they are certainly gone.

use serde::{Deserialize, Serialize};

use crate::{clock::Timestamp, id::OrderId, name::DnsName};

/// A TXT record of ours in a zone.
///
/// Written down before it is published, and forgotten only after it was removed twice: once when
/// it was no longer needed, and once more after every call that was under way then has ended. A
/// worker that was stopped in the middle of publishing and went on later is thereby cleaned up
/// after.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Placed {
    /// Where it is.
    pub owner: DnsName,
    /// Its value.
    pub value: String,
    /// The order that it is for.
    pub order: OrderId,
    /// When it was written down.
    pub since: Timestamp,
    /// How far it is.
    pub placement: Placement,
}

/// How far a record of ours is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Placement {
    /// It is about to be published, or may be.
    Publishing,
    /// The provider has taken it.
    Present,
    /// It is to be removed.
    Leaving,
    /// The provider has removed it; it is removed once more at this time.
    Swept {
        /// When.
        again_at: Timestamp,
    },
}

impl Placed {
    /// Creates a record that is about to be published.
    pub const fn new(owner: DnsName, value: String, order: OrderId, since: Timestamp) -> Self {
        Self { owner, value, order, since, placement: Placement::Publishing }
    }
}
