//! The lines of an export, and the check that all of them are there.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    store::{Body, Entry, Item, Key},
};

/// The version of the format that is written, and the only one that is read.
const VERSION: u32 = 1;

/// What an export is called in its first line.
const FORMAT: &str = "nameplate export";

/// Longest line, in bytes: the largest body with every character escaped, and room for the rest.
const MAX_LINE: usize = Body::MAX * 6 + (1 << 20);

#[derive(Deserialize, Serialize)]
struct Opening {
    format: String,
    version: u32,
    at: Option<Timestamp>,
}

/// What follows the opening.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    Item(Item),
    Entry(Entry),
    /// What the store could not read: an item, or the rest of the log of the one before.
    LeftOut(Key),
    End(End),
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct End {
    items: u64,
    entries: u64,
    sha256: String,
}

/// What an export holds, known to be complete: the result of an [`Inspection`].
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Manifest {
    /// When the export began, by the time of its store.
    pub at: Timestamp,
    /// How many items are in it.
    pub items: u64,
    /// How many log entries.
    pub entries: u64,
    /// How many items, or rests of their logs, are missing because the store could not read them: the
    /// lines that begin with `{"left_out"` name them.
    pub left_out: u64,
    /// The SHA-256 digest of all lines but the last, 64 hexadecimal characters.
    pub sha256: String,
}

/// Counts and digests lines, on whichever side.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    digest: Sha256,
    items: u64,
    entries: u64,
    pub(super) left_out: u64,
}

impl Tally {
    fn digest(&mut self, line: &str) {
        self.digest.update(line);
        self.digest.update("\n");
    }

    fn end(&self) -> End {
        End {
            items: self.items,
            entries: self.entries,
            sha256: hex::encode(self.digest.clone().finalize()),
        }
    }

    /// Writes the first line.
    pub(super) fn open(&mut self, at: Timestamp, lines: &mut String) -> Result<()> {
        let opening = Opening { format: FORMAT.to_owned(), version: VERSION, at: Some(at) };
        self.write(&opening, lines)
    }

    pub(super) fn item(&mut self, item: &Item, lines: &mut String) -> Result<()> {
        self.items = self.items.saturating_add(1);
        self.write(&Line::Item(item.clone()), lines)
    }

    pub(super) fn entry(&mut self, entry: Entry, lines: &mut String) -> Result<()> {
        self.entries = self.entries.saturating_add(1);
        self.write(&Line::Entry(entry), lines)
    }

    pub(super) fn left_out(&mut self, key: Key, lines: &mut String) -> Result<()> {
        self.left_out = self.left_out.saturating_add(1);
        self.write(&Line::LeftOut(key), lines)
    }

    /// Writes the last line.
    pub(super) fn close(&mut self, lines: &mut String) -> Result<()> {
        let end = Line::End(self.end());
        self.write(&end, lines)
    }

    fn write(&mut self, content: &impl Serialize, lines: &mut String) -> Result<()> {
        let line = serde_json::to_string(content).map_err(|error| {
            let message = "an item that cannot be written";
            Error::new(ErrorKind::Internal, "engine", "export", message).with_source(error)
        })?;
        self.digest(&line);
        lines.push_str(&line);
        lines.push('\n');
        Ok(())
    }
}

/// Reads the lines of an export without storing anything, and tells whether all of them are there.
///
/// Holds no more than a line at a time.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    tally: Tally,
    /// How many lines were read.
    line: u64,
    at: Option<Timestamp>,
    /// The item that entries belong to.
    item: Option<Item>,
    /// The entry before.
    last: Option<u64>,
    end: Option<End>,
}

impl Inspection {
    /// Creates one that has read nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the next line, with or without its line break.
    ///
    /// # Errors
    ///
    /// `Unsupported` for an export of another version of the format, and `Invalid` for what is no line
    /// of an export, or not in its place. Nothing after it can be read.
    pub fn line(&mut self, line: &str) -> Result<()> {
        self.read(line).map(|_| ())
    }

    /// Ends the reading.
    ///
    /// # Errors
    ///
    /// `Invalid` if the end is missing: the export was cut.
    pub fn finish(self) -> Result<Manifest> {
        let (Some(at), Some(End { items, entries, sha256 })) = (self.at, self.end) else {
            let message = format!("the export is cut after line {}: it has no end", self.line);
            return Err(Error::new(ErrorKind::Invalid, "engine", "import", message));
        };
        Ok(Manifest { at, items, entries, left_out: self.tally.left_out, sha256 })
    }

    /// Reads the next line; `None` for the first.
    pub(super) fn read(&mut self, line: &str) -> Result<Option<Line>> {
        self.line = self.line.saturating_add(1);
        let text = line.strip_suffix('\n').unwrap_or(line);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.len() > MAX_LINE {
            return Err(self.invalid("is too long"));
        }
        if self.end.is_some() {
            return Err(self.invalid("comes after the end"));
        }
        if self.at.is_none() {
            return self.open(text).map(|()| None);
        }
        // What serde says of a line may quote it, and it may hold tokens: only its place is told.
        let read: Line =
            serde_json::from_str(text).map_err(|_| self.invalid("is no line of an export"))?;
        match &read {
            Line::Item(item) => {
                if item.check_log(&[], "engine").is_err()
                    || item.restoring().check("engine").is_err()
                {
                    return Err(self.invalid("is an item that no store holds"));
                }
                self.tally.items = self.tally.items.saturating_add(1);
                self.item = Some(item.clone());
                self.last = None;
            }
            Line::Entry(entry) => {
                let item = self.item.as_ref();
                let fits = item.is_some_and(|item| {
                    item.check_log(std::slice::from_ref(entry), "engine").is_ok()
                });
                if !fits || self.last.is_some_and(|last| last >= entry.number) {
                    return Err(self.invalid("is an entry that does not belong to its item"));
                }
                self.tally.entries = self.tally.entries.saturating_add(1);
                self.last = Some(entry.number);
            }
            Line::LeftOut(_) => {
                self.tally.left_out = self.tally.left_out.saturating_add(1);
                self.item = None;
            }
            Line::End(end) => {
                if *end != self.tally.end() {
                    return Err(self.invalid("does not agree with the lines before it"));
                }
                self.end = Some(end.clone());
                return Ok(Some(read));
            }
        }
        self.tally.digest(text);
        Ok(Some(read))
    }

    fn open(&mut self, text: &str) -> Result<()> {
        let opening: Option<Opening> = serde_json::from_str(text).ok();
        let Some(opening) = opening.filter(|opening| opening.format == FORMAT) else {
            return Err(self.invalid("does not begin an export"));
        };
        let (VERSION, Some(at)) = (opening.version, opening.at) else {
            let message = format!(
                "the export is of version {}; this release knows {VERSION}",
                opening.version
            );
            return Err(Error::new(ErrorKind::Unsupported, "engine", "import", message));
        };
        self.at = Some(at);
        self.tally.digest(text);
        Ok(())
    }

    fn invalid(&self, what: &str) -> Error {
        let message = format!("line {} {what}", self.line);
        Error::new(ErrorKind::Invalid, "engine", "import", message)
    }
}
