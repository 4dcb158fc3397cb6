//! What a batch changes.

use super::{
    MoveTime, assert_absent, batch, body, carrying, change, commit, create, delete, domain, done,
    holder, look, now, operation, put, read, revision, try_lease, unique,
};
use crate::{
    clock::Timestamp,
    error::ErrorKind,
    id::{OsRandom, TenantId},
    store::{Batch, Body, Commit, Expect, Header, Key, Kind, NewEntry, Store, UniqueKey, Write},
};

/// One write that is stale keeps the others from happening.
pub async fn batch_is_accepted_as_a_whole(store: impl Store, _time: impl MoveTime) {
    let (new, there, missing) = (domain("new"), domain("there"), domain("missing"));
    let item = put(&store, &there, Header::default()).await;
    let stale = Write::Delete { key: missing.clone(), expect: Expect::Revision(revision(1)) };
    let refused =
        batch([create(&new, carrying(&["a"])), change(&item, carrying(&["b"]), "b"), stale])
            .with_entry(NewEntry::new(new.clone(), "{}".to_owned()));

    assert_eq!(commit(&store, refused).await, Commit::Stale(vec![missing]));
    assert_absent(&store, &new).await;
    assert_eq!(read(&store, &there).await, item);
    assert_eq!((holder(&store, "a").await, holder(&store, "b").await), (None, None));
}

/// A unique key that is taken keeps the whole batch from happening.
pub async fn taken_unique_key_changes_nothing(store: impl Store, _time: impl MoveTime) {
    put(&store, &domain("holder"), carrying(&["name"])).await;
    let refused = batch([
        create(&domain("one"), Header::default()),
        create(&domain("two"), carrying(&["other", "name"])),
    ]);
    assert_eq!(commit(&store, refused).await, Commit::Taken(vec![unique("name")]));
    assert_absent(&store, &domain("one")).await;
    assert_absent(&store, &domain("two")).await;
    assert_eq!(holder(&store, "name").await, Some(domain("holder")));
    assert_eq!(holder(&store, "other").await, None);
}

/// An item is created only where there is none.
pub async fn creating_what_is_there_is_stale(store: impl Store, _time: impl MoveTime) {
    let key = domain("one");
    let item = put(&store, &key, Header::default()).await;
    let again = batch([create(&key, carrying(&["a"]))]);
    assert_eq!(commit(&store, again).await, Commit::Stale(vec![key.clone()]));
    assert_eq!(read(&store, &key).await, item);
}

/// An item is changed only where there is one.
pub async fn changing_what_is_not_there_is_stale(store: impl Store, _time: impl MoveTime) {
    let key = domain("one");
    let write = Write::Put {
        key: key.clone(),
        expect: Expect::Revision(revision(1)),
        header: Header::default(),
        body: body("x"),
    };
    assert_eq!(commit(&store, batch([write])).await, Commit::Stale(vec![key.clone()]));
    assert_absent(&store, &key).await;
}

/// The counter alone and the operation alone are not enough: both have to be as expected.
pub async fn changing_under_an_old_revision_is_stale(store: impl Store, _time: impl MoveTime) {
    let key = domain("one");
    let first = put(&store, &key, Header::default()).await;
    done(&store, batch([change(&first, Header::default(), "second")])).await;
    let second = read(&store, &key).await;

    let mut other_operation = second.clone();
    other_operation.revision.operation = operation();
    let mut other_counter = second.clone();
    other_counter.revision.counter += 1;
    for stale in [&first, &other_operation, &other_counter] {
        let write = change(stale, Header::default(), "lost");
        assert_eq!(commit(&store, batch([write])).await, Commit::Stale(vec![key.clone()]));
    }
    assert_eq!(read(&store, &key).await, second);
}

