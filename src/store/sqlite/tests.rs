use std::{
    env, fs,
    future::Future,
    path::{Path, PathBuf},
    pin::pin,
    process,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use rusqlite::{Connection, ffi};

use super::{Durability, Sqlite, failure::Failure, open, schema, session::End};
use crate::{
    clock::{Clock, ManualClock, Timestamp},
    error::{Error, ErrorKind, Result},
    id::{OperationId, OsRandom},
    store::{
        Batch, Body, Commit, Expect, Filter, Header, Key, Kind, LeaseRequest, NewEntry, Page,
        Query, Store, UniqueKey, Write,
    },
};

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future with nothing but the standard library.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// A folder of its own, which is deleted with this value.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("nameplate-sqlite-{}-{count}", process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn files(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn clock() -> ManualClock {
    ManualClock::new(Timestamp::from_timestamp(1_800_000_000, 123_456_789).unwrap())
}

/// Opens a file with a busy timeout of nothing, so that no test waits for it.
fn open_at(path: &Path) -> Result<Sqlite> {
    let builder = Sqlite::builder(path).with_clock(Arc::new(clock()));
    wait(builder.with_busy_timeout(Duration::ZERO).open())
}

/// A clock that says when nobody has it any more.
#[derive(Debug)]
struct Farewell(mpsc::Sender<()>);

impl Clock for Farewell {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// Makes a new store, and waits until its file is closed.
fn create(path: &Path) {
    let (sender, ended) = mpsc::channel();
    let builder = Sqlite::builder(path).with_clock(Arc::new(Farewell(sender)));
    drop(wait(builder.open()).unwrap());
    ended.recv().unwrap();
}

fn refused(path: &Path) -> Error {
    open_at(path).expect_err("it was opened")
}

fn put(id: &str, header: Header) -> Batch {
    Batch::new(OperationId::random(&OsRandom).unwrap()).with(Write::Put {
        key: Key::new(Kind::Domain, id),
        expect: Expect::Absent,
        header,
        body: Body::new("{\"v\":1}".to_owned()),
    })
}

fn due() -> Header {
    Header { due: Some(Timestamp::UNIX_EPOCH), ..Header::default() }
}

fn has(store: &Sqlite, id: &str) -> bool {
    wait(store.get(&[Key::new(Kind::Domain, id)])).unwrap()[0].is_some()
}

/// Runs a statement on the connection of a store.
fn run(store: &Sqlite, sql: &'static str) {
    let call = store.thread.call("test", ErrorKind::Unknown, move |session| {
        session.connection.execute_batch(sql)?;
        Ok(())
    });
    wait(call).unwrap();
}

fn number(store: &Sqlite, sql: &'static str) -> i64 {
    let call = store.thread.call("test", ErrorKind::Unknown, move |session| {
        Ok(session.connection.query_row(sql, [], |row| row.get(0))?)
    });
    wait(call).unwrap()
}

mod opening {
    use super::*;

    #[test]
    fn a_new_file_is_opened_in_one_call_and_again() {
        let folder = Scratch::new();
        let path = folder.file("store.db");
        let store = wait(Sqlite::open(&path)).unwrap();
        assert_eq!(store.path(), path);
        assert_eq!(wait(store.commit(put("a", due()))).unwrap(), Commit::Done);
        // A second handle beside it sees the same.
        assert!(has(&open_at(&path).unwrap(), "a"));
    }

    #[test]
    fn many_open_the_same_new_file_at_once() {
        let folder = Scratch::new();
        for round in 0..5 {
            let path = folder.file(&format!("{round}.db"));
            let open = |path: PathBuf| {
                let builder = Sqlite::builder(path);
                wait(builder.with_busy_timeout(Duration::from_secs(600)).open()).unwrap()
            };
            let openers: Vec<_> = (0..8)
                .map(|opener| {
                    let path = path.clone();
                    thread::spawn(move || {
                        wait(open(path).commit(put(&opener.to_string(), due()))).unwrap()
                    })
                })
                .collect();
            for opener in openers {
                assert_eq!(opener.join().unwrap(), Commit::Done);
            }
            assert_eq!(number(&open(path), "SELECT count(*) FROM items"), 9);
        }
    }

