//! Records that a tenant manages, on real servers.

use std::{net::SocketAddr, sync::Arc};

use nameplate::{
    DnsName, DnsProvider, InMemoryCa, InMemoryResolver, InMemoryStore, Onboarding, RecordData,
    RecordSet, RecordType,
    ca::UnsignedSigner,
    clock::SystemClock,
    domain::{RecordState, Targets},
    error::ErrorKind,
    id::TenantId,
    keys::InMemoryKeys,
    name::ClaimPolicy,
    record::{Profile, RecordFields, Ttl},
    seal::InMemorySealer,
    testkit::EndlessTimer,
    zone::SetChange,
};

use crate::{
    rfc2136::{provider, zone},
    servers,
};

const TENANT: TenantId = TenantId::from_bytes([9; 16]);

/// Puts a set into the zone as its owner does, in place of what is there.
async fn put(dns: &impl DnsProvider, name: &DnsName, data: RecordData) {
    let before = dns.record_set(&zone(), name, data.record_type()).await.unwrap();
    let after = RecordSet::new(name.clone(), Ttl::MINUTE, [data]).unwrap();
    let change = SetChange::new(before, Some(after)).unwrap();
    dns.apply(&zone(), &change.into()).await.unwrap();
}

async fn at(dns: &impl DnsProvider, name: &DnsName, record_type: RecordType) -> Vec<String> {
    let set = dns.record_set(&zone(), name, record_type).await.unwrap();
    set.iter().flat_map(RecordSet::data).map(ToString::to_string).collect()
}

/// One record of each kind is created, one is changed, one is removed, and all go with the domain.
async fn records_are_managed(server: SocketAddr, label: &str) {
    let dns = provider(server);
    let onboarding = Onboarding::builder(InMemoryStore::new(Arc::new(SystemClock)))
        .with_brand("wire")
        .with_targets(Targets::cname("edge.example.net"))
        .with_resolver(InMemoryResolver::over(Arc::new(provider(server))))
        .with_dns(provider(server))
        .with_authority(InMemoryCa::new(Arc::new(SystemClock), Arc::new(UnsignedSigner)))
        .with_keys(InMemoryKeys::new())
        .with_sealer(InMemorySealer::new())
        .with_timer(EndlessTimer)
        .with_claims(ClaimPolicy::new().with_allowed([zone()]))
        .with_record_profile(Profile::FULL)
        .build()
        .unwrap();
    let name = zone().child(label).unwrap();
    let domain = onboarding.add(&TENANT, name.as_str().parse().unwrap()).await.unwrap();
    let proof = domain.challenge();
    let text = format!("\"{}\"", proof.value());
    put(&dns, &proof.owner, RecordData::parse(RecordType::Txt, &text).unwrap()).await;
    let domain = onboarding.check(&TENANT, domain.id()).await.unwrap();
    assert!(domain.status().holds(), "{}", domain.waiting_on());

    let theirs = RecordData::parse(RecordType::Txt, "theirs").unwrap();
    let both = name.child("both").unwrap();
    put(&dns, &both, theirs).await;
    let records = onboarding.records(&TENANT, domain.id());
    let mut created = Vec::new();
    for fields in [
        RecordFields::new("TXT", "both", "ours; with \"quotes\""),
        RecordFields::new("A", "api", "192.0.2.1"),
        RecordFields::new("AAAA", "api", "2001:db8::1").with_ttl(60),
        RecordFields::new("MX", "api", "mx.example.net").with_priority(10),
        RecordFields::new("SRV", "_sip._tcp", "sip.example.net").with_priority(1).with_port(5060),
        RecordFields::new("CAA", "api", "ca.example.net").with_flags(0).with_tag("issue"),
        RecordFields::new("HTTPS", "api", ". alpn=h2,h3").with_priority(1),
        RecordFields::new("CNAME", "www", "edge.example.net"),
        RecordFields::new("TXT", "*.wild", "everywhere"),
    ] {
        let change = records.create(&fields).await.unwrap();
        let shown = change.to_string();
        let record = change.apply().await.unwrap();
        assert_eq!(record.state(), RecordState::Present, "{shown}{record:?}");
        let data = record.record().data().to_string();
        let there = at(&dns, record.record().name(), record.record().record_type()).await;
        assert!(there.contains(&data), "{data}: {there:?}");
        created.push(record);
    }
    assert_eq!(at(&dns, &both, RecordType::Txt).await.len(), 2);

    // What the server holds is what was planned: there is nothing left to do, and no second one.
    let again = RecordFields::new("A", "api", "192.0.2.1");
    let error = records.create(&again).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    let beside = records.create(&RecordFields::new("TXT", "www", "beside")).await.unwrap();
    let error = beside.apply().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");

    let other = RecordFields::new("A", "api", "192.0.2.2");
    records.update(created[1].id(), &other).await.unwrap().apply().await.unwrap();
    let api = name.child("api").unwrap();
    assert_eq!(at(&dns, &api, RecordType::A).await, ["192.0.2.2"]);
    records.remove(created[3].id()).await.unwrap().apply().await.unwrap();
    assert_eq!(at(&dns, &api, RecordType::Mx).await, Vec::<String>::new());
    for record in records.list().await.unwrap() {
        records.remove(record.id()).await.unwrap().apply().await.unwrap();
    }
    for record in &created {
        let record = record.record();
        let there = at(&dns, record.name(), record.record_type()).await;
        assert!(!there.contains(&record.data().to_string()), "{there:?}");
    }
    assert_eq!(at(&dns, &both, RecordType::Txt).await, ["\"theirs\""]);
    let markers = name.child("_wire-records").unwrap();
    let markers =
        [markers, both.child("_wire-records").unwrap(), api.child("_wire-records").unwrap()];
    for marker in &markers {
        assert_eq!(at(&dns, marker, RecordType::Txt).await, Vec::<String>::new(), "{marker}");
    }
}

#[tokio::test]
async fn records_are_managed_on_knot() {
    records_are_managed(servers::knot(), "managed-knot").await;
}

#[tokio::test]
async fn records_are_managed_on_bind() {
    records_are_managed(servers::bind(), "managed-bind").await;
}
