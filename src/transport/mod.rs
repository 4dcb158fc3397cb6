//! The seam to HTTP: what a backend asks of a client, and what a status means.
//!
//! Backends see [`HttpClient`] alone, so that a platform may bring its own client, with its own
//! proxy, metrics and limits, and so that a test answers from memory. `ReqwestClient` is the
//! client that comes with the feature `reqwest`.

#[cfg(any(
    feature = "http-probe",
    feature = "postgres-tls",
    feature = "reqwest",
    feature = "rustls",
    feature = "smtp"
))]
mod crypto;
#[cfg(any(feature = "hickory", feature = "rfc2136"))]
pub(crate) mod dns;
#[cfg(feature = "reqwest")]
mod guard;
#[cfg(feature = "reqwest")]
mod reqwest;
#[cfg(any(feature = "postgres-tls", feature = "reqwest", feature = "smtp"))]
mod tls;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::NaiveDateTime;

use crate::{
    clock::{self, Timestamp},
    error::{ErrorKind, Result},
};

#[cfg(feature = "reqwest")]
pub use self::reqwest::{ReqwestClient, ReqwestClientBuilder};
#[cfg(any(
    feature = "http-probe",
    feature = "postgres-tls",
    feature = "reqwest",
    feature = "rustls",
    feature = "smtp"
))]
pub use crypto::CryptoProvider;

/// The methods that backends use (RFC 9110 section 9.3, RFC 5789).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names of RFC 9110")]
pub enum Method {
    Delete,
    Get,
    Head,
    Patch,
    Post,
    Put,
}

impl Method {
    /// Returns the name as it is sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }
}

/// Whether a request asks or changes something: what a lost answer means depends on it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Effect {
    /// Nothing changes: a failure is [`ErrorKind::Unavailable`].
    Reads,
    /// Something may change: a failure after sending is [`ErrorKind::Unknown`].
    Writes,
}

/// A request.
///
/// Its `Debug` shows neither values of headers, nor the query, nor the body: each may be a secret.
#[derive(Clone)]
#[non_exhaustive]
pub struct Request {
    /// What to do.
    pub method: Method,
    /// The absolute URL.
    pub url: String,
    /// Names, in lower case, and values.
    pub headers: Vec<(&'static str, String)>,
    /// The content, empty for none.
    pub body: Vec<u8>,
    /// Whether it changes something.
    pub effect: Effect,
    /// Largest content of the answer that is accepted, in bytes.
    pub limit: usize,
}

impl Request {
    /// Largest content of an answer that is accepted if nothing else is said: 1 MiB.
    pub const LIMIT: usize = 1024 * 1024;

    /// Creates a request without content.
    ///
    /// `GET` and `HEAD` read, all others write unless [`reading`](Self::reading) says otherwise.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        let effect = match method {
            Method::Get | Method::Head => Effect::Reads,
            Method::Delete | Method::Patch | Method::Post | Method::Put => Effect::Writes,
        };
        let (headers, body) = (Vec::new(), Vec::new());
        Self { method, url: url.into(), headers, body, effect, limit: Self::LIMIT }
    }

    /// Adds a header; `name` in lower case.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sets the content.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the largest content of the answer that is accepted.
    #[must_use]
    pub const fn with_limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Says that the request changes nothing, whatever its method.
    #[must_use]
    pub const fn reading(mut self) -> Self {
        self.effect = Effect::Reads;
        self
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method.as_str())
            .field("url", &without_query(&self.url))
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("body", &format_args!("{} bytes", self.body.len()))
            .field("effect", &self.effect)
            .finish_non_exhaustive()
    }
}

/// An answer, whatever its status.
///
/// Its `Debug` shows neither values of headers nor the content.
#[derive(Clone)]
#[non_exhaustive]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names, in lower case, and values; a value that is not text is left out.
    pub headers: Vec<(String, String)>,
    /// The content.
    pub body: Vec<u8>,
}

impl Response {
    /// Creates an answer without headers.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// Adds a header; `name` in lower case.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Returns the first value of a header; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns how long the answer asks to wait (RFC 9110 section 10.2.3).
    pub fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        retry_after(self.header("retry-after")?, now)
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}

/// Something that sends a request and returns the answer.
///
/// # Contract
///
/// * An answer of any status is `Ok`: what a status means is for the caller to say, with
///   [`kind_of`].
/// * A redirect is an answer like others and is not followed, so that credentials stay where they
///   were sent.
/// * An answer larger than [`Request::limit`] is not read to its end.
/// * Every call ends by itself: the client has time limits.
/// * Nothing is sent a second time, unless it is certain that it did not arrive.
/// * Methods may be called at the same time.
///
/// # Cancellation
///
/// A dropped call may have been sent.
///
/// # Errors
///
/// `Unavailable` when nothing was sent, or the request [reads](Effect::Reads); `Unknown` when it may
/// have arrived; `Malformed` for an answer that is too large; `Invalid` for a request that cannot
/// be sent.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an `HttpClient`",
    note = "use `nameplate::transport::ReqwestClient` (feature `reqwest`) or implement \
            `nameplate::transport::HttpClient`"
)]
pub trait HttpClient: fmt::Debug + Send + Sync + 'static {
    /// Sends the request and returns the answer with all of its content.
    async fn send(&self, request: Request) -> Result<Response>;
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<C: HttpClient + ?Sized> HttpClient for $pointer {
            async fn send(&self, request: Request) -> Result<Response> {
                (**self).send(request).await
            }
        }
    )*};
}

