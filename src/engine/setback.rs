//! Roots on which work came to nothing: they are given back, tried again later, and parked at last.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    backends::Backends,
    codec::{self, PARKED},
    decide::set_back,
    drive::End,
    feed::{announce, wake},
    held::{COMMIT_ATTEMPTS, commit},
    notice::Notice,
    root::{Moment, Root, Trouble},
    telemetry,
};
use crate::{
    clock::Timestamp,
    domain::Setback,
    error::{ErrorKind, Result},
    id::OperationId,
    store::{Batch, Commit, Expect, Header, Item, Key, Kind, Lease, Then, Write},
};

/// What is known of a root that cannot be read. Kept beside it: its body stays as it is.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Unreadable {
    /// The root, for whoever looks into the store.
    of: String,
    /// Which body could not be read: another one is another matter.
    digest: String,
    /// The attempts to read it.
    pub(super) setback: Setback,
    /// The state under which it was found before it was parked.
    pub(super) status: Option<String>,
}

impl Unreadable {
    pub(super) fn key(of: &Key) -> Key {
        let digest = Sha256::digest(of.to_string());
        Key::new(Kind::Ledger, format!("unreadable/{}", hex::encode(digest)))
    }
}

/// What is put into the store about an attempt that came to nothing.
struct Note {
    writes: Vec<Write>,
    notice: Option<Notice>,
}

/// Gives a root back on which work came to nothing, to be tried again later or not at all.
pub(super) async fn give_back(backends: &Backends, lease: Lease, trouble: &Trouble) -> Result<End> {
    let key = lease.key.clone();
    for _ in 0..COMMIT_ATTEMPTS {
        let keys = [key.clone(), Unreadable::key(&key)];
        let mut found = backends.store.get(&keys).await?.into_iter();
        let Some(Some(item)) = found.next() else { return Ok(End::Left) };
        let now = backends.store.now().await?;
        let mut seed = [0; 32];
        backends.random.fill(&mut seed)?;
        let moment = Moment::new(now, seed);
        let note = match codec::read_root(&item) {
            Ok(mut root) => {
                let policy = &backends.settings.policy;
                let (setback, due, notice) = set_back(root.setback(), trouble, policy, moment);
                *root.setback_mut() = Some(setback);
                let told = match &mut root {
                    Root::Domain(root) if notice.is_some() => {
                        announce(backends, &mut root.domain, Some(item.revision), now).await?
                    }
                    _ => None,
                };
                let (key, header, body) = codec::write_root(&root, due)?;
                let expect = Expect::Revision(item.revision);
                let put = Write::Put { key, expect, header, body };
                Note { writes: [put].into_iter().chain(told).collect(), notice }
            }
            // Of another release, which knows what to do with it.
            Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(End::Left),
            Err(_) => unread(backends, item, found.next().flatten(), trouble, moment)?,
        };
        let end = if note.notice.is_some() { End::Parked } else { End::SetBack };
        let told = note.notice.clone().filter(|_| key.kind != Kind::Feed);
        let operation = OperationId::random(&*backends.random)?;
        let mut batch = Batch::new(operation).with_lease(lease.clone(), Then::Release);
        batch.writes = note.writes;
        // A feed has nothing to tell of itself.
        if let Some(notice) = note.notice.filter(|_| key.kind != Kind::Feed) {
            batch = batch.with_entry(codec::write_notice(&key, &notice)?);
        }
        match commit(backends, batch, &key).await? {
            Commit::Done => {
                told.iter().for_each(telemetry::told);
                return Ok(end);
            }
            Commit::Stale(_) => {}
            Commit::Fenced | Commit::Taken(_) => return Ok(End::Left),
        }
    }
    Ok(End::Left)
}

/// Notes an attempt to read a root: its body and all that can be searched stay, but for when it is
/// due, and for its state when it is parked.
fn unread(
    backends: &Backends,
    item: Item,
    beside: Option<Item>,
    trouble: &Trouble,
    moment: Moment,
) -> Result<Note> {
    let digest = hex::encode(Sha256::digest(item.body.as_str()));
    let known = beside.as_ref().and_then(|it| codec::read_item::<Unreadable>(it).ok());
    let known = known.filter(|known| known.digest == digest);
    let before = known.as_ref().map(|known| &known.setback);
    let policy = &backends.settings.policy;
    let (setback, due, notice) = if before.is_some_and(|before| before.parked_at.is_some()) {
        // Woken by a command, which cannot read it either.
        (before.cloned(), None, None)
    } else {
        let (setback, due, notice) = set_back(before, trouble, policy, moment);
        (Some(setback), due, notice)
    };
    let mut header = Header { due, ..item.header };
    let mut status = known.and_then(|known| known.status);
    if due.is_none() && header.status.as_deref() != Some(PARKED) {
        status = header.status.replace(PARKED.to_owned());
    }
    let expect = Expect::Revision(item.revision);
    let of = item.key.to_string();
    let mut writes =
        vec![Write::Put { key: item.key.clone(), expect, header, body: item.body.clone() }];
    if notice.is_some() {
        writes.extend(wake(&item.key));
    }
    if let Some(setback) = setback {
        let content = Unreadable { of, digest, setback, status };
        let expect = beside.map_or(Expect::Absent, |it| Expect::Revision(it.revision));
        let key = Unreadable::key(&item.key);
        let body = codec::write_item(&content)?;
        writes.push(Write::Put { key, expect, header: Header::default(), body });
    }
    Ok(Note { writes, notice })
}

/// Returns what has to be written so that a root which cannot be read is tried again.
pub(super) fn retried(item: Item, beside: Item, now: Timestamp) -> Result<Vec<Write>> {
    let known: Unreadable = codec::read_item(&beside)?;
    let header = Header { due: Some(now), status: known.status, ..item.header };
    let expect = Expect::Revision(item.revision);
    let put = Write::Put { key: item.key, expect, header, body: item.body };
    let forget = Write::Delete { key: beside.key, expect: Expect::Revision(beside.revision) };
    Ok(vec![put, forget])
}
