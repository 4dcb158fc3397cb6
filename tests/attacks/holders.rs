//! Against those who hold a name, by those who want it.

use nameplate::{
    certificate::Validation,
    clock::Clock,
    domain::{NewDomain, Status},
    engine::{Edge, Notice, Policy},
    error::{Error, ErrorKind},
    evidence::{Topic, Verdict},
    id::{DomainId, TenantId},
    name::ClaimPolicy,
};

use crate::{
    common::{DAY, HOUR, MINUTE, OTHER, TENANT, World, dns},
    platform::{Before, active_for, look, proof, publish_texts, served_for},
    scene::name,
};

const THIRD: TenantId = TenantId::from_bytes([3; 16]);
const SHOP: &str = "shop.example.com";

/// Returns whose certificate an edge would serve.
async fn served_by(edge: &Edge, host: &str) -> Option<TenantId> {
    edge.identity(&name(host)).await.unwrap().map(|identity| identity.tenant)
}

async fn told(world: &World, tenant: &TenantId, id: DomainId) -> Vec<Notice> {
    let notices = world.onboarding.notices(tenant, id, 0).await.unwrap();
    notices.into_iter().map(|numbered| numbered.notice).collect()
}

#[tokio::test]
async fn a05_a_row_for_a_name_of_the_platform_is_not_served() {
    let world = World::new();
    // A process whose policy knows nothing of the platform's names, or one from before it did.
    let lax = ClaimPolicy::new().with_allowed(["example.com", "platform.test"].map(dns));
    let lax = world.process_with_claims(lax);
    let mut ids = Vec::new();
    for text in ["api.platform.test", SHOP] {
        // By a record in the zone: over HTTP there is no answer for such a name already.
        let wanted: NewDomain = text.parse().unwrap();
        let wanted = wanted.with_validation(Validation::Dns01);
        let id = lax.add(&OTHER, wanted).await.unwrap().id();
        for step in world.onboarding.instructions(&OTHER, id).await.unwrap() {
            world.publish_one(&step);
        }
        ids.push(id);
    }
    world.run_for(MINUTE).await;
    for id in ids {
        let domain = world.onboarding.get(&OTHER, id).await.unwrap();
        assert_eq!(domain.status(), Status::Active, "{}", domain.waiting_on());
    }
    assert_eq!(served_by(&lax.edge(), "api.platform.test").await, Some(OTHER), "the row is there");
    assert_eq!(served_for(&world, SHOP).await, Some(OTHER));
    assert_eq!(served_for(&world, "api.platform.test").await, None);
    let edge = world.onboarding.edge();
    assert_eq!(edge.serves(&name("api.platform.test")).await.unwrap(), None);
}

#[tokio::test]
async fn a08_an_overlap_is_told_as_far_as_it_is_the_tenants_own() {
    for names in [["*.example.com", SHOP], [SHOP, "*.example.com"]] {
        let world = World::new();
        let mut ids = [None; 2];
        for text in names {
            let is_wildcard = text.starts_with('*');
            let tenant = if is_wildcard { OTHER } else { TENANT };
            ids[usize::from(is_wildcard)] = Some(active_for(&world, &tenant, text).await.id());
        }
        let [Some(exact), Some(wildcard)] = ids else { panic!("{ids:?}") };
        let exact = world.onboarding.conflicts(&TENANT, exact).await.unwrap();
        assert_eq!((exact.own.len(), exact.others), (0, 1), "{names:?}");
        // What is below is told to nobody.
        let covering = world.onboarding.conflicts(&OTHER, wildcard).await.unwrap();
        assert_eq!((covering.own.len(), covering.others), (0, 0), "{names:?}");
        let own = world.add_with(&OTHER, "a.example.com".parse().unwrap()).await.id();
        let covering = world.onboarding.conflicts(&OTHER, wildcard).await.unwrap();
        assert_eq!(covering.own.iter().map(|it| it.domain).collect::<Vec<_>>(), [own]);
    }
}

fn code_of(error: &Error) -> (ErrorKind, Option<&str>) {
    (error.kind(), error.code())
}

