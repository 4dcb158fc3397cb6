//! Which servers are asked about a zone, and what each of them can do.

use std::{net::IpAddr, time::Duration};

use nameplate::{
    record::RecordType,
    resolver::{
        Agreement, Failure, Hickory, Limits, Lookup, Mode, Outcome, Resolver, ServerStatus,
    },
};

use super::{
    scene::{
        QUERY, RIGHTFUL, Scene, TOKEN, WANTED, guarded, is_unknown, loopback, once, texts,
        unhurried,
    },
    server::{A, AA, Act, Asked, CNAME, NS, NXDOMAIN, SERVFAIL, Server, name},
};
use crate::web::until;

type Script = Box<dyn Fn(&Asked) -> Vec<Act> + Send + Sync>;

const ZONE: &str = "example.test";
const SERVER: &str = "ns.example.test";

fn script(script: impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static) -> Script {
    Box::new(script)
}

/// The servers of `test`, which delegate `example.test` to the addresses after their own.
async fn row(below: Vec<(IpAddr, Script)>) -> Vec<Server> {
    row_beside(below, Vec::new()).await
}

/// As [`row`], with further servers that nobody delegates to.
async fn row_beside(below: Vec<(IpAddr, Script)>, beside: Vec<(IpAddr, Script)>) -> Vec<Server> {
    let glue: Vec<_> = below.iter().map(|(address, _)| *address).collect();
    let parent = script(move |asked| {
        let refer = |reply: super::server::Reply, (number, address): (usize, &IpAddr)| {
            reply.refer(ZONE, &format!("ns{number}.{ZONE}"), Some(*address))
        };
        glue.iter().enumerate().fold(asked.reply(), refer).say()
    });
    Server::row([(loopback(1), parent)].into_iter().chain(below).chain(beside).collect()).await
}

fn honest() -> Script {
    script(guarded(|asked| asked.reply().code(NXDOMAIN).say()))
}

fn evil() -> Script {
    script(|asked| asked.with_text(TOKEN).say())
}

fn silent() -> Script {
    script(guarded(|_| Vec::new()))
}

#[tokio::test]
async fn r04_no_more_than_sixteen_servers_are_asked() {
    let parent = script(|asked| {
        let refer = |reply: super::server::Reply, number: u16| {
            reply.refer(ZONE, &format!("ns{number}.{ZONE}"), Some(loopback(2)))
        };
        (0..40).fold(asked.reply(), refer).say()
    });
    let row = Server::row(vec![(loopback(1), parent), (loopback(2), honest())]).await;
    let scene = Scene::delegated(&row, unhurried());
    let rightful = scene.rightful(Mode::Authoritative).await;
    assert_eq!(rightful.servers.len(), 16);
    assert_eq!((row[0].asked().len(), row[1].asked().len()), (1, 16));
    scene.attack(Mode::Authoritative).await;
    assert_eq!((row[0].asked().len(), row[1].asked().len()), (1, 16));
}

#[tokio::test]
async fn r04_r05_servers_that_only_each_other_knows_end_at_64_messages() {
    // Both are without addresses, and the names of each are in the zone of the other.
    let parent = script(|asked| match asked.name.as_str() {
        RIGHTFUL => asked.reply().refer(ZONE, SERVER, Some(loopback(2))).say(),
        WANTED => {
            let refer = |reply: super::server::Reply, number: u16| {
                reply.refer(ZONE, &format!("ns{number}.other.test"), None)
            };
            (0..16).fold(asked.reply(), refer).say()
        }
        // The recursive server gives up on names that lead in circles.
        _ => asked.reply().code(SERVFAIL).say(),
    });
    let row = Server::row(vec![(loopback(1), parent), (loopback(2), honest())]).await;
    let scene = Scene::delegated(&row, Limits::default());
    scene.rightful(Mode::Authoritative).await;
    row.iter().for_each(|server| drop(server.asked()));
    let answer = scene.attack(Mode::Authoritative).await;
    assert!(is_unknown(&answer), "{answer:?}");
    assert_eq!(row[0].asked().len(), 64);
    assert_eq!(row[1].asked().len(), 0);
}

