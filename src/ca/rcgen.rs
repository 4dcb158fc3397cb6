//! A signer by the `rcgen` crate.

use std::fmt;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use rustls_pki_types::CertificateSigningRequestDer;
use x509_parser::time::ASN1Time;

use super::{Signer, SigningRequest};
use crate::{
    clock::Timestamp,
    encoding::pem,
    error::{Error, ErrorKind, Result},
};

/// A signer with a root and an intermediate of its own, made when it is created.
///
/// Its chains can be verified against [`root_pem`](Self::root_pem). The keys exist in memory alone
/// and are gone with the signer: for tests and demonstrations. It refuses a request that is not
/// signed by its own key.
pub struct RcgenSigner {
    issuer: Issuer<'static, KeyPair>,
    intermediate: Vec<u8>,
    root: Vec<u8>,
}

impl RcgenSigner {
    /// Creates a root and an intermediate, good from 1975 to 4096.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the crypto provider makes no keys.
    pub fn new() -> Result<Self> {
        let failed = |cause: rcgen::Error| {
            Error::new(ErrorKind::Unavailable, "rcgen signer", "new", "no authority")
                .with_source(cause)
        };
        let root_key = KeyPair::generate().map_err(failed)?;
        let root = authority("nameplate test root", BasicConstraints::Constrained(1));
        let root_der = root.self_signed(&root_key).map_err(failed)?.der().to_vec();
        let root = Issuer::new(root, root_key);

        let key = KeyPair::generate().map_err(failed)?;
        let intermediate =
            authority("nameplate test intermediate", BasicConstraints::Constrained(0));
        let intermediate_der = intermediate.signed_by(&key, &root).map_err(failed)?.der().to_vec();
        Ok(Self {
            issuer: Issuer::new(intermediate, key),
            intermediate: intermediate_der,
            root: root_der,
        })
    }

    /// Returns the root certificate, PEM: what a client has to trust.
    pub fn root_pem(&self) -> String {
        pem("CERTIFICATE", &self.root)
    }

    /// Returns the root certificate, DER.
    pub fn root_der(&self) -> &[u8] {
        &self.root
    }
}

impl fmt::Debug for RcgenSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RcgenSigner").finish_non_exhaustive()
    }
}

impl Signer for RcgenSigner {
    fn sign(&self, request: &SigningRequest) -> Result<Vec<Vec<u8>>> {
        let refused = |cause: rcgen::Error| {
            Error::new(ErrorKind::Refused, "rcgen signer", "sign", "the request cannot be signed")
                .with_code("badCSR")
                .with_source(cause)
        };
        // Reading it verifies its signature. What it asks for was checked; only its key counts.
        let csr = CertificateSigningRequestDer::from(request.csr.as_slice());
        let csr = CertificateSigningRequestParams::from_der(&csr).map_err(refused)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.serial_number = Some(SerialNumber::from_slice(&request.serial));
        // By way of x509-parser, which has the same type of instants.
        let time = |at: Timestamp| {
            ASN1Time::from_timestamp(at.timestamp()).map(|time| time.to_datetime()).map_err(|_| {
                let message = "an instant that cannot be written";
                Error::new(ErrorKind::Invalid, "rcgen signer", "sign", message)
            })
        };
        params.not_before = time(request.not_before)?;
        params.not_after = time(request.not_after)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.is_ca = IsCa::ExplicitNoCa;
        for name in &request.names {
            let name = name.as_str().try_into().map_err(refused)?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        let leaf = params.signed_by(&csr.public_key, &self.issuer).map_err(refused)?;
        Ok(vec![leaf.der().to_vec(), self.intermediate.clone()])
    }
}

fn authority(name: &str, constraints: BasicConstraints) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(constraints);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params
}
