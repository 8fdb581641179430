//! Every variant of every scenario is a test of its own. So is every file in `wrong/`, which expects what does not
//! happen: netsim must report it, in the words of the file's first line. What is known of a variant that fails lies in
//! `target/netsim-evidence`, until the next run. The files in `clients/` call programs that are built beside them.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod built;
mod clients;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use netsim::require::{self, Requirement};
use netsim::run::{self, EvidencePlace, Options};
use netsim::scenario::{self, Variant};
use netsim::{node, report};

use built::tproxy;

fn main() {
    let mut arguments = Arguments::from_args();
    // Waiting for events is most of the work: twice the processors keeps them busy.
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    arguments.test_threads = arguments.test_threads.or(Some(2 * processors));
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let right = variants(&here.join("../scenarios")).map(trial);
    // What is reported does not depend on the variant: one is enough.
    let one = |variant: &Variant| variant.to_string().ends_with("::iptables-nft::ipv4");
    let wrong = variants(&here.join("tests/wrong")).filter(one).map(wrong_trial);
    let clients = variants(&here.join("tests/clients")).map(client_trial);
    let trials = right.chain(wrong).chain(clients).collect();
    if !arguments.list {
        match std::fs::remove_dir_all(evidence()) {
            Err(error) if error.kind() != ErrorKind::NotFound => fail(&error),
            _ => {}
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    node::shutdown().expect("nothing is left of this process");
    conclusion.exit()
}

fn variants(folder: &Path) -> impl Iterator<Item = Variant> + use<> {
    scenario::files(folder)
        .expect("the scenarios are there")
        .into_iter()
        .map(|(id, file)| Arc::new(scenario::load(&id, &file).unwrap_or_else(|error| fail(&error))))
        .flat_map(|scenario| scenario::variants(&scenario))
}

fn fail(error: &dyn std::fmt::Display) -> ! {
    eprintln!("{error}");
    std::process::exit(1)
}

fn trial(variant: Variant) -> Trial {
    test(variant.to_string(), variant, prove)
}

fn wrong_trial(variant: Variant) -> Trial {
    test(format!("wrong/{}", variant.scenario.id), variant, report_it)
}

fn client_trial(variant: Variant) -> Trial {
    let name = format!("clients/{variant}");
    match clients::requirement(&variant.scenario.id) {
        Requirement::Met => test(name, variant, prove_with_clients),
        Requirement::Skip(reason) => skipped(name, &reason),
        Requirement::Missing(reason) => Trial::test(name, move || Err(reason.into())),
    }
}

fn test(name: String, variant: Variant, judge: fn(&Variant) -> Result<(), Failed>) -> Trial {
    match require::variant(variant.backend, variant.family) {
        Requirement::Met => Trial::test(name, move || judge(&variant)),
        Requirement::Skip(reason) => skipped(name, &reason),
        Requirement::Missing(reason) => Trial::test(name, move || Err(reason.into())),
    }
}

fn skipped(name: String, reason: &str) -> Trial {
    Trial::test(name, || Ok(())).with_ignored_flag(true).with_kind(format!("skipped: {reason}"))
}

fn prove(variant: &Variant) -> Result<(), Failed> {
    prove_by(variant, &Options::new(tproxy()))
}

fn prove_with_clients(variant: &Variant) -> Result<(), Failed> {
    prove_by(variant, &Options::new(tproxy()).programs(clients::built(&variant.scenario.id)?))
}

fn prove_by(variant: &Variant, options: &Options) -> Result<(), Failed> {
    let options = options.clone().evidence(EvidencePlace::Folder(evidence()));
    let report = run::run(variant, &options)?;
    if report.passed() { Ok(()) } else { Err(report::failure(&report).into()) }
}

/// This program is target/PROFILE/deps/NAME-…
fn evidence() -> PathBuf {
    let me = std::env::current_exe().expect("this program has a path");
    me.ancestors().nth(3).expect("it lies in the target folder").join("netsim-evidence")
}

/// The file's first line says what netsim must report.
fn report_it(variant: &Variant) -> Result<(), Failed> {
    let text = &variant.scenario.source.text;
    let expected = text.lines().next().and_then(|line| line.strip_prefix("# reported: "));
    let expected = expected.ok_or("the first line must be `# reported: …`")?;
    let report = run::run(variant, &Options::new(tproxy()))?;
    let said = report::failure(&report);
    if !report.passed() && said.contains(expected) {
        Ok(())
    } else {
        Err(format!("`{expected}` is not reported; it says: {said}").into())
    }
}
