//! HTTP by reqwest and rustls.

use std::{net::IpAddr, time::Duration};

use async_trait::async_trait;

use super::{
    CryptoProvider, Effect, HttpClient, Method, Request, Response,
    guard::{NotPublic, PublicOnly},
    without_query,
};
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
pub struct ReqwestClient {
    client: reqwest::Client,
    public_only: Option<PublicOnly>,
}

impl ReqwestClient {
    /// Creates a client that trusts what the platform trusts.
    ///
    /// # Errors
    ///
    /// As [`ReqwestClientBuilder::build`].
    pub fn new(crypto: impl Into<CryptoProvider>) -> Result<Self> {
        Self::builder(crypto).build()
    }

    /// Starts a client with options.
    pub fn builder(crypto: impl Into<CryptoProvider>) -> ReqwestClientBuilder {
        ReqwestClientBuilder {
            crypto: crypto.into(),
            roots: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            public_only: false,
            denied: Vec::new(),
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
    public_only: bool,
    denied: Vec<IpAddr>,
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

    /// Connects to addresses on the public internet only, as
    /// [`is_public`](crate::address::is_public) says.
    ///
    /// For URLs that customers choose. A name is looked up once for a connection, is refused if any of
    /// its addresses is not public, and what is connected to is an address that was looked at. A
    /// refused name is `Unavailable`, a refused address in a URL `Invalid`.
    pub const fn with_public_addresses_only(mut self) -> Self {
        self.public_only = true;
        self
    }

    /// Connects to [public addresses only](Self::with_public_addresses_only), and to none of these
    /// either: those of the platform's own machines, and of services that only its data center reaches,
    /// such as `168.63.129.16` in Azure.
    pub fn with_denied(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.denied.extend(addresses);
        self.with_public_addresses_only()
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
        let mut config = self.crypto.client_config(COMPONENT, &self.roots)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let builder = reqwest::Client::builder();
        let public_only = self.public_only.then(|| PublicOnly::new(self.denied));
        let builder = match &public_only {
            Some(guard) => builder.dns_resolver(guard.clone()),
            None => builder,
        };
        builder
            .tls_backend_preconfigured(config)
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(self.connect_timeout)
            .timeout(self.timeout)
            .user_agent(concat!("nameplate/", env!("CARGO_PKG_VERSION")))
            .build()
            .map(|client| ReqwestClient { client, public_only })
            .map_err(|error| {
                Error::new(ErrorKind::Internal, COMPONENT, "build", "no client").with_source(error)
            })
    }
}

#[async_trait]
impl HttpClient for ReqwestClient {
    async fn send(&self, request: Request) -> Result<Response> {
        let Request { method, url, headers, body, effect, limit } = request;
        let operation = method.as_str();
        let place = without_query(&url).to_owned();
        let fail =
            |kind, what: &str| Error::new(kind, COMPONENT, operation, format!("{place}: {what}"));

        let mut builder = self.client.request(convert(method), &url);
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
        if let Some(guard) = &self.public_only
            && let Err(error) = guard.screen_host(request.url().host_str().unwrap_or_default())
        {
            return Err(fail(ErrorKind::Invalid, "not a public address").with_source(error));
        }
        let mut response = self.client.execute(request).await.map_err(|error| {
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
    if NotPublic::is_behind(error) {
        "not a public address"
    } else if error.is_connect() {
        "cannot connect"
    } else if error.is_timeout() {
        "no answer in time"
    } else {
        "the connection broke"
    }
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, sync::Arc, task::Poll};

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    const CRYPTO: CryptoProvider = CryptoProvider::Ring;

    fn client() -> ReqwestClient {
        ReqwestClient::builder(CRYPTO)
            .with_connect_timeout(Duration::from_secs(5))
            .with_timeout(Duration::from_millis(500))
            .with_root_pem(authority().0)
            .build()
            .unwrap()
    }

    /// Returns a self-signed certificate for `localhost` in PEM, and DER with its key.
    fn authority() -> (String, Vec<u8>, Vec<u8>) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        (certificate.pem(), certificate.der().to_vec(), key.serialize_der())
    }

    /// Answers every connection with these bytes once a request has come, and keeps it open or not.
    async fn server(answer: &'static [u8], keep: bool) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer).await;
                stream.write_all(answer).await.unwrap();
                if keep {
                    open.push(stream);
                }
            }
        });
        address
    }

    async fn get(answer: &'static [u8], limit: usize) -> Result<Response> {
        let url = format!("http://{}/path?secret=hunter2", server(answer, false).await);
        client().send(Request::new(Method::Get, url).with_limit(limit)).await
    }

    #[tokio::test]
    async fn an_answer_of_any_status_is_an_answer() {
        let answer =
            b"HTTP/1.1 503 No\r\nRetry-After: 7\r\nX-Odd: \xff\r\ncontent-length: 2\r\n\r\nno";
        let response = get(answer, 2).await.unwrap();
        assert_eq!((response.status, &response.body[..]), (503, &b"no"[..]));
        assert_eq!(response.header("retry-after"), Some("7"));
        assert_eq!(response.header("x-odd"), None);
        // The address would refuse a connection.
        let answer = b"HTTP/1.1 302 Over there\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(get(answer, 0).await.unwrap().status, 302);
        // A HEAD announces what it does not send.
        let url = format!(
            "http://{}/",
            server(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n", false).await
        );
        let head = Request::new(Method::Head, url).with_limit(9);
        assert_eq!(client().send(head).await.unwrap().body, b"");
    }

    #[tokio::test]
    async fn an_answer_is_not_read_beyond_its_limit() {
        for answer in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"[..],
            b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\nabc",
        ] {
            assert_eq!(get(answer, 2).await.unwrap_err().kind(), ErrorKind::Malformed);
        }
        let fits = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        assert_eq!(get(fits, 3).await.unwrap().body, b"abc");
    }

