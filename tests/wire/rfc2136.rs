//! Zones changed by RFC 2136 on Knot DNS and BIND.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use nameplate::{
    clock::{Clock, ManualClock, SystemClock},
    dns::{Applied, DnsProvider, Rfc2136, TsigAlgorithm, TsigKey},
    error::{ErrorKind, Result},
    name::DnsName,
    record::{RecordData, RecordSet, RecordType, Ttl},
    secret::Secret,
    zone::{ChangeSet, SetChange},
};

use crate::servers;

const MINUTE: Ttl = Ttl::MINUTE;

pub(crate) fn key() -> TsigKey {
    let key = servers::tsig_key();
    let algorithm = key.algorithm.parse().unwrap();
    TsigKey::from_base64(key.name.parse().unwrap(), algorithm, &key.secret).unwrap()
}

pub(crate) fn zone() -> DnsName {
    servers::zones()[0].parse().unwrap()
}

pub(crate) fn provider(server: SocketAddr) -> Rfc2136 {
    let zones = servers::zones();
    let zones = zones.iter().map(|zone| zone.parse().unwrap());
    Rfc2136::builder(server, key()).with_zones(zones).build()
}

pub(crate) fn set(name: &str, record_type: RecordType, data: &[&str]) -> RecordSet {
    let data = data.iter().map(|data| RecordData::parse(record_type, data).unwrap());
    RecordSet::new(format!("{name}.{}", zone()).parse().unwrap(), MINUTE, data).unwrap()
}

pub(crate) fn change(before: Option<&RecordSet>, after: Option<&RecordSet>) -> SetChange {
    SetChange::new(before.cloned(), after.cloned()).unwrap()
}

pub(crate) async fn apply(dns: &Rfc2136, changes: impl Into<Changes>) -> Vec<String> {
    let Changes(changes) = changes.into();
    let applied = dns.apply(&zone(), &changes).await.unwrap();
    assert_eq!(applied.len(), changes.len());
    applied.iter().map(said).collect()
}

/// One change or several.
pub(crate) struct Changes(ChangeSet);

impl From<SetChange> for Changes {
    fn from(change: SetChange) -> Self {
        Self(change.into())
    }
}

impl From<Vec<SetChange>> for Changes {
    fn from(changes: Vec<SetChange>) -> Self {
        Self(ChangeSet::new(changes).unwrap())
    }
}

fn said(applied: &Applied) -> String {
    match applied {
        Applied::Done => "done".into(),
        Applied::Conflict(None) => "conflict: nothing".into(),
        Applied::Conflict(Some(set)) => {
            let data: Vec<_> = set.data().iter().map(ToString::to_string).collect();
            format!("conflict: {}", data.join(", "))
        }
        Applied::Skipped => "skipped".into(),
        Applied::Refused(error) => format!("refused: {}", error.kind()),
        other => panic!("{other:?}"),
    }
}

async fn stored(dns: &Rfc2136, set: &RecordSet) -> Option<RecordSet> {
    dns.record_set(&zone(), set.name(), set.record_type()).await.unwrap()
}

/// Runs a case against both servers, which do not know of each other.
macro_rules! on_both_servers {
    ($($case:ident,)*) => {
        mod knot {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::provider(crate::servers::knot())).await;
            })*
        }

        mod bind {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::provider(crate::servers::bind())).await;
            })*
        }
    };
}

on_both_servers! {
    a_set_is_created_replaced_and_deleted,
    of_two_writers_one_wins,
    what_is_not_expected_is_a_conflict_and_nothing_happens,
    text_that_is_split_elsewhere_is_the_same,
    a_ttl_alone_can_be_changed_and_does_not_count,
    what_a_wildcard_makes_is_not_stored,
    a_cname_beside_other_data_is_refused,
    a_name_becomes_an_alias_and_back_in_one_step,
    the_servers_of_a_zone_are_replaced_and_never_gone,
    delegations_are_read_and_changed,
    the_soa_record_is_left_to_the_server,
    names_in_odd_spelling_work,
    data_of_every_type_work,
    many_and_long_data_work,
    a_wrong_key_is_denied,
    a_clock_that_is_wrong_is_denied,
    a_zone_that_the_server_does_not_have_is_not_found,
    nobody_there_is_unavailable,
}