#[tokio::test]
async fn a18_a_tenant_has_no_more_names_than_it_may_have() {
    let mut policy = Policy::new();
    policy.max_claims = Some(4);
    policy.max_pending = Some(3);
    let world = World::with_policy(policy);
    world.active(SHOP).await;
    for number in 0..3 {
        world.add(&format!("a{number}.example.com")).await;
    }
    world.settle().await;
    let orders = world.ca.orders();
    for depth in 1..6 {
        let text = format!("{}a9.example.com", "www.".repeat(depth));
        let error = world.onboarding.add(&TENANT, text.parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Quota, "{text}: {error}");
        assert!(["too_many", "too_many_pending"].contains(&error.code().unwrap()), "{error}");
    }
    world.run_for(DAY).await;
    assert_eq!(world.ca.orders(), orders, "nothing is ordered past the cap");
    assert_eq!(world.onboarding.list(&TENANT, None).await.unwrap().domains.len(), 4);
    // Another tenant is not in the way of it.
    active_for(&world, &OTHER, "other.example.com").await;
}

#[tokio::test]
async fn a23_a_released_name_goes_to_nobody_without_a_fresh_proof() {
    let world = World::new();
    let former = world.active(SHOP).await;
    active_for(&world, &THIRD, "*.example.com").await;
    let old = proof(&world, &TENANT, former.id()).await;
    // The tenant leaves, and the name leads here for as long as nobody cleans up.
    world.onboarding.remove(&TENANT, former.id()).await.unwrap();
    world.run_for(HOUR).await;
    assert_eq!(served_for(&world, SHOP).await, None, "not by somebody's wildcard either");
    assert_eq!(served_for(&world, "www.example.com").await, Some(THIRD));
    let taker = world.add_with(&OTHER, SHOP.parse().unwrap()).await;
    assert_ne!(taker.challenge().token, former.challenge().token);
    world.run_for(DAY * 20).await;
    let waiting = world.onboarding.get(&OTHER, taker.id()).await.unwrap();
    assert_eq!(waiting.status(), Status::Pending, "the old record is still there: {}", old.name);
    assert_eq!(served_for(&world, SHOP).await, None);

    let new = proof(&world, &OTHER, taker.id()).await;
    publish_texts(&world, &new, &[&new.value]);
    assert!(look(&world, &OTHER, taker.id()).await.holds());
    world.run_for(DAY).await;
    assert_eq!(served_for(&world, SHOP).await, Some(OTHER));
}

#[tokio::test]
async fn a24_an_account_that_is_closed_leaves_what_a_release_leaves() {
    let world = World::new();
    for text in [SHOP, "*.example.net", "www.example.com"] {
        world.active(text).await;
    }
    // The host's part: all that the tenant has.
    let mut removed = Vec::new();
    for domain in world.onboarding.list(&TENANT, None).await.unwrap().domains {
        world.onboarding.remove(&TENANT, domain.id()).await.unwrap();
        removed.push(domain);
    }
    world.run_for(HOUR).await;
    assert!(world.onboarding.list(&TENANT, None).await.unwrap().domains.is_empty());
    for (host, domain) in [(SHOP, 0), ("a.example.net", 1), ("www.example.com", 2)] {
        assert_eq!(served_for(&world, host).await, None, "{host} {domain}");
    }
    for former in removed {
        let wanted = former.name().as_str().parse().unwrap();
        let taker = world.add_with(&OTHER, wanted).await;
        assert_ne!(taker.challenge().token, former.challenge().token);
        assert!(taker.delegation().is_none() || taker.delegation() != former.delegation());
        world.run_for(DAY).await;
        assert_eq!(look(&world, &OTHER, taker.id()).await, Status::Pending, "{}", former.name());
    }
    assert_eq!(world.leftovers(), []);
}

#[tokio::test]
async fn a25_a_changed_registration_takes_a_new_token() {
    let world = World::new();
    let before = world.active(SHOP).await;
    let old = proof(&world, &TENANT, before.id()).await;
    world.run_for(DAY * 30).await;
    // The name was sold with all that is in its zone, and the host has seen it.
    let operator = world.onboarding.operator();
    let reset = operator
        .registration_changed(&TENANT, &name("example.com"), world.clock.now(), "another registrar")
        .await
        .unwrap();
    assert_eq!(reset.reset, [before.id()]);
    assert_eq!(served_for(&world, SHOP).await, None, "at once");
    let after = world.get(before.id()).await;
    assert!(after.challenge().generation > before.challenge().generation);
    assert_ne!(after.challenge().token, before.challenge().token);
    world.run_for(DAY * 3).await;
    assert_eq!(world.get(before.id()).await.status(), Status::Pending, "{}", old.value);

    let new = proof(&world, &TENANT, before.id()).await;
    publish_texts(&world, &new, &[&new.value]);
    assert!(look(&world, &TENANT, before.id()).await.holds());
}

