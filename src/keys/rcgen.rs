//! Keys by the `rcgen` crate.

use rcgen::{
    CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType,
};
use rustls_pki_types::PrivatePkcs8KeyDer;
use zeroize::Zeroize;

use super::Keys;
use crate::{
    error::{Error, ErrorKind, Result},
    name::DomainName,
    secret::Secret,
};

/// ECDSA keys on the curve P-256, from the crypto provider that is compiled in.
///
/// With both providers compiled in it is aws-lc-rs. Derives from keys of other algorithms too, as
/// far as the provider knows them, so that a key may come from elsewhere. Copies of a key that the
/// provider makes for itself are not wiped; those made here are.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has no state to grow")]
pub struct RcgenKeys;

/// A key that is wiped as far as it can be.
struct Wiped(KeyPair);

impl Drop for Wiped {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Wiped {
    fn read(operation: &'static str, key: &Secret) -> Result<Self> {
        // Not the source of the error: it may say something about the bytes.
        KeyPair::try_from(&PrivatePkcs8KeyDer::from(key.expose())).map(Self).map_err(|_| {
            error(ErrorKind::Invalid, operation, "not a PKCS #8 private key of a known algorithm")
        })
    }
}

impl Keys for RcgenKeys {
    fn generate(&self) -> Result<Secret> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map(Wiped).map_err(|cause| {
            error(ErrorKind::Unavailable, "generate", "no key").with_source(cause)
        })?;
        Ok(Secret::new(pair.0.serialize_der()))
    }

    fn public_key(&self, key: &Secret) -> Result<Vec<u8>> {
        Ok(Wiped::read("public_key", key)?.0.subject_public_key_info())
    }

    fn request(&self, key: &Secret, names: &[DomainName]) -> Result<Vec<u8>> {
        let pair = Wiped::read("request", key)?;
        if names.is_empty() {
            return Err(error(ErrorKind::Invalid, "request", "a request needs a name"));
        }
        let failed = |cause: rcgen::Error| {
            error(ErrorKind::Invalid, "request", "the request cannot be made").with_source(cause)
        };
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for name in names {
            let name = name.as_str().try_into().map_err(failed)?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        let request = params.serialize_request(&pair.0).map_err(failed)?;
        Ok(request.der().to_vec())
    }
}

fn error(kind: ErrorKind, operation: &'static str, message: &str) -> Error {
    Error::new(kind, "rcgen keys", operation, message)
}
