//! By what a platform makes its challenges.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{Brand, Challenge, HttpProof, LabelPolicy, Method, MethodError, Scope, too_long};
use crate::{
    clock::{Timestamp, after},
    encoding::base32,
    error::{Error, ErrorKind, Result},
    name::{DnsName, DomainName},
};

/// What a platform asks of those who prove names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Terms {
    brand: Brand,
    service: String,
    labels: LabelPolicy,
    target: Option<DnsName>,
    claim_ttl: Duration,
    token_ttl: Duration,
}

/// Bytes of chance in a token that is a label: 32 characters.
const LABEL_BYTES: usize = 20;

impl Terms {
    /// The directory in which certificate authorities look (RFC 8555 section 8.3).
    pub(crate) const RESERVED_SERVICE: &'static str = "acme-challenge";

    /// Creates terms. What is proved by a record may be published within `claim_ttl`, and what is
    /// proved in another way within `token_ttl`.
    pub fn new(brand: Brand, claim_ttl: Duration, token_ttl: Duration) -> Self {
        let service = format!("{}-challenge", brand.as_str());
        let labels = LabelPolicy::Branded;
        Self { brand, service, labels, target: None, claim_ttl, token_ttl }
    }

    /// Sets the name of the platform's to which records of [`Method::DnsCname`] lead.
    #[must_use]
    pub fn with_target(mut self, target: DnsName) -> Self {
        self.target = Some(target);
        self
    }

    /// Sets under which labels TXT records are.
    #[must_use]
    pub const fn with_labels(mut self, labels: LabelPolicy) -> Self {
        self.labels = labels;
        self
    }

    /// Sets the directory below `/.well-known` in which pages of [`Method::Http`] are; made of the
    /// brand unless told.
    ///
    /// # Errors
    ///
    /// `Invalid` unless it is 1 to 63 lower-case letters, digits and inner hyphens, and for
    /// `acme-challenge`, which is where certificate authorities look.
    pub fn with_service(mut self, service: impl Into<String>) -> Result<Self> {
        let service = service.into();
        let is_well_formed = (1..=63).contains(&service.len())
            && service.bytes().all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && !service.starts_with('-')
            && !service.ends_with('-');
        let message = if !is_well_formed {
            "the directory of proofs is 1 to 63 lower-case letters, digits and inner hyphens"
        } else if service == Self::RESERVED_SERVICE {
            "acme-challenge is where certificate authorities look: put proofs elsewhere"
        } else {
            self.service = service;
            return Ok(self);
        };
        Err(Error::new(ErrorKind::Invalid, "challenge", "create", message))
    }

    /// Returns the brand.
    pub const fn brand(&self) -> &Brand {
        &self.brand
    }

    /// Returns the directory of pages.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Returns under which labels TXT records are.
    pub const fn labels(&self) -> LabelPolicy {
        self.labels
    }

    /// Returns whether proofs of some name are published at `name`, or would be above it.
    pub(crate) fn is_proof_name(&self, name: &DnsName) -> bool {
        let is_compat = match self.labels {
            LabelPolicy::Account(_) | LabelPolicy::Branded => false,
            LabelPolicy::Compat(label) => label.is_proof_name(name),
        };
        is_compat || self.brand.is_proof_name(name)
    }

    /// Returns where the TXT record for a challenge is.
    fn owner(&self, name: &DomainName, chance: &[u8; 32]) -> Result<DnsName> {
        match self.labels {
            LabelPolicy::Account(label) => self.brand.child(name, &label.to_string()),
            LabelPolicy::Branded => self.brand.owner(name),
            LabelPolicy::Compat(_) if name.is_wildcard() => Err(unfit(name, MethodError::Label)),
            LabelPolicy::Compat(label) => {
                let label = label.label(chance);
                let owner = DnsName::from(name.base()).child(&label);
                owner.map_err(|error| too_long(name, &label, error))
            }
        }
    }

    /// Returns where records of [`Method::DnsCname`] lead.
    pub const fn target(&self) -> Option<&DnsName> {
        self.target.as_ref()
    }

    /// Returns for how long a token of `method` may be published for the first time.
    pub const fn ttl(&self, method: Method) -> Duration {
        if method.is_record() { self.claim_ttl } else { self.token_ttl }
    }

    /// Makes a challenge of 32 random bytes that nobody has seen and that are used for nothing else.
    ///
    /// The token says nothing of the name or the tenant. For [`Method::Email`] it is not what is
    /// mailed but the SHA-256 of it: the bytes are the code.
    ///
    /// # Errors
    ///
    /// `Invalid` if the method cannot prove the name (the source is a [`MethodError`]), or if the name
    /// is too long for the labels in front of it.
    pub fn issue(
        &self,
        name: &DomainName,
        method: Method,
        generation: u32,
        chance: &[u8; 32],
        now: Timestamp,
    ) -> Result<Challenge> {
        let digest: [u8; 32] = Sha256::digest(chance).into();
        let mut challenge = Challenge {
            method,
            scope: Scope::of(name),
            owner: DnsName::from(name.base()),
            token: hex::encode(digest),
            target: None,
            path: None,
            generation,
            issued_at: now,
            expires_at: after(now, self.ttl(method)),
        };
        match method {
            Method::DnsTxt => challenge.owner = self.owner(name, chance)?,
            Method::DnsCname => {
                let target =
                    self.target.clone().ok_or_else(|| unfit(name, MethodError::NoTarget))?;
                challenge.token = base32(digest.get(..LABEL_BYTES).unwrap_or_default());
                challenge.owner = self.brand.child(name, &format!("_{}", challenge.token))?;
                challenge.target = Some(target);
            }
            Method::Http if name.is_wildcard() => return Err(unfit(name, MethodError::Wildcard)),
            Method::Http => {
                challenge.path = Some(HttpProof::path_in(&self.service, &challenge.token));
            }
            Method::Email => {}
        }
        Ok(challenge)
    }
}

fn unfit(name: &DomainName, error: MethodError) -> Error {
    Error::new(ErrorKind::Invalid, "challenge", "create", format!("{name}: {error}"))
        .with_source(error)
}
