//! The flow that a scenario means, as the pod's kernel sees its first packet.
//!
//! Must never ask the system: what is known of a flow stands in the scenario and in the topology.

use std::net::{IpAddr, SocketAddr};

use tproxy::plan::flow::{Direction, Flow};

use super::RunError;
use super::stage::{POD, Stage};
use crate::actor::Client;
use crate::scenario::Who;

/// A TCP connection to `destination`; a query differs in its protocol only. `None` for what does not come by the pod.
pub(super) fn of(
    stage: &Stage,
    from: &Who,
    destination: SocketAddr,
    source: Option<IpAddr>,
) -> Result<Option<Flow>, RunError> {
    let topology = stage.topology();
    let (name, is_outside) = stage.whereabouts(from);
    if is_outside {
        let Some(interface) = topology.arrival(name, destination.ip(), POD) else { return Ok(None) };
        let source = source.map_or_else(|| source_of(stage, name), Ok)?;
        return Ok(Some(Flow {
            source: Some(source),
            interface: Some(interface.to_owned()),
            ..Flow::new(Direction::Inbound, destination)
        }));
    }
    let identity = stage.client(from).map(Client::identity);
    let (uid, gid) = (identity.map(|who| who.uid), identity.map(|who| who.gid));
    let flow = Flow { source, uid, gid, ..Flow::new(Direction::Outbound, destination) };
    let destination = flow.as_sent().destination.ip();
    let leaves = !stage.now_or_first().host.owns(destination);
    let interface = topology.egress(POD, destination).filter(|_| leaves).map(str::to_owned);
    Ok(Some(Flow { interface, ..flow }))
}

/// The address from which a node calls the pod: the one in the network that both share, else its first.
fn source_of(stage: &Stage, node: &str) -> Result<IpAddr, RunError> {
    stage.address(&format!("{node}@{POD}")).or_else(|_| stage.address(node))
}
