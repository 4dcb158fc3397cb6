use crate::record::{RecordData, RecordType, UnknownData};

fn parse(record_type: &str, text: &str) -> Result<RecordData, String> {
    RecordData::parse(record_type.parse().unwrap(), text).map_err(|error| error.to_string())
}

#[test]
fn the_examples_of_rfc_3597_are_read_and_shown() {
    for (record_type, text, canonical) in [
        ("TYPE731", r"\# 6 abcd ef 01 23 45", r"\# 6 abcdef012345"),
        ("TYPE62347", r"\# 0", r"\# 0"),
        ("A", r"\# 4 0A000001", "10.0.0.1"),
        ("TYPE1", r"\# 4 0A 00 00 01", "10.0.0.1"),
    ] {
        assert_eq!(parse(record_type, text).unwrap().to_string(), canonical);
    }
}

#[test]
fn data_of_every_type_can_be_given_as_octets() {
    for (record_type, text, canonical) in [
        ("CNAME", r"\# 3 014100", "a."),
        ("TXT", r"\# 3 026162", r#""ab""#),
        ("MX", r"\# 5 000a014100", "10 a."),
        ("HTTPS", r"\# 10 0001000001 0003 026832", r#"1 . alpn="h2""#),
        // Quoted or doubly escaped it is a string.
        ("TXT", r#""\#" 3"#, r##""#" "3""##),
        ("TXT", r"\\# 3", r##""\\#" "3""##),
        ("Redirect", r"\# 1 00", r"\# 1 00"),
    ] {
        assert_eq!(parse(record_type, text).unwrap().to_string(), canonical);
    }
}

#[test]
fn octets_that_do_not_add_up_are_refused() {
    for (record_type, text, shown) in [
        ("TYPE731", r"\# 2 a bcd", "TYPE731 data: words of an even number of hex digits"),
        ("TYPE731", r"\# 6 abcdef", "TYPE731 length: 3 octets follow"),
        ("TYPE731", r"\# 0 00", "TYPE731 length: 1 octets follow"),
        ("TYPE731", r"\# 65536", "TYPE731 length: not a number from 0 to 65535"),
        ("TYPE731", r"\#", "TYPE731 length: missing"),
        (
            "TYPE731",
            "abcd",
            r"TYPE731 data: data of an unknown type are written `\# 3 abcdef`: length and hex digits",
        ),
        ("A", r"\# 5 0a00000101", "A data: octets after the last field"),
        ("A", r"\# 3 0a0000", "A address: the data end within the field"),
        ("TXT", r"\# 0", "TXT text: the data end within the field"),
        (
            "CNAME",
            r"\# 2 c00c",
            "CNAME target: a name on the wire consists of labels of at most 63 octets, uncompressed",
        ),
    ] {
        assert_eq!(parse(record_type, text).unwrap_err(), shown, "{text}");
    }
}

#[test]
fn types_of_questions_and_messages_have_no_data() {
    for code in [0, 41, 128, 249, 250, 251, 252, 255] {
        let RecordType::Unknown(unknown) = RecordType::from_code(code) else { panic!() };
        assert!(UnknownData::new(unknown, []).is_err(), "{code}");
        assert!(parse(&format!("TYPE{code}"), r"\# 0").is_err(), "{code}");
        assert!(RecordData::from_wire(RecordType::from_code(code), &[]).is_err(), "{code}");
    }
    for code in [3, 40, 42, 99, 127, 256, 65_280, 65_535] {
        assert!(parse(&format!("TYPE{code}"), r"\# 1 00").is_ok(), "{code}");
    }
}
