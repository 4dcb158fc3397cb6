//! What has to hold of claims after every accepted commit: who may get a name, and from whom.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{
    check::{Committed, FRESH, FRESH_AFTER_JUMP},
    core::State,
    invariant::{Breach, Invariant},
    title::Standing,
    world,
};
use crate::{
    clock::after,
    domain::{Domain, ResetCause, Status},
    engine::Notice,
    store::Key,
};

/// How long a holder's proof has to be there again so that nobody can rely on a look that missed it.
const ANSWERED: Duration = Duration::from_secs(2 * 3600);

pub(super) fn digest(code: &str) -> String {
    hex::encode(Sha256::digest(code))
}

impl Committed<'_> {
    /// Returns which promise about claims a change of one breaks, and takes note of the change.
    pub(super) fn claim(
        &self,
        old: Option<&Domain>,
        new: &Domain,
        notices: &[Notice],
        found: &mut Vec<Breach>,
    ) {
        self.core.with(|state| {
            let change = Change { of: self, state, old, new, notices, found };
            change.check();
        });
    }

    /// Returns the claim that this batch takes the name of `winner` from, with what it is told.
    fn loser(&self, winner: &Domain) -> Option<(&Domain, Vec<Notice>)> {
        self.before.iter().find_map(|(key, row)| {
            let old = row.as_ref()?.content.domain()?;
            let new = self.model.rows.get(key)?.content.domain()?;
            let is_it = old.id() != winner.id()
                && old.name() == winner.name()
                && old.status().holds()
                && !new.status().holds();
            is_it.then(|| (old, self.notices(key).unwrap_or_default()))
        })
    }

    /// Returns the claim that this batch gives the name of `loser` to.
    fn winner(&self, loser: &Domain) -> Option<&Domain> {
        self.before.iter().find_map(|(key, row)| {
            let new = self.model.rows.get(key)?.content.domain()?;
            let held = row.as_ref().and_then(|row| row.content.domain()).map(Domain::status);
            let is_it = new.id() != loser.id()
                && new.name() == loser.name()
                && new.status().holds()
                && !held.is_some_and(Status::holds);
            is_it.then_some(new)
        })
    }
}

/// A change of a claim.
struct Change<'a, 'b> {
    of: &'a Committed<'a>,
    state: &'a mut State,
    old: Option<&'a Domain>,
    new: &'a Domain,
    notices: &'a [Notice],
    found: &'b mut Vec<Breach>,
}

impl Change<'_, '_> {
    fn broken(&mut self, invariant: Invariant, message: String) {
        self.found.push(Breach::new(invariant, message));
    }

    fn check(mut self) {
        match self.old {
            None => self.added(),
            Some(old) => self.went_on(old),
        }
        let from = self.old.map_or(Status::Pending, Domain::status);
        let to = self.new.status();
        if !from.holds() && to.holds() {
            self.gained();
        }
        if from.holds() && to == Status::Pending {
            self.state.truth.titles.fallen.insert(self.new.id());
        } else if to != Status::Pending {
            self.state.truth.titles.fallen.remove(&self.new.id());
        }
        if from.holds() && !to.holds() {
            let (name, now) = (self.new.name().clone(), self.state.now);
            if self.of.winner(self.new).is_none() {
                self.state.truth.titles.lost.insert(name, Some(now));
            }
            self.state.truth.titles.standing.remove(&self.new.id());
            self.state.truth.titles.taken.remove(&self.new.id());
            if to == Status::Removing {
                let until = after(self.of.now, world::QUARANTINE);
                let (name, tenant) = (self.new.name().clone(), self.new.tenant());
                self.state.truth.titles.resting.insert(name, (tenant, until));
            }
        }
        if to.holds() && self.state.truth.was_proved(self.new, self.recently()) {
            self.state.truth.titles.taken.remove(&self.new.id());
        }
        if let Some(served) = self.new.certificate().filter(|_| to.holds())
            && self.state.truth.titles.retired.contains(&served.id)
        {
            let message = format!("{} is served by what was given up", self.new.name());
            self.broken(Invariant::NothingComesBack, message);
        }
        self.told();
        self.answered();
    }

    /// Since when something may have been seen that is decided on now.
    fn recently(&self) -> Duration {
        let fresh = if self.state.truth.jumped { FRESH_AFTER_JUMP } else { FRESH };
        self.state.now.saturating_sub(fresh)
    }

