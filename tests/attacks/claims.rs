//! Against the claims of others.

use std::{collections::BTreeSet, fs, path::Path};

use nameplate::{
    challenge::{Method, email::MailWish},
    domain::{Instruction, Status},
    engine::{Notice, Since},
    error::{ErrorKind, Result},
    id::{DomainId, RecordId, TenantId},
    record::{RecordData, RecordFields, RecordSet, Ttl},
    store::{Filter, Query, Store},
};
use syn::{FnArg, ImplItem, Item, Type, Visibility};

use crate::{
    common::{DAY, EDGE, HOUR, MINUTE, OTHER, TENANT, World, dns},
    platform::{Before, active_for, look, proof, publish_texts, served_for, unpublish},
    scene::name,
};

const THIRD: TenantId = TenantId::from_bytes([3; 16]);

#[tokio::test]
async fn a06_a_name_below_another_tenants_needs_its_own_proof() {
    let world = World::new();
    let apex = world.active("example.com").await;
    let id = world.add_with(&OTHER, "shop.example.com".parse().unwrap()).await.id();
    let route = world.onboarding.instructions(&OTHER, id).await.unwrap().remove(1);
    world.publish_one(&route);
    // What proves the apex proves nothing below it, also if it is published there.
    let (above, below) = (proof(&world, &TENANT, apex.id()).await, proof(&world, &OTHER, id).await);
    publish_texts(&world, &below, &[&above.value]);
    world.run_for(DAY).await;
    assert_eq!(world.onboarding.get(&OTHER, id).await.unwrap().status(), Status::Pending);
    assert_eq!(served_for(&world, "shop.example.com").await, None);

    publish_texts(&world, &below, &[&below.value]);
    assert!(look(&world, &OTHER, id).await.holds());
    world.run_for(MINUTE).await;
    assert_eq!(served_for(&world, "shop.example.com").await, Some(OTHER));
    assert_eq!(served_for(&world, "example.com").await, Some(TENANT));
}

#[tokio::test]
async fn a07_a_proof_of_the_parent_leaves_the_child_alone() {
    let world = World::new();
    let child = world.active("shop.example.com").await;
    let before = world.get(child.id()).await;
    let served =
        world.onboarding.edge().identity(&name("shop.example.com")).await.unwrap().unwrap();
    let zone: Vec<_> = sets_within(&world, "shop.example.com");

    active_for(&world, &OTHER, "example.com").await;
    active_for(&world, &THIRD, "*.example.com").await;
    assert_eq!(world.get(child.id()).await, before);
    assert_eq!(sets_within(&world, "shop.example.com"), zone);
    let now = world.onboarding.edge().identity(&name("shop.example.com")).await.unwrap().unwrap();
    assert_eq!((now.tenant, now.certificate), (TENANT, served.certificate));
    assert_eq!(now.chain, served.chain);
}

fn sets_within(world: &World, name: &str) -> Vec<RecordSet> {
    let mut sets = world.dns.records(&dns("example.com"));
    sets.retain(|set| set.name().is_within(&dns(name)));
    sets
}

#[tokio::test]
async fn a08_the_exact_name_comes_before_a_wildcard_whoever_was_first() {
    for names in [["*.example.com", "shop.example.com"], ["shop.example.com", "*.example.com"]] {
        let world = World::new();
        for text in names {
            let tenant = if text.starts_with('*') { OTHER } else { TENANT };
            active_for(&world, &tenant, text).await;
        }
        assert_eq!(served_for(&world, "shop.example.com").await, Some(TENANT), "{names:?}");
        assert_eq!(served_for(&world, "other.example.com").await, Some(OTHER), "{names:?}");
        assert_eq!(served_for(&world, "example.com").await, None, "{names:?}");
    }
}