forward!(Arc<C>, Box<C>);

/// Returns what a status means (RFC 9110 section 15), or `None` if it is a success.
///
/// A failure of the server leaves open whether a [write](Effect::Writes) took effect; also 503
/// does, since it may come from something in front of the server. Redirects are not followed, so
/// they make no sense here.
pub const fn kind_of(status: u16, effect: Effect) -> Option<ErrorKind> {
    Some(match status {
        200..=299 => return None,
        401 | 403 | 407 => ErrorKind::Denied,
        402 => ErrorKind::Quota,
        404 | 410 => ErrorKind::NotFound,
        // The server did not get, or did not look at, the request.
        408 | 421 | 425 => ErrorKind::Unavailable,
        409 => ErrorKind::Conflict,
        412 | 428 => ErrorKind::Precondition,
        429 => ErrorKind::RateLimited,
        400..=499 => ErrorKind::Refused,
        501 => ErrorKind::Unsupported,
        500..=599 => match effect {
            Effect::Reads => ErrorKind::Unavailable,
            Effect::Writes => ErrorKind::Unknown,
        },
        _ => ErrorKind::Malformed,
    })
}

/// Longest wait that a service can ask for. Let's Encrypt's longest rate limit refills within a week.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(7 * 86_400);

/// Reads the value of a `Retry-After` header (RFC 9110 section 10.2.3): seconds, or a date in one
/// of the three forms of section 5.6.7.
///
/// What is longer than [`MAX_RETRY_AFTER`] becomes that, a date in the past zero, and nonsense
/// `None`.
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are longer than any limit.
        let seconds = value.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER));
    }
    ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(value, form).ok())
        .map(|date| clock::between(now, date.and_utc()).min(MAX_RETRY_AFTER))
}

/// Returns the URL without its query, which may hold a token, for messages.
pub(crate) fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-21T10:00:00Z".parse().unwrap()
    }

    #[test]
    fn every_status_has_one_meaning() {
        use ErrorKind::*;
        for (status, read, write) in [
            (301, Malformed, Malformed),
            (400, Refused, Refused),
            (401, Denied, Denied),
            (403, Denied, Denied),
            (404, NotFound, NotFound),
            (408, Unavailable, Unavailable),
            (409, Conflict, Conflict),
            (412, Precondition, Precondition),
            (418, Refused, Refused),
            (429, RateLimited, RateLimited),
            (500, Unavailable, Unknown),
            (501, Unsupported, Unsupported),
            (503, Unavailable, Unknown),
            (504, Unavailable, Unknown),
            (0, Malformed, Malformed),
            (999, Malformed, Malformed),
        ] {
            assert_eq!(kind_of(status, Effect::Reads), Some(read), "{status}");
            assert_eq!(kind_of(status, Effect::Writes), Some(write), "{status}");
        }
        for status in [200, 201, 204, 299] {
            assert_eq!(kind_of(status, Effect::Writes), None, "{status}");
        }
    }

    #[test]
    fn waits_are_read_in_seconds_and_as_dates_and_are_bounded() {
        for (value, seconds) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("99999999999999999999999999", Some(MAX_RETRY_AFTER.as_secs())),
            ("604801", Some(MAX_RETRY_AFTER.as_secs())),
            ("Sat, 21 Nov 2026 10:00:30 GMT", Some(30)),
            ("Saturday, 21-Nov-26 10:01:00 GMT", Some(60)),
            ("Sat Nov 21 10:00:05 2026", Some(5)),
            ("Sun Nov  1 10:00:05 2026", Some(0)),
            ("Fri, 31 Dec 1999 23:59:59 GMT", Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(MAX_RETRY_AFTER.as_secs())),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("Sat, 99 Nov 2026 10:00:30 GMT", None),
        ] {
            assert_eq!(retry_after(value, now()).map(|wait| wait.as_secs()), seconds, "{value:?}");
        }
    }

    #[test]
    fn debug_shows_nothing_that_may_be_secret() {
        let request = Request::new(Method::Post, "https://api.example/x?key=hunter2#hunter2")
            .with_header("authorization", "hunter2")
            .with_body("hunter2");
        let response = Response::new(200, "hunter2").with_header("set-cookie", "hunter2");
        let shown = format!("{request:?} {response:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("https://api.example/x"), "{shown}");
    }

    #[test]
    fn the_effect_follows_the_method_unless_said_otherwise() {
        assert_eq!(Request::new(Method::Get, "").effect, Effect::Reads);
        assert_eq!(Request::new(Method::Head, "").effect, Effect::Reads);
        assert_eq!(Request::new(Method::Delete, "").effect, Effect::Writes);
        assert_eq!(Request::new(Method::Post, "").reading().effect, Effect::Reads);
    }
}
