//! The stage of one variant: nodes, servers, sidecar and clients in their places, and tproxy by its binary.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use ipnet::IpNet;
use tproxy::backend::BackendId;
use tproxy::family::IpFamily;
use tproxy::plan::Plan;
use tproxy::plan::explain::Explanation;
use tproxy::plan::flow::Flow;

use super::cast::{self, Cast};
use super::evidence::Witness;
use super::kept::Kept;
use super::kernel_log::KernelLog;
use super::mutant::{Mutant, Mutation};
use super::ports::Ports;
use super::proxy::Proxy;
use super::support::kernel_has;
use super::testimony::alone;
use super::{About, Check, Options, RunError, flavour, rules_program};
use crate::actor::{Client, Seen};
use crate::link::{Network, NetworkOptions};
use crate::node::{Exit, Node, Program, Watched};
use crate::patience::patient;
use crate::require;
use crate::scenario::{self, Deed, Document, Ending, Endpoint, Install, Person, Variant, Who, WirePlace};
use crate::topology::Topology;

pub(super) use crate::scenario::POD;
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
    pub(super) backend: BackendId,
    pub(super) proxy: Proxy,
    /// Connections that were opened and kept.
    pub(super) kept: Kept,
    /// The seed of the run.
    pub(super) seed: u64,
    /// From where flows come.
    pub(super) ports: Ports,
    /// How often each kind of step was done.
    pub(super) deeds: Watched<BTreeMap<Deed, usize>>,
    cast: Cast,
    people: BTreeMap<Who, Person>,
    /// Addresses that steps have added.
    added: RwLock<Vec<(WirePlace, IpNet)>>,
    document: Document,
    /// The options of the last installation.
    last: Mutex<Option<Install>>,
    mutation: Mutation,
    mutants: Mutex<BTreeSet<Mutant>>,
    /// What the kernel logs while the variant runs, where it speaks of namespaces.
    pub(super) kernel_log: Option<KernelLog>,
    /// Collects, where evidence is wanted.
    pub(super) witness: Option<Witness>,
    // Last: the nodes outlive their actors.
    pub(super) network: Network,
}

impl Stage {
    /// Brings everything up to the moment before installing.
    pub(super) fn set(variant: &Variant, options: &Options, mutation: Mutation) -> Result<Self, RunError> {
        let document = variant.scenario.document.clone();
        let topology = of_this_kernel(document.topology.value.topology()?);
        let installations = document.installations().into_iter().map(|install| install.value);
        let plans = installations
            .filter(Install::succeeds)
            .map(|install| scenario::plan(&install.by(variant.backend), &document.files, &topology))
            .collect::<Result<Vec<_>, _>>()?;
        let plan = match plans.first() {
            Some(plan) => plan.clone(),
            None => scenario::plan(&Install::default().by(variant.backend), &document.files, &topology)?,
        };
        let kernel_log = KernelLog::from_now();
        if kernel_log.is_none() {
            require::go_without("kernel-log", "the kernel's log is silent about network namespaces")
                .map_err(RunError::Required)?;
        }
        let network = Network::up(&topology, &network_options(&document, &topology, options))?;
        let witness =
            options.evidence.clone().map(|place| Witness::begin(&network, variant, place)).transpose()?;
        let proxy = cast::proxy(&network, &plan, &plans, &document)?;
        let cast = Cast::start(&network, &document, &plan, &plans, variant.family)?;
        let stage = Self {
            family: variant.family,
            backend: variant.backend,
            proxy,
            cast,
            people: scenario::people(&document, &topology),
            added: RwLock::default(),
            kept: Kept::default(),
            seed: options.seed,
            ports: Ports::new(options.seed, &alone(variant)),
            deeds: Watched::default(),
            facts: plan,
            installed: RwLock::new(None),
            document,
            last: Mutex::new(None),
            mutation,
            mutants: Mutex::default(),
            kernel_log,
            witness,
            network,
        };
        stage.embed_resolver()?;
        Ok(stage)
    }

    /// Docker's rules, where the topology has a resolver like Docker's: by the variant's flavour, and before all else.
    fn embed_resolver(&self) -> Result<(), RunError> {
        let Some(resolver) = self.network.topology().embedded_resolver() else { return Ok(()) };
        let program = format!("iptables-{}-restore", flavour(self));
        Program::new(&program).arg("--noflush").stdin(resolver.rules()).run(self.pod()?)?.checked()?;
        Ok(())
    }

    /// The node that tproxy is installed in.
    pub(super) fn pod(&self) -> Result<&Node, RunError> {
        Ok(self.network.node(POD)?)
    }

    /// The client of somebody who appears in the scenario.
    pub(super) fn client(&self, who: &Who) -> Option<&Client> {
        self.cast.client(who)
    }

