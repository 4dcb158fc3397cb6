//! What PostgreSQL and its driver report, in the words of this crate.

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::error::{Severity, SqlState};

use super::COMPONENT;
use crate::error::{Error, ErrorKind};

type Driver = tokio_postgres::Error;

/// What went wrong in one attempt.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server refused a statement: nothing has happened, and its transaction is over.
    Refused(Driver),
    /// The server did not let us in, or is not there.
    Unconnected(Driver),
    /// No connection came from the pool.
    Pool(&'static str),
    /// The connection broke, or took too long, before a change was asked for.
    Lost(Option<Driver>),
    /// It did so when a change had been asked for: it is there or it is not.
    Doubtful(Option<Driver>),
    /// A stored value is not what this store writes.
    Stored(String),
}

impl From<Driver> for Failure {
    /// Sorts what a statement has reported.
    fn from(error: Driver) -> Self {
        let refused = error.as_db_error().is_some_and(|refusal| {
            let code = refusal.code();
            let fatal =
                matches!(refusal.parsed_severity(), Some(Severity::Fatal | Severity::Panic));
            // 40003: the server itself does not know whether it has happened.
            !fatal
                && !is_class(code, "08")
                && !is_shutdown(code)
                && *code != SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN
        });
        if refused { Self::Refused(error) } else { Self::Lost(Some(error)) }
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::Unconnected(error),
            PoolError::Timeout(TimeoutType::Wait) => {
                Self::Pool("all connections of the pool are in use")
            }
            PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => {
                Self::Pool("the server did not take a connection in time")
            }
            PoolError::Closed => Self::Pool("the pool has been closed"),
            PoolError::NoRuntimeSpecified => {
                Self::Pool("the pool has timeouts and no runtime to measure them with")
            }
            PoolError::PostCreateHook(_) => {
                Self::Pool("a hook of the pool refuses its connections")
            }
        }
    }
}

fn is_class(code: &SqlState, class: &str) -> bool {
    code.code().starts_with(class)
}

fn is_shutdown(code: &SqlState) -> bool {
    [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW]
        .contains(code)
}

/// Whether others were in the way, so that the same transaction may go through when it is run again.
fn is_contention(code: &SqlState) -> bool {
    [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::LOCK_NOT_AVAILABLE,
    ]
    .contains(code)
}

impl Failure {
    /// Says that a change had been asked for.
    pub(super) fn after_change(self) -> Self {
        match self {
            Self::Lost(error) => Self::Doubtful(error),
            other => other,
        }
    }

    fn driver(&self) -> Option<&Driver> {
        match self {
            Self::Refused(error) | Self::Unconnected(error) => Some(error),
            Self::Lost(error) | Self::Doubtful(error) => error.as_ref(),
            Self::Pool(_) | Self::Stored(_) => None,
        }
    }

    /// Returns the code of the server, if it is from there.
    pub(super) fn code(&self) -> Option<&SqlState> {
        self.driver().and_then(Driver::code)
    }

    /// Whether somebody else has taken a key in between.
    pub(super) fn is_taken(&self) -> bool {
        matches!(self, Self::Refused(_)) && self.code() == Some(&SqlState::UNIQUE_VIOLATION)
    }

    /// Whether the connection is of use to somebody else.
    pub(super) fn spares_the_connection(&self) -> bool {
        match self {
            // A server that has become read-only is not the one to write to, once it is found.
            Self::Refused(_) => self.code() != Some(&SqlState::READ_ONLY_SQL_TRANSACTION),
            Self::Stored(_) => true,
            Self::Unconnected(_) | Self::Pool(_) | Self::Lost(_) | Self::Doubtful(_) => false,
        }
    }

    /// Whether the same may go through when it is tried again at once.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Refused(_) => self.code().is_some_and(|code| {
                is_contention(code)
                    || *code == SqlState::UNIQUE_VIOLATION
                    || *code == SqlState::READ_ONLY_SQL_TRANSACTION
            }),
            Self::Unconnected(error) => match error.code() {
                Some(code) => {
                    is_shutdown(code)
                        || is_class(code, "08")
                        || *code == SqlState::TOO_MANY_CONNECTIONS
                }
                None => !is_misuse(error),
            },
            // What took too long is not asked for a second time.
            Self::Lost(error) | Self::Doubtful(error) => error.is_some(),
            Self::Pool(_) | Self::Stored(_) => false,
        }
    }

    /// Returns the error of a call.
    pub(super) fn into_error(self, operation: &'static str, place: &str) -> Error {
        let (kind, what) = self.meaning();
        let mut error = Error::new(kind, COMPONENT, operation, format!("{place}: {what}"));
        if let Some(code) = self.code() {
            error = error.with_code(code.code());
        }
        match self.driver() {
            // Its text and no more: details of the server may quote what is stored.
            Some(driver) => error.with_source(said(driver)),
            None => error,
        }
    }

    /// Returns what it means to the caller.
    pub(super) fn meaning(&self) -> (ErrorKind, String) {
        match self {
            Self::Refused(error) | Self::Unconnected(error) => match error.as_db_error() {
                Some(refusal) => meaning(refusal.code(), refusal.message()),
                None => unconnected(error),
            },
            Self::Pool(what) => (ErrorKind::Unavailable, (*what).to_owned()),
            Self::Lost(Some(_)) => {
                (ErrorKind::Unavailable, "the connection broke; nothing has happened".to_owned())
            }
            Self::Lost(None) => {
                (ErrorKind::Unavailable, "the server did not answer in time".to_owned())
            }
            Self::Doubtful(Some(_)) => {
                let what = "the connection broke while the change was made; it may be there";
                (ErrorKind::Unknown, what.to_owned())
            }
            Self::Doubtful(None) => {
                let what = "the server did not answer in time; the change may be there";
                (ErrorKind::Unknown, what.to_owned())
            }
            Self::Stored(what) => (ErrorKind::Malformed, what.clone()),
        }
    }
}

