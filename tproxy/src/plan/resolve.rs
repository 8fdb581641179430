//! Configuration and host facts become a plan.
//!
//! Must never look anything up: what the host knows is in the facts.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::flow::Protocol;
use super::note::{Note, PlanError};
use super::sidecar::{self, Sidecar};
use super::{Chains, Dns, Engine, Exclusion, Host, Inbound, IptablesOptions, Outbound, Plan, Policy};
use crate::config::exclusion::Protocols;
use crate::config::interface::InterfacePattern;
use crate::config::ports::{Port, Ports};
use crate::config::{BackendChoice, Config, IpFamilyMode, Redirect};
use crate::family::IpFamily;
use crate::host::HostFacts;

/// So many unusable name servers are named: glibc itself reads three.
const NAMED: usize = 8;

/// Resolves `config` on a host with these `facts`.
///
/// # Errors
/// The sidecar's user is unknown.
pub fn resolve(config: &Config, facts: &HostFacts, sidecar: Sidecar) -> Result<(Plan, Vec<Note>), PlanError> {
    let mut notes = Vec::new();
    let sidecar_uid = sidecar::uid(config, facts, sidecar, &mut notes)?;
    let families = families(config, facts, &mut notes);
    let policy = Policy {
        sidecar_uid,
        inbound: Inbound { only_interface: only_interface(config), ..inbound(&config.inbound) },
        outbound: outbound(&config.outbound),
        dns: dns(config, facts, &families, &mut notes),
        vnets: config.vnets.clone(),
        drop_invalid: config.drop_invalid_packets,
        engine: if config.backend == BackendChoice::Ebpf { Engine::Ebpf } else { Engine::Netfilter },
        families,
    };
    let host = Host {
        loopback: facts.loopback.clone(),
        addresses: own_addresses(facts, &policy.families),
        without_ipv6: facts.without_ipv6.clone(),
    };
    Ok((Plan { policy, iptables: iptables(config), host }, notes))
}

/// Exclusions do not count beside an include list, so that equal policies have equal digests.
fn counted(redirect: &Redirect) -> Ports {
    if redirect.include_ports.is_empty() { redirect.exclude_ports.clone() } else { Ports::default() }
}

fn inbound(redirect: &Redirect) -> Inbound {
    Inbound {
        enabled: redirect.enabled,
        port: redirect.port,
        include_ports: redirect.include_ports.clone(),
        exclude_ports: counted(redirect),
        exclude_sources: redirect.exclude_networks.0.clone(),
        exclude_interfaces: redirect.exclude_interfaces.clone(),
        only_interface: None,
    }
}

/// Rules have no such option, and Kuma's takes it for its programs alone.
fn only_interface(config: &Config) -> Option<InterfacePattern> {
    let named = config.ebpf.tc_attach_interface.clone();
    named.filter(|_| config.backend == BackendChoice::Ebpf)
}

fn outbound(redirect: &Redirect) -> Outbound {
    Outbound {
        enabled: redirect.enabled,
        // Without a port nothing is ever redirected there: the configuration was refused otherwise.
        port: redirect.port.unwrap_or(Port::OUTBOUND),
        include_ports: redirect.include_ports.clone(),
        exclude_ports: counted(redirect),
        exclusions: exclusions(redirect),
        exclude_interfaces: redirect.exclude_interfaces.clone(),
    }
}

/// Users, then groups, then networks; the order has no meaning, since all of them pass.
fn exclusions(redirect: &Redirect) -> Vec<Exclusion> {
    let users = redirect.exclude_uids.iter().map(|exclusion| Exclusion {
        protocol: match exclusion.protocols {
            Protocols::Both => None,
            Protocols::Tcp => Some(Protocol::Tcp),
            Protocols::Udp => Some(Protocol::Udp),
        },
        ports: exclusion.ports.clone(),
        uids: Some(exclusion.uids),
        ..Exclusion::default()
    });
    let groups =
        redirect.exclude_gids.iter().map(|gids| Exclusion { gids: Some(*gids), ..Exclusion::default() });
    let networks = redirect.exclude_networks.0.iter();
    let networks = networks.map(|network| Exclusion { network: Some(*network), ..Exclusion::default() });
    users.chain(groups).chain(networks).collect()
}

fn dns(
    config: &Config,
    facts: &HostFacts,
    families: &BTreeSet<IpFamily>,
    notes: &mut Vec<Note>,
) -> Option<Dns> {
    let port = config.dns.port.filter(|_| config.dns.enabled)?;
    if config.dns.capture_all {
        return Some(Dns { port, servers: None });
    }
    let servers = facts.resolver.servers.clone();
    let unusable = &facts.resolver.unusable;
    notes.extend(unusable.iter().take(NAMED).cloned().map(Note::unusable_server));
    notes.extend(unusable.len().checked_sub(NAMED).filter(|more| *more > 0).map(Note::MoreUnusableServers));
    let is_known = |family: IpFamily| servers.iter().any(|server| IpFamily::of(*server) == family);
    notes.extend(families.iter().filter(|family| !is_known(**family)).map(|family| Note::NoServer(*family)));
    Some(Dns { port, servers: Some(servers) })
}

fn iptables(config: &Config) -> IptablesOptions {
    IptablesOptions {
        inbound_first: config.inbound.insert,
        outbound_first: config.outbound.insert,
        comments: !config.rules.without_comments,
        log_level: config.rules.log.then_some(config.rules.log_level.get()),
        conntrack_zones: config.dns.enabled && !config.dns.skip_conntrack_zone_split,
        chains: Chains::of(config),
        store_firewalld: config.store_firewalld,
        loading: config.loading.clone(),
    }
}

fn families(config: &Config, facts: &HostFacts, notes: &mut Vec<Note>) -> BTreeSet<IpFamily> {
    let mut families = BTreeSet::from([IpFamily::V4]);
    if config.ip_family_mode == IpFamilyMode::DualStack {
        match &facts.without_ipv6 {
            None => {
                families.insert(IpFamily::V6);
            }
            Some(reason) => notes.push(Note::Ipv4Only { reason: reason.clone() }),
        }
    }
    families
}

/// The host's addresses once the plan is installed: capturing IPv6 gives loopback the passthrough source.
fn own_addresses(facts: &HostFacts, families: &BTreeSet<IpFamily>) -> BTreeSet<IpAddr> {
    let mut addresses: BTreeSet<_> = facts.addresses.iter().map(|own| own.address.to_canonical()).collect();
    if families.contains(&IpFamily::V6) {
        addresses.insert(IpFamily::V6.passthrough());
    }
    addresses
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
