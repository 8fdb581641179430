//! `tproxy completions` and `tproxy man`: texts made from the command line's own definition.

use clap::{Args, Command};

use super::Surroundings;
use super::error::CliError;

/// The flags of `tproxy completions`.
#[derive(Debug, Args)]
#[command(after_help = "Example: tproxy completions bash > /etc/bash_completion.d/tproxy")]
pub(super) struct Completions {
    /// For which shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

impl Completions {
    pub(super) fn run(
        &self,
        surroundings: &mut Surroundings<'_>,
        command: &mut Command,
    ) -> Result<(), CliError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, command, "tproxy", &mut script);
        Ok(surroundings.out.write_all(&script)?)
    }
}

/// The flags of `tproxy man`.
#[derive(Debug, Args)]
#[command(after_help = "Example: tproxy man install | man -l -")]
pub(super) struct Man {
    /// The verb to print the page of; all verbs together where none is given
    verb: Option<String>,
}

impl Man {
    pub(super) fn run(
        &self,
        surroundings: &mut Surroundings<'_>,
        mut command: Command,
    ) -> Result<(), CliError> {
        command.build();
        let mut page = Vec::new();
        match &self.verb {
            None => clap_mangen::Man::new(command).render(&mut page)?,
            Some(name) => match command.find_subcommand(name) {
                Some(verb) => clap_mangen::Man::new(verb.clone()).render(&mut page)?,
                None => {
                    let known: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
                    let message = format!("`{name}` is not a verb of tproxy: {}\n", known.join(", "));
                    let error = clap::Error::raw(clap::error::ErrorKind::InvalidSubcommand, message);
                    return Err(CliError::Usage(error));
                }
            },
        }
        Ok(surroundings.out.write_all(&page)?)
    }
}