#[tokio::test]
async fn a09_no_proof_reaches_deeper_than_it_says() {
    let world = World::new();
    world.active("a.example.com").await;
    world.active("*.a.example.com").await;
    assert_eq!(served_for(&world, "x.a.example.com").await, Some(TENANT));
    assert_eq!(served_for(&world, "y.x.a.example.com").await, None);
    // Somebody who may not use what the tenant has proved one level above.
    let id = world.add_with(&OTHER, "y.x.a.example.com".parse().unwrap()).await.id();
    world.run_for(DAY).await;
    assert_eq!(world.onboarding.get(&OTHER, id).await.unwrap().status(), Status::Pending);
    // The tenant is no exception.
    let own = world.add("z.x.a.example.com").await.id();
    assert_eq!(look(&world, &TENANT, own).await, Status::Pending);
    world.publish_one(&proof(&world, &TENANT, own).await);
    assert!(look(&world, &TENANT, own).await.holds());
}

#[tokio::test]
async fn a19_a_claim_without_proof_keeps_nobody_away() {
    let world = World::new();
    let mut squatters = Vec::new();
    for number in 10..30 {
        let tenant = TenantId::from_bytes([number; 16]);
        let claim = world.add_with(&tenant, "shop.example.com".parse().unwrap()).await;
        squatters.push((tenant, claim.id()));
    }
    world.run_for(DAY).await;
    let owner = world.active("shop.example.com").await;
    assert_eq!(served_for(&world, "shop.example.com").await, Some(TENANT));
    world.run_for(DAY).await;
    for (tenant, id) in squatters {
        let squatter = world.onboarding.get(&tenant, id).await.unwrap();
        assert_eq!(squatter.status(), Status::Pending);
        assert_ne!(squatter.challenge().token, owner.challenge().token);
    }
    assert_eq!(world.ca.orders(), 1);
}

#[tokio::test]
async fn a20_pending_claim_cannot_ride_on_a_shared_target() {
    let world = World::new();
    let owner = world.add("shop.example.com").await.id();
    let rider = world.add_with(&OTHER, "shop.example.com".parse().unwrap()).await.id();
    // The owner does all that is asked for; the target is the same for everybody.
    let (ours, theirs) = (steps(&world, &TENANT, owner).await, steps(&world, &OTHER, rider).await);
    assert_eq!(ours[1].value, theirs[1].value);
    assert_ne!(ours[0].value, theirs[0].value);
    // The rider looks first, and again and again.
    for step in &ours {
        world.publish_one(step);
        assert_eq!(look(&world, &OTHER, rider).await, Status::Pending);
    }
    world.run_for(DAY).await;
    assert_eq!(look(&world, &OTHER, rider).await, Status::Pending);
    assert_eq!(world.get(owner).await.status(), Status::Active);
    assert_eq!(served_for(&world, "shop.example.com").await, Some(TENANT));
    assert_eq!(world.ca.orders(), 1);
}

async fn steps(world: &World, tenant: &TenantId, id: DomainId) -> Vec<Instruction> {
    world.onboarding.instructions(tenant, id).await.unwrap()
}

#[tokio::test]
async fn a21_pointing_at_the_platform_proves_nothing() {
    let cname = |target: &str| RecordData::Cname(dns(target));
    let address = RecordData::A([203, 0, 113, 10].into());
    for (at, data) in [
        ("shop.example.com", vec![("shop.example.com", cname(EDGE))]),
        ("shop.example.com", vec![("shop.example.com", address.clone())]),
        ("example.com", vec![("example.com", address.clone())]),
        // By way of another host of the same shop, which its owner does serve here.
        (
            "shop.example.com",
            vec![("shop.example.com", cname("www.example.net")), ("www.example.net", cname(EDGE))],
        ),
        ("shop.example.com", vec![("*.example.com", cname(EDGE))]),
    ] {
        let world = World::new();
        world.active("www.example.net").await;
        let orders = world.ca.orders();
        for (owner, data) in &data {
            let set = RecordSet::new(dns(owner), Ttl::MINUTE, [data.clone()]).unwrap();
            world.dns.set(set).unwrap();
        }
        let id = world.add_with(&OTHER, at.parse().unwrap()).await.id();
        world.run_for(DAY * 2).await;
        let domain = world.onboarding.get(&OTHER, id).await.unwrap();
        assert_eq!(domain.status(), Status::Pending, "{data:?}");
        assert_eq!(served_for(&world, at).await, None, "{data:?}");
        assert_eq!(world.ca.orders(), orders, "{data:?}");
    }
}

