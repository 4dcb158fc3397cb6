//! Making a zone agree with the managed records at one name, and nothing else.

use std::{collections::BTreeSet, fmt};

use super::{backends::Backends, records::HeldByOthers};
use crate::{
    dns::{Applied, DnsProvider},
    domain::{Domain, RecordState},
    error::{Error, ErrorKind, Result},
    name::DnsName,
    record::{DnsRecord, RecordSet, RecordType},
    together::{Boxed, all},
    zone::{
        ChangePolicy, ChangeSet, Finding, Markers, Ownership, Plan, SetChange, Severity, Zone,
        changes, lint,
    },
};

/// How often a change is tried when others change the same sets at the same time.
const ATTEMPTS: usize = 5;

/// What has to change at one name so that the zone agrees.
#[derive(Debug)]
pub(super) struct Arrangement {
    zone: DnsName,
    /// The name of the markers.
    marker: DnsName,
    /// What is there.
    marks: Option<RecordSet>,
    /// Whether markers stay though their records go.
    keeps_markers: bool,
    plan: Plan,
    /// What is at the name afterwards, what is ours first.
    records: Vec<DnsRecord>,
    findings: Vec<Finding>,
}

impl Arrangement {
    pub(super) const fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(super) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    pub(super) fn records(&self) -> &[DnsRecord] {
        &self.records
    }

    /// Checks that nothing is in the way of what is wanted of these types, and nothing would break.
    pub(super) fn check(&self, types: &[RecordType], operation: &'static str) -> Result<()> {
        self.unhindered(types, operation)?;
        unbroken(&self.findings, &self.records, types, operation)
    }

    /// Checks that the plan does not leave sets of these types as they are, since others have records
    /// there.
    fn unhindered(&self, types: &[RecordType], operation: &'static str) -> Result<()> {
        let in_the_way = self.plan.conflicts().iter().find(|conflict| {
            conflict.reason().is_about_the_name() || types.contains(&conflict.record_type())
        });
        let Some(conflict) = in_the_way else { return Ok(()) };
        let code = conflict.reason().as_str();
        Err(error(ErrorKind::Refused, operation, conflict.to_string()).with_code(code))
    }

    /// Checks that the managed records of a domain at `owner` do not break each other, as after the
    /// change that this was planned for: others may have been added since.
    pub(super) fn check_again(
        &self,
        domain: &Domain,
        owner: &DnsName,
        types: &[RecordType],
        operation: &'static str,
    ) -> Result<()> {
        let wanted: Vec<_> = domain.wanted_at(owner).cloned().collect();
        unbroken(&findings(&self.zone, owner, &wanted), &wanted, types, operation)
    }

    /// Returns the changes, in the steps in which to apply them.
    fn steps(&self, atomic: bool) -> Result<Vec<ChangeSet>> {
        let all = self.plan.changes();
        let is_marker = |change: &SetChange| {
            *change.name() == self.marker && change.record_type() == RecordType::Txt
        };
        let mut steps = match (atomic, self.keeps_markers) {
            (true, _) => vec![all.clone()],
            (false, false) => self.plan.steps(),
            (false, true) => self.plan.steps_that_keep_markers(),
        };
        // Markers that stay are relied on: they have to be there still.
        let stays = !steps.iter().flat_map(ChangeSet::iter).any(is_marker);
        if let Some(marks) = self.marks.as_ref().filter(|_| stays && !steps.is_empty()) {
            let stay = SetChange::new(Some(marks.clone()), Some(marks.clone()));
            let stay = stay.map_err(contradiction)?;
            if atomic {
                let both = all.iter().cloned().chain([stay]);
                steps = vec![ChangeSet::new(both).map_err(contradiction)?];
            } else {
                steps.insert(0, stay.into());
            }
        }
        Ok(steps)
    }
}

impl fmt::Display for Arrangement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.plan)?;
        self.findings.iter().try_for_each(|finding| writeln!(f, "? {finding}"))
    }
}

