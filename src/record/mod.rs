//! Records: typed data, and the presentation text of RFC 1035 section 5 both ways.
//!
//! [`DnsRecord`] is one record, [`RecordSet`] all records of one owner and type (RFC 2181 section
//! 5), and [`RecordData`] what they say. The list of types stands in `data.rs`; each group of types has
//! a file of its own.

mod address;
mod caa;
mod data;
mod scan;
mod set;
mod soa;
mod target;
mod ttl;
mod txt;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::name::DnsName;

pub use caa::Caa;
pub use data::{RecordData, RecordType, RecordTypeError};
pub use scan::RecordDataError;
pub use set::{RecordSet, RecordSetError};
pub use soa::Soa;
pub use ttl::{Ttl, TtlError};
pub use txt::Txt;

/// One record: an owner, how long it may be cached, and typed data.
///
/// Shown as a line of a zone file. The order is by owner, type, data and TTL.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct DnsRecord {
    name: DnsName,
    #[serde(flatten)]
    data: RecordData,
    ttl: Ttl,
}

impl DnsRecord {
    /// Creates a record.
    pub fn new(name: DnsName, ttl: Ttl, data: RecordData) -> Self {
        Self { name, data, ttl }
    }

    /// Returns the owner.
    pub fn name(&self) -> &DnsName {
        &self.name
    }

    /// Returns how long it may be cached.
    pub fn ttl(&self) -> Ttl {
        self.ttl
    }

    /// Returns the data.
    pub fn data(&self) -> &RecordData {
        &self.data
    }

    /// Returns the type of the data.
    pub fn record_type(&self) -> RecordType {
        self.data.record_type()
    }

    /// Takes the record apart.
    pub fn into_parts(self) -> (DnsName, Ttl, RecordData) {
        (self.name, self.ttl, self.data)
    }
}

impl fmt::Display for DnsRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, data, ttl } = self;
        target::write_absolute(name, f)?;
        write!(f, " {ttl} IN {} {data}", data.record_type())
    }
}

#[cfg(test)]
mod tests;
