//! Ids, and the randomness that they come from.

use std::{fmt, str::FromStr, sync::Arc};

use data_encoding::HEXLOWER;

use crate::error::{Error, ErrorKind, Result};

/// A source of unpredictable bytes.
///
/// Injected, so that a simulation can repeat a history. Ownership tokens depend on it: outside
/// tests use [`OsRandom`].
pub trait Random: fmt::Debug + Send + Sync + 'static {
    /// Fills `buffer` with random bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if there is no randomness; the buffer must then not be used.
    fn fill(&self, buffer: &mut [u8]) -> Result<()>;
}

macro_rules! forward {
    ($($pointer:ident),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        impl<R: Random + ?Sized> Random for $pointer<R> {
            fn fill(&self, buffer: &mut [u8]) -> Result<()> {
                (**self).fill(buffer)
            }
        }
    )*};
}

forward!(Arc, Box);

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has no state to grow")]
pub struct OsRandom;

impl Random for OsRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<()> {
        getrandom::fill(buffer).map_err(|error| {
            Error::new(ErrorKind::Unavailable, "random", "fill", "the system gave no randomness")
                .with_source(error)
        })
    }
}

/// What is wrong with the text of an id.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an id is 32 lower-case hexadecimal characters")]
pub struct IdError(());

/// Writes the text of an id.
pub(crate) fn digits<'a>(bytes: &[u8; 16], text: &'a mut [u8; 32]) -> &'a str {
    HEXLOWER.encode_mut(bytes, text);
    // Hexadecimal digits are UTF-8.
    std::str::from_utf8(text).unwrap_or_default()
}

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// 16 random bytes, written as 32 lower-case hexadecimal characters.
        #[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Creates an id from its bytes, for example those of a UUID.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// Returns the bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// Draws a new id.
            ///
            /// # Errors
            ///
            /// Those of [`Random::fill`].
            pub fn random(random: &dyn Random) -> Result<Self> {
                let mut bytes = [0; 16];
                random.fill(&mut bytes)?;
                Ok(Self(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(digits(&self.0, &mut [0; 32]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let canonical = |b: &u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
                if !text.as_bytes().iter().all(canonical) {
                    return Err(IdError(()));
                }
                let mut bytes = [0; 16];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| IdError(()))?;
                Ok(Self(bytes))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(digits(&self.0, &mut [0; 32]))
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <std::borrow::Cow<'de, str>>::deserialize(deserializer)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }
    )*};
}

id! {
    /// A customer of the platform. Several may claim the same name.
    TenantId;
    /// A tenant's claim on a name.
    DomainId;
    /// A certificate.
    CertificateId;
    /// A certificate order.
    OrderId;
    /// A private key at rest.
    KeyId;
    /// A record that a tenant manages through us.
    RecordId;
    /// A purchase at a registrar.
    RegistrationId;
    /// One attempt to write to the store, for telling whether it was written.
    OperationId;
    /// One intended effect outside; a repetition carries the same id.
    EffectId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_32_lower_case_hexadecimal_characters_and_reads_back() {
        let id = DomainId::random(&OsRandom).unwrap();
        let text = id.to_string();
        assert_eq!(text.len(), 32);
        assert_eq!(text.parse(), Ok(id));
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<DomainId>(&json).unwrap(), id);
    }

    #[test]
    fn what_is_shared_or_boxed_is_a_source_of_chance_too() {
        #[derive(Debug)]
        struct Sevens;

        impl Random for Sevens {
            fn fill(&self, buffer: &mut [u8]) -> Result<()> {
                buffer.fill(7);
                Ok(())
            }
        }

        let shared: Arc<dyn Random> = Arc::new(Box::new(Sevens));
        assert_eq!(DomainId::random(&shared).unwrap().as_bytes(), &[7; 16]);
    }

    #[test]
    fn other_spellings_of_an_id_are_refused() {
        for text in [
            "",
            "0",
            "0123456789ABCDEF0123456789abcdef",
            "0123456789abcdef0123456789abcde",
            "g123456789abcdef0123456789abcdef",
        ] {
            assert!(text.parse::<DomainId>().is_err(), "{text}");
        }
    }
}
