//! Zone files, held against the checkers of Knot DNS and BIND.
//!
//! The first line of each file in `tests/zones` says which checker refuses it, and the start of its
//! name which finding it shows: `sound` is for none.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use nameplate::{
    name::DnsName,
    record::{Caa, DnsRecord, RecordData, RecordType, Ttl, Txt},
    zone::{Finding, LintCode, Severity, ZoneFile, lint},
};
use proptest::{
    collection::vec,
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

/// What BIND is asked to refuse.
const STRICT: &[&str] = &[
    "-i", "full", "-k", "fail", "-m", "fail", "-M", "fail", "-n", "fail", "-r", "fail", "-S",
    "fail",
];

fn origin() -> DnsName {
    "example.com".parse().unwrap()
}

/// Returns the files of `tests/zones` with their paths.
fn files() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zones");
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path, text)
    };
    paths.into_iter().map(read).collect()
}

/// Returns the start of the name of a file: a code, or `sound`.
fn subject(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap().split('.').next().unwrap()
}

/// Whether a checker refuses a file, as the file says.
fn is_refused(text: &str) -> bool {
    !text.starts_with("; refused by neither")
}

/// Runs a program that has to be installed.
fn run(program: &str, arguments: &[&str], file: &Path) -> Output {
    let zone = origin().to_string();
    let mut command = Command::new(program);
    if program == "kzonecheck" {
        command.args(["-v", "-o", &zone]).arg(file);
    } else {
        command.args(arguments).arg(zone).arg(file);
    }
    command.output().unwrap_or_else(|error| panic!("{program}: {error}; run scripts/test"))
}

/// Returns which checkers refuse a file, and what they say.
fn refusals(file: &Path) -> (Vec<&'static str>, String) {
    let mut refused = Vec::new();
    let mut said = String::new();
    for program in ["kzonecheck", "named-checkzone"] {
        let output = run(program, STRICT, file);
        if !output.status.success() {
            refused.push(program);
        }
        said += &String::from_utf8_lossy(&output.stdout);
        said += &String::from_utf8_lossy(&output.stderr);
    }
    (refused, said)
}

/// Writes a file where nothing else is.
fn scratch(name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("zones-{name}.zone"));
    fs::write(&path, text).unwrap();
    path
}

/// Returns records without their order, with owners and data as text.
fn sorted(records: &[DnsRecord]) -> BTreeSet<String> {
    records.iter().map(ToString::to_string).collect()
}

#[test]
fn checkers_refuse_what_the_files_say() {
    for (path, text) in files() {
        let (refused, said) = refusals(&path);
        let by = if refused.is_empty() { "neither".to_owned() } else { refused.join(" and ") };
        let stated = text.lines().next().unwrap();
        assert_eq!(stated, format!("; refused by {by}"), "{}: {said}", path.display());
    }
}

#[test]
fn lint_finds_what_the_files_are_about() {
    for (path, text) in files() {
        let file = ZoneFile::parse(&text, &origin()).unwrap();
        let findings = lint(file.origin(), file.records());
        let codes: BTreeSet<_> = findings.iter().map(|f| f.code().as_str()).collect();
        let subject = subject(&path);
        let expected = if subject == "sound" { None } else { Some(subject) };
        assert!(codes.iter().copied().eq(expected), "{}: {codes:?}", path.display());
        // Which names are those of hosts is a matter of opinion, and BIND has the strictest one.
        if is_refused(&text) && !["sound", "host_name"].contains(&subject) {
            let is_error = |finding: &Finding| finding.severity() == Severity::Error;
            assert!(findings.iter().any(is_error), "{}", path.display());
        }
    }
}

#[test]
fn every_rule_has_a_file() {
    let files = files();
    let subjects: BTreeSet<_> = files.iter().map(|(path, _)| subject(path)).collect();
    // A type that no server reads.
    let unreadable = LintCode::AliasWithAddress;
    for code in LintCode::ALL.iter().filter(|code| **code != unreadable) {
        assert!(subjects.contains(code.as_str()), "no file shows {code}");
    }
}

#[test]
fn what_is_read_and_written_stays_what_it_was() {
    for (path, text) in files() {
        let stated = text.lines().next().unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let file = ZoneFile::parse(&text, &origin()).unwrap();
        let written = file.to_string();
        let again: ZoneFile =
            written.parse().or_else(|_| ZoneFile::parse(&written, &origin())).unwrap();
        assert_eq!(sorted(file.records()), sorted(again.records()), "{name}");
        let crlf = ZoneFile::parse(text.replace('\n', "\r\n"), &origin()).unwrap();
        assert_eq!(file.records(), crlf.records(), "{name}");
        // Written plainly, a file is read by Knot even if it was not before.
        let (refused, said) = refusals(&scratch(&format!("written-{name}"), &written));
        if !is_refused(&text) || subject(&path) == "sound" {
            assert_eq!(refused, [""; 0], "{name}: {said}\n{written}");
        } else {
            assert_eq!(stated, format!("; refused by {}", refused.join(" and ")), "{name}: {said}");
        }
    }
}

