//! The protocol against an authority that answers from a script.

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

#[tokio::test]
async fn one_certificate_takes_seven_requests_once_warm() {
    let script = Script::new();
    let acme = acme(&script);
    let key = key();
    let account = Account::new(key.clone(), acme.enroll(&key).await.unwrap());
    assert_eq!(script.paths(), ["/dir", "/nonce", "/new-account"]);

    let handle = acme.open(&account, &names()).await.unwrap();
    let progress = acme.progress(&account, &handle).await.unwrap();
    assert_eq!(progress.state, OrderState::Pending);
    let [authorization] = &progress.authorizations[..] else { panic!("{progress:?}") };
    acme.respond(&account, &handle, &authorization.handle, ChallengeType::Dns01).await.unwrap();
    script.on("/order/1", ok(order("ready")));
    let progress = acme.progress(&account, &handle).await.unwrap();
    assert_eq!((progress.state, progress.authorizations), (OrderState::Ready, vec![]));
    acme.finalize(&account, &handle, b"csr").await.unwrap();
    script.on("/order/1", ok(order("valid")));
    assert_eq!(acme.progress(&account, &handle).await.unwrap().state, OrderState::Valid);
    let chain = chain();
    script.on("/certificate/1", Response::new(200, chain.as_str()));
    assert_eq!(acme.certificate(&account, &handle).await.unwrap(), chain);
    assert_eq!(
        script.paths(),
        [
            "/new-order",
            "/authz/1",
            "/challenge/dns",
            "/order/1",
            "/finalize/1",
            "/order/1",
            "/certificate/1"
        ]
    );
}

#[tokio::test]
async fn a_handle_is_all_that_another_process_needs() {
    let script = Script::new();
    let account = account();
    let fresh = || acme(&script);
    let handle = fresh().open(&account, &names()).await.unwrap();
    assert_eq!(handle, order_handle());
    let progress = fresh().progress(&account, &handle).await.unwrap();
    let authorization = progress.authorizations[0].handle.clone();
    fresh().respond(&account, &handle, &authorization, ChallengeType::Http01).await.unwrap();
    fresh().finalize(&account, &handle, b"csr").await.unwrap();
    script.on("/order/1", ok(order("valid")));
    script.on("/certificate/1", Response::new(200, chain()));
    fresh().certificate(&account, &handle).await.unwrap();
}

#[tokio::test]
async fn a_request_is_signed_for_its_address_with_an_unused_nonce() {
    let script = Script::new();
    let acme = builder(&script).with_contact("ops@acme.app").build().unwrap();
    let key = key();
    let handle = acme.enroll(&key).await.unwrap();
    assert_eq!(handle.as_bytes(), account_url().as_bytes());
    let (header, payload) = script.last();
    assert_eq!(header["alg"], "ES256");
    assert_eq!(header["nonce"], "nonce-1");
    assert_eq!(header["url"], format!("{ROOT}/new-account"));
    assert_eq!(header["jwk"]["crv"], "P-256");
    assert!(header.get("kid").is_none());
    assert_eq!(
        payload,
        json!({ "termsOfServiceAgreed": true, "contact": ["mailto:ops@acme.app"] })
    );

    let account = Account::new(key, handle);
    acme.open(&account, &names()).await.unwrap();
    let (header, payload) = script.last();
    assert_eq!(header["nonce"], "nonce-2");
    assert_eq!(header["kid"], account_url());
    assert!(header.get("jwk").is_none());
    let identifier = json!({ "type": "dns", "value": "shop.example.com" });
    assert_eq!(payload, json!({ "identifiers": [identifier] }));

    let wildcard = ["*.example.com".parse().unwrap()];
    acme.open(&account, &wildcard).await.unwrap();
    assert_eq!(script.last().1["identifiers"][0]["value"], "*.example.com");

    // POST-as-GET has the empty text as its payload.
    acme.progress(&account, &order_handle()).await.unwrap();
    assert_eq!(script.last().1, Value::Null);
    assert_eq!(script.sent.lock().unwrap().last().unwrap().effect, Effect::Reads);

    acme.finalize(&account, &order_handle(), &[0xfb, 0xff]).await.unwrap();
    assert_eq!(script.last().1, json!({ "csr": "-_8" }));
}

