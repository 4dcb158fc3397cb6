//! Recording, which without the features is nothing at all.

use std::{future::Future, time::Duration};

use super::metric;
use crate::{
    clock::{Timestamp, between},
    engine::{
        drive::End,
        notice::Notice,
        refusal::Refusal,
        root::{EffectKind, Fact, Intent, Outcome, Root, Trouble},
    },
    error::Error,
    id::{DomainId, TenantId},
    store::{Commit, Item, Key, Kind, Lease, Leased},
};

/// Tells the recorder that is installed what each metric says.
#[cfg(feature = "metrics")]
pub fn describe() {
    use super::Instrument;

    for metric in super::METRICS {
        let super::Metric { name, meaning, .. } = *metric;
        let unit = metrics::Unit::Seconds;
        match metric.instrument {
            Instrument::Counter => metrics::describe_counter!(name, meaning),
            Instrument::Gauge => metrics::describe_gauge!(name, meaning),
            Instrument::Histogram => metrics::describe_histogram!(name, unit, meaning),
        }
    }
}

/// The value of the label `error` when there was none.
const NO_ERROR: &str = "none";

fn count(name: &'static str, labels: &[(&'static str, &'static str)]) {
    #[cfg(feature = "metrics")]
    metrics::counter!(name, labels).increment(1);
    #[cfg(not(feature = "metrics"))]
    let _ = (name, labels);
}

fn add(name: &'static str, number: usize) {
    #[cfg(feature = "metrics")]
    metrics::counter!(name).increment(u64::try_from(number).unwrap_or(u64::MAX));
    #[cfg(not(feature = "metrics"))]
    let _ = (name, number);
}

fn gauge(name: &'static str, value: f64) {
    #[cfg(feature = "metrics")]
    metrics::gauge!(name).set(value);
    #[cfg(not(feature = "metrics"))]
    let _ = (name, value);
}

fn took(name: &'static str, time: Duration, labels: &[(&'static str, &'static str)]) {
    #[cfg(feature = "metrics")]
    metrics::histogram!(name, labels).record(time);
    #[cfg(not(feature = "metrics"))]
    let _ = (name, time, labels);
}

