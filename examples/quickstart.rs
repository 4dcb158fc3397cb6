//! A name goes from what a customer types to HTTPS on loopback: no network, no servers, no setup.
//!
//! ```sh
//! cargo run --example quickstart                        # shop.example.com
//! cargo run --example quickstart -- café.example.com    # another name
//! cargo run --example quickstart -- --withhold-txt      # the customer forgets the proof
//! cargo run --example quickstart -- --wrong-token       # the customer publishes another one
//! ```
//!
//! Everything but the network is real: the lifecycle, the keys, the X.509 certificate, the HTTP-01
//! validation over a socket and the TLS handshake. The DNS, the certificate authority and the store
//! are the in-memory implementations.
//!
//! Exit codes: 0 if the page was fetched, 2 for a name that cannot be claimed, 3 if the domain stays
//! pending.

mod common;

use std::{
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use common::{Failure, Teller, Visitor, host, record_set, serve_http, serve_https};
use nameplate::{
    ca::{InMemoryCa, RcgenSigner},
    clock::{SystemClock, TokioTimer},
    dns::InMemoryDns,
    domain::{Instruction, NewDomain, Status, Targets},
    engine::{Onboarding, Policy},
    id::{OsRandom, TenantId},
    keys::RcgenKeys,
    name::{ClaimPolicy, DnsName, DomainName},
    probe::{Fetch, Fetched, Probe},
    record::{RecordData, RecordSet, RecordType, Ttl},
    resolver::InMemoryResolver,
    seal::XChaChaSealer,
    serve::Acceptor,
    store::InMemoryStore,
};
use rustls::pki_types::CertificateDer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

/// The platform's own zone, in which its edge lives and in which it answers DNS challenges.
const PLATFORM: &str = "platform.example";
const EDGE: &str = "edge.platform.example";
const DELEGATION: &str = "acme.platform.example";

/// What the customer does with the proof.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Proof {
    Published,
    Withheld,
    Wrong,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut typed = None;
    let mut proof = Proof::Published;
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--withhold-txt" => proof = Proof::Withheld,
            "--wrong-token" => proof = Proof::Wrong,
            "--help" | "-h" => {
                println!("usage: quickstart [NAME] [--withhold-txt | --wrong-token]");
                return ExitCode::SUCCESS;
            }
            // A name may begin with a hyphen, and is refused as a name then.
            option if option.starts_with("--") => return refuse(&format!("no option {option}")),
            name if typed.is_none() => typed = Some(name.to_owned()),
            _ => return refuse("one name at a time"),
        }
    }
    let typed = typed.unwrap_or_else(|| "shop.example.com".to_owned());
    // What the customer typed is judged before anything is stored or sent.
    let wanted = match typed.parse::<NewDomain>() {
        Ok(wanted) => wanted,
        Err(error) => return refuse(&error),
    };
    if let Err(error) = claims().admit(wanted.name()) {
        return refuse(&error);
    }
    match run(wanted, proof).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

fn refuse(reason: &(impl std::fmt::Display + ?Sized)) -> ExitCode {
    eprintln!("quickstart: {reason}");
    ExitCode::from(2)
}

/// Which names may be claimed here: also those that are reserved for examples and tests.
fn claims() -> ClaimPolicy {
    let names = |names: &[&str]| -> Vec<DnsName> {
        names.iter().filter_map(|name| name.parse().ok()).collect()
    };
    ClaimPolicy::new()
        .with_allowed(names(&["example.com", "example.net", "example.org", "test"]))
        .with_reserved(names(&[PLATFORM]))
}

