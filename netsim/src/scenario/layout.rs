//! A topology that a file describes itself: nodes, links, bridges, addresses and routes.
//!
//! Must never hold a rule that needs more than one value: `topology` judges the whole.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::expectation::WirePlace;
use super::foreign::{Network, ReadyTopology};
use crate::topology::{Bridge, End, Link, NameServerPlace, Route, Topology, TopologyError};

/// Which topology a scenario runs in.
#[derive(Debug, Clone)]
pub enum Layout {
    /// A ready one, by name.
    Ready(String),
    /// One of its own.
    Own(Box<OwnLayout>),
}

impl Default for Layout {
    fn default() -> Self {
        Self::Ready("pod-and-peer".to_owned())
    }
}

impl<'de> Deserialize<'de> for Layout {
    /// By hand, since an untagged enum would forget the places of what is wrong.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LayoutVisitor)
    }
}

impl JsonSchema for Layout {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Layout".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let ready = generator.subschema_for::<ReadyTopology>();
        let own = generator.subschema_for::<OwnLayout>();
        schemars::json_schema!({ "anyOf": [ready, own] })
    }
}

struct LayoutVisitor;

impl<'de> Visitor<'de> for LayoutVisitor {
    type Value = Layout;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a ready topology, or a mapping with nodes, links and addresses")
    }

    fn visit_str<E>(self, name: &str) -> Result<Layout, E> {
        Ok(Layout::Ready(name.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Layout, A::Error> {
        OwnLayout::deserialize(MapAccessDeserializer::new(map)).map(|own| Layout::Own(Box::new(own)))
    }
}

impl Layout {
    /// The topology that is meant.
    ///
    /// # Errors
    /// There is none of that name, or its parts do not fit together.
    pub fn topology(&self) -> Result<Topology, TopologyError> {
        match self {
            Self::Ready(name) => Topology::ready(name),
            Self::Own(own) => own.topology(),
        }
    }
}

/// A topology of a file's own.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OwnLayout {
    /// The nodes. One is `pod`, where tproxy is installed.
    pub nodes: Vec<String>,
    /// The links between them, each a veth pair.
    pub links: Vec<LinkSpec>,
    /// Bridges in nodes.
    #[serde(default)]
    pub bridges: Vec<BridgeSpec>,
    /// The addresses of interfaces, by `node interface`; the first of a family is what the node's name means.
    #[schemars(with = "BTreeMap<String, Vec<Network>>")]
    pub addresses: BTreeMap<WirePlace, Vec<IpNet>>,
    /// Routes by node, as in `default via 10.1.0.1`.
    #[serde(default)]
    pub routes: BTreeMap<String, Vec<RouteSpec>>,
    /// A name server, which all nodes ask.
    #[serde(default)]
    pub name_server: Option<NameServerSpec>,
}

impl OwnLayout {
    fn topology(&self) -> Result<Topology, TopologyError> {
        let links = self.links.iter().map(|link| Link {
            ends: link.between.clone().map(|place| self.end(&place)),
            mtu: link.mtu,
            rate: link.rate.map(|rate| rate.0),
        });
        let mut topology = Topology::new("of its own", self.nodes.clone(), links.collect())?;
        for bridge in &self.bridges {
            topology =
                topology.with_bridge(Bridge { end: self.end(&bridge.at), ports: bridge.joins.clone() })?;
        }
        if let Some(server) = &self.name_server {
            let place = NameServerPlace { node: server.on.clone(), addresses: server.addresses.clone() };
            topology = topology.with_name_server(place);
        }
        self.check(&topology)?;
        Ok(topology)
    }

    /// Every address, route and server belongs to something that there is.
    fn check(&self, topology: &Topology) -> Result<(), TopologyError> {
        for place in self.addresses.keys() {
            if !topology.ends_of(&place.node).any(|end| end.interface == place.interface) {
                let (node, interface) = (place.node.clone(), place.interface.clone());
                return Err(TopologyError::NoInterface { node, interface });
            }
        }
        for (node, routes) in &self.routes {
            for route in routes {
                let on_link = topology
                    .ends_of(node)
                    .any(|end| end.addresses.iter().any(|address| address.contains(&route.gateway)));
                if !on_link {
                    return Err(TopologyError::GatewayOffLink { node: node.clone(), gateway: route.gateway });
                }
            }
        }
        let servers = self.name_server.iter().flat_map(|server| &server.addresses);
        for address in servers {
            let owner = topology.owner(*address);
            if owner != self.name_server.as_ref().map(|server| server.on.as_str()) {
                return Err(TopologyError::UnknownServer { address: *address });
            }
        }
        Ok(())
    }

    /// An interface with its addresses, and the routes whose gateways are reached by it.
    fn end(&self, place: &WirePlace) -> End {
        let addresses = self.addresses.get(place).cloned().unwrap_or_default();
        let routes = self.routes.get(&place.node).into_iter().flatten();
        let of_here = routes.filter(|route| addresses.iter().any(|own| own.contains(&route.gateway)));
        let routes = of_here.map(|route| Route { network: route.network, gateway: route.gateway }).collect();
        End { node: place.node.clone(), interface: place.interface.clone(), addresses, routes }
    }
}

/// A link: a veth pair.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LinkSpec {
    /// Its ends, each as `node interface`.
    pub between: [WirePlace; 2],
    /// The largest packet that it carries, in bytes.
    #[serde(default)]
    pub mtu: Option<u32>,
    /// What it carries a second in each direction.
    #[serde(default)]
    pub rate: Option<Rate>,
}

