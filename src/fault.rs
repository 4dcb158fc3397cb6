//! Failures on request, for the in-memory implementations.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use crate::error::{Error, ErrorKind, Result};

/// The failures that a test has asked for, in order.
#[derive(Debug)]
pub(crate) struct Faults {
    component: &'static str,
    queue: Mutex<VecDeque<Fault>>,
}

#[derive(Clone, Copy, Debug)]
struct Fault {
    kind: ErrorKind,
    /// Whether the call takes effect all the same.
    after: bool,
}

impl Faults {
    /// Creates an empty list for the component that reports the failures.
    pub(crate) const fn new(component: &'static str) -> Self {
        Self { component, queue: Mutex::new(VecDeque::new()) }
    }

    /// Makes the next call fail with `kind` and change nothing.
    pub(crate) fn before(&self, kind: ErrorKind) {
        self.push(Fault { kind, after: false });
    }

    /// Makes the next call take effect and then fail with `kind`.
    pub(crate) fn after(&self, kind: ErrorKind) {
        self.push(Fault { kind, after: true });
    }

    fn push(&self, fault: Fault) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(fault);
    }

    /// Takes the failure that is next in the list: an error if the call must not happen, else the
    /// error that it ends with in spite of its effect.
    fn next(&self, operation: &'static str) -> Result<Option<Error>> {
        let fault = self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(Fault { kind, after }) = fault else { return Ok(None) };
        let failure = Error::new(kind, self.component, operation, "failure on request");
        if after { Ok(Some(failure)) } else { Err(failure) }
    }

    /// Makes one call, with the failure that is next in the list, if any.
    pub(crate) fn call<T>(
        &self,
        operation: &'static str,
        call: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let failure = self.next(operation)?;
        let done = call()?;
        failure.map_or(Ok(done), Err)
    }

    /// Makes one call that waits, with the failure that is next in the list, if any.
    pub(crate) async fn run<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let failure = self.next(operation)?;
        let done = call.await?;
        failure.map_or(Ok(done), Err)
    }
}
