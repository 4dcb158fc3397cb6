use std::{collections::BTreeMap, time::Duration};

use super::*;
use crate::id::OsRandom;

fn challenge() -> Challenge {
    let name = "shop.example.com".parse().unwrap();
    Challenge {
        method: Method::DnsTxt,
        scope: Scope::Host,
        target: None,
        path: None,
        owner: Brand::new("plat").unwrap().owner(&name).unwrap(),
        token: Challenge::draw_token(&OsRandom).unwrap(),
        generation: 1,
        issued_at: Timestamp::UNIX_EPOCH,
        expires_at: Timestamp::UNIX_EPOCH,
    }
}

#[test]
fn the_token_is_64_hexadecimal_characters_and_never_the_same() {
    let (one, two) = (challenge(), challenge());
    assert_eq!(one.token.len(), 64);
    assert!(one.token.bytes().all(|b| b.is_ascii_hexdigit()));
    assert_ne!(one.token, two.token);
}

#[test]
fn the_label_states_the_scope() {
    let brand = Brand::new("plat").unwrap();
    let owner = |name: &str| brand.owner(&name.parse().unwrap()).unwrap().to_string();
    assert_eq!(owner("shop.example.com"), "_plat-challenge.shop.example.com");
    assert_eq!(owner("*.example.com"), "_plat-wildcard-challenge.example.com");
}

#[test]
fn bare_and_keyed_tokens_prove_and_nothing_else_does() {
    let challenge = challenge();
    let token = &challenge.token;
    let other = Challenge::draw_token(&OsRandom).unwrap();
    for good in [
        token.clone(),
        format!("token={token}"),
        format!("TOKEN={token} expiry=never"),
        challenge.value(),
    ] {
        assert!(challenge.is_proved_by(good.as_bytes()), "{good}");
    }
    for bad in [
        String::new(),
        "token=".into(),
        other.clone(),
        format!("token={other}"),
        format!("token={other} token={token}"),
        format!("token={token} token={other}"),
        format!("x={token}"),
        format!("expiry=never token={token}"),
        format!("{token}0"),
        format!(" {token}"),
        format!("\"{token}\""),
        token.get(..63).unwrap().into(),
        token.to_uppercase(),
    ] {
        assert!(!challenge.is_proved_by(bad.as_bytes()), "{bad}");
    }
}

#[test]
fn a_brand_must_fit_into_a_label() {
    for bad in ["", "-a", "a-", "Acme", "a.b", "a_b", "ä", &"a".repeat(41)] {
        assert!(Brand::new(bad).is_err(), "{bad}");
    }
}

const BASES: [&str; 4] = ["example.com", "shop.example.com", "www.shop.example.com", "example.net"];
const TTL: Duration = Duration::from_secs(60);

fn terms() -> Terms {
    let target = "proof.platform.test".parse().unwrap();
    Terms::new(Brand::new("plat").unwrap(), TTL * 10, TTL).with_target(target)
}

/// Every challenge there can be for some names, in two generations; `chance` gives each its token.
fn all_challenges(mut chance: impl FnMut() -> [u8; 32]) -> Vec<(DomainName, Challenge)> {
    let mut all = Vec::new();
    let names = BASES.into_iter().flat_map(|base| [base.to_owned(), format!("*.{base}")]);
    for name in names.map(|name| name.parse::<DomainName>().unwrap()) {
        for method in Method::ALL {
            for generation in [1, 2] {
                let now = Timestamp::UNIX_EPOCH;
                match terms().issue(&name, method, generation, &chance(), now) {
                    Ok(challenge) => all.push((name.clone(), challenge)),
                    Err(error) => {
                        assert!(method == Method::Http && name.is_wildcard(), "{error}");
                    }
                }
            }
        }
    }
    all
}

/// What is published: records and pages by their places.
#[derive(Default)]
struct Published {
    texts: BTreeMap<String, Vec<String>>,
    aliases: BTreeMap<String, Vec<DnsName>>,
    pages: BTreeMap<String, String>,
}

impl Published {
    fn proof(challenge: &Challenge) -> Self {
        let mut world = Self::default();
        world.put(challenge, challenge);
        world
    }

    /// Puts the proof of one challenge where another's is to be.
    fn put(&mut self, of: &Challenge, place: &Challenge) {
        let owner = place.owner.to_string();
        match place.method {
            Method::DnsTxt => {
                self.texts.insert(owner, vec![of.value(), of.token.clone()]);
            }
            Method::DnsCname => {
                self.aliases.insert(owner, of.target.clone().into_iter().collect());
            }
            Method::Http => {
                self.pages.insert(place.page().unwrap().url(), of.token.clone());
            }
            Method::Email => {}
        }
    }

    /// Looks for all that a look looks at.
    fn proves(&self, challenge: &Challenge) -> bool {
        let owner = challenge.owner.to_string();
        let mut texts = self.texts.get(&owner).into_iter().flatten();
        let aliases = self.aliases.get(&owner).into_iter().flatten();
        let page = challenge.page();
        let body = page.as_ref().and_then(|page| self.pages.get(&page.url()));
        texts.any(|text| challenge.is_proved_by(text.as_bytes()))
            || challenge.is_proved_by_alias(aliases)
            || body.is_some_and(|body| {
                page.is_some_and(|page| page.is_proved_by(Some("text/plain"), body.as_bytes()))
            })
    }
}

