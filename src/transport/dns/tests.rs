use hickory_proto::{
    op::{Edns, Query},
    rr::{DNSClass, Name, Record, rdata::A},
};
use proptest::prelude::*;

use super::*;
use crate::record::{RecordType, Txt, arbitrary};

fn octets(message: &Message) -> Vec<u8> {
    message.to_vec().unwrap()
}

#[test]
fn names_of_any_octets_survive_the_way_there_and_back() {
    for name in [".", "*.example.test", r"a\.b.\000\255.example", "_x.xn--bcher-kva.test"] {
        let name: DnsName = name.parse().unwrap();
        let wire = to_name(&name).unwrap();
        assert!(wire.is_fqdn());
        assert_eq!(convert::from_name(&wire), Some(name));
    }
}

#[test]
fn data_survive_the_way_there_and_back() {
    for (record_type, text) in [
        (RecordType::A, "192.0.2.1"),
        (RecordType::Aaaa, "2001:db8::1"),
        (RecordType::Caa, r#"128 issue "ca.example; accounturi=https://ca.example/1""#),
        (RecordType::Caa, r#"1 unknown "\000\255""#),
        (RecordType::Cname, r"a\.b.example."),
        (RecordType::Dname, "a.example."),
        (RecordType::Mx, "10 mail.example."),
        (RecordType::Ns, "ns.example."),
        (RecordType::Ptr, "host.example."),
        (RecordType::Srv, "1 2 3 host.example."),
        (RecordType::from_code(65280), r"\# 3 abcdef"),
        (RecordType::Soa, "ns.example. root.example. 4294967295 2147483648 1 2 4294967295"),
        (RecordType::Txt, r#""" "one" "\000\255""#),
    ] {
        let data = RecordData::parse(record_type, text).unwrap();
        let name = Name::from_ascii("owner.example.").unwrap();
        let mut message = Message::response(1, OpCode::Query);
        message.add_answer(Record::from_rdata(name, 60, to_data(&data).unwrap()));
        let message = decode(&octets(&message), 1, OpCode::Query).unwrap();
        let entries = convert::entries(message.answers);
        assert_eq!(entries[0].data.as_ref(), Some(&data), "{text}");
        assert_eq!(entries[0].data.as_ref().unwrap().to_string(), data.to_string());
    }
}

#[test]
fn other_classes_are_left_out_and_unknown_types_have_their_octets() {
    let name = Name::from_ascii("owner.example.").unwrap();
    let address = Record::from_rdata(name.clone(), u32::MAX, RData::A(A::new(192, 0, 2, 1)));
    let mut chaos = address.clone();
    chaos.dns_class = DNSClass::CH;
    let unknown = RData::Unknown {
        code: 65280.into(),
        rdata: hickory_proto::rr::rdata::NULL::with(vec![1, 2, 3]),
    };
    let entries = convert::entries(vec![address, chaos, Record::from_rdata(name, 1, unknown)]);
    assert_eq!(entries.len(), 2);
    assert_eq!((entries[0].ttl, entries[0].data.is_some()), (0, true));
    assert_eq!(entries[1].record_type, RecordType::from_code(65280));
    assert_eq!(entries[1].data.as_ref().unwrap().to_string(), r"\# 3 010203");
}

proptest! {
    #[test]
    fn data_of_any_type_survive_the_way_there_and_back(data in arbitrary::wire_data()) {
        prop_assume!(!data.to_wire().unwrap().is_empty());
        // `hickory-proto` takes the name of a protocol only as text.
        let is_text = |protocol: &[u8]| std::str::from_utf8(protocol).is_ok();
        if let RecordData::Svcb(service) | RecordData::Https(service) = &data {
            prop_assume!(service.alpn().all(is_text));
        }
        let name = Name::from_ascii("owner.example.").unwrap();
        let mut message = Message::response(1, OpCode::Query);
        message.add_answer(Record::from_rdata(name, 60, to_data(&data).unwrap()));
        let message = decode(&octets(&message), 1, OpCode::Query).unwrap();
        let entries = convert::entries(message.answers);
        prop_assert_eq!(entries[0].data.as_ref(), Some(&data));
    }

    #[test]
    fn no_octets_make_the_decoder_panic(
        mut octets in proptest::collection::vec(any::<u8>(), 0..600),
        header in any::<bool>(),
    ) {
        if header && octets.len() >= 12 {
            octets[..12].copy_from_slice(&[0, 7, 0x84, 0, 0, 1, 0, 2, 0, 1, 0, 1]);
        }
        if let Ok(message) = decode(&octets, 7, OpCode::Query) {
            let _ = Reply::from(message);
        }
    }

    #[test]
    fn no_damage_to_an_answer_makes_the_decoder_panic(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut message = Message::response(7, OpCode::Query);
        message.add_query(Query::query(Name::from_ascii("a.example.").unwrap(), 16.into()));
        for data in [
            RData::TXT(hickory_proto::rr::rdata::TXT::new(vec!["text".into(); 3])),
            RData::A(A::new(192, 0, 2, 1)),
            RData::CNAME(hickory_proto::rr::rdata::CNAME(Name::from_ascii("b.example.").unwrap())),
        ] {
            let name = Name::from_ascii("a.example.").unwrap();
            message.add_answer(Record::from_rdata(name, 60, data));
        }
        message.set_edns(Edns::new());
        let mut octets = octets(&message);
        for (at, octet) in damage {
            let at = at.index(octets.len() - 4) + 4;
            octets[at] = octet;
        }
        if let Ok(message) = decode(&octets, 7, OpCode::Query) {
            for entry in Reply::from(message).answers {
                if let Some(RecordData::Txt(txt)) = entry.data {
                    let _ = Txt::to_text(&txt);
                }
            }
        }
    }
}
