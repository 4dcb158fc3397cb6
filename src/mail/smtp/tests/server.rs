//! A mail server on loopback that takes messages, or does at one point whatever it is told to.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use data_encoding::BASE64;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tokio_rustls::{TlsAcceptor, rustls};

use crate::{clock::Timer, conformance::mail::Inbox, mail::Message, transport::CryptoProvider};

/// When a server does something else than usual.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum When {
    Greeting,
    Ehlo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    Content,
    Quit,
}

/// What it does then.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Say(&'static str),
    /// Says nothing any more.
    Hang,
    Close,
    /// Sends a line that does not end.
    Flood,
}

/// How connections are protected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cover {
    Plain,
    Implicit,
    StartTls,
}

#[derive(Clone)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// Its certificate, which is its own authority.
    pub(super) root: String,
    /// When it begins to hang.
    pub(super) hangs: Alarm,
    said: Arc<Mutex<Vec<String>>>,
    taken: Arc<Mutex<Vec<String>>>,
}

/// A timer that goes off when it is told to.
#[derive(Clone, Debug, Default)]
pub(super) struct Alarm(Arc<Notify>);

#[async_trait]
impl Timer for Alarm {
    async fn sleep(&self, _: std::time::Duration) {
        self.0.notified().await;
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server")
    }
}

impl Server {
    pub(super) async fn start(cover: Cover, odd: Option<(When, Act)>) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let private = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = rustls::ServerConfig::builder_with_provider(CryptoProvider::Ring.provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private.into())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            root: certificate.pem(),
            hangs: Alarm::default(),
            said: Arc::default(),
            taken: Arc::default(),
        };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (serving, acceptor) = (serving.clone(), acceptor.clone());
                tokio::spawn(async move { serving.serve(stream, cover, acceptor, odd).await });
            }
        });
        server
    }

    /// Returns the commands that it was given.
    pub(super) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// Returns the messages that it has taken, as they came.
    pub(super) fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }

    async fn serve(
        self,
        stream: TcpStream,
        cover: Cover,
        acceptor: TlsAcceptor,
        odd: Option<(When, Act)>,
    ) -> Option<()> {
        let stream: Box<dyn Stream> = match cover {
            Cover::Implicit => Box::new(acceptor.accept(stream).await.ok()?),
            Cover::StartTls => {
                let mut stream = BufReader::new(stream);
                self.say(&mut stream, odd, When::Greeting, "220 here\r\n").await?;
                self.line(&mut stream).await?;
                let offers = "250-here\r\n250-SIZE 1000\r\n250 STARTTLS\r\n";
                self.say(&mut stream, odd, When::Ehlo, offers).await?;
                self.line(&mut stream).await?;
                self.say(&mut stream, odd, When::StartTls, "220 go\r\n").await?;
                Box::new(acceptor.accept(stream.into_inner()).await.ok()?)
            }
            Cover::Plain => Box::new(stream),
        };
        let mut stream = BufReader::new(stream);
        if cover != Cover::StartTls {
            self.say(&mut stream, odd, When::Greeting, "220 here\r\n").await?;
        }
        loop {
            let line = self.line(&mut stream).await?;
            let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
            let (when, usual) = match verb.as_str() {
                "EHLO" => (When::Ehlo, "250-here\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN\r\n"),
                "AUTH" => (When::Auth, "235 2.7.0 welcome\r\n"),
                "MAIL" => (When::Mail, "250 2.1.0 fine\r\n"),
                "RCPT" => (When::Rcpt, "250 2.1.5 fine\r\n"),
                "DATA" => (When::Data, "354 go on\r\n"),
                "QUIT" => (When::Quit, "221 bye\r\n"),
                _ => return None,
            };
            // After EHLO in the open nobody says anything odd twice.
            let odd = odd.filter(|(at, _)| cover != Cover::StartTls || *at != When::Ehlo);
            self.say(&mut stream, odd, when, usual).await?;
            if when == When::Data {
                let content = self.content(&mut stream).await?;
                self.taken.lock().unwrap().push(content);
                self.say(&mut stream, odd, When::Content, "250 2.0.0 taken\r\n").await?;
            }
        }
    }

    async fn line(&self, stream: &mut BufReader<impl Stream>) -> Option<String> {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        self.said.lock().unwrap().push(line.clone());
        Some(line)
    }

    async fn content(&self, stream: &mut BufReader<impl Stream>) -> Option<String> {
        let mut content = String::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            if line == ".\r\n" {
                return Some(content);
            }
            content.push_str(line.strip_prefix('.').unwrap_or(&line));
        }
    }

    async fn say(
        &self,
        stream: &mut BufReader<impl Stream>,
        odd: Option<(When, Act)>,
        when: When,
        usual: &str,
    ) -> Option<()> {
        let act = odd.filter(|(at, _)| *at == when).map(|(_, act)| act);
        match act {
            None => stream.write_all(usual.as_bytes()).await.ok()?,
            Some(Act::Say(text)) => stream.write_all(text.as_bytes()).await.ok()?,
            Some(Act::Close) => {
                let _ = stream.shutdown().await;
                return None;
            }
            Some(Act::Hang) => {
                self.hangs.0.notify_one();
                // Until the client has had enough.
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
                return None;
            }
            Some(Act::Flood) => loop {
                stream.write_all(&[b'2'; 4096]).await.ok()?;
            },
        }
        stream.flush().await.ok()
    }
}

