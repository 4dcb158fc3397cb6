//! Looking at a host over HTTP, as a validation server or a visitor does.

#[cfg(feature = "http-probe")]
mod http;
mod memory;
mod proof;
mod redirect;

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::{
    error::{Error, ErrorKind, Result},
    name::DomainName,
};

#[cfg(feature = "http-probe")]
pub use http::{HttpProbe, HttpProbeBuilder, Lab, MixedAddresses, ProbeLimits};
pub use memory::InMemoryProbe;

/// A page to fetch, first over plain HTTP.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Fetch {
    /// The host. Not a wildcard.
    pub host: DomainName,
    /// The path with the leading `/`, and the query if there is one: visible ASCII without `#`, at
    /// most [`Fetch::MAX_PATH`] bytes.
    pub path: String,
    /// Most redirections to pages of the same host that are followed; 0 unless told.
    pub redirects: usize,
}

impl Fetch {
    /// Longest path, in bytes.
    pub const MAX_PATH: usize = 2000;

    /// Creates a request that follows nothing.
    pub fn new(host: DomainName, path: impl Into<String>) -> Self {
        Self { host, path: path.into(), redirects: 0 }
    }

    /// Follows redirections, as long as they stay on the host.
    ///
    /// A page on another host says what is there, not who has this one.
    #[must_use]
    pub const fn with_redirects(mut self, most: usize) -> Self {
        self.redirects = most;
        self
    }

    /// Refuses what cannot be sent.
    fn check(&self, component: &'static str) -> Result<()> {
        let message = if self.host.is_wildcard() {
            "a wildcard has no pages"
        } else if !redirect::is_path(&self.path) {
            "the path has no leading `/`, is too long, or has characters other than visible ASCII"
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::Invalid, component, "fetch", message))
    }
}

/// What came back.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fetched {
    /// A response.
    Response(Response),
    /// The name has no address.
    NoAddress,
    /// The DNS does not say which addresses the name has.
    Unresolved,
    /// Nobody answered, or not in time.
    Unreachable,
    /// It is not looked at.
    Refused(Flaw),
}

impl Fetched {
    /// Most bytes of a body that are read.
    pub const MAX_BODY: usize = 1024;

    /// Creates a response that has a body and no type.
    pub fn response(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Response(Response::new(status, body))
    }
}

/// What a server said.
///
/// It comes from outside: never show more of it than a short, printable piece.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The one `Location` field, if there is one of at most [`Fetch::MAX_PATH`] visible bytes.
    pub location: Option<String>,
    /// The media type of the one `Content-Type` field, in lower case, without parameters.
    pub content_type: Option<String>,
    /// The body, cut to [`Fetched::MAX_BODY`].
    pub body: Vec<u8>,
}

impl Response {
    /// Creates a response that has a body and no type.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, location: None, content_type: None, body: body.into() }
    }

    /// Sets where it redirects to.
    #[must_use]
    pub fn with_location(mut self, location: impl Into<String>) -> Self {
        self.location = Some(location.into());
        self
    }

    /// Sets the media type.
    #[must_use]
    pub fn with_content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }
}

/// What is wrong with something that is not looked at.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Flaw {
    /// The name leads to an address that is not public.
    Address,
    /// The body is encoded, although we said that we read none that is.
    Encoding,
    /// What came is longer than a response may be before its body ends.
    Length,
    /// What came is no HTTP/1.1, or can be read in more than one way.
    Malformed,
}

impl Flaw {
    /// Returns the stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Encoding => "encoding",
            Self::Length => "length",
            Self::Malformed => "malformed",
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that fetches a page from a host.
///
/// # Contract
///
/// Each point is a case of `conformance::probe`.
///
/// * Nothing is sent along or decoded, and unless asked for nothing is followed: one request, one
///   response.
/// * A redirection that is followed leads to another page of the same host; one that leads elsewhere,
///   or one too many, is itself the response.
/// * The body is cut, never refused, at [`Fetched::MAX_BODY`].
/// * What a host does is a [`Fetched`]; an error is about ourselves.
///
/// # Cancellation
///
/// Free: a page is only looked at.
///
/// # Errors
///
/// `Invalid` for a wildcard and for a path that is none, `Unavailable` if no socket could be had.
#[async_trait]
#[diagnostic::on_unimplemented(message = "`{Self}` is not a `Probe`")]
pub trait Probe: fmt::Debug + Send + Sync + 'static {
    /// Fetches a page.
    async fn fetch(&self, fetch: &Fetch) -> Result<Fetched>;
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<P: Probe + ?Sized> Probe for $pointer {
            async fn fetch(&self, fetch: &Fetch) -> Result<Fetched> {
                (**self).fetch(fetch).await
            }
        }
    )*};
}

forward!(Arc<P>, Box<P>);
