//! What is built, what is shown, and what the directory says.

use super::*;

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
    shown.push_str(&format!("{:?}", AccountKey::parse(&key, &CryptoProvider::Ring).unwrap()));
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

/// As Boulder writes it, and in ways that no authority should.
#[tokio::test]
async fn the_directory_says_which_caa_records_name_the_authority_or_nothing() {
    let script = Script::new();
    let directory = |meta: Value| {
        ok(json!({
            "newNonce": format!("{ROOT}/nonce"),
            "newAccount": format!("{ROOT}/new-account"),
            "newOrder": format!("{ROOT}/new-order"),
            "meta": meta,
        }))
    };
    let told = |names: &[&str]| json!({ "caaIdentities": names, "website": "https://ca.test" });
    for (meta, names) in [
        (told(&["letsencrypt.org"]), vec!["letsencrypt.org"]),
        (told(&["ca.test", "ca.example"]), vec!["ca.test", "ca.example"]),
        (told(&["CA.test.", "bücher.test"]), vec!["ca.test", "xn--bcher-kva.test"]),
        (told(&[]), vec![]),
        (told(&["", ";", "a b.test", "\"ca.test\"", "ca.test"]), vec!["ca.test"]),
        (json!({ "caaIdentities": ["ca.test", 7, null, ["b.test"]] }), vec!["ca.test"]),
        (json!({ "caaIdentities": "ca.test" }), vec![]),
        (json!({ "termsOfService": "https://ca.test/terms" }), vec![]),
        (json!(null), vec![]),
        (json!("meta"), vec![]),
    ] {
        script.on("/dir", directory(meta.clone()));
        let acme = acme(&script);
        assert_eq!(acme.caa_identities().await.unwrap(), names, "{meta}");
        // Whatever it says there, it can be asked for certificates.
        acme.enroll(&account().key).await.unwrap();
    }
    // It is read once, and not read is not the same as nothing in it.
    let acme = acme(&script);
    script.paths();
    script.breaks("/dir", ErrorKind::Unavailable);
    assert_eq!(acme.caa_identities().await.unwrap_err().kind(), ErrorKind::Unavailable);
    script.on("/dir", directory(told(&["ca.test"])));
    for _ in 0..3 {
        assert_eq!(acme.caa_identities().await.unwrap(), ["ca.test"]);
    }
    assert_eq!(script.paths(), ["/dir", "/dir"]);
}
