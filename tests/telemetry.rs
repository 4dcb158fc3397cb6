//! Spans, events and metrics, as a subscriber and a recorder see them.
//!
//! A binary of its own, in which every worker is watched: whether anybody listens to an event is
//! remembered for the whole process.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use nameplate::{
    certificate::Validation,
    domain::NewDomain,
    engine::{
        InMemorySubscriber,
        telemetry::{self, EVENTS, Instrument, METRICS, SPANS, event, metric, span},
    },
    error::ErrorKind,
    store::{Batch, Store, Write},
};
use tracing::{Event, Subscriber, field, span as spans};

use common::{DAY, MINUTE, TENANT, World};

/// What was recorded, by name and labels.
#[derive(Clone, Debug, Default)]
struct Recorded(Arc<Mutex<BTreeMap<Series, f64>>>);

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Series {
    name: String,
    labels: Vec<(String, String)>,
}

impl Recorded {
    fn series(&self) -> BTreeMap<Series, f64> {
        self.0.lock().unwrap().clone()
    }

    fn of(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        self.series().get(&Series { name: name.into(), labels }).copied()
    }

    fn cell(&self, key: &Key) -> Arc<Cell> {
        let labels = key.labels().map(|label| (label.key().into(), label.value().into())).collect();
        let series = Series { name: key.name().into(), labels };
        Arc::new(Cell { recorded: self.clone(), series })
    }
}

struct Cell {
    recorded: Recorded,
    series: Series,
}

impl Cell {
    fn change(&self, change: impl FnOnce(f64) -> f64) {
        let mut all = self.recorded.0.lock().unwrap();
        let value = all.entry(self.series.clone()).or_default();
        *value = change(*value);
    }
}

impl CounterFn for Cell {
    fn increment(&self, by: u64) {
        self.change(|value| value + f64::from(u32::try_from(by).unwrap()));
    }

    fn absolute(&self, _: u64) {
        unreachable!("counters rise");
    }
}

impl GaugeFn for Cell {
    fn increment(&self, by: f64) {
        self.change(|value| value + by);
    }

    fn decrement(&self, by: f64) {
        self.change(|value| value - by);
    }

    fn set(&self, to: f64) {
        self.change(|_| to);
    }
}

impl HistogramFn for Cell {
    fn record(&self, value: f64) {
        self.change(|highest| highest.max(value));
    }
}

impl Recorder for Recorded {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, what: SharedString) {
        self.describe(&name, Instrument::Counter, &what);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, what: SharedString) {
        self.describe(&name, Instrument::Gauge, &what);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, what: SharedString) {
        assert_eq!(unit, Some(Unit::Seconds));
        self.describe(&name, Instrument::Histogram, &what);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.cell(key))
    }
}

impl Recorded {
    fn describe(&self, name: &KeyName, instrument: Instrument, what: &str) {
        let labels = vec![(instrument.as_str().to_owned(), what.to_owned())];
        let series = Series { name: name.as_str().into(), labels };
        self.0.lock().unwrap().insert(series, 0.0);
    }
}

/// Every span and event, as text.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    /// The name and the fields of each span, and its parent.
    spans: Vec<(&'static str, BTreeMap<&'static str, String>, Option<u64>)>,
    /// The message and the fields of each event, and the span that it is in.
    events: Vec<(String, BTreeMap<&'static str, String>, Option<u64>)>,
    entered: Vec<u64>,
}

struct Fields<'a>(&'a mut BTreeMap<&'static str, String>);

