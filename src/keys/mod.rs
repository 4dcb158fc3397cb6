//! Making private keys and what is derived from them.

#[cfg(all(feature = "rcgen", not(any(feature = "ring", feature = "aws-lc-rs"))))]
compile_error!("feature `rcgen` makes and uses keys: it needs feature `ring` or `aws-lc-rs`");

mod memory;
#[cfg(all(feature = "rcgen", any(feature = "ring", feature = "aws-lc-rs")))]
mod rcgen;

use std::{fmt, sync::Arc};

use crate::{error::Result, name::DomainName, secret::Secret};

pub use memory::InMemoryKeys;
#[cfg(all(feature = "rcgen", any(feature = "ring", feature = "aws-lc-rs")))]
pub use rcgen::RcgenKeys;

/// Something that makes private keys.
///
/// Keys leave it as [`Secret`]s and are sealed before they are stored. A key service that never
/// lets a key out keeps the key itself and hands out a reference in the place of PKCS #8.
///
/// # Contract
///
/// Each point is a case of `conformance::keys`.
///
/// * Two generated keys differ.
/// * `public_key` depends on the key alone and is what a certificate for a request of the key holds.
/// * `request` asks for exactly the names given, in subject alternative names, and no others.
/// * A key that is not one is `Invalid`, never a panic, and is not shown in the error.
///
/// # Errors
///
/// Each method: `Unavailable` if the key service does not answer.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not `Keys`",
    note = "implement `nameplate::keys::Keys` and run `nameplate::keys_conformance!` over it"
)]
pub trait Keys: fmt::Debug + Send + Sync + 'static {
    /// Makes a new private key: PKCS #8 DER.
    ///
    /// # Errors
    ///
    /// `Unavailable` if there is no randomness.
    fn generate(&self) -> Result<Secret>;

    /// Returns the public half: SubjectPublicKeyInfo DER (RFC 5280 section 4.1).
    ///
    /// # Errors
    ///
    /// `Invalid` for bytes that are no key.
    fn public_key(&self, key: &Secret) -> Result<Vec<u8>>;

    /// Makes a certificate signing request for `names`: PKCS #10 DER (RFC 2986).
    ///
    /// # Errors
    ///
    /// `Invalid` for bytes that are no key, and for names that cannot be in a request.
    fn request(&self, key: &Secret, names: &[DomainName]) -> Result<Vec<u8>>;
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        impl<K: Keys + ?Sized> Keys for $pointer {
            fn generate(&self) -> Result<Secret> {
                (**self).generate()
            }

            fn public_key(&self, key: &Secret) -> Result<Vec<u8>> {
                (**self).public_key(key)
            }

            fn request(&self, key: &Secret, names: &[DomainName]) -> Result<Vec<u8>> {
                (**self).request(key, names)
            }
        }
    )*};
}

forward!(Arc<K>, Box<K>);
