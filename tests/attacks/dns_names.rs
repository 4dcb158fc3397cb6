//! Against what the DNS says, where the platform judges it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use nameplate::{
    clock::{Clock, after},
    domain::{Party, Reason, Status},
    engine::Onboarding,
    error::Result,
    evidence::{Topic, Verdict},
    record::{RecordData, RecordFields, RecordSet, RecordType, Ttl},
    resolver::{Answer, Failure, InMemoryResolver, Lookup, Mode, Outcome, Resolver},
};

use crate::{
    common::{DAY, EDGE, HOUR, OTHER, TENANT, World, dns, run_until},
    platform::{look, proof, publish_texts, served_for, unpublish},
};

/// What a resolver says instead of the truth.
type Lie = dyn Fn(&Lookup, Answer) -> Answer + Send + Sync;

/// A resolver that is lied to.
#[derive(Clone)]
struct Lied {
    truth: InMemoryResolver,
    lie: Arc<Lie>,
}

impl fmt::Debug for Lied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lied")
    }
}

#[async_trait]
impl Resolver for Lied {
    async fn lookup(&self, lookup: &Lookup) -> Result<Answer> {
        Ok((self.lie)(lookup, self.truth.lookup(lookup).await?))
    }
}

/// Another process on the same world, whose resolver is lied to.
pub(crate) fn lied_to(
    world: &World,
    lie: impl Fn(&Lookup, Answer) -> Answer + Send + Sync + 'static,
) -> Onboarding {
    let lie = Arc::new(lie);
    let wrap = |truth| Lied { truth, lie };
    world.process((|store| store, wrap, |dns| dns, |ca| ca))
}

fn cname(from: &str, to: &str) -> RecordSet {
    RecordSet::new(dns(from), Ttl::MINUTE, [RecordData::Cname(dns(to))]).unwrap()
}

#[tokio::test]
async fn c01_a_proof_that_is_somewhere_else_is_none() {
    for alias in ["_plat-challenge.shop.example.com", "*.shop.example.com", "*.example.com"] {
        let world = World::new();
        let id = world.add("shop.example.com").await.id();
        let at = proof(&world, &TENANT, id).await;
        // The attacker is the tenant, and `example.net` is theirs.
        let mut theirs = at.clone();
        theirs.name = dns("proof.example.net");
        publish_texts(&world, &theirs, &[&at.value]);
        world.dns.set(cname(alias, "proof.example.net")).unwrap();
        world.run_for(DAY).await;
        assert_eq!(look(&world, &TENANT, id).await, Status::Pending, "{alias}");
        // It is seen where the answer came from.
        let seen = world.get(id).await.evidence(Topic::Ownership).seen.values.clone();
        assert!(seen.iter().any(|value| value.contains("proof.example.net")), "{seen:?}");

        world.dns.remove(&dns(alias), RecordType::Cname);
        publish_texts(&world, &at, &[&at.value]);
        assert!(look(&world, &TENANT, id).await.holds(), "{alias}");
    }
}

#[tokio::test]
async fn c01_a_delegation_to_the_target_of_another_claim_counts_for_nothing() {
    let world = World::new();
    let victim = world.add("*.example.com").await;
    let thief = world.add_with(&OTHER, "*.example.com".parse().unwrap()).await;
    let steps = world.onboarding.instructions(&OTHER, thief.id()).await.unwrap();
    let (own, others) = (thief.delegation().unwrap(), victim.delegation().unwrap());
    assert_ne!(own.target, others.target);
    assert_eq!(own.owner, others.owner);
    for step in &steps {
        world.publish_one(step);
    }
    for target in
        [others.target.to_string(), format!("x.{}", own.target), "acme.platform.test".into()]
    {
        world.dns.set(cname(own.owner.as_str(), &target)).unwrap();
        world.run_for(DAY).await;
        let domain = world.onboarding.get(&OTHER, thief.id()).await.unwrap();
        assert_eq!(domain.status(), Status::Verified, "{target}: {}", domain.waiting_on());
        assert_eq!(world.ca.orders(), 0, "{target}");
    }
    world.dns.set(cname(own.owner.as_str(), own.target.as_str())).unwrap();
    world.run_for(DAY).await;
    let domain = world.onboarding.get(&OTHER, thief.id()).await.unwrap();
    assert_eq!(domain.status(), Status::Active, "{}", domain.waiting_on());
}

