//! Lives by each method of proving a name.

use nameplate::{
    challenge::{Method, MethodError},
    domain::{NewDomain, Reason, Status, Step},
    error::ErrorKind,
    evidence::{Found, Topic, Verdict},
    name::DomainName,
    record::{RecordData, RecordSet, RecordType, Ttl, Txt},
};

use crate::common::{DAY, HOUR, MINUTE, PROOF, TENANT, World, dns, page};

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
    for (name, method, reason) in [
        ("*.example.com", Method::Http, MethodError::Wildcard),
        ("shop.example.com", Method::Email, MethodError::NoMailer),
    ] {
        let error = world.onboarding.add(&TENANT, wanted(name, method)).await.unwrap_err();
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
