//! How much a lookup takes, and how much it sends.

use std::time::Duration;

use chrono::TimeDelta;
use nameplate::{
    clock::Clock,
    error::ErrorKind,
    record::RecordType,
    resolver::{Failure, Hickory, Limits, Lookup, Mode, Outcome, Resolver},
};
use tokio::task::yield_now;

use super::{
    scene::{
        DEADLINE, MODES, QUERY, RIGHTFUL, Scene, TOKEN, WANTED, guarded, is_unknown, question,
        texts,
    },
    server::{Act, CNAME, NXDOMAIN, Over, SERVFAIL, Server, TC, TXT, name, strings},
};
use crate::{
    common::{TENANT, World, run_until},
    web::until,
};

#[tokio::test]
async fn r01_a_server_that_says_nothing_is_asked_three_times() {
    let server = Server::new(guarded(|_| Vec::new())).await;
    let scene = Scene::new(&server);
    for mode in MODES {
        scene.rightful(mode).await;
        server.asked();
        let looking = scene.start(mode);
        for asked in 1..=3 {
            until("it is asked", || server.count() == asked).await;
            scene.timer.ring(QUERY).await;
        }
        assert_eq!(looking.await.unwrap().outcome, Outcome::Timeout);
        assert_eq!(server.asked().len(), 3, "{mode:?}");
    }
}

#[tokio::test]
async fn r01_a_lookup_ends_at_its_deadline() {
    let server = Server::new(guarded(|_| Vec::new())).await;
    let scene = Scene::new(&server);
    for mode in MODES {
        scene.rightful(mode).await;
        let looking = scene.start(mode);
        scene.timer.ring(DEADLINE).await;
        assert_eq!(looking.await.unwrap().outcome, Outcome::Timeout);
    }
}

#[tokio::test]
async fn r01_a_server_that_drips_over_tcp_is_given_up() {
    let server = Server::new(guarded(|asked| match asked.over {
        Over::Udp => asked.reply().with(|reply| reply.flags |= TC).say(),
        Over::Tcp => vec![Act::Drip(asked.with_text(TOKEN).octets())],
    }))
    .await;
    let scene = Scene::new(&server);
    for mode in MODES {
        scene.rightful(mode).await;
        server.asked();
        let looking = scene.start(mode);
        until("it drips", || server.count() == 2).await;
        scene.timer.ring(QUERY).await;
        let answer = looking.await.unwrap();
        assert_eq!(answer.outcome, Outcome::Failed(Failure::ServFail), "{mode:?}");
        assert_eq!(server.asked().len(), 2);
    }
}

#[tokio::test]
async fn r02_aliases_are_followed_to_a_limit_and_in_no_circle() {
    let server = Server::new(guarded(|asked| match asked.name.as_str() {
        // The name itself, and one that leads back to it.
        "own.example.test" => asked.reply().answer(&asked.name, CNAME, &name(&asked.name)).say(),
        WANTED => asked.reply().answer(WANTED, CNAME, &name("back.example.test")).say(),
        "back.example.test" => asked.reply().answer(&asked.name, CNAME, &name(WANTED)).say(),
        "short.example.test" => asked.reply().answer(&asked.name, CNAME, &name(RIGHTFUL)).say(),
        other => {
            let next = format!("x.{other}");
            asked.reply().answer(other, CNAME, &name(&next)).say()
        }
    }))
    .await;
    let scene = Scene::new(&server);
    for mode in MODES {
        scene.rightful(mode).await;
        let followed = scene.lookup("short.example.test", mode).await;
        assert_eq!(texts(&followed), [TOKEN.as_bytes()]);
        assert_eq!(followed.chain, [RIGHTFUL.parse().unwrap()]);
        server.asked();
        for (start, sent) in [("own.example.test", 1), (WANTED, 2), ("long.example.test", 9)] {
            let answer = scene.lookup(start, mode).await;
            assert_eq!(answer.outcome, Outcome::Failed(Failure::Chain), "{start} {mode:?}");
            assert!(answer.chain.len() <= Lookup::MAX_CHAIN);
            assert_eq!(server.asked().len(), sent, "{start} {mode:?}");
        }
    }
}

