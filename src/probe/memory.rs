//! A web of pages in memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{Fetch, Fetched, Probe, Response, redirect::Trail};
use crate::{
    error::{ErrorKind, Result},
    fault::Faults,
    name::DomainName,
};

/// What a host shows at a path, over either scheme.
type Pages = HashMap<(DomainName, String), Fetched>;

/// A probe that sees the pages it was given. Clones share them.
///
/// What has no page here is asked of the [fallback](Self::with_fallback), for example of the code
/// that answers on a platform's real servers. Without one, a page that is missing on a host with
/// other pages is a 404, and a host without pages has no address.
#[derive(Clone, Debug)]
pub struct InMemoryProbe {
    pages: Arc<Mutex<Pages>>,
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
    pub fn with_fallback(mut self, fallback: impl Probe) -> Self {
        self.fallback = Some(Arc::new(fallback));
        self
    }

    /// Sets what comes back for a page, whatever its redirections.
    pub fn set(&self, page: Fetch, fetched: Fetched) {
        self.pages().insert((page.host, page.path), fetched);
    }

    /// Serves a page of plain text with status 200.
    pub fn serve(&self, page: Fetch, body: impl Into<Vec<u8>>) {
        let response = Response::new(200, body).with_content_type("text/plain");
        self.set(page, Fetched::Response(response));
    }

    /// Takes a page away.
    pub fn remove(&self, page: &Fetch) {
        self.pages().remove(&(page.host.clone(), page.path.clone()));
    }

    /// Makes the next call fail with `kind`.
    pub fn fail_next(&self, kind: ErrorKind) {
        self.faults.before(kind);
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for one page.
    async fn ask(&self, host: &DomainName, path: &str) -> Result<Fetched> {
        let page = self.pages().get(&(host.clone(), path.to_owned())).cloned();
        Ok(match (page, &self.fallback) {
            (Some(page), _) => page,
            (None, Some(fallback)) => fallback.fetch(&Fetch::new(host.clone(), path)).await?,
            (None, None) if self.pages().keys().any(|(known, _)| known == host) => {
                Fetched::response(404, "")
            }
            (None, None) => Fetched::NoAddress,
        })
    }

    async fn look(&self, fetch: &Fetch) -> Result<Fetched> {
        fetch.check("in-memory probe")?;
        let mut trail = Trail::new(fetch, usize::MAX);
        let mut place = trail.start();
        loop {
            let mut fetched = self.ask(&fetch.host, &place.path).await?;
            if let Fetched::Response(response) = &mut fetched {
                response.body.truncate(Fetched::MAX_BODY);
                if let Some(next) = trail.next(&place, response) {
                    place = next;
                    continue;
                }
            }
            return Ok(fetched);
        }
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
