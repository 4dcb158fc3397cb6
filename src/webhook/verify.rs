//! The receiver's side: who sent it, and when.

use std::time::Duration;

use data_encoding::BASE64;

use super::{ID, SIGNATURE, SigningSecret, TIMESTAMP};
use crate::{clock::Timestamp, secret::constant_time_eq};

/// Verifies that a webhook was sent by somebody who has the secret, and not long ago.
///
/// ```
/// # use nameplate::{clock::Timestamp, webhook::{SigningSecret, Verifier}};
/// # use std::collections::HashMap;
/// # let now = Timestamp::from_timestamp(1_614_265_330, 0).unwrap();
/// # let body = br#"{"test": 2432232314}"#;
/// # let headers = HashMap::from([
/// #     ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
/// #     ("webhook-timestamp", "1614265330"),
/// #     ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
/// # ]);
/// let secret: SigningSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse()?;
/// Verifier::new(secret).verify(|name| headers.get(name).copied(), body, now)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Caveats
///
/// A valid webhook may come again: within the tolerance from anybody who saw it, and at any time from
/// the sender. Whoever must act once remembers the ids.
#[derive(Clone, Debug)]
pub struct Verifier {
    secrets: Vec<SigningSecret>,
    tolerance: Duration,
}

impl Verifier {
    /// Creates a verifier with a tolerance of five minutes.
    pub fn new(secret: SigningSecret) -> Self {
        Self { secrets: vec![secret], tolerance: Duration::from_secs(300) }
    }

    /// Accepts another secret as well: while it takes the place of the first one.
    #[must_use]
    pub fn with_secret(mut self, secret: SigningSecret) -> Self {
        self.secrets.push(secret);
        self
    }

    /// Sets how far the time of the attempt may be from now, in both directions.
    #[must_use]
    pub const fn with_tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Verifies the content as it came in, byte for byte.
    ///
    /// `header` returns the value of a header; it is asked for names in lower case.
    ///
    /// # Errors
    ///
    /// What is missing or wrong; the content must not be used then.
    pub fn verify<'a>(
        &self,
        header: impl Fn(&str) -> Option<&'a str>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), VerifyError> {
        let get = |name| header(name).ok_or(VerifyError::Missing(name));
        let (id, timestamp, signatures) = (get(ID)?, get(TIMESTAMP)?, get(SIGNATURE)?);
        // One form of a number only, since it is the number that is signed.
        let digits = timestamp.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = timestamp.parse::<i64>().ok().filter(|_| digits);
        let seconds = seconds.ok_or(VerifyError::Malformed(TIMESTAMP))?;
        if seconds.to_string() != timestamp {
            return Err(VerifyError::Malformed(TIMESTAMP));
        }
        let distance = seconds.saturating_sub(now.timestamp());
        if distance.unsigned_abs() > self.tolerance.as_secs() {
            return Err(if distance < 0 { VerifyError::TooOld } else { VerifyError::TooNew });
        }
        let given: Vec<Vec<u8>> = signatures
            .split(' ')
            .filter_map(|signature| signature.strip_prefix("v1,"))
            .filter_map(|digits| BASE64.decode(digits.as_bytes()).ok())
            .collect();
        if given.is_empty() {
            return Err(VerifyError::Malformed(SIGNATURE));
        }
        let is_signed = self.secrets.iter().any(|secret| {
            let wanted = secret.sign(id, seconds, body);
            wanted.is_some_and(|wanted| given.iter().any(|it| constant_time_eq(it, &wanted)))
        });
        if is_signed { Ok(()) } else { Err(VerifyError::WrongSignature) }
    }
}

/// Why a webhook is not to be trusted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A header is not there.
    #[error("there is no header {0}")]
    Missing(&'static str),
    /// A header is not what it should be.
    #[error("the header {0} cannot be read")]
    Malformed(&'static str),
    /// It was sent too long ago: perhaps by somebody who recorded it.
    #[error("it was sent too long ago")]
    TooOld,
    /// It was sent in the future: one of the clocks is wrong.
    #[error("it was sent in the future")]
    TooNew,
    /// It was signed with another secret, or changed on the way.
    #[error("no signature is right")]
    WrongSignature,
}

#[cfg(test)]
mod tests;
