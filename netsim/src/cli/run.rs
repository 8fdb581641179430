//! `netsim run`.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use clap::{Args, ValueEnum};

use super::End;
use super::say;
use super::selection::{Selection, tproxy};
use super::watch::{INTERRUPTED, Watch};
use crate::keep::Kept;
use crate::link::Network;
use crate::load::Environment;
use crate::random::Random;
use crate::report::{self, Case, CaseResult, Outcome};
use crate::require::{self, Requirement};
use crate::run::{self, Check, EvidencePlace, Options, RunError};
use crate::scenario::Variant;

#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    selection: Selection,
    /// The tproxy binary to prove [default: the one beside netsim]
    #[arg(long, value_name = "PATH")]
    tproxy: Option<PathBuf>,
    /// How many variants run at a time [default: twice the processors]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Fixes the order of variants and the source ports of flows, where the kernel can be asked for one [default: drawn]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// What is printed: lines and a summary for people, or all of it for machines
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Console)]
    format: Format,
    /// Write a page for people, too: where each flow went, and all about what failed
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Leave what is known of each variant that fails in a folder of its own below this one: packets, rules that counted,
    /// a trace, what servers saw [default: a new folder among temporary files, made when something fails]
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
    /// Keep nothing of variants that fail but what is printed
    #[arg(long, conflicts_with = "evidence")]
    no_evidence: bool,
    /// After the last step of the variant, which must be the only one, keep its network and installation up until Ctrl-C
    /// or SIGTERM; `netsim shell NODE` enters it from another terminal
    #[arg(long)]
    keep: bool,
    /// Print every check of every variant, not only those that failed
    #[arg(long)]
    checks: bool,
    /// Print only a table of each variant's flows: where they went, and which policy line sent them there
    #[arg(long)]
    flows: bool,
}

/// What a run is printed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line a variant, what failed, and a summary.
    Console,
    /// One object.
    Json,
    /// JUnit XML.
    Junit,
    /// The Test Anything Protocol.
    Tap,
    /// A table of features and backends in Markdown, with what is not run with every backend, and why.
    Features,
}

impl Run {
    pub(super) fn run(&self) -> End {
        let variants = match self.selection.variants() {
            Ok(variants) => variants,
            Err(reason) => return End::Refused(reason),
        };
        if self.keep && variants.len() != 1 {
            let number = variants.len();
            let name = variants.first().map(ToString::to_string).unwrap_or_default();
            return End::Refused(format!(
                "--keep is for one variant, and {number} are chosen: choose one, as in `--only {name}`"
            ));
        }
        let seed = self.seed.unwrap_or_else(drawn);
        let options = match tproxy(self.tproxy.as_deref()) {
            Ok(tproxy) => Options { evidence: self.place(), ..Options::new(tproxy).seed(seed) },
            Err(reason) => return End::Refused(reason),
        };
        if let Err(missing) = crate::node::support() {
            return End::Refused(missing.to_string());
        }
        if let Err(reason) = self.html.as_deref().map_or(Ok(()), can_be_written) {
            return End::Refused(reason);
        }
        let watch = Watch::new(variants.len());
        let cases = if self.keep {
            self.all(&variants, &options, &watch)
        } else {
            match watch.during(|| self.all(&variants, &options, &watch)) {
                Ok(cases) => cases,
                Err(error) => return End::Refused(format!("cannot wait for signals: {error}")),
            }
        };
        let end = self.conclude(&variants, &cases, seed);
        match (cases.len(), end) {
            (_, End::Refused(reason)) => End::Refused(reason),
            (ran, _) if ran < variants.len() => {
                eprintln!("interrupted: {} variants were not run", variants.len() - ran);
                End::Code(INTERRUPTED)
            }
            (_, end) => end,
        }
    }

    /// Where evidence goes.
    fn place(&self) -> Option<EvidencePlace> {
        match &self.evidence {
            Some(folder) => Some(EvidencePlace::Folder(folder.clone())),
            None => (!self.no_evidence).then(EvidencePlace::temporary),
        }
    }

