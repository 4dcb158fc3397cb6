use super::*;
use crate::{
    certificate::Validation,
    challenge::{Challenge, Method, Scope},
    domain::{Founding, NewDomain},
};

const START: Timestamp = Timestamp::UNIX_EPOCH;
const PLUGGED: [&str; 1] = ["a"];

fn feed() -> Feed {
    let name: NewDomain = "shop.example.com".parse().unwrap();
    let challenge = Challenge {
        method: Method::DnsTxt,
        scope: Scope::Host,
        target: None,
        path: None,
        owner: "_plat-challenge.shop.example.com".parse().unwrap(),
        token: "t".to_owned(),
        generation: 1,
        issued_at: START,
        expires_at: START,
    };
    let (id, tenant) = (DomainId::from_bytes([1; 16]), TenantId::from_bytes([2; 16]));
    let founding = Founding::new(id, tenant, challenge, Validation::Http01, None);
    let mut feed = Feed::new(&Domain::new(name, founding, START), 10);
    feed.admit(&PLUGGED);
    feed
}

fn at(seconds: u64) -> Moment {
    Moment::new(after(START, Duration::from_secs(seconds)), [0; 32])
}

fn report(feed: &Feed, tried: Vec<(u64, End)>) -> Report {
    let epoch = feed.cursors["a"].epoch;
    let tried = tried.into_iter().map(|(number, end)| Tried { number, at: START, end }).collect();
    Report { subscriber: "a".to_owned(), epoch, tried, more: false }
}

fn failed(kind: ErrorKind) -> End {
    End::Failed(Trouble::new(kind, "no"))
}

/// Settles one report; returns in how many seconds to come back.
fn settle(feed: &mut Feed, tried: Vec<(u64, End)>, seconds: u64) -> Option<u64> {
    let report = report(feed, tried);
    let moment = at(seconds);
    let due = feed.settle(&[report], &PLUGGED, &Policy::new(), moment)?;
    Some(between(moment.now, due).as_secs())
}

#[test]
fn a_delivery_moves_the_cursor_and_a_failure_holds_it() {
    let mut feed = feed();
    let due = settle(&mut feed, vec![(11, End::Delivered), (12, End::Skipped)], 0);
    assert_eq!((due, feed.cursors["a"].after, feed.through), (None, 12, 12));
    let due = settle(&mut feed, vec![(13, End::Delivered), (14, failed(ErrorKind::Denied))], 0);
    assert!(due.is_some_and(|wait| (3..=6).contains(&wait)), "{due:?}");
    assert_eq!((feed.cursors["a"].after, feed.through), (13, 14));
    assert_eq!(feed.status(), "failing");
    assert_eq!(feed.work(&PLUGGED, START), []);
    let work = feed.work(&PLUGGED, at(7).now);
    assert_eq!(work.iter().map(|work| work.after).collect::<Vec<_>>(), [13]);
    settle(&mut feed, vec![(14, End::Delivered)], 7);
    assert_eq!((feed.cursors["a"].failures, feed.status()), (0, "told"));
}

#[test]
fn waits_grow_and_what_is_asked_for_is_honored_up_to_a_day() {
    let mut feed = feed();
    let mut waits = Vec::new();
    for _ in 0..10 {
        waits.push(settle(&mut feed, vec![(11, failed(ErrorKind::Unavailable))], 0).unwrap());
    }
    assert!(waits.is_sorted() && waits[9] > 6 * 3600, "{waits:?}");
    for (asked, wait) in [(50_000, 50_000), (u64::MAX, 86_400)] {
        let mut trouble = Trouble::new(ErrorKind::RateLimited, "later");
        trouble.retry_after = Some(Duration::from_secs(asked));
        assert_eq!(settle(&mut feed, vec![(11, End::Failed(trouble))], 0), Some(wait));
    }
}

