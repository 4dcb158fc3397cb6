//! Requests to an authority: URLs, nonces, retries, and what an error means (RFC 8555 section 6).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    COMPONENT,
    api::{Directory, ProblemDocument},
    convert,
    jose::{self, AccountKey},
};
use crate::{
    clock::Clock,
    error::{Error, ErrorKind, Result},
    transport::{Effect, HttpClient, Method, Request, Response, kind_of},
};

/// Largest directory, order, authorization or problem that is read.
const OBJECT_LIMIT: usize = 64 * 1024;
/// Largest certificate chain that is read.
const CHAIN_LIMIT: usize = 256 * 1024;
/// Most nonces that are kept; each is good for one request.
const NONCES: usize = 32;
/// How often a request is signed anew with another nonce.
///
/// Pebble rejects one of twenty by default and up to one of five in our tests: ten times in a row
/// is one in ten million. A rejected request has no effect.
const NONCE_ATTEMPTS: usize = 10;

/// An authority, as seen from here: everything that is shared by accounts.
#[derive(Debug)]
pub(super) struct Wire {
    directory_url: String,
    origin: String,
    client: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    directory: Mutex<Option<Arc<Directory>>>,
    nonces: Mutex<Vec<String>>,
}

/// Who signs, and what is being done, for messages.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) operation: &'static str,
    pub(super) key: &'a AccountKey,
    /// The URL of the account, or `None` to show the key itself.
    pub(super) account: Option<&'a str>,
}

impl Call<'_> {
    /// Starts an error.
    pub(super) fn fail(&self, kind: ErrorKind, message: impl Into<String>) -> Error {
        Error::new(kind, COMPONENT, self.operation, message)
    }
}

impl Wire {
    /// Starts with an empty cache. Returns `None` if the URL is not an absolute `https` one.
    pub(super) fn new(
        directory_url: String,
        client: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
    ) -> Option<Self> {
        let origin = origin(&directory_url)?;
        let (directory, nonces) = (Mutex::default(), Mutex::default());
        Some(Self { directory_url, origin, client, clock, directory, nonces })
    }

    /// Returns the clock.
    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Returns whether a URL is one of this authority: signed requests go nowhere else.
    pub(super) fn owns(&self, url: &str) -> bool {
        origin(url).is_some_and(|origin| origin == self.origin)
    }

    /// Returns the directory (section 7.1.1), which is read once.
    pub(super) async fn directory(&self, operation: &'static str) -> Result<Arc<Directory>> {
        if let Some(directory) = self.known_directory().clone() {
            return Ok(directory);
        }
        let request = Request::new(Method::Get, &self.directory_url).with_limit(OBJECT_LIMIT);
        let response = self.send(operation, request).await?;
        if let Some(kind) = kind_of(response.status, Effect::Reads) {
            // It says nothing about whatever we are asked to do.
            let kind = match kind {
                ErrorKind::RateLimited | ErrorKind::Unavailable => kind,
                _ => ErrorKind::Malformed,
            };
            return Err(self.failure(operation, kind, &response, None));
        }
        let directory: Arc<Directory> = Arc::new(parse(operation, &response)?);
        for url in [&directory.new_nonce, &directory.new_account, &directory.new_order] {
            self.check(operation, url)?;
        }
        *self.known_directory() = Some(directory.clone());
        Ok(directory)
    }

    /// Forgets the directory if an address of it is gone.
    pub(super) fn check_directory(&self, error: &Error) {
        if error.kind() == ErrorKind::NotFound {
            *self.known_directory() = None;
        }
    }

    /// Reads what is at `url`: POST-as-GET (section 6.3).
    pub(super) async fn read(&self, call: Call<'_>, url: &str) -> Result<Response> {
        self.post(call, url, None, OBJECT_LIMIT, None).await
    }

    /// Reads the certificate chain at `url` (section 7.4.2).
    pub(super) async fn read_chain(&self, call: Call<'_>, url: &str) -> Result<Response> {
        self.post(call, url, None, CHAIN_LIMIT, Some("application/pem-certificate-chain")).await
    }

