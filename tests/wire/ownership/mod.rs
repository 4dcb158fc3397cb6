//! Ownership proved, lost and proved again on real servers, and what they may do to it.
//!
//! Each test has a zone of its own in the tree of `scripts/tree`, which the engine looks at as at the
//! world: by its delegations, and through a resolver that validates. Only the time of the platform is
//! made up.

mod pages;
mod platform;
mod tree;

use std::net::UdpSocket;

use nameplate::{
    DnsName, RecordType,
    challenge::Method,
    evidence::{Found, Verdict},
    record::{RecordSet, Ttl},
    resolver::{Answer, Failure, Mode, Outcome, ServerStatus},
};

use self::{
    platform::{Claim, Platform, held, pending},
    tree::{STALE, Zone, break_trust, lookup, sign},
};
use crate::servers;

/// Longer than a proof may be missing.
const LONG: u32 = 30;

/// Asks for what proves a claim.
async fn ask(claim: &Claim<'_>, mode: Mode) -> Answer {
    lookup(claim.proof.name(), claim.proof.record_type(), mode).await
}

/// Whether the resolver says that an answer is signed and valid.
async fn is_authenticated(claim: &Claim<'_>) -> bool {
    ask(claim, Mode::Recursive).await.authenticated
}

/// Asserts that what proves a claim is, or is not, in the answer of a mode.
async fn shows(claim: &Claim<'_>, mode: Mode, expected: bool) {
    let answer = ask(claim, mode).await;
    assert_eq!(matches!(answer.outcome, Outcome::Answer(_)), expected, "{mode:?}: {answer:?}");
}

/// Proves a name of `zone`, loses it and proves it again; `signed` says what the resolver is to say.
async fn a_life(method: Method, zone: &str, signed: bool) {
    let platform = Platform::new().await;
    let claim = platform.claim_by(method, "shop", zone).await;
    let leaf = Zone::at(servers::leaf(), zone);
    assert_eq!(claim.check().await, pending(Verdict::Refuted, Found::NxDomain));

    leaf.put(&claim.proof).await;
    assert_eq!(claim.check().await, held(Verdict::Confirmed, Found::Values));
    assert_eq!(is_authenticated(&claim).await, signed);
    platform.pass(LONG).await;
    assert_eq!(claim.latest().await, held(Verdict::Confirmed, Found::Values));

    leaf.take(&claim.proof).await;
    platform.pass(2).await;
    assert_eq!(claim.latest().await, held(Verdict::Refuted, Found::NxDomain));
    assert_eq!(is_authenticated(&claim).await, signed);
    platform.pass(4).await;
    assert_eq!(claim.latest().await, pending(Verdict::Refuted, Found::NxDomain));

    // What was asked for the first time is what restores.
    leaf.put(&claim.proof).await;
    assert_eq!(claim.check().await, held(Verdict::Confirmed, Found::Values));
}

#[tokio::test]
async fn ownership_lives_in_an_unsigned_zone() {
    a_life(Method::DnsTxt, "plain.test", false).await;
}

#[tokio::test]
async fn ownership_lives_in_a_signed_zone_and_its_answers_are_authenticated() {
    a_life(Method::DnsTxt, "signed.test", true).await;
}

#[tokio::test]
async fn ownership_lives_by_a_cname_record_that_nobody_has_to_follow() {
    a_life(Method::DnsCname, "alias.test", true).await;
}

#[tokio::test]
async fn a_wildcard_proves_nothing() {
    let platform = Platform::new().await;
    let leaf = Zone::at(servers::leaf(), "wild.test");
    for method in [Method::DnsTxt, Method::DnsCname] {
        let claim = platform.claim_by(method, method.as_str(), "wild.test").await;
        let owner = claim.proof.name().parent().unwrap().child("*").unwrap();
        let data = claim.proof.data().iter().cloned();
        let wildcard = RecordSet::new(owner, Ttl::MINUTE, data).unwrap();
        leaf.put(&wildcard).await;
        shows(&claim, Mode::Authoritative, true).await;
        assert_eq!(claim.check().await, pending(Verdict::Refuted, Found::Wildcard));
        // Beside it even the right record cannot be told from a copy.
        leaf.put(&claim.proof).await;
        assert_eq!(claim.check().await, pending(Verdict::Refuted, Found::Wildcard));

        leaf.take(&wildcard).await;
        assert_eq!(claim.check().await, held(Verdict::Confirmed, Found::Values));
    }
}

