//! The texts of types that have no data of their own here: read, and kept as octets.
//!
//! Zones of other people have them, and a file would otherwise be refused for one HINFO. They are
//! shown in the generic form of RFC 3597, which every server reads.

use std::net::Ipv4Addr;

use chrono::NaiveDate;
use data_encoding::{BASE32HEX_NOPAD, BASE64};

use super::{
    RecordType, UnknownData, UnknownType,
    digest::algorithm,
    error::{Kind, Problem},
    scan::{Field, Fields},
    wire::write_string,
};

/// What fields are called in errors; the offset says which one it is.
const DATA: &str = "data";

/// One field of the text, or the rest of it.
#[derive(Clone, Copy)]
enum Part {
    /// An IPv4 address.
    Address,
    /// The algorithm of a key, RFC 4034 appendix A.1.
    Algorithm,
    /// The rest: words of base64.
    Base64,
    /// The type of a certificate, RFC 4398 section 2.1.
    Certificate,
    /// So many octets in hex with hyphens between, RFC 7043 sections 3.2 and 4.2.
    Eui(usize),
    /// A hashed name in base32, RFC 5155 section 3.3.
    Hash,
    /// The rest: words of hex digits.
    Hex,
    /// 64 bits as four groups of hex digits with colons between, RFC 6742 section 2.1.2.
    Locator,
    Name,
    /// Hex digits, or `-` for none, RFC 5155 section 3.3.
    Salt,
    String,
    /// The rest: at least one string.
    Strings,
    /// A time as `YYYYMMDDHHmmSS` or in seconds, RFC 4034 section 3.2.
    Time,
    /// A type, RFC 4034 section 3.2.
    Type,
    /// The rest: types, for a bit map of RFC 4034 section 4.1.2.
    Types,
    U8,
    U16,
    U32,
    /// The rest as a string that may be long and has no length in front, RFC 7553 section 4.4.
    Uri,
}

use Part::{
    Address, Algorithm, Base64, Certificate, Eui, Hash, Hex, Locator, Name, Salt, String, Strings,
    Time, Type, Types, U8, U16, U32, Uri,
};

const DS: &[Part] = &[U16, Algorithm, U8, Hex];
const KEY: &[Part] = &[U16, U8, Algorithm, Base64];

/// Mnemonics, numbers and the fields of the text; none where only octets are read.
const TYPES: &[(&str, u16, &[Part])] = &[
    ("MB", 7, &[Name]),
    ("MG", 8, &[Name]),
    ("MR", 9, &[Name]),
    ("WKS", 11, &[]),
    ("HINFO", 13, &[String, String]),
    ("MINFO", 14, &[Name, Name]),
    ("RP", 17, &[Name, Name]),
    ("AFSDB", 18, &[U16, Name]),
    ("RT", 21, &[U16, Name]),
    ("NSAP", 22, &[]),
    ("KEY", 25, KEY),
    ("PX", 26, &[U16, Name, Name]),
    ("NXT", 30, &[]),
    ("KX", 36, &[U16, Name]),
    ("CERT", 37, &[Certificate, U16, Algorithm, Base64]),
    ("APL", 42, &[]),
    ("IPSECKEY", 45, &[]),
    ("RRSIG", 46, &[Type, Algorithm, U8, U32, Time, Time, U16, Name, Base64]),
    ("NSEC", 47, &[Name, Types]),
    ("DNSKEY", 48, KEY),
    ("DHCID", 49, &[Base64]),
    ("NSEC3", 50, &[U8, U8, U16, Salt, Hash, Types]),
    ("NSEC3PARAM", 51, &[U8, U8, U16, Salt]),
    ("SMIMEA", 53, &[U8, U8, U8, Hex]),
    ("HIP", 55, &[]),
    ("CDS", 59, DS),
    ("CDNSKEY", 60, KEY),
    ("OPENPGPKEY", 61, &[Base64]),
    ("CSYNC", 62, &[U32, U16, Types]),
    ("ZONEMD", 63, &[U32, U8, U8, Hex]),
    ("SPF", 99, &[Strings]),
    ("NID", 104, &[U16, Locator]),
    ("L32", 105, &[U16, Address]),
    ("L64", 106, &[U16, Locator]),
    ("LP", 107, &[U16, Name]),
    ("EUI48", 108, &[Eui(6)]),
    ("EUI64", 109, &[Eui(8)]),
    ("URI", 256, &[U16, U16, Uri]),
    ("AMTRELAY", 260, &[]),
    ("RESINFO", 261, &[Strings]),
    ("WALLET", 262, &[Strings]),
    ("DLV", 32_769, DS),
];

