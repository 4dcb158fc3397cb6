//! How a database is opened.

use std::{fmt, sync::Arc, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::{Config, NoTls, config::Host};

use super::{
    COMPONENT, Postgres, Shared,
    schema::{STEPS, Schema, Step},
};
#[cfg(feature = "postgres-tls")]
use crate::transport::CryptoProvider;
use crate::{
    clock::{Timer, TokioTimer},
    error::{Error, ErrorKind, Result},
    id::{OsRandom, Random},
};

/// Where the connections come from.
enum Source {
    /// A URL or a list of settings, not read yet.
    Url(String),
    Pool(Pool),
}

/// How connections are encrypted.
#[derive(Clone)]
enum Encryption {
    Off,
    #[cfg(feature = "postgres-tls")]
    Provider(CryptoProvider, Vec<String>),
    #[cfg(feature = "postgres-tls")]
    Config(Arc<rustls::ClientConfig>),
}

/// What a [`Postgres`] is opened with.
#[must_use]
pub struct PostgresBuilder {
    source: Source,
    encryption: Encryption,
    schema: String,
    distributed: bool,
    connections: usize,
    statement_timeout: Duration,
    lock_timeout: Duration,
    timer: Arc<dyn Timer>,
    random: Arc<dyn Random>,
}

impl fmt::Debug for PostgresBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the source: a URL holds a password.
        f.debug_struct("PostgresBuilder")
            .field("schema", &self.schema)
            .field("distributed", &self.distributed)
            .finish_non_exhaustive()
    }
}

impl PostgresBuilder {
    pub(super) fn of_url(url: &str) -> Self {
        Self::new(Source::Url(url.to_owned()))
    }

