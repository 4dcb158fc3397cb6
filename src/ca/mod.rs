//! Services that issue certificates, in the shape of RFC 8555.

#[cfg(feature = "acme")]
mod acme;
mod memory;
#[cfg(all(feature = "rcgen", any(feature = "ring", feature = "aws-lc-rs")))]
mod rcgen;
mod signer;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    certificate::{Handle, Problem},
    clock::Timestamp,
    error::Result,
    name::DomainName,
    secret::Secret,
};

#[cfg(feature = "acme")]
pub use acme::{Acme, AcmeBuilder};
pub use memory::InMemoryCa;
#[cfg(all(feature = "rcgen", any(feature = "ring", feature = "aws-lc-rs")))]
pub use rcgen::RcgenSigner;
pub use signer::{Signer, SigningRequest, UnsignedSigner};

/// The code of an answer that there is no such account (RFC 8555 section 6.7).
pub(crate) const NO_ACCOUNT: &str = "accountDoesNotExist";

/// The account under which an authority is asked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Account {
    /// The private key, PKCS #8 DER.
    pub key: Secret,
    /// What the authority calls the account.
    pub handle: Handle,
}

impl Account {
    /// Creates an account from its parts.
    pub const fn new(key: Secret, handle: Handle) -> Self {
        Self { key, handle }
    }
}

/// How an authority satisfies itself that a name is ours (RFC 8555 section 8).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ChallengeType {
    /// A TXT record at `_acme-challenge` (RFC 8555 section 8.4).
    #[serde(rename = "dns-01")]
    Dns01,
    /// A file under `/.well-known/acme-challenge/` (RFC 8555 section 8.3).
    #[serde(rename = "http-01")]
    Http01,
}

impl ChallengeType {
    /// Returns the name in RFC 8555.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns01 => "dns-01",
            Self::Http01 => "http-01",
        }
    }
}

/// What is to be published for one authorization.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Publication {
    /// A TXT record at `_acme-challenge` under the name.
    #[serde(rename = "dns-01")]
    Dns01 {
        /// The value: base64url of the digest of the key authorization.
        value: String,
    },
    /// A body at `http://{name}/.well-known/acme-challenge/{token}`.
    #[serde(rename = "http-01")]
    Http01 {
        /// The last part of the path.
        token: String,
        /// The body: the key authorization.
        body: String,
    },
}

impl Publication {
    /// Returns the type of challenge that it answers.
    pub const fn challenge_type(&self) -> ChallengeType {
        match self {
            Self::Dns01 { .. } => ChallengeType::Dns01,
            Self::Http01 { .. } => ChallengeType::Http01,
        }
    }
}

/// The states of an authorization that matter to an order (RFC 8555 section 7.1.6).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AuthorizationStatus {
    /// It waits for us to answer a challenge and say so.
    Pending,
    /// We said so; the authority is looking.
    Processing,
    /// It is satisfied.
    Valid,
    /// It failed, expired, or was deactivated or revoked; the order is lost.
    Invalid,
}

/// One name of an order, and what the authority wants to see for it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Authorization {
    /// What the authority calls it.
    pub handle: Handle,
    /// The name, without `*.`.
    pub name: DomainName,
    /// Where it is.
    pub status: AuthorizationStatus,
    /// What may be published, one for each type of challenge that is offered.
    pub publications: Vec<Publication>,
    /// Why it failed, in the authority's words.
    pub problem: Option<Problem>,
}

impl Authorization {
    /// Creates an authorization.
    pub const fn new(
        handle: Handle,
        name: DomainName,
        status: AuthorizationStatus,
        publications: Vec<Publication>,
    ) -> Self {
        Self { handle, name, status, publications, problem: None }
    }

    /// Adds why it failed.
    #[must_use]
    pub fn with_problem(mut self, problem: Option<Problem>) -> Self {
        self.problem = problem;
        self
    }
}

/// The states of an order at the authority (RFC 8555 section 7.1.6).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OrderState {
    /// Authorizations are missing.
    Pending,
    /// It waits for the request to finalize.
    Ready,
    /// The certificate is being made.
    Processing,
    /// The certificate can be fetched.
    Valid,
    /// It will come to nothing.
    Invalid,
}

/// How far an order is, as the authority tells it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Progress {
    /// Where the order is.
    pub state: OrderState,
    /// Its authorizations. May be empty once the order is past [`OrderState::Pending`].
    pub authorizations: Vec<Authorization>,
    /// When the order expires, if the authority says so.
    pub expires: Option<Timestamp>,
    /// When to look again, if the authority says so.
    pub retry_after: Option<Duration>,
    /// Why it is invalid.
    pub problem: Option<Problem>,
}

impl Progress {
    /// Creates a report.
    pub const fn new(state: OrderState, authorizations: Vec<Authorization>) -> Self {
        Self { state, authorizations, expires: None, retry_after: None, problem: None }
    }

