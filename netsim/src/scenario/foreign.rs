//! What the JSON schema says of values whose types belong to others: tproxy's options, networks, families, backends.
//!
//! Nothing is read into these types. Must never allow less than what reads the value does.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};
use tproxy::config::settings::{self, Setting};
use tproxy::family::IpFamily;

use super::schema::{BACKENDS, FlagValue};
use crate::topology::Topology;

/// An address with the length of its network, as in `10.77.0.9/24`.
#[derive(JsonSchema)]
#[schemars(with = "String", extend("pattern" = "^[0-9a-fA-F:.]+/[0-9]{1,3}$"))]
pub(super) struct Network;

/// An IP family.
pub(super) struct Family;

impl JsonSchema for Family {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Family".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let named = IpFamily::ALL.map(|family| json!({ "type": "string", "const": family }));
        json_schema!({ "oneOf": named })
    }
}

/// The id of a backend.
pub(super) struct Backend;

impl JsonSchema for Backend {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Backend".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let named = BACKENDS.map(|backend| json!({ "type": "string", "const": backend.to_string() }));
        json_schema!({ "oneOf": named })
    }
}

/// The name of a ready topology.
pub(super) struct ReadyTopology;

impl JsonSchema for ReadyTopology {
    fn schema_name() -> Cow<'static, str> {
        "ReadyTopology".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let named =
            |(name, description)| json!({ "const": name, "description": description, "type": "string" });
        json_schema!({
            "description": "A ready topology, by name.",
            "oneOf": Topology::all_ready().map(named).collect::<Vec<_>>(),
        })
    }
}

/// tproxy's flags by name.
pub(super) struct Flags;

impl JsonSchema for Flags {
    fn schema_name() -> Cow<'static, str> {
        "Flags".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<FlagValue>();
        let names = settings::all().filter_map(|setting| Some((setting.flag?.to_owned(), setting)));
        options("tproxy's flags, without dashes.", names, &value)
    }
}

/// tproxy's environment variables by name.
pub(super) struct Variables;

impl JsonSchema for Variables {
    fn schema_name() -> Cow<'static, str> {
        "Variables".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<String>();
        let names = |setting: &'static Setting| {
            let bare = setting.bare_variable.map(str::to_owned);
            bare.into_iter().chain(setting.prefixed_variable()).map(move |name| (name, setting))
        };
        options("tproxy's environment variables.", settings::all().flat_map(names), &value)
    }
}

/// Known names with their help. Others are allowed, too: a scenario may show that tproxy refuses one.
fn options(
    description: &str,
    known: impl Iterator<Item = (String, &'static Setting)>,
    value: &Schema,
) -> Schema {
    let with_help = |(name, setting): (String, &Setting)| {
        let mut one = value.clone();
        one.insert("description".to_owned(), setting.help.into());
        (name, Value::from(one))
    };
    let properties: Map<String, Value> = known.map(with_help).collect();
    json_schema!({
        "description": description,
        "type": "object",
        "properties": properties,
        "additionalProperties": value,
    })
}
