use std::time::Duration;

use hickory_proto::{
    op::{Edns, Message, ResponseCode},
    rr::{
        Name, RData, Record,
        rdata::{A, CNAME, NS, SOA, TXT, opt::EdnsOption},
    },
};

use super::*;
use crate::{
    record::{RecordData, RecordType},
    transport::dns::fake::{Fake, Respond},
};

/// Longer than any answer on loopback takes.
const PATIENT: Duration = Duration::from_secs(20);

/// For questions that get no answer.
const BRIEF: Duration = Duration::from_millis(50);

/// As unless told, but for how long a message is waited for and how often it is sent.
fn waiting(query: Duration, tries: u32) -> Limits {
    let mut limits = Limits::default();
    (limits.query, limits.tries) = (query, tries);
    limits
}

fn patient() -> Limits {
    let mut limits = waiting(PATIENT, 3);
    limits.deadline = PATIENT;
    limits
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn record(owner: &str, data: RData) -> Record {
    Record::from_rdata(name(owner), 300, data)
}

fn txt(owner: &str, text: &str) -> Record {
    record(owner, RData::TXT(TXT::new(vec![text.into()])))
}

fn cname(owner: &str, target: &str) -> Record {
    record(owner, RData::CNAME(CNAME(name(target))))
}

fn ns(owner: &str, target: &str) -> Record {
    record(owner, RData::NS(NS(name(target))))
}

fn a(owner: &str, last: u8) -> Record {
    record(owner, RData::A(A::new(127, 0, 0, last)))
}

fn soa(owner: &str, minimum: u32) -> Record {
    let soa = SOA::new(name("ns.example."), name("root.example."), 1, 1, 1, 1, minimum);
    record(owner, RData::SOA(soa))
}

fn asked(question: &Message, owner: &str) -> bool {
    question.queries[0].name == name(owner)
}

fn lookup(name: &str, mode: Mode) -> Lookup {
    Lookup::new(name.parse().unwrap(), RecordType::Txt, mode)
}

/// Looks up TXT of `t.example.test` at one server.
async fn answer(
    mode: Mode,
    respond: impl Fn(&Message, &mut Message) + Send + Sync + 'static,
) -> Answer {
    let server = Fake::new(respond).await;
    let hickory = Hickory::builder([server.address])
        .with_limits(patient())
        .with_zone("example.test".parse().unwrap(), [server.address])
        .build()
        .unwrap();
    hickory.lookup(&lookup("t.example.test", mode)).await.unwrap()
}

fn texts(answer: &Answer) -> Vec<String> {
    let Outcome::Answer(records) = &answer.outcome else { panic!("{answer:?}") };
    let text = |data: &RecordData| match data {
        RecordData::Txt(txt) => txt.to_text(),
        other => panic!("{other}"),
    };
    records.iter().map(|record| text(record.data())).collect()
}

const MODES: [Mode; 2] = [Mode::Authoritative, Mode::Recursive];

#[tokio::test]
async fn the_five_outcomes_are_told_apart() {
    for mode in MODES {
        let found = answer(mode, |_, answer| {
            answer.add_answer(txt("T.Example.Test.", "yes"));
        })
        .await;
        assert_eq!(texts(&found), ["yes"]);
        assert!(!found.authenticated);

        let nothing = answer(mode, |_, answer| {
            answer.add_authority(soa("example.test.", 7));
        })
        .await;
        let negative_ttl = Some(Duration::from_secs(7));
        assert_eq!(nothing.outcome, Outcome::NoData { negative_ttl });

        let nobody = answer(mode, |_, answer| {
            answer.metadata.response_code = ResponseCode::NXDomain;
            answer.add_authority(soa("example.test.", 900));
        })
        .await;
        let negative_ttl = Some(Duration::from_secs(300));
        assert_eq!(nobody.outcome, Outcome::NxDomain { negative_ttl });

        for (code, failure) in [
            (ResponseCode::Refused, Failure::Refused),
            (ResponseCode::NotAuth, Failure::Refused),
            (ResponseCode::ServFail, Failure::ServFail),
            (ResponseCode::NotImp, Failure::ServFail),
            (ResponseCode::YXDomain, Failure::ServFail),
        ] {
            let failed = answer(mode, move |_, answer| {
                answer.metadata.response_code = code;
                answer.add_answer(txt("t.example.test.", "yes"));
            })
            .await;
            assert_eq!(failed.outcome, Outcome::Failed(failure), "{code} {mode:?}");
        }
    }
}

#[tokio::test]
async fn silence_is_a_timeout_and_the_deadline_ends_everything() {
    let server = Fake::raw(|_, _| Vec::new()).await;
    let builder = Hickory::builder([server.address])
        .with_zone("example.test".parse().unwrap(), [server.address]);
    let quiet = builder.clone().with_limits(waiting(BRIEF, 2)).build().unwrap();
    let mut limits = patient();
    limits.deadline = BRIEF;
    let late = builder.with_limits(limits).build().unwrap();
    for mode in MODES {
        for hickory in [&quiet, &late] {
            let answer = hickory.lookup(&lookup("t.example.test", mode)).await.unwrap();
            assert_eq!(answer.outcome, Outcome::Timeout, "{mode:?}");
        }
    }
}

#[tokio::test]
async fn a_lost_question_is_asked_again_and_another_server_helps_out() {
    let count = AtomicU32::new(0);
    let lossy = Fake::raw(move |question, _| {
        if count.fetch_add(1, Ordering::Relaxed) == 0 {
            return Vec::new();
        }
        let mut answer = crate::transport::dns::fake::respond(question);
        answer.add_answer(txt("t.example.test.", "yes"));
        vec![answer.to_vec().unwrap()]
    })
    .await;
    let hickory =
        Hickory::builder([lossy.address]).with_limits(waiting(BRIEF * 4, 3)).build().unwrap();
    let found = hickory.lookup(&lookup("t.example.test", Mode::Recursive)).await.unwrap();
    assert_eq!(texts(&found), ["yes"]);

    let refuses = Fake::new(|_, answer| {
        answer.metadata.response_code = ResponseCode::Refused;
    })
    .await;
    let hickory = Hickory::builder([refuses.address, lossy.address]).with_limits(patient());
    let hickory = hickory.build().unwrap();
    let found = hickory.lookup(&lookup("t.example.test", Mode::Recursive)).await.unwrap();
    assert_eq!(texts(&found), ["yes"]);
}

#[tokio::test]
async fn records_of_other_owners_and_types_do_not_count() {
    for mode in MODES {
        let answer = answer(mode, |_, answer| {
            answer.add_answer(txt("other.example.test.", "no"));
            answer.add_answer(txt("example.test.", "no"));
            answer.add_answer(a("t.example.test.", 1));
            answer.add_additional(txt("t.example.test.", "no"));
            answer.add_authority(soa("test.", 7));
            answer.add_authority(soa("other.test.", 1));
        })
        .await;
        let negative_ttl = Some(Duration::from_secs(7));
        assert_eq!(answer.outcome, Outcome::NoData { negative_ttl }, "{mode:?}");
    }
}

#[tokio::test]
async fn aliases_are_followed_recorded_and_end() {
    for mode in MODES {
        let found = answer(mode, |question, answer| {
            if asked(question, "t.example.test.") {
                answer.add_answer(cname("t.example.test.", "u.example.test."));
            } else {
                answer.add_answer(txt("U.example.test.", "yes"));
            }
        })
        .await;
        assert_eq!(texts(&found), ["yes"]);
        assert_eq!(found.chain, ["u.example.test".parse().unwrap()]);

        let gone = answer(mode, |_, answer| {
            answer.metadata.response_code = ResponseCode::NXDomain;
            answer.add_answer(cname("t.example.test.", "u.example.test."));
        })
        .await;
        // The authoritative mode asks for the target, and hears of an alias of another name.
        assert_eq!(gone.outcome, Outcome::NxDomain { negative_ttl: None }, "{mode:?}");
        assert_eq!(gone.chain, ["u.example.test".parse().unwrap()]);

        let round = answer(mode, |_, answer| {
            answer.add_answer(cname("t.example.test.", "u.example.test."));
            answer.add_answer(cname("u.example.test.", "T.example.test."));
        })
        .await;
        assert_eq!(round.outcome, Outcome::Failed(Failure::Chain));

        let endless = answer(mode, |question, answer| {
            let owner = question.queries[0].name.clone();
            let target = owner.prepend_label("x").unwrap();
            answer.add_answer(Record::from_rdata(owner, 1, RData::CNAME(CNAME(target))));
        })
        .await;
        assert_eq!(endless.outcome, Outcome::Failed(Failure::Chain));
        assert_eq!(endless.chain.len(), Lookup::MAX_CHAIN);

        let failing = answer(mode, |question, answer| {
            if question.queries[0].query_type == hickory_proto::rr::RecordType::CNAME {
                answer.add_answer(cname("t.example.test.", "u.example.test."));
                answer.add_answer(cname("u.example.test.", "t.example.test."));
            } else {
                answer.metadata.response_code = ResponseCode::ServFail;
            }
        })
        .await;
        let failure = if mode == Mode::Recursive { Failure::Chain } else { Failure::ServFail };
        assert_eq!(failing.outcome, Outcome::Failed(failure));

        let two = answer(mode, |_, answer| {
            answer.add_answer(cname("t.example.test.", "u.example.test."));
            answer.add_answer(cname("t.example.test.", "v.example.test."));
        })
        .await;
        assert_eq!(two.outcome, Outcome::Failed(Failure::ServFail));
    }
}

#[tokio::test]
async fn an_answer_is_complete_or_none() {
    for mode in MODES {
        let full = answer(mode, |_, answer| {
            for number in 0..Lookup::MAX_RECORDS {
                answer.add_answer(txt("t.example.test.", &number.to_string()));
                answer.add_answer(txt("t.example.test.", &number.to_string()));
            }
        })
        .await;
        assert_eq!(texts(&full).len(), Lookup::MAX_RECORDS);
        let more = answer(mode, |_, answer| {
            for number in 0..=Lookup::MAX_RECORDS {
                answer.add_answer(txt("t.example.test.", &number.to_string()));
            }
        })
        .await;
        assert_eq!(more.outcome, Outcome::Failed(Failure::Oversize));
        let long = answer(mode, |_, answer| {
            for number in 0..60 {
                answer.add_answer(txt("t.example.test.", &format!("{number} {}", "x".repeat(250))));
            }
        })
        .await;
        assert_eq!(texts(&long).len(), 60);
        let longer = answer(mode, |_, answer| {
            for number in 0..64 {
                let strings = vec![number.to_string(), "x".repeat(255)];
                let owner = "t.example.test.";
                answer.add_answer(record(owner, RData::TXT(TXT::new(strings))));
            }
        })
        .await;
        assert_eq!(longer.outcome, Outcome::Failed(Failure::Oversize));
    }
}

#[tokio::test]
async fn failed_validation_is_bogus_by_the_word_of_the_server_or_by_trial() {
    let told = answer(Mode::Recursive, |_, answer| {
        answer.metadata.response_code = ResponseCode::ServFail;
        let mut edns = Edns::new();
        edns.options_mut().insert(EdnsOption::Unknown(15, vec![0, 6, b'x']));
        answer.set_edns(edns);
    })
    .await;
    assert_eq!(told.outcome, Outcome::Failed(Failure::Bogus));

    let found_out = answer(Mode::Recursive, |question, answer| {
        if question.metadata.checking_disabled {
            answer.add_answer(txt("t.example.test.", "forged"));
        } else {
            answer.metadata.response_code = ResponseCode::ServFail;
        }
    })
    .await;
    assert_eq!(found_out.outcome, Outcome::Failed(Failure::Bogus));

    let passing = AtomicU32::new(0);
    let passed = answer(Mode::Recursive, move |_, answer| {
        if passing.fetch_add(1, Ordering::Relaxed) == 0 {
            answer.metadata.response_code = ResponseCode::ServFail;
        } else {
            answer.add_answer(txt("t.example.test.", "yes"));
        }
    })
    .await;
    assert_eq!(texts(&passed), ["yes"]);
}

#[tokio::test]
async fn the_ad_bit_counts_only_where_it_is_trusted() {
    let server = Fake::new(|_, answer| {
        answer.metadata.authentic_data = true;
        answer.add_answer(txt("t.example.test.", "yes"));
    })
    .await;
    let builder = Hickory::builder([server.address])
        .with_limits(patient())
        .with_zone("example.test".parse().unwrap(), [server.address]);
    for (hickory, mode, authenticated) in [
        (builder.clone(), Mode::Recursive, false),
        (builder.clone().with_trusted_ad(), Mode::Recursive, true),
        (builder.clone().with_trusted_ad_from([server.address.ip()]), Mode::Recursive, true),
        (builder.clone().with_trusted_ad_from([[192, 0, 2, 1].into()]), Mode::Recursive, false),
        (builder.with_trusted_ad(), Mode::Authoritative, false),
    ] {
        let answer =
            hickory.build().unwrap().lookup(&lookup("t.example.test", mode)).await.unwrap();
        assert_eq!(answer.authenticated, authenticated, "{mode:?}");
    }
}

#[tokio::test]
async fn a_server_without_authority_is_lame() {
    let unauthoritative = answer(Mode::Authoritative, |_, answer| {
        answer.metadata.authoritative = false;
        answer.add_answer(txt("t.example.test.", "cached"));
    })
    .await;
    assert_eq!(unauthoritative.outcome, Outcome::Failed(Failure::Lame));

    for up in [".", "test.", "example.test.", "other.test.", "u.t.example.test."] {
        for mode in MODES {
            let referred = answer(mode, move |_, answer| {
                answer.metadata.authoritative = false;
                answer.add_authority(ns(up, "ns.example.test."));
                answer.add_additional(a("ns.example.test.", 1));
            })
            .await;
            assert_eq!(referred.outcome, Outcome::Failed(Failure::Lame), "{up}");
        }
    }
}

#[tokio::test]
async fn nobody_to_ask_is_an_error_about_ourselves() {
    let zone: DnsName = "example.test".parse().unwrap();
    for builder in [Hickory::builder([]), Hickory::builder([]).with_zone(zone.clone(), [])] {
        assert_eq!(builder.build().unwrap_err().kind(), ErrorKind::Invalid);
    }
    let server = Fake::new(|_, _| {}).await;
    let hickory = Hickory::builder([]).with_zone(zone, [server.address]).build().unwrap();
    for (name, mode) in
        [("t.example.test", Mode::Recursive), ("t.elsewhere.test", Mode::Authoritative)]
    {
        let error = hickory.lookup(&lookup(name, mode)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}

#[test]
fn limits_outside_of_their_ranges_are_refused() {
    let build = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        Hickory::builder([([127, 0, 0, 1], 53).into()]).with_limits(limits).build()
    };
    for good in [
        (|_| {}) as fn(&mut Limits),
        |limits| limits.rate = None,
        |limits| limits.rate = Some(1000),
        |limits| limits.failure_most = limits.failure,
    ] {
        assert!(build(good).is_ok());
    }
    for bad in [
        (|limits| limits.deadline = Duration::ZERO) as fn(&mut Limits),
        |limits| limits.deadline = Duration::MAX,
        |limits| limits.query = Duration::ZERO,
        |limits| limits.tries = 0,
        |limits| limits.servers = 17,
        |limits| limits.questions = 65,
        |limits| limits.failure = Duration::from_millis(999),
        |limits| limits.failure_most = Duration::from_secs(301),
        |limits| limits.failure = limits.failure_most * 2,
        |limits| limits.rate = Some(0),
    ] {
        let error = build(bad).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("the limit `"), "{error}");
    }
}

/// Looks up TXT of `t.example.test` at several servers of its zone.
async fn together(servers: &[&Fake]) -> Outcome {
    together_by(Agreement::One, servers).await.outcome
}

async fn together_by(agreement: Agreement, servers: &[&Fake]) -> Answer {
    let addresses = servers.iter().map(|server| server.address);
    let hickory = Hickory::builder([])
        .with_limits(waiting(BRIEF * 4, 1))
        .with_agreement(agreement)
        .with_zone("example.test".parse().unwrap(), addresses)
        .build()
        .unwrap();
    hickory.lookup(&lookup("t.example.test", Mode::Authoritative)).await.unwrap()
}

#[tokio::test]
async fn servers_of_a_zone_agree_or_there_is_no_answer() {
    let says = |texts: &'static [&'static str], ttl: u32| {
        Fake::new(move |_, answer| {
            for text in texts {
                let mut record = txt("t.example.test.", text);
                record.ttl = ttl;
                answer.add_answer(record);
            }
        })
    };
    let one = says(&["a", "b"], 1).await;
    let same = says(&["b", "a", "a"], 2).await;
    let less = says(&["a"], 1).await;
    let other = says(&["a", "c"], 1).await;
    let nothing = says(&[], 1).await;
    let silent = Fake::raw(|_, _| Vec::new()).await;
    let refuses = Fake::new(|_, answer| {
        answer.metadata.response_code = ResponseCode::Refused;
    })
    .await;
    let lame = Fake::new(|_, answer| {
        answer.metadata.authoritative = false;
    })
    .await;
    assert!(
        matches!(together(&[&one, &same]).await, Outcome::Answer(records) if records.len() == 2)
    );
    assert!(matches!(together(&[&silent, &refuses, &one, &lame]).await, Outcome::Answer(_)));
    for differs in [&less, &other, &nothing] {
        for pair in [[&one, differs], [differs, &one]] {
            assert_eq!(together(&pair).await, Outcome::Failed(Failure::Disagreement));
        }
    }
    assert_eq!(together(&[&silent, &silent]).await, Outcome::Timeout);
    assert_eq!(together(&[&refuses, &silent]).await, Outcome::Failed(Failure::Refused));
    assert_eq!(together(&[&silent, &lame]).await, Outcome::Failed(Failure::Lame));

    for (agreement, servers, is_enough) in [
        (Agreement::Half, vec![&silent, &one], true),
        (Agreement::Half, vec![&one, &lame, &same], true),
        (Agreement::Half, vec![&one, &silent, &lame], false),
        (Agreement::One, vec![&one, &silent, &lame], true),
        (Agreement::All, vec![&one, &lame], false),
        (Agreement::All, vec![&one, &same], true),
    ] {
        let answer = together_by(agreement, &servers).await;
        assert_eq!(matches!(answer.outcome, Outcome::Answer(_)), is_enough, "{answer:?}");
        assert!(is_enough || answer.outcome == Outcome::Failed(Failure::Lame), "{answer:?}");
    }

    let notauth = Fake::new(|_, answer| {
        answer.metadata.response_code = ResponseCode::NotAuth;
    })
    .await;
    let fails = Fake::new(|_, answer| {
        answer.metadata.response_code = ResponseCode::ServFail;
    })
    .await;
    let servers = [&silent, &refuses, &notauth, &fails, &lame, &one, &same, &other];
    let answer = together_by(Agreement::One, &servers).await;
    let statuses: HashMap<_, _> =
        answer.servers.iter().map(|report| (report.address, report.status)).collect();
    use ServerStatus as S;
    let expected = [
        S::Timeout,
        S::Refused,
        S::NotAuth,
        S::ServFail,
        S::Lame,
        S::Agrees,
        S::Agrees,
        S::Differs,
    ];
    assert_eq!(statuses.len(), servers.len());
    for (server, status) in servers.iter().zip(expected) {
        assert_eq!(statuses.get(&Some(server.address)), Some(&status), "{answer:?}");
    }
}

