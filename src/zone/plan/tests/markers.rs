//! Records that a marker in the zone says are ours.

use super::*;

fn markers() -> Markers {
    Markers::new("acme").unwrap()
}

fn marked() -> ChangePolicy {
    ChangePolicy::new(Ownership::markers(markers()))
}

fn adopting() -> ChangePolicy {
    marked().with_adoption()
}

/// A zone in which `foreign` is of others and `ours` is ours.
fn mixed(foreign: &[&str], ours: &[&str]) -> Zone {
    let all = zone(&[foreign, ours].concat());
    let plan = changes(&all, &zone(ours), &adopting().without_guard()).unwrap();
    assert!(plan.conflicts().is_empty(), "{plan}");
    all.apply(plan.changes()).unwrap()
}

/// The lines of a plan without those of markers, names relative to the zone.
fn planned(current: &Zone, desired: &[&str], policy: &ChangePolicy) -> Vec<String> {
    let text = plan(current, &zone(desired), policy).to_string();
    text.lines()
        .filter(|line| !line.contains("heritage="))
        .map(|line| line.replace(".example.com", "").replace(" IN ", " "))
        .collect()
}

fn marks(zone: &Zone) -> Vec<String> {
    zone.records()
        .filter(|record| record.to_string().contains("heritage="))
        .map(|record| record.to_string().split(",data=").next().unwrap().to_owned())
        .collect()
}

#[test]
fn a_record_comes_and_goes_with_its_marker() {
    let empty = zone(&[]);
    let desired = zone(&["www 60 A 192.0.2.1", "*.www 60 TXT x"]);
    let created = plan(&empty, &desired, &marked());
    assert_eq!(
        created.to_string(),
        "+ _nameplate-wildcard.www.example.com. 3600 IN TXT \
         \"heritage=nameplate,owner=acme,type=TXT,data=2d711642b726b04401627ca9fbac32f5\"\n\
         + _nameplate.www.example.com. 3600 IN TXT \
         \"heritage=nameplate,owner=acme,type=A,data=4b8feb9364512928546debfc76c9ecc0\"\n\
         + *.www.example.com. 60 IN TXT \"x\"\n\
         + www.example.com. 60 IN A 192.0.2.1\n"
    );
    let there = empty.apply(created.changes()).unwrap();
    let deleted = plan(&there, &empty, &marked());
    assert_eq!(there.apply(deleted.changes()).unwrap(), empty);
    let order: Vec<_> = deleted.changes().iter().map(|change| change.name().to_string()).collect();
    assert_eq!(
        order,
        [
            "www.example.com",
            "*.www.example.com",
            "_nameplate.www.example.com",
            "_nameplate-wildcard.www.example.com",
        ]
    );
}

#[test]
fn of_a_shared_set_only_ours_changes() {
    let current = mixed(&["@ 300 TXT theirs"], &["@ 300 TXT ours"]);
    assert_eq!(
        planned(&current, &["@ 60 TXT new"], &marked()),
        ["~ example.com. 300 TXT \"ours\" -> example.com. 300 TXT \"new\""]
    );
    assert_eq!(planned(&current, &[], &marked()), ["- example.com. 300 TXT \"ours\""]);
    assert_eq!(planned(&current, &["@ 60 TXT ours"], &marked()), [""; 0]);
    let theirs = zone(&["@ 300 TXT theirs"]);
    assert_eq!(planned(&theirs, &["@ 60 TXT new"], &marked()), ["+ example.com. 300 TXT \"new\""]);
}

