//! `Acme` against Pebble, which validates through the resolver in front of Knot DNS.

use std::{
    collections::HashMap,
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener},
    panic::{AssertUnwindSafe, catch_unwind},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use nameplate::{
    ca::{
        Account, Acme, AuthorizationStatus, CertificateAuthority, ChallengeType, OrderState,
        Progress, Publication,
    },
    certificate::Handle,
    error::{ErrorKind, Result},
    name::DomainName,
    secret::Secret,
    transport::{CryptoProvider, HttpClient, Method, Request, ReqwestClient, Response},
};
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

use crate::servers;

/// The interval at which tests look again.
const POLL: Duration = Duration::from_millis(100);

/// Returns a name that no other test has, in the first zone of Knot.
fn name(label: &str) -> DomainName {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    // The servers may outlive this process, and with them authorizations that are still good.
    let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    format!("{label}-{process}-{count}.{}", servers::zones()[0]).parse().unwrap()
}

fn p256() -> rcgen::KeyPair {
    rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap()
}

fn request(names: &[DomainName], key: &rcgen::KeyPair) -> Vec<u8> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.serialize_request(key).unwrap().der().to_vec()
}

fn client(crypto: CryptoProvider) -> ReqwestClient {
    ReqwestClient::builder(crypto).with_root_pem(servers::pebble_ca()).build().unwrap()
}

/// Counts what is sent, but for what Pebble rejects on purpose and the nonces that costs.
#[derive(Debug)]
struct Counting {
    client: ReqwestClient,
    sent: Mutex<Vec<String>>,
}

impl Counting {
    fn new(crypto: CryptoProvider) -> Arc<Self> {
        Arc::new(Self { client: client(crypto), sent: Mutex::default() })
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }
}

#[async_trait]
impl HttpClient for Counting {
    async fn send(&self, request: Request) -> Result<Response> {
        let what = format!("{} {}", request.method.as_str(), request.url);
        let response = self.client.send(request).await?;
        if !String::from_utf8_lossy(&response.body).contains("badNonce") {
            self.sent.lock().unwrap().push(what);
        }
        Ok(response)
    }
}

fn acme(crypto: CryptoProvider, client: Arc<dyn HttpClient>) -> Acme {
    Acme::builder(servers::pebble_directory(), crypto, client)
        .with_contact("ops@example.com")
        .agreeing_to_terms()
        .build()
        .unwrap()
}

/// Returns an authority that remembers nothing, as in a process that has just started.
pub(crate) fn fresh() -> Acme {
    acme(CryptoProvider::Ring, Arc::new(client(CryptoProvider::Ring)))
}

async fn account(acme: &Acme) -> Account {
    let key = Secret::new(p256().serialize_der());
    let handle = acme.enroll(&key).await.unwrap();
    Account::new(key, handle)
}

/// Sends updates to Knot.
fn update(lines: &[String]) {
    let key = servers::tsig_key();
    let mut child = Command::new("knsupdate")
        .arg("-y")
        .arg(format!("{}:{}:{}", key.algorithm, key.name, key.secret))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let knot = servers::knot();
    let mut script =
        format!("server {} {}\nzone {}.\n", knot.ip(), knot.port(), servers::zones()[0]);
    for line in lines {
        script.push_str(&format!("update {line}\n"));
    }
    script.push_str("send\n");
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// Who answers what acme tests do not: given a host and a token.
type Elsewhere = Box<dyn Fn(&str, &str) -> Option<String> + Send>;

/// What is answered at the port where Pebble looks.
#[derive(Default)]
struct Answers {
    /// By token, for every name.
    bodies: HashMap<String, String>,
    elsewhere: Vec<Elsewhere>,
}

impl Answers {
    fn find(&self, request: &str) -> Option<String> {
        let token = request.split(' ').nth(1)?.strip_prefix("/.well-known/acme-challenge/")?;
        if let Some(body) = self.bodies.get(token) {
            return Some(body.clone());
        }
        let mut lines = request.lines();
        let host = lines
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("host:").map(str::to_owned))?;
        let host = host.trim().split(':').next().unwrap_or_default();
        // Who answers may be gone with the runtime of its test; the others are asked all the same.
        let ask = |answer: &Elsewhere| catch_unwind(AssertUnwindSafe(|| answer(host, token)));
        self.elsewhere.iter().find_map(|answer| ask(answer).ok().flatten())
    }
}

