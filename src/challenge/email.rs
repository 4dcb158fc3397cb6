//! Proof of ownership by mail: who is written to, what the mail says, and when an answer counts.
//!
//! # Who is written to
//!
//! The five mailboxes that are kept for this ([`Mailbox`], those of the Baseline Requirements), at the
//! name itself or at one of its parents up to the registrable domain, and the addresses that the zone
//! publishes for the purpose ([`Contacts::read`]). **Contacts of the registration are
//! never asked for**, by WHOIS or RDAP: such servers are moved and abandoned, and who gets hold of an
//! old one would say who owns all names under a suffix. [`Contacts::whois`] is there since published
//! APIs have such a list, and it is always empty.
//!
//! # What an answer proves
//!
//! The claimed name, and nothing else: not the host of the address, not the scope that was chosen, no
//! parent, child or wildcard.
//!
//! # Who follows the link
//!
//! Not only people do: mail scanners open every link, some with a browser. So no address that is only
//! opened confirms anything. The page behind the link shows a button, and what the button posts is
//! given to `Onboarding::confirm`, by a person who is signed in as that tenant. See [`Link`].

mod address;
mod correspondence;
mod text;
mod tries;
mod wish;

use crate::{
    error::{Error, ErrorKind, Result},
    name::{DnsName, DomainName, PublicSuffixes},
    record::RecordData,
};

pub use address::{MailAddress, MailAddressError};
pub use correspondence::Correspondence;
pub(crate) use correspondence::{Claim, Round, SealedCode};
pub use text::{Letter, Link, Locale};
pub use tries::Tries;
pub use wish::MailWish;

/// The local parts that are kept for those who answer for a name (Baseline Requirements 3.2.2.4.4).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "the Baseline Requirements name exactly these")]
pub enum Mailbox {
    /// `admin`.
    Admin,
    /// `administrator`.
    Administrator,
    /// `webmaster`.
    Webmaster,
    /// `hostmaster`.
    Hostmaster,
    /// `postmaster`.
    Postmaster,
}

impl Mailbox {
    /// Every one, in the order in which published APIs list them.
    pub const ALL: [Self; 5] =
        [Self::Admin, Self::Administrator, Self::Webmaster, Self::Hostmaster, Self::Postmaster];

    /// Returns the local part.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Administrator => "administrator",
            Self::Webmaster => "webmaster",
            Self::Hostmaster => "hostmaster",
            Self::Postmaster => "postmaster",
        }
    }
}

/// Most addresses of a zone's own that are written to: whoever controls a zone does not choose how
/// much mail is sent.
const MAX_PUBLISHED: usize = 5;

/// The label in front of a domain at which it publishes addresses (Baseline Requirements B.2.1).
const CONTACT_LABEL: &str = "_validation-contactemail";

/// The property of CAA records that says the same (Baseline Requirements B.1.1).
const CONTACT_TAG: &str = "contactemail";

/// Returns the scopes at which a name may be proved by mail: its base, and its parents up to the
/// registrable domain, which is the last; none for a name that is not below a public suffix.
///
/// ```
/// use nameplate::{DomainName, challenge::email::scopes};
///
/// let name: DomainName = "www.shop.example.co.uk".parse()?;
/// let scopes: Vec<_> = scopes(&name).iter().map(ToString::to_string).collect();
/// assert_eq!(scopes, ["www.shop.example.co.uk", "shop.example.co.uk", "example.co.uk"]);
/// # Ok::<(), nameplate::name::DomainNameError>(())
/// ```
pub fn scopes(name: &DomainName) -> Vec<DomainName> {
    scopes_by(&PublicSuffixes::compiled(), name)
}

/// Returns the [`scopes`] of a name by a list of public suffixes, such as one that was read anew.
pub fn scopes_by(suffixes: &PublicSuffixes, name: &DomainName) -> Vec<DomainName> {
    let base = name.base();
    let Some(top) = suffixes.registrable(&base) else { return Vec::new() };
    let mut scopes = Vec::new();
    let mut rest = base.as_str();
    loop {
        scopes.extend(rest.parse::<DomainName>());
        match rest.split_once('.') {
            Some((_, parent)) if rest != top => rest = parent,
            _ => return scopes,
        }
    }
}

/// Who may be written to about a name, at one scope.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Contacts {
    scope: DomainName,
    constructed: Vec<MailAddress>,
    published: Vec<MailAddress>,
}

