//! Who the authority is, and as whom it is asked.

use std::sync::{Arc, Mutex};

use super::{
    ACCOUNTS, Acme, COMPONENT, Inner, ORDERS,
    jose::{self, ExternalAccount},
    recent::Recent,
    wire::Wire,
};
use crate::{
    clock::{Clock, SystemClock},
    error::{Error, ErrorKind, Result},
    name::DomainName,
    secret::Secret,
    transport::{CryptoProvider, HttpClient},
};

/// What an [`Acme`] is built from.
#[derive(Clone, Debug)]
#[must_use]
pub struct AcmeBuilder {
    directory_url: String,
    crypto: CryptoProvider,
    client: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    contacts: Vec<String>,
    external: Option<(String, Secret)>,
    agreed: bool,
}

impl AcmeBuilder {
    pub(super) fn new(
        directory_url: String,
        crypto: CryptoProvider,
        client: Arc<dyn HttpClient>,
    ) -> Self {
        Self {
            directory_url,
            crypto,
            client,
            clock: Arc::new(SystemClock),
            contacts: Vec::new(),
            external: None,
            agreed: false,
        }
    }

    /// Adds an e-mail address at which the authority may reach whoever runs the account.
    ///
    /// Only new accounts get it: one that exists keeps what it has (RFC 8555 section 7.3.1).
    pub fn with_contact(mut self, address: impl Into<String>) -> Self {
        self.contacts.push(address.into());
        self
    }

    /// Opens accounts as part of one that exists outside of ACME (RFC 8555 section 7.3.4).
    ///
    /// Takes the key identifier and the MAC key as authorities show them: the key in base64url.
    pub fn with_eab(mut self, kid: impl Into<String>, key: Secret) -> Self {
        self.external = Some((kid.into(), key));
        self
    }

    /// Sets the clock by which dates in `Retry-After` are read; the system's if not set.
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Agrees to the terms of service that the authority's directory links to.
    ///
    /// Nobody else can: without it there is no authority.
    pub const fn agreeing_to_terms(mut self) -> Self {
        self.agreed = true;
        self
    }

    /// Builds the authority. Sends nothing.
    ///
    /// # Errors
    ///
    /// `Invalid` when the terms are not agreed to, the URL of the directory is not an `https` one of
    /// at most 150 characters, a contact is not a mail address, or the MAC key is not base64url.
    pub fn build(self) -> Result<Acme> {
        let invalid = |message: String| Error::new(ErrorKind::Invalid, COMPONENT, "build", message);
        if !self.agreed {
            return Err(invalid(format!(
                "the terms of service of {} are not agreed to: call `agreeing_to_terms()`",
                self.directory_url
            )));
        }
        let wire = Wire::new(self.directory_url.clone(), self.client, self.clock)
            .ok_or_else(|| invalid(format!("not an https URL: {}", self.directory_url)))?;
        // Its scheme is eight characters, whatever their case.
        let id = self.directory_url.get(8..).unwrap_or_default().to_owned();
        if id.len() > 150 {
            return Err(invalid("the URL of the directory is longer than 150 characters".into()));
        }
        let contacts = self
            .contacts
            .iter()
            .map(|contact| {
                mailto(contact).ok_or_else(|| invalid(format!("not a mail address: {contact}")))
            })
            .collect::<Result<Vec<_>>>()?;
        let external = self
            .external
            .map(|(id, key)| {
                std::str::from_utf8(key.expose())
                    .ok()
                    .and_then(|text| jose::decode(text.trim()))
                    .filter(|key| !key.is_empty())
                    .map(|key| ExternalAccount { id, key: Secret::new(key) })
                    .ok_or_else(|| invalid("the MAC key is not base64url".into()))
            })
            .transpose()?;
        Ok(Acme(Arc::new(Inner {
            id,
            wire,
            crypto: self.crypto,
            contacts,
            external,
            keys: Mutex::new(Recent::new(ACCOUNTS)),
            orders: Mutex::new(Recent::new(ORDERS)),
        })))
    }
}

/// Returns the URL of a mail address: one address, no header fields (RFC 8555 section 7.3).
fn mailto(contact: &str) -> Option<String> {
    let address = contact.strip_prefix("mailto:").unwrap_or(contact);
    let (user, host) = address.split_once('@')?;
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"@,?&#%<>\"\\".contains(&byte);
    let good = !user.is_empty() && user.bytes().all(plain) && host.parse::<DomainName>().is_ok();
    good.then(|| format!("mailto:{address}"))
}
