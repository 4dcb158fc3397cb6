use proptest::{collection::vec, prelude::*};
use rusqlite::Connection;

use super::*;
use crate::store::sqlite::schema::STEPS;

const TENANT_ID: [u8; 16] = [0xab; 16];

fn header(name: Option<&str>, unique: &[String]) -> Header {
    Header {
        tenant: Some(TenantId::from_bytes(TENANT_ID)),
        name: name.map(ToOwned::to_owned),
        unique: unique.iter().map(|key| UniqueKey::new(key, &[])).collect(),
        ..Header::default()
    }
}

#[test]
fn unique_keys_are_kept_without_what_the_header_says() {
    let tenant = TenantId::from_bytes(TENANT_ID);
    let keys = [format!("slot/{tenant}/example.com"), "hold/example.com".to_owned()];
    let header = header(Some("example.com"), &keys);
    assert_eq!(carries(&header).as_deref(), Some("slot/\u{1}/\u{2}\nhold/\u{2}"));
}

#[test]
fn ids_of_16_bytes_take_no_more_and_others_stay_text() {
    let hexadecimal = "0123456789abcdef".repeat(2);
    let connection = Connection::open_in_memory().unwrap();
    for (text, kind) in [
        (hexadecimal.as_str(), "blob"),
        (&hexadecimal[1..], "text"),
        (&hexadecimal.to_uppercase(), "text"),
        ("a", "text"),
    ] {
        let found = connection.query_row("SELECT typeof(?1), ?1", [Id::of(text)], |row| {
            let kind: String = row.get(0)?;
            Ok((kind, id(row.get_ref(1)?).unwrap()))
        });
        assert_eq!(found.unwrap(), (kind.to_owned(), text.to_owned()));
    }
}

#[test]
fn every_kind_has_a_number_of_its_own_and_a_name_for_people() {
    let connection = Connection::open_in_memory().unwrap();
    STEPS.iter().for_each(|step| connection.execute_batch(step).unwrap());
    for of in Kind::ALL {
        let number = kind_number(of);
        assert!(matches!(kind(number), Ok(found) if found == of), "{of}");
        let insert = "INSERT INTO items (kind, id, counter, operation, token, body) \
                      VALUES (?1, 'x', 1, x'00', 0, '')";
        connection.execute(insert, [number]).unwrap();
        let shown: String = connection
            .query_row("SELECT kind FROM readable ORDER BY item DESC", [], |row| row.get(0))
            .unwrap();
        assert_eq!(shown, of.as_str());
    }
}

proptest! {
    #[test]
    fn unique_keys_read_back_as_they_were_written(
        name in proptest::option::of(prop_oneof!["[a-c/]{0,3}", "[\u{0}-\u{3}a\n]{0,3}", "é"]),
        keys in vec(prop_oneof!["[a-c/]{1,9}", "(ab){16}/[a-c]{1,3}"], 0..4),
    ) {
        let header = header(name.as_deref(), &keys);
        let text = carries(&header);
        let read = carried(text.as_deref(), header.tenant, name.as_deref());
        prop_assert_eq!(read, header.unique);
    }

    /// Both stretches together hold the ids that come after, and no others.
    #[test]
    fn what_comes_after_an_id_is_what_comes_after_its_text(
        after in prop_oneof!["[/0-9:`a-g ~]{0,3}", "[0f]{30,34}", "[0-9a-f]{31,33}", "f{30,32}[e-g]{0,2}"],
        ids in vec(prop_oneof!["[/0-9:`a-g ~]{1,3}", "[0f]{32}", "[0-9a-f]{32}", "f{32}"], 1..20),
    ) {
        let connection = Connection::open_in_memory().unwrap();
        for id in &ids {
            let [texts, bytes] = after_id(Some(&after));
            let within: bool = connection.query_row(
                "SELECT (?1 >= ?2 AND ?1 < ?3) OR (?1 >= ?4 AND ?1 < ?5)",
                rusqlite::params![Id::of(id), texts.0, texts.1, bytes.0, bytes.1],
                |row| row.get(0),
            ).unwrap();
            prop_assert_eq!(within, *id > after, "{} after {}", id, after);
        }
    }
}
