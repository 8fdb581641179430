//! What a scenario's installation means: tproxy's own configuration and plan, made from what the file says.
//!
//! Pure. Must never look at the system: the host's facts come from the topology and the nodes' usual accounts.

use tproxy::config::{Layers, Problems};
use tproxy::family::IpFamily;
use tproxy::host::resolv_conf::Resolver;
use tproxy::host::{HostFacts, InterfaceAddress, Users};
use tproxy::plan::{self, Plan, PlanError, Sidecar};

use super::schema::Install;
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

/// The plan that an installation in the pod means.
///
/// # Errors
/// tproxy would refuse it.
pub fn plan(install: &Install, topology: &Topology) -> Result<Plan, InstallError> {
    let config = layers(install).resolve()?.config;
    let accounts = Account::usual();
    let named = accounts.iter().map(|account| (account.name.as_str(), account.identity.uid));
    let facts = HostFacts {
        users: Users::named(named),
        loopback: "lo".to_owned(),
        addresses: own_addresses(topology),
        without_ipv6: None,
        resolver: Resolver::default(),
    };
    Ok(plan::resolve(&config, &facts, Sidecar::MustExist)?.0)
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