/// A parent at 127.0.0.1, and what stands at the addresses after it. The parent delegates
/// `example.test` to what `delegate` adds.
async fn delegated(
    delegate: impl Fn(&mut Message) + Send + Sync + 'static,
    below: Vec<Box<Respond>>,
) -> (Vec<Fake>, HickoryBuilder) {
    let parent: Box<Respond> = Box::new(move |_, answer| {
        answer.metadata.authoritative = false;
        delegate(answer);
    });
    let servers = Fake::row([vec![parent], below].into_iter().flatten().collect()).await;
    let builder = Hickory::builder([])
        .with_limits(patient())
        .with_zone("test".parse().unwrap(), [servers[0].address])
        .with_name_server_port(servers[0].address.port());
    (servers, builder)
}

fn yes() -> Box<Respond> {
    Box::new(|_, answer| {
        answer.add_answer(txt("t.example.test.", "yes"));
    })
}

#[tokio::test]
async fn delegations_are_followed_to_the_servers_that_the_parent_names() {
    let delegate = |answer: &mut Message| {
        answer.add_authority(ns("example.test.", "ns.example.test."));
        answer.add_additional(a("ns.example.test.", 2));
        answer.add_additional(a("other.example.test.", 1));
    };
    let (_servers, builder) = delegated(delegate, vec![yes()]).await;
    let question = lookup("t.example.test", Mode::Authoritative);
    let hickory = builder.clone().with_private_name_servers().build().unwrap();
    assert_eq!(texts(&hickory.lookup(&question).await.unwrap()), ["yes"]);

    // Addresses of our own network are not asked unless told.
    let answer = builder.build().unwrap().lookup(&question).await.unwrap();
    assert_eq!(answer.outcome, Outcome::Failed(Failure::Lame));
    let name = Some("ns.example.test".parse().unwrap());
    assert_eq!(answer.servers, [ServerReport::new(ServerStatus::Unresolved).with_name(name)]);
}

