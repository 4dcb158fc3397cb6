//! Bodies as they are stored: what most of them repeat takes one byte.
//!
//! Bodies are JSON, and no control character stands in JSON as it is (RFC 8259 section 7). So one of
//! them can stand for a word. A body that has such a character all the same follows a mark of its own.

use std::borrow::Cow;

use super::failure::Failure;

/// Before a body that is stored as it is, whatever it has in it.
const AS_IS: char = '\u{1f}';

/// What each character stands for: the words of a domain at rest, alone and as they follow each
/// other, the longer first. A word is of at least three bytes and begins with one of [`FIRST`].
///
/// The view `readable` knows them too. One that is added needs a step in `schema`, so that an
/// earlier release does not open what it cannot read; none ever changes.
const WORDS: [(char, &str); 21] = [
    ('\u{1}', r#"{"v":3,"created":"#),
    ('\u{2}', r#","status":"active","challenge":{"at":"_"#),
    ('\u{3}', r#","status":"active""#),
    ('\u{4}', r#","challenge":{"at":""#),
    ('\u{5}', r#"","digest":""#),
    ('\u{6}', r#""},"delegation":""#),
    ('\u{7}', r#","delegation":""#),
    ('\u{8}', r#""},"ownership":{"at":"#),
    ('\u{b}', r#"","ownership":{"at":"#),
    ('\u{c}', r#","ownership":{"at":"#),
    ('\u{e}', r#","since":"#),
    ('\u{f}', r#","count":"#),
    ('\u{10}', r#"},"routing":{"seen":[""#),
    ('\u{11}', r#","routing":{"seen":[""#),
    ('\u{12}', r#""]},"delegated":{},"certificate":{"id":""#),
    ('\u{13}', r#""]},"certificate":{"id":""#),
    ('\u{14}', r#","delegated":{}"#),
    ('\u{15}', r#","certificate":{"id":""#),
    ('\u{16}', r#"","from":"#),
    ('\u{17}', r#"},"ordered":"#),
    ('\u{18}', r#","ordered":"#),
];

/// What words begin with.
const FIRST: [char; 4] = ['{', '}', ',', '"'];

/// Returns whether a character may stand for a word, in this release or another.
const fn is_mark(character: char) -> bool {
    // Not those that people may write between the parts of JSON.
    matches!(character, '\u{1}'..='\u{1f}') && !matches!(character, '\t' | '\n' | '\r')
}

/// Returns a body as it is stored.
pub(super) fn shortened(body: &str) -> Cow<'_, str> {
    if body.contains(is_mark) {
        return Cow::Owned(format!("{AS_IS}{body}"));
    }
    let mut short = String::new();
    let mut from = 0;
    for (at, _) in body.match_indices(FIRST) {
        // Nothing if it is within the last word.
        let (Some(before), Some(tail)) = (body.get(from..at), body.get(at..)) else { continue };
        // The first two bytes of one are those of others: the third tells most of them apart.
        let third = tail.as_bytes().get(2);
        let same = |word: &str| word.as_bytes().get(2) == third && tail.starts_with(word);
        if let Some((mark, word)) = WORDS.iter().find(|(_, word)| same(word)) {
            short.push_str(before);
            short.push(*mark);
            from = at.saturating_add(word.len());
        }
    }
    if from == 0 {
        return Cow::Borrowed(body);
    }
    short.push_str(body.get(from..).unwrap_or_default());
    Cow::Owned(short)
}

/// Returns what [`shortened`] was given.
///
/// # Errors
///
/// `Stored` for a character that stands for nothing.
pub(super) fn whole(stored: &str) -> Result<Cow<'_, str>, Failure> {
    if let Some(body) = stored.strip_prefix(AS_IS) {
        return Ok(Cow::Borrowed(body));
    }
    let mut body = String::new();
    let mut from = 0;
    for (at, mark) in stored.match_indices(is_mark) {
        let Some((_, word)) = WORDS.iter().find(|(known, _)| mark.starts_with(*known)) else {
            return Err(Failure::Stored(format!("{mark:?} stands for nothing in a body")));
        };
        if from == 0 {
            body.reserve(stored.len().saturating_mul(2));
        }
        body.push_str(stored.get(from..at).unwrap_or_default());
        body.push_str(word);
        from = at.saturating_add(mark.len());
    }
    if from == 0 {
        return Ok(Cow::Borrowed(stored));
    }
    body.push_str(stored.get(from..).unwrap_or_default());
    Ok(Cow::Owned(body))
}

#[cfg(test)]
mod tests;