#[async_trait]
impl Inbox for Server {
    async fn messages(&self) -> Vec<Message> {
        self.taken().iter().map(|content| read(content)).collect()
    }
}

/// Returns the value of a header field, its lines joined.
pub(super) fn field<'a>(content: &'a str, name: &str) -> Option<std::borrow::Cow<'a, str>> {
    let (head, _) = content.split_once("\r\n\r\n")?;
    let start = format!("{name}:");
    let at = head.split("\r\n").position(|line| line.starts_with(&start))?;
    let mut lines = head.split("\r\n").skip(at);
    let mut value = lines.next()?.strip_prefix(&start)?.trim().to_owned();
    for line in lines.take_while(|line| line.starts_with(' ')) {
        value.push(' ');
        value.push_str(line.trim());
    }
    Some(value.into())
}

/// Reads a message as a reader of mail does.
fn read(content: &str) -> Message {
    let (_, body) = content.split_once("\r\n\r\n").unwrap();
    let body = match field(content, "Content-Transfer-Encoding").unwrap().as_ref() {
        "7bit" => body.as_bytes().to_vec(),
        "base64" => BASE64.decode(body.replace("\r\n", "").as_bytes()).unwrap(),
        "quoted-printable" => quoted(body),
        other => panic!("{other}"),
    };
    let body = String::from_utf8(body).unwrap().replace("\r\n", "\n");
    Message::new(
        field(content, "To").unwrap().into_owned(),
        words(&field(content, "Subject").unwrap()),
        body,
    )
}

/// Reads a quoted-printable text (RFC 2045 section 6.7).
fn quoted(text: &str) -> Vec<u8> {
    let mut read = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match (byte, behind) {
            (b'=', [b'\r', b'\n', behind @ ..]) => rest = behind,
            (b'=', [high, low, behind @ ..]) => {
                read.extend(hex::decode([*high, *low]).unwrap());
                rest = behind;
            }
            _ => read.push(*byte),
        }
    }
    read
}

/// Reads a text with encoded words (RFC 2047), as base64.
fn words(text: &str) -> String {
    let mut read = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let encoded = word
            .strip_prefix("=?utf-8?b?")
            .and_then(|word| word.strip_suffix("?="))
            .map(|word| String::from_utf8(BASE64.decode(word.as_bytes()).unwrap()).unwrap());
        match encoded {
            Some(encoded) => read.push_str(&encoded),
            None => {
                if !read.is_empty() {
                    read.push(' ');
                }
                read.push_str(word);
            }
        }
    }
    read
}
