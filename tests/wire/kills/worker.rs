//! The other process: a worker that is killed, and a tenant's commands beside it.

use std::{
    env,
    io::{self, BufRead as _, Write as _},
    net::SocketAddr,
    process::{self, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use nameplate::{
    Onboarding,
    ca::CertificateAuthority as _,
    domain::{Domain, RecordState, Status},
    error::{ErrorKind, Result},
    record::{RecordFields, RecordType},
    store::{Commit, Key, Kind, Store},
    testkit::{Point, Tap, Tape},
};

use super::{
    check,
    dice::Dice,
    platform::{Place, TENANT},
    points,
};
use crate::acme;

/// What a process is told besides the place.
const AT: &str = "NAMEPLATE_TEST_AT";
const DRAGS: &str = "NAMEPLATE_TEST_DRAGS";
const SEED: &str = "NAMEPLATE_TEST_SEED";
const COMMANDS: &str = "NAMEPLATE_TEST_COMMANDS";

/// How long one is held up that drags: until its leases have to be extended, and are not yet lost.
const DRAG: Duration = Duration::from_millis(1200);

/// What its lines begin with: the test harness prints too.
const MARK: &str = "kills: ";

/// How another process is to run.
#[derive(Clone, Debug)]
pub(super) struct Role {
    /// Where it halts: a point, and how often it passes it before.
    pub(super) at: Option<(String, usize)>,
    /// Whether it is held up now and then, so that its leases have to be extended.
    pub(super) drags: bool,
    /// What its tenants do follows from it; `None` if they do nothing.
    pub(super) tenants: Option<u64>,
    /// The address at which it finds a database.
    pub(super) through: Option<SocketAddr>,
    /// What it is started by, such as a shell that sets limits: a script that ends in `exec "$@"`.
    pub(super) script: Option<String>,
}

/// What a process says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Said {
    /// It halts where it was told to.
    Halted,
    /// It cannot open the store.
    Refused(String),
    /// A tenant was told that the store is away.
    Failed(String),
    /// It works.
    Started,
    /// It passes a point for the first time.
    Passed(String),
    /// A tenant was told what nobody should be told.
    Wrong(String),
}

impl Said {
    /// Reads a line.
    pub(super) fn read(line: &str) -> Option<Self> {
        let (word, rest) = line.strip_prefix(MARK)?.split_once(' ')?;
        Some(match word {
            "halted" => Self::Halted,
            "refused" => Self::Refused(rest.to_owned()),
            "started" => Self::Started,
            "failed" => Self::Failed(rest.to_owned()),
            "passed" => Self::Passed(rest.to_owned()),
            _ => Self::Wrong(rest.to_owned()),
        })
    }

    fn tell(&self) {
        let (word, rest) = match self {
            Self::Halted => ("halted", ""),
            Self::Refused(why) => ("refused", why.as_str()),
            Self::Started => ("started", ""),
            Self::Failed(why) => ("failed", why.as_str()),
            Self::Passed(point) => ("passed", point.as_str()),
            Self::Wrong(what) => ("wrong", what.as_str()),
        };
        let mut output = io::stdout().lock();
        // Whoever listened is gone; then this process ends soon.
        let _ = writeln!(output, "\n{MARK}{word} {rest}").and_then(|()| output.flush());
    }
}

/// Returns the command that starts another process.
pub(super) fn command(place: &Place, role: &Role) -> Command {
    let itself = env::current_exe().unwrap();
    let mut command = match &role.script {
        Some(script) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", script, "sh"]).arg(itself);
            shell
        }
        None => Command::new(itself),
    };
    command.args(["--exact", "kills::worker::the_worker_process", "--nocapture"]);
    place.tell(&mut command, role.through);
    if let Some((point, passes)) = &role.at {
        command.env(AT, format!("{passes} {point}"));
    }
    if role.drags {
        command.env(DRAGS, "1");
    }
    if let Some(seed) = role.tenants {
        command.env(COMMANDS, "1").env(SEED, seed.to_string());
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Does nothing unless another test has started it.
#[tokio::test]
async fn the_worker_process() {
    let Some(place) = Place::told() else { return };
    let (going, go) = mpsc::channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(io::Result::ok) {
            let _ = going.send(line);
        }
        // Whoever has started it is gone.
        process::exit(0);
    });
    let store = match place.base.open(Duration::from_secs(1)).await {
        Ok(store) => store,
        Err(error) => return Said::Refused(error.to_string()).tell(),
    };
    let tape = tape(Mutex::new(go));
    let nameplate = place.platform(&store, &tape);
    Said::Started.tell();
    let worker = nameplate.worker().run(std::future::pending());
    let seed = env::var(SEED).map(|seed| seed.parse().unwrap()).unwrap_or_default();
    if env::var(AT).is_ok_and(|at| points::is_a_chore(&at)) {
        let store = Tap::new(store, tape);
        tokio::join!(worker, chores(&nameplate, &store));
    } else if env::var_os(COMMANDS).is_some() {
        tokio::join!(worker, tenants(&nameplate, Dice::new(seed)));
    } else {
        worker.await;
    }
}

