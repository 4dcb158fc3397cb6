//! Zone files.

use nameplate::{
    name::DnsName,
    record::DnsRecord,
    zone::{LintCode, Zone, ZoneFile, ZoneFileErrors, ZoneFileRule, lint},
};

use super::input::{check_message, name};

/// A zone file of `example.com`, and one that states its own zone.
pub fn zone_file(input: &[u8]) {
    match ZoneFile::parse(input, &name("example.com")) {
        Ok(file) => check_file(input, &file),
        Err(errors) => check_errors(input, &errors),
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Err(errors) = text.parse::<ZoneFile>() {
        check_errors(input, &errors);
    }
}

fn lines(input: &[u8]) -> Vec<&[u8]> {
    let bare = input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input);
    bare.split(|b| *b == b'\n').collect()
}

fn check_errors(input: &[u8], errors: &ZoneFileErrors) {
    let lines = lines(input);
    check_message(errors);
    assert!((1..=ZoneFileErrors::LIMIT).contains(&errors.iter().count()));
    for error in errors.iter() {
        check_message(error);
        assert!(ZoneFileRule::ALL.contains(&error.rule()));
        let line = lines.get(usize::try_from(error.line()).unwrap() - 1);
        let column = usize::try_from(error.column()).unwrap();
        assert!(line.is_some_and(|line| (1..=line.len() + 1).contains(&column)), "{error}");
    }
    assert!(errors.iter().is_sorted_by_key(|error| error.line()));
}

fn check_file(input: &[u8], file: &ZoneFile) {
    let lines = lines(input).len();
    let records = file.records();
    let places: Vec<_> = (0..records.len()).map(|index| file.line(index).unwrap()).collect();
    assert!(places.is_sorted());
    assert!(places.iter().all(|line| (1..=lines).contains(&usize::try_from(*line).unwrap())));

    let written = file.to_string();
    let again = ZoneFile::parse(&written, &name("elsewhere.test"));
    let again = again.unwrap_or_else(|errors| panic!("{errors}\n{written}"));
    let sorted = |file: &ZoneFile| {
        let mut records = file.records().to_vec();
        records.sort();
        records
    };
    assert_eq!(sorted(&again), sorted(file), "{written}");
    let shown = ZoneFile::new(file.origin().clone(), again.records().iter().cloned()).unwrap();
    assert_eq!(shown.to_string(), written);
    // The order of records means nothing to what is wrong with them.
    let findings = check_lint(file.origin(), records);
    assert_eq!(check_lint(file.origin(), again.records()), findings, "{written}");
    let _ = Zone::from_records(file.origin().clone(), records.iter().cloned());
}

/// Returns which rules are broken where, sorted.
fn check_lint(origin: &DnsName, records: &[DnsRecord]) -> Vec<(DnsName, LintCode)> {
    let findings = lint(origin, records);
    for finding in &findings {
        check_message(finding);
        assert!(finding.records().is_sorted_by(|a, b| a < b), "{finding}");
        assert!(finding.records().iter().all(|index| *index < records.len()), "{finding}");
    }
    let found: Vec<_> = findings.iter().map(|f| (f.name().clone(), f.code())).collect();
    assert!(found.is_sorted());
    found
}
