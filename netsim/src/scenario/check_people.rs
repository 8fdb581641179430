//! Names of people, places, nodes and interfaces, wherever a file holds them.
//!
//! Must never look at the system.

use std::collections::BTreeMap;

use serde_saphyr::Location;
use tproxy::diagnostic::suggest;

use super::check::{Problem, problem};
use super::expectation::{Place, Who, WirePlace};
use super::people::{self, POD, Person};
use super::schema::Document;
use super::step::Step;
use crate::topology::{Topology, is_reserved};

/// All names that mean nobody or nothing.
pub(super) fn problems(document: &Document, topology: &Topology) -> Vec<Problem> {
    let mut problems = Vec::new();
    let people = people::people(document, topology);
    let nodes: Vec<&str> = topology.nodes().collect();
    if !nodes.contains(&POD) {
        let message = format!("a topology needs the node `{POD}`, where tproxy is installed");
        problems.push(problem(document.topology.referenced, message));
    }
    for (name, user) in &document.users {
        if is_reserved(&name.to_string()) || nodes.contains(&name.to_string().as_str()) {
            let message = format!("a user cannot be called `{name}`: the name has a meaning of its own");
            problems.push(problem(user.referenced, message));
        }
        if !nodes.contains(&user.value.on.as_str()) {
            let message = format!("`{}` is no node; there are: {}", user.value.on, nodes.join(", "));
            problems.push(problem(user.referenced, message));
        }
    }
    const SERVERS: [&str; 3] = ["nameserver", "sidecar-dns", "resolver"];
    for (server, zone) in document.zones.iter().filter(|(server, _)| !SERVERS.contains(&server.as_str())) {
        let message = format!("zones: `{server}` is no name server; there are: {}", SERVERS.join(", "));
        problems.push(problem(zone.referenced, message));
    }
    problems.extend(asked_by_the_resolver(document, topology));
    for step in document.every_step() {
        problems.extend(of_step(&step, &people, &nodes));
        problems.extend(
            wires(&step)
                .into_iter()
                .filter_map(|(location, place)| Some(problem(location, no_interface(topology, place)?))),
        );
    }
    problems
}

/// Whom the resolver asks, where that is nobody.
fn asked_by_the_resolver(document: &Document, topology: &Topology) -> Option<Problem> {
    let resolver = document.resolver.as_ref()?;
    let asked = resolver.value.asks.as_ref()?.value.as_str();
    let families = topology.families_of(POD).into_iter();
    // One family is enough.
    let errors: Option<Vec<_>> = families.map(|family| topology.address(asked, family).err()).collect();
    Some(problem(resolver.referenced, errors?.pop()?.to_string()))
}

fn of_step(step: &Step, people: &BTreeMap<Who, Person>, nodes: &[&str]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut check = |location: Location, who: &Who, places: &[&Place]| {
        if !people.contains_key(who) {
            problems.push(problem(location, people::unknown(who, people)));
        }
        let unknown = places.iter().filter_map(|place| unknown_place(place, nodes));
        problems.extend(unknown.map(|message| problem(location, message)));
    };
    match step {
        Step::Expect(list) => {
            for one in list {
                let wanted = &one.value;
                let places = wanted.reaches.iter().chain(wanted.through.iter().flatten());
                check(one.referenced, &wanted.from, &places.collect::<Vec<_>>());
            }
        }
        Step::Table(table) => {
            for (who, places) in &table.value.rows {
                check(places.referenced, who, &places.value.iter().collect::<Vec<_>>());
            }
            for (who, places) in table.value.uneven() {
                let (has, needs) = (places.value.len(), table.value.columns.len());
                let message = format!("the row `{who}` has {has} cells, and there are {needs} columns");
                problems.push(problem(places.referenced, message));
            }
        }
        Step::Burst(burst) => check(burst.referenced, &burst.value.from, &[&burst.value.reaches]),
        Step::Open(open) => check(open.referenced, &open.value.from, &[&open.value.reaches]),
        Step::Queries(queries) => check(queries.referenced, &queries.value.from, &[&queries.value.reaches]),
        _ => {}
    }
    problems
}

/// What is wrong with a place that there is not.
fn unknown_place(place: &Place, nodes: &[&str]) -> Option<String> {
    let Place::Node(name) = place else { return None };
    if name != POD && nodes.contains(&name.as_str()) {
        return None;
    }
    let known: Vec<String> = Place::KNOWN
        .iter()
        .map(ToString::to_string)
        .chain(nodes.iter().filter(|node| **node != POD).map(|node| (*node).to_owned()))
        .collect();
    let hint = suggest(name, known.iter().map(String::as_str))
        .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    Some(format!("nothing ends at `{name}`{hint}; there are: {}", known.join(", ")))
}

/// The interfaces that a step is about.
fn wires(step: &Step) -> Vec<(Location, &WirePlace)> {
    match step {
        Step::LinkDown(down) => vec![(down.referenced, &down.value.at)],
        Step::LinkUp(place) => vec![(place.referenced, &place.value)],
        Step::AddAddress(add) => vec![(add.referenced, &add.value.at)],
        Step::Loss(loss) => vec![(loss.referenced, &loss.value.at)],
        _ => Vec::new(),
    }
}

/// What is wrong with an interface that there is not.
pub(super) fn no_interface(topology: &Topology, place: &WirePlace) -> Option<String> {
    let known = topology.ends_of(&place.node).any(|end| end.interface == place.interface)
        // Every node has a loopback interface.
        || (place.interface == "lo" && topology.nodes().any(|node| node == place.node));
    (!known).then(|| format!("there is no interface `{place}`"))
}
