//! Tests over the wire, against the servers that `scripts/test` starts.
//!
//! Without the servers they fail: nothing is skipped in silence. All tests share the servers and
//! run at once: each uses names of its own.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

mod acme;
mod alive;
#[path = "../common/mod.rs"]
mod common;
mod conformance;
mod kills;
mod managed;
#[path = "../common/model.rs"]
mod model;
mod ownership;
mod postgres;
mod relocation;
mod replicas;
mod resolver;
mod rfc2136;
#[path = "../common/scratch.rs"]
mod scratch;
#[allow(dead_code, reason = "a map of all servers, of which tests use what they need")]
mod servers;
#[path = "../common/web.rs"]
mod web;
mod zones;
