//! One question to one server, over UDP and TCP.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use async_trait::async_trait;
use hickory_proto::{
    op::{Edns, Message, OpCode, Query, ResponseCode},
    rr::{DNSClass, Name, rdata::opt::EdnsOption},
};
use tokio::net::UdpSocket;

use super::{Code, Reply, Unfit, convert, decode, tcp, to_name, to_type, within};
use crate::{
    clock::Timer,
    id::{OsRandom, Random},
    name::DnsName,
    record::RecordType,
};

/// Largest answer that is asked for over UDP: fits where nothing is fragmented (RFC 9715).
const UDP_PAYLOAD: u16 = 1232;

/// Largest datagram that is read: some servers send more than is asked for.
const UDP_BUFFER: usize = 4096;

/// Most datagrams that are read for one question: what is not its answer is not waited for forever.
const DATAGRAMS: usize = 32;

/// The EDNS option of a cookie (RFC 7873 section 4).
const COOKIE: u16 = 10;

/// The octets of a cookie that are ours (RFC 7873 section 4).
const COOKIE_LEN: usize = 8;

/// Who is to find the answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Recursion {
    /// The server from its own zones: RD is clear.
    Off,
    /// The server from wherever: RD is set.
    On,
    /// As [`Recursion::On`], but without DNSSEC validation: CD is set (RFC 4035 section 3.2.2).
    Unchecked,
}

/// A question for one server.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// The name.
    pub(crate) name: DnsName,
    /// The type.
    pub(crate) record_type: RecordType,
    /// Who is to find the answer.
    pub(crate) recursion: Recursion,
}

/// Says whether a message may be sent.
#[async_trait]
pub(crate) trait Gate: Sync {
    /// Returns when one more message may be sent to `server`; fails if none may.
    async fn pass(&self, server: SocketAddr) -> Result<(), NoReply>;
}

/// What an answer may cost.
pub(crate) struct Terms<'a> {
    /// What is waited with.
    pub(crate) timer: &'a dyn Timer,
    /// How long each message is waited for.
    pub(crate) wait: Duration,
    /// What each message has to pass.
    pub(crate) gate: &'a dyn Gate,
}

/// Why a question has no answer.
#[derive(Debug)]
pub(crate) enum NoReply {
    /// The server sent what cannot be used: nonsense, or a part of an answer.
    Garbage,
    /// The server has to be left alone for now.
    Held,
    /// We could not ask: there was no socket, or the question cannot be encoded.
    Local(io::Error),
    /// Nothing came, or nobody is there.
    Silence,
    /// No further message is paid for.
    Spent,
}

/// Asks `server` once.
///
/// Asks over UDP and, when the answer is cut off or looks forged, over TCP (RFC 7766 section 5).
pub(crate) async fn ask(
    server: SocketAddr,
    question: &Question,
    terms: &Terms<'_>,
) -> Result<Reply, NoReply> {
    let reply = Request::new(question, Edns0::Sent)?.send(server, terms).await?;
    if reply.code == Code::Format {
        // RFC 6891 section 7: a server that does not know EDNS.
        return Request::new(question, Edns0::Omitted)?.send(server, terms).await;
    }
    Ok(reply)
}

/// How a message is carried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Over {
    Tcp,
    Udp,
}

/// Whether a question carries an OPT record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Edns0 {
    Omitted,
    Sent,
}

/// A question as it is sent.
#[derive(Debug)]
struct Request {
    id: u16,
    /// With the name in random case (draft-vixie-dnsext-dns0x20), which an answer has to echo.
    query: Query,
    /// Never used twice, so that it is one more thing that a forger has to guess.
    cookie: [u8; COOKIE_LEN],
    octets: Vec<u8>,
}

