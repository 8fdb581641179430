//! Everybody on the stage of a variant: servers, name servers, clients and programs, in their places.
//!
//! Must never start somebody whom the scenario does not need, but for those who show where a flow went astray.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tproxy::config::ports::Port;
use tproxy::family::IpFamily;
use tproxy::plan::Plan;

use super::RunError;
use super::proxy::Proxy;
use super::stage::{POD, PROGRAM_DEADLINE};
use crate::actor::{App, AppSpec, Client, Mode, NameServer, NameServerSpec, SidecarSpec};
use crate::link::Network;
use crate::node::{Account, Identity, Program, Running};
use crate::scenario::{Document, Place, Step, Who};

/// Everybody but the sidecar. Dropping it ends them.
#[derive(Default)]
pub(super) struct Cast {
    clients: BTreeMap<Who, Client>,
    servers: Vec<App>,
    name_servers: Vec<NameServer>,
    _programs: Vec<Running>,
}

/// The sidecar, which listens on the ports of every installation.
pub(super) fn proxy(
    network: &Network,
    first: &Plan,
    plans: &[Plan],
    forwards: bool,
) -> Result<Proxy, RunError> {
    let mut spec = SidecarSpec::new(sidecar(first));
    [spec.inbound_port, spec.outbound_port] = ports(first);
    spec.further_ports = plans.iter().map(ports).collect();
    spec.mode = if forwards { Mode::Forward } else { Mode::Record };
    let links = network.topology().ends_of(POD).flat_map(|end| &end.addresses);
    let own: Vec<IpAddr> =
        links.map(|address| address.addr()).chain(IpFamily::ALL.map(IpFamily::localhost)).collect();
    let dns_ports: BTreeSet<u16> =
        plans.iter().filter_map(|plan| plan.policy.dns.as_ref()).map(|dns| dns.port.get()).collect();
    let at = |port: u16| own.iter().map(move |address| SocketAddr::new(*address, port));
    let dns = NameServerSpec {
        addresses: dns_ports.into_iter().flat_map(at).collect(),
        ..name_server("sidecar-dns", sidecar(first))
    };
    let dns = Some(dns).filter(|dns| !dns.addresses.is_empty());
    Proxy::start(network.node(POD)?, spec, dns)
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
    pub(super) fn client(&self, who: Who) -> Option<&Client> {
        self.clients.get(&who)
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
        // Where the sidecar is killed a refusal must be its own.
        let kills = document.every_step().iter().any(|step| matches!(step, Step::Kill(_)));
        let expectations = document.expectations();
        let ending = |refused: bool| -> BTreeSet<(String, u16)> {
            let wanted =
                expectations.iter().filter(|one| refused == (one.value.reaches == Some(Place::Refused)));
            let called = wanted.filter_map(|one| one.value.to.as_ref());
            called.map(|to| (to.value.host.clone(), to.value.port)).collect()
        };
        let refused: BTreeSet<_> = ending(true).difference(&ending(false)).cloned().collect();
        for (name, node) in [("app", POD), ("peer", "peer")] {
            let Ok(host) = network.node(node) else { continue };
            let ports: BTreeSet<u16> = document
                .callers()
                .into_iter()
                .filter_map(|(_, to)| to)
                .map(|to| (to.value.host, to.value.port))
                .filter(|called| kills || !refused.contains(called))
                .filter(|(host, _)| ["peer", "nameserver"].contains(&host.as_str()) == (node == "peer"))
                .map(|(_, port)| port)
                .filter(|port| node == "peer" || !own_ports.contains(port))
                .collect();
            let identity = if node == POD { identity(Who::App) } else { Identity::ROOT };
            let spec = AppSpec { name: name.to_owned(), identity, ports: ports.into_iter().collect() };
            self.servers.push(App::start(host, spec)?);
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
            let spec = NameServerSpec { addresses, ..name_server("nameserver", Identity::ROOT) };
            self.name_servers.push(NameServer::start(network.node(&place.node)?, spec)?);
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
        let spec = NameServerSpec { addresses, upstream, ..name_server("resolver", identity) };
        self.name_servers.push(NameServer::start(network.node(POD)?, spec)?);
        Ok(())
    }

    fn start_clients(
        &mut self,
        network: &Network,
        document: &Document,
        sidecar: Identity,
    ) -> Result<(), RunError> {
        let wanted: BTreeSet<Who> = document.callers().into_iter().map(|(who, _)| who).collect();
        for who in wanted {
            let identity = if who == Who::Sidecar { sidecar } else { identity(who) };
            let node = network.node(who.node())?;
            let client = Client::start(node, &format!("client-{who}"), identity)?;
            self.clients.insert(who, client);
        }
        Ok(())
    }

    fn start_programs(&mut self, network: &Network, document: &Document) -> Result<(), RunError> {
        for program in document.programs.values().map(|program| &program.value) {
            let Some((name, arguments)) = program.run.split_first() else { continue };
            let node = network.node(&program.on)?;
            let running = Program::new(name)
                .args(arguments.iter().cloned())
                .deadline(PROGRAM_DEADLINE)
                .spawn(node, &program.ready)?;
            self._programs.push(running);
        }
        Ok(())
    }
}

/// A name server that answers itself, nowhere yet.
fn name_server(name: &str, identity: Identity) -> NameServerSpec {
    NameServerSpec {
        name: name.to_owned(),
        identity,
        addresses: Vec::new(),
        upstream: None,
        known_by: known_by(name),
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

/// Who somebody is, by the nodes' usual accounts.
pub(super) fn identity(who: Who) -> Identity {
    let name = match who {
        Who::App => "app",
        Who::Other => "other",
        Who::Sidecar => "kuma-dp",
        Who::Root | Who::Peer | Who::Vm => "root",
    };
    let account = Account::usual().into_iter().find(|account| account.name == name);
    account.map_or(Identity::ROOT, |account| account.identity)
}
