//! Names that change hands while processes are killed or stopped at every call.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use nameplate::{
    clock::{Clock as _, after},
    domain::{Domain, Status},
    engine::{Onboarding, Policy},
    error::{ErrorKind, Result},
    store::{Filter, Item, Kind, Query, Store as _},
    testkit::{Tap, Tape},
};

use crate::{
    claim,
    common::{DAY, HOUR, MINUTE, OTHER, TENANT, World, run_until},
    count, get, held_and_claimed, prove, served,
};

/// How the first process goes away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    /// It is killed.
    Dropped,
    /// It is stopped, and goes on after a second one has done everything.
    Resumed,
}

struct Idle;

impl Wake for Idle {
    fn wake(self: Arc<Self>) {}
}

/// Polls a future until it is done or can go no further: here nothing waits but for a tape.
fn drive<F: Future + ?Sized>(future: Pin<&mut F>) -> Option<F::Output> {
    let waker = Waker::from(Arc::new(Idle));
    match future.poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn now<F: Future>(future: F) -> F::Output {
    drive(pin!(future)).expect("the untapped process waits for nothing")
}

fn world() -> World {
    let mut policy = Policy::new();
    // Few points that have nothing to do with it.
    policy.recheck = DAY * 80;
    World::with_policy(policy)
}

fn process(world: &World, tape: &Tape) -> Onboarding {
    let [s, r, d, c] = [(); 4].map(|()| tape.clone());
    world.process((
        move |store| Tap::new(store, s),
        move |resolver| Tap::new(resolver, r),
        move |dns| Tap::new(dns, d),
        move |ca| Tap::new(ca, c),
    ))
}

/// Runs a story to its end again and again, the first process going away at one call after the other.
///
/// `tell` has to be such that it can be told again from wherever it was left.
fn at_every_call<S>(
    end: End,
    set: impl Fn(&World) -> S,
    tell: impl AsyncFn(&World, &Onboarding, &S) -> Result<()>,
    check: impl Fn(&World, &S, &str),
) {
    let mut points = 0;
    loop {
        let world = world();
        let story = set(&world);
        let tape = Tape::stopping_at(points);
        let one = process(&world, &tape);
        let untouched = {
            let mut running = Box::pin(tell(&world, &one, &story));
            let ended = drive(running.as_mut());
            if let Some(ended) = &ended {
                assert!(ended.is_ok(), "{ended:?}");
            } else {
                // Leases last a minute.
                world.clock.advance(MINUTE * 2);
                let two = process(&world, &Tape::new());
                now(tell(&world, &two, &story)).unwrap();
                if end == End::Resumed {
                    tape.resume();
                    // What it did late may be refused.
                    let _ = drive(running.as_mut());
                    drop(running);
                    now(tell(&world, &two, &story)).unwrap();
                }
            }
            ended.is_some()
        };
        check(&world, &story, &format!("{end:?} at {points}: {:?}", tape.passed().last()));
        if untouched {
            break;
        }
        points += 1;
    }
    assert!(points > 40, "a story makes more calls than {points}");
}

async fn run(world: &World, onboarding: &Onboarding, time: std::time::Duration) {
    let end = after(world.clock.now(), time);
    run_until(onboarding, &world.store, &world.clock, end).await;
    world.clock.set(world.clock.now().max(end));
}

fn items(world: &World, kind: Kind) -> Vec<Item> {
    now(world.store.list(&Query::new(kind, Filter::All))).unwrap().items
}

/// Checks that one of two claims holds the name and that nothing of the other is left.
fn check_hands(world: &World, holder: &Domain, former: &Domain, which: &str) {
    let (has, had) = (now(get(world, holder)), now(get(world, former)));
    assert_eq!(has.status(), Status::Active, "{which}: {}", has.waiting_on());
    assert_eq!(had.status(), Status::Pending, "{which}");
    assert_eq!(had.challenge().generation, 2, "{which}: it was reset once");
    assert_eq!(had.certificate(), None, "{which}");
    assert_eq!(now(served(world, "shop.example.com")), Some(holder.tenant()), "{which}");
    assert_eq!(now(count(world, former, "ownership_reset")), 1, "{which}");
    for kind in [Kind::Certificate, Kind::Key] {
        let of = |item: &Item| item.header.tenant == Some(holder.tenant());
        assert!(items(world, kind).iter().all(of), "{which}: a {kind} of the former holder");
    }
    assert!(items(world, Kind::Order).is_empty(), "{which}");
    assert!(items(world, Kind::Answer).is_empty(), "{which}");
}

fn contest(end: End) {
    at_every_call(
        end,
        |world| {
            let (holder, challenger) = now(held_and_claimed(world));
            prove(world, &[&challenger]);
            (holder, challenger)
        },
        async |world, onboarding, (_, challenger)| {
            onboarding.check(&OTHER, challenger.id()).await?;
            run(world, onboarding, DAY + HOUR * 4).await;
            Ok(())
        },
        |world, (holder, challenger), which| {
            check_hands(world, challenger, holder, which);
            assert_eq!(now(count(world, holder, "challenged")), 1, "{which}");
        },
    );
}

#[test]
fn a_contest_ends_the_same_wherever_a_process_is_killed() {
    contest(End::Dropped);
}

#[test]
fn a_contest_ends_the_same_wherever_a_process_is_stopped_for_a_while() {
    contest(End::Resumed);
}

fn transfer(end: End) {
    at_every_call(
        end,
        |world| {
            let (holder, theirs) = now(held_and_claimed(world));
            let onboarding = &world.onboarding;
            let code = now(onboarding.offer_transfer(&TENANT, holder.id(), OTHER)).unwrap();
            prove(world, &[&theirs, &holder]);
            (holder, theirs, code)
        },
        async |world, onboarding, (_, _, code)| {
            let wanted = "shop.example.com".parse().unwrap();
            match onboarding.accept_transfer(&OTHER, wanted, code.as_str()).await {
                Ok(_) => {}
                // An earlier attempt got through.
                Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error}"),
            }
            run(world, onboarding, HOUR * 2).await;
            Ok(())
        },
        |world, (holder, theirs, _), which| check_hands(world, theirs, holder, which),
    );
}