    fn added(&mut self) {
        let (tenant, name) = (self.new.tenant(), self.new.name());
        self.state.truth.titles.added.insert(self.new.id(), self.of.now);
        if self.state.truth.titles.void.contains(&self.new.challenge().token) {
            let message = format!("{name} is claimed with a token that is good no more");
            self.broken(Invariant::NothingComesBack, message);
        }
        let Some(caps) = self.state.truth.caps else { return };
        let own = || {
            let all = self.of.model.domains().map(|(_, domain)| domain);
            all.filter(move |domain| domain.tenant() == tenant && !domain.is_removed())
        };
        let total = own().count();
        // Those that fell back are counted when all are counted again.
        let fallen = &self.state.truth.titles.fallen;
        let is_new = |domain: &Domain| !fallen.contains(&domain.id());
        let pending =
            own().filter(|domain| domain.status() == Status::Pending && is_new(domain)).count();
        let below = own().filter(|it| it.name().registrable() == name.registrable()).count();
        for (count, most, what) in [
            (total, caps.total, "names"),
            (pending, caps.pending, "names that are not proved"),
            (below, caps.below, "names below one domain"),
        ] {
            if count > most {
                let message = format!("{tenant} has {count} {what}, and {most} are allowed");
                self.broken(Invariant::WithinCaps, message);
            }
        }
    }

    fn went_on(&mut self, old: &Domain) {
        let (was, is) = (old.challenge(), self.new.challenge());
        if is.generation < was.generation {
            let message = format!("{} is of an earlier generation again", self.new.name());
            self.broken(Invariant::NothingComesBack, message);
        }
        if is.generation > was.generation {
            if is.token == was.token {
                let message = format!("{} begins anew with the old token", self.new.name());
                self.broken(Invariant::NothingComesBack, message);
            }
            self.state.truth.titles.void.insert(was.token.clone());
        }
    }

    fn gained(&mut self) {
        let name = self.new.name().clone();
        let by_consent = |notice: &Notice| matches!(notice, Notice::TransferAccepted { .. });
        let loser = self.of.loser(self.new);
        let is_given = self.notices.iter().any(by_consent);
        if !is_given {
            self.state.coverage.proof(self.new.challenge().method);
        }
        if is_given {
            match &loser {
                Some((loser, _)) if self.has_consent(loser) => {}
                Some(_) => {
                    let message = format!("{name} was taken without the consent of its holder");
                    self.broken(Invariant::Consent, message);
                }
                None => {
                    let message = format!("{name} was taken from nobody");
                    self.broken(Invariant::Consent, message);
                }
            }
            let now = self.state.now;
            self.state.truth.titles.taken.insert(self.new.id(), now);
        } else if let Some((loser, _)) = loser {
            // The time counts from the decision, and calls of a slow store come before its commit.
            let had_time = self.state.truth.titles.cooling.get(&self.new.id()).is_some_and(|at| {
                self.state.now.saturating_sub(*at) + Duration::from_secs(30) >= world::COOL_OFF
            });
            if !had_time && !self.state.truth.jumped {
                let message = format!("the holder of {name} had no time to answer");
                self.broken(Invariant::Consent, message);
            }
            let since = self.state.now.saturating_sub(ANSWERED);
            if self.state.truth.was_proved_throughout(loser, since) && !self.state.truth.jumped {
                let message = format!("{name} was taken from who proves it");
                self.broken(Invariant::HolderUndisturbed, message);
            }
        }
        self.state.truth.titles.lost.insert(name.clone(), None);
        self.state.truth.titles.reset.remove(&self.new.id());
        // Whoever held it last begins from the beginning.
        self.state.truth.titles.resting.remove(&name);
        let traces = self.of.model.domains().map(|(_, domain)| domain).filter(|domain| {
            domain.is_removed() && *domain.name() == name && domain.tenant() != self.new.tenant()
        });
        let tokens: Vec<String> = traces.map(|domain| domain.challenge().token.clone()).collect();
        self.state.truth.titles.void.extend(tokens);
    }

    /// Returns whether the holder offers the name to this tenant, who has given the code for it.
    fn has_consent(&self, loser: &Domain) -> bool {
        let titles = &self.state.truth.titles;
        let (tenant, name) = (self.new.tenant(), self.new.name());
        titles.standing.get(&loser.id()).is_some_and(|offer| {
            // Decided in time, and committed a little later.
            let in_time = self.recently().saturating_sub(offer.since) <= world::OFFER;
            offer.to == tenant
                && (in_time || self.state.truth.jumped)
                && titles.consents.contains(&(loser.id(), tenant))
                && titles.attempts.iter().any(|(who, what, code)| {
                    *who == tenant && what == name && digest(code) == offer.digest
                })
        })
    }

