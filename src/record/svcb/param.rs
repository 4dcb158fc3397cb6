//! The parameters of a service, RFC 9460 sections 2.1, 2.2 and 7, and appendix A.

use std::{
    fmt::{self, Write as _},
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use data_encoding::BASE64;

use crate::record::{
    RecordDataError, RecordType,
    error::{Kind, Problem},
    scan::{Field, write_quoted},
    wire::{DATA_LIMIT, Reader, write_string},
};

/// The names of the keys, RFC 9460 section 14.3.2.
///
/// Those after the sixth came later, and servers that do not know them refuse their names. They are
/// read, but shown by their number, which every server of RFC 9460 reads.
const NAMES: [(&str, SvcParamKey); 10] = [
    ("mandatory", SvcParamKey::MANDATORY),
    ("alpn", SvcParamKey::ALPN),
    ("no-default-alpn", SvcParamKey::NO_DEFAULT_ALPN),
    ("port", SvcParamKey::PORT),
    ("ipv4hint", SvcParamKey::IPV4HINT),
    ("ech", SvcParamKey::ECH),
    ("ipv6hint", SvcParamKey::IPV6HINT),
    ("dohpath", SvcParamKey::DOHPATH),
    ("ohttp", SvcParamKey::OHTTP),
    ("tls-supported-groups", SvcParamKey::TLS_SUPPORTED_GROUPS),
];

/// The key of a parameter, RFC 9460 section 14.3.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SvcParamKey(u16);

/// What is wrong with the name of a key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not the key of a parameter, as `alpn` or `key667`")]
pub struct SvcParamKeyError(());

impl SvcParamKey {
    /// The keys that a client must know, RFC 9460 section 8.
    pub const MANDATORY: Self = Self(0);
    /// Additional protocols, RFC 9460 section 7.1.
    pub const ALPN: Self = Self(1);
    /// No support of the default protocol, RFC 9460 section 7.1.
    pub const NO_DEFAULT_ALPN: Self = Self(2);
    /// The port, RFC 9460 section 7.2.
    pub const PORT: Self = Self(3);
    /// IPv4 addresses, RFC 9460 section 7.3.
    pub const IPV4HINT: Self = Self(4);
    /// The configuration of Encrypted Client Hello, RFC 9848.
    pub const ECH: Self = Self(5);
    /// IPv6 addresses, RFC 9460 section 7.3.
    pub const IPV6HINT: Self = Self(6);
    /// The URI template of DNS over HTTPS, RFC 9461 section 5.
    pub const DOHPATH: Self = Self(7);
    /// Support of Oblivious HTTP, RFC 9540 section 4.
    pub const OHTTP: Self = Self(8);
    /// The groups that a TLS server supports, as registered at IANA.
    pub const TLS_SUPPORTED_GROUPS: Self = Self(9);

    /// Returns the key with this number.
    pub const fn from_code(code: u16) -> Self {
        Self(code)
    }

    /// Returns the number.
    pub const fn code(self) -> u16 {
        self.0
    }
}

impl FromStr for SvcParamKey {
    type Err = SvcParamKeyError;

    /// Reads a name, or any key by its number without leading zeros as `key667`; in lower case.
    fn from_str(text: &str) -> Result<Self, SvcParamKeyError> {
        if let Some((_, key)) = NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(*key);
        }
        text.strip_prefix("key")
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
            .filter(|digits| *digits == "0" || !digits.starts_with('0'))
            .and_then(|digits| digits.parse().ok().map(Self))
            .ok_or(SvcParamKeyError(()))
    }
}

/// The name in RFC 9460, or `key` and the number.
impl fmt::Display for SvcParamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, key)| key == self) {
            Some((name, key)) if *key <= Self::IPV6HINT => f.pad(name),
            _ => f.pad(&format!("key{}", self.0)),
        }
    }
}

/// One parameter: a key, and a value that has the form of the key.
///
/// Kept as on the wire; shown as in a zone file.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SvcParam {
    key: SvcParamKey,
    value: Box<[u8]>,
}