#[tokio::test]
async fn an_account_is_bound_to_an_outside_one() {
    let script = Script::new();
    let mac = Secret::new(base64url(b"sixteen bytes ok").into_bytes());
    let acme = builder(&script).with_eab("kid-1", mac).build().unwrap();
    acme.enroll(&key()).await.unwrap();
    let (header, payload) = script.last();
    let binding = &payload["externalAccountBinding"];
    let part = |name: &str| -> Value {
        let bytes = jose::decode(binding[name].as_str().unwrap()).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    assert_eq!(
        part("protected"),
        json!({ "alg": "HS256", "kid": "kid-1", "url": format!("{ROOT}/new-account") })
    );
    assert_eq!(part("payload"), header["jwk"]);
}

#[tokio::test]
async fn progress_says_what_to_publish() {
    let script = Script::new();
    let progress = acme(&script).progress(&account(), &order_handle()).await.unwrap();
    assert_eq!(progress.expires, Some("2026-11-28T10:00:00Z".parse().unwrap()));
    let [authorization] = &progress.authorizations[..] else { panic!("{progress:?}") };
    assert_eq!(authorization.handle.as_bytes(), format!("{ROOT}/authz/1").as_bytes());
    assert_eq!(authorization.name.as_str(), "shop.example.com");
    assert_eq!(authorization.status, AuthorizationStatus::Pending);
    let [Publication::Http01 { token, body }, Publication::Dns01 { value }] =
        &authorization.publications[..]
    else {
        panic!("{authorization:?}")
    };
    assert_eq!(token, "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA");
    let thumbprint = body.strip_prefix(&format!("{token}.")).unwrap();
    assert_eq!(jose::decode(thumbprint).unwrap().len(), 32);
    assert_eq!(*value, base64url(&Sha256::digest(body)));
}

#[tokio::test]
async fn progress_tells_every_state_and_why_an_order_is_lost() {
    let script = Script::new();
    let acme = acme(&script);
    for (state, expected) in [
        ("ready", OrderState::Ready),
        ("processing", OrderState::Processing),
        ("valid", OrderState::Valid),
    ] {
        script.on("/order/1", ok(order(state)).with_header("retry-after", "17"));
        let progress = acme.progress(&account(), &order_handle()).await.unwrap();
        assert_eq!((progress.state, progress.authorizations.len()), (expected, 0));
        assert_eq!(progress.retry_after, Some(Duration::from_secs(17)));
    }

    script.on("/order/1", ok(order("pending")));
    let looking = ok(authorization("pending", "processing")).with_header("retry-after", "3");
    script.on("/authz/1", looking);
    let progress = acme.progress(&account(), &order_handle()).await.unwrap();
    assert_eq!(progress.authorizations[0].status, AuthorizationStatus::Processing);
    assert_eq!(progress.retry_after, Some(Duration::from_secs(3)));

    let mut lost = order("invalid");
    lost["error"] = json!({
        "type": "urn:ietf:params:acme:error:compound",
        "detail": "two\nthings",
        "subproblems": [{
            "type": "urn:ietf:params:acme:error:caa",
            "detail": "forbidden",
            "identifier": { "type": "dns", "value": "shop.example.com" },
        }],
    });
    script.on("/order/1", ok(lost));
    for status in ["invalid", "expired", "deactivated", "revoked"] {
        let mut body = authorization(status, "invalid");
        body["challenges"][1]["error"] = json!({
            "type": "urn:ietf:params:acme:error:unauthorized",
            "detail": "x".repeat(4000),
        });
        script.on("/authz/1", ok(body));
        let progress = acme.progress(&account(), &order_handle()).await.unwrap();
        assert_eq!(progress.state, OrderState::Invalid);
        assert_eq!(
            progress.problem.unwrap().to_string(),
            "compound: two things; shop.example.com: caa: forbidden"
        );
        assert_eq!(progress.authorizations[0].status, AuthorizationStatus::Invalid);
        let problem = progress.authorizations[0].problem.clone().unwrap();
        assert_eq!((problem.code.as_str(), problem.detail.len()), ("unauthorized", 500));
    }

    script.on("/authz/1", problem_of(404, "malformed"));
    let progress = acme.progress(&account(), &order_handle()).await.unwrap();
    assert_eq!((progress.state, progress.authorizations.len()), (OrderState::Invalid, 0));
}

#[tokio::test]
async fn a_valid_authorization_is_not_read_again() {
    let script = Script::new();
    let (acme, account) = (acme(&script), account());
    let mut two = order("pending");
    two["authorizations"] = json!([format!("{ROOT}/authz/1"), format!("{ROOT}/authz/2")]);
    script.on("/order/1", ok(two));
    script.on("/authz/2", ok(authorization("valid", "valid")));
    for expected in [&["/order/1", "/authz/1", "/authz/2"][..], &["/order/1", "/authz/1"]] {
        let progress = acme.progress(&account, &order_handle()).await.unwrap();
        assert_eq!(progress.authorizations[1].status, AuthorizationStatus::Valid);
        let paths = script.paths();
        assert!(
            paths.ends_with(&expected.iter().map(ToString::to_string).collect::<Vec<_>>()),
            "{paths:?}"
        );
    }
}

#[tokio::test]
async fn what_an_answer_showed_is_used_once_and_not_for_long() {
    let script = Script::new();
    let clock = ManualClock::new("2026-11-21T10:00:00Z".parse().unwrap());
    let acme = builder(&script).with_clock(clock.clone()).build().unwrap();
    let account = account();
    let handle = acme.open(&account, &names()).await.unwrap();
    script.paths();
    acme.progress(&account, &handle).await.unwrap();
    assert_eq!(script.paths(), ["/authz/1"]);
    acme.progress(&account, &handle).await.unwrap();
    assert_eq!(script.paths(), ["/order/1", "/authz/1"]);

    for seconds in [11, -1] {
        acme.open(&account, &names()).await.unwrap();
        script.paths();
        clock.set(clock.now() + chrono::TimeDelta::seconds(seconds));
        acme.progress(&account, &handle).await.unwrap();
        assert_eq!(script.paths(), ["/order/1", "/authz/1"], "{seconds}");
    }

    // Another account does not see what this one was shown.
    acme.open(&account, &names()).await.unwrap();
    script.on("/order/1", problem_of(403, "unauthorized"));
    let error = acme.progress(&self::account(), &handle).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn problems_become_kinds() {
    use ErrorKind::*;
    let script = Script::new();
    let (acme, account) = (acme(&script), account());
    for (status, code, read, write) in [
        (400, "accountDoesNotExist", Denied, Denied),
        (400, "badCSR", Refused, Refused),
        (403, "caa", Refused, Refused),
        (403, "externalAccountRequired", Denied, Denied),
        (400, "malformed", Refused, Refused),
        (404, "malformed", NotFound, NotFound),
        (403, "orderNotReady", Precondition, Precondition),
        (429, "rateLimited", RateLimited, RateLimited),
        (503, "rateLimited", RateLimited, RateLimited),
        (400, "rejectedIdentifier", Refused, Refused),
        (500, "serverInternal", Unavailable, Unknown),
        (500, "malformed", Unavailable, Unknown),
        (403, "unauthorized", Denied, Denied),
        (400, "unsupportedIdentifier", Refused, Refused),
        (403, "userActionRequired", Denied, Denied),
        (400, "somethingNew", Refused, Refused),
        (403, "somethingNew", Denied, Denied),
    ] {
        script.on("/new-order", problem_of(status, code));
        let error = acme.open(&account, &names()).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (write, Some(code)), "{status} {code}");
        assert_eq!(error.to_string(), format!("acme: open: status {status}, {code}: about {code}"));
        script.on("/order/1", problem_of(status, code));
        let error = acme.progress(&account, &order_handle()).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (read, Some(code)), "{status} {code}");
    }
    // Without a problem the status alone speaks, and a page of a proxy is not repeated.
    for (status, read, write) in [
        (401, Denied, Denied),
        (404, NotFound, NotFound),
        (429, RateLimited, RateLimited),
        (502, Unavailable, Unknown),
        (302, Malformed, Malformed),
    ] {
        let page = Response::new(status, "<html>Oops</html>");
        script.on("/new-order", page.clone());
        let error = acme.open(&account, &names()).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (write, None), "{status}");
        assert_eq!(error.message(), format!("status {status}"));
        script.on("/order/1", page);
        let error = acme.progress(&account, &order_handle()).await.unwrap_err();
        assert_eq!(error.kind(), read, "{status}");
    }
}

