//! The thread that owns the connection that writes, and how it is asked.

use std::{
    sync::{
        Arc,
        mpsc::{self, Sender},
    },
    thread,
};

use rusqlite::Connection;

use super::{
    COMPONENT,
    builder::SqliteBuilder,
    failure::Failure,
    open,
    readers::{Readers, Settled},
    reply::{Answer, reply},
    session::Session,
};
use crate::error::{Error, ErrorKind, Result};

/// One call, to be run on the thread.
type Job = Box<dyn FnOnce(&mut Session<'_>) + Send>;

/// A line to the thread. The thread works off what was asked for and ends when all lines are gone.
#[derive(Clone, Debug)]
pub(super) struct Thread(Arc<Line>);

#[derive(Debug)]
struct Line {
    // Closed first, so that the thread closes the file.
    readers: Readers,
    jobs: Sender<Job>,
    settled: Settled,
}

impl Thread {
    /// Starts the thread, which opens the database first.
    pub(super) async fn start(settings: SqliteBuilder) -> Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let settled = Settled::new();
        let shared = settled.clone();
        let ready = spawn("nameplate-sqlite", "open", move |ready| {
            let connection = match open::open(&settings) {
                Ok(connection) => connection,
                Err(error) => return ready.keep(Err(error)),
            };
            let clock = Arc::clone(&settings.clock);
            let mut session = match Session::new(&connection, clock, shared.clone()) {
                Ok(session) => session,
                Err(error) => {
                    return ready.keep(Err(open::error(&settings.shown(), error.into())));
                }
            };
            let readers = Readers::open(&settings, shared);
            let failed = readers.is_err();
            ready.keep(readers);
            if failed {
                return;
            }
            for job in queue {
                job(&mut session);
            }
        })?;
        let readers = ready.await.unwrap_or_else(|| Err(gone(ErrorKind::Unavailable, "open")))?;
        Ok(Self(Arc::new(Line { readers, jobs, settled })))
    }

    /// Reads here and now, or returns `None` if that is for the thread.
    pub(super) fn look<T>(
        &self,
        look: impl FnOnce(&Connection) -> Result<T, Failure>,
    ) -> Option<T> {
        self.0.readers.look(look)
    }

    /// Runs a call on the thread.
    ///
    /// One whose caller has gone before its turn is not run. `lost` says what it means that the
    /// answer never comes.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        operation: &'static str,
        lost: ErrorKind,
        call: impl FnOnce(&mut Session<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let (promise, answer) = reply();
        let job = move |session: &mut Session<'_>| {
            if promise.is_awaited() {
                promise.keep(call(session));
            }
        };
        self.0.jobs.send(Box::new(job)).map_err(|_| gone(ErrorKind::Unavailable, operation))?;
        match answer.await {
            Some(done) => done.map_err(|failure| failure.into_error(operation)),
            None => {
                // It may still be ending, and this is an answer already.
                self.0.settled.set(false);
                Err(gone(lost, operation))
            }
        }
    }
}

/// Runs something on a thread of its own that is not needed for long.
pub(super) async fn aside<T: Send + 'static>(
    operation: &'static str,
    run: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let answer = spawn("nameplate-sqlite-aside", operation, move |promise| promise.keep(run()))?;
    answer.await.unwrap_or_else(|| Err(gone(ErrorKind::Unavailable, operation)))
}

fn spawn<T: Send + 'static>(
    name: &'static str,
    operation: &'static str,
    run: impl FnOnce(super::reply::Promise<T>) + Send + 'static,
) -> Result<Answer<T>> {
    let (promise, answer) = reply();
    thread::Builder::new().name(name.to_owned()).spawn(move || run(promise)).map_err(|error| {
        Error::new(ErrorKind::Unavailable, COMPONENT, operation, "the system gives no thread")
            .with_source(error)
    })?;
    Ok(answer)
}

fn gone(kind: ErrorKind, operation: &'static str) -> Error {
    Error::new(kind, COMPONENT, operation, "the thread of the database has ended")
}