#[tokio::test]
async fn r10_an_answer_that_is_cut_off_is_fetched_over_tcp_or_there_is_none() {
    // Cut off in the middle of the set: what came is not what there is.
    let cut = |asked: &super::server::Asked| asked.with_text(TOKEN).with(|reply| reply.flags |= TC);
    let whole = Server::new(move |asked| match asked.over {
        Over::Udp => cut(asked).say(),
        Over::Tcp => asked.with_text(TOKEN).say(),
    })
    .await;
    let closes = Server::new(guarded(move |asked| match asked.over {
        Over::Udp => cut(asked).say(),
        Over::Tcp => Vec::new(),
    }))
    .await;
    let half = Server::new(guarded(move |asked| match asked.over {
        Over::Udp => cut(asked).say(),
        Over::Tcp => vec![Act::Half(asked.with_text(TOKEN).octets())],
    }))
    .await;
    let again = Server::new(guarded(move |asked| cut(asked).say())).await;
    let hangs = Server::new(guarded(move |asked| match asked.over {
        Over::Udp => cut(asked).say(),
        Over::Tcp => vec![Act::Hang],
    }))
    .await;
    let absent = Server::without_tcp(guarded(move |asked| cut(asked).say())).await;
    for mode in MODES {
        let scene = Scene::new(&whole);
        scene.rightful(mode).await;
        assert_eq!(whole.asked().len(), 2);
        for server in [&closes, &half, &again, &absent] {
            let scene = Scene::new(server);
            scene.rightful(mode).await;
            let answer = scene.attack(mode).await;
            assert_eq!(answer.outcome, Outcome::Failed(Failure::ServFail), "{mode:?}");
        }
        let scene = Scene::new(&hangs);
        scene.rightful(mode).await;
        hangs.asked();
        let looking = scene.start(mode);
        until("it hangs", || hangs.count() == 2).await;
        scene.timer.ring(QUERY).await;
        let answer = looking.await.unwrap();
        assert_eq!(answer.outcome, Outcome::Failed(Failure::ServFail), "{mode:?}");
    }
}

#[tokio::test]
async fn r11_no_more_than_1232_octets_are_asked_for_over_udp() {
    let server = Server::new(guarded(|asked| asked.reply().code(NXDOMAIN).say())).await;
    let scene = Scene::new(&server);
    for mode in MODES {
        scene.rightful(mode).await;
        scene.attack(mode).await;
    }
    let asked = server.asked();
    assert_eq!(asked.len(), 4);
    assert!(asked.iter().all(|asked| asked.payload == Some(1232)), "{asked:?}");
}

#[tokio::test]
async fn r12_a_set_that_is_too_large_is_no_answer() {
    let server = Server::new(guarded(|asked| {
        let reply = match asked.name.as_str() {
            "many.example.test" => (0..65_u32).fold(asked.with_text(TOKEN), |reply, number| {
                reply.answer(&asked.name, TXT, &strings(&[number.to_string()]))
            }),
            "thousands.example.test" => (0..1500_u32)
                .fold(asked.with_text(TOKEN), |reply, number| {
                    reply.answer("x.test", TXT, &strings(&[number.to_string()]))
                }),
            "long.example.test" => {
                let long = strings(&vec![[b'x'; 255]; 100]);
                asked.with_text(TOKEN).answer(&asked.name, TXT, &long)
            }
            _ => {
                let nearly = strings(&vec![[b'x'; 255]; 63]);
                asked.with_text(TOKEN).answer(&asked.name, TXT, &nearly)
            }
        };
        match asked.over {
            Over::Udp => asked.reply().with(|reply| reply.flags |= TC).say(),
            Over::Tcp => reply.say(),
        }
    }))
    .await;
    let scene = Scene::new(&server);
    for mode in MODES {
        scene.rightful(mode).await;
        let large = scene.lookup("large.example.test", mode).await;
        assert_eq!(texts(&large).len(), 2);
        // Those of others do not count, however many there are.
        let others = scene.lookup("thousands.example.test", mode).await;
        assert_eq!(texts(&others), [TOKEN.as_bytes()]);
        for too_large in ["many.example.test", "long.example.test"] {
            let answer = scene.lookup(too_large, mode).await;
            assert_eq!(answer.outcome, Outcome::Failed(Failure::Oversize), "{too_large}");
        }
    }
}

#[tokio::test]
async fn r24_nobody_to_ask_is_found_out_when_it_is_built_and_nobody_there_when_it_is_asked() {
    let error = Hickory::builder([]).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);

    let server = Server::new(guarded(|_| Vec::new())).await;
    let scene = Scene::new(&server);
    scene.rightful(Mode::Recursive).await;
    let gone = server.address;
    drop(server);
    // The runtime closes its sockets when it gets to it.
    let closed = || std::net::UdpSocket::bind(gone).is_ok();
    until("the server is gone", closed).await;
    for mode in MODES {
        let answer = scene.attack(mode).await;
        assert_eq!(answer.outcome, Outcome::Timeout, "{mode:?}");
    }
}

