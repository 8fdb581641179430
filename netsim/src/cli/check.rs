//! `netsim check`.

use clap::Args;

use super::selection::{Selection, describe};
use super::{End, say};

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    selection: Selection,
}

impl Check {
    pub(super) fn run(&self) -> End {
        match self.selection.scenarios() {
            Ok(scenarios) => {
                say(&format!("{} scenario files are right\n", scenarios.len()));
                End::Passed
            }
            Err(errors) => End::Refused(describe(&errors)),
        }
    }
}
