//! The schema of a scenario file, as types.
//!
//! What a file may say is what these types can hold: unknown keys are errors. Must never hold a rule that needs more
//! than one value: that is `check`.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_saphyr::Spanned;
use tproxy::backend::BackendId;
use tproxy::family::IpFamily;

/// A whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Document {
    /// Version of the schema: 1.
    pub version: Spanned<u32>,
    /// What the scenario shows, as a sentence.
    pub name: Spanned<String>,
    /// Which ready topology it runs in.
    #[serde(default = "default_topology")]
    pub topology: Spanned<String>,
    /// Variants that it is limited to.
    #[serde(default)]
    pub only: Option<Spanned<Only>>,
    /// What the sidecar does.
    #[serde(default)]
    pub sidecar: Sidecar,
    /// Files to write before anything starts, by node and path; below /run, /tmp or /etc.
    #[serde(default)]
    pub files: BTreeMap<String, BTreeMap<String, Spanned<String>>>,
    /// Kernel settings, by node and key below `net/`, as in `net/ipv6/conf/all/disable_ipv6`.
    #[serde(default)]
    pub sysctls: BTreeMap<String, BTreeMap<String, Spanned<FlagValue>>>,
    /// Real server programs.
    #[serde(default)]
    pub programs: BTreeMap<String, Spanned<ServerProgram>>,
    /// How tproxy is installed.
    #[serde(default = "unwritten")]
    pub install: Spanned<Install>,
    /// What must happen then, in this order.
    #[serde(default)]
    pub expect: Vec<Spanned<Expectation>>,
    /// What is done, step by step, instead of `install` and `expect`. At the end tproxy is uninstalled in any case.
    #[serde(default)]
    pub steps: Vec<Step>,
}

/// One step of a scenario.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Install, or install again.
    Install(Spanned<Install>),
    /// Uninstall.
    Uninstall(Nothing),
    /// Load rules of another program: a restore text of the variant's flavour and family.
    LoadRules(String),
    /// Expectations, in this order.
    Expect(Vec<Spanned<Expectation>>),
    /// Many connections as fast as they go, all of which must end at one place.
    Burst(Spanned<Burst>),
    /// Steps over and over again.
    Repeat(Repeat),
    /// Lists of steps side by side; it is done when all are.
    Parallel(Vec<Vec<Step>>),
}

/// A step without parameters: `{}`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

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
    #[serde(default = "one_lane")]
    pub at_once: usize,
    /// Who must answer each of them.
    pub reaches: Place,
}

fn one_lane() -> usize {
    8
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

impl Document {
    /// What is done: the steps, or else what `install` and `expect` mean.
    #[must_use]
    pub fn script(&self) -> Vec<Step> {
        if self.steps.is_empty() {
            vec![Step::Install(self.install.clone()), Step::Expect(self.expect.clone())]
        } else {
            self.steps.clone()
        }
    }

    /// All expectations, wherever they stand.
    #[must_use]
    pub fn expectations(&self) -> Vec<Spanned<Expectation>> {
        self.every_step()
            .into_iter()
            .filter_map(|step| if let Step::Expect(list) = step { Some(list) } else { None })
            .flatten()
            .collect()
    }

    /// All bursts, wherever they stand.
    #[must_use]
    pub fn bursts(&self) -> Vec<Spanned<Burst>> {
        self.every_step()
            .into_iter()
            .filter_map(|step| if let Step::Burst(burst) = step { Some(burst) } else { None })
            .collect()
    }

    /// All installations, wherever they stand.
    #[must_use]
    pub fn installations(&self) -> Vec<Spanned<Install>> {
        self.every_step()
            .into_iter()
            .filter_map(|step| if let Step::Install(install) = step { Some(install) } else { None })
            .collect()
    }

    fn every_step(&self) -> Vec<Step> {
        let mut found = Vec::new();
        let mut open = self.script();
        while let Some(step) = open.pop() {
            match step {
                Step::Repeat(repeat) => open.extend(repeat.steps),
                Step::Parallel(lanes) => open.extend(lanes.into_iter().flatten()),
                step => found.push(step),
            }
        }
        // Last in, first out: back in the order of the file, as far as it has one.
        found.reverse();
        found
    }
}

fn default_topology() -> Spanned<String> {
    Spanned { value: "pod-and-peer".to_owned(), ..unwritten() }
}

/// A value that the file does not hold.
fn unwritten<T: Default>() -> Spanned<T> {
    let nowhere = serde_saphyr::Location::UNKNOWN;
    Spanned { value: T::default(), referenced: nowhere, defined: nowhere }
}

/// The variants that a scenario is limited to, and why.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Only {
    /// Backend ids.
    #[serde(default)]
    pub backends: Vec<Spanned<String>>,
    /// IP families.
    #[serde(default)]
    pub families: Vec<IpFamily>,
    /// The reason, a sentence.
    pub because: String,
}

