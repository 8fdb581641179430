//! The schema of a scenario file, as types.
//!
//! What a file may say is what these types can hold: unknown keys are errors. Must never hold a rule that needs more
//! than one value: that is `check`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Deserialize;
use tproxy::backend::BackendId;
use tproxy::family::IpFamily;

use super::expectation::{Endpoint, Expectation, Who};
use super::foreign::{Backend, Family};
use super::layout::Layout;
use super::people::User;
use super::spanned::Spanned;
use super::step::{Install, Step};
use super::table::Table;

/// Texts by node and path.
pub type Files = BTreeMap<String, BTreeMap<String, Spanned<String>>>;

/// What must happen to real connections, and how what they meet is set up.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Document {
    /// Version of this schema: 1.
    #[schemars(extend("const" = 1))]
    pub version: Spanned<u32>,
    /// What the scenario shows, a sentence.
    pub name: Spanned<String>,
    /// Values by name: `${name}` stands for one wherever it is written, `$${` for `${`.
    #[serde(default)]
    pub variables: BTreeMap<String, FlagValue>,
    /// The name of a ready topology, or one of the file's own.
    #[serde(default)]
    #[schemars(extend("default" = "pod-and-peer"))]
    pub topology: Spanned<Layout>,
    /// Limits the variants, with the reason; all of them unless given.
    #[serde(default)]
    pub only: Option<Spanned<Only>>,
    /// `true`: it must not run beside others, since it needs the machine for itself.
    #[serde(default)]
    pub exclusive: bool,
    /// `true`: it takes long, and `netsim run --quick` leaves it out.
    #[serde(default)]
    pub heavy: bool,
    /// People beside the usual ones, by name.
    #[serde(default)]
    pub users: BTreeMap<String, Spanned<User>>,
    /// What the sidecar does; it answers itself unless it is said to forward.
    #[serde(default)]
    pub sidecar: Sidecar,
    /// Files to write before anything starts, by node and path below /run, /tmp or /etc.
    #[serde(default)]
    pub files: Files,
    /// Kernel settings below `net/`, by node and key, as in `net/ipv6/conf/all/disable_ipv6`.
    #[serde(default)]
    pub sysctls: BTreeMap<String, BTreeMap<String, Spanned<FlagValue>>>,
    /// A name server in the pod, as systemd-resolved and Docker's are; it runs wherever the pod itself is asked. Without
    /// this one, root's does, which answers itself.
    #[serde(default)]
    pub resolver: Option<Spanned<Resolver>>,
    /// The names that a name server knows, with their addresses: `nameserver`, `sidecar-dns` or `resolver`. Of other
    /// names it says that there are none; without a zone it knows every name.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, BTreeMap<String, Vec<String>>>")]
    pub zones: BTreeMap<String, Spanned<BTreeMap<String, Vec<IpAddr>>>>,
    /// Real servers, by name.
    #[serde(default)]
    pub programs: BTreeMap<String, Spanned<ServerProgram>>,
    /// How tproxy is installed; without any option unless given.
    #[serde(default)]
    pub install: Spanned<Install>,
    /// What must happen then, in this order. A file has this, `table`, both, or `steps`.
    #[serde(default)]
    pub expect: Vec<Spanned<Expectation>>,
    /// What must happen to each of many connections, as a table.
    #[serde(default)]
    pub table: Option<Spanned<Table>>,
    /// What is done, step by step, instead of `install` and `expect`. At the end tproxy is uninstalled in any case.
    #[serde(default)]
    pub steps: Vec<Step>,
}

impl Document {
    /// What is done: the steps, or else what `install` and `expect` mean.
    #[must_use]
    pub fn script(&self) -> Vec<Step> {
        if self.steps.is_empty() {
            let table = self.table.clone().map(Step::Table);
            let expect = Some(Step::Expect(self.expect.clone())).filter(|_| !self.expect.is_empty());
            std::iter::once(Step::Install(self.install.clone())).chain(expect).chain(table).collect()
        } else {
            self.steps.clone()
        }
    }

