//! Which implementation of cryptography is used, said by whoever builds a backend.

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
compile_error!("feature `reqwest` encrypts: it needs feature `ring` or `aws-lc-rs`");

use std::sync::Arc;

/// An implementation of the cryptography of TLS and of signatures.
///
/// It is always passed explicitly. Cargo joins the features of all crates of an application, so a
/// default that depends on what happens to be compiled in would change when some other dependency
/// does, and the process-wide default of rustls panics when both are.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum CryptoProvider {
    /// AWS-LC (feature `aws-lc-rs`).
    #[cfg(feature = "aws-lc-rs")]
    AwsLcRs,
    /// ring (feature `ring`).
    #[cfg(feature = "ring")]
    Ring,
}

impl CryptoProvider {
    /// Returns what rustls calls a provider.
    pub(crate) fn provider(self) -> Arc<rustls::crypto::CryptoProvider> {
        match self {
            #[cfg(feature = "aws-lc-rs")]
            Self::AwsLcRs => Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
            #[cfg(feature = "ring")]
            Self::Ring => Arc::new(rustls::crypto::ring::default_provider()),
        }
    }
}
