use proptest::{collection::vec, prelude::*};

use super::*;
use crate::record::{RecordData, RecordType, Ttl, arbitrary};

const HEAD: &str = "$ORIGIN example.com.\n$TTL 3600\n@ SOA ns1 hostmaster 1 2 3 4 5\n";

fn origin() -> DnsName {
    "example.com".parse().unwrap()
}

/// Returns the records as lines of text.
fn records(text: impl AsRef<[u8]>) -> Vec<String> {
    let file = ZoneFile::parse(text, &origin()).unwrap();
    file.records().iter().map(ToString::to_string).collect()
}

/// Returns the only record behind a SOA and `$TTL 3600`.
fn record(line: &str) -> String {
    let mut records = records(format!("{HEAD}{line}"));
    assert_eq!(records.len(), 2, "{line}");
    records.remove(1)
}

/// Returns line, column, rule and message of each error.
fn errors(text: impl AsRef<[u8]>) -> Vec<(u32, u32, &'static str, String)> {
    let errors = ZoneFile::parse(text, &origin()).unwrap_err();
    let told = |error: &ZoneFileError| {
        let shown = error.to_string();
        let (_, message) = shown.split_once(": ").unwrap();
        (error.line(), error.column(), error.rule().as_str(), message.to_owned())
    };
    errors.iter().map(told).collect()
}

/// Returns line, column and rule of the only error.
fn error(text: impl AsRef<[u8]>) -> (u32, u32, &'static str) {
    let errors = errors(text);
    let [(line, column, rule, _)] = errors.as_slice() else { panic!("{errors:?}") };
    (*line, *column, rule)
}

#[test]
fn the_example_of_rfc_1035_is_read() {
    // Section 5.3, with TTLs, as RFC 2308 wants them, and types that are in use.
    let text = r"
@   IN  SOA     VENERA      Action\.domains (
                                 20     ; SERIAL
                                 7200   ; REFRESH
                                 600    ; RETRY
                                 3600000; EXPIRE
                                 60)    ; MINIMUM

        NS      A.ISI.EDU.
        NS      VENERA
        NS      VAXA
        TXT     ( 10
                  VENERA )

A       A       192.0.2.1

VENERA  A       192.0.2.2
        A       192.0.2.3
";
    let file = ZoneFile::parse(text, &"isi.edu".parse().unwrap()).unwrap();
    let shown: Vec<_> = file.records().iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            r"isi.edu. 60 IN SOA venera.isi.edu. action\.domains.isi.edu. 20 7200 600 3600000 60",
            "isi.edu. 60 IN NS a.isi.edu.",
            "isi.edu. 60 IN NS venera.isi.edu.",
            "isi.edu. 60 IN NS vaxa.isi.edu.",
            r#"isi.edu. 60 IN TXT "10" "VENERA""#,
            "a.isi.edu. 60 IN A 192.0.2.1",
            "venera.isi.edu. 60 IN A 192.0.2.2",
            "venera.isi.edu. 60 IN A 192.0.2.3",
        ]
    );
    let lines: Vec<_> = (0..9).map(|index| file.line(index)).collect();
    let expected = [2, 9, 10, 11, 12, 15, 17, 18].map(Some);
    assert_eq!(lines[..8], expected);
    assert_eq!(lines[8], None);
}

#[test]
fn an_entry_is_read_in_every_order_and_layout() {
    for line in [
        "www 60 IN A 192.0.2.1",
        "www IN 60 A 192.0.2.1",
        "WWW 60 A 192.0.2.1 ; comment \" ( ",
        "www\t60\tin\ta\t192.0.2.1;comment",
        "www 1m A 192.0.2.1\r\n",
        "www 60 CLASS1 TYPE1 192.0.2.1",
        "www 60 class1 type1 \\# 4 c0 (\n 0002 ) 01",
        "www.example.com. 60 A 192.0.2.1\n\n \t\n;\n ; comment\n\t( ; nothing\n ) \n",
        "www ( 60\nIN\n\n A ;comment )\n 192.0.2.1 )",
        "( www 60 A 192.0.2.1 )",
        "www 60 A(192.0.2.1)",
        r"\119\w\119 60 A 192.0.2.1",
        "$TTL 60\nwww A 192.0.2.1",
        "$ttl 1M\nwww A 192.0.2.1",
        "$ORIGIN www\n@ 60 A 192.0.2.1",
        "$ORIGIN www.example.com.\n@ 60 A 192.0.2.1",
        "$ORIGIN com. ; comment\nwww.example 60 A 192.0.2.1",
    ] {
        assert_eq!(record(line), "www.example.com. 60 IN A 192.0.2.1", "{line}");
    }
}

