use hickory_proto::{
    op::{Edns, Message, MessageType, ResponseCode},
    rr::{
        DNSClass, Name, RData, Record,
        rdata::{A, opt::EdnsOption},
    },
};

use super::{Over as Channel, *};
use crate::{
    clock::TokioTimer,
    record::RecordData,
    transport::dns::fake::{Fake, Over, respond},
};

/// Longer than any answer on loopback takes.
const PATIENT: Duration = Duration::from_secs(20);

/// For questions that get no answer.
const BRIEF: Duration = Duration::from_millis(50);

/// A gate that everything passes.
struct Open;

impl Gate for Open {
    type Pass = ();

    async fn pass(&self, _: SocketAddr) -> Result<(), NoReply> {
        Ok(())
    }
}

async fn ask(server: SocketAddr, question: &Question, wait: Duration) -> Result<Reply, NoReply> {
    super::ask(server, question, &Terms { timer: &TokioTimer, wait, gate: &Open }).await
}

fn question() -> Question {
    Question {
        name: "host.example.test".parse().unwrap(),
        record_type: RecordType::A,
        recursion: Recursion::Off,
    }
}

/// Returns the right answer.
fn right(question: &Message) -> Message {
    let mut answer = respond(question);
    let name = question.queries[0].name.clone();
    answer.add_answer(Record::from_rdata(name, 60, RData::A(A::new(192, 0, 2, 1))));
    answer
}

fn octets(message: &Message) -> Vec<u8> {
    message.to_vec().unwrap()
}

fn is_right(reply: &Reply) -> bool {
    reply.answers.len() == 1
        && reply.answers[0].data == Some(RecordData::A(Ipv4Addr::new(192, 0, 2, 1)))
}

/// What an attacker who cannot see the question, or a confused server, may send before the answer.
fn strays(question: &Message) -> Vec<Vec<u8>> {
    let wrong = |change: fn(&mut Message)| {
        let mut message = right(question);
        change(&mut message);
        octets(&message)
    };
    vec![
        Vec::new(),
        vec![0],
        vec![0xff; 11],
        vec![0xff; 600],
        wrong(|message| message.metadata.id = message.metadata.id.wrapping_add(1)),
        wrong(|message| message.metadata.message_type = MessageType::Query),
        wrong(|message| message.metadata.op_code = OpCode::Notify),
        wrong(|message| {
            message.queries[0].name = Name::from_ascii("other.example.test.").unwrap();
        }),
        wrong(|message| message.queries[0].query_type = 28.into()),
        wrong(|message| message.queries[0].query_class = DNSClass::CH),
    ]
}

#[tokio::test]
async fn what_does_not_belong_to_the_question_is_passed_over() {
    let server = Fake::raw(|question, _| {
        let mut sent = strays(question);
        sent.push(octets(&right(question)));
        sent
    })
    .await;
    assert!(is_right(&ask(server.address, &question(), PATIENT).await.unwrap()));
}

#[tokio::test]
async fn only_strays_are_silence() {
    for index in 0..10 {
        let server = Fake::raw(move |question, _| vec![strays(question).swap_remove(index)]).await;
        let reply = ask(server.address, &question(), BRIEF).await;
        assert!(matches!(reply, Err(NoReply::Silence)), "{index}: {reply:?}");
    }
}

#[tokio::test]
async fn a_flood_of_strays_ends() {
    let server = Fake::raw(|_, _| vec![vec![0xff; 20]; 100]).await;
    let reply = ask(server.address, &question(), PATIENT).await;
    assert!(matches!(reply, Err(NoReply::Silence)), "{reply:?}");
}

#[tokio::test]
async fn nobody_there_is_silence() {
    let server = Fake::raw(|_, _| Vec::new()).await;
    let reply = ask(server.address, &question(), BRIEF).await;
    assert!(matches!(reply, Err(NoReply::Silence)), "{reply:?}");
    let address = server.address;
    drop(server);
    let reply = ask(address, &question(), BRIEF).await;
    assert!(matches!(reply, Err(NoReply::Silence)), "{reply:?}");
}

