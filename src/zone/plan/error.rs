//! Why there is no plan.

use crate::{
    name::{DnsName, DnsNameError},
    record::{RecordSetError, RecordType},
    zone::ChangeError,
};

/// Why there is no plan.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(transparent)]
pub struct PlanError(#[from] Problem);

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Problem {
    #[error("{} is planned for, and {} is wanted", .0.0, .0.1)]
    Origins(Box<(DnsName, DnsName)>),
    #[error(
        "{changes} of {managed} sets would be {what} ({:.1} %), and at most {max_share} % may be; \
         `ChangePolicy::with_max_share` or `without_guard` allows more",
        percent(*changes, *managed)
    )]
    Share { what: &'static str, changes: usize, managed: usize, max_share: u8 },
    #[error("{} {} cannot be marked, since no record of this zone may be below it", .0.0, .0.1)]
    Unmarkable(Box<(DnsName, RecordType)>),
    #[error("{} cannot be marked: {}", .0.0, .0.1)]
    MarkerName(Box<(DnsName, DnsNameError)>),
    #[error("{0} is for markers, and the plan adds those")]
    Reserved(Box<DnsName>),
    #[error("{} {}: {} (a bug in nameplate)", .0.0, .0.1, .0.2)]
    Set(Box<(DnsName, RecordType, RecordSetError)>),
    #[error("{0} (a bug in nameplate)")]
    Change(ChangeError),
}

/// Returns a share for people: precise enough for any number of sets.
#[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole as f64
}

impl PlanError {
    /// Returns the name of what is wrong, which does not change.
    pub fn as_str(&self) -> &'static str {
        match &self.0 {
            Problem::Origins(_) => "different_zones",
            Problem::Share { .. } => "share_exceeded",
            Problem::Unmarkable(_) => "not_markable",
            Problem::MarkerName(_) => "marker_name_too_long",
            Problem::Reserved(_) => "marker_name_reserved",
            Problem::Set(_) | Problem::Change(_) => "internal",
        }
    }

    /// Returns whether the plan would change a larger share of our sets than the policy allows.
    ///
    /// Another policy plans it: see [`ChangePolicy::with_max_share`](super::ChangePolicy::with_max_share).
    pub fn is_share_exceeded(&self) -> bool {
        matches!(self.0, Problem::Share { .. })
    }

    /// Returns the owner that the problem is about.
    pub fn name(&self) -> Option<&DnsName> {
        match &self.0 {
            Problem::Reserved(name) => Some(name),
            Problem::Unmarkable(set) => Some(&set.0),
            Problem::MarkerName(name) => Some(&name.0),
            Problem::Set(set) => Some(&set.0),
            Problem::Origins(_) | Problem::Share { .. } | Problem::Change(_) => None,
        }
    }
}
