//! Answers that are none.

use std::collections::HashSet;

use nameplate::resolver::{Answer, Failure, HickoryBuilder, Mode, Outcome};

use super::{
    scene::{MODES, QUERY, RIGHTFUL, Scene, TOKEN, WANTED, guarded, loopback, once, texts},
    server::{
        A, AD, Act, Asked, CD, CNAME, IN, NXDOMAIN, Over, QR, Reply, SERVFAIL, SOA, Server, TXT,
        name, record, soa, strings,
    },
};

/// What is not an answer to the question, although it says what the attacker wants.
fn strays(asked: &Asked) -> Vec<(&'static str, Act)> {
    let wrong = |change: &dyn Fn(&mut Reply)| {
        Act::Say(asked.with_text(TOKEN).with(|reply| change(reply)).octets())
    };
    // In the case in which it was asked, or the case alone would give it away.
    let question = |name: &[u8], record_type: u16, class: u16| {
        let numbers = [record_type.to_be_bytes(), class.to_be_bytes()].concat();
        wrong(&|reply| reply.question = Some([name, &numbers].concat()))
    };
    let same = &asked.question[..asked.question.len() - 4];
    // With another first letter.
    let mut similar = same.to_vec();
    similar[1] ^= 1;
    vec![
        ("id", wrong(&|reply| reply.id ^= 1)),
        ("no response", wrong(&|reply| reply.flags &= !QR)),
        ("opcode", wrong(&|reply| reply.flags |= 4 << 11)),
        ("name", question(&name("other.example.test"), TXT, IN)),
        ("similar name", question(&similar, TXT, IN)),
        ("type", question(same, A, IN)),
        ("class", question(same, TXT, 3)),
        ("cookie", wrong(&|reply| reply.options = vec![(10, vec![7; 8])])),
        ("short cookie", wrong(&|reply| reply.options = vec![(10, vec![7; 3])])),
        ("source", Act::SayFromElsewhere(asked.with_text(TOKEN).octets())),
        ("nothing", Act::Say(Vec::new())),
        ("noise", Act::Say(vec![0xff; 700])),
    ]
}

#[tokio::test]
async fn r16_what_does_not_answer_the_question_is_passed_over() {
    const STRAYS: usize = 12;
    for index in 0..STRAYS {
        let server = Server::new(guarded(move |asked| match asked.name.as_str() {
            // All of them, and then the answer.
            "flooded.example.test" => {
                let strays = strays(asked).into_iter().map(|(_, act)| act);
                strays.chain(asked.reply().code(NXDOMAIN).say()).collect()
            }
            _ => vec![strays(asked).swap_remove(index).1],
        }))
        .await;
        let scene = Scene::with(&server, |builder| builder.with_limits(once()));
        for mode in MODES {
            scene.rightful(mode).await;
            let flooded = scene.lookup("flooded.example.test", mode).await;
            assert_eq!(flooded.outcome, Outcome::NxDomain { negative_ttl: None });
            let looking = scene.start(mode);
            scene.timer.ring(QUERY).await;
            assert_eq!(looking.await.unwrap().outcome, Outcome::Timeout, "{index} {mode:?}");
        }
    }
}

#[tokio::test]
async fn r17_records_of_other_names_do_not_count() {
    let server = Server::new(guarded(|asked| {
        {
            asked
                .reply()
                .answer("example.test", TXT, &strings(&[TOKEN]))
                .answer("x.wanted.example.test", TXT, &strings(&[TOKEN]))
                .answer("victim.test", TXT, &strings(&[TOKEN]))
                .additional(WANTED, TXT, &strings(&[TOKEN]))
                .authority(WANTED, TXT, &strings(&[TOKEN]))
                .authority("victim.test", SOA, &soa(5))
                .with(|reply| {
                    let chaos = record(WANTED, TXT, 3, 300, &strings(&[TOKEN]));
                    reply.sections[0].push(chaos);
                })
        }
        .say()
    }))
    .await;
    let scene = Scene::new(&server);
    for mode in MODES {
        scene.rightful(mode).await;
        let answer = scene.attack(mode).await;
        assert_eq!(answer.outcome, Outcome::NoData { negative_ttl: None }, "{mode:?}");
    }
}

#[tokio::test]
async fn r15_nothing_of_a_question_can_be_guessed_from_another() {
    let server = Server::new(|asked: &Asked| asked.with_text(TOKEN).say()).await;
    let scene = Scene::new(&server);
    for _ in 0..32 {
        scene.rightful(Mode::Recursive).await;
    }
    let asked = server.asked();
    let count = |part: fn(&Asked) -> Vec<u8>| asked.iter().map(part).collect::<HashSet<_>>().len();
    assert_eq!(asked.len(), 32);
    // Of 32 ports, or ids, some may be the same by chance, but not many.
    assert!(count(|asked| asked.port.to_be_bytes().to_vec()) > 24);
    assert!(count(|asked| asked.id.to_be_bytes().to_vec()) > 24);
    assert!(count(|asked| asked.question.clone()) > 24);
    assert_eq!(count(|asked| asked.cookie.clone().unwrap()), 32);
}

