//! A sealer that keeps what it seals.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;

use super::{Context, MissingKey, Sealed, Sealer, SealingKeyId};
use crate::{
    error::{Error, ErrorKind, Result},
    fault::Faults,
    id::{OsRandom, Random},
    secret::Secret,
};

/// What every sealed text starts with.
const PREFIX: &str = "memory1";

/// What it is called in errors.
const COMPONENT: &str = "in-memory sealer";

/// The key that it begins with.
const FIRST: &str = "first";

/// Random bytes of a sealed text.
const HANDLE: usize = 16;

/// A sealer that keeps the secrets itself and hands out random names for them, as a vault does.
///
/// Everything is lost with its last clone; clones share the secrets. Nothing is ever forgotten
/// before that: for tests and demonstrations.
#[derive(Clone, Debug)]
pub struct InMemorySealer {
    /// The one that seals, then those that only open.
    keys: Vec<SealingKeyId>,
    random: Arc<dyn Random>,
    kept: Arc<Mutex<HashMap<String, Kept>>>,
    faults: Arc<Faults>,
}

#[derive(Debug)]
struct Kept {
    place: Vec<u8>,
    secret: Secret,
}

impl InMemorySealer {
    /// Creates a sealer that holds nothing yet, with a key that is called `first`.
    pub fn new() -> Self {
        Self {
            keys: SealingKeyId::new(FIRST).into_iter().collect(),
            random: Arc::new(OsRandom),
            kept: Arc::default(),
            faults: Arc::new(Faults::new(COMPONENT)),
        }
    }

    /// Takes randomness from elsewhere, so that a simulation can repeat a history.
    #[must_use]
    pub fn with_random(mut self, random: impl Random) -> Self {
        self.random = Arc::new(random);
        self
    }

    /// Seals with another key from now on; those that it has still open. Other clones stay as they
    /// are.
    #[must_use]
    pub fn with_key(mut self, key: SealingKeyId) -> Self {
        self.keys.retain(|old| *old != key);
        self.keys.insert(0, key);
        self
    }

    /// Takes a key away: what was sealed with it does not open here any more.
    #[must_use]
    pub fn without_key(mut self, key: &SealingKeyId) -> Self {
        self.keys.retain(|old| old != key);
        self
    }

    /// Makes the next call fail with `kind`.
    pub fn fail_next(&self, kind: ErrorKind) {
        self.faults.before(kind);
    }
}

impl Default for InMemorySealer {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Sealer for InMemorySealer {
    fn keys(&self) -> Vec<SealingKeyId> {
        self.keys.clone()
    }

    async fn seal(&self, context: &Context, secret: &Secret) -> Result<Sealed> {
        self.faults.call("seal", || {
            let key = self.keys.first().ok_or_else(|| {
                Error::new(ErrorKind::Denied, COMPONENT, "seal", "there is no key to seal with")
            })?;
            let mut handle = [0; HANDLE];
            self.random.fill(&mut handle)?;
            let handle = hex::encode(handle);
            let sealed = Sealed::new(format!("{PREFIX}.{key}.{handle}"));
            let handle = format!("{key}.{handle}");
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.insert(handle, Kept { place: context.to_bytes(), secret: secret.clone() });
            Ok(sealed)
        })
    }

    async fn open(&self, context: &Context, sealed: &Sealed) -> Result<Secret> {
        self.faults.call("open", || {
            let error = |kind, message| Error::new(kind, COMPONENT, "open", message);
            let invalid = || error(ErrorKind::Invalid, "not a sealed secret");
            let text = sealed.as_str();
            let rest = text.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('.'));
            let handle = rest.ok_or_else(invalid)?;
            let (_, digits) = handle.split_once('.').ok_or_else(invalid)?;
            if digits.len() != 2 * HANDLE {
                return Err(invalid());
            }
            let key = sealed.key_id().ok_or_else(invalid)?;
            if !self.keys.contains(&key) {
                return Err(MissingKey::error(COMPONENT, key));
            }
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            match kept.get(handle) {
                Some(Kept { place, secret }) if *place == context.to_bytes() => Ok(secret.clone()),
                _ => {
                    Err(error(ErrorKind::Refused, "sealed elsewhere, for another place or changed"))
                }
            }
        })
    }
}
