use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{super::HttpProbe, *};
use crate::{probe::Lab, resolver::InMemoryResolver, testkit::EndlessTimer};

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A port of loopback that says whether anybody came.
async fn door() -> (u16, Arc<AtomicBool>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, opened) = (listener.local_addr().unwrap().port(), Arc::new(AtomicBool::new(false)));
    let inside = Arc::clone(&opened);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            inside.store(true, Ordering::SeqCst);
        }
    });
    (port, opened)
}

#[tokio::test]
async fn an_address_is_checked_again_where_it_is_connected_to() {
    let (port, opened) = door().await;
    let here = IpAddr::from([127, 0, 0, 1]);
    let elsewhere = Lab::new([IpAddr::from([127, 0, 0, 9])], port, port);
    let builder = HttpProbe::builder(InMemoryResolver::new(), provider());
    let probe = builder.with_lab(elsewhere).build().unwrap();
    // Nobody has checked these.
    let connected = probe.0.connect(&[here], Scheme::Http).await.unwrap();
    assert_eq!(connected.unwrap_err(), Fetched::Refused(Flaw::Address));
    assert!(!opened.load(Ordering::SeqCst));

    let builder = HttpProbe::builder(InMemoryResolver::new(), provider());
    let probe = builder.with_lab(Lab::new([here], port, port)).build().unwrap();
    assert!(probe.0.connect(&[here], Scheme::Http).await.unwrap().is_ok());
}

#[tokio::test]
async fn an_address_may_be_denied_although_it_is_public() {
    let public = IpAddr::from([93, 184, 216, 34]);
    let builder = HttpProbe::builder(InMemoryResolver::new(), provider());
    let probe = builder.with_denied([public]).build().unwrap();
    assert!(!probe.0.is_permitted(public));
    assert!(probe.0.is_permitted(IpAddr::from([93, 184, 216, 35])));
}

/// A server that says something to everyone who comes to an address, and counts them.
async fn speaker(address: [u8; 4], port: u16, text: &'static str) -> (u16, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind((IpAddr::from(address), port)).await.unwrap();
    let (port, visits) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let inside = Arc::clone(&visits);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            inside.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(text.as_bytes()).await;
        }
    });
    (port, visits)
}

#[tokio::test]
async fn h15_the_second_address_is_for_one_that_takes_no_connection_and_for_nothing_else() {
    let (port, visits) = speaker([127, 0, 0, 1], 0, "HTTP/1.1 200 OK\r\n\r\nhere").await;
    let (_, others) = speaker([127, 0, 0, 2], port, "nonsense").await;
    let [here, nonsense, closed] = [1, 2, 3].map(|last| IpAddr::from([127, 0, 0, last]));
    let builder = HttpProbe::builder(InMemoryResolver::new(), provider());
    let lab = Lab::new([here, nonsense, closed], port, port);
    let probe = builder.with_lab(lab).with_timer(EndlessTimer).build().unwrap();
    let host = "shop.example.com".parse().unwrap();
    let place = Place { scheme: Scheme::Http, path: "/".into() };

    let fetched = probe.0.ask(&host, &[closed, here], &place).await.unwrap();
    assert_eq!(fetched.unwrap().body, b"here");
    assert_eq!(visits.load(Ordering::SeqCst), 1);

    let fetched = probe.0.ask(&host, &[nonsense, here], &place).await.unwrap();
    assert_eq!(fetched, Err(Fetched::Refused(Flaw::Malformed)));
    assert_eq!((others.load(Ordering::SeqCst), visits.load(Ordering::SeqCst)), (1, 1));
}

#[test]
fn ports_are_those_of_the_schemes() {
    let builder = HttpProbe::builder(InMemoryResolver::new(), provider());
    let probe = builder.build().unwrap();
    assert_eq!((probe.0.port(Scheme::Http), probe.0.port(Scheme::Https)), (80, 443));
}

#[test]
fn a_request_holds_nothing_but_what_it_needs() {
    let host = "bücher.example".parse().unwrap();
    let request = request(&host, "/.well-known/acme-challenge/id.txt");
    let lines: Vec<_> = request.split("\r\n").collect();
    assert_eq!(
        lines,
        [
            "GET /.well-known/acme-challenge/id.txt HTTP/1.1",
            "Host: xn--bcher-kva.example",
            concat!("User-Agent: nameplate/", env!("CARGO_PKG_VERSION")),
            "Accept: */*",
            "Accept-Encoding: identity",
            "Connection: close",
            "",
            "",
        ]
    );
}
