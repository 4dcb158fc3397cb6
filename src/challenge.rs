//! How a tenant proves that a name is theirs.
//!
//! Only ownership: what a certificate authority wants to see is an authorization, and pointing a
//! name somewhere is no proof of anything.

pub mod compat;
pub mod email;
mod http;
mod label;
mod method;
mod state;
mod terms;

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    clock::Timestamp,
    encoding::base32,
    error::{Error, ErrorKind, Result},
    id::Random,
    name::{DnsName, DnsNameError, DomainName},
    record::RecordType,
    secret::constant_time_eq,
};

pub use http::HttpProof;
pub use label::{AccountLabel, CompatLabel, LabelPolicy};
pub use method::{Method, MethodError, Scope};
pub use state::{ChallengeEvent, State};
pub use terms::Terms;

/// The label under which a platform's customers publish their proofs.
///
/// `acme` gives `_acme-challenge` for a host and `_acme-wildcard-challenge` for a wildcard: the
/// label states the scope, and a proof of one is none of the other.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Brand(String);

/// What is wrong with a brand.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a brand is 1 to 40 lower-case letters, digits and inner hyphens")]
pub struct BrandError(());

/// Hexadecimal characters in a token: SHA-256.
const TOKEN_LENGTH: usize = 64;

impl Brand {
    /// Creates a brand.
    ///
    /// # Errors
    ///
    /// If it cannot be part of a label.
    pub fn new(text: &str) -> Result<Self, BrandError> {
        let inner = |c: u8| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let well_formed = (1..=40).contains(&text.len())
            && text.bytes().all(inner)
            && !text.starts_with('-')
            && !text.ends_with('-');
        if well_formed { Ok(Self(text.to_owned())) } else { Err(BrandError(())) }
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the label in front of the name that is proved.
    fn label(&self, scope: Scope) -> String {
        let scope = match scope {
            Scope::Host => "",
            Scope::Wildcard => "-wildcard",
        };
        format!("_{}{scope}-challenge", self.0)
    }

    /// Returns whether proofs of some name are published at `name`, or would be above it.
    pub(crate) fn is_proof_name(&self, name: &DnsName) -> bool {
        let labels = Scope::ALL.map(|scope| self.label(scope));
        name.labels()
            .any(|label| labels.iter().any(|proof| label.eq_ignore_ascii_case(proof.as_bytes())))
    }

    /// Returns the name at which the owner of `name` publishes the proof.
    ///
    /// # Errors
    ///
    /// `Invalid` if the name is too long for a label in front of it.
    pub fn owner(&self, name: &DomainName) -> Result<DnsName> {
        let label = self.label(Scope::of(name));
        DnsName::from(name.base()).child(&label).map_err(|error| too_long(name, &label, error))
    }

    /// Returns the name of a proof with a further label in front.
    fn child(&self, name: &DomainName, label: &str) -> Result<DnsName> {
        self.owner(name)?.child(label).map_err(|error| too_long(name, label, error))
    }
}

fn too_long(name: &DomainName, label: &str, error: DnsNameError) -> Error {
    let message = format!("{name} is too long for the label {label} in front of it");
    Error::new(ErrorKind::Invalid, "challenge", "create", message).with_source(error)
}

/// A proof that is wanted: what, where, until when.
///
/// `Debug` does not show the token: whoever reads a log could publish it.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Challenge {
    /// How it is published.
    pub method: Method,
    /// What it proves.
    #[serde(default = "Scope::first")]
    pub scope: Scope,
    /// Where: the name of the record, or the host of the page, or the name that is written about.
    pub owner: DnsName,
    /// The token: 64 hexadecimal characters, SHA-256 of 32 random bytes; 32 base32 characters where
    /// it is a label.
    pub token: String,
    /// Where a record of [`Method::DnsCname`] leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<DnsName>,
    /// The path of a page of [`Method::Http`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Rises when ownership was reset, so that an old token proves nothing.
    pub generation: u32,
    /// When it was made.
    pub issued_at: Timestamp,
    /// Until when publishing it proves anything to who has not proved it yet.
    pub expires_at: Timestamp,
}