    #[test]
    fn settings_are_those_that_are_promised() {
        let folder = Scratch::new();
        for (durability, synchronous) in [(Durability::Full, 2), (Durability::Normal, 1)] {
            let builder = Sqlite::builder(folder.file("store.db")).with_durability(durability);
            let store = wait(builder.open()).unwrap();
            assert_eq!(number(&store, "PRAGMA synchronous"), synchronous);
            assert_eq!(number(&store, "PRAGMA application_id"), 1_852_665_964);
            assert_eq!(
                number(&store, "PRAGMA user_version"),
                i64::try_from(schema::STEPS.len()).unwrap()
            );
            let wal = "SELECT journal_mode = 'wal' FROM pragma_journal_mode";
            assert_eq!(number(&store, wal), 1);
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_file_and_its_backup_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt;

        let folder = Scratch::new();
        let store = open_at(&folder.file("store.db")).unwrap();
        wait(store.commit(put("a", due()))).unwrap();
        wait(store.backup(folder.file("copy.db"))).unwrap();
        assert_eq!(folder.files(), ["copy.db", "store.db", "store.db-shm", "store.db-wal"]);
        for name in folder.files() {
            let mode = fs::metadata(folder.file(&name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn a_path_that_is_no_file_is_refused() {
        let folder = Scratch::new();
        fs::write(folder.file("file"), "text").unwrap();
        for (path, kind) in [
            (folder.file("missing/store.db"), ErrorKind::NotFound),
            (folder.file("file/store.db"), ErrorKind::NotFound),
            (folder.0.clone(), ErrorKind::Invalid),
            (PathBuf::new(), ErrorKind::Invalid),
            (PathBuf::from(":memory:"), ErrorKind::Invalid),
            (PathBuf::from("file:store.db"), ErrorKind::Invalid),
            (PathBuf::from("/dev/null"), ErrorKind::Invalid),
            (folder.file(&"x".repeat(300)), ErrorKind::Invalid),
            (folder.file("a\0b"), ErrorKind::Invalid),
        ] {
            let error = refused(&path);
            assert_eq!((error.kind(), error.operation()), (kind, "open"), "{error}");
            let shown = path.display().to_string().replace('\0', " ");
            assert!(error.message().contains(&shown), "{error}");
        }
        assert_eq!(folder.files(), ["file"]);
    }

    #[test]
    fn what_the_system_refuses_keeps_its_reason() {
        for (reason, kind) in [
            (std::io::ErrorKind::PermissionDenied, ErrorKind::Denied),
            (std::io::ErrorKind::ReadOnlyFilesystem, ErrorKind::Denied),
            (std::io::ErrorKind::StorageFull, ErrorKind::Unavailable),
            (std::io::ErrorKind::Other, ErrorKind::Unavailable),
        ] {
            assert_eq!(open::unopened(Path::new("store.db"), reason.into()).kind(), kind);
        }
        for (code, kind) in [
            (ffi::SQLITE_CANTOPEN, ErrorKind::Denied),
            (ffi::SQLITE_READONLY, ErrorKind::Denied),
            (ffi::SQLITE_BUSY, ErrorKind::Unavailable),
            (ffi::SQLITE_FULL, ErrorKind::Unavailable),
            (ffi::SQLITE_CORRUPT, ErrorKind::Malformed),
        ] {
            let failure = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            assert_eq!(open::error("store.db", failure.into()).kind(), kind, "{code}");
        }
    }

    /// The superuser may write to everything: then it is opened.
    #[cfg(unix)]
    #[test]
    fn a_file_that_can_only_be_read_is_refused_with_one_clear_error() {
        use std::os::unix::fs::PermissionsExt;

        let folder = Scratch::new();
        let path = folder.file("store.db");
        create(&path);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        if fs::OpenOptions::new().append(true).open(&path).is_err() {
            let error = refused(&path);
            assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
        } else {
            open_at(&path).unwrap();
        }
    }

    #[test]
    fn a_file_that_is_no_database_stays_as_it_is() {
        let folder = Scratch::new();
        let path = folder.file("notes.txt");
        let text = "not a database, but somebody's notes\n".repeat(100);
        fs::write(&path, &text).unwrap();
        let error = refused(&path);
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(folder.files(), ["notes.txt"]);
    }

    #[test]
    fn the_database_of_another_application_stays_as_it_is() {
        let folder = Scratch::new();
        for (index, sql) in [
            "CREATE TABLE notes (text)",
            "PRAGMA application_id = 7",
            "PRAGMA user_version = 1",
            "CREATE TABLE items (item); PRAGMA user_version = 1",
        ]
        .into_iter()
        .enumerate()
        {
            let path = folder.file(&format!("{index}.db"));
            Connection::open(&path).unwrap().execute_batch(sql).unwrap();
            let before = fs::read(&path).unwrap();
            let error = refused(&path);
            assert_eq!(error.kind(), ErrorKind::Precondition, "{sql}: {error}");
            assert!(error.message().contains("another application"), "{error}");
            assert_eq!(fs::read(&path).unwrap(), before, "{sql}");
        }
    }

    #[test]
    fn tables_of_a_later_version_stay_as_they_are() {
        let folder = Scratch::new();
        let path = folder.file("store.db");
        create(&path);
        Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
        let error = refused(&path);
        assert_eq!(error.kind(), ErrorKind::Precondition, "{error}");
        assert!(error.message().contains("version 99"), "{error}");
    }

    #[test]
    fn tables_that_are_not_ours_are_found_when_the_file_is_opened() {
        let folder = Scratch::new();
        for (index, sql) in ["DROP TABLE log", "DROP INDEX items_by_expires"].iter().enumerate() {
            let path = folder.file(&format!("{index}.db"));
            create(&path);
            Connection::open(&path).unwrap().execute_batch(sql).unwrap();
            let error = refused(&path);
            assert_eq!(error.kind(), ErrorKind::Malformed, "{sql}: {error}");
        }
    }

    #[test]
    fn a_damaged_file_is_one_clear_error() {
        let folder = Scratch::new();
        let path = folder.file("store.db");
        let store = open_at(&path).unwrap();
        for id in 0..100 {
            wait(store.commit(put(&id.to_string(), due()))).unwrap();
        }
        wait(store.backup(folder.file("copy.db"))).unwrap();
        let sound = fs::read(folder.file("copy.db")).unwrap();
        for (from, length) in [(100, 4000), (4096, 100), (8192, sound.len() - 8192)] {
            let damaged = folder.file(&format!("damaged.{from}.db"));
            let mut bytes = sound.clone();
            bytes[from..from + length].fill(0x5a);
            fs::write(&damaged, bytes).unwrap();
            let error = match open_at(&damaged) {
                Err(error) => error,
                Ok(store) => wait(store.integrity_check()).expect_err("the damage is not found"),
            };
            assert_eq!(error.kind(), ErrorKind::Malformed, "{from}: {error}");
        }
        let cut = folder.file("cut.db");
        fs::write(&cut, &sound[..4096]).unwrap();
        let error = refused(&cut);
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
    }

    #[test]
    fn a_file_that_another_process_keeps_for_itself_is_unavailable() {
        let folder = Scratch::new();
        let path = folder.file("store.db");
        create(&path);
        let other = Connection::open(&path).unwrap();
        let alone = "PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; COMMIT";
        other.execute_batch(alone).unwrap();
        let error = refused(&path);
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.message().contains("another process"), "{error}");
        drop(other);
        open_at(&path).unwrap();
    }

    #[test]
    fn a_file_that_another_process_writes_is_unavailable() {
        let folder = Scratch::new();
        let path = folder.file("store.db");
        let store = open_at(&path).unwrap();
        let other = Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let error = refused(&path);
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        let error = wait(store.commit(put("a", due()))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.message().contains("another process"), "{error}");
        // Reading goes on.
        assert!(!has(&store, "a"));
        other.execute_batch("ROLLBACK").unwrap();
        assert_eq!(wait(store.commit(put("a", due()))).unwrap(), Commit::Done);
        open_at(&path).unwrap();
    }
}

mod migrating {
    use super::*;

    const FIRST: &str = "CREATE TABLE things (name TEXT); INSERT INTO things VALUES ('kept')";
    const SECOND: &str = "ALTER TABLE things ADD COLUMN size INTEGER NOT NULL DEFAULT 7";

    fn migrate(connection: &Connection, steps: &[&str]) -> Result<()> {
        schema::check(connection, "store.db", steps)?;
        schema::migrate(connection, "store.db", steps)
    }

    fn version(connection: &Connection) -> i64 {
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn tables_of_an_earlier_version_are_brought_up_to_date_and_keep_what_they_hold() {
        let connection = Connection::open_in_memory().unwrap();
        migrate(&connection, &[FIRST]).unwrap();
        assert_eq!(version(&connection), 1);
        for _ in 0..2 {
            migrate(&connection, &[FIRST, SECOND]).unwrap();
            assert_eq!(version(&connection), 2);
        }
        let row = connection.query_row("SELECT name, size FROM things", [], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
        });
        assert_eq!(row.unwrap(), ("kept".to_owned(), 7));
        let error = migrate(&connection, &[FIRST]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Precondition, "{error}");
    }

    #[test]
    fn a_file_of_each_earlier_version_is_opened_with_all_that_it_holds() {
        let folder = Scratch::new();
        let steps = schema::STEPS;
        for version in 1..=steps.len() {
            let path = folder.file(&format!("{version}.db"));
            let connection = Connection::open(&path).unwrap();
            migrate(&connection, &steps[..version]).unwrap();
            let bodies = ["{}", "{\"v\":3,\"created\":1}", "\u{2}, \u{1f} and \u{b}", "\u{0}\u{1}"];
            for (id, status, expires) in [("a", "active", 30), ("b", "pending", 20)] {
                let insert = "INSERT INTO items (kind, id, counter, operation, status, expires, \
                              token, body) VALUES (4, ?1, 1, zeroblob(16), ?2, ?3, 0, '{}')";
                connection.execute(insert, (id, status, expires)).unwrap();
            }
            if version < 3 {
                for (id, body) in ["w", "x", "y", "z"].into_iter().zip(bodies) {
                    let insert = "INSERT INTO items (kind, id, counter, operation, token, body) \
                                  VALUES (1, ?1, 1, zeroblob(16), 0, ?2)";
                    connection.execute(insert, (id, body)).unwrap();
                }
            }
            drop(connection);

            let store = open_at(&path).unwrap();
            assert_eq!(wait(store.commit(put("c", due()))).unwrap(), Commit::Done);
            wait(store.integrity_check()).unwrap();
            let list = |filter| {
                let page = wait(store.list(&Query::new(Kind::Domain, filter))).unwrap();
                page.items.into_iter().map(|item| item.key.id).collect::<Vec<_>>()
            };
            assert_eq!(list(Filter::All), ["a", "b", "c"]);
            assert_eq!(list(Filter::Status("active".to_owned())), ["a"]);
            assert_eq!(list(Filter::Status("pending".to_owned())), ["b"]);
            let at = |micros| Timestamp::from_timestamp_micros(micros).unwrap();
            assert_eq!(list(Filter::ExpiresBy(at(20))), ["b"]);
            assert_eq!(list(Filter::ExpiresBy(at(30))), ["a", "b"]);
            let of = |page: Page| page.items.into_iter().map(|item| item.body.as_str().to_owned());
            let accounts = wait(store.list(&Query::new(Kind::Account, Filter::All))).unwrap();
            let kept: Vec<String> = of(accounts).collect();
            assert_eq!(kept, if version < 3 { bodies.to_vec() } else { Vec::new() });
        }
    }

    #[test]
    fn a_step_that_fails_leaves_everything_as_it_was() {
        let connection = Connection::open_in_memory().unwrap();
        migrate(&connection, &[FIRST]).unwrap();
        assert!(migrate(&connection, &[FIRST, SECOND, "CREATE TABLE things (x)"]).is_err());
        assert!(connection.is_autocommit());
        assert_eq!(version(&connection), 1);
        assert!(connection.prepare("SELECT size FROM things").is_err());
        migrate(&connection, &[FIRST, SECOND]).unwrap();
    }
}

mod failing {
    use super::*;

    #[test]
    fn a_full_disk_changes_nothing_and_passes() {
        let folder = Scratch::new();
        let store = open_at(&folder.file("store.db")).unwrap();
        run(&store, "PRAGMA max_page_count = 20");
        let large = |id: &str| {
            put(id, due()).with_entry(NewEntry::new(Key::new(Kind::Domain, id), "x".repeat(20_000)))
        };
        let (id, error) = (0..100)
            .find_map(|id: u32| {
                let failed = wait(store.commit(large(&id.to_string()))).err();
                failed.map(|error| (id.to_string(), error))
            })
            .expect("the disk is never full");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.message().contains("full"), "{error}");
        assert!(!has(&store, &id));
        run(&store, "PRAGMA max_page_count = 100000");
        assert_eq!(wait(store.commit(large(&id))).unwrap(), Commit::Done);
        wait(store.integrity_check()).unwrap();
    }

    #[test]
    fn a_disk_that_turns_read_only_changes_nothing_and_passes() {
        let folder = Scratch::new();
        let store = open_at(&folder.file("store.db")).unwrap();
        run(&store, "PRAGMA query_only = 1");
        let error = wait(store.commit(put("a", due()))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(!has(&store, "a"));
        run(&store, "PRAGMA query_only = 0");
        assert_eq!(wait(store.commit(put("a", due()))).unwrap(), Commit::Done);
    }

    #[test]
    fn a_commit_that_the_disk_failed_is_unknown_and_others_mean_that_nothing_happened() {
        let failure = |code| rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        let commit = Failure::Commit(failure(ffi::SQLITE_IOERR_FSYNC)).into_error("commit");
        assert_eq!(commit.kind(), ErrorKind::Unknown);
        for code in [ffi::SQLITE_IOERR, ffi::SQLITE_FULL, ffi::SQLITE_BUSY, ffi::SQLITE_NOMEM] {
            let error = Failure::from(failure(code)).into_error("commit");
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        }
    }

    #[test]
    fn nothing_is_answered_until_a_commit_of_unknown_outcome_is_written_over() {
        let folder = Scratch::new();
        let store = open_at(&folder.file("store.db")).unwrap();
        let call = store.thread.call("test", ErrorKind::Unknown, |session| {
            session.unsettled = true;
            session.connection.execute_batch("PRAGMA query_only = 1")?;
            Ok(())
        });
        wait(call).unwrap();
        let error = wait(store.get(&[])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        run(&store, "PRAGMA query_only = 0");
        assert!(!has(&store, "a"));
        let settled =
            store.thread.call("test", ErrorKind::Unknown, |session| Ok(session.unsettled));
        assert!(!wait(settled).unwrap());
    }

    #[test]
    fn a_call_whose_thread_ends_is_unknown_and_later_ones_are_unavailable() {
        let folder = Scratch::new();
        let store = open_at(&folder.file("store.db")).unwrap();
        let call = store.thread.call("commit", ErrorKind::Unknown, |session| {
            session.write::<()>(|_, _| panic!("a panic on request"))
        });
        assert_eq!(wait(call).unwrap_err().kind(), ErrorKind::Unknown);
        let error = wait(store.get(&[])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        // The file may still be closing.
        let builder = Sqlite::builder(store.path()).with_busy_timeout(Duration::from_secs(600));
        let store = wait(builder.open()).unwrap();
        assert_eq!(wait(store.commit(put("a", due()))).unwrap(), Commit::Done);
    }

    #[test]
    fn a_row_that_this_store_did_not_write_is_malformed() {
        let folder = Scratch::new();
        let store = open_at(&folder.file("store.db")).unwrap();
        for sql in [
            "UPDATE items SET operation = x'00' WHERE id = 'a'",
            "UPDATE items SET due = 9223372036854775807 WHERE id = 'a'",
            "UPDATE items SET counter = -1 WHERE id = 'a'",
            "UPDATE items SET body = CAST(x'ff' AS TEXT) WHERE id = 'a'",
        ] {
            wait(store.commit(put("a", due()))).unwrap();
            run(&store, sql);
            let error = wait(store.get(&[Key::new(Kind::Domain, "a")])).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed, "{sql}: {error}");
            run(&store, "DELETE FROM items WHERE id = 'a'");
        }
    }

    #[test]
    fn an_item_of_a_kind_that_is_not_known_here_is_left_alone() {
        let folder = Scratch::new();
        let store = open_at(&folder.file("store.db")).unwrap();
        wait(store.commit(put("a", due()))).unwrap();
        run(&store, "UPDATE items SET kind = 99 WHERE id = 'a'");
        let wanted = LeaseRequest::new(Kind::ALL, 10, Duration::from_secs(60));
        assert_eq!(wait(store.lease(&wanted)).unwrap().leases, []);
        wait(store.integrity_check()).unwrap();
    }
}

mod running {
    use super::*;

    #[test]
    fn the_thread_ends_with_the_last_clone_and_closes_the_file() {
        let folder = Scratch::new();
        let (sender, ended) = mpsc::channel();
        let builder = Sqlite::builder(folder.file("store.db"));
        let store = wait(builder.with_clock(Arc::new(Farewell(sender))).open()).unwrap();
        let clone = store.clone();
        drop(store);
        assert_eq!(wait(clone.commit(put("a", due()))).unwrap(), Commit::Done);
        assert_eq!(folder.files(), ["store.db", "store.db-shm", "store.db-wal"]);
        drop(clone);
        ended.recv().unwrap();
        assert_eq!(folder.files(), ["store.db"]);
    }

    #[test]
    fn a_call_that_is_given_up_before_its_turn_does_not_happen() {
        let folder = Scratch::new();
        let store = open_at(&folder.file("store.db")).unwrap();
        wait(store.commit(put("a", due()))).unwrap();
        let (release, held) = mpsc::channel::<()>();
        let mut context = Context::from_waker(Waker::noop());
        let mut holding = Box::pin(store.thread.call("test", ErrorKind::Unknown, move |_| {
            held.recv().unwrap();
            Ok(())
        }));
        assert!(holding.as_mut().poll(&mut context).is_pending());
        let wanted = LeaseRequest::new([Kind::Domain], 1, Duration::from_secs(60));
        let mut given_up = store.lease(&wanted);
        assert!(given_up.as_mut().poll(&mut context).is_pending());
        drop(given_up);
        release.send(()).unwrap();
        wait(holding).unwrap();
        assert_eq!(wait(store.lease(&wanted)).unwrap().leases.len(), 1);
    }

    #[test]
    fn a_refused_change_leaves_no_transaction_behind() {
        let folder = Scratch::new();
        let store = open_at(&folder.file("store.db")).unwrap();
        let failed = store.thread.call("test", ErrorKind::Unknown, |session| {
            session.write::<()>(|session, _| {
                session.connection.execute_batch("DELETE FROM items")?;
                Err(Failure::Stored("on request".to_owned()))
            })
        });
        assert_eq!(wait(failed).unwrap_err().kind(), ErrorKind::Malformed);
        let refused = store.thread.call("test", ErrorKind::Unknown, |session| {
            session.write(|session, _| {
                session.connection.execute_batch("DELETE FROM items")?;
                Ok(End::Rollback(()))
            })
        });
        wait(refused).unwrap();
        assert_eq!(number(&store, "SELECT count(*) FROM items"), 1);
    }

    /// Returns how many roots were leased.
    fn lease(store: &Sqlite, limit: u32) -> usize {
        let wanted = LeaseRequest::new([Kind::Domain], limit, Duration::from_secs(60));
        wait(store.lease(&wanted)).unwrap().leases.len()
    }

    fn fill(store: &Sqlite, from: u32, count: u32, header: &Header) {
        let writes = (from..from + count).map(|id| {
            let mut batch = put(&format!("{id}"), header.clone());
            batch.writes.remove(0)
        });
        let batch = Batch::new(OperationId::random(&OsRandom).unwrap());
        assert_eq!(wait(store.commit(writes.fold(batch, Batch::with))).unwrap(), Commit::Done);
    }

    fn work(store: &Sqlite) -> Vec<(&'static str, i32, i32)> {
        wait(store.thread.call("test", ErrorKind::Unknown, |session| Ok(session.work()))).unwrap()
    }

    #[test]
    fn what_people_are_told_to_ask_a_shell_for_is_answered() {
        let folder = Scratch::new();
        let path = folder.file("store.db");
        let store = open_at(&path).unwrap();
        let header = Header { name: Some("shop.example.com".to_owned()), ..due() };
        let id = "0123456789abcdef0123456789abcdef";
        let entry = NewEntry::new(Key::new(Kind::Domain, id), "{}".to_owned());
        wait(store.commit(put(id, header).with_entry(entry))).unwrap();
        let page = include_str!("../../../docs/sqlite.md");
        let block = page.split("```sql").nth(1).and_then(|rest| rest.split("```").next());
        let shell = Connection::open(&path).unwrap();
        let mut asked = 0;
        for query in block.unwrap().split_inclusive(';').filter(|query| query.contains(';')) {
            assert!(shell.prepare(query).unwrap().exists([]).unwrap(), "{query}");
            asked += 1;
        }
        assert!(asked > 3, "{asked}");
    }

    #[test]
    fn a_lease_of_many_is_one_statement_and_one_commit() {
        let folder = Scratch::new();
        let store = open_at(&folder.file("store.db")).unwrap();
        fill(&store, 0, 300, &due());
        for limit in [1, 100] {
            work(&store);
            assert_eq!(lease(&store, limit), usize::try_from(limit).unwrap());
            let runs: Vec<_> =
                work(&store).into_iter().map(|(what, runs, _)| (what, runs)).collect();
            assert_eq!(runs, [("begin", 1), ("commit", 1), ("lease", 1)]);
        }
    }

    #[test]
    fn a_lease_costs_the_same_however_many_rest() {
        let folder = Scratch::new();
        let store = open_at(&folder.file("store.db")).unwrap();
        let later = Header { due: Some(Timestamp::MAX_UTC), ..Header::default() };
        let mut costs = Vec::new();
        for round in 0..3 {
            fill(&store, round * 10_000, 10, &due());
            lease(&store, 5);
            work(&store);
            assert_eq!(lease(&store, 5), 5);
            let busy = work(&store);
            assert_eq!(lease(&store, 5), 0);
            costs.push((busy, work(&store)));
            fill(&store, round * 10_000 + 10, if round == 0 { 10 } else { 5000 }, &later);
        }
        assert!(costs.iter().all(|cost| *cost == costs[0]), "{costs:?}");
    }

    #[test]
    fn due_roots_and_lists_are_found_by_an_index() {
        let folder = Scratch::new();
        let store = open_at(&folder.file("store.db")).unwrap();
        let call = store.thread.call("test", ErrorKind::Unknown, |session| {
            let plans = session.plans()?;
            Ok(plans)
        });
        for (index, plan) in wait(call).unwrap() {
            assert!(plan.contains(index), "{index}: {plan}");
            assert!(!plan.contains("SCAN items"), "{index}: {plan}");
        }
    }
}

mod damage {
    use super::*;

    #[test]
    fn a_row_that_cannot_be_read_holds_up_no_other() {
        let folder = Scratch::new();
        let clock = clock();
        let builder = Sqlite::builder(folder.file("store.db"));
        let store = wait(builder.with_clock(Arc::new(clock.clone())).open()).unwrap();
        for id in ["a", "b", "c"] {
            wait(store.commit(put(id, due()))).unwrap();
        }
        run(&store, "UPDATE items SET operation = x'00' WHERE id = 'b'");
        let minute = Duration::from_secs(60);
        let lease = |limit| {
            let leased = wait(store.lease(&LeaseRequest::new([Kind::Domain], limit, minute)));
            let leased = leased.unwrap();
            let ids: Vec<_> = leased.leases.into_iter().map(|(lease, _)| lease.key.id).collect();
            (ids, leased.unreadable)
        };
        let (mut ids, unreadable) = lease(10);
        ids.sort();
        assert_eq!((ids.as_slice(), unreadable), (&["a".to_owned(), "c".to_owned()][..], 1));
        // It is out of the way for as long as the others, and then counted again.
        assert_eq!(lease(10), (Vec::new(), 0));
        clock.advance(minute);
        assert_eq!(lease(10).1, 1);

        // Also where there is nothing else.
        run(&store, "UPDATE items SET operation = x'00' WHERE item > 0");
        clock.advance(minute);
        assert_eq!(lease(10), (Vec::new(), 3));
        assert_eq!(lease(10), (Vec::new(), 0));
        // Whoever asks for it by name hears of it, and its body is as it was.
        let asked = wait(store.get(&[Key::new(Kind::Domain, "b")])).unwrap_err();
        assert_eq!(asked.kind(), ErrorKind::Malformed);
        assert_eq!(number(&store, "SELECT count(*) FROM items WHERE body = '{\"v\":1}'"), 3);
    }
}

mod upkeep {
    use super::*;

    fn unique(text: &str) -> Header {
        Header { unique: vec![UniqueKey::new("test", &[text])], ..Header::default() }
    }

    #[test]
    fn a_backup_of_a_store_in_use_holds_all_that_was_committed() {
        let folder = Scratch::new();
        let store = open_at(&folder.file("store.db")).unwrap();
        for id in 0..50 {
            wait(store.commit(put(&id.to_string(), unique(&id.to_string())))).unwrap();
        }
        let writer = thread::spawn({
            let store = store.clone();
            move || {
                for id in 50..100 {
                    wait(store.commit(put(&id.to_string(), unique(&id.to_string())))).unwrap();
                }
            }
        });
        let copy = folder.file("copy.db");
        wait(store.backup(&copy)).unwrap();
        writer.join().unwrap();

        let copy = open_at(&copy).unwrap();
        wait(copy.integrity_check()).unwrap();
        for id in 0..50 {
            let found = wait(copy.find(&unique(&id.to_string()).unique)).unwrap();
            assert_eq!(found[0].as_ref().unwrap().key.id, id.to_string());
        }
        // And it lives on by itself.
        wait(copy.commit(put("new", due()))).unwrap();
        assert!(!has(&store, "new"));
    }

    #[test]
    fn a_backup_replaces_nothing_and_leaves_nothing_half_done() {
        let folder = Scratch::new();
        let store = open_at(&folder.file("store.db")).unwrap();
        fs::write(folder.file("there"), "precious").unwrap();
        let error = wait(store.backup(folder.file("there"))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
        assert_eq!(fs::read_to_string(folder.file("there")).unwrap(), "precious");
        let error = wait(store.backup("file:copy.db")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        let error = wait(store.backup(folder.file("missing/copy.db"))).unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::NotFound, "backup"), "{error}");
        fs::write(folder.file("copy.db.partial"), "").unwrap();
        let error = wait(store.backup(folder.file("copy.db"))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
        assert!(error.message().contains(".partial"), "{error}");
        fs::remove_file(folder.file("copy.db.partial")).unwrap();
        fs::remove_file(folder.file("store.db")).unwrap();
        assert!(wait(store.backup(folder.file("copy.db"))).is_err());
        let files = folder.files();
        assert!(!files.iter().any(|name| name.starts_with("copy")), "{files:?}");
    }

    #[test]
    fn a_check_finds_what_does_not_belong_together() {
        let folder = Scratch::new();
        let store = open_at(&folder.file("store.db")).unwrap();
        wait(store.commit(put("a", unique("a")))).unwrap();
        wait(store.integrity_check()).unwrap();
        for (change, back) in [
            (
                "UPDATE unique_keys SET digest = CAST(digest || x'00' AS BLOB)",
                "UPDATE unique_keys SET digest = substr(digest, 1, 16)",
            ),
            (
                "UPDATE items SET carries = carries || char(10) || 'b' WHERE id = 'a'",
                "UPDATE items SET carries = 'test/a' WHERE id = 'a'",
            ),
            ("UPDATE unique_keys SET item = item + 1", "UPDATE unique_keys SET item = item - 1"),
            (
                "INSERT INTO unique_keys VALUES (zeroblob(16), 1)",
                "DELETE FROM unique_keys WHERE digest = zeroblob(16)",
            ),
            ("INSERT INTO log VALUES (77, 1, 0, '')", "DELETE FROM log"),
            (
                "UPDATE items SET kind = 1 WHERE item = 0",
                "UPDATE items SET kind = 0 WHERE item = 0",
            ),
        ] {
            run(&store, change);
            let error = wait(store.integrity_check()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed, "{change}: {error}");
            run(&store, back);
            wait(store.integrity_check()).unwrap();
        }
    }
}
