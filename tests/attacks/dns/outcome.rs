//! What an answer, and the lack of one, says.

use std::{sync::Arc, time::Duration};

use nameplate::resolver::{
    Answer, Failure, Hickory, Mode, Outcome, Resolver, ServerStatus, Vantages,
};

use super::{
    scene::{
        MODES, QUERY, RIGHTFUL, Scene, TOKEN, WANTED, guarded, is_unknown, loopback, once,
        question, texts,
    },
    server::{
        AA, AD, Act, Asked, CNAME, DNAME, NOTAUTH, NXDOMAIN, Over, RD, REFUSED, Reply, SERVFAIL,
        SOA, Server, TC, TXT, name, record, soa, strings,
    },
};

#[tokio::test]
async fn r03_c08_a_dname_record_above_is_recognized_and_never_passes_for_the_name() {
    let evil = "wanted.evil.test";
    let led = |target: &'static str| {
        move |asked: &Asked| {
            asked.reply().answer("example.test", DNAME, &name("evil.test")).answer(
                WANTED,
                CNAME,
                &name(target),
            )
        }
    };
    let followed = move |asked: &Asked| match asked.name.as_str() {
        WANTED => led(evil)(asked).say(),
        _ => asked.with_text(TOKEN).say(),
    };
    let made_up = move |asked: &Asked| match asked.name.as_str() {
        WANTED => led("elsewhere.test")(asked).say(),
        _ => asked.with_text(TOKEN).say(),
    };
    let alone =
        |asked: &Asked| asked.reply().answer("example.test", DNAME, &name("evil.test")).say();
    for mode in MODES {
        let server = Server::new(guarded(followed)).await;
        let zone = |server: &Server| {
            let address = server.address;
            Scene::with(server, |builder| {
                builder.with_zone("evil.test".parse().unwrap(), [address])
            })
        };
        let scene = zone(&server);
        assert_eq!(scene.rightful(mode).await.renamed, None);
        // Whoever looks at the answer sees that it is another name's, and why.
        let answer = scene.lookup(WANTED, mode).await;
        assert_eq!(answer.chain, [evil.parse().unwrap()]);
        assert_eq!(answer.renamed, Some("example.test".parse().unwrap()), "{mode:?}");

        let servers = [Server::new(guarded(made_up)).await, Server::new(guarded(alone)).await];
        for server in &servers {
            let scene = zone(server);
            scene.rightful(mode).await;
            let answer = scene.attack(mode).await;
            assert_eq!(answer.outcome, Outcome::Failed(Failure::Dname), "{mode:?}");
            assert_eq!(answer.renamed, Some("example.test".parse().unwrap()));
        }
    }
}

#[tokio::test]
async fn r07_presence_absence_and_failure_are_never_mixed_up() {
    let server = Server::new(guarded(|asked| {
        let reply = asked.reply();
        match asked.name.as_str() {
            "nxdomain.example.test" => reply.code(NXDOMAIN).say(),
            "nodata.example.test" => reply.say(),
            // Whatever such an answer holds says nothing.
            "servfail.example.test" => asked.with_text(TOKEN).code(SERVFAIL).say(),
            "refused.example.test" => asked.with_text(TOKEN).code(REFUSED).say(),
            "notauth.example.test" => asked.with_text(TOKEN).code(NOTAUTH).say(),
            "other.example.test" => asked.with_text(TOKEN).code(6).say(),
            "both.example.test" => asked.with_text(TOKEN).code(NXDOMAIN).say(),
            _ => Vec::new(),
        }
    }))
    .await;
    for mode in MODES {
        let scene = Scene::new(&server);
        scene.rightful(mode).await;
        for (label, outcome) in [
            ("nxdomain", Outcome::NxDomain { negative_ttl: None }),
            ("nodata", Outcome::NoData { negative_ttl: None }),
            ("servfail", Outcome::Failed(Failure::ServFail)),
            ("refused", Outcome::Failed(Failure::Refused)),
            ("notauth", Outcome::Failed(Failure::Refused)),
            ("other", Outcome::Failed(Failure::ServFail)),
            ("both", Outcome::Failed(Failure::ServFail)),
        ] {
            let answer = scene.lookup(&format!("{label}.example.test"), mode).await;
            assert_eq!(answer.outcome, outcome, "{label} {mode:?}");
        }
        let looking = scene.start(mode);
        for _ in 0..3 {
            scene.timer.ring(QUERY).await;
        }
        assert_eq!(looking.await.unwrap().outcome, Outcome::Timeout);
    }
}

