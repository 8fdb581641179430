//! What a scenario's installation means: tproxy's own configuration and plan, made from what the file says.
//!
//! Pure. Must never look at the system: the host's facts come from the topology and the nodes' usual accounts.

use tproxy::config::{Config, Layers, Problems};
use tproxy::family::IpFamily;
use tproxy::host::resolv_conf::{self, Resolver};
use tproxy::host::{HostFacts, InterfaceAddress, Users};
use tproxy::plan::{self, Plan, PlanError, Sidecar};

use super::people::POD;
use super::schema::Files;
use super::step::Install;
use crate::node::Account;
use crate::topology::Topology;

/// An installation that tproxy would refuse.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// Its options.
    #[error(transparent)]
    Options(#[from] Problems),
    /// Its sidecar's user.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// The plan that an installation in the pod means, where the nodes have these files.
///
/// # Errors
/// tproxy would refuse it.
pub fn plan(install: &Install, files: &Files, topology: &Topology) -> Result<Plan, InstallError> {
    let config = layers(install).resolve()?.config;
    let accounts = Account::usual();
    let named = accounts.iter().map(|account| (account.name.as_str(), account.identity.uid));
    let facts = HostFacts {
        users: Users::named(named),
        loopback: "lo".to_owned(),
        addresses: own_addresses(topology),
        without_ipv6: None,
        resolver: resolver(files, topology, &config),
    };
    Ok(plan::resolve(&config, &facts, Sidecar::MustExist)?.0)
}

/// The pod's name servers: those of a file that the scenario writes, else the topology's.
fn resolver(files: &Files, topology: &Topology, config: &Config) -> Resolver {
    let path = config.dns.resolv_config_path.to_string();
    match files.get("pod").and_then(|files| files.get(&path)) {
        Some(text) => resolv_conf::parse(&text.value),
        None => Resolver { servers: topology.servers_of(POD), unusable: Vec::new() },
    }
}

/// What the install section says, as tproxy's own layers.
fn layers(install: &Install) -> Layers {
    let mut layers = Layers::default().environment(&install.env);
    if let Some(config) = &install.config {
        layers = layers.file("install.config", config.to_string());
    }
    for (name, value) in &install.flags {
        layers = layers.flag(name, value.value.to_string());
    }
    layers
}

fn own_addresses(topology: &Topology) -> Vec<InterfaceAddress> {
    let loopback = IpFamily::ALL
        .map(|family| InterfaceAddress { interface: "lo".to_owned(), address: family.localhost() });
    let links = topology.ends_of("pod").flat_map(|end| {
        end.addresses
            .iter()
            .map(|address| InterfaceAddress { interface: end.interface.clone(), address: address.addr() })
    });
    loopback.into_iter().chain(links).collect()
}
