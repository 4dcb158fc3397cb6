//! Connecting to the public internet only.

use std::{
    error::Error as StdError,
    fmt,
    net::{IpAddr, SocketAddr},
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::address::{is_public, special};

/// A lookup that fails if one of the addresses is not on the public internet.
///
/// The addresses that it returns are those that are connected to: nothing is looked up in between.
#[derive(Clone, Copy, Debug)]
pub(super) struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            screen(&found)?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Refuses addresses of which one is not public: who mixes them is up to something.
fn screen(found: &[SocketAddr]) -> Result<(), NotPublic> {
    match found.iter().map(SocketAddr::ip).find(|address| !is_public(*address)) {
        Some(address) => Err(NotPublic(address)),
        None => Ok(()),
    }
}

/// Refuses a host that is an address, which nobody looks up, and not a public one.
pub(super) fn screen_host(host: &str) -> Result<(), NotPublic> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    match bare.parse::<IpAddr>() {
        Ok(address) if !is_public(address) => Err(NotPublic(address)),
        _ => Ok(()),
    }
}

/// An address that is not on the public internet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct NotPublic(IpAddr);

impl NotPublic {
    /// Returns whether an error comes from here.
    pub(super) fn is_behind(error: &(dyn StdError + 'static)) -> bool {
        let mut error = Some(error);
        while let Some(at) = error {
            if at.is::<Self>() {
                return true;
            }
            error = at.source();
        }
        false
    }
}

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match special(self.0) {
            Some(block) => write!(f, "{} is in {block}", self.0),
            None => write!(f, "{} is not a public address", self.0),
        }
    }
}

impl StdError for NotPublic {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_of_somebodys_own_network_refuses_all() {
        let at = |text: &str| SocketAddr::new(text.parse().unwrap(), 0);
        assert_eq!(screen(&[at("93.184.216.34"), at("2606:4700::1111")]), Ok(()));
        for bad in ["10.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:93.184.216.34"] {
            assert!(screen(&[at("93.184.216.34"), at(bad)]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_host_that_is_an_address_is_screened_too() {
        for good in ["example.com", "93.184.216.34", "[2606:4700::1111]"] {
            assert_eq!(screen_host(good), Ok(()), "{good}");
        }
        for bad in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[fe80::1]"] {
            assert!(screen_host(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_reason_is_found_behind_other_errors() {
        let error = NotPublic([10, 0, 0, 1].into());
        assert!(NotPublic::is_behind(&error));
        assert!(!NotPublic::is_behind(&fmt::Error));
        assert_eq!(error.to_string(), "10.0.0.1 is in 10.0.0.0/8 (private use)");
    }
}
