//! The way from one process to one backend, on which faults strike.

use std::{future::pending, sync::Arc, time::Duration};

use super::{
    core::{Core, Order},
    dice::Dice,
    fault::{Backend, FaultKind, Site},
};
use crate::{
    ca::NO_ACCOUNT,
    error::{Error, ErrorKind, Result},
};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const YEARS: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Most jumps of the clock in a history: what waits for a time waits the longer for each jump back.
const MOST_JUMPS: u32 = 3;

/// The way from one process to its backends. Clones are of the same process.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) core: Core,
    pub(super) process: usize,
}

/// A backend, and faults on the way to it, drawn for each call.
///
/// What it wraps is any backend: one in memory, or a platform's own.
#[derive(Clone, Debug)]
pub(super) struct Faulty<T: ?Sized> {
    pub(super) link: Link,
    pub(super) inner: Arc<T>,
}

impl<T: ?Sized> Faulty<T> {
    /// Puts faults on the way to a backend.
    pub(super) const fn new(inner: Arc<T>, link: Link) -> Self {
        Self { link, inner }
    }
}

/// What becomes of a call.
pub(super) enum Fate {
    /// It goes through.
    Pass,
    /// Nothing happens, and this is the answer.
    Fail(Error),
    /// It takes effect, and this is the answer.
    FailAfter(Error),
    /// Nothing happens, and this is the answer after a second in which others got their way.
    Undone(Error),
    /// Nobody ever answers; whether it takes effect.
    Hang(bool),
    /// It takes effect after this time, whether anybody waits or not.
    Late(Duration),
    /// The process ends; whether the call has taken effect.
    Kill(bool, Option<Duration>),
    /// The process is stopped; whether the call has taken effect.
    Stop(bool, Duration),
    /// It is for the backend to say.
    Special(FaultKind, Dice),
}

impl Link {
    pub(super) const fn new(core: Core, process: usize) -> Self {
        Self { core, process }
    }

    /// Draws what becomes of a call.
    pub(super) fn draw(&self, site: Site) -> Fate {
        let struck = self.core.with(|state| {
            let now = state.now;
            let struck = state.weather.strike(site, now);
            if let Some((kind, _)) = struck {
                state.coverage.fault(kind);
                if site.backend == Backend::Store
                    && let Some(shift) = state.shifts.get_mut(&self.process)
                {
                    shift.hindered = Some(now);
                }
            }
            struck
        });
        let Some((kind, dice)) = struck else { return Fate::Pass };
        let process = self.process;
        self.core.note(|| format!("p{process} {:?}.{}: {kind}", site.backend, site.method));
        self.fate(kind, dice, site)
    }