    /// Changes something at `url`.
    pub(super) async fn write(
        &self,
        call: Call<'_>,
        url: &str,
        payload: &Value,
    ) -> Result<Response> {
        self.post(call, url, Some(payload), OBJECT_LIMIT, None).await
    }

    /// Returns the value of `location`: the URL of what was made.
    pub(super) fn location(&self, call: Call<'_>, response: &Response) -> Result<String> {
        let url = response
            .header("location")
            .ok_or_else(|| call.fail(ErrorKind::Malformed, "the answer has no location"))?;
        self.check(call.operation, url)?;
        Ok(url.to_owned())
    }

    /// Refuses a URL that the authority gave but that is not of this authority (F06 of the threat
    /// model: requests must not be led elsewhere).
    pub(super) fn check(&self, operation: &'static str, url: &str) -> Result<()> {
        if self.owns(url) {
            return Ok(());
        }
        let message =
            format!("the authority names an address that is not of {}: {url}", self.origin);
        Err(Error::new(ErrorKind::Malformed, COMPONENT, operation, message))
    }

    async fn post(
        &self,
        call: Call<'_>,
        url: &str,
        payload: Option<&Value>,
        limit: usize,
        accept: Option<&str>,
    ) -> Result<Response> {
        self.check(call.operation, url)?;
        for _ in 0..NONCE_ATTEMPTS {
            let nonce = self.nonce(call.operation).await?;
            let body = call.key.request(url, &nonce, call.account, payload).ok_or_else(|| {
                call.fail(ErrorKind::Internal, "the key of the account does not sign")
            })?;
            let mut request = Request::new(Method::Post, url)
                .with_header("content-type", "application/jose+json")
                .with_body(body)
                .with_limit(limit);
            if let Some(accept) = accept {
                request = request.with_header("accept", accept);
            }
            if payload.is_none() {
                request = request.reading();
            }
            let effect = request.effect;
            let response = self.send(call.operation, request).await?;
            let Some(kind) = kind_of(response.status, effect) else {
                return Ok(response);
            };
            let problem = serde_json::from_slice::<ProblemDocument>(&response.body).ok();
            let code = problem.as_ref().map(convert::code).unwrap_or_default();
            if code != "badNonce" {
                let detail = problem.as_ref().map(|problem| &*problem.detail).unwrap_or_default();
                let kind = convert::kind(&code, detail, response.status).unwrap_or(kind);
                return Err(self.failure(call.operation, kind, &response, problem.as_ref()));
            }
        }
        let message = format!("{NONCE_ATTEMPTS} nonces in a row were rejected");
        Err(call.fail(ErrorKind::Unavailable, message).with_code("badNonce"))
    }

    /// Takes the newest nonce, or asks for one (section 7.2).
    async fn nonce(&self, operation: &'static str) -> Result<String> {
        if let Some(nonce) = self.known_nonces().pop() {
            return Ok(nonce);
        }
        let directory = self.directory(operation).await?;
        let request = Request::new(Method::Head, &directory.new_nonce).with_limit(OBJECT_LIMIT);
        let response = self.send(operation, request).await?;
        match kind_of(response.status, Effect::Reads) {
            Some(ErrorKind::NotFound) => {
                *self.known_directory() = None;
                Err(self.failure(operation, ErrorKind::Malformed, &response, None))
            }
            Some(kind @ (ErrorKind::RateLimited | ErrorKind::Unavailable)) => {
                Err(self.failure(operation, kind, &response, None))
            }
            Some(_) => Err(self.failure(operation, ErrorKind::Malformed, &response, None)),
            None => self.known_nonces().pop().ok_or_else(|| {
                let message = "the authority gives no nonce";
                Error::new(ErrorKind::Malformed, COMPONENT, operation, message)
            }),
        }
    }