#[tokio::test]
async fn c02_a_delegation_that_a_former_customer_left_gives_no_certificate() {
    let world = World::new();
    let former = world.active("*.example.com").await;
    let dangling = former.delegation().unwrap().clone();
    world.onboarding.remove(&TENANT, former.id()).await.unwrap();
    world.run_for(HOUR).await;
    let orders = world.ca.orders();
    // The delegation is still there. Whoever proves the name next has one of their own.
    let next = world.add_with(&OTHER, "*.example.com".parse().unwrap()).await;
    assert_ne!(next.delegation().unwrap().target, dangling.target);
    world.publish_one(&proof(&world, &OTHER, next.id()).await);
    world.run_for(DAY * 30).await;
    let domain = world.onboarding.get(&OTHER, next.id()).await.unwrap();
    assert_eq!(domain.status(), Status::Verified);
    let delegated =
        |reason| matches!(reason, Reason::RecordDiffers { topic: Topic::Delegation, .. });
    assert!(delegated(domain.waiting_on().reason), "{}", domain.waiting_on());
    assert_eq!(world.ca.orders(), orders);
    assert_eq!(world.leftovers(), []);
}

#[tokio::test]
async fn c02_a_delegation_is_looked_at_before_every_renewal() {
    for is_led_astray in [false, true] {
        let world = World::new();
        let domain = world.active("*.example.com").await;
        let first = domain.certificate().unwrap().clone();
        let delegation = domain.delegation().unwrap();
        if is_led_astray {
            world.dns.set(cname(delegation.owner.as_str(), "elsewhere.example.net")).unwrap();
        }
        let until = first.renew_at - world.clock.now();
        world.run_for(until.to_std().unwrap() + DAY * 3).await;
        let now = world.get(domain.id()).await;
        assert_eq!(now.certificate().unwrap().id == first.id, is_led_astray);
        assert_eq!(world.ca.orders(), if is_led_astray { 1 } else { 2 });
        assert_eq!(now.status(), Status::Active, "the old one serves");
    }
}

#[tokio::test]
async fn c03_a_zone_at_the_platforms_provider_proves_nothing() {
    let world = World::new();
    // `example.com` is at the provider, as the rightful flow needs, and whoever asks can know it.
    world.active("shop.example.com").await;
    let id = world.add_with(&OTHER, "victim.example.com".parse().unwrap()).await.id();
    let before = world.dns.records(&dns("example.com"));
    let fields = RecordFields::new("TXT", "_plat-challenge", "x");
    let records = world.onboarding.records(&OTHER, id);
    for fields in [fields, RecordFields::new("A", "@", "203.0.113.10")] {
        let created = match records.create(&fields).await {
            Ok(change) => change.apply().await.map(|_| ()),
            Err(error) => Err(error),
        };
        assert!(created.is_err(), "{fields:?}");
    }
    world.run_for(DAY * 3).await;
    let domain = world.onboarding.get(&OTHER, id).await.unwrap();
    assert_eq!(domain.status(), Status::Pending);
    assert_eq!(world.dns.records(&dns("example.com")), before);
}

#[tokio::test]
async fn c06_an_absence_that_does_not_validate_takes_nothing_away() {
    let world = World::new();
    let id = world.active("shop.example.com").await.id();
    let at = proof(&world, &TENANT, id).await;
    // Whoever is on the way to the servers of the zone hides the record from those who ask them.
    let forged = lied_to(&world, |lookup, answer| match (lookup.record_type, lookup.mode) {
        (RecordType::Txt, Mode::Authoritative) => {
            Answer::new(Outcome::NxDomain { negative_ttl: None })
        }
        (RecordType::Txt, _) => Answer::new(Outcome::Failed(Failure::Bogus)),
        _ => answer,
    });
    let end = after(world.clock.now(), DAY * 30);
    run_until(&forged, &world.store, &world.clock, end).await;
    let domain = world.get(id).await;
    assert_eq!(domain.status(), Status::Active);
    assert_eq!(domain.evidence(Topic::Ownership).last, Verdict::Unknown);

    // What both say is gone is.
    unpublish(&world, &at);
    world.run_for(DAY * 6).await;
    assert_eq!(world.get(id).await.status(), Status::Pending);
}

#[tokio::test]
async fn c07_a_token_that_only_the_servers_of_the_zone_show_proves_nothing() {
    for shown in [Mode::Authoritative, Mode::Recursive] {
        let world = World::new();
        let id = world.add("shop.example.com").await.id();
        let at = proof(&world, &TENANT, id).await;
        publish_texts(&world, &at, &[&at.value]);
        let split = lied_to(&world, move |lookup, answer| match lookup.record_type {
            RecordType::Txt if lookup.mode != shown => {
                Answer::new(Outcome::NxDomain { negative_ttl: None })
            }
            _ => answer,
        });
        let looked = split.check(&TENANT, id).await.unwrap();
        assert_eq!(looked.status(), Status::Pending, "{shown:?}");
        // Who sees both worlds as one finds the proof.
        assert!(look(&world, &TENANT, id).await.holds());
    }
}

