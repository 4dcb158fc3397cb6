//! Cases for a [`Store`].

pub mod batches;
pub mod leases;
pub mod log;
pub mod queries;
pub mod races;
pub mod restoring;
pub mod wakes;

use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;

use crate::{
    clock::{Clock, ManualClock, Timestamp},
    id::{OperationId, OsRandom},
    store::{
        Batch, Body, Commit, Expect, Header, Item, Key, Kind, Lease, LeaseRequest, Revision, Store,
        Then, UniqueKey, Write,
    },
};

/// How long the cases lease a root for.
///
/// Long enough that a slow machine does not end it by itself, where the time of the store goes on.
const LEASE: Duration = Duration::from_secs(600);

/// Somebody who can move the time of a store.
///
/// A store that lives by the clock of its database has an offset for this; one that cannot be moved
/// has to sleep.
#[async_trait]
pub trait MoveTime: Send + Sync + 'static {
    /// Makes `by` pass.
    async fn advance(&self, by: Duration);

    /// Sets the time back by `by`, as whoever mends a clock does, and returns whether it was: a case
    /// that needs it shows nothing of a store whose time never steps back.
    async fn set_back(&self, by: Duration) -> bool;
}

#[async_trait]
impl MoveTime for ManualClock {
    async fn advance(&self, by: Duration) {
        Self::advance(self, by);
    }

    async fn set_back(&self, by: Duration) -> bool {
        let by = TimeDelta::from_std(by).unwrap();
        self.set(Clock::now(self) - by);
        true
    }
}

/// Makes one test of every case in [`conformance::store`](crate::conformance::store).
///
/// `$setup` is a future that gives an empty store and a [`MoveTime`].
#[macro_export]
macro_rules! store_conformance {
    ($name:ident, $setup:expr) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $crate::__conformance_cases!(
                [$crate::conformance::store::batches] $setup => (store, time);
                batch_is_accepted_as_a_whole,
                taken_unique_key_changes_nothing,
                creating_what_is_there_is_stale,
                changing_what_is_not_there_is_stale,
                changing_under_an_old_revision_is_stale,
                deleting_needs_the_expected_state,
                every_stale_key_is_named,
                revisions_rise_by_one_and_name_their_batch,
                recreated_item_does_not_match_its_former_revision,
                keys_of_two_kinds_and_of_other_case_do_not_meet,
                item_is_kept_as_it_was_put,
                instants_far_from_now_are_kept,
                body_is_kept_to_the_byte,
                largest_body_is_kept,
                unique_key_is_carried_by_one_item,
                put_replaces_the_unique_keys_of_its_item,
                one_batch_moves_a_unique_key,
                one_batch_swaps_unique_keys,
                two_items_of_one_batch_cannot_share_a_unique_key,
                deleted_item_frees_its_unique_keys,
                unique_keys_are_compared_by_bytes,
                every_taken_unique_key_is_named,
                two_writes_of_one_key_are_invalid,
                entry_of_an_item_that_is_not_put_is_invalid,
                unfit_keys_and_bodies_are_invalid,
                empty_batch_is_accepted,
                repeated_batch_is_stale_and_the_revision_says_why,
            );
            $crate::__conformance_cases!(
                [$crate::conformance::store::leases] $setup => (store, time);
                leased_root_is_not_handed_out_again,
                expired_lease_makes_its_root_due_again,
                root_is_not_leased_before_it_is_due,
                root_without_a_due_time_is_not_leased,
                longest_due_root_comes_first,
                only_the_kinds_asked_for_are_leased,
                one_root_can_be_asked_for,
                number_of_leases_is_limited,
                lease_comes_with_the_item_and_the_time,
                time_is_the_same_for_everything,
                tokens_of_a_root_rise,
                tokens_rise_over_a_deletion,
                commit_under_an_expired_lease_is_fenced,
                lease_has_ended_at_its_end,
                commit_under_a_superseded_lease_is_fenced,
                commit_under_a_released_lease_is_fenced,
                fence_is_judged_before_anything_else,
                kept_lease_stays,
                released_root_is_due_at_its_header,
                released_root_without_a_due_time_rests,
                release_needs_no_write,
                commit_without_a_lease_does_not_end_one,
                commit_of_another_makes_the_holder_stale_and_not_fenced,
                lease_guards_what_else_is_in_the_batch,
                extended_lease_lasts_longer,
                ended_lease_is_not_extended,
                deleted_root_ends_its_lease,
                work_on_an_item_leaves_its_body_alone,
            );
            $crate::__conformance_cases!(
                [$crate::conformance::store::wakes] $setup => (store, time);
                wake_makes_a_resting_root_due,
                wake_changes_neither_revision_nor_header,
                wake_of_what_is_not_there_does_nothing,
                root_woken_while_leased_is_due_when_released,
                wake_waits_for_the_end_of_the_lease,
                kept_commit_does_not_undo_a_wake,
                put_does_not_undo_a_wake,
                batch_wakes_what_it_creates,
                wake_is_over_with_the_next_lease,
                lease_tells_since_when_its_root_was_due,
                woken_root_keeps_its_place,
                wake_counts_though_the_time_was_set_back,
            );
            $crate::__conformance_cases!(
                [$crate::conformance::store::log] $setup => (store, time);
                entries_are_numbered_by_revision_and_index,
                entries_are_read_in_order_and_in_pages,
                entries_are_trimmed_from_the_front,
                entries_carry_the_time_of_the_store,
                refused_batch_appends_nothing,
                log_belongs_to_its_item,
                deleted_item_loses_its_log,
            );
            $crate::__conformance_cases!(
                [$crate::conformance::store::queries] $setup => (store, time);
                items_are_read_in_the_order_of_the_keys,
                items_are_found_in_the_order_of_the_unique_keys,
                items_are_listed_by_tenant,
                items_are_listed_by_name,
                items_are_listed_by_status,
                items_are_listed_by_expiry,
                lists_keep_to_their_kind,
                lists_are_read_in_pages_by_rising_id,
                size_of_a_page_is_clamped,
                list_shows_what_is_there_now,
                pages_go_on_though_items_come_and_go,
            );
            $crate::__conformance_cases!(
                [$crate::conformance::store::restoring] $setup => (store, time);
                all_items_of_a_kind_are_listed,
                restored_item_is_as_it_was,
                restored_item_goes_on_from_there,
                what_is_there_is_not_restored_over,
                restoring_takes_no_unique_key_away,
                impossible_log_is_invalid,
            );
            $crate::__conformance_cases!(
                [$crate::conformance::store::races] $setup => (store, time);
                two_thousand_due_roots_are_handed_out_once_each,
                two_writers_have_one_winner,
                one_unique_key_has_one_winner,
                moved_unique_key_has_one_winner,
                no_change_is_lost,
                no_commit_below_the_highest_token,
                no_wake_is_lost,
                expired_lease_has_one_successor,
                dropped_commit_happens_as_a_whole_or_not_at_all,
                lost_answer_is_resolved_by_the_operation,
            );
        }
    };
}

