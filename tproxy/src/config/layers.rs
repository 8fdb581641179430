//! Layers of assignments folded over the defaults: files in order, then the environment, then flags.
//!
//! Must never depend on anything but its input, so that the same layers always give the same configuration.

use std::collections::BTreeMap;

use serde_saphyr::Location;

use super::check;
use super::document;
use super::first_few::FirstFew;
use super::problem::{Origin, Problem, Problems};
use super::settings::{self, Group, Setting, VARIABLE_PREFIX};
use super::text::{self, LARGEST};
use super::value::{Refusal, Value};
use super::{BackendChoice, Config};
use crate::diagnostic::{shortened, suggest};

/// One value for one setting, and who said so.
pub struct Assignment {
    pub(super) setting: &'static Setting,
    pub(super) value: Value,
    pub(super) origin: Origin,
    /// In a file, where a list's items stand.
    pub(super) items: Vec<Location>,
}

impl Assignment {
    /// A refusal of the value, at the place of the item that it is about.
    fn problem(&self, refusal: &Refusal) -> Problem {
        let item = refusal.item.and_then(|item| self.items.get(item));
        let origin = self.origin.at(item);
        let value = match (&self.value, refusal.item) {
            (Value::List(items), Some(item)) => items.get(item).unwrap_or(&self.value),
            (value, _) => value,
        };
        let message = match &origin {
            Origin::File(place) => refusal.quoting(value, place.text()),
            _ => refusal.to_string(),
        };
        Problem::new(origin, self.setting.key, message)
    }
}

/// A list that counts, with the places of its items in a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WrittenList {
    pub(super) items: Vec<Value>,
    pub(super) origin: Origin,
    pub(super) places: Vec<Location>,
}

/// Collects what files, environment and flags say. Call in any order: precedence is fixed.
#[derive(Default)]
pub struct Layers {
    files: Vec<Assignment>,
    /// Of all files together.
    bytes: usize,
    environment: Vec<Assignment>,
    flags: Vec<Assignment>,
    /// Where in `flags` the items of a repeated one are, by its key.
    repeated: BTreeMap<&'static str, usize>,
    problems: Problems,
    warnings: Vec<String>,
}

/// The merged configuration, and where each value came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The configuration itself.
    pub config: Config,
    /// What the user should know, though the configuration stands.
    pub warnings: Vec<String>,
    origins: BTreeMap<&'static str, Origin>,
    /// Of lists that count and were written in files.
    pub(super) lists: BTreeMap<&'static str, WrittenList>,
}

impl Resolved {
    /// Who set `key` last.
    #[must_use]
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }

    pub(super) fn adopt(&mut self, key: &'static str, from: &str) {
        self.origins.insert(key, self.origin(from));
    }

    fn assign(&mut self, assignment: Assignment, problems: &mut Problems) {
        let setting = assignment.setting;
        let parts: Vec<(&'static Setting, Value)> =
            settings::parts(setting).map(|part| (part, part.value(&self.config))).collect();
        match (setting.access.set)(&mut self.config, &assignment.value) {
            Ok(()) => {
                let changed = parts.iter().filter(|(part, before)| part.value(&self.config) != *before);
                for key in changed.map(|(part, _)| part.key).chain([setting.key]) {
                    self.origins.insert(key, assignment.origin.clone());
                }
                self.keep(assignment);
            }
            Err(refusals) => problems.push_all(refusals.map(|refusal| assignment.problem(&refusal))),
        }
    }

    /// Where items stand that are told apart by nothing but their places.
    fn keep(&mut self, assignment: Assignment) {
        let Assignment { setting, value, origin, items: places } = assignment;
        self.lists.remove(setting.key);
        if let Value::List(items) = value
            && !places.is_empty()
        {
            self.lists.insert(setting.key, WrittenList { items, origin, places });
        }
    }
}

impl Layers {
    /// Adds what is in a configuration file; later files win over earlier ones. All together have the size of one at most,
    /// since all of them are kept.
    #[must_use]
    pub fn file(mut self, name: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        let (name, content) = (name.into(), content.into());
        self.bytes = self.bytes.saturating_add(content.len());
        if self.bytes > LARGEST && self.bytes > content.len() {
            let name = shortened(&name);
            let message = format!(
                "`{name}` and the files before it are larger than {} MiB together; give less",
                LARGEST >> 20
            );
            return self.problem(Problem::new(Origin::Flag("config".to_owned()), "", message));
        }
        let source = match text::source(name, content) {
            Ok(source) => source,
            Err(problem) => return self.problem(problem),
        };
        let (found, problems) = document::assignments(&source);
        self.files.extend(found);
        self.problems.extend(problems);
        self
    }

