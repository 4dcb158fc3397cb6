//! Zones: what is in one, what is wrong in it, what is to change, and the files that hold one.
//!
//! [`Zone`] holds record sets. [`changes`] compares the zone as it is with the records that are wanted
//! and says what is to change, within what is ours; the [`ChangeSet`] in its [`Plan`] is what a
//! [`DnsProvider`](crate::dns::DnsProvider) applies. [`lint`](lint()) finds what is wrong with records
//! together. [`ZoneFile`] reads and writes master files.

mod change;
mod file;
mod lint;
mod plan;
mod sets;

pub use change::{ChangeError, ChangeSet, SetChange};
pub use file::{ZoneFile, ZoneFileError, ZoneFileErrors, ZoneFileRule, ZoneFileTypeError};
pub use lint::{Finding, LintCode, Severity, lint};
pub use plan::{
    Change, ChangePolicy, Conflict, ConflictReason, Markers, MarkersError, Ownership, Plan,
    PlanError, changes,
};
pub use sets::{Zone, ZoneError};
