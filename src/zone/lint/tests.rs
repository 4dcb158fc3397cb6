use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    record::{RecordData, RecordType, Ttl, arbitrary},
    zone::ZoneFile,
};

/// What each zone here has, but for those about the apex. Lines 3 to 5, records 0 to 2.
const APEX: &str = "\
$ORIGIN example.com.
$TTL 3600
@ SOA ns1 hostmaster 1 2 3 4 5
@ NS ns1
ns1 A 9.9.9.9
";

fn origin() -> DnsName {
    "example.com".parse().unwrap()
}

fn findings(file: &str) -> Vec<Finding> {
    let file = ZoneFile::parse(file, &origin()).unwrap();
    lint(file.origin(), file.records())
}

/// Returns the findings in a zone with these records as `code owner [lines]`.
///
/// Lines are counted from the first of `records`; those of the apex are negative.
fn found(records: &str) -> Vec<String> {
    let file = ZoneFile::parse(format!("{APEX}{records}"), &origin()).unwrap();
    let told = |finding: &Finding| {
        let line = |index: &usize| i64::from(file.line(*index).unwrap()) - 5;
        let lines: Vec<_> = finding.records().iter().map(line).collect();
        let owner = finding.name().relative_to(&origin());
        let owner = owner.unwrap_or_else(|| format!("{}.", finding.name()));
        format!("{} {owner} {lines:?}", finding.code())
    };
    lint(file.origin(), file.records()).iter().map(told).collect()
}

/// Checks that records have one finding, and that others, which nearly have it, have none.
#[track_caller]
fn shows(records: &str, expected: &str, near: &[&str]) {
    assert_eq!(found(records), [expected], "{records}");
    for near in near {
        assert_eq!(found(near), [""; 0], "{near}");
    }
}

#[test]
fn a_sound_zone_has_no_finding() {
    let sound = "\
@ A 9.9.9.10
@ AAAA 2620:fe::fe
@ MX 10 mail
@ MX 20 mail.example.net.
@ TXT \"v=spf1 mx -all\"
@ TXT \"v=spf10 is another\"
@ CAA 0 issue \"letsencrypt.org; validationmethods=dns-01\"
@ CAA 0 issuewild \";\"
@ CAA 128 iodef \"mailto:a@example.com\"
@ HTTPS 1 . alpn=h2
mail A 9.9.9.11
www CNAME @
*.app CNAME edge.acme.app.
_dmarc TXT \"v=DMARC1; p=reject\"
k._domainkey TXT \"v=DKIM1; p=\"
_sip._tcp SRV 0 0 5060 mail
_xmpp._tcp SRV 0 0 0 .
_443._tcp.www TLSA 3 1 1 0000000000000000000000000000000000000000000000000000000000000000
sub NS ns.sub
sub NS ns1
sub NS ns.elsewhere.test.
sub DS 1 8 2 0000000000000000000000000000000000000000000000000000000000000000
ns.sub A 9.9.9.12
moved DNAME example.net.
moved TXT note
";
    assert_eq!(found(sound), [""; 0]);
}

#[test]
fn the_apex_has_one_soa_and_name_servers() {
    let told = |file: &str| {
        let told = |f: &Finding| format!("{} {} {:?}", f.code(), f.name(), f.records());
        findings(file).iter().map(told).collect::<Vec<_>>()
    };
    assert_eq!(told(""), ["ns_missing example.com []", "soa_missing example.com []"]);
    assert_eq!(told("@ 60 NS a.test."), ["soa_missing example.com []"]);
    assert_eq!(told("@ 60 SOA a b 1 2 3 4 5"), ["ns_missing example.com []"]);
    shows("@ SOA ns1 b 2 2 3 4 5", "soa_multiple @ [-2, 1]", &[]);
    shows("a SOA ns1 b 2 2 3 4 5", "soa_below_apex a [1]", &[]);
    // Told once below a delegation.
    assert_eq!(found("a NS b.test.\na SOA ns1 b 2 2 3 4 5"), ["soa_below_apex a [2]"]);
    let ds = format!("DS 1 8 2 {}", "00".repeat(32));
    shows(&format!("@ {ds}"), "ds_at_apex @ [1]", &[]);
    shows(&format!("a {ds}"), "ds_without_ns a [1]", &[&format!("a {ds}\na NS b.test.")]);
}

