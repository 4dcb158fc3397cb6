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

mod damage;
mod failing;
mod migrating;
mod opening;
mod reading;
mod running;
mod upkeep;

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
