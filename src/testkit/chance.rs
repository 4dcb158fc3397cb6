//! Randomness that can be repeated.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use sha2::{Digest, Sha256};

use crate::{error::Result, id::Random};

/// Randomness that follows from a seed. Clones share the sequence.
///
/// Everybody who knows the seed knows all tokens: for tests and simulations only.
#[derive(Clone, Debug)]
pub struct SeededRandom {
    seed: u64,
    drawn: Arc<AtomicU64>,
}

impl SeededRandom {
    /// Creates a sequence.
    pub fn new(seed: u64) -> Self {
        Self { seed, drawn: Arc::default() }
    }
}

impl Random for SeededRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<()> {
        for block in buffer.chunks_mut(32) {
            let number = self.drawn.fetch_add(1, Ordering::Relaxed);
            let digest = Sha256::new()
                .chain_update(self.seed.to_be_bytes())
                .chain_update(number.to_be_bytes())
                .finalize();
            for (byte, chance) in block.iter_mut().zip(digest) {
                *byte = chance;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_sequence() {
        let draw = |seed| {
            let random = SeededRandom::new(seed);
            let mut bytes = [0; 100];
            random.fill(&mut bytes).unwrap();
            bytes
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