#[tokio::test]
async fn addresses_that_the_parent_has_no_say_in_are_looked_up() {
    let delegate = |answer: &mut Message| {
        answer.add_authority(ns("example.test.", "ns.elsewhere.invalid."));
        answer.add_additional(a("ns.elsewhere.invalid.", 2));
    };
    let no: Box<Respond> = Box::new(|_, answer| {
        answer.add_answer(txt("t.example.test.", "no"));
    });
    let (servers, builder) = delegated(delegate, vec![no, yes()]).await;
    let recursive = Fake::new(|question, answer| {
        assert!(question.metadata.recursion_desired);
        if asked(question, "ns.elsewhere.invalid.") && question.queries[0].query_type == 1.into() {
            answer.add_answer(a("ns.elsewhere.invalid.", 3));
        }
    })
    .await;
    let builder = builder.with_private_name_servers();
    let question = lookup("t.example.test", Mode::Authoritative);
    let answer = builder.clone().build().unwrap().lookup(&question).await.unwrap();
    assert_eq!(answer.outcome, Outcome::Failed(Failure::Lame));
    let hickory = Hickory::builder([recursive.address])
        .with_zone("test".parse().unwrap(), [servers[0].address])
        .with_name_server_port(servers[0].address.port())
        .with_private_name_servers()
        .build()
        .unwrap();
    assert_eq!(texts(&hickory.lookup(&question).await.unwrap()), ["yes"]);
    drop(servers);
}

