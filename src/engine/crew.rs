//! Roots that are worked on at the same time, and the heartbeat that keeps their leases.

use std::{
    future::{Future, poll_fn},
    mem,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use super::{
    backends::Backends,
    drive::{End, work},
    pauses::Pauses,
    telemetry,
};
use crate::{
    clock::Timestamp,
    error::Result,
    id::OperationId,
    store::{Batch, Key, Lease, Leased, Then, Write},
    together::{Boxed, all},
};

/// How many beats a lease lasts: one may fail, and the next one still comes in time.
const BEATS: u32 = 3;

/// After how long a root gives way to others: it waits for a service then, and takes no more than
/// memory. Most services answer within it.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many batches may be under way when all of them wait.
const BATCHES: usize = 4;

/// A lease as it is known to whoever works under it and to the heartbeat that prolongs it.
#[derive(Debug)]
pub(super) struct Tenure(Mutex<Held>);

#[derive(Debug)]
struct Held {
    lease: Lease,
    is_lost: bool,
}

impl Tenure {
    pub(super) const fn new(lease: Lease) -> Self {
        Self(Mutex::new(Held { lease, is_lost: false }))
    }

    fn state(&self) -> MutexGuard<'_, Held> {
        // Nothing panics in between: every use is one statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lease(&self) -> Lease {
        self.state().lease.clone()
    }

    pub(super) fn key(&self) -> Key {
        self.state().lease.key.clone()
    }

    /// Returns when the lease ends, as far as is known.
    pub(super) fn until(&self) -> Timestamp {
        self.state().lease.until
    }

    /// Returns whether somebody else may have the root by now.
    pub(super) fn is_lost(&self) -> bool {
        self.state().is_lost
    }

    /// Takes note of what the store said when it was asked to prolong the lease.
    pub(super) fn answered(&self, lease: Option<Lease>) {
        let mut state = self.state();
        match lease {
            Some(lease) => state.lease = lease,
            None => state.is_lost = true,
        }
    }

    /// Goes on with `call` for as long as the lease is held; `None` if it is lost. The call is
    /// dropped then.
    ///
    /// The crew polls all its work after every beat, so that nothing has to be woken for this.
    pub(super) async fn unless_lost<T>(&self, call: impl Future<Output = T> + Send) -> Option<T> {
        let mut call = pin!(call);
        poll_fn(|context| {
            if self.is_lost() {
                return Poll::Ready(None);
            }
            call.as_mut().poll(context).map(Some)
        })
        .await
    }
}

/// Roots that are worked on at the same time, in the task of whoever polls.
pub(super) struct Crew<'a> {
    backends: &'a Backends,
    slots: Vec<Slot<'a>>,
    beat: Option<Beat<'a>>,
    /// When the leases end, counted from before they were last prolonged. Comes only if this process
    /// stood still: whatever it was about to do then is late.
    end: Option<Boxed<'a, ()>>,
    /// How long, at most, no lease could be prolonged because the store was away.
    unanswered: Duration,
    /// Whether roots that wait give way to others.
    gives_way: bool,
}

struct Slot<'a> {
    tenure: Arc<Tenure>,
    work: Boxed<'a, End>,
    /// Until it gives way to others.
    patience: Option<Boxed<'a, ()>>,
}

impl Slot<'_> {
    /// Returns whether it gives way from now on.
    fn gives_way(&mut self, context: &mut Context<'_>) -> bool {
        let is_over = |patience: &mut Boxed<'_, ()>| patience.as_mut().poll(context).is_ready();
        self.patience.take_if(is_over).is_some()
    }
}

enum Beat<'a> {
    Resting(Boxed<'a, ()>),
    Extending(Vec<Arc<Tenure>>, Boxed<'a, Result<Vec<Option<Lease>>>>, Boxed<'a, ()>),
}

impl<'a> Crew<'a> {
    pub(super) const fn new(backends: &'a Backends) -> Self {
        let unanswered = Duration::ZERO;
        Self { backends, slots: Vec::new(), beat: None, end: None, unanswered, gives_way: false }
    }

    /// Lets roots that wait for a service give way to others.
    pub(super) const fn giving_way(mut self) -> Self {
        self.gives_way = true;
        self
    }

    /// Returns how many more roots can be taken on, of so many that may be at work together.
    pub(super) fn room(&self, batch: usize) -> usize {
        let at_work = self.slots.iter().filter(|slot| slot.patience.is_some()).count();
        let most = batch.saturating_mul(BATCHES).saturating_sub(self.slots.len());
        batch.saturating_sub(at_work).min(most)
    }

    pub(super) const fn len(&self) -> usize {
        self.slots.len()
    }

    /// Takes roots on.
    pub(super) fn take(&mut self, leased: Leased, pauses: Pauses) {
        let now = leased.now;
        let pauses = Arc::new(pauses);
        if self.slots.is_empty() {
            // What became of earlier leases says nothing about these.
            (self.beat, self.end) = (None, None);
            self.unanswered = Duration::ZERO;
        }
        let Backends { settings, timer, .. } = self.backends;
        self.end.get_or_insert_with(|| timer.sleep(settings.policy.lease));
        for (lease, item) in leased.leases {
            telemetry::leased(&lease, &item, now);
            let (key, tenant) = (lease.key.clone(), item.header.tenant);
            let tenure = Arc::new(Tenure::new(lease));
            let work = work(self.backends, tenure.clone(), pauses.clone(), item, now);
            let held = tenure.clone();
            let kind = key.kind;
            let work = async move {
                let end = work.await;
                telemetry::ended(kind, end);
                // One that is given back while its lease is to be prolonged looks as if it were lost, too.
                if end == End::Left && held.is_lost() {
                    telemetry::lost(&held.key());
                }
                end
            };
            let work = Box::pin(telemetry::working(&key, tenant, work));
            let patience = self.gives_way.then(|| timer.sleep(PATIENCE));
            self.slots.push(Slot { tenure, work, patience });
        }
    }

