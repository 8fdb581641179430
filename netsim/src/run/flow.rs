//! The flow that an expectation means, as the pod's kernel sees its first packet.
//!
//! Must never ask the system: what is known of a flow stands in the scenario and in the topology.

use std::net::{IpAddr, SocketAddr};

use tproxy::plan::flow::{Direction, Flow};

use super::RunError;
use super::stage::{POD, Stage};
use crate::actor::Client;
use crate::scenario::Expectation;

/// A TCP connection to `destination`; a query differs in its protocol only.
pub(super) fn of(
    stage: &Stage,
    wanted: &Expectation,
    destination: SocketAddr,
    source: Option<IpAddr>,
) -> Result<Flow, RunError> {
    let topology = stage.network.topology();
    let name = wanted.from.node();
    if wanted.from.is_outside() {
        return Ok(Flow {
            source: Some(stage.address(name)?),
            interface: topology.interface_towards(POD, name).map(str::to_owned),
            ..Flow::new(Direction::Inbound, destination)
        });
    }
    let identity = stage.client(wanted.from).map(Client::identity);
    let (uid, gid) = (identity.map(|who| who.uid), identity.map(|who| who.gid));
    let flow = Flow { source, uid, gid, ..Flow::new(Direction::Outbound, destination) };
    let destination = flow.as_sent().destination.ip();
    let leaves = !stage.facts.host.owns(destination);
    let interface = topology.egress(POD, destination).filter(|_| leaves).map(str::to_owned);
    Ok(Flow { interface, ..flow })
}
