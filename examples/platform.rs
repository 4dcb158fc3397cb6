//! The smallest real host: three replicas on PostgreSQL, which is all that they share.
//!
//! ```sh
//! scripts/platform            # starts everything, prints curl lines that work, runs until Ctrl-C
//! scripts/platform --check    # leads one domain from its name to HTTPS at every replica, and away
//! ```
//!
//! A replica is a process of its own. It answers the tenants' HTTP API, works on what is due, serves
//! whatever name a visitor asks for by TLS, and answers the certificate authority. Any of them does
//! for any domain; whoever embeds nameplate starts as many as they like.
//!
//! `scripts/platform` starts the servers too, on loopback: PostgreSQL, Knot DNS with the zones, a
//! resolver, and Pebble as the certificate authority. The process that starts the replicas also plays
//! the DNS provider of the customers, who have none here.

#[path = "platform/api.rs"]
mod api;
#[allow(dead_code, reason = "a part of more than one program")]
mod common;
#[path = "platform/customer.rs"]
mod customer;
#[path = "common/servers.rs"]
mod servers;

use std::{
    env,
    net::{Ipv4Addr, SocketAddr},
    process::{ExitCode, Stdio},
    sync::Arc,
    time::Duration,
};

use common::{Failure, serve_http, serve_https};
use nameplate::{
    ca::Acme,
    certificate::Validation,
    clock::TokioTimer,
    dns::Rfc2136,
    domain::Targets,
    engine::{Onboarding, Policy},
    id::{OsRandom, Random, TenantId},
    keys::RcgenKeys,
    name::{ClaimPolicy, DnsName},
    record::{RecordData, RecordSet, Ttl},
    resolver::Hickory,
    seal::XChaChaSealer,
    serve::Acceptor,
    store::Postgres,
    transport::{CryptoProvider, ReqwestClient},
};
use servers::{Servers, add, variable};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpSocket},
    process::{Child, ChildStdin, Command},
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};

/// The platform's own zone, in which its edge lives, and the one in which it answers DNS challenges.
const PLATFORM: &str = "platform.test";
const EDGE: &str = "edge.platform.test";
const DELEGATION: &str = "acme.platform.test";

/// The zone of the customers.
const CUSTOMERS: &str = "example.test";

const REPLICAS: usize = 3;

/// How long a renewal or a removal takes to reach every replica.
const REVALIDATE_AFTER: Duration = Duration::from_millis(500);

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        [] => launch().await,
        ["--zones"] => {
            // For the script, which has to know before it starts the servers.
            println!("{PLATFORM} {DELEGATION} {CUSTOMERS}");
            Ok(())
        }
        ["--replica", number] => replica(number).await,
        _ => {
            eprintln!("platform: please run scripts/platform");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("platform: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Starts the replicas, tells how to use them, and runs until it is told to stop.
async fn launch() -> Result<(), Failure> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let servers = Servers::from_environment()?;
    let edge = [RecordData::A(Ipv4Addr::LOCALHOST)];
    let edge = RecordSet::new(EDGE.parse()?, Ttl::HOUR, edge)?;
    add(&servers.provider(&[PLATFORM.parse()?])?, edge).await?;
    // A platform keeps it where it keeps its secrets: without it no stored key can be opened.
    let mut sealing_key = [0; 32];
    OsRandom.fill(&mut sealing_key)?;

    let mut replicas = Vec::new();
    for number in 1..=REPLICAS {
        replicas.push(Replica::start(number, &sealing_key).await?);
    }
    let dns = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    tell(&servers, &replicas, dns.local_addr()?)?;
    tokio::spawn(customer::serve(dns, servers.provider(&[CUSTOMERS.parse()?])?));

    let mut running = JoinSet::new();
    let mut inputs = Vec::new();
    for Replica { mut child, input, .. } in replicas {
        inputs.push(input);
        running.spawn(async move { child.wait().await });
    }
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
        Some(ended) = running.join_next() => {
            return Err(format!("a replica ended by itself: {}", ended??).into());
        }
    }
    // That is what tells them to stop; each hands over what it was working on.
    drop(inputs);
    while let Some(ended) = running.join_next().await {
        let ended = ended??;
        if !ended.success() {
            return Err(format!("a replica did not stop as it should: {ended}").into());
        }
    }
    println!("stopped");
    Ok(())
}

/// A replica, as it is seen by whoever has started it.
struct Replica {
    child: Child,
    /// The replica stops when this is closed.
    input: ChildStdin,
    /// Where it answers tenants, and where it serves visitors.
    api: SocketAddr,
    https: SocketAddr,
}

