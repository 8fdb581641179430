//! What one case needs: a pod and a peer of its own, applications, sidecars that forward, and the real tproxy.
//!
//! Must never measure and read rules at the same time: programs in a node count as that node's work.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use tproxy::backend::BackendId;
use tproxy::family::IpFamily;

use super::LoadError;
use super::case::{Case, Direction, Load, Way};
use super::exclusions;
use super::proof::{self, Witness};
use crate::actor::{
    App, AppSpec, Client, Kind, Log, Mode, NameServer, NameServerSpec, Sidecar, SidecarSpec, Work,
};
use crate::link::{self, Network, NetworkOptions};
use crate::node::{Account, Finished, Identity, Node, Program};
use crate::patience::patient;
use crate::topology::Topology;

pub(super) const POD: &str = "pod";
pub(super) const PEER: &str = "peer";
/// Where applications listen.
const PORT: u16 = 80;
/// Where the sidecar takes queries.
const QUERIES: u16 = 15053;
/// More than any case has open at a time.
const CONNECTIONS: usize = 4096;
/// Longer than any round or program takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(120);
/// The configuration of the cases with exclusions, inside the pod.
const CONFIGURATION: &str = "/run/netsim/exclusions.yaml";

/// A case, ready to be measured. Dropping it ends all of it.
pub(super) struct Rig {
    pub(super) case: Case,
    /// Whom the client calls.
    call: SocketAddr,
    /// What a redirected flow was meant for.
    meant: SocketAddr,
    client: Client,
    sidecars: Vec<Sidecar>,
    servers: Vec<App>,
    name_servers: Vec<NameServer>,
    /// The flows that were made, warm-up included.
    made: u64,
    // Last: the nodes outlive their actors.
    network: Network,
}

/// One measured round.
#[derive(Clone, Debug)]
pub(super) struct Round {
    pub(super) pieces: usize,
    pub(super) wall: Duration,
    /// Of the pod's cgroup.
    pub(super) pod: Duration,
    /// Of the peer's.
    pub(super) peer: Duration,
    /// How long each piece took, in ns.
    pub(super) took: Vec<u64>,
}

impl Rig {
    /// Brings it all up and installs what the case needs.
    pub(super) fn up(case: Case, tproxy: &Path) -> Result<Self, LoadError> {
        let family = case.family;
        let topology = Topology::ready("pod-and-peer")?.with_mtu(case.mtu)?;
        let mut options = NetworkOptions::default();
        options.base.deadline = patient(DEADLINE);
        options.base.programs.push(("tproxy".to_owned(), tproxy.to_owned()));
        let network = Network::up(&topology, &options)?;
        let at =
            |node: &str, port| Ok::<_, LoadError>(SocketAddr::new(topology.address(node, family)?, port));
        let served = if case.direction == Direction::Inbound { POD } else { PEER };
        let server = if case.load == Load::Queries { at("nameserver", 53)? } else { at(served, PORT)? };
        let spec = SidecarSpec::new(usual("kuma-dp"));
        let own = |port| SocketAddr::new(family.localhost(), port);
        let straight = match (case.load, case.direction) {
            (Load::Queries, _) => own(QUERIES),
            (_, Direction::Inbound) => at(POD, spec.inbound_port)?,
            _ => own(spec.outbound_port),
        };
        let caller = match (case.direction, case.way) {
            (Direction::Inbound, _) => (PEER, Identity::ROOT),
            (_, Way::Own(_)) => (POD, spec.identity),
            _ => (POD, usual("app")),
        };
        let client = Client::start(network.node(caller.0)?, "caller", caller.1)?;
        let mut rig = Self {
            case,
            call: if case.way == Way::Straight { straight } else { server },
            meant: server,
            client,
            sidecars: Vec::new(),
            servers: Vec::new(),
            name_servers: Vec::new(),
            made: 0,
            network,
        };
        rig.lend_passthrough()?;
        rig.start_servers(served, server)?;
        rig.start_sidecars(&spec)?;
        rig.install()?;
        Ok(rig)
    }

