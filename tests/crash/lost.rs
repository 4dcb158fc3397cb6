//! Lives in which the authority loses its accounts, or says so.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use nameplate::{
    ca::{Account, CertificateAuthority, InMemoryCa, Progress},
    certificate::Handle,
    clock::{Clock, SystemClock, after},
    domain::Status,
    engine::{Notice, Onboarding},
    error::{Error, ErrorKind, Result},
    id::{DomainId, OperationId},
    name::DomainName,
    secret::Secret,
    store::{Batch, Body, Commit, Expect, Key, Kind, Store, Write},
    testkit::{AuthorityLayer, Layered, Tape},
};

use super::{Seen, check, life, now_or_never, process, world};
use crate::common::{DAY, HOUR, MINUTE, OTHER, TENANT, World, run_until};

/// Returns what was told of an account: how often it was lost.
fn losses(world: &World) -> usize {
    let key = Key::new(Kind::Account, world.ca.id());
    now_or_never(world.store.entries(&key, 0, 100)).unwrap().len()
}

/// Asserts that no failure was counted: every order that came to nothing was followed by another at once.
async fn assert_nothing_failed(onboarding: &Onboarding, id: DomainId, which: &str) -> usize {
    let mut started_over = 0;
    for numbered in onboarding.notices(&TENANT, id, 0).await.unwrap() {
        match numbered.notice {
            Notice::OrderFailed { failure, retry_at, .. } => {
                assert_eq!(failure.code.as_deref(), Some("accountDoesNotExist"), "{which}");
                assert_eq!(retry_at, Some(numbered.at), "{which}");
                started_over += 1;
            }
            Notice::StatusChanged { to, .. } => assert_ne!(to, Status::Failed, "{which}"),
            _ => {}
        }
    }
    started_over
}

#[test]
fn an_authority_may_lose_its_accounts_before_and_after_every_call() {
    let (mut number, mut started_over) = (0, 0);
    loop {
        let world = world();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (ca, passed) = (world.ca.clone(), Arc::new(AtomicUsize::new(0)));
        let counted = passed.clone();
        let tape = Tape::new().watched_by(move |point| {
            let is_of_it = point.to_string().contains(" ca.");
            if is_of_it && counted.fetch_add(1, Ordering::Relaxed) == number {
                ca.lose_accounts();
            }
        });
        let onboarding = process(&world, &tape, &seen);
        let which = format!("at {number}");
        now_or_never(life(&world, &onboarding, &AtomicBool::new(true), false)).unwrap();
        check(&world, &seen.lock().unwrap(), true, &which);
        let id = seen.lock().unwrap().tokens.keys().find(|key| key.kind == Kind::Domain).cloned();
        let id = id.unwrap().id.parse().unwrap();
        let again = now_or_never(assert_nothing_failed(&onboarding, id, &which));
        // One may have been made and never fetched.
        assert!((2..=2 + again).contains(&world.ca.certificates()), "{which}");
        let opened = seen.lock().unwrap().opened.len();
        assert!(opened <= 2 + again && again <= 1, "{which}: {opened} orders");
        assert!(losses(&world) <= 1, "{which}: lost {} times", losses(&world));
        if passed.load(Ordering::Relaxed) <= number {
            break;
        }
        started_over += again;
        number += 1;
    }
    assert!(number > 30, "a life makes more calls than {number}");
    assert!(started_over > 5, "{started_over} of {number} orders were lost on the way");
}

