//! What has occurred in histories, so that nothing is believed to be tested that never happened.

use std::{collections::BTreeMap, fmt};

use super::fault::FaultKind;
use crate::{
    challenge::Method,
    domain::{Event, Status},
    engine::{Effect, EffectKind},
};

macro_rules! occurrences {
    ($($(#[doc = $doc:literal])+ $name:ident, $text:literal;)+) => {
        /// Something about subscribers, readers and workers that has to occur.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        pub enum Occurrence {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Occurrence {
            /// Every occurrence.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Returns the stable name.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

occurrences! {
    /// A subscriber took a notice for the first time.
    Delivered, "notice delivered";
    /// A subscriber was handed a notice again.
    Repeated, "notice repeated";
    /// A notice was given up.
    Buried, "dead letter";
    /// Dead letters were to be tried again.
    Revived, "dead letters revived";
    /// A domain was to be told from a place on again.
    Replayed, "notices replayed";
    /// A reader got a page of what happened to a domain.
    ReadDomain, "log of a domain read";
    /// A reader got a page of what happened to a tenant.
    ReadTenant, "log of a tenant read";
    /// A reader was gone before it had kept its place.
    ReaderGone, "reader gone before it kept its place";
    /// What every reader has had was dropped from the log of a tenant.
    Forgotten, "log of a tenant cut";
    /// Old entries of a log were dropped.
    Trimmed, "log cut";
    /// A worker was told to stop, and finished what was under way.
    Finished, "worker stopped, work finished";
    /// A worker was told to stop, and gave back what was under way.
    HandedOver, "worker stopped, work handed over";
}

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
    /// What subscribers, readers and workers did.
    pub occurrences: BTreeMap<Occurrence, u64>,
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

    pub(super) fn occurred(&mut self, what: Occurrence) {
        *self.occurrences.entry(what).or_default() += 1;
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
        for (what, count) in &other.occurrences {
            *self.occurrences.entry(*what).or_default() += count;
        }
    }

    /// Returns what never occurred although it could: cells, methods, effects, kinds of faults, and what
    /// subscribers, readers and workers do.
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
        for what in Occurrence::ALL {
            if !self.occurrences.contains_key(what) {
                missing.push(what.as_str().to_owned());
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
        for (what, count) in &self.occurrences {
            writeln!(f, "{count:>10}  {}", what.as_str())?;
        }
        Ok(())
    }
}
