//! `netsim bench`.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tproxy::backend::BackendId;
use tproxy::family::IpFamily;

use super::run::can_be_written;
use super::selection::tproxy;
use super::{End, say};
use crate::load::{self, Case, Change, Effort, History, Options, Outcome, Suite};
use crate::report;
use crate::require::{self, Requirement};

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 every case did what it claims; 1 a case is void, since its traffic was not redirected as it says, or costs \
more than with `--against`; 2 nothing could be measured")]
pub(super) struct Bench {
    /// Fewer cases in 10 short rounds instead of 24 long ones: a picture in a minute
    #[arg(long)]
    quick: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write a page with plots, too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Draw into the page what earlier full runs found: benches/history.jsonl of the repository
    #[arg(long, value_name = "FILE", requires = "html")]
    history: Option<PathBuf>,
    /// Write the plot of a connection's processor time, too
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Measure nothing; take the JSON of an earlier bench
    #[arg(long, value_name = "FILE", conflicts_with_all = ["quick", "cases", "programs", "rounds", "pieces", "ipv6", "seed", "tproxy"])]
    from: Option<PathBuf>,
    /// A tproxy of another revision, measured in turn with this one; worse than that is exit code 1
    #[arg(long, value_name = "PATH", conflicts_with = "from")]
    against: Option<PathBuf>,
    /// Only this case, as in `connections/outbound/iptables-nft`; repeat for more
    #[arg(long = "case", value_name = "CASE", value_parser = Case::parse)]
    cases: Vec<Case>,
    /// Measure tproxy as a process, too, which otherwise only a bench without `--case` does
    #[arg(long)]
    programs: bool,
    /// How often each case is measured
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: Option<u32>,
    /// How many connections, round trips, MiB or queries a round makes
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pieces: Option<u32>,
    /// All cases over IPv6
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
        self.report().unwrap_or_else(End::Refused)
    }

    fn report(&self) -> Result<End, String> {
        self.html.iter().chain(&self.svg).try_for_each(|file| can_be_written(file))?;
        let history = self.history.as_deref().map_or_else(|| Ok(History::default()), runs)?;
        let outcome = match &self.from {
            Some(file) => earlier(file)?,
            None => self.measure()?,
        };
        if let Some(file) = &self.html {
            write(file, &report::bench_page(&outcome, &history))?;
        }
        if let Some(file) = &self.svg {
            write(file, &report::bench_plot(&outcome))?;
        }
        if self.json {
            let text = serde_json::to_string_pretty(&outcome).map_err(|error| error.to_string())?;
            say(&format!("{text}\n"));
        } else {
            say(&report::bench(&outcome));
        }
        let void = outcome.cases.iter().any(|measured| measured.void.is_some());
        let worse = load::judge(&outcome).iter().any(|judged| judged.change == Change::Worse);
        Ok(if void || worse { End::Failed } else { End::Passed })
    }

    fn measure(&self) -> Result<Outcome, String> {
        let tproxy = tproxy(self.tproxy.as_deref())?;
        crate::node::support().map_err(|missing| missing.to_string())?;
        raise_descriptors();
        let (rounds, times) = if self.quick { (10, 1) } else { (24, 2) };
        let pieces = self.pieces.map(|pieces| Effort::Pieces(pieces as usize));
        let options = Options {
            tproxy: program(tproxy)?,
            against: self.against.clone().map(program).transpose()?,
            cases: self.possible()?,
            programs: self.programs(),
            rounds: self.rounds.map_or(rounds, |rounds| rounds as usize),
            effort: pieces.unwrap_or(Effort::Usual(times)),
            seed: self.seed.unwrap_or_else(any_seed),
        };
        let outcome = load::run(&options, |round| match round {
            0 => eprintln!("seed {}: {} cases, warming up", options.seed, options.cases.len()),
            round => eprintln!("round {round} of {}", options.rounds),
        });
        outcome.map_err(|error| error.to_string())
    }

    /// The backends whose processes are measured, too: all that work here, unless only cases were asked for.
    fn programs(&self) -> Vec<BackendId> {
        let all = load::BACKENDS.into_iter().filter(|_| self.programs || self.cases.is_empty());
        all.filter(|backend| matches!(require::backend(*backend), Requirement::Met)).collect()
    }

    /// The cases asked for, else all whose backend works here.
    fn possible(&self) -> Result<Vec<Case>, String> {
        let suite = if self.quick { Suite::Quick } else { Suite::Full };
        let mut chosen = if self.cases.is_empty() { suite.cases() } else { self.cases.clone() };
        if self.ipv6 {
            chosen.iter_mut().for_each(|case| case.family = IpFamily::V6);
        }
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

/// All cases are up at once, with dozens of descriptors each: usual limits are lower than what this process may have.
fn raise_descriptors() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Where it is refused, starting what needs one says so.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

/// A program's path, as nodes will find it, too.
fn program(path: PathBuf) -> Result<PathBuf, String> {
    path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))
}

/// What an earlier bench found.
fn earlier(file: &Path) -> Result<Outcome, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{} is no JSON of a bench: {error}", file.display()))
}

/// What earlier full runs found.
fn runs(file: &Path) -> Result<History, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    History::parse(&text).map_err(|error| format!("{} is no history of benches: {error}", file.display()))
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    std::fs::write(file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))
}

/// Another one each time.
fn any_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(now.subsec_micros())
}
