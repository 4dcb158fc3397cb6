//! Making secrets storable.
//!
//! Private keys lie in the store, and the store is copied, backed up and read by many. So none of
//! them is ever written as it is: a [`Sealer`] makes it a text that only who has the sealing key can
//! open, and the sealing key is kept somewhere else.
//!
//! # What a sealed secret is bound to
//!
//! Its [`Context`]: the tenant, the item, the purpose, and which secret of that purpose it is; and
//! the id of the key that sealed it. Who can write to the store but has no key cannot put a secret in
//! another's place, nor an earlier one in the place of a later one. The key of a certificate has an
//! item of its own, whose id is drawn at random and never used again, so that there it is the id
//! that tells one from the next.
//!
//! Not bound is the revision of the row: what is written often does not have to be sealed again. A
//! store as a whole can be set back to an earlier day, as restoring a backup does: then all that is
//! in it agrees with itself.
//!
//! # Changing the key without downtime
//!
//! 1. Give the new key to all processes as one that only opens:
//!    `XChaChaSealer::new(&old).with_previous(&new)`.
//! 2. When all have it, let it seal: `XChaChaSealer::new(&new).with_previous(&old)`.
//! 3. Call `Operator::reseal` until it has no next page. It may be stopped and started at any time.
//! 4. `Operator::sealing_keys` says when nothing is left under the old one: take it away.
//!
//! Codes that wait to be mailed are not sealed anew and do not count there, since they wait for
//! minutes: one that still does when its key is taken away is drawn anew an hour after it was drawn
//! (`Policy::mail_spacing`), and until then whoever got it can give it back.
//!
//! A key that is missing harms nothing: what needs it waits and says which one it is, domains stay
//! what they are, and nothing is sealed with a new key while an old one is missing.

#[cfg(feature = "chacha20poly1305")]
mod chacha20poly1305;
mod memory;

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind, Result},
    id::TenantId,
    secret::Secret,
};

#[cfg(feature = "chacha20poly1305")]
pub use chacha20poly1305::XChaChaSealer;
pub use memory::InMemorySealer;

/// What a sealed secret belongs to. It opens only in the same place.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Context {
    /// Whose it is; `None` for the platform's own.
    pub tenant: Option<TenantId>,
    /// The item that holds it.
    pub item: String,
    /// What it is for, such as `certificate key`.
    pub purpose: &'static str,
    /// Which secret of that purpose in that item: 1, and one more for each that takes the place of
    /// the one before. Neither to write the item nor to seal the same secret again makes another.
    pub revision: u64,
}

impl Context {
    /// Creates the context of the first secret of that purpose in the item.
    pub fn new(tenant: Option<TenantId>, item: impl fmt::Display, purpose: &'static str) -> Self {
        Self { tenant, item: item.to_string(), purpose, revision: 1 }
    }

    /// Makes it the context of a later secret.
    #[must_use]
    pub const fn with_revision(mut self, revision: u64) -> Self {
        self.revision = revision;
        self
    }

    /// Returns the context as bytes without two contexts having the same: associated data.
    pub fn to_bytes(&self) -> Vec<u8> {
        let tenant = self.tenant.map(|tenant| tenant.to_string()).unwrap_or_default();
        let parts = ["nameplate seal 1", &tenant, &self.item, self.purpose];
        let length: usize = parts.iter().map(|part| 8 + part.len()).sum();
        let mut bytes = Vec::with_capacity(length + 16);
        for part in parts {
            // A length in front of each part keeps two lists of parts apart.
            bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        // A first secret has no fifth part, and every later one has.
        if self.revision != 1 {
            bytes.extend_from_slice(&8_u64.to_be_bytes());
            bytes.extend_from_slice(&self.revision.to_be_bytes());
        }
        bytes
    }
}

/// The id of a sealing key: which one it is, and nothing about it.
///
/// 1 to 100 printable ASCII characters without spaces, quotes, backslashes and dots. Two keys never
/// have the same one, and a key has the same one for ever.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct SealingKeyId(String);

impl SealingKeyId {
    /// Longest id, in bytes.
    pub const MAX: usize = 100;

