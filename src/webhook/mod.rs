//! Webhooks: telling a platform's other services over HTTP what happened, and verifying that at the
//! other end.
//!
//! The form is that of the [Standard Webhooks] specification, so that receivers in any language find a
//! library. [`Webhook`] is a [`Subscriber`](crate::engine::Subscriber) that sends each notice to an
//! [`Endpoint`]; [`Verifier`] tells a receiver who sent it, and needs neither a runtime nor HTTP.
//!
//! # Guarantees
//!
//! * The content is the [`Envelope`](crate::engine::Envelope) as JSON and nothing else, and the signature
//!   covers its id, the time of the attempt, and every byte of it.
//! * An endpoint is `https`, without credentials, on a stated port. That its name does not lead into
//!   somebody's own network is up to the client that it is sent with.
//!
//! [Standard Webhooks]: https://www.standardwebhooks.com

mod endpoint;
mod secret;
mod send;
mod verify;

pub use endpoint::Endpoint;
pub use secret::SigningSecret;
pub use send::Webhook;
pub use verify::{Verifier, VerifyError};

/// The header with the id of the notice.
pub const ID: &str = "webhook-id";

/// The header with the time of the attempt, in seconds since 1970.
pub const TIMESTAMP: &str = "webhook-timestamp";

/// The header with the signatures: `v1,` and base64, separated by spaces.
pub const SIGNATURE: &str = "webhook-signature";
