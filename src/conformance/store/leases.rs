//! Who may work on a root, and until when.

use std::time::Duration;

use super::{
    LEASE, MoveTime, assert_absent, batch, carrying, change, commit, create, delete, domain, done,
    due, fill, lease, leased, look, now, operation, put, read, release, revision, try_lease, wake,
};
use crate::{
    clock::{after, between},
    store::{Batch, Body, Commit, Expect, Header, Key, Kind, LeaseRequest, Store, Then, Write},
};

const SECOND: Duration = Duration::from_secs(1);

/// A root that is leased is not due for anybody else.
pub async fn leased_root_is_not_handed_out_again(store: impl Store, _time: impl MoveTime) {
    let (lease, _) = leased(&store, "one").await;
    assert_eq!(try_lease(&store, &lease.key).await, None);
    let all = LeaseRequest::new([Kind::Domain], 10, LEASE);
    assert_eq!(store.lease(&all).await.unwrap().leases, []);
}

/// A holder that does not come back holds nothing up.
pub async fn expired_lease_makes_its_root_due_again(store: impl Store, time: impl MoveTime) {
    let (first, item) = leased(&store, "one").await;
    time.advance(LEASE / 2).await;
    assert_eq!(try_lease(&store, &first.key).await, None);
    time.advance(LEASE / 2 + SECOND).await;
    let leased = store.lease(&LeaseRequest::new([Kind::Domain], 10, LEASE)).await.unwrap().leases;
    assert_eq!(leased.len(), 1);
    assert_eq!(leased[0].1, item);
}

/// A root waits for its due time.
pub async fn root_is_not_leased_before_it_is_due(store: impl Store, time: impl MoveTime) {
    let key = domain("one");
    put(&store, &key, due(after(now(&store).await, LEASE))).await;
    assert_eq!(try_lease(&store, &key).await, None);
    time.advance(LEASE + SECOND).await;
    lease(&store, &key).await;
}

/// A root without a due time waits for ever.
pub async fn root_without_a_due_time_is_not_leased(store: impl Store, time: impl MoveTime) {
    let key = domain("one");
    put(&store, &key, Header::default()).await;
    time.advance(LEASE * 1000).await;
    assert_eq!(try_lease(&store, &key).await, None);
}

/// Roots are handed out by how long they have been due, not by their keys.
pub async fn longest_due_root_comes_first(store: impl Store, time: impl MoveTime) {
    let start = now(&store).await;
    let order = ["c", "a", "d", "b"];
    for (seconds, id) in (1..).zip(order) {
        put(&store, &domain(id), due(after(start, SECOND * seconds))).await;
    }
    time.advance(SECOND * 10).await;
    for half in order.chunks(2) {
        let two = LeaseRequest::new([Kind::Domain], 2, LEASE);
        let leased = store.lease(&two).await.unwrap().leases;
        let ids: Vec<&str> = leased.iter().map(|(lease, _)| lease.key.id.as_str()).collect();
        assert_eq!(ids, half);
    }
}

/// Roots of other kinds stay where they are.
pub async fn only_the_kinds_asked_for_are_leased(store: impl Store, _time: impl MoveTime) {
    let now = now(&store).await;
    for kind in [Kind::Account, Kind::Domain, Kind::Registration] {
        put(&store, &Key::new(kind, "one"), due(now)).await;
    }
    let two = LeaseRequest::new([Kind::Account, Kind::Domain], 10, LEASE);
    let leased = store.lease(&two).await.unwrap().leases;
    let mut kinds: Vec<Kind> = leased.iter().map(|(lease, _)| lease.key.kind).collect();
    kinds.sort();
    assert_eq!(kinds, [Kind::Account, Kind::Domain]);
    assert_eq!(store.lease(&LeaseRequest::new([], 10, LEASE)).await.unwrap().leases, []);
    lease(&store, &Key::new(Kind::Registration, "one")).await;
}

