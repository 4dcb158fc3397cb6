//! What a response looks like.

use nameplate::probe::{Fetched, Flaw};

use crate::scene::scene;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";

/// Holds that a response is refused, in which `{}` stands for what the attacker wants to be read.
async fn refused(wanted: Flaw, response: impl Into<String>) {
    let response = response.into();
    let shown: String = response.chars().take(100).collect();
    let (scene, _web) =
        scene(move |proof, _| response.replace("{}", proof.body()).into_bytes()).await;
    scene.rightful_flow().await;
    assert_eq!(scene.attack().await, Fetched::Refused(wanted), "{shown:?}");
}

#[tokio::test]
async fn h08_a_head_is_bounded_as_a_whole() {
    let long = "x".repeat(20_000);
    for response in [
        format!("{OK}X: {long}\r\nContent-Length: 64\r\n\r\n{{}}"),
        format!(
            "HTTP/1.1 200 {long}\r\nContent-Type: text/plain\r\nContent-Length: 64\r\n\r\n{{}}"
        ),
        format!(
            "{OK}{}Content-Length: 64\r\n\r\n{{}}",
            format!("X: {}\r\n", "x".repeat(1000)).repeat(20)
        ),
    ] {
        refused(Flaw::Length, response).await;
    }
}

#[tokio::test]
async fn h10_fields_are_counted() {
    let many = "X: x\r\n".repeat(101);
    refused(Flaw::Length, format!("{OK}{many}Content-Length: 64\r\n\r\n{{}}")).await;
}

#[tokio::test]
async fn h10_trailers_are_bounded_and_say_nothing() {
    let chunk = "Transfer-Encoding: chunked\r\n\r\n40\r\n{}\r\n0\r\n";
    let many = "X: x\r\n".repeat(101);
    refused(Flaw::Length, format!("{OK}{chunk}{many}\r\n")).await;
    refused(Flaw::Length, format!("{OK}{chunk}X: {}\r\n\r\n", "x".repeat(20_000))).await;
    refused(Flaw::Malformed, format!("{OK}{chunk}no field\r\n\r\n")).await;
    // A type that comes after the body is none.
    let (scene, _web) = scene(|proof, _| {
        let body = proof.body();
        let chunks = format!("40\r\n{body}\r\n0\r\nContent-Type: text/plain\r\n\r\n");
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}").into_bytes()
    })
    .await;
    scene.rightful_flow().await;
    let Fetched::Response(response) = scene.attack().await else { panic!("not a response") };
    assert_eq!(response.content_type, None);
}

#[tokio::test]
async fn h10_interim_responses_are_counted() {
    let flood = "HTTP/1.1 100 Continue\r\n\r\n".repeat(6);
    refused(Flaw::Length, format!("{flood}{OK}Content-Length: 64\r\n\r\n{{}}")).await;
}

#[tokio::test]
async fn h10_chunks_are_bounded() {
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    for size in ["ffffffffffffffff", "10000000000000040", "-40", "+40", "0x40", " 40"] {
        refused(Flaw::Malformed, format!("{OK}{chunked}{size}\r\n{{}}\r\n0\r\n\r\n")).await;
    }
    let extension = "x".repeat(20_000);
    refused(Flaw::Length, format!("{OK}{chunked}40;{extension}\r\n{{}}\r\n0\r\n\r\n")).await;
    refused(Flaw::Malformed, format!("{OK}{chunked}40;\0\r\n{{}}\r\n0\r\n\r\n")).await;
    // A chunk that says to be of four gigabytes is read as far as any body.
    let (scene, _web) = scene(move |proof, _| {
        let rest = "\n".repeat(100_000);
        format!("{OK}{chunked}ffffffff\r\n{}{rest}", proof.body()).into_bytes()
    })
    .await;
    scene.rightful_flow().await;
    let Fetched::Response(response) = scene.attack().await else { panic!("not a response") };
    assert_eq!(response.body.len(), Fetched::MAX_BODY);
}

#[tokio::test]
async fn h10_a_body_of_two_lengths_is_refused() {
    for response in [
        "Content-Length: 64\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 64\r\n\r\n40\r\n{}\r\n0\r\n\r\n",
        "Content-Length: 64\r\nContent-Length: 65\r\n\r\n{}x",
        "Content-Length: 64\r\nContent-Length: 64\r\n\r\n{}",
        "Content-Length: 64, 64\r\n\r\n{}",
        "Content-Length: +64\r\n\r\n{}",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{}\r\n0\r\n\r\n",
    ] {
        refused(Flaw::Malformed, format!("{OK}{response}")).await;
    }
    refused(
        Flaw::Malformed,
        "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{}\r\n0\r\n\r\n",
    )
    .await;
}

#[tokio::test]
async fn h10_a_line_has_one_end_and_no_control_characters() {
    for response in [
        "HTTP/1.1 200 OK\nContent-Type: text/plain\nContent-Length: 64\n\n{}".to_owned(),
        format!("{OK}Content-Length: 64\n\r\n{{}}"),
        format!("{OK}Content-Length: 64\r\n\n{{}}"),
        format!("{OK}X: a\rContent-Length: 1\r\nContent-Length: 64\r\n\r\n{{}}"),
        format!("{OK}X: a\0b\r\nContent-Length: 64\r\n\r\n{{}}"),
        format!("{OK}X\0: a\r\nContent-Length: 64\r\n\r\n{{}}"),
        format!("{OK}X: a\r\n b\r\nContent-Length: 64\r\n\r\n{{}}"),
        format!("{OK}Content-Length : 64\r\n\r\n{{}}"),
    ] {
        refused(Flaw::Malformed, response).await;
    }
}

#[tokio::test]
async fn h10_a_second_response_on_the_connection_is_never_read() {
    // Neither as the answer, nor as that of the page which the first one leads to.
    for first in [
        "HTTP/1.1 404 Not Found\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nnone",
        "HTTP/1.1 302 Found\r\nConnection: keep-alive\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n",
    ] {
        let (scene, web) = scene(move |proof, request| {
            if request.starts_with("GET /there ") {
                return crate::web::page(404, "", b"");
            }
            let body = proof.body();
            format!("{first}{OK}Content-Length: 64\r\n\r\n{body}").into_bytes()
        })
        .await;
        scene.rightful_flow().await;
        let Fetched::Response(response) = scene.attack().await else { panic!("not a response") };
        assert_eq!(response.status, 404);
        assert_eq!(web.connections(), web.requests().len());
    }
}

#[tokio::test]
async fn h10_a_response_that_breaks_off_is_refused() {
    for rest in [
        "Content-Length: 65\r\n\r\n{}",
        "Transfer-Encoding: chunked\r\n\r\n40\r\n{}\r\n",
        "Transfer-Encoding: chunked\r\n\r\n41\r\n{}",
    ] {
        refused(Flaw::Malformed, format!("{OK}{rest}")).await;
    }
}

#[tokio::test]
async fn h11_nothing_but_http_1_is_spoken() {
    for response in [
        "{}",
        "{}\r\n",
        "<html>{}</html>",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{}",
        "HTTP/2.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 64\r\n\r\n{}",
        "HTTP/0.9 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 64\r\n\r\n{}",
        "\0\0\x04\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0{}",
        "SSH-2.0-OpenSSH_9.9\r\n{}",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 64\r\n\r\n{}",
    ] {
        refused(Flaw::Malformed, response).await;
    }
}
