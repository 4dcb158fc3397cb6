//! How much of a zone a plan may change.

use super::*;

/// A zone of sets from `first` on, each with `value`.
fn numbered(first: usize, count: usize, value: &str) -> Vec<String> {
    (first..first + count).map(|index| format!("n{index} 60 TXT {value}")).collect()
}

fn planned(current: &[String], desired: &[String], policy: &ChangePolicy) -> Result<(), String> {
    let texts = |lines: &[String]| zone(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let plan = changes(&texts(current), &texts(desired), policy);
    plan.map(|_| ()).map_err(|error| {
        assert!(error.is_share_exceeded());
        error.to_string()
    })
}

#[test]
fn no_more_than_a_share_of_a_zone_is_changed() {
    let current = numbered(0, 10, "x");
    let refused = |text: &str| {
        let more = "`ChangePolicy::with_max_share` or `without_guard` allows more";
        Err(format!("{text}, and at most 30 % may be; {more}"))
    };
    assert_eq!(planned(&current, &current[3..], &everything()), Ok(()));
    assert_eq!(
        planned(&current, &current[4..], &everything()),
        refused("4 of 10 sets would be deleted (40.0 %)")
    );
    let updated = |count| [numbered(0, count, "y"), current[count..].to_vec()].concat();
    assert_eq!(planned(&current, &updated(3), &everything()), Ok(()));
    assert_eq!(
        planned(&current, &updated(4), &everything()),
        refused("4 of 10 sets would be updated (40.0 %)")
    );
    // Each for itself, and what is new does not count.
    let both = [numbered(0, 3, "y"), current[6..].to_vec(), numbered(20, 50, "x")].concat();
    assert_eq!(planned(&current, &both, &everything()), Ok(()));
    // A TTL is an update.
    let ttl: Vec<_> = current.iter().map(|line| line.replace(" 60 ", " 61 ")).collect();
    assert_eq!(
        planned(&current, &ttl, &everything()),
        refused("10 of 10 sets would be updated (100.0 %)")
    );
}

#[test]
fn the_guard_has_another_share_or_none_by_name() {
    let current = numbered(0, 10, "x");
    assert_eq!(planned(&current, &current[5..], &everything().with_max_share(50)), Ok(()));
    assert!(planned(&current, &current[6..], &everything().with_max_share(50)).is_err());
    assert!(planned(&current, &current[1..], &everything().with_max_share(0)).is_err());
    assert_eq!(planned(&current, &[], &everything().without_guard()), Ok(()));
    assert_eq!(planned(&current[..9], &[], &everything()), Ok(()));
}

#[test]
fn the_share_is_one_of_what_is_ours() {
    let mut current = numbered(0, 200, "x");
    let listed = (0..10).map(|index| (name(&format!("n{index}.example.com")), RecordType::Txt));
    let policy = ChangePolicy::new(Ownership::listed(listed));
    assert!(planned(&current, &[], &policy).is_err());
    assert_eq!(planned(&current, &current[3..10], &policy), Ok(()));
    current.remove(0);
    assert_eq!(planned(&current, &[], &policy), Ok(()));
}

#[test]
fn neither_markers_nor_records_of_others_count() {
    let ours = numbered(0, 10, "x");
    let texts = |lines: &[String]| zone(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let markers = Markers::new("acme").unwrap();
    let policy = ChangePolicy::new(Ownership::markers(markers));
    let all = texts(&[ours.clone(), numbered(100, 200, "x")].concat());
    let adopted = changes(&all, &texts(&ours), &policy.clone().with_adoption()).unwrap();
    let current = all.apply(adopted.changes()).unwrap();
    assert_eq!(changes(&current, &texts(&ours[3..]), &policy).unwrap().changes().len(), 6);
    let error = changes(&current, &texts(&ours[4..]), &policy).unwrap_err().to_string();
    assert!(error.starts_with("4 of 10 sets would be deleted"), "{error}");
}
