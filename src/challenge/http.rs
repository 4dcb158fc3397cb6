//! Proof of ownership by a page.

use std::fmt;

use sha2::{Digest, Sha256};

use super::{Brand, Challenge, Method, MethodError, Scope, TOKEN_LENGTH};
use crate::{
    error::{Error, ErrorKind, Result},
    name::DomainName,
    secret::constant_time_eq,
};

/// A page that proves that a name is a tenant's: where it is, and what it says.
///
/// The address of the page says nothing of the token, so that a server which repeats what it is asked
/// for proves nothing. A page proves the name that it is on, and no wildcard, parent or child.
///
/// ```
/// use nameplate::challenge::{Brand, HttpProof};
///
/// let token = "0".repeat(64);
/// let proof = HttpProof::new(&Brand::new("acme")?, "shop.example.com".parse()?, 1, &token)?;
/// assert!(proof.url().starts_with("http://shop.example.com/.well-known/acme-challenge/"));
/// assert!(proof.is_proved_by(Some("text/plain"), format!("{token}\n").as_bytes()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct HttpProof {
    name: DomainName,
    generation: u32,
    path: String,
    token: String,
}

impl HttpProof {
    /// Describes the page for a token of [`Challenge::draw_token`](super::Challenge::draw_token).
    ///
    /// # Errors
    ///
    /// `Invalid` for a wildcard, and for a token that is not 64 hexadecimal characters.
    pub fn new(brand: &Brand, name: DomainName, generation: u32, token: &str) -> Result<Self> {
        let invalid =
            |message: String| Error::new(ErrorKind::Invalid, "challenge", "create", message);
        if name.is_wildcard() {
            return Err(invalid(format!("{name}: {}", MethodError::Wildcard))
                .with_source(MethodError::Wildcard));
        }
        if token.len() != TOKEN_LENGTH || !token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(invalid(format!("a token is {TOKEN_LENGTH} hexadecimal characters")));
        }
        let path = Self::path_in(&format!("{}-challenge", brand.as_str()), token);
        Ok(Self { name, generation, path, token: token.to_owned() })
    }

    /// Returns the path of the page for a token, below a directory.
    pub(super) fn path_in(service: &str, token: &str) -> String {
        let digest = Sha256::new().chain_update(b"http file\0").chain_update(token).finalize();
        let mut id = hex::encode(digest);
        id.truncate(32);
        format!("/.well-known/{service}/{id}.txt")
    }

    /// Describes the page that a challenge asks for, if it asks for one.
    pub(super) fn of(challenge: &Challenge) -> Option<Self> {
        let Challenge { method, scope, owner, token, path, generation, .. } = challenge;
        // An empty token would be proved by an empty page.
        let is_whole = token.len() == TOKEN_LENGTH;
        let path = path.clone().filter(|_| is_whole)?;
        (*method == Method::Http && *scope == Scope::Host).then_some(())?;
        let name = owner.as_str().parse().ok()?;
        Some(Self { name, generation: *generation, path, token: token.clone() })
    }

    /// Returns the name that is proved, which is the host.
    pub const fn name(&self) -> &DomainName {
        &self.name
    }

    /// Returns the generation of the claim.
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// Returns the path of the page.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the address of the page.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.name, self.path)
    }

    /// Returns what the page says: the token and nothing else.
    pub fn body(&self) -> &str {
        &self.token
    }

    /// Returns whether a page is the proof.
    ///
    /// It is text of any kind (`text/*`), and holds the token byte by byte; one line end (LF or CR LF)
    /// may follow, since that is what editors leave. Takes the same time wherever a page of the same
    /// length differs.
    pub fn is_proved_by(&self, content_type: Option<&str>, body: &[u8]) -> bool {
        let is_text = content_type.is_some_and(|media| media.starts_with("text/"));
        let line = body.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        is_text && constant_time_eq(line.unwrap_or(body), self.token.as_bytes())
    }
}

impl fmt::Debug for HttpProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, generation, .. } = self;
        let mut shown = f.debug_struct("HttpProof");
        shown.field("name", name).field("generation", generation).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