/// Returns what is answered over HTTP, once the only listener that the port can have is there.
fn answers() -> MutexGuard<'static, Answers> {
    static ANSWERS: OnceLock<Mutex<Answers>> = OnceLock::new();
    let answers = ANSWERS.get_or_init(|| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, servers::http01_port())).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut buffer = [0; 2048];
                let length = stream.read(&mut buffer).unwrap_or_default();
                let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
                let body = ANSWERS.wait().lock().unwrap().find(&request);
                let (status, body) =
                    body.map_or(("404 Not Found", String::new()), |b| ("200 OK", b));
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        Mutex::default()
    });
    answers.lock().unwrap()
}

/// Makes a body available for a token at every name, at the port where Pebble looks.
fn answer(token: &str, body: &str) {
    answers().bodies.insert(token.to_owned(), body.to_owned());
}

/// Has somebody else asked for what is not known here.
pub(crate) fn answer_too(elsewhere: impl Fn(&str, &str) -> Option<String> + Send + 'static) {
    answers().elsewhere.push(Box::new(elsewhere));
}

/// Publishes what an authorization for a name wants to see.
pub(crate) fn place(name: &DomainName, publication: &Publication) {
    match publication {
        Publication::Dns01 { value } => {
            update(&[format!("add _acme-challenge.{name}. 1 TXT \"{value}\"")]);
        }
        Publication::Http01 { token, body } => {
            answer(token, body);
            update(&[format!("add {name}. 1 A 127.0.0.1")]);
        }
        _ => unreachable!(),
    }
}

/// Publishes what the order waits for, by challenges of one type. Returns the authorizations.
fn publish(progress: &Progress, challenge: ChallengeType) -> Vec<Handle> {
    let mut handles = Vec::new();
    for authorization in &progress.authorizations {
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let wanted = authorization
            .publications
            .iter()
            .find(|publication| publication.challenge_type() == challenge)
            .unwrap();
        place(&authorization.name, wanted);
        handles.push(authorization.handle.clone());
    }
    handles
}

/// Looks until the order has moved on.
async fn wait(acme: &Acme, account: &Account, order: &Handle, from: OrderState) -> Progress {
    for _ in 0..200 {
        let progress = acme.progress(account, order).await.unwrap();
        if progress.state != from {
            return progress;
        }
        tokio::time::sleep(POLL).await;
    }
    panic!("{} stays {from:?}", String::from_utf8_lossy(order.as_bytes()));
}

/// Goes all the way and returns the chain.
async fn issue(
    acme: &Acme,
    account: &Account,
    names: &[DomainName],
    challenge: ChallengeType,
) -> String {
    let order = acme.open(account, names).await.unwrap();
    let progress = acme.progress(account, &order).await.unwrap();
    for authorization in publish(&progress, challenge) {
        acme.respond(account, &order, &authorization, challenge).await.unwrap();
    }
    if progress.state == OrderState::Pending {
        tokio::time::sleep(POLL).await;
        let progress = wait(acme, account, &order, OrderState::Pending).await;
        assert_eq!(progress.state, OrderState::Ready, "{progress:?}");
    }
    acme.finalize(account, &order, &request(names, &p256())).await.unwrap();
    tokio::time::sleep(POLL).await;
    let progress = wait(acme, account, &order, OrderState::Processing).await;
    assert_eq!(progress.state, OrderState::Valid, "{progress:?}");
    acme.certificate(account, &order).await.unwrap()
}

/// Returns the root of the authority, as PEM; `None` if it does not answer.
pub(crate) async fn root() -> Option<Vec<u8>> {
    let client = client(CryptoProvider::Ring);
    let url = format!("{}/roots/0", servers::pebble_management());
    client.send(Request::new(Method::Get, url)).await.ok().map(|response| response.body)
}

/// Asserts that a chain leads to Pebble's root and is for all the names.
pub(crate) async fn verify(chain: &str, names: &[DomainName]) {
    verify_by(&root().await.unwrap(), chain, names);
}

/// The same, by the roots of a text of PEM.
pub(crate) fn verify_by(roots_pem: &[u8], chain: &str, names: &[DomainName]) {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(roots_pem) {
        roots.add(root.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(chain.as_bytes()).map(Result::unwrap).collect();
    for name in names {
        let name = name.as_str().replace('*', "any");
        let name = ServerName::try_from(name).unwrap();
        verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], UnixTime::now()).unwrap();
    }
}