#[tokio::test]
async fn a27_a_name_is_handed_over_by_consent_of_both_and_to_nobody_else() {
    let world = World::new();
    let owner = world.active(SHOP).await;
    let onboarding = &world.onboarding;
    let before = Before::of(&world).await;
    // Nobody takes what was not offered, and nobody offers what is not theirs.
    let wanted = || SHOP.parse().unwrap();
    let error = onboarding.accept_transfer(&OTHER, wanted(), &"0".repeat(64)).await.unwrap_err();
    assert_eq!(code_of(&error), (ErrorKind::NotFound, Some("no_offer")));
    let error = onboarding.offer_transfer(&OTHER, owner.id(), THIRD).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    before.holds(&world).await;

    let code = onboarding.offer_transfer(&TENANT, owner.id(), OTHER).await.unwrap();
    let right = code.as_str().to_owned();
    assert!(!format!("{code:?}").contains(&right));
    let before = Before::of(&world).await;
    for (tenant, code) in [
        (THIRD, right.clone()),
        (OTHER, right[..63].to_owned()),
        (OTHER, right.to_uppercase()),
        (OTHER, String::new()),
        (OTHER, owner.challenge().token.clone()),
    ] {
        let error = onboarding.accept_transfer(&tenant, wanted(), &code).await.unwrap_err();
        assert_eq!(code_of(&error), (ErrorKind::NotFound, Some("no_offer")), "{code}");
        assert!(code.is_empty() || !error.to_string().contains(&code), "{error}");
    }
    let other_name = "www.example.com".parse().unwrap();
    let error = onboarding.accept_transfer(&OTHER, other_name, &right).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    before.holds(&world).await;

    let taken = onboarding.accept_transfer(&OTHER, wanted(), &right).await.unwrap();
    assert_ne!(taken.id(), owner.id());
    assert_ne!(taken.challenge().token, owner.challenge().token);
    world.run_for(HOUR).await;
    // It is not served before the receiver's own proof.
    assert_eq!(served_for(&world, SHOP).await, None);
    let former = world.get(owner.id()).await;
    assert_eq!(former.status(), Status::Pending);
    assert!(former.certificate().is_none());
    assert_ne!(former.challenge().token, owner.challenge().token);
    assert!(
        told(&world, &TENANT, owner.id())
            .await
            .iter()
            .any(|it| matches!(it, Notice::OwnershipReset { .. }))
    );
    assert!(
        told(&world, &OTHER, taken.id())
            .await
            .iter()
            .any(|it| matches!(it, Notice::TransferAccepted { .. }))
    );
    // Once is enough, and it does not go on to the next.
    let error = onboarding.accept_transfer(&OTHER, wanted(), &right).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let at = proof(&world, &OTHER, taken.id()).await;
    publish_texts(&world, &at, &[&at.value]);
    assert!(look(&world, &OTHER, taken.id()).await.holds());
    let error = onboarding.offer_transfer(&OTHER, taken.id(), THIRD).await.unwrap_err();
    assert_eq!(code_of(&error), (ErrorKind::Precondition, Some("cool_down")));
    world.run_for(DAY).await;
    assert_eq!(served_for(&world, SHOP).await, Some(OTHER));
}

#[tokio::test]
async fn a27_an_offer_ends() {
    for ends in ["expires", "is canceled", "is replaced"] {
        let world = World::new();
        let owner = world.active(SHOP).await.id();
        let code = world.onboarding.offer_transfer(&TENANT, owner, OTHER).await.unwrap();
        match ends {
            "expires" => world.run_for(Policy::new().transfer_ttl + MINUTE).await,
            "is canceled" => drop(world.onboarding.cancel_transfer(&TENANT, owner).await.unwrap()),
            _ => drop(world.onboarding.offer_transfer(&TENANT, owner, OTHER).await.unwrap()),
        }
        let wanted = SHOP.parse().unwrap();
        let error =
            world.onboarding.accept_transfer(&OTHER, wanted, code.as_str()).await.unwrap_err();
        assert!(["expired", "no_offer"].contains(&error.code().unwrap()), "{ends}: {error}");
        assert_eq!(served_for(&world, SHOP).await, Some(TENANT), "{ends}");
    }
}

