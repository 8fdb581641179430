//! `tproxy explain`.

use std::net::{IpAddr, SocketAddr};

use clap::{Args, ValueEnum};

use super::Surroundings;
use super::arguments::ConfigurationFlags;
use super::error::CliError;
use super::sources;
use crate::host;
use crate::plan::flow::{ConntrackState, Direction, Flow, Protocol};
use crate::plan::{self, Sidecar};

/// The flags of `tproxy explain`: a flow, and those of `install`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: tproxy explain --direction outbound --proto tcp --to 10.1.2.3:443 --uid 1000"
)]
pub(super) struct Explain {
    /// Which way the flow crosses this host's border
    #[arg(long, value_enum)]
    direction: DirectionName,
    /// Transport protocol
    #[arg(long, value_enum, default_value = "tcp")]
    proto: ProtocolName,
    /// Destination
    #[arg(long, value_name = "ADDRESS:PORT")]
    to: SocketAddr,
    /// Source address
    #[arg(long, value_name = "ADDRESS")]
    from: Option<IpAddr>,
    /// User id that owns the socket
    #[arg(long)]
    uid: Option<u32>,
    /// Group id that owns the socket
    #[arg(long)]
    gid: Option<u32>,
    /// Interface by which it arrives or leaves; known from the destination unless given
    #[arg(long)]
    interface: Option<String>,
    /// What connection tracking says of the packet
    #[arg(long, value_enum, default_value = "new")]
    state: StateName,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    configuration: ConfigurationFlags,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
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

impl Explain {
    pub(super) fn run(&self, surroundings: &mut Surroundings<'_>) -> Result<(), CliError> {
        let config = sources::configuration(&self.configuration, surroundings)?;
        let facts = host::facts(&config)?;
        let (plan, notes) = plan::resolve(&config, &facts, Sidecar::MayBeAssumed)?;
        for note in notes {
            surroundings.warn(note);
        }
        let explanation = plan.explain(&self.flow());
        if self.json {
            let text = serde_json::to_string_pretty(&explanation).map_err(std::io::Error::other)?;
            writeln!(surroundings.out, "{text}")?;
        } else {
            writeln!(surroundings.out, "verdict  {}", explanation.decision.verdict)?;
            writeln!(surroundings.out, "line     {}", explanation.decision.line)?;
            writeln!(surroundings.out, "why      {}", explanation.why)?;
        }
        Ok(())
    }

    fn flow(&self) -> Flow {
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
}
