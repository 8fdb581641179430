//! Everybody on the stage of a variant: servers, name servers, clients and programs, in their places.
//!
//! Must never start somebody whom the scenario does not need, but for those who show where a flow went astray.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tproxy::config::ports::Port;
use tproxy::family::IpFamily;
use tproxy::plan::Plan;

use super::proxy::Proxy;
use super::stage::{POD, PROGRAM_DEADLINE};
use super::{About, Check, RunError};
use crate::actor::{App, AppSpec, Client, Log, Mode, NameServer, NameServerSpec, Seen, SidecarSpec};
use crate::link::Network;
use crate::node::{Exit, Identity, Program, Running};
use crate::patience::patient;
use crate::scenario::{self, Document, Endpoint, Expectation, Place, Protocol, RunsAs, Step, Who};
use crate::topology::Topology;

/// The application, as the nodes' usual accounts have it.
const APP: Identity = Identity::new(1000, 1000);

/// Everybody but the sidecar. Dropping it ends them.
#[derive(Default)]
pub(super) struct Cast {
    clients: BTreeMap<Who, Client>,
    servers: Vec<App>,
    name_servers: Vec<NameServer>,
    programs: Vec<(String, Running)>,
}

/// The sidecar, which listens on the ports of every installation.
pub(super) fn proxy(
    network: &Network,
    first: &Plan,
    plans: &[Plan],
    document: &Document,
) -> Result<Proxy, RunError> {
    let mut spec = SidecarSpec::new(sidecar(first));
    [spec.inbound_port, spec.outbound_port] = ports(first);
    spec.further_ports = plans.iter().map(ports).collect();
    spec.mode = if document.sidecar.forwards { Mode::Forward } else { Mode::Record };
    let links = network.topology().ends_of(POD).flat_map(|end| &end.addresses);
    let own: Vec<IpAddr> =
        links.map(|address| address.addr()).chain(localhosts(network.topology())).collect();
    let dns_ports: BTreeSet<u16> =
        plans.iter().filter_map(|plan| plan.policy.dns.as_ref()).map(|dns| dns.port.get()).collect();
    let at = |port: u16| own.iter().map(move |address| SocketAddr::new(*address, port));
    let dns = NameServerSpec {
        addresses: dns_ports.into_iter().flat_map(at).collect(),
        ..name_server(document, "sidecar-dns", sidecar(first))
    };
    let dns = Some(dns).filter(|dns| !dns.addresses.is_empty());
    Proxy::start(network.node(POD)?, spec, dns)
}

/// The pod's addresses of loopback: that of IPv6 only where IPv6 is not switched off.
fn localhosts(topology: &Topology) -> impl Iterator<Item = IpAddr> {
    let families = topology.families_of(POD);
    let has = move |family: &IpFamily| *family == IpFamily::V4 || families.contains(family);
    IpFamily::ALL.into_iter().filter(has).map(IpFamily::localhost)
}

/// Where the sidecar of a plan listens. Without an inbound port nothing is redirected there; a listener more harms
/// nobody.
fn ports(plan: &Plan) -> [u16; 2] {
    [plan.policy.inbound.port.unwrap_or(Port::INBOUND).get(), plan.policy.outbound.port.get()]
}

fn sidecar(plan: &Plan) -> Identity {
    Identity::new(plan.policy.sidecar_uid, plan.policy.sidecar_uid)
}

impl Cast {
    /// Starts everybody.
    pub(super) fn start(
        network: &Network,
        document: &Document,
        first: &Plan,
        plans: &[Plan],
        family: IpFamily,
    ) -> Result<Self, RunError> {
        let mut cast = Self::default();
        cast.start_servers(network, document, plans)?;
        cast.start_name_servers(network, document, first, family)?;
        cast.start_clients(network, document, sidecar(first))?;
        cast.start_programs(network, document)?;
        Ok(cast)
    }

    /// The client of somebody who appears in the scenario.
    pub(super) fn client(&self, who: &Who) -> Option<&Client> {
        self.clients.get(who)
    }

