//! Making a root due out of turn.

use std::time::Duration;

use super::{
    LEASE, MoveTime, batch, change, create, domain, done, due, lease, leased, look, now, put, read,
    release, try_lease, wake,
};
use crate::{
    clock::after,
    store::{Commit, Header, Kind, Lease, LeaseRequest, Store, Then},
};

/// A root that waits, for a time or for ever, is due at once.
pub async fn wake_makes_a_resting_root_due(store: impl Store, _time: impl MoveTime) {
    let later = due(after(now(&store).await, LEASE));
    for (id, header) in [("rests", Header::default()), ("waits", later)] {
        let key = domain(id);
        put(&store, &key, header).await;
        assert_eq!(try_lease(&store, &key).await, None);
        done(&store, batch([wake(&key)])).await;
        lease(&store, &key).await;
    }
}

/// A wake gets in nobody's way: the item is the same to all who have read it.
pub async fn wake_changes_neither_revision_nor_header(store: impl Store, _time: impl MoveTime) {
    let item = put(&store, &domain("one"), due(after(now(&store).await, LEASE))).await;
    done(&store, batch([wake(&item.key)])).await;
    assert_eq!(read(&store, &item.key).await, item);
    done(&store, batch([change(&item, Header::default(), "next")])).await;
}

/// A wake creates nothing, and keeps nothing from happening.
pub async fn wake_of_what_is_not_there_does_nothing(store: impl Store, _time: impl MoveTime) {
    done(&store, batch([create(&domain("one"), Header::default()), wake(&domain("two"))])).await;
    read(&store, &domain("one")).await;
    assert_eq!(look(&store, &domain("two")).await, None);
    assert_eq!(try_lease(&store, &domain("two")).await, None);
    // It does not wait for the item either.
    put(&store, &domain("two"), Header::default()).await;
    assert_eq!(try_lease(&store, &domain("two")).await, None);
}

/// What came while somebody worked is looked at next, whatever due time the holder has set.
pub async fn root_woken_while_leased_is_due_when_released(store: impl Store, _time: impl MoveTime) {
    for (id, header) in
        [("rests", Header::default()), ("waits", due(after(now(&store).await, LEASE)))]
    {
        let (first, item) = leased(&store, id).await;
        done(&store, batch([wake(&first.key)])).await;
        let next = batch([change(&item, header, "next")]);
        done(&store, next.with_lease(first.clone(), Then::Release)).await;
        lease(&store, &first.key).await;
    }
}

/// A wake does not end a lease.
pub async fn wake_waits_for_the_end_of_the_lease(store: impl Store, _time: impl MoveTime) {
    let (first, _) = leased(&store, "one").await;
    done(&store, batch([wake(&first.key)])).await;
    assert_eq!(try_lease(&store, &first.key).await, None);
    assert_eq!(release(&store, first.clone()).await, Commit::Done);
    lease(&store, &first.key).await;
}

/// A wake in the middle of the work lasts until the end of it.
pub async fn kept_commit_does_not_undo_a_wake(store: impl Store, _time: impl MoveTime) {
    let (first, item) = leased(&store, "one").await;
    done(&store, batch([wake(&first.key)])).await;
    let kept = batch([change(&item, Header::default(), "kept")]);
    done(&store, kept.with_lease(first.clone(), Then::Keep)).await;
    let item = read(&store, &first.key).await;
    let rest = batch([change(&item, Header::default(), "rest")]);
    done(&store, rest.with_lease(first.clone(), Then::Release)).await;
    lease(&store, &first.key).await;
}

/// A command that has not seen the wake does not take it away.
pub async fn put_does_not_undo_a_wake(store: impl Store, _time: impl MoveTime) {
    let item = put(&store, &domain("one"), Header::default()).await;
    done(&store, batch([wake(&item.key)])).await;
    done(&store, batch([change(&item, due(after(now(&store).await, LEASE)), "command")])).await;
    lease(&store, &item.key).await;
}

/// A wake counts for what its own batch puts, wherever it stands.
pub async fn batch_wakes_what_it_creates(store: impl Store, _time: impl MoveTime) {
    let (one, two) = (domain("one"), domain("two"));
    let rest = Header::default();
    let first = batch([wake(&one), create(&one, rest.clone()), create(&two, rest), wake(&two)]);
    done(&store, first).await;
    lease(&store, &one).await;
    lease(&store, &two).await;
}

/// Who gets the lease sees what the wake was about: the root is not due again for it.
pub async fn wake_is_over_with_the_next_lease(store: impl Store, _time: impl MoveTime) {
    let item = put(&store, &domain("one"), Header::default()).await;
    done(&store, batch([wake(&item.key), wake(&item.key)])).await;
    done(&store, batch([wake(&item.key)])).await;
    let first = lease(&store, &item.key).await;
    assert_eq!(release(&store, first).await, Commit::Done);
    assert_eq!(try_lease(&store, &item.key).await, None);
}

/// Whoever asks how late a root is needs to know, however it came to be due.
pub async fn lease_tells_since_when_its_root_was_due(store: impl Store, time: impl MoveTime) {
    let second = Duration::from_secs(1);
    let start = now(&store).await;
    let header = due(after(start, second));
    let (waits, woken, later) = (domain("waits"), domain("woken"), domain("later"));
    put(&store, &waits, header).await;
    put(&store, &woken, Header::default()).await;
    put(&store, &later, due(after(start, LEASE * 4))).await;
    time.advance(second * 2).await;
    let woken_at = now(&store).await;
    done(&store, batch([wake(&woken), wake(&later)])).await;
    time.advance(second).await;

    let since = |lease: &Lease| lease.due_since.unwrap();
    let first = lease(&store, &waits).await;
    assert_eq!(since(&first), after(start, second));
    // A clock that goes on by itself may have gone on.
    for key in [&woken, &later] {
        let since = since(&lease(&store, key).await);
        assert!((woken_at..=after(woken_at, second)).contains(&since), "{key}: {since}");
    }
    time.advance(LEASE + second).await;
    assert_eq!(since(&lease(&store, &waits).await), first.until);
}

/// Who is woken again and again is not put behind the others again and again.
pub async fn woken_root_keeps_its_place(store: impl Store, time: impl MoveTime) {
    let second = Duration::from_secs(1);
    let start = now(&store).await;
    put(&store, &domain("first"), due(start)).await;
    put(&store, &domain("woken"), Header::default()).await;
    time.advance(second).await;
    done(&store, batch([wake(&domain("woken"))])).await;
    time.advance(second).await;
    put(&store, &domain("last"), due(now(&store).await)).await;
    time.advance(second).await;
    done(&store, batch([wake(&domain("first")), wake(&domain("woken"))])).await;

    for id in ["first", "woken", "last"] {
        let one = LeaseRequest::new([Kind::Domain], 1, LEASE);
        let leased = store.lease(&one).await.unwrap().leases;
        assert_eq!(leased[0].0.key, domain(id));
    }
}

/// A root that was woken before the time stepped back is due again for whoever wakes it afterwards, and
/// not only when the old instant has come round.
pub async fn wake_counts_though_the_time_was_set_back(store: impl Store, time: impl MoveTime) {
    let rests = put(&store, &domain("rests"), Header::default()).await;
    let (held, _) = leased(&store, "held").await;
    done(&store, batch([wake(&rests.key), wake(&held.key)])).await;
    if !time.set_back(LEASE * 36).await {
        return;
    }
    done(&store, batch([wake(&rests.key), wake(&held.key)])).await;
    lease(&store, &rests.key).await;
    assert_eq!(release(&store, held.clone()).await, Commit::Done);
    lease(&store, &held.key).await;
}