#[tokio::test]
async fn r15_a_name_in_another_case_counts_only_over_tcp() {
    let server = Server::new(guarded(|asked| {
        let text = match asked.over {
            Over::Udp => TOKEN,
            Over::Tcp => "the truth",
        };
        let lower =
            [name(&asked.name), asked.question[asked.question.len() - 4..].to_vec()].concat();
        asked.with_text(text).with(|reply| reply.question = Some(lower)).say()
    }))
    .await;
    let scene = Scene::new(&server);
    for mode in MODES {
        scene.rightful(mode).await;
        let answer = scene.attack(mode).await;
        assert_eq!(texts(&answer), [b"the truth"], "{mode:?}");
        assert_eq!(server.asked().last().unwrap().over, Over::Tcp);
    }
}

/// Messages that cannot be read: pointers to themselves, forwards, in a circle and out of the message,
/// labels without end, counts of what is not there.
fn unreadable(asked: &Asked) -> Vec<Vec<u8>> {
    let start = asked.with_text(TOKEN).with(|reply| reply.options.clear()).octets();
    let end = u16::try_from(12 + asked.question.len()).unwrap();
    let pointer = |to: u16| (0xc000 | to).to_be_bytes().to_vec();
    let with_owner = |owner: Vec<u8>| {
        let mut octets = start[..usize::from(end)].to_vec();
        octets.extend(owner);
        octets.extend([0, 16, 0, 1, 0, 0, 0, 60, 0, 2, 1, b'x']);
        octets
    };
    let with_data = |data: Vec<u8>| {
        let mut octets = asked.reply().answer(WANTED, CNAME, &data);
        octets.options.clear();
        octets.octets()
    };
    let counts = |counts: [u8; 6]| {
        let mut octets = start.clone();
        octets[6..12].copy_from_slice(&counts);
        octets
    };
    let mut cut = start.clone();
    cut.truncate(cut.len() - 3);
    vec![
        with_owner(pointer(end)),
        with_owner(pointer(end + 4)),
        with_owner(pointer(0x3fff)),
        with_owner([pointer(end + 2), pointer(end)].concat()),
        with_owner([vec![1, b'a'], pointer(end)].concat()),
        with_owner([vec![63; 64], vec![63; 64], vec![63; 64], vec![63; 64], vec![0]].concat()),
        with_owner(vec![0x40; 70]),
        with_data(pointer(end + u16::try_from(name(WANTED).len()).unwrap() + 10)),
        counts([0, 2, 0, 0, 0, 0]),
        counts([0xff; 6]),
        cut,
    ]
}

#[tokio::test]
async fn r14_names_that_lead_in_circles_or_out_are_no_answer() {
    const KINDS: usize = 11;
    for index in 0..KINDS {
        let server =
            Server::new(guarded(move |asked| vec![Act::Say(unreadable(asked).swap_remove(index))]))
                .await;
        let scene = Scene::new(&server);
        for mode in MODES {
            scene.rightful(mode).await;
            let answer = scene.attack(mode).await;
            let expected = Outcome::Failed(Failure::ServFail);
            assert_eq!(answer.outcome, expected, "{index} {mode:?}");
        }
    }
}

#[tokio::test]
async fn r13_dv03_any_octets_in_any_strings_are_one_text() {
    let texts_of = |data: Vec<u8>| async move {
        let server =
            Server::new(guarded(move |asked| asked.reply().answer(WANTED, TXT, &data).say())).await;
        let scene = Scene::new(&server);
        scene.rightful(Mode::Recursive).await;
        texts(&scene.lookup(WANTED, Mode::Recursive).await)
    };
    for at in 0..=TOKEN.len() {
        let (head, tail) = TOKEN.split_at(at);
        assert_eq!(texts_of(strings(&[head, "", tail])).await, [TOKEN.as_bytes()]);
    }
    let long = vec![b'x'; 255];
    assert_eq!(texts_of(strings(&[&long, &long])).await, [vec![b'x'; 510]]);
    assert_eq!(texts_of(strings(&vec![""; 200])).await, [b""]);
    let odd = b"\0\xff\xfe\"\\ \x1b[2J\r\n";
    assert_eq!(texts_of(strings(&[odd])).await, [odd]);
    assert_eq!(texts_of(strings(&[b"token=".as_slice(), b"\0"])).await, [b"token=\0"]);
}

#[tokio::test]
async fn r13_a_string_that_is_longer_than_its_record_is_no_answer() {
    for data in [vec![200, b'x'], vec![1, b'x', 9], Vec::new()] {
        let server =
            Server::new(guarded(move |asked| asked.reply().answer(WANTED, TXT, &data).say())).await;
        let scene = Scene::new(&server);
        for mode in MODES {
            scene.rightful(mode).await;
            let answer = scene.attack(mode).await;
            assert!(texts(&answer).iter().all(Vec::is_empty), "{answer:?}");
            assert!(!matches!(answer.outcome, Outcome::NxDomain { .. }));
        }
    }
}

