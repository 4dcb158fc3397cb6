//! The engine under load: heartbeats, panics, poison, fairness, budgets, pauses, shutdown.
//!
//! Time is virtual: tokio's clock is stopped and jumps to the next timer when nothing else can go on.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

#[path = "../common/mod.rs"]
mod common;

mod budget;
mod crew;
mod fair;
mod pause;
mod poison;
mod slow;
mod upkeep;
