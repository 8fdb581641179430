//! `netsim run`.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use clap::Args;

use super::End;
use super::say;
use super::selection::{Selection, tproxy};
use crate::report;
use crate::require::{self, Requirement};
use crate::run::{self, Options, Report, RunError};
use crate::scenario::Variant;

#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    selection: Selection,
    /// The tproxy binary to prove [default: the one beside netsim]
    #[arg(long, value_name = "PATH")]
    tproxy: Option<PathBuf>,
    /// How many variants run at a time [default: twice the processors]
    #[arg(long, value_name = "NUMBER")]
    jobs: Option<usize>,
    /// Print only a table of each variant's flows: where they went, and which policy line sent them there
    #[arg(long)]
    flows: bool,
}

/// How one variant ended.
enum Outcome {
    Ran(Result<Report, RunError>),
    Skipped(String),
    RequiredButSkipped(String),
}

impl Run {
    pub(super) fn run(&self) -> End {
        let variants = match self.selection.variants() {
            Ok(variants) => variants,
            Err(reason) => return End::Refused(reason),
        };
        let options = match tproxy(self.tproxy.as_deref()) {
            Ok(tproxy) => Options { tproxy },
            Err(reason) => return End::Refused(reason),
        };
        if let Err(missing) = crate::node::support() {
            return End::Refused(missing.to_string());
        }
        let outcomes = self.all(&variants, &options);
        self.conclude(&variants, &outcomes)
    }

    /// Runs all variants, some at a time, and prints each as soon as it has ended.
    fn all(&self, variants: &[Variant], options: &Options) -> Vec<Outcome> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let jobs = self.jobs.unwrap_or(2 * processors).clamp(1, variants.len().max(1));
        let next = AtomicUsize::new(0);
        let outcomes = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    while let Some((number, variant)) = take(variants, &next) {
                        let outcome = one(variant, options);
                        let mut outcomes = outcomes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                        self.print(variant, &outcome);
                        outcomes.push((number, outcome));
                    }
                });
            }
        });
        let mut outcomes = outcomes.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        outcomes.sort_by_key(|(number, _)| *number);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    fn print(&self, variant: &Variant, outcome: &Outcome) {
        match outcome {
            Outcome::Ran(Ok(report)) if self.flows => say(&report::flows(report)),
            Outcome::Ran(Ok(report)) => say(&report::checks(report)),
            Outcome::Ran(Err(error)) => say(&format!("FAILED {variant}  could not be run: {error}\n")),
            Outcome::Skipped(reason) => say(&format!("skip   {variant}  {reason}\n")),
            Outcome::RequiredButSkipped(reason) => say(&format!("FAILED {variant}  {reason}\n")),
        }
        if let Outcome::Ran(Ok(report)) = outcome
            && !report.passed()
        {
            say(&report::rules(report));
        }
    }

    fn conclude(&self, variants: &[Variant], outcomes: &[Outcome]) -> End {
        let (mut passed, mut failed, mut skipped) = (0, 0, 0);
        let mut lines = Vec::new();
        for (variant, outcome) in variants.iter().zip(outcomes) {
            let name = variant.to_string();
            match outcome {
                Outcome::Ran(result) => {
                    let ok = result.as_ref().is_ok_and(Report::passed);
                    *(if ok { &mut passed } else { &mut failed }) += 1;
                    lines.push(report::line(&name, result));
                }
                Outcome::Skipped(reason) => {
                    skipped += 1;
                    lines.push(vec![name, format!("skipped: {reason}")]);
                }
                Outcome::RequiredButSkipped(reason) => {
                    failed += 1;
                    lines.push(vec![name, reason.clone()]);
                }
            }
        }
        if !self.flows {
            say(&report::summary(lines, passed, failed, skipped));
        }
        if failed == 0 { End::Passed } else { End::Failed }
    }
}

fn take<'a>(variants: &'a [Variant], next: &AtomicUsize) -> Option<(usize, &'a Variant)> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    variants.get(number).map(|variant| (number, variant))
}

fn one(variant: &Variant, options: &Options) -> Outcome {
    match require::backend(variant.backend) {
        Requirement::Met => Outcome::Ran(run::run(variant, options)),
        Requirement::Skip(reason) => Outcome::Skipped(reason),
        Requirement::Missing(reason) => Outcome::RequiredButSkipped(reason),
    }
}
