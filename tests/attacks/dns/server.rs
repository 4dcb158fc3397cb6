//! A name server on loopback that says whatever octets it is told to.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    task::{JoinSet, yield_now},
};

pub(crate) const A: u16 = 1;
pub(crate) const NS: u16 = 2;
pub(crate) const CNAME: u16 = 5;
pub(crate) const SOA: u16 = 6;
pub(crate) const TXT: u16 = 16;
pub(crate) const AAAA: u16 = 28;
pub(crate) const DNAME: u16 = 39;
const OPT: u16 = 41;
pub(crate) const IN: u16 = 1;

pub(crate) const QR: u16 = 0x8000;
pub(crate) const AA: u16 = 0x0400;
pub(crate) const TC: u16 = 0x0200;
pub(crate) const RD: u16 = 0x0100;
pub(crate) const AD: u16 = 0x0020;
pub(crate) const CD: u16 = 0x0010;

pub(crate) const SERVFAIL: u16 = 2;
pub(crate) const NXDOMAIN: u16 = 3;
pub(crate) const REFUSED: u16 = 5;
pub(crate) const NOTAUTH: u16 = 9;

/// How a question came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Over {
    Tcp,
    Udp,
}

/// A question that came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) over: Over,
    pub(crate) port: u16,
    pub(crate) id: u16,
    pub(crate) flags: u16,
    /// In lower case, without the final dot.
    pub(crate) name: String,
    pub(crate) record_type: u16,
    /// The question as it came.
    pub(crate) question: Vec<u8>,
    /// The largest answer that is asked for.
    pub(crate) payload: Option<u16>,
    pub(crate) cookie: Option<Vec<u8>>,
}

impl Asked {
    fn read(octets: &[u8], over: Over, from: SocketAddr) -> Self {
        let number = |at: usize| u16::from_be_bytes([octets[at], octets[at + 1]]);
        let mut labels = Vec::new();
        let mut at = 12;
        while octets[at] != 0 {
            let length = usize::from(octets[at]);
            labels.push(String::from_utf8_lossy(&octets[at + 1..=at + length]).to_lowercase());
            at += 1 + length;
        }
        let end = at + 5;
        let has_edns = octets.len() > end;
        assert!(!has_edns || number(end + 1) == OPT);
        let mut cookie = None;
        let mut option = end + 11;
        while has_edns && option < octets.len() {
            let length = usize::from(number(option + 2));
            if number(option) == 10 {
                cookie = Some(octets[option + 4..option + 4 + length].to_vec());
            }
            option += 4 + length;
        }
        Self {
            over,
            port: from.port(),
            id: number(0),
            flags: number(2),
            name: labels.join("."),
            record_type: number(at + 1),
            question: octets[12..end].to_vec(),
            payload: has_edns.then(|| number(end + 3)),
            cookie,
        }
    }

    /// Begins the answer of an authority, with the cookie that came.
    pub(crate) fn reply(&self) -> Reply {
        Reply {
            id: self.id,
            flags: QR | AA | (self.flags & RD),
            code: 0,
            question: Some(self.question.clone()),
            sections: Default::default(),
            options: self.cookie.iter().map(|cookie| (10, cookie.clone())).collect(),
        }
    }

    /// Answers the question with a text.
    pub(crate) fn with_text(&self, text: &str) -> Reply {
        self.reply().answer(&self.name, TXT, &strings(&[text]))
    }
}

/// An answer that is being written.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) id: u16,
    pub(crate) flags: u16,
    pub(crate) code: u16,
    pub(crate) question: Option<Vec<u8>>,
    /// Answer, authority, additional.
    pub(crate) sections: [Vec<Vec<u8>>; 3],
    /// EDNS options.
    pub(crate) options: Vec<(u16, Vec<u8>)>,
}

impl Reply {
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(crate) fn code(self, code: u16) -> Self {
        self.with(|reply| reply.code = code)
    }

    pub(crate) fn answer(self, owner: &str, record_type: u16, data: &[u8]) -> Self {
        self.with(|reply| reply.sections[0].push(record(owner, record_type, IN, 300, data)))
    }

