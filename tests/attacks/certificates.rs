//! Certificates that cannot be had, answers to who asks for one, and control that does not last.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use nameplate::{
    ca::{CertificateAuthority as _, InMemoryCa, Signer, SigningRequest, UnsignedSigner},
    clock::{Clock as _, after},
    domain::{Party, Status},
    engine::{Notice, Pausable, Policy},
    error::{Error, ErrorKind, Result},
    name::DomainName,
    record::{RecordData, RecordSet, RecordType, Ttl},
    resolver::{Failure, Outcome},
    store::{Filter, Kind, Query, Store as _},
    testkit::{AuthorityLayer, Layered},
};

use crate::common::{DAY, HOUR, MINUTE, OTHER, TENANT, World, dns};

const SHOP: &str = "shop.example.com";

fn world_with_issuer() -> World {
    let mut policy = Policy::new();
    policy.caa_issuers = vec!["memory.test".to_owned()];
    World::with_policy(policy)
}

fn caa(world: &World, owner: &str, properties: &[&str]) {
    let data = properties.iter().map(|text| RecordData::parse(RecordType::Caa, text).unwrap());
    world.dns.set(RecordSet::new(dns(owner), Ttl::MINUTE, data).unwrap()).unwrap();
}

#[tokio::test]
async fn f04_r28_what_caa_records_forbid_is_not_ordered_and_the_customer_is_told() {
    let world = world_with_issuer();
    caa(&world, "example.com", &["0 issue \"memory.test\""]);
    world.active("www.example.com").await;
    let orders = world.ca.orders();

    caa(&world, "example.com", &["0 iodef \"mailto:a@example.com\"", "0 issue \"other.test\""]);
    let id = world.add(SHOP).await.id();
    world.publish(id).await;
    world.run_for(DAY).await;
    assert_eq!(world.ca.orders(), orders);
    let domain = world.get(id).await;
    assert_eq!(domain.status(), Status::Verified);
    let waiting = domain.waiting_on();
    assert_eq!(waiting.party, Party::Customer);
    let told = waiting.to_string();
    assert!(told.contains("example.com CAA 0 issue \"other.test\""), "{told}");
    assert!(told.contains("add example.com CAA 0 issue \"memory.test\""), "{told}");
    let notices = world.onboarding.notices(&TENANT, id, 0).await.unwrap();
    let blocked = notices.iter().filter(|it| matches!(it.notice, Notice::OrderBlocked { .. }));
    assert_eq!(blocked.count(), 1, "once, however often it is looked at");

    // It is looked at again by itself.
    caa(&world, "example.com", &["0 issue \"other.test\"", "0 issue \"memory.test\""]);
    world.run_for(HOUR * 2).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
}

#[tokio::test]
async fn f04_r28_the_authority_says_by_which_names_it_is_called_if_the_host_does_not() {
    let mut world = World::new();
    caa(&world, "example.com", &["0 issue \"other.test\""]);
    // Without a word from anybody it is the authority that refuses, and that costs orders.
    let id = world.add("www.example.com").await.id();
    world.publish(id).await;
    world.run_for(MINUTE).await;
    let orders = world.ca.orders();
    assert!(orders > 0);
    world.onboarding.remove(&TENANT, id).await.unwrap();
    world.run_for(HOUR).await;

    world.onboarding = world.process((
        |store| store,
        |resolver| resolver,
        |dns| dns,
        |ca: InMemoryCa| ca.with_caa_identities(["memory.test".to_owned()]),
    ));
    let orders = world.ca.orders();
    let id = world.add(SHOP).await.id();
    world.publish(id).await;
    world.run_for(DAY).await;
    assert_eq!(world.ca.orders(), orders);
    let told = world.get(id).await.waiting_on().to_string();
    assert!(told.contains("add example.com CAA 0 issue \"memory.test\""), "{told}");
    caa(&world, "example.com", &["0 issue \"memory.test\""]);
    world.run_for(HOUR * 2).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
}

#[tokio::test]
async fn f04_an_authority_that_cannot_say_what_it_is_called_is_asked_for_certificates_all_the_same()
{
    let mut world = World::new();
    world.onboarding = world.process((
        |store| store,
        |resolver| resolver,
        |dns| dns,
        |ca| Layered::new(Silent(ca)),
    ));
    caa(&world, "example.com", &["0 issue \"memory.test\""]);
    world.active(SHOP).await;
}