    fn fate(&self, kind: FaultKind, mut dice: Dice, site: Site) -> Fate {
        let error = |kind, message| Error::new(kind, "simulation", site.method, message);
        let wait = |seconds: u64| Duration::from_secs(seconds);
        match kind {
            FaultKind::KillBefore => Fate::Kill(false, Some(wait(dice.below(120)))),
            FaultKind::KillAfter => Fate::Kill(true, Some(wait(dice.below(120)))),
            FaultKind::OutOfMemory => Fate::Kill(dice.chance(500), None),
            FaultKind::Stop => {
                let long = dice.chance(200);
                let time = wait(61 + dice.below(if long { 7200 } else { 240 }));
                Fate::Stop(dice.chance(500), time)
            }
            FaultKind::Suspend => {
                let time = wait(60 + dice.below(172_800));
                self.core.with(|state| state.orders.push(Order::Suspend(time)));
                Fate::Stop(dice.chance(500), Duration::ZERO)
            }
            FaultKind::ClockForward | FaultKind::ClockBack => {
                let forward = kind == FaultKind::ClockForward;
                let most = match dice.chance(500) {
                    true => 600,
                    false if forward => 90_000,
                    false => 21_600,
                };
                let by = wait(1 + dice.below(most));
                let may = self.core.with(|state| {
                    state.truth.jumps = state.truth.jumps.saturating_add(1);
                    state.truth.jumped = true;
                    state.truth.jumps <= MOST_JUMPS
                });
                if may {
                    // What waits for a time that the clock has jumped over would come too early.
                    self.core.with(|state| state.truth.catch_up());
                    self.core.jump(by, forward);
                }
                Fate::Pass
            }
            FaultKind::CommitCut | FaultKind::StoreExhausted => {
                Fate::Fail(error(ErrorKind::Unavailable, "no connection"))
            }
            FaultKind::ReadOnly => {
                Fate::Fail(error(ErrorKind::Unavailable, "the store can only be read"))
            }
            FaultKind::DiskFull => Fate::Fail(error(ErrorKind::Unavailable, "the disk is full")),
            FaultKind::CommitDoneUnknown => {
                Fate::FailAfter(error(ErrorKind::Unknown, "the connection was cut at the commit"))
            }
            FaultKind::CommitLostUnknown => {
                Fate::Fail(error(ErrorKind::Unknown, "the connection was cut at the commit"))
            }
            FaultKind::StatementTimeout | FaultKind::StorePartition if site.method == "commit" => {
                let failure = error(ErrorKind::Unknown, "no answer to the commit");
                if dice.chance(500) { Fate::Fail(failure) } else { Fate::FailAfter(failure) }
            }
            FaultKind::StatementTimeout | FaultKind::StorePartition if dice.chance(500) => {
                // A lease may be given that nobody knows of.
                Fate::FailAfter(error(ErrorKind::Unknown, "no answer of the store"))
            }
            FaultKind::StatementTimeout | FaultKind::StorePartition => {
                Fate::Fail(error(ErrorKind::Unavailable, "no answer of the store"))
            }
            FaultKind::CaPartition if dice.chance(700) => {
                Fate::Fail(error(ErrorKind::Unavailable, "no route to the authority"))
            }
            FaultKind::Loss | FaultKind::HalfOpen | FaultKind::CaPartition => {
                Fate::Hang(dice.chance(500))
            }
            FaultKind::Latency => Fate::Late(wait(21 + dice.below(60))),
            FaultKind::RateLimited => {
                Fate::Fail(error(ErrorKind::RateLimited, "too many requests"))
            }
            FaultKind::RetryAfter => {
                let wait = wait(30 + dice.below(3600));
                Fate::Fail(
                    error(ErrorKind::RateLimited, "too many requests").with_retry_after(wait),
                )
            }
            FaultKind::AbsurdRetryAfter => {
                let wait = if dice.chance(500) { Duration::ZERO } else { YEARS };
                Fate::Fail(
                    error(ErrorKind::RateLimited, "too many requests").with_retry_after(wait),
                )
            }
            FaultKind::Unavailable => {
                Fate::Fail(error(ErrorKind::Unavailable, "the service is not available"))
            }
            FaultKind::TlsFailure => {
                Fate::Fail(error(ErrorKind::Unavailable, "the certificate is not trusted"))
            }
            FaultKind::BadNonce => {
                let refused = error(ErrorKind::Unavailable, "no nonce was good enough");
                Fate::Fail(refused.with_code("badNonce"))
            }
            FaultKind::AccountGone => {
                let refused = error(ErrorKind::Denied, "there is no such account");
                Fate::Fail(refused.with_code(NO_ACCOUNT))
            }
            FaultKind::AccountLost => {
                self.core.with(|state| state.truth.lose_accounts());
                Fate::Pass
            }
            FaultKind::TermsChanged => {
                let refused = error(ErrorKind::Denied, "the terms of service have changed");
                Fate::Fail(refused.with_code("userActionRequired"))
            }
            FaultKind::MailClosed => {
                Fate::Fail(error(ErrorKind::Denied, "the mail server does not let us in"))
            }
            FaultKind::MailRefused => Fate::Fail(error(ErrorKind::Refused, "no such mailbox")),
            FaultKind::Deadlock => {
                Fate::Undone(error(ErrorKind::Unavailable, "a deadlock was found"))
            }
            FaultKind::Maintenance => {
                Fate::Fail(error(ErrorKind::Malformed, "a page in HTML instead of an answer"))
            }
            FaultKind::SubscriberAway => {
                Fate::Fail(error(ErrorKind::Unavailable, "the subscriber is not there"))
            }
            FaultKind::SubscriberLost if dice.chance(500) => {
                // It had not stored it yet.
                Fate::Fail(error(ErrorKind::Unknown, "the subscriber was gone"))
            }
            FaultKind::FinalizeLost
            | FaultKind::DnsReplyLost
            | FaultKind::MailTwice
            | FaultKind::SubscriberLost => {
                Fate::FailAfter(error(ErrorKind::Unknown, "the reply was lost"))
            }
            FaultKind::CertificateMissing => {
                Fate::Fail(error(ErrorKind::NotFound, "there is no such certificate"))
            }
            _ => Fate::Special(kind, dice),
        }
    }

