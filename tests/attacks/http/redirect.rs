//! Where a response leads.

use std::{net::SocketAddr, sync::Arc};

use nameplate::{
    evidence::Verdict,
    name::DomainName,
    probe::{Fetch, Fetched, Probe},
};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    scene::{ELSEWHERE, HERE, HOST, Scene, proofs, provider, scene, two_pages},
    web::{Web, page, path, respond},
};

fn proves(body: &str) -> Vec<u8> {
    page(200, "Content-Type: text/plain\r\n", body.as_bytes())
}

/// A server for `https` with a certificate that nobody trusts, of another name.
async fn secure(
    protocols: &[&str],
    names: Arc<std::sync::Mutex<Vec<String>>>,
    answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
) -> Web {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["unrelated.test".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let (acceptor, answer) = (TlsAcceptor::from(Arc::new(config)), Arc::new(answer));
    Web::scripted((HERE, 0), move |stream| {
        let (acceptor, answer, names) = (acceptor.clone(), Arc::clone(&answer), Arc::clone(&names));
        Box::pin(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let (_, session) = stream.get_ref();
            names.lock().unwrap().push(format!(
                "{} {}",
                session.server_name().unwrap_or_default(),
                String::from_utf8_lossy(session.alpn_protocol().unwrap_or_default()),
            ));
            respond(stream, answer, Arc::default()).await;
        })
    })
    .await
}

/// Redirects from the page of the proof to the same page elsewhere, and to `/there`.
fn to(location: &'static str) -> impl Fn(&nameplate::challenge::HttpProof, &str) -> Vec<u8> {
    move |wanted, request| match path(request) {
        "/there" => proves(wanted.body()),
        _ => page(302, &format!("Location: {location}\r\n"), b""),
    }
}

#[tokio::test]
async fn h05_a_redirection_off_the_host_is_not_followed() {
    let (scene, web) = scene(to("/there")).await;
    scene.rightful_flow().await;
    // A redirection on the host is the rightful flow too.
    assert_eq!(scene.fetch(&scene.wanted).await.verdict(&scene.wanted), Verdict::Confirmed);
    let neighbor = Web::new(SocketAddr::from((ELSEWHERE, web.port())), |_| proves("")).await;

    for location in [
        "http://other.example.com/there",
        "http://www.shop.example.com/there",
        "http://example.com/there",
        "//other.example.com/there",
        "http://127.0.0.2/there",
        "http://127.0.0.1/there",
        "http://[::1]/there",
        "http://2130706434/there",
        "http://0x7f000002/there",
        "http://user:password@shop.example.com/there",
        "http://shop.example.com@127.0.0.2/there",
        "http://shop.example.com./there",
        "http://shop.example.com\\@127.0.0.2/there",
        "ftp://shop.example.com/there",
        "file:///there",
        "there",
    ] {
        let web = Web::new((HERE, 0), two_pages(to(location))).await;
        let scene = Scene::new(&web);
        for name in ["other.example.com", "www.shop.example.com", "example.com"] {
            scene.dns.set(name, &[HERE.into()]);
        }
        scene.rightful_flow().await;
        let Fetched::Response(response) = scene.attack().await else { panic!("{location}") };
        assert_eq!((response.status, response.location.as_deref()), (302, Some(location)));
        assert_eq!(web.connections(), 2, "{location}");
    }
    assert_eq!(neighbor.connections(), 0);
}

#[tokio::test]
async fn h05_redirections_are_counted_and_a_loop_ends() {
    // Page n leads to page n + 1; page 10 is the proof of the tenant, page 11 that of the attacker.
    let (rightful, wanted) = proofs(HOST);
    let start = rightful.path().to_owned();
    let web = Web::new((HERE, 0), move |request| {
        let asked = path(request);
        let number = asked.strip_prefix("/page/").and_then(|number| number.parse().ok());
        match number {
            Some(10) if request.contains("/page/10 ") => proves(rightful.body()),
            Some(111) => proves(wanted.body()),
            number => {
                let first = if asked == start { 1 } else { 101 };
                let next = number.map_or(first, |number: u32| number + 1);
                page(301, &format!("Location: /page/{next}\r\n"), b"")
            }
        }
    })
    .await;
    let scene = Scene::new(&web);
    scene.rightful_flow().await;
    assert_eq!(web.connections(), 11);
    let Fetched::Response(response) = scene.attack().await else { panic!("not a response") };
    assert_eq!((response.status, response.location.as_deref()), (301, Some("/page/111")));
    assert_eq!(web.connections(), 22);
}

#[tokio::test]
async fn h05_a_loop_is_not_walked_twice() {
    let (scene, web) = scene(|wanted, request| {
        let next = if path(request) == "/there" { wanted.path() } else { "/there" };
        page(307, &format!("Location: {next}\r\n"), b"")
    })
    .await;
    scene.rightful_flow().await;
    let before = web.connections();
    scene.attack().await;
    assert_eq!(web.connections() - before, 2);
}

