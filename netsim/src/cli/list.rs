//! `netsim list`.

use clap::Args;

use super::End;
use super::selection::Selection;

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    selection: Selection,
}

impl List {
    pub(super) fn run(&self) -> End {
        match self.selection.variants() {
            Ok(variants) => {
                variants.iter().for_each(|variant| println!("{variant}"));
                End::Passed
            }
            Err(reason) => End::Refused(reason),
        }
    }
}
