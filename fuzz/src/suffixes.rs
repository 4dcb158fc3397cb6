//! The public suffix list.

use chrono::DateTime;
use nameplate::name::{ClaimPolicy, ClaimRule, DomainName, PublicSuffixes, SuffixListError};

use super::input::{check_message, text};

const BEGIN: [&str; 2] = ["// ===BEGIN ICANN DOMAINS===", "// ===BEGIN PRIVATE DOMAINS==="];
const END: [&str; 2] = ["// ===END ICANN DOMAINS===", "// ===END PRIVATE DOMAINS==="];

/// Most rules and names that are looked at, as each is compared with each.
const LIMIT: usize = 12;

/// A list, and after a line `?` names to look up, one on each line.
///
/// Without a slash it is rules alone, which are put into the sections; `#` divides the sections.
pub fn suffixes(input: &[u8]) {
    let text = text(input);
    let (list, names) = text.split_once("\n?\n").unwrap_or((&text, ""));
    if list.contains('/') {
        if let Some(read) = read(list) {
            look_up(&read, names.lines().filter_map(|line| line.parse().ok()), None);
        }
        return;
    }
    let (icann, private) = list.split_once('#').unwrap_or((list, ""));
    let whole = [BEGIN[0], icann, END[0], BEGIN[1], private, END[1]].join("\n");
    let Some(read) = read(&whole) else { return };
    let rules = model(icann, false).into_iter().chain(model(private, true));
    let Some(rules) = rules.collect::<Option<Vec<_>>>() else { return };
    let named = names.lines().filter_map(|line| line.parse().ok());
    let derived = rules.iter().take(LIMIT).flat_map(|rule| rule.names());
    look_up(&read, named.chain(derived), Some(&rules));
}

fn read(list: &str) -> Option<PublicSuffixes> {
    let now = DateTime::from_timestamp_secs(1_800_000_000).unwrap();
    if let Err(error) = PublicSuffixes::parse(list, now) {
        check_error(&error, list);
    }
    match PublicSuffixes::parse_at_least(1, list, now) {
        Ok(read) => {
            assert!(read.as_of() <= now);
            Some(read)
        }
        Err(error) => {
            check_error(&error, list);
            None
        }
    }
}

fn check_error(error: &SuffixListError, list: &str) {
    check_message(error);
    let lines = list.lines().count();
    assert!(error.line().is_none_or(|line| (1..=lines).contains(&line)), "{error}");
}

/// A rule as the algorithm of the list has it: labels from the last to the first.
struct Rule {
    labels: Vec<String>,
    exception: bool,
    private: bool,
}

/// Reads rules that are plain ASCII; `None` for each that is not.
fn model(section: &str, private: bool) -> Vec<Option<Rule>> {
    let words = section.lines().filter_map(|line| line.split_whitespace().next());
    words
        .map(|word| {
            let (exception, name) = match word.strip_prefix('!') {
                Some(name) => (true, name),
                None => (false, word),
            };
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'*' | b'.');
            let labels = name.rsplit('.').map(str::to_ascii_lowercase).collect();
            name.bytes().all(plain).then_some(Rule { labels, exception, private })
        })
        .collect()
}

impl Rule {
    fn matches(&self, labels: &[&str]) -> bool {
        let same = |(rule, label): (&String, &&str)| rule == "*" || rule == label;
        labels.len() >= self.labels.len() && self.labels.iter().zip(labels).all(same)
    }

    /// Returns names that the rule matches.
    fn names(&self) -> impl Iterator<Item = DomainName> {
        let labels: Vec<_> =
            self.labels.iter().rev().map(|label| if label == "*" { "z" } else { label }).collect();
        let base = labels.join(".");
        ["", "x.", "y.x."]
            .into_iter()
            .filter_map(move |front| format!("{front}{base}").parse().ok())
    }
}

/// Looks names up, and compares what is found with what the rules say.
fn look_up(list: &PublicSuffixes, names: impl Iterator<Item = DomainName>, rules: Option<&[Rule]>) {
    let policy = ClaimPolicy::new().with_suffixes(list.clone());
    for name in names.take(LIMIT * 3) {
        let base = name.base();
        let found = list.registrable(&name);
        assert_eq!(found, list.registrable(&base).map(|found| found.to_owned()).as_deref());
        if let Some(found) = found {
            let front = base.as_str().strip_suffix(found);
            assert!(front.is_some_and(|front| front.is_empty() || front.ends_with('.')), "{name}");
        }
        let refused = policy.admit(&name).err().map(|error| error.rule());
        assert!(found.is_some() || refused.is_some(), "{name}");
        let Some(rules) = rules else { continue };
        let labels: Vec<_> = base.as_str().rsplit('.').collect();
        let Some((suffix, private)) = suffix_of(&labels, rules) else { continue };
        let expected = (labels.len() > suffix).then(|| {
            let mut labels: Vec<_> = labels.iter().take(suffix + 1).copied().collect();
            labels.reverse();
            labels.join(".")
        });
        assert_eq!(found, expected.as_deref(), "{name}");
        if expected.is_none() && !name.is_wildcard() && private.is_some() {
            let section = if private == Some(true) {
                ClaimRule::PrivateSuffix
            } else {
                ClaimRule::PublicSuffix
            };
            assert!(
                refused == Some(section)
                    || refused == Some(ClaimRule::SpecialUse)
                    || refused == Some(ClaimRule::TooManyLabels),
                "{name}: {refused:?}"
            );
        }
    }
}

/// Returns how many labels the public suffix has, and whether it is a company's if that is certain.
///
/// `None` if two exceptions match, of which the algorithm does not say which prevails.
fn suffix_of(labels: &[&str], rules: &[Rule]) -> Option<(usize, Option<bool>)> {
    let matching: Vec<_> = rules.iter().filter(|rule| rule.matches(labels)).collect();
    let mut exceptions: Vec<_> =
        matching.iter().filter(|rule| rule.exception).map(|rule| rule.labels.len()).collect();
    exceptions.sort_unstable();
    exceptions.dedup();
    match exceptions[..] {
        [] => {}
        [one] => return Some((one - 1, None)),
        _ => return None,
    }
    let longest = matching.iter().map(|rule| rule.labels.len()).max();
    let mut sections =
        matching.iter().filter(|rule| Some(rule.labels.len()) == longest).map(|rule| rule.private);
    let first = sections.next();
    let certain = first.filter(|first| sections.all(|other| other == *first));
    Some((longest.unwrap_or(1), certain))
}
