//! What tests and simulations of a platform's own backends need.
//!
//! * [`Tap`] and [`Tape`] kill or stop a process before or after any call that it makes, with your own
//!   backends below: the first thing to try, beside the contracts of `conformance`. Its example is a
//!   whole test.
//! * [`sim`] leads whole histories from a seed on a store of your own, with faults, virtual time and
//!   promises that are checked after every commit.
//! * [`Layered`] with [`StoreLayer`], [`DnsLayer`] and [`AuthorityLayer`] changes single calls of a
//!   backend, for faults of your own.
//! * [`SeededRandom`] and [`EndlessTimer`] take chance and time out of a test.
//!
//! Not covered by semantic versioning.

mod chance;
mod layer;
pub mod sim;
mod tap;
mod tape;
mod timer;

pub use chance::SeededRandom;
pub use layer::{AuthorityLayer, DnsLayer, Layered, StoreLayer};
pub use tap::Tap;
pub use tape::{Moment, Point, Tape};
pub use timer::EndlessTimer;
