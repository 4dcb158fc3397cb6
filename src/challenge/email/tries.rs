//! Wrong codes, counted.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    clock::{Timestamp, after, between, whole_second},
    error::{Error, ErrorKind, Result},
    secret::constant_time_eq,
};

/// How many wrong codes were given, and since when.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Tries {
    /// How many in the present window.
    #[serde(default)]
    wrong: u32,
    /// When the window began.
    #[serde(default)]
    since: Option<Timestamp>,
}

impl Tries {
    /// Most wrong codes in a [`WINDOW`](Self::WINDOW). Ten: nobody who has the mail mistypes a link.
    pub const MAX: u32 = 10;

    /// How long wrong codes count. A day.
    pub const WINDOW: Duration = Duration::from_secs(86_400);

    /// Returns whether no code has been wrong.
    pub const fn is_none(&self) -> bool {
        self.wrong == 0
    }

    /// Compares a code with the one that is wanted, `digest`: its SHA-256, in hexadecimal digits.
    ///
    /// The code is hashed before it is compared, and compared in constant time. After
    /// [`MAX`](Self::MAX) wrong ones no code is looked at, the right one neither, until a day after
    /// the first of them. The result has to be stored whether it is an error or not.
    ///
    /// # Errors
    ///
    /// `RateLimited` while no code is looked at, with the time until one is; `Refused` for a wrong
    /// one.
    pub fn judge(&mut self, given: &str, digest: &str, now: Timestamp) -> Result<()> {
        let since = *self.since.get_or_insert_with(|| whole_second(now));
        let end = after(since, Self::WINDOW);
        if now >= end {
            *self = Self { wrong: 0, since: Some(whole_second(now)) };
        }
        if self.wrong >= Self::MAX {
            let message = "too many codes were wrong";
            return Err(Error::new(ErrorKind::RateLimited, "challenge", "confirm", message)
                .with_retry_after(between(now, end)));
        }
        if constant_time_eq(super::text::digest(given).as_bytes(), digest.as_bytes()) {
            *self = Self::default();
            return Ok(());
        }
        self.wrong = self.wrong.saturating_add(1);
        Err(Error::new(
            ErrorKind::Refused,
            "challenge",
            "confirm",
            "the code is not the one mailed",
        ))
    }
}