impl Challenge {
    /// Draws a token: nobody can have known it before, and it says nothing about the tenant.
    ///
    /// # Errors
    ///
    /// Those of [`Random::fill`].
    pub fn draw_token(random: &dyn Random) -> Result<String> {
        let mut bytes = [0; 32];
        random.fill(&mut bytes)?;
        Ok(hex::encode(Sha256::digest(bytes)))
    }

    /// Returns the value to publish: of the record, or of the page. Nothing is published for
    /// [`Method::Email`].
    pub fn value(&self) -> String {
        match (self.method, &self.target) {
            (Method::DnsTxt, _) => ["token=", &self.token].concat(),
            (Method::DnsCname, Some(target)) => target.to_string(),
            (Method::Http, _) => self.token.clone(),
            (Method::DnsCname | Method::Email, _) => String::new(),
        }
    }

    /// Returns the type of the record to publish, if it is one.
    pub const fn record_type(&self) -> Option<RecordType> {
        match self.method {
            Method::DnsTxt => Some(RecordType::Txt),
            Method::DnsCname => Some(RecordType::Cname),
            Method::Http | Method::Email => None,
        }
    }

    /// Returns a name beside [`owner`](Self::owner) that is made of chance, for a look whether a
    /// wildcard answers there too; `None` if the proof is no record.
    pub(crate) fn sibling(&self, chance: &[u8; 32]) -> Option<DnsName> {
        self.record_type()?;
        let parent = self.owner.parent()?;
        let chance = base32(chance);
        let label = format!("_{}-sibling", chance.get(..16)?);
        // A name that is as long as can be has room for as much as is there.
        let room = self.owner.labels().next()?.len().checked_sub(1)?;
        let short = || parent.child(&format!("_{}", chance.get(..room).unwrap_or(&chance)));
        parent.child(&label).or_else(|_| short()).ok()
    }

    /// Returns the page to publish, if it is one.
    pub fn page(&self) -> Option<HttpProof> {
        HttpProof::of(self)
    }

    /// Returns whether a published value may be the proof of some claim.
    pub(crate) fn is_like_proof(content: &[u8]) -> bool {
        let first = content.split(|byte| *byte == b' ').next().unwrap_or_default();
        let token = match first.split_at_checked(6) {
            Some((key, token)) if key.eq_ignore_ascii_case(b"token=") => token,
            _ => content,
        };
        token.len() == TOKEN_LENGTH && token.iter().all(u8::is_ascii_hexdigit)
    }

    /// Returns whether the value of a TXT record is the proof. None is for another method.
    ///
    /// Either the bare token, or `key=value` pairs separated by spaces of which the first is the
    /// token and no other is; keys without regard to case, unknown ones ignored (section 5.1 of the
    /// draft). Takes the same time wherever a value of the same length differs.
    pub fn is_proved_by(&self, content: &[u8]) -> bool {
        let key =
            |part: &[u8]| part.get(..6).is_some_and(|start| start.eq_ignore_ascii_case(b"token="));
        let mut parts = content.split(|byte| *byte == b' ');
        let token = match parts.next() {
            Some(first) if key(first) => {
                if parts.any(key) {
                    return false;
                }
                first.get(6..).unwrap_or_default()
            }
            _ => content,
        };
        self.method == Method::DnsTxt && constant_time_eq(token, self.token.as_bytes())
    }

    /// Returns whether the values of the CNAME records at [`owner`](Self::owner) are the proof: one
    /// record, which leads to the target. None is for another method.
    pub fn is_proved_by_alias<'a>(&self, targets: impl IntoIterator<Item = &'a DnsName>) -> bool {
        let mut targets = targets.into_iter();
        let only = targets.next().filter(|_| targets.next().is_none());
        self.method == Method::DnsCname && self.target.is_some() && only == self.target.as_ref()
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the owner: the token may be a label of it.
        let Self { method, scope, generation, issued_at, expires_at, .. } = self;
        f.debug_struct("Challenge")
            .field("method", method)
            .field("scope", scope)
            .field("generation", generation)
            .field("issued_at", issued_at)
            .field("expires_at", expires_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
