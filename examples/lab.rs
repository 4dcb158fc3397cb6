//! The life of several names at once, against a real DNS server and a real certificate authority.
//!
//! ```sh
//! scripts/lab                                  # four names, all three ways of validation
//! scripts/lab shop.example.test '*.wild.test'  # other names, below `test`
//! ```
//!
//! `scripts/lab` starts the servers, on loopback: Knot DNS with the zones, changed by RFC 2136; BIND
//! as the resolver in front of it; Pebble, which validates through that resolver. In memory is only
//! the store. The customers publish over the wire too, with an RFC 2136 client of their own.
//!
//! Exit codes: 0 if everything held, 1 if something did not, 2 for names that cannot be used here.

mod common;
#[path = "common/servers.rs"]
mod servers;

use std::{
    collections::BTreeSet,
    env,
    net::Ipv4Addr,
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::{Failure, Teller, Visitor, host, record_set, serve_http, serve_https};
use nameplate::{
    ca::Acme,
    certificate::Validation,
    clock::{SystemClock, TokioTimer},
    domain::{Domain, Instruction, NewDomain, Status, Targets},
    engine::{Notice, Onboarding, Policy},
    id::{OsRandom, Random, TenantId},
    keys::{Keys, RcgenKeys},
    name::{ClaimPolicy, DnsName},
    record::{RecordData, RecordSet, Ttl},
    resolver::Hickory,
    seal::XChaChaSealer,
    serve::Acceptor,
    store::InMemoryStore,
    transport::{CryptoProvider, HttpClient, Method, Request, ReqwestClient},
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use servers::{Servers, add};
use tokio::{net::TcpListener, process::Command, sync::oneshot, task::JoinHandle};

/// The platform's own zone, in which its edge lives, and the one in which it answers DNS challenges.
const PLATFORM: &str = "platform.test";
const EDGE: &str = "edge.platform.test";
const DELEGATION: &str = "acme.platform.test";

/// The names without arguments.
const NAMES: [(&str, Validation); 4] = [
    ("shop.example.test", Validation::Dns01),
    ("bücher.test", Validation::Dns01Delegated),
    ("*.wild.test", Validation::Dns01Delegated),
    ("blog.example.test", Validation::Http01),
];

/// How long a renewal or a removal takes to reach the edge.
const REVALIDATE_AFTER: Duration = Duration::from_millis(200);

#[tokio::main]
async fn main() -> ExitCode {
    let mut names: Vec<String> = env::args().skip(1).collect();
    // For the script, which has to know before it starts the servers.
    let zones_only = names.first().is_some_and(|first| first == "--zones");
    if zones_only {
        names.remove(0);
    }
    let wanted = match wanted(&names) {
        Ok(wanted) => wanted,
        Err(reason) => {
            eprintln!("lab: {reason}");
            return ExitCode::from(2);
        }
    };
    if zones_only {
        println!("{PLATFORM} {DELEGATION} {}", customer_zones(&wanted).join(" "));
        return ExitCode::SUCCESS;
    }
    match run(wanted).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the names that the customers type.
fn wanted(names: &[String]) -> Result<Vec<NewDomain>, Failure> {
    if names.is_empty() {
        return NAMES
            .iter()
            .map(|(name, validation)| Ok(name.parse::<NewDomain>()?.with_validation(*validation)))
            .collect();
    }
    let mut seen = BTreeSet::new();
    names
        .iter()
        .map(|typed| {
            let wanted: NewDomain = typed.parse()?;
            let name = wanted.name();
            if name.labels().last() != Some("test") {
                return Err(
                    format!("{name} is not below test, and nothing else exists here").into()
                );
            }
            claims()?.admit(name)?;
            match seen.insert(name.to_string()) {
                true => Ok(wanted),
                false => Err(format!("{name} is given twice").into()),
            }
        })
        .collect()
}

/// Which names may be claimed here: those for tests, but for the platform's own.
fn claims() -> Result<ClaimPolicy, Failure> {
    Ok(ClaimPolicy::new().with_allowed(["test".parse()?]).with_reserved([PLATFORM.parse()?]))
}

/// Returns the zones of the customers.
fn customer_zones(wanted: &[NewDomain]) -> Vec<String> {
    let zones = wanted.iter().map(|wanted| {
        let base = wanted.name().base();
        base.registrable().unwrap_or(base.as_str()).to_owned()
    });
    zones.collect::<BTreeSet<_>>().into_iter().collect()
}

fn zones<S: AsRef<str>>(names: &[S]) -> Result<Vec<DnsName>, Failure> {
    names.iter().map(|name| Ok(name.as_ref().parse()?)).collect()
}

impl Servers {
    /// Returns all records of a zone: owner, type and data.
    async fn records(&self, zone: &DnsName) -> Result<Vec<[String; 3]>, Failure> {
        let output = Command::new("kdig")
            .arg(format!("@{}", self.knot.ip()))
            .args(["-p", &self.knot.port().to_string(), "-y", &self.tsig.join(":")])
            .args([zone.as_str(), "AXFR", "+noidn"])
            .output()
            .await?;
        let text = String::from_utf8_lossy(&output.stdout);
        // The signatures of the messages are no records of the zone.
        let is_record =
            |line: &&str| !line.is_empty() && !line.starts_with(';') && !line.contains("\tTSIG\t");
        let lines = text.lines().filter(is_record);
        let records: Option<Vec<_>> = lines
            .map(|line| {
                let mut fields = line.split_ascii_whitespace();
                let owner = fields.next()?.trim_end_matches('.').to_owned();
                // TTL and class.
                let record_type = fields.nth(2)?.to_owned();
                Some([owner, record_type, fields.collect::<Vec<_>>().join(" ")])
            })
            .collect();
        match records {
            Some(records) if output.status.success() && !records.is_empty() => Ok(records),
            _ => Err(format!("zone {zone} cannot be transferred: {text}").into()),
        }
    }
}

/// The platform, with its worker and its edge at work.
struct Platform {
    nameplate: Onboarding,
    store: InMemoryStore,
    visitor: Visitor,
    stop: oneshot::Sender<()>,
    worker: JoinHandle<()>,
}

impl Platform {
    async fn start(servers: &Servers, zones: &[DnsName]) -> Result<Self, Failure> {
        let provider = servers.provider(zones)?;
        let edge = [RecordData::A(Ipv4Addr::LOCALHOST)];
        add(&provider, RecordSet::new(EDGE.parse()?, Ttl::HOUR, edge)?).await?;
        let resolver = zones
            .iter()
            .fold(Hickory::builder([servers.resolver]), |resolver, zone| {
                resolver.with_zone(zone.clone(), [servers.knot])
            })
            .build()?;
        let client = ReqwestClient::builder(CryptoProvider::Ring)
            .with_root_pem(&*servers.authority)
            .build()?;
        let client = Arc::new(client);
        let authority = Acme::builder(&*servers.directory, CryptoProvider::Ring, client.clone())
            .with_contact(format!("ops@{PLATFORM}"))
            .agreeing_to_terms()
            .build()?;
        let mut sealing_key = [0; 32];
        OsRandom.fill(&mut sealing_key)?;
        // As it comes, but for what nobody wants to sit through.
        let mut policy = Policy::new();
        policy.poll_interval = Duration::from_millis(50);
        policy.call_timeout = Duration::from_secs(4);
        policy.sweep_after = Duration::from_secs(5);
        // It renews right after the first certificate.
        policy.order_spacing = Duration::ZERO;
        let store = InMemoryStore::new(Arc::new(SystemClock));
        let nameplate = Onboarding::builder(store.clone())
            .with_brand("platform")
            .with_targets(Targets::cname(EDGE).with_addresses([Ipv4Addr::LOCALHOST], []))
            .with_resolver(resolver)
            .with_dns(provider)
            .with_delegation_zone(DELEGATION.parse()?)
            .with_authority(authority)
            .with_keys(RcgenKeys)
            .with_sealer(XChaChaSealer::new(&sealing_key))
            .with_timer(TokioTimer)
            .with_claims(claims()?)
            .with_policy(policy)
            .build()?;

        let http = TcpListener::bind((Ipv4Addr::LOCALHOST, servers.http_port)).await?;
        let https = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let tls = Arc::new(rustls::crypto::ring::default_provider());
        let root = Request::new(Method::Get, format!("{}/roots/0", servers.management));
        let root = CertificateDer::from_pem_slice(&client.send(root).await?.body)?;
        let visitor = Visitor::new(https.local_addr()?, root, tls.clone())?;
        let acceptor = Acceptor::builder(nameplate.edge(), tls)
            .with_revalidate_after(REVALIDATE_AFTER)
            .with_unknown_for(REVALIDATE_AFTER)
            .build()?;
        tokio::spawn(serve_http(http, nameplate.edge()));
        tokio::spawn(serve_https(https, acceptor));
        let (stop, stopped) = oneshot::channel();
        let worker = tokio::spawn(nameplate.worker().run(async {
            let _ = stopped.await;
        }));
        Ok(Self { nameplate, store, visitor, stop, worker })
    }

    /// Lets the worker finish everything that it would ever do, and stops it.
    async fn finish(self) -> Result<(), Failure> {
        patiently("the worker to be done", || self.store.next_due().is_none()).await?;
        let _ = self.stop.send(());
        Ok(self.worker.await?)
    }
}

/// One of the names.
struct Life {
    nameplate: Onboarding,
    domain: Domain,
    instructions: Vec<Instruction>,
    host: String,
    teller: Teller,
}

impl Life {
    /// Claims a name, and tells the customer what to add.
    async fn claim(
        nameplate: &Onboarding,
        wanted: NewDomain,
        width: usize,
    ) -> Result<Self, Failure> {
        let tenant = TenantId::random(&OsRandom)?;
        let domain = nameplate.add(&tenant, wanted).await?;
        let instructions = nameplate.instructions(&tenant, domain.id()).await?;
        let (name, validation) = (domain.name(), domain.validation().as_str());
        println!("{} is claimed as {name}, validated by {validation}", domain.submitted());
        println!("The customer is asked to add:");
        for step in &instructions {
            println!("  {step}");
        }
        println!();
        let label = format!("{:<width$}  ", name.to_unicode());
        let teller = Teller::new(nameplate, &domain, label);
        let (nameplate, host) = (nameplate.clone(), host(name));
        Ok(Self { nameplate, domain, instructions, host, teller })
    }

    /// Waits for the first look, which finds nothing.
    async fn looked_at(mut self) -> Result<Self, Failure> {
        let is_looked_at =
            |domain: &Domain| domain.next_check_at().is_some_and(|at| at > domain.created_at());
        self.domain = self.teller.until(is_looked_at).await?;
        Ok(self)
    }

    /// Says that the records are there, and waits for the certificate.
    async fn activated(mut self) -> Result<Self, Failure> {
        self.nameplate.check(&self.domain.tenant(), self.domain.id()).await?;
        let is_over = |domain: &Domain| matches!(domain.status(), Status::Active | Status::Failed);
        self.domain = self.teller.until(is_over).await?;
        match self.domain.status() {
            Status::Active => Ok(self),
            _ => Err(format!("{} failed: {}", self.domain.name(), self.domain.waiting_on()).into()),
        }
    }

    /// Fetches the page, and compares the key that the certificate is for with the one in the store.
    async fn visit(&self, visitor: &Visitor) -> Result<(), Failure> {
        let page = visitor.fetch(&self.host).await?;
        let stored = self.nameplate.edge().identity(&self.host.parse()?).await?;
        let stored = stored.ok_or("nothing is stored for a name that is active")?;
        if !page.is_ok() || RcgenKeys.public_key(&stored.key)? != page.chain.public_key() {
            return Err(format!("{}: not our page, or not our key", self.host).into());
        }
        println!("  https://{}/: {}", self.host, page.status_line);
        println!(
            "    certificate for {} and the stored key, valid until {}",
            page.names(),
            page.chain.not_after()
        );
        Ok(())
    }

    /// Renews the certificate while a visitor keeps coming.
    async fn renew(&mut self, visitor: &Visitor) -> Result<(), Failure> {
        println!("\n{} is renewed while a visitor keeps coming:", self.domain.name());
        let visits = Arc::new(Mutex::new(Visits::default()));
        let coming = tokio::spawn(keep_coming(visitor.clone(), self.host.clone(), visits.clone()));
        let seen = |wanted: usize| lock(&visits).fingerprints.len() >= wanted;
        patiently("the first visit", || seen(1)).await?;
        // The resolver keeps the answer to the last challenge for the rest of that second.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let old = self.domain.certificate().map(|served| served.id);
        self.nameplate.renew(&self.domain.tenant(), self.domain.id()).await?;
        let is_renewed = |domain: &Domain| domain.certificate().map(|served| served.id) != old;
        self.domain = self.teller.until(is_renewed).await?;
        patiently("the new certificate to be served", || seen(2)).await?;
        // And some more.
        tokio::time::sleep(2 * REVALIDATE_AFTER).await;
        coming.abort();
        let visits = lock(&visits);
        println!("  {} connections, {} failures", visits.count, visits.failures.len());
        if let Some(failure) = visits.failures.first() {
            return Err(format!("a visit failed: {failure}").into());
        }
        let [old, new] = visits.fingerprints.as_slice() else {
            return Err(format!("not one certificate after the other: {visits:?}").into());
        };
        println!("  old certificate {old}\n  new certificate {new}");
        Ok(())
    }

    /// Removes the domain, and waits until everything that was made for it is gone.
    async fn removed(mut self) -> Result<Self, Failure> {
        self.nameplate.remove(&self.domain.tenant(), self.domain.id()).await?;
        // 30 seconds, as for everything else.
        for _ in 0..3000 {
            if let Some(Notice::Removed) = self.teller.tell().await? {
                return Ok(self);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(format!("{} is not removed in time", self.domain.name()).into())
    }

    /// Asserts that nobody is served any more.
    async fn visit_in_vain(&self, visitor: &Visitor) -> Result<(), Failure> {
        match visitor.fetch(&self.host).await {
            Err(error) if error.to_string().contains("UnrecognisedName") => {
                println!("  https://{}/: {error}", self.host);
                Ok(())
            }
            Err(error) => Err(error),
            Ok(_) => Err(format!("{} is still served", self.host).into()),
        }
    }
}

/// Does something for all names at once.
async fn each<F>(lives: Vec<Life>, step: impl Fn(Life) -> F) -> Result<Vec<Life>, Failure>
where
    F: Future<Output = Result<Life, Failure>> + Send + 'static,
{
    let running: Vec<_> = lives.into_iter().map(|life| tokio::spawn(step(life))).collect();
    let mut done = Vec::with_capacity(running.len());
    for life in running {
        done.push(life.await??);
    }
    Ok(done)
}

async fn run(wanted: Vec<NewDomain>) -> Result<(), Failure> {
    let servers = Servers::from_environment()?;
    println!("Knot DNS at {}, with a resolver at {}", servers.knot, servers.resolver);
    println!("Pebble at {}\n", servers.directory);
    let customer_zones = zones(&customer_zones(&wanted))?;
    let mut zones = zones(&[PLATFORM, DELEGATION])?;
    zones.extend(customer_zones.iter().cloned());
    let platform = Platform::start(&servers, &zones).await?;

    let shown = wanted.iter().map(|wanted| wanted.name().to_unicode().chars().count());
    let width = shown.max().unwrap_or_default();
    let mut lives = Vec::new();
    for wanted in wanted {
        lives.push(Life::claim(&platform.nameplate, wanted, width).await?);
    }
    let lives = each(lives, Life::looked_at).await?;

    println!("  .. the customers add the records");
    let customers = servers.provider(&customer_zones)?;
    for step in lives.iter().flat_map(|life| &life.instructions) {
        add(&customers, record_set(step)?).await?;
    }
    let mut lives = each(lives, Life::activated).await?;

    println!("\nVisitors come, who trust the root of Pebble only:");
    for life in &lives {
        life.visit(&platform.visitor).await?;
    }

    // Rather one that needs the DNS again.
    let by_dns = |life: &Life| life.domain.validation() != Validation::Http01;
    let renewing = lives.iter().position(by_dns).unwrap_or_default();
    let renewing = lives.get_mut(renewing).ok_or("there is no name")?;
    renewing.renew(&platform.visitor).await?;
    renewing.visit(&platform.visitor).await?;

    println!("\nThe customers leave:");
    let lives = each(lives, Life::removed).await?;
    tokio::time::sleep(2 * REVALIDATE_AFTER).await;
    for life in &lives {
        life.visit_in_vain(&platform.visitor).await?;
    }
    platform.finish().await?;
    leftovers(&servers, &zones, &lives).await
}

/// Asserts that the zones hold what they started with and what the customers added, and nothing else.
async fn leftovers(servers: &Servers, zones: &[DnsName], lives: &[Life]) -> Result<(), Failure> {
    let added = lives.iter().flat_map(|life| &life.instructions);
    let mut theirs: BTreeSet<(String, String)> =
        added.map(|step| (step.name.to_string(), step.record_type.to_string())).collect();
    theirs.insert((EDGE.to_owned(), "A".to_owned()));
    let mut ours = Vec::new();
    println!("\nWhat Knot DNS holds now:");
    for zone in zones {
        theirs.extend(["SOA", "NS"].map(|made| (zone.to_string(), made.to_owned())));
        theirs.insert((format!("ns1.{zone}"), "A".to_owned()));
        let records = servers.records(zone).await?;
        // The first number of a SOA record counts the changes, from 1.
        let serial = records.first().and_then(|[_, _, soa]| soa.split(' ').nth(2));
        let left = records.iter().filter(|[owner, record_type, _]| {
            !theirs.contains(&(owner.clone(), record_type.clone()))
        });
        let left: Vec<_> = left.map(|record| record.join(" ")).collect();
        let found = if left.is_empty() { "nothing" } else { "SOMETHING" };
        println!("  {zone}, serial {}: {found} of ours", serial.unwrap_or("unknown"));
        ours.extend(left);
    }
    match ours.is_empty() {
        true => Ok(()),
        false => Err(format!("these records are left behind: {}", ours.join("; ")).into()),
    }
}

/// What a visitor who keeps coming went through.
#[derive(Debug, Default)]
struct Visits {
    count: u64,
    failures: Vec<String>,
    /// Of the certificates, whenever it was another than before.
    fingerprints: Vec<String>,
}

async fn keep_coming(visitor: Visitor, host: String, visits: Arc<Mutex<Visits>>) {
    loop {
        let page = visitor.fetch(&host).await;
        let mut visits = lock(&visits);
        visits.count += 1;
        match page {
            Ok(page) if page.is_ok() => {
                let fingerprint = page.chain.fingerprint();
                if visits.fingerprints.last() != Some(&fingerprint) {
                    visits.fingerprints.push(fingerprint);
                }
            }
            Ok(page) => visits.failures.push(page.status_line),
            Err(error) => visits.failures.push(error.to_string()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const PAUSE: Duration = Duration::from_millis(10);

/// Waits for something, at most 30 seconds.
async fn patiently(what: &str, done: impl Fn() -> bool) -> Result<(), Failure> {
    for _ in 0..3000 {
        if done() {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(format!("waited too long for {what}").into())
}
