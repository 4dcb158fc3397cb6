//! Under which labels proofs by TXT records are published.

use sha2::{Digest, Sha256};

use crate::name::DnsName;

/// Under which label a proof of [`Method::DnsTxt`](super::Method::DnsTxt) is published.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum LabelPolicy {
    /// One that names the platform and says what the proof is for: `_<brand>-challenge` for a host,
    /// `_<brand>-wildcard-challenge` for a wildcard.
    #[default]
    Branded,
    /// One of a published API, for a platform whose customers have instructions that say so.
    ///
    /// Such a label says neither by whom the proof is asked for nor for what, so hosts are proved by
    /// it and no wildcards.
    Compat(CompatLabel),
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