#[tokio::test]
async fn what_is_unauthorized_is_told_apart() {
    let script = Script::new();
    let (acme, account) = (acme(&script), account());
    let request = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let params = rcgen::CertificateParams::new(names).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        params.serialize_request(&key).unwrap().der().to_vec()
    };
    script.on("/finalize/1", problem_of(403, "unauthorized"));
    let good = request(&["SHOP.example.com"]);
    let error = acme.finalize(&account, &order_handle(), &good).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, Some("unauthorized")));
    for bad in [
        request(&["other.example.com"]),
        request(&["shop.example.com", "other.example.com"]),
        request(&["shop.example.com", "192.0.2.1"]),
        request(&[]),
        b"nonsense".to_vec(),
    ] {
        let error = acme.finalize(&account, &order_handle(), &bad).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Refused, Some("badCSR")));
    }

    let mut other_key = json!({ "type": "urn:ietf:params:acme:error:malformed" });
    other_key["detail"] = json!("JWS verification error: error in cryptographic primitive");
    script.on("/order/1", Response::new(400, other_key.to_string()));
    let error = acme.progress(&account, &order_handle()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn a_rate_limit_says_when_it_ends() {
    let script = Script::new();
    let (acme, account) = (acme(&script), account());
    for (value, seconds) in [
        ("3600", Some(3600)),
        ("Sat, 21 Nov 2026 10:02:00 GMT", Some(120)),
        ("99999999999", Some(7 * 86_400)),
        ("later", None),
    ] {
        script.on("/new-order", problem_of(429, "rateLimited").with_header("retry-after", value));
        let error = acme.open(&account, &names()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        assert_eq!(error.retry_after().map(|wait| wait.as_secs()), seconds, "{value}");
    }
}

#[tokio::test]
async fn a_rejected_nonce_is_replaced_and_not_for_ever() {
    let script = Script::new();
    let (acme, account) = (acme(&script), account());
    script.on("/new-order", problem_of(400, "badNonce"));
    for _ in 0..8 {
        script.then("/new-order", problem_of(400, "badNonce"));
    }
    script.then(
        "/new-order",
        Response::new(201, order("pending").to_string())
            .with_header("location", format!("{ROOT}/order/1")),
    );
    acme.open(&account, &names()).await.unwrap();
    let paths = script.paths();
    // The answer that rejects a nonce brings the next one.
    assert_eq!(paths.iter().filter(|path| *path == "/nonce").count(), 1);
    assert_eq!(paths.iter().filter(|path| *path == "/new-order").count(), 10);

    script.on("/new-order", problem_of(400, "badNonce"));
    let error = acme.open(&account, &names()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, Some("badNonce")));
    assert_eq!(script.paths().len(), 10);
}

#[tokio::test]
async fn a_broken_connection_is_unknown_only_where_something_may_have_changed() {
    let script = Script::new();
    let (acme, account) = (acme(&script), account());
    // The client says so by the effect of the request; here its answers are passed on.
    for kind in [ErrorKind::Unavailable, ErrorKind::Unknown] {
        script.breaks("/new-order", kind);
        let error = acme.open(&account, &names()).await.unwrap_err();
        assert_eq!((error.kind(), error.component()), (kind, "acme"));
        assert!(error.source().is_some());
    }
    let effects: Vec<_> =
        script.sent.lock().unwrap().iter().map(|r| (r.method, r.effect)).collect();
    assert_eq!(
        effects,
        [
            (Method::Get, Effect::Reads),
            (Method::Head, Effect::Reads),
            (Method::Post, Effect::Writes),
            (Method::Head, Effect::Reads),
            (Method::Post, Effect::Writes),
        ]
    );
}

#[tokio::test]
async fn nonsense_is_malformed() {
    let html = || Response::new(200, "<html>All is well</html>");
    let handle = order_handle();
    let authorization = Handle::new(format!("{ROOT}/authz/1"));
    type Set = fn(&Script, Response);
    let sets: [(&str, Set); 6] = [
        ("directory", |script, answer| script.on("/dir", answer)),
        ("account", |script, answer| script.on("/new-account", answer)),
        ("new order", |script, answer| script.on("/new-order", answer)),
        ("order", |script, answer| script.on("/order/1", answer)),
        ("authorization", |script, answer| script.on("/authz/1", answer)),
        ("challenge", |script, answer| script.on("/challenge/dns", answer)),
    ];
    for answer in [html(), ok(json!([])), ok(json!({ "status": "perhaps" })), ok(json!(null))] {
        for (what, set) in sets {
            let script = Script::new();
            set(&script, answer.clone());
            let (acme, account) = (acme(&script), account());
            let result = match what {
                "directory" | "account" => acme.enroll(&account.key).await.map(drop),
                "new order" => acme.open(&account, &names()).await.map(drop),
                "order" | "authorization" => acme.progress(&account, &handle).await.map(drop),
                _ => acme.respond(&account, &handle, &authorization, ChallengeType::Dns01).await,
            };
            // Of a challenge only the type is needed.
            let kind = result.map_err(|error| error.kind());
            let account_state = what == "account" && answer.body.starts_with(b"{");
            let expected = if account_state { ErrorKind::Denied } else { ErrorKind::Malformed };
            assert_eq!(kind, Err(expected), "{what} {answer:?}");
        }
    }
    // Every answer may be cut anywhere.
    let whole = order("pending").to_string();
    for length in 0..whole.len() {
        let script = Script::new();
        script.on("/order/1", Response::new(200, &whole[..length]));
        let error = acme(&script).progress(&account(), &handle).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
    }
}

#[tokio::test]
async fn answers_are_bounded() {
    let handle = order_handle();
    let script = Script::new();
    let (acme, account) = (acme(&script), account());
    script.on("/order/1", Response::new(200, " ".repeat(64 * 1024 + 1)));
    let error = acme.progress(&account, &handle).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    let mut many = order("pending");
    many["authorizations"] = json!(vec![format!("{ROOT}/authz/1"); NAMES + 1]);
    script.on("/order/1", ok(many));
    script.paths();
    let error = acme.progress(&account, &handle).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(!script.paths().contains(&"/authz/1".to_owned()));
    script.on("/order/1", ok(order("valid")));
    script.on("/certificate/1", Response::new(200, " ".repeat(256 * 1024 + 1)));
    let error = acme.certificate(&account, &handle).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
}

#[tokio::test]
async fn no_request_leaves_the_authority() {
    // The script panics when one does.
    let evil = "https://evil.test/x";
    let handle = order_handle();
    let authorization_handle = Handle::new(format!("{ROOT}/authz/1"));
    for url in [evil, "http://ca.test:14000/x", "https://ca.test:14001/x", "//x", ""] {
        for name in ["newNonce", "newAccount", "newOrder"] {
            let script = Script::new();
            let mut directory = json!({
                "newNonce": format!("{ROOT}/nonce"),
                "newAccount": format!("{ROOT}/new-account"),
                "newOrder": format!("{ROOT}/new-order"),
            });
            directory[name] = json!(url);
            script.on("/dir", ok(directory));
            let error = acme(&script).enroll(&key()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed, "{name} {url}");
        }
        for name in ["finalize", "certificate", "authorizations"] {
            let script = Script::new();
            let mut body = order("pending");
            body[name] = if name == "authorizations" { json!([url]) } else { json!(url) };
            script.on("/order/1", ok(body.clone()));
            script.on(
                "/new-order",
                Response::new(201, body.to_string())
                    .with_header("location", format!("{ROOT}/order/1")),
            );
            let (acme, account) = (acme(&script), account());
            let error = acme.open(&account, &names()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed, "{name} {url}");
            let error = acme.progress(&account, &handle).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed, "{name} {url}");
        }
        let script = Script::new();
        let located = Response::new(201, order("pending").to_string()).with_header("location", url);
        script.on("/new-order", located.clone());
        script.on("/new-account", ok(json!({ "status": "valid" })).with_header("location", url));
        let mut body = authorization("pending", "pending");
        body["challenges"][1]["url"] = json!(url);
        script.on("/authz/1", ok(body));
        let (acme, account) = (acme(&script), account());
        for result in [
            acme.open(&account, &names()).await.map(drop),
            acme.enroll(&account.key).await.map(drop),
            acme.progress(&account, &handle).await.map(drop),
            acme.respond(&account, &handle, &authorization_handle, ChallengeType::Dns01).await,
        ] {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::Malformed, "{url}");
        }
        // What a caller has from elsewhere is not there, and nobody is asked.
        script.paths();
        let foreign = Handle::new(url);
        let elsewhere = Account::new(key(), foreign.clone());
        for result in [
            acme.open(&elsewhere, &names()).await.map(drop),
            acme.progress(&account, &foreign).await.map(drop),
            acme.respond(&account, &handle, &foreign, ChallengeType::Dns01).await,
            acme.finalize(&account, &foreign, b"csr").await,
            acme.certificate(&account, &foreign).await.map(drop),
        ] {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::NotFound, "{url}");
        }
        assert_eq!(script.paths(), [""; 0]);
    }
}

