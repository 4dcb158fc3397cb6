//! DS, SSHFP and TLSA: data that pin a key or a certificate, most often by its digest.

use std::fmt;

use super::{
    RecordDataError, RecordType,
    error::{Kind, Problem},
    scan::{Field, Fields, Presentation},
    unknown::write_hex,
    wire::{DATA_LIMIT, Reader, Wire},
};

/// The mnemonics of RFC 4034 appendix A.1 and of later entries of the registry at IANA.
const ALGORITHMS: [(&str, u8); 22] = [
    ("RSAMD5", 1),
    ("DH", 2),
    ("DSA", 3),
    ("ECC", 4),
    ("RSASHA1", 5),
    ("DSA-NSEC3-SHA1", 6),
    ("RSASHA1-NSEC3-SHA1", 7),
    ("RSASHA256", 8),
    ("RSASHA512", 10),
    ("ECC-GOST", 12),
    ("ECDSAP256SHA256", 13),
    ("ECDSAP384SHA384", 14),
    ("ED25519", 15),
    ("ED448", 16),
    ("SM2SM3", 17),
    ("ECC-GOST12", 23),
    ("INDIRECT", 252),
    ("PRIVATEDNS", 253),
    ("PRIVATEOID", 254),
    // As BIND writes those with a hyphen.
    ("NSEC3DSA", 6),
    ("NSEC3RSASHA1", 7),
    ("ECCGOST", 12),
];

/// The digest of a key that signs a delegated zone, RFC 4034 section 5.
///
/// The algorithm is also read as its mnemonic, and shown as its number.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ds {
    key_tag: u16,
    algorithm: u8,
    digest_type: u8,
    digest: Box<[u8]>,
}

impl Ds {
    /// Creates the data, with its fields in the order of the RFC and of a zone file.
    ///
    /// # Errors
    ///
    /// [`RecordDataError`] if the digest is empty, too long for a record, or not as long as its type
    /// calls for: 20 octets for SHA-1 (1), 32 for SHA-256 (2, RFC 4509), 48 for SHA-384 (4, RFC
    /// 6605). Those of other types have any length.
    pub fn new(
        key_tag: u16,
        algorithm: u8,
        digest_type: u8,
        digest: impl Into<Box<[u8]>>,
    ) -> Result<Self, RecordDataError> {
        Self { key_tag, algorithm, digest_type, digest: digest.into() }
            .check()
            .map_err(|kind| RecordDataError::new(RecordType::Ds, Problem::of("digest", kind)))
    }

    /// Returns the tag of the key, RFC 4034 appendix B.
    pub fn key_tag(&self) -> u16 {
        self.key_tag
    }

    /// Returns the number of the algorithm of the key.
    pub fn algorithm(&self) -> u8 {
        self.algorithm
    }

    /// Returns the number of the algorithm of the digest.
    pub fn digest_type(&self) -> u8 {
        self.digest_type
    }

    /// Returns the digest, never empty.
    pub fn digest(&self) -> &[u8] {
        &self.digest
    }

    fn check(self) -> Result<Self, Kind> {
        let expected = match self.digest_type {
            1 => Some(20),
            2 => Some(32),
            4 => Some(48),
            _ => None,
        };
        if let Some(expected) = expected
            && self.digest.len() != expected
        {
            return Err(Kind::DigestLength { expected });
        }
        check_octets(&self.digest)?;
        Ok(self)
    }
}

impl Presentation for Ds {
    fn scan(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        let key_tag = fields.next("key tag")?.number(u16::MAX)?;
        let algorithm = algorithm(&fields.next("algorithm")?)?;
        let digest_type = fields.next("digest type")?.number(u8::MAX)?;
        let (start, digest) = fields.hex("digest")?;
        Self { key_tag, algorithm, digest_type, digest }.check().map_err(|kind| start.problem(kind))
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} ", self.key_tag, self.algorithm, self.digest_type)?;
        write_hex(&self.digest, f)
    }
}