    /// A check that failed for each program that has ended badly while others relied on it.
    pub(super) fn failed_programs(&self) -> impl Iterator<Item = Check> {
        let ended = self.programs.iter().filter_map(|(name, running)| {
            let exit = running.wait(Duration::ZERO).filter(|exit| *exit != Exit::Code(0))?;
            Some((name, exit, running.stderr()))
        });
        ended.map(|(name, exit, stderr)| {
            let problem = format!("it ended before the scenario did: {exit}; it said `{}`", stderr.trim());
            Check::new(About::Traffic, format!("program {name}"), exit.to_string(), vec![problem])
        })
    }

    /// The last connections and queries that everybody ever saw.
    pub(super) fn remembered(&self) -> Vec<Seen> {
        let logs = self.servers.iter().map(App::log).chain(self.name_servers.iter().map(NameServer::log));
        logs.flat_map(Log::remembered).collect()
    }

    /// Whether everybody still serves.
    pub(super) fn health(&self) -> Result<(), RunError> {
        self.servers.iter().try_for_each(App::health)?;
        Ok(self.name_servers.iter().try_for_each(NameServer::health)?)
    }

    /// A server on every port that is called, so that a flow which goes astray is seen where it arrives.
    fn start_servers(
        &mut self,
        network: &Network,
        document: &Document,
        plans: &[Plan],
    ) -> Result<(), RunError> {
        let own_ports: BTreeSet<u16> = plans.iter().flat_map(ports).collect();
        let called = called(document);
        for node in network.topology().nodes() {
            let here = called.iter().filter(|one| one.is_at(node, network.topology()));
            let (udp, tcp): (Vec<_>, Vec<_>) = here.partition(|one| one.protocol == Protocol::Udp);
            let udp_ports: BTreeSet<u16> = udp.into_iter().map(|one| one.port).collect();
            let ports: BTreeSet<u16> = tcp.into_iter().map(|one| one.port).collect();
            let ports = ports.into_iter().filter(|port| node != POD || !own_ports.contains(port));
            let (name, identity) = if node == POD { ("app", APP) } else { (node, Identity::ROOT) };
            let spec =
                AppSpec { udp_ports: udp_ports.into_iter().collect(), ..AppSpec::new(name, identity, ports) };
            if !(spec.ports.is_empty() && spec.udp_ports.is_empty()) {
                self.servers.push(App::start(network.node(node)?, spec)?);
            }
        }
        Ok(())
    }

    /// The topology's name server, and a resolver wherever the pod itself is asked.
    fn start_name_servers(
        &mut self,
        network: &Network,
        document: &Document,
        first: &Plan,
        family: IpFamily,
    ) -> Result<(), RunError> {
        let topology = network.topology();
        if let Some(place) = topology.name_server() {
            // At every address of its node, so that one that resolv.conf does not name can be asked, too.
            let ends = topology.ends_of(&place.node).flat_map(|end| &end.addresses);
            let ports = document.expectations().into_iter().filter_map(|expected| expected.value.server_port);
            let ports: BTreeSet<u16> = ports.chain([53]).collect();
            let at = |address: &ipnet::IpNet| {
                let address = address.addr();
                ports.iter().map(move |port| SocketAddr::new(address, *port)).collect::<Vec<_>>()
            };
            let addresses = ends.flat_map(at).collect();
            let spec = NameServerSpec { addresses, ..name_server(document, "nameserver", Identity::ROOT) };
            self.name_servers.push(NameServer::start(network.node(&place.node)?, spec)?);
        }
        if let Some(resolver) = topology.embedded_resolver() {
            let upstream = topology.name_server().and_then(|place| place.addresses.first());
            let spec = NameServerSpec {
                addresses: vec![resolver.listens_at()],
                upstream: upstream.map(|address| SocketAddr::new(*address, 53)),
                ..name_server(document, "resolver", Identity::ROOT)
            };
            self.name_servers.push(NameServer::start(network.node(POD)?, spec)?);
        }
        let asked: BTreeSet<IpAddr> = document
            .servers_asked()
            .iter()
            .map(|server| topology.address(&server.value, family))
            .collect::<Result<BTreeSet<_>, _>>()?;
        let addresses: Vec<SocketAddr> = asked
            .into_iter()
            .filter(|address| first.host.owns(*address))
            .map(|address| SocketAddr::new(address, 53))
            .collect();
        if addresses.is_empty() {
            return Ok(());
        }
        let wanted = document.resolver.as_ref().map(|resolver| &resolver.value);
        let identity = wanted.map_or(Identity::ROOT, |resolver| Identity::new(resolver.uid, resolver.uid));
        let upstream = wanted
            .and_then(|resolver| resolver.asks.as_ref())
            .map(|server| topology.address(&server.value, family))
            .transpose()?
            .map(|address| SocketAddr::new(address, 53));
        let spec = NameServerSpec { addresses, upstream, ..name_server(document, "resolver", identity) };
        self.name_servers.push(NameServer::start(network.node(POD)?, spec)?);
        Ok(())
    }

