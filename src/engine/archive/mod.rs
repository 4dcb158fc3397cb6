//! Everything that a store holds as lines of JSON, and back.
//!
//! # Format
//!
//! One object a line, in this order: an opening with the version of the format; each item, followed by
//! the entries of its log; what the store could not read, by its key; an end that counts both and has the SHA-256 digest of all lines before it.
//! Sealed secrets are in it as they are stored: whoever has the key of the sealer can open them.
//!
//! # Guarantees
//!
//! * What is imported into an empty store is what was exported: items with their revisions, headers and
//!   bodies, unique keys, and log entries with their numbers and times. Revisions and numbers go on
//!   from there, so that what refers to them stays right.
//! * Importing the same lines again changes nothing, also after it was interrupted half way.
//! * Nothing is imported over what is there, and nothing is taken from another item: what is in the way
//!   is reported, item by item.
//! * A file that is cut, changed or of an unknown version is refused before anything is stored.
//!
//! # Caveats
//!
//! Each item is as it was at one moment, but not all at the same one: while workers and commands go on,
//! a domain may be in the export as it was before a renewal and its new certificate with it. For an
//! export that is exact, stop them, or export from a copy of the store such as
//! `Sqlite::backup` makes. Leases and wakes are not part of an item: what was being worked on is due
//! after the import, and so is every feed, for only a wake may have said that there is more to tell. A
//! domain that was woken by another one's change looks when it is due by itself, within
//! [`Policy::recheck`](crate::engine::Policy::recheck) and a quarter.

mod export;
mod import;
mod line;

use super::operator::Operator;

pub use export::Export;
pub use import::{Import, ImportConflict, ImportReport, Obstacle};
pub use line::{Inspection, Manifest};

impl Operator {
    /// Starts to write down everything that the store holds.
    ///
    /// ```
    /// # use nameplate::{Onboarding, Result, engine::Inspection};
    /// # async fn example(onboarding: &Onboarding, other: &Onboarding) -> Result<()> {
    /// let mut file = String::new();
    /// let mut export = onboarding.operator().export();
    /// while let Some(lines) = export.chunk().await? {
    ///     file.push_str(&lines);
    /// }
    ///
    /// let mut inspection = Inspection::new();
    /// file.lines().try_for_each(|line| inspection.line(line))?;
    /// let mut import = other.operator().import(inspection.finish()?);
    /// for line in file.lines() {
    ///     import.line(line).await?;
    /// }
    /// let report = import.finish().await?;
    /// assert!(report.conflicts.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn export(&self) -> Export {
        Export::new(self.backends.store.clone())
    }

    /// Starts to store what was exported, once it was inspected from the first line to the last.
    ///
    /// No worker should run on the store until it has ended.
    pub fn import(&self, manifest: Manifest) -> Import {
        Import::new(self.backends.store.clone(), manifest)
    }
}
