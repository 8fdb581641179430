//! Who there is in a scenario: the usual people of the pod, root in every other node, and those that the file names.
//!
//! Must never look at the system: who has which ids stands in the file, or among the nodes' usual accounts.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use tproxy::diagnostic::suggest;

use super::expectation::Who;
use super::schema::Document;
use crate::node::{Account, Identity};
use crate::topology::Topology;

/// The node that tproxy is installed in.
pub const POD: &str = "pod";

/// Somebody beside the usual people.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct User {
    /// The node that they are in.
    #[serde(default = "pod")]
    pub on: String,
    /// User id.
    pub uid: u32,
    /// Group id; the user id unless given.
    #[serde(default)]
    pub gid: Option<u32>,
}

fn pod() -> String {
    POD.to_owned()
}

/// Somebody who can send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The node.
    pub node: String,
    /// As whom.
    pub runs_as: RunsAs,
}

/// As whom somebody sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunsAs {
    /// As the sidecar, whoever that is in an installation.
    Sidecar,
    /// With these ids.
    Identity(Identity),
}

impl Person {
    /// Whether what they send arrives at the pod from outside.
    #[must_use]
    pub fn is_outside(&self) -> bool {
        self.node != POD
    }
}

/// Everybody in a scenario, by name.
#[must_use]
pub fn people(document: &Document, topology: &Topology) -> BTreeMap<Who, Person> {
    let accounts = Account::usual();
    let account = |name: &str| accounts.iter().find(|account| account.name == name);
    let in_pod = |runs_as| Person { node: pod(), runs_as };
    let usual = ["app", "other", "root"]
        .into_iter()
        .filter_map(|name| Some((Who(name.to_owned()), in_pod(RunsAs::Identity(account(name)?.identity)))));
    let outside = topology.nodes().filter(|node| *node != POD).map(|node| {
        (Who(node.to_owned()), Person { node: node.to_owned(), runs_as: RunsAs::Identity(Identity::ROOT) })
    });
    let named = document.users.iter().map(|(name, user)| {
        let user = &user.value;
        let runs_as = RunsAs::Identity(Identity::new(user.uid, user.gid.unwrap_or(user.uid)));
        (Who(name.clone()), Person { node: user.on.clone(), runs_as })
    });
    usual.chain([(Who("sidecar".to_owned()), in_pod(RunsAs::Sidecar))]).chain(outside).chain(named).collect()
}

/// What is wrong with a name that nobody has.
pub(super) fn unknown(who: &Who, people: &BTreeMap<Who, Person>) -> String {
    let names = || people.keys().map(|known| known.0.as_str());
    let hint = suggest(&who.0, names()).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    format!("nobody here is called `{who}`{hint}; there are: {}", names().collect::<Vec<_>>().join(", "))
}