    /// Stops all work if the leases may have ended meanwhile. Asked before anything goes on: the store
    /// would say so as well, but later than what was under way has gone on.
    fn poll_end(&mut self, context: &mut Context<'_>) {
        if self.end.as_mut().is_some_and(|end| end.as_mut().poll(context).is_ready()) {
            self.end = None;
            self.slots.iter().for_each(|slot| slot.tenure.answered(None));
        }
    }

    /// Works on; returns how work on some of the roots ended, nothing if there is none or some only
    /// gave way to others.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Vec<End>> {
        self.poll_end(context);
        self.poll_beat(context);
        let mut ends = Vec::new();
        let mut gave_way = false;
        self.slots.retain_mut(|slot| match slot.work.as_mut().poll(context) {
            Poll::Ready(end) => {
                ends.push(end);
                false
            }
            Poll::Pending => {
                gave_way |= slot.gives_way(context);
                true
            }
        });
        if self.slots.is_empty() {
            // Nobody would poll what prolongs their leases.
            (self.beat, self.end) = (None, None);
        }
        if ends.is_empty() && !gave_way && !self.slots.is_empty() {
            return Poll::Pending;
        }
        Poll::Ready(ends)
    }

    /// Works until nothing is under way.
    pub(super) async fn finish(&mut self) -> Vec<End> {
        let mut ends = Vec::new();
        while !self.slots.is_empty() {
            ends.extend(poll_fn(|context| self.poll(context)).await);
        }
        ends
    }

    /// Stops all work where it is, and gives the roots to whoever wants them.
    pub(super) async fn hand_over(&mut self) {
        let leases = mem::take(&mut self.slots).into_iter().map(|Slot { tenure, work, .. }| {
            // As if the process had been killed, but for the lease.
            drop(work);
            tenure.lease()
        });
        give_back(self.backends, leases).await;
    }

    /// Prolongs the leases of all that is under way, now and then.
    fn poll_beat(&mut self, context: &mut Context<'_>) {
        if self.slots.is_empty() {
            (self.beat, self.end) = (None, None);
            return;
        }
        let backends = self.backends;
        let policy = &backends.settings.policy;
        let interval = policy.lease / BEATS;
        let beat = self.beat.get_or_insert_with(|| Beat::Resting(backends.timer.sleep(interval)));
        if let Beat::Resting(rest) = beat {
            if rest.as_mut().poll(context).is_pending() {
                return;
            }
            let tenures: Vec<_> = self.slots.iter().map(|slot| slot.tenure.clone()).collect();
            let leases: Vec<_> = tenures.iter().map(|tenure| tenure.lease()).collect();
            let extend = async move { backends.store.extend(&leases, policy.lease).await };
            let end = backends.timer.sleep(policy.lease);
            *beat = Beat::Extending(tenures, Box::pin(extend), end);
        }
        if let Beat::Extending(tenures, extend, end) = beat {
            if end.as_mut().poll(context).is_ready() {
                tenures.iter().for_each(|tenure| tenure.answered(None));
                *beat = Beat::Resting(backends.timer.sleep(interval));
                context.waker().wake_by_ref();
                return;
            }
            let Poll::Ready(answer) = extend.as_mut().poll(context) else { return };
            match answer {
                Ok(leases) => {
                    self.unanswered = Duration::ZERO;
                    self.end = Some(mem::replace(end, Box::pin(std::future::ready(()))));
                    for (tenure, lease) in tenures.iter().zip(leases) {
                        tenure.answered(lease);
                    }
                }
                Err(error) => {
                    telemetry::store_failed("extend", &error);
                    // The store's clock cannot be asked: leases have ended when they may have.
                    let missed = interval.saturating_add(policy.store_timeout);
                    self.unanswered = self.unanswered.saturating_add(missed);
                    if self.unanswered >= policy.lease {
                        self.unanswered = Duration::ZERO;
                        tenures.iter().for_each(|tenure| tenure.answered(None));
                    }
                }
            }
            *beat = Beat::Resting(backends.timer.sleep(interval));
            context.waker().wake_by_ref();
        }
    }
}

/// Gives roots back as they are. If the store does not take them, they are due when their leases end.
pub(super) async fn give_back(backends: &Backends, leases: impl Iterator<Item = Lease>) {
    let releases = leases.map(|lease| Box::pin(release(backends, lease)) as Boxed<'_, _>);
    all::<Result<()>>(releases.collect()).await;
}

/// Gives a root back as it is: whoever wants to goes on at once.
async fn release(backends: &Backends, lease: Lease) -> Result<()> {
    let operation = OperationId::random(&*backends.random)?;
    // What made it due may have been a wake, which was over with this lease.
    let wake = Write::Wake { key: lease.key.clone() };
    let batch = Batch::new(operation).with_lease(lease, Then::Release).with(wake);
    backends.store.commit(batch).await?;
    Ok(())
}
