//! Chance that follows from a seed, fast enough for a million histories.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{error::Result, id::Random};

/// A stream of numbers that follows from a seed: SplitMix64 (Steele and others, 2014).
#[derive(Clone, Copy, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// Starts the stream `stream` of a seed; streams of one seed have nothing to do with each other.
    pub(super) const fn new(seed: u64, stream: u64) -> Self {
        let mut dice = Self(seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        dice.0 = dice.number();
        dice
    }

    /// Draws a number.
    pub(super) const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Draws a number below `end`; 0 if that is 0.
    pub(super) const fn below(&mut self, end: u64) -> u64 {
        match self.number().checked_rem(end) {
            Some(number) => number,
            None => 0,
        }
    }

    /// Draws an index into something of length `length`; 0 if it is empty.
    pub(super) fn index(&mut self, length: usize) -> usize {
        let end = u64::try_from(length).unwrap_or(u64::MAX);
        usize::try_from(self.below(end)).unwrap_or_default()
    }

    /// Says yes in `rate` of a thousand cases.
    pub(super) const fn chance(&mut self, rate: u64) -> bool {
        self.below(1000) < rate
    }
}

/// Randomness for what is plugged in: everybody who knows the seed knows it.
#[derive(Clone, Debug)]
pub(super) struct DiceRandom(Arc<Mutex<Dice>>);

impl DiceRandom {
    pub(super) fn new(dice: Dice) -> Self {
        Self(Arc::new(Mutex::new(dice)))
    }
}

impl Random for DiceRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<()> {
        let mut dice = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for block in buffer.chunks_mut(8) {
            for (byte, chance) in block.iter_mut().zip(dice.number().to_le_bytes()) {
                *byte = chance;
            }
        }
        Ok(())
    }
}