/// Fails where there is no IPv6: a test that is left out shows nothing.
fn needs_ipv6() {
    UdpSocket::bind("[::1]:0").expect("this test takes a machine with IPv6 on loopback");
}

#[tokio::test]
async fn ownership_lives_behind_a_server_with_nothing_but_ipv6() {
    needs_ipv6();
    let server: DnsName = "six.six.test".parse().unwrap();
    let answer = lookup(&server, RecordType::A, Mode::Recursive).await;
    assert!(matches!(answer.outcome, Outcome::NoData { .. }), "{answer:?}");
    a_life(Method::DnsTxt, "six.test", false).await;
}

#[tokio::test]
async fn ownership_lives_behind_a_server_of_which_one_address_is_dead() {
    needs_ipv6();
    a_life(Method::DnsTxt, "half.test", false).await;
}

#[tokio::test]
async fn ownership_lives_beside_a_lame_server() {
    let zone: DnsName = "lame.test".parse().unwrap();
    let answer = lookup(&zone, RecordType::Soa, Mode::Authoritative).await;
    let reports: Vec<_> = answer.servers.iter().map(|server| server.status).collect();
    assert!(matches!(answer.outcome, Outcome::Answer(_)), "{answer:?}");
    assert!(reports.contains(&ServerStatus::Refused), "{answer:?}");
    a_life(Method::DnsTxt, "lame.test", false).await;
}