/// A request for one root takes no other.
pub async fn one_root_can_be_asked_for(store: impl Store, _time: impl MoveTime) {
    let now = now(&store).await;
    put(&store, &domain("one"), due(now)).await;
    put(&store, &domain("two"), due(now)).await;
    assert_eq!(lease(&store, &domain("two")).await.key, domain("two"));
    assert_eq!(try_lease(&store, &domain("three")).await, None);
    assert_eq!(try_lease(&store, &Key::new(Kind::Account, "one")).await, None);
    let mut other_kinds = LeaseRequest::of(domain("one"), LEASE);
    other_kinds.kinds = vec![Kind::Account];
    assert_eq!(store.lease(&other_kinds).await.unwrap().leases, []);
    lease(&store, &domain("one")).await;
}

/// No more leases than asked for; none or too many is taken as the nearest number that is possible.
pub async fn number_of_leases_is_limited(store: impl Store, _time: impl MoveTime) {
    let now = now(&store).await;
    for number in 0..7 {
        put(&store, &domain(&number.to_string()), due(now)).await;
    }
    for (limit, given) in [(3, 3), (0, 1), (u32::MAX, 3)] {
        let wanted = LeaseRequest::new([Kind::Domain], limit, LEASE);
        assert_eq!(store.lease(&wanted).await.unwrap().leases.len(), given, "of {limit}");
    }
    fill(&store, LeaseRequest::MAX_LIMIT + 1, due(now)).await;
    let all = LeaseRequest::new([Kind::Domain], u32::MAX, LEASE);
    let most = usize::try_from(LeaseRequest::MAX_LIMIT).unwrap();
    assert_eq!(store.lease(&all).await.unwrap().leases.len(), most);
}

/// A lease shows the item as it is, and ends as long after the answer's time as was asked for.
pub async fn lease_comes_with_the_item_and_the_time(store: impl Store, _time: impl MoveTime) {
    let start = now(&store).await;
    let item = put(&store, &domain("one"), due(start)).await;
    let leased = store.lease(&LeaseRequest::of(item.key.clone(), LEASE)).await.unwrap();
    assert!(leased.now >= start, "{} is before {start}", leased.now);
    let (lease, seen) = &leased.leases[0];
    assert_eq!((&lease.key, seen), (&item.key, &item));
    let length = between(leased.now, lease.until);
    assert!(length.abs_diff(LEASE) < Duration::from_millis(1), "{length:?} is not {LEASE:?}");
}

/// `now`, leases and log entries have one time, and it can be moved.
pub async fn time_is_the_same_for_everything(store: impl Store, time: impl MoveTime) {
    let start = now(&store).await;
    time.advance(LEASE).await;
    let later = now(&store).await;
    let passed = between(start, later);
    assert!(passed >= LEASE && passed < LEASE + Duration::from_secs(300), "{passed:?} passed");
    put(&store, &domain("one"), due(start)).await;
    let leased = store.lease(&LeaseRequest::of(domain("one"), LEASE)).await.unwrap();
    assert!(between(later, leased.now) < Duration::from_secs(300));
    assert!(leased.now >= later);
}

/// Every lease of a root has a larger token than the one before.
pub async fn tokens_of_a_root_rise(store: impl Store, time: impl MoveTime) {
    let (mut last, _) = leased(&store, "one").await;
    for _ in 0..3 {
        time.advance(LEASE + SECOND).await;
        let next = lease(&store, &last.key).await;
        assert!(next.token > last.token, "{} after {}", next.token, last.token);
        // Also after a release.
        assert_eq!(release(&store, next.clone()).await, Commit::Done);
        let released = lease(&store, &last.key).await;
        assert!(released.token > next.token, "{} after {}", released.token, next.token);
        last = released;
    }
}

/// Who held a root that was deleted does not hold the next one of that key.
pub async fn tokens_rise_over_a_deletion(store: impl Store, _time: impl MoveTime) {
    let (first, item) = leased(&store, "one").await;
    done(&store, batch([delete(&item)])).await;
    let (second, again) = leased(&store, "one").await;
    assert!(second.token > first.token, "{} after {}", second.token, first.token);
    let late = batch([change(&again, Header::default(), "late")]).with_lease(first, Then::Release);
    assert_eq!(commit(&store, late).await, Commit::Fenced);
    let right = batch([change(&again, Header::default(), "x")]).with_lease(second, Then::Release);
    done(&store, right).await;
}