/// Deleting has the same condition as changing, and what is deleted is gone.
pub async fn deleting_needs_the_expected_state(store: impl Store, _time: impl MoveTime) {
    let key = domain("one");
    let first = put(&store, &key, Header::default()).await;
    done(&store, batch([change(&first, Header::default(), "second")])).await;
    assert_eq!(commit(&store, batch([delete(&first)])).await, Commit::Stale(vec![key.clone()]));

    let second = read(&store, &key).await;
    done(&store, batch([delete(&second)])).await;
    assert_absent(&store, &key).await;
    assert_eq!(commit(&store, batch([delete(&second)])).await, Commit::Stale(vec![key.clone()]));
    // To expect that there is nothing to delete is fine.
    let nothing = Write::Delete { key: key.clone(), expect: Expect::Absent };
    done(&store, batch([nothing])).await;
}

/// All items that are not as expected are named, and no others.
pub async fn every_stale_key_is_named(store: impl Store, _time: impl MoveTime) {
    put(&store, &domain("b"), Header::default()).await;
    put(&store, &domain("c"), Header::default()).await;
    let writes = ["a", "b", "c"].map(|id| create(&domain(id), Header::default()));
    let Commit::Stale(mut stale) = commit(&store, batch(writes)).await else {
        panic!("two of three keys are there already");
    };
    stale.sort();
    assert_eq!(stale, [domain("b"), domain("c")]);
}

/// A new item has revision 1, each put adds one, and the revision says which batch it was.
pub async fn revisions_rise_by_one_and_name_their_batch(store: impl Store, _time: impl MoveTime) {
    let key = domain("one");
    let first = batch([create(&key, Header::default())]);
    let operation = first.operation;
    done(&store, first).await;
    let mut item = read(&store, &key).await;
    assert_eq!((item.revision.counter, item.revision.operation), (1, operation));

    for counter in 2..5 {
        let next = batch([change(&item, Header::default(), "next")]);
        let operation = next.operation;
        done(&store, next).await;
        item = read(&store, &key).await;
        assert_eq!((item.revision.counter, item.revision.operation), (counter, operation));
    }
}

/// An item that was deleted and created again is another one, though the counter is the same.
pub async fn recreated_item_does_not_match_its_former_revision(
    store: impl Store,
    _time: impl MoveTime,
) {
    let key = domain("one");
    let former = put(&store, &key, Header::default()).await;
    done(&store, batch([delete(&former)])).await;
    let item = put(&store, &key, Header::default()).await;
    assert_eq!(item.revision.counter, 1);
    let late = batch([change(&former, Header::default(), "late")]);
    assert_eq!(commit(&store, late).await, Commit::Stale(vec![key.clone()]));
    assert_eq!(read(&store, &key).await, item);
}

/// The kind is part of the key, and ids are compared by bytes.
pub async fn keys_of_two_kinds_and_of_other_case_do_not_meet(
    store: impl Store,
    _time: impl MoveTime,
) {
    let keys = [
        Key::new(Kind::Domain, "one"),
        Key::new(Kind::Domain, "ONE"),
        Key::new(Kind::Domain, "one "),
        Key::new(Kind::Order, "one"),
        Key::new(Kind::Domain, "o%e"),
        Key::new(Kind::Domain, "!~'\"\\;--"),
        Key::new(Kind::Domain, "x".repeat(Key::MAX_ID)),
        Key::new(Kind::Domain, "0123456789abcdef0123456789abcdef"),
        Key::new(Kind::Domain, "0123456789ABCDEF0123456789ABCDEF"),
        Key::new(Kind::Order, "0123456789abcdef0123456789abcdef"),
    ];
    for key in &keys {
        put(&store, key, Header::default()).await;
    }
    let first = read(&store, &keys[0]).await;
    done(&store, batch([change(&first, Header::default(), "changed")])).await;
    for key in &keys[1..] {
        assert_eq!(read(&store, key).await.revision.counter, 1, "{key}");
    }
}

