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
        session.settled.set(false);
        session.connection.execute_batch("PRAGMA query_only = 1")?;
        Ok(())
    });
    wait(call).unwrap();
    let error = wait(store.get(&[])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    run(&store, "PRAGMA query_only = 0");
    assert!(!has(&store, "a"));
    let settled = store.thread.call("test", ErrorKind::Unknown, |session| Ok(session.settled.is()));
    assert!(wait(settled).unwrap());
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
