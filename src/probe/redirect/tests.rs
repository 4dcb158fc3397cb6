use super::*;

fn host() -> DomainName {
    "shop.example.com".parse().unwrap()
}

fn here() -> Place {
    Place { scheme: Scheme::Http, path: "/here".into() }
}

fn followed(status: u16, location: &str) -> Option<(Scheme, String)> {
    let response = Response::new(status, "").with_location(location);
    target(&host(), &here(), &response).map(|place| (place.scheme, place.path))
}

#[test]
fn pages_of_the_same_host_are_followed() {
    for (location, scheme, path) in [
        ("/there", Scheme::Http, "/there"),
        ("/there?a=b#c", Scheme::Http, "/there?a=b"),
        ("http://shop.example.com/there", Scheme::Http, "/there"),
        ("http://shop.example.com:80/there", Scheme::Http, "/there"),
        ("https://shop.example.com/there", Scheme::Https, "/there"),
        ("https://shop.example.com:443/there", Scheme::Https, "/there"),
        ("HTTPS://Shop.Example.COM/There", Scheme::Https, "/There"),
        ("https://shop.example.com", Scheme::Https, "/"),
        ("https://shop.example.com?a", Scheme::Https, "/?a"),
        ("https://shop.example.com#a", Scheme::Https, "/"),
    ] {
        for status in [301, 302, 307, 308] {
            assert_eq!(followed(status, location), Some((scheme, path.into())), "{location}");
        }
    }
}

#[test]
fn what_leads_elsewhere_is_not_followed() {
    for location in [
        "",
        "there",
        "../there",
        "?there",
        "//other.example.com/",
        "//shop.example.com/",
        "/\\other.example.com/",
        "\\\\other.example.com/",
        "http://other.example.com/",
        "http://example.com/",
        "http://a.shop.example.com/",
        "http://shop.example.com.other.test/",
        "http://shop.example.com./",
        "http://user@shop.example.com/",
        "http://user:password@shop.example.com/",
        "http://shop.example.com@other.test/",
        "http://shop.example.com:443/",
        "https://shop.example.com:80/",
        "http://shop.example.com:8080/",
        "http://shop.example.com:22/",
        "http://shop.example.com:080/",
        "http://shop.example.com:/",
        "http://shop.example.com:80:80/",
        "http://shop%2eexample.com/",
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://[::1]/",
        "http://[fe80::1%25eth0]/",
        "http:///there",
        "http:/there",
        "http:shop.example.com/",
        "ftp://shop.example.com/",
        "file:///etc/passwd",
        "gopher://shop.example.com:80/",
        "javascript:alert(1)",
        "data:text/plain,token",
        "http://shop.example.com/a b",
        "http://shop.example.com/a\r\nHost: other.test",
        "http://shop.example.com/ä",
        " http://shop.example.com/",
    ] {
        assert_eq!(followed(302, location), None, "{location}");
    }
    let long = format!("/{}", "a".repeat(Fetch::MAX_PATH));
    assert_eq!(followed(302, &long), None);
}

#[test]
fn other_statuses_redirect_nowhere() {
    for status in [200, 201, 300, 303, 304, 305, 306, 309, 399, 404] {
        assert_eq!(followed(status, "/there"), None, "{status}");
    }
    assert_eq!(target(&host(), &here(), &Response::new(302, "")), None);
}

#[test]
fn a_trail_ends_at_its_length_and_where_it_has_been() {
    let to = |path: &str| Response::new(302, "").with_location(path);
    let fetch = Fetch::new(host(), "/0").with_redirects(2);

    let mut trail = Trail::new(&fetch, 10);
    let first = trail.next(&trail.start(), &to("/1")).unwrap();
    let second = trail.next(&first, &to("/2")).unwrap();
    assert_eq!(trail.next(&second, &to("/3")), None);

    let mut trail = Trail::new(&fetch, 1);
    let first = trail.next(&trail.start(), &to("/1")).unwrap();
    assert_eq!(trail.next(&first, &to("/2")), None);

    let mut trail = Trail::new(&fetch, 10);
    let first = trail.next(&trail.start(), &to("/1")).unwrap();
    assert_eq!(trail.next(&first, &to("/0")), None);

    let fetch = Fetch::new(host(), "/0");
    let mut trail = Trail::new(&fetch, 10);
    assert_eq!(trail.next(&trail.start(), &to("/1")), None);
}

#[test]
fn a_path_is_visible_ascii_after_a_slash() {
    for path in ["/", "/a?b=c&d=%26", "/~!$&'()*+,;=:@"] {
        assert!(is_path(path), "{path}");
    }
    for path in ["", "a", "/a b", "/a\r\n", "/a\0", "/a\u{7f}", "/ä", "/a#b"] {
        assert!(!is_path(path), "{path:?}");
    }
}
