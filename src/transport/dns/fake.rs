//! A name server on loopback that answers whatever a test wants.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use hickory_proto::op::{Message, ResponseCode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UdpSocket},
    task::JoinSet,
};

/// How a question came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Over {
    Tcp,
    Udp,
}

/// What to answer: any number of messages.
type Answer = dyn Fn(&Message, Over) -> Vec<Vec<u8>> + Send + Sync;

/// A server that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Fake {
    /// Starts a server that answers with octets.
    pub(crate) async fn raw(
        answer: impl Fn(&Message, Over) -> Vec<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        // The port that UDP got may be taken for TCP.
        loop {
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                return Self::serve(udp, tcp, Arc::new(answer));
            }
        }
    }

    /// Starts a server that answers each question with a message made from [`respond`].
    pub(crate) async fn new(
        answer: impl Fn(&Message, &mut Message) + Send + Sync + 'static,
    ) -> Self {
        Self::raw(encoded(answer)).await
    }

    /// Starts servers at several addresses and one port, in a row from 127.0.0.1.
    pub(crate) async fn row(answers: Vec<Box<Respond>>) -> Vec<Self> {
        let answers: Vec<Arc<Answer>> =
            answers.into_iter().map(|answer| Arc::new(encoded(answer)) as Arc<Answer>).collect();
        'port: loop {
            let mut port = 0;
            let mut sockets = Vec::new();
            for last in 1..=answers.len() {
                let address = Ipv4Addr::new(127, 0, 0, u8::try_from(last).unwrap());
                let Ok(udp) = UdpSocket::bind((address, port)).await else { continue 'port };
                port = udp.local_addr().unwrap().port();
                let Ok(tcp) = TcpListener::bind((address, port)).await else { continue 'port };
                sockets.push((udp, tcp));
            }
            let started = sockets.into_iter().zip(answers);
            return started.map(|((udp, tcp), answer)| Self::serve(udp, tcp, answer)).collect();
        }
    }

    fn serve(udp: UdpSocket, tcp: TcpListener, answer: Arc<Answer>) -> Self {
        let address = udp.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        let answer_udp = answer.clone();
        tasks.spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
                let Ok(question) = Message::from_vec(&buffer[..length]) else { continue };
                for octets in answer_udp(&question, Over::Udp) {
                    udp.send_to(&octets, from).await.unwrap();
                }
            }
        });
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                let Ok(length) = stream.read_u16().await else { continue };
                let mut buffer = vec![0; length.into()];
                stream.read_exact(&mut buffer).await.unwrap();
                let question = Message::from_vec(&buffer).unwrap();
                for octets in answer(&question, Over::Tcp) {
                    let length = u16::try_from(octets.len()).unwrap().to_be_bytes();
                    stream.write_all(&[&length[..], &octets].concat()).await.unwrap();
                }
            }
        });
        Self { address, _tasks: tasks }
    }
}

/// What fills an answer in.
pub(crate) type Respond = dyn Fn(&Message, &mut Message) + Send + Sync;

/// Returns an empty, authoritative answer to a question.
pub(crate) fn respond(question: &Message) -> Message {
    let mut answer = question.clone().into_response();
    answer.metadata.authoritative = true;
    answer.metadata.response_code = ResponseCode::NoError;
    answer
}

fn encoded(
    answer: impl Fn(&Message, &mut Message) + Send + Sync + 'static,
) -> impl Fn(&Message, Over) -> Vec<Vec<u8>> + Send + Sync + 'static {
    move |question, _| {
        let mut message = respond(question);
        answer(question, &mut message);
        vec![message.to_vec().unwrap()]
    }
}
