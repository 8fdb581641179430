//! The flags that set options, made from the settings table, so that a new option is one entry there.
//!
//! Must never read a value: flags are texts until the layers read them.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::removed::REMOVED;
use crate::config::Config;
use crate::config::settings::{self, Group, Setting};
use crate::config::value::Value;

/// `--config` files and option flags as typed.
#[derive(Debug, Clone, Default)]
pub(super) struct ConfigurationFlags {
    /// Values of the deprecated `--config-file`, which come before all others.
    pub(super) deprecated_files: Vec<String>,
    /// Values of `--config` in the order given.
    pub(super) files: Vec<String>,
    /// Names without dashes, and values as text, in the order given.
    pub(super) flags: Vec<(&'static str, String)>,
    /// Flags of older versions that exist no more.
    pub(super) removed: Vec<&'static str>,
    /// The flag that names the files, where it is not `--config`.
    pub(super) files_flag: Option<&'static str>,
    /// Whether variables do not count.
    pub(super) without_variables: bool,
}

fn argument(setting: &'static Setting, flag: &'static str, defaults: &Config) -> Arg {
    let help = format!("{}{}", setting.help, default_of(setting, defaults));
    let argument = Arg::new(flag)
        .long(flag)
        .help(help.clone())
        .long_help(match setting.prefixed_variable() {
            Some(variable) => format!("{help}\n[env: {variable}]"),
            None => help,
        })
        .help_heading(setting.group.heading())
        .action(ArgAction::Append);
    if setting.is_switch() {
        argument.num_args(0..=1).require_equals(true).default_missing_value("true").value_name("BOOL")
    } else {
        argument.value_name(setting.value_name).allow_hyphen_values(true)
    }
}

/// The default as help shows it; nothing for what is empty or off.
fn default_of(setting: &Setting, defaults: &Config) -> String {
    match setting.value(defaults) {
        Value::Text(text) if !text.is_empty() => format!(" [default: {text}]"),
        Value::Integer(number) => format!(" [default: {number}]"),
        Value::Bool(true) => " [default: true]".to_owned(),
        _ => String::new(),
    }
}

fn file_flags() -> [Arg; 2] {
    let config = Arg::new("config")
        .long("config")
        .value_name("FILES")
        .help(
            "Configuration files, YAML or JSON, separated by commas; - reads standard input; repeatable, later ones \
             win",
        )
        .help_heading(Group::General.heading())
        .action(ArgAction::Append)
        .allow_hyphen_values(true);
    [
        config,
        Arg::new("config-file")
            .long("config-file")
            .hide(true)
            .action(ArgAction::Append)
            .allow_hyphen_values(true),
    ]
}

/// Names that flags had: hidden, but known, so that whoever uses one learns what to write instead.
fn flags_of_old() -> impl Iterator<Item = Arg> {
    let deprecated = settings::all()
        .filter_map(|setting| setting.deprecated_flag)
        .map(|flag| Arg::new(flag).long(flag).hide(true).action(ArgAction::Append).allow_hyphen_values(true));
    let removed = REMOVED.iter().map(|(flag, _)| {
        Arg::new(flag)
            .long(flag)
            .hide(true)
            .action(ArgAction::Append)
            .num_args(0..=1)
            .default_missing_value("")
    });
    deprecated.chain(removed)
}

impl Args for ConfigurationFlags {
    fn augment_args(command: Command) -> Command {
        let defaults = Config::default();
        let flags = settings::all().filter_map(|setting| Some(argument(setting, setting.flag?, &defaults)));
        command.args(file_flags()).args(flags).args(flags_of_old())
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ConfigurationFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let texts =
            |name: &str| -> Vec<String> { matches.get_many(name).into_iter().flatten().cloned().collect() };
        let names = settings::all().flat_map(|setting| [setting.flag, setting.deprecated_flag]).flatten();
        let mut flags = Vec::new();
        for name in names {
            let places = matches.indices_of(name).into_iter().flatten();
            flags.extend(places.zip(texts(name)).map(|(place, text)| (place, name, text)));
        }
        // Of two names for one setting the last one typed counts.
        flags.sort_by_key(|(place, ..)| *place);
        let removed = REMOVED.iter().map(|(flag, _)| *flag).filter(|flag| matches.contains_id(flag));
        Ok(Self {
            deprecated_files: texts("config-file"),
            files: texts("config"),
            flags: flags.into_iter().map(|(_, name, text)| (name, text)).collect(),
            removed: removed.collect(),
            ..Self::default()
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