/// Counts with a label that is not known beforehand.
fn count_of(
    name: &'static str,
    known: (&'static str, &'static str),
    other: (&'static str, &str),
    number: usize,
) {
    #[cfg(feature = "metrics")]
    metrics::counter!(name, other.0 => other.1.to_owned(), known.0 => known.1)
        .increment(u64::try_from(number).unwrap_or(u64::MAX));
    #[cfg(not(feature = "metrics"))]
    let _ = (name, known, other, number);
}

/// Runs a step in its span.
pub(in crate::engine) fn stepping<F: Future + Send>(
    batch: u32,
    step: F,
) -> impl Future<Output = F::Output> + Send + use<F> {
    #[cfg(feature = "tracing")]
    {
        let span = tracing::debug_span!(target: super::TARGET, super::span::STEP, batch);
        tracing::Instrument::instrument(step, span)
    }
    #[cfg(not(feature = "tracing"))]
    {
        let _ = batch;
        step
    }
}

/// Runs the work on a root in its span.
pub(in crate::engine) fn working<F: Future + Send>(
    key: &Key,
    tenant: Option<TenantId>,
    work: F,
) -> impl Future<Output = F::Output> + Send + use<F> {
    #[cfg(feature = "tracing")]
    {
        let span = tracing::info_span!(
            target: super::TARGET,
            super::span::ROOT,
            kind = key.kind.as_str(),
            id = key.id,
            tenant = tenant.map(tracing::field::display),
        );
        tracing::Instrument::instrument(work, span)
    }
    #[cfg(not(feature = "tracing"))]
    {
        let _ = (key, tenant);
        work
    }
}

/// Asks the questions of one decision in their span.
pub(in crate::engine) fn looking<F: Future + Send>(
    questions: usize,
    look: F,
) -> impl Future<Output = F::Output> + Send + use<F> {
    #[cfg(feature = "tracing")]
    {
        let span = tracing::debug_span!(target: super::TARGET, super::span::LOOK, questions);
        tracing::Instrument::instrument(look, span)
    }
    #[cfg(not(feature = "tracing"))]
    {
        let _ = questions;
        look
    }
}

/// Carries out an effect in its span, and tells what came of it.
pub(in crate::engine) async fn acted(
    root: &Root,
    intent: &Intent,
    act: impl Future<Output = Outcome> + Send,
) -> Outcome {
    let effect = intent.effect.kind();
    #[cfg(feature = "tracing")]
    let act = {
        let failures = match root {
            Root::Account(root) => root.failures,
            Root::Domain(root) => root.domain.service_failures,
        };
        let span = tracing::info_span!(
            target: super::TARGET,
            super::span::EFFECT,
            effect = effect.as_str(),
            effect_id = %intent.id,
            attempt = failures.saturating_add(1),
        );
        let act = async {
            let outcome = act.await;
            if let (_, Some(trouble)) = sorted(&outcome) {
                failed(trouble);
            }
            outcome
        };
        tracing::Instrument::instrument(act, span)
    };
    #[cfg(not(feature = "tracing"))]
    let _ = root;
    let outcome = act.await;
    let (name, trouble) = sorted(&outcome);
    let error = trouble.map_or(NO_ERROR, |trouble| trouble.kind.as_str());
    count(metric::EFFECTS, &[("effect", effect.as_str()), ("outcome", name), ("error", error)]);
    outcome
}

#[cfg(feature = "tracing")]
fn failed(trouble: &Trouble) {
    tracing::warn!(
        target: super::TARGET,
        error = trouble.kind.as_str(),
        code = trouble.code,
        reason = trouble.message,
        "{}",
        super::event::EFFECT_FAILED,
    );
}

const fn sorted(outcome: &Outcome) -> (&'static str, Option<&Trouble>) {
    match outcome {
        Outcome::Done(_) => ("done", None),
        Outcome::NotYet(trouble) => ("not_yet", Some(trouble)),
        Outcome::Refused(trouble) => ("refused", Some(trouble)),
        Outcome::Unknown(trouble) => ("unknown", Some(trouble)),
    }
}

/// Takes note of what was due when the store was asked.
pub(in crate::engine) fn due(leased: &Leased) {
    let lags = leased.leases.iter().map(|(lease, item)| lag(lease, item, leased.now));
    gauge(metric::OLDEST_LAG, lags.max().unwrap_or_default().as_secs_f64());
    // No step leases more than a thousand.
    gauge(metric::BACKLOG, u32::try_from(leased.leases.len()).unwrap_or(u32::MAX).into());
    add(metric::UNREADABLE, leased.unreadable);
}

/// Takes note of a root that was leased.
pub(in crate::engine) fn leased(lease: &Lease, item: &Item, now: Timestamp) {
    let kind = [("kind", item.key.kind.as_str())];
    count(metric::LEASED, &kind);
    took(metric::LAG_SECONDS, lag(lease, item, now), &kind);
}

/// Returns how long a root had been due when it was leased.
pub(in crate::engine) fn lag(lease: &Lease, item: &Item, now: Timestamp) -> Duration {
    // A store that does not tell counts no wakes.
    let since = lease.due_since.or(item.header.due);
    since.map_or(Duration::ZERO, |since| between(since, now))
}

/// Takes note of how long the questions of one decision took and what nobody could answer.
pub(in crate::engine) fn looked(kind: Kind, facts: &[Fact], time: Duration) {
    if facts.is_empty() {
        return;
    }
    took(metric::LOOK_SECONDS, time, &[("kind", kind.as_str())]);
    for fact in facts {
        if let Fact::Unanswered(trouble) = fact {
            count(metric::UNANSWERED, &[("error", trouble.kind.as_str())]);
        }
    }
}

/// Takes note of how long an effect took.
pub(in crate::engine) fn effect_took(effect: EffectKind, time: Duration) {
    took(metric::EFFECT_SECONDS, time, &[("effect", effect.as_str())]);
}

/// Takes note of what became of a decision, and of what it tells if it is stored.
pub(in crate::engine) fn committed(kind: Kind, result: &Commit, notices: &[Notice]) {
    let name = match result {
        Commit::Done => "done",
        Commit::Fenced => "fenced",
        Commit::Stale(_) => "stale",
        Commit::Taken(_) => "taken",
    };
    count(metric::COMMITS, &[("kind", kind.as_str()), ("result", name)]);
    if *result != Commit::Done {
        return;
    }
    notices.iter().for_each(told);
}

/// Takes note of something that happened to a domain, and is stored.
pub(in crate::engine) fn told(notice: &Notice) {
    count(metric::NOTICES, &[("notice", notice.as_str())]);
    #[cfg(feature = "tracing")]
    tracing::info!(
        target: super::TARGET,
        notice = notice.as_str(),
        "{}",
        super::event::NOTICE,
    );
}

/// Takes note of something that was refused.
pub(in crate::engine) fn refused(refusal: &Refusal) {
    count(metric::REFUSALS, &[("rule", refusal.rule.as_str())]);
    #[cfg(feature = "tracing")]
    tracing::info!(
        target: super::TARGET,
        rule = refusal.rule.as_str(),
        operation = refusal.operation,
        tenant = %refusal.tenant,
        name = refusal.name.as_ref().map(tracing::field::display),
        domain = refusal.domain.as_ref().map(tracing::field::display),
        "{}",
        super::event::REFUSED,
    );
}

/// Takes note of a root that was given back.
pub(in crate::engine) fn released(kind: Kind, time: Duration) {
    took(metric::ROOT_SECONDS, time, &[("kind", kind.as_str())]);
}

/// Takes note of a lease that ended before the work did.
pub(in crate::engine) fn lost(key: &Key) {
    count(metric::LOST, &[("kind", key.kind.as_str())]);
    #[cfg(feature = "tracing")]
    tracing::warn!(
        target: super::TARGET,
        kind = key.kind.as_str(),
        id = key.id,
        "{}",
        super::event::LEASE_LOST,
    );
}

/// Takes note of how the work on a root ended.
pub(in crate::engine) fn ended(kind: Kind, end: End) {
    count(metric::ENDED, &[("kind", kind.as_str()), ("end", end.as_str())]);
}

/// Takes note that the store failed in the middle of what a worker does.
pub(in crate::engine) fn store_failed(call: &'static str, error: &Error) {
    count(metric::STORE_ERRORS, &[("call", call), ("error", error.kind().as_str())]);
    #[cfg(feature = "tracing")]
    tracing::warn!(
        target: super::TARGET,
        call,
        error = error.kind().as_str(),
        reason = %error,
        "{}",
        super::event::STORE_FAILED,
    );
}

/// Takes note of what came of so many notices for a subscriber.
pub(in crate::engine) fn delivered(subscriber: &str, outcome: &'static str, number: usize) {
    if number > 0 {
        count_of(metric::DELIVERIES, ("outcome", outcome), ("subscriber", subscriber), number);
    }
}

/// Takes note that notices of a domain were given up for a subscriber.
pub(in crate::engine) fn buried(subscriber: &str, domain: DomainId, number: usize) {
    delivered(subscriber, "dead", number);
    #[cfg(feature = "tracing")]
    if number > 0 {
        tracing::warn!(
            target: super::TARGET,
            subscriber,
            id = %domain,
            letters = number,
            "{}",
            super::event::DEAD_LETTER,
        );
    }
    #[cfg(not(feature = "tracing"))]
    let _ = domain;
}
