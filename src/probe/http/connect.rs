//! One connection, one request, one response.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::OwnedSemaphorePermit,
};
use tokio_rustls::TlsConnector;

use super::{
    super::{
        Fetched, Flaw, Response,
        redirect::{Place, Scheme},
    },
    COMPONENT, Inner, USER_AGENT,
    reply::{Progress, Reply},
};
use crate::{
    error::{Error, ErrorKind, Result},
    name::DomainName,
};

/// A connection, and the place that it takes at the address.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    _place: Option<OwnedSemaphorePermit>,
}

/// Why there is no connection.
#[derive(Debug)]
enum NoConnection {
    /// The address is not to be connected to.
    Forbidden,
    /// We have no socket for it.
    NoSocket(io::Error),
    /// Nobody there accepts one.
    Silent,
}

impl Inner {
    /// Connects to the first address that accepts a connection.
    pub(super) async fn connect(
        &self,
        addresses: &[IpAddr],
        scheme: Scheme,
    ) -> Result<Result<Connection, Fetched>> {
        let mut no_socket = None;
        let mut is_silent = false;
        for address in addresses {
            match self.dial(*address, self.port(scheme)).await {
                Ok(connection) => return Ok(Ok(connection)),
                Err(NoConnection::Forbidden) => return Ok(Err(Fetched::Refused(Flaw::Address))),
                Err(NoConnection::NoSocket(error)) => no_socket = Some(error),
                Err(NoConnection::Silent) => is_silent = true,
            }
        }
        match no_socket {
            // Says something of the host only if an address of it was tried.
            Some(error) if !is_silent => {
                let message = "no socket could be had";
                Err(Error::new(ErrorKind::Unavailable, COMPONENT, "fetch", message)
                    .with_source(error))
            }
            _ => Ok(Err(Fetched::Unreachable)),
        }
    }

    /// Connects to an address, which is checked here as well: nothing else opens a socket.
    async fn dial(&self, address: IpAddr, port: u16) -> Result<Connection, NoConnection> {
        if !self.is_permitted(address) {
            return Err(NoConnection::Forbidden);
        }
        let place = self.addresses.enter(address).await;
        let socket = match address {
            IpAddr::V4(_) => TcpSocket::new_v4(),
            IpAddr::V6(_) => TcpSocket::new_v6(),
        };
        let connecting =
            socket.map_err(NoConnection::NoSocket)?.connect(SocketAddr::new(address, port));
        match self.within(self.limits.connect, connecting).await {
            Some(Ok(stream)) => Ok(Connection { stream, _place: place }),
            Some(Err(_)) | None => Err(NoConnection::Silent),
        }
    }

    fn port(&self, scheme: Scheme) -> u16 {
        match (scheme, &self.lab) {
            (Scheme::Http, None) => 80,
            (Scheme::Https, None) => 443,
            (Scheme::Http, Some(lab)) => lab.http,
            (Scheme::Https, Some(lab)) => lab.https,
        }
    }

    /// Sends the request and reads the response. The error is what to say of the host.
    pub(super) async fn exchange(
        &self,
        connection: Connection,
        host: &DomainName,
        place: &Place,
    ) -> Result<Response, Fetched> {
        let request = request(host, &place.path);
        // Dropped last: the address is busy for as long as the connection is open.
        let Connection { stream, _place } = connection;
        match place.scheme {
            Scheme::Http => self.converse(stream, &request).await,
            Scheme::Https => {
                let name = ServerName::try_from(host.as_str().to_owned());
                let name = name.map_err(|_| Fetched::Unreachable)?;
                let connecting = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream);
                match self.within(self.limits.tls, connecting).await {
                    Some(Ok(stream)) => self.converse(stream, &request).await,
                    Some(Err(_)) | None => Err(Fetched::Unreachable),
                }
            }
        }
    }

    async fn converse(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        request: &str,
    ) -> Result<Response, Fetched> {
        let lost = |_: io::Error| Fetched::Unreachable;
        stream.write_all(request.as_bytes()).await.map_err(lost)?;
        stream.flush().await.map_err(lost)?;
        let mut reply = Reply::new(&self.limits);
        let mut buffer = [0; 2048];
        let first = self.within(self.limits.first_byte, stream.read(&mut buffer)).await;
        let mut length = first.ok_or(Fetched::Unreachable)?.map_err(lost)?;
        if length == 0 {
            return Err(Fetched::Unreachable);
        }
        while length > 0 {
            let bytes = buffer.get(..length).unwrap_or_default();
            if reply.push(bytes).map_err(Fetched::Refused)? == Progress::Done {
                break;
            }
            length = stream.read(&mut buffer).await.map_err(lost)?;
        }
        reply.finish().map_err(Fetched::Refused)
    }
}

/// Writes a request (RFC 9112 section 3): the same for everybody but for the page.
fn request(host: &DomainName, path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\n\
         Host: {host}\r\n\
         User-Agent: {USER_AGENT}\r\n\
         Accept: */*\r\n\
         Accept-Encoding: identity\r\n\
         Connection: close\r\n\
         \r\n"
    )
}

#[cfg(test)]
mod tests;