/// Every field of a header comes back as it was put, instants to the microsecond.
pub async fn item_is_kept_as_it_was_put(store: impl Store, _time: impl MoveTime) {
    let now = now(&store).await;
    let key = domain("one");
    let header = Header {
        tenant: Some(TenantId::random(&OsRandom).unwrap()),
        name: Some("xn--bcher-kva.example".to_owned()),
        status: Some("certificate_pending".to_owned()),
        expires: Some(now + chrono::TimeDelta::microseconds(1_234_567)),
        due: Some(now - chrono::TimeDelta::microseconds(1)),
        unique: vec![unique("b"), unique("a")],
    };
    let mut item = put(&store, &key, header.clone()).await;
    item.header.unique.sort();
    let mut sorted = header;
    sorted.unique.sort();
    assert_eq!(item.header, sorted);

    // And every field can be taken away again.
    done(&store, batch([change(&item, Header::default(), "x")])).await;
    assert_eq!(read(&store, &key).await.header, Header::default());
}

/// Instants are kept whatever they are: before 1970, and thousands of years from now.
pub async fn instants_far_from_now_are_kept(store: impl Store, _time: impl MoveTime) {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    for (id, expires, due) in [
        ("past", "1970-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z"),
        ("future", "9999-12-31T23:59:59.999999Z", "2262-04-12T00:00:00Z"),
    ] {
        let key = domain(id);
        let header = Header { expires: Some(at(expires)), due: Some(at(due)), ..Header::default() };
        assert_eq!(put(&store, &key, header.clone()).await.header, header);
        assert_eq!(try_lease(&store, &key).await.is_some(), id == "past", "{id}");
    }
}

/// A body is text that the store does not read: neither its spaces nor its version matter.
pub async fn body_is_kept_to_the_byte(store: impl Store, _time: impl MoveTime) {
    for (index, text) in [
        "",
        "{ \"v\" : 999,\t\"b\":1,\n \"a\" :1.0,\"a\": 1e2 }\r\n",
        "{\"v\":1,\"s\":\"\\u0000 \\\\ ' \\\" % _ $1 ?\"}",
        "{\"v\":1,\"s\":\"b\u{fc}cher \u{1f96b} e\u{301} \u{e9} \u{202e}\"}",
        "not JSON at all",
    ]
    .into_iter()
    .enumerate()
    {
        let key = domain(&index.to_string());
        let write = Write::Put {
            key: key.clone(),
            expect: Expect::Absent,
            header: Header::default(),
            body: Body::new(text.to_owned()),
        };
        done(&store, batch([write])).await;
        assert_eq!(read(&store, &key).await.body.as_str(), text);
    }
}

/// A body of [`Body::MAX`] bytes is taken.
pub async fn largest_body_is_kept(store: impl Store, _time: impl MoveTime) {
    let key = domain("one");
    let text = "\u{e9}".repeat(Body::MAX / 2);
    let write = Write::Put {
        key: key.clone(),
        expect: Expect::Absent,
        header: Header::default(),
        body: Body::new(text.clone()),
    };
    done(&store, batch([write])).await;
    assert!(read(&store, &key).await.body.as_str() == text, "the largest body has changed");
}

/// What one item carries no other can take, of whatever kind it is.
pub async fn unique_key_is_carried_by_one_item(store: impl Store, _time: impl MoveTime) {
    put(&store, &domain("one"), carrying(&["name"])).await;
    for key in [domain("two"), Key::new(Kind::Registration, "one")] {
        let second = batch([create(&key, carrying(&["name"]))]);
        assert_eq!(commit(&store, second).await, Commit::Taken(vec![unique("name")]));
        assert_absent(&store, &key).await;
    }
    assert_eq!(holder(&store, "name").await, Some(domain("one")));
}

/// A put names all unique keys that its item carries from then on.
pub async fn put_replaces_the_unique_keys_of_its_item(store: impl Store, _time: impl MoveTime) {
    let key = domain("one");
    let item = put(&store, &key, carrying(&["a", "b"])).await;
    done(&store, batch([change(&item, carrying(&["b", "c"]), "x")])).await;
    assert_eq!(holder(&store, "a").await, None);
    assert_eq!(holder(&store, "b").await, Some(key.clone()));
    assert_eq!(holder(&store, "c").await, Some(key));
    put(&store, &domain("two"), carrying(&["a"])).await;
}

