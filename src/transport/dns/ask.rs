//! One question to one server, over UDP and TCP.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    pin::pin,
    time::Duration,
};

use hickory_proto::op::{OpCode, ResponseCode};
use tokio::{io::Interest, net::UdpSocket as Registered};

use super::{Code, HEADER_LEN, Reply, Unfit, convert, decode, tcp, within};
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

/// The octets of an OPT record with a cookie.
const OPT_LEN: usize = 11 + 4 + COOKIE_LEN;

/// The class IN (RFC 1035 section 3.2.4).
const CLASS_IN: [u8; 2] = [0, 1];

/// The bits of the flags that a question may have, RD in the first octet of them.
const RD: u8 = 0x01;
const AD: u8 = 0x20;
const CD: u8 = 0x10;

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
pub(crate) trait Gate: Sync {
    /// What is held for as long as the message has no answer.
    type Pass: Send;

    /// Returns when one more message may be sent to `server`; fails if none may.
    fn pass(&self, server: SocketAddr) -> impl Future<Output = Result<Self::Pass, NoReply>> + Send;
}

/// What an answer may cost.
pub(crate) struct Terms<'a, G> {
    /// What is waited with.
    pub(crate) timer: &'a dyn Timer,
    /// How long each message is waited for.
    pub(crate) wait: Duration,
    /// What each message has to pass.
    pub(crate) gate: &'a G,
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
pub(crate) async fn ask<G: Gate>(
    server: SocketAddr,
    question: &Question,
    terms: &Terms<'_, G>,
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
    /// In random case (draft-vixie-dnsext-dns0x20), which an answer has to echo.
    name: Vec<u8>,
    record_type: [u8; 2],
    /// Never used twice, so that it is one more thing that a forger has to guess.
    cookie: [u8; COOKIE_LEN],
    octets: Vec<u8>,
}

impl Request {
    /// Encodes `question` with a random id, a name in random case and a random cookie.
    fn new(question: &Question, edns: Edns0) -> Result<Self, NoReply> {
        let Some(code) = question.record_type.code() else {
            let message = format!("{} is no type of DNS", question.record_type);
            return Err(NoReply::Local(io::Error::new(io::ErrorKind::InvalidInput, message)));
        };
        let Chance { id, cookie, case } = Chance::draw()?;
        let mut name = question.name.to_wire();
        randomize_case(&mut name, &case);
        let record_type = code.to_be_bytes();

        let (high, low) = match question.recursion {
            Recursion::Off => (0, 0),
            // RFC 6840 section 5.7: asks for AD without asking for signatures.
            Recursion::On => (RD, AD),
            Recursion::Unchecked => (RD, CD),
        };
        let additionals = u8::from(edns == Edns0::Sent);
        let mut octets = Vec::with_capacity(HEADER_LEN + name.len() + 4 + OPT_LEN);
        octets.extend(id);
        octets.extend([high, low, 0, 1, 0, 0, 0, 0, 0, additionals]);
        octets.extend_from_slice(&name);
        octets.extend(record_type);
        octets.extend(CLASS_IN);
        if edns == Edns0::Sent {
            // RFC 6891 section 6.1.2: the root as owner, the size as class, version 0 and no flags.
            octets.extend([0, 0, 41]);
            octets.extend(UDP_PAYLOAD.to_be_bytes());
            octets.extend([0, 0, 0, 0]);
            // One option of 8 octets.
            octets.extend([0, 12]);
            octets.extend(COOKIE.to_be_bytes());
            octets.extend([0, 8]);
            octets.extend(cookie);
        }
        Ok(Self { id: u16::from_be_bytes(id), name, record_type, cookie, octets })
    }

    /// Asks over UDP, then if need be over TCP.
    async fn send<G: Gate>(
        &self,
        server: SocketAddr,
        terms: &Terms<'_, G>,
    ) -> Result<Reply, NoReply> {
        let pass = terms.gate.pass(server).await?;
        match self.send_datagram(server, terms.timer, terms.wait).await {
            Err(NoReply::Garbage) => {}
            other => return other,
        }
        drop(pass);
        let _pass = terms.gate.pass(server).await?;
        // From here on the server has answered: that TCP is silent does not make it absent.
        let octets = tcp(server, &self.octets, terms.timer, terms.wait).await;
        let octets = octets.map_err(|_| NoReply::Garbage)?;
        self.read(&octets, Over::Tcp).map_err(|_| NoReply::Garbage)
    }

