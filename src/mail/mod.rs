//! Sending mail.

mod memory;
#[cfg(feature = "smtp")]
mod smtp;

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::error::Result;

pub use memory::InMemoryMailer;
#[cfg(feature = "smtp")]
pub use smtp::{Smtp, SmtpBuilder};

/// A message.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Message {
    /// One recipient: an address without a display name.
    pub to: String,
    /// The subject: one line.
    pub subject: String,
    /// The body: plain text.
    pub body: String,
}

impl Message {
    /// Creates a message.
    pub fn new(to: impl Into<String>, subject: impl Into<String>, body: impl Into<String>) -> Self {
        Self { to: to.into(), subject: subject.into(), body: body.into() }
    }
}

/// Something that sends mail.
///
/// # Contract
///
/// Each point is a case of `conformance::mail`.
///
/// * `Ok` means that a mail server has taken the message, not that anybody has read it.
/// * A line break in the recipient or the subject is `Invalid`, and nothing is sent.
/// * A call that failed with `Unknown` may have sent the message.
///
/// # Errors
///
/// `Invalid`, `Refused` (the server does not take it), `Denied`, `RateLimited`, `Unavailable`,
/// `Unknown`.
#[async_trait]
#[diagnostic::on_unimplemented(message = "`{Self}` is not a `Mailer`")]
pub trait Mailer: fmt::Debug + Send + Sync + 'static {
    /// Sends a message.
    async fn send(&self, message: &Message) -> Result<()>;
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<M: Mailer + ?Sized> Mailer for $pointer {
            async fn send(&self, message: &Message) -> Result<()> {
                (**self).send(message).await
            }
        }
    )*};
}

forward!(Arc<M>, Box<M>);