#[tokio::test]
async fn c10_nothing_that_goes_wrong_passes_for_presence_or_absence() {
    type Attack = fn(&Asked) -> Vec<Act>;
    let attacks: [Attack; 6] = [
        |asked| asked.with_text(TOKEN).code(SERVFAIL).say(),
        |asked| asked.reply().code(REFUSED).say(),
        |asked| asked.reply().with(|reply| reply.flags |= TC).say(),
        |asked| match asked.over {
            Over::Udp => asked.reply().code(NXDOMAIN).with(|reply| reply.flags |= TC).say(),
            Over::Tcp => Vec::new(),
        },
        |asked| asked.reply().with(|reply| reply.question = None).say(),
        // A referral to nowhere, of a server that was asked for the answer.
        |asked| asked.reply().refer("test", "ns.test", None).say(),
    ];
    for attack in attacks {
        let server = Server::new(guarded(attack)).await;
        let scene = Scene::new(&server);
        for mode in MODES {
            scene.rightful(mode).await;
            let answer = scene.attack(mode).await;
            assert!(is_unknown(&answer), "{mode:?}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn r09_dv24_how_long_an_absence_is_remembered_is_told() {
    let absent = |asked: &Asked, owner: &str, ttl: u32, minimum: u32| {
        asked.reply().code(NXDOMAIN).with(|reply| {
            reply.sections[1].push(record(owner, SOA, 1, ttl, &soa(minimum)));
        })
    };
    let server = Server::new(guarded(move |asked| {
        match asked.name.as_str() {
            "minimum.example.test" => absent(asked, "example.test", 900, 60),
            "ttl.example.test" => absent(asked, "example.test", 60, 900),
            // Of a zone that has no say.
            _ => absent(asked, "evil.test", 86_400, 86_400),
        }
        .say()
    }))
    .await;
    let scene = Scene::new(&server);
    for mode in MODES {
        scene.rightful(mode).await;
        for (label, seconds) in [("minimum", Some(60)), ("ttl", Some(60)), ("wanted", None)] {
            let answer = scene.lookup(&format!("{label}.example.test"), mode).await;
            let negative_ttl = seconds.map(Duration::from_secs);
            assert_eq!(answer.outcome, Outcome::NxDomain { negative_ttl }, "{label} {mode:?}");
        }
    }
}

#[tokio::test]
async fn r06_what_became_of_each_server_is_told() {
    type Change = fn(Reply) -> Reply;
    let scripts: Vec<(Change, ServerStatus)> = vec![
        (|reply| reply, ServerStatus::Agrees),
        (|reply| reply.answer(WANTED, TXT, &strings(&["more"])), ServerStatus::Differs),
        (|reply| reply.code(REFUSED), ServerStatus::Refused),
        (|reply| reply.code(NOTAUTH), ServerStatus::NotAuth),
        (|reply| reply.code(SERVFAIL), ServerStatus::ServFail),
        (|reply| reply.with(|reply| reply.flags &= !AA), ServerStatus::Lame),
        (|reply| reply.with(|reply| reply.flags |= TC), ServerStatus::Malformed),
    ];
    let mut servers = Vec::new();
    for (change, _) in &scripts {
        let change = *change;
        let attack = move |asked: &Asked| change(asked.with_text("wanted")).say();
        servers.push(Server::new(guarded(attack)).await);
    }
    let mut addresses: Vec<_> = servers.iter().map(|server| server.address).collect();
    // Nobody is there.
    addresses.push((loopback(9), 9).into());
    let scene = Scene::of(
        Hickory::builder([])
            .with_limits(once())
            .with_zone("example.test".parse().unwrap(), addresses.clone()),
    );
    let rightful = scene.rightful(Mode::Authoritative).await;
    let agree = rightful.servers.iter().filter(|report| report.status == ServerStatus::Agrees);
    assert_eq!(agree.count(), scripts.len());
    let answer = scene.attack(Mode::Authoritative).await;
    assert_eq!(answer.outcome, Outcome::Failed(Failure::Disagreement));
    let statuses = scripts.iter().map(|(_, status)| *status).chain([ServerStatus::Timeout]);
    for (status, address) in statuses.zip(addresses) {
        let report = answer.servers.iter().find(|report| report.address == Some(address));
        assert_eq!(report.unwrap().status, status, "{answer:?}");
    }
}

#[tokio::test]
async fn r21_the_servers_of_the_zone_are_asked_and_a_recursive_one() {
    let [authority, recursive] = [
        Server::new(guarded(|asked| asked.with_text("at the zone").say())).await,
        Server::new(guarded(|asked| asked.with_text("in a cache").say())).await,
    ];
    let scene = Scene::of(
        Hickory::builder([recursive.address])
            .with_zone("example.test".parse().unwrap(), [authority.address]),
    );
    for (mode, server, other, recursion, text) in [
        (Mode::Authoritative, &authority, &recursive, 0, "at the zone"),
        (Mode::Recursive, &recursive, &authority, RD, "in a cache"),
    ] {
        scene.rightful(mode).await;
        assert_eq!(texts(&scene.attack(mode).await), [text.as_bytes()]);
        let asked = server.asked();
        assert_eq!(asked.len(), 2);
        assert!(asked.iter().all(|asked| asked.flags & RD == recursion));
        assert_eq!(other.asked().len(), 0);
    }
}

/// Two resolvers, the second of which is led astray.
async fn vantages(
    first: impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static,
    second: impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static,
) -> (Vantages, [Server; 2]) {
    let servers = [Server::new(guarded(first)).await, Server::new(guarded(second)).await];
    let resolvers = servers.each_ref().map(|server| {
        let builder = Hickory::builder([server.address]).with_trusted_ad();
        Arc::new(Scene::of(builder).hickory) as Arc<dyn Resolver>
    });
    (Vantages::new(resolvers).unwrap(), servers)
}

async fn seen(vantages: &Vantages, name: &str) -> Answer {
    vantages.lookup(&question(name, Mode::Recursive)).await.unwrap()
}

#[tokio::test]
async fn r20_c06_c07_dv32_one_vantage_that_is_led_astray_proves_nothing() {
    let absent = |asked: &Asked| asked.reply().code(NXDOMAIN).say();
    let fails = |asked: &Asked| asked.reply().code(SERVFAIL).say();
    let forged = |asked: &Asked| asked.with_text(TOKEN).say();
    let (disagreeing, _servers) = vantages(absent, forged).await;
    let (failing, _more) = vantages(fails, forged).await;
    for (vantages, failure) in [(disagreeing, Failure::Disagreement), (failing, Failure::ServFail)]
    {
        let rightful = seen(&vantages, RIGHTFUL).await;
        assert_eq!(texts(&rightful), [TOKEN.as_bytes()]);
        assert!(!rightful.authenticated);
        assert_eq!(rightful.servers.len(), 2);
        let answer = seen(&vantages, WANTED).await;
        assert_eq!(answer.outcome, Outcome::Failed(failure));
    }
}

#[tokio::test]
async fn r20_r19_what_is_signed_needs_one_vantage_and_what_is_bogus_for_one_is_bogus() {
    let signed = |asked: &Asked| asked.with_text("signed").with(|reply| reply.flags |= AD).say();
    let bogus = |asked: &Asked| {
        asked.reply().code(SERVFAIL).with(|reply| reply.options.push((15, vec![0, 6]))).say()
    };
    let forged = |asked: &Asked| asked.with_text(TOKEN).say();
    let (trusting, _servers) = vantages(forged, signed).await;
    let answer = seen(&trusting, WANTED).await;
    assert_eq!(texts(&answer), [b"signed"]);
    assert!(answer.authenticated);
    let (refusing, _more) = vantages(signed, bogus).await;
    assert_eq!(texts(&seen(&refusing, RIGHTFUL).await), [TOKEN.as_bytes()]);
    let answer = seen(&refusing, WANTED).await;
    assert_eq!(answer.outcome, Outcome::Failed(Failure::Bogus));
}