    /// Where tproxy is not installed, nobody gives the host the address from which a sidecar calls its application over
    /// IPv6: calling from another one would be less work than it has otherwise.
    fn lend_passthrough(&self) -> Result<(), LoadError> {
        if self.case.way == Way::Straight && self.case.family == IpFamily::V6 {
            for node in self.with_sidecar() {
                let passthrough = IpNet::from(self.case.family.passthrough());
                link::add_address(self.network.node(node)?, "lo", passthrough)?;
            }
        }
        Ok(())
    }

    fn start_servers(&mut self, node: &str, server: SocketAddr) -> Result<(), LoadError> {
        if self.case.load != Load::Queries {
            let spec =
                AppSpec::new("server", if node == POD { usual("app") } else { Identity::ROOT }, [PORT]);
            self.servers.push(App::start(self.network.node(node)?, spec)?);
            return Ok(());
        }
        let own = SocketAddr::new(self.case.family.localhost(), QUERIES);
        let specs = [(PEER, "server", server, Identity::ROOT), (POD, "sidecar-dns", own, usual("kuma-dp"))];
        for (node, name, address, identity) in specs {
            let spec = NameServerSpec {
                name: name.to_owned(),
                identity,
                addresses: vec![address],
                upstream: None,
                known_by: std::net::Ipv4Addr::new(192, 0, 2, 53),
                zone: std::collections::BTreeMap::new(),
            };
            self.name_servers.push(NameServer::start(self.network.node(node)?, spec)?);
        }
        Ok(())
    }

    /// One in each node whose traffic shall be captured; those that are called themselves are told where to go on.
    fn start_sidecars(&mut self, spec: &SidecarSpec) -> Result<(), LoadError> {
        let inbound_of_peer = SocketAddr::new(self.meant.ip(), spec.inbound_port);
        let whole = self.case.direction == Direction::Whole;
        let onward = [(POD, if whole { inbound_of_peer } else { self.meant }), (PEER, self.meant)];
        for (node, onward) in onward.into_iter().take(if whole { 2 } else { 1 }) {
            let straight = self.case.way == Way::Straight;
            let mode = if straight { Mode::ForwardTo(onward) } else { Mode::Forward };
            let spec = SidecarSpec { mode, connections: CONNECTIONS, ..spec.clone() };
            self.sidecars.push(Sidecar::start(self.network.node(node)?, spec)?);
        }
        Ok(())
    }

    fn install(&self) -> Result<(), LoadError> {
        let Some(backend) = self.case.backend() else { return Ok(()) };
        for node in self.with_sidecar() {
            let node = self.network.node(node)?;
            let mut install = Program::new("tproxy").args(["install", &format!("--backend={backend}")]);
            if self.case.load == Load::Queries {
                install = install.arg("--redirect-all-dns-traffic");
            }
            if self.case.exclusions > 0 {
                node.write_file(CONFIGURATION, self.configuration())?;
                install = install.arg(format!("--config={CONFIGURATION}"));
            }
            install.deadline(patient(DEADLINE)).run(node)?.checked()?;
        }
        Ok(())
    }

