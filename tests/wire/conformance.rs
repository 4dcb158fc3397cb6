//! The contracts, held by what talks to real servers.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use nameplate::{
    ca::Publication,
    conformance::{
        ca::{Outside, World},
        resolver::Publish,
    },
    dns::{Applied, DnsProvider, Rfc2136},
    error::{Error, ErrorKind, Result},
    keys::RcgenKeys,
    name::{DnsName, DomainName},
    record::{RecordSet, RecordType},
    resolver::{Answer, Hickory, Lookup, Mode, Resolver},
    zone::SetChange,
};

use crate::{
    acme,
    rfc2136::{provider, zone},
    servers,
};

nameplate::dns_conformance!(rfc2136_on_knot, async { (provider(servers::knot()), zone()) });
nameplate::dns_conformance!(rfc2136_on_bind, async { (provider(servers::bind()), zone()) });

nameplate::resolver_conformance!(hickory_at_the_authority, async {
    let hickory = Hickory::builder([]).with_zone(zone(), [servers::knot()]).build().unwrap();
    (hickory, Knot::new(zone()), zone())
});

nameplate::resolver_conformance!(hickory_at_a_recursive_server, async {
    let hickory = Hickory::builder([servers::resolver()]).build().unwrap();
    // The cases use the same names as above.
    let zone: DnsName = servers::zones()[2].parse().unwrap();
    (Recursive(hickory), Knot::new(zone.clone()), zone)
});

nameplate::ca_conformance!(acme_at_pebble, async {
    let base = servers::zones()[0].parse().unwrap();
    (acme::fresh(), World::new(Arc::new(RcgenKeys), Arc::new(AtKnot), base))
});

/// What Pebble sees: Knot DNS, and a web server for every name.
struct AtKnot;

#[async_trait]
impl Outside for AtKnot {
    async fn publish(&self, name: &DomainName, publication: &Publication) {
        acme::place(name, publication);
    }

    async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

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
