//! Names that are proved by mail: lives of them, and one with the process killed or stopped at every
//! call that it makes.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

mod common;

use std::{
    collections::BTreeSet,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use common::{DAY, HOUR, MINUTE, OTHER, TENANT, World, dns, run_until};
use nameplate::{
    challenge::{
        Method,
        email::{Correspondence, Locale, MailWish},
    },
    clock::{Clock, after},
    domain::{Domain, NewDomain, Party, Reason, Status},
    engine::{Budget, Notice, Onboarding, Policy},
    error::{ErrorKind, Result},
    id::{DomainId, TenantId},
    name::DomainName,
    record::{RecordData, RecordSet, Ttl, Txt},
    store::{Filter, Kind, Query, Store},
    testkit::{Moment, Point, Tap, Tape},
};

const NAME: &str = "shop.example.com";
const ADMIN: &str = "admin@example.com";

fn wanted(wish: MailWish) -> NewDomain {
    NewDomain::from(NAME.parse::<DomainName>().unwrap()).with_method(Method::Email).with_mail(wish)
}

/// Adds the name, and lets the mails go out.
async fn claimed(world: &World) -> DomainId {
    let id = world.add_with(&TENANT, wanted(MailWish::new())).await.id();
    world.run_for(MINUTE).await;
    id
}

/// A name that was proved by mail and is active.
async fn active(world: &World) -> DomainId {
    let id = claimed(world).await;
    let code = world.codes(ADMIN).pop().unwrap();
    world.onboarding.confirm(&TENANT, id, &code).await.unwrap();
    for instruction in world.onboarding.instructions(&TENANT, id).await.unwrap() {
        world.publish_one(&instruction);
    }
    world.run_for(HOUR).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
    id
}

fn written(world: &World) -> Vec<String> {
    world.mailer.sent().into_iter().map(|message| message.to).collect()
}

async fn told(world: &World, id: DomainId) -> Vec<Notice> {
    let notices = world.onboarding.notices(&TENANT, id, 0).await.unwrap();
    notices.into_iter().map(|numbered| numbered.notice).collect()
}

fn mail(domain: &Domain) -> &Correspondence {
    domain.correspondence().unwrap()
}

#[tokio::test]
async fn a_name_is_proved_by_the_code_that_was_mailed() {
    let world = World::new();
    let id = claimed(&world).await;
    assert_eq!(
        written(&world),
        ["admin", "administrator", "webmaster", "hostmaster", "postmaster"]
            .map(|mailbox| format!("{mailbox}@example.com"))
    );
    let domain = world.get(id).await;
    assert_eq!(domain.status(), Status::Pending);
    let waiting = domain.waiting_on();
    assert_eq!(waiting.party, Party::Customer);
    assert!(matches!(waiting.reason, Reason::MailUnanswered { .. }), "{waiting}");
    assert_eq!(mail(&domain).sent().len(), 5);
    assert_eq!(domain.challenge().expires_at, mail(&domain).expires_at().unwrap());

    let code = world.codes(ADMIN).pop().unwrap();
    let proved = world.onboarding.confirm(&TENANT, id, &code).await.unwrap();
    assert_eq!(proved.status(), Status::Verified);
    // Pressed twice.
    let again = world.onboarding.confirm(&TENANT, id, &code).await.unwrap();
    assert_eq!(mail(&again).confirmed_at(), mail(&proved).confirmed_at());
    let mailed = told(&world, id).await;
    let mailed = mailed.iter().filter(|notice| matches!(notice, Notice::Mailed { .. })).count();
    assert_eq!(mailed, 5);
}

#[tokio::test]
async fn a_choice_of_scope_addresses_and_language_is_kept_to() {
    let world = World::new();
    let text = RecordData::Txt(Txt::from_text("dns@example.net"));
    let owner = dns("_validation-contactemail.shop.example.com");
    world.dns.set(RecordSet::new(owner, Ttl::HOUR, [text]).unwrap()).unwrap();
    let wish = MailWish::new()
        .with_scope(NAME.parse().unwrap())
        .with_addresses(["dns@example.net", "Hostmaster@Shop.Example.com", "me@example.org"])
        .with_locale(Locale::of("de-AT"));
    world.add_with(&TENANT, wanted(wish)).await;
    world.run_for(MINUTE).await;
    assert_eq!(written(&world), ["hostmaster@shop.example.com", "dns@example.net"]);
    let subject = world.mailer.sent().pop().unwrap().subject;
    assert_eq!(subject, "shop.example.com best\u{e4}tigen");

    let outside = MailWish::new().with_scope("example.net".parse().unwrap());
    let refused = world.onboarding.add(&TENANT, wanted(outside)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn an_answer_is_good_for_199_days_and_asked_for_again_before() {
    let world = World::new();
    let id = active(&world).await;
    world.run_for(DAY * 167).await;
    assert_eq!(written(&world).len(), 5);
    world.run_for(DAY * 4).await;
    assert_eq!(written(&world).len(), 10, "30 days before");
    assert_eq!(world.get(id).await.status(), Status::Active);
    let codes = world.codes(ADMIN);
    let old = world.onboarding.confirm(&TENANT, id, &codes[0]).await.unwrap_err();
    assert_eq!(old.kind(), ErrorKind::Refused);
    world.onboarding.confirm(&TENANT, id, &codes[1]).await.unwrap();
    world.run_for(DAY * 160).await;
    assert_eq!(written(&world).len(), 10);
    assert_eq!(world.get(id).await.status(), Status::Active);
    // Nobody answers this time.
    world.run_for(DAY * 37).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
    world.run_for(DAY * 7).await;
    let lost = world.get(id).await;
    assert_eq!(lost.status(), Status::Pending);
    assert_eq!(written(&world).len(), 20, "30 days before, and when it had run out");
    // The last mail is answered after all.
    let code = world.codes(ADMIN).pop().unwrap();
    world.onboarding.confirm(&TENANT, id, &code).await.unwrap();
    world.run_for(HOUR).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
}

#[tokio::test]
async fn a_code_is_good_for_29_days_and_a_new_one_can_be_asked_for() {
    let world = World::new();
    let id = claimed(&world).await;
    let early = world.onboarding.resend(&TENANT, id).await.unwrap_err();
    assert_eq!(early.kind(), ErrorKind::RateLimited);
    assert!(early.retry_after().unwrap() <= world.policy.mail_spacing);
    world.run_for(DAY * 29).await;
    let first = world.codes(ADMIN).pop().unwrap();
    let old = world.onboarding.confirm(&TENANT, id, &first).await.unwrap_err();
    assert_eq!(old.kind(), ErrorKind::Refused);

    world.onboarding.resend(&TENANT, id).await.unwrap();
    world.run_for(MINUTE).await;
    assert_eq!(written(&world).len(), 10);
    // To others, in another language, once these have had their peace.
    world.run_for(HOUR).await;
    let wish = MailWish::new().with_addresses([ADMIN]).with_locale(Locale::Fr);
    world.onboarding.resend_to(&TENANT, id, wish).await.unwrap();
    world.run_for(MINUTE).await;
    assert_eq!(written(&world).len(), 11);
    assert_eq!(world.mailer.sent().pop().unwrap().subject, format!("Confirmer {NAME}"));
    let outside = MailWish::new().with_scope("example.net".parse().unwrap());
    let refused = world.onboarding.resend_to(&TENANT, id, outside).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    let second = world.codes(ADMIN).pop().unwrap();
    assert_ne!(first, second);
    let old = world.onboarding.confirm(&TENANT, id, &first).await.unwrap_err();
    assert_eq!(old.kind(), ErrorKind::Refused);
    let proved = world.onboarding.confirm(&TENANT, id, &second).await.unwrap();
    assert_eq!(proved.status(), Status::Verified);
}

#[tokio::test]
async fn who_holds_a_name_by_an_old_answer_has_to_answer_again_when_another_proves_it() {
    for is_answered in [true, false] {
        let world = World::new();
        let id = active(&world).await;
        world.run_for(DAY * 60).await;
        let rival = world.add_with(&OTHER, NAME.parse().unwrap()).await;
        for instruction in world.onboarding.instructions(&OTHER, rival.id()).await.unwrap() {
            world.publish_one(&instruction);
        }
        world.onboarding.check(&OTHER, rival.id()).await.unwrap();
        world.run_for(HOUR).await;
        assert_eq!(written(&world).len(), 10, "the holder is written to");
        if is_answered {
            let code = world.codes(ADMIN).pop().unwrap();
            world.onboarding.confirm(&TENANT, id, &code).await.unwrap();
        }
        world.run_for(DAY * 3).await;
        let status = world.get(id).await.status();
        assert_eq!(status.holds(), is_answered, "{status}");
        let theirs = world.onboarding.get(&OTHER, rival.id()).await.unwrap().status();
        assert_eq!(theirs.holds(), !is_answered, "{theirs}");
    }
}

#[tokio::test]
async fn a_mail_server_that_fails_is_asked_again_and_nobody_gets_two_different_mails() {
    for (kind, after_sending) in [
        (ErrorKind::Unavailable, false),
        (ErrorKind::RateLimited, false),
        (ErrorKind::Denied, false),
        (ErrorKind::Unknown, false),
        (ErrorKind::Unknown, true),
    ] {
        let world = World::new();
        match after_sending {
            true => world.mailer.fail_next_after(kind),
            false => world.mailer.fail_next(kind),
        }
        let id = claimed(&world).await;
        world.run_for(HOUR).await;
        let distinct: BTreeSet<_> = world
            .mailer
            .sent()
            .into_iter()
            .map(|message| (message.to, message.subject, message.body))
            .collect();
        assert_eq!(distinct.len(), 5, "{kind}");
        assert_eq!(written(&world).len(), 5 + usize::from(after_sending), "{kind}");
        let code = world.codes("postmaster@example.com").pop().unwrap();
        let proved = world.onboarding.confirm(&TENANT, id, &code).await.unwrap();
        assert_eq!(proved.status(), Status::Verified, "{kind}");
    }
}

#[tokio::test]
async fn a_mail_of_which_nobody_knows_is_sent_three_times_and_no_more() {
    let world = World::new();
    for _ in 0..100 {
        world.mailer.fail_next_after(ErrorKind::Unknown);
    }
    let id = claimed(&world).await;
    world.run_for(DAY * 2).await;
    assert_eq!(written(&world).len(), 15);
    let domain = world.get(id).await;
    assert_eq!((mail(&domain).unsent().len(), mail(&domain).sent().len()), (0, 5));
    let code = world.codes(ADMIN).pop().unwrap();
    let proved = world.onboarding.confirm(&TENANT, id, &code).await.unwrap();
    assert_eq!(proved.status(), Status::Verified);
}

#[tokio::test]
async fn who_cannot_be_written_to_is_told_and_keeps_nobody_else_from_it() {
    let world = World::new();
    world.mailer.refuse("admin@example.com");
    let id = claimed(&world).await;
    assert_eq!(written(&world).len(), 4);
    let domain = world.get(id).await;
    assert_eq!(mail(&domain).refused().len(), 1);
    assert_eq!(domain.last_failure(), None);
    let is_told = |notice: &Notice| matches!(notice, Notice::MailRefused { to, .. } if to.as_str() == "admin@example.com");
    assert!(told(&world, id).await.iter().any(is_told));

    let world = World::new();
    for mailbox in ["admin", "administrator", "webmaster", "hostmaster", "postmaster"] {
        world.mailer.refuse(&format!("{mailbox}@example.com"));
    }
    let id = claimed(&world).await;
    let domain = world.get(id).await;
    assert_eq!(domain.last_failure().unwrap().kind, ErrorKind::Refused);
    assert_eq!(domain.status(), Status::Pending);
}

#[tokio::test]
async fn nothing_is_mailed_about_a_name_that_is_removed_or_proved_in_another_way() {
    let world = World::new();
    world.mailer.fail_next(ErrorKind::Unavailable);
    let id = world.add_with(&TENANT, wanted(MailWish::new())).await.id();
    world.settle().await;
    let before = written(&world).len();
    world.onboarding.remove(&TENANT, id).await.unwrap();
    world.run_for(DAY).await;
    assert_eq!(written(&world).len(), before);
    assert_eq!(world.store.next_due(), None);

    let other = world.add("www.example.com").await;
    world.run_for(DAY).await;
    assert_eq!(written(&world).len(), before);
    for error in [
        world.onboarding.resend(&TENANT, other.id()).await.unwrap_err(),
        world.onboarding.confirm(&TENANT, other.id(), "code").await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Precondition);
    }
}

/// Returns everything that the store holds of the tenant, as text.
async fn stored(world: &World, id: DomainId) -> String {
    let mut text = format!("{:?}", told(world, id).await);
    for kind in [Kind::Domain, Kind::Key, Kind::Answer, Kind::Feed, Kind::Ledger] {
        let page = world.store.list(&Query::new(kind, Filter::Tenant(TENANT))).await.unwrap();
        for item in page.items {
            text.push_str(item.body.as_str());
        }
    }
    text
}

#[tokio::test]
async fn the_code_can_be_read_nowhere_in_the_store() {
    let world = World::new();
    // The first mail goes out, and the others wait.
    world.mailer.fail_next_after(ErrorKind::Unavailable);
    let id = world.add_with(&TENANT, wanted(MailWish::new())).await.id();
    world.settle().await;
    let code = world.codes(ADMIN).pop().unwrap();
    let text = stored(&world, id).await;
    assert!(text.contains("postmaster@example.com") && !text.contains(&code));
    world.run_for(HOUR).await;
    assert_eq!(written(&world).len(), 6);
    let text = stored(&world, id).await;
    assert!(!text.contains(&code) && !text.contains("sealed"), "{text}");
    assert!(!format!("{:?}", world.get(id).await).contains(&code));
}

struct Idle;

impl Wake for Idle {
    fn wake(self: Arc<Self>) {}
}

/// Polls a future until it is done or can go no further.
fn drive<F: Future + ?Sized>(future: Pin<&mut F>) -> Option<F::Output> {
    // Nothing in this world waits for anything but a tape.
    let waker = Waker::from(Arc::new(Idle));
    match future.poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn process(world: &World, tape: &Tape) -> Onboarding {
    let (s, r, m) = (tape.clone(), tape.clone(), tape.clone());
    world.process_with_mailer((
        move |store| Tap::new(store, s),
        move |resolver| Tap::new(resolver, r),
        move |mailer| Tap::new(mailer, m),
    ))
}

/// Claims a name, confirms it and removes it, from wherever it is.
async fn life(world: &World, onboarding: &Onboarding) -> Result<()> {
    let until = |time| after(world.clock.now(), time);
    let id = match onboarding.add(&TENANT, wanted(MailWish::new())).await {
        Ok(domain) => domain.id(),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            error.subject().unwrap().parse().unwrap()
        }
        Err(error) => return Err(error),
    };
    run_until(onboarding, &world.store, &world.clock, until(HOUR)).await;
    let domain = match onboarding.get(&TENANT, id).await {
        // It was being removed already.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        there => there?,
    };
    if domain.status() == Status::Pending {
        let code = world.codes("postmaster@example.com").pop().unwrap();
        let proved = onboarding.confirm(&TENANT, id, &code).await?;
        assert_eq!(proved.status(), Status::Verified, "{}", proved.waiting_on());
    }
    onboarding.remove(&TENANT, id).await?;
    run_until(onboarding, &world.store, &world.clock, until(DAY)).await;
    Ok(())
}

/// Runs one history. Returns the points that the first process passed, and whether it was stopped.
fn history(stop: usize, is_resumed: bool) -> (Vec<Point>, bool) {
    let world = World::new();
    let tape = Tape::stopping_at(stop);
    let one = process(&world, &tape);
    let mut running = Box::pin(life(&world, &one));
    let is_stopped = drive(running.as_mut()).is_none();
    if is_stopped {
        world.clock.advance(MINUTE * 2);
        let two = process(&world, &Tape::new());
        drive(Box::pin(life(&world, &two)).as_mut()).unwrap().unwrap();
        if is_resumed {
            tape.resume();
            // What it did late may be refused: then its own caller is told so.
            let _ = drive(running.as_mut()).unwrap();
            let rest = run_until(&two, &world.store, &world.clock, after(world.clock.now(), DAY));
            drive(Box::pin(rest).as_mut()).unwrap();
        }
    }
    drop(running);
    assert_eq!(world.store.next_due().filter(|_| !is_resumed), None, "{stop}: work is left");
    // Each round has one code, and everybody got it.
    let codes: BTreeSet<_> = world.codes("postmaster@example.com").into_iter().collect();
    for mailbox in ["admin", "administrator", "webmaster", "hostmaster"] {
        let theirs = world.codes(&format!("{mailbox}@example.com")).into_iter().collect();
        assert!(codes.is_subset(&theirs), "{stop}: {mailbox}");
    }
    if !is_stopped {
        assert_eq!(written(&world).len(), 5);
    }
    (tape.passed(), is_stopped)
}

#[test]
fn a_process_that_is_killed_or_stopped_at_any_call_loses_no_mail() {
    for is_resumed in [false, true] {
        let mut stopped_at = BTreeSet::new();
        for stop in 0.. {
            let (passed, is_stopped) = history(stop, is_resumed);
            if !is_stopped {
                break;
            }
            stopped_at.insert(passed[stop].clone());
        }
        for moment in [Moment::Before, Moment::After] {
            let point = Point::new("mailer", "mail", moment);
            assert!(stopped_at.contains(&point), "never stopped at {point}");
        }
    }
}

/// Four tenants claim a name each, about which the same people are written to.
async fn four_claim_by_mail(world: &World) {
    for number in 1..=4 {
        let name = format!("n{number}.example.com");
        let wanted = NewDomain::from(name.parse::<DomainName>().unwrap());
        let tenant = TenantId::from_bytes([number; 16]);
        world.add_with(&tenant, wanted.with_method(Method::Email)).await;
    }
}

#[tokio::test]
async fn an_address_gets_so_many_mails_whichever_tenants_want_them() {
    let mut policy = Policy::new();
    policy.recipient_budget = Some(Budget::new(2, DAY));
    let world = World::with_policy(policy);
    four_claim_by_mail(&world).await;
    world.run_for(HOUR).await;
    let to_admin = || written(&world).iter().filter(|to| *to == ADMIN).count();
    assert_eq!(to_admin(), 2);
    // Who could not be written to is told, and may ask again when there is room.
    let refused = TenantId::from_bytes([4; 16]);
    let domain = world.onboarding.list(&refused, None).await.unwrap().domains.remove(0);
    assert_eq!(mail(&domain).sent(), []);
    assert_eq!(mail(&domain).refused().len(), 5);
    let failure = domain.last_failure().unwrap();
    assert_eq!(failure.message, "engine: mail: this address cannot be written to now");
    world.run_for(DAY).await;
    world.onboarding.resend(&refused, domain.id()).await.unwrap();
    world.run_for(HOUR).await;
    assert_eq!(to_admin(), 3);
    // No address is in the ledger.
    let ledgers = world.store.list(&Query::new(Kind::Ledger, Filter::All)).await.unwrap();
    let received = ledgers.items.iter().filter(|item| item.key.id.starts_with("recipient/"));
    for item in received {
        let all = format!("{:?}", (&item.key, &item.header, item.body.as_str()));
        assert!(!all.contains("admin"), "{all}");
    }
}

#[tokio::test]
async fn who_holds_a_name_is_written_to_whatever_others_had_mailed() {
    let mut policy = Policy::new();
    policy.recipient_budget = Some(Budget::new(2, DAY * 60));
    let world = World::with_policy(policy);
    let id = active(&world).await;
    world.run_for(DAY * 167).await;
    let before = world.codes(ADMIN).len();
    // Others have all mailed that these people get, days before the holder has to be asked again.
    four_claim_by_mail(&world).await;
    world.run_for(HOUR).await;
    assert_eq!(world.codes(ADMIN).len(), before + 2);
    world.run_for(DAY * 4).await;
    assert_eq!(world.codes(ADMIN).len(), before + 3);
    let holder = world.get(id).await;
    assert_eq!((mail(&holder).sent().len(), mail(&holder).refused()), (5, &[][..]));
}
