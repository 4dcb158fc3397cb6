//! What can go wrong, sorted by what the caller can do about it.

use std::{error::Error as StdError, fmt, time::Duration};

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What could not be done, to what, and whether it is worth trying again.
///
/// The engine decides what to do next from [`Error::kind`] alone. The message and the
/// [`source`](StdError::source) are for people. Neither ever carries a secret.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    component: &'static str,
    operation: &'static str,
    message: String,
    code: Option<String>,
    subject: Option<String>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The outcomes of a call, one for each thing that a caller can do next.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The thing is there already; [`Error::subject`] is its id.
    AlreadyExists,
    /// A race was lost: somebody else changed it in between.
    Conflict,
    /// The credentials do not permit it.
    Denied,
    /// A bug in nameplate. Please report it.
    Internal,
    /// The input cannot be right, whatever the state.
    Invalid,
    /// The service answered nonsense.
    Malformed,
    /// There is no such thing, or it is another tenant's.
    NotFound,
    /// The state that it is in forbids it.
    Precondition,
    /// A limit that does not refill by waiting.
    Quota,
    /// A limit that refills; see [`Error::retry_after`].
    RateLimited,
    /// The service says no, for good.
    Refused,
    /// The service could not be asked; nothing has happened.
    Unavailable,
    /// The call may have taken effect: read before trying again.
    Unknown,
    /// The backend cannot do this.
    Unsupported,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [Self; 14] = [
        Self::AlreadyExists,
        Self::Conflict,
        Self::Denied,
        Self::Internal,
        Self::Invalid,
        Self::Malformed,
        Self::NotFound,
        Self::Precondition,
        Self::Quota,
        Self::RateLimited,
        Self::Refused,
        Self::Unavailable,
        Self::Unknown,
        Self::Unsupported,
    ];

    /// Returns the stable name, for stored data and metrics labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AlreadyExists => "already_exists",
            Self::Conflict => "conflict",
            Self::Denied => "denied",
            Self::Internal => "internal",
            Self::Invalid => "invalid",
            Self::Malformed => "malformed",
            Self::NotFound => "not_found",
            Self::Precondition => "precondition",
            Self::Quota => "quota",
            Self::RateLimited => "rate_limited",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::Unknown => "unknown",
            Self::Unsupported => "unsupported",
        }
    }

    /// Returns the kind that [`as_str`](Self::as_str) names.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Returns whether the same call may succeed later with nothing changed.
    pub const fn is_transient(self) -> bool {
        match self {
            Self::Conflict
            | Self::Malformed
            | Self::RateLimited
            | Self::Unavailable
            | Self::Unknown => true,
            Self::AlreadyExists
            | Self::Denied
            | Self::Internal
            | Self::Invalid
            | Self::NotFound
            | Self::Precondition
            | Self::Quota
            | Self::Refused
            | Self::Unsupported => false,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for ErrorKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for ErrorKind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::from_name(&name)
            .ok_or_else(|| serde::de::Error::custom(format!("unknown error kind `{name}`")))
    }
}

impl Error {
    /// Longest message that is kept, in bytes; what services answer is cut to this.
    const MESSAGE_LIMIT: usize = 500;

    /// Creates an error of `component` (a backend's name, `engine`, ..) in `operation`.
    ///
    /// Control characters in `message` become spaces, and it is cut after 500 bytes, since it may
    /// hold text that came from outside.
    pub fn new(
        kind: ErrorKind,
        component: &'static str,
        operation: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self(Box::new(Inner {
            kind,
            component,
            operation,
            message: printable(message.into(), Self::MESSAGE_LIMIT),
            code: None,
            subject: None,
            retry_after: None,
            source: None,
        }))
    }

    /// Adds what caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds how long the service asks to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Adds the service's own code for it.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(printable(code.into(), 100));
        self
    }

    /// Adds the id of the thing that it is about.
    #[must_use]
    pub fn with_subject(mut self, subject: impl fmt::Display) -> Self {
        self.0.subject = Some(subject.to_string());
        self
    }

    /// Returns the outcome.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the backend or part of the crate that reports it.
    pub fn component(&self) -> &'static str {
        self.0.component
    }

    /// Returns what was being done.
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// Returns what went wrong, in one line.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the service's own code, if it gave one.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// Returns the id of the thing that it is about, as for [`ErrorKind::AlreadyExists`].
    pub fn subject(&self) -> Option<&str> {
        self.0.subject.as_deref()
    }

    /// Returns how long the service asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

/// Makes `text` one line of at most `limit` bytes without control characters.
fn printable(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit));
        text.push_str("..");
    }
    if text.chars().any(char::is_control) {
        text = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    }
    text
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { component, operation, message, .. } = &*self.0;
        // Not the source: whoever prints the chain prints it.
        write!(f, "{component}: {operation}: {message}")
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, component, operation, message, code, subject, retry_after, source } =
            &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("component", component)
            .field("operation", operation)
            .field("message", message)
            .field("code", code)
            .field("subject", subject)
            .field("retry_after", retry_after)
            .field("source", source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_kinds_are_distinct_and_read_back() {
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::from_name(kind.as_str()), Some(kind));
        }
    }

    #[test]
    fn text_from_outside_becomes_one_bounded_line() {
        let error = Error::new(ErrorKind::Refused, "ca", "open", "a\nb\u{1b}[31m".repeat(1000));
        let shown = error.to_string();
        assert!(shown.len() < 600);
        assert!(!shown.chars().any(char::is_control));
    }

    #[test]
    fn display_does_not_repeat_the_source() {
        let error =
            Error::new(ErrorKind::Unavailable, "dns", "apply", "zone example.com: no answer")
                .with_source("connection refused");
        assert_eq!(error.to_string(), "dns: apply: zone example.com: no answer");
        assert_eq!(
            StdError::source(&error).map(ToString::to_string).as_deref(),
            Some("connection refused")
        );
    }
}
