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

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use x509_parser::{certificate::X509Certificate, prelude::FromDer};

    use super::*;
    use crate::keys::{InMemoryKeys, Keys, RcgenKeys};

    fn request(keys: &impl Keys) -> SigningRequest {
        let key = keys.generate().unwrap();
        let names = vec!["shop.example.com".parse().unwrap(), "*.example.com".parse().unwrap()];
        let now = Timestamp::from_timestamp(1_800_000_000, 0).unwrap();
        SigningRequest {
            csr: keys.request(&key, &names).unwrap(),
            public_key: keys.public_key(&key).unwrap(),
            names,
            not_before: now,
            not_after: now + TimeDelta::days(90),
            serial: [0x7f; 16],
        }
    }

    #[test]
    fn each_certificate_of_a_chain_is_signed_by_the_next_up_to_the_root() {
        let signer = RcgenSigner::new().unwrap();
        let request = request(&RcgenKeys);
        let mut chain = signer.sign(&request).unwrap();
        chain.push(signer.root_der().to_vec());
        let chain: Vec<X509Certificate<'_>> =
            chain.iter().map(|der| X509Certificate::from_der(der).unwrap().1).collect();
        for pair in chain.windows(2) {
            pair[0].verify_signature(Some(pair[1].public_key())).unwrap();
            assert_eq!(pair[0].issuer().as_raw(), pair[1].subject().as_raw());
            assert!(pair[1].is_ca());
        }
        assert!(!chain[0].is_ca());
        assert_eq!(chain[0].public_key().raw, request.public_key);
        assert_eq!(chain[0].raw_serial(), [0x7f; 16]);
        assert_eq!(chain[0].validity().not_before.timestamp(), 1_800_000_000);
        assert_eq!(chain[0].validity().not_after.timestamp(), 1_800_000_000 + 90 * 86_400);
    }

    #[test]
    fn request_with_a_wrong_signature_is_refused() {
        let signer = RcgenSigner::new().unwrap();
        let mut changed = request(&RcgenKeys);
        let last = changed.csr.last_mut().unwrap();
        *last ^= 1;
        for wrong in [changed, request(&InMemoryKeys::new())] {
            let error = signer.sign(&wrong).unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::Refused, Some("badCSR")));
        }
    }

    #[test]
    fn two_signers_have_two_roots_and_show_no_key() {
        let [one, two] = [(); 2].map(|()| RcgenSigner::new().unwrap());
        assert_ne!(one.root_pem(), two.root_pem());
        assert!(one.root_pem().starts_with("-----BEGIN CERTIFICATE-----"));
        assert_eq!(format!("{one:?}"), "RcgenSigner { .. }");
    }
}
