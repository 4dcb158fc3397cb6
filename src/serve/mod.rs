//! The edge: what a platform puts in front of its customers' sites.
//!
//! [`Acceptor`] completes TLS handshakes with the certificate of whatever name the client asks for,
//! and [`Responder`] answers on plain HTTP: the challenges of certificate authorities, and a
//! redirect for everybody else. Both see the platform's domains through [`Edge`](crate::engine::Edge)
//! alone, keep nothing on disk and spawn nothing: every future belongs to the caller, who limits how
//! many connections there are at a time.
//!
//! # Guarantees
//!
//! * A certificate is loaded before the handshake, once for all connections that wait for it.
//! * Traffic for unknown names reaches neither the certificate authority nor anything that is
//!   written, and no more memory is used than the capacities say.
//! * A removal or a renewal reaches each replica within
//!   [`with_revalidate_after`](AcceptorBuilder::with_revalidate_after), as long as the store answers.
//! * The process-wide crypto provider of rustls is neither used nor set, so that an application may
//!   compile in as many providers as it likes.

mod acceptor;
mod identities;
mod recent;
mod responder;

pub use acceptor::{Accepted, Acceptor, AcceptorBuilder};
pub use identities::{Served, Usage};
pub use responder::{Reply, Responder};
