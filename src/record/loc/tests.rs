use super::*;
use crate::record::RecordData;

fn place(text: &str) -> Loc {
    match RecordData::parse(RecordType::Loc, text).unwrap() {
        RecordData::Loc(place) => place,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_examples_of_rfc_1876_are_read_and_shown() {
    for (text, canonical) in [
        ("42 21 54 N 71 06 18 W -24m 30m", "42 21 54.000 N 71 6 18.000 W -24.00m 30m 10000m 10m"),
        (
            "42 21 43.952 N 71 5 6.344 W -24m 1m 200m",
            "42 21 43.952 N 71 5 6.344 W -24.00m 1m 200m 10m",
        ),
        ("52 14 05 N 00 08 50 E 10m", "52 14 5.000 N 0 8 50.000 E 10.00m 1m 10000m 10m"),
        ("32 7 19 S 116 2 25 E 10m", "32 7 19.000 S 116 2 25.000 E 10.00m 1m 10000m 10m"),
        (
            "42 21 28.764 N 71 00 51.617 W -44m 2000m",
            "42 21 28.764 N 71 0 51.617 W -44.00m 2000m 10000m 10m",
        ),
        ("32 44 17 N 117 13 42 W 0", "32 44 17.000 N 117 13 42.000 W 0.00m 1m 10000m 10m"),
    ] {
        assert_eq!(place(text).to_string(), canonical);
        assert_eq!(place(canonical), place(text));
    }
}

#[test]
fn what_may_be_left_out_has_defaults() {
    assert_eq!(place("42 N 71 W 0"), place("42 0 0.000 N 71 0 0.000 W 0.00m 1m 10000m 10m"));
    assert_eq!(place("42 21 N 71 6 18.5 W 1.5"), place("42 21 0 N 71 6 18.500 W 1.50m 1.00m"));
}

#[test]
fn the_wire_has_mantissa_and_exponent() {
    let place = place("42 21 54 N 71 06 18 W -24m 30m");
    let mut wire = Vec::new();
    place.write(&mut wire);
    assert_eq!(wire, hex::decode("0033161389172dd070be15f000988d20").unwrap());
    assert_eq!((place.latitude(), place.longitude()), (152_514_000, -255_978_000));
    assert_eq!((place.altitude(), place.size()), (-2400, 3000));
    assert_eq!((place.horizontal_precision(), place.vertical_precision()), (1_000_000, 1000));
}

#[test]
fn a_size_keeps_its_first_digit() {
    for (text, shown) in [
        ("0", "0.00m"),
        ("0.01", "0.01m"),
        ("0.1", "0.10m"),
        ("0.99", "0.90m"),
        ("35m", "30m"),
        ("15.5", "10m"),
        ("99999.99m", "90000m"),
        ("90000000.00m", "90000000m"),
    ] {
        let text = format!("1 N 1 E 0m {text}");
        assert_eq!(
            place(&text).to_string(),
            format!("1 0 0.000 N 1 0 0.000 E 0.00m {shown} 10000m 10m")
        );
    }
    assert_eq!(Extent::read(0x09), Some(Extent(0)));
    assert_eq!(Extent::read(0x0a), None);
    assert_eq!(Extent::read(0xa0), None);
}

#[test]
fn the_ends_of_the_ranges_are_places() {
    for text in [
        "90 0 0.000 N 180 0 0.000 E -100000.00m 0.00m 0.00m 0.00m",
        "90 0 0.000 S 180 0 0.000 W 42849672.95m 90000000m 90000000m 90000000m",
        "0 0 0.000 N 0 0 0.000 E 0.00m 1m 10000m 10m",
        "0 0 0.001 S 0 0 0.001 W -0.01m 1m 10000m 10m",
    ] {
        assert_eq!(place(text).to_string(), text);
    }
    assert_eq!(place("0 S 0 W 0"), place("0 N 0 E 0"));
    assert!(Loc::new(324_000_001, 0, 0).is_err());
    assert!(Loc::new(i32::MIN, 0, 0).is_err());
    assert!(Loc::new(0, -648_000_001, 0).is_err());
    assert!(Loc::new(0, 0, i64::MAX).is_err());
}

#[test]
fn what_is_no_place_is_refused() {
    for (text, field) in [
        ("", "latitude"),
        ("42 21 54 71 06 18 W 1m", "latitude"),
        ("42 21 54 n 71 06 18 W 1m", "latitude"),
        ("42 21 54 E 71 06 18 W 1m", "latitude"),
        ("91 N 71 W 0", "latitude"),
        ("90 0 0.001 N 71 W 0", "latitude"),
        ("42 60 N 71 W 0", "latitude"),
        ("42 1 60 N 71 W 0", "latitude"),
        ("42 1 1.0001 N 71 W 0", "latitude"),
        ("42 1 1. N 71 W 0", "latitude"),
        ("42 1 .5 N 71 W 0", "latitude"),
        ("-42 N 71 W 0", "latitude"),
        ("42 N 181 W 0", "longitude"),
        ("42 N 180 0 0.001 W 0", "longitude"),
        ("42 N 71", "longitude"),
        ("42 N 71 W", "altitude"),
        ("42 N 71 W 1M", "altitude"),
        ("42 N 71 W +1m", "altitude"),
        ("42 N 71 W 1.234m", "altitude"),
        ("42 N 71 W --1", "altitude"),
        ("42 N 71 W 42849672.96", "altitude"),
        ("42 N 71 W -100000.01", "altitude"),
        ("42 N 71 W 99999999999999999999999", "altitude"),
        ("42 N 71 W 0 90000000.01", "size"),
        ("42 N 71 W 0 -1", "size"),
        ("42 N 71 W 0 1 x", "horizontal precision"),
        ("42 N 71 W 0 1 1 1mm", "vertical precision"),
        ("42 N 71 W 0 1 1 1 1", "data"),
    ] {
        let error = RecordData::parse(RecordType::Loc, text).unwrap_err();
        assert_eq!(error.field(), field, "{text}: {error}");
    }
}

#[test]
fn octets_that_are_no_place_are_refused() {
    let good = hex::decode("0033161389172dd070be15f000988d20").unwrap();
    assert!(RecordData::from_wire(RecordType::Loc, &good).is_ok());
    for (at, octet, field) in [
        (0, 1, "version"),
        (1, 0xa0, "size"),
        (2, 0x1a, "horizontal precision"),
        (3, 0xff, "vertical precision"),
        (4, 0xff, "latitude"),
        (8, 0x00, "longitude"),
    ] {
        let mut octets = good.clone();
        octets[at] = octet;
        let error = RecordData::from_wire(RecordType::Loc, &octets).unwrap_err();
        assert_eq!((error.field(), error.offset()), (field, Some(at)));
    }
}
