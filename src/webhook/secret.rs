//! What sender and receiver share, and what they sign with it.

use std::{fmt, str::FromStr};

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{
    error::{Error, ErrorKind, Result},
    id::Random,
    secret::Secret,
};

/// What the text of a secret begins with.
const PREFIX: &str = "whsec_";

/// A secret that the sender and the receiver of webhooks share: 24 to 64 bytes.
///
/// Its text is `whsec_` and base64. `Debug` shows nothing of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SigningSecret(Secret);

impl SigningSecret {
    /// Draws a new secret of 32 bytes.
    ///
    /// # Errors
    ///
    /// Those of [`Random::fill`].
    pub fn random(random: &dyn Random) -> Result<Self> {
        let mut bytes = vec![0; 32];
        random.fill(&mut bytes)?;
        Ok(Self(Secret::new(bytes)))
    }

    /// Returns the text, to be handed to the receiver over a channel that is safe.
    pub fn expose(&self) -> Secret {
        let text = format!("{PREFIX}{}", BASE64.encode(self.0.expose()));
        Secret::new(text.into_bytes())
    }

    /// Signs a content, with the id and the time that it is sent with.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> Option<[u8; 32]> {
        // A key of any length will do, so this is always there.
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(self.0.expose()).ok()?;
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        Some(mac.finalize().into_bytes().into())
    }
}

impl FromStr for SigningSecret {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = || {
            let message = "a secret is `whsec_` and the base64 of 24 to 64 bytes";
            Error::new(ErrorKind::Invalid, "webhook", "secret", message)
        };
        let digits = text.strip_prefix(PREFIX).ok_or_else(invalid)?;
        let secret = Secret::new(BASE64.decode(digits.as_bytes()).map_err(|_| invalid())?);
        if !(24..=64).contains(&secret.expose().len()) {
            return Err(invalid());
        }
        Ok(Self(secret))
    }
}

/// Writes a signature as it stands in the header.
pub(super) struct Written<'a>(pub(super) &'a [u8; 32]);

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v1,{}", BASE64.encode(self.0))
    }
}
