//! Cases for a [`Probe`].

use std::sync::Arc;

use async_trait::async_trait;
use tokio::task::JoinSet;

use crate::{
    error::ErrorKind,
    name::DomainName,
    probe::{Fetch, Fetched, Probe},
};

/// A web server that the cases fill.
#[async_trait]
pub trait Site: Send + Sync + 'static {
    /// Returns a host that the server answers for.
    fn host(&self) -> DomainName;

    /// Serves a page of the host: a status, what its `Location` field says, if anything, and a body.
    async fn serve(&self, path: &str, status: u16, location: Option<&str>, body: &[u8]);
}

/// Makes one test of every case in [`conformance::probe`](crate::conformance::probe).
///
/// `$setup` is a future that gives a probe and the [`Site`] that it looks at.
#[macro_export]
macro_rules! probe_conformance {
    ($name:ident, $setup:expr) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $crate::__conformance_cases!(
                [$crate::conformance::probe] $setup => (probe, site);
                page_comes_back_as_it_is,
                path_is_sent_as_it_is,
                status_of_a_failure_is_an_answer,
                redirection_is_not_followed,
                redirection_on_the_host_is_followed_if_asked_for,
                redirection_elsewhere_is_the_answer,
                long_body_is_cut,
                host_that_is_not_there_is_an_answer,
                path_that_is_no_path_is_invalid,
                many_pages_at_once,
            );
        }
    };
}

async fn fetch(probe: &impl Probe, site: &impl Site, path: &str) -> (u16, Vec<u8>) {
    match probe.fetch(&Fetch::new(site.host(), path)).await.unwrap() {
        Fetched::Response(response) => (response.status, response.body),
        other => panic!("not a response: {other:?}"),
    }
}

/// The body is bytes: nothing is decoded, trimmed or converted.
pub async fn page_comes_back_as_it_is(probe: impl Probe, site: impl Site) {
    let binary: Vec<u8> = (0..=255).collect();
    for (path, body) in [
        ("/.well-known/acme-challenge/token", b"token.thumbprint".as_slice()),
        ("/spaces", b" \r\n text \n\n"),
        ("/binary", &binary),
        ("/empty", b""),
    ] {
        site.serve(path, 200, None, body).await;
        assert_eq!(fetch(&probe, &site, path).await, (200, body.to_vec()), "{path}");
    }
}

/// Case, escapes and a query stay as they are.
pub async fn path_is_sent_as_it_is(probe: impl Probe, site: impl Site) {
    for path in ["/Upper/lower", "/a%20b%2Fc", "/a?b=c&d=%26", "/a//b/"] {
        site.serve(path, 200, None, path.as_bytes()).await;
    }
    for path in ["/Upper/lower", "/a%20b%2Fc", "/a?b=c&d=%26", "/a//b/"] {
        assert_eq!(fetch(&probe, &site, path).await.1, path.as_bytes(), "{path}");
    }
}

/// What a server says is no error of ours.
pub async fn status_of_a_failure_is_an_answer(probe: impl Probe, site: impl Site) {
    for status in [201, 404, 410, 500, 503] {
        let path = format!("/status/{status}");
        site.serve(&path, status, None, b"text").await;
        assert_eq!(fetch(&probe, &site, &path).await, (status, b"text".to_vec()));
    }
    assert_eq!(fetch(&probe, &site, "/nothing/here").await.0, 404);
}

/// One request, one response: the page that a redirection names is not asked for.
pub async fn redirection_is_not_followed(probe: impl Probe, site: impl Site) {
    site.serve("/target", 200, None, b"target").await;
    for status in [301, 302, 307, 308] {
        let path = format!("/redirect/{status}");
        let target = format!("http://{}/target", site.host());
        site.serve(&path, status, Some(&target), b"moved").await;
        assert_eq!(fetch(&probe, &site, &path).await, (status, b"moved".to_vec()));
    }
}

