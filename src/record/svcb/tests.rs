use std::collections::BTreeSet;

use super::*;
use crate::record::RecordData;

fn parse(text: &str) -> Result<Svcb, String> {
    match RecordData::parse(RecordType::Svcb, text) {
        Ok(RecordData::Svcb(data)) => Ok(*data),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    }
}

/// The vectors of RFC 9460 appendix D: text, canonical text if it differs, octets.
const VECTORS: &[(&str, &str, &str)] = &[
    // D.1, figure 2.
    ("0 foo.example.com.", "", "0000 03666f6f076578616d706c6503636f6d00"),
    // D.2, figures 3 to 10.
    ("1 .", "", "0001 00"),
    ("16 foo.example.com. port=53", "", "0010 03666f6f076578616d706c6503636f6d00 0003 0002 0035"),
    (
        "1 foo.example.com. key667=hello",
        r#"1 foo.example.com. key667="hello""#,
        "0001 03666f6f076578616d706c6503636f6d00 029b 0005 68656c6c6f",
    ),
    (
        r#"1 foo.example.com. key667="hello\210qoo""#,
        "",
        "0001 03666f6f076578616d706c6503636f6d00 029b 0009 68656c6c6fd2716f6f",
    ),
    (
        r#"1 foo.example.com. ipv6hint="2001:db8::1,2001:db8::53:1""#,
        "1 foo.example.com. ipv6hint=2001:db8::1,2001:db8::53:1",
        "0001 03666f6f076578616d706c6503636f6d00 0006 0020 20010db8000000000000000000000001 20010db8000000000000000000530001",
    ),
    (
        r#"1 example.com. ipv6hint="2001:db8:122:344::192.0.2.33""#,
        "1 example.com. ipv6hint=2001:db8:122:344::c000:221",
        "0001 076578616d706c6503636f6d00 0006 0010 20010db80122034400000000c0000221",
    ),
    (
        "16 foo.example.org. alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1",
        r#"16 foo.example.org. mandatory=alpn,ipv4hint alpn="h2,h3-19" ipv4hint=192.0.2.1"#,
        "0010 03666f6f076578616d706c65036f726700 0000 0004 0001 0004 0001 0009 02 6832 05 68332d3139 0004 0004 c0000201",
    ),
    (
        r#"16 foo.example.org. alpn="f\\\\oo\\,bar,h2""#,
        "",
        "0010 03666f6f076578616d706c65036f726700 0001 000c 08 665c6f6f2c626172 02 6832",
    ),
    (
        r"16 foo.example.org. alpn=f\\\092oo\092,bar,h2",
        r#"16 foo.example.org. alpn="f\\\\oo\\,bar,h2""#,
        "0010 03666f6f076578616d706c65036f726700 0001 000c 08 665c6f6f2c626172 02 6832",
    ),
];

#[test]
fn the_vectors_of_rfc_9460_are_read_and_shown() {
    for (text, canonical, octets) in VECTORS {
        let octets = hex::decode(octets.replace(' ', "")).unwrap();
        let canonical = if canonical.is_empty() { text } else { canonical };
        for record_type in [RecordType::Svcb, RecordType::Https] {
            let data = RecordData::parse(record_type, text).unwrap();
            assert_eq!(data.to_string(), *canonical);
            assert_eq!(data.to_wire().unwrap(), octets, "{text}");
            assert_eq!(RecordData::from_wire(record_type, &octets).unwrap(), data);
        }
    }
}

#[test]
fn the_failures_of_rfc_9460_are_refused() {
    for (params, shown) in [
        // D.3, figures 11 to 16.
        ("key123=abc key123=def", "key123: there more than once"),
        ("mandatory", "mandatory: needs a value"),
        ("alpn", "alpn: needs a value"),
        ("port", "port: needs a value"),
        ("ipv4hint", "ipv4hint: needs a value"),
        ("ipv6hint", "ipv6hint: needs a value"),
        ("no-default-alpn=abc", "no-default-alpn: has no value"),
        ("mandatory=key123", "key123: declared mandatory, but not there"),
        (
            "mandatory=mandatory",
            "mandatory: other keys in ascending order on the wire, each once, separated by commas in text",
        ),
        (
            "mandatory=key123,key123 key123=abc",
            "mandatory: other keys in ascending order on the wire, each once, separated by commas in text",
        ),
    ] {
        let error = parse(&format!("1 foo.example.com. {params}")).unwrap_err();
        assert_eq!(error, format!("SVCB params: {shown}"));
    }
}