    fn start_clients(
        &mut self,
        network: &Network,
        document: &Document,
        sidecar: Identity,
    ) -> Result<(), RunError> {
        let people = scenario::people(document, network.topology());
        let wanted: BTreeSet<Who> = document.callers().into_iter().map(|(who, _)| who).collect();
        for who in wanted {
            // Whoever is unknown was refused when the file was loaded.
            let Some(person) = people.get(&who) else { continue };
            let identity = match person.runs_as {
                RunsAs::Sidecar => sidecar,
                RunsAs::Identity(identity) => identity,
            };
            let client = Client::start(network.node(&person.node)?, &format!("client-{who}"), identity)?;
            self.clients.insert(who, client);
        }
        Ok(())
    }

    fn start_programs(&mut self, network: &Network, document: &Document) -> Result<(), RunError> {
        for (called, program) in document.programs.iter().map(|(name, program)| (name, &program.value)) {
            let Some((name, arguments)) = program.run.split_first() else { continue };
            let node = network.node(&program.on)?;
            let running = Program::new(name)
                .args(arguments.iter().cloned())
                .deadline(patient(PROGRAM_DEADLINE))
                .spawn(node, &program.ready)?;
            self.programs.push((called.clone(), running));
        }
        Ok(())
    }
}

/// A name server that answers itself, nowhere yet.
fn name_server(document: &Document, name: &str, identity: Identity) -> NameServerSpec {
    NameServerSpec {
        name: name.to_owned(),
        identity,
        addresses: Vec::new(),
        upstream: None,
        known_by: known_by(name),
        zone: document.zones.get(name).map(|zone| zone.value.clone()).unwrap_or_default(),
    }
}

/// By which address real clients know who answered them.
fn known_by(name: &str) -> Ipv4Addr {
    match name {
        "sidecar-dns" => Ipv4Addr::new(192, 0, 2, 15),
        "resolver" => Ipv4Addr::new(192, 0, 2, 127),
        _ => Ipv4Addr::new(192, 0, 2, 53),
    }
}

/// Somewhere that a scenario calls.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Called {
    host: String,
    port: u16,
    protocol: Protocol,
}

impl Called {
    /// Whether a server in this node answers there. Whatever is nobody's is the pod's, where a flow that goes astray
    /// would be seen.
    fn is_at(&self, node: &str, topology: &Topology) -> bool {
        let means = |family| topology.address(&self.host, family).ok();
        let owner = IpFamily::ALL.into_iter().filter_map(means).find_map(|address| topology.owner(address));
        owner.unwrap_or(POD) == node
    }
}

/// Everything that is called, but for what shall be refused: there nobody listens.
fn called(document: &Document) -> BTreeSet<Called> {
    let of = |to: &Endpoint, protocol| Called { host: to.host.clone(), port: to.port, protocol };
    let expectations: Vec<Expectation> = document.expectations().into_iter().map(|one| one.value).collect();
    let ending = |refused: bool| -> BTreeSet<Called> {
        let wanted = expectations.iter().filter(|one| refused == (one.reaches == Some(Place::Refused)));
        wanted.filter_map(|one| Some(of(&one.to.as_ref()?.value, one.protocol))).collect()
    };
    let others = document.every_step().into_iter().filter_map(|step| match step {
        Step::Burst(burst) => Some(of(&burst.value.to.value, Protocol::Tcp)),
        Step::Open(open) => Some(of(&open.value.to.value, Protocol::Tcp)),
        _ => None,
    });
    // Where the sidecar is killed a refusal must be its own.
    let kills = document.every_step().iter().any(|step| matches!(step, Step::Kill(_)));
    let refused = if kills { ending(true) } else { BTreeSet::new() };
    ending(false).into_iter().chain(others).chain(refused).collect()
}