#[test]
fn records_are_in_the_zone() {
    shows("example.net. A 9.9.9.9", "outside_zone example.net. [1]", &["a.example.com. A 9.9.9.9"]);
    shows(
        "notexample.com. A 9.9.9.9\nnotexample.com. TXT a",
        "outside_zone notexample.com. [1, 2]",
        &[],
    );
    // Nothing else is told of them.
    shows("com. CNAME a.\ncom. TXT a", "outside_zone com. [1, 2]", &[]);
}

#[test]
fn a_cname_stands_alone() {
    shows(
        "a CNAME b.test.\na A 9.9.9.9\na TXT x",
        "cname_with_other_data a [1, 2, 3]",
        &[
            "a CNAME b.test.\na.a A 9.9.9.9",
            // SIG, KEY, NXT, RRSIG and NSEC.
            "a CNAME b.test.\na TYPE24 \\# 1 00\na TYPE25 \\# 1 00\na TYPE30 \\# 1 00\na TYPE46 \\# 1 00\na TYPE47 \\# 1 00",
        ],
    );
    shows("a CNAME b.test.\na TYPE48 \\# 1 00", "cname_with_other_data a [1, 2]", &[]);
    shows("a CNAME b.test.\na NS b.test.", "cname_with_other_data a [1, 2]", &[]);
    shows("a CNAME b.test.\na DNAME b.test.", "cname_with_other_data a [1, 2]", &[]);
    shows("a CNAME b.test.\na CNAME c.test.", "cname_multiple a [1, 2]", &[]);
    shows("@ CNAME b.test.", "cname_at_apex @ [1]", &[]);
    assert_eq!(
        found("@ CNAME b.test.\n@ TXT x"),
        ["cname_at_apex @ [1]", "cname_with_other_data @ [1, 2]"]
    );
}

#[test]
fn a_set_has_each_record_once_and_one_ttl() {
    shows("a A 9.9.9.9\na A 9.9.9.9", "duplicate a [1, 2]", &["a A 9.9.9.9\nb A 9.9.9.9"]);
    shows("a TXT \"ab\"\na TXT \"a\" \"b\"\na TXT ab", "duplicate a [1, 2, 3]", &[]);
    shows("a CNAME b.test.\nA CNAME B.test.", "duplicate a [1, 2]", &[]);
    shows("@ SOA NS1 hostmaster 1 2 3 4 5", "duplicate @ [-2, 1]", &[]);
    shows(
        "a 60 A 9.9.9.9\na 61 A 9.9.9.10",
        "ttl_differs a [1, 2]",
        &["a 60 A 9.9.9.9\na 61 AAAA 2620:fe::fe", "a 60 TYPE46 \\# 1 00\na 61 TYPE46 \\# 1 01"],
    );
    shows("a 0 A 9.9.9.9", "ttl_zero a [1]", &["a 1 A 9.9.9.9"]);
    shows("a 604801 A 9.9.9.9\na 604801 A 9.9.9.10", "ttl_long a [1, 2]", &["a 604800 A 9.9.9.9"]);
}