#[tokio::test]
async fn r05_referrals_lead_down_or_nowhere() {
    for zone in ["", "test", ZONE, "elsewhere.test", "x.wanted.example.test"] {
        let circle =
            move |asked: &Asked| asked.reply().refer(zone, SERVER, Some(loopback(2))).say();
        let row = row(vec![(loopback(2), script(guarded(circle)))]).await;
        let scene = Scene::delegated(&row, unhurried());
        scene.rightful(Mode::Authoritative).await;
        row.iter().for_each(|server| drop(server.asked()));
        let answer = scene.attack(Mode::Authoritative).await;
        assert_eq!(answer.outcome, Outcome::Failed(Failure::Lame), "{zone}");
        assert_eq!((row[0].asked().len(), row[1].asked().len()), (1, 1), "{zone}");
    }
}

#[tokio::test]
async fn r16_r17_addresses_count_only_from_who_has_a_say_in_them() {
    // The delegation names a server elsewhere, with an address that is not the parent's to give.
    let parent = script(|asked| match (asked.name.as_str(), asked.record_type) {
        (RIGHTFUL, _) => asked.reply().refer(ZONE, SERVER, Some(loopback(2))).say(),
        (WANTED, _) => asked.reply().refer(ZONE, "ns.victim.invalid", Some(loopback(3))).say(),
        ("ns.victim.invalid", A) => asked.reply().answer(&asked.name, A, &[127, 0, 0, 2]).say(),
        _ => asked.reply().say(),
    });
    let row =
        Server::row(vec![(loopback(1), parent), (loopback(2), honest()), (loopback(3), evil())])
            .await;
    let scene = Scene::delegated(&row, Limits::default());
    scene.rightful(Mode::Authoritative).await;
    let answer = scene.attack(Mode::Authoritative).await;
    assert_eq!(answer.outcome, Outcome::NxDomain { negative_ttl: None });
    assert_eq!(row[2].asked().len(), 0);
}

#[tokio::test]
async fn r23_a_server_on_ipv6_alone_is_asked_and_a_way_that_is_broken_does_no_harm() {
    let six: IpAddr = "::1".parse().unwrap();
    let dead: [IpAddr; 2] = [loopback(9), "100::1".parse().unwrap()];
    for glue in [vec![six], vec![dead[0], six], vec![dead[1], loopback(2)]] {
        let parent = script(move |asked| {
            let refer =
                |reply: super::server::Reply, at: &IpAddr| reply.refer(ZONE, SERVER, Some(*at));
            // One server with several addresses is named once.
            let mut reply = glue.iter().fold(asked.reply(), refer);
            reply.sections[1].truncate(1);
            reply.say()
        });
        let row =
            Server::row(vec![(loopback(1), parent), (loopback(2), honest()), (six, honest())])
                .await;
        let scene = Scene::delegated(&row, Limits::default());
        scene.rightful(Mode::Authoritative).await;
        let answer = scene.attack(Mode::Authoritative).await;
        assert_eq!(answer.outcome, Outcome::NxDomain { negative_ttl: None });
    }
}

#[tokio::test]
async fn r26_a_server_is_asked_ten_times_a_second() {
    let row = row(vec![(loopback(2), honest())]).await;
    let scene = Scene::delegated(&row, Limits::default());
    for _ in 0..10 {
        scene.rightful(Mode::Authoritative).await;
    }
    assert_eq!(row[1].asked().len(), 10);
    // The server has had enough, and so has the zone; the next question waits for its turn.
    let looking = scene.start(Mode::Authoritative);
    scene.timer.ring(Duration::from_millis(100)).await;
    assert_eq!(looking.await.unwrap().outcome, Outcome::NxDomain { negative_ttl: None });
    assert_eq!(row[1].asked().len(), 1);
    // A second later nothing waits.
    scene.clock.advance(Duration::from_millis(1100));
    for _ in 0..10 {
        scene.rightful(Mode::Authoritative).await;
    }

    let free = Scene::delegated(&row, unhurried());
    for _ in 0..50 {
        free.rightful(Mode::Authoritative).await;
    }
}