/// One batch can take a unique key from one item and give it to another, in any order of writes.
pub async fn one_batch_moves_a_unique_key(store: impl Store, _time: impl MoveTime) {
    let one = put(&store, &domain("one"), carrying(&["hold"])).await;
    let two = put(&store, &domain("two"), Header::default()).await;
    let gives = change(&one, Header::default(), "gives");
    let takes = change(&two, carrying(&["hold"]), "takes");
    done(&store, batch([takes, gives])).await;
    assert_eq!(holder(&store, "hold").await, Some(domain("two")));

    // From one that is deleted to one that is created.
    let two = read(&store, &domain("two")).await;
    done(&store, batch([create(&domain("three"), carrying(&["hold"])), delete(&two)])).await;
    assert_eq!(holder(&store, "hold").await, Some(domain("three")));
}

/// Two items can exchange their unique keys.
pub async fn one_batch_swaps_unique_keys(store: impl Store, _time: impl MoveTime) {
    let one = put(&store, &domain("one"), carrying(&["a"])).await;
    let two = put(&store, &domain("two"), carrying(&["b"])).await;
    done(&store, batch([change(&one, carrying(&["b"]), "x"), change(&two, carrying(&["a"]), "x")]))
        .await;
    assert_eq!(holder(&store, "a").await, Some(domain("two")));
    assert_eq!(holder(&store, "b").await, Some(domain("one")));
}

/// A unique key is not carried twice, also where both items come with one batch.
pub async fn two_items_of_one_batch_cannot_share_a_unique_key(
    store: impl Store,
    _time: impl MoveTime,
) {
    let both = ["one", "two"].map(|id| create(&domain(id), carrying(&["name"])));
    assert_eq!(commit(&store, batch(both)).await, Commit::Taken(vec![unique("name")]));
    assert_absent(&store, &domain("one")).await;
    assert_absent(&store, &domain("two")).await;

    // Nor can one keep what another takes.
    let keeps = put(&store, &domain("keeps"), carrying(&["name"])).await;
    let both =
        [change(&keeps, carrying(&["name"]), "x"), create(&domain("one"), carrying(&["name"]))];
    assert_eq!(commit(&store, batch(both)).await, Commit::Taken(vec![unique("name")]));
}

/// What a deleted item carried can be taken.
pub async fn deleted_item_frees_its_unique_keys(store: impl Store, _time: impl MoveTime) {
    let one = put(&store, &domain("one"), carrying(&["name"])).await;
    done(&store, batch([delete(&one)])).await;
    assert_eq!(holder(&store, "name").await, None);
    put(&store, &domain("two"), carrying(&["name"])).await;
}

/// Case and trailing spaces tell unique keys apart.
pub async fn unique_keys_are_compared_by_bytes(store: impl Store, _time: impl MoveTime) {
    let longest = "x".repeat(UniqueKey::MAX - "conformance/".len());
    let texts = ["name", "NAME", "name ", " name", "n_me", longest.as_str()];
    for (index, text) in texts.iter().enumerate() {
        put(&store, &domain(&index.to_string()), carrying(&[text])).await;
    }
    for (index, text) in texts.iter().enumerate() {
        assert_eq!(holder(&store, text).await, Some(domain(&index.to_string())), "{text:?}");
    }
}

/// All unique keys that are taken are named, and no others.
pub async fn every_taken_unique_key_is_named(store: impl Store, _time: impl MoveTime) {
    put(&store, &domain("one"), carrying(&["a", "b"])).await;
    put(&store, &domain("two"), carrying(&["c"])).await;
    let third = batch([create(&domain("three"), carrying(&["b", "c", "d"]))]);
    let Commit::Taken(mut taken) = commit(&store, third).await else {
        panic!("two of three unique keys are taken");
    };
    taken.sort();
    assert_eq!(taken, [unique("b"), unique("c")]);
}

async fn assert_invalid(store: &impl Store, batch: Batch) {
    let error = store.commit(batch).await.expect_err("a batch that breaks the rules was accepted");
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert_absent(store, &domain("one")).await;
    assert_absent(store, &domain("two")).await;
}