/// Asserts the kind of an error.
#[track_caller]
fn fails<T: std::fmt::Debug>(result: Result<T>, kind: ErrorKind) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error:?}");
}

#[tokio::test]
async fn a_certificate_by_http_takes_seven_requests() {
    let counting = Counting::new(CryptoProvider::Ring);
    let acme = acme(CryptoProvider::Ring, counting.clone());
    let account = account(&acme).await;
    counting.take();
    let names = [name("http")];
    let chain = issue(&acme, &account, &names, ChallengeType::Http01).await;
    verify(&chain, &names).await;
    let sent = counting.take();
    println!("{} requests: {sent:#?}", sent.len());
    // Rejected nonces may leave none in stock, and a slow machine makes us look once more.
    let nonces = sent.iter().filter(|what| what.starts_with("HEAD")).count();
    assert!(sent.len() - nonces <= 9, "{sent:#?}");
}

#[tokio::test]
async fn pebble_does_not_say_which_caa_records_name_it() {
    assert_eq!(fresh().caa_identities().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn handles_resume_a_wildcard_order_by_dns_in_another_process() {
    let base = name("dns");
    let names = [base.clone(), format!("*.{base}").parse().unwrap()];
    let account = account(&fresh()).await;
    assert_eq!(fresh().enroll(&account.key).await.unwrap(), account.handle);

    let order = fresh().open(&account, &names).await.unwrap();
    let progress = fresh().progress(&account, &order).await.unwrap();
    assert_eq!(progress.state, OrderState::Pending);
    assert!(progress.expires.is_some());
    assert_eq!(progress.authorizations.len(), 2);
    assert!(progress.authorizations.iter().all(|a| a.name == base), "{progress:?}");
    let csr = request(&names, &p256());
    fails(fresh().finalize(&account, &order, &csr).await, ErrorKind::Precondition);
    fails(fresh().certificate(&account, &order).await, ErrorKind::Precondition);

    for authorization in publish(&progress, ChallengeType::Dns01) {
        // The second time it is no longer pending, or still: nothing changes.
        for _ in 0..2 {
            fresh().respond(&account, &order, &authorization, ChallengeType::Dns01).await.unwrap();
        }
    }
    let progress = wait(&fresh(), &account, &order, OrderState::Pending).await;
    assert_eq!(progress.state, OrderState::Ready, "{progress:?}");
    fresh().finalize(&account, &order, &csr).await.unwrap();
    let progress = wait(&fresh(), &account, &order, OrderState::Processing).await;
    assert_eq!(progress.state, OrderState::Valid);
    fails(fresh().finalize(&account, &order, &csr).await, ErrorKind::Precondition);
    let chain = fresh().certificate(&account, &order).await.unwrap();
    assert_eq!(fresh().certificate(&account, &order).await.unwrap(), chain);
    verify(&chain, &names).await;
}

#[tokio::test]
async fn an_order_is_ready_for_its_own_names_only() {
    let acme = fresh();
    let account = account(&acme).await;
    let names = [name("own")];
    let order = acme.open(&account, &names).await.unwrap();
    let progress = acme.progress(&account, &order).await.unwrap();
    for authorization in publish(&progress, ChallengeType::Dns01) {
        acme.respond(&account, &order, &authorization, ChallengeType::Dns01).await.unwrap();
    }
    wait(&acme, &account, &order, OrderState::Pending).await;
    let other = request(&[name("other")], &p256());
    fails(acme.finalize(&account, &order, &other).await, ErrorKind::Refused);
    fails(acme.finalize(&account, &order, b"nonsense").await, ErrorKind::Refused);
    acme.finalize(&account, &order, &request(&names, &p256())).await.unwrap();
    wait(&acme, &account, &order, OrderState::Processing).await;
    // It is done: saying so again changes nothing.
    let authorization = &progress.authorizations[0].handle;
    acme.respond(&account, &order, authorization, ChallengeType::Dns01).await.unwrap();
    fresh().respond(&account, &order, authorization, ChallengeType::Dns01).await.unwrap();
    verify(&acme.certificate(&account, &order).await.unwrap(), &names).await;
}

#[tokio::test]
async fn a_missing_record_is_explained() {
    let acme = fresh();
    let account = account(&acme).await;
    let order = acme.open(&account, &[name("missing")]).await.unwrap();
    let progress = acme.progress(&account, &order).await.unwrap();
    let authorization = &progress.authorizations[0].handle;
    acme.respond(&account, &order, authorization, ChallengeType::Dns01).await.unwrap();
    let progress = wait(&acme, &account, &order, OrderState::Pending).await;
    assert_eq!(progress.state, OrderState::Invalid);
    assert_eq!(progress.authorizations[0].status, AuthorizationStatus::Invalid);
    let problem = progress.authorizations[0].problem.as_ref().unwrap();
    assert_eq!(problem.code, "unauthorized", "{problem}");
    let csr = request(&[name("missing")], &p256());
    fails(acme.finalize(&account, &order, &csr).await, ErrorKind::Precondition);
}

#[tokio::test]
async fn what_belongs_to_somebody_else_is_not_shown() {
    let acme = fresh();
    let (mine, theirs) = (account(&acme).await, account(&acme).await);
    assert_ne!(mine.handle, theirs.handle);
    let names = [name("mine")];
    let order = acme.open(&mine, &names).await.unwrap();
    let authorization =
        acme.progress(&mine, &order).await.unwrap().authorizations[0].handle.clone();
    let csr = request(&names, &p256());

    let forged = Account::new(theirs.key.clone(), mine.handle.clone());
    let nobody =
        Account::new(mine.key.clone(), Handle::new([mine.handle.as_bytes(), b"-nobody"].concat()));
    let dns = ChallengeType::Dns01;
    for acme in [acme, fresh()] {
        for stranger in [&theirs, &forged, &nobody] {
            for result in [
                acme.progress(stranger, &order).await.map(drop),
                acme.respond(stranger, &order, &authorization, dns).await,
                acme.finalize(stranger, &order, &csr).await,
                acme.certificate(stranger, &order).await.map(drop),
            ] {
                let error = result.unwrap_err();
                assert!(
                    matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound),
                    "{error:?}"
                );
            }
        }
        let nothing = Handle::new([order.as_bytes(), b"-nothing"].concat());
        fails(acme.progress(&mine, &nothing).await, ErrorKind::NotFound);
        fails(acme.finalize(&mine, &nothing, &csr).await, ErrorKind::NotFound);
        fails(acme.certificate(&mine, &nothing).await, ErrorKind::NotFound);
    }
    fails(fresh().open(&forged, &names).await, ErrorKind::Denied);
    fails(fresh().open(&nobody, &names).await, ErrorKind::Denied);
}

#[tokio::test]
async fn rejected_nonces_fail_no_order() {
    let acme = fresh();
    let account = account(&acme).await;
    for _ in 0..20 {
        let names = [name("nonce")];
        issue(&acme, &account, &names, ChallengeType::Http01).await;
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_or_not_trusted_is_unavailable() {
    let elsewhere = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = elsewhere.local_addr().unwrap().port();
    drop(elsewhere);
    let client = client(CryptoProvider::Ring);
    let url = format!("https://127.0.0.1:{port}/");
    fails(client.send(Request::new(Method::Post, url)).await, ErrorKind::Unavailable);
    let wary = ReqwestClient::new(CryptoProvider::Ring).unwrap();
    let directory = Request::new(Method::Post, servers::pebble_directory());
    fails(wary.send(directory).await, ErrorKind::Unavailable);
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_malformed() {
    let client = client(CryptoProvider::Ring);
    let request = Request::new(Method::Get, servers::pebble_directory()).with_limit(10);
    fails(client.send(request).await, ErrorKind::Malformed);
}

// Both compiled in is where rustls panics if nobody says which one is meant.
#[cfg(feature = "aws-lc-rs")]
#[tokio::test]
async fn both_providers_get_a_certificate_in_one_process() {
    for crypto in [CryptoProvider::AwsLcRs, CryptoProvider::Ring] {
        let acme = acme(crypto.clone(), Arc::new(client(crypto)));
        let account = account(&acme).await;
        let names = [name("both")];
        let chain = issue(&acme, &account, &names, ChallengeType::Http01).await;
        verify(&chain, &names).await;
    }
}
