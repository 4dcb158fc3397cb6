//! Bodies as they are stored: what most of them repeat takes one byte.
//!
//! Bodies are JSON, and no control character stands in JSON as it is (RFC 8259 section 7). So one of
//! them can stand for a word. A body that has such a character all the same follows a mark of its own.

use std::borrow::Cow;

use super::failure::Failure;

/// Before a body that is stored as it is, whatever it has in it.
const AS_IS: u8 = 0x1f;

/// What each character stands for: the words of a domain at rest, alone and as they follow each
/// other, the longer first. A word is of at least three bytes and begins with one of [`FIRST`].
///
/// The view `readable` knows them too. One that is added needs a step in `schema`, so that an
/// earlier release does not open what it cannot read; none ever changes.
const WORDS: [(u8, &str); 21] = [
    (0x1, r#"{"v":3,"created":"#),
    (0x2, r#","status":"active","challenge":{"at":"_"#),
    (0x3, r#","status":"active""#),
    (0x4, r#","challenge":{"at":""#),
    (0x5, r#"","digest":""#),
    (0x6, r#""},"delegation":""#),
    (0x7, r#","delegation":""#),
    (0x8, r#""},"ownership":{"at":"#),
    (0xb, r#"","ownership":{"at":"#),
    (0xc, r#","ownership":{"at":"#),
    (0xe, r#","since":"#),
    (0xf, r#","count":"#),
    (0x10, r#"},"routing":{"seen":[""#),
    (0x11, r#","routing":{"seen":[""#),
    (0x12, r#""]},"delegated":{},"certificate":{"id":""#),
    (0x13, r#""]},"certificate":{"id":""#),
    (0x14, r#","delegated":{}"#),
    (0x15, r#","certificate":{"id":""#),
    (0x16, r#"","from":"#),
    (0x17, r#"},"ordered":"#),
    (0x18, r#","ordered":"#),
];

/// What words begin with.
const FIRST: [u8; 4] = *b"{},\"";

/// Returns whether a character may stand for a word, in this release or another.
const fn is_mark(byte: u8) -> bool {
    // Not those that people may write between the parts of JSON.
    matches!(byte, 0x01..=0x1f) && !matches!(byte, b'\t' | b'\n' | b'\r')
}

/// Returns a body as it is stored.
pub(super) fn shortened(body: &str) -> Cow<'_, str> {
    if body.bytes().any(is_mark) {
        return Cow::Owned(format!("{}{body}", char::from(AS_IS)));
    }
    let mut short = String::new();
    let mut from = 0;
    for (at, byte) in body.bytes().enumerate() {
        if at < from || !FIRST.contains(&byte) {
            continue;
        }
        let (Some(before), Some(tail)) = (body.get(from..at), body.get(at..)) else { continue };
        // The first two bytes of one are those of others: the third tells most of them apart.
        let third = tail.as_bytes().get(2);
        let same = |word: &str| word.as_bytes().get(2) == third && tail.starts_with(word);
        if let Some((mark, word)) = WORDS.iter().find(|(_, word)| same(word)) {
            short.push_str(before);
            short.push(char::from(*mark));
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
    if let Some(body) = stored.strip_prefix(char::from(AS_IS)) {
        return Ok(Cow::Borrowed(body));
    }
    if !stored.bytes().any(is_mark) {
        return Ok(Cow::Borrowed(stored));
    }
    let mut body = String::with_capacity(stored.len().saturating_mul(2));
    let mut from = 0;
    for (at, byte) in stored.bytes().enumerate() {
        if !is_mark(byte) {
            continue;
        }
        let Some((_, word)) = WORDS.iter().find(|(mark, _)| *mark == byte) else {
            let mark = char::from(byte);
            return Err(Failure::Stored(format!("{mark:?} stands for nothing in a body")));
        };
        body.push_str(stored.get(from..at).unwrap_or_default());
        body.push_str(word);
        from = at.saturating_add(1);
    }
    body.push_str(stored.get(from..).unwrap_or_default());
    Ok(Cow::Owned(body))
}

#[cfg(test)]
mod tests;
