//! Which redirections are followed: those to another page of the same host.

use super::{Fetch, Response};
use crate::name::DomainName;

/// How a page is fetched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scheme {
    /// Port 80
    Http,
    /// Port 443
    Https,
}

impl Scheme {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn port(self) -> &'static str {
        match self {
            Self::Http => "80",
            Self::Https => "443",
        }
    }
}

/// A page of a host that is known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Place {
    /// How.
    pub(super) scheme: Scheme,
    /// The path and the query.
    pub(super) path: String,
}

/// The pages of one host that were asked for, in order.
#[derive(Clone, Debug)]
pub(super) struct Trail<'a> {
    host: &'a DomainName,
    most: usize,
    places: Vec<Place>,
}

impl<'a> Trail<'a> {
    /// Starts at the page that is wanted, over plain HTTP, and follows no more than `most` beyond
    /// what is asked for.
    pub(super) fn new(fetch: &'a Fetch, most: usize) -> Self {
        let start = Place { scheme: Scheme::Http, path: fetch.path.clone() };
        Self { host: &fetch.host, most: fetch.redirects.min(most), places: vec![start] }
    }

    /// Returns the page to ask for after `response`, unless that is the last word.
    pub(super) fn next(&mut self, here: &Place, response: &Response) -> Option<Place> {
        // The first page is no redirection.
        if self.places.len() > self.most {
            return None;
        }
        let next = target(self.host, here, response)?;
        if self.places.contains(&next) {
            return None;
        }
        self.places.push(next.clone());
        Some(next)
    }

    /// Returns the page to begin with.
    pub(super) fn start(&self) -> Place {
        let path = self.places.first().map_or_else(|| "/".to_owned(), |place| place.path.clone());
        Place { scheme: Scheme::Http, path }
    }
}

/// Returns whether a text can stand in a request line as it is.
pub(super) fn is_path(text: &str) -> bool {
    text.starts_with('/')
        && text.len() <= Fetch::MAX_PATH
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
}

/// Returns where on the host a response redirects to.
///
/// Only absolute URLs and absolute paths are read (RFC 9110 section 10.2.2 allows more): no rule for
/// putting URLs together, no way to disagree with another reader of them.
fn target(host: &DomainName, here: &Place, response: &Response) -> Option<Place> {
    if !matches!(response.status, 301 | 302 | 307 | 308) {
        return None;
    }
    let location = response.location.as_deref()?;
    let (location, _) = location.split_once('#').unwrap_or((location, ""));
    // Browsers read a backslash as a slash.
    if location.contains('\\') {
        return None;
    }
    if location.starts_with('/') {
        let is_other_host = location.starts_with("//");
        return (!is_other_host && is_path(location))
            .then(|| Place { scheme: here.scheme, path: location.to_owned() });
    }
    let (scheme, rest) = location.split_once("://")?;
    let scheme = [Scheme::Http, Scheme::Https]
        .into_iter()
        .find(|known| scheme.eq_ignore_ascii_case(known.as_str()))?;
    let (authority, path) =
        rest.find(['/', '?']).and_then(|end| rest.split_at_checked(end)).unwrap_or((rest, "/"));
    // Compared as a text: credentials, zones, escapes, a final dot and addresses in any form differ.
    let name = match authority.split_once(':') {
        Some((name, port)) if port == scheme.port() => name,
        Some(_) => return None,
        None => authority,
    };
    let path = if path.starts_with('?') { format!("/{path}") } else { path.to_owned() };
    (name.eq_ignore_ascii_case(host.as_str()) && is_path(&path)).then_some(Place { scheme, path })
}

#[cfg(test)]
mod tests;