/// What is wrong with a parameter.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(in crate::record) enum ParamRule {
    #[error("addresses, as many as there are, separated by commas")]
    Addresses,
    #[error("base64 with its padding")]
    Base64,
    #[error("`\\` is followed by `,` or `\\`, itself escaped, in a list")]
    ListEscape,
    #[error("protocols of 1 to 255 octets each, separated by commas")]
    Alpn,
    #[error("a URI template in UTF-8 that starts with `/` and has the variable `dns`")]
    DohPath,
    #[error("has no value")]
    Empty,
    #[error("escapes are not allowed in the value")]
    Escape,
    #[error("numbers from 0 to 65535, separated by commas")]
    Groups,
    #[error("other keys in ascending order on the wire, each once, separated by commas in text")]
    Mandatory,
    #[error("declared mandatory, but not there")]
    MandatoryMissing,
    #[error("needs a value")]
    Missing,
    #[error("keys are not in ascending order")]
    Order,
    #[error("a number from 0 to 65535")]
    Port,
    #[error("longer than 65535 octets")]
    TooLong,
    #[error("there more than once")]
    Twice,
    #[error("needs alpn beside it")]
    WithoutAlpn,
}

impl SvcParam {
    /// Creates a parameter from its value as on the wire.
    ///
    /// # Errors
    ///
    /// [`RecordDataError`] if the value does not have the form of its key, or is too long. Keys that
    /// are not known have any value.
    pub fn new(key: SvcParamKey, value: impl Into<Box<[u8]>>) -> Result<Self, RecordDataError> {
        Self::build(key, value.into())
            .map_err(|kind| RecordDataError::new(RecordType::Svcb, Problem::of("params", kind)))
    }

    /// Creates `mandatory`; the keys may come in any order.
    ///
    /// # Errors
    ///
    /// [`RecordDataError`] if there is none, one is there twice, or is `mandatory` itself.
    pub fn mandatory(keys: impl IntoIterator<Item = SvcParamKey>) -> Result<Self, RecordDataError> {
        let mut keys: Vec<_> = keys.into_iter().map(SvcParamKey::code).collect();
        keys.sort_unstable();
        Self::new(SvcParamKey::MANDATORY, numbers(&keys))
    }

    /// Creates `alpn` from the names of protocols, as `h2`.
    ///
    /// # Errors
    ///
    /// [`RecordDataError`] if there is none, or one is empty or longer than 255 octets.
    pub fn alpn<P: AsRef<[u8]>>(
        protocols: impl IntoIterator<Item = P>,
    ) -> Result<Self, RecordDataError> {
        let mut value = Vec::new();
        for protocol in protocols {
            let protocol = protocol.as_ref();
            if protocol.len() > 255 {
                let kind = Kind::Param { key: SvcParamKey::ALPN, rule: ParamRule::Alpn };
                return Err(RecordDataError::new(RecordType::Svcb, Problem::of("params", kind)));
            }
            write_string(protocol, &mut value);
        }
        Self::new(SvcParamKey::ALPN, value)
    }

    /// Creates `no-default-alpn`.
    pub fn no_default_alpn() -> Self {
        Self { key: SvcParamKey::NO_DEFAULT_ALPN, value: Box::default() }
    }

    /// Creates `port`.
    pub fn port(port: u16) -> Self {
        Self { key: SvcParamKey::PORT, value: port.to_be_bytes().into() }
    }

    /// Creates `ipv4hint`.
    ///
    /// # Errors
    ///
    /// [`RecordDataError`] if there is no address.
    pub fn ipv4hint(
        addresses: impl IntoIterator<Item = Ipv4Addr>,
    ) -> Result<Self, RecordDataError> {
        let octets: Vec<u8> = addresses.into_iter().flat_map(|address| address.octets()).collect();
        Self::new(SvcParamKey::IPV4HINT, octets)
    }

    /// Creates `ipv6hint`.
    ///
    /// # Errors
    ///
    /// [`RecordDataError`] if there is no address.
    pub fn ipv6hint(
        addresses: impl IntoIterator<Item = Ipv6Addr>,
    ) -> Result<Self, RecordDataError> {
        let octets: Vec<u8> = addresses.into_iter().flat_map(|address| address.octets()).collect();
        Self::new(SvcParamKey::IPV6HINT, octets)
    }

    /// Returns the key.
    pub fn key(&self) -> SvcParamKey {
        self.key
    }

