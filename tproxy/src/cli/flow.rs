//! The flags that describe one flow, and what no flow of this host can be.
//!
//! Must never decide about a flow: that is the policy's part.

use std::net::{IpAddr, SocketAddr};

use clap::{Args, ValueEnum, value_parser};

use crate::config::interface::check_name;
use crate::config::problem::Origin;
use crate::config::{Problem, Problems};
use crate::diagnostic::shortened;
use crate::family::IpFamily;
use crate::plan::Host;
use crate::plan::flow::{ConntrackState, Direction, Flow, Protocol};

/// Ids have 32 bits, the highest of which stands for nobody (`(uid_t) -1`).
const HIGHEST_ID: i64 = u32::MAX as i64 - 1;

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
    /// Destination
    #[arg(long, value_name = "ADDRESS:PORT", required = false, required_unless_present = "matrix")]
    to: SocketAddr,
    /// Source address
    #[arg(long, value_name = "ADDRESS")]
    from: Option<IpAddr>,
    /// User id that owns the socket
    #[arg(long, value_parser = value_parser!(u32).range(0..=HIGHEST_ID), allow_negative_numbers = true)]
    uid: Option<u32>,
    /// Group id that owns the socket
    #[arg(long, value_parser = value_parser!(u32).range(0..=HIGHEST_ID), allow_negative_numbers = true)]
    gid: Option<u32>,
    /// Interface by which it arrives or leaves; to an address of this host it leaves by loopback
    #[arg(long, value_name = "NAME")]
    interface: Option<String>,
    /// What connection tracking says of the packet
    #[arg(long, value_enum, default_value = "new")]
    state: StateName,
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
    /// The flow, where this host can have one like it.
    ///
    /// # Errors
    /// All that contradicts itself or the host.
    pub(super) fn flow(&self, host: &Host) -> Result<Flow, Problems> {
        let flow = self.as_typed();
        let mut problems = Problems::default();
        for (flag, wrong) in [
            ("to", self.wrong_port()),
            ("from", self.wrong_family()),
            ("uid", self.wrong_owner(self.uid)),
            ("gid", self.wrong_owner(self.gid)),
            ("interface", self.wrong_interface(&flow, host)),
        ] {
            if let Some(wrong) = wrong {
                problems.push(Problem::new(Origin::Flag(flag.to_owned()), flag, wrong));
            }
        }
        problems.into_result()?;
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

    fn wrong_port(&self) -> Option<String> {
        let wrong =
            || format!("`{}` has port 0, which no packet goes to; give a port from 1 to 65535", self.to);
        (self.to.port() == 0).then(wrong)
    }

    fn wrong_family(&self) -> Option<String> {
        let from = self.from?;
        let (source, destination) = (IpFamily::of(from), IpFamily::of(self.to.ip()));
        (source != destination).then(|| {
            let (source, destination) = (source.title(), destination.title());
            format!("`{from}` is {source} and --to {} is {destination}; give both of one family", self.to)
        })
    }

    fn wrong_owner(&self, id: Option<u32>) -> Option<String> {
        let id = id.filter(|_| self.direction == DirectionName::Inbound)?;
        Some(format!("`{id}` does not own what arrives: that has no user of this host; leave it out"))
    }

    /// What leaves for this host leaves by loopback, and what comes by loopback was sent by this host.
    fn wrong_interface(&self, flow: &Flow, host: &Host) -> Option<String> {
        let name = self.interface.as_deref()?;
        if let Err(refusal) = check_name(name) {
            return Some(refusal.to_string());
        }
        let (loopback, to) = (&host.loopback, flow.as_sent().destination.ip());
        let (name, is_loopback) = (shortened(name), name == loopback);
        match self.direction {
            DirectionName::Inbound if is_loopback => Some(format!(
                "`{name}` is loopback: what comes by it was sent by this host; give --direction outbound"
            )),
            DirectionName::Outbound if !is_loopback && host.owns(to) => Some(format!(
                "`{name}` is not where it leaves: {to} is an address of this host, so it leaves by {loopback}; \
                 leave it out"
            )),
            DirectionName::Inbound | DirectionName::Outbound => None,
        }
    }
}
