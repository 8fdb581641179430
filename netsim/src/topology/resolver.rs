//! The resolver that Docker gives a container of a network of its owner's: at an address of loopback, turned to where it
//! really listens by rules that the container's own programs did not make.
//!
//! Pure: who loads the rules decides by which program.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Such a resolver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmbeddedResolver {
    /// The node that it is in.
    pub node: &'static str,
    /// What resolv.conf names; port 53 is asked.
    pub address: IpAddr,
    /// The port of that address on which it listens; Docker takes any that is free.
    pub port: u16,
}

impl EmbeddedResolver {
    /// As Docker has it (moby/libnetwork, `resolver_unix.go`).
    pub const DOCKER: Self =
        Self { node: "pod", address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11)), port: 41_953 };

    /// Where it listens.
    #[must_use]
    pub fn listens_at(self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }

    /// Docker's rules for it, as a text for iptables-restore.
    #[must_use]
    pub fn rules(self) -> String {
        let Self { address, port, .. } = self;
        let both = ["tcp", "udp"].map(|protocol| {
            format!(
                "-A DOCKER_OUTPUT -d {address} -p {protocol} --dport 53 -j DNAT --to-destination {address}:{port}\n\
                 -A DOCKER_POSTROUTING -s {address} -p {protocol} --sport {port} -j SNAT --to-source :53\n"
            )
        });
        format!(
            "*nat\n:DOCKER_OUTPUT - [0:0]\n:DOCKER_POSTROUTING - [0:0]\n\
             -A OUTPUT -d {address} -j DOCKER_OUTPUT\n-A POSTROUTING -d {address} -j DOCKER_POSTROUTING\n{}COMMIT\n",
            both.concat()
        )
    }
}
