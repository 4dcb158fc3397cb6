//! Taking down: everything that we made goes, and then once more.

use super::Draft;
use crate::{
    clock::after,
    domain::{Placement, Status},
    engine::{
        notice::Notice,
        root::{Effect, Satellite},
    },
    name::DnsName,
};

impl Draft<'_> {
    /// Gives up what was made before ownership was reset, if that is still to be done.
    pub(super) fn give_up_former(&mut self) {
        if std::mem::take(&mut self.root.domain.title.gives_up) {
            self.give_all_up();
        }
    }

    /// Gives up order, certificate, key and records. Setting them up may never have happened.
    fn give_all_up(&mut self) {
        self.drop_order();
        if let Some(served) = self.root.domain.certificate.take() {
            self.satellites.push(Satellite::DeleteCertificate(served.id));
            self.satellites.push(Satellite::DeleteKey(served.key));
        }
        self.root.domain.next_order_at = None;
        self.root.domain.remove_records();
    }

    /// Gives everything up that was made for the domain.
    pub(super) fn remove(&mut self) {
        self.give_all_up();
        self.root.domain.title.gives_up = false;
        self.root.domain.next_check_at = None;
        let gone = |placement| matches!(placement, Placement::Swept { .. });
        let clean = self.root.domain.placed.iter().all(|placed| gone(placed.placement))
            && self.root.domain.records.is_empty();
        if clean && self.root.domain.removed_at.is_none() {
            self.root.domain.removed_at = Some(self.now());
            self.notices.push(Notice::Removed);
        }
    }

    /// Marks the records of the order that is under way for removal, and forgets its answers.
    pub(super) fn retire_publications(&mut self) {
        for placed in &mut self.root.domain.placed {
            if matches!(placed.placement, Placement::Publishing | Placement::Present) {
                placed.placement = Placement::Leaving;
            }
        }
        let answers = std::mem::take(&mut self.root.domain.answers);
        self.satellites.extend(answers.into_iter().map(Satellite::DeleteAnswer));
    }

    /// Removes one record of ours that is no longer needed, if nothing else is to be done.
    pub(super) fn clean_up(&mut self) {
        if self.effect.is_some() || self.root.intent.is_some() || self.wait.is_some() {
            return;
        }
        let now = self.now();
        let due = self.root.domain.placed.iter().find(|placed| match placed.placement {
            Placement::Leaving => true,
            Placement::Swept { again_at } => again_at <= now,
            Placement::Publishing | Placement::Present => false,
        });
        if let Some(placed) = due {
            let effect =
                Effect::Unpublish { owner: placed.owner.clone(), value: placed.value.clone() };
            self.act(effect);
        }
    }

    /// Takes note that a record of ours was removed: for the first time, or for good.
    pub(super) fn unpublished(&mut self, owner: &DnsName, value: &str) {
        let now = self.now();
        let again_at = after(now, self.policy().sweep_after);
        self.root.domain.placed.retain_mut(|placed| {
            if placed.owner != *owner || placed.value != value {
                return true;
            }
            match placed.placement {
                Placement::Leaving => {
                    placed.placement = Placement::Swept { again_at };
                    true
                }
                Placement::Swept { again_at } => now < again_at,
                // Wanted again meanwhile: to be published anew.
                Placement::Publishing | Placement::Present => true,
            }
        });
        // The trace of a domain that is gone keeps nothing but its name.
        if self.root.domain.status == Status::Removing {
            self.again = true;
        }
    }
}
