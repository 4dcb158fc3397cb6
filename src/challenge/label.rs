//! Under which labels proofs by TXT records are published.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::{encoding::base32, name::DnsName};

/// Under which label a proof of [`Method::DnsTxt`](super::Method::DnsTxt) is published.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum LabelPolicy {
    /// One that names the platform and says what the proof is for: `_<brand>-challenge` for a host,
    /// `_<brand>-wildcard-challenge` for a wildcard.
    #[default]
    Branded,
    /// The branded one with a label in front of it that stands for an account, for platforms of one
    /// brand that prove the same names side by side: `_<account>._<brand>-challenge`.
    Account(AccountLabel),
    /// One of a published API, for a platform whose customers have instructions that say so.
    ///
    /// Such a label says neither by whom the proof is asked for nor for what, so hosts are proved by
    /// it and no wildcards.
    Compat(CompatLabel),
}

/// A label that stands for an account: an installation of the platform, or somebody in between.
///
/// The same for the same account, also after a restart, and says nothing of it to who does not know
/// its id.
///
/// ```
/// use nameplate::challenge::AccountLabel;
///
/// let label = AccountLabel::of("acme production, b51f7c0e9d");
/// assert_eq!(label, AccountLabel::of("acme production, b51f7c0e9d"));
/// assert_ne!(label, AccountLabel::of("acme staging, 77d2041ae3"));
/// assert_eq!(label.to_string().len(), 17);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct AccountLabel([u8; ACCOUNT_BYTES]);

/// Bytes of the digest of an account in its label: 16 characters.
const ACCOUNT_BYTES: usize = 10;

impl AccountLabel {
    /// Makes the label of an account by its id. One that can be guessed can be recognized.
    pub fn of(account: &str) -> Self {
        let digest = Sha256::new().chain_update(b"account\0").chain_update(account).finalize();
        Self(digest.first_chunk().copied().unwrap_or_default())
    }
}

impl fmt::Display for AccountLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "_{}", base32(&self.0))
    }
}

/// A label of a published API.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum CompatLabel {
    /// `_acme-challenge`, where certificate authorities look too: not where `_acme-challenge` names
    /// are delegated to the platform.
    AcmeChallenge,
    /// `_dnsauth`.
    Dnsauth,
    /// `nfverify` and 16 digits, others for every challenge. A host can have such a name: whoever may
    /// choose one below a domain can prove the domain.
    Nfverify,
}

impl CompatLabel {
    /// Every label.
    pub const ALL: [Self; 3] = [Self::AcmeChallenge, Self::Dnsauth, Self::Nfverify];

    /// Returns the label, or the part of it that is always the same.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AcmeChallenge => "_acme-challenge",
            Self::Dnsauth => "_dnsauth",
            Self::Nfverify => "nfverify",
        }
    }

    /// Returns the label of a challenge.
    pub(super) fn label(self, chance: &[u8; 32]) -> String {
        let prefix = self.as_str();
        match self {
            Self::AcmeChallenge | Self::Dnsauth => prefix.to_owned(),
            Self::Nfverify => {
                let digest = Sha256::new().chain_update(b"label\0").chain_update(chance).finalize();
                let digits = digest.iter().take(DIGITS).map(|byte| char::from(b'0' + byte % 10));
                prefix.chars().chain(digits).collect()
            }
        }
    }

    /// Returns whether proofs of some name are published at `name`, or would be above it.
    pub(super) fn is_proof_name(self, name: &DnsName) -> bool {
        let prefix = self.as_str().as_bytes();
        name.labels().any(|label| {
            let Some((start, rest)) = label.split_at_checked(prefix.len()) else { return false };
            let is_whole = match self {
                Self::AcmeChallenge | Self::Dnsauth => rest.is_empty(),
                Self::Nfverify => rest.len() == DIGITS && rest.iter().all(u8::is_ascii_digit),
            };
            is_whole && start.eq_ignore_ascii_case(prefix)
        })
    }
}

/// Digits behind `nfverify`.
const DIGITS: usize = 16;
