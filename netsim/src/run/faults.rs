//! What happens to a network while traffic flows: links that go down, addresses that appear, packets that get lost.
//!
//! Must never change a rule of anybody's: packets are lost in a table of netsim's own, at the other end of the link.

use super::RunError;
use super::stage::Stage;
use crate::link::{self, LinkError};
use crate::node::{Finished, Node, Program};
use crate::scenario::{AddAddress, LinkDown, Loss, Step, WirePlace};

/// Lets it happen; a step of another kind is none of these.
pub(super) fn happen(stage: &Stage, step: &Step) -> Result<(), RunError> {
    match step {
        Step::LinkDown(down) => link_down(stage, &down.value),
        Step::LinkUp(place) => link_up(stage, &place.value),
        Step::AddAddress(add) => add_address(stage, &add.value),
        Step::Loss(loss) => lose(stage, &loss.value),
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

/// Loses packets of a link. By rules at the far end, so that the pod's own are not touched.
fn lose(stage: &Stage, wanted: &Loss) -> Result<(), RunError> {
    let far = far_end(stage, &wanted.at)?;
    let (interface, percent) = (&far.interface, wanted.percent);
    let chance = if percent < 100 { format!("numgen random mod 100 < {percent} ") } else { String::new() };
    let lossy = |hook: &str, match_interface: &str| {
        format!(
            "add chain inet netsim-loss {hook} {{ type filter hook {hook} priority raw; }}\n\
             add rule inet netsim-loss {hook} {match_interface} \"{interface}\" {chance}drop\n"
        )
    };
    // The first line makes sure that there is something to delete.
    let begin = "add table inet netsim-loss\ndelete table inet netsim-loss\n";
    let rules = match percent {
        0 => begin.to_owned(),
        _ => {
            let chains = lossy("prerouting", "iifname") + &lossy("postrouting", "oifname");
            format!("{begin}add table inet netsim-loss\n{chains}")
        }
    };
    let loaded = Program::new("nft").args(["-f", "-"]).stdin(rules).run(node(stage, &far)?);
    loaded.and_then(Finished::checked)?;
    Ok(())
}

fn far_end(stage: &Stage, place: &WirePlace) -> Result<WirePlace, RunError> {
    let is_here = |end: &crate::topology::End| end.node == place.node && end.interface == place.interface;
    let found = stage.network.topology().links().iter().find_map(|link| match &link.ends {
        [near, far] if is_here(near) => Some(far),
        [far, near] if is_here(near) => Some(far),
        _ => None,
    });
    let far = found.ok_or_else(|| LinkError::NoInterface { interface: place.to_string() })?;
    Ok(WirePlace { node: far.node.clone(), interface: far.interface.clone() })
}

fn node<'a>(stage: &'a Stage, place: &WirePlace) -> Result<&'a Node, RunError> {
    Ok(stage.network.node(&place.node)?)
}
