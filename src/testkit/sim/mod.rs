//! A simulator that hunts for the life that breaks a promise.
//!
//! One seed is one history: some tenants claim names, customers write into their zones, two or three
//! processes do the work, and faults strike wherever a process calls a backend. Time is virtual, and
//! everything that happens follows from the seed, so that a history can be run again to the last
//! detail. After every commit, and when everything has come to rest, the promises of
//! [`Invariant`] are checked.
//!
//! ```
//! use nameplate::testkit::sim::Scenario;
//!
//! let scenario = Scenario::new();
//! for seed in 0..20 {
//!     let history = scenario.run(seed);
//!     assert!(history.breach().is_none(), "{}", scenario.shrink(seed));
//! }
//! ```
//!
//! # A platform's own backends
//!
//! [`Scenario::with_store`] runs the same histories on another store: one that lives by the clock
//! that it is given. It may work on a thread of its own: virtual time stands still meanwhile.

mod broken;
mod check;
mod claims;
mod core;
mod coverage;
mod deal;
mod dice;
mod fault;
mod faulty;
mod guard;
mod hearing;
mod history;
mod invariant;
mod letters;
mod link;
mod listener;
mod model;
mod mutant;
mod outbox;
mod pages;
mod people;
mod plan;
mod rest;
mod revision;
mod run;
mod shift;
mod story;
mod title;
mod truth;
mod vault;
mod view;
mod watch;
mod weather;
mod world;

pub use coverage::{Coverage, Occurrence, UNREACHED};
pub use fault::FaultKind;
pub use history::{History, Less, Profile, Scenario};
pub use invariant::{Breach, Invariant};
pub use mutant::Mutant;