    /// Makes a call, with whatever becomes of it. `Special` is passed: the backend has seen to it.
    pub(super) async fn call<R, F>(
        &self,
        site: Site,
        fate: Fate,
        send: impl FnOnce() -> F + Send,
    ) -> Result<R>
    where
        R: Send + 'static,
        F: Future<Output = Result<R>> + Send + 'static,
    {
        self.travel(site).await;
        let done = match fate {
            Fate::Fail(error) => Err(error),
            Fate::FailAfter(error) => send().await.and(Err(error)),
            Fate::Undone(error) => {
                self.core.sleep(SECOND).await;
                Err(error)
            }
            Fate::Hang(takes_effect) => {
                if takes_effect {
                    let _ = send().await;
                }
                pending().await
            }
            Fate::Late(time) => {
                let call = send();
                let core = self.core.clone();
                let late = async move {
                    core.sleep(time).await;
                    let _ = call.await;
                };
                self.core.with(|state| state.spawned.push(Box::pin(late)));
                pending().await
            }
            Fate::Kill(takes_effect, back) => {
                if takes_effect {
                    let _ = send().await;
                }
                let order = Order::Kill(self.process, back);
                self.core.with(|state| state.orders.push(order));
                pending().await
            }
            Fate::Stop(takes_effect, time) => {
                let order = Order::Stop(self.process, time);
                if takes_effect {
                    let done = send().await;
                    self.stop(order).await;
                    done
                } else {
                    self.stop(order).await;
                    send().await
                }
            }
            Fate::Special(FaultKind::SlowStore, _) => {
                self.core.sleep(SECOND * 8).await;
                send().await
            }
            Fate::Pass | Fate::Special(..) => send().await,
        };
        self.travel(site).await;
        done
    }

    async fn stop(&self, order: Order) {
        self.core.with(|state| state.orders.push(order));
        self.core.give_way().await;
    }

    /// Takes the time that a message takes, which lets others come in between.
    async fn travel(&self, site: Site) {
        let is_store = matches!(site.backend, Backend::Store | Backend::Sealer);
        let time = self.core.with(|state| match state.dice.below(16) {
            0..=10 => None,
            11..=13 => Some(Duration::ZERO),
            14 => Some(MILLISECOND * 10),
            _ if is_store => Some(MILLISECOND * 100),
            _ => Some(SECOND),
        });
        match time {
            None => {}
            Some(Duration::ZERO) => self.core.give_way().await,
            Some(time) => self.core.sleep(time).await,
        }
    }
}

/// How long a fault that lasts does so.
pub(super) fn spell(dice: &mut Dice, storm: Duration) -> (Duration, Duration) {
    let seconds = storm.as_secs().max(1);
    let from = Duration::from_secs(dice.below(seconds));
    let length = match dice.below(8) {
        0..=2 => MINUTE,
        3..=5 => MINUTE * 5,
        6 => MINUTE * 20,
        _ => HOUR,
    };
    // Mostly when much happens: at the beginning.
    let from = if dice.chance(600) { Duration::from_secs(dice.below(120)) } else { from };
    (from, from.saturating_add(length))
}
