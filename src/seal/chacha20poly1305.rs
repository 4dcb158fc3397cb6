//! Sealing with a key of our own.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use sha2::{Digest, Sha256};

use super::{Context, MissingKey, Sealed, Sealer, SealingKeyId};
use crate::{
    error::{Error, ErrorKind, Result},
    id::{OsRandom, Random},
    secret::Secret,
};

/// What every sealed text starts with; a later form gets another number.
const PREFIX: &str = "np1";

/// What it is called in errors.
const COMPONENT: &str = "xchacha20-poly1305 sealer";

/// Bytes of a nonce (draft-irtf-cfrg-xchacha section 2).
const NONCE: usize = 24;

/// Sealing by XChaCha20-Poly1305 under a key that the platform keeps.
///
/// A sealed text is `np1.`, the id of the key, `.`, and nonce and ciphertext in hexadecimal. The
/// nonce is random: 192 bits make a repetition unlikely for any number of secrets. The
/// [`Context`] and the id of the key are authenticated with the secret. Who has the key can open
/// everything, so it belongs somewhere else than the store.
///
/// To change the key, seal with the new one and keep the old one for opening:
///
/// ```
/// use nameplate::seal::XChaChaSealer;
/// # let (old, new) = ([1; 32], [2; 32]);
///
/// let sealer = XChaChaSealer::new(&new).with_previous(&old);
/// ```
#[derive(Clone)]
pub struct XChaChaSealer {
    /// The one that seals, then those that only open.
    keys: Vec<Key>,
    random: Arc<dyn Random>,
}

#[derive(Clone)]
struct Key {
    id: String,
    cipher: XChaCha20Poly1305,
}

impl Key {
    fn new(key: &[u8; 32]) -> Self {
        // Says which key it is and nothing about it: 64 bits of a digest of 256 random ones.
        let digest = Sha256::new().chain_update("nameplate key id").chain_update(key).finalize();
        let id = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { id, cipher: XChaCha20Poly1305::new(key.into()) }
    }

    /// Returns what is authenticated beside the secret.
    fn associated(&self, context: &Context) -> Vec<u8> {
        [context.to_bytes(), self.id.as_bytes().to_vec()].concat()
    }
}

impl XChaChaSealer {
    /// Creates a sealer with a key of 32 random bytes.
    pub fn new(key: &[u8; 32]) -> Self {
        Self { keys: vec![Key::new(key)], random: Arc::new(OsRandom) }
    }

    /// Also opens what was sealed with an earlier key.
    #[must_use]
    pub fn with_previous(mut self, key: &[u8; 32]) -> Self {
        self.keys.push(Key::new(key));
        self
    }

    /// Takes nonces from elsewhere. They must not repeat under one key.
    #[must_use]
    pub fn with_random(mut self, random: impl Random) -> Self {
        self.random = Arc::new(random);
        self
    }
}

impl fmt::Debug for XChaChaSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&str> = self.keys.iter().map(|key| key.id.as_str()).collect();
        f.debug_struct("XChaChaSealer").field("keys", &ids).finish_non_exhaustive()
    }
}

#[async_trait]
impl Sealer for XChaChaSealer {
    fn keys(&self) -> Vec<SealingKeyId> {
        self.keys.iter().filter_map(|key| SealingKeyId::new(&*key.id).ok()).collect()
    }

    async fn seal(&self, context: &Context, secret: &Secret) -> Result<Sealed> {
        let no_key = || error(ErrorKind::Internal, "seal", "there is no key");
        let key = self.keys.first().ok_or_else(no_key)?;
        let mut nonce = [0; NONCE];
        self.random.fill(&mut nonce)?;
        let payload = Payload { msg: secret.expose(), aad: &key.associated(context) };
        let ciphertext = key
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| error(ErrorKind::Invalid, "seal", "the secret is too long"))?;
        let (nonce, ciphertext) = (hex::encode(nonce), hex::encode(ciphertext));
        Ok(Sealed::new(format!("{PREFIX}.{}.{nonce}{ciphertext}", key.id)))
    }

    async fn open(&self, context: &Context, sealed: &Sealed) -> Result<Secret> {
        let invalid = || error(ErrorKind::Invalid, "open", "not a sealed secret");
        let mut parts = sealed.as_str().splitn(3, '.');
        let (Some(PREFIX), Some(id), Some(digits)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(invalid());
        };
        // One spelling only: a text that was changed does not open.
        if digits.bytes().any(|digit| digit.is_ascii_uppercase()) {
            return Err(invalid());
        }
        let bytes = hex::decode(digits).map_err(|_| invalid())?;
        let (nonce, ciphertext) = bytes.split_first_chunk::<NONCE>().ok_or_else(invalid)?;
        let Some(key) = self.keys.iter().find(|key| key.id == id) else {
            let id = SealingKeyId::new(id).map_err(|_| invalid())?;
            return Err(MissingKey::error(COMPONENT, id));
        };
        // One error for both, since the difference is of use to an attacker alone.
        let refused = || error(ErrorKind::Refused, "open", "sealed for another place, or changed");
        let payload = Payload { msg: ciphertext, aad: &key.associated(context) };
        let secret = key.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| refused())?;
        Ok(Secret::new(secret))
    }
}

fn error(kind: ErrorKind, operation: &'static str, message: &str) -> Error {
    Error::new(kind, COMPONENT, operation, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn an_earlier_key_opens_but_does_not_seal() {
        block_on(async {
            let context = Context::new(None, "key/1", "certificate key");
            let secret = Secret::new(b"marker".to_vec());
            let old = XChaChaSealer::new(&[1; 32]);
            let both = XChaChaSealer::new(&[2; 32]).with_previous(&[1; 32]);
            let sealed = old.seal(&context, &secret).await.unwrap();
            assert_eq!(both.open(&context, &sealed).await.unwrap(), secret);
            let sealed = both.seal(&context, &secret).await.unwrap();
            let error = old.open(&context, &sealed).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Denied);
            assert_eq!(MissingKey::of(&error), both.keys().first());
            assert!(!format!("{old:?}{sealed:?}").contains("marker"));
        });
    }

    #[derive(Debug)]
    struct Nines;

    impl Random for Nines {
        fn fill(&self, buffer: &mut [u8]) -> Result<()> {
            buffer.fill(9);
            Ok(())
        }
    }

    /// What is stored like this must open for ever.
    const STORED: &str = "np1.368637196f6a4285.090909090909090909090909090909090909090909090909cd1781f819de11d81e9f784462f1ab37f3302cfef770";

    #[test]
    fn the_stored_form_does_not_change() {
        block_on(async {
            let context = Context::new(None, "key/1", "certificate key");
            let sealer = XChaChaSealer::new(&[7; 32]).with_random(Arc::new(Nines));
            let sealed = sealer.seal(&context, &Secret::new(b"secret".to_vec())).await.unwrap();
            assert_eq!(sealed.as_str(), STORED);
        });
    }
}
