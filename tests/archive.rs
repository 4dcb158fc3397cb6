//! Moving a platform from one store to another.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

mod common;
#[path = "common/scratch.rs"]
mod scratch;

use std::sync::Arc;

use common::{DAY, EDGE, HOUR, OTHER, TENANT, World};
use nameplate::{
    certificate::Validation,
    domain::{NewDomain, Status, Targets},
    engine::{ImportConflict, ImportReport, Inspection, Obstacle, Onboarding},
    error::{ErrorKind, Result},
    id::{OperationId, OsRandom},
    name::DomainName,
    seal::InMemorySealer,
    store::{
        Batch, Body, Expect, Filter, Header, InMemoryStore, Item, Key, Kind, NewEntry, Query,
        Sqlite, Store, Write,
    },
    testkit::EndlessTimer,
};

/// A platform in the middle of its life: names that are active, pending, being ordered and gone.
async fn lived() -> World {
    let world = World::new();
    let gone = world.active("old.example.com").await.id();
    world.onboarding.remove(&TENANT, gone).await.unwrap();
    world.active("*.example.com").await;
    world.run_for(DAY).await;
    add(&world, "shop.example.com").await;
    world.run_for(HOUR).await;
    world.add_with(&OTHER, "shop.example.com".parse().unwrap()).await;
    world.settle().await;
    add(&world, "www.example.com").await;
    world.ca.fail_next(ErrorKind::Unavailable);
    world.settle().await;
    world
}

/// Adds a name that is validated wherever the platform's edge is.
async fn add(world: &World, name: &str) {
    let wanted: NewDomain = name.parse().unwrap();
    let wanted = wanted.with_validation(Validation::Dns01);
    let id = world.add_with(&TENANT, wanted).await.id();
    world.publish(id).await;
}

async fn export(onboarding: &Onboarding) -> String {
    let mut export = onboarding.operator().export();
    let mut file = String::new();
    while let Some(lines) = export.chunk().await.unwrap() {
        assert!(lines.ends_with('\n'));
        file.push_str(&lines);
    }
    assert_eq!(export.chunk().await.unwrap(), None);
    file
}

fn inspect(file: &str) -> Result<nameplate::engine::Manifest> {
    let mut inspection = Inspection::new();
    file.lines().try_for_each(|line| inspection.line(line))?;
    inspection.finish()
}

async fn import(onboarding: &Onboarding, file: &str) -> ImportReport {
    let mut import = onboarding.operator().import(inspect(file).unwrap());
    for line in file.lines() {
        import.line(line).await.unwrap();
    }
    import.finish().await.unwrap()
}

/// The platform of a world on another store.
fn moved(world: &World, store: impl Store) -> Onboarding {
    world.process((|_| store, |resolver| resolver, |dns| dns, |ca| ca))
}

fn empty(world: &World) -> InMemoryStore {
    InMemoryStore::new(Arc::new(world.clock.clone()))
}

async fn items(store: &impl Store) -> Vec<Item> {
    let mut items = Vec::new();
    for kind in Kind::ALL {
        items.extend(store.list(&Query::new(kind, Filter::All)).await.unwrap().items);
    }
    items
}

#[tokio::test]
async fn what_is_imported_into_an_empty_store_is_what_was_exported() {
    let world = lived().await;
    let file = export(&world.onboarding).await;
    let store = empty(&world);
    let there = moved(&world, store.clone());
    let report = import(&there, &file).await;
    let all = items(&world.store).await;
    assert_eq!(report.restored, u64::try_from(all.len()).unwrap());
    assert_eq!((report.present, report.refused), (0, 0));
    assert_eq!(items(&store).await, all);
    for item in &all {
        let entries = world.store.entries(&item.key, 0, 1000).await.unwrap();
        assert_eq!(store.entries(&item.key, 0, 1000).await.unwrap(), entries);
        let carried = store.find(&item.header.unique).await.unwrap();
        assert!(carried.iter().flatten().all(|found| found == item));
        assert_eq!(carried.iter().flatten().count(), item.header.unique.len());
    }
    for kind in [Kind::Account, Kind::Certificate, Kind::Domain, Kind::Key, Kind::Order] {
        assert!(all.iter().any(|item| item.key.kind == kind), "{kind}");
    }
    // The same lines, in the same order.
    assert_eq!(export(&there).await, file);
}

