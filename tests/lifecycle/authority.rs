//! Lives with an authority that is not as quick as the one in memory.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use nameplate::{
    ca::{Account, AuthorizationStatus, CertificateAuthority, ChallengeType, InMemoryCa, Progress},
    certificate::Handle,
    clock::{Clock, after},
    domain::Status,
    error::Result,
    secret::Secret,
    store::{Key, Kind, Store},
    testkit::{AuthorityLayer, Layered},
};

use crate::common::{HOUR, MINUTE, World, run_until};

/// An authority as Boulder and Pebble are: an authorization is pending until it has been looked at.
#[derive(Debug)]
struct Reserved {
    ca: InMemoryCa,
    calls: Arc<Mutex<Vec<&'static str>>>,
}

#[async_trait]
impl AuthorityLayer for Reserved {
    type Inner = InMemoryCa;

    fn inner(&self) -> &InMemoryCa {
        &self.ca
    }
    async fn progress(&self, account: &Account, order: &Handle) -> Result<Progress> {
        self.calls.lock().unwrap().push("progress");
        let mut progress = self.ca.progress(account, order).await?;
        for authorization in &mut progress.authorizations {
            if authorization.status == AuthorizationStatus::Processing {
                authorization.status = AuthorizationStatus::Pending;
            }
        }
        Ok(progress.with_retry_after(None))
    }

    async fn respond(
        &self,
        account: &Account,
        order: &Handle,
        authorization: &Handle,
        challenge: ChallengeType,
    ) -> Result<()> {
        self.calls.lock().unwrap().push("respond");
        self.ca.respond(account, order, authorization, challenge).await
    }
}

#[tokio::test]
async fn an_authority_that_takes_its_time_is_asked_to_look_once() {
    for name in ["shop.example.com", "*.example.com"] {
        let world = World::new();
        let calls = Arc::<Mutex<Vec<_>>>::default();
        let process = world.process((
            |store| store,
            |resolver| resolver,
            |dns| dns,
            |ca| {
                let ca = ca.with_processing_time(MINUTE / 6);
                Layered::new(Reserved { ca, calls: calls.clone() })
            },
        ));
        let id = world.add(name).await.id();
        world.publish(id).await;
        let end = after(world.clock.now(), MINUTE * 2);
        run_until(&process, &world.store, &world.clock, end).await;
        let domain = world.get(id).await;
        assert_eq!(domain.status(), Status::Active, "{name}: {}", domain.waiting_on());
        let calls = calls.lock().unwrap();
        let count = |wanted| calls.iter().filter(|call| **call == wanted).count();
        assert_eq!(count("respond"), 1, "{name}: {calls:?}");
        assert!(count("progress") < 20, "{name}: {calls:?}");
    }
}

/// An authority at which whoever asks for an account panics, so that nothing is heard of it.
#[derive(Debug)]
struct Closed(InMemoryCa);

#[async_trait]
impl AuthorityLayer for Closed {
    type Inner = InMemoryCa;

    fn inner(&self) -> &InMemoryCa {
        &self.0
    }
    async fn enroll(&self, _: &Secret) -> Result<Handle> {
        panic!("a bug")
    }
}

#[tokio::test]
async fn a_domain_looks_ever_more_rarely_whether_the_account_is_there() {
    let world = World::new();
    let process = world.process((|it| it, |it| it, |it| it, |ca| Layered::new(Closed(ca))));
    let id = world.add("shop.example.com").await.id();
    world.publish(id).await;
    let counter = async || {
        let found = world.store.get(&[Key::new(Kind::Domain, id)]).await.unwrap();
        found.into_iter().flatten().next().unwrap().revision.counter
    };
    run_until(&process, &world.store, &world.clock, after(world.clock.now(), HOUR)).await;
    let first = counter().await;
    run_until(&process, &world.store, &world.clock, after(world.clock.now(), HOUR)).await;
    let looks = counter().await - first;
    assert!((60..=160).contains(&looks), "{looks} looks in an hour");
    assert_eq!(world.get(id).await.status(), Status::Verified);
    // Half a minute, a quarter more at most, is the longest that anybody waits for it.
    let due = world.store.next_due().unwrap();
    assert!(due <= after(world.clock.now(), Duration::from_secs(38)), "{due}");
}
