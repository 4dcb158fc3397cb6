//! The sender's side.

use std::{fmt::Write as _, sync::Arc};

use async_trait::async_trait;

use super::{Endpoint, ID, SIGNATURE, SigningSecret, TIMESTAMP, secret::Written};
use crate::{
    clock::{Clock, SystemClock},
    engine::{Envelope, Subscriber},
    error::{Error, ErrorKind, Result},
    transport::{Effect, HttpClient, Method, Request, kind_of, without_query},
};

/// Largest answer that is read, in bytes: what it says does not matter.
const ANSWER: usize = 64 * 1024;

/// A subscriber that sends each notice to a URL, signed.
///
/// A `POST` with the envelope as JSON. An answer from 200 to 299 means that it was taken. 410 means that
/// nobody is there any more: later notices of that domain are dead letters until they are
/// [revived](crate::engine::Deliveries::revive). Everything else is tried again: redirects are
/// not followed, `Retry-After` is honored, and an answer of more than 64 KiB counts as none.
///
/// # Assumptions
///
/// If others choose the URL, the client must connect to public addresses only, as
/// `ReqwestClientBuilder::with_public_addresses_only` makes it: where a name leads is known when it is
/// connected to, and not before.
#[derive(Clone, Debug)]
pub struct Webhook {
    id: String,
    endpoint: Endpoint,
    client: Arc<dyn HttpClient>,
    secrets: Vec<SigningSecret>,
    clock: Arc<dyn Clock>,
}

impl Webhook {
    /// Creates a webhook. Under `id` is stored how far it was told: see [`Subscriber::id`].
    pub fn new(
        id: impl Into<String>,
        endpoint: Endpoint,
        secret: SigningSecret,
        client: impl HttpClient,
    ) -> Self {
        Self {
            id: id.into(),
            endpoint,
            client: Arc::new(client),
            secrets: vec![secret],
            clock: Arc::new(SystemClock),
        }
    }

    /// Signs with another secret as well: until every receiver has the new one.
    #[must_use]
    pub fn with_secret(mut self, secret: SigningSecret) -> Self {
        self.secrets.push(secret);
        self
    }

    /// Takes the time of an attempt from somewhere else than the operating system.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Writes a notice as it is sent now.
    fn request(&self, envelope: &Envelope, seconds: i64) -> Result<Request> {
        let body = envelope.to_json()?;
        let mut signatures = String::new();
        for secret in &self.secrets {
            let Some(signature) = secret.sign(&envelope.id, seconds, body.as_bytes()) else {
                return Err(self.error(ErrorKind::Internal, "it cannot be signed"));
            };
            let space = if signatures.is_empty() { "" } else { " " };
            // Writing to a string cannot fail.
            let _ = write!(signatures, "{space}{}", Written(&signature));
        }
        Ok(Request::new(Method::Post, self.endpoint.url())
            .with_header("content-type", "application/json")
            .with_header(ID, envelope.id.clone())
            .with_header(TIMESTAMP, seconds.to_string())
            .with_header(SIGNATURE, signatures)
            .with_body(body)
            .with_limit(ANSWER))
    }

    /// An error that shows of the URL what may be shown.
    fn error(&self, kind: ErrorKind, what: impl std::fmt::Display) -> Error {
        let message = format!("{}: {what}", self.endpoint.origin());
        Error::new(kind, "webhook", "deliver", message)
    }
}

#[async_trait]
impl Subscriber for Webhook {
    fn id(&self) -> &str {
        &self.id
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<()> {
        let request = self.request(envelope, self.clock.now().timestamp())?;
        let answer = self.client.send(request).await.map_err(|error| {
            // The path may be secret: of the message only what follows it.
            let place = without_query(self.endpoint.url());
            let what = error.message().strip_prefix(place).and_then(|it| it.strip_prefix(": "));
            let kind = retried(error.kind());
            let wait = error.retry_after();
            let error = self.error(kind, what.unwrap_or("it could not be sent"));
            wait.into_iter().fold(error, Error::with_retry_after)
        })?;
        let status = answer.status;
        let (kind, what) = match kind_of(status, Effect::Writes) {
            None => return Ok(()),
            Some(_) if status == 410 => (ErrorKind::NotFound, "nobody wants webhooks any more"),
            Some(_) if (300..400).contains(&status) => {
                (ErrorKind::Malformed, "a redirect, which is not followed")
            }
            Some(kind) => (retried(kind), "it was not taken"),
        };
        let error = self.error(kind, format_args!("status {status}: {what}"));
        let error = error.with_code(status.to_string());
        let wait = answer.retry_after(self.clock.now());
        Err(wait.into_iter().fold(error, Error::with_retry_after))
    }
}

/// Returns a kind that is tried again: an endpoint that is wrong today may be put right tomorrow.
const fn retried(kind: ErrorKind) -> ErrorKind {
    match kind {
        ErrorKind::NotFound | ErrorKind::Refused => ErrorKind::Unavailable,
        other => other,
    }
}

#[cfg(test)]
mod tests;
