//! The protocol against an authority that answers from a script.

mod directory;
mod hostile;
mod life;
mod problems;

use std::{
    collections::{HashMap, VecDeque},
    error::Error as _,
};

use super::*;
use crate::{
    ca::Publication,
    clock::{Clock, ManualClock},
    encoding::base64url,
    transport::{Effect, Method, Request},
};

const ROOT: &str = "https://ca.test:14000";
const MARKER: &str = "hunter2-marker-hunter2";

/// Answers with what a script says for each path, the last answer for ever, and takes notes.
#[derive(Debug, Default)]
struct Script {
    answers: Mutex<HashMap<String, VecDeque<Result<Response, ErrorKind>>>>,
    sent: Mutex<Vec<Request>>,
    nonces: Mutex<u32>,
}

impl Script {
    /// An authority with one order for `shop.example.com`, pending.
    fn new() -> Arc<Self> {
        let script = Self::default();
        script.on(
            "/dir",
            ok(json!({
                "newNonce": format!("{ROOT}/nonce"),
                "newAccount": format!("{ROOT}/new-account"),
                "newOrder": format!("{ROOT}/new-order"),
                "keyChange": format!("{ROOT}/key-change"),
                "meta": { "termsOfService": "https://ca.test/terms" },
            })),
        );
        script.on("/nonce", Response::new(200, ""));
        let account = json!({ "status": "valid", "orders": format!("{ROOT}/orders/7") });
        script.on(
            "/new-account",
            Response::new(201, account.to_string()).with_header("location", account_url()),
        );
        script.on(
            "/new-order",
            Response::new(201, order("pending").to_string())
                .with_header("location", format!("{ROOT}/order/1")),
        );
        script.on("/order/1", ok(order("pending")));
        script.on("/authz/1", ok(authorization("pending", "pending")));
        script.on("/challenge/dns", ok(challenge("dns-01", "dns", "processing")));
        script.on("/challenge/http", ok(challenge("http-01", "http", "processing")));
        script.on("/finalize/1", ok(order("processing")));
        Arc::new(script)
    }

    fn on(&self, path: &str, answer: Response) {
        self.answers.lock().unwrap().insert(path.into(), [Ok(answer)].into());
    }

    fn then(&self, path: &str, answer: Response) {
        self.answers.lock().unwrap().entry(path.into()).or_default().push_back(Ok(answer));
    }

    fn breaks(&self, path: &str, kind: ErrorKind) {
        self.answers.lock().unwrap().insert(path.into(), [Err(kind)].into());
    }

    /// Returns the paths that were asked for since the last time.
    fn paths(&self) -> Vec<String> {
        let sent = std::mem::take(&mut *self.sent.lock().unwrap());
        sent.iter().map(|request| request.url.replace(ROOT, "")).collect()
    }

    /// Returns protected header and payload of the last request.
    fn last(&self) -> (Value, Value) {
        let sent = self.sent.lock().unwrap();
        let body: Value = serde_json::from_slice(&sent.last().unwrap().body).unwrap();
        let part = |name: &str| {
            let bytes = jose::decode(body[name].as_str().unwrap()).unwrap();
            serde_json::from_slice(&bytes).unwrap_or_default()
        };
        assert_eq!(jose::decode(body["signature"].as_str().unwrap()).unwrap().len(), 64);
        (part("protected"), part("payload"))
    }
}

#[async_trait]
impl HttpClient for Script {
    async fn send(&self, request: Request) -> Result<Response> {
        let path = request.url.strip_prefix(ROOT).expect("no request leaves the origin");
        let path = path.to_owned();
        let limit = request.limit;
        self.sent.lock().unwrap().push(request);
        let mut answers = self.answers.lock().unwrap();
        let queue = answers.get_mut(&path).unwrap_or_else(|| panic!("no answer for {path}"));
        let answer = if queue.len() > 1 { queue.pop_front() } else { queue.front().cloned() };
        let response =
            answer.unwrap().map_err(|kind| Error::new(kind, "http", "POST", "it broke"))?;
        if response.body.len() > limit {
            return Err(Error::new(ErrorKind::Malformed, "http", "POST", "too large"));
        }
        if path == "/dir" || response.header("replay-nonce").is_some() {
            return Ok(response);
        }
        let mut count = self.nonces.lock().unwrap();
        *count += 1;
        Ok(response.with_header("replay-nonce", format!("nonce-{count}")))
    }
}

fn ok(body: Value) -> Response {
    Response::new(200, body.to_string())
}

fn problem_of(status: u16, code: &str) -> Response {
    let body = json!({
        "type": format!("urn:ietf:params:acme:error:{code}"),
        "detail": format!("about {code}"),
        "status": status,
    });
    Response::new(status, body.to_string())
}

fn account_url() -> String {
    format!("{ROOT}/account/7")
}

fn order(status: &str) -> Value {
    let mut order = json!({
        "status": status,
        "expires": "2026-11-28T10:00:00Z",
        "identifiers": [{ "type": "dns", "value": "shop.example.com" }],
        "authorizations": [format!("{ROOT}/authz/1")],
        "finalize": format!("{ROOT}/finalize/1"),
    });
    if status == "valid" {
        order["certificate"] = json!(format!("{ROOT}/certificate/1"));
    }
    order
}

fn authorization(status: &str, challenge_status: &str) -> Value {
    json!({
        "identifier": { "type": "dns", "value": "shop.example.com" },
        "status": status,
        "expires": "2026-11-28T10:00:00Z",
        "challenges": [
            challenge("http-01", "http", challenge_status),
            challenge("dns-01", "dns", challenge_status),
            { "type": "dns-persist-01", "issuer-domain-names": ["ca.test"] },
        ],
    })
}

fn challenge(kind: &str, path: &str, status: &str) -> Value {
    json!({
        "type": kind,
        "url": format!("{ROOT}/challenge/{path}"),
        "status": status,
        "token": "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA",
    })
}

fn chain() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["shop.example.com".to_owned()]).unwrap();
    params.self_signed(&key).unwrap().pem()
}

fn key() -> Secret {
    Secret::new(rcgen::KeyPair::generate().unwrap().serialize_der())
}

fn builder(script: &Arc<Script>) -> AcmeBuilder {
    let clock = ManualClock::new("2026-11-21T10:00:00Z".parse().unwrap());
    Acme::builder(format!("{ROOT}/dir"), CryptoProvider::Ring, script.clone())
        .with_clock(clock)
        .agreeing_to_terms()
}

fn acme(script: &Arc<Script>) -> Acme {
    builder(script).build().unwrap()
}

fn account() -> Account {
    Account::new(key(), Handle::new(account_url()))
}

fn names() -> Vec<DomainName> {
    vec!["shop.example.com".parse().unwrap()]
}

fn order_handle() -> Handle {
    Handle::new(format!("{ROOT}/order/1"))
}
