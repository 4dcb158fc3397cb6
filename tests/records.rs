//! Record data as others read them: what we show and what we put on the wire is what `domain` and
//! `hickory-proto` make of it, for every type that they know.
#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

use domain::{
    base::{iana::Class, rdata::ComposeRecordData as _},
    zonefile::inplace::{Entry, Zonefile},
};
use hickory_proto::{
    rr::{RData, RecordType as HickoryType},
    serialize::binary::{BinEncodable as _, BinEncoder},
};
use nameplate::{name::DnsName, record::*};
use proptest::prelude::*;

#[path = "../src/record/arbitrary.rs"]
mod arbitrary;

/// Types whose text `domain` reads in its own way.
const DOMAIN: [RecordType; 15] = [
    RecordType::A,
    RecordType::Ns,
    RecordType::Cname,
    RecordType::Soa,
    RecordType::Ptr,
    RecordType::Mx,
    RecordType::Txt,
    RecordType::Aaaa,
    RecordType::Srv,
    RecordType::Naptr,
    RecordType::Dname,
    RecordType::Ds,
    RecordType::Sshfp,
    RecordType::Tlsa,
    RecordType::Caa,
];

/// Plain data of every type whose text `hickory-proto` reads: its names have letters and digits only.
const HICKORY: [(RecordType, &str); 19] = [
    (RecordType::A, "192.0.2.1"),
    (RecordType::Ns, "ns.example.com"),
    (RecordType::Cname, "_x.Example.com"),
    (RecordType::Soa, "ns.example.com. hostmaster.example.com. 4294967295 3600 600 86400 300"),
    (RecordType::Ptr, "host.example.com."),
    (RecordType::Mx, "10 mail.example.com."),
    (RecordType::Mx, "0 ."),
    (RecordType::Txt, r#""one two" "three""#),
    (RecordType::Aaaa, "2001:db8::192.0.2.1"),
    (RecordType::Srv, "1 2 3 host.example.com."),
    (RecordType::Naptr, r#"100 50 "s" "z3950+N2L+N2C" "" cidserver.example.com."#),
    (RecordType::Sshfp, "4 2 123456789abcdef67890123456789abcdef67890123456789abcdef123456789"),
    (RecordType::Tlsa, "3 1 1 123456789abcdef67890123456789abcdef67890123456789abcdef123456789"),
    (RecordType::Caa, r#"0 issue "ca.example; accounturi=https://ca.example/1""#),
    (RecordType::Caa, r#"128 iodef "mailto:security@example.com""#),
    (RecordType::Https, "0 pool.example.com."),
    (
        RecordType::Https,
        "1 . alpn=h3,h2 port=8443 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1",
    ),
    (RecordType::Svcb, "1 svc.example.com. mandatory=alpn,port alpn=dot port=853"),
    (RecordType::Svcb, "1 svc.example.com. alpn=h2 no-default-alpn ech=AEX+DQA="),
];

/// Returns the wire form of the data of the one record in a line of a zone file.
fn as_domain(record_type: RecordType, text: &str) -> Result<Vec<u8>, String> {
    let mut file = Zonefile::new();
    file.set_origin("example.com.".parse().unwrap());
    file.set_default_class(Class::IN);
    file.extend_from_slice(format!("owner 60 IN {record_type} {text}\n").as_bytes());
    match file.next_entry() {
        Ok(Some(Entry::Record(record))) => {
            let mut octets = Vec::new();
            record.data().compose_canonical_rdata(&mut octets).unwrap();
            Ok(octets)
        }
        other => Err(format!("{other:?}")),
    }
}

/// Returns the wire form of the data, in the canonical form of DNSSEC.
fn as_hickory(record_type: RecordType, text: &str) -> Result<Vec<u8>, String> {
    let code = HickoryType::from(record_type.code().unwrap());
    let data = RData::try_from_str(code, text).map_err(|error| error.to_string())?;
    let mut octets = Vec::new();
    let mut encoder = BinEncoder::new(&mut octets);
    encoder.set_canonical_form(true);
    data.emit(&mut encoder).map_err(|error| error.to_string())?;
    Ok(octets)
}

fn of(types: &'static [RecordType]) -> impl Strategy<Value = RecordData> {
    proptest::sample::select(types).prop_flat_map(arbitrary::data_of)
}

#[test]
fn hickory_reads_what_we_show() {
    for (record_type, text) in HICKORY {
        let data = RecordData::parse(record_type, text).unwrap();
        let shown = data.to_string();
        assert_eq!(as_hickory(record_type, &shown), Ok(data.to_wire().unwrap()), "{shown}");
    }
}

proptest! {
    #[test]
    fn domain_reads_what_we_show(data in of(&DOMAIN)) {
        let text = data.to_string();
        prop_assert_eq!(as_domain(data.record_type(), &text), Ok(data.to_wire().unwrap()), "{}", text);
    }

    #[test]
    fn domain_reads_the_generic_text_of_every_type(data in arbitrary::wire_data()) {
        let octets = data.to_wire().unwrap();
        let text = format!("\\# {} {}", octets.len(), hex::encode(&octets));
        let unknown = format!("TYPE{}", data.record_type().code().unwrap());
        let read = RecordData::parse(unknown.parse().unwrap(), &text);
        prop_assert_eq!(read.as_ref(), Ok(&data));
        prop_assert_eq!(as_domain(data.record_type(), &text), Ok(octets));
    }
}
