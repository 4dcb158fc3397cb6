//! The tables, and how those of an earlier version become them.

use rusqlite::Connection;

use super::{COMPONENT, failure::Failure};
use crate::error::{Error, ErrorKind};

/// What `PRAGMA application_id` is in our files: `nmpl`.
pub(super) const APPLICATION: i64 = 0x6e6d_706c;

/// What makes each version of the tables from the one before, from version 0: nothing there.
///
/// A step once released never changes. The number of steps is `PRAGMA user_version`.
pub(super) const STEPS: &[&str] =
    &[include_str!("schema/1.sql"), include_str!("schema/2.sql"), include_str!("schema/3.sql")];

/// What a file holds, as far as its header and its list of tables tell.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Found {
    application: i64,
    version: i64,
    tables: i64,
}

impl Found {
    /// Looks, within a transaction, and changes nothing.
    pub(super) fn read(connection: &Connection) -> Result<Self, Failure> {
        let number = |sql| connection.query_row(sql, [], |row| row.get(0));
        Ok(Self {
            application: number("PRAGMA application_id")?,
            version: number("PRAGMA user_version")?,
            tables: number("SELECT count(*) FROM sqlite_schema")?,
        })
    }

    /// Returns how many of `steps` the file has had.
    ///
    /// # Errors
    ///
    /// `Precondition` for a file of another application and for one of a later version.
    fn version(self, steps: &[&str]) -> Result<usize, Refused> {
        if self == (Self { application: 0, version: 0, tables: 0 }) {
            return Ok(0);
        }
        if self.application != APPLICATION {
            return Err(Refused::Foreign);
        }
        let known = usize::try_from(self.version).ok().filter(|version| *version <= steps.len());
        known.ok_or(Refused::Newer(self.version))
    }
}

/// Why a file is left alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refused {
    Foreign,
    Newer(i64),
}

impl Refused {
    fn into_error(self, path: &str, steps: &[&str]) -> Error {
        let message = match self {
            Self::Foreign => format!("{path} is the database of another application"),
            Self::Newer(version) => format!(
                "{path} has tables of version {version}, and this nameplate knows them up to \
                 version {}: use a newer one",
                steps.len()
            ),
        };
        Error::new(ErrorKind::Precondition, COMPONENT, "open", message)
    }
}

/// Refuses a file that is not ours to change.
pub(super) fn check(connection: &Connection, path: &str, steps: &[&str]) -> Result<(), Error> {
    let failed = |error: rusqlite::Error| super::open::error(path, error.into());
    // All that is read is of one moment: another process may just be making the tables.
    connection.execute_batch("BEGIN").map_err(failed)?;
    let found = Found::read(connection);
    if !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK").map_err(failed)?;
    }
    let found = found.map_err(|failure| super::open::error(path, failure))?;
    found.version(steps).map_err(|refused| refused.into_error(path, steps))?;
    Ok(())
}

/// Brings the tables up to date, all steps in one transaction.
pub(super) fn migrate(connection: &Connection, path: &str, steps: &[&str]) -> Result<(), Error> {
    let failed = |error: rusqlite::Error| super::open::error(path, error.into());
    connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
    let done = (|| {
        // Another process may have been faster.
        let found = Found::read(connection).map_err(|failure| super::open::error(path, failure))?;
        let version = found.version(steps).map_err(|refused| refused.into_error(path, steps))?;
        let missing = steps.get(version..).unwrap_or_default();
        if missing.is_empty() {
            return Ok(());
        }
        for step in missing {
            connection.execute_batch(step).map_err(failed)?;
        }
        // A pragma takes no parameters; both numbers are ours.
        let stamp =
            format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {}", steps.len());
        connection.execute_batch(&stamp).map_err(failed)
    })();
    let done = done.and_then(|()| connection.execute_batch("COMMIT").map_err(failed));
    if done.is_err() && !connection.is_autocommit() {
        // What it says is of no more interest than why it is needed.
        let _ = connection.execute_batch("ROLLBACK");
    }
    done
}
