//! The steps of a scenario, as types.
//!
//! Must never hold a rule that needs more than one value: that is `check`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;
use serde_saphyr::Spanned;
use tproxy::config::value::{Spelling, Value};

use super::expectation::{Endpoint, Expectation, Place, Who, WirePlace};
use super::schema::FlagValue;
use super::table::Table;

/// One step of a scenario.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Install, or install again with other options.
    Install(Spanned<Install>),
    /// Install again with the options of the last installation.
    Reinstall(Spanned<Ending>),
    /// Uninstall.
    Uninstall(Spanned<Ending>),
    /// Kill somebody, whose connections end.
    Kill(Part),
    /// Start somebody who was killed, or again who was not.
    Restart(Part),
    /// Load rules of another program: a restore text of the variant's flavour and family.
    LoadRules(String),
    /// Expectations, in this order.
    Expect(Vec<Spanned<Expectation>>),
    /// Expectations as a table.
    Table(Spanned<Table>),
    /// Take a link down, for a time if one is given.
    LinkDown(Spanned<LinkDown>),
    /// Bring a link up again, with the addresses and routes that it had.
    LinkUp(Spanned<WirePlace>),
    /// Give an interface one more address.
    AddAddress(Spanned<AddAddress>),
    /// Lose some of the packets that an interface sends and receives.
    Loss(Spanned<Loss>),
    /// Everything must be as it was before the first installation.
    LeavesNothingBehind(Spanned<Yes>),
    /// Open a connection and keep it.
    Open(Spanned<Open>),
    /// Say something over a connection that was opened.
    Talk(Spanned<Talk>),
    /// Send a segment on a connection that was opened, such as no socket would send.
    Inject(Spanned<Inject>),
    /// The log rules with these prefixes have counted packets.
    Logs(Spanned<Vec<String>>),
    /// Many connections as fast as they go, all of which must end at one place.
    Burst(Spanned<Burst>),
    /// Many queries as fast as they go, all of which must be answered by one server.
    Queries(Spanned<Queries>),
    /// Wait until something has happened in a list of steps beside this one.
    WaitFor(Spanned<WaitFor>),
    /// Steps over and over again.
    Repeat(Repeat),
    /// Lists of steps side by side; it is done when all are.
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

/// How tproxy is installed: flags, a configuration file, variables; all may be given together.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Install {
    /// Flags without dashes.
    #[serde(default)]
    pub flags: BTreeMap<String, Spanned<FlagValue>>,
    /// A configuration document, given with `--config`.
    #[serde(default)]
    pub config: Option<serde_json::Value>,
    /// Environment variables.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// How it must end; by success unless given. After anything else what was installed before still is.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// What it must print, on either output.
    #[serde(default)]
    pub prints: Option<String>,
}

impl Install {
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
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Ending {
    /// Its exit code; 0 unless given.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// What it must print, on either output.
    #[serde(default)]
    pub prints: Option<String>,
}

/// Who can be killed and started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
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
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "bool")]
pub struct Yes;

impl TryFrom<bool> for Yes {
    type Error = &'static str;

    fn try_from(yes: bool) -> Result<Self, Self::Error> {
        if yes { Ok(Self) } else { Err("a statement can only be `true`; leave it out instead") }
    }
}

/// A link that goes down.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LinkDown {
    /// One of its ends.
    pub at: WirePlace,
    /// For how long, as in `300ms`; until `link-up` unless given.
    #[serde(default, rename = "for")]
    pub lasting: Option<Lasting>,
}

/// A length of time, as tproxy's options have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Lasting(pub Duration);

impl TryFrom<String> for Lasting {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let read = Duration::read(&Value::Text(text.clone()));
        read.map(Self).map_err(|_| format!("`{text}` is no length of time; write one as `300ms` or `2s`"))
    }
}

/// One more address.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AddAddress {
    /// The interface.
    pub at: WirePlace,
    /// The address with the length of its network, as in `10.77.0.9/24`.
    pub address: IpNet,
}

/// Packets that get lost.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Loss {
    /// The interface.
    pub at: WirePlace,
    /// How many of a hundred, in each direction; 0 ends it.
    pub percent: u8,
}

/// A connection that is kept.
#[derive(Debug, Clone, Deserialize)]
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
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Talk {
    /// The connection.
    pub over: String,
    /// What comes of it.
    pub is: Talked,
}

/// What comes of something said over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Talked {
    /// It comes back.
    Echoed,
    /// The connection is broken.
    Reset,
    /// The other side has ended it.
    Closed,
    /// Nothing comes back in time.
    Unheard,
}

impl fmt::Display for Talked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Echoed => "echoed",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::Unheard => "unheard",
        })
    }
}

/// A crafted segment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Inject {
    /// The connection that it pretends to be of.
    pub over: String,
    /// What is wrong with it.
    pub segment: CraftedSegment,
}

/// What is wrong with a crafted segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CraftedSegment {
    /// Its sequence number lies far beyond what the receiver can take.
    OutOfWindow,
}

/// Many connections.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Burst {
    /// Who opens them.
    pub from: Who,
    /// Where to.
    pub to: Spanned<Endpoint>,
    /// How many.
    pub connections: usize,
    /// How many at a time.
    #[serde(default = "eight")]
    pub at_once: usize,
    /// Who must answer each of them.
    pub reaches: Place,
    /// More of them, until this has happened.
    #[serde(default)]
    pub until: Option<Spanned<Until>>,
}

/// Many queries.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Queries {
    /// Who sends them.
    pub from: Who,
    /// The name to ask for.
    pub ask: String,
    /// The name server to ask, port 53.
    pub server: Spanned<String>,
    /// The ports to ask from, each at the same time as the others.
    pub source_ports: Vec<u16>,
    /// How many queries altogether.
    pub times: usize,
    /// Who must answer each of them.
    pub reaches: Place,
    /// More of them, until this has happened.
    #[serde(default)]
    pub until: Option<Spanned<Until>>,
}

fn eight() -> usize {
    8
}

/// What is done beside this list of steps.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Until {
    /// A kind of step that is done.
    pub done: Deed,
    /// How often, counted from the beginning.
    #[serde(default = "once")]
    pub times: usize,
}

/// Something that happens beside this list of steps.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WaitFor {
    /// A kind of step that is done.
    #[serde(default)]
    pub done: Option<Deed>,
    /// A listener of the sidecar that has seen connections, or queries.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
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
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Repeat {
    /// How often.
    pub times: u32,
    /// What.
    pub steps: Vec<Step>,
}
