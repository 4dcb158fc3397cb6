//! Zones: what is in one, and what is to change.

mod change;
mod sets;

pub use change::{ChangeError, ChangeSet, SetChange};
pub use sets::{Zone, ZoneError};
