//! A configuration file's text (YAML or JSON) taken apart into assignments, each with its place.
//!
//! Must never interpret a value: that is the settings table's part.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Options, Spanned};

use super::layers::Assignment;
use super::nearest;
use super::print::ORIGIN;
use super::problem::{Origin, Problem, Problems};
use super::settings::{self, Setting};
use super::text::LARGEST;
use super::value::{MOST, Value};
use crate::diagnostic::{Place, Source, shortened, yaml_message};

/// What the parser may spend on a file: more than the largest list of values and the merging of its parts need, and
/// little enough for 64 MiB in all. Aliases count as often as they are used.
fn limits() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: 2 * MOST,
            max_total_scalar_bytes: 2 * LARGEST,
            max_anchors: 1_000,
            max_aliases: 1_000,
            max_merge_keys: 1_000,
            max_recorded_anchor_events: MOST,
            max_recorded_anchor_bytes: LARGEST,
        },
    }
}

/// A YAML node of any kind, keys and values with their places.
enum Node {
    Scalar(Value),
    List(Vec<Placed<Node>>),
    Mapping(Vec<(Placed<String>, Placed<Node>)>),
}

/// Something and where it stands; an alias stands where it is used.
struct Placed<T> {
    value: T,
    at: Location,
}

impl<T> From<Spanned<T>> for Placed<T> {
    fn from(spanned: Spanned<T>) -> Self {
        Self { value: spanned.value, at: spanned.referenced }
    }
}

/// The assignments that a file makes, in its order, and what is wrong with it: text that is not YAML, and keys that no
/// setting has.
pub(super) fn assignments(source: &Arc<Source>) -> (Vec<Assignment>, Problems) {
    let root: Spanned<Node> = match serde_saphyr::from_str_with_options(&source.text, limits()) {
        Ok(root) => root,
        Err(error) => {
            let place = Place::of(source, error.location());
            let language = if is_json(source) { "JSON" } else { "YAML" };
            let message = format!("cannot be read as {language}: {}", yaml_message(&error));
            return (Vec::new(), Problem::new(Origin::File(place), "", message).into());
        }
    };
    let mut walk = Walk { source, seen: Vec::new(), found: Vec::new(), problems: Problems::default() };
    match root.value {
        Node::Scalar(Value::Null) => {}
        Node::Mapping(entries) => walk.mapping("", entries),
        Node::Scalar(_) | Node::List(_) => {
            let origin = Origin::File(Place::of(source, Some(root.referenced)));
            walk.problems.push(Problem::new(origin, "", "a configuration is a mapping of keys to values"));
        }
    }
    (walk.found, walk.problems)
}

/// Whether somebody meant to write JSON, which is read as the YAML that it is.
fn is_json(source: &Source) -> bool {
    let inside = source.text.trim_start().strip_prefix('{').map(str::trim_start);
    source.name.ends_with(".json") || inside.is_some_and(|inside| inside.starts_with('"'))
}

struct Walk<'a> {
    source: &'a Arc<Source>,
    /// The settings met so far, and where their keys stand.
    seen: Vec<(&'static Setting, Location)>,
    found: Vec<Assignment>,
    problems: Problems,
}

impl Walk<'_> {
    fn mapping(&mut self, path: &str, entries: Vec<(Placed<String>, Placed<Node>)>) {
        for (key, value) in entries {
            let full = if path.is_empty() { key.value.clone() } else { format!("{path}.{}", key.value) };
            self.entry(&full, &key, value);
        }
    }

    /// The parser refuses a key that comes twice in the same letters only; a setting's key may be written in any case,
    /// in one word with dots, and in a section. One that sets the parts of others counts as each of them.
    fn once(&mut self, setting: &'static Setting, at: Location) {
        let same = |other: &Setting| {
            other.key == setting.key || is_below(other.key, setting.key) || is_below(setting.key, other.key)
        };
        if let Some((_, first)) = self.seen.iter().find(|(other, _)| same(other)) {
            let first = Place::of(self.source, Some(*first)).exact();
            let message = format!("is set at {first} already; keep one of the two");
            let origin = Origin::File(Place::of(self.source, Some(at)));
            self.problems.push(Problem::new(origin, setting.key, message));
        } else {
            self.seen.push((setting, at));
        }
    }

    fn entry(&mut self, path: &str, key: &Placed<String>, value: Placed<Node>) {
        let setting = settings::of_key(path);
        let is_section = || settings::all().any(|setting| is_below(setting.key, path));
        match (setting, value.value) {
            (_, Node::Mapping(entries)) if is_section() => self.mapping(path, entries),
            (None, Node::Scalar(Value::Null)) if is_section() => {}
            (None, Node::Mapping(_)) if path == ORIGIN => {}
            (Some(setting), node) => {
                self.once(setting, key.at);
                let place = Place::of(self.source, Some(value.at));
                let (value, items) = self::value(node);
                self.found.push(Assignment { setting, value, origin: Origin::File(place), items });
            }
            (None, node) if is_section() => {
                let origin = Origin::File(Place::of(self.source, Some(value.at)));
                let shown = match &origin {
                    Origin::File(place) if matches!(node, Node::Scalar(_)) => {
                        format!("`{}`", shortened(place.text()))
                    }
                    _ => plain(node).shown(),
                };
                let keys = nearest::below(path).join("`, `");
                let message = format!("{shown} is not a section, whose keys are `{keys}`");
                self.problems.push(Problem::new(origin, path, message));
            }
            (None, _) => {
                let place = Place::of(self.source, Some(key.at));
                self.problems.push_unknown_key(place, |origin| unknown(origin, path));
            }
        }
    }
}

/// A value, and for a list where its items stand.
fn value(node: Node) -> (Value, Vec<Location>) {
    let Node::List(items) = node else { return (plain(node), Vec::new()) };
    let places = items.iter().map(|item| item.at).collect();
    (Value::List(items.into_iter().map(|item| plain(item.value)).collect()), places)
}

fn plain(node: Node) -> Value {
    match node {
        Node::Scalar(value) => value,
        Node::List(items) => Value::List(items.into_iter().map(|item| plain(item.value)).collect()),
        Node::Mapping(_) => Value::Mapping,
    }
}

fn unknown(origin: Origin, path: &str) -> Problem {
    Problem::new(origin, path, format!("is not a known key{}", nearest::hint(path)))
}

fn is_below(key: &str, path: &str) -> bool {
    key.get(..path.len()).is_some_and(|start| start.eq_ignore_ascii_case(path))
        && key.get(path.len()..).is_some_and(|rest| rest.starts_with('.'))
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or a mapping")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Integer(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Integer(value.into())))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Integer(value)))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Node, E> {
        let whole = i128::try_from(value).map_or_else(|_| Value::Text(value.to_string()), Value::Integer);
        Ok(Node::Scalar(whole))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Float(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Text(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element::<Spanned<Node>>()? {
            items.push(item.into());
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = access.next_entry::<Spanned<String>, Spanned<Node>>()? {
            entries.push((key.into(), value.into()));
        }
        Ok(Node::Mapping(entries))
    }
}