async fn a_set_is_created_replaced_and_deleted(dns: Rfc2136) {
    let one = set("life", RecordType::Txt, &["one"]);
    let two = set("life", RecordType::Txt, &["two", "\"three four\""]);
    let other = set("life", RecordType::A, &["192.0.2.1"]);
    assert_eq!(stored(&dns, &one).await, None);
    assert_eq!(apply(&dns, change(None, Some(&one))).await, ["done"]);
    assert_eq!(stored(&dns, &one).await.as_ref(), Some(&one));
    assert_eq!(apply(&dns, change(None, Some(&other))).await, ["done"]);
    assert_eq!(apply(&dns, change(Some(&one), Some(&two))).await, ["done"]);
    assert_eq!(stored(&dns, &two).await.as_ref(), Some(&two));
    // To assert is to change nothing.
    assert_eq!(apply(&dns, change(Some(&two), Some(&two))).await, ["done"]);
    assert_eq!(apply(&dns, change(Some(&two), None)).await, ["done"]);
    assert_eq!(stored(&dns, &two).await, None);
    assert_eq!(stored(&dns, &other).await.as_ref(), Some(&other));
    assert_eq!(apply(&dns, change(Some(&other), None)).await, ["done"]);
    assert!(dns.apply(&zone(), &ChangeSet::default()).await.unwrap().is_empty());
}

async fn of_two_writers_one_wins(dns: Rfc2136) {
    let one = set("race", RecordType::Txt, &["one"]);
    let two = set("race", RecordType::Txt, &["two"]);
    let (a, b) =
        tokio::join!(apply(&dns, change(None, Some(&one))), apply(&dns, change(None, Some(&two))));
    match (a[0].as_str(), b[0].as_str()) {
        ("done", lost) => assert_eq!(lost, "conflict: \"one\""),
        (lost, won) => assert_eq!((lost, won), ("conflict: \"two\"", "done")),
    }
    let left = stored(&dns, &one).await;
    assert_eq!(apply(&dns, change(left.as_ref(), None)).await, ["done"]);
}

async fn what_is_not_expected_is_a_conflict_and_nothing_happens(dns: Rfc2136) {
    let here = set("conflict", RecordType::Txt, &["here"]);
    let wrong = set("conflict", RecordType::Txt, &["here", "more"]);
    let wanted = set("conflict", RecordType::Txt, &["wanted"]);
    let address = set("conflict", RecordType::A, &["192.0.2.1"]);
    assert_eq!(apply(&dns, change(None, Some(&here))).await, ["done"]);
    for before in [None, Some(&wrong)] {
        let both = vec![change(before, Some(&wanted)), change(None, Some(&address))];
        let mut said = apply(&dns, both).await;
        said.sort();
        assert_eq!(said, ["conflict: \"here\"", "skipped"]);
        assert_eq!(stored(&dns, &here).await.as_ref(), Some(&here));
        assert_eq!(stored(&dns, &address).await, None);
    }
    assert_eq!(apply(&dns, change(Some(&address), None)).await, ["conflict: nothing"]);
    assert_eq!(apply(&dns, change(Some(&here), None)).await, ["done"]);
}

async fn text_that_is_split_elsewhere_is_the_same(dns: Rfc2136) {
    let stored_so = set("split", RecordType::Txt, &["\"a\" \"b\""]);
    let asked_so = set("split", RecordType::Txt, &["\"ab\""]);
    let wanted = set("split", RecordType::Txt, &["c"]);
    assert_eq!(stored_so, asked_so);
    assert_eq!(apply(&dns, change(None, Some(&stored_so))).await, ["done"]);
    assert_eq!(apply(&dns, change(Some(&asked_so), Some(&wanted))).await, ["done"]);
    assert_eq!(apply(&dns, change(Some(&wanted), None)).await, ["done"]);
}

async fn a_ttl_alone_can_be_changed_and_does_not_count(dns: Rfc2136) {
    let minute = set("ttl", RecordType::A, &["192.0.2.1", "192.0.2.2"]);
    let hour = minute.clone().with_ttl(Ttl::HOUR);
    assert_eq!(apply(&dns, change(None, Some(&minute))).await, ["done"]);
    assert_eq!(apply(&dns, change(Some(&minute), Some(&hour))).await, ["done"]);
    assert_eq!(stored(&dns, &hour).await.as_ref(), Some(&hour));
    assert_eq!(apply(&dns, change(Some(&minute), None)).await, ["done"]);
}