#[tokio::test]
async fn a_look_at_an_empty_store_leaves_nothing_that_is_in_the_way_of_an_import() {
    let world = lived().await;
    let file = export(&world.onboarding).await;
    let store = empty(&world);
    let there = moved(&world, store.clone());
    there.check_sealing().await.unwrap();
    assert!(there.health(&world.clock).await.is_ready());
    assert_eq!(items(&store).await, []);
    let report = import(&there, &file).await;
    assert_eq!(report.conflicts, []);
    let keys =
        |onboarding: Onboarding| async move { onboarding.operator().sealing_keys().await.unwrap() };
    assert_eq!(keys(there.clone()).await, keys(world.onboarding.clone()).await);
    // Now something is sealed there, and the key is checked.
    let other = InMemorySealer::new();
    let wrong = Onboarding::builder(store)
        .with_brand("plat")
        .with_targets(Targets::cname(EDGE).with_addresses([[203, 0, 113, 10].into()], []))
        .with_resolver(world.resolver.clone())
        .with_authority(world.ca.clone())
        .with_keys(world.keys.clone())
        .with_sealer(other)
        .with_timer(EndlessTimer)
        .build()
        .unwrap();
    assert_eq!(wrong.check_sealing().await.unwrap_err().kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn life_goes_on_in_the_other_store() {
    let mut world = lived().await;
    let file = export(&world.onboarding).await;
    let store = empty(&world);
    let there = moved(&world, store.clone());
    import(&there, &file).await;
    let notices = |onboarding: Onboarding, id| async move {
        onboarding.notices(&TENANT, id, 0).await.unwrap()
    };
    let name: DomainName = "shop.example.com".parse().unwrap();
    let domains = there.list(&TENANT, None).await.unwrap().domains;
    let id = domains.iter().find(|domain| *domain.name() == name).unwrap().id();
    let told = notices(world.onboarding.clone(), id).await;
    assert_eq!(notices(there.clone(), id).await, told);
    let served = there.edge().identity(&name).await.unwrap().unwrap();
    assert_eq!(served.certificate, world.get(id).await.certificate().unwrap().id);

    (world.onboarding, world.store) = (there.clone(), store);
    world.run_for(DAY * 70).await;
    for domain in there.list(&TENANT, None).await.unwrap().domains {
        assert_eq!(domain.status(), Status::Active, "{}", domain.name());
    }
    let renewed = there.edge().identity(&name).await.unwrap().unwrap();
    assert_ne!(renewed.certificate, served.certificate);
    // Whoever read up to the move goes on from there.
    let last = told.last().unwrap().number;
    let news = there.notices(&TENANT, id, last).await.unwrap();
    assert!(!news.is_empty() && news.iter().all(|notice| notice.number > last));
}

#[tokio::test]
async fn importing_twice_or_after_an_interruption_stores_everything_once() {
    let world = lived().await;
    let file = export(&world.onboarding).await;
    let lines: Vec<&str> = file.lines().collect();
    for cut in [1, 2, lines.len() / 2, lines.len() - 1] {
        let store = empty(&world);
        let there = moved(&world, store.clone());
        let mut interrupted = there.operator().import(inspect(&file).unwrap());
        for line in lines.iter().take(cut) {
            interrupted.line(line).await.unwrap();
        }
        drop(interrupted);
        let before = items(&store).await.len();
        let report = import(&there, &file).await;
        assert_eq!(report.present, u64::try_from(before).unwrap());
        assert_eq!(export(&there).await, file);
        let again = import(&there, &file).await;
        assert_eq!((again.restored, again.refused), (0, 0));
        assert_eq!(export(&there).await, file);
    }
}

#[tokio::test]
async fn a_lost_answer_of_the_store_is_resolved() {
    let world = lived().await;
    let file = export(&world.onboarding).await;
    let store = empty(&world);
    let there = moved(&world, store.clone());
    let mut lossy = there.operator().import(inspect(&file).unwrap());
    for (place, line) in file.lines().enumerate() {
        // From here on, each item makes sure of the one before it.
        if place > 1 && line.starts_with("{\"item\"") {
            store.fail_next_after(ErrorKind::Unknown);
        }
        lossy.line(line).await.unwrap();
    }
    let report = lossy.finish().await.unwrap();
    assert_eq!(report.refused, 0);
    assert_eq!(export(&there).await, file);
}

#[tokio::test]
async fn a_file_that_is_cut_or_changed_is_refused_before_anything_is_stored() {
    let world = lived().await;
    let file = export(&world.onboarding).await;
    let lines: Vec<&str> = file.lines().collect();
    for cut in 0..lines.len() {
        let error = inspect(&lines[..cut].join("\n")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let mut missing = lines.clone();
        missing.remove(cut);
        assert_eq!(inspect(&missing.join("\n")).unwrap_err().kind(), ErrorKind::Invalid);
        let mut twice = lines.clone();
        twice.insert(cut, lines[cut]);
        assert_eq!(inspect(&twice.join("\n")).unwrap_err().kind(), ErrorKind::Invalid);
    }
    // One character, wherever it is.
    for (at, _) in file.char_indices().step_by(97) {
        if !file.as_bytes()[at].is_ascii_alphanumeric() {
            continue;
        }
        let mut changed = file.clone();
        let other = if &file[at..=at] == "7" { "8" } else { "7" };
        changed.replace_range(at..=at, other);
        let error = inspect(&changed).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Unsupported), "{error}");
    }
}

#[tokio::test]
async fn a_file_of_another_version_is_refused() {
    let world = World::new();
    let file = export(&world.onboarding).await.replace("\"version\":1", "\"version\":2");
    let error = inspect(&file).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("version 2"), "{error}");
}

