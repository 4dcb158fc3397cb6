//! The servers answer as the other tests presume.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    process::Command,
    time::Duration,
};

use crate::servers;

/// What a DNS server said of a zone.
#[derive(Debug, Eq, PartialEq)]
struct Reply {
    /// Whether it is the authority.
    authoritative: bool,
    /// Its response code.
    rcode: u8,
    /// The number of answer records.
    answers: u16,
}

/// Asks `server` by UDP for the SOA record of `zone`.
fn soa(server: SocketAddr, zone: &str) -> Reply {
    // RFC 1035, section 4.1: the header, here with recursion desired, then the question.
    let mut query = vec![0x4e, 0x50, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in zone.split('.') {
        query.push(u8::try_from(label.len()).unwrap());
        query.extend_from_slice(label.as_bytes());
    }
    query.extend_from_slice(&[0, 0, 6, 0, 1]);

    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket.connect(server).unwrap();
    socket.send(&query).unwrap();
    let mut reply = [0; 512];
    let length = socket.recv(&mut reply).unwrap();
    assert!(length >= query.len() && reply[..2] == query[..2], "{:?}", &reply[..length]);
    Reply {
        authoritative: reply[2] & 0x04 != 0,
        rcode: reply[3] & 0x0f,
        answers: u16::from_be_bytes([reply[6], reply[7]]),
    }
}

/// Asserts that `server` is or is not the authority of every zone, and answers for it.
fn answers_every_zone(server: SocketAddr, authoritative: bool) {
    let zones = servers::zones();
    assert!(!zones.is_empty());
    for zone in zones {
        assert_eq!(soa(server, &zone), Reply { authoritative, rcode: 0, answers: 1 }, "{zone}");
    }
}

#[test]
fn knot_is_the_authority_of_every_zone() {
    answers_every_zone(servers::knot(), true);
}

#[test]
fn bind_is_the_authority_of_every_zone() {
    answers_every_zone(servers::bind(), true);
}

#[test]
fn the_resolver_finds_every_zone() {
    answers_every_zone(servers::resolver(), false);
}

#[test]
fn the_tsig_key_is_the_one_that_tests_expect() {
    let key = servers::tsig_key();
    assert_eq!(key.algorithm, "hmac-sha256");
    assert!(!key.name.is_empty() && key.secret.len() == 44);
}

#[tokio::test]
async fn pebble_shows_its_directory_over_verified_tls() {
    let client = pebble_client();
    let directory: serde_json::Value =
        get(&client, &servers::pebble_directory()).await.parse().unwrap();
    for resource in ["newNonce", "newAccount", "newOrder", "revokeCert"] {
        assert!(directory[resource].is_string(), "{resource}: {directory}");
    }

    let root = get(&client, &format!("{}/roots/0", servers::pebble_management())).await;
    assert!(root.starts_with("-----BEGIN CERTIFICATE-----"), "{root}");
}

/// Returns an HTTP client that trusts only the authority of Pebble's own HTTPS.
fn pebble_client() -> reqwest::Client {
    use rustls::pki_types::{CertificateDer, pem::PemObject};

    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(servers::pebble_ca().as_bytes()).unwrap()).unwrap();
    // The provider is named, since with two of them compiled in rustls would have none.
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap()
}

/// Returns the body behind `url`.
async fn get(client: &reqwest::Client, url: &str) -> String {
    let response = client.get(url).send().await.unwrap();
    assert!(response.status().is_success(), "{url}: {}", response.status());
    response.text().await.unwrap()
}

/// Returns what a database answers to a statement, or why it does not.
fn ask_database(url: &str, statement: &str) -> Result<String, String> {
    let mut psql = Command::new("psql");
    let output = psql.args(["--no-psqlrc", "-Atc", statement, url]).output().unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

#[test]
fn postgresql_is_at_the_command_of_whoever_has_the_password() {
    for url in [servers::postgres(), servers::pgbouncer()] {
        let may = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user";
        assert_eq!(ask_database(&url, may), Ok("t".to_owned()));
        let (user, rest) = url.split_once('@').unwrap();
        let refused = ask_database(&format!("{user}0@{rest}"), may).unwrap_err();
        assert!(refused.contains("authentication failed"), "{refused}");
    }
}

#[test]
fn postgresql_shows_a_certificate_of_its_own_authority() {
    let ca = servers::postgres_ca();
    let url = format!("{}?sslmode=verify-full&sslrootcert={}", servers::postgres(), ca.display());
    let is_encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(ask_database(&url, is_encrypted), Ok("t".to_owned()));
}

#[test]
fn pgbouncer_shares_connections_by_transaction() {
    let url = servers::pgbouncer();
    let console = format!("{}/pgbouncer", url.rsplit_once('/').unwrap().0);
    let settings = ask_database(&console, "SHOW CONFIG").unwrap();
    let mode = settings.lines().find_map(|line| line.strip_prefix("pool_mode|")).unwrap();
    assert_eq!(mode.split('|').next(), Some("transaction"));
}