/// The types of certificates, RFC 4398 section 2.1.
const CERTIFICATES: &[(&str, u16)] = &[
    ("PKIX", 1),
    ("SPKI", 2),
    ("PGP", 3),
    ("IPKIX", 4),
    ("ISPKI", 5),
    ("IPGP", 6),
    ("ACPKIX", 7),
    ("IACPKIX", 8),
    ("URI", 253),
    ("OID", 254),
];

/// Returns the number of a type that is read and has no name of its own here, in any case.
pub(super) fn code(mnemonic: &str) -> Option<u16> {
    let found = TYPES.iter().find(|(known, ..)| known.eq_ignore_ascii_case(mnemonic));
    found.map(|(_, code, _)| *code)
}

/// Reads the text of a type, if its fields are known.
pub(super) fn scan(unknown: UnknownType, fields: &mut Fields<'_>) -> Result<UnknownData, Problem> {
    let parts = TYPES.iter().find(|(_, code, _)| *code == unknown.code()).map(|(.., parts)| *parts);
    let Some(parts) = parts.filter(|parts| !parts.is_empty()) else {
        return Err(Problem::of(DATA, Kind::Generic));
    };
    let mut wire = Vec::new();
    for part in parts {
        part.scan(fields, &mut wire)?;
    }
    UnknownData::build(unknown, wire.into())
}

impl Part {
    /// Reads the part, and appends its octets.
    fn scan(self, fields: &mut Fields<'_>, wire: &mut Vec<u8>) -> Result<(), Problem> {
        if matches!(self, Types) {
            return types(fields, wire);
        }
        if matches!(self, Hex) {
            let (_, octets) = fields.hex(DATA)?;
            wire.extend_from_slice(&octets);
            return Ok(());
        }
        let field = fields.next(DATA)?;
        match self {
            Address => {
                let address: Option<Ipv4Addr> = field.word()?.parse().ok();
                wire.extend(address.ok_or_else(|| field.problem(Kind::Address4))?.octets());
            }
            Algorithm => wire.push(algorithm(&field)?),
            Base64 => {
                let text = fields.joined(&field, DATA)?;
                let octets = BASE64.decode(text.as_bytes());
                wire.extend(octets.map_err(|_| field.problem(Kind::Base64))?);
            }
            Certificate => wire.extend(certificate(&field)?.to_be_bytes()),
            Eui(len) => {
                let octets = groups(field.word()?, '-', 2);
                let octets = octets.filter(|octets| octets.len() == len);
                wire.extend(octets.ok_or_else(|| field.problem(Kind::Eui { len }))?);
            }
            Hash => {
                let text = field.word()?.to_ascii_uppercase();
                let octets = BASE32HEX_NOPAD.decode(text.as_bytes()).ok();
                let octets = octets.filter(|octets| (1..=255).contains(&octets.len()));
                write_string(&octets.ok_or_else(|| field.problem(Kind::Base32))?, wire);
            }
            Locator => {
                let octets = groups(field.word()?, ':', 4).filter(|octets| octets.len() == 8);
                wire.extend(octets.ok_or_else(|| field.problem(Kind::Locator))?);
            }
            Name => wire.extend(field.name()?.to_wire()),
            Salt => {
                let text = field.word()?;
                let octets = if text == "-" { Ok(Vec::new()) } else { hex::decode(text) };
                let octets = octets.ok().filter(|octets| octets.len() <= 255);
                write_string(&octets.ok_or_else(|| field.problem(Kind::Hex))?, wire);
            }
            String => write_string(&field.string()?, wire),
            Strings => {
                write_string(&field.string()?, wire);
                while let Some(field) = fields.try_next(DATA)? {
                    write_string(&field.string()?, wire);
                }
            }
            Time => wire.extend(time(&field)?.to_be_bytes()),
            Type => wire.extend(type_code(&field)?.to_be_bytes()),
            U8 => wire.push(field.number(u8::MAX)?),
            U16 => wire.extend(field.number(u16::MAX)?.to_be_bytes()),
            U32 => wire.extend(field.number(u32::MAX)?.to_be_bytes()),
            Uri => {
                let octets = field.octets()?;
                if octets.is_empty() {
                    return Err(field.problem(Kind::Missing));
                }
                wire.extend(octets);
            }
            Hex | Types => {}
        }
        Ok(())
    }
}

