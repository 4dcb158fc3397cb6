//! Cuts a zone file into entries and items, RFC 1035 section 5.1.

use std::borrow::Cow;

use super::error::{Position, Problem};

/// Most bytes of the items of one entry: 65535 octets of text, each as `\DDD`, fit twice.
pub(super) const ENTRY_LIMIT: usize = 512 * 1024;

/// One entry: a directive or a record, without comments, parentheses and ends of lines.
#[derive(Debug, Default)]
pub(super) struct Entry<'a> {
    /// Whether it starts with white space, so that its owner is the one before.
    pub(super) blank: bool,
    /// Never empty.
    pub(super) items: Vec<Item<'a>>,
    /// Where its last item ends: the place of one that is missing.
    pub(super) end: Position,
}

/// One item of an entry: a word, or a string in quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a> {
    /// As it stands in the file, with its quotes and escapes.
    pub(super) text: &'a [u8],
    pub(super) position: Position,
    pub(super) quoted: bool,
}

impl<'a> Item<'a> {
    /// Returns a word as text, or `None` for a string in quotes and for what is not UTF-8.
    pub(super) fn word(&self) -> Option<&'a str> {
        if self.quoted { None } else { std::str::from_utf8(self.text).ok() }
    }

    /// Returns the item as presentation text without raw control characters.
    ///
    /// `None` for a word that is not UTF-8. In a string every octet may stand as it is, and becomes
    /// `\DDD` where it is not text.
    pub(super) fn presentation(&self) -> Option<Cow<'a, str>> {
        if let Ok(text) = std::str::from_utf8(self.text)
            && !text.bytes().any(|b| b.is_ascii_control())
            && (text.is_ascii() || !text.contains('\\'))
        {
            return Some(Cow::Borrowed(text));
        }
        if !self.text.contains(&b'"') {
            return None;
        }
        let mut shown = String::with_capacity(self.text.len() + 16);
        let mut escaped = false;
        for octet in self.text {
            match octet {
                b' '..=b'~' => {
                    shown.push(char::from(*octet));
                    escaped = *octet == b'\\' && !escaped;
                }
                // The backslash before it is there already.
                _ if escaped => {
                    shown.push_str(&format!("{octet:03}"));
                    escaped = false;
                }
                _ => shown.push_str(&format!("\\{octet:03}")),
            }
        }
        Some(Cow::Owned(shown))
    }
}

/// What is wrong, and where.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) position: Position,
    pub(super) problem: Problem,
}

/// Keeps the first failure.
fn note(failure: &mut Option<Failure>, position: Position, problem: Problem) {
    failure.get_or_insert(Failure { position, problem });
}

/// Reads entries one after another.
pub(super) struct Entries<'a> {
    text: &'a [u8],
    offset: usize,
    line: u32,
    line_start: usize,
}

