//! Who takes turns.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
    proto::rr::{Name, RData},
};
use nameplate::{
    name::DnsName,
    record::{RecordData, RecordType},
    resolver::{Answer, Hickory, Lookup, Mode, Outcome, Resolver},
};
use tokio::task::JoinSet;

use crate::crowd::Crowd;

/// Something that is done with each name.
pub(crate) trait Work: Clone + Send + Sync + 'static {
    /// Looks one name up; returns whether what there is to know of it is known now.
    fn look(&self, number: usize) -> impl Future<Output = bool> + Send;
}

/// Looks all names up, so many at the same time; returns of how many it is known what there is.
pub(crate) async fn each(work: &impl Work, numbers: Range<usize>, together: usize) -> usize {
    let next = Arc::new(AtomicUsize::new(numbers.start));
    let mut tasks = JoinSet::new();
    for _ in 0..together {
        let (work, next, end) = (work.clone(), Arc::clone(&next), numbers.end);
        tasks.spawn(async move {
            let mut known = 0;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= end {
                    return known;
                }
                known += usize::from(work.look(number).await);
            }
        });
    }
    tasks.join_all().await.into_iter().sum()
}

/// The names of all numbers, as each side has them.
fn all<N>(name: impl Fn(usize) -> N) -> Arc<[N]> {
    (0..Crowd::NAMES).map(name).collect()
}

fn of<N>(names: &[N], number: usize) -> &N {
    &names[number % names.len()]
}

/// A loop over hickory-resolver.
#[derive(Clone)]
pub(crate) struct Bare {
    resolver: TokioResolver,
    names: Arc<[Name]>,
    siblings: Arc<[Name]>,
}

impl Bare {
    pub(crate) fn new(crowd: &Crowd) -> Self {
        let mut server = NameServerConfig::udp(crowd.address.ip());
        server.connections = vec![ConnectionConfig::udp()];
        for connection in &mut server.connections {
            connection.port = crowd.address.port();
        }
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let provider = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder_with_config(config, provider);
        builder.options_mut().cache_size = 0;
        Self {
            resolver: builder.build().unwrap(),
            names: all(|number| Crowd::name(number).parse().unwrap()),
            siblings: all(|number| Crowd::sibling(number).parse().unwrap()),
        }
    }

    /// Asks for a text that is there.
    pub(crate) fn there(&self) -> impl Work {
        BareThere(self.clone())
    }

    /// Asks for a name that is not there.
    pub(crate) fn absent(&self) -> impl Work {
        BareAbsent(self.clone())
    }
}

#[derive(Clone)]
struct BareThere(Bare);

impl Work for BareThere {
    async fn look(&self, number: usize) -> bool {
        let name = of(&self.0.names, number).clone();
        let Ok(found) = self.0.resolver.txt_lookup(name).await else { return false };
        let wanted = Crowd::text(number);
        found.answers().iter().any(|record| match &record.data {
            RData::TXT(text) => text.txt_data.concat() == wanted.as_bytes(),
            _ => false,
        })
    }
}

#[derive(Clone)]
struct BareAbsent(Bare);

impl Work for BareAbsent {
    async fn look(&self, number: usize) -> bool {
        let name = of(&self.0.siblings, number).clone();
        let found = self.0.resolver.txt_lookup(name).await;
        found.is_err_and(|error| error.is_no_records_found())
    }
}

/// What this crate does.
#[derive(Clone)]
pub(crate) struct Ours {
    resolver: Hickory,
    names: Arc<[DnsName]>,
    siblings: Arc<[DnsName]>,
}

impl Ours {
    pub(crate) fn new(crowd: &Crowd) -> Self {
        let servers = [crowd.address];
        let builder = Hickory::builder(servers);
        Self {
            resolver: builder.with_zone("crowd.test".parse().unwrap(), servers).build().unwrap(),
            names: all(|number| Crowd::name(number).parse().unwrap()),
            siblings: all(|number| Crowd::sibling(number).parse().unwrap()),
        }
    }

    /// Asks the servers of the zone for a text that is there.
    pub(crate) fn there(&self) -> impl Work {
        OursThere(self.clone(), Mode::Authoritative)
    }

    /// Asks a recursive server for a text that is there.
    pub(crate) fn recursive(&self) -> impl Work {
        OursThere(self.clone(), Mode::Recursive)
    }

    /// Looks for a proof that is not there yet.
    pub(crate) fn absent(&self) -> impl Work {
        OursAbsent(self.clone())
    }

    /// Looks for a proof that is there.
    pub(crate) fn check(&self) -> impl Work {
        OursCheck(self.clone())
    }

    async fn lookup(&self, name: &DnsName, mode: Mode) -> Answer {
        let lookup = Lookup::new(name.clone(), RecordType::Txt, mode);
        self.resolver.lookup(&lookup).await.unwrap()
    }

    async fn is_there(&self, number: usize, mode: Mode) -> bool {
        let answer = self.lookup(of(&self.names, number), mode).await;
        let wanted = Crowd::text(number);
        let Outcome::Answer(records) = answer.outcome else { return false };
        records.iter().any(|record| match record.data() {
            RecordData::Txt(text) => text.to_bytes() == wanted.as_bytes(),
            _ => false,
        })
    }

    async fn is_absent(&self, number: usize, mode: Mode) -> bool {
        let answer = self.lookup(of(&self.siblings, number), mode).await;
        matches!(answer.outcome, Outcome::NxDomain { .. })
    }
}

#[derive(Clone)]
struct OursThere(Ours, Mode);

impl Work for OursThere {
    async fn look(&self, number: usize) -> bool {
        self.0.is_there(number, self.1).await
    }
}

#[derive(Clone)]
struct OursAbsent(Ours);

impl Work for OursAbsent {
    async fn look(&self, number: usize) -> bool {
        self.0.is_absent(number, Mode::Authoritative).await
    }
}

#[derive(Clone)]
struct OursCheck(Ours);

impl Work for OursCheck {
    async fn look(&self, number: usize) -> bool {
        self.0.is_there(number, Mode::Authoritative).await
            && self.0.is_there(number, Mode::Recursive).await
            && self.0.is_absent(number, Mode::Recursive).await
    }
}
