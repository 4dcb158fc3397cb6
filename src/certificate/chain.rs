//! A certificate chain as an authority hands it out, read and checked.

use std::{fmt, str::FromStr};

use sha2::{Digest, Sha256};
use x509_parser::{
    extensions::GeneralName,
    pem::Pem,
    prelude::{FromDer, X509Certificate},
};

use crate::{clock::Timestamp, encoding::pem, name::DomainName};

/// A certificate chain, leaf first.
///
/// Reading it checks its form. [`Chain::check`] checks that it is the certificate that was wanted.
/// Signatures are not checked: the chain comes from the authority itself, over an authenticated
/// channel, and visitors check it against roots of their own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chain {
    certificates: Vec<Vec<u8>>,
    names: Vec<DomainName>,
    other_names: usize,
    not_before: Timestamp,
    not_after: Timestamp,
    public_key: Vec<u8>,
    linked: bool,
}

/// What is wrong with a chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChainError {
    fault: ChainFault,
    detail: String,
}

/// The kinds of faults of a chain.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ChainFault {
    /// It is not PEM text of certificates.
    Form,
    /// It is too long, or a part of it is.
    TooLarge,
    /// A certificate in it is not the issuer of the one before.
    Unlinked,
    /// It is for another key.
    WrongKey,
    /// It is for other names.
    WrongNames,
    /// It is not valid now.
    WrongTime,
}

impl ChainFault {
    /// Returns the stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::TooLarge => "too_large",
            Self::Unlinked => "unlinked",
            Self::WrongKey => "wrong_key",
            Self::WrongNames => "wrong_names",
            Self::WrongTime => "wrong_time",
        }
    }
}

impl ChainError {
    fn new(fault: ChainFault, detail: impl Into<String>) -> Self {
        Self { fault, detail: detail.into() }
    }

    /// Returns the kind of fault.
    pub fn fault(&self) -> ChainFault {
        self.fault
    }
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "certificate chain: {}", self.detail)
    }
}

impl std::error::Error for ChainError {}

impl Chain {
    /// Longest chain, in certificates.
    pub const MAX_CERTIFICATES: usize = 8;

    /// Longest PEM text, in bytes.
    pub const MAX_PEM: usize = 128 * 1024;

    /// Reads a chain from DER forms, leaf first.
    ///
    /// # Errors
    ///
    /// [`ChainFault::Form`] or [`ChainFault::TooLarge`].
    pub fn from_der(certificates: Vec<Vec<u8>>) -> Result<Self, ChainError> {
        let form = |detail: &str| ChainError::new(ChainFault::Form, detail);
        if certificates.len() > Self::MAX_CERTIFICATES {
            return Err(ChainError::new(ChainFault::TooLarge, "more than 8 certificates"));
        }
        let mut parsed = Vec::with_capacity(certificates.len());
        for der in &certificates {
            match X509Certificate::from_der(der) {
                Ok(([], certificate)) => parsed.push(certificate),
                Ok(_) => return Err(form("bytes after a certificate")),
                Err(_) => return Err(form("a part is no X.509 certificate")),
            }
        }
        let leaf = parsed.first().ok_or_else(|| form("there is no certificate in it"))?;
        let time = |time: &x509_parser::time::ASN1Time| {
            Timestamp::from_timestamp(time.timestamp(), 0).ok_or_else(|| form("an impossible date"))
        };
        let alternative = leaf
            .subject_alternative_name()
            .map_err(|_| form("subject alternative names that cannot be read"))?;
        let general = alternative.map(|names| names.value.general_names.as_slice());
        let general = general.unwrap_or_default();
        let names: Vec<DomainName> = general
            .iter()
            .filter_map(|name| match name {
                GeneralName::DNSName(text) => text.parse().ok(),
                _ => None,
            })
            .collect();
        let linked = parsed.windows(2).all(|pair| match pair {
            [child, parent] => child.issuer().as_raw() == parent.subject().as_raw(),
            _ => true,
        });
        Ok(Self {
            other_names: general.len() - names.len(),
            names,
            not_before: time(&leaf.validity().not_before)?,
            not_after: time(&leaf.validity().not_after)?,
            public_key: leaf.public_key().raw.to_vec(),
            linked,
            certificates,
        })
    }

