//! What support sees of a domain, and that decisions can be made again.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

mod common;

use common::{DAY, HOUR, OTHER, TENANT, World};
use nameplate::{
    certificate::Validation,
    domain::{NewDomain, Status},
    engine::{Fact, Happening, Mismatch, Notice, Policy, Settings, Timeline, Trace, replay},
    error::ErrorKind,
    id::DomainId,
    record::{RecordData, RecordSet, Ttl, Txt},
};

fn traced() -> World {
    let mut policy = Policy::new();
    policy.traces = true;
    World::with_policy(policy)
}

/// Leads a name through trouble and renewal to its end.
async fn life(world: &World, name: &str, validation: Option<Validation>) -> DomainId {
    let mut wanted: NewDomain = name.parse().unwrap();
    if let Some(validation) = validation {
        wanted = wanted.with_validation(validation);
    }
    let id = world.add_with(&TENANT, wanted).await.id();
    world.run_for(HOUR).await;
    world.publish(id).await;
    world.ca.fail_next(ErrorKind::Unavailable);
    world.run_for(HOUR).await;
    world.ca.fail_next_after(ErrorKind::Unknown);
    world.keys.fail_next(ErrorKind::Unavailable);
    world.run_for(DAY * 70).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
    world.onboarding.remove(&TENANT, id).await.unwrap();
    world.run_for(DAY).await;
    id
}

async fn timeline(world: &World, id: DomainId) -> Timeline {
    world.onboarding.timeline(&TENANT, id, 0).await.unwrap()
}

