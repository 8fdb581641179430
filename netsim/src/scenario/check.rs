//! What the types of the schema cannot say: names that must exist, keys that go together, options that tproxy knows.
//!
//! Must never look at the system: `netsim check` runs anywhere.

use std::path::Path;

use serde_saphyr::Location;
use tproxy::config::Layers;
use tproxy::config::settings;
use tproxy::diagnostic::suggest;

use super::expectation::{Endpoint, Expectation, Place, Protocol};
use super::people;
use super::schema::{BACKENDS, Document};
use super::spanned::Spanned;
use super::step::{Install, Step};
use super::{check_families, check_numbers, check_people, check_steps, install};
use crate::node::{check_file, check_sysctl};
use crate::topology::Topology;

/// One thing that is wrong, and where.
pub(super) struct Problem {
    pub(super) location: Location,
    pub(super) message: String,
}

pub(super) fn problem(location: Location, message: impl Into<String>) -> Problem {
    Problem { location, message: message.into() }
}

/// The version of the schema that this netsim reads.
const VERSION: u32 = 1;

/// All that is wrong with a document.
pub(super) fn problems(document: &Document) -> Vec<Problem> {
    let mut problems = Vec::new();
    if document.version.value != VERSION {
        let message =
            format!("version {} is not known: this netsim reads version {VERSION}", document.version.value);
        problems.push(problem(document.version.referenced, message));
    }
    if document.name.value.trim().is_empty() {
        problems
            .push(problem(document.name.referenced, "a scenario needs a name: a sentence of what it shows"));
    }
    let beside = !document.expect.is_empty() || document.table.is_some() || document.install.is_written();
    if !document.steps.is_empty() && beside {
        let message = "`steps` stand alone: put `install`, `expect` and `table` among them";
        problems.push(problem(document.name.referenced, message));
    }
    let expectations = document.expectations();
    if document.every_step().iter().all(|step| !expects(step)) {
        problems.push(problem(document.name.referenced, "a scenario without expectations shows nothing"));
    }
    problems.extend(only(document));
    problems.extend(check_numbers::problems(document));
    // Of options that tproxy shall refuse, tproxy is the judge.
    let installations: Vec<_> =
        document.installations().into_iter().filter(|install| install.value.succeeds()).collect();
    problems.extend(installations.iter().flat_map(options));
    match document.topology.value.topology() {
        Err(error) => problems.push(problem(document.topology.referenced, error.to_string())),
        Ok(topology) => {
            if problems.is_empty() {
                let plans = installations
                    .iter()
                    .map(|one| (one, install::plan(&one.value, &document.files, &topology)));
                let refused =
                    plans.filter_map(|(one, plan)| Some(problem(one.referenced, plan.err()?.to_string())));
                problems.extend(refused);
            }
            problems.extend(check_families::none(document, &topology));
            problems.extend(places(document, &topology));
            problems.extend(check_people::problems(document, &topology));
            problems.extend(check_steps::problems(document, &topology));
            for expectation in &expectations {
                problems.extend(expected(expectation, document, &topology));
            }
        }
    }
    problems
}

/// Whether a step says what must happen.
fn expects(step: &Step) -> bool {
    match step {
        Step::Expect(list) => !list.is_empty(),
        Step::Install(install) => !install.value.succeeds() || install.value.prints.is_some(),
        Step::LeavesNothingBehind(_) | Step::Open(_) | Step::Talk(_) | Step::Logs(_) => true,
        Step::Burst(_) | Step::Queries(_) | Step::Table(_) => true,
        _ => false,
    }
}

fn only(document: &Document) -> Vec<Problem> {
    let Some(only) = &document.only else { return Vec::new() };
    let mut problems = Vec::new();
    if only.value.because.trim().is_empty() {
        problems.push(problem(only.referenced, "`because` must give the reason, in a sentence"));
    }
    if only.value.backends.is_empty() && only.value.families.is_empty() {
        problems.push(problem(only.referenced, "`only` must name `backends` or `families`"));
    }
    let known = BACKENDS.map(|backend| backend.to_string());
    for backend in &only.value.backends {
        if !known.contains(&backend.value) {
            let message = format!("`{}` is no backend; there are: {}", backend.value, known.join(", "));
            problems.push(problem(backend.referenced, message));
        }
    }
    problems
}

