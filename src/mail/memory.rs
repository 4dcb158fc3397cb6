//! A mailer that delivers to a list.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{Mailer, Message};
use crate::{
    error::{Error, ErrorKind, Result},
    fault::Faults,
};

/// A mailer that keeps the messages instead of sending them. Clones share them.
///
/// Like a mail server it takes no recipient that is not an address, and none that it was told to
/// [`refuse`](Self::refuse). It looks at the form of an address only as far as that.
#[derive(Clone, Debug)]
pub struct InMemoryMailer {
    state: Arc<Mutex<State>>,
    faults: Arc<Faults>,
}

#[derive(Debug, Default)]
struct State {
    sent: Vec<Message>,
    refused: HashSet<String>,
}

impl InMemoryMailer {
    /// Creates a mailer that has sent nothing.
    pub fn new() -> Self {
        Self { state: Arc::default(), faults: Arc::new(Faults::new("in-memory mailer")) }
    }

    /// Returns the messages that were sent, in order.
    pub fn sent(&self) -> Vec<Message> {
        self.state().sent.clone()
    }

    /// Refuses messages to this address from now on, as a server does that knows no such mailbox.
    pub fn refuse(&self, address: &str) {
        self.state().refused.insert(address.to_ascii_lowercase());
    }

    /// Makes the next call fail with `kind` and send nothing.
    pub fn fail_next(&self, kind: ErrorKind) {
        self.faults.before(kind);
    }

    /// Makes the next call send its message and then fail with `kind`.
    pub fn fail_next_after(&self, kind: ErrorKind) {
        self.faults.after(kind);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for InMemoryMailer {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Mailer for InMemoryMailer {
    async fn send(&self, message: &Message) -> Result<()> {
        self.faults.call("send", || {
            let error = |kind, message| Err(Error::new(kind, "in-memory mailer", "send", message));
            if message.subject.contains(char::is_control) {
                return error(ErrorKind::Invalid, "the subject is not one line");
            }
            let odd = |c: char| c.is_control() || c.is_whitespace();
            let address = message.to.rsplit_once('@');
            if message.to.contains(odd)
                || !address.is_some_and(|(local, host)| !local.is_empty() && !host.is_empty())
            {
                return error(ErrorKind::Invalid, "the recipient is not an address");
            }
            let mut state = self.state();
            if state.refused.contains(&message.to.to_ascii_lowercase()) {
                return error(ErrorKind::Refused, "no such mailbox");
            }
            state.sent.push(message.clone());
            Ok(())
        })
    }
}
