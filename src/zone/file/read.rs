//! Makes records of the entries of a zone file.

use std::borrow::Cow;

use super::{
    ZoneFile, ZoneFileError, ZoneFileErrors,
    error::{Excerpt, Position, Problem},
    token::{Entries, Entry, Failure, Item},
};
use crate::{
    name::DnsName,
    record::{DnsRecord, RecordData, RecordType, Ttl},
};

/// A byte order mark, which some editors write and no name starts with.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Reads a file of at most `limit` records whose zone is `origin`, or else the owner of its SOA.
pub(super) fn read(
    text: &[u8],
    origin: Option<&DnsName>,
    limit: usize,
) -> Result<ZoneFile, ZoneFileErrors> {
    let mut reader = Reader {
        limit,
        zone: origin.cloned(),
        origin: origin.cloned(),
        owner: Owner::Missing,
        stated: None,
        default: None,
        records: Vec::new(),
        lines: Vec::new(),
    };
    let errors = reader.read(text);
    let nowhere = Position { line: 1, column: 1 };
    let missing = || ZoneFileError::new(nowhere, Problem::OriginMissing);
    match ZoneFileErrors::from_all(errors) {
        Some(errors) => Err(errors),
        None => match reader.zone {
            Some(origin) => Ok(ZoneFile { origin, records: reader.records, lines: reader.lines }),
            None => Err(ZoneFileErrors::of(missing())),
        },
    }
}

/// What an entry that starts with white space is about.
enum Owner {
    Missing,
    /// It was told already that it is wrong.
    Wrong,
    Name(DnsName),
}

/// What was read, and what the next entry inherits.
struct Reader {
    /// The most records.
    limit: usize,
    /// The zone, once it is known.
    zone: Option<DnsName>,
    origin: Option<DnsName>,
    owner: Owner,
    /// The last TTL that a record stated, RFC 1035 section 5.1.
    stated: Option<Ttl>,
    /// The last `$TTL`, RFC 2308 section 4.
    default: Option<Ttl>,
    records: Vec<DnsRecord>,
    lines: Vec<u32>,
}

