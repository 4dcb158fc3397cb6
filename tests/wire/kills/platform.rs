//! The platform that several processes run: one store, Knot DNS and Pebble.

use std::{
    env,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    net::SocketAddr,
    path::PathBuf,
    process,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use nameplate::{
    Onboarding, RecordData, RecordSet, RecordType,
    ca::{Account, CertificateAuthority},
    certificate::Handle,
    clock::{Clock as _, SystemClock, TokioTimer},
    dns::{Applied, DnsProvider, Rfc2136},
    domain::{Instruction, Targets},
    engine::{Budgets, Policy},
    error::{Error, ErrorKind, Result},
    id::TenantId,
    keys::RcgenKeys,
    name::{ClaimPolicy, DnsName, DomainName},
    record::{Profile, Ttl, Txt},
    resolver::Hickory,
    seal::XChaChaSealer,
    store::{Key, Kind, Store, UniqueKey},
    testkit::{AuthorityLayer, DnsLayer, Layered, Tap, Tape},
    zone::{ChangeSet, SetChange},
};

use super::{
    base::Base,
    watch::{Listener, Watched},
};
use crate::{
    acme,
    rfc2136::{provider, zone},
    servers,
};

pub(super) const TENANT: TenantId = TenantId::from_bytes([11; 16]);

/// How long a worker holds what it works on: a stopped one has lost it soon after.
pub(super) const LEASE: Duration = Duration::from_secs(3);

/// Where a process finds what all of them share.
const LEDGER: &str = "NAMEPLATE_TEST_LEDGER";
const SUFFIX: &str = "NAMEPLATE_TEST_SUFFIX";

/// What all processes share.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The store.
    pub(super) base: Base,
    /// The file in which every order is written down before it is opened.
    pub(super) ledger: PathBuf,
    /// Below which all names are.
    pub(super) suffix: String,
}

impl Place {
    /// Returns the place that another process was told of; `None` if it was told of none.
    pub(super) fn told() -> Option<Self> {
        let (base, ledger) = (Base::told()?, env::var_os(LEDGER)?.into());
        Some(Self { base, ledger, suffix: env::var(SUFFIX).ok()? })
    }

    /// Tells another process, which reaches a database at the address `through`.
    pub(super) fn tell(&self, command: &mut process::Command, through: Option<SocketAddr>) {
        self.base.tell(command, through);
        command.env(LEDGER, &self.ledger).env(SUFFIX, &self.suffix);
    }

    /// Returns a name below the suffix.
    pub(super) fn name(&self, label: &str) -> DnsName {
        format!("{label}.{}", self.suffix).parse().unwrap()
    }

    /// Puts the platform together as one process runs it.
    pub(super) fn platform(&self, store: &Arc<dyn Store>, tape: &Tape) -> Onboarding {
        let resolver = Hickory::builder([servers::resolver()])
            .with_zone(zone(), [servers::knot()])
            .build()
            .unwrap();
        let authority = Layered::new(Ledger::new(acme::fresh(), store.clone(), self));
        let dns = Layered::new(Ledger::new(provider(servers::knot()), store.clone(), self));
        let mut policy = Policy::new();
        policy.lease = LEASE;
        policy.call_timeout = Duration::from_secs(2);
        policy.store_timeout = Duration::from_secs(2);
        policy.sweep_after = Duration::from_secs(4);
        policy.poll_interval = Duration::from_millis(50);
        policy.order_spacing = Duration::ZERO;
        policy.account_spacing = Duration::from_secs(1);
        // The same names live many lives.
        policy.budgets = Budgets::UNLIMITED;
        // So that every process has something to do.
        policy.batch = 4;
        let store = Layered::new(Watched { inner: store.clone(), place: self.clone() });
        Onboarding::builder(Tap::new(store, tape.clone()))
            .with_subscriber(Listener(self.clone()))
            .with_brand("kills")
            .with_targets(
                Targets::cname(self.edge().as_str()).with_addresses([[127, 0, 0, 1].into()], []),
            )
            .with_resolver(Tap::new(resolver, tape.clone()))
            .with_dns(Tap::new(dns, tape.clone()))
            .with_delegation_zone(self.name("acme"))
            .with_authority(Tap::new(authority, tape.clone()))
            .with_keys(RcgenKeys)
            .with_sealer(Tap::new(XChaChaSealer::new(&[7; 32]), tape.clone()))
            .with_timer(TokioTimer)
            .with_claims(ClaimPolicy::new().with_allowed([zone()]))
            .with_record_profile(Profile::FULL)
            .with_policy(policy)
            .build()
            .unwrap()
    }