#[tokio::test]
async fn a22_nothing_is_served_before_the_proof() {
    let world = World::new();
    let edge = world.onboarding.edge();
    let shop = name("shop.example.com");
    let id = world.add("shop.example.com").await.id();
    let [txt, route] = <[Instruction; 2]>::try_from(steps(&world, &TENANT, id).await).unwrap();
    world.publish_one(&route);
    for _ in 0..30 {
        world.run_for(DAY).await;
        assert!(edge.serves(&shop).await.unwrap().is_none());
        assert!(edge.identity(&shop).await.unwrap().is_none());
        assert!(edge.answer(&shop, "token").await.unwrap().is_none());
    }
    assert_eq!((world.ca.orders(), world.ca.accounts(), world.ca.certificates()), (0, 0, 0));
    let keys = Query::new(nameplate::store::Kind::Key, Filter::All);
    assert!(world.store.list(&keys).await.unwrap().items.is_empty());

    world.publish_one(&txt);
    assert!(look(&world, &TENANT, id).await.holds());
    world.run_for(MINUTE).await;
    assert_eq!(served_for(&world, "shop.example.com").await, Some(TENANT));
}

#[tokio::test]
async fn a25_what_was_proved_once_is_looked_at_again() {
    let world = World::new();
    let domain = world.active("shop.example.com").await;
    let txt = proof(&world, &TENANT, domain.id()).await;
    // As long as the proof is there, for years.
    world.run_for(DAY * 400).await;
    assert_eq!(world.get(domain.id()).await.status(), Status::Active);
    assert_eq!(served_for(&world, "shop.example.com").await, Some(TENANT));
    // The name was sold, and the new owner took the record away but left the rest.
    unpublish(&world, &txt);
    world.run_for(DAY * 2).await;
    assert_eq!(world.get(domain.id()).await.status(), Status::Active, "the grace");
    world.run_for(DAY * 5).await;
    assert_eq!(world.get(domain.id()).await.status(), Status::Pending);
    assert_eq!(served_for(&world, "shop.example.com").await, None);
    let orders = world.ca.orders();
    world.run_for(DAY * 120).await;
    assert_eq!(world.ca.orders(), orders);
}

#[tokio::test]
async fn a26_nothing_of_a_former_tenant_comes_back() {
    let world = World::new();
    let former = world.active("*.example.com").await;
    let id = former.id();
    let fields = RecordFields::new("TXT", "mail", "of the former tenant");
    let record = world.onboarding.records(&TENANT, id).create(&fields).await;
    let record = record.unwrap().apply().await.unwrap().id();
    let old = world.onboarding.edge().identity(&name("www.example.com")).await.unwrap().unwrap();
    world.onboarding.remove(&TENANT, id).await.unwrap();
    world.run_for(HOUR).await;
    assert_eq!(served_for(&world, "www.example.com").await, None);
    // Nothing was taken away by hand: the old proof and the old delegation are still in the zone.
    let next = world.add_with(&OTHER, "*.example.com".parse().unwrap()).await;
    assert!(next.challenge().token != former.challenge().token);
    assert!(next.delegation().unwrap().target != former.delegation().unwrap().target);
    world.run_for(DAY).await;
    let pending = world.onboarding.get(&OTHER, next.id()).await.unwrap();
    assert_eq!(pending.status(), Status::Pending);
    assert!(pending.certificate().is_none() && pending.records().is_empty());
    assert_eq!(served_for(&world, "www.example.com").await, None);

    for step in steps(&world, &OTHER, next.id()).await {
        world.publish_one(&step);
    }
    world.run_for(DAY * 2).await;
    let now = world.onboarding.edge().identity(&name("www.example.com")).await.unwrap().unwrap();
    assert_eq!((now.tenant, now.domain), (OTHER, next.id()));
    assert_ne!(now.certificate, old.certificate);
    assert_ne!(now.key.expose(), old.key.expose());
    assert!(world.onboarding.records(&OTHER, next.id()).list().await.unwrap().is_empty());
    let of_record = world.onboarding.records(&OTHER, next.id()).get(record).await.unwrap_err();
    assert_eq!(of_record.kind(), ErrorKind::NotFound);
    assert!(sets_within(&world, "mail.example.com").is_empty());
    let told = format!("{:?}", world.onboarding.notices(&OTHER, next.id(), 0).await.unwrap());
    assert!(!told.contains(&id.to_string()), "{told}");
    // The former tenant has what is theirs, which is a trace, and nothing else.
    assert_eq!(world.onboarding.get(&TENANT, id).await.unwrap_err().kind(), ErrorKind::NotFound);
    let told = world.onboarding.notices(&TENANT, id, 0).await.unwrap();
    assert_eq!(told.last().unwrap().notice, Notice::Removed);
    assert_eq!(world.leftovers(), []);
}

