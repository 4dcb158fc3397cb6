use super::*;

fn name(text: &str) -> DnsName {
    text.parse().unwrap()
}

#[test]
fn a_marker_is_below_what_it_marks() {
    let markers = Markers::new("acme").unwrap();
    let other = Markers::new("acme").unwrap().with_label("_Acme").unwrap();
    for (owner, place, other_place) in [
        ("www.example.com", "_nameplate.www.example.com", "_acme.www.example.com"),
        ("*.example.com", "_nameplate-wildcard.example.com", "_acme-wildcard.example.com"),
        ("a.*.example.com", "_nameplate.a.*.example.com", "_acme.a.*.example.com"),
        (".", "_nameplate", "_acme"),
        ("*", "_nameplate-wildcard", "_acme-wildcard"),
        (r"a\.b.example.com", r"_nameplate.a\.b.example.com", r"_acme.a\.b.example.com"),
    ] {
        assert_eq!(markers.name_for(&name(owner)).unwrap(), name(place));
        assert_eq!(other.name_for(&name(owner)).unwrap(), name(other_place));
        assert_eq!(markers.marked(&name(place)).as_deref(), Some(owner));
        assert_eq!(markers.marked(&name(other_place)), None);
    }
    for owner in ["_nameplatex.example.com", "a._nameplate.example.com", "_nameplate-x.example.com"]
    {
        assert_eq!(markers.marked(&name(owner)), None, "{owner}");
    }
}

#[test]
fn settings_are_checked() {
    for owner in ["", "a b", "a,b", "a=b", "ü", &"a".repeat(65)] {
        assert_eq!(
            Markers::new(owner).unwrap_err().to_string(),
            "the owner of records is 1 to 64 letters, digits, `.`, `-` and `_`"
        );
    }
    let longest = Markers::new(&"a".repeat(64)).unwrap();
    for label in ["", "_", "nameplate", "_a.b", "_a b", &format!("_{}", "a".repeat(54))] {
        assert_eq!(
            longest.clone().with_label(label).unwrap_err().to_string(),
            "the label of markers is `_` and 1 to 53 letters, digits, `-` and `_`"
        );
    }
    let longest = longest.with_label(&format!("_{}", "a".repeat(53))).unwrap();
    assert_eq!(longest.name_for(&name("*.a")).unwrap().labels().next().unwrap().len(), 63);
    let says = Says::of(&RecordData::A([192, 0, 2, 1].into()));
    let RecordData::Txt(txt) = longest.text(&says) else { panic!() };
    assert_eq!(txt.strings().len(), 1);
    assert_eq!(longest.parse(&txt), Some(says));
}

#[test]
fn only_our_own_markers_are_read() {
    let markers = Markers::new("acme").unwrap();
    let digest = "0123456789abcdef0123456789abcdef";
    let good = format!("heritage=nameplate,owner=acme,type=A,data={digest}");
    let (front, back) = good.split_at(20);
    let split = Txt::from_strings([front, back]).unwrap();
    assert!(markers.parse(&Txt::from_text(&good)).is_some());
    assert_eq!(markers.parse(&split), markers.parse(&Txt::from_text(&good)));
    for bad in [
        String::new(),
        good.replace("acme", "other"),
        good.replace("acme", "Acme"),
        good.replace("type=A", "type="),
        good.replace("type=A", "type=NONE"),
        good.replace(",data=", ",dat="),
        good.replace("cdef", "cde"),
        good.replace("cdef", "cdefab"),
        good.replace("cdef", "xyz!"),
        format!("{good},more=1"),
        format!("\"{good}\""),
    ] {
        assert_eq!(markers.parse(&Txt::from_text(&bad)), None, "{bad}");
    }
}

#[test]
fn a_digest_is_that_of_the_meaning() {
    let data = |record_type: &str, text| RecordData::parse(record_type.parse().unwrap(), text);
    let says = |record_type, text| Says::of(&data(record_type, text).unwrap());
    assert_eq!(says("CNAME", "A.Example."), says("CNAME", "a.example."));
    assert_eq!(says("TXT", "ab c"), says("TXT", "a bc"));
    assert_ne!(says("TXT", "abc"), says("TXT", "ABC"));
    assert_ne!(says("CNAME", "a."), says("NS", "a."));
    assert_ne!(says("Redirect", "https://a.example/"), says("Redirect", "https://b.example/"));
    // SHA-256 of the four octets of the address.
    assert_eq!(
        Markers::new("acme").unwrap().text(&says("A", "192.0.2.1")).to_string(),
        r#""heritage=nameplate,owner=acme,type=A,data=4b8feb9364512928546debfc76c9ecc0""#
    );
}
