//! The network between one worker and PostgreSQL, which can be cut, held up, and cut at a commit.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split},
    net::{TcpListener, TcpStream, UnixListener},
    sync::watch,
};

/// What a driver sends to commit a transaction (PostgreSQL, simple query).
const COMMIT: &[u8] = b"COMMIT\0";

/// What happens to the connection on which the next transaction is committed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum AtCommit {
    /// It is cut before the database hears of it.
    CutBefore,
    /// It is cut once the database has answered, and before that arrives.
    CutAfter,
    /// The database ends the session as it hears of it.
    Ended,
}

/// The network as it is at the moment.
#[derive(Clone, Copy, Debug)]
struct Weather {
    /// Whether nothing gets through, and nobody is told.
    is_held: bool,
    /// Connections of an older generation are cut.
    generation: u64,
}

/// A port through which a worker reaches the database.
#[derive(Clone, Debug)]
pub(super) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    database: SocketAddr,
    weather: watch::Sender<Weather>,
    /// What is to happen once.
    at_commit: Mutex<Option<AtCommit>>,
    /// Ends the session with a client at this port.
    end: fn(u16),
}

impl Proxy {
    /// Opens a port that leads to the database on this machine. The task ends with the runtime.
    pub(super) async fn open(database: u16, end: fn(u16)) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            database: (Ipv4Addr::LOCALHOST, database).into(),
            weather: watch::Sender::new(Weather { is_held: false, generation: 0 }),
            at_commit: Mutex::default(),
            end,
        });
        let all = shared.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = all.clone();
                tokio::spawn(async move {
                    client.set_nodelay(true)?;
                    shared.connect(client).await
                });
            }
        });
        Self { address, shared }
    }

    /// Leads to the database from a socket in a file as well.
    pub(super) fn also_at(&self, path: &Path) {
        let listener = UnixListener::bind(path).unwrap();
        let all = self.shared.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = all.clone();
                tokio::spawn(async move { shared.connect(client).await });
            }
        });
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets nothing through from now on, or everything that waits.
    pub(super) fn hold(&self, is_held: bool) {
        self.shared.weather.send_modify(|weather| weather.is_held = is_held);
    }

    /// Cuts all connections.
    pub(super) fn cut(&self) {
        self.shared.weather.send_modify(|weather| weather.generation += 1);
    }

    /// Has something happen at the next commit.
    pub(super) fn at_commit(&self, what: AtCommit) {
        *self.shared.at_commit.lock().unwrap() = Some(what);
    }

    /// Returns whether what was to happen at a commit has happened.
    pub(super) fn has_happened(&self) -> bool {
        self.shared.at_commit.lock().unwrap().is_none()
    }

    /// Has nothing happen any more.
    pub(super) fn clear(&self) {
        *self.shared.at_commit.lock().unwrap() = None;
        self.hold(false);
    }
}

impl Shared {
    /// Passes on what a client and the database say, until one of them ends it or it is cut.
    async fn connect(&self, client: impl AsyncRead + AsyncWrite) -> io::Result<()> {
        let mut weather = self.weather.subscribe();
        let generation = weather.borrow().generation;
        let database = TcpStream::connect(self.database).await?;
        let port = database.local_addr()?.port();
        database.set_nodelay(true)?;
        let (mut asking, mut hearing) = split(client);
        let (mut answering, mut telling) = database.into_split();
        // Whether the next answer is not to arrive.
        let is_last = watch::Sender::new(false);
        let there = async {
            let mut weather = self.weather.subscribe();
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let length = asking.read(&mut buffer).await?;
                passable(&mut weather).await;
                let said = &buffer[..length];
                if length == 0 {
                    return Ok(());
                }
                if said.windows(COMMIT.len()).any(|window| window == COMMIT) {
                    let happens = self.at_commit.lock().unwrap().take();
                    match happens {
                        None => {}
                        Some(AtCommit::CutBefore) => return Ok(()),
                        Some(AtCommit::CutAfter) => drop(is_last.send(true)),
                        Some(AtCommit::Ended) => {
                            let end = self.end;
                            tokio::task::spawn_blocking(move || end(port)).await.unwrap();
                        }
                    }
                }
                telling.write_all(said).await?;
            }
        };
        let back = async {
            let mut weather = self.weather.subscribe();
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let length = answering.read(&mut buffer).await?;
                passable(&mut weather).await;
                if length == 0 || *is_last.borrow() {
                    return io::Result::Ok(());
                }
                hearing.write_all(&buffer[..length]).await?;
            }
        };
        tokio::select! {
            done = there => done,
            done = back => done,
            _ = weather.wait_for(|weather| weather.generation != generation) => Ok(()),
        }
    }
}

/// Waits until something gets through.
async fn passable(weather: &mut watch::Receiver<Weather>) {
    // The sender lives as long as the connection.
    let _ = weather.wait_for(|weather| !weather.is_held).await;
}
