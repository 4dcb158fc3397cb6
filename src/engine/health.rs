//! Whether a process can do its work, for those who start and stop it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Serialize, Serializer};

use super::{
    backends::Backends, codec, held::commit, onboarding::Onboarding, root::Trouble, telemetry::lag,
};
use crate::{
    clock::{Clock, Timestamp, after, between},
    error::{Error, ErrorKind, Result},
    id::OperationId,
    seal::Context,
    secret::Secret,
    store::{Batch, Body, Expect, Filter, Header, Key, Kind, Leased, Query, Write},
    together::within,
};

/// How long what was written shows that the store can be written to.
const WRITTEN: Duration = Duration::from_secs(60);
/// After how long what was written may be tidied away.
const KEPT: Duration = Duration::from_secs(86_400);

/// What is sealed and opened again.
const PROBE: &[u8] = b"nameplate health";

/// What is written to see whether the store takes it.
#[derive(Serialize)]
struct Written {
    written_at: Timestamp,
}

/// How well a process can do its work.
///
/// *Readiness* is [`is_ready`](Self::is_ready): whether commands can be taken and certificates served; of
/// an edge, [`is_ready_to_serve`](Self::is_ready_to_serve).
/// *Liveness* of a worker is [`is_working`](Self::is_working): whether to start it again. A store that
/// is away or full makes a process unready and no less alive.
///
/// As JSON what works is `{"ok": ..}` and what does not is `{"error": ..}`. What went wrong may name
/// machines of the platform: it is for its own people.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// The store's time, or why it does not answer.
    #[serde(serialize_with = "either")]
    pub store: Result<Timestamp, Trouble>,
    /// Whether the store takes what is written, or why not: one that is full or read-only still answers.
    /// While it is taken, this is of up to a minute ago; nothing is written to a store without a domain.
    #[serde(serialize_with = "either")]
    pub writing: Result<(), Trouble>,
    /// Whether all sealing keys are there that are needed, and a secret can be sealed and opened again,
    /// or why not.
    #[serde(serialize_with = "either")]
    pub sealing: Result<(), Trouble>,
    /// Whether nothing keeps the account at the certificate authority from being made, or what: one that
    /// the authority refuses to make, or has lost, holds up every order and nothing else. Also when none was
    /// wanted yet, while the store is away, and of one that was made and closed since: orders tell that.
    #[serde(serialize_with = "either")]
    pub account: Result<(), Trouble>,
    /// How far the process's clock is from the store's, in whichever direction. The store's counts;
    /// certificates are served by it too.
    pub skew: Option<Duration>,
    /// When a worker of this process last asked for work, and what it got; `None` before it did.
    pub last_step: Option<LastStep>,
    /// When the store was first seen to be back after a worker had asked it in vain.
    #[serde(skip)]
    back_at: Option<Timestamp>,
}

/// What a worker got when it last asked for work.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LastStep {
    /// When, by the store's time.
    pub at: Timestamp,
    /// How many roots it leased.
    pub leased: usize,
    /// How long the oldest of them had been due: how late the platform is.
    pub lag: Duration,
}

/// Writes a result with names as all others are written.
fn either<T: Serialize, S: Serializer>(
    result: &Result<T, Trouble>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "snake_case")]
    enum Either<'a, T> {
        Ok(&'a T),
        Error(&'a Trouble),
    }

    result.as_ref().map_or_else(Either::Error, Either::Ok).serialize(serializer)
}

impl Health {
    /// Returns whether the store answers and can be written to, and sealing works.
    pub const fn is_ready(&self) -> bool {
        self.is_ready_to_serve() && self.writing.is_ok()
    }

    /// Returns whether the store answers and sealing works, which is all that an edge needs: it writes
    /// nothing, and a full disk must not take it out of service.
    pub const fn is_ready_to_serve(&self) -> bool {
        self.store.is_ok() && self.sealing.is_ok()
    }

    /// Returns whether a worker of this process asked for work in the last `time`. While the store is
    /// away or takes nothing, which a lease is too, nobody can tell, and the answer is yes; a worker
    /// that it did not answer has as much time again from when it is back.
    pub fn is_working(&self, time: Duration) -> bool {
        let (Ok(now), Ok(())) = (&self.store, &self.writing) else { return true };
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
    /// When the store last took something of ours.
    written_at: Option<Timestamp>,
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
        let mut asked = self.asked();
        *asked = Asked { last: Some(step), in_vain: false, back_at: None, ..*asked };
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

    /// Returns whether it is time to write something.
    fn is_to_write(&self, now: Timestamp) -> bool {
        // The clock may have been set back.
        let passed = self.asked().written_at.map(|at| between(at, now).max(between(now, at)));
        passed.is_none_or(|passed| passed >= WRITTEN)
    }

    /// Takes note of when something was written, or that nothing could be.
    fn note_written(&self, at: Option<Timestamp>) {
        self.asked().written_at = at;
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
            self.look_at_sealing().await?;
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
    /// Writes something of no meaning to the store, unless that was done less than a minute ago.
    async fn try_writing(&self, now: Timestamp) -> Result<()> {
        if !self.pulse.is_to_write(now) {
            return Ok(());
        }
        // Not noted before: who asks may not wait for the end of a write that hangs.
        let written = self.write_health(now).await;
        self.pulse.note_written(written.is_ok().then_some(now));
        written
    }

    async fn write_health(&self, now: Timestamp) -> Result<()> {
        // A store without a domain may be one that is moved to: nothing is to be in the way there.
        let domains = Query::new(Kind::Domain, Filter::All).with_limit(1);
        let page = self.store.list(&domains).await?;
        if page.items.is_empty() && page.unreadable.is_empty() {
            return Ok(());
        }
        let mut key = Key::new(Kind::Ledger, "health");
        let expect = match self.store.get(std::slice::from_ref(&key)).await {
            Ok(found) => match found.into_iter().flatten().next() {
                Some(item) => Expect::Revision(item.revision),
                None => Expect::Absent,
            },
            // It says nothing, so another one does as well.
            Err(error) if error.kind() == ErrorKind::Malformed => {
                let mut chance = [0; 16];
                self.random.fill(&mut chance)?;
                key = Key::new(Kind::Ledger, format_args!("health/{}", hex::encode(chance)));
                Expect::Absent
            }
            Err(error) => return Err(error),
        };
        let header = Header { expires: Some(after(now, KEPT)), ..Header::default() };
        let body = Body::new(codec::write(&Written { written_at: now })?);
        let write = Write::Put { key: key.clone(), expect, header, body };
        let batch = Batch::new(OperationId::random(&*self.random)?).with(write);
        // Another process that was faster has shown it as well.
        commit(self, batch, &key).await.map(drop)
    }

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
    /// Writes to the store, once a minute at most while it takes that. Costs up to six calls of it, what [`check_sealing`](Self::check_sealing) does, and one sealing and
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
        let writing = match &store {
            Ok(now) => backends.try_writing(*now).await.map_err(trouble),
            Err(trouble) => Err(trouble.clone()),
        };
        let takes = store.as_ref().ok().filter(|_| writing.is_ok()).copied();
        let Asked { last, back_at, .. } = backends.pulse.at(takes);
        let account = match &store {
            Ok(_) => backends.account_trouble().await,
            Err(_) => Ok(()),
        };
        Health { store, writing, sealing, account, skew, last_step: last, back_at }
    }
}
