//! Where the servers are that `scripts/servers` has started, and how their zones are changed.

use std::{env, net::SocketAddr};

use nameplate::{
    dns::{Applied, DnsProvider, Rfc2136, TsigKey},
    name::DnsName,
    record::RecordSet,
    zone::{ChangeSet, SetChange},
};

use crate::common::Failure;

/// Where the servers are.
pub(crate) struct Servers {
    pub(crate) knot: SocketAddr,
    pub(crate) resolver: SocketAddr,
    /// Algorithm, name and secret.
    pub(crate) tsig: [String; 3],
    /// Pebble's directory, and where it shows its root.
    pub(crate) directory: String,
    pub(crate) management: String,
    /// The root of Pebble's own HTTPS, as PEM text.
    pub(crate) authority: String,
    /// Where Pebble looks for answers to HTTP-01, whatever the name.
    pub(crate) http_port: u16,
}

impl Servers {
    pub(crate) fn from_environment() -> Result<Self, Failure> {
        let tsig = ["TSIG_ALGORITHM", "TSIG_NAME", "TSIG_SECRET"].map(variable);
        let [algorithm, name, secret] = tsig;
        Ok(Self {
            knot: variable("KNOT")?.parse()?,
            resolver: variable("RESOLVER")?.parse()?,
            tsig: [algorithm?, name?, secret?],
            directory: variable("PEBBLE_DIRECTORY")?,
            management: variable("PEBBLE_MANAGEMENT")?,
            authority: std::fs::read_to_string(variable("PEBBLE_CA")?)?,
            http_port: variable("HTTP01_PORT")?.parse()?,
        })
    }

    /// Returns somebody who may change these zones.
    pub(crate) fn provider(&self, zones: &[DnsName]) -> Result<Rfc2136, Failure> {
        let [algorithm, name, secret] = &self.tsig;
        let key = TsigKey::from_base64(name.parse()?, algorithm.parse()?, secret)?;
        Ok(Rfc2136::builder(self.knot, key).with_zones(zones.iter().cloned()).build())
    }
}

/// Returns what `scripts/servers` says of itself.
pub(crate) fn variable(name: &str) -> Result<String, Failure> {
    let name = format!("NAMEPLATE_TEST_{name}");
    Ok(env::var(&name).map_err(|_| format!("{name} is not set: please run the script"))?)
}

/// Adds a record set to the zone that it belongs to, in which there is none yet.
pub(crate) async fn add(dns: &Rfc2136, set: RecordSet) -> Result<(), Failure> {
    let (name, record_type) = (set.name().clone(), set.record_type());
    let zone = dns.zone_of(&name).await?.ok_or_else(|| format!("no zone holds {name}"))?;
    let change = ChangeSet::new([SetChange::new(None, Some(set))?])?;
    match dns.apply(&zone, &change).await?.into_iter().next() {
        Some(Applied::Done) => Ok(()),
        other => Err(format!("{name} {record_type} cannot be added: {other:?}").into()),
    }
}
