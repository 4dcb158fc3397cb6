//! Mail by SMTP (RFC 5321), handed to the server that the platform sends through.
//!
//! The dialog and the form of messages are lettre's. The encryption is not: it takes the crypto
//! provider of the process, and panics where there is none.

mod builder;
mod convert;
mod tls;
mod wire;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use lettre::{
    message::Mailbox,
    transport::smtp::{
        Error as SmtpError,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::AsyncSmtpConnection,
        commands::{Data, Mail, Rcpt},
        extension::ClientId,
    },
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use self::{
    convert::{Envelope, Step, failure},
    wire::Wire,
};
use super::{Mailer, Message};
use crate::{
    clock::{Clock, Timer},
    error::{Error, ErrorKind, Result},
    secret::Secret,
    transport::CryptoProvider,
};

pub use builder::SmtpBuilder;

const COMPONENT: &str = "smtp";

/// How long is waited for the server to say goodbye, once it has taken a message.
const GOODBYE: Duration = Duration::from_secs(2);

/// A [`Mailer`] that hands messages to a mail server.
///
/// It speaks TLS from the first byte (RFC 8314) unless it is told otherwise, and gives a server no
/// name and no password without it. A connection carries one message: proofs of ownership are rare.
///
/// The same message has the same `Message-ID` however often it is sent, so that mail systems can tell
/// a repetition from another message. Messages are marked as `Auto-Submitted` (RFC 3834), which
/// holds absence notices back.
///
/// Recipients are written in ASCII: the host of an internationalized address as its A-labels, and
/// no mailbox that would need SMTPUTF8.
///
/// ```
/// use nameplate::{mail::Smtp, secret::Secret, transport::CryptoProvider};
///
/// let password = Secret::new(b"from the vault".to_vec());
/// let mailer = Smtp::builder("smtp.example.com", "Acme <no-reply@acme.example>", CryptoProvider::Ring)
///     .with_credentials("acme", password)
///     .build()?;
/// # Ok::<(), nameplate::Error>(())
/// ```
///
/// # Errors
///
/// What the server answers is sorted by its reply code: 450, 452 and the policy codes `4.7.x` are
/// `RateLimited`, every other 4xx is `Unavailable`, 530, 534, 535 and 538 are `Denied`, every other
/// 5xx is `Refused`; the code is the error's [`code`](Error::code). A connection that breaks is
/// `Unavailable` before the message was sent, and `Unknown` from then on. No message holds the
/// password, or what the server says to it or to the message.
#[derive(Clone)]
pub struct Smtp(Arc<Inner>);

struct Inner {
    host: String,
    port: u16,
    security: Security,
    tls: TlsConnector,
    server_name: ServerName<'static>,
    from: Mailbox,
    hello: ClientId,
    login: Option<(String, Secret)>,
    timeout: Duration,
    timer: Box<dyn Timer>,
    clock: Box<dyn Clock>,
}

/// How a connection is protected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Security {
    /// TLS from the first byte.
    Implicit,
    /// TLS after a first exchange in the open; nothing else if the server does not offer it.
    StartTls,
    /// None, to a server on the same machine.
    Loopback,
}

impl Security {
    /// Returns the port that servers of this kind listen on.
    const fn port(self) -> u16 {
        match self {
            Self::Implicit => 465,
            Self::StartTls => 587,
            Self::Loopback => 25,
        }
    }
}

