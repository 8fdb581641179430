//! `tproxy completions` and `tproxy man`: texts made from the command line's own definition.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, Command};

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
    pub(super) fn run(&self, surroundings: &mut Surroundings<'_>, command: &Command) -> Result<(), CliError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut without_hidden(command), "tproxy", &mut script);
        Ok(surroundings.out.write_all(&script)?)
    }
}

/// The same command with what help shows only: nobody is to be led to flags of old.
fn without_hidden(command: &Command) -> Command {
    let shown: Vec<_> = command.get_arguments().filter(|argument| !argument.is_hide_set()).collect();
    let groups = command.get_groups().map(|group| {
        let is_shown = |id: &&clap::Id| shown.iter().any(|argument| argument.get_id() == *id);
        let ids: Vec<_> = group.get_args().filter(is_shown).cloned().collect();
        ArgGroup::new(group.get_id().clone()).multiple(true).args(ids)
    });
    // The parser keeps names for ever; there are about ten.
    let name: &'static str = command.get_name().to_owned().leak();
    let mut copy = Command::new(name)
        .groups(groups)
        .args(shown.iter().copied().cloned())
        .subcommands(shown_verbs(command).map(without_hidden));
    if let Some(about) = command.get_about() {
        copy = copy.about(about.clone());
    }
    if command.get_version().is_some() { copy.version(env!("CARGO_PKG_VERSION")) } else { copy }
}

/// The verbs that users run.
fn shown_verbs(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|verb| !verb.is_hide_set())
}

/// The flags of `tproxy man`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tproxy man install | man -l -
  tproxy man --output-dir /tmp")]
pub(super) struct Man {
    /// The verb to print the page of; without one it is tproxy's own page, which lists the verbs
    verb: Option<String>,
    /// Write the pages of tproxy and of every verb into this directory: tproxy.1, tproxy-install.1, …
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "verb")]
    output_dir: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(&self, surroundings: &mut Surroundings<'_>, command: Command) -> Result<(), CliError> {
        let mut command = command.disable_help_subcommand(true);
        command.build();
        if let Some(directory) = &self.output_dir {
            let pages = shown_verbs(&command).chain([&command]);
            return pages.map(page).try_for_each(|page| write(&page, directory));
        }
        let page = match &self.verb {
            None => page(&command),
            Some(name) => page(command.find_subcommand(name).ok_or_else(|| unknown(name, &command))?),
        };
        let mut text = Vec::new();
        page.render(&mut text)?;
        Ok(surroundings.out.write_all(&text)?)
    }
}

/// The page of tproxy or of a verb of it, with the version below it.
fn page(command: &Command) -> clap_mangen::Man {
    clap_mangen::Man::new(command.clone()).source(concat!("tproxy ", env!("CARGO_PKG_VERSION")))
}

fn write(page: &clap_mangen::Man, directory: &Path) -> Result<(), CliError> {
    let path = directory.join(page.get_filename());
    let mut text = Vec::new();
    page.render(&mut text)?;
    let written = File::create(&path).and_then(|mut file| file.write_all(&text));
    written.map_err(|error| CliError::Page { path, error })
}

fn unknown(name: &str, command: &Command) -> CliError {
    let known: Vec<&str> = shown_verbs(command).map(Command::get_name).collect();
    let message = format!("`{name}` is not a verb of tproxy: {}\n", known.join(", "));
    let error = clap::Error::raw(clap::error::ErrorKind::InvalidSubcommand, message);
    CliError::Misuse(Box::new(error.into()))
}
