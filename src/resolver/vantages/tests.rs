use std::time::Duration;

use tokio::sync::Barrier;

use super::*;
use crate::{
    record::{RecordData, RecordType, Ttl, Txt},
    resolver::{InMemoryResolver, ServerReport, ServerStatus},
};

/// A resolver that always says the same.
#[derive(Debug)]
struct Says(Answer);

#[async_trait]
impl Resolver for Says {
    async fn lookup(&self, _: &Lookup) -> Result<Answer> {
        Ok(self.0.clone())
    }
}

fn lookup(mode: Mode) -> Lookup {
    Lookup::new("t.example.test".parse().unwrap(), RecordType::Txt, mode)
}

fn texts(texts: &[&str], ttl: u32) -> Answer {
    let record = |text: &&str| {
        let ttl = Ttl::from_secs(ttl).unwrap();
        DnsRecord::new(lookup(Mode::Recursive).name, ttl, RecordData::Txt(Txt::from_text(text)))
    };
    Answer::new(Outcome::Answer(texts.iter().map(record).collect()))
}

fn nothing(seconds: u64) -> Answer {
    Answer::new(Outcome::NoData { negative_ttl: Some(Duration::from_secs(seconds)) })
}

fn nobody() -> Answer {
    Answer::new(Outcome::NxDomain { negative_ttl: None })
}

fn failed(failure: Failure) -> Answer {
    Answer::new(Outcome::Failed(failure))
}

fn silent() -> Answer {
    Answer::new(Outcome::Timeout)
}

fn signed(answer: Answer) -> Answer {
    answer.with_authenticated(true)
}

fn of(answers: &[Answer]) -> Vantages {
    let one = |answer: &Answer| Arc::new(Says(answer.clone())) as Arc<dyn Resolver>;
    Vantages::new(answers.iter().map(one)).unwrap()
}

async fn heard(answers: &[Answer]) -> Answer {
    of(answers).lookup(&lookup(Mode::Recursive)).await.unwrap()
}

#[tokio::test]
async fn what_all_say_is_the_answer() {
    let answer = heard(&[texts(&["a", "b"], 1), texts(&["b", "a"], 2)]).await;
    assert_eq!(answer, texts(&["a", "b"], 1));
    assert!(!answer.authenticated);
    assert_eq!(heard(&[nothing(1), nothing(2)]).await, nothing(1));
    assert_eq!(heard(&[nobody(), nobody()]).await, nobody());
}

#[tokio::test]
async fn what_one_alone_says_is_not() {
    let disagreement = Outcome::Failed(Failure::Disagreement);
    let elsewhere = texts(&["a"], 1).with_chain(vec!["elsewhere.test".parse().unwrap()]);
    let others = [texts(&["b"], 1), texts(&["a", "b"], 1), nothing(1), nobody(), elsewhere];
    for other in others {
        for pair in [[texts(&["a"], 1), other.clone()], [other.clone(), texts(&["a"], 1)]] {
            assert_eq!(heard(&pair).await.outcome, disagreement, "{other:?}");
        }
    }
    assert_eq!(heard(&[nothing(1), nobody()]).await.outcome, disagreement);
    for (other, outcome) in [
        (silent(), Outcome::Timeout),
        (failed(Failure::ServFail), Outcome::Failed(Failure::ServFail)),
    ] {
        assert_eq!(heard(&[texts(&["a"], 1), other.clone()]).await.outcome, outcome);
        assert_eq!(heard(&[other.clone(), nothing(1)]).await.outcome, outcome);
        assert_eq!(heard(&[other, silent(), nobody()]).await.outcome, outcome);
    }
}

#[tokio::test]
async fn what_is_signed_needs_nobody_else() {
    let yes = signed(texts(&["a"], 1));
    for other in [texts(&["b"], 1), nothing(1), silent(), failed(Failure::Refused)] {
        assert_eq!(heard(&[yes.clone(), other.clone()]).await, yes);
        assert_eq!(heard(&[other, yes.clone()]).await, yes);
    }
    assert_eq!(heard(&[signed(nobody()), texts(&["a"], 1)]).await, signed(nobody()));
    let two = heard(&[yes, signed(texts(&["b"], 1))]).await;
    assert_eq!(two.outcome, Outcome::Failed(Failure::Disagreement));
}

