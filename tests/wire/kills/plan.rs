//! What is to happen in a siege.

use nameplate::id::{OsRandom, Random as _};

/// What happens to a process.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Fault {
    /// It cannot write to any file for a while.
    Disk,
    /// It is killed.
    Kill,
    /// It is stopped until somebody else has its leases, and goes on.
    Stop,
}

/// What a siege is made of.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// What chance follows from.
    pub(super) seed: u64,
    /// The faults that happen anywhere.
    pub(super) anywhere: Vec<Fault>,
    /// The faults that happen at each point that is found.
    pub(super) at_points: Vec<Fault>,
    /// At each such point, on average, a process is stopped: that takes long.
    pub(super) stop_each: u64,
    /// Whether some names are validated over HTTP, at the only port for it that there is.
    pub(super) http: bool,
    /// How many domains there are at a time.
    pub(super) domains: usize,
    /// How many workers there are at a time.
    pub(super) workers: usize,
    /// Whether servers stop, and the network fails.
    pub(super) outages: bool,
    /// Whether a worker is killed at every point that there is.
    pub(super) walks: bool,
}

impl Plan {
    /// Two workers on a file, where nothing happens to them.
    pub(super) const SMALL: Self = Self {
        seed: 0,
        anywhere: Vec::new(),
        at_points: Vec::new(),
        stop_each: 1,
        http: false,
        domains: 12,
        workers: 2,
        outages: false,
        walks: false,
    };

    /// Returns a seed of chance.
    pub(super) fn any_seed() -> u64 {
        let mut seed = [0; 8];
        OsRandom.fill(&mut seed).unwrap();
        // Short enough to be typed.
        u64::from_be_bytes(seed) >> 32
    }
}