/// A call of an operation as another tenant.
type Call = (&'static str, Result<String>);

/// Every operation of `Onboarding` that takes a tenant and the id of something, called as somebody
/// whose it is not.
async fn as_another(world: &World, id: DomainId, record: RecordId) -> Vec<Call> {
    let it = &world.onboarding;
    let records = it.records(&OTHER, id);
    let fields = RecordFields::new("TXT", "x", "theirs");
    let json = r#"{"type":"TXT","name":"x","value":"theirs"}"#;
    fn text<T: std::fmt::Debug>(result: Result<T>) -> Result<String> {
        result.map(|value| format!("{value:?}"))
    }
    vec![
        ("Onboarding::get", text(it.get(&OTHER, id).await)),
        ("Onboarding::instructions", text(it.instructions(&OTHER, id).await)),
        ("Onboarding::steps", text(it.steps(&OTHER, id).await)),
        ("Onboarding::check", text(it.check(&OTHER, id).await)),
        ("Onboarding::change_method", text(it.change_method(&OTHER, id, Method::Http).await)),
        ("Onboarding::renew_token", text(it.renew_token(&OTHER, id).await)),
        ("Onboarding::confirm", text(it.confirm(&OTHER, id, "code").await)),
        ("Onboarding::resend", text(it.resend(&OTHER, id).await)),
        ("Onboarding::resend_to", text(it.resend_to(&OTHER, id, MailWish::new()).await)),
        ("Onboarding::retry", text(it.retry(&OTHER, id).await)),
        ("Onboarding::renew", text(it.renew(&OTHER, id).await)),
        ("Onboarding::remove", text(it.remove(&OTHER, id).await)),
        ("Onboarding::conflicts", text(it.conflicts(&OTHER, id).await)),
        ("Onboarding::offer_transfer", text(it.offer_transfer(&OTHER, id, TENANT).await)),
        ("Onboarding::cancel_transfer", text(it.cancel_transfer(&OTHER, id).await)),
        ("Onboarding::notices", text(it.notices(&OTHER, id, 0).await)),
        ("Onboarding::timeline", text(it.timeline(&OTHER, id, 0).await)),
        ("Onboarding::follow", text(it.follow(&OTHER, Since::Domain(id, 0)).await)),
        ("Records::list", text(records.list().await)),
        ("Records::get", text(records.get(record).await)),
        ("Records::read_json", text(records.read_json(json).await)),
        ("Records::create", text(records.create(&fields).await.map(|it| it.to_string()))),
        ("Records::update", text(records.update(record, &fields).await.map(|it| it.to_string()))),
        ("Records::remove", text(records.remove(record).await.map(|it| it.to_string()))),
    ]
}

/// Operations that take a tenant and no id, or no tenant at all: what they are about is not one
/// tenant's thing. Those of an operator are behind `Onboarding::operator`.
const WITHOUT_ID: [&str; 12] = [
    "Onboarding::accept_transfer",
    "Onboarding::add",
    "Onboarding::builder",
    "Onboarding::check_sealing",
    "Onboarding::edge",
    "Onboarding::forget",
    "Onboarding::health",
    "Onboarding::list",
    "Onboarding::operator",
    "Onboarding::records",
    "Onboarding::settings",
    "Onboarding::worker",
];

/// Returns `Onboarding::get` and its like: every public method of these types in the engine, and
/// whether it takes a tenant.
fn operations(of: &[&str]) -> BTreeSet<(String, bool)> {
    fn visit(folder: &Path, of: &[&str], found: &mut BTreeSet<(String, bool)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, of, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
                file.items.iter().for_each(|item| methods(item, of, found));
            }
        }
    }
    fn methods(item: &Item, of: &[&str], found: &mut BTreeSet<(String, bool)>) {
        let Item::Impl(item) = item else { return };
        let (Type::Path(path), None) = (&*item.self_ty, &item.trait_) else { return };
        let ident = path.path.segments.last().unwrap().ident.to_string();
        if !of.contains(&ident.as_str()) {
            return;
        }
        for method in &item.items {
            let ImplItem::Fn(method) = method else { continue };
            if matches!(method.vis, Visibility::Public(_)) {
                let takes_tenant = method.sig.inputs.iter().any(|input| match input {
                    FnArg::Typed(typed) => is_tenant(&typed.ty),
                    FnArg::Receiver(_) => false,
                });
                found.insert((format!("{ident}::{}", method.sig.ident), takes_tenant));
            }
        }
    }
    fn is_tenant(ty: &Type) -> bool {
        match ty {
            Type::Reference(reference) => is_tenant(&reference.elem),
            Type::Path(path) => path.path.segments.last().is_some_and(|it| it.ident == "TenantId"),
            _ => false,
        }
    }
    let mut found = BTreeSet::new();
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/engine"), of, &mut found);
    found
}

