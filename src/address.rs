//! Which addresses are on the public internet, and which are somebody's own network.
//!
//! Whoever connects to where a customer says must not be led to a neighbor of its own: a metadata
//! service, a database, a router. [`is_public`] is asked about the address that is connected to, not
//! about a name that may lead elsewhere a moment later.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// A block of addresses with a special purpose.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Block {
    /// The first address.
    pub first: IpAddr,
    /// How many bits all addresses of the block share.
    pub length: u8,
    /// What it is for.
    pub purpose: &'static str,
}

impl Block {
    const fn v4(octets: [u8; 4], length: u8, purpose: &'static str) -> Self {
        let [a, b, c, d] = octets;
        Self { first: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), length, purpose }
    }

    const fn v6(segments: [u16; 8], length: u8, purpose: &'static str) -> Self {
        let [a, b, c, d, e, f, g, h] = segments;
        Self { first: IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h)), length, purpose }
    }

    /// Returns whether an address is in the block.
    pub fn contains(&self, address: IpAddr) -> bool {
        let shared = match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                (first.to_bits() ^ address.to_bits()).leading_zeros()
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                (first.to_bits() ^ address.to_bits()).leading_zeros()
            }
            _ => return false,
        };
        shared >= u32::from(self.length)
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} ({})", self.first, self.length, self.purpose)
    }
}

/// The blocks that are not the public internet: the IANA special-purpose address registries of IPv4
/// and IPv6 (RFC 6890), those blocks included that the registries call globally reachable, and the
/// multicast and site-local blocks.
///
/// Addresses that hold an IPv4 address (mapped, NAT64, 6to4, Teredo) are refused as a whole: what they
/// lead to is up to the network that they are used in.
pub const SPECIAL: &[Block] = &[
    Block::v4([0, 0, 0, 0], 8, "this network"),
    Block::v4([10, 0, 0, 0], 8, "private use"),
    Block::v4([100, 64, 0, 0], 10, "shared address space"),
    Block::v4([127, 0, 0, 0], 8, "loopback"),
    Block::v4([169, 254, 0, 0], 16, "link local"),
    Block::v4([172, 16, 0, 0], 12, "private use"),
    Block::v4([192, 0, 0, 0], 24, "IETF protocol assignments"),
    Block::v4([192, 0, 2, 0], 24, "documentation"),
    Block::v4([192, 31, 196, 0], 24, "AS112"),
    Block::v4([192, 52, 193, 0], 24, "AMT"),
    Block::v4([192, 88, 99, 0], 24, "6to4 relay anycast"),
    Block::v4([192, 168, 0, 0], 16, "private use"),
    Block::v4([192, 175, 48, 0], 24, "AS112"),
    Block::v4([198, 18, 0, 0], 15, "benchmarking"),
    Block::v4([198, 51, 100, 0], 24, "documentation"),
    Block::v4([203, 0, 113, 0], 24, "documentation"),
    Block::v4([224, 0, 0, 0], 4, "multicast"),
    Block::v4([240, 0, 0, 0], 4, "reserved"),
    Block::v6([0, 0, 0, 0, 0, 0, 0, 0], 128, "unspecified"),
    Block::v6([0, 0, 0, 0, 0, 0, 0, 1], 128, "loopback"),
    Block::v6([0, 0, 0, 0, 0, 0, 0, 0], 96, "IPv4-compatible"),
    Block::v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96, "IPv4-mapped"),
    Block::v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96, "NAT64"),
    Block::v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, "local NAT64"),
    Block::v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64, "discard only"),
    Block::v6([0x100, 0, 0, 1, 0, 0, 0, 0], 64, "dummy prefix"),
    Block::v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, "Teredo"),
    Block::v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, "IETF protocol assignments"),
    Block::v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, "documentation"),
    Block::v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, "6to4"),
    Block::v6([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48, "AS112"),
    Block::v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "documentation"),
    Block::v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16, "segment routing"),
    Block::v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "unique local"),
    Block::v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, "link local"),
    Block::v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, "site local"),
    Block::v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, "multicast"),
];

/// What IANA gives out of the IPv6 space as global unicast addresses.
const GLOBAL_UNICAST: Block = Block::v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3, "global unicast");

/// Returns the first block of [`SPECIAL`] that an address is in.
pub fn special(address: IpAddr) -> Option<&'static Block> {
    SPECIAL.iter().find(|block| block.contains(address))
}

/// Returns whether an address is on the public internet.
///
/// Of IPv6 that is only what IANA has given out for it, so that what is given out later for something
/// else is refused until it is known.
///
/// ```
/// # use nameplate::address::is_public;
/// assert!(is_public("93.184.216.34".parse().unwrap()));
/// assert!(!is_public("169.254.169.254".parse().unwrap()));
/// assert!(!is_public("::ffff:93.184.216.34".parse().unwrap()));
/// ```
pub fn is_public(address: IpAddr) -> bool {
    special(address).is_none() && (address.is_ipv4() || GLOBAL_UNICAST.contains(address))
}

#[cfg(test)]
mod tests;
