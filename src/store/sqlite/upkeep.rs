//! Backup and check, beside the calls of the store.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use rusqlite::OptionalExtension;

use super::{
    COMPONENT,
    builder::SqliteBuilder,
    failure::Failure,
    open,
    row::{carried, digest},
    schema,
};
use crate::{
    error::{Error, ErrorKind, Result},
    id::TenantId,
};

/// Most findings that an error lists.
const FINDINGS: usize = 5;

/// What cannot be in tables that only this store has written, each a query for one line of text.
const IMPOSSIBLE: &[&str] = &[
    "SELECT 'the highest token of deleted items is gone' \
     WHERE NOT EXISTS (SELECT 1 FROM items WHERE item = 0 AND kind = 0)",
    "SELECT 'unique key of no item, or that its item does not carry' \
     WHERE (SELECT count(*) FROM unique_keys) > (SELECT coalesce(sum( \
         length(carries) - length(replace(carries, char(10), '')) + 1 \
     ), 0) FROM items)",
    "SELECT 'entry of no item: ' || number FROM log WHERE item NOT IN (SELECT item FROM items)",
];

/// Writes a copy of the database, as it is at one moment, to a new file.
pub(super) fn backup(settings: &SqliteBuilder, to: &Path) -> Result<()> {
    let failed = |kind, what: &str| {
        Error::new(kind, COMPONENT, "backup", format!("{}: {what}", to.display()))
    };
    if open::is_uri(to) {
        return Err(failed(ErrorKind::Invalid, open::URI));
    }
    if fs::symlink_metadata(to).is_ok() {
        return Err(failed(ErrorKind::AlreadyExists, "is there already"));
    }
    let partial = partial(to);
    let Some(text) = partial.to_str() else {
        return Err(failed(ErrorKind::Invalid, "the path is not UTF-8"));
    };
    let unwritten = |failure: io::Error| {
        let plain = open::unopened(to, failure);
        Error::new(plain.kind(), COMPONENT, "backup", plain.message().to_owned()).with_source(plain)
    };
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&partial).map_err(|failure| {
        if failure.kind() == io::ErrorKind::AlreadyExists {
            let what = "its `.partial` is there: another backup runs, or one was cut off";
            return failed(ErrorKind::AlreadyExists, what).with_source(failure);
        }
        unwritten(failure)
    })?;
    let copied = (|| {
        let connection = open::connect(settings)?;
        // Another file may have come into the place of the one that was opened.
        schema::check(&connection, &settings.shown(), schema::STEPS)?;
        connection
            .execute("VACUUM INTO ?1", [text])
            .map_err(|error| Failure::Sqlite(error).into_error("backup"))?;
        // SQLite leaves this to the system.
        file.sync_all().map_err(unwritten)?;
        place(&partial, to, sync_folder).map_err(|failure| match failure.kind() {
            io::ErrorKind::AlreadyExists => {
                failed(ErrorKind::AlreadyExists, "somebody made it meanwhile").with_source(failure)
            }
            _ => unwritten(failure),
        })
    })();
    if copied.is_err() {
        // What it says is of no more interest than why it is needed.
        let _ = fs::remove_file(&partial);
    }
    copied
}

/// Gives a file that is whole its name, and never that of another file, which a plain rename would
/// replace. `flush` makes the name last.
fn place(partial: &Path, to: &Path, flush: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    match fs::hard_link(partial, to) {
        Ok(()) => {
            // The copy stands; at worst it has two names.
            let _ = fs::remove_file(partial);
        }
        Err(failure) if failure.kind() == io::ErrorKind::AlreadyExists => return Err(failure),
        // Not every file system has links: what is replaced then is a file of our own.
        Err(_) => {
            fs::OpenOptions::new().write(true).create_new(true).open(to)?;
            if let Err(failure) = fs::rename(partial, to) {
                let _ = fs::remove_file(to);
                return Err(failure);
            }
        }
    }
    // The copy stands and is flushed. Not every system lets its folder be flushed as well.
    let _ = flush(to);
    Ok(())
}

/// Returns the name that a backup has until it is whole.
fn partial(to: &Path) -> PathBuf {
    let mut name = OsString::from(to);
    name.push(".partial");
    PathBuf::from(name)
}

/// Makes the name of a new file as lasting as the file, where the system can.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if cfg!(unix) {
        fs::File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// Reads the whole file and holds it against itself.
pub(super) fn check(settings: &SqliteBuilder) -> Result<()> {
    let connection = open::connect(settings)?;
    schema::check(&connection, &settings.shown(), schema::STEPS)?;
    let found = findings(&connection).map_err(|failure| failure.into_error("integrity_check"))?;
    if found.is_empty() {
        return Ok(());
    }
    let message = format!("{}: {}", settings.shown(), found.join("; "));
    Err(Error::new(ErrorKind::Malformed, COMPONENT, "integrity_check", message))
}

fn findings(connection: &rusqlite::Connection) -> std::result::Result<Vec<String>, Failure> {
    // All of it is of one moment.
    connection.execute_batch("PRAGMA query_only = 1; BEGIN")?;
    let mut findings = Vec::new();
    let file = "PRAGMA integrity_check(5)";
    for query in std::iter::once(&file).chain(IMPOSSIBLE) {
        let mut statement = connection.prepare(query)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let finding: String = row.get(0)?;
            if finding != "ok" {
                findings.push(finding);
            }
            if findings.len() == FINDINGS {
                return Ok(findings);
            }
        }
    }
    // Of all kinds, also those that are not known here.
    let mut items = connection
        .prepare("SELECT item, carries, tenant, name FROM items WHERE carries IS NOT NULL")?;
    let mut holder = connection.prepare("SELECT item FROM unique_keys WHERE digest = ?1")?;
    let mut rows = items.query([])?;
    while let Some(row) = rows.next()? {
        let (item, carries): (i64, Option<String>) = (row.get(0)?, row.get(1)?);
        let (tenant, name): (Option<[u8; 16]>, Option<String>) = (row.get(2)?, row.get(3)?);
        let tenant = tenant.map(TenantId::from_bytes);
        for key in carried(carries.as_deref(), tenant, name.as_deref()) {
            let found: Option<i64> =
                holder.query_row([digest(&key)], |row| row.get(0)).optional()?;
            if found != Some(item) {
                findings.push(format!("item {item} does not hold its unique key {}", key.as_str()));
            }
            if findings.len() == FINDINGS {
                return Ok(findings);
            }
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests;
