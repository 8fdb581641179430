//! `netsim demo`: one scenario told to a newcomer.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tproxy::backend::BackendId;

use super::selection::tproxy;
use super::{End, say};
use crate::report;
use crate::run::{self, Check, Options, Report};
use crate::scenario::{self, Variant};

/// The scenario that is told.
const TOUR: &str = include_str!("../../../scenarios/tour.yaml");

const INTRODUCTION: &str = "\
tproxy makes an application's connections go through a sidecar proxy, and the application does not notice.

Here are a pod and a peer, joined by a link, in network namespaces of their own: the network of this machine is not
touched. In the pod live an application (uid 1000) and a sidecar (uid 5678), which listens on port 15006 for what
arrives and on port 15001 for what is sent.
";

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// The tproxy binary [default: the one beside netsim]
    #[arg(long, value_name = "PATH")]
    tproxy: Option<PathBuf>,
}

impl Demo {
    pub(super) fn run(&self) -> End {
        self.tell().unwrap_or_else(End::Refused)
    }

    fn tell(&self) -> Result<End, String> {
        let scenario =
            scenario::parse("tour", "tour.yaml", TOUR.to_owned()).map_err(|error| error.to_string())?;
        let options = Options::new(tproxy(self.tproxy.as_deref())?);
        run::supports(BackendId::IptablesNft).map_err(|missing| missing.to_string())?;
        say(&format!("{INTRODUCTION}\n"));
        let mut passed = true;
        let variants = scenario::variants(&Arc::new(scenario));
        for variant in variants.iter().filter(|variant| variant.backend == BackendId::IptablesNft) {
            let report = run::run(variant, &options).map_err(|error| error.to_string())?;
            passed &= report.passed();
            show(variant, &report);
        }
        if passed {
            say("Every flow went where the policy says, and nothing is left.\n");
        }
        Ok(if passed { End::Passed } else { End::Failed })
    }
}

fn show(variant: &Variant, report: &Report) {
    say(&format!("─── over {} ───\n\n", variant.family.title()));
    for check in &report.checks {
        if check.explanation.is_none() {
            command(check);
        } else if is_first_flow(report, check) {
            say(&format!("{}\n", report::flows(report)));
        }
    }
    say("\n");
    if !report.passed() {
        say(&format!("{}\n", report::failure(report)));
    }
}

fn command(check: &Check) {
    match check.title.starts_with("tproxy ") {
        true => say(&format!("pod # {}\n{}\n", check.title, check.printed)),
        false => say(&format!("{}: {}\n", check.title, check.happened)),
    }
}

fn is_first_flow(report: &Report, check: &Check) -> bool {
    let first = report.checks.iter().find(|check| check.explanation.is_some());
    first.is_some_and(|first| std::ptr::eq(first, check))
}
