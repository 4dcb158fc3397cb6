//! A web server for all hosts of the tree, and lives that are proved by its pages.

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use nameplate::{
    evidence::{Found, Verdict},
    record::{RecordData, RecordSet, Ttl},
};

use super::{
    platform::{Page, Platform, held, pending},
    tree::{Zone, break_trust},
};
use crate::{servers, web};

/// Longer than a proof may be missing, and shorter than the token of a page is good.
const LONG: u32 = 20;

/// Pages by path, on loopback.
#[derive(Debug)]
struct Pages {
    bodies: Arc<Mutex<HashMap<String, String>>>,
    web: web::Web,
}

impl Pages {
    async fn new() -> Self {
        let bodies: Arc<Mutex<HashMap<String, String>>> = Arc::default();
        let served = Arc::clone(&bodies);
        let web = web::Web::new((Ipv4Addr::LOCALHOST, 0), move |request| {
            match served.lock().unwrap().get(web::path(request)) {
                Some(body) => web::page(200, "Content-Type: text/plain\r\n", body.as_bytes()),
                None => web::page(404, "", b""),
            }
        });
        Self { web: web.await, bodies }
    }

    fn put(&self, page: &Page) {
        self.bodies.lock().unwrap().insert(page.path.clone(), page.body.clone());
    }

    fn take(&self, page: &Page) {
        self.bodies.lock().unwrap().remove(&page.path);
    }
}

#[tokio::test]
async fn ownership_lives_by_a_page_for_as_long_as_it_can_be_seen() {
    let pages = Pages::new().await;
    let platform = Platform::beside(pages.web.port()).await;
    let claim = platform.claim_page("shop", "pages.test").await;
    let leaf = Zone::at(servers::leaf(), "pages.test");
    pages.put(&claim.proof);
    assert_eq!(claim.check().await, pending(Verdict::Refuted, Found::NoData));

    let host = RecordData::A(Ipv4Addr::LOCALHOST);
    let host = RecordSet::new(claim.proof.host.clone(), Ttl::MINUTE, [host]).unwrap();
    leaf.put(&host).await;
    assert_eq!(claim.check().await, held(Verdict::Confirmed, Found::Values));
    platform.pass(LONG).await;
    assert_eq!(claim.latest().await, held(Verdict::Confirmed, Found::Values));

    // Where the host is cannot be said, and what is there even less.
    let (parent, right) = break_trust("pages.test").await;
    pages.take(&claim.proof);
    platform.pass(LONG).await;
    assert_eq!(claim.latest().await, held(Verdict::Unknown, Found::Failed));
    parent.put(&right).await;
    pages.put(&claim.proof);
    assert_eq!(claim.check().await, held(Verdict::Confirmed, Found::Values));

    pages.take(&claim.proof);
    platform.pass(2).await;
    assert_eq!(claim.latest().await, held(Verdict::Refuted, Found::Values));
    platform.pass(4).await;
    assert_eq!(claim.latest().await, pending(Verdict::Refuted, Found::Values));
}
