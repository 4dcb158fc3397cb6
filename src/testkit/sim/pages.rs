//! The pages of customers' hosts, by which names are proved over HTTP.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;

use super::{
    core::Core,
    fault::{Backend, Site},
    link::Faulty,
};
use crate::{
    error::Result,
    probe::{Fetch, Fetched, Probe, Response},
};

/// The host of somebody who claims nothing, to which pages are moved.
const ELSEWHERE: &str = "pages.elsewhere.test";

/// Where on a host a page is that was moved there.
const MOVED: &str = "/moved";

/// A page, by its host and the path at which it is looked for.
pub(super) type Address = (String, String);

/// Where a page is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// Where it is looked for.
    There,
    /// At another path of the host, to which the one that is asked for redirects.
    OnHost,
    /// On somebody else's host, to which the one that is asked for redirects.
    Elsewhere,
}

impl Place {
    /// Every place.
    pub(super) const ALL: [Self; 3] = [Self::There, Self::OnHost, Self::Elsewhere];
}

/// All pages, with what they say.
#[derive(Debug, Default)]
pub(super) struct Pages(BTreeMap<Address, (Place, String)>);

impl Pages {
    /// Puts a page somewhere; returns what was said for this address before, on the host itself.
    pub(super) fn put(&mut self, at: Address, place: Place, text: String) -> Option<String> {
        said(self.0.insert(at, (place, text)))
    }

    /// Takes a page away, wherever it is; returns what it said, on the host itself.
    pub(super) fn take(&mut self, at: &Address) -> Option<String> {
        said(self.0.remove(at))
    }

    /// Returns what a server answers.
    fn answer(&self, host: &str, path: &str) -> Response {
        let page = |path: &str, wanted: &[Place]| {
            let (place, text) = self.0.get(&(host.to_owned(), path.to_owned()))?;
            wanted.contains(place).then(|| (*place, text.clone()))
        };
        let shown = |text: String| Response::new(200, text).with_content_type("text/plain");
        let led = |to: String| Response::new(302, "").with_location(to);
        if host == ELSEWHERE {
            let there = self
                .0
                .iter()
                .find(|((_, at), (place, _))| at == path && *place == Place::Elsewhere);
            if let Some((_, (_, text))) = there {
                return shown(text.clone());
            }
        }
        if let Some((_, text)) =
            path.strip_prefix(MOVED).and_then(|path| page(path, &[Place::OnHost]))
        {
            return shown(text);
        }
        match page(path, &Place::ALL) {
            Some((Place::There, text)) => shown(text),
            Some((Place::OnHost, _)) => led(format!("{MOVED}{path}")),
            Some((Place::Elsewhere, _)) => led(format!("http://{ELSEWHERE}{path}")),
            None => Response::new(404, ""),
        }
    }
}

/// Returns what a page says that the host itself has.
fn said(page: Option<(Place, String)>) -> Option<String> {
    page.filter(|(place, _)| *place != Place::Elsewhere).map(|(_, text)| text)
}

/// What is seen of all pages, one at a time.
#[derive(Clone, Debug)]
pub(super) struct Web {
    pub(super) core: Core,
}

#[async_trait]
impl Probe for Web {
    async fn fetch(&self, fetch: &Fetch) -> Result<Fetched> {
        let (host, path) = (fetch.host.as_str(), fetch.path.as_str());
        Ok(Fetched::Response(self.core.with(|state| state.truth.pages.answer(host, path))))
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: Probe + ?Sized> Probe for Faulty<P> {
    async fn fetch(&self, fetch: &Fetch) -> Result<Fetched> {
        let site = Site::new(Backend::Probe, "fetch");
        let (inner, wanted) = (Arc::clone(&self.inner), fetch.clone());
        let fate = self.link.draw(site);
        self.link.call(site, fate, || async move { inner.fetch(&wanted).await }).await
    }
}