    /// Adds the variables of the environment; those that are not ours are passed over.
    #[must_use]
    pub fn environment(mut self, variables: &BTreeMap<String, String>) -> Self {
        for setting in settings::all() {
            let names = [setting.prefixed_variable(), setting.bare_variable.map(str::to_owned)];
            let found = names.into_iter().flatten().find_map(|name| {
                let value = variables.get(&name)?.clone();
                Some((name, value))
            });
            if let Some((name, text)) = found {
                let (value, origin) = (of_variable(setting, text), Origin::Variable(name));
                self.environment.push(Assignment { setting, value, origin, items: Vec::new() });
            }
        }
        let mut unknown = FirstFew::default();
        for name in variables.keys().filter_map(|name| name.strip_prefix(VARIABLE_PREFIX)) {
            if settings::all().all(|setting| setting.variable != Some(name)) {
                unknown.push_with(|| unknown_variable(name));
            }
        }
        self.warnings.extend(unknown.texts(Clone::clone));
        self
    }

    /// Adds a flag by its name without dashes. The items of a repeated flag add up where the setting says so; of any
    /// other the last one counts. A name that is no setting's flag is passed over: the argument parser refuses it first.
    #[must_use]
    pub fn flag(mut self, name: &str, text: impl Into<String>) -> Self {
        let Some(setting) = settings::of_flag(name) else { return self };
        let text = text.into();
        let value = if setting.json_flag { of_json(text) } else { Value::Text(text) };
        let next = self.flags.len();
        let place = if setting.repeats { *self.repeated.entry(setting.key).or_insert(next) } else { next };
        match self.flags.get_mut(place) {
            Some(Assignment { value: Value::List(items), .. }) => items.push(value),
            _ => {
                let value = if setting.repeats { Value::List(vec![value]) } else { value };
                let origin = Origin::Flag(name.to_owned());
                self.flags.push(Assignment { setting, value, origin, items: Vec::new() });
            }
        }
        self
    }

    /// Adds a problem that is found before there is a text to read: a file that cannot be opened, a flag of old.
    #[must_use]
    pub fn problem(mut self, problem: Problem) -> Self {
        self.problems.push(problem);
        self
    }

    /// Adds something that the user should know.
    #[must_use]
    pub fn warning(mut self, text: impl Into<String>) -> Self {
        self.warnings.push(text.into());
        self
    }

    /// Makes warnings of keys that no setting has, as kumactl passes them over.
    #[must_use]
    pub fn tolerating_unknown_keys(mut self) -> Self {
        self.warnings.extend(self.problems.take_unknown_keys());
        self
    }

    /// Folds everything over the defaults and checks the whole.
    ///
    /// # Errors
    /// All problems of all layers, not only the first.
    pub fn resolve(self) -> Result<Resolved, Problems> {
        let mut resolved = Resolved {
            config: Config::default(),
            warnings: self.warnings,
            origins: BTreeMap::new(),
            lists: BTreeMap::new(),
        };
        let mut problems = self.problems;
        for assignment in self.files.into_iter().chain(self.environment).chain(self.flags) {
            resolved.assign(assignment, &mut problems);
        }
        check::complete(&mut resolved);
        if !resolved.config.ebpf.enabled && resolved.config.backend != BackendChoice::Ebpf {
            let passed_over = problems.take_variables(is_of_ebpf_and_generic).into_iter();
            let without_effect = |text| format!("{text}; it does not count, as eBPF is off");
            resolved.warnings.extend(passed_over.map(without_effect));
        }
        problems.extend(check::whole(&resolved));
        match problems.into_result() {
            Ok(()) => Ok(resolved),
            Err(problems) => Err(problems.beside(resolved.warnings)),
        }
    }
}

/// Whether other programs may well have a variable of this name, which we read for eBPF only.
fn is_of_ebpf_and_generic(name: &str) -> bool {
    settings::all().any(|setting| setting.group == Group::Ebpf && setting.bare_variable == Some(name))
}

/// Lists of texts are separated by commas (Kuma behaviour), or by `;` where one stands in them.
fn of_variable(setting: &Setting, text: String) -> Value {
    if !setting.repeats {
        return Value::Text(text);
    }
    if text.trim().is_empty() {
        return Value::List(Vec::new());
    }
    let separator = if text.contains(';') { ';' } else { ',' };
    Value::List(text.split(separator).map(|item| Value::Text(item.to_owned())).collect())
}

/// A number or a quoted text as JSON has it, else the text itself.
fn of_json(text: String) -> Value {
    if let Ok(number) = text.parse::<i64>() {
        return Value::Integer(number.into());
    }
    Value::Text(serde_json::from_str::<String>(&text).unwrap_or(text))
}

/// A word about a variable that looks like ours, by its name behind the prefix. Not an error: Kubernetes itself makes such variables for a service
/// whose name begins like our prefix.
fn unknown_variable(name: &str) -> String {
    let known = settings::all().filter_map(|setting| setting.variable);
    let hint = suggest(name, known)
        .map_or_else(String::new, |near| format!("; did you mean {VARIABLE_PREFIX}{near}?"));
    format!("{VARIABLE_PREFIX}{} is not a known variable and does not count{hint}", shortened(name))
}

#[cfg(test)]
#[path = "layers_tests.rs"]
mod tests;
