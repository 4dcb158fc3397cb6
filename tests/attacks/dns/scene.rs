//! A resolver and a server, which is rightful about one name and an attacker's about another.

use std::{net::IpAddr, time::Duration};

use nameplate::{
    clock::{ManualClock, Timestamp},
    record::{RecordData, RecordType},
    resolver::{Answer, Hickory, HickoryBuilder, Limits, Lookup, Mode, Outcome, Resolver},
};

use super::server::{Act, Asked, Server};
use crate::web::HandTimer;

pub(crate) const RIGHTFUL: &str = "rightful.example.test";
pub(crate) const WANTED: &str = "wanted.example.test";

/// What proves.
pub(crate) const TOKEN: &str = "token=geg5lcfrsqh4cj1v";

pub(crate) const MODES: [Mode; 2] = [Mode::Authoritative, Mode::Recursive];

/// How long a message is waited for, and a lookup: a test tells them apart.
pub(crate) const QUERY: Duration = Duration::from_secs(2);
pub(crate) const DEADLINE: Duration = Duration::from_secs(15);

/// Answers for the rightful name, and lets the attacker answer for the others.
pub(crate) fn guarded(
    attack: impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static,
) -> impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static {
    move |asked| match asked.name == RIGHTFUL {
        true => asked.with_text(TOKEN).say(),
        false => attack(asked),
    }
}

/// A resolver whose time is in the hands of the test.
pub(crate) struct Scene {
    pub(crate) hickory: Hickory,
    pub(crate) timer: HandTimer,
    pub(crate) clock: ManualClock,
}

impl Scene {
    /// Asks one server, which is told of the zone `example.test` and is the recursive one too.
    pub(crate) fn new(server: &Server) -> Self {
        Self::with(server, |builder| builder)
    }

    pub(crate) fn with(
        server: &Server,
        change: impl FnOnce(HickoryBuilder) -> HickoryBuilder,
    ) -> Self {
        let builder = Hickory::builder([server.address]);
        Self::of(change(builder.with_zone("example.test".parse().unwrap(), [server.address])))
    }

    /// Follows delegations from the servers of `test`, the first of the row.
    pub(crate) fn delegated(row: &[Server], limits: Limits) -> Self {
        let parent = row[0].address;
        Self::of(
            Hickory::builder([parent])
                .with_zone("test".parse().unwrap(), [parent])
                .with_name_server_port(parent.port())
                .with_private_name_servers()
                .with_limits(limits),
        )
    }

    pub(crate) fn of(builder: HickoryBuilder) -> Self {
        let (clock, timer) = (ManualClock::new(Timestamp::UNIX_EPOCH), HandTimer::default());
        let builder = builder.with_clock(clock.clone()).with_timer(timer.clone());
        Self { hickory: builder.build().unwrap(), timer, clock }
    }

    pub(crate) async fn lookup(&self, name: &str, mode: Mode) -> Answer {
        self.hickory.lookup(&question(name, mode)).await.unwrap()
    }

    /// Looks the rightful name up, which has to be the proof.
    pub(crate) async fn rightful(&self, mode: Mode) -> Answer {
        let answer = self.lookup(RIGHTFUL, mode).await;
        assert_eq!(texts(&answer), [TOKEN.as_bytes()], "{mode:?}: {answer:?}");
        assert!(answer.chain.is_empty(), "{answer:?}");
        answer
    }

    /// Looks the attacker's name up, which must not be the proof.
    pub(crate) async fn attack(&self, mode: Mode) -> Answer {
        let answer = self.lookup(WANTED, mode).await;
        assert!(!texts(&answer).contains(&TOKEN.as_bytes().to_vec()), "{mode:?}: {answer:?}");
        answer
    }

    /// Starts to look the attacker's name up.
    pub(crate) fn start(&self, mode: Mode) -> tokio::task::JoinHandle<Answer> {
        let (hickory, question) = (self.hickory.clone(), question(WANTED, mode));
        tokio::spawn(async move { hickory.lookup(&question).await.unwrap() })
    }
}

pub(crate) fn question(name: &str, mode: Mode) -> Lookup {
    Lookup::new(name.parse().unwrap(), RecordType::Txt, mode)
}

/// Returns the texts of an answer; nothing of what is none.
pub(crate) fn texts(answer: &Answer) -> Vec<Vec<u8>> {
    let Outcome::Answer(records) = &answer.outcome else { return Vec::new() };
    let text = |data: &RecordData| match data {
        RecordData::Txt(text) => text.to_bytes(),
        other => panic!("{other}"),
    };
    records.iter().map(|record| text(record.data())).collect()
}

/// Whether an answer says neither that something is there nor that it is not.
pub(crate) fn is_unknown(answer: &Answer) -> bool {
    matches!(answer.outcome, Outcome::Failed(_) | Outcome::Timeout)
}

/// No limit of what is sent a second.
pub(crate) fn unhurried() -> Limits {
    let mut limits = Limits::default();
    limits.rate = None;
    limits
}

/// Each question is sent once.
pub(crate) fn once() -> Limits {
    let mut limits = Limits::default();
    limits.tries = 1;
    limits
}

pub(crate) fn loopback(last: u8) -> IpAddr {
    [127, 0, 0, last].into()
}