#[tokio::test]
async fn the_top_level_domain_comes_from_the_recursive_server() {
    let (servers, _) = delegated(
        |answer| {
            answer.add_authority(ns("example.test.", "ns.example.test."));
            answer.add_additional(a("ns.example.test.", 2));
        },
        vec![yes()],
    )
    .await;
    let recursive = Fake::new(|question, answer| {
        if asked(question, "test.") {
            answer.add_answer(ns("test.", "ns.test."));
        } else if asked(question, "ns.test.") && question.queries[0].query_type == 1.into() {
            answer.add_answer(a("ns.test.", 1));
        } else if asked(question, "invalid.") {
            answer.metadata.response_code = ResponseCode::NXDomain;
        }
    })
    .await;
    let hickory = Hickory::builder([recursive.address])
        .with_limits(patient())
        .with_name_server_port(servers[0].address.port())
        .with_private_name_servers()
        .build()
        .unwrap();
    let found = hickory.lookup(&lookup("t.example.test", Mode::Authoritative)).await.unwrap();
    assert_eq!(texts(&found), ["yes"]);
    let nobody = hickory.lookup(&lookup("t.invalid", Mode::Authoritative)).await.unwrap();
    assert_eq!(nobody.outcome, Outcome::NxDomain { negative_ttl: None });
}

