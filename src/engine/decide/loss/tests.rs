use std::time::Duration;

use super::super::{Settings, decide};
use crate::{
    certificate::Handle,
    clock::{Timestamp, after},
    engine::{
        notice::Notice,
        policy::Policy,
        root::{AccountRoot, Decision, Effect, Fact, Moment, Outcome, Receipt, Root},
    },
    seal::Sealed,
};

const HOUR: Duration = Duration::from_secs(3600);

fn start() -> Timestamp {
    Timestamp::from_timestamp_secs(1_800_000_000).unwrap()
}

/// An account that was made at the start, and is missed at the authority if `missed` says so.
fn account(missed: Option<&str>) -> AccountRoot {
    AccountRoot {
        key: Some(Sealed::new("key".to_owned())),
        handle: Some(Handle::new("first")),
        enrolled_at: Some(start()),
        missed: missed.map(Handle::new),
        ..AccountRoot::new("memory.test/directory".to_owned())
    }
}

fn decided(root: AccountRoot, facts: &[Fact], now: Timestamp) -> (AccountRoot, Decision) {
    let settings = Settings::new(Policy::new(), "memory.test/directory".to_owned());
    let root = Root::Account(Box::new(root));
    let decision = decide(&root, facts, &settings, Moment::new(now, [7; 32]));
    let Root::Account(root) = decision.root.clone() else { panic!("{decision:?}") };
    (*root, decision)
}

/// Carries out what was decided on: the authority gives an account of this name.
fn enrolled(root: AccountRoot, handle: &str, now: Timestamp) -> AccountRoot {
    let id = root.intent.as_ref().unwrap().id;
    let outcome = Outcome::Done(Receipt::Handle(Handle::new(handle)));
    decided(root, &[Fact::Outcome { id, outcome }], now).0
}

#[test]
fn an_account_that_is_lost_is_made_again_with_the_same_key() {
    let now = after(start(), HOUR * 2);
    let (root, decision) = decided(account(Some("first")), &[], now);
    assert_eq!((root.handle.as_ref(), root.missed.as_ref()), (None, None));
    assert_eq!(root.key, account(None).key);
    let effect = decision.effect.unwrap().effect;
    assert_eq!(effect, Effect::Enroll);
    assert_eq!(root.intent.as_ref().map(|intent| &intent.effect), Some(&effect), "it is stored");
    let lost = Notice::AccountLost { account: "first".to_owned(), enroll_at: now };
    assert_eq!(decision.notices, [lost]);
    let root = enrolled(root, "second", now);
    assert_eq!(root.handle, Some(Handle::new("second")));
    assert_eq!((root.enrolled_at, root.trouble, root.not_before), (Some(now), None, None));
}

#[test]
fn what_is_reported_of_another_account_changes_nothing() {
    let (root, decision) = decided(account(Some("one before")), &[], after(start(), HOUR * 2));
    assert_eq!(root, account(None));
    assert_eq!((decision.effect, decision.notices, decision.due), (None, Vec::new(), None));
}

#[test]
fn an_authority_that_keeps_losing_it_is_asked_ever_more_rarely() {
    let (mut root, mut now) = (account(None), start());
    let mut waits = Vec::new();
    for number in 0..8 {
        // It is missed a minute after it was made.
        let made = now;
        now = after(now, Duration::from_secs(60));
        root.missed = root.handle.clone();
        let (lost, decision) = decided(root, &[], now);
        assert_eq!(decision.effect, None, "{number}");
        assert!(lost.trouble.as_ref().is_some_and(|trouble| trouble.kind.is_transient()));
        let due = decision.due.unwrap();
        // Whoever wakes it changes nothing.
        let (woken, decision) = decided(lost, &[], after(now, Duration::from_secs(60)));
        assert_eq!((decision.effect, decision.due), (None, Some(due)), "{number}");
        let (wanted, decision) = decided(woken, &[], due);
        assert_eq!(decision.effect.map(|intent| intent.effect), Some(Effect::Enroll));
        root = enrolled(wanted, &format!("account {number}"), due);
        waits.push(crate::clock::between(made, due).as_secs() / 3600);
        now = due;
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 24, 24, 24]);
    // One that lasts is made again at once.
    root.missed = root.handle.clone();
    let (root, decision) = decided(root, &[], after(now, HOUR * 25));
    assert!(decision.effect.is_some());
    assert_eq!(root.losses, 0);
}

#[test]
fn an_account_of_an_earlier_release_is_made_again_at_once() {
    let old = r#"{"authority":"memory.test/directory","key":"key","handle":"text:first",
        "intent":null,"failures":0,"trouble":null,"next_at":null}"#;
    let mut root: AccountRoot = serde_json::from_str(old).unwrap();
    assert_eq!(root, AccountRoot { enrolled_at: None, ..account(None) });
    root.missed = Some(Handle::new("first"));
    assert!(decided(root, &[], start()).1.effect.is_some());
}