impl Wire for Ds {
    fn read(wire: &mut Reader<'_>) -> Result<Self, Problem> {
        let key_tag = wire.u16("key tag")?;
        let algorithm = wire.u8("algorithm")?;
        let digest_type = wire.u8("digest type")?;
        let start = wire.position();
        let digest = wire.rest().into();
        Self { key_tag, algorithm, digest_type, digest }
            .check()
            .map_err(|kind| Reader::problem("digest", start, kind))
    }

    fn write(&self, wire: &mut Vec<u8>) {
        wire.extend(self.key_tag.to_be_bytes());
        wire.extend([self.algorithm, self.digest_type]);
        wire.extend_from_slice(&self.digest);
    }
}

/// The fingerprint of the key of an SSH server, RFC 4255.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Sshfp {
    algorithm: u8,
    fingerprint_type: u8,
    fingerprint: Box<[u8]>,
}

impl Sshfp {
    /// Creates the data, with its fields in the order of the RFC and of a zone file.
    ///
    /// # Errors
    ///
    /// [`RecordDataError`] if the fingerprint is empty or too long for a record. One that is too
    /// short for its type is taken, as servers do: see [`is_whole`](Self::is_whole).
    pub fn new(
        algorithm: u8,
        fingerprint_type: u8,
        fingerprint: impl Into<Box<[u8]>>,
    ) -> Result<Self, RecordDataError> {
        let fingerprint = fingerprint.into();
        check_octets(&fingerprint).map_err(|kind| {
            RecordDataError::new(RecordType::Sshfp, Problem::of("fingerprint", kind))
        })?;
        Ok(Self { algorithm, fingerprint_type, fingerprint })
    }

    /// Returns the number of the algorithm of the key: 1 RSA, 2 DSA, 3 ECDSA (RFC 6594), 4 Ed25519
    /// (RFC 7479), 6 Ed448 (RFC 8709).
    pub fn algorithm(&self) -> u8 {
        self.algorithm
    }

    /// Returns the number of the algorithm of the fingerprint: 1 SHA-1, 2 SHA-256 (RFC 6594).
    pub fn fingerprint_type(&self) -> u8 {
        self.fingerprint_type
    }

    /// Returns the fingerprint, never empty.
    pub fn fingerprint(&self) -> &[u8] {
        &self.fingerprint
    }

    /// Returns whether the fingerprint is as long as its type calls for; true for other types.
    pub fn is_whole(&self) -> bool {
        match self.fingerprint_type {
            1 => self.fingerprint.len() == 20,
            2 => self.fingerprint.len() == 32,
            _ => true,
        }
    }
}

impl Presentation for Sshfp {
    fn scan(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        let algorithm = fields.next("algorithm")?.number(u8::MAX)?;
        let fingerprint_type = fields.next("fingerprint type")?.number(u8::MAX)?;
        let (start, fingerprint) = fields.hex("fingerprint")?;
        check_octets(&fingerprint).map_err(|kind| start.problem(kind))?;
        Ok(Self { algorithm, fingerprint_type, fingerprint })
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.algorithm, self.fingerprint_type)?;
        write_hex(&self.fingerprint, f)
    }
}

impl Wire for Sshfp {
    fn read(wire: &mut Reader<'_>) -> Result<Self, Problem> {
        let algorithm = wire.u8("algorithm")?;
        let fingerprint_type = wire.u8("fingerprint type")?;
        let start = wire.position();
        let fingerprint: Box<[u8]> = wire.rest().into();
        check_octets(&fingerprint).map_err(|kind| Reader::problem("fingerprint", start, kind))?;
        Ok(Self { algorithm, fingerprint_type, fingerprint })
    }

    fn write(&self, wire: &mut Vec<u8>) {
        wire.extend([self.algorithm, self.fingerprint_type]);
        wire.extend_from_slice(&self.fingerprint);
    }
}

