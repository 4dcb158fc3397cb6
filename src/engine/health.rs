//! Whether a process can do its work, for those who start and stop it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{backends::Backends, onboarding::Onboarding, root::Trouble};
use crate::{
    clock::{Clock, Timestamp, between},
    error::{Error, ErrorKind, Result},
    seal::Context,
    secret::Secret,
    store::Leased,
};

/// What is sealed and opened again.
const PROBE: &[u8] = b"nameplate health";

/// How well a process can do its work.
///
/// *Readiness* is [`is_ready`](Self::is_ready): whether commands can be taken and certificates served.
/// *Liveness* of a worker is [`is_working`](Self::is_working): whether to start it again. A store that
/// is away makes a process unready and no less alive.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Health {
    /// The store's time, or why it does not answer.
    pub store: Result<Timestamp, Trouble>,
    /// Whether a secret can be sealed and opened again, or why not.
    pub sealing: Result<(), Trouble>,
    /// How far the process's clock is from the store's, in whichever direction. The store's counts;
    /// certificates are served by it too.
    pub skew: Option<Duration>,
    /// When a worker of this process last asked for work, and what it got; `None` before it did.
    pub last_step: Option<LastStep>,
}

/// What a worker got when it last asked for work.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct LastStep {
    /// When, by the store's time.
    pub at: Timestamp,
    /// How many roots it leased.
    pub leased: usize,
    /// How long the oldest of them had been due: how late the platform is.
    pub lag: Duration,
}

impl Health {
    /// Returns whether store and sealing work.
    pub const fn is_ready(&self) -> bool {
        self.store.is_ok() && self.sealing.is_ok()
    }

    /// Returns whether a worker of this process asked for work in the last `time`. While the store is
    /// away nobody can tell, and the answer is yes.
    pub fn is_working(&self, time: Duration) -> bool {
        match (&self.store, self.last_step) {
            (Ok(now), Some(step)) => between(step.at, *now) <= time,
            (Ok(_), None) => false,
            (Err(_), _) => true,
        }
    }
}

/// When work was last asked for, in this process.
#[derive(Debug, Default)]
pub(super) struct Pulse(Mutex<Option<LastStep>>);

impl Pulse {
    /// Takes note of what the store handed out.
    pub(super) fn note(&self, leased: &Leased) {
        let lag = |due: Option<Timestamp>| due.map_or(Duration::ZERO, |at| between(at, leased.now));
        let oldest = leased.leases.iter().map(|(_, item)| lag(item.header.due)).max();
        let step = LastStep {
            at: leased.now,
            leased: leased.leases.len(),
            lag: oldest.unwrap_or_default(),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(step);
    }

    fn last(&self) -> Option<LastStep> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backends {
    async fn probe_sealing(&self) -> Result<()> {
        let context = Context::new(None, "health", "health check");
        let sealed = self.sealer.seal(&context, &Secret::new(PROBE.to_vec())).await?;
        let opened = self.sealer.open(&context, &sealed).await?;
        if opened == Secret::new(PROBE.to_vec()) {
            return Ok(());
        }
        let message = "what was sealed opens to something else";
        Err(Error::new(ErrorKind::Malformed, "engine", "health", message))
    }
}

impl Onboarding {
    /// Looks whether store and sealing work, and tells what the workers of this process did last.
    ///
    /// Costs one call of the store, and one sealing and opening. `clock` is the process's own, such as
    /// [`SystemClock`](crate::clock::SystemClock). Never an error: what is wrong is in the answer.
    pub async fn health(&self, clock: &dyn Clock) -> Health {
        let backends = self.backends();
        let trouble = |error: Error| Trouble::from(&error);
        let store = backends.store.now().await.map_err(trouble);
        let here = clock.now();
        let skew =
            store.as_ref().ok().map(|there| between(*there, here).max(between(here, *there)));
        let sealing = backends.probe_sealing().await.map_err(trouble);
        Health { store, sealing, skew, last_step: backends.pulse.last() }
    }
}
