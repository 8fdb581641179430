//! `netsim list`.

use clap::Args;

use super::selection::Selection;
use super::{End, say};

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    selection: Selection,
}

impl List {
    pub(super) fn run(&self) -> End {
        match self.selection.variants() {
            Ok(variants) => {
                variants.iter().for_each(|variant| say(&format!("{variant}\n")));
                End::Passed
            }
            Err(reason) => End::Refused(reason),
        }
    }
}
