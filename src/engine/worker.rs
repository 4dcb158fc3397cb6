//! The background half: it leases what is due, and takes it step by step further.

use std::{
    future::{Future, poll_fn},
    sync::Arc,
    task::Poll,
};

use super::{
    backends::Backends,
    crew::{Crew, give_back},
    drive::End,
    pauses::Pauses,
    telemetry,
    upkeep::tidy,
};
use crate::{
    error::Result,
    retry::spread,
    store::{Key, Kind, LeaseRequest, Leased},
    together::{Boxed, First, first},
};

/// The kinds of roots that a worker works on.
const ROOTS: [Kind; 2] = [Kind::Account, Kind::Domain];

/// The same for a worker that has somebody to tell what happens.
const ROOTS_AND_FEEDS: [Kind; 3] = [Kind::Account, Kind::Domain, Kind::Feed];

/// The background half of nameplate.
///
/// Any number of workers may run on one store, in one process or in many.
///
/// # Guarantees
///
/// * Between two commits there is at most one effect, and its intent is stored before it starts.
/// * What a worker that was stopped does later is not accepted, and what it leaves outside is
///   cleaned up.
/// * A root is held for as long as it is worked on, however long that takes: its lease is prolonged
///   in time, and work under a lease that is lost stops.
/// * What panics in the work on a root, or in a subscriber, takes nothing else down.
/// * Nothing is spawned: all work happens in the caller's task.
///
/// # Caveats
///
/// A call that blocks its thread instead of waiting holds up everything in the task, the heartbeat
/// included. Where panics abort the process, they do so here as well.
#[derive(Clone, Debug)]
pub struct Worker {
    backends: Arc<Backends>,
}

/// What one step did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// How many roots were due and leased.
    pub leased: usize,
    /// How many more were due that the store itself cannot read: see
    /// [`Leased::unreadable`](crate::store::Leased::unreadable).
    pub unreadable: usize,
    /// How many of them could not be taken to the end of what is possible now: their lease was
    /// lost, or the store failed. They are due again when the lease ends.
    pub left: usize,
    /// How many of them made something panic. They are tried again later.
    pub panicked: usize,
    /// How many of them could not be read, or led to nothing. They are tried again later.
    pub set_back: usize,
    /// How many of them failed so once too often, and are not tried any more until somebody revives
    /// them.
    pub parked: usize,
}

impl Step {
    fn of(ends: &[End], unreadable: usize) -> Self {
        let count = |wanted| ends.iter().filter(|end| **end == wanted).count();
        Self {
            leased: ends.len(),
            unreadable,
            left: count(End::Left),
            panicked: count(End::Panicked),
            set_back: count(End::SetBack),
            parked: count(End::Parked),
        }
    }
}

impl Worker {
    pub(super) const fn new(backends: Arc<Backends>) -> Self {
        Self { backends }
    }

    /// Works once on everything that is due, up to the batch size. Never sleeps.
    ///
    /// Over when all that it leased is: a slow service holds up the end of the step, but not what
    /// [`run`](Self::run) does meanwhile.
    ///
    /// # Errors
    ///
    /// Those of [`Store::lease`](crate::store::Store::lease). What goes wrong with one root is not
    /// an error of the step: it is stored with the root.
    pub async fn step(&self) -> Result<Step> {
        let policy = &self.backends.settings.policy;
        let wanted = LeaseRequest::new(self.roots(), policy.batch, policy.lease);
        telemetry::stepping(policy.batch, self.lease(&wanted)).await
    }

