//! `netsim bench`.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use tproxy::family::IpFamily;

use super::selection::tproxy;
use super::{End, say};
use crate::load::{self, Case, Options};
use crate::report;
use crate::require::{self, Requirement};

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 every case did what it claims; 1 a case is void: its connections were not redirected as it says; 2 nothing
could be measured")]
pub(super) struct Bench {
    /// 10 short rounds instead of 40 long ones: a picture in a minute
    #[arg(long)]
    quick: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Only this case, as in `iptables-nft`; repeat for more
    #[arg(long = "case", value_name = "CASE", value_parser = Case::parse)]
    cases: Vec<Case>,
    /// How often each case is measured
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: Option<u32>,
    /// How many connections a round makes
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    connections: Option<u32>,
    /// Over IPv6 instead of IPv4
    #[arg(long)]
    ipv6: bool,
    /// Repeats the order of an earlier bench
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// The tproxy binary that installs [default: the one beside netsim]
    #[arg(long, value_name = "PATH")]
    tproxy: Option<PathBuf>,
}

impl Bench {
    pub(super) fn run(&self) -> End {
        self.measure().unwrap_or_else(End::Refused)
    }

    fn measure(&self) -> Result<End, String> {
        let tproxy = tproxy(self.tproxy.as_deref())?;
        crate::node::support().map_err(|missing| missing.to_string())?;
        let (rounds, connections) = if self.quick { (10, 500) } else { (40, 2000) };
        let options = Options {
            tproxy,
            cases: self.possible()?,
            family: if self.ipv6 { IpFamily::V6 } else { IpFamily::V4 },
            rounds: self.rounds.map_or(rounds, |rounds| rounds as usize),
            connections: self.connections.map_or(connections, |connections| connections as usize),
            seed: self.seed.unwrap_or_else(any_seed),
        };
        let outcome = load::run(&options, |round| match round {
            0 => eprintln!("seed {}: warming up", options.seed),
            round => eprintln!("round {round} of {}", options.rounds),
        });
        let outcome = outcome.map_err(|error| error.to_string())?;
        if self.json {
            let text = serde_json::to_string_pretty(&outcome).map_err(|error| error.to_string())?;
            say(&format!("{text}\n"));
        } else {
            say(&report::bench(&outcome));
        }
        let void = outcome.cases.iter().any(|measured| measured.void.is_some());
        Ok(if void { End::Failed } else { End::Passed })
    }

    /// The cases asked for, else all whose backend works here.
    fn possible(&self) -> Result<Vec<Case>, String> {
        let mut chosen: Vec<Case> =
            if self.cases.is_empty() { Case::all().collect() } else { self.cases.clone() };
        chosen.sort();
        chosen.dedup();
        let mut possible = Vec::new();
        for case in chosen {
            match case.backend().map_or(Requirement::Met, require::backend) {
                Requirement::Met => possible.push(case),
                Requirement::Skip(reason) if self.cases.is_empty() => eprintln!("without {case}: {reason}"),
                Requirement::Skip(reason) | Requirement::Missing(reason) => {
                    return Err(format!("{case}: {reason}"));
                }
            }
        }
        Ok(possible)
    }
}

/// Another one each time.
fn any_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(now.subsec_micros())
}