#[tokio::test]
async fn c08_a_proof_behind_a_dname_is_none() {
    let world = World::new();
    let id = world.add("shop.example.com").await.id();
    let at = proof(&world, &TENANT, id).await;
    publish_texts(&world, &at, &[&at.value]);
    // As a resolver answers that follows a DNAME record at `example.com` (RFC 6672 section 3.1): by
    // the CNAME record that is made of it.
    let below = lied_to(&world, |lookup, answer| match lookup.record_type {
        RecordType::Txt => answer.with_chain(vec![dns("_plat-challenge.shop.example.net")]),
        _ => answer,
    });
    let looked = below.check(&TENANT, id).await.unwrap();
    assert_eq!(looked.status(), Status::Pending);
    let Reason::RecordDiffers { seen, .. } = looked.waiting_on().reason else {
        panic!("{}", looked.waiting_on());
    };
    assert!(seen.values.iter().any(|value| value.contains("example.net")), "{seen:?}");
    assert!(look(&world, &TENANT, id).await.holds());
    // The parent of what was proved is not.
    let parent = world.add("example.com").await.id();
    assert_eq!(look(&world, &TENANT, parent).await, Status::Pending);
}

#[tokio::test]
async fn c09_a_token_that_was_there_for_a_moment_gives_no_certificate() {
    let world = World::new();
    let id = world.add("shop.example.com").await.id();
    let steps = world.onboarding.instructions(&TENANT, id).await.unwrap();
    world.publish_one(&steps[0]);
    assert!(look(&world, &TENANT, id).await.holds());
    unpublish(&world, &steps[0]);
    // An hour later the name leads here, and there is all that an order needs but a proof.
    world.run_for(HOUR * 2).await;
    world.publish_one(&steps[1]);
    world.run_for(DAY).await;
    assert_eq!(world.ca.orders(), 0);
    assert_eq!(served_for(&world, "shop.example.com").await, None);
    world.run_for(DAY * 6).await;
    assert_eq!(world.get(id).await.status(), Status::Pending, "and it is lost again");

    world.publish_one(&steps[0]);
    assert!(look(&world, &TENANT, id).await.holds());
    world.run_for(HOUR).await;
    assert_eq!(served_for(&world, "shop.example.com").await, Some(TENANT));
}

/// Every way in which a server gives no answer.
const SILENCE: [Outcome; 7] = [
    Outcome::Timeout,
    Outcome::Failed(Failure::Bogus),
    Outcome::Failed(Failure::Chain),
    Outcome::Failed(Failure::Disagreement),
    Outcome::Failed(Failure::Lame),
    Outcome::Failed(Failure::Refused),
    Outcome::Failed(Failure::ServFail),
];

#[tokio::test]
async fn c10_no_answer_proves_nothing_and_takes_nothing_away() {
    for silence in SILENCE {
        let world = World::new();
        let held = world.active("shop.example.com").await.id();
        let pending = world.add_with(&OTHER, "other.example.com".parse().unwrap()).await.id();
        let (ours, theirs) =
            (proof(&world, &TENANT, held).await, proof(&world, &OTHER, pending).await);
        for at in [&ours, &theirs] {
            world.resolver.answer_with(at.name.clone(), RecordType::Txt, silence.clone());
        }
        world.publish_one(&theirs);
        world.run_for(DAY * 30).await;
        assert_eq!(world.get(held).await.status(), Status::Active, "{silence:?}");
        assert_eq!(world.get(held).await.evidence(Topic::Ownership).last, Verdict::Unknown);
        assert_eq!(served_for(&world, "shop.example.com").await, Some(TENANT));
        assert_eq!(look(&world, &OTHER, pending).await, Status::Pending, "{silence:?}");
        // One that was about to be lost is not lost to silence either.
        for at in [&ours, &theirs] {
            world.resolver.answer_normally(&at.name, RecordType::Txt);
        }
        assert!(look(&world, &OTHER, pending).await.holds(), "{silence:?}");
        unpublish(&world, &ours);
        world.run_for(DAY * 2).await;
        world.resolver.answer_with(ours.name.clone(), RecordType::Txt, silence.clone());
        world.run_for(DAY * 30).await;
        assert_eq!(world.get(held).await.status(), Status::Active, "{silence:?}");
    }
}

