//! One row of the specification's tables as data, and what is asked of every one.
//!
//! The rows are written from the specification, never from the program's own table.

use serde_json::{Value as Json, json};
use tproxy::config::exclusion::UidExclusion;
use tproxy::config::network::Networks;
use tproxy::config::ports::{Port, Ports};
use tproxy::config::settings::VARIABLE_PREFIX;
use tproxy::config::{Config, Layers, Resolved, print};

use crate::command;
use crate::write;

/// The types of the specification's flags, as far as they differ in how a flag is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `bool`: may stand without a value, and takes one behind `=` only.
    Bool,
    /// One value; of a repeated flag the last one counts. Lists of ports are of this kind, too.
    Single,
    /// `stringArray`: a repeated flag adds items.
    Array,
}

/// One setting as the specification has it. Values are JSON.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) key: &'static str,
    pub(crate) kind: Kind,
    pub(crate) flag: Option<&'static str>,
    pub(crate) deprecated_flag: Option<&'static str>,
    pub(crate) variable: Option<&'static str>,
    pub(crate) bare_variable: Option<&'static str>,
    pub(crate) default: &'static str,
    /// For a file, a second file, the variable and the flag; each other than its neighbours.
    pub(crate) values: [&'static str; 4],
    /// A text that is no value, and what is said of it.
    pub(crate) bad: (&'static str, &'static str),
    /// What the configuration needs besides, as YAML.
    pub(crate) beside: &'static str,
    /// How a value is written where it is written otherwise than it is read back.
    pub(crate) spelt: fn(&Json) -> Json,
    /// The value in the typed configuration.
    pub(crate) field: fn(&Config) -> Json,
}

/// Where rows begin.
pub(crate) const ROW: Row = Row {
    key: "",
    kind: Kind::Single,
    flag: None,
    deprecated_flag: None,
    variable: None,
    bare_variable: None,
    default: "null",
    values: ["null"; 4],
    bad: ("", ""),
    beside: "",
    spelt: Json::clone,
    field: |_| Json::Null,
};

/// A switch that is off by default.
pub(crate) const SWITCH: Row = Row {
    kind: Kind::Bool,
    default: "false",
    values: ["true", "false", "true", "false"],
    bad: ("maybe", "`maybe` is not `true` or `false`"),
    ..ROW
};

/// A switch that is on by default.
pub(crate) const SWITCH_ON: Row =
    Row { default: "true", values: ["false", "true", "false", "true"], ..SWITCH };

/// A list of ports.
pub(crate) const PORTS: Row = Row {
    default: "[]",
    values: ["[1, 3]", "[443]", "[\"8000-8999\"]", "[22, 5432]"],
    bad: ("80,http", "`http` is not a port from 1 to 65535, or a range of them like 8000-8999"),
    ..ROW
};

/// A list of addresses and networks.
pub(crate) const NETWORKS: Row = Row {
    kind: Kind::Array,
    default: "[]",
    values: [
        "[\"10.1.0.0/16\"]",
        "[\"10.2.0.0/16\", \"fd02::/16\"]",
        "[\"10.3.0.1/32\"]",
        "[\"10.4.0.0/16\", \"::4/128\"]",
    ],
    bad: (
        "10.0.0",
        "`10.0.0` is not an IP address or a network in CIDR form, like 10.0.0.1, 10.0.0.0/8 or fd00::/8",
    ),
    ..ROW
};

/// A list of interfaces.
pub(crate) const INTERFACES: Row = Row {
    kind: Kind::Array,
    default: "[]",
    values: ["[\"eth1\"]", "[\"wg+\", \"tun0\"]", "[\"eth3\"]", "[\"br-lan\", \"eth4\"]"],
    bad: (
        "a/b",
        "`a/b` is not an interface name: 1 to 15 bytes without blanks, quotes, `/` or `:`; a `+` at the end stands for any rest",
    ),
    ..ROW
};

pub(crate) fn port(port: Option<Port>) -> Json {
    json!(port.map_or(0, Port::get))
}

pub(crate) fn ports(ports: &Ports) -> Json {
    let number = |range: &str| range.parse::<u16>().map_or_else(|_| json!(range), |port| json!(port));
    ports.ranges().map(|range| number(&range.to_string())).collect()
}

pub(crate) fn networks(networks: &Networks) -> Json {
    texts(&networks.0)
}

pub(crate) fn uids(exclusions: &[UidExclusion]) -> Json {
    texts(exclusions)
}

pub(crate) fn texts<T: std::fmt::Display>(items: &[T]) -> Json {
    items.iter().map(ToString::to_string).collect()
}

