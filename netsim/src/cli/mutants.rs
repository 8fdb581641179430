//! `netsim mutants`: breaks what tproxy installs in one place at a time, and lists the ways that no scenario notices.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;

use clap::Args;
use tproxy::backend::BackendId;

use super::equivalent::{self, Equivalent};
use super::selection::{Selection, tproxy};
use super::{End, say};
use crate::run::{self, About, Mutant, Options, Report, RunError};
use crate::scenario::{Step, Variant};

#[derive(Debug, Args)]
pub(super) struct Mutants {
    #[command(flatten)]
    selection: Selection,
    /// The backend whose rules, or programs and maps, are broken
    #[arg(long, value_name = "ID", default_value = "iptables-nft")]
    backend: String,
    /// The tproxy binary [default: the one beside netsim]
    #[arg(long, value_name = "PATH")]
    tproxy: Option<PathBuf>,
    /// How many variants run at a time [default: twice the processors]
    #[arg(long, value_name = "NUMBER")]
    jobs: Option<usize>,
}

/// What is known of all rules so far.
#[derive(Default)]
struct Known {
    /// The variants in which nobody noticed; none once one did.
    survivors: BTreeMap<InFamily, BTreeSet<String>>,
    killed: BTreeSet<InFamily>,
    /// Those that the kernel refuses, so that nobody can be hurt by them.
    refused: BTreeSet<InFamily>,
    /// Variants that fail, or cannot be run, with everything in place.
    broken: Vec<String>,
}

/// A mutant in a family: what is not noticed in one may be in the other.
type InFamily = (String, Mutant);

impl Mutants {
    pub(super) fn run(&self) -> End {
        self.hunt().unwrap_or_else(End::Refused)
    }

    fn hunt(&self) -> Result<End, String> {
        let backend = [BackendId::IptablesNft, BackendId::IptablesLegacy, BackendId::Ebpf]
            .into_iter()
            .find(|known| known.to_string() == self.backend)
            .ok_or_else(|| format!("`{}` is no backend", self.backend))?;
        let mut variants = self.selection.variants()?;
        variants.retain(|variant| variant.backend == backend);
        // Those that take long come last: of them only the mutants are tried that nobody has noticed by then.
        variants.sort_by_key(|variant| variant.scenario.document.steps.iter().any(Step::is_crowded));
        let options = Options::new(tproxy(self.tproxy.as_deref())?);
        run::supports(backend).map_err(|missing| missing.to_string())?;
        let equivalents = equivalent::all()?;
        let chosen: BTreeSet<String> = variants.iter().map(|variant| variant.scenario.id.clone()).collect();
        let known = self.all(variants, &options);
        let survived = tell_survivors(&known, &equivalents, &chosen);
        let (killed, equivalent) = (known.killed.len(), known.survivors.len() - survived);
        for reason in &known.broken {
            say(&format!("FAILED  {reason}\n"));
        }
        say(&format!(
            "{} mutants, {killed} noticed, {survived} not, {equivalent} equivalent, {} refused by the kernel\n",
            killed + known.survivors.len(),
            known.refused.len()
        ));
        if survived == 0 && known.broken.is_empty() { Ok(End::Passed) } else { Ok(End::Failed) }
    }

    fn all(&self, variants: Vec<Variant>, options: &Options) -> Known {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let jobs = self.jobs.unwrap_or(2 * processors).clamp(1, variants.len().max(1));
        let queue = Mutex::new(variants.into_iter());
        let known = Mutex::new(Known::default());
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    while let Some(variant) = next() {
                        one(&variant, options, &known);
                    }
                });
            }
        });
        known.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells of every mutant that nobody noticed, and counts those of which nothing says that nobody can. `chosen` are the
/// scenarios that ran.
fn tell_survivors(known: &Known, equivalents: &[Equivalent], chosen: &BTreeSet<String>) -> usize {
    let mut survived = 0;
    for ((family, mutant), variants) in &known.survivors {
        let text = mutant.to_string();
        let names: Vec<&str> = variants.iter().map(String::as_str).collect();
        let equivalent = equivalents.iter().find(|one| one.is(&text));
        if let Some(Equivalent { because, experiment, .. }) = equivalent {
            // An experiment that ran has to have gone without the rule.
            let is_shown = names.iter().any(|name| name.starts_with(&format!("{experiment}::")));
            if is_shown || !chosen.contains(experiment) {
                say(&format!("equivalent  {family} {text}\n            {because}: {experiment}\n"));
                continue;
            }
        }
        survived += 1;
        say(&format!("SURVIVED  {family} {text}\n          in {}\n", names.join(", ")));
    }
    survived
}

/// Breaks what a variant installs in each way that nobody has noticed yet.
fn one(variant: &Variant, options: &Options, known: &Mutex<Known>) {
    let lock = || known.lock().unwrap_or_else(PoisonError::into_inner);
    let mutants = match run::rules(variant, options) {
        Ok((report, mutants)) if report.passed() => mutants,
        Ok(_) => return lock().broken.push(format!("{variant} fails with everything in place")),
        Err(error) => return lock().broken.push(format!("{variant}: {error}")),
    };
    for mutant in mutants {
        let mutant = (variant.family.to_string(), mutant);
        if lock().killed.contains(&mutant) {
            continue;
        }
        let outcome = run::mutated(variant, options, &mutant.1);
        let mut known = lock();
        if is_refused(&outcome) {
            known.refused.insert(mutant);
        } else if is_noticed(&outcome, &mutant.1) {
            known.survivors.remove(&mutant);
            say(&format!("noticed   {} {}  by {variant}\n", mutant.0, mutant.1));
            known.killed.insert(mutant);
        } else if !known.killed.contains(&mutant) {
            known.survivors.entry(mutant).or_default().insert(variant.to_string());
        }
    }
}

/// Whether the kernel does not take such a rule.
fn is_refused(outcome: &Result<Report, RunError>) -> bool {
    matches!(outcome, Err(RunError::Unbreakable(_)))
}

/// Whether traffic went otherwise, or something was left behind where the mutant is about that. What tproxy says of its
/// rules counts for nothing.
fn is_noticed(outcome: &Result<Report, RunError>, mutant: &Mutant) -> bool {
    let counts = |about| about == About::Traffic || mutant.is_afterwards() && about == About::State;
    match outcome {
        Ok(report) => report.checks.iter().any(|check| counts(check.about) && !check.passed()),
        // A scenario that does not come to its end misses something, too.
        Err(error) => matches!(error, RunError::Actor(_) | RunError::NotOpen { .. }),
    }
}
