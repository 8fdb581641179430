//! `netsim check`.

use clap::Args;

use super::End;
use super::selection::{Selection, describe};

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    selection: Selection,
}

impl Check {
    pub(super) fn run(&self) -> End {
        match self.selection.scenarios() {
            Ok(scenarios) => {
                println!("{} scenario files are right", scenarios.len());
                End::Passed
            }
            Err(errors) => End::Refused(describe(&errors)),
        }
    }
}
