use super::*;

const FIRST: &str = "CREATE TABLE things (name TEXT); INSERT INTO things VALUES ('kept')";
const SECOND: &str = "ALTER TABLE things ADD COLUMN size INTEGER NOT NULL DEFAULT 7";

fn migrate(connection: &Connection, steps: &[&str]) -> Result<()> {
    schema::check(connection, "store.db", steps)?;
    schema::migrate(connection, "store.db", steps)
}

fn version(connection: &Connection) -> i64 {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
}

#[test]
fn tables_of_an_earlier_version_are_brought_up_to_date_and_keep_what_they_hold() {
    let connection = Connection::open_in_memory().unwrap();
    migrate(&connection, &[FIRST]).unwrap();
    assert_eq!(version(&connection), 1);
    for _ in 0..2 {
        migrate(&connection, &[FIRST, SECOND]).unwrap();
        assert_eq!(version(&connection), 2);
    }
    let row = connection.query_row("SELECT name, size FROM things", [], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
    });
    assert_eq!(row.unwrap(), ("kept".to_owned(), 7));
    let error = migrate(&connection, &[FIRST]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition, "{error}");
}

#[test]
fn a_file_of_each_earlier_version_is_opened_with_all_that_it_holds() {
    let folder = Scratch::new();
    let steps = schema::STEPS;
    for version in 1..=steps.len() {
        let path = folder.file(&format!("{version}.db"));
        let connection = Connection::open(&path).unwrap();
        migrate(&connection, &steps[..version]).unwrap();
        let bodies = ["{}", "{\"v\":3,\"created\":1}", "\u{2}, \u{1f} and \u{b}", "\u{0}\u{1}"];
        for (id, status, expires) in [("a", "active", 30), ("b", "pending", 20)] {
            let insert = "INSERT INTO items (kind, id, counter, operation, status, expires, \
                          token, body) VALUES (4, ?1, 1, zeroblob(16), ?2, ?3, 0, '{}')";
            connection.execute(insert, (id, status, expires)).unwrap();
        }
        if version < 3 {
            for (id, body) in ["w", "x", "y", "z"].into_iter().zip(bodies) {
                let insert = "INSERT INTO items (kind, id, counter, operation, token, body) \
                              VALUES (1, ?1, 1, zeroblob(16), 0, ?2)";
                connection.execute(insert, (id, body)).unwrap();
            }
        }
        drop(connection);

        let store = open_at(&path).unwrap();
        assert_eq!(wait(store.commit(put("c", due()))).unwrap(), Commit::Done);
        wait(store.integrity_check()).unwrap();
        let list = |filter| {
            let page = wait(store.list(&Query::new(Kind::Domain, filter))).unwrap();
            page.items.into_iter().map(|item| item.key.id).collect::<Vec<_>>()
        };
        assert_eq!(list(Filter::All), ["a", "b", "c"]);
        assert_eq!(list(Filter::Status("active".to_owned())), ["a"]);
        assert_eq!(list(Filter::Status("pending".to_owned())), ["b"]);
        let at = |micros| Timestamp::from_timestamp_micros(micros).unwrap();
        assert_eq!(list(Filter::ExpiresBy(at(20))), ["b"]);
        assert_eq!(list(Filter::ExpiresBy(at(30))), ["a", "b"]);
        let of = |page: Page| page.items.into_iter().map(|item| item.body.as_str().to_owned());
        let accounts = wait(store.list(&Query::new(Kind::Account, Filter::All))).unwrap();
        let kept: Vec<String> = of(accounts).collect();
        assert_eq!(kept, if version < 3 { bodies.to_vec() } else { Vec::new() });
    }
}

#[test]
fn a_step_that_fails_leaves_everything_as_it_was() {
    let connection = Connection::open_in_memory().unwrap();
    migrate(&connection, &[FIRST]).unwrap();
    assert!(migrate(&connection, &[FIRST, SECOND, "CREATE TABLE things (x)"]).is_err());
    assert!(connection.is_autocommit());
    assert_eq!(version(&connection), 1);
    assert!(connection.prepare("SELECT size FROM things").is_err());
    migrate(&connection, &[FIRST, SECOND]).unwrap();
}
