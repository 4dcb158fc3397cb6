//! The edge, with real handshakes and real HTTP, on a platform in memory.
#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

mod acceptor;
mod responder;
mod world;