#[tokio::test]
async fn a_delegation_without_end_ends() {
    // Each server delegates to itself, one label further down.
    let server = Fake::new(|question, answer| {
        answer.metadata.authoritative = false;
        let asked = question.queries[0].name.clone();
        let zones = (2..=asked.num_labels()).map(|labels| asked.trim_to(labels.into()));
        for zone in zones {
            let server = zone.prepend_label("ns").unwrap();
            let address = RData::A(A::new(127, 0, 0, 1));
            answer.add_additional(Record::from_rdata(server.clone(), 1, address));
            answer.add_authority(Record::from_rdata(zone, 1, RData::NS(NS(server))));
        }
    })
    .await;
    let hickory = Hickory::builder([])
        .with_limits(patient())
        .with_zone("test".parse().unwrap(), [server.address])
        .with_name_server_port(server.address.port())
        .with_private_name_servers()
        .build()
        .unwrap();
    let deep = format!("{}example.test", "x.".repeat(100));
    let answer = hickory.lookup(&lookup(&deep, Mode::Authoritative)).await.unwrap();
    // Not `Lame`: it is we who stop.
    assert_eq!(answer.outcome, Outcome::Failed(Failure::ServFail));
}

#[tokio::test]
async fn what_the_system_has_can_be_added_to() {
    let server = Fake::new(|_, answer| {
        answer.add_answer(txt("t.example.test.", "yes"));
    })
    .await;
    let builder = match Hickory::system_builder() {
        Ok(builder) => builder,
        Err(error) => {
            assert!(!std::path::Path::new("/etc/resolv.conf").exists(), "{error}");
            return;
        }
    };
    let hickory =
        builder.with_zone("example.test".parse().unwrap(), [server.address]).build().unwrap();
    let found = hickory.lookup(&lookup("t.example.test", Mode::Authoritative)).await.unwrap();
    assert_eq!(texts(&found), ["yes"]);
}

#[test]
fn servers_are_read_from_a_resolv_conf() {
    let text = "# nameserver 192.0.2.9\nsearch example.test\n nameserver 192.0.2.1\n\
                nameserver 2001:db8::1 \noptions edns0\nnameserver fe80::1%eth0\nnameserver\n";
    let servers = recursive::name_servers(text);
    assert_eq!(servers, ["192.0.2.1:53".parse().unwrap(), "[2001:db8::1]:53".parse().unwrap()]);
    assert_eq!(recursive::name_servers(""), ["127.0.0.1:53".parse().unwrap()]);
    assert!(recursive::name_servers(&"nameserver 192.0.2.1\n".repeat(100)).len() <= 8);
}
