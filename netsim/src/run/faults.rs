//! What happens to a network while traffic flows: links that go down, addresses that appear, packets that get lost.
//!
//! Must never change a rule of anybody's.

use super::RunError;
use super::loss::lose;
use super::stage::Stage;
use crate::link;
use crate::node::Node;
use crate::scenario::{AddAddress, LinkDown, Step, WirePlace};

/// Lets it happen; a step of another kind is none of these.
pub(super) fn happen(stage: &Stage, step: &Step) -> Result<(), RunError> {
    match step {
        Step::LinkDown(down) => link_down(stage, &down.value),
        Step::LinkUp(place) => link_up(stage, &place.value),
        Step::AddAddress(add) => add_address(stage, &add.value),
        Step::Loss(loss) => lose(&stage.network, &loss.value),
        _ => Ok(()),
    }
}

fn link_down(stage: &Stage, wanted: &LinkDown) -> Result<(), RunError> {
    link::set_up(node(stage, &wanted.at)?, &wanted.at.interface, false)?;
    if let Some(lasting) = wanted.lasting {
        // How long it is down is what the scenario says, not a wait for something.
        std::thread::sleep(lasting.0);
        link_up(stage, &wanted.at)?;
    }
    Ok(())
}

/// The kernel forgets routes and IPv6 addresses of an interface that goes down.
fn link_up(stage: &Stage, place: &WirePlace) -> Result<(), RunError> {
    let topology = stage.network.topology();
    match topology.ends_of(&place.node).find(|end| end.interface == place.interface) {
        Some(end) => link::restore(node(stage, place)?, end)?,
        None => link::set_up(node(stage, place)?, &place.interface, true)?,
    }
    Ok(())
}

fn add_address(stage: &Stage, wanted: &AddAddress) -> Result<(), RunError> {
    link::add_address(node(stage, &wanted.at)?, &wanted.at.interface, wanted.address)?;
    stage.has_address(&wanted.at, wanted.address)
}

fn node<'a>(stage: &'a Stage, place: &WirePlace) -> Result<&'a Node, RunError> {
    Ok(stage.network.node(&place.node)?)
}
