//! Certificates, from the account to the chain.

use super::*;

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
