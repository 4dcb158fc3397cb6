//! The life of a challenge, as one table.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a challenge is in its life.
///
/// Nothing of it is stored: it follows from what has been seen and from the clock, see
/// [`Domain::challenge_state`](crate::domain::Domain::challenge_state).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// The tenant has been told what to publish.
    Issued,
    /// Something is where the proof is to be, and it is not the proof, or not for everybody yet.
    Published,
    /// The proof was seen, and the tenant does not hold the name.
    Observed,
    /// The tenant holds the name by it.
    Accepted,
    /// It was not proved in time, and proves nothing any more.
    Expired,
    /// The claim was given up.
    Rejected,
    /// Another generation has taken its place.
    Superseded,
}

/// What can happen to a challenge.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum ChallengeEvent {
    /// Something was seen where the proof is to be.
    Published,
    /// The proof was seen.
    Observed,
    /// The tenant holds the name.
    Accepted,
    /// The proof is gone, and the name with it. It may come back.
    Lost,
    /// Time is up.
    Expired,
    /// Somebody asked, and it may be published for longer.
    Renewed,
    /// The claim was given up.
    Rejected,
    /// Another one was issued.
    Superseded,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Issued,
        Self::Published,
        Self::Observed,
        Self::Accepted,
        Self::Expired,
        Self::Rejected,
        Self::Superseded,
    ];

    /// Returns the stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Published => "published",
            Self::Observed => "observed",
            Self::Accepted => "accepted",
            Self::Expired => "expired",
            Self::Rejected => "rejected",
            Self::Superseded => "superseded",
        }
    }

    /// Returns the state that `event` leads to, or `None` if it does not apply here.
    ///
    /// This table is the whole of the life of a challenge: nothing is accepted that was not observed,
    /// and what expired is neither.
    pub const fn on(self, event: ChallengeEvent) -> Option<Self> {
        use ChallengeEvent as E;

        Some(match (self, event) {
            (Self::Issued | Self::Published | Self::Observed, E::Published) => Self::Published,

            (Self::Issued | Self::Published | Self::Observed, E::Observed) => Self::Observed,

            (Self::Observed | Self::Accepted, E::Accepted) => Self::Accepted,

            (Self::Published | Self::Observed | Self::Accepted, E::Lost) => Self::Issued,

            (Self::Issued | Self::Published | Self::Observed, E::Expired) => Self::Expired,

            (Self::Expired, E::Renewed) => Self::Issued,

            (
                Self::Issued | Self::Published | Self::Observed | Self::Accepted | Self::Expired,
                E::Rejected,
            ) => Self::Rejected,

            (
                Self::Issued
                | Self::Published
                | Self::Observed
                | Self::Accepted
                | Self::Expired
                | Self::Rejected,
                E::Superseded,
            ) => Self::Superseded,

            _ => return None,
        })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl ChallengeEvent {
    /// Every event.
    pub const ALL: [Self; 8] = [
        Self::Published,
        Self::Observed,
        Self::Accepted,
        Self::Lost,
        Self::Expired,
        Self::Renewed,
        Self::Rejected,
        Self::Superseded,
    ];

    /// Returns the stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Observed => "observed",
            Self::Accepted => "accepted",
            Self::Lost => "lost",
            Self::Expired => "expired",
            Self::Renewed => "renewed",
            Self::Rejected => "rejected",
            Self::Superseded => "superseded",
        }
    }
}

impl fmt::Display for ChallengeEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
