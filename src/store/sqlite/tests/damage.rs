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