#[tokio::test]
async fn a28_what_is_another_tenants_is_not_there() {
    let world = World::new();
    let domain = world.active("shop.example.com").await;
    let id = domain.id();
    let fields = RecordFields::new("TXT", "x", "ours");
    let change = world.onboarding.records(&TENANT, id).create(&fields).await.unwrap();
    let record = change.apply().await.unwrap().id();
    assert!(world.onboarding.get(&TENANT, id).await.is_ok());
    assert!(world.onboarding.records(&TENANT, id).get(record).await.is_ok());
    // A tenant with something of its own.
    world.add_with(&OTHER, "other.example.com".parse().unwrap()).await;
    world.settle().await;

    let before = Before::of(&world).await;
    let mut called = BTreeSet::new();
    for (operation, result) in as_another(&world, id, record).await {
        let error = result.expect_err(operation);
        assert_eq!(error.kind(), ErrorKind::NotFound, "{operation}: {error}");
        assert!(!error.to_string().contains("shop"), "{operation}: {error}");
        called.insert(operation.to_owned());
    }
    before.holds(&world).await;
    // An id that nobody has is answered with the same words.
    let nobody = DomainId::from_bytes([9; 16]);
    let words =
        |error: nameplate::Error| error.to_string().replace(&id.to_string(), &nobody.to_string());
    let [theirs, nobodys] = [id, nobody].map(|id| world.onboarding.get(&OTHER, id));
    assert_eq!(words(theirs.await.unwrap_err()), nobodys.await.unwrap_err().to_string());

    let listed = world.onboarding.list(&OTHER, None).await.unwrap();
    assert_eq!(listed.domains.len(), 1);
    assert!(listed.domains.iter().all(|domain| domain.tenant() == OTHER));

    // All of them were called.
    let there = operations(&["Onboarding", "Records"]);
    assert!(there.len() > 20, "{there:?}");
    for exempt in WITHOUT_ID {
        assert!(there.iter().any(|(operation, _)| operation == exempt), "{exempt} is gone");
    }
    for (operation, takes_tenant) in there {
        let is_exempt = WITHOUT_ID.contains(&operation.as_str());
        assert!(called.contains(&operation) || is_exempt, "{operation}: not called as another");
        assert!(!(called.contains(&operation) && is_exempt), "{operation}");
        // Records come from `Onboarding::records`, which does.
        let is_scoped = takes_tenant || operation.starts_with("Records::");
        assert!(is_scoped || is_exempt, "{operation} takes no tenant");
    }
}
