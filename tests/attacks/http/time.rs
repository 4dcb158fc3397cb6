//! How long it takes, and how much at a time.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use nameplate::{
    error::{ErrorKind, Result},
    evidence::Verdict,
    probe::{Fetch, Fetched, HttpProbe, Probe},
    resolver::{Answer, Lookup, Resolver},
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
    sync::Semaphore,
    task::{JoinSet, yield_now},
};

use crate::{
    scene::{
        CONNECT, FIRST_BYTE, HERE, HOST, Scene, TLS, TOTAL, name, proofs, provider, two_pages,
    },
    web::{Doing, HandTimer, Web, head, page, path, until},
};

/// Starts a server that answers for the tenant, and does with the attacker's connections what `attack`
/// does once the request was read.
async fn scripted<F: Future<Output = ()> + Send + 'static>(
    attack: impl Fn(TcpStream) -> F + Send + Sync + 'static,
) -> (Scene, Web) {
    let (rightful, _) = proofs(HOST);
    let (rightful, attack) = (Arc::new(rightful), Arc::new(attack));
    let web = Web::scripted((HERE, 0), move |mut stream| {
        let (rightful, attack) = (Arc::clone(&rightful), Arc::clone(&attack));
        Box::pin(async move {
            let Some(request) = head(&mut stream).await else { return };
            if path(&request) == rightful.path() {
                let body = rightful.body().as_bytes();
                let _ = stream.write_all(&page(200, "Content-Type: text/plain\r\n", body)).await;
            } else {
                attack(stream).await;
            }
        })
    })
    .await;
    (Scene::new(&web), web)
}

async fn forever(_stream: impl Send) {
    std::future::pending().await
}

#[tokio::test]
async fn h07_a_connection_that_is_not_accepted_is_given_up() {
    let web = Web::new((HERE, 0), two_pages(|_, _| page(404, "", b""))).await;
    Scene::new(&web).rightful_flow().await;

    // Nobody accepts, and the queue of those who wait for it is full.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((IpAddr::from(HERE), 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let crowd: Vec<_> =
        (0..16).map(|_| tokio::spawn(async move { TcpStream::connect(address).await })).collect();
    until("the queue is full", || crowd.iter().any(|one| one.is_finished())).await;
    for _ in 0..1000 {
        yield_now().await;
    }
    let scene = Scene::with(&web, web.port(), |builder| {
        let lab = nameplate::probe::Lab::new([IpAddr::from(HERE)], address.port(), 1);
        builder.with_lab(lab)
    });
    let looking = scene.start();
    scene.timer.ring(CONNECT).await;
    scene.timer.ring(TOTAL).await;
    assert_eq!(looking.await.unwrap(), Fetched::Unreachable);
}

#[tokio::test]
async fn h07_a_handshake_that_does_not_end_is_given_up() {
    let https = Web::scripted((HERE, 0), |stream| Box::pin(forever(stream))).await;
    let web = Web::new(
        (HERE, 0),
        two_pages(|_, request| {
            page(302, &format!("Location: https://{HOST}{}\r\n", path(request)), b"")
        }),
    )
    .await;
    let scene = Scene::with(&web, https.port(), |builder| builder);
    scene.rightful_flow().await;
    let looking = scene.start();
    scene.timer.ring(TLS).await;
    scene.timer.ring(TOTAL).await;
    assert_eq!(looking.await.unwrap(), Fetched::Unreachable);
    assert_eq!(https.connections(), 1);
}

#[tokio::test]
async fn h07_a_server_that_says_nothing_is_given_up() {
    let (scene, _web) = scripted(forever).await;
    scene.rightful_flow().await;
    let looking = scene.start();
    scene.timer.ring(FIRST_BYTE).await;
    scene.timer.ring(TOTAL).await;
    assert_eq!(looking.await.unwrap(), Fetched::Unreachable);
}

/// Sends a response a byte at a time, for as long as somebody reads: the attack ends in the proof.
async fn drip(scene: &Scene, sent: &AtomicUsize) {
    scene.rightful_flow().await;
    let looking = scene.start();
    until("it drips", || sent.load(Ordering::SeqCst) > 50).await;
    assert!(!looking.is_finished());
    scene.timer.ring(TOTAL).await;
    assert_eq!(looking.await.unwrap(), Fetched::Unreachable);
}

fn dripping(
    start: &'static str,
    drop: &'static str,
) -> (Arc<AtomicUsize>, impl Fn(TcpStream) -> Doing) {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let attack = move |mut stream: TcpStream| {
        let count = Arc::clone(&count);
        Box::pin(async move {
            let _ = stream.set_nodelay(true);
            let _ = stream.write_all(start.as_bytes()).await;
            // Slow enough not to run into another limit before the test is done.
            for byte in drop.bytes().cycle() {
                if count.load(Ordering::SeqCst) <= 60 {
                    if stream.write_all(&[byte]).await.is_err() {
                        return;
                    }
                    count.fetch_add(1, Ordering::SeqCst);
                }
                yield_now().await;
            }
        }) as Doing
    };
    (sent, attack)
}

#[tokio::test]
async fn h10_a_head_that_drips_ends_with_the_time() {
    let (sent, attack) = dripping("HTTP/1.1 200 OK\r\n", "X: x\r\n");
    let (scene, _web) = scripted(attack).await;
    drip(&scene, &sent).await;
}

