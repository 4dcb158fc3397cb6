//! Records that a tenant manages through us.

use serde::{Deserialize, Serialize};

use super::{Domain, Failure};
use crate::{clock::Timestamp, id::RecordId, name::DnsName, record::DnsRecord};

/// A record that a tenant manages through us, in a zone at the DNS provider.
///
/// What is wanted is written down first, then the zone is made to agree. Weight, monitor and comment
/// live here alone: DNS has no place for them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ManagedRecord {
    pub(crate) id: RecordId,
    pub(crate) record: DnsRecord,
    pub(crate) state: RecordState,
    /// What an update takes the place of, until the provider has taken it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Box<DnsRecord>>,
    /// The change that it was last part of, by [`Domain::record_version`].
    pub(crate) version: u64,
    /// Calls that failed in a row.
    #[serde(default)]
    pub(crate) attempts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<Failure>,
}

/// How far a managed record is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RecordState {
    /// The provider is to make it, or may have.
    Creating,
    /// The provider has it.
    Present,
    /// The provider is to remove it, or may have.
    Removing,
    /// The provider is to change it, or may have.
    Updating,
}

impl RecordState {
    /// Returns the stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Present => "present",
            Self::Removing => "removing",
            Self::Updating => "updating",
        }
    }

    /// Returns whether the zone is to have it.
    pub const fn is_wanted(self) -> bool {
        !matches!(self, Self::Removing)
    }
}

impl std::fmt::Display for RecordState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A name that is to be looked after once more, when every call that was under way has ended.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Sweep {
    pub(crate) owner: DnsName,
    pub(crate) at: Timestamp,
    /// Whether something may be written there until then by a call that nobody waits for any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_in_doubt: bool,
}

impl ManagedRecord {
    /// Returns the id, which stays when the record is updated.
    pub const fn id(&self) -> RecordId {
        self.id
    }

    /// Returns the record as it is wanted.
    pub const fn record(&self) -> &DnsRecord {
        &self.record
    }

    /// Returns how far it is.
    pub const fn state(&self) -> RecordState {
        self.state
    }

    /// Returns why the last try came to nothing, if it did.
    pub const fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }
}

impl Domain {
    /// Returns the records that the tenant manages, those that are being removed included.
    pub fn records(&self) -> &[ManagedRecord] {
        &self.records
    }

    /// Returns what the zone is to have at a name.
    pub(crate) fn wanted_at<'a>(
        &'a self,
        owner: &'a DnsName,
    ) -> impl Iterator<Item = &'a DnsRecord> {
        self.records
            .iter()
            .filter(move |managed| managed.state.is_wanted() && managed.record.name() == owner)
            .map(ManagedRecord::record)
    }

    /// Adds a record that is wanted.
    pub(crate) fn create_record(&mut self, id: RecordId, record: DnsRecord) {
        let version = self.next_record_version();
        self.records.push(ManagedRecord {
            id,
            record,
            state: RecordState::Creating,
            before: None,
            version,
            attempts: 0,
            retry_at: None,
            failure: None,
        });
    }

    /// Puts another record in the place of one. Does nothing if there is none or it is leaving.
    pub(crate) fn update_record(&mut self, id: RecordId, record: DnsRecord) {
        let version = self.next_record_version();
        let found = self.records.iter_mut().find(|managed| managed.id == id);
        if let Some(managed) = found.filter(|managed| managed.state.is_wanted()) {
            let old = std::mem::replace(&mut managed.record, record);
            if managed.state == RecordState::Present {
                managed.state = RecordState::Updating;
                managed.before = Some(Box::new(old));
            }
            managed.touch(version);
        }
    }

    /// Takes a record away.
    pub(crate) fn remove_record(&mut self, id: RecordId) {
        let version = self.next_record_version();
        for managed in self.records.iter_mut().filter(|managed| managed.id == id) {
            managed.leave(version);
        }
    }

    /// Takes all records away.
    pub(crate) fn remove_records(&mut self) {
        if self.records.iter().any(|managed| managed.state.is_wanted()) {
            let version = self.next_record_version();
            for managed in self.records.iter_mut().filter(|managed| managed.state.is_wanted()) {
                managed.leave(version);
            }
        }
    }

    /// Returns how many names are to be looked after once more.
    pub(crate) const fn sweeps(&self) -> usize {
        self.sweeps.len()
    }

    /// Looks after a name at a time, or later if that is planned already.
    pub(crate) fn sweep_at(&mut self, owner: &DnsName, at: Timestamp) {
        self.sweep(owner, at, false);
    }

    /// Looks after a name when every call that may still write something there has ended.
    pub(crate) fn doubt(&mut self, owner: &DnsName, until: Timestamp) {
        self.sweep(owner, until, true);
    }

    /// Returns whether something may be written at a name that nobody waits for any more.
    pub(crate) fn is_in_doubt(&self, owner: &DnsName) -> bool {
        self.sweeps.iter().any(|sweep| sweep.is_in_doubt && sweep.owner == *owner)
    }

    /// Takes note that what was in doubt until now is so no more.
    pub(crate) fn end_doubt(&mut self, owner: &DnsName, now: Timestamp) {
        for sweep in &mut self.sweeps {
            sweep.is_in_doubt &= sweep.owner != *owner || sweep.at > now;
        }
    }

    /// Looks after a name as soon as possible, since something may have been written there late, and
    /// when it was planned.
    pub(crate) fn sweep_now(&mut self, owner: &DnsName, now: Timestamp) {
        self.sweeps.retain(|sweep| sweep.owner != *owner || sweep.at > now);
        self.sweeps.push(Sweep { owner: owner.clone(), at: now, is_in_doubt: false });
    }

    fn sweep(&mut self, owner: &DnsName, at: Timestamp, is_in_doubt: bool) {
        let planned = self.sweeps.iter_mut().filter(|sweep| sweep.owner == *owner);
        match planned.max_by_key(|sweep| sweep.at) {
            Some(sweep) => {
                sweep.at = sweep.at.max(at);
                sweep.is_in_doubt |= is_in_doubt;
            }
            None => self.sweeps.push(Sweep { owner: owner.clone(), at, is_in_doubt }),
        }
    }

    const fn next_record_version(&mut self) -> u64 {
        self.record_version = self.record_version.saturating_add(1);
        self.record_version
    }
}

impl ManagedRecord {
    fn touch(&mut self, version: u64) {
        self.version = version;
        self.attempts = 0;
        self.retry_at = None;
        self.failure = None;
    }

    fn leave(&mut self, version: u64) {
        self.state = RecordState::Removing;
        self.before = None;
        self.touch(version);
    }

    /// Takes note that the zone agrees.
    pub(crate) fn settled(&mut self) {
        self.state = RecordState::Present;
        self.before = None;
        self.attempts = 0;
        self.retry_at = None;
        self.failure = None;
    }

    /// Takes note that the provider said no. Returns whether something that was wanted is given up.
    ///
    /// An earlier try may have taken effect without an answer, so the zone is made to agree again.
    pub(crate) fn give_up(&mut self) -> bool {
        match self.state {
            RecordState::Creating => {
                self.state = RecordState::Removing;
                true
            }
            RecordState::Updating => match self.before.take() {
                Some(before) => {
                    self.record = *before;
                    true
                }
                None => false,
            },
            RecordState::Present | RecordState::Removing => false,
        }
    }
}