impl Request {
    /// Encodes `question` with a random id, a name in random case and a random cookie.
    fn new(question: &Question, edns: Edns0) -> Result<Self, NoReply> {
        let invalid = |error| NoReply::Local(io::Error::new(io::ErrorKind::InvalidInput, error));
        let mut name: Name = to_name(&question.name).map_err(invalid)?;
        name.randomize_label_case();
        let query = Query::query(name, to_type(question.record_type).map_err(invalid)?);

        let mut message = Message::query();
        message.metadata.recursion_desired = question.recursion != Recursion::Off;
        message.metadata.checking_disabled = question.recursion == Recursion::Unchecked;
        // RFC 6840 section 5.7: asks for AD without asking for signatures.
        message.metadata.authentic_data = question.recursion == Recursion::On;
        message.add_query(query.clone());
        let mut cookie = [0; COOKIE_LEN];
        OsRandom.fill(&mut cookie).map_err(|error| NoReply::Local(io::Error::other(error)))?;
        if edns == Edns0::Sent {
            let mut edns = Edns::new();
            edns.set_max_payload(UDP_PAYLOAD);
            edns.options_mut().insert(EdnsOption::Unknown(COOKIE, cookie.to_vec()));
            message.set_edns(edns);
        }
        let octets = message.to_vec().map_err(invalid)?;
        Ok(Self { id: message.metadata.id, query, cookie, octets })
    }

    /// Asks over UDP, then if need be over TCP.
    async fn send(&self, server: SocketAddr, terms: &Terms<'_>) -> Result<Reply, NoReply> {
        terms.gate.pass(server).await?;
        match self.send_datagram(server, terms).await {
            Err(NoReply::Garbage) => {}
            other => return other,
        }
        terms.gate.pass(server).await?;
        // From here on the server has answered: that TCP is silent does not make it absent.
        let octets = tcp(server, &self.octets, terms.timer, terms.wait).await;
        let octets = octets.map_err(|_| NoReply::Garbage)?;
        self.read(&octets, Over::Tcp).map_err(|_| NoReply::Garbage)
    }

    /// Asks over UDP; [`NoReply::Garbage`] is for TCP to try again.
    async fn send_datagram(&self, server: SocketAddr, terms: &Terms<'_>) -> Result<Reply, NoReply> {
        let any: SocketAddr = match server {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = match UdpSocket::bind(any).await {
            Ok(socket) => socket,
            // A machine without IPv6 has no way to the server, but nothing is wrong with it.
            Err(_) if server.is_ipv6() => return Err(NoReply::Silence),
            Err(error) => return Err(NoReply::Local(error)),
        };
        let asked = async {
            // The kernel then drops what comes from elsewhere, and reports a closed port.
            socket.connect(server).await.ok()?;
            socket.send(&self.octets).await.ok()?;
            let mut buffer = vec![0; UDP_BUFFER];
            for _ in 0..DATAGRAMS {
                let length = socket.recv(&mut buffer).await.ok()?;
                match self.read(buffer.get(..length).unwrap_or_default(), Over::Udp) {
                    Err(Unfit::Stray) => {}
                    Err(Unfit::Broken) => return Some(Err(NoReply::Garbage)),
                    Ok(reply) => return Some(Ok(reply)),
                }
            }
            None
        };
        let answered = within(terms.timer, terms.wait, asked).await;
        answered.flatten().unwrap_or(Err(NoReply::Silence))
    }

    /// Reads an answer: of this id, opcode and question, whole (RFC 5452 section 9.1).
    ///
    /// Who keeps no case is asked over TCP, where nobody but the server can answer.
    fn read(&self, octets: &[u8], over: Over) -> Result<Reply, Unfit> {
        let message = decode(octets, self.id, OpCode::Query)?;
        let cookie = message.edns.as_ref().and_then(|edns| convert::option(edns, COOKIE));
        // RFC 7873 section 5.3: a server may leave it out, but not send somebody else's.
        if cookie.is_some_and(|cookie| !cookie.starts_with(&self.cookie)) {
            return Err(Unfit::Stray);
        }
        match message.queries.as_slice() {
            [query] if query.query_type != self.query.query_type => return Err(Unfit::Stray),
            [query] if query.query_class != DNSClass::IN => return Err(Unfit::Stray),
            [query] if query.name != self.query.name => return Err(Unfit::Stray),
            [query] if over == Over::Udp && !query.name.eq_case(&self.query.name) => {
                return Err(Unfit::Broken);
            }
            [_] => {}
            // A server that does not understand the question need not repeat it.
            _ if matches!(
                Code::from(message.metadata.response_code),
                Code::Success | Code::NxDomain
            ) =>
            {
                return Err(Unfit::Broken);
            }
            _ => {}
        }
        // RFC 7873 section 5.3: TCP needs no cookie of the server.
        if over == Over::Udp && message.metadata.response_code == ResponseCode::BADCOOKIE {
            return Err(Unfit::Broken);
        }
        Ok(Reply::from(&message))
    }
}

#[cfg(test)]
mod tests;
