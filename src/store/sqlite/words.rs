//! Bodies as they are stored: what most of them repeat takes one byte.
//!
//! Bodies are JSON, and no control character stands in JSON as it is (RFC 8259 section 7). So one of
//! them can stand for a word. A body that has such a character all the same follows a mark of its own.

use std::borrow::Cow;

use super::failure::Failure;

/// Before a body that is stored as it is, whatever it has in it.
const AS_IS: u8 = 0x1f;

/// What each character stands for: the words of a domain at rest, alone and as they follow each
/// other, the longer first. A word is of at least three bytes.
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

/// Which words have a byte in front, a bit for each.
const BY_FIRST: [u32; 256] = words_by(0);

/// Which have it in the third place: the first two bytes of one are those of others.
const BY_THIRD: [u32; 256] = words_by(2);

const fn words_by(place: usize) -> [u32; 256] {
    let mut words = [0; 256];
    let mut index = 0;
    while index < WORDS.len() {
        words[WORDS[index].1.as_bytes()[place] as usize] |= 1 << index;
        index += 1;
    }
    words
}

/// What each control character stands for.
const MEANINGS: [Option<&str>; 32] = {
    let mut meanings = [None; 32];
    let mut index = 0;
    while index < WORDS.len() {
        let (mark, word) = WORDS[index];
        meanings[mark as usize] = Some(word);
        index += 1;
    }
    meanings
};

/// Returns whether a character may stand for a word, in this release or another.
const fn is_mark(byte: u8) -> bool {
    // Not those that people may write between the parts of JSON.
    matches!(byte, 0x01..=0x1f) && !matches!(byte, b'\t' | b'\n' | b'\r')
}

/// Returns whether a text has a character that may stand for a word.
fn has_mark(text: &str) -> bool {
    // To the end in any case, which is faster than to look at each whether it was the last.
    text.bytes().fold(false, |found, byte| found | is_mark(byte))
}

/// Returns a body as it is stored.
pub(super) fn shortened(body: &str) -> Cow<'_, str> {
    if has_mark(body) {
        return Cow::Owned(format!("{}{body}", char::from(AS_IS)));
    }
    let mut short = String::new();
    let mut from = 0;
    for (at, start) in body.as_bytes().windows(3).enumerate() {
        let &[first, _, third] = start else { continue };
        let words = BY_FIRST[usize::from(first)] & BY_THIRD[usize::from(third)];
        if words == 0 || at < from {
            continue;
        }
        let (Some(before), Some(tail)) = (body.get(from..at), body.get(at..)) else { continue };
        let is_here = |&&(_, word): &&(u8, &str)| tail.starts_with(word);
        if let Some((mark, word)) = members(words).find(is_here) {
            if from == 0 {
                short.reserve(body.len());
            }
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

/// Returns the words whose bits are set, in their order.
fn members(mut words: u32) -> impl Iterator<Item = &'static (u8, &'static str)> {
    std::iter::from_fn(move || {
        let index = usize::try_from(words.trailing_zeros()).ok()?;
        words &= words.wrapping_sub(1);
        WORDS.get(index)
    })
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
    if !has_mark(stored) {
        return Ok(Cow::Borrowed(stored));
    }
    let mut body = String::with_capacity(stored.len().saturating_mul(3));
    let mut from = 0;
    for (at, byte) in stored.bytes().enumerate() {
        if !is_mark(byte) {
            continue;
        }
        let Some(word) = MEANINGS.get(usize::from(byte)).copied().flatten() else {
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
