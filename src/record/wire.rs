//! The fields of data on the wire, RFC 1035 section 3, uncompressed.

use super::{
    error::{Kind, Problem},
    scan::STRING_LIMIT,
};
use crate::name::DnsName;

/// Longest data of a record, RFC 1035 section 3.2.1.
pub(super) const DATA_LIMIT: usize = 65_535;

/// Longest label, RFC 1035 section 2.3.4: a larger first octet starts a compression pointer.
const LABEL_LIMIT: u8 = 63;

/// Data of one type, as on the wire.
///
/// The reader refuses what is left over, so `read` reads its own fields and no more.
pub(super) trait Wire: Sized {
    /// Reads the fields.
    fn read(wire: &mut Reader<'_>) -> Result<Self, Problem>;

    /// Appends the fields.
    fn write(&self, wire: &mut Vec<u8>);
}

impl<T: Wire> Wire for Box<T> {
    fn read(wire: &mut Reader<'_>) -> Result<Self, Problem> {
        T::read(wire).map(Self::new)
    }

    fn write(&self, wire: &mut Vec<u8>) {
        T::write(self, wire);
    }
}

/// Splits octets into fields.
pub(super) struct Reader<'a> {
    octets: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self { octets, position: 0 }
    }

    /// Returns where the next field starts.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// Returns whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.position >= self.octets.len()
    }

    /// Returns the problem with a field that starts at `offset`.
    pub(super) fn problem(field: &'static str, offset: usize, kind: Kind) -> Problem {
        Problem { field, offset: Some(offset), kind }
    }

    /// Returns the next `len` octets.
    pub(super) fn take(&mut self, field: &'static str, len: usize) -> Result<&'a [u8], Problem> {
        let rest = self.octets.get(self.position..).unwrap_or_default();
        let taken =
            rest.get(..len).ok_or_else(|| Self::problem(field, self.position, Kind::WireEnd))?;
        self.position += len;
        Ok(taken)
    }

    /// Returns all octets that are left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        let rest = self.octets.get(self.position..).unwrap_or_default();
        self.position = self.octets.len();
        rest
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Problem> {
        let offset = self.position;
        let taken = self.take(field, N)?;
        taken.try_into().map_err(|_| Self::problem(field, offset, Kind::WireEnd))
    }

    pub(super) fn u8(&mut self, field: &'static str) -> Result<u8, Problem> {
        self.array(field).map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self, field: &'static str) -> Result<u16, Problem> {
        self.array(field).map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self, field: &'static str) -> Result<u32, Problem> {
        self.array(field).map(u32::from_be_bytes)
    }

    pub(super) fn u128(&mut self, field: &'static str) -> Result<u128, Problem> {
        self.array(field).map(u128::from_be_bytes)
    }

    /// Reads a character-string, RFC 1035 section 3.3.
    pub(super) fn string(&mut self, field: &'static str) -> Result<&'a [u8], Problem> {
        let len = self.u8(field)?;
        self.take(field, len.into())
    }

    /// Reads an uncompressed name.
    pub(super) fn name(&mut self, field: &'static str) -> Result<DnsName, Problem> {
        let offset = self.position;
        let mut labels = Vec::new();
        loop {
            match self.u8(field)? {
                0 => break,
                len if len > LABEL_LIMIT => {
                    return Err(Self::problem(field, offset, Kind::PlainName));
                }
                len => labels.push(self.take(field, len.into())?),
            }
        }
        DnsName::from_labels(labels).map_err(|error| Self::problem(field, offset, error.into()))
    }

    /// Checks that nothing is left.
    pub(super) fn end(self) -> Result<(), Problem> {
        if self.is_empty() {
            return Ok(());
        }
        Err(Self::problem("data", self.position, Kind::WireRest))
    }
}

/// Appends a character-string, of which at most 255 octets can be written.
pub(super) fn write_string(string: &[u8], wire: &mut Vec<u8>) {
    let string = string.get(..STRING_LIMIT).unwrap_or(string);
    wire.push(u8::try_from(string.len()).unwrap_or(u8::MAX));
    wire.extend_from_slice(string);
}