/// Time alone ends a lease, whether or not somebody else has taken the root since.
pub async fn commit_under_an_expired_lease_is_fenced(store: impl Store, time: impl MoveTime) {
    let (lease, item) = leased(&store, "one").await;
    time.advance(LEASE + SECOND).await;
    for then in [Then::Keep, Then::Release] {
        let late =
            batch([change(&item, Header::default(), "late")]).with_lease(lease.clone(), then);
        assert_eq!(commit(&store, late).await, Commit::Fenced);
    }
    assert_eq!(read(&store, &lease.key).await, item);
}

/// At the instant at which a lease ends it has ended, and its root is due.
pub async fn lease_has_ended_at_its_end(store: impl Store, time: impl MoveTime) {
    for (id, then) in [("keeps", Then::Keep), ("releases", Then::Release)] {
        let (lease, item) = leased(&store, id).await;
        time.advance(LEASE).await;
        let late =
            batch([change(&item, Header::default(), "late")]).with_lease(lease.clone(), then);
        assert_eq!(commit(&store, late).await, Commit::Fenced);
        assert_eq!(store.extend(std::slice::from_ref(&lease), LEASE).await.unwrap(), [None]);
        assert!(try_lease(&store, &lease.key).await.is_some(), "neither held nor due");
    }
    let (lease, _) = leased(&store, "all").await;
    time.advance(LEASE).await;
    let all = LeaseRequest::new([Kind::Domain], 10, LEASE);
    let leased = store.lease(&all).await.unwrap().leases;
    assert!(leased.iter().any(|(again, _)| again.key == lease.key), "neither held nor due");
}

/// Who was superseded cannot write, not even with what is there now in hand.
pub async fn commit_under_a_superseded_lease_is_fenced(store: impl Store, time: impl MoveTime) {
    let (first, item) = leased(&store, "one").await;
    time.advance(LEASE + SECOND).await;
    let second = lease(&store, &first.key).await;
    let late =
        batch([change(&item, Header::default(), "late")]).with_lease(first.clone(), Then::Release);
    assert_eq!(commit(&store, late).await, Commit::Fenced);

    let next = batch([change(&item, due(now(&store).await), "second")]);
    done(&store, next.with_lease(second.clone(), Then::Keep)).await;
    let fresh = read(&store, &first.key).await;
    let late = batch([change(&fresh, Header::default(), "late")]).with_lease(first, Then::Release);
    assert_eq!(commit(&store, late).await, Commit::Fenced);
    assert_eq!(read(&store, &second.key).await, fresh);
    // And the fenced one has not ended the lease of the other.
    assert_eq!(try_lease(&store, &second.key).await, None);
    assert_eq!(release(&store, second).await, Commit::Done);
}

/// A released lease is over.
pub async fn commit_under_a_released_lease_is_fenced(store: impl Store, _time: impl MoveTime) {
    let (lease, item) = leased(&store, "one").await;
    assert_eq!(release(&store, lease.clone()).await, Commit::Done);
    let late = batch([change(&item, Header::default(), "late")]).with_lease(lease, Then::Keep);
    assert_eq!(commit(&store, late).await, Commit::Fenced);
}

/// Who is fenced learns that, and not what else is wrong.
pub async fn fence_is_judged_before_anything_else(store: impl Store, time: impl MoveTime) {
    put(&store, &domain("holder"), carrying(&["name"])).await;
    let (lease, item) = leased(&store, "one").await;
    done(&store, batch([change(&item, Header::default(), "changed")])).await;
    time.advance(LEASE + SECOND).await;
    let late = batch([
        change(&item, carrying(&["name"]), "stale, and taken"),
        create(&domain("holder"), Header::default()),
    ]);
    assert_eq!(commit(&store, late.with_lease(lease, Then::Release)).await, Commit::Fenced);
}

