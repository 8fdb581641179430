//! The stage of one variant: nodes, servers, sidecar and clients in their places, and tproxy by its binary.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tproxy::backend::BackendId;
use tproxy::config::ports::Port;
use tproxy::family::IpFamily;
use tproxy::plan::Plan;
use tproxy::plan::explain::Explanation;
use tproxy::plan::flow::Flow;

use super::{Check, Options, RunError};
use crate::actor::{App, AppSpec, Client, Mode, NameServer, NameServerSpec, Sidecar, SidecarSpec};
use crate::link::{Network, NetworkOptions};
use crate::node::{Account, Identity, Node, Program, Running};
use crate::scenario::{self, Document, Endpoint, Install, Place, Variant, Who};
use crate::topology::Topology;

/// The node that tproxy is installed in.
pub(super) const POD: &str = "pod";
/// How long a program of the scenario, tproxy included, may take.
pub(super) const PROGRAM_DEADLINE: Duration = Duration::from_secs(10);
const CONFIGURATION: &str = "/run/netsim/config-";

/// Everything that a variant needs while it runs. Dropping it ends all of it.
pub(super) struct Stage {
    /// The plan of the scenario's first installation: the sidecar's user and ports, and the pod's addresses.
    pub(super) facts: Plan,
    /// The plan of what is installed now.
    installed: RwLock<Option<Arc<Plan>>>,
    pub(super) family: IpFamily,
    pub(super) sidecar: Sidecar,
    clients: BTreeMap<Who, Client>,
    document: Document,
    backend: BackendId,
    servers: Vec<App>,
    name_servers: Vec<NameServer>,
    _programs: Vec<Running>,
    // Last: the nodes outlive their actors.
    pub(super) network: Network,
}

impl Stage {
    /// Brings everything up to the moment before installing.
    pub(super) fn set(variant: &Variant, options: &Options) -> Result<Self, RunError> {
        let document = variant.scenario.document.clone();
        let topology = Topology::ready(&document.topology.value)?;
        let first =
            document.installations().into_iter().next().map(|install| install.value).unwrap_or_default();
        let plan = scenario::plan(&first, &document, &topology)?;
        let network = Network::up(&topology, &network_options(&document, &topology, options))?;
        let pod = network.node(POD)?;
        let sidecar_identity = Identity::new(plan.policy.sidecar_uid, plan.policy.sidecar_uid);
        let mut spec = SidecarSpec::new(sidecar_identity);
        // Without one nothing is redirected there; a listener more harms nobody.
        spec.inbound_port = plan.policy.inbound.port.unwrap_or(Port::INBOUND).get();
        spec.outbound_port = plan.policy.outbound.port.get();
        spec.mode = if document.sidecar.forwards { Mode::Forward } else { Mode::Record };
        let own_ports = [spec.inbound_port, spec.outbound_port];
        let sidecar = Sidecar::start(pod, spec)?;
        let mut stage = Self {
            family: variant.family,
            backend: variant.backend,
            clients: BTreeMap::new(),
            servers: Vec::new(),
            name_servers: Vec::new(),
            _programs: Vec::new(),
            sidecar,
            facts: plan,
            installed: RwLock::new(None),
            document,
            network,
        };
        stage.start_servers(&own_ports)?;
        stage.start_name_servers(sidecar_identity)?;
        stage.start_clients(sidecar_identity)?;
        stage.start_programs()?;
        Ok(stage)
    }

    /// A server on every port that an expectation names, so that a flow which goes astray is seen where it arrives.
    fn start_servers(&mut self, own_ports: &[u16]) -> Result<(), RunError> {
        for (name, node) in [("app", POD), ("peer", "peer")] {
            let Ok(host) = self.network.node(node) else { continue };
            let expectations = self.document.expectations();
            let bursts = self.document.bursts();
            let ports: BTreeSet<u16> = expectations
                .iter()
                .filter(|expectation| expectation.value.reaches != Some(Place::Refused))
                .filter_map(|expectation| expectation.value.to.as_ref())
                .chain(bursts.iter().map(|burst| &burst.value.to))
                .filter(|to| ["peer", "nameserver"].contains(&to.value.host.as_str()) == (node == "peer"))
                .map(|to| to.value.port)
                .filter(|port| node == "peer" || !own_ports.contains(port))
                .collect();
            let identity = if node == POD { identity(Who::App) } else { Identity::ROOT };
            let spec = AppSpec { name: name.to_owned(), identity, ports: ports.into_iter().collect() };
            self.servers.push(App::start(host, spec)?);
        }
        Ok(())
    }

