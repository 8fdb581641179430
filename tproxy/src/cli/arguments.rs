//! The flags that set options, made from the settings table, so that a new option is one entry there.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::config::settings::{SETTINGS, Setting};

/// `--config` files and option flags as typed.
#[derive(Debug, Clone, Default)]
pub(super) struct ConfigurationFlags {
    /// Configuration files in the order given; `-` is standard input.
    pub(super) files: Vec<String>,
    /// Names without dashes, and values as text.
    pub(super) flags: Vec<(&'static str, String)>,
}

const HEADING: &str = "Options of the redirection";

fn argument(setting: &'static Setting, flag: &'static str) -> Arg {
    let argument = Arg::new(flag)
        .long(flag)
        .help(setting.help)
        .help_heading(HEADING)
        .action(ArgAction::Append)
        .hide(!setting.is_supported());
    if setting.is_switch() {
        argument.num_args(0..=1).require_equals(true).default_missing_value("true").value_name("BOOL")
    } else {
        argument.value_name(setting.value_name).allow_hyphen_values(true)
    }
}

impl Args for ConfigurationFlags {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .help(
                "Configuration file, YAML or JSON; `-` reads standard input; repeat to merge, later ones win",
            )
            .help_heading(HEADING)
            .action(ArgAction::Append);
        let flags = SETTINGS.iter().filter_map(|setting| Some(argument(setting, setting.flag?)));
        command.arg(config).args(flags)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ConfigurationFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let texts = |name: &str| matches.get_many::<String>(name).into_iter().flatten().cloned();
        let flags = SETTINGS
            .iter()
            .filter_map(|setting| setting.flag)
            .flat_map(|flag| texts(flag).map(move |value| (flag, value)))
            .collect();
        Ok(Self { files: texts("config").collect(), flags })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
