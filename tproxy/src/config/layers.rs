//! Layers of assignments folded over the defaults: files in order, then the environment, then flags.
//!
//! Must never depend on anything but its input, so that the same layers always give the same configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Config;
use super::check;
use super::document;
use super::problem::{Origin, Problem, Problems};
use super::settings::{Apply, SETTINGS, Setting, VARIABLE_PREFIX};
use super::value::Raw;
use crate::diagnostic::Source;

/// One value for one setting, and who said so.
pub struct Assignment {
    pub(super) setting: &'static Setting,
    pub(super) raw: Raw,
    pub(super) origin: Origin,
}

/// Collects what files, environment and flags say. Call in any order: precedence is fixed.
#[derive(Default)]
pub struct Layers {
    files: Vec<Assignment>,
    environment: Vec<Assignment>,
    flags: Vec<Assignment>,
    problems: Problems,
}

/// The merged configuration, and where each value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The configuration itself.
    pub config: Config,
    origins: BTreeMap<&'static str, Origin>,
}

impl Resolved {
    /// Who set `key` last.
    #[must_use]
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }
}

impl Layers {
    /// Adds a configuration file's text; later files win over earlier ones.
    #[must_use]
    pub fn file(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        let source = Arc::new(Source { name: name.into(), text: text.into() });
        let (found, problems) = document::assignments(&source);
        self.files.extend(found);
        self.problems.extend(problems);
        self
    }

    /// Adds the variables of the environment; those that are not ours are passed over.
    #[must_use]
    pub fn environment(mut self, variables: &BTreeMap<String, String>) -> Self {
        for setting in SETTINGS {
            let Some(name) = setting.variable else { continue };
            let prefixed = format!("{VARIABLE_PREFIX}{name}");
            let bare = setting.bare_variable.map(str::to_owned);
            let found = [Some(prefixed), bare]
                .into_iter()
                .flatten()
                .find_map(|name| variables.get(&name).map(|value| (name, value.clone())));
            if let Some((name, value)) = found {
                let assignment =
                    Assignment { setting, raw: Raw::Text(value), origin: Origin::Variable(name) };
                self.environment.push(assignment);
            }
        }
        self
    }

    /// Adds a flag by its name without dashes. Of a repeated flag the last counts.
    /// A name that is no setting's flag is passed over: the argument parser refuses it first.
    #[must_use]
    pub fn flag(mut self, name: &str, value: impl Into<String>) -> Self {
        if let Some(setting) = SETTINGS.iter().find(|setting| setting.flag == Some(name)) {
            let origin = Origin::Flag(name.to_owned());
            self.flags.push(Assignment { setting, raw: Raw::Text(value.into()), origin });
        }
        self
    }

    /// Folds everything over the defaults and checks the whole.
    ///
    /// # Errors
    /// All problems of all layers, not only the first.
    pub fn resolve(self) -> Result<Resolved, Problems> {
        let mut resolved = Resolved { config: Config::default(), origins: BTreeMap::new() };
        let mut problems = self.problems;
        for assignment in self.files.into_iter().chain(self.environment).chain(self.flags) {
            match apply(&mut resolved.config, &assignment) {
                Ok(()) => {
                    resolved.origins.insert(assignment.setting.key, assignment.origin);
                }
                Err(message) => {
                    problems.push(Problem::new(assignment.origin, assignment.setting.key, message));
                }
            }
        }
        problems.extend(check::whole(&resolved));
        problems.into_result()?;
        Ok(resolved)
    }
}

