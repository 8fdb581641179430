//! The steps of a scenario, as types.
//!
//! Must never hold a rule that needs more than one value: that is `check`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;
use tproxy::backend::BackendId;
use tproxy::config::value::{Spelling, Value};

use super::crowd::{Burst, Queries};
use super::expectation::{Endpoint, Expectation, Place, Who, WirePlace};
use super::foreign::{Flags, Network, Variables};
use super::schema::FlagValue;
use super::spanned::Spanned;
use super::table::Table;

/// One step of a scenario.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Installs tproxy, over what is there.
    Install(Spanned<Install>),
    /// Installs again with the options of the last installation that succeeded.
    Reinstall(Spanned<Ending>),
    /// Uninstalls tproxy.
    Uninstall(Spanned<Ending>),
    /// Ends the sidecar and its listener for queries, with their connections.
    Kill(Part),
    /// Starts them, again if they run. The sidecar listens on the ports of every installation of the file.
    Restart(Part),
    /// Loads another program's rules: a restore text, of the variant's flavour and family.
    LoadRules(String),
    /// Expectations, in this order.
    Expect(Vec<Spanned<Expectation>>),
    /// Expectations as a table.
    Table(Spanned<Table>),
    /// Takes an interface down, for a time if one is given.
    LinkDown(Spanned<LinkDown>),
    /// Brings an interface up with the addresses and routes that it had.
    LinkUp(Spanned<WirePlace>),
    /// Gives an interface one more address.
    AddAddress(Spanned<AddAddress>),
    /// Loses some of the packets that an interface sends and receives.
    Loss(Spanned<Loss>),
    /// Rules, chains, sets, addresses, routes, settings and files are as before the first installation.
    LeavesNothingBehind(Spanned<Yes>),
    /// Opens a connection and keeps it.
    Open(Spanned<Open>),
    /// Says something over a connection that was opened.
    Talk(Spanned<Talk>),
    /// Sends the pod a crafted segment that pretends to be of a kept connection from outside, and sees it arrive.
    Inject(Spanned<Inject>),
    /// The log rules with these prefixes have counted packets (the kernel prints nothing outside its first namespace).
    Logs(Spanned<Vec<String>>),
    /// Makes many connections as fast as they go, all of which must end at one place.
    Burst(Spanned<Burst>),
    /// Sends many queries as fast as they go, each from a socket of its own, all of which must be answered by one server.
    Queries(Spanned<Queries>),
    /// Waits until something has happened in a list of steps beside this one.
    WaitFor(Spanned<WaitFor>),
    /// Does steps over and over again.
    Repeat(Repeat),
    /// Does lists of steps side by side; it is done when all are.
    Parallel(Vec<Vec<Step>>),
}

impl Step {
    /// Whether as much traffic as can be made is part of it, so that it takes long.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        match self {
            Self::Burst(_) | Self::Queries(_) => true,
            Self::Repeat(repeat) => repeat.steps.iter().any(Self::is_crowded),
            Self::Parallel(lists) => lists.iter().flatten().any(Self::is_crowded),
            _ => false,
        }
    }
}

/// How tproxy is installed. Flags, a configuration and variables may be given together.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Install {
    /// Flags of `tproxy install` without dashes; a list is one value with commas.
    #[serde(default)]
    #[schemars(with = "Flags")]
    pub flags: BTreeMap<String, Spanned<FlagValue>>,
    /// A configuration document, for `--config`.
    #[serde(default)]
    pub config: Option<serde_json::Value>,
    /// Environment variables that tproxy knows.
    #[serde(default)]
    #[schemars(with = "Variables")]
    pub env: BTreeMap<String, String>,
    /// The exit code that it must have. After another one than 0, what was installed before must still be.
    #[serde(default)]
    #[schemars(extend("default" = 0))]
    pub exit_code: Option<i32>,
    /// What either of its outputs must contain.
    #[serde(default)]
    pub prints: Option<String>,
}

impl Install {
    /// The same by a backend. Of iptables, what is installed is decided by which programs there are.
    #[must_use]
    pub fn by(&self, backend: BackendId) -> Self {
        let mut install = self.clone();
        if backend == BackendId::Ebpf {
            let choice = || Spanned::unwritten(FlagValue::Text(backend.to_string()));
            install.flags.entry("backend".to_owned()).or_insert_with(choice);
        }
        install
    }

    /// Whether it shall succeed.
    #[must_use]
    pub fn succeeds(&self) -> bool {
        self.exit_code.unwrap_or(0) == 0
    }

    /// How it must end.
    #[must_use]
    pub fn ending(&self) -> Ending {
        Ending { exit_code: self.exit_code, prints: self.prints.clone() }
    }
}

/// How a run of tproxy must end.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Ending {
    /// The exit code that it must have.
    #[serde(default)]
    #[schemars(extend("default" = 0))]
    pub exit_code: Option<i32>,
    /// What either of its outputs must contain.
    #[serde(default)]
    pub prints: Option<String>,
}

