//! Keys without cryptography, for tests.

use std::sync::Arc;

use sha2::{Digest, Sha256, Sha512};

use super::Keys;
use crate::{
    encoding::der,
    error::{Error, ErrorKind, Result},
    fault::Faults,
    id::{OsRandom, Random},
    name::DomainName,
    secret::Secret,
};

/// PKCS #8 of an Ed25519 private key (RFC 8410 section 7), up to its 32 bytes.
const PRIVATE: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// SubjectPublicKeyInfo of an Ed25519 public key (RFC 8410 section 4), up to its 32 bytes.
const PUBLIC: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// Keys that look right and **protect nothing**: for tests and simulations, never for the internet.
///
/// The core has no cryptography, so a "private key" is 32 random bytes in the form of an Ed25519
/// key, its "public key" is their digest, and the "signature" of a request is a digest too. The
/// certificate authority in memory takes such requests; no other may. The feature `rcgen` has keys
/// for production. Clones share the failures that were asked for.
#[derive(Clone, Debug)]
pub struct InMemoryKeys {
    random: Arc<dyn Random>,
    faults: Arc<Faults>,
}

impl InMemoryKeys {
    /// Creates a maker of keys from the randomness of the operating system.
    pub fn new() -> Self {
        Self { random: Arc::new(OsRandom), faults: Arc::new(Faults::new("in-memory keys")) }
    }

    /// Takes randomness from elsewhere, so that a simulation can repeat a history.
    #[must_use]
    pub fn with_random(mut self, random: impl Random) -> Self {
        self.random = Arc::new(random);
        self
    }

    /// Makes the next call fail with `kind`.
    pub fn fail_next(&self, kind: ErrorKind) {
        self.faults.before(kind);
    }
}

impl Default for InMemoryKeys {
    fn default() -> Self {
        Self::new()
    }
}

impl Keys for InMemoryKeys {
    fn generate(&self) -> Result<Secret> {
        self.faults.call("generate", || {
            let mut key = PRIVATE.to_vec();
            key.resize(PRIVATE.len() + 32, 0);
            let (_, seed) = key.split_at_mut(PRIVATE.len());
            self.random.fill(seed)?;
            Ok(Secret::new(key))
        })
    }

    fn public_key(&self, key: &Secret) -> Result<Vec<u8>> {
        self.faults.call("public_key", || Ok(public(seed(key, "public_key")?)))
    }

    fn request(&self, key: &Secret, names: &[DomainName]) -> Result<Vec<u8>> {
        self.faults.call("request", || {
            let seed = seed(key, "request")?;
            if names.is_empty() {
                return Err(invalid("request", "a request needs a name"));
            }
            let names = der::subject_alt_names(names.iter().map(DomainName::as_str));
            let extensions = der::element(der::SET, &[&der::sequence(&[&names])]);
            let attributes = der::sequence(&[der::oid::EXTENSION_REQUEST, &extensions]);
            let info = der::sequence(&[
                &der::element(der::INTEGER, &[&[0]]),
                // The subject is empty: names are in the extension alone (RFC 6125 section 1.8).
                &der::sequence(&[]),
                &public(seed),
                &der::element(der::CONTEXT_0, &[&attributes]),
            ]);
            let signature =
                Sha512::new().chain_update("request").chain_update(seed).chain_update(&info);
            Ok(der::sequence(&[
                &info,
                &der::sequence(&[der::oid::ED25519]),
                &der::bit_string(&signature.finalize()),
            ]))
        })
    }
}

/// Returns the random bytes of a key.
fn seed<'a>(key: &'a Secret, operation: &'static str) -> Result<&'a [u8]> {
    key.expose()
        .strip_prefix(&PRIVATE)
        .filter(|seed| seed.len() == 32)
        .ok_or_else(|| invalid(operation, "not a private key of this kind"))
}

fn public(seed: &[u8]) -> Vec<u8> {
    let digest = Sha256::new().chain_update("public key").chain_update(seed).finalize();
    [PUBLIC.as_slice(), &digest].concat()
}

fn invalid(operation: &'static str, message: &str) -> Error {
    Error::new(ErrorKind::Invalid, "in-memory keys", operation, message)
}

#[cfg(test)]
mod tests {
    use x509_parser::{certification_request::X509CertificationRequest, prelude::FromDer};

    use super::*;

    #[test]
    fn a_request_is_one_that_x509_parser_reads() {
        let keys = InMemoryKeys::new();
        let key = keys.generate().unwrap();
        let names = ["shop.example.com".parse().unwrap(), "*.example.com".parse().unwrap()];
        let request = keys.request(&key, &names).unwrap();
        let (rest, parsed) = X509CertificationRequest::from_der(&request).unwrap();
        assert!(rest.is_empty());
        let info = &parsed.certification_request_info;
        assert_eq!(info.subject_pki.raw, keys.public_key(&key).unwrap());
    }
}