fn drawn() -> [u8; 32] {
    let mut chance = [0; 32];
    OsRandom.fill(&mut chance).unwrap();
    chance
}

#[test]
fn a_proof_for_one_method_scope_name_and_generation_is_none_for_another() {
    let all = all_challenges(drawn);
    assert_eq!(all.len(), 2 * (4 * 4 + 4 * 3));
    for (name, challenge) in &all {
        let world = Published::proof(challenge);
        assert_eq!(world.proves(challenge), challenge.method != Method::Email, "{name}");
        for (other, another) in all.iter().filter(|(_, another)| another != challenge) {
            assert!(!world.proves(another), "{name} {challenge:?} proves {other} {another:?}");
        }
    }
}

#[test]
fn the_place_alone_tells_challenges_apart_that_have_the_same_chance() {
    let all = all_challenges(|| [7; 32]);
    for (name, challenge) in &all {
        let world = Published::proof(challenge);
        let is_other = |another: &Challenge| {
            (another.method, &another.owner, another.scope)
                != (challenge.method, &challenge.owner, challenge.scope)
        };
        for (other, another) in all.iter().filter(|(_, another)| is_other(another)) {
            assert!(!world.proves(another), "{name} {challenge:?} proves {other} {another:?}");
        }
    }
}

#[test]
fn a_token_where_another_is_to_be_proves_nothing() {
    let all = all_challenges(drawn);
    for (name, challenge) in &all {
        let others = all.iter().filter(|(_, another)| another.token != challenge.token);
        // The place of a CNAME record is its token.
        for (other, another) in others.filter(|(_, it)| it.method != Method::DnsCname) {
            let mut world = Published::default();
            world.put(challenge, another);
            assert!(!world.proves(another), "{name} {challenge:?} proves {other} {another:?}");
        }
    }
}

#[test]
fn a_token_that_is_a_label_has_160_bits_and_its_place_says_the_scope() {
    let issue = |name: &str| {
        let name = name.parse().unwrap();
        let now = Timestamp::UNIX_EPOCH;
        terms().issue(&name, Method::DnsCname, 1, &drawn(), now).unwrap()
    };
    let (one, two) = (issue("shop.example.com"), issue("*.shop.example.com"));
    assert_ne!(one.token, two.token);
    for (challenge, place) in [(&one, "_plat-challenge"), (&two, "_plat-wildcard-challenge")] {
        let Challenge { token, owner, .. } = challenge;
        assert_eq!(token.len() * 5, 160);
        assert!(token.bytes().all(|c| matches!(c, b'a'..=b'z' | b'2'..=b'7')), "{token}");
        assert_eq!(owner.as_str(), format!("_{token}.{place}.shop.example.com"));
        assert_eq!(challenge.value(), "proof.platform.test");
    }
}

#[test]
fn an_alias_proves_if_it_is_the_only_one_and_leads_to_the_target() {
    let name = "shop.example.com".parse().unwrap();
    let challenge =
        terms().issue(&name, Method::DnsCname, 1, &drawn(), Timestamp::UNIX_EPOCH).unwrap();
    let [target, upper, other]: [DnsName; 3] =
        ["proof.platform.test", "PROOF.platform.TEST", "x.proof.platform.test"]
            .map(|name| name.parse().unwrap());
    assert!(challenge.is_proved_by_alias([&target]));
    assert!(challenge.is_proved_by_alias([&upper]));
    assert!(!challenge.is_proved_by_alias([&other]));
    assert!(!challenge.is_proved_by_alias([&target, &other]));
    assert!(!challenge.is_proved_by_alias([]));
    // One that lost its target, for whatever reason, is proved by nothing.
    let lost = Challenge { target: None, ..challenge };
    assert!(!lost.is_proved_by_alias([]) && !lost.is_proved_by_alias([&target]));
}

#[test]
fn tokens_live_as_long_as_their_method_lets_them() {
    let now = Timestamp::UNIX_EPOCH;
    let name = "shop.example.com".parse().unwrap();
    for method in Method::ALL {
        let challenge = terms().issue(&name, method, 3, &drawn(), now).unwrap();
        let wanted = if method.is_record() { TTL * 10 } else { TTL };
        assert_eq!(challenge.expires_at, crate::clock::after(now, wanted), "{method}");
        assert_eq!((challenge.generation, challenge.issued_at), (3, now));
    }
}

