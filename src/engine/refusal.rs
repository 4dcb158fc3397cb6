//! What was refused, to whom, and by which rule.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{backends::Backends, notice::Notice, telemetry};
use crate::{
    challenge::MethodError,
    domain::Domain,
    error::{Error, ErrorKind},
    id::{DomainId, TenantId},
    name::{ClaimRule, DomainName},
    store::Item,
};

/// The rules by which claims are refused.
///
/// An error that comes of one has its name as [`code`](crate::error::Error::code), unless that would
/// tell who has a name.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rule {
    /// The tenant has a claim on the name.
    AlreadyThere,
    /// A name that came over not long ago is not handed on yet.
    CoolDown,
    /// It came too late: a proof, or the code of an offer.
    Expired,
    /// What was asked for is another tenant's.
    ForeignId,
    /// Somebody else holds the name. Said to who has proved it, and to nobody else.
    HeldByOther,
    /// There is no such offer.
    NoOffer,
    /// Not while things are as they are: the status of the name, its proof, or a pause.
    NotNow,
    /// A company gives names below it to its customers.
    PrivateSuffix,
    /// The published API that the platform follows does not take it.
    Profile,
    /// A registry gives names below it to everybody.
    PublicSuffix,
    /// The platform keeps it for itself.
    Reserved,
    /// What is held, offered, or asked for as a proof, does not cover it.
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
    /// It was tried, or asked for, not long ago.
    TooSoon,
    /// It cannot be proved, validated or pointed here as asked for.
    Unfit,
    /// It covers names of many owners.
    WildcardTooBroad,
    /// The code is not the one that was mailed last, or too old.
    WrongCode,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 23] = [
        Self::AlreadyThere,
        Self::CoolDown,
        Self::Expired,
        Self::ForeignId,
        Self::HeldByOther,
        Self::NoOffer,
        Self::NotNow,
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
        Self::TooSoon,
        Self::Unfit,
        Self::WildcardTooBroad,
        Self::WrongCode,
    ];

    /// Returns the stable name, for APIs and metrics labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AlreadyThere => "already_there",
            Self::CoolDown => "cool_down",
            Self::Expired => "expired",
            Self::ForeignId => "foreign_id",
            Self::HeldByOther => "held_by_other",
            Self::NoOffer => "no_offer",
            Self::NotNow => "not_now",
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
            Self::TooSoon => "too_soon",
            Self::Unfit => "unfit",
            Self::WildcardTooBroad => "wildcard_too_broad",
            Self::WrongCode => "wrong_code",
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

impl From<&MethodError> for Rule {
    fn from(error: &MethodError) -> Self {
        match error {
            // What would be proved so is less than what is claimed.
            MethodError::Label | MethodError::Wildcard => Self::ScopeTooNarrow,
            _ => Self::Unfit,
        }
    }
}

/// That something was refused, to whom, and by which rule: an entry of an audit log.
///
/// For the platform's own people. The tenant is told less: another tenant's thing is not there.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
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
    /// Describes a refusal, as the engine does for an [`Auditor`].
    pub const fn new(rule: Rule, operation: &'static str, tenant: TenantId) -> Self {
        Self { rule, operation, tenant, name: None, domain: None }
    }

    /// Says which name it was about.
    #[must_use]
    pub fn with_name(mut self, name: DomainName) -> Self {
        self.name = Some(name);
        self
    }

    /// Says which domain it was about.
    #[must_use]
    pub const fn with_domain(mut self, domain: DomainId) -> Self {
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
/// What a worker refuses is a notice of the domain as well; what a command refuses is its error.
///
/// One of your own can be told of whatever it has to tell apart:
///
/// ```
/// use std::sync::{Mutex, PoisonError};
///
/// use nameplate::{
///     engine::{Auditor, Refusal, Rule},
///     id::TenantId,
/// };
///
/// #[derive(Debug, Default)]
/// struct Ledger(Mutex<Vec<String>>);
///
/// impl Auditor for Ledger {
///     fn refused(&self, refusal: &Refusal) {
///         let Refusal { tenant, operation, rule, .. } = refusal;
///         let line = format!("{tenant} may not {operation}: {rule}");
///         self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
///     }
/// }
///
/// let (ledger, tenant) = (Ledger::default(), TenantId::from_bytes([7; 16]));
/// let refusal = Refusal::new(Rule::TooMany, "add", tenant).with_name("shop.example.com".parse()?);
/// ledger.refused(&refusal);
/// assert_eq!(*ledger.0.lock().unwrap(), [format!("{tenant} may not add: too_many")]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Auditor: fmt::Debug + Send + Sync + 'static {
    /// Takes note of a refusal. Called in the task of the command or the worker: it must not block.
    fn refused(&self, refusal: &Refusal);
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        impl<A: Auditor + ?Sized> Auditor for $pointer {
            fn refused(&self, refusal: &Refusal) {
                (**self).refused(refusal);
            }
        }
    )*};
}

forward!(Arc<A>, Box<A>);

impl Backends {
    /// Writes down that something was refused.
    pub(super) fn refuse(&self, refusal: &Refusal) {
        telemetry::refused(refusal);
        if let Some(auditor) = &self.auditor {
            auditor.refused(refusal);
        }
    }

    /// Writes down that something was refused, and returns the error with the rule as code.
    pub(super) fn deny(&self, refusal: &Refusal, error: Error) -> Error {
        self.refuse(refusal);
        error.with_code(refusal.rule.as_str())
    }

    /// Writes down what a decision, which is stored, refuses to the tenant of a domain.
    pub(super) fn refuse_told(&self, domain: &Domain, notices: &[Notice]) {
        for notice in notices {
            let rule = match notice {
                Notice::Refused { rule } => *rule,
                // Who has proved what somebody else holds is refused, for now.
                Notice::Contested => Rule::HeldByOther,
                _ => continue,
            };
            let refusal =
                Refusal::new(rule, "prove", domain.tenant()).with_name(domain.name().clone());
            self.refuse(&refusal.with_domain(domain.id()));
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
        self.refuse(&Refusal::new(Rule::ForeignId, operation, tenant).with_domain(id));
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_refusal_is_a_line_of_a_log() {
        let refusal = Refusal::new(Rule::TooMany, "add", TenantId::from_bytes([0x11; 16]))
            .with_name("shop.example.com".parse().unwrap());
        let json = serde_json::json!({
            "rule": "too_many", "operation": "add", "tenant": "1".repeat(32),
            "name": "shop.example.com", "domain": null,
        });
        assert_eq!(serde_json::to_value(&refusal).unwrap(), json);
    }

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
