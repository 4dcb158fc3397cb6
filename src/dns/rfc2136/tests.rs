use hickory_proto::{
    op::{MessageType, OpCode, Query},
    rr::{DNSClass, Record, TSigResponseContext, rdata::tsig::TsigError},
};
use proptest::prelude::*;

use super::*;
use crate::{clock::ManualClock, secret::Secret, transport::dns::fake::Fake};

const MARKER: &str = "bWFya2VyIG9mIHRoZSBzZWNyZXQ=";

fn key() -> TsigKey {
    let name = "key.example".parse().unwrap();
    TsigKey::from_base64(name, TsigAlgorithm::HmacSha256, MARKER).unwrap()
}

fn zone() -> DnsName {
    "example.test".parse().unwrap()
}

fn provider(server: SocketAddr) -> Rfc2136 {
    Rfc2136::builder(server, key())
        .with_zones([zone(), "deep.example.test".parse().unwrap()])
        .with_timeout(Duration::from_secs(20))
        .with_clock(Arc::new(SystemClock))
        .build()
}

fn set(owner: &str, record_type: RecordType, data: &[&str]) -> RecordSet {
    let data = data.iter().map(|data| RecordData::parse(record_type, data).unwrap());
    RecordSet::new(owner.parse().unwrap(), Ttl::MINUTE, data).unwrap()
}

fn change(before: Option<RecordSet>, after: Option<RecordSet>) -> SetChange {
    SetChange::new(before, after).unwrap()
}

fn added() -> ChangeSet {
    change(None, Some(set("t.example.test", RecordType::Txt, &["one"]))).into()
}

fn signer(secret: &[u8]) -> TSigner {
    let name = to_name(&"key.example".parse().unwrap()).unwrap();
    let algorithm = TsigAlgorithm::HmacSha256.to_wire();
    TSigner::new(secret.to_vec(), algorithm, name, FUDGE).unwrap()
}

/// Returns a signed answer as a server with this key and clock gives it.
fn signed(question: &Message, code: ResponseCode, secret: &[u8], time: u64) -> Vec<u8> {
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    answer.metadata.response_code = code;
    answer.metadata.authoritative = true;
    answer.add_query(question.queries[0].clone());
    let octets = answer.to_vec().unwrap();
    let mac = question.signature().unwrap().data.mac.clone();
    let context = TSigResponseContext::new(question.metadata.id, time, signer(secret), mac, None);
    answer.set_signature(context.sign(&octets).unwrap());
    answer.to_vec().unwrap()
}

fn unsigned(question: &Message, code: ResponseCode) -> Vec<u8> {
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    answer.metadata.response_code = code;
    answer.add_query(question.queries[0].clone());
    answer.to_vec().unwrap()
}

fn now() -> u64 {
    u64::try_from(SystemClock.now().timestamp()).unwrap()
}

/// Returns what becomes of a write and of a read at a server that answers so.
async fn kinds(
    answer: impl Fn(&Message) -> Vec<Vec<u8>> + Send + Sync + 'static,
) -> (ErrorKind, ErrorKind) {
    let server = Fake::raw(move |question, _| answer(question)).await;
    let dns = provider(server.address);
    let write = dns.apply(&zone(), &added()).await.unwrap_err();
    let read = dns.record_set(&zone(), &zone(), RecordType::Txt).await.unwrap_err();
    for error in [&write, &read] {
        assert!(!format!("{error} {error:?}").contains(MARKER));
    }
    (write.kind(), read.kind())
}

const SECRET: &[u8] = b"marker of the secret";

/// The update may have happened; the question did not.
const LOST: (ErrorKind, ErrorKind) = (ErrorKind::Unknown, ErrorKind::Unavailable);

#[tokio::test]
async fn a_signed_answer_counts() {
    let server = Fake::raw(|question, _| {
        assert_eq!(question.metadata.op_code, OpCode::Update);
        vec![signed(question, ResponseCode::NoError, SECRET, now())]
    })
    .await;
    let applied = provider(server.address).apply(&zone(), &added()).await.unwrap();
    assert!(matches!(applied[..], [Applied::Done]));
}

