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

/// Tests of attacks without a guard in the table, by the reason why there is none.
const UNGUARDED: [(&str, &[&str]); 4] = [
    (
        "nothing is refused: what is in order goes on, or something is told",
        &[
            "a08_an_overlap_is_told_as_far_as_it_is_the_tenants_own",
            "a13_a_name_that_looks_like_another_is_shown_as_what_it_is",
            "c08_a_dname_record_in_the_way_of_a_proof_is_told_to_the_customer",
            "dv03_strings_are_joined_wherever_they_are_cut",
            "dv05_one_text_among_others_counts_wherever_it_stands",
            "dv05_other_records_at_the_name_change_nothing_in_any_order",
            "dv09_a_token_in_a_label_is_lower_case_base32",
            "dv12_a_token_alone_is_a_token",
            "dv23_a_short_ttl_is_proposed",
            "dv27_dv28_two_accounts_of_one_brand_prove_one_name_side_by_side",
            "dv28_the_label_of_an_account_is_made_of_it_alone_and_says_nothing",
            "f04_an_authority_that_cannot_say_what_it_is_called_is_asked_for_certificates_all_the_same",
            "f04_an_authority_that_is_paused_is_not_even_asked_what_it_is_called",
            "f04_r28_the_authority_says_by_which_names_it_is_called_if_the_host_does_not",
            "f04_records_that_name_an_account_forbid_nothing_before_there_is_one",
            "f04_what_nobody_can_say_forbids_nothing",
            "h15_an_ipv6_address_comes_first_and_an_ipv4_one_after_a_failure",
            "r13_dv03_any_octets_in_any_strings_are_one_text",
        ],
    ),
    (
        "the way that it would take is not there: no line could be switched off",
        &[
            "a17_no_name_is_more_than_letters_digits_and_hyphens",
            "a07_a_proof_of_the_parent_leaves_the_child_alone",
            "a11_all_spellings_of_an_international_name_are_one_claim",
            "a22_nothing_is_served_before_the_proof",
            "d06_another_site_on_the_same_server_proves_nothing",
            "dv01_a_token_in_a_record_of_another_type_proves_nothing",
            "e03_no_contact_of_a_registration_is_written_to",
            "h04_the_host_field_is_the_a_label",
            "h10_a_second_response_on_the_connection_is_never_read",
            "h11_h13_https_names_the_host_takes_any_certificate_and_speaks_http_1_only",
            "h11_nothing_but_http_1_is_spoken",
        ],
    ),
    (
        "several lines refuse it, each alone: all of them are what reads it",
        &[
            "c05_a_server_that_only_the_zone_names_is_not_asked",
            "h02_a_name_that_leads_elsewhere_the_second_time_is_asked_for_once",
            "h05_a_loop_is_not_walked_twice",
            "h05_nothing_else_is_a_redirection",
            "h07_a_name_that_is_not_resolved_in_time_is_given_up",
            "h10_a_body_of_two_lengths_is_refused",
            "h10_a_body_that_drips_ends_with_the_time",
            "h10_a_head_that_drips_ends_with_the_time",
            "h10_a_line_has_one_end_and_no_control_characters",
            "h10_a_response_that_breaks_off_is_refused",
            "h10_chunks_are_bounded",
            "h10_trailers_are_bounded_and_say_nothing",
            "h12_a_token_in_a_field_is_no_body",
            "h12_only_status_200_is_a_page",
            "h14_an_address_in_any_form_is_no_name",
            "h17_what_is_kept_of_a_response_is_short_and_harmless",
            "r01_a_server_that_drips_over_tcp_is_given_up",
            "r01_a_server_that_says_nothing_is_asked_three_times",
            "r13_a_string_that_is_longer_than_its_record_is_no_answer",
            "r14_names_that_lead_in_circles_or_out_are_no_answer",
            "r21_the_servers_of_the_zone_are_asked_and_a_recursive_one",
        ],
    ),
    (
        "it is about what is written or built, not about what runs",
        &[
            "b07_tokens_are_compared_in_constant_time_and_in_no_other_way",
            "dv16_a_registered_label_is_refused_where_it_is_in_use",
        ],
    ),
];

#[test]
fn every_numbered_test_fails_without_a_guard_or_says_why_there_is_none() {
    let mut text = String::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attacks"), &mut text);
    let numbered: BTreeSet<_> = text.lines().filter_map(numbered).map(|(_, name)| name).collect();
    let rows = GUARDS.lines().filter(|line| !line.starts_with('#'));
    let guarded: BTreeSet<_> =
        rows.filter_map(|row| row.rsplit('\t').next()).flat_map(|tests| tests.split(' ')).collect();
    let unguarded: Vec<_> = UNGUARDED.iter().flat_map(|(_, tests)| tests.iter().copied()).collect();
    for name in &unguarded {
        assert!(numbered.contains(name), "no test {name}");
        assert!(!guarded.contains(name), "{name} has a guard");
    }
    for name in numbered {
        let is_there = guarded.contains(name) || unguarded.contains(&name);
        assert!(is_there, "{name} is in no row of the guards, and nothing says why");
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
