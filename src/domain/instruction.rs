//! What a customer has to put into their zone, and for how long.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Domain, Targets};
use crate::{
    certificate::Validation,
    challenge::Method,
    name::DnsName,
    record::{RecordType, Ttl},
};

/// What a record is for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Purpose {
    /// It lets certificates be issued and renewed.
    Certificate,
    /// It proves that the name is the customer's.
    Ownership,
    /// It leads visitors to the platform.
    Routing,
}

/// Who looks at a record.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NeededBy {
    /// The certificate authority.
    CertificateAuthority,
    /// The platform.
    Platform,
    /// Visitors.
    Visitors,
}

/// How long a record has to stay.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Lifetime {
    /// As long as the domain is used here: it is looked at again and again.
    Permanent,
    /// Until its purpose is fulfilled.
    Removable,
}

/// A record to add, as typed data; displayed, it is one sentence.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Instruction {
    /// The type.
    pub record_type: RecordType,
    /// The full name.
    pub name: DnsName,
    /// The zone that it probably is in: the registrable domain.
    pub zone: DnsName,
    /// What a form that adds the zone by itself wants: the name relative to the zone, or `@`.
    pub host: String,
    /// The value, as a form wants it: without quotes or a final dot.
    pub value: String,
    /// The TTL to ask for. A provider may keep a larger one.
    pub ttl: Ttl,
    /// What it is for.
    pub purpose: Purpose,
    /// How long it has to stay.
    pub lifetime: Lifetime,
    /// Who looks at it.
    pub needed_by: NeededBy,
}

impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { record_type, name, zone, host, value, .. } = self;
        let why = match self.purpose {
            Purpose::Certificate => "so that certificates can be issued and renewed",
            Purpose::Ownership => "to prove that the name is yours",
            Purpose::Routing => "so that visitors reach us",
        };
        let keep = match self.lifetime {
            Lifetime::Permanent => "keep it",
            Lifetime::Removable => "you may delete it afterwards",
        };
        let article = match record_type {
            RecordType::A | RecordType::Aaaa => "an",
            _ => "a",
        };
        write!(
            f,
            "Add {article} {record_type} record at {name} (host {host} in zone {zone}) with the value \
             {value} {why}; {keep}."
        )
    }
}

/// Something for the customer to do, as typed data; displayed, it is one sentence.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Step {
    /// Add a record.
    Record(Instruction),
    /// Put a page on the host, to prove that the name is theirs; it has to stay.
    Page {
        /// Where.
        url: String,
        /// What it says, and nothing else.
        body: String,
        /// The media type to serve it as.
        content_type: String,
    },
    /// Answer a mail, to prove that the name is theirs.
    Mail {
        /// The name that it is about.
        name: DnsName,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(record) => record.fmt(f),
            Self::Page { url, body, content_type } => write!(
                f,
                "Put a page at {url} that says {body} and nothing else, as {content_type}, to prove \
                 that the name is yours; keep it."
            ),
            Self::Mail { name } => write!(
                f,
                "Follow the link in the mail that is sent to those who answer for {name}, to prove \
                 that the name is yours."
            ),
        }
    }
}

/// Returns all that the customer has to do for `domain`, in order: the proof first, and then the
/// records of [`instructions`] that are none.
pub fn steps(domain: &Domain, targets: &Targets) -> Vec<Step> {
    let challenge = &domain.challenge;
    let page = challenge.page().map(|page| Step::Page {
        url: page.url(),
        body: page.body().to_owned(),
        content_type: "text/plain".to_owned(),
    });
    let mail = (challenge.method == Method::Email)
        .then(|| Step::Mail { name: DnsName::from(domain.name.base()) });
    let records = instructions(domain, targets).into_iter().map(Step::Record);
    page.into_iter().chain(mail).chain(records).collect()
}

/// Returns the records that the customer has to add for `domain`, in the order in which to add
/// them: those that prove and prepare first, those that move visitors last.
///
/// A proof that is no record is not among them: see [`steps`].
///
/// The zone is taken to be the registrable domain: where the customer's zone is cut deeper, the
/// full name is right and the host label is not.
pub fn instructions(domain: &Domain, targets: &Targets) -> Vec<Instruction> {
    let name = &domain.name;
    let base = DnsName::from(name.base());
    let zone =
        name.registrable().and_then(|zone| zone.parse().ok()).unwrap_or_else(|| base.clone());
    // Short, so that a mistake is soon forgotten.
    let ttl = Ttl::FIVE_MINUTES;
    let record = |record_type, owner: DnsName, value: String, purpose, needed_by| Instruction {
        record_type,
        host: owner.relative_to(&zone).unwrap_or_else(|| owner.to_string()),
        name: owner,
        zone: zone.clone(),
        value,
        ttl,
        purpose,
        lifetime: Lifetime::Permanent,
        needed_by,
    };

    let challenge = &domain.challenge;
    let mut records: Vec<_> = challenge
        .record_type()
        .map(|record_type| {
            let (owner, value) = (challenge.owner.clone(), challenge.value());
            record(record_type, owner, value, Purpose::Ownership, NeededBy::Platform)
        })
        .into_iter()
        .collect();
    if domain.validation == Validation::Dns01Delegated
        && let Some(delegation) = &domain.delegation
    {
        records.push(record(
            RecordType::Cname,
            delegation.owner.clone(),
            delegation.target.to_string(),
            Purpose::Certificate,
            NeededBy::CertificateAuthority,
        ));
    }
    let owner = DnsName::from(name.clone());
    let route = |record_type, value| {
        record(record_type, owner.clone(), value, Purpose::Routing, NeededBy::Visitors)
    };
    match targets.host() {
        Some(host) if !name.is_apex() => {
            records.push(route(RecordType::Cname, host.to_string()));
        }
        _ => {
            records.extend(targets.a().iter().map(|ip| route(RecordType::A, ip.to_string())));
            records.extend(targets.aaaa().iter().map(|ip| route(RecordType::Aaaa, ip.to_string())));
        }
    }
    records
}
