use super::*;
use crate::{record::RecordType, resolver::Mode};

fn failures() -> Failures {
    Failures::new(Duration::from_secs(1), Duration::from_secs(5))
}

fn lookup(name: &str) -> Lookup {
    Lookup::new(name.parse().unwrap(), RecordType::Txt, Mode::Recursive)
}

fn failed(failure: Failure) -> Answer {
    Answer::new(Outcome::Failed(failure))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(seconds, 0).unwrap()
}

#[test]
fn a_failure_is_remembered_longer_each_time() {
    let failures = failures();
    let (name, bogus) = (lookup("a.test"), failed(Failure::Bogus));
    let mut now = 100;
    for long in [1, 2, 4, 5, 5] {
        assert_eq!(failures.recall(&name, at(now)), None);
        failures.note(&name, &bogus, at(now));
        assert_eq!(failures.recall(&lookup("A.test"), at(now + long - 1)), Some(bogus.clone()));
        now += long;
    }
    // Long ago is another story.
    failures.note(&name, &bogus, at(now + 100));
    assert_eq!(failures.recall(&name, at(now + 101)), None);
    failures.note(&name, &bogus, at(now + 101));
    assert!(failures.recall(&name, at(now + 102)).is_some());
    failures.note(&name, &Answer::new(Outcome::NxDomain { negative_ttl: None }), at(now));
    failures.note(&name, &bogus, at(now));
    assert_eq!(failures.recall(&name, at(now + 1)), None);
}

#[test]
fn only_failures_are_remembered_and_only_of_their_question() {
    let failures = failures();
    for answer in [
        Answer::new(Outcome::Answer(Vec::new())),
        Answer::new(Outcome::NoData { negative_ttl: None }),
        failed(Failure::Disagreement),
    ] {
        failures.note(&lookup("a.test"), &answer, at(0));
        assert_eq!(failures.recall(&lookup("a.test"), at(0)), None);
    }
    failures.note(&lookup("a.test"), &Answer::new(Outcome::Timeout), at(0));
    assert!(failures.recall(&lookup("a.test"), at(0)).is_some());
    let mut other = lookup("a.test");
    other.mode = Mode::Authoritative;
    assert_eq!(failures.recall(&other, at(0)), None);
    assert_eq!(failures.recall(&lookup("b.test"), at(0)), None);
}

#[test]
fn a_clock_that_is_set_back_makes_a_failure_forgotten() {
    let failures = failures();
    failures.note(&lookup("a.test"), &failed(Failure::Lame), at(1000));
    assert_eq!(failures.recall(&lookup("a.test"), at(0)), None);
}

#[test]
fn failures_are_bounded_and_old_ones_make_room() {
    let failures = failures();
    let name = |number: usize| lookup(&format!("n{number}.test"));
    for number in 0..=Failures::MAX {
        failures.note(&name(number), &failed(Failure::Lame), at(0));
    }
    assert_eq!(failures.known.lock().unwrap().len(), Failures::MAX);
    failures.note(&name(Failures::MAX), &failed(Failure::Lame), at(9));
    assert_eq!(failures.known.lock().unwrap().len(), 1);
}
