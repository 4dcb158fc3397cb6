use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn at(hours: f64) -> Timestamp {
    Timestamp::UNIX_EPOCH + Duration::from_secs_f64(hours * 3600.0)
}

fn contest(cool_off_until: Option<f64>) -> Contest {
    Contest { since: at(100.0), cool_off_until: cool_off_until.map(at), against: "mark".to_owned() }
}

fn holder(verdict: Verdict, looked_at: Option<f64>) -> Holder {
    Holder {
        mark: "mark".to_owned(),
        is_resting: false,
        verdict,
        looked_at: looked_at.map(at),
        is_due: false,
        challenged_at: None,
    }
}

#[test]
fn the_rules_of_a_contest_are_these() {
    use Verdict::{Confirmed, Refuted, Unknown};

    let mut policy = Policy::new();
    policy.evidence_max_age = HOUR;
    for (cool_off_until, verdict, looked_at, now, wanted) in [
        // Nobody has looked since the contest began.
        (None, Unknown, None, 100.0, Step::Ask),
        (None, Confirmed, Some(99.9), 100.0, Step::Ask),
        (None, Refuted, Some(99.9), 100.0, Step::Ask),
        // The proof is there: however old, as long as it was seen since.
        (None, Confirmed, Some(100.0), 100.1, Step::Stand),
        (None, Confirmed, Some(100.0), 200.0, Step::Stand),
        // It is certainly gone; an old look is none.
        (None, Refuted, Some(100.0), 100.1, Step::CoolOff),
        (None, Refuted, Some(100.0), 102.0, Step::Ask),
        // Nobody can say.
        (None, Unknown, Some(100.0), 100.1, Step::Wait),
        (None, Unknown, Some(100.0), 102.0, Step::Ask),
        // In the cool-off.
        (Some(124.0), Refuted, Some(100.0), 101.0, Step::Wait),
        (Some(124.0), Refuted, Some(112.0), 123.9, Step::Wait),
        (Some(124.0), Confirmed, Some(112.0), 112.1, Step::Stand),
        (Some(124.0), Unknown, Some(112.0), 112.1, Step::Wait),
        // After it: a look from after its end.
        (Some(124.0), Refuted, Some(123.9), 124.0, Step::Ask),
        (Some(124.0), Refuted, Some(124.0), 124.1, Step::Take),
        (Some(124.0), Refuted, Some(124.0), 126.0, Step::Ask),
        (Some(124.0), Confirmed, Some(124.0), 124.1, Step::Stand),
        (Some(124.0), Unknown, Some(124.0), 124.1, Step::Wait),
        // A clock that was wrong is not relied on.
        (Some(124.0), Refuted, Some(140.0), 125.0, Step::Ask),
    ] {
        let known = holder(verdict, looked_at);
        let found = step(&contest(cool_off_until), &known, &policy, at(now));
        assert_eq!(found, wanted, "{cool_off_until:?} {verdict} {looked_at:?} {now}");
    }
}
