//! Plain HTTP.

use nameplate::{error::ErrorKind, serve::Reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::world::{SECOND, World, ask};

async fn get(world: &World, host: &str, target: &str) -> super::world::Reply {
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let (served, reply) = ask(&world.responder, request.as_bytes()).await;
    served.unwrap();
    reply
}

#[tokio::test]
async fn visitors_of_a_served_name_are_sent_to_https() {
    let world = World::new();
    world.active("shop.example.com").await;
    for host in ["shop.example.com", "SHOP.example.com:80", "shop.example.com."] {
        let reply = get(&world, host, "/a//b?c=%0d&d").await;
        assert_eq!(reply.status(), 308);
        assert_eq!(reply.header("location"), Some("https://shop.example.com/a//b?c=%0d&d"));
        assert_eq!(reply.header("connection"), Some("close"));
        assert_eq!(reply.body(), "");
    }
    let moved = world.responder.clone().with_https_port(8443);
    let reply = moved.respond("shop.example.com", "/").await.unwrap();
    assert_eq!(reply, Reply::Redirect("https://shop.example.com:8443/".into()));
    let request = b"POST /form HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(ask(&world.responder, request).await.1.status(), 308);
}

#[tokio::test]
async fn nobody_is_sent_to_a_name_that_is_not_served() {
    let world = World::new();
    let domain = world.active("shop.example.com").await;
    assert_eq!(get(&world, "evil.example.org", "/").await.status(), 404);
    assert_eq!(world.line.calls(), 1);
    assert_eq!(get(&world, "evil.example.org", "/other").await.status(), 404);
    assert_eq!(world.line.calls(), 0, "remembered");

    let silent = world.responder.clone().without_redirects();
    assert_eq!(silent.respond("shop.example.com", "/").await.unwrap(), Reply::NotFound);

    assert_eq!(get(&world, "shop.example.com", "/").await.status(), 308);
    world.remove(&domain).await;
    world.clock.advance(5 * SECOND);
    assert_eq!(get(&world, "shop.example.com", "/").await.status(), 404);
}

#[tokio::test]
async fn what_is_no_answer_of_ours_is_not_found() {
    let world = World::new();
    world.active("shop.example.com").await;
    for token in ["unknown", "", "..%2f..", "a/b", "token?query", &"a".repeat(257)] {
        let target = format!("/.well-known/acme-challenge/{token}");
        let reply = get(&world, "shop.example.com", &target).await;
        assert_eq!(reply.status(), 404, "{target}");
    }
    let request =
        b"POST /.well-known/acme-challenge/token HTTP/1.1\r\nHost: shop.example.com\r\n\r\n";
    let (_, reply) = ask(&world.responder, request).await;
    assert_eq!((reply.status(), reply.header("allow")), (405, Some("GET, HEAD")));
}

#[tokio::test]
async fn bad_requests_are_refused() {
    let world = World::new();
    let hosts = ["", "127.0.0.1", "[::1]:80", "localhost", "exa mple.com", "*.example.com", "a:b"];
    for host in hosts {
        assert_eq!(get(&world, host, "/").await.status(), 400, "{host}");
    }
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example.com\r\nHost: b.example.com\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a.example.com\r\n\r\n",
        "CONNECT a.example.com:443 HTTP/1.1\r\nHost: a.example.com\r\n\r\n",
    ] {
        let (_, reply) = ask(&world.responder, request.as_bytes()).await;
        assert_eq!(reply.status(), 400, "{request}");
    }
    for target in ["", "no-slash", "/a b", "/a\r\nlocation: x", "/\u{e9}"] {
        let reply = world.responder.respond("shop.example.com", target).await.unwrap();
        assert_eq!(reply, Reply::Invalid, "{target}");
    }
    assert_eq!(world.line.calls(), 0);
}

#[tokio::test]
async fn the_host_of_an_absolute_target_is_what_counts() {
    let world = World::new();
    world.active("shop.example.com").await;
    let request = "GET http://shop.example.com/a HTTP/1.1\r\nHost: other.example.org\r\n\r\n";
    let (_, reply) = ask(&world.responder, request.as_bytes()).await;
    assert_eq!(reply.header("location"), Some("https://shop.example.com/a"));
}

#[tokio::test]
async fn long_requests_and_noise_end_the_connection() {
    let world = World::new();
    world.active("shop.example.com").await;
    let long = "a".repeat(20_000);
    for request in [
        format!("GET /{long} HTTP/1.1\r\nHost: shop.example.com\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: shop.example.com\r\nX: {long}\r\n\r\n"),
        "\u{0}\u{1}\u{2}\r\n\r\n".to_owned(),
    ] {
        let (served, reply) = ask(&world.responder, request.as_bytes()).await;
        assert_eq!(served.unwrap_err().kind(), ErrorKind::Malformed);
        assert!((400..500).contains(&reply.status()), "{reply:?}");
    }
    let target = format!("/{}", "a".repeat(5000));
    assert_eq!(get(&world, "shop.example.com", &target).await.status(), 404);
}

#[tokio::test]
async fn a_connection_takes_one_request() {
    let world = World::new();
    let request = "GET / HTTP/1.1\r\nHost: a.example.org\r\n\r\n".repeat(3);
    let (_, reply) = ask(&world.responder, request.as_bytes()).await;
    assert_eq!(reply.0.matches("HTTP/1.1").count(), 1, "{reply:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_is_left_after_the_deadline() {
    let world = World::new();
    let responder = world.responder.clone().with_timeout(3 * SECOND);
    let (mut near, far) = duplex(4096);
    near.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
    let start = tokio::time::Instant::now();
    let error = responder.serve_connection(far).await.unwrap_err();
    assert_eq!((error.kind(), start.elapsed()), (ErrorKind::Unavailable, 3 * SECOND));
    assert_eq!(near.read(&mut [0; 10]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_store_that_fails_is_reported_to_both_sides() {
    let world = World::new();
    world.line.cut();
    for target in ["/", "/.well-known/acme-challenge/token"] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: shop.example.com\r\n\r\n");
        let (served, reply) = ask(&world.responder, request.as_bytes()).await;
        assert_eq!(served.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(reply.status(), 503);
    }
}
