//! The flags that describe one flow, and what no flow of this host can be.
//!
//! Must never decide about a flow: that is the policy's part.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::{Args, ValueEnum};

use crate::config::interface::check_name;
use crate::config::problem::Origin;
use crate::config::{Problem, Problems};
use crate::diagnostic::shortened;
use crate::family::IpFamily;
use crate::plan::Host;
use crate::plan::flow::{ConntrackState, Direction, Flow, Protocol};

/// One flow.
#[derive(Debug, Args)]
#[command(next_help_heading = "The flow")]
pub(super) struct FlowFlags {
    /// Which way the flow crosses this host's border
    #[arg(long, value_enum, required = false, required_unless_present = "matrix")]
    direction: DirectionName,
    /// Transport protocol
    #[arg(long, value_enum, default_value = "tcp")]
    proto: ProtocolName,
    /// Destination, like 10.1.2.3:443 or [2001:db8::1]:443
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = destination)]
    #[arg(required = false, required_unless_present = "matrix")]
    to: SocketAddr,
    /// Source address, like 10.1.2.3
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    from: Option<IpAddr>,
    /// User id that owns the socket, like 1000
    #[arg(long, value_parser = id, allow_negative_numbers = true)]
    uid: Option<u32>,
    /// Group id that owns the socket, like 1000
    #[arg(long, value_parser = id, allow_negative_numbers = true)]
    gid: Option<u32>,
    /// Interface by which it arrives or leaves; to an address of this host it leaves by loopback
    #[arg(long, value_name = "NAME", value_parser = interface)]
    interface: Option<String>,
    /// What connection tracking says of the packet
    #[arg(long, value_enum, default_value = "new")]
    state: StateName,
}

fn destination(text: &str) -> Result<SocketAddr, String> {
    const ALLOWED: &str =
        "give an address and a port from 1 to 65535, like 10.1.2.3:443 or [2001:db8::1]:443";
    match text.parse::<SocketAddr>() {
        Ok(to) if to.port() != 0 => Ok(to),
        Ok(_) => Err(format!("no packet goes to port 0; {ALLOWED}")),
        Err(_) => Err(ALLOWED.to_owned()),
    }
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "give an address without a port, like 10.1.2.3 or 2001:db8::1".to_owned())
}

/// Ids have 32 bits, the highest of which stands for nobody (`(uid_t) -1`).
fn id(text: &str) -> Result<u32, String> {
    let highest = u32::MAX - 1;
    let id = text.parse().ok().filter(|id| *id <= highest);
    id.ok_or_else(|| format!("give a number from 0 to {highest}, like 1000"))
}