    /// A check for each program that has ended badly.
    pub(super) fn failed_programs(&self) -> impl Iterator<Item = Check> {
        self.cast.failed_programs()
    }

    /// The name of the node that somebody is in, and whether what they send arrives at the pod from outside. Whoever
    /// is unknown was refused when the file was loaded.
    pub(super) fn whereabouts(&self, who: &Who) -> (&str, bool) {
        self.people.get(who).map_or((POD, false), |person| (person.node.as_str(), person.is_outside()))
    }

    /// The topology with what steps have added.
    pub(super) fn topology(&self) -> Topology {
        let added = self.added.read().unwrap_or_else(PoisonError::into_inner);
        let topology = self.network.topology().clone();
        added.iter().fold(topology, |topology, (place, address)| {
            topology.with_address(&place.node, &place.interface, *address)
        })
    }

    /// An address was added: the host's facts are others from now on.
    pub(super) fn has_address(&self, place: &WirePlace, address: IpNet) -> Result<(), RunError> {
        self.added.write().unwrap_or_else(PoisonError::into_inner).push((place.clone(), address));
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(last) = last.filter(|_| self.installed().is_some()) {
            self.now(Some(scenario::plan(&last, &self.document.files, &self.topology())?));
        }
        Ok(())
    }

    /// Takes the addresses back that steps have added, which are not what tproxy could leave.
    pub(super) fn take_addresses_back(&self) -> Result<(), RunError> {
        let added = std::mem::take(&mut *self.added.write().unwrap_or_else(PoisonError::into_inner));
        for (place, address) in added {
            let words = ["address", "del", &address.to_string(), "dev", &place.interface];
            Program::new("ip").args(words).run(self.network.node(&place.node)?)?.checked()?;
        }
        Ok(())
    }

    fn installed(&self) -> Option<Arc<Plan>> {
        self.installed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a name means in this variant's family.
    pub(super) fn address(&self, name: &str) -> Result<IpAddr, RunError> {
        Ok(self.topology().address(name, self.family)?)
    }

    /// What an endpoint means in this variant's family.
    pub(super) fn endpoint(&self, endpoint: &Endpoint) -> Result<SocketAddr, RunError> {
        Ok(SocketAddr::new(self.address(&endpoint.host)?, endpoint.port))
    }

    /// What the policy of the present installation says of a flow; `None` where nothing is installed.
    pub(super) fn explain(&self, flow: &Flow) -> Option<Explanation> {
        self.installed().map(|plan| plan.explain(flow))
    }

    /// The plan of what is installed now, or else of what will be first.
    pub(super) fn now_or_first(&self) -> Arc<Plan> {
        self.installed().unwrap_or_else(|| Arc::new(self.facts.clone()))
    }

    fn now(&self, plan: Option<Plan>) {
        *self.installed.write().unwrap_or_else(PoisonError::into_inner) = plan.map(Arc::new);
    }

    /// Installs tproxy as the scenario says.
    pub(super) fn install(&self, install: &Install) -> Result<Check, RunError> {
        let install = &install.by(self.backend);
        let mut arguments = vec!["install".to_owned()];
        arguments.extend(install.flags.iter().map(|(name, value)| format!("--{name}={}", value.value)));
        if let Some(config) = &install.config {
            let text = config.to_string();
            let file = format!("{CONFIGURATION}{:016x}.yaml", digest(&text));
            self.pod()?.write_file(&file, text)?;
            arguments.push(format!("--config={file}"));
        }
        if self.backend == BackendId::IptablesLegacy && !install.flags.contains_key("backend") {
            arguments.push(format!("--iptables-executables={}", legacy_programs()));
        }
        let done = self.tproxy(arguments, &install.env, &install.ending())?;
        if install.succeeds() && done.passed() {
            self.now(Some(scenario::plan(install, &self.document.files, &self.topology())?));
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(install.clone());
            let found = self.mutation.after_install(self)?;
            self.mutants.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
        }
        Ok(done)
    }

    /// Installs tproxy once more as it was installed last.
    pub(super) fn reinstall(&self, ending: &Ending) -> Result<Check, RunError> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default();
        let Ending { exit_code, prints } = ending.clone();
        self.install(&Install { exit_code, prints, ..last })
    }

    /// Whether what was broken on purpose has shown: then nothing more is to be learned.
    pub(super) fn has_noticed(&self, checks: &[Check]) -> bool {
        let is_traffic = |check: &Check| check.about == About::Traffic && !check.passed();
        matches!(self.mutation, Mutation::Break(_)) && checks.last().is_some_and(is_traffic)
    }

