//! `tproxy explain`.

use std::net::{IpAddr, SocketAddr};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::Surroundings;
use super::arguments::ConfigurationFlags;
use super::blame::blame;
use super::error::CliError;
use super::{sources, table};
use crate::config::Resolved;
use crate::host;
use crate::plan::explain::Explanation;
use crate::plan::flow::{ConntrackState, Direction, Flow, Protocol};
use crate::plan::matrix::Row;
use crate::plan::{self, Sidecar};

/// The flags of `tproxy explain`: a flow, and those of `install`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tproxy explain --direction outbound --proto tcp --to 10.1.2.3:443 --uid 1000
  tproxy explain --matrix --exclude-outbound-ports 22")]
pub(super) struct Explain {
    #[command(flatten)]
    flow: Option<FlowFlags>,
    /// Print the verdicts of a whole table of flows, made from the configuration, instead of one
    #[arg(long, conflicts_with = "FlowFlags")]
    matrix: bool,
    #[command(flatten)]
    configuration: ConfigurationFlags,
}

/// One flow.
#[derive(Debug, Args)]
#[command(next_help_heading = "The flow")]
struct FlowFlags {
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
        let resolved = sources::configuration(&self.configuration, surroundings)?;
        self.explain(&resolved, surroundings).map_err(|error| blame(error, &resolved))
    }

    fn explain(&self, resolved: &Resolved, surroundings: &mut Surroundings<'_>) -> Result<(), CliError> {
        let facts = host::facts(&resolved.config)?;
        let (plan, notes) = plan::resolve(&resolved.config, &facts, Sidecar::MayBeAssumed)?;
        for note in notes {
            surroundings.warn(note);
        }
        match &self.flow {
            Some(flow) => one(&plan.explain(&flow.flow()), resolved, surroundings),
            None => matrix(&plan.matrix(), resolved, surroundings),
        }
    }
}

fn one(
    explanation: &Explanation,
    resolved: &Resolved,
    surroundings: &mut Surroundings<'_>,
) -> Result<(), CliError> {
    if surroundings.output.json {
        return surroundings.print_json(&with_origin(explanation, resolved));
    }
    writeln!(surroundings.out, "verdict  {}", explanation.decision.verdict)?;
    writeln!(surroundings.out, "line     {}", explanation.decision.line)?;
    writeln!(surroundings.out, "why      {}", explanation.why)?;
    if explanation.entry.is_some() {
        writeln!(surroundings.out, "entry    {}", entry(explanation, resolved))?;
    }
    Ok(())
}

fn matrix(rows: &[Row], resolved: &Resolved, surroundings: &mut Surroundings<'_>) -> Result<(), CliError> {
    if surroundings.output.json {
        let rows: Vec<Value> = rows
            .iter()
            .map(|row| json!({ "family": row.family, "from": row.from, "to": row.to, "explanation": with_origin(&row.explanation, resolved) }))
            .collect();
        return surroundings.print_json(&rows);
    }
    let cells = |row: &Row| {
        let explanation = &row.explanation;
        let (verdict, line) =
            (explanation.decision.verdict.to_string(), explanation.decision.line.to_string());
        let family = row.family.title().to_owned();
        [family, row.from.clone(), row.to.clone(), verdict, line, entry(explanation, resolved)]
    };
    let lines: Vec<[String; 6]> = rows.iter().map(cells).collect();
    let text = table::aligned(["family", "from", "to", "verdict", "line", "entry"], &lines);
    Ok(write!(surroundings.out, "{text}")?)
}

/// The setting behind a verdict, and where it was written.
fn entry(explanation: &Explanation, resolved: &Resolved) -> String {
    let entry = explanation.entry.as_ref();
    entry.map_or_else(String::new, |entry| {
        format!("{}: {} ({})", entry.key, entry.value, resolved.origin(entry.key))
    })
}

fn with_origin(explanation: &Explanation, resolved: &Resolved) -> Value {
    // Plain data without maps of non-string keys always serialises.
    let mut value = serde_json::to_value(explanation).unwrap_or_default();
    if let (Some(entry), Some(map)) =
        (&explanation.entry, value.get_mut("entry").and_then(Value::as_object_mut))
    {
        map.insert("origin".to_owned(), Value::String(resolved.origin(entry.key).to_string()));
    }
    value
}

impl FlowFlags {
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
