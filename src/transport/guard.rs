//! Connecting to the public internet only.

use std::{
    error::Error as StdError,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::address::{is_public, special};

/// A lookup that fails if one of the addresses is not on the public internet, or denied all the same.
///
/// The addresses that it returns are those that are connected to: nothing is looked up in between.
#[derive(Clone, Debug, Default)]
pub(super) struct PublicOnly {
    denied: Arc<[IpAddr]>,
}

impl PublicOnly {
    pub(super) fn new(denied: Vec<IpAddr>) -> Self {
        Self { denied: denied.into() }
    }

    fn check(&self, address: IpAddr) -> Result<(), NotPublic> {
        let is_denied = self.denied.contains(&address);
        if is_public(address) && !is_denied {
            Ok(())
        } else {
            Err(NotPublic { address, is_denied })
        }
    }

    /// Refuses addresses of which one is not public: who mixes them is up to something.
    fn screen(&self, found: &[SocketAddr]) -> Result<(), NotPublic> {
        found.iter().try_for_each(|found| self.check(found.ip()))
    }

    /// Refuses a host that is an address, which nobody looks up, and not a public one.
    pub(super) fn screen_host(&self, host: &str) -> Result<(), NotPublic> {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        bare.parse().map_or(Ok(()), |address| self.check(address))
    }
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            guard.screen(&found)?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// An address that is not on the public internet, or not for everybody.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct NotPublic {
    address: IpAddr,
    is_denied: bool,
}

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
        let Self { address, is_denied } = self;
        match special(*address) {
            Some(block) => write!(f, "{address} is in {block}"),
            None if *is_denied => write!(f, "{address} is denied here"),
            None => write!(f, "{address} is not a public address"),
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
        let screen = |found: &[SocketAddr]| PublicOnly::default().screen(found);
        assert_eq!(screen(&[at("93.184.216.34"), at("2606:4700::1111")]), Ok(()));
        for bad in ["10.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:93.184.216.34"] {
            assert!(screen(&[at("93.184.216.34"), at(bad)]).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_public_can_be_denied_all_the_same() {
        let denied = [[168, 63, 129, 16].into(), "2606:4700::7".parse().unwrap()];
        let guard = PublicOnly::new(denied.to_vec());
        for address in denied {
            let found = [[93, 184, 216, 34].into(), address].map(|it: IpAddr| (it, 443).into());
            assert!(PublicOnly::default().screen(&found).is_ok());
            let refused = guard.screen(&found).unwrap_err();
            assert_eq!(refused.to_string(), format!("{address} is denied here"));
        }
        assert!(guard.screen_host("168.63.129.16").is_err());
        assert!(guard.screen_host("[2606:4700::7]").is_err());
        assert!(guard.screen_host("93.184.216.34").is_ok());
    }

    #[test]
    fn a_host_that_is_an_address_is_screened_too() {
        let screen_host = |host| PublicOnly::default().screen_host(host);
        for good in ["example.com", "93.184.216.34", "[2606:4700::1111]"] {
            assert_eq!(screen_host(good), Ok(()), "{good}");
        }
        for bad in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[fe80::1]"] {
            assert!(screen_host(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_reason_is_found_behind_other_errors() {
        let error = NotPublic { address: [10, 0, 0, 1].into(), is_denied: false };
        assert!(NotPublic::is_behind(&error));
        assert!(!NotPublic::is_behind(&fmt::Error));
        assert_eq!(error.to_string(), "10.0.0.1 is in 10.0.0.0/8 (private use)");
    }
}