impl Reader {
    fn read(&mut self, text: &[u8]) -> Vec<ZoneFileError> {
        let mut errors = Vec::new();
        if text.len() > ZoneFile::BYTE_LIMIT {
            let start = Position { line: 1, column: 1 };
            let problem = Problem::FileTooLong(ZoneFile::BYTE_LIMIT);
            return vec![ZoneFileError::new(start, problem)];
        }
        let mut entries = Entries::new(text.strip_prefix(BOM).unwrap_or(text));
        let mut entry = Entry::default();
        while let Some(result) = entries.read(&mut entry) {
            let result = match result {
                Ok(()) => self.entry(&entry),
                Err(failure) => {
                    self.skip(&entry);
                    Err(failure)
                }
            };
            let Err(Failure { position, problem }) = result else { continue };
            // Whatever relies on an origin or a count that is wrong would be wrong too.
            let last = matches!(problem, Problem::TooManyRecords(_) | Problem::OriginMissing)
                || is_origin(&entry);
            errors.push(ZoneFileError::new(position, problem));
            if last || errors.len() >= ZoneFileErrors::LIMIT {
                break;
            }
        }
        errors
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Result<(), Failure> {
        let Some(first) = entry.items.first() else { return Ok(()) };
        if !entry.blank && first.text.starts_with(b"$") {
            return self.directive(first, entry);
        }
        self.record(entry)
    }

    /// Keeps the owner of an entry that could not be cut into items.
    fn skip(&mut self, entry: &Entry<'_>) {
        if !entry.blank {
            let name = entry.items.first().and_then(|first| self.name(first).ok());
            self.owner = name.map_or(Owner::Wrong, Owner::Name);
        }
    }

    fn directive(&mut self, directive: &Item<'_>, entry: &Entry<'_>) -> Result<(), Failure> {
        let is = |name: &str| directive.text.eq_ignore_ascii_case(name.as_bytes());
        if is("$ORIGIN") {
            let item = argument(entry, "$ORIGIN", "a name")?;
            self.origin = Some(self.name(item)?);
        } else if is("$TTL") {
            let item = argument(entry, "$TTL", "a time")?;
            // What inherits from a wrong TTL is not told again.
            self.default = Some(Ttl::MAX);
            self.default = Some(ttl(item)?);
        } else if is("$INCLUDE") {
            return Err(fail(directive, Problem::Include("$INCLUDE")));
        } else if is("$GENERATE") {
            return Err(fail(directive, Problem::Include("$GENERATE")));
        } else {
            return Err(fail(directive, Problem::DirectiveUnknown(Excerpt::new(directive.text))));
        }
        Ok(())
    }

    /// Reads `[owner] [TTL] [class] type data`, TTL and class in either order.
    fn record(&mut self, entry: &Entry<'_>) -> Result<(), Failure> {
        let mut items = entry.items.as_slice();
        let start = items.first().map_or(entry.end, |item| item.position);
        let mut at_origin = false;
        if !entry.blank
            && let Some((first, rest)) = items.split_first()
        {
            items = rest;
            self.owner = Owner::Wrong;
            at_origin = self.origin.is_none();
            self.owner = Owner::Name(self.name(first)?);
        }
        let owner = match &self.owner {
            Owner::Name(owner) => owner.clone(),
            Owner::Wrong => return Ok(()),
            Owner::Missing => {
                return Err(Failure { position: start, problem: Problem::OwnerMissing });
            }
        };
        let (head, items) = Head::read(items, entry.end)?;
        if at_origin && self.zone.is_none() && head.record_type == RecordType::Soa {
            self.origin = Some(owner.clone());
        }
        let Some(origin) = &self.origin else {
            return Err(Failure { position: start, problem: Problem::OriginMissing });
        };
        let data = data(head.record_type, items, origin, entry.end)?;
        let ttl = self.ttl(&head, &data)?;
        if self.zone.is_none() && head.record_type == RecordType::Soa {
            self.zone = Some(owner.clone());
        }
        if self.records.len() >= self.limit {
            let problem = Problem::TooManyRecords(self.limit);
            return Err(Failure { position: start, problem });
        }
        self.records.push(DnsRecord::new(owner, ttl, data));
        self.lines.push(start.line);
        Ok(())
    }

    /// Returns the TTL of a record: its own, that of `$TTL`, or the last one stated.
    ///
    /// A SOA with neither is the default for itself and what follows: before `$TTL` there was, its
    /// minimum was the default of the zone (RFC 2308 section 4), and BIND still reads it so.
    fn ttl(&mut self, head: &Head, data: &RecordData) -> Result<Ttl, Failure> {
        if let Some(ttl) = head.ttl {
            self.stated = Some(ttl);
            return Ok(ttl);
        }
        if let Some(ttl) = self.default.or(self.stated) {
            return Ok(ttl);
        }
        if let RecordData::Soa(soa) = data
            && let Ok(ttl) = Ttl::from_secs(soa.minimum())
        {
            self.default = Some(ttl);
            return Ok(ttl);
        }
        // Told once.
        self.stated = Some(Ttl::MAX);
        Err(Failure { position: head.type_at, problem: Problem::TtlMissing })
    }

    /// Reads a name that may be relative.
    fn name(&self, item: &Item<'_>) -> Result<DnsName, Failure> {
        if item.quoted {
            return Err(fail(item, Problem::Quoted));
        }
        let Some(text) = item.word() else {
            return Err(fail(item, Problem::NameText(Excerpt::new(item.text))));
        };
        let name = match &self.origin {
            Some(origin) => DnsName::parse_in(text, origin),
            None if is_absolute(text) => text.parse(),
            None => return Err(fail(item, Problem::OriginMissing)),
        };
        name.map_err(|error| fail(item, Problem::Name(error)))
    }
}

/// What stands between the owner and the data of a record.
struct Head {
    ttl: Option<Ttl>,
    record_type: RecordType,
    type_at: Position,
}

impl Head {
    /// Returns the head, and the items behind it.
    fn read<'e, 'a>(
        mut items: &'e [Item<'a>],
        end: Position,
    ) -> Result<(Self, &'e [Item<'a>]), Failure> {
        let mut explicit = None;
        let mut class = false;
        while let Some((item, rest)) = items.split_first() {
            items = rest;
            let Some(word) = item.word() else {
                let unknown = || Problem::TypeUnknown(Excerpt::new(item.text));
                return Err(fail(item, if item.quoted { Problem::Quoted } else { unknown() }));
            };
            // No type starts with a digit.
            if explicit.is_none() && word.starts_with(|c: char| c.is_ascii_digit()) {
                explicit = Some(ttl(item)?);
            } else if !class && is_class(word) {
                if !word.eq_ignore_ascii_case("IN") && !word.eq_ignore_ascii_case("CLASS1") {
                    return Err(fail(item, Problem::Class(Excerpt::new(item.text))));
                }
                class = true;
            } else {
                let record_type = record_type(word).map_err(|problem| fail(item, problem))?;
                return Ok((Self { ttl: explicit, record_type, type_at: item.position }, items));
            }
        }
        Err(Failure { position: end, problem: Problem::TypeMissing })
    }
}

