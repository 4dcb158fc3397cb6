//! Plain HTTP: the answers that validation servers come for, and a redirect for everybody else.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue, LOCATION},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Semaphore,
};

use super::recent::Recent;
use crate::{
    clock::{Clock, SystemClock, Timer, Timestamp, TokioTimer, after},
    engine::Edge,
    error::{Error, ErrorKind, Result},
    name::DomainName,
};

/// Where the answers are (RFC 8555 section 8.3).
const CHALLENGES: &str = "/.well-known/acme-challenge/";

/// Longest path with its query that is redirected.
const MAX_TARGET: usize = 4096;

/// Most that is read of a request, and the least that hyper permits.
const MAX_REQUEST: usize = 8192;

/// What a request is to be answered with.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// 200 with this body, `application/octet-stream`: a challenge of ours.
    Answer(String),
    /// 400: the host is not a host name, or the target not a path.
    Invalid,
    /// 404.
    NotFound,
    /// 308 to this address, for a name that is served.
    Redirect(String),
}

/// Answers requests on plain HTTP. Clones are cheap and share what they keep.
///
/// `GET /.well-known/acme-challenge/{token}` is answered for the name in `Host` if an order of ours
/// waits for it (RFC 8555 section 8.3), with 404 otherwise. Whatever else is asked for is redirected
/// to the same path on HTTPS if the name is served, so that nobody uses this as an open redirect.
///
/// # Guarantees
///
/// * Of a request at most 8 KiB are read, and its body not at all. A connection takes one request,
///   and no longer than [`with_timeout`](Self::with_timeout).
/// * Whether a name is served is asked of the store once every five seconds at most, and kept for
///   10,000 names. At most 64 questions are with the store at a time.
///
/// # Assumptions
///
/// The caller limits how many connections are served at the same time.
///
/// ```no_run
/// # async fn serve(onboarding: nameplate::engine::Onboarding) -> std::io::Result<()> {
/// use nameplate::serve::Responder;
///
/// let responder = Responder::new(onboarding.edge());
/// let listener = tokio::net::TcpListener::bind("[::]:80").await?;
/// loop {
///     let (connection, _) = listener.accept().await?;
///     let responder = responder.clone();
///     tokio::spawn(async move {
///         if let Err(error) = responder.serve_connection(connection).await {
///             eprintln!("{error}");
///         }
///     });
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Responder {
    edge: Edge,
    clock: Arc<dyn Clock>,
    timer: Arc<dyn Timer>,
    timeout: Duration,
    /// The port of the redirects; `None` to redirect nothing.
    https: Option<u16>,
    kept: Arc<Kept>,
}

struct Kept {
    served: Mutex<Recent<Known>>,
    questions: Semaphore,
}

#[derive(Clone, Copy)]
struct Known {
    is_served: bool,
    at: Timestamp,
}

impl Responder {
    /// How long it is remembered whether a name is served.
    const REMEMBERED: Duration = Duration::from_secs(5);
    /// For how many names.
    const NAMES: usize = 10_000;
    /// How many questions are with the store at a time.
    const QUESTIONS: usize = 64;

    /// Creates a responder that redirects to port 443.
    pub fn new(edge: Edge) -> Self {
        Self {
            edge,
            clock: Arc::new(SystemClock),
            timer: Arc::new(TokioTimer),
            timeout: Duration::from_secs(10),
            https: Some(443),
            kept: Arc::new(Kept {
                served: Mutex::new(Recent::new(Self::NAMES)),
                questions: Semaphore::new(Self::QUESTIONS),
            }),
        }
    }

    /// Answers challenges only, and everything else with 404.
    #[must_use]
    pub fn without_redirects(mut self) -> Self {
        self.https = None;
        self
    }

