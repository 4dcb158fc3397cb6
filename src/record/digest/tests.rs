use crate::record::{Ds, RecordData, RecordType, Sshfp, Tlsa};

fn shown(record_type: RecordType, text: &str) -> String {
    RecordData::parse(record_type, text).unwrap().to_string()
}

fn refusal(record_type: RecordType, text: &str) -> String {
    RecordData::parse(record_type, text).unwrap_err().to_string()
}

/// RFC 4034 section 5.4.
const DS: &str = "60485 5 1 2bb183af5f22588179a53b0a98631fad1a292118";

#[test]
fn the_example_of_rfc_4034_is_read_and_shown() {
    assert_eq!(shown(RecordType::Ds, "60485 5 1 2BB183AF5F22588179A53B0A 98631FAD1A292118"), DS);
    let RecordData::Ds(ds) = RecordData::parse(RecordType::Ds, DS).unwrap() else { panic!() };
    assert_eq!((ds.key_tag(), ds.algorithm(), ds.digest_type()), (60485, 5, 1));
    assert_eq!(ds.digest()[..4], [0x2b, 0xb1, 0x83, 0xaf]);
}

#[test]
fn the_algorithm_of_a_key_has_a_mnemonic() {
    for (mnemonic, number) in [
        ("RSASHA1", 5),
        ("rsasha256", 8),
        ("ECDSAP256SHA256", 13),
        ("ED25519", 15),
        ("ECC-GOST12", 23),
        ("NSEC3RSASHA1", 7),
        ("PRIVATEOID", 254),
        ("013", 13),
    ] {
        assert_eq!(
            shown(RecordType::Ds, &format!("1 {mnemonic} 9 aB")),
            format!("1 {number} 9 ab")
        );
    }
    assert_eq!(
        refusal(RecordType::Ds, "1 RSASHA3 9 ab"),
        "DS algorithm: not a number from 0 to 255"
    );
    // RFC 4034 section 5.3 gives the digest type no mnemonics.
    assert_eq!(
        refusal(RecordType::Ds, "1 1 SHA-1 ab"),
        "DS digest type: not a number from 0 to 255"
    );
}

#[test]
fn a_digest_is_as_long_as_its_type_calls_for() {
    for (digest_type, len) in [(1, 20), (2, 32), (4, 48)] {
        for octets in 0..60 {
            let is_taken = Ds::new(1, 2, digest_type, vec![0; octets]).is_ok();
            assert_eq!(is_taken, octets == len, "type {digest_type}, {octets} octets");
        }
    }
    assert!(Ds::new(1, 2, 3, [0]).is_ok());
    assert!(Ds::new(1, 2, 3, []).is_err());
    assert!(Ds::new(1, 2, 3, vec![0; 65_532]).is_err());
    assert_eq!(
        refusal(RecordType::Ds, "1 8 2 abcd"),
        "DS digest: a digest of its type has 32 octets"
    );
}

#[test]
fn hex_digits_come_in_pairs_and_in_any_number_of_words() {
    for (record_type, text, canonical) in [
        (RecordType::Sshfp, "2 1 123456789ABCDEF67890123456789abcdef67890", ""),
        (RecordType::Sshfp, "2 1 1 2345 6789abcdef 67890123456789abcdef67890", ""),
        (RecordType::Tlsa, "3 1 255 A B\tC D", "3 1 255 abcd"),
    ] {
        let expected = if canonical.is_empty() {
            "2 1 123456789abcdef67890123456789abcdef67890"
        } else {
            canonical
        };
        assert_eq!(shown(record_type, text), expected);
    }
    for (record_type, text, shown) in [
        (RecordType::Tlsa, "3 1 1 abc", "TLSA association data: pairs of hex digits"),
        (RecordType::Tlsa, "3 1 1 ab xy", "TLSA association data: pairs of hex digits"),
        (RecordType::Tlsa, "3 1 1", "TLSA association data: missing"),
        (RecordType::Tlsa, "3 1 1 \"ab\"", "TLSA association data: quotes are not expected here"),
        // Servers do not take the mnemonics of RFC 7218 either.
        (RecordType::Tlsa, "DANE-EE SPKI SHA2-256 ab", "TLSA usage: not a number from 0 to 255"),
        (RecordType::Sshfp, "1 256 ab", "SSHFP fingerprint type: not a number from 0 to 255"),
        (RecordType::Sshfp, "1 1", "SSHFP fingerprint: missing"),
    ] {
        assert_eq!(refusal(record_type, text), shown, "{text}");
    }
}

#[test]
fn a_short_fingerprint_is_taken_but_not_whole() {
    assert!(Sshfp::new(4, 2, [0; 32]).unwrap().is_whole());
    assert!(Sshfp::new(4, 1, [0; 20]).unwrap().is_whole());
    assert!(!Sshfp::new(4, 2, [0; 20]).unwrap().is_whole());
    assert!(Sshfp::new(4, 3, [0]).unwrap().is_whole());
    assert!(Tlsa::new(3, 1, 1, [0; 32]).unwrap().is_whole());
    assert!(Tlsa::new(3, 1, 2, [0; 64]).unwrap().is_whole());
    assert!(!Tlsa::new(3, 1, 2, [0; 32]).unwrap().is_whole());
    assert!(Tlsa::new(3, 1, 0, [0]).unwrap().is_whole());
}
