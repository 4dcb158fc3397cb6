//! The answer to one call, carried from the thread of the database to whichever task waits for it.
//!
//! Needs no runtime: a task is woken by the waker that it left.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// Creates the two ends of one answer.
pub(super) fn reply<T>() -> (Promise<T>, Answer<T>) {
    let shared = Arc::new(Shared(Mutex::new(State::Open(None))));
    (Promise(Arc::clone(&shared)), Answer(shared))
}

/// The end that gives the answer.
pub(super) struct Promise<T>(Arc<Shared<T>>);

/// The end that waits: resolves to `None` if the other end is gone without an answer.
pub(super) struct Answer<T>(Arc<Shared<T>>);

struct Shared<T>(Mutex<State<T>>);

enum State<T> {
    /// No answer yet, and who waits for it.
    Open(Option<Waker>),
    /// The answer, until it is taken.
    Given(Option<T>),
}

impl<T> Shared<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Nothing that runs under the lock can leave the state half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give(&self, answer: Option<T>) {
        let mut state = self.state();
        let State::Open(waker) = &mut *state else { return };
        let waker = waker.take();
        *state = State::Given(answer);
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Promise<T> {
    /// Returns whether somebody still waits.
    pub(super) fn is_awaited(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Gives the answer.
    pub(super) fn keep(self, answer: T) {
        self.0.give(Some(answer));
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        self.0.give(None);
    }
}

impl<T> Future for Answer<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self.0.state() {
            State::Given(answer) => Poll::Ready(answer.take()),
            State::Open(waker) => {
                match waker {
                    Some(waker) => waker.clone_from(context.waker()),
                    None => *waker = Some(context.waker().clone()),
                }
                Poll::Pending
            }
        }
    }
}