#[test]
fn what_is_too_old_is_given_up_and_the_next_one_is_tried_at_once() {
    let patience = Policy::new().delivery_patience.as_secs();
    let mut feed = feed();
    let kind = ErrorKind::Unavailable;
    assert!(settle(&mut feed, vec![(11, failed(kind))], patience - 1).unwrap() > 0);
    assert_eq!(settle(&mut feed, vec![(11, failed(kind))], patience), Some(0));
    let cursor = &feed.cursors["a"];
    assert_eq!((cursor.after, cursor.dead.len(), feed.status()), (11, 1, "dead"));
    assert_eq!((cursor.dead[0].number, cursor.dead[0].attempts), (11, 2));
}

#[test]
fn what_waits_for_a_silent_subscriber_is_looked_at_ever_more_rarely_and_counts_no_attempts() {
    let patience = Policy::new().delivery_patience.as_secs();
    let mut feed = feed();
    let postponed = || End::Postponed(Trouble::new(ErrorKind::Unavailable, "silent"));
    let mut waits = Vec::new();
    for _ in 0..10 {
        waits.push(settle(&mut feed, vec![(11, postponed())], 0).unwrap());
    }
    assert!(waits.is_sorted() && waits[9] > 6 * 3600, "{waits:?}");
    // However old it is, it is not given up untried.
    assert!(settle(&mut feed, vec![(11, postponed())], patience * 2).unwrap() > 0);
    let cursor = &feed.cursors["a"];
    assert_eq!((cursor.failures, cursor.dead.len()), (0, 0));
    settle(&mut feed, vec![(11, failed(ErrorKind::Unavailable))], patience * 2);
    assert_eq!(feed.cursors["a"].dead[0].attempts, 1);
    // The next one starts afresh.
    let due = settle(&mut feed, vec![(12, postponed())], 0);
    assert!(due.is_some_and(|wait| (3..=6).contains(&wait)), "{due:?}");
}

#[test]
fn a_refusal_gives_up_one_notice_and_nobody_there_gives_up_all() {
    let mut feed = feed();
    assert_eq!(settle(&mut feed, vec![(11, failed(ErrorKind::Refused))], 0), Some(0));
    assert!(!feed.work(&PLUGGED, START)[0].is_gone);
    assert_eq!(settle(&mut feed, vec![(12, failed(ErrorKind::NotFound))], 0), Some(0));
    assert!(feed.work(&PLUGGED, START)[0].is_gone);
    settle(&mut feed, vec![(13, End::Untried), (14, End::Untried)], 0);
    let dead: Vec<_> = feed.cursors["a"].dead.iter().map(|it| (it.number, it.attempts)).collect();
    assert_eq!(dead, [(11, 1), (12, 1), (13, 0), (14, 0)]);
}

#[test]
fn revived_letters_come_first_and_do_not_move_the_cursor() {
    let mut feed = feed();
    settle(&mut feed, vec![(11, failed(ErrorKind::Refused))], 0);
    settle(&mut feed, vec![(12, End::Delivered)], 0);
    let stale = report(&feed, vec![(13, End::Delivered)]);
    assert!(feed.revive("a", START));
    assert!(!feed.revive("b", START));
    let work = &feed.work(&PLUGGED, START)[0];
    assert_eq!((&work.again[..], work.after), (&[11][..], 12));
    // Who had begun before that does not know of it: its report does not count.
    let due = feed.settle(&[stale], &PLUGGED, &Policy::new(), at(0));
    assert_eq!((due, feed.cursors["a"].after), (Some(START), 12));
    settle(&mut feed, vec![(11, End::Delivered)], 0);
    assert_eq!((&feed.cursors["a"].again[..], feed.cursors["a"].after), (&[][..], 12));
}