#[test]
fn a_host_is_pointed_at_by_its_own_name() {
    for (record, near) in
        [("@ MX 10", "@ MX 10"), ("@ NS", "@ NS"), ("_a._tcp SRV 0 0 1", "_a._tcp SRV 0 0 1")]
    {
        let owner = if record.starts_with('_') { "_a._tcp" } else { "@" };
        shows(
            &format!("{record} a\na CNAME b.test."),
            &format!("target_is_alias {owner} [1, 2]"),
            &[
                &format!("{near} a\na A 9.9.9.9"),
                &format!("{near} a\na AAAA 2620:fe::fe"),
                &format!("{near} b.test."),
            ],
        );
        // By a wildcard, and below a DNAME.
        shows(
            &format!("{record} a.b\n*.b CNAME b.test."),
            &format!("target_is_alias {owner} [1, 2]"),
            &[],
        );
        shows(
            &format!("{record} a.b\nb DNAME b.test."),
            &format!("target_is_alias {owner} [1, 2]"),
            &[],
        );
        shows(&format!("{record} a"), &format!("target_without_address {owner} [1]"), &[]);
        shows(&format!("{record} a\na TXT x"), &format!("target_without_address {owner} [1]"), &[]);
        shows(
            &format!("{record} a.b\nc.a.b A 9.9.9.9\n*.b A 9.9.9.9"),
            &format!("target_without_address {owner} [1]"),
            &[&format!("{record} a.b\n*.b A 9.9.9.9"), &format!("{record} a.c.b\n*.b A 9.9.9.9")],
        );
    }
    for record in [
        "MX 10 192.0.2.1.",
        "MX 10 192.0.2.1",
        "NS 192.0.2.1.",
        "CNAME 192.0.2.1",
        "CNAME 2001:db8::1.",
    ] {
        shows(&format!("a {record}"), "target_is_address a [1]", &[]);
    }
    shows(
        "_a._tcp SRV 0 0 1 192.0.2.1.",
        "target_is_address _a._tcp [1]",
        &["_a._tcp SRV 0 0 1 ."],
    );
    assert_eq!(found("a MX 10 192.0.2.256."), [""; 0]);
}

#[test]
fn a_name_server_that_is_delegated_with_its_zone_has_glue() {
    shows(
        "a NS ns.a",
        "glue_missing a [1]",
        &["a NS ns.a\nns.a A 9.9.9.9", "a NS a\na A 9.9.9.9", "a NS ns.a\nns.a AAAA 2620:fe::fe"],
    );
    // Glue is not made of wildcards, nor of what is below.
    assert_eq!(found("a NS ns.a\n*.a A 9.9.9.9"), ["glue_missing a [1]", "occluded a [1, 2]"]);
    assert_eq!(found("a NS ns.a\nb.ns.a A 9.9.9.9"), ["glue_missing a [1]", "occluded a [1, 2]"]);
    shows(
        "a NS ns.b\nb NS x.test.",
        "sibling_glue_missing a [1]",
        &["a NS ns.b\nb NS x.test.\nns.b A 9.9.9.9"],
    );
    shows("@ NS ns.b\nb NS x.test.", "sibling_glue_missing @ [1]", &[]);
    shows("a NS b\nb CNAME ns1", "target_is_alias a [1, 2]", &[]);
    shows("a NS b", "target_without_address a [1]", &["a NS ns1"]);
    // Mail may be delegated: only that zone knows the address.
    assert_eq!(found("@ MX 10 m.a\na NS b.test."), [""; 0]);
}

#[test]
fn what_is_below_a_delegation_is_not_answered() {
    shows(
        "a NS b.test.\nb.a A 9.9.9.9\na TXT x",
        "occluded a [1, 2, 3]",
        &["a NS b.a\na NS b.test.\nb.a A 9.9.9.9\na TYPE46 \\# 1 00\na TYPE47 \\# 1 00"],
    );
    // A delegation in a delegation, and everything else there, is told once.
    shows(
        "a NS x.test.\nb.a NS b.b.a\nc.b.a CNAME c.b.a\nd.a MX 5 .",
        "occluded a [1, 2, 3, 4]",
        &[],
    );
    shows("a NS b.test.\na MX 10 .", "occluded a [1, 2]", &[]);
}

#[test]
fn a_dname_rules_what_is_below() {
    shows(
        "a DNAME b.test.\nc.a TXT x\nd.c.a TXT y",
        "below_dname a [1, 2, 3]",
        &["a DNAME b.test.\na TXT x\na A 9.9.9.9\nb-a TXT x"],
    );
    // At the apex it is fine, but hides whatever is below: here the name server of the zone.
    assert_eq!(
        found("@ DNAME b.test.\n@ TXT x\nx TXT x"),
        ["below_dname @ [0, 1, 3]", "target_is_alias @ [-1, 1]"]
    );
}

#[test]
fn owners_of_a_dname_are_single_and_not_delegated() {
    shows("a DNAME b.test.\na DNAME c.test.", "dname_multiple a [1, 2]", &[]);
    shows("a DNAME b.test.\na NS c.test.", "dname_with_ns a [1, 2]", &[]);
    shows("*.a DNAME b.test.", "dname_at_wildcard *.a [1]", &[]);
    shows("*.a NS b.test.", "ns_at_wildcard *.a [1]", &["*.a CNAME b.test."]);
}

