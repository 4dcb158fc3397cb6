use super::*;

#[test]
fn a_plain_https_url_is_an_endpoint() {
    for (url, origin) in [
        ("https://hooks.example.com", "https://hooks.example.com"),
        ("https://hooks.example.com/", "https://hooks.example.com"),
        ("https://hooks.example.com:443/a/b?c=d&e=%20", "https://hooks.example.com:443"),
        ("https://HOOKS.example.com?token=x", "https://HOOKS.example.com"),
        ("https://93.184.216.34/x", "https://93.184.216.34"),
        ("https://[2606:4700::1111]/x", "https://[2606:4700::1111]"),
        ("https://hooks.example.com/a@b:c", "https://hooks.example.com"),
    ] {
        let endpoint = Endpoint::new(url).unwrap();
        assert_eq!((endpoint.url(), endpoint.origin()), (url, origin));
        // What clients connect to is what was looked at.
        let read = url::Url::parse(url).unwrap();
        assert_eq!(read.origin().ascii_serialization(), origin.to_lowercase().replace(":443", ""));
    }
}

#[test]
fn whatever_could_lead_elsewhere_is_refused() {
    for url in [
        "",
        "https://",
        "https:///x",
        "http://hooks.example.com/",
        "HTTPS://hooks.example.com/",
        "ftp://hooks.example.com/",
        "//hooks.example.com/",
        "https:hooks.example.com",
        "https:/\\hooks.example.com",
        "https://user@hooks.example.com/",
        "https://user:password@hooks.example.com/",
        "https://hooks.example.com:80/",
        "https://hooks.example.com:8443/",
        "https://hooks.example.com:0/",
        "https://hooks.example.com:65979/",
        "https://hooks.example.com:+443/",
        "https://hooks.example.com:/",
        "https://hooks.example.com:443:443/",
        "https://hooks.example.com#@evil.example/",
        "https://hooks.example.com\\@evil.example/",
        "https://hooks.example.com./",
        "https://hooks..example.com/",
        "https://*.example.com/",
        "https://localhost/",
        "https://hooks_.example.com/",
        "https://hooks.example.com%2eevil.example/",
        "https://h\u{f6}oks.example.com/",
        "https://hooks.example.com/\u{e9}",
        "https://hooks.example.com/ x",
        "https://hooks.example.com/\r\nx: y",
        "https://hooks.example.com/\0",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://hooks.example.0x7f/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[::]/",
        "https://[fe80::1%25eth0]/",
        "https://[fd00::1]/",
        "https://[::ffff:93.184.216.34]/",
        "https://[64:ff9b::5db8:d822]/",
        "https://[2606:4700::1111/",
        "https://[2606:4700::1111]x/",
        "https://[2606:4700::1111]:/",
    ] {
        let error = Endpoint::new(url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{url}");
    }
    let long = format!("https://hooks.example.com/{}", "x".repeat(MAX));
    assert!(Endpoint::new(&long).is_err());
}

#[test]
fn other_ports_are_there_for_the_asking() {
    let url = "https://hooks.example.com:8443/";
    assert!(Endpoint::on_ports(url, &[443, 8443]).is_ok());
    assert!(Endpoint::on_ports("https://hooks.example.com/", &[8443]).is_err());
}

#[test]
fn plain_http_is_for_loopback_and_nothing_else() {
    for good in ["http://127.0.0.1:8080/x", "http://[::1]:8080/"] {
        assert!(Endpoint::loopback(good).is_ok(), "{good}");
    }
    for bad in [
        "http://hooks.example.com/",
        "http://localhost:8080/",
        "http://10.0.0.1/",
        "https://127.0.0.1/",
        "http://127.0.0.1.example.com/",
    ] {
        assert!(Endpoint::loopback(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_may_be_secret_is_not_shown() {
    let endpoint = Endpoint::new("https://hooks.example.com/hunter2?token=hunter2").unwrap();
    assert_eq!(format!("{endpoint:?}"), r#"Endpoint("https://hooks.example.com")"#);
}
