//! How many are let in at the same time.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A number of places for each key, in the order in which one asked for them.
#[derive(Debug)]
pub(super) struct Gate<K> {
    places: usize,
    /// Only those of keys that somebody is inside of or waits for.
    rooms: Mutex<HashMap<K, Weak<Semaphore>>>,
}

impl<K: Eq + Hash> Gate<K> {
    pub(super) fn new(places: usize) -> Self {
        Self { places, rooms: Mutex::default() }
    }

    /// Waits for a place, which is free again when what is returned is dropped.
    pub(super) async fn enter(&self, key: K) -> Option<OwnedSemaphorePermit> {
        // An error would mean that the semaphore was closed, which nobody does.
        self.room(key).acquire_owned().await.ok()
    }

    fn room(&self, key: K) -> Arc<Semaphore> {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.retain(|_, room| room.strong_count() > 0);
        let known = rooms.get(&key).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let room = Arc::new(Semaphore::new(self.places));
            rooms.insert(key, Arc::downgrade(&room));
            room
        })
    }
}

#[cfg(test)]
mod tests;
