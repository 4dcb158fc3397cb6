//! Records that the tenant manages: the zone is made to agree with what is written down.

use super::{Draft, clamp};
use crate::{
    clock::{Timestamp, after},
    domain::{Failure, RecordState},
    engine::{
        notice::Notice,
        root::{DomainRoot, Effect, Fact, Question, Trouble},
    },
    error::ErrorKind,
    name::DnsName,
    retry::Backoff,
};

pub(super) fn questions(root: &DomainRoot) -> Option<Question> {
    let wanted = root.domain.records.iter().filter(|managed| managed.state.is_wanted());
    let mut owners: Vec<_> = wanted.map(|managed| managed.record.name().clone()).collect();
    owners.sort_unstable();
    owners.dedup();
    (!owners.is_empty() && root.intent.is_none()).then_some(Question::Barred { owners })
}

impl Draft<'_> {
    /// Takes away what is at names that somebody else has come to hold.
    pub(super) fn yield_records(&mut self) {
        let barred = self.facts.iter().find_map(|fact| match fact {
            Fact::Barred { owners } if !owners.is_empty() => Some(owners),
            _ => None,
        });
        let Some(barred) = barred else { return };
        let domain = &self.root.domain;
        let leaving: Vec<_> = domain
            .records
            .iter()
            .filter(|managed| managed.state.is_wanted() && barred.contains(managed.record.name()))
            .map(|managed| (managed.id, managed.record.name().clone()))
            .collect();
        for (record, owner) in leaving {
            let message = format!(
                "records: arrange: {owner} is not available for records of {}",
                self.root.domain.name
            );
            let failure = self.failure_of(&Trouble::new(ErrorKind::Refused, message), 1);
            self.root.domain.remove_record(record);
            self.notices.push(Notice::RecordRefused { record, failure });
        }
    }

    /// Makes the zone agree at one name, if nothing else is to be done.
    pub(super) fn arrange(&mut self) {
        if self.effect.is_some() || self.root.intent.is_some() {
            return;
        }
        let now = self.now();
        let domain = &self.root.domain;
        let holds = domain.status.holds();
        let waits = domain.records.iter().find(|managed| {
            let is_pending = match managed.state {
                // Nothing is put into the zone of who does not hold the name.
                RecordState::Creating | RecordState::Updating => holds,
                RecordState::Removing => true,
                RecordState::Present => false,
            };
            is_pending && managed.retry_at.is_none_or(|at| at <= now)
        });
        let owner = match waits {
            Some(managed) => Some(managed.record.name()),
            None => domain.sweeps.iter().find(|sweep| sweep.at <= now).map(|sweep| &sweep.owner),
        };
        if let Some(owner) = owner.cloned() {
            self.root.domain.end_doubt(&owner, now);
            let domain = &self.root.domain;
            let version = domain.record_version;
            self.act(Effect::Arrange { owner, version });
        }
    }

    /// Takes note that nobody knows what came of a call, and that it may go on.
    pub(super) fn arrange_doubted(&mut self, owner: &DnsName) {
        let until = after(self.now(), self.settings.policy.sweep_after);
        self.root.domain.doubt(owner, until);
    }

    /// Takes note that the zone agrees with what was wanted at `version`.
    pub(super) fn arranged(&mut self, owner: &DnsName, version: u64) {
        for managed in &mut self.root.domain.records {
            let is_written = managed.record.name() == owner && managed.version <= version;
            if is_written && matches!(managed.state, RecordState::Creating | RecordState::Updating)
            {
                managed.settled();
                self.notices.push(Notice::RecordWritten { record: managed.id });
            }
        }
        self.cleared(owner, version);
    }

    /// Takes note that nothing is at a name of what was unwanted at `version`.
    fn cleared(&mut self, owner: &DnsName, version: u64) {
        let now = self.now();
        let domain = &mut self.root.domain;
        // One that is in doubt still was not when this began, or something may have come since.
        domain.sweeps.retain(|it| it.owner != *owner || it.at > now || it.is_in_doubt);
        let notices = &mut self.notices;
        let before = domain.records.len();
        domain.records.retain(|managed| {
            let is_gone = managed.state == RecordState::Removing
                && managed.record.name() == owner
                && managed.version <= version;
            if is_gone {
                notices.push(Notice::RecordRemoved { record: managed.id });
            }
            !is_gone
        });
        if domain.records.len() < before {
            // A call that was stopped in the middle of writing may go on and be late.
            let again_at = after(now, self.settings.policy.sweep_after);
            domain.sweep_at(owner, again_at);
        }
    }

    /// Takes note that the provider refuses what was wanted at `version`.
    pub(super) fn arrange_refused(&mut self, owner: &DnsName, version: u64, trouble: &Trouble) {
        // No zone has the name: one that is gone has nothing of ours in it.
        if trouble.kind == ErrorKind::Precondition {
            self.cleared(owner, version);
        }
        self.arrange_failed(owner, version, trouble);
        for managed in &mut self.root.domain.records {
            if managed.record.name() == owner
                && managed.version <= version
                && managed.give_up()
                && let Some(failure) = managed.failure.clone()
            {
                self.notices.push(Notice::RecordRefused { record: managed.id, failure });
            }
        }
    }

    /// Takes note that a call failed for now: the records wait, and nothing else does.
    pub(super) fn arrange_failed(&mut self, owner: &DnsName, version: u64, trouble: &Trouble) {
        let now = self.now();
        let chance = self.moment.number("arrange");
        let wait = |attempts: u32| -> Timestamp {
            let delay = Backoff::SERVICE.delay(attempts, chance);
            after(now, delay.max(clamp(trouble.retry_after)))
        };
        let domain = &mut self.root.domain;
        for managed in &mut domain.records {
            let is_pending = managed.state != RecordState::Present && managed.version <= version;
            if managed.record.name() == owner && is_pending {
                managed.retry_at = Some(wait(managed.attempts));
                managed.attempts = managed.attempts.saturating_add(1);
                managed.failure = Some(Failure {
                    kind: trouble.kind,
                    code: trouble.code.clone(),
                    message: trouble.message.clone(),
                    at: now,
                    attempts: managed.attempts,
                });
            }
        }
        for sweep in &mut domain.sweeps {
            if sweep.owner == *owner && sweep.at <= now {
                sweep.at = wait(3);
            }
        }
    }

    /// Returns when records are to be looked after, if not now.
    pub(super) fn records_due(&self) -> impl Iterator<Item = Timestamp> {
        let domain = &self.root.domain;
        let holds = domain.status.holds();
        let retries = domain
            .records
            .iter()
            .filter(move |managed| match managed.state {
                RecordState::Creating | RecordState::Updating => holds,
                RecordState::Removing => true,
                RecordState::Present => false,
            })
            .filter_map(|managed| managed.retry_at);
        retries.chain(domain.sweeps.iter().map(|sweep| sweep.at))
    }
}
