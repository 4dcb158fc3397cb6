//! What CAA records say about a certificate that is not ordered yet (RFC 8659, RFC 8657).

use serde::{Deserialize, Serialize};

use super::Validation;
use crate::{
    name::DnsName,
    record::{Caa, RecordData},
};

/// The tags whose meaning is known: a critical property with another one forbids everybody.
const KNOWN: [&str; 6] =
    ["contactemail", "contactphone", "iodef", "issue", "issuemail", "issuewild"];

/// What CAA records say about a certificate that we may ask for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Permission {
    /// Nothing forbids it.
    Allowed,
    /// The authority would have to refuse.
    Forbidden {
        /// The name whose records say so: the one that is asked for, or the closest above it that has
        /// any.
        at: DnsName,
        /// One of these records, or the first of them if none fits.
        record: String,
        /// The record that would allow it, if it stood beside them; `None` if that record has to go.
        add: Option<String>,
    },
    /// Nobody can say.
    Unknown,
}

/// Who asks for a certificate, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'a> {
    /// The names by which the authority is called in CAA records.
    pub(crate) issuers: &'a [String],
    /// The URI of our account there.
    pub(crate) account: Option<&'a str>,
    pub(crate) validation: Validation,
    pub(crate) is_wildcard: bool,
}

impl Asker<'_> {
    /// Says what the CAA records of a name mean for us; `None` if there are none, so that the name
    /// above decides.
    pub(crate) fn judge(&self, at: &DnsName, records: &[RecordData]) -> Option<Permission> {
        let all = || {
            records.iter().filter_map(|data| match data {
                RecordData::Caa(caa) => Some(caa),
                _ => None,
            })
        };
        all().next()?;
        let tag = match self.is_wildcard && all().any(|caa| caa.tag() == "issuewild") {
            true => "issuewild",
            false => "issue",
        };
        if let Some(unknown) = all().find(|caa| caa.is_critical() && !KNOWN.contains(&caa.tag())) {
            return Some(forbidden(at, unknown, None));
        }
        let mut relevant = all().filter(|caa| caa.tag() == tag).peekable();
        let Some(nearest) = relevant.peek().copied() else { return Some(Permission::Allowed) };
        if relevant.any(|caa| self.is_named(caa)) {
            return Some(Permission::Allowed);
        }
        let named = all().find(|caa| caa.tag() == tag && self.is_issuer(caa));
        let add = self.issuers.first().map(|issuer| format!("0 {tag} \"{issuer}\""));
        Some(forbidden(at, named.unwrap_or(nearest), add))
    }

    fn is_issuer(&self, caa: &Caa) -> bool {
        let is_ours = |issuer: &str| self.issuers.iter().any(|it| it.eq_ignore_ascii_case(issuer));
        caa.issuer().is_some_and(is_ours)
    }

    /// Returns whether a property names the authority, our account and how we convince it.
    fn is_named(&self, caa: &Caa) -> bool {
        let of = |wanted: &'static str| {
            let parameters = caa.parameters();
            parameters.filter(move |(tag, _)| tag.eq_ignore_ascii_case(wanted)).map(|(_, it)| it)
        };
        // Two of them can never be met (RFC 8657 section 3).
        let is_account = match (of("accounturi").next(), of("accounturi").nth(1)) {
            (None, _) => true,
            (Some(uri), None) => self.account.is_some_and(|account| account == uri),
            (Some(_), Some(_)) => false,
        };
        let method = method(self.validation);
        let mut methods = of("validationmethods").peekable();
        let is_method = methods.peek().is_none()
            || methods.all(|list| list.split(',').any(|one| one.trim_ascii() == method));
        self.is_issuer(caa) && is_account && is_method
    }
}

fn forbidden(at: &DnsName, record: &Caa, add: Option<String>) -> Permission {
    let record = RecordData::Caa(record.clone()).to_string();
    Permission::Forbidden { at: at.clone(), record, add }
}

/// Returns the label of a validation method (RFC 8657 section 4).
const fn method(validation: Validation) -> &'static str {
    match validation {
        Validation::Http01 => "http-01",
        Validation::Dns01 | Validation::Dns01Delegated => "dns-01",
    }
}

#[cfg(test)]
mod tests;