    pub(crate) fn authority(self, owner: &str, record_type: u16, data: &[u8]) -> Self {
        self.with(|reply| reply.sections[1].push(record(owner, record_type, IN, 300, data)))
    }

    pub(crate) fn additional(self, owner: &str, record_type: u16, data: &[u8]) -> Self {
        self.with(|reply| reply.sections[2].push(record(owner, record_type, IN, 300, data)))
    }

    /// Refers to a server of a zone, with its address if there is one.
    pub(crate) fn refer(self, zone: &str, server: &str, address: Option<IpAddr>) -> Self {
        let reply = self.with(|reply| reply.flags &= !AA).authority(zone, NS, &name(server));
        match address {
            Some(IpAddr::V4(address)) => reply.additional(server, A, &address.octets()),
            Some(IpAddr::V6(address)) => reply.additional(server, AAAA, &address.octets()),
            None => reply,
        }
    }

    pub(crate) fn octets(&self) -> Vec<u8> {
        let count = |section: &Vec<Vec<u8>>| u16::try_from(section.len()).unwrap();
        let [answers, authorities, additionals] = &self.sections;
        let has_edns = !self.options.is_empty() || self.code > 15;
        let mut octets = Vec::new();
        for number in [
            self.id,
            self.flags | (self.code & 0xf),
            u16::from(self.question.is_some()),
            count(answers),
            count(authorities),
            count(additionals) + u16::from(has_edns),
        ] {
            octets.extend(number.to_be_bytes());
        }
        octets.extend(self.question.iter().flatten());
        octets.extend(self.sections.iter().flatten().flatten());
        if has_edns {
            let mut options = Vec::new();
            for (code, data) in &self.options {
                options.extend(code.to_be_bytes());
                options.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
                options.extend(data);
            }
            octets.push(0);
            octets.extend(OPT.to_be_bytes());
            octets.extend(1232_u16.to_be_bytes());
            octets.extend([u8::try_from(self.code >> 4).unwrap(), 0, 0, 0]);
            octets.extend(u16::try_from(options.len()).unwrap().to_be_bytes());
            octets.extend(options);
        }
        octets
    }

    pub(crate) fn say(&self) -> Vec<Act> {
        vec![Act::Say(self.octets())]
    }
}

/// Writes a record.
pub(crate) fn record(owner: &str, record_type: u16, class: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let mut octets = name(owner);
    octets.extend(record_type.to_be_bytes());
    octets.extend(class.to_be_bytes());
    octets.extend(ttl.to_be_bytes());
    octets.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    octets.extend(data);
    octets
}

/// Writes a name, without compression.
pub(crate) fn name(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        octets.push(u8::try_from(label.len()).unwrap());
        octets.extend(label.bytes());
    }
    octets.push(0);
    octets
}

/// Writes the strings of a TXT record.
pub(crate) fn strings<S: AsRef<[u8]>>(strings: &[S]) -> Vec<u8> {
    let mut octets = Vec::new();
    for string in strings {
        octets.push(u8::try_from(string.as_ref().len()).unwrap());
        octets.extend(string.as_ref());
    }
    octets
}

/// Writes the data of a SOA record.
pub(crate) fn soa(minimum: u32) -> Vec<u8> {
    let mut octets = [name("ns.invalid"), name("root.invalid")].concat();
    for number in [1, 1, 1, 1, minimum] {
        octets.extend(number.to_be_bytes());
    }
    octets
}

/// What a server does about a question.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Sends a message.
    Say(Vec<u8>),
    /// Sends a datagram from another port.
    SayFromElsewhere(Vec<u8>),
    /// Sends a message over TCP one octet at a time, and never the last one.
    Drip(Vec<u8>),
    /// Sends half of a message over TCP and closes.
    Half(Vec<u8>),
    /// Keeps the connection open and says nothing more.
    Hang,
}

type Script = dyn Fn(&Asked) -> Vec<Act> + Send + Sync;