#[tokio::test]
async fn f04_an_authority_that_is_paused_is_not_even_asked_what_it_is_called() {
    let mut world = World::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    world.onboarding = world.process((
        |store| store,
        |resolver| resolver,
        |dns| dns,
        |ca| Layered::new(Counting(ca, counted)),
    ));
    let operator = world.onboarding.operator();
    operator.pause(Pausable::Authority, "incident").await.unwrap();
    let id = world.add(SHOP).await.id();
    world.publish(id).await;
    world.run_for(DAY).await;
    assert_eq!(world.get(id).await.status(), Status::Verified);
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    operator.resume(Pausable::Authority).await.unwrap();
    world.run_for(HOUR).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
    assert!(asked.load(Ordering::Relaxed) > 0);
}

/// An authority that counts how often it is asked what it is called.
#[derive(Debug)]
struct Counting(InMemoryCa, Arc<AtomicUsize>);

#[async_trait]
impl AuthorityLayer for Counting {
    type Inner = InMemoryCa;

    fn inner(&self) -> &InMemoryCa {
        &self.0
    }

    async fn caa_identities(&self) -> Result<Vec<String>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.caa_identities().await
    }
}

#[tokio::test]
async fn f04_records_that_name_an_account_forbid_nothing_before_there_is_one() {
    let world = world_with_issuer();
    caa(&world, "example.com", &["0 issue \"memory.test; accounturi=https://ca.test/account/1\""]);
    let id = world.add(SHOP).await.id();
    world.publish(id).await;
    world.run_for(HOUR * 2).await;
    // The account is made all the same: its URI is what the record has to name.
    let accounts = Query::new(Kind::Account, Filter::All);
    assert_eq!(world.store.list(&accounts).await.unwrap().items.len(), 1);
    // It is another one, and so the record forbids it.
    assert_eq!((world.get(id).await.status(), world.ca.orders()), (Status::Verified, 0));
    let told = world.get(id).await.waiting_on().to_string();
    assert!(told.contains("CAA 0 issue"), "{told}");
}

/// An authority whose directory cannot be read when it is asked for names.
#[derive(Debug)]
struct Silent(InMemoryCa);

#[async_trait]
impl AuthorityLayer for Silent {
    type Inner = InMemoryCa;

    fn inner(&self) -> &InMemoryCa {
        &self.0
    }

    async fn caa_identities(&self) -> Result<Vec<String>> {
        Err(Error::new(ErrorKind::Unavailable, "silent ca", "caa_identities", "no answer"))
    }
}

#[tokio::test]
async fn f04_what_nobody_can_say_forbids_nothing() {
    let world = world_with_issuer();
    for failure in [Outcome::Failed(Failure::ServFail), Outcome::Timeout] {
        world.resolver.answer_with(dns(SHOP), RecordType::Caa, failure);
    }
    world.active(SHOP).await;
}

#[tokio::test]
async fn c09_dv32_a_proof_that_was_there_for_a_moment_is_none_where_it_has_to_stay() {
    let mut policy = Policy::new();
    policy.prove_after = 3;
    policy.prove_over = HOUR * 3;
    let world = World::with_policy(policy);
    let rightful = world.add(SHOP).await.id();
    world.publish(rightful).await;
    world.run_for(HOUR * 2).await;
    assert_eq!(world.get(rightful).await.status(), Status::Pending);
    world.run_for(HOUR * 4).await;
    assert_eq!(world.get(rightful).await.status(), Status::Active);

    // Somebody controls the zone for an hour, and again the next day.
    let attack = world.add_with(&OTHER, "www.example.com".parse().unwrap()).await;
    let owner = attack.challenge().owner.clone();
    for _ in 0..3 {
        let proof = world.onboarding.instructions(&OTHER, attack.id()).await.unwrap().remove(0);
        world.publish_one(&proof);
        for _ in 0..6 {
            world.onboarding.check(&OTHER, attack.id()).await.unwrap();
            world.run_for(MINUTE * 10).await;
        }
        world.dns.remove(&owner, RecordType::Txt);
        let _ = world.onboarding.check(&OTHER, attack.id()).await;
        world.run_for(DAY).await;
    }
    let refused = world.onboarding.get(&OTHER, attack.id()).await.unwrap();
    assert_eq!(refused.status(), Status::Pending);
}