impl Replica {
    async fn start(number: usize, sealing_key: &[u8; 32]) -> Result<Self, Failure> {
        let mut child = Command::new(env::current_exe()?)
            .args(["--replica", &number.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (mut input, output) = input.zip(output).ok_or("a replica without input and output")?;
        input.write_all(sealing_key).await?;
        let said = BufReader::new(output).lines().next_line().await?;
        let said = said.ok_or_else(|| format!("replica {number} does not start"))?;
        let (api, https) = said.split_once(' ').ok_or_else(|| format!("it says {said:?}"))?;
        let (api, https) = (api.parse()?, https.parse()?);
        Ok(Self { child, input, api, https })
    }
}

/// One of the replicas: everything that a process of a platform has to do.
async fn replica(number: &str) -> Result<(), Failure> {
    // Ctrl-C reaches all processes of a terminal; who has started this one says when to stop.
    let _interrupted = signal(SignalKind::interrupt())?;
    let mut input = tokio::io::stdin();
    let mut sealing_key = [0; 32];
    input.read_exact(&mut sealing_key).await?;
    let servers = Servers::from_environment()?;
    let nameplate = nameplate(&servers, &sealing_key).await?;

    let api = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let https = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{} {}", api.local_addr()?, https.local_addr()?);
    let acceptor = Acceptor::builder(nameplate.edge(), CryptoProvider::Ring)
        .with_revalidate_after(REVALIDATE_AFTER)
        .with_unknown_for(REVALIDATE_AFTER)
        .build()?;
    tokio::spawn(serve_https(https, acceptor));
    tokio::spawn(serve_http(shared(servers.http_port)?, nameplate.edge()));

    let (stop, stopped) = tokio::sync::watch::channel(false);
    let is_stopped = || {
        let mut stopped = stopped.clone();
        async move {
            let _ = stopped.wait_for(|is_stopped| *is_stopped).await;
        }
    };
    let worker = tokio::spawn(nameplate.worker().run(is_stopped()));
    let api = axum::serve(api, api::router(nameplate)).with_graceful_shutdown(is_stopped());
    let api = tokio::spawn(async move { api.await });
    // Nobody writes more: this is its end.
    let _ = input.read(&mut [0]).await;
    let _ = stop.send(true);
    worker.await?;
    api.await??;
    eprintln!("replica {number} is done");
    Ok(())
}

/// Puts nameplate together as every replica has it.
async fn nameplate(servers: &Servers, sealing_key: &[u8; 32]) -> Result<Onboarding, Failure> {
    let zones: [DnsName; 2] = [PLATFORM.parse()?, DELEGATION.parse()?];
    let provider: Rfc2136 = servers.provider(&zones)?;
    // Looks are answered by whoever is responsible for a zone, and not from a cache.
    let resolver = Hickory::builder([servers.resolver])
        .with_zone(PLATFORM.parse()?, [servers.knot])
        .with_zone(DELEGATION.parse()?, [servers.knot])
        .with_zone(CUSTOMERS.parse()?, [servers.knot])
        .build()?;
    let client =
        ReqwestClient::builder(CryptoProvider::Ring).with_root_pem(&*servers.authority).build()?;
    let authority = Acme::builder(&*servers.directory, CryptoProvider::Ring, Arc::new(client))
        .with_contact(format!("ops@{PLATFORM}"))
        .agreeing_to_terms()
        .build()?;
    // As it comes, but for what nobody wants to sit through.
    let mut policy = Policy::new();
    policy.validation = Validation::Http01;
    policy.poll_interval = Duration::from_millis(100);
    policy.call_timeout = Duration::from_secs(4);
    policy.sweep_after = Duration::from_secs(5);
    // Whichever replica comes first creates the tables.
    let store = Postgres::connect(&variable("POSTGRES")?).await?;
    Ok(Onboarding::builder(store)
        .with_brand("platform")
        .with_targets(Targets::cname(EDGE).with_addresses([Ipv4Addr::LOCALHOST], []))
        .with_resolver(resolver)
        .with_dns(provider)
        .with_delegation_zone(DELEGATION.parse()?)
        .with_authority(authority)
        .with_keys(RcgenKeys)
        .with_sealer(XChaChaSealer::new(sealing_key))
        .with_timer(TokioTimer)
        .with_claims(
            ClaimPolicy::new().with_allowed(["test".parse()?]).with_reserved([PLATFORM.parse()?]),
        )
        .with_policy(policy)
        .build()?)
}

/// Listens on a port that all replicas share, as they do behind a load balancer: the certificate
/// authority asks any of them, whoever has placed the order.
fn shared(port: u16) -> Result<TcpListener, Failure> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    Ok(socket.listen(128)?)
}

/// Prints what to do with all of it.
fn tell(servers: &Servers, replicas: &[Replica], dns: SocketAddr) -> Result<(), Failure> {
    for (number, replica) in (1..).zip(replicas) {
        let Replica { api, https, .. } = replica;
        println!("replica {number}: tenants at http://{api}, visitors at {https}");
    }
    let [first, second, third] = replicas else { return Err("not three replicas".into()) };
    let tenant = TenantId::random(&OsRandom)?;
    let root = format!("curl -s --cacert $NAMEPLATE_TEST_PEBBLE_CA {}/roots/0", servers.management);
    println!(
        r#"
The life of a domain, in a shell (the customers' DNS provider is at http://{dns}):

  export no_proxy='*' tenant='x-tenant: {tenant}' NAMEPLATE_TEST_PEBBLE_CA={ca}
  curl -si -H "$tenant" -d '{{"name": "shop.{CUSTOMERS}"}}' http://{api}/domains
  id=$(curl -s -H "$tenant" http://{api}/domains | grep -o '"id":"[^"]*' | cut -c 7-)
  curl -s -H "$tenant" http://{api}/domains/$id | curl -s -d @- http://{dns}/records
  curl -s -H "$tenant" -X POST http://{second}/domains/$id/check
  curl -s -H "$tenant" http://{third}/domains/$id
  curl -si --cacert <({root}) --connect-to ::{https} https://shop.{CUSTOMERS}/
  curl -si -H "$tenant" -X DELETE http://{third}/domains/$id

ready"#,
        ca = variable("PEBBLE_CA")?,
        api = first.api,
        second = second.api,
        third = third.api,
        https = second.https,
    );
    Ok(())
}