#[tokio::test]
async fn servers_that_disagree_neither_prove_nor_take_away() {
    let platform = Platform::new().await;
    let claim = platform.claim("shop", "pair.test").await;
    let leaf = Zone::at(servers::leaf(), "pair.test");
    let twin = Zone::at(servers::twin(), "pair.test");
    assert_eq!(claim.check().await, pending(Verdict::Refuted, Found::NxDomain));

    for (one, other) in [(&leaf, &twin), (&twin, &leaf)] {
        one.put(&claim.proof).await;
        let answer = ask(&claim, Mode::Authoritative).await;
        assert_eq!(answer.outcome, Outcome::Failed(Failure::Disagreement));
        assert_eq!(claim.check().await, pending(Verdict::Unknown, Found::Failed));
        platform.pass(LONG).await;
        assert_eq!(claim.latest().await, pending(Verdict::Unknown, Found::Failed));

        other.put(&claim.proof).await;
        assert_eq!(claim.check().await, held(Verdict::Confirmed, Found::Values));

        one.take(&claim.proof).await;
        platform.pass(LONG).await;
        assert_eq!(claim.latest().await, held(Verdict::Unknown, Found::Failed));

        other.take(&claim.proof).await;
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
    let zone: DnsName = "zombie.test".parse().unwrap();
    let answer = lookup(&zone, RecordType::Ns, Mode::Authoritative).await;
    assert!(matches!(&answer.outcome, Outcome::Answer(ns) if ns.len() == 2), "{answer:?}");

    zombie.put(&claim.proof).await;
    shows(&claim, Mode::Authoritative, false).await;
    platform.pass(LONG).await;
    assert_eq!(claim.check().await, pending(Verdict::Refuted, Found::NxDomain));

    leaf.put(&claim.proof).await;
    assert_eq!(claim.check().await, held(Verdict::Confirmed, Found::Values));
}

#[tokio::test]
async fn a_record_that_only_some_can_see_proves_nothing() {
    let platform = Platform::new().await;
    let claim = platform.claim("shop", "split.test").await;
    let public = Zone::at(servers::leaf(), "split.test");
    // Where the resolver looks, and nobody else.
    let inside = Zone::at(servers::twin(), "split.test");

    inside.put(&claim.proof).await;
    shows(&claim, Mode::Recursive, true).await;
    shows(&claim, Mode::Authoritative, false).await;
    assert!(!claim.check().await.holds());

    inside.take(&claim.proof).await;
    public.put(&claim.proof).await;
    shows(&claim, Mode::Recursive, false).await;
    shows(&claim, Mode::Authoritative, true).await;
    assert_eq!(claim.check().await, pending(Verdict::Unknown, Found::NxDomain));

    inside.put(&claim.proof).await;
    assert_eq!(claim.check().await, held(Verdict::Confirmed, Found::Values));

    inside.take(&claim.proof).await;
    platform.pass(LONG).await;
    assert_eq!(claim.latest().await, held(Verdict::Unknown, Found::NxDomain));
}

#[tokio::test]
async fn two_vantages_have_to_agree_on_what_nobody_signed() {
    let platform = Platform::with_vantages().await;
    let claim = platform.claim("twice", "apart.test").await;
    let signed = platform.claim("twice", "both.test").await;
    let public = Zone::at(servers::leaf(), "apart.test");
    let inside = Zone::at(servers::twin(), "apart.test");

    public.put(&claim.proof).await;
    assert_eq!(claim.check().await, pending(Verdict::Unknown, Found::Failed));
    inside.put(&claim.proof).await;
    assert_eq!(claim.check().await, held(Verdict::Confirmed, Found::Values));
    inside.take(&claim.proof).await;
    platform.pass(LONG).await;
    assert_eq!(claim.latest().await, held(Verdict::Unknown, Found::Failed));

    let leaf = Zone::at(servers::leaf(), "both.test");
    leaf.put(&signed.proof).await;
    assert_eq!(signed.check().await, held(Verdict::Confirmed, Found::Values));
    let (parent, right) = break_trust("both.test").await;
    platform.pass(LONG).await;
    assert_eq!(signed.latest().await, held(Verdict::Unknown, Found::Bogus));
    parent.put(&right).await;
    assert_eq!(signed.check().await, held(Verdict::Confirmed, Found::Values));
}

#[tokio::test]
async fn a_zone_with_the_wrong_key_takes_nothing_away_and_proves_nothing() {
    let platform = Platform::new().await;
    let claim = platform.claim("shop", "drift.test").await;
    let late = platform.claim("late", "drift.test").await;
    let leaf = Zone::at(servers::leaf(), "drift.test");
    leaf.put(&claim.proof).await;
    assert_eq!(claim.check().await, held(Verdict::Confirmed, Found::Values));

    let (parent, right) = break_trust("drift.test").await;
    leaf.put(&late.proof).await;
    for claim in [&claim, &late] {
        let answer = ask(claim, Mode::Recursive).await;
        assert_eq!(answer.outcome, Outcome::Failed(Failure::Bogus));
        assert!(!answer.authenticated);
    }
    assert_eq!(late.check().await, pending(Verdict::Unknown, Found::Bogus));
    platform.pass(LONG).await;
    assert_eq!(claim.latest().await, held(Verdict::Unknown, Found::Bogus));
    assert_eq!(late.latest().await, pending(Verdict::Unknown, Found::Bogus));

    // Nor does an absence that nobody can vouch for.
    leaf.take(&claim.proof).await;
    platform.pass(LONG).await;
    assert_eq!(claim.latest().await, held(Verdict::Unknown, Found::Bogus));
    leaf.put(&claim.proof).await;

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
    sign(&[&claim.proof], "now-1h", "now+1d");
    assert_eq!(claim.check().await, held(Verdict::Confirmed, Found::Values));
    assert!(is_authenticated(&claim).await);

    sign(&[&claim.proof, &late.proof], "now-3d", "now-1d");
    assert_eq!(late.check().await, pending(Verdict::Unknown, Found::Bogus));
    platform.pass(LONG).await;
    assert_eq!(claim.latest().await, held(Verdict::Unknown, Found::Bogus));
    assert_eq!(late.latest().await, pending(Verdict::Unknown, Found::Bogus));

    // Signed again, but for a record that somebody slipped in.
    sign(&[&claim.proof], "now-1h", "now+1d");
    Zone::at(servers::leaf(), STALE).put(&late.proof).await;
    assert_eq!(claim.check().await, held(Verdict::Confirmed, Found::Values));
    assert_eq!(late.check().await, pending(Verdict::Unknown, Found::Bogus));

    sign(&[&claim.proof, &late.proof], "now-1h", "now+1d");
    assert_eq!(late.check().await, held(Verdict::Confirmed, Found::Values));
}
