//! What tests and simulations of a platform's own backends need.
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