impl Smtp {
    /// Starts a mailer that hands messages to `host`, from a sender such as
    /// `Acme <no-reply@acme.example>`.
    pub fn builder(
        host: impl Into<String>,
        from: impl Into<String>,
        crypto: impl Into<CryptoProvider>,
    ) -> SmtpBuilder {
        SmtpBuilder::new(host.into(), from.into(), crypto.into())
    }
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { host, port, security, from, .. } = &*self.0;
        f.debug_struct("Smtp")
            .field("host", host)
            .field("port", port)
            .field("security", security)
            .field("from", from)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Mailer for Smtp {
    async fn send(&self, message: &Message) -> Result<()> {
        let Inner { from, clock, timer, timeout, .. } = &*self.0;
        let envelope = Envelope::new(message, from, clock.now())?;
        // Whether the server may have the message.
        let handed = AtomicBool::new(false);
        let mut connection = tokio::select! {
            biased;
            done = self.0.deliver(&envelope, &handed) => done?,
            () = timer.sleep(*timeout) => {
                let kind = match handed.load(Ordering::Relaxed) {
                    true => ErrorKind::Unknown,
                    false => ErrorKind::Unavailable,
                };
                return Err(self.0.error(kind, "no answer in time"));
            }
        };
        // It is the server's by now, whatever becomes of the connection.
        tokio::select! {
            biased;
            _ = connection.quit() => {}
            () = timer.sleep(GOODBYE) => {}
        }
        Ok(())
    }
}

impl Inner {
    fn error(&self, kind: ErrorKind, what: &str) -> Error {
        let message = format!("{}:{}: {what}", self.host, self.port);
        Error::new(kind, COMPONENT, "send", message)
    }

    fn failed(&self, step: Step, error: &SmtpError) -> Error {
        let (kind, code, what) = failure(step, error);
        let error = self.error(kind, &what);
        match code {
            Some(code) => error.with_code(code),
            None => error,
        }
    }

    /// Hands a message over, and returns the connection on which that was done.
    async fn deliver(
        &self,
        envelope: &Envelope,
        handed: &AtomicBool,
    ) -> Result<AsyncSmtpConnection> {
        let failed = |step| move |error| self.failed(step, &error);
        let wire = self.connect().await?;
        let mut connection =
            AsyncSmtpConnection::connect_with_transport(Box::new(wire), &self.hello)
                .await
                .map_err(failed(Step::Greeting))?;
        if let Some((user, password)) = &self.login {
            let password = String::from_utf8_lossy(password.expose()).into_owned();
            let credentials = Credentials::new(user.clone(), password);
            connection.auth(DEFAULT_MECHANISMS, &credentials).await.map_err(failed(Step::Login))?;
        }
        let from = Mail::new(Some(self.from.email.clone()), Vec::new());
        connection.command(from).await.map_err(failed(Step::Sender))?;
        let to = Rcpt::new(envelope.to.clone(), Vec::new());
        connection.command(to).await.map_err(failed(Step::Recipient))?;
        let ready = connection.command(Data).await.map_err(failed(Step::Sender))?;
        if !ready.has_code(354) {
            // Whatever is sent now may be read as commands.
            return Err(
                self.error(ErrorKind::Unavailable, "the server does not wait for a message")
            );
        }
        handed.store(true, Ordering::Relaxed);
        let taken = connection.message(&envelope.content).await.map_err(failed(Step::Content))?;
        match taken.has_code(250) {
            true => Ok(connection),
            false => Err(self.error(ErrorKind::Unknown, "the server does not say what it did")),
        }
    }

    async fn connect(&self) -> Result<Wire> {
        let unavailable = |what: &str| self.error(ErrorKind::Unavailable, what);
        let found = tokio::net::lookup_host((self.host.as_str(), self.port))
            .await
            .map_err(|error| unavailable("no address").with_source(error))?;
        let mut last = unavailable("no address");
        for address in found {
            // A name may lead anywhere, `localhost` too.
            if self.security == Security::Loopback && !address.ip().is_loopback() {
                last = unavailable("not an address of this machine");
                continue;
            }
            let stream = match TcpStream::connect(address).await {
                Ok(stream) => stream,
                Err(error) => {
                    last = unavailable("cannot connect").with_source(error);
                    continue;
                }
            };
            let _ = stream.set_nodelay(true);
            return match self.security {
                Security::Implicit => self.encrypt(stream).await.map(Wire::new),
                Security::StartTls => self.start_tls(stream).await,
                Security::Loopback => Ok(Wire::new(stream)),
            };
        }
        Err(last)
    }
}

#[cfg(test)]
mod tests;