    /// Asks over UDP; [`NoReply::Garbage`] is for TCP to try again.
    async fn send_datagram(
        &self,
        server: SocketAddr,
        timer: &dyn Timer,
        wait: Duration,
    ) -> Result<Reply, NoReply> {
        let socket = match open(server) {
            Ok(socket) => socket,
            // A machine without IPv6 has no way to the server, but nothing is wrong with it.
            Err(_) if server.is_ipv6() => return Err(NoReply::Silence),
            Err(error) => return Err(NoReply::Local(error)),
        };
        // The kernel then drops what comes from elsewhere, and reports a closed port.
        let is_sent = match socket.connect(server).and_then(|()| socket.send(&self.octets)) {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Err(_) => return Err(NoReply::Silence),
        };
        // Only now, as it costs a turn of the runtime to find out that a new socket can be written to.
        let socket = Registered::from_std(socket).map_err(NoReply::Local)?;
        let asked = pin!(async {
            if !is_sent {
                socket.send(&self.octets).await.ok()?;
            }
            for _ in 0..DATAGRAMS {
                match self.receive(&socket).await.ok()? {
                    Err(Unfit::Stray) => {}
                    Err(Unfit::Broken) => return Some(Err(NoReply::Garbage)),
                    Ok(reply) => return Some(Ok(reply)),
                }
            }
            None
        });
        let answered = within(timer, wait, asked).await;
        answered.flatten().unwrap_or(Err(NoReply::Silence))
    }

    /// Reads one datagram.
    async fn receive(&self, socket: &Registered) -> io::Result<Result<Reply, Unfit>> {
        loop {
            // A port that is closed may be reported before the runtime knows of the socket.
            if socket.ready(Interest::READABLE | Interest::ERROR).await?.is_error() {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            // Here and not longer: nothing is kept for each question while it is waited.
            let mut buffer = [0; UDP_BUFFER];
            match socket.try_recv(&mut buffer) {
                Ok(length) => {
                    let octets = buffer.get(..length).unwrap_or_default();
                    return Ok(self.read(octets, Over::Udp));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
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
        let echo = Echo::of(octets, self.name.len()).ok_or(Unfit::Stray);
        match (message.queries.as_slice(), echo) {
            ([_], Err(unfit)) => return Err(unfit),
            ([_], Ok(echo)) if echo.record_type != self.record_type => return Err(Unfit::Stray),
            ([_], Ok(echo)) if echo.class != CLASS_IN => return Err(Unfit::Stray),
            ([_], Ok(echo)) if !echo.name.eq_ignore_ascii_case(&self.name) => {
                return Err(Unfit::Stray);
            }
            ([_], Ok(echo)) if over == Over::Udp && echo.name != self.name => {
                return Err(Unfit::Broken);
            }
            ([_], Ok(_)) => {}
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
        Ok(Reply::from(message))
    }
}

/// What nobody can guess of a question.
struct Chance {
    id: [u8; 2],
    cookie: [u8; COOKIE_LEN],
    /// A bit for each octet that a name can have.
    case: [u8; 32],
}

impl Chance {
    /// Asks the system for all of it at once.
    fn draw() -> Result<Self, NoReply> {
        let mut octets = [0; 2 + COOKIE_LEN + 32];
        OsRandom.fill(&mut octets).map_err(|error| NoReply::Local(io::Error::other(error)))?;
        let [i0, i1, c0, c1, c2, c3, c4, c5, c6, c7, case @ ..] = octets;
        Ok(Self { id: [i0, i1], cookie: [c0, c1, c2, c3, c4, c5, c6, c7], case })
    }
}

/// The question of an answer, as it was sent.
#[derive(Clone, Copy, Debug)]
struct Echo<'a> {
    name: &'a [u8],
    record_type: [u8; 2],
    class: [u8; 2],
}

impl<'a> Echo<'a> {
    /// Takes a name of this length from an answer, and what follows.
    fn of(octets: &'a [u8], length: usize) -> Option<Self> {
        let (name, rest) = octets.get(HEADER_LEN..)?.split_at_checked(length)?;
        let [high, low, class_high, class_low] = *rest.first_chunk()?;
        Some(Self { name, record_type: [high, low], class: [class_high, class_low] })
    }
}

/// Turns letters of a name into the other case where a bit is set. A length is never a letter.
fn randomize_case(name: &mut [u8], case: &[u8; 32]) {
    let bits = case.iter().flat_map(|octet| (0..8).map(move |bit| (octet >> bit) & 1 == 1));
    for (octet, flips) in name.iter_mut().zip(bits) {
        if flips && octet.is_ascii_alphabetic() {
            *octet ^= 0x20;
        }
    }
}

/// Opens a socket with a port of its own, as the kernel chooses it.
fn open(server: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests;
