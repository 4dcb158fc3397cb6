//! Opening a file, and what can be wrong with it.

use std::{
    fs,
    io::{self, ErrorKind as Io},
    path::Path,
    thread,
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags};

use super::{
    COMPONENT,
    builder::SqliteBuilder,
    failure::Failure,
    read,
    schema::{self, STEPS},
};
use crate::error::{Error, ErrorKind, Result};

/// The first version with strict tables (<https://sqlite.org/stricttables.html>).
const OLDEST: i32 = 3_037_000;

/// What is said of a file that cannot be written to.
const READ_ONLY: &str = "can only be read";

/// What is said when the system opens no further file.
const TOO_MANY: &str = "too many files are open";

/// What is said of a path that SQLite may take for something else.
pub(super) const URI: &str =
    "begins with `file:`, which SQLite may read as a URI; put `./` before it";

/// How long to wait before the change to a write-ahead log is tried again.
const PAUSE: Duration = Duration::from_millis(5);

/// Opens a database that is ready for use.
pub(super) fn open(settings: &SqliteBuilder) -> Result<Connection> {
    let path = settings.shown();
    if rusqlite::version_number() < OLDEST {
        let message = format!(
            "SQLite {} is too old, 3.37 is needed: use the feature sqlite-bundled",
            rusqlite::version()
        );
        return Err(Error::new(ErrorKind::Unsupported, COMPONENT, "open", message));
    }
    prepare(&settings.path)?;
    let connection = connect(settings)?;
    // Before anything is changed: the file may be somebody else's.
    schema::check(&connection, &path, STEPS)?;
    // SQLite opens a file all the same that it may only read.
    let readonly =
        connection.is_readonly(MAIN_DB).map_err(|failure| error(&path, failure.into()))?;
    if readonly {
        return Err(Error::new(
            ErrorKind::Denied,
            COMPONENT,
            "open",
            format!("{path}: {READ_ONLY}"),
        ));
    }
    let ready = write_ahead(&connection, settings.busy_timeout);
    ready.and_then(|()| set(&connection, settings)).map_err(|failure| error(&path, failure))?;
    schema::migrate(&connection, &path, STEPS)?;
    Ok(connection)
}

/// Opens a connection that only reads, beside the one that writes.
pub(super) fn reader(settings: &SqliteBuilder) -> Result<Connection> {
    let connection = connect(settings)?;
    let ready = set(&connection, settings).and_then(|()| {
        connection.execute_batch("PRAGMA query_only = 1")?;
        read::prepare(&connection)?;
        // Whoever asks it must not be put to sleep.
        Ok(connection.busy_timeout(Duration::ZERO)?)
    });
    ready.map_err(|failure| error(&settings.shown(), failure))?;
    Ok(connection)
}

/// Opens a further connection to a database that is open.
pub(super) fn connect(settings: &SqliteBuilder) -> Result<Connection> {
    let failed = |failure: rusqlite::Error| error(&settings.shown(), failure.into());
    // Not created here: it exists. One thread uses the connection, so it needs no locks.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&settings.path, flags).map_err(failed)?;
    // SQLite counts in an i32 of milliseconds.
    let longest = Duration::from_millis(i32::MAX.unsigned_abs().into());
    connection.busy_timeout(settings.busy_timeout.min(longest)).map_err(failed)?;
    Ok(connection)
}

/// Creates the file if it is not there, readable only by this user: it holds sealed keys.
fn prepare(path: &Path) -> Result<()> {
    let refuse = |kind, what: &str| {
        Err(Error::new(kind, COMPONENT, "open", format!("{}: {what}", path.display())))
    };
    if let Some(what) = refusal(path) {
        return refuse(ErrorKind::Invalid, what);
    }
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            return refuse(ErrorKind::Invalid, "a directory; name a file in it");
        }
        Ok(found) if !found.is_file() => return refuse(ErrorKind::Invalid, "not a regular file"),
        // Not opened here, since closing it would end the locks of other connections of this
        // process (https://sqlite.org/howtocorrupt.html section 2.2).
        Ok(_) => return Ok(()),
        Err(failure) if failure.kind() != Io::NotFound => return Err(unopened(path, failure)),
        Err(_) => {}
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(failure) if failure.kind() == Io::AlreadyExists && is_dangling(path) => {
            refuse(ErrorKind::NotFound, "a link to a file that is not there")
        }
        // Somebody else was faster.
        Err(failure) if failure.kind() == Io::AlreadyExists => Ok(()),
        Err(failure) => Err(unopened(path, failure)),
        Ok(_) => Ok(()),
    }
}

/// Returns why a path names no file, whatever is there.
pub(super) fn refusal(path: &Path) -> Option<&'static str> {
    if path.as_os_str().is_empty() {
        Some("the path is empty")
    } else if path.as_os_str() == ":memory:" {
        Some("not a file; use InMemoryStore to keep items in memory")
    } else {
        is_uri(path).then_some(URI)
    }
}

