//! TLS handshakes with whatever certificate the client asks for.

use std::{fmt, io, sync::Arc, time::Duration};

use rustls::{ServerConfig, server::ResolvesServerCertUsingSni};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

use super::identities::{Identities, Limits, Outcome, Served, Usage};
use crate::{
    clock::{Clock, SystemClock, Timer, TokioTimer},
    engine::Edge,
    error::{Error, ErrorKind, Result},
    name::DomainName,
    transport::CryptoProvider,
};

/// An alert that ends a connection before the handshake (RFC 8446 section 6.2).
#[derive(Clone, Copy, Debug)]
enum Alert {
    InternalError,
    MissingExtension,
    UnrecognizedName,
}

impl Alert {
    const fn code(self) -> u8 {
        match self {
            Self::InternalError => 80,
            Self::MissingExtension => 109,
            Self::UnrecognizedName => 112,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::InternalError => "internal_error",
            Self::MissingExtension => "missing_extension",
            Self::UnrecognizedName => "unrecognized_name",
        }
    }

    /// Sends the alert and ends the stream. Whoever does not take it is not waited for: the
    /// deadline of the connection still counts.
    async fn send(self, io: &mut (impl AsyncWrite + Unpin)) {
        // A plain record of type alert, two bytes long, fatal: nothing is encrypted yet.
        let record = [21, 3, 3, 0, 2, 2, self.code()];
        // The connection has failed anyway.
        if io.write_all(&record).await.is_ok() {
            let _ = io.shutdown().await;
        }
    }
}

/// A connection whose handshake is complete.
#[derive(Debug)]
#[non_exhaustive]
pub struct Accepted<IO> {
    /// The encrypted stream. [`get_ref`](TlsStream::get_ref) tells the ALPN protocol.
    pub stream: TlsStream<IO>,
    /// The name that the client asked for, in its canonical form.
    ///
    /// An HTTP server compares it with the `Host` of each request, and answers 421 where they differ
    /// (RFC 9110 section 7.4).
    pub server_name: DomainName,
    /// What it is served with, and whose it is.
    pub served: Served,
}

/// Puts an [`Acceptor`] together.
#[derive(Debug)]
pub struct AcceptorBuilder {
    edge: Edge,
    crypto: CryptoProvider,
    clock: Arc<dyn Clock>,
    timer: Arc<dyn Timer>,
    alpn: Vec<Vec<u8>>,
    handshake_timeout: Duration,
    limits: Limits,
}

impl AcceptorBuilder {
    /// Sets the application protocols (RFC 7301), the preferred one first; none otherwise.
    ///
    /// With any, a client that offers only others is refused.
    #[must_use]
    pub fn with_alpn<P: Into<Vec<u8>>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.alpn = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// Reads the age of what is kept from another clock than the system's.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Waits with another timer than tokio's.
    #[must_use]
    pub fn with_timer(mut self, timer: impl Timer) -> Self {
        self.timer = Arc::new(timer);
        self
    }

    /// Sets how long a handshake may take from the first byte to the last, with the load of the
    /// certificate; 10 seconds otherwise.
    #[must_use]
    pub fn with_handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// Sets how long a load may take; 5 seconds otherwise.
    ///
    /// Then a certificate that is kept is served on, within
    /// [`with_max_stale`](Self::with_max_stale), and other names are refused. Should be shorter
    /// than the handshake may take.
    #[must_use]
    pub fn with_load_timeout(mut self, timeout: Duration) -> Self {
        self.limits.load_timeout = timeout;
        self
    }

    /// Sets how many names are loaded at the same time; 64 otherwise. Further ones wait.
    #[must_use]
    pub fn with_max_loads(mut self, loads: usize) -> Self {
        self.limits.loads = loads;
        self
    }

    /// Sets how many certificates are kept with their keys; 10,000 otherwise.
    ///
    /// Each takes about two to three kilobytes. Those that were not used lately make room for
    /// others.
    #[must_use]
    pub fn with_capacity(mut self, identities: usize) -> Self {
        self.limits.identities = identities;
        self
    }

    /// Sets how many other names are remembered: those that nobody holds, those that a wildcard
    /// covers, and those whose load failed; 10,000 otherwise.
    #[must_use]
    pub fn with_host_capacity(mut self, hosts: usize) -> Self {
        self.limits.hosts = hosts;
        self
    }

    /// Sets after how long the store is asked whether what is kept is still right; 30 seconds
    /// otherwise.
    ///
    /// While the store answers, a domain that was removed is refused, and a certificate that was
    /// renewed is served, at most this long afterwards. A connection that was accepted before lives
    /// on: ending it is the platform's choice.
    #[must_use]
    pub fn with_revalidate_after(mut self, age: Duration) -> Self {
        self.limits.revalidate_after = age;
        self
    }

    /// Sets for how long a name that nobody holds is refused without asking the store again; 5
    /// seconds otherwise. At most so long after its activation is a domain refused.
    #[must_use]
    pub fn with_unknown_for(mut self, age: Duration) -> Self {
        self.limits.unknown_for = age;
        self
    }