#[tokio::test]
async fn r25_a_failure_is_remembered_for_a_while_and_nothing_is_sent() {
    let server = Server::new(guarded(|asked| asked.reply().code(SERVFAIL).say())).await;
    for mode in MODES {
        let scene = Scene::new(&server);
        scene.rightful(mode).await;
        let first = scene.attack(mode).await;
        assert!(is_unknown(&first));
        assert!(server.asked().len() > 1);
        for _ in 0..100 {
            assert_eq!(scene.attack(mode).await, first);
        }
        assert_eq!(server.asked().len(), 0, "{mode:?}");
        scene.rightful(mode).await;
        assert_eq!(server.asked().len(), 1, "an answer is not remembered");

        // Ever longer, and never longer than five minutes.
        let mut wait = Duration::from_secs(1);
        for _ in 0..12 {
            scene.clock.advance(wait - Duration::from_millis(1));
            scene.attack(mode).await;
            assert_eq!(server.asked().len(), 0, "{wait:?}");
            scene.clock.advance(Duration::from_millis(1));
            scene.attack(mode).await;
            assert_ne!(server.asked().len(), 0, "{wait:?}");
            wait = (wait * 2).min(Duration::from_mins(5));
        }
    }
}

#[tokio::test]
async fn r27_what_is_no_type_of_data_is_never_asked_for() {
    let server = Server::new(guarded(|asked| asked.with_text(TOKEN).say())).await;
    let scene = Scene::new(&server);
    for mode in MODES {
        scene.rightful(mode).await;
        server.asked();
        // ANY, AXFR, IXFR, MAILB, MAILA, TSIG, TKEY, OPT and none.
        for code in [255, 252, 251, 253, 254, 250, 249, 41, 0] {
            let mut lookup = question(WANTED, mode);
            lookup.record_type = RecordType::from_code(code);
            let error = scene.hickory.lookup(&lookup).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{code}");
        }
        assert_eq!(server.asked().len(), 0);
    }
}

#[tokio::test]
async fn a_lookup_sends_what_it_needs_and_no_more() {
    let server = Server::new(guarded(|asked| match asked.name.as_str() {
        WANTED => asked.reply().code(NXDOMAIN).say(),
        _ => asked.reply().answer(&asked.name, CNAME, &name(RIGHTFUL)).say(),
    }))
    .await;
    let scene = Scene::new(&server);
    for mode in MODES {
        for (asked, sent) in [(RIGHTFUL, 1), (WANTED, 1), ("alias.example.test", 2)] {
            scene.lookup(asked, mode).await;
            assert_eq!(server.asked().len(), sent, "{asked} {mode:?}");
        }
    }
    drop(scene);
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test]
async fn r26_no_more_than_so_many_messages_are_under_way_to_one_server() {
    let server = Server::new(guarded(|_| Vec::new())).await;
    let mut limits = Limits::default();
    limits.under_way = 2;
    let scene = Scene::with(&server, |builder| builder.with_limits(limits));
    for mode in MODES {
        scene.rightful(mode).await;
        server.asked();
        let looking = [(); 5].map(|()| scene.start(mode));
        until("two are under way", || server.count() == 2).await;
        for _ in 0..1000 {
            yield_now().await;
        }
        assert_eq!(server.asked().len(), 2, "{mode:?}");
        // A server that says nothing holds up the others for a moment only.
        for waited in 1..=3 {
            scene.timer.ring(Duration::from_millis(waited)).await;
            until("the next one goes", || server.count() == 1).await;
            server.asked();
        }
        for looking in looking {
            looking.abort();
        }
    }
}

#[tokio::test]
async fn nothing_is_sent_when_nothing_is_due() {
    let server = Server::new(|asked| asked.reply().code(NXDOMAIN).say()).await;
    let world = World::new();
    let resolver = Hickory::builder([server.address])
        .with_zone("example.com".parse().unwrap(), [server.address])
        .with_clock(world.clock.clone())
        .build()
        .unwrap();
    let platform = world.process((|store| store, |_| resolver, |dns| dns, |ca| ca));
    for number in 0..10 {
        let name = format!("shop{number}.example.com");
        platform.add(&TENANT, name.parse().unwrap()).await.unwrap();
    }
    run_until(&platform, &world.store, &world.clock, world.clock.now()).await;
    let proofs = server.asked().into_iter().filter(|asked| asked.record_type == TXT);
    assert_eq!(proofs.count(), 10, "each proof is looked for once, with one question");

    let due = world.store.next_due().unwrap();
    let worker = platform.worker();
    for now in [world.clock.now(), due - TimeDelta::microseconds(1)] {
        world.clock.set(now);
        for _ in 0..100 {
            assert_eq!(worker.step().await.unwrap().leased, 0);
        }
        assert_eq!(server.asked().len(), 0);
    }
    world.clock.set(due);
    worker.step().await.unwrap();
    assert_ne!(server.asked().len(), 0);
}
