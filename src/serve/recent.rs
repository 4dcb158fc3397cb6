//! A map that forgets what was not used lately rather than grow.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::atomic::{AtomicBool, Ordering},
};

use crate::name::DomainName;

/// At most so many values by name.
///
/// The second-chance algorithm: as good as least-recently-used, but a look-up changes nothing except
/// a mark, so that many can happen at a time. A value that was never asked for again goes first,
/// which is what keeps those that serve when a stranger asks for one name after the other.
#[derive(Debug)]
pub(super) struct Recent<V> {
    index: HashMap<DomainName, usize>,
    slots: Vec<Slot<V>>,
    /// Which slot is considered next when room is needed.
    hand: usize,
    capacity: usize,
}

#[derive(Debug)]
struct Slot<V> {
    name: DomainName,
    value: V,
    used: AtomicBool,
}

impl<V> Recent<V> {
    /// Creates a map of at least one place. It takes memory as it fills.
    pub(super) fn new(capacity: usize) -> Self {
        Self { index: HashMap::new(), slots: Vec::new(), hand: 0, capacity: capacity.max(1) }
    }

    /// Returns how many values there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Returns the value of `name`, and remembers that it was used.
    pub(super) fn get(&self, name: &DomainName) -> Option<&V> {
        let slot = self.slots.get(*self.index.get(name)?)?;
        slot.used.store(true, Ordering::Relaxed);
        Some(&slot.value)
    }

    /// Returns the value of `name` to change it.
    pub(super) fn get_mut(&mut self, name: &DomainName) -> Option<&mut V> {
        Some(&mut self.slots.get_mut(*self.index.get(name)?)?.value)
    }

    /// Sets the value of `name`, in the place of another one if there is no room.
    pub(super) fn insert(&mut self, name: DomainName, value: V) {
        let there = match self.index.entry(name.clone()) {
            Entry::Occupied(there) => *there.get(),
            Entry::Vacant(free) if self.slots.len() < self.capacity => {
                free.insert(self.slots.len());
                self.slots.push(Slot { name, value, used: AtomicBool::new(false) });
                return;
            }
            Entry::Vacant(free) => {
                let place = unused(&mut self.slots, &mut self.hand);
                free.insert(place);
                self.index.remove(&self.slots[place].name);
                self.slots[place] = Slot { name, value, used: AtomicBool::new(false) };
                return;
            }
        };
        self.slots[there].value = value;
    }

    /// Forgets `name`.
    pub(super) fn remove(&mut self, name: &DomainName) {
        let Some(place) = self.index.remove(name) else { return };
        self.slots.swap_remove(place);
        if let Some(moved) = self.slots.get(place) {
            self.index.insert(moved.name.clone(), place);
        }
    }
}

/// Returns a place that was not used since `hand` last came by. Ends after two rounds at most.
fn unused<V>(slots: &mut [Slot<V>], hand: &mut usize) -> usize {
    loop {
        // Slots may have been removed since.
        let place = *hand % slots.len();
        *hand = place + 1;
        if !std::mem::take(slots[place].used.get_mut()) {
            return place;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> DomainName {
        format!("n{number}.example.com").parse().unwrap()
    }

    #[test]
    fn what_is_used_stays_while_strangers_pass() {
        let mut map = Recent::new(10);
        for number in 0..5 {
            map.insert(name(number), number);
        }
        for stranger in 100..10_000 {
            for number in 0..5 {
                assert_eq!(map.get(&name(number)), Some(&number));
            }
            map.insert(name(stranger), stranger);
            assert!(map.len() <= 10);
        }
    }

    #[test]
    fn a_full_map_takes_new_values_though_all_are_in_use() {
        let mut map = Recent::new(3);
        for number in 0..10 {
            map.insert(name(number), number);
            assert_eq!(map.get(&name(number)), Some(&number));
        }
        assert_eq!(map.len(), 3);
    }

    #[test]
    fn removal_keeps_the_others_reachable() {
        let mut map = Recent::new(100);
        for number in 0..100 {
            map.insert(name(number), number);
        }
        for number in (0..100).filter(|number| number % 3 != 0) {
            map.remove(&name(number));
            map.remove(&name(number));
        }
        for number in 0..100 {
            let expected = (number % 3 == 0).then_some(number);
            assert_eq!(map.get(&name(number)).copied(), expected);
        }
        for number in 100..400 {
            map.insert(name(number), number);
        }
        assert_eq!((map.len(), map.index.len()), (100, 100));
    }

    #[test]
    fn a_second_value_replaces_the_first() {
        let mut map = Recent::new(0);
        map.insert(name(1), 1);
        map.insert(name(1), 2);
        assert_eq!((map.len(), map.get(&name(1))), (1, Some(&2)));
    }
}
