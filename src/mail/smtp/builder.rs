//! Which server it is, and as whom it is asked.

use std::{net::IpAddr, sync::Arc, time::Duration};

use lettre::{message::Mailbox, transport::smtp::extension::ClientId};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use super::{COMPONENT, Inner, Security, Smtp, convert::is_plain};
use crate::{
    clock::{Clock, SystemClock, Timer, TokioTimer},
    error::{Error, ErrorKind, Result},
    secret::Secret,
    transport::CryptoProvider,
};

/// What a [`Smtp`] is built from.
#[derive(Debug)]
#[must_use]
pub struct SmtpBuilder {
    host: String,
    from: String,
    crypto: CryptoProvider,
    security: Security,
    port: Option<u16>,
    hello: Option<String>,
    login: Option<(String, Secret)>,
    roots: Vec<String>,
    timeout: Duration,
    timer: Box<dyn Timer>,
    clock: Box<dyn Clock>,
}

impl SmtpBuilder {
    pub(super) fn new(host: String, from: String, crypto: CryptoProvider) -> Self {
        Self {
            host,
            from,
            crypto,
            security: Security::Implicit,
            port: None,
            hello: None,
            login: None,
            roots: Vec::new(),
            timeout: Duration::from_secs(15),
            timer: Box::new(TokioTimer),
            clock: Box::new(SystemClock),
        }
    }

    /// Begins in the open and encrypts by `STARTTLS` (RFC 3207), for servers that cannot do better.
    ///
    /// A server that does not offer it, or somebody in between who hides that, gets nothing.
    pub const fn with_starttls(mut self) -> Self {
        self.security = Security::StartTls;
        self
    }

    /// Does without encryption, to a server on the same machine: a host that is `localhost` or an
    /// address of the loopback interface, and no other.
    pub const fn with_plain_loopback(mut self) -> Self {
        self.security = Security::Loopback;
        self
    }

    /// Sets the port; 465 if not set, 587 for `STARTTLS`, 25 without encryption.
    pub const fn with_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Logs in with a name and a password, by `PLAIN` or `LOGIN`.
    pub fn with_credentials(mut self, user: impl Into<String>, password: Secret) -> Self {
        self.login = Some((user.into(), password));
        self
    }

    /// Sets the name by which it greets the server; the host of the sender's address if not set.
    pub fn with_hello(mut self, name: impl Into<String>) -> Self {
        self.hello = Some(name.into());
        self
    }

    /// Trusts the certificates in `pem`, and no others than those given this way; what the platform
    /// trusts if there are none.
    pub fn with_root_pem(mut self, pem: impl Into<String>) -> Self {
        self.roots.push(pem.into());
        self
    }

    /// Sets how long a message may take, from the first packet until the server has it.
    ///
    /// 15 seconds if not set, which is less than the engine waits for a call. Servers that look into
    /// messages while the client waits need more of both.
    pub const fn with_timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Sets what the limit is measured with; tokio's timer if not set.
    pub fn with_timer(mut self, timer: impl Timer) -> Self {
        self.timer = Box::new(timer);
        self
    }

    /// Sets the clock from which messages are dated; the system's if not set.
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Builds the mailer. Sends nothing.
    ///
    /// # Errors
    ///
    /// `Invalid` for a sender that is no address, a host or a greeting that is no name, credentials
    /// that are empty or no text, a host that is not on this machine without encryption, and roots
    /// that are no PEM certificates; `Unavailable` if the platform has no roots.
    pub fn build(self) -> Result<Smtp> {
        let invalid = |message: String| Error::new(ErrorKind::Invalid, COMPONENT, "build", message);
        let from: Mailbox = self
            .from
            .parse()
            .map_err(|_| invalid(format!("the sender is no address: {}", self.from)))?;
        let sender = from.email.to_string();
        if !is_plain(&sender) || self.from.contains(char::is_control) {
            return Err(invalid(format!("the sender is no address in ASCII: {}", self.from)));
        }
        let server_name = ServerName::try_from(self.host.clone())
            .map_err(|error| invalid(format!("no host: {}", self.host)).with_source(error))?;
        let is_local = self.host == "localhost"
            || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if self.security == Security::Loopback && !is_local {
            return Err(invalid(format!(
                "{} is not this machine, and nothing goes there unencrypted",
                self.host
            )));
        }
        let hello = self.hello.unwrap_or_else(|| from.email.domain().to_owned());
        if hello.is_empty() || !hello.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(invalid("the name to greet with is no host name".to_owned()));
        }
        if let Some((user, password)) = &self.login {
            let is_text = |bytes: &[u8]| {
                !bytes.is_empty() && !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok()
            };
            if !is_text(user.as_bytes()) || !is_text(password.expose()) {
                return Err(invalid("the user and the password have to be text".to_owned()));
            }
        }
        let config = self.crypto.client_config(COMPONENT, &self.roots)?;
        Ok(Smtp(Arc::new(Inner {
            port: self.port.unwrap_or_else(|| self.security.port()),
            host: self.host,
            security: self.security,
            tls: TlsConnector::from(Arc::new(config)),
            server_name,
            from,
            hello: ClientId::Domain(hello),
            login: self.login,
            timeout: self.timeout,
            timer: self.timer,
            clock: self.clock,
        })))
    }
}
