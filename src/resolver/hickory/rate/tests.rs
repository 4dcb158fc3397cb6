use std::net::Ipv4Addr;

use super::*;

const LONGEST: Duration = Duration::from_secs(15);

fn server(last: u8) -> Asked {
    Asked::Server((Ipv4Addr::new(192, 0, 2, last), 53).into())
}

fn zone(name: &str) -> Asked {
    Asked::Zone(name.parse().unwrap())
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_timestamp_millis(millis).unwrap()
}

fn millis(millis: u64) -> Option<Duration> {
    Some(Duration::from_millis(millis))
}

#[test]
fn a_second_has_its_tokens_and_those_beyond_wait_in_line() {
    let rate = Rate::new(Some(10));
    let take = |now| rate.take(&[server(1)], at(now), LONGEST);
    for _ in 0..10 {
        assert_eq!(take(1000), millis(0));
    }
    assert_eq!([take(1000), take(1000), take(1000)], [millis(100), millis(200), millis(300)]);
    assert_eq!(take(1400), millis(0));
    assert_eq!(take(1400), millis(100));
    assert_eq!(rate.take(&[server(2)], at(1400), LONGEST), millis(0));
}

#[test]
fn who_is_asked_for_two_reasons_waits_for_the_later() {
    let rate = Rate::new(Some(1));
    assert_eq!(rate.take(&[server(1), zone("a.test")], at(0), LONGEST), millis(0));
    assert_eq!(rate.take(&[server(2), zone("A.test")], at(0), LONGEST), millis(1000));
    assert_eq!(rate.take(&[server(2), zone("b.test")], at(0), LONGEST), millis(1000));
    assert_eq!(rate.take(&[zone("b.test")], at(0), LONGEST), millis(1000));
}

#[test]
fn what_would_take_too_long_takes_no_token() {
    let rate = Rate::new(Some(1));
    let take = |now| rate.take(&[server(1)], at(now), Duration::from_secs(2));
    assert_eq!([take(0), take(0), take(0)], [millis(0), millis(1000), millis(2000)]);
    assert_eq!([take(0), take(0)], [None, None]);
    assert_eq!(take(1000), millis(2000));
}

#[test]
fn a_clock_that_is_set_back_blocks_nobody() {
    let rate = Rate::new(Some(1));
    assert_eq!(rate.take(&[server(1)], at(86_400_000), LONGEST), millis(0));
    assert_eq!(rate.take(&[server(1)], at(0), LONGEST), millis(0));
}

#[test]
fn without_a_rate_nobody_waits_and_nothing_is_kept() {
    let rate = Rate::new(None);
    for _ in 0..100 {
        assert_eq!(rate.take(&[server(1)], at(0), Duration::ZERO), millis(0));
    }
    assert!(rate.full_at.lock().unwrap().is_empty());
}

#[test]
fn buckets_are_bounded_and_full_ones_make_room() {
    let rate = Rate::new(Some(10));
    let name = |number: usize| zone(&format!("z{number}.test"));
    for number in 0..Rate::MAX_BUCKETS {
        assert_eq!(rate.take(&[name(number)], at(0), LONGEST), millis(0));
    }
    assert_eq!(rate.take(&[name(Rate::MAX_BUCKETS)], at(0), LONGEST), None);
    assert_eq!(rate.take(&[name(Rate::MAX_BUCKETS)], at(200), LONGEST), millis(0));
    assert_eq!(rate.full_at.lock().unwrap().len(), 1);
}