fn operation() -> OperationId {
    OperationId::random(&OsRandom).unwrap()
}

fn domain(id: &str) -> Key {
    Key::new(Kind::Domain, id)
}

fn unique(text: &str) -> UniqueKey {
    UniqueKey::new("conformance", &[text])
}

fn body(text: &str) -> Body {
    Body::new(format!("{{\"v\":1,\"text\":{}}}", serde_json::to_string(text).unwrap()))
}

fn carrying(keys: &[&str]) -> Header {
    Header { unique: keys.iter().map(|key| unique(key)).collect(), ..Header::default() }
}

fn due(at: Timestamp) -> Header {
    Header { due: Some(at), ..Header::default() }
}

fn create(key: &Key, header: Header) -> Write {
    Write::Put { key: key.clone(), expect: Expect::Absent, header, body: body("new") }
}

fn change(item: &Item, header: Header, text: &str) -> Write {
    let expect = Expect::Revision(item.revision);
    Write::Put { key: item.key.clone(), expect, header, body: body(text) }
}

fn delete(item: &Item) -> Write {
    Write::Delete { key: item.key.clone(), expect: Expect::Revision(item.revision) }
}

fn wake(key: &Key) -> Write {
    Write::Wake { key: key.clone() }
}

fn batch(writes: impl IntoIterator<Item = Write>) -> Batch {
    writes.into_iter().fold(Batch::new(operation()), Batch::with)
}

/// Returns the time of the store, cut to what every store keeps.
async fn now(store: &impl Store) -> Timestamp {
    let now = store.now().await.unwrap();
    Timestamp::from_timestamp_micros(now.timestamp_micros()).unwrap()
}

async fn commit(store: &impl Store, batch: Batch) -> Commit {
    store.commit(batch).await.unwrap()
}

/// Commits a batch that has to be accepted.
async fn done(store: &impl Store, batch: Batch) {
    assert_eq!(store.commit(batch).await.unwrap(), Commit::Done);
}

async fn put(store: &impl Store, key: &Key, header: Header) -> Item {
    done(store, batch([create(key, header)])).await;
    read(store, key).await
}

/// Puts many domains under one header.
async fn fill(store: &impl Store, count: u32, header: Header) {
    let keys: Vec<Key> = (0..count).map(|number| domain(&format!("fill/{number}"))).collect();
    for some in keys.chunks(250) {
        done(store, batch(some.iter().map(|key| create(key, header.clone())))).await;
    }
}

async fn look(store: &impl Store, key: &Key) -> Option<Item> {
    let mut items = store.get(std::slice::from_ref(key)).await.unwrap();
    assert_eq!(items.len(), 1, "one answer for one key");
    items.remove(0)
}

async fn read(store: &impl Store, key: &Key) -> Item {
    look(store, key).await.unwrap_or_else(|| panic!("{key} is not there"))
}

async fn holder(store: &impl Store, key: &str) -> Option<Key> {
    let mut items = store.find(&[unique(key)]).await.unwrap();
    assert_eq!(items.len(), 1, "one answer for one unique key");
    items.remove(0).map(|item| item.key)
}

/// Leases one root, if it is due.
async fn try_lease(store: &impl Store, key: &Key) -> Option<Lease> {
    let mut leased = store.lease(&LeaseRequest::of(key.clone(), LEASE)).await.unwrap().leases;
    assert!(leased.len() <= 1, "one root was asked for: {leased:?}");
    leased.pop().map(|(lease, _)| lease)
}

/// Leases one root that has to be due.
async fn lease(store: &impl Store, key: &Key) -> Lease {
    try_lease(store, key).await.unwrap_or_else(|| panic!("{key} is not due"))
}

/// Puts a root that is due at once, and leases it.
async fn leased(store: &impl Store, id: &str) -> (Lease, Item) {
    let key = domain(id);
    let item = put(store, &key, due(now(store).await)).await;
    (lease(store, &key).await, item)
}

async fn release(store: &impl Store, lease: Lease) -> Commit {
    commit(store, Batch::new(operation()).with_lease(lease, Then::Release)).await
}

/// Checks that nothing of the sort came to be.
async fn assert_absent(store: &impl Store, key: &Key) {
    assert_eq!(look(store, key).await, None);
    assert_eq!(store.entries(key, 0, 10).await.unwrap(), []);
}

fn revision(counter: u64) -> Revision {
    Revision::new(counter, operation())
}