/// Returns a tape that tells of each point once, and halts the whole process at one of them.
fn tape(go: Mutex<mpsc::Receiver<String>>) -> Tape {
    let at = env::var(AT).ok().map(|at| {
        let (passes, point) = at.split_once(' ').unwrap();
        (point.to_owned(), passes.parse::<usize>().unwrap())
    });
    let drags = env::var_os(DRAGS).is_some();
    let count = AtomicUsize::new(0);
    let seen = Mutex::new((Vec::new(), at));
    Tape::new().watched_by(move |point: &Point| {
        let label = point.to_string();
        if drags && count.fetch_add(1, Ordering::Relaxed) % 50 == 49 {
            std::thread::sleep(DRAG);
        }
        let mut seen = seen.lock().unwrap();
        let (passed, at) = &mut *seen;
        if !passed.contains(&label) {
            Said::Passed(label.clone()).tell();
            passed.push(label.clone());
        }
        let Some((_, passes)) = at.as_mut().filter(|(point, _)| *point == label) else { return };
        if *passes > 0 {
            *passes -= 1;
            return;
        }
        *at = None;
        Said::Halted.tell();
        let _ = go.lock().unwrap().recv();
    })
}

/// What an operator does now and then: reads what is there in once more, of which the store takes nothing,
/// and shortens the log of the account, which nobody reads.
async fn chores(nameplate: &Onboarding, store: &impl Store) {
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let account = Key::new(Kind::Account, acme::fresh().id());
        let _ = store.trim(&account, u64::MAX).await;
        let Ok(domains) = check::domains(nameplate).await else { continue };
        let Some(domain) = domains.first() else { continue };
        let key = Key::new(Kind::Domain, domain.id());
        let Ok(found) = store.get(&[key]).await else { continue };
        if let Some(item) = found.into_iter().flatten().next() {
            let restored = store.restore(&item, &[]).await;
            if restored.is_ok_and(|done| done == Commit::Done) {
                Said::Wrong(format!("{} was there, and was restored", domain.name())).tell();
            }
        }
    }
}

/// What tenants do all the time: look, renew, and change their records.
async fn tenants(nameplate: &Onboarding, mut dice: Dice) {
    loop {
        tokio::time::sleep(Duration::from_millis(20 + dice.below(200))).await;
        let domains = match check::domains(nameplate).await {
            Ok(domains) => domains,
            Err(error) => {
                Said::Failed(error.to_string()).tell();
                continue;
            }
        };
        let count = u64::try_from(domains.len()).unwrap();
        let Some(domain) = domains.get(usize::try_from(dice.below(count)).unwrap()) else {
            continue;
        };
        let Err(error) = tenant(nameplate, domain, &mut dice).await else { continue };
        match error.kind() {
            ErrorKind::Internal | ErrorKind::Malformed | ErrorKind::Denied => {
                Said::Wrong(format!("{}: {error}", domain.name())).tell();
            }
            ErrorKind::Unavailable | ErrorKind::Unknown => Said::Failed(error.to_string()).tell(),
            // Others were at it at the same time, or were killed at it.
            _ => {}
        }
    }
}

/// One command of a tenant.
async fn tenant(nameplate: &Onboarding, domain: &Domain, dice: &mut Dice) -> Result<()> {
    let id = domain.id();
    if dice.below(4) == 0 {
        nameplate.timeline(&TENANT, id, 0).await?;
    }
    let records = nameplate.records(&TENANT, id);
    let wanted = |label: &str, dice: &mut Dice| match dice.below(2) {
        0 => RecordFields::new("TXT", label, format!("ours {}", dice.below(4))),
        _ => RecordFields::new("A", label, format!("192.0.2.{}", 1 + dice.below(4))),
    };
    let label = ["www", "api"][usize::try_from(dice.below(2)).unwrap()];
    let chosen = match domain.records() {
        [] => None,
        some => some.get(usize::try_from(dice.below(some.len() as u64)).unwrap()),
    };
    match (domain.status(), dice.below(10), chosen) {
        (Status::Failed, ..) => drop(nameplate.retry(&TENANT, id).await?),
        (Status::Active, 0, _) => drop(nameplate.renew(&TENANT, id).await?),
        (Status::Active, 1..=3, _) => {
            let fields = wanted(label, dice);
            drop(records.create(&fields).await?.apply().await?);
        }
        (Status::Active, 4 | 5, Some(chosen)) if chosen.state() == RecordState::Present => {
            let record = chosen.record();
            let value = match record.record_type() {
                RecordType::A => format!("192.0.2.{}", 10 + dice.below(4)),
                _ => format!("changed {}", dice.below(4)),
            };
            let label = record.name().as_str().split('.').next().unwrap_or_default();
            let fields = RecordFields::new(record.record_type().to_string(), label, value);
            drop(records.update(chosen.id(), &fields).await?.apply().await?);
        }
        (Status::Active, 6 | 7, Some(chosen)) => {
            drop(records.remove(chosen.id()).await?.apply().await?);
        }
        _ => drop(nameplate.check(&TENANT, id).await?),
    }
    Ok(())
}
