//! The names, and what each stands for.

/// The target of all spans and events.
pub const TARGET: &str = "nameplate";

/// The names of spans.
pub mod span {
    /// One effect that is carried out.
    pub const EFFECT: &str = "nameplate.effect";
    /// The questions of one decision, from asking to the last answer.
    pub const LOOK: &str = "nameplate.look";
    /// One root under its lease.
    pub const ROOT: &str = "nameplate.root";
    /// One step of a worker.
    pub const STEP: &str = "nameplate.step";
}

/// The messages of events.
pub mod event {
    /// See [`EVENTS`](super::EVENTS).
    pub const EFFECT_FAILED: &str = "effect failed";
    /// See [`EVENTS`](super::EVENTS).
    pub const LEASE_LOST: &str = "lease lost";
    /// See [`EVENTS`](super::EVENTS).
    pub const DEAD_LETTER: &str = "dead letter";
    /// See [`EVENTS`](super::EVENTS).
    pub const NOTICE: &str = "notice";
    /// See [`EVENTS`](super::EVENTS).
    pub const REFUSED: &str = "refused";
    /// See [`EVENTS`](super::EVENTS).
    pub const STORE_FAILED: &str = "store failed";
}

/// The names of metrics.
pub mod metric {
    /// See [`METRICS`](super::METRICS).
    pub const BACKLOG: &str = "nameplate_due_roots";
    /// See [`METRICS`](super::METRICS).
    pub const COMMITS: &str = "nameplate_commits_total";
    /// See [`METRICS`](super::METRICS).
    pub const DELIVERIES: &str = "nameplate_deliveries_total";
    /// See [`METRICS`](super::METRICS).
    pub const EFFECTS: &str = "nameplate_effects_total";
    /// See [`METRICS`](super::METRICS).
    pub const EFFECT_SECONDS: &str = "nameplate_effect_seconds";
    /// See [`METRICS`](super::METRICS).
    pub const ENDED: &str = "nameplate_roots_ended_total";
    /// See [`METRICS`](super::METRICS).
    pub const LAG_SECONDS: &str = "nameplate_lease_lag_seconds";
    /// See [`METRICS`](super::METRICS).
    pub const LEASED: &str = "nameplate_roots_leased_total";
    /// See [`METRICS`](super::METRICS).
    pub const LOOK_SECONDS: &str = "nameplate_look_seconds";
    /// See [`METRICS`](super::METRICS).
    pub const LOST: &str = "nameplate_leases_lost_total";
    /// See [`METRICS`](super::METRICS).
    pub const NOTICES: &str = "nameplate_notices_total";
    /// See [`METRICS`](super::METRICS).
    pub const OLDEST_LAG: &str = "nameplate_due_lag_seconds";
    /// See [`METRICS`](super::METRICS).
    pub const REFUSALS: &str = "nameplate_refusals_total";
    /// See [`METRICS`](super::METRICS).
    pub const ROOT_SECONDS: &str = "nameplate_root_seconds";
    /// See [`METRICS`](super::METRICS).
    pub const STORE_ERRORS: &str = "nameplate_store_errors_total";
    /// See [`METRICS`](super::METRICS).
    pub const UNANSWERED: &str = "nameplate_unanswered_total";
    /// See [`METRICS`](super::METRICS).
    pub const UNREADABLE: &str = "nameplate_unreadable_roots_total";
}

/// What a metric is to a recorder.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "recorders know no fourth")]
pub enum Instrument {
    /// Only rises.
    Counter,
    /// The latest value counts.
    Gauge,
    /// The distribution counts; in seconds.
    Histogram,
}

impl Instrument {
    /// Returns the name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric: its name and what it says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Metric {
    /// The name.
    pub name: &'static str,
    /// What it is to a recorder.
    pub instrument: Instrument,
    /// The labels, in their order.
    pub labels: &'static [&'static str],
    /// What it says, in one line.
    pub meaning: &'static str,
}

/// A span: its name, its level and its fields.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Span {
    /// The name.
    pub name: &'static str,
    /// The level.
    pub level: &'static str,
    /// The fields, in their order.
    pub fields: &'static [&'static str],
    /// What it covers, in one line.
    pub meaning: &'static str,
}

/// An event: its message, its level and its fields.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// The message.
    pub message: &'static str,
    /// The level.
    pub level: &'static str,
    /// The fields, in their order. What there is nothing to say of is left out.
    pub fields: &'static [&'static str],
    /// What it tells, in one line.
    pub meaning: &'static str,
}

const fn metric_of(
    name: &'static str,
    instrument: Instrument,
    labels: &'static [&'static str],
    meaning: &'static str,
) -> Metric {
    Metric { name, instrument, labels, meaning }
}

