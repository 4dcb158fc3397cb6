//! HTTP by reqwest and rustls.

use std::{error::Error as StdError, time::Duration};

use async_trait::async_trait;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use rustls_platform_verifier::BuilderVerifierExt;

use super::{CryptoProvider, Effect, HttpClient, Method, Request, Response, without_query};
use crate::error::{Error, ErrorKind, Result};

const COMPONENT: &str = "http";

/// An [`HttpClient`] on reqwest and rustls.
///
/// Keeps connections open and shares them between clones: build one and use it for every backend.
/// Sends without delay (`TCP_NODELAY`: waiting for more to send costs 40 ms a request at an ACME
/// server), follows no redirect, uses no proxy, keeps no cookies, and trusts what the platform
/// trusts unless [roots](ReqwestClientBuilder::with_root_pem) are given.
///
/// Must be used inside a tokio runtime, on which it runs the tasks of its connections.
#[derive(Clone, Debug)]
pub struct ReqwestClient(reqwest::Client);

impl ReqwestClient {
    /// Creates a client that trusts what the platform trusts.
    ///
    /// # Errors
    ///
    /// As [`ReqwestClientBuilder::build`].
    pub fn new(crypto: CryptoProvider) -> Result<Self> {
        Self::builder(crypto).build()
    }

    /// Starts a client with options.
    pub fn builder(crypto: CryptoProvider) -> ReqwestClientBuilder {
        ReqwestClientBuilder {
            crypto,
            roots: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
        }
    }
}

/// What a [`ReqwestClient`] is built from.
#[derive(Clone, Debug)]
#[must_use]
pub struct ReqwestClientBuilder {
    crypto: CryptoProvider,
    roots: Vec<String>,
    connect_timeout: Duration,
    timeout: Duration,
}

impl ReqwestClientBuilder {
    /// Trusts the certificates in `pem`, and no others than those given this way.
    ///
    /// For a private authority, or a test server.
    pub fn with_root_pem(mut self, pem: impl Into<String>) -> Self {
        self.roots.push(pem.into());
        self
    }

    /// Sets how long connecting may take, TLS included; 5 seconds if not set.
    pub const fn with_connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Sets how long a request may take, until the last byte of the answer; 30 seconds if not set.
    pub const fn with_timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Builds the client. Sends nothing.
    ///
    /// Without own roots this reads what the platform trusts; on Linux those are files, and
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` say where, if they are set.
    ///
    /// # Errors
    ///
    /// `Invalid` for roots that are no PEM certificates, `Unavailable` if the platform has none.
    pub fn build(self) -> Result<ReqwestClient> {
        let fail = |kind, message: &str, source: Box<dyn StdError + Send + Sync>| {
            Error::new(kind, COMPONENT, "build", message).with_source(source)
        };
        // Never `ClientConfig::builder()`: it panics when two providers are compiled in.
        let config = ClientConfig::builder_with_provider(self.crypto.provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| fail(ErrorKind::Internal, "no TLS version", error.into()))?;
        let config = if self.roots.is_empty() {
            config.with_platform_verifier().map_err(|error| {
                fail(ErrorKind::Unavailable, "the platform has no roots", error.into())
            })?
        } else {
            config.with_root_certificates(roots(&self.roots)?)
        };
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        reqwest::Client::builder()
            .tls_backend_preconfigured(config)
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(self.connect_timeout)
            .timeout(self.timeout)
            .user_agent(concat!("nameplate/", env!("CARGO_PKG_VERSION")))
            .build()
            .map(ReqwestClient)
            .map_err(|error| fail(ErrorKind::Internal, "no client", error.into()))
    }
}

/// Reads the certificates of all texts.
fn roots(texts: &[String]) -> Result<RootCertStore> {
    let invalid = |message: &str| Error::new(ErrorKind::Invalid, COMPONENT, "build", message);
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

#[async_trait]
impl HttpClient for ReqwestClient {
    async fn send(&self, request: Request) -> Result<Response> {
        let Request { method, url, headers, body, effect, limit } = request;
        let operation = method.as_str();
        let place = without_query(&url).to_owned();
        let fail =
            |kind, what: &str| Error::new(kind, COMPONENT, operation, format!("{place}: {what}"));

        let mut builder = self.0.request(convert(method), &url);
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        if !body.is_empty() {
            builder = builder.body(body);
        }
        // The text of reqwest's errors holds the URL, and with it the query.
        let request = builder.build().map_err(|error| {
            fail(ErrorKind::Invalid, "not a request").with_source(error.without_url())
        })?;
        let mut response = self.0.execute(request).await.map_err(|error| {
            fail(kind(&error, effect), reason(&error)).with_source(error.without_url())
        })?;

        let too_large = || fail(ErrorKind::Malformed, "the answer is too large");
        let announced = response.content_length().unwrap_or_default();
        if method != Method::Head && announced > limit as u64 {
            return Err(too_large());
        }
        let mut content =
            Vec::with_capacity(usize::try_from(announced).unwrap_or_default().min(limit));
        while let Some(chunk) = response.chunk().await.map_err(|error| {
            fail(kind(&error, effect), reason(&error)).with_source(error.without_url())
        })? {
            if content.len() + chunk.len() > limit {
                return Err(too_large());
            }
            content.extend_from_slice(&chunk);
        }
        let headers = response
            .headers()
            .iter()
            .filter_map(|(name, value)| {
                Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
            })
            .collect();
        Ok(Response { status: response.status().as_u16(), headers, body: content })
    }
}

/// Translates a method.
fn convert(method: Method) -> reqwest::Method {
    match method {
        Method::Delete => reqwest::Method::DELETE,
        Method::Get => reqwest::Method::GET,
        Method::Head => reqwest::Method::HEAD,
        Method::Patch => reqwest::Method::PATCH,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
    }
}

/// Says what a failure means: one to connect is certain to have sent nothing.
fn kind(error: &reqwest::Error, effect: Effect) -> ErrorKind {
    match effect {
        _ if error.is_connect() => ErrorKind::Unavailable,
        Effect::Reads => ErrorKind::Unavailable,
        Effect::Writes => ErrorKind::Unknown,
    }
}

/// Says what happened, for people.
fn reason(error: &reqwest::Error) -> &'static str {
    if error.is_connect() {
        "cannot connect"
    } else if error.is_timeout() {
        "no answer in time"
    } else {
        "the connection broke"
    }
}
