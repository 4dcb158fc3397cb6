//! Text and DER forms that the crate has to write itself.

use data_encoding::{BASE64, BASE64URL_NOPAD};

/// Writes bytes as base64url without padding, as RFC 8555 does everywhere.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

/// Writes bytes as base32 (RFC 4648 section 6) in lower case without padding, for labels.
pub(crate) fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut buffer, mut bits) = (0_u32, 0_u32);
    let digit = |index: u32| match (index & 31) as u8 {
        index @ 0..26 => char::from(b'a' + index),
        index => char::from(b'2' + (index - 26)),
    };
    for byte in bytes {
        buffer = ((buffer << 8) | u32::from(*byte)) & 0xffff;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(digit(buffer >> bits));
        }
    }
    if bits > 0 {
        text.push(digit(buffer << (5 - bits)));
    }
    text
}

/// Writes one PEM block (RFC 7468), with its final line break.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let digits = BASE64.encode(der);
    let mut text = String::with_capacity(digits.len() + digits.len() / 64 + 2 * label.len() + 40);
    text.extend(["-----BEGIN ", label, "-----\n"]);
    let mut rest = digits.as_str();
    while let Some((line, tail)) = rest.split_at_checked(64)
        && !tail.is_empty()
    {
        text.extend([line, "\n"]);
        rest = tail;
    }
    text.extend([rest, "\n-----END ", label, "-----\n"]);
    text
}

/// Bytes as hexadecimal text, in lower case, for `serde(with)`.
///
/// What `hex::serde` does, which writes one character after the other.
pub(crate) mod hex_text {
    use data_encoding::HEXLOWER;
    use serde::Serializer;

    pub(crate) use hex::serde::deserialize;

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&HEXLOWER.encode(bytes))
    }
}

/// A writer of DER (X.690), as far as certificates and requests need it.
pub(crate) mod der {
    use chrono::{Datelike, TimeZone, Utc};

    use crate::clock::Timestamp;

    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const UTF8_STRING: u8 = 0x0c;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;
    /// A constructed element in the context of its parent, number 0.
    pub(crate) const CONTEXT_0: u8 = 0xa0;
    /// The same, number 3.
    pub(crate) const CONTEXT_3: u8 = 0xa3;
    /// `dNSName` of a `GeneralName` (RFC 5280 section 4.2.1.6).
    const DNS_NAME: u8 = 0x82;