#[tokio::test]
async fn r26_the_servers_of_a_registry_take_turns() {
    let recursive = script(|asked| match (asked.name.as_str(), asked.record_type) {
        ("test", NS) => {
            let server =
                |reply: super::server::Reply, at: &str| reply.answer("test", NS, &name(at));
            ["a.nic.test", "b.nic.test"].into_iter().fold(asked.reply(), server).say()
        }
        ("a.nic.test", A) => asked.reply().answer(&asked.name, A, &[127, 0, 0, 1]).say(),
        ("b.nic.test", A) => asked.reply().answer(&asked.name, A, &[127, 0, 0, 2]).say(),
        _ => asked.reply().say(),
    });
    let registry = || script(|asked| asked.reply().refer(ZONE, SERVER, Some(loopback(3))).say());
    let row = Server::row(vec![
        (loopback(5), recursive),
        (loopback(1), registry()),
        (loopback(2), registry()),
        (loopback(3), honest()),
    ])
    .await;
    let at = row[0].address;
    let builder = Hickory::builder([at]).with_name_server_port(at.port());
    let scene = Scene::of(builder.with_private_name_servers());
    for _ in 0..10 {
        scene.rightful(Mode::Authoritative).await;
    }
    assert_eq!((row[1].asked().len(), row[2].asked().len()), (5, 5));
}

#[tokio::test]
async fn a_zone_that_is_named_goes_before_a_delegation_on_the_way_to_it() {
    let recursive = script(|asked| match (asked.name.as_str(), asked.record_type) {
        ("test", NS) => asked.reply().answer("test", NS, &name("a.nic.test")).say(),
        ("a.nic.test", A) => asked.reply().answer(&asked.name, A, &[127, 0, 0, 1]).say(),
        _ => asked.reply().say(),
    });
    let registry = script(|asked| match asked.name.ends_with("edge.test") {
        true => asked.reply().refer("edge.test", "ns.edge.test", Some(loopback(3))).say(),
        false => asked.reply().refer(ZONE, SERVER, Some(loopback(2))).say(),
    });
    let customer =
        script(|asked| asked.reply().answer(&asked.name, CNAME, &name("www.edge.test")).say());
    let edge = || script(|asked| asked.reply().answer(&asked.name, A, &[192, 0, 2, 1]).say());
    let row = Server::row(vec![
        (loopback(5), recursive),
        (loopback(1), registry),
        (loopback(2), customer),
        (loopback(3), edge()),
        (loopback(4), edge()),
    ])
    .await;
    let (at, named) = (row[0].address, row[4].address);
    let hickory = Hickory::builder([at])
        .with_name_server_port(at.port())
        .with_private_name_servers()
        .with_zone("edge.test".parse().unwrap(), [named])
        .build()
        .unwrap();
    let wanted =
        Lookup::new("shop.example.test".parse().unwrap(), RecordType::A, Mode::Authoritative);
    let answer = hickory.lookup(&wanted).await.unwrap();
    assert!(matches!(answer.outcome, Outcome::Answer(_)), "{answer:?}");
    assert_eq!((row[3].asked().len(), row[4].asked().len()), (0, 1));
}

#[tokio::test]
async fn r26_who_would_wait_for_too_long_is_told_so_at_once() {
    let row = row(vec![(loopback(2), honest())]).await;
    let mut limits = Limits::default();
    limits.rate = Some(1);
    limits.deadline = Duration::from_millis(500);
    let scene = Scene::delegated(&row, limits);
    scene.rightful(Mode::Authoritative).await;
    row.iter().for_each(|server| drop(server.asked()));
    let answer = scene.attack(Mode::Authoritative).await;
    assert_eq!(answer.outcome, Outcome::Timeout);
    assert_eq!(row[1].asked().len(), 0);
    // That is no failure of the server, and so not remembered.
    scene.clock.advance(Duration::from_secs(1));
    let answer = scene.attack(Mode::Authoritative).await;
    assert_eq!(answer.outcome, Outcome::NxDomain { negative_ttl: None });
}

