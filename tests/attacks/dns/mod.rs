//! Against the resolver that asks the DNS.

mod bounds;
mod forged;
mod outcome;
mod scene;
mod server;
mod zone;
