//! How many messages are under way to one server.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{clock::Timer, transport::dns::within};

/// A lane to each server, with room for so many messages.
///
/// The buffer of a server's socket holds some hundreds of them. What comes at once beyond that is
/// lost, and missed only seconds later.
#[derive(Debug)]
pub(super) struct Lanes {
    room: usize,
    known: Mutex<HashMap<SocketAddr, Arc<Lane>>>,
}

#[derive(Debug)]
struct Lane {
    room: Arc<Semaphore>,
    /// How many wait for room.
    waiting: AtomicU32,
}

/// The room of a message that is under way; none if it did not wait for it any longer.
#[derive(Debug)]
pub(super) struct Room {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Lanes {
    /// Most lanes that are kept; those that are empty need not be.
    const MAX: usize = 4096;

    /// How long the first of those who wait does so at most, and each behind it that much longer: a
    /// server that keeps silent, or is slow for some, does not hold up the others.
    const PACE: Duration = Duration::from_millis(1);

    /// Creates lanes with room for so many messages each.
    pub(super) fn new(room: u32) -> Self {
        Self { room: usize::try_from(room).unwrap_or(usize::MAX), known: Mutex::default() }
    }

    /// Returns room in the lane to a server at once, or what to wait for.
    pub(super) fn enter(&self, server: SocketAddr) -> Entrance {
        let lane = self.lane(server);
        match Arc::clone(&lane.room).try_acquire_owned() {
            Ok(permit) => Entrance::Open(Room { _permit: Some(permit) }),
            Err(_) => Entrance::Full(Queue::behind(lane)),
        }
    }

    fn lane(&self, server: SocketAddr) -> Arc<Lane> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = known.get(&server) {
            return Arc::clone(lane);
        }
        let room = Arc::new(Semaphore::new(self.room));
        let lane = Arc::new(Lane { room, waiting: AtomicU32::new(0) });
        if known.len() >= Self::MAX {
            let is_used =
                |lane: &Arc<Lane>| Arc::strong_count(&lane.room) > 1 || Arc::strong_count(lane) > 1;
            known.retain(|_, lane| is_used(lane));
        }
        // One that is not kept keeps nobody back: there are enough others under way.
        if known.len() < Self::MAX {
            known.insert(server, Arc::clone(&lane));
        }
        lane
    }
}

/// The way into a lane.
#[derive(Debug)]
pub(super) enum Entrance {
    Open(Room),
    Full(Queue),
}

/// A place among those who wait.
#[derive(Debug)]
pub(super) struct Queue {
    lane: Arc<Lane>,
    patience: Duration,
}

impl Queue {
    fn behind(lane: Arc<Lane>) -> Self {
        let before = lane.waiting.fetch_add(1, Ordering::Relaxed);
        Self { lane, patience: Lanes::PACE.saturating_mul(before.saturating_add(1)) }
    }

    /// Waits for room, in turn, but not forever.
    pub(super) async fn wait(self, timer: &dyn Timer) -> Room {
        let room = Arc::clone(&self.lane.room).acquire_owned();
        let permit = within(timer, self.patience, room).await;
        Room { _permit: permit.and_then(Result::ok) }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.lane.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