async fn run(wanted: NewDomain, proof: Proof) -> Result<ExitCode, Failure> {
    let name = wanted.name().clone();

    // 1. The world outside: a DNS service with the customer's zone and ours, and an authority.
    let customer_zone: DnsName = name.registrable().unwrap_or(name.as_str()).parse()?;
    let dns = InMemoryDns::new([customer_zone, PLATFORM.parse()?, DELEGATION.parse()?]);
    let edge_address = RecordData::A(Ipv4Addr::LOCALHOST);
    dns.set(RecordSet::new(EDGE.parse()?, Ttl::HOUR, [edge_address])?)?;
    let resolver = InMemoryResolver::over(Arc::new(dns.clone()));
    let http = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let https = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let https_address = https.local_addr()?;
    let signer = Arc::new(RcgenSigner::new()?);
    let root = CertificateDer::from(signer.root_der().to_vec());
    let authority = InMemoryCa::new(Arc::new(SystemClock), signer)
        .with_resolver(Arc::new(resolver.clone()))
        .with_probe(Arc::new(LoopbackProbe(http.local_addr()?)));

    // 2. nameplate, embedded.
    let mut policy = Policy::new();
    policy.poll_interval = Duration::from_millis(20);
    let sealing_key = {
        let mut key = [0; 32];
        nameplate::id::Random::fill(&OsRandom, &mut key)?;
        key
    };
    let nameplate = Onboarding::builder(InMemoryStore::new(Arc::new(SystemClock)))
        .with_brand("platform")
        .with_targets(Targets::cname(EDGE).with_addresses([Ipv4Addr::LOCALHOST], []))
        .with_resolver(resolver)
        .with_dns(dns.clone())
        .with_delegation_zone(DELEGATION.parse()?)
        .with_authority(authority)
        .with_keys(RcgenKeys)
        .with_sealer(XChaChaSealer::new(&sealing_key))
        .with_timer(TokioTimer)
        .with_claims(claims())
        .with_policy(policy)
        .build()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = tokio::spawn(nameplate.worker().run(async {
        let _ = stopped.await;
    }));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    tokio::spawn(serve_http(http, nameplate.edge()));
    let acceptor = Acceptor::builder(nameplate.edge(), provider.clone()).build()?;
    tokio::spawn(serve_https(https, acceptor));

    // 3. The customer types a name, and is told what to add.
    let tenant = TenantId::random(&OsRandom)?;
    let domain = nameplate.add(&tenant, wanted).await?;
    println!("{} is claimed as {} (claim {})\n", domain.submitted(), name, domain.id());
    println!("The customer is asked to add:");
    let instructions = nameplate.instructions(&tenant, domain.id()).await?;
    for step in &instructions {
        println!("  {step}");
    }
    println!();

    // 4. What the customer sees, live.
    let mut teller = Teller::new(&nameplate, &domain, String::new());
    teller
        .until(|domain| domain.next_check_at().is_some_and(|at| at > domain.created_at()))
        .await?;
    println!("  .. the customer adds the records");
    for step in &instructions {
        publish(&dns, step, proof)?;
    }
    nameplate.check(&tenant, domain.id()).await?;
    let domain = match proof {
        Proof::Published => teller.until(|domain| domain.status() == Status::Active).await?,
        // A look finds the proof missing or different; nothing moves after it.
        Proof::Withheld | Proof::Wrong => teller.until(|_| true).await?,
    };
    let _ = stop.send(());
    worker.await?;
    if domain.status() != Status::Active {
        println!("\n{} stays {}: {}", domain.name(), domain.status(), domain.waiting_on());
        return Ok(ExitCode::from(3));
    }

    // 5. A visitor comes.
    let host = host(&name);
    println!("\nGET https://{host}/ on {https_address}, SNI {host}, trusting the test root only");
    let page = Visitor::new(https_address, root, provider)?.fetch(&host).await?;
    println!("  {}", page.status_line);
    println!("  certificate for {}", page.names());
    println!("  valid until {}", page.chain.not_after());
    Ok(if page.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Adds a record to the customer's zone, as a DNS provider's form would.
fn publish(dns: &InMemoryDns, step: &Instruction, proof: Proof) -> Result<(), Failure> {
    let mut step = step.clone();
    match (step.record_type, proof) {
        (RecordType::Txt, Proof::Withheld) => return Ok(()),
        (RecordType::Txt, Proof::Wrong) => step.value = format!("token={}", "0".repeat(64)),
        _ => {}
    }
    Ok(dns.set(record_set(&step)?)?)
}

/// The authority's view of the web: wherever a name leads, it ends at the platform's HTTP port.
#[derive(Debug)]
struct LoopbackProbe(SocketAddr);

#[async_trait]
impl Probe for LoopbackProbe {
    async fn fetch(&self, fetch: &Fetch) -> nameplate::error::Result<Fetched> {
        Ok(get(self.0, &fetch.host, &fetch.path).await.unwrap_or(Fetched::Unreachable))
    }
}

async fn get(address: SocketAddr, host: &DomainName, path: &str) -> Option<Fetched> {
    let mut socket = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    socket.take(16 * 1024).read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Fetched::response(status, body))
}