    /// The nodes whose traffic a sidecar takes.
    fn with_sidecar(&self) -> &'static [&'static str] {
        if self.case.direction == Direction::Whole { &[POD, PEER] } else { &[POD] }
    }

    fn configuration(&self) -> String {
        let own = self.network.topology().addresses().map(|(_, network)| network.addr());
        let spared: Vec<IpAddr> = own.collect();
        let networks = exclusions::networks(self.case.exclusions, self.case.family, &spared);
        let items: String = networks.iter().map(|network| format!("      - \"{network}\"\n")).collect();
        format!("redirect:\n  outbound:\n    excludePortsForIPs:\n{items}")
    }

    /// Does so much work. The reason is there when the round is not what the case claims.
    pub(super) fn round(&mut self, pieces: usize) -> Result<(Round, Option<String>), LoadError> {
        let (pod, peer) = (self.network.node(POD)?, self.network.node(PEER)?);
        let work = Work { kind: self.case.load.kind(), to: self.call, pieces, clients: self.case.clients };
        let (pod_before, peer_before, started) = (pod.cpu_time()?, peer.cpu_time()?, Instant::now());
        let done = self.client.work(work, patient(DEADLINE))?;
        let wall = started.elapsed();
        let (pod, peer) = (pod.cpu_time()?, peer.cpu_time()?);
        self.made += work.flows() as u64;
        let round = Round {
            pieces,
            wall,
            pod: pod.saturating_sub(pod_before),
            peer: peer.saturating_sub(peer_before),
            took: done.took,
        };
        let witness = Witness {
            tally: done.tally,
            sidecars: self.sidecars.iter().map(|one| one.log().take()).collect(),
            servers: self.server_logs().map(Log::take).collect(),
        };
        let timed = round.took.len();
        let void = (timed != pieces).then(|| format!("{timed} of {pieces} pieces came to their end"));
        Ok((round, void.or_else(|| proof::of_round(self.case, work.flows(), self.meant, &witness))))
    }

    fn server_logs(&self) -> impl Iterator<Item = &Log> {
        self.servers.iter().map(App::log).chain(self.name_servers.iter().map(NameServer::log))
    }

    /// What our rules or programs counted against all flows that were made; the reason when they differ. Of queries rules count
    /// the first of a port in a while only, so that the sidecar's word must do; programs count each.
    pub(super) fn counters(&self) -> Result<Option<String>, LoadError> {
        let flavour = match self.case.backend() {
            Some(BackendId::Ebpf) => return self.counted_by_programs(),
            Some(BackendId::IptablesNft) if self.case.load.kind() != Kind::Queries => "nft",
            Some(BackendId::IptablesLegacy) if self.case.load.kind() != Kind::Queries => "legacy",
            _ => return Ok(None),
        };
        let base = if self.case.family == IpFamily::V4 { "iptables" } else { "ip6tables" };
        for (node, direction) in self.counting() {
            let save = Program::new(&format!("{base}-{flavour}-save")).args(["-c", "-t", "nat"]);
            let saved = save.run(self.network.node(node)?).and_then(Finished::checked)?.stdout_text();
            let (counted, made) = (proof::counted(self.case.way, *direction, &saved), self.made);
            if counted != made {
                return Ok(Some(format!("the rules of {node} counted {counted} of {made} flows")));
            }
        }
        Ok(None)
    }

    /// The same of programs, which count calls and connections by the policy's lines.
    fn counted_by_programs(&self) -> Result<Option<String>, LoadError> {
        for (node, direction) in self.counting() {
            let status = Program::new("tproxy").args(["status", "--json"]).run(self.network.node(node)?);
            let status = status.and_then(Finished::checked)?.stdout_text();
            let counted = proof::counted_by_line(self.case, *direction, &status);
            if counted != self.made {
                return Ok(Some(format!("the programs of {node} counted {counted} of {} flows", self.made)));
            }
        }
        Ok(None)
    }

    /// In which nodes rules redirect, and what.
    fn counting(&self) -> &'static [(&'static str, Direction)] {
        match self.case.direction {
            Direction::Outbound => &[(POD, Direction::Outbound)],
            Direction::Inbound => &[(POD, Direction::Inbound)],
            Direction::Whole => &[(POD, Direction::Outbound), (PEER, Direction::Inbound)],
        }
    }

    /// The largest packet that the pod's link really carries.
    pub(super) fn mtu(&self) -> Result<u32, LoadError> {
        let file = "/sys/class/net/eth0/mtu";
        let node: &Node = self.network.node(POD)?;
        let read = node.run(move || async move { std::fs::read_to_string(file) })?;
        let text = read.map_err(|source| LoadError::Read { file, source })?;
        let number = text.trim().parse();
        number.map_err(|_| LoadError::Read { file, source: std::io::ErrorKind::InvalidData.into() })
    }

    /// Ends it all, and tells what did not end well.
    pub(super) fn down(self) -> Result<(), LoadError> {
        let Self { client, sidecars, servers, name_servers, network, .. } = self;
        sidecars.iter().try_for_each(Sidecar::health)?;
        servers.iter().try_for_each(App::health)?;
        name_servers.iter().try_for_each(NameServer::health)?;
        drop((client, sidecars, servers, name_servers));
        Ok(network.down()?)
    }
}

fn usual(name: &str) -> Identity {
    let account = Account::usual().into_iter().find(|account| account.name == name);
    account.map_or(Identity::ROOT, |account| account.identity)
}