#[test]
fn a_replay_goes_back_and_gives_patience_anew() {
    let patience = Policy::new().delivery_patience.as_secs();
    let mut feed = feed();
    settle(&mut feed, vec![(11, failed(ErrorKind::Refused))], 0);
    settle(&mut feed, vec![(12, failed(ErrorKind::NotFound))], 0);
    assert!(feed.replay("a", 11, at(patience).now));
    let cursor = &feed.cursors["a"];
    assert_eq!((cursor.after, cursor.gone_at, cursor.dead.len()), (11, None, 1));
    let wait = settle(&mut feed, vec![(12, failed(ErrorKind::Unavailable))], patience + 1);
    assert!(wait.is_some_and(|wait| wait > 0), "{wait:?}");
    // What was not told yet is not skipped.
    assert!(feed.replay("a", u64::MAX, START));
    assert_eq!(feed.cursors["a"].after, 11);
}

#[test]
fn a_new_subscriber_starts_with_what_happens_next() {
    let mut feed = feed();
    settle(&mut feed, vec![(11, End::Delivered)], 0);
    feed.admit(&["a", "b"]);
    assert_eq!((feed.cursors["a"].after, feed.cursors["b"].after), (11, 11));
}

#[test]
fn what_waits_for_an_absent_subscriber_is_kept_until_patience_ends() {
    let patience = Policy::new().delivery_patience.as_secs();
    let mut feed = feed();
    feed.admit(&["b"]);
    // Nothing waits for it.
    assert_eq!(settle(&mut feed, vec![], 0), None);
    let due = settle(&mut feed, vec![(11, End::Delivered)], 0);
    assert!(due.is_some_and(|wait| (450..=750).contains(&wait)), "{due:?}");
    // It is back.
    feed.settle(&[], &["a", "b"], &Policy::new(), at(patience));
    assert_eq!(feed.cursors["b"].absent_since, None);
    assert!(settle(&mut feed, vec![], patience).is_some());
    assert!(settle(&mut feed, vec![], patience * 2 - 1).is_some());
    assert_eq!(settle(&mut feed, vec![], patience * 2), None);
    assert!(!feed.cursors.contains_key("b"));
}

#[test]
fn what_somebody_waits_for_is_not_delivered() {
    let mut feed = feed();
    feed.admit(&["a", "b"]);
    let plugged = ["a", "b"];
    let delivered = |feed: &mut Feed, tried| {
        let report = report(feed, tried);
        feed.settle(&[report], &plugged, &Policy::new(), at(0));
        feed.delivered()
    };
    // The other one has had nothing of it.
    assert_eq!(delivered(&mut feed, vec![(11, End::Delivered), (12, End::Delivered)]), 10);
    feed.cursors.remove("b");
    assert_eq!(feed.delivered(), 12);
    // What was given up waits for nobody, until it is revived.
    assert_eq!(delivered(&mut feed, vec![(13, failed(ErrorKind::Refused))]), 13);
    assert_eq!(delivered(&mut feed, vec![(14, End::Delivered)]), 14);
    feed.revive("a", START);
    assert_eq!(feed.delivered(), 12);
    assert_eq!(delivered(&mut feed, vec![(13, End::Delivered)]), 14);
}

#[test]
fn dead_letters_are_bounded_and_what_is_dropped_is_counted() {
    let mut feed = feed();
    for number in 11..=(11 + u64::try_from(MAX_DEAD).unwrap()) {
        settle(&mut feed, vec![(number, failed(ErrorKind::Refused))], 0);
    }
    let cursor = &feed.cursors["a"];
    assert_eq!((cursor.dead.len(), cursor.dead[0].number, cursor.lost), (MAX_DEAD, 12, 1));
}

#[test]
fn a_feed_reads_back_as_it_was_written() {
    let mut feed = feed();
    settle(&mut feed, vec![(11, End::Delivered), (12, failed(ErrorKind::Denied))], 0);
    settle(&mut feed, vec![(12, failed(ErrorKind::NotFound))], 0);
    let (key, header, body) = crate::engine::codec::write_feed(&feed, None).unwrap();
    let revision = crate::store::Revision::new(1, crate::id::OperationId::from_bytes([0; 16]));
    let item = crate::store::Item::new(key, revision, header, body);
    assert_eq!(crate::engine::codec::read_item::<Feed>(&item).unwrap(), feed);
}