/// A holder can commit several times under one lease.
pub async fn kept_lease_stays(store: impl Store, _time: impl MoveTime) {
    let (lease, mut item) = leased(&store, "one").await;
    for _ in 0..3 {
        let next = batch([change(&item, due(now(&store).await), "next")]);
        done(&store, next.with_lease(lease.clone(), Then::Keep)).await;
        assert_eq!(try_lease(&store, &lease.key).await, None);
        item = read(&store, &lease.key).await;
    }
}

/// The due time that was put counts once the lease is released.
pub async fn released_root_is_due_at_its_header(store: impl Store, time: impl MoveTime) {
    let (first, item) = leased(&store, "one").await;
    let later = after(now(&store).await, LEASE);
    let next = batch([change(&item, due(later), "later")]);
    done(&store, next.with_lease(first.clone(), Then::Release)).await;
    assert_eq!(try_lease(&store, &first.key).await, None);
    time.advance(LEASE + SECOND).await;
    let second = lease(&store, &first.key).await;

    // One that is due at once is so after the release, not before.
    let item = read(&store, &first.key).await;
    let next = batch([change(&item, due(now(&store).await), "now")]);
    done(&store, next.with_lease(second.clone(), Then::Keep)).await;
    assert_eq!(try_lease(&store, &first.key).await, None);
    assert_eq!(release(&store, second).await, Commit::Done);
    lease(&store, &first.key).await;
}

/// A root that is released without a due time waits for a wake.
pub async fn released_root_without_a_due_time_rests(store: impl Store, time: impl MoveTime) {
    let (lease, item) = leased(&store, "one").await;
    let next = batch([change(&item, Header::default(), "rest")]);
    done(&store, next.with_lease(lease.clone(), Then::Release)).await;
    time.advance(LEASE * 10).await;
    assert_eq!(try_lease(&store, &lease.key).await, None);
}

/// A lease can be given back without a change, and the due time that was there counts again.
pub async fn release_needs_no_write(store: impl Store, _time: impl MoveTime) {
    let (first, item) = leased(&store, "one").await;
    assert_eq!(release(&store, first.clone()).await, Commit::Done);
    assert_eq!(read(&store, &first.key).await, item);
    lease(&store, &first.key).await;
}

/// A command that changes a leased root leaves the lease to its holder.
pub async fn commit_without_a_lease_does_not_end_one(store: impl Store, _time: impl MoveTime) {
    let (lease, item) = leased(&store, "one").await;
    done(&store, batch([change(&item, due(now(&store).await), "command")])).await;
    assert_eq!(try_lease(&store, &lease.key).await, None);
    assert_eq!(release(&store, lease).await, Commit::Done);
}

/// Who lost a race under a lease that is good learns that it was a race.
pub async fn commit_of_another_makes_the_holder_stale_and_not_fenced(
    store: impl Store,
    _time: impl MoveTime,
) {
    let (lease, item) = leased(&store, "one").await;
    done(&store, batch([change(&item, Header::default(), "command")])).await;
    let next = batch([change(&item, Header::default(), "worker")]);
    let next = next.with_lease(lease.clone(), Then::Keep);
    assert_eq!(commit(&store, next).await, Commit::Stale(vec![lease.key.clone()]));
    let item = read(&store, &lease.key).await;
    let again = batch([change(&item, Header::default(), "worker")]);
    done(&store, again.with_lease(lease, Then::Release)).await;
}

/// A batch that only writes satellites is fenced like any other.
pub async fn lease_guards_what_else_is_in_the_batch(store: impl Store, time: impl MoveTime) {
    let (lease, _) = leased(&store, "one").await;
    let order = |id| Key::new(Kind::Order, id);
    let first = batch([create(&order("one"), Header::default())]);
    done(&store, first.with_lease(lease.clone(), Then::Keep)).await;
    read(&store, &order("one")).await;
    time.advance(LEASE + SECOND).await;
    let late = batch([create(&order("two"), Header::default())]);
    assert_eq!(commit(&store, late.with_lease(lease, Then::Keep)).await, Commit::Fenced);
    assert_absent(&store, &order("two")).await;
}

