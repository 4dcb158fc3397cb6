//! The names under which a worker's doings are seen: spans, events and metrics.
//!
//! Names, labels and their values never change once released. Nothing here is a secret or a token:
//! ids, names of kinds, counts and durations, and the one-line messages of failures.
//!
//! Without the features `tracing` and `metrics` nothing is recorded and nothing is paid for. With
//! them, what is recorded goes to the subscriber and the recorder that the platform installs.
//!
//! All durations are by the store's time, which the worker reads anyway: they are exact under a
//! simulated clock, include the store's own answers, and read zero when that clock goes back.

mod names;
mod record;

pub use names::{
    EVENTS, Event, Instrument, METRICS, Metric, SPANS, Span, TARGET, event, metric, span,
};

#[cfg(feature = "metrics")]
pub use record::describe;
pub(super) use record::{
    acted, buried, committed, delivered, due, effect_took, ended, lag, leased, looked, looking,
    lost, refused, released, stepping, store_failed, told, working,
};
