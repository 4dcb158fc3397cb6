//! What a statement may use: the part of SQL that PostgreSQL shares with CockroachDB and YugabyteDB.

use super::COMPONENT;
use crate::error::{Error, ErrorKind, Result};

/// Words that name something outside of the subset, wherever they stand, and why.
const FORBIDDEN: &[(&str, &str)] = &[
    ("ADVISORY", "advisory locks"),
    ("CMAX", "system columns"),
    ("CMIN", "system columns"),
    ("COPY", "another protocol"),
    ("CTID", "system columns"),
    ("DEALLOCATE", "prepared statements"),
    ("DEFERRABLE", "deferrable constraints"),
    ("DEFERRED", "deferrable constraints"),
    ("DISCARD", "the state of a session"),
    ("EXCLUDE", "constraints that exclude"),
    ("FUNCTION", "code in the database"),
    ("GENERATED", "columns that are computed"),
    ("IDENTITY", "sequences"),
    ("INCLUDE", "indexes that include columns"),
    ("LATERAL", "joins that go row by row"),
    ("LISTEN", "notifications"),
    ("LOCK TABLE", "locks of tables"),
    ("MATERIALIZED VIEW", "views that are stored"),
    ("MERGE", "insertions and changes in one"),
    ("NEXTVAL", "sequences"),
    ("NOTIFY", "notifications"),
    ("PARTITION", "partitions"),
    ("PG_NOTIFY", "notifications"),
    ("PG_SLEEP", "waiting in the database"),
    ("PLPGSQL", "code in the database"),
    ("PREPARE", "prepared statements"),
    ("PROCEDURE", "code in the database"),
    ("RESET", "the state of a session"),
    ("RULE", "code in the database"),
    ("SAVEPOINT", "savepoints"),
    ("SEQUENCE", "sequences"),
    ("SERIAL", "sequences"),
    ("BIGSERIAL", "sequences"),
    ("SETVAL", "sequences"),
    ("TABLEOID", "system columns"),
    ("TABLESPACE", "where files are"),
    ("TEMP", "the state of a session"),
    ("TEMPORARY", "the state of a session"),
    ("TRIGGER", "triggers"),
    ("TRUNCATE", "truncation"),
    ("UNLISTEN", "notifications"),
    ("XMAX", "system columns"),
    ("XMIN", "system columns"),
];

/// What is beside the subset, for servers that are PostgreSQL itself.
const PLAIN_ONLY: &[(&str, &str)] = &[
    ("SKIP LOCKED", "rows that are locked and are not"),
    ("AUTOVACUUM_", "storage parameters"),
    ("FILLFACTOR", "storage parameters"),
];

/// Holds a statement against the subset; that of distributed mode is the smaller one.
///
/// # Errors
///
/// `Internal` with what is outside of it: the statements are ours.
pub(super) fn check(sql: &str, distributed: bool) -> Result<()> {
    let words = words(sql);
    let outside = |what: &str| {
        let message = format!("a statement is outside of the subset by {what}; please report it");
        Err(Error::new(ErrorKind::Internal, COMPONENT, "check", message))
    };
    let plain = if distributed { PLAIN_ONLY } else { &[] };
    for (word, what) in FORBIDDEN.iter().chain(plain) {
        if has(&words, word) {
            return outside(what);
        }
    }
    for statement in words.split(|word| word == ";") {
        if let Some(what) = misuse(statement) {
            return outside(what);
        }
    }
    Ok(())
}

/// Returns what a single statement does that it may not.
fn misuse(words: &[String]) -> Option<&'static str> {
    let word = |index: usize| words.get(index).map(String::as_str);
    match (word(0), word(1)) {
        (Some("SET"), Some("LOCAL")) => {}
        (Some("SET"), _) => return Some("the state of a session"),
        (Some("DO"), _) => return Some("code in the database"),
        (Some("LOCK"), _) => return Some("locks of tables"),
        _ => {}
    }
    let mut changes = 0_usize;
    for (index, text) in words.iter().enumerate() {
        let before = index.checked_sub(1).and_then(word);
        let is_change = match text.as_str() {
            "INSERT" => word(index.saturating_add(1)) == Some("INTO"),
            "DELETE" => word(index.saturating_add(1)) == Some("FROM"),
            // Not that of a lock, nor the other half of an insert.
            "UPDATE" => !matches!(before, Some("FOR" | "KEY" | "DO")),
            _ => false,
        };
        if is_change {
            changes = changes.saturating_add(1);
        }
    }
    (changes > 1).then_some("changes of two tables, or of one table twice")
}

/// Whether the words of `wanted` stand in `words`, one after the other; `ADVISORY` is also found within
/// a word, and so is what ends in `_`.
fn has(words: &[String], wanted: &str) -> bool {
    if wanted == "ADVISORY" || wanted.ends_with('_') {
        return words.iter().any(|word| word.contains(wanted));
    }
    let wanted: Vec<&str> = wanted.split(' ').collect();
    words.windows(wanted.len()).any(|some| some.iter().eq(wanted.iter()))
}

/// Returns the words of a text in capitals and its semicolons, without what is quoted.
fn words(sql: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    for character in sql.chars() {
        if let Some(end) = quote {
            if character == end {
                quote = None;
            }
            continue;
        }
        if character.is_ascii_alphanumeric() || character == '_' {
            word.push(character.to_ascii_uppercase());
            continue;
        }
        if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        match character {
            '\'' | '"' => quote = Some(character),
            ';' => words.push(";".to_owned()),
            _ => {}
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests;
