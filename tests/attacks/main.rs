//! Attacks, by their numbers: each test shows first that the rightful flow succeeds under the same
//! set-up, and then that the attack is refused. The numbers are those of `docs/security.md`.
#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

mod certificates;
mod checklist;
mod claims;
#[path = "../common/mod.rs"]
mod common;
mod dns;
mod dns_names;
mod documented;
mod email;
mod holders;
mod http;
mod names;
mod platform;
mod scene;
mod tokens;
#[path = "../common/web.rs"]
mod web;
mod zones;
