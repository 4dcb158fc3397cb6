//! What a tenant's title to a name rests on beside the proof, and who else has one.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Delegation, Domain, Event, Status};
use crate::{
    challenge::Challenge, clock::Timestamp, error::Result, evidence::Evidence, id::TenantId,
    secret::constant_time_eq,
};

/// What is written down of a title beside its proof. Nothing of it, for nearly all.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Title {
    /// Somebody else holds the name that this tenant has proved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) contest: Option<Contest>,
    /// When the tenant was last told that somebody else has proved the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) challenged_at: Option<Timestamp>,
    /// To whom the tenant offers the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) offer: Option<Offer>,
    /// When the name came over from another tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) acquired_at: Option<Timestamp>,
    /// Until when the name rests: it was held when it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rests_until: Option<Timestamp>,
    /// Whether another claim has taken up what is published for this one, which may have asked for
    /// something else since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) taken_up: bool,
    /// Whether what was made for an earlier generation is still to be given up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) gives_up: bool,
}

/// That a tenant has proved a name which somebody else holds.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Contest {
    /// Since when.
    pub since: Timestamp,
    /// Until when the holder, whose proof is gone, has time to bring it back. `None` while the
    /// holder's proof is there, or nobody has looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cool_off_until: Option<Timestamp>,
    /// Tells the holder from another one, and says nothing of either.
    pub(crate) against: String,
}

/// That a tenant wants to hand a name over to another one.
///
/// The code that takes it is not in here: only its digest is.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Offer {
    /// To whom.
    pub to: TenantId,
    /// Until when it can be accepted.
    pub expires_at: Timestamp,
    pub(crate) digest: String,
}

impl Offer {
    pub(crate) fn new(to: TenantId, expires_at: Timestamp, code: &str) -> Self {
        Self { to, expires_at, digest: digest(code) }
    }

    /// Returns whether `tenant` may take the name with `code` now.
    pub(crate) fn is_for(&self, tenant: TenantId, code: &str, now: Timestamp) -> bool {
        let fits = constant_time_eq(digest(code).as_bytes(), self.digest.as_bytes());
        fits && self.to == tenant && now < self.expires_at
    }
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer")
            .field("to", &self.to)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Why a claim starts anew.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ResetCause {
    /// Somebody else has proved the name, and the proof of this claim was gone.
    Contest,
    /// The registration of the domain changed: it may have another owner.
    Registration {
        /// What the platform knows of it.
        evidence: String,
    },
    /// The tenant handed the name over.
    Transfer,
}

/// What a claim starts anew with: the challenge of the next generation, and where challenges of the
/// authority are handed over to. Nothing of it was there before.
#[derive(Clone, Debug)]
pub(crate) struct Fresh {
    pub(crate) challenge: Challenge,
    pub(crate) delegation: Option<Delegation>,
}

impl Domain {
    /// Returns the contest that is under way: the tenant has proved the name, and somebody else
    /// holds it.
    pub const fn contest(&self) -> Option<&Contest> {
        self.title.contest.as_ref()
    }

    /// Returns to whom the tenant offers the name. Also one that has expired.
    pub const fn offer(&self) -> Option<&Offer> {
        self.title.offer.as_ref()
    }

    /// Returns until when the name rests after it was removed: who held it can take it up again, and
    /// nobody's wildcard serves it in between.
    pub const fn rests_until(&self) -> Option<Timestamp> {
        self.title.rests_until
    }

    /// Returns whether what was made before ownership was reset is still to be given up. None of it is
    /// served.
    pub const fn gives_up(&self) -> bool {
        self.title.gives_up
    }

    /// Returns whether the name is held by the word of who handed it over, and nothing else yet.
    pub(crate) const fn is_on_trust(&self) -> bool {
        self.grace_until.is_some() && self.title.acquired_at.is_some()
    }

    /// Returns whether this claim keeps the name from the wildcards and records of others: it is
    /// held, or rests.
    pub(crate) fn bars(&self, now: Timestamp) -> bool {
        self.status.holds() || self.title.rests_until.is_some_and(|until| now < until)
    }

    /// Returns what tells this claim, in its present generation, from others, without saying which
    /// it is.
    pub(crate) fn mark(&self) -> String {
        let digest = Sha256::new()
            .chain_update("holder ")
            .chain_update(self.id.as_bytes())
            .chain_update(self.challenge.generation.to_be_bytes())
            .finalize();
        let mut mark = hex::encode(digest);
        mark.truncate(32);
        mark
    }

    /// Ends a contest, if there is one. Says whether there was.
    pub(crate) fn end_contest(&mut self) -> bool {
        self.contested_at = None;
        self.title.contest.take().is_some()
    }

    /// Starts the claim anew: whatever was proved and made before is of an earlier generation.
    ///
    /// The certificate, the order and the records are left for whoever works on it next to give up;
    /// nothing of them is served meanwhile, since the name is not held.
    ///
    /// # Errors
    ///
    /// `Precondition` if the status does not allow it; nothing changes.
    pub(crate) fn reset(&mut self, fresh: Fresh, now: Timestamp) -> Result<()> {
        self.apply(Event::OwnershipReset)?;
        let Fresh { challenge, delegation } = fresh;
        self.supersede(challenge, now);
        self.delegation = delegation;
        self.routing = Evidence::default();
        self.delegated = Evidence::default();
        self.title = Title { gives_up: true, ..Title::default() };
        self.grace_until = None;
        self.failed_orders = 0;
        self.next_order_at = None;
        self.last_failure = None;
        Ok(())
    }

    /// Lets a claim that is being removed, and held the name, rest until then.
    pub(crate) fn rest_until(&mut self, from: Status, until: Timestamp, now: Timestamp) {
        if from.holds() && until > now {
            self.title.rests_until = Some(until);
        }
        self.title.offer = None;
    }
}

fn digest(code: &str) -> String {
    hex::encode(Sha256::digest(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_takes_its_own_code_from_its_own_tenant_in_time() {
        let (to, other) = (TenantId::from_bytes([1; 16]), TenantId::from_bytes([2; 16]));
        let at = |second| Timestamp::from_timestamp(second, 0).unwrap();
        let offer = Offer::new(to, at(100), "code");
        assert!(offer.is_for(to, "code", at(99)));
        assert!(!offer.is_for(to, "code", at(100)));
        assert!(!offer.is_for(other, "code", at(99)));
        assert!(!offer.is_for(to, "kode", at(99)));
        assert!(!offer.is_for(to, "", at(99)));
        assert!(!format!("{offer:?}").contains(&digest("code")));
    }
}