#[test]
fn aliases_end() {
    shows(
        "a CNAME b\nb CNAME a",
        "alias_loop a [1, 2]",
        &["a CNAME b\nb CNAME c\nc CNAME d.test."],
    );
    shows("a CNAME A", "alias_loop a [1]", &[]);
    // Told once, not for each that leads into it, and with those of the loop alone.
    shows("a CNAME b\nb CNAME c\nc CNAME d\nd CNAME b\ne CNAME a", "alias_loop b [2, 3, 4]", &[]);
    shows("* CNAME a", "alias_loop * [1]", &["* CNAME a\na A 9.9.9.9"]);
    shows("@ HTTPS 0 @", "alias_loop @ [1]", &["@ HTTPS 0 a", "@ HTTPS 1 @"]);

    let chain = |length: usize| {
        let links: String = (1..=length).map(|i| format!("a{i} CNAME a{}\n", i + 1)).collect();
        links + "x CNAME a1\n" + &format!("a{} A 9.9.9.9\n", length + 1)
    };
    assert_eq!(found(&chain(7)), [""; 0]);
    assert_eq!(found(&chain(8)), ["alias_chain x [1, 2, 3, 4, 5, 6, 7, 8, 9]"]);
    let two = chain(8) + "y CNAME x\n";
    assert_eq!(found(&two), ["alias_chain y [1, 2, 3, 4, 5, 6, 7, 9, 11]"]);
}

#[test]
fn mail_is_accepted_or_not() {
    shows(
        "a MX 0 .\na MX 10 b.test.",
        "null_mx_with_others a [1, 2]",
        &["a MX 0 .", "a MX 0 b.test."],
    );
    shows("a MX 10 .", "null_mx_preference a [1]", &[]);
}

#[test]
fn policies_for_mail_are_single() {
    shows(
        "a TXT \"v=spf1 -all\"\na TXT \"V=SPF1\" \" ?all\"\na TXT v=spf1",
        "spf_multiple a [1, 2, 3]",
        &[
            "a TXT \"v=spf1 -all\"\na TXT \"v=spf10 -all\"\na TXT \" v=spf1\"\na TXT \"v=spf1-\"",
            "a TXT \"v=spf1 -all\"\nb TXT \"v=spf1 -all\"",
        ],
    );
    shows(
        "_dmarc.a TXT \"v=DMARC1; p=none\"\n_dmarc.a TXT \"v = DMARC1;p=reject\"",
        "dmarc_multiple _dmarc.a [1, 2]",
        &[
            "_dmarc TXT v=DMARC1\n_dmarc TXT v=DMARC2\n_dmarc TXT v=dmarc1\n_dmarc TXT \"p=none; v=DMARC1\"",
        ],
    );
    shows(
        "a TXT v=DMARC1",
        "service_name a [1]",
        &["b.test._report._dmarc TXT v=DMARC1", "_dmarc CNAME a\na TXT v=DMARC1"],
    );
    shows("a TXT v=DKIM1", "service_name a [1]", &["a._domainkey TXT v=DKIM1"]);
    shows(
        "a SRV 0 0 1 .",
        "service_name a [1]",
        &["_a._tcp CNAME a\na SRV 0 0 1 .", "*._tcp SRV 0 0 1 ."],
    );
}

#[test]
fn a_service_alias_stands_alone_and_bare() {
    shows(
        "a HTTPS 0 b.test. alpn=h2",
        "svcb_alias_params a [1]",
        &["a HTTPS 0 b.test.", "a HTTPS 1 b.test. alpn=h2"],
    );
    shows(
        "a HTTPS 0 b.test.\na HTTPS 1 . alpn=h2",
        "svcb_alias_beside_others a [1, 2]",
        &["a HTTPS 1 .\na HTTPS 2 b.test.", "a HTTPS 0 b.test.\na SVCB 1 c.test."],
    );
}