#[test]
fn a_value_has_the_form_of_its_key() {
    for (params, canonical) in [
        ("alpn=\"h2\"", r#"alpn="h2""#),
        ("alpn=\"a b\"", r#"alpn="a b""#),
        ("no-default-alpn alpn=h2", r#"alpn="h2" no-default-alpn"#),
        ("no-default-alpn=\"\" alpn=h2", r#"alpn="h2" no-default-alpn"#),
        ("port=\"53\"", "port=53"),
        ("port=053", "port=53"),
        ("ipv4hint=192.0.2.1,192.0.2.2", "ipv4hint=192.0.2.1,192.0.2.2"),
        ("ipv6hint=::FFFF:192.0.2.1", "ipv6hint=::ffff:192.0.2.1"),
        ("ech=AEX+DQA=", "ech=AEX+DQA="),
        ("ech=\"AEX+DQA=\"", "ech=AEX+DQA="),
        ("dohpath=/dns-query{?dns}", r#"key7="/dns-query{?dns}""#),
        ("dohpath=/{x}{?a,dns:3}", r#"key7="/{x}{?a,dns:3}""#),
        ("ohttp", "key8"),
        ("tls-supported-groups=29,4588", r#"key9="\000\029\017\236""#),
        ("key1=\"\\002h2\"", r#"alpn="h2""#),
        ("key3=xx", "port=30840"),
        ("key0=\"\\000\\004\" key4=abcd", "mandatory=ipv4hint ipv4hint=97.98.99.100"),
        ("key667", "key667"),
        ("key667=", "key667"),
        ("key667=\"\"", "key667"),
        ("key667=a\\032b=c", r#"key667="a b=c""#),
        ("key65535=x", r#"key65535="x""#),
        ("port=1 alpn=h2", r#"alpn="h2" port=1"#),
        ("mandatory=key1 alpn=h2", r#"mandatory=alpn alpn="h2""#),
    ] {
        assert_eq!(
            parse(&format!("1 . {params}")).unwrap().to_string(),
            format!("1 . {canonical}")
        );
    }
    let protocol = "x".repeat(256);
    for params in [
        "alpn=",
        "alpn=\"\"",
        "alpn=h2,",
        "alpn=h2,,h3",
        "alpn=,",
        "alpn=\"f\\\\oo\"",
        "alpn=\"f\\\\\"",
        "alpn=a\"b",
        "alpn=\"a\"b",
        "alpn=\"a",
        "alpn=a;b",
        "alpn = h2",
        "=h2",
        "\"alpn=h2\"",
        "ALPN=h2",
        "KEY667=x",
        "key00010=x",
        "key65536=x",
        "key=x",
        "key+1=x",
        "foo=bar",
        "no-default-alpn",
        "ohttp=x",
        "port=65536",
        "port=+1",
        "port=\\053",
        "port=1,2",
        "ipv4hint=192.0.2.1,",
        "ipv4hint=::1",
        "ipv6hint=192.0.2.1",
        "ech",
        "ech=",
        "ech=AEX+DQA",
        "ech=####",
        "dohpath=foo{?dns}",
        "dohpath=/foo",
        "dohpath=/{?dnss}",
        "dohpath=\"/\\255{?dns}\"",
        "tls-supported-groups=x",
        "mandatory=port,",
        "mandatory=\\097lpn alpn=h2",
        "key1=x",
        "key1",
        "key2=x alpn=h2",
        "key3=x",
        "key4=abcde",
        "key6=abcd",
        "key0=\"\\000\\004\\000\\001\" key4=abcd alpn=h2",
        &format!("alpn={protocol}"),
    ] {
        assert!(parse(&format!("1 . {params}")).is_err(), "{params}");
    }
}

#[test]
fn an_alias_may_have_parameters() {
    let data = parse("0 pool.example. alpn=h2").unwrap();
    assert!(data.is_alias());
    assert_eq!(data.alpn().collect::<Vec<_>>(), [b"h2"]);
}

#[test]
fn parameters_are_compared_without_order() {
    let params = [
        SvcParam::port(8443),
        SvcParam::alpn(["h3", "h2"]).unwrap(),
        SvcParam::mandatory([SvcParamKey::PORT, SvcParamKey::ALPN]).unwrap(),
        SvcParam::no_default_alpn(),
        SvcParam::ipv4hint([Ipv4Addr::LOCALHOST]).unwrap(),
        SvcParam::ipv6hint([Ipv6Addr::LOCALHOST]).unwrap(),
        SvcParam::new(SvcParamKey::ECH, [1, 2]).unwrap(),
    ];
    let data = Svcb::new(1, DnsName::root(), params.clone()).unwrap();
    let mut reversed = params;
    reversed.reverse();
    assert_eq!(Svcb::new(1, DnsName::root(), reversed).unwrap(), data);
    assert_eq!(data.port(), Some(8443));
    assert_eq!(data.mandatory().collect::<Vec<_>>(), [SvcParamKey::ALPN, SvcParamKey::PORT]);
    assert_eq!(data.alpn().collect::<Vec<_>>(), [b"h3", b"h2"]);
    assert!(data.is_no_default_alpn());
    assert_eq!(data.ipv4hint().collect::<Vec<_>>(), [Ipv4Addr::LOCALHOST]);
    assert_eq!(data.ipv6hint().collect::<Vec<_>>(), [Ipv6Addr::LOCALHOST]);
    assert_eq!(data.ech(), Some(&[1, 2][..]));
    assert_eq!(data.get(SvcParamKey::DOHPATH), None);
    assert!(data.params().is_sorted());
}

#[test]
fn what_does_not_fit_a_record_is_refused() {
    let key = SvcParamKey::from_code(667);
    let param = |len| SvcParam::new(key, vec![0; len]);
    assert!(param(65_536).is_err());
    assert!(Svcb::new(1, DnsName::root(), [param(65_528).unwrap()]).is_ok());
    assert!(Svcb::new(1, DnsName::root(), [param(65_529).unwrap()]).is_err());
    assert!(SvcParam::alpn([""]).is_err());
    assert!(SvcParam::alpn(["x".repeat(256)]).is_err());
    assert!(SvcParam::alpn(Vec::<Vec<u8>>::new()).is_err());
    assert!(SvcParam::ipv4hint([]).is_err());
}

#[test]
fn keys_on_the_wire_ascend_and_values_end_where_they_say() {
    for (octets, is_valid) in [
        ("0001 00 0001 0003 026832 0003 0002 0035", true),
        ("0001 00 0003 0002 0035 0001 0003 026832", false),
        ("0001 00 0003 0002 0035 0003 0002 0035", false),
        ("0001 00 0003 0003 0035", false),
        ("0001 00 0003 0002", false),
        ("0001 00 00", false),
        ("0001 00 0001 0003 036832", false),
        ("0001 00 0001 0001 00", false),
        ("0001 00 0000 0002 0003 0003 0002 0035", true),
        ("0001 00 0000 0002 0003", false),
        ("0001 00 0000 0004 0003 0001 0001 0003 026832 0003 0002 0035", false),
        ("0001 c00c", false),
    ] {
        let octets = hex::decode(octets.replace(' ', "")).unwrap();
        let data = RecordData::from_wire(RecordType::Svcb, &octets);
        assert_eq!(data.is_ok(), is_valid, "{octets:x?} {data:?}");
    }
}

#[test]
fn keys_have_names_and_numbers() {
    let codes: BTreeSet<_> =
        (0..=u16::MAX).map(|code| SvcParamKey::from_code(code).to_string()).collect();
    assert_eq!(codes.len(), 65_536);
    for code in [0, 1, 6, 7, 8, 9, 10, 667, 65_535] {
        let key = SvcParamKey::from_code(code);
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!(format!("key{code}").parse(), Ok(key));
    }
    assert_eq!(SvcParamKey::ECH.to_string(), "ech");
    assert_eq!("dohpath".parse(), Ok(SvcParamKey::DOHPATH));
}
