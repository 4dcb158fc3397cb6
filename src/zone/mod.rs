//! Zones: what is to change in one.

mod change;

pub use change::{ChangeError, ChangeSet, SetChange};