    /// Returns the kinds of roots to work on.
    fn roots(&self) -> &'static [Kind] {
        if self.backends.subscribers.is_empty() { &ROOTS } else { &ROOTS_AND_FEEDS }
    }

    /// Works on one domain, if it is due and nobody else does.
    pub(super) async fn step_one(&self, key: Key) -> Result<Step> {
        self.lease(&LeaseRequest::of(key, self.backends.settings.policy.lease)).await
    }

    async fn lease(&self, wanted: &LeaseRequest) -> Result<Step> {
        let mut crew = Crew::new(&self.backends);
        let asked = self.ask(wanted).await;
        if let (Err(error), None) = (&asked, &wanted.only) {
            telemetry::store_failed("lease", error);
            self.backends.pulse.note_silence();
        }
        let (leased, pauses) = asked?;
        if wanted.only.is_none() {
            telemetry::due(&leased);
            self.backends.pulse.note(&leased);
        }
        let unreadable = leased.unreadable;
        crew.take(leased, pauses);
        Ok(Step::of(&crew.finish().await, unreadable))
    }

    /// Leases roots, and reads what of them is paused. If that cannot be read, they are given back.
    async fn ask(&self, wanted: &LeaseRequest) -> Result<(Leased, Pauses)> {
        let leased = self.backends.store.lease(wanted).await?;
        if leased.leases.is_empty() {
            return Ok((leased, Pauses::default()));
        }
        let items = leased.leases.iter().map(|(_, item)| item);
        match Pauses::read(&self.backends, items).await {
            Ok(pauses) => Ok((leased, pauses)),
            Err(error) => {
                let leases = leased.leases.into_iter().map(|(lease, _)| lease);
                give_back(&self.backends, leases).await;
                Err(error)
            }
        }
    }

    /// Works until `shutdown` is done; then nothing more is begun, and what is under way is finished
    /// within [`Policy::drain`](super::Policy::drain) or handed over to other workers.
    ///
    /// Up to [`Policy::batch`](super::Policy::batch) roots are under way at a time, and those that have
    /// waited for a service for two seconds beside them, up to four times as many in all. As they are
    /// finished others take their place, so that a slow service holds up nobody else.
    ///
    /// The only place in the crate that sleeps.
    ///
    /// # Cancellation
    ///
    /// Dropping the future is as killing the process: nothing is lost, and what was under way goes
    /// on when its lease has ended.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let backends = &*self.backends;
        let mut shutdown = Box::pin(shutdown);
        let mut crew = Crew::new(backends).giving_way();
        let mut next = self.next(&crew);
        let mut upkeep = Box::pin(self.upkeep());
        loop {
            let event = poll_fn(|context| {
                // It never ends.
                let _: Poll<()> = upkeep.as_mut().poll(context);
                if shutdown.as_mut().poll(context).is_ready() {
                    return Poll::Ready(Event::Shutdown);
                }
                if let Next::Leasing { is_asked, lease, .. } = &mut next {
                    *is_asked = true;
                    if let Poll::Ready(leased) = lease.as_mut().poll(context) {
                        return Poll::Ready(Event::Leased(leased));
                    }
                }
                if crew.len() > 0 && crew.poll(context).is_ready() {
                    return Poll::Ready(Event::Ended);
                }
                match &mut next {
                    Next::Resting(rest) => rest.as_mut().poll(context).map(|()| Event::Rested),
                    Next::Full | Next::Leasing { .. } => Poll::Pending,
                }
            });
            match event.await {
                Event::Shutdown => break,
                Event::Ended if !matches!(next, Next::Full) => {}
                Event::Ended | Event::Rested => next = self.next(&crew),
                Event::Leased(leased) => {
                    let Next::Leasing { wanted, .. } = &next else { continue };
                    // The store is away, and so is everything that could be done.
                    let is_more = leased.as_ref().is_ok_and(|(it, _)| {
                        it.leases.len().saturating_add(it.unreadable) >= *wanted
                    });
                    match leased {
                        Ok((leased, pauses)) => {
                            telemetry::due(&leased);
                            backends.pulse.note(&leased);
                            crew.take(leased, pauses);
                        }
                        Err(error) => {
                            telemetry::store_failed("lease", &error);
                            backends.pulse.note_silence();
                        }
                    }
                    next = if is_more { self.next(&crew) } else { self.rest() };
                }
            }
        }
        let drain = backends.timer.sleep(backends.settings.policy.drain);
        let drained = async {
            // What the store is about to hand out would wait until its lease ends.
            if let Next::Leasing { is_asked: true, lease, .. } = next {
                let mut returned = Box::pin(async {
                    if let Ok((leased, _)) = lease.await {
                        let leases = leased.leases.into_iter().map(|(lease, _)| lease);
                        give_back(backends, leases).await;
                    }
                });
                poll_fn(|context| {
                    // Leases are prolonged meanwhile.
                    if crew.len() > 0 {
                        let _ = crew.poll(context);
                    }
                    returned.as_mut().poll(context)
                })
                .await;
            }
            crew.finish().await;
        };
        if let First::Right(()) = first(drained, drain).await {
            crew.hand_over().await;
        }
    }

    /// Returns what to do about more work: lease it, if there is room for a good part of a batch.
    fn next<'a>(&'a self, crew: &Crew<'_>) -> Next<'a> {
        let policy = &self.backends.settings.policy;
        let batch = usize::try_from(policy.batch).unwrap_or(usize::MAX);
        let room = crew.room(batch);
        // One call of the store for every single root would cost more than the work on it.
        if room < batch.div_ceil(4) {
            return Next::Full;
        }
        let limit = u32::try_from(room).unwrap_or(policy.batch);
        let wanted = LeaseRequest::new(self.roots(), limit, policy.lease);
        let lease = async move { self.ask(&wanted).await };
        Next::Leasing { wanted: room, is_asked: false, lease: Box::pin(lease) }
    }

    /// Deletes what is kept no longer, now and then, without end.
    async fn upkeep(&self) {
        let interval = self.backends.settings.policy.tidy_interval;
        loop {
            let mut chance = [0; 8];
            // Without chance workers do it at the same time, and one of them finds nothing to do.
            let _ = self.backends.random.fill(&mut chance);
            let pause = spread(interval, u64::from_be_bytes(chance));
            self.backends.timer.sleep(pause).await;
            // The store is away, or others are quicker: there is time.
            if let Err(error) = tidy(&self.backends).await {
                telemetry::store_failed("tidy", &error);
            }
        }
    }

    /// Does once what a running worker does now and then: deletes the traces of domains that are gone
    /// for longer than [`Policy::keep_removed`](super::Policy::keep_removed), and ledgers that say
    /// nothing any more.
    ///
    /// For those who call [`step`](Self::step) themselves.
    ///
    /// # Errors
    ///
    /// Those of the store. What is left has its turn next time. What the store cannot read stays, and
    /// is no error.
    pub async fn tidy(&self) -> Result<()> {
        tidy(&self.backends).await
    }

    /// Returns the pause after which to look for work again, shorter or longer by chance: workers
    /// that started together do not ask together for ever.
    fn rest(&self) -> Next<'_> {
        let pause = self.backends.settings.policy.poll_interval;
        let mut chance = [0];
        // Without chance there is no harm in asking together.
        let _ = self.backends.random.fill(&mut chance);
        let [chance] = chance;
        let less = (pause / 4 / 255).saturating_mul(u32::from(chance));
        Next::Resting(self.backends.timer.sleep(pause.saturating_sub(less)))
    }
}

/// What a running worker does about more work.
enum Next<'a> {
    /// It has no room.
    Full,
    /// It asks for more.
    Leasing {
        /// For how many roots.
        wanted: usize,
        /// Whether the store was asked already.
        is_asked: bool,
        /// The answer.
        lease: Boxed<'a, Result<(Leased, Pauses)>>,
    },
    /// There was nothing more to do.
    Resting(Boxed<'a, ()>),
}

/// What happened to a running worker.
enum Event {
    /// Some of the work came to its end.
    Ended,
    /// The store answered.
    Leased(Result<(Leased, Pauses)>),
    /// It is time to look for work again.
    Rested,
    /// It is told to stop.
    Shutdown,
}
