use std::time::Duration;

use super::{Change, Found, Seen, Slot};
use crate::{
    clock::{Timestamp, after},
    id::OperationId,
    store::{
        Batch, Body, Commit, Entry, Expect, Header, Key, Kind, Lease, NewEntry, Revision, Then,
        UniqueKey, Write,
        postgres::{place::BACKDATED, row::micros},
    },
};

const NOW: i64 = 1_800_000_000_000_000;

fn slot(due: Option<i64>) -> Slot {
    Slot { due, wanted: due, ..Slot::new(7) }
}

fn key(id: &str) -> Key {
    Key::new(Kind::Domain, id)
}

fn revision(counter: u64) -> Revision {
    Revision::new(counter, OperationId::from_bytes([1; 16]))
}

fn change(batch: &Batch) -> Change<'_> {
    Change { batch, restored: None }
}

fn put(id: &str, expect: Expect, unique: &[&str]) -> Write {
    let unique = unique.iter().map(|text| UniqueKey::new(text, &[])).collect();
    let header = Header { unique, ..Header::default() };
    Write::Put { key: key(id), expect, header, body: Body::new("{}".to_owned()) }
}

fn batch(writes: impl IntoIterator<Item = Write>) -> Batch {
    writes.into_iter().fold(Batch::new(OperationId::from_bytes([2; 16])), Batch::with)
}

/// One item with a revision, unique keys and a schedule.
fn seen(id: &str, counter: u64, unique: &[&str], slot: Slot) -> Seen {
    let carries = unique.iter().map(|text| UniqueKey::new(text, &[])).collect();
    let mut seen = Seen { now: NOW, ..Seen::default() };
    seen.items.insert(key(id), Found { revision: revision(counter), carries });
    seen.schedule.insert(key(id), slot);
    for text in unique {
        seen.holders.insert((*text).to_owned(), key(id));
    }
    seen
}

#[test]
fn what_is_written_as_due_long_ago_is_placed_where_polls_still_look() {
    for (due, place) in [
        (NOW - BACKDATED - 1, NOW - BACKDATED),
        (NOW - BACKDATED, NOW - BACKDATED),
        (NOW, NOW),
        (NOW + 5, NOW + 5),
    ] {
        let slot = Slot { wanted: None, ..slot(Some(due)) };
        assert_eq!(slot.placed(None, NOW).wanted, Some(place));
    }
    assert_eq!(slot(None).placed(Some(&slot(Some(1))), NOW).wanted, None);
}

#[test]
fn what_is_due_as_before_keeps_its_place() {
    let before = slot(Some(5));
    let woken = Slot { woken: Some(NOW), counter: 9, ..before };
    assert_eq!(woken.placed(Some(&before), NOW).wanted, Some(5));
}

#[test]
fn the_earliest_wake_counts_when_the_clock_was_set_back() {
    let ahead = Slot { woken: Some(NOW + 9), wanted: Some(NOW + 9), ..slot(None) };
    let seen = seen("one", 3, &[], ahead);
    let wake = batch([Write::Wake { key: key("one") }]);
    let plan = change(&wake).plan(&seen);
    assert_eq!(plan.slots.woken, [Some(NOW)]);
    assert_eq!(plan.slots.wanted, [Some(NOW)]);
}

#[test]
fn a_place_from_before_the_clock_was_set_back_is_given_up() {
    let ahead = Slot { wanted: Some(NOW + 9_000_000), ..slot(Some(5)) };
    let woken = Slot { woken: Some(NOW), ..ahead };
    assert_eq!(woken.placed(Some(&ahead), NOW).wanted, Some(NOW - BACKDATED));
}

#[test]
fn a_root_that_was_woken_under_a_lease_is_placed_when_it_is_released() {
    let held = Slot { leased_until: Some(NOW + 9), woken: Some(NOW - 9_000_000), ..slot(None) };
    let seen = seen("one", 3, &[], Slot { wanted: Some(NOW + 9), ..held });
    let until = after(Timestamp::from_timestamp_micros(NOW).unwrap(), Duration::from_secs(1));
    let lease = Lease::new(key("one"), 7, until);
    let rest = batch([put("one", Expect::Revision(revision(3)), &[])]);
    let rest = rest.with_lease(lease.clone(), Then::Release);
    assert_eq!(change(&rest).refusal(&seen, false), None);
    let plan = change(&rest).plan(&seen);
    assert_eq!(plan.slots.wanted, [Some(NOW - BACKDATED)]);
    assert_eq!(plan.slots.leased_until, [None]);
    assert_eq!(plan.slots.woken, [Some(NOW - 9_000_000)]);
    let keep = batch([put("one", Expect::Revision(revision(3)), &[])]);
    let keep = keep.with_lease(lease, Then::Keep);
    assert_eq!(change(&keep).plan(&seen).slots.wanted, [Some(NOW + 9)]);
}

