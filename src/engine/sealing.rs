//! Keys that seal: whether all that are needed are there, and giving way to a new one.
//!
//! The store knows which keys have sealed anything: an item of its own holds a *canary* for each of
//! them, a text that everybody knows, sealed with it. Nothing is sealed before all canaries that
//! still matter have been opened, so that a process which was started with the wrong key does not
//! leave secrets behind that the right one cannot open. Whoever seals looks whether the list is still
//! the one that was checked: another process may have added a key since. A key under which nothing
//! lies yet is not missed.

use std::sync::{MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::{
    backends::Backends,
    codec::{self, PARKED},
    held::commit,
    observe::{ACCOUNT_KEY, CERTIFICATE_KEY},
    onboarding::Onboarding,
    operator::Operator,
    root::{AccountRoot, Root, SealedKey},
};
use crate::{
    error::{Error, ErrorKind, Result},
    id::OperationId,
    seal::{Context, MissingKey, Sealed, SealingKeyId},
    secret::Secret,
    store::{Batch, Body, Commit, Expect, Filter, Header, Item, Key, Kind, Query, Revision, Write},
};

/// What a canary says once it is opened.
const CANARY: &[u8] = b"nameplate sealing canary";
/// What a canary is bound to.
const PURPOSE: &str = "canary";
/// How often a change is tried again when somebody else changes the same item at the same time.
const ATTEMPTS: usize = 8;
/// The states of accounts.
const ACCOUNTS: [&str; 3] = ["enrolling", PARKED, "ready"];

/// A key that has sealed something, or could.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SealingKey {
    /// Which one.
    pub id: SealingKeyId,
    /// Whether it is plugged in.
    pub is_there: bool,
    /// Whether it is the one that seals.
    pub seals: bool,
    /// Whether anything that is stored needs it. One that is not needed can be taken away, once no
    /// process seals with it any more.
    pub is_needed: bool,
}

/// What one call of [`Operator::reseal`] did.
#[derive(Debug)]
#[non_exhaustive]
pub struct Resealed {
    /// How many secrets are under the newest key now that were not before.
    pub resealed: usize,
    /// What could not be opened or written, and why. It stays as it is.
    pub failed: Vec<(Key, Error)>,
    /// Where to go on; `None` when all has been gone through.
    pub next: Option<ResealCursor>,
}

/// Where [`Operator::reseal`] goes on. It may be kept, but need not be: to begin again finds what
/// is left.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ResealCursor {
    /// The old key whose secrets are looked for.
    key: SealingKeyId,
    /// The last item that was gone through.
    after: Option<String>,
}

/// The stored list of keys that have sealed anything.
#[derive(Default, Deserialize, Serialize)]
struct Canaries {
    canaries: Vec<Canary>,
}

#[derive(Deserialize, Serialize)]
struct Canary {
    key: SealingKeyId,
    sealed: Sealed,
}

fn canaries_key() -> Key {
    Key::new(Kind::Sealing, "canaries")
}

/// Returns what is said of an item that the store itself cannot read.
fn unreadable(key: &Key) -> Error {
    let message = format!("the store cannot read {key}");
    Error::new(ErrorKind::Malformed, "engine", "read sealed", message).with_subject(&key.id)
}

fn canary_context() -> Context {
    Context::new(None, canaries_key(), PURPOSE)
}

impl Onboarding {
    /// Checks that every sealing key is there that something stored needs. To be called at the start
    /// and where health is asked for; it reads one item and writes nothing, so that it may be asked
    /// before an import and by who has a store that takes nothing.
    ///
    /// A worker does the same before it seals anything, if keys were added since it did last, and leaves
    /// word of its own newest key.
    ///
    /// # Errors
    ///
    /// `Denied` if a key is missing, with [`MissingKey`] as the source, or is another one than the
    /// one that was called the same; those of the store and of the sealer.
    pub async fn check_sealing(&self) -> Result<()> {
        self.backends().look_at_sealing().await
    }
}

