use std::{sync::Mutex, time::Duration};

use super::*;
use crate::{
    clock::{ManualClock, Timestamp},
    transport::Response,
    webhook::Verifier,
};

/// A client that answers as it was told, and keeps what it was sent.
#[derive(Debug, Default)]
struct Fake {
    sent: Mutex<Vec<Request>>,
    answers: Mutex<Vec<Result<Response>>>,
}

#[async_trait]
impl HttpClient for Fake {
    async fn send(&self, request: Request) -> Result<Response> {
        self.sent.lock().unwrap().push(request);
        self.answers.lock().unwrap().pop().unwrap_or_else(|| Ok(Response::new(204, "")))
    }
}

const URL: &str = "https://hooks.example.com/hunter2?token=hunter2";
const FIRST: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SECOND: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn now() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

fn envelope() -> Envelope {
    let json = concat!(
        r#"{"v":1,"id":"01010101010101010101010101010101-65536","#,
        r#""tenant":"02020202020202020202020202020202","#,
        r#""domain":"01010101010101010101010101010101","name":"shop.example.com","#,
        r#""number":65536,"at":"2026-11-22T09:59:59Z","notice":{"notice":"added"}}"#
    );
    let envelope = Envelope::from_json(json.as_bytes()).unwrap();
    // What receivers rely on.
    assert_eq!(envelope.to_json().unwrap(), json);
    envelope
}

fn webhook(client: &Arc<Fake>) -> Webhook {
    let endpoint = Endpoint::new(URL).unwrap();
    Webhook::new("hook", endpoint, FIRST.parse().unwrap(), client.clone())
        .with_clock(ManualClock::new(now()))
}

async fn answered(answer: Result<Response>) -> Result<()> {
    let client = Arc::new(Fake::default());
    client.answers.lock().unwrap().push(answer);
    webhook(&client).deliver(&envelope()).await
}

#[tokio::test]
async fn what_is_sent_is_the_envelope_and_can_be_verified_with_either_secret() {
    let client = Arc::new(Fake::default());
    let webhook = webhook(&client).with_secret(SECOND.parse().unwrap());
    webhook.deliver(&envelope()).await.unwrap();
    let sent = client.sent.lock().unwrap().pop().unwrap();
    assert_eq!((sent.method, sent.url.as_str()), (Method::Post, URL));
    assert_eq!(sent.body, envelope().to_json().unwrap().as_bytes());
    let header = |name: &str| {
        sent.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    };
    assert_eq!(header("content-type"), Some("application/json"));
    assert_eq!(header("webhook-id"), Some(envelope().id.as_str()));
    for secret in [FIRST, SECOND] {
        let verifier = Verifier::new(secret.parse().unwrap());
        verifier.verify(header, &sent.body, now()).unwrap();
    }
}

#[tokio::test]
async fn every_answer_has_its_meaning() {
    use ErrorKind::*;
    for status in [200, 201, 202, 204, 299] {
        answered(Ok(Response::new(status, "whatever"))).await.unwrap();
    }
    for (status, kind) in [
        (301, Malformed),
        (307, Malformed),
        (400, Unavailable),
        (401, Denied),
        (404, Unavailable),
        (409, Conflict),
        (410, NotFound),
        (422, Unavailable),
        (429, RateLimited),
        (500, Unknown),
        (503, Unknown),
    ] {
        let error = answered(Ok(Response::new(status, "hunter2"))).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status}");
        assert_eq!(error.code(), Some(status.to_string().as_str()));
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn a_wait_that_is_asked_for_is_passed_on() {
    for status in [429, 503] {
        let answer = Response::new(status, "").with_header("retry-after", "120");
        let error = answered(Ok(answer)).await.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(120)), "{status}");
    }
}

#[tokio::test]
async fn a_failure_to_send_shows_the_host_and_the_reason_but_no_path() {
    for (kind, seen) in [
        (ErrorKind::Unavailable, ErrorKind::Unavailable),
        (ErrorKind::Unknown, ErrorKind::Unknown),
        // None of these may end the deliveries.
        (ErrorKind::Refused, ErrorKind::Unavailable),
        (ErrorKind::NotFound, ErrorKind::Unavailable),
    ] {
        let message = "https://hooks.example.com/hunter2: cannot connect";
        let error = answered(Err(Error::new(kind, "http", "POST", message))).await.unwrap_err();
        assert_eq!(error.kind(), seen);
        assert_eq!(
            error.to_string(),
            "webhook: deliver: https://hooks.example.com: cannot connect"
        );
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
    let error = answered(Err(Error::new(ErrorKind::Unknown, "own", "send", "hunter2"))).await;
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}
