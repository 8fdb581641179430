//! The README's table of features and backends: made from a run in which everything passed, of the scenarios that there are.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use netsim::report::{self, Case, Outcome};
use netsim::run::Report;
use netsim::scenario::{self, Variant};

const BEGIN: &str = "<!-- made by netsim run scenarios --format features -->\n";
const END: &str = "<!-- end of features -->";

fn passed(variant: &Variant) -> Case {
    let report = Report {
        variant: variant.to_string(),
        name: String::new(),
        checks: Vec::new(),
        rules: String::new(),
        testimony: None,
        elapsed: Duration::ZERO,
    };
    Case::new(variant, Outcome::Ran(Ok(report)))
}

#[test]
fn the_table_of_features_is_of_all_scenarios_and_everything_in_it_passed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = scenario::files(&root.join("scenarios")).unwrap();
    let scenarios = files.into_iter().map(|(id, file)| Arc::new(scenario::load(&id, &file).unwrap()));
    let variants: Vec<Variant> = scenarios.flat_map(|scenario| scenario::variants(&scenario)).collect();
    let cases: Vec<Case> = variants.iter().map(passed).collect();
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let table = readme.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).map(|(table, _)| table);
    let wanted = report::features(&variants, &cases);
    assert!(
        table == Some(wanted.as_str()),
        "README.md: make the table anew, between {BEGIN}and {END}, by netsim run scenarios --format features"
    );
}
