//! All records of one owner and type.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{DnsRecord, RecordData, RecordDataError, RecordType, Ttl, wire::DATA_LIMIT};
use crate::name::DnsName;

/// The records of one owner and type, with one TTL, RFC 2181 section 5.
///
/// Never empty; no data twice; sorted, so that equality does not depend on the order.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct RecordSet {
    name: DnsName,
    record_type: RecordType,
    ttl: Ttl,
    data: Data,
}

/// The data of a set: most sets have one record, which needs no allocation.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Data {
    One(RecordData),
    /// Two or more, sorted.
    Many(Box<[RecordData]>),
}

/// Why records do not make a set.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(transparent)]
pub struct RecordSetError(#[from] Problem);

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
enum Problem {
    #[error("a record set is not empty")]
    Empty,
    #[error("a record set has one type, not {0} and {1}")]
    Mixed(RecordType, RecordType),
    #[error("an owner has at most one {0} record")]
    Several(RecordType),
    #[error("data is longer than the 65535 octets of a record")]
    TooLong,
}

impl RecordSet {
    /// Creates a set. The type is that of the data; what is there twice counts once.
    ///
    /// # Errors
    ///
    /// [`RecordSetError`] if there is no data, data of several types, data too long for a record, or
    /// more than one CNAME (RFC 2181 section 10.1), DNAME (RFC 6672 section 2.4) or SOA (RFC 1035
    /// section 5.2).
    pub fn new(
        name: DnsName,
        ttl: Ttl,
        data: impl IntoIterator<Item = RecordData>,
    ) -> Result<Self, RecordSetError> {
        let mut data = data.into_iter();
        let first = data.next().ok_or(Problem::Empty)?;
        let record_type = first.record_type();
        let data = match data.next() {
            None => Data::One(first),
            Some(second) => Data::of([first, second].into_iter().chain(data).collect()),
        };
        for each in data.as_slice() {
            if each.record_type() != record_type {
                return Err(Problem::Mixed(record_type, each.record_type()).into());
            }
            if matches!(each, RecordData::Txt(txt) if txt.wire_len() > DATA_LIMIT) {
                return Err(Problem::TooLong.into());
            }
        }
        let single = matches!(record_type, RecordType::Cname | RecordType::Dname | RecordType::Soa);
        if single && matches!(data, Data::Many(_)) {
            return Err(Problem::Several(record_type).into());
        }
        Ok(Self { name, record_type, ttl, data })
    }

    /// Returns the owner.
    pub fn name(&self) -> &DnsName {
        &self.name
    }

    /// Returns the type of all the data.
    pub fn record_type(&self) -> RecordType {
        self.record_type
    }

    /// Returns how long the set may be cached.
    pub fn ttl(&self) -> Ttl {
        self.ttl
    }

    /// Returns the data, sorted; never empty.
    pub fn data(&self) -> &[RecordData] {
        self.data.as_slice()
    }

    /// Returns the records of the set.
    pub fn records(&self) -> impl ExactSizeIterator<Item = DnsRecord> {
        self.data().iter().map(|data| DnsRecord::new(self.name.clone(), self.ttl, data.clone()))
    }

    /// Returns whether a record of the set has this data.
    pub fn contains(&self, data: &RecordData) -> bool {
        self.data().binary_search(data).is_ok()
    }

    /// Returns the set with `data` added.
    ///
    /// # Errors
    ///
    /// Those of [`RecordSet::new`].
    pub fn with(&self, data: RecordData) -> Result<Self, RecordSetError> {
        Self::new(self.name.clone(), self.ttl, self.data().iter().cloned().chain([data]))
    }

    /// Returns the set without `data`, or `None` if nothing is left.
    pub fn without(&self, data: &RecordData) -> Option<Self> {
        let left = self.data().iter().filter(|each| *each != data).cloned();
        Self::new(self.name.clone(), self.ttl, left).ok()
    }

    /// Returns the set with another TTL.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = ttl;
        self
    }
}

impl Data {
    /// Sorts the data, and keeps the first of what means the same.
    fn of(mut data: Vec<RecordData>) -> Self {
        // Stable, so that it is the first.
        data.sort();
        data.dedup();
        match <[RecordData; 1]>::try_from(data) {
            Ok([one]) => Self::One(one),
            Err(data) => Self::Many(data.into()),
        }
    }

    fn as_slice(&self) -> &[RecordData] {
        match self {
            Self::One(data) => std::slice::from_ref(data),
            Self::Many(data) => data,
        }
    }
}

/// The stored form: the type once, and presentation texts.
#[derive(Deserialize, Serialize)]
struct Stored {
    name: DnsName,
    r#type: RecordType,
    ttl: Ttl,
    values: Vec<String>,
}

impl Serialize for RecordSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Stored {
            name: self.name.clone(),
            r#type: self.record_type,
            ttl: self.ttl,
            values: self.data().iter().map(ToString::to_string).collect(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RecordSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Stored { name, r#type, ttl, values } = Stored::deserialize(deserializer)?;
        let data: Result<Vec<_>, RecordDataError> =
            values.iter().map(|value| RecordData::parse(r#type, value)).collect();
        Self::new(name, ttl, data.map_err(D::Error::custom)?).map_err(D::Error::custom)
    }
}