    /// The ways in which what was installed could be broken, if they were to be looked for.
    pub(super) fn mutants(&self) -> BTreeSet<Mutant> {
        self.mutants.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Removes what `install` did.
    pub(super) fn uninstall(&self, ending: &Ending) -> Result<Check, RunError> {
        if ending.exit_code.unwrap_or(0) == 0 {
            self.now(None);
        }
        let done = self.tproxy(vec!["uninstall".to_owned()], &BTreeMap::new(), ending)?;
        self.mutation.after_uninstall(self)?;
        Ok(done)
    }

    /// Loads rules of another program, of the variant's flavour and family.
    pub(super) fn load_rules(&self, text: &str) -> Result<Check, RunError> {
        let program = rules_program(self, "restore");
        let finished = Program::new(&program).arg("--noflush").stdin(text).run(self.pod()?)?;
        let problems = if finished.success() { Vec::new() } else { vec![finished.to_string()] };
        let (title, happened) = (format!("rules of another program ({program})"), finished.exit.to_string());
        Ok(Check::new(About::Rules, title, happened, problems))
    }

    fn tproxy(
        &self,
        arguments: Vec<String>,
        variables: &BTreeMap<String, String>,
        ending: &Ending,
    ) -> Result<Check, RunError> {
        let title = format!("tproxy {}", arguments.join(" "));
        let mut program = Program::new("tproxy").args(arguments).deadline(patient(PROGRAM_DEADLINE));
        for (name, value) in variables {
            program = program.env(name, value.as_str());
        }
        let finished = program.run(self.pod()?)?;
        let printed = finished.stdout_text() + &finished.stderr_text();
        let expected = Exit::Code(ending.exit_code.unwrap_or(0));
        let mut problems = Vec::new();
        if finished.exit != expected || finished.timed_out {
            problems.push(format!("expected {expected}, got {finished}"));
        }
        if let Some(text) = ending.prints.as_ref().filter(|text| !printed.contains(*text)) {
            problems.push(format!("expected it to print `{text}`; it printed `{}`", printed.trim()));
        }
        let happened = finished.exit.to_string();
        Ok(Check { printed, ..Check::new(About::Rules, title, happened, problems) })
    }

    /// The rules in force in the pod, with counters.
    pub(super) fn rules(&self) -> Result<String, RunError> {
        let flavour = flavour(self);
        let script = format!("iptables-{flavour}-save -c; ip6tables-{flavour}-save -c");
        let saved = Program::new("sh").args(["-c", &script]).run(self.pod()?)?;
        Ok(saved.stdout_text())
    }

    /// The rules in force in the pod in the variant's family, with counters.
    pub(super) fn rules_of_family(&self) -> Result<String, RunError> {
        let saved = Program::new(&rules_program(self, "save")).arg("-c").run(self.pod()?)?;
        Ok(saved.checked()?.stdout_text())
    }

    /// The last connections and queries that every server ever saw.
    pub(super) fn remembered(&self) -> Vec<Seen> {
        let mut seen = self.proxy.remembered();
        seen.extend(self.cast.remembered());
        seen
    }

    /// Ends everything, and tells what did not end well.
    pub(super) fn strike(self) -> Result<(), RunError> {
        let Self { network, proxy, kept, cast, witness, .. } = self;
        proxy.health()?;
        cast.health()?;
        drop((kept, proxy, cast, witness));
        Ok(network.down()?)
    }
}

/// What of a topology the kernel can have: its nodes are of both families, also where a variant is of one.
fn of_this_kernel(topology: Topology) -> Topology {
    let missing = IpFamily::ALL.into_iter().filter(|family| !kernel_has(*family));
    missing.fold(topology, Topology::without)
}

fn network_options(document: &Document, topology: &Topology, options: &Options) -> NetworkOptions {
    let mut network = NetworkOptions::default();
    network.base.programs.push(("tproxy".to_owned(), options.tproxy.clone()));
    network.base.programs.extend(options.programs.iter().cloned());
    if let Some(place) = topology.name_server() {
        network.base.name_servers.clone_from(&place.addresses);
    }
    if let Some(resolver) = topology.embedded_resolver() {
        network.node(resolver.node).name_servers = topology.servers_of(resolver.node);
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

/// Tells configuration files apart.
fn digest(text: &str) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    std::hash::Hasher::write(&mut hasher, text.as_bytes());
    std::hash::Hasher::finish(&hasher)
}

/// The value of `--iptables-executables` that chooses the legacy flavour: of the families that have it here, since naming
/// a program that is not there is refused.
pub(crate) fn legacy_programs() -> String {
    let families = ["iptables", "ip6tables"].into_iter();
    let there = families.filter(|base| Path::new(&format!("/usr/sbin/{base}-legacy")).exists());
    let programs = there.flat_map(|base| {
        ["", "-save", "-restore"].map(|what| format!("{base}{what}:/usr/sbin/{base}-legacy{what}"))
    });
    programs.collect::<Vec<_>>().join(",")
}