#[tokio::test]
async fn h10_a_body_that_drips_ends_with_the_time() {
    let (sent, attack) = dripping("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", "x");
    let (scene, _web) = scripted(attack).await;
    drip(&scene, &sent).await;
}

/// Fetches pages of several hosts from a server that holds on to each request until the end. Returns
/// how many requests it got before.
async fn at_once(hosts: &[&str]) -> usize {
    let (release, held) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (gate, count) = (Arc::clone(&release), Arc::clone(&held));
    let (scene, _web) = scripted(move |mut stream| {
        let (gate, count) = (Arc::clone(&gate), Arc::clone(&count));
        async move {
            count.fetch_add(1, Ordering::SeqCst);
            let _permit = gate.acquire().await;
            let _ = stream.write_all(&page(404, "", b"")).await;
        }
    })
    .await;
    scene.rightful_flow().await;
    let mut looks = JoinSet::new();
    for host in hosts {
        scene.dns.set(host, &[HERE.into()]);
        let (probe, fetch) = (scene.probe.clone(), Fetch::new(name(host), "/"));
        looks.spawn(async move { probe.fetch(&fetch).await.unwrap() });
    }
    until("some are held", || held.load(Ordering::SeqCst) >= 4).await;
    for _ in 0..10_000 {
        yield_now().await;
    }
    let most = held.load(Ordering::SeqCst);
    // All get their turn.
    release.add_permits(hosts.len());
    for fetched in looks.join_all().await {
        assert!(matches!(fetched, Fetched::Response(_)), "{fetched:?}");
    }
    assert_eq!(held.load(Ordering::SeqCst), hosts.len());
    most
}

#[tokio::test]
async fn h16_an_address_gets_four_connections_at_a_time() {
    let hosts = ["a.test.com", "a.test.org", "a.test.net", "a.test.de", "a.test.fr", "a.test.nl"];
    assert_eq!(at_once(&hosts).await, 4);
}

#[tokio::test]
async fn h16_a_registrable_domain_gets_four_looks_at_a_time() {
    let web = Web::scripted((HERE, 0), |stream| Box::pin(forever(stream))).await;
    let mut limits = crate::scene::limits();
    // Not the addresses are what is short.
    limits.per_address = 64;
    let scene = Scene::with(&web, web.port(), |builder| builder.with_limits(limits));
    let fetch = |host: String| {
        scene.dns.set(&host, &[HERE.into()]);
        let (probe, fetch) = (scene.probe.clone(), Fetch::new(name(&host), "/"));
        tokio::spawn(async move { probe.fetch(&fetch).await })
    };
    let looks: Vec<_> = (0..6).map(|number| fetch(format!("n{number}.example.com"))).collect();
    until("four are there", || web.connections() == 4).await;
    for _ in 0..10_000 {
        yield_now().await;
    }
    assert_eq!(web.connections(), 4);
    // Another domain is not held up by them.
    let other = fetch("shop.example.org".to_owned());
    until("the other is there", || web.connections() == 5).await;
    scene.timer.ring(TOTAL).await;
    assert_eq!(other.await.unwrap().unwrap(), Fetched::Unreachable);
    // Whose turn never comes has not looked at anything.
    scene.timer.ring(TOTAL).await;
    let mut looks = looks;
    let error = looks.pop().unwrap().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(web.connections(), 5);
    for look in looks {
        look.abort();
    }
}

/// A resolver that never answers.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl Resolver for Silent {
    async fn lookup(&self, _: &Lookup) -> Result<Answer> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn h07_a_name_that_is_not_resolved_in_time_is_given_up() {
    let web = Web::new((HERE, 0), two_pages(|_, _| page(404, "", b""))).await;
    let scene = Scene::new(&web);
    scene.rightful_flow().await;
    let timer = HandTimer::default();
    let builder = HttpProbe::builder(Silent, provider()).with_timer(timer.clone());
    let (probe, fetch) = (builder.build().unwrap(), Fetch::proof(&scene.wanted));
    let looking = tokio::spawn(async move { probe.fetch(&fetch).await.unwrap() });
    timer.ring(TOTAL).await;
    assert_eq!(looking.await.unwrap(), Fetched::Unresolved);
    assert_eq!(web.connections(), 1);
}

#[tokio::test]
async fn h18_a_closed_port_a_silent_one_and_one_that_hangs_up_look_alike() {
    let (scene, web) = scripted(|stream| async move { drop(stream) }).await;
    scene.rightful_flow().await;
    let nobody = Scene::with(&web, web.port(), |builder| {
        // Port 1 of loopback has no server.
        builder.with_lab(nameplate::probe::Lab::new([IpAddr::from(HERE)], 1, 1))
    });
    for scene in [&nobody, &scene] {
        let looking = scene.start();
        for _ in 0..10_000 {
            yield_now().await;
        }
        assert!(!looking.is_finished(), "came back before its time");
        scene.timer.ring(TOTAL).await;
        let fetched = looking.await.unwrap();
        assert_eq!(fetched, Fetched::Unreachable);
        assert_eq!(fetched.verdict(&scene.wanted), Verdict::Unknown);
    }
}
