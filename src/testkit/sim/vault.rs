//! Keys that can be recognized wherever they turn up, and a memory of where they were sealed.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;

use crate::{
    error::Result,
    keys::Keys,
    name::DomainName,
    seal::{Context, Sealed, Sealer, SealingKeyId},
    secret::Secret,
};

/// The bytes that every private key of a history holds.
const CANARY: [u8; 8] = *b"CANARY-!";

/// How these bytes look when they are written down in some form.
const FORMS: [&str; 7] = [
    "CANARY-!",
    "43414e4152592d21",
    "43414E4152592D21",
    // base64 with 0, 1 and 2 bytes before it, without the characters that depend on others.
    "Q0FOQVJZLS",
    "NBTkFSWS0h",
    "DQU5BUlktI",
    "67, 65, 78, 65, 82, 89, 45, 33",
];

/// Makes and seals keys by what was plugged in, and remembers which is where.
#[derive(Clone, Debug)]
pub(super) struct Vault {
    keys: Arc<dyn Keys>,
    sealer: Arc<dyn Sealer>,
    /// What seals once the key was changed.
    next: Option<Arc<dyn Sealer>>,
    is_changed: Arc<AtomicBool>,
    sealed: Arc<Mutex<BTreeMap<String, Secret>>>,
}

impl Vault {
    pub(super) fn new(keys: Arc<dyn Keys>, sealer: Arc<dyn Sealer>) -> Self {
        Self { keys, sealer, next: None, is_changed: Arc::default(), sealed: Arc::default() }
    }

    /// Adds what seals once the key was changed; it opens what was sealed before.
    pub(super) fn with_next(mut self, next: Arc<dyn Sealer>) -> Self {
        self.next = Some(next);
        self
    }

    /// Changes the key, for all.
    pub(super) fn change_key(&self) {
        self.is_changed.store(true, Ordering::Relaxed);
    }

    fn sealer(&self) -> &Arc<dyn Sealer> {
        match &self.next {
            Some(next) if self.is_changed.load(Ordering::Relaxed) => next,
            _ => &self.sealer,
        }
    }

    fn sealed(&self) -> MutexGuard<'_, BTreeMap<String, Secret>> {
        self.sealed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the public half of a sealed key; `None` if nobody has sealed it.
    pub(super) fn public_key(&self, sealed: &Sealed) -> Option<Vec<u8>> {
        let secret = self.sealed().get(sealed.as_str()).cloned()?;
        self.keys.public_key(&secret).ok()
    }
}

/// Returns whether a private key can be read in a text.
pub(super) fn shows_secret(text: &str) -> bool {
    FORMS.iter().any(|form| text.contains(form)) || text.contains("67,65,78,65,82,89,45,33")
}

impl Keys for Vault {
    fn generate(&self) -> Result<Secret> {
        let key = self.keys.generate()?;
        let mut bytes = key.expose().to_vec();
        let start = bytes.len().saturating_sub(32);
        // Keys of another form than 32 bytes at the end are left as they are: they stay keys.
        if bytes.len() == 48
            && let Some(seed) = bytes.get_mut(start..start.saturating_add(CANARY.len()))
        {
            seed.copy_from_slice(&CANARY);
        }
        Ok(Secret::new(bytes))
    }

    fn public_key(&self, key: &Secret) -> Result<Vec<u8>> {
        self.keys.public_key(key)
    }

    fn request(&self, key: &Secret, names: &[DomainName]) -> Result<Vec<u8>> {
        self.keys.request(key, names)
    }
}

#[async_trait]
impl Sealer for Vault {
    fn keys(&self) -> Vec<SealingKeyId> {
        self.sealer().keys()
    }

    async fn seal(&self, context: &Context, secret: &Secret) -> Result<Sealed> {
        let sealed = self.sealer().seal(context, secret).await?;
        self.sealed().insert(sealed.as_str().to_owned(), secret.clone());
        Ok(sealed)
    }

    async fn open(&self, context: &Context, sealed: &Sealed) -> Result<Secret> {
        self.sealer().open(context, sealed).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{keys::InMemoryKeys, seal::InMemorySealer};

    #[test]
    fn a_key_is_recognized_in_every_form_in_which_it_could_be_written_down() {
        let vault = Vault::new(Arc::new(InMemoryKeys::new()), Arc::new(InMemorySealer::new()));
        let key = vault.generate().unwrap();
        let bytes = key.expose();
        let base64 = data_encoding::BASE64.encode(bytes);
        let seed = data_encoding::BASE64.encode(&bytes[16..]);
        let shifted = data_encoding::BASE64.encode(&bytes[14..]);
        for form in [
            hex::encode(bytes),
            hex::encode_upper(bytes),
            base64,
            seed,
            shifted,
            format!("{bytes:?}"),
            serde_json::to_string(bytes).unwrap(),
        ] {
            assert!(shows_secret(&form), "{form}");
        }
        assert!(!shows_secret(&format!("{key:?}")));
    }
}