#[test]
fn addresses_of_others_are_not_joined_unless_that_is_said() {
    let theirs = zone(&["www 300 A 192.0.2.1"]);
    let desired = ["www 60 A 192.0.2.2", "www 60 TXT x"];
    assert_eq!(
        planned(&theirs, &desired, &marked()),
        ["+ www. 60 TXT \"x\"", "! www A: the set has records that are not ours"]
    );
    let joining = ChangePolicy::new(Ownership::markers(markers().joining(RecordType::A)));
    assert_eq!(
        planned(&theirs, &desired, &joining),
        ["+ www. 300 A 192.0.2.2", "+ www. 60 TXT \"x\""]
    );
    // Once both are there, each is changed by its own.
    let both = mixed(&["www 300 A 192.0.2.1"], &["www 300 A 192.0.2.2"]);
    assert_eq!(
        planned(&both, &["www 60 A 192.0.2.3"], &marked()),
        ["~ www. 300 A 192.0.2.2 -> www. 300 A 192.0.2.3"]
    );
}

#[test]
fn what_somebody_changed_is_theirs() {
    let ours = mixed(&[], &["www 60 A 192.0.2.1", "mail 60 A 192.0.2.1"]);
    let before = ours.get(&name("www.example.com"), RecordType::A).unwrap().clone();
    let theirs = zone(&["www 60 A 192.0.2.9"]).sets()[0].clone();
    let change = SetChange::new(Some(before), Some(theirs)).unwrap();
    let current = ours.apply(&change.into()).unwrap();
    let desired = ["www 60 A 192.0.2.1", "mail 60 A 192.0.2.1"];
    let conflict = "! www A: the set has records that are not ours";
    assert_eq!(planned(&current, &desired, &marked()), [conflict]);
    // The marker stays while the set is in dispute, and goes with the wish.
    assert!(changes(&current, &zone(&desired), &marked()).unwrap().is_empty());
    assert_eq!(planned(&current, &desired[1..], &marked()), [""; 0]);
    let plan = changes(&current, &zone(&desired[1..]), &marked()).unwrap();
    let after = current.apply(plan.changes()).unwrap();
    assert_eq!(
        marks(&after),
        ["_nameplate.mail.example.com. 3600 IN TXT \"heritage=nameplate,owner=acme,type=A"]
    );
}

#[test]
fn what_somebody_deleted_is_made_again() {
    let ours = mixed(&[], &["www 60 A 192.0.2.1"]);
    let set = ours.get(&name("www.example.com"), RecordType::A).unwrap().clone();
    let current = ours.apply(&SetChange::new(Some(set), None).unwrap().into()).unwrap();
    let again = changes(&current, &zone(&["www 60 A 192.0.2.1"]), &marked()).unwrap();
    assert_eq!(again.to_string(), "+ www.example.com. 60 IN A 192.0.2.1\n");
    // Or its marker goes too.
    let gone = changes(&current, &zone(&[]), &marked()).unwrap();
    assert!(current.apply(gone.changes()).unwrap().sets().is_empty());
}

#[test]
fn records_of_others_are_adopted_only_by_name() {
    let theirs = zone(&["www 60 A 192.0.2.1", "@ 60 TXT x", "@ 60 TXT y"]);
    let desired = ["www 60 A 192.0.2.1", "@ 60 TXT x", "@ 60 TXT z"];
    assert_eq!(
        planned(&theirs, &desired, &marked()),
        [
            "+ example.com. 60 TXT \"z\"",
            "! example.com TXT: the record is there and is not ours",
            "! www A: the record is there and is not ours",
        ]
    );
    assert_eq!(planned(&theirs, &desired, &adopting()), ["+ example.com. 60 TXT \"z\""]);
    let plan = changes(&theirs, &zone(&desired), &adopting()).unwrap();
    let ours = theirs.apply(plan.changes()).unwrap();
    assert_eq!(
        planned(&ours, &[], &marked()),
        ["- www. 60 A 192.0.2.1", "- example.com. 60 TXT \"x\"", "- example.com. 60 TXT \"z\""]
    );
}