fn interface(text: &str) -> Result<String, String> {
    let said = |_| "give the name of one interface, at most 15 bytes long, like eth0".to_owned();
    check_name(text).map(|()| text.to_owned()).map_err(said)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DirectionName {
    Inbound,
    Outbound,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ProtocolName {
    Tcp,
    Udp,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StateName {
    New,
    Invalid,
}

impl FlowFlags {
    /// What contradicts itself, on whichever host.
    pub(super) fn contradictions(&self) -> impl Iterator<Item = Problem> {
        problems([
            ("to", self.wrong_destination()),
            ("from", self.wrong_family().or_else(|| self.wrong_source())),
            ("uid", self.wrong_owner(self.uid)),
            ("gid", self.wrong_owner(self.gid)),
        ])
    }

    /// The flow, where this host can have one like it.
    ///
    /// # Errors
    /// All that contradicts the host.
    pub(super) fn flow(&self, host: &Host) -> Result<Flow, Problems> {
        let flow = self.as_typed();
        let mut found = Problems::default();
        let sent = flow.as_sent();
        for problem in problems([
            ("from", self.foreign_source(&sent, host)),
            ("interface", self.wrong_interface(&sent, host)),
        ]) {
            found.push(problem);
        }
        found.into_result()?;
        Ok(flow)
    }

    fn as_typed(&self) -> Flow {
        Flow {
            direction: match self.direction {
                DirectionName::Inbound => Direction::Inbound,
                DirectionName::Outbound => Direction::Outbound,
            },
            protocol: match self.proto {
                ProtocolName::Tcp => Protocol::Tcp,
                ProtocolName::Udp => Protocol::Udp,
            },
            source: self.from,
            destination: self.to,
            uid: self.uid,
            gid: self.gid,
            interface: self.interface.clone(),
            conntrack: match self.state {
                StateName::New => ConntrackState::New,
                StateName::Invalid => ConntrackState::Invalid,
            },
        }
    }

    /// Nothing arrives for loopback, and no connection has many ends.
    fn wrong_destination(&self) -> Option<String> {
        let (to, sent) = (self.to, self.as_typed().as_sent().destination.ip());
        if self.direction == DirectionName::Inbound && sent.is_loopback() {
            return Some(format!(
                "`{to}` is for this host alone, and nothing arrives for that from another; give --direction outbound"
            ));
        }
        let is_connection = matches!(self.proto, ProtocolName::Tcp);
        (is_connection && is_of_many(sent)).then(|| {
            format!("`{to}` is an address of many, and no TCP connection goes there; give that of one host")
        })
    }

    fn wrong_family(&self) -> Option<String> {
        let from = self.from?;
        let (source, destination) = (IpFamily::of(from), IpFamily::of(self.to.ip()));
        (source != destination).then(|| {
            let (source, destination) = (source.title(), destination.title());
            format!("`{from}` is {source} and --to {} is {destination}; give both of one family", self.to)
        })
    }

    /// Whoever has no address yet may send datagrams from the unspecified one.
    fn wrong_source(&self) -> Option<String> {
        let from = self.from?;
        let is_connection = matches!(self.proto, ProtocolName::Tcp);
        let is_nobody =
            is_of_many(from.to_canonical()) || is_connection && from.to_canonical().is_unspecified();
        is_nobody.then(|| format!("`{from}` is no address that anybody sends from; give that of one host"))
    }

    fn wrong_owner(&self, id: Option<u32>) -> Option<String> {
        let id = id.filter(|_| self.direction == DirectionName::Inbound)?;
        Some(format!("`{id}` does not own what arrives: that has no user of this host; leave it out"))
    }

    /// What this host sends to itself does not arrive, and what comes from loopback stays on this host.
    fn foreign_source(&self, sent: &Flow, host: &Host) -> Option<String> {
        let source = sent.source?;
        match sent.direction {
            Direction::Inbound if host.owns(source) => Some(format!(
                "`{source}` is an address of this host, so what comes from it was sent by this host; give \
                 --direction outbound"
            )),
            Direction::Outbound if source.is_loopback() && !host.owns(sent.destination.ip()) => {
                Some(format!(
                    "`{source}` is loopback, and what comes from it stays on this host, of which {} is no address; \
                 leave it out",
                    sent.destination.ip()
                ))
            }
            Direction::Inbound | Direction::Outbound => None,
        }
    }

    /// What leaves for this host leaves by loopback, and nothing else does; what comes by loopback was sent by this host.
    fn wrong_interface(&self, sent: &Flow, host: &Host) -> Option<String> {
        let name = self.interface.as_deref()?;
        let (loopback, to) = (&host.loopback, sent.destination.ip());
        let (name, is_loopback) = (shortened(name), name == loopback);
        match (sent.direction, is_loopback, host.owns(to)) {
            (Direction::Inbound, true, _) => Some(format!(
                "`{name}` is loopback: what comes by it was sent by this host; give --direction outbound"
            )),
            (Direction::Outbound, false, true) => Some(format!(
                "`{name}` is not where it leaves: {to} is an address of this host, so it leaves by {loopback}; \
                 leave it out"
            )),
            (Direction::Outbound, true, false) => Some(format!(
                "`{name}` is not where it leaves: {to} is no address of this host, and only those are reached by \
                 {loopback}; give another, or leave it out"
            )),
            _ => None,
        }
    }
}

/// Those flags about which there is something to say.
fn problems<const N: usize>(found: [(&'static str, Option<String>); N]) -> impl Iterator<Item = Problem> {
    let problem = |(flag, wrong): (&'static str, Option<String>)| {
        Some(Problem::new(Origin::Flag(flag.to_owned()), "", wrong?))
    };
    found.into_iter().filter_map(problem)
}

/// Multicast and broadcast.
fn is_of_many(address: IpAddr) -> bool {
    address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST)
}
