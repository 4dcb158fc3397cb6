use std::net::{IpAddr, Ipv6Addr};

use proptest::{collection::vec, prelude::*};

use super::*;

fn name(text: &str) -> DnsName {
    text.parse().unwrap()
}

fn data(record_type: RecordType, text: &str) -> RecordData {
    RecordData::parse(record_type, text).unwrap()
}

fn refusal(record_type: RecordType, text: &str) -> String {
    RecordData::parse(record_type, text).unwrap_err().to_string()
}

#[test]
fn types_have_the_numbers_and_names_of_iana() {
    let listed: Vec<_> =
        RecordType::ALL.iter().filter_map(|t| Some((t.code()?, t.to_string()))).collect();
    let numbers = [
        (1, "A"),
        (2, "NS"),
        (5, "CNAME"),
        (6, "SOA"),
        (12, "PTR"),
        (15, "MX"),
        (16, "TXT"),
        (28, "AAAA"),
        (29, "LOC"),
        (33, "SRV"),
        (35, "NAPTR"),
        (39, "DNAME"),
        (43, "DS"),
        (44, "SSHFP"),
        (52, "TLSA"),
        (64, "SVCB"),
        (65, "HTTPS"),
        (257, "CAA"),
    ];
    assert_eq!(listed, numbers.map(|(code, name)| (code, name.to_owned())));
    for record_type in RecordType::ALL {
        let shown = record_type.to_string();
        assert_eq!(shown.to_lowercase().parse(), Ok(*record_type));
        assert_eq!(shown.to_uppercase().parse(), Ok(*record_type));
        assert_eq!(record_type.mnemonic(), Some(&*shown));
        if let Some(code) = record_type.code() {
            assert_eq!(RecordType::from_code(code), *record_type);
            assert_eq!(format!("type{code}").parse(), Ok(*record_type));
        }
    }
    assert!(RecordType::ALL.is_sorted());
}

#[test]
fn types_that_are_a_providers_own_have_no_number() {
    let own: Vec<_> = RecordType::ALL.iter().filter(|t| t.code().is_none()).collect();
    let shown: Vec<_> = own.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["ALIAS", "Flatten", "PullZone", "Redirect", "Script"]);
    for record_type in own {
        assert_eq!(RecordData::parse(*record_type, "a.example").unwrap().to_wire(), None);
        assert!(RecordData::from_wire(*record_type, &[0]).is_err());
    }
}

