//! TLS to servers that have to show who they are.

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use rustls_platform_verifier::BuilderVerifierExt;

use super::CryptoProvider;
use crate::error::{Error, ErrorKind, Result};

impl CryptoProvider {
    /// Returns how `component` speaks TLS: it trusts the certificates in `roots`, PEM texts, or what
    /// the platform trusts if there are none.
    pub(crate) fn client_config(
        &self,
        component: &'static str,
        roots: &[String],
    ) -> Result<ClientConfig> {
        let error = |kind, message: &str| Error::new(kind, component, "build", message);
        // Never `ClientConfig::builder()`: it panics when two providers are compiled in.
        let config = ClientConfig::builder_with_provider(self.provider())
            .with_safe_default_protocol_versions()
            .map_err(|no| error(ErrorKind::Internal, "no TLS version").with_source(no))?;
        let config = if roots.is_empty() {
            config.with_platform_verifier().map_err(|no| {
                error(ErrorKind::Unavailable, "the platform has no roots").with_source(no)
            })?
        } else {
            config.with_root_certificates(store(component, roots)?)
        };
        Ok(config.with_no_client_auth())
    }
}

/// Reads the certificates of all texts.
fn store(component: &'static str, texts: &[String]) -> Result<RootCertStore> {
    let invalid = |message: &str| Error::new(ErrorKind::Invalid, component, "build", message);
    let mut store = RootCertStore::empty();
    for text in texts {
        let before = store.len();
        for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
            let certificate = certificate
                .map_err(|error| invalid("a root is no PEM").with_source(error.to_string()))?;
            store
                .add(certificate)
                .map_err(|error| invalid("a root is no certificate").with_source(error))?;
        }
        if store.len() == before {
            return Err(invalid("there is no PEM certificate among the roots"));
        }
    }
    Ok(store)
}
