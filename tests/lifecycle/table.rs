//! The tables of the design, written out once more, and the machines held against them.

use std::collections::BTreeSet;

use nameplate::{
    certificate::{OrderEvent, OrderStatus},
    challenge::{ChallengeEvent, State},
    domain::{Domain, Event, Status},
    error::ErrorKind,
    registration::{RegistrationEvent, RegistrationStatus},
};

use crate::common::World;

/// The life of a domain. A cell names the next status; an empty one is refused.
const DOMAIN: &str = "
| from | OwnershipProven | CertificateRequested | CertificateActivated | CertificateLost | OwnershipLost / OwnershipReset | Failed | Retried | RemovalRequested |
|---|---|---|---|---|---|---|---|---|
| pending | verified | | | | pending | | | removing |
| verified | verified | certificate_pending | active | | pending | failed | | removing |
| certificate_pending | certificate_pending | | active | | pending | failed | | removing |
| active | active | | active | certificate_pending | pending | | | removing |
| failed | failed | | active | | pending | | pending | removing |
| removing | | | | | | | | removing |
";

/// The life of an order for a certificate.
const ORDER: &str = "
| from | Opened | Authorized | Finalized | Issued | Failed |
|---|---|---|---|---|---|
| planned | pending | | | | failed |
| pending | | ready | | | failed |
| ready | | | processing | | failed |
| processing | | | processing | issued | failed |
| issued | | | | | |
| failed | | | | | |
";

/// The life of a purchase.
const REGISTRATION: &str = "
| from | Accepted | ActionRequested | Held | Resumed | Completed | Rejected |
|---|---|---|---|---|---|---|
| pending | in_progress | | | | succeeded | failed |
| in_progress | | action_required | blocked | | succeeded | failed |
| action_required | | | blocked | in_progress | succeeded | failed |
| blocked | | action_required | | in_progress | succeeded | failed |
| succeeded | | | | | | |
| failed | | | | | | |
";

/// The life of a challenge.
const CHALLENGE: &str = "
| from | Published | Observed | Accepted | Lost | Expired | Renewed | Rejected | Superseded |
|---|---|---|---|---|---|---|---|---|
| issued | published | observed | | | expired | | rejected | superseded |
| published | published | observed | | issued | expired | | rejected | superseded |
| observed | published | observed | accepted | issued | expired | | rejected | superseded |
| accepted | | | accepted | issued | | | rejected | superseded |
| expired | | | | | | issued | rejected | superseded |
| rejected | | | | | | | | superseded |
| superseded | | | | | | | | |
";

/// One cell: a status, an event, and the next status if there is one.
type Cell = (String, String, Option<String>);

/// Reads a table. A column for two events gives two cells in each row.
fn cells(table: &str) -> BTreeSet<Cell> {
    let rows: Vec<Vec<&str>> = table
        .trim()
        .lines()
        .map(|line| {
            let inner = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')).unwrap();
            inner.split('|').map(str::trim).collect()
        })
        .collect();
    let (header, body) = (&rows[0], &rows[2..]);
    let mut cells = BTreeSet::new();
    for row in body {
        assert_eq!(row.len(), header.len(), "{row:?}");
        for (events, next) in header.iter().zip(row).skip(1) {
            for event in events.split(" / ") {
                let next = (!next.is_empty()).then(|| (*next).to_owned());
                assert!(cells.insert((row[0].to_owned(), event.to_owned(), next)), "{row:?}");
            }
        }
    }
    cells
}

/// Returns the cells of a machine, in the words of the tables.
fn of_machine<S: Copy, E: Copy + std::fmt::Debug>(
    statuses: &[S],
    events: &[E],
    name: impl Fn(S) -> &'static str,
    on: impl Fn(S, E) -> Option<S>,
) -> BTreeSet<Cell> {
    let pairs =
        statuses.iter().flat_map(|status| events.iter().map(move |event| (*status, *event)));
    pairs
        .map(|(status, event)| {
            let next = on(status, event).map(|next| name(next).to_owned());
            (name(status).to_owned(), format!("{event:?}"), next)
        })
        .collect()
}

fn assert_same(table: &str, machine: &BTreeSet<Cell>) {
    let table = cells(table);
    let differing: Vec<_> = table.symmetric_difference(machine).collect();
    assert!(differing.is_empty(), "{differing:#?}");
    // Two that are alike because both are empty would prove nothing.
    assert!(table.iter().any(|(.., next)| next.is_some()));
}

#[test]
fn the_life_of_a_domain_is_the_table_of_the_design() {
    assert_same(DOMAIN, &of_machine(&Status::ALL, &Event::ALL, Status::as_str, Status::on));
}

#[test]
fn the_life_of_an_order_is_its_table() {
    let machine =
        of_machine(&OrderStatus::ALL, &OrderEvent::ALL, OrderStatus::as_str, OrderStatus::on);
    assert_same(ORDER, &machine);
}

#[test]
fn the_life_of_a_purchase_is_its_table() {
    let machine = of_machine(
        &RegistrationStatus::ALL,
        &RegistrationEvent::ALL,
        RegistrationStatus::as_str,
        RegistrationStatus::on,
    );
    assert_same(REGISTRATION, &machine);
}

#[test]
fn the_life_of_a_challenge_is_its_table() {
    assert_same(
        CHALLENGE,
        &of_machine(&State::ALL, &ChallengeEvent::ALL, State::as_str, State::on),
    );
}