pub(crate) fn parse(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

/// Makes a module of tests of each row, named as the row is, and a list of them all.
macro_rules! rows {
    ($($(#[doc = $doc:literal])* $name:ident: $row:expr;)*) => {
        pub(crate) const ROWS: &[Row] = &[$($row),*];
        $($(#[doc = $doc])* mod $name {
            use super::*;

            const THIS: Row = $row;

            #[test]
            fn the_default_is_the_specifications() {
                crate::row::default(&THIS);
            }

            #[test]
            fn files_variables_and_flags_win_in_this_order() {
                crate::row::precedence(&THIS);
            }

            #[test]
            fn every_spelling_sets_it() {
                crate::row::spellings(&THIS);
            }

            #[test]
            fn a_bad_value_is_refused_with_its_place_and_what_is_allowed() {
                crate::row::refusals(&THIS);
            }

            #[test]
            fn the_flag_is_of_its_kind() {
                crate::row::flag_kind(&THIS);
            }
        })*
    };
}
pub(crate) use rows;

/// What a setting may be written in, besides files.
#[derive(Debug, Clone, Copy)]
enum Layer {
    File,
    SecondFile,
    Variable,
    Flag,
}

const LAYERS: [Layer; 4] = [Layer::File, Layer::SecondFile, Layer::Variable, Layer::Flag];

impl Row {
    /// The value of one layer, as it is read back.
    fn value(&self, layer: Layer) -> Json {
        parse(self.values[layer as usize])
    }

    fn text(&self, value: &Json) -> String {
        write::text(&(self.spelt)(value))
    }

    /// The texts of a flag: one a list's item, where a repeated flag adds items.
    fn flag_texts(&self, value: &Json) -> Vec<String> {
        match value {
            Json::Array(items) if self.kind == Kind::Array => items.iter().map(write::text).collect(),
            value => vec![self.text(value)],
        }
    }

    fn flagged(&self, layers: Layers, flag: &str, value: &Json) -> Layers {
        self.flag_texts(value).into_iter().fold(layers, |layers, text| layers.flag(flag, text))
    }

    fn file(&self, value: &Json) -> String {
        write::document(self.key, &(self.spelt)(value)).to_string()
    }

    fn prefixed(&self) -> Option<String> {
        self.variable.map(|name| format!("{VARIABLE_PREFIX}{name}"))
    }

    fn has(&self, layer: Layer) -> bool {
        match layer {
            Layer::File | Layer::SecondFile => true,
            Layer::Variable => self.variable.is_some(),
            Layer::Flag => self.flag.is_some(),
        }
    }

    fn start(&self) -> Layers {
        Layers::default().file("beside", self.beside)
    }

    /// Writes a layer's value into it, and returns what its origin is then called.
    fn set(&self, layers: Layers, layer: Layer) -> (Layers, String) {
        let value = self.value(layer);
        match layer {
            Layer::File => (layers.file("first", self.file(&value)), "first:1".to_owned()),
            Layer::SecondFile => (layers.file("second", self.file(&value)), "second:1".to_owned()),
            Layer::Variable => {
                let (name, text) = (self.prefixed().unwrap(), self.text(&value));
                (layers.environment(&write::variables([(name.as_str(), text.as_str())])), name)
            }
            Layer::Flag => {
                let flag = self.flag.unwrap();
                (self.flagged(layers, flag, &value), format!("--{flag}"))
            }
        }
    }

    fn assert_value(&self, resolved: &Resolved, expected: &Json, how: &str) {
        assert_eq!((self.field)(&resolved.config), *expected, "{} {how}", self.key);
    }
}

pub(crate) fn default(row: &Row) {
    let resolved = Layers::default().resolve().unwrap();
    row.assert_value(&resolved, &parse(row.default), "by default");
    assert_eq!(resolved.origin(row.key).to_string(), "default");
    let printed = print::json(&resolved);
    let printed = printed.pointer(&format!("/{}", row.key.replace('.', "/"))).unwrap();
    assert!(printed.is_object() || *printed == parse(row.default), "{} is printed as {printed}", row.key);
}

/// Every choice among the layers: the highest of those chosen decides.
pub(crate) fn precedence(row: &Row) {
    let able: Vec<Layer> = LAYERS.into_iter().filter(|layer| row.has(*layer)).collect();
    for chosen in 0_u32..1 << able.len() {
        let (mut layers, mut expected, mut origin) = (row.start(), None, String::new());
        for (_, layer) in able.iter().enumerate().filter(|(index, _)| chosen & (1 << index) != 0) {
            (layers, origin) = row.set(layers, *layer);
            expected = Some(row.value(*layer));
        }
        let resolved = layers.resolve().unwrap();
        let Some(expected) = expected else { continue };
        row.assert_value(&resolved, &expected, &format!("with layers {chosen:04b}"));
        assert_eq!(resolved.origin(row.key).to_string(), origin, "{} with layers {chosen:04b}", row.key);
    }
}

pub(crate) fn spellings(row: &Row) {
    let value = row.value(Layer::SecondFile);
    let document = write::document(row.key, &(row.spelt)(&value));
    let upper = write::document(&row.key.to_ascii_uppercase(), &(row.spelt)(&value));
    for file in [document.to_string(), write::yaml(&document), write::yaml(&upper)] {
        row.assert_value(&row.start().file("f", file.as_str()).resolve().unwrap(), &value, &file);
    }
    let (text, other) = (row.text(&value), row.text(&row.value(Layer::File)));
    for name in row.prefixed().iter().map(String::as_str).chain(row.bare_variable) {
        let variables = write::variables([(name, text.as_str())]);
        row.assert_value(&row.start().environment(&variables).resolve().unwrap(), &value, name);
    }
    if let (Some(prefixed), Some(bare)) = (row.prefixed(), row.bare_variable) {
        let both = write::variables([(prefixed.as_str(), text.as_str()), (bare, other.as_str())]);
        row.assert_value(&row.start().environment(&both).resolve().unwrap(), &value, "with both variables");
    }
    for flag in [row.flag, row.deprecated_flag].into_iter().flatten() {
        row.assert_value(&row.flagged(row.start(), flag, &value).resolve().unwrap(), &value, flag);
        let arguments: Vec<String> =
            row.flag_texts(&value).into_iter().map(|text| format!("--{flag}={text}")).collect();
        let (printed, _) = command::configuration(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let read_back = Layers::default().file("printed", printed.to_string()).resolve().unwrap();
        row.assert_value(&read_back, &value, &format!("on the command line by --{flag}"));
    }
}

pub(crate) fn refusals(row: &Row) {
    let (bad, sentence) = row.bad;
    let said = |layers: Layers| layers.resolve().expect_err(row.key).to_string();
    if let Some(flag) = row.flag {
        assert_eq!(said(row.start().flag(flag, bad)), format!("--{flag}: {sentence}"));
    }
    for name in row.prefixed().iter().map(String::as_str).chain(row.bare_variable) {
        let variables = write::variables([(name, bad)]);
        // A common name of eBPF is judged only where eBPF is on.
        let is_common = row.key.starts_with("ebpf.") && row.bare_variable == Some(name);
        let start = if is_common { row.start().flag("ebpf-enabled", "true") } else { row.start() };
        let said = said(start.environment(&variables));
        // A bare variable may be that of several settings.
        assert!(said.lines().all(|line| line == format!("{name}: {sentence}")), "{said}");
    }
    let document = write::document(row.key, &json!(bad));
    for file in [document.to_string(), write::yaml(&document)] {
        let said = said(row.start().file("f", file.as_str()));
        let (first, rest) = said.split_once('\n').unwrap();
        assert_eq!(first, format!("{}: {sentence}", row.key), "{file}");
        assert!(rest.trim_start().starts_with("--> f:") && rest.contains('^'), "{rest}");
    }
}

pub(crate) fn flag_kind(row: &Row) {
    let Some(flag) = row.flag else { return };
    let at = |arguments: &[&str]| {
        let (printed, _) = command::configuration(arguments);
        let resolved = Layers::default().file("printed", printed.to_string()).resolve().unwrap();
        (row.field)(&resolved.config)
    };
    let dashed = format!("--{flag}");
    if row.kind == Kind::Bool {
        for (argument, value) in [("", true), ("=true", true), ("=false", false), ("=1", true), ("=F", false)]
        {
            assert_eq!(at(&[&format!("{dashed}{argument}")]), json!(value), "{dashed}{argument}");
        }
        return;
    }
    let arguments = |values: &[&Json]| -> Vec<String> {
        let texts = values.iter().flat_map(|value| row.flag_texts(value));
        texts.flat_map(|text| [dashed.clone(), text]).collect()
    };
    let at = |arguments: Vec<String>| at(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let (first, second) = (row.value(Layer::File), row.value(Layer::Flag));
    let both = match (row.kind, &first, &second) {
        (Kind::Array, Json::Array(first), Json::Array(second)) => json!([first.as_slice(), second].concat()),
        _ => second.clone(),
    };
    assert_eq!(at(arguments(&[&second])), second, "{dashed}");
    assert_eq!(at(arguments(&[&first, &second])), both, "{dashed} twice");
}
