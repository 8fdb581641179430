//! A real Envoy as the sidecar, of `NETSIM_ENVOY`: `ci/envoy` fetches one and runs this.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use netsim::link::{Network, NetworkOptions};
use netsim::node::{Exit, Finished, Identity, Program, Running};
use netsim::require;
use netsim::topology::{IpFamily, Topology};
use rstest::rstest;
use tproxy::backend::BackendId;

#[path = "../built/mod.rs"]
mod built;

const APP: Identity = Identity::new(1000, 1000);
const SIDECAR: Identity = Identity::new(5678, 5678);
/// More workers, each with listeners of its own, than there are places for them in the maps.
const WORKERS: &str = "12";
const LARGE: usize = 20 << 20;
const LONG: Duration = Duration::from_secs(60);

/// A pod with an application on port 8080, and a peer with a server on ports 80 and 9000.
struct Mesh {
    network: Network,
    _servers: Vec<Running>,
}

impl Mesh {
    fn up(backend: BackendId) -> Option<Self> {
        let envoy = require::envoy();
        if !envoy.requirement.met_or_skip() || !require::backend(backend).met_or_skip() {
            return None;
        }
        let mut options = NetworkOptions::default();
        options.base.programs.push(("tproxy".to_owned(), built::tproxy()));
        options.base.programs.push(("envoy".to_owned(), envoy.path));
        options.base.files.push(("/run/server.py".into(), include_bytes!("server.py").to_vec()));
        options.node("pod").files.push(("/run/envoy.yaml".into(), include_bytes!("envoy.yaml").to_vec()));
        let network = Network::up(&Topology::ready("pod-and-peer").unwrap(), &options).unwrap();
        let serve = |node: &str, port: &str| {
            let server = Program::new("python3").args(["/run/server.py", port]).identity(APP);
            server.spawn(network.node(node).unwrap(), "ready").unwrap()
        };
        let privileged = |port: &str| {
            let server = Program::new("python3").args(["/run/server.py", port]);
            server.spawn(network.node("peer").unwrap(), "ready").unwrap()
        };
        let servers = vec![serve("pod", "8080"), serve("peer", "9000"), privileged("80")];
        let mesh = Self { network, _servers: servers };
        for node in ["pod", "peer"] {
            let made = format!(
                "import sys; open('/run/large', 'wb').write(bytes(range(256)) * ({LARGE} // 256)); \
                 import os; os.chmod('/run/large', 0o644)"
            );
            let made =
                Program::new("python3").args(["-c", &made]).run(mesh.network.node(node).unwrap()).unwrap();
            assert!(made.success(), "{made}");
        }
        Some(mesh)
    }

    fn sh(&self, node: &str, who: Identity, script: &str) -> Finished {
        let program = Program::new("sh").args(["-ec", script]).identity(who).deadline(LONG);
        program.run(self.network.node(node).unwrap()).unwrap()
    }

    fn done(&self, arguments: &str) {
        let finished = self.sh("pod", Identity::ROOT, &format!("tproxy {arguments}"));
        assert!(finished.success(), "{finished}");
    }

    fn envoy(&self) -> Running {
        let made = self.sh("pod", Identity::ROOT, "install -d -o 5678 -g 5678 /run/envoy");
        assert!(made.success(), "{made}");
        let arguments = [
            "--disable-hot-restart",
            "--file-flush-interval-msec",
            "20",
            "--concurrency",
            WORKERS,
            "--config-path",
            "/run/envoy.yaml",
        ];
        let envoy = Program::new("envoy").args(arguments).identity(SIDECAR).deadline(LONG);
        envoy.spawn(self.network.node("pod").unwrap(), "starting main dispatch loop").unwrap()
    }

    /// What an end is called in this family: `name`, with a port where it has one.
    fn at(&self, name: &str, family: IpFamily) -> String {
        match name.split_once(':') {
            Some(_) => self.network.topology().socket_address(name, family).unwrap().to_string(),
            None => self.network.topology().address(name, family).unwrap().to_string(),
        }
    }