    /// Takes an id over.
    ///
    /// # Errors
    ///
    /// `Invalid` for a text that is none.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let fit = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'.');
        if text.is_empty() || text.len() > Self::MAX || !text.bytes().all(fit) {
            return Err(Error::new(
                ErrorKind::Invalid,
                "sealing key",
                "name",
                "the id of a sealing key is 1 to 100 printable characters without spaces, quotes, \
                 backslashes and dots",
            ));
        }
        Ok(Self(text))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SealingKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SealingKeyId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::new(text)
    }
}

impl From<SealingKeyId> for String {
    fn from(id: SealingKeyId) -> Self {
        id.0
    }
}

/// A secret was sealed with a key that the sealer does not have: the source of such an error.
///
/// Nothing is wrong with the secret. Plug the key in, as an earlier one if another seals by now.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the sealing key {key} is needed, and is not plugged in")]
#[non_exhaustive]
pub struct MissingKey {
    /// Which one.
    pub key: SealingKeyId,
}

impl MissingKey {
    /// Creates the error of a sealer, to be returned from [`Sealer::open`].
    pub fn error(component: &'static str, key: SealingKeyId) -> Error {
        let missing = Self { key };
        Error::new(ErrorKind::Denied, component, "open", missing.to_string()).with_source(missing)
    }

    /// Returns the key that `error` is about, if it is one of these.
    pub fn of(error: &Error) -> Option<&SealingKeyId> {
        let source = std::error::Error::source(error)?;
        source.downcast_ref::<Self>().map(|missing| &missing.key)
    }
}

/// A secret as it is stored: text that says nothing to who has no key.
///
/// It has three parts with dots between them: what made it, the id of the key, and the rest.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub struct Sealed(String);

impl Sealed {
    /// Takes the text over: printable ASCII without quotes or backslashes.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Returns which key it was sealed with; `None` if that cannot be told from the text.
    pub fn key_id(&self) -> Option<SealingKeyId> {
        let mut parts = self.0.splitn(3, '.');
        let (Some(_), Some(id), Some(_)) = (parts.next(), parts.next(), parts.next()) else {
            return None;
        };
        SealingKeyId::new(id).ok()
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(..)")
    }
}

/// Something that makes secrets storable and opens them again.
///
/// # Contract
///
/// Each point is a case of `conformance::seal`.
///
/// * What was sealed opens to the same bytes, in the same context only.
/// * The sealed text holds the secret in no form that can be read without the sealer.
/// * Sealing the same secret twice gives two texts.
/// * A text that was changed in any place does not open.
/// * The text tells the id of the key that it was sealed with: the first of [`Sealer::keys`]. A text
///   of a key that is not among them is one clear error, which names it.
///
/// # Errors
///
/// `Denied` for a text that was sealed with a key that is not there, with [`MissingKey`] as the
/// source. `Refused` for a text that does not open: changed, or moved. `Invalid` for a text that is
/// no sealed secret. `Unavailable` if a key service does not answer. No message holds a secret or
/// what was sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Sealer`",
    note = "implement `nameplate::seal::Sealer` and run `nameplate::seal_conformance!` over it"
)]
#[async_trait::async_trait]
pub trait Sealer: fmt::Debug + Send + Sync + 'static {
    /// Returns the ids of its keys: all of them open, and the first one seals. Never empty.
    fn keys(&self) -> Vec<SealingKeyId>;

    /// Seals a secret for a place.
    async fn seal(&self, context: &Context, secret: &Secret) -> Result<Sealed>;

    /// Opens what was sealed for that place.
    async fn open(&self, context: &Context, sealed: &Sealed) -> Result<Secret>;
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        #[async_trait::async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<S: Sealer + ?Sized> Sealer for $pointer {
            fn keys(&self) -> Vec<SealingKeyId> {
                (**self).keys()
            }

            async fn seal(&self, context: &Context, secret: &Secret) -> Result<Sealed> {
                (**self).seal(context, secret).await
            }

            async fn open(&self, context: &Context, sealed: &Sealed) -> Result<Secret> {
                (**self).open(context, sealed).await
            }
        }
    )*};
}

forward!(Arc<S>, Box<S>);
