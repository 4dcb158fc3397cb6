//! The reference subscriber, in memory.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::subscriber::{Envelope, Subscriber};
use crate::{
    error::{Error, ErrorKind, Result},
    fault::Faults,
};

/// A subscriber that keeps what it is given in a bounded queue.
///
/// Clones share the queue. A full one takes nothing more until somebody
/// [takes](Self::take) from it, so that nothing is lost but time. What is in it is gone when the process
/// ends, although it counts as delivered: right for tests, and for what only lives as long as the
/// process, such as a cache.
#[derive(Clone, Debug)]
pub struct InMemorySubscriber {
    id: String,
    capacity: usize,
    queue: Arc<Mutex<VecDeque<Envelope>>>,
    faults: Arc<Faults>,
}

impl InMemorySubscriber {
    /// Creates a subscriber with room for `capacity` notices.
    pub fn new(id: impl Into<String>, capacity: usize) -> Self {
        let faults = Arc::new(Faults::new("in-memory subscriber"));
        Self { id: id.into(), capacity, queue: Arc::default(), faults }
    }

    /// Takes everything out of the queue, oldest first.
    pub fn take(&self) -> Vec<Envelope> {
        self.queue().drain(..).collect()
    }

    /// Makes the next delivery fail with `kind` and change nothing.
    pub fn fail_next(&self, kind: ErrorKind) {
        self.faults.before(kind);
    }

    /// Makes the next delivery take effect and then fail with `kind`, as when an answer is lost.
    pub fn fail_next_after(&self, kind: ErrorKind) {
        self.faults.after(kind);
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Envelope>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Subscriber for InMemorySubscriber {
    fn id(&self) -> &str {
        &self.id
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<()> {
        self.faults.call("deliver", || {
            let mut queue = self.queue();
            if queue.len() >= self.capacity {
                let message = format!("the queue of {} is full", self.id);
                return Err(Error::new(
                    ErrorKind::RateLimited,
                    "in-memory subscriber",
                    "deliver",
                    message,
                ));
            }
            queue.push_back(envelope.clone());
            Ok(())
        })
    }
}
