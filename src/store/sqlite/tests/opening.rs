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

/// Where the other process is to say that it has found everything as it should be.
const TOLD: &str = "NAMEPLATE_TEST_SQLITE_TOLD";

/// Runs a test of this file in a process of its own, which works in `folder` and may have so many files
/// open as `limit` says.
#[cfg(unix)]
fn elsewhere(folder: &Path, test: &str, limit: &str) {
    let told = folder.join("told");
    let script = format!("ulimit -n {limit} && exec \"$0\" \"$@\"");
    let mut command = process::Command::new("sh");
    command.args(["-c", &script]).arg(env::current_exe().unwrap());
    command.args(["--exact", &format!("store::sqlite::tests::opening::{test}"), "--nocapture"]);
    assert!(command.current_dir(folder).env(TOLD, &told).status().unwrap().success());
    assert!(told.exists(), "no such test: {test}");
}

#[cfg(unix)]
#[test]
fn where_a_process_goes_later_does_not_matter() {
    let folder = Scratch::new();
    for name in ["one", "two"] {
        fs::create_dir(folder.file(name)).unwrap();
    }
    elsewhere(&folder.file("one"), "the_process_that_goes_elsewhere", "1024");
    assert!(has(&open_at(&folder.file("two/copy.db")).unwrap(), "a"));
}

/// Does nothing unless another test has started it.
#[test]
fn the_process_that_goes_elsewhere() {
    let Some(told) = env::var_os(TOLD) else { return };
    let store = open_at(Path::new("store.db")).unwrap();
    wait(store.commit(put("a", due()))).unwrap();
    env::set_current_dir("../two").unwrap();
    // What is there has the same name and is another one.
    create(Path::new("store.db"));
    wait(store.backup("copy.db")).unwrap();
    wait(store.integrity_check()).unwrap();
    assert!(store.path().is_absolute());
    fs::write(told, "").unwrap();
}

#[cfg(unix)]
#[test]
fn too_many_open_files_are_no_question_of_permissions() {
    let folder = Scratch::new();
    create(&folder.file("store.db"));
    elsewhere(&folder.0, "the_process_with_too_many_open_files", "64");
}

/// Does nothing unless another test has started it.
#[test]
fn the_process_with_too_many_open_files() {
    let Some(told) = env::var_os(TOLD) else { return };
    let mut open = Vec::new();
    while let Ok(file) = fs::File::open(".") {
        open.push(file);
    }
    let mut refusals = 0;
    while let Err(error) = open_at(Path::new("store.db")) {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        if error.message().contains("too many files are open") {
            refusals += 1;
        } else {
            // By the attempt before, which is closed on a thread of its own.
            assert!(error.message().contains("locked"), "{error}");
        }
        drop(open.pop().unwrap());
    }
    // Without the file, and without those beside it.
    assert!(refusals > 1, "{refusals}");
    drop(open);
    fs::write(told, "").unwrap();
}

#[cfg(unix)]
#[test]
fn a_link_to_nothing_is_not_found() {
    let folder = Scratch::new();
    let path = folder.file("store.db");
    std::os::unix::fs::symlink(folder.file("missing/store.db"), &path).unwrap();
    let error = refused(&path);
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.message().contains("link to a file that is not there"), "{error}");
    assert_eq!(folder.files(), ["store.db"]);
    // One that leads somewhere is followed.
    fs::create_dir(folder.file("missing")).unwrap();
    create(&folder.file("missing/store.db"));
    open_at(&path).unwrap();
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
