//! What one case needs: a pod and a peer of its own, an application, a sidecar that forwards, and the real tproxy.
//!
//! Must never measure and read rules at the same time: programs in the pod count as the pod's work.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use tproxy::backend::BackendId;
use tproxy::family::IpFamily;

use super::LoadError;
use super::case::{Case, Way};
use super::exclusions;
use super::proof::{self, Witness};
use crate::actor::{App, AppSpec, Burst, Client, Enough, Mode, Sidecar, SidecarSpec};
use crate::link::{Network, NetworkOptions};
use crate::node::{Account, Finished, Identity, Program};
use crate::topology::Topology;

const POD: &str = "pod";
const PEER: &str = "peer";
/// Where the peer listens.
const PORT: u16 = 80;
/// How many connections the caller has open at a time.
const AT_ONCE: usize = 4;
/// Longer than any round or program takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(120);
/// The configuration of the cases with exclusions, inside the pod.
const CONFIGURATION: &str = "/run/netsim/exclusions.yaml";

/// A case, ready to be measured. Dropping it ends all of it.
pub(super) struct Rig {
    pub(super) case: Case,
    peer_address: SocketAddr,
    call: SocketAddr,
    family: IpFamily,
    client: Client,
    sidecar: Sidecar,
    peer: App,
    /// The connections that were made, warm-up included.
    made: u64,
    // Last: the nodes outlive their actors.
    network: Network,
}

/// One measured round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    pub(super) wall: Duration,
    /// Of the pod's cgroup.
    pub(super) pod: Duration,
    /// Of the peer's.
    pub(super) peer: Duration,
}

impl Rig {
    /// Brings it all up and installs what the case needs.
    pub(super) fn up(case: Case, family: IpFamily, tproxy: &Path) -> Result<Self, LoadError> {
        let topology = Topology::ready("pod-and-peer")?;
        let mut options = NetworkOptions::default();
        options.base.deadline = DEADLINE;
        options.base.programs.push(("tproxy".to_owned(), tproxy.to_owned()));
        let network = Network::up(&topology, &options)?;
        let peer_address = SocketAddr::new(topology.address(PEER, family)?, PORT);
        let (pod, peer) = (network.node(POD)?, network.node(PEER)?);
        let mut spec = SidecarSpec::new(usual("kuma-dp"));
        let straight = case.way == Way::Straight;
        spec.mode = if straight { Mode::ForwardTo(peer_address) } else { Mode::Forward };
        let to_sidecar = SocketAddr::new(family.localhost(), spec.outbound_port);
        let own = matches!(case.way, Way::Own(_));
        let client = Client::start(pod, "caller", if own { spec.identity } else { usual("app") })?;
        let sidecar = Sidecar::start(pod, spec)?;
        let answering = AppSpec::new(PEER, Identity::ROOT, [PORT]);
        let peer = App::start(peer, answering)?;
        let call = if straight { to_sidecar } else { peer_address };
        let rig = Self { case, peer_address, call, family, client, sidecar, peer, made: 0, network };
        rig.install()?;
        Ok(rig)
    }

    fn install(&self) -> Result<(), LoadError> {
        let Some(backend) = self.case.backend() else { return Ok(()) };
        let pod = self.network.node(POD)?;
        let mut install = Program::new("tproxy").args(["install", &format!("--backend={backend}")]);
        if self.case.exclusions > 0 {
            let own = self.network.topology().addresses().map(|(_, network)| network.addr());
            let spared: Vec<IpAddr> = own.collect();
            let networks = exclusions::networks(self.case.exclusions, self.family, &spared);
            let items: String = networks.iter().map(|network| format!("      - \"{network}\"\n")).collect();
            let text = format!("redirect:\n  outbound:\n    excludePortsForIPs:\n{items}");
            pod.write_file(CONFIGURATION, text)?;
            install = install.arg(format!("--config={CONFIGURATION}"));
        }
        install.run(pod)?.checked()?;
        Ok(())
    }

    /// Makes this many connections. The reason is there when the round is not what the case claims.
    pub(super) fn round(&mut self, connections: usize) -> Result<(Round, Option<String>), LoadError> {
        let (pod, peer) = (self.network.node(POD)?, self.network.node(PEER)?);
        let burst = Burst { to: self.call, connections, at_once: AT_ONCE, enough: Enough::default() };
        let (pod_before, peer_before, started) = (pod.cpu_time()?, peer.cpu_time()?, Instant::now());
        let tally = self.client.burst(burst, DEADLINE)?;
        let wall = started.elapsed();
        let (pod, peer) = (pod.cpu_time()?, peer.cpu_time()?);
        self.made += connections as u64;
        let round =
            Round { wall, pod: pod.saturating_sub(pod_before), peer: peer.saturating_sub(peer_before) };
        let witness = Witness { tally, sidecar: self.sidecar.log().take(), peer: self.peer.log().take() };
        Ok((round, proof::of_round(self.case, connections, self.peer_address, &witness)))
    }

    /// What our rules counted against all connections that were made; the reason when they differ.
    pub(super) fn counters(&self) -> Result<Option<String>, LoadError> {
        let flavour = match self.case.backend() {
            // Programs count calls, and `status` shows them.
            None | Some(BackendId::Ebpf) => return Ok(None),
            Some(BackendId::IptablesNft) => "nft",
            Some(BackendId::IptablesLegacy) => "legacy",
        };
        let base = if self.family == IpFamily::V4 { "iptables" } else { "ip6tables" };
        let save = Program::new(&format!("{base}-{flavour}-save")).args(["-c", "-t", "nat"]);
        let saved = save.run(self.network.node(POD)?).and_then(Finished::checked)?.stdout_text();
        let (counted, made) = (proof::counted(self.case.way, &saved), self.made);
        Ok((counted != made).then(|| format!("the rules counted {counted} of {made} connections")))
    }

    /// The largest packet that the pod's link carries.
    pub(super) fn mtu(&self) -> Result<u32, LoadError> {
        let file = "/sys/class/net/eth0/mtu";
        let read = self.network.node(POD)?.run(move || async move { std::fs::read_to_string(file) })?;
        let text = read.map_err(|source| LoadError::Read { file, source })?;
        let number = text.trim().parse();
        number.map_err(|_| LoadError::Read { file, source: std::io::ErrorKind::InvalidData.into() })
    }

    /// Ends it all, and tells what did not end well.
    pub(super) fn down(self) -> Result<(), LoadError> {
        let Self { client, sidecar, peer, network, .. } = self;
        sidecar.health()?;
        peer.health()?;
        drop((client, sidecar, peer));
        Ok(network.down()?)
    }
}

fn usual(name: &str) -> Identity {
    let account = Account::usual().into_iter().find(|account| account.name == name);
    account.map_or(Identity::ROOT, |account| account.identity)
}