impl Backends {
    /// Returns what has to change so that the zone has `wanted` at `owner`.
    pub(super) async fn arrangement(
        &self,
        domain: &Domain,
        owner: &DnsName,
        wanted: &[DnsRecord],
        operation: &'static str,
    ) -> Result<Arrangement> {
        let (dns, zone) = self.zone_for(owner, operation).await?;
        let markers = self.markers(domain, operation)?;
        let too_long = |cause| {
            error(ErrorKind::Invalid, operation, format!("{owner} is too long to be marked"))
                .with_source(cause)
        };
        let marker = markers.name_for(owner).map_err(too_long)?;
        let marks = dns.record_set(&zone, &marker, RecordType::Txt).await.map_err(contrary)?;
        let types = types_at(wanted, marks.as_ref().map(|set| markers.types(set)));
        let asked = types.into_iter().map(|record_type| {
            let zone = &zone;
            Box::pin(async move { dns.record_set(zone, owner, record_type).await }) as Boxed<'_, _>
        });
        let mut sets: Vec<RecordSet> = Vec::new();
        for found in all::<Result<Option<RecordSet>>>(asked.collect()).await {
            sets.extend(found.map_err(contrary)?);
        }
        sets.extend(marks.clone());
        let current = Zone::new(zone.clone(), sets).map_err(contradiction)?;
        let desired =
            Zone::from_records(zone.clone(), wanted.iter().cloned()).map_err(|cause| {
                let types: Vec<_> = wanted.iter().map(DnsRecord::record_type).collect();
                let broken = unbroken(&findings(&zone, owner, wanted), wanted, &types, operation);
                broken.err().unwrap_or_else(|| {
                    error(ErrorKind::Invalid, operation, cause.to_string()).with_source(cause)
                })
            })?;
        let policy =
            ChangePolicy::new(Ownership::markers(markers)).with_min_ttl(dns.capabilities().min_ttl);
        let plan = changes(&current, &desired, &policy).map_err(|cause| {
            error(ErrorKind::Invalid, operation, cause.to_string()).with_source(cause)
        })?;
        let after = current.apply(plan.changes()).map_err(contradiction)?;
        let is_wanted = |record: &DnsRecord| wanted.iter().any(|one| one.data() == record.data());
        let mut records: Vec<_> = after.at(owner).iter().flat_map(RecordSet::records).collect();
        records.sort_by_key(|record| !is_wanted(record));
        let findings = findings(&zone, owner, &records);
        // A record that is written late has its marker beside it then, and is found by it. Where all
        // is changed at once they come together.
        let keeps_markers = domain.is_in_doubt(owner);
        Ok(Arrangement { zone, marker, marks, keeps_markers, plan, records, findings })
    }

    /// Makes the zone agree with the managed records of a domain at `owner`.
    pub(super) async fn arrange(&self, domain: &Domain, owner: &DnsName) -> Result<()> {
        const OPERATION: &str = "arrange";
        let wanted: Vec<_> = domain.wanted_at(owner).cloned().collect();
        let here = domain.records().iter().filter(|managed| managed.record().name() == owner);
        let pending = here.filter(|managed| managed.state() != RecordState::Present);
        let (new, leaving): (Vec<_>, Vec<_>) =
            pending.partition(|managed| managed.state().is_wanted());
        let [new, leaving] = [new, leaving].map(|records| {
            let types = records.into_iter().map(|managed| managed.record().record_type());
            types.collect::<Vec<_>>()
        });
        let others = match wanted.as_slice() {
            [] => HeldByOthers::default(),
            _ => self.held_by_others(domain, &[owner]).await?,
        };
        if !others.unreadable.is_empty() {
            let message = format!("whether {owner} is somebody else's cannot be read");
            return Err(error(ErrorKind::Unavailable, OPERATION, message));
        }
        if !others.barred.is_empty() {
            let message = format!("{owner} is not available for records of {}", domain.name());
            return Err(error(ErrorKind::Refused, OPERATION, message));
        }
        for _ in 0..ATTEMPTS {
            let arrangement = self.arrangement(domain, owner, &wanted, OPERATION).await?;
            arrangement.check(&new, OPERATION)?;
            // What is not planned is not gone.
            arrangement.unhindered(&leaving, OPERATION)?;
            if arrangement.plan.is_empty() || self.carry_out(&arrangement).await? {
                return Ok(());
            }
        }
        let message = format!("others keep changing the records of {owner}");
        Err(error(ErrorKind::Conflict, OPERATION, message))
    }

