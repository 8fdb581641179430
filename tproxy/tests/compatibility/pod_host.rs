//! A host made by hand, for plans that must not depend on the machine.

use std::net::IpAddr;

use tproxy::config::Config;
use tproxy::host::resolv_conf;
use tproxy::host::{HostFacts, InterfaceAddress, Users};
use tproxy::plan::{self, Note, Plan, Sidecar};

/// The sidecar's uid on this host.
pub(crate) const SIDECAR: u32 = 5678;
/// An application's uid.
pub(crate) const APP: u32 = 1000;
/// The host's own address by eth0, one a family.
pub(crate) const OWN: [&str; 2] = ["10.77.0.2", "fd77::2"];
/// Its resolv.conf: a name server of each family, and one of eth0 only.
pub(crate) const RESOLV_CONF: &str = "nameserver 10.77.0.53\nnameserver fd77::53\nnameserver fe80::1%eth0\n";

/// A pod with lo and eth0, and the user kuma-dp.
pub(crate) fn facts(resolv_conf: &str) -> HostFacts {
    let address = |interface: &str, address: &str| InterfaceAddress {
        interface: interface.to_owned(),
        address: address.parse::<IpAddr>().unwrap(),
    };
    HostFacts {
        users: Users::named([("kuma-dp", SIDECAR), ("envoy", 1337)]),
        loopback: "lo".to_owned(),
        addresses: vec![
            address("lo", "127.0.0.1"),
            address("lo", "::1"),
            address("eth0", OWN[0]),
            address("eth0", OWN[1]),
        ],
        without_ipv6: None,
        resolver: resolv_conf::parse(resolv_conf),
    }
}

/// The plan of a configuration on this host, and what is said of it.
pub(crate) fn plan(config: &Config) -> (Plan, Vec<Note>) {
    plan::resolve(config, &facts(RESOLV_CONF), Sidecar::MustExist).unwrap()
}

/// The plan of a file.
pub(crate) fn plan_of(yaml: &str) -> Plan {
    plan(&tproxy::config::Layers::default().file("f", yaml).resolve().unwrap().config).0
}
