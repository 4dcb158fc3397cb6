//! The server, and what it and the kernel count.

use std::{env, fs, net::SocketAddr, process::Command};

/// A Knot with many names.
pub(crate) struct Crowd {
    pub(crate) address: SocketAddr,
    control: String,
}

impl Crowd {
    /// Names in the zone.
    pub(crate) const NAMES: usize = 100_000;

    /// Returns the server that `scripts/servers` started.
    pub(crate) fn of_environment() -> Option<Self> {
        let address = env::var("NAMEPLATE_TEST_CROWD").ok()?;
        let control = env::var("NAMEPLATE_TEST_CROWD_CONTROL").ok()?;
        Some(Self { address: address.parse().unwrap(), control })
    }

    /// Returns the owner of the text of a number.
    pub(crate) fn name(number: usize) -> String {
        format!("_nameplate-challenge.shop{:05}.crowd.test.", number % Self::NAMES)
    }

    /// Returns a name beside that, which is not there.
    pub(crate) fn sibling(number: usize) -> String {
        format!("_aaaaaaaaaaaaaaaa-sibling.shop{:05}.crowd.test.", number % Self::NAMES)
    }

    /// Returns the text of a number.
    pub(crate) fn text(number: usize) -> String {
        format!("{:064}", number % Self::NAMES)
    }

    /// Returns how many datagrams were sent to the server so far.
    pub(crate) fn datagrams(&self) -> u64 {
        self.read() + self.dropped()
    }

    /// Returns how many it has read.
    fn read(&self) -> u64 {
        let asked = ["-s", &self.control, "stats", "mod-stats.request-protocol"];
        let output = Command::new("knotc").args(asked).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find_map(|line| line.split_once("[udp4] = "));
        line.map_or(0, |(_, count)| count.trim().parse().unwrap())
    }

    /// Returns how many its sockets had no room for.
    fn dropped(&self) -> u64 {
        let place = format!(":{:04X}", self.address.port());
        let sockets = fs::read_to_string("/proc/net/udp").unwrap();
        let of_server = sockets.lines().filter(|line| {
            line.split_whitespace().nth(1).is_some_and(|local| local.ends_with(&place))
        });
        of_server.filter_map(|line| line.split_whitespace().next_back()?.parse::<u64>().ok()).sum()
    }
}
