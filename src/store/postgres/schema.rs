//! The tables, and how those of an earlier version become them.

use std::{pin::pin, time::Duration};

use tokio_postgres::{error::SqlState, types::Type};

use super::{
    COMPONENT, Shared,
    failure::Failure,
    link::{Link, Parameter},
    row::column,
    sql::{Sql, Statement},
};
use crate::error::{Error, ErrorKind, Result};

/// The name of a schema: a plain identifier.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    name: String,
    quoted: String,
}

impl Schema {
    /// Longest name, in bytes: PostgreSQL cuts longer ones.
    const MAX: usize = 63;

    /// Takes a name.
    ///
    /// # Errors
    ///
    /// `Invalid` unless it is made of lower-case letters, digits and `_`, begins with none of the
    /// digits, is not too long, and is not one that PostgreSQL keeps for itself.
    pub(super) fn new(name: &str) -> Result<Self> {
        let plain = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        let starts = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
        if !plain || !starts || name.len() > Self::MAX || name.starts_with("pg_") {
            let message = format!(
                "`{name}` is no name for a schema: 1 to {} lower-case letters, digits and `_`, not \
                 a digit first, nor `pg_`",
                Self::MAX
            );
            return Err(Error::new(ErrorKind::Invalid, COMPONENT, "open", message));
        }
        Ok(Self { name: name.to_owned(), quoted: format!("\"{name}\"") })
    }

    /// Returns the name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the name as it stands in a statement.
    pub(super) fn quoted(&self) -> &str {
        &self.quoted
    }
}

/// What makes one version of the tables from the one before.
///
/// All statements may be run again, whatever part of them has been run before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// The oldest version of this store that works on tables that have had this step.
    pub(super) oldest: i64,
    /// The statements.
    pub(super) tables: &'static str,
    /// What tells PostgreSQL itself how the tables are used.
    pub(super) tuning: &'static str,
}

/// The steps, from version 0: nothing there. A step once released never changes.
///
/// Step N makes version N. One that only adds tables, indexes, and columns that may be null or have a
/// default leaves `oldest` as it was in the step before: stores of the version before then go on beside
/// those of this one, since every statement names its columns. Whatever else is wanted takes two
/// releases: one whose store works with both forms, and then the step with `oldest` at that release.
pub(super) const STEPS: &[Step] = &[Step {
    oldest: 1,
    tables: include_str!("schema/1.sql"),
    tuning: include_str!("schema/1.tuning.sql"),
}];

/// A step as it is run.
#[derive(Debug)]
struct Ready {
    oldest: i64,
    tables: Vec<Statement>,
    tuning: Vec<Statement>,
}

/// How long it may take to bring the tables up to date. An index over millions of items takes minutes,
/// and one over all that a large platform ever had not an hour; a server that has gone silent meanwhile
/// is given up all the same.
pub(super) const CHANGING: Duration = Duration::from_secs(3600);

/// The tables, for the question whether they may be written to.
const TABLES: [&str; 5] = ["items", "log", "schedule", "schema_version", "unique_keys"];

/// The oldest version of the server, as `server_version_num`.
const OLDEST_SERVER: i64 = 130_000;

/// What a server says of itself.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) version: i64,
    pub(super) encoding: String,
    pub(super) read_only: bool,
}

impl Server {
    /// Refuses a server that does not do.
    pub(super) fn check(&self, place: &str) -> Result<()> {
        let refuse = |kind, what: String| {
            Err(Error::new(kind, COMPONENT, "open", format!("{place}: {what}")))
        };
        if self.version < OLDEST_SERVER {
            return refuse(
                ErrorKind::Unsupported,
                format!(
                    "the server is version {}.{}, and {} is the oldest that does",
                    self.version / 10_000,
                    self.version % 10_000,
                    OLDEST_SERVER / 10_000
                ),
            );
        }
        if self.encoding != "UTF8" {
            let what = format!("the database is in {}, and has to be in UTF8", self.encoding);
            return refuse(ErrorKind::Unsupported, what);
        }
        if self.read_only {
            let what = "the server can only be read: it is a standby, or fails over";
            return refuse(ErrorKind::Unavailable, what.to_owned());
        }
        Ok(())
    }
}

/// Which tables there are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Found {
    Nothing,
    Schema,
    Version { version: i64, oldest: i64 },
}

impl Found {
    /// Returns the steps that are missing.
    ///
    /// # Errors
    ///
    /// `Precondition` for tables of a later version that are not for this store.
    fn missing(self, place: &str, steps: &'static [Step]) -> Result<&'static [Step]> {
        let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
        let Self::Version { version, oldest } = self else { return Ok(steps) };
        if version > known && oldest > known {
            let message = format!(
                "{place}: the tables are of version {version}, which this nameplate cannot work \
                 with: it knows them up to version {known}; use a newer one"
            );
            return Err(Error::new(ErrorKind::Precondition, COMPONENT, "open", message));
        }
        let done = usize::try_from(version).unwrap_or(usize::MAX);
        Ok(steps.get(done..).unwrap_or_default())
    }
}

type Attempt<T> = std::result::Result<T, Failure>;

impl Shared {
    /// Looks what is there, and brings the tables up to date.
    pub(super) async fn prepare(&self, steps: &'static [Step]) -> Result<()> {
        let ready = steps.iter().map(|step| self.ready(step)).collect::<Result<Vec<_>>>()?;
        let mut tries = self.tries("open");
        loop {
            match self.prepare_once(steps, &ready).await {
                Ok(done) => return done,
                // Another replica makes the same tables at this moment.
                Err(failure) if is_race(&failure) => {
                    tries.again_if(true, failure).await?;
                }
                Err(failure) => tries.again(failure).await?,
            }
        }
    }

