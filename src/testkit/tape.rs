//! Counting the calls that a worker makes, and stopping it at one of them.

use std::{
    collections::BTreeSet,
    fmt,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

/// On which side of a call a point is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "there is no third side")]
pub enum Moment {
    /// The call has taken effect, and nobody knows it yet.
    After,
    /// The call has not been made.
    Before,
}

/// A place where a worker can be stopped: before or after one call to a backend.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub struct Point {
    /// The trait, such as `dns`.
    pub backend: &'static str,
    /// The method.
    pub call: &'static str,
    /// Before or after the call.
    pub moment: Moment,
}

impl Point {
    /// Creates a point.
    pub const fn new(backend: &'static str, call: &'static str, moment: Moment) -> Self {
        Self { backend, call, moment }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = match self.moment {
            Moment::Before => "before",
            Moment::After => "after",
        };
        write!(f, "{moment} {}.{}", self.backend, self.call)
    }
}

/// A count of the points that the taps of one worker have passed. Clones share it.
///
/// At the points it was told of, the call stays pending. Dropping the worker's future then is a kill
/// or a cancellation; [`resume`](Self::resume) after another worker has gone on is a process that
/// was stopped; a command run in between is a race.
#[derive(Clone, Debug, Default)]
pub struct Tape(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    passed: Vec<Point>,
    stops: BTreeSet<usize>,
    stopped: bool,
    waker: Option<Waker>,
    watch: Option<Watch>,
}

/// What is called with each point.
#[derive(Clone)]
struct Watch(Arc<dyn Fn(&Point) + Send + Sync>);

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

impl Tape {
    /// Creates a tape that stops nowhere.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a tape that stops at the point with this number, counted from 0.
    pub fn stopping_at(number: usize) -> Self {
        let tape = Self::default();
        tape.state().stops.insert(number);
        tape
    }

    /// Calls `watch` with each point that is passed, within the call, before it is stopped there.
    ///
    /// As long as it does not return, nothing else goes on in the same task: the place for a process
    /// to be killed or stopped by the system.
    #[must_use]
    pub fn watched_by(self, watch: impl Fn(&Point) + Send + Sync + 'static) -> Self {
        self.state().watch = Some(Watch(Arc::new(watch)));
        self
    }

    /// Lets the stopped call go on.
    pub fn resume(&self) {
        let waker = {
            let mut state = self.state();
            state.stopped = false;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Returns whether a call is stopped.
    pub fn is_stopped(&self) -> bool {
        self.state().stopped
    }

    /// Returns the points that were passed, in order; the last one is where it stopped, if it did.
    pub fn passed(&self) -> Vec<Point> {
        self.state().passed.clone()
    }

    /// Passes a point, or stays there.
    pub(super) async fn pass(&self, backend: &'static str, call: &'static str, moment: Moment) {
        let point = Point { backend, call, moment };
        let watch = self.state().watch.clone();
        if let Some(Watch(watch)) = watch {
            watch(&point);
        }
        {
            let mut state = self.state();
            let number = state.passed.len();
            state.passed.push(point);
            if !state.stops.remove(&number) {
                return;
            }
            state.stopped = true;
        }
        poll_fn(|context| {
            let mut state = self.state();
            if state.stopped {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
