//! What the authority says went wrong, and what goes wrong on the way.

use super::*;

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