#[tokio::test]
async fn c10_an_answer_that_is_cut_short_is_no_answer() {
    let world = World::new();
    let id = world.active("shop.example.com").await.id();
    let at = proof(&world, &TENANT, id).await;
    // More records than are looked at, the proof perhaps among them.
    let many: Vec<_> = (0..=Lookup::MAX_RECORDS).map(|it| format!("x{it}")).collect();
    let texts: Vec<&str> = many.iter().map(String::as_str).collect();
    publish_texts(&world, &at, &texts);
    world.run_for(DAY * 10).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
    publish_texts(&world, &at, &texts[..8]);
    world.run_for(DAY * 10).await;
    assert_eq!(world.get(id).await.status(), Status::Pending);
}

#[tokio::test]
async fn c08_a_dname_record_in_the_way_of_a_proof_is_told_to_the_customer() {
    let world = World::new();
    let id = world.add("shop.example.com").await.id();
    let at = proof(&world, &TENANT, id).await;
    publish_texts(&world, &at, &[&at.value]);
    let renaming = lied_to(&world, |lookup, answer| match lookup.record_type {
        RecordType::Txt => {
            Answer::new(Outcome::Failed(Failure::ServFail)).with_renamed(Some(dns("example.com")))
        }
        _ => answer,
    });
    let looked = renaming.check(&TENANT, id).await.unwrap();
    assert_eq!(looked.status(), Status::Pending);
    let waiting = looked.waiting_on();
    assert_eq!(waiting.party, Party::Customer);
    assert!(waiting.to_string().contains("DNAME"), "{waiting}");
    let seen = &looked.evidence(Topic::Ownership).seen;
    assert!(seen.values[0].contains("at example.com"), "{seen:?}");
    assert!(look(&world, &TENANT, id).await.holds());
}

/// Counts what the servers of the zone of the platform's edge are asked for it.
fn counted(world: &World) -> (Onboarding, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let process = lied_to(world, move |lookup, answer| {
        if lookup.name == dns(EDGE) && lookup.mode == Mode::Authoritative {
            count.fetch_add(1, Ordering::Relaxed);
        }
        answer
    });
    (process, asked)
}

#[tokio::test]
async fn r26_looks_at_names_ask_the_zone_of_the_edge_nothing() {
    let world = World::new();
    let (process, asked) = counted(&world);
    for number in 0..20 {
        let id = world.add(&format!("n{number}.example.com")).await.id();
        process.check(&TENANT, id).await.unwrap();
    }
    // Nor does one that leads there as a provider does that has no CNAME at the top of a zone.
    let id = world.add("flat.example.com").await.id();
    let address = RecordData::A([203, 0, 113, 10].into());
    world.dns.set(RecordSet::new(dns("flat.example.com"), Ttl::HOUR, [address]).unwrap()).unwrap();
    let looked = process.check(&TENANT, id).await.unwrap();
    assert_eq!(looked.evidence(Topic::Routing).last, Verdict::Confirmed);
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_name_leads_to_the_edge_also_while_a_cache_has_another_address_of_it() {
    let world = World::new();
    let id = world.add("shop.example.com").await.id();
    world.dns.set(cname("shop.example.com", EDGE)).unwrap();
    let elsewhere = RecordData::A([192, 0, 2, 1].into());
    world.dns.set(RecordSet::new(dns(EDGE), Ttl::HOUR, [elsewhere]).unwrap()).unwrap();
    let cached = lied_to(&world, |lookup, answer| match lookup.name == dns(EDGE) {
        true => Answer::new(Outcome::NxDomain { negative_ttl: None }),
        false => answer,
    });
    let looked = cached.check(&TENANT, id).await.unwrap();
    assert_eq!(looked.evidence(Topic::Routing).last, Verdict::Confirmed);
    // One that leads there by its address, as soon as it is held.
    let held = world.active("held.example.com").await.id();
    world.dns.remove(&dns("held.example.com"), RecordType::Cname);
    let address = RecordData::A([192, 0, 2, 1].into());
    world.dns.set(RecordSet::new(dns("held.example.com"), Ttl::HOUR, [address]).unwrap()).unwrap();
    for seen in [Outcome::NxDomain { negative_ttl: None }, Outcome::Failed(Failure::ServFail)] {
        let cached = lied_to(&world, move |lookup, answer| {
            let is_cached = lookup.name == dns(EDGE) && lookup.mode == Mode::Recursive;
            if is_cached { Answer::new(seen.clone()) } else { answer }
        });
        let looked = cached.check(&TENANT, held).await.unwrap();
        assert_eq!(looked.evidence(Topic::Routing).last, Verdict::Confirmed);
    }
    // One that leads nowhere does not lead to the edge.
    world.dns.remove(&dns(EDGE), RecordType::A);
    let looked = cached.check(&TENANT, id).await.unwrap();
    assert_ne!(looked.evidence(Topic::Routing).last, Verdict::Confirmed);
}
