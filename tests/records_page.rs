//! `docs/records.md`, drawn from the matrix of fields and from what the documents say of each type.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

use std::{fmt::Write as _, fs, path::Path};

use nameplate::{
    DnsRecord, RecordData, RecordType,
    record::{
        Field, FieldCode, Monitor, MonitorStatus, Profile, RecordFields, Row, Ttl, TypeReference,
    },
};

/// Where the page is, in the repository.
const PAGE: &str = "docs/records.md";

/// The variable that makes the test write the page instead of comparing it.
const BLESS: &str = "NAMEPLATE_BLESS";

/// The fields that not every type has, in the order of the columns.
const COLUMNS: [Field; 6] =
    [Field::Priority, Field::Weight, Field::Port, Field::Flags, Field::Tag, Field::MonitorType];

#[test]
fn the_page_is_drawn_from_the_matrix() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let wanted = page();
    if std::env::var_os(BLESS).is_some_and(|value| value == "1") {
        fs::write(&path, &wanted).unwrap();
        return;
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    // A checkout may have changed the ends of lines.
    let differs = there.lines().zip(wanted.lines()).position(|(there, wanted)| there != wanted);
    let shorter = there.lines().count().min(wanted.lines().count());
    assert!(
        there.lines().eq(wanted.lines()),
        "{PAGE} is stale from line {}; write it anew with `{BLESS}=1 cargo test --test records_page`",
        differs.unwrap_or(shorter) + 1
    );
}

#[test]
fn every_example_is_canonical_data() {
    for record_type in RecordType::ALL {
        let example = record_type.reference().example();
        assert_eq!(example_data(*record_type).to_string(), example, "{record_type}");
    }
    assert_eq!(example_data(RecordType::from_code(65_280)).to_string(), r"\# 3 abcdef");
}

#[test]
fn the_document_of_a_numbered_type_is_an_rfc() {
    for record_type in RecordType::ALL {
        let document = record_type.reference().document();
        let is_rfc = document.starts_with("RFC ");
        assert_eq!(is_rfc, record_type.code().is_some(), "{record_type}: {document}");
    }
}

/// The list of types has the document in what it says of each, for readers of the source.
#[test]
fn the_list_of_types_names_the_same_document() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/record/data.rs");
    let source = fs::read_to_string(path).unwrap();
    for record_type in RecordType::ALL.iter().filter(|one| one.code().is_some()) {
        let (before, _) = source.split_once(&format!(" \"{record_type}\";\n")).unwrap();
        let (_, doc) = before.rsplit_once("RFC ").unwrap();
        let number: String = doc.chars().take_while(char::is_ascii_digit).collect();
        let document = record_type.reference().document();
        assert!(document.contains(&format!("RFC {number}")), "{record_type}: {document}, {number}");
    }
}

fn example_data(record_type: RecordType) -> RecordData {
    RecordData::parse(record_type, record_type.reference().example()).unwrap()
}

fn fields() -> String {
    let mut text = String::from("| field | also read | meaning |\n|---|---|---|\n");
    for field in Field::ALL {
        let other = field.camel_case();
        let other = if other == field.as_str() { String::new() } else { format!("`{other}`") };
        let _ = writeln!(text, "| `{field}` | {other} | {} |", field.meaning());
    }
    text
}

/// Draws what a profile says, one line for each type.
fn matrix(profile: &Profile) -> String {
    let heads: Vec<_> = COLUMNS.iter().map(|field| format!("`{field}`")).collect();
    let mut text = format!(
        "| number | type | {} | value |\n|---|---|{}---|\n",
        heads.join(" | "),
        "---|".repeat(COLUMNS.len())
    );
    for row in profile.rows() {
        let number = row.number().map_or_else(String::new, |number| number.to_string());
        let cells: Vec<_> = COLUMNS.iter().map(|field| cell(row, *field)).collect();
        let value = match (row.is_read_only(), row.allows_empty_value()) {
            (true, _) => "read, never written",
            (false, true) => "may be empty",
            (false, false) => "",
        };
        let _ = writeln!(
            text,
            "| {number} | {} | {} | {value} |",
            row.record_type(),
            cells.join(" | ")
        );
    }
    text
}

fn cell(row: &Row, field: Field) -> String {
    let Some(rule) = row.rule(field) else { return String::new() };
    let range = rule.range().map_or_else(
        || String::from("text"),
        |range| format!("{} to {}", range.start(), range.end()),
    );
    if rule.is_required() { format!("{range}, required") } else { range }
}

fn profile(profile: &Profile, about: &str) -> String {
    let (min, max) = profile.ttl().into_inner();
    format!(
        "### `{}`\n\n{about}\n\n`ttl`: {min} to {max} seconds, by default {}. `comment`: at most {} characters.\n\n{}\n",
        profile.name(),
        profile.default_ttl(),
        profile.comment_limit(),
        matrix(profile)
    )
}

