//! A response of HTTP/1.1 (RFC 9112), read byte by byte within limits.
//!
//! Where the standard lets a reader be lenient this one is not: whatever two readers could take for
//! different responses is none. Nothing here waits or allocates more than the limits say.

use super::{
    super::{Fetch, Flaw, Response},
    limits::ProbeLimits,
};

/// Whether more bytes are wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Progress {
    /// The response is not complete.
    More,
    /// It is, or as much of it as is read; what follows does not count.
    Done,
}

/// A response that is being read.
#[derive(Debug)]
pub(super) struct Reply {
    head_bytes: usize,
    fields: usize,
    interim: usize,
    body_bytes: usize,
    state: State,
    /// The line that is not complete yet.
    line: Vec<u8>,
    head: Head,
    body: Vec<u8>,
}

/// What comes next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Status,
    Fields,
    /// The rest of a body of known length.
    Length(u64),
    /// A body that ends with the connection.
    Close,
    ChunkSize,
    /// The rest of a chunk.
    Chunk(u64),
    /// The line end after a chunk.
    ChunkEnd,
    Trailers,
    Done,
}

/// What the fields say, as far as it matters.
#[derive(Debug, Default)]
struct Head {
    status: u16,
    /// Whether it is HTTP/1.0, which knows no chunks.
    is_old: bool,
    content_length: Field,
    transfer_encoding: Field,
    content_encoding: Field,
    content_type: Field,
    location: Field,
}

/// A field that means something only if it comes once.
#[derive(Debug, Default)]
enum Field {
    #[default]
    Absent,
    Once(Vec<u8>),
    Repeated,
}

impl Field {
    fn add(&mut self, value: &[u8]) {
        *self = match self {
            Self::Absent => Self::Once(value.to_vec()),
            Self::Once(_) | Self::Repeated => Self::Repeated,
        };
    }

    const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Returns the value if the field came exactly once.
    fn once(&self) -> Option<&[u8]> {
        match self {
            Self::Once(value) => Some(value),
            Self::Absent | Self::Repeated => None,
        }
    }
}

impl Reply {
    pub(super) fn new(limits: &ProbeLimits) -> Self {
        Self {
            head_bytes: limits.head_bytes,
            fields: limits.fields,
            interim: limits.interim,
            body_bytes: limits.body_bytes,
            state: State::Status,
            line: Vec::new(),
            head: Head::default(),
            body: Vec::new(),
        }
    }