#[test]
fn what_cannot_be_asked_for_is_refused_with_the_reason() {
    let issue = |terms: &Terms, name: &str, method| {
        terms.issue(&name.parse().unwrap(), method, 1, &[0; 32], Timestamp::UNIX_EPOCH)
    };
    let bare = Terms::new(Brand::new("plat").unwrap(), TTL, TTL);
    let reason = |result: Result<Challenge>| {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let source = std::error::Error::source(&error).unwrap();
        source.downcast_ref::<MethodError>().copied()
    };
    let target = reason(issue(&bare, "shop.example.com", Method::DnsCname));
    assert_eq!(target, Some(MethodError::NoTarget));
    let wildcard = reason(issue(&terms(), "*.example.com", Method::Http));
    assert_eq!(wildcard, Some(MethodError::Wildcard));
    let long =
        format!("{}.example.com", ["a".repeat(55), "b".repeat(55), "c".repeat(55)].join("."));
    assert!(issue(&terms(), &long, Method::DnsTxt).is_ok());
    let longer = format!("{}.{long}", "d".repeat(30));
    assert_eq!(reason(issue(&terms(), &longer, Method::DnsCname)), None);
}

#[test]
fn pages_are_in_the_directory_of_the_platform_and_never_in_that_of_authorities() {
    let terms = terms().with_service("pki-validation").unwrap();
    let name = "www.example.com".parse().unwrap();
    let challenge = terms.issue(&name, Method::Http, 1, &[0; 32], Timestamp::UNIX_EPOCH).unwrap();
    let page = challenge.page().unwrap();
    assert!(page.url().starts_with("http://www.example.com/.well-known/pki-validation/"));
    assert_eq!(page.body(), challenge.value());
    for bad in ["", "acme-challenge", "a/b", "..", "A", "-a", "a-", "a b", &"a".repeat(64)] {
        assert!(terms.clone().with_service(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_sibling_is_beside_the_proof_also_of_the_longest_name() {
    for name in ["shop.example.com", "*.shop.example.com"] {
        for method in [Method::DnsTxt, Method::DnsCname] {
            let name = name.parse().unwrap();
            let challenge =
                terms().issue(&name, method, 1, &drawn(), Timestamp::UNIX_EPOCH).unwrap();
            let [one, two] = [challenge.sibling(&drawn()), challenge.sibling(&drawn())];
            assert_ne!(one, two);
            assert_eq!(one.unwrap().parent(), challenge.owner.parent());
        }
    }
    // The shortest brand in front of the longest name that it fits in front of.
    let brand = Brand::new("a").unwrap();
    let labels = [("x", 63), ("y", 63), ("z", 63), ("w", 44)].map(|(c, many)| c.repeat(many));
    let name: DomainName = format!("{}.com", labels.join(".")).parse().unwrap();
    assert_eq!(brand.owner(&name).unwrap().as_str().len(), 253);
    let terms = Terms::new(brand, TTL, TTL);
    let challenge = terms.issue(&name, Method::DnsTxt, 1, &drawn(), Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(challenge.sibling(&drawn()).unwrap().parent(), challenge.owner.parent());
}

#[test]
fn methods_are_read_as_they_are_written() {
    for method in Method::ALL {
        assert_eq!(method.as_str().parse(), Ok(method));
        assert_eq!(serde_json::to_string(&method).unwrap(), format!("\"{method}\""));
    }
    for bad in ["", "DNS-TXT", "dns_txt", "phone", " http"] {
        assert_eq!(bad.parse::<Method>(), Err(MethodError::Unknown), "{bad}");
    }
}

#[test]
fn a_label_of_a_published_api_is_taken_only_if_it_is_asked_for_and_for_hosts_only() {
    let issue = |labels, name: &str, chance: [u8; 32]| {
        let terms = terms().with_labels(labels);
        terms.issue(&name.parse().unwrap(), Method::DnsTxt, 1, &chance, Timestamp::UNIX_EPOCH)
    };
    for label in CompatLabel::ALL {
        let labels = LabelPolicy::Compat(label);
        let [one, two] =
            [drawn(), drawn()].map(|chance| issue(labels, "shop.example.com", chance).unwrap());
        assert_ne!(one.token, two.token);
        let front = one.owner.as_str().strip_suffix(".shop.example.com").unwrap();
        match label {
            CompatLabel::Nfverify => {
                assert_ne!(one.owner, two.owner);
                assert_eq!(front.len(), 24, "{front}");
                assert!(
                    front.strip_prefix("nfverify").unwrap().bytes().all(|c| c.is_ascii_digit())
                );
            }
            _ => assert_eq!(front, label.as_str()),
        }
        assert_eq!(one.sibling(&drawn()).unwrap().parent(), one.owner.parent());
        // Nobody else writes there.
        let terms = terms().with_labels(labels);
        let at = |name: &str| terms.is_proof_name(&name.parse().unwrap());
        assert!(at(one.owner.as_str()) && at(&one.owner.as_str().to_uppercase()));
        assert!(at(&format!("x.{}", one.owner)) && at("_plat-challenge.shop.example.com"));
        assert!(!at(&format!("x{}", one.owner)) && !at("shop.example.com"));
        assert!(!self::terms().is_proof_name(&one.owner));

        let error = issue(labels, "*.example.com", drawn()).unwrap_err();
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.downcast_ref(), Some(&MethodError::Label));
    }
    let branded = issue(LabelPolicy::default(), "shop.example.com", drawn()).unwrap();
    assert_eq!(branded.owner.as_str(), "_plat-challenge.shop.example.com");
}