/// At most one put or delete for each key.
pub async fn two_writes_of_one_key_are_invalid(store: impl Store, _time: impl MoveTime) {
    let one = create(&domain("one"), Header::default());
    assert_invalid(&store, batch([one.clone(), one.clone()])).await;
    let nothing = Write::Delete { key: domain("one"), expect: Expect::Absent };
    assert_invalid(&store, batch([create(&domain("two"), Header::default()), one, nothing])).await;
}

/// An entry comes with a put of its item.
pub async fn entry_of_an_item_that_is_not_put_is_invalid(store: impl Store, _time: impl MoveTime) {
    let entry = |id| NewEntry::new(domain(id), "{}".to_owned());
    let one = || batch([create(&domain("one"), Header::default())]);
    assert_invalid(&store, one().with_entry(entry("two"))).await;

    let there = put(&store, &domain("there"), Header::default()).await;
    assert_invalid(&store, one().with_entry(entry("there"))).await;
    assert_invalid(&store, one().with(delete(&there)).with_entry(entry("there"))).await;
    assert_invalid(&store, one().with(super::wake(&there.key)).with_entry(entry("there"))).await;
    assert_eq!(store.entries(&there.key, 0, 10).await.unwrap(), []);
}

/// What is too long, empty or unprintable is refused, rather than cut.
pub async fn unfit_keys_and_bodies_are_invalid(store: impl Store, _time: impl MoveTime) {
    let one = || batch([create(&domain("one"), Header::default())]);
    for id in ["", "caf\u{e9}", "a\nb", "a\0b", &"x".repeat(Key::MAX_ID + 1)] {
        assert_invalid(&store, one().with(create(&domain(id), Header::default()))).await;
    }
    let long = "x".repeat(UniqueKey::MAX);
    for text in ["caf\u{e9}", "a\0b", long.as_str()] {
        assert_invalid(&store, one().with(create(&domain("two"), carrying(&[text])))).await;
    }
    assert_invalid(&store, one().with(create(&domain("two"), carrying(&["a", "a"])))).await;
    let write = Write::Put {
        key: domain("two"),
        expect: Expect::Absent,
        header: Header::default(),
        body: Body::new("x".repeat(Body::MAX + 1)),
    };
    assert_invalid(&store, one().with(write)).await;
    let entry = NewEntry::new(domain("one"), "x".repeat(Body::MAX + 1));
    assert_invalid(&store, one().with_entry(entry)).await;
}

/// A batch without changes is accepted and changes nothing.
pub async fn empty_batch_is_accepted(store: impl Store, _time: impl MoveTime) {
    done(&store, Batch::new(operation())).await;
    assert_eq!(look(&store, &domain("one")).await, None);
}

/// Who does not know whether a batch was accepted finds out: to commit it again changes nothing, and
/// the revision says whose the state is.
pub async fn repeated_batch_is_stale_and_the_revision_says_why(
    store: impl Store,
    _time: impl MoveTime,
) {
    let key = domain("one");
    let entry = NewEntry::new(key.clone(), "{}".to_owned());
    let first = batch([create(&key, carrying(&["a"]))]).with_entry(entry.clone());
    done(&store, first.clone()).await;
    let item = read(&store, &key).await;
    assert_eq!(commit(&store, first.clone()).await, Commit::Stale(vec![key.clone()]));
    assert_eq!(read(&store, &key).await, item);
    assert_eq!(item.revision.operation, first.operation);

    let second = batch([change(&item, carrying(&["a"]), "second")]).with_entry(entry);
    done(&store, second.clone()).await;
    let item = read(&store, &key).await;
    assert_eq!(commit(&store, second.clone()).await, Commit::Stale(vec![key.clone()]));
    assert_eq!(read(&store, &key).await, item);
    assert_eq!(item.revision.operation, second.operation);
    assert_eq!(store.entries(&key, 0, 10).await.unwrap().len(), 2);
}
