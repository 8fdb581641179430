//! What the types cannot say of steps: names that must be opened before they are used, waits that can end.
//!
//! Must never look at the system.

use std::collections::BTreeMap;

use tproxy::family::IpFamily;

use super::check::{Problem, problem};
use super::expectation::{Place, Who};
use super::people;
use super::schema::Document;
use super::spanned::Spanned;
use super::step::{Deed, Step, Until, WaitFor};
use crate::topology::Topology;

pub(super) fn problems(document: &Document, topology: &Topology) -> Vec<Problem> {
    let mut opened: BTreeMap<String, Who> = BTreeMap::new();
    let (mut problems, mut installed) = (Vec::new(), false);
    let people = people::people(document, topology);
    let is_outside = |who: &Who| people.get(who).is_some_and(people::Person::is_outside);
    let family = topology.families_of(people::POD).first().copied().unwrap_or(IpFamily::V4);
    let known = |name: &str| topology.address(name, family).err().map(|error| error.to_string());
    let unopened = |name: &str| format!("no step before this one opens `{name}`");
    for step in document.every_step() {
        let (location, message) = match &step {
            Step::Install(_) => {
                installed = true;
                continue;
            }
            Step::Reinstall(again) if !installed => {
                (again.referenced, Some("no step before this one installs anything".to_owned()))
            }
            Step::LeavesNothingBehind(state) if !installed => {
                let message = "no step before this one installs anything: there is nothing to compare with";
                (state.referenced, Some(message.to_owned()))
            }
            Step::Open(open) => {
                let name = &open.value.name;
                let earlier = opened.insert(name.clone(), open.value.from.clone());
                let twice = earlier.map(|_| format!("another step opens `{name}`: call this one otherwise"));
                (open.value.to.referenced, twice.or(literal_or(&open.value.to.value.host, known)))
            }
            Step::Talk(talk) if !opened.contains_key(&talk.value.over) => {
                (talk.referenced, Some(unopened(&talk.value.over)))
            }
            Step::Inject(inject) => {
                let message = match opened.get(&inject.value.over) {
                    None => Some(unopened(&inject.value.over)),
                    Some(from) if !is_outside(from) => {
                        Some("a segment can be injected into connections that arrive at the pod".to_owned())
                    }
                    Some(_) => None,
                };
                (inject.referenced, message)
            }
            Step::Queries(queries) if queries.value.source_ports.is_empty() => {
                (queries.referenced, Some("`source-ports` must name a port".to_owned()))
            }
            Step::Queries(queries) => {
                problems.extend(endless(queries.value.until.as_ref(), document));
                let server = &queries.value.server;
                (server.referenced, literal_or(&server.value, known))
            }
            Step::Loss(loss) if loss.value.percent > 100 => {
                (loss.referenced, Some("`percent` is from 0 to 100".to_owned()))
            }
            Step::Burst(burst) => {
                problems.extend(endless(burst.value.until.as_ref(), document));
                (burst.value.to.referenced, literal_or(&burst.value.to.value.host, known))
            }
            Step::WaitFor(wait) => (wait.referenced, never_ends(&wait.value, document).map(str::to_owned)),
            _ => continue,
        };
        problems.extend(message.map(|message| problem(location, message)));
    }
    problems
}

/// A literal address belongs to one family; whether it is in the topology does not matter.
fn literal_or(name: &str, known: impl Fn(&str) -> Option<String>) -> Option<String> {
    if name.parse::<std::net::IpAddr>().is_ok() { None } else { known(name) }
}

/// What goes on until something is done that no step does.
fn endless(until: Option<&Spanned<Until>>, document: &Document) -> Option<Problem> {
    let until = until?;
    never_done(until.value.done, document).map(|message| problem(until.referenced, message))
}

fn never_done(deed: Deed, document: &Document) -> Option<&'static str> {
    let happens = document.every_step().iter().any(|step| step.deed() == Some(deed));
    (!happens).then_some("no step of this file does what is waited for")
}

fn never_ends(wait: &WaitFor, document: &Document) -> Option<&'static str> {
    match (wait.done, &wait.seen_by) {
        (Some(_), Some(_)) | (None, None) => Some("`wait-for` has one of `done` and `seen-by`"),
        (Some(deed), None) => never_done(deed, document),
        (None, Some(place)) if place.takes_connections_for_others() || *place == Place::SidecarDns => None,
        (None, Some(_)) => Some("`seen-by` is for `sidecar-inbound`, `sidecar-outbound` and `sidecar-dns`"),
    }
}