#[tokio::test]
async fn a27_a_proof_takes_nothing_from_a_holder_whose_own_is_there() {
    let world = World::new();
    let holder = world.active(SHOP).await;
    let rival = world.add_with(&OTHER, SHOP.parse().unwrap()).await.id();
    let (ours, theirs) =
        (proof(&world, &TENANT, holder.id()).await, proof(&world, &OTHER, rival).await);
    publish_texts(&world, &ours, &[&ours.value, &theirs.value]);
    for _ in 0..60 {
        assert_eq!(look(&world, &OTHER, rival).await, Status::Pending);
        world.run_for(HOUR * 12).await;
    }
    assert_eq!(world.get(holder.id()).await.status(), Status::Active);
    assert_eq!(served_for(&world, SHOP).await, Some(TENANT));
    // Neither learns who the other is.
    let all = format!(
        "{:?} {:?}",
        told(&world, &TENANT, holder.id()).await,
        told(&world, &OTHER, rival).await
    );
    for secret in
        [TENANT.to_string(), OTHER.to_string(), holder.id().to_string(), rival.to_string()]
    {
        assert!(!all.contains(&secret), "{secret} in {all}");
    }
    // With the holder's proof gone there is a cool-off, and then the fresh proof counts.
    publish_texts(&world, &ours, &[&theirs.value]);
    for hour in 0..20 {
        assert_eq!(look(&world, &OTHER, rival).await, Status::Pending, "hour {hour}");
        world.run_for(HOUR).await;
    }
    assert_eq!(world.get(holder.id()).await.status(), Status::Active, "the cool-off");
    world.run_for(DAY * 3).await;
    assert!(world.onboarding.get(&OTHER, rival).await.unwrap().status().holds());
    assert_eq!(world.get(holder.id()).await.status(), Status::Pending);
    assert_eq!(served_for(&world, SHOP).await, Some(OTHER));
}

#[tokio::test]
async fn a27_who_is_challenged_hands_the_name_over_only_on_a_proof_seen_since() {
    let world = World::new();
    let holder = world.active(SHOP).await;
    let rival = world.add_with(&OTHER, SHOP.parse().unwrap()).await.id();
    let ours = proof(&world, &TENANT, holder.id()).await;
    let theirs = proof(&world, &OTHER, rival).await;
    let offer = async || {
        let code = world.onboarding.offer_transfer(&TENANT, holder.id(), THIRD).await;
        code.map_err(|error| error.kind())
    };
    let accept = async |code: &str| {
        let taken = world.onboarding.accept_transfer(&THIRD, SHOP.parse().unwrap(), code).await;
        taken.map_err(|error| error.kind())
    };
    let before = offer().await.unwrap();
    world.run_for(HOUR).await;
    // Somebody else has proved the name, and nobody has looked at the holder's proof since.
    publish_texts(&world, &ours, &[&theirs.value]);
    assert_eq!(look(&world, &OTHER, rival).await, Status::Pending);
    assert_eq!(world.get(holder.id()).await.evidence(Topic::Ownership).last, Verdict::Confirmed);
    assert_eq!(accept(before.as_str()).await.unwrap_err(), ErrorKind::Precondition);
    assert_eq!(offer().await.unwrap_err(), ErrorKind::Precondition);
    // It is gone.
    world.run_for(MINUTE).await;
    assert_eq!(accept(before.as_str()).await.unwrap_err(), ErrorKind::Precondition);

    // Whose proof is there may hand the name over, and the contest goes on against the next one.
    publish_texts(&world, &ours, &[&ours.value, &theirs.value]);
    assert!(look(&world, &TENANT, holder.id()).await.holds());
    let taken = accept(offer().await.unwrap().as_str()).await.unwrap();
    for _ in 0..3 {
        let _ = world.onboarding.check(&OTHER, rival).await;
        world.run_for(DAY).await;
    }
    assert!(world.onboarding.get(&OTHER, rival).await.unwrap().status().holds());
    let lost = world.onboarding.get(&THIRD, taken.id()).await.unwrap();
    assert_eq!(lost.status(), Status::Pending);
}