/// Answers of the right id that cannot be used.
fn broken(question: &Message) -> Vec<Vec<u8>> {
    let mut truncated = right(question);
    truncated.metadata.truncation = true;
    let mut lower = right(question);
    lower.queries[0].name = Name::from_ascii("HOST.example.TEST.").unwrap();
    if lower.queries[0].name.eq_case(&question.queries[0].name) {
        lower.queries[0].name = Name::from_ascii("host.EXAMPLE.test.").unwrap();
    }
    let mut two = right(question);
    two.add_query(two.queries[0].clone());
    let mut none = right(question);
    none.queries.clear();
    let header = |questions: u16, answers: u16, rest: &[u8]| {
        let mut octets = question.metadata.id.to_be_bytes().to_vec();
        octets.extend([0x84, 0x00]);
        for count in [questions, answers, 0, 0] {
            octets.extend(count.to_be_bytes());
        }
        octets.extend(rest);
        octets
    };
    let mut cut = octets(&right(question));
    cut.truncate(cut.len() - 20);
    vec![
        octets(&truncated),
        octets(&lower),
        octets(&two),
        octets(&none),
        cut,
        // Pointers of a name to itself, to what follows, and to another that leads back.
        header(1, 0, &[0xc0, 12, 0, 1, 0, 1]),
        header(1, 0, &[0xc0, 40, 0, 1, 0, 1]),
        header(1, 0, &[0xc0, 14, 0xc0, 12, 0, 1, 0, 1]),
        // More than there is.
        header(0xffff, 0, &[]),
        header(0, 0xffff, &[]),
        // A label that is longer than a label can be.
        header(1, 0, &[0x7f; 200]),
    ]
}

#[tokio::test]
async fn what_is_cut_off_or_odd_over_udp_is_asked_again_over_tcp() {
    for index in 0..11 {
        let server = Fake::raw(move |question, over| match over {
            Over::Udp => vec![broken(question).swap_remove(index)],
            Over::Tcp => vec![octets(&right(question))],
        })
        .await;
        let reply = ask(server.address, &question(), PATIENT).await;
        assert!(reply.as_ref().is_ok_and(is_right), "{index}: {reply:?}");
    }
}

#[tokio::test]
async fn what_is_odd_over_tcp_too_is_garbage_and_never_an_answer() {
    // All but the name in another case, which some servers cannot help.
    for index in (0..11).filter(|index| *index != 1) {
        let server = Fake::raw(move |question, _| vec![broken(question).swap_remove(index)]).await;
        let reply = ask(server.address, &question(), PATIENT).await;
        assert!(matches!(reply, Err(NoReply::Garbage)), "{index}: {reply:?}");
    }
}

#[tokio::test]
async fn an_answer_that_was_cut_off_and_nothing_over_tcp_is_garbage() {
    let server = Fake::raw(|question, over| match over {
        Over::Udp => vec![broken(question).swap_remove(0)],
        Over::Tcp => Vec::new(),
    })
    .await;
    let reply = ask(server.address, &question(), BRIEF).await;
    assert!(matches!(reply, Err(NoReply::Garbage)), "{reply:?}");
}

#[tokio::test]
async fn a_server_without_edns_is_asked_without_it() {
    for code in [ResponseCode::FormErr, ResponseCode::NotImp] {
        let server = Fake::raw(move |question, _| {
            if question.edns.is_none() {
                return vec![octets(&right(question))];
            }
            let mut answer = Message::error_msg(question.metadata.id, OpCode::Query, code);
            answer.metadata.message_type = MessageType::Response;
            vec![octets(&answer)]
        })
        .await;
        assert!(is_right(&ask(server.address, &question(), PATIENT).await.unwrap()), "{code}");
    }
}

#[tokio::test]
async fn a_question_says_what_is_wanted() {
    for (recursion, bits) in [
        (Recursion::Off, (false, false, false)),
        (Recursion::On, (true, false, true)),
        (Recursion::Unchecked, (true, true, false)),
    ] {
        let server = Fake::raw(move |question, _| {
            let asked = &question.metadata;
            let seen = (asked.recursion_desired, asked.checking_disabled, asked.authentic_data);
            let payload = question.edns.as_ref().map(Edns::max_payload);
            assert_eq!((seen, payload), (bits, Some(1232)));
            vec![octets(&right(question))]
        })
        .await;
        let question = Question { recursion, ..question() };
        assert!(is_right(&ask(server.address, &question, PATIENT).await.unwrap()));
    }
}

