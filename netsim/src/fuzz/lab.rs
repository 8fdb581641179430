//! The network of the world made real, with everybody in place, and tproxy by its binary.
//!
//! It stays up from one case to the next: each is installed over the one before, as configurations change in life.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tproxy::backend::BackendId;

use super::FuzzError;
use super::options::Options;
use super::world::{self, IDENTITIES, INBOUND, OUTBOUND, PORTS, QUERIES, Sender, Shot, Transport};
use crate::actor::{App, AppSpec, Attempt, Client, Flight, Outcome, Sidecar, SidecarSpec};
use crate::link::{Network, NetworkOptions};
use crate::node::{Exit, Identity, Program};
use crate::run::legacy_programs;
use crate::scenario::{Install, POD};
use crate::topology::Topology;

/// How long a flow may take; one that nobody answers costs as much.
const WITHIN: Duration = Duration::from_secs(2);
/// How many flows of one sender are under way at a time.
const AT_ONCE: usize = 16;
/// Longer than all flows of a case take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// Everything that flows are sent in. Dropping it ends it.
pub(super) struct Lab {
    backend: BackendId,
    clients: BTreeMap<Sender, Client>,
    /// Where the sidecar takes queries, as whoever it runs as: what it answers is told from others by its owner.
    queries: Mutex<Option<(u32, App)>>,
    _servers: Vec<App>,
    _sidecar: Sidecar,
    // Last: the nodes outlive their actors.
    network: Network,
}

impl Lab {
    pub(super) fn up(backend: BackendId, what: &super::Options) -> Result<Self, FuzzError> {
        let topology = world::layout()?.topology()?;
        let mut options = NetworkOptions::default();
        options.base.deadline = DEADLINE;
        options.base.programs.push(("tproxy".to_owned(), what.tproxy.clone()));
        options.base.programs.extend(what.programs.iter().cloned());
        if let Some(place) = topology.name_server() {
            options.base.name_servers.clone_from(&place.addresses);
        }
        for (node, key, value) in world::SYSCTLS {
            options.node(node).sysctls.push((key.to_owned(), value.to_owned()));
        }
        let network = Network::up(&topology, &options)?;
        let pod = network.node(POD)?;
        let sidecar = Sidecar::start(pod, sidecar_spec())?;
        let mut servers = Vec::new();
        for node in topology.nodes() {
            servers.push(App::start(network.node(node)?, server(node))?);
        }
        let mut clients = BTreeMap::new();
        for (number, identity) in IDENTITIES.into_iter().enumerate() {
            let client = Client::start(pod, &format!("user-{}", identity.uid), identity)?;
            clients.insert(Sender::Local(number), client);
        }
        for node in ["peer", "second", "vm"] {
            let client = Client::start(network.node(node)?, &format!("at-{node}"), Identity::ROOT)?;
            clients.insert(Sender::Node(node), client);
        }
        let queries = Mutex::default();
        Ok(Self { backend, clients, queries, _servers: servers, _sidecar: sidecar, network })
    }

    pub(super) fn topology(&self) -> &Topology {
        self.network.topology()
    }

    pub(super) fn backend(&self) -> BackendId {
        self.backend
    }

    /// Has queries taken as this user.
    fn take_queries_as(&self, uid: u32) -> Result<(), FuzzError> {
        let mut queries = self.queries.lock().unwrap_or_else(PoisonError::into_inner);
        if queries.as_ref().is_none_or(|(taking, _)| *taking != uid) {
            // First gone, since both take the same ports.
            if let Some((_, before)) = queries.take() {
                before.stop()?;
            }
            let identity = Identity::new(uid, uid);
            let spec = AppSpec { udp_ports: QUERIES.to_vec(), ..AppSpec::new("sidecar-dns", identity, []) };
            *queries = Some((uid, App::start(self.network.node(POD)?, spec)?));
        }
        Ok(())
    }

