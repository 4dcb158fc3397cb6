//! Ownership proved, lost and proved again on real servers, and what they may do to it.
//!
//! Each test has a zone of its own in the tree of `scripts/tree`, which the engine looks at as at the
//! world: by its delegations, and through a resolver that validates. Only the time of the platform is
//! made up.

mod platform;
mod tree;

use std::net::UdpSocket;

use nameplate::{
    DnsName, RecordType,
    evidence::{Found, Verdict},
    record::{RecordData, RecordSet, Ttl},
    resolver::{Failure, Hickory, Lookup, Mode, Outcome, Resolver as _},
};

use self::{
    platform::{Claim, Platform, held, pending},
    tree::{STALE, Zone, sign, texts},
};
use crate::servers;

/// Longer than a proof may be missing.
const LONG: u32 = 30;

/// Whether the resolver says that an answer is signed and valid.
async fn is_authenticated(claim: &Claim<'_>) -> bool {
    texts(claim.record.name(), Mode::Recursive).await.authenticated
}

/// Asserts that what proves a claim is, or is not, in the answer of a mode.
async fn shows(claim: &Claim<'_>, mode: Mode, expected: bool) {
    let answer = texts(claim.record.name(), mode).await;
    assert_eq!(matches!(answer.outcome, Outcome::Answer(_)), expected, "{mode:?}: {answer:?}");
}

/// Proves a name of `zone`, loses it and proves it again; `signed` says what the resolver is to say.
async fn a_life(zone: &str, signed: bool) {
    let platform = Platform::new().await;
    let claim = platform.claim("shop", zone).await;
    let leaf = Zone::at(servers::leaf(), zone);
    assert_eq!(claim.check().await, pending(Verdict::Refuted, Found::NxDomain));

    leaf.put(&claim.record).await;
    assert_eq!(claim.check().await, held(Verdict::Confirmed, Found::Values));
    assert_eq!(is_authenticated(&claim).await, signed);
    platform.pass(LONG).await;
    assert_eq!(claim.latest().await, held(Verdict::Confirmed, Found::Values));

    leaf.take(&claim.record).await;
    platform.pass(2).await;
    assert_eq!(claim.latest().await, held(Verdict::Refuted, Found::NxDomain));
    assert_eq!(is_authenticated(&claim).await, signed);
    platform.pass(4).await;
    assert_eq!(claim.latest().await, pending(Verdict::Refuted, Found::NxDomain));

    // What was asked for the first time is what restores.
    leaf.put(&claim.record).await;
    assert_eq!(claim.check().await, held(Verdict::Confirmed, Found::Values));
}

#[tokio::test]
async fn ownership_lives_in_an_unsigned_zone() {
    a_life("plain.test", false).await;
}

#[tokio::test]
async fn ownership_lives_in_a_signed_zone_and_its_answers_are_authenticated() {
    a_life("signed.test", true).await;
}

/// Fails where there is no IPv6: a test that is left out shows nothing.
fn needs_ipv6() {
    UdpSocket::bind("[::1]:0").expect("this test takes a machine with IPv6 on loopback");
}

#[tokio::test]
async fn ownership_lives_behind_a_server_with_nothing_but_ipv6() {
    needs_ipv6();
    let server: DnsName = "six.six.test".parse().unwrap();
    let lookup = Lookup::new(server, RecordType::A, Mode::Recursive);
    let answer = tree::resolver().lookup(&lookup).await.unwrap();
    assert!(matches!(answer.outcome, Outcome::NoData { .. }), "{answer:?}");
    a_life("six.test", false).await;
}

#[tokio::test]
async fn ownership_lives_behind_a_server_of_which_one_address_is_dead() {
    needs_ipv6();
    a_life("half.test", false).await;
}

#[tokio::test]
async fn ownership_lives_beside_a_lame_server() {
    let direct =
        Hickory::builder([]).with_zone("lame.test".parse().unwrap(), [servers::twin()]).build().unwrap();
    let lookup = Lookup::new("lame.test".parse().unwrap(), RecordType::Soa, Mode::Authoritative);
    let answer = direct.lookup(&lookup).await.unwrap();
    assert_eq!(answer.outcome, Outcome::Failed(Failure::Refused));
    a_life("lame.test", false).await;
}

#[tokio::test]
async fn servers_that_disagree_neither_prove_nor_take_away() {
    let platform = Platform::new().await;
    let claim = platform.claim("shop", "pair.test").await;
    let leaf = Zone::at(servers::leaf(), "pair.test");
    let twin = Zone::at(servers::twin(), "pair.test");
    assert_eq!(claim.check().await, pending(Verdict::Refuted, Found::NxDomain));

    for (one, other) in [(&leaf, &twin), (&twin, &leaf)] {
        one.put(&claim.record).await;
        let answer = texts(claim.record.name(), Mode::Authoritative).await;
        assert_eq!(answer.outcome, Outcome::Failed(Failure::Disagreement));
        assert_eq!(claim.check().await, pending(Verdict::Unknown, Found::Failed));
        platform.pass(LONG).await;
        assert_eq!(claim.latest().await, pending(Verdict::Unknown, Found::Failed));

        other.put(&claim.record).await;
        assert_eq!(claim.check().await, held(Verdict::Confirmed, Found::Values));

        one.take(&claim.record).await;
        platform.pass(LONG).await;
        assert_eq!(claim.latest().await, held(Verdict::Unknown, Found::Failed));

        other.take(&claim.record).await;
        platform.pass(6).await;
        assert_eq!(claim.latest().await, pending(Verdict::Refuted, Found::NxDomain));
    }
}