    /// Checks that this is the certificate that was wanted: for this key, exactly these names,
    /// valid now, each certificate issued by the next one.
    ///
    /// # Errors
    ///
    /// The first fault that is found.
    pub fn check(
        &self,
        names: &[DomainName],
        public_key: &[u8],
        now: Timestamp,
    ) -> Result<(), ChainError> {
        if self.public_key != public_key {
            return Err(ChainError::new(ChainFault::WrongKey, "it is for another key"));
        }
        let covers = |a: &[DomainName], b: &[DomainName]| a.iter().all(|name| b.contains(name));
        if self.other_names > 0 || !covers(names, &self.names) || !covers(&self.names, names) {
            return Err(ChainError::new(ChainFault::WrongNames, "it is for other names"));
        }
        if now < self.not_before || now >= self.not_after {
            return Err(ChainError::new(
                ChainFault::WrongTime,
                format!("valid from {} to {}, not now", self.not_before, self.not_after),
            ));
        }
        if !self.linked {
            return Err(ChainError::new(
                ChainFault::Unlinked,
                "a certificate is not the issuer of the one before it",
            ));
        }
        Ok(())
    }

    /// Returns the DER forms, leaf first.
    pub fn certificates(&self) -> &[Vec<u8>] {
        &self.certificates
    }

    /// Returns the DNS names of the leaf.
    pub fn names(&self) -> &[DomainName] {
        &self.names
    }

    /// Returns from when the leaf is valid.
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// Returns until when the leaf is valid.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Returns the leaf's public key, SubjectPublicKeyInfo DER.
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// Returns the SHA-256 fingerprint of the leaf, 64 hexadecimal characters.
    pub fn fingerprint(&self) -> String {
        let leaf = self.certificates.first().map(Vec::as_slice).unwrap_or_default();
        hex::encode(Sha256::digest(leaf))
    }

    /// Returns the chain as PEM text (RFC 7468), leaf first.
    pub fn to_pem(&self) -> String {
        self.certificates.iter().map(|der| pem("CERTIFICATE", der)).collect()
    }
}

impl FromStr for Chain {
    type Err = ChainError;

    /// Reads a chain from PEM text (RFC 7468), leaf first.
    fn from_str(text: &str) -> Result<Self, ChainError> {
        if text.len() > Self::MAX_PEM {
            return Err(ChainError::new(ChainFault::TooLarge, "more than 128 KiB"));
        }
        let mut certificates = Vec::new();
        for block in Pem::iter_from_buffer(text.as_bytes()) {
            let block =
                block.map_err(|_| ChainError::new(ChainFault::Form, "it is not PEM text"))?;
            if block.label != "CERTIFICATE" {
                return Err(ChainError::new(
                    ChainFault::Form,
                    "a block is not of type CERTIFICATE",
                ));
            }
            certificates.push(block.contents);
        }
        Self::from_der(certificates)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_chain_is_refused_without_a_panic() {
        let block = |inside: &str| {
            format!("-----BEGIN CERTIFICATE-----\n{inside}\n-----END CERTIFICATE-----\n")
        };
        for text in [
            String::new(),
            "<html>".into(),
            block(""),
            block("AAAA"),
            block("!!!"),
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".into(),
            "-----BEGIN CERTIFICATE-----\nAAAA".into(),
        ] {
            let error = text.parse::<Chain>().unwrap_err();
            assert_eq!(error.fault(), ChainFault::Form, "{text}");
        }
        let long = "x".repeat(Chain::MAX_PEM + 1);
        assert_eq!(long.parse::<Chain>().unwrap_err().fault(), ChainFault::TooLarge);
    }
}
