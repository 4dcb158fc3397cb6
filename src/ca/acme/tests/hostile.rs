//! An authority that answers nonsense, too much, or about somebody else.

use super::*;

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
