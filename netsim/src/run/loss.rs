//! Packets that get lost on a link: all of it happens at its far end, so that the pod's rules and queues are not touched,
//! and what the pod sends is seen to leave.
//!
//! Must never change a rule of anybody's: what arrives there is dropped in a table of netsim's own, and so is what is sent
//! from there, unless the kernel has netem, by which a sender does not learn of its loss; without it only all of that is lost.

use super::RunError;
use crate::link::{LinkError, Network};
use crate::node::{Finished, Node, ProcessError, Program};
use crate::require;
use crate::scenario::{Loss, WirePlace};
use crate::topology::{End, Link};

/// Loses so many of a hundred packets from now on; none where that is 0.
pub(super) fn lose(network: &Network, wanted: &Loss) -> Result<(), RunError> {
    let (link, far) = far_end(network, &wanted.at)?;
    let node = network.node(&far.node)?;
    // A link with a rate has a queue of its own already.
    let by_netem = link.rate.is_none() && has_netem(node)?;
    if link.rate.is_none() && !by_netem {
        require::go_without("netem", "the kernel has no netem").map_err(RunError::Required)?;
    }
    if by_netem {
        let loss = format!("{}%", wanted.percent);
        tc(node, &["qdisc", "replace", "dev", &far.interface, "root", "netem", "loss", &loss])?.checked()?;
    }
    let rules = rules(&far.interface, wanted.percent, !by_netem);
    Program::new("nft").args(["-f", "-"]).stdin(rules).run(node)?.checked()?;
    Ok(())
}

/// Whether the kernel has netem, found by trying: it is a module that may not be there.
fn has_netem(node: &Node) -> Result<bool, ProcessError> {
    let added = tc(node, &["qdisc", "replace", "dev", "lo", "root", "netem", "loss", "0%"])?;
    if added.success() {
        tc(node, &["qdisc", "del", "dev", "lo", "root"])?.checked()?;
    }
    Ok(added.success())
}

fn tc(node: &Node, words: &[&str]) -> Result<Finished, ProcessError> {
    Program::new("tc").args(words.iter().copied()).run(node)
}

/// The rules that lose what arrives, and, where wanted, what is sent.
fn rules(interface: &str, percent: u8, sent: bool) -> String {
    let chance = if percent < 100 { format!("numgen random mod 100 < {percent} ") } else { String::new() };
    let lossy = |hook: &str, matched: &str| {
        format!(
            "add chain inet netsim-loss {hook} {{ type filter hook {hook} priority raw; }}\n\
             add rule inet netsim-loss {hook} {matched} \"{interface}\" {chance}drop\n"
        )
    };
    // The first line makes sure that there is something to delete.
    let begin = "add table inet netsim-loss\ndelete table inet netsim-loss\n";
    if percent == 0 {
        return begin.to_owned();
    }
    // The kernel forgets a connection whose SYN-ACK it cannot send again, so that some of what is sent is not lost here.
    let sent = if sent && percent == 100 { lossy("postrouting", "oifname") } else { String::new() };
    format!("{begin}add table inet netsim-loss\n{}{sent}", lossy("prerouting", "iifname"))
}

fn far_end<'a>(network: &'a Network, place: &WirePlace) -> Result<(&'a Link, &'a End), RunError> {
    let is_here = |end: &End| end.node == place.node && end.interface == place.interface;
    let found = network.topology().links().iter().find_map(|link| match &link.ends {
        [near, far] | [far, near] if is_here(near) => Some((link, far)),
        _ => None,
    });
    Ok(found.ok_or_else(|| LinkError::NoInterface { interface: place.to_string() })?)
}

#[cfg(test)]
mod tests {
    use super::rules;

    #[test]
    fn where_netem_loses_what_is_sent_the_rules_lose_only_what_arrives() {
        assert!(
            rules("eth0", 10, true).contains("prerouting iifname \"eth0\" numgen random mod 100 < 10 drop")
        );
        let arriving = rules("eth0", 100, false);
        assert!(arriving.contains("prerouting iifname \"eth0\" drop") && !arriving.contains("oifname"));
        assert!(!rules("eth0", 0, true).contains("drop"));
    }
}