    /// Reads the next bytes.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<Progress, Flaw> {
        while !bytes.is_empty() {
            bytes = match self.state {
                State::Done => break,
                State::Length(left) => {
                    let (read, rest) = self.read_body(left, bytes);
                    self.state = match left.saturating_sub(read) {
                        0 => State::Done,
                        left => State::Length(left),
                    };
                    rest
                }
                State::Chunk(left) => {
                    let (read, rest) = self.read_body(left, bytes);
                    self.state = match left.saturating_sub(read) {
                        0 => State::ChunkEnd,
                        left => State::Chunk(left),
                    };
                    rest
                }
                State::Close => self.read_body(u64::MAX, bytes).1,
                State::Status
                | State::Fields
                | State::ChunkSize
                | State::ChunkEnd
                | State::Trailers => self.read_line(bytes)?,
            };
            if self.body.len() >= self.body_bytes {
                self.state = State::Done;
            }
        }
        Ok(if self.state == State::Done { Progress::Done } else { Progress::More })
    }

    /// Returns the response, now that no more bytes come.
    pub(super) fn finish(self) -> Result<Response, Flaw> {
        // Everything else says itself where it ends, and has not ended.
        if !matches!(self.state, State::Done | State::Close) {
            return Err(Flaw::Malformed);
        }
        let location = self.head.location.once().unwrap_or_default();
        let content_type = self.head.content_type.once().unwrap_or_default();
        let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
        Ok(Response {
            status: self.head.status,
            location: visible(location, Fetch::MAX_PATH),
            content_type: visible(essence.trim_ascii(), 100).map(|text| text.to_ascii_lowercase()),
            body: self.body,
        })
    }

    /// Reads at most `left` bytes of the body. Returns how many, and what follows them.
    fn read_body<'a>(&mut self, left: u64, bytes: &'a [u8]) -> (u64, &'a [u8]) {
        let room = self.body_bytes.saturating_sub(self.body.len());
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(room);
        let (body, rest) = bytes.split_at_checked(most).unwrap_or((bytes, &[]));
        self.body.extend_from_slice(body);
        (body.len() as u64, rest)
    }

    /// Reads up to the end of a line. Returns what follows it.
    fn read_line<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Flaw> {
        let end = bytes.iter().position(|byte| *byte == b'\n').map(|at| at.saturating_add(1));
        let (part, rest) = end.and_then(|end| bytes.split_at_checked(end)).unwrap_or((bytes, &[]));
        // All that is not body draws on the same budget, so that no part can be endless.
        self.head_bytes = self.head_bytes.checked_sub(part.len()).ok_or(Flaw::Length)?;
        self.line.extend_from_slice(part);
        if self.state == State::Status {
            // What is no HTTP/1 may never end a line.
            let known = b"HTTP/1.";
            if self.line.iter().zip(known).any(|(byte, wanted)| byte != wanted) {
                return Err(Flaw::Malformed);
            }
        }
        if end.is_some() {
            let line = std::mem::take(&mut self.line);
            let line = line.strip_suffix(b"\r\n").ok_or(Flaw::Malformed)?;
            let is_text = |byte: &u8| *byte == b'\t' || *byte >= b' ' && *byte != 0x7f;
            if !line.iter().all(is_text) {
                return Err(Flaw::Malformed);
            }
            self.state = self.read(line)?;
        }
        Ok(rest)
    }

    /// Reads a line that is complete. Returns what comes next.
    fn read(&mut self, line: &[u8]) -> Result<State, Flaw> {
        match self.state {
            State::Status => {
                (self.head.is_old, self.head.status) = status(line).ok_or(Flaw::Malformed)?;
                Ok(State::Fields)
            }
            State::Fields if line.is_empty() => self.end_of_head(),
            State::Fields => {
                let (name, value) = self.field(line)?;
                if let Some(field) = self.head.field(name) {
                    field.add(value);
                }
                Ok(State::Fields)
            }
            State::ChunkSize => match chunk_size(line).ok_or(Flaw::Malformed)? {
                0 => Ok(State::Trailers),
                size => Ok(State::Chunk(size)),
            },
            State::ChunkEnd if line.is_empty() => Ok(State::ChunkSize),
            State::Trailers if line.is_empty() => Ok(State::Done),
            State::Trailers => {
                // They say nothing: a field that matters came before the body.
                self.field(line)?;
                Ok(State::Trailers)
            }
            State::ChunkEnd | State::Length(_) | State::Close | State::Chunk(_) | State::Done => {
                Err(Flaw::Malformed)
            }
        }
    }

    /// Splits a field line, which counts (RFC 9112 section 5).
    fn field<'a>(&mut self, line: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), Flaw> {
        self.fields = self.fields.checked_sub(1).ok_or(Flaw::Length)?;
        let colon = line.iter().position(|byte| *byte == b':').ok_or(Flaw::Malformed)?;
        let (name, value) = line.split_at_checked(colon).ok_or(Flaw::Malformed)?;
        // A folded line has a space first, and so no name.
        if name.is_empty() || !name.iter().all(is_token) {
            return Err(Flaw::Malformed);
        }
        Ok((name, value.get(1..).unwrap_or_default().trim_ascii()))
    }

    /// Decides how the body ends (RFC 9112 section 6.3).
    fn end_of_head(&mut self) -> Result<State, Flaw> {
        let head = &self.head;
        match head.status {
            // Nobody asked for another protocol.
            101 => return Err(Flaw::Malformed),
            100..=199 => {
                self.interim = self.interim.checked_sub(1).ok_or(Flaw::Length)?;
                self.head = Head::default();
                return Ok(State::Status);
            }
            _ => {}
        }
        let state = match (&head.transfer_encoding, &head.content_length) {
            _ if matches!(head.status, 204 | 304) => State::Done,
            (Field::Absent, Field::Absent) => State::Close,
            (Field::Absent, length) => {
                match length.once().and_then(content_length).ok_or(Flaw::Malformed)? {
                    0 => State::Done,
                    length => State::Length(length),
                }
            }
            (Field::Once(coding), Field::Absent) if !head.is_old => {
                if !coding.eq_ignore_ascii_case(b"chunked") {
                    return Err(Flaw::Encoding);
                }
                State::ChunkSize
            }
            // Both, or one that is said twice: the next reader may take the other one.
            _ => return Err(Flaw::Malformed),
        };
        let is_plain = head.content_encoding.is_absent()
            || head
                .content_encoding
                .once()
                .is_some_and(|coding| coding.eq_ignore_ascii_case(b"identity"));
        match (is_plain, head.status) {
            (true, _) => Ok(state),
            (false, 200) => Err(Flaw::Encoding),
            // The status says enough.
            (false, _) => Ok(State::Done),
        }
    }
}

impl Head {
    fn field(&mut self, name: &[u8]) -> Option<&mut Field> {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("content-length") {
            Some(&mut self.content_length)
        } else if is("transfer-encoding") {
            Some(&mut self.transfer_encoding)
        } else if is("content-encoding") {
            Some(&mut self.content_encoding)
        } else if is("content-type") {
            Some(&mut self.content_type)
        } else if is("location") {
            Some(&mut self.location)
        } else {
            None
        }
    }
}

/// Reads a status line (RFC 9112 section 4): whether it is HTTP/1.0, and the status.
fn status(line: &[u8]) -> Option<(bool, u16)> {
    let (version, rest) = line.split_at_checked(9)?;
    let is_old = match version {
        b"HTTP/1.1 " => false,
        b"HTTP/1.0 " => true,
        _ => return None,
    };
    let (code, reason) = rest.split_at_checked(3)?;
    if !matches!(reason.first(), None | Some(b' ')) {
        return None;
    }
    let status = u16::try_from(decimal(code)?).ok()?;
    (100..=599).contains(&status).then_some((is_old, status))
}

fn content_length(value: &[u8]) -> Option<u64> {
    if value.len() > 18 { None } else { decimal(value) }
}

/// Reads digits and nothing else: no sign, no space.
fn decimal(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Reads the line before a chunk; extensions are skipped (RFC 9112 section 7.1).
fn chunk_size(line: &[u8]) -> Option<u64> {
    let size = line.split(|byte| *byte == b';').next()?;
    let size = std::str::from_utf8(size).ok()?;
    if !(1..=8).contains(&size.len()) || !size.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(size, 16).ok()
}

/// Returns a text of at least one character that can be shown as it is.
fn visible(text: &[u8], limit: usize) -> Option<String> {
    let is_visible = (1..=limit).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic);
    if is_visible { String::from_utf8(text.to_vec()).ok() } else { None }
}

const fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

#[cfg(test)]
mod tests;
