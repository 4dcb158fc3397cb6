//! What a page says, and whose page it is.

use nameplate::{
    challenge::HttpProof,
    evidence::Verdict,
    probe::{Fetched, Flaw},
};

use crate::{
    scene::{HERE, HOST, Scene, proofs, scene},
    web::{Web, page, path},
};

const TEXT: &str = "Content-Type: text/plain\r\n";

#[tokio::test]
async fn h08_an_endless_body_is_cut() {
    let (scene, _web) = scene(|wanted, _| {
        let start = format!("HTTP/1.1 200 OK\r\n{TEXT}\r\n{}\n", wanted.body());
        [start.as_bytes(), &vec![b'\n'; 8 << 20]].concat()
    })
    .await;
    scene.rightful_flow().await;
    let Fetched::Response(response) = scene.attack().await else { panic!("not a response") };
    assert_eq!(response.body.len(), Fetched::MAX_BODY);
}

#[tokio::test]
async fn h09_an_encoded_body_is_refused() {
    for field in ["Content-Encoding: gzip", "content-encoding: br", "Content-Encoding: x, identity"]
    {
        let (scene, _web) = scene(move |wanted, _| {
            page(200, &format!("{TEXT}{field}\r\n"), wanted.body().as_bytes())
        })
        .await;
        scene.rightful_flow().await;
        assert_eq!(scene.attack().await, Fetched::Refused(Flaw::Encoding), "{field}");
    }
    let (scene, _web) = scene(|wanted, _| {
        let body = wanted.body();
        format!("HTTP/1.1 200 OK\r\n{TEXT}Transfer-Encoding: gzip\r\n\r\n{body}").into_bytes()
    })
    .await;
    scene.rightful_flow().await;
    assert_eq!(scene.attack().await, Fetched::Refused(Flaw::Encoding));
}

#[tokio::test]
async fn h12_a_body_is_the_token_and_at_most_one_line_end() {
    for (before, after, is_proof) in [
        ("", "", true),
        ("", "\n", true),
        ("", "\r\n", true),
        ("", "\n\n", false),
        ("", " ", false),
        ("", "junk", false),
        ("", "\nanother line", false),
        ("", "\0", false),
        (" ", "", false),
        ("\n", "", false),
        ("\u{feff}", "", false),
        ("token=", "", false),
        ("<p>", "</p>", false),
    ] {
        let (scene, _web) = scene(move |wanted, _| {
            page(200, TEXT, format!("{before}{}{after}", wanted.body()).as_bytes())
        })
        .await;
        scene.rightful_flow().await;
        let fetched = scene.fetch(&scene.wanted).await;
        let verdict = if is_proof { Verdict::Confirmed } else { Verdict::Refuted };
        assert_eq!(fetched.verdict(&scene.wanted), verdict, "{before:?} {after:?}");
    }
}

#[tokio::test]
async fn h12_a_token_in_a_field_is_no_body() {
    let (scene, _web) = scene(|wanted, _| {
        let token = wanted.body();
        page(200, &format!("{TEXT}X-Token: {token}\r\nETag: \"{token}\"\r\n"), b"")
    })
    .await;
    scene.rightful_flow().await;
    scene.attack().await;
}

#[tokio::test]
async fn h12_only_status_200_is_a_page() {
    for status in [201, 203, 206, 226, 400, 404, 410, 500, 503] {
        let (scene, _web) =
            scene(move |wanted, _| page(status, TEXT, wanted.body().as_bytes())).await;
        scene.rightful_flow().await;
        scene.attack().await;
    }
}

#[tokio::test]
async fn d04_a_page_that_echoes_the_request_proves_nothing() {
    let echoes: [fn(&HttpProof, &str) -> Vec<u8>; 3] = [
        |_, request| page(200, TEXT, request.as_bytes()),
        |_, request| page(200, TEXT, path(request).as_bytes()),
        |_, request| {
            let file = path(request).rsplit('/').next().unwrap_or_default();
            page(200, TEXT, file.trim_end_matches(".txt").as_bytes())
        },
    ];
    for echo in echoes {
        let (scene, _web) = scene(echo).await;
        scene.rightful_flow().await;
        scene.attack().await;
    }
}

#[tokio::test]
async fn d05_an_upload_that_is_no_text_proves_nothing() {
    for field in ["Content-Type: image/png\r\n", "Content-Type: application/octet-stream\r\n", ""] {
        let (scene, _web) =
            scene(move |wanted, _| page(200, field, wanted.body().as_bytes())).await;
        scene.rightful_flow().await;
        scene.attack().await;
    }
}

#[tokio::test]
async fn d06_another_site_on_the_same_server_proves_nothing() {
    let (rightful, wanted) = proofs(HOST);
    let web = Web::new((HERE, 0), move |request| {
        // By the host that is asked for, as servers of many sites do.
        let host = request.lines().find_map(|line| line.strip_prefix("Host: "));
        match (host, path(request)) {
            (Some(HOST), asked) if asked == rightful.path() => {
                page(200, TEXT, rightful.body().as_bytes())
            }
            (Some("attacker.example.net"), _) | (None, _) => {
                page(200, TEXT, wanted.body().as_bytes())
            }
            _ => page(404, "", b""),
        }
    })
    .await;
    let scene = Scene::new(&web);
    scene.dns.set("attacker.example.net", &[HERE.into()]);
    scene.rightful_flow().await;
    let Fetched::Response(response) = scene.attack().await else { panic!("not a response") };
    assert_eq!(response.status, 404);
}

#[tokio::test]
async fn h17_what_is_kept_of_a_response_is_short_and_harmless() {
    let (scene, _web) = scene(|_, _| {
        page(
            200,
            "Content-Type: text/html\r\n",
            "\u{1b}]0;x\u{7}<script>secret".repeat(40).as_bytes(),
        )
    })
    .await;
    scene.rightful_flow().await;
    let seen = scene.attack().await.seen();
    assert_eq!(seen.values.len(), 3);
    for value in seen.values {
        assert!(value.len() <= 100 && value.bytes().all(|byte| matches!(byte, b' '..=b'~')));
    }
}