impl field::Visit for Fields<'_> {
    fn record_debug(&mut self, field: &field::Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &field::Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl Subscriber for Seen {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == telemetry::TARGET
    }

    fn new_span(&self, attributes: &spans::Attributes<'_>) -> spans::Id {
        let mut fields = BTreeMap::new();
        attributes.record(&mut Fields(&mut fields));
        let mut lines = self.0.lock().unwrap();
        let parent = lines.entered.last().copied();
        lines.spans.push((attributes.metadata().name(), fields, parent));
        spans::Id::from_u64(u64::try_from(lines.spans.len()).unwrap())
    }

    fn record(&self, _: &spans::Id, _: &spans::Record<'_>) {}

    fn record_follows_from(&self, _: &spans::Id, _: &spans::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = BTreeMap::new();
        event.record(&mut Fields(&mut fields));
        let message = fields.remove("message").unwrap();
        fields.insert("level", event.metadata().level().to_string());
        let mut lines = self.0.lock().unwrap();
        let within = lines.entered.last().copied();
        lines.events.push((message, fields, within));
    }

    fn enter(&self, span: &spans::Id) {
        self.0.lock().unwrap().entered.push(span.into_u64());
    }

    fn exit(&self, span: &spans::Id) {
        let left = self.0.lock().unwrap().entered.pop();
        assert_eq!(left, Some(span.into_u64()));
    }
}

/// Leads two names through a whole life, with a service, a store and a subscriber that fail once, and
/// a lease that is lost.
async fn a_whole_life(world: &mut World) {
    let crm = InMemorySubscriber::new("crm", 1000);
    crm.fail_next(ErrorKind::Unavailable);
    world.onboarding = world.process_with_subscriber(crm);
    world.store.fail_next(ErrorKind::Unavailable);
    world.onboarding.worker().step().await.unwrap_err();
    let shop = world.active("shop.example.com").await.id();
    let wanted: NewDomain = "www.example.com".parse().unwrap();
    let www = world.add_with(&TENANT, wanted.with_validation(Validation::Dns01)).await.id();
    world.publish(www).await;
    // An order that is not opened at once, and then has no key at once.
    world.ca.fail_next(ErrorKind::Unavailable);
    world.keys.fail_next(ErrorKind::Unavailable);
    world.run_for(DAY * 70).await;
    for id in [shop, www] {
        world.onboarding.remove(&TENANT, id).await.unwrap();
    }
    world.run_for(DAY).await;
    // A worker that sleeps past its lease.
    let late = world.add("late.example.com").await.id();
    let clock = world.clock.clone();
    let slow =
        world.process((|store| store, |resolver| Slow { resolver, clock }, |dns| dns, |ca| ca));
    slow.worker().step().await.unwrap();
    world.onboarding.remove(&TENANT, late).await.unwrap();
    world.run_for(DAY).await;
}

/// Leads a whole life, and returns what was to be seen of it.
async fn watched(world: &mut World) -> (Recorded, Seen) {
    let (recorded, seen) = (Recorded::default(), Seen::default());
    let _recording = metrics::set_default_local_recorder(&recorded);
    let _listening = tracing::subscriber::set_default(seen.clone());
    a_whole_life(world).await;
    world.onboarding.add(&TENANT, "co.uk".parse().unwrap()).await.unwrap_err();
    (recorded.clone(), seen)
}

/// A resolver whose answers take longer than any lease lasts.
#[derive(Debug)]
struct Slow<R> {
    resolver: R,
    clock: nameplate::clock::ManualClock,
}

#[async_trait::async_trait]
impl<R: nameplate::resolver::Resolver> nameplate::resolver::Resolver for Slow<R> {
    async fn lookup(
        &self,
        lookup: &nameplate::resolver::Lookup,
    ) -> nameplate::error::Result<nameplate::resolver::Answer> {
        self.clock.advance(MINUTE * 2);
        self.resolver.lookup(lookup).await
    }
}

#[tokio::test]
async fn every_metric_is_recorded_in_a_whole_life_with_its_labels_and_no_others() {
    let mut world = World::new();
    let (recorded, _) = watched(&mut world).await;
    let series = recorded.series();
    let mut names = BTreeSet::new();
    for Series { name, labels } in series.keys() {
        let known = METRICS.iter().find(|metric| metric.name == name).unwrap();
        let keys: Vec<_> = labels.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, known.labels, "{name}");
        names.insert(name.as_str());
    }
    let all: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(names, all);

    let done = |effect| {
        recorded.of(metric::EFFECTS, &[("effect", effect), ("outcome", "done"), ("error", "none")])
    };
    for effect in ["enroll", "open_order", "respond", "finalize", "publish", "unpublish"] {
        assert!(done(effect).is_some_and(|count| count >= 1.0), "{effect}");
    }
    // One for each name, and one more for each renewal.
    assert_eq!(done("finalize"), Some(4.0));
    assert_eq!(recorded.of(metric::LOST, &[("kind", "domain")]), Some(1.0));
    assert_eq!(recorded.of(metric::REFUSALS, &[("rule", "public_suffix")]), Some(1.0));
    assert_eq!(recorded.of(metric::NOTICES, &[("notice", "removed")]), Some(3.0));
    // What commands told counts as what workers did.
    assert_eq!(recorded.of(metric::NOTICES, &[("notice", "added")]), Some(3.0));
    assert!(recorded.of(metric::ENDED, &[("kind", "account"), ("end", "released")]).is_some());
    assert_eq!(recorded.of(metric::ENDED, &[("kind", "domain"), ("end", "left")]), Some(1.0));
    for kind in ["account", "domain", "feed"] {
        assert!(recorded.of(metric::ROOT_SECONDS, &[("kind", kind)]).is_some(), "{kind}");
    }
    let of =
        |outcome| recorded.of(metric::DELIVERIES, &[("subscriber", "crm"), ("outcome", outcome)]);
    assert_eq!(of("failed"), Some(1.0));
    let told: f64 = series
        .iter()
        .filter(|(series, _)| series.name == metric::NOTICES)
        .map(|(_, count)| count)
        .sum();
    assert_eq!(of("delivered"), Some(told), "each notice once");
    let failed =
        |call| recorded.of(metric::STORE_ERRORS, &[("call", call), ("error", "unavailable")]);
    assert_eq!(failed("lease"), Some(1.0));
    let fenced = [("kind", "domain"), ("result", "fenced")];
    assert_eq!(recorded.of(metric::COMMITS, &fenced), Some(1.0));
}

