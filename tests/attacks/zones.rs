//! Against the zones that records are written to.

use nameplate::{
    domain::Domain,
    error::ErrorKind,
    record::{RecordData, RecordFields, RecordSet, RecordType, Ttl},
};

use crate::common::{HOUR, MINUTE, TENANT, World, dns};

fn set(name: &str, record_type: RecordType, values: &[&str]) -> RecordSet {
    let data = values.iter().map(|value| RecordData::parse(record_type, value).unwrap());
    RecordSet::new(dns(name), Ttl::HOUR, data).unwrap()
}

/// Creates a record and waits until nothing more is to be done.
async fn create(world: &World, domain: &Domain, fields: &RecordFields) -> nameplate::Result<()> {
    let records = world.onboarding.records(&TENANT, domain.id());
    let created = match records.create(fields).await {
        Ok(change) => change.apply().await.map(drop),
        Err(error) => Err(error),
    };
    world.run_for(MINUTE).await;
    created
}

#[tokio::test]
async fn g06_records_of_others_are_neither_overwritten_nor_deleted() {
    let world = World::new();
    let domain = world.active("example.net").await;
    let others = [
        set("example.net", RecordType::Mx, &["10 mail.example.net."]),
        set("example.net", RecordType::Txt, &["\"v=spf1 mx -all\""]),
        set("example.net", RecordType::Ns, &["ns1.example.org.", "ns2.example.org."]),
        set("example.net", RecordType::Caa, &["0 issue \"letsencrypt.org\""]),
        set("mail.example.net", RecordType::A, &["192.0.2.25"]),
        set("www.example.net", RecordType::Cname, &["elsewhere.example.org."]),
        set("text.example.net", RecordType::Txt, &["\"theirs\""]),
    ];
    for set in &others {
        world.dns.set(set.clone()).unwrap();
    }
    let before = world.dns.records(&dns("example.net"));
    let own = RecordFields::new("A", "own", "192.0.2.7");
    create(&world, &domain, &own).await.unwrap();
    for fields in [
        RecordFields::new("MX", "@", "mx.attacker.example").with_priority(5),
        RecordFields::new("NS", "@", "ns.attacker.example"),
        RecordFields::new("A", "mail", "192.0.2.66"),
        RecordFields::new("CNAME", "mail", "attacker.example"),
        RecordFields::new("CNAME", "www", "attacker.example"),
        RecordFields::new("A", "www", "192.0.2.66"),
        RecordFields::new("CNAME", "text", "attacker.example"),
    ] {
        let error = create(&world, &domain, &fields).await.expect_err("refused");
        assert!(matches!(error.kind(), ErrorKind::Refused | ErrorKind::Invalid), "{error}");
    }
    let records = world.onboarding.records(&TENANT, domain.id());
    for record in records.list().await.unwrap() {
        records.remove(record.id()).await.unwrap().apply().await.unwrap();
    }
    world.onboarding.remove(&TENANT, domain.id()).await.unwrap();
    world.run_for(HOUR * 2).await;
    assert_eq!(world.dns.records(&dns("example.net")), before, "not a byte");
}

#[tokio::test]
async fn g07_a_value_is_one_value_and_a_zone_stays_a_zone() {
    let world = World::new();
    let domain = world.active("example.net").await;
    let before = world.dns.records(&dns("example.net"));
    for fields in [
        RecordFields::new("A", "a", "192.0.2.7\n@ IN NS ns.attacker.example."),
        RecordFields::new("A", "a", "192.0.2.7 192.0.2.8"),
        RecordFields::new("A", "a\nb", "192.0.2.7"),
        RecordFields::new("A", "a b", "192.0.2.7"),
        RecordFields::new("CNAME", "a", "target.example.org. 300 IN A 192.0.2.7"),
        RecordFields::new("CNAME", "a", "target.example.org;"),
        RecordFields::new("MX", "a", "mx.example.org\r\nx").with_priority(5),
        RecordFields::new("TYPE1; drop", "a", "192.0.2.7"),
        // At the top of the zone, and beside what is there.
        RecordFields::new("CNAME", "@", "target.example.org"),
        RecordFields::new("CNAME", "_plat-challenge", "target.example.org"),
        RecordFields::new("SOA", "@", "a.example.org. b.example.org. 1 2 3 4 5"),
    ] {
        let error = create(&world, &domain, &fields).await.expect_err("refused");
        assert!(matches!(error.kind(), ErrorKind::Refused | ErrorKind::Invalid), "{error}");
        assert_eq!(world.dns.records(&dns("example.net")), before, "{fields:?}");
    }
    // A text is what it is: quotes, breaks and length make it neither two nor another.
    for (at, text) in [
        ("quotes", "a\" \"b\"; \\\" IN A 192.0.2.7".to_owned()),
        ("breaks", "a\nexample.net. IN NS ns.attacker.example.".to_owned()),
        ("long", "x".repeat(700)),
    ] {
        match create(&world, &domain, &RecordFields::new("TXT", at, text.clone())).await {
            Err(error) => assert_eq!(error.kind(), ErrorKind::Invalid, "{at}: {error}"),
            Ok(()) => {
                let name = dns(&format!("{at}.example.net"));
                let sets = world.dns.records(&dns("example.net"));
                let found = sets.iter().find(|set| *set.name() == name).unwrap();
                let [RecordData::Txt(txt)] = found.data() else { panic!("{found:?}") };
                assert_eq!(txt.to_bytes(), text.as_bytes(), "{at}");
                assert!(txt.strings().all(|string| string.len() <= 255), "{at}");
            }
        }
    }
    let sets = world.dns.records(&dns("example.net"));
    assert!(sets.iter().all(|set| set.record_type() != RecordType::Ns));
}
