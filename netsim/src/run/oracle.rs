//! What the policy says of a scenario's flows: tproxy's own plan, made from the same configuration.
//!
//! Must never look at the system: the host's facts come from the topology.

use std::net::SocketAddr;

use tproxy::config::Config;
use tproxy::family::IpFamily;
use tproxy::host::{HostFacts, InterfaceAddress, Users};
use tproxy::plan::flow::Verdict;
use tproxy::plan::{self, Plan, Sidecar};

use super::RunError;
use crate::node::Account;
use crate::scenario::{Install, Place, install_layers};
use crate::topology::Topology;

/// The configuration and the plan that an installation in the pod means.
pub(super) fn plan(install: &Install, topology: &Topology) -> Result<(Config, Plan), RunError> {
    let config = install_layers(install).resolve()?.config;
    let accounts = Account::usual();
    let named = accounts.iter().map(|account| (account.name.as_str(), account.identity.uid));
    let facts = HostFacts {
        users: Users::named(named),
        loopback: "lo".to_owned(),
        addresses: own_addresses(topology),
        without_ipv6: None,
    };
    let (plan, _) = plan::resolve(&config, &facts, Sidecar::MustExist)?;
    Ok((config, plan))
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

/// The first listener of the sidecar that a flow with this verdict comes by; `None` when it comes by none.
pub(super) fn first_listener(verdict: Verdict, destination: SocketAddr, plan: &Plan) -> Option<Place> {
    let (inbound, outbound) = (plan.policy.inbound.port, plan.policy.outbound.port);
    let port = match verdict {
        Verdict::Redirect(port) => port.get(),
        // Whoever calls a listener by its own address reaches it without any redirection.
        Verdict::Pass if plan.host.owns(destination.ip()) => destination.port(),
        Verdict::Pass | Verdict::Drop => return None,
    };
    match port {
        port if port == outbound.get() => Some(Place::SidecarOutbound),
        port if port == inbound.get() => Some(Place::SidecarInbound),
        _ => None,
    }
}
