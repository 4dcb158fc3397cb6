//! What `docs/security.md` says of the tests.

use std::{fs, path::Path};

use nameplate::probe::ProbeLimits;

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

#[test]
fn every_test_that_the_page_names_exists() {
    let sources = all_sources();
    let names: Vec<_> = quoted()
        .filter(|text| text.contains('_') && !text.contains(['(', '.', '/', ' ', ':', '*']))
        .filter(|text| !sources.contains(&format!("pub {text}:")))
        .filter(|text| !sources.contains(&format!("pub fn {text}(")))
        .collect();
    assert!(names.len() > 40, "{names:?}");
    for name in names {
        assert!(sources.contains(&format!("fn {name}()")), "no test {name}");
    }
}

#[test]
fn every_numbered_attack_has_its_row() {
    let sources = all_sources();
    let mut count = 0;
    for line in sources.lines() {
        let Some(name) = line.split_once("fn ").and_then(|(_, rest)| rest.split_once("()")) else {
            continue;
        };
        let is_numbered = |text: &str| {
            matches!(text.as_bytes(), [b'h' | b'd', b'0'..=b'9', b'0'..=b'9', b'_', ..])
        };
        if is_numbered(name.0) {
            count += 1;
            let group = format!("`{}_*`", name.0.get(..3).unwrap());
            let is_there = PAGE.contains(&format!("`{}`", name.0)) || PAGE.contains(&group);
            assert!(is_there, "{} is not on the page", name.0);
        }
    }
    assert!(count > 30, "{count}");
    for number in 1..=18 {
        assert!(PAGE.contains(&format!("\n| H{number:02} | ")), "no row H{number:02}");
    }
}

#[test]
fn the_numbers_on_the_page_are_those_of_the_limits() {
    let limits = ProbeLimits::default();
    for stated in [
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