async fn what_a_wildcard_makes_is_not_stored(dns: Rfc2136) {
    let wildcard = set("*.wild", RecordType::Txt, &["any"]);
    let made = set("made.wild", RecordType::Txt, &["any"]);
    let wanted = set("made.wild", RecordType::Txt, &["own"]);
    assert_eq!(apply(&dns, change(None, Some(&wildcard))).await, ["done"]);
    assert_eq!(stored(&dns, &wildcard).await.as_ref(), Some(&wildcard));
    assert_eq!(stored(&dns, &made).await, None);
    assert_eq!(apply(&dns, change(Some(&made), None)).await, ["conflict: nothing"]);
    assert_eq!(apply(&dns, change(None, Some(&wanted))).await, ["done"]);
    assert_eq!(stored(&dns, &made).await.as_ref(), Some(&wanted));
    let both = vec![change(Some(&wanted), None), change(Some(&wildcard), None)];
    assert_eq!(apply(&dns, both).await, ["done", "done"]);
}

async fn a_cname_beside_other_data_is_refused(dns: Rfc2136) {
    let address = set("beside", RecordType::A, &["192.0.2.1"]);
    let alias = set("beside", RecordType::Cname, &["edge.example."]);
    let elsewhere = set("elsewhere", RecordType::A, &["192.0.2.1"]);
    assert_eq!(apply(&dns, change(None, Some(&address))).await, ["done"]);
    let both = vec![change(None, Some(&alias)), change(None, Some(&elsewhere))];
    let mut said = apply(&dns, both).await;
    said.sort();
    assert_eq!(said, ["refused: refused", "skipped"]);
    assert_eq!(stored(&dns, &elsewhere).await, None);
    assert_eq!(apply(&dns, change(Some(&address), None)).await, ["done"]);

    assert_eq!(apply(&dns, change(None, Some(&alias))).await, ["done"]);
    assert_eq!(apply(&dns, change(None, Some(&address))).await, ["refused: refused"]);
    assert_eq!(stored(&dns, &address).await, None);
    assert_eq!(stored(&dns, &alias).await.as_ref(), Some(&alias));
    let other = set("beside", RecordType::Cname, &["other.example."]);
    assert_eq!(apply(&dns, change(Some(&alias), Some(&other))).await, ["done"]);
    assert_eq!(apply(&dns, change(Some(&other), None)).await, ["done"]);
    let both = vec![change(None, Some(&alias)), change(None, Some(&address))];
    assert_eq!(apply(&dns, both).await, ["refused: refused", "refused: refused"]);
}

async fn a_name_becomes_an_alias_and_back_in_one_step(dns: Rfc2136) {
    let address = set("becomes", RecordType::A, &["192.0.2.1"]);
    let text = set("becomes", RecordType::Txt, &["text"]);
    let alias = set("becomes", RecordType::Cname, &["edge.example."]);
    let there = vec![change(None, Some(&address)), change(None, Some(&text))];
    assert_eq!(apply(&dns, there).await, ["done", "done"]);

    let forgets_text = vec![change(Some(&address), None), change(None, Some(&alias))];
    assert_eq!(apply(&dns, forgets_text).await, ["skipped", "refused: refused"]);
    assert_eq!(stored(&dns, &address).await.as_ref(), Some(&address));

    let becomes = || {
        vec![change(Some(&address), None), change(Some(&text), None), change(None, Some(&alias))]
    };
    assert_eq!(apply(&dns, becomes()).await, ["done", "done", "done"]);
    assert_eq!(stored(&dns, &alias).await.as_ref(), Some(&alias));
    let back = ChangeSet::new(becomes()).unwrap().inverse();
    assert_eq!(apply(&dns, Changes(back)).await, ["done", "done", "done"]);
    assert_eq!(stored(&dns, &text).await.as_ref(), Some(&text));
    let gone = vec![change(Some(&address), None), change(Some(&text), None)];
    assert_eq!(apply(&dns, gone).await, ["done", "done"]);
}

async fn the_servers_of_a_zone_are_replaced_and_never_gone(dns: Rfc2136) {
    // A zone of its own: the other tests need the servers of theirs.
    let zone: DnsName = servers::zones()[1].parse().unwrap();
    let before = dns.record_set(&zone, &zone, RecordType::Ns).await.unwrap().unwrap();
    let servers = [RecordData::Ns("ns2.example.".parse().unwrap())];
    let after = RecordSet::new(zone.clone(), MINUTE, servers).unwrap();
    for (before, after) in [(&before, &after), (&after, &before)] {
        let changes = change(Some(before), Some(after)).into();
        let applied = dns.apply(&zone, &changes).await.unwrap();
        assert_eq!(said(&applied[0]), "done");
        let now = dns.record_set(&zone, &zone, RecordType::Ns).await.unwrap().unwrap();
        assert_eq!(now.data(), after.data());
    }
    let applied = dns.apply(&zone, &change(Some(&before), None).into()).await.unwrap();
    assert_eq!(said(&applied[0]), "refused: refused");
    let now = dns.record_set(&zone, &zone, RecordType::Ns).await.unwrap().unwrap();
    assert_eq!(now.data(), before.data());
}