    #[tokio::test]
    async fn a_failure_after_sending_is_unknown_unless_it_only_reads() {
        for (answer, keep) in [
            (&b""[..], false),
            (b"", true),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", false),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", true),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz", false),
            (b"SSH-2.0-OpenSSH\r\n", false),
        ] {
            let url = format!("http://{}/path?secret=hunter2", server(answer, keep).await);
            let post = Request::new(Method::Post, &url).with_body("hunter2");
            for (request, kind) in [
                (post.clone(), ErrorKind::Unknown),
                (post.reading(), ErrorKind::Unavailable),
                (Request::new(Method::Get, &url), ErrorKind::Unavailable),
            ] {
                let error = client().send(request).await.unwrap_err();
                assert_eq!(error.kind(), kind, "{answer:?} {error:?}");
                assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
            }
        }
    }

    #[tokio::test]
    async fn what_cannot_connect_sent_nothing() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        // Speaks no TLS.
        let plain = server(b"HTTP/1.1 400 Bad Request\r\n\r\n", false).await;
        for url in [
            format!("http://{closed}/?secret=hunter2"),
            format!("https://{plain}/?secret=hunter2"),
            "https://nowhere.invalid/?secret=hunter2".to_owned(),
        ] {
            let error = client().send(Request::new(Method::Post, &url)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{url} {error:?}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[tokio::test]
    async fn only_public_addresses_are_connected_to_if_that_is_asked_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = ReqwestClient::builder(CRYPTO)
            .with_root_pem(authority().0)
            .with_public_addresses_only()
            .build()
            .unwrap();
        for (host, kind) in [
            ("localhost", ErrorKind::Unavailable),
            ("127.0.0.1", ErrorKind::Invalid),
            // Other ways to write it: the URL knows them all.
            ("2130706433", ErrorKind::Invalid),
            ("0x7f.1", ErrorKind::Invalid),
            ("0177.0.0.1", ErrorKind::Invalid),
            ("[::1]", ErrorKind::Invalid),
            ("[::ffff:127.0.0.1]", ErrorKind::Invalid),
            ("169.254.169.254", ErrorKind::Invalid),
        ] {
            let url = format!("http://{host}:{port}/?secret=hunter2");
            let error = client.send(Request::new(Method::Post, url)).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{host} {error:?}");
            assert!(error.message().ends_with("not a public address"), "{host} {error:?}");
        }
        tokio::task::yield_now().await;
        let connected =
            std::future::poll_fn(|context| Poll::Ready(listener.poll_accept(context).is_ready()));
        assert!(!connected.await, "something connected");
    }

    #[tokio::test]
    async fn what_cannot_be_sent_is_invalid() {
        for request in [
            Request::new(Method::Get, ""),
            Request::new(Method::Get, "no url"),
            Request::new(Method::Get, "http:///"),
            Request::new(Method::Get, "http://127.0.0.1:1/").with_header("not a name", "x"),
            Request::new(Method::Get, "http://127.0.0.1:1/").with_header("x", "two\r\nlines"),
        ] {
            let error = client().send(request).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        }
    }

    #[test]
    fn roots_are_certificates() {
        let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for pem in ["", "nonsense", bad, "-----BEGIN CERTIFICATE-----\n"] {
            let error = ReqwestClient::builder(CRYPTO).with_root_pem(pem).build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{pem}");
        }
    }

    /// Sends a request over TLS and returns the protocol of the answer.
    #[cfg(feature = "rustls")]
    async fn over_tls(
        client_crypto: CryptoProvider,
        server_crypto: CryptoProvider,
        trusted: bool,
    ) -> Result<Response> {
        use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

        let (pem, certificate, key) = authority();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
        let config = rustls::ServerConfig::builder_with_provider(server_crypto.provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.into()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
            let _ = stream.shutdown().await;
        });
        let root = if trusted { pem } else { authority().0 };
        let client = ReqwestClient::builder(client_crypto).with_root_pem(root).build().unwrap();
        client.send(Request::new(Method::Post, url)).await
    }

    #[cfg(feature = "rustls")]
    #[tokio::test]
    async fn only_the_given_roots_are_trusted() {
        assert_eq!(over_tls(CRYPTO, CRYPTO, true).await.unwrap().status, 204);
        let error = over_tls(CRYPTO, CRYPTO, false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }

    // Here rustls panics if anybody leaves the choice to it.
    #[cfg(all(feature = "rustls", feature = "aws-lc-rs"))]
    #[tokio::test]
    async fn both_providers_and_the_hosts_own_work_in_one_process() {
        let of_the_host = Arc::new(rustls::crypto::ring::default_provider());
        let all = [CryptoProvider::AwsLcRs, CryptoProvider::Ring, of_the_host.into()];
        for client in &all {
            ReqwestClient::new(client.clone()).unwrap();
            for server in &all {
                let response = over_tls(client.clone(), server.clone(), true).await.unwrap();
                assert_eq!(response.status, 204);
            }
        }
        assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    }
}