impl<'a> Entries<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, offset: 0, line: 1, line_start: 0 }
    }

    /// Reads the next entry into `entry`; `None` at the end of the file.
    ///
    /// After a failure the next call goes on behind the entry that failed, so that one mistake is
    /// told once.
    pub(super) fn read(&mut self, entry: &mut Entry<'a>) -> Option<Result<(), Failure>> {
        entry.items.clear();
        entry.blank = matches!(self.peek(), Some(b' ' | b'\t'));
        let mut failure = None;
        // Where each open parenthesis is; more than one is a mistake.
        let mut open: Option<Position> = None;
        let mut depth = 0_usize;
        let mut size = 0_usize;
        loop {
            let position = self.position();
            let Some(byte) = self.peek() else {
                if let Some(open) = open {
                    note(&mut failure, open, Problem::ParenthesisOpen);
                }
                break;
            };
            match byte {
                b' ' | b'\t' => self.offset += 1,
                b';' => self.skip_comment(),
                b'\n' | b'\r' if self.at_line_end() => {
                    self.end_line();
                    if depth == 0 {
                        if failure.is_some() || !entry.items.is_empty() {
                            break;
                        }
                        entry.blank = matches!(self.peek(), Some(b' ' | b'\t'));
                    }
                }
                b'(' => {
                    self.offset += 1;
                    depth += 1;
                    if depth > 1 {
                        note(&mut failure, position, Problem::ParenthesisNested);
                    } else {
                        open = Some(position);
                    }
                }
                b')' => {
                    self.offset += 1;
                    match depth.checked_sub(1) {
                        Some(less) => depth = less,
                        None => note(&mut failure, position, Problem::ParenthesisClosed),
                    }
                    if depth == 0 {
                        open = None;
                    }
                }
                _ => match self.item(byte == b'"') {
                    Ok(item) => {
                        size = size.saturating_add(item.text.len());
                        if size > ENTRY_LIMIT {
                            note(&mut failure, position, Problem::EntryTooLong);
                            entry.items.clear();
                        } else {
                            entry.items.push(item);
                            entry.end = self.position();
                        }
                    }
                    Err(Failure { position, problem }) => note(&mut failure, position, problem),
                },
            }
        }
        match failure {
            Some(failure) => Some(Err(failure)),
            None if entry.items.is_empty() => None,
            None => Some(Ok(())),
        }
    }

    /// Reads one item; the caller has seen that one starts here.
    fn item(&mut self, quoted: bool) -> Result<Item<'a>, Failure> {
        let position = self.position();
        let start = self.offset;
        let result = if quoted { self.string(position) } else { self.word() };
        result.map(|()| {
            let text = self.text.get(start..self.offset).unwrap_or_default();
            Item { text, position, quoted }
        })
    }

    /// Passes a word, which may end in a string as `alpn="h2,h3"` does (RFC 9460 section 2.1).
    fn word(&mut self) -> Result<(), Failure> {
        let mut failure = None;
        let mut before = 0;
        while let Some(byte) = self.peek() {
            let position = self.position();
            match byte {
                b' ' | b'\t' | b';' | b'(' | b')' => break,
                b'\n' | b'\r' if self.at_line_end() => break,
                b'\\' => {
                    self.offset += 1;
                    match self.peek() {
                        Some(b' '..=b'~') => self.offset += 1,
                        _ => {
                            note(&mut failure, position, Problem::Escape);
                        }
                    }
                    before = 0;
                    continue;
                }
                b'"' if before == b'=' && failure.is_none() => return self.string(position),
                b'"' => {
                    note(&mut failure, position, Problem::QuoteInWord);
                }
                _ if byte.is_ascii_control() => {
                    note(&mut failure, position, Problem::Control(byte));
                }
                _ => {}
            }
            before = byte;
            self.offset += 1;
        }
        failure.map_or(Ok(()), Err)
    }

    /// Passes a string in quotes, which may go over the ends of lines (RFC 1035 section 5.1).
    fn string(&mut self, open: Position) -> Result<(), Failure> {
        self.offset += 1;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.offset += 1;
                    return self.separated(open);
                }
                b'\\' => {
                    self.offset += 1;
                    // What is escaped may be the end of a line, which still has to be counted.
                    if matches!(self.peek(), Some(b' '..=b'~')) {
                        self.offset += 1;
                    }
                }
                b'\n' => self.end_line(),
                _ => self.offset += 1,
            }
        }
        Err(Failure { position: open, problem: Problem::QuoteOpen })
    }

    /// Checks that nothing follows a string without white space between.
    fn separated(&self, open: Position) -> Result<(), Failure> {
        match self.peek() {
            None | Some(b' ' | b'\t' | b'\n' | b';' | b'(' | b')') => Ok(()),
            Some(b'\r') if self.at_line_end() => Ok(()),
            // Most likely the quotes on its first line were never closed.
            Some(_) if open.line != self.line => {
                Err(Failure { position: open, problem: Problem::QuoteClosedAt(self.line) })
            }
            Some(_) => Err(Failure { position: self.position(), problem: Problem::Separator }),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.offset).copied()
    }

    /// Whether LF or CR LF is next. A lone CR ends no line.
    fn at_line_end(&self) -> bool {
        let rest = self.text.get(self.offset..).unwrap_or_default();
        rest.starts_with(b"\n") || rest.starts_with(b"\r\n")
    }

    fn end_line(&mut self) {
        self.offset += 1 + usize::from(self.peek() == Some(b'\r'));
        self.line = self.line.saturating_add(1);
        self.line_start = self.offset;
    }

    fn skip_comment(&mut self) {
        let rest = self.text.get(self.offset..).unwrap_or_default();
        self.offset += rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
    }

    fn position(&self) -> Position {
        let column = self.offset.saturating_sub(self.line_start).saturating_add(1);
        Position { line: self.line, column: u32::try_from(column).unwrap_or(u32::MAX) }
    }
}
