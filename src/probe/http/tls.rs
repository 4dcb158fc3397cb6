//! TLS that says whom it asks for and takes whatever answers.
//!
//! Who asks for a proof of ownership has no certificate for the name yet, and neither may have who
//! serves it. What is fetched is public, and what it proves does not rest on TLS: the same page over
//! plain HTTP would do.

use std::sync::Arc;

use rustls::{
    ClientConfig, DigitallySignedStruct, Error as TlsError, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use super::COMPONENT;
use crate::error::{Error, ErrorKind, Result};

/// Returns what all handshakes have in common.
pub(super) fn config(provider: Arc<CryptoProvider>) -> Result<Arc<ClientConfig>> {
    let verifier = TakeAny(Arc::clone(&provider));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| {
            let message = "the crypto provider cannot do TLS 1.2 and 1.3";
            Error::new(ErrorKind::Invalid, COMPONENT, "build", message).with_source(error)
        })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A session that is resumed would tell two looks to be of the same client.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Takes any certificate, and so any signature with it.
#[derive(Debug)]
struct TakeAny(Arc<CryptoProvider>);

impl ServerCertVerifier for TakeAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
