//! Whom a tenant wants to be written to.

use serde::{Deserialize, Serialize};

use super::Locale;
use crate::name::DomainName;

/// Whom a tenant wants to be written to, and in which language.
///
/// ```
/// use nameplate::{challenge::email::{Locale, MailWish}, domain::NewDomain};
///
/// let wish = MailWish::new()
///     .with_scope("shop.example.com".parse()?)
///     .with_addresses(["hostmaster@shop.example.com"])
///     .with_locale(Locale::of("de-AT"));
/// # Ok::<(), nameplate::name::DomainNameError>(())
/// ```
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct MailWish {
    /// The registrable domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<DomainName>,
    /// All.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) addresses: Vec<String>,
    #[serde(default)]
    pub(crate) locale: Locale,
}

impl MailWish {
    /// Most addresses that are kept of a choice: there are never more contacts than that.
    const MAX: usize = 10;

    /// Wants everybody to be written to whom there is at the registrable domain, in English.
    pub fn new() -> Self {
        Self::default()
    }

    /// Chooses the name whose mailboxes are meant: one of [`scopes`](super::scopes).
    #[must_use]
    pub fn with_scope(mut self, scope: DomainName) -> Self {
        self.scope = Some(scope);
        self
    }

    /// Chooses some of the addresses. What is not among the contacts is ignored when it comes to
    /// writing, and if nothing is left of the choice, everybody is written to.
    #[must_use]
    pub fn with_addresses(
        mut self,
        addresses: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        // Only what may be an address can be one of the contacts.
        self.addresses = addresses
            .into_iter()
            .map(Into::into)
            .filter(|address: &String| address.parse::<super::MailAddress>().is_ok())
            .take(Self::MAX)
            .collect();
        self
    }

    /// Chooses the language.
    #[must_use]
    pub const fn with_locale(mut self, locale: Locale) -> Self {
        self.locale = locale;
        self
    }
}