    /// Sets how long after the store last confirmed it a certificate is served while the store
    /// does not answer; one hour otherwise. Never beyond the certificate's own end.
    ///
    /// This is how long a removal can take to reach this replica at the worst.
    #[must_use]
    pub fn with_max_stale(mut self, age: Duration) -> Self {
        self.limits.max_stale = age;
        self
    }

    /// Builds.
    ///
    /// # Errors
    ///
    /// `Invalid` if the crypto provider cannot do TLS 1.2 and 1.3, or loads are limited to none.
    pub fn build(self) -> Result<Acceptor> {
        let invalid = |message: &str| Error::new(ErrorKind::Invalid, "acceptor", "build", message);
        if self.limits.loads == 0 || self.limits.loads > tokio::sync::Semaphore::MAX_PERMITS {
            return Err(invalid("the number of loads at the same time is out of range"));
        }
        let mut base = ServerConfig::builder_with_provider(self.crypto.provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| {
                invalid("the crypto provider cannot do TLS 1.2 and 1.3").with_source(error)
            })?
            .with_no_client_auth()
            // Resolves nothing: each certificate gets a copy with a resolver of its own.
            .with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()));
        base.alpn_protocols = self.alpn;
        // No resumption, see `Acceptor`.
        base.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        base.send_tls13_tickets = 0;
        let Self { edge, clock, timer, limits, .. } = self;
        Ok(Acceptor(Arc::new(Inner {
            identities: Identities::new(edge, clock, timer.clone(), base, limits),
            timer,
            handshake_timeout: self.handshake_timeout,
        })))
    }
}

/// Accepts TLS connections for every name of the platform. Clones are cheap and share what they
/// keep.
///
/// # Flow
///
/// [`accept`](Self::accept) reads the ClientHello, takes the server name out of it (RFC 6066 section
/// 3), gets the certificate, and only then goes on with the handshake. A certificate that is not
/// kept is loaded through [`Edge`], once for all connections that ask for the name.
///
/// # Guarantees
///
/// * A name that nobody holds costs one look-up in the store, and no other until
///   [`with_unknown_for`](AcceptorBuilder::with_unknown_for) has passed. It is refused with the
///   alert `unrecognized_name`.
/// * What strangers ask for never displaces the certificate of a name that is in use.
/// * A removal or a renewal arrives within
///   [`with_revalidate_after`](AcceptorBuilder::with_revalidate_after); while the store does not
///   answer, within [`with_max_stale`](AcceptorBuilder::with_max_stale).
/// * Sessions are not resumed: there are no tickets and no session cache. Every connection proves
///   the name with the certificate of that moment, so that none outlives a removal or a renewal, no
///   ticket key has to be shared between replicas and rotated, and an idle name takes no memory for
///   the sessions of its visitors. The price is a full handshake, about a tenth of a millisecond.
///
/// # Assumptions
///
/// The caller limits how many connections are accepted at the same time: each takes some memory
/// until the handshake is done or has taken too long.
///
/// # Caveats
///
/// A private key is unsealed when it is loaded, and kept by rustls, in memory, until its place is
/// needed or the store says that nobody holds the name any more.
///
/// ```no_run
/// # #[cfg(feature = "ring")]
/// # async fn serve(
/// #     onboarding: nameplate::engine::Onboarding,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// use nameplate::{serve::Acceptor, transport::CryptoProvider};
///
/// let acceptor = Acceptor::builder(onboarding.edge(), CryptoProvider::Ring)
///     .with_alpn(["h2", "http/1.1"])
///     .build()?;
/// let listener = tokio::net::TcpListener::bind("[::]:443").await?;
/// loop {
///     let (connection, _) = listener.accept().await?;
///     let acceptor = acceptor.clone();
///     tokio::spawn(async move {
///         match acceptor.accept(connection).await {
///             Ok(accepted) => println!("{} for {}", accepted.server_name, accepted.served.tenant),
///             Err(error) => eprintln!("{error}"),
///         }
///     });
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Acceptor(Arc<Inner>);

struct Inner {
    identities: Identities,
    timer: Arc<dyn Timer>,
    handshake_timeout: Duration,
}

impl Acceptor {
    /// Starts to put an acceptor together.
    pub fn builder(edge: Edge, crypto: impl Into<CryptoProvider>) -> AcceptorBuilder {
        AcceptorBuilder {
            edge,
            crypto: crypto.into(),
            clock: Arc::new(SystemClock),
            timer: Arc::new(TokioTimer),
            alpn: Vec::new(),
            handshake_timeout: Duration::from_secs(10),
            limits: Limits {
                identities: 10_000,
                hosts: 10_000,
                loads: 64,
                load_timeout: Duration::from_secs(5),
                revalidate_after: Duration::from_secs(30),
                unknown_for: Duration::from_secs(5),
                max_stale: Duration::from_secs(3600),
            },
        }
    }

