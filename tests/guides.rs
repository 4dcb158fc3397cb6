//! The Rust that the guides show is Rust.
//!
//! What a page shows stands here once more, in a function that gives it what it takes for granted, so
//! that the page needs no lines that only a compiler wants to read.

#![expect(dead_code, reason = "to compile is all that is asked of what the guides show")]

use std::{collections::BTreeSet, error::Error, path::Path, sync::Arc};

use axum::http::HeaderMap;
use nameplate::{
    Onboarding,
    challenge::email::Link,
    engine::Builder,
    mail::Smtp,
    secret::Secret,
    store::{InMemoryStore as MyStore, Relocated, Sqlite, Switch},
    testkit::sim::Scenario,
    transport::CryptoProvider,
};

type Shown<T> = Result<T, Box<dyn Error>>;

fn mail(builder: Builder, password: Secret) -> Shown<Builder> {
    let mailer =
        Smtp::builder("smtp.example.com", "Acme <no-reply@acme.example>", CryptoProvider::Ring)
            .with_credentials("acme", password)
            .build()?;
    let builder = builder.with_mailer(mailer, Link::new("https://acme.example/confirm")?);
    Ok(builder)
}

async fn operations(
    path: &Path,
    postgres: nameplate::store::Postgres,
) -> Shown<(Builder, Relocated)> {
    let switch = Switch::new(Sqlite::open(path).await?);
    let builder = Onboarding::builder(switch.clone()); // and whatever else it is built from

    // When the day has come, in the same process:
    let mut relocation = switch.relocate(postgres)?;
    relocation.copy().await?; // all of it, while work goes on: minutes to hours
    while relocation.drain().await? > 0 { /* a moment, or until you do not want to wait any longer */
    }
    let report = relocation.complete().await?; // the pause
    Ok((builder, report))
}

async fn postgres() -> Shown<nameplate::store::Postgres> {
    use nameplate::store::Postgres;

    let store = Postgres::connect("postgres://platform:secret@db.example.net/platform").await?;
    Ok(store)
}

fn simulation() {
    let scenario = Scenario::new().with_store(|clock| Arc::new(MyStore::new(clock)));
    for seed in 1..1000 {
        let history = scenario.run(seed);
        assert!(history.breach().is_none(), "{}", scenario.shrink(seed));
    }
}

async fn sqlite() -> Shown<Sqlite> {
    use nameplate::store::Sqlite;

    let store = Sqlite::open("/var/lib/platform/domains.db").await?;
    Ok(store)
}

async fn backup(store: Sqlite) -> Shown<()> {
    store.backup("/var/backups/domains-2027-01-15.db").await?;
    Ok(())
}

fn webhooks(headers: &HeaderMap, body: Vec<u8>) -> Shown<nameplate::engine::Envelope> {
    use nameplate::{
        clock::{Clock, SystemClock},
        engine::Envelope,
        webhook::Verifier,
    };

    let verifier = Verifier::new("whsec_...".parse()?);
    verifier.verify(|name| headers.get(name)?.to_str().ok(), &body, SystemClock.now())?;
    let envelope = Envelope::from_json(&body)?;
    Ok(envelope)
}

/// Returns a text without what a formatter changes.
fn plain(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    text.replace(",}", "}").replace(",)", ")")
}

#[test]
fn what_the_guides_show_compiles() {
    let here = plain(include_str!("guides.rs"));
    let mut pages = BTreeSet::new();
    for entry in std::fs::read_dir("docs").unwrap() {
        let path = entry.unwrap().path();
        let page = std::fs::read_to_string(&path).unwrap();
        for block in page.split("\n```rust\n").skip(1) {
            let (block, _) = block.split_once("\n```").unwrap();
            assert!(here.contains(&plain(block)), "{} shows:\n{block}", path.display());
            pages.insert(path.clone());
        }
        assert!(!page.contains("```rust,"), "{} shows what nothing compiles", path.display());
    }
    assert!(pages.len() >= 6, "{pages:?}");
}
