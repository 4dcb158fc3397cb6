//! Encryption, from the first byte or after a first exchange.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use super::{Inner, Wire};
use crate::error::{Error, ErrorKind, Result};

/// Most bytes of a reply before encryption.
const MAX_REPLY: usize = 16 * 1024;

/// A reply of the server.
struct Reply {
    code: u16,
    lines: Vec<String>,
}

impl Inner {
    pub(super) async fn encrypt(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>> {
        self.tls
            .connect(self.server_name.clone(), stream)
            .await
            .map_err(|error| self.error(ErrorKind::Unavailable, "no encryption").with_source(error))
    }

    /// Encrypts after asking for it (RFC 3207). What is not offered is never done without.
    pub(super) async fn start_tls(&self, mut stream: TcpStream) -> Result<Wire> {
        self.expect(&mut stream, 220).await?;
        self.say(&mut stream, &format!("EHLO {}\r\n", self.hello)).await?;
        let offers = self.expect(&mut stream, 250).await?;
        if !offers.lines.iter().any(|offer| offer.eq_ignore_ascii_case("STARTTLS")) {
            return Err(self.error(ErrorKind::Unavailable, "the server does not offer STARTTLS"));
        }
        self.say(&mut stream, "STARTTLS\r\n").await?;
        self.expect(&mut stream, 220).await?;
        // A server that has just begun to encrypt does not greet again, but the dialog begins so.
        Ok(Wire::new(self.encrypt(stream).await?).greeting(b"220 encrypted\r\n"))
    }

    async fn say(&self, stream: &mut TcpStream, text: &str) -> Result<()> {
        stream.write_all(text.as_bytes()).await.map_err(|error| self.broken().with_source(error))
    }

    fn broken(&self) -> Error {
        self.error(ErrorKind::Unavailable, "the connection broke")
    }

    /// Reads a reply of which nothing follows yet: what somebody puts behind it in the open would be
    /// read as if it had come encrypted.
    async fn expect(&self, stream: &mut TcpStream, wanted: u16) -> Result<Reply> {
        let nonsense = || self.error(ErrorKind::Unavailable, "the server answers nonsense");
        let mut text = Vec::new();
        loop {
            let mut buffer = [0; 1024];
            let count =
                stream.read(&mut buffer).await.map_err(|error| self.broken().with_source(error))?;
            text.extend_from_slice(buffer.get(..count).unwrap_or_default());
            if count == 0 || text.len() > MAX_REPLY {
                return Err(nonsense());
            }
            match parse(&text) {
                Ok(Some(Reply { code, .. })) if code != wanted => {
                    let kind = match code {
                        500..=599 => ErrorKind::Refused,
                        _ => ErrorKind::Unavailable,
                    };
                    return Err(self
                        .error(kind, &format!("the server does not serve us: {code}"))
                        .with_code(code.to_string()));
                }
                Ok(Some(reply)) => return Ok(reply),
                Ok(None) => {}
                Err(()) => return Err(nonsense()),
            }
        }
    }
}

/// Reads a reply (RFC 5321 section 4.2); `None` if more of it has to come.
fn parse(text: &[u8]) -> Result<Option<Reply>, ()> {
    let text = std::str::from_utf8(text).map_err(|_| ())?;
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some((line, behind)) = rest.split_once("\r\n") {
        rest = behind;
        let (code, line) = line.split_at_checked(3).ok_or(())?;
        let code: u16 = code.parse().map_err(|_| ())?;
        let (is_last, line) = match line.split_at_checked(1) {
            Some(("-", line)) => (false, line),
            Some((" ", line)) => (true, line),
            None => (true, line),
            Some(_) => return Err(()),
        };
        lines.push(line.to_owned());
        if is_last {
            return if rest.is_empty() { Ok(Some(Reply { code, lines })) } else { Err(()) };
        }
    }
    Ok(None)
}
