//! Challenges in the shapes of published APIs, for a platform that offers the same API.
//!
//! Data only: what a request says and what a reply shows. Serving it is the platform's, and so are
//! the numbers by which its customers know their domains.
//!
//! Where the published API and this crate differ, this crate wins: labels start with an underscore
//! and name the platform, unless it asks for others (see [`LabelPolicy`](super::LabelPolicy)); a TXT
//! record is asked for at one place; and no contact of a registry is ever mailed to.
//!
//! The flow, as handlers of a platform that knows its tenant by the session:
//!
//! ```
//! use nameplate::{
//!     Domain, Onboarding,
//!     challenge::{
//!         compat::{ChallengeView, CompatRequest, EmailView},
//!         email::{Contacts, Locale, MailWish},
//!     },
//!     clock::Timestamp,
//!     domain::NewDomain,
//!     id::{DomainId, TenantId},
//! };
//! use serde_json::{Value, json};
//!
//! type Reply = Result<(u16, Value), Box<dyn std::error::Error>>;
//!
//! /// `POST /domain`: all that is wrong at once, or the domain with what is to be published.
//! async fn create(nameplate: &Onboarding, tenant: &TenantId, body: &str, now: Timestamp) -> Reply {
//!     let request: CompatRequest = serde_json::from_str(body)?;
//!     let order = match request.validate() {
//!         Ok(order) => order,
//!         Err(problems) => return Ok((422, json!({ "errors": problems }))),
//!     };
//!     let locale = order.locale.as_deref().map(Locale::of).unwrap_or_default();
//!     let wish = MailWish::new().with_addresses(order.emails).with_locale(locale);
//!     let wanted = NewDomain::from(order.name).with_method(order.method).with_mail(wish);
//!     let domain = nameplate.add(tenant, wanted).await?;
//!     // The number by which the customer knows it is the platform's to keep.
//!     let mut reply = serde_json::to_value(view(&domain, now)?)?;
//!     reply["id"] = json!(domain.id());
//!     Ok((201, reply))
//! }
//!
//! /// What is to be published, and whether it has been seen.
//! fn view(domain: &Domain, now: Timestamp) -> nameplate::Result<ChallengeView> {
//!     let contacts = Contacts::new(domain.name(), None)?;
//!     let base = contacts.constructed().iter().map(ToString::to_string).collect();
//!     let emails = EmailView::new(contacts.scope().clone(), base, Vec::new());
//!     Ok(ChallengeView::new(domain.challenge(), domain.challenge_state(now), emails))
//! }
//!
//! /// `PUT /domain/{id}/dcv/validate-token`: a look at once, and what came of it.
//! async fn validate(nameplate: &Onboarding, tenant: &TenantId, id: DomainId, now: Timestamp) -> Reply {
//!     let domain = nameplate.check(tenant, id).await?;
//!     Ok(match view(&domain, now)? {
//!         ChallengeView::DcvToken(token) => (200, json!({ "dcv_token": token.looked_at() })),
//!         _ => (204, Value::Null),
//!     })
//! }
//!
//! /// `POST /domain/{id}/dcv/token`: another token, for one that expires.
//! async fn reissue(nameplate: &Onboarding, tenant: &TenantId, id: DomainId, now: Timestamp) -> Reply {
//!     let domain = nameplate.renew_token(tenant, id).await?;
//!     Ok(match view(&domain, now)? {
//!         ChallengeView::DcvToken(token) => (201, json!({ "dcv_token": token.reissued() })),
//!         _ => (204, Value::Null),
//!     })
//! }
//! ```

mod request;

use serde::{Deserialize, Serialize, Serializer};

use super::{Challenge, Method, State};
use crate::{
    clock::Timestamp,
    name::{DnsName, DomainName},
};

pub use request::{
    CompatCode, CompatError, CompatErrors, CompatOrder, CompatOrganization, CompatRequest,
    CompatValidation, ValidationType,
};

impl Method {
    /// Returns what the method is called in the published API.
    pub const fn compat_name(self) -> &'static str {
        match self {
            Self::DnsTxt => "dns-txt-token",
            Self::DnsCname => "dns-cname-token",
            Self::Http => "http-token",
            Self::Email => "email",
        }
    }

    /// Returns the method that the published API calls `name`.
    pub fn from_compat_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.compat_name() == name)
    }
}

/// What a tenant is told of a challenge.
///
/// Serialized, it is the one member that the reply has for the method; flatten it into the rest.
///
/// ```
/// use nameplate::challenge::compat::{ChallengeView, TokenStatus, TokenView};
///
/// # let at = chrono::DateTime::from_timestamp(1_800_000_000, 0).ok_or("time")?;
/// let view = ChallengeView::DcvToken(TokenView::new("qr2p5wbuiz2zd3asyvfy32q54v1mqy5i", at));
/// let json = serde_json::to_value(&view)?;
/// assert_eq!(json["dcv_token"]["status"], "pending");
/// assert_eq!(json["dcv_token"]["expiration_date"], "2027-01-15T08:00:00+00:00");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChallengeView {
    /// Something to publish.
    DcvToken(TokenView),
    /// Who is mailed to.
    ValidationEmails(EmailView),
}

