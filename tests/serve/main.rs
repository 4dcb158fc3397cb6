//! The edge, with real handshakes and real HTTP, on a platform in memory.

mod acceptor;
mod responder;
mod world;
