//! Whether a process can do its work, for those who start and stop it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{backends::Backends, onboarding::Onboarding, root::Trouble, telemetry::lag};
use crate::{
    clock::{Clock, Timestamp, between},
    error::{Error, ErrorKind, Result},
    seal::Context,
    secret::Secret,
    store::Leased,
    together::within,
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
    /// Whether all sealing keys are there that are needed, and a secret can be sealed and opened again,
    /// or why not.
    pub sealing: Result<(), Trouble>,
    /// Whether nothing keeps the account at the certificate authority from being made, or what: one that
    /// the authority refuses to make, or has lost, holds up every order and nothing else. Also when none was
    /// wanted yet, while the store is away, and of one that was made and closed since: orders tell that.
    pub account: Result<(), Trouble>,
    /// How far the process's clock is from the store's, in whichever direction. The store's counts;
    /// certificates are served by it too.
    pub skew: Option<Duration>,
    /// When a worker of this process last asked for work, and what it got; `None` before it did.
    pub last_step: Option<LastStep>,
    /// When the store was first seen to be back after a worker had asked it in vain.
    back_at: Option<Timestamp>,
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
    /// away nobody can tell, and the answer is yes; a worker that it did not answer has as much time
    /// again from when it is back.
    pub fn is_working(&self, time: Duration) -> bool {
        let Ok(now) = &self.store else { return true };
        let asked = self.last_step.map(|step| step.at).max(self.back_at);
        asked.is_some_and(|at| between(at, *now) <= time)
    }
}

/// When work was last asked for, in this process.
#[derive(Debug, Default)]
pub(super) struct Pulse(Mutex<Asked>);

#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    last: Option<LastStep>,
    /// Whether the store has not answered since.
    in_vain: bool,
    back_at: Option<Timestamp>,
}

impl Pulse {
    /// Takes note of what the store handed out.
    pub(super) fn note(&self, leased: &Leased) {
        let lags = leased.leases.iter().map(|(lease, item)| lag(lease, item, leased.now));
        let oldest = lags.max();
        let step = LastStep {
            at: leased.now,
            leased: leased.leases.len(),
            lag: oldest.unwrap_or_default(),
        };
        *self.asked() = Asked { last: Some(step), in_vain: false, back_at: None };
    }

    /// Takes note of a store that did not answer: it tells no time then.
    pub(super) fn note_silence(&self) {
        self.asked().in_vain = true;
    }

    /// Returns what was asked last, now that the store answers or does not.
    fn at(&self, now: Option<Timestamp>) -> Asked {
        let mut asked = self.asked();
        if now.is_some() && asked.in_vain {
            *asked = Asked { in_vain: false, back_at: now, ..*asked };
        }
        *asked
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backends {
    /// Checks that all sealing keys are there that are needed, and that the sealer seals: a vault may
    /// open and not seal. Not the keys while the store is away, which knows them.
    async fn try_sealing(&self, store_answers: bool) -> Result<()> {
        if store_answers {
            self.check_sealing().await?;
        }
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

impl Backends {
    /// Returns what is wrong with the account at the authority.
    async fn account_trouble(&self) -> Result<(), Trouble> {
        let Some(root) = self.account_root().await.map_err(|error| Trouble::from(&error))? else {
            return Ok(());
        };
        if let Some(setback) = root.setback.filter(|setback| setback.parked_at.is_some()) {
            let message = format!("the account is parked: {}", setback.failure.message);
            return Err(Trouble::new(setback.failure.kind, message));
        }
        match (root.handle, root.trouble) {
            (None, Some(trouble)) => Err(trouble),
            _ => Ok(()),
        }
    }
}

impl Onboarding {
    /// Looks whether store and sealing work, and tells what the workers of this process did last.
    ///
    /// Costs three calls of the store, what [`check_sealing`](Self::check_sealing) does, and one sealing and
    /// opening. A sealer that does not answer within
    /// [`Policy::call_timeout`](super::Policy::call_timeout) is `Unavailable`. `clock` is the process's
    /// own, such as [`SystemClock`](crate::clock::SystemClock). Never an error: what is wrong is in the
    /// answer.
    pub async fn health(&self, clock: &dyn Clock) -> Health {
        let backends = self.backends();
        let trouble = |error: Error| Trouble::from(&error);
        let store = backends.store.now().await.map_err(trouble);
        let here = clock.now();
        let skew =
            store.as_ref().ok().map(|there| between(*there, here).max(between(here, *there)));
        let limit = backends.settings.policy.call_timeout;
        let sealing = within(&*backends.timer, limit, backends.try_sealing(store.is_ok())).await;
        let sealing = sealing.unwrap_or_else(|| {
            let message = "the sealer did not answer in time";
            Err(Error::new(ErrorKind::Unavailable, "engine", "health", message))
        });
        let sealing = sealing.map_err(trouble);
        let Asked { last, back_at, .. } = backends.pulse.at(store.as_ref().ok().copied());
        let account = match &store {
            Ok(_) => backends.account_trouble().await,
            Err(_) => Ok(()),
        };
        Health { store, sealing, account, skew, last_step: last, back_at }
    }
}
