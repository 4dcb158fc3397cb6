//! Instants in the body of a domain.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::clock::Timestamp;

/// An instant as a number of seconds, with a fraction where there is one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct At(pub(super) Timestamp);

/// Returns the instant that may be there.
pub(super) fn instant(at: Option<At>) -> Option<Timestamp> {
    at.map(|at| at.0)
}

impl At {
    /// Most seconds whose millionths a floating-point number can tell apart.
    const MOST: u64 = 1 << 32;

    fn from_fraction(seconds: f64) -> Option<Timestamp> {
        let micros = (seconds * 1e6).round();
        // Within the range in which such numbers are whole.
        (seconds.abs() < Self::MOST as f64)
            .then(|| Timestamp::from_timestamp_micros(micros as i64))
            .flatten()
    }
}

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let seconds = self.0.timestamp();
        let nanos = self.0.timestamp_subsec_nanos();
        if nanos == 0 {
            return serializer.serialize_i64(seconds);
        }
        if nanos.is_multiple_of(1000) && seconds.unsigned_abs() < Self::MOST {
            return serializer.serialize_f64(self.0.timestamp_micros() as f64 / 1e6);
        }
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;

        impl de::Visitor<'_> for Reading {
            type Value = Timestamp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("seconds since 1970, or an instant as text")
            }

            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Timestamp, E> {
                let unexpected = de::Unexpected::Signed(seconds);
                Timestamp::from_timestamp(seconds, 0)
                    .ok_or_else(|| E::invalid_value(unexpected, &self))
            }

            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Timestamp, E> {
                let unexpected = de::Unexpected::Unsigned(seconds);
                i64::try_from(seconds)
                    .ok()
                    .and_then(|seconds| Timestamp::from_timestamp(seconds, 0))
                    .ok_or_else(|| E::invalid_value(unexpected, &self))
            }

            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Timestamp, E> {
                At::from_fraction(seconds)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Float(seconds), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
                text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(Reading).map(Self)
    }
}
