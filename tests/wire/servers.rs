//! Where the servers of `scripts/test` are, read from the environment that it exports.

use std::{env, fs, net::SocketAddr, path::PathBuf};

/// The key that both DNS servers accept for updates and transfers.
pub(crate) struct TsigKey {
    /// The name of the key.
    pub(crate) name: String,
    /// The secret, in Base64.
    pub(crate) secret: String,
    /// The algorithm as DNS names it: `hmac-sha256`.
    pub(crate) algorithm: String,
}

/// Returns the key that both DNS servers accept for updates and transfers.
pub(crate) fn tsig_key() -> TsigKey {
    TsigKey {
        name: variable("NAMEPLATE_TEST_TSIG_NAME"),
        secret: variable("NAMEPLATE_TEST_TSIG_SECRET"),
        algorithm: variable("NAMEPLATE_TEST_TSIG_ALGORITHM"),
    }
}

/// Returns the address of Knot DNS, an authority for [`zones`], by UDP and TCP.
pub(crate) fn knot() -> SocketAddr {
    address("NAMEPLATE_TEST_KNOT")
}

/// Returns the address of BIND, another authority for [`zones`] with its own data, by UDP and TCP.
pub(crate) fn bind() -> SocketAddr {
    address("NAMEPLATE_TEST_BIND")
}

/// Returns the address of a recursive resolver that knows what [`knot`] serves, and caches nothing.
pub(crate) fn resolver() -> SocketAddr {
    address("NAMEPLATE_TEST_RESOLVER")
}

/// Returns the address of the authority for the root and for `test` in the tree of `scripts/tree`.
pub(crate) fn parent() -> SocketAddr {
    address("NAMEPLATE_TEST_PARENT")
}

/// Returns the address of Knot DNS, the authority for all zones below `test` in that tree.
pub(crate) fn leaf() -> SocketAddr {
    address("NAMEPLATE_TEST_LEAF")
}

/// Returns the folder with the zones and keys of [`leaf`].
pub(crate) fn leaf_folder() -> PathBuf {
    variable("NAMEPLATE_TEST_LEAF_DIR").into()
}

/// Returns the address of BIND, another authority for some zones below `test`, with its own data.
pub(crate) fn twin() -> SocketAddr {
    address("NAMEPLATE_TEST_TWIN")
}

/// Returns the address of a recursive resolver that starts at the root of that tree, and validates.
pub(crate) fn validator() -> SocketAddr {
    address("NAMEPLATE_TEST_VALIDATOR")
}

/// Returns the address of another such resolver, which sees some zones as others do not.
pub(crate) fn vantage() -> SocketAddr {
    address("NAMEPLATE_TEST_VANTAGE")
}

/// Returns the folders with what controls [`validator`] and [`vantage`].
pub(crate) fn resolver_folders() -> [PathBuf; 2] {
    ["NAMEPLATE_TEST_VALIDATOR_DIR", "NAMEPLATE_TEST_VANTAGE_DIR"].map(|name| variable(name).into())
}

/// Returns the names of the zones that both DNS servers hold.
pub(crate) fn zones() -> Vec<String> {
    variable("NAMEPLATE_TEST_ZONES").split_whitespace().map(str::to_owned).collect()
}

/// Returns the URL of Pebble's ACME directory.
pub(crate) fn pebble_directory() -> String {
    variable("NAMEPLATE_TEST_PEBBLE_DIRECTORY")
}

/// Returns the base URL of Pebble's management interface: `/roots/0` is the root of what it issues.
pub(crate) fn pebble_management() -> String {
    variable("NAMEPLATE_TEST_PEBBLE_MANAGEMENT")
}

/// Returns the PEM certificate of the authority behind Pebble's own HTTPS.
pub(crate) fn pebble_ca() -> String {
    let path = variable("NAMEPLATE_TEST_PEBBLE_CA");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}; {ADVICE}"))
}

/// Returns the loopback port at which Pebble fetches answers to HTTP-01, for every name.
pub(crate) fn http01_port() -> u16 {
    parsed("NAMEPLATE_TEST_HTTP01_PORT")
}

/// Returns the URL of a database of PostgreSQL, with the password of the cluster's superuser.
pub(crate) fn postgres() -> String {
    variable("NAMEPLATE_TEST_POSTGRES")
}

/// Returns the URL of the same database through PgBouncer, which shares its connections by transaction.
pub(crate) fn pgbouncer() -> String {
    variable("NAMEPLATE_TEST_PGBOUNCER")
}

/// Returns the path of the PEM certificate of the authority behind the TLS of [`postgres`].
pub(crate) fn postgres_ca() -> PathBuf {
    variable("NAMEPLATE_TEST_POSTGRES_CA").into()
}

/// What to do when a server is missing.
const ADVICE: &str = "run scripts/test, or `scripts/servers COMMAND` for one command";

/// Returns an environment variable, or panics with what to do.
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: {ADVICE}"))
}

/// Returns an environment variable as a socket address.
fn address(name: &str) -> SocketAddr {
    parsed(name)
}

/// Returns an environment variable as a `T`.
fn parsed<T: std::str::FromStr>(name: &str) -> T {
    let text = variable(name);
    text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, which cannot be read: {ADVICE}"))
}