impl Operator {
    /// Returns the keys that have sealed something, and those that are plugged in.
    ///
    /// # Errors
    ///
    /// Those of the store, and `Malformed` for stored data that cannot be read.
    pub async fn sealing_keys(&self) -> Result<Vec<SealingKey>> {
        let backends = &*self.backends;
        let here = backends.sealer.keys();
        let accounts = backends.accounts().await?;
        let mut keys = Vec::new();
        for id in backends.known_keys().await? {
            keys.push(SealingKey {
                is_there: here.contains(&id),
                seals: here.first() == Some(&id),
                is_needed: backends.is_needed(&id, &accounts).await?,
                id,
            });
        }
        Ok(keys)
    }

    /// Seals up to 100 secrets with the newest key that lie under an earlier one, and says where to
    /// go on.
    ///
    /// Workers may work meanwhile: each secret is compared and set by the revision of its item. May
    /// be stopped anywhere, begun again at any time, and run by several at once. What is under the
    /// newest key already is left alone.
    ///
    /// ```no_run
    /// # async fn f(operator: nameplate::engine::Operator) -> nameplate::error::Result<()> {
    /// let mut cursor = None;
    /// loop {
    ///     let page = operator.reseal(cursor.as_ref()).await?;
    ///     for (key, error) in &page.failed {
    ///         eprintln!("{key}: {error}");
    ///     }
    ///     cursor = page.next;
    ///     if cursor.is_none() {
    ///         break;
    ///     }
    /// }
    /// for key in operator.sealing_keys().await? {
    ///     println!("{}: {}", key.id, if key.is_needed { "needed" } else { "not needed" });
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the store, and those of [`Onboarding::check_sealing`] unless they are about a key that is missing: what the others have sealed is sealed again.
    pub async fn reseal(&self, cursor: Option<&ResealCursor>) -> Result<Resealed> {
        let backends = &*self.backends;
        match backends.check_sealing().await {
            Err(error) if MissingKey::of(&error).is_none() => return Err(error),
            _ => {}
        }
        let newest = backends.sealing_key()?;
        let mut page = Resealed { resealed: 0, failed: Vec::new(), next: None };
        let old: Vec<SealingKeyId> =
            backends.known_keys().await?.into_iter().filter(|key| *key != newest).collect();
        let cursor = match cursor {
            Some(cursor) => cursor.clone(),
            None => {
                for item in backends.accounts().await? {
                    page.note(item.key.clone(), backends.reseal_item(item, &newest).await);
                }
                let Some(key) = old.first().cloned() else { return Ok(page) };
                ResealCursor { key, after: None }
            }
        };
        let mut query = Query::new(Kind::Key, Filter::Status(cursor.key.to_string()));
        query.after = cursor.after;
        let found = backends.store.list(&query).await?;
        for item in found.items {
            page.note(item.key.clone(), backends.reseal_item(item, &newest).await);
        }
        for id in found.unreadable {
            let key = Key::new(Kind::Key, id);
            page.note(key.clone(), Err(unreadable(&key)));
        }
        page.next = match found.next {
            Some(after) => Some(ResealCursor { key: cursor.key, after: Some(after) }),
            // By order and not by place: keys may have come and gone since the page before.
            None => old
                .into_iter()
                .find(|key| *key > cursor.key)
                .map(|key| ResealCursor { key, after: None }),
        };
        Ok(page)
    }
}

impl Resealed {
    fn note(&mut self, key: Key, result: Result<bool>) {
        match result {
            Ok(true) => self.resealed = self.resealed.saturating_add(1),
            Ok(false) => {}
            Err(error) => self.failed.push((key, error)),
        }
    }
}

impl Backends {
    /// Checks the keys before a secret is sealed, unless the list of them is as it was checked last.
    pub(super) async fn ready_to_seal(&self) -> Result<()> {
        let found = self.store.get(&[canaries_key()]).await?;
        let there = found.into_iter().flatten().next().map(|item| item.revision);
        if there.is_some() && *self.canaries_checked() == there {
            return Ok(());
        }
        self.check_sealing().await
    }