#[tokio::test]
async fn c04_one_of_several_servers_proves_nothing() {
    for first in [true, false] {
        let mut below = vec![(loopback(2), honest()), (loopback(3), honest())];
        below.insert(if first { 0 } else { 2 }, (loopback(4), evil()));
        let row = row(below).await;
        let scene = Scene::delegated(&row, unhurried());
        scene.rightful(Mode::Authoritative).await;
        let answer = scene.attack(Mode::Authoritative).await;
        assert_eq!(answer.outcome, Outcome::Failed(Failure::Disagreement));
        let status = |last: u8| {
            let is_it = |address: std::net::SocketAddr| address.ip() == loopback(last);
            let found = answer.servers.iter().find(|report| report.address.is_some_and(is_it));
            found.unwrap().status
        };
        assert_ne!(status(4), status(2), "{answer:?}");
        assert_eq!(status(3), status(2), "{answer:?}");
    }
}

#[tokio::test]
async fn c04_one_of_several_servers_delegates_nothing() {
    let delegates = || {
        let refer = |asked: &Asked| {
            asked.reply().refer(WANTED, "ns.wanted.example.test", Some(loopback(5))).say()
        };
        script(guarded(refer))
    };
    for first in [true, false] {
        let mut below = vec![(loopback(2), honest()), (loopback(3), honest())];
        below.insert(if first { 0 } else { 2 }, (loopback(4), delegates()));
        let row = row_beside(below, vec![(loopback(5), evil())]).await;
        let scene = Scene::delegated(&row, unhurried());
        scene.rightful(Mode::Authoritative).await;
        let answer = scene.attack(Mode::Authoritative).await;
        assert_eq!(answer.outcome, Outcome::Failed(Failure::Disagreement), "{answer:?}");
        assert_eq!(row[4].asked().len(), 0);
    }
}

#[tokio::test]
async fn c04_who_keeps_the_others_from_answering_proves_nothing() {
    let row =
        row(vec![(loopback(2), evil()), (loopback(3), silent()), (loopback(4), silent())]).await;
    let addresses = row[1..].iter().map(|server| server.address);
    let builder = || {
        Hickory::builder([]).with_limits(once()).with_zone(ZONE.parse().unwrap(), addresses.clone())
    };
    for (builder, is_enough) in [
        (builder(), false),
        (builder().with_agreement(Agreement::All), false),
        (builder().with_agreement(Agreement::One), true),
    ] {
        let scene = Scene::of(builder);
        scene.rightful(Mode::Authoritative).await;
        row.iter().for_each(|server| drop(server.asked()));
        let looking = scene.start(Mode::Authoritative);
        until("both are asked", || row[2].count() + row[3].count() == 2).await;
        for _ in 0..2 {
            scene.timer.ring(QUERY).await;
        }
        let answer = looking.await.unwrap();
        assert_eq!(answer.outcome == Outcome::Timeout, !is_enough, "{answer:?}");
        assert_eq!(texts(&answer).len(), usize::from(is_enough));
        let silent = answer.servers.iter().filter(|one| one.status == ServerStatus::Timeout);
        assert_eq!(silent.count(), 2);
    }
}

#[tokio::test]
async fn c05_a_server_that_only_the_zone_names_is_not_asked() {
    // The zone says that its server is another one, and answers along with its address.
    let zone = script(|asked| {
        let reply = match asked.name.as_str() {
            RIGHTFUL => asked.with_text(TOKEN),
            _ => asked.reply().code(NXDOMAIN),
        };
        reply
            .with(|reply| reply.flags |= AA)
            .authority(ZONE, NS, &name("zombie.example.test"))
            .additional("zombie.example.test", A, &[127, 0, 0, 3])
            .say()
    });
    let row = Server::row(vec![
        (loopback(1), script(|asked| asked.reply().refer(ZONE, SERVER, Some(loopback(2))).say())),
        (loopback(2), zone),
        (loopback(3), evil()),
    ])
    .await;
    let scene = Scene::delegated(&row, Limits::default());
    scene.rightful(Mode::Authoritative).await;
    let answer = scene.attack(Mode::Authoritative).await;
    assert_eq!(answer.outcome, Outcome::NxDomain { negative_ttl: None });
    assert_eq!((row[1].asked().len(), row[2].asked().len()), (2, 0));
}