/// What the sidecar does.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sidecar {
    /// Forward what it gets, as a real one does, instead of answering itself.
    #[serde(default)]
    pub forwards: bool,
}

/// A program that serves.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ServerProgram {
    /// The node that it runs in.
    pub on: String,
    /// Program and arguments.
    pub run: Vec<String>,
    /// What it prints when it is ready.
    pub ready: String,
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
}

/// The value of a flag.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
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

/// One thing that must happen: a connection or a DNS query that ends somewhere, or a program that does something.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expectation {
    /// Who opens the connection.
    pub from: Who,
    /// Where to.
    #[serde(default)]
    pub to: Option<Spanned<Endpoint>>,
    /// A name to ask a name server for, over UDP, instead of a connection.
    #[serde(default)]
    pub ask: Option<String>,
    /// The name server to ask, port 53.
    #[serde(default)]
    pub server: Option<Spanned<String>>,
    /// Ask with a connected socket, or with one that is not; both, one after the other, unless given.
    #[serde(default)]
    pub connected: Option<bool>,
    /// The port to ask from; the kernel chooses one unless given.
    #[serde(default)]
    pub source_port: Option<u16>,
    /// From which address the answer must come; the server asked unless given.
    #[serde(default)]
    pub answered_from: Option<Spanned<String>>,
    /// The address to connect from, where it is chosen.
    #[serde(default)]
    pub source: Option<Spanned<String>>,
    /// Who answers.
    #[serde(default)]
    pub reaches: Option<Place>,
    /// The forwarding sidecar's listeners that it passes, in order. None is stated by an empty list.
    #[serde(default)]
    pub through: Option<Vec<Place>>,
    /// What the one who answers, or the first listener passed, learns as the original destination.
    #[serde(default)]
    pub original_destination: Option<Spanned<Endpoint>>,
    /// Whose address the one who answers, or the first listener passed, sees as the source.
    #[serde(default)]
    pub sees_source: Option<Spanned<String>>,
    /// A program instead of a connection; `{name:port}` in its arguments becomes that address.
    #[serde(default)]
    pub run: Vec<String>,
    /// The program's exit code.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// What the program must print.
    #[serde(default)]
    pub prints: Option<String>,
}

/// Who opens a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// A process of the application's user in the pod.
    App,
    /// A process of the sidecar's user in the pod.
    Sidecar,
    /// A process of root in the pod.
    Root,
    /// A process in the peer.
    Peer,
    /// A process in the virtual machine behind the pod.
    Vm,
}

/// Where a connection ends, or passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// A server of the application in the pod.
    App,
    /// A server in the peer.
    Peer,
    /// The sidecar's inbound listener.
    SidecarInbound,
    /// The sidecar's outbound listener.
    SidecarOutbound,
    /// The sidecar's listener for DNS queries.
    SidecarDns,
    /// The topology's name server.
    Nameserver,
    /// A name server in the pod itself.
    Resolver,
    /// Nobody: the connection is refused, since nothing listens there.
    Refused,
    /// Nobody: whoever took the connection broke it.
    Reset,
}

impl Who {
    /// The node that it lives in.
    #[must_use]
    pub fn node(self) -> &'static str {
        match self {
            Self::App | Self::Sidecar | Self::Root => "pod",
            Self::Peer => "peer",
            Self::Vm => "vm",
        }
    }

    /// Whether what it sends arrives at the pod from outside.
    #[must_use]
    pub fn is_outside(self) -> bool {
        self.node() != "pod"
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::App => "app",
            Self::Sidecar => "sidecar",
            Self::Root => "root",
            Self::Peer => "peer",
            Self::Vm => "vm",
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::App => "app",
            Self::Peer => "peer",
            Self::SidecarInbound => "sidecar-inbound",
            Self::SidecarOutbound => "sidecar-outbound",
            Self::SidecarDns => "sidecar-dns",
            Self::Nameserver => "nameserver",
            Self::Resolver => "resolver",
            Self::Refused => "refused",
            Self::Reset => "reset",
        })
    }
}

/// `name:port`, where the name stands for an address of the variant's family.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Endpoint {
    /// A name of the topology, or a literal address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl TryFrom<String> for Endpoint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not of the form name:port");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() { Err(wrong()) } else { Ok(Self { host: host.to_owned(), port }) }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The backends that scenarios run on, by id.
pub(super) const BACKENDS: [BackendId; 2] = [BackendId::IptablesNft, BackendId::IptablesLegacy];
