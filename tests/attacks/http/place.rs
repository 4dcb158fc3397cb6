//! Where it connects to.

use std::net::{IpAddr, SocketAddr};

use nameplate::{
    DomainName,
    address::SPECIAL,
    probe::{Fetched, Flaw, MixedAddresses},
    record::RecordType,
};

use crate::{
    scene::{ELSEWHERE, HERE, HOST, Scene, scene, two_pages},
    web::{Web, page},
};

fn elsewhere() -> IpAddr {
    IpAddr::from(ELSEWHERE)
}

/// A server of ours that nobody is to be led to, which would say what the attacker wants to hear. It
/// has the port that the probe uses.
async fn neighbor(port: u16) -> Web {
    let proves =
        two_pages(|wanted, _| page(200, "Content-Type: text/plain\r\n", wanted.body().as_bytes()));
    Web::new(SocketAddr::from((ELSEWHERE, port)), proves).await
}

#[tokio::test]
async fn h01_an_address_that_is_not_public_is_not_connected_to() {
    let (scene, web) = scene(|_, _| page(404, "", b"")).await;
    let neighbor = neighbor(web.port()).await;
    scene.rightful_flow().await;

    let before = web.connections();
    scene.dns.set(HOST, &[elsewhere()]);
    assert_eq!(scene.attack().await, Fetched::Refused(Flaw::Address));
    for block in SPECIAL.iter().filter(|block| !block.contains(IpAddr::from(HERE))) {
        scene.dns.set(HOST, &[block.first]);
        assert_eq!(scene.attack().await, Fetched::Refused(Flaw::Address), "{block}");
    }
    for address in [
        "169.254.169.254",
        "100.100.100.200",
        "fd00:ec2::254",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:0:7f00:1::1",
        "4000::1",
    ] {
        scene.dns.set(HOST, &[address.parse().unwrap()]);
        assert_eq!(scene.attack().await, Fetched::Refused(Flaw::Address), "{address}");
    }
    assert_eq!((web.connections(), neighbor.connections()), (before, 0));
}

#[tokio::test]
async fn h02_a_name_that_leads_elsewhere_the_second_time_is_asked_for_once() {
    let (scene, web) = scene(|_, request| {
        // The second request would be the one that a second answer sends elsewhere.
        if request.contains("/second ") {
            page(404, "", b"")
        } else {
            page(302, "Location: /second\r\n", b"")
        }
    })
    .await;
    let neighbor = neighbor(web.port()).await;
    scene.dns.rebind(elsewhere());
    scene.rightful_flow().await;
    assert_eq!(scene.dns.asked(), [RecordType::Aaaa, RecordType::A]);

    let Fetched::Response(response) = scene.attack().await else { panic!("not a response") };
    assert_eq!(response.status, 404);
    assert_eq!(scene.dns.asked(), [RecordType::Aaaa, RecordType::A]);
    assert_eq!((web.connections(), neighbor.connections()), (3, 0));
}

#[tokio::test]
async fn h03_one_address_that_is_not_public_spoils_the_others_unless_told() {
    let web = Web::new((HERE, 0), two_pages(|_, _| page(404, "", b""))).await;
    let neighbor = neighbor(web.port()).await;
    let scene = Scene::new(&web);
    scene.rightful_flow().await;
    let both = [elsewhere(), IpAddr::from(HERE)];
    for addresses in [both, [both[1], both[0]]] {
        scene.dns.set(HOST, &addresses);
        assert_eq!(scene.fetch(&scene.rightful).await, Fetched::Refused(Flaw::Address));
    }
    assert_eq!(web.connections(), 1);

    let lenient =
        Scene::with(&web, web.port(), |builder| builder.with_mixed_addresses(MixedAddresses::Skip));
    lenient.dns.set(HOST, &both);
    lenient.rightful_flow().await;
    lenient.dns.set(HOST, &[elsewhere()]);
    assert_eq!(lenient.attack().await, Fetched::Refused(Flaw::Address));
    assert_eq!(neighbor.connections(), 0);
}

#[tokio::test]
async fn h14_an_address_in_any_form_is_no_name() {
    let (scene, _web) = scene(|_, _| page(404, "", b"")).await;
    scene.rightful_flow().await;
    for text in [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "0x7f.0.0.1",
        "0x7f000001",
        "0177.0.0.1",
        "2130706433",
        "127.0.0.1.",
        "[::1]",
        "::1",
        "fe80::1%eth0",
        "[fe80::1%25eth0]",
        "localhost",
        "shop.example.com..",
        "shop.example.com:80",
        "user@shop.example.com",
        "shop.example.com/path",
        "shop.example.com\r\nHost: other.test",
    ] {
        assert!(text.parse::<DomainName>().is_err(), "{text}");
    }
    // A final dot is dropped before anything is sent.
    assert_eq!(crate::scene::name("Shop.Example.COM.").as_str(), HOST);
}

#[tokio::test]
async fn h15_an_ipv6_address_comes_first_and_an_ipv4_one_after_a_failure() {
    let web = Web::new((HERE, 0), two_pages(|_, _| page(404, "", b""))).await;
    let here = IpAddr::from(HERE);
    // Nobody is there, whether or not the machine has IPv6.
    let six: IpAddr = "::1".parse().unwrap();
    let scene = Scene::with(&web, web.port(), |builder| {
        builder.with_lab(nameplate::probe::Lab::new([six, here], web.port(), web.port()))
    });
    scene.dns.set(HOST, &[here, six]);
    scene.rightful_flow().await;
}