#[tokio::test]
async fn d07_an_answer_is_given_out_while_its_tenant_holds_the_name() {
    let mut world = World::new();
    // The authority takes its time.
    world.ca = world.ca.clone().with_processing_time(HOUR);
    world.onboarding = world.process((|s| s, |r| r, |d| d, |c| c));
    let id = world.add(SHOP).await.id();
    world.publish(id).await;
    world.run_for(MINUTE).await;
    let answers = async || {
        let query = Query::new(Kind::Answer, Filter::Tenant(TENANT));
        world.store.list(&query).await.unwrap().items
    };
    let stored = answers().await;
    let (_, rest) = stored[0].body.as_str().split_once("\"token\":\"").unwrap();
    let token = rest.split_once('"').unwrap().0;
    let edge = world.onboarding.edge();
    let shop: DomainName = SHOP.parse().unwrap();
    assert!(edge.answer(&shop, token).await.unwrap().is_some());

    // The name is somebody else's, as the registry says, and no worker has cleaned up yet.
    let (apex, now) = ("example.com".parse().unwrap(), world.clock.now());
    let operator = world.onboarding.operator();
    operator.registration_changed(&TENANT, &apex, now, "another registrar").await.unwrap();
    assert_eq!(answers().await.len(), 1);
    assert_eq!(edge.answer(&shop, token).await.unwrap(), None);
}

/// Does something to what is to be signed, or to the chain.
type Twist = (fn(&mut SigningRequest), fn(&mut Vec<Vec<u8>>));

/// Signs something else than what was asked for, once it is told to.
#[derive(Clone, Debug, Default)]
struct Twisted(Arc<Mutex<Option<Twist>>>);

impl Signer for Twisted {
    fn sign(&self, request: &SigningRequest) -> Result<Vec<Vec<u8>>> {
        let twist = *self.0.lock().unwrap();
        let mut request = request.clone();
        if let Some((of_request, _)) = twist {
            of_request(&mut request);
        }
        let mut chain = UnsignedSigner.sign(&request)?;
        if let Some((_, of_chain)) = twist {
            of_chain(&mut chain);
        }
        Ok(chain)
    }
}

#[tokio::test]
async fn f07_a_certificate_that_is_not_the_one_that_was_ordered_never_serves() {
    let twists: [(&str, Twist); 7] = [
        ("for another key", (|it| *it.public_key.last_mut().unwrap() ^= 1, |_| {})),
        ("for another name", (|it| it.names = vec!["evil.example.net".parse().unwrap()], |_| {})),
        ("one name more", (|it| it.names.push("evil.example.net".parse().unwrap()), |_| {})),
        ("not valid yet", (|it| it.not_before = after(it.not_before, DAY), |_| {})),
        ("not valid any more", (|it| it.not_after = it.not_before, |_| {})),
        ("another issuer", (|_| {}, |chain| chain[1] = chain[0].clone())),
        ("no certificate", (|_| {}, Vec::clear)),
    ];
    for (what, twist) in twists {
        let mut world = World::new();
        let signer = Twisted::default();
        world.sign_with(signer.clone());
        let held = world.active("held.example.com").await;
        let served = held.certificate().unwrap().id;

        *signer.0.lock().unwrap() = Some(twist);
        let id = world.add(SHOP).await.id();
        world.publish(id).await;
        // The renewal is due after two thirds of ninety days.
        world.run_for(DAY * 70).await;
        let edge = world.onboarding.edge();
        assert!(world.ca.certificates() > 2, "{what}: certificates were signed");
        assert_eq!(
            edge.identity(&SHOP.parse().unwrap()).await.unwrap().map(|_| ()),
            None,
            "{what}"
        );
        let still = edge.identity(held.name()).await.unwrap().unwrap();
        assert_eq!(still.certificate, served, "{what}: the old one serves");
        let notices = world.onboarding.notices(&TENANT, held.id(), 0).await.unwrap();
        let failed = |it: &Notice| matches!(it, Notice::OrderFailed { .. });
        assert!(notices.iter().any(|it| failed(&it.notice)), "{what}");

        // Once the authority is right again, so is everything else.
        *signer.0.lock().unwrap() = None;
        world.run_for(DAY * 15).await;
        let renewed = edge.identity(held.name()).await.unwrap().unwrap();
        assert_ne!(renewed.certificate, served, "{what}");
    }
}