    pub(super) fn of_pool(pool: Pool) -> Self {
        Self::new(Source::Pool(pool))
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            encryption: Encryption::Off,
            schema: "nameplate".to_owned(),
            distributed: false,
            connections: 16,
            statement_timeout: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(5),
            timer: Arc::new(TokioTimer),
            random: Arc::new(OsRandom),
        }
    }

    /// Keeps the tables in another schema than `nameplate`: 1 to 63 lower-case letters, digits and `_`.
    ///
    /// Two platforms in one database are two schemas.
    pub fn with_schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// Uses only what CockroachDB and YugabyteDB have too.
    ///
    /// Leases are then taken by finding what is due and changing what is still due, without `SKIP
    /// LOCKED`; tables are made statement by statement, and without storage parameters. All replicas
    /// of a platform may differ in it. On PostgreSQL itself it is slower where many workers meet.
    pub const fn with_distributed(mut self, distributed: bool) -> Self {
        self.distributed = distributed;
        self
    }

    /// Opens at most so many connections; 16 by default, and at least 1. Of no effect on a pool that was
    /// passed in.
    pub const fn with_connections(mut self, most: usize) -> Self {
        self.connections = if most == 0 { 1 } else { most };
        self
    }

    /// Lets one statement take so long; 10 s by default.
    ///
    /// A whole attempt of a call, with the wait for a connection, is given up after three times as long,
    /// and its connection closed. At least 1 ms.
    pub const fn with_statement_timeout(mut self, limit: Duration) -> Self {
        self.statement_timeout = limit;
        self
    }

    /// Waits so long for what another transaction has locked; 5 s by default. At least 1 ms.
    pub const fn with_lock_timeout(mut self, limit: Duration) -> Self {
        self.lock_timeout = limit;
        self
    }

    /// Waits between two attempts with another timer than tokio's.
    pub fn with_timer(mut self, timer: impl Timer) -> Self {
        self.timer = Arc::new(timer);
        self
    }

    /// Spreads those waits by another source of chance than the system's.
    pub fn with_random(mut self, random: impl Random) -> Self {
        self.random = Arc::new(random);
        self
    }

    /// Encrypts all connections by the cryptography of `crypto`, and trusts what the platform trusts.
    ///
    /// A server that does not offer it is refused, whatever `sslmode` the URL has. Of no effect on a
    /// pool that was passed in.
    #[cfg(feature = "postgres-tls")]
    pub fn with_tls(mut self, crypto: impl Into<CryptoProvider>) -> Self {
        self.encryption = Encryption::Provider(crypto.into(), Vec::new());
        self
    }

    /// Encrypts all connections, and trusts the certificates in `pem` and no others.
    #[cfg(feature = "postgres-tls")]
    pub fn with_tls_roots(
        mut self,
        crypto: impl Into<CryptoProvider>,
        pem: impl Into<String>,
    ) -> Self {
        self.encryption = Encryption::Provider(crypto.into(), vec![pem.into()]);
        self
    }

    /// Encrypts all connections as `config` says, with a client's certificate for example.
    #[cfg(feature = "postgres-tls")]
    pub fn with_tls_config(mut self, config: Arc<rustls::ClientConfig>) -> Self {
        self.encryption = Encryption::Config(config);
        self
    }

    /// Connects, and makes the tables or brings them up to date.
    ///
    /// # Errors
    ///
    /// As [`Postgres::connect`].
    pub async fn open(self) -> Result<Postgres> {
        self.open_with(STEPS).await
    }

    pub(super) async fn open_with(self, steps: &'static [Step]) -> Result<Postgres> {
        Postgres::start(self.shared()?, steps).await
    }

    /// Returns what a store is made of, with no connection yet.
    pub(super) fn shared(self) -> Result<Shared> {
        let schema = Schema::new(&self.schema)?;
        let (pool, place) = match &self.source {
            Source::Url(url) => self.pool(url)?,
            Source::Pool(pool) => (pool.clone(), "the database of the pool".to_owned()),
        };
        let place = format!("{place}, schema {}", schema.name());
        Shared::new(super::Settings {
            pool,
            place,
            schema,
            distributed: self.distributed,
            statement: self.statement_timeout,
            lock: self.lock_timeout,
            timer: self.timer,
            random: self.random,
        })
    }

    /// Returns a pool for a URL, and where that leads in words without a secret.
    fn pool(&self, url: &str) -> Result<(Pool, String)> {
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            let message = "the URL cannot be read: it is like \
                 postgres://user:password@host:5432/database";
            // The text of the driver names settings, never their values.
            Error::new(ErrorKind::Invalid, COMPONENT, "open", message)
                .with_source(error.to_string())
        })?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(5));
        }
        if config.get_application_name().is_none() {
            config.application_name("nameplate");
        }
        let place = place(&config);
        let method = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match &self.encryption {
            Encryption::Off => Manager::from_config(config, NoTls, method),
            #[cfg(feature = "postgres-tls")]
            Encryption::Provider(provider, roots) => {
                encrypted(config, provider.client_config(COMPONENT, roots)?, method)
            }
            #[cfg(feature = "postgres-tls")]
            Encryption::Config(tls) => encrypted(config, (**tls).clone(), method),
        };
        let pool = Pool::builder(manager)
            .max_size(self.connections)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(self.statement_timeout))
            .create_timeout(Some(Duration::from_secs(10)))
            .build()
            .map_err(|error| {
                let message = "no pool of connections; please report it";
                Error::new(ErrorKind::Internal, COMPONENT, "open", message).with_source(error)
            })?;
        Ok((pool, place))
    }
}

#[cfg(feature = "postgres-tls")]
fn encrypted(mut config: Config, tls: rustls::ClientConfig, method: ManagerConfig) -> Manager {
    // The driver's default goes on in the open if the server wants it so.
    config.ssl_mode(tokio_postgres::config::SslMode::Require);
    let connector = tokio_postgres_rustls::MakeRustlsConnect::new(tls);
    Manager::from_config(config, connector, method)
}

/// Returns who is asked, and for which database.
fn place(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        #[cfg(unix)]
        Some(Host::Unix(path)) => path.display().to_string(),
        None => config.get_hostaddrs().first().map(ToString::to_string).unwrap_or_default(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let database = config.get_dbname().or_else(|| config.get_user()).unwrap_or_default();
    let user = config.get_user().unwrap_or_default();
    format!("{user}@{host}:{port}/{database}")
}