    /// Installs with these options, over what was there, with a sidecar of this user.
    pub(super) fn install(&self, options: &Options, sidecar: u32) -> Result<(), FuzzError> {
        self.take_queries_as(sidecar)?;
        let Install { flags, config, .. } = options.install().by(self.backend);
        let mut arguments = vec!["install".to_owned(), "--quiet".to_owned()];
        arguments.extend(flags.iter().map(|(name, value)| format!("--{name}={}", value.value)));
        if self.backend == BackendId::IptablesLegacy {
            arguments.push(format!("--iptables-executables={}", legacy_programs()));
        }
        let mut program = Program::new("tproxy").deadline(DEADLINE);
        if let Some(config) = config {
            arguments.push("--config=-".to_owned());
            program = program.stdin(config.to_string());
        }
        let finished = program.args(arguments).run(self.network.node(POD)?)?;
        if finished.exit == Exit::Code(0) {
            return Ok(());
        }
        Err(FuzzError::Refused { options: options.to_string(), said: finished.to_string() })
    }

    pub(super) fn uninstall(&self) -> Result<(), FuzzError> {
        let program = Program::new("tproxy").args(["uninstall", "--quiet"]).deadline(DEADLINE);
        program.run(self.network.node(POD)?)?.checked()?;
        Ok(())
    }

    /// Sends all flows, those of different senders side by side, and tells how each ended.
    pub(super) fn send(&self, shots: &[Shot]) -> Result<Vec<Outcome>, FuzzError> {
        let mut by_sender: BTreeMap<Sender, Vec<usize>> = BTreeMap::new();
        for (number, shot) in shots.iter().enumerate() {
            by_sender.entry(shot.from).or_default().push(number);
        }
        let mut pending = Vec::new();
        for (sender, numbers) in by_sender {
            let Some(client) = self.clients.get(&sender) else { continue };
            let flights = numbers.iter().filter_map(|number| shots.get(*number)).map(flight).collect();
            pending.push((numbers, client.volley(flights, AT_ONCE, DEADLINE)));
        }
        let mut outcomes: Vec<Option<Outcome>> = vec![None; shots.len()];
        for (numbers, volley) in pending {
            for (number, outcome) in numbers.into_iter().zip(volley.wait()??) {
                if let Some(slot) = outcomes.get_mut(number) {
                    *slot = Some(outcome);
                }
            }
        }
        Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or(Outcome::TimedOut)).collect())
    }

    /// Ends everything, and tells what did not end well.
    pub(super) fn down(self) -> Result<(), FuzzError> {
        let Self { network, clients, queries, _servers, _sidecar, .. } = self;
        drop((clients, queries, _servers, _sidecar));
        Ok(network.down()?)
    }
}

fn flight(shot: &Shot) -> Flight {
    let attempt = Attempt { from: shot.source, ..Attempt::to(shot.to).within(WITHIN) };
    Flight { attempt, is_datagram: shot.transport == Transport::Udp }
}

/// It listens wherever an option can send something. As root, since no rule looks at who listens.
fn sidecar_spec() -> SidecarSpec {
    let mut spec = SidecarSpec::new(Identity::ROOT);
    [spec.inbound_port, spec.outbound_port] = [INBOUND[0], OUTBOUND[0]];
    spec.further_ports = vec![[INBOUND[1], OUTBOUND[1]]];
    spec.connections = 4096;
    spec
}

/// A server of a node, on every port that is called: so each flow that is not captured is answered where it was sent.
fn server(node: &str) -> AppSpec {
    let is_free = |port: &u16| node != POD || !is_sidecars(SocketAddr::from(([0; 4], *port)));
    let udp = PORTS.into_iter().filter(|port| node != POD || !QUERIES.contains(port));
    let name = if node == POD { "app" } else { node };
    AppSpec {
        udp_ports: udp.collect(),
        ..AppSpec::new(name, Identity::ROOT, PORTS.into_iter().filter(is_free))
    }
}

/// Whether the sidecar listens for connections there.
pub(super) fn is_sidecars(at: SocketAddr) -> bool {
    INBOUND.contains(&at.port()) || OUTBOUND.contains(&at.port())
}