    /// Completes the handshake on a new connection.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the connection. Others that wait for the same certificate are not
    /// affected.
    ///
    /// # Errors
    ///
    /// The connection is gone then. [`Error::subject`] is the name that was asked for, as far as
    /// known, and [`Error::code`] the alert in the parentheses, if it was sent.
    ///
    /// * `Invalid`: the client asked for no name (`missing_extension`), or one that cannot be a
    ///   host name (`unrecognized_name`);
    /// * `NotFound`: nobody holds the name, or it has no certificate (`unrecognized_name`);
    /// * `Malformed`: the client does not speak TLS;
    /// * `Unsupported`: no version, cipher suite, signature scheme or protocol is common to both;
    /// * `Refused`: the client ended the handshake with an alert;
    /// * `Unavailable`: the client went away or took too long;
    /// * those of the store and the sealer, and `Malformed` for a certificate that cannot be used
    ///   (`internal_error`).
    pub async fn accept<IO>(&self, io: IO) -> Result<Accepted<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        tokio::select! {
            biased;
            accepted = self.handshake(io) => accepted,
            () = self.0.timer.sleep(self.0.handshake_timeout) => {
                Err(error(ErrorKind::Unavailable, "the handshake took too long"))
            }
        }
    }

    /// Returns what `host` is served with, as [`accept`](Self::accept) would serve it: for a
    /// transport of one's own, or to load a name before the first visitor comes.
    ///
    /// # Errors
    ///
    /// `NotFound` if nobody holds the name or it has no certificate; those of the store and the
    /// sealer; `Malformed` for a certificate that cannot be used.
    pub async fn load(&self, host: &DomainName) -> Result<Served> {
        match self.0.identities.get(host).await {
            Outcome::Served(served) => Ok(served),
            Outcome::Nobody => Err(nobody(host)),
            Outcome::Failed(error) => Err(unknown(host, error)),
        }
    }

    /// Returns how much is kept.
    pub fn usage(&self) -> Usage {
        self.0.identities.usage()
    }

    async fn handshake<IO>(&self, io: IO) -> Result<Accepted<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let mut start =
            LazyConfigAcceptor::new(rustls::server::Acceptor::default(), io).await.map_err(lost)?;
        let name = start.client_hello().server_name().map(str::to_owned);
        let (server_name, served) = match self.choose(name).await {
            Ok(chosen) => chosen,
            Err((alert, error)) => {
                alert.send(&mut start.io).await;
                return Err(error.with_code(alert.as_str()));
            }
        };
        let stream = start
            .into_stream(served.config.clone())
            .await
            .map_err(|error| lost(error).with_subject(&server_name))?;
        Ok(Accepted { stream, server_name, served })
    }

    /// Returns what to serve to a client that asks for `name`.
    async fn choose(&self, name: Option<String>) -> Result<(DomainName, Served), (Alert, Error)> {
        let Some(name) = name else {
            let message = "the client asked for no name";
            return Err((Alert::MissingExtension, error(ErrorKind::Invalid, message)));
        };
        let host: DomainName = name.parse().map_err(|reason| {
            let invalid = error(ErrorKind::Invalid, "the client asked for what is not a host name");
            (Alert::UnrecognizedName, invalid.with_subject(&name).with_source(reason))
        })?;
        match self.0.identities.get(&host).await {
            Outcome::Served(served) => Ok((host, served)),
            Outcome::Nobody => Err((Alert::UnrecognizedName, nobody(&host))),
            Outcome::Failed(error) => Err((Alert::InternalError, unknown(&host, error))),
        }
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").field("usage", &self.usage()).finish_non_exhaustive()
    }
}

fn nobody(host: &DomainName) -> Error {
    let message = format!("{host}: nobody holds the name, or it has no certificate");
    Error::new(ErrorKind::NotFound, "acceptor", "load", message).with_subject(host)
}

fn unknown(host: &DomainName, error: Arc<Error>) -> Error {
    let message = format!("{host}: it cannot be found out what it is served with");
    Error::new(error.kind(), "acceptor", "load", message).with_subject(host).with_source(error)
}

/// Says who ended a handshake, and why.
fn lost(failed: io::Error) -> Error {
    use rustls::Error as Tls;
    let tls = failed.get_ref().and_then(|source| source.downcast_ref::<Tls>());
    let (kind, message) = match tls {
        None => (ErrorKind::Unavailable, "the connection was lost in the handshake"),
        Some(Tls::AlertReceived(_)) => {
            (ErrorKind::Refused, "the client ended the handshake with an alert")
        }
        Some(Tls::PeerIncompatible(_) | Tls::NoApplicationProtocol) => {
            (ErrorKind::Unsupported, "the client and the server have nothing in common")
        }
        Some(_) => (ErrorKind::Malformed, "the client does not speak TLS as it should"),
    };
    error(kind, message).with_source(failed)
}

fn error(kind: ErrorKind, message: &str) -> Error {
    Error::new(kind, "acceptor", "accept", message)
}