#[tokio::test]
async fn an_answer_that_is_not_signed_by_the_key_counts_for_nothing() {
    for code in [ResponseCode::NoError, ResponseCode::YXRRSet] {
        assert_eq!(kinds(move |question| vec![unsigned(question, code)]).await, LOST);
        assert_eq!(kinds(move |question| vec![signed(question, code, b"x", now())]).await, LOST);
        for time in [0, 1, 299, now() - 3600, now() + 3600, (1 << 48) - 1] {
            let answer = move |question: &Message| vec![signed(question, code, SECRET, time)];
            assert_eq!(kinds(answer).await, LOST, "{time}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_or_nonsense_leaves_it_open() {
    assert_eq!(kinds(|_| Vec::new()).await, LOST);
    assert_eq!(kinds(|_| vec![Vec::new()]).await, LOST);
    assert_eq!(kinds(|_| vec![vec![0xff; 100]]).await, LOST);
    let other = |question: &Message| {
        let mut octets = signed(question, ResponseCode::NoError, SECRET, now());
        octets[0] ^= 1;
        vec![octets]
    };
    assert_eq!(kinds(other).await, LOST);
    let failed = |question: &Message| vec![unsigned(question, ResponseCode::ServFail)];
    assert_eq!(kinds(failed).await, LOST);
    // The signature is there, but something follows it.
    let followed = |question: &Message| {
        let mut octets = signed(question, ResponseCode::NoError, SECRET, now());
        octets[11] += 1;
        octets.extend([0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
        vec![octets]
    };
    assert_eq!(kinds(followed).await, LOST);
}

#[tokio::test]
async fn a_server_that_says_no_says_so_for_both() {
    for (code, kind) in [
        (ResponseCode::Refused, ErrorKind::Denied),
        (ResponseCode::NotAuth, ErrorKind::NotFound),
        (ResponseCode::NotZone, ErrorKind::Invalid),
        (ResponseCode::NotImp, ErrorKind::Unsupported),
        (ResponseCode::FormErr, ErrorKind::Refused),
    ] {
        assert_eq!(kinds(move |question| vec![unsigned(question, code)]).await, (kind, kind));
    }
}

#[tokio::test]
async fn a_key_that_the_server_does_not_accept_is_denied_with_its_code() {
    for (error, code) in [
        (TsigError::BadSig, "BADSIG"),
        (TsigError::BadKey, "BADKEY"),
        (TsigError::BadTime, "BADTIME"),
        (TsigError::BadTrunc, "BADTRUNC"),
        (TsigError::Unknown(99), "TSIG error 99"),
    ] {
        let server = Fake::raw(move |question, _| {
            let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
            answer.metadata.response_code = ResponseCode::NotAuth;
            let mut signature = question.signature().unwrap().clone();
            signature.data.error = Some(error);
            signature.data.mac = Vec::new();
            answer.set_signature(Box::new(signature));
            vec![answer.to_vec().unwrap()]
        })
        .await;
        let denied = provider(server.address).apply(&zone(), &added()).await.unwrap_err();
        assert_eq!((denied.kind(), denied.code()), (ErrorKind::Denied, Some(code)));
    }
}

#[tokio::test]
async fn nothing_is_sent_for_what_is_not_ours() {
    let server = Fake::raw(|_, _| panic!("asked")).await;
    let dns = provider(server.address);
    let foreign: DnsName = "example.org".parse().unwrap();
    let deep: DnsName = "x.deep.example.test".parse().unwrap();
    let read = async |zone: &DnsName, name: &DnsName| {
        dns.record_set(zone, name, RecordType::A).await.unwrap_err().kind()
    };
    assert_eq!(read(&foreign, &foreign).await, ErrorKind::NotFound);
    assert_eq!(read(&zone(), &foreign).await, ErrorKind::Invalid);
    assert_eq!(read(&zone(), &deep).await, ErrorKind::Invalid);
    let outside = change(None, Some(set("example.org", RecordType::A, &["192.0.2.1"]))).into();
    assert_eq!(dns.apply(&zone(), &outside).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(dns.apply(&foreign, &outside).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(dns.apply(&zone(), &ChangeSet::default()).await.unwrap().is_empty());
    assert_eq!(dns.zone_of(&deep).await.unwrap().unwrap().as_str(), "deep.example.test");
    assert_eq!(dns.zone_of(&foreign).await.unwrap(), None);
}

#[test]
fn the_secret_is_never_shown() {
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let builder = Rfc2136::builder("192.0.2.1:53".parse().unwrap(), key()).with_clock(clock);
    let shown = format!("{:?} {builder:?} {:?}", key(), builder.clone().build());
    assert!(shown.contains("192.0.2.1") && shown.contains("redacted"), "{shown}");
    for form in [MARKER, "marker", &hex::encode(SECRET), &format!("{SECRET:?}")] {
        assert!(!shown.contains(form), "{shown}");
    }
    for bad in ["bWFya2VyIG9mIHRoZSBzZWNyZXQ", "marker!", "", "===="] {
        let error = TsigKey::from_base64(zone(), TsigAlgorithm::HmacSha256, bad).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(bad.is_empty() || !format!("{error} {error:?}").contains(bad));
    }
}

#[test]
fn names_of_algorithms_read_back() {
    for algorithm in
        [TsigAlgorithm::HmacSha256, TsigAlgorithm::HmacSha384, TsigAlgorithm::HmacSha512]
    {
        assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
        assert_eq!(format!("{algorithm}.").to_uppercase().parse(), Ok(algorithm));
        let dns = provider("192.0.2.1:53".parse().unwrap());
        let key = TsigKey::new(zone(), algorithm, Secret::new(SECRET.to_vec()));
        let mut message = message::no_change(&zone()).unwrap();
        Rfc2136 { key, ..dns }.sign(&mut message).unwrap();
        let name = message.signature().unwrap().data.algorithm.to_name();
        assert_eq!(name.to_ascii().trim_end_matches('.'), algorithm.as_str());
    }
    for other in ["", "hmac-md5", "hmac-sha1", "sha256", "hmac-sha256.."] {
        assert!(other.parse::<TsigAlgorithm>().is_err(), "{other}");
    }
}

/// Returns what a message demands and changes, in a notation like that of nsupdate.
fn written(changes: Vec<SetChange>) -> Vec<String> {
    let changes = ChangeSet::new(changes).unwrap();
    let presumed: Vec<_> = changes
        .iter()
        .map(|change| change.before().map_or(Vec::new(), |set| message::wire_data(set).unwrap()))
        .collect();
    let message = message::update(&zone(), &changes, &presumed).unwrap();
    assert_eq!(message.queries, [Query::query(to_name(&zone()).unwrap(), 6.into())]);
    assert_eq!(message.metadata.message_type, MessageType::Query);
    let line = |record: &Record, words: [&str; 3]| {
        let word = match record.dns_class {
            DNSClass::IN => words[0],
            DNSClass::ANY => words[1],
            DNSClass::NONE => words[2],
            other => panic!("{other}"),
        };
        let data = match &record.data {
            RData::Update0(_) => String::new(),
            data => format!(" {data}"),
        };
        format!("{word} {} {}{data}", record.name, record.record_type())
    };
    let demands = message.answers.iter().map(|record| line(record, ["is", "exists", "no"]));
    let updates = message.authorities.iter().map(|record| line(record, ["add", "clear", "drop"]));
    demands.chain(updates).collect()
}

#[test]
fn changes_become_one_update_that_demands_what_they_expect() {
    let t = "t.example.test";
    let one = set(t, RecordType::A, &["192.0.2.1"]);
    let two = set(t, RecordType::A, &["192.0.2.2", "192.0.2.3"]);
    let alias = set(t, RecordType::Cname, &["edge.example."]);
    assert_eq!(
        written(vec![change(None, Some(one.clone()))]),
        [
            "no t.example.test. A",
            "no t.example.test. CNAME",
            "clear t.example.test. A",
            "add t.example.test. A 192.0.2.1",
        ]
    );
    assert_eq!(
        written(vec![change(Some(two.clone()), Some(one.clone()))]),
        [
            "is t.example.test. A 192.0.2.2",
            "is t.example.test. A 192.0.2.3",
            "clear t.example.test. A",
            "add t.example.test. A 192.0.2.1",
        ]
    );
    assert_eq!(
        written(vec![change(Some(one.clone()), None)]),
        ["is t.example.test. A 192.0.2.1", "clear t.example.test. A",]
    );
    assert_eq!(
        written(vec![change(Some(one.clone()), Some(one.clone()))]),
        ["is t.example.test. A 192.0.2.1",]
    );
    assert_eq!(
        written(vec![change(None, Some(alias.clone()))]),
        [
            "no t.example.test. CNAME",
            "no t.example.test. ANY",
            "clear t.example.test. CNAME",
            "add t.example.test. CNAME edge.example.",
        ]
    );
    assert_eq!(
        written(vec![change(None, Some(one.clone())), change(Some(alias.clone()), None)]),
        [
            "is t.example.test. CNAME edge.example.",
            "no t.example.test. A",
            "clear t.example.test. CNAME",
            "clear t.example.test. A",
            "add t.example.test. A 192.0.2.1",
        ]
    );
    let becomes = written(vec![change(None, Some(alias)), change(Some(one), None)]);
    for needed in ["no t.example.test. TXT", "no t.example.test. MX", "no t.example.test. CAA"] {
        assert!(becomes.iter().any(|line| line == needed), "{becomes:?}");
    }
    for needless in ["no t.example.test. A", "no t.example.test. ANY", "no t.example.test. RRSIG"] {
        assert!(!becomes.iter().any(|line| line == needless), "{becomes:?}");
    }
}

#[test]
fn the_servers_of_a_zone_change_one_by_one() {
    let before = set("example.test", RecordType::Ns, &["a.example.", "b.example."]);
    let after = set("example.test", RecordType::Ns, &["b.example.", "c.example."]);
    assert_eq!(
        written(vec![change(Some(before), Some(after))]),
        [
            "is example.test. NS a.example.",
            "is example.test. NS b.example.",
            "add example.test. NS b.example.",
            "add example.test. NS c.example.",
            "drop example.test. NS a.example.",
        ]
    );
}

proptest! {
    #[test]
    fn no_damage_to_a_signed_answer_makes_the_verifier_panic(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let dns = provider("192.0.2.1:53".parse().unwrap());
        let mut question = message::no_change(&zone()).unwrap();
        let (mut verifier, _) = dns.sign(&mut question).unwrap();
        let sound = signed(&question, ResponseCode::NoError, SECRET, now());
        let mut octets = sound.clone();
        for (at, octet) in damage {
            let at = at.index(octets.len());
            octets[at] = octet;
        }
        if let Ok(answer) = decode(&octets, question.metadata.id, OpCode::Update)
            && verify(&mut verifier, &octets, &answer).is_ok()
        {
            // What the signature does not cover means nothing: case, a reserved bit, the class and
            // TTL of the signature's own record.
            let sound = decode(&sound, question.metadata.id, OpCode::Update).unwrap();
            prop_assert_eq!(answer.metadata, sound.metadata);
            prop_assert_eq!(answer.queries, sound.queries);
            prop_assert!(answer.answers.is_empty() && answer.authorities.is_empty());
            prop_assert!(answer.additionals.is_empty());
        }
    }
}