#[test]
fn an_account_that_is_lost_is_made_again_once_for_all_workers_and_domains() {
    let world = world();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let enrolled = Arc::new(AtomicUsize::new(0));
    let workers = [(); 2].map(|()| {
        let enrolled = enrolled.clone();
        let tape = Tape::new().watched_by(move |point| {
            let is_of_it = point.to_string() == "before ca.enroll";
            enrolled.fetch_add(usize::from(is_of_it), Ordering::Relaxed);
        });
        process(&world, &tape, &seen)
    });
    let run = |time| {
        let end = after(world.clock.now(), time);
        while world.clock.now() < end {
            for worker in &workers {
                now_or_never(worker.worker().step()).unwrap();
            }
            world.clock.advance(MINUTE);
        }
    };
    let names = ["a", "b", "c", "d", "e", "f"].map(|label| format!("{label}.example.com"));
    let add = |name: &String| now_or_never(world.onboarding.add(&TENANT, name.parse().unwrap()));
    let first = add(&names[0]).unwrap().id();
    now_or_never(world.publish(first));
    run(HOUR * 2);
    assert_eq!(now_or_never(world.get(first)).status(), Status::Active);
    assert_eq!(enrolled.load(Ordering::Relaxed), 1);

    world.ca.lose_accounts();
    let health = now_or_never(world.onboarding.health(&SystemClock));
    assert_eq!(health.account, Ok(()), "nobody has asked for anything");
    let ids: Vec<_> = names[1..].iter().map(|name| add(name).unwrap().id()).collect();
    for id in &ids {
        now_or_never(world.publish(*id));
    }
    run(HOUR * 2);
    for id in ids {
        let domain = now_or_never(world.get(id));
        assert_eq!(domain.status(), Status::Active, "{}", domain.waiting_on());
    }
    assert_eq!((enrolled.load(Ordering::Relaxed), losses(&world)), (2, 1));
    assert_eq!(world.ca.orders(), names.len(), "an order of its own for each name");
    assert!(now_or_never(world.onboarding.list(&OTHER, None)).unwrap().domains.is_empty());
}

/// An authority that answers some calls with an error.
#[derive(Debug)]
struct Says {
    ca: InMemoryCa,
    /// Which calls, of which each is made about one order.
    calls: &'static str,
    code: &'static str,
    /// How often it still does.
    left: AtomicUsize,
    enrolled: Arc<AtomicUsize>,
}

impl Says {
    fn no(&self, call: &str) -> Result<()> {
        let take = |left: usize| left.checked_sub(1);
        let (seen, success) = (Ordering::Relaxed, Ordering::Relaxed);
        if self.calls.contains(call) && self.left.fetch_update(success, seen, take).is_ok() {
            let error = Error::new(ErrorKind::Denied, "says", "call", "as it was told to");
            return Err(error.with_code(self.code));
        }
        Ok(())
    }
}

#[async_trait]
impl AuthorityLayer for Says {
    type Inner = InMemoryCa;

    fn inner(&self) -> &InMemoryCa {
        &self.ca
    }

    async fn enroll(&self, key: &Secret) -> Result<Handle> {
        self.enrolled.fetch_add(1, Ordering::Relaxed);
        self.ca.enroll(key).await
    }

    async fn open(&self, account: &Account, names: &[DomainName]) -> Result<Handle> {
        self.no("open")?;
        self.ca.open(account, names).await
    }

    async fn progress(&self, account: &Account, order: &Handle) -> Result<Progress> {
        self.no("progress")?;
        self.ca.progress(account, order).await
    }
}

/// Leads a name to where it gets with such an authority, and returns its status and how often an account
/// was made.
fn with(calls: &'static str, code: &'static str, times: usize) -> (World, Onboarding, usize) {
    let world = World::new();
    let enrolled = Arc::new(AtomicUsize::new(0));
    let counted = enrolled.clone();
    let left = AtomicUsize::new(times);
    let says = move |ca| Layered::new(Says { ca, calls, code, left, enrolled: counted });
    let process = world.process((|it| it, |it| it, |it| it, says));
    let id = now_or_never(world.add("shop.example.com")).id();
    now_or_never(world.publish(id));
    let end = after(world.clock.now(), DAY);
    now_or_never(run_until(&process, &world.store, &world.clock, end));
    let enrolled = enrolled.load(Ordering::Relaxed);
    (world, process, enrolled)
}

