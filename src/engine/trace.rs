//! What a decision was made on, so that it can be made again.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    decide::{Settings, decide},
    root::{Decision, DomainRoot, EffectKind, Fact, Moment, Root},
};
use crate::{clock::Timestamp, domain::Status, seal::Sealed};

/// What a decision about a domain was made on, and what it said in short.
///
/// Kept in the log of the domain if [`Policy::traces`](super::Policy::traces) says so, for decisions
/// that changed more than when to look again. Sealed keys are left out: no decision depends on them.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Trace {
    /// The release that decided.
    pub release: String,
    /// By which settings: the SHA-256 digest of their description.
    pub settings: String,
    /// When.
    pub at: Timestamp,
    /// The chance that there was, 64 hexadecimal characters.
    #[serde(with = "hex::serde")]
    pub seed: [u8; 32],
    /// The domain before, with its order and the effect that was under way.
    pub before: DomainRoot,
    /// What was found.
    pub facts: Vec<Fact>,
    /// The status after.
    pub status: Status,
    /// What was to be done then, by its stable name.
    pub effect: Option<String>,
    /// When the next decision was due.
    pub due: Option<Timestamp>,
    /// The SHA-256 digest of the whole decision.
    pub decision: String,
}

/// Why a decision was not made again.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// Another release decided.
    #[error("release {0} decided, which may have decided otherwise")]
    Release(String),
    /// The settings are others than those of the decision.
    #[error("the settings are others than those that were decided by")]
    Settings,
    /// The same facts give another decision: somebody changed the log, or there is a bug in nameplate.
    #[error("the same facts give another decision")]
    Decision,
}

impl Trace {
    /// Takes note of a decision; `None` if it is not to be kept.
    pub(super) fn of(
        root: &Root,
        facts: &[Fact],
        settings: &Settings,
        moment: Moment,
        decision: &Decision,
    ) -> Option<Self> {
        let (Root::Domain(before), Root::Domain(after)) = (root, &decision.root) else {
            return None;
        };
        let is_news = before.intent.is_some()
            || decision.effect.is_some()
            || !decision.satellites.is_empty()
            || !decision.notices.is_empty();
        if !settings.policy.traces || !is_news {
            return None;
        }
        Some(Self {
            release: RELEASE.to_owned(),
            settings: digest(settings),
            at: moment.now,
            seed: moment.seed,
            before: (**before).clone(),
            facts: facts.iter().map(without_secrets).collect(),
            status: after.domain.status(),
            effect: decision.effect.as_ref().map(|it| it.effect.kind().as_str().to_owned()),
            due: decision.due,
            decision: digest(decision),
        })
    }

    /// Returns the kind of the effect that was decided on.
    pub fn effect_kind(&self) -> Option<EffectKind> {
        let name = self.effect.as_deref()?;
        super::root::Effect::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = self.before.domain.status();
        write!(f, "decided facts={} from={before} to={}", self.facts.len(), self.status)?;
        if let Some(effect) = &self.effect {
            write!(f, " effect={effect}")?;
        }
        match self.due {
            Some(due) if due > self.at => write!(f, " again_at={due:?}"),
            _ => Ok(()),
        }
    }
}

/// The release that is running.
const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// Decides again on what was decided on, and compares.
///
/// # Errors
///
/// Why it is not the same decision, or cannot be known to be.
pub fn replay(trace: &Trace, settings: &Settings) -> Result<(), Mismatch> {
    if trace.release != RELEASE {
        return Err(Mismatch::Release(trace.release.clone()));
    }
    if trace.settings != digest(settings) {
        return Err(Mismatch::Settings);
    }
    let root = Root::Domain(Box::new(trace.before.clone()));
    let decision = decide(&root, &trace.facts, settings, Moment::new(trace.at, trace.seed));
    if digest(&decision) == trace.decision { Ok(()) } else { Err(Mismatch::Decision) }
}

/// Returns the digest of a description, in which sealed secrets all look alike.
fn digest(what: &impl fmt::Debug) -> String {
    hex::encode(Sha256::digest(format!("{what:?}")))
}

fn without_secrets(fact: &Fact) -> Fact {
    let mut fact = fact.clone();
    if let Fact::OrderKey { sealed, .. }
    | Fact::MailCode { sealed, .. }
    | Fact::AccountKey(sealed) = &mut fact
    {
        *sealed = Sealed::new("left out".to_owned());
    }
    fact
}
