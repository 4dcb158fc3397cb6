//! Which certificate a name is served with: loaded once, kept for a while, looked at again.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::sync::{OnceCell, Semaphore};

use super::recent::Recent;
use crate::{
    clock::{Clock, Timer, Timestamp, after},
    engine::{Edge, Identity},
    error::{Error, ErrorKind, Result},
    id::{CertificateId, DomainId, TenantId},
    name::DomainName,
};

/// How long after a failure a name is not asked for again.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

/// What a name is served with.
#[derive(Clone)]
#[non_exhaustive]
pub struct Served {
    /// The name that the tenant holds: the one that was asked for, or a wildcard that covers it.
    pub name: DomainName,
    /// The certificate: changes with every renewal.
    pub certificate: CertificateId,
    /// The domain it is for.
    pub domain: DomainId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Until when the certificate is valid.
    pub not_after: Timestamp,
    /// The certificate and its key, ready for a handshake. One per certificate.
    pub config: Arc<ServerConfig>,
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served")
            .field("name", &self.name)
            .field("certificate", &self.certificate)
            .field("domain", &self.domain)
            .field("tenant", &self.tenant)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// How much is kept at this moment, for metrics.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Usage {
    /// Certificates with their keys.
    pub identities: usize,
    /// Names that nobody holds, that a wildcard covers, or whose last load failed.
    pub hosts: usize,
    /// Names that are being loaded or looked at again.
    pub loads: usize,
}

/// How much may be kept, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) identities: usize,
    pub(super) hosts: usize,
    pub(super) loads: usize,
    pub(super) load_timeout: Duration,
    pub(super) revalidate_after: Duration,
    pub(super) unknown_for: Duration,
    pub(super) max_stale: Duration,
}

/// What was found out about a name.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Served(Served),
    /// Nobody holds it, or there is no certificate yet.
    Nobody,
    Failed(Arc<Error>),
}

/// The certificates by name.
#[derive(Debug)]
pub(super) struct Identities {
    edge: Edge,
    clock: Arc<dyn Clock>,
    timer: Arc<dyn Timer>,
    /// What all configurations have in common.
    base: ServerConfig,
    limits: Limits,
    loads: Semaphore,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    /// By the name that is held, which may be a wildcard. Only tenants can add to it.
    held: Recent<Held>,
    /// What else was asked for. Anybody can add to it, so it is apart.
    hosts: Recent<Host>,
    /// At most one for each connection.
    flights: HashMap<DomainName, Arc<OnceCell<Outcome>>>,
}

#[derive(Debug)]
struct Held {
    served: Served,
    seen: Seen,
}

#[derive(Debug)]
struct Host {
    found: Found,
    seen: Seen,
}

#[derive(Debug)]
enum Found {
    Nobody,
    /// The wildcard of its parent serves it.
    Wildcard,
    Failed(Arc<Error>),
}

/// When something was looked at.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// When the store was last asked, in vain or not.
    looked_at: Timestamp,
    /// When it last said so.
    confirmed_at: Timestamp,
}

impl Seen {
    const fn at(now: Timestamp) -> Self {
        Self { looked_at: now, confirmed_at: now }
    }

    /// Returns whether the store was asked within `age`. A clock that was set back makes it old.
    fn is_fresh(self, now: Timestamp, age: Duration) -> bool {
        self.looked_at <= now && now < after(self.looked_at, age)
    }

    /// Returns whether it may be relied on if the store does not answer.
    fn is_usable(self, now: Timestamp, max_stale: Duration) -> bool {
        now < after(self.confirmed_at, max_stale)
    }
}

/// What the store says.
enum Answer {
    Nobody,
    /// What is kept is still right.
    Same(Served),
    New(Served),
}

impl Identities {
    pub(super) fn new(
        edge: Edge,
        clock: Arc<dyn Clock>,
        timer: Arc<dyn Timer>,
        base: ServerConfig,
        limits: Limits,
    ) -> Self {
        Self {
            edge,
            clock,
            timer,
            base,
            limits,
            loads: Semaphore::new(limits.loads),
            state: RwLock::new(State {
                held: Recent::new(limits.identities),
                hosts: Recent::new(limits.hosts),
                flights: HashMap::new(),
            }),
        }
    }