/// Returns whether a path is a link that leads to nothing, as to a disk that is not mounted.
fn is_dangling(path: &Path) -> bool {
    let is_link = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    is_link && fs::metadata(path).is_err_and(|failure| failure.kind() == Io::NotFound)
}

/// Returns whether the system opens no more files, which SQLite tells from no other reason.
fn is_exhausted(path: &Path) -> bool {
    // Not the file itself, whose locks would end as it is closed.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or_else(|| Path::new(".")))
        .is_err_and(|failure| is_too_many(&failure))
}

/// Returns whether the process (EMFILE) or the system (ENFILE) has too many files open.
fn is_too_many(failure: &io::Error) -> bool {
    cfg!(unix) && matches!(failure.raw_os_error(), Some(23 | 24))
}

/// Returns whether SQLite may read a path as a URI (<https://sqlite.org/uri.html>).
pub(super) fn is_uri(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().starts_with(b"file:")
}

/// Returns the error for a file that the system does not give.
pub(super) fn unopened(path: &Path, failure: io::Error) -> Error {
    let (kind, what) = match failure.kind() {
        Io::NotFound => (ErrorKind::NotFound, "its folder does not exist"),
        Io::NotADirectory => (ErrorKind::NotFound, "its folder is not one"),
        Io::PermissionDenied => (ErrorKind::Denied, "the system does not permit it"),
        Io::ReadOnlyFilesystem => (ErrorKind::Denied, "the disk is read-only"),
        Io::StorageFull | Io::QuotaExceeded => (ErrorKind::Unavailable, "the disk is full"),
        Io::InvalidFilename | Io::InvalidInput => {
            (ErrorKind::Invalid, "not a name that a file can have")
        }
        _ if is_too_many(&failure) => (ErrorKind::Unavailable, TOO_MANY),
        _ => (ErrorKind::Unavailable, "the system cannot open it"),
    };
    let message = format!("{}: {what}", path.display());
    Error::new(kind, COMPONENT, "open", message).with_source(failure)
}

/// Returns the error of a step of opening.
pub(super) fn error(path: &str, failure: Failure) -> Error {
    let (kind, what) = match failure.code() {
        Some(ErrorCode::CannotOpen) if is_exhausted(Path::new(path)) => {
            (ErrorKind::Unavailable, TOO_MANY)
        }
        Some(ErrorCode::CannotOpen) => (
            ErrorKind::Denied,
            "cannot be opened for reading and writing; see the permissions of the file and its \
             folder",
        ),
        Some(ErrorCode::ReadOnly) => (ErrorKind::Denied, READ_ONLY),
        // SQL that does not fit the tables.
        Some(ErrorCode::Unknown) => {
            (ErrorKind::Malformed, "its tables are not those that nameplate makes")
        }
        _ => failure.meaning(),
    };
    let error = Error::new(kind, COMPONENT, "open", format!("{path}: {what}"));
    failure.cause(error)
}

/// Makes the settings, and looks whether they were taken.
fn set(connection: &Connection, settings: &SqliteBuilder) -> std::result::Result<(), Failure> {
    let encoding: String = connection.query_row("PRAGMA encoding", [], |row| row.get(0))?;
    if encoding != "UTF-8" {
        return Err(Failure::Setting(format!("text is {encoding} and not UTF-8")));
    }
    let synchronous = settings.durability.pragma();
    connection.execute_batch(&format!(
        // The two of macOS ask for a flush that reaches the medium; elsewhere they do nothing.
        "PRAGMA synchronous = {synchronous}; PRAGMA fullfsync = 1; \
         PRAGMA checkpoint_fullfsync = 1; \
         PRAGMA temp_store = 2; PRAGMA cache_size = -16384; PRAGMA journal_size_limit = 67108864; \
         PRAGMA trusted_schema = 0; PRAGMA cell_size_check = 1"
    ))?;
    let taken: i64 = connection.query_row("PRAGMA synchronous", [], |row| row.get(0))?;
    if taken != synchronous {
        return Err(Failure::Setting(format!("synchronous stays {taken}")));
    }
    Ok(())
}

/// Changes to a write-ahead log, which the file remembers.
fn write_ahead(connection: &Connection, longest: Duration) -> std::result::Result<(), Failure> {
    let mut waited = Duration::ZERO;
    loop {
        let changed: rusqlite::Result<String> =
            connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0));
        match changed {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                return Err(Failure::Setting(format!(
                    "the file system has no write-ahead log: the journal stays `{mode}`"
                )));
            }
            // SQLite does not apply the busy timeout here, and others may open the same new file.
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && waited < longest =>
            {
                thread::sleep(PAUSE);
                waited = waited.saturating_add(PAUSE);
            }
            Err(error) => return Err(error.into()),
        }
    }
}
