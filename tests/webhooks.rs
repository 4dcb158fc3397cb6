//! Webhooks over real sockets: signed, verified at the other end, and tried again.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

mod common;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{EDGE, HOUR, MINUTE, TENANT, World, run_until};
use nameplate::{
    clock::{Clock, TokioTimer, after},
    domain::Targets,
    engine::{Envelope, Onboarding, Policy},
    name::ClaimPolicy,
    transport::{CryptoProvider, ReqwestClient},
    webhook::{Endpoint, SigningSecret, Verifier, Webhook},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What a receiver got.
#[derive(Clone, Debug)]
struct Received {
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// A receiver that answers one request after the other with what it was told, and then with 204.
#[derive(Clone, Debug, Default)]
struct Receiver {
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    /// Starts to listen; returns the URL.
    async fn start(&self, answers: Vec<&'static str>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let receiver = self.clone();
        let mut answers = answers.into_iter();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read(&mut stream).await;
                receiver.received.lock().unwrap().push(request);
                let answer = answers.next().unwrap_or("204 No Content\r\n");
                let answer = format!("HTTP/1.1 {answer}connection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        url
    }

    fn take(&self) -> Vec<Received> {
        std::mem::take(&mut *self.received.lock().unwrap())
    }
}

async fn read(stream: &mut TcpStream) -> Received {
    let mut bytes = Vec::new();
    let end = loop {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "the sender hung up");
        bytes.extend_from_slice(&buffer[..count]);
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    assert!(head.starts_with("POST /hook HTTP/1.1\r\n"), "{head}");
    let headers: BTreeMap<String, String> = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers["content-length"].parse().unwrap();
    let mut body = bytes[end..].to_vec();
    let mut rest = vec![0; length - body.len()];
    stream.read_exact(&mut rest).await.unwrap();
    body.extend(rest);
    Received { headers, body }
}

fn process(world: &World, url: &str) -> Onboarding {
    let client = ReqwestClient::new(CryptoProvider::Ring).unwrap();
    let secret: SigningSecret = SECRET.parse().unwrap();
    let hook = Webhook::new("hook", Endpoint::loopback(url).unwrap(), secret, client)
        .with_clock(world.clock.clone());
    Onboarding::builder(world.store.clone())
        .with_brand("plat")
        .with_targets(Targets::cname(EDGE).with_addresses([[203, 0, 113, 10].into()], []))
        .with_resolver(world.resolver.clone())
        .with_dns(world.dns.clone())
        .with_authority(world.ca.clone())
        .with_keys(world.keys.clone())
        .with_sealer(world.sealer.clone())
        .with_timer(TokioTimer)
        .with_random(world.random.clone())
        .with_claims(ClaimPolicy::new().with_allowed([common::dns("example.com")]))
        .with_policy(world.policy.clone())
        .with_subscriber(hook)
        .build()
        .unwrap()
}

async fn run(world: &World, onboarding: &Onboarding, time: Duration) {
    let end = after(world.clock.now(), time);
    run_until(onboarding, &world.store, &world.clock, end).await;
    world.clock.set(end);
}

#[tokio::test]
async fn a_receiver_can_verify_what_it_gets_and_gets_all_of_it_in_order() {
    let world = World::new();
    let receiver = Receiver::default();
    // Whatever goes wrong at first.
    let url = receiver
        .start(vec![
            "503 Busy\r\nretry-after: 60\r\ncontent-length: 0\r\n",
            "302 Over there\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n",
            "404 Not Found\r\ncontent-length: 0\r\n",
            "not even a status\r\n",
        ])
        .await;
    let onboarding = process(&world, &url);
    let id = onboarding.add(&TENANT, "shop.example.com".parse().unwrap()).await.unwrap().id();
    run(&world, &onboarding, MINUTE / 2).await;
    // It asked for a minute.
    assert_eq!(receiver.take().len(), 1);
    world.publish(id).await;
    run(&world, &onboarding, HOUR * 2).await;

    let received = receiver.take();
    let verifier = Verifier::new(SECRET.parse().unwrap()).with_tolerance(HOUR * 3);
    let mut numbers = Vec::new();
    for Received { headers, body } in &received {
        let header = |name: &str| headers.get(name).map(String::as_str);
        verifier.verify(header, body, world.clock.now()).unwrap();
        let envelope = Envelope::from_json(body).unwrap();
        assert_eq!(headers["webhook-id"], envelope.id);
        assert_eq!(headers["content-type"], "application/json");
        assert!(!headers.contains_key("cookie") && !headers.contains_key("authorization"));
        numbers.push(envelope.number);
    }
    // Three attempts at the first one came to nothing, and the one before.
    assert_eq!(numbers[..3], [numbers[0]; 3]);
    numbers.dedup();
    let notices = onboarding.notices(&TENANT, id, 0).await.unwrap();
    assert_eq!(numbers, notices.iter().map(|notice| notice.number).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_left_alone() {
    let world = World::new();
    let receiver = Receiver::default();
    let url = receiver.start(vec!["410 Gone\r\ncontent-length: 0\r\n"]).await;
    let onboarding = process(&world, &url);
    let id = onboarding.add(&TENANT, "shop.example.com".parse().unwrap()).await.unwrap().id();
    world.publish(id).await;
    run(&world, &onboarding, HOUR).await;
    assert_eq!(receiver.take().len(), 1);
    let all = onboarding.notices(&TENANT, id, 0).await.unwrap().len();
    let delivery = &onboarding.operator().deliveries(id).list().await.unwrap()[0];
    assert_eq!(delivery.dead.len(), all);
    assert_eq!(delivery.trouble.as_ref().and_then(|it| it.code.as_deref()), Some("410"));
    onboarding.operator().deliveries(id).revive("hook").await.unwrap();
    run(&world, &onboarding, MINUTE).await;
    assert_eq!(receiver.take().len(), all);
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_costs_the_delivery_timeout_and_no_more() {
    let mut policy = Policy::new();
    policy.delivery_timeout = Duration::from_millis(100);
    let world = World::with_policy(policy);
    // Takes connections, and nothing else.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let onboarding = process(&world, &format!("http://{}/hook", listener.local_addr().unwrap()));
    let id = onboarding.add(&TENANT, "shop.example.com".parse().unwrap()).await.unwrap().id();
    run(&world, &onboarding, Duration::ZERO).await;
    let delivery = &onboarding.operator().deliveries(id).list().await.unwrap()[0];
    let trouble = delivery.trouble.as_ref().unwrap();
    assert_eq!(trouble.message, "feed: deliver: no answer of hook in time");
}
