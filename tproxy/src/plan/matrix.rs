//! A table of flows that shows what a plan means: who sends or receives, over what, to where.
//!
//! The flows are made from the plan itself, so that every exclusion, list and server of it is in the table, up to a
//! bound. Must never decide anything: each verdict comes from the policy.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::Serialize;

use super::explain::Explanation;
use super::flow::{ConntrackState, Flow, Protocol};
use super::{Exclusion, Plan, elsewhere};
use crate::config::exclusion::IdRange;
use crate::config::interface::InterfacePattern;
use crate::config::ports::Ports;
use crate::family::IpFamily;

/// Of each kind of entry so many are shown: enough for what people write, and a table that can be read.
const SHOWN: usize = 8;
/// The user of an application, where no exclusion is about users.
const APPLICATION: u32 = 1000;

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// In which family.
    pub family: IpFamily,
    /// Who sends, in words.
    pub from: String,
    /// Where to, in words.
    pub to: String,
    /// The flow, its verdict and the reason.
    #[serde(flatten)]
    pub explanation: Explanation,
}

/// A name that a pattern does not stand for.
fn other_than(pattern: &InterfacePattern) -> String {
    (0..).map(|number| format!("eth{number}")).find(|name| !pattern.matches(name)).unwrap_or_default()
}

impl Plan {
    /// The verdicts of a whole table of flows, of every family that is captured.
    #[must_use]
    pub fn matrix(&self) -> Vec<Row> {
        let families: Vec<IpFamily> = self.policy.families.iter().copied().collect();
        let outbound = families.iter().flat_map(|family| self.outbound_rows(*family));
        let inbound = families.iter().flat_map(|family| self.inbound_rows(*family));
        outbound.chain(inbound).collect()
    }

    fn outbound_rows(&self, family: IpFamily) -> Vec<Row> {
        let sidecar = self.policy.sidecar_uid;
        let application = self.application();
        let owners = [("application".to_owned(), application), ("sidecar".to_owned(), sidecar)];
        let mut rows = Vec::new();
        for (who, uid) in owners {
            for (to, protocol, destination) in self.destinations(family) {
                let flow = Flow { protocol, ..Flow::outbound(destination, uid) };
                rows.push(self.row(format!("{who} (uid {uid})"), to, flow));
            }
        }
        let port = self.ordinary_port();
        let passthrough = Flow {
            source: Some(family.passthrough()),
            ..Flow::outbound(SocketAddr::new(self.own_address(family), port), sidecar)
        };
        rows.push(self.row(
            format!("sidecar from {}", family.passthrough()),
            "itself".to_owned(),
            passthrough,
        ));
        let excluded = self.policy.outbound.exclusions.iter().filter(|exclusion| exclusion.network.is_none());
        rows.extend(excluded.take(SHOWN).map(|exclusion| self.owner_row(exclusion, family)));
        let elsewhere = SocketAddr::new(self.destination_elsewhere(family), port);
        let itself = SocketAddr::new(self.own_address(family), port);
        rows.extend(self.policy.outbound.exclude_interfaces.iter().take(SHOWN).map(|pattern| {
            let name = pattern.example();
            let is_loopback = name == self.host.loopback;
            let (to, destination) = if is_loopback { ("itself", itself) } else { ("elsewhere", elsewhere) };
            let flow = Flow { interface: Some(name.clone()), ..Flow::outbound(destination, application) };
            self.row(format!("application (uid {application})"), format!("{to} by {name}"), flow)
        }));
        rows
    }

    /// A flow of those that an exclusion by owner is about.
    fn owner_row(&self, exclusion: &Exclusion, family: IpFamily) -> Row {
        let port = exclusion.ports.ranges().next().map_or(8080, |range| range.first.get());
        let destination = SocketAddr::new(self.destination_elsewhere(family), port);
        let uid = exclusion.uids.map_or_else(|| self.application(), |uids| uids.first);
        let gid = exclusion.gids.map(|gids| gids.first);
        let protocol = exclusion.protocol.unwrap_or(Protocol::Tcp);
        let who = gid.map_or_else(|| format!("uid {uid}"), |gid| format!("uid {uid}, gid {gid}"));
        let flow = Flow { protocol, gid, ..Flow::outbound(destination, uid) };
        self.row(who, format!("elsewhere:{port}/{protocol}"), flow)
    }

