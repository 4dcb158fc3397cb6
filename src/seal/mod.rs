//! Making secrets storable.

#[cfg(feature = "chacha20poly1305")]
mod chacha20poly1305;
mod memory;

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{error::Result, id::TenantId, secret::Secret};

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
}

impl Context {
    /// Creates a context.
    pub fn new(tenant: Option<TenantId>, item: impl fmt::Display, purpose: &'static str) -> Self {
        Self { tenant, item: item.to_string(), purpose }
    }

    /// Returns the context as bytes without two contexts having the same: associated data.
    pub fn to_bytes(&self) -> Vec<u8> {
        let tenant = self.tenant.map(|tenant| tenant.to_string()).unwrap_or_default();
        let mut bytes = Vec::new();
        for part in ["nameplate seal 1", &tenant, &self.item, self.purpose] {
            // A length in front of each part keeps two lists of parts apart.
            bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

/// A secret as it is stored: text that says nothing to who has no key.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub struct Sealed(String);

impl Sealed {
    /// Takes the text over: printable ASCII without quotes or backslashes.
    pub fn new(text: String) -> Self {
        Self(text)
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
///
/// # Errors
///
/// `Refused` for a text that does not open: changed, moved, or sealed with another key. `Invalid`
/// for a text that is no sealed secret. `Unavailable` if a key service does not answer.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Sealer`",
    note = "implement `nameplate::seal::Sealer` and run `nameplate::seal_conformance!` over it"
)]
#[async_trait::async_trait]
pub trait Sealer: fmt::Debug + Send + Sync + 'static {
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