    /// The topology's name server, the sidecar's listener for queries, and a resolver wherever the pod itself is asked.
    fn start_name_servers(&mut self, sidecar: Identity) -> Result<(), RunError> {
        if let Some(place) = self.network.topology().name_server().cloned() {
            // At every address of its node, so that one that resolv.conf does not name can be asked, too.
            let ends = self.network.topology().ends_of(&place.node).flat_map(|end| &end.addresses);
            let addresses = ends.map(|address| SocketAddr::new(address.addr(), 53)).collect();
            self.name_server("nameserver", &place.node, Identity::ROOT, addresses)?;
        }
        if let Some(port) = self.facts.policy.dns.as_ref().map(|dns| dns.port.get()) {
            let links = self.network.topology().ends_of(POD).flat_map(|end| &end.addresses);
            let own = links.map(|address| address.addr()).chain(IpFamily::ALL.map(IpFamily::localhost));
            let addresses = own.map(|address| SocketAddr::new(address, port)).collect();
            self.name_server("sidecar-dns", POD, sidecar, addresses)?;
        }
        let expectations = self.document.expectations();
        let asked: BTreeSet<IpAddr> = expectations
            .iter()
            .filter_map(|expected| expected.value.server.as_ref())
            .map(|server| self.address(&server.value))
            .collect::<Result<BTreeSet<_>, _>>()?
            .into_iter()
            .filter(|address| self.facts.host.owns(*address))
            .collect();
        let addresses: Vec<SocketAddr> =
            asked.into_iter().map(|address| SocketAddr::new(address, 53)).collect();
        if addresses.is_empty() {
            Ok(())
        } else {
            self.name_server("resolver", POD, Identity::ROOT, addresses)
        }
    }

    fn name_server(
        &mut self,
        name: &str,
        node: &str,
        identity: Identity,
        addresses: Vec<SocketAddr>,
    ) -> Result<(), RunError> {
        let spec = NameServerSpec { name: name.to_owned(), identity, addresses, known_by: known_by(name) };
        self.name_servers.push(NameServer::start(self.network.node(node)?, spec)?);
        Ok(())
    }

    fn start_clients(&mut self, sidecar: Identity) -> Result<(), RunError> {
        let of_expectations = self.document.expectations().into_iter().map(|expected| expected.value.from);
        let of_bursts = self.document.bursts().into_iter().map(|burst| burst.value.from);
        let wanted: BTreeSet<Who> = of_expectations.chain(of_bursts).collect();
        for who in wanted {
            let identity = if who == Who::Sidecar { sidecar } else { identity(who) };
            let node = self.network.node(who.node())?;
            let client = Client::start(node, &format!("client-{who}"), identity)?;
            self.clients.insert(who, client);
        }
        Ok(())
    }

    fn start_programs(&mut self) -> Result<(), RunError> {
        for program in self.document.programs.values().map(|program| &program.value) {
            let Some((name, arguments)) = program.run.split_first() else { continue };
            let node = self.network.node(&program.on)?;
            let running = Program::new(name)
                .args(arguments.iter().cloned())
                .deadline(PROGRAM_DEADLINE)
                .spawn(node, &program.ready)?;
            self._programs.push(running);
        }
        Ok(())
    }

    /// The node that tproxy is installed in.
    pub(super) fn pod(&self) -> Result<&Node, RunError> {
        Ok(self.network.node(POD)?)
    }

    /// The client of somebody who appears in the scenario.
    pub(super) fn client(&self, who: Who) -> Option<&Client> {
        self.clients.get(&who)
    }

    /// What a name means in this variant's family.
    pub(super) fn address(&self, name: &str) -> Result<IpAddr, RunError> {
        Ok(self.network.topology().address(name, self.family)?)
    }

    /// What an endpoint means in this variant's family.
    pub(super) fn endpoint(&self, endpoint: &Endpoint) -> Result<SocketAddr, RunError> {
        Ok(SocketAddr::new(self.address(&endpoint.host)?, endpoint.port))
    }

    /// What the policy of the present installation says of a flow; `None` where nothing is installed.
    pub(super) fn explain(&self, flow: &Flow) -> Option<Explanation> {
        let installed = self.installed.read().unwrap_or_else(PoisonError::into_inner);
        installed.as_ref().map(|plan| plan.explain(flow))
    }

    fn now(&self, plan: Option<Plan>) {
        *self.installed.write().unwrap_or_else(PoisonError::into_inner) = plan.map(Arc::new);
    }

