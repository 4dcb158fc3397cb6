use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

/// What the vectors of the list's own project need, and the oddities that the format allows.
const RULES: &str = "\
// VERSION: 2026-11-20_08-15-30_UTC
// ===BEGIN ICANN DOMAINS===
ac
biz
com
cn
com.cn
公司.cn
中国
*.ck
!www.ck

jp\t// the rest of the line is a comment
ac.jp
kyoto.jp
ide.kyoto.jp
*.kobe.jp
!city.kobe.jp
*.mm
// A rule in upper case and one in A-labels are as good.
US
ak.us
k12.ak.us
xn--p1ai
// ===END ICANN DOMAINS===
// ===BEGIN PRIVATE DOMAINS===
uk.com
github.io
// ===END PRIVATE DOMAINS===
";

fn noon() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn list(text: &str) -> PublicSuffixes {
    PublicSuffixes::parse_at_least(1, text, noon()).unwrap()
}

/// Puts rules into the sections of a list.
fn text_of(icann: &[String], private: &[String]) -> String {
    let mut text = "// ===BEGIN ICANN DOMAINS===\n".to_owned();
    icann.iter().for_each(|rule| writeln!(text, "{rule}").unwrap());
    text += "// ===END ICANN DOMAINS===\n// ===BEGIN PRIVATE DOMAINS===\n";
    private.iter().for_each(|rule| writeln!(text, "{rule}").unwrap());
    text + "// ===END PRIVATE DOMAINS===\n"
}

fn ascii(name: &str) -> String {
    idna::domain_to_ascii(name).unwrap()
}

/// The vectors of `test_psl.txt`, which the project of the list publishes.
#[test]
fn the_vectors_of_the_list_hold() {
    for suffixes in [PublicSuffixes::compiled(), list(RULES)] {
        for (name, registrable) in [
            ("COM", None),
            ("example.COM", Some("example.com")),
            ("WwW.example.COM", Some("example.com")),
            ("example", None),
            ("example.example", Some("example.example")),
            ("b.example.example", Some("example.example")),
            ("a.b.example.example", Some("example.example")),
            ("biz", None),
            ("domain.biz", Some("domain.biz")),
            ("b.domain.biz", Some("domain.biz")),
            ("a.b.domain.biz", Some("domain.biz")),
            ("com", None),
            ("example.com", Some("example.com")),
            ("b.example.com", Some("example.com")),
            ("a.b.example.com", Some("example.com")),
            ("uk.com", None),
            ("example.uk.com", Some("example.uk.com")),
            ("b.example.uk.com", Some("example.uk.com")),
            ("a.b.example.uk.com", Some("example.uk.com")),
            ("test.ac", Some("test.ac")),
            ("mm", None),
            ("c.mm", None),
            ("b.c.mm", Some("b.c.mm")),
            ("a.b.c.mm", Some("b.c.mm")),
            ("jp", None),
            ("test.jp", Some("test.jp")),
            ("www.test.jp", Some("test.jp")),
            ("ac.jp", None),
            ("test.ac.jp", Some("test.ac.jp")),
            ("www.test.ac.jp", Some("test.ac.jp")),
            ("kyoto.jp", None),
            ("test.kyoto.jp", Some("test.kyoto.jp")),
            ("ide.kyoto.jp", None),
            ("b.ide.kyoto.jp", Some("b.ide.kyoto.jp")),
            ("a.b.ide.kyoto.jp", Some("b.ide.kyoto.jp")),
            ("c.kobe.jp", None),
            ("b.c.kobe.jp", Some("b.c.kobe.jp")),
            ("a.b.c.kobe.jp", Some("b.c.kobe.jp")),
            ("city.kobe.jp", Some("city.kobe.jp")),
            ("www.city.kobe.jp", Some("city.kobe.jp")),
            ("ck", None),
            ("test.ck", None),
            ("b.test.ck", Some("b.test.ck")),
            ("a.b.test.ck", Some("b.test.ck")),
            ("www.ck", Some("www.ck")),
            ("www.www.ck", Some("www.ck")),
            ("us", None),
            ("test.us", Some("test.us")),
            ("www.test.us", Some("test.us")),
            ("ak.us", None),
            ("test.ak.us", Some("test.ak.us")),
            ("www.test.ak.us", Some("test.ak.us")),
            ("k12.ak.us", None),
            ("test.k12.ak.us", Some("test.k12.ak.us")),
            ("www.test.k12.ak.us", Some("test.k12.ak.us")),
            ("食狮.com.cn", Some("食狮.com.cn")),
            ("食狮.公司.cn", Some("食狮.公司.cn")),
            ("www.食狮.公司.cn", Some("食狮.公司.cn")),
            ("shishi.公司.cn", Some("shishi.公司.cn")),
            ("公司.cn", None),
            ("食狮.中国", Some("食狮.中国")),
            ("www.食狮.中国", Some("食狮.中国")),
            ("shishi.中国", Some("shishi.中国")),
            ("中国", None),
            ("xn--85x722f.xn--55qx5d.cn", Some("xn--85x722f.xn--55qx5d.cn")),
            ("www.xn--85x722f.xn--fiqs8s", Some("xn--85x722f.xn--fiqs8s")),
        ] {
            let found = suffixes.registrable_str(&ascii(name)).map(str::to_owned);
            assert_eq!(found, registrable.map(ascii), "{name} {suffixes:?}");
        }
    }
}