    /// Returns the value as on the wire.
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    pub(super) fn build(key: SvcParamKey, value: Box<[u8]>) -> Result<Self, Kind> {
        let wrong = |rule| Err(Kind::Param { key, rule });
        if value.len() > DATA_LIMIT {
            return wrong(ParamRule::TooLong);
        }
        let has_no_value = matches!(key, SvcParamKey::NO_DEFAULT_ALPN | SvcParamKey::OHTTP);
        if value.is_empty() && key <= SvcParamKey::TLS_SUPPORTED_GROUPS && !has_no_value {
            return wrong(ParamRule::Missing);
        }
        let len = value.len();
        let (is_valid, rule) = match key {
            SvcParamKey::MANDATORY => (is_mandatory(&value), ParamRule::Mandatory),
            SvcParamKey::ALPN => (is_alpn(&value), ParamRule::Alpn),
            SvcParamKey::NO_DEFAULT_ALPN | SvcParamKey::OHTTP => (len == 0, ParamRule::Empty),
            SvcParamKey::PORT => (len == 2, ParamRule::Port),
            SvcParamKey::IPV4HINT => (len.is_multiple_of(4), ParamRule::Addresses),
            SvcParamKey::IPV6HINT => (len.is_multiple_of(16), ParamRule::Addresses),
            SvcParamKey::DOHPATH => (is_doh_path(&value), ParamRule::DohPath),
            SvcParamKey::TLS_SUPPORTED_GROUPS => (len.is_multiple_of(2), ParamRule::Groups),
            _ => return Ok(Self { key, value }),
        };
        if is_valid { Ok(Self { key, value }) } else { wrong(rule) }
    }

    /// Reads one parameter of a zone file, RFC 9460 section 2.1.
    ///
    /// One that is written as `key1` has the octets of the wire as its value.
    pub(super) fn scan(key: &Field<'_>, value: Option<&Field<'_>>) -> Result<Self, Problem> {
        let name = key.text();
        let parsed: SvcParamKey = name.parse().map_err(|_| key.problem(Kind::ParamKey))?;
        let wrong = |rule| key.problem(Kind::Param { key: parsed, rule });
        let by_name = NAMES.iter().any(|(known, _)| *known == name);
        let octets: Box<[u8]> = match (value, parsed) {
            (None, _) => Box::default(),
            (Some(value), _) if value.text().is_empty() => Box::default(),
            (Some(value), _) if !by_name => value.octets()?.into(),
            (Some(value), SvcParamKey::ALPN) => scan_alpn(&value.octets()?).map_err(wrong)?,
            (Some(value), SvcParamKey::DOHPATH) => value.octets()?.into(),
            (Some(value), _) => {
                let text = value.text();
                if text.contains('\\') {
                    return Err(wrong(ParamRule::Escape));
                }
                scan_plain(parsed, text).map_err(wrong)?.into()
            }
        };
        Self::build(parsed, octets).map_err(|kind| key.problem(kind))
    }
}

/// Reads the value of a key whose value has no escapes.
fn scan_plain(key: SvcParamKey, text: &str) -> Result<Vec<u8>, ParamRule> {
    let number = |text: &str| {
        // `parse` would take `+1`.
        text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u16>().ok()).flatten()
    };
    let items = text.split(',');
    match key {
        SvcParamKey::MANDATORY => {
            let keys: Option<Vec<u16>> =
                items.map(|item| Some(item.parse::<SvcParamKey>().ok()?.code())).collect();
            let mut keys = keys.ok_or(ParamRule::Mandatory)?;
            // "MAY appear in any order"; what is there twice stays, and is refused.
            keys.sort_unstable();
            Ok(numbers(&keys))
        }
        SvcParamKey::PORT => {
            number(text).map(|port| port.to_be_bytes().into()).ok_or(ParamRule::Port)
        }
        SvcParamKey::IPV4HINT => {
            let hints: Result<Vec<_>, _> =
                items.map(|item| item.parse::<Ipv4Addr>().map(|hint| hint.octets())).collect();
            Ok(hints.map_err(|_| ParamRule::Addresses)?.concat())
        }
        SvcParamKey::IPV6HINT => {
            let hints: Result<Vec<_>, _> =
                items.map(|item| item.parse::<Ipv6Addr>().map(|hint| hint.octets())).collect();
            Ok(hints.map_err(|_| ParamRule::Addresses)?.concat())
        }
        SvcParamKey::ECH => BASE64.decode(text.as_bytes()).map_err(|_| ParamRule::Base64),
        SvcParamKey::TLS_SUPPORTED_GROUPS => {
            let groups: Option<Vec<_>> = items.map(number).collect();
            Ok(numbers(&groups.ok_or(ParamRule::Groups)?))
        }
        // The rest have no value.
        _ => Err(ParamRule::Empty),
    }
}