fn apply(config: &mut Config, assignment: &Assignment) -> Result<(), String> {
    match assignment.setting.apply {
        Apply::Set(set) => set(config, &assignment.raw).map_err(|error| error.to_string()),
        Apply::Later(default) if assignment.raw.says(default) => Ok(()),
        Apply::Later("false") => {
            Err("is not supported by this version of tproxy yet; leave it out".to_owned())
        }
        Apply::Later("") => {
            Err("is not supported by this version of tproxy yet; leave it out or empty".to_owned())
        }
        Apply::Later(default) => Err(format!(
            "is not supported by this version of tproxy yet; leave it at its default `{default}`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn message(layers: Layers) -> String {
        layers.resolve().expect_err("must be refused").to_string()
    }

    #[test]
    fn flags_win_over_environment_over_files_over_defaults() {
        let variables = BTreeMap::from([
            ("KUMA_TRANSPARENT_PROXY_REDIRECT_INBOUND_PORT".to_owned(), "3".to_owned()),
            ("KUMA_TRANSPARENT_PROXY_REDIRECT_OUTBOUND_PORT".to_owned(), "4".to_owned()),
        ]);
        let resolved = Layers::default()
            .flag("redirect-inbound-port", "5")
            .environment(&variables)
            .file("a", "redirect: {inbound: {port: 1, excludePorts: [1]}, outbound: {port: 2}}")
            .file("b", "redirect: {inbound: {excludePorts: \"7, 8\"}}")
            .resolve()
            .unwrap();
        assert_eq!(resolved.config.inbound.port.get(), 5);
        assert_eq!(resolved.config.outbound.port.get(), 4);
        assert_eq!(resolved.config.inbound.exclude_ports.to_string(), "7,8");
        assert_eq!(resolved.origin("redirect.inbound.port").to_string(), "--redirect-inbound-port");
        assert_eq!(resolved.origin("redirect.inbound.excludePorts").to_string(), "b:1");
        assert_eq!(resolved.origin("ipFamilyMode"), Origin::Default);
    }

    #[rstest]
    #[case("redirect-inbound-port", "0", "--redirect-inbound-port: `0` is not a port from 1 to 65535")]
    #[case("redirect-inbound-port", "+80", "--redirect-inbound-port: `+80` is not a port from 1 to 65535")]
    #[case("exclude-outbound-ports", "80,x", "--exclude-outbound-ports: `x` is not a port from 1 to 65535")]
    #[case("redirect-inbound", "maybe", "--redirect-inbound: `maybe` is not `true` or `false`")]
    #[case("ip-family-mode", "ipv6", "--ip-family-mode: `ipv6` is not `dualstack` or `ipv4`")]
    #[case(
        "kuma-dp-user",
        "4294967295",
        "--kuma-dp-user: `4294967295` is not a user name or a user id from 0 to 4294967294"
    )]
    #[case(
        "vnet",
        "docker0:172.17.0.0/16",
        "--vnet: is not supported by this version of tproxy yet; leave it out or empty"
    )]
    #[case(
        "redirect-dns",
        "true",
        "--redirect-dns: is not supported by this version of tproxy yet; leave it out"
    )]
    #[case(
        "redirect-outbound-port",
        "15006",
        "--redirect-outbound-port: `15006` is the inbound port, too; give each direction a port of its own"
    )]
    #[case(
        "iptables-executables",
        "iptables:/a",
        "--iptables-executables: a family's three programs go together; missing: iptables-save, iptables-restore"
    )]
    fn a_bad_flag_is_one_sentence_with_name_value_and_what_is_allowed(
        #[case] flag: &str,
        #[case] value: &str,
        #[case] sentence: &str,
    ) {
        assert_eq!(message(Layers::default().flag(flag, value)), sentence);
    }

    #[test]
    fn a_misspelt_key_is_shown_at_its_place_with_a_suggestion() {
        insta::assert_snapshot!(message(Layers::default().file("cfg.yaml", "redirct:\n  inbound: {}\n")), @r"
        redirct: is not a known key; did you mean `redirect`?
         --> cfg.yaml:1:1
          |
        1 | redirct:
          | ^^^^^^^
        ");
    }

    #[test]
    fn all_problems_of_one_run_are_reported_together() {
        let text = "redirect:\n  inbound: {port: 0}\n  outbound: {prt: 1}\nipFamilyMode: both\n";
        let found = Layers::default().file("f", text).flag("redirect-inbound", "?").resolve().unwrap_err();
        assert_eq!(found.iter().count(), 4, "{found}");
    }

    #[rstest]
    #[case("EXCLUDE_PORTS_FOR_IPS", "192.0.2.1", 2)]
    #[case("KUMA_TRANSPARENT_PROXY_REDIRECT_INBOUND_CHAIN_NAME", "MINE", 1)]
    #[case("KUMA_TRANSPARENT_PROXY_REDIRECT_DNS_ENABLED", "true", 1)]
    fn a_variable_of_an_option_to_come_is_refused_not_ignored(
        #[case] name: &str,
        #[case] value: &str,
        #[case] problems: usize,
    ) {
        let variables = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let refused = Layers::default().environment(&variables).resolve().unwrap_err();
        assert_eq!(refused.iter().count(), problems, "{refused}");
        assert!(refused.to_string().starts_with(name), "{refused}");
    }

    #[test]
    fn options_to_come_are_accepted_at_their_defaults() {
        let text = "wait: 5\nlog: {enabled: false}\nredirect: {dns: {enabled: false, port: 15053}, vnet: {networks: []}}";
        assert_eq!(Layers::default().file("f", text).resolve().unwrap().config, Config::default());
    }
}