#[test]
fn an_account_that_comes_back_goes_on_with_its_orders() {
    // Until it is no longer taken to be what was known of an account before.
    let (world, process, enrolled) = with("progress", "accountDoesNotExist", 4);
    let domains = now_or_never(process.list(&TENANT, None)).unwrap().domains;
    assert_eq!(domains[0].status(), Status::Active, "{}", domains[0].waiting_on());
    assert_eq!((enrolled, world.ca.orders(), world.ca.certificates()), (2, 1, 1));
    let again = now_or_never(assert_nothing_failed(&process, domains[0].id(), "it comes back"));
    assert_eq!(again, 0);
}

#[test]
fn an_account_that_the_authority_has_closed_is_left_to_a_person() {
    let (world, process, enrolled) = with("open", "unauthorized", usize::MAX);
    assert_eq!((enrolled, losses(&world), world.ca.orders()), (1, 0, 0));
    let domains = now_or_never(process.list(&TENANT, None)).unwrap().domains;
    assert_ne!(domains[0].status(), Status::Active);
}

#[test]
fn an_authority_that_keeps_saying_that_there_is_no_account_is_asked_for_one_ever_more_rarely() {
    let (world, process, enrolled) = with("open", "accountDoesNotExist", usize::MAX);
    // At first, and about after 1, 2, 4 and 8 hours.
    assert!((3..=6).contains(&enrolled), "{enrolled} times in a day");
    assert!(losses(&world) <= 6, "{}", losses(&world));
    let domains = now_or_never(process.list(&TENANT, None)).unwrap().domains;
    assert_ne!(domains[0].status(), Status::Failed, "it is not the customer's fault");
    let health = now_or_never(process.health(&SystemClock));
    let trouble = health.account.clone().unwrap_err();
    assert_eq!(trouble.code.as_deref(), Some("accountDoesNotExist"));
    assert!(health.is_ready(), "what is served is served");
}

#[test]
fn an_order_that_is_late_is_given_up_though_the_account_is_being_made_again() {
    let mut world = World::new();
    world.ca = world.ca.clone().with_processing_time(HOUR * 3);
    world.onboarding = world.process((|it| it, |it| it, |it| it, |it| it));
    let id = now_or_never(world.add("shop.example.com")).id();
    now_or_never(world.publish(id));
    now_or_never(world.run_for(MINUTE));
    assert_eq!(now_or_never(world.get(id)).status(), Status::CertificatePending);

    // Lost, and whoever makes it again stands still.
    let key = Key::new(Kind::Account, world.ca.id());
    let item = now_or_never(world.store.get(&[key])).unwrap().remove(0).unwrap();
    let mut account: serde_json::Value = serde_json::from_str(item.body.as_str()).unwrap();
    account["handle"] = serde_json::Value::Null;
    let mut header = item.header;
    header.due = Some(after(world.clock.now(), DAY * 30));
    let expect = Expect::Revision(item.revision);
    let put = Write::Put { key: item.key, expect, header, body: Body::new(account.to_string()) };
    let batch = Batch::new(OperationId::from_bytes([1; 16])).with(put);
    assert_eq!(now_or_never(world.store.commit(batch)).unwrap(), Commit::Done);

    let changes = || {
        let key = Key::new(Kind::Domain, id);
        now_or_never(world.store.get(&[key])).unwrap().remove(0).unwrap().revision.counter
    };
    let before = changes();
    now_or_never(world.run_for(HOUR * 3));
    let changed = changes() - before;
    assert!(changed < 64, "{changed} decisions");
    let notices = now_or_never(world.onboarding.notices(&TENANT, id, 0)).unwrap();
    let count = |wanted: &str| notices.iter().filter(|it| it.notice.as_str() == wanted).count();
    assert_eq!((count("order_failed"), count("parked")), (1, 0));
    assert!(now_or_never(world.get(id)).issuance().is_none());
}