    /// Sends, and keeps the nonce of the answer (section 6.5).
    async fn send(&self, operation: &'static str, request: Request) -> Result<Response> {
        let response = self.client.send(request).await.map_err(|error| {
            let mut outer = Error::new(error.kind(), COMPONENT, operation, error.message());
            if let Some(wait) = error.retry_after() {
                outer = outer.with_retry_after(wait);
            }
            outer.with_source(error)
        })?;
        if let Some(nonce) = response.header("replay-nonce").filter(|nonce| jose::is_token(nonce)) {
            let mut nonces = self.known_nonces();
            if nonces.len() == NONCES {
                nonces.remove(0);
            }
            nonces.push(nonce.to_owned());
        }
        Ok(response)
    }

    /// Makes the error of an answer.
    fn failure(
        &self,
        operation: &'static str,
        kind: ErrorKind,
        response: &Response,
        problem: Option<&ProblemDocument>,
    ) -> Error {
        let status = response.status;
        let mut error = match problem.map(convert::problem) {
            Some(problem) if problem.code.is_empty() => {
                let message = format!("status {status}: {}", problem.detail);
                Error::new(kind, COMPONENT, operation, message)
            }
            Some(problem) => {
                let message = format!("status {status}, {problem}");
                Error::new(kind, COMPONENT, operation, message).with_code(problem.code)
            }
            // Whatever it is, it is not ACME's: a proxy's page is of no use to anybody.
            None => Error::new(kind, COMPONENT, operation, format!("status {status}")),
        };
        if let Some(wait) = response.retry_after(self.clock.now()) {
            error = error.with_retry_after(wait);
        }
        error
    }

    // Both are locked for one statement and never while waiting.
    fn known_directory(&self) -> MutexGuard<'_, Option<Arc<Directory>>> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_nonces(&self) -> MutexGuard<'_, Vec<String>> {
        self.nonces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the content of an answer.
pub(super) fn parse<T: DeserializeOwned>(
    operation: &'static str,
    response: &Response,
) -> Result<T> {
    serde_json::from_slice(&response.body).map_err(|error| {
        // The text of the error may quote a value, which is bounded like every message.
        Error::new(ErrorKind::Malformed, COMPONENT, operation, "the answer is not as in RFC 8555")
            .with_source(error)
    })
}

/// Returns host and port of an `https` URL, in one spelling, or `None` if it is not plainly one.
///
/// Stricter than the syntax of URLs, so that whatever parses it later sees the same host.
fn origin(url: &str) -> Option<String> {
    if url.len() > 2000 || !url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return None;
    }
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
    if !scheme.eq_ignore_ascii_case("https")
        || path.contains('#')
        || !authority.bytes().all(plain)
        || authority.starts_with(':')
        || authority.is_empty()
    {
        return None;
    }
    let authority = authority.to_ascii_lowercase();
    Some(authority.strip_suffix(":443").map(str::to_owned).unwrap_or(authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_read_in_one_way_only() {
        for (url, expected) in [
            ("https://ca.example/directory", Some("ca.example")),
            ("HTTPS://CA.Example:443", Some("ca.example")),
            ("https://ca.example:14000/dir?x=/../", Some("ca.example:14000")),
            ("https://[::1]:14000/dir", Some("[::1]:14000")),
            ("https://ca.example?https://evil.example", Some("ca.example")),
            ("http://ca.example/directory", None),
            ("https:/ca.example/", None),
            ("https:///directory", None),
            ("https://:443/", None),
            ("https://ca.example@evil.example/", None),
            ("https://ca.example\\@evil.example/", None),
            ("https://ca.example /", None),
            ("https://ca.example/\n", None),
            ("https://c\u{e4}.example/", None),
            ("https://ca.example%2eevil.example/", None),
            ("https://ca.example/#x", None),
            ("/order/1", None),
            ("", None),
        ] {
            assert_eq!(origin(url).as_deref(), expected, "{url:?}");
        }
        assert_eq!(origin(&format!("https://ca.example/{}", "a".repeat(2000))), None);
    }
}
