//! Who has which title to a name, and by what: kept from what people did and what was committed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::letters::Letter;
use crate::{
    clock::Timestamp,
    id::{CertificateId, DomainId, OperationId, TenantId},
    name::DomainName,
    store::Key,
};

/// A code that wrong guesses are made with.
pub(super) const WRONG: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What is so about titles, whatever the engine believes.
#[derive(Clone, Debug, Default)]
pub(super) struct Titles {
    /// Whose customer runs each zone, and so gets its mail.
    pub(super) owners: BTreeMap<String, TenantId>,
    /// All mail that was ever got.
    pub(super) letters: Vec<Letter>,
    /// Which codes were given back, by which tenant and about which claim.
    pub(super) answers: BTreeSet<(TenantId, DomainId, String)>,
    /// Digests of codes that have proved a claim.
    pub(super) used: BTreeSet<(DomainId, String)>,
    /// Which generation of a claim was last proved by a code, and when.
    pub(super) confirmed: BTreeMap<DomainId, (u32, Duration)>,
    /// When a holder was last told that somebody else has proved the name.
    pub(super) doubted: BTreeMap<DomainId, Duration>,

    /// Who wanted to hand which claim over to whom.
    pub(super) consents: BTreeSet<(DomainId, TenantId)>,
    /// Who wanted to take an offer back.
    pub(super) regrets: BTreeSet<DomainId>,
    /// The codes that holders got for their offers.
    pub(super) codes: Vec<Code>,
    /// With which codes tenants tried to take names.
    pub(super) attempts: BTreeSet<(TenantId, DomainName, String)>,
    /// The offers that stand.
    pub(super) standing: BTreeMap<DomainId, Standing>,
    /// When a claim came over by consent, and was not proved before.
    pub(super) taken: BTreeMap<DomainId, Duration>,

    /// When the holder that a challenger is up against was last given time.
    pub(super) cooling: BTreeMap<DomainId, Duration>,
    /// When a name was last lost, of those that were ever held; `None` while somebody holds it.
    pub(super) lost: BTreeMap<DomainName, Option<Duration>>,
    /// When a claim came to be there, which may be long after it was begun.
    pub(super) added: BTreeMap<DomainId, Timestamp>,
    /// Claims that held the name once, and are to be proved again.
    pub(super) fallen: BTreeSet<DomainId>,
    /// Claims that began anew, and have not held the name since.
    pub(super) reset: BTreeSet<DomainId>,
    /// Certificates of generations that are over.
    pub(super) retired: BTreeSet<CertificateId>,
    /// Tokens of generations that are over.
    pub(super) void: BTreeSet<String>,
    /// Names that rest: with whom, and until when.
    pub(super) resting: BTreeMap<DomainName, (TenantId, Timestamp)>,
    /// Registrations that changed, as it was reported.
    pub(super) reports: Vec<Report>,
    /// Exports that are under way.
    pub(super) exports: BTreeMap<u64, Archive>,
}

impl Titles {
    /// Takes note that of an item's log so many entries are left.
    pub(super) fn trimmed(&mut self, key: &Key, left: u64) {
        let archives = self.exports.values_mut().flat_map(|archive| &mut archive.may);
        for ((_, _), (least, _)) in archives.filter(|((of, _), _)| of == key) {
            *least = left.min(*least);
        }
    }

    /// Returns what is so when the store is put back to when all was as in `then`: what people did stays
    /// done, and what was committed since then was not.
    pub(super) fn put_back(&self, then: &Self) -> Self {
        let noted =
            |number| then.reports.get(number).is_some_and(|report: &Report| report.is_noted);
        let reports = self.reports.iter().enumerate();
        Self {
            owners: self.owners.clone(),
            letters: self.letters.clone(),
            answers: self.answers.clone(),
            consents: self.consents.clone(),
            regrets: self.regrets.clone(),
            codes: self.codes.clone(),
            attempts: self.attempts.clone(),
            reports: reports
                .map(|(number, report)| Report { is_noted: noted(number), ..report.clone() })
                .collect(),
            // Whoever wrote them is gone.
            exports: BTreeMap::new(),
            ..then.clone()
        }
    }
}

/// A code for which a name can be taken.
#[derive(Clone, Debug)]
pub(super) struct Code {
    pub(super) name: DomainName,
    pub(super) to: TenantId,
    pub(super) code: String,
}

/// An offer that stands.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) to: TenantId,
    pub(super) digest: String,
    pub(super) since: Duration,
}

/// That a registration changed.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) tenant: TenantId,
    pub(super) below: DomainName,
    pub(super) changed_at: Timestamp,
    /// Whether the platform said that it has taken note.
    pub(super) is_noted: bool,
}

/// What an export may and must hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Archive {
    /// What was there at some time meanwhile, and how many log entries it had, at least and at most.
    pub(super) may: BTreeMap<(Key, OperationId), (u64, u64)>,
    /// What was there all the time.
    pub(super) must: BTreeSet<Key>,
}
