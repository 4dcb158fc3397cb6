//! The contracts, held by what talks to real servers.

use async_trait::async_trait;
use nameplate::{
    conformance::resolver::Publish,
    dns::{Applied, DnsProvider, Rfc2136},
    error::{Error, ErrorKind, Result},
    name::DnsName,
    record::{RecordSet, RecordType},
    resolver::{Answer, Hickory, Lookup, Mode, Resolver},
    zone::SetChange,
};

use crate::{
    rfc2136::{provider, zone},
    servers,
};

nameplate::dns_conformance!(rfc2136_on_knot, async { (provider(servers::knot()), zone()) });
nameplate::dns_conformance!(rfc2136_on_bind, async { (provider(servers::bind()), zone()) });

nameplate::resolver_conformance!(hickory_at_the_authority, async {
    let hickory = Hickory::builder([]).with_zone(zone(), [servers::knot()]).build();
    (hickory, Knot::new(zone()), zone())
});

nameplate::resolver_conformance!(hickory_at_a_recursive_server, async {
    let hickory = Hickory::builder([servers::resolver()]).build();
    // The cases use the same names as above.
    let zone: DnsName = servers::zones()[2].parse().unwrap();
    (Recursive(hickory), Knot::new(zone.clone()), zone)
});

/// A zone that Knot DNS serves.
struct Knot {
    dns: Rfc2136,
    zone: DnsName,
}

impl Knot {
    fn new(zone: DnsName) -> Self {
        Self { dns: provider(servers::knot()), zone }
    }

    async fn put(&self, name: &DnsName, record_type: RecordType, after: Option<RecordSet>) {
        let before = self.dns.record_set(&self.zone, name, record_type).await.unwrap();
        if before == after {
            return;
        }
        let change = SetChange::new(before, after).unwrap().into();
        let applied = self.dns.apply(&self.zone, &change).await.unwrap();
        assert!(matches!(applied[..], [Applied::Done]), "{applied:?}");
    }
}

#[async_trait]
impl Publish for Knot {
    async fn publish(&self, set: RecordSet) {
        self.put(&set.name().clone(), set.record_type(), Some(set)).await;
    }

    async fn withdraw(&self, name: &DnsName, record_type: RecordType) {
        self.put(name, record_type, None).await;
    }
}

/// A resolver that has only the mode that asks recursive servers.
#[derive(Debug)]
struct Recursive(Hickory);

#[async_trait]
impl Resolver for Recursive {
    async fn lookup(&self, lookup: &Lookup) -> Result<Answer> {
        if lookup.mode != Mode::Recursive {
            return Err(Error::new(ErrorKind::Unsupported, "test", "lookup", "not this mode"));
        }
        self.0.lookup(lookup).await
    }
}
