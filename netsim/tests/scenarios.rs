//! Every variant of every scenario is a test of its own.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod built;

use std::path::Path;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use netsim::require::{self, Requirement};
use netsim::run::{self, Options};
use netsim::scenario::{self, Variant};
use netsim::{node, report};

use built::tproxy;

fn main() {
    let mut arguments = Arguments::from_args();
    // Waiting for events is most of the work: twice the processors keeps them busy.
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    arguments.test_threads = arguments.test_threads.or(Some(2 * processors));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let trials = scenario::files(&folder)
        .expect("the scenarios are there")
        .into_iter()
        .map(|(id, file)| Arc::new(scenario::load(&id, &file).unwrap_or_else(|error| fail(&error))))
        .flat_map(|scenario| scenario::variants(&scenario))
        .map(trial)
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    node::shutdown().expect("nothing is left of this process");
    conclusion.exit()
}

fn fail(error: &dyn std::fmt::Display) -> ! {
    eprintln!("{error}");
    std::process::exit(1)
}

fn trial(variant: Variant) -> Trial {
    let name = variant.to_string();
    match require::backend(variant.backend) {
        Requirement::Met => Trial::test(name, move || prove(&variant)),
        Requirement::Skip(reason) => {
            Trial::test(name, || Ok(())).with_ignored_flag(true).with_kind(format!("skipped: {reason}"))
        }
        Requirement::Missing(reason) => Trial::test(name, move || Err(reason.into())),
    }
}

fn prove(variant: &Variant) -> Result<(), Failed> {
    let report = run::run(variant, &Options { tproxy: tproxy() })?;
    if report.passed() { Ok(()) } else { Err(report::failure(&report).into()) }
}