/// Applies changes one by one, and checks after each that what is left leads to the same end.
fn interrupted(current: &Zone, desired: &Zone, changes: &[SetChange]) {
    let complete = plan(current, desired, &marked());
    let end = current.apply(complete.changes()).unwrap();
    let mut zone = current.clone();
    for change in changes {
        zone = zone.apply(&change.clone().into()).unwrap();
        let rest = plan(&zone, desired, &marked());
        assert!(rest.conflicts().is_empty(), "{rest}");
        assert_eq!(zone.apply(rest.changes()).unwrap(), end, "{change:?}");
    }
    assert_eq!(zone, end);
}

#[test]
fn an_interrupted_change_is_taken_up() {
    let desired = zone(&["www 60 A 192.0.2.2", "x 60 TXT x"]);
    let current = mixed(&["www 60 TXT theirs"], &["www 60 A 192.0.2.1", "y 60 A 192.0.2.1"]);
    let all = plan(&current, &desired, &marked()).into_changes();
    assert_eq!(all.len(), 6);
    interrupted(&current, &desired, all.changes());
}

#[test]
fn steps_leave_no_gap() {
    let desired = zone(&["www 60 A 192.0.2.2", "x 60 TXT x", "z 60 A 192.0.2.1"]);
    let theirs = ["www 60 TXT theirs", "@ 60 TXT theirs"];
    let ours = ["www 60 A 192.0.2.1", "@ 60 TXT ours", "y 60 A 192.0.2.1", "z 60 CNAME a."];
    let current = mixed(&theirs, &ours);
    let steps = plan(&current, &desired, &marked()).steps();
    let sizes: Vec<_> = steps.iter().map(ChangeSet::len).collect();
    // Markers that come: of x, z and www. Markers that go: of z, www, y and the top.
    assert_eq!(sizes, [3, 6, 4]);
    let changes: Vec<_> = steps.into_iter().flatten().collect();
    interrupted(&current, &desired, &changes);

    let plain = changes_of(&[], &["a 60 A 192.0.2.1"], &everything());
    assert_eq!(plain.steps(), [plain.changes().clone()]);
    assert!(changes_of(&[], &[], &marked()).steps().is_empty());
}

fn changes_of(current: &[&str], desired: &[&str], policy: &ChangePolicy) -> Plan {
    plan(&zone(current), &zone(desired), policy)
}

#[test]
fn a_name_with_a_cname_of_others_is_left_alone() {
    let beside = "a CNAME record that is not ours is there";
    let current = zone(&["www 60 CNAME a.example.", "b 60 TXT x", "_nameplate.c 60 CNAME x."]);
    let desired =
        ["www 60 A 192.0.2.1", "www 60 TXT x", "a 60 TXT x", "b 60 CNAME a.example.", "c 60 TXT x"];
    assert_eq!(
        planned(&current, &desired, &marked()),
        [
            "+ a. 60 TXT \"x\"".to_owned(),
            "! b CNAME: records that are not ours are there, and a CNAME is wanted".to_owned(),
            "! c TXT: a CNAME record that is not ours is where the markers belong".to_owned(),
            format!("! www A: {beside}"),
        ]
    );
    assert_eq!(
        planned(&current, &["www 60 CNAME b.example."], &marked()),
        ["! www CNAME: the set has records that are not ours"]
    );
    // A CNAME of ours gives way.
    let ours = mixed(&[], &["www 60 CNAME a.example."]);
    assert_eq!(
        planned(&ours, &["www 60 A 192.0.2.1"], &marked()),
        ["- www. 60 CNAME a.example.", "+ www. 60 A 192.0.2.1"]
    );
}

#[test]
fn nothing_is_put_below_a_dname_of_others() {
    let current = zone(&["b 60 DNAME a.example."]);
    let below = "a DNAME record that is not ours allows no names below it";
    assert_eq!(
        planned(&current, &["a.b 60 TXT x", "b 60 TXT x", "c 60 TXT x"], &marked()),
        [
            "+ c. 60 TXT \"x\"".to_owned(),
            format!("! b TXT: {below}"),
            format!("! a.b TXT: {below}")
        ]
    );
}

