//! Handshakes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use nameplate::{clock::Clock, domain::Status, error::ErrorKind, serve::Acceptor};
use rustls::{HandshakeKind, crypto::CryptoProvider};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::world::{DAY, MINUTE, OTHER, SECOND, TENANT, World, meet, name, ring};

/// What one load costs: the domain, the time, the certificate with its key.
const LOAD: usize = 3;
/// What it costs to look whether something is still right.
const LOOK: usize = 2;

#[tokio::test]
async fn a_name_is_loaded_before_its_first_handshake_and_served_from_memory_afterwards() {
    let world = World::new();
    let domain = world.active("shop.example.com").await;
    let (acceptor, client) = (world.acceptor(), world.client());

    let accepted = meet(&acceptor, &client, "shop.example.com").await.accepted().await;
    assert_eq!(accepted.server_name, name("shop.example.com"));
    assert_eq!(accepted.served.name, name("shop.example.com"));
    assert_eq!(accepted.served.tenant, TENANT);
    assert_eq!(accepted.served.domain, domain.id());
    assert_eq!(Some(accepted.served.certificate), domain.certificate().map(|served| served.id));
    assert_eq!(world.line.calls(), LOAD);

    let again = meet(&acceptor, &client, "shop.example.com").await.accepted().await;
    assert_eq!(world.line.calls(), 0);
    assert!(Arc::ptr_eq(&accepted.served.config, &again.served.config));
    assert_eq!((acceptor.usage().identities, acceptor.usage().hosts), (1, 0));
}

#[tokio::test]
async fn a_name_that_nobody_holds_is_refused_and_asked_for_once() {
    let world = World::new();
    world.active("shop.example.com").await;
    let (acceptor, client) = (world.acceptor(), world.client());
    for _ in 0..3 {
        let error = meet(&acceptor, &client, "unknown.example.org").await.refused();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.code(), Some("unrecognized_name"));
        assert_eq!(error.subject(), Some("unknown.example.org"));
    }
    assert_eq!(world.line.calls(), 1);
    world.clock.advance(5 * SECOND);
    meet(&acceptor, &client, "unknown.example.org").await.refused();
    assert_eq!(world.line.calls(), 1);
}

#[tokio::test]
async fn a_domain_without_a_certificate_is_refused_and_served_soon_after_its_activation() {
    let world = World::new();
    let (acceptor, client) = (world.acceptor(), world.client());
    let added = world.onboarding.add(&TENANT, "shop.example.com".parse().unwrap()).await.unwrap();
    assert_eq!(added.status(), Status::Pending);
    meet(&acceptor, &client, "shop.example.com").await.refused();
    world.onboarding.remove(&TENANT, added.id()).await.unwrap();
    world.run_for(DAY).await;

    world.active("shop.example.com").await;
    world.clock.advance(5 * SECOND);
    meet(&acceptor, &client, "shop.example.com").await.accepted().await;
}

#[tokio::test]
async fn a_client_that_asks_for_no_name_is_refused_without_a_look() {
    let world = World::new();
    let (acceptor, mut client) = (world.acceptor(), world.client());
    let error = meet(&acceptor, &client, "localhost").await.refused();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, Some("unrecognized_name")));
    client.enable_sni = false;
    let error = meet(&acceptor, &client, "shop.example.com").await.refused();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, Some("missing_extension")));
    assert_eq!(world.line.calls(), 0);
}

