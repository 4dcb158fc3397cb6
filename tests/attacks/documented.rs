//! What `docs/security.md` says of the tests.

use std::{collections::BTreeSet, fs, path::Path};

use nameplate::{
    probe::ProbeLimits,
    resolver::{Limits, Lookup},
};

const PAGE: &str = include_str!("../../docs/security.md");

/// Returns everything between backticks.
fn quoted() -> impl Iterator<Item = &'static str> {
    PAGE.split('`').skip(1).step_by(2)
}

fn sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

fn all_sources() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    for folder in ["src", "tests"] {
        sources(&root.join(folder), &mut text);
    }
    text
}

/// Returns the names of all functions without arguments.
fn functions(sources: &str) -> BTreeSet<&str> {
    sources.lines().filter_map(|line| Some(line.split_once("fn ")?.1.split_once("()")?.0)).collect()
}

#[test]
fn every_test_that_the_page_names_exists() {
    let sources = all_sources();
    let names: Vec<_> = quoted()
        .filter(|text| text.contains('_') && !text.contains(['(', '.', '/', ' ', ':', '*', '-']))
        .filter(|text| !sources.contains(&format!("pub {text}:")))
        .filter(|text| !sources.contains(&format!("pub fn {text}(")))
        .filter(|text| !sources.contains(&format!("pub async fn {text}(")))
        .collect();
    assert!(names.len() > 100, "{names:?}");
    let functions = functions(&sources);
    for name in names {
        assert!(functions.contains(name), "no test {name}");
    }
}

/// The numbers of attacks and checks: the letter that begins them, and how many there are.
const NUMBERS: [(&str, u32); 10] = [
    ("A", 28),
    ("B", 14),
    ("C", 10),
    ("D", 7),
    ("E", 5),
    ("F", 8),
    ("G", 8),
    ("H", 18),
    ("R", 28),
    ("DV", 35),
];

/// Returns the name of a function that has no arguments, if the line begins one whose name begins
/// with one of [`NUMBERS`].
fn numbered(line: &str) -> Option<(String, &str)> {
    let name = line.split_once("fn ")?.1.split_once("()")?.0;
    let letters = name.find(|c: char| c.is_ascii_digit())?;
    let (number, rest) = name.split_at_checked(letters + 2)?;
    let group = number.get(..letters)?.to_ascii_uppercase();
    let digits = number.get(letters..)?.bytes().all(|byte| byte.is_ascii_digit());
    let is_known = NUMBERS.iter().any(|(letter, _)| *letter == group);
    (is_known && digits && rest.starts_with('_')).then(|| (number.to_ascii_uppercase(), name))
}

#[test]
fn every_numbered_attack_has_its_row() {
    let sources = all_sources();
    let mut count = 0;
    for (number, name) in sources.lines().filter_map(numbered) {
        count += 1;
        let group = format!("`{}_*`", number.to_ascii_lowercase());
        let is_there = PAGE.contains(&format!("`{name}`")) || PAGE.contains(&group);
        assert!(is_there, "{name} is not on the page");
    }
    assert!(count > 100, "{count}");
    for (letter, last) in NUMBERS {
        for number in 1..=last {
            let row = format!("\n| {letter}{number:02} | ");
            assert_eq!(PAGE.matches(&row).count(), 1, "rows of {letter}{number:02}");
        }
    }
}

#[test]
fn a_row_names_a_test_or_says_who_is_to_do_what() {
    for line in PAGE.lines() {
        let Some((number, rest)) = line.strip_prefix("| ").and_then(|line| line.split_once(" | "))
        else {
            continue;
        };
        let letters = number.trim_end_matches(|c: char| c.is_ascii_digit());
        if letters == number || !NUMBERS.iter().any(|(letter, _)| *letter == letters) {
            continue;
        }
        let names_test = rest.split('`').skip(1).step_by(2).any(|text| text.contains('_'));
        let is_open = ["pending", "host's duty", "Host's duty"].iter().any(|it| rest.contains(it));
        assert!(names_test || is_open, "{number} says nothing: {rest}");
    }
}

/// What the table of guards says.
const GUARDS: &str = include_str!("guards.tsv");

#[test]
fn every_guard_is_where_the_table_says_and_has_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = all_sources();
    let mut guards = Vec::new();
    let mut tests = Vec::new();
    for row in GUARDS.lines().filter(|line| !line.starts_with('#')) {
        let [name, file, from, to, named] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("not five columns: {row}");
        };
        let text = fs::read_to_string(root.join(file)).unwrap();
        assert_eq!(text.matches(from).count(), 1, "{name}: {from}");
        assert!(to.contains("{off}"), "{name} has no switch");
        tests.extend(named.split(' ').filter(|test| *test != "-"));
        // Rows of one guard follow each other.
        if guards.last() != Some(&name) {
            assert!(!guards.contains(&name), "{name} is there twice");
            guards.push(name);
        }
        // Two switches in one line would be in each other's way.
        assert_eq!(GUARDS.matches(&format!("\t{file}\t{from}\t")).count(), 1, "{name}: {from}");
    }
    assert!(guards.len() >= 20, "{}", guards.len());
    for guard in guards {
        let is_named = |row: &str| row.starts_with(&format!("{guard}\t")) && !row.ends_with("\t-");
        assert!(GUARDS.lines().any(is_named), "{guard} has no test");
    }
    let functions = functions(&sources);
    for test in tests {
        assert!(functions.contains(test), "no test {test}");
    }
}

#[test]
fn the_numbers_on_the_page_are_those_of_the_limits() {
    let (limits, dns) = (ProbeLimits::default(), Limits::default());
    for stated in [
        format!("`deadline`: {} s", dns.deadline.as_secs()),
        format!("`query`: {} s", dns.query.as_secs()),
        format!("`tries`: {}", dns.tries),
        format!("`servers`: {}", dns.servers),
        format!("`questions`: {}", dns.questions),
        format!("`failure`: {} s", dns.failure.as_secs()),
        format!("`failure_most`: {} min", dns.failure_most.as_secs() / 60),
        format!("`rate`: {}", dns.rate.unwrap()),
        format!("`under_way`: {}", dns.under_way),
        format!("`Lookup::MAX_CHAIN` ({})", Lookup::MAX_CHAIN),
        format!("`Lookup::MAX_RECORDS` ({})", Lookup::MAX_RECORDS),
        format!("`Lookup::MAX_BYTES` ({} KiB)", Lookup::MAX_BYTES / 1024),
        format!("`connect`: {} s", limits.connect.as_secs()),
        format!("`tls`: {} s", limits.tls.as_secs()),
        format!("`first_byte`: {} s", limits.first_byte.as_secs()),
        format!("`total`: {} s", limits.total.as_secs()),
        format!("`head_bytes`: {} KiB", limits.head_bytes / 1024),
        format!("`body_bytes`: 1,{:03}", limits.body_bytes - 1000),
        format!("`fields`: {}", limits.fields),
        format!("`interim`: {}", limits.interim),
        format!("`redirects`: {}", limits.redirects),
        format!("`chain` ({};", limits.chain),
        format!("`per_address`: {}", limits.per_address),
        format!("`per_domain`: {}", limits.per_domain),
    ] {
        assert!(PAGE.contains(&stated), "the page does not say {stated}");
    }
}
