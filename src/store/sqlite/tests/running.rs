use super::*;

#[test]
fn the_thread_ends_with_the_last_clone_and_closes_the_file() {
    let folder = Scratch::new();
    let (sender, ended) = mpsc::channel();
    let builder = Sqlite::builder(folder.file("store.db"));
    let store = wait(builder.with_clock(Arc::new(Farewell(sender))).open()).unwrap();
    let clone = store.clone();
    drop(store);
    assert_eq!(wait(clone.commit(put("a", due()))).unwrap(), Commit::Done);
    assert_eq!(folder.files(), ["store.db", "store.db-shm", "store.db-wal"]);
    drop(clone);
    ended.recv().unwrap();
    assert_eq!(folder.files(), ["store.db"]);
}

#[test]
fn a_call_that_is_given_up_before_its_turn_does_not_happen() {
    let folder = Scratch::new();
    let store = open_at(&folder.file("store.db")).unwrap();
    wait(store.commit(put("a", due()))).unwrap();
    let (release, held) = mpsc::channel::<()>();
    let mut context = Context::from_waker(Waker::noop());
    let mut holding = Box::pin(store.thread.call("test", ErrorKind::Unknown, move |_| {
        held.recv().unwrap();
        Ok(())
    }));
    assert!(holding.as_mut().poll(&mut context).is_pending());
    let wanted = LeaseRequest::new([Kind::Domain], 1, Duration::from_secs(60));
    let mut given_up = store.lease(&wanted);
    assert!(given_up.as_mut().poll(&mut context).is_pending());
    drop(given_up);
    release.send(()).unwrap();
    wait(holding).unwrap();
    assert_eq!(wait(store.lease(&wanted)).unwrap().leases.len(), 1);
}

#[test]
fn a_refused_change_leaves_no_transaction_behind() {
    let folder = Scratch::new();
    let store = open_at(&folder.file("store.db")).unwrap();
    let failed = store.thread.call("test", ErrorKind::Unknown, |session| {
        session.write::<()>(|session, _| {
            session.connection.execute_batch("DELETE FROM items")?;
            Err(Failure::Stored("on request".to_owned()))
        })
    });
    assert_eq!(wait(failed).unwrap_err().kind(), ErrorKind::Malformed);
    let refused = store.thread.call("test", ErrorKind::Unknown, |session| {
        session.write(|session, _| {
            session.connection.execute_batch("DELETE FROM items")?;
            Ok(End::Rollback(()))
        })
    });
    wait(refused).unwrap();
    assert_eq!(number(&store, "SELECT count(*) FROM items"), 1);
}

/// Returns how many roots were leased.
fn lease(store: &Sqlite, limit: u32) -> usize {
    let wanted = LeaseRequest::new([Kind::Domain], limit, Duration::from_secs(60));
    wait(store.lease(&wanted)).unwrap().leases.len()
}

fn fill(store: &Sqlite, from: u32, count: u32, header: &Header) {
    let writes = (from..from + count).map(|id| {
        let mut batch = put(&format!("{id}"), header.clone());
        batch.writes.remove(0)
    });
    let batch = Batch::new(OperationId::random(&OsRandom).unwrap());
    assert_eq!(wait(store.commit(writes.fold(batch, Batch::with))).unwrap(), Commit::Done);
}

fn work(store: &Sqlite) -> Vec<(&'static str, i32, i32)> {
    wait(store.thread.call("test", ErrorKind::Unknown, |session| Ok(session.work()))).unwrap()
}

#[test]
fn what_people_are_told_to_ask_a_shell_for_is_answered() {
    let folder = Scratch::new();
    let path = folder.file("store.db");
    let store = open_at(&path).unwrap();
    let header = Header { name: Some("shop.example.com".to_owned()), ..due() };
    let id = "0123456789abcdef0123456789abcdef";
    let entry = NewEntry::new(Key::new(Kind::Domain, id), "{}".to_owned());
    wait(store.commit(put(id, header).with_entry(entry))).unwrap();
    let page = include_str!("../../../../docs/sqlite.md");
    let block = page.split("```sql").nth(1).and_then(|rest| rest.split("```").next());
    let shell = Connection::open(&path).unwrap();
    let mut asked = 0;
    for query in block.unwrap().split_inclusive(';').filter(|query| query.contains(';')) {
        assert!(shell.prepare(query).unwrap().exists([]).unwrap(), "{query}");
        asked += 1;
    }
    assert!(asked > 3, "{asked}");
}

#[test]
fn a_lease_of_many_is_one_statement_and_one_commit() {
    let folder = Scratch::new();
    let store = open_at(&folder.file("store.db")).unwrap();
    fill(&store, 0, 300, &due());
    for limit in [1, 100] {
        work(&store);
        assert_eq!(lease(&store, limit), usize::try_from(limit).unwrap());
        let runs: Vec<_> = work(&store).into_iter().map(|(what, runs, _)| (what, runs)).collect();
        assert_eq!(runs, [("begin", 1), ("commit", 1), ("lease", 1)]);
    }
}

#[test]
fn a_lease_costs_the_same_however_many_rest() {
    let folder = Scratch::new();
    let store = open_at(&folder.file("store.db")).unwrap();
    let later = Header { due: Some(Timestamp::MAX_UTC), ..Header::default() };
    let mut costs = Vec::new();
    for round in 0..3 {
        fill(&store, round * 10_000, 10, &due());
        lease(&store, 5);
        work(&store);
        assert_eq!(lease(&store, 5), 5);
        let busy = work(&store);
        assert_eq!(lease(&store, 5), 0);
        costs.push((busy, work(&store)));
        fill(&store, round * 10_000 + 10, if round == 0 { 10 } else { 5000 }, &later);
    }
    assert!(costs.iter().all(|cost| *cost == costs[0]), "{costs:?}");
}

#[test]
fn due_roots_and_lists_are_found_by_an_index() {
    let folder = Scratch::new();
    let store = open_at(&folder.file("store.db")).unwrap();
    let call = store.thread.call("test", ErrorKind::Unknown, |session| {
        let plans = session.plans()?;
        Ok(plans)
    });
    for (index, plan) in wait(call).unwrap() {
        assert!(plan.contains(index), "{index}: {plan}");
        assert!(!plan.contains("SCAN items"), "{index}: {plan}");
    }
}
