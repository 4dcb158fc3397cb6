//! How long a record may be cached.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Time to live: whole seconds from 0 to 2^31 - 1, RFC 2181 section 8.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Ttl(u32);

/// What is wrong with a time to live.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a TTL is a number of seconds from 0 to 2147483647")]
pub struct TtlError(());

impl Ttl {
    /// One minute: the value for records that are about to change.
    pub const MINUTE: Self = Self(60);

    /// Five minutes.
    pub const FIVE_MINUTES: Self = Self(300);

    /// One hour.
    pub const HOUR: Self = Self(3600);

    /// One day.
    pub const DAY: Self = Self(86_400);

    /// The longest time, RFC 2181 section 8.
    pub const MAX: Self = Self(i32::MAX.unsigned_abs());

    /// Creates a time to live.
    ///
    /// # Errors
    ///
    /// [`TtlError`] above [`Ttl::MAX`].
    pub const fn from_secs(secs: u32) -> Result<Self, TtlError> {
        if secs > Self::MAX.0 { Err(TtlError(())) } else { Ok(Self(secs)) }
    }

    /// Returns the seconds.
    pub const fn as_secs(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Ttl {
    type Error = TtlError;

    fn try_from(secs: u32) -> Result<Self, TtlError> {
        Self::from_secs(secs)
    }
}

impl From<Ttl> for u32 {
    fn from(ttl: Ttl) -> Self {
        ttl.0
    }
}

impl FromStr for Ttl {
    type Err = TtlError;

    fn from_str(text: &str) -> Result<Self, TtlError> {
        // A sign is no digit; `parse` would take `+1`.
        if !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(TtlError(()));
        }
        text.parse().map_err(|_| TtlError(())).and_then(Self::from_secs)
    }
}

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