/// An extended lease ends at the new time; its token stays.
pub async fn extended_lease_lasts_longer(store: impl Store, time: impl MoveTime) {
    let (first, item) = leased(&store, "one").await;
    time.advance(LEASE / 2).await;
    let before = now(&store).await;
    let extended = store.extend(std::slice::from_ref(&first), LEASE * 2).await.unwrap();
    let [Some(extended)] = extended.as_slice() else { panic!("not extended: {extended:?}") };
    assert_eq!((&extended.key, extended.token), (&first.key, first.token));
    assert!(between(before, extended.until) >= LEASE * 2 - Duration::from_millis(1));

    time.advance(LEASE).await;
    assert_eq!(try_lease(&store, &first.key).await, None);
    // The lease is known by its token, also to who did not see the answer.
    let next = batch([change(&item, item.header.clone(), "next")]);
    done(&store, next.with_lease(first.clone(), Then::Keep)).await;
    time.advance(LEASE + SECOND).await;
    lease(&store, &first.key).await;
}

/// What has ended stays ended, and each lease has its own answer.
pub async fn ended_lease_is_not_extended(store: impl Store, time: impl MoveTime) {
    let (expired, _) = leased(&store, "expired").await;
    let (superseded, _) = leased(&store, "superseded").await;
    time.advance(LEASE + SECOND).await;
    lease(&store, &superseded.key).await;
    let (released, item) = leased(&store, "released").await;
    let rest = batch([change(&item, Header::default(), "rest")]);
    done(&store, rest.with_lease(released.clone(), Then::Release)).await;
    let (good, _) = leased(&store, "good").await;
    let mut unknown = good.clone();
    unknown.key = domain("unknown");

    let asked = [expired.clone(), good, superseded, released.clone(), unknown];
    let answers = store.extend(&asked, LEASE).await.unwrap();
    let extended: Vec<bool> = answers.iter().map(Option::is_some).collect();
    assert_eq!(extended, [false, true, false, false, false]);
    lease(&store, &expired.key).await;
    assert_eq!(try_lease(&store, &released.key).await, None);
}

/// Nobody works on what is not there any more.
pub async fn deleted_root_ends_its_lease(store: impl Store, _time: impl MoveTime) {
    let (first, item) = leased(&store, "one").await;
    done(&store, batch([delete(&item)])).await;
    assert_eq!(try_lease(&store, &first.key).await, None);
    let late = Batch::new(operation()).with_lease(first.clone(), Then::Keep);
    assert_eq!(commit(&store, late).await, Commit::Fenced);
    assert_eq!(store.extend(&[first], LEASE).await.unwrap(), [None]);

    // The holder itself can delete it, in the batch that gives the lease back.
    let (second, item) = leased(&store, "two").await;
    done(&store, batch([delete(&item)]).with_lease(second, Then::Release)).await;
    assert_eq!(look(&store, &domain("two")).await, None);
    assert_eq!(try_lease(&store, &domain("two")).await, None);

    // To delete what somebody else has deleted is a race, not more.
    let nothing = Write::Delete { key: domain("two"), expect: Expect::Revision(revision(1)) };
    assert_eq!(commit(&store, batch([nothing])).await, Commit::Stale(vec![domain("two")]));
}

/// What a later release has written is not looked into, whatever is done around it: it may be leased
/// by who does not know its version, who then leaves it alone.
pub async fn work_on_an_item_leaves_its_body_alone(store: impl Store, time: impl MoveTime) {
    let key = domain("one");
    let text = "{\"v\":999,\"b\" : [1.50, \"\\u00e9\"],\"b\":2}";
    let write = Write::Put {
        key: key.clone(),
        expect: Expect::Absent,
        header: due(now(&store).await),
        body: Body::new(text.to_owned()),
    };
    done(&store, batch([write])).await;
    let item = read(&store, &key).await;
    for _ in 0..2 {
        let lease = lease(&store, &key).await;
        done(&store, batch([wake(&key)])).await;
        store.extend(std::slice::from_ref(&lease), LEASE * 2).await.unwrap();
        assert_eq!(release(&store, lease).await, Commit::Done);
        store.trim(&key, 7).await.unwrap();
        time.advance(LEASE).await;
        assert_eq!(read(&store, &key).await, item);
    }
    assert_eq!(item.body.as_str(), text);
}
