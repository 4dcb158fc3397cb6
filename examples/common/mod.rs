//! What the examples share: somebody who tells what happens, the platform's edge, and a visitor.

use std::{error::Error, net::SocketAddr, sync::Arc, time::Duration};

use nameplate::{
    certificate::Chain,
    clock::Timestamp,
    domain::{Domain, Instruction, Status},
    engine::{Edge, Notice, Onboarding},
    id::{DomainId, TenantId},
    name::DomainName,
    record::{RecordData, RecordSet, RecordType, Txt},
    serve::{Acceptor, Responder},
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// Tells what happens to a domain, as it happens.
pub(crate) struct Teller {
    nameplate: Onboarding,
    tenant: TenantId,
    domain: DomainId,
    start: Timestamp,
    /// What each line begins with, after the time.
    label: String,
    last: u64,
    waiting: String,
}

impl Teller {
    pub(crate) fn new(nameplate: &Onboarding, domain: &Domain, label: String) -> Self {
        Self {
            nameplate: nameplate.clone(),
            tenant: domain.tenant(),
            domain: domain.id(),
            start: domain.created_at(),
            label,
            last: 0,
            waiting: String::new(),
        }
    }

    /// Tells until the domain is as wanted.
    pub(crate) async fn until(
        &mut self,
        done: impl Fn(&Domain) -> bool,
    ) -> Result<Domain, Failure> {
        // 30 seconds, far more than it takes.
        for _ in 0..3000 {
            let domain = self.nameplate.get(&self.tenant, self.domain).await?;
            self.tell().await?;
            self.tell_waiting(&domain);
            if done(&domain) {
                return Ok(domain);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let domain = self.nameplate.get(&self.tenant, self.domain).await?;
        let why = match domain.last_failure() {
            Some(failure) => failure.message.clone(),
            None => domain.waiting_on().to_string(),
        };
        Err(format!("{}: the worker makes no progress: {why}", domain.name()).into())
    }

    /// Tells what happened since the last time, and returns the last of it.
    pub(crate) async fn tell(&mut self) -> Result<Option<Notice>, Failure> {
        let mut last = None;
        for numbered in self.nameplate.notices(&self.tenant, self.domain, self.last).await? {
            self.last = numbered.number;
            let millis = (numbered.at - self.start).num_milliseconds();
            println!("  {millis:>5} ms  {}{}", self.label, sentence(&numbered.notice));
            last = Some(numbered.notice);
        }
        Ok(last)
    }

    fn tell_waiting(&mut self, domain: &Domain) {
        let waiting = match domain.status() {
            Status::Active => String::new(),
            _ => domain.waiting_on().to_string(),
        };
        if waiting != self.waiting && !waiting.is_empty() {
            println!("            {}waiting on {waiting}", self.label);
        }
        self.waiting = waiting;
    }
}

fn sentence(notice: &Notice) -> String {
    match notice {
        Notice::Added => "claimed, pending".to_owned(),
        Notice::StatusChanged { from, to, event } => format!("{from} -> {to} ({event})"),
        Notice::Observed { topic, verdict, seen } => match seen.values.as_slice() {
            [] => format!("looked for {topic}: {verdict}"),
            values => format!("looked for {topic}: {verdict}, saw {}", values.join(", ")),
        },
        Notice::OrderOpened { order } => format!("certificate order {order}"),
        Notice::CertificateActivated { not_after, renewal, .. } => {
            let what = if *renewal { "renewed certificate" } else { "certificate" };
            format!("{what} in use until {not_after}")
        }
        Notice::OrderFailed { failure, .. } => format!("no certificate: {}", failure.message),
        Notice::ServiceFailed { failure } => format!("to be tried again: {}", failure.message),
        Notice::Removed => "removed".to_owned(),
        other => format!("{other:?}"),
    }
}

/// Returns what the customer types into the form of a DNS provider.
pub(crate) fn record_set(step: &Instruction) -> Result<RecordSet, Failure> {
    let data = match step.record_type {
        RecordType::Txt => RecordData::Txt(Txt::from_text(&step.value)),
        other => RecordData::parse(other, &step.value)?,
    };
    Ok(RecordSet::new(step.name.clone(), step.ttl, [data])?)
}

/// How long a visitor may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Takes the next connection. That one fails, or that there are too many at once, ends no port.
pub(crate) async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => return socket,
            Err(error) => eprintln!("cannot take a connection: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The platform's plain HTTP port: challenges, and redirects to HTTPS.
pub(crate) async fn serve_http(listener: TcpListener, edge: Edge) {
    let responder = Responder::new(edge);
    loop {
        let socket = accept(&listener).await;
        let responder = responder.clone();
        tokio::spawn(async move { responder.serve_connection(socket).await });
    }
}

/// The platform's HTTPS port: one page for everybody.
pub(crate) async fn serve_https(listener: TcpListener, acceptor: Acceptor) {
    loop {
        let socket = accept(&listener).await;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let served = tokio::time::timeout(PATIENCE, serve_page(socket, acceptor)).await;
            if let Err(error) = served.unwrap_or_else(|late| Err(late.into())) {
                eprintln!("a visitor got no page: {error}");
            }
        });
    }
}

async fn serve_page(socket: TcpStream, acceptor: Acceptor) -> Result<(), Failure> {
    // Otherwise the end of the handshake and the page wait for each other's acknowledgment.
    socket.set_nodelay(true)?;
    let mut stream = acceptor.accept(socket).await?.stream;
    let mut request = [0; 1024];
    let _ = stream.read(&mut request).await?;
    let page = "hello from your own domain\n";
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{page}",
        page.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    Ok(())
}

/// Somebody with a browser that trusts one root.
#[derive(Clone)]
pub(crate) struct Visitor {
    edge: SocketAddr,
    config: Arc<ClientConfig>,
}

/// What a visitor gets.
pub(crate) struct Page {
    /// The first line of the answer.
    pub(crate) status_line: String,
    /// What the server presented, and the root vouches for.
    pub(crate) chain: Chain,
}

impl Page {
    pub(crate) fn is_ok(&self) -> bool {
        self.status_line.contains(" 200 ")
    }

    /// Returns the names in the certificate.
    pub(crate) fn names(&self) -> String {
        let names: Vec<_> = self.chain.names().iter().map(ToString::to_string).collect();
        names.join(", ")
    }
}

impl Visitor {
    /// Creates a visitor whom every name leads to `edge`.
    pub(crate) fn new(
        edge: SocketAddr,
        root: CertificateDer<'_>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, Failure> {
        let mut roots = RootCertStore::empty();
        roots.add(root.into_owned())?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { edge, config: Arc::new(config) })
    }

    /// Fetches the page of a host over verified TLS, on a connection of its own.
    pub(crate) async fn fetch(&self, host: &str) -> Result<Page, Failure> {
        let connector = tokio_rustls::TlsConnector::from(self.config.clone());
        let socket = TcpStream::connect(self.edge).await?;
        socket.set_nodelay(true)?;
        let mut stream = connector.connect(ServerName::try_from(host.to_owned())?, socket).await?;
        let presented = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let chain = Chain::from_der(presented.iter().map(|der| der.to_vec()).collect())?;
        let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(Page { status_line: answer.lines().next().unwrap_or_default().to_owned(), chain })
    }
}

/// Returns a host that a name is for: of a wildcard, one below it.
pub(crate) fn host(name: &DomainName) -> String {
    match name.is_wildcard() {
        true => format!("www.{}", name.base()),
        false => name.to_string(),
    }
}
