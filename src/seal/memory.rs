//! A sealer that keeps what it seals.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;

use super::{Context, Sealed, Sealer};
use crate::{
    error::{Error, ErrorKind, Result},
    fault::Faults,
    id::{OsRandom, Random},
    secret::Secret,
};

/// What every sealed text starts with.
const PREFIX: &str = "memory1.";

/// Random bytes of a sealed text.
const HANDLE: usize = 16;

/// A sealer that keeps the secrets itself and hands out random names for them, as a vault does.
///
/// Everything is lost with its last clone; clones share the secrets. Nothing is ever forgotten
/// before that: for tests and demonstrations.
#[derive(Clone, Debug)]
pub struct InMemorySealer {
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
    /// Creates a sealer that holds nothing yet.
    pub fn new() -> Self {
        Self {
            random: Arc::new(OsRandom),
            kept: Arc::default(),
            faults: Arc::new(Faults::new("in-memory sealer")),
        }
    }

    /// Takes randomness from elsewhere, so that a simulation can repeat a history.
    #[must_use]
    pub fn with_random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
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
    async fn seal(&self, context: &Context, secret: &Secret) -> Result<Sealed> {
        self.faults.call("seal", || {
            let mut handle = [0; HANDLE];
            self.random.fill(&mut handle)?;
            let handle = hex::encode(handle);
            let sealed = Sealed::new(format!("{PREFIX}{handle}"));
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.insert(handle, Kept { place: context.to_bytes(), secret: secret.clone() });
            Ok(sealed)
        })
    }

    async fn open(&self, context: &Context, sealed: &Sealed) -> Result<Secret> {
        self.faults.call("open", || {
            let error = |kind, message| Error::new(kind, "in-memory sealer", "open", message);
            let handle = sealed
                .as_str()
                .strip_prefix(PREFIX)
                .filter(|handle| handle.len() == 2 * HANDLE)
                .ok_or_else(|| error(ErrorKind::Invalid, "not a sealed secret"))?;
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