/// Whoever is left in the zone from earlier days is none of its servers.
#[tokio::test]
async fn a_server_that_only_the_zone_itself_names_proves_nothing() {
    let platform = Platform::new().await;
    let claim = platform.claim("shop", "zombie.test").await;
    let leaf = Zone::at(servers::leaf(), "zombie.test");
    let zombie = Zone::at(servers::twin(), "zombie.test");
    let lookup = Lookup::new("zombie.test".parse().unwrap(), RecordType::Ns, Mode::Authoritative);
    let answer = tree::resolver().lookup(&lookup).await.unwrap();
    assert!(matches!(&answer.outcome, Outcome::Answer(ns) if ns.len() == 2), "{answer:?}");

    zombie.put(&claim.record).await;
    shows(&claim, Mode::Authoritative, false).await;
    platform.pass(LONG).await;
    assert_eq!(claim.check().await, pending(Verdict::Refuted, Found::NxDomain));

    leaf.put(&claim.record).await;
    assert_eq!(claim.check().await, held(Verdict::Confirmed, Found::Values));
}

#[tokio::test]
async fn a_record_that_only_some_can_see_proves_nothing() {
    let platform = Platform::new().await;
    let claim = platform.claim("shop", "split.test").await;
    let public = Zone::at(servers::leaf(), "split.test");
    // Where the resolver looks, and nobody else.
    let inside = Zone::at(servers::twin(), "split.test");

    inside.put(&claim.record).await;
    shows(&claim, Mode::Recursive, true).await;
    shows(&claim, Mode::Authoritative, false).await;
    assert!(!claim.check().await.holds());

    inside.take(&claim.record).await;
    public.put(&claim.record).await;
    shows(&claim, Mode::Recursive, false).await;
    shows(&claim, Mode::Authoritative, true).await;
    assert_eq!(claim.check().await, pending(Verdict::Unknown, Found::NxDomain));

    inside.put(&claim.record).await;
    assert_eq!(claim.check().await, held(Verdict::Confirmed, Found::Values));

    inside.take(&claim.record).await;
    platform.pass(LONG).await;
    assert_eq!(claim.latest().await, held(Verdict::Unknown, Found::NxDomain));
}

/// A zone whose parent vouches for another key, as after a move to another provider.
#[tokio::test]
async fn a_zone_with_the_wrong_key_takes_nothing_away_and_proves_nothing() {
    let platform = Platform::new().await;
    let claim = platform.claim("shop", "drift.test").await;
    let late = platform.claim("late", "drift.test").await;
    let leaf = Zone::at(servers::leaf(), "drift.test");
    leaf.put(&claim.record).await;
    assert_eq!(claim.check().await, held(Verdict::Confirmed, Found::Values));

    let parent = Zone::at(servers::parent(), "test");
    let name: DnsName = "drift.test".parse().unwrap();
    let right = parent.get(&name, RecordType::Ds).await;
    let wrong = format!("1 13 2 {}", "00".repeat(32));
    let wrong = RecordData::parse(RecordType::Ds, &wrong).unwrap();
    parent.put(&RecordSet::new(name, Ttl::MINUTE, [wrong]).unwrap()).await;

    leaf.put(&late.record).await;
    for claim in [&claim, &late] {
        let answer = texts(claim.record.name(), Mode::Recursive).await;
        assert_eq!(answer.outcome, Outcome::Failed(Failure::Bogus));
        assert!(!answer.authenticated);
    }
    assert_eq!(late.check().await, pending(Verdict::Unknown, Found::Bogus));
    platform.pass(LONG).await;
    assert_eq!(claim.latest().await, held(Verdict::Unknown, Found::Bogus));
    assert_eq!(late.latest().await, pending(Verdict::Unknown, Found::Bogus));

    parent.put(&right).await;
    for claim in [&claim, &late] {
        assert_eq!(claim.check().await, held(Verdict::Confirmed, Found::Values));
        assert!(is_authenticated(claim).await);
    }
}

#[tokio::test]
async fn signatures_that_expire_take_nothing_away_and_prove_nothing() {
    let platform = Platform::new().await;
    let claim = platform.claim("shop", "stale.test").await;
    let late = platform.claim("late", "stale.test").await;
    sign(&[&claim.record], "now-1h", "now+1d");
    assert_eq!(claim.check().await, held(Verdict::Confirmed, Found::Values));
    assert!(is_authenticated(&claim).await);

    sign(&[&claim.record, &late.record], "now-3d", "now-1d");
    assert_eq!(late.check().await, pending(Verdict::Unknown, Found::Bogus));
    platform.pass(LONG).await;
    assert_eq!(claim.latest().await, held(Verdict::Unknown, Found::Bogus));
    assert_eq!(late.latest().await, pending(Verdict::Unknown, Found::Bogus));

    // Signed again, but for a record that somebody slipped in.
    sign(&[&claim.record], "now-1h", "now+1d");
    Zone::at(servers::leaf(), STALE).put(&late.record).await;
    assert_eq!(claim.check().await, held(Verdict::Confirmed, Found::Values));
    assert_eq!(late.check().await, pending(Verdict::Unknown, Found::Bogus));

    sign(&[&claim.record, &late.record], "now-1h", "now+1d");
    assert_eq!(late.check().await, held(Verdict::Confirmed, Found::Values));
}
