//! Making a notice known, in the batch that logs it.

use super::cursor::Feed;
use crate::{
    clock::Timestamp,
    domain::Domain,
    engine::{backends::Backends, codec},
    error::Result,
    store::{Entry, Expect, Key, Kind, Revision, Write},
};

/// Returns the write that makes a batch with notices of a domain known to the subscribers.
///
/// `known` is the revision of the domain that the batch replaces. The first notice since there are
/// subscribers makes the feed, which is noted in the domain: call this before that is written.
pub(in crate::engine) async fn announce(
    backends: &Backends,
    domain: &mut Domain,
    known: Option<Revision>,
    now: Timestamp,
) -> Result<Option<Write>> {
    let key = codec::feed_key(domain.id);
    if domain.has_feed {
        // Also without subscribers of our own: another process may have them.
        return Ok(Some(Write::Wake { key }));
    }
    if backends.subscribers.is_empty() {
        return Ok(None);
    }
    domain.has_feed = true;
    if known.is_some() {
        // A release that does not know of feeds forgets the note when it writes the domain.
        let found = backends.store.get(std::slice::from_ref(&key)).await?;
        if found.into_iter().flatten().next().is_some() {
            return Ok(Some(Write::Wake { key }));
        }
    }
    let counter = known.map_or(0, |known| known.counter).saturating_add(1);
    let before = Entry::number(counter, 0).saturating_sub(1);
    let feed = Feed::new(domain, before);
    let (key, header, body) = codec::write_feed(&feed, Some(now))?;
    Ok(Some(Write::Put { key, expect: Expect::Absent, header, body }))
}

/// Returns the write that wakes the feed of a domain that cannot be read, if it has one.
pub(in crate::engine) fn wake(root: &Key) -> Option<Write> {
    let is_domain = root.kind == Kind::Domain;
    is_domain.then(|| Write::Wake { key: Key::new(Kind::Feed, &root.id) })
}