impl Contacts {
    /// Returns the contacts of `name` at `scope`, or at the registrable domain if none is chosen.
    ///
    /// # Errors
    ///
    /// `Invalid` if the name is not below a public suffix, and for a scope that is not among
    /// [`scopes`].
    pub fn new(name: &DomainName, scope: Option<&DomainName>) -> Result<Self> {
        Self::by(&PublicSuffixes::compiled(), name, scope)
    }

    /// Returns the contacts as [`new`](Self::new) does, by a list of public suffixes: what it knows for
    /// a suffix is somebody's who answers for no name below it.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new), by [`scopes_by`].
    pub fn by(
        suffixes: &PublicSuffixes,
        name: &DomainName,
        scope: Option<&DomainName>,
    ) -> Result<Self> {
        let invalid =
            |message: String| Error::new(ErrorKind::Invalid, "challenge", "mail", message);
        let mut allowed = scopes_by(suffixes, name);
        let scope = match scope {
            Some(wanted) => allowed
                .into_iter()
                .find(|scope| scope == wanted)
                .ok_or_else(|| invalid(format!("mail to {wanted} proves nothing about {name}")))?,
            None => allowed
                .pop()
                .ok_or_else(|| invalid(format!("nobody can be written to about {name}")))?,
        };
        Ok(Self::at(scope))
    }

    /// Returns the contacts at a scope that was found to be one.
    pub(crate) fn at(scope: DomainName) -> Self {
        let constructed =
            Mailbox::ALL.iter().filter_map(|mailbox| MailAddress::of(*mailbox, &scope)).collect();
        Self { scope, constructed, published: Vec::new() }
    }

    /// Returns the name whose mailboxes these are.
    pub const fn scope(&self) -> &DomainName {
        &self.scope
    }

    /// Returns the name at which the zone may publish addresses, as TXT records.
    ///
    /// `None` if it would be too long. CAA records with `contactemail` are at the scope or above it, as
    /// for certificates (RFC 8659 section 3).
    pub fn published_at(&self) -> Option<DnsName> {
        DnsName::from(self.scope.clone()).child(CONTACT_LABEL).ok()
    }

    /// Returns the addresses that records publish: the TXT records of
    /// [`published_at`](Self::published_at), or the CAA records that hold for the scope.
    ///
    /// What is no address of the [plain kind](MailAddress) is passed over.
    pub fn read<'a>(records: impl IntoIterator<Item = &'a RecordData>) -> Vec<MailAddress> {
        let address = |record: &RecordData| {
            let text = match record {
                RecordData::Txt(text) => text.to_bytes().to_vec(),
                RecordData::Caa(property) if property.tag() == CONTACT_TAG => {
                    property.value().to_vec()
                }
                _ => return None,
            };
            std::str::from_utf8(&text).ok()?.parse().ok()
        };
        records.into_iter().filter_map(address).collect()
    }

    /// Adds addresses that the zone publishes, the first five. They may be at any host: the zone says
    /// so.
    #[must_use]
    pub fn with_published(mut self, addresses: impl IntoIterator<Item = MailAddress>) -> Self {
        for address in addresses {
            if self.published.len() < MAX_PUBLISHED && !self.published.contains(&address) {
                self.published.push(address);
            }
        }
        self
    }

    /// Returns the five addresses that are kept for this.
    pub fn constructed(&self) -> &[MailAddress] {
        &self.constructed
    }

    /// Returns the addresses that the zone publishes.
    pub fn published(&self) -> &[MailAddress] {
        &self.published
    }

    /// Returns no address: contacts of the registration are never asked for.
    pub const fn whois(&self) -> &[MailAddress] {
        &[]
    }

    /// Returns all addresses, each once.
    pub fn all(&self) -> Vec<MailAddress> {
        let mut all = self.constructed.clone();
        all.extend(self.published.iter().filter(|it| !self.constructed.contains(it)).cloned());
        all
    }

    /// Returns those addresses that the caller chose: what is not among the contacts is ignored, and
    /// if nothing is left of the choice, all are taken.
    pub fn choose(&self, wanted: &[impl AsRef<str>]) -> Vec<MailAddress> {
        let all = self.all();
        let is_wanted = |address: &&MailAddress| {
            wanted.iter().any(|wanted| wanted.as_ref().eq_ignore_ascii_case(address.as_str()))
        };
        let chosen: Vec<_> = all.iter().filter(is_wanted).cloned().collect();
        if chosen.is_empty() { all } else { chosen }
    }
}

#[cfg(test)]
mod tests;