/// The options are those of tproxy, and it would take them.
fn options(install: &Spanned<Install>) -> Vec<Problem> {
    let at = |message: String| problem(install.referenced, message);
    let known = || settings::all().filter_map(|setting| setting.flag);
    let mut problems = Vec::new();
    for (flag, value) in &install.value.flags {
        let at_value = |message: String| problem(value.referenced, message);
        if !known().any(|name| name == flag) {
            let hint =
                suggest(flag, known()).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            problems.push(at_value(format!("tproxy has no flag `--{flag}`{hint}")));
        } else if flag == "dry-run" {
            problems.push(at_value("`dry-run` would install nothing".to_owned()));
        } else if let Err(refused) = Layers::default().flag(flag, value.value.to_string()).resolve() {
            problems.push(at_value(refused.to_string()));
        }
    }
    let unknown = install.value.env.keys().filter(|name| !is_variable(name));
    problems.extend(unknown.map(|name| at(format!("tproxy knows no variable `{name}`"))));
    problems
}

fn is_variable(name: &str) -> bool {
    settings::all().any(|setting| {
        setting.prefixed_variable().as_deref() == Some(name) || setting.bare_variable == Some(name)
    })
}

fn places(document: &Document, topology: &Topology) -> Vec<Problem> {
    let nodes: Vec<&str> = topology.nodes().collect();
    let unknown = |node: &str| {
        (!nodes.contains(&node)).then(|| format!("`{node}` is no node; there are: {}", nodes.join(", ")))
    };
    let mut problems = Vec::new();
    let files = document
        .files
        .iter()
        .flat_map(|(node, files)| files.iter().map(move |(path, text)| (node, path, text)));
    for (node, path, text) in files {
        problems.extend(unknown(node).map(|message| problem(text.referenced, message)));
        problems.extend(
            check_file(Path::new(path)).err().map(|error| problem(text.referenced, error.to_string())),
        );
    }
    let sysctls = document
        .sysctls
        .iter()
        .flat_map(|(node, keys)| keys.iter().map(move |(key, value)| (node, key, value)));
    for (node, key, value) in sysctls {
        problems.extend(unknown(node).map(|message| problem(value.referenced, message)));
        problems.extend(check_sysctl(key).err().map(|error| problem(value.referenced, error.to_string())));
    }
    for program in document.programs.values() {
        problems.extend(unknown(&program.value.on).map(|message| problem(program.referenced, message)));
        if program.value.run.is_empty() {
            problems.push(problem(program.referenced, "`run` must name a program"));
        }
    }
    problems
}

fn expected(expectation: &Spanned<Expectation>, document: &Document, topology: &Topology) -> Vec<Problem> {
    let here = expectation.referenced;
    let wanted = &expectation.value;
    let mut problems: Vec<Problem> = shape(wanted, document).map(|message| problem(here, message)).collect();
    for wire in [&wanted.leaves, &wanted.never_leaves].into_iter().flatten() {
        let message = check_people::no_interface(topology, &wire.value);
        problems.extend(message.map(|message| problem(wire.referenced, message)));
    }
    for name in wanted.run.iter().flat_map(|word| placeholders(word)) {
        let host = name.rsplit_once(':').map_or(name, |(host, _)| host);
        let error = check_families::possible(topology)
            .into_iter()
            .find_map(|family| topology.address(host, family).err());
        problems.extend(error.map(|error| problem(here, error.to_string())));
    }
    problems.extend(foreign_source(wanted, document, topology));
    let endpoints = [&wanted.to, &wanted.original_destination].into_iter().flatten();
    let names = endpoints.map(|endpoint| (endpoint.referenced, endpoint.value.host.as_str()));
    let addresses =
        [&wanted.source, &wanted.sees_source, &wanted.server, &wanted.answered_from].into_iter().flatten();
    for (location, name) in names.chain(addresses.map(|name| (name.referenced, name.value.as_str()))) {
        let error = check_families::unfit(name, document, topology);
        problems.extend(error.map(|error| problem(location, error)));
    }
    problems
}

/// A source that is another node's.
fn foreign_source(wanted: &Expectation, document: &Document, topology: &Topology) -> Option<Problem> {
    let source = wanted.source.as_ref()?;
    let people = people::people(document, topology);
    let node = people.get(&wanted.from).map(|person| person.node.as_str())?;
    let addresses = check_families::possible(topology)
        .into_iter()
        .filter_map(|family| topology.address(&source.value, family).ok());
    let owner = addresses.into_iter().find_map(|address| topology.owner(address))?;
    let message =
        format!("`source` must be an address of the {node}, and `{}` is the {owner}'s", source.value);
    (owner != node).then(|| problem(source.referenced, message))
}