    fn destinations(&self, family: IpFamily) -> Vec<(String, Protocol, SocketAddr)> {
        let elsewhere = self.destination_elsewhere(family);
        let outbound = &self.policy.outbound;
        let port = self.ordinary_port();
        let lists = [&outbound.exclude_ports, &outbound.include_ports];
        let ports = shown_ports(&[80, 443, 53], lists, port);
        let tcp = |port: u16| (format!("elsewhere:{port}"), Protocol::Tcp, SocketAddr::new(elsewhere, port));
        let mut found: Vec<_> = ports.into_iter().map(tcp).collect();
        let networks = outbound.exclusions.iter().filter_map(|exclusion| exclusion.network);
        let networks = networks.filter(|network| IpFamily::of(network.addr()) == family).take(SHOWN);
        found.extend(networks.filter_map(|network| {
            let address = self.foreign_in(&network).or_else(|| inside(&network, |_| true))?;
            Some((network.to_string(), Protocol::Tcp, SocketAddr::new(address, port)))
        }));
        found.push(("localhost".to_owned(), Protocol::Tcp, SocketAddr::new(family.localhost(), port)));
        found.push(("itself".to_owned(), Protocol::Tcp, SocketAddr::new(self.own_address(family), port)));
        found.push(("elsewhere:443/udp".to_owned(), Protocol::Udp, SocketAddr::new(elsewhere, 443)));
        let servers = self.policy.dns.iter().filter_map(|dns| dns.servers.as_ref()).flatten();
        let servers = servers.filter(|server| IpFamily::of(**server) == family).take(SHOWN);
        found
            .extend(servers.map(|server| {
                (format!("name server {server}"), Protocol::Udp, SocketAddr::new(*server, 53))
            }));
        found.push(("other name server".to_owned(), Protocol::Udp, SocketAddr::new(elsewhere, 53)));
        found
    }

    fn inbound_rows(&self, family: IpFamily) -> Vec<Row> {
        let inbound = &self.policy.inbound;
        let own = |port| SocketAddr::new(self.own_address(family), port);
        let source = self.source_elsewhere(family);
        let lists = [&inbound.exclude_ports, &inbound.include_ports];
        let ordinary = without(lists);
        let mut rows: Vec<Row> = shown_ports(&[22, 80], lists, ordinary)
            .into_iter()
            .map(|port| {
                let flow = Flow::inbound(own(port), source);
                self.row("elsewhere".to_owned(), format!("this host:{port}"), flow)
            })
            .collect();
        let datagram = Flow { protocol: Protocol::Udp, ..Flow::inbound(own(80), source) };
        rows.push(self.row("elsewhere".to_owned(), "this host:80/udp".to_owned(), datagram));
        if self.policy.drop_invalid {
            let invalid = Flow { conntrack: ConntrackState::Invalid, ..Flow::inbound(own(80), source) };
            rows.push(self.row("elsewhere, invalid".to_owned(), "this host:80".to_owned(), invalid));
        }
        let another = Flow::inbound(SocketAddr::new(self.another_host(family, source), ordinary), source);
        rows.push(self.row("elsewhere".to_owned(), format!("another host:{ordinary}"), another));
        let sources = inbound.exclude_sources.iter().filter(|network| IpFamily::of(network.addr()) == family);
        rows.extend(sources.take(SHOWN).filter_map(|network| {
            let flow = Flow::inbound(own(80), self.foreign_in(network)?);
            Some(self.row(network.to_string(), "this host:80".to_owned(), flow))
        }));
        let interfaces = inbound.exclude_interfaces.iter().take(SHOWN).map(InterfacePattern::example);
        rows.extend(interfaces.filter(|name| *name != self.host.loopback).map(|name| {
            let flow = Flow { interface: Some(name.clone()), ..Flow::inbound(own(80), source) };
            self.row(format!("elsewhere by {name}"), "this host:80".to_owned(), flow)
        }));
        if let Some(only) = &inbound.only_interface {
            let flow = Flow { interface: Some(other_than(only)), ..Flow::inbound(own(80), source) };
            rows.push(self.row("elsewhere by another interface".to_owned(), "this host:80".to_owned(), flow));
        }
        rows.extend(self.vnet_rows(family));
        rows
    }

    fn vnet_rows(&self, family: IpFamily) -> Vec<Row> {
        let mut rows = Vec::new();
        for vnet in self.policy.vnets.iter().take(SHOWN) {
            let name = vnet.interface.example();
            let mut networks = vnet.networks.iter().filter(|network| IpFamily::of(network.addr()) == family);
            let found = networks.find_map(|network| Some((network, self.foreign_in(network)?)));
            let Some((network, inside)) = found.filter(|_| name != self.host.loopback) else { continue };
            let flow = |protocol, destination| Flow {
                protocol,
                interface: Some(name.clone()),
                ..Flow::inbound(destination, inside)
            };
            let from = || format!("{network} by {name}");
            let elsewhere = self.outside_of(self.policy.vnets.iter().flat_map(|vnet| &vnet.networks), family);
            let outside = SocketAddr::new(elsewhere, 80);
            rows.push(self.row(from(), "elsewhere:80".to_owned(), flow(Protocol::Tcp, outside)));
            let inside = SocketAddr::new(inside, 80);
            rows.push(self.row(from(), format!("{network}:80"), flow(Protocol::Tcp, inside)));
            let query = SocketAddr::new(elsewhere, 53);
            rows.push(self.row(from(), "any name server".to_owned(), flow(Protocol::Udp, query)));
        }
        rows
    }