    /// Runs all variants, some at a time, and prints each as soon as it has ended.
    fn all(&self, variants: &[Variant], options: &Options, watch: &Watch) -> Vec<Case> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let jobs = self.jobs.map_or(2 * processors, usize::from).clamp(1, variants.len().max(1));
        let mut order: Vec<(usize, &Variant)> = variants.iter().enumerate().collect();
        Random::new(options.seed).shuffle(&mut order);
        let next = AtomicUsize::new(0);
        let cases = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    while let Some((number, variant)) =
                        take(&order, &next).filter(|_| !watch.is_interrupted())
                    {
                        let outcome = watch.one(&variant.to_string(), || self.one(variant, options));
                        let case = Case::new(variant, outcome);
                        let mut cases = cases.lock().unwrap_or_else(PoisonError::into_inner);
                        self.print(&case);
                        cases.push((number, case));
                    }
                });
            }
        });
        let mut cases = cases.into_inner().unwrap_or_else(PoisonError::into_inner);
        cases.sort_by_key(|(number, _)| *number);
        cases.into_iter().map(|(_, case)| case).collect()
    }

    fn one(&self, variant: &Variant, options: &Options) -> Outcome {
        match require::variant(variant.backend, variant.family) {
            Requirement::Met if self.keep => {
                Outcome::Ran(run::kept(variant, options, |found, network| keep(variant, found, network)))
            }
            Requirement::Met => Outcome::Ran(run::run(variant, options)),
            Requirement::Skip(reason) => Outcome::Skipped(reason),
            Requirement::Missing(reason) => Outcome::Missing(reason),
        }
    }

    fn print(&self, case: &Case) {
        if self.format != Format::Console {
            return;
        }
        match &case.outcome {
            Outcome::Ran(Ok(report)) if self.flows => say(&(report::flows(report) + &report::more(report))),
            Outcome::Ran(Ok(report)) if self.checks => {
                let rules = if report.passed() { String::new() } else { report::rules(report) };
                say(&(report::checks(report) + &rules + &report::more(report)));
            }
            Outcome::Ran(Ok(report)) if !report.passed() => {
                say(&(report::line(case) + &report::failure(report)));
            }
            _ => say(&report::line(case)),
        }
    }

    fn conclude(&self, variants: &[Variant], cases: &[Case], seed: u64) -> End {
        match self.format {
            Format::Console if self.flows => {}
            Format::Console => say(&format!("{}seed {seed}\n", report::summary(cases))),
            Format::Json => say(&report::json(cases, seed)),
            Format::Tap => say(&format!("{}# seed {seed}\n", report::tap(cases))),
            Format::Features => say(&report::features(variants, cases)),
            Format::Junit => match report::junit(cases) {
                Ok(text) => say(&text),
                Err(error) => return End::Refused(format!("cannot write JUnit XML: {error}")),
            },
        }
        if let Some(file) = &self.html
            && let Err(error) = std::fs::write(file, report::html(cases, &about(cases, seed)))
        {
            return End::Refused(format!("cannot write {}: {error}", file.display()));
        }
        let went_wrong = |case: &Case| matches!(case.result(), CaseResult::Failed | CaseResult::Error);
        if cases.iter().any(went_wrong) { End::Failed } else { End::Passed }
    }
}

/// Whether a file can be written, found out before anything is run.
pub(super) fn can_be_written(file: &Path) -> Result<(), String> {
    let opened = std::fs::OpenOptions::new().append(true).create(true).open(file);
    opened.map(drop).map_err(|error| format!("cannot write {}: {error}", file.display()))
}

/// When and on what it was run.
fn about(cases: &[Case], seed: u64) -> Vec<(&'static str, String)> {
    let seconds: f64 = cases.iter().map(Case::seconds).sum();
    vec![
        ("command", std::env::args().collect::<Vec<_>>().join(" ")),
        ("machine", Environment::now().to_string()),
        ("seed", seed.to_string()),
        ("ended", chrono::Utc::now().format("%Y-%m-%d %H:%M:%S UTC").to_string()),
        ("took", format!("{seconds:.1} s, all variants one after the other")),
    ]
}

fn take<'a>(order: &[(usize, &'a Variant)], next: &AtomicUsize) -> Option<(usize, &'a Variant)> {
    order.get(next.fetch_add(1, Ordering::Relaxed)).copied()
}

/// A seed that is short to type.
fn drawn() -> u64 {
    const FEW: u64 = 1_000_000;
    let clock = std::time::UNIX_EPOCH.elapsed().map_or(0, |now| now.as_micros());
    u64::try_from(clock).map_or(0, |clock| Random::new(clock).next() % FEW)
}

/// Tells how it went so far, and keeps everything up until this process is told to go on.
fn keep(variant: &Variant, found: Result<&[Check], &RunError>, network: &Network) {
    let variant = variant.to_string();
    match found {
        Ok(checks) => eprint!("{}", report::failed(&variant, checks)),
        Err(error) => eprintln!("{variant} could not go on: {error}"),
    }
    let kept = Kept::new(&variant, network);
    let begun = || {
        eprintln!("{variant} is kept by process {} until Ctrl-C; in another terminal:", kept.process);
        for node in &kept.nodes {
            eprintln!("  netsim shell {}", node.name);
        }
    };
    if let Err(error) = kept.until_told(begun) {
        eprintln!("{variant} cannot be kept: {error}");
    }
}