async fn delegations_are_read_and_changed(dns: Rfc2136) {
    let servers = set("child", RecordType::Ns, &["ns1.example.", "ns2.example."]);
    let fewer = set("child", RecordType::Ns, &["ns3.example."]);
    let below = set("deep.child", RecordType::Txt, &["text"]);
    assert_eq!(apply(&dns, change(None, Some(&servers))).await, ["done"]);
    assert_eq!(stored(&dns, &servers).await.as_ref(), Some(&servers));
    assert_eq!(stored(&dns, &below).await, None);
    assert_eq!(
        apply(&dns, change(Some(&fewer), None)).await,
        ["conflict: ns1.example., ns2.example."]
    );
    assert_eq!(apply(&dns, change(Some(&servers), Some(&fewer))).await, ["done"]);
    assert_eq!(apply(&dns, change(Some(&fewer), None)).await, ["done"]);
}

async fn the_soa_record_is_left_to_the_server(dns: Rfc2136) {
    let zone = zone();
    let soa = dns.record_set(&zone, &zone, RecordType::Soa).await;
    // It is read only if nobody changes the zone meanwhile: others do.
    if let Ok(Some(soa)) = soa {
        let other = soa.data()[0].to_string().replace("hostmaster", "other");
        let other = RecordData::parse(RecordType::Soa, &other).unwrap();
        let other = RecordSet::new(zone.clone(), MINUTE, [other]).unwrap();
        assert_eq!(apply(&dns, change(Some(&soa), Some(&other))).await, ["refused: unsupported"]);
        assert_eq!(apply(&dns, change(Some(&soa), None)).await, ["refused: refused"]);
    }
}