#[tokio::test]
async fn what_is_not_tls_is_refused() {
    let world = World::new();
    let acceptor = world.acceptor();
    let inputs: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n",
        &[0; 1000],
        &[0xff; 1000],
        // A handshake message of a megabyte.
        &[22, 3, 1, 0, 4, 1, 0x10, 0, 0],
    ];
    for input in inputs {
        let (mut near, far) = duplex(4096);
        near.write_all(input).await.unwrap();
        let error = acceptor.accept(far).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error:?}");
    }
    let (near, far) = duplex(4096);
    drop(near);
    assert_eq!(acceptor.accept(far).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(world.line.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_left_after_the_deadline() {
    let world = World::new();
    let acceptor = world.builder().with_handshake_timeout(3 * SECOND).build().unwrap();
    for started in [&[][..], &[22, 3, 1]] {
        let (mut near, far) = duplex(4096);
        near.write_all(started).await.unwrap();
        let start = tokio::time::Instant::now();
        let error = acceptor.accept(far).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(start.elapsed(), 3 * SECOND);
    }
}

#[tokio::test]
async fn a_removal_reaches_the_edge_within_the_bound() {
    let world = World::new();
    let domain = world.active("shop.example.com").await;
    let (acceptor, client) = (world.acceptor(), world.client());
    meet(&acceptor, &client, "shop.example.com").await.accepted().await;
    world.remove(&domain).await;

    world.clock.advance(29 * SECOND);
    meet(&acceptor, &client, "shop.example.com").await.accepted().await;
    world.clock.advance(SECOND);
    let error = meet(&acceptor, &client, "shop.example.com").await.refused();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(acceptor.usage().identities, 0, "the key must be gone");
}

#[tokio::test]
async fn what_is_still_right_costs_a_look_and_no_load() {
    let world = World::new();
    world.active("shop.example.com").await;
    let acceptor = world.acceptor();
    let first = acceptor.load(&name("shop.example.com")).await.unwrap();
    assert_eq!(world.line.calls(), LOAD);
    for _ in 0..3 {
        world.clock.advance(30 * SECOND);
        let next = acceptor.load(&name("shop.example.com")).await.unwrap();
        assert!(Arc::ptr_eq(&first.config, &next.config));
        assert_eq!(world.line.calls(), LOOK);
    }
    // A clock that is set back makes everything old.
    world.clock.set(nameplate::clock::Timestamp::from_timestamp(1_799_999_999, 0).unwrap());
    acceptor.load(&name("shop.example.com")).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(world.line.calls(), LOOK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_is_served_without_one_failed_connection() {
    let world = World::new();
    let before = world.active("shop.example.com").await.certificate().unwrap().id;
    let acceptor = world.acceptor();
    let client = world.client();
    let (is_over, visits) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let visitor = tokio::spawn({
        let (acceptor, is_over, visits) = (acceptor.clone(), is_over.clone(), visits.clone());
        async move {
            let mut served = Vec::new();
            while !is_over.load(Ordering::SeqCst) {
                let met = meet(&acceptor, &client, "shop.example.com").await;
                served.push(met.accepted().await.served.certificate);
                visits.fetch_add(1, Ordering::SeqCst);
            }
            served.dedup();
            served
        }
    });
    let visited = async || {
        let so_far = visits.load(Ordering::SeqCst);
        while visits.load(Ordering::SeqCst) < so_far + 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    // Two thirds of 90 days, and some. All that is due happens while the visitor connects.
    for _ in 0..65 {
        world.run_for(DAY).await;
        visited().await;
    }
    is_over.store(true, Ordering::SeqCst);
    let now = acceptor.load(&name("shop.example.com")).await.unwrap().certificate;
    assert_ne!(now, before);
    assert_eq!(visitor.await.unwrap(), [before, now]);
    assert_eq!(acceptor.usage().identities, 1);
}

#[tokio::test]
async fn connections_that_wait_for_one_name_share_one_load() {
    let world = World::new();
    world.active("shop.example.com").await;
    let (acceptor, client) = (world.acceptor(), world.client());
    world.line.close();
    let visitors: Vec<_> = (0..50)
        .map(|_| {
            let (acceptor, client) = (acceptor.clone(), client.clone());
            tokio::spawn(async move {
                meet(&acceptor, &client, "shop.example.com").await.accepted().await;
            })
        })
        .collect();
    until(|| acceptor.usage().loads == 1).await;
    world.line.open();
    for visitor in visitors {
        visitor.await.unwrap();
    }
    assert_eq!(world.line.calls(), LOAD);
    assert_eq!(acceptor.usage().loads, 0);
}

#[tokio::test]
async fn a_failed_load_is_shared_and_not_repeated_at_once() {
    let world = World::new();
    world.active("shop.example.com").await;
    let acceptor = world.acceptor();
    world.line.cut();
    world.line.close();
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let acceptor = acceptor.clone();
            tokio::spawn(async move { acceptor.load(&name("shop.example.com")).await })
        })
        .collect();
    until(|| acceptor.usage().loads == 1).await;
    world.line.open();
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Unavailable);
    }
    acceptor.load(&name("shop.example.com")).await.unwrap_err();
    assert_eq!(world.line.calls(), 1);
    world.line.mend();
    world.clock.advance(SECOND);
    acceptor.load(&name("shop.example.com")).await.unwrap();
}

#[tokio::test]
async fn a_load_that_is_dropped_is_taken_over_by_the_next_in_line() {
    let world = World::new();
    world.active("shop.example.com").await;
    let acceptor = world.acceptor();
    world.line.close();
    let load = |acceptor: Acceptor| {
        tokio::spawn(async move { acceptor.load(&name("shop.example.com")).await })
    };
    let (first, second) = (load(acceptor.clone()), load(acceptor.clone()));
    until(|| acceptor.usage().loads == 1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    world.line.open();
    second.await.unwrap().unwrap();
    assert_eq!(acceptor.usage().loads, 0);

    // The last one takes the place in the table with it.
    world.line.close();
    let alone = load(acceptor.clone());
    world.clock.advance(MINUTE);
    until(|| acceptor.usage().loads == 1).await;
    alone.abort();
    assert!(alone.await.unwrap_err().is_cancelled());
    assert_eq!(acceptor.usage().loads, 0);
}

#[tokio::test]
async fn a_flood_of_unknown_names_takes_bounded_memory_and_displaces_nobody() {
    let world = World::new();
    world.active("shop.example.com").await;
    let acceptor = world.builder().with_host_capacity(1000).build().unwrap();
    acceptor.load(&name("shop.example.com")).await.unwrap();
    world.line.calls();
    for number in 0..20_000 {
        let error = acceptor.load(&name(&format!("n{number}.example.org"))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    assert_eq!(world.line.calls(), 20_000);
    let usage = acceptor.usage();
    assert_eq!((usage.identities, usage.hosts, usage.loads), (1, 1000, 0));
    acceptor.load(&name("shop.example.com")).await.unwrap();
    assert_eq!(world.line.calls(), 0);
}

#[tokio::test]
async fn more_names_than_there_is_room_for_are_all_served() {
    let world = World::new();
    let names: Vec<_> = (0..6).map(|number| format!("n{number}.example.com")).collect();
    for name in &names {
        world.active(name).await;
    }
    let acceptor = world.builder().with_capacity(3).build().unwrap();
    for _ in 0..3 {
        for text in &names {
            assert_eq!(acceptor.load(&name(text)).await.unwrap().name, name(text));
            assert!(acceptor.usage().identities <= 3);
        }
    }
}

#[tokio::test]
async fn loads_at_the_same_time_are_limited() {
    let world = World::new();
    let acceptor = world.builder().with_max_loads(4).build().unwrap();
    world.line.close();
    let loads: Vec<_> = (0..20)
        .map(|number| {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                acceptor.load(&name(&format!("n{number}.example.org"))).await.unwrap_err().kind()
            })
        })
        .collect();
    until(|| acceptor.usage().loads == 20).await;
    assert_eq!(world.line.calls(), 4);
    world.line.open();
    for load in loads {
        assert_eq!(load.await.unwrap(), ErrorKind::NotFound);
    }
    assert_eq!(world.line.calls(), 16);
}

#[tokio::test]
async fn a_store_that_fails_does_not_take_names_down_until_they_are_too_old() {
    let world = World::new();
    world.active("shop.example.com").await;
    let (acceptor, client) = (world.acceptor(), world.client());
    meet(&acceptor, &client, "shop.example.com").await.accepted().await;
    world.line.cut();
    for _ in 0..59 {
        world.clock.advance(MINUTE);
        world.line.calls();
        for _ in 0..3 {
            meet(&acceptor, &client, "shop.example.com").await.accepted().await;
        }
        assert_eq!(world.line.calls(), 1, "one look for all, then a pause");
    }
    world.clock.advance(MINUTE);
    let error = meet(&acceptor, &client, "shop.example.com").await.refused();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, Some("internal_error")));

    world.line.mend();
    world.clock.advance(SECOND);
    world.line.calls();
    meet(&acceptor, &client, "shop.example.com").await.accepted().await;
    assert_eq!(world.line.calls(), LOOK, "the key was kept");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_counts_as_one_that_fails() {
    let world = World::new();
    world.active("shop.example.com").await;
    let (acceptor, client) = (world.acceptor(), world.client());
    meet(&acceptor, &client, "shop.example.com").await.accepted().await;
    world.line.close();
    world.clock.advance(MINUTE);
    let start = tokio::time::Instant::now();
    for _ in 0..3 {
        meet(&acceptor, &client, "shop.example.com").await.accepted().await;
    }
    assert_eq!(start.elapsed(), 5 * SECOND, "only the first one waits");
    let error = meet(&acceptor, &client, "unknown.example.org").await.refused();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn no_certificate_is_served_beyond_its_end_because_the_store_fails() {
    let world = World::new();
    let domain = world.active("shop.example.com").await;
    let acceptor = world.builder().with_max_stale(1000 * DAY).build().unwrap();
    let served = acceptor.load(&name("shop.example.com")).await.unwrap();
    assert_eq!(Some(served.certificate), domain.certificate().map(|served| served.id));
    world.line.cut();
    world.clock.set(served.not_after - chrono_second());
    acceptor.load(&name("shop.example.com")).await.unwrap();
    world.clock.set(served.not_after);
    let error = acceptor.load(&name("shop.example.com")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

fn chrono_second() -> chrono::TimeDelta {
    chrono::TimeDelta::seconds(1)
}

#[tokio::test]
async fn a_wildcard_is_loaded_once_for_all_its_hosts() {
    let world = World::new();
    let domain = world.active("*.example.com").await;
    let acceptor = world.builder().with_host_capacity(100).build().unwrap();
    let client = world.client();
    let accepted = meet(&acceptor, &client, "a.example.com").await.accepted().await;
    assert_eq!(accepted.server_name, name("a.example.com"));
    assert_eq!(accepted.served.name, name("*.example.com"));
    assert_eq!(world.line.calls(), LOAD);
    for number in 0..500 {
        let next = acceptor.load(&name(&format!("n{number}.example.com"))).await.unwrap();
        assert!(Arc::ptr_eq(&accepted.served.config, &next.config));
    }
    assert_eq!(world.line.calls(), 500 * LOOK);
    assert_eq!((acceptor.usage().identities, acceptor.usage().hosts), (1, 100));
    meet(&acceptor, &client, "n499.example.com").await.accepted().await;
    assert_eq!(world.line.calls(), 0);
    meet(&acceptor, &client, "a.b.example.com").await.refused();

    world.remove(&domain).await;
    world.clock.advance(30 * SECOND);
    meet(&acceptor, &client, "n499.example.com").await.refused();
    assert_eq!(acceptor.usage().identities, 0, "the key must be gone");
}

#[tokio::test]
async fn an_exact_name_of_another_tenant_goes_before_a_wildcard_that_is_kept() {
    let world = World::new();
    world.active("*.example.com").await;
    let acceptor = world.acceptor();
    let shop = name("shop.example.com");
    assert_eq!(acceptor.load(&shop).await.unwrap().tenant, TENANT);
    let domain = world.active_for(&OTHER, "shop.example.com").await;
    world.clock.advance(30 * SECOND);
    assert_eq!(acceptor.load(&shop).await.unwrap().tenant, OTHER);
    assert_eq!(acceptor.load(&name("a.example.com")).await.unwrap().tenant, TENANT);
    world.remove(&domain).await;
    world.clock.advance(30 * SECOND);
    // What was somebody else's rests before it falls to the wildcard.
    acceptor.load(&shop).await.unwrap_err();

    world.line.cut();
    world.clock.advance(30 * SECOND);
    assert_eq!(acceptor.load(&name("a.example.com")).await.unwrap().tenant, TENANT);
    // Not known to belong to the wildcard, so not served by it.
    acceptor.load(&name("new.example.com")).await.unwrap_err();
}

#[tokio::test]
async fn sessions_are_not_resumed() {
    let world = World::new();
    world.active("shop.example.com").await;
    let acceptor = world.acceptor();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = world.client_of(&[version]);
        for _ in 0..3 {
            let accepted = meet(&acceptor, &client, "shop.example.com").await.accepted().await;
            let (_, connection) = accepted.stream.get_ref();
            assert_eq!(connection.protocol_version(), Some(version.version));
            assert_eq!(connection.handshake_kind(), Some(HandshakeKind::Full));
        }
    }
}

#[tokio::test]
async fn protocols_are_chosen_as_configured() {
    let world = World::new();
    world.active("shop.example.com").await;
    let acceptor = world.builder().with_alpn(["h2", "http/1.1"]).build().unwrap();
    let mut client = world.client();
    client.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
    let accepted = meet(&acceptor, &client, "shop.example.com").await.accepted().await;
    assert_eq!(accepted.stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    client.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let met = meet(&acceptor, &client, "shop.example.com").await;
    assert_eq!(met.server.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_client_that_does_not_trust_the_authority_ends_the_handshake() {
    let world = World::new();
    world.active("shop.example.com").await;
    let stranger = World::new().client();
    let met = meet(&world.acceptor(), &stranger, "shop.example.com").await;
    assert_eq!(met.server.unwrap_err().kind(), ErrorKind::Refused);
    assert!(met.client.is_err());
}

#[tokio::test]
async fn every_provider_that_is_compiled_in_serves_and_none_is_made_the_default() {
    let world = World::new();
    world.active("shop.example.com").await;
    let providers = [
        ring(),
        #[cfg(feature = "aws-lc-rs")]
        Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
    ];
    for provider in providers {
        let acceptor = world.acceptor_on(provider);
        meet(&acceptor, &world.client(), "shop.example.com").await.accepted().await;
    }
    assert!(CryptoProvider::get_default().is_none());
}

#[tokio::test]
async fn an_acceptor_that_cannot_work_is_not_built() {
    let world = World::new();
    let error = world.builder().with_max_loads(0).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites.clear();
    let edge = world.onboarding.edge();
    let error = Acceptor::builder(edge, Arc::new(provider)).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn nothing_shows_a_private_key() {
    let world = World::new();
    world.active("shop.example.com").await;
    let acceptor = world.acceptor();
    let served = acceptor.load(&name("shop.example.com")).await.unwrap();
    for shown in [format!("{served:?}"), format!("{acceptor:?}")] {
        assert!(shown.len() < 500, "{shown}");
    }
    let mut accepted = meet(&acceptor, &world.client(), "shop.example.com").await.accepted().await;
    assert!(world.clock.now() < accepted.served.not_after);
    // The client is gone without a goodbye.
    assert!(accepted.stream.read_u8().await.is_err());
}

/// Lets other tasks run until something has come true.
async fn until(is_so: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if is_so() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never came true");
}
