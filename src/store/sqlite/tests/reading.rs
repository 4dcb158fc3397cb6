use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::store::sqlite::SqliteBuilder;

/// Keeps the thread of a store busy until what is returned is dropped.
fn busy(store: &Sqlite) -> impl Sized {
    let (release, held) = mpsc::channel::<()>();
    // One whose caller has gone would not be run.
    let mut call = Box::pin(store.thread.call("test", ErrorKind::Unknown, move |_| {
        let _: std::result::Result<(), _> = held.recv();
        Ok(())
    }));
    assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    (release, call)
}

/// Returns what a future has to say at once.
fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

fn keys(count: usize) -> Vec<Key> {
    (0..count).map(|id| Key::new(Kind::Domain, id)).collect()
}

fn filled(builder: SqliteBuilder) -> Sqlite {
    let store = wait(builder.with_clock(Arc::new(clock())).open()).unwrap();
    let header = Header { unique: vec![UniqueKey::new("test", &["0"])], ..due() };
    let entry = NewEntry::new(Key::new(Kind::Domain, "0"), "{}".to_owned());
    assert_eq!(wait(store.commit(put("0", header).with_entry(entry))).unwrap(), Commit::Done);
    store
}

#[test]
fn what_is_short_is_read_at_once_and_what_is_long_by_the_thread() {
    let folder = Scratch::new();
    let store = filled(Sqlite::builder(folder.file("store.db")));
    let release = busy(&store);
    let key = Key::new(Kind::Domain, "0");
    assert_eq!(at_once(store.now()).unwrap().unwrap().timestamp(), 1_800_000_000);
    let found = at_once(store.get(&keys(32))).unwrap().unwrap();
    assert_eq!(found.iter().flatten().map(|item| &item.key).collect::<Vec<_>>(), [&key]);
    let unique = UniqueKey::new("test", &["0"]);
    let found = at_once(store.find(std::slice::from_ref(&unique))).unwrap().unwrap();
    assert_eq!(found[0].as_ref().unwrap().key, key);
    assert_eq!(at_once(store.entries(&key, 0, 32)).unwrap().unwrap().len(), 1);
    let all = Query::new(Kind::Domain, Filter::All).with_limit(32);
    assert_eq!(at_once(store.list(&all)).unwrap().unwrap().items.len(), 1);

    assert!(at_once(store.get(&keys(33))).is_none());
    assert!(at_once(store.find(&vec![unique; 33])).is_none());
    assert!(at_once(store.entries(&key, 0, 33)).is_none());
    assert!(at_once(store.list(&all.clone().with_limit(33))).is_none());
    // Nobody knows how many of these there are before the first can be returned.
    for filter in [
        Filter::Name("name".to_owned()),
        Filter::Status("active".to_owned()),
        Filter::ExpiresBy(Timestamp::MAX_UTC),
    ] {
        assert!(at_once(store.list(&Query::new(Kind::Domain, filter).with_limit(1))).is_none());
    }
    drop(release);
    assert_eq!(wait(store.list(&all.with_limit(33))).unwrap().items.len(), 1);
    assert_eq!(wait(store.get(&keys(33))).unwrap().iter().flatten().count(), 1);
}

#[test]
fn without_readers_nothing_is_read_by_the_task_that_asks() {
    let folder = Scratch::new();
    let store = filled(Sqlite::builder(folder.file("store.db")).with_readers(0));
    let release = busy(&store);
    assert!(at_once(store.now()).is_none());
    assert!(at_once(store.get(&keys(1))).is_none());
    drop(release);
    assert!(has(&store, "0"));
}

#[test]
fn whoever_finds_no_reader_free_asks_the_thread() {
    let folder = Scratch::new();
    let store = filled(Sqlite::builder(folder.file("store.db")).with_readers(1));
    let seen = store.thread.look(|_| {
        assert!(store.thread.look(|_| Ok(())).is_none());
        Ok(has(&store, "0"))
    });
    assert_eq!(seen, Some(true));
}

#[test]
fn a_reader_cannot_write() {
    let folder = Scratch::new();
    let store = filled(Sqlite::builder(folder.file("store.db")));
    let written = store.thread.look(|reader| Ok(reader.execute_batch("DELETE FROM items")?));
    assert!(written.is_none());
    assert!(has(&store, "0"));
}

#[test]
fn a_reader_that_was_left_in_a_panic_sees_what_is_committed_later() {
    let folder = Scratch::new();
    let store = filled(Sqlite::builder(folder.file("store.db")).with_readers(1));
    let left = catch_unwind(AssertUnwindSafe(|| {
        store.thread.look::<()>(|reader| {
            reader.execute_batch("BEGIN; SELECT * FROM items")?;
            panic!("a panic on request")
        })
    }));
    assert!(left.is_err());
    wait(store.commit(put("1", due()))).unwrap();
    let release = busy(&store);
    assert_eq!(at_once(store.get(&keys(2))).unwrap().unwrap().iter().flatten().count(), 2);
    drop(release);
}

#[test]
fn several_items_are_read_as_they_are_at_one_moment() {
    let folder = Scratch::new();
    let store = filled(Sqlite::builder(folder.file("store.db")));
    wait(store.commit(put("1", due()))).unwrap();
    let other = thread::spawn({
        let store = store.clone();
        move || {
            for counter in 1..200 {
                let keys = keys(2);
                let found = wait(store.get(&keys)).unwrap();
                let mut batch = Batch::new(OperationId::random(&OsRandom).unwrap());
                for item in found.into_iter().flatten() {
                    assert_eq!(item.revision.counter, counter);
                    let expect = Expect::Revision(item.revision);
                    let (key, header, body) = (item.key, item.header, item.body);
                    batch = batch.with(Write::Put { key, expect, header, body });
                }
                assert_eq!(wait(store.commit(batch)).unwrap(), Commit::Done);
            }
        }
    });
    while !other.is_finished() {
        let found = wait(store.get(&keys(2))).unwrap();
        let counters: Vec<_> = found.iter().flatten().map(|item| item.revision.counter).collect();
        assert_eq!(counters.len(), 2);
        assert_eq!(counters[0], counters[1]);
    }
    other.join().unwrap();
}

#[test]
fn who_found_no_work_looks_for_it_without_the_lock_for_writing() {
    let folder = Scratch::new();
    let path = folder.file("store.db");
    let time = clock();
    let builder = Sqlite::builder(&path).with_busy_timeout(Duration::ZERO);
    let store = wait(builder.with_clock(Arc::new(time.clone())).open()).unwrap();
    let later = time.now() + chrono::TimeDelta::microseconds(10);
    wait(store.commit(put("later", Header { due: Some(later), ..Header::default() }))).unwrap();
    let lease =
        |kinds: &[Kind]| wait(store.lease(&LeaseRequest::new(kinds, 10, Duration::from_secs(60))));
    assert_eq!(lease(&[Kind::Domain]).unwrap().leases, []);

    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let nothing = lease(&[Kind::Account, Kind::Domain]).unwrap();
    assert_eq!((nothing.leases.len(), nothing.now.timestamp_subsec_micros()), (0, 123_456));
    // More kinds than there are of roots are not looked for, and neither is one root.
    let error = lease(&Kind::ALL).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let one = LeaseRequest::of(Key::new(Kind::Domain, "later"), Duration::from_secs(60));
    assert_eq!(wait(store.lease(&one)).unwrap_err().kind(), ErrorKind::Unavailable);

    time.set(later);
    let error = lease(&[Kind::Domain]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(lease(&[Kind::Domain]).unwrap().leases.len(), 1);
}