#[tokio::test]
async fn a_server_that_keeps_no_case_is_believed_over_tcp() {
    let server = Fake::raw(|question, _| vec![broken(question).swap_remove(1)]).await;
    assert!(is_right(&ask(server.address, &question(), PATIENT).await.unwrap()));
}

/// The right answer, with this cookie.
fn with_cookie(question: &Message, change: impl Fn(&mut Vec<u8>)) -> Message {
    let mut answer = right(question);
    let mut cookie = convert::option(question.edns.as_ref().unwrap(), COOKIE).unwrap().to_vec();
    change(&mut cookie);
    let mut edns = Edns::new();
    edns.options_mut().insert(EdnsOption::Unknown(COOKIE, cookie));
    answer.set_edns(edns);
    answer
}

#[tokio::test]
async fn an_answer_with_a_cookie_that_is_not_ours_does_not_count() {
    for (change, counts) in [
        (|cookie: &mut Vec<u8>| cookie.extend([1; 8]), true),
        (|cookie| cookie[7] ^= 1, false),
        (|cookie| cookie.truncate(7), false),
    ] as [(fn(&mut Vec<u8>), bool); 3]
    {
        for over in [Over::Udp, Over::Tcp] {
            let server = Fake::raw(move |question, via| {
                if via == over {
                    return vec![octets(&with_cookie(question, change))];
                }
                vec![broken(question).swap_remove(0)]
            })
            .await;
            let reply = ask(server.address, &question(), BRIEF).await;
            assert_eq!(reply.as_ref().is_ok_and(is_right), counts, "{over:?}: {reply:?}");
        }
    }
}

#[tokio::test]
async fn a_server_that_wants_its_cookie_is_asked_over_tcp() {
    let server = Fake::raw(|question, over| {
        let mut answer = with_cookie(question, |cookie| cookie.extend([1; 8]));
        if over == Over::Udp {
            answer.answers.clear();
            answer.metadata.response_code = ResponseCode::BADCOOKIE;
        }
        vec![octets(&answer)]
    })
    .await;
    assert!(is_right(&ask(server.address, &question(), PATIENT).await.unwrap()));
}

#[tokio::test]
async fn every_message_passes_the_gate() {
    struct Paid(std::sync::atomic::AtomicU32);

    impl Gate for Paid {
        type Pass = ();

        async fn pass(&self, _: SocketAddr) -> Result<(), NoReply> {
            let left = self.0.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
            if left == 0 { Err(NoReply::Spent) } else { Ok(()) }
        }
    }

    // Two messages each without EDNS and with it: one is cut off, one is whole.
    for (paid, passes) in [(0, false), (1, false), (2, false), (3, false), (4, true)] {
        let server = Fake::raw(|question, over| match over {
            Over::Udp => vec![broken(question).swap_remove(0)],
            Over::Tcp if question.edns.is_none() => vec![octets(&right(question))],
            Over::Tcp => {
                let id = question.metadata.id;
                let mut answer = Message::error_msg(id, OpCode::Query, ResponseCode::FormErr);
                answer.metadata.message_type = MessageType::Response;
                vec![octets(&answer)]
            }
        })
        .await;
        let gate = Paid(paid.into());
        let terms = Terms { timer: &TokioTimer, wait: PATIENT, gate: &gate };
        let reply = super::ask(server.address, &question(), &terms).await;
        assert_eq!(reply.is_ok(), passes, "{reply:?}");
        assert!(passes || matches!(reply, Err(NoReply::Spent)), "{reply:?}");
    }
}

#[test]
fn what_does_not_belong_to_the_question_is_stray_whatever_carries_it() {
    let request = Request::new(&question(), Edns0::Sent).unwrap();
    let asked = Message::from_vec(&request.octets).unwrap();
    for over in [Channel::Udp, Channel::Tcp] {
        assert!(request.read(&octets(&right(&asked)), over).is_ok());
        for stray in strays(&asked) {
            assert_eq!(request.read(&stray, over).err(), Some(Unfit::Stray));
        }
    }
}

#[test]
fn ids_cookies_and_the_case_of_names_vary() {
    let requests: Vec<_> =
        (0..16).map(|_| Request::new(&question(), Edns0::Sent).unwrap()).collect();
    assert!(requests.iter().any(|request| request.id != requests[0].id));
    assert!(requests.iter().any(|request| request.cookie != requests[0].cookie));
    assert!(requests.iter().any(|request| request.name != requests[0].name));
}
