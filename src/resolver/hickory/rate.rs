//! How often a server and a zone are asked.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{
    clock::{Timestamp, after, between},
    name::DnsName,
};

/// Who is asked no more often than others like.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum Asked {
    /// A name server.
    Server(SocketAddr),
    /// The servers of a zone, taken together.
    Zone(DnsName),
}

/// A bucket of tokens for each who is asked. It holds those of a second.
#[derive(Debug)]
pub(super) struct Rate {
    /// The time that it takes until there is one more token.
    interval: Option<Duration>,
    /// When the buckets will be full again.
    full_at: Mutex<HashMap<Asked, Timestamp>>,
}

impl Rate {
    /// Most buckets that are kept; those that are full need not be.
    const MAX_BUCKETS: usize = 4096;

    /// The time in which an empty bucket fills.
    const BURST: Duration = Duration::from_secs(1);

    /// Creates buckets with so many tokens a second, or without end.
    pub(super) fn new(per_second: Option<u32>) -> Self {
        let interval = per_second.and_then(|tokens| Self::BURST.checked_div(tokens));
        Self { interval, full_at: Mutex::default() }
    }

    /// Takes a token of each, and returns how long to wait until they are there; takes none if that
    /// is longer than `longest`.
    pub(super) fn take(
        &self,
        asked: &[Asked],
        now: Timestamp,
        longest: Duration,
    ) -> Option<Duration> {
        let Some(interval) = self.interval else { return Some(Duration::ZERO) };
        let mut buckets = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        // More than that is never owed: the clock was set back.
        let latest = after(now, Self::BURST.saturating_add(longest));
        let full_at = |asked: &Asked| {
            let at = buckets.get(asked).copied().filter(|at| (now..=latest).contains(at));
            after(at.unwrap_or(now), interval)
        };
        let taken: Vec<_> = asked.iter().map(|asked| (asked.clone(), full_at(asked))).collect();
        let waits = taken.iter().map(|(_, at)| between(now, *at).saturating_sub(Self::BURST));
        let wait = waits.max().unwrap_or_default();
        if wait > longest {
            return None;
        }
        if buckets.len().saturating_add(taken.len()) > Self::MAX_BUCKETS {
            buckets.retain(|_, at| (now..=latest).contains(at));
        }
        if buckets.len().saturating_add(taken.len()) > Self::MAX_BUCKETS {
            return None;
        }
        buckets.extend(taken);
        Some(wait)
    }
}

#[cfg(test)]
mod tests;
