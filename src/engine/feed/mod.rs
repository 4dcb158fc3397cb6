//! The outbox: telling those who subscribed what happened to a domain.
//!
//! # Flow
//!
//! A notice is a log entry in the same batch as the change that it tells of, and that batch wakes the
//! feed of the domain. A feed is a root like others: a worker leases it, reads the notices that a
//! subscriber has not had, delivers them one after the other, and stores how far it came.
//!
//! # Guarantees
//!
//! * What happened is delivered at least once, to each subscriber. A repetition carries the same
//!   [`Envelope::id`].
//! * The first arrivals of the notices of a domain are in order at each subscriber.
//! * A subscriber that fails holds up neither another one nor another domain.
//! * A subscriber that hangs does not keep workers waiting: others are told after the delivery timeout at
//!   most, and after a few deliveries without an answer it is tried once a minute.
//! * What is given up is kept as a dead letter, and what happened later goes on.
//!
//! # Assumptions
//!
//! All processes on a store have the same subscribers. A notice that was logged by a process without
//! any wakes nobody until the domain has had its first with one.

mod announce;
mod command;
mod cursor;
mod deliver;
mod log;
mod memory;
mod patience;
mod subscriber;

pub use command::{DeadLetters, Deliveries, Delivery, Undelivered};
pub use cursor::DeadLetter;
pub use log::{Followed, Since};
pub use memory::InMemorySubscriber;
pub use subscriber::{Envelope, Subscriber};

use crate::{
    id::DomainId,
    store::{Key, Kind},
};

/// Returns whether it is the feed of a domain: beside those lie the logs of tenants, which are never
/// due.
pub(super) fn is_of_domain(key: &Key) -> bool {
    key.kind == Kind::Feed && key.id.parse::<DomainId>().is_ok()
}

pub(super) use announce::{announce, wake};
pub(super) use cursor::Feed;
pub(super) use deliver::visit;
pub(super) use log::TenantLog;
pub(super) use subscriber::{Seat, seat};