#[tokio::test]
async fn dv05_one_text_among_others_counts_wherever_it_stands() {
    for at in [0, 31, 63] {
        let server = Server::new(guarded(move |asked| {
            {
                (0..64).fold(asked.reply(), |reply, number| {
                    let text = if number == at { TOKEN.into() } else { format!("other {number}") };
                    reply.answer(WANTED, TXT, &strings(&[text]))
                })
            }
            .say()
        }))
        .await;
        let scene = Scene::new(&server);
        for mode in MODES {
            scene.rightful(mode).await;
            let answer = scene.lookup(WANTED, mode).await;
            assert!(texts(&answer).contains(&TOKEN.as_bytes().to_vec()), "{at} {mode:?}");
        }
    }
}

#[tokio::test]
async fn r18_the_word_authentic_counts_only_from_whom_it_is_trusted() {
    let signed = |asked: &Asked| asked.with_text(TOKEN).with(|reply| reply.flags |= AD).say();
    let server = Server::new(signed).await;
    let build = |change: fn(HickoryBuilder) -> HickoryBuilder| Scene::with(&server, change);
    for (scene, mode, authenticated) in [
        (build(|builder| builder.with_trusted_ad()), Mode::Recursive, true),
        (build(|builder| builder.with_trusted_ad_from([loopback(1)])), Mode::Recursive, true),
        (build(|builder| builder), Mode::Recursive, false),
        (build(|builder| builder.with_trusted_ad_from([loopback(2)])), Mode::Recursive, false),
        (build(|builder| builder.with_trusted_ad()), Mode::Authoritative, false),
    ] {
        assert_eq!(scene.rightful(mode).await.authenticated, authenticated, "{mode:?}");
    }
    // One link of a chain that nobody signed makes the whole of it unsigned.
    let chained = Server::new(|asked: &Asked| match asked.name.as_str() {
        WANTED => asked.reply().answer(WANTED, CNAME, &name(RIGHTFUL)).say(),
        _ => asked.with_text(TOKEN).with(|reply| reply.flags |= AD).say(),
    })
    .await;
    let scene = Scene::with(&chained, |builder| builder.with_trusted_ad());
    assert!(scene.rightful(Mode::Recursive).await.authenticated);
    assert!(!scene.lookup(WANTED, Mode::Recursive).await.authenticated);
}

#[tokio::test]
async fn r19_what_fails_validation_is_bogus_and_what_nobody_signed_is_not_authentic() {
    let bogus = |answer: &Answer| answer.outcome == Outcome::Failed(Failure::Bogus);
    // By the word of the server (RFC 8914): DNSSEC bogus, signature expired.
    for code in [6_u8, 7] {
        let server = Server::new(guarded(move |asked| {
            asked.reply().code(SERVFAIL).with(|reply| reply.options.push((15, vec![0, code]))).say()
        }))
        .await;
        let scene = Scene::with(&server, |builder| builder.with_trusted_ad());
        assert!(!scene.rightful(Mode::Recursive).await.authenticated);
        assert!(bogus(&scene.attack(Mode::Recursive).await));
    }
    // By trial: there is an answer only without validation, and that is no answer.
    let server = Server::new(guarded(|asked| match asked.flags & CD {
        0 => asked.reply().code(SERVFAIL).say(),
        _ => asked.with_text(TOKEN).say(),
    }))
    .await;
    let scene = Scene::new(&server);
    scene.rightful(Mode::Recursive).await;
    assert!(bogus(&scene.attack(Mode::Recursive).await));
}

#[tokio::test]
async fn c06_a_forger_who_does_not_see_the_question_is_not_heard() {
    let server = Server::new(guarded(|asked| {
        // A flood of guesses, of which one has the right id by chance, and then the answer.
        let guess = |number: u16| {
            let forged = asked.with_text(TOKEN).with(|reply| {
                reply.id = asked.id.wrapping_add(number);
                reply.options.clear();
                let numbers = asked.question[asked.question.len() - 4..].to_vec();
                let upper = asked.name.to_uppercase();
                reply.question = Some([name(&upper), numbers].concat());
            });
            Act::Say(forged.octets())
        };
        match asked.over {
            Over::Udp => {
                let truth = asked.reply().code(NXDOMAIN).say();
                (0..20).map(guess).chain(truth).collect()
            }
            Over::Tcp => asked.reply().code(NXDOMAIN).say(),
        }
    }))
    .await;
    let scene = Scene::new(&server);
    for mode in MODES {
        scene.rightful(mode).await;
        let answer = scene.attack(mode).await;
        assert_eq!(answer.outcome, Outcome::NxDomain { negative_ttl: None }, "{mode:?}");
    }
}