#[test]
fn the_first_item_of_a_line_is_the_owner_whatever_it_looks_like() {
    for (line, shown) in [
        ("A A 192.0.2.1", "a.example.com. 3600 IN A 192.0.2.1"),
        ("IN IN A 192.0.2.1", "in.example.com. 3600 IN A 192.0.2.1"),
        ("60 A 192.0.2.1", "60.example.com. 3600 IN A 192.0.2.1"),
        (r"\$TTL A 192.0.2.1", r"\$ttl.example.com. 3600 IN A 192.0.2.1"),
        (r"\@ A 192.0.2.1", r"\@.example.com. 3600 IN A 192.0.2.1"),
        (r"a\.b A 192.0.2.1", r"a\.b.example.com. 3600 IN A 192.0.2.1"),
        (r"a\\. A 192.0.2.1", r"a\\. 3600 IN A 192.0.2.1"),
        (r"a\ \;\( A 192.0.2.1", r"a\032\;\(.example.com. 3600 IN A 192.0.2.1"),
        (" A 192.0.2.1", "example.com. 3600 IN A 192.0.2.1"),
        ("* A 192.0.2.1", "*.example.com. 3600 IN A 192.0.2.1"),
        (". A 192.0.2.1", ". 3600 IN A 192.0.2.1"),
    ] {
        assert_eq!(record(line), shown);
    }
    // With white space in front the same words are no owner.
    assert_eq!(error(format!("{HEAD} IN IN A 192.0.2.1")), (4, 5, "type"));
}

