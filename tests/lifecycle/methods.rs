//! Lives by each method of proving a name.

use async_trait::async_trait;
use nameplate::{
    challenge::{ChallengeEvent, CompatLabel, LabelPolicy, Method, MethodError, State},
    clock::{Clock, between},
    domain::{NewDomain, Reason, Status, Step, Targets},
    engine::{BuildError, Builder, Notice, Onboarding},
    error::ErrorKind,
    evidence::{Found, Topic, Verdict},
    name::{ClaimPolicy, DnsName, DomainName},
    record::{RecordData, RecordSet, RecordType, Ttl, Txt},
    resolver::{Answer, Failure, InMemoryResolver, Lookup, Outcome, Resolver},
    testkit::EndlessTimer,
};

use crate::common::{DAY, DELEGATION, EDGE, HOUR, MINUTE, OTHER, PROOF, TENANT, World, dns, page};

fn wanted(name: &str, method: Method) -> NewDomain {
    NewDomain::from(name.parse::<DomainName>().unwrap()).with_method(method)
}

/// The methods that need nobody but the customer.
const PUBLISHED: [Method; 3] = [Method::DnsTxt, Method::DnsCname, Method::Http];

/// Takes the proof of a domain away. Returns what puts it back.
async fn unpublish<'a>(world: &'a World, steps: &[Step]) -> Box<dyn Fn() + 'a> {
    match steps.first().unwrap().clone() {
        Step::Record(record) => {
            let set = world.dns.remove(&record.name, record.record_type).unwrap();
            Box::new(move || world.dns.set(set.clone()).unwrap())
        }
        Step::Page { url, body, .. } => {
            world.pages.remove(&page(&url));
            Box::new(move || world.pages.serve(page(&url), body.clone()))
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_name_is_proved_lost_and_proved_again_by_each_method() {
    for method in PUBLISHED {
        let world = World::new();
        let id = world.add_with(&TENANT, wanted("shop.example.com", method)).await.id();
        world.run_for(HOUR).await;
        let domain = world.get(id).await;
        assert_eq!((domain.status(), domain.challenge().method), (Status::Pending, method));
        let waiting = domain.waiting_on();
        assert!(waiting.to_string().starts_with("customer: "), "{method}: {waiting}");

        world.publish(id).await;
        world.run_for(HOUR).await;
        assert_eq!(world.get(id).await.status(), Status::Active, "{method}");

        let steps = world.onboarding.steps(&TENANT, id).await.unwrap();
        let restore = unpublish(&world, &steps).await;
        world.run_for(DAY * 2).await;
        assert_eq!(world.get(id).await.status(), Status::Active, "{method}");
        world.run_for(DAY * 3).await;
        let lost = world.get(id).await;
        assert_eq!(lost.status(), Status::Pending, "{method}");
        assert_eq!(lost.challenge().token, domain.challenge().token, "{method}");

        restore();
        world.run_for(DAY).await;
        assert_eq!(world.get(id).await.status(), Status::Active, "{method}");
    }
}

#[tokio::test]
async fn what_cannot_be_proved_as_asked_is_refused_with_the_reason() {
    let world = World::new();
    // Nothing is plugged in that a method needs.
    let bare = platform(&world, |builder| builder).unwrap();
    for (onboarding, name, method, reason) in [
        (&world.onboarding, "*.example.com", Method::Http, MethodError::Wildcard),
        (&bare, "shop.example.com", Method::DnsCname, MethodError::NoTarget),
        (&bare, "shop.example.com", Method::Http, MethodError::NoProbe),
        (&bare, "shop.example.com", Method::Email, MethodError::NoMailer),
    ] {
        let error = onboarding.add(&TENANT, wanted(name, method)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.downcast_ref::<MethodError>(), Some(&reason), "{error}");
    }
    assert!(world.onboarding.list(&TENANT, None).await.unwrap().domains.is_empty());
}

#[tokio::test]
async fn a_record_that_a_wildcard_makes_up_proves_nothing() {
    for (method, name) in [
        (Method::DnsTxt, "shop.example.com"),
        (Method::DnsCname, "shop.example.com"),
        (Method::DnsTxt, "*.shop.example.com"),
        (Method::DnsCname, "*.shop.example.com"),
    ] {
        let world = World::new();
        let domain = world.add_with(&TENANT, wanted(name, method)).await;
        let data = match method {
            Method::DnsTxt => RecordData::Txt(Txt::from_text(&domain.challenge().value())),
            _ => RecordData::Cname(dns(PROOF)),
        };
        for wildcard in ["*.example.com", "*.shop.example.com"] {
            world
                .dns
                .set(RecordSet::new(dns(wildcard), Ttl::HOUR, [data.clone()]).unwrap())
                .unwrap();
            let domain = world.onboarding.check(&TENANT, domain.id()).await.unwrap();
            let evidence = domain.evidence(Topic::Ownership).clone();
            assert_eq!(evidence.last, Verdict::Refuted, "{method} {wildcard}");
            assert_eq!(evidence.seen.found, Found::Wildcard, "{method} {wildcard}");
            let waiting = domain.waiting_on();
            assert!(matches!(waiting.reason, Reason::RecordDiffers { .. }), "{waiting}");
            assert!(waiting.to_string().contains("wildcard"), "{waiting}");
            world.dns.remove(&dns(wildcard), data.record_type()).unwrap();
        }
        // The same record, where it was to be.
        world.publish(domain.id()).await;
        let domain = world.onboarding.check(&TENANT, domain.id()).await.unwrap();
        assert!(domain.status().holds(), "{method}: {}", domain.waiting_on());
    }
}

#[tokio::test]
async fn a_cname_proof_is_one_record_to_the_target_of_the_platform() {
    let world = World::new();
    let domain = world.add_with(&TENANT, wanted("shop.example.com", Method::DnsCname)).await;
    let owner = domain.challenge().owner.clone();
    let label = format!("_{}._plat-challenge.shop.example.com", domain.challenge().token);
    assert_eq!((owner.as_str(), domain.challenge().token.len()), (label.as_str(), 32));
    let set = |target: &str| {
        let data = RecordData::Cname(dns(target));
        world.dns.set(RecordSet::new(owner.clone(), Ttl::HOUR, [data]).unwrap()).unwrap();
    };
    let look = async || {
        world.onboarding.check(&TENANT, domain.id()).await.unwrap().evidence(Topic::Ownership).last
    };
    // A chain that ends at the target is a record to something else.
    let via = RecordSet::new(dns("via.example.net"), Ttl::HOUR, [RecordData::Cname(dns(PROOF))]);
    world.dns.set(via.unwrap()).unwrap();
    for other in ["via.example.net", "edge.platform.test", "x.proof.platform.test"] {
        set(other);
        assert_eq!(look().await, Verdict::Refuted, "{other}");
    }
    set("Proof.PLATFORM.test");
    assert_eq!(look().await, Verdict::Confirmed);
}

#[tokio::test]
async fn a_page_proves_the_host_that_it_is_on() {
    let world = World::new();
    let id = world.add_with(&TENANT, wanted("www.example.com", Method::Http)).await.id();
    let steps = world.onboarding.steps(&TENANT, id).await.unwrap();
    let [Step::Page { url, body, content_type }, Step::Record(route)] = steps.as_slice() else {
        panic!("{steps:?}");
    };
    assert!(url.starts_with("http://www.example.com/.well-known/plat-challenge/"), "{url}");
    assert!(!url.contains(body.as_str()) && content_type == "text/plain");
    assert_eq!(route.record_type, RecordType::Cname);

    // The same page on the name above, and another token where the page is to be.
    world.pages.serve(page(&url.replace("www.", "")), body.clone());
    world.pages.serve(page(url), "0".repeat(64));
    world.run_for(MINUTE).await;
    let waiting = world.get(id).await.waiting_on();
    assert!(matches!(waiting.reason, Reason::PageMissing { .. }), "{waiting}");
    world.pages.serve(page(url), body.clone());
    world.run_for(HOUR).await;
    assert!(world.get(id).await.status().holds());
}

#[tokio::test]
async fn the_token_of_a_page_runs_out_and_asking_brings_a_new_one() {
    let world = World::new();
    let id = world.add_with(&TENANT, wanted("shop.example.com", Method::Http)).await.id();
    let first = world.get(id).await.challenge().clone();
    assert_eq!(between(first.issued_at, first.expires_at), DAY * 29);
    world.run_for(DAY * 29 + MINUTE).await;
    world.publish(id).await;
    // A look that somebody caused otherwise finds it, and it proves nothing.
    assert_eq!(world.get(id).await.challenge_state(world.clock.now()), State::Expired);
    let domain = world.onboarding.check(&TENANT, id).await.unwrap();
    assert_eq!(domain.status(), Status::Pending);
    assert_eq!(domain.challenge().generation, first.generation + 1);
    assert_ne!(domain.challenge().token, first.token);
    assert_ne!(domain.challenge().path, first.path);

    world.publish(id).await;
    let domain = world.onboarding.check(&TENANT, id).await.unwrap();
    assert!(domain.status().holds());
    assert_eq!(domain.challenge().generation, first.generation + 1);
}

#[tokio::test]
async fn a_page_that_comes_back_after_its_token_ran_out_proves_nothing() {
    let world = World::new();
    let id = world.add_with(&TENANT, wanted("shop.example.com", Method::Http)).await.id();
    world.publish(id).await;
    // Held for as long as the page is there.
    world.run_for(DAY * 40).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
    let steps = world.onboarding.steps(&TENANT, id).await.unwrap();
    let restore = unpublish(&world, &steps).await;
    world.run_for(DAY * 5).await;
    assert_eq!(world.get(id).await.status(), Status::Pending);
    restore();
    world.run_for(DAY * 5).await;
    let before = world.get(id).await;
    assert_eq!(before.status(), Status::Pending);
    let domain = world.onboarding.check(&TENANT, id).await.unwrap();
    assert_eq!(domain.status(), Status::Pending);
    assert_ne!(domain.challenge().token, before.challenge().token);
    world.publish(id).await;
    assert!(world.onboarding.check(&TENANT, id).await.unwrap().status().holds());
}

#[tokio::test]
async fn another_method_is_another_generation_and_the_old_proof_is_none() {
    for (from, to) in PUBLISHED.into_iter().zip(PUBLISHED.into_iter().cycle().skip(1)) {
        let world = World::new();
        let id = world.add_with(&TENANT, wanted("shop.example.com", from)).await.id();
        let first = world.get(id).await.challenge().clone();
        world.publish(id).await;
        let domain = world.onboarding.change_method(&TENANT, id, to).await.unwrap();
        assert_eq!((domain.challenge().method, domain.challenge().generation), (to, 2));
        assert_ne!(domain.challenge().token, first.token);
        world.run_for(DAY).await;
        assert_eq!(world.get(id).await.status(), Status::Pending, "{from} {to}");
        let notices = world.onboarding.notices(&TENANT, id, 0).await.unwrap();
        let issued = notices.iter().filter_map(|numbered| match &numbered.notice {
            Notice::ChallengeIssued { method, generation, .. } => Some((*method, *generation)),
            _ => None,
        });
        assert_eq!(issued.collect::<Vec<_>>(), [(to, 2)]);
        // Asked again, it stays.
        let again = world.onboarding.change_method(&TENANT, id, to).await.unwrap();
        assert_eq!(again.challenge(), domain.challenge());

        world.publish(id).await;
        let domain = world.onboarding.check(&TENANT, id).await.unwrap();
        assert!(domain.status().holds(), "{from} {to}: {}", domain.waiting_on());
        // And while it is held.
        for refused in [
            world.onboarding.change_method(&TENANT, id, from).await,
            world.onboarding.renew_token(&TENANT, id).await,
        ] {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Precondition);
        }
        assert!(world.get(id).await.status().holds());
    }
}

#[tokio::test]
async fn a_new_token_takes_the_place_of_the_old_one() {
    for method in PUBLISHED {
        let world = World::new();
        let id = world.add_with(&TENANT, wanted("shop.example.com", method)).await.id();
        let steps = world.onboarding.steps(&TENANT, id).await.unwrap();
        world.publish(id).await;
        let domain = world.onboarding.renew_token(&TENANT, id).await.unwrap();
        assert_eq!((domain.challenge().method, domain.challenge().generation), (method, 2));
        let domain = world.onboarding.check(&TENANT, id).await.unwrap();
        assert_eq!(domain.status(), Status::Pending, "{method}");
        let _ = unpublish(&world, &steps).await;
        world.publish(id).await;
        assert!(world.onboarding.check(&TENANT, id).await.unwrap().status().holds(), "{method}");
    }
}

/// Returns whether some events lead from one state to another, other than to a new challenge.
fn leads(from: State, to: State) -> bool {
    let mut reached = vec![from];
    let mut next = 0;
    while let Some(state) = reached.get(next).copied() {
        next += 1;
        for event in ChallengeEvent::ALL {
            match state.on(event) {
                Some(state) if !reached.contains(&state) => reached.push(state),
                _ => {}
            }
        }
    }
    reached.contains(&to)
}

#[tokio::test]
async fn a_challenge_goes_through_the_states_of_its_table() {
    for method in PUBLISHED {
        let world = World::new();
        let id = world.add_with(&TENANT, wanted("shop.example.com", method)).await.id();
        let state = async || world.get(id).await.challenge_state(world.clock.now());
        let mut states = vec![state().await];
        world.settle().await;
        states.push(state().await);
        let steps = world.onboarding.steps(&TENANT, id).await.unwrap();
        match steps.first().unwrap().clone() {
            Step::Page { url, .. } => world.pages.serve(page(&url), "something else"),
            Step::Record(mut other) => {
                other.value = match method {
                    Method::DnsTxt => "something-else".into(),
                    _ => "elsewhere.example.net".into(),
                };
                world.publish_one(&other);
            }
            other => panic!("{other}"),
        }
        world.onboarding.check(&TENANT, id).await.unwrap();
        states.push(state().await);
        world.publish(id).await;
        world.onboarding.check(&TENANT, id).await.unwrap();
        states.push(state().await);
        let restore = unpublish(&world, &steps).await;
        world.run_for(DAY * 2).await;
        states.push(state().await);
        world.run_for(DAY * 3).await;
        states.push(state().await);
        restore();
        world.run_for(DAY).await;
        states.push(state().await);
        world.onboarding.remove(&TENANT, id).await.unwrap();
        states.push(state().await);
        use State::{Accepted, Issued, Published, Rejected};
        let wanted = [Issued, Issued, Published, Accepted, Accepted, Issued, Accepted, Rejected];
        assert_eq!(states, wanted, "{method}");
        for pair in states.windows(2) {
            assert!(leads(pair[0], pair[1]), "{method}: {pair:?}");
        }
    }
}

#[tokio::test]
async fn a_challenge_that_others_are_ahead_of_is_observed_and_not_accepted() {
    let world = World::new();
    let holder = world.active("shop.example.com").await;
    let second = wanted("shop.example.com", Method::Http);
    let second = world.add_with(&OTHER, second).await.id();
    for step in world.onboarding.steps(&OTHER, second).await.unwrap() {
        if let Step::Page { url, body, .. } = step {
            world.pages.serve(page(&url), body);
        }
    }
    let domain = world.onboarding.check(&OTHER, second).await.unwrap();
    assert_eq!(domain.challenge_state(world.clock.now()), State::Observed);
    assert_eq!(world.get(holder.id()).await.challenge_state(world.clock.now()), State::Accepted);
}

/// A platform on the same world that asks for proofs in another way.
fn platform(
    world: &World,
    change: impl FnOnce(Builder) -> Builder,
) -> Result<Onboarding, BuildError> {
    let builder = Onboarding::builder(world.store.clone())
        .with_brand("acme")
        .with_targets(Targets::cname(EDGE))
        .with_resolver(world.resolver.clone())
        .with_dns(world.dns.clone())
        .with_authority(world.ca.clone())
        .with_keys(world.keys.clone())
        .with_sealer(world.sealer.clone())
        .with_timer(EndlessTimer)
        .with_random(world.random.clone())
        .with_claims(ClaimPolicy::new().with_allowed([dns("example.com")]));
    change(builder).build()
}

#[tokio::test]
async fn a_wildcard_proves_nothing_at_the_label_of_a_published_api_either() {
    for label in CompatLabel::ALL {
        let world = World::new();
        let labels = LabelPolicy::Compat(label);
        let onboarding = platform(&world, |builder| builder.with_proof_labels(labels)).unwrap();
        let wanted = "shop.example.com".parse().unwrap();
        let domain = onboarding.add(&TENANT, wanted).await.unwrap();
        let record = RecordData::Txt(Txt::from_text(&domain.challenge().token));
        let set = |owner: DnsName| {
            world.dns.set(RecordSet::new(owner, Ttl::HOUR, [record.clone()]).unwrap()).unwrap();
        };
        let look = async || onboarding.check(&TENANT, domain.id()).await.unwrap();
        set(dns("*.example.com"));
        assert_eq!(look().await.evidence(Topic::Ownership).seen.found, Found::Wildcard);
        world.dns.remove(&dns("*.example.com"), RecordType::Txt).unwrap();
        set(domain.challenge().owner.clone());
        assert!(look().await.status().holds(), "{label:?}");
    }
}

#[tokio::test]
async fn proofs_are_not_where_authorities_look() {
    let world = World::new();
    let pages = |builder: Builder| builder.with_probe(world.pages.clone());
    assert!(platform(&world, |builder| builder).is_ok());
    for (refused, word) in [
        (platform(&world, pages), "directory"),
        (platform(&world, |it| pages(it).with_proof_service("acme-challenge")), "elsewhere"),
        (platform(&world, |it| it.with_proof_service("../x")), "hyphens"),
        (
            platform(&world, |builder| {
                builder
                    .with_brand("plat")
                    .with_delegation_zone(dns(DELEGATION))
                    .with_proof_labels(LabelPolicy::Compat(CompatLabel::AcmeChallenge))
            }),
            "_acme-challenge",
        ),
    ] {
        let error = refused.unwrap_err();
        assert!(matches!(&error, BuildError::Invalid(why) if why.contains(word)), "{error}");
    }
    let onboarding = platform(&world, |it| pages(it).with_proof_service("pki-validation")).unwrap();
    let domain = onboarding.add(&TENANT, wanted("shop.example.com", Method::Http)).await.unwrap();
    let path = domain.challenge().path.clone().unwrap();
    assert!(path.starts_with("/.well-known/pki-validation/") && path.ends_with(".txt"), "{path}");
    // And nothing is plugged in for records that lead somewhere.
    let error =
        onboarding.add(&TENANT, wanted("b.example.com", Method::DnsCname)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_probe_that_hangs_or_fails_says_nothing() {
    let world = World::new();
    let id = world.add_with(&TENANT, wanted("shop.example.com", Method::Http)).await.id();
    world.publish(id).await;
    world.pages.fail_next(ErrorKind::Unavailable);
    let domain = world.onboarding.check(&TENANT, id).await.unwrap();
    assert_eq!(domain.evidence(Topic::Ownership).last, Verdict::Unknown);
    let waiting = domain.waiting_on();
    assert!(matches!(waiting.reason, Reason::NoAnswer { .. }), "{waiting}");
    assert!(world.onboarding.check(&TENANT, id).await.unwrap().status().holds());
}

#[tokio::test]
async fn a_sibling_that_gives_no_answer_leaves_it_unknown() {
    let world = World::new();
    let domain = world.add_with(&TENANT, wanted("shop.example.com", Method::DnsTxt)).await;
    world.publish(domain.id()).await;
    let owner = domain.challenge().owner.clone();
    // The proof answers, and whatever else is asked for in the zone does not.
    let failing = Failing { resolver: world.resolver.clone(), but: owner };
    let onboarding = platform(&world, |builder| builder.with_resolver(failing)).unwrap();
    let domain = onboarding.check(&TENANT, domain.id()).await.unwrap();
    assert_eq!(domain.evidence(Topic::Ownership).last, Verdict::Unknown);
    assert_eq!(domain.status(), Status::Pending);
    assert!(world.onboarding.check(&TENANT, domain.id()).await.unwrap().status().holds());
}

/// A resolver that answers about one name and the edge.
#[derive(Debug)]
struct Failing {
    resolver: InMemoryResolver,
    but: DnsName,
}

#[async_trait]
impl Resolver for Failing {
    async fn lookup(&self, lookup: &Lookup) -> nameplate::error::Result<Answer> {
        if lookup.name == self.but {
            return self.resolver.lookup(lookup).await;
        }
        Ok(Answer::new(Outcome::Failed(Failure::ServFail)))
    }
}