#[tokio::test]
async fn lag_is_how_long_the_oldest_root_was_due() {
    let world = World::new();
    let recorded = Recorded::default();
    let _recording = metrics::set_default_local_recorder(&recorded);
    let _listening = tracing::subscriber::set_default(Seen::default());
    world.add("shop.example.com").await;
    world.clock.advance(Duration::from_secs(90));
    world.add("www.example.com").await;
    let worker = world.onboarding.worker();
    worker.step().await.unwrap();
    assert_eq!(recorded.of(metric::OLDEST_LAG, &[]), Some(90.0));
    assert_eq!(recorded.of(metric::BACKLOG, &[]), Some(2.0));
    assert_eq!(recorded.of(metric::LAG_SECONDS, &[("kind", "domain")]), Some(90.0));
    worker.step().await.unwrap();
    assert_eq!(recorded.of(metric::OLDEST_LAG, &[]), Some(0.0));
    assert_eq!(recorded.of(metric::BACKLOG, &[]), Some(0.0));
}

#[tokio::test]
async fn what_is_parked_because_it_cannot_be_worked_on_is_counted() {
    let world = World::new();
    let id = world.add("shop.example.com").await.id();
    let key = nameplate::store::Key::new(nameplate::store::Kind::Domain, id);
    let item = world.store.get(&[key]).await.unwrap().remove(0).unwrap();
    let operation = nameplate::id::OperationId::from_bytes([7; 16]);
    let body = nameplate::store::Body::from("{\"v\":3,\"created\":\"never\"}");
    let expect = nameplate::store::Expect::Revision(item.revision);
    let put = Write::Put { key: item.key, expect, header: item.header, body };
    world.store.commit(Batch::new(operation).with(put)).await.unwrap();
    let recorded = Recorded::default();
    let _recording = metrics::set_default_local_recorder(&recorded);
    let _listening = tracing::subscriber::set_default(Seen::default());
    world.run_for(DAY).await;
    assert_eq!(recorded.of(metric::NOTICES, &[("notice", "parked")]), Some(1.0));
    let ended = |end| recorded.of(metric::ENDED, &[("kind", "domain"), ("end", end)]);
    let before = f64::from(world.policy.park_after) - 1.0;
    assert_eq!((ended("set_back"), ended("parked")), (Some(before), Some(1.0)));
}

#[tokio::test]
async fn what_is_given_up_for_a_subscriber_is_counted_and_said() {
    let mut world = World::new();
    world.onboarding = world.process_with_subscriber(InMemorySubscriber::new("crm", 0));
    let (recorded, seen) = (Recorded::default(), Seen::default());
    let _recording = metrics::set_default_local_recorder(&recorded);
    let _listening = tracing::subscriber::set_default(seen.clone());
    let id = world.add("shop.example.com").await.id();
    world.run_for(DAY * 10).await;
    let letters = world.onboarding.operator().deliveries(id).list().await.unwrap().remove(0).dead;
    let of =
        |outcome| recorded.of(metric::DELIVERIES, &[("subscriber", "crm"), ("outcome", outcome)]);
    assert!(!letters.is_empty());
    assert_eq!(of("dead"), Some(f64::from(u32::try_from(letters.len()).unwrap())));
    let attempts = letters.iter().map(|letter| f64::from(letter.attempts)).sum();
    assert_eq!(of("failed"), Some(attempts));
    assert_eq!(of("delivered"), None);
    let lines = seen.0.lock().unwrap();
    let (_, fields, _) = lines.events.iter().find(|(it, ..)| it == event::DEAD_LETTER).unwrap();
    assert_eq!(fields["subscriber"], "crm");
    assert_eq!(fields["id"], id.to_string());
    let known = EVENTS.iter().find(|event| event.message == event::DEAD_LETTER).unwrap();
    assert_eq!(told(&lines)[event::DEAD_LETTER], whole(known).1);
}