/// Reads a list whose items can have commas and backslashes, RFC 9460 appendix A.1.
///
/// The escapes of the character-string are gone already.
fn scan_alpn(list: &[u8]) -> Result<Box<[u8]>, ParamRule> {
    let mut value = Vec::with_capacity(list.len() + 1);
    let mut item = Vec::new();
    let mut finish = |item: &mut Vec<u8>| {
        if item.is_empty() || item.len() > 255 {
            return Err(ParamRule::Alpn);
        }
        write_string(item, &mut value);
        item.clear();
        Ok(())
    };
    let mut octets = list.iter();
    while let Some(octet) = octets.next() {
        match octet {
            b',' => finish(&mut item)?,
            b'\\' => match octets.next() {
                Some(escaped @ (b',' | b'\\')) => item.push(*escaped),
                _ => return Err(ParamRule::ListEscape),
            },
            _ => item.push(*octet),
        }
    }
    finish(&mut item)?;
    Ok(value.into())
}

/// Returns the character-strings that follow each other in `octets`, as far as they are whole.
pub(super) fn strings(octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut wire = Reader::new(octets);
    std::iter::from_fn(move || wire.string("params").ok())
}

/// Whether these are keys in ascending order without `mandatory` itself, which is the lowest.
fn is_mandatory(value: &[u8]) -> bool {
    let (keys, rest) = value.as_chunks::<2>();
    rest.is_empty() && keys.is_sorted_by(|one, next| one < next) && keys.first() != Some(&[0, 0])
}

/// Whether these are character-strings, none of them empty.
fn is_alpn(value: &[u8]) -> bool {
    let len: usize = strings(value).map(|string| string.len() + 1).sum();
    len == value.len() && strings(value).all(|string| !string.is_empty())
}

fn numbers(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// Whether a relative URI template has the variable `dns` (RFC 9461 section 5, RFC 6570 section 2).
fn is_doh_path(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let is_dns = |variable: &str| {
        let name = variable.split(':').next().unwrap_or_default();
        name.strip_suffix('*').unwrap_or(name) == "dns"
    };
    let mut expressions = text.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
    text.starts_with('/')
        && expressions.any(|(expression, _)| {
            let operators = ['+', '#', '.', '/', ';', '?', '&'];
            expression.strip_prefix(operators).unwrap_or(expression).split(',').any(is_dns)
        })
}

impl fmt::Display for SvcParam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.key)?;
        if self.value.is_empty() {
            return Ok(());
        }
        f.write_char('=')?;
        let pairs = || self.value.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair));
        match self.key {
            SvcParamKey::MANDATORY => write_list(pairs().map(SvcParamKey::from_code), f),
            SvcParamKey::PORT => write_list(pairs(), f),
            SvcParamKey::ALPN => {
                let mut list = Vec::with_capacity(self.value.len());
                for protocol in strings(&self.value) {
                    if !list.is_empty() {
                        list.push(b',');
                    }
                    for octet in protocol {
                        if matches!(octet, b',' | b'\\') {
                            list.push(b'\\');
                        }
                        list.push(*octet);
                    }
                }
                write_quoted(&list, f)
            }
            SvcParamKey::IPV4HINT => {
                write_list(self.value.as_chunks().0.iter().copied().map(Ipv4Addr::from_octets), f)
            }
            SvcParamKey::IPV6HINT => {
                write_list(self.value.as_chunks().0.iter().copied().map(Ipv6Addr::from_octets), f)
            }
            SvcParamKey::ECH => f.write_str(&BASE64.encode(&self.value)),
            _ => write_quoted(&self.value, f),
        }
    }
}

fn write_list<T: fmt::Display>(
    items: impl Iterator<Item = T>,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    for (index, item) in items.enumerate() {
        if index > 0 {
            f.write_char(',')?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

impl fmt::Debug for SvcParam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SvcParam({self})")
    }
}
