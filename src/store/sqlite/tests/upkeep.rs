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
fn what_has_come_into_the_place_of_the_file_is_not_backed_up() {
    let folder = Scratch::new();
    let store = open_at(&folder.file("store.db")).unwrap();
    for name in folder.files() {
        fs::rename(folder.file(&name), folder.file(&format!("old-{name}"))).unwrap();
    }
    let other = Connection::open(folder.file("store.db")).unwrap();
    other.execute_batch("PRAGMA application_id = 7; CREATE TABLE theirs (x)").unwrap();
    let error = wait(store.backup(folder.file("copy.db"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition, "{error}");
    let files = folder.files();
    assert!(!files.iter().any(|name| name.starts_with("copy")), "{files:?}");
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
        ("UPDATE items SET kind = 1 WHERE item = 0", "UPDATE items SET kind = 0 WHERE item = 0"),
    ] {
        run(&store, change);
        let error = wait(store.integrity_check()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{change}: {error}");
        run(&store, back);
        wait(store.integrity_check()).unwrap();
    }
}
