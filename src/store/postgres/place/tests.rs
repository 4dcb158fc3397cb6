use super::{LATE, LOOK_AGAIN, LOOK_AT_ALL, NEVER, Places, SLACK};
use crate::store::Kind;

const NOW: i64 = 1_800_000_000_000_000;
const KINDS: [Kind; 2] = [Kind::Account, Kind::Domain];

fn above(places: &Places) -> Vec<i64> {
    places.poll(&KINDS).above
}

#[test]
fn the_first_poll_looks_at_everything() {
    let poll = Places::default().poll(&KINDS);
    assert_eq!((poll.above, poll.looked_at), (vec![NEVER; 2], vec![0; 2]));
    assert_eq!(poll.names, ["account", "domain"]);
}

#[test]
fn after_a_poll_that_found_all_the_next_looks_at_what_came_since() {
    let places = Places::default();
    places.note(&places.poll(&KINDS), NOW, None, true);
    assert_eq!(above(&places), [NOW - SLACK; 2]);
    places.note(&places.poll(&KINDS), NOW + 1, None, true);
    assert_eq!(above(&places), [NOW + 1 - SLACK; 2]);
    assert_eq!(places.poll(&KINDS).looked_at, [NOW; 2]);
}

#[test]
fn a_backlog_is_gone_through_from_where_the_last_poll_began() {
    let places = Places::default();
    places.note(&places.poll(&KINDS), NOW, Some(700), false);
    assert_eq!(above(&places), [699; 2]);
    places.note(&places.poll(&KINDS), NOW, Some(900), false);
    assert_eq!(above(&places), [899; 2]);
}

#[test]
fn a_full_poll_of_what_has_just_become_due_leaves_room_for_what_is_placed_below() {
    let places = Places::default();
    places.note(&places.poll(&KINDS), NOW, Some(NOW - 5), false);
    assert_eq!(above(&places), [NOW - SLACK; 2]);
    places.note(&places.poll(&KINDS), NOW + 1, Some(NOW), false);
    assert_eq!(above(&places), [NOW + 1 - SLACK; 2]);
}

#[test]
fn a_slower_poll_of_a_clone_takes_nothing_back() {
    let places = Places::default();
    places.note(&places.poll(&KINDS), NOW, None, true);
    let slow = places.poll(&KINDS);
    places.note(&places.poll(&KINDS), NOW + 9, None, true);
    places.note(&slow, NOW + 8, None, true);
    assert_eq!(above(&places), [NOW + 9 - SLACK; 2]);
}

#[test]
fn what_has_escaped_is_looked_for_again_after_a_while() {
    let places = Places::default();
    places.note(&places.poll(&KINDS), NOW, None, true);
    let later = NOW + LOOK_AGAIN + 1;
    assert_eq!(places.poll(&KINDS).again, [NOW - LATE; 2]);
    // The statement has begun there, though it was told where else to begin.
    places.note(&places.poll(&KINDS), later, Some(5), false);
    let poll = places.poll(&KINDS);
    assert_eq!((poll.above, poll.looked_at), (vec![4; 2], vec![later; 2]));
    // There was more than it took: the next one looks there again, however late it comes.
    assert_eq!((poll.again, poll.all_at), (vec![4; 2], vec![NOW; 2]));
    places.note(&places.poll(&KINDS), later + LOOK_AGAIN + 1, None, true);
    assert_eq!(places.poll(&KINDS).again, [later + LOOK_AGAIN + 1 - LATE; 2]);
}

#[test]
fn what_has_escaped_from_a_backlog_is_looked_for_where_polls_have_begun() {
    let places = Places::default();
    places.note(&places.poll(&KINDS), NOW, Some(700), false);
    places.note(&places.poll(&KINDS), NOW + 1, Some(900), false);
    places.note(&places.poll(&KINDS), NOW + 2, None, true);
    assert_eq!(places.poll(&KINDS).again, [699; 2]);
    places.note(&places.poll(&KINDS), NOW + LOOK_AGAIN + 1, None, true);
    assert_eq!(places.poll(&KINDS).again, [NOW + LOOK_AGAIN + 1 - LATE; 2]);
}

#[test]
fn everything_is_looked_at_again_now_and_then_and_when_the_clock_was_set_back() {
    let mut now = NOW;
    let places = Places::default();
    places.note(&places.poll(&KINDS), now, None, true);
    while now <= NOW + LOOK_AT_ALL {
        assert_eq!(places.poll(&KINDS).all_at, [NOW; 2]);
        now += LOOK_AGAIN + 1;
        places.note(&places.poll(&KINDS), now, None, true);
    }
    assert_eq!(places.poll(&KINDS).all_at, [now; 2]);
    for later in [now + LOOK_AT_ALL + 1, NOW - 1] {
        places.note(&places.poll(&KINDS), later, Some(5), false);
        let poll = places.poll(&KINDS);
        assert_eq!((poll.above, poll.looked_at), (vec![4; 2], vec![later; 2]));
        assert_eq!(poll.all_at, [later; 2]);
    }
}