    fn row(&self, from: String, to: String, flow: Flow) -> Row {
        Row { family: flow.family(), from, to, explanation: self.explain(&flow) }
    }

    /// The first user from [`APPLICATION`] on that is neither the sidecar nor excluded as a user, where there is one.
    fn application(&self) -> u32 {
        let sidecar = self.policy.sidecar_uid;
        let excluded = self.policy.outbound.exclusions.iter().filter_map(|exclusion| exclusion.uids);
        let mut taken: Vec<IdRange> = excluded.chain([IdRange { first: sidecar, last: sidecar }]).collect();
        taken.sort_unstable();
        // Ascending, so whoever is not taken by the ranges up to here may only be taken by the next one.
        let free = taken.iter().try_fold(APPLICATION, |free, range| match range {
            range if range.contains(free) => range.last.checked_add(1),
            _ => Some(free),
        });
        free.filter(|uid| *uid != u32::MAX).unwrap_or(APPLICATION)
    }

    /// A port about which nothing is said, so that a row about something else shows that.
    fn ordinary_port(&self) -> u16 {
        without([&self.policy.outbound.exclude_ports, &self.policy.outbound.include_ports])
    }

    /// Another host that is sent to, about which nothing is said.
    fn destination_elsewhere(&self, family: IpFamily) -> IpAddr {
        let excluded =
            self.policy.outbound.exclusions.iter().filter_map(|exclusion| exclusion.network.as_ref());
        self.outside_of(excluded, family)
    }

    /// Another host that sends, about which nothing is said.
    fn source_elsewhere(&self, family: IpFamily) -> IpAddr {
        self.outside_of(&self.policy.inbound.exclude_sources, family)
    }

    /// One more host, to which what `source` sends is forwarded.
    fn another_host(&self, family: IpFamily, source: IpAddr) -> IpAddr {
        self.outside_of(&[IpNet::from(source)], family)
    }

    /// An address of another host outside `networks`, and of no name server whose queries are captured. Where nothing is
    /// outside, any is as good.
    fn outside_of<'a>(&self, networks: impl IntoIterator<Item = &'a IpNet>, family: IpFamily) -> IpAddr {
        let servers = self.policy.dns.iter().filter_map(|dns| dns.servers.as_ref()).flatten();
        let single = servers.chain(&self.host.addresses).map(|address| IpNet::from(*address));
        elsewhere::outside(networks.into_iter().copied().chain(single), family)
            .unwrap_or_else(|| family.elsewhere())
    }

    /// An address in `network` that is not this host's.
    fn foreign_in(&self, network: &IpNet) -> Option<IpAddr> {
        inside(network, |address| !self.host.owns(address))
    }

    /// An address of this host that is not on loopback, where it has one.
    fn own_address(&self, family: IpFamily) -> IpAddr {
        let own = self.host.addresses.iter().filter(|address| IpFamily::of(**address) == family);
        let mut own = own.filter(|address| !address.is_loopback() && **address != family.passthrough());
        own.next().copied().unwrap_or_else(|| family.localhost())
    }
}

/// These ports, the first of each range of the lists, and `ordinary` where a list says something of others.
fn shown_ports(usual: &[u16], lists: [&Ports; 2], ordinary: u16) -> BTreeSet<u16> {
    let listed = lists.into_iter().flat_map(|list| list.ranges().take(SHOWN)).map(|range| range.first.get());
    let ordinary = lists.iter().any(|list| !list.is_empty()).then_some(ordinary);
    usual.iter().copied().chain(listed).chain(ordinary).collect()
}

/// A port that is in neither list; 8080 where each is in one.
fn without(lists: [&Ports; 2]) -> u16 {
    (8080..=u16::MAX).find(|port| !lists.iter().any(|list| list.contains(*port))).unwrap_or(8080)
}

/// An address in `network` that will do; none where only the unspecified one is in it, which no packet has.
fn inside(network: &IpNet, will_do: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
    /// Of a network that is full of what will not do, more are not looked at.
    const LOOKED_AT: usize = 1000;
    let elsewhere = IpFamily::of(network.addr()).elsewhere();
    let hosts = network.hosts().take(LOOKED_AT).filter(|address| !address.is_unspecified());
    let preferred = network.contains(&elsewhere).then_some(elsewhere);
    preferred.into_iter().chain(hosts).find(|address| will_do(*address))
}