#[test]
fn bind_reads_the_same_records() {
    for (path, text) in files() {
        // BIND drops what is outside, and gives a set one TTL.
        let refused = is_refused(&text) && subject(&path) != "sound";
        if refused || ["outside_zone", "ttl_differs"].contains(&subject(&path)) {
            continue;
        }
        let file = ZoneFile::parse(&text, &origin()).unwrap();
        same_as_bind(&path, file.records());
    }
}

/// Checks that BIND reads a file as these records.
#[track_caller]
fn same_as_bind(path: &Path, records: &[DnsRecord]) {
    let output = run("named-compilezone", &["-i", "none", "-k", "ignore", "-o", "-"], path);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", path.display());
    let compiled = ZoneFile::parse(output.stdout, &origin()).unwrap();
    assert_eq!(sorted(compiled.records()), sorted(records), "{}", path.display());
}

/// Labels of any octets.
fn label() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 1..20),
        "[a-z0-9_$@.;()\"\\\\ *]{1,12}".prop_map(String::into_bytes)
    ]
}

/// Names that nothing else has, since `number` is in them.
fn owner(number: usize) -> impl Strategy<Value = DnsName> {
    vec(label(), 0..3).prop_map(move |labels| {
        let ending = [format!("n{number}").into_bytes(), b"example".to_vec(), b"com".to_vec()];
        DnsName::from_labels(labels.into_iter().chain(ending)).unwrap()
    })
}

/// Names outside the zone.
fn target() -> impl Strategy<Value = DnsName> {
    vec(label(), 0..3).prop_map(|labels| {
        DnsName::from_labels(labels.into_iter().chain([b"test".to_vec()])).unwrap()
    })
}

/// Data of a type that both checkers know.
fn data() -> impl Strategy<Value = RecordData> {
    let text = |record_type: RecordType, texts: &'static [&'static str]| {
        prop::sample::select(texts)
            .prop_map(move |text| RecordData::parse(record_type, text).unwrap())
    };
    let octets = || vec(any::<u8>(), 0..300);
    prop_oneof![
        target().prop_map(RecordData::Cname),
        target().prop_map(RecordData::Ptr),
        target().prop_map(RecordData::Dname),
        octets().prop_map(|octets| RecordData::Txt(Txt::from_bytes(&octets))),
        vec(vec(any::<u8>(), 0..=255), 1..5)
            .prop_map(|strings| RecordData::Txt(Txt::from_strings(strings).unwrap())),
        (any::<u8>(), "[a-z0-9]{1,15}", octets()).prop_map(|(flags, tag, value)| {
            RecordData::Caa(Caa::new(flags, &tag, value).unwrap())
        }),
        (1000..32_000_u16, octets()).prop_map(|(code, octets)| {
            let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
            // Past those that BIND knows.
            let record_type = RecordType::from_code(code);
            RecordData::parse(record_type, &format!("\\# {} {hex}", octets.len())).unwrap()
        }),
        text(RecordType::Srv, &["0 0 0 .", "1 2 3 a.test.", "65535 65535 65535 x.y.z.test."]),
        text(
            RecordType::Naptr,
            &[r#"0 0 "" "" "" ."#, r#"1 2 "u" "E2U+sip" "!^.*$!sip:\\\\1@a.test!" ."#]
        ),
        text(
            RecordType::Svcb,
            &["0 .", "1 . port=53", r#"2 a.test. alpn="f\\\\oo\\,bar,h2" key667="a b""#]
        ),
        text(
            RecordType::Https,
            &[
                "1 . alpn=h2,h3 no-default-alpn ipv6hint=2001:db8::1 ech=AAQAAQAA",
                "16 a.test. mandatory=port port=443"
            ]
        ),
        text(RecordType::Sshfp, &["1 1 dd465c09cfa51fb45020cc83316fff21b9ec74ac"]),
        text(
            RecordType::Tlsa,
            &[
                "3 1 0 00ff",
                "0 0 1 0000000000000000000000000000000000000000000000000000000000000000"
            ]
        ),
        text(RecordType::Loc, &["0 0 0 N 0 0 0 E 0m", "90 S 180 W -100000m 90000000m 0.01m 20m"]),
    ]
}

#[test]
fn zones_that_are_written_load_in_both_servers() {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    for round in 0..40 {
        let fixed = ["SOA ns.test. a\\.b.test. 4294967295 1 2 3 4", "NS ns.test.", "A 9.9.9.9"];
        let fixed = fixed.map(|text| ZoneFile::parse(format!("@ 60 {text}"), &origin()).unwrap());
        let mut records: Vec<_> = fixed.into_iter().flat_map(ZoneFile::into_records).collect();
        for number in 0..60 {
            let made = (owner(number), 0..=Ttl::MAX.as_secs(), data());
            let (owner, ttl, data) = made.new_tree(&mut runner).unwrap().current();
            records.push(DnsRecord::new(owner, Ttl::from_secs(ttl).unwrap(), data));
        }
        let written = ZoneFile::new(origin(), records.clone()).unwrap().to_string();
        let path = scratch(&format!("random-{round}"), &written);
        let (refused, said) = refusals(&path);
        assert_eq!(refused, [""; 0], "{said}");
        let again: ZoneFile = written.parse().unwrap();
        assert_eq!(sorted(again.records()), sorted(&records));
        same_as_bind(&path, &records);
    }
}
