//! A network of its own between a worker and the database, which can lose every packet.
//!
//! Where the system lets us, a siege runs in a network namespace, and each worker reaches the database
//! through another one: by a pair of virtual interfaces to a gate, which hands on what arrives to the
//! proxy of that worker, by a socket in a file. What is sent while packets are lost is lost without a
//! word, in both directions, and sent again by whoever still wants to.

use std::{
    env, fs,
    io::{self, Read as _},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, UnixStream},
    time::sleep,
};

/// Set in a namespace of ours.
const OURS: &str = "NAMEPLATE_TEST_CRASH_NETWORK";

/// Where a gate finds the proxy.
const GATE: &str = "NAMEPLATE_TEST_GATE";

/// The port of every gate: each has all ports to itself.
const PORT: u16 = 5432;

/// The ways into a namespace, for root and for others.
const WAYS: [&[&str]; 2] = [&["--net"], &["--user", "--map-current-user", "--keep-caps", "--net"]];

/// Prepares to run a command in a network namespace, if this system lets us have any and lose packets.
pub(super) fn inside(command: &Path) -> Command {
    let script = |way: &[&str], script: &str| {
        let mut shell = Command::new("unshare");
        shell.args(way).args(["sh", "-c", script, "sh"]);
        shell
    };
    let probe = "ip link set lo up && ip link add one type veth peer name two \
                 && tc qdisc add dev one root blackhole && unshare --net true";
    for way in WAYS {
        let output = script(way, probe).output();
        if output.is_ok_and(|output| output.status.success()) {
            println!("partitions: packets are lost between two network namespaces");
            let mut command_inside = script(way, "ip link set lo up && exec \"$@\"");
            command_inside.arg(command).env(OURS, "1");
            return command_inside;
        }
    }
    println!("partitions: a proxy holds everything up, for there are no network namespaces here");
    Command::new(command)
}

/// The way from a worker to its proxy.
#[derive(Clone, Debug)]
pub(super) struct Link(Arc<Gate>);

#[derive(Debug)]
struct Gate {
    number: usize,
    process: Child,
    /// It ends with this.
    _input: ChildStdin,
}

impl Link {
    /// Opens the way to the proxy at a socket; `None` outside a namespace of ours.
    pub(super) async fn open(number: usize, proxy: &Path) -> Option<Self> {
        env::var_os(OURS)?;
        let mut command = Command::new("unshare");
        command.arg("--net").arg(env::current_exe().unwrap());
        command.args(["--exact", "kills::link::the_gate", "--nocapture"]);
        command.env(GATE, proxy).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut process = command.spawn().unwrap();
        let input = process.stdin.take().unwrap();
        let link = Self(Arc::new(Gate { number, process, _input: input }));
        let (own, other) = (network("self".as_ref()), link.0.process.id().to_string());
        while network(other.as_ref()) == own {
            sleep(Duration::from_millis(10)).await;
        }
        let (near, far) = (link.near(), link.far());
        let here = link.near_address();
        run(&format!("ip link add {near} type veth peer name {far} netns {other}"));
        run(&format!("ip address add {here}/30 dev {near} && ip link set {near} up"));
        let there = link.address().ip();
        let script = format!("ip address add {there}/30 dev {far} && ip link set {far} up");
        run(&format!("nsenter --net=/proc/{other}/ns/net sh -c '{script}'"));
        Some(link)
    }

    /// Returns where a worker finds the database.
    pub(super) fn address(&self) -> SocketAddr {
        format!("10.99.{}.2:{PORT}", self.0.number).parse().unwrap()
    }

    /// Loses every packet from now on, in both directions, or none.
    pub(super) fn lose(&self, everything: bool) {
        let verb = if everything { "replace" } else { "delete" };
        let kind = if everything { "blackhole" } else { "" };
        let process = self.0.process.id();
        run(&format!("tc qdisc {verb} dev {} root {kind}", self.near()));
        run(&format!(
            "nsenter --net=/proc/{process}/ns/net tc qdisc {verb} dev {} root {kind}",
            self.far()
        ));
    }

    fn near_address(&self) -> String {
        format!("10.99.{}.1", self.0.number)
    }

    fn near(&self) -> String {
        format!("worker{}", self.0.number)
    }

    fn far(&self) -> String {
        format!("gate{}", self.0.number)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // Else it goes a moment later, and the next siege finds its name taken.
        let near = format!("worker{}", self.number);
        let _ = Command::new("ip").args(["link", "delete", &near]).output();
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns which network namespace a process is in.
fn network(process: &Path) -> Option<std::path::PathBuf> {
    fs::read_link(Path::new("/proc").join(process).join("ns/net")).ok()
}

fn run(script: &str) {
    let output = Command::new("sh").args(["-c", script]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {said}");
}

/// Does nothing unless another test has started it.
#[tokio::test]
async fn the_gate() {
    let Some(proxy) = env::var_os(GATE) else { return };
    std::thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        // Whoever has started it is gone.
        std::process::exit(0);
    });
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await.unwrap();
    loop {
        let Ok((mut worker, _)) = listener.accept().await else { continue };
        let proxy = proxy.clone();
        tokio::spawn(async move {
            worker.set_nodelay(true)?;
            let mut there = UnixStream::connect(proxy).await?;
            copy_bidirectional(&mut worker, &mut there).await
        });
    }
}
