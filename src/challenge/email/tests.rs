use std::time::Duration;

use super::*;
use crate::{
    clock::{Timestamp, after},
    evidence::Verdict,
    id::DomainId,
    record::{Caa, Txt},
};

const DAY: Duration = Duration::from_secs(86_400);

fn name(text: &str) -> DomainName {
    text.parse().unwrap()
}

fn texts(addresses: &[MailAddress]) -> Vec<&str> {
    addresses.iter().map(MailAddress::as_str).collect()
}

fn now() -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000, 0).unwrap()
}

#[test]
fn scopes_are_the_name_and_its_parents_up_to_the_registrable_domain() {
    for (of, wanted) in [
        ("example.com", &["example.com"][..]),
        ("www.shop.example.com", &["www.shop.example.com", "shop.example.com", "example.com"]),
        ("*.shop.example.com", &["shop.example.com", "example.com"]),
        ("a.b.example.co.uk", &["a.b.example.co.uk", "b.example.co.uk", "example.co.uk"]),
        // A company's suffix is one: nobody at github.com answers for its customers.
        ("www.me.github.io", &["www.me.github.io", "me.github.io"]),
        ("github.io", &[]),
        ("*.co.uk", &[]),
    ] {
        let scopes: Vec<_> = scopes(&name(of)).iter().map(ToString::to_string).collect();
        assert_eq!(scopes, wanted, "{of}");
        let contacts = Contacts::new(&name(of), None);
        match wanted.last() {
            Some(last) => assert_eq!(contacts.unwrap().scope().as_str(), *last),
            None => assert_eq!(contacts.unwrap_err().kind(), ErrorKind::Invalid),
        }
    }
}