#[test]
fn no_challenge_is_accepted_that_was_not_observed() {
    for state in State::ALL {
        let is_accepted = state.on(ChallengeEvent::Accepted).is_some();
        assert_eq!(is_accepted, matches!(state, State::Observed | State::Accepted), "{state}");
    }
    for state in [State::Expired, State::Rejected, State::Superseded] {
        assert_eq!(state.on(ChallengeEvent::Observed), None, "{state}");
    }
}

/// Returns the statuses that can be reached from `first`, which is one of them.
fn reached<S: Copy + PartialEq, E: Copy>(
    first: S,
    events: &[E],
    on: impl Fn(S, E) -> Option<S>,
) -> Vec<S> {
    let mut reached = vec![first];
    let mut next = 0;
    while let Some(from) = reached.get(next).copied() {
        next += 1;
        for status in events.iter().filter_map(|event| on(from, *event)) {
            if !reached.contains(&status) {
                reached.push(status);
            }
        }
    }
    reached
}

#[test]
fn every_status_is_reached_from_the_first_one() {
    assert_eq!(reached(Status::Pending, &Event::ALL, Status::on).len(), Status::ALL.len());
    assert_eq!(
        reached(OrderStatus::Planned, &OrderEvent::ALL, OrderStatus::on).len(),
        OrderStatus::ALL.len()
    );
    assert_eq!(
        reached(RegistrationStatus::Pending, &RegistrationEvent::ALL, RegistrationStatus::on).len(),
        RegistrationStatus::ALL.len()
    );
}

#[test]
fn every_state_of_a_challenge_is_reached_and_every_event_applies_somewhere() {
    let all = reached(State::Issued, &ChallengeEvent::ALL, State::on);
    assert_eq!(all.len(), State::ALL.len());
    for event in ChallengeEvent::ALL {
        assert!(State::ALL.iter().any(|state| state.on(event).is_some()), "{event}");
    }
}

#[test]
fn every_status_can_be_left_for_removal_and_removal_for_nothing() {
    for status in Status::ALL {
        assert_eq!(status.on(Event::RemovalRequested), Some(Status::Removing), "{status}");
    }
    assert_eq!(reached(Status::Removing, &Event::ALL, Status::on), [Status::Removing]);
}

#[test]
fn every_event_applies_somewhere() {
    for event in Event::ALL {
        assert!(Status::ALL.iter().any(|status| status.on(event).is_some()), "{event}");
    }
}

#[test]
fn no_event_but_a_proof_leads_to_a_status_that_holds() {
    for status in Status::ALL.into_iter().filter(|status| !status.holds()) {
        for event in Event::ALL {
            let holds = status.on(event).is_some_and(Status::holds);
            assert_eq!(holds, status == Status::Pending && event == Event::OwnershipProven);
        }
    }
}

/// Asserts that names are distinct, in lower case, and (if stored) what serde writes and reads.
fn assert_names<T: Copy + PartialEq + std::fmt::Debug>(
    all: &[T],
    name: impl Fn(T) -> &'static str,
    json: Option<fn(T) -> String>,
) {
    let names: BTreeSet<_> = all.iter().map(|one| name(*one)).collect();
    assert_eq!(names.len(), all.len(), "{names:?}");
    for one in all {
        let name = name(*one);
        assert!(name.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase()), "{name}");
        if let Some(json) = json {
            assert_eq!(json(*one), format!("\"{name}\""));
        }
    }
}

fn json<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(
    value: T,
) -> String {
    let text = serde_json::to_string(&value).unwrap();
    assert_eq!(serde_json::from_str::<T>(&text).unwrap(), value);
    text
}

#[test]
fn names_are_distinct_and_what_is_stored() {
    assert_names(&Status::ALL, Status::as_str, Some(json));
    assert_names(&Event::ALL, Event::as_str, Some(json));
    assert_names(&State::ALL, State::as_str, Some(json));
    assert_names(&ChallengeEvent::ALL, ChallengeEvent::as_str, None);
    assert_names(&OrderStatus::ALL, OrderStatus::as_str, Some(json));
    assert_names(&OrderEvent::ALL, OrderEvent::as_str, None);
    assert_names(&RegistrationStatus::ALL, RegistrationStatus::as_str, Some(json));
    assert_names(&RegistrationEvent::ALL, RegistrationEvent::as_str, None);
}

/// Returns a domain that has lived, put into `status`.
async fn domain_in(status: Status) -> Domain {
    let domain = World::new().active("shop.example.com").await;
    let mut json = serde_json::to_value(&domain).unwrap();
    json["status"] = status.as_str().into();
    let domain: Domain = serde_json::from_value(json).unwrap();
    assert_eq!(domain.status(), status);
    domain
}

#[tokio::test]
async fn every_empty_cell_is_refused_and_changes_nothing() {
    for status in Status::ALL {
        let before = domain_in(status).await;
        for event in Event::ALL {
            let mut domain = before.clone();
            match (domain.apply(event), status.on(event)) {
                (Ok(()), Some(next)) => assert_eq!(domain.status(), next, "{status} {event}"),
                (Err(error), None) => {
                    assert_eq!(error.kind(), ErrorKind::Precondition, "{status} {event}");
                    assert_eq!(error.subject(), Some(domain.id().to_string().as_str()));
                    assert!(error.to_string().contains(status.as_str()), "{error}");
                    assert_eq!(domain, before, "{status} {event}");
                }
                (result, next) => panic!("{status} {event}: {result:?}, the table has {next:?}"),
            }
        }
    }
}
