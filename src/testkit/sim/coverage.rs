//! What has occurred in histories, so that nothing is believed to be tested that never happened.

use std::{collections::BTreeMap, fmt};

use super::fault::FaultKind;
use crate::{
    challenge::Method,
    domain::{Event, Status},
    engine::{Effect, EffectKind},
};

/// What has occurred in one history or in many, with how often.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Coverage {
    /// Histories.
    pub histories: u64,
    /// Accepted commits.
    pub commits: u64,
    /// Cells of the table of [`Status::on`].
    pub cells: BTreeMap<(Status, Event), u64>,
    /// Names that were held for a proof, by how it was shown.
    pub proofs: BTreeMap<Method, u64>,
    /// Effects that were decided on.
    pub effects: BTreeMap<EffectKind, u64>,
    /// Faults that struck.
    pub faults: BTreeMap<FaultKind, u64>,
}

/// Cells that no history can reach, each with the reason.
pub const UNREACHED: &[(Status, Event, &str)] = &[
    (Status::Pending, Event::OwnershipLost, "who holds nothing loses nothing"),
    (Status::Verified, Event::Failed, "an order makes it certificate_pending first"),
    (
        Status::Failed,
        Event::CertificateActivated,
        "nothing fails while a certificate is valid: only a clock that jumps back gets there",
    ),
];

impl Coverage {
    pub(super) fn cell(&mut self, status: Status, event: Event) {
        *self.cells.entry((status, event)).or_default() += 1;
    }

    pub(super) fn effect(&mut self, kind: EffectKind) {
        *self.effects.entry(kind).or_default() += 1;
    }

    pub(super) fn proof(&mut self, method: Method) {
        *self.proofs.entry(method).or_default() += 1;
    }

    pub(super) fn fault(&mut self, kind: FaultKind) {
        *self.faults.entry(kind).or_default() += 1;
    }

    /// Adds what occurred elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.histories += other.histories;
        self.commits += other.commits;
        for (cell, count) in &other.cells {
            *self.cells.entry(*cell).or_default() += count;
        }
        for (method, count) in &other.proofs {
            *self.proofs.entry(*method).or_default() += count;
        }
        for (effect, count) in &other.effects {
            *self.effects.entry(*effect).or_default() += count;
        }
        for (fault, count) in &other.faults {
            *self.faults.entry(*fault).or_default() += count;
        }
    }

    /// Returns what never occurred although it could: cells, methods, effects and kinds of faults.
    pub fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for status in Status::ALL {
            for event in Event::ALL {
                let is_exempt =
                    UNREACHED.iter().any(|(from, on, _)| *from == status && *on == event);
                let is_there = self.cells.contains_key(&(status, event));
                if status.on(event).is_some() && !is_exempt && !is_there {
                    missing.push(format!("{status} on {event}"));
                }
            }
        }
        for method in Method::ALL {
            if !self.proofs.contains_key(&method) {
                missing.push(format!("proof by {method}"));
            }
        }
        for effect in Effect::ALL {
            if !self.effects.contains_key(&effect) {
                missing.push(format!("effect {}", effect.as_str()));
            }
        }
        for fault in FaultKind::ALL {
            if !self.faults.contains_key(fault) {
                missing.push(format!("fault {fault}"));
            }
        }
        missing
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} histories, {} commits", self.histories, self.commits)?;
        for ((status, event), count) in &self.cells {
            writeln!(f, "{count:>10}  {status} on {event}")?;
        }
        for (method, count) in &self.proofs {
            writeln!(f, "{count:>10}  proof by {method}")?;
        }
        for (effect, count) in &self.effects {
            writeln!(f, "{count:>10}  effect {}", effect.as_str())?;
        }
        for (fault, count) in &self.faults {
            writeln!(f, "{count:>10}  fault {fault}")?;
        }
        Ok(())
    }
}