/// As many as asked for, and a loop is no way to more.
pub async fn redirection_on_the_host_is_followed_if_asked_for(probe: impl Probe, site: impl Site) {
    let absolute = format!("http://{}/second", site.host());
    site.serve("/first", 301, Some(&absolute), b"moved").await;
    site.serve("/second", 302, Some("/third"), b"moved").await;
    site.serve("/third", 200, None, b"third").await;
    site.serve("/loop", 307, Some("/loop"), b"loop").await;
    for (path, redirects, wanted) in [
        ("/first", 2, (200, "third")),
        ("/first", 9, (200, "third")),
        ("/first", 1, (302, "moved")),
        ("/second", 1, (200, "third")),
        ("/loop", 9, (307, "loop")),
    ] {
        let fetch = Fetch::new(site.host(), path).with_redirects(redirects);
        let Fetched::Response(response) = probe.fetch(&fetch).await.unwrap() else {
            panic!("not a response: {path}")
        };
        let text = String::from_utf8(response.body).unwrap();
        assert_eq!((response.status, &*text), wanted, "{path}, {redirects}");
    }
}

/// What another host shows says nothing about this one.
pub async fn redirection_elsewhere_is_the_answer(probe: impl Probe, site: impl Site) {
    let host = site.host();
    site.serve("/target", 200, None, b"target").await;
    for (index, location) in [
        "http://nameplate-conformance.invalid/target".to_owned(),
        "//nameplate-conformance.invalid/target".to_owned(),
        format!("http://www.{host}/target"),
        format!("http://{host}:8080/target"),
        format!("http://user@{host}/target"),
        format!("http://{host}./target"),
        format!("ftp://{host}/target"),
        "http://127.0.0.1/target".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        let path = format!("/elsewhere/{index}");
        site.serve(&path, 302, Some(location), b"moved").await;
        let fetched = probe.fetch(&Fetch::new(host.clone(), &*path).with_redirects(5)).await;
        let Fetched::Response(response) = fetched.unwrap() else { panic!("{location}") };
        assert_eq!((response.status, &*response.body), (302, &b"moved"[..]), "{location}");
        assert_eq!(response.location.as_deref(), Some(&**location));
    }
}

/// A host cannot make us read more than [`Fetched::MAX_BODY`].
pub async fn long_body_is_cut(probe: impl Probe, site: impl Site) {
    for length in [Fetched::MAX_BODY, Fetched::MAX_BODY + 1, Fetched::MAX_BODY * 1000] {
        site.serve("/long", 200, None, &vec![b'x'; length]).await;
        let (status, body) = fetch(&probe, &site, "/long").await;
        assert_eq!((status, body.len()), (200, Fetched::MAX_BODY), "of {length}");
    }
}

/// A name without a server is an answer, not an error.
pub async fn host_that_is_not_there_is_an_answer(probe: impl Probe, _site: impl Site) {
    let fetch = Fetch::new("nameplate-conformance.invalid".parse().unwrap(), "/");
    let fetched = probe.fetch(&fetch).await.unwrap();
    assert!(matches!(fetched, Fetched::NoAddress | Fetched::Unreachable), "{fetched:?}");
}

/// A path cannot hold a second request.
pub async fn path_that_is_no_path_is_invalid(probe: impl Probe, site: impl Site) {
    for path in [
        "",
        "page",
        "http://example.com/",
        "/a\r\nHost: b",
        "/a\nb",
        "/a\0b",
        "/a\tb",
        "/a b",
        "/a#b",
        "/\u{e4}",
    ] {
        let error = probe.fetch(&Fetch::new(site.host(), path)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{path:?}: {error}");
    }
    let wildcard = format!("*.{}", site.host()).parse().unwrap();
    let error = probe.fetch(&Fetch::new(wildcard, "/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
}

/// Answers do not get mixed up.
pub async fn many_pages_at_once(probe: impl Probe, site: impl Site) {
    let (probe, site) = (Arc::new(probe), Arc::new(site));
    let mut fetches = JoinSet::new();
    for number in 0..10 {
        let path = format!("/at/once/{number}");
        site.serve(&path, 200, None, path.as_bytes()).await;
        let (probe, site) = (Arc::clone(&probe), Arc::clone(&site));
        fetches.spawn(async move {
            assert_eq!(fetch(&*probe, &*site, &path).await, (200, path.into_bytes()));
        });
    }
    fetches.join_all().await;
}
