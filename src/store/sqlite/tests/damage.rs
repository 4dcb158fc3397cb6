use super::*;

#[test]
fn a_row_that_cannot_be_read_holds_up_no_other() {
    let folder = Scratch::new();
    let clock = clock();
    let builder = Sqlite::builder(folder.file("store.db"));
    let store = wait(builder.with_clock(Arc::new(clock.clone())).open()).unwrap();
    for id in ["a", "b", "c"] {
        wait(store.commit(put(id, due()))).unwrap();
    }
    run(&store, "UPDATE items SET operation = x'00' WHERE id = 'b'");
    let minute = Duration::from_secs(60);
    let lease = |limit| {
        let leased = wait(store.lease(&LeaseRequest::new([Kind::Domain], limit, minute)));
        let leased = leased.unwrap();
        let ids: Vec<_> = leased.leases.into_iter().map(|(lease, _)| lease.key.id).collect();
        (ids, leased.unreadable)
    };
    let (mut ids, unreadable) = lease(10);
    ids.sort();
    assert_eq!((ids.as_slice(), unreadable), (&["a".to_owned(), "c".to_owned()][..], 1));
    // It is out of the way for as long as the others, and then counted again.
    assert_eq!(lease(10), (Vec::new(), 0));
    clock.advance(minute);
    assert_eq!(lease(10).1, 1);

    // Also where there is nothing else.
    run(&store, "UPDATE items SET operation = x'00' WHERE item > 0");
    clock.advance(minute);
    assert_eq!(lease(10), (Vec::new(), 3));
    assert_eq!(lease(10), (Vec::new(), 0));
    // Whoever asks for it by name hears of it, and its body is as it was.
    let asked = wait(store.get(&[Key::new(Kind::Domain, "b")])).unwrap_err();
    assert_eq!(asked.kind(), ErrorKind::Malformed);
    assert_eq!(number(&store, "SELECT count(*) FROM items WHERE body = '{\"v\":1}'"), 3);
}

#[test]
fn a_row_that_cannot_be_read_is_named_in_lists_and_hides_no_other() {
    let folder = Scratch::new();
    let builder = Sqlite::builder(folder.file("store.db"));
    let store = wait(builder.with_clock(Arc::new(clock())).open()).unwrap();
    let ids: Vec<String> = (0..5).map(|number| format!("{number:032x}")).collect();
    for id in &ids {
        wait(store.commit(put(id, due()))).unwrap();
    }
    // The second ends a page, the last two are a page of their own.
    for (column, of) in
        [("counter = -1", 1), ("operation = x'00'", 3), ("expires = 9223372036854775807", 4)]
    {
        let id = &ids[of];
        let spoil = format!("UPDATE items SET {column} WHERE id = x'{id}'");
        let connection = Connection::open(folder.file("store.db")).unwrap();
        assert_eq!(connection.execute(&spoil, []).unwrap(), 1);
    }
    let mut query = Query::new(Kind::Domain, Filter::All).with_limit(2);
    let mut pages = Vec::new();
    loop {
        let page = wait(store.list(&query)).unwrap();
        let read: Vec<String> = page.items.into_iter().map(|item| item.key.id).collect();
        pages.push((read, page.unreadable));
        let Some(next) = page.next else { break };
        query = query.with_after(next);
    }
    let of = |numbers: &[usize]| -> Vec<String> {
        numbers.iter().map(|number| ids[*number].clone()).collect()
    };
    let expected = [(of(&[0]), of(&[1])), (of(&[2]), of(&[3])), (of(&[]), of(&[4]))];
    assert_eq!(pages, expected);
}
