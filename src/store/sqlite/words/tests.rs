use proptest::prelude::*;
use rusqlite::Connection;

use super::*;
use crate::store::sqlite::schema::STEPS;

/// A domain over HTTP that has been active for some time.
const RESTING: &str = r#"{"v":3,"created":1800000000,"status":"active","challenge":{"at":"_plat-challenge","digest":"D5eQFdRYfMdmjBPQYrF6IklyOZtsIE1JJ3Kgho1KcmA"},"ownership":{"at":1803363984,"since":1800000000,"count":39},"routing":{"seen":["203.0.113.10"]},"certificate":{"id":"3ac0b8f8f00dc70f481c2fa796b9922b","from":1799996400},"ordered":1800000000}"#;

#[test]
fn what_most_domains_repeat_takes_little() {
    let stored = shortened(RESTING);
    assert!(stored.len() < 170, "{} bytes: {stored:?}", stored.len());
    assert_eq!(whole(&stored).unwrap(), RESTING);
}

#[test]
fn words_can_be_told_apart_and_are_found() {
    for (mark, word) in WORDS {
        assert!(is_mark(mark) && mark != AS_IS, "{mark:?}");
        assert!(word.len() >= 3, "{word}");
        assert!(!word.bytes().any(is_mark), "{word}");
        assert_eq!(shortened(word), char::from(mark).to_string());
        assert_eq!(WORDS.iter().filter(|(other, _)| *other == mark).count(), 1, "{word}");
    }
}

#[test]
fn people_see_bodies_as_they_were_written() {
    let connection = Connection::open_in_memory().unwrap();
    STEPS.iter().for_each(|step| connection.execute_batch(step).unwrap());
    let words: String = WORDS.iter().map(|(_, word)| *word).collect();
    for body in [RESTING, "{}", &words, "\u{1} is not a word, and \u{1f} is none either"] {
        let insert = "INSERT INTO items (kind, id, counter, operation, token, body) \
                      VALUES (4, ?1, 1, x'00', 0, ?1)";
        connection.execute(insert, [shortened(body)]).unwrap();
        let shown: String = connection
            .query_row("SELECT body FROM readable ORDER BY item DESC", [], |row| row.get(0))
            .unwrap();
        assert_eq!(shown, body);
    }
}

#[test]
fn a_character_of_a_later_release_is_no_body() {
    let error = whole("{\"v\":3\u{1e}1}").unwrap_err().into_error("get");
    assert!(error.to_string().contains(r"'\u{1e}' stands for nothing"), "{error}");
}

proptest! {
    #[test]
    fn bodies_read_back_as_they_were_written(
        parts in proptest::collection::vec(
            prop_oneof![
                prop::sample::select(&WORDS[..]).prop_map(|(_, word)| word.to_owned()),
                prop::sample::select(&WORDS[..]).prop_map(|(_, word)| word[..word.len() - 1].to_owned()),
                prop::sample::select(&WORDS[..]).prop_map(|(mark, _)| char::from(mark).to_string()),
                "[{,\"é\t\n\u{0}-\u{1f}]{0,3}",
                "[0-9]{0,10}",
            ],
            0..12,
        ),
    ) {
        let body = parts.concat();
        let stored = shortened(&body);
        prop_assert!(stored.len() <= body.len() + 1);
        prop_assert_eq!(whole(&stored).unwrap(), body.as_str());
    }
}
