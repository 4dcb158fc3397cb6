//! A web server on loopback that says exactly what it is told, and a timer in somebody's hand.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

use std::{
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use nameplate::clock::Timer;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::yield_now,
};

/// What is done with a connection.
pub type Doing = Pin<Box<dyn Future<Output = ()> + Send>>;

type Script = dyn Fn(TcpStream) -> Doing + Send + Sync;

/// A server that runs a script for every connection.
#[derive(Clone, Debug)]
pub struct Web {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Web {
    /// Starts a server that reads a request and answers with the bytes that `answer` gives.
    pub async fn new(
        address: impl Into<SocketAddr>,
        answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answer, noted) = (Arc::new(answer), Arc::clone(&requests));
        let web = Self::scripted(address, move |stream| {
            Box::pin(respond(stream, Arc::clone(&answer), Arc::clone(&noted)))
        });
        Self { requests, ..web.await }
    }

    /// Starts a server that does with a connection what `script` does.
    pub async fn scripted(
        address: impl Into<SocketAddr>,
        script: impl Fn(TcpStream) -> Doing + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address.into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let (script, counted): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&connections));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(script(stream));
            }
        });
        Self { address, connections, requests: Arc::default() }
    }

    pub fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns how many connections there were.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Returns the heads of the requests that were answered.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Reads one request, and answers it with the bytes that `answer` gives. Then closes.
pub async fn respond<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    answer: Arc<impl Fn(&str) -> Vec<u8>>,
    requests: Arc<Mutex<Vec<String>>>,
) {
    let Some(request) = head(&mut stream).await else { return };
    let answer = answer(&request);
    requests.lock().unwrap().push(request);
    // Who has read enough closes before everything is sent.
    let _ = stream.write_all(&answer).await;
    let _ = stream.shutdown().await;
}

/// Reads the head of a request.
pub async fn head<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(request).ok()
}

/// Returns the path of a request.
pub fn path(request: &str) -> &str {
    request.split(' ').nth(1).unwrap_or_default()
}

/// Writes a response with a body of known length.
pub fn page(status: u16, fields: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} Text\r\nContent-Length: {}\r\n{fields}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// A timer that rings when it is told to, and knows what is waited for.
#[derive(Clone, Debug, Default)]
pub struct HandTimer(Arc<Mutex<Vec<Sleeper>>>);

/// Somebody who waits.
#[derive(Debug)]
struct Sleeper {
    duration: Duration,
    wake: oneshot::Sender<()>,
}

impl HandTimer {
    /// Lets `duration` pass for who began last to wait exactly that long, once somebody does.
    pub async fn ring(&self, duration: Duration) {
        let mut found = None;
        for _ in 0..PATIENCE {
            {
                let mut waiting = self.0.lock().unwrap();
                waiting.retain(|sleeper| !sleeper.wake.is_closed());
                if let Some(at) = waiting.iter().rposition(|sleeper| sleeper.duration == duration) {
                    found = Some(waiting.remove(at).wake);
                }
            }
            if let Some(wake) = found {
                wake.send(()).unwrap();
                return;
            }
            yield_now().await;
        }
        panic!("nobody waits for {duration:?}");
    }
}

#[async_trait]
impl Timer for HandTimer {
    async fn sleep(&self, duration: Duration) {
        let (wake, woken) = oneshot::channel();
        self.0.lock().unwrap().push(Sleeper { duration, wake });
        if woken.await.is_err() {
            std::future::pending().await
        }
    }
}

/// Rounds of the runtime that something is waited for: more than anything takes.
const PATIENCE: usize = 200_000;

/// Waits until something is the case.
pub async fn until(what: &str, mut is_it: impl FnMut() -> bool) {
    for _ in 0..PATIENCE {
        if is_it() {
            return;
        }
        yield_now().await;
    }
    panic!("not the case: {what}");
}
