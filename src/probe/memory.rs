//! A web of pages in memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{Fetch, Fetched, Probe};
use crate::{
    error::{Error, ErrorKind, Result},
    fault::Faults,
};

/// A probe that sees the pages it was given. Clones share them.
///
/// What has no page here is asked of the [fallback](Self::with_fallback), for example of the code
/// that answers on a platform's real servers. Without one, a page that is missing on a host with
/// other pages is a 404, and a host without pages has no address.
#[derive(Clone, Debug)]
pub struct InMemoryProbe {
    pages: Arc<Mutex<HashMap<Fetch, Fetched>>>,
    fallback: Option<Arc<dyn Probe>>,
    faults: Arc<Faults>,
}

impl InMemoryProbe {
    /// Creates a probe that sees an empty world.
    pub fn new() -> Self {
        Self {
            pages: Arc::default(),
            fallback: None,
            faults: Arc::new(Faults::new("in-memory probe")),
        }
    }

    /// Asks another probe for what has no page here.
    #[must_use]
    pub fn with_fallback(mut self, fallback: Arc<dyn Probe>) -> Self {
        self.fallback = Some(fallback);
        self
    }

    /// Sets what comes back for a page.
    pub fn set(&self, page: Fetch, fetched: Fetched) {
        self.pages().insert(page, fetched);
    }

    /// Serves a page with status 200.
    pub fn serve(&self, page: Fetch, body: impl Into<Vec<u8>>) {
        self.set(page, Fetched::Response { status: 200, body: body.into() });
    }

    /// Takes a page away.
    pub fn remove(&self, page: &Fetch) {
        self.pages().remove(page);
    }

    /// Makes the next call fail with `kind`.
    pub fn fail_next(&self, kind: ErrorKind) {
        self.faults.before(kind);
    }

    fn pages(&self) -> MutexGuard<'_, HashMap<Fetch, Fetched>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn look(&self, fetch: &Fetch) -> Result<Fetched> {
        if !fetch.path.starts_with('/') || fetch.path.contains(char::is_control) {
            let message = "the path has no leading `/`, or control characters";
            return Err(Error::new(ErrorKind::Invalid, "in-memory probe", "fetch", message));
        }
        let page = self.pages().get(fetch).cloned();
        let mut fetched = match (page, &self.fallback) {
            (Some(page), _) => page,
            (None, Some(fallback)) => fallback.fetch(fetch).await?,
            (None, None) if self.pages().keys().any(|page| page.host == fetch.host) => {
                Fetched::Response { status: 404, body: Vec::new() }
            }
            (None, None) => Fetched::NoAddress,
        };
        if let Fetched::Response { body, .. } = &mut fetched {
            body.truncate(Fetched::MAX_BODY);
        }
        Ok(fetched)
    }
}

impl Default for InMemoryProbe {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Probe for InMemoryProbe {
    async fn fetch(&self, fetch: &Fetch) -> Result<Fetched> {
        self.faults.run("fetch", self.look(fetch)).await
    }
}
