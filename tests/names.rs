//! Names against the vectors of others, and against the crates that one would use instead.
//!
//! The vectors are those that the crates `idna` and `psl` ship, of the very versions that this
//! crate is built with: Unicode's `IdnaTestV2.txt` and the rules of the public suffix list.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

#[path = "../benches/names/list.rs"]
mod list;

use std::{collections::BTreeMap, fmt::Write as _, fs, net::IpAddr, path::Path, process::Command};

use nameplate::name::{ClaimPolicy, DnsName, DomainName, NameRule, PublicSuffixes};
use proptest::prelude::*;

/// Returns a file of a crate that this one is built with.
fn file_of(package: &str, path: &str) -> String {
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let version = run("rustc", &["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    // Only what is there already, which for another platform is not all.
    let json = run(
        env!("CARGO"),
        &[
            "metadata",
            "--format-version=1",
            "--offline",
            "--filter-platform",
            host,
            "--manifest-path",
            manifest,
        ],
    );
    let metadata: serde_json::Value = serde_json::from_str(&json).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let found = packages.iter().find(|found| found["name"] == package).unwrap();
    let folder = Path::new(found["manifest_path"].as_str().unwrap()).parent().unwrap();
    fs::read_to_string(folder.join(path)).unwrap()
}

/// Undoes the escapes of `IdnaTestV2.txt`; `None` for what is no Unicode text.
fn unescape(text: &str) -> Option<String> {
    if text == "\"\"" {
        return Some(String::new());
    }
    let mut plain = String::new();
    let mut rest = text;
    while let Some((front, escape)) = rest.split_once('\\') {
        plain += front;
        let (digits, tail) = match escape.strip_prefix("x{") {
            Some(escape) => escape.split_once('}').unwrap(),
            None => escape.strip_prefix('u').unwrap().split_at(4),
        };
        plain.push(char::from_u32(u32::from_str_radix(digits, 16).unwrap())?);
        rest = tail;
    }
    Some(plain + rest)
}

/// One line of `IdnaTestV2.txt`: a name, and what ToASCII makes of it or why it is refused.
struct Vector {
    source: String,
    ascii: String,
    errors: Vec<String>,
}

fn vectors() -> Vec<Vector> {
    let text = file_of("idna", "tests/IdnaTestV2.txt");
    let mut vectors = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        if line.trim().is_empty() {
            continue;
        }
        let columns: Vec<_> = line.split(';').map(str::trim).collect();
        let [source, unicode, unicode_errors, ascii, ascii_errors, ..] = columns[..] else {
            panic!("{line}");
        };
        let first = |texts: [&str; 3]| {
            let given = texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
            unescape(given)
        };
        let (Some(source), Some(ascii)) = (unescape(source), first([ascii, unicode, source]))
        else {
            continue;
        };
        let errors = if ascii_errors.is_empty() { unicode_errors } else { ascii_errors };
        let errors = errors.trim_matches(['[', ']']).split(',').map(str::trim);
        let errors = errors.filter(|code| !code.is_empty()).map(str::to_owned).collect();
        vectors.push(Vector { source, ascii, errors });
    }
    vectors
}

/// Returns why this crate refuses a valid name of the vectors, if it may.
fn stricter(ascii: &str, rule: NameRule) -> bool {
    let labels: Vec<_> = ascii.split('.').collect();
    let is_number = |label: &&str| {
        let digits = label.strip_prefix("0x");
        digits.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
            || label.bytes().all(|b| b.is_ascii_digit())
    };
    match rule {
        NameRule::SingleLabel => labels.len() == 1,
        NameRule::NumericTld | NameRule::Address => labels.last().is_some_and(is_number),
        _ => false,
    }
}

/// Returns whether a name has characters that Unicode got after the version of the vectors, 16.
fn is_newer(ascii: &str) -> bool {
    let (text, _) = idna::domain_to_unicode(ascii);
    text.chars().any(|c| matches!(c, '\u{323b0}'..='\u{33479}' | '\u{3d000}'..='\u{3fc3f}'))
}

/// Returns `name` without a final dot, of which ToASCII makes an empty label.
fn without_dot(name: &str) -> Option<&str> {
    name.strip_suffix(['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'])
}

/// Returns whether all labels have a length that DNS can hold, and the name has.
fn fits(ascii: &str) -> bool {
    ascii.len() <= 253 && ascii.split('.').all(|label| (1..=63).contains(&label.len()))
}

#[test]
fn names_are_processed_as_the_vectors_of_unicode_have_it() {
    let mut counts = BTreeMap::<_, usize>::new();
    let mut wrong = String::new();
    for Vector { source, mut ascii, mut errors } in vectors() {
        // What is a single label there is tried below a top-level domain too.
        let mut cases = Vec::new();
        if without_dot(&source).is_none() {
            cases.push((format!("{source}.example"), format!("{ascii}.example")));
        } else if let Some(name) = without_dot(&ascii).filter(|name| fits(name)) {
            // One final dot is accepted and dropped here.
            errors.retain(|code| code != "A4_2");
            ascii = name.to_owned();
        }
        cases.push((source, ascii));
        for (source, ascii) in cases {
            let outcome = match (source.parse::<DomainName>(), errors.is_empty()) {
                (Ok(name), true) if name.as_str() == ascii => "taken",
                (Ok(_), false) if errors == ["V7"] && is_newer(&ascii) => "newer",
                (Err(_), false) => "refused",
                (Err(error), true) if error.rule() == NameRule::TooLong && !fits(&ascii) => "long",
                (Err(error), true) if stricter(&ascii, error.rule()) => "stricter",
                (result, _) => {
                    writeln!(wrong, "{source:?} {ascii:?} {errors:?}: {result:?}").unwrap();
                    "wrong"
                }
            };
            *counts.entry(outcome).or_default() += 1;
        }
    }
    assert!(wrong.is_empty(), "{counts:?}\n{wrong}");
    assert!(counts["taken"] > 900 && counts["refused"] > 11_000, "{counts:?}");
    assert!(counts["newer"] + counts["long"] < 40 && counts["stricter"] < 200, "{counts:?}");
}

/// The rules that the `psl` crate was made of, put into the sections that it has them in.
fn compiled_rules() -> Vec<String> {
    file_of("psl", "data/rules.txt").lines().map(str::to_owned).collect()
}

fn compiled_list() -> String {
    let (mut icann, mut private) = (String::new(), String::new());
    for rule in compiled_rules() {
        let name = rule.trim_start_matches('!').replace('*', "x");
        let section = match psl::suffix(name.as_bytes()).unwrap().typ() {
            Some(psl::Type::Private) => &mut private,
            _ => &mut icann,
        };
        writeln!(section, "{rule}").unwrap();
    }
    format!(
        "// ===BEGIN ICANN DOMAINS===\n{icann}// ===END ICANN DOMAINS===\n\
         // ===BEGIN PRIVATE DOMAINS===\n{private}// ===END PRIVATE DOMAINS===\n"
    )
}

#[test]
fn a_list_that_is_read_says_what_the_list_that_is_compiled_in_says() {
    let read = PublicSuffixes::parse(&compiled_list(), chrono::DateTime::UNIX_EPOCH).unwrap();
    let compiled = PublicSuffixes::compiled();
    let strict = ClaimPolicy::new();
    let swapped = ClaimPolicy::new().with_suffixes(read.clone());
    let mut names = 0;
    for rule in compiled_rules() {
        let suffix = rule.trim_start_matches('!').replace('*', "x");
        let above = suffix.split_once('.').map_or("unlisted", |(_, above)| above);
        for name in [
            suffix.clone(),
            format!("a.{suffix}"),
            format!("b.a.{suffix}"),
            format!("c.b.a.{suffix}"),
            format!("*.{suffix}"),
            format!("*.a.{suffix}"),
            format!("a.{above}"),
            format!("*.{above}"),
        ] {
            let Ok(name) = name.parse::<DomainName>() else { continue };
            assert_eq!(read.registrable(&name), compiled.registrable(&name), "{name} {rule}");
            assert_eq!(name.registrable(), compiled.registrable(&name), "{name} {rule}");
            assert_eq!(swapped.admit(&name), strict.admit(&name), "{name} {rule}");
            names += 1;
        }
    }
    assert!(names > 50_000, "{names}");
}

/// Holds one text against what others say of it.
fn compare(text: &str) -> Result<(), TestCaseError> {
    let typed = text.strip_suffix(['.', '\u{3002}', '\u{ff0e}', '\u{ff61}']).unwrap_or(text);
    let others =
        typed.strip_prefix("*.").or_else(|| typed.strip_prefix("*\u{3002}")).unwrap_or(typed);
    match text.parse::<DomainName>() {
        Ok(name) => {
            let base = name.base();
            let base = base.as_str();
            let strict = idna::domain_to_ascii_strict(others);
            prop_assert_eq!(strict.as_deref().ok(), Some(base), "idna: {:?}", text);
            prop_assert!(base.parse::<IpAddr>().is_err());
            prop_assert_eq!(
                url::Host::parse(base).ok(),
                Some(url::Host::Domain(base.to_owned())),
                "url: {:?}",
                text
            );
            match addr::parse_domain_name(base) {
                Ok(found) => {
                    prop_assert_eq!(found.root(), name.registrable(), "addr: {:?}", text);
                }
                // It takes `1e1` for a number.
                Err(_) => prop_assert!(
                    base.rsplit('.').next().is_some_and(|last| last.parse::<f64>().is_ok()),
                    "addr: {:?}",
                    text
                ),
            }
            let dns: DnsName = name.as_str().parse().unwrap();
            prop_assert_eq!(&dns, &DnsName::from(&name));
            let wire = domain::base::Name::<Vec<u8>>::from_chars(name.as_str().chars());
            let wire = wire.map(|name| name.as_slice().to_vec());
            prop_assert_eq!(wire.ok(), Some(dns.to_wire()), "domain: {:?}", text);
            prop_assert!(!name.is_wildcard() || text.starts_with('*'));
        }
        Err(error) => {
            let host = url::Host::parse(text);
            if let Ok(url::Host::Ipv4(_) | url::Host::Ipv6(_)) = host {
                prop_assert_eq!(error.rule(), NameRule::Address, "url: {:?}", text);
            }
            // Nothing is refused that the strict form takes, but for the rules of this crate.
            if let Ok(ascii) = idna::domain_to_ascii_strict(typed) {
                let is_long = error.rule() == NameRule::TooLong && typed.chars().count() > 253;
                prop_assert!(
                    is_long || stricter(&ascii, error.rule()),
                    "idna: {:?} {}",
                    text,
                    error
                );
            }
            let (label, offset) = (error.label(), error.offset());
            prop_assert!(offset.is_none_or(|offset| offset <= text.chars().count()));
            prop_assert!(label.is_none_or(|label| label >= 1 && label <= text.chars().count() + 1));
            prop_assert!(!error.to_string().chars().any(char::is_control));
        }
    }
    Ok(())
}

#[test]
fn what_is_taken_is_what_others_take_and_read_alike() {
    for (_, text) in list::list(20_000) {
        compare(&text).unwrap();
    }
    for bytes in [60, 250, 1000, 1024] {
        for (_, text) in list::hostile(bytes) {
            compare(&text).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_is_typed_is_read_as_others_read_it(text in any::<String>()) {
        compare(&text)?;
    }

    #[test]
    fn addresses_are_found_in_every_spelling_that_a_url_may_have(text in "[0-9a-fxX.:\\[\\]１２]{1,16}") {
        compare(&text)?;
    }

    #[test]
    fn names_of_many_scripts_are_read_as_others_read_them(
        text in "(\\*\\.)?([a-zA-Z0-9_üßÀéアﾈ例אبا٠१\u{308}\u{ad}\u{200c}\u{200d}\u{94d}\u{302e}\u{378}ａ.\u{3002}-]{1,6}\\.){0,3}[a-z1א]{1,5}\\.?"
    ) {
        compare(&text)?;
    }

    #[test]
    fn punycode_is_taken_only_as_it_is_written(
        text in "([xX][nN]--[a-zA-Z0-9-]{0,12}\\.){1,2}(com|xn--p1ai)"
    ) {
        compare(&text)?;
        if let Ok(name) = text.parse::<DomainName>() {
            prop_assert_eq!(name.as_str(), text.to_ascii_lowercase());
            for label in name.labels().filter_map(|label| label.strip_prefix("xn--")) {
                let decoded = idna::punycode::decode_to_string(label).unwrap();
                prop_assert!(!decoded.is_ascii());
                prop_assert_eq!(idna::punycode::encode_str(&decoded).unwrap(), label);
            }
        }
    }

    #[test]
    fn names_of_dns_are_read_as_another_crate_reads_them(text in "([a-dA-D0-9_*@$()/-]|\\\\[a-c.\\\\]|\\\\[012][0-9][0-9]|\\.|\\\\[0-9]){1,12}") {
        let ours = text.parse::<DnsName>();
        let theirs = domain::base::Name::<Vec<u8>>::from_chars(text.chars());
        if text != "@" {
            let theirs = theirs.map(|name| name.as_slice().to_ascii_lowercase());
            prop_assert_eq!(ours.ok().map(|name| name.to_wire()), theirs.ok(), "{:?}", text);
        }
    }

    #[test]
    fn u_labels_and_a_labels_are_one_name(text in "\\PC{1,8}\\.com") {
        if let Ok(name) = text.parse::<DomainName>() {
            prop_assert_eq!(&name.as_str().parse::<DomainName>().unwrap(), &name);
            prop_assert_eq!(&name.to_unicode().parse::<DomainName>().unwrap(), &name);
            prop_assert_eq!(&name.to_string().parse::<DomainName>().unwrap(), &name);
        }
    }
}