/// Whether it is not the server that is to blame: the kinds of the driver show in its texts alone.
fn is_misuse(error: &Driver) -> bool {
    let text = error.to_string();
    ["authentication", "TLS", "invalid c"].iter().any(|part| text.contains(part))
}

/// Returns what it means that there is no connection, and the server has not said why.
fn unconnected(error: &Driver) -> (ErrorKind, String) {
    let text = said(error);
    let (kind, what) = if text.contains("authentication") || text.contains("password missing") {
        let what = "the user cannot log in: the server wants a password, and none was given";
        (ErrorKind::Denied, what)
    } else if text.contains("TLS") {
        let what = "no encrypted connection: the server does not offer it, its certificate is not \
             trusted, or it was asked for in the URL alone; see `with_tls`";
        (ErrorKind::Unavailable, what)
    } else if text.contains("invalid c") {
        (ErrorKind::Invalid, "the settings do not say where the server is")
    } else {
        let what = "no connection: the server is down, or its host or port is another one";
        (ErrorKind::Unavailable, what)
    };
    (kind, what.to_owned())
}

/// Returns what a code of the server means
/// (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn meaning(code: &SqlState, message: &str) -> (ErrorKind, String) {
    let (kind, what) = match *code {
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            let what = "the user cannot log in: the name or the password is wrong, or pg_hba.conf \
                 forbids it";
            (ErrorKind::Denied, what)
        }
        SqlState::INVALID_CATALOG_NAME => (ErrorKind::NotFound, "there is no such database"),
        SqlState::INSUFFICIENT_PRIVILEGE => {
            return (ErrorKind::Denied, format!("the user lacks a permission: {message}"));
        }
        SqlState::READ_ONLY_SQL_TRANSACTION => {
            (ErrorKind::Unavailable, "the server can only be read, as in a failover")
        }
        SqlState::DISK_FULL => (ErrorKind::Unavailable, "the disk of the server is full"),
        SqlState::TOO_MANY_CONNECTIONS => {
            (ErrorKind::Unavailable, "the server has no connection left")
        }
        SqlState::QUERY_CANCELED => {
            (ErrorKind::Unavailable, "a statement took too long and was canceled")
        }
        SqlState::CHARACTER_NOT_IN_REPERTOIRE | SqlState::UNTRANSLATABLE_CHARACTER => {
            (ErrorKind::Invalid, "a text holds a zero byte, which PostgreSQL does not keep")
        }
        SqlState::PROGRAM_LIMIT_EXCEEDED => {
            (ErrorKind::Invalid, "a value is too long for the database")
        }
        SqlState::UNDEFINED_TABLE
        | SqlState::UNDEFINED_COLUMN
        | SqlState::UNDEFINED_FUNCTION
        | SqlState::INVALID_SCHEMA_NAME
        | SqlState::DATATYPE_MISMATCH => {
            return (
                ErrorKind::Malformed,
                format!("the tables are not those that nameplate makes: {message}"),
            );
        }
        _ if is_contention(code) || *code == SqlState::UNIQUE_VIOLATION => {
            (ErrorKind::Unavailable, "others kept what it needs locked, or changed it each time")
        }
        _ if is_shutdown(code) => (ErrorKind::Unavailable, "the server starts or stops"),
        _ if is_class(code, "08") => (ErrorKind::Unavailable, "the connection failed"),
        _ if is_class(code, "53") => (ErrorKind::Unavailable, "the server lacks resources"),
        _ if is_class(code, "58") | is_class(code, "XX") => {
            (ErrorKind::Unavailable, "the server failed")
        }
        _ => {
            let what = format!("a statement was refused, please report it: {message}");
            return (ErrorKind::Internal, what);
        }
    };
    (kind, what.to_owned())
}

/// Returns what the driver or the server has said, in one line.
fn said(error: &Driver) -> String {
    if let Some(refusal) = error.as_db_error() {
        return format!("{}: {}", refusal.severity(), refusal.message());
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