fn traces(timeline: &Timeline) -> Vec<&Trace> {
    let trace = |entry: &'_ Happening| match entry {
        Happening::Decision(_) => true,
        Happening::Notice(_) => false,
        other => panic!("{other:?}"),
    };
    let decisions = timeline.entries.iter().filter(|entry| trace(&entry.what));
    decisions
        .map(|entry| match &entry.what {
            Happening::Decision(trace) => &**trace,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn every_decision_of_a_whole_life_can_be_made_again() {
    let world = traced();
    for (name, validation) in [
        ("shop.example.com", None),
        ("www.example.com", Some(Validation::Dns01)),
        ("*.example.com", None),
    ] {
        let id = life(&world, name, validation).await;
        let timeline = timeline(&world, id).await;
        let traces = traces(&timeline);
        assert!(traces.len() > 10, "{name}: {}", traces.len());
        for trace in &traces {
            assert_eq!(replay(trace, world.onboarding.settings()), Ok(()), "{name}: {trace}");
        }
        let effects: Vec<_> = traces.iter().filter_map(|trace| trace.effect.as_deref()).collect();
        for effect in ["open_order", "respond", "finalize"] {
            assert!(effects.contains(&effect), "{name}: {effect}");
        }
        assert!(traces.iter().all(|it| it.effect.is_some() == it.effect_kind().is_some()));
    }
}

#[tokio::test]
async fn a_timeline_is_json_without_what_is_stored_beside_it() {
    let world = traced();
    let id = life(&world, "shop.example.com", None).await;
    let timeline = world.onboarding.operator().timeline(id, 0).await.unwrap();
    let json = serde_json::to_value(&timeline).unwrap();
    let members: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["entries", "next"]);
    for (entry, json) in timeline.entries.iter().zip(json["entries"].as_array().unwrap()) {
        assert_eq!(json["number"], entry.number);
        match &entry.what {
            Happening::Notice(notice) => {
                assert_eq!(json["what"]["notice"], serde_json::to_value(notice).unwrap());
            }
            Happening::Decision(trace) => assert_eq!(json["what"]["decision"], trace.to_string()),
            other => panic!("{other:?}"),
        }
    }
    assert!(!traces(&timeline).is_empty());
}

#[tokio::test]
async fn a_trace_that_was_changed_is_found() {
    let world = traced();
    let id = life(&world, "shop.example.com", None).await;
    let timeline = timeline(&world, id).await;
    let settings = world.onboarding.settings();
    let traces = traces(&timeline);
    let proved = traces.iter().find(|trace| trace.status == Status::CertificatePending).unwrap();

    let mut other = (*proved).clone();
    other.seed[0] ^= 1;
    assert_eq!(replay(&other, settings), Err(Mismatch::Decision));
    let mut other = (*proved).clone();
    other.facts.retain(|fact| !matches!(fact, Fact::Account(_) | Fact::Observed(_)));
    assert_eq!(replay(&other, settings), Err(Mismatch::Decision));
    let mut other = (*proved).clone();
    other.release = "0.0.1".to_owned();
    assert_eq!(replay(&other, settings), Err(Mismatch::Release("0.0.1".to_owned())));
    let mut policy = settings.policy.clone();
    policy.recheck += HOUR;
    let others = Settings::new(policy, settings.authority.clone());
    assert_eq!(replay(proved, &others), Err(Mismatch::Settings));
}

#[tokio::test]
async fn a_timeline_tells_each_thing_in_one_line_in_order() {
    let world = traced();
    let id = life(&world, "shop.example.com", None).await;
    let timeline = timeline(&world, id).await;
    assert!(timeline.domain.is_removed());
    assert_eq!(timeline.next, None);
    assert!(timeline.entries.is_sorted_by_key(|entry| entry.number));
    assert!(timeline.entries.is_sorted_by_key(|entry| entry.at));
    let lines: Vec<String> = timeline.entries.iter().map(ToString::to_string).collect();
    assert!(lines.iter().all(|line| !line.contains('\n')));
    for part in [
        "2027-01-15T08:00:00Z added",
        " observed seen={\"found\":\"values\",\"values\":[\"token=",
        " topic=ownership verdict=confirmed",
        " status_changed event=ownership_proven from=pending to=verified",
        " decided facts=2 from=pending to=verified",
        " effect=open_order",
        " removed",
    ] {
        assert!(lines.iter().any(|line| line.contains(part)), "{part}:\n{}", lines.join("\n"));
    }
    let error = world.onboarding.timeline(&OTHER, id, 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn notices_are_the_same_with_and_without_traces() {
    let mut told = Vec::new();
    for world in [traced(), World::new()] {
        let id = life(&world, "shop.example.com", None).await;
        let mut notices = Vec::new();
        loop {
            let after = notices.last().map_or(0, |(number, _): &(u64, Notice)| *number);
            let page = world.onboarding.notices(&TENANT, id, after).await.unwrap();
            if page.is_empty() {
                break;
            }
            notices.extend(page.into_iter().map(|it| (it.number, it.notice)));
        }
        told.push(notices.into_iter().map(|(_, notice)| notice.as_str()).collect::<Vec<_>>());
        let traces = traces(&timeline(&world, id).await).len();
        assert_eq!(traces > 0, world.policy.traces);
    }
    assert_eq!(told[0], told[1]);
}

#[tokio::test]
async fn no_key_is_in_a_trace_not_even_sealed() {
    use nameplate::store::{Filter, Kind, Query, Store};

    let world = traced();
    let id = world.active("shop.example.com").await.id();
    let keys = world.store.list(&Query::new(Kind::Key, Filter::All)).await.unwrap().items;
    let [key] = keys.as_slice() else { panic!("{keys:?}") };
    let body: serde_json::Value = serde_json::from_str(key.body.as_str()).unwrap();
    let sealed = body["sealed"].as_str().unwrap();
    let domain = nameplate::store::Key::new(Kind::Domain, id);
    let log = world.store.entries(&domain, 0, 1000).await.unwrap();
    assert!(log.iter().any(|entry| entry.body.contains("order_key")));
    assert!(log.iter().all(|entry| !entry.body.contains(sealed)));
}

#[tokio::test]
async fn a_look_without_news_leaves_no_trace() {
    let world = traced();
    let id = world.active("shop.example.com").await.id();
    let before = timeline(&world, id).await.entries.len();
    world.run_for(DAY * 30).await;
    assert_eq!(timeline(&world, id).await.entries.len(), before);
}

#[tokio::test]
async fn a_tenant_is_shown_nothing_of_who_holds_the_name_and_an_operator_is() {
    let world = traced();
    let holder = world.active("shop.example.com").await;
    let id = world.add_with(&OTHER, "shop.example.com".parse().unwrap()).await.id();
    let challenger = world.onboarding.get(&OTHER, id).await.unwrap();
    let proofs = [&holder, &challenger]
        .map(|claim| RecordData::Txt(Txt::from_text(&claim.challenge().value())));
    let owner = challenger.challenge().owner.clone();
    world.dns.set(RecordSet::new(owner, Ttl::MINUTE, proofs).unwrap()).unwrap();
    world.onboarding.check(&OTHER, id).await.unwrap();

    let is_of_others = |fact: &Fact| matches!(fact, Fact::Holder(_) | Fact::Taken(_));
    let facts = |timeline: &Timeline| {
        let traces = traces(timeline).into_iter().flat_map(|trace| trace.facts.clone());
        traces.filter(is_of_others).count()
    };
    let whole = world.onboarding.operator().timeline(id, 0).await.unwrap();
    assert!(facts(&whole) > 0);
    for trace in traces(&whole) {
        assert_eq!(replay(trace, world.onboarding.settings()), Ok(()));
    }
    let shown = world.onboarding.timeline(&OTHER, id, 0).await.unwrap();
    assert_eq!(facts(&shown), 0);
    assert_eq!(shown.entries.len(), whole.entries.len());
}
