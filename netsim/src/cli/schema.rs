//! `netsim schema`.

use clap::Args;

use super::{End, say};
use crate::reference;

#[derive(Debug, Args)]
pub(super) struct Schema {
    /// Print the document that explains every key instead, in Markdown
    #[arg(long)]
    readme: bool,
}

impl Schema {
    pub(super) fn run(&self) -> End {
        let schema = reference::schema();
        say(&if self.readme { reference::readme(&schema) } else { format!("{schema:#}\n") });
        End::Passed
    }
}
