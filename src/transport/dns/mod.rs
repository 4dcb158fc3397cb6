//! DNS messages, encoded and decoded by `hickory-proto`, over sockets of tokio.
//!
//! Each question has a socket of its own, so that it has a fresh random port (RFC 5452). Nothing is
//! spawned.

#[cfg(feature = "hickory")]
mod ask;
mod convert;

use std::{io, net::SocketAddr, time::Duration};

use hickory_proto::{
    op::{Message, OpCode, ResponseCode},
    rr::RData,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    clock::Timer,
    name::DnsName,
    record::{RecordData, RecordType},
};

#[cfg(feature = "hickory")]
pub(crate) use ask::{Gate, NoReply, Question, Recursion, Terms, ask};
#[cfg(feature = "rfc2136")]
pub(crate) use convert::{to_data, to_name, to_type};

/// The number of octets of a header (RFC 1035 section 4.1.1).
const HEADER_LEN: usize = 12;

/// The EDNS option of an extended error (RFC 8914 section 2).
const EXTENDED_ERROR: u16 = 15;

/// A record of an answer, of class IN.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    /// The owner.
    pub(crate) owner: DnsName,
    /// The type.
    pub(crate) record_type: RecordType,
    /// Seconds; a number beyond 31 bits reads as 0 (RFC 2181 section 8).
    pub(crate) ttl: u32,
    /// The data, if they make sense.
    pub(crate) data: Option<RecordData>,
    /// The data as they were sent.
    pub(crate) wire: RData,
}

/// The response codes that are told apart (RFC 1035 section 4.1.1, RFC 2136 section 2.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Code {
    /// NOERROR
    Success,
    /// NXDOMAIN
    NxDomain,
    /// NOTAUTH
    NotAuth,
    /// REFUSED
    Refused,
    /// FORMERR, NOTIMP or BADVERS: what a server says that does not know EDNS (RFC 6891 section 7).
    Format,
    /// SERVFAIL or something else.
    Failed,
}

impl From<ResponseCode> for Code {
    fn from(code: ResponseCode) -> Self {
        match code {
            ResponseCode::NoError => Self::Success,
            ResponseCode::NXDomain => Self::NxDomain,
            ResponseCode::NotAuth => Self::NotAuth,
            ResponseCode::Refused => Self::Refused,
            // BADVERS and BADSIG share a number.
            ResponseCode::FormErr
            | ResponseCode::NotImp
            | ResponseCode::BADVERS
            | ResponseCode::BADSIG => Self::Format,
            _ => Self::Failed,
        }
    }
}

/// What an answer says.
#[cfg_attr(not(feature = "hickory"), allow(dead_code, reason = "updates need less of it"))]
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// The response code.
    pub(crate) code: Code,
    /// AA
    pub(crate) authoritative: bool,
    /// AD
    pub(crate) authentic: bool,
    /// The extended error of a server that says why (RFC 8914).
    pub(crate) extended_error: Option<u16>,
    /// The answer section.
    pub(crate) answers: Vec<Entry>,
    /// The authority section.
    pub(crate) authorities: Vec<Entry>,
    /// The additional section.
    pub(crate) additionals: Vec<Entry>,
}

impl From<Message> for Reply {
    fn from(message: Message) -> Self {
        let extended_error =
            message.edns.as_ref().and_then(|edns| convert::option(edns, EXTENDED_ERROR));
        Self {
            code: message.metadata.response_code.into(),
            authoritative: message.metadata.authoritative,
            authentic: message.metadata.authentic_data,
            extended_error: extended_error
                .and_then(|data| data.first_chunk().map(|code| u16::from_be_bytes(*code))),
            answers: convert::entries(message.answers),
            authorities: convert::entries(message.authorities),
            additionals: convert::entries(message.additionals),
        }
    }
}

/// What is not the whole answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unfit {
    /// From the server asked, but cut off, undecodable or not an exact echo.
    Broken,
    /// Nothing to do with the question.
    Stray,
}

/// Decodes the answer to the message with this id and opcode, if it is whole.
pub(crate) fn decode(octets: &[u8], id: u16, op_code: OpCode) -> Result<Message, Unfit> {
    let header = octets.first_chunk::<HEADER_LEN>().ok_or(Unfit::Stray)?;
    let [id_high, id_low, high, _, questions_high, questions_low, ..] = *header;
    let is_response = high & 0x80 != 0;
    let is_same = (high >> 3) & 0x0f == u8::from(op_code);
    if u16::from_be_bytes([id_high, id_low]) != id || !is_response || !is_same {
        return Err(Unfit::Stray);
    }
    // Before anything is decoded, since the decoder makes room for what is announced.
    let is_truncated = high & 0x02 != 0;
    if is_truncated || u16::from_be_bytes([questions_high, questions_low]) > 1 {
        return Err(Unfit::Broken);
    }
    Message::from_vec(octets).map_err(|_| Unfit::Broken)
}

/// Waits for something, unless it takes too long.
pub(crate) async fn within<T>(
    timer: &dyn Timer,
    limit: Duration,
    wanted: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        biased;
        done = wanted => Some(done),
        () = timer.sleep(limit) => None,
    }
}

/// Why nothing came back over TCP.
#[cfg_attr(not(feature = "rfc2136"), allow(dead_code, reason = "questions can be lost"))]
#[derive(Debug)]
pub(crate) enum TcpError {
    /// The message was sent, in part or as a whole.
    Lost(io::Error),
    /// The message was not sent.
    Unsent(io::Error),
}

/// Sends one message over TCP and returns the next one that comes back (RFC 1035 section 4.2.2).
///
/// Waits for the connection and for the answer, each for at most `wait`.
pub(crate) async fn tcp(
    server: SocketAddr,
    message: &[u8],
    timer: &dyn Timer,
    wait: Duration,
) -> Result<Vec<u8>, TcpError> {
    let late = || io::Error::from(io::ErrorKind::TimedOut);
    let length = u16::try_from(message.len())
        .map_err(|_| TcpError::Unsent(io::Error::from(io::ErrorKind::InvalidInput)))?;
    let mut stream = within(timer, wait, TcpStream::connect(server))
        .await
        .unwrap_or_else(|| Err(late()))
        .map_err(TcpError::Unsent)?;
    let exchange = async {
        // At once, so that it is not sent as two segments.
        stream.write_all(&[&length.to_be_bytes()[..], message].concat()).await?;
        let mut octets = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut octets).await?;
        Ok(octets)
    };
    within(timer, wait, exchange).await.unwrap_or_else(|| Err(late())).map_err(TcpError::Lost)
}

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