    /// Installs tproxy as the scenario says.
    pub(super) fn install(&self, install: &Install) -> Result<Check, RunError> {
        let plan = scenario::plan(install, &self.document, self.network.topology())?;
        let mut arguments = vec!["install".to_owned()];
        arguments.extend(install.flags.iter().map(|(name, value)| format!("--{name}={}", value.value)));
        if let Some(config) = &install.config {
            let file = format!("{CONFIGURATION}{:016x}.yaml", plan.digest());
            self.pod()?.write_file(&file, config.to_string())?;
            arguments.push(format!("--config={file}"));
        }
        if self.backend == BackendId::IptablesLegacy {
            arguments.push(format!("--iptables-executables={}", legacy_programs()));
        }
        let done = self.tproxy(arguments, &install.env)?;
        self.now(Some(plan).filter(|_| done.passed()));
        Ok(done)
    }

    /// Removes what `install` did.
    pub(super) fn uninstall(&self) -> Result<Check, RunError> {
        self.now(None);
        self.tproxy(vec!["uninstall".to_owned()], &BTreeMap::new())
    }

    /// Loads rules of another program, of the variant's flavour and family.
    pub(super) fn load_rules(&self, text: &str) -> Result<Check, RunError> {
        let base = if self.family == IpFamily::V4 { "iptables" } else { "ip6tables" };
        let flavour = if self.backend == BackendId::IptablesLegacy { "legacy" } else { "nft" };
        let program = format!("{base}-{flavour}-restore");
        let finished = Program::new(&program).arg("--noflush").stdin(text).run(self.pod()?)?;
        let problems = if finished.success() { Vec::new() } else { vec![finished.to_string()] };
        let (title, happened) = (format!("rules of another program ({program})"), finished.exit.to_string());
        Ok(Check { title, happened, printed: String::new(), explanation: None, problems })
    }

    fn tproxy(
        &self,
        arguments: Vec<String>,
        variables: &BTreeMap<String, String>,
    ) -> Result<Check, RunError> {
        let title = format!("tproxy {}", arguments.join(" "));
        let mut program = Program::new("tproxy").args(arguments).deadline(PROGRAM_DEADLINE);
        for (name, value) in variables {
            program = program.env(name, value.as_str());
        }
        let finished = program.run(self.pod()?)?;
        let problems = if finished.success() { Vec::new() } else { vec![finished.to_string()] };
        let printed = finished.stdout_text() + &finished.stderr_text();
        Ok(Check { title, happened: finished.exit.to_string(), printed, explanation: None, problems })
    }

    /// The rules in force in the pod, with counters.
    pub(super) fn rules(&self) -> Result<String, RunError> {
        let flavour = if self.backend == BackendId::IptablesLegacy { "legacy" } else { "nft" };
        let script = format!("iptables-{flavour}-save -c; ip6tables-{flavour}-save -c");
        let saved = Program::new("sh").args(["-c", &script]).run(self.pod()?)?;
        Ok(saved.stdout_text())
    }

    /// Ends everything, and tells what did not end well.
    pub(super) fn strike(self) -> Result<(), RunError> {
        let Self { network, sidecar, clients, servers, name_servers, _programs, .. } = self;
        sidecar.health()?;
        servers.iter().try_for_each(App::health)?;
        name_servers.iter().try_for_each(NameServer::health)?;
        drop((sidecar, clients, servers, name_servers, _programs));
        Ok(network.down()?)
    }
}

fn network_options(document: &Document, topology: &Topology, options: &Options) -> NetworkOptions {
    let mut network = NetworkOptions::default();
    network.base.programs.push(("tproxy".to_owned(), options.tproxy.clone()));
    if let Some(place) = topology.name_server() {
        network.base.name_servers.clone_from(&place.addresses);
    }
    for (node, files) in &document.files {
        let files = files.iter().map(|(path, text)| (PathBuf::from(path), text.value.clone().into_bytes()));
        network.node(node).files.extend(files);
    }
    for (node, sysctls) in &document.sysctls {
        let sysctls = sysctls.iter().map(|(key, value)| (key.clone(), value.value.to_string()));
        network.node(node).sysctls.extend(sysctls);
    }
    network
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
        Who::Sidecar => "kuma-dp",
        Who::Root | Who::Peer | Who::Vm => "root",
    };
    let account = Account::usual().into_iter().find(|account| account.name == name);
    account.map_or(Identity::ROOT, |account| account.identity)
}

/// The value of `--iptables-executables` that chooses the legacy flavour.
fn legacy_programs() -> String {
    let families = ["iptables", "ip6tables"].into_iter();
    let programs = families.flat_map(|base| {
        ["", "-save", "-restore"].map(|what| format!("{base}{what}:/usr/sbin/{base}-legacy{what}"))
    });
    programs.collect::<Vec<_>>().join(",")
}
