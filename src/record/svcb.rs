//! SVCB and HTTPS: data that say how to reach a service.

mod param;

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use super::{
    RecordDataError, RecordType,
    error::{Kind, Problem},
    scan::{Fields, Presentation},
    target::write_absolute,
    wire::{DATA_LIMIT, Reader, Wire},
};
use crate::name::DnsName;

pub use param::{SvcParam, SvcParamKey, SvcParamKeyError};

pub(super) use param::ParamRule;

/// Where and how to reach a service, RFC 9460 section 2. HTTPS records have the same data.
///
/// The parameters are sorted by key, each there at most once. With priority 0 the record is an alias
/// (section 2.4.2), and whoever reads it ignores parameters.
///
/// ```
/// use nameplate::record::{RecordData, RecordType};
///
/// let data = RecordData::parse(RecordType::Https, "1 . port=8443 alpn=h3,h2")?;
/// assert_eq!(data.to_string(), r#"1 . alpn="h3,h2" port=8443"#);
/// # Ok::<(), nameplate::record::RecordDataError>(())
/// ```
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Svcb {
    priority: u16,
    target: DnsName,
    params: Box<[SvcParam]>,
}

impl Svcb {
    /// Creates the data, with their fields in the order of the RFC and of a zone file.
    ///
    /// # Errors
    ///
    /// [`RecordDataError`] if a key is there twice (section 2.1), a key is declared mandatory and not
    /// there (section 8), `no-default-alpn` comes without `alpn` (section 7.1.1), or all that is too
    /// long for a record.
    pub fn new(
        priority: u16,
        target: DnsName,
        params: impl IntoIterator<Item = SvcParam>,
    ) -> Result<Self, RecordDataError> {
        let params = params.into_iter().collect();
        Self::build(priority, target, params)
            .map_err(|kind| RecordDataError::new(RecordType::Svcb, Problem::of("params", kind)))
    }

    /// Returns the priority: lower ones are tried first, and 0 makes the record an alias.
    pub fn priority(&self) -> u16 {
        self.priority
    }

    /// Returns the target; the root is the owner itself, or for an alias says that there is nothing.
    pub fn target(&self) -> &DnsName {
        &self.target
    }

    /// Returns the parameters, sorted by key.
    pub fn params(&self) -> &[SvcParam] {
        &self.params
    }

    /// Returns whether the record is in AliasMode, RFC 9460 section 2.4.2.
    pub fn is_alias(&self) -> bool {
        self.priority == 0
    }

    /// Returns the value of a parameter as on the wire, `None` if it is not there.
    pub fn get(&self, key: SvcParamKey) -> Option<&[u8]> {
        let at = self.params.binary_search_by_key(&key, SvcParam::key).ok()?;
        self.params.get(at).map(SvcParam::value)
    }

    /// Returns the keys that a client must know to use the record, RFC 9460 section 8.
    pub fn mandatory(&self) -> impl Iterator<Item = SvcParamKey> {
        let (keys, _) = self.get(SvcParamKey::MANDATORY).unwrap_or_default().as_chunks();
        keys.iter().map(|key| SvcParamKey::from_code(u16::from_be_bytes(*key)))
    }

    /// Returns the protocols that are spoken beside the default one, RFC 9460 section 7.1.
    pub fn alpn(&self) -> impl Iterator<Item = &[u8]> {
        param::strings(self.get(SvcParamKey::ALPN).unwrap_or_default())
    }

    /// Returns whether the default protocol is not spoken, RFC 9460 section 7.1.
    pub fn is_no_default_alpn(&self) -> bool {
        self.get(SvcParamKey::NO_DEFAULT_ALPN).is_some()
    }

    /// Returns the port, RFC 9460 section 7.2.
    pub fn port(&self) -> Option<u16> {
        self.get(SvcParamKey::PORT)?.first_chunk().map(|port| u16::from_be_bytes(*port))
    }