#[tokio::test]
async fn lag_counts_from_the_wake_of_a_root_that_was_not_due_by_itself() {
    let world = World::new();
    let id = world.active("shop.example.com").await.id();
    let recorded = Recorded::default();
    let _recording = metrics::set_default_local_recorder(&recorded);
    let _listening = tracing::subscriber::set_default(Seen::default());
    let key = nameplate::store::Key::new(nameplate::store::Kind::Domain, id);
    let operation = nameplate::id::OperationId::from_bytes([7; 16]);
    let wake = Batch::new(operation).with(Write::Wake { key });
    world.store.commit(wake).await.unwrap();
    world.clock.advance(Duration::from_secs(90));
    world.onboarding.worker().step().await.unwrap();
    assert_eq!(recorded.of(metric::OLDEST_LAG, &[]), Some(90.0));
    assert_eq!(recorded.of(metric::LAG_SECONDS, &[("kind", "domain")]), Some(90.0));
    let health = world.onboarding.health(&world.clock).await;
    assert_eq!(health.last_step.unwrap().lag, Duration::from_secs(90));
}

#[tokio::test]
async fn every_span_is_seen_in_a_whole_life_where_it_belongs() {
    let mut world = World::new();
    let (_, seen) = watched(&mut world).await;
    let lines = seen.0.lock().unwrap();
    let within =
        |parent: &Option<u64>| parent.map(|id| lines.spans[usize::try_from(id).unwrap() - 1].0);
    let mut names = BTreeSet::new();
    for (name, fields, parent) in &lines.spans {
        let known = SPANS.iter().find(|span| span.name == *name).unwrap();
        let outside = SPANS.iter().take_while(|span| span.name != *name).map(|span| span.name);
        match *name {
            span::STEP => assert_eq!(within(parent), None),
            // Of `Worker::run` and of `Onboarding::check` it is the outermost.
            span::ROOT => assert_eq!(within(parent), Some(span::STEP)),
            _ => assert_eq!(within(parent), Some(span::ROOT)),
        }
        assert!(within(parent).is_none_or(|parent| outside.clone().any(|name| name == parent)));
        // An account belongs to no tenant.
        let expected = known.fields.iter().copied().collect::<BTreeSet<_>>();
        let fields: BTreeSet<_> = fields
            .keys()
            .copied()
            .chain((fields.get("kind").map(String::as_str) == Some("account")).then_some("tenant"))
            .collect();
        assert_eq!(fields, expected, "{name}");
        names.insert(*name);
    }
    assert_eq!(names, SPANS.iter().map(|span| span.name).collect());
    let tenants: BTreeSet<_> =
        lines.spans.iter().filter_map(|(_, fields, _)| fields.get("tenant")).collect();
    assert_eq!(tenants, BTreeSet::from([&TENANT.to_string()]));

    let failed: Vec<_> =
        lines.events.iter().filter(|(message, ..)| message == event::EFFECT_FAILED).collect();
    let [(_, fields, at)] = failed.as_slice() else { panic!("{failed:?}") };
    assert_eq!(fields["error"], "unavailable");
    assert_eq!(within(at), Some(span::EFFECT));
    let (_, fields, _) = lines.events.iter().find(|(it, ..)| it == event::REFUSED).unwrap();
    assert_eq!((fields["rule"].as_str(), fields["name"].as_str()), ("public_suffix", "co.uk"));
    let (_, fields, at) = lines.events.iter().find(|(it, ..)| it == event::STORE_FAILED).unwrap();
    assert_eq!((fields["call"].as_str(), fields["error"].as_str()), ("lease", "unavailable"));
    assert_eq!(within(at), Some(span::STEP));
    for message in [event::LEASE_LOST, event::NOTICE] {
        // What a command tells is in no span of ours.
        let is_there =
            |(other, _, at): &(String, _, _)| other == message && within(at) == Some(span::ROOT);
        assert!(lines.events.iter().any(is_there), "{message}");
    }
}

/// Returns the fields of the events that were seen, all of which are at their levels.
fn told(lines: &Lines) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut told: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (message, fields, _) in &lines.events {
        let known = EVENTS.iter().find(|event| event.message == message).unwrap();
        assert_eq!(fields["level"], known.level, "{message}");
        let fields = fields.keys().copied().filter(|name| *name != "level");
        told.entry(message.as_str()).or_default().extend(fields);
    }
    told
}

