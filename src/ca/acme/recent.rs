//! A bounded memory.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

/// A map that forgets the oldest entry when it is full.
pub(super) struct Recent<K, V> {
    limit: usize,
    entries: HashMap<K, V>,
    order: VecDeque<K>,
}

impl<K: Clone + Eq + Hash, V> Recent<K, V> {
    /// Creates a memory of at most `limit` entries, which must not be zero.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, entries: HashMap::new(), order: VecDeque::new() }
    }

    /// Returns an entry.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    /// Adds or replaces an entry.
    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.entries.insert(key.clone(), value).is_none() {
            self.make_room(key);
        }
    }

    /// Returns an entry to change it, new if it is not there.
    pub(super) fn entry(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        if !self.entries.contains_key(&key) {
            self.insert(key.clone(), V::default());
        }
        self.entries.entry(key).or_default()
    }

    /// Notes a new key, and forgets the oldest one if there are too many.
    fn make_room(&mut self, key: K) {
        self.order.push_back(key);
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entry_makes_room() {
        let mut recent = Recent::new(2);
        for key in 0..4 {
            recent.insert(key, key);
            recent.insert(key, key + 10);
        }
        *recent.entry(3) += 1;
        assert_eq!(
            [0, 1, 2, 3].map(|key| recent.get(&key).copied()),
            [None, None, Some(12), Some(14)]
        );
        *recent.entry(4) += 1;
        assert_eq!([2, 3, 4].map(|key| recent.get(&key).copied()), [None, Some(14), Some(1)]);
        assert_eq!(recent.entries.len(), recent.order.len());
    }
}