/// Reads the type of a certificate: its mnemonic in any case, or its number.
fn certificate(field: &Field<'_>) -> Result<u16, Problem> {
    let word = field.word()?;
    match CERTIFICATES.iter().find(|(mnemonic, _)| mnemonic.eq_ignore_ascii_case(word)) {
        Some((_, number)) => Ok(*number),
        None => field.number(u16::MAX),
    }
}

/// Reads groups of so many hex digits with a separator between.
fn groups(text: &str, separator: char, digits: usize) -> Option<Vec<u8>> {
    let groups = text
        .split(separator)
        .map(|group| if group.len() == digits { hex::decode(group).ok() } else { None });
    Some(groups.collect::<Option<Vec<_>>>()?.concat())
}

fn type_code(field: &Field<'_>) -> Result<u16, Problem> {
    let parsed: Option<RecordType> = field.word()?.parse().ok();
    parsed.and_then(RecordType::code).ok_or_else(|| field.problem(Kind::Type))
}

/// Reads a time that wraps around after 2^32 seconds.
fn time(field: &Field<'_>) -> Result<u32, Problem> {
    let text = field.word()?;
    // More digits than a number of seconds has.
    if text.len() != 14 {
        return field.number(u32::MAX).map_err(|_| field.problem(Kind::Time));
    }
    let part = |from: usize, to: usize| -> Option<u32> {
        text.get(from..to).filter(|part| part.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
    };
    let seconds = || {
        let date =
            NaiveDate::from_ymd_opt(i32::try_from(part(0, 4)?).ok()?, part(4, 6)?, part(6, 8)?)?;
        let time = date.and_hms_opt(part(8, 10)?, part(10, 12)?, part(12, 14)?)?;
        u32::try_from(time.and_utc().timestamp().rem_euclid(1 << 32)).ok()
    };
    seconds().ok_or_else(|| field.problem(Kind::Time))
}

/// Reads the types that are left as windows of bits, RFC 4034 section 4.1.2.
fn types(fields: &mut Fields<'_>, wire: &mut Vec<u8>) -> Result<(), Problem> {
    let mut codes = Vec::new();
    while let Some(field) = fields.try_next(DATA)? {
        codes.push(type_code(&field)?);
    }
    codes.sort_unstable();
    for window in codes.chunk_by(|a, b| a >> 8 == b >> 8) {
        let mut bits = Vec::new();
        for code in window {
            let [_, low] = code.to_be_bytes();
            let at = usize::from(low / 8);
            if bits.len() <= at {
                bits.resize(at + 1, 0_u8);
            }
            if let Some(octet) = bits.get_mut(at) {
                *octet |= 0x80 >> (low % 8);
            }
        }
        let [high, _] = window.first().copied().unwrap_or_default().to_be_bytes();
        wire.push(high);
        write_string(&bits, wire);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
