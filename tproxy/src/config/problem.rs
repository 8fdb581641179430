//! What is wrong with a configuration, and where it was written.
//!
//! Must never print: the command line decides where problems go.

use std::fmt;

use serde_saphyr::Location;

use super::first_few::FirstFew;
use crate::diagnostic::{Colours, Place, shortened, visible};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A configuration file.
    File(Place),
    /// An environment variable, by its full name.
    Variable(String),
    /// A flag, without its dashes.
    Flag(String),
}

impl Origin {
    /// The place of an item, where one is known in a file.
    pub(super) fn at(&self, item: Option<&Location>) -> Self {
        match (self, item) {
            (Self::File(place), Some(item)) => Self::File(place.at(*item)),
            (origin, _) => origin.clone(),
        }
    }

    /// The kind of source, in the order in which problems are told: what was typed last comes first.
    fn rank(&self) -> usize {
        match self {
            Self::Flag(_) => 0,
            Self::Variable(_) => 1,
            Self::File(_) => 2,
            Self::Default => 3,
        }
    }

    /// The flag, the variable or the file, whatever the place in it.
    fn source(&self) -> &str {
        match self {
            Self::Flag(name) | Self::Variable(name) => name,
            Self::File(place) => place.source_name(),
            Self::Default => "",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(place) => f.write_str(&place.brief()),
            Self::Variable(name) => f.write_str(&shortened(name)),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    origin: Origin,
    key: String,
    message: String,
}

impl Problem {
    /// `key` is the configuration key; `message` completes the sentence that begins with the option's name.
    #[must_use]
    pub fn new(origin: Origin, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { origin, key: key.into(), message: message.into() }
    }

    /// Where the value came from that it is about.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The configuration key; empty where it is about no single one.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is wrong, without where.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The whole message, with colours where a terminal shows it.
    #[must_use]
    pub fn render(&self, colours: Colours) -> String {
        let Self { origin, key, message, .. } = self;
        match origin {
            Origin::File(place) if key.is_empty() => place.annotate(message, colours),
            Origin::File(place) => place.annotate(&format!("{}: {message}", shortened(key)), colours),
            Origin::Default => visible(&format!("{key}: {message}")).into_owned(),
            origin => visible(&format!("{origin}: {message}")).into_owned(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Colours::Never))
    }
}

/// All that is wrong; never empty when it is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
pub struct Problems {
    /// In the order in which the first of each was found.
    groups: Vec<Group>,
    /// What the user should know besides.
    warnings: Vec<String>,
}

/// What is wrong in one source with one key, so that many problems of one list hide none of another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    /// Nothing for keys in a file that no setting has: kumactl passes them over.
    key: Option<String>,
    /// Where the first was found.
    origin: Origin,
    problems: FirstFew<Problem>,
}

/// About so many problems are shown altogether: a few screens.
const SHOWN: usize = 60;
/// Of every group at least so many are shown.
const LEAST: usize = 2;

impl Group {
    fn is_of(&self, key: Option<&str>, origin: &Origin) -> bool {
        self.key.as_deref() == key
            && self.origin.rank() == origin.rank()
            && self.origin.source() == origin.source()
    }

    /// The first `most` of them, and how many more there are.
    fn texts(&self, most: usize, colours: Colours) -> Vec<String> {
        let mut texts: Vec<String> =
            self.problems.iter().take(most).map(|problem| problem.render(colours)).collect();
        let more = self.problems.count() - texts.len();
        if more > 0 {
            let name = match &self.origin {
                Origin::File(place) => shortened(place.source_name()),
                origin => origin.to_string(),
            };
            let key = self.key.as_ref().filter(|key| self.origin.rank() > 1 && !key.is_empty());
            let key = key.map_or_else(String::new, |key| format!(": {}", shortened(key)));
            texts.push(visible(&format!("{name}{key}: and {more} more like these")).into_owned());
        }
        texts
    }
}

impl Problems {
    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        let (key, origin) = (problem.key.clone(), problem.origin.clone());
        self.add(Some(&key), &origin, |group| group.push(problem));
    }

    /// Adds several about one value.
    pub(super) fn push_all(&mut self, problems: FirstFew<Problem>) {
        let Some(Problem { key, origin, .. }) = problems.iter().next().cloned() else { return };
        self.add(Some(&key), &origin, |group| group.extend(problems));
    }

    /// Adds one about an unknown key at this place, which is made only when it is kept.
    pub(super) fn push_unknown_key(&mut self, place: Place, problem: impl FnOnce(Origin) -> Problem) {
        let origin = Origin::File(place);
        self.add(None, &origin, |group| group.push_with(|| problem(origin.clone())));
    }

    fn add(&mut self, key: Option<&str>, origin: &Origin, add: impl FnOnce(&mut FirstFew<Problem>)) {
        // What is wrong comes in runs: most often it belongs to the last one.
        if let Some(group) = self.groups.iter_mut().rfind(|group| group.is_of(key, origin)) {
            return add(&mut group.problems);
        }
        let mut problems = FirstFew::default();
        add(&mut problems);
        self.groups.push(Group { key: key.map(str::to_owned), origin: origin.clone(), problems });
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: Self) {
        for Group { key, origin, problems } in other.groups {
            self.add(key.as_deref(), &origin, |group| group.extend(problems));
        }
        self.warnings.extend(other.warnings);
    }

    /// The same, with what the user should know besides.
    pub(super) fn beside(mut self, warnings: Vec<String>) -> Self {
        self.warnings.extend(warnings);
        self
    }

    /// What the user should know besides.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// `Ok` when there is none.
    ///
    /// # Errors
    /// Itself, when there is at least one.
    pub fn into_result(self) -> Result<(), Self> {
        if self.groups.is_empty() { Ok(()) } else { Err(self) }
    }

    /// Takes out those about unknown keys, as texts.
    pub(super) fn take_unknown_keys(&mut self) -> Vec<String> {
        self.take(|group| group.key.is_none())
    }

    /// Takes out those about variables of such a name, as texts.
    pub(super) fn take_variables(&mut self, is_it: impl Fn(&str) -> bool) -> Vec<String> {
        self.take(|group| matches!(&group.origin, Origin::Variable(name) if is_it(name)))
    }

    fn take(&mut self, is_taken: impl Fn(&Group) -> bool) -> Vec<String> {
        let taken: Vec<Group> = self.groups.extract_if(.., |group| is_taken(group)).collect();
        taken.iter().flat_map(|group| group.texts(usize::MAX, Colours::Never)).collect()
    }

    /// The messages one by one, with colours where a terminal shows them: of flags, then of variables, then of files. Of
    /// very many with one key the first ones, and how many more there are.
    #[must_use]
    pub fn render(&self, colours: Colours) -> Vec<String> {
        let most = (SHOWN / self.groups.len().max(1)).max(LEAST);
        let mut groups: Vec<&Group> = self.groups.iter().collect();
        // Problems of a file stay together, in the order of the files.
        let first = |group: &Group| {
            self.groups.iter().position(|other| other.origin.source() == group.origin.source())
        };
        groups.sort_by_key(|group| (group.origin.rank(), first(group)));
        groups.into_iter().flat_map(|group| group.texts(most, colours)).collect()
    }

    /// How many there are, those that are not kept among them.
    #[must_use]
    pub fn count(&self) -> usize {
        self.groups.iter().map(|group| group.problems.count()).sum()
    }

    /// Those that are kept.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.groups.iter().flat_map(|group| group.problems.iter())
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        let mut problems = Self::default();
        problems.push(problem);
        problems
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Colours::Never).join("\n"))
    }
}
