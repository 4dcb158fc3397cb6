//! The host name of a claim.

use std::{fmt, str::FromStr};

use idna::{
    AsciiDenyList,
    uts46::{Hyphens, Uts46},
};

use super::{error::DomainNameError, serde_as_text, suffix, syntax};

/// A host name that a customer can claim, in the one form that is stored and compared.
///
/// A-labels in lower case, without a final dot, at least two labels; the first may be `*`. The
/// order is that of the text.
///
/// [`FromStr`] takes what a person types and checks the syntax alone: UTS #46 in its strict form
/// (non-transitional, STD 3, hyphens, bidi, joiners), the lengths of RFC 1035 section 2.3.4, one
/// final dot, `xn--` only before the punycode of a valid label, no number as the top-level domain
/// and no address. Whether the name may be claimed is [`ClaimPolicy::admit`](super::ClaimPolicy).
///
/// A text of more than 253 characters is refused unread: UTS #46 may map it to a name, but nobody
/// types one. What reading costs is bounded, and it allocates nothing but the name.
///
/// ```
/// use nameplate::name::DomainName;
///
/// let name: DomainName = "www.Bücher.example.".parse()?;
/// assert_eq!(name.as_str(), "www.xn--bcher-kva.example");
/// assert_eq!(name.registrable(), Some("xn--bcher-kva.example"));
///
/// let error = "exa mple.com".parse::<DomainName>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "label 1 `exa mple`: character ` ` at offset 3 is not allowed"
/// );
/// # Ok::<(), nameplate::name::DomainNameError>(())
/// ```
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DomainName(Box<str>);

impl DomainName {
    /// Returns the canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name with U-labels, to show to people beside the canonical one.
    pub fn to_unicode(&self) -> String {
        let base = self.base_str();
        // Cannot fail: the A-labels were valid when the name was parsed.
        let (shown, _) =
            Uts46::new().to_unicode(base.as_bytes(), AsciiDenyList::STD3, Hyphens::Check);
        if self.is_wildcard() { format!("*.{shown}") } else { shown.into_owned() }
    }

    /// Returns the registrable domain: the public suffix and one label more, as `example.co.uk`.
    ///
    /// That of the [`base`](Self::base) for a wildcard, and `None` if the base is itself a public
    /// suffix. Both sections of the list count; an unlisted last label is a suffix.
    pub fn registrable(&self) -> Option<&str> {
        suffix::registrable(self.base_str())
    }

    /// Returns whether this is the registrable domain itself.
    pub fn is_apex(&self) -> bool {
        self.registrable() == Some(self.as_str())
    }

    /// Returns whether the first label is `*`.
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with("*.")
    }

    /// Returns the name without a leading `*.`.
    ///
    /// Of `*.com` that is `com`: the one way to a name of one label, which neither parses nor can
    /// be claimed.
    pub fn base(&self) -> Self {
        Self(self.base_str().into())
    }

    /// Returns the labels from left to right.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }

    /// Returns the text without a leading `*.`.
    pub(super) fn base_str(&self) -> &str {
        self.0.strip_prefix("*.").unwrap_or(&self.0)
    }
}

impl FromStr for DomainName {
    type Err = DomainNameError;

    fn from_str(text: &str) -> Result<Self, DomainNameError> {
        syntax::canonical(text).map(Self)
    }
}

impl AsRef<str> for DomainName {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DomainName({self})")
    }
}

serde_as_text!(DomainName, as_str);

#[cfg(test)]
mod tests;
