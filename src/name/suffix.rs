//! The public suffix list, compiled in by the `psl` crate.

use psl::{List, Psl as _, Type};

/// The part of the list that names a public suffix.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Section {
    /// Registries: `com`, `co.uk`.
    Icann,
    /// Companies that give names to their customers: `github.io`.
    Private,
    /// No rule of the list: its default rule makes the last label a suffix.
    Unlisted,
}

/// Returns the part of `name` that somebody registered: one label more than its public suffix.
pub(super) fn registrable(name: &str) -> Option<&str> {
    psl::domain_str(name)
}

/// Returns the section that lists `name`, or `None` if `name` is no public suffix.
pub(super) fn section(name: &str) -> Option<Section> {
    let suffix = List.suffix(name.as_bytes())?;
    (suffix.as_bytes().len() == name.len()).then(|| match suffix.typ() {
        Some(Type::Icann) => Section::Icann,
        Some(Type::Private) => Section::Private,
        None => Section::Unlisted,
    })
}
