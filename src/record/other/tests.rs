use proptest::prelude::*;

use super::TYPES;
use crate::record::{RecordData, RecordType};

fn parse(record_type: &str, text: &str) -> Result<String, String> {
    let record_type = record_type.parse().unwrap();
    RecordData::parse(record_type, text).map(|d| d.to_string()).map_err(|e| e.to_string())
}

#[test]
fn texts_of_types_without_a_name_here_are_read_as_octets() {
    for (record_type, text, shown) in [
        ("HINFO", r#"PC "Linux \065""#, r"\# 11 025043074c696e75782041"),
        ("TYPE13", "a b", r"\# 4 01610162"),
        ("spf", r#""v=spf1" "-all""#, r"\# 12 06763d73706631042d616c6c"),
        ("RP", "Mbox.a. .", r"\# 9 046d626f7801610000"),
        ("AFSDB", "1 a.", r"\# 5 0001016100"),
        ("CERT", "pkix 1 RSASHA256 AQ ID", r"\# 8 0001000108010203"),
        ("DNSKEY", "257 3 8 AQIDBA==", r"\# 8 0101030801020304"),
        ("CDNSKEY", "0 3 0 AA==", r"\# 5 0000030000"),
        ("CDS", "0 0 0 00", r"\# 5 0000000000"),
        (
            "RRSIG",
            "A 5 3 86400 20030322173103 1045762263 2642 Example.com. AQID",
            r"\# 34 00010503000151803e7c9dd73e5510d70a52076578616d706c6503636f6d00010203",
        ),
        (
            "RRSIG",
            "A 8 2 60 21060207062816 0 1 . AA==",
            r"\# 20 000108020000003c000000000000000000010000",
        ),
        // RFC 4034 section 4.3.
        (
            "NSEC",
            "host.example.com. A MX RRSIG NSEC TYPE1234",
            concat!(
                r"\# 55 04686f7374076578616d706c6503636f6d00",
                "0006400100000003041b000000000000000000000000000000000000000000000000000020",
            ),
        ),
        (
            "NSEC3",
            "1 1 12 aabbccdd 2T7b4g4vsa5smi47k61mv5bv1a22bojr A",
            r"\# 33 0101000c04aabbccdd14174eb2409fe28bcb4887a1836f957f0a8425e27b000140",
        ),
        ("NSEC3PARAM", "1 0 0 -", r"\# 5 0100000000"),
        ("SMIMEA", "3 0 0 ab cd", r"\# 5 030000abcd"),
        ("CSYNC", "66 3 A NS AAAA", r"\# 12 000000420003000460000008"),
        ("ZONEMD", "1 1 1 ab", r"\# 7 000000010101ab"),
        ("NID", "10 0014:4fff:ff20:ee64", r"\# 10 000a00144fffff20ee64"),
        ("L32", "10 10.1.2.0", r"\# 6 000a0a010200"),
        ("EUI48", "00-00-5e-00-53-2A", r"\# 6 00005e00532a"),
        ("EUI64", "00-00-5e-ef-10-00-00-2a", r"\# 8 00005eef1000002a"),
        ("URI", r#"10 1 "ftp://a/""#, r"\# 12 000a00016674703a2f2f612f"),
        ("APL", r"\# 0", r"\# 0"),
    ] {
        assert_eq!(parse(record_type, text).as_deref(), Ok(shown), "{record_type} {text}");
        assert_eq!(parse(record_type, shown).as_deref(), Ok(shown), "{record_type} {shown}");
    }
}

#[test]
fn what_does_not_fit_the_fields_of_such_a_type_is_refused() {
    for (record_type, text, shown) in [
        ("HINFO", "a", "TYPE13 data: missing"),
        ("HINFO", "a b c", "TYPE13 data: text after the last field"),
        ("SPF", "", "TYPE99 data: missing"),
        ("DNSKEY", "257 3 8 AQI", "TYPE48 data: not base64 with its padding"),
        ("NSEC", "a. FOO", "TYPE47 data: not a type of record, as AAAA or TYPE731"),
        ("NSEC", "a. ALIAS", "TYPE47 data: not a type of record, as AAAA or TYPE731"),
        (
            "RRSIG",
            "A 8 2 60 20260230000000 0 1 . AA==",
            "TYPE46 data: not a time as 20261231235959, nor a number of seconds up to 4294967295",
        ),
        (
            "NSEC3",
            "1 0 0 - xyz A",
            "TYPE50 data: not base32 with the digits 0 to 9 and A to V, without padding",
        ),
        ("NSEC3PARAM", "1 0 0 abc", "TYPE51 data: pairs of hex digits"),
        ("EUI48", "00-00-5e-00-53", "TYPE108 data: not 6 pairs of hex digits with hyphens between"),
        (
            "NID",
            "10 14:4fff:ff20:ee64",
            "TYPE104 data: not four groups of four hex digits with colons between",
        ),
        (
            "L32",
            "10 10.1.2",
            "TYPE105 data: an IPv4 address is four numbers from 0 to 255, as in 192.0.2.1",
        ),
        ("URI", r#"10 1 """#, "TYPE256 data: missing"),
        (
            "APL",
            "1:192.0.2.0/24",
            r"TYPE42 data: data of an unknown type are written `\# 3 abcdef`: length and hex digits",
        ),
    ] {
        assert_eq!(parse(record_type, text).unwrap_err(), shown, "{record_type} {text}");
    }
}

#[test]
fn no_type_of_the_list_has_a_name_of_its_own() {
    for (mnemonic, code, _) in TYPES {
        let record_type: RecordType = mnemonic.to_ascii_lowercase().parse().unwrap();
        assert_eq!(record_type, RecordType::from_code(*code));
        assert!(matches!(record_type, RecordType::Unknown(_)), "{mnemonic}");
        assert_eq!(TYPES.iter().filter(|(_, other, _)| other == code).count(), 1, "{mnemonic}");
    }
}

proptest! {
    #[test]
    fn no_text_panics_and_what_is_read_reads_back(
        at in 0..TYPES.len(),
        words in prop::collection::vec(
            prop_oneof![
                "[ -~]{0,6}",
                "[0-9]{1,14}",
                Just("a.".to_owned()),
                Just("AQID".to_owned()),
                Just("MX".to_owned()),
                Just("-".to_owned()),
            ],
            0..10,
        ),
    ) {
        let record_type = RecordType::from_code(TYPES[at].1);
        if let Ok(data) = RecordData::parse(record_type, &words.join(" ")) {
            prop_assert_eq!(RecordData::parse(record_type, &data.to_string()), Ok(data));
        }
    }
}