    fn ready(&self, step: &Step) -> Result<Ready> {
        let tuning = if self.distributed { "" } else { step.tuning };
        Ok(Ready {
            oldest: step.oldest,
            tables: Sql::file(&self.schema, step.tables, self.distributed)?,
            tuning: Sql::file(&self.schema, tuning, self.distributed)?,
        })
    }

    async fn prepare_once(&self, steps: &'static [Step], ready: &[Ready]) -> Attempt<Result<()>> {
        let link = self.limited(pin!(self.link())).await?;
        let done = self.prepare_on(&link, steps, ready).await;
        link.settle(&done);
        done
    }

    async fn prepare_on(
        &self,
        link: &Link,
        steps: &'static [Step],
        ready: &[Ready],
    ) -> Attempt<Result<()>> {
        let (found, missing) = match self.limited(pin!(self.look_around(link, steps))).await? {
            Ok(there) => there,
            Err(error) => return Ok(Err(error)),
        };
        if !missing.is_empty() {
            let before = steps.len().saturating_sub(missing.len());
            let changed = pin!(self.change_tables(link, found, before, ready));
            self.limited_to(CHANGING.max(self.patience), changed).await?;
        }
        self.limited(pin!(self.permitted(link))).await
    }

    /// Returns what there is, and which steps are missing.
    async fn look_around(
        &self,
        link: &Link,
        steps: &'static [Step],
    ) -> Attempt<Result<(Found, &'static [Step])>> {
        let server = self.server(link).await?;
        if let Err(error) = server.check(&self.place) {
            return Ok(Err(error));
        }
        let found = self.found(link).await?;
        Ok(found.missing(&self.place, steps).map(|missing| (found, missing)))
    }

    async fn change_tables(
        &self,
        link: &Link,
        found: Found,
        before: usize,
        ready: &[Ready],
    ) -> Attempt<()> {
        if self.distributed {
            // Each statement on its own: changes of tables are not transactions everywhere.
            return self.migrate(link, found, before, ready).await;
        }
        link.simple(&self.sql.begin_step).await?;
        let made = self.migrate(link, found, before, ready).await;
        if let Err(failure) = made {
            if failure.spares_the_connection() {
                link.simple(&self.sql.rollback).await?;
            }
            return Err(failure);
        }
        link.simple(&self.sql.commit).await
    }

    async fn server(&self, link: &Link) -> Attempt<Server> {
        let rows = link.rows(&self.sql.server, &[]).await?;
        let row = rows.first().ok_or_else(|| Failure::Stored("no answer".to_owned()))?;
        let read_only: String = column(row, 2)?;
        Ok(Server {
            version: column(row, 0)?,
            encoding: column(row, 1)?,
            read_only: read_only == "on",
        })
    }

    async fn found(&self, link: &Link) -> Attempt<Found> {
        let name = self.schema.name();
        let rows = link.rows(&self.sql.there, &[(&name, Type::TEXT)]).await?;
        let Some(row) = rows.first() else { return Ok(Found::Nothing) };
        if !column::<bool>(row, 1)? {
            return Ok(Found::Schema);
        }
        let rows = link.rows(&self.sql.version, &[]).await?;
        // Somebody has made the table and nothing else.
        let Some(row) = rows.first() else { return Ok(Found::Schema) };
        Ok(Found::Version { version: column(row, 0)?, oldest: column(row, 1)? })
    }

    async fn migrate(
        &self,
        link: &Link,
        found: Found,
        before: usize,
        ready: &[Ready],
    ) -> Attempt<()> {
        // Who may not create schemas can be given one.
        if found == Found::Nothing {
            link.simple(&self.sql.create_schema).await?;
        }
        link.simple(&self.sql.create_versions).await?;
        let last = i64::try_from(ready.len()).unwrap_or(i64::MAX);
        for (version, step) in (1_i64..).zip(ready).skip(before) {
            for statement in &step.tables {
                link.simple(statement).await?;
            }
            // A table of the same name was left as it is, whosever it is.
            if version == last {
                for statement in &self.sql.shape {
                    link.simple(statement).await?;
                }
            }
            for statement in &step.tuning {
                link.simple(statement).await?;
            }
            let numbers: [Parameter<'_>; 2] = [(&version, Type::INT8), (&step.oldest, Type::INT8)];
            link.run(&self.sql.stamp, &numbers).await?;
        }
        Ok(())
    }

    /// Checks that the tables can be written to, before anything else finds that they cannot.
    async fn permitted(&self, link: &Link) -> Attempt<Result<()>> {
        let tables: Vec<String> = TABLES
            .iter()
            .filter(|table| **table != "schema_version")
            .map(|table| format!("{}.{table}", self.schema.quoted()))
            .collect();
        let rows = link.rows(&self.sql.forbidden, &[(&tables, Type::TEXT_ARRAY)]).await?;
        let Some(row) = rows.first() else { return Ok(Ok(())) };
        let table: String = column(row, 0)?;
        let message = format!(
            "{}: the user lacks a permission: GRANT SELECT, INSERT, UPDATE, DELETE ON {table}",
            self.place
        );
        Ok(Err(self.error(ErrorKind::Denied, "open", message)))
    }
}

/// Whether two replicas have made the same thing at once: one of them is told so in one of these ways.
fn is_race(failure: &Failure) -> bool {
    let codes = [
        SqlState::UNIQUE_VIOLATION,
        SqlState::DUPLICATE_TABLE,
        SqlState::DUPLICATE_SCHEMA,
        SqlState::DUPLICATE_OBJECT,
        SqlState::INTERNAL_ERROR,
    ];
    matches!(failure, Failure::Refused(_))
        && failure.code().is_some_and(|code| codes.contains(code))
}

#[cfg(test)]
mod tests;
