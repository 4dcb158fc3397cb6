//! What holds of every input, for the fuzz targets and for the replay of their corpus.
//!
//! One function for each target. It takes any bytes, and panics where a property does not hold. The
//! targets feed it with what the fuzzer makes up, and `tests/corpus.rs`, which has this file as a
//! module, with the kept corpus.
#![expect(clippy::unwrap_used, reason = "a property that does not hold must panic")]

mod input;
mod names;
mod record_fields;
mod records;
mod suffixes;
mod zone_changes;
mod zone_file;

pub use names::names;
pub use record_fields::record_fields;
pub use records::{record_text, record_wire};
pub use suffixes::suffixes;
pub use zone_changes::zone_changes;
pub use zone_file::zone_file;