#[test]
fn addresses_reach_the_internet() {
    for address in [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.1.1",
        "172.31.0.1",
        "192.0.2.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "255.255.255.255",
    ] {
        shows(&format!("a A {address}"), "address_not_public a [1]", &[]);
    }
    for address in
        ["::", "::1", "::ffff:9.9.9.9", "fc00::1", "fe80::1", "ff02::1", "2001:db8::1", "3fff::1"]
    {
        shows(&format!("a AAAA {address}"), "address_not_public a [1]", &[]);
    }
    for near in [
        "9.255.255.255",
        "100.63.0.1",
        "100.128.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.0.3.1",
        "198.20.0.1",
    ] {
        assert_eq!(found(&format!("a A {near}")), [""; 0]);
    }
    for near in ["2001:db7::1", "3ffe::1", "fec0::1", "64:ff9b::1"] {
        assert_eq!(found(&format!("a AAAA {near}")), [""; 0]);
    }
}

#[test]
fn hosts_have_host_names() {
    shows(
        "a_b A 9.9.9.9",
        "host_name a_b [1]",
        &["a_b TXT x", "*.a-b A 9.9.9.9", "gc._msdcs A 9.9.9.9", "1a A 9.9.9.9"],
    );
    shows("-a A 9.9.9.9\n-a AAAA 2620:fe::fe\n-a TXT x", "host_name -a [1, 2]", &[]);
    shows("a MX 10 b_c.test.", "host_name a [1]", &["a MX 0 ."]);
    shows("a NS b_c.test.", "host_name a [1]", &[]);
    shows("a.* A 9.9.9.9", "host_name a.* [1]", &[]);
}

#[test]
fn authorities_can_read_what_they_are_told() {
    shows(
        "a CAA 0 issue \"%%%\"",
        "caa_malformed a [1]",
        &["a CAA 0 issue \";\"", "a CAA 0 issue \"\"", "a CAA 0 iodef \"%\""],
    );
    shows(
        "a CAA 128 tbs x",
        "caa_unknown_critical a [1]",
        &["a CAA 0 tbs x", "a CAA 128 issue x.test"],
    );
    shows(
        "a TXT \"\\\"v=spf1 -all\\\"\"",
        "text_quoted a [1]",
        &["a TXT \"\\\"\"", "a TXT \"\\\"a\\\" b\""],
    );
    shows(r#"a NAPTR 1 2 u x "!a!" ."#, "naptr_malformed a [1]", &[r#"a NAPTR 1 2 u x "!a!b!" ."#]);
    shows(
        r#"a NAPTR 1 2 u x "!a!b!" b.test."#,
        "naptr_malformed a [1]",
        &[r#"a NAPTR 1 2 s x "" b.test."#],
    );
    shows("a SSHFP 1 1 00", "digest_length a [1]", &["a SSHFP 1 9 00"]);
    shows("_1._tcp TLSA 3 1 1 00", "digest_length _1._tcp [1]", &["_1._tcp TLSA 3 1 0 00"]);
}

#[test]
fn an_alias_of_a_provider_makes_the_addresses() {
    let record = |name: &str, record_type, text: &str| {
        let data = RecordData::parse(record_type, text).unwrap();
        DnsRecord::new(name.parse().unwrap(), Ttl::HOUR, data)
    };
    let base = [
        record("example.com", RecordType::Soa, "ns.test a.test 1 2 3 4 5"),
        record("example.com", RecordType::Ns, "ns.test"),
        record("example.com", RecordType::Alias, "edge.acme.app"),
        record("example.com", RecordType::Mx, "10 example.com"),
    ];
    assert_eq!(lint(&origin(), &base), []);
    let mut records = base.to_vec();
    records.push(record("example.com", RecordType::A, "9.9.9.9"));
    let found = lint(&origin(), &records);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].code(), found[0].records()), (LintCode::AliasWithAddress, &[2, 4][..]));
    records[4] = record("a.example.com", RecordType::Flatten, "b.example.com");
    records.push(record("b.example.com", RecordType::Cname, "a.example.com"));
    assert_eq!(lint(&origin(), &records)[0].code(), LintCode::AliasLoop);
}

