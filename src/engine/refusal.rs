//! What was refused, to whom, and by which rule.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{backends::Backends, telemetry};
use crate::{
    error::{Error, ErrorKind},
    id::{DomainId, TenantId},
    name::{ClaimRule, DomainName},
    store::Item,
};

/// The rules by which claims are refused.
///
/// An error that comes of one has its name as [`code`](crate::error::Error::code).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rule {
    /// A name that came over not long ago is not handed on yet.
    CoolDown,
    /// It came too late: a proof, or the code of an offer.
    Expired,
    /// What was asked for is another tenant's.
    ForeignId,
    /// Somebody else holds the name. Said to who has proved it, and to nobody else.
    HeldByOther,
    /// There is no such offer to this tenant.
    NoOffer,
    /// A company gives names below it to its customers.
    PrivateSuffix,
    /// The published API that the platform follows does not take it.
    Profile,
    /// A registry gives names below it to everybody.
    PublicSuffix,
    /// The platform keeps it for itself.
    Reserved,
    /// What is held, or offered, does not cover it.
    ScopeTooNarrow,
    /// It means nothing in public DNS.
    SpecialUse,
    /// It has too many labels in front of the registrable domain.
    TooDeep,
    /// The tenant adds names too quickly.
    TooFast,
    /// The tenant has as many names as it may have.
    TooMany,
    /// The tenant has as many names below one registrable domain as it may have.
    TooManyBelow,
    /// It has more labels than a certificate can be had for.
    TooManyLabels,
    /// The tenant has as many names as it may have that are not proved.
    TooManyPending,
    /// It covers names of many owners.
    WildcardTooBroad,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 18] = [
        Self::CoolDown,
        Self::Expired,
        Self::ForeignId,
        Self::HeldByOther,
        Self::NoOffer,
        Self::PrivateSuffix,
        Self::Profile,
        Self::PublicSuffix,
        Self::Reserved,
        Self::ScopeTooNarrow,
        Self::SpecialUse,
        Self::TooDeep,
        Self::TooFast,
        Self::TooMany,
        Self::TooManyBelow,
        Self::TooManyLabels,
        Self::TooManyPending,
        Self::WildcardTooBroad,
    ];

    /// Returns the stable name, for APIs and metrics labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CoolDown => "cool_down",
            Self::Expired => "expired",
            Self::ForeignId => "foreign_id",
            Self::HeldByOther => "held_by_other",
            Self::NoOffer => "no_offer",
            Self::PrivateSuffix => "private_suffix",
            Self::Profile => "profile",
            Self::PublicSuffix => "public_suffix",
            Self::Reserved => "reserved",
            Self::ScopeTooNarrow => "scope_too_narrow",
            Self::SpecialUse => "special_use",
            Self::TooDeep => "too_deep",
            Self::TooFast => "too_fast",
            Self::TooMany => "too_many",
            Self::TooManyBelow => "too_many_below",
            Self::TooManyLabels => "too_many_labels",
            Self::TooManyPending => "too_many_pending",
            Self::WildcardTooBroad => "wildcard_too_broad",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<ClaimRule> for Rule {
    fn from(rule: ClaimRule) -> Self {
        match rule {
            ClaimRule::PrivateSuffix => Self::PrivateSuffix,
            ClaimRule::Profile => Self::Profile,
            ClaimRule::PublicSuffix => Self::PublicSuffix,
            ClaimRule::Reserved => Self::Reserved,
            ClaimRule::SpecialUse => Self::SpecialUse,
            ClaimRule::TooDeep => Self::TooDeep,
            ClaimRule::TooManyLabels => Self::TooManyLabels,
            ClaimRule::WildcardTooBroad => Self::WildcardTooBroad,
        }
    }
}

/// That something was refused, to whom, and by which rule: an entry of an audit log.
///
/// For the platform's own people. The tenant is told less: another tenant's thing is not there.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Refusal {
    /// By which rule.
    pub rule: Rule,
    /// What was to be done, as in the error.
    pub operation: &'static str,
    /// Who wanted it.
    pub tenant: TenantId,
    /// The name that it was about, if one was given.
    pub name: Option<DomainName>,
    /// The domain that it was about, if one was given.
    pub domain: Option<DomainId>,
}

impl Refusal {
    pub(super) const fn new(rule: Rule, operation: &'static str, tenant: TenantId) -> Self {
        Self { rule, operation, tenant, name: None, domain: None }
    }

    pub(super) fn of(mut self, name: &DomainName) -> Self {
        self.name = Some(name.clone());
        self
    }

    pub(super) const fn about(mut self, domain: DomainId) -> Self {
        self.domain = Some(domain);
        self
    }

    /// Returns the error of a command that was refused, which says by which rule.
    pub(super) fn error(&self, kind: ErrorKind, message: impl Into<String>) -> Error {
        Error::new(kind, "onboarding", self.operation, message).with_code(self.rule.as_str())
    }
}

/// Somebody who keeps a log of what was refused.
///
/// Refusals that concern a domain of the tenant's own are notices of that domain as well; those that
/// concern none, or another tenant's, are told here alone.
pub trait Auditor: fmt::Debug + Send + Sync + 'static {
    /// Takes note of a refusal. Called in the task of whoever was refused: it must not block.
    fn refused(&self, refusal: &Refusal);
}

impl<A: Auditor + ?Sized> Auditor for Arc<A> {
    fn refused(&self, refusal: &Refusal) {
        (**self).refused(refusal);
    }
}

impl Backends {
    /// Writes down that something was refused.
    pub(super) fn refuse(&self, refusal: &Refusal) {
        telemetry::refused(refusal);
        if let Some(auditor) = &self.auditor {
            auditor.refused(refusal);
        }
    }

    /// Returns an item if it is the tenant's. Who asks for another tenant's is told that there is
    /// none, and that is written down.
    ///
    /// Whose it is says the header as well: what cannot be read is nobody else's business.
    pub(super) fn own(
        &self,
        found: Option<Item>,
        tenant: TenantId,
        operation: &'static str,
        id: DomainId,
    ) -> Option<Item> {
        let item = found?;
        if item.header.tenant == Some(tenant) {
            return Some(item);
        }
        self.refuse(&Refusal::new(Rule::ForeignId, operation, tenant).about(id));
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_rule_has_a_name_of_its_own_and_a_rule_of_names_keeps_its_name() {
        let names: BTreeSet<_> = Rule::ALL.map(Rule::as_str).into();
        assert_eq!(names.len(), Rule::ALL.len());
        for rule in Rule::ALL {
            assert_eq!(serde_json::to_value(rule).unwrap(), rule.as_str());
        }
        for rule in ClaimRule::ALL {
            assert_eq!(Rule::from(rule).as_str(), rule.as_str());
        }
    }
}