    /// Object identifiers, as complete elements.
    pub(crate) mod oid {
        /// 2.5.29.17
        pub(crate) const SUBJECT_ALT_NAME: &[u8] = &[6, 3, 0x55, 0x1d, 0x11];
        /// 2.5.29.15
        pub(crate) const KEY_USAGE: &[u8] = &[6, 3, 0x55, 0x1d, 0x0f];
        /// 2.5.29.19
        pub(crate) const BASIC_CONSTRAINTS: &[u8] = &[6, 3, 0x55, 0x1d, 0x13];
        /// 2.5.29.37
        pub(crate) const EXTENDED_KEY_USAGE: &[u8] = &[6, 3, 0x55, 0x1d, 0x25];
        /// 1.3.6.1.5.5.7.3.1
        pub(crate) const SERVER_AUTH: &[u8] = &[6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1];
        /// 2.5.4.3
        pub(crate) const COMMON_NAME: &[u8] = &[6, 3, 0x55, 4, 3];
        /// 1.2.840.113549.1.9.14
        pub(crate) const EXTENSION_REQUEST: &[u8] =
            &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 14];
        /// 1.3.101.112 (RFC 8410)
        pub(crate) const ED25519: &[u8] = &[6, 3, 0x2b, 0x65, 0x70];
    }

    /// Writes one element that holds `parts`, one after the other.
    pub(crate) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        // The tag and the longest length.
        let mut bytes = Vec::with_capacity(2 + size_of::<usize>() + length);
        bytes.push(tag);
        if length < 0x80 {
            bytes.extend(u8::try_from(length));
        } else {
            let digits = length.to_be_bytes();
            let start = digits.iter().position(|digit| *digit != 0).unwrap_or(0);
            let digits = digits.get(start..).unwrap_or_default();
            bytes.extend(u8::try_from(digits.len()).map(|count| 0x80 | count));
            bytes.extend_from_slice(digits);
        }
        for part in parts {
            bytes.extend_from_slice(part);
        }
        bytes
    }

    /// Writes a sequence.
    pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
        element(SEQUENCE, parts)
    }

    /// Writes a bit string of whole bytes.
    pub(crate) fn bit_string(bytes: &[u8]) -> Vec<u8> {
        element(BIT_STRING, &[&[0], bytes])
    }

    /// Writes an instant as RFC 5280 section 4.1.2.5 asks, cut to the years that can be written.
    pub(crate) fn time(at: Timestamp) -> Vec<u8> {
        match at.year() {
            1950..=2049 => element(UTC_TIME, &[at.format("%y%m%d%H%M%SZ").to_string().as_bytes()]),
            0..=9999 => {
                element(GENERALIZED_TIME, &[at.format("%Y%m%d%H%M%SZ").to_string().as_bytes()])
            }
            year => {
                let end = if year < 0 { (0, 1, 1, 0, 0, 0) } else { (9999, 12, 31, 23, 59, 59) };
                let (year, month, day, hour, minute, second) = end;
                Utc.with_ymd_and_hms(year, month, day, hour, minute, second)
                    .single()
                    .map(time)
                    .unwrap_or_default()
            }
        }
    }

    /// Writes a name that consists of a common name.
    pub(crate) fn common_name(text: &str) -> Vec<u8> {
        let value = element(UTF8_STRING, &[text.as_bytes()]);
        sequence(&[&element(SET, &[&sequence(&[oid::COMMON_NAME, &value])])])
    }

    /// Writes an extension.
    pub(crate) fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
        let critical: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
        sequence(&[oid, critical, &element(OCTET_STRING, &[value])])
    }

    /// Writes the extension that lists names, critical if there is no subject.
    pub(crate) fn subject_alt_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
        let names: Vec<u8> =
            names.into_iter().flat_map(|name| element(DNS_NAME, &[name.as_bytes()])).collect();
        extension(oid::SUBJECT_ALT_NAME, true, &sequence(&[&names]))
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};

    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
            ("fooba", "Zm9vYmE"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64url(bytes.as_bytes()), text);
        }
        assert_eq!(base64url(&[0xfb, 0xff]), "-_8");
        assert_eq!(base64url(&[7; 32]).len(), 43);
    }

    #[test]
    fn pem_breaks_lines_after_64_characters_and_pads() {
        let text = pem("THING", &[0xff; 49]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "-----BEGIN THING-----");
        assert_eq!(lines[1].len(), 64);
        assert_eq!(lines[2], "/w==");
        assert_eq!(lines[3], "-----END THING-----");
        assert_eq!(lines.len(), 4);
    }

    #[test]
    fn pem_of_whole_lines_has_no_empty_one() {
        let text = pem("THING", &[0xff; 96]);
        let lines: Vec<usize> = text.lines().map(str::len).collect();
        assert_eq!(lines, [21, 64, 64, 19]);
    }

    #[test]
    fn hexadecimal_text_is_in_lower_case_and_read_in_both() {
        #[derive(Debug, PartialEq, serde::Deserialize, serde::Serialize)]
        struct Bytes(#[serde(with = "hex_text")] Vec<u8>);

        let text = serde_json::to_string(&Bytes(vec![0x00, 0xab])).unwrap();
        assert_eq!(text, "\"00ab\"");
        for text in ["\"00ab\"", "\"00AB\""] {
            assert_eq!(serde_json::from_str::<Bytes>(text).unwrap(), Bytes(vec![0x00, 0xab]));
        }
        assert!(serde_json::from_str::<Bytes>("\"0\"").is_err());
    }

    #[test]
    fn lengths_are_written_in_the_shortest_form() {
        assert_eq!(der::sequence(&[&[1; 5]])[..2], [0x30, 5]);
        assert_eq!(der::sequence(&[&[1; 200]])[..3], [0x30, 0x81, 200]);
        assert_eq!(der::sequence(&[&[1; 300]])[..4], [0x30, 0x82, 1, 44]);
    }

    #[test]
    fn instants_are_utc_time_until_2049_and_never_more_than_four_digits_of_year() {
        let at = |year| Utc.with_ymd_and_hms(year, 2, 3, 4, 5, 6).unwrap();
        assert_eq!(der::time(at(2049))[2..], *b"490203040506Z");
        assert_eq!(der::time(at(2050))[2..], *b"20500203040506Z");
        assert_eq!(der::time(Timestamp::MAX_UTC)[2..], *b"99991231235959Z");
        assert_eq!(der::time(Timestamp::MIN_UTC)[2..], *b"00000101000000Z");
    }
}