/// The certificate or key that a TLS server has, RFC 6698 section 2 and RFC 7671.
///
/// The owner is `_port._protocol.name`, as in `_25._tcp.mail.example.com`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Tlsa {
    usage: u8,
    selector: u8,
    matching_type: u8,
    association: Box<[u8]>,
}

impl Tlsa {
    /// Creates the data, with its fields in the order of the RFC and of a zone file.
    ///
    /// # Errors
    ///
    /// [`RecordDataError`] if the association data are empty or too long for a record. A digest that
    /// is too short is taken, as servers do: see [`is_whole`](Self::is_whole).
    pub fn new(
        usage: u8,
        selector: u8,
        matching_type: u8,
        association: impl Into<Box<[u8]>>,
    ) -> Result<Self, RecordDataError> {
        let association = association.into();
        check_octets(&association).map_err(|kind| {
            RecordDataError::new(RecordType::Tlsa, Problem::of("association data", kind))
        })?;
        Ok(Self { usage, selector, matching_type, association })
    }

    /// Returns the usage: 0 PKIX-TA, 1 PKIX-EE, 2 DANE-TA, 3 DANE-EE (RFC 7218 section 2.1).
    pub fn usage(&self) -> u8 {
        self.usage
    }

    /// Returns what is compared: 0 the whole certificate, 1 its public key.
    pub fn selector(&self) -> u8 {
        self.selector
    }

    /// Returns how it is compared: 0 as it is, 1 by SHA-256, 2 by SHA-512.
    pub fn matching_type(&self) -> u8 {
        self.matching_type
    }

    /// Returns the association data: a certificate, a key, or the digest of one; never empty.
    pub fn association(&self) -> &[u8] {
        &self.association
    }

    /// Returns whether a digest is as long as its type calls for; true for other types.
    pub fn is_whole(&self) -> bool {
        match self.matching_type {
            1 => self.association.len() == 32,
            2 => self.association.len() == 64,
            _ => true,
        }
    }
}

impl Presentation for Tlsa {
    fn scan(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        let usage = fields.next("usage")?.number(u8::MAX)?;
        let selector = fields.next("selector")?.number(u8::MAX)?;
        let matching_type = fields.next("matching type")?.number(u8::MAX)?;
        let (start, association) = fields.hex("association data")?;
        check_octets(&association).map_err(|kind| start.problem(kind))?;
        Ok(Self { usage, selector, matching_type, association })
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} ", self.usage, self.selector, self.matching_type)?;
        write_hex(&self.association, f)
    }
}

impl Wire for Tlsa {
    fn read(wire: &mut Reader<'_>) -> Result<Self, Problem> {
        let usage = wire.u8("usage")?;
        let selector = wire.u8("selector")?;
        let matching_type = wire.u8("matching type")?;
        let start = wire.position();
        let association: Box<[u8]> = wire.rest().into();
        check_octets(&association)
            .map_err(|kind| Reader::problem("association data", start, kind))?;
        Ok(Self { usage, selector, matching_type, association })
    }

    fn write(&self, wire: &mut Vec<u8>) {
        wire.extend([self.usage, self.selector, self.matching_type]);
        wire.extend_from_slice(&self.association);
    }
}

/// Checks the octets at the end of a record, which has at most four in front of them.
fn check_octets(octets: &[u8]) -> Result<(), Kind> {
    match octets.len() {
        0 => Err(Kind::Missing),
        len if len + 4 > DATA_LIMIT => Err(Kind::TooLong),
        _ => Ok(()),
    }
}

/// Reads the algorithm of a key: its number, or its mnemonic in any case.
pub(super) fn algorithm(field: &Field<'_>) -> Result<u8, Problem> {
    let word = field.word()?;
    match ALGORITHMS.iter().find(|(mnemonic, _)| mnemonic.eq_ignore_ascii_case(word)) {
        Some((_, number)) => Ok(*number),
        None => field.number(u8::MAX),
    }
}

#[cfg(test)]
mod tests;