    /// Returns what `host` is served with, from what is kept or from the store.
    ///
    /// Any number of calls for a name ask the store once. One that is dropped while it asks leaves
    /// that to the next.
    pub(super) async fn get(&self, host: &DomainName) -> Outcome {
        if let Some(known) = self.read(|state| self.known(state, host, self.clock.now())) {
            return known;
        }
        let flight = match self.join(host) {
            Ok(flight) => flight,
            Err(known) => return known,
        };
        flight.cell.get_or_init(|| self.look(host)).await.clone()
    }

    pub(super) fn usage(&self) -> Usage {
        self.read(|state| Usage {
            identities: state.held.len(),
            hosts: state.hosts.len(),
            loads: state.flights.len(),
        })
    }

    fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, write: impl FnOnce(&mut State) -> T) -> T {
        write(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns what is known without asking.
    fn known(&self, state: &State, host: &DomainName, now: Timestamp) -> Option<Outcome> {
        let Limits { revalidate_after, unknown_for, max_stale, .. } = self.limits;
        let is_good =
            |seen: Seen| seen.is_fresh(now, revalidate_after) && seen.is_usable(now, max_stale);
        if let Some(held) = state.held.get(host)
            && is_good(held.seen)
            && now < held.served.not_after
        {
            return Some(Outcome::Served(held.served.clone()));
        }
        let Host { found, seen } = state.hosts.get(host)?;
        match found {
            Found::Nobody => seen.is_fresh(now, unknown_for).then_some(Outcome::Nobody),
            Found::Failed(error) => {
                let failed = || Outcome::Failed(error.clone());
                seen.is_fresh(now, FAILURE_PAUSE).then(failed)
            }
            Found::Wildcard => {
                let held = state.held.get(&wildcard(host)?)?;
                (is_good(*seen) && now < held.served.not_after)
                    .then(|| Outcome::Served(held.served.clone()))
            }
        }
    }

    /// Joins those that wait for `host`, unless it is known by now.
    fn join<'a>(&'a self, host: &'a DomainName) -> Result<Flight<'a>, Outcome> {
        self.write(|state| {
            // Somebody else may just have landed.
            if let Some(known) = self.known(state, host, self.clock.now()) {
                return Err(known);
            }
            let cell = state.flights.entry(host.clone()).or_default().clone();
            Ok(Flight { identities: self, host, cell })
        })
    }

    /// Asks the store, and remembers what it says.
    async fn look(&self, host: &DomainName) -> Outcome {
        // From before the question on: what is removed while it is answered counts as seen.
        let at = self.clock.now();
        let answer = tokio::select! {
            biased;
            answer = self.ask(host) => answer,
            () = self.timer.sleep(self.limits.load_timeout) => Err(Error::new(
                ErrorKind::Unavailable,
                "acceptor",
                "load",
                format!("{host}: the store did not answer in time"),
            )),
        };
        self.settle(host, at, answer)
    }

    async fn ask(&self, host: &DomainName) -> Result<Answer> {
        let closed = |error| {
            Error::new(ErrorKind::Internal, "acceptor", "load", "closed").with_source(error)
        };
        let _permit = self.loads.acquire().await.map_err(closed)?;
        let kept: Vec<Served> = self.read(|state| {
            let names = [Some(host.clone()), wildcard(host)];
            let held = names.iter().flatten().filter_map(|name| state.held.get(name));
            held.map(|held| held.served.clone()).collect()
        });
        if !kept.is_empty() {
            match self.edge.serves(host).await? {
                None => return Ok(Answer::Nobody),
                Some(id) => {
                    if let Some(same) = kept.into_iter().find(|kept| kept.certificate == id) {
                        return Ok(Answer::Same(same));
                    }
                }
            }
        }
        match self.edge.identity(host).await? {
            None => Ok(Answer::Nobody),
            Some(identity) => self.prepare(identity).map(Answer::New),
        }
    }

    /// Makes a configuration of a certificate and its key.
    fn prepare(&self, identity: Identity) -> Result<Served> {
        let broken = |message: &str| {
            let message = format!("{}: {message}", identity.name);
            Error::new(ErrorKind::Malformed, "acceptor", "load", message)
                .with_subject(identity.certificate)
        };
        if identity.chain.is_empty() {
            return Err(broken("the stored certificate is empty"));
        }
        // The one copy of the key outside a `Secret`: rustls wants to own what it parses.
        let key = PrivatePkcs8KeyDer::from(identity.key.expose().to_vec());
        let chain = identity.chain.iter().cloned().map(CertificateDer::from).collect();
        let certified = CertifiedKey::from_der(chain, key.into(), self.base.crypto_provider())
            .map_err(|error| {
                broken("the stored certificate cannot be served").with_source(error)
            })?;
        let mut config = self.base.clone();
        config.cert_resolver = Arc::new(SingleCertAndKey::from(certified));
        Ok(Served {
            name: identity.name,
            certificate: identity.certificate,
            domain: identity.domain,
            tenant: identity.tenant,
            not_after: identity.not_after,
            config: Arc::new(config),
        })
    }

    /// Remembers an answer, and returns what follows from it.
    fn settle(&self, host: &DomainName, at: Timestamp, answer: Result<Answer>) -> Outcome {
        let seen = Seen::at(at);
        self.write(|state| {
            // Whoever comes from now on asks anew once this has become old.
            state.flights.remove(host);
            match answer {
                Ok(Answer::Nobody) => {
                    state.held.remove(host);
                    if let Some(Host { found: Found::Wildcard, .. }) = state.hosts.get(host)
                        && let Some(wildcard) = wildcard(host)
                    {
                        // Most likely that is gone too. If not, the next host loads it again.
                        state.held.remove(&wildcard);
                    }
                    state.hosts.insert(host.clone(), Host { found: Found::Nobody, seen });
                    Outcome::Nobody
                }
                Ok(Answer::Same(served) | Answer::New(served)) => {
                    if served.name == *host {
                        state.hosts.remove(host);
                    } else {
                        state.held.remove(host);
                        state.hosts.insert(host.clone(), Host { found: Found::Wildcard, seen });
                    }
                    let held = Held { served: served.clone(), seen };
                    state.held.insert(served.name.clone(), held);
                    Outcome::Served(served)
                }
                Err(error) => self.make_do(state, host, at, error),
            }
        })
    }

    /// Returns what was last known when the store does not say, if that is not too old.
    fn make_do(
        &self,
        state: &mut State,
        host: &DomainName,
        at: Timestamp,
        error: Error,
    ) -> Outcome {
        let now = self.clock.now();
        let is_usable = |seen: &Seen| seen.is_usable(now, self.limits.max_stale);
        if let Some(held) = state.held.get_mut(host) {
            if is_usable(&held.seen) && now < held.served.not_after {
                held.seen.looked_at = at;
                return Outcome::Served(held.served.clone());
            }
        } else if let Some(Host { found: Found::Wildcard, seen }) = state.hosts.get_mut(host)
            && let Some(held) = wildcard(host).and_then(|name| state.held.get(&name))
            && is_usable(seen)
            && now < held.served.not_after
        {
            seen.looked_at = at;
            return Outcome::Served(held.served.clone());
        }
        let error = Arc::new(error);
        let found = Found::Failed(error.clone());
        // From now on: the pause is for the store, which may have taken long to fail.
        state.hosts.insert(host.clone(), Host { found, seen: Seen::at(now) });
        Outcome::Failed(error)
    }
}

/// Returns the wildcard that covers `host`.
fn wildcard(host: &DomainName) -> Option<DomainName> {
    let (_, parent) = host.as_str().split_once('.')?;
    format!("*.{parent}").parse().ok()
}

/// A connection's part in a load.
struct Flight<'a> {
    identities: &'a Identities,
    host: &'a DomainName,
    cell: Arc<OnceCell<Outcome>>,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.identities.write(|state| {
            // Clones are made under the same lock: two are the map's and this one.
            if let Some(cell) = state.flights.get(self.host)
                && Arc::ptr_eq(cell, &self.cell)
                && Arc::strong_count(cell) == 2
            {
                state.flights.remove(self.host);
            }
        });
    }
}
