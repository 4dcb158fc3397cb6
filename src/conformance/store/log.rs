//! The entries of an item.

use super::{
    MoveTime, batch, change, commit, create, delete, domain, done, leased, now, put, read,
};
use crate::store::{Batch, Commit, Entry, Header, Key, NewEntry, Store, Then};

fn entry(of: &Key, text: &str) -> NewEntry {
    NewEntry::new(of.clone(), format!("{{\"v\":1,\"text\":\"{text}\"}}"))
}

/// Appends three entries with each of two revisions of an item.
async fn filled(store: &impl Store, id: &str) -> Key {
    let key = domain(id);
    let three = |batch: Batch, text: &str| {
        ["a", "b", "c"]
            .iter()
            .fold(batch, |batch, part| batch.with_entry(entry(&key, &format!("{text}{part}"))))
    };
    done(store, three(batch([create(&key, Header::default())]), "1")).await;
    let item = read(store, &key).await;
    done(store, three(batch([change(&item, Header::default(), "x")]), "2")).await;
    key
}

fn texts(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.body.as_str()).collect()
}

/// The number says which revision an entry came with, and which of its entries it is.
pub async fn entries_are_numbered_by_revision_and_index(store: impl Store, _time: impl MoveTime) {
    let key = filled(&store, "one").await;
    let entries = store.entries(&key, 0, 100).await.unwrap();
    let numbers: Vec<u64> = entries.iter().map(|entry| entry.number).collect();
    let number = Entry::number;
    let wanted =
        [number(1, 0), number(1, 1), number(1, 2), number(2, 0), number(2, 1), number(2, 2)];
    assert_eq!(numbers, wanted);
    assert_eq!(entries[4].body, entry(&key, "2b").body);

    // Revisions without an entry leave a gap.
    let item = read(&store, &key).await;
    done(&store, batch([change(&item, Header::default(), "silent")])).await;
    let item = read(&store, &key).await;
    let next = batch([change(&item, Header::default(), "x")]).with_entry(entry(&key, "4a"));
    done(&store, next).await;
    let entries = store.entries(&key, number(2, 2), 100).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.number).collect::<Vec<_>>(), [number(4, 0)]);
}

/// Reading goes on after a number, whether or not there is an entry of that number.
pub async fn entries_are_read_in_order_and_in_pages(store: impl Store, _time: impl MoveTime) {
    let key = filled(&store, "one").await;
    let all = store.entries(&key, 0, 100).await.unwrap();
    let mut read = Vec::new();
    loop {
        let after = read.last().map_or(0, |entry: &Entry| entry.number);
        let page = store.entries(&key, after, 4).await.unwrap();
        assert!(page.len() <= 4);
        let Some(first) = page.first() else { break };
        assert!(first.number > after, "{} is not above {after}", first.number);
        read.extend(page);
    }
    assert_eq!(read, all);
    let gap = Entry::number(1, 7);
    assert_eq!(store.entries(&key, gap, 100).await.unwrap(), all[3..]);
    assert_eq!(store.entries(&key, u64::MAX >> 1, 100).await.unwrap(), []);
    assert_eq!(store.entries(&domain("unknown"), 0, 100).await.unwrap(), []);
}

/// Trimming drops what was delivered and keeps the rest; doing it again is fine.
pub async fn entries_are_trimmed_from_the_front(store: impl Store, _time: impl MoveTime) {
    let key = filled(&store, "one").await;
    let other = filled(&store, "two").await;
    let all = store.entries(&key, 0, 100).await.unwrap();
    for _ in 0..2 {
        store.trim(&key, all[1].number).await.unwrap();
        assert_eq!(store.entries(&key, 0, 100).await.unwrap(), all[2..]);
    }
    store.trim(&key, 0).await.unwrap();
    assert_eq!(store.entries(&key, 0, 100).await.unwrap(), all[2..]);
    store.trim(&key, u64::MAX >> 1).await.unwrap();
    assert_eq!(store.entries(&key, 0, 100).await.unwrap(), []);
    store.trim(&domain("unknown"), 7).await.unwrap();
    assert_eq!(store.entries(&other, 0, 100).await.unwrap().len(), 6);

    // What comes later is numbered on, and the item is as it was.
    let item = read(&store, &key).await;
    assert_eq!(item.revision.counter, 2);
    let next = batch([change(&item, Header::default(), "x")]).with_entry(entry(&key, "3a"));
    done(&store, next).await;
    let entries = store.entries(&key, 0, 100).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.number).collect::<Vec<_>>(), [Entry::number(3, 0)]);
}

/// An entry says when it was accepted, by the same time as everything else.
pub async fn entries_carry_the_time_of_the_store(store: impl Store, time: impl MoveTime) {
    time.advance(super::LEASE).await;
    let start = now(&store).await;
    let key = filled(&store, "one").await;
    let end = store.now().await.unwrap();
    for entry in store.entries(&key, 0, 100).await.unwrap() {
        assert!(entry.at >= start && entry.at <= end, "{} is not in {start} to {end}", entry.at);
    }
}

/// A batch that is not accepted leaves no trace, for whatever reason it was not.
pub async fn refused_batch_appends_nothing(store: impl Store, time: impl MoveTime) {
    let (lease, item) = leased(&store, "one").await;
    done(&store, batch([change(&item, Header::default(), "changed")])).await;
    let stale = batch([change(&item, Header::default(), "x")]).with_entry(entry(&item.key, "x"));
    assert_eq!(commit(&store, stale).await, Commit::Stale(vec![item.key.clone()]));
    let item = read(&store, &item.key).await;
    time.advance(super::LEASE * 2).await;
    let fenced = batch([change(&item, Header::default(), "x")])
        .with_entry(entry(&item.key, "x"))
        .with_lease(lease, Then::Release);
    assert_eq!(commit(&store, fenced).await, Commit::Fenced);
    assert_eq!(store.entries(&item.key, 0, 100).await.unwrap(), []);
}

/// Entries of several items in one batch go each to its own, each numbered from its start.
pub async fn log_belongs_to_its_item(store: impl Store, _time: impl MoveTime) {
    let (one, two) = (domain("one"), domain("two"));
    let both = batch([create(&one, Header::default()), create(&two, Header::default())])
        .with_entry(entry(&one, "1"))
        .with_entry(entry(&two, "2"))
        .with_entry(entry(&one, "3"));
    done(&store, both).await;
    let of_one = store.entries(&one, 0, 100).await.unwrap();
    let of_two = store.entries(&two, 0, 100).await.unwrap();
    assert_eq!(texts(&of_one), [entry(&one, "1").body, entry(&one, "3").body]);
    assert_eq!(texts(&of_two), [entry(&two, "2").body]);
    assert_eq!(of_two[0].number, Entry::number(1, 0));
    assert_eq!(of_one[1].number, Entry::number(1, 1));
}

/// The log goes with its item, and another one of that key starts with an empty log.
pub async fn deleted_item_loses_its_log(store: impl Store, _time: impl MoveTime) {
    let key = filled(&store, "one").await;
    let item = read(&store, &key).await;
    done(&store, batch([delete(&item)])).await;
    assert_eq!(store.entries(&key, 0, 100).await.unwrap(), []);
    put(&store, &key, Header::default()).await;
    assert_eq!(store.entries(&key, 0, 100).await.unwrap(), []);
}
