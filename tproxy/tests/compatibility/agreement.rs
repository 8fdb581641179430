//! The specification's rows and the program's settings are the same, in both directions.

use std::collections::BTreeMap;

use tproxy::config::settings::{self, Setting};

use crate::row::{Kind, Row};
use crate::{rows_extensions, rows_of_2_13, rows_with_flag, rows_without_flag};

/// All rows of all tables.
pub(crate) fn rows() -> impl Iterator<Item = &'static Row> {
    [rows_with_flag::ROWS, rows_without_flag::ROWS, rows_of_2_13::ROWS, rows_extensions::ROWS]
        .into_iter()
        .flatten()
}

/// What a setting is called, and how its flag is written.
#[derive(Debug, PartialEq, Eq)]
struct Names {
    flags: [Option<&'static str>; 2],
    variables: [Option<&'static str>; 2],
    flag_is_switch: bool,
    adds_up: bool,
}

impl Names {
    fn specified(row: &Row) -> Self {
        Self {
            flags: [row.flag, row.deprecated_flag],
            variables: [row.variable, row.bare_variable],
            flag_is_switch: row.flag.is_some() && row.kind == Kind::Bool,
            adds_up: row.kind == Kind::Array,
        }
    }

    fn ours(setting: &Setting) -> Self {
        Self {
            flags: [setting.flag, setting.deprecated_flag],
            variables: [setting.variable, setting.bare_variable],
            flag_is_switch: setting.flag.is_some() && setting.is_switch(),
            adds_up: setting.repeats,
        }
    }
}

#[test]
fn no_setting_is_without_a_row_and_no_row_without_a_setting() {
    let specified: BTreeMap<_, _> = rows().map(|row| (row.key, Names::specified(row))).collect();
    let mut ours: BTreeMap<_, _> =
        settings::all().map(|setting| (setting.key, Names::ours(setting))).collect();
    assert_eq!(specified.len(), rows().count(), "a row stands there twice");
    for (key, names) in specified {
        assert_eq!(ours.remove(key), Some(names), "{key}");
    }
    assert!(ours.is_empty(), "without a row: {ours:?}");
}

#[test]
fn the_values_of_a_row_differ_from_their_neighbours() {
    // What may only be empty has no second value.
    for row in rows().filter(|row| row.key != "redirect.inbound.excludePortsForUIDs") {
        let values: Vec<_> = std::iter::once(row.default).chain(row.values).collect();
        assert!(values.windows(2).all(|pair| pair[0] != pair[1]), "{}: {values:?}", row.key);
    }
}