#[test]
fn findings_grow_no_faster_than_the_records() {
    let count = 2000;
    let each = |line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    // Many of one thing that each lead to many of another.
    let records = each(&|i| format!("@ MX {i} a\n"))
        + &each(&|i| format!("a CNAME c{i}.test.\n"))
        + &each(&|i| format!("_s._tcp SRV {i} 0 0 x.d\n"))
        + &each(&|i| format!("d DNAME d{i}.test.\n"))
        + &each(&|i| format!("h{i} CNAME l0\n"))
        + &each(&|i| format!("l{i} CNAME l{}\n", i + 1))
        + &each(&|i| format!("s NS n{i}.s\n"))
        + &each(&|i| format!("t{i}.s TXT t\n"));
    let file = ZoneFile::parse(format!("{APEX}{records}"), &origin()).unwrap();
    let found = lint(file.origin(), file.records());
    let named: usize = found.iter().map(|finding| finding.records().len()).sum();
    assert!(named < 5 * file.records().len(), "{named}");
}

#[test]
fn codes_are_distinct_and_say_what_to_do() {
    let codes: BTreeSet<_> = LintCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(codes.len(), LintCode::ALL.len());
    assert!(LintCode::ALL.is_sorted_by_key(|code| format!("{code:?}")));
    for code in LintCode::ALL {
        assert!(code.advice().is_ascii() && !code.advice().ends_with('.'), "{code}");
    }
}

#[test]
fn a_finding_is_data_for_an_api() {
    let finding = &findings(&format!("{APEX}a CNAME b.test.\na CNAME c.test."))[0];
    assert_eq!(
        serde_json::to_value(finding).unwrap(),
        serde_json::json!({
            "severity": "error",
            "code": "cname_multiple",
            "name": "a.example.com",
            "records": [3, 4],
            "message": "a.example.com has 2 CNAME records",
        })
    );
    assert_eq!(finding.to_string(), "a.example.com has 2 CNAME records; keep one CNAME");
}

/// Records of any type at few names, so that they meet.
fn records() -> impl Strategy<Value = Vec<DnsRecord>> {
    let names = [
        "example.com",
        "a.example.com",
        "b.a.example.com",
        "*.example.com",
        "*.a.example.com",
        "test",
        ".",
    ];
    let name =
        || prop::sample::select(names.to_vec()).prop_map(|name| name.parse::<DnsName>().unwrap());
    let pointing = (name(), 0..6_u8).prop_map(|(name, kind)| match kind {
        0 => RecordData::Ns(name),
        1 => RecordData::Dname(name),
        2 => RecordData::Alias(name),
        3 => RecordData::parse(RecordType::Mx, &format!("10 {name}")).unwrap(),
        4 => RecordData::parse(RecordType::Srv, &format!("0 0 1 {name}")).unwrap(),
        _ => RecordData::Cname(name),
    });
    let data = prop_oneof![3 => pointing, 1 => arbitrary::data()];
    vec((name(), 0..3_u32, data), 0..20).prop_map(|records| {
        let made = |(name, ttl, data)| DnsRecord::new(name, Ttl::from_secs(ttl).unwrap(), data);
        records.into_iter().map(made).collect()
    })
}

proptest! {
    #[test]
    fn findings_name_their_records_in_order(records in records()) {
        let found = lint(&origin(), &records);
        for finding in &found {
            prop_assert!(finding.records().iter().is_sorted_by(|a, b| a < b));
            prop_assert!(finding.records().last().is_none_or(|last| *last < records.len()));
            prop_assert!(!finding.to_string().chars().any(char::is_control));
        }
        // What one rule says of one place is said once.
        let keys: BTreeSet<_> =
            found.iter().map(|f| (f.code(), f.name().clone(), f.records().to_vec(), f.message().to_owned())).collect();
        prop_assert_eq!(keys.len(), found.len());
    }

    #[test]
    fn the_order_of_records_does_not_matter(records in records()) {
        let told = |records: &[DnsRecord]| {
            let told = |f: &Finding| (f.code(), f.name().clone(), f.message().to_owned(), f.records().len());
            lint(&origin(), records).iter().map(told).collect::<BTreeSet<_>>()
        };
        let mut backwards = records.clone();
        backwards.reverse();
        prop_assert_eq!(told(&records), told(&backwards));
    }
}
