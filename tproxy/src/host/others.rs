//! What other programs have on the way of packets, as iptables of both flavours and nft show it. Needs root.
//!
//! Must never create a table by looking: see `has_legacy_tables`.

use super::iptables::{found, has_family, look_up, read_all};
use crate::check::Others;
use crate::family::IpFamily;
use crate::iptables::{Flavour, Tool};
use crate::process;

/// Looks with the programs that would install, and with those of the other flavour.
pub(super) fn seen(tools: &[Tool]) -> Others {
    let mut all = tools.to_vec();
    for family in IpFamily::ALL {
        for flavour in [Flavour::Nft, Flavour::Legacy] {
            if all.iter().all(|tool| (tool.flavour, tool.family) != (flavour, family)) {
                all.extend(found(flavour, family));
            }
        }
    }
    all.retain(|tool| has_family(tool.family));
    let tables = all.into_iter().map(|tool| {
        let tables = read_all(&tool).map_err(|error| error.to_string());
        (tool, tables)
    });
    let chains = look_up("nft").map(|nft| {
        let listed = process::run(&nft, &["-j", "list", "chains"], "", process::READING);
        listed.map(|output| output.stdout).map_err(|error| error.to_string())
    });
    Others { tables: tables.collect(), chains }
}
