//! The topology of a scenario as a drawing, with everybody in their nodes, and an arrow for each way that flows took.
//!
//! Numbers at an arrow are those of the checks below the drawing.

use std::collections::{BTreeMap, VecDeque};

use maud::{Markup, html};

use super::super::suite::Setting;
use super::kind;
use crate::run::Check;
use crate::scenario::POD;
use crate::topology::{End, Topology};

const NODE_WIDTH: i32 = 170;
const NODE_HEAD: i32 = 30;
const ACTOR_HEIGHT: i32 = 30;
/// Between columns, where links have their names and addresses.
const BETWEEN: i32 = 230;
const MARGIN: i32 = 16;
/// Numbers shown at an arrow.
const NUMBERS: usize = 6;

/// A node's box.
struct Place<'a> {
    column: i32,
    x: i32,
    y: i32,
    actors: Vec<&'a str>,
}

impl Place<'_> {
    fn height(&self) -> i32 {
        NODE_HEAD + ACTOR_HEIGHT * i32::try_from(self.actors.len().max(1)).unwrap_or(1) + 8
    }
}

/// Where an actor's label is: its middle, and the column of its node.
#[derive(Clone, Copy)]
struct Spot {
    column: i32,
    x: i32,
    y: i32,
}

/// One way from an actor to another, with the numbers of the checks that took it.
#[derive(Default)]
struct Way {
    numbers: Vec<usize>,
    is_bad: bool,
}

/// The drawing of a setting and of what the checks saw in it.
pub(super) fn drawing(setting: &Setting, checks: &[Check]) -> Markup {
    let places = places(setting, checks);
    let width = places.values().map(|place| place.x + NODE_WIDTH).max().unwrap_or(0) + MARGIN + 90;
    let height = places.values().map(|place| place.y + place.height()).max().unwrap_or(0) + MARGIN;
    let (ways, ends) = ways(setting, checks);
    html! {
        svg viewBox={ "0 0 " (width) " " (height) } width=(width) role="img" aria-label=(setting.topology.name()) {
            defs {
                @for (id, class) in [("good", "flow"), ("captured", "flow captured"), ("bad", "flow bad")] {
                    marker id={ "arrow-" (id) } viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7"
                        orient="auto-start-reverse" {
                        path class=(class) d="M 1 1 L 9 5 L 1 9" {}
                    }
                }
            }
            @for link in setting.topology.links() { (link_of(&link.ends, &places)) }
            @for (name, place) in &places { (node_of(name, place)) }
            @for ((from, to), way) in &ways { (way_of(&places, from, to, way)) }
            @for ((from, end), way) in &ends { (end_of(&places, from, end, way)) }
        }
    }
}

/// Nodes in columns by how far they are from the pod.
fn places<'a>(setting: &'a Setting, checks: &'a [Check]) -> BTreeMap<&'a str, Place<'a>> {
    let mut places: BTreeMap<&str, Place<'_>> = BTreeMap::new();
    let mut next_y: BTreeMap<i32, i32> = BTreeMap::new();
    for (node, column) in columns(&setting.topology) {
        let mut actors: Vec<&str> = Vec::new();
        for actor in checks.iter().flat_map(|check| &check.path) {
            let is_here = setting.whereabouts.get(actor).is_some_and(|at| at == node);
            if is_here && !actors.contains(&actor.as_str()) {
                actors.push(actor);
            }
        }
        let y = next_y.entry(column).or_insert(MARGIN);
        let place = Place { column, x: MARGIN + column * (NODE_WIDTH + BETWEEN), y: *y, actors };
        *y += place.height() + 36;
        places.insert(node, place);
    }
    places
}

fn columns(topology: &Topology) -> Vec<(&str, i32)> {
    let mut found: Vec<(&str, i32)> = Vec::new();
    let first = topology.nodes().find(|node| *node == POD).or_else(|| topology.nodes().next());
    let mut waiting: VecDeque<(&str, i32)> = first.map(|node| (node, 0)).into_iter().collect();
    while let Some((node, column)) = waiting.pop_front() {
        if found.iter().any(|(known, _)| *known == node) {
            continue;
        }
        found.push((node, column));
        for link in topology.links() {
            match &link.ends {
                [one, other] if one.node == node => waiting.push_back((&other.node, column + 1)),
                [one, other] if other.node == node => waiting.push_back((&one.node, column + 1)),
                _ => {}
            }
        }
    }
    // Those that nothing leads to stand below the pod.
    let alone = topology.nodes().filter(|node| !found.iter().any(|(known, _)| known == node));
    let alone: Vec<(&str, i32)> = alone.map(|node| (node, 0)).collect();
    found.extend(alone);
    found
}

fn node_of(name: &str, place: &Place<'_>) -> Markup {
    let Place { x, y, actors, .. } = place;
    html! {
        rect.node x=(x) y=(y) width=(NODE_WIDTH) height=(place.height()) rx="8" {}
        text x=(x + 10) y=(y + 20) font-weight="700" { (name) }
        @for (number, actor) in actors.iter().enumerate() {
            @let top = y + NODE_HEAD + ACTOR_HEIGHT * i32::try_from(number).unwrap_or(0);
            rect class={ "who " (kind(actor)) } x=(x + 10) y=(top) width=(NODE_WIDTH - 20) height="22" rx="4" {}
            text x=(x + 18) y=(top + 15) { (actor) }
        }
    }
}

