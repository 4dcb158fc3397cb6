//! How the authority satisfies itself that a name is ours.

use super::state::Validation;
use crate::{
    ca::{Problem, Publication},
    name::DnsName,
    probe::{Fetch, Fetched, Flaw, Probe},
    record::{DnsRecord, RecordData, RecordType},
    resolver::{Lookup, Mode, Outcome, Resolver},
};

type Found = Result<(), Problem>;

pub(super) struct Validator<'a> {
    pub(super) resolver: Option<&'a dyn Resolver>,
    pub(super) probe: Option<&'a dyn Probe>,
    /// What a CAA record has to name.
    pub(super) identity: &'a str,
}

impl Validator<'_> {
    /// Looks for what was to be published, and for records that forbid to issue.
    pub(super) async fn validate(&self, validation: &Validation) -> Found {
        match &validation.publication {
            Publication::Dns01 { value } => self.txt(validation, value).await?,
            Publication::Http01 { token, body } => self.page(validation, token, body).await?,
        }
        self.caa(validation).await
    }

    /// RFC 8555 section 8.4.
    async fn txt(&self, validation: &Validation, value: &str) -> Found {
        let owner = DnsName::from(validation.name.base())
            .child("_acme-challenge")
            .map_err(|problem| Problem::new("malformed", problem.to_string()))?;
        let records = self.records(&owner, RecordType::Txt).await?;
        if records.is_empty() {
            return Err(Problem::new("unauthorized", format!("No TXT record found at {owner}")));
        }
        let right = |record: &DnsRecord| matches!(record.data(), RecordData::Txt(txt) if txt.to_bytes() == value.as_bytes());
        if records.iter().any(right) {
            return Ok(());
        }
        let count = records.len();
        Err(Problem::new(
            "unauthorized",
            format!("Incorrect TXT record at {owner} ({count} found)"),
        ))
    }

    /// RFC 8555 section 8.3.
    async fn page(&self, validation: &Validation, token: &str, body: &str) -> Found {
        let Some(probe) = self.probe else {
            return Err(Problem::new("serverInternal", "this authority cannot fetch pages"));
        };
        let host = validation.name.base();
        let url = format!("http://{host}/.well-known/acme-challenge/{token}");
        let fetch = Fetch::new(host, format!("/.well-known/acme-challenge/{token}"));
        match probe.fetch(&fetch).await {
            Ok(Fetched::Response(response)) if response.status == 200 => {
                // White space at the end does not count.
                if response.body.trim_ascii_end() == body.as_bytes() {
                    return Ok(());
                }
                Err(Problem::new("unauthorized", format!("{url}: not the key authorization")))
            }
            Ok(Fetched::Response(response)) => {
                let detail = format!("{url}: Invalid response: {}", response.status);
                Err(Problem::new("unauthorized", detail))
            }
            Ok(Fetched::NoAddress | Fetched::Unresolved | Fetched::Refused(Flaw::Address)) => {
                Err(Problem::new("dns", format!("{url}: no valid A or AAAA record found")))
            }
            Ok(Fetched::Unreachable) => {
                Err(Problem::new("connection", format!("{url}: Timeout during connect")))
            }
            Ok(Fetched::Refused(refusal)) => {
                Err(Problem::new("connection", format!("{url}: not looked at: {refusal}")))
            }
            Err(error) => Err(Problem::new("serverInternal", error.to_string())),
        }
    }

    /// RFC 8659 section 3: the closest name with CAA records decides.
    async fn caa(&self, validation: &Validation) -> Found {
        if self.resolver.is_none() {
            return Ok(());
        }
        let mut name = DnsName::from(validation.name.base());
        loop {
            let records = self.records_or_none(&name, RecordType::Caa).await?;
            if !records.is_empty() {
                return self.permitted(validation, &name, &records);
            }
            match name.parent() {
                Some(parent) if !parent.is_root() => name = parent,
                _ => return Ok(()),
            }
        }
    }

    fn permitted(&self, validation: &Validation, owner: &DnsName, records: &[DnsRecord]) -> Found {
        let properties = || {
            records.iter().filter_map(|record| match record.data() {
                RecordData::Caa(caa) => Some(caa),
                _ => None,
            })
        };
        let forbidden =
            || Err(Problem::new("caa", format!("CAA record for {owner} prevents issuance")));
        let unknown = |tag: &str| !matches!(tag, "issue" | "issuewild" | "iodef");
        if properties().any(|caa| caa.is_critical() && unknown(caa.tag())) {
            return forbidden();
        }
        // RFC 8659 section 4.3: `issuewild` takes the place of `issue` for a wildcard.
        let wildcard =
            validation.name.is_wildcard() && properties().any(|caa| caa.tag() == "issuewild");
        let tag = if wildcard { "issuewild" } else { "issue" };
        let mut relevant = properties().filter(|caa| caa.tag() == tag).peekable();
        let names_us = |issuer: &str| issuer.eq_ignore_ascii_case(self.identity);
        if relevant.peek().is_none() || relevant.any(|caa| caa.issuer().is_some_and(names_us)) {
            return Ok(());
        }
        forbidden()
    }

    /// Returns the records at the end of the chain; that the name does not exist is a problem.
    async fn records(
        &self,
        name: &DnsName,
        record_type: RecordType,
    ) -> Result<Vec<DnsRecord>, Problem> {
        match self.outcome(name, record_type).await? {
            Outcome::NxDomain { .. } => Err(Problem::new(
                "dns",
                format!("DNS problem: NXDOMAIN looking up {record_type} for {name}"),
            )),
            outcome => answered(name, record_type, outcome),
        }
    }

    /// Returns the records at the end of the chain, none if the name does not exist.
    async fn records_or_none(
        &self,
        name: &DnsName,
        record_type: RecordType,
    ) -> Result<Vec<DnsRecord>, Problem> {
        match self.outcome(name, record_type).await? {
            Outcome::NxDomain { .. } => Ok(Vec::new()),
            outcome => answered(name, record_type, outcome),
        }
    }

    async fn outcome(&self, name: &DnsName, record_type: RecordType) -> Result<Outcome, Problem> {
        let Some(resolver) = self.resolver else {
            return Err(Problem::new("serverInternal", "this authority cannot look up records"));
        };
        let lookup = Lookup::new(name.clone(), record_type, Mode::Authoritative);
        match resolver.lookup(&lookup).await {
            Ok(answer) => Ok(answer.outcome),
            Err(error) => Err(Problem::new("serverInternal", error.to_string())),
        }
    }
}

fn answered(
    name: &DnsName,
    record_type: RecordType,
    outcome: Outcome,
) -> Result<Vec<DnsRecord>, Problem> {
    let problem = |what: &str| {
        Err(Problem::new("dns", format!("DNS problem: {what} looking up {record_type} for {name}")))
    };
    match outcome {
        Outcome::Answer(records) => Ok(records),
        Outcome::NoData { .. } | Outcome::NxDomain { .. } => Ok(Vec::new()),
        Outcome::Failed(failure) => problem(failure.as_str()),
        Outcome::Timeout => problem("query timed out"),
    }
}