    /// Writes a line into the ledger, which a kill leaves whole or not at all: what, which process,
    /// when, and more.
    pub(super) fn note(&self, what: &str, process: u32, rest: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.ledger)?;
        let now = SystemClock.now().timestamp_micros();
        file.write_all(format!("{what} {process} {now} {rest}\n").as_bytes())
    }

    /// The same, of this process.
    pub(super) fn tell_of(&self, what: &str, rest: &str) -> io::Result<()> {
        self.note(what, process::id(), rest)
    }

    /// Keeps the root of an authority that is about to forget it: what it has issued is still served.
    pub(super) fn keep_root(&self, pem: &[u8]) -> io::Result<()> {
        let mut roots = OpenOptions::new().create(true).append(true).open(self.roots_file())?;
        roots.write_all(pem)
    }

    /// Returns the roots of the authority that are gone, as one text of PEM.
    pub(super) fn kept_roots(&self) -> Vec<u8> {
        fs::read(self.roots_file()).unwrap_or_default()
    }

    fn roots_file(&self) -> PathBuf {
        self.ledger.with_extension("roots")
    }

    /// Returns the name of the platform's edge.
    pub(super) fn edge(&self) -> DnsName {
        self.name("edge")
    }
}

/// Returns the record that a customer is asked to add.
pub(super) fn asked(step: &Instruction) -> RecordSet {
    let data = match step.record_type {
        RecordType::Txt => RecordData::Txt(Txt::from_text(&step.value)),
        other => RecordData::parse(other, &step.value).unwrap(),
    };
    RecordSet::new(step.name.clone(), Ttl::MINUTE, [data]).unwrap()
}

/// Adds a record set to the zone as its owner does, who tries again while the server is away.
pub(super) async fn add(dns: &Rfc2136, set: RecordSet, is_patient: bool) {
    let changes: ChangeSet = SetChange::new(None, Some(set)).unwrap().into();
    // A minute, far more than a server takes to come back.
    for _ in 0..600 {
        match dns.apply(&zone(), &changes).await {
            // A conflict is what came of an attempt before.
            Ok(_) => return,
            Err(_) if is_patient => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("the DNS server is away");
}

/// A backend whose calls that change something are written down before they are made and after.
#[derive(Debug)]
struct Ledger<T> {
    inner: T,
    store: Arc<dyn Store>,
    place: Place,
}

impl<T> Ledger<T> {
    fn new(inner: T, store: Arc<dyn Store>, place: &Place) -> Self {
        Self { inner, store, place: place.clone() }
    }

    fn write(&self, what: &str, rest: &str) -> Result<()> {
        self.place.tell_of(what, rest).map_err(|error| {
            Error::new(ErrorKind::Unavailable, "ledger", "write", error.to_string())
        })
    }

    /// Returns the id of the order that is under way for a name, and the handle that is stored of it.
    async fn known(&self, name: &DomainName) -> Result<(String, String)> {
        let hold = UniqueKey::new("hold", &[name.as_str()]);
        let domain = self.store.find(&[hold]).await?.into_iter().flatten().next();
        let domain = domain.map(|item| value(item.body.as_str())).unwrap_or_default();
        let order = domain["issuance"]["order"].as_str().unwrap_or("none").to_owned();
        let found = self.store.get(&[Key::new(Kind::Order, &order)]).await?;
        let found = found.into_iter().flatten().next();
        let found = found.map(|item| value(item.body.as_str())).unwrap_or_default();
        Ok((order, found["handle"].as_str().unwrap_or("none").to_owned()))
    }
}

fn value(json: &str) -> serde_json::Value {
    serde_json::from_str(json).unwrap_or_default()
}

#[async_trait]
impl<C: CertificateAuthority> AuthorityLayer for Ledger<C> {
    type Inner = C;

    fn inner(&self) -> &C {
        &self.inner
    }
    async fn open(&self, account: &Account, names: &[DomainName]) -> Result<Handle> {
        let (order, stored) = self.known(&names[0]).await?;
        self.write("open", &format!("{order} {stored} {}", names[0]))?;
        let handle = self.inner.open(account, names).await?;
        let text = String::from_utf8_lossy(handle.as_bytes()).into_owned();
        self.write("opened", &format!("{order} {text}"))?;
        Ok(handle)
    }
}

#[async_trait]
impl<D: DnsProvider> DnsLayer for Ledger<D> {
    type Inner = D;

    fn inner(&self) -> &D {
        &self.inner
    }
    async fn apply(&self, zone: &DnsName, changes: &ChangeSet) -> Result<Vec<Applied>> {
        let shown: Vec<String> = changes.iter().map(shown).collect();
        self.write("change", &shown.join("; "))?;
        let applied = self.inner.apply(zone, changes).await;
        self.write("changed", &format!("{} {}", shown.join("; "), applied.is_ok()))?;
        applied
    }
}

fn shown(change: &SetChange) -> String {
    let side = |set: Option<&RecordSet>| {
        set.map_or_else(String::new, |set| super::check::lines(set).join(", "))
    };
    format!("{} -> {}", side(change.before()), side(change.after()))
}
