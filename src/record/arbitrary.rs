//! Random data of every type, for tests here and in the modules that build on records.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::{
    collection::{btree_map, vec},
    prelude::*,
};

use super::*;

/// Names of up to three labels of any octets.
pub(crate) fn name() -> impl Strategy<Value = DnsName> + Clone {
    vec(vec(any::<u8>(), 1..6), 0..4).prop_map(|labels| DnsName::from_labels(labels).unwrap())
}

/// Data of any type that has a name here, and of unknown ones.
pub(crate) fn data() -> impl Strategy<Value = RecordData> {
    (0..=RecordType::ALL.len()).prop_flat_map(|at| match RecordType::ALL.get(at) {
        Some(record_type) => data_of(*record_type),
        None => unknown().boxed(),
    })
}

/// Data of any type that has a form on the wire.
pub(crate) fn wire_data() -> impl Strategy<Value = RecordData> {
    data().prop_filter("a type with a number", |data| data.record_type().code().is_some())
}

/// Data of one type.
///
/// # Panics
///
/// For an unknown type, of which [`data`] makes some.
pub(crate) fn data_of(record_type: RecordType) -> BoxedStrategy<RecordData> {
    use RecordData as D;

    let octets = || vec(any::<u8>(), 1..70);
    let string = || vec(any::<u8>(), 0..=255);
    match record_type {
        RecordType::A => any::<u32>().prop_map(|bits| D::A(Ipv4Addr::from(bits))).boxed(),
        RecordType::Aaaa => any::<u128>().prop_map(|bits| D::Aaaa(Ipv6Addr::from(bits))).boxed(),
        RecordType::Ns => name().prop_map(D::Ns).boxed(),
        RecordType::Cname => name().prop_map(D::Cname).boxed(),
        RecordType::Ptr => name().prop_map(D::Ptr).boxed(),
        RecordType::Dname => name().prop_map(D::Dname).boxed(),
        RecordType::Alias => name().prop_map(D::Alias).boxed(),
        RecordType::Flatten => name().prop_map(D::Flatten).boxed(),
        RecordType::Soa => (name(), name(), any::<[u32; 5]>())
            .prop_map(|(mname, rname, [a, b, c, d, e])| {
                D::Soa(Soa::new(mname, rname, a, b, c, d, e).into())
            })
            .boxed(),
        RecordType::Mx => {
            (any::<u16>(), name()).prop_map(|(number, name)| D::Mx(Mx::new(number, name))).boxed()
        }
        RecordType::Srv => (any::<[u16; 3]>(), name())
            .prop_map(|([a, b, c], name)| D::Srv(Srv::new(a, b, c, name)))
            .boxed(),
        RecordType::Txt => vec(string(), 1..4)
            .prop_map(|strings| D::Txt(Txt::from_strings(strings).unwrap()))
            .boxed(),
        RecordType::Caa => (any::<u8>(), "[a-zA-Z0-9]{1,15}", vec(any::<u8>(), 0..300))
            .prop_map(|(flags, tag, value)| D::Caa(Caa::new(flags, &tag, value).unwrap()))
            .boxed(),
        RecordType::Ds => (any::<u16>(), any::<u8>(), 0..6_u8, vec(any::<u8>(), 48))
            .prop_map(|(key_tag, algorithm, digest_type, mut digest)| {
                digest.truncate(match digest_type {
                    1 => 20,
                    2 => 32,
                    4 => 48,
                    _ => 7,
                });
                D::Ds(Ds::new(key_tag, algorithm, digest_type, digest).unwrap())
            })
            .boxed(),
        RecordType::Sshfp => (any::<u8>(), any::<u8>(), octets())
            .prop_map(|(a, b, octets)| D::Sshfp(Sshfp::new(a, b, octets).unwrap()))
            .boxed(),
        RecordType::Tlsa => (any::<[u8; 3]>(), octets())
            .prop_map(|([a, b, c], octets)| D::Tlsa(Tlsa::new(a, b, c, octets).unwrap()))
            .boxed(),
        RecordType::Naptr => (any::<[u16; 2]>(), "[0-9A-Za-z]{0,3}", string(), string(), name())
            .prop_map(|([a, b], flags, services, regexp, name)| {
                D::Naptr(
                    Naptr::new(a, b, flags.into_bytes(), services, regexp, name).unwrap().into(),
                )
            })
            .boxed(),
        RecordType::Loc => place().prop_map(D::Loc).boxed(),
        RecordType::Svcb => service().prop_map(|data| D::Svcb(data.into())).boxed(),
        RecordType::Https => service().prop_map(|data| D::Https(data.into())).boxed(),
        RecordType::PullZone => value().prop_map(D::PullZone).boxed(),
        RecordType::Redirect => value().prop_map(D::Redirect).boxed(),
        RecordType::Script => value().prop_map(D::Script).boxed(),
        other => panic!("data of {other} are made by `data`"),
    }
}

