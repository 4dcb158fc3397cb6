use super::*;
use crate::{
    clock::ManualClock,
    id::OsRandom,
    store::{Kind, NewEntry},
};

fn store() -> (InMemoryStore, ManualClock) {
    let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
    (InMemoryStore::new(Arc::new(clock.clone())), clock)
}

fn put(id: &str, header: Header) -> Batch {
    let operation = OperationId::random(&OsRandom).unwrap();
    let key = Key::new(Kind::Domain, id);
    let body = Body::new("{}".to_owned());
    Batch::new(operation).with(Write::Put { key, expect: Expect::Absent, header, body })
}

#[tokio::test]
async fn error_that_took_effect_is_seen_by_the_operation() {
    let (store, _) = store();
    let batch = put("one", Header::default());
    let (operation, key) = (batch.operation, Key::new(Kind::Domain, "one"));
    store.fail_next_after(ErrorKind::Unknown);
    assert_eq!(store.commit(batch.clone()).await.unwrap_err().kind(), ErrorKind::Unknown);
    let item = store.get(std::slice::from_ref(&key)).await.unwrap().remove(0).unwrap();
    assert_eq!(item.revision, Revision::new(1, operation));
    // To do it again is refused, and says so.
    assert_eq!(store.commit(batch).await.unwrap(), Commit::Stale(vec![key]));
}

#[tokio::test]
async fn error_before_the_effect_changes_nothing() {
    let (store, _) = store();
    for kind in [ErrorKind::Unavailable, ErrorKind::Unknown] {
        store.fail_next(kind);
        let error = store.commit(put("one", Header::default())).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        let items = store.get(&[Key::new(Kind::Domain, "one")]).await.unwrap();
        assert_eq!(items, [None]);
    }
    store.fail_next(ErrorKind::Unavailable);
    assert!(store.lease(&LeaseRequest::new([Kind::Domain], 1, Duration::MAX)).await.is_err());
}

#[tokio::test]
async fn ends_of_time_are_no_special_case() {
    let (store, clock) = store();
    clock.set(Timestamp::MAX_UTC);
    let due = |at| Header { due: Some(at), ..Header::default() };
    store.commit(put("one", due(Timestamp::MAX_UTC))).await.unwrap();
    store.commit(put("two", due(Timestamp::MIN_UTC))).await.unwrap();
    let all = LeaseRequest::new([Kind::Domain], 10, Duration::MAX);
    let leased = store.lease(&all).await.unwrap().leases;
    assert_eq!(leased.len(), 2);
    assert_eq!(leased[0].0.key.id, "two");
    let leases: Vec<Lease> = leased.into_iter().map(|(lease, _)| lease).collect();
    // A lease that ends now has ended.
    assert_eq!(store.extend(&leases, Duration::MAX).await.unwrap(), [None, None]);
}

#[tokio::test]
async fn next_due_time_follows_leases_and_releases() {
    let (store, clock) = store();
    assert_eq!(store.next_due(), None);
    let at = |seconds| Timestamp::UNIX_EPOCH + chrono::TimeDelta::seconds(seconds);
    store.commit(put("one", Header { due: Some(at(10)), ..Header::default() })).await.unwrap();
    assert_eq!(store.next_due(), Some(at(10)));
    clock.set(at(20));
    let wanted = LeaseRequest::new([Kind::Domain], 1, Duration::from_secs(60));
    let (lease, _) = store.lease(&wanted).await.unwrap().leases.remove(0);
    assert_eq!(store.next_due(), Some(at(80)));
    let operation = OperationId::random(&OsRandom).unwrap();
    let release = Batch::new(operation).with_lease(lease, Then::Release);
    store.clone().commit(release).await.unwrap();
    assert_eq!(store.next_due(), Some(at(10)));
}

#[tokio::test]
async fn many_entries_are_numbered_to_the_last_and_one_more_is_refused() {
    let (store, _) = store();
    let key = Key::new(Kind::Domain, "one");
    let mut batch = put("one", Header::default());
    batch.log = vec![NewEntry::new(key.clone(), String::new()); Entry::PER_BATCH + 1];
    assert_eq!(store.commit(batch.clone()).await.unwrap_err().kind(), ErrorKind::Invalid);
    batch.log.pop();
    assert_eq!(store.commit(batch).await.unwrap(), Commit::Done);
    let entries = store.entries(&key, 0, u32::MAX).await.unwrap();
    assert_eq!(entries.len(), Entry::PER_BATCH);
    assert!(entries.is_sorted_by(|a, b| a.number < b.number));
    assert_eq!(entries.last().unwrap().number, Entry::number(1, u16::MAX));
}