#[test]
fn a_transfer_happens_once_or_not_at_all_wherever_a_process_is_killed() {
    transfer(End::Dropped);
}

#[test]
fn a_transfer_happens_once_or_not_at_all_wherever_a_process_is_stopped_for_a_while() {
    transfer(End::Resumed);
}

fn again(end: End) {
    at_every_call(
        end,
        |world| {
            let first = now(world.active("shop.example.com"));
            now(world.onboarding.remove(&TENANT, first.id())).unwrap();
            now(world.run_for(HOUR));
            first
        },
        async |world, onboarding, _| {
            match onboarding.add(&TENANT, "shop.example.com".parse().unwrap()).await {
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}"),
            }
            run(world, onboarding, HOUR * 2).await;
            Ok(())
        },
        |world, first, which| {
            let all = now(world.onboarding.list(&TENANT, None)).unwrap().domains;
            let [again] = all.as_slice() else { panic!("{which}: {all:?}") };
            assert_eq!(again.status(), Status::Active, "{which}: {}", again.waiting_on());
            assert_eq!(again.challenge().token, first.challenge().token, "{which}");
            assert_eq!(again.challenge().generation, 2, "{which}");
            // The trace of the first one rests no longer.
            let resting = items(world, Kind::Domain);
            let hold = |item: &&Item| {
                item.header.unique.iter().any(|key| key.as_str() == "hold/shop.example.com")
            };
            assert_eq!(resting.iter().filter(hold).count(), 1, "{which}");
        },
    );
}

#[test]
fn a_name_is_taken_up_again_wherever_a_process_is_killed() {
    again(End::Dropped);
}

#[test]
fn a_name_is_taken_up_again_wherever_a_process_is_stopped_for_a_while() {
    again(End::Resumed);
}

#[test]
fn somebody_else_takes_a_resting_name_wherever_a_process_is_killed() {
    at_every_call(
        End::Dropped,
        |world| {
            let first = now(world.active("shop.example.com"));
            now(world.onboarding.remove(&TENANT, first.id())).unwrap();
            now(world.run_for(HOUR));
            let other = now(claim(world, OTHER, "shop.example.com"));
            prove(world, &[&other]);
            other
        },
        async |world, onboarding, other| {
            onboarding.check(&OTHER, other.id()).await?;
            run(world, onboarding, HOUR * 2).await;
            Ok(())
        },
        |world, other, which| {
            let other = now(get(world, other));
            assert_eq!(other.status(), Status::Active, "{which}: {}", other.waiting_on());
        },
    );
}

#[test]
fn a_token_is_not_taken_up_from_a_name_that_somebody_else_proves_meanwhile() {
    let mut points = 0;
    loop {
        let world = world();
        let first = now(world.active("shop.example.com"));
        now(world.onboarding.remove(&TENANT, first.id())).unwrap();
        now(world.run_for(HOUR));
        let other = now(claim(&world, OTHER, "shop.example.com"));
        prove(&world, &[&other]);

        let tape = Tape::stopping_at(points);
        let one = process(&world, &tape);
        let mut adding = Box::pin(one.add(&TENANT, "shop.example.com".parse().unwrap()));
        let mut ended = drive(adding.as_mut());
        let is_untouched = ended.is_some();
        let was_first = !now(world.onboarding.list(&TENANT, None)).unwrap().domains.is_empty();
        if !is_untouched {
            now(world.onboarding.check(&OTHER, other.id())).unwrap();
            assert!(now(get(&world, &other)).status().holds());
            tape.resume();
            ended = drive(adding.as_mut());
        }
        let again = ended.unwrap().unwrap();
        let is_same = again.challenge().token == first.challenge().token;
        assert_eq!(is_same, was_first, "at {points}: {:?}", tape.passed().last());
        if is_untouched {
            break;
        }
        points += 1;
    }
    assert!(points > 4, "adding makes more calls than {points}");
}