    /// A large body there and another back; who the server says that the client is.
    fn exchange(&self, node: &str, who: Identity, to: &str) -> String {
        let script = format!(
            "at=$(mktemp -d); cd $at; curl='curl --silent --show-error --fail --max-time 30'
             $curl --dump-header head --output body http://{to}/{LARGE}; cmp body /run/large
             $curl --upload-file /run/large http://{to}/; sed -n 's/^Client: //p' head; rm -r $at"
        );
        let finished = self.sh(node, who, &script);
        let said = finished.stdout_text();
        let (uploaded, client) = said.split_once('\n').unwrap_or_default();
        assert_eq!(uploaded, format!("{LARGE} bytes, whole: True"), "{finished}");
        client.trim().to_owned()
    }

    /// The lines of Envoy's log, once there are as many: it writes each when a connection ends.
    fn log(&self, lines: usize) -> Vec<String> {
        let deadline = Instant::now() + LONG;
        loop {
            let text = self.sh("pod", Identity::ROOT, "cat /run/envoy/log").stdout_text();
            let found: Vec<String> = text.lines().map(str::to_owned).collect();
            if found.len() >= lines || Instant::now() > deadline {
                return found;
            }
        }
    }

    fn goes_through_envoy(&self, family: IpFamily) {
        let passthrough = if family == IpFamily::V4 { "127.0.0.6" } else { "::6" };
        let [pod, peer] = ["pod", "peer"].map(|name| self.at(name, family));
        let [to_peer, to_pod] = ["peer:80", "pod:8080"].map(|name| self.at(name, family));
        let before = self.log(0).len();
        // The application calls the world, and sees nothing of it.
        assert_eq!(self.exchange("pod", APP, &to_peer), pod);
        // The world calls the application.
        assert_eq!(self.exchange("peer", Identity::ROOT, &to_pod), passthrough);
        let expected = [
            format!("outbound {pod} {to_peer} {pod}"),
            format!("inbound-{family} {peer} {to_pod} {passthrough}"),
        ];
        let log = self.log(before + 4);
        let new: Vec<_> = log.iter().skip(before).collect();
        assert_eq!(new, [&expected[0], &expected[0], &expected[1], &expected[1]], "{log:#?}");
        // Excluded ports, the application's own host and the sidecar's own calls go past it.
        assert_eq!(self.exchange("pod", APP, &self.at("peer:9000", family)), pod);
        assert_eq!(self.exchange("pod", APP, &to_pod), pod);
        assert_eq!(self.exchange("pod", SIDECAR, &to_peer), pod);
        assert_eq!(self.log(0).len(), before + 4, "{:#?}", self.log(0));
    }

    /// Whoever calls a listener of Envoy's own sends it to itself: that ends at once, each with one line in the log.
    fn does_not_loop(&self, family: IpFamily) {
        let before = self.log(0).len();
        let calls = [("peer", "pod:15006"), ("pod", "pod:15006"), ("pod", "pod:15001")];
        for (node, to) in calls {
            let to = self.at(to, family);
            let called = self.sh(node, APP, &format!("curl --silent --max-time 10 http://{to}/"));
            assert!(matches!(called.exit, Exit::Code(code) if code != 0 && code != 28), "{called}");
        }
        let log = self.log(before + calls.len());
        let new: Vec<_> = log.iter().skip(before).collect();
        // There is no address from which Envoy would have called.
        assert!(new.len() == calls.len() && new.iter().all(|line| line.ends_with(" -")), "{log:#?}");
    }
}

#[rstest]
fn envoy_takes_what_is_captured_and_gives_it_on_both_ways(
    #[values(BackendId::IptablesNft, BackendId::IptablesLegacy, BackendId::Ebpf)] backend: BackendId,
    #[values(true, false)] is_there_before: bool,
) {
    let Some(mesh) = Mesh::up(backend) else { return };
    let before = is_there_before.then(|| mesh.envoy());
    mesh.done(&format!("install --backend {backend} --exclude-outbound-ports 9000"));
    let _envoy = before.unwrap_or_else(|| mesh.envoy());
    for family in IpFamily::ALL {
        mesh.goes_through_envoy(family);
        // With rules Envoy would be called by itself without end: that differs, as the README says.
        if backend == BackendId::Ebpf {
            mesh.does_not_loop(family);
            mesh.goes_through_envoy(family);
        }
    }
    mesh.done("uninstall");
    for family in IpFamily::ALL {
        assert_eq!(mesh.exchange("pod", APP, &mesh.at("peer:80", family)), mesh.at("pod", family));
        let of_peer = mesh.exchange("peer", Identity::ROOT, &mesh.at("pod:8080", family));
        assert_eq!(of_peer, mesh.at("peer", family));
    }
}
