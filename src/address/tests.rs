use super::*;

/// The rows of the registries, with the blocks that lie in others.
const REGISTRIES: &[&str] = &[
    "0.0.0.0/8",
    "0.0.0.0/32",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.0.0/29",
    "192.0.0.8/32",
    "192.0.0.9/32",
    "192.0.0.10/32",
    "192.0.0.170/32",
    "192.0.0.171/32",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.88.99.2/32",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "255.255.255.255/32",
    "::1/128",
    "::/128",
    "::/96",
    "::ffff:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "100:0:0:1::/64",
    "2001::/23",
    "2001::/32",
    "2001:1::1/128",
    "2001:1::2/128",
    "2001:1::3/128",
    "2001:2::/48",
    "2001:3::/32",
    "2001:4:112::/48",
    "2001:10::/28",
    "2001:20::/28",
    "2001:30::/28",
    "2001:db8::/32",
    "2002::/16",
    "2620:4f:8000::/48",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

fn ends(row: &str) -> [IpAddr; 2] {
    let (first, length) = row.split_once('/').unwrap();
    let length: u32 = length.parse().unwrap();
    match first.parse().unwrap() {
        IpAddr::V4(first) => {
            let rest = u32::MAX.checked_shr(length).unwrap_or(0);
            [first.into(), Ipv4Addr::from_bits(first.to_bits() | rest).into()]
        }
        IpAddr::V6(first) => {
            let rest = u128::MAX.checked_shr(length).unwrap_or(0);
            [first.into(), Ipv6Addr::from_bits(first.to_bits() | rest).into()]
        }
    }
}

#[test]
fn both_ends_of_every_row_are_refused() {
    for row in REGISTRIES {
        for end in ends(row) {
            assert!(special(end).is_some(), "{end} of {row}");
            assert!(!is_public(end), "{end} of {row}");
        }
    }
}

#[test]
fn every_block_is_a_row_and_begins_where_it_says() {
    for block in SPECIAL {
        let row = format!("{}/{}", block.first, block.length);
        let is_it = |known: &&str| {
            let (first, length) = known.split_once('/').unwrap();
            first.parse() == Ok(block.first) && length.parse() == Ok(block.length)
        };
        assert!(REGISTRIES.iter().any(is_it), "{row}");
        for end in ends(&row) {
            assert!(block.contains(end), "{end} of {row}");
        }
    }
}

#[test]
fn neighbors_of_blocks_are_public() {
    for address in [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.3.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "2000::",
        "2001:200::",
        "2001:db7:ffff::",
        "2001:db9::",
        "2003::",
        "2620:4f:7fff::",
        "2620:4f:8001::",
        "3ffe::",
        "2606:4700::1111",
    ] {
        let address = address.parse().unwrap();
        assert!(is_public(address), "{address} {:?}", special(address));
    }
}

#[test]
fn an_address_in_another_form_is_no_way_around() {
    for address in [
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        // Given out for nothing yet.
        "4000::1",
        "e000::1",
        "1::1",
    ] {
        assert!(!is_public(address.parse().unwrap()), "{address}");
    }
}

#[test]
fn a_block_says_what_it_is() {
    let block = special("169.254.169.254".parse().unwrap()).unwrap();
    assert_eq!(block.to_string(), "169.254.0.0/16 (link local)");
}