#[tokio::test]
async fn what_is_bogus_for_one_is_bogus() {
    for other in [texts(&["a"], 1), signed(texts(&["a"], 1)), nobody(), silent()] {
        let answer = heard(&[other.clone(), other, failed(Failure::Bogus)]).await;
        assert_eq!(answer, failed(Failure::Bogus));
    }
}

#[tokio::test]
async fn a_quorum_is_more_than_half_and_at_least_two() {
    let answers = [texts(&["a"], 1), nothing(1), texts(&["a"], 1)];
    assert_eq!(heard(&answers).await.outcome, Outcome::Failed(Failure::Disagreement));
    let vantages = of(&answers).with_quorum(2).unwrap();
    assert_eq!(vantages.lookup(&lookup(Mode::Recursive)).await.unwrap(), texts(&["a"], 1));

    for (count, quorum) in [(2, 1), (2, 3), (3, 0), (3, 1), (4, 2), (4, 5), (2, usize::MAX)] {
        let error = of(&vec![nobody(); count]).with_quorum(quorum).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{quorum} of {count}");
    }
    for count in [0, 1, Vantages::MAX + 1] {
        let one = |_| Arc::new(InMemoryResolver::new()) as Arc<dyn Resolver>;
        let error = Vantages::new((0..count).map(one)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{count}");
    }
}

#[tokio::test]
async fn our_own_fault_is_an_error_only_where_nobody_answers() {
    let (one, other) = (InMemoryResolver::new(), InMemoryResolver::new());
    let pair = [Arc::new(one.clone()) as Arc<dyn Resolver>, Arc::new(other.clone())];
    let vantages = Vantages::new(pair).unwrap();
    one.fail_next(ErrorKind::Unavailable);
    let answer = vantages.lookup(&lookup(Mode::Recursive)).await.unwrap();
    assert_eq!(answer.outcome, Outcome::Timeout);
    one.fail_next(ErrorKind::Unavailable);
    other.fail_next(ErrorKind::Unavailable);
    let error = vantages.lookup(&lookup(Mode::Recursive)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(vantages.lookup(&lookup(Mode::Recursive)).await.unwrap(), nobody());
}

#[tokio::test]
async fn the_first_alone_is_asked_for_the_fast_view() {
    let (one, other) = (InMemoryResolver::new(), InMemoryResolver::new());
    let pair = [Arc::new(one.clone()) as Arc<dyn Resolver>, Arc::new(other.clone())];
    let vantages = Vantages::new(pair).unwrap();
    vantages.lookup(&lookup(Mode::Authoritative)).await.unwrap();
    assert_eq!((one.lookups(), other.lookups()), (1, 0));
    vantages.lookup(&lookup(Mode::Recursive)).await.unwrap();
    assert_eq!((one.lookups(), other.lookups()), (2, 1));
}

#[tokio::test]
async fn all_are_asked_at_the_same_time_and_reported_of() {
    /// A resolver that answers once both are asked.
    #[derive(Debug)]
    struct Meets(Arc<Barrier>);

    #[async_trait]
    impl Resolver for Meets {
        async fn lookup(&self, _: &Lookup) -> Result<Answer> {
            self.0.wait().await;
            Ok(nobody().with_servers(vec![ServerReport::new(ServerStatus::Agrees)]))
        }
    }

    let barrier = Arc::new(Barrier::new(2));
    let one = || Arc::new(Meets(Arc::clone(&barrier))) as Arc<dyn Resolver>;
    let vantages = Vantages::new([one(), one()]).unwrap();
    let answer = vantages.lookup(&lookup(Mode::Recursive)).await.unwrap();
    assert_eq!(answer.servers.len(), 2);
    assert_eq!(answer.outcome, nobody().outcome);
}
