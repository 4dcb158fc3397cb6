//! Record data: as text, and as octets.

use nameplate::{name::DnsName, record::*};

use super::input::{check_message, name, text};

/// A type and presentation text.
///
/// The type is the first word if that is one, as in `MX 10 mail.example.`, or else the first byte.
pub fn record_text(input: &[u8]) {
    let Some((record_type, text)) = text_of_type(input) else { return };
    let text = super::input::text(text);
    match RecordData::parse(record_type, &text) {
        Ok(data) => {
            assert_eq!(data.record_type(), record_type);
            check_data(&data);
        }
        Err(error) => check_error(&error, record_type, text.len()),
    }
    let origin = name("Sub.example.com");
    match RecordData::parse_in(record_type, &text, &origin) {
        Ok(data) => check_shown(&data),
        Err(error) => check_error(&error, record_type, text.len()),
    }
}

fn text_of_type(input: &[u8]) -> Option<(RecordType, &[u8])> {
    let space = input.iter().take(12).position(|b| *b == b' ');
    if let Some((word, rest)) = space.and_then(|at| input.split_at_checked(at))
        && let Ok(record_type) = text(word).parse()
    {
        return Some((record_type, rest));
    }
    let (byte, rest) = input.split_first()?;
    let known = RecordType::ALL.get(usize::from(*byte) % (RecordType::ALL.len() + 1));
    Some((known.copied().unwrap_or_else(|| RecordType::from_code(65_280)), rest))
}

/// A type, by its number in two bytes or its place in the list, and octets.
pub fn record_wire(input: &[u8]) {
    let Some((record_type, octets)) = wire_of_type(input) else { return };
    let data = match RecordData::from_wire(record_type, octets) {
        Ok(data) => data,
        Err(error) => {
            check_error(&error, record_type, octets.len());
            return;
        }
    };
    assert_eq!(data.record_type(), record_type);
    // Nothing is lost but the case of names, and how a place spells an extent of nothing.
    let written = data.to_wire().unwrap();
    let same = written.eq_ignore_ascii_case(octets);
    assert!(same || record_type == RecordType::Loc, "{data:?}: {written:02x?}");
    check_data(&data);
    // Nothing is data if a part is missing, but for what has no end of its own.
    if let Some((_, short)) = octets.split_last()
        && let Ok(short) = RecordData::from_wire(record_type, short)
    {
        assert_ne!(short.to_string(), data.to_string());
    }
}

fn wire_of_type(input: &[u8]) -> Option<(RecordType, &[u8])> {
    let ([high, low], rest) = input.split_first_chunk()?;
    let record_type = match high {
        // Numbers of this size are 0 to 767, among them all that have a name here.
        0..=2 => RecordType::from_code(u16::from_be_bytes([*high, *low])),
        3 => RecordType::from_code(u16::from_be_bytes([0xff, *low])),
        _ => *RecordType::ALL.get(usize::from(*low) % RecordType::ALL.len())?,
    };
    Some((record_type, rest))
}

fn check_error(error: &RecordDataError, record_type: RecordType, len: usize) {
    check_message(error);
    assert_eq!(error.record_type(), record_type);
    assert!(!error.field().is_empty());
    assert!(error.offset().is_none_or(|offset| offset <= len), "{error}");
}

/// Checks that the text of data is read back as the same data, with an origin or without.
fn check_shown(data: &RecordData) {
    let record_type = data.record_type();
    let shown = data.to_string();
    check_message(&shown);
    let read = RecordData::parse(record_type, &shown).unwrap_or_else(|e| panic!("{shown}: {e}"));
    assert_eq!(&read, data, "{shown}");
    assert_eq!(read.to_string(), shown);
    let origin = name("origin.test");
    assert_eq!(RecordData::parse_in(record_type, &shown, &origin).as_ref(), Ok(data), "{shown}");
}

/// Checks that data are the same as text, as octets, and in a set.
fn check_data(data: &RecordData) {
    check_shown(data);
    let record_type = data.record_type();
    let Some(code) = record_type.code() else {
        assert_eq!(data.to_wire(), None);
        return;
    };
    let wire = data.to_wire().unwrap();
    assert!(wire.len() <= 65_535);
    let read =
        RecordData::from_wire(record_type, &wire).unwrap_or_else(|e| panic!("{data:?}: {e}"));
    assert_eq!(&read, data);
    assert_eq!(read.to_wire().as_ref(), Some(&wire));
    // The strings of a TXT too, which equality does not see.
    assert_eq!(read.to_string(), data.to_string());
    let generic = format!("\\# {} {}", wire.len(), hex::encode(&wire));
    for named in [record_type, format!("TYPE{code}").parse().unwrap()] {
        assert_eq!(RecordData::parse(named, &generic).as_ref(), Ok(data), "{generic}");
    }
    let set = RecordSet::new(DnsName::root(), Ttl::HOUR, [read, data.clone()]).unwrap();
    assert_eq!(set.data().len(), 1);
}