#[tokio::test]
async fn a_token_or_name_that_could_do_harm_is_malformed() {
    let script = Script::new();
    for (pointer, value) in [
        ("/challenges/0/token", "../../admin"),
        ("/challenges/1/token", ""),
        ("/challenges/1/token", "a b"),
        ("/identifier/value", "shop example"),
        ("/identifier/value", "*.example.com"),
        ("/identifier/type", "ip"),
    ] {
        let mut body = authorization("pending", "pending");
        *body.pointer_mut(pointer).unwrap() = json!(value);
        script.on("/authz/1", ok(body));
        let error = acme(&script).progress(&account(), &order_handle()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{pointer} {value}");
    }
}

#[tokio::test]
async fn responding_twice_changes_nothing() {
    let script = Script::new();
    let account = account();
    let (handle, authorization_handle) = (order_handle(), Handle::new(format!("{ROOT}/authz/1")));
    let respond = |acme: Acme| {
        let (account, handle, authorization) =
            (account.clone(), handle.clone(), authorization_handle.clone());
        async move { acme.respond(&account, &handle, &authorization, ChallengeType::Dns01).await }
    };
    // A fresh process sees that it is no longer pending.
    for status in ["valid", "invalid"] {
        script.on("/authz/1", ok(authorization(status, status)));
        respond(acme(&script)).await.unwrap();
        assert!(!script.paths().contains(&"/challenge/dns".to_owned()));
    }
    // One that knew the address finds out.
    script.on("/authz/1", ok(authorization("pending", "pending")));
    let warm = acme(&script);
    warm.progress(&account, &handle).await.unwrap();
    script.on("/challenge/dns", problem_of(400, "malformed"));
    script.on("/authz/1", ok(authorization("valid", "valid")));
    respond(warm.clone()).await.unwrap();
    // While it is pending the refusal stands.
    script.on("/authz/1", ok(authorization("pending", "pending")));
    assert_eq!(respond(warm).await.unwrap_err().kind(), ErrorKind::Refused);

    let mut body = authorization("pending", "pending");
    body["challenges"] = json!([challenge("http-01", "http", "pending")]);
    script.on("/authz/1", ok(body));
    let error = respond(acme(&script)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_chain_is_certificates_and_nothing_else() {
    let handle = order_handle();
    let script = Script::new();
    let (acme, account) = (acme(&script), account());
    let error = acme.certificate(&account, &handle).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition);

    script.on("/order/1", ok(order("valid")));
    let good = chain();
    let two = format!("{good}\r\n\n{good}");
    script.on("/certificate/1", Response::new(200, two.as_str()));
    assert_eq!(acme.certificate(&account, &handle).await.unwrap(), two);
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    for bad in [
        String::new(),
        "<html></html>".into(),
        format!("hello\n{good}"),
        format!("{good}{key}"),
        good.replace("MII", "AAA"),
        good.replace("-----END", "----END"),
        good[..good.len() / 2].to_owned(),
        good.replace('M', "\u{e9}"),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".into(),
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n".into(),
    ] {
        script.on("/certificate/1", Response::new(200, bad.as_str()));
        let error = acme.certificate(&account, &handle).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{bad}");
    }

    let mut body = order("valid");
    body["certificate"] = Value::Null;
    script.on("/order/1", ok(body));
    let error = self::acme(&script).certificate(&account, &handle).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
}

#[tokio::test]
async fn a_bad_key_or_order_is_invalid_and_nobody_is_asked() {
    let script = Script::new();
    let acme = acme(&script);
    for bytes in [vec![], b"nonsense".to_vec(), MARKER.as_bytes().to_vec()] {
        let account = Account::new(Secret::new(bytes), Handle::new(account_url()));
        for error in [
            acme.enroll(&account.key).await.unwrap_err(),
            acme.open(&account, &names()).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(!format!("{error:?}").contains(MARKER));
        }
    }
    let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let error = acme.enroll(&Secret::new(other.serialize_der())).await.unwrap_err();
    assert!(error.message().contains("P-256"), "{error}");
    let account = account();
    let many = vec![names().remove(0); NAMES + 1];
    for names in [&[][..], &many] {
        let error = acme.open(&account, names).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    assert_eq!(script.paths(), [""; 0]);
}

#[test]
fn what_is_missing_is_said_when_it_is_built() {
    let script = Script::new();
    let client = || script.clone() as Arc<dyn HttpClient>;
    let start = |url: &str| Acme::builder(url, CryptoProvider::Ring, client());
    let good = "https://ca.test/dir";
    let secret = |text: &str| Secret::new(text.into());
    let long = format!("https://ca.test/{}", "a".repeat(150));
    for (builder, part) in [
        (start(good), "terms of service"),
        (start("http://ca.test/dir").agreeing_to_terms(), "https"),
        (start("ca.test").agreeing_to_terms(), "https"),
        (start(&long).agreeing_to_terms(), "150"),
        (start(good).agreeing_to_terms().with_contact("ops"), "mail address"),
        (start(good).agreeing_to_terms().with_contact("a@x.test,b@x.test"), "mail address"),
        (start(good).agreeing_to_terms().with_contact("a@x.test?subject=b"), "mail address"),
        (start(good).agreeing_to_terms().with_contact("tel:+1"), "mail address"),
        (start(good).agreeing_to_terms().with_eab("kid", secret("+/")), "base64url"),
        (start(good).agreeing_to_terms().with_eab("kid", secret("")), "base64url"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains(part), "{error}");
    }
    let id = |builder: AcmeBuilder| {
        builder.agreeing_to_terms().with_contact("mailto:a@x.test").build().unwrap().id().to_owned()
    };
    assert_eq!(id(start("https://ca.test:14000/dir")), "ca.test:14000/dir");
    let (production, staging) = (
        id(Acme::lets_encrypt(CryptoProvider::Ring, client())),
        id(Acme::lets_encrypt_staging(CryptoProvider::Ring, client())),
    );
    assert_eq!(production, "acme-v02.api.letsencrypt.org/directory");
    assert_ne!(production, staging);
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    let script = Script::new();
    let mac = base64url(MARKER.as_bytes());
    let builder = builder(&script).with_eab("kid-1", Secret::new(mac.clone().into_bytes()));
    let key = key();
    let mut shown = format!("{builder:?}");
    let acme = builder.build().unwrap();
    script.on("/new-account", problem_of(403, "unauthorized"));
    let error = acme.enroll(&key).await.unwrap_err();
    shown.push_str(&format!("{acme:?} {error} {error:?}"));
    shown.push_str(&format!("{:?}", AccountKey::parse(&key, CryptoProvider::Ring).unwrap()));
    for secret in [MARKER.to_owned(), mac, hex::encode(key.expose())] {
        assert!(!shown.contains(&secret), "{shown}");
    }
}

#[tokio::test]
async fn a_directory_whose_addresses_are_gone_is_read_again() {
    let script = Script::new();
    let (acme, account) = (acme(&script), account());
    script.on("/new-order", Response::new(404, ""));
    acme.open(&account, &names()).await.unwrap_err();
    script.paths();
    acme.open(&account, &names()).await.unwrap_err();
    assert_eq!(script.paths(), ["/dir", "/new-order"]);

    script.on("/dir", Response::new(404, ""));
    let error = self::acme(&script).enroll(&account.key).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    script.on("/dir", Response::new(503, "").with_header("retry-after", "5"));
    let error = self::acme(&script).enroll(&account.key).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(5)));
}

proptest::proptest! {
    #[test]
    fn no_answer_makes_it_panic(body in proptest::collection::vec(0_u8.., 0..200), text: String) {
        let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
        proptest::prop_assert_eq!(convert::chain(pem.as_bytes()), None);
        proptest::prop_assert_eq!(convert::chain(&body), None);
        let _ = convert::is_for(&body, &[]);
        let _ = jose::decode(&text);
        let document = api::ProblemDocument { kind: text.clone(), detail: text, ..Default::default() };
        let problem = convert::problem(&document);
        proptest::prop_assert!(problem.code.len() <= 100 && problem.detail.len() <= 500);
        let response = Response::new(200, body);
        proptest::prop_assert!(wire::parse::<api::Order>("progress", &response).is_err());
    }
}
