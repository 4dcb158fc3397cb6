//! Bytes that must not be seen.

use std::fmt;

use zeroize::Zeroizing;

/// Bytes that are wiped when dropped and never shown.
///
/// There is no `Display`, no serialization, and `Debug` prints a fixed text. [`Secret::expose`]
/// is the one way in, so that it can be searched for.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Returns the bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        constant_time_eq(&self.0, &other.0)
    }
}

impl Eq for Secret {}

/// Compares two texts in time that depends on their lengths only.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len()
        && std::hint::black_box(a.iter().zip(b).fold(0, |seen, (a, b)| seen | (a ^ b))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_a_secret() {
        let secret = Secret::new(b"hunter2".to_vec());
        assert_eq!(format!("{secret:?}"), "Secret(redacted)");
    }

    #[test]
    fn comparison_looks_at_every_byte() {
        assert!(constant_time_eq(b"token", b"token"));
        for other in ["tokem", "uoken", "toke", "tokens", ""] {
            assert!(!constant_time_eq(b"token", other.as_bytes()), "{other}");
        }
    }
}