async fn names_in_odd_spelling_work(dns: Rfc2136) {
    let odd = set(r"ODD\.label.\000\255.*.x", RecordType::Txt, &[r#""\000\255" """#]);
    assert_eq!(apply(&dns, change(None, Some(&odd))).await, ["done"]);
    assert_eq!(stored(&dns, &odd).await.as_ref(), Some(&odd));
    assert_eq!(apply(&dns, change(Some(&odd), None)).await, ["done"]);
    let caa = set("odd", RecordType::Caa, &["128 issue \"ca.example\"", "0 iodef \"mailto:a@b\""]);
    assert_eq!(apply(&dns, change(None, Some(&caa))).await, ["done"]);
    assert_eq!(stored(&dns, &caa).await.as_ref(), Some(&caa));
    assert_eq!(apply(&dns, change(Some(&caa), None)).await, ["done"]);
}

async fn data_of_every_type_work(dns: Rfc2136) {
    let digits = "0123456789abcdef".repeat(4);
    for (record_type, text) in [
        (RecordType::Ptr, "host.example."),
        (RecordType::Mx, "10 mail.example."),
        (RecordType::Aaaa, "2001:db8::1"),
        (RecordType::Loc, "42 21 54 N 71 06 18 W -24m 30m"),
        (RecordType::Srv, "1 2 3 host.example."),
        (RecordType::Naptr, r#"100 50 "s" "z3950+N2L+N2C" "" cidserver.example."#),
        (RecordType::Dname, "other.example."),
        (RecordType::Sshfp, &format!("4 2 {digits}")),
        (RecordType::Tlsa, &format!("3 1 1 {digits}")),
        (RecordType::Svcb, "1 svc.example. alpn=h2,h3 port=8443 key667=x"),
        (RecordType::Https, "1 . mandatory=alpn alpn=h2 no-default-alpn ipv4hint=192.0.2.1"),
        (RecordType::from_code(65_280), r"\# 3 abcdef"),
    ] {
        let one = set("every", record_type, &[text]);
        assert_eq!(apply(&dns, change(None, Some(&one))).await, ["done"], "{text}");
        assert_eq!(stored(&dns, &one).await.as_ref(), Some(&one));
        assert_eq!(apply(&dns, change(Some(&one), None)).await, ["done"]);
        assert_eq!(stored(&dns, &one).await, None);
    }
    let own = set("every", RecordType::Redirect, &["https://example.com/"]);
    assert_eq!(stored(&dns, &own).await, None);
    assert_eq!(apply(&dns, change(None, Some(&own))).await, ["refused: unsupported"]);
}

async fn many_and_long_data_work(dns: Rfc2136) {
    let texts: Vec<String> = (0..60).map(|n| format!("\"{n} {}\"", "x".repeat(200))).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let many = set("many", RecordType::Txt, &texts);
    assert_eq!(apply(&dns, change(None, Some(&many))).await, ["done"]);
    assert_eq!(stored(&dns, &many).await.as_ref(), Some(&many));
    assert_eq!(apply(&dns, change(Some(&many), None)).await, ["done"]);

    let texts: Vec<String> = (0..400).map(|n| format!("\"{n} {}\"", "x".repeat(200))).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let too_many = change(None, Some(&set("many", RecordType::Txt, &texts))).into();
    assert_eq!(kind(dns.apply(&zone(), &too_many).await), ErrorKind::Invalid);
}

fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    let error = result.unwrap_err();
    assert!(!format!("{error:?}").contains(&servers::tsig_key().secret));
    error.kind()
}

/// Both a read and a write fail with `expected` and, if there is one, `code`.
async fn fails(dns: &Rfc2136, zone: &DnsName, expected: ErrorKind, code: Option<&str>) {
    let one = RecordSet::new(
        zone.child("fails").unwrap(),
        MINUTE,
        [RecordData::parse(RecordType::Txt, "one").unwrap()],
    )
    .unwrap();
    let read = dns.record_set(zone, one.name(), RecordType::Txt).await.unwrap_err();
    let write = dns.apply(zone, &change(None, Some(&one)).into()).await.unwrap_err();
    for error in [read, write] {
        assert_eq!(
            (error.kind(), error.code()),
            (expected, code.or_else(|| error.code())),
            "{error:?}"
        );
    }
}

/// A provider as `dns` but with another key, clock or zone.
fn like(dns: &Rfc2136, key: TsigKey) -> nameplate::dns::Rfc2136Builder {
    let shown = format!("{dns:?}");
    let server = if shown.contains(&servers::knot().to_string()) {
        servers::knot()
    } else {
        servers::bind()
    };
    Rfc2136::builder(server, key).with_zones([zone()])
}

async fn a_wrong_key_is_denied(dns: Rfc2136) {
    let TsigKeyParts { name, algorithm } = parts();
    let unknown = TsigKey::new("unknown.key".parse().unwrap(), algorithm, secret());
    fails(&like(&dns, unknown).build(), &zone(), ErrorKind::Denied, Some("BADKEY")).await;
    let wrong = TsigKey::new(name, algorithm, secret());
    fails(&like(&dns, wrong).build(), &zone(), ErrorKind::Denied, Some("BADSIG")).await;
}

struct TsigKeyParts {
    name: DnsName,
    algorithm: TsigAlgorithm,
}

fn parts() -> TsigKeyParts {
    let key = servers::tsig_key();
    TsigKeyParts { name: key.name.parse().unwrap(), algorithm: key.algorithm.parse().unwrap() }
}

fn secret() -> Secret {
    Secret::new(b"not the secret that the servers know".to_vec())
}

async fn a_clock_that_is_wrong_is_denied(dns: Rfc2136) {
    let clock = ManualClock::new(SystemClock.now());
    clock.advance(Duration::from_secs(3600));
    let dns = like(&dns, key()).with_clock(Arc::new(clock)).build();
    fails(&dns, &zone(), ErrorKind::Denied, Some("BADTIME")).await;
}

async fn a_zone_that_the_server_does_not_have_is_not_found(dns: Rfc2136) {
    let nowhere: DnsName = "nowhere.invalid".parse().unwrap();
    fails(&dns, &nowhere, ErrorKind::NotFound, None).await;
    let wrong = like(&dns, key()).with_zones([nowhere.clone()]).build();
    let one = RecordSet::new(
        nowhere.clone(),
        MINUTE,
        [RecordData::parse(RecordType::Txt, "one").unwrap()],
    )
    .unwrap();
    let changes = change(None, Some(&one)).into();
    assert_eq!(kind(wrong.apply(&nowhere, &changes).await), ErrorKind::NotFound);
    let outside = change(None, Some(&set("x", RecordType::A, &["192.0.2.1"]))).into();
    assert_eq!(kind(wrong.apply(&nowhere, &outside).await), ErrorKind::Invalid);
}

async fn nobody_there_is_unavailable(_: Rfc2136) {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    let dns = Rfc2136::builder(address, key()).with_zones([zone()]).build();
    fails(&dns, &zone(), ErrorKind::Unavailable, None).await;
}
