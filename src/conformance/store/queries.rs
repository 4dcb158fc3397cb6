//! Reading many items.

use std::time::Duration;

use super::{
    MoveTime, batch, carrying, change, delete, domain, done, fill, now, put, read, unique,
};
use crate::{
    clock::{Timestamp, after},
    id::{OsRandom, TenantId},
    store::{Filter, Header, Item, Key, Kind, Page, Query, Store},
};

async fn list(store: &impl Store, filter: Filter) -> Vec<String> {
    let page = store.list(&Query::new(Kind::Domain, filter)).await.unwrap();
    assert_eq!(page.next, None, "there is one page: {:?}", ids(&page));
    ids(&page)
}

fn ids(page: &Page) -> Vec<String> {
    page.items.iter().map(|item| item.key.id.clone()).collect()
}

fn ids_of(items: &[Option<Item>]) -> Vec<Option<&str>> {
    items.iter().map(|item| item.as_ref().map(|item| item.key.id.as_str())).collect()
}

fn about(name: &str) -> Header {
    Header { name: Some(name.to_owned()), ..Header::default() }
}

fn expiring(at: Timestamp) -> Header {
    Header { expires: Some(at), ..Header::default() }
}

/// One answer for each key, also for one that is asked for twice or is not there.
pub async fn items_are_read_in_the_order_of_the_keys(store: impl Store, _time: impl MoveTime) {
    for id in ["a", "b", "c"] {
        put(&store, &domain(id), Header::default()).await;
    }
    let asked = ["c", "missing", "a", "c"].map(domain);
    let items = store.get(&asked).await.unwrap();
    assert_eq!(ids_of(&items), [Some("c"), None, Some("a"), Some("c")]);
    assert_eq!(store.get(&[]).await.unwrap(), []);
}

/// One answer for each unique key, in their order.
pub async fn items_are_found_in_the_order_of_the_unique_keys(
    store: impl Store,
    _time: impl MoveTime,
) {
    let one = put(&store, &domain("one"), carrying(&["a", "b"])).await;
    put(&store, &domain("two"), carrying(&["c"])).await;
    let items = store.find(&["c", "missing", "b", "a"].map(unique)).await.unwrap();
    assert_eq!(ids_of(&items), [Some("two"), None, Some("one"), Some("one")]);
    let mut found = items[2].clone().unwrap();
    found.header.unique.sort();
    assert_eq!(found, one);
    assert_eq!(store.find(&[]).await.unwrap(), []);
}

/// A tenant sees its own items and nobody else's; those of the platform are nobody's.
pub async fn items_are_listed_by_tenant(store: impl Store, _time: impl MoveTime) {
    let tenants: Vec<TenantId> = (0..2).map(|_| TenantId::random(&OsRandom).unwrap()).collect();
    let of = |tenant: Option<&TenantId>| Header { tenant: tenant.copied(), ..Header::default() };
    for (id, tenant) in [("a", Some(0)), ("b", Some(1)), ("c", None), ("d", Some(0))] {
        put(&store, &domain(id), of(tenant.and_then(|index| tenants.get(index)))).await;
    }
    assert_eq!(list(&store, Filter::Tenant(tenants[0])).await, ["a", "d"]);
    assert_eq!(list(&store, Filter::Tenant(tenants[1])).await, ["b"]);
    let stranger = TenantId::random(&OsRandom).unwrap();
    assert_eq!(list(&store, Filter::Tenant(stranger)).await, [""; 0]);
}

/// Names are compared by bytes: a part of one, or a pattern, finds nothing.
pub async fn items_are_listed_by_name(store: impl Store, _time: impl MoveTime) {
    for (id, name) in [("a", "example.com"), ("b", "www.example.com"), ("c", "example.com")] {
        put(&store, &domain(id), about(name)).await;
    }
    put(&store, &domain("d"), Header::default()).await;
    assert_eq!(list(&store, Filter::Name("example.com".to_owned())).await, ["a", "c"]);
    for name in ["example.co", "%example.com", "*.example.com", "EXAMPLE.COM", ""] {
        assert_eq!(list(&store, Filter::Name(name.to_owned())).await, [""; 0], "{name}");
    }
}

/// Items are found by the state that their header names.
pub async fn items_are_listed_by_status(store: impl Store, _time: impl MoveTime) {
    for (id, status) in [("a", Some("active")), ("b", Some("failed")), ("c", None)] {
        let status = status.map(ToOwned::to_owned);
        put(&store, &domain(id), Header { status, ..Header::default() }).await;
    }
    assert_eq!(list(&store, Filter::Status("active".to_owned())).await, ["a"]);
    assert_eq!(list(&store, Filter::Status("act".to_owned())).await, [""; 0]);
}

/// What expires at the instant is found, and what never expires is not.
pub async fn items_are_listed_by_expiry(store: impl Store, _time: impl MoveTime) {
    let start = now(&store).await;
    let at = |seconds| after(start, Duration::from_secs(seconds));
    for (id, seconds) in [("a", 30), ("b", 10), ("c", 20)] {
        put(&store, &domain(id), expiring(at(seconds))).await;
    }
    put(&store, &domain("d"), Header::default()).await;
    assert_eq!(list(&store, Filter::ExpiresBy(at(9))).await, [""; 0]);
    assert_eq!(list(&store, Filter::ExpiresBy(at(20))).await, ["b", "c"]);
    assert_eq!(list(&store, Filter::ExpiresBy(at(1000))).await, ["a", "b", "c"]);
}

