//! The arithmetic of budgets.

use super::*;

const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// Takes a token at each instant; returns at which there was none.
fn refused(budget: Budget, times: impl IntoIterator<Item = Timestamp>) -> Vec<Timestamp> {
    let mut full_at = None;
    let mut refused = Vec::new();
    for at in times {
        match budget.take(full_at, at) {
            Ok(then) => full_at = Some(then),
            Err(_) => refused.push(at),
        }
    }
    refused
}

fn start() -> Timestamp {
    Timestamp::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

#[test]
fn a_full_bucket_gives_exactly_its_limit_at_once() {
    for budget in [
        Budget::new(300, HOUR * 3),
        Budget::new(50, WEEK),
        Budget::new(5, WEEK),
        Budget::new(7, Duration::from_secs(10)),
        Budget::new(1, HOUR),
    ] {
        let times = std::iter::repeat_n(start(), 400);
        let limit = usize::try_from(budget.limit).unwrap();
        assert_eq!(refused(budget, times).len(), 400 - limit, "{budget:?}");
    }
}

#[test]
fn a_token_comes_back_after_the_interval_and_not_before() {
    let budget = Budget::new(5, WEEK);
    let mut full_at = None;
    for _ in 0..5 {
        full_at = Some(budget.take(full_at, start()).unwrap());
    }
    let until = budget.take(full_at, start()).unwrap_err();
    assert_eq!(until, after(start(), budget.interval()));
    assert!(budget.take(full_at, until - Duration::from_micros(1)).is_err());
    let full_at = budget.take(full_at, until).unwrap();
    assert_eq!(budget.take(Some(full_at), until).unwrap_err(), after(until, budget.interval()));
}

#[test]
fn no_window_has_more_than_what_was_there_and_what_came_back() {
    let budget = Budget::new(10, HOUR);
    let mut full_at = None;
    let mut taken: Vec<Timestamp> = Vec::new();
    for second in 0..20_000 {
        let now = after(start(), Duration::from_secs(second));
        if let Ok(then) = budget.take(full_at, now) {
            full_at = Some(then);
            taken.push(now);
        }
    }
    for (index, first) in taken.iter().enumerate() {
        let within = taken[index..].iter().take_while(|at| **at < *first + HOUR).count();
        assert!(within <= 20, "{within} from {first}");
    }
    // Ten at once, and one every six minutes.
    assert_eq!(taken.len(), 10 + 20_000 / 360);
}

#[test]
fn a_clock_that_was_ahead_empties_a_bucket_at_most() {
    let budget = Budget::new(5, HOUR);
    let ahead = after(start(), WEEK * 50);
    let until = budget.take(Some(ahead), start()).unwrap_err();
    assert_eq!(until, after(start(), budget.interval()));
}

#[test]
fn nothing_overflows() {
    for budget in [
        Budget::new(0, Duration::ZERO),
        Budget::new(0, Duration::MAX),
        Budget::new(u32::MAX, Duration::from_nanos(1)),
        Budget::new(u32::MAX, Duration::MAX),
    ] {
        for now in [Timestamp::MIN_UTC, start(), Timestamp::MAX_UTC] {
            for full_at in [None, Some(Timestamp::MIN_UTC), Some(Timestamp::MAX_UTC)] {
                let _ = budget.take(full_at, now);
            }
        }
    }
}