#[test]
fn an_unknown_type_is_its_number() {
    let unknown = RecordType::from_code(731);
    assert_eq!(unknown.to_string(), "TYPE731");
    assert_eq!(format!("{unknown:>8}"), " TYPE731");
    assert_eq!((unknown.code(), unknown.mnemonic()), (Some(731), None));
    for text in ["TYPE731", "type731", "Type00731"] {
        assert_eq!(text.parse(), Ok(unknown), "{text}");
    }
    assert_eq!(serde_json::to_string(&unknown).unwrap(), r#""TYPE731""#);
    assert!(unknown > RecordType::Script);
    for text in ["BOGUS", "TYPE", "TYPE65536", "TYPE+1", "TYPE-1", "TYPE 1", "TYPE1x", "", "TYPÉ1"]
    {
        assert!(text.parse::<RecordType>().is_err(), "{text}");
    }
}

#[test]
fn data_of_any_type_are_small() {
    assert!(size_of::<RecordData>() <= 32);
    assert!(size_of::<RecordType>() <= 4);
}

#[test]
fn presentation_text_becomes_canonical() {
    for (record_type, text, canonical) in [
        (RecordType::A, " 192.0.2.1 ", "192.0.2.1"),
        (RecordType::Aaaa, "2001:DB8:0:0::1", "2001:db8::1"),
        (RecordType::Aaaa, "::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        (RecordType::Cname, "Edge.Acme.App", "edge.acme.app."),
        (RecordType::Ns, ".", "."),
        (RecordType::Ns, r"a+b.\{\(\\{\.\255_-*/c.", r"a\+b.\{\(\\\{\.\255_-*/c."),
        (RecordType::Ns, r"#a\#.[", r"\035a\035.\091."),
        (RecordType::Txt, "word", r#""word""#),
        (RecordType::Txt, r#"two words "and one""#, r#""two" "words" "and one""#),
        (RecordType::Txt, r#""""#, r#""""#),
        (RecordType::Txt, r#""say \"hi\"\032\200; (x)""#, r#""say \"hi\" \200; (x)""#),
        (RecordType::Txt, r"a\;b", r#""a;b""#),
        (RecordType::Txt, "\"é\"", r#""\195\169""#),
        (RecordType::Caa, "0 ISSUE letsencrypt.org", r#"0 issue "letsencrypt.org""#),
        (RecordType::Caa, r#"128 tbs "Unknown""#, r#"128 tbs "Unknown""#),
        (RecordType::Caa, r#"0 issue ";""#, r#"0 issue ";""#),
        (
            RecordType::Soa,
            "ns1.Example.com. hostmaster.example.com 1 2 3 4 5",
            "ns1.example.com. hostmaster.example.com. 1 2 3 4 5",
        ),
    ] {
        assert_eq!(data(record_type, text).to_string(), canonical);
    }
}

#[test]
fn names_are_relative_to_an_origin() {
    let origin = name("example.com");
    for (record_type, text, canonical) in [
        (RecordType::Cname, "@", "example.com."),
        (RecordType::Mx, "10 mail", "10 mail.example.com."),
        (RecordType::Mx, "10 mail.", "10 mail."),
        (RecordType::Srv, r"0 0 1 a\.", r"0 0 1 a\..example.com."),
        (
            RecordType::Soa,
            "ns hostmaster 1 2 3 4 5",
            "ns.example.com. hostmaster.example.com. 1 2 3 4 5",
        ),
        (RecordType::Https, "1 www port=1", "1 www.example.com. port=1"),
        (RecordType::Naptr, r#"1 2 "" "" "" next"#, r#"1 2 "" "" "" next.example.com."#),
        (RecordType::Alias, "www", "www.example.com."),
    ] {
        let data = RecordData::parse_in(record_type, text, &origin).unwrap();
        assert_eq!(data.to_string(), canonical);
    }
    assert!(RecordData::parse(RecordType::Cname, "@").is_err());
}

#[test]
fn the_examples_of_the_rfcs_are_read_and_shown() {
    for (record_type, text, canonical) in [
        // RFC 2782.
        (RecordType::Srv, "0 1 9 old-slow-box.example.com.", "0 1 9 old-slow-box.example.com."),
        (RecordType::Srv, "0 0 0 .", "0 0 0 ."),
        // RFC 3403 section 6.
        (
            RecordType::Naptr,
            r#"100 10 "" "" "/urn:cid:.+@([^\\.]+\\.)(.*)$/\\2/i" ."#,
            r#"100 10 "" "" "/urn:cid:.+@([^\\.]+\\.)(.*)$/\\2/i" ."#,
        ),
        (
            RecordType::Naptr,
            r#"100 50 "a" "z3950+N2L+N2C" "" cidserver.example.com."#,
            r#"100 50 "a" "z3950+N2L+N2C" "" cidserver.example.com."#,
        ),
        (
            RecordType::Naptr,
            "100 10 u E2U+sip !^.*$!sip:a@b! .",
            r#"100 10 "u" "E2U+sip" "!^.*$!sip:a@b!" ."#,
        ),
        // RFC 7505 section 3.
        (RecordType::Mx, "0 .", "0 ."),
        // RFC 6672 section 2.
        (RecordType::Dname, "frobozz-division.acme.example.", "frobozz-division.acme.example."),
        // RFC 3596 section 2.5.
        (RecordType::Ptr, "Host.Example", "host.example."),
    ] {
        assert_eq!(data(record_type, text).to_string(), canonical);
    }
    let RecordData::Mx(null) = data(RecordType::Mx, "0 .") else { panic!() };
    assert!(null.is_null());
    let RecordData::Mx(mx) = data(RecordType::Mx, "10 .") else { panic!() };
    assert!(!mx.is_null());
}

#[test]
fn times_of_a_zone_have_units_as_servers_take_them() {
    assert_eq!(
        data(RecordType::Soa, "a. b. 1 1h 1H30M 1w2d 90s").to_string(),
        "a. b. 1 3600 5400 777600 90"
    );
    for time in ["1h30", "h", "1x", "4294967296", "7102w", "-1", "+1", "1 h", "1h ", ""] {
        let text = format!("a. b. 1 2 3 4 {time}x");
        assert!(RecordData::parse(RecordType::Soa, &text).is_err(), "{text}");
    }
    assert!(RecordData::parse(RecordType::Soa, "a. b. 1h 2 3 4 5").is_err());
    assert!(RecordData::parse(RecordType::Soa, "a. b. 1 2 3 4 1h30").is_err());
    assert!(RecordData::parse(RecordType::Soa, "a. b. 1 2 3 4 7102w").is_err());
}

#[test]
fn a_value_of_a_provider_is_kept_as_it_is() {
    for text in ["https://example.com/a b;c?\"d\"", "12345", "é ✓", r"\# 0"] {
        assert_eq!(data(RecordType::Redirect, text).to_string(), text);
        assert_eq!(data(RecordType::Script, &format!("\t {text} ")).to_string(), text);
        assert_eq!(ProviderValue::new(text).unwrap().as_str(), text);
    }
    for (text, shown) in [
        ("", "Redirect value: missing"),
        ("  ", "Redirect value: missing"),
        ("a\u{1b}b", r"Redirect value: the character `\u{1b}` cannot be printed"),
        ("a\u{2028}b", r"Redirect value: the character `\u{2028}` cannot be printed"),
        ("a\u{a0}", "Redirect value: white space at the start or the end"),
    ] {
        assert_eq!(refusal(RecordType::Redirect, text), shown);
    }
    assert!(ProviderValue::new(" a").is_err());
    assert!(ProviderValue::new(&"a".repeat(65_536)).is_err());
}

#[test]
fn an_error_names_the_type_and_the_field() {
    let string256 = format!("\"{}\"", "a".repeat(256));
    for (record_type, text, shown) in [
        (RecordType::A, "", "A address: missing"),
        (
            RecordType::A,
            "192.0.2.256",
            "A address: an IPv4 address is four numbers from 0 to 255, as in 192.0.2.1",
        ),
        (
            RecordType::A,
            "192.0.2.01",
            "A address: an IPv4 address is four numbers from 0 to 255, as in 192.0.2.1",
        ),
        (RecordType::A, "192.0.2.1 192.0.2.2", "A data: text after the last field"),
        (RecordType::A, "\"192.0.2.1\"", "A address: quotes are not expected here"),
        (RecordType::Aaaa, "192.0.2.1", "AAAA address: not an IPv6 address, as in 2001:db8::1"),
        (RecordType::Cname, "a..b", "CNAME target: label 2 is empty"),
        (RecordType::Txt, "", "TXT text: missing"),
        (RecordType::Txt, "v=DMARC1; p=none", "TXT text: `;` must be in quotes or escaped"),
        (RecordType::Txt, "\"open", "TXT text: the quotes are not closed"),
        (RecordType::Txt, "\"a\"b", "TXT text: text after the last field"),
        (
            RecordType::Txt,
            r"a\256",
            "TXT text: a backslash is followed by a character or by three digits up to 255",
        ),
        (RecordType::Txt, "a\nb", r"TXT text: a control character must be escaped, as in \009"),
        (RecordType::Txt, &string256, "TXT text: longer than 255 octets"),
        (RecordType::Caa, "256 issue x", "CAA flags: not a number from 0 to 255"),
        (RecordType::Caa, "+1 issue x", "CAA flags: not a number from 0 to 255"),
        (RecordType::Caa, "0 iss_ue x", "CAA tag: letters and digits, at most 255"),
        (RecordType::Caa, "0 issue", "CAA value: missing"),
        (
            RecordType::Soa,
            "a. b. 1 2 3 4 4294967296",
            "SOA minimum: not a number of seconds up to 4294967295, as in 3600 or 1h",
        ),
    ] {
        assert_eq!(refusal(record_type, text), shown, "{text}");
    }
    let error = RecordData::parse(RecordType::Caa, "0 iss_ue x").unwrap_err();
    assert_eq!((error.record_type(), error.field()), (RecordType::Caa, "tag"));
    assert_eq!(error.offset(), Some(2));
}

#[test]
fn text_is_split_after_255_octets_and_compared_by_content() {
    let long = "x".repeat(300);
    let txt = Txt::from_text(&long);
    assert_eq!(txt.strings().map(<[u8]>::len).collect::<Vec<_>>(), [255, 45]);
    assert_eq!(txt.to_text(), long);
    assert_eq!(data(RecordType::Txt, "ab c"), data(RecordType::Txt, "a bc"));
    assert_ne!(data(RecordType::Txt, "abc"), data(RecordType::Txt, "ABC"));
    assert_eq!(Txt::from_text("").to_string(), r#""""#);
    assert!(Txt::from_strings([vec![0; 256]]).is_none());
    assert!(Txt::from_strings(Vec::<Vec<u8>>::new()).is_none());
}

#[test]
fn an_issue_property_names_an_authority_or_nobody() {
    for (value, issuer, parameters) in [
        ("letsencrypt.org", Some("letsencrypt.org"), vec![]),
        (" ca1.example.net ", Some("ca1.example.net"), vec![]),
        (
            "example.net; accounturi=https://example.net/1234 ; validationmethods=dns-01",
            Some("example.net"),
            vec![("accounturi", "https://example.net/1234"), ("validationmethods", "dns-01")],
        ),
        ("example.net;", Some("example.net"), vec![]),
        (";", None, vec![]),
        ("", None, vec![]),
        ("; policy=ev", None, vec![("policy", "ev")]),
        ("%%%%%", None, vec![]),
        ("-ca.example.net", None, vec![]),
        ("ca..example.net", None, vec![]),
        ("example.net policy=ev", None, vec![]),
        ("example.net; policy", None, vec![]),
        ("example.net\n", None, vec![]),
    ] {
        let caa = Caa::new(0, "Issue", value).unwrap();
        assert_eq!(caa.issuer(), issuer, "{value}");
        assert_eq!(caa.parameters().collect::<Vec<_>>(), parameters, "{value}");
    }
    let iodef = Caa::new(128, "iodef", "mailto:security@example.com").unwrap();
    assert_eq!(iodef.issuer(), None);
    assert!(iodef.is_critical());
    assert!(Caa::new(0, "", "x").is_err());
    assert!(Caa::new(0, "issue", vec![b'x'; 65_535]).is_err());
    assert_eq!(Caa::new(0, "issue", [0xff]).unwrap().issuer(), None);
}

#[test]
fn a_ttl_has_31_bits() {
    assert_eq!(Ttl::from_secs(300).unwrap(), Ttl::FIVE_MINUTES);
    assert_eq!("2147483647".parse(), Ok(Ttl::MAX));
    for text in ["2147483648", "-1", "+1", "", "1h", "99999999999"] {
        assert!(text.parse::<Ttl>().is_err(), "{text}");
    }
    assert!(serde_json::from_str::<Ttl>("2147483648").is_err());
    assert_eq!(serde_json::to_string(&Ttl::HOUR).unwrap(), "3600");
}

#[test]
fn a_record_is_shown_as_a_line_of_a_zone_file() {
    let record = DnsRecord::new(
        name("_acme-challenge.example.com"),
        Ttl::FIVE_MINUTES,
        RecordData::Txt(Txt::from_text("token")),
    );
    assert_eq!(record.to_string(), r#"_acme-challenge.example.com. 300 IN TXT "token""#);
    let json = serde_json::to_value(&record).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "name": "_acme-challenge.example.com", "type": "TXT", "value": "\"token\"", "ttl": 300,
        })
    );
    assert_eq!(serde_json::from_value::<DnsRecord>(json).unwrap(), record);
}

#[test]
fn what_is_attached_to_a_record_is_stored_and_not_shown() {
    let plain = DnsRecord::new(name("example.com"), Ttl::HOUR, data(RecordType::A, "192.0.2.1"));
    let record = plain.clone().with_weight(7).with_monitor(Monitor::Http).with_comment("front end");
    assert_eq!(record.weight(), Some(7));
    assert_eq!(record.monitor(), Some(Monitor::Http));
    assert_eq!(record.comment(), Some("front end"));
    assert_ne!(record, plain);
    assert_eq!(record.to_string(), plain.to_string());
    let json = serde_json::to_value(&record).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "name": "example.com", "type": "A", "value": "192.0.2.1", "ttl": 3600,
            "weight": 7, "monitor": "http", "comment": "front end",
        })
    );
    assert_eq!(serde_json::from_value::<DnsRecord>(json).unwrap(), record);
}

#[test]
fn monitors_have_the_published_numbers() {
    let listed = Monitor::ALL.map(|monitor| (monitor.number(), monitor.as_str()));
    assert_eq!(listed, [(0, "none"), (1, "ping"), (2, "http"), (3, "monitor")]);
    for monitor in Monitor::ALL {
        assert_eq!(Monitor::from_number(monitor.number().into()), Some(monitor));
        assert_eq!(monitor.as_str().to_uppercase().parse(), Ok(monitor));
    }
    assert_eq!(Monitor::from_number(4), None);
    assert_eq!(Monitor::from_number(-1), None);
    assert!("tcp".parse::<Monitor>().is_err());
    for number in [-1, 0, 1, 2, 3, i64::MAX] {
        assert_eq!(MonitorStatus::from_number(number).number(), number);
    }
}

fn addresses(texts: &[&str]) -> Vec<RecordData> {
    texts.iter().map(|text| data(RecordType::A, text)).collect()
}

#[test]
fn a_set_does_not_depend_on_the_order() {
    let owner = name("example.com");
    let set = RecordSet::new(owner.clone(), Ttl::HOUR, addresses(&["192.0.2.2", "192.0.2.1"]));
    let other = addresses(&["192.0.2.1", "192.0.2.2", "192.0.2.1"]);
    assert_eq!(set, RecordSet::new(owner, Ttl::HOUR, other));
    let set = set.unwrap();
    assert_eq!(set.data().len(), 2);
    assert_eq!(set.record_type(), RecordType::A);
    assert_eq!(set.records().len(), 2);
    assert!(set.contains(&data(RecordType::A, "192.0.2.1")));
    assert!(!set.contains(&data(RecordType::A, "192.0.2.3")));
}

#[test]
fn what_is_no_set_is_refused() {
    let owner = name("example.com");
    let new = |data: Vec<RecordData>| RecordSet::new(owner.clone(), Ttl::HOUR, data);
    let cname = |target| data(RecordType::Cname, target);
    for (data, shown) in [
        (vec![], "a record set is not empty"),
        (
            vec![data(RecordType::A, "192.0.2.1"), data(RecordType::Aaaa, "::1")],
            "a record set has one type, not A and AAAA",
        ),
        (vec![cname("a.example"), cname("b.example")], "an owner has at most one CNAME record"),
        (
            vec![data(RecordType::Dname, "a."), data(RecordType::Dname, "b.")],
            "an owner has at most one DNAME record",
        ),
        (
            vec![RecordData::Txt(Txt::from_bytes(&[0; 65_400]))],
            "data is longer than the 65535 octets of a record",
        ),
    ] {
        assert_eq!(new(data).unwrap_err().to_string(), shown);
    }
    assert!(new(vec![cname("a.example"), cname("A.Example.")]).is_ok());
    assert!(new(vec![RecordData::Txt(Txt::from_bytes(&[0; 65_279]))]).is_ok());
}

#[test]
fn adding_and_removing_data_keeps_the_others() {
    let one = data(RecordType::Txt, "one");
    let two = data(RecordType::Txt, "two");
    let set = RecordSet::new(name("example.com"), Ttl::HOUR, [one.clone()]).unwrap();
    let both = set.with(two.clone()).unwrap();
    assert_eq!(both.data(), [one.clone(), two.clone()]);
    assert_eq!(both.with(two.clone()).unwrap(), both);
    assert_eq!(both.without(&two), Some(set.clone()));
    assert_eq!(set.without(&two), Some(set.clone()));
    assert_eq!(set.without(&one), None);
    assert!(set.with(data(RecordType::A, "192.0.2.1")).is_err());
    assert_eq!(set.with_ttl(Ttl::DAY).ttl(), Ttl::DAY);
}

#[test]
fn a_stored_set_is_validated_when_it_is_read() {
    let set = RecordSet::new(name("example.com"), Ttl::HOUR, addresses(&["192.0.2.1"])).unwrap();
    let json = serde_json::to_value(&set).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "name": "example.com", "type": "A", "ttl": 3600, "values": ["192.0.2.1"],
        })
    );
    assert_eq!(serde_json::from_value::<RecordSet>(json).unwrap(), set);
    let empty = r#"{"name":"example.com","type":"A","ttl":3600,"values":[]}"#;
    assert!(serde_json::from_str::<RecordSet>(empty).is_err());
}

proptest! {
    #[test]
    fn no_input_panics(text in any::<String>()) {
        for record_type in RecordType::ALL {
            let _ = RecordData::parse(*record_type, &text).map_err(|error| error.to_string());
        }
    }

    #[test]
    fn text_of_data_does_not_panic(text in "[a-c0-3.:\" ;()\\\\\té]{0,24}") {
        for record_type in RecordType::ALL {
            if let Ok(data) = RecordData::parse(*record_type, &text) {
                prop_assert_eq!(RecordData::parse(*record_type, &data.to_string()), Ok(data));
            }
        }
    }

    #[test]
    fn data_of_every_type_reads_back(data in arbitrary::data()) {
        let text = data.to_string();
        let read = RecordData::parse(data.record_type(), &text).unwrap();
        prop_assert_eq!(&read, &data);
        // The strings of a TXT too, which equality does not see.
        prop_assert_eq!(read.to_string(), text);
        let json = serde_json::to_string(&data).unwrap();
        prop_assert_eq!(serde_json::from_str::<RecordData>(&json).unwrap(), data);
    }

    #[test]
    fn names_in_data_have_no_case(target in "([a-z0-9_]{1,8}\\.){1,4}") {
        let upper = RecordData::parse(RecordType::Cname, &target.to_uppercase()).unwrap();
        prop_assert_eq!(upper, RecordData::parse(RecordType::Cname, &target).unwrap());
    }

    #[test]
    fn octets_of_every_type_read_back(data in arbitrary::wire_data()) {
        let octets = data.to_wire().unwrap();
        let read = RecordData::from_wire(data.record_type(), &octets).unwrap();
        prop_assert_eq!(&read, &data);
        prop_assert_eq!(read.to_string(), data.to_string());
        let generic = format!("\\# {} {}", octets.len(), hex::encode(&octets));
        prop_assert_eq!(RecordData::parse(data.record_type(), &generic), Ok(data));
        // No part of the data is data.
        for len in 0..octets.len() {
            let _ = RecordData::from_wire(read.record_type(), &octets[..len]);
        }
    }

    #[test]
    fn no_octets_panic(octets in vec(any::<u8>(), 0..64)) {
        for record_type in RecordType::ALL {
            if let Ok(data) = RecordData::from_wire(*record_type, &octets) {
                let text = data.to_string();
                prop_assert_eq!(RecordData::parse(*record_type, &text), Ok(data.clone()));
                let wire = data.to_wire().unwrap();
                prop_assert_eq!(RecordData::from_wire(*record_type, &wire), Ok(data));
            }
        }
    }

    #[test]
    fn damaged_text_does_not_panic(
        data in arbitrary::data(),
        damage in vec((any::<prop::sample::Index>(), any::<char>()), 1..4),
    ) {
        let mut text: Vec<char> = data.to_string().chars().collect();
        for (at, character) in damage {
            let at = at.index(text.len());
            text[at] = character;
        }
        let text: String = text.into_iter().collect();
        if let Ok(data) = RecordData::parse(data.record_type(), &text) {
            prop_assert_eq!(RecordData::parse(data.record_type(), &data.to_string()), Ok(data));
        }
    }

    #[test]
    fn text_with_an_origin_reads_as_the_whole_names(data in arbitrary::wire_data()) {
        // Shown names are absolute.
        let origin = name("example.com");
        let read = RecordData::parse_in(data.record_type(), &data.to_string(), &origin);
        prop_assert_eq!(read, Ok(data));
    }
}

#[test]
fn data_of_one_type_become_data_of_a_record() {
    for (data, shown) in [
        (IpAddr::from([192, 0, 2, 1]).into(), "A 192.0.2.1"),
        (Ipv6Addr::LOCALHOST.into(), "AAAA ::1"),
        (Mx::new(10, DnsName::root()).into(), "MX 10 ."),
        (Txt::from_text("a").into(), "TXT \"a\""),
        (Caa::new(0, "issue", "a").unwrap().into(), "CAA 0 issue \"a\""),
    ] {
        let data: RecordData = data;
        assert_eq!(format!("{} {data}", data.record_type()), shown);
    }
}