    /// All expectations, wherever they stand.
    #[must_use]
    pub fn expectations(&self) -> Vec<Spanned<Expectation>> {
        let lists = self.every_step().into_iter().filter_map(|step| match step {
            Step::Expect(list) => Some(list),
            Step::Table(table) => Some(table.value.expectations()),
            _ => None,
        });
        lists.flatten().collect()
    }

    /// All installations, wherever they stand, those that must fail included.
    #[must_use]
    pub fn installations(&self) -> Vec<Spanned<Install>> {
        let installations = self.every_step().into_iter().filter_map(|step| match step {
            Step::Install(install) => Some(install),
            _ => None,
        });
        installations.collect()
    }

    /// Everybody who connects or asks, and where to, wherever that stands.
    #[must_use]
    pub fn callers(&self) -> Vec<(Who, Option<Spanned<Endpoint>>)> {
        let of_step = |step: Step| match step {
            Step::Expect(list) => list.into_iter().map(|one| (one.value.from, one.value.to)).collect(),
            Step::Table(table) => {
                table.value.expectations().into_iter().map(|one| (one.value.from, one.value.to)).collect()
            }
            Step::Burst(burst) => vec![(burst.value.from, Some(burst.value.to))],
            Step::Open(open) => vec![(open.value.from, Some(open.value.to))],
            Step::Queries(queries) => vec![(queries.value.from, None)],
            _ => Vec::new(),
        };
        self.every_step().into_iter().flat_map(of_step).collect()
    }

    /// All name servers that are asked, wherever that stands.
    #[must_use]
    pub fn servers_asked(&self) -> Vec<Spanned<String>> {
        let of_step = |step: Step| match step {
            Step::Expect(list) => list.into_iter().filter_map(|one| one.value.server).collect(),
            Step::Queries(queries) => vec![queries.value.server],
            _ => Vec::new(),
        };
        self.every_step().into_iter().flat_map(of_step).collect()
    }

    /// Every step, those of repetitions and side lists included, in the order of the file as far as there is one.
    #[must_use]
    pub fn every_step(&self) -> Vec<Step> {
        fn flat(steps: Vec<Step>) -> Vec<Step> {
            let within = |step| match step {
                Step::Repeat(repeat) => flat(repeat.steps),
                Step::Parallel(lanes) => lanes.into_iter().flat_map(flat).collect(),
                step => vec![step],
            };
            steps.into_iter().flat_map(within).collect()
        }
        flat(self.script())
    }
}

/// The variants that a scenario is limited to, and why.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Only {
    /// Backends, by id; all unless given.
    #[serde(default)]
    #[schemars(with = "Vec<Backend>")]
    pub backends: Vec<Spanned<String>>,
    /// IP families in which the expectations are driven; all that the pod has addresses of unless given.
    #[serde(default)]
    #[schemars(with = "Vec<Family>")]
    pub families: Vec<IpFamily>,
    /// The reason, a sentence.
    pub because: String,
}

/// What the sidecar does.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sidecar {
    /// `true`: it forwards what it gets, as a real one does, instead of answering itself.
    #[serde(default)]
    pub forwards: bool,
}

/// A name server in the pod.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Resolver {
    /// The user id that it runs as.
    pub uid: u32,
    /// Whom it passes queries on to, port 53, as systemd-resolved does; without it, it answers itself.
    #[serde(default)]
    pub asks: Option<Spanned<String>>,
}

/// A program that serves.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ServerProgram {
    /// The node that it runs in.
    pub on: String,
    /// The program and its arguments.
    pub run: Vec<String>,
    /// What it prints when it is ready.
    pub ready: String,
}

/// The value of a flag.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum FlagValue {
    /// A switch.
    Bool(bool),
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
    /// Given as one value, separated by commas.
    List(Vec<FlagValue>),
}

impl fmt::Display for FlagValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Number(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
            Self::List(values) => {
                f.write_str(&values.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
            }
        }
    }
}

/// The backends that scenarios run on, by id.
pub(super) const BACKENDS: [BackendId; 3] =
    [BackendId::IptablesNft, BackendId::IptablesLegacy, BackendId::Ebpf];