#[test]
fn nothing_is_put_into_a_delegated_zone_of_others() {
    let current = zone(&["@ 60 NS ns1.", "b 60 NS ns1."]);
    let below = "a delegation that is not ours makes this another zone";
    assert_eq!(
        planned(&current, &["a.b 60 TXT x", "b 60 TXT x", "c 60 TXT x"], &marked()),
        [
            "+ c. 60 TXT \"x\"".to_owned(),
            format!("! b TXT: {below}"),
            format!("! a.b TXT: {below}")
        ]
    );
}

#[test]
fn what_cannot_be_marked_is_an_error() {
    let long = [["a"; 60].join("."), ["b"; 58].join(".")].join(".") + " 60 A 192.0.2.1";
    for (desired, shown, code) in [
        (
            "b 60 DNAME a.example.",
            "b.example.com DNAME cannot be marked, since no record of this zone may be below it",
            "not_markable",
        ),
        (
            "b 60 NS ns1.",
            "b.example.com NS cannot be marked, since no record of this zone may be below it",
            "not_markable",
        ),
        (
            "_nameplate.b 60 TXT x",
            "_nameplate.b.example.com is for markers, and the plan adds those",
            "marker_name_reserved",
        ),
        (&long, "cannot be marked: the name is longer than 255 octets", "marker_name_too_long"),
    ] {
        let error = changes(&zone(&[]), &zone(&[desired]), &marked()).unwrap_err();
        assert!(error.to_string().ends_with(shown), "{error}");
        assert_eq!(error.as_str(), code);
        assert!(error.name().is_some());
    }
}

#[test]
fn what_cannot_be_marked_is_an_error_whatever_is_there() {
    // Each of them is a conflict too, which would end once the markers have gone.
    let current = mixed(&[], &["b 60 A 192.0.2.1", "c 60 A 192.0.2.1"]);
    for (desired, code) in [
        ("_nameplate.b 60 CNAME x.example.", "marker_name_reserved"),
        ("_nameplate.b 60 TXT x", "marker_name_reserved"),
    ] {
        let error = changes(&current, &zone(&[desired]), &marked()).unwrap_err();
        assert_eq!(error.as_str(), code);
    }
    // Nor if it is there already, and somebody wrote its marker.
    let address = "_nameplate.b 60 A 192.0.2.1";
    let says = "heritage=nameplate,owner=acme,type=A,data=4b8feb9364512928546debfc76c9ecc0";
    let current = zone(&[address, &format!("_nameplate._nameplate.b 60 TXT {says}")]);
    let error = changes(&current, &zone(&[address]), &marked()).unwrap_err();
    assert_eq!(error.as_str(), "marker_name_reserved");
    let current = zone(&["b 60 CNAME x.example."]);
    let error = changes(&current, &zone(&["b 60 NS ns1."]), &marked()).unwrap_err();
    assert_eq!(error.as_str(), "not_markable");
}

#[test]
fn markers_of_other_owners_stay() {
    let current = mixed(&[], &["www 60 TXT x"]);
    let other = ChangePolicy::new(Ownership::markers(Markers::new("other").unwrap()));
    assert_eq!(planned(&current, &["www 3600 TXT y"], &other), ["+ www. 60 TXT \"y\""]);
    let plan = changes(&current, &zone(&["www 60 TXT y"]), &other).unwrap();
    let both = current.apply(plan.changes()).unwrap();
    assert_eq!(marks(&both).len(), 2);
    let plan = changes(&both, &zone(&[]), &other).unwrap();
    assert_eq!(both.apply(plan.changes()).unwrap(), current);
}

#[test]
fn the_zone_itself_is_not_marked() {
    let current = zone(&["@ 60 SOA ns1. hostmaster. 1 2 3 4 5", "@ 60 NS ns1."]);
    assert_eq!(planned(&current, &["@ 60 NS ns1."], &adopting()), [""; 0]);
    assert_eq!(
        planned(&current, &["@ 60 NS ns1."], &adopting().with_apex_ns()),
        [""; 0],
        "only its marker is new"
    );
}