fn record_type(word: &str) -> Result<RecordType, Problem> {
    match word.parse::<RecordType>() {
        Ok(record_type) if record_type.code().is_none() => {
            Err(Problem::TypeOfProvider(record_type))
        }
        Ok(record_type) => Ok(record_type),
        Err(_) => Err(Problem::TypeUnknown(Excerpt::new(word.as_bytes()))),
    }
}

/// Whether a word is a class: a mnemonic of RFC 1035 section 3.2.4, or `CLASS3` of RFC 3597.
fn is_class(word: &str) -> bool {
    let upper = word.to_ascii_uppercase();
    let number = upper.strip_prefix("CLASS");
    matches!(&*upper, "IN" | "CH" | "CHAOS" | "HS" | "HESIOD" | "CS" | "ANY" | "NONE")
        || number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// Reads the data of a record, whose names may be relative.
fn data(
    record_type: RecordType,
    items: &[Item<'_>],
    origin: &DnsName,
    end: Position,
) -> Result<RecordData, Failure> {
    let size = items.iter().map(|item| item.text.len() + 1).sum();
    let mut text = String::with_capacity(size);
    let mut starts = Vec::with_capacity(items.len());
    let generic = items.first().is_some_and(|item| item.text == br"\#");
    for (index, item) in items.iter().enumerate() {
        let shown = item.presentation().ok_or_else(|| fail(item, Problem::Utf8))?;
        if index > 0 {
            text.push(' ');
        }
        starts.push((text.len(), item.position));
        // The timers of a SOA may have units, in BIND as in Knot.
        let shown = match seconds(&shown) {
            Some(secs)
                if record_type == RecordType::Soa && (3..=6).contains(&index) && !generic =>
            {
                Cow::Owned(secs.to_string())
            }
            _ => shown,
        };
        text.push_str(&shown);
    }
    RecordData::parse_in(record_type, &text, origin).map_err(|error| {
        let position = error.offset().and_then(|offset| {
            let behind = starts.partition_point(|(start, _)| *start <= offset);
            starts.get(behind.checked_sub(1)?).map(|(_, position)| *position)
        });
        Failure { position: position.unwrap_or(end), problem: Problem::Data(error) }
    })
}

fn fail(item: &Item<'_>, problem: Problem) -> Failure {
    Failure { position: item.position, problem }
}

/// Returns the only item behind a directive.
fn argument<'e, 'a>(
    entry: &'e Entry<'a>,
    directive: &'static str,
    what: &'static str,
) -> Result<&'e Item<'a>, Failure> {
    match entry.items.as_slice() {
        [_, item] => Ok(item),
        [_, _, more, ..] => Err(fail(more, Problem::DirectiveLong(directive))),
        _ => {
            Err(Failure { position: entry.end, problem: Problem::DirectiveShort(directive, what) })
        }
    }
}

fn is_origin(entry: &Entry<'_>) -> bool {
    let first = entry.items.first();
    !entry.blank && first.is_some_and(|item| item.text.eq_ignore_ascii_case(b"$ORIGIN"))
}

/// Whether a name ends in a dot that nothing escapes.
fn is_absolute(text: &str) -> bool {
    let front = text.strip_suffix('.');
    front.is_some_and(|front| front.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 0)
}

fn ttl(item: &Item<'_>) -> Result<Ttl, Failure> {
    let secs = item.word().and_then(seconds);
    secs.and_then(|secs| Ttl::from_secs(secs).ok())
        .ok_or_else(|| fail(item, Problem::Ttl(Excerpt::new(item.text))))
}

/// Reads seconds, or a sum of weeks, days, hours, minutes and seconds such as `1h30m`.
fn seconds(text: &str) -> Option<u32> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok();
    }
    let mut sum = 0_u32;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u32 = rest.get(..digits)?.parse().ok()?;
        let unit = match rest.as_bytes().get(digits)?.to_ascii_lowercase() {
            b's' => 1,
            b'm' => 60,
            b'h' => 3600,
            b'd' => 86_400,
            b'w' => 604_800,
            _ => return None,
        };
        sum = sum.checked_add(number.checked_mul(unit)?)?;
        rest = rest.get(digits + 1..)?;
    }
    (!text.is_empty()).then_some(sum)
}
