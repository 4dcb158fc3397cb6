//! Which implementation of cryptography is used, said by whoever builds a backend.

use std::sync::Arc;

/// An implementation of the cryptography of TLS and of signatures.
///
/// It is always passed explicitly. Cargo joins the features of all crates of an application, so a
/// default that depends on what happens to be compiled in would change when some other dependency
/// does, and the process-wide default of rustls panics when both are. That one is neither used nor
/// set.
///
/// Whatever takes one also takes a provider of rustls, which a host that has its own can pass as it
/// is: with that, neither feature is needed.
///
/// ```
/// # #[cfg(all(feature = "http-probe", feature = "ring"))]
/// # fn example(
/// #     resolver: nameplate::resolver::InMemoryResolver,
/// #     of_rustls: std::sync::Arc<rustls::crypto::CryptoProvider>,
/// # ) {
/// use nameplate::{probe::HttpProbe, transport::CryptoProvider};
///
/// let probe = HttpProbe::builder(resolver.clone(), CryptoProvider::Ring);
/// let probe = HttpProbe::builder(resolver, of_rustls); // Arc<rustls::crypto::CryptoProvider>
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CryptoProvider {
    /// AWS-LC (feature `aws-lc-rs`).
    #[cfg(feature = "aws-lc-rs")]
    AwsLcRs,
    /// ring (feature `ring`).
    #[cfg(feature = "ring")]
    Ring,
    /// One that the host brings, of rustls 0.23: with validated cryptography or from hardware, for
    /// example.
    Rustls(Arc<rustls::crypto::CryptoProvider>),
}

impl CryptoProvider {
    /// Returns what rustls calls a provider.
    pub(crate) fn provider(&self) -> Arc<rustls::crypto::CryptoProvider> {
        match self {
            #[cfg(feature = "aws-lc-rs")]
            Self::AwsLcRs => Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
            #[cfg(feature = "ring")]
            Self::Ring => Arc::new(rustls::crypto::ring::default_provider()),
            Self::Rustls(provider) => Arc::clone(provider),
        }
    }
}

impl From<rustls::crypto::CryptoProvider> for CryptoProvider {
    fn from(provider: rustls::crypto::CryptoProvider) -> Self {
        Self::Rustls(Arc::new(provider))
    }
}

impl From<Arc<rustls::crypto::CryptoProvider>> for CryptoProvider {
    fn from(provider: Arc<rustls::crypto::CryptoProvider>) -> Self {
        Self::Rustls(provider)
    }
}