    /// Carries a plan out; `false` if something was not as it expects.
    async fn carry_out(&self, arrangement: &Arrangement) -> Result<bool> {
        const OPERATION: &str = "arrange";
        let (dns, zone) = self.zone_for(&arrangement.zone, OPERATION).await?;
        for step in arrangement.steps(dns.capabilities().atomic)? {
            let applied = dns.apply(&zone, &step).await.map_err(contrary)?;
            if applied.len() != step.len() {
                let message = "the DNS provider does not say what became of each change";
                return Err(error(ErrorKind::Malformed, OPERATION, message));
            }
            let mut agrees = true;
            for one in applied {
                match one {
                    Applied::Done => {}
                    Applied::Conflict(_) | Applied::Skipped => agrees = false,
                    Applied::Refused(cause) => return Err(contrary(cause)),
                }
            }
            if !agrees {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns the DNS provider, and the zone there that has `name`.
    async fn zone_for(
        &self,
        name: &DnsName,
        operation: &'static str,
    ) -> Result<(&dyn DnsProvider, DnsName)> {
        let zone = self.zone_of(name, operation).await?.ok_or_else(|| {
            let message = format!("no zone at the DNS provider holds {name}");
            error(ErrorKind::Precondition, operation, message)
        })?;
        Ok((self.provider(operation)?, zone))
    }

    /// Returns the zone at the DNS provider that has `name`, if one has.
    pub(super) async fn zone_of(
        &self,
        name: &DnsName,
        operation: &'static str,
    ) -> Result<Option<DnsName>> {
        self.provider(operation)?.zone_of(name).await.map_err(contrary)
    }

    fn provider(&self, operation: &'static str) -> Result<&dyn DnsProvider> {
        self.dns.as_deref().ok_or_else(|| {
            error(ErrorKind::Unsupported, operation, "no DNS provider is plugged in")
        })
    }

    /// Returns the markers of the records of a domain.
    fn markers(&self, domain: &Domain, operation: &'static str) -> Result<Markers> {
        let label = format!("_{}-records", self.terms.brand().as_str());
        let markers = Markers::new(&domain.id().to_string());
        let markers = markers.and_then(|markers| markers.with_label(&label));
        markers.map_err(|cause| {
            error(ErrorKind::Internal, operation, "a marker that cannot be written")
                .with_source(cause)
        })
    }
}

/// Returns the types to read at a name: what is wanted there or ours, and what excludes others.
fn types_at(wanted: &[DnsRecord], marked: Option<Vec<RecordType>>) -> BTreeSet<RecordType> {
    let wanted = wanted.iter().map(DnsRecord::record_type);
    let mut types: BTreeSet<_> = wanted.chain(marked.into_iter().flatten()).collect();
    if types.contains(&RecordType::Cname) {
        types.extend(RecordType::ALL.iter().filter(|record_type| record_type.code().is_some()));
    }
    types.insert(RecordType::Cname);
    types
}

/// Returns what is unwise about the records at a name.
fn findings(zone: &DnsName, owner: &DnsName, records: &[DnsRecord]) -> Vec<Finding> {
    let mut findings = lint(zone, records);
    // The rest of the zone was not read.
    findings.retain(|finding| finding.name() == owner && !finding.code().needs_the_zone());
    findings
}

/// Returns what the DNS provider said, but for what it cannot find: it has just named the zone, so
/// that is for now, and must not be taken for a zone that is gone.
fn contrary(cause: Error) -> Error {
    if cause.kind() != ErrorKind::NotFound {
        return cause;
    }
    error(ErrorKind::Unavailable, cause.operation(), cause.to_string()).with_source(cause)
}

/// Checks that nothing is wrong in which records of these types take part.
///
/// What broke without them is no reason to leave the rest undone.
fn unbroken(
    findings: &[Finding],
    records: &[DnsRecord],
    types: &[RecordType],
    operation: &'static str,
) -> Result<()> {
    let is_new = |index: &usize| {
        records.get(*index).is_some_and(|record| types.contains(&record.record_type()))
    };
    let broken = findings.iter().find(|finding| {
        finding.severity() == Severity::Error && finding.records().iter().any(is_new)
    });
    let Some(finding) = broken else { return Ok(()) };
    let code = finding.code().as_str();
    Err(error(ErrorKind::Refused, operation, finding.to_string()).with_code(code))
}

fn contradiction(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    error(ErrorKind::Internal, "arrange", "a change that contradicts itself").with_source(cause)
}

fn error(kind: ErrorKind, operation: &'static str, message: impl Into<String>) -> Error {
    Error::new(kind, "records", operation, message)
}
