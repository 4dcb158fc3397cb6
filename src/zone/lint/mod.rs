//! What is wrong with the records of a zone together.
//!
//! Each file has the rules about one thing: the [apex], the records of one [owner], where
//! they [point](target), the [tree] below delegations and DNAMEs, and single [values](value).

mod apex;
mod code;
mod owner;
mod target;
mod tree;
mod value;
mod view;

use std::fmt;

use serde::Serialize;

use self::view::{Entry, View};
use crate::{name::DnsName, record::DnsRecord};

pub use code::{LintCode, Severity};

/// One thing that is wrong in a zone: which rule, about which records, and what to do.
///
/// Shown as one sentence.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Finding {
    severity: Severity,
    code: LintCode,
    name: DnsName,
    records: Vec<usize>,
    message: String,
}

impl Finding {
    /// Creates a finding about records; one about what is missing has none.
    fn new<'a, 'r>(
        code: LintCode,
        name: &DnsName,
        records: impl IntoIterator<Item = &'r Entry<'a>>,
        message: String,
    ) -> Self
    where
        'a: 'r,
    {
        let mut records: Vec<_> = records.into_iter().map(|entry| entry.index).collect();
        records.sort_unstable();
        records.dedup();
        Self { severity: code.severity(), code, name: name.clone(), records, message }
    }

    /// Returns the rule.
    pub fn code(&self) -> LintCode {
        self.code
    }

    /// Returns how bad it is, which is that of the [`code`](LintCode::severity).
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// Returns the owner of the records, or of what is missing.
    pub fn name(&self) -> &DnsName {
        &self.name
    }

    /// Returns the records involved, as sorted indexes of the records that were looked at.
    ///
    /// None where something is missing.
    pub fn records(&self) -> &[usize] {
        &self.records
    }

    /// Returns what is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns what to do, which is that of the [`code`](LintCode::advice).
    pub fn advice(&self) -> &'static str {
        self.code.advice()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.advice())
    }
}

/// Looks for what is wrong with the records of the zone `origin` together.
///
/// Each [`LintCode`] is a rule with its source. What is wrong with a record alone is refused when it
/// is made; here are also values that are legal and wrong in practice. Whatever `kzonecheck`
/// and `named-checkzone` refuse for one of these rules has a finding.
///
/// The findings are sorted by name and code, and each is told once: records below a delegation, or
/// outside the zone, are looked at no further. The time grows with the records as n log n.
///
/// ```
/// use nameplate::zone::{LintCode, ZoneFile, lint};
///
/// let file: ZoneFile = "
/// $ORIGIN example.com.
/// $TTL 3600
/// @    SOA   ns1.example.net. hostmaster 1 86400 7200 2419200 300
///      NS    ns1.example.net.
/// www  CNAME edge.acme.app.
/// www  TXT   note
/// "
/// .parse()?;
/// let findings = lint(file.origin(), file.records());
/// assert_eq!(findings.len(), 1);
/// assert_eq!(findings[0].code(), LintCode::CnameWithOtherData);
/// assert_eq!(findings[0].records(), [2, 3]);
/// assert_eq!(file.line(2), Some(6));
/// assert_eq!(
///     findings[0].to_string(),
///     "www.example.com has a CNAME and also TXT; keep either the CNAME or the other records"
/// );
/// # Ok::<(), nameplate::zone::ZoneFileErrors>(())
/// ```
pub fn lint(origin: &DnsName, records: &[DnsRecord]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let view = View::new(origin, records, &mut findings);
    apex::check(&view, &mut findings);
    owner::check(&view, &mut findings);
    target::check(&view, &mut findings);
    tree::check(&view, &mut findings);
    value::check(&view, &mut findings);
    findings.sort_by(|a, b| {
        let names = a.name.cmp(&b.name);
        names.then_with(|| (a.code, &a.records).cmp(&(b.code, &b.records)))
    });
    findings
}

#[cfg(test)]
mod tests;
