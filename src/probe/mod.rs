//! Looking at a host over HTTP, as a validation server or a visitor does.

mod memory;

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::{error::Result, name::DomainName};

pub use memory::InMemoryProbe;

/// A page to fetch over plain HTTP.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Fetch {
    /// The host.
    pub host: DomainName,
    /// The path, with the leading `/`.
    pub path: String,
}

impl Fetch {
    /// Creates a request.
    pub fn new(host: DomainName, path: impl Into<String>) -> Self {
        Self { host, path: path.into() }
    }
}

/// What came back.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fetched {
    /// A response.
    Response {
        /// The status code.
        status: u16,
        /// The body, cut to [`Fetched::MAX_BODY`].
        body: Vec<u8>,
    },
    /// The name has no address, or none that may be asked.
    NoAddress,
    /// Nobody answered, or not in time.
    Unreachable,
}

impl Fetched {
    /// Most bytes of a body that are read.
    pub const MAX_BODY: usize = 1024;
}

/// Something that fetches a page from a host.
///
/// # Contract
///
/// Each point is a case of `conformance::probe`.
///
/// * Nothing is followed, sent along or decoded: one request, one response.
/// * The body is cut, never refused, at [`Fetched::MAX_BODY`].
/// * What a host does is a [`Fetched`]; an error is about ourselves.
///
/// # Errors
///
/// `Invalid` for a path without a leading `/` or with control characters, `Unavailable` if no
/// socket could be had.
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