/// Returns what [`told`] has of an event when all is said.
fn whole(event: &telemetry::Event) -> (&str, BTreeSet<&str>) {
    (event.message, event.fields.iter().copied().collect())
}

#[tokio::test]
async fn every_event_is_seen_in_a_whole_life_with_its_fields_and_no_others() {
    let mut world = World::new();
    let (_, seen) = watched(&mut world).await;
    let lines = seen.0.lock().unwrap();
    // What is given up for a subscriber has a test of its own.
    let events = EVENTS.iter().filter(|event| event.message != event::DEAD_LETTER);
    let mut expected: BTreeMap<_, _> = events.map(whole).collect();
    // Services in memory have no codes of their own, and what is refused is no domain yet.
    expected.get_mut(event::EFFECT_FAILED).unwrap().remove("code");
    expected.get_mut(event::REFUSED).unwrap().remove("domain");
    assert_eq!(told(&lines), expected);
}

#[tokio::test]
async fn no_token_is_in_a_span_or_an_event() {
    let mut world = World::new();
    let (_, seen) = watched(&mut world).await;
    let text = format!("{:?}", seen.0.lock().unwrap());
    let token = world.add("shop.example.com").await.challenge().token.clone();
    assert!(token.len() > 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit()));
    // Ids are 32 hexadecimal characters; whatever is longer is a token, a digest or a key.
    let long = text.split(|c: char| !c.is_ascii_hexdigit()).find(|word| word.len() > 32);
    assert_eq!(long, None);
}

#[test]
fn a_recorder_is_told_what_every_metric_says() {
    let recorded = Recorded::default();
    metrics::with_local_recorder(&recorded, telemetry::describe);
    let told: Vec<_> = recorded.series().into_keys().collect();
    assert_eq!(told.len(), METRICS.len());
    for (told, known) in told.iter().zip(METRICS) {
        assert_eq!(told.name, known.name, "in the order of their names");
        let labels = [(known.instrument.as_str().to_owned(), known.meaning.to_owned())];
        assert_eq!(told.labels, labels);
    }
}

#[test]
fn the_guide_lists_every_metric_span_and_event() {
    let table = |rows: Vec<String>, head: &str| format!("{head}{}", rows.concat());
    let list = |names: &[&str]| match names {
        [] => "-".to_owned(),
        names => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    };
    let metrics = METRICS.iter().map(|metric| {
        let (name, kind) = (metric.name, metric.instrument.as_str());
        format!("| `{name}` | {kind} | {} | {} |\n", list(metric.labels), metric.meaning)
    });
    let spans = SPANS.iter().map(|span| {
        let (name, level) = (span.name, span.level);
        format!("| `{name}` | `{level}` | {} | {} |\n", list(span.fields), span.meaning)
    });
    let events = EVENTS.iter().map(|event| {
        let (message, level) = (event.message, event.level);
        format!("| `{message}` | `{level}` | {} | {} |\n", list(event.fields), event.meaning)
    });
    let tables = [
        table(metrics.collect(), "| metric | instrument | labels | meaning |\n|---|---|---|---|\n"),
        table(spans.collect(), "| span | level | fields | covers |\n|---|---|---|---|\n"),
        table(events.collect(), "| event | level | fields | tells |\n|---|---|---|---|\n"),
    ];
    let guide = include_str!("../docs/operations.md");
    for table in tables {
        assert!(guide.contains(&table), "docs/operations.md must hold:\n\n{table}");
    }
}

#[test]
fn dashboards_and_alarms_ask_for_what_there_is() {
    let guide = include_str!("../docs/operations.md");
    let word = |text: &'static str| {
        let end = text.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(text.len());
        text.split_at(end).0
    };
    let words = |before: &'static str| guide.split(before).skip(1).map(word).collect::<Vec<_>>();
    let asked = words("nameplate_");
    assert!(asked.len() > METRICS.len());
    for name in asked {
        let name = format!("nameplate_{}", name.trim_end_matches("_bucket"));
        assert!(METRICS.iter().any(|metric| metric.name == name), "there is no {name}");
    }
    for notice in words("notice=\"") {
        let sources = include_str!("../src/engine/notice.rs");
        assert!(sources.contains(&format!("=> \"{notice}\",")), "there is no notice {notice}");
    }
    for effect in words("effect=\"") {
        let sources = include_str!("../src/engine/root/effect.rs");
        assert!(sources.contains(&format!("=> \"{effect}\",")), "there is no effect {effect}");
    }
}