#[tokio::test]
async fn other_lines_than_those_that_were_inspected_are_found() {
    let world = lived().await;
    let file = export(&world.onboarding).await;
    world.add("late.example.com").await;
    let later = export(&world.onboarding).await;
    let there = moved(&world, empty(&world));
    let mut import = there.operator().import(inspect(&file).unwrap());
    for line in later.lines() {
        import.line(line).await.unwrap();
    }
    assert_eq!(import.finish().await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn what_is_in_the_way_is_named_and_stays() {
    let world = lived().await;
    let file = export(&world.onboarding).await;
    let store = empty(&world);
    let there = moved(&world, store.clone());
    // Another claim of the same tenant on a name that is in the export.
    let mine = there.add(&TENANT, "shop.example.com".parse().unwrap()).await.unwrap();
    let report = import(&there, &file).await;
    // Beside it the count of what the tenant adds, which is another one here.
    let is_domain = |it: &&ImportConflict| it.key.kind == Kind::Domain;
    let conflicts: Vec<_> = report.conflicts.iter().filter(is_domain).collect();
    let [conflict] = conflicts.as_slice() else { panic!("{report:?}") };
    let Obstacle::Taken(keys) = &conflict.obstacle else { panic!("{conflict}") };
    assert!(conflict.to_string().contains(keys[0].as_str()));
    assert_eq!(there.get(&TENANT, mine.id()).await.unwrap(), mine);

    // A domain that has gone on since it was imported.
    let domains = there.list(&TENANT, None).await.unwrap().domains;
    let other = domains.iter().find(|domain| domain.id() != mine.id()).unwrap().id();
    there.remove(&TENANT, other).await.unwrap();
    let report = import(&there, &file).await;
    assert_eq!(report.conflicts.iter().filter(is_domain).count(), 2);
    let changed = report.conflicts.iter().filter(is_domain);
    let changed = changed.filter(|it| it.obstacle == Obstacle::Changed);
    let changed: Vec<_> = changed.map(|it| it.key.clone()).collect();
    assert_eq!(changed, [Key::new(Kind::Domain, other)]);
    assert_eq!(there.get(&TENANT, other).await.unwrap().status(), Status::Removing);
}

#[tokio::test]
async fn items_of_a_later_release_and_long_logs_move_too() {
    let world = World::new();
    let key = Key::new(Kind::Registration, "of-tomorrow");
    let body = "{\"v\":999,\"who knows\":\"\\u00fc\"}";
    let mut batch = Batch::new(OperationId::random(&OsRandom).unwrap()).with(Write::Put {
        key: key.clone(),
        expect: Expect::Absent,
        header: Header::default(),
        body: Body::new(body.to_owned()),
    });
    for number in 0..700 {
        batch = batch.with_entry(NewEntry::new(key.clone(), format!("{{\"v\":{number}}}")));
    }
    world.store.commit(batch).await.unwrap();
    let file = export(&world.onboarding).await;
    let store = empty(&world);
    import(&moved(&world, store.clone()), &file).await;
    assert_eq!(items(&store).await, items(&world.store).await);
    assert_eq!(store.entries(&key, 0, 1000).await.unwrap().len(), 700);
}

#[tokio::test]
async fn an_export_holds_no_more_than_a_page_at_a_time() {
    let world = World::new();
    for number in 0..300 {
        world.add(&format!("shop{number}.example.com")).await;
    }
    let mut export = world.onboarding.operator().export();
    let mut longest = 0;
    while let Some(lines) = export.chunk().await.unwrap() {
        longest = longest.max(lines.lines().count());
    }
    assert!(longest <= 256, "{longest}");
}

#[tokio::test]
async fn an_item_that_changes_meanwhile_comes_with_the_log_that_it_had() {
    let world = lived().await;
    let id = world.add("late.example.com").await.id();
    let mut export = world.onboarding.operator().export();
    let mut file = String::new();
    while let Some(lines) = export.chunk().await.unwrap() {
        if lines.contains(&format!("\"id\":\"{id}\"")) {
            world.onboarding.remove(&TENANT, id).await.unwrap();
        }
        file.push_str(&lines);
    }
    assert_eq!(world.get(id).await.status(), Status::Removing);
    let store = empty(&world);
    let there = moved(&world, store);
    import(&there, &file).await;
    assert_eq!(there.get(&TENANT, id).await.unwrap().status(), Status::Pending);
    assert_eq!(there.notices(&TENANT, id, 0).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_platform_moves_onto_disk() {
    let world = lived().await;
    let file = export(&world.onboarding).await;
    let folder = scratch::Scratch::new();
    let store = Sqlite::builder(folder.file("moved.db"))
        .with_clock(Arc::new(world.clock.clone()))
        .open()
        .await
        .unwrap();
    let there = moved(&world, store.clone());
    assert_eq!(import(&there, &file).await.refused, 0);
    for (here, there) in items(&world.store).await.iter().zip(items(&store).await) {
        assert_eq!(
            (&here.key, here.revision, &here.body),
            (&there.key, there.revision, &there.body)
        );
        let [here, there] = [
            world.store.entries(&here.key, 0, 1000).await.unwrap(),
            store.entries(&here.key, 0, 1000).await.unwrap(),
        ];
        assert_eq!(here, there);
    }
    world.run_for(HOUR).await;
    let worker = there.worker();
    worker.step().await.unwrap();
}