/// Every metric, by name.
pub const METRICS: &[Metric] = &[
    metric_of(
        metric::COMMITS,
        Instrument::Counter,
        &["kind", "result"],
        "Decisions that a worker tried to store; `result` is `done`, `fenced`, `stale` or `taken`",
    ),
    metric_of(
        metric::DELIVERIES,
        Instrument::Counter,
        &["subscriber", "outcome"],
        "Notices by what came of telling them: `delivered`, `failed`, `postponed` (not tried, since the \
         subscriber was silent just before), or `dead`, once more for each that was given up",
    ),
    metric_of(
        metric::OLDEST_LAG,
        Instrument::Gauge,
        &[],
        "How long the oldest root had been due when work was last asked for; 0 when none was",
    ),
    metric_of(
        metric::BACKLOG,
        Instrument::Gauge,
        &[],
        "Roots that were leased when work was last asked for: as many as were due, or as there was room for",
    ),
    metric_of(
        metric::EFFECT_SECONDS,
        Instrument::Histogram,
        &["effect"],
        "How long an effect took",
    ),
    metric_of(
        metric::EFFECTS,
        Instrument::Counter,
        &["effect", "outcome", "error"],
        "Effects by what came of them: `done`, `not_yet`, `refused` or `unknown`; `error` is the \
         kind of error, or `none`",
    ),
    metric_of(
        metric::LAG_SECONDS,
        Instrument::Histogram,
        &["kind"],
        "How long a root had been due when it was leased",
    ),
    metric_of(
        metric::LOST,
        Instrument::Counter,
        &["kind"],
        "Leases that ended before the work did: alert when it keeps rising",
    ),
    metric_of(
        metric::LOOK_SECONDS,
        Instrument::Histogram,
        &["kind"],
        "How long the questions of one decision took, together",
    ),
    metric_of(
        metric::NOTICES,
        Instrument::Counter,
        &["notice"],
        "What happened to domains, as it was stored",
    ),
    metric_of(
        metric::REFUSALS,
        Instrument::Counter,
        &["rule"],
        "What was refused, by the rule that refused it",
    ),
    metric_of(
        metric::ROOT_SECONDS,
        Instrument::Histogram,
        &["kind"],
        "How long a root was worked on, from its lease to its release; none for those that ended otherwise",
    ),
    metric_of(
        metric::ENDED,
        Instrument::Counter,
        &["kind", "end"],
        "Roots by how the work on them ended: `released`; `left` for later: the lease was lost, the \
         store failed, or the row is of a later release; `set_back`, to be tried again; `panicked`, the same; or `parked`",
    ),
    metric_of(metric::LEASED, Instrument::Counter, &["kind"], "Roots that were leased"),
    metric_of(
        metric::STORE_ERRORS,
        Instrument::Counter,
        &["call", "error"],
        "What a worker could not do since the store failed: `lease`, `extend`, `work` on a root, or `tidy`, \
         by kind of error",
    ),
    metric_of(
        metric::UNANSWERED,
        Instrument::Counter,
        &["error"],
        "Questions that a service could not answer, by kind of error",
    ),
    metric_of(
        metric::UNREADABLE,
        Instrument::Counter,
        &[],
        "Roots that were due and that the store itself could not read: alert when it rises",
    ),
];

/// Every span, from the outside in.
pub const SPANS: &[Span] = &[
    Span {
        name: span::STEP,
        level: "DEBUG",
        fields: &["batch"],
        meaning: "`Worker::step`: leasing, and all roots that it leased. `Worker::run` has none: it never ends",
    },
    Span {
        name: span::ROOT,
        level: "INFO",
        fields: &["kind", "id", "tenant"],
        meaning: "One root under its lease; `id` is the domain's, or the authority of an account",
    },
    Span {
        name: span::LOOK,
        level: "DEBUG",
        fields: &["questions"],
        meaning: "The questions of one decision, from asking to the last answer",
    },
    Span {
        name: span::EFFECT,
        level: "INFO",
        fields: &["effect", "effect_id", "attempt"],
        meaning: "One effect; a repetition has the same `effect_id`, and `attempt` is one more than what failed in a row just before",
    },
];

/// Every event, by message.
pub const EVENTS: &[Event] = &[
    Event {
        message: event::DEAD_LETTER,
        level: "WARN",
        fields: &["subscriber", "id", "letters"],
        meaning: "So many notices of a domain were given up for a subscriber",
    },
    Event {
        message: event::EFFECT_FAILED,
        level: "WARN",
        fields: &["error", "code", "reason"],
        meaning: "An effect was not done: the kind of error, the service's own code, and why",
    },
    Event {
        message: event::LEASE_LOST,
        level: "WARN",
        fields: &["kind", "id"],
        meaning: "A lease ended before the work did",
    },
    Event {
        message: event::NOTICE,
        level: "INFO",
        fields: &["notice"],
        meaning: "Something happened to a domain, and is stored",
    },
    Event {
        message: event::REFUSED,
        level: "INFO",
        fields: &["rule", "operation", "tenant", "name", "domain"],
        meaning: "Something was refused, by which rule and to whom",
    },
    Event {
        message: event::STORE_FAILED,
        level: "WARN",
        fields: &["call", "error", "reason"],
        meaning: "A worker could not go on since the store failed",
    },
];