/// What stands in braces and looks like `name:port`.
pub(crate) fn placeholders(word: &str) -> impl Iterator<Item = &str> {
    word.split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name)
        .filter(|name| Endpoint::try_from((*name).to_owned()).is_ok())
}

/// Keys that go together.
fn shape(wanted: &Expectation, document: &Document) -> impl Iterator<Item = &'static str> {
    let (is_program, is_query) = (!wanted.run.is_empty(), wanted.ask.is_some());
    let is_connection = wanted.to.is_some();
    let reaches_sidecar = wanted.reaches.as_ref().is_some_and(Place::takes_connections_for_others);
    let ends_nowhere = wanted.reaches.as_ref().is_some_and(Place::is_nowhere);
    let learns = wanted.original_destination.is_some() || wanted.sees_source.is_some();
    let kinds = [is_program, is_query, is_connection].into_iter().filter(|is_kind| *is_kind).count();
    let wrong = [
        (kinds != 1, "an expectation has one of `to`, `ask` and `run`"),
        (is_connection && wanted.reaches.is_none(), "`to` needs `reaches`: who answers"),
        (
            is_program && wanted.reaches.is_some(),
            "`reaches` is for connections and queries; a program has `prints` and `exit-code`",
        ),
        (is_program && wanted.source.is_some(), "`source` is for connections, not for programs"),
        (
            !is_program && (wanted.exit_code.is_some() || wanted.prints.is_some()),
            "`exit-code` and `prints` are for programs",
        ),
        (
            is_program && wanted.exit_code.is_none() && wanted.prints.is_none(),
            "a program needs `exit-code` or `prints`: else nothing is expected of it",
        ),
        (
            wanted.through.is_some() && !document.sidecar.forwards,
            "`through` needs `sidecar: { forwards: true }`",
        ),
        (
            reaches_sidecar && document.sidecar.forwards,
            "a forwarding sidecar answers nobody: say whom it `reaches` and `through` which listener",
        ),
        (ends_nowhere && learns, "nobody learns anything of a connection that ends nowhere"),
        (wanted.exit_code.is_some_and(|code| !(0..=255).contains(&code)), "`exit-code` is from 0 to 255"),
        (
            wanted.protocol == Protocol::Udp && !is_connection,
            "`protocol` is for `to`; queries go over UDP in any case",
        ),
        (
            wanted.protocol == Protocol::Udp
                && (wanted.through.is_some() || wanted.original_destination.is_some() || reaches_sidecar),
            "a datagram never reaches the sidecar, but for queries: write `ask`",
        ),
        (
            wanted.bytes.is_some() && (!is_connection || wanted.protocol == Protocol::Udp),
            "`bytes` is for connections",
        ),
        (
            wanted.bytes.is_some() && (wanted.leaves.is_some() || wanted.never_leaves.is_some()),
            "`bytes` is not for what is watched on a wire: so much cannot be kept until it is looked at",
        ),
        (
            is_program && (wanted.leaves.is_some() || wanted.never_leaves.is_some()),
            "`leaves` and `never-leaves` are for connections and queries, whose destination is known",
        ),
    ];
    wrong.into_iter().chain(query_shape(wanted)).filter(|(is_wrong, _)| *is_wrong).map(|(_, message)| message)
}

/// Keys of queries.
fn query_shape(wanted: &Expectation) -> [(bool, &'static str); 4] {
    let is_query = wanted.ask.is_some();
    let reaches_sidecar = wanted.reaches.as_ref().is_some_and(Place::takes_connections_for_others);
    let reaches_server = wanted.reaches.as_ref().is_some_and(Place::answers_queries);
    [
        (
            is_query && (wanted.reaches.is_none() || wanted.server.is_none()),
            "`ask` needs `server`, whom to ask, and `reaches`, who answers",
        ),
        (
            !is_query
                && (wanted.server.is_some()
                    || wanted.connected.is_some()
                    || wanted.answered_from.is_some()
                    || wanted.server_port.is_some()
                    || wanted.source_port.is_some()),
            "`server`, `server-port`, `connected`, `source-port` and `answered-from` are for `ask`",
        ),
        (
            is_query && (wanted.original_destination.is_some() || wanted.through.is_some()),
            "a query has neither `original-destination` nor `through`",
        ),
        (
            (reaches_server && !is_query) || (reaches_sidecar && is_query),
            "queries reach `sidecar-dns`, `nameserver` and `resolver`, connections the others",
        ),
    ]
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