    /// Checks and takes note of what the claim is told.
    fn told(&mut self) {
        let (id, name, now) = (self.new.id(), self.new.name().clone(), self.state.now);
        for notice in self.notices {
            match notice {
                Notice::Challenged => {
                    let challenger = self.of.batch.lease.as_ref().and_then(|(lease, _)| {
                        let row = self.of.model.rows.get(&lease.key)?;
                        row.content.domain().filter(|domain| *domain.name() == name)
                    });
                    let recently = self.recently();
                    let is_real = challenger
                        .is_some_and(|domain| self.state.truth.was_proved(domain, recently));
                    if !is_real {
                        let message = format!("{name} is challenged by who has proved nothing");
                        self.broken(Invariant::HolderUndisturbed, message);
                    }
                    self.state.truth.titles.doubted.insert(id, now);
                }
                Notice::Contested | Notice::CoolingOff { .. } => {
                    if !self.is_held_by_another() {
                        let message = format!("{name} is kept by nobody from who has proved it");
                        self.broken(Invariant::HolderUndisturbed, message);
                    }
                    if *notice != Notice::Contested {
                        self.state.truth.titles.cooling.insert(id, now);
                    }
                }
                Notice::OwnershipReset { cause, .. } => self.reset(cause),
                Notice::TransferOffered { .. } => {
                    let Some(offer) = self.new.offer() else { continue };
                    if !self.state.truth.titles.consents.contains(&(id, offer.to)) {
                        let message = format!("{name} is offered by nobody");
                        self.broken(Invariant::Consent, message);
                    }
                    let standing =
                        Standing { to: offer.to, digest: offer.digest.clone(), since: now };
                    self.state.truth.titles.standing.insert(id, standing);
                }
                Notice::TransferCanceled => {
                    self.state.truth.titles.standing.remove(&id);
                    if !self.state.truth.titles.regrets.contains(&id) {
                        let message = format!("nobody has taken the offer of {name} back");
                        self.broken(Invariant::Consent, message);
                    }
                }
                _ => {}
            }
        }
    }

    /// Returns whether somebody else holds the name, or did when it was decided on, or who does
    /// cannot be read.
    fn is_held_by_another(&self) -> bool {
        let Some(lost) = self.state.truth.titles.lost.get(self.new.name()) else { return false };
        let is_recent = lost.is_none_or(|at| at >= self.recently());
        is_recent || self.state.truth.titles.resting.contains_key(self.new.name())
    }

    fn reset(&mut self, cause: &ResetCause) {
        let name = self.new.name().clone();
        let retired = self.old.and_then(Domain::certificate).map(|served| served.id);
        self.state.truth.titles.retired.extend(retired);
        self.state.truth.titles.reset.insert(self.new.id());
        let reason = match cause {
            ResetCause::Contest | ResetCause::Transfer => self.of.winner(self.new).is_some(),
            ResetCause::Registration { .. } => {
                let tenant = self.new.tenant();
                self.state.truth.titles.reports.iter().any(|report| {
                    report.tenant == tenant && name.registrable() == Some(report.below.as_str())
                })
            }
        };
        if !reason {
            let message = format!("{name} begins anew, and nobody knows why");
            self.broken(Invariant::HolderUndisturbed, message);
        }
    }

    /// Checks that a code that proved the claim was one, and takes note of it.
    fn answered(&mut self) {
        let confirmed = |domain: &Domain| domain.mail.as_ref().and_then(|mail| mail.confirmed);
        let Some(old) = self.old else { return };
        let (Some(mail), Some((_, generation))) = (&self.new.mail, confirmed(self.new)) else {
            return;
        };
        if confirmed(old) == confirmed(self.new) {
            return;
        }
        let (id, tenant, name) = (self.new.id(), self.new.tenant(), self.new.name().clone());
        let titles = &self.state.truth.titles;
        // Of the round before: a batch that begins a round takes no answer.
        let wanted = old.mail.as_ref().map(|mail| mail.digest.clone()).unwrap_or_default();
        let given = titles
            .answers
            .iter()
            .any(|(who, what, code)| *who == tenant && *what == id && digest(code) == wanted);
        let got = titles
            .letters
            .iter()
            .any(|letter| letter.domain == id && digest(&letter.code) == wanted);
        if !given || !got {
            let message = format!("{name} is proved by a code that was mailed to nobody");
            self.broken(Invariant::CodeOnce, message);
        }
        if !self.state.truth.titles.used.insert((id, mail.digest.clone())) {
            let message = format!("{name} is proved by the same code once more");
            self.broken(Invariant::CodeOnce, message);
        }
        let now = self.state.now;
        self.state.truth.titles.confirmed.insert(id, (generation, now));
    }
}

/// Returns whether what is written of a sealed key leaves the key as it was.
pub(super) fn is_resealed(of: &Committed<'_>, key: &Key) -> bool {
    use super::model::Content;
    let sealed = |row: Option<&super::model::Row>| match row.map(|row| &row.content) {
        Some(Content::Key(key)) => of.vault.public_key(&key.sealed),
        _ => None,
    };
    let before = of.before.iter().find(|(other, _)| other == key);
    let old = sealed(before.and_then(|(_, row)| row.as_ref()));
    old.is_some() && old == sealed(of.model.rows.get(key))
}
