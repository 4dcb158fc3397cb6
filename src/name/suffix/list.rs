//! Reads the public suffix list and looks names up in it.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasherDefault, Hasher},
};

use chrono::NaiveDateTime;
use idna::{
    AsciiDenyList,
    uts46::{DnsLength, Hyphens, Uts46},
};

use super::{PublicSuffixes, Section, Suffix};
use crate::clock::Timestamp;

/// Longest line, in bytes; the longest comment has some 200.
const LINE_LIMIT: usize = 4096;

/// Why a text is no public suffix list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SuffixListError {
    line: Option<usize>,
    problem: Problem,
}

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
enum Problem {
    #[error("the section does not begin or end where it may")]
    Marker,
    #[error("the text has no ICANN section")]
    NoIcann,
    #[error("the rule is in no section")]
    Outside,
    #[error("the rule is not of host name labels and `*`, with `!` only in front of two or more")]
    Rule,
    #[error("there are {found} rules where at least {min} were expected")]
    TooFew { found: usize, min: usize },
    #[error("the text has more than {} bytes", PublicSuffixes::MAX_BYTES)]
    TooLarge,
    #[error("the line has more than {LINE_LIMIT} bytes")]
    TooLong,
    #[error("the text ends within a section")]
    Unfinished,
}

impl SuffixListError {
    /// Returns the number of the line, counted from 1, unless it is about the whole text.
    pub fn line(&self) -> Option<usize> {
        self.line
    }
}

impl fmt::Display for SuffixListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("public suffix list: ")?;
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "{}", self.problem)
    }
}

impl std::error::Error for SuffixListError {}

impl From<Problem> for SuffixListError {
    fn from(problem: Problem) -> Self {
        Self { line: None, problem }
    }
}

/// The rules of a list, to be looked up from the last label to the first.
#[derive(Clone, Default, Eq, PartialEq)]
pub(super) struct List {
    /// Every name that a rule has, and every name above one: where there is none, nothing is below.
    nodes: HashMap<Box<str>, Node, BuildHasherDefault<Fnv>>,
    /// Rules with `*` elsewhere than first. The format has them, the public list does not.
    odd: Vec<Rule>,
    rules: usize,
}

/// What the rules say of a name and of the names one label below.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
struct Node {
    /// It is a suffix.
    rule: Option<Section>,
    /// Every name one label below is a suffix,
    wildcard: Option<Section>,
    /// except this.
    exception: Option<Section>,
}

/// A rule as it is written.
#[derive(Clone, Eq, PartialEq)]
struct Rule {
    /// In lower case, with A-labels.
    name: Box<str>,
    exception: bool,
    section: Section,
}

impl List {
    /// Returns the number of rules.
    pub(super) fn rules(&self) -> usize {
        self.rules
    }

    /// Returns the public suffix of `name`, which has A-labels in lower case.
    ///
    /// The algorithm of the list: an exception prevails, then the rule with the most labels, then
    /// `*`; what an exception says is true of the name without its first label.
    pub(super) fn suffix(&self, name: &str) -> Suffix {
        let mut best = Suffix { start: last_label(name, name.len()), section: Section::Unlisted };
        let mut above = Node::default();
        // As if there were a dot behind the last label, to be in front of which a label ends.
        let mut start = name.len() + 1;
        while let Some(end) = start.checked_sub(1) {
            let below = start;
            start = last_label(name, end);
            if let Some(section) = above.wildcard {
                best = Suffix { start, section };
            }
            let Some(node) = name.get(start..).and_then(|suffix| self.nodes.get(suffix)) else {
                break;
            };
            if let Some(section) = node.exception {
                return Suffix { start: below, section };
            }
            if let Some(section) = node.rule {
                best = Suffix { start, section };
            }
            above = *node;
        }
        if self.odd.is_empty() { best } else { self.suffix_by_odd(name, best) }
    }

    /// Returns what prevails of `best` and the rules that have `*` elsewhere than first.
    fn suffix_by_odd(&self, name: &str, mut best: Suffix) -> Suffix {
        for rule in &self.odd {
            let mut start = name.len() + 1;
            let matches = rule.name.rsplit('.').all(|label| {
                let Some(end) = start.checked_sub(1) else { return false };
                start = last_label(name, end);
                label == "*" || name.get(start..end) == Some(label)
            });
            if matches && (start < best.start || best.section == Section::Unlisted) {
                best = Suffix { start, section: rule.section };
            }
        }
        best
    }

