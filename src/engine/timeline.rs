//! What happened to a domain and why, in order, for support.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{
    backends::Backends, codec, notice::Notice, onboarding::Onboarding, operator::Operator,
    root::Fact, trace::Trace,
};
use crate::{
    clock::Timestamp,
    domain::Domain,
    error::{Error, ErrorKind, Result},
    id::{DomainId, TenantId},
    store::Item,
};

/// Entries on one page.
const PAGE: u32 = 1000;

/// A page of what happened to a domain.
///
/// As JSON it is for pages that people look at: each decision is its one line, and the domain is left
/// out, whose stored form says more than its tenant needs to see.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Timeline {
    /// The domain as it is now, with its evidence.
    #[serde(skip_serializing)]
    pub domain: Domain,
    /// What happened, oldest first.
    pub entries: Vec<TimelineEntry>,
    /// The number after which to go on; `None` on the last page.
    pub next: Option<u64>,
}

/// Something that happened to a domain, or was decided about it. Displays as one line.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TimelineEntry {
    /// Rises within a domain, with gaps.
    pub number: u64,
    /// When it was stored, by the store's time.
    pub at: Timestamp,
    /// What.
    pub what: Happening,
}

/// What a line of a timeline is about.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Happening {
    /// Evidence that changed, a change of status, or whatever else was told.
    Notice(Notice),
    /// A decision, with what it was made on. See [`replay`](super::replay).
    Decision(#[serde(serialize_with = "as_line")] Box<Trace>),
    /// Something that this release cannot read.
    Unreadable,
}

/// Writes what displays as one line.
fn as_line<S: Serializer>(shown: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(shown)
}

impl fmt::Display for TimelineEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.at.format("%Y-%m-%dT%H:%M:%SZ"))?;
        match &self.what {
            Happening::Decision(trace) => write!(f, "{trace}"),
            Happening::Notice(notice) => describe(notice, f),
            Happening::Unreadable => f.write_str("something that this release cannot read"),
        }
    }
}

/// Writes a notice in one line: its name, and each of its fields.
fn describe(notice: &Notice, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(notice.as_str())?;
    let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(notice) else {
        return Ok(());
    };
    for (name, value) in fields.iter().filter(|(name, _)| *name != "notice") {
        let is_word = |text: &&String| !text.contains(|c: char| c.is_control() || c == ' ');
        match value {
            serde_json::Value::Null => {}
            serde_json::Value::String(text) if is_word(&text) => write!(f, " {name}={text}")?,
            other => write!(f, " {name}={other}")?,
        }
    }
    Ok(())
}

impl Onboarding {
    /// Returns what happened to a domain after the entry of that number, oldest first, at most 1000
    /// entries at a time; also of one that is removed.
    ///
    /// With [`Policy::traces`](super::Policy::traces) the decisions are in it, and can be made again;
    /// but for those that depended on another tenant, of whom nothing is in it:
    /// [`Operator::timeline`](super::Operator::timeline) has them whole.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such domain, also if it is another tenant's; those of the store.
    pub async fn timeline(&self, tenant: &TenantId, id: DomainId, after: u64) -> Result<Timeline> {
        let backends = self.backends();
        let found =
            backends.store.get(&[codec::domain_key(id)]).await?.into_iter().flatten().next();
        let Some(item) = backends.own(found, *tenant, "timeline", id) else {
            return Err(not_found("onboarding", id));
        };
        let mut timeline = read(backends, &item, after).await?;
        for entry in &mut timeline.entries {
            if let Happening::Decision(trace) = &mut entry.what {
                trace.facts.retain(|fact| !is_of_others(fact));
            }
        }
        Ok(timeline)
    }
}

impl Operator {
    /// Returns what happened to a domain of any tenant, as [`Onboarding::timeline`] does, and with all
    /// that each decision was made on.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such domain; those of the store.
    pub async fn timeline(&self, id: DomainId, after: u64) -> Result<Timeline> {
        let found = self.backends.store.get(&[codec::domain_key(id)]).await?;
        match found.into_iter().flatten().next() {
            Some(item) => read(&self.backends, &item, after).await,
            None => Err(not_found("operator", id)),
        }
    }
}

async fn read(backends: &Backends, item: &Item, after: u64) -> Result<Timeline> {
    let domain = codec::read_domain(item)?;
    let entries = backends.store.entries(&item.key, after, PAGE).await?;
    let is_full = u32::try_from(entries.len()).is_ok_and(|count| count >= PAGE);
    let next = entries.last().map(|entry| entry.number).filter(|_| is_full);
    let entries = entries.iter().map(|entry| {
        let what = if codec::is_trace(entry) {
            codec::read_trace(entry).map(|trace| Happening::Decision(Box::new(trace)))
        } else {
            codec::read_notice(entry).map(|numbered| Happening::Notice(numbered.notice))
        };
        let what = what.unwrap_or(Happening::Unreadable);
        TimelineEntry { number: entry.number, at: entry.at, what }
    });
    Ok(Timeline { domain, entries: entries.collect(), next })
}

/// Returns whether a fact says something of another tenant.
const fn is_of_others(fact: &Fact) -> bool {
    matches!(fact, Fact::Holder(_) | Fact::Taken(_) | Fact::Barred { .. })
}

fn not_found(component: &'static str, id: DomainId) -> Error {
    let message = format!("there is no domain {id}");
    Error::new(ErrorKind::NotFound, component, "timeline", message).with_subject(id)
}