#[test]
fn a_lease_counts_until_its_end_and_for_its_token_alone() {
    let held = |until| Slot { leased_until: Some(until), ..slot(None) };
    let lease = |token| Lease::new(key("one"), token, Timestamp::MAX_UTC);
    for (until, token, refusal) in [
        (NOW + 1, 7, None),
        (NOW, 7, Some(Commit::Fenced)),
        (NOW + 1, 6, Some(Commit::Fenced)),
        (NOW + 1, 8, Some(Commit::Fenced)),
    ] {
        let batch = batch([]).with_lease(lease(token), Then::Keep);
        let seen = seen("one", 1, &[], held(until));
        assert_eq!(change(&batch).refusal(&seen, false), refusal, "{until} {token}");
    }
}

#[test]
fn only_unique_keys_that_change_are_written() {
    let seen = seen("one", 1, &["a", "b"], slot(None));
    let batch = batch([put("one", Expect::Revision(revision(1)), &["b", "c"])]);
    assert_eq!(change(&batch).refusal(&seen, false), None);
    let plan = change(&batch).plan(&seen);
    assert_eq!((plan.given_up, plan.taken.keys), (vec!["a"], vec!["c"]));
}

#[test]
fn what_is_not_there_is_looked_up_by_its_unique_keys_and_what_is_there_only_carefully() {
    let batch = batch([
        put("new", Expect::Absent, &["a"]),
        put("old", Expect::Revision(revision(1)), &["b"]),
    ]);
    assert_eq!(change(&batch).unique(false), ["a"]);
    assert_eq!(change(&batch).unique(true), ["a", "b"]);
}

#[test]
fn an_item_that_never_wants_attention_has_no_schedule() {
    let batch = batch([put("new", Expect::Absent, &[])]);
    let seen = Seen { now: NOW, ..Seen::default() };
    let plan = change(&batch).plan(&seen);
    assert!(plan.new_slots.is_empty() && !plan.new_items.is_empty());
    let due = Timestamp::from_timestamp_micros(NOW + 1).unwrap();
    let header = Header { due: Some(due), ..Header::default() };
    let body = Body::new("{}".to_owned());
    let batch = self::batch([Write::Put { key: key("new"), expect: Expect::Absent, header, body }]);
    let plan = change(&batch).plan(&seen);
    // Tokens rise though nothing is kept of what was deleted: the first one is the time.
    assert_eq!((plan.new_slots.wanted, plan.new_slots.token), (vec![Some(micros(due))], NOW));
}

#[test]
fn all_texts_count_for_the_size_of_a_batch() {
    let long = "x".repeat(10_000);
    let size = |batch: &Batch| change(batch).size();
    let least = size(&batch([put("a", Expect::Absent, &[])]));
    assert!(least < 1000);
    assert!(size(&batch([put("a", Expect::Absent, &[&long])])) >= least + 2 * long.len());
    let mut entry = batch([put("a", Expect::Absent, &[])]);
    entry.log.push(NewEntry::new(key("a"), long.clone()));
    assert!(size(&entry) > least + long.len());
    let with = |change: fn(&mut Header, String)| {
        let mut write = put("a", Expect::Absent, &[]);
        if let Write::Put { header, .. } = &mut write {
            change(header, long.clone());
        }
        size(&batch([write]))
    };
    assert!(with(|header, text| header.name = Some(text)) >= least + long.len());
    assert!(with(|header, text| header.status = Some(text)) >= least + long.len());
    let one = batch([put("a", Expect::Absent, &[])]);
    let entries = [Entry::new(1, Timestamp::UNIX_EPOCH, long.clone())];
    let restored = Change { batch: &one, restored: Some((1, &entries)) };
    assert!(restored.size() > least + long.len());
}
