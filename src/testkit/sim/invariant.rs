//! What has to hold, whatever happens.

use std::fmt;

/// A promise that is checked. I1 to I12 are those of the durability reference; C1 to C7 are about
/// claims of several tenants, O1 to O5 about who is told what happens.
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
    /// C1: a name changes hands by the consent of both, or by proof and after time to answer.
    Consent,
    /// C2: a code proves a claim once, and only in the hands of who got it.
    CodeOnce,
    /// C3: nothing of an earlier generation or holder comes back.
    NothingComesBack,
    /// C4: who has proved nothing changes nothing for who holds the name.
    HolderUndisturbed,
    /// C5: a name that rests is served by nobody else's wildcard.
    Rests,
    /// C6: nobody has more names than are allowed.
    WithinCaps,
    /// C7: an export holds all that was there, as it was.
    ExportWhole,
    /// O1: what happened is handed to everybody who listens, or given up for a reason.
    Told,
    /// O2: what happened to a domain is told in order, and nothing is skipped.
    ToldInOrder,
    /// O3: what is told was committed, as it is told.
    ToldTruly,
    /// O4: what somebody counts as told is not told again, unless somebody asks.
    ToldOnce,
    /// O5: what somebody waits for is kept, and everything for as long as is said.
    KeptForAll,
    /// W1: a worker that is told to stop ends in time, and leaves everything to others.
    StopsCleanly,
    /// The store keeps its contract: what is read is what was committed.
    StoreContract,
    /// When the faults are over, everything comes to where it should be.
    ComesToRest,
}

impl Invariant {
    /// Every invariant.
    pub const ALL: [Self; 26] = [
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
        Self::Consent,
        Self::CodeOnce,
        Self::NothingComesBack,
        Self::HolderUndisturbed,
        Self::Rests,
        Self::WithinCaps,
        Self::ExportWhole,
        Self::Told,
        Self::ToldInOrder,
        Self::ToldTruly,
        Self::ToldOnce,
        Self::KeptForAll,
        Self::StopsCleanly,
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
            Self::Consent => "C1",
            Self::CodeOnce => "C2",
            Self::NothingComesBack => "C3",
            Self::HolderUndisturbed => "C4",
            Self::Rests => "C5",
            Self::WithinCaps => "C6",
            Self::ExportWhole => "C7",
            Self::Told => "O1",
            Self::ToldInOrder => "O2",
            Self::ToldTruly => "O3",
            Self::ToldOnce => "O4",
            Self::KeptForAll => "O5",
            Self::StopsCleanly => "W1",
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
