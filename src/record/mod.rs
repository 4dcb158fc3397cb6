//! Records: typed data, and the presentation text of RFC 1035 section 5 both ways.
//!
//! [`DnsRecord`] is one record, [`RecordSet`] all records of one owner and type (RFC 2181 section
//! 5), and [`RecordData`] what they say. The list of types stands in `data.rs`; each group of types has
//! a file of its own.

mod address;
#[cfg(test)]
pub(crate) mod arbitrary;
mod caa;
mod data;
mod digest;
mod error;
mod fields;
mod loc;
mod monitor;
mod mx;
mod naptr;
mod other;
mod provider;
mod reference;
mod scan;
mod set;
mod soa;
mod srv;
mod svcb;
mod target;
mod ttl;
mod txt;
mod types;
mod unknown;
mod wire;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::name::DnsName;

pub use caa::Caa;
pub use data::{RecordData, RecordType};
pub use digest::{Ds, Sshfp, Tlsa};
pub use error::RecordDataError;
pub use fields::{
    Field, FieldCode, FieldError, FieldErrors, FieldRule, Profile, RecordFields, RecordReply,
    ReplyId, ReplyIdError, Row, TypeField,
};
pub use loc::Loc;
pub use monitor::{Monitor, MonitorError, MonitorStatus};
pub use mx::Mx;
pub use naptr::Naptr;
pub use provider::ProviderValue;
pub use reference::TypeReference;
pub use set::{RecordSet, RecordSetError};
pub use soa::Soa;
pub use srv::Srv;
pub use svcb::{SvcParam, SvcParamKey, SvcParamKeyError, Svcb};
pub(crate) use target::write_escaped;
pub use ttl::{Ttl, TtlError};
pub use txt::Txt;
pub use types::{RecordTypeError, UnknownType};
pub use unknown::UnknownData;

/// One record: an owner, how long it may be cached, and typed data.
///
/// A DNS service may attach three things that are not DNS: a weight, a monitor and a comment. They
/// are part of the record that a customer edits, and of no [`RecordSet`].
///
/// Shown as a line of a zone file, without what is attached. The order is by owner, type, data and
/// TTL, then by what is attached.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct DnsRecord {
    name: DnsName,
    #[serde(flatten)]
    data: RecordData,
    ttl: Ttl,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    monitor: Option<Monitor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    comment: Option<Box<str>>,
}

impl DnsRecord {
    /// Creates a record with nothing attached.
    pub fn new(name: DnsName, ttl: Ttl, data: RecordData) -> Self {
        Self { name, data, ttl, weight: None, monitor: None, comment: None }
    }

    /// Attaches the share of the answers that this record gets among those of its name and type.
    ///
    /// An SRV record has its weight in its data, RFC 2782, and this one means nothing there.
    #[must_use]
    pub fn with_weight(mut self, weight: u16) -> Self {
        self.weight = Some(weight);
        self
    }

    /// Attaches the check of the host behind the record.
    #[must_use]
    pub fn with_monitor(mut self, monitor: Monitor) -> Self {
        self.monitor = Some(monitor);
        self
    }

    /// Attaches a remark for people.
    #[must_use]
    pub fn with_comment(mut self, comment: impl Into<Box<str>>) -> Self {
        self.comment = Some(comment.into());
        self
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

    /// Returns the attached weight.
    pub fn weight(&self) -> Option<u16> {
        self.weight
    }

    /// Returns the attached check.
    pub fn monitor(&self) -> Option<Monitor> {
        self.monitor
    }

    /// Returns the attached remark.
    pub fn comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// Takes the record apart, and drops what is attached.
    pub fn into_parts(self) -> (DnsName, Ttl, RecordData) {
        (self.name, self.ttl, self.data)
    }
}

impl fmt::Display for DnsRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, data, ttl, .. } = self;
        target::write_absolute(name, f)?;
        write!(f, " {ttl} IN {} {data}", data.record_type())
    }
}

#[cfg(test)]
mod tests;