    /// Redirects to another port than 443.
    #[must_use]
    pub fn with_https_port(mut self, port: u16) -> Self {
        self.https = Some(port);
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

    /// Sets how long a connection may take, from its first byte to its last; 10 seconds otherwise.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Returns what to answer to a `GET`, for a server of one's own.
    ///
    /// `host` is the value of the header, which may have a port, capitals and a final dot; `target`
    /// the path, with the query if there is one. Both may be anything.
    ///
    /// # Errors
    ///
    /// Those of the store: 503.
    pub async fn respond(&self, host: &str, target: &str) -> Result<Reply> {
        let Some(host) = host_name(host) else { return Ok(Reply::Invalid) };
        let is_path = target.starts_with('/') && target.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_path {
            return Ok(Reply::Invalid);
        }
        if let Some(token) = target.strip_prefix(CHALLENGES) {
            let _permit = self.permit().await?;
            let answer = self.edge.answer(&host, token).await?;
            return Ok(answer.map_or(Reply::NotFound, Reply::Answer));
        }
        let Some(port) = self.https.filter(|_| target.len() <= MAX_TARGET) else {
            return Ok(Reply::NotFound);
        };
        if !self.is_served(&host).await? {
            return Ok(Reply::NotFound);
        }
        Ok(Reply::Redirect(match port {
            443 => format!("https://{host}{target}"),
            _ => format!("https://{host}:{port}{target}"),
        }))
    }

    /// Serves one HTTP/1.1 request on a connection, and closes it.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the connection.
    ///
    /// # Errors
    ///
    /// * those of the store, after the client got a 503;
    /// * `Malformed`: the client does not speak HTTP/1.1, or its request is too long;
    /// * `Unavailable`: the connection was lost, or took too long.
    pub async fn serve_connection<IO>(&self, io: IO) -> Result<()>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let failure = Mutex::new(None);
        let service = service_fn(async |request| {
            let response = self.handle(request).await.unwrap_or_else(|error| {
                *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                status(StatusCode::SERVICE_UNAVAILABLE)
            });
            Ok::<_, std::convert::Infallible>(response)
        });
        let connection = http1::Builder::new()
            .keep_alive(false)
            .max_buf_size(MAX_REQUEST)
            // The whole connection has a deadline.
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(io), service);
        let served = tokio::select! {
            biased;
            served = connection => served,
            () = self.timer.sleep(self.timeout) => {
                return Err(error(ErrorKind::Unavailable, "the request took too long"));
            }
        };
        served.map_err(|lost| {
            let (kind, message) = if lost.is_parse() {
                (ErrorKind::Malformed, "the client does not speak HTTP/1.1 as it should")
            } else {
                (ErrorKind::Unavailable, "the connection was lost")
            };
            error(kind, message).with_source(lost)
        })?;
        failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    async fn handle(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
        let Some(host) = asked_host(&request) else { return Ok(status(StatusCode::BAD_REQUEST)) };
        let target = request.uri().path_and_query().map_or("", |target| target.as_str());
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        if target.starts_with(CHALLENGES) && !is_read {
            let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Ok(response);
        }
        Ok(match self.respond(&host, target).await? {
            Reply::Answer(body) => {
                let mut response = Response::new(Full::from(body));
                let headers = response.headers_mut();
                let octets = HeaderValue::from_static("application/octet-stream");
                headers.insert(CONTENT_TYPE, octets);
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                response
            }
            Reply::Invalid => status(StatusCode::BAD_REQUEST),
            Reply::NotFound => status(StatusCode::NOT_FOUND),
            Reply::Redirect(to) => {
                let Ok(to) = HeaderValue::try_from(to) else {
                    return Ok(status(StatusCode::BAD_REQUEST));
                };
                let mut response = status(StatusCode::PERMANENT_REDIRECT);
                response.headers_mut().insert(LOCATION, to);
                response
            }
        })
    }

    async fn is_served(&self, host: &DomainName) -> Result<bool> {
        let now = self.clock.now();
        if let Some(known) = self.known().get(host)
            && known.at <= now
            && now < after(known.at, Self::REMEMBERED)
        {
            return Ok(known.is_served);
        }
        let _permit = self.permit().await?;
        let is_served = self.edge.serves(host).await?.is_some();
        self.known().insert(host.clone(), Known { is_served, at: now });
        Ok(is_served)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Recent<Known>> {
        self.kept.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn permit(&self) -> Result<tokio::sync::SemaphorePermit<'_>> {
        let closed = |closed| error(ErrorKind::Internal, "closed").with_source(closed);
        self.kept.questions.acquire().await.map_err(closed)
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder")
            .field("https", &self.https)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Returns the host that a request is for: that of an absolute target, else the one header (RFC 9112
/// section 3.2).
fn asked_host(request: &Request<Incoming>) -> Option<String> {
    let mut headers = request.headers().get_all(HOST).iter();
    let header = headers.next()?.to_str().ok()?;
    if headers.next().is_some() {
        return None;
    }
    let target = request.uri().authority().map(|authority| authority.as_str());
    Some(target.unwrap_or(header).to_owned())
}

/// Returns the name in the value of a `Host` header.
fn host_name(host: &str) -> Option<DomainName> {
    let name = match host.split_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) => return None,
        None => host,
    };
    name.parse().ok().filter(|name: &DomainName| !name.is_wildcard())
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

fn error(kind: ErrorKind, message: &str) -> Error {
    Error::new(kind, "responder", "respond", message)
}

#[cfg(test)]
mod tests {
    use super::host_name;

    #[test]
    fn host_is_read_with_port_capitals_and_final_dot() {
        for host in [
            "shop.example.com",
            "Shop.EXAMPLE.com",
            "shop.example.com.",
            "shop.example.com:80",
            "SHOP.example.com.:8080",
            "shop.example.com:",
        ] {
            let name = host_name(host).unwrap();
            assert_eq!(name.as_str(), "shop.example.com", "{host}");
        }
    }

    #[test]
    fn what_is_no_host_name_is_refused() {
        for host in [
            "",
            ":80",
            "localhost",
            "127.0.0.1",
            "127.0.0.1:80",
            "[::1]:80",
            "::1",
            "*.example.com",
            "user@example.com",
            "example.com:80:80",
            "example.com:http",
            "example.com/path",
            "exa mple.com",
            "example.com\r\nlocation: x",
        ] {
            assert_eq!(host_name(host), None, "{host}");
        }
    }
}