fn link_of(ends: &[End; 2], places: &BTreeMap<&str, Place<'_>>) -> Markup {
    let [one, other] = ends;
    let (Some(from), Some(to)) = (places.get(one.node.as_str()), places.get(other.node.as_str())) else {
        return html! {};
    };
    let (left, right) = if from.x <= to.x { ((one, from), (other, to)) } else { ((other, to), (one, from)) };
    let y = left.1.y.max(right.1.y) + 14;
    let (x1, x2) = (left.1.x + NODE_WIDTH, right.1.x);
    html! {
        line.link x1=(x1) y1=(y) x2=(x2) y2=(y) {}
        (label_of(left.0, x1 + 5, y, "start"))
        (label_of(right.0, x2 - 5, y, "end"))
    }
}

fn label_of(end: &End, x: i32, y: i32, anchor: &str) -> Markup {
    let shown: Vec<String> = end.addresses.iter().take(1).map(ToString::to_string).collect();
    let more = if end.addresses.len() > 1 { format!(" +{}", end.addresses.len() - 1) } else { String::new() };
    html! {
        text.small x=(x) y=(y - 5) text-anchor=(anchor) { (end.interface) }
        text.small x=(x) y=(y + 12) text-anchor=(anchor) { (shown.join(" ")) (more) }
    }
}

type Ways<'a> = BTreeMap<(&'a str, &'a str), Way>;

/// The ways between actors, and those that ended nowhere.
fn ways<'a>(setting: &Setting, checks: &'a [Check]) -> (Ways<'a>, Ways<'a>) {
    let (mut ways, mut ends) = (Ways::new(), Ways::new());
    for (number, check) in checks.iter().enumerate() {
        for pair in check.path.windows(2) {
            let [from, to] = pair else { continue };
            let is_somewhere = setting.whereabouts.contains_key(to);
            let found = if is_somewhere { &mut ways } else { &mut ends };
            let way = found.entry((from.as_str(), to.as_str())).or_default();
            way.numbers.push(number + 1);
            way.is_bad |= !check.passed();
        }
    }
    (ways, ends)
}

fn spot(places: &BTreeMap<&str, Place<'_>>, actor: &str) -> Option<Spot> {
    places.values().find_map(|place| {
        let number = place.actors.iter().position(|here| *here == actor)?;
        let y = place.y + NODE_HEAD + ACTOR_HEIGHT * i32::try_from(number).ok()? + 11;
        Some(Spot { column: place.column, x: place.x + NODE_WIDTH / 2, y })
    })
}

fn way_of(places: &BTreeMap<&str, Place<'_>>, from: &str, to: &str, way: &Way) -> Markup {
    let (Some(start), Some(end)) = (spot(places, from), spot(places, to)) else { return html! {} };
    let half = NODE_WIDTH / 2 - 10;
    // Within a column it swings out to the right; otherwise it leaves on the side where it goes.
    let (x1, c1, c2, x2) = match start.column.cmp(&end.column) {
        std::cmp::Ordering::Less => (start.x + half, start.x + half + 110, end.x - half - 110, end.x - half),
        std::cmp::Ordering::Equal => (start.x + half, start.x + half + 70, end.x + half + 70, end.x + half),
        std::cmp::Ordering::Greater => {
            (start.x - half, start.x - half - 110, end.x + half + 110, end.x + half)
        }
    };
    // A way to oneself needs some room to be seen.
    let (y1, y2) = if from == to { (start.y - 6, end.y + 6) } else { (start.y - 3, end.y + 3) };
    let curve = format!("M {x1} {y1} C {c1} {y1}, {c2} {y2}, {x2} {y2}");
    // The middle of the curve.
    let (x, y) = ((x1 + 3 * c1 + 3 * c2 + x2) / 8, i32::midpoint(y1, y2));
    let is_captured = kind(from) == "sidecar" || kind(to) == "sidecar";
    let name = if way.is_bad {
        "bad"
    } else if is_captured {
        "captured"
    } else {
        "good"
    };
    let class = if name == "good" { "flow".to_owned() } else { format!("flow {name}") };
    html! {
        path class=(class) d=(curve) marker-end={ "url(#arrow-" (name) ")" } {}
        text.small x=(x + 3) y=(y - 3) { (numbers(&way.numbers)) }
    }
}

fn end_of(places: &BTreeMap<&str, Place<'_>>, from: &str, end: &str, way: &Way) -> Markup {
    let Some(start) = spot(places, from) else { return html! {} };
    let x = start.x + NODE_WIDTH / 2 - 4;
    let word: String = end.chars().take(20).collect();
    html! { text.end x=(x) y=(start.y + 4) { "✕ " (word) " " tspan.small { (numbers(&way.numbers)) } } }
}

fn numbers(all: &[usize]) -> String {
    let shown: Vec<String> = all.iter().take(NUMBERS).map(ToString::to_string).collect();
    if all.len() > NUMBERS { format!("{}…", shown.join(",")) } else { shown.join(",") }
}