/// Who can be killed and started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The sidecar, with its listener for DNS queries.
    Sidecar,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sidecar")
    }
}

/// `true`, which a statement is given to be one.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(try_from = "bool")]
#[schemars(extend("const" = true))]
pub struct Yes;

impl TryFrom<bool> for Yes {
    type Error = &'static str;

    fn try_from(yes: bool) -> Result<Self, Self::Error> {
        if yes { Ok(Self) } else { Err("a statement can only be `true`; leave it out instead") }
    }
}

/// A link that goes down.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LinkDown {
    /// The interface.
    pub at: WirePlace,
    /// For how long; until `link-up` unless given.
    #[serde(default, rename = "for")]
    pub lasting: Option<Lasting>,
}

/// A length of time, as in `300ms` or `2s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^\s*(0|([0-9.]+(ns|us|µs|μs|ms|s|m|h))+)\s*$"))]
pub struct Lasting(pub Duration);

impl TryFrom<String> for Lasting {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let read = Duration::read(&Value::Text(text.clone()));
        read.map(Self).map_err(|_| format!("`{text}` is no length of time; write one as `300ms` or `2s`"))
    }
}

/// One more address.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AddAddress {
    /// The interface.
    pub at: WirePlace,
    /// The address with the length of its network, as in `10.77.0.9/24`.
    #[schemars(with = "Network")]
    pub address: IpNet,
}

/// Packets that get lost.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Loss {
    /// The interface.
    pub at: WirePlace,
    /// How many of a hundred: in each direction where the kernel has netem, else of what is sent there, and all at 100; 0 ends it.
    #[schemars(range(max = 100))]
    pub percent: u8,
}

/// A connection that is kept.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Open {
    /// What later steps call it.
    pub name: String,
    /// Who opens it.
    pub from: Who,
    /// Where to.
    pub to: Spanned<Endpoint>,
    /// Who answers.
    pub reaches: Place,
}

/// Something said over a kept connection.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Talk {
    /// The name of the connection.
    pub over: String,
    /// What comes of it.
    pub is: Talked,
}

/// What comes of something said over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Talked {
    /// It comes back.
    Echoed,
    /// The connection is broken.
    Reset,
    /// The other side has ended it.
    Closed,
    /// One of these two, whichever comes first.
    Ended,
    /// Nothing comes back in time.
    Unheard,
}

impl fmt::Display for Talked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Echoed => "echoed",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::Ended => "ended",
            Self::Unheard => "unheard",
        })
    }
}

/// A crafted segment.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Inject {
    /// The name of the connection that it pretends to be of, which somebody outside opened.
    pub over: String,
    /// What is wrong with it.
    pub segment: CraftedSegment,
}

/// What is wrong with a crafted segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CraftedSegment {
    /// Its sequence number lies far beyond what the receiver can take.
    OutOfWindow,
}

/// What goes on in a list of steps beside this one.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Until {
    /// A kind of step that is done.
    pub done: Deed,
    /// How often, counted from the beginning.
    #[serde(default = "once")]
    pub times: usize,
}

/// What goes on in a list of steps beside this one: `done` or `seen-by`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WaitFor {
    /// A kind of step that is done.
    #[serde(default)]
    pub done: Option<Deed>,
    /// A listener that has seen connections, `sidecar-inbound` or `sidecar-outbound`; or `sidecar-dns`, queries.
    #[serde(default)]
    pub seen_by: Option<Place>,
    /// How often, counted from the beginning.
    #[serde(default = "once")]
    pub times: usize,
}

fn once() -> usize {
    1
}

/// Steps that others can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// `install` or `reinstall`.
    Install,
    /// `uninstall`.
    Uninstall,
    /// `kill`.
    Kill,
    /// `restart`.
    Restart,
    /// `load-rules`.
    LoadRules,
    /// `open`.
    Open,
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Install => "install",
            Self::Uninstall => "uninstall",
            Self::Kill => "kill",
            Self::Restart => "restart",
            Self::LoadRules => "load-rules",
            Self::Open => "open",
        })
    }
}

impl Step {
    /// What others can wait for when it is done.
    #[must_use]
    pub fn deed(&self) -> Option<Deed> {
        Some(match self {
            Self::Install(_) | Self::Reinstall(_) => Deed::Install,
            Self::Uninstall(_) => Deed::Uninstall,
            Self::Kill(_) => Deed::Kill,
            Self::Restart(_) => Deed::Restart,
            Self::LoadRules(_) => Deed::LoadRules,
            Self::Open(_) => Deed::Open,
            _ => return None,
        })
    }
}

/// Steps over and over again.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Repeat {
    /// How often.
    pub times: u32,
    /// What.
    pub steps: Vec<Step>,
}