    /// Checks the keys and writes nothing: what only serves may have a store that takes nothing, and
    /// what is imported into an empty one brings its own list.
    pub(super) async fn look_at_sealing(&self) -> Result<()> {
        self.sealing_key()?;
        let (_, list) = self.canaries().await?;
        for canary in &list.canaries {
            if let Err(error) = self.open_canary(canary).await {
                // What is missing now keeps from sealing, whatever was seen before.
                *self.canaries_checked() = None;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Opens every canary whose key is needed, and leaves one for the key that seals now.
    pub(super) async fn check_sealing(&self) -> Result<()> {
        let checked = self.open_canaries().await;
        // What is missing now keeps from sealing, whatever was seen before.
        *self.canaries_checked() = checked.as_ref().ok().copied().flatten();
        checked.map(drop)
    }

    fn canaries_checked(&self) -> MutexGuard<'_, Option<Revision>> {
        self.canaries_checked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the revision of the list that was gone through; `None` if a key in it is not here and not
    /// needed yet: it may be by the next time.
    async fn open_canaries(&self) -> Result<Option<Revision>> {
        let newest = self.sealing_key()?;
        for _ in 0..ATTEMPTS {
            let (expect, mut list) = self.canaries().await?;
            let mut all = true;
            for canary in &list.canaries {
                all &= self.open_canary(canary).await?;
            }
            let is_there = list.canaries.iter().any(|canary| canary.key == newest);
            if let Expect::Revision(revision) = expect
                && is_there
            {
                return Ok(all.then_some(revision));
            }
            let canary = Secret::new(CANARY.to_vec());
            let sealed = self.sealer.seal(&canary_context(), &canary).await?;
            list.canaries.push(Canary { key: newest.clone(), sealed });
            let key = canaries_key();
            let body = Body::new(codec::write(&list)?);
            let write = Write::Put { key: key.clone(), expect, header: Header::default(), body };
            let batch = Batch::new(OperationId::random(&*self.random)?).with(write);
            match commit(self, batch, &key).await? {
                // Read once more: it is there, or somebody else was quicker.
                Commit::Done | Commit::Stale(_) => {}
                Commit::Fenced | Commit::Taken(_) => break,
            }
        }
        Err(Error::new(
            ErrorKind::Conflict,
            "engine",
            "check sealing",
            "others keep changing the list of sealing keys",
        ))
    }

    /// Opens what a key has sealed; returns whether it is here, or just not needed.
    async fn open_canary(&self, canary: &Canary) -> Result<bool> {
        let error = match self.sealer.open(&canary_context(), &canary.sealed).await {
            Ok(secret) if secret.expose() == CANARY => return Ok(true),
            Ok(_) => None,
            Err(error) if MissingKey::of(&error).is_some() => {
                // One that was taken away after everything was sealed again is not missed.
                let accounts = self.accounts().await?;
                let is_needed = self.is_needed(&canary.key, &accounts).await?;
                return if is_needed { Err(error) } else { Ok(false) };
            }
            Err(error) if error.kind() == ErrorKind::Refused => Some(error),
            Err(error) => return Err(error),
        };
        let message = format!(
            "the sealing key {} is not the one that was called so when it sealed what is stored",
            canary.key
        );
        let denied = Error::new(ErrorKind::Denied, "engine", "check sealing", message);
        Err(match error {
            Some(error) => denied.with_source(error),
            None => denied,
        })
    }

    /// Returns the key that seals.
    fn sealing_key(&self) -> Result<SealingKeyId> {
        self.sealer
            .keys()
            .into_iter()
            .next()
            .ok_or_else(|| Error::new(ErrorKind::Denied, "engine", "seal", "the sealer has no key"))
    }

    /// Returns what the stored list of canaries is expected to be, and the list.
    async fn canaries(&self) -> Result<(Expect, Canaries)> {
        let found = self.store.get(&[canaries_key()]).await?;
        Ok(match found.into_iter().flatten().next() {
            Some(item) => (Expect::Revision(item.revision), codec::read_item(&item)?),
            None => (Expect::Absent, Canaries::default()),
        })
    }

    /// Returns the keys that have sealed something, and those that are plugged in, by rising id.
    async fn known_keys(&self) -> Result<Vec<SealingKeyId>> {
        let (_, list) = self.canaries().await?;
        let mut keys: Vec<SealingKeyId> =
            list.canaries.into_iter().map(|canary| canary.key).chain(self.sealer.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }

    /// Returns all accounts: one for each authority that was ever used.
    async fn accounts(&self) -> Result<Vec<Item>> {
        let mut accounts = Vec::new();
        for status in ACCOUNTS {
            let mut query = Query::new(Kind::Account, Filter::Status(status.to_owned()));
            loop {
                let page = self.store.list(&query).await?;
                // Whether its key is needed nobody could say.
                if let Some(id) = page.unreadable.first() {
                    return Err(unreadable(&Key::new(Kind::Account, id)));
                }
                accounts.extend(page.items);
                match page.next {
                    Some(next) => query.after = Some(next),
                    None => break,
                }
            }
        }
        Ok(accounts)
    }

    /// Returns whether anything that is stored was sealed with `key`.
    async fn is_needed(&self, key: &SealingKeyId, accounts: &[Item]) -> Result<bool> {
        for account in accounts {
            let account: AccountRoot = codec::read_item(account)?;
            if account.key.and_then(|sealed| sealed.key_id()).as_ref() == Some(key) {
                return Ok(true);
            }
        }
        let query = Query::new(Kind::Key, Filter::Status(key.to_string())).with_limit(1);
        let page = self.store.list(&query).await?;
        Ok(!page.items.is_empty() || !page.unreadable.is_empty())
    }

    /// Seals what an item holds with the newest key; `false` if there is nothing to do.
    async fn reseal_item(&self, mut item: Item, newest: &SealingKeyId) -> Result<bool> {
        for _ in 0..ATTEMPTS {
            let Some((key, header, body)) = self.resealed(&item, newest).await? else {
                return Ok(false);
            };
            let expect = Expect::Revision(item.revision);
            let write = Write::Put { key: key.clone(), expect, header, body };
            let batch = Batch::new(OperationId::random(&*self.random)?).with(write);
            if commit(self, batch, &key).await? == Commit::Done {
                return Ok(true);
            }
            let found = self.store.get(std::slice::from_ref(&key)).await?;
            let Some(fresh) = found.into_iter().flatten().next() else { return Ok(false) };
            item = fresh;
        }
        Err(Error::new(
            ErrorKind::Conflict,
            "engine",
            "reseal",
            format!("others keep changing {}", item.key),
        ))
    }

    async fn resealed(
        &self,
        item: &Item,
        newest: &SealingKeyId,
    ) -> Result<Option<(Key, Header, Body)>> {
        let is_old = |sealed: &Sealed| sealed.key_id().as_ref() != Some(newest);
        if item.key.kind == Kind::Account {
            let mut account: AccountRoot = codec::read_item(item)?;
            let Some(old) = account.key.take_if(|sealed| is_old(sealed)) else { return Ok(None) };
            let context = Context::new(None, &item.key, ACCOUNT_KEY);
            account.key = Some(self.again(&context, &old).await?);
            return codec::write_root(&Root::Account(Box::new(account)), item.header.due).map(Some);
        }
        let old: SealedKey = codec::read_item(item)?;
        let (Some(tenant), true) = (item.header.tenant, is_old(&old.sealed)) else {
            return Ok(None);
        };
        let context = Context::new(Some(tenant), &item.key, CERTIFICATE_KEY);
        let sealed = self.again(&context, &old.sealed).await?;
        codec::write_key(&SealedKey::new(old.id, sealed), tenant).map(Some)
    }

    async fn again(&self, context: &Context, sealed: &Sealed) -> Result<Sealed> {
        let secret = self.sealer.open(context, sealed).await?;
        self.sealer.seal(context, &secret).await
    }
}