/// A server that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(crate) async fn new(script: impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static) -> Self {
        let script: Box<Script> = Box::new(script);
        Self::row(vec![([127, 0, 0, 1].into(), script)]).await.pop().unwrap()
    }

    /// Starts servers at several addresses and one port.
    pub(crate) async fn row(scripts: Vec<(IpAddr, Box<Script>)>) -> Vec<Self> {
        'port: loop {
            let mut port = 0;
            let mut sockets = Vec::new();
            for (address, _) in &scripts {
                let Ok(udp) = UdpSocket::bind((*address, port)).await else { continue 'port };
                port = udp.local_addr().unwrap().port();
                let Ok(tcp) = TcpListener::bind((*address, port)).await else { continue 'port };
                sockets.push((udp, tcp));
            }
            let scripts = scripts.into_iter().map(|(_, script)| Arc::from(script));
            let started = sockets.into_iter().zip(scripts);
            return started
                .map(|((udp, tcp), script)| Self::serve(udp, Some(tcp), script))
                .collect();
        }
    }

    /// Starts a server that is not there over TCP.
    pub(crate) async fn without_tcp(
        script: impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        let udp = UdpSocket::bind((IpAddr::from([127, 0, 0, 1]), 0)).await.unwrap();
        Self::serve(udp, None, Arc::new(script))
    }

    fn serve(udp: UdpSocket, tcp: Option<TcpListener>, script: Arc<Script>) -> Self {
        let address = udp.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let mut tasks = JoinSet::new();
        let (noted, said) = (Arc::clone(&asked), Arc::clone(&script));
        tasks.spawn(async move {
            let elsewhere = UdpSocket::bind((address.ip(), 0)).await.unwrap();
            let mut buffer = [0; 4096];
            // Who asked may be gone already, and Linux then reports it here.
            loop {
                let Ok((length, from)) = udp.recv_from(&mut buffer).await else { continue };
                let question = Asked::read(&buffer[..length], Over::Udp, from);
                noted.lock().unwrap().push(question.clone());
                for act in said(&question) {
                    let _ = match act {
                        Act::Say(octets) => udp.send_to(&octets, from).await,
                        Act::SayFromElsewhere(octets) => elsewhere.send_to(&octets, from).await,
                        _ => continue,
                    };
                }
            }
        });
        if let Some(tcp) = tcp {
            let noted = Arc::clone(&asked);
            tasks.spawn(async move {
                let mut connections = JoinSet::new();
                while let Ok((stream, from)) = tcp.accept().await {
                    connections.spawn(talk(stream, from, Arc::clone(&script), Arc::clone(&noted)));
                }
            });
        }
        Self { address, asked, _tasks: tasks }
    }

    /// Returns the questions that came since it was last asked for them.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    /// Returns how many questions are yet to be returned.
    pub(crate) fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

async fn talk(
    mut stream: TcpStream,
    from: SocketAddr,
    script: Arc<Script>,
    noted: Arc<Mutex<Vec<Asked>>>,
) {
    let Ok(length) = stream.read_u16().await else { return };
    let mut buffer = vec![0; length.into()];
    if stream.read_exact(&mut buffer).await.is_err() {
        return;
    }
    let question = Asked::read(&buffer, Over::Tcp, from);
    noted.lock().unwrap().push(question.clone());
    for act in script(&question) {
        let framed = |octets: Vec<u8>| {
            let length = u16::try_from(octets.len()).unwrap().to_be_bytes();
            [&length[..], &octets].concat()
        };
        match act {
            Act::Say(octets) => {
                let _ = stream.write_all(&framed(octets)).await;
            }
            Act::Half(octets) => {
                let whole = framed(octets);
                let _ = stream.write_all(&whole[..whole.len() / 2]).await;
            }
            Act::Drip(octets) => {
                let whole = framed(octets);
                for octet in &whole[..whole.len() - 1] {
                    if stream.write_all(&[*octet]).await.is_err() {
                        return;
                    }
                    yield_now().await;
                }
                std::future::pending().await
            }
            Act::Hang => std::future::pending().await,
            Act::SayFromElsewhere(_) => {}
        }
    }
}
