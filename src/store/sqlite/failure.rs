//! What SQLite reports, in the words of this crate.

use rusqlite::ErrorCode;

use super::COMPONENT;
use crate::error::{Error, ErrorKind};

/// What went wrong in one call, before it is known which.
#[derive(Debug)]
pub(super) enum Failure {
    /// SQLite refused, and nothing has happened.
    Sqlite(rusqlite::Error),
    /// SQLite failed while it committed: on disk is all of it or nothing.
    Commit(rusqlite::Error),
    /// A setting was not taken.
    Setting(String),
    /// A stored value is not what this store writes.
    Stored(String),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Failure {
    /// Returns the error of a call.
    pub(super) fn into_error(self, operation: &'static str) -> Error {
        let (kind, message) = self.meaning();
        let error = Error::new(kind, COMPONENT, operation, message);
        self.cause(error)
    }

    /// Returns what it means to the caller.
    pub(super) fn meaning(&self) -> (ErrorKind, &str) {
        match self {
            Self::Sqlite(error) => meaning(error),
            Self::Commit(_) => {
                let message = "the disk failed while the change was written; it may be there";
                (ErrorKind::Unknown, message)
            }
            Self::Setting(message) => (ErrorKind::Unsupported, message),
            Self::Stored(message) => (ErrorKind::Malformed, message),
        }
    }

    /// Adds what SQLite said, if it did, as the source of an error.
    pub(super) fn cause(self, error: Error) -> Error {
        match self {
            Self::Sqlite(source) | Self::Commit(source) => error.with_source(source),
            Self::Setting(_) | Self::Stored(_) => error,
        }
    }

    /// Returns SQLite's code, if it is from there.
    pub(super) fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Sqlite(error) | Self::Commit(error) => error.sqlite_error_code(),
            Self::Setting(_) | Self::Stored(_) => None,
        }
    }
}

/// Returns what an error of a call means that has not happened (<https://sqlite.org/rescode.html>).
fn meaning(error: &rusqlite::Error) -> (ErrorKind, &'static str) {
    let Some(code) = error.sqlite_error_code() else {
        return match error {
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..) => {
                (ErrorKind::Malformed, "a stored value is of another type")
            }
            _ => (ErrorKind::Internal, "a statement was not used as it is meant; please report it"),
        };
    };
    match code {
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::FileLockingProtocolFailed => {
            (ErrorKind::Unavailable, "another process holds the database locked")
        }
        ErrorCode::DiskFull => (ErrorKind::Unavailable, "the disk is full"),
        ErrorCode::ReadOnly => {
            (ErrorKind::Unavailable, "the file, its folder or the disk cannot be written to")
        }
        ErrorCode::CannotOpen => {
            (ErrorKind::Unavailable, "the file or one beside it cannot be opened")
        }
        ErrorCode::SystemIoFailure => (ErrorKind::Unavailable, "the disk failed"),
        ErrorCode::OutOfMemory => (ErrorKind::Unavailable, "there is no memory left"),
        ErrorCode::OperationInterrupted | ErrorCode::OperationAborted => {
            (ErrorKind::Unavailable, "the call was interrupted")
        }
        ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied => {
            (ErrorKind::Denied, "permission denied")
        }
        ErrorCode::DatabaseCorrupt => (ErrorKind::Malformed, "the file is damaged"),
        ErrorCode::NotADatabase => (ErrorKind::Malformed, "the file is not a database"),
        ErrorCode::TooBig => (ErrorKind::Invalid, "a value is too long for the database"),
        // What is left is SQL that does not fit the tables, and misuse of the interface.
        _ => (ErrorKind::Internal, "the tables are not as this store made them; please report it"),
    }
}
