//! What must happen, as types: who calls whom, who answers, and what is seen of it.
//!
//! Must never hold a rule that needs more than one value: that is `check`.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use super::spanned::Spanned;

/// One thing that must happen: a connection or a DNS query that ends somewhere, or a program that does something.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expectation {
    /// Who connects, asks, or runs the program.
    pub from: Who,
    /// Where a connection goes, as `name:port`; needs `reaches`.
    #[serde(default)]
    pub to: Option<Spanned<Endpoint>>,
    /// A query instead of a connection, over UDP: the name to ask for; needs `server` and `reaches`.
    #[serde(default)]
    pub ask: Option<String>,
    /// Whom a query asks: a name of the topology, or an address.
    #[serde(default)]
    pub server: Option<Spanned<String>>,
    /// The port that is asked.
    #[serde(default)]
    #[schemars(extend("default" = 53))]
    pub server_port: Option<u16>,
    /// Ask by a connected socket, or by one that is not; both, one after the other, unless given.
    #[serde(default)]
    pub connected: Option<bool>,
    /// The port to ask from; the kernel chooses one unless given.
    #[serde(default)]
    pub source_port: Option<u16>,
    /// From which address the answer to a query must come; that of `server` unless given.
    #[serde(default)]
    pub answered_from: Option<Spanned<String>>,
    /// How it is sent.
    #[serde(default)]
    #[schemars(extend("default" = "tcp"))]
    pub protocol: Protocol,
    /// How many bytes are said and must come back, a few unless given; not together with `leaves` or `never-leaves`.
    #[serde(default)]
    pub bytes: Option<usize>,
    /// The address to connect from, where it is chosen: a name of the topology, or an address.
    #[serde(default)]
    pub source: Option<Spanned<String>>,
    /// Who answers, or how a connection ends that nobody answers.
    #[serde(default)]
    pub reaches: Option<Place>,
    /// The listeners of a forwarding sidecar that it passes, in order; `[]` for none.
    #[serde(default)]
    pub through: Option<Vec<Place>>,
    /// What the sidecar learns as the original destination; checked against `to` where it is not given.
    #[serde(default)]
    pub original_destination: Option<Spanned<Endpoint>>,
    /// Whose address the first listener passed, or else whoever answers, sees as the source.
    #[serde(default)]
    pub sees_source: Option<Spanned<String>>,
    /// A program instead of a connection, with its arguments; `{peer:80}` and `{peer}` in one become addresses.
    #[serde(default)]
    pub run: Vec<String>,
    /// The exit code that the program must have.
    #[serde(default)]
    #[schemars(range(min = 0, max = 255))]
    pub exit_code: Option<i32>,
    /// What the program must print.
    #[serde(default)]
    pub prints: Option<String>,
    /// The interface on whose wire the flow is seen, sent by it to the destination as it was asked for.
    #[serde(default)]
    pub leaves: Option<Spanned<WirePlace>>,
    /// The interface on whose wire it is not: one frame is too many.
    #[serde(default)]
    pub never_leaves: Option<Spanned<WirePlace>>,
}

impl Expectation {
    /// Nothing yet, of somebody.
    #[must_use]
    pub fn of(from: Who) -> Self {
        Self {
            from,
            to: None,
            ask: None,
            server: None,
            server_port: None,
            connected: None,
            source_port: None,
            answered_from: None,
            protocol: Protocol::Tcp,
            bytes: None,
            source: None,
            reaches: None,
            through: None,
            original_destination: None,
            sees_source: None,
            run: Vec::new(),
            exit_code: None,
            prints: None,
            leaves: None,
            never_leaves: None,
        }
    }
}

/// How something is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// By a connection.
    #[default]
    Tcp,
    /// By one datagram, which is answered by one.
    Udp,
}

/// An interface, as `node interface`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^\s*\S+\s+\S+\s*$"))]
pub struct WirePlace {
    /// The node.
    pub node: String,
    /// Its interface.
    pub interface: String,
}

impl TryFrom<String> for WirePlace {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_whitespace().collect::<Vec<_>>().as_slice() {
            [node, interface] => Ok(Self { node: (*node).to_owned(), interface: (*interface).to_owned() }),
            _ => Err(format!("`{text}` is not of the form `node interface`, as in `pod eth0`")),
        }
    }
}

impl fmt::Display for WirePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.node, self.interface)
    }
}

/// Somebody: `app` (uid and gid 1000), `other` (1001), `sidecar` and `root` in the pod; root in another node by the
/// node's name; or one of the file's `users`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("examples" = ["app", "other", "sidecar", "root", "peer"]))]
pub struct Who(pub String);

/// Where a connection or a query ends, or passes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(from = "String")]
#[schemars(!from, rename_all = "kebab-case")]
pub enum Place {
    /// A server of the application in the pod.
    App,
    /// The sidecar's listener for connections that arrive.
    SidecarInbound,
    /// The sidecar's listener for connections that are sent.
    SidecarOutbound,
    /// The sidecar's listener for queries.
    SidecarDns,
    /// The topology's name server, for queries.
    Nameserver,
    /// A name server in the pod itself, for queries.
    Resolver,
    /// Nobody: the connection is refused, since nothing listens there.
    Refused,
    /// Nobody: whoever took the connection broke it.
    Reset,
    /// Nobody: nothing comes back in time.
    Unanswered,
    /// Nobody: the network does not take it.
    Unreachable,
    /// A node that is not the pod, by its name: a server there.
    #[schemars(untagged)]
    Node(String),
}

impl Place {
    /// All that are no nodes.
    pub const KNOWN: [Self; 10] = [
        Self::App,
        Self::SidecarInbound,
        Self::SidecarOutbound,
        Self::SidecarDns,
        Self::Nameserver,
        Self::Resolver,
        Self::Refused,
        Self::Reset,
        Self::Unanswered,
        Self::Unreachable,
    ];

    /// Whether nobody is there.
    #[must_use]
    pub fn is_nowhere(&self) -> bool {
        matches!(self, Self::Refused | Self::Reset | Self::Unanswered | Self::Unreachable)
    }

    /// Whether it is a listener of the sidecar for connections.
    #[must_use]
    pub fn takes_connections_for_others(&self) -> bool {
        matches!(self, Self::SidecarInbound | Self::SidecarOutbound)
    }

    /// Whether it answers queries only.
    #[must_use]
    pub fn answers_queries(&self) -> bool {
        matches!(self, Self::SidecarDns | Self::Nameserver | Self::Resolver)
    }
}

impl From<String> for Place {
    fn from(text: String) -> Self {
        Self::KNOWN.into_iter().find(|known| known.to_string() == text).unwrap_or(Self::Node(text))
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::App => "app",
            Self::SidecarInbound => "sidecar-inbound",
            Self::SidecarOutbound => "sidecar-outbound",
            Self::SidecarDns => "sidecar-dns",
            Self::Nameserver => "nameserver",
            Self::Resolver => "resolver",
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Unanswered => "unanswered",
            Self::Unreachable => "unreachable",
            Self::Node(name) => name,
        })
    }
}

/// `name:port`. The name stands for an address of the variant's family: a node, as `pod` or `peer`; `pod@vm` (the pod's
/// address in the network that it shares with vm); `nameserver`; `localhost` (127.0.0.1, ::1); `passthrough`
/// (127.0.0.6, ::6); or it is an address itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = "^.+:[0-9]{1,5}$"))]
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
        if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let no_port = || format!("`{text}`: a port is from 1 to 65535");
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(no_port)?;
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
