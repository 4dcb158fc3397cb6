//! What has to hold, whatever happens.

use std::fmt;

/// A promise that is checked. I1 to I12 are those of the durability reference.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Invariant {
    /// I1: at most one tenant holds a name.
    OneOwner,
    /// I2: nothing is held, served or kept without a proof, a claim and a reason.
    NothingWithoutClaim,
    /// I4: the key of a certificate that serves is stored.
    KeyKept,
    /// I5: a certificate that serves is for its stored key and its names.
    KeyMatches,
    /// I6: the old certificate serves until the new one is there.
    OldServes,
    /// I7: nothing is written under a lease that is not the latest, or has ended.
    Fenced,
    /// I8: what is not at its end is due or leased.
    NothingStuck,
    /// I9: the certificate authority is asked no more than its limits and its requests allow.
    WithinBudget,
    /// I10: what we made outside is recorded, or gone; what others made is as it was.
    NoOrphans,
    /// I11: what happened is told, completely and in order.
    EventsComplete,
    /// I12: no secret is in what is stored, told or shown.
    NoSecrets,
    /// The store keeps its contract: what is read is what was committed.
    StoreContract,
    /// When the faults are over, everything comes to where it should be.
    ComesToRest,
}

impl Invariant {
    /// Every invariant.
    pub const ALL: [Self; 13] = [
        Self::OneOwner,
        Self::NothingWithoutClaim,
        Self::KeyKept,
        Self::KeyMatches,
        Self::OldServes,
        Self::Fenced,
        Self::NothingStuck,
        Self::WithinBudget,
        Self::NoOrphans,
        Self::EventsComplete,
        Self::NoSecrets,
        Self::StoreContract,
        Self::ComesToRest,
    ];

    /// Returns the number in the durability reference, or a name of its own.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OneOwner => "I1",
            Self::NothingWithoutClaim => "I2",
            Self::KeyKept => "I4",
            Self::KeyMatches => "I5",
            Self::OldServes => "I6",
            Self::Fenced => "I7",
            Self::NothingStuck => "I8",
            Self::WithinBudget => "I9",
            Self::NoOrphans => "I10",
            Self::EventsComplete => "I11",
            Self::NoSecrets => "I12",
            Self::StoreContract => "store",
            Self::ComesToRest => "rest",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A promise that was broken.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Breach {
    /// Which promise.
    pub invariant: Invariant,
    /// How.
    pub message: String,
}

impl Breach {
    /// Creates a breach.
    pub fn new(invariant: Invariant, message: impl Into<String>) -> Self {
        Self { invariant, message: message.into() }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.message)
    }
}
