//! What an authority in memory signs with.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use sha2::{Digest, Sha512};

use crate::{
    clock::{Timestamp, after},
    encoding::der,
    error::Result,
    name::DomainName,
};

/// What is to be signed: a checked request and what the authority decided.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SigningRequest {
    /// The certificate signing request, PKCS #10 DER.
    pub csr: Vec<u8>,
    /// The public key in it, SubjectPublicKeyInfo DER.
    pub public_key: Vec<u8>,
    /// The names, all of which are proved.
    pub names: Vec<DomainName>,
    /// From when the certificate is good.
    pub not_before: Timestamp,
    /// Until when.
    pub not_after: Timestamp,
    /// The serial number: positive (RFC 5280 section 4.1.2.2).
    pub serial: [u8; 16],
}

/// Something that signs certificates for [`InMemoryCa`](super::InMemoryCa).
pub trait Signer: fmt::Debug + Send + Sync + 'static {
    /// Returns a certificate and those between it and the root, DER, leaf first.
    ///
    /// # Errors
    ///
    /// `Refused` for a request that cannot be signed, such as one with a wrong signature.
    fn sign(&self, request: &SigningRequest) -> Result<Vec<Vec<u8>>>;
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        impl<S: Signer + ?Sized> Signer for $pointer {
            fn sign(&self, request: &SigningRequest) -> Result<Vec<Vec<u8>>> {
                (**self).sign(request)
            }
        }
    )*};
}

forward!(Arc<S>, Box<S>);

/// A signer without a key: certificates in the right form with a signature that **means nothing**.
///
/// For tests and simulations, since the core has no cryptography. Whoever verifies such a chain
/// refuses it. The feature `rcgen` has a signer whose chains can be verified.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "a unit struct has no fields to add")]
pub struct UnsignedSigner;

impl UnsignedSigner {
    /// Common name of the issuer.
    const ISSUER: &str = "nameplate unsigned test authority";

    /// Returns the certificate of the issuer, which is always the same.
    fn root() -> &'static [u8] {
        static ROOT: OnceLock<Vec<u8>> = OnceLock::new();
        ROOT.get_or_init(Self::make_root)
    }

    fn make_root() -> Vec<u8> {
        let issuer = der::common_name(Self::ISSUER);
        let key =
            der::sequence(&[&der::sequence(&[der::oid::ED25519]), &der::bit_string(&[0; 32])]);
        // The year 2100.
        let end = after(Timestamp::UNIX_EPOCH, std::time::Duration::from_secs(4_102_444_800));
        certificate(&Parts {
            serial: &[1],
            subject: &issuer,
            issuer: &issuer,
            validity: (Timestamp::UNIX_EPOCH, end),
            public_key: &key,
            extensions: &[
                // keyCertSign and cRLSign: bits 5 and 6.
                der::extension(der::oid::KEY_USAGE, true, &[der::BIT_STRING, 2, 1, 0x06]),
                der::extension(der::oid::BASIC_CONSTRAINTS, true, &der::sequence(&[&[1, 1, 0xff]])),
            ],
        })
    }
}

impl Signer for UnsignedSigner {
    fn sign(&self, request: &SigningRequest) -> Result<Vec<Vec<u8>>> {
        let issuer = der::common_name(Self::ISSUER);
        let server_auth = der::sequence(&[der::oid::SERVER_AUTH]);
        let leaf = certificate(&Parts {
            serial: &request.serial,
            subject: &der::sequence(&[]),
            issuer: &issuer,
            validity: (request.not_before, request.not_after),
            public_key: &request.public_key,
            extensions: &[
                // digitalSignature: the first of the nine bits.
                der::extension(der::oid::KEY_USAGE, true, &[der::BIT_STRING, 2, 7, 0x80]),
                der::extension(der::oid::EXTENDED_KEY_USAGE, false, &server_auth),
                der::extension(der::oid::BASIC_CONSTRAINTS, true, &der::sequence(&[])),
                der::subject_alt_names(request.names.iter().map(DomainName::as_str)),
            ],
        });
        Ok(vec![leaf, Self::root().to_vec()])
    }
}

/// What differs between two certificates.
struct Parts<'a> {
    serial: &'a [u8],
    subject: &'a [u8],
    issuer: &'a [u8],
    validity: (Timestamp, Timestamp),
    public_key: &'a [u8],
    extensions: &'a [Vec<u8>],
}

/// Writes a certificate (RFC 5280 section 4.1) with a digest in the place of the signature.
fn certificate(parts: &Parts<'_>) -> Vec<u8> {
    let algorithm = der::sequence(&[der::oid::ED25519]);
    let (not_before, not_after) = parts.validity;
    let to_be_signed = der::sequence(&[
        // Version 3.
        &der::element(der::CONTEXT_0, &[&der::element(der::INTEGER, &[&[2]])]),
        &der::element(der::INTEGER, &[parts.serial]),
        &algorithm,
        parts.issuer,
        &der::sequence(&[&der::time(not_before), &der::time(not_after)]),
        parts.subject,
        parts.public_key,
        &der::element(der::CONTEXT_3, &[&der::sequence(&[&parts.extensions.concat()])]),
    ]);
    let digest = Sha512::digest(&to_be_signed);
    der::sequence(&[&to_be_signed, &algorithm, &der::bit_string(&digest)])
}
