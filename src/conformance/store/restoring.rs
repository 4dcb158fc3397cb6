//! Items that come from another store.
//!
//! A store that says `Unsupported` has passed all of them but the first.

use std::time::Duration;

use super::{
    LEASE, MoveTime, assert_absent, batch, body, carrying, change, commit, domain, done, due,
    holder, look, now, put, read, revision, try_lease, unique,
};
use crate::{
    clock::{Timestamp, after},
    error::ErrorKind,
    id::{OsRandom, TenantId},
    store::{Batch, Commit, Entry, Filter, Header, Item, Key, Kind, NewEntry, Query, Store, Then},
};

/// An item that has been through a lot, with a log that was trimmed.
fn seasoned(key: &Key, at: Timestamp) -> (Item, Vec<Entry>) {
    let header = Header {
        tenant: Some(TenantId::random(&OsRandom).unwrap()),
        name: Some("example.com".to_owned()),
        status: Some("active".to_owned()),
        expires: Some(after(at, Duration::from_secs(5000))),
        due: Some(at),
        unique: vec![unique("a"), unique("b")],
    };
    let entry = |counter, index| {
        Entry::new(Entry::number(counter, index), at, format!("{{\"v\":1,\"n\":{counter}}}"))
    };
    let log = vec![entry(7, 3), entry(9, 0), entry(9, 1)];
    (Item::new(key.clone(), revision(9), header, body("seasoned")), log)
}

/// Restores an item, and returns what became of it; `None` if the store restores nothing.
async fn restore(store: &impl Store, item: &Item, log: &[Entry]) -> Option<Commit> {
    match store.restore(item, log).await {
        Ok(commit) => Some(commit),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert_absent(store, &item.key).await;
            None
        }
    }
}

/// All items of a kind, in pages: also those whose headers hold nothing.
pub async fn all_items_of_a_kind_are_listed(store: impl Store, _time: impl MoveTime) {
    let tenant = Some(TenantId::random(&OsRandom).unwrap());
    put(&store, &domain("b"), Header { tenant, ..Header::default() }).await;
    put(&store, &domain("a"), Header::default()).await;
    put(&store, &domain("c"), carrying(&["c"])).await;
    put(&store, &Key::new(Kind::Key, "d"), Header::default()).await;
    let mut query = Query::new(Kind::Domain, Filter::All).with_limit(2);
    let first = store.list(&query).await.unwrap();
    query = query.with_after(first.next.clone().unwrap());
    let second = store.list(&query).await.unwrap();
    let ids: Vec<_> =
        first.items.iter().chain(&second.items).map(|item| item.key.id.as_str()).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    assert_eq!(second.next, None);
    let orders = store.list(&Query::new(Kind::Order, Filter::All)).await.unwrap();
    assert_eq!(orders.items, []);
}

/// Header, body, revision, unique keys and log are those that were given.
pub async fn restored_item_is_as_it_was(store: impl Store, _time: impl MoveTime) {
    let key = domain("one");
    let (item, log) = seasoned(&key, now(&store).await);
    if restore(&store, &item, &log).await.is_none() {
        return;
    }
    assert_eq!(read(&store, &key).await, item);
    assert_eq!(store.entries(&key, 0, 10).await.unwrap(), log);
    assert_eq!(holder(&store, "b").await, Some(key.clone()));
    let listed = store.list(&Query::new(Kind::Domain, Filter::Status("active".into()))).await;
    assert_eq!(listed.unwrap().items, [item]);
}

/// Revisions and numbers rise from what they were, and the root is leased when it is due.
pub async fn restored_item_goes_on_from_there(store: impl Store, time: impl MoveTime) {
    let key = domain("one");
    let start = now(&store).await;
    let (mut item, log) = seasoned(&key, start);
    item.header.due = Some(after(start, LEASE));
    if restore(&store, &item, &log).await.is_none() {
        return;
    }
    assert_eq!(try_lease(&store, &key).await, None);
    time.advance(LEASE).await;
    let lease = try_lease(&store, &key).await.unwrap();
    let next = NewEntry::new(key.clone(), "{\"v\":1}".to_owned());
    let under = Batch::new(super::operation()).with_lease(lease, Then::Release);
    let under = under.with(change(&item, due(start), "next")).with_entry(next);
    assert_eq!(commit(&store, under).await, Commit::Done);
    assert_eq!(read(&store, &key).await.revision.counter, 10);
    let entries = store.entries(&key, Entry::number(9, 1), 10).await.unwrap();
    let numbers: Vec<_> = entries.iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, [Entry::number(10, 0)]);
    assert_eq!(holder(&store, "a").await, None);
}

/// Nothing is restored over what is there, the same item included.
pub async fn what_is_there_is_not_restored_over(store: impl Store, _time: impl MoveTime) {
    let key = domain("one");
    let there = put(&store, &key, carrying(&["z"])).await;
    let (item, log) = seasoned(&key, now(&store).await);
    match store.restore(&item, &log).await {
        Ok(commit) => assert_eq!(commit, Commit::Stale(vec![key.clone()])),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported),
    }
    assert_eq!(read(&store, &key).await, there);
    assert_eq!(store.entries(&key, 0, 10).await.unwrap(), []);
    assert_eq!(holder(&store, "a").await, None);
    assert_eq!(holder(&store, "z").await, Some(key));
}

/// A unique key that another item carries stays where it is, and nothing is restored.
pub async fn restoring_takes_no_unique_key_away(store: impl Store, _time: impl MoveTime) {
    let other = put(&store, &domain("other"), carrying(&["b"])).await;
    let key = domain("one");
    let (item, log) = seasoned(&key, now(&store).await);
    let Some(commit) = restore(&store, &item, &log).await else { return };
    assert_eq!(commit, Commit::Taken(vec![unique("b")]));
    assert_absent(&store, &key).await;
    assert_eq!(holder(&store, "a").await, None);
    assert_eq!(read(&store, &other.key).await, other);
    done(&store, batch([super::delete(&other)])).await;
    assert_eq!(restore(&store, &item, &log).await, Some(Commit::Done));
}

/// A log that the item cannot have is refused, and so is a revision that no put gives.
pub async fn impossible_log_is_invalid(store: impl Store, _time: impl MoveTime) {
    let key = domain("one");
    let (item, log) = seasoned(&key, now(&store).await);
    let later = Entry::new(Entry::number(10, 0), log[0].at, "{\"v\":1}".to_owned());
    let backwards = log.iter().rev().cloned().collect();
    let mut unborn = item.clone();
    unborn.revision.counter = 0;
    // No put could follow it.
    let mut spent = item.clone();
    spent.revision.counter = (1 << 47) - 1;
    for (item, log) in [
        (&item, vec![later]),
        (&item, backwards),
        (&item, vec![log[0].clone(), log[0].clone()]),
        (&unborn, Vec::new()),
        (&spent, Vec::new()),
    ] {
        let kind = store.restore(item, &log).await.unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::Invalid | ErrorKind::Unsupported), "{kind}");
        assert!(look(&store, &key).await.is_none());
    }
}