    /// Adds when the order expires.
    #[must_use]
    pub const fn with_expires(mut self, expires: Option<Timestamp>) -> Self {
        self.expires = expires;
        self
    }

    /// Adds when to look again.
    #[must_use]
    pub const fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    /// Adds why it is invalid.
    #[must_use]
    pub fn with_problem(mut self, problem: Option<Problem>) -> Self {
        self.problem = problem;
        self
    }
}

/// A service that issues certificates.
///
/// It never publishes anything: what an authorization wants to see is data, and placing it is the
/// engine's business.
///
/// # Contract
///
/// Each point is a case of `conformance::ca`.
///
/// * `enroll` with a key that has an account returns that account.
/// * A handle works in another process, and for as long as the authority keeps the thing.
/// * `progress` only reads. It is the one source of truth: after any error read it again.
/// * `respond` for an authorization that is not pending, and `finalize` for an order that is not
///   ready, change nothing: the first succeeds, the second is `Precondition`.
/// * No certificate without every authorization of the order being valid.
/// * `finalize` with a request for other names than the order's is refused.
/// * The certificate is for the key of the request, and `certificate` may be read many times.
/// * An order or account of somebody else, or of nobody, is `NotFound` or `Denied`.
/// * Methods may be called at the same time.
///
/// An account that the authority does not have any more has to be told from one that it has closed: the
/// code is `accountDoesNotExist` (RFC 8555 section 6.7) for the first, and another one for the second. The
/// engine makes the first one again, by `enroll` with the same key, and leaves the second one to a person.
///
/// # Cancellation
///
/// A dropped call may have taken effect: read `progress`.
///
/// # Errors
///
/// `Refused` with the problem's type as [`Error::code`](crate::error::Error::code) when the
/// authority says no for good, `RateLimited` with `retry_after`, `Precondition`, `NotFound`,
/// `Denied`, `Malformed`, `Unsupported`, `Unavailable` when nothing happened, `Unknown` when it may
/// have.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `CertificateAuthority`",
    note = "implement `nameplate::ca::CertificateAuthority` and run `nameplate::ca_conformance!` over it"
)]
pub trait CertificateAuthority: fmt::Debug + Send + Sync + 'static {
    /// Returns the name under which accounts and orders of this authority are stored.
    ///
    /// Must not change, and must differ for two authorities: a host name and path, 1 to 150
    /// printable ASCII characters.
    fn id(&self) -> &str;

    /// Returns the names by which CAA records allow it to issue (RFC 8659 section 4.2), such as
    /// `letsencrypt.org`; none unless it says so.
    ///
    /// What is told wrongly keeps names from being ordered that could be: say nothing rather than guess.
    async fn caa_identities(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Returns the account of `key` (PKCS #8 DER), creating it if there is none.
    async fn enroll(&self, key: &Secret) -> Result<Handle>;

    /// Opens an order for a certificate of exactly these names.
    async fn open(&self, account: &Account, names: &[DomainName]) -> Result<Handle>;

    /// Reads how far an order is.
    async fn progress(&self, account: &Account, order: &Handle) -> Result<Progress>;

    /// Says that the answer to a challenge of this type is published and may be looked at.
    async fn respond(
        &self,
        account: &Account,
        order: &Handle,
        authorization: &Handle,
        challenge: ChallengeType,
    ) -> Result<()>;

    /// Hands in the certificate signing request (PKCS #10 DER) of a ready order.
    async fn finalize(&self, account: &Account, order: &Handle, csr: &[u8]) -> Result<()>;

    /// Returns the chain of a valid order, leaf first, as PEM text.
    async fn certificate(&self, account: &Account, order: &Handle) -> Result<String>;
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<C: CertificateAuthority + ?Sized> CertificateAuthority for $pointer {
            fn id(&self) -> &str {
                (**self).id()
            }

            async fn caa_identities(&self) -> Result<Vec<String>> {
                (**self).caa_identities().await
            }

            async fn enroll(&self, key: &Secret) -> Result<Handle> {
                (**self).enroll(key).await
            }

            async fn open(&self, account: &Account, names: &[DomainName]) -> Result<Handle> {
                (**self).open(account, names).await
            }

            async fn progress(&self, account: &Account, order: &Handle) -> Result<Progress> {
                (**self).progress(account, order).await
            }

            async fn respond(
                &self,
                account: &Account,
                order: &Handle,
                authorization: &Handle,
                challenge: ChallengeType,
            ) -> Result<()> {
                (**self).respond(account, order, authorization, challenge).await
            }

            async fn finalize(&self, account: &Account, order: &Handle, csr: &[u8]) -> Result<()> {
                (**self).finalize(account, order, csr).await
            }

            async fn certificate(&self, account: &Account, order: &Handle) -> Result<String> {
                (**self).certificate(account, order).await
            }
        }
    )*};
}

forward!(Arc<C>, Box<C>);