#[test]
fn the_section_of_a_suffix_is_that_of_its_rule() {
    for suffixes in [PublicSuffixes::compiled(), list(RULES)] {
        for (name, section) in [
            ("com", Some(Section::Icann)),
            ("k12.ak.us", Some(Section::Icann)),
            ("c.kobe.jp", Some(Section::Icann)),
            ("xn--p1ai", Some(Section::Icann)),
            ("uk.com", Some(Section::Private)),
            ("github.io", Some(Section::Private)),
            ("unlisted", Some(Section::Unlisted)),
            ("city.kobe.jp", None),
            ("example.com", None),
        ] {
            assert_eq!(suffixes.section(name), section, "{name} {suffixes:?}");
        }
    }
}

#[test]
fn a_wildcard_counts_where_a_rule_goes_on_below_it() {
    let text = text_of(
        &["at".into(), "dev".into()],
        &["*.futurecms.at".into(), "*.ex.futurecms.at".into()],
    );
    for suffixes in [PublicSuffixes::compiled(), list(&text)] {
        for (name, registrable) in [
            ("futurecms.at", Some("futurecms.at")),
            ("ex.futurecms.at", None),
            ("a.futurecms.at", None),
            ("b.a.futurecms.at", Some("b.a.futurecms.at")),
            ("a.ex.futurecms.at", None),
            ("b.a.ex.futurecms.at", Some("b.a.ex.futurecms.at")),
        ] {
            assert_eq!(suffixes.registrable_str(name), registrable, "{name} {suffixes:?}");
        }
    }
}

#[test]
fn a_wildcard_may_stand_anywhere_in_a_rule() {
    let suffixes = list(&text_of(
        &["com".into(), "*.*.foo".into(), "a.*.bar".into(), "*".into()],
        &["x.a.b.bar".into()],
    ));
    for (name, registrable) in [
        ("a.b.foo", None),
        ("z.a.b.foo", Some("z.a.b.foo")),
        ("b.foo", Some("b.foo")),
        ("a.b.bar", None),
        ("c.b.bar", Some("b.bar")),
        ("y.x.a.b.bar", Some("y.x.a.b.bar")),
        ("x.a.b.bar", None),
        ("foo", None),
        ("example.unlisted", Some("example.unlisted")),
    ] {
        assert_eq!(suffixes.registrable_str(name), registrable, "{name}");
    }
    assert_eq!(suffixes.section("unlisted"), Some(Section::Icann));
}

#[test]
fn a_list_is_dated_by_its_version_and_else_by_when_it_was_read() {
    let version = "2026-11-20T08:15:30Z".parse().unwrap();
    assert_eq!(list(RULES).as_of(), version);
    assert_eq!(list(RULES).age(noon()), Duration::from_secs((27 * 60 + 44) * 60 + 30));
    assert_eq!(list(RULES).age(version), Duration::ZERO);
    for line in ["", "// VERSION: yesterday", "// VERSION: 2029-01-01_00-00-00_UTC"] {
        let text = format!("{line}\n{}", text_of(&["com".into()], &[]));
        assert_eq!(list(&text).as_of(), noon(), "{line}");
    }
    let long_ago = "1999-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(list(RULES).age(long_ago), Duration::ZERO);
}

#[test]
fn what_may_be_cut_short_is_refused_with_its_line() {
    let icann = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";
    for (text, line, shown) in [
        ("", None, "the text has no ICANN section"),
        ("com\nnet\n", Some(1), "the rule is in no section"),
        ("<!doctype html>\n", Some(1), "the rule is in no section"),
        ("// ===BEGIN ICANN DOMAINS===\ncom\n", None, "the text ends within a section"),
        (
            "// ===BEGIN PRIVATE DOMAINS===\nuk.com\n// ===END PRIVATE DOMAINS===\n",
            None,
            "the text has no ICANN section",
        ),
        (
            "// ===BEGIN ICANN DOMAINS===\n// ===BEGIN PRIVATE DOMAINS===\n",
            Some(2),
            "the section does not begin or end where it may",
        ),
        ("// ===END ICANN DOMAINS===\n", Some(1), "the section does not begin or end where it may"),
        (&format!("{icann}net\n"), Some(4), "the rule is in no section"),
        (
            "// ===BEGIN ICANN DOMAINS===\n// ===END ICANN DOMAINS===\n",
            None,
            "there are 0 rules where at least 1 were expected",
        ),
        (&format!("{}\n", "a".repeat(5000)), Some(1), "the line has more than 4096 bytes"),
        (&" ".repeat(PublicSuffixes::MAX_BYTES + 1), None, "the text has more than 4194304 bytes"),
    ] {
        let error = PublicSuffixes::parse_at_least(0, text, noon()).unwrap_err();
        assert_eq!(error.line(), line, "{error}");
        assert!(error.to_string().ends_with(shown), "{error}");
    }
    let error = PublicSuffixes::parse(RULES, noon()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "public suffix list: there are 22 rules where at least 5000 were expected"
    );
    for cut in 0..RULES.len() {
        // Behind the end of a section nothing shows that more was to come: the count has to.
        let Some(text) = RULES.get(..cut) else { continue };
        if let Ok(suffixes) = PublicSuffixes::parse_at_least(22, text, noon()) {
            assert_eq!(suffixes, list(RULES), "{cut}");
        }
    }
}

