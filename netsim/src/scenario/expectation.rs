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

/// `node interface`: the end of a wire.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
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

/// Who opens a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// A process of the application's user in the pod.
    App,
    /// A process of another user in the pod.
    Other,
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
    /// Nobody: nothing comes back in time.
    Unanswered,
}

impl Who {
    /// The node that it lives in.
    #[must_use]
    pub fn node(self) -> &'static str {
        match self {
            Self::App | Self::Other | Self::Sidecar | Self::Root => "pod",
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
            Self::Other => "other",
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
            Self::Unanswered => "unanswered",
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