    /// Returns the IPv4 addresses to begin with, RFC 9460 section 7.3.
    pub fn ipv4hint(&self) -> impl Iterator<Item = Ipv4Addr> {
        let (hints, _) = self.get(SvcParamKey::IPV4HINT).unwrap_or_default().as_chunks();
        hints.iter().map(|hint: &[u8; 4]| Ipv4Addr::from(*hint))
    }

    /// Returns the IPv6 addresses to begin with, RFC 9460 section 7.3.
    pub fn ipv6hint(&self) -> impl Iterator<Item = Ipv6Addr> {
        let (hints, _) = self.get(SvcParamKey::IPV6HINT).unwrap_or_default().as_chunks();
        hints.iter().map(|hint: &[u8; 16]| Ipv6Addr::from(*hint))
    }

    /// Returns the `ECHConfigList` of Encrypted Client Hello.
    pub fn ech(&self) -> Option<&[u8]> {
        self.get(SvcParamKey::ECH)
    }

    fn build(priority: u16, target: DnsName, mut params: Vec<SvcParam>) -> Result<Self, Kind> {
        params.sort();
        for (param, next) in params.iter().zip(params.iter().skip(1)) {
            if param.key() == next.key() {
                return Err(Kind::Param { key: param.key(), rule: ParamRule::Twice });
            }
        }
        let data = Self { priority, target, params: params.into() };
        if let Some(key) = data.mandatory().find(|key| data.get(*key).is_none()) {
            return Err(Kind::Param { key, rule: ParamRule::MandatoryMissing });
        }
        if data.is_no_default_alpn() && data.get(SvcParamKey::ALPN).is_none() {
            let key = SvcParamKey::NO_DEFAULT_ALPN;
            return Err(Kind::Param { key, rule: ParamRule::WithoutAlpn });
        }
        let params_len = data.params.iter().map(|param| param.value().len() + 4).sum::<usize>();
        if 2 + data.target.wire_len() + params_len > DATA_LIMIT {
            return Err(Kind::TooLong);
        }
        Ok(data)
    }
}

impl Presentation for Svcb {
    fn scan(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        let priority = fields.next("priority")?.number(u16::MAX)?;
        let target = fields.next("target")?.name()?;
        let mut params = Vec::new();
        let mut first = None;
        while let Some((key, value)) = fields.try_param("params")? {
            params.push(SvcParam::scan(&key, value.as_ref())?);
            first.get_or_insert(key);
        }
        Self::build(priority, target, params).map_err(|kind| match &first {
            Some(first) => first.problem(kind),
            None => Problem::of("params", kind),
        })
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.priority)?;
        write_absolute(&self.target, f)?;
        self.params.iter().try_for_each(|param| write!(f, " {param}"))
    }
}

impl Wire for Svcb {
    fn read(wire: &mut Reader<'_>) -> Result<Self, Problem> {
        let priority = wire.u16("priority")?;
        let target = wire.name("target")?;
        let start = wire.position();
        let mut params: Vec<SvcParam> = Vec::new();
        while !wire.is_empty() {
            let start = wire.position();
            let key = SvcParamKey::from_code(wire.u16("params")?);
            let len = wire.u16("params")?;
            let value = wire.take("params", len.into())?;
            if params.last().is_some_and(|last| last.key() >= key) {
                let kind = Kind::Param { key, rule: ParamRule::Order };
                return Err(Reader::problem("params", start, kind));
            }
            let param = SvcParam::build(key, value.into())
                .map_err(|kind| Reader::problem("params", start, kind))?;
            params.push(param);
        }
        Self::build(priority, target, params).map_err(|kind| Reader::problem("params", start, kind))
    }

    fn write(&self, wire: &mut Vec<u8>) {
        wire.extend(self.priority.to_be_bytes());
        wire.extend(self.target.to_wire());
        for param in &self.params {
            wire.extend(param.key().code().to_be_bytes());
            // At most 65,535 by construction.
            wire.extend(u16::try_from(param.value().len()).unwrap_or(u16::MAX).to_be_bytes());
            wire.extend_from_slice(param.value());
        }
    }
}

impl fmt::Debug for Svcb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Svcb(")?;
        self.show(f)?;
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests;
