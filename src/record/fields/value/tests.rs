use crate::record::{
    Profile, RecordFields,
    fields::{FieldCode, VALUE_LIMIT},
};

/// Returns the value that is stored for one that was given, or what is wrong with it.
fn stored(fields: &RecordFields) -> Result<String, String> {
    let record = fields.validate_with(&Profile::FULL).map_err(|errors| errors.to_string())?;
    assert_eq!(RecordFields::from(&record).validate_with(&Profile::FULL), Ok(record.clone()));
    Ok(RecordFields::from(&record).value.unwrap())
}

#[test]
fn values_have_one_spelling() {
    for (record_type, given, canonical) in [
        ("A", "192.0.2.44", "192.0.2.44"),
        ("AAAA", "2001:DB8:0:0::44", "2001:db8::44"),
        ("CNAME", "Edge.Example.Net.", "edge.example.net"),
        ("CNAME", "edge.example.net", "edge.example.net"),
        ("NS", ".", "."),
        ("PTR", "Host.example.com.", "host.example.com"),
        ("MX", ".", "."),
        ("MX", "Mail.example.com.", "mail.example.com"),
        ("SRV", "sip.example.com.", "sip.example.com"),
        ("HTTPS", ". alpn=h2", ". alpn=h2"),
        ("HTTPS", "Svc.example.com. port=8443 alpn=h2", "svc.example.com alpn=h2 port=8443"),
        ("SVCB", "Svc.example.com.", "svc.example.com"),
        ("HTTPS", r#". alpn="h2,h3" port="8443""#, ". alpn=h2,h3 port=8443"),
        ("HTTPS", r#". alpn="a\\,b" port=1"#, r#". alpn="a\\,b" port=1"#),
        (
            "HTTPS",
            r#". key667="a \"b\"" key668="(" key669=c"#,
            r#". key667="a \"b\"" key668="(" key669=c"#,
        ),
        ("TXT", "v=spf1 -all", "v=spf1 -all"),
        ("TXT", " two  spaces ", " two  spaces "),
        ("TXT", r#"say "hi" \010; (x)"#, r#"say "hi" \010; (x)"#),
        ("TXT", "grün", "grün"),
        ("TXT", r#""v=spf1 -all""#, "v=spf1 -all"),
        ("TXT", r#""v=spf1" " -all""#, "v=spf1 -all"),
        ("TXT", r#""\"quoted\"""#, r#""\"quoted\"""#),
        ("TXT", r#""a\009b""#, r#""a\009b""#),
        ("TXT", r#""\255""#, r#""\255""#),
        ("TXT", "", r#""""#),
        ("TXT", r#""""#, r#""""#),
        ("Redirect", "https://example.com/?a=\"b\"", "https://example.com/?a=\"b\""),
        ("Flatten", "Edge.example.net.", "edge.example.net"),
        ("ALIAS", "Edge.example.net.", "edge.example.net"),
        (
            "TLSA",
            "3 1 1 D2ABDE24 0D7CD3EE6B4B28C54DF034B97983A1D16E8A410E4561CB106618E971",
            "3 1 1 d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971",
        ),
        (
            "SOA",
            "Ns1.example.net hostmaster.example.com 1 2 3 4 5",
            "ns1.example.net. hostmaster.example.com. 1 2 3 4 5",
        ),
        ("TYPE65280", r"\# 3 ABCDEF", r"\# 3 abcdef"),
    ] {
        // In alias mode there are no parameters.
        let fields = RecordFields::new(record_type, "@", given);
        let fields = if record_type == "HTTPS" { fields.with_priority(1) } else { fields };
        assert_eq!(stored(&fields), Ok(canonical.to_owned()), "{record_type} {given}");
    }
    for (given, canonical) in [
        ("letsencrypt.org", "letsencrypt.org"),
        ("ca.example.net; policy=ev", "ca.example.net; policy=ev"),
        ("", r#""""#),
        (r#""""#, r#""""#),
        (";", ";"),
        (r#""letsencrypt.org""#, "letsencrypt.org"),
        (r#""\"x\"""#, r#""\"x\"""#),
        (r#""\255""#, r#""\255""#),
    ] {
        let fields = RecordFields::new("CAA", "@", given).with_tag("Issue").with_flags(128);
        assert_eq!(stored(&fields), Ok(canonical.to_owned()), "{given}");
    }
}

#[test]
fn values_that_are_no_data_are_refused() {
    for (record_type, given, shown) in [
        ("A", "", "/value: value must not be empty"),
        ("A", " ", "/value: A address: missing"),
        ("CNAME", "a..b", "/value: CNAME target: label 2 is empty"),
        ("TXT", "\"open", "/value: TXT text: the quotes are not closed"),
        (
            "MX",
            "10 mail.example.com",
            "/value: MX value is the name of a host alone; priority goes into a field of its own",
        ),
        ("CNAME", "a.example b.example", "/value: CNAME data: text after the last field"),
        ("CNAME", "@", "/value: CNAME target: `@` stands for an origin, which is not known here"),
    ] {
        let refusal = stored(&RecordFields::new(record_type, "@", given)).unwrap_err();
        assert_eq!(refusal, shown);
    }
    for (value, code) in [
        ("x".repeat(65_280), FieldCode::TooLong),
        ("x".repeat(VALUE_LIMIT + 1), FieldCode::TooLong),
        ("a\nb".to_owned(), FieldCode::Malformed),
    ] {
        let errors = RecordFields::new("TXT", "@", value).validate().unwrap_err();
        let first = errors.iter().next().unwrap();
        assert_eq!((errors.len(), first.pointer(), first.code()), (1, "/value", code));
    }
    assert!(RecordFields::new("TXT", "@", "x".repeat(65_279)).validate().is_ok());
    let long = RecordFields::new("CAA", "@", "x".repeat(65_535)).with_tag("issue");
    let errors = long.validate().unwrap_err();
    assert_eq!(errors.iter().next().unwrap().code(), FieldCode::TooLong);
}