    /// Adds a rule, and the names above it.
    fn add(&mut self, rule: Rule) {
        self.rules += 1;
        let (name, wildcard) = match rule.name.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (&*rule.name, false),
        };
        if name.split('.').any(|label| label == "*") {
            self.odd.push(rule);
            return;
        }
        for (dot, _) in name.match_indices('.') {
            if let Some(above) = name.get(dot + 1..) {
                self.nodes.entry(above.into()).or_default();
            }
        }
        let node = self.nodes.entry(name.into()).or_default();
        let place = match (rule.exception, wildcard) {
            (true, _) => &mut node.exception,
            (false, true) => &mut node.wildcard,
            (false, false) => &mut node.rule,
        };
        place.get_or_insert(rule.section);
    }
}

/// Returns where the label starts that ends at `end`.
fn last_label(name: &str, end: usize) -> usize {
    name.get(..end).and_then(|front| front.rfind('.')).map_or(0, |dot| dot + 1)
}

/// Reads a list of at least `min_rules` rules, and its date if it has one.
pub(super) fn read(
    text: &str,
    min_rules: usize,
) -> Result<(List, Option<Timestamp>), SuffixListError> {
    if text.len() > PublicSuffixes::MAX_BYTES {
        return Err(Problem::TooLarge.into());
    }
    let mut list = List::default();
    let mut version = None;
    let mut section = None;
    let mut icann_ended = false;
    for (index, line) in text.lines().enumerate() {
        let wrong = |problem| SuffixListError { line: Some(index + 1), problem };
        if line.len() > LINE_LIMIT {
            return Err(wrong(Problem::TooLong));
        }
        // A rule ends at the first white space.
        let word = line.split_whitespace().next().unwrap_or_default();
        let Some(comment) = line.trim_start().strip_prefix("//") else {
            if !word.is_empty() {
                let section = section.ok_or_else(|| wrong(Problem::Outside))?;
                list.add(read_rule(word, section).ok_or_else(|| wrong(Problem::Rule))?);
            }
            continue;
        };
        match (comment.trim(), section) {
            ("===BEGIN ICANN DOMAINS===", None) => section = Some(Section::Icann),
            ("===BEGIN PRIVATE DOMAINS===", None) => section = Some(Section::Private),
            ("===END ICANN DOMAINS===", Some(Section::Icann)) => {
                section = None;
                icann_ended = true;
            }
            ("===END PRIVATE DOMAINS===", Some(Section::Private)) => section = None,
            (comment, _) => {
                if is_marker(comment) {
                    return Err(wrong(Problem::Marker));
                }
                if let Some(date) = comment.strip_prefix("VERSION:") {
                    version = version.or_else(|| read_date(date.trim()));
                }
            }
        }
    }
    match section {
        Some(_) => Err(Problem::Unfinished.into()),
        None if !icann_ended => Err(Problem::NoIcann.into()),
        None if list.rules < min_rules => {
            Err(Problem::TooFew { found: list.rules, min: min_rules }.into())
        }
        None => Ok((list, version)),
    }
}

/// Returns whether a comment begins or ends a section.
fn is_marker(comment: &str) -> bool {
    comment.starts_with("===BEGIN ") || comment.starts_with("===END ")
}

/// Reads a date as in `2026-11-05_05-58-23_UTC`.
fn read_date(text: &str) -> Option<Timestamp> {
    Some(NaiveDateTime::parse_from_str(text, "%Y-%m-%d_%H-%M-%S_UTC").ok()?.and_utc())
}

/// Reads a rule, and puts it into the form that names have here.
fn read_rule(text: &str, section: Section) -> Option<Rule> {
    let (exception, text) = match text.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut labels = Vec::new();
    for label in text.split('.') {
        labels.push(match label {
            "*" if !exception => "*".to_owned(),
            // UTS #46 cuts at other dots too, which are none here.
            _ => Some(to_ascii(label)?).filter(|label| !label.contains('.'))?,
        });
    }
    if exception && labels.len() < 2 {
        return None;
    }
    Some(Rule { name: labels.join(".").into(), exception, section })
}

/// Returns a label as an A-label, in lower case.
fn to_ascii(label: &str) -> Option<String> {
    // Hyphens are for the registry to decide: `r3---sn` would be as good as any.
    let ascii = Uts46::new()
        .to_ascii(label.as_bytes(), AsciiDenyList::STD3, Hyphens::Allow, DnsLength::Verify)
        .ok()?;
    Some(ascii.into_owned())
}

/// The hash FNV-1a: names are short, and nobody but the list decides what is in the table.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