#[test]
fn what_is_no_rule_is_refused_with_its_line() {
    for rule in [
        "!com",
        "!",
        "!*.com",
        "a..b",
        ".com",
        "com.",
        "*a.com",
        "a*.com",
        "**",
        "ex_ample",
        "a/b",
        "xn--a",
        "com\u{3002}cn",
        "-\u{0}-",
    ] {
        let text = format!("// ===BEGIN ICANN DOMAINS===\n{rule}\n// ===END ICANN DOMAINS===\n");
        let error = PublicSuffixes::parse_at_least(1, &text, noon()).unwrap_err();
        assert_eq!(error.line(), Some(2), "{rule}");
        assert!(error.to_string().contains("the rule is not of host name labels"), "{error}");
    }
}

#[test]
fn all_who_share_a_list_see_it_replaced() {
    let shared = SharedSuffixes::from(PublicSuffixes::compiled());
    let other = shared.clone();
    shared.replace(Arc::new(list(RULES)));
    assert_eq!(*other.current(), list(RULES));
    assert_eq!(shared, other);
    assert_eq!(shared, SharedSuffixes::from(list(RULES)));
    assert_ne!(shared, SharedSuffixes::from(PublicSuffixes::compiled()));
    assert!(format!("{shared:?}").len() < 200, "a list is not printed");
}

#[test]
fn the_list_that_is_compiled_in_is_dated_as_its_crate() {
    // Both change together: what `cargo info psl` says of the version that is asked for here.
    let (version, date) = ("2.1.247", "2026-11-05T00:00:00Z");
    let manifest = include_str!("../../../Cargo.toml");
    assert!(manifest.contains(&format!("\npsl = \"{version}\"\n")));
    assert_eq!(PublicSuffixes::compiled().as_of(), date.parse::<Timestamp>().unwrap());
}

/// Looks a name up as the list's project describes it: by trying every rule.
fn by_the_book(rules: &[String], name: &str) -> Option<String> {
    let labels: Vec<_> = name.split('.').rev().collect();
    let matches = |rule: &&String| {
        let rule: Vec<_> = rule.trim_start_matches('!').split('.').rev().collect();
        rule.len() <= labels.len()
            && rule.iter().zip(&labels).all(|(rule, label)| *rule == "*" || rule == label)
    };
    let matching: Vec<_> = rules.iter().filter(matches).collect();
    let suffix_len = match matching.iter().find(|rule| rule.starts_with('!')) {
        Some(exception) => exception.split('.').count() - 1,
        None => matching.iter().map(|rule| rule.split('.').count()).max().unwrap_or(1),
    };
    let registrable = labels.get(..=suffix_len)?;
    Some(registrable.iter().rev().copied().collect::<Vec<_>>().join("."))
}

proptest! {
    #[test]
    fn names_are_looked_up_as_the_algorithm_has_it(
        rules in prop::collection::vec("(\\*\\.)?([ab]\\.){0,2}[ab]|![ab]\\.[ab]|a\\.\\*\\.b", 1..8),
        names in prop::collection::vec("([abc]\\.){0,4}[abc]", 8),
    ) {
        let suffixes = list(&text_of(&rules, &[]));
        for name in names {
            let found = suffixes.registrable_str(&name).map(str::to_owned);
            prop_assert_eq!(found, by_the_book(&rules, &name), "{} {:?}", name, rules);
        }
    }

    #[test]
    fn no_text_panics(text in any::<String>(), name in "[a-c.*]{0,12}") {
        let _ = PublicSuffixes::parse_at_least(0, &text, noon()).map_err(|error| error.to_string());
        let text = text_of(&[text.replace(['\n', '\r'], "")], &[]);
        if let Ok(suffixes) = PublicSuffixes::parse_at_least(0, &text, noon()) {
            let _ = suffixes.registrable_str(&name);
        }
    }
}