/// Draws the types, and below them one part for each with its data and its fields.
fn types() -> String {
    let mut text = String::from("| type | IANA | what it is | document |\n|---|---|---|---|\n");
    for record_type in RecordType::ALL {
        let reference = record_type.reference();
        let code = record_type.code().map_or_else(String::new, |code| code.to_string());
        let _ = writeln!(
            text,
            "| [{record_type}](#{}) | {code} | {} | {} |",
            record_type.to_string().to_lowercase(),
            reference.purpose(),
            reference.document()
        );
    }
    text
}

fn one_type(record_type: RecordType) -> String {
    let reference: TypeReference = record_type.reference();
    let mut text = format!(
        "### {record_type}\n\n{}{}: {}.\n\n| data | range |\n|---|---|\n",
        reference.purpose().get(..1).unwrap().to_uppercase(),
        reference.purpose().get(1..).unwrap(),
        reference.document()
    );
    for (part, range) in reference.parts() {
        let _ = writeln!(text, "| {part} | {range} |");
    }
    let row = Profile::FULL.row(record_type).unwrap();
    let special: Vec<_> = COLUMNS
        .iter()
        .filter_map(|field| Some((field, row.rule(*field)?)))
        .map(|(field, _)| format!("`{field}` ({})", cell(&row, *field)))
        .collect();
    let fields = if special.is_empty() {
        String::from("`name`, `value`, `ttl`, `comment`")
    } else {
        format!("`name`, `value`, `ttl`, `comment`, {}", special.join(", "))
    };
    let owner = example_owner(record_type).parse().unwrap();
    let record = DnsRecord::new(owner, Ttl::HOUR, example_data(record_type));
    let json = serde_json::to_string(&RecordFields::from(&record)).unwrap();
    let _ = write!(
        text,
        "\nFields: {fields}.\n\n```text\n{}\n```\n\n```json\n{json}\n```\n\n",
        reference.example()
    );
    text
}

/// Returns an owner that records of the type have; `.` is the zone itself.
fn example_owner(record_type: RecordType) -> &'static str {
    match record_type {
        RecordType::Srv => "_sip._tcp",
        RecordType::Svcb => "_8443._foo.api",
        RecordType::Tlsa => "_443._tcp.www",
        RecordType::Alias
        | RecordType::Caa
        | RecordType::Flatten
        | RecordType::Https
        | RecordType::Mx
        | RecordType::Soa
        | RecordType::Txt => ".",
        _ => "edge",
    }
}

fn codes() -> String {
    let mut text = String::from("| code | meaning |\n|---|---|\n");
    for code in FieldCode::ALL {
        let _ = writeln!(text, "| `{code}` | {} |", code.meaning());
    }
    text
}

fn monitors() -> String {
    let listed = Monitor::ALL.map(|monitor| format!("{} {monitor}", monitor.number()));
    let statuses = [MonitorStatus::Unknown, MonitorStatus::Online, MonitorStatus::Offline]
        .map(|status| format!("{} {status:?}", status.number()).to_lowercase());
    format!(
        "`monitor_type` is one of {}; `monitorStatus` of a reply is one of {}.",
        listed.join(", "),
        statuses.join(", ")
    )
}

fn page() -> String {
    let [fields, types, codes, monitors] = [fields(), types(), codes(), monitors()];
    let every: String = RecordType::ALL.iter().map(|one| one_type(*one)).collect();
    let published = profile(
        &Profile::PUBLISHED,
        "The default: the published API that the record commands reproduce. A field that the type \
         does not have is refused, also with 0.",
    );
    let bunny = profile(
        &Profile::BUNNY,
        "bunny.net DNS, whose rules are stricter. A pull zone or script is named by ids that these \
         fields do not carry.",
    );
    let full = profile(
        &Profile::FULL,
        "Every type that nameplate knows, and any other one as `TYPE65280` (RFC 3597).",
    );
    format!(
        "\
<!-- Drawn by tests/records_page.rs from the profiles and from `RecordType::reference`: change those, then
     run `{BLESS}=1 cargo test --test records_page`. -->

# Records

A record is typed data with a name and a TTL. Forms and APIs have it as flat fields, `RecordFields`;
which type takes which of them, with which range, is a `Profile`: data, which can be read, serialized, and
turned into a JSON Schema (`Profile::json_schema`).

## Fields

{fields}
`type`, `name` and `value` are required. Numbers that a type needs and that are absent are 0. `null` is
absent.

{monitors}
Numbers of types and monitors that are not known are kept when they are read, and refused when they are
to be written.

How a value is written:

* Names are absolute with or without a final dot, and written without; `.` is the root.
* `TXT` and the value of `CAA` are the text itself. A value that starts with `\"` is in quotes instead, with
  the escapes of RFC 1035 section 5.1: so is text that starts with `\"`, has control characters or is not UTF-8.
* `SVCB` and `HTTPS` have the target and the parameters.
* `Redirect`, `PullZone` and `Script` are kept as given.
* Everything else is in presentation text.

## Problems

All problems of a request are told together, each with a JSON pointer, a code that never changes, and a
message for people.

{codes}
## Profiles

Every type takes `name`, `value`, `ttl` and `comment`. An empty cell is refused.

{published}{bunny}{full}## Types

{types}
`ALIAS` and the types below it have no number at IANA: they mean something only to a provider that has
them, and never leave it.

{every}"
    )
}
