//! `tproxy explain`.

use clap::Args;
use serde_json::{Value, json};

use super::Surroundings;
use super::arguments::ConfigurationFlags;
use super::blame::blame;
use super::error::CliError;
use super::flow::FlowFlags;
use super::limits::NoLimits;
use super::{sources, table};
use crate::config::{Layers, Resolved};
use crate::host;
use crate::plan::assumed::Assumption;
use crate::plan::entry::Entry;
use crate::plan::explain::Explanation;
use crate::plan::flow::Flow;
use crate::plan::matrix::Row;
use crate::plan::{self, Plan, Sidecar};

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
    #[command(flatten)]
    _limits: NoLimits,
}

impl Explain {
    pub(super) fn run(&self, surroundings: &mut Surroundings<'_>) -> Result<(), CliError> {
        let layers = sources::layers(&self.configuration, surroundings);
        let contradictions = self.flow.iter().flat_map(FlowFlags::contradictions);
        let resolved = sources::placed(contradictions.fold(layers, Layers::problem), surroundings)?;
        self.explain(&resolved, surroundings).map_err(|error| blame(error, &resolved))
    }

    fn explain(&self, resolved: &Resolved, surroundings: &mut Surroundings<'_>) -> Result<(), CliError> {
        let facts = host::facts(&resolved.config)?;
        let (plan, notes) = plan::resolve(&resolved.config, &facts, Sidecar::MayBeAssumed)?;
        for note in notes {
            surroundings.warn(note);
        }
        match &self.flow {
            Some(flow) => one(&plan, &flow.flow(&plan.host)?, resolved, surroundings),
            None => matrix(&plan.matrix(), resolved, surroundings),
        }
    }
}

fn one(
    plan: &Plan,
    flow: &Flow,
    resolved: &Resolved,
    surroundings: &mut Surroundings<'_>,
) -> Result<(), CliError> {
    let (explanation, assumptions) = (&plan.explain(flow), plan.assumptions(flow));
    if surroundings.output.json {
        let mut value = with_origin(explanation, resolved);
        if let Some(map) = value.as_object_mut() {
            map.insert("assumed".to_owned(), json!(assumptions));
        }
        return surroundings.print_json(&value);
    }
    writeln!(surroundings.out, "verdict  {}", explanation.decision.verdict)?;
    writeln!(surroundings.out, "line     {}", explanation.decision.line)?;
    writeln!(surroundings.out, "why      {}", explanation.why)?;
    if explanation.entry.is_some() {
        writeln!(surroundings.out, "entry    {}", entry(explanation, resolved))?;
    }
    for Assumption { flag, meaning } in assumptions {
        writeln!(surroundings.out, "assumed  {meaning} (no {flag})")?;
    }
    Ok(())
}

fn matrix(rows: &[Row], resolved: &Resolved, surroundings: &mut Surroundings<'_>) -> Result<(), CliError> {
    if surroundings.output.json {
        let rows: Vec<Value> = rows
            .iter()
            .map(|row| json!({ "family": row.family, "from": row.from, "to": row.to, "explanation": with_origin(&row.explanation, resolved) }))
            .collect();
        return surroundings.print_json(&json!({ "flows": rows }));
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
        format!("{}: {} ({})", entry.key, entry.value, origin(entry, resolved))
    })
}

fn origin(entry: &Entry, resolved: &Resolved) -> String {
    resolved.origin_of_item(entry.key, entry.item.as_ref()).to_string()
}

fn with_origin(explanation: &Explanation, resolved: &Resolved) -> Value {
    // Plain data without maps of non-string keys always serialises.
    let mut value = serde_json::to_value(explanation).unwrap_or_default();
    if let (Some(entry), Some(map)) =
        (&explanation.entry, value.get_mut("entry").and_then(Value::as_object_mut))
    {
        map.insert("origin".to_owned(), Value::String(origin(entry, resolved)));
    }
    value
}
