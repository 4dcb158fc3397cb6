//! Zones: what is in one, and what is to change.
//!
//! [`Zone`] holds record sets. [`changes`] compares the zone as it is with the records that are wanted
//! and says what is to change, within what is ours; the [`ChangeSet`] in its [`Plan`] is what a
//! [`DnsProvider`](crate::dns::DnsProvider) applies.

mod change;
mod plan;
mod sets;

pub use change::{ChangeError, ChangeSet, SetChange};
pub use plan::{
    Change, ChangePolicy, Conflict, ConflictReason, Markers, MarkersError, Ownership, Plan,
    PlanError, changes,
};
pub use sets::{Zone, ZoneError};