fn unknown() -> impl Strategy<Value = RecordData> {
    let unknown = |code: &u16| {
        matches!(RecordType::from_code(*code), RecordType::Unknown(_))
            && !matches!(code, 0 | 41 | 128..=255)
    };
    (any::<u16>().prop_filter("an unknown type", unknown), vec(any::<u8>(), 0..40)).prop_map(
        |(code, octets)| RecordData::from_wire(RecordType::from_code(code), &octets).unwrap(),
    )
}

fn value() -> impl Strategy<Value = ProviderValue> {
    r#"[!-~é✓]([ -~é✓]{0,30}[!-~é✓])?"#.prop_map(|text| ProviderValue::new(&text).unwrap())
}

fn place() -> impl Strategy<Value = Loc> {
    let angle = |limit: i32| -limit..=limit;
    let extent = || prop_oneof![0..=9_000_000_000_u64, 0..1000_u64];
    let altitude = -10_000_000..=4_284_967_295_i64;
    (angle(324_000_000), angle(648_000_000), altitude, [extent(), extent(), extent()]).prop_map(
        |(latitude, longitude, altitude, [size, horizontal, vertical])| {
            let place = Loc::new(latitude, longitude, altitude).unwrap();
            place.with_extents(size, horizontal, vertical).unwrap()
        },
    )
}

fn service() -> impl Strategy<Value = Svcb> {
    let others = btree_map(10..=u16::MAX, vec(any::<u8>(), 0..20), 0..3);
    let known = (
        vec(vec(any::<u8>(), 1..8), 0..3),
        any::<bool>(),
        any::<Option<u16>>(),
        vec(any::<u32>(), 0..3),
        vec(any::<u8>(), 0..20),
        vec(any::<u128>(), 0..3),
        "(/[a-zé]{0,5}\\{\\?(x,)?dns\\})?",
        any::<bool>(),
        vec(any::<u16>(), 0..3),
    );
    (any::<u16>(), name(), known, others, vec(any::<prop::sample::Index>(), 0..3)).prop_map(
        |(priority, target, known, others, mandatory)| {
            let (alpn, no_default, port, v4, ech, v6, path, ohttp, groups) = known;
            let mut params: Vec<_> = [
                (!alpn.is_empty()).then(|| SvcParam::alpn(&alpn).unwrap()),
                (no_default && !alpn.is_empty()).then(SvcParam::no_default_alpn),
                port.map(SvcParam::port),
                SvcParam::ipv4hint(v4.into_iter().map(Ipv4Addr::from)).ok(),
                SvcParam::new(SvcParamKey::ECH, ech).ok(),
                SvcParam::ipv6hint(v6.into_iter().map(Ipv6Addr::from)).ok(),
                SvcParam::new(SvcParamKey::DOHPATH, path.into_bytes()).ok(),
                ohttp.then(|| SvcParam::new(SvcParamKey::OHTTP, []).unwrap()),
                SvcParam::new(
                    SvcParamKey::TLS_SUPPORTED_GROUPS,
                    groups.into_iter().flat_map(u16::to_be_bytes).collect::<Vec<_>>(),
                )
                .ok(),
            ]
            .into_iter()
            .flatten()
            .collect();
            for (code, value) in others {
                params.push(SvcParam::new(SvcParamKey::from_code(code), value).unwrap());
            }
            if !params.is_empty() {
                let keys: std::collections::BTreeSet<_> =
                    mandatory.iter().map(|at| at.get(&params).key()).collect();
                params.extend(SvcParam::mandatory(keys));
            }
            Svcb::new(priority, target, params).unwrap()
        },
    )
}
