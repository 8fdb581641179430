//! What must happen, as types: who calls whom, who answers, and what is seen of it.
//!
//! Must never hold a rule that needs more than one value: that is `check`.

use std::fmt;

use serde::Deserialize;
use serde_saphyr::Spanned;

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
    /// The name server to ask.
    #[serde(default)]
    pub server: Option<Spanned<String>>,
    /// The port to ask it at; 53 unless given.
    #[serde(default)]
    pub server_port: Option<u16>,
    /// Ask with a connected socket, or with one that is not; both, one after the other, unless given.
    #[serde(default)]
    pub connected: Option<bool>,
    /// The port to ask from; the kernel chooses one unless given.
    #[serde(default)]
    pub source_port: Option<u16>,
    /// From which address the answer must come; the server asked unless given.
    #[serde(default)]
    pub answered_from: Option<Spanned<String>>,
    /// The protocol; TCP unless given. A datagram gets one back.
    #[serde(default)]
    pub protocol: Protocol,
    /// How many bytes are said and must come back; a few unless given.
    #[serde(default)]
    pub bytes: Option<usize>,
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
    /// An interface on whose wire the flow must be seen leaving, to where it was sent.
    #[serde(default)]
    pub leaves: Option<Spanned<WirePlace>>,
    /// An interface on whose wire the flow must not be seen leaving, to where it was sent.
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// By a connection.
    #[default]
    Tcp,
    /// By a datagram.
    Udp,
}

/// `node interface`: the end of a wire.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
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

/// Who opens a connection, by name; [`super::people`] says who that is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub struct Who(pub String);

/// Where a connection ends, or passes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(from = "String")]
pub enum Place {
    /// A server of the application in the pod.
    App,
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
    /// Nobody: nothing comes back in time.
    Unanswered,
    /// Nobody: the network does not take it.
    Unreachable,
    /// A server in a node that is not the pod.
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
