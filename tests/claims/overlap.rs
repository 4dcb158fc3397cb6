//! Names above, below and beside the names of others.

use nameplate::{
    clock::Clock as _,
    domain::Status,
    error::ErrorKind,
    name::{ClaimPolicy, Overlap},
    record::RecordType,
};

use crate::{
    claim,
    common::{DAY, HOUR, OTHER, TENANT, World, dns, run_until},
    get, name, prove, served, status,
};

/// Publishes what a tenant is asked to publish, and waits.
async fn activate(world: &World, claim: &nameplate::domain::Domain) {
    let instructions = world.onboarding.instructions(&claim.tenant(), claim.id()).await.unwrap();
    for instruction in instructions {
        world.publish_one(&instruction);
    }
    world.onboarding.check(&claim.tenant(), claim.id()).await.unwrap();
    world.run_for(HOUR).await;
    assert_eq!(status(world, claim).await, Status::Active);
}

#[tokio::test]
async fn the_most_specific_name_is_served_in_whichever_order_they_were_claimed() {
    for wildcard_first in [true, false] {
        let world = World::new();
        let names = [(TENANT, "*.example.com"), (OTHER, "shop.example.com")];
        let order = if wildcard_first { [0, 1] } else { [1, 0] };
        for index in order {
            let (tenant, text) = names[index];
            activate(&world, &claim(&world, tenant, text).await).await;
        }
        assert_eq!(served(&world, "shop.example.com").await, Some(OTHER));
        assert_eq!(served(&world, "other.example.com").await, Some(TENANT));
        assert_eq!(served(&world, "example.com").await, None);
        assert_eq!(served(&world, "deep.shop.example.com").await, None);
    }
}

#[tokio::test]
async fn a_wildcard_does_not_serve_what_somebody_else_holds_without_a_certificate() {
    let world = World::new();
    activate(&world, &claim(&world, TENANT, "*.example.com").await).await;
    assert_eq!(served(&world, "shop.example.com").await, Some(TENANT));
    let host = claim(&world, OTHER, "shop.example.com").await;
    world.run_for(HOUR).await;
    // A claim that nobody has proved takes nothing.
    assert_eq!(served(&world, "shop.example.com").await, Some(TENANT));
    prove(&world, &[&host]);
    // It leads nowhere yet, so there is no certificate.
    world.dns.remove(&dns("*.example.com"), RecordType::Cname);
    world.onboarding.check(&OTHER, host.id()).await.unwrap();
    assert_eq!(status(&world, &host).await, Status::Verified);
    assert_eq!(served(&world, "shop.example.com").await, None);
}

#[tokio::test]
async fn a_name_that_rests_is_not_served_by_somebody_elses_wildcard() {
    let world = World::new();
    activate(&world, &claim(&world, TENANT, "*.example.com").await).await;
    for (tenant, text) in [(OTHER, "shop.example.com"), (TENANT, "www.example.com")] {
        let host = claim(&world, tenant, text).await;
        activate(&world, &host).await;
        world.onboarding.remove(&tenant, host.id()).await.unwrap();
    }
    // At once, while it is removed, and when it is gone.
    for _ in 0..3 {
        assert_eq!(served(&world, "shop.example.com").await, None);
        assert_eq!(served(&world, "www.example.com").await, Some(TENANT));
        world.run_for(DAY * 9).await;
    }
    world.run_for(DAY * 4).await;
    assert_eq!(served(&world, "shop.example.com").await, Some(TENANT));
}

#[tokio::test]
async fn a_name_above_changes_nothing_of_one_below() {
    let world = World::new();
    let child = claim(&world, OTHER, "shop.example.com").await;
    activate(&world, &child).await;
    let before = serde_json::to_string(&get(&world, &child).await).unwrap();
    let parent = claim(&world, TENANT, "example.com").await;
    prove(&world, &[&parent]);
    world.onboarding.check(&TENANT, parent.id()).await.unwrap();
    assert_eq!(status(&world, &parent).await, Status::Verified);
    assert_eq!(serde_json::to_string(&get(&world, &child).await).unwrap(), before);
    assert_eq!(served(&world, "shop.example.com").await, Some(OTHER));
    // And the proof of a name is none for those above and below it.
    let deeper = claim(&world, TENANT, "www.example.com").await;
    let above = claim(&world, OTHER, "example.com").await;
    world.run_for(DAY).await;
    assert_eq!(status(&world, &deeper).await, Status::Pending);
    assert_eq!(status(&world, &above).await, Status::Pending);
}

#[tokio::test]
async fn conflicts_are_told_of_own_names_in_full_and_of_others_as_a_number() {
    let world = World::new();
    let ours = claim(&world, TENANT, "shop.example.com").await;
    let apex = claim(&world, TENANT, "example.com").await;
    let deep = claim(&world, TENANT, "*.shop.example.com").await;
    claim(&world, TENANT, "example.net").await;
    let theirs = claim(&world, OTHER, "*.example.com").await;
    activate(&world, &theirs).await;
    let conflicts = world.onboarding.conflicts(&TENANT, ours.id()).await.unwrap();
    let mut own: Vec<_> = conflicts.own.iter().map(|it| (it.domain, it.overlap)).collect();
    own.sort_unstable_by_key(|(_, overlap)| *overlap);
    assert_eq!(own, [(apex.id(), Overlap::Below), (deep.id(), Overlap::WithWildcard)]);
    // Who has proved nothing is told nothing.
    assert_eq!(conflicts.others, 0);
    prove(&world, &[&ours]);
    world.onboarding.check(&TENANT, ours.id()).await.unwrap();
    let conflicts = world.onboarding.conflicts(&TENANT, ours.id()).await.unwrap();
    assert_eq!(conflicts.others, 1);
    assert!(!format!("{conflicts:?}").contains(&theirs.id().to_string()));
    let error = world.onboarding.conflicts(&OTHER, ours.id()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn what_the_platform_keeps_is_not_served_whatever_is_stored() {
    let world = World::new();
    let shop = world.active("shop.example.com").await;
    world.active("*.example.com").await;
    let rules = || ClaimPolicy::new().with_allowed([dns("example.com")]);
    let host = name("shop.example.com");
    for (reserved, serves) in [
        (vec![], true),
        (vec![dns("other.example.com")], true),
        (vec![dns("shop.example.com")], false),
        (vec![dns("example.com")], false),
    ] {
        let process = world.process_with_claims(rules().with_reserved(reserved.clone()));
        let edge = process.edge();
        assert_eq!(edge.serves(&host).await.unwrap().is_some(), serves, "{reserved:?}");
        assert_eq!(edge.identity(&host).await.unwrap().is_some(), serves, "{reserved:?}");
    }
    // A wildcard row that covers a kept name serves nothing at all.
    let process = world.process_with_claims(rules().with_reserved([dns("api.example.com")]));
    assert!(process.edge().serves(&name("any.example.com")).await.unwrap().is_none());
    let end = nameplate::clock::after(world.clock.now(), DAY);
    run_until(&process, &world.store, &world.clock, end).await;
    assert_eq!(get(&world, &shop).await.status(), Status::Active);
}
