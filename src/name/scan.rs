//! A look at all octets of a short text, eight at a time and without a branch for each.

/// Longest text that is looked at, in octets: one bit for each, and one behind the last.
///
/// A label that is longer is none, RFC 1035 section 2.3.4.
pub(super) const LIMIT: usize = 63;

/// Where the dots and hyphens of a text are: the first octet is the lowest bit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Marks {
    dots: u64,
    pub(super) hyphens: u64,
    /// Where a label starts,
    pub(super) starts: u64,
    /// and where one ends.
    pub(super) ends: u64,
    pub(super) has_upper: bool,
}

impl Marks {
    /// Looks at a text of letters, digits, hyphens and dots; `None` for others and empty ones.
    pub(super) fn of_host(text: &str) -> Option<Self> {
        Self::of(text, |word| between(word, b'-', b'.') | between(word, b'0', b'9'))
    }

    /// Looks at a text that may have, beside these, some octets that need no escape in DNS names.
    pub(super) fn of_any(text: &str) -> Option<Self> {
        Self::of(text, |word| {
            between(word, b'*', b'+') | between(word, b'-', b'9') | between(word, b'_', b'_')
        })
    }

    /// Looks at a text of ASCII letters and what `others` finds.
    fn of(text: &str, others: impl Fn(u64) -> u64) -> Option<Self> {
        if text.is_empty() || text.len() > LIMIT {
            return None;
        }
        let (mut dots, mut hyphens, mut upper, mut wrong) = (0, 0, 0, 0);
        let mut look = |octets: [u8; 8], at: usize| {
            let octets = u64::from_le_bytes(octets);
            // What is not ASCII is wrong, whatever else it looks like without its high bit.
            let word = octets & repeat(0x7f);
            let letters = between(word | repeat(0x20), b'a', b'z');
            wrong |= (octets | !(letters | others(word))) & repeat(0x80);
            upper |= between(word, b'A', b'Z');
            dots |= bits(between(word, b'.', b'.')) << at;
            hyphens |= bits(between(word, b'-', b'-')) << at;
        };
        let octets = text.as_bytes();
        match octets.last_chunk::<8>() {
            Some(last) => {
                for (index, word) in octets.as_chunks::<8>().0.iter().enumerate() {
                    look(*word, 8 * index);
                }
                // Some of them again, which does no harm.
                look(*last, octets.len() - 8);
            }
            None => {
                let mut word = [b'0'; 8];
                word.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
                look(word, 0);
            }
        }
        let ends = (dots >> 1) | (1 << (text.len() - 1));
        let marks = Self { dots, hyphens, starts: (dots << 1) | 1, ends, has_upper: upper != 0 };
        (wrong == 0).then_some(marks)
    }

    /// Returns whether a label is empty, the one behind a final dot among them.
    pub(super) fn has_empty_label(self) -> bool {
        self.dots & (self.starts | self.ends) != 0
    }

    /// Returns where the last label starts.
    pub(super) fn last_label(self) -> usize {
        // At most 64.
        (u64::BITS - self.dots.leading_zeros()) as usize
    }
}

/// Returns a word of eight times this octet.
const fn repeat(octet: u8) -> u64 {
    u64::from_le_bytes([octet; 8])
}

/// Returns the high bit of each octet that is from `low` to `high`, in a word of ASCII.
fn between(word: u64, low: u8, high: u8) -> u64 {
    // No sum carries into the next octet, nor overflows: at most 0x7f + 0x80.
    let at_least = word.wrapping_add(repeat(0x80 - low));
    let more = word.wrapping_add(repeat(0x7f - high));
    at_least & !more & repeat(0x80)
}

/// Gathers the high bits of eight octets, that of the first in the lowest bit.
fn bits(word: u64) -> u64 {
    (word >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[cfg(test)]
mod tests;