#[test]
fn no_scope_is_above_beside_or_below_what_is_allowed() {
    let claimed = name("www.shop.example.com");
    for scope in ["com.example", "example.net", "a.www.shop.example.com", "other.example.com"] {
        let error = Contacts::new(&claimed, Some(&name(scope))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{scope}");
    }
    let contacts = Contacts::new(&claimed, Some(&name("shop.example.com"))).unwrap();
    assert_eq!(
        texts(contacts.constructed()),
        [
            "admin@shop.example.com",
            "administrator@shop.example.com",
            "webmaster@shop.example.com",
            "hostmaster@shop.example.com",
            "postmaster@shop.example.com"
        ]
    );
    assert_eq!(contacts.whois(), []);
}

#[test]
fn a_zone_publishes_a_few_addresses_at_any_host() {
    let contacts = Contacts::new(&name("example.com"), None).unwrap();
    let at = contacts.published_at().unwrap();
    assert_eq!(at.to_string(), "_validation-contactemail.example.com");
    let txt = |text: &str| RecordData::Txt(Txt::from_text(text));
    let caa = |tag, value: &str| RecordData::Caa(Caa::new(0, tag, value).unwrap());
    let records = [
        txt("DNS@Example.net"),
        txt("dns@example.net"),
        txt("two@example.net three@example.net"),
        txt("Admin <four@example.net>"),
        txt("five@example.net\r\nBcc: six@example.net"),
        caa("issue", "seven@example.net"),
        caa("contactemail", "admin@example.com"),
        caa("contactemail", "caa@example.org"),
    ];
    let contacts = contacts.with_published(Contacts::read(&records));
    assert_eq!(
        texts(contacts.published()),
        ["dns@example.net", "admin@example.com", "caa@example.org"]
    );
    assert_eq!(contacts.all().len(), 7);

    let many: Vec<_> = (0..100).map(|number| txt(&format!("a{number}@example.net"))).collect();
    let contacts = Contacts::new(&name("example.com"), None).unwrap();
    let contacts = contacts.with_published(Contacts::read(&many));
    assert_eq!(contacts.published().len(), MAX_PUBLISHED);
}

#[test]
fn what_is_not_eligible_is_ignored_and_none_left_is_all() {
    let contacts = Contacts::new(&name("example.com"), None).unwrap();
    let choose = |wanted: &[&str]| {
        contacts.choose(wanted).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(choose(&["Postmaster@EXAMPLE.com", "me@example.com"]), ["postmaster@example.com"]);
    assert_eq!(
        choose(&["webmaster@example.com", "admin@example.com", "admin@example.com"]),
        ["admin@example.com", "webmaster@example.com"]
    );
    let none: &[&str] = &[];
    for wanted in [none, &["me@example.com", "admin@example.net", "admin@shop.example.com", ""]] {
        assert_eq!(choose(wanted).len(), 5, "{wanted:?}");
    }
}

#[test]
fn addresses_are_plain() {
    for good in ["admin@example.com", "A.b-c_d9@xn--bcher-kva.example", "1@example.com"] {
        let address: MailAddress = good.parse().unwrap();
        assert_eq!(address.as_str(), good.to_ascii_lowercase());
        let text = serde_json::to_string(&address).unwrap();
        assert_eq!(serde_json::from_str::<MailAddress>(&text).unwrap(), address);
    }
    let long = format!("{}@example.com", "a".repeat(65));
    for bad in [
        "",
        "admin",
        "@example.com",
        "admin@",
        "admin@com",
        "admin@*.example.com",
        "admin@example.com.",
        "admin@[192.0.2.1]",
        "admin@192.0.2.1",
        "admin@b\u{fc}cher.example",
        "b\u{fc}ro@example.com",
        "admin+tag@example.com",
        "\"admin\"@example.com",
        "\"a b\"@example.com",
        "a b@example.com",
        ".admin@example.com",
        "admin.@example.com",
        "ad..min@example.com",
        "admin@example.com\r\nBcc: b@example.com",
        "admin\r\n@example.com",
        "admin%example.com@example.net",
        "a!b@example.com",
        "admin@example.com@example.net",
        "admin@example.com,b@example.com",
        "Admin <admin@example.com>",
        "admin@exa_mple.com",
        &long,
    ] {
        assert!(bad.parse::<MailAddress>().is_err(), "{bad}");
        assert!(serde_json::from_value::<MailAddress>(bad.into()).is_err(), "{bad}");
    }
}

#[test]
fn every_language_says_all_of_it_and_no_other_is_known() {
    let link = Link::new("https://acme.example/confirm").unwrap();
    let link = link.with_code(DomainId::from_bytes([1; 16]), &"5f".repeat(32));
    let mut seen = std::collections::BTreeSet::new();
    for locale in Locale::ALL {
        let letter = Letter::new(locale, &name("shop.example.com"), &link, now());
        assert!(letter.subject.contains("shop.example.com"), "{locale}");
        assert!(!letter.subject.contains(char::is_control), "{locale}");
        for part in ["shop.example.com", &format!("\n\n{link}\n"), "2027-01-15 08:00 UTC"] {
            assert!(letter.body.contains(part), "{locale} has no {part}");
        }
        assert!(!(letter.subject.clone() + &letter.body).contains(['{', '}']), "{locale}");
        assert!(!format!("{letter:?}").contains("5f5f"), "{letter:?}");
        assert!(seen.insert(letter.body));
        assert_eq!(Locale::of(locale.as_str()), locale);
    }
    for (tag, locale) in [
        ("", Locale::En),
        ("tlh", Locale::En),
        ("d", Locale::En),
        ("deu", Locale::En),
        ("DE", Locale::De),
        ("zh-Hant-TW", Locale::Zh),
        ("fr_CA.UTF-8", Locale::Fr),
    ] {
        assert_eq!(Locale::of(tag), locale, "{tag}");
    }
}

#[test]
fn the_link_is_the_platforms_page_and_the_code() {
    let id = DomainId::from_bytes([1; 16]);
    let link = |page: &str| Link::new(page).map(|link| link.with_code(id, "c0de"));
    assert_eq!(
        link("https://acme.example/confirm").unwrap(),
        format!("https://acme.example/confirm?domain={id}&code=c0de")
    );
    assert_eq!(
        link("https://acme.example/?page=confirm").unwrap(),
        format!("https://acme.example/?page=confirm&domain={id}&code=c0de")
    );
    let long = format!("https://acme.example/{}", "a".repeat(500));
    for bad in [
        "",
        "https://",
        "https:///confirm",
        "http://acme.example/confirm",
        "https://acme.example/confirm#top",
        "https://user@acme.example/confirm",
        "https://acme.example/con firm",
        "https://acme.example/\r\nX: y",
        "https://acme.example/b\u{fc}cher",
        "https://acme.example/\">",
        &long,
    ] {
        assert!(link(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_eleventh_wrong_code_of_a_day_is_not_looked_at_and_the_right_one_neither() {
    let code = "5f".repeat(32);
    let digest = text::digest(&code);
    let mut tries = Tries::default();
    for number in 0..Tries::MAX {
        let at = after(now(), Duration::from_secs(number.into()));
        let error = tries.judge("wrong", &digest, at).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
    }
    let later = after(now(), Duration::from_secs(3600));
    let locked = tries;
    for given in ["wrong", &code] {
        let error = tries.judge(given, &digest, later).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        assert_eq!(error.retry_after(), Some(Tries::WINDOW - Duration::from_secs(3600)));
        assert_eq!(tries, locked);
    }
    let text = serde_json::to_string(&tries).unwrap();
    assert_eq!(serde_json::from_str::<Tries>(&text).unwrap(), tries);
    // A day after the first of them.
    tries.judge(&code, &digest, after(now(), Tries::WINDOW)).unwrap();
    assert!(tries.is_none());
}

#[test]
fn only_the_code_itself_is_right() {
    let code = "5f".repeat(32);
    let digest = text::digest(&code);
    let judge = |given: &str| Tries::default().judge(given, &digest, now()).is_ok();
    assert!(judge(&code));
    for wrong in ["", &digest, &code.to_uppercase(), &code[..62], &format!("{code} "), "5f"] {
        assert!(!judge(wrong), "{wrong}");
    }
}

#[test]
fn a_confirmation_is_not_older_than_the_code_that_it_confirms() {
    let code = "5f".repeat(32);
    let round = Round {
        number: 1,
        generation: 1,
        digest: text::digest(&code),
        sealed: SealedCode(String::new()),
        addresses: Vec::new(),
        expires_at: after(now(), DAY),
    };
    // Somebody else has proved the name, so that the holder is asked, and then the clock is set back.
    let claim = Claim { generation: 1, ttl: DAY * 30, doubted_at: Some(now()) };
    let mut mail = Correspondence::default();
    mail.begin(round, DAY, now());
    let set_back = now() - DAY / 8;
    mail.confirm(&code, claim, set_back).unwrap();
    assert_eq!(mail.verdict(claim, set_back), Verdict::Confirmed);
    assert_eq!(mail.verdict(claim, after(now(), DAY)), Verdict::Confirmed);
    assert_eq!(mail.verdict(claim, after(now(), DAY * 30)), Verdict::Refuted);
}