#[test]
fn text_is_read_octet_by_octet() {
    for (data, shown) in [
        (r#""a;b" c;d"#, r#""a;b" "c""#),
        (r#""a \"b\" \\" \"c\""#, r#""a \"b\" \\" "\"c\"""#),
        (r#"( "a" ) ("b")"#, r#""a" "b""#),
        ("\"one\ntwo\"", r#""one\010two""#),
        ("\"one\r\n two\"", r#""one\013\010 two""#),
        ("\"one\\\ntwo\"", r#""one\010two""#),
        ("\"tab\t\"", r#""tab\009""#),
        ("é \"é\" \"\\é\"", r#""\195\169" "\195\169" "\195\169""#),
        (r#""""#, r#""""#),
        (r"\034\;", r#""\";""#),
    ] {
        assert_eq!(record(&format!("@ TXT {data}")), format!("example.com. 3600 IN TXT {shown}"));
    }
    let mut text = HEAD.as_bytes().to_vec();
    text.extend_from_slice(b"@ TXT \"\xe9\\\xff\"");
    assert_eq!(records(text)[1], r#"example.com. 3600 IN TXT "\233\255""#);
}

#[test]
fn a_string_over_lines_does_not_shift_the_lines_behind_it() {
    assert_eq!(error(format!("{HEAD}@ TXT \"a\n\\\n\n\"\n@ A x")), (8, 5, "data"));
}

#[test]
fn a_ttl_is_inherited_as_rfc_2308_says() {
    let ttls = |text: &str| {
        let file = ZoneFile::parse(text, &origin()).unwrap();
        file.records().iter().map(|record| record.ttl().as_secs()).collect::<Vec<_>>()
    };
    // The last one stated, RFC 1035 section 5.1.
    assert_eq!(ttls("@ 1 A 192.0.2.1\n A 192.0.2.2\n 2 A 192.0.2.3\n A 192.0.2.4"), [1, 1, 2, 2]);
    // `$TTL` stands above what was stated, and another one above it.
    let text =
        "@ 1 A 192.0.2.1\n$TTL 9\n A 192.0.2.2\n 2 A 192.0.2.3\n A 192.0.2.4\n$TTL 0\n A 192.0.2.5";
    assert_eq!(ttls(text), [1, 9, 2, 9, 0]);
    // A SOA without one.
    assert_eq!(
        ttls("@ SOA a b 1 2 3 4 5\n A 192.0.2.1\n 7 A 192.0.2.2\n A 192.0.2.3"),
        [5, 5, 7, 5]
    );
    assert_eq!(ttls("@ 8 SOA a b 1 2 3 4 5\n A 192.0.2.1"), [8, 8]);
    // Told once.
    assert_eq!(error("@ A 192.0.2.1\n A 192.0.2.2"), (1, 3, "ttl"));
    assert_eq!(error("$TTL x\n@ A 192.0.2.1\n"), (1, 6, "ttl"));
}

#[test]
fn times_have_units() {
    for (text, secs) in [
        ("0", 0),
        ("2147483647", 2_147_483_647),
        ("1s", 1),
        ("1h30m", 5400),
        ("1W2d3H4m5S", 788_645),
        ("0w", 0),
    ] {
        let expected = format!("a.example.com. {secs} IN A 192.0.2.1");
        assert_eq!(record(&format!("a {text} A 192.0.2.1")), expected);
    }
    for text in
        ["2147483648", "1h30", "1x", "1hh", "4294967296w", "9999999999", "0x10", "1.5h", "1é"]
    {
        assert_eq!(error(format!("{HEAD}a {text} A 192.0.2.1")), (4, 3, "ttl"), "{text}");
    }
    assert_eq!(
        records("@ 1 SOA a b 1 1d 2h 4w 5m")[0],
        "example.com. 1 IN SOA a.example.com. b.example.com. 1 86400 7200 2419200 300"
    );
    // A serial is no time.
    assert_eq!(error("@ 1 SOA a b 1d 1 1 1 1"), (1, 13, "data"));
}

#[test]
fn a_file_that_names_its_zone_needs_no_origin() {
    for text in [
        "$ORIGIN example.com.\n@ 1 SOA a b 1 2 3 4 5\nwww 1 A 192.0.2.1",
        "example.com. 1 SOA a b 1 2 3 4 5\nwww 1 A 192.0.2.1",
        "$TTL 1\n\u{feff}example.com. SOA a b 1 2 3 4 5\nwww A 192.0.2.1"
            .replace('\u{feff}', "")
            .as_str(),
        "\u{feff}$ORIGIN com.\nexample 1 SOA a.example b.example 1 2 3 4 5\nwww.example 1 A 192.0.2.1",
    ] {
        let file: ZoneFile = text.parse().unwrap();
        assert_eq!(*file.origin(), origin());
        let shown: Vec<_> = file.records().iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "example.com. 1 IN SOA a.example.com. b.example.com. 1 2 3 4 5",
                "www.example.com. 1 IN A 192.0.2.1"
            ]
        );
    }
    for text in [
        "",
        "$ORIGIN example.com",
        "@ 1 SOA a b 1 2 3 4 5",
        "www 1 A 192.0.2.1",
        "www.example.com. 1 A 192.0.2.1",
        "$ORIGIN example.com.\nwww 1 A 192.0.2.1",
    ] {
        let errors = text.parse::<ZoneFile>().unwrap_err();
        assert_eq!(errors.first().rule(), ZoneFileRule::OriginMissing, "{text}");
        assert_eq!(errors.iter().count(), 1);
    }
}

#[test]
fn an_error_says_where_and_what() {
    for (text, line, column, message) in [
        (
            "a A 192.0.2.256",
            4,
            5,
            "A address: an IPv4 address is four numbers from 0 to 255, as in 192.0.2.1",
        ),
        ("a A", 4, 4, "A address: missing"),
        ("a A (\n)\n\n", 4, 4, "A address: missing"),
        (
            "a TXT (\n \"x\"\n a\\300 )",
            6,
            2,
            "TXT text: a backslash is followed by a character or by three digits up to 255",
        ),
        ("a NS b..c", 4, 6, "NS target: label 2 is empty"),
        ("a..b A 192.0.2.1", 4, 1, "label 2 is empty"),
        ("a CH A 192.0.2.1", 4, 3, "class CH is refused; every record of a zone is of class IN"),
        (
            "a CLASS3 A 192.0.2.1",
            4,
            3,
            "class CLASS3 is refused; every record of a zone is of class IN",
        ),
        ("a", 4, 2, "the type is missing"),
        ("a IN 60 ; A", 4, 8, "the type is missing"),
        (
            "a BOGUS 1",
            4,
            3,
            "`BOGUS` is no known type; a line that continues an owner starts with white space",
        ),
        (
            "a 60 60 A 192.0.2.1",
            4,
            6,
            "`60` is no known type; a line that continues an owner starts with white space",
        ),
        (
            "a -1 A 192.0.2.1",
            4,
            3,
            "`-1` is no known type; a line that continues an owner starts with white space",
        ),
        ("\"a\" A 192.0.2.1", 4, 1, "quotes are not expected here"),
        ("a \"A\" 192.0.2.1", 4, 3, "quotes are not expected here"),
        ("a NS \"b\"", 4, 6, "NS target: quotes are not expected here"),
        ("a TXT \"b", 4, 7, "the quotes are not closed"),
        (
            "a TXT \"b\nc TXT \"d\"\n",
            4,
            7,
            "the quotes that open here close on line 5, before more text; were they to close earlier?",
        ),
        ("a TXT \"b\"c", 4, 10, "white space is missing after the quotes"),
        ("a TXT \"b\"\"c\"", 4, 10, "white space is missing after the quotes"),
        (
            "a TXT b\"c\"",
            4,
            8,
            "quotes in the middle of a word; a quote that is meant is written \\\"",
        ),
        ("a TXT ( b\nc TXT d\n", 4, 7, "the parenthesis is not closed"),
        ("a TXT ( b ( c ) )", 4, 11, "a parenthesis stands in another one"),
        ("a TXT b ) c", 4, 9, "no parenthesis is open here"),
        ("a TXT b\\", 4, 8, "a backslash is followed by a character or by three digits up to 255"),
        (
            "a TXT b\\\nc A 192.0.2.1",
            4,
            8,
            "a backslash is followed by a character or by three digits up to 255",
        ),
        ("a TXT b\u{7}", 4, 8, "control character 0x07 outside quotes"),
        ("a TXT b\rc", 4, 8, "control character 0x0d outside quotes"),
        ("é A 192.0.2.1", 4, 1, "character `é` at offset 0 is not allowed in a DNS name"),
        ("$ORIGIN", 4, 8, "$ORIGIN is followed by a name, which is missing"),
        ("$ORIGIN a b", 4, 11, "$ORIGIN is followed by one item, and this is another"),
        ("$ORIGIN a..b\nc..d A 192.0.2.1", 4, 9, "label 2 is empty"),
        ("$TTL", 4, 5, "$TTL is followed by a time, which is missing"),
        ("$TTL -1", 4, 6, "`-1` is no TTL: seconds from 0 to 2147483647, or a sum such as 1h30m"),
        ("$include db.other", 4, 1, "$INCLUDE is refused: write its records into this file"),
        (
            "$GENERATE 1-9 a$ A 192.0.2.$",
            4,
            1,
            "$GENERATE is refused: write its records into this file",
        ),
        ("$TTLS 1", 4, 1, "no directive `$TTLS`; there are $ORIGIN and $TTL"),
        (
            " $TTL 1",
            4,
            2,
            "`$TTL` is no known type; a line that continues an owner starts with white space",
        ),
    ] {
        let found = errors(format!("{HEAD}{text}"));
        let [(at_line, at_column, _, shown)] = found.as_slice() else {
            panic!("{text}: {found:?}")
        };
        assert_eq!((*at_line, *at_column, shown.as_str()), (line, column, message), "{text}");
    }
    assert_eq!(error(" A 192.0.2.1"), (1, 2, "owner_missing"));
    assert_eq!(error(b"\xe9 A 192.0.2.1"), (1, 1, "name"));
    assert_eq!(error(b"@ \xe9 192.0.2.1"), (1, 3, "type"));
    assert_eq!(error(b"@ 1 TXT a\xe9"), (1, 9, "control"));
}

#[test]
fn a_message_shows_no_control_character_and_little_of_the_file() {
    let long = "x".repeat(5000);
    for text in [format!("@ {long} x"), "@ \u{202e}\u{85}x x".to_owned(), format!("${long}")] {
        let errors = ZoneFile::parse(text, &origin()).unwrap_err();
        let shown = errors.to_string();
        assert!(shown.len() < 200, "{shown}");
        assert!(!shown.contains(|c: char| c.is_control() || c == '\u{202e}'), "{shown}");
    }
}

#[test]
fn all_errors_are_told_up_to_a_limit_and_each_once() {
    let text =
        "@ A x\nb..c A 192.0.2.1\n A 192.0.2.1\n A 192.0.2.2\nd A y\n TXT \"a\nb\"c \n TXT e";
    let found: Vec<_> =
        errors(text).into_iter().map(|(line, column, rule, _)| (line, column, rule)).collect();
    assert_eq!(
        found,
        [(1, 5, "data"), (2, 1, "name"), (5, 5, "data"), (6, 6, "quote"), (8, 2, "ttl")]
    );
    let errors = ZoneFile::parse("@ A x\n".repeat(100), &origin()).unwrap_err();
    assert_eq!(errors.iter().count(), ZoneFileErrors::LIMIT);
    assert_eq!(
        errors.to_string(),
        "line 1, column 5: A address: an IPv4 address is four numbers from 0 to 255, as in 192.0.2.1 (and 19 more errors)"
    );
}

#[test]
fn what_is_too_large_is_refused() {
    let comment = " ".repeat(ZoneFile::BYTE_LIMIT + 1);
    assert_eq!(error(&comment), (1, 1, "file_too_long"));
    assert!(records(&comment[1..]).is_empty());
    let words = "TXT ".to_owned() + &"a ".repeat(token::ENTRY_LIMIT);
    assert_eq!(error(format!("@ 1 {words}\n 1 A 192.0.2.1")).2, "entry_too_long");
    // The longest data with every octet escaped fit.
    let text = format!("\"{}\" ", r"\200".repeat(255)).repeat(255);
    assert_eq!(records(format!("@ 1 TXT {text}")).len(), 1);
    let three = b"@ 1 A 192.0.2.1\n 1 A 192.0.2.2\n 1 A 192.0.2.3";
    let errors = read::read(three, Some(&origin()), 2).unwrap_err();
    assert_eq!(errors.to_string(), "line 3, column 2: the file has more than 2 records");
    assert_eq!(read::read(three, Some(&origin()), 3).unwrap().records().len(), 3);
}

#[test]
fn a_file_is_written_in_one_order_and_reads_back() {
    let text = "www 60 A 192.0.2.2\n A 192.0.2.1\n@ 5 TXT x\n@ 7 SOA a b 1 2 3 4 5\n\
                other.test. 1 A 192.0.2.1\n\\@ 1 CNAME @\n*.a 1 NS .\nb 1 TYPE2 c\n";
    let file = ZoneFile::parse(text, &origin()).unwrap();
    let written = "\
$ORIGIN example.com.
$TTL 7
@ 7 IN SOA a.example.com. b.example.com. 1 2 3 4 5
@ 5 IN TXT \"x\"
\\@ 1 IN CNAME example.com.
*.a 1 IN NS .
b 1 IN NS c.example.com.
www 60 IN A 192.0.2.1
www 60 IN A 192.0.2.2
other.test. 1 IN A 192.0.2.1
";
    assert_eq!(file.to_string(), written);
    let again: ZoneFile = written.parse().unwrap();
    assert_eq!(again.to_string(), written);
    let mut sorted = file.into_records();
    sorted.sort();
    let mut read = again.into_records();
    read.sort();
    assert_eq!(read, sorted);
}

#[test]
fn names_in_data_are_relative_to_the_origin() {
    for (data, shown) in [
        ("MX 10 mail", "MX 10 mail.example.com."),
        ("MX 10 mail.example.net.", "MX 10 mail.example.net."),
        ("MX 0 .", "MX 0 ."),
        ("CNAME @", "CNAME example.com."),
        ("SRV 0 0 443 @", "SRV 0 0 443 example.com."),
        ("TYPE731 \\# 6 abcdef (\n 01 23 45 )", "TYPE731 \\# 6 abcdef012345"),
        ("CNAME \\# 3 01 6100", "CNAME a."),
    ] {
        assert_eq!(
            record(&format!("$ORIGIN example.com.\na {data}")),
            format!("a.example.com. 3600 IN {shown}")
        );
    }
}

#[test]
fn types_without_a_name_here_are_read_in_the_text_of_their_rfc() {
    for (data, shown) in [
        ("HINFO \"PC\" ( \"Linux\" )", "TYPE13 \\# 9 025043054c696e7578"),
        (
            "RP mbox @",
            "TYPE17 \\# 31 046d626f78076578616d706c6503636f6d00076578616d706c6503636f6d00",
        ),
        ("DNSKEY 257 3 8 ( AQID\n BA== ) ; key", "TYPE48 \\# 8 0101030801020304"),
    ] {
        assert_eq!(record(&format!("@ {data}")), format!("example.com. 3600 IN {shown}"));
    }
}

#[test]
fn names_are_written_as_every_server_reads_them() {
    let data = RecordData::Cname(r"a!b\.c\\.x+y/z_*-\$.test".parse().unwrap());
    let name = "a+b[c.example.com".parse().unwrap();
    let file = ZoneFile::new(origin(), [DnsRecord::new(name, Ttl::MINUTE, data)]).unwrap();
    let written = file.to_string();
    let line = written.lines().last().unwrap();
    assert_eq!(line, r"a\+b\091c 60 IN CNAME a\!b\.c\\.x\+y/z_*-\$.test.");
    let text = r#"@ 60 NAPTR 1 2 "u" "E2U+sip" "!^.*$!sip:a@b!" a!b"#;
    let file = ZoneFile::parse(text, &origin()).unwrap().to_string();
    let written = r#"@ 60 IN NAPTR 1 2 "u" "E2U+sip" "!^.*$!sip:a@b!" a\!b.example.com."#;
    assert_eq!(file.lines().last().unwrap(), written);
}

#[test]
fn types_of_providers_stand_in_no_file() {
    assert_eq!(error(format!("{HEAD}@ ALIAS a")), (4, 3, "type"));
    let data = RecordData::Alias("a.test".parse().unwrap());
    let error = ZoneFile::new(origin(), [DnsRecord::new(origin(), Ttl::HOUR, data)]).unwrap_err();
    assert_eq!(error.record_type(), RecordType::Alias);
    assert_eq!(*error.name(), origin());
    assert_eq!(
        error.to_string(),
        "example.com ALIAS: a type without a number at IANA cannot stand in a zone file"
    );
}

#[test]
fn codes_are_distinct() {
    let codes: std::collections::BTreeSet<_> =
        ZoneFileRule::ALL.iter().map(|rule| rule.as_str()).collect();
    assert_eq!(codes.len(), ZoneFileRule::ALL.len());
}

/// Pieces of files, to get past the first item more often than random bytes do.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "$ORIGIN ",
            "$TTL ",
            "$INCLUDE ",
            "@",
            "a",
            "a.b.",
            "IN ",
            "CLASS1 ",
            "CH ",
            "60 ",
            "1h ",
            "A ",
            "TXT ",
            "NS ",
            "SOA ",
            "CAA ",
            "TYPE1 ",
            "\\# ",
            "4 ",
            "c0000201 ",
            "192.0.2.1",
            "(",
            ")",
            "\"",
            "\\",
            ";",
            "\n",
            "\r\n",
            "\r",
            "\t",
            " ",
            " ",
            ".",
            "\\300",
            "\\.",
            "=",
            "\u{feff}",
            "é",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        vec(any::<u8>(), 1..3),
    ];
    vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn records_of_every_type_are_written_and_read_again(
        records in vec((arbitrary::name(), 0..=Ttl::MAX.as_secs(), arbitrary::wire_data()), 0..8),
        origin in arbitrary::name(),
    ) {
        let made = records.into_iter().map(|(name, ttl, data)| {
            // Some in the zone, some outside.
            let name = name.join(&origin).unwrap_or(name);
            DnsRecord::new(name, Ttl::from_secs(ttl).unwrap(), data)
        });
        let mut records: Vec<_> = made.collect();
        let file = ZoneFile::new(origin.clone(), records.clone()).unwrap();
        let mut read = ZoneFile::parse(file.to_string(), &origin).unwrap().into_records();
        read.sort();
        records.sort();
        prop_assert_eq!(read, records);
    }

    #[test]
    fn no_bytes_panic_and_errors_are_inside_the_file(
        text in prop_oneof![vec(any::<u8>(), 0..200), pieces()],
    ) {
        let bare = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
        let lines: Vec<_> = bare.split(|b| *b == b'\n').collect();
        if let Err(errors) = ZoneFile::parse(&text, &origin()) {
            for error in errors.iter() {
                let line = lines.get(usize::try_from(error.line()).unwrap() - 1);
                prop_assert!(line.is_some_and(|line| {
                    (1..=line.len() + 1).contains(&usize::try_from(error.column()).unwrap())
                }), "{error}");
            }
            prop_assert!(errors.iter().is_sorted_by_key(|error| error.line()));
        }
        if let Ok(text) = std::str::from_utf8(&text) {
            let _ = text.parse::<ZoneFile>();
        }
    }

    #[test]
    fn what_is_read_is_written_and_read_again(text in pieces()) {
        if let Ok(file) = ZoneFile::parse(text, &origin()) {
            let written = file.to_string();
            let again = ZoneFile::parse(&written, &"elsewhere.test".parse().unwrap()).unwrap();
            prop_assert_eq!(again.to_string().lines().count(), written.lines().count());
            let mut before = file.into_records();
            before.sort();
            let mut after = again.into_records();
            after.sort();
            prop_assert_eq!(before, after);
        }
    }
}