impl ChallengeView {
    /// Returns what is to be shown of a challenge in `state`.
    ///
    /// `emails` is who is mailed to about the name; it is shown for [`Method::Email`] only.
    pub fn new(challenge: &Challenge, state: State, emails: EmailView) -> Self {
        if challenge.method == Method::Email {
            return Self::ValidationEmails(emails);
        }
        let is_cname = challenge.method == Method::DnsCname;
        Self::DcvToken(TokenView {
            token: challenge.token.clone(),
            status: Some(TokenStatus::of(state)),
            expiration_date: Some(challenge.expires_at),
            verification_value: is_cname.then(|| challenge.value()),
            http_token_url: challenge.page().map(|page| page.url()),
        })
    }
}

/// Whether a token has proved something.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TokenStatus {
    /// The tenant holds the name by it.
    Active,
    /// It has not, or not any more.
    Pending,
}

impl TokenStatus {
    /// Returns the status of a token whose challenge is in `state`.
    pub const fn of(state: State) -> Self {
        match state {
            State::Accepted => Self::Active,
            State::Issued
            | State::Published
            | State::Observed
            | State::Expired
            | State::Rejected
            | State::Superseded => Self::Pending,
        }
    }
}

/// A token, and what is to be done with it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TokenView {
    /// What is published: the value of a TXT record, the first label of a CNAME record behind its
    /// underscore, or what a page says. Its length is no promise.
    pub token: String,
    /// Whether it has proved something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<TokenStatus>,
    /// Until when publishing it proves anything.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "with_offset")]
    pub expiration_date: Option<Timestamp>,
    /// Where the CNAME record leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification_value: Option<String>,
    /// Where the page is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_token_url: Option<String>,
}

impl TokenView {
    /// Creates what is told of a token that has not proved anything.
    pub fn new(token: impl Into<String>, expires_at: Timestamp) -> Self {
        Self {
            token: token.into(),
            status: Some(TokenStatus::Pending),
            expiration_date: Some(expires_at),
            verification_value: None,
            http_token_url: None,
        }
    }

    /// Returns the reply to who asked for a new token: without its status.
    #[must_use]
    pub fn reissued(mut self) -> Self {
        self.status = None;
        self
    }

    /// Returns the reply to who asked for a look: the token and its status.
    #[must_use]
    pub fn looked_at(self) -> Self {
        let Self { token, status, .. } = self;
        Self {
            token,
            status,
            expiration_date: None,
            verification_value: None,
            http_token_url: None,
        }
    }
}

/// Writes an instant as published: with an offset, and not with `Z`.
fn with_offset<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => {
            serializer.serialize_str(&at.to_rfc3339_opts(chrono::SecondsFormat::Secs, false))
        }
        None => serializer.serialize_none(),
    }
}

/// Who is mailed to about a name.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EmailView {
    /// The name that it is about.
    pub name_scope: DomainName,
    /// The addresses that are made of the name.
    pub base_emails: Vec<String>,
    /// Always empty: what registries publish is stale too often, and may be somebody else's.
    pub whois_emails: Vec<String>,
    /// The addresses that the zone names for this purpose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_txt_emails: Vec<String>,
}

impl EmailView {
    /// Creates a view of addresses: those made of the name, and those that its zone names.
    pub const fn new(name_scope: DomainName, base: Vec<String>, published: Vec<String>) -> Self {
        Self { name_scope, base_emails: base, whois_emails: Vec::new(), dns_txt_emails: published }
    }
}

/// What a tenant is told of a TXT record, by an API that shows the host relative to the domain.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HostView {
    /// The domain.
    pub name: DomainName,
    /// Whether the tenant holds it.
    pub status: HostStatus,
    /// The name of the record, relative to the domain.
    pub hostname: String,
    /// Its value.
    pub token: String,
}

/// Whether a tenant holds a domain.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HostStatus {
    /// No.
    Pending,
    /// Yes.
    Verified,
}

impl HostView {
    /// Returns what is to be shown of a challenge in `state` for `name`; `None` unless it is one of
    /// [`Method::DnsTxt`].
    pub fn new(name: &DomainName, challenge: &Challenge, state: State) -> Option<Self> {
        (challenge.method == Method::DnsTxt).then_some(())?;
        let status = match TokenStatus::of(state) {
            TokenStatus::Active => HostStatus::Verified,
            TokenStatus::Pending => HostStatus::Pending,
        };
        let hostname = challenge.owner.relative_to(&DnsName::from(name.base()))?;
        Some(Self { name: name.clone(), status, hostname, token: challenge.token.clone() })
    }
}

#[cfg(test)]
mod tests;