/// A bridge.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BridgeSpec {
    /// Its own interface, as `node interface`.
    pub at: WirePlace,
    /// The interfaces of the same node that it joins.
    pub joins: Vec<String>,
}

/// Where a name server is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NameServerSpec {
    /// The node that it runs in.
    pub on: String,
    /// Its addresses, at most one a family, which are among those of the node's interfaces.
    pub addresses: Vec<IpAddr>,
}

/// A route, as `default via 10.1.0.1` or `10.9.0.0/16 via 10.1.0.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = r"^\s*(default|\S+/\d+)\s+via\s+\S+\s*$"))]
pub struct RouteSpec {
    /// What is reached by it; everything of the gateway's family without.
    pub network: Option<IpNet>,
    /// The next hop.
    pub gateway: IpAddr,
}

impl TryFrom<String> for RouteSpec {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no route; write `default via 10.1.0.1` or `10.9.0.0/16 via 10.1.0.1`");
        let words: Vec<&str> = text.split_whitespace().collect();
        let [network, "via", gateway] = words.as_slice() else { return Err(wrong()) };
        let gateway: IpAddr = gateway.parse().map_err(|_| wrong())?;
        let network = match *network {
            "default" => None,
            network => Some(network.parse::<IpNet>().map_err(|_| wrong())?),
        };
        if network.is_some_and(|network| network.addr().is_ipv4() != gateway.is_ipv4()) {
            return Err(format!("`{text}`: network and gateway are of different families"));
        }
        Ok(Self { network, gateway })
    }
}

/// Bits a second, as in `10mbit`: a number with kbit, mbit or gbit, from 64kbit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^[0-9]+\s*[kmg]bit$"))]
pub struct Rate(pub u64);

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        const UNITS: [(&str, u64); 3] = [("kbit", 1_000), ("mbit", 1_000_000), ("gbit", 1_000_000_000)];
        let parsed = UNITS.iter().find_map(|(unit, factor)| {
            let number: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
            number.checked_mul(*factor)
        });
        // Less than this and the kernel's bucket holds no packet.
        const LEAST: u64 = 64_000;
        parsed.filter(|rate| *rate >= LEAST).map(Self).ok_or_else(|| {
            format!(
                "`{text}` is no rate; write a number with kbit, mbit or gbit, from 64kbit, as in `10mbit`"
            )
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}kbit", self.0 / 1_000)
    }
}