/// Items of another kind are not in the list, whatever their headers say.
pub async fn lists_keep_to_their_kind(store: impl Store, _time: impl MoveTime) {
    for kind in [Kind::Answer, Kind::Certificate, Kind::Domain, Kind::Key, Kind::Registration] {
        put(&store, &Key::new(kind, kind.as_str()), about("example.com")).await;
    }
    assert_eq!(list(&store, Filter::Name("example.com".to_owned())).await, ["domain"]);
}

/// Pages follow each other without a gap and without an item twice, by the bytes of the ids.
pub async fn lists_are_read_in_pages_by_rising_id(store: impl Store, _time: impl MoveTime) {
    // Not the order of any language, and ids of the usual form between others.
    let rising = [
        "#",
        "0",
        "00000000000000000000000000000000",
        "0000000000000000000000000000000g",
        "10",
        "2",
        "7f3aa0b1c2d3e4f5061728394a5b6c7d",
        "7f3aa0b1c2d3e4f5061728394a5b6c7e",
        "7f3aa0b1c2d3e4f5061728394a5b6c7e0",
        "A",
        "B",
        "_",
        "a",
        "a b",
        "aa",
        "b",
        "ffffffffffffffffffffffffffffffff",
        "g",
    ];
    let tenant = TenantId::random(&OsRandom).unwrap();
    let expires = now(&store).await;
    // One expires before the other, the later the id.
    for (index, id) in (0_u64..).zip(rising.iter().rev()) {
        let header = Header {
            tenant: Some(tenant),
            status: Some("active".to_owned()),
            expires: Some(after(expires, Duration::from_secs(index))),
            ..about("example.com")
        };
        put(&store, &domain(id), header).await;
    }
    for filter in [
        Filter::All,
        Filter::Tenant(tenant),
        Filter::Name("example.com".to_owned()),
        Filter::Status("active".to_owned()),
        Filter::ExpiresBy(after(expires, Duration::from_secs(60))),
    ] {
        for limit in [1, 3, 17, 18, 19] {
            let mut seen = Vec::new();
            let mut query = Query::new(Kind::Domain, filter.clone()).with_limit(limit);
            loop {
                let page = store.list(&query).await.unwrap();
                assert!(page.items.len() <= usize::try_from(limit).unwrap());
                seen.extend(ids(&page));
                assert!(seen.len() <= rising.len(), "{filter:?}: {seen:?}");
                match page.next {
                    Some(next) => query = query.with_after(next),
                    None => break,
                }
            }
            assert_eq!(seen, rising, "{filter:?} in pages of {limit}");
        }
        // An id that is not there is a place to go on from too.
        for (after, next) in [("C", "_"), ("7f3", "7f3aa0b1c2d3e4f5061728394a5b6c7d"), ("fg", "g")]
        {
            let query = Query::new(Kind::Domain, filter.clone()).with_after(after).with_limit(1);
            assert_eq!(ids(&store.list(&query).await.unwrap()), [next], "{filter:?}");
        }
    }
}

/// A page holds 1 to [`Query::MAX_LIMIT`] items, whatever is asked for.
pub async fn size_of_a_page_is_clamped(store: impl Store, _time: impl MoveTime) {
    fill(&store, Query::MAX_LIMIT + 1, about("example.com")).await;
    let most = usize::try_from(Query::MAX_LIMIT).unwrap();
    for (limit, size) in [(0, 1), (u32::MAX, most)] {
        let query = Query::new(Kind::Domain, Filter::Name("example.com".to_owned()));
        let page = store.list(&query.with_limit(limit)).await.unwrap();
        assert_eq!(page.items.len(), size, "of {limit}");
        assert!(page.next.is_some(), "of {limit}");
    }
}

/// A list shows the items as they are, and those that have changed elsewhere are not in it.
pub async fn list_shows_what_is_there_now(store: impl Store, _time: impl MoveTime) {
    let key = domain("one");
    let item = put(&store, &key, about("old.example")).await;
    done(&store, batch([change(&item, about("new.example"), "moved")])).await;
    let item = read(&store, &key).await;
    assert_eq!(list(&store, Filter::Name("old.example".to_owned())).await, [""; 0]);
    let query = Query::new(Kind::Domain, Filter::Name("new.example".to_owned()));
    assert_eq!(store.list(&query).await.unwrap(), Page::new(vec![item.clone()], None));
    done(&store, batch([delete(&item)])).await;
    assert_eq!(store.list(&query).await.unwrap(), Page::default());
}

/// What is there from the first page to the last is seen once, whatever comes and goes meanwhile.
pub async fn pages_go_on_though_items_come_and_go(store: impl Store, _time: impl MoveTime) {
    let name = "example.com";
    for id in ["b", "d", "f", "h"] {
        put(&store, &domain(id), about(name)).await;
    }
    let query = || Query::new(Kind::Domain, Filter::Name(name.to_owned())).with_limit(2);
    let first = store.list(&query()).await.unwrap();
    assert_eq!(ids(&first), ["b", "d"]);
    // The one where the page ended goes, and others come on both sides of it.
    let last = read(&store, &domain("d")).await;
    done(&store, batch([delete(&last)])).await;
    for id in ["a", "c", "e"] {
        put(&store, &domain(id), about(name)).await;
    }
    let second = store.list(&query().with_after(first.next.unwrap())).await.unwrap();
    assert_eq!(ids(&second), ["e", "f"]);
    let third = store.list(&query().with_after(second.next.unwrap())).await.unwrap();
    assert_eq!((ids(&third), third.next), (vec!["h".to_owned()], None));
}