#[tokio::test]
async fn h05_nothing_else_is_a_redirection() {
    for status in [300, 303, 304, 305] {
        let (scene, web) = scene(move |wanted, request| match path(request) {
            "/there" => proves(wanted.body()),
            _ => {
                page(status, "Location: /there\r\n", b"<meta http-equiv=refresh content=0;/there>")
            }
        })
        .await;
        scene.rightful_flow().await;
        scene.attack().await;
        assert_eq!(web.connections(), 2, "{status}");
    }
    let (scene, web) = scene(|wanted, request| match path(request) {
        "/there" => proves(wanted.body()),
        _ => page(200, "Content-Type: text/html\r\nRefresh: 0; url=/there\r\n", b""),
    })
    .await;
    scene.rightful_flow().await;
    scene.attack().await;
    assert_eq!(web.connections(), 2);
}

#[tokio::test]
async fn h06_no_other_port_and_no_other_scheme_is_asked() {
    let (rightful, wanted) = proofs(HOST);
    let body = wanted.body().to_owned();
    let other = Web::new((HERE, 0), move |_| proves(&body)).await;
    for location in [
        format!("http://{HOST}:{}/there", other.port()),
        format!("https://{HOST}:{}/there", other.port()),
        format!("http://{HOST}:443/there"),
        format!("https://{HOST}:80/there"),
        format!("http://{HOST}:22/there"),
        format!("http://{HOST}:/there"),
        format!("gopher://{HOST}:80/there"),
        format!("ws://{HOST}/there"),
        format!("HTTP://{HOST}:080/there"),
    ] {
        let path_of_proof = rightful.path().to_owned();
        let (body, lead) = (rightful.body().to_owned(), location.clone());
        let web = Web::new((HERE, 0), move |request| match path(request) {
            asked if asked == path_of_proof => {
                page(302, &format!("Location: http://{HOST}:80/here\r\n"), b"")
            }
            "/here" => proves(&body),
            _ => page(302, &format!("Location: {lead}\r\n"), b""),
        })
        .await;
        let scene = Scene::new(&web);
        scene.rightful_flow().await;
        let before = web.connections();
        scene.attack().await;
        assert_eq!(web.connections() - before, 1, "{location}");
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn h11_h13_https_names_the_host_takes_any_certificate_and_speaks_http_1_only() {
    let names = Arc::new(std::sync::Mutex::new(Vec::new()));
    for (protocols, is_spoken) in
        [(&["h2", "http/1.1"][..], true), (&["http/1.1"], true), (&[], true), (&["h2"], false)]
    {
        names.lock().unwrap().clear();
        let (rightful, _) = proofs(HOST);
        let token = rightful.body().to_owned();
        let https = secure(protocols, Arc::clone(&names), move |request| {
            let is_host = request.contains(&format!("\r\nHost: {HOST}\r\n"));
            if is_host { proves(&token) } else { page(404, "", b"") }
        })
        .await;
        let web = Web::new((HERE, 0), |request: &str| {
            page(301, &format!("Location: https://{HOST}{}\r\n", path(request)), b"")
        })
        .await;
        let scene = Scene::with(&web, https.port(), |builder| builder);
        if is_spoken {
            scene.rightful_flow().await;
            let spoken = if protocols.is_empty() { "" } else { "http/1.1" };
            assert_eq!(*names.lock().unwrap(), [format!("{HOST} {spoken}")]);
        } else {
            let looking = scene.start();
            scene.timer.ring(crate::scene::TOTAL).await;
            assert_eq!(looking.await.unwrap(), Fetched::Unreachable);
            assert_eq!(*names.lock().unwrap(), [""; 0]);
        }
    }
}

#[tokio::test]
async fn h04_nothing_is_sent_along() {
    let (scene, web) = scene(|wanted, request| match path(request) {
        "/there" if request.contains("Cookie") || request.contains("Authorization") => {
            proves(wanted.body())
        }
        "/there" => page(401, "WWW-Authenticate: Basic realm=\"a\"\r\nSet-Cookie: a=b\r\n", b""),
        _ => page(302, "Set-Cookie: a=b; Path=/\r\nLocation: /there\r\n", b""),
    })
    .await;
    scene.rightful_flow().await;
    scene.attack().await;
    let requests = web.requests();
    assert_eq!(requests.len(), 3);
    for request in requests {
        let names: Vec<_> =
            request.lines().skip(1).filter_map(|line| Some(line.split_once(':')?.0)).collect();
        assert_eq!(names, ["Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"]);
        assert!(request.contains("\r\nAccept-Encoding: identity\r\nConnection: close\r\n"));
        assert!(!request.contains(scene.rightful.body()), "{request}");
    }
}

#[tokio::test]
async fn h04_the_host_field_is_the_a_label() {
    let web = Web::new((HERE, 0), |_| page(404, "", b"")).await;
    let scene = Scene::new(&web);
    let host: DomainName = "Bücher.example.com".parse().unwrap();
    scene.dns.set("xn--bcher-kva.example.com", &[HERE.into()]);
    scene.probe.fetch(&Fetch::new(host, "/")).await.unwrap();
    let requests = web.requests();
    assert!(requests[0].contains("\r\nHost: xn--bcher-kva.example.com\r\n"), "{requests:?}");
}
